//! `firmware-sim bench` as a user meets it: the report, the exit codes, the errors.
#![cfg(target_os = "linux")]

use std::process::{Command, Output};

use firmware_sim::bench::{BenchError, Credit, Load, NullSink, Pace, Plan, run};
use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firmware-sim"));
    command.arg("bench").args(arguments).env_remove("RUST_LOG").env_remove("HALO_BROKER").output().unwrap()
}

#[test]
fn every_publish_to_a_server_that_acknowledges_is_in_the_report() {
    let output = bench(&["--null-sink", "--connections", "7", "--devices", "21", "--messages", "5000", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["sent"], &report["acked"], &report["refused"]), (&5_000.into(), &5_000.into(), &0.into()));
    assert_eq!(report["connected"], 7);
    assert_eq!(report["ack_ms"]["count"], 5_000);
    assert!(report["acks_per_s"].as_f64().is_some_and(|rate| rate > 0.0) && report["delivery_ms"].is_null());
    assert!(report["ack_ms"]["p50"].as_f64() <= report["ack_ms"]["p99"].as_f64());
    assert!(report["own_cpu"].as_f64().is_some_and(|cores| cores > 0.0));
}

#[test]
fn the_table_names_what_was_run_and_what_the_generator_used() {
    let output = bench(&["--null-sink", "--connections", "2", "--rate", "500", "--warm-up", "0", "--for", "0.2"]);
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && table.contains("500 /s open loop"), "{table}");
    assert!(table.contains("acknowledgement") && table.contains("% of a core"), "{table}");
}

#[test]
fn nobody_there_is_an_error_that_names_the_address() {
    // Nobody listens on this port: it was free a moment ago and is asked for by no one else.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = bench(&["--broker", &free, "--connections", "3"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains(&free) && said.contains("refused"), "{said}");
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    for arguments in [&["--rate", "0"][..], &["--rate", "5", "--window", "3"], &["--opaque", "x"], &["--kind", "cat"]] {
        assert_eq!(bench(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_load_that_nobody_forwards_is_missing_and_not_waited_for_for_ever() {
    let sink = NullSink::start().unwrap();
    let pace = Pace::Closed { window: 2, credit: Credit::Delivery };
    let load = Load::Opaque { bytes: 20, prefix: "x".to_owned() };
    let (short, none) = (std::time::Duration::from_millis(50), std::time::Duration::ZERO);
    let base = Plan::new(sink.address().into());
    let plan = Plan {
        connections: 3,
        devices: 3,
        pace,
        load,
        subscribers: 1,
        warm_up: none,
        run_for: short,
        drain: short,
        ..base
    };
    let report = run(&plan, &mut |_| {}).unwrap();
    // Two each, and no more without a delivery.
    assert_eq!((report.sent, report.acked, report.delivered, report.missing), (6, 6, 0, 6));
    assert!(!report.is_complete());
}

#[test]
fn a_plan_that_cannot_be_carried_out_is_refused_before_anything_is_sent() {
    let sink = NullSink::start().unwrap();
    for plan in [
        Plan { devices: 3, ..Plan::new(sink.address().into()) },
        Plan { connections: 0, devices: 0, ..Plan::new(sink.address().into()) },
        Plan { boot: Some(1), ..Plan::new(sink.address().into()) },
    ] {
        assert!(matches!(run(&plan, &mut |_| {}), Err(BenchError::Plan(_))));
    }
}
