//! One signal of one subject: its latest good value, its windows, and which readings are let in.

use halo_proto::registry::Nature;
use serde::{Deserialize, Serialize};

use super::forecast::{Forecaster, Step};
use super::rule::{self, Teller, Verdict};
use super::run::Run;
use super::sketch::Tally;
use super::trend::{self, Rate};
use super::window::{LATENESS_MS, Stats, Windows};
use crate::ingest::readings::{Point, Series, SignalRef};
use crate::record::{Name, Offset};

/// A reading dated further than this after its arrival is of the future: kept out, so that it cannot freeze the latest
/// value (LOG.md "Device clocks" refuses time syncs by the same limit).
const FUTURE_MS_MAX: i64 = 60_000;

/// 1 January 2000. A reading dated before it is of a clock that was never set (1901, 1970 and 1980 are where such clocks
/// begin), unless the gateway's own clock says that it is that early.
const PAST_MS_MAX: i64 = 946_684_800_000;

/// Readings further apart than this are not neighbours: no step between them is implausible.
const NEIGHBOURS_MS_MAX: i64 = 60_000;

/// What became of the newest reading of a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Quality {
    /// It is the latest value.
    #[default]
    Good,
    /// It was outside the signal's plausible range; the latest value is the one before it.
    OutOfRange,
    /// It was further from the one before than neighbouring readings can be; accepted once a second one confirms it.
    Step,
    /// It was dated more than 60 s after its arrival.
    Future,
    /// It was dated before the year 2000.
    Past,
}

impl Quality {
    /// As the halo writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::OutOfRange => "out_of_range",
            Self::Step => "step",
            Self::Future => "future",
            Self::Past => "past",
        }
    }

    /// What can be said of a reading without knowing the ones before it: good, out of range, of the future or of the past.
    pub fn of(signal: &SignalRef, point: &Point, arrival_ms: i64) -> Self {
        let low = signal.min.is_some_and(|min| point.raw < min);
        let high = signal.max.is_some_and(|max| point.raw > max);
        if is_future(point.event_ms, arrival_ms) {
            Self::Future
        } else if point.event_ms < PAST_MS_MAX && arrival_ms >= PAST_MS_MAX {
            Self::Past
        } else if low || high {
            Self::OutOfRange
        } else {
            Self::Good
        }
    }

    /// Whether [`Self::of`] says of all points that they are good, in one look at each.
    pub(crate) fn all_good(signal: &SignalRef, points: &[Point], arrival_ms: i64) -> bool {
        let low = signal.min.unwrap_or(i64::MIN);
        let high = signal.max.unwrap_or(i64::MAX);
        let earliest_ms = if arrival_ms >= PAST_MS_MAX { PAST_MS_MAX } else { i64::MIN };
        points.iter().fold(true, |good, point| {
            let in_time = point.event_ms >= earliest_ms && !is_future(point.event_ms, arrival_ms);
            good & in_time & (point.raw >= low) & (point.raw <= high)
        })
    }
}

/// The newest good reading of a signal, by event time; of equals the one stored last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latest {
    /// The value is `raw × num / den` in the signal's unit.
    pub raw: i64,
    /// Multiplier.
    pub num: u32,
    /// Divisor.
    pub den: u32,
    /// Unix milliseconds of device time, corrected.
    pub event_ms: i64,
    /// Which device measured it.
    pub device: Name,
    /// The record it stands in.
    pub offset: Offset,
}

impl Latest {
    /// In the signal's unit.
    pub fn value(&self) -> f64 {
        physical(self.raw, self.num, self.den)
    }
}

/// A named quantity of a subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    name: Name,
    unit: Name,
    latest: Option<Latest>,
    quality: Quality,
    /// Of the device that rules it, the latest value's.
    rank: u8,
    /// A value refused as too large a step: the next one near it shows that the step was real.
    stepped_to: Option<f64>,
    windows: Windows,
    /// Meaningless while the windows are empty.
    smoothed: f64,
    /// Once a step has ended, of a signal that is to have forecasts.
    forecaster: Option<Box<Forecaster>>,
}

/// Of the readings of one frame, those that were too large a step: their times, by the index of their series. Range and
/// time anybody can judge by the reading alone, but need not where it is known that all are good.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    stepped: Vec<(usize, Vec<i64>)>,
    /// A bit for each of the first series.
    good: u64,
}

impl Refused {
    pub(super) fn add(&mut self, series: usize, kept_out: KeptOut) {
        if kept_out.all_good && series < u64::BITS as usize {
            self.good |= 1 << series;
        }
        if !kept_out.stepped.is_empty() {
            self.stepped.push((series, kept_out.stepped));
        }
    }

    pub(super) fn of(&self, series: usize) -> &[i64] {
        self.stepped.iter().find(|(index, _)| *index == series).map_or(&[], |(_, times)| times)
    }

    /// Whether it is known that all readings of a series are good.
    pub(super) fn all_good(&self, series: usize) -> bool {
        series < u64::BITS as usize && self.good >> series & 1 == 1
    }
}

/// How many readings of a series were not let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptOut {
    /// Too far behind the signal's newest reading.
    pub(crate) late: u64,
    /// Out of range, a step, of the future or the past, or in another unit.
    pub(crate) suspect: u64,
    /// Times of those that were too large a step.
    pub(crate) stepped: Vec<i64>,
    /// Of a device that does not rule the signal.
    pub(crate) yielded: u64,
    /// The newest of those, in the signal's unit.
    pub(crate) other: Option<Point>,
    /// All were, as nobody has to find out again.
    pub(crate) all_good: bool,
}

impl Signal {
    pub(crate) fn new(name: Name, unit: Name) -> Self {
        Self {
            name,
            unit,
            latest: None,
            quality: Quality::Good,
            rank: rule::NOBODY,
            stepped_to: None,
            windows: Windows::default(),
            smoothed: 0.0,
            forecaster: None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// UCUM; empty when nobody gave one.
    pub fn unit(&self) -> &Name {
        &self.unit
    }

    /// None while no good reading came.
    pub fn latest(&self) -> Option<&Latest> {
        self.latest.as_ref()
    }

    /// What became of the newest reading.
    pub fn quality(&self) -> Quality {
        self.quality
    }

    /// Name and statistics of each window that holds readings; `tally` is scratch memory, reused.
    pub fn stats(&self, tally: &mut Tally) -> impl Iterator<Item = (&'static str, Stats)> {
        self.windows.stats(tally)
    }

    /// The exponentially weighted mean over its good readings, the newest weighing 0.1; late ones do not count. None
    /// while there was none.
    pub fn smoothed(&self) -> Option<f64> {
        (!self.windows.is_empty()).then_some(self.smoothed)
    }

    /// How fast it rises, over a quarter of an hour; none of readings in fewer than three minutes of it.
    pub fn rate(&self) -> Option<Rate> {
        self.windows.rate()
    }

    /// What is expected of it, once it is a few hours old.
    pub fn forecaster(&self) -> Option<&Forecaster> {
        self.forecaster.as_deref()
    }

    /// Gives its forecasts up, if there were any in the making.
    pub(crate) fn forget_forecasts(&mut self) -> Option<Box<Forecaster>> {
        self.forecaster.take()
    }

    /// Lets a series in, point by point, and has its steps forecast.
    pub(crate) fn fold(&mut self, series: &Series, arrival_ms: i64, teller: Teller<'_>, forecasts: bool) -> KeptOut {
        let device = teller.device;
        let rules =
            rule::is_settled(self.rank) && self.latest.as_ref().is_some_and(|latest| same(&latest.device, device));
        if series.signal.unit != self.unit && !rules && !self.may_change_unit(series, teller) {
            return KeptOut { yielded: series.points.len() as u64, ..KeptOut::default() };
        }
        if series.signal.unit != self.unit && !self.change_unit(series, arrival_ms) {
            return KeptOut { suspect: series.points.len() as u64, ..KeptOut::default() };
        }
        if rules && Quality::all_good(&series.signal, &series.points, arrival_ms) && self.is_next(series) {
            self.fold_next(series, teller, forecasts);
            return KeptOut { all_good: true, ..KeptOut::default() };
        }
        self.fold_each(series, arrival_ms, teller, forecasts, rules)
    }

    /// Whatever comes: each point is judged by what was before it.
    fn fold_each(
        &mut self,
        series: &Series,
        arrival_ms: i64,
        teller: Teller<'_>,
        forecasts: bool,
        mut rules: bool,
    ) -> KeptOut {
        let (mut kept_out, mut run) = (KeptOut::default(), Run::new());
        let step_max = step_max(&series.signal);
        for point in &series.points {
            let past = Quality::of(&series.signal, point, arrival_ms) == Quality::Past;
            if !past && self.newest_ms().is_some_and(|newest| point.event_ms < newest.saturating_sub(LATENESS_MS)) {
                kept_out.late += 1;
                continue;
            }
            if !rules {
                if self.latest.is_some() && Quality::of(&series.signal, point, arrival_ms) != Quality::Good {
                    kept_out.suspect += 1;
                    continue;
                }
                if !self.take_over(teller, point.event_ms) {
                    kept_out.yielded += 1;
                    kept_out.other = Some(*point);
                    continue;
                }
                rules = true;
            }
            let value = physical(point.raw, series.signal.num, series.signal.den);
            let quality = self.judge(&series.signal, point, value, step_max, arrival_ms);
            if quality != Quality::Good {
                kept_out.suspect += 1;
                if quality == Quality::Step {
                    kept_out.stepped.push(point.event_ms);
                }
                continue;
            }
            if !run.take(point.event_ms, value) {
                self.add(&run, &series.signal, forecasts);
                run.clear();
                run.take(point.event_ms, value);
            }
            self.show(&series.signal, point, teller);
        }
        self.add(&run, &series.signal, forecasts);
        kept_out
    }

    /// Whether points follow one another and what was there, in time and without too large a step.
    fn is_next(&self, series: &Series) -> bool {
        let (Some(latest), Series { signal, points }) = (&self.latest, series) else { return false };
        if points.is_empty() || points.first().is_some_and(|first| first.event_ms < latest.event_ms) {
            return false;
        }
        let Some(step_max) = step_max(signal) else { return points.is_sorted_by_key(|point| point.event_ms) };
        let mut before = (latest.event_ms, latest.value());
        points.iter().all(|point| {
            let (at_ms, value) = (point.event_ms, physical(point.raw, signal.num, signal.den));
            let (before_ms, from) = std::mem::replace(&mut before, (at_ms, value));
            at_ms >= before_ms && !(is_neighbour(before_ms, at_ms) && (value - from).abs() > step_max)
        })
    }

    /// The usual case, to the same end: good readings after all others, of the device that rules it.
    fn fold_next(&mut self, series: &Series, teller: Teller<'_>, forecasts: bool) {
        let Series { signal, points } = series;
        let (mut run, mut left) = (Run::new(), points.as_slice());
        while !left.is_empty() {
            left = run.begin(left, signal);
            self.add(&run, signal, forecasts);
        }
        (self.stepped_to, self.quality) = (None, Quality::Good);
        if let Some(last) = points.last() {
            self.show(signal, last, teller);
        }
    }

    /// Which device rules it; none before its first good reading.
    pub fn ruler(&self) -> Option<&Name> {
        self.latest.as_ref().map(|latest| &latest.device)
    }

    /// Whether a device rules it from now on that does not yet. Steps between two devices are none.
    #[cold]
    fn take_over(&mut self, teller: Teller<'_>, event_ms: i64) -> bool {
        match self.judge_teller(teller, event_ms) {
            Verdict::Rules(rank) => {
                (self.rank, self.stepped_to, self.latest) = (rank, None, None);
                true
            }
            Verdict::Claims(rank) => {
                self.rank = rank;
                false
            }
            Verdict::Yields => false,
        }
    }

    /// Whether a device that does not rule it may say that its unit is another one.
    fn may_change_unit(&self, series: &Series, teller: Teller<'_>) -> bool {
        let last_ms = series.points.last().map_or(i64::MIN, |last| last.event_ms);
        matches!(self.judge_teller(teller, last_ms), Verdict::Rules(_))
    }

    fn judge_teller(&self, teller: Teller<'_>, event_ms: i64) -> Verdict {
        let rank = rule::rank(teller.kind, &self.name);
        let Some(latest) = &self.latest else { return Verdict::Rules(rank) };
        let after_ms = event_ms.saturating_sub(latest.event_ms);
        rule::judge(rank, self.rank, same(&latest.device, teller.device), after_ms)
    }

    fn add(&mut self, run: &Run, signal: &SignalRef, forecasts: bool) {
        if self.windows.is_newest(run)
            && let Some(smoothed) = trend::smoothed(self.smoothed(), run.values())
        {
            self.smoothed = smoothed;
        }
        if let Some(step) = self.windows.add(run).filter(|_| forecasts) {
            self.ended(step, signal);
        }
    }

    #[cold]
    fn ended(&mut self, step: Step, signal: &SignalRef) {
        match &mut self.forecaster {
            Some(forecaster) => forecaster.step(step),
            None if is_level(signal) => self.forecaster = Forecaster::new(step).map(Box::new),
            None => {}
        }
    }

    /// Another unit makes it another quantity, with statistics of its own, if its readings are the newer ones.
    fn change_unit(&mut self, series: &Series, arrival_ms: i64) -> bool {
        let good = |point: &&Point| Quality::of(&series.signal, point, arrival_ms) == Quality::Good;
        let Some(last) = series.points.iter().rev().find(good) else { return false };
        if self.newest_ms().is_some_and(|newest| last.event_ms < newest) {
            return false;
        }
        *self = Self::new(self.name.clone(), series.signal.unit.clone());
        true
    }

    fn judge(
        &mut self,
        signal: &SignalRef,
        point: &Point,
        value: f64,
        step_max: Option<f64>,
        arrival_ms: i64,
    ) -> Quality {
        let mut quality = Quality::of(signal, point, arrival_ms);
        let Some(latest) = &self.latest else {
            self.quality = quality;
            return quality;
        };
        if point.event_ms < latest.event_ms {
            return quality;
        }
        if quality == Quality::Good {
            let far = |from: f64| step_max.is_some_and(|step_max| (value - from).abs() > step_max);
            let stepped = is_neighbour(latest.event_ms, point.event_ms)
                && far(physical(latest.raw, latest.num, latest.den))
                && self.stepped_to.is_none_or(far);
            self.stepped_to = stepped.then_some(value);
            quality = if stepped { Quality::Step } else { Quality::Good };
        }
        self.quality = quality;
        quality
    }

    /// The latest value is this one, unless a newer one is there.
    fn show(&mut self, signal: &SignalRef, point: &Point, Teller { device, offset, .. }: Teller<'_>) {
        let (raw, num, den, event_ms) = (point.raw, signal.num, signal.den, point.event_ms);
        match &mut self.latest {
            Some(latest) if event_ms < latest.event_ms => {}
            Some(latest) => {
                (latest.raw, latest.num, latest.den, latest.event_ms) = (raw, num, den, event_ms);
                latest.offset = offset;
                if !std::sync::Arc::ptr_eq(&latest.device, device) {
                    latest.device = device.clone();
                }
            }
            None => self.latest = Some(Latest { raw, num, den, event_ms, device: device.clone(), offset }),
        }
    }

    fn newest_ms(&self) -> Option<i64> {
        self.latest.as_ref().map(|latest| latest.event_ms)
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.windows.is_sound()
            && self.forecaster.as_ref().is_none_or(|forecaster| forecaster.is_sound())
            && self.latest.as_ref().is_none_or(|latest| latest.den > 0)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let forecaster = |forecaster: &Forecaster| size_of::<Forecaster>() + forecaster.heap_bytes();
        self.windows.heap_bytes() + self.forecaster.as_deref().map_or(0, forecaster)
    }

    /// Replaces its names by shared ones.
    pub(crate) fn intern(&mut self, mut shared: impl FnMut(&Name) -> Name) {
        self.name = shared(&self.name);
        self.unit = shared(&self.unit);
        if let Some(latest) = &mut self.latest {
            latest.device = shared(&latest.device);
        }
    }
}

fn same(a: &Name, b: &Name) -> bool {
    Name::ptr_eq(a, b) || a == b
}

/// Whether a forecast of it has a meaning: a mean over ten minutes has to say something. What only its sender knows is
/// taken for a level.
fn is_level(signal: &SignalRef) -> bool {
    signal.nature == Nature::Level
}

/// The largest plausible step in its unit.
fn step_max(signal: &SignalRef) -> Option<f64> {
    let scale = f64::from(signal.num) / f64::from(signal.den);
    signal.step_max.map(|raw| raw as f64 * scale)
}

fn is_neighbour(before_ms: i64, event_ms: i64) -> bool {
    event_ms.saturating_sub(before_ms) <= NEIGHBOURS_MS_MAX
}

/// Whether something that arrived at `arrival_ms` is dated impossibly far ahead.
pub(crate) fn is_future(event_ms: i64, arrival_ms: i64) -> bool {
    event_ms > arrival_ms.saturating_add(FUTURE_MS_MAX)
}

/// The value in the signal's unit: exact to the last bit of a double while `raw × num` is below 2^53.
pub(crate) fn physical(raw: i64, num: u32, den: u32) -> f64 {
    let whole = raw as f64 * f64::from(num);
    // A division that changes nothing takes as long as one that does.
    if den == 1 { whole } else { whole / f64::from(den) }
}

#[cfg(test)]
mod tests;
