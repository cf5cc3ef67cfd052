use std::collections::BTreeMap;
use std::time::Duration;

use firmware_sim::Kind as Simulated;
use firmware_sim::bench::{Load, payloads};
use halo_proto::registry::{self, Kind};
use halo_proto::topic::Grammar;

use super::support::{Log, WALL_MS, native, reloaded, speedometer};
use crate::forward::halo_json::halo_json;
use crate::halo::{DerivedValue, Fold, Subject, Tally};
use crate::record::{Body, Format};

/// Device time in one frame.
const PERIOD: Duration = Duration::from_secs(600);
/// Frames until the simulator's readings begin anew.
const FRAMES: u32 = 16;

/// The first hours of a simulated device, called `it`.
pub(super) fn simulated(kind: Simulated) -> Log {
    let load = Load::Frames { kinds: vec![kind], period: PERIOD, step: PERIOD, fill_to: None };
    let mut log = Log::default();
    // Its uptime begins at 2^28 ms.
    log.after(1 << 28);
    for (seq, payload) in (0..).zip(payloads(&load, 0, FRAMES).expect("a simulated kind")) {
        log.after(PERIOD.as_millis() as u64).native("it", seq, payload.to_vec());
    }
    log
}

/// A minute at these speeds, one a second, from now on, recorded for a subject.
fn drives(log: &mut Log, device: &str, subject: &str, kmh: i64) {
    let schema = speedometer();
    log.birth_of(Kind::CAR_DONGLE, device, &schema);
    let payload = native(&schema, 0, log.mono_ms, &[(0, &[vec![kmh; 61]])], None);
    log.after(60_000);
    let mut frame = log.frame(device, Format::Tf1, WALL_MS, payload);
    frame.subject = subject.into();
    log.push(Body::Frame(frame));
}

pub(super) fn folded(log: &Log) -> Fold {
    let mut fold = Fold::new(Grammar::default());
    for record in &log.records {
        fold.apply(record);
    }
    fold
}

pub(super) fn values(subject: &Subject) -> BTreeMap<std::borrow::Cow<'static, str>, DerivedValue> {
    subject.derived().into_iter().map(|derived| (derived.name, derived.value)).collect()
}

pub(super) fn number(subject: &Subject, name: &str) -> Option<f64> {
    match values(subject).get(name)? {
        DerivedValue::Number(number) => Some(*number),
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn trips_of_a_car_last_from_ignition_to_ignition_and_are_as_long_as_it_counted_itself() {
    let log = simulated(Simulated::CarDongle);
    let mut fold = Fold::new(Grammar::default());
    let (mut begun_ms, mut ended, mut compared) = (0, None, 0);
    for record in &log.records {
        let events = fold.apply(record).readings().expect("a frame").events.clone();
        for event in events {
            match registry::event(Kind::CAR_DONGLE, event.code).expect("a registered event").name {
                "ignition_on" => begun_ms = event.event_ms,
                "ignition_off" => ended = Some((begun_ms, event.event_ms, event.value as f64)),
                _ => {}
            }
        }
        let car = fold.subject("it").expect("it sent frames");
        let state = values(car)["trip.state"].clone();
        if let Some((from_ms, to_ms, metres)) = ended.take_if(|_| state == DerivedValue::Text("ended")) {
            let told = |name| number(car, name).expect("a trip has it");
            assert_eq!((told("trip.from"), told("trip.to")), (from_ms as f64, to_ms as f64));
            let off = told("trip.distance") / metres - 1.0;
            println!("trip of {metres} m: {:+.2} %, score {:?}", off * 100.0, number(car, "trip.score"));
            assert!(off.abs() <= 0.01, "{} for {metres}", told("trip.distance"));
            compared += 1;
        }
    }
    assert!(compared >= 2, "{compared} trips ended");
}

#[test]
fn a_parcel_under_way_has_its_journey() {
    let parcel = folded(&simulated(Simulated::ParcelTracker));
    let parcel = parcel.subject("it").expect("it sent frames");
    let (distance, travelled) = (number(parcel, "journey.distance"), number(parcel, "journey.travelled"));
    let standing_s = number(parcel, "journey.standing").expect("its fixes have times");
    println!("parcel: {distance:?} m, {travelled:?} m travelled, {standing_s} s standing");
    assert!(distance.is_some_and(|metres| metres > 10_000.0) && travelled <= distance);
    assert!(parcel.derived().is_sorted_by(|a, b| a.name < b.name));
}

#[test]
fn a_restart_at_any_frame_goes_on_to_the_same_halo() {
    let bodies = [Simulated::Wristband, Simulated::Pacemaker, Simulated::ParkBand];
    for kind in [Simulated::CarDongle, Simulated::ParcelTracker].into_iter().chain(bodies) {
        let log = simulated(kind);
        let halo = |fold: &Fold| halo_json(fold.subject("it").expect("it sent frames"), &mut Tally::default());
        let whole = folded(&log);
        let mut fold = Fold::new(Grammar::default());
        let mut under_way = 0;
        for record in &log.records {
            fold.apply(record);
            let state = values(fold.subject("it").expect("it sent frames"));
            let moves = [
                ("trip.state", "driving"),
                ("journey.state", "moving"),
                ("heart.pace", "usual"),
                ("visit.place", "queue"),
            ];
            under_way += usize::from(moves.iter().any(|(name, is)| state.get(*name) == Some(&DerivedValue::Text(is))));
            let mut again = reloaded(&fold);
            assert_eq!(halo(&again), halo(&fold));
            for record in &log.records {
                again.apply(record);
            }
            assert_eq!((again.all_rows(), halo(&again)), (whole.all_rows(), halo(&whole)), "{kind}");
        }
        assert!(under_way > 0, "{kind}: no checkpoint was in the midst of anything");
    }
}

#[test]
fn nothing_is_derived_of_a_device_whose_kind_is_not_known_or_has_no_derivation() {
    let (mut log, schema) = (Log::default(), speedometer());
    log.birth("band", &schema);
    log.native("band", 0, native(&schema, 0, 0, &[(0, &[vec![50; 60]])], None));
    log.json("phone", r#"{"speed":50,"latitude":48.1,"longitude":11.5}"#);
    let fold = folded(&log);
    for subject in ["band", "phone"] {
        let subject = fold.subject(subject).expect("it sent a frame");
        assert!(subject.counts().accepted > 0 && subject.derived().is_empty(), "{:?}", subject.derived());
    }
}

#[test]
fn a_car_that_describes_its_own_schema_has_trips_too() {
    let mut log = Log::default();
    drives(&mut log, "car", "car", 36);
    let fold = folded(&log);
    assert_eq!(number(fold.subject("car").expect("it drove"), "trip.distance"), Some(600.0));
}

#[test]
fn a_trip_belongs_to_whoever_had_the_car_then() {
    let mut log = Log::default();
    drives(&mut log, "car", "anna", 36);
    drives(&mut log, "car", "bert", 72);
    drives(&mut log, "car", "anna", 36);
    let fold = folded(&log);
    let metres = |subject| number(fold.subject(subject).expect("it drove"), "trip.distance");
    assert_eq!((metres("bert"), fold.subject("car").is_none_or(|car| car.derived().is_empty())), (Some(1200.0), true));
    // Her own two minutes: the one between was not hers, and no odometer bridges it.
    assert_eq!(metres("anna"), Some(1200.0));
}

#[test]
fn of_several_cars_the_one_heard_last_speaks_and_the_eight_heard_last_are_kept() {
    let mut log = Log::default();
    for n in 1..=9 {
        drives(&mut log, &format!("car-{n}"), "anna", 18 * n);
    }
    drives(&mut log, "car-2", "anna", 0);
    let anna = |log: &Log| number(folded(log).subject("anna").expect("she drove"), "trip.distance");
    assert_eq!(anna(&log), Some(600.0), "the second was kept");
    drives(&mut log, "car-1", "anna", 0);
    assert_eq!(anna(&log), None, "the first was not");
}

#[test]
fn readings_that_cannot_be_are_no_part_of_a_trip() {
    let mut log = Log::default();
    let schema = speedometer();
    log.birth_of(Kind::CAR_DONGLE, "car", &schema);
    let far = native(&schema, 0, 120_000, &[(0, &[vec![50; 60]])], None);
    log.native("car", 0, far);
    assert!(folded(&log).subject("car").expect("it sent a frame").derived().is_empty(), "of the future");
    let mut speeds = vec![36; 61];
    speeds[30] = 256;
    log.after(60_000).native("car", 1, native(&schema, 1, 0, &[(0, &[speeds])], None));
    let fold = folded(&log);
    let car = fold.subject("car").expect("it sent frames");
    assert_eq!((number(car, "trip.distance"), number(car, "trip.speed_max")), (Some(600.0), Some(36.0)));
}
