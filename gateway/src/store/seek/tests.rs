//! What a search finds is what a reader of the whole log would have picked, whatever became of the footers.
//! `HALO_SEED=… cargo test -p halo-gateway --lib store::seek` replays.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::*;
use crate::record::*;
use crate::store::fs::mem::{MemFs, Rng};
use crate::store::fs::{Fs, FsFile};
use crate::store::{Damage, Log, Options, Reader};

const DEVICES: [&str; 4] = ["band", "car", "anna", "pump"];
const SUBJECTS: [&str; 3] = ["anna", "bert", "pump"];

fn dir() -> PathBuf {
    PathBuf::from("/log")
}

fn at(ms: u64) -> GatewayTime {
    GatewayTime { wall_ms: 1_700_000_000_000 + ms.cast_signed(), mono_ms: ms }
}

fn body(rng: &mut Rng, ms: u64) -> Body {
    let device: Name = DEVICES[rng.below(4) as usize].into();
    let subject: Name = if rng.one_in(2) { device.clone() } else { SUBJECTS[rng.below(3) as usize].into() };
    match rng.below(12) {
        0 => Body::Retained(Retained {
            topic: format!("halo/v1/d/{device}/birth").into(),
            publisher: device,
            qos: 1,
            arrival: at(ms),
            payload: Bytes::from_static(b"birth"),
        }),
        1 => Body::Act(Act { by: "local".into(), deed: Deed::Forget { device: device.to_string() } }),
        2 => Body::Quarantine(Quarantine { device, subject, reason: "no reason".into() }),
        3 => Body::Tick,
        _ => Body::Frame(Frame {
            publisher: device.clone(),
            device,
            subject,
            identity: rng.one_in(2).then_some(Identity { boot: 1, seq: ms as u32 }),
            format: Format::Json,
            arrival: at(ms),
            qos: 1,
            clock: ClockUse { offset_ms: 0, source: ClockSource::Estimated },
            payload: vec![b'x'; rng.below(300) as usize].into(),
        }),
    }
}

/// A log of several segments, in time.
fn written(fs: &MemFs, rng: &mut Rng) -> Log<MemFs> {
    let options = Options { segment_bytes: 12 << 10, group_bytes: 4 << 10, ..Options::deterministic(7) };
    let (mut log, _) = Log::open(fs.clone(), &dir(), options).unwrap();
    for ms in 0..400 {
        log.push(&body(rng, ms * 1_000).into(), at(ms * 1_000)).unwrap();
        if rng.one_in(3) {
            log.commit().unwrap();
        }
    }
    log.commit().unwrap();
    log
}

fn wanted(rng: &mut Rng) -> Wanted {
    let mut wanted = Wanted { acts: rng.one_in(3), ..Wanted::default() };
    if rng.one_in(2) {
        wanted.subject = Some(SUBJECTS[rng.below(3) as usize].into());
    }
    if rng.one_in(2) {
        wanted.names.insert(DEVICES[rng.below(4) as usize].into());
    }
    if rng.one_in(2) {
        wanted.names.insert(format!("halo/v1/d/{}/birth", DEVICES[rng.below(4) as usize]).into());
    }
    wanted
}

fn all(fs: &MemFs) -> Vec<Record> {
    let (mut reader, _) = Reader::over(fs.clone(), &dir(), Offset(1)).unwrap();
    let mut records = Vec::new();
    loop {
        let batch = reader.next(1 << 20).unwrap();
        if batch.is_empty() {
            return records;
        }
        records.extend(batch.records);
    }
}

fn sought(fs: &MemFs, wanted: &Wanted) -> (Vec<Found>, Sought) {
    let mut found = Vec::new();
    let archive = Archive::look(fs.clone(), &dir()).unwrap();
    let sought = archive.seek(
        wanted,
        |_, _| (),
        |it| {
            found.push(it);
            ControlFlow::Continue(())
        },
    );
    (found, sought.unwrap())
}

fn seed() -> u64 {
    let seed = std::env::var("HALO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(5);
    println!("HALO_SEED={seed}");
    seed
}

#[test]
fn a_search_finds_what_a_reader_of_everything_would_pick() {
    let mut rng = Rng(seed());
    let fs = MemFs::new(1);
    let _log = written(&fs, &mut rng);
    let records = all(&fs);
    for _ in 0..60 {
        let wanted = wanted(&mut rng);
        let (found, sought) = sought(&fs, &wanted);
        let picked: Vec<&Record> = records.iter().filter(|record| wanted.has(&record.body)).collect();
        assert_eq!(found.iter().map(|it| &it.record).collect::<Vec<_>>(), picked, "{wanted:?}");
        assert_eq!(sought.findings, []);
        assert_eq!((sought.segments > 5, sought.indexed, sought.walked), (true, sought.segments - 1, 1));
        for it in &found {
            let file = fs.bytes(&dir().join(format!("{:016}.seg", it.segment))).unwrap();
            assert!(it.bytes.end <= file.len() as u64 && it.bytes.start < it.bytes.end);
        }
    }
}

#[test]
fn segments_written_outside_of_the_span_are_left_unread() {
    let mut rng = Rng(seed());
    let fs = MemFs::new(1);
    let _log = written(&fs, &mut rng);
    let span = at(100_000).wall_ms..at(200_000).wall_ms;
    let wanted = Wanted { written_ms: span.clone(), names: ["band".into()].into(), ..Wanted::default() };
    let (found, some) = sought(&fs, &wanted);
    assert!(some.indexed < some.segments / 2, "{some:?}");
    let within = |record: &&Record| span.contains(&record.stamp.wall_ms) && wanted.has(&record.body);
    let records = all(&fs);
    let inside: Vec<&Record> = found.iter().map(|it| &it.record).filter(within).collect();
    assert_eq!(inside, records.iter().filter(within).collect::<Vec<_>>());
}

/// A footer that is gone, flipped anywhere, or of a program that had no directory costs time and nothing else.
#[test]
fn a_segment_with_a_damaged_footer_is_walked_through() {
    let mut rng = Rng(seed());
    let fs = MemFs::new(1);
    drop(written(&fs, &mut rng));
    let records = all(&fs);
    let mut walked = 0;
    for round in 0..150 {
        let copy = fs.copy(round);
        let number = 1 + rng.below(4);
        let path = dir().join(format!("{number:016}.seg"));
        let file = copy.open_read(&path).unwrap();
        let mut trailer = [0; 24];
        let length = file.len().unwrap();
        file.read_at(&mut trailer, length - 24).unwrap();
        let footer = u64::from_le_bytes(trailer[8..16].try_into().unwrap());
        assert!(copy.flip_bit(&path, 8 * footer + rng.below(8 * (length - footer))));
        let wanted = wanted(&mut rng);
        let (found, sought) = sought(&copy, &wanted);
        let picked: Vec<&Record> = records.iter().filter(|record| wanted.has(&record.body)).collect();
        assert_eq!(found.iter().map(|it| &it.record).collect::<Vec<_>>(), picked, "round {round}, {wanted:?}");
        walked += sought.walked - 1;
    }
    assert!(walked > 20, "{walked} of 150 flips were in what a search reads");
}

#[test]
fn a_damaged_record_is_told_and_costs_no_other() {
    let mut rng = Rng(seed());
    let fs = MemFs::new(1);
    drop(written(&fs, &mut rng));
    let wanted = Wanted { names: ["band".into()].into(), ..Wanted::default() };
    let (before, _) = sought(&fs, &wanted);
    let hurt = &before[before.len() / 3];
    let path: &Path = &dir().join(format!("{:016}.seg", hurt.segment));
    for bit in [8 * hurt.bytes.start + 3, 8 * (hurt.bytes.end - 8)] {
        let copy = fs.copy(bit);
        assert!(copy.flip_bit(path, bit));
        let (after, sought) = sought(&copy, &wanted);
        assert_eq!(after.len(), before.len() - 1);
        assert!(after.iter().all(|it| it.record.offset != hurt.record.offset));
        let [finding] = &sought.findings[..] else { panic!("{:?}", sought.findings) };
        assert_eq!((finding.segment, finding.bytes.start), (hurt.segment, hurt.bytes.start));
        assert!(matches!(finding.what, Damage::Unreadable | Damage::Body), "{finding}");
    }
}
