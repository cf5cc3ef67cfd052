//! Real series, how forecasts of their tails came out, and seeded chance.

use super::super::horizon::{HORIZONS, seconds};
use super::super::{Forecast, Forecaster, STEP_MS, Step};

/// Largest ratio of mean absolute errors, and the shares of outcomes within intervals of 90 %.
pub(super) const MASE_MAX: f64 = 0.9;
pub(super) const COVERAGE: std::ops::RangeInclusive<f64> = 0.85..=0.95;
/// Outcomes without which a tail says nothing.
pub(super) const OUTCOMES_MIN: usize = 20;

/// One column of a CSV file with a header; empty fields are NaN.
pub(super) fn column(text: &str, name: &str) -> Vec<f64> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().expect("a header").split(',').map(str::trim).collect();
    let at = header.iter().position(|column| *column == name).unwrap_or_else(|| panic!("no {name} in {header:?}"));
    lines.map(|line| line.split(',').nth(at).and_then(|field| field.trim().parse().ok()).unwrap_or(f64::NAN)).collect()
}

/// A linear congruential generator (Knuth's MMIX constants).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Roughly normal: twelve uniform numbers.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// A forecaster that may not have begun.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fed(pub(super) Option<Forecaster>);

impl Fed {
    pub(super) fn feed(&mut self, index: i64, mean: f64) {
        let step = Step { index, mean };
        match &mut self.0 {
            Some(forecaster) => forecaster.step(step),
            None => self.0 = Forecaster::new(step),
        }
    }

    pub(super) fn it(&self) -> &Forecaster {
        self.0.as_ref().expect("it was fed")
    }
}

/// A series of one value every so many steps.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) values: Vec<f64>,
    pub(super) every: usize,
}

/// How the tail of one series came out at one horizon.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    /// Steps.
    pub(super) horizon: u16,
    /// At the last value before the tail: what was shown, whether it was published, and the season's period in hours.
    pub(super) method: &'static str,
    pub(super) published: bool,
    pub(super) period: Option<u32>,
    /// Every forecast of the tail, whatever became of its publication later.
    pub(super) all: Sums,
    /// Only those that were published when they were made.
    pub(super) live: Sums,
}

/// Sums of absolute errors.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) n: usize,
    shown: f64,
    last: f64,
    seasonal: f64,
    covered: usize,
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        self.n += other.n;
        self.shown += other.shown;
        self.last += other.last;
        self.seasonal += other.seasonal;
        self.covered += other.covered;
    }

    /// Against the better of last value and seasonal naive.
    pub(super) fn mase(&self) -> f64 {
        self.shown / self.last.min(self.seasonal)
    }

    pub(super) fn coverage(&self) -> f64 {
        self.covered as f64 / self.n as f64
    }
}

impl Row {
    /// Whether it was published and its tail says something.
    pub(super) fn counts(&self) -> bool {
        self.published && self.all.n >= OUTCOMES_MIN
    }
}

/// A forecast whose step has not come.
struct Waiting {
    target: usize,
    row: usize,
    published: bool,
    forecast: Forecast,
    last: f64,
    seasonal: Option<f64>,
}

impl Waiting {
    fn outcome(&self, value: f64) -> Sums {
        let off = |forecast: f64| (value - forecast).abs();
        let last = off(self.last);
        let covered = usize::from((self.forecast.low..=self.forecast.high).contains(&value));
        Sums { n: 1, shown: off(self.forecast.value), last, seasonal: self.seasonal.map_or(last, off), covered }
    }
}

/// Feeds the series value by value. From value `head` × length on every forecast is kept as it is made, and measured by
/// figures of this test's own when its step has come.
pub(super) fn tail(case: &Case, head: f64) -> Vec<Row> {
    let mut fed = Fed::default();
    let split = (case.values.len() as f64 * head) as usize;
    let mut rows: Vec<Row> = HORIZONS.iter().map(|(steps, _)| Row::new(&case.name, *steps)).collect();
    let mut waiting: Vec<Waiting> = Vec::new();
    for (at, value) in case.values.iter().enumerate() {
        for due in waiting.extract_if(.., |waiting| waiting.target == at) {
            let outcome = due.outcome(*value);
            rows[due.row].all.add(&outcome);
            if due.published {
                rows[due.row].live.add(&outcome);
            }
        }
        fed.feed((at * case.every) as i64, *value);
        if at + 1 >= split {
            waiting.extend(made(fed.it(), case, at, &mut rows, at + 1 == split));
        }
    }
    rows
}

/// The forecasts after value `origin`, of values that come.
fn made(forecaster: &Forecaster, case: &Case, origin: usize, rows: &mut [Row], decides: bool) -> Vec<Waiting> {
    let period_s = forecaster.period_s();
    let step_s = seconds(1) as usize;
    let period = period_s.map(|s| s as usize / step_s / case.every);
    let mut all = Vec::new();
    for (published, forecast) in forecaster.outlooks() {
        let row = rows.iter().position(|row| seconds(row.horizon) == forecast.horizon_s).expect("its row");
        if decides {
            rows[row].method = forecast.method;
            rows[row].published = published;
            rows[row].period = period_s.map(|s| s / 3_600);
        }
        let steps = usize::from(rows[row].horizon);
        assert_eq!(forecast.time_ms, (origin * case.every + steps + 1) as i64 * STEP_MS);
        if !steps.is_multiple_of(case.every) {
            continue;
        }
        let values = steps / case.every;
        let target = origin + values;
        let before = period.and_then(|period| target.checked_sub(period * values.div_ceil(period)));
        let seasonal = before.map(|before| case.values[before]);
        all.push(Waiting { target, row, published, forecast, last: case.values[origin], seasonal });
    }
    all
}

impl Row {
    fn new(name: &str, horizon: u16) -> Self {
        let (all, live) = (Sums::default(), Sums::default());
        Self { name: name.to_owned(), horizon, method: "-", published: false, period: None, all, live }
    }
}

pub(super) fn print(rows: &[Row]) {
    println!("series                                   ahead  method         period  outcomes   MASE  skill  covered");
    for row in rows {
        let period = row.period.map_or("-".to_owned(), |period| format!("{period} h"));
        let (mase, covered) = (row.all.mase(), row.all.coverage());
        println!(
            "{:<36} {:>5} min  {:<14} {period:>6} {:>9} {mase:>6.3} {:>6.3} {covered:>8.3}  {}, {} live {:.3}",
            row.name,
            row.horizon * 10,
            row.method,
            row.all.n,
            1.0 - mase,
            if row.published { "published" } else { "absent" },
            row.live.n,
            row.live.mase(),
        );
    }
}
