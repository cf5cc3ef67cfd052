//! How much of the disk's own speed the log keeps: the same groups through the log and through nothing but the disk.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use halo_gateway::clock::Clock;
use halo_gateway::record::{Body, ClockSource, ClockUse, Draft, Format, Frame, GatewayTime, Identity, Name, Offset};
use halo_gateway::store::{Disk, Log, Options, StoreError};

use super::super::goal::{Figures, Goal};
use super::super::ground::Ground;
use super::at_least;
use crate::Failure;
use crate::clock::Stopwatch;

/// Bytes of payload, as in the rows of acknowledgements.
const PAYLOAD: usize = 200;
const DEVICES: usize = 1_000;
/// The gateway's own bounds. From so many frames on a group is large: it is written while the next one gathers, which
/// departs once it is durable …
const LARGE: usize = 1_024;
/// … and with so many it is full, and departs at once.
const FULL: usize = 4_096;
/// Small commits before the clock starts, as after a start: large groups tell the log nothing of how slow the disk is.
const FIRST: usize = 4;

/// What is measured of one size of groups, in order.
macro_rules! figures_of {
    ($frames:literal) => {
        [
            concat!("log / bare, ", $frames, " a group"),
            concat!("log / in place, ", $frames, " a group"),
            concat!("log groups/s, ", $frames, " a group"),
            concat!("bare groups/s, ", $frames, " a group"),
            concat!("bare groups/s in place, ", $frames, " a group"),
        ]
    };
}

const SIZES: [(usize, [&str; 5]); 4] =
    [(20, figures_of!("20")), (200, figures_of!("200")), (2_000, figures_of!("2000")), (FULL, figures_of!("4096"))];

pub(super) static GOALS: [Goal; 4] = [
    at_least("log / bare, groups of 20 frames", |_| Some(0.9), |it| it.get("log / bare, 20 a group").copied()),
    at_least("log / bare, groups of 200 frames", |_| Some(0.9), |it| it.get("log / bare, 200 a group").copied()),
    at_least("log / bare, groups of 2,000 frames", |_| Some(0.9), |it| it.get("log / bare, 2000 a group").copied()),
    at_least("log / bare, full groups (4,096)", |_| Some(0.9), |it| it.get("log / bare, 4096 a group").copied()),
];

pub(super) fn log(ground: &Ground) -> Result<Figures, Failure> {
    let (clock, frames) = (Clock::system(), frames());
    let mut figures = Figures::new();
    for (frames_a_group, names) in SIZES {
        let time = ground.run_for / 3;
        // Each in a folder of its own, so that at most one of them takes room on the disk.
        let folder = || tempfile::tempdir_in(&ground.folder);
        let (log, bytes) = log_groups(&folder()?.path().join("log"), &clock, &frames, frames_a_group, time)?;
        let bare = bare_groups(&folder()?.path().join("bare"), bytes, time, false)?;
        let in_place = bare_groups(&folder()?.path().join("in-place"), bytes, time, true)?;
        figures.extend(names.into_iter().zip([log / bare, log / in_place, log, bare, in_place]));
    }
    Ok(figures)
}

fn frames() -> Vec<Draft> {
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
    (0..DEVICES).map(frame).collect()
}

/// Groups per second and bytes per group of the log.
fn log_groups(
    folder: &Path,
    clock: &Clock,
    frames: &[Draft],
    frames_a_group: usize,
    time: Duration,
) -> Result<(f64, usize), Failure> {
    let (mut log, _) = Log::open(Disk, folder, Options::default())?;
    let mut next = frames.iter().cycle();
    for draft in next.by_ref().take(FIRST) {
        log.push(draft, clock.now())?;
        log.commit()?;
    }
    let (watch, mut groups, mut bytes) = (Stopwatch::new(), 0, 0);
    while watch.elapsed() < time {
        // As the owner of the log stamps them: a group at a time.
        let stamp = clock.now();
        for draft in next.by_ref().take(frames_a_group) {
            log.push(draft, stamp)?;
        }
        bytes = bytes.max(log.pending_bytes());
        match frames_a_group {
            ..LARGE => log.commit()?,
            LARGE..FULL => begin_alone(&mut log)?,
            FULL.. => log.begin_commit()?,
        };
        groups += 1;
    }
    log.commit()?;
    Ok((f64::from(groups) / watch.elapsed().as_secs_f64(), bytes))
}

/// As the owner commits a large group: one is written while the next one gathers, and no more than one.
fn begin_alone(log: &mut Log<Disk>) -> Result<Offset, StoreError> {
    while log.commits_begun() > 0 {
        log.end_commit()?;
    }
    log.begin_commit()
}

/// Groups per second of nothing but the disk: an allocated file of the log's segment size, begun anew when full; or one
/// that is full of zeros, written over and over, whose flushes have nothing to note down.
fn bare_groups(path: &Path, bytes: usize, time: Duration, in_place: bool) -> Result<f64, Failure> {
    let group = vec![7; bytes];
    let segment = Options::default().segment_bytes;
    let fresh = |n: u64| -> Result<File, Failure> {
        let file = File::create_new(path.with_extension(n.to_string()))?;
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, segment)?;
        if in_place {
            file.write_all_at(&vec![0; segment as usize], 0)?;
        }
        file.sync_all()?;
        Ok(file)
    };
    let (mut file, mut at, mut files) = (fresh(0)?, 0, 1);
    let (watch, mut groups) = (Stopwatch::new(), 0);
    while watch.elapsed() < time {
        if at + bytes as u64 > segment {
            at = 0;
            if !in_place {
                (file, files) = (fresh(files)?, files + 1);
            }
        }
        file.write_all_at(&group, at)?;
        file.sync_data()?;
        at += bytes as u64;
        groups += 1;
    }
    Ok(f64::from(groups) / watch.elapsed().as_secs_f64())
}
