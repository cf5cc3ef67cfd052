//! The demo, as a newcomer starts it.

use std::net::TcpListener;

use serde_json::Value;

use crate::harness::{complaint, run};

#[test]
fn a_demo_ends_by_itself_with_an_account_in_which_nothing_is_lost() {
    let output = run(&["demo", "--mqtt", "127.0.0.1:0", "--devices", "3", "--for", "3s", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    let documents: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (summary, halos) = documents.split_last().expect("a summary");
    assert!(halos.iter().any(|halo| halo["schema"] == "halo/1" && halo["signals"]["heart_rate"]["value"].is_number()));
    assert_eq!((&summary["schema"], &summary["lost"]), (&"demo-summary/1".into(), &0.into()), "{summary}");
    assert!(summary["acknowledged"].as_u64().is_some_and(|acknowledged| acknowledged >= 3), "{summary}");
    assert_eq!(summary["acknowledged"], summary["durable"], "{summary}");
    let kinds = summary["kinds"].as_object().expect("counts by kind");
    assert_eq!(kinds.keys().collect::<Vec<_>>(), ["car-dongle", "turbofan", "wristband"], "{summary}");
    let acknowledged: u64 = kinds.values().filter_map(|kind| kind["acknowledged"].as_u64()).sum();
    assert_eq!(summary["acknowledged"], acknowledged, "{summary}");
}

#[test]
fn a_demo_of_fifteen_shows_every_kind_and_loses_nothing_by_what_goes_wrong() {
    let output = run(&["demo", "--mqtt", "127.0.0.1:0", "--for", "9s"]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    for kind in ["wrist-0", "car-0", "engine-0", "parcel-0", "band-0", "pacer-0"] {
        assert!(said.lines().any(|line| line.starts_with(kind)), "no line of {kind} in\n{said}");
    }
    assert!(said.lines().all(|line| line.chars().count() <= 110), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert_eq!(last.split_whitespace().collect::<Vec<_>>(), ["lost", "0"], "{said}");
    let sent = said.lines().find(|line| line.trim_start().starts_with("sent")).unwrap_or_default();
    assert!(!sent.contains(" 0 of them again") && !sent.contains("over 15 connections"), "nothing went wrong: {sent}");
}

#[test]
fn a_demo_without_an_address_takes_the_next_free_port() {
    // Whoever has the default port, it is taken now; another program's listener serves as well as ours.
    let _holder = TcpListener::bind("127.0.0.1:1883");
    let output = run(&["demo", "--devices", "1", "--for", "1s"]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(said.contains("mosquitto_sub -h 127.0.0.1 -p ") && !said.contains("-p 1883 "), "{said}");
}

#[test]
fn a_demo_on_an_address_that_is_taken_says_so() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = holder.local_addr().expect("an address").to_string();
    let output = run(&["demo", "--mqtt", &address, "--for", "1s"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains(&address), "{}", complaint(&output));
}
