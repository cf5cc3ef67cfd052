//! The forecaster of one signal.

use serde::{Deserialize, Serialize};

use super::crossing::{self, Crossing, Side};
use super::horizon::{CANDIDATES, COVERAGE, Forecast, HORIZONS, Horizon, LAST, NAIVE, Said, name, seconds};
use super::model::{Model, PLAIN, Rates, SEASONAL, SLOW, STEADY};
use super::season::{Hours, Look, Season};
use super::{DAY, HOUR, STEP_MS, Step};

/// Values further from zero than this are not forecast; with the bound no square overflows 32 bits.
const MAGNITUDE_MAX: f64 = 1e12;
/// After a gap of more than this many steps levels start anew and open forecasts are forgotten; the season stays.
const RESET: i32 = DAY as i32;
/// After a gap of this many the season is of another time.
const FORGET: i32 = 14 * DAY as i32;

/// Forecasts of one signal, by the methods that have been best at it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecaster {
    /// The first value. All state is relative to it, so that 32 bits keep seven digits of what varies.
    reference: f64,
    /// The last step and its value.
    newest: i32,
    last: f32,
    /// Steps since levels started.
    seen: u16,
    models: [Model; PLAIN.len()],
    hours: Hours,
    /// Nearest first; a far one is there once the signal is as old as it is far.
    horizons: Vec<Horizon>,
    season: Option<Box<Season>>,
}

impl Forecaster {
    /// Begins with a step; none of a value or at a time that cannot be forecast.
    pub(crate) fn new(step: Step) -> Option<Self> {
        let newest = Self::takes(step)?;
        let mut begun = Self {
            reference: step.mean,
            newest,
            last: 0.0,
            seen: 0,
            models: [Model::default(); PLAIN.len()],
            hours: Hours::new(newest),
            horizons: Vec::new(),
            season: None,
        };
        begun.take(0.0);
        Some(begun)
    }

    /// Takes the next step. One that is no later than the last, or whose value is no measurement, changes nothing.
    pub(crate) fn step(&mut self, step: Step) {
        let Some(index) = Self::takes(step).filter(|index| *index > self.newest) else { return };
        let gap = index.saturating_sub(self.newest).saturating_sub(1);
        if gap > RESET {
            self.reset(index, gap);
        } else {
            (1..=gap).for_each(|ahead| self.pass(self.newest + ahead));
        }
        self.newest = index;
        self.take(step.mean - self.reference);
    }

    /// The published forecasts, nearest first.
    pub fn forecasts(&self) -> impl Iterator<Item = Forecast> + '_ {
        self.outlooks().filter(|(published, _)| *published).map(|(_, forecast)| forecast)
    }

    /// When the published path will have reached `limit`; none when it is there already, when it stays short of it as
    /// far as it is published, or when nothing is published.
    pub fn crossing(&self, limit: f64, side: Side) -> Option<Crossing> {
        let published = || self.horizons.iter().filter(|horizon| horizon.published);
        let last = published().next_back()?.steps();
        let steps = (1..HOUR).chain((HOUR..=DAY).step_by(usize::from(HOUR))).take_while(|steps| *steps <= last);
        let path = steps.map_while(|steps| Some((steps, self.point(published(), steps)?)));
        crossing::find(limit, side, self.reference + f64::from(self.last), self.known_until_ms(), path)
    }

    /// The period, in seconds, once there is a season.
    pub fn period_s(&self) -> Option<u32> {
        self.season.as_ref().map(|season| u32::from(season.period()) * 3_600)
    }

    /// All forecasts that have an interval, and whether each is published.
    pub(super) fn outlooks(&self) -> impl Iterator<Item = (bool, Forecast)> + '_ {
        self.horizons.iter().filter_map(|horizon| Some((horizon.published, self.forecast(horizon)?)))
    }

    pub(crate) fn is_sound(&self) -> bool {
        let told = self.horizons.iter().zip(&HORIZONS).all(|(horizon, (steps, _))| horizon.steps() == *steps);
        told && self.horizons.len() <= HORIZONS.len()
            && self.horizons.iter().all(Horizon::is_sound)
            && self.reference.is_finite()
            && self.hours.is_sound()
            && self.season.as_ref().is_none_or(|season| season.is_sound())
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.horizons.capacity() * size_of::<Horizon>()
            + self.horizons.iter().map(Horizon::heap_bytes).sum::<usize>()
            + self.hours.heap_bytes()
            + self.season.as_ref().map_or(0, |season| size_of::<Season>() + season.heap_bytes())
    }

    /// The step's number, if it can be taken.
    fn takes(step: Step) -> Option<i32> {
        // Far enough from the ends that no horizon and no hour overflows.
        const ENDS: std::ops::Range<i32> = i32::MIN / 4..i32::MAX / 4;
        let index = i32::try_from(step.index).ok()?;
        (step.mean.abs() <= MAGNITUDE_MAX && ENDS.contains(&index)).then_some(index)
    }

    /// Takes the value of the step that is the newest now.
    fn take(&mut self, value: f64) {
        let index = self.newest;
        self.horizons.iter_mut().for_each(|horizon| horizon.judge(index, value));
        self.update(value);
        if let Some(ended) = self.hours.push(index, value) {
            self.learn_season(ended);
        }
        self.begin_horizons();
        self.make();
    }

    fn update(&mut self, value: f64) {
        self.last = value as f32;
        update(&mut self.models, &PLAIN, value, self.seen);
        self.seen = self.seen.saturating_add(1);
        if let Some(season) = &mut self.season {
            let above = season.at(self.newest);
            update(&mut season.models, &SEASONAL, value - above, season.seen);
            season.seen = season.seen.saturating_add(1);
            season.push(self.newest, Some(value));
        }
    }

    /// A step without a value.
    fn pass(&mut self, step: i32) {
        let pass = |models: &mut [Model], rates: &[Rates]| {
            for (model, rates) in models.iter_mut().zip(rates) {
                let mut course = model.get();
                course.pass(rates);
                model.set(course);
            }
        };
        pass(&mut self.models, &PLAIN);
        if let Some(season) = &mut self.season {
            pass(&mut season.models, &SEASONAL);
            season.push(step, None);
        }
    }

    /// A gap too long to bridge.
    fn reset(&mut self, index: i32, gap: i32) {
        self.seen = 0;
        self.horizons.iter_mut().for_each(Horizon::forget_open);
        self.hours = Hours::new(index);
        if let Some(season) = &mut self.season {
            season.seen = 0;
            (0..i32::from(DAY)).for_each(|back| season.push(index - i32::from(DAY) + back, None));
        }
        if gap > FORGET {
            self.set_season(None);
        }
    }

    /// An hour has ended, with this mean.
    fn learn_season(&mut self, (hour, mean): (i32, f64)) {
        if let Some(season) = &mut self.season
            && let Some(level) = season.models.get(STEADY).filter(|_| season.seen > 0).map(|model| model.get().level)
        {
            season.learn(hour, mean - level);
        }
        match self.hours.look(self.season.as_ref().map(|season| season.period())) {
            Look::Same => {}
            Look::Faded => self.set_season(None),
            Look::Found(found) => {
                self.set_season(Some(Season::new(&found, self.models.get(SLOW).map_or(0.0, |model| model.get().level))))
            }
        }
    }

    fn set_season(&mut self, season: Option<Season>) {
        self.season = season.map(Box::new);
        let seasonal = self.season.is_some();
        self.horizons.iter_mut().for_each(|horizon| horizon.set_seasonal(seasonal));
    }

    fn begin_horizons(&mut self) {
        while let Some((steps, _)) = HORIZONS.get(self.horizons.len()).filter(|(steps, _)| self.seen >= *steps)
            && let Some(mut horizon) = Horizon::new(self.horizons.len())
        {
            debug_assert_eq!(horizon.steps(), *steps);
            horizon.set_seasonal(self.season.is_some());
            self.horizons.reserve_exact(1);
            self.horizons.push(horizon);
        }
    }

    fn make(&mut self) {
        let mut horizons = std::mem::take(&mut self.horizons);
        for horizon in horizons.iter_mut().filter(|horizon| horizon.keeps(self.newest)) {
            let said: Said = std::array::from_fn(|at| self.relative(at, horizon.steps()));
            debug_assert_eq!(said.len(), CANDIDATES);
            horizon.make(self.newest, f64::from(self.last), &said);
        }
        self.horizons = horizons;
    }

    fn forecast(&self, horizon: &Horizon) -> Option<Forecast> {
        let (low, high) = horizon.interval()?;
        let value = self.ahead(horizon, horizon.steps())?;
        Some(Forecast {
            name: name(horizon.steps()),
            horizon_s: seconds(horizon.steps()),
            time_ms: self.known_until_ms() + i64::from(horizon.steps()) * STEP_MS,
            value,
            low: value + low,
            high: value + high,
            coverage: COVERAGE,
            method: method(horizon.chosen())?,
            skill: horizon.skill()?,
        })
    }

    /// End of the last step.
    fn known_until_ms(&self) -> i64 {
        (i64::from(self.newest) + 1) * STEP_MS
    }

    /// Value and interval of the path so many steps ahead, by the nearest published horizon that reaches so far; the
    /// interval's ends lie on lines between the horizons'.
    fn point<'a>(&'a self, published: impl Iterator<Item = &'a Horizon>, steps: u16) -> Option<[f64; 3]> {
        let mut before = None;
        for horizon in published {
            if horizon.steps() < steps {
                before = Some(horizon);
                continue;
            }
            let value = self.ahead(horizon, steps)?;
            let (low, high) = horizon.interval()?;
            let (nearer, (low_before, high_before)) = match before {
                Some(before) => (before.steps(), before.interval()?),
                None => (horizon.steps(), (low, high)),
            };
            let between = f64::from(horizon.steps().saturating_sub(nearer)).max(1.0);
            let share = if before.is_some() { f64::from(horizon.steps() - steps) / between } else { 0.0 };
            return Some([
                value,
                value + low + (low_before - low) * share,
                value + high + (high_before - high) * share,
            ]);
        }
        None
    }

    /// What a horizon's candidate expects, in the signal's unit.
    fn ahead(&self, horizon: &Horizon, steps: u16) -> Option<f64> {
        Some(self.reference + self.relative(horizon.chosen(), steps)?)
    }

    fn relative(&self, candidate: usize, steps: u16) -> Option<f64> {
        if candidate == LAST {
            return Some(f64::from(self.last));
        }
        if let Some((rates, model)) = PLAIN.get(candidate - 1).zip(self.models.get(candidate - 1)) {
            return Some(model.get().ahead(rates, steps));
        }
        let season = self.season.as_ref()?;
        let target = self.newest.saturating_add(i32::from(steps));
        let Some(at) = candidate.checked_sub(NAIVE + 1) else {
            return season.naive(target, self.newest);
        };
        let (rates, model) = SEASONAL.get(at).zip(season.models.get(at))?;
        Some(model.get().ahead(rates, steps) + season.at(target))
    }
}

fn update(models: &mut [Model], rates: &[Rates], value: f64, seen: u16) {
    for (model, rates) in models.iter_mut().zip(rates) {
        let mut course = model.get();
        course.update(rates, value, seen);
        model.set(course);
    }
}

fn method(candidate: usize) -> Option<&'static str> {
    match candidate {
        LAST => Some("last_value"),
        NAIVE => Some("seasonal_naive"),
        _ if candidate < NAIVE => PLAIN.get(candidate - 1).map(|rates| rates.method),
        _ => SEASONAL.get(candidate - NAIVE - 1).map(|rates| rates.method),
    }
}
