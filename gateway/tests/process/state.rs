//! Checkpoints are disposable: whatever becomes of them, the log's halos come back.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Client, Gateway, binary, runtime};

const STATE: &str = "state.redb";

pub(crate) fn record(data: &Path, device: &str, values: std::ops::Range<u32>) {
    let gateway = Gateway::start(data, "127.0.0.1:0", &[]);
    runtime().block_on(async {
        let mut client = Client::connect(gateway.address, "by-hand").await;
        for value in values {
            client.publish(&format!("halo/v1/d/{device}/t"), false, format!(r#"{{"heart_rate":{value}}}"#)).await;
        }
    });
    assert_eq!(gateway.stop(), Some(0));
}

/// Starts the gateway once more; how many frames the device's halo counts, and its newest heart rate.
pub(crate) fn halo_after_a_start(data: &Path, device: &str, sets: &[&str]) -> (u64, u64) {
    let gateway = Gateway::start(data, "127.0.0.1:0", sets);
    let halo: Value = runtime().block_on(async {
        let mut client = Client::connect(gateway.address, "integrator").await;
        client.subscribe(&format!("halo/v1/halos/{device}")).await;
        serde_json::from_slice(&client.message().await.1).expect("a halo is JSON")
    });
    assert_eq!(gateway.stop(), Some(0));
    let number = |value: &Value| value.as_u64().expect("a number");
    (number(&halo["quality"]["accepted"]), number(&halo["signals"]["heart_rate"]["value"]))
}

#[test]
fn deleted_and_damaged_checkpoints_are_rebuilt_from_the_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    record(folder.path(), "my-watch", 60..90);
    let state = folder.path().join(STATE);
    assert_eq!(halo_after_a_start(folder.path(), "my-watch", &[]), (30, 89));
    fs::remove_file(&state).expect("removable");
    assert_eq!(halo_after_a_start(folder.path(), "my-watch", &[]), (30, 89), "deleted");
    let mut bytes = fs::read(&state).expect("readable");
    bytes.iter_mut().step_by(97).for_each(|byte| *byte ^= 0x55);
    fs::write(&state, &bytes).expect("writable");
    assert_eq!(halo_after_a_start(folder.path(), "my-watch", &[]), (30, 89), "damaged");
    fs::write(&state, b"").expect("writable");
    assert_eq!(halo_after_a_start(folder.path(), "my-watch", &[]), (30, 89), "emptied");
}

#[test]
fn checkpoints_of_another_log_are_not_believed() {
    let (ours, theirs) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    record(ours.path(), "my-watch", 60..90);
    record(theirs.path(), "my-watch", 150..155);
    fs::copy(theirs.path().join(STATE), ours.path().join(STATE)).expect("copied");
    assert_eq!(halo_after_a_start(ours.path(), "my-watch", &[]), (30, 89));
}

#[test]
fn checkpoints_that_end_beyond_the_log_are_not_believed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    record(folder.path(), "my-watch", 60..90);
    fs::remove_dir_all(folder.path().join("log")).expect("removable");
    record(folder.path(), "my-watch", 99..100);
    assert_eq!(halo_after_a_start(folder.path(), "my-watch", &[]), (1, 99));
}

/// redb panics on such a file. The panic is caught, and was printed all the same, with a place in the library's code.
#[test]
fn a_start_on_damaged_checkpoints_says_so_in_a_log_line_and_prints_no_panic() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // What a first start writes down in one go stands elsewhere in the file.
    record(folder.path(), "my-watch", 60..75);
    record(folder.path(), "my-watch", 75..90);
    let state = folder.path().join(STATE);
    let mut bytes = fs::read(&state).expect("readable");
    let third = bytes.len() / 3;
    bytes.iter_mut().skip(third).take(64 << 10).for_each(|byte| *byte = 0);
    fs::write(&state, &bytes).expect("writable");
    let said = folder.path().join("said");
    let mut command = binary();
    command.args(["--log", "warn", "run", "--mqtt", "127.0.0.1:0", "--data-dir"]).arg(folder.path());
    command.stderr(fs::File::create(&said).expect("creatable"));
    assert_eq!(Gateway::spawn(command).stop(), Some(0));
    let said = fs::read_to_string(&said).expect("UTF-8");
    assert!(said.contains("is damaged") && said.contains("it will be rebuilt from the log"), "{said}");
    assert!(!said.contains("panicked at"), "{said}");
}
