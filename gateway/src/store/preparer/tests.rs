use std::path::Path;

use super::*;
use crate::record::{Offset, StartEpoch};
use crate::store::format::FORMAT;
use crate::store::fs::mem::MemFs;

/// Longer than any test takes.
const FOR_EVER: Duration = Duration::from_secs(3_600);

fn header(segment: u64) -> Header {
    Header { version: FORMAT, epoch: StartEpoch(1), segment, salt: 7, floor: Offset(1) }
}

/// A preparer that rests, and has been asked for a spare and a segment.
fn resting(fs: &MemFs) -> Preparer<MemFs> {
    let options = Options { segment_bytes: 64 << 10, background: true, ..Options::default() };
    let mut preparer = Preparer::resting(fs, Path::new("/log"), &options, FOR_EVER).unwrap();
    preparer.keep_spare();
    preparer.ask(|| header(2));
    preparer
}

fn names(fs: &MemFs) -> Vec<String> {
    fs.list(Path::new("/log")).unwrap()
}

#[test]
fn a_log_that_is_closed_while_its_start_rests_has_its_spare_and_no_segment_that_nobody_needs() {
    let fs = MemFs::new(1);
    drop(resting(&fs));
    assert_eq!(names(&fs), ["spare"]);
}

#[test]
fn nothing_rests_any_more_once_a_segment_will_be_needed_soon() {
    let fs = MemFs::new(1);
    let mut preparer = resting(&fs);
    preparer.hurry();
    drop(preparer);
    assert_eq!(names(&fs), ["0000000000000002.seg", "spare"]);
}

#[test]
fn whoever_needs_the_segment_does_not_wait_until_the_start_has_rested() {
    let fs = MemFs::new(1);
    let prepared = resting(&fs).take(|| header(9)).unwrap();
    assert_eq!(prepared.header.segment, 2, "the one that was asked for");
}
