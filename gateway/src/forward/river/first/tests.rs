use super::super::tests::{Half, metered};
use super::*;
use crate::halo::tests::support::{Log, native, power};
use crate::record::Body;

/// A frame that says so many points.
fn long(log: &mut Log, seq: u32, points: usize) {
    log.native("two", seq, native(&power(10), seq, u64::from(seq), &[(0, &[vec![1; points]])], None));
}

/// A half that knows the births; the log holds nothing more.
fn begun() -> (Log, Half) {
    let (mut log, mut half) = (metered(0), Half::new());
    half.batch(&log.records, true);
    log.records.clear();
    (log, half)
}

#[test]
fn what_is_told_first_ends_where_reading_changes() {
    let (mut log, mut half) = (metered(2), Half::new());
    half.batch(&log.records, true);
    half.heard();
    log.records.clear();
    let frame = |seq: u32, scale| native(&power(scale), seq, u64::from(seq), &[(0, &[vec![1]])], None);
    log.native("one", 100, frame(100, 10));
    log.push(Body::Tick);
    log.birth("one", &power(100));
    log.native("one", 101, frame(101, 100));
    let told = half.tell(&log.records);
    assert!(matches!(told[..], [Told::Readings(_), Told::Nothing]));
    assert_eq!(half.heard().len(), 1);
}

#[test]
fn nothing_is_read_first_that_nobody_listens_to() {
    let (log, mut half) = (metered(2), Half::new());
    half.heard = half.shared.router.subscribe("halo/v1/halos/#").unwrap();
    assert!(half.tell(&log.records[3..]).iter().all(|told| matches!(told, Told::Nothing)));
}

#[test]
fn what_is_told_first_is_bounded_by_records_and_by_points() {
    let (mut log, mut half) = begun();
    (0..50).for_each(|seq| long(&mut log, seq, 1));
    assert_eq!(half.tell(&log.records).len(), AHEAD_MAX);
    log.records.clear();
    (100..130).for_each(|seq| long(&mut log, seq, 1_000));
    assert_eq!(half.tell(&log.records).len(), POINTS_MAX / 1_000 + 1);
}

#[test]
fn what_is_taken_back_is_used_again_unless_it_is_large() {
    let (mut log, mut half) = begun();
    (0..3).for_each(|seq| long(&mut log, seq, 10));
    let told = half.tell(&log.records);
    half.first.take_back(told);
    assert_eq!(half.first.spent.len(), 3);
    let told = half.tell(&log.records[..2]);
    assert_eq!(half.first.spent.len(), 1);
    half.first.take_back(told);
    log.records.clear();
    long(&mut log, 10, 1_024);
    half.first.spent.clear();
    (0..2).for_each(|_| {
        let mut told = half.tell(&log.records);
        if let Some(Told::Readings(readings)) = told.first_mut() {
            readings.events.reserve(1_000);
        }
        half.first.take_back(told);
    });
    assert!(half.first.spent.is_empty());
}
