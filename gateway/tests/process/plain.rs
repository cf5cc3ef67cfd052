//! Plain clients: JSON on the telemetry topic makes a halo, by hand or by program.

use serde_json::Value;

use crate::harness::{Client, Gateway, is_installed_or_skip, runtime};

async fn halo(client: &mut Client) -> Value {
    let (_, payload) = client.message().await;
    serde_json::from_slice(&payload).expect("a halo is JSON")
}

#[test]
fn flat_json_and_senml_make_halos_of_the_devices_own_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0", &[]);
    runtime().block_on(async {
        let mut integrator = Client::connect(gateway.address, "integrator").await;
        integrator.subscribe("halo/v1/halos/+").await;
        let mut device = Client::connect(gateway.address, "by-hand").await;
        device.publish("halo/v1/d/my-watch/t", false, r#"{"heart_rate":72}"#).await;
        let mut seen = halo(&mut integrator).await;
        while seen["signals"]["heart_rate"]["value"] != 72 {
            seen = halo(&mut integrator).await;
        }
        assert_eq!(seen["subject"], "my-watch");
        assert_eq!(seen["signals"]["heart_rate"]["unit"], "/min");
        device.publish("halo/v1/d/my-probe/t", false, r#"[{"n":"temperature","u":"Cel","v":23.5}]"#).await;
        while seen["subject"] != "my-probe" || seen["signals"]["temperature"]["value"] != 23.5 {
            seen = halo(&mut integrator).await;
        }
        assert_eq!(seen["signals"]["temperature"]["unit"], "Cel");
    });
    assert_eq!(gateway.stop(), Some(0));
}

#[test]
fn a_late_subscriber_gets_the_halo_as_it_is_now_even_after_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0", &[]);
    runtime().block_on(async {
        let mut device = Client::connect(gateway.address, "by-hand").await;
        device.publish("halo/v1/d/my-watch/t", false, r#"{"heart_rate":72}"#).await;
    });
    gateway.kill();
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0", &[]);
    runtime().block_on(async {
        let mut integrator = Client::connect(gateway.address, "integrator").await;
        integrator.subscribe("halo/v1/halos/my-watch").await;
        assert_eq!(halo(&mut integrator).await["signals"]["heart_rate"]["value"], 72);
    });
}

#[test]
fn a_retained_message_survives_a_kill() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0", &[]);
    runtime().block_on(async {
        let mut client = Client::connect(gateway.address, "home").await;
        client.publish("home/lamp", true, "on").await;
        client.publish("home/door", true, "open").await;
        client.publish("home/door", true, "").await;
    });
    gateway.kill();
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0", &[]);
    runtime().block_on(async {
        let mut client = Client::connect(gateway.address, "visitor").await;
        client.subscribe("home/#").await;
        let mut other = Client::connect(gateway.address, "other").await;
        other.publish("home/end", false, "end").await;
        assert_eq!(client.message().await, ("home/lamp".to_owned(), b"on".to_vec()));
        assert_eq!(client.message().await.0, "home/end", "and no door");
    });
}

#[test]
fn an_assignment_gives_the_halo_to_its_subject() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("gateway.toml");
    std::fs::write(&config, "[[assignment]]\ndevice = \"my-watch\"\nsubject = \"anna\"\nkind = \"person\"\n")
        .expect("written");
    let data = folder.path().join("data");
    let gateway = Gateway::start_with(&config, &data);
    runtime().block_on(async {
        let mut integrator = Client::connect(gateway.address, "integrator").await;
        integrator.subscribe("halo/v1/halos/+").await;
        let mut device = Client::connect(gateway.address, "by-hand").await;
        device.publish("halo/v1/d/my-watch/t", false, r#"{"heart_rate":72}"#).await;
        let seen = halo(&mut integrator).await;
        assert_eq!((&seen["subject"], &seen["kind"]), (&Value::from("anna"), &Value::from("person")));
    });
}

/// The line of the README that begins with `program`.
fn readme_line(program: &str) -> String {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(readme).expect("the README is there");
    let line = readme.lines().find(|line| line.starts_with(program));
    line.unwrap_or_else(|| panic!("the README has no line that begins with {program:?}")).to_owned()
}

#[test]
fn the_readmes_mosquitto_lines_make_a_halo_as_typed() {
    if !is_installed_or_skip("mosquitto_pub") || !is_installed_or_skip("mosquitto_sub") {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0", &[]);
    let port = gateway.address.port();
    let shell = |line: String| std::process::Command::new("sh").args(["-c", &line]).output().expect("a shell");
    let published = shell(format!("{} -p {port}", readme_line("mosquitto_pub ")));
    assert!(published.status.success(), "{published:?}");
    let seen = shell(format!("{} -p {port} -C 1 -W 30", readme_line("mosquitto_sub -t")));
    let seen = String::from_utf8(seen.stdout).expect("UTF-8");
    let (topic, halo) = seen.split_once(' ').expect("topic and payload");
    assert_eq!(topic, "halo/v1/halos/my-watch");
    let halo: Value = serde_json::from_str(halo).expect("a halo is JSON");
    assert_eq!((&halo["schema"], &halo["signals"]["heart_rate"]["value"]), (&"halo/1".into(), &72.into()));
}
