//! A whole fleet against a broker that misbehaves on purpose.

mod stub;

use std::collections::BTreeMap;
use std::time::Duration;

use firmware_sim::{Cast, Faults, Fleet, FleetConfig, FleetHandle, Kind, LedgerConfig, Protocol, Speed, Summary};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use stub::{Conduct, Publish, Seen, Stub};

/// A test that waits longer than this for an event has failed.
const PATIENCE: Duration = Duration::from_secs(20);

fn config(stub: &Stub, devices: u32, frames: u64) -> FleetConfig {
    FleetConfig {
        cast: Cast::Simulated { kind: Kind::Wristband, devices, prefix: None, frames: Some(frames) },
        speed: Speed::Max,
        ledger: LedgerConfig { keep_entries: true, ..LedgerConfig::default() },
        ..FleetConfig::new(stub.address.into(), 0)
    }
}

fn start(config: FleetConfig) -> FleetHandle {
    Fleet::start(config, &TaskTracker::new(), &CancellationToken::new()).unwrap()
}

async fn finished(fleet: &FleetHandle) -> Summary {
    timeout(PATIENCE, fleet.finished()).await.expect("the fleet finishes")
}

fn publishes(seen: &[Seen]) -> impl Iterator<Item = (usize, &Publish)> {
    seen.iter().filter_map(|seen| match seen {
        Seen::Publish { connection, publish, .. } => Some((*connection, publish)),
        _ => None,
    })
}

fn frames(seen: &[Seen]) -> Vec<(usize, String, Vec<u8>)> {
    let of_frame = |(connection, publish): (usize, &Publish)| {
        publish.topic.ends_with("/t").then(|| (connection, publish.topic.clone(), publish.payload.clone()))
    };
    publishes(seen).filter_map(of_frame).collect()
}

fn seq(payload: &[u8]) -> u32 {
    halo_proto::frame::peek_header(payload).unwrap().seq
}

#[tokio::test]
async fn one_seed_sends_the_same_bytes_and_another_seed_others() {
    let mut runs = Vec::new();
    for seed in [42, 42, 43] {
        let mut stub = Stub::start(|_| Conduct::WILLING).await.unwrap();
        let fleet = start(FleetConfig { seed, ..config(&stub, 3, 50) });
        let summary = finished(&fleet).await;
        assert_eq!((summary.frames, summary.acked, summary.sent), (150, 150, 150));
        let mut by_topic: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
        for (_, topic, payload) in frames(&stub.rest()) {
            by_topic.entry(topic).or_default().push(payload);
        }
        assert_eq!(by_topic.keys().next().map(String::as_str), Some("halo/v1/d/wrist-01/t"));
        assert_eq!(by_topic.len(), 3);
        runs.push(by_topic);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test]
async fn a_birth_and_the_state_go_out_before_any_frame_and_the_device_says_goodbye() {
    let mut stub = Stub::start(|_| Conduct::WILLING).await.unwrap();
    let fleet = start(config(&stub, 1, 2));
    finished(&fleet).await;
    let mut seen = vec![stub.next().await];
    while seen.last() != Some(&Seen::Disconnect { connection: 0 }) {
        seen.push(timeout(PATIENCE, stub.next()).await.unwrap());
    }
    let state = "halo/v1/d/wrist-01/state".to_owned();
    let connect = Seen::Connect { connection: 0, client_id: "wrist-01".into(), will_topic: Some(state.clone()) };
    assert_eq!(seen[0], connect);
    let order: Vec<(&str, bool)> =
        publishes(&seen).map(|(_, p)| (p.topic.rsplit_once('/').unwrap().1, p.retain)).collect();
    assert_eq!(order, [("birth", true), ("state", true), ("t", false), ("t", false), ("state", true)]);
    let states: Vec<&[u8]> =
        publishes(&seen).filter(|(_, p)| p.topic == state).map(|(_, p)| p.payload.as_slice()).collect();
    assert_eq!(states, [b"online".as_slice(), b"offline"]);
}

#[tokio::test]
async fn after_a_broken_connection_the_same_bytes_come_again_in_order_behind_a_new_birth() {
    // The first connection takes 30 frames and acknowledges 7 of them, the second takes 15 and acknowledges none.
    let conduct = |connection| match connection {
        0 => Conduct { acks_max: 7, hang_up_after: 25, ..Conduct::WILLING },
        1 => Conduct { acks_max: 0, hang_up_after: 15, ..Conduct::WILLING },
        _ => Conduct::WILLING,
    };
    let mut stub = Stub::start(conduct).await.unwrap();
    let fleet = start(config(&stub, 1, 100));
    let summary = finished(&fleet).await;
    let seen = stub.rest();
    let sent = frames(&seen);
    let on = |wanted| sent.iter().filter(move |(c, _, _)| *c == wanted).map(|(_, _, p)| seq(p)).collect::<Vec<_>>();
    assert_eq!(on(0), (0..25).collect::<Vec<_>>());
    let first_again = on(1)[0];
    assert!((1..=7).contains(&first_again), "at most 7 acknowledgements arrived, {first_again}");
    assert_eq!(on(1), (first_again..first_again + 15).collect::<Vec<_>>());
    assert_eq!(on(2), (first_again..100).collect::<Vec<_>>());
    let mut bytes: BTreeMap<u32, &[u8]> = BTreeMap::new();
    for (_, _, payload) in &sent {
        assert_eq!(*bytes.entry(seq(payload)).or_insert(payload), payload, "a frame sent again is the same bytes");
    }
    for connection in 0..3 {
        let first = publishes(&seen).find(|(c, _)| *c == connection).map(|(_, p)| p.topic.clone());
        assert_eq!(first.as_deref(), Some("halo/v1/d/wrist-01/birth"));
    }
    assert_eq!((summary.frames, summary.acked, summary.unacked, summary.connects), (100, 100, 0, 3));
    assert_eq!(summary.sent, summary.frames + summary.resent);
}

#[tokio::test]
async fn acknowledgements_that_arrive_with_the_end_of_the_connection_do_not_strand_the_next_frames() {
    // They made room in the window of a connection that took nothing any more: those frames counted as in flight for ever.
    let conduct = |connection| match connection {
        0 => Conduct { batch: 20, hang_up_after: 20, ..Conduct::WILLING },
        _ => Conduct::WILLING,
    };
    let stub = Stub::start(conduct).await.unwrap();
    let fleet = start(config(&stub, 1, 100));
    let summary = finished(&fleet).await;
    assert_eq!((summary.acked, summary.connects), (100, 2));
}

#[tokio::test]
async fn the_ledger_holds_exactly_what_the_broker_saw() {
    // The first eight connections break off with acknowledgements owing, whoever they belong to.
    let conduct = |connection| match connection {
        0..8 => Conduct { acks_max: 60 + connection, hang_up_after: 70 + connection, ..Conduct::WILLING },
        _ => Conduct::WILLING,
    };
    let mut stub = Stub::start(conduct).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sent.jsonl");
    let ledger = LedgerConfig { keep_entries: true, file: Some(file.clone()), payloads: true };
    let fleet = start(FleetConfig { ledger, ..config(&stub, 4, 200) });
    let summary = finished(&fleet).await;
    assert_eq!((summary.frames, summary.acked), (800, 800));
    let mut seen: BTreeMap<(String, u32), Vec<u8>> = BTreeMap::new();
    for (_, topic, payload) in frames(&stub.rest()) {
        let device = topic.split('/').nth(3).unwrap().to_owned();
        seen.insert((device, seq(&payload)), payload);
    }
    let entries = fleet.ledger().entries();
    let kept: BTreeMap<(String, u32), Vec<u8>> =
        entries.iter().map(|(key, entry)| ((key.device.to_string(), key.seq), entry.payload.to_vec())).collect();
    assert!(kept == seen, "entries and frames differ");
    assert_eq!(entries.values().map(|entry| u64::from(entry.sent)).sum::<u64>(), summary.sent);
    assert!(entries.values().all(|entry| entry.acked_ms.is_some_and(|acked| acked >= entry.first_sent_ms)));

    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |word: &str| lines.iter().filter(|line| line["e"] == word).count() as u64;
    assert_eq!((count("sent"), count("acked")), (summary.sent, summary.acked));
    for line in lines.iter().filter(|line| line["e"] == "sent" && line["n"] == 1) {
        let key = (line["device"].as_str().unwrap().to_owned(), line["seq"].as_u64().unwrap() as u32);
        let hex: String = seen[&key].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(line["payload"], hex);
        assert_eq!(line["crc"], crc32c::crc32c(&seen[&key]));
    }
}

#[tokio::test]
async fn never_more_than_the_window_is_unacknowledged_and_acks_may_come_in_any_order() {
    let conduct = |_| Conduct { batch: 8, reversed: true, ..Conduct::WILLING };
    let mut stub = Stub::start(conduct).await.unwrap();
    let fleet = start(FleetConfig { window: 8, buffer: 10, ..config(&stub, 1, 400) });
    let summary = finished(&fleet).await;
    let seen = stub.rest();
    let most = seen.iter().filter_map(|seen| match seen {
        Seen::Publish { unacked, .. } => Some(*unacked),
        _ => None,
    });
    assert_eq!(most.max(), Some(8));
    assert_eq!((summary.acked, summary.resent, summary.dropped), (400, 0, 0), "a recording waits for room");
}

#[tokio::test]
async fn a_live_device_that_cannot_deliver_drops_its_oldest_frames_and_says_so() {
    let mut stub = Stub::start(|_| Conduct { acks_max: 0, hang_up_after: 1, ..Conduct::WILLING }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sent.jsonl");
    let fleet = start(FleetConfig {
        cast: Cast::Simulated { kind: Kind::Wristband, devices: 1, prefix: None, frames: None },
        speed: Speed::Live,
        window: 1,
        buffer: 2,
        drain: Duration::from_millis(50),
        ledger: LedgerConfig { file: Some(file.clone()), ..LedgerConfig::default() },
        ..config(&stub, 1, 0)
    });
    // Every attempt to deliver is an event; the third frame, 3 s after the start at the latest, finds no room.
    while fleet.progress().counts.dropped == 0 {
        timeout(PATIENCE, stub.next()).await.unwrap();
    }
    let summary = fleet.stop().await;
    assert_eq!((summary.unacked, summary.frames), (2, summary.dropped + 2), "{summary}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains(r#""e":"dropped""#)).count() as u64, summary.dropped);
}

#[tokio::test]
async fn a_device_that_goes_on_measuring_still_comes_back_to_try_again() {
    // The timer of the next attempt was once started anew by every frame: a busy device never reconnected.
    let conduct =
        |connection| Conduct { hang_up_after: if connection == 0 { 1 } else { 1_000_000 }, ..Conduct::WILLING };
    let mut stub = Stub::start(conduct).await.unwrap();
    let frames = 30_000;
    let fleet = start(FleetConfig { speed: Speed::Times(1_000.0), window: 15_000, ..config(&stub, 1, frames) });
    let again = |seen: &Seen| matches!(seen, Seen::Connect { connection: 1, .. });
    while !again(&timeout(PATIENCE, stub.next()).await.unwrap()) {}
    let produced = fleet.progress().counts.frames;
    assert!(produced < frames / 2, "{produced} frames, one a millisecond, before the second attempt");
    assert!(fleet.stop().await.acked > 0);
}

#[tokio::test]
async fn mqtt_5_carries_the_same_and_a_refused_frame_is_not_sent_again() {
    let conduct = |connection| Conduct { refuse: (connection == 0).then_some(0x99), ..Conduct::WILLING };
    let mut stub = Stub::start(conduct).await.unwrap();
    let fleet = start(FleetConfig { protocol: Protocol::V5, ..config(&stub, 1, 40) });
    let refused = finished(&fleet).await;
    assert_eq!((refused.sent, refused.refused, refused.acked, refused.unacked), (40, 40, 0, 0));
    let fleet = start(FleetConfig { protocol: Protocol::V5, ..config(&stub, 1, 40) });
    let taken = finished(&fleet).await;
    assert_eq!((taken.sent, taken.refused, taken.acked), (40, 0, 40));
    let sent = frames(&stub.rest());
    assert_eq!(sent.len(), 80);
    assert!(sent[..40].iter().zip(&sent[40..]).all(|(a, b)| a.2 == b.2), "payloads do not depend on the protocol");
}

#[tokio::test]
async fn stopping_waits_for_acknowledgements_but_not_for_ever() {
    let mut stub = Stub::start(|_| Conduct { acks_max: 3, ..Conduct::WILLING }).await.unwrap();
    let fleet = start(FleetConfig { drain: Duration::from_millis(100), ..config(&stub, 1, 10) });
    let is_frame = |seen: &Seen| matches!(seen, Seen::Publish { publish, .. } if publish.topic.ends_with("/t"));
    while !is_frame(&timeout(PATIENCE, stub.next()).await.unwrap()) {}
    let summary = timeout(PATIENCE, fleet.stop()).await.unwrap();
    assert!(summary.acked <= 3 && summary.unacked == summary.frames - summary.acked, "{summary}");
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_its_reason() {
    let base = || FleetConfig::new("127.0.0.1:1".parse().unwrap(), 2);
    let recorded = |frames| Cast::Simulated { kind: Kind::Wristband, devices: 2, prefix: Some("w".into()), frames };
    let cases = [
        (FleetConfig { period: Duration::from_millis(1_500), ..base() }, "whole seconds"),
        (FleetConfig { speed: Speed::Max, ..base() }, "needs a number of frames"),
        (FleetConfig { speed: Speed::Times(0.0), cast: recorded(Some(1)), ..base() }, "positive number"),
        (FleetConfig { boot: 1 << 27, ..base() }, "boot is 134217728"),
        (FleetConfig { window: 0, ..base() }, "window is 0"),
        (FleetConfig { faults: Faults { duplicates: 1.5, ..Faults::NONE }, ..base() }, "duplicates is 1.5"),
        (FleetConfig { root: "a/#".into(), ..base() }, "root \"a/#\""),
        (FleetConfig { cast: Cast::Recorded(Vec::new()), ..base() }, "no device"),
        (
            FleetConfig {
                cast: Cast::Simulated { kind: Kind::Wristband, devices: 1, prefix: Some("a/b".into()), frames: None },
                ..base()
            },
            "device name is \"a/b-01\"",
        ),
    ];
    for (config, wanted) in cases {
        let error = Fleet::start(config, &TaskTracker::new(), &CancellationToken::new()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}, wanted {wanted}");
    }
}
