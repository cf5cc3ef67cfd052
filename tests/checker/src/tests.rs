//! A sound world of six frames, and for each rule the one change that must break it and nothing else.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{Ledger, Log, Received, Report, check};

/// Ledger, log, what the upstream `far` received.
struct World {
    ledger: Vec<Value>,
    log: Vec<Value>,
    received: Vec<Value>,
}

fn payload(seq: u64) -> String {
    format!("f9{seq:02x}")
}

fn crc(seq: u64) -> u32 {
    crc32c::crc32c(&[0xf9, u8::try_from(seq).unwrap()])
}

fn frame(offset: u64, seq: u64) -> Value {
    json!({"kind": "frame", "offset": offset, "device": "w", "boot": 1, "seq": seq, "payload": payload(seq)})
}

fn message(offset: u64, seq: u64) -> Value {
    json!({"schema": "readings/1", "mid": format!("gw.abc-{offset}"), "device": "w", "boot": 1, "seq": seq, "lane": "live"})
}

/// Frames 0 to 5 at offsets 2 to 7: 0 to 2 forwarded, 3 quarantined, 4 dropped, 5 pending and not acknowledged.
fn world() -> World {
    let row = |seq: u64, acked: bool, bad: bool| {
        let acked_ms = acked.then_some(2);
        json!({"device": "w", "boot": 1, "seq": seq, "crc": crc(seq), "sent_ms": 1, "acked_ms": acked_ms, "qos": 1, "bad": bad})
    };
    let mut log = vec![json!({"kind": "start", "offset": 1})];
    log.extend((0..6).map(|seq| frame(seq + 2, seq)));
    log.push(json!({"kind": "quarantine", "offset": 8, "cause": 5, "device": "w"}));
    log.push(json!({"kind": "dropped", "offset": 9, "device": "w", "boot": 1, "first": 4, "last": 4}));
    log.push(json!({
        "kind": "cursor", "offset": 10, "consumer": "far", "confirmed": 6, "live": 6, "backfill": [],
        "forwarded": 3, "quarantined": 1, "dropped": 1,
    }));
    let ledger = (0..6).map(|seq| row(seq, seq < 5, seq == 3)).collect();
    World { ledger, log, received: (0..3).map(|seq| message(seq + 2, seq)).collect() }
}

impl World {
    fn judge(&self, drained: bool) -> Report {
        let text = |lines: &[Value]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let received = Received::read(&text(&self.received)).expect("readable");
        let ledger = Ledger::read(&text(&self.ledger)).expect("readable");
        let log = Log::read(&text(&self.log)).expect("readable");
        check(&ledger, &log, &BTreeMap::from([("far".to_owned(), received)]), drained)
    }

    /// The rules broken after `change`.
    fn broken_by(change: impl FnOnce(&mut Self)) -> Vec<&'static str> {
        let mut world = world();
        change(&mut world);
        world.judge(false).broken()
    }
}

#[test]
fn a_sound_world_breaks_no_rule_and_every_rule_has_looked_at_something() {
    let report = world().judge(false);
    assert!(report.holds(), "{report}");
    assert!(report.rules.values().all(|rule| rule.checked > 0), "{report}");
    let fate = &report.upstreams["far"];
    assert_eq!((fate.forwarded, fate.pending, fate.quarantined, fate.dropped, fate.missing), (3, 1, 1, 1, 0));
    assert_eq!((report.sent, report.acknowledged), (6, 5));
}

#[test]
fn an_acknowledged_frame_that_is_missing_or_has_other_bytes_is_seen() {
    let gone = World::broken_by(|world| {
        world.log.remove(1);
        world.received.remove(0);
        world.log.last_mut().expect("a cursor")["forwarded"] = json!(2);
    });
    assert_eq!(gone, ["acknowledged-is-stored"]);
    assert_eq!(World::broken_by(|world| world.log[1]["payload"] = json!("f9ff")), ["acknowledged-is-stored"]);
}

#[test]
fn a_frame_never_acknowledged_may_be_missing() {
    assert!(World::broken_by(|world| drop(world.log.remove(6))).is_empty());
}

#[test]
fn a_frame_stored_twice_is_seen() {
    assert_eq!(World::broken_by(|world| world.log.push(frame(11, 5))), ["stored-once"]);
}

#[test]
fn a_frame_the_cursor_has_passed_and_nobody_has_is_seen() {
    assert_eq!(World::broken_by(|world| drop(world.received.pop())), ["every-frame-has-one-fate"]);
    let world = world();
    assert_eq!(world.judge(true).broken(), ["every-frame-has-one-fate"], "drained: nothing may be pending");
}

#[test]
fn a_stretch_still_to_be_made_up_for_is_pending() {
    let broken = World::broken_by(|world| {
        world.received.pop();
        let cursor = world.log.last_mut().expect("a cursor");
        cursor["backfill"] = json!([[4, 4]]);
        cursor["forwarded"] = json!(2);
    });
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn an_account_that_does_not_add_up_is_seen() {
    let broken = World::broken_by(|world| world.log.last_mut().expect("a cursor")["forwarded"] = json!(4));
    assert_eq!(broken, ["account-adds-up"]);
}

#[test]
fn a_message_from_nowhere_is_seen() {
    assert_eq!(World::broken_by(|world| world.received.push(message(99, 77))), ["received-was-stored"]);
}

#[test]
fn repeats_are_allowed_and_other_contents_are_not() {
    assert!(World::broken_by(|world| world.received.push(message(3, 1))).is_empty(), "a repeat");
    let on_another_lane = World::broken_by(|world| {
        world.received.push(message(3, 1));
        world.received[3]["lane"] = json!("backfill");
    });
    assert!(on_another_lane.is_empty(), "a repeat on another lane");
    let other_content = World::broken_by(|world| {
        world.received.push(message(3, 1));
        world.received[3]["quality"] = json!("suspect");
    });
    assert_eq!(other_content, ["one-content-per-mid"]);
}

#[test]
fn one_frame_under_two_ids_is_seen() {
    let broken = World::broken_by(|world| {
        world.received.push(message(3, 1));
        world.received[3]["mid"] = json!("gw.other-3");
    });
    assert_eq!(broken, ["one-mid-per-frame"]);
}

#[test]
fn a_frame_that_comes_late_for_the_first_time_is_seen() {
    assert_eq!(World::broken_by(|world| world.received.swap(0, 1)), ["order"]);
    let on_two_lanes = World::broken_by(|world| {
        world.received.swap(0, 1);
        world.received[1]["lane"] = json!("backfill");
    });
    assert!(on_two_lanes.is_empty(), "between lanes no order is promised");
}

#[test]
fn a_spoiled_frame_that_came_as_readings_is_seen() {
    assert_eq!(World::broken_by(|world| world.received.push(message(5, 3))), ["bad-is-set-aside"]);
}

#[test]
fn the_simulators_events_are_a_ledger_too() {
    let ledger = Ledger::read(
        r#"{"e":"sent","device":"w","boot":1,"seq":0,"crc32c":7,"len":2,"n":1,"at_ms":1}
{"e":"sent","device":"w","boot":1,"seq":1,"crc32c":8,"len":2,"n":1,"at_ms":1}
{"e":"acked","device":"w","boot":1,"seq":0,"at_ms":2}"#,
    )
    .expect("readable");
    let acknowledged: Vec<bool> = ledger.0.values().map(|sent| sent.acknowledged).collect();
    assert_eq!(acknowledged, [true, false]);
}

#[test]
fn lines_that_are_not_understood_are_errors_with_their_number() {
    let error = Ledger::read("\n{\"e\":\"eaten\",\"device\":\"w\",\"boot\":1,\"seq\":0}").expect_err("unknown event");
    assert!(error.to_string().contains("ledger, line 2"), "{error}");
    assert!(Ledger::read(r#"{"e":"acked","device":"w","boot":1,"seq":0}"#).is_err(), "never sent");
    assert!(Log::read(r#"{"kind":"frame","offset":1,"device":"w","payload":"f"}"#).is_err(), "half a byte");
    assert!(Received::read(r#"{"schema":"readings/1","mid":"x"}"#).is_err(), "no device");
}

#[test]
fn a_frame_read_again_from_quarantine_goes_by_the_record_that_says_so() {
    let replay = |world: &mut World, arrives: bool| {
        world.ledger[3]["bad"] = json!(false);
        let cursor = world.log.pop().expect("a cursor");
        world.log.push(json!({"kind": "replayed", "offset": 10, "cause": 5, "device": "w", "boot": 1, "seq": 3}));
        let moved = json!({"offset": 11, "confirmed": 10, "live": 10, "forwarded": 5, "quarantined": 0});
        let mut cursor = cursor;
        cursor.as_object_mut().expect("an object").extend(moved.as_object().expect("an object").clone());
        world.log.push(cursor);
        world.received.push(message(7, 5));
        if arrives {
            world.received.push(message(5, 3));
        }
    };
    assert_eq!(World::broken_by(|world| replay(world, true)), Vec::<&str>::new());
    assert_eq!(World::broken_by(|world| replay(world, false)), ["every-frame-has-one-fate"]);
}

#[test]
fn a_spoiled_frame_that_does_not_tell_which_it_is_is_known_by_its_bytes() {
    let nameless = |world: &mut World, payload: &str| {
        let frame = world.log[4].as_object_mut().expect("an object");
        frame.retain(|key, _| key != "boot" && key != "seq");
        frame["payload"] = json!(payload);
    };
    assert_eq!(World::broken_by(|world| nameless(world, &payload(3))), Vec::<&str>::new());
    assert_eq!(World::broken_by(|world| nameless(world, "f9ff")), ["acknowledged-is-stored"]);
}

#[test]
fn a_spoiled_frame_that_shows_another_ones_number_is_not_that_frame() {
    let broken = World::broken_by(|world| world.log[4]["seq"] = json!(1));
    assert!(broken.is_empty(), "set aside: {broken:?}");
}

#[test]
fn a_good_frame_that_waits_for_its_birth_is_there_with_its_bytes() {
    let waits = |world: &mut World| world.ledger[3]["bad"] = json!(false);
    assert_eq!(World::broken_by(waits), Vec::<&str>::new());
    let spoiled = World::broken_by(|world| {
        waits(world);
        world.log[4]["payload"] = json!("f9ff");
    });
    assert_eq!(spoiled, ["acknowledged-is-stored"]);
}
