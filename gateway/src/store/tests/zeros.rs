//! Zeros that groups bring along, so that those after them fall on bytes that were written.

use std::time::Duration;

use super::*;

#[test]
fn small_groups_fall_on_bytes_that_were_written_ahead_of_them() {
    let fs = MemFs::new(9);
    let (mut log, _) = Log::open(fs.clone(), &dir(), Options { segment_bytes: 256 << 10, ..small() }).unwrap();
    let path = segment::path(&dir(), 1);
    let before = fs.extended(&path);
    for seq in 0..300 {
        log.push(&frame("d", seq, &[1; 500]).into(), at(0)).unwrap();
        log.commit().unwrap();
    }
    let extended = fs.extended(&path) - before;
    assert!((1..=2).contains(&extended), "{extended} of 300 commits changed the file's map");
    assert_eq!(read_all(&mut log.reader(Offset(1))).0.len(), 300);
}

#[test]
fn large_groups_bring_zeros_along_only_where_the_disk_is_slow_and_small_ones_for_more_of_their_size_there() {
    let cases = [(400, 2, 8, 8..=8), (400, 3, 8, 2..=2), (40, 2, 34, 6..=7), (40, 3, 34, 2..=2)];
    for (kb, sync_ms, groups, expected) in cases {
        let fs = MemFs::new(9);
        let options = Options { segment_bytes: 8 << 20, ..Options::deterministic(9) };
        fs.make_syncs_take(Duration::from_millis(sync_ms), &options.clock);
        let (mut log, _) = Log::open(fs.clone(), &dir(), options).unwrap();
        let mut commit = |bytes| {
            log.push(&frame("d", 1, &vec![1; bytes]).into(), at(0)).unwrap();
            log.commit().unwrap();
        };
        // Before the first commit nothing is known of the disk.
        commit(1);
        let before = fs.extended(&segment::path(&dir(), 1));
        (0..groups).for_each(|_| commit(kb << 10));
        let extended = fs.extended(&segment::path(&dir(), 1)) - before;
        assert!(
            expected.contains(&extended),
            "{extended} of {groups} commits of {kb} KB, {sync_ms} ms, changed the map"
        );
    }
}

#[test]
fn zeros_are_for_4_groups_or_16_on_a_slow_disk_within_128_kb_and_2_mb_to_the_end_of_a_block_and_of_no_large_group() {
    let path = segment::path(&dir(), 1);
    // Payload, time of a sync, for how many groups.
    let cases = [
        (1 << 10, 2, 4),
        (100 << 10, 2, 4),
        (255 << 10, 2, 4),
        (256 << 10, 2, 0),
        (100 << 10, 3, 16),
        (1023 << 10, 3, 16),
        (1024 << 10, 3, 0),
    ];
    for (payload, sync_ms, groups) in cases {
        let fs = MemFs::new(9);
        let options = Options { segment_bytes: 8 << 20, ..Options::deterministic(9) };
        fs.make_syncs_take(Duration::from_millis(sync_ms), &options.clock);
        let (mut log, _) = Log::open(fs.clone(), &dir(), options).unwrap();
        let mut commit = |payload: usize| {
            log.push(&frame("d", 1, &vec![1; payload]).into(), at(0)).unwrap();
            let (len, before) = (log.pending_bytes() as u64, fs.written_to(&path));
            log.commit().unwrap();
            (len, log.watermark().head().position, fs.written_to(&path) > before)
        };
        // Before the first commit nothing is known of the disk.
        commit(1);
        let (len, end, _) = std::iter::repeat_with(|| commit(payload)).find(|(_, _, moved)| *moved).unwrap();
        let ahead = (len * groups).clamp(128 << 10, 2 << 20);
        let wanted = if groups == 0 { end } else { (end + ahead).next_multiple_of(4096) };
        assert_eq!(fs.written_to(&path), wanted, "{payload} bytes, {sync_ms} ms");
    }
}

#[test]
fn zeros_end_with_the_room_of_the_segment() {
    let (fs, path) = (MemFs::new(9), segment::path(&dir(), 1));
    let (mut log, _) = Log::open(fs.clone(), &dir(), small()).unwrap();
    push_all(&mut log, &every_body());
    log.commit().unwrap();
    assert_eq!((fs.written_to(&path), fs.bytes(&path).unwrap().len()), (12 << 10, 12 << 10));
}

#[test]
fn a_commit_that_fails_tells_nothing_of_how_slow_the_disk_is() {
    let (fs, options) = (MemFs::new(9), small());
    fs.make_syncs_take(Duration::from_secs(1), &options.clock);
    let (mut log, _) = Log::open(fs.clone(), &dir(), options).unwrap();
    push_all(&mut log, &every_body());
    fs.fail_after(1, Fault::Io);
    assert!(log.commit().is_err() && !log.is_slow());
}
