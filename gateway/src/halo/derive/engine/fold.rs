//! One engine: what its sensors have shown so far.

use serde::{Deserialize, Serialize};

use super::super::ewma::Ewma;
use super::super::order::Order;
use super::super::value::{Derived, Value};
use super::features::{SENSORS, SensorId};
use super::flight::Flight;
use super::model::Model;

/// Flights before anything is said: fewer tell noise from drift too badly.
pub(crate) const CYCLES_MIN: u32 = 10;
/// A sensor that was absent in more flights than this is no longer known.
const ABSENT_MAX: u16 = 10;
/// A counter that leaps further than this was set anew; fewer flights were missed.
const MISSED_MAX: u32 = 100;
/// What a new engine's sensors show is the mean of this many values.
const FIRST: u32 = 10;
/// Larger values are nonsense on every scale in use; they count as absent.
const MAGNITUDE_MAX: f64 = 1e9;

/// Smoothing of the four means of each sensor.
pub(super) const ALPHAS: [f64; 4] = [0.02, 0.05, 0.1, 0.2];

/// Under which conditions readings are compared; the defaults are those of C-MAPSS FD001, at sea level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct EngineSettings {
    /// The three operational settings, in their own units.
    pub(crate) conditions: [f64; 3],
    /// A flight whose settings are further from them than this is let pass.
    pub(crate) tolerance: [f64; 3],
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { conditions: [0.0, 0.0, 100.0], tolerance: [0.02, 0.002, 0.5] }
    }
}

/// What a reading told besides its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EngineEvent {
    /// The device's counter went back or leapt: the engine's own count goes on by one.
    CounterReset,
    /// The same cycle again: let pass.
    Repeated,
    /// Told after a later flight: let pass, as means are of the order of flights.
    Late,
    /// Settings outside the conditions of this engine: counted as flown, its sensors let pass.
    OtherConditions,
}

/// The state of one engine; see [`Self::BYTES_MAX`] for its bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Engine {
    settings: EngineSettings,
    /// Flights of this engine as far as they are known.
    cycles: u32,
    /// The newest number the device gave.
    counter: Option<u32>,
    /// Flights in other conditions since the last one in these.
    elsewhere: u32,
    order: Order,
    gauges: [Gauge; SENSORS.len()],
}

const _: () = assert!(size_of::<Engine>() <= Engine::BYTES_MAX);

/// One sensor, smoothed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Gauge {
    pub(super) n: u32,
    absent: u16,
    /// Mean of the first values, at most [`FIRST`].
    pub(super) first: f64,
    /// Mean of all values.
    pub(super) mean: f64,
    /// Sum of what the 0.1 mean was away from `first`, value by value.
    pub(super) drift_sum: f64,
    /// Means by [`ALPHAS`].
    means: [Ewma; ALPHAS.len()],
    /// The first three means smoothed once more: how far they lag behind tells the slope.
    lags: [Ewma; 3],
}

impl Engine {
    /// Bytes of a state, in memory and written.
    pub(crate) const BYTES_MAX: usize = 4096;

    /// A new engine.
    pub(crate) fn new(settings: &EngineSettings) -> Self {
        let (settings, gauges) = (settings.clone(), [Gauge::NEW; SENSORS.len()]);
        Self { settings, cycles: 0, counter: None, elsewhere: 0, order: Order::default(), gauges }
    }

    /// A frame arrived at `now_ms` by the gateway's clock: if that was set back, flights begin a new order.
    pub(crate) fn arrived(&mut self, now_ms: i64) {
        if self.order.is_ahead_of(now_ms) {
            self.order = Order::default();
        }
    }

    /// Takes a flight in. Life is counted in flights: their times tell their order only.
    pub(crate) fn flight(&mut self, at_ms: i64, flight: &Flight) -> Option<EngineEvent> {
        if !self.order.admits(at_ms) {
            return Some(EngineEvent::Late);
        }
        let (flown, event) = self.count(flight.cycle);
        if flown == 0 {
            return event;
        }
        self.cycles = self.cycles.saturating_add(flown);
        if self.is_elsewhere(&flight.settings) {
            self.elsewhere = self.elsewhere.saturating_add(1);
            return Some(EngineEvent::OtherConditions);
        }
        self.elsewhere = 0;
        for (gauge, value) in self.gauges.iter_mut().zip(&flight.sensors) {
            gauge.add(*value);
        }
        event
    }

    /// The engine came back as new: another one hangs on the wing, or it was rebuilt.
    pub(crate) fn overhauled(&mut self) {
        *self = Self { order: self.order, ..Self::new(&self.settings) };
    }

    /// Flights since it was new, as far as they are known.
    pub(crate) fn cycles(&self) -> u32 {
        self.cycles
    }

    /// What `model` knows of it now: `engine.health` (1 as new, 0 at failure), `engine.rul` (flights left, with the
    /// model's interval) and `engine.drivers` (the sensors whose drift speaks of wear, strongest first).
    pub(crate) fn values(&self, model: &Model, out: &mut Vec<Derived>) {
        let Some(forecast) = model.forecast(self) else { return };
        out.push(Derived::plain("engine.health", Value::Number(forecast.health), ""));
        out.push(Derived {
            confidence: Some(forecast.coverage),
            low: Some(forecast.low),
            high: Some(forecast.high),
            ..Derived::plain("engine.rul", Value::Number(forecast.rul), "{flight}")
        });
        if !forecast.drivers.is_empty() {
            out.push(Derived::plain("engine.drivers", Value::List(forecast.drivers), ""));
        }
    }

    /// A sensor's state; none while too little is known of it.
    pub(super) fn gauge(&self, sensor: SensorId) -> Option<&Gauge> {
        self.gauges.get(usize::from(sensor.0)).filter(|gauge| gauge.n >= CYCLES_MIN && gauge.absent <= ABSENT_MAX)
    }

    /// Whether its newest flights were in the conditions it is known in.
    pub(super) fn is_at_home(&self) -> bool {
        self.elsewhere <= u32::from(ABSENT_MAX)
    }

    /// How many flights a reading stands for.
    fn count(&mut self, cycle: Option<u32>) -> (u32, Option<EngineEvent>) {
        let Some(cycle) = cycle else { return (1, None) };
        match self.counter.replace(cycle) {
            // A unit that is first seen in midlife has flown what its counter says.
            None => (cycle.max(1), None),
            Some(last) if last == cycle => (0, Some(EngineEvent::Repeated)),
            Some(last) if last < cycle && cycle - last <= MISSED_MAX => (cycle - last, None),
            Some(_) => (1, Some(EngineEvent::CounterReset)),
        }
    }

    fn is_elsewhere(&self, settings: &[f64; 3]) -> bool {
        let bounds = self.settings.conditions.iter().zip(&self.settings.tolerance);
        settings.iter().zip(bounds).any(|(got, (wanted, tolerance))| (got - wanted).abs() > *tolerance)
    }
}

impl Gauge {
    const NEW: Self = Self {
        n: 0,
        absent: 0,
        first: 0.0,
        mean: 0.0,
        drift_sum: 0.0,
        means: [Ewma::EMPTY; ALPHAS.len()],
        lags: [Ewma::EMPTY; 3],
    };

    fn add(&mut self, value: f64) {
        if value.is_nan() || value.abs() > MAGNITUDE_MAX {
            self.absent = self.absent.saturating_add(1);
            return;
        }
        self.absent = 0;
        self.n = self.n.saturating_add(1);
        self.mean += (value - self.mean) / f64::from(self.n);
        if self.n <= FIRST {
            self.first = self.mean;
        }
        for (mean, alpha) in self.means.iter_mut().zip(ALPHAS) {
            mean.add(alpha, value);
        }
        for ((lag, mean), alpha) in self.lags.iter_mut().zip(&self.means).zip(ALPHAS) {
            lag.add(alpha, mean.value().unwrap_or(value));
        }
        self.drift_sum += self.drift();
    }

    /// Means by [`ALPHAS`].
    pub(super) fn levels(&self) -> [f64; 4] {
        self.means.map(|mean| mean.value().unwrap_or(0.0))
    }

    /// How far the first three means are ahead of their own smoothed past.
    pub(super) fn leads(&self) -> [f64; 3] {
        let [slow, middle, fast, _] = self.levels();
        let [slow_lag, middle_lag, fast_lag] = self.lags.map(|lag| lag.value().unwrap_or(0.0));
        [slow - slow_lag, middle - middle_lag, fast - fast_lag]
    }

    /// How far the 0.1 mean is from the first values.
    pub(super) fn drift(&self) -> f64 {
        let [_, _, fast, _] = self.levels();
        fast - self.first
    }
}
