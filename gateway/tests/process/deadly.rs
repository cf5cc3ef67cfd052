//! G9: a record that kills whoever applies it kills three starts and no more. The deaths come from a failpoint that
//! only debug builds have.

use std::fs;
use std::path::Path;

use rumqttc::QoS;
use serde_json::Value;

use crate::harness::{Client, Gateway, binary, run, runtime};

const DIE_AT: &str = "HALO_GATEWAY_TEST_DIE_AT";

fn record(data: &Path, values: std::ops::Range<u32>) {
    let gateway = Gateway::start(data, "127.0.0.1:0", &[]);
    runtime().block_on(async {
        let mut client = Client::connect(gateway.address, "by-hand").await;
        for value in values {
            client.publish("halo/v1/d/my-watch/t", false, format!(r#"{{"heart_rate":{value}}}"#)).await;
        }
    });
    gateway.kill();
}

/// The records of a kind.
fn dumped(data: &Path, kind: &str) -> Vec<Value> {
    let dump = run(&["log", "dump", "--json", &data.display().to_string()]);
    let lines = String::from_utf8(dump.stdout).expect("JSON is UTF-8");
    let records = lines.lines().map(|line| serde_json::from_str(line).expect("a JSON line"));
    records.filter(|record: &Value| record["kind"] == kind).collect()
}

fn offset(record: &Value) -> u64 {
    record["offset"].as_u64().expect("a number")
}

fn quality(data: &Path, die_at: &str) -> (u64, u64) {
    let gateway = Gateway::start_with_variable(data, DIE_AT, die_at);
    let halo: Value = runtime().block_on(async {
        let mut client = Client::connect(gateway.address, "integrator").await;
        client.subscribe("halo/v1/halos/my-watch").await;
        serde_json::from_slice(&client.message().await.1).expect("a halo is JSON")
    });
    assert_eq!(gateway.stop(), Some(0));
    let count = |what: &str| halo["quality"][what].as_u64().expect("a number");
    (count("accepted"), count("quarantined"))
}

#[test]
fn g9_three_starts_die_of_a_record_and_the_fourth_serves_without_it() {
    for (stage, how) in [("fold", "abort"), ("head", "panic")] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path();
        record(data, 60..90);
        // Without checkpoints the whole log is replayed, by the head too; a first start that is killed has made none yet.
        assert!(!data.join("state.redb").exists() || fs::remove_file(data.join("state.redb")).is_ok());
        let deadly = offset(dumped(data, "frame").get(9).expect("thirty frames"));
        let die_at = format!("{stage} {deadly} {how}");
        for start in 1..=3 {
            let mut command = binary();
            command.env(DIE_AT, &die_at).args(["--log", "error", "run", "--mqtt", "127.0.0.1:0", "--data-dir"]);
            let ended = command.arg(data).output().expect("the binary runs");
            assert!(!ended.status.success(), "start {start} was to die at {die_at}");
        }
        assert_eq!(quality(data, &die_at), (29, 1), "{die_at}");
        let quarantined = dumped(data, "quarantine");
        assert_eq!(quarantined.len(), 1);
        assert_eq!(quarantined[0]["cause"].as_u64(), Some(deadly));
        assert_eq!(fs::read_to_string(data.join("skipped")).expect("the list"), format!("{deadly}\n"));
        fs::remove_file(data.join("state.redb")).expect("removable");
        assert_eq!(quality(data, "nowhere"), (29, 1), "skipped for good, from the log alone too");
        assert_eq!(dumped(data, "quarantine").len(), 1, "set aside once");
    }
}

#[test]
fn a_thread_that_panics_while_it_serves_ends_the_process_with_an_error() {
    for stage in ["fold", "head"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Start, configuration, connection, frame.
        let gateway = Gateway::start_with_variable(folder.path(), DIE_AT, &format!("{stage} 4 panic"));
        runtime().block_on(async {
            let mut client = Client::connect(gateway.address, "by-hand").await;
            let payload = r#"{"heart_rate":60}"#;
            client.handle.publish("halo/v1/d/my-watch/t", QoS::AtLeastOnce, false, payload).await.expect("queued");
            assert!(client.is_cut_off().await, "{stage}");
        });
        assert_eq!(gateway.exit_code(), Some(1), "{stage}");
        // What was acknowledged before the fold died is there; what killed the log's owner never was.
        assert_eq!(dumped(folder.path(), "frame").len(), usize::from(stage == "fold"), "{stage}");
    }
}
