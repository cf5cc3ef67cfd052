//! A turbofan's wear: its health, how many flights it has left and which sensors say so.
//!
//! In: one row per flight, three settings and up to 21 sensors by the names of the registry's `turbofan` schema. Out:
//! a health index, remaining useful life with an interval, the sensors that drive it.
//!
//! * [`Engine`] is the state: smoothed sensors, no more. It knows no model, so that another model can be asked of the
//!   same state, and a replay gives the same bits.
//! * [`Model`] is data, read from a file whose every bit is checked: how sensors are scaled and weighed into one measure
//!   of wear, boosted trees over features of that wear, and a table of intervals. Asking it costs at most trees × depth.
//! * `train` makes a model from run-to-failure histories, and tells how good it is on units it has not seen; feature
//!   `train`.
//!
//! Nothing is said before [`fold::CYCLES_MIN`] flights, while a sensor that the model needs is absent, or of an engine that
//! flies in conditions other than the settings name. Sensors that never changed in training have no influence. An engine
//! first heard of in midlife without a `cycle` counts its flights from then on, and looks younger than it is.

mod features;
mod figures;
mod flight;
mod fold;
mod model;
mod check;
mod file;
mod rows;
#[cfg(feature = "train")]
mod boost;
#[cfg(feature = "train")]
mod calibrate;
#[cfg(feature = "train")]
mod train;

pub(crate) use figures::{phm08_score, rmse};
pub(crate) use file::FORMAT_VERSION;
pub use file::ModelError;
pub(crate) use flight::{Flight, Readout};
pub(crate) use fold::{Engine, EngineSettings};
pub(crate) use model::Model;
#[cfg(feature = "train")]
pub(crate) use model::TrainSettings;
pub(crate) use rows::{last_forecasts, parse_rows};
#[cfg(feature = "train")]
pub(crate) use train::train;

#[cfg(test)]
pub(in crate::halo) mod tests;
