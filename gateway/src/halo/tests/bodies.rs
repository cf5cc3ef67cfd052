//! What wristbands, straps, park bands and pacemakers tell of a body, from their frames on.

use firmware_sim::Kind as Simulated;
use halo_proto::registry::Kind;
use halo_proto::schema::Schema;
use halo_proto::topic::Grammar;

use super::derived::{folded, number, simulated, values};
use super::support::{Log, WALL_MS, native};
use crate::halo::derive::real_data;
use crate::halo::{Derived, DerivedValue, Fold};
use crate::record::{Body, Format};

const DAY_MS: i64 = 86_400_000;

/// Times and values of one signal in all frames, as the fold reads them.
fn readings(log: &Log, signal: &str) -> Vec<(i64, f64)> {
    let mut fold = Fold::new(Grammar::default());
    let mut found = Vec::new();
    for record in &log.records {
        let readings = fold.apply(record).readings().expect("a frame");
        let of = readings.series.iter().filter(|series| *series.signal.name == *signal);
        found.extend(of.flat_map(|series| {
            let scale = f64::from(series.signal.num) / f64::from(series.signal.den);
            series.points.iter().map(move |point| (point.event_ms, point.raw as f64 * scale))
        }));
    }
    found
}

/// Beats one after another, alternately 820 and 780 ms, for so long; from now on.
fn beats(log: &mut Log, device: &str, seq: u32, seconds: u64) {
    let beats = [820, 780].repeat(seconds as usize * 10 / 16);
    let schema = Schema::from_registry(3).expect("the strap's");
    let payload = native(&schema, seq, log.mono_ms, &[(0, &[beats])], None);
    log.after(seconds * 1000).native(device, seq, payload);
}

/// What is known of one device after all frames.
fn derived(log: &Log, subject: &str) -> Vec<Derived> {
    folded(log).subject(subject).expect("it sent frames").derived()
}

#[test]
fn a_simulated_wristband_has_the_heart_and_the_steps_its_readings_tell_of() {
    let log = simulated(Simulated::Wristband);
    let (beats, steps) = (readings(&log, "rr_interval"), readings(&log, "steps"));
    let fold = folded(&log);
    let band = fold.subject("it").expect("it sent frames");
    println!("wristband: {:?}", values(band));

    let (last_ms, _) = *beats.last().expect("it tells of beats");
    let minutes: Vec<f64> = beats.iter().filter(|(at_ms, _)| *at_ms > last_ms - 300_000).map(|(_, rr)| *rr).collect();
    let mean = 60_000.0 * minutes.len() as f64 / minutes.iter().sum::<f64>();
    let told = number(band, "heart.rate").expect("five minutes of beats");
    assert!((told / mean - 1.0).abs() <= 0.01, "{told} for {mean}");
    let apart: Vec<f64> = minutes.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let rmssd = (apart.iter().map(|apart| apart * apart).sum::<f64>() / apart.len() as f64).sqrt();
    let told = number(band, "hrv.rmssd").expect("a calm heart has it");
    assert!((told / rmssd - 1.0).abs() <= 0.1, "{told} for {rmssd}");

    let (newest_ms, total) = *steps.last().expect("it counts steps");
    let (_, before) = *steps.iter().rfind(|(at_ms, _)| at_ms / DAY_MS < newest_ms / DAY_MS).expect("midnight passed");
    assert_eq!(number(band, "steps.today"), Some(total - before));
    assert_eq!(values(band).get("wear"), Some(&DerivedValue::Text("worn")));
    assert!(band.derived().is_sorted_by(|a, b| a.name < b.name), "each name once");
}

#[test]
fn pauses_of_a_simulated_pacemaker_are_counted_and_paced_beats_have_no_variability() {
    let log = simulated(Simulated::Pacemaker);
    let mut fold = Fold::new(Grammar::default());
    let (mut pauses, mut longest, mut compared) = (0, 0.0f64, 0);
    // Within the first hour nothing is forgotten.
    for record in &log.records[..5] {
        let readings = fold.apply(record).readings().expect("a frame");
        let beats = readings.series.iter().filter(|series| &*series.signal.name == "rr_interval");
        for point in beats.flat_map(|series| &series.points).filter(|point| point.raw >= 2000) {
            (pauses, longest) = (pauses + 1, longest.max(point.raw as f64));
        }
        let heart = fold.subject("it").expect("it sent frames");
        assert_eq!(number(heart, "heart.pauses"), Some(f64::from(pauses)));
        assert_eq!(number(heart, "heart.pause"), (pauses > 0).then_some(longest));
        compared += pauses;
        assert!(heart.derived().iter().all(|derived| !derived.name.starts_with("wear")), "an implant is always worn");
    }
    println!("pacemaker: {pauses} pauses, {:?}", values(fold.subject("it").expect("it sent frames")));
    assert!(compared > 0, "it has paused");
}

#[test]
fn a_park_band_tells_steps_and_activity_by_its_counter() {
    let log = simulated(Simulated::ParkBand);
    let steps = readings(&log, "steps");
    let fold = folded(&log);
    let guest = fold.subject("it").expect("it sent frames");
    let (newest_ms, total) = *steps.last().expect("it counts steps");
    let (_, before) = *steps.iter().rfind(|(at_ms, _)| at_ms / DAY_MS < newest_ms / DAY_MS).expect("midnight passed");
    assert_eq!(number(guest, "steps.today"), Some(total - before));
    assert!(guest.derived().iter().all(|derived| !derived.name.starts_with("heart")), "{:?}", guest.derived());
}

#[test]
fn queues_of_a_simulated_guest_last_from_tap_to_tap() {
    let log = simulated(Simulated::ParkBand);
    let mut fold = Fold::new(Grammar::default());
    let (mut queue_ms, mut queues) = (None, Vec::new());
    for record in &log.records {
        let mut taps = fold.apply(record).readings().expect("a frame").events.clone();
        taps.sort_by_key(|tap| tap.event_ms);
        for tap in &taps {
            match tap.value % 100 {
                1 => queue_ms = Some(tap.event_ms),
                2 => queues.extend(queue_ms.take().map(|from_ms| (tap.event_ms - from_ms) as f64 / 1000.0)),
                _ => {}
            }
        }
        let guest = fold.subject("it").expect("it sent frames");
        assert_eq!(number(guest, "visit.queue"), queues.last().copied());
        if let Some(tap) = taps.last() {
            assert_eq!(number(guest, "visit.since"), Some(tap.event_ms as f64));
        }
    }
    println!("queues of a guest: {queues:?} s");
    assert!(queues.len() >= 2, "{queues:?}");
}

#[test]
fn variability_is_that_of_the_beats_over_a_minute_and_over_five() {
    let mut log = Log::default();
    beats(&mut log, "strap", 0, 80);
    let told = |log: &Log, name: &str| {
        let found = derived(log, "strap").into_iter().find(|derived| derived.name == name);
        found.map(|derived| (derived.value, derived.window_s))
    };
    assert_eq!(told(&log, "hrv.rmssd.1m"), Some((DerivedValue::Number(40.0), Some(60))));
    assert_eq!(told(&log, "hrv.rmssd"), None, "a quarter of five minutes is too little");
    beats(&mut log, "strap", 1, 320);
    assert_eq!(told(&log, "hrv.rmssd"), Some((DerivedValue::Number(40.0), Some(300))));
}

#[test]
fn a_frame_that_comes_after_newer_ones_changes_nothing_that_is_derived() {
    let schema = Schema::from_registry(3).expect("the strap's");
    let old = native(&schema, 0, 0, &[(0, &[vec![400; 100]])], None);
    let mut log = Log::default();
    log.after(3 * 86_400_000);
    beats(&mut log, "strap", 1, 400);
    let before = derived(&log, "strap");
    log.native("strap", 0, old);
    let recent = native(&schema, 2, log.mono_ms - 200_000, &[(0, &[vec![400; 100]])], None);
    log.native("strap", 2, recent);
    assert_eq!(derived(&log, "strap"), before);
    assert!(before.iter().any(|derived| derived.name == "hrv.rmssd"));
}

#[test]
fn of_a_strap_and_a_band_the_one_heard_last_tells_of_the_heart_and_the_band_of_steps() {
    let schema = Schema::from_registry(1).expect("the wristband's");
    let mut log = Log::default();
    let sends = |log: &mut Log, device: &str, schema: &Schema, chunks: &[(u8, &[Vec<i64>])]| {
        let payload = native(schema, 0, log.mono_ms, chunks, None);
        log.after(120_000);
        let mut frame = log.frame(device, Format::Tf1, WALL_MS, payload);
        frame.subject = "anna".into();
        log.push(Body::Frame(frame));
    };
    let counted = [(0..12).map(|n| n * 20).collect(), vec![3300; 12]];
    let band: [(u8, &[Vec<i64>]); 2] = [(1, &[vec![500; 200]]), (2, &counted)];
    sends(&mut log, "band", &schema, &band);
    let anna = |log: &Log| {
        let fold = folded(log);
        let anna = fold.subject("anna").expect("she wears them");
        ["heart.rate.1m", "steps.today"].map(|name| number(anna, name))
    };
    assert_eq!(anna(&log), [Some(120.0), Some(220.0)]);
    let strap = Schema::from_registry(3).expect("the strap's");
    sends(&mut log, "strap", &strap, &[(0, &[vec![1000; 100]])]);
    assert_eq!(anna(&log), [Some(60.0), Some(220.0)]);
}

/// As recorded, ten times a second, brought to a band's 25 by telling each value two or three times.
#[test]
fn recorded_movement_in_frames_of_a_band_is_told_as_what_it_was() {
    let Some(text) = real_data::text("wristband", "BasicMotions_TEST.ts") else { return };
    let schema = Schema::from_registry(2).expect("the wristband's with axes");
    let (mut right, mut all) = (0, 0);
    for case in text.lines().skip_while(|line| *line != "@data").skip(1).filter(|line| !line.is_empty()) {
        let parts: Vec<&str> = case.trim().split(':').collect();
        let axis = |n: usize| -> Vec<i64> {
            let recorded: Vec<f64> = parts[n].split(',').map(|value| value.parse().expect("a number")).collect();
            // A reading after the ten seconds ends their last tenth.
            let at = |n: usize| recorded[(n * 40 / 100).min(99)] / 9.80665 * 1000.0;
            (0..251).map(|n| at(n).round().clamp(-16_000.0, 16_000.0) as i64).collect()
        };
        let mut log = Log::default();
        let payload = native(&schema, 0, 0, &[(4, &[axis(0), axis(1), axis(2)])], None);
        log.after(10_000).native("band", 0, payload);
        let wanted = match parts[6] {
            "Standing" => "still",
            "Walking" => "walking",
            "Running" => "running",
            _ => "playing",
        };
        let fold = folded(&log);
        let told = values(fold.subject("band").expect("it moved")).remove("activity");
        right += usize::from(told == Some(DerivedValue::Text(wanted)));
        all += 1;
    }
    println!("{right} of {all} recorded movements told right from frames on");
    assert!(all == 40 && right >= 38, "{right} of {all}");
}

#[test]
fn a_device_that_describes_itself_as_a_band_has_steps_too() {
    use halo_proto::chunk::Clock;
    use halo_proto::schema::{Column, Group};
    let column = Column { metric: 3, num: 1, den: 1, bias: 0, k0: 4, name: None };
    let group = Group { clock: Clock::Regular { dt_ms: 10_000 }, columns: vec![column] };
    let schema = Schema::hashed(vec![group]).expect("a schema");
    let mut log = Log::default();
    log.birth_of(Kind::PARK_BAND, "guest", &schema);
    let payload = native(&schema, 0, 0, &[(0, &[(0..7).map(|n| n * 18).collect()])], None);
    log.after(60_000).native("guest", 0, payload);
    let told = folded(&log);
    let guest = told.subject("guest").expect("it walked");
    assert_eq!((number(guest, "steps.today"), number(guest, "cadence")), (Some(108.0), Some(108.0)));
}
