//! Gaps, steps out of order, limits, bounds and restarts.

use super::super::{Forecaster, STEP_MS, Side, Step};
use super::support::{Chance, Fed};

const DAY: i64 = 144;

/// A temperature whose weather takes half a day: 8 ± 6.
fn day(step: i64) -> f64 {
    8.0 + 6.0 * (step as f64 / DAY as f64 * std::f64::consts::TAU).sin()
}

fn fed(steps: std::ops::Range<i64>, value: impl Fn(i64, f64) -> f64) -> Fed {
    let (mut fed, mut chance) = (Fed::default(), Chance(3));
    for step in steps {
        let noise = chance.normal();
        fed.feed(step, value(step, noise));
    }
    fed
}

fn seasonal(steps: std::ops::Range<i64>) -> Fed {
    fed(steps, |step, noise| day(step) + 0.3 * noise)
}

fn bytes(fed: &Fed) -> usize {
    size_of::<Forecaster>() + fed.it().heap_bytes()
}

#[test]
fn a_step_that_is_not_newer_or_is_no_measurement_changes_nothing() {
    let mut fed = seasonal(0..500);
    let before = fed.clone();
    for (index, mean) in [(300, 900.0), (499, 900.0), (i64::MAX, 9.0), (i64::MIN, 9.0), (500, f64::NAN), (500, 2e12)] {
        fed.feed(index, mean);
    }
    assert_eq!(fed, before);
    assert!(Forecaster::new(Step { index: 0, mean: f64::INFINITY }).is_none());
}

#[test]
fn the_season_goes_on_through_a_gap() {
    let mut fed = seasonal(0..10 * DAY);
    // Nothing for nine hours, in which the sine turns.
    let after = 10 * DAY + 54;
    (after..after + 3).for_each(|step| fed.feed(step, day(step)));
    let forecasts: Vec<_> = fed.it().outlooks().map(|(_, forecast)| forecast).collect();
    assert_eq!(forecasts.len(), 4, "{forecasts:?}");
    for forecast in forecasts {
        let wanted = day(forecast.time_ms / STEP_MS - 1);
        assert!((forecast.value - wanted).abs() < 0.6, "{forecast:?}, wanted {wanted}");
    }
}

#[test]
fn after_a_long_gap_levels_start_anew_and_the_season_stays() {
    let mut fed = seasonal(0..10 * DAY);
    (13 * DAY..13 * DAY + 40).for_each(|step| fed.feed(step, day(step) + 100.0));
    assert_eq!(fed.it().period_s(), Some(86_400));
    let far = fed.it().outlooks().map(|(_, forecast)| forecast).find(|forecast| forecast.horizon_s == 21_600);
    let far = far.expect("an outlook");
    let wanted = day(13 * DAY + 39 + 36) + 100.0;
    assert!((far.value - wanted).abs() < 2.0, "{far:?}, wanted {wanted}");
    (80 * DAY..80 * DAY + 3).for_each(|step| fed.feed(step, 5.0));
    assert_eq!(fed.it().period_s(), None);
}

#[test]
fn a_season_that_fades_is_given_back() {
    let mut found = seasonal(0..8 * DAY);
    assert_eq!(found.it().period_s(), Some(86_400));
    let with = bytes(&found);
    let mut chance = Chance(9);
    (8 * DAY..20 * DAY).for_each(|step| found.feed(step, 8.0 + chance.normal()));
    assert_eq!(found.it().period_s(), None);
    assert!(bytes(&found) + 400 < with, "{} of {with}", bytes(&found));
}

#[test]
fn what_cannot_be_forecast_better_than_by_repeating_it_is_not_forecast() {
    let constant = fed(0..3_000, |_, _| 7.0);
    assert_eq!(constant.it().forecasts().count(), 0);
    let few = seasonal(0..20);
    assert_eq!((few.it().outlooks().count(), few.it().crossing(1e9, Side::Above)), (0, None));
}

#[test]
fn frost_is_foretold_hours_before_it_is_measured() {
    let (mut fed, mut chance) = (Fed::default(), Chance(5));
    let mut foretold: Option<(i64, i64, i64)> = None;
    let (mut leads, mut within, mut n) = (Vec::<f64>::new(), 0, 0);
    let mut before = f64::INFINITY;
    for step in 0..30 * DAY {
        let value = day(step) + 0.2 * chance.normal();
        let begins = step > 10 * DAY && before >= 2.5 && value < 2.5 && step % DAY < 115;
        if let Some((made, earliest, latest)) = foretold.take_if(|_| begins) {
            leads.push((step - made) as f64 / 6.0);
            within += usize::from((earliest - STEP_MS..=latest).contains(&(step * STEP_MS)));
            n += 1;
        }
        before = value;
        fed.feed(step, value);
        if let Some(crossing) = fed.it().crossing(2.5, Side::Below)
            && foretold.is_none()
            && step % DAY < 90
        {
            assert!(crossing.earliest_ms <= crossing.at_ms);
            foretold = Some((step, crossing.earliest_ms, crossing.latest_ms.unwrap_or(i64::MAX)));
        }
    }
    let mean = leads.iter().sum::<f64>() / leads.len().max(1) as f64;
    println!("frost of {n} days foretold {mean:.1} h before on average; {within} within the interval");
    assert!(n >= 15 && mean >= 3.0 && within * 100 >= n * 85, "{n} days, {within} within, {mean} h");
}

#[test]
fn a_rise_reaches_its_limit_when_it_was_said_to() {
    let (mut said, mut within) = (0_u32, 0_u32);
    let (mut off, mut wide) = (0.0, 0.0);
    for seed in 0..40 {
        let (mut fed, mut chance) = (Fed::default(), Chance(seed));
        let mut kept = None;
        for step in 0..600_i64 {
            let clean = 20.0 + 0.1 * step as f64;
            fed.feed(step, clean + 0.3 * chance.normal());
            if kept.is_none() && step > 400 {
                let limit = clean + 2.0;
                kept = fed.it().crossing(limit, Side::Above).map(|crossing| (limit, crossing));
            }
        }
        if let Some((limit, crossing)) = kept {
            // The value of a step stands at its end.
            let real_ms = (((limit - 20.0) / 0.1 + 1.0) * STEP_MS as f64) as i64;
            let hours = |ms: i64| ms as f64 / 3_600_000.0;
            said += 1;
            wide += hours(crossing.latest_ms.unwrap_or(crossing.at_ms + 36 * STEP_MS) - crossing.earliest_ms);
            off += hours((crossing.at_ms - real_ms).abs());
            within += u32::from(
                crossing.earliest_ms <= real_ms && crossing.latest_ms.is_none_or(|latest_ms| real_ms <= latest_ms),
            );
        }
    }
    println!(
        "{said} rises foretold 3.3 h ahead, off by {:.2} h on average, {within} within intervals of {:.1} h",
        off / f64::from(said),
        wide / f64::from(said)
    );
    assert!(said >= 30 && within * 100 >= said * 85, "{said}, {within}");
    assert!(off / f64::from(said) < 0.4 && wide / f64::from(said) < 3.0, "{off} {wide}");
}

#[test]
fn a_state_written_and_read_back_goes_on_as_if_nothing_had_been() {
    let (mut whole, mut halves, mut chance) = (Fed::default(), Fed::default(), Chance(4));
    for step in 0..14 * DAY {
        let value = day(step) + chance.normal();
        if step % 11 != 5 {
            whole.feed(step, value);
            halves.feed(step, value);
        }
        if step % 97 == 13 {
            let bytes = postcard::to_stdvec(halves.it()).expect("it is written");
            halves = Fed(Some(postcard::from_bytes(&bytes).expect("it is read")));
            assert!(halves.it().is_sound());
            assert_eq!(whole, halves);
        }
    }
    let bits = |fed: &Fed| -> Vec<_> {
        let bits = |f: super::super::Forecast| [f.value, f.low, f.high, f.skill].map(f64::to_bits);
        fed.it().forecasts().map(bits).collect()
    };
    assert!(bits(&whole).len() >= 2);
    assert_eq!((whole == halves, bits(&whole)), (true, bits(&halves)));
}

#[test]
fn a_signal_takes_a_kilobyte_after_a_day_and_never_two() {
    let sizes = |fed: &Fed| (bytes(fed), postcard::to_stdvec(fed.it()).expect("it is written").len());
    let day = fed(0..DAY, |_, noise| noise);
    let plain = fed(0..4_000, |_, noise| noise);
    let season = seasonal(0..4_000);
    println!("bytes (and written): after a day {:?}, after a month {:?}", sizes(&day), sizes(&plain));
    println!("with a daily season {:?}", sizes(&season));
    assert_eq!((plain.it().period_s(), season.it().period_s()), (None, Some(86_400)));
    assert!(bytes(&day) <= 1_280, "{}", bytes(&day));
    assert!(bytes(&plain) <= 1_440, "{}", bytes(&plain));
    assert!(bytes(&season) <= 2_048, "{}", bytes(&season));
}

#[test]
fn no_value_and_no_time_is_too_strange() {
    let values =
        [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 1e30, 1e12, -1e12, 0.0, -0.0, 5e-324, 1.0, -3.5];
    let times = [0, 1, 600_000, -3_629_088, 7_152_912, i64::MIN, i64::MAX, i64::MAX - 1, i64::from(i32::MAX) / 4 - 1];
    for seed in 0..20 {
        let (mut fed, mut chance) = (Fed::default(), Chance(seed));
        let mut steady = -3_700_000;
        for turn in 0..3_000_i64 {
            let value = if chance.uniform() < 0.3 { values[turn as usize % values.len()] } else { chance.normal() };
            steady += if turn % 100 == 7 { (chance.uniform() * 300.0) as i64 } else { 1 };
            let wild = turn % 500 == 499;
            fed.feed(if wild { times[(turn / 500 + seed as i64) as usize % times.len()] } else { steady }, value);
            let Some(forecaster) = &fed.0 else { continue };
            for (_, f) in forecaster.outlooks() {
                assert!(f.value.is_finite() && f.low <= f.value && f.value <= f.high, "{f:?}");
            }
            assert_eq!(forecaster.crossing(f64::INFINITY, Side::Above), None);
            assert_eq!(forecaster.crossing(f64::NAN, Side::Below), None);
        }
        assert!(fed.it().is_sound() && bytes(&fed) <= 2_048, "{}", bytes(&fed));
    }
}
