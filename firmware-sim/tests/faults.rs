//! Faults do what they say, against a broker that sees everything; and nothing is lost by them.

mod stub;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use firmware_sim::{
    Cast, Crew, Faults, Fleet, FleetConfig, FleetHandle, Kind, LedgerConfig, Speed, Summary, scenarios,
};
use halo_proto::birth::Birth;
use halo_proto::frame::{Frame, peek_header};
use halo_proto::schema::{Decoded, FrameBuilder, Schema, decode_into};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use stub::{Conduct, Publish, Seen, Stub};

const PATIENCE: Duration = Duration::from_secs(60);

fn config(stub: &Stub, crews: Vec<Crew>, lasting_s: u64, faults: Faults) -> FleetConfig {
    FleetConfig {
        cast: Cast::Crews { crews, lasting: Some(Duration::from_secs(lasting_s)) },
        speed: Speed::Max,
        period: Duration::from_secs(10),
        faults,
        ledger: LedgerConfig { keep_entries: true, ..LedgerConfig::default() },
        ..FleetConfig::new(stub.address.into(), 0)
    }
}

fn start(config: FleetConfig) -> FleetHandle {
    Fleet::start(config, &TaskTracker::new(), &CancellationToken::new()).unwrap()
}

/// Runs a fleet to its end: what it says of itself, and what the broker saw.
async fn run(crews: Vec<Crew>, lasting_s: u64, faults: Faults) -> (Summary, Vec<Seen>) {
    let mut stub = Stub::start(|_| Conduct::WILLING).await.unwrap();
    let fleet = start(config(&stub, crews, lasting_s, faults));
    let summary = timeout(PATIENCE, fleet.finished()).await.expect("the fleet finishes");
    assert_eq!((summary.acked, summary.dropped), (summary.frames, 0), "nothing is lost: {summary}");
    let mut seen = vec![stub.next().await];
    seen.extend(stub.rest());
    (summary, seen)
}

fn wrist(devices: u32) -> Vec<Crew> {
    vec![Crew::new(Kind::Wristband, devices)]
}

fn publishes<'a>(seen: &'a [Seen], ending: &'a str) -> impl Iterator<Item = (usize, &'a Publish)> {
    seen.iter().filter_map(move |seen| match seen {
        Seen::Publish { connection, publish, .. } if publish.topic.ends_with(ending) => Some((*connection, publish)),
        _ => None,
    })
}

fn headers(seen: &[Seen]) -> Vec<(u32, u32)> {
    let header = |publish: &Publish| peek_header(&publish.payload).unwrap();
    publishes(seen, "/t").map(|(_, publish)| header(publish)).map(|header| (header.boot, header.seq)).collect()
}

fn connects(seen: &[Seen]) -> usize {
    seen.iter().filter(|seen| matches!(seen, Seen::Connect { .. })).count()
}

#[tokio::test]
async fn every_frame_of_every_kind_decodes_by_registry_and_birth_and_encodes_again() {
    let crews = Kind::ALL.map(|kind| Crew::new(kind, 2)).to_vec();
    let (_, seen) = run(crews, 3_600, Faults::NONE).await;
    let mut values: BTreeMap<u32, usize> = BTreeMap::new();
    let births: BTreeMap<String, Schema> = publishes(&seen, "/birth")
        .map(|(_, publish)| {
            let schema = Schema::from_birth(&Birth::new_checked(&publish.payload).unwrap()).unwrap();
            (publish.topic.replace("/birth", "/t"), schema)
        })
        .collect();
    for (_, publish) in publishes(&seen, "/t") {
        let frame = Frame::new_checked(&publish.payload).unwrap();
        let schema = &births[&publish.topic];
        let registered = Schema::from_registry(frame.header().schema);
        let known = registered.unwrap_or_else(|| Schema::hashed(schema.groups.clone()).unwrap());
        assert_eq!((&known, known.id), (schema, frame.header().schema), "{}", publish.topic);
        let mut out = Decoded::default();
        decode_into(&frame, schema, &mut out).unwrap();
        let mut builder = FrameBuilder::new();
        builder.begin(&frame.header()).unwrap();
        for chunk in out.chunks() {
            let columns: Vec<&[Option<i64>]> = chunk.columns().collect();
            builder.chunk(schema, chunk.group, halo_proto::chunk::Times::Each(chunk.times), &columns).unwrap();
            *values.entry(schema.id).or_default() += columns.iter().flat_map(|column| *column).flatten().count();
        }
        assert!(publish.payload.starts_with(builder.bytes()), "{}: chunks encode to the same bytes", publish.topic);
    }
    let (own, registered): (Vec<u32>, Vec<u32>) = values.keys().partition(|id| Schema::from_registry(**id).is_none());
    assert_eq!((registered, own.len()), (vec![1, 2, 6, 8, 9, 10, 11, 12], 2));
    // A player has a battery to tell of, each minute, and no more.
    let least = |schema| if schema == 12 { 100 } else { 300 };
    assert!(values.iter().all(|(schema, count)| *count > least(*schema)), "{values:?}");
}

#[tokio::test]
async fn a_devices_bytes_do_not_depend_on_who_else_is_in_the_fleet() {
    let faults = Faults { noise: 1.0, dropouts: 0.1, reboots: 4.0, random_boots: 0.5, malformed: 0.05, ..Faults::NONE };
    let of_first = |seen: &[Seen]| {
        let own = publishes(seen, "/d/car-01/t").map(|(_, publish)| publish.payload.clone());
        own.collect::<BTreeSet<Vec<u8>>>()
    };
    let alone = run(vec![Crew::new(Kind::CarDongle, 1)], 3_600, faults).await;
    let among = run(vec![Crew::new(Kind::Pacemaker, 2), Crew::new(Kind::CarDongle, 3)], 3_600, faults).await;
    assert!(of_first(&alone.1).len() > 50);
    assert_eq!(of_first(&alone.1), of_first(&among.1));
}

#[tokio::test]
async fn duplicates_come_twice_and_are_acknowledged_once() {
    let (summary, seen) = run(wrist(2), 3_600, Faults { duplicates: 0.2, ..Faults::NONE }).await;
    let sent = publishes(&seen, "/t").count() as u64;
    assert_eq!((summary.frames, sent), (720, summary.sent));
    assert!((80..220).contains(&summary.resent) && summary.sent == summary.frames + summary.resent, "{summary}");
}

#[tokio::test]
async fn reordered_frames_overtake_and_all_arrive() {
    let (summary, seen) = run(wrist(1), 3_600, Faults { reordered: 0.2, ..Faults::NONE }).await;
    let order: Vec<u32> = headers(&seen).into_iter().map(|(_, seq)| seq).collect();
    let late = order.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!((20..180).contains(&late), "{late} of {} frames are late", order.len());
    assert_eq!((order.len() as u64, summary.resent), (summary.frames, 0));
}

#[tokio::test]
async fn a_reboot_starts_another_boot_at_zero_behind_a_new_birth_and_loses_no_frame() {
    for (random_boots, counted) in [(0.0, true), (1.0, false)] {
        let faults = Faults { reboots: 4.0, random_boots, ..Faults::NONE };
        let (summary, seen) = run(wrist(1), 7_200, faults).await;
        let mut by_boot: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for (boot, seq) in headers(&seen) {
            by_boot.entry(boot).or_default().insert(seq);
        }
        assert!((3..20).contains(&by_boot.len()), "{} boots in two hours", by_boot.len());
        let contiguous = |seqs: &BTreeSet<u32>| seqs.iter().copied().eq(0..seqs.len() as u32);
        assert!(by_boot.values().all(contiguous), "no boot has a hole");
        let boots: Vec<u32> = by_boot.keys().copied().collect();
        assert_eq!(boots == (1..=boots.len() as u32).collect::<Vec<_>>(), counted, "{boots:?}");
        assert_eq!(boots.iter().all(|boot| *boot >= 1 << 27), !counted, "{boots:?}");
        let births: BTreeSet<u32> =
            publishes(&seen, "/birth").map(|(_, p)| Birth::new_checked(&p.payload).unwrap().head().boot).collect();
        assert!(births.len() > 1, "a boot that lasts long enough to connect is born: {births:?}");
        assert!(summary.connects as usize >= births.len(), "{summary}");
    }
}

#[tokio::test]
async fn a_dead_zone_ends_the_connection_and_what_waited_drains_in_order_or_newest_first() {
    for newest_first in [0.0, 1.0] {
        let faults = Faults { dead_zones: 6.0, dead_zone_s: 300.0, newest_first, ..Faults::NONE };
        let (summary, seen) = run(wrist(1), 7_200, faults).await;
        assert!(connects(&seen) > 2, "{summary}");
        let order: Vec<u32> = headers(&seen).into_iter().map(|(_, seq)| seq).collect();
        let all: BTreeSet<u32> = order.iter().copied().collect();
        assert!(all.iter().copied().eq(0..720), "every frame arrives");
        let backwards = order.windows(2).filter(|pair| pair[0] == pair[1] + 1).count();
        assert_eq!(backwards > 10, newest_first > 0.5, "{backwards} steps back");
    }
}

#[tokio::test]
async fn bad_firmware_sends_what_is_no_frame_and_says_which_in_the_ledger() {
    let mut stub = Stub::start(|_| Conduct::WILLING).await.unwrap();
    let faults = Faults { malformed: 0.1, out_of_range: 0.1, ..Faults::NONE };
    let fleet = start(config(&stub, wrist(2), 3_600, faults));
    let summary = timeout(PATIENCE, fleet.finished()).await.unwrap();
    let malformed: BTreeSet<Vec<u8>> = publishes(&stub.rest(), "/t")
        .filter(|(_, publish)| Frame::new_checked(&publish.payload).is_err())
        .map(|(_, publish)| publish.payload.clone())
        .collect();
    let entries = fleet.ledger().entries();
    let bad: BTreeSet<Vec<u8>> = entries.values().filter(|e| e.bad).map(|e| e.payload.to_vec()).collect();
    assert_eq!(malformed, bad);
    assert!((30..120).contains(&bad.len()), "{} of 720 are bad", bad.len());
    assert_eq!((summary.bad_acked, summary.acked), (bad.len() as u64, 720));
    let schema = Schema::from_registry(1).unwrap();
    let wild = |payload: &[u8]| {
        let mut out = Decoded::default();
        let decoded = Frame::new_checked(payload).is_ok_and(|f| decode_into(&f, &schema, &mut out).is_ok());
        decoded && out.chunks().any(|c| c.columns().flatten().flatten().any(|v| *v == 601 || *v == 201 || *v == 10_001))
    };
    let wild = entries.values().filter(|entry| wild(&entry.payload)).count();
    assert!((20..120).contains(&wild), "{wild} frames hold an impossible value");
}

#[tokio::test]
async fn an_unknown_schema_is_used_before_the_birth_that_explains_it() {
    let (_, seen) = run(wrist(1), 600, Faults { late_births: 1.0, ..Faults::NONE }).await;
    let order: Vec<&str> = publishes(&seen, "")
        .map(|(_, publish)| publish.topic.rsplit('/').next().unwrap())
        .filter(|topic| *topic != "state")
        .collect();
    let birth = order.iter().position(|topic| *topic == "birth");
    assert!(birth.is_some_and(|at| at >= 5), "{order:?}");
    let id = publishes(&seen, "/t").map(|(_, p)| peek_header(&p.payload).unwrap().schema).next().unwrap();
    assert!(Schema::from_registry(id).is_none(), "schema {id:#x} is nobody's");
    let (_, birth) = publishes(&seen, "/birth").next().unwrap();
    assert_eq!(Birth::new_checked(&birth.payload).unwrap().head().schema, id);
}

#[tokio::test]
async fn a_lost_acknowledgement_brings_the_same_frame_again_on_another_connection() {
    let (summary, seen) = run(wrist(1), 1_800, Faults { lost_acks: 0.05, ..Faults::NONE }).await;
    assert!(connects(&seen) > 2 && summary.resent > 0, "{summary}");
    assert_eq!(summary.frames, 180);
}

#[tokio::test]
async fn storms_and_slow_links_delay_and_lose_nothing() {
    let faults = Faults { storms: 36_000.0, slow_links: 1.0, slow_bytes: 5_000.0, ..Faults::NONE };
    let (summary, seen) = run(wrist(3), 1_800, faults).await;
    assert_eq!(summary.frames, 540);
    assert!(connects(&seen) > 3, "a storm every 100 ms meets frames that take some 10 ms each: {summary}");
}

#[tokio::test]
async fn dropouts_are_nulls_and_noise_moves_readings_within_their_range() {
    let read = |seen: &[Seen]| {
        let schema = Schema::from_registry(1).unwrap();
        let mut rates = Vec::new();
        for (_, publish) in publishes(seen, "/t") {
            let mut out = Decoded::default();
            decode_into(&Frame::new_checked(&publish.payload).unwrap(), &schema, &mut out).unwrap();
            for chunk in out.chunks().filter(|chunk| chunk.group == 0) {
                rates.extend(chunk.columns().flatten().copied());
            }
        }
        rates
    };
    let nulls = |rates: &[Option<i64>]| rates.iter().filter(|rate| rate.is_none()).count();
    let clean = read(&run(wrist(1), 3_600, Faults::NONE).await.1);
    let gappy = read(&run(wrist(1), 3_600, Faults { dropouts: 0.2, ..Faults::NONE }).await.1);
    assert_eq!(clean.len(), gappy.len());
    assert!(nulls(&gappy) > nulls(&clean) + 300, "{} and {} nulls", nulls(&clean), nulls(&gappy));
    let noisy = read(&run(wrist(1), 3_600, Faults { noise: 5.0, ..Faults::NONE }).await.1);
    let moved = clean.iter().zip(&noisy).filter(|(a, b)| a != b).count();
    assert!(moved > 1_000 && noisy.iter().flatten().all(|rate| (20..=300).contains(rate)), "{moved} moved");
}

#[tokio::test]
async fn clocks_drift_and_lie_as_the_truth_file_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("truth.jsonl");
    let mut stub = Stub::start(|_| Conduct::WILLING).await.unwrap();
    let faults = Faults { drift_ppm: 200.0, wrong_clocks: 0.5, ..Faults::NONE };
    let base = config(&stub, wrist(20), 600, faults);
    let fleet = start(FleetConfig { truth: Some(path.clone()), ..base });
    timeout(PATIENCE, fleet.finished()).await.unwrap();
    let mut claims: BTreeMap<String, Option<i64>> = BTreeMap::new();
    for (_, publish) in publishes(&stub.rest(), "/birth") {
        let birth = Birth::new_checked(&publish.payload).unwrap();
        let device = publish.topic.split('/').nth(3).unwrap().to_owned();
        claims.insert(device, birth.head().sync.map(|sync| sync.unix_minus_uptime_ms));
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let boots: Vec<&serde_json::Value> = lines.iter().filter(|line| line["truth"] == "boot").collect();
    assert_eq!(boots.len(), 20);
    let mut wrong = 0;
    for boot in &boots {
        let (offset, claimed) = (boot["offset_ms"].as_i64().unwrap(), boot["claimed_offset_ms"].as_i64());
        let said = claims[boot["device"].as_str().unwrap()];
        assert_eq!(claimed.is_some(), said.is_some());
        if let (Some(claimed), Some(said)) = (claimed, said) {
            // Ten minutes of drift at 200 ppm are 120 ms; the connection takes some more.
            assert!((claimed - said).abs() < 2_000, "{boot} but the birth says {said}");
            wrong += usize::from((claimed - offset).abs() > 1_000_000);
        }
        assert!(boot["drift_ppm"].as_i64().unwrap().abs() <= 200);
    }
    assert!((3..18).contains(&wrong), "{wrong} of 20 clocks are wrong");
    assert!(boots.iter().any(|boot| boot["drift_ppm"].as_i64().unwrap().abs() > 60));
}

#[tokio::test]
async fn every_scenario_that_ends_runs_small_and_loses_nothing() {
    for scenario in scenarios().iter().filter(|scenario| scenario.compression > 1) {
        let stub = Stub::start(|_| Conduct::WILLING).await.unwrap();
        let base = FleetConfig::new(stub.address.into(), 0);
        let lasting = Some(scenario.period * 40);
        let mut config = scenario.config(Some(6), Some(100.0), lasting, base);
        config.speed = Speed::Max;
        let summary = timeout(PATIENCE, start(config).finished()).await.unwrap();
        assert!(summary.frames > 20, "{}: {summary}", scenario.name);
        assert_eq!(summary.acked, summary.frames, "{}: {summary}", scenario.name);
    }
}
