//! Readings that cannot be, and devices that are not what they were: marked, counted, kept out, and still in the log.

use firmware_sim::Kind as Simulated;
use halo_proto::chunk::Clock;
use halo_proto::registry::Kind;
use halo_proto::schema::{Column, Group, Schema};
use halo_proto::topic::Grammar;
use serde_json::Value;

use super::derived::{folded, number, simulated, values};
use super::support::{Log, WALL_MS, native, speedometer};
use crate::forward::halo_json::halo_json;
use crate::forward::readings_json::{Lane, readings_json};
use crate::halo::{Fold, Quality, Tally};
use crate::ingest::readings::{Readings, read};
use crate::ingest::schemas::Schemas;
use crate::record::{Body, Offset, Record};

/// The least and the greatest time of 32 bits: where clocks that were never set begin, and where others end.
const IN_1901_MS: i64 = -2_147_483_648_000;
const IN_2106_MS: i64 = 4_294_967_295_000;
const HOUR_MS: i64 = 3_600_000;
const WEEK_MS: i64 = 7 * 24 * HOUR_MS;
const BAND: &str = "band";

fn halo(fold: &Fold, subject: &str) -> Value {
    let subject = fold.subject(subject).expect("it sent frames");
    serde_json::from_slice(&halo_json(subject, &mut Tally::default())).expect("JSON")
}

/// What integrators are sent of a frame.
fn published(record: &Record) -> Value {
    let Body::Frame(frame) = &record.body else { panic!("a frame") };
    let mut readings = Readings::default();
    read(frame, Offset::AFTER_ALL, &Schemas::new(Grammar::default()), &mut readings).expect("readable");
    serde_json::from_slice(&readings_json("log", record.offset, frame, &readings, Lane::Live)).expect("JSON")
}

fn count(subject: &crate::halo::Subject, signal: &str) -> Vec<u32> {
    let signal = subject.signal(signal).expect("it was sent");
    signal.stats(&mut Tally::default()).map(|(_, stats)| stats.n).collect()
}

#[test]
fn readings_of_1901_and_2106_are_suspect_even_as_the_first_ever() {
    for (at_ms, quality) in [(IN_1901_MS, Quality::Past), (0, Quality::Past), (IN_2106_MS, Quality::Future)] {
        let mut log = Log::default();
        let ago_ms = WALL_MS - at_ms;
        let told = published(log.value("phone", "heart_rate", 72.0, ago_ms));
        assert_eq!(told["quality"], "suspect", "{told}");
        assert!(told.to_string().contains("72"), "never dropped: {told}");
        let fold = folded(&log);
        let phone = fold.subject("phone").expect("it sent a frame");
        let pulse = phone.signal("heart_rate").expect("it was sent");
        assert_eq!((pulse.latest(), pulse.quality(), phone.counts().suspect), (None, quality, 1));
        assert_eq!(count(phone, "heart_rate"), [0_u32; 0]);
        log.after(1_000).value("phone", "heart_rate", 70.0, 0);
        let fold = folded(&log);
        let phone = fold.subject("phone").expect("it sent frames");
        assert!(count(phone, "heart_rate").iter().all(|n| *n == 1));
        assert_eq!(phone.signal("heart_rate").map(|pulse| pulse.quality()), Some(Quality::Good));
    }
}

#[test]
fn what_comes_an_hour_or_a_week_late_is_counted_and_changes_nothing_that_is_derived() {
    let schema = speedometer();
    let minute = |log: &mut Log, seq, t0_ms, kmh: i64| {
        log.native("car", seq, native(&schema, seq, t0_ms, &[(0, &[vec![kmh; 61]])], None));
    };
    let drive = |late: &[i64]| {
        let mut log = Log::default();
        log.birth_of(Kind::CAR_DONGLE, "car", &schema);
        log.after(2 * WEEK_MS as u64);
        let now = log.mono_ms;
        minute(log.after(60_000), 0, now, 36);
        for (seq, late_ms) in (10..).zip(late) {
            minute(&mut log, seq, (now as i64 - late_ms) as u64, 200);
        }
        minute(log.after(60_000), 1, now + 60_000, 36);
        log
    };
    let (on_time, late) = (folded(&drive(&[])), folded(&drive(&[HOUR_MS, WEEK_MS, HOUR_MS])));
    let car = late.subject("car").expect("it drove");
    assert_eq!((car.counts().late, car.counts().accepted), (3 * 61, 5));
    assert_eq!(values(car), values(on_time.subject("car").expect("it drove")));
    assert_eq!(number(car, "trip.distance"), Some(1200.0));
    assert_eq!(count(car, "speed"), count(on_time.subject("car").expect("it drove"), "speed"));
}

#[test]
fn a_step_that_nothing_confirms_is_no_part_of_what_is_derived() {
    let column = Column { metric: 1, num: 1, den: 1, bias: 60, k0: 4, name: None };
    let schema = Schema::hashed(vec![Group { clock: Clock::Regular { dt_ms: 1000 }, columns: vec![column] }]);
    let schema = schema.expect("a schema");
    let pulses = |values: &[i64]| {
        let mut log = Log::default();
        log.birth(BAND, &schema);
        log.after(10_000).native(BAND, 0, native(&schema, 0, 0, &[(0, &[values.to_vec()])], None));
        folded(&log)
    };
    let told = |fold: &Fold| {
        let band = fold.subject(BAND).expect("it sent frames");
        (number(band, "heart.zone"), band.counts().suspect)
    };
    // 187 a minute is the highest: 180 is in zone 5.
    assert_eq!(told(&pulses(&[70, 71, 180])), (Some(0.0), 1));
    assert_eq!(told(&pulses(&[70, 71, 180, 181])), (Some(5.0), 1), "confirmed");
}

#[test]
fn a_device_that_sends_as_another_kind_is_derived_apart_and_says_so() {
    let mut log = simulated(Simulated::Wristband);
    let before = folded(&log);
    let band = values(before.subject("it").expect("it sent frames"));
    assert!(halo(&before, "it")["presence"]["it"].get("kind").is_none());
    let schema = speedometer();
    log.birth_of(Kind::CAR_DONGLE, "it", &schema);
    let t0_ms = log.mono_ms;
    log.after(60_000).native("it", 900, native(&schema, 900, t0_ms, &[(0, &[vec![36; 61]])], None));
    let fold = folded(&log);
    let both = fold.subject("it").expect("it sent frames");
    assert_eq!(number(both, "trip.distance"), Some(600.0), "a car from here on");
    let told = values(both);
    let changed: Vec<_> = band.iter().filter(|(name, value)| told.get(*name) != Some(value)).collect();
    assert!(changed.is_empty(), "what the wristband told stays as it was: {changed:?}");
    let shown = &halo(&fold, "it")["presence"]["it"];
    assert_eq!((&shown["kind"], &shown["kind_before"]), (&Value::from("car_dongle"), &Value::from("wristband")));
}
