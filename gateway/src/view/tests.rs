use bytes::Bytes;
use halo_proto::topic::Grammar;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

use super::draw::draw;
use super::figures::{Disk, Fleet, Sample, Upstream};
use super::model::{About, Key, Model, Observed, Wish};

fn model() -> Model {
    let notes = vec!["mosquitto_sub -h 127.0.0.1 -p 1883 -t 'halo/v1/halos/+' -v".to_owned()];
    Model::new(About {
        title: "halo-gateway demo".to_owned(),
        address: "mqtt://127.0.0.1:1883".to_owned(),
        notes,
        grammar: Grammar::default(),
        ends_mono_ms: Some(60_000),
    })
}

fn sample(mono_ms: u64) -> Sample {
    Sample {
        mono_ms,
        wall_ms: 1_795_291_200_000 + mono_ms as i64,
        uptime_ms: mono_ms,
        frames: mono_ms / 100,
        publishes: mono_ms / 100,
        records: mono_ms / 100,
        folded_records: mono_ms / 100,
        halos: mono_ms / 100,
        bytes: mono_ms,
        disk: Some(Disk { used: 1_200_000, max: 10_000_000_000, mark: "calm".to_owned() }),
        fleet: Some(Fleet { devices: 2, connected: 2, sent: 105, resent: 3, acked: mono_ms / 100, in_flight: 1 }),
        ..Sample::default()
    }
}

fn halo(subject: &str, signal: &str, value: f64, seconds: u64) -> Value {
    let time = format!("2026-11-21T20:00:{seconds:02}.000Z");
    let minute = json!({"n": 2, "min": 70, "max": 75, "mean": 72.5});
    json!({
        "schema": "halo/1", "subject": subject, "kind": "thing", "revision": 7, "time": time,
        "signals": {signal: {"value": value, "unit": "/min", "time": time, "quality": "good", "stats": {"1m": minute}}},
        "context": {
            "events": [{"time": time, "device": subject, "code": 5, "name": "harsh_brake", "severity": 2, "value": 0.4, "unit": "[g]"},
                       {"time": time, "device": subject, "code": 77, "severity": 2, "value": 4}],
            "texts": {"vin": {"value": "W\u{1b}[2J", "time": time, "device": subject}},
        },
        "presence": {subject: {"state": "online", "last_seen": time, "battery_pct": 81, "clock_offset_ms": -3}},
        "quality": {"accepted": 12, "gaps": 0, "missing": 2},
    })
}

fn say(model: &mut Model, topic: &str, payload: &Value) {
    let payload = Bytes::from(payload.to_string());
    model.observe(Observed::Message { topic: topic.to_owned(), payload });
}

/// A fleet of `subjects` that has been running for ten seconds.
fn running(subjects: usize) -> Model {
    let mut model = model();
    for second in 0..10 {
        model.observe(Observed::Sample(Box::new(sample(second * 1_000))));
        for at in 0..subjects {
            let name = format!("wrist-{at:02}");
            say(&mut model, &format!("halo/v1/halos/{name}"), &halo(&name, "heart_rate", 70.0 + second as f64, second));
            say(&mut model, &format!("halo/v1/readings/{name}/{name}"), &json!({"signals": {}}));
        }
        model.step();
    }
    say(&mut model, "halo/v1/gateway/demo/health", &json!({"state": "ready", "reasons": []}));
    model
}

fn picture(model: &Model, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal in memory");
    terminal.draw(|frame| draw(frame, model)).expect("drawn in memory");
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer.cell((x, y)).map_or(" ", |cell| cell.symbol())).collect::<String>();
    (0..height).map(row).collect()
}

fn shows(model: &Model, width: u16, height: u16, wanted: &[&str]) {
    let picture = picture(model, width, height).join("\n");
    if let Some(missing) = wanted.iter().find(|it| !picture.contains(**it)) {
        panic!("{missing:?} is not shown at {width}×{height}:\n{picture}");
    }
}

#[test]
fn eighty_by_twentyfour_shows_the_river_the_counts_and_the_halos() {
    let model = running(2);
    let wanted = [
        "halo-gateway demo  ready  mqtt://127.0.0.1:1883  up 0:09  ends in 0:51",
        "devices ─",
        "▶ broker ─",
        "▶ log ─",
        "▶ fold ─",
        "▶ topics",
        "2 of 2 on",
        "10.0 acks/s",
        "10.0 rec/s",
        "0 behind",
        "lost 0 │ acked 90 │ sent 105 │ of these again 3 │ stored 90",
        "halos 2",
        "wrist-00    heart 79 /min     ▁▂▃▃▄▅▆▆▇█",
        "q quit",
    ];
    shows(&model, 80, 24, &wanted);
}

#[test]
fn a_wide_terminal_shows_devices_beside_halos_and_the_selected_halo_below() {
    let mut model = running(2);
    model.press(Key::Down);
    let wanted = [
        "wrist-01    online",
        "81 %",
        "wrist-01 (thing) revision 7",
        "70–75, 72.5",
        "! harsh brake",
        "0.40 g",
        "! event 77",
        "W·[2J",
        "accepted 12  missing 2",
    ];
    shows(&model, 140, 44, &wanted);
    let row = picture(&model, 140, 44).into_iter().find(|row| row.starts_with("wrist-00")).expect("a device's row");
    assert!(row.contains("10 ") && row.contains("0.0 s"), "frames and the last one: {row}");
}

#[test]
fn every_size_has_a_picture_and_the_smallest_still_says_what_is_lost() {
    let mut model = running(30);
    for open in [false, true] {
        for help in [false, true] {
            (model.help, model.open) = (help, open.then_some(3));
            for width in [0, 1, 2, 3, 11, 20, 31, 54, 55, 79, 80, 109, 110, 139] {
                for height in [0, 1, 2, 3, 4, 5, 9, 10, 17, 18, 24, 60] {
                    assert_eq!(picture(&model, width, height).len(), usize::from(height));
                }
            }
        }
    }
    (model.help, model.open) = (false, None);
    shows(&model, 20, 2, &["halo-gateway demo", "lost 0 │ acked 90"]);
    shows(&model, 60, 15, &["devices ─", "10.0 acks/s", "wrist-00    heart 79 /min", "q quit"]);
    shows(&model, 12, 3, &["halo-gateway", "lost 0"]);
    shows(&model, 40, 8, &["wrist-00", "q quit"]);
}

#[test]
fn a_lost_frame_is_the_first_thing_to_be_seen() {
    let mut model = running(1);
    let fleet = Some(Fleet { acked: 93, ..sample(9_000).fleet.expect("a fleet") });
    model.observe(Observed::Sample(Box::new(Sample { fleet, ..sample(9_100) })));
    shows(&model, 80, 24, &["lost 2 │ acked 93"]);
}

#[test]
fn what_is_wrong_is_shown_instead_of_the_keys() {
    let mut model = running(1);
    model.observe(Observed::Notice(Some("WARN no such luck".to_owned())));
    shows(&model, 80, 24, &["WARN no such luck"]);
    model.observe(Observed::Sample(Box::new(sample(30_000))));
    model.observe(Observed::Notice(Some("WARN no such luck".to_owned())));
    shows(&model, 80, 24, &["q quit"]);
    model.observe(Observed::Health(json!({"state": "degraded", "reasons": ["the disk is full"]})));
    shows(&model, 80, 24, &["degraded", "! the disk is full"]);
    let upstreams = vec![Upstream { name: "far".to_owned(), state: "backing-off".to_owned(), ..Upstream::default() }];
    let disk = Some(Disk { used: 9_600_000_000, max: 10_000_000_000, mark: "refuse".to_owned() });
    model.observe(Observed::Sample(Box::new(Sample { upstreams, disk, fleet: None, ..sample(30_200) })));
    shows(&model, 80, 24, &["far backing-off", "9.6 GB refuse", "0 clients"]);
}

#[test]
fn a_held_picture_stands_still_while_things_go_on() {
    let mut model = running(1);
    model.press(Key::Pause);
    let before = picture(&model, 80, 24);
    assert!(before[0].contains("paused"), "{}", before[0]);
    say(&mut model, "halo/v1/halos/wrist-00", &halo("wrist-00", "heart_rate", 155.0, 30));
    model.observe(Observed::Sample(Box::new(sample(30_000))));
    model.step();
    assert_eq!(picture(&model, 80, 24), before);
    model.press(Key::Pause);
    shows(&model, 80, 24, &["heart 155 /min", "acked 300"]);
}

#[test]
fn the_selection_stays_with_its_name_and_stops_at_the_ends() {
    let mut model = running(30);
    let selected = |model: &Model| model.selected_subject().map(|(name, _)| name.clone());
    (0..5).for_each(|_| assert_eq!(model.press(Key::Down), Wish::Stay));
    assert_eq!(selected(&model).as_deref(), Some("wrist-05"));
    say(&mut model, "halo/v1/halos/aaa", &halo("aaa", "heart_rate", 60.0, 1));
    assert_eq!(selected(&model).as_deref(), Some("wrist-05"), "a row before it has come");
    model.press(Key::Last);
    shows(&model, 80, 24, &["wrist-29", "of 31"]);
    model.press(Key::Down);
    assert_eq!(selected(&model).as_deref(), Some("wrist-29"));
    model.press(Key::First);
    model.press(Key::Up);
    assert_eq!(selected(&model).as_deref(), Some("aaa"));
}

#[test]
fn keys_open_close_switch_and_quit() {
    let mut model = running(2);
    model.press(Key::OtherPane);
    shows(&model, 80, 24, &["devices 2", "KIND", "SUBJECT"]);
    model.press(Key::Open);
    shows(&model, 80, 24, &["wrist-00 (thing)", "LEAST–GREATEST"]);
    assert_eq!((model.press(Key::Quit), model.open), (Wish::Stay, None), "q closes what is open first");
    model.press(Key::Help);
    shows(&model, 80, 24, &["mosquitto_sub -h 127.0.0.1", "any key closes it", "must be 0"]);
    assert_eq!((model.press(Key::Quit), model.help), (Wish::Stay, false));
    assert_eq!(model.press(Key::Quit), Wish::Quit);
    model.press(Key::Help);
    assert_eq!(model.press(Key::End), Wish::Quit, "Ctrl-C, wherever one is");
}

#[test]
fn nothing_that_is_no_halo_changes_the_picture() {
    let mut model = running(1);
    let before = picture(&model, 80, 24);
    for payload in ["", "{", "[]", "{\"signals\":5}", "{\"subject\":7}"] {
        let payload = Bytes::from_static(payload.as_bytes());
        for topic in ["halo/v1/halos/wrist-00", "halo/v1/d/wrist-00/birth", "elsewhere"] {
            model.observe(Observed::Message { topic: topic.to_owned(), payload: payload.clone() });
        }
    }
    assert_eq!(picture(&model, 80, 24), before);
}

#[test]
fn of_a_large_fleet_what_is_near_the_selection_is_read() {
    let mut model = model();
    model.observe(Observed::Sample(Box::new(sample(0))));
    for at in 0..2_000 {
        let name = format!("s-{at:04}");
        say(&mut model, &format!("halo/v1/halos/{name}"), &halo(&name, "heart_rate", 70.0, 1));
    }
    assert!(model.scene().subjects["s-1999"].telling.is_empty(), "not on the screen, not read");
    model.press(Key::Last);
    model.step();
    shows(&model, 80, 24, &["s-1999      heart 70 /min"]);
}
