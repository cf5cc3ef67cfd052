use std::collections::BTreeSet;

use super::*;
use crate::record::{Body, Draft, GatewayTime, Name, Offset, Presence, Quarantine, Record};
use crate::store::fs::mem::{MemFs, Rng};
use crate::store::{Log, Options, Reader};

fn dir() -> &'static Path {
    Path::new("/log")
}

fn options() -> Options {
    let (segment_bytes, group_bytes) = (12 << 10, 4 << 10);
    Options { segment_bytes, group_bytes, ..Options::deterministic(3) }
}

fn body(n: u64) -> Body {
    let name = |what: &str, n: u64| Name::from(format!("{what}-{n}"));
    let (device, subject) = (name("band", n % 7), name("subject", n % 5));
    match n % 6 {
        0 => Body::Tick,
        1 => Body::Connected(Presence { device, subject }),
        _ => Body::Quarantine(Quarantine { device, subject, reason: "r".repeat((n % 90) as usize) }),
    }
}

/// A log of several segments, three starts, groups of one to nine records.
fn sample(seed: u64) -> (MemFs, Vec<Record>) {
    let (fs, mut rng) = (MemFs::new(seed), Rng(seed));
    let mut at = 0;
    for _ in 0..3 {
        let (mut log, _) = Log::open(fs.clone(), dir(), options()).unwrap();
        for _ in 0..24 {
            for _ in 0..=rng.below(8) {
                at += 1;
                let stamp = GatewayTime { wall_ms: at as i64, mono_ms: at };
                log.push(&Draft::from(body(at)), stamp).unwrap();
            }
            log.commit().unwrap();
        }
        if rng.one_in(2) {
            log.close().map(drop).unwrap()
        } else {
            drop(log)
        }
        fs.kill();
    }
    let (wrote, findings) = read(&fs);
    assert_eq!(findings, []);
    (fs, wrote)
}

fn read(fs: &MemFs) -> (Vec<Record>, Vec<Finding>) {
    let (mut reader, mut findings) = Reader::over(fs.clone(), dir(), Offset(0)).unwrap();
    let mut records = Vec::new();
    loop {
        let batch = reader.next(1 << 20).unwrap();
        if batch.is_empty() {
            return (records, findings);
        }
        records.extend(batch.records);
        findings.extend(batch.findings);
    }
}

fn segments(fs: &MemFs) -> Vec<PathBuf> {
    let names = fs.list(dir()).unwrap();
    let mut paths: Vec<PathBuf> =
        names.iter().filter(|name| segment::number(name).is_some()).map(|it| dir().join(it)).collect();
    paths.sort();
    paths
}

fn is_lost(repair: &Repair, offset: Offset) -> bool {
    let lost = repair.mended.iter().flat_map(|it| &it.findings).filter_map(|it| it.offsets.as_ref());
    lost.into_iter().any(|offsets| offsets.contains(&offset))
}

/// Repairs, and checks what a repair promises.
fn mend(fs: &MemFs, wrote: &[Record], place: &str) {
    let (before, _) = read(fs);
    let names = fs.list(dir()).unwrap();
    let dry = repair(fs, dir(), false).unwrap();
    assert_eq!(fs.list(dir()).unwrap().len(), names.len(), "{place}: a dry run changed something");
    let done = repair(fs, dir(), true).unwrap();
    let deeds = |it: &Repair| it.mended.iter().map(|it| (it.segment, it.deed.clone())).collect::<Vec<_>>();
    assert_eq!(deeds(&dry).len(), deeds(&done).len(), "{place}: {dry:?}");
    let (after, findings) = read(fs);
    assert!(before == after, "{place}: {} records were readable, {} are now; {done:?}", before.len(), after.len());
    let originals: BTreeMap<Offset, &Record> = wrote.iter().map(|record| (record.offset, record)).collect();
    let changed = after.iter().find(|record| originals.get(&record.offset) != Some(record));
    assert!(changed.is_none(), "{place}: {changed:?} is not what was written");
    let kept: BTreeSet<Offset> = after.iter().map(|record| record.offset).collect();
    // What stood behind the last readable group is named by nothing: it looks like what was never acknowledged.
    let last = kept.last().copied().unwrap_or_default();
    for record in wrote.iter().filter(|record| record.offset < last && !kept.contains(&record.offset)) {
        assert!(is_lost(&done, record.offset), "{place}: {} is lost and nobody said so: {done:?}", record.offset);
    }
    let verified = verify(fs, dir(), |_| {}).unwrap();
    let unmended: Vec<u64> = done.mended.iter().filter(|it| !it.is_repairable()).map(|it| it.segment).collect();
    let left = |findings: &[Finding]| findings.iter().any(|it| !unmended.contains(&it.segment));
    assert!(!left(&verified.findings) && !left(&findings), "{place}: {:?} after {done:?}", verified.findings);
    assert_eq!(verified.findings, done.left);
    goes_on(fs, wrote, &after, place);
}

/// A gateway starts on it, finds nothing wrong, and gives no offset twice.
fn goes_on(fs: &MemFs, wrote: &[Record], kept: &[Record], place: &str) {
    let fs = fs.copy(1);
    let (mut log, recovered) = Log::open(fs.clone(), dir(), options()).unwrap();
    let odd: Vec<_> = recovered.findings.iter().filter(|it| it.what != Damage::TornTail).collect();
    let is_last_header = odd.iter().all(|it| it.what == Damage::Header);
    assert!(odd.is_empty() || is_last_header, "{place}: a start found {odd:?}");
    let offset = log.push(&Draft::from(Body::Tick), GatewayTime { wall_ms: 1, mono_ms: 1 << 40 }).unwrap();
    log.commit().unwrap();
    let highest = kept.last().map_or(Offset(0), |record| record.offset);
    assert!(offset > highest, "{place}: offset {offset} again");
    // What stood behind the last segment that anything names may be gone without a trace; all else is not used again.
    let in_chain = odd.is_empty() && highest == wrote.last().map_or(Offset(0), |it| it.offset);
    assert!(!in_chain || wrote.iter().all(|it| it.offset < offset), "{place}");
    drop(log);
    let (records, _) = read(&fs);
    assert_eq!(records.len(), kept.len() + 1, "{place}: after a start");
}

#[test]
fn a_sound_log_needs_no_repair() {
    let (fs, wrote) = sample(1);
    let done = repair(&fs, dir(), true).unwrap();
    assert_eq!((done.mended.iter().filter(|it| it.is_repairable()).count(), read(&fs).0), (0, wrote));
}

#[test]
fn g8_a_flipped_bit_anywhere_is_repaired_at_the_cost_of_the_records_it_touched() {
    let (original, wrote) = sample(2);
    let mut rng = Rng(99);
    let last = segments(&original).pop().unwrap();
    for path in segments(&original) {
        let len = original.bytes(&path).unwrap().len() as u64;
        for n in 0..18 {
            let fs = original.copy(n);
            // The first bytes hold the headers, the last ones the footer: looked at more closely than the rest.
            let byte = match n % 6 {
                0 => rng.below(64),
                1 => 4_096 + rng.below(64 + 48),
                2 => len - 1 - rng.below(200.min(len)),
                _ => rng.below(len),
            };
            if fs.flip_bit(&path, byte * 8 + rng.below(8)) {
                mend(&fs, &wrote, &format!("{}, byte {byte}", path.display()));
                let (lost, group) = (wrote.len() - read(&fs).0.len(), 9);
                assert!(lost <= 1 || (path == last && lost <= group), "{}, byte {byte}: {lost} lost", path.display());
            }
        }
    }
}

#[test]
fn g8_zeroed_stretches_and_shortened_files_are_repaired() {
    let (original, wrote) = sample(4);
    let mut rng = Rng(7);
    for path in segments(&original) {
        let len = original.bytes(&path).unwrap().len() as u64;
        for n in 0..12 {
            let fs = original.copy(n);
            let from = rng.below(len);
            let place = if n % 2 == 0 {
                let many = [8, 48, 512, 4_096, 9_000][rng.below(5) as usize];
                fs.zero(&path, from, many.min(len - from));
                format!("{}, {many} zeros from {from}", path.display())
            } else {
                fs.open(&path).unwrap().set_len(from).unwrap();
                format!("{} shortened to {from}", path.display())
            };
            mend(&fs, &wrote, &place);
        }
    }
}

#[test]
fn g8_removed_segments_are_replaced_by_ones_without_records() {
    let (original, wrote) = sample(5);
    for path in segments(&original) {
        let fs = original.copy(1);
        fs.remove(&path).unwrap();
        mend(&fs, &wrote, &format!("{} removed", path.display()));
    }
}

#[test]
fn g8_several_damages_at_once_are_repaired() {
    let (original, wrote) = sample(6);
    for seed in 0..40 {
        let (fs, mut rng) = (original.copy(seed), Rng(seed));
        let paths = segments(&fs);
        for _ in 0..2 + rng.below(5) {
            let path = &paths[rng.below(paths.len() as u64) as usize];
            let len = fs.bytes(path).map_or(0, |bytes| bytes.len() as u64);
            let from = rng.below(len);
            if rng.one_in(3) {
                fs.zero(path, from, 600.min(len - from));
            } else {
                fs.flip_bit(path, from * 8);
            }
        }
        mend(&fs, &wrote, &format!("seed {seed}"));
    }
}

#[test]
fn the_damaged_file_is_kept_and_a_second_repair_does_not_overwrite_it() {
    let (fs, _) = sample(8);
    let path = segments(&fs)[0].clone();
    let kept = |name: &str| fs.bytes(&dir().join(name));
    for (byte, name) in [(4_300, "0000000000000001.seg.damaged"), (4_500, "0000000000000001.seg.damaged.2")] {
        fs.flip_bit(&path, byte * 8);
        let damaged = fs.bytes(&path);
        let done = repair(&fs, dir(), true).unwrap();
        assert_eq!(done.mended[0].kept_as.as_deref(), Some(dir().join(name).as_path()));
        assert!(kept(name) == damaged, "{name}");
    }
    assert_ne!(kept("0000000000000001.seg.damaged"), kept("0000000000000001.seg.damaged.2"));
}

#[test]
fn a_log_in_use_is_not_repaired() {
    let (fs, _) = sample(9);
    let (_log, _) = Log::open(fs.clone(), dir(), options()).unwrap();
    assert!(matches!(repair(&fs, dir(), true), Err(StoreError::InUse(_))));
}
