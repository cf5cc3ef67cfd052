use std::collections::BTreeMap;

use halo_proto::registry::{self, Nature};
use halo_proto::schema::Schema;
use halo_proto::topic::Grammar;

use super::support::{Log, WALL_MS, native, reloaded};
use crate::forward::halo_json::halo_json;
use crate::halo::forecast::STEP_MS;
use crate::halo::{Fold, Forecast, Tally};
use crate::record::{Body, FoldConfig};

const STEP: u64 = STEP_MS as u64;
const DAY: u64 = 24 * 6 * STEP;

/// Seeded noise between −1 and 1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

/// Days of a thermometer on a porch: a daily wave, weather that takes a day, and noise; a reading every two minutes.
fn porch(days: u64) -> Log {
    let (mut log, mut noise, mut weather) = (Log::default(), Noise(88_172_645_463_325_252), 0.0);
    for minute in (0..days * 24 * 60).step_by(2) {
        let wave = (minute as f64 / 1_440.0 * std::f64::consts::TAU).sin();
        weather = 0.998 * weather + 0.15 * noise.next();
        let value = 12.0 + 6.0 * wave + weather + 0.2 * noise.next();
        log.after(120_000).value("porch", "temperature", (value * 100.0).round() / 100.0, 0);
    }
    log
}

fn folded(log: &Log) -> Fold {
    let mut fold = Fold::new(Grammar::default());
    for record in &log.records {
        fold.apply(record);
    }
    fold
}

fn forecasts(fold: &Fold, subject: &str, signal: &str) -> Vec<Forecast> {
    let signal = fold.subject(subject).and_then(|subject| subject.signal(signal));
    signal.and_then(|signal| signal.forecaster()).map_or(Vec::new(), |it| it.forecasts().collect())
}

/// Mean of each step, by its end, as the definition has it.
fn steps(log: &Log) -> BTreeMap<i64, f64> {
    let mut sums: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
    for record in &log.records {
        let Body::Frame(frame) = &record.body else { continue };
        let payload: serde_json::Value = serde_json::from_slice(&frame.payload).expect("JSON");
        let (value, at_ms) =
            (payload["temperature"].as_f64().expect("a number"), payload["time"].as_i64().expect("a time"));
        let (sum, n) = sums.entry((at_ms - 1).div_euclid(STEP_MS) * STEP_MS + STEP_MS).or_default();
        (*sum, *n) = (*sum + value, *n + 1.0);
    }
    sums.into_iter().map(|(end, (sum, n))| (end, sum / n)).collect()
}

#[test]
fn from_frames_on_what_a_halo_publishes_of_a_held_out_tail_keeps_its_word_at_every_horizon() {
    let log = porch(24);
    let means = steps(&log);
    let at = |end_ms: i64| means.get(&end_ms).copied();
    let mut fold = Fold::new(Grammar::default());
    // By horizon: outcomes, covered ones, absolute errors of the forecast, of last value and of a day before.
    let mut tail: BTreeMap<u32, [f64; 5]> = BTreeMap::new();
    let mut newest_ms = 0;
    for record in &log.records {
        fold.apply(record);
        let all = forecasts(&fold, "porch", "temperature");
        let Some(first) = all.first() else { continue };
        let from_ms = first.time_ms - i64::from(first.horizon_s) * 1_000;
        if from_ms == newest_ms || from_ms < WALL_MS + 12 * DAY as i64 {
            continue;
        }
        newest_ms = from_ms;
        for forecast in all {
            let Some(outcome) = at(forecast.time_ms) else { continue };
            let naive =
                [from_ms, forecast.time_ms - DAY as i64].map(|end_ms| (outcome - at(end_ms).expect("known")).abs());
            let covered = (forecast.low..=forecast.high).contains(&outcome);
            let more = [1.0, f64::from(u8::from(covered)), (outcome - forecast.value).abs(), naive[0], naive[1]];
            let sums = tail.entry(forecast.horizon_s).or_default();
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
    }
    let mut all = [0.0; 2];
    for (horizon_s, [n, covered, error, last, day]) in &tail {
        let mase = error / last.min(*day);
        println!("{} min ahead: {n} outcomes, MASE {mase:.3}, covered {:.3}", horizon_s / 60, covered / n);
        assert!(*n < 20.0 || mase <= 0.9, "{mase} at {horizon_s} s");
        all = [all[0] + n, all[1] + covered];
    }
    assert!([600, 3_600].iter().all(|horizon_s| tail.get(horizon_s).is_some_and(|[n, ..]| *n >= 500.0)), "{tail:?}");
    assert!((0.85..=0.95).contains(&(all[1] / all[0])), "{all:?}");
}

#[test]
fn a_restart_in_the_midst_goes_on_to_the_same_forecasts() {
    let log = porch(6);
    let halo = |fold: &Fold| halo_json(fold.subject("porch").expect("it sent frames"), &mut Tally::default());
    let whole = folded(&log);
    assert!(forecasts(&whole, "porch", "temperature").len() >= 2);
    for cut in [50, 1_000, 2_500, 4_000] {
        let mut fold = Fold::new(Grammar::default());
        for record in log.records.iter().take(cut) {
            fold.apply(record);
        }
        let mut again = reloaded(&fold);
        for record in &log.records {
            again.apply(record);
        }
        assert_eq!((again.all_rows(), halo(&again)), (whole.all_rows(), halo(&whole)));
    }
}

#[test]
fn a_reading_late_for_its_step_changes_no_forecast_and_one_in_time_counts() {
    let log = porch(3);
    let forecaster = |fold: &Fold| {
        fold.subject("porch").and_then(|porch| porch.signal("temperature")).and_then(|it| it.forecaster()).cloned()
    };
    let wild = |log: &Log, ago_ms: i64| {
        let mut more = Log::default();
        for record in &log.records {
            let Body::Frame(frame) = &record.body else { continue };
            let ms = record.stamp.mono_ms - more.mono_ms;
            let payload = std::str::from_utf8(&frame.payload).expect("JSON").to_owned();
            more.after(ms).json("porch", &payload);
            if record.stamp.mono_ms % STEP == 4 * 60_000 {
                more.value("porch", "temperature", 40.0, ago_ms);
            }
        }
        forecaster(&folded(&more))
    };
    let plain = forecaster(&folded(&log));
    assert!(plain.is_some());
    assert_eq!(wild(&log, 5 * 60_000), plain);
    assert_ne!(wild(&log, 3 * 60_000), plain);
}

#[test]
fn counters_intervals_and_axes_are_not_forecast() {
    let schema = Schema::from_registry(2).expect("the wristband's with axes");
    let (mut log, mut noise) = (Log::default(), Noise(7));
    for minute in 0..40_u64 {
        let mut series =
            |n: usize, level: f64, by: f64| (0..n).map(|_| (level + by * noise.next()) as i64).collect::<Vec<_>>();
        let chunks: [(u8, &[Vec<i64>]); 5] = [
            (0, &[series(60, 70.0, 5.0)]),
            (1, &[series(60, 850.0, 40.0)]),
            (2, &[series(6, 9e3, 9.0), series(6, 3_300.0, 40.0)]),
            (3, &[series(1, 97.0, 2.0), series(1, 90.0, 1.0)]),
            (4, &[series(50, 0.0, 900.0), series(50, 0.0, 900.0), series(50, 0.0, 900.0)]),
        ];
        let payload = native(&schema, minute as u32, minute * 60_000, &chunks, None);
        log.after(60_000).native("band", minute as u32, payload);
    }
    let fold = folded(&log);
    let band = fold.subject("band").expect("it sent frames");
    assert_eq!(band.signals().len(), 9);
    for signal in band.signals() {
        let level = registry::signal_named(signal.name()).is_some_and(|known| known.nature == Nature::Level);
        assert_eq!(signal.forecaster().is_some(), level, "{}", signal.name());
    }
}

#[test]
fn without_forecasts_nothing_of_them_is_kept_and_with_them_again_they_begin_anew() {
    let mut log = porch(2);
    assert!(folded(&log).subject("porch").expect("it sent frames").memory_bytes() > 0);
    let kept = |log: &Log| {
        let fold = folded(log);
        let porch = fold.subject("porch").expect("it sent frames");
        (porch.signal("temperature").is_some_and(|it| it.forecaster().is_some()), porch.memory_bytes())
    };
    let (with, with_bytes) = kept(&log);
    log.push(Body::Config(FoldConfig { forecasts: false, ..FoldConfig::default() }));
    let more = |log: &mut Log| {
        for _ in 0..12 {
            log.after(120_000).value("porch", "temperature", 10.0, 0);
        }
    };
    more(&mut log);
    let (without, without_bytes) = kept(&log);
    log.push(Body::Config(FoldConfig::default()));
    more(&mut log);
    let (again, again_bytes) = kept(&log);
    println!("a signal of two days: {with_bytes} bytes with forecasts, {without_bytes} without");
    assert_eq!((with, without, again), (true, false, true));
    assert!(without_bytes + 800 < with_bytes && again_bytes < with_bytes);
}

#[test]
fn the_forecasts_of_a_wristband_take_a_kilobyte_a_signal_after_a_day() {
    let schema = Schema::from_registry(1).expect("the wristband's");
    let (mut log, mut noise) = (Log::default(), Noise(7));
    for minute in 0..25 * 60_u64 {
        let mut series =
            |n: usize, level: f64, by: f64| (0..n).map(|_| (level + by * noise.next()) as i64).collect::<Vec<_>>();
        let chunks: [(u8, &[Vec<i64>]); 4] = [
            (0, &[series(6, 70.0, 5.0)]),
            (1, &[series(6, 850.0, 40.0)]),
            (2, &[series(1, 9e3, 9.0), series(1, 3_300.0, 40.0)]),
            (3, &[series(1, 97.0, 2.0), series(1, 90.0, 1.0)]),
        ];
        let payload = native(&schema, minute as u32, minute * 60_000, &chunks, None);
        log.after(60_000).native("band", minute as u32, payload);
    }
    let bytes = |forecasts: bool| {
        let mut fold = Fold::new(Grammar::default());
        fold.forecasts(forecasts);
        for record in &log.records {
            fold.apply(record);
        }
        fold.subject("band").expect("it sent frames").memory_bytes()
    };
    let (with, without) = (bytes(true), bytes(false));
    println!("wristband of 6 signals after 25 h: {} bytes of forecasts on {without}", with - without);
    assert!(with > without && with - without <= 6_000, "{with} {without}");
}
