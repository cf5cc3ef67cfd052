//! Recorded series through a broker and back: every value, in order, once.

mod stub;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use firmware_sim::{Cast, Fleet, FleetConfig, Series, Speed, read_cmapss, read_csv};
use halo_proto::birth::Birth;
use halo_proto::frame::Frame;
use halo_proto::schema::{Decoded, Schema, decode_into};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use stub::{Conduct, Seen, Stub};

const PATIENCE: Duration = Duration::from_secs(20);

/// The real recordings, from `HALO_DATA` or beside the repository; `None`, loudly, where they are absent.
fn data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let folder = std::env::var_os("HALO_DATA").map_or_else(beside, PathBuf::from);
    if folder.join("wire/series").is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "no real data in {}", folder.display());
    eprintln!("SKIP: no real data in {}: set HALO_DATA", folder.display());
    None
}

/// By device: rows as they were decoded, in the order of their frames, as (group, time, values).
type Rows = BTreeMap<String, Vec<(usize, i64, Vec<Option<i64>>)>>;

/// Sends the series as fast as they are acknowledged over connections that break, and decodes what arrived.
async fn sent(series: Vec<Series>, period: Duration) -> Rows {
    let conduct = |connection: usize| match connection % 3 {
        0 => Conduct { acks_max: 10, hang_up_after: 11, ..Conduct::WILLING },
        _ => Conduct::WILLING,
    };
    let mut stub = Stub::start(conduct).await.unwrap();
    let config = FleetConfig {
        cast: Cast::Recorded(series),
        speed: Speed::Max,
        period,
        ..FleetConfig::new(stub.address.into(), 0)
    };
    let fleet = Fleet::start(config, &TaskTracker::new(), &CancellationToken::new()).unwrap();
    let mut seen: Vec<Seen> = Vec::new();
    let finished = async {
        let mut ended = std::pin::pin!(fleet.finished());
        loop {
            tokio::select! {
                summary = &mut ended => return summary,
                event = stub.next() => seen.push(event),
            }
        }
    };
    let summary = timeout(PATIENCE, finished).await;
    let summary = summary.unwrap_or_else(|_| panic!("unfinished: {:?}, {:?}", fleet.progress(), fleet.last_error()));
    assert_eq!((summary.acked, summary.unacked), (summary.frames, 0), "{summary}");
    seen.extend(stub.rest());
    decoded(&seen)
}

fn decoded(seen: &[Seen]) -> Rows {
    let mut frames: BTreeMap<String, BTreeMap<u32, &[u8]>> = BTreeMap::new();
    let mut schemas: BTreeMap<String, Schema> = BTreeMap::new();
    for event in seen {
        let Seen::Publish { publish, .. } = event else { continue };
        let levels: Vec<&str> = publish.topic.split('/').collect();
        match levels[4] {
            "birth" => {
                let birth = Birth::new_checked(&publish.payload).unwrap();
                schemas.insert(levels[3].to_owned(), Schema::from_birth(&birth).unwrap());
            }
            "t" => {
                let seq = Frame::new_checked(&publish.payload).unwrap().header().seq;
                frames.entry(levels[3].to_owned()).or_default().insert(seq, &publish.payload);
            }
            _ => {}
        }
    }
    let rows_of = |device: &String, frames: BTreeMap<u32, &[u8]>| {
        assert!(frames.keys().copied().eq(0..frames.len() as u32), "{device} has holes");
        frames.values().flat_map(|payload| rows(payload, &schemas[device])).collect()
    };
    frames.into_iter().map(|(device, frames)| (device.clone(), rows_of(&device, frames))).collect()
}

fn rows(payload: &[u8], schema: &Schema) -> Vec<(usize, i64, Vec<Option<i64>>)> {
    let mut out = Decoded::default();
    decode_into(&Frame::new_checked(payload).unwrap(), schema, &mut out).unwrap();
    let mut rows = Vec::new();
    for chunk in out.chunks() {
        for (at, time) in chunk.times.iter().enumerate() {
            rows.push((chunk.group, *time, chunk.columns().map(|column| column[at]).collect()));
        }
    }
    rows
}

#[tokio::test]
async fn the_fd001_test_set_arrives_value_by_value() {
    let Some(data) = data() else { return };
    let path = data.join("turbofan/test_FD001.txt");
    let arrived = sent(read_cmapss(&path, None, Duration::from_secs(1)).unwrap(), Duration::from_secs(10)).await;
    assert_eq!(arrived.len(), 100);
    let dens: Vec<f64> = Schema::from_registry(6).unwrap().groups[0].columns.iter().map(|c| f64::from(c.den)).collect();
    let mut read = arrived.iter().flat_map(|(device, rows)| rows.iter().map(move |row| (device, row)));
    for line in std::fs::read_to_string(&path).unwrap().lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (device, (_, time, values)) = read.next().unwrap();
        assert_eq!(device, &format!("fd001-{:0>3}", fields[0]));
        assert_eq!(*time, fields[1].parse::<i64>().unwrap() * 1_000);
        for ((text, den), value) in fields[2..].iter().zip(&dens).zip(values) {
            assert_eq!((text.parse::<f64>().unwrap() * den).round() as i64, value.unwrap(), "{line}");
        }
    }
    assert!(read.next().is_none());
}

#[tokio::test]
async fn the_sample_series_arrive_value_by_value_whatever_the_period() {
    let Some(data) = data() else { return };
    let file = |name: &str| data.join("wire/series").join(name);
    let wrist = ["wrist_hr.csv", "wrist_rr.csv", "wrist_slow10.csv", "wrist_slow60.csv", "wrist_acc.csv"];
    let sets: [&[&str]; 4] = [&wrist, &["carobd_real.csv"], &["heartpy_rr_real.csv"], &["engine_main.csv"]];
    for (files, period_s) in sets.iter().flat_map(|files| [(files, 1), (files, 10), (files, 60)]) {
        let paths: Vec<PathBuf> = files.iter().map(|name| file(name)).collect();
        let arrived = sent(vec![read_csv("real", &paths).unwrap()], Duration::from_secs(period_s)).await;
        let mut by_group: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (group, time, values) in &arrived["real"] {
            let values = values.iter().map(|value| value.map_or_else(String::new, |value| value.to_string()));
            let line: Vec<String> = std::iter::once(time.to_string()).chain(values).collect();
            by_group.entry(*group).or_default().push(line.join(","));
        }
        for (path, lines) in paths.iter().zip(by_group.values()) {
            let text = std::fs::read_to_string(path).unwrap();
            assert!(text.lines().skip(1).eq(lines.iter()), "{} at {period_s} s", path.display());
        }
    }
}

#[tokio::test]
async fn a_recording_lies_in_the_past_and_ends_now() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hr.csv");
    std::fs::write(&path, "t_ms,heart_rate\n0,70\n1000,71\n2000,72\n3599000,73\n").unwrap();
    let mut stub = Stub::start(|_| Conduct::WILLING).await.unwrap();
    let config = FleetConfig {
        cast: Cast::Recorded(vec![read_csv("strap", &[path]).unwrap()]),
        speed: Speed::Max,
        period: Duration::from_secs(60),
        ..FleetConfig::new(stub.address.into(), 0)
    };
    let fleet = Fleet::start(config, &TaskTracker::new(), &CancellationToken::new()).unwrap();
    let birth = loop {
        match timeout(PATIENCE, stub.next()).await.unwrap() {
            Seen::Publish { publish, .. } if publish.topic == "halo/v1/d/strap/birth" => break publish.payload,
            _ => {}
        }
    };
    let head = Birth::new_checked(&birth).unwrap().head();
    // The last period, [3540 s, 3600 s), is over when the device connects, and hardly more.
    assert!((3_600_000..3_660_000).contains(&head.t0_ms), "uptime {}", head.t0_ms);
    assert!(head.sync.is_some());
    assert_eq!(timeout(PATIENCE, fleet.finished()).await.unwrap().acked, 2);
}
