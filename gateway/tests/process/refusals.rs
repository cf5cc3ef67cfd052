//! Bad input: each a clear error with the place and the way out, and nothing lost.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Client, Gateway, complaint, run, runtime};

fn refused(arguments: &[&str], wanted: &[&str]) {
    let output = run(arguments);
    let said = complaint(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for wanted in wanted {
        assert!(said.contains(wanted), "{said:?} does not say {wanted:?}");
    }
}

#[test]
fn an_unknown_configuration_key_is_refused_with_line_and_column() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("gateway.toml");
    fs::write(&file, "[gateway]\nid = \"gw\"\nmqttt = \"127.0.0.1:0\"\n").expect("written");
    let file = file.display().to_string();
    refused(&["check", "--config", &file], &[&file, "line 3, column 1", "mqttt"]);
    refused(&["run", "--config", &file], &[&file, "line 3, column 1", "mqttt"]);
}

#[test]
fn a_taken_port_is_named_with_the_way_out() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = holder.local_addr().expect("an address").to_string();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let arguments = ["run", "--mqtt", &address, "--data-dir", &data.display().to_string()];
    refused(&arguments, &[&address, "in use", "another port"]);
    assert!(!data.exists(), "nothing has been touched");
}

#[test]
fn listening_beyond_loopback_is_refused() {
    refused(&["run", "--mqtt", "0.0.0.0:0"], &["0.0.0.0:0", "authentication", "127.0.0.1"]);
    refused(&["check", "--mqtt", "192.168.1.1:1883"], &["192.168.1.1:1883", "127.0.0.1:1883"]);
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named_with_the_way_out() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let below = file.path().join("data").display().to_string();
    refused(&["run", "--mqtt", "127.0.0.1:0", "--data-dir", &below], &[&below, "--data-dir"]);
}

#[test]
fn a_folder_in_use_by_another_gateway_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let _first = Gateway::start(folder.path(), "127.0.0.1:0", &[]);
    let path = folder.path().display().to_string();
    refused(&["run", "--mqtt", "127.0.0.1:0", "--data-dir", &path], &[&path, "in use by another process"]);
}

fn segments(data: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(data.join("log")).expect("a log");
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "seg"));
    files.sort();
    files
}

fn record_some(data: &Path) {
    let gateway = Gateway::start(data, "127.0.0.1:0", &[]);
    runtime().block_on(async {
        let mut device = Client::connect(gateway.address, "by-hand").await;
        for beat in 60..90 {
            device.publish("halo/v1/d/my-watch/t", false, format!(r#"{{"heart_rate":{beat}}}"#)).await;
        }
    });
    assert_eq!(gateway.stop(), Some(0));
}

#[test]
fn a_corrupt_record_is_reported_and_costs_only_itself() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    record_some(folder.path());
    let first = segments(folder.path()).remove(0);
    let mut bytes = fs::read(&first).expect("readable");
    let needle = br#"{"heart_rate":75}"#;
    let at = bytes.windows(needle.len()).position(|window| window == needle).expect("the record is there");
    bytes[at + 15] ^= 1;
    fs::write(&first, &bytes).expect("writable");
    let path = folder.path().display().to_string();
    let verified = run(&["log", "verify", &path]);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert_eq!(verified.status.code(), Some(1), "{said}");
    assert!(said.contains("segment 1") && said.contains("checksum"), "{said}");
    let dumped = run(&["log", "dump", "--json", "--device", "my-watch", &path]);
    let dumped = String::from_utf8(dumped.stdout).expect("UTF-8");
    assert_eq!(dumped.lines().filter(|line| line.contains("\"frame\"")).count(), 29, "{dumped}");
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0", &[]);
    assert_eq!(gateway.stop(), Some(0), "it starts and stops all the same");
}

/// The segment as a newer program would have begun it: both copies of the header say `version`, under a right checksum.
fn with_version(mut segment: Vec<u8>, version: u16) -> Vec<u8> {
    for header in [0, 4096] {
        segment[header + 8..header + 10].copy_from_slice(&version.to_le_bytes());
        let crc = crc32c::crc32c(&segment[header..header + 60]);
        segment[header + 60..header + 64].copy_from_slice(&crc.to_le_bytes());
    }
    segment
}

#[test]
fn a_log_of_a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    record_some(folder.path());
    let first = segments(folder.path()).remove(0);
    let before = fs::read(&first).expect("readable");
    let newer = with_version(before, 99);
    fs::write(&first, &newer).expect("writable");
    let path = folder.path().display().to_string();
    refused(&["run", "--mqtt", "127.0.0.1:0", "--data-dir", &path], &["99", "newer program"]);
    assert_eq!(fs::read(&first).expect("readable"), newer);
}

#[test]
fn a_folder_without_a_log_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().display().to_string();
    refused(&["log", "dump", &path], &[&path, "no log"]);
    refused(&["log", "verify", &path], &[&path, "no log"]);
}

#[test]
fn a_publish_to_a_topic_the_gateway_owns_ends_an_old_clients_connection() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0", &[]);
    runtime().block_on(async {
        let mut client = Client::connect(gateway.address, "impostor").await;
        client.handle.publish("halo/v1/halos/anna", rumqttc::QoS::AtLeastOnce, true, "{}").await.expect("queued");
        assert!(client.is_cut_off().await);
        let mut client = Client::connect(gateway.address, "clumsy").await;
        client.handle.publish("halo/v1/d/bad device/t", rumqttc::QoS::AtLeastOnce, false, "{}").await.expect("queued");
        assert!(client.is_cut_off().await, "3.1.1 has no other way to say no");
    });
}

#[test]
fn an_undecodable_frame_is_acknowledged_stored_and_quarantined() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0", &[]);
    let wrong: [&[u8]; 4] = [b"\xf8newer", b"\xf9\x01", b"\xfa a birth where frames go", b"hello"];
    runtime().block_on(async {
        let mut device = Client::connect(gateway.address, "odd").await;
        for payload in wrong {
            device.publish("halo/v1/d/odd-1/t", false, payload).await;
        }
        let mut integrator = Client::connect(gateway.address, "integrator").await;
        integrator.subscribe("halo/v1/halos/odd-1").await;
        let mut quarantined = Value::Null;
        while quarantined != 4 {
            let (_, payload) = integrator.message().await;
            let halo: Value = serde_json::from_slice(&payload).expect("JSON");
            quarantined = halo["quality"]["quarantined"].clone();
        }
    });
    assert_eq!(gateway.stop(), Some(0));
    let dump = run(&["log", "dump", "--json", "--device", "odd-1", &folder.path().display().to_string()]);
    let dump = String::from_utf8(dump.stdout).expect("UTF-8");
    let records: Vec<Value> = dump.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let frames: Vec<&Value> = records.iter().filter(|record| record["kind"] == "frame").collect();
    let reasons: Vec<&Value> = records.iter().filter(|record| record["kind"] == "quarantine").collect();
    assert_eq!((frames.len(), reasons.len()), (4, 4), "{dump}");
    for (frame, reason) in frames.iter().zip(&reasons) {
        assert_eq!(reason["cause"], frame["offset"]);
        assert!(reason["reason"].as_str().is_some_and(|reason| reason.len() > 10), "{reason}");
    }
    let hex: String = wrong[0].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(frames[0]["payload"], hex);
}
