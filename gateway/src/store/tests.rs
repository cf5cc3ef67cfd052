use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::fs::mem::{Fault, MemFs};
use super::*;
use crate::metrics::Metrics;
use crate::record::*;

mod begun;
mod full;
mod missing;
mod starts;
mod zeros;

fn dir() -> PathBuf {
    PathBuf::from("/log")
}

fn small() -> Options {
    Options { segment_bytes: 12 << 10, group_bytes: 4 << 10, ..Options::deterministic(7) }
}

fn at(ms: u64) -> GatewayTime {
    GatewayTime { wall_ms: 1_700_000_000_000 + ms.cast_signed(), mono_ms: ms }
}

fn frame(device: &str, seq: u32, payload: &[u8]) -> Body {
    Body::Frame(Frame {
        device: device.into(),
        publisher: device.into(),
        subject: "subject".into(),
        identity: Some(Identity { boot: 3, seq }),
        format: Format::Tf1,
        arrival: at(u64::from(seq)),
        qos: 1,
        clock: ClockUse { offset_ms: -5, source: ClockSource::Estimated },
        payload: Bytes::copy_from_slice(payload),
    })
}

fn every_body() -> Vec<Body> {
    let (device, subject): (Name, Name) = ("band-1".into(), "ann".into());
    let presence = Presence { device: device.clone(), subject: subject.clone() };
    vec![
        Body::Start(Start { version: "0.1.0".into() }),
        Body::Config(FoldConfig {
            hash: 9,
            assignments: vec![Assignment {
                device: "band-1".into(),
                subject: "ann".into(),
                kind: SubjectKind::Person,
                from_ms: Some(-1),
                until_ms: None,
            }],
            silent_after_ms: 60_000,
            ..FoldConfig::default()
        }),
        Body::Connected(presence.clone()),
        frame("band-1", 1, b"\xF9payload"),
        Body::Frame(Frame {
            device: device.clone(),
            publisher: "bridge".into(),
            subject: subject.clone(),
            identity: None,
            format: Format::Json,
            arrival: GatewayTime { wall_ms: i64::MIN, mono_ms: u64::MAX },
            qos: 0,
            clock: ClockUse { offset_ms: i64::MAX, source: ClockSource::Synced },
            payload: Bytes::new(),
        }),
        Body::Retained(Retained {
            topic: "halo/v1/d/band-1/birth".into(),
            publisher: device.clone(),
            qos: 1,
            arrival: at(4),
            payload: Bytes::from_static(b"birth"),
        }),
        Body::Tick,
        Body::WallJump(WallJump { by_ms: -3_600_000 }),
        Body::Quarantine(Quarantine { device: device.clone(), subject: subject.clone(), reason: "häßlich".into() }),
        Body::Gap(Gap { device: device.clone(), subject: subject.clone(), boot: 1, first: 2, last: u32::MAX }),
        Body::Duplicates(Duplicates { device: device.clone(), subject: subject.clone(), count: 77 }),
        Body::Conflict(Conflict { device, subject, identity: Identity { boot: 0x0FFF_FFFF, seq: 5 } }),
        Body::Cursor(Cursor {
            consumer: "upstream".into(),
            confirmed: Offset(12),
            progress: crate::record::Progress {
                live: Offset(90),
                backfill: vec![Stretch { first: Offset(13), last: Offset(40) }],
                account: Account { forwarded: u64::MAX, quarantined: 1, dropped: 2 },
                early: 3,
                sparks: None,
            },
        }),
        Body::Gone(presence),
    ]
}

/// The kinds of the years after the first.
fn more_bodies() -> Vec<Body> {
    let (device, subject): (Name, Name) = ("band-1".into(), "ann".into());
    let Body::Frame(replayed) = frame("band-1", 1, b"\xF9payload") else { return Vec::new() };
    let stands = crate::record::Progress { live: Offset(4), sparks: Some(Offset(3)), ..Default::default() };
    vec![
        Body::Cursor(Cursor { consumer: "upstream".into(), confirmed: Offset(3), progress: stands }),
        Body::Replayed(replayed),
        Body::Expired(Expired { device: device.clone(), subject: subject.clone(), reason: "too old".into() }),
        Body::Dropped(Dropped {
            device: device.clone(),
            subject: subject.clone(),
            boot: u32::MAX,
            first: 3,
            last: u32::MAX,
            frames: 9,
            stretch: Stretch { first: Offset(1), last: Offset(u64::MAX) },
            reason: "disk.max".into(),
            missed: vec![("cloud".to_owned(), u32::MAX)],
        }),
        Body::Act(Act { by: "local".into(), deed: Deed::Release { device: "band-1".into(), at_ms: i64::MIN } }),
        Body::Act(Act {
            by: "local".into(),
            deed: Deed::Account {
                name: "anna".into(),
                change: AccountChange::User { password: true, roles: Some(vec!["reader".into()]), may: None },
            },
        }),
        Body::Damaged(Damaged {
            segment: u64::MAX,
            lost: Stretch { first: Offset(1), last: Offset(u64::MAX) },
            what: "unreadable".into(),
        }),
        Body::Carry(Carry { set: u64::MAX, part: 0, end: None, bytes: Bytes::from_static(b"rows") }),
        Body::Carry(Carry {
            set: u64::MAX,
            part: 1,
            end: Some(CarryEnd { parts: 2, crc: u32::MAX, from: Offset(u64::MAX) }),
            bytes: Bytes::new(),
        }),
    ]
}

fn push_all<F: Fs>(log: &mut Log<F>, bodies: &[Body]) -> Vec<Record> {
    let mut records = Vec::new();
    for (n, body) in bodies.iter().enumerate() {
        let draft = Draft { cause: (n % 3 == 1).then_some(Offset(1)), body: body.clone() };
        let stamp = at(n as u64);
        let offset = log.push(&draft, stamp).unwrap();
        let Draft { cause, body } = draft;
        records.push(Record { offset, epoch: log.epoch(), stamp, cause, key: KeyId(0), body });
    }
    records
}

fn read_all<F: Fs>(reader: &mut Reader<F>) -> (Vec<Record>, Vec<Finding>) {
    let (mut records, mut findings) = (Vec::new(), Vec::new());
    loop {
        let batch = reader.next(1000).unwrap();
        if batch.is_empty() {
            return (records, findings);
        }
        records.extend(batch.records);
        findings.extend(batch.findings);
    }
}

fn every_body_comes_back<F: Fs>(fs: F, dir: &Path, options: Options) {
    let (mut log, recovered) = Log::open(fs.clone(), dir, options.clone()).unwrap();
    assert_eq!((recovered.durable, recovered.epoch), (Offset(0), StartEpoch(1)));
    let mut wrote = push_all(&mut log, &every_body());
    assert_eq!(log.commit().unwrap(), Offset(14));
    wrote.extend(push_all(&mut log, &every_body()));
    let mut reader = log.reader(Offset(1));
    assert_eq!(read_all(&mut reader), (wrote[..14].to_vec(), vec![]), "nothing is read before it is durable");
    log.commit().unwrap();
    assert_eq!(read_all(&mut reader), (wrote[14..].to_vec(), vec![]));
    log.close().unwrap();

    let (mut log, recovered) = Log::open(fs.clone(), dir, options).unwrap();
    assert!(recovered.clean);
    assert_eq!((recovered.durable, recovered.epoch), (Offset(28), StartEpoch(2)));
    assert_eq!(recovered.last_stamp, Some(at(13)));
    wrote.extend(push_all(&mut log, &every_body()));
    log.commit().unwrap();
    for from in [1, 2, 14, 15, 28, 29, 42, 43] {
        let (records, findings) = read_all(&mut log.reader(Offset(from)));
        assert_eq!(records, wrote[from as usize - 1..]);
        assert!(findings.is_empty());
    }
    let seen = verify(&fs, dir, |_| ()).unwrap();
    assert_eq!((seen.records, seen.segments, seen.findings), (42, 2, vec![]));
}

#[test]
fn administrative_and_carried_records_come_back_as_they_were_written() {
    let (mut log, _) = Log::open(MemFs::new(1), &dir(), small()).unwrap();
    let wrote = push_all(&mut log, &more_bodies());
    log.commit().unwrap();
    assert_eq!(read_all(&mut log.reader(Offset(1))), (wrote, vec![]));
}

#[test]
fn every_kind_of_record_comes_back_as_it_was_written_in_memory() {
    every_body_comes_back(MemFs::new(1), &dir(), small());
}

#[test]
fn every_kind_of_record_comes_back_as_it_was_written_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    every_body_comes_back(Disk, &dir.path().join("a/log"), Options::default());
}

#[test]
fn a_log_that_rolls_is_read_across_its_segments_while_it_is_written() {
    for background in [false, true] {
        let fs = MemFs::new(2);
        let (mut log, _) = Log::open(fs.clone(), &dir(), Options { background, ..small() }).unwrap();
        let mut reader = log.reader(Offset(0));
        let (mut wrote, mut read) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            wrote.extend(push_all(&mut log, &every_body()));
            log.commit().unwrap();
            let (records, findings) = read_all(&mut reader);
            assert!(findings.is_empty(), "{findings:?}");
            read.extend(records);
            assert_eq!(read.len(), wrote.len());
        }
        assert_eq!(read, wrote);
        drop(log);
        let seen = verify(&fs, &dir(), |_| ()).unwrap();
        assert!(seen.segments > 3 && seen.findings.is_empty(), "{seen:?}");
        let (log, recovered) = Log::open(fs, &dir(), small()).unwrap();
        assert_eq!((recovered.durable, recovered.findings), (Offset(560), vec![]));
        assert_eq!(read_all(&mut log.reader(Offset(1))).0, wrote);
    }
}

#[test]
fn a_folder_in_use_is_refused_by_name() {
    let fs = MemFs::new(3);
    let held = Log::open(fs.clone(), &dir(), small()).unwrap();
    let refused = Log::open(fs.clone(), &dir(), small()).err().unwrap();
    assert_eq!(refused.to_string(), "/log is in use by another process: stop it, or choose another folder");
    drop(held);
    Log::open(fs, &dir(), small()).unwrap();
}

#[test]
fn a_record_that_can_never_fit_is_too_long_and_a_full_group_says_so() {
    let (mut log, _) = Log::open(MemFs::new(4), &dir(), small()).unwrap();
    let refused = log.push(&frame("d", 1, &[1; 4000]).into(), at(0)).unwrap_err();
    assert!(matches!(refused, StoreError::TooLong { max: 4064, .. }), "{refused}");
    let mut pushed = 0;
    let full = loop {
        match log.push(&frame("d", 1, &[1; 500]).into(), at(0)) {
            Ok(_) => pushed += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, StoreError::GroupFull) && pushed > 3, "{full} after {pushed}");
    log.commit().unwrap();
    log.push(&frame("d", 1, &[1; 500]).into(), at(0)).unwrap();
}

#[test]
fn a_commit_counts_its_records_its_bytes_and_one_sync_and_one_that_fails_a_failure_alone() {
    let (fs, options) = (MemFs::new(9), small());
    let metrics = Arc::clone(&options.metrics);
    let counts = || {
        let Metrics { store_records_total, store_bytes_total, store_syncs_total, store_failures_total, .. } = &*metrics;
        [store_records_total, store_bytes_total, store_syncs_total, store_failures_total].map(|it| it.get())
    };
    let (mut log, _) = Log::open(fs.clone(), &dir(), options).unwrap();
    push_all(&mut log, &every_body());
    log.commit().unwrap();
    let bytes = log.watermark().head().position - format::FIRST_ITEM;
    assert_eq!(counts(), [14, bytes, 1, 0]);
    push_all(&mut log, &every_body());
    fs.fail_after(0, Fault::Io);
    assert!(log.commit().is_err());
    assert_eq!(counts(), [14, bytes, 1, 1]);
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_until_the_log_has_been_recovered() {
    for fault in [Fault::Io, Fault::Full] {
        let fs = MemFs::new(5);
        let (mut log, _) = Log::open(fs.clone(), &dir(), small()).unwrap();
        let kept = push_all(&mut log, &every_body());
        log.commit().unwrap();
        push_all(&mut log, &every_body());
        fs.fail_after(1, fault);
        let failed = log.commit().unwrap_err();
        assert!(matches!(failed, StoreError::Commit { durable: Offset(14), .. }), "{failed}");
        assert!(matches!(log.commit(), Err(StoreError::Poisoned)));
        assert!(matches!(log.push(&Body::Tick.into(), at(0)), Err(StoreError::Poisoned)));
        assert_eq!(log.recover_from_failure().unwrap(), vec![]);
        let mut wrote = kept;
        wrote.extend(push_all(&mut log, &every_body()));
        assert_eq!(wrote[14].offset, Offset(29), "offsets of the failed group are not used again");
        log.commit().unwrap();
        assert_eq!(read_all(&mut log.reader(Offset(1))), (wrote.clone(), vec![]));
        fs.power_cut();
        let (log, recovered) = Log::open(fs, &dir(), small()).unwrap();
        assert_eq!(recovered.findings, vec![]);
        assert_eq!(read_all(&mut log.reader(Offset(1))).0, wrote);
    }
}

#[test]
fn a_waiting_thread_wakes_when_a_record_becomes_durable_and_when_the_log_closes() {
    let (mut log, _) = Log::open(MemFs::new(6), &dir(), small()).unwrap();
    let durable = log.watermark();
    let (woken, seen) = std::sync::mpsc::sync_channel(4);
    let waiter = std::thread::spawn(move || {
        let long = std::time::Duration::from_secs(60);
        let first = durable.wait_past(Offset(0), long);
        woken.send(first).unwrap();
        (durable.wait_past(first, long), durable.is_closed())
    });
    log.push(&Body::Tick.into(), at(0)).unwrap();
    log.commit().unwrap();
    assert_eq!(seen.recv().unwrap(), Offset(1));
    drop(log);
    assert_eq!(waiter.join().unwrap(), (Offset(1), true));
}
