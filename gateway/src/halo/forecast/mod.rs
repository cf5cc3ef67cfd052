//! Forecasts of one signal, by whichever simple method has been best at it so far.
//!
//! In: means of steps of ten minutes of event time, in order. Out: for 10 min, 1 h, 6 h and 24 h ahead a value, an
//! interval and a measured skill, or nothing; and when a limit will be reached.
//!
//! * `model`: one recurrence, from last value to damped Holt–Winters, run for each of a few fixed parameter sets.
//! * `season`: the period, by autocorrelation over sixty hours; what a season costs is allocated once there is one.
//! * `horizon`: every forecast is held until its step has passed, then judged. The candidate with the least recent
//!   absolute error is shown, its interval comes from the errors of what was shown, and it is published only while what
//!   was shown is surely better than both last value and seasonal naive.
//! * `crossing`: the published path against a limit.
//!
//! Nothing is decided on data it is then measured on: a forecast is kept as it was shown before its outcome is known. A
//! step without readings is a gap: it updates nothing but lets the season go on.
//!
//! Pure and replayable: no I/O, no clock, no chance, and no operation whose last bit depends on the machine. State is in
//! 32 bits and less and its size is bounded; it holds on any `f64` and any time. Own recurrences and not a crate: those for
//! Rust refit a whole window per forecast and keep it in memory.

mod half;
mod model;
mod horizon;
mod season;
mod crossing;
mod forecaster;

pub use crossing::{Crossing, Side};
pub use forecaster::Forecaster;
pub use horizon::Forecast;

/// Length of a step, ms.
pub(crate) const STEP_MS: i64 = 600_000;
/// Steps of an hour, and of a day.
const HOUR: u16 = 6;
const DAY: u16 = 144;

/// The mean of a signal's good readings of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    /// Which one: it covers the left-open [`STEP_MS`] from `index × STEP_MS` on, Unix time.
    pub(crate) index: i64,
    /// In the signal's unit.
    pub(crate) mean: f64,
}

#[cfg(test)]
mod tests;
