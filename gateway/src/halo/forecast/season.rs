//! The period of a signal, by autocorrelation of its last sixty hours, and what each hour of it is above the level.
//!
//! Periods of four hours to a day are found, after two and a half of them. A period is a local maximum of the
//! autocorrelation of the detrended hours that rises out of a valley; a slow signal without a period has no valley before
//! its maximum.

use serde::{Deserialize, Serialize};

use super::half::{Half, Ring};
use super::model::{Model, SEASONAL};
use super::{DAY, HOUR};

/// Hours remembered.
const HOURS: usize = 60;
/// Hours of the shortest and the longest period.
const LAG_MIN: usize = 4;
const LAG_MAX: usize = HOURS * 2 / 5;
/// Every second step of the longest period.
const PAST: usize = DAY as usize / 2;

const _: () = assert!(2 * PAST == LAG_MAX * HOUR as usize);

/// Stands for an hour without a value; unlike NaN it equals itself.
const MISSING: f32 = f32::INFINITY;
/// Least autocorrelation at a period, and least rise out of the valley before it.
const CORRELATION_MIN: f64 = 0.4;
const RISE_MIN: f64 = 0.3;
/// A season goes once its autocorrelation was below this so many times in a row.
const FADED: f64 = 0.1;
const STRIKES_MAX: u8 = 4;
/// How much plainer another period has to be.
const CHANGE: f64 = 0.1;
/// Hours between two looks, and without which nothing is looked for.
const EVERY: u8 = 12;
const LOOK_MIN: usize = 36;
/// Share of what an hour is off that its place in the season takes over.
const GAMMA: f64 = 0.2;

/// The last hours of a signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Hours {
    means: Ring<f32, HOURS>,
    /// The hour since 1970 that is under way, and sum and number of its steps.
    now: i32,
    sum: f64,
    n: u8,
    since_look: u8,
    strikes: u8,
}

/// A period found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// Hours.
    pub(super) period: u8,
    profile: [f32; LAG_MAX],
}

/// What a look at a season says.
#[derive(Debug, PartialEq)]
pub(super) enum Look {
    /// As before, or it was not looked.
    Same,
    /// The season is no longer to be seen.
    Faded,
    /// There is a period, or a plainer one.
    Found(Found),
}

/// What only a signal with a season has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Season {
    /// Hours.
    period: u8,
    /// Steps since levels started.
    pub(super) seen: u16,
    pub(super) models: [Model; SEASONAL.len()],
    /// What each hour of the period is above the level, by hour since 1970 modulo period.
    profile: [f32; LAG_MAX],
    /// The even steps of the longest period, relative to `base`.
    past: Ring<Half, PAST>,
    base: f32,
}

impl Hours {
    pub(super) fn new(step: i32) -> Self {
        let now = step.div_euclid(i32::from(HOUR));
        Self { means: Ring::new(), now, sum: 0.0, n: 0, since_look: 0, strikes: 0 }
    }

    /// Takes the value of a step no older than those before. The hour that it ends, if it ends one: number and mean.
    pub(super) fn push(&mut self, step: i32, value: f64) -> Option<(i32, f64)> {
        let hour = step.div_euclid(i32::from(HOUR));
        let mut ended = None;
        if hour > self.now {
            let mean = (self.n > 0).then(|| self.sum / f64::from(self.n));
            ended = mean.map(|mean| (self.now, mean));
            self.means.push(mean.map_or(MISSING, |mean| mean as f32));
            let missing = usize::try_from(hour.saturating_sub(self.now)).unwrap_or(HOURS).saturating_sub(1).min(HOURS);
            (0..missing).for_each(|_| self.means.push(MISSING));
            (self.now, self.sum, self.n) = (hour, 0.0, 0);
            self.since_look = self.since_look.saturating_add(1);
        }
        self.sum += value;
        self.n = self.n.saturating_add(1);
        ended
    }

    /// Looks for a period, or whether `period` is still there; seldom.
    pub(super) fn look(&mut self, period: Option<u8>) -> Look {
        if self.since_look < EVERY || self.means.len() < LOOK_MIN {
            return Look::Same;
        }
        self.since_look = 0;
        let mut detrended = [0.0; HOURS];
        let detrended = self.detrended(&mut detrended);
        let best = lag_of(detrended);
        let Some(period) = period else {
            return best.and_then(|lag| self.found(detrended, lag)).map_or(Look::Same, Look::Found);
        };
        let now = autocorrelation(detrended, usize::from(period));
        self.strikes = if now < FADED { self.strikes.saturating_add(1) } else { 0 };
        if self.strikes >= STRIKES_MAX {
            self.strikes = 0;
            return Look::Faded;
        }
        // The first look at a period is over few of them; the full ring knows it better.
        let plainer = |lag: &usize| detrended.len() == HOURS && autocorrelation(detrended, *lag) > now + CHANGE;
        let other = best.filter(plainer).and_then(|lag| self.found(detrended, lag));
        other.filter(|found| found.period != period).map_or(Look::Same, Look::Found)
    }

    pub(super) fn is_sound(&self) -> bool {
        self.means.is_sound()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.means.heap_bytes()
    }

    /// The hours less their least-squares line; a missing one stands on the line.
    fn detrended<'a>(&self, into: &'a mut [f64; HOURS]) -> &'a [f64] {
        let all = || (0_u16..).map(f64::from).zip(self.means.iter());
        let known = || all().filter(|(_, y)| *y < MISSING).map(|(x, y)| (x, f64::from(y)));
        let n = known().count().max(1) as f64;
        let (sum_x, sum_y) = known().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
        let (mean_x, mean_y) = (sum_x / n, sum_y / n);
        let (xy, xx) = known()
            .fold((0.0, 0.0), |(xy, xx), (x, y)| (xy + (x - mean_x) * (y - mean_y), xx + (x - mean_x) * (x - mean_x)));
        let slope = if xx > 0.0 { xy / xx } else { 0.0 };
        for (to, (x, y)) in into.iter_mut().zip(all()) {
            *to = if y < MISSING { f64::from(y) - mean_y - slope * (x - mean_x) } else { 0.0 };
        }
        into.get(..self.means.len()).unwrap_or_default()
    }

    /// The mean of each hour of the period. Three days of a noisy signal tell their period to an eighth, and what repeats
    /// every 22 hours is rare: near a day is a day.
    fn found(&self, detrended: &[f64], lag: usize) -> Option<Found> {
        let period = if lag * 8 >= 24 * 7 { 24 } else { lag };
        let (mut sums, mut counts) = ([0.0; LAG_MAX], [0.0; LAG_MAX]);
        let first = i64::from(self.now) - i64::try_from(detrended.len()).ok()?;
        for (hour, value) in (first..).zip(detrended) {
            let slot = usize::try_from(hour.rem_euclid(i64::try_from(period).ok()?)).ok()?;
            *sums.get_mut(slot)? += value;
            *counts.get_mut(slot)? += 1.0_f64;
        }
        let mut profile = [0.0; LAG_MAX];
        for ((to, sum), n) in profile.iter_mut().zip(sums).zip(counts) {
            *to = (sum / n.max(1.0)) as f32;
        }
        Some(Found { period: u8::try_from(period).ok()?, profile })
    }
}

impl Season {
    /// A season of a signal whose level is about `level`.
    pub(super) fn new(found: &Found, level: f64) -> Self {
        let (period, profile) = (found.period, found.profile);
        Self { period, seen: 0, models: Default::default(), profile, past: Ring::new(), base: level as f32 }
    }

    /// Takes the value of the next step, or that it has none.
    pub(super) fn push(&mut self, step: i32, value: Option<f64>) {
        if step % 2 == 0 {
            self.past.push(value.map_or(Half::MISSING, |value| Half::of(value - f64::from(self.base))));
        }
    }

    /// The value one period before `target`, or as many periods as it needs to be known after `newest`; of odd steps the
    /// mean of their neighbours.
    pub(super) fn naive(&self, target: i32, newest: i32) -> Option<f64> {
        let period = i32::from(self.period.max(1)) * i32::from(HOUR);
        let periods = target.saturating_sub(newest).saturating_add(period - 1).div_euclid(period);
        let step = target.saturating_sub(periods.saturating_mul(period));
        let even = |step: i32| {
            let back = (newest.saturating_sub(newest.rem_euclid(2))).saturating_sub(step) / 2;
            let past = usize::try_from(back).ok().and_then(|back| self.past.back(back))?;
            past.get().map(|past| past + f64::from(self.base))
        };
        if step % 2 == 0 {
            return even(step);
        }
        match (even(step.saturating_sub(1)), even(step.saturating_add(1)).filter(|_| step < newest)) {
            (Some(before), Some(after)) => Some((before + after) / 2.0),
            (before, after) => before.or(after),
        }
    }

    pub(super) fn period(&self) -> u8 {
        self.period
    }

    /// What a step is above the level: on the line between the hours around it.
    pub(super) fn at(&self, step: i32) -> f64 {
        let (hour, share) = between(step);
        let (before, after) = (self.slot(hour), self.slot(hour.saturating_add(1)));
        before + (after - before) * share
    }

    /// An hour was this much above the level.
    pub(super) fn learn(&mut self, hour: i32, above: f64) {
        let period = i32::from(self.period.max(1));
        let slot = usize::try_from(hour.rem_euclid(period)).ok().and_then(|slot| self.profile.get_mut(slot));
        if let Some(slot) = slot {
            *slot = (f64::from(*slot) + GAMMA * (above - f64::from(*slot))) as f32;
        }
    }

    pub(super) fn is_sound(&self) -> bool {
        (LAG_MIN..=LAG_MAX).contains(&usize::from(self.period)) && self.past.is_sound()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.past.heap_bytes()
    }

    fn slot(&self, hour: i32) -> f64 {
        let slot = usize::try_from(hour.rem_euclid(i32::from(self.period.max(1)))).unwrap_or(0);
        self.profile.get(slot).copied().map_or(0.0, f64::from)
    }
}

/// The hour before whose middle a step's middle does not lie, and how far it is on the way to the next one's.
fn between(step: i32) -> (i32, f64) {
    let twelfths = i64::from(step) * 2 + 1 - i64::from(HOUR);
    let hour = i32::try_from(twelfths.div_euclid(12)).unwrap_or(0);
    (hour, twelfths.rem_euclid(12) as f64 / 12.0)
}

/// The smallest lag of a strong local maximum.
fn lag_of(values: &[f64]) -> Option<usize> {
    let lags = LAG_MAX.min(values.len() * 2 / 5);
    let mut r = [0.0; LAG_MAX + 2];
    r.iter_mut().take(lags + 2).enumerate().for_each(|(lag, r)| *r = autocorrelation(values, lag));
    let best = r.get(LAG_MIN..=lags)?.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut valley = f64::INFINITY;
    for (lag, three) in r.windows(3).enumerate().map(|(at, three)| (at + 1, three)).take(lags) {
        let [before, here, after] = three else { continue };
        let peak = here >= before && here >= after && *here >= CORRELATION_MIN.max(0.85 * best);
        if lag >= LAG_MIN && peak && here - valley >= RISE_MIN {
            return Some(lag);
        }
        valley = valley.min(*here);
    }
    None
}

/// Of a series around zero: the mean product at this lag over the mean square, each over its own number of terms.
fn autocorrelation(values: &[f64], lag: usize) -> f64 {
    let products: f64 = values.iter().zip(values.iter().skip(lag)).map(|(a, b)| a * b).sum();
    let squares: f64 = values.iter().map(|a| a * a).sum();
    let terms = values.len().saturating_sub(lag).max(1) as f64;
    if squares > 0.0 { products / terms / (squares / values.len().max(1) as f64) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(value: impl Fn(f64) -> f64) -> Hours {
        let mut hours = Hours::new(0);
        (0..361).for_each(|step| {
            hours.push(step, value(f64::from(step) / 6.0));
        });
        hours
    }

    fn period(value: impl Fn(f64) -> f64) -> Option<u8> {
        match hours(value).look(None) {
            Look::Found(found) => Some(found.period),
            _ => None,
        }
    }

    #[test]
    fn a_period_is_found_under_a_trend_and_a_slow_signal_has_none() {
        let wave = |period: f64| move |hour: f64| (hour / period * std::f64::consts::TAU).sin() * 3.0 + 0.2 * hour;
        for length in [5_u8, 8, 12, 24] {
            assert_eq!(period(wave(f64::from(length))), Some(length));
        }
        assert_eq!(period(wave(22.0)), Some(24));
        assert_eq!(period(|hour| hour), None);
        assert_eq!(period(|hour| hour * hour), None);
        assert_eq!(period(|_| 7.0), None);
        assert_eq!(period(wave(80.0)), None);
    }

    #[test]
    fn a_profile_stands_at_its_hours() {
        let Look::Found(found) = hours(|hour| if hour.floor() % 12.0 == 5.0 { 12.0 } else { 0.0 }).look(None) else {
            panic!("no period");
        };
        let season = Season::new(&found, 0.0);
        let top = (0..72).max_by(|a, b| season.at(*a).total_cmp(&season.at(*b))).expect("steps");
        assert!((32..=33).contains(&top), "the middle of hour 5 is between steps 32 and 33, not at {top}");
    }

    #[test]
    fn naive_is_the_value_a_period_before() {
        let found = Found { period: 5, profile: [0.0; LAG_MAX] };
        let mut season = Season::new(&found, 100.0);
        let value = |step: i32| 100.0 + f64::from(step % 16);
        (0..29).for_each(|step| season.push(step, Some(value(step))));
        assert_eq!((season.naive(29, 28), season.naive(30, 28)), (Some(value(0)), Some(value(0))));
        (29..200).for_each(|step| season.push(step, (step != 190).then(|| value(step))));
        for (target, before) in [(200, 170), (228, 198), (230, 170), (236, 176), (342, 192)] {
            assert_eq!(season.naive(target, 199), Some(value(before)), "{target}");
        }
        assert_eq!(season.naive(201, 199), Some(f64::midpoint(value(170), value(172))));
        assert_eq!((season.naive(229, 199), season.naive(220, 199)), (Some(value(198)), None));
    }
}
