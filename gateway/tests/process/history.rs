//! The past of a gateway, asked while it runs and after it died: readings, a halo as it was, and what a value rests on.

use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::Value;

use crate::harness::{Client, Gateway, complaint, run, runtime};

/// Values published, a second apart; the third is older than what came before it.
const VALUES: [(i64, i64); 4] = [(71, 0), (75, 1_000), (68, 500), (73, 2_000)];
/// When the first was taken, Unix milliseconds.
const BEGUN: i64 = 1_795_262_400_000;

fn configured(folder: &Path) -> std::path::PathBuf {
    let config = folder.join("gateway.toml");
    std::fs::write(&config, "[[assignment]]\ndevice = \"my-watch\"\nsubject = \"anna\"\nkind = \"person\"\n")
        .expect("written");
    config
}

/// Publishes the values and waits until the halo has the last of them; the halo.
fn published(gateway: &Gateway) -> Value {
    runtime().block_on(async {
        let mut integrator = Client::connect(gateway.address, "integrator").await;
        integrator.subscribe("halo/v1/halos/anna").await;
        let mut device = Client::connect(gateway.address, "by-hand").await;
        for (value, after) in VALUES {
            let payload = format!("{{\"heart_rate\":{value},\"time\":{}}}", BEGUN + after);
            device.publish("halo/v1/d/my-watch/t", false, payload).await;
        }
        loop {
            let (_, payload) = integrator.message().await;
            let halo: Value = serde_json::from_slice(&payload).expect("a halo is JSON");
            if halo["signals"]["heart_rate"]["value"] == 73 {
                return halo;
            }
        }
    })
}

/// What a command said on stdout, when it ended with a code.
fn said(code: i32, arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", complaint(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn rows(arguments: &[&str]) -> Vec<Value> {
    said(0, arguments).lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

#[test]
fn history_why_and_the_halo_as_it_was_agree_with_and_without_the_gateway() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let gateway = Gateway::start_with(&configured(folder.path()), &data);
    let halo = published(&gateway);
    let data = data.to_str().expect("UTF-8");
    let mut gateway = Some(gateway);
    for _ in ["running", "dead"] {
        let asked = ["history", "anna", "heart_rate", "--data-dir", data, "--from", "2026-11-21T12:00:00Z"];
        let csv = said(0, &[&asked[..], &["--to", "2026-11-21T12:00:02.001Z", "--csv"]].concat());
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[0], "time,value,unit,device,quality,offset");
        let expected = ["00.000Z,71", "00.500Z,68", "01.000Z,75", "02.000Z,73"];
        assert_eq!(lines.len(), 1 + expected.len(), "{csv}");
        for (line, expected) in lines[1..].iter().zip(expected) {
            assert!(line.starts_with(&format!("2026-11-21T12:00:{expected},/min,my-watch,good,")), "{csv}");
        }
        let steps = rows(&[&asked[..], &["--to", "2026-11-21T12:00:02Z", "--step", "1s", "--json"]].concat());
        let told =
            steps.iter().map(|row| (row["n"].as_i64(), row["min"].as_i64(), row["mean"].as_f64(), row["max"].as_i64()));
        assert_eq!(
            told.collect::<Vec<_>>(),
            [(Some(2), Some(68), Some(69.5), Some(71)), (Some(1), Some(75), Some(75.0), Some(75))]
        );
        let picture = said(0, &[&asked[..], &["--to", "2026-11-21T12:00:03Z", "--plot"]].concat());
        assert!(picture.contains("4 good readings, by my-watch, /min") && picture.contains('┤'), "{picture}");

        let [was] = &rows(&["halo", "anna", "--at", "now", "--json", "--data-dir", data])[..] else {
            panic!("one halo")
        };
        // Presence goes on with the gateway's own life, the revision with it; what was measured does not.
        assert_eq!((&was["signals"], &was["kind"]), (&halo["signals"], &halo["kind"]));

        let [why] = &rows(&["why", "anna", "heart_rate", "--json", "--data-dir", data])[..] else {
            panic!("one proof")
        };
        assert_eq!((&why["value"], &why["again"], &why["same"]), (&73.into(), &73.into(), &true.into()));
        let window = rows(&["why", "anna", "heart_rate", "--window", "1m", "--json", "--data-dir", data]);
        assert_eq!((&window[0]["again"]["n"], &window[0]["again"]["mean"]), (&4.0.into(), &71.75.into()));
        if let Some(running) = gateway.take() {
            running.kill();
        }
    }
    let before = said(1, &["halo", "anna", "--at", "2020-01-01", "--data-dir", data]);
    assert_eq!(before, "", "there was none");
    let other = run(&["history", "anna", "heart_rat", "--from", "2026-11-21", "--data-dir", data]);
    assert!(complaint(&other).contains("anna has heart_rate"), "{}", complaint(&other));
}

/// A check that cannot fail would prove nothing.
#[test]
fn why_fails_when_the_bytes_in_the_log_do_not_say_what_the_halo_says() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let gateway = Gateway::start_with(&configured(folder.path()), &data);
    published(&gateway);
    let asked = ["why", "anna", "heart_rate", "--json", "--data-dir", data.to_str().expect("UTF-8")];
    let [why] = &rows(&asked)[..] else { panic!("one proof") };
    let at = why["bytes"][0].as_u64().expect("a position");
    let file =
        std::fs::OpenOptions::new().write(true).open(why["file"].as_str().expect("a file")).expect("the segment");
    // Into the body of the record: its checksum no longer fits.
    file.write_all_at(b"!", at + 60).expect("written");
    let told = said(1, &asked);
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((&told["value"], &told["same"]), (&73.into(), &false.into()));
    drop(gateway);
}
