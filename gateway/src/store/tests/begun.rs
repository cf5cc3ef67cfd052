//! Commits that are begun and ended later: the next group gathers meanwhile.

use super::*;
use crate::store::fs::Fs;

/// Names and bytes of all files.
type Files = Vec<(String, Option<Vec<u8>>)>;

/// Groups of a few records each, committed at once or with one under way; the bytes of all segments.
fn written(background: bool, begun: bool) -> (Files, Vec<Record>) {
    let fs = MemFs::new(11);
    let (mut log, _) = Log::open(fs.clone(), &dir(), Options { background, ..small() }).unwrap();
    let mut wrote = Vec::new();
    for _ in 0..30 {
        wrote.extend(push_all(&mut log, &every_body()));
        if begun {
            log.begin_commit().unwrap();
        } else {
            log.commit().unwrap();
        }
    }
    assert_eq!(log.close().unwrap(), wrote.last().unwrap().offset);
    let mut names = fs.list(&dir()).unwrap();
    names.sort();
    (names.into_iter().map(|name| (name.clone(), fs.bytes(&dir().join(name)))).collect(), wrote)
}

#[test]
fn groups_whose_commits_were_begun_and_ended_later_are_the_same_bytes_as_those_committed_at_once() {
    for background in [false, true] {
        let (at_once, wrote) = written(background, false);
        let (later, same) = written(background, true);
        assert_eq!(wrote, same);
        assert!(at_once.len() > 4, "over several segments");
        for (at_once, later) in at_once.iter().zip(&later) {
            assert!(at_once == later, "{} is another file, background {background}", at_once.0);
        }
        assert_eq!(at_once.len(), later.len());
    }
}

#[test]
fn the_next_group_gathers_while_the_disk_still_syncs_the_one_before() {
    let fs = MemFs::new(12);
    let options = Options { background: true, segment_bytes: 64 << 10, ..small() };
    let (mut log, _) = Log::open(fs.clone(), &dir(), options).unwrap();
    let mut wrote = push_all(&mut log, &every_body());
    fs.hold_syncs(true);
    log.begin_commit().unwrap();
    wrote.extend(push_all(&mut log, &every_body()));
    log.begin_commit().unwrap();
    wrote.extend(push_all(&mut log, &every_body()));
    assert_eq!((log.commits_begun(), log.has_commit_to_end(), log.durable()), (2, false, Offset(0)));
    assert_eq!(read_all(&mut log.reader(Offset(1))), (vec![], vec![]), "nothing is read before it is durable");
    fs.hold_syncs(false);
    assert_eq!(log.end_commit().unwrap(), Offset(14));
    assert_eq!(read_all(&mut log.reader(Offset(1))), (wrote[..14].to_vec(), vec![]));
    assert_eq!(log.commit().unwrap(), Offset(42), "with the one that was still under way");
    assert_eq!(log.commits_begun(), 0);
    assert_eq!(read_all(&mut log.reader(Offset(1))), (wrote, vec![]));
}

#[test]
fn that_a_commit_has_come_to_its_end_is_known_without_waiting_for_it() {
    for background in [false, true] {
        let (mut log, _) = Log::open(MemFs::new(13), &dir(), Options { background, ..small() }).unwrap();
        assert!(!log.has_commit_to_end());
        log.begin_commit().unwrap();
        assert_eq!((log.commits_begun(), log.end_commit().unwrap()), (0, Offset(0)), "there was no group");
        push_all(&mut log, &every_body());
        log.begin_commit().unwrap();
        while !log.has_commit_to_end() {
            std::thread::yield_now();
        }
        assert_eq!(log.durable(), Offset(0), "nobody was told yet");
        assert_eq!(log.end_commit().unwrap(), Offset(14));
        assert!(!log.has_commit_to_end());
    }
}

#[test]
fn a_group_that_fails_takes_along_those_begun_and_gathered_after_it_and_the_disk_never_sees_them() {
    for call in [0, 1] {
        let fs = MemFs::new(14);
        let options = Options { segment_bytes: 64 << 10, ..small() };
        let (mut log, _) = Log::open(fs.clone(), &dir(), options.clone()).unwrap();
        let mut wrote = push_all(&mut log, &every_body());
        log.commit().unwrap();
        let calls = fs.calls();
        fs.fail_after(call, Fault::Io);
        for _ in 0..2 {
            push_all(&mut log, &every_body());
            log.begin_commit().unwrap();
        }
        push_all(&mut log, &every_body());
        let failed = log.end_commit().unwrap_err();
        assert!(matches!(failed, StoreError::Commit { durable: Offset(14), .. }), "{failed}");
        assert_eq!((log.commits_begun(), log.pending_records()), (0, 0));
        assert!(matches!(log.end_commit(), Err(StoreError::Poisoned)));
        assert!(matches!(log.begin_commit(), Err(StoreError::Poisoned)));
        assert_eq!(fs.calls() - calls, call + 1, "the write and the sync of the first group, as far as it came");
        assert_eq!(log.recover_from_failure().unwrap(), vec![]);
        wrote.extend(push_all(&mut log, &every_body()));
        assert_eq!(wrote[14].offset, Offset(57), "offsets of the failed groups are not used again");
        log.begin_commit().unwrap();
        assert_eq!(log.end_commit().unwrap(), Offset(70), "what failed before does not concern it");
        assert_eq!(read_all(&mut log.reader(Offset(1))), (wrote.clone(), vec![]));
        drop(log);
        fs.power_cut();
        let (log, recovered) = Log::open(fs, &dir(), options).unwrap();
        assert_eq!(recovered.findings, vec![]);
        assert_eq!(read_all(&mut log.reader(Offset(1))).0, wrote);
    }
}

/// Groups of one record whose commits are begun, until the next segment is begun, with one more record gathered there; how
/// many were begun. The sync of commit `bad` fails.
fn begun_in_a_segment(fs: &MemFs, log: &mut Log<MemFs>, bad: Option<usize>) -> usize {
    let files = || fs.list(&dir()).unwrap().len();
    let before = files();
    for begun in 0.. {
        log.push(&frame("d", 1, &[1; 1500]).into(), at(0)).unwrap();
        if files() > before {
            return begun;
        }
        if bad == Some(begun) {
            fs.fail_after(1, Fault::Io);
        }
        log.begin_commit().unwrap();
        assert_eq!(log.commits_begun(), (begun + 1).min(2));
    }
    unreachable!()
}

#[test]
fn the_next_segment_is_begun_while_groups_of_the_one_before_are_under_way() {
    let fs = MemFs::new(15);
    let (mut log, _) = Log::open(fs.clone(), &dir(), small()).unwrap();
    let begun = begun_in_a_segment(&fs, &mut log, None);
    assert!(begun > 2, "{begun}");
    let durable = Offset(begun as u64 - 2);
    assert_eq!((log.commits_begun(), log.durable(), log.folder().entries().len()), (2, durable, 1));
    log.begin_commit().unwrap();
    assert_eq!((log.durable(), log.folder().entries().len()), (Offset(durable.0 + 1), 1), "one is still under way");
    log.end_commit().unwrap();
    assert_eq!((log.durable(), log.folder().entries().len()), (Offset(durable.0 + 2), 2), "it ends with its last one");
    assert_eq!(log.commit().unwrap(), Offset(durable.0 + 3));
    let (records, findings) = read_all(&mut log.reader(Offset(1)));
    assert_eq!((records.len(), findings), (begun + 1, vec![]));
    drop(log);
    fs.power_cut();
    let (log, recovered) = Log::open(fs, &dir(), small()).unwrap();
    assert_eq!(recovered.findings, vec![]);
    assert_eq!(read_all(&mut log.reader(Offset(1))).0, records);
}

#[test]
fn a_segment_that_was_begun_behind_a_group_that_fails_is_the_next_one_after_all() {
    for last in [1, 2] {
        let fs = MemFs::new(15);
        let (mut log, _) = Log::open(fs.clone(), &dir(), small()).unwrap();
        let begun = begun_in_a_segment(&fs, &mut log, None);
        drop(log);

        let fs = MemFs::new(15);
        let (mut log, _) = Log::open(fs.clone(), &dir(), small()).unwrap();
        assert_eq!(begun_in_a_segment(&fs, &mut log, Some(begun - last)), begun);
        let durable = Offset((begun - last) as u64);
        let failed = log.commit().unwrap_err();
        assert!(matches!(failed, StoreError::Commit { durable: upto, .. } if upto == durable), "{failed}");
        assert!(failed.to_string().contains("/0000000000000001.seg"), "{failed}");
        let files = fs.list(&dir()).unwrap();
        assert_eq!(log.recover_from_failure().unwrap(), vec![]);
        assert_eq!(fs.list(&dir()).unwrap(), files, "it goes on in the segment that is there");
        let after = log.push(&frame("d", 2, &[2; 1500]).into(), at(0)).unwrap();
        assert_eq!((after, log.commit().unwrap()), (Offset(begun as u64 + 2), after));
        let (records, findings) = read_all(&mut log.reader(Offset(1)));
        assert_eq!((records.len(), findings), (begun - last + 1, vec![]));
        drop(log);
        fs.power_cut();
        let (log, recovered) = Log::open(fs, &dir(), small()).unwrap();
        assert_eq!((recovered.findings, read_all(&mut log.reader(Offset(1))).0), (vec![], records));
    }
}
