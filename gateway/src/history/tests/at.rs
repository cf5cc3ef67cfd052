//! Halos as they were, also of a log whose beginning is gone.

use std::ops::ControlFlow;

use super::*;
use crate::recovery;
use crate::store::state::{Change, StateEngine, Table};

fn until(records: &[Record], until_ms: i64) -> Fold {
    let mut fold = Fold::new(Grammar::default());
    for record in records.iter().take_while(|record| record.stamp.wall_ms <= until_ms) {
        fold.apply(record);
    }
    fold
}

fn rows(fold: &Fold) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = fold.all_rows();
    rows.sort();
    rows
}

fn as_of(past: &Past<MemFs>, ms: i64) -> Result<Folded, PastError> {
    past.folded(ms, |_, _| ControlFlow::Continue(()))
}

#[test]
fn a_halo_as_it_was_is_the_fold_of_what_was_written_by_then() {
    let mut world = World::new(21);
    for _ in 0..300 {
        world.live();
        if world.rng.one_in(100) {
            world = world.cut();
        }
    }
    let (records, past) = (world.rig.records(), world.past());
    for _ in 0..20 {
        let at_ms = WALL_MS + world.rng.below(600_000) as i64;
        let folded = as_of(&past, at_ms).unwrap();
        assert!(rows(&folded.fold) == rows(&until(&records, at_ms)), "another halo at {at_ms}");
        assert!(!folded.carried && folded.begins_without.is_none());
    }
}

/// A set of carried facts as the gateway would take it now, and since when it may be looked back from.
fn take_set(world: &mut World) -> i64 {
    let mut engine = world.rig.state.clone();
    engine.commit(world.rig.head_rows().unwrap()).unwrap();
    let halos = until(&world.rig.records(), i64::MAX);
    let change = |(key, value)| Change { table: Table::Halo, key, value: Some(value) };
    engine.commit(halos.all_rows().into_iter().map(change).collect()).unwrap();
    let from = recovery::replayed_from(&engine).unwrap();
    world.rig.carry(&engine, from).unwrap();
    halos.clock().wall_ms
}

#[test]
fn looking_back_begins_with_the_newest_set_before_the_time_although_the_log_is_whole() {
    let mut world = World::new(23);
    let mut taken_ms = Vec::new();
    for _ in 0..3 {
        (0..120).for_each(|_| world.live());
        taken_ms.push(take_set(&mut world));
    }
    (0..60).for_each(|_| world.live());
    let (records, past) = (world.rig.records(), world.past());
    let folded_at = |ms| {
        let folded = as_of(&past, ms).unwrap();
        assert!(rows(&folded.fold) == rows(&until(&records, ms)), "another halo at {ms}");
        (folded.carried, folded.records)
    };
    assert!(!folded_at(taken_ms[0] - 10_000).0, "no set is as old");
    let whole = records.len() as u64;
    for at in [taken_ms[1] - 10_000, taken_ms[2] - 10_000, i64::MAX] {
        let (carried, folded) = folded_at(at);
        assert!(carried && folded < whole / 2, "{folded} records of {whole} folded for {at}");
    }
}

#[test]
fn what_the_log_carries_stands_for_what_retention_took() {
    let mut world = World::new(22);
    (0..250).for_each(|_| world.live());
    // What the gateway would have written down by now.
    let mut engine = world.rig.state.clone();
    engine.commit(world.rig.head_rows().unwrap()).unwrap();
    let mut whole = world.rig.records();
    let halos = until(&whole, i64::MAX);
    let change = |(key, value)| Change { table: Table::Halo, key, value: Some(value) };
    engine.commit(halos.all_rows().into_iter().map(change).collect()).unwrap();
    let carried_ms = halos.clock().wall_ms;
    let from = recovery::replayed_from(&engine).unwrap();
    let set = world.rig.carry(&engine, from).unwrap();
    let removed = world.rig.remove_segments(set, Offset(u64::MAX - 1), 4);
    (0..250).for_each(|_| world.live());
    let left = world.rig.records();
    let begins = left.first().unwrap().offset;
    assert!(removed > 1 && begins > Offset(50), "{removed} segments removed");
    whole.retain(|record| record.offset < begins);
    whole.extend(left.iter().cloned());

    let past = world.past();
    for ms in [carried_ms + 60_000, carried_ms + 200_000, i64::MAX] {
        let folded = as_of(&past, ms).unwrap();
        assert!(folded.carried && rows(&folded.fold) == rows(&until(&whole, ms)), "another halo at {ms}");
    }
    let early = as_of(&past, carried_ms - 60_000).err().unwrap();
    assert!(matches!(early, PastError::TooEarly { from_ms } if from_ms >= carried_ms - 10_000), "{early}");

    // Births whose records are gone are carried too: every frame that is left is read as it was.
    let told = folded(&whole);
    let mut compared = 0;
    for (subject, signal) in told.keys() {
        let expected: Vec<_> =
            told[&(subject.clone(), signal.clone())].iter().filter(|(.., it)| *it >= begins).copied().collect();
        compared += expected.len();
        assert_eq!(answered(&past, &question(subject, signal, i64::MIN..i64::MAX)), expected, "{signal} of {subject}");
    }
    assert!(compared > 500, "{compared}");
}
