//! Held-out tails: real series, engines of a fleet, and signals with a daily season.
//!
//! A series of any spacing stands for a series of steps of ten minutes: a flight cycle, a beat, a fix, or a mean over
//! two seconds is one step each; a month is six of them, an hour, so that a year is half a day.

use std::collections::BTreeMap;

use super::super::horizon::HORIZONS;
use super::support::{COVERAGE, Case, Chance, MASE_MAX, OUTCOMES_MIN, Row, Sums, column, print, tail};
use crate::halo::derive::real_data::text as data;

const DAY: usize = 144;
/// The tail begins after this share of a series.
const HEAD: f64 = 0.6;

fn case(name: String, values: Vec<f64>) -> Case {
    Case { name, values, every: 1 }
}

/// Means of `width` values.
fn means(values: &[f64], width: usize) -> Vec<f64> {
    values.chunks_exact(width).map(|chunk| chunk.iter().sum::<f64>() / width as f64).collect()
}

fn cars() -> Option<Vec<Case>> {
    let mut cases = Vec::new();
    let fields =
        ["VEHICLE_SPEED", "COOLANT_TEMPERATURE", "ENGINE_RPM", "ENGINE_LOAD", "INTAKE_MANIFOLD_PRESSURE", "THROTTLE"];
    for drive in ["drive1", "live10"] {
        let text = data("car", &format!("carobd_{drive}.csv"))?;
        for field in fields {
            // A row is 0.49 s, and a value is renewed about every fourth row.
            let values = means(&column(&text, &format!("{field} ()")), 4);
            cases.push(case(format!("{drive} {}, 2 s", field.to_lowercase()), values));
        }
    }
    for (file, field, width) in [("speed", "speed_mps", 9), ("accel", "forward", 10), ("steering", "steering_deg", 9)] {
        let values = means(&column(&data("car", &format!("comma2k19_{file}.csv"))?, field), width);
        cases.push(case(format!("comma {field}, 0.1 s"), values));
    }
    Some(cases)
}

fn hearts_and_parcels() -> Option<Vec<Case>> {
    let mut cases = Vec::new();
    for name in ["pyhrv_long", "pyhrv_short", "mitdb100_NNonly", "mitdb100_allRR"] {
        let rr = column(&data("wristband", &format!("expected/series_{name}.csv"))?, "rr_ms");
        let rates = means(&rr, 10).iter().map(|rr| 60_000.0 / rr).collect();
        cases.push(case(format!("{name} RR, 1 beat"), rr));
        cases.push(case(format!("{name} rate, 10 beats"), rates));
    }
    for name in ["around-visnjan-with-car", "cerknicko-jezero"] {
        let speeds = column(&data("parcel_gps", &format!("expected/{name}_points.csv"))?, "speed_mps");
        let speeds = speeds.into_iter().filter(|speed| !speed.is_nan()).collect();
        cases.push(case(format!("{name} speed, 1 fix"), speeds));
    }
    Some(cases)
}

fn real() -> Option<Vec<Case>> {
    let passengers = column(&data("forecast", "airline-passengers.csv")?, "passengers");
    let mut cases = vec![Case { name: "airline passengers, 1 month".to_owned(), values: passengers, every: 6 }];
    cases.extend(cars()?);
    cases.extend(hearts_and_parcels()?);
    Some(cases)
}

/// Every sensor of every engine that is not constant, one step a flight cycle.
fn engines(file: &str) -> Option<Vec<Case>> {
    let text = data("turbofan", file)?;
    let mut units: BTreeMap<u32, Vec<Vec<f64>>> = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<f64> = line.split_ascii_whitespace().map(|field| field.parse().expect("a number")).collect();
        units.entry(fields[0] as u32).or_default().push(fields);
    }
    let sensors = [2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 15, 17, 20, 21];
    let of = |sensor: usize, rows: &[Vec<f64>]| {
        case(format!("s{sensor:02}"), rows.iter().map(|row| row[4 + sensor]).collect())
    };
    Some(units.values().flat_map(|rows| sensors.map(|sensor| of(sensor, rows))).collect())
}

/// Noise around zero of standard deviation 1 that forgets within `steps`.
fn slow(chance: &mut Chance, n: usize, steps: f64) -> Vec<f64> {
    let keep = (-1.0 / steps).exp();
    let mut next = |at: &mut f64| {
        *at = keep * *at + (1.0 - keep * keep).sqrt() * chance.normal();
        Some(*at)
    };
    std::iter::repeat_n((), n).scan(0.0, |at, ()| next(at)).collect()
}

/// Thirty days of ten-minute steps of six signals: four with a daily season, two without any.
fn daily(seed: u64) -> Vec<Case> {
    let mut chance = Chance(seed);
    let n = 30 * DAY;
    let wave = |at: usize, hour: f64| ((at as f64 / DAY as f64 - hour / 24.0) * std::f64::consts::TAU).sin();
    let (weather, front, activity) =
        (slow(&mut chance, n, 216.0), slow(&mut chance, n, 72.0), slow(&mut chance, n, 3.0));
    let walk = slow(&mut chance, n, 1e5);
    let mut signal = |name: &str, value: &dyn Fn(usize, f64) -> f64| {
        let values = (0..n).map(|at| value(at, chance.normal())).collect();
        case(format!("{name}, seed {seed}"), values)
    };
    vec![
        signal("temperature, weather 36 h", &|at, noise| 12.0 + 6.0 * wave(at, 9.0) + 2.0 * weather[at] + 0.05 * noise),
        signal("humidity, weather 12 h", &|at, noise| 55.0 - 20.0 * wave(at, 9.0) + 6.0 * front[at] + 0.5 * noise),
        signal("heart rate, activity 30 min", &|at, noise| 68.0 + 8.0 * wave(at, 9.0) + 4.0 * activity[at] + noise),
        signal("queue, open 9 to 20", &|at, noise| match at % DAY {
            54..120 => 30.0 + 10.0 * wave(at, 11.0) + 4.0 * noise,
            _ => 0.5 * noise.abs(),
        }),
        signal("random walk", &|at, _| walk[at]),
        signal("white noise", &|_, noise| 20.0 + noise),
    ]
}

/// The rows that count; each is within its limit, and so is what all intervals together covered.
fn check(rows: &[Row]) -> usize {
    print(rows);
    let published: Vec<&Row> = rows.iter().filter(|row| row.counts()).collect();
    let mut all = Sums::default();
    published.iter().for_each(|row| all.add(&row.all));
    println!("{} of {} published, {:.3} of {} outcomes covered", published.len(), rows.len(), all.coverage(), all.n);
    for row in &published {
        assert!(row.all.mase() <= MASE_MAX, "{} at {}: {:.3}", row.name, row.horizon, row.all.mase());
    }
    assert!(COVERAGE.contains(&all.coverage()), "{}", all.coverage());
    published.len()
}

/// What was published when it was made, by horizon, is within its limit too.
fn check_live(rows: &[Row]) -> BTreeMap<u16, Sums> {
    let mut live: BTreeMap<u16, Sums> = BTreeMap::new();
    rows.iter().for_each(|row| live.entry(row.horizon).or_default().add(&row.live));
    for (steps, sums) in &live {
        let (n, mase, covered) = (sums.n, sums.mase(), sums.coverage());
        println!("{:>5} min: {n} forecasts published, MASE {mase:.3}, covered {covered:.3}", steps * 10);
        assert!(n < OUTCOMES_MIN || mase <= MASE_MAX, "{mase} at {steps}");
    }
    live
}

#[test]
fn on_real_series_what_is_published_goes_on_to_beat_both_naive_forecasts() {
    let Some(cases) = real() else { return };
    let rows: Vec<Row> = cases.iter().flat_map(|case| tail(case, HEAD)).collect();
    assert!(check(&rows) >= 8);
    check_live(&rows);
}

#[test]
fn wherever_real_series_are_cut_few_published_forecasts_fail_later() {
    let Some(cases) = real() else { return };
    let cut = |head: f64| cases.iter().flat_map(move |case| tail(case, head));
    let rows: Vec<Row> = [0.5, 0.7, 0.8].into_iter().flat_map(cut).filter(Row::counts).collect();
    print(&rows);
    let failed = rows.iter().filter(|row| row.all.mase() > MASE_MAX).count();
    println!("{failed} of {} published at other cuts exceed {MASE_MAX} on their tail", rows.len());
    assert!(rows.len() >= 20 && failed * 10 <= rows.len(), "{failed} of {}", rows.len());
}

#[test]
fn of_a_day_every_horizon_is_published_for_some_signal_and_none_for_a_random_walk() {
    let mut all = Vec::new();
    for seed in [7, 101, 201, 301, 302] {
        let rows: Vec<Row> = daily(seed).iter().flat_map(|case| tail(case, HEAD)).collect();
        assert!(check(&rows) >= 6);
        let walk = |row: &&Row| row.name.starts_with("random walk");
        assert!(rows.iter().filter(walk).all(|row| !row.published && row.live.n < OUTCOMES_MIN), "seed {seed}");
        let seasonal = rows.iter().filter(|row| row.period == Some(24)).count();
        assert!(seasonal >= 4 * HORIZONS.len(), "a day was found in {seasonal} rows");
        all.extend(rows);
    }
    all.retain(|row| row.period == Some(24));
    let live = check_live(&all);
    assert!(live.len() == HORIZONS.len() && live.values().all(|sums| sums.n >= 1_000), "{live:?}");
}

/// A tail of fifty cycles is too short to tell 0.8 from 0.9 engine by engine, so the fleet's engines are taken together.
#[test]
fn over_a_fleet_what_is_published_goes_on_to_beat_last_value() {
    let Some(cases) = engines("test_FD001.txt") else { return };
    let mut fleet: BTreeMap<(String, u16), Sums> = BTreeMap::new();
    let (mut published, mut failed, mut all) = (0, 0, Sums::default());
    for row in cases.iter().flat_map(|case| tail(case, HEAD)).filter(Row::counts) {
        published += 1;
        failed += usize::from(row.all.mase() > MASE_MAX);
        all.add(&row.all);
        fleet.entry((row.name, row.horizon)).or_default().add(&row.all);
    }
    for ((sensor, horizon), sums) in &fleet {
        println!(
            "{sensor} {horizon} ahead: {} outcomes, MASE {:.3}, covered {:.3}",
            sums.n,
            sums.mase(),
            sums.coverage()
        );
        assert!(sums.n < 500 || sums.mase() <= MASE_MAX);
    }
    println!(
        "{published} published, {failed} of them above {MASE_MAX}; {:.3} of {} outcomes covered",
        all.coverage(),
        all.n
    );
    assert!(published >= 500 && failed * 20 <= published, "{failed} of {published}");
    assert!(COVERAGE.contains(&all.coverage()) && all.mase() <= MASE_MAX);
}
