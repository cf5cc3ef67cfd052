//! G1: what was acknowledged is in the log after kill -9, and halos are what a replay of the log gives.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use firmware_sim::{Broker, Cast, Entry, Fleet, FleetConfig, FleetHandle, FrameKey, Kind, LedgerConfig, Speed};
use halo_gateway::forward::river::render_halo;
use halo_gateway::halo::{FOLD_VERSION, Fold};
use halo_gateway::record::{Body, Offset};
use halo_gateway::store::fs::Disk;
use halo_gateway::store::state::{Engine, Redb, StateEngine, Table};
use halo_gateway::store::{LOG_FOLDER, Reader};
use halo_proto::topic::Grammar;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::harness::{Client, Gateway, run, runtime};

const KILLS: u32 = 50;
const DEVICES: u32 = 15;
/// A kill with fewer frames in flight would prove little.
const IN_FLIGHT_MIN: u64 = 100;

fn seed() -> u64 {
    std::env::var("HALO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_121)
}

#[test]
fn g1_every_acknowledged_frame_survives_fifty_kills_byte_for_byte() {
    let seed = seed();
    println!("replay with HALO_SEED={seed}");
    let folder = tempfile::tempdir().expect("a temporary folder");
    runtime().block_on(async {
        let ledger = kill_again_and_again(folder.path(), seed).await;
        acknowledged_frames_are_in_the_dump(folder.path(), &ledger);
        checkpoint_and_replay_agree(folder.path());
    });
}

async fn kill_again_and_again(data: &Path, seed: u64) -> BTreeMap<FrameKey, Entry> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut gateway = Gateway::start(data, "127.0.0.1:0", &[]);
    let address = gateway.address;
    let tracker = TaskTracker::new();
    let fleet = start_fleet(address, seed, &tracker);
    for kill in 0..KILLS {
        let acknowledged = fleet.progress().counts.acked + random.random_range(50..600);
        wait_for_flight(&fleet, acknowledged).await;
        gateway.kill();
        gateway = Gateway::start(data, &address.to_string(), &[]);
        println!("kill {kill}: {} acknowledged so far", fleet.progress().counts.acked);
    }
    let ledger = fleet.ledger().clone();
    let summary = fleet.stop().await;
    assert_eq!(summary.unacked, 0, "after the last start everything is acknowledged: {summary:?}");
    tracker.close();
    tracker.wait().await;
    live_halos_equal_a_replay(address, data).await;
    assert_eq!(gateway.stop(), Some(0), "SIGTERM drains");
    ledger.entries()
}

fn start_fleet(address: SocketAddr, seed: u64, tracker: &TaskTracker) -> FleetHandle {
    let cast = Cast::Simulated { kind: Kind::Wristband, devices: DEVICES, prefix: None, frames: Some(1_000_000) };
    let ledger = LedgerConfig { keep_entries: true, ..LedgerConfig::default() };
    let base = FleetConfig::new(Broker::from(address), DEVICES);
    let config = FleetConfig { seed, cast, ledger, speed: Speed::Max, drain: Duration::from_secs(30), ..base };
    Fleet::start(config, tracker, &CancellationToken::new()).expect("the fleet starts")
}

/// Until that many frames are acknowledged and enough are on their way.
async fn wait_for_flight(fleet: &FleetHandle, acknowledged: u64) {
    let reached = async {
        loop {
            let counts = fleet.progress().counts;
            if counts.acked >= acknowledged && counts.unacked >= IN_FLIGHT_MIN {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(60), reached).await;
    reached.unwrap_or_else(|_| panic!("{:?} never reached {acknowledged}; {:?}", fleet.progress(), fleet.last_error()));
}

/// What subscribers see of a running gateway is, byte for byte, a fold of the log up to the offset it names.
async fn live_halos_equal_a_replay(address: SocketAddr, data: &Path) {
    let (settled, seen) = loop {
        let before = folded_to(address).await;
        let mut client = Client::connect(address, "integrator").await;
        client.subscribe("halo/v1/halos/+").await;
        let mut seen = Vec::new();
        for _ in 0..DEVICES {
            seen.push(client.message().await);
        }
        // The last devices may still be leaving: only halos of one and the same offset can be compared.
        if let (Some(before), after) = (before, folded_to(address).await)
            && after == Some(before)
        {
            break (before, seen);
        }
    };
    let mut replayed = Fold::new(Grammar::default());
    fold_log(&mut replayed, data, settled);
    assert_eq!(replayed.subjects_len(), DEVICES as usize);
    for (topic, payload) in seen {
        let name = topic.rsplit('/').next().expect("a last level");
        let subject = replayed.subject(name).expect("a subject of the log");
        assert_eq!(String::from_utf8_lossy(&payload), String::from_utf8_lossy(&render_halo(subject)), "{topic}");
    }
}

/// The offset up to which everything is durable and folded; `None` while the fold is behind or devices are connected.
async fn folded_to(address: SocketAddr) -> Option<Offset> {
    let mut client = Client::connect(address, "health").await;
    client.subscribe("halo/v1/gateway/+/health").await;
    let health: Value = serde_json::from_slice(&client.message().await.1).expect("health is JSON");
    let log = &health["log"];
    let settled = log["folded"] == log["durable"] && health["connections"].as_u64().is_some_and(|open| open <= 2);
    settled.then(|| Offset(log["durable"].as_u64().expect("an offset")))
}

fn fold_log(fold: &mut Fold, data: &Path, until: Offset) {
    let (mut reader, _) = Reader::over(Disk, &data.join(LOG_FOLDER), fold.applied().next()).expect("readable");
    loop {
        let batch = reader.next(1 << 20).expect("readable");
        assert!(batch.findings.is_empty(), "{:?}", batch.findings);
        if batch.records.is_empty() {
            return;
        }
        batch.records.iter().filter(|record| record.offset <= until).for_each(|record| {
            fold.apply(record);
        });
    }
}

fn acknowledged_frames_are_in_the_dump(data: &Path, ledger: &BTreeMap<FrameKey, Entry>) {
    let dump = run(&["log", "dump", "--json", &data.display().to_string()]);
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let mut stored: BTreeMap<(String, u64, u64), String> = BTreeMap::new();
    for line in String::from_utf8(dump.stdout).expect("JSON is UTF-8").lines() {
        let record: Value = serde_json::from_str(line).expect("a JSON line");
        if record["kind"] == "frame" {
            let text = |key: &str| record[key].as_str().expect("a string").to_owned();
            let number = |key: &str| record[key].as_u64().expect("a number");
            let key = (text("device"), number("boot"), number("seq"));
            assert!(stored.insert(key.clone(), text("payload")).is_none(), "{key:?} is stored twice");
        }
    }
    let acknowledged = ledger.iter().filter(|(_, entry)| entry.acked_ms.is_some());
    let mut compared = 0;
    for (key, entry) in acknowledged {
        let found = stored.get(&(key.device.to_string(), u64::from(key.boot), u64::from(key.seq)));
        let hex: String = entry.payload.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, Some(&hex), "{key:?} was acknowledged");
        compared += 1;
    }
    assert!(compared > 2_000, "only {compared} frames were acknowledged");
    println!("{compared} acknowledged frames found, byte for byte; {} stored", stored.len());
}

/// The state as restored from checkpoint and tail equals the state folded from the first record.
fn checkpoint_and_replay_agree(data: &Path) {
    let engine = Redb::open(&Engine::Redb.path(data), FOLD_VERSION.into()).expect("the checkpoints open");
    let rows = engine.rows(Table::Halo).expect("readable");
    let rows = rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
    let mut restored = Fold::load(Grammar::default(), rows).expect("loadable");
    assert!(restored.applied() > Offset(0), "a checkpoint was written");
    fold_log(&mut restored, data, Offset(u64::MAX));
    let mut folded = Fold::new(Grammar::default());
    fold_log(&mut folded, data, Offset(u64::MAX));
    assert_eq!(restored.applied(), folded.applied());
    for subject in folded.subjects() {
        let twin = restored.subject(subject.name()).expect("in both");
        assert_eq!(postcard::to_stdvec(twin).ok(), postcard::to_stdvec(subject).ok(), "{}", subject.name());
    }
    frames_are_in_order(data);
}

/// Per device and boot the log never goes back, because each identity stands in it once and devices send in order.
fn frames_are_in_order(data: &Path) {
    let (mut reader, _) = Reader::over(Disk, &data.join(LOG_FOLDER), Offset(1)).expect("readable");
    let mut newest = BTreeMap::new();
    loop {
        let batch = reader.next(1 << 20).expect("readable");
        if batch.is_empty() {
            break;
        }
        for record in batch.records {
            let Body::Frame(frame) = record.body else { continue };
            let identity = frame.identity.expect("simulated frames have one");
            let before = newest.insert(frame.device.clone(), identity);
            assert!(before.is_none_or(|before| before < identity), "{}: {identity:?} after {before:?}", frame.device);
        }
    }
}
