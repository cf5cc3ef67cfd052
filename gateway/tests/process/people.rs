//! Devices that take another's place, and subjects that prove to be one, as an operator and a device meet them.

use std::path::Path;

use halo_gateway::clock::Clock;
use serde_json::Value;

use crate::admin::{refused, rows};
use crate::harness::{Client, Gateway, run, runtime};

async fn welcome(device: &mut Client) -> Value {
    let (topic, payload) = device.message().await;
    assert_eq!(topic, "halo/v1/d/band-2/cmd");
    serde_json::from_slice(&payload).expect("JSON")
}

fn ask(data: &Path, line: &str) -> Vec<Value> {
    rows(data, &line.split(' ').collect::<Vec<_>>())
}

#[test]
fn a_replaced_device_hears_of_its_subject_at_once_and_a_later_one_when_it_comes_and_both_after_a_crash() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let mut gateway = Gateway::start(data, "127.0.0.1:0", &[]);
    ask(data, "device assign band-1 anna --kind person --from 2026-01-01T00:00:00Z");
    ask(data, "subject set anna --time-zone Europe/Berlin goal=8000");
    refused(data, &["subject", "set", "anna", "--time-zone", "Mars/Olympus"], "is no IANA time zone");
    runtime().block_on(async {
        let mut band = Client::connect(gateway.address, "band-1").await;
        // It fell silent three minutes ago: the next device rules the signal with its first reading.
        let silent_since_ms = Clock::system().now().wall_ms - 180_000;
        let reading = format!(r#"{{"heart_rate":71,"time":{silent_since_ms}}}"#);
        band.publish("halo/v1/d/band-1/t", false, reading).await;
        let mut new = Client::connect(gateway.address, "band-2").await;
        new.subscribe("halo/v1/d/band-2/cmd").await;
        refused(data, &["device", "replace", "band-2", "band-1"], "feeds nobody but itself then");
        refused(data, &["device", "replace", "band-1", "band-1"], "cannot take its own place");
        assert!(ask(data, "device replace band-1 band-2")[0]["offset"].is_u64());
        let told = welcome(&mut new).await;
        assert_eq!((&told["schema"], &told["subject"]), (&"welcome/1".into(), &"anna".into()));
        assert_eq!((&told["replaces"], &told["signals"]["heart_rate"]["value"]), (&"band-1".into(), &71.into()));
        assert_eq!(told["settings"], serde_json::json!({"goal": "8000", "time_zone": "Europe/Berlin"}));
        ask(data, "subject set anna goal=9000");
        assert_eq!(welcome(&mut new).await["settings"]["goal"], "9000");

        // It was away meanwhile: it is told when it comes, of what is known by now.
        drop(new);
        let mut other = Client::connect(gateway.address, "by-hand").await;
        other.publish("halo/v1/d/band-2/t", false, r#"{"heart_rate":64}"#).await;
        other.subscribe("halo/v1/halos/anna").await;
        while serde_json::from_slice::<Value>(&other.message().await.1).expect("JSON")["signals"]["heart_rate"]["value"]
            != 64
        {}
        let mut back = Client::connect(gateway.address, "band-2").await;
        back.subscribe("halo/v1/d/band-2/#").await;
        assert_eq!(welcome(&mut back).await["signals"]["heart_rate"]["value"], 64);
    });
    gateway.kill();
    gateway = Gateway::start(data, "127.0.0.1:0", &[]);
    runtime().block_on(async {
        let mut back = Client::connect(gateway.address, "band-2").await;
        back.subscribe("halo/v1/d/band-2/cmd").await;
        assert_eq!(welcome(&mut back).await["settings"]["goal"], "9000");
    });
    let rows = ask(data, "device list");
    let feeds = |device: &str| rows.iter().find(|row| row["device"] == device).map(|row| row["subject"].clone());
    assert_eq!((feeds("band-1"), feeds("band-2")), (Some("band-1".into()), Some("anna".into())));
}

#[test]
fn subjects_are_related_named_and_merged_on_the_record() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    let gateway = Gateway::start(data, "127.0.0.1:0", &[]);
    ask(data, "device assign phone guest-7 --kind person");
    ask(data, "device assign band anna --kind person");
    ask(data, "subject relate anna bert --kind doctor --until 2099-01-01T00:00:00Z");
    ask(data, "subject relate anna guest-7 --kind family");
    refused(data, &["subject", "unrelate", "anna", "bert", "--kind", "pilot"], "bert is not the pilot of anna");
    refused(data, &["subject", "merge", "guest-7", "nobody"], "there is no subject \"nobody\"");
    refused(data, &["subject", "merge", "anna", "anna"], "are one subject already");
    refused(data, &["subject", "alias", "anna", "guest-7"], "guest-7 is a subject itself: merge it");
    let shown = &ask(data, "subject show anna")[0];
    assert_eq!(shown["relations"].as_array().map(Vec::len), Some(2), "{shown:#}");
    ask(data, "subject unrelate anna guest-7 --kind family");
    ask(data, "subject alias anna anna.miller");
    assert_eq!(ask(data, "subject show anna.miller")[0]["subject"], "anna");
    ask(data, "subject merge guest-7 anna.miller");
    refused(data, &["subject", "merge", "anna", "guest-7"], "are one subject already");
    runtime().block_on(async {
        let mut reader = Client::connect(gateway.address, "reader").await;
        reader.subscribe("halo/v1/readings/#").await;
        let mut phone = Client::connect(gateway.address, "phone").await;
        phone.publish("halo/v1/d/phone/t", false, r#"{"heart_rate":71}"#).await;
        assert_eq!(reader.message().await.0, "halo/v1/readings/anna/phone", "topics name who is left");
    });
    assert_eq!(ask(data, "subject show guest-7")[0]["merged_into"], "anna");
    let anna = &ask(data, "subject show anna")[0];
    assert_eq!(anna["aliases"], serde_json::json!(["anna.miller", "guest-7"]));
    assert_eq!(
        (&anna["signals"]["heart_rate"]["value"], &anna["relations"][0]["kind"]),
        (&71.into(), &"doctor".into())
    );

    assert_eq!(gateway.stop(), Some(0));
    let dump = run(&["log", "dump", "--json", &data.display().to_string()]);
    let dump = String::from_utf8(dump.stdout).expect("UTF-8");
    for deed in ["Relate", "Unrelate", "Alias", "Merge"] {
        assert!(dump.contains(&format!("\"deed\":{{\"{deed}\"")), "{deed} is not in {dump}");
    }
}
