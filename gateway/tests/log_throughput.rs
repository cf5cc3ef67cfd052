//! How much of the disk's own speed the log keeps: the same groups through a bare `pwrite` + `fdatasync` loop and through
//! the log, on the same folder. A measurement, run by hand:
//! `cargo test --release -p halo-gateway --test log_throughput -- --ignored --nocapture`, folder in `HALO_BENCH_DIR`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use halo_gateway::clock::Clock;
use halo_gateway::record::{Body, ClockSource, ClockUse, Draft, Format, Frame, GatewayTime, Identity, Name, Offset};
use halo_gateway::store::{Disk, Log, Options};

/// Bytes of payload: DESIGN.md's load generator sends frames of 200 B.
const PAYLOAD: usize = 200;
/// How long each side runs per round.
const ROUND: Duration = Duration::from_secs(2);

fn frames(devices: usize) -> Vec<Draft> {
    let frame = |n: usize| {
        let name = Name::from(format!("wristband-{n:05}"));
        Body::Frame(Frame {
            device: Name::clone(&name),
            publisher: Name::clone(&name),
            subject: name,
            identity: Some(Identity { boot: 1, seq: n as u32 }),
            format: Format::Tf1,
            arrival: GatewayTime::default(),
            qos: 1,
            clock: ClockUse { offset_ms: 0, source: ClockSource::Estimated },
            payload: Bytes::from(vec![n as u8; PAYLOAD]),
        })
        .into()
    };
    (0..devices).map(frame).collect()
}

/// Groups per second and bytes per group of the log.
fn log_groups(dir: &Path, clock: &Clock, frames: &[Draft], per_group: usize) -> (f64, usize) {
    let (mut log, _) = Log::open(Disk, dir, Options::default()).unwrap();
    let mut next = frames.iter().cycle();
    let start = clock.now().mono_ms;
    let (mut groups, mut bytes) = (0, 0);
    while clock.now().mono_ms - start < ROUND.as_millis() as u64 {
        for draft in next.by_ref().take(per_group) {
            log.push(draft, clock.now()).unwrap();
        }
        bytes = bytes.max(log.pending_bytes());
        log.commit().unwrap();
        groups += 1;
    }
    let ms = clock.now().mono_ms - start;
    (f64::from(groups) * 1000.0 / ms as f64, bytes)
}

/// Groups per second of nothing but the disk: an allocated file of the log's segment size, begun anew when full.
fn bare_groups(path: &Path, clock: &Clock, bytes: usize) -> f64 {
    let group = vec![7; bytes];
    let segment = Options::default().segment_bytes;
    let fresh = |n: u64| {
        let file = File::create_new(path.with_extension(n.to_string())).unwrap();
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, segment).unwrap();
        file.sync_all().unwrap();
        file
    };
    let (mut file, mut at, mut files) = (fresh(0), 0, 1);
    let start = clock.now().mono_ms;
    let mut groups = 0;
    while clock.now().mono_ms - start < ROUND.as_millis() as u64 {
        if at + bytes as u64 > segment {
            (file, at, files) = (fresh(files), 0, files + 1);
        }
        file.write_all_at(&group, at).unwrap();
        file.sync_data().unwrap();
        at += bytes as u64;
        groups += 1;
    }
    let ms = clock.now().mono_ms - start;
    f64::from(groups) * 1000.0 / ms as f64
}

#[test]
#[ignore = "a measurement of the machine it runs on"]
fn log_against_bare_write_and_sync() {
    let base = std::env::var_os("HALO_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let clock = Clock::system();
    let frames = frames(1000);
    for per_group in [1, 20, 200, 2000] {
        let dir = tempfile::tempdir_in(&base).unwrap();
        let (groups, bytes) = log_groups(&dir.path().join("log"), &clock, &frames, per_group);
        let bare = bare_groups(&dir.path().join("bare"), &clock, bytes);
        let mb = |groups: f64| groups * bytes as f64 / 1e6;
        println!(
            "{per_group:>5} frames ({bytes:>7} B) a group: log {groups:>7.0} groups/s {:>6.1} MB/s {:>8.0} frames/s, \
             bare {bare:>7.0} groups/s {:>6.1} MB/s, ratio {:.2}",
            mb(groups),
            groups * per_group as f64,
            mb(bare),
            groups / bare
        );
    }
}

#[test]
#[ignore = "a measurement of the machine it runs on"]
fn cost_of_a_record_without_a_disk() {
    let clock = Clock::system();
    let frames = frames(1000);
    let fs = halo_gateway::store::fs::mem::MemFs::new(1);
    let (mut log, _) = Log::open(fs, Path::new("/log"), Options::default()).unwrap();
    let start = clock.now().mono_ms;
    let mut pushed = 0u64;
    for draft in frames.iter().cycle().take(200_000) {
        log.push(draft, GatewayTime::default()).unwrap();
        pushed += 1;
        if pushed.is_multiple_of(500) {
            log.commit().unwrap();
        }
    }
    log.commit().unwrap();
    let wrote = clock.now().mono_ms - start;
    let mut reader = log.reader(Offset(0));
    let mut read = 0;
    while let Some(n) = reader.next(1 << 20).map(|batch| batch.records.len()).ok().filter(|n| *n > 0) {
        read += n;
    }
    let ms = clock.now().mono_ms - start - wrote;
    println!(
        "{pushed} records: {} ns each to write, {read} read at {} ns each",
        wrote * 1_000_000 / pushed,
        ms * 1_000_000 / pushed
    );
}
