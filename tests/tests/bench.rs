//! The measuring programs work and count right; how fast anything is, is not looked at here.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use firmware_sim::bench::{Credit, Load, Pace, Plan, run};
use halo_tests::process::{self, Gateway};
use halo_tests::{Failure, compare};
use serde_json::Value;

fn gateway(folder: &tempfile::TempDir) -> Result<Gateway, Failure> {
    Gateway::start(&folder.path().join("data"), SocketAddr::from(([127, 0, 0, 1], 0)), &[])
}

fn status(folder: &tempfile::TempDir) -> Result<Value, Failure> {
    let data = folder.path().join("data").display().to_string();
    Ok(serde_json::from_slice(&process::run(&["status", "--json", "--data-dir", &data])?.stdout)?)
}

#[test]
fn the_gateway_takes_every_frame_of_the_load_as_new_and_each_becomes_one_reading() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let gateway = gateway(&folder)?;
    let plan = Plan {
        connections: 6,
        devices: 12,
        pace: Pace::Closed { window: 4, credit: Credit::Delivery },
        messages: Some(600),
        subscribers: 1,
        ..Plan::new(gateway.address().into())
    };
    let report = run(&plan, &mut |_| {})?;
    assert_eq!((report.sent, report.acked, report.delivered, report.missing), (600, 600, 600, 0), "{report}");
    assert_eq!(report.delivery_ms.map(|latency| latency.count), Some(600));
    // A second run has another boot, so nothing of it is a repeat.
    let again = Plan { boot: Some(3_000_000), ..plan };
    assert_eq!(run(&again, &mut |_| {})?.delivered, 600);
    let status = status(&folder)?.to_string();
    for wanted in ["\"duplicates\":0", "\"quarantined\":0"] {
        assert!(status.contains(wanted), "{wanted}: {status}");
    }
    assert!(!status.contains("\"lag_bytes\":null"), "{status}");
    Ok(())
}

#[test]
fn every_frame_of_the_load_is_counted_in_by_a_halo() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let gateway = gateway(&folder)?;
    let plan = Plan {
        connections: 5,
        devices: 5,
        pace: Pace::Open { rate: 200.0 },
        warm_up: Duration::ZERO,
        run_for: Duration::from_millis(500),
        subscribers: 1,
        subscribe: "halo/v1/halos/#".to_owned(),
        ..Plan::new(gateway.address().into())
    };
    let report = run(&plan, &mut |_| {})?;
    assert!(report.halos >= 5 && report.sent >= 90, "{report}");
    assert_eq!((report.delivered, report.missing), (report.sent, 0), "{report}");
    Ok(())
}

#[test]
fn opaque_payloads_reach_every_subscriber_and_are_not_stored() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let gateway = gateway(&folder)?;
    let plan = Plan {
        connections: 2,
        devices: 2,
        load: Load::Opaque { bytes: 200, prefix: "bench".to_owned() },
        messages: Some(100),
        subscribers: 3,
        subscribe: "bench/#".to_owned(),
        ..Plan::new(gateway.address().into())
    };
    let report = run(&plan, &mut |_| {})?;
    assert_eq!((report.acked, report.delivered, report.missing), (100, 300, 0), "{report}");
    Ok(())
}

#[test]
fn a_comparison_writes_every_row_with_its_goals() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("compare.json");
    let output = Command::new(env!("CARGO_BIN_EXE_compare"))
        .args(["--quick", "--rows", "start,derived,kinds,halos,log", "--json"])
        .arg(&file)
        .arg("--folder")
        .arg(folder.path())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let document: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
    let rows = document["rows"].as_array().ok_or("no rows")?;
    let names: Vec<_> = rows.iter().map(|row| row["row"].as_str().unwrap_or_default()).collect();
    assert_eq!(names, ["start", "derived", "kinds", "halos", "log"], "in the order of the table");
    for row in rows {
        assert!(row["failed"].is_null() && row["skipped"].is_null(), "{row}");
        let goals = row["goals"].as_array().ok_or("no goals")?;
        assert!(
            goals.is_empty() == (row["row"] == "kinds") && goals.iter().all(|goal| goal["hit"].is_boolean()),
            "{row}"
        );
    }
    let of_band = |what: &str| rows[2]["medians"][format!("wristband: bytes a subject, {what}")].as_f64();
    let (bare, derived) = (of_band("statistics alone"), of_band("derived signals as well"));
    assert!(bare > Some(1_000.0) && derived > bare && of_band("forecasts as well") > derived, "{}", rows[2]);
    let halos = &rows[3]["medians"];
    assert_eq!(halos["frames in no halo"], 0.0, "{halos}");
    assert!(halos["frames"].as_f64() > Some(50.0) && halos["halos"].as_f64() > Some(0.0), "{halos}");
    assert_eq!(rows[0]["configured"], Value::Array(Vec::new()), "as all are");
    assert!(rows[1]["configured"].to_string().contains("halo.forecasts=false"), "{}", rows[1]);
    let log = &rows[4]["medians"];
    for figure in ["log / in place, 2000 a group", "bare groups/s, 20 a group"] {
        assert!(log[figure].as_f64() > Some(0.0), "{log}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path())?.collect::<Result<_, _>>()?;
    assert!(left.len() == 1, "beside the document there is nothing left: {left:?}");
    assert!(document["machine"]["cores"].is_u64() && document["settings"]["gateway"].is_string(), "{document}");
    Ok(())
}

#[test]
fn a_row_that_does_not_exist_is_refused_with_those_that_do() -> Result<(), Failure> {
    let output = Command::new(env!("CARGO_BIN_EXE_compare")).args(["--rows", "speed"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("acks-100") && said.contains("memory-idle"), "{said}");
    assert!(compare::names(&[]).iter().any(|(name, _)| *name == "acks-100"));
    Ok(())
}

#[test]
fn the_list_shows_what_is_repeated_on_slow_disks() -> Result<(), Failure> {
    let list = |delays: &[&str]| -> Result<Vec<String>, Failure> {
        let output = Command::new(env!("CARGO_BIN_EXE_compare")).arg("--list").args(delays).output()?;
        let said = String::from_utf8(output.stdout)?;
        Ok(said.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
    };
    let (all, repeated) = (list(&[])?, list(&["--disk-delay", "1,10"])?);
    assert_eq!(repeated[..all.len()], all);
    for row in ["acks-100", "acks-1000", "node-red", "halos", "latency", "log", "start"] {
        for name in [format!("{row}@1ms"), format!("{row}@10ms")] {
            assert!(repeated.contains(&name), "{name} is not among {repeated:?}");
        }
    }
    assert_eq!(repeated.len(), all.len() + 2 * 7);
    Ok(())
}

#[test]
fn the_disk_of_the_data_folder_is_measured() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data").display().to_string();
    let output = process::run(&["check", "--disk", "--json", "--data-dir", &data])?;
    let document: Value = serde_json::from_slice(&output.stdout)?;
    let measured = &document["disk"];
    for kind in ["new_room", "in_place"] {
        let flushes = &measured[kind];
        assert!(flushes["p50_ms"].is_f64() && flushes["p50_ms"].as_f64() <= flushes["p99_ms"].as_f64(), "{measured}");
        assert!(flushes["flushes"].as_u64() >= Some(8), "{measured}");
    }
    assert!(measured["groups_per_s"].as_f64() > Some(0.0), "{measured}");
    Ok(())
}
