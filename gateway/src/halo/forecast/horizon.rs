//! One horizon: forecasts wait for their outcome; the outcome chooses, widens, and decides what is published.

use serde::{Deserialize, Serialize};

use super::half::Half;
use super::model::{PLAIN, SEASONAL};
use super::{DAY, HOUR, STEP_MS};

/// How far ahead, in steps, and every how many steps a forecast is kept to be judged: the outcomes of neighbours are
/// alike. A stride is no divisor of a day, so that the times of day that are judged move on.
pub(super) const HORIZONS: [(u16, u16); 4] = [(1, 1), (HOUR, 2), (6 * HOUR, 13), (DAY, 29)];
/// Candidates: last value, the plain ones, then seasonal naive and the seasonal ones.
pub(super) const LAST: usize = 0;
pub(super) const NAIVE: usize = 1 + PLAIN.len();
pub(super) const CANDIDATES: usize = NAIVE + 1 + SEASONAL.len();

/// Share of outcomes an interval is to hold.
pub(super) const COVERAGE: f64 = 0.9;
/// Largest published ratio of mean absolute error to that of the better naive forecast.
const MASE_MAX: f64 = 0.9;
/// Errors an interval is made of.
const ERRORS: usize = 32;
/// Errors without which there is no interval.
const ERRORS_MIN: u32 = 20;
/// How much an older outcome counts: for the choice of the candidate, and for the skill.
const CHOICE_DECAY: f64 = 0.97;
const SKILL_DECAY: f64 = 0.99;
/// Outcomes before a candidate can be chosen, by weight.
const CHOICE_MIN: f64 = 3.5;
/// Another candidate is chosen when its error is below this share of the present one's.
const CHANGE: f64 = 0.97;
/// Publishing needs so many outcomes, spread over so many horizons' lengths, and a gain so many standard errors above
/// zero.
const OUTCOMES_MIN: f64 = 20.0;
const WINDOWS_MIN: f64 = 4.0;
const SURE: f64 = 2.0;
/// Weight of an outcome in the recent gain, and below which recent gain nothing stays published.
const RECENT: f64 = 0.12;
const RECENT_MIN: f32 = -0.1;
/// How fast the interval's nominal miss rate follows the misses (I. Gibbs and E. Candès, "Adaptive conformal inference
/// under distribution shift", 2021), and between which rates.
const ADAPT: f64 = 0.01;
const MISS_MIN: f64 = 0.02;
const MISS_MAX: f64 = 0.3;

/// What is expected of a signal one horizon ahead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Of its horizon: `10m`, `1h`, `6h` or `24h`.
    pub name: &'static str,
    /// How far ahead of the last step it knows, s.
    pub horizon_s: u32,
    /// It is of the mean of the ten minutes that end then, Unix ms.
    pub time_ms: i64,
    /// In the signal's unit.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Nominal share of outcomes within the interval: 0.9.
    pub coverage: f64,
    /// `ses`, `holt`, `reversion`, `holt_winters`, `last_value` or `seasonal_naive`.
    pub method: &'static str,
    /// 1 − the ratio of its mean absolute error to that of the better of last value and seasonal naive, at this horizon
    /// and over the last hundred outcomes or so; at least 0.1 when published.
    pub skill: f64,
}

/// What every candidate says, relative to the signal's reference; none where it says nothing.
pub(super) type Said = [Option<f64>; CANDIDATES];

/// No step.
const NEVER: i32 = i32::MIN;

/// A forecast made, until its step has passed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Made {
    /// The step it was made after; [`NEVER`] after a gap.
    origin: i32,
    /// The value of that step.
    last: f32,
    /// What each candidate says more.
    more: [Half; PLAIN.len()],
    low: Half,
    high: Half,
    shown: u8,
}

/// What only a horizon of a signal with a season has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Seasonal {
    /// By slot of `made`: as `more`.
    more: Box<[[Half; 1 + SEASONAL.len()]]>,
    scores: [f32; 1 + SEASONAL.len()],
    weight: f32,
    against: Against,
}

/// What was shown against one naive forecast; means over outcomes, newer ones counting more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Against {
    weight: f32,
    shown: f32,
    naive: f32,
    /// Of the last few outcomes, the gain over the sum of both errors, so that a few large ones of old do not hide that
    /// the signal has changed.
    recent: f32,
    /// The last gain's distance from its mean, its mean square, and its mean product with the one before.
    off: f32,
    variance: f32,
    product: f32,
}

/// Everything of one horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Horizon {
    steps: u16,
    chosen: u8,
    pub(super) published: bool,
    /// By origin.
    made: Box<[Made]>,
    /// Mean absolute error of each plain candidate, newer outcomes counting more.
    scores: [f32; NAIVE],
    weight: f32,
    /// Of what was shown, the newest ones; the next one goes to this place modulo their number.
    errors: [Half; ERRORS],
    judged: u32,
    /// Share of outcomes the interval leaves out.
    miss: f32,
    against: Against,
    /// Interval around what is shown.
    low: f32,
    high: f32,
    seasonal: Option<Box<Seasonal>>,
}

impl Horizon {
    /// The horizon of that number, if there are so many.
    pub(super) fn new(number: usize) -> Option<Self> {
        let (steps, stride) = *HORIZONS.get(number)?;
        let none = Made {
            origin: NEVER,
            last: 0.0,
            more: [Half::MISSING; PLAIN.len()],
            low: Half::MISSING,
            high: Half::MISSING,
            shown: 0,
        };
        Some(Self {
            steps,
            chosen: 0,
            published: false,
            made: vec![none; slots(steps, stride)].into(),
            scores: [0.0; NAIVE],
            weight: 0.0,
            errors: [Half::MISSING; ERRORS],
            judged: 0,
            miss: (1.0 - COVERAGE) as f32,
            against: Against::default(),
            low: 0.0,
            high: 0.0,
            seasonal: None,
        })
    }

    pub(super) fn steps(&self) -> u16 {
        self.steps
    }

    /// Makes room for seasonal candidates, or takes it back.
    pub(super) fn set_seasonal(&mut self, seasonal: bool) {
        self.seasonal = seasonal.then(|| {
            let more = vec![[Half::MISSING; 1 + SEASONAL.len()]; self.made.len()].into();
            Box::new(Seasonal { more, scores: [0.0; 1 + SEASONAL.len()], weight: 0.0, against: Against::default() })
        });
        if usize::from(self.chosen) >= NAIVE {
            self.chosen = self.best().map_or(0, |(best, _)| best);
        }
    }

    /// The candidate it shows.
    pub(super) fn chosen(&self) -> usize {
        usize::from(self.chosen)
    }

    /// Ends of the interval around what is shown, once there are enough errors.
    pub(super) fn interval(&self) -> Option<(f64, f64)> {
        (self.judged >= ERRORS_MIN).then(|| (f64::from(self.low), f64::from(self.high)))
    }

    /// 1 − the larger of the two error ratios; none before any outcome.
    pub(super) fn skill(&self) -> Option<f64> {
        self.rivals().filter_map(Against::ratio).reduce(f64::max).map(|ratio| 1.0 - ratio)
    }

    /// Whether a forecast made after this step is kept.
    pub(super) fn keeps(&self, origin: i32) -> bool {
        self.slot(origin).is_some()
    }

    /// Keeps what every candidate says after the step `origin` of value `last`.
    pub(super) fn make(&mut self, origin: i32, last: f64, said: &Said) {
        let Some(slot) = self.slot(origin) else { return };
        let last_kept = last as f32;
        let more = |at: usize| {
            said.get(at).copied().flatten().map_or(Half::MISSING, |said| Half::of(said - f64::from(last_kept)))
        };
        let interval = self.interval();
        if let Some(made) = self.made.get_mut(slot) {
            made.origin = origin;
            made.last = last_kept;
            made.more = std::array::from_fn(|at| more(1 + at));
            made.low = interval.map_or(Half::MISSING, |(low, _)| Half::of(low));
            made.high = interval.map_or(Half::MISSING, |(_, high)| Half::of(high));
            made.shown = self.chosen;
        }
        if let Some(kept) = self.seasonal.as_mut().and_then(|seasonal| seasonal.more.get_mut(slot)) {
            *kept = std::array::from_fn(|at| more(NAIVE + at));
        }
    }

    /// Judges the forecasts made of the step `index` by its value, if there were any.
    pub(super) fn judge(&mut self, index: i32, value: f64) {
        let Some(origin) = index.checked_sub(i32::from(self.steps)) else { return };
        let Some(slot) = self.slot(origin) else { return };
        let Some(made) = self.made.get(slot).copied().filter(|made| made.origin == origin) else { return };
        let error = |more: Half| more.get().map(|more| value - (f64::from(made.last) + more));
        let seasonal = self.seasonal.as_ref().and_then(|seasonal| seasonal.more.get(slot));
        let mut errors: Said = [None; CANDIDATES];
        let more = made.more.iter().chain(seasonal.into_iter().flatten());
        errors.iter_mut().skip(1).zip(more).for_each(|(to, more)| *to = error(*more));
        errors[LAST] = Some(value - f64::from(made.last));
        self.score(&errors);
        if let Some(shown) = errors.get(usize::from(made.shown)).copied().flatten() {
            self.learn(&made, shown, &errors);
        }
        self.choose();
        self.decide();
    }

    /// Forgets forecasts whose step has not come.
    pub(super) fn forget_open(&mut self) {
        self.made.iter_mut().for_each(|made| made.origin = NEVER);
    }

    pub(super) fn is_sound(&self) -> bool {
        let known = HORIZONS.iter().find(|(steps, _)| *steps == self.steps);
        known.is_some_and(|(steps, stride)| slots(*steps, *stride) == self.made.len())
            && self.seasonal.as_ref().is_none_or(|seasonal| seasonal.more.len() == self.made.len())
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let more = |seasonal: &Seasonal| size_of::<Seasonal>() + size_of_val(&*seasonal.more);
        size_of_val(&*self.made) + self.seasonal.as_deref().map_or(0, more)
    }

    /// Where forecasts of this origin stand, if any are kept.
    fn slot(&self, origin: i32) -> Option<usize> {
        let (_, stride) = HORIZONS.iter().find(|(steps, _)| *steps == self.steps)?;
        let stride = i32::from(*stride);
        if origin.rem_euclid(stride) != 0 {
            return None;
        }
        let slots = i32::try_from(self.made.len()).ok()?.max(1);
        usize::try_from(origin.div_euclid(stride).rem_euclid(slots)).ok()
    }

    /// What was shown had this error: it widens or narrows the interval, and counts for the skill.
    fn learn(&mut self, made: &Made, shown: f64, errors: &Said) {
        if let Some((low, high)) = made.low.get().zip(made.high.get()) {
            let missed = shown < low || shown > high;
            let miss = f64::from(self.miss) + ADAPT * (1.0 - COVERAGE - if missed { 1.0 } else { 0.0 });
            self.miss = miss.clamp(MISS_MIN, MISS_MAX) as f32;
        }
        if let Some(oldest) = self.errors.get_mut(self.judged as usize % ERRORS) {
            *oldest = Half::of(shown);
        }
        self.judged = if self.judged == u32::MAX { self.judged - ERRORS as u32 + 1 } else { self.judged + 1 };
        let mut sorted = [0.0; ERRORS];
        let known = sorted
            .iter_mut()
            .zip(self.errors.iter().filter_map(|error| error.get()))
            .map(|(to, error)| *to = error)
            .count();
        let sorted = sorted.get_mut(..known).unwrap_or_default();
        sorted.sort_unstable_by(f64::total_cmp);
        let miss = f64::from(self.miss);
        self.low = conformal(sorted, miss / 2.0).unwrap_or(0.0).min(0.0) as f32;
        self.high = conformal(sorted, 1.0 - miss / 2.0).unwrap_or(0.0).max(0.0) as f32;
        if let Some(last) = errors[LAST] {
            self.against.add(shown.abs(), last.abs());
        }
        if let Some((seasonal, naive)) = self.seasonal.as_mut().zip(errors[NAIVE]) {
            seasonal.against.add(shown.abs(), naive.abs());
        }
    }

    /// Candidates of one kind begin together: all of them said something, or none.
    fn score(&mut self, errors: &Said) {
        let (plain, seasonal) = errors.split_at(NAIVE);
        average(&mut self.scores, &mut self.weight, plain);
        if let Some(kept) = &mut self.seasonal {
            average(&mut kept.scores, &mut kept.weight, seasonal);
        }
    }

    fn choose(&mut self) {
        let now = self.scored().find(|(at, _)| *at == self.chosen).map_or(f64::INFINITY, |(_, score)| score);
        if let Some((best, error)) = self.best()
            && error < CHANGE * now
        {
            self.chosen = best;
        }
    }

    /// The candidate of the least error, among those with some outcomes.
    fn best(&self) -> Option<(u8, f64)> {
        self.scored().min_by(|a, b| a.1.total_cmp(&b.1))
    }

    fn scored(&self) -> impl Iterator<Item = (u8, f64)> + '_ {
        let known = |weight: f32| f64::from(weight) >= CHOICE_MIN;
        let plain = self.scores.iter().filter(move |_| known(self.weight));
        let seasonal = self.seasonal.as_ref().filter(|seasonal| known(seasonal.weight));
        let seasonal = seasonal.into_iter().flat_map(|seasonal| &seasonal.scores);
        let number = |at: usize| u8::try_from(at).unwrap_or(u8::MAX);
        let plain = plain.enumerate().map(move |(at, score)| (number(at), f64::from(*score)));
        plain.chain(seasonal.enumerate().map(move |(at, score)| (number(NAIVE + at), f64::from(*score))))
    }

    /// Published once surely better than both naive forecasts, and as long as better.
    fn decide(&mut self) {
        let stride = HORIZONS.iter().find(|(steps, _)| *steps == self.steps).map_or(1, |(_, stride)| *stride);
        let overlap = f64::from(self.steps) / f64::from(stride);
        let good = self.rivals().all(|against| against.ratio().is_some_and(|ratio| ratio <= MASE_MAX));
        let recent = self.rivals().all(|against| against.recent >= RECENT_MIN);
        let sure = self.published || self.rivals().all(|against| against.sure(overlap));
        self.published = self.rivals().next().is_some() && good && recent && self.interval().is_some() && sure;
    }

    fn rivals(&self) -> impl Iterator<Item = &Against> {
        let seasonal = self.seasonal.as_ref().map(|seasonal| &seasonal.against);
        [Some(&self.against), seasonal].into_iter().flatten().filter(|against| against.weight > 0.0)
    }
}

fn average(scores: &mut [f32], weight: &mut f32, errors: &[Option<f64>]) {
    if errors.iter().flatten().next().is_none() {
        return;
    }
    let grown = f64::from(*weight) * CHOICE_DECAY + 1.0;
    *weight = grown as f32;
    for (score, error) in scores.iter_mut().zip(errors) {
        let before = f64::from(*score);
        *score = error.map_or(before, |error| before + (error.abs() - before) / grown) as f32;
    }
}

/// The quantile by rank q (n + 1) of ascending numbers, as conformal prediction counts: a new draw falls below it with
/// probability `q`.
fn conformal(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = (q * (sorted.len() as f64 + 1.0) - 1.0).clamp(0.0, last as f64);
    let below = position.floor();
    let index = below as usize;
    let low = *sorted.get(index)?;
    let high = sorted.get(index + 1).copied().unwrap_or(low);
    Some(low + (high - low) * (position - below))
}

impl Against {
    fn add(&mut self, shown: f64, naive: f64) {
        let weight = f64::from(self.weight) * SKILL_DECAY + 1.0;
        let share = 1.0 / weight;
        let toward = |mean: &mut f32, value: f64, share: f64| {
            *mean = (f64::from(*mean) + (value - f64::from(*mean)) * share) as f32;
        };
        toward(&mut self.shown, shown, share);
        toward(&mut self.naive, naive, share);
        let (gain, both) = (MASE_MAX * naive - shown, MASE_MAX * naive + shown);
        // Of two exact forecasts none is better.
        toward(&mut self.recent, if both > 0.0 { gain / both } else { 0.0 }, share.max(RECENT));
        let (off, before) = (gain - self.gain(), f64::from(self.off));
        toward(&mut self.variance, off * off, share);
        toward(&mut self.product, off * before, share);
        (self.off, self.weight) = (off as f32, weight as f32);
    }

    /// Mean of MASE_MAX × naive error − shown error: above zero when better.
    fn gain(&self) -> f64 {
        MASE_MAX * f64::from(self.naive) - f64::from(self.shown)
    }

    /// Mean absolute error of what was shown over that of the naive forecast.
    fn ratio(&self) -> Option<f64> {
        (self.naive > 0.0).then(|| f64::from(self.shown) / f64::from(self.naive))
    }

    /// Whether the gain is above zero beyond chance. Outcomes near each other are alike: there are as many independent
    /// ones as a first-order autoregression of the same correlation has.
    fn sure(&self, overlap: f64) -> bool {
        let (weight, variance) = (f64::from(self.weight), f64::from(self.variance));
        let alike = if variance > 0.0 { (f64::from(self.product) / variance).clamp(0.0, 0.98) } else { 0.0 };
        // The weight is a geometric sum; the sum of the squares follows from it.
        let left = 1.0 - weight * (1.0 - SKILL_DECAY);
        let squares = (1.0 - left * left) / (1.0 - SKILL_DECAY * SKILL_DECAY);
        let outcomes = weight * weight / squares.max(1.0);
        let independent = outcomes * (1.0 - alike) / (1.0 + alike);
        outcomes >= OUTCOMES_MIN
            && outcomes >= WINDOWS_MIN * overlap
            && self.gain() > SURE * (variance / independent).sqrt()
    }
}

/// How many forecasts wait at most: an outcome is judged before the next forecast is made.
const fn slots(steps: u16, stride: u16) -> usize {
    steps.div_ceil(stride) as usize
}

/// What a horizon is called.
pub(super) fn name(steps: u16) -> &'static str {
    match steps {
        1 => "10m",
        HOUR => "1h",
        DAY => "24h",
        _ => "6h",
    }
}

/// A number of steps in seconds.
pub(super) fn seconds(steps: u16) -> u32 {
    u32::from(steps) * (STEP_MS / 1_000) as u32
}
