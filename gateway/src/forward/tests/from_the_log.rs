//! Halos of a log as its owner writes it, read as the river reads it.

use std::time::Duration;

use halo_proto::topic::Grammar;

use crate::halo::{DeviceState, Fold};
use crate::record::Body;
use crate::store::fs::mem::{MemFs, Rng};
use crate::store::owner::tests::rig::{Rig, birth, clock, config, frame, telemetry};
use crate::store::state::{Change, MemState, StateEngine, Table};

fn fold(rig: &Rig) -> Fold {
    let mut fold = Fold::new(Grammar::default());
    for record in &rig.records() {
        fold.apply(record);
    }
    fold
}

fn state(rig: &Rig) -> DeviceState {
    fold(rig).subject("pi").unwrap().devices()[0].state()
}

fn ticks(rig: &Rig) -> usize {
    rig.bodies().iter().filter(|body| matches!(body, Body::Tick)).count()
}

#[test]
fn a_deadline_that_passes_in_silence_makes_one_tick_and_the_device_silent() {
    let (fs, clock) = (MemFs::new(1), clock());
    let mut rig = Rig::start(&fs, MemState::default(), &clock, &config(5_000)).unwrap();
    rig.publish(birth("pi", 1, clock.now()));
    rig.gate.set_fold_deadline(fold(&rig).deadline());
    clock.advance(Duration::from_millis(4_999));
    rig.turn();
    assert_eq!((ticks(&rig), state(&rig)), (0, DeviceState::Online));
    clock.advance(Duration::from_millis(1));
    for _ in 0..3 {
        rig.turn();
        clock.advance(Duration::from_secs(2));
        assert_eq!((ticks(&rig), state(&rig)), (1, DeviceState::Silent));
    }
}

#[test]
fn a_frame_behind_the_deadline_spares_the_tick() {
    let (fs, clock) = (MemFs::new(2), clock());
    let mut rig = Rig::start(&fs, MemState::default(), &clock, &config(5_000)).unwrap();
    rig.publish(birth("pi", 1, clock.now()));
    rig.gate.set_fold_deadline(fold(&rig).deadline());
    clock.advance(Duration::from_secs(6));
    rig.publish(telemetry("pi", 1, frame(1, 70), clock.now()));
    assert_eq!(ticks(&rig), 0);
}

/// Restarts at random slices, batches of random sizes, across several starts of the gateway: the same rows.
#[test]
fn same_log_same_halos_from_checkpoints_at_random_slices() {
    let seed = std::env::var("HALO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(11);
    println!("HALO_SEED={seed}");
    let mut rng = Rng(seed);
    let (fs, clock) = (MemFs::new(seed), clock());
    let mut rig = Rig::start(&fs, MemState::default(), &clock, &config(5_000)).unwrap();
    for n in 0..300 {
        let device = ["pi", "watch", "van", "cow"][rng.below(4) as usize];
        let publish = if rng.one_in(6) {
            birth(device, n, clock.now())
        } else {
            telemetry(device, n, frame(n as u32, 70), clock.now())
        };
        rig.publish(publish);
        clock.advance(Duration::from_millis(rng.below(4_000)));
        if rng.one_in(50) {
            drop(rig);
            fs.power_cut();
            rig = Rig::start(&fs, MemState::default(), &clock, &config(5_000)).unwrap();
        }
    }
    let wanted = fold(&rig).all_rows();
    for _ in 0..50 {
        let mut rows = MemState::default();
        let mut restarts = rng.below(20);
        let halos = loop {
            let rows_now = rows.rows(Table::Halo).unwrap();
            let mut fold =
                Fold::load(Grammar::default(), rows_now.iter().map(|(key, value)| (&key[..], &value[..]))).unwrap();
            let mut reader = rig.reader_from(fold.applied().next());
            loop {
                let batch = reader.next(1 + rng.below(4_000) as usize).unwrap();
                if batch.is_empty() {
                    break;
                }
                for record in &batch.records {
                    fold.apply(record);
                }
                if rng.one_in(3) {
                    let slice = fold.checkpoint_slice(rng.below(3_000) as usize);
                    let change = |(key, value)| Change { table: Table::Halo, key, value: Some(value) };
                    rows.commit(slice.rows.into_iter().map(change).collect()).unwrap();
                }
                if restarts > 0 && rng.one_in(10) {
                    break;
                }
            }
            if restarts == 0 {
                break fold;
            }
            restarts -= 1;
        };
        assert!(halos.all_rows() == wanted, "another halo than from the log's start");
    }
}
