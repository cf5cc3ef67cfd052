//! Derived signals: pure, incremental, replayable folds of one device's readings.
//!
//! In: readings in the order the log has them, times in Unix milliseconds of corrected device time. Out: values that are
//! known now, and events as they happen. State is bounded, holds on any `f64` and any time, and goes on after a restart
//! as if there had been none. No I/O, no clock, no chance; what is not known is absent.

pub mod engine;
pub mod rolling;
pub mod value;
