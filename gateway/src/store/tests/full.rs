//! Volumes without a free byte.

use super::*;
use crate::store::spare::SPARE_FILE;

/// A spare is as large as a segment, and a start has room for a smaller one.
fn roomy() -> Options {
    Options { segment_bytes: 128 << 10, group_bytes: 16 << 10, ..small() }
}

/// A log that ended in the middle, and its records.
fn ended(fs: &MemFs, groups: usize) -> Vec<Record> {
    let (mut log, _) = Log::open(fs.clone(), &dir(), roomy()).unwrap();
    let mut wrote = Vec::new();
    for _ in 0..groups {
        wrote.extend(push_all(&mut log, &every_body()));
        log.commit().unwrap();
    }
    drop(log);
    fs.kill();
    wrote
}

fn files(fs: &MemFs) -> Vec<String> {
    fs.list(&dir()).unwrap()
}

/// Bytes of all files.
fn used(fs: &MemFs) -> u64 {
    files(fs).iter().filter_map(|name| fs.bytes(&dir().join(name))).map(|bytes| bytes.len() as u64).sum()
}

#[test]
fn g6_a_start_without_a_free_byte_works_and_the_spare_comes_back_with_room() {
    for background in [false, true] {
        let fs = MemFs::new(1);
        let mut wrote = ended(&fs, 100);
        assert!(files(&fs).contains(&SPARE_FILE.to_owned()), "made while there was room");
        // Whatever this start gives back, others take.
        fs.set_capacity(1);
        let (mut log, recovered) = Log::open(fs.clone(), &dir(), Options { background, ..roomy() }).unwrap();
        assert_eq!((recovered.epoch, recovered.durable), (StartEpoch(2), wrote.last().unwrap().offset));
        assert!(!files(&fs).contains(&SPARE_FILE.to_owned()), "it is the first segment now");
        wrote.extend(push_all(&mut log, &every_body()));
        log.commit().unwrap();
        assert_eq!(read_all(&mut log.reader(Offset(1))), (wrote.clone(), vec![]));
        fs.set_capacity(u64::MAX);
        drop(log);
        let (log, _) = Log::open(fs.clone(), &dir(), roomy()).unwrap();
        assert_eq!(read_all(&mut log.reader(Offset(1))), (wrote, vec![]));
        assert!(files(&fs).contains(&SPARE_FILE.to_owned()));
    }
}

#[test]
fn g6_starts_on_a_full_volume_go_on_in_what_they_give_back() {
    let fs = MemFs::new(2);
    let mut wrote = ended(&fs, 100);
    let first = used(&fs);
    fs.set_capacity(first);
    for start in 2..20 {
        let (mut log, recovered) = Log::open(fs.clone(), &dir(), roomy()).unwrap_or_else(|error| {
            panic!("start {start}: {error}; {:?}", files(&fs));
        });
        assert_eq!((recovered.epoch, recovered.durable), (StartEpoch(start), wrote.last().unwrap().offset));
        wrote.extend(push_all(&mut log, &every_body()));
        log.commit().unwrap();
        drop(log);
        fs.kill();
        assert!(used(&fs) <= first);
    }
    fs.set_capacity(u64::MAX);
    let (mut log, _) = Log::open(fs.clone(), &dir(), roomy()).unwrap();
    assert_eq!(read_all(&mut log.reader(Offset(1))), (wrote, vec![]));
    log.push(&frame("d", 1, &[1; 12_000]).into(), at(0)).unwrap();
}

#[test]
fn a_record_too_large_for_a_short_first_segment_waits_for_a_whole_one() {
    let fs = MemFs::new(3);
    drop(ended(&fs, 65));
    fs.remove(&dir().join(SPARE_FILE)).unwrap();
    // Its end is cut, which leaves room for less than a segment.
    fs.set_capacity(used(&fs));
    let (mut log, _) = Log::open(fs.clone(), &dir(), roomy()).unwrap();
    log.push(&Body::Tick.into(), at(0)).unwrap();
    log.commit().unwrap();
    let large: Draft = frame("d", 1, &[1; 15_000]).into();
    let refused = log.push(&large, at(0)).unwrap_err();
    assert!(refused.is_full(), "{refused}");
    fs.set_capacity(u64::MAX);
    log.push(&large, at(1_000)).unwrap();
    log.commit().unwrap();
    drop(log);
    let seen = verify(&fs, &dir(), |_| ()).unwrap();
    assert!(seen.findings.is_empty(), "{seen:?}");
}

#[test]
fn g6_a_power_cut_at_any_moment_of_a_start_without_a_free_byte_loses_neither_room_nor_records_nor_an_epoch() {
    let whole = MemFs::new(4);
    let wrote = ended(&whole, 100);
    let (mut forgotten, mut done) = (0, 0);
    for (n, seed) in (0..).flat_map(|n| (0..4).map(move |seed| (n, seed))) {
        let fs = whole.copy(100 * n + seed);
        fs.set_capacity(1);
        fs.fail_after(n, Fault::PowerOff);
        let cut = Log::open(fs.clone(), &dir(), roomy()).map(|(log, _)| log.epoch());
        fs.power_cut();
        if files(&fs) == files(&whole).iter().filter(|name| *name != SPARE_FILE).cloned().collect::<Vec<_>>() {
            // This disk may forget both names of a rename; journals of real ones do not.
            forgotten += 1;
            continue;
        }
        let (mut log, recovered) = Log::open(fs.clone(), &dir(), roomy())
            .unwrap_or_else(|error| panic!("call {n}, seed {seed}: {error}; {:?}", files(&fs)));
        assert_eq!(recovered.durable, wrote.last().unwrap().offset, "call {n}");
        assert!(cut.as_ref().is_ok_and(|epoch| *epoch < log.epoch()) || cut.is_err(), "call {n}");
        assert!(log.epoch() >= StartEpoch(2));
        let mut wrote = wrote.clone();
        wrote.extend(push_all(&mut log, &every_body()));
        log.commit().unwrap();
        assert_eq!(read_all(&mut log.reader(Offset(1))), (wrote, vec![]), "call {n}");
        if cut.is_ok() && seed == 3 {
            assert!(n > 10, "{n}");
            break;
        }
        done += 1;
    }
    assert!(forgotten * 10 < done, "{forgotten} beside {done}");
}

#[test]
fn a_disk_without_room_is_asked_once_a_second_and_no_number_is_used_up() {
    let fs = MemFs::new(5);
    let (mut log, _) = Log::open(fs.clone(), &dir(), small()).unwrap();
    fs.set_capacity(1);
    let mut pushed = 0;
    while log.push(&Body::Tick.into(), at(0)).is_ok() {
        log.commit().unwrap();
        pushed += 1;
    }
    let calls = fs.calls();
    for ms in 0..1_000 {
        assert!(log.push(&Body::Tick.into(), at(ms)).is_err_and(|error| error.is_full()));
    }
    assert_eq!(fs.calls(), calls, "the disk is left alone");
    for second in 1..10 {
        assert!(log.push(&Body::Tick.into(), at(1_000 * second)).is_err());
    }
    assert!(fs.calls() > calls);
    fs.set_capacity(u64::MAX);
    log.push(&Body::Tick.into(), at(10_000)).unwrap();
    assert_eq!(log.commit().unwrap(), Offset(pushed + 1));
    let segments: Vec<u64> = files(&fs).iter().filter_map(|name| crate::store::segment::number(name)).collect();
    assert_eq!(segments, (1..=segments.len() as u64).collect::<Vec<_>>(), "numbers follow each other");
}
