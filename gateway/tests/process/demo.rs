//! The demo, as a newcomer starts it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{binary, complaint, is_installed_or_skip, run};

/// What takes a terminal's other screen, and what gives the first one back.
const TAKEN: &str = "\x1b[?1049h";
const GIVEN_BACK: &str = "\x1b[?1049l";

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
    for kind in ["anna", "wrist-0", "car-0", "engine-0", "parcel-0", "band-0", "pacer-0"] {
        assert!(said.lines().any(|line| line.starts_with(kind)), "no line of {kind} in\n{said}");
    }
    assert!(said.lines().all(|line| line.chars().count() <= 110), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert_eq!(last.split_whitespace().collect::<Vec<_>>(), ["lost", "0"], "{said}");
    let sent = said.lines().find(|line| line.trim_start().starts_with("sent")).unwrap_or_default();
    assert!(!sent.contains(" 0 of them again") && !sent.contains("over 15 connections"), "nothing went wrong: {sent}");
}

#[test]
fn a_demo_of_fifteen_is_a_town_in_which_situations_happen() {
    let output = run(&["demo", "--mqtt", "127.0.0.1:0", "--for", "6s", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let documents = || said.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let sparks: Vec<Value> = documents().filter(|document| document["schema"] == "spark/1").collect();
    let ready = |spark: &Value| spark["rule"] == "prescription-ready" && spark["state"] == "raised";
    assert!(sparks.iter().any(|spark| ready(spark) && spark["subject"] == "anna"), "{sparks:#?}");
}

#[test]
fn a_demo_of_one_situation_plays_it_to_its_end() {
    let output = run(&["demo", "--mqtt", "127.0.0.1:0", "--scenario", "shared-ride", "--plain", "--for", "40s"]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(said.contains("✦ shared-ride: somebody near you"), "{said}");
    assert!(said.lines().all(|line| line.chars().count() <= 110), "{said}");
    let list = run(&["demo", "--scenario", "list"]);
    assert!(String::from_utf8_lossy(&list.stdout).lines().any(|line| line.starts_with("park-day ")));
    let wrong = run(&["demo", "--scenario", "parkday"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(complaint(&wrong).contains("park-day, "), "{}", complaint(&wrong));
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

/// Runs the demo on a terminal until its picture stands, ends it, and returns everything the terminal was told.
fn on_a_terminal(end: impl FnOnce(&str, &mut dyn Write)) -> String {
    // It ends by itself too, so that no wait is without an end.
    let demo = format!("{} demo --mqtt 127.0.0.1:0 --devices 3 --for 40s", binary().get_program().display());
    let mut terminal = Command::new("script")
        .args(["-qec", &format!("echo pid $$; stty rows 24 cols 80; exec {demo}"), "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script starts");
    let (mut keys, mut screen) = (terminal.stdin.take().expect("piped"), terminal.stdout.take().expect("piped"));
    let (mut told, mut buffer) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&told).contains("lost 0") {
        match screen.read(&mut buffer).expect("the terminal is read") {
            0 => panic!("it ended without a picture: {}", String::from_utf8_lossy(&told)),
            len => told.extend_from_slice(&buffer[..len]),
        }
    }
    let so_far = String::from_utf8_lossy(&told).into_owned();
    let pid = so_far.lines().find_map(|line| line.strip_prefix("pid ")).expect("its process").trim();
    end(pid, &mut keys);
    screen.read_to_end(&mut told).expect("the terminal is read");
    assert_eq!(terminal.wait().expect("it ends").code(), Some(0), "{}", String::from_utf8_lossy(&told));
    String::from_utf8_lossy(&told).into_owned()
}

#[test]
fn on_a_terminal_there_is_a_picture_and_whatever_ends_it_the_terminal_is_given_back() {
    if !is_installed_or_skip("script") {
        return;
    }
    let by_key = |keys: &'static [u8]| move |_: &str, to: &mut dyn Write| to.write_all(keys).expect("typed");
    let by_signal = |pid: &str, _: &mut dyn Write| {
        let sent = Command::new("kill").args(["-TERM", pid]).status().expect("kill runs");
        assert!(sent.success());
    };
    for told in [on_a_terminal(by_key(b"q")), on_a_terminal(by_key(b"\x03")), on_a_terminal(by_signal)] {
        let (taken, back) = (told.find(TAKEN), told.find(GIVEN_BACK));
        assert!(taken.is_some() && taken < back, "{told}");
        let after = told.split(GIVEN_BACK).last().unwrap_or_default();
        assert!(after.lines().any(|line| line.split_whitespace().eq(["lost", "0"])), "no account after it: {after}");
    }
}
