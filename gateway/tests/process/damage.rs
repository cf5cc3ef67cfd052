//! Damage that destroys stored frames is told: by health, by `losses`, and after a repair too.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::admin::rows;
use crate::harness::{Client, Gateway, complaint, run, runtime};
use crate::state::record;

/// Flips one bit of the frame that says `heart_rate` is `value`; the segment it stands in.
fn harm(data: &Path, value: u32) -> PathBuf {
    let wanted = format!(r#""heart_rate":{value}"#).into_bytes();
    let segments = fs::read_dir(data.join("log")).expect("a log").map(|entry| entry.expect("an entry").path());
    for path in segments {
        let mut bytes = fs::read(&path).expect("readable");
        if let Some(at) = bytes.windows(wanted.len()).position(|bytes| bytes == wanted) {
            bytes[at + 1] ^= 1;
            fs::write(&path, bytes).expect("writable");
            return path;
        }
    }
    panic!("no segment holds the frame");
}

/// What the running gateway's ledger says of damage, and what its health says.
fn told(gateway: &Gateway, data: &Path) -> (Vec<Value>, Value) {
    let health = runtime().block_on(async {
        let mut client = Client::connect(gateway.address, "health").await;
        client.subscribe("halo/v1/gateway/+/health").await;
        loop {
            let health: Value = serde_json::from_slice(&client.message().await.1).expect("health is JSON");
            if health["state"] != "starting" {
                return health;
            }
        }
    });
    let mut losses = rows(data, &["losses"]);
    losses.retain(|row| row["kind"] == "damaged");
    (losses, health)
}

#[test]
fn a_frame_the_disk_has_damaged_stands_in_the_ledger_once_and_health_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    record(data, "my-watch", 60..90);
    harm(data, 75);
    // Without checkpoints every record is read again.
    fs::remove_file(data.join("state.redb")).expect("removable");
    for start in ["first", "second"] {
        let gateway = Gateway::start(data, "127.0.0.1:0", &[]);
        let (losses, health) = told(&gateway, data);
        assert_eq!(losses.len(), 1, "{start}: {losses:?}");
        let row = &losses[0];
        assert_eq!((&row["device"], &row["frames"]), (&"*".into(), &1.into()), "{row}");
        assert_eq!(row["from"], row["until"], "{row}");
        assert!(row["reason"].as_str().is_some_and(|reason| reason.contains("fails its checksum")), "{row}");
        if start == "first" {
            assert_eq!(health["state"], "degraded", "{health}");
            assert!(health["reasons"].to_string().contains("1 stored record cannot be read"), "{health}");
        }
        assert_eq!(gateway.stop(), Some(0));
        fs::remove_file(data.join("state.redb")).expect("removable");
    }
    let without = rows(data, &["losses"]);
    assert!(without.iter().any(|row| row["kind"] == "damaged"), "the log says it too: {without:?}");
}

#[test]
fn what_a_repair_gives_up_stands_in_the_ledger_and_health_is_well_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path();
    record(data, "my-watch", 60..90);
    harm(data, 75);
    let log = data.display().to_string();
    assert!(String::from_utf8_lossy(&run(&["log", "verify", &log]).stdout).contains("fails its checksum"));
    let repaired = run(&["log", "repair", "--write", &log]);
    assert!(repaired.status.success(), "{}", complaint(&repaired));
    assert!(run(&["log", "verify", &log]).status.success(), "it reads cleanly");
    for _ in 0..2 {
        let gateway = Gateway::start(data, "127.0.0.1:0", &[]);
        let (losses, health) = told(&gateway, data);
        assert_eq!((losses.len(), &losses[0]["frames"]), (1, &1.into()), "{losses:?}");
        assert_eq!(health["state"], "ready", "{health}");
        assert_eq!(gateway.stop(), Some(0));
    }
}
