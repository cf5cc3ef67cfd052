//! What a halo shows is found in the log again, and derived from it again.

use firmware_sim::Kind;
use firmware_sim::bench::{Load, payloads};

use super::*;
use crate::halo::{Subject, Tally};

fn halos(records: &[Record]) -> Fold {
    let mut fold = Fold::new(Grammar::default());
    for record in records {
        fold.apply(record);
    }
    fold
}

fn near(a: f64, b: f64, within: f64) -> bool {
    (a - b).abs() <= within * a.abs().max(b.abs())
}

/// Every latest value and every window of a subject.
fn prove(past: &Past<MemFs>, subject: &Subject) -> (usize, usize) {
    let (mut values, mut statistics) = (0, 0);
    for signal in subject.signals() {
        let names = (&**subject.name(), &**signal.name());
        let Some(latest) = signal.latest() else { continue };
        let origin = past.origin(names, (&latest.device, latest.event_ms), i64::MAX, |_, _| ()).unwrap();
        let origin = origin.unwrap_or_else(|| panic!("{names:?} at {} is in the log", latest.event_ms));
        assert_eq!((origin.point.raw, origin.signal.num, origin.signal.den), (latest.raw, latest.num, latest.den));
        let place = origin.place.expect("it stands somewhere in the payload");
        assert!(!place.bytes.is_empty() && place.bytes.end <= origin.frame.payload.len());
        values += 1;
        for (name, stats) in signal.stats(&mut Tally::default()) {
            let window = past.window(names, (name, latest.event_ms), i64::MAX, true, |_, _| ()).unwrap().unwrap();
            let plain = window.plain().unwrap();
            assert_eq!((plain.n, plain.min, plain.max), (stats.n as usize, stats.min, stats.max), "{names:?} {name}");
            assert!(
                near(plain.mean, stats.mean, 1e-9)
                    && near(plain.p50, stats.p50, 0.01)
                    && near(plain.p95, stats.p95, 0.01)
            );
            assert!(plain.sd.is_none() == stats.sd.is_none());
            assert!(plain.sd.zip(stats.sd).is_none_or(|(a, b)| (a - b).abs() <= 1e-9 * plain.max.abs()));
            statistics += 1;
        }
    }
    (values, statistics)
}

#[test]
fn every_value_of_a_halo_is_found_in_the_log_and_derived_again() {
    let (mut values, mut statistics) = (0, 0);
    for seed in 31..34 {
        let mut world = World::new(seed);
        (0..400).for_each(|_| world.live());
        let (fold, past) = (halos(&world.rig.records()), world.past());
        for subject in fold.subjects() {
            let (more, windows) = prove(&past, subject);
            values += more;
            statistics += windows;
        }
    }
    assert!(values > 15 && statistics > 40, "{values} values, {statistics} windows");
}

#[test]
fn a_value_that_no_frame_says_has_no_origin() {
    let mut world = World::new(35);
    let now = world.clock.now();
    world.rig.publish(telemetry("van", 1, format!("{{\"depth\":7,\"time\":{}}}", now.wall_ms).into(), now));
    let past = world.past();
    let found =
        |device, ms, as_of_ms| past.origin(("van", "depth"), (device, ms), as_of_ms, |_, _| ()).unwrap().is_some();
    assert!(found("van", now.wall_ms, i64::MAX));
    assert!(!found("van", now.wall_ms + 1, i64::MAX), "of another time");
    assert!(!found("pi", now.wall_ms, i64::MAX), "of another device");
    assert!(!found("van", now.wall_ms, now.wall_ms - 1), "written later than the halo");
}

#[test]
fn derived_values_come_out_of_the_frames_of_their_subject_alone() {
    let mut world = World::new(36);
    let step = Duration::from_secs(600);
    let load = Load::Frames { kinds: vec![Kind::CarDongle], period: step, step, fill_to: None };
    for payload in payloads(&load, 0, 16).expect("a simulated kind") {
        let now = world.clock.now();
        world.rig.publish(telemetry("car", 1, payload.to_vec().into(), now));
        (0..5).for_each(|_| world.live());
        world.clock.advance(step);
    }
    let (fold, past) = (halos(&world.rig.records()), world.past());
    let derived = fold.subject("car").unwrap().derived();
    assert!(derived.iter().any(|it| it.name == "trip.distance"), "{derived:?}");
    let again = past.refolded("car", i64::MAX, |_, _| ()).unwrap();
    assert_eq!(again.fold.subject("car").unwrap().derived(), derived);
    assert_eq!(
        again.frames.iter().map(|(device, frames)| (&**device, frames.len())).collect::<Vec<_>>(),
        [("car", 16)]
    );
    let half = past.refolded("car", WALL_MS + 3_000_000, |_, _| ()).unwrap();
    assert_ne!(half.fold.subject("car").unwrap().derived(), derived, "fewer frames make another trip");
}
