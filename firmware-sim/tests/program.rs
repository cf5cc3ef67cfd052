//! The program as a user meets it: arguments, output, exit codes.

mod stub;

use std::process::{Command, Output};

use stub::{Conduct, Seen, Stub};

async fn firmware_sim(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firmware-sim"));
    command.args(arguments).env_remove("RUST_LOG").env_remove("HALO_BROKER");
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_fleet_reports_in_json_and_exits_with_0_when_everything_was_acknowledged() {
    let stub = Stub::start(|_| Conduct::WILLING).await.unwrap();
    let broker = stub.address.to_string();
    let output =
        firmware_sim(&["fleet", "--broker", &broker, "--devices", "3", "--frames", "20", "--speed", "max", "--json"])
            .await;
    assert_eq!((output.status.code(), err(&output).as_str()), (Some(0), ""));
    let summary: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!((&summary["devices"], &summary["frames"], &summary["acked"]), (&3.into(), &60.into(), &60.into()));
}

#[tokio::test]
async fn frames_without_acknowledgement_exit_with_1_and_the_reason() {
    // Nobody listens on this port: it was free a moment ago and is asked for by no one else.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output =
        firmware_sim(&["fleet", "--broker", &free, "--devices", "1", "--for", "1500ms", "--drain", "50ms"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("not acknowledged; last trouble: ") && err(&output).contains("refused"),
        "{}",
        err(&output)
    );
    assert!(out(&output).contains("1 devices, "), "{}", out(&output));
}

#[tokio::test]
async fn a_wrong_command_line_exits_with_2_and_a_bad_file_with_1() {
    for arguments in [["fleet", "--devices", "0"], ["fleet", "--period", "10"], ["replay", "--unit", "1"]] {
        assert_eq!(firmware_sim(&arguments).await.status.code(), Some(2), "{arguments:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.csv");
    std::fs::write(&path, "t_ms,hr_bpm\n0,seventy\n").unwrap();
    let output = firmware_sim(&["replay", "--series", path.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("bad.csv:2: value is \"seventy\", wanted a whole number"), "{}", err(&output));
}

#[tokio::test]
async fn a_replayed_file_gives_its_device_its_name() {
    let mut stub = Stub::start(|_| Conduct::WILLING).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my-strap.csv");
    std::fs::write(&path, "t_ms,rr_interval\n800,800\n1600,800\n").unwrap();
    let output =
        firmware_sim(&["replay", "--broker", &stub.address.to_string(), "--series", path.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("1 frames, 1 sent"), "{}", out(&output));
    let Seen::Connect { client_id, .. } = stub.next().await else { panic!("a connection comes first") };
    assert_eq!(client_id, "my-strap");
    let birth =
        |seen: &Seen| matches!(seen, Seen::Publish { publish, .. } if publish.topic == "halo/v1/d/my-strap/birth");
    assert!(stub.rest().iter().any(birth));
}

#[tokio::test]
async fn the_list_and_the_help_answer_without_a_broker() {
    let list = firmware_sim(&["list"]).await;
    assert!(list.status.success() && out(&list).contains("wristband") && out(&list).contains("bytes a sample"));
    let help = firmware_sim(&["replay", "--help"]).await;
    assert!(help.status.success() && out(&help).contains("Examples:"));
}
