//! A turbofan's wear: its health, how many flights it has left and which sensors say so.
//!
//! In: one reading per flight, three settings and up to 21 sensors by the names of the registry's `turbofan` schema. Out:
//! a health index, remaining useful life with an interval, the sensors that drive it.
//!
//! * [`Engine`] is the state: smoothed sensors, no more. It knows no model, so that another model can be asked of the
//!   same state, and a replay gives the same bits.
//! * [`Model`] is data, read from a file whose every bit is checked: how sensors are scaled and weighed into one measure
//!   of wear, boosted trees over features of that wear, and a table of intervals. Asking it costs at most trees × depth.
//! * `train` makes a model from run-to-failure histories, and tells how good it is on units it has not seen.
//!
//! Nothing is said before [`CYCLES_MIN`] flights, while a sensor that the model needs is absent, or of an engine that
//! flies in conditions other than the settings name. Sensors that never changed in training have no influence.

mod features;
mod file;
mod figures;
mod fold;
mod model;
#[cfg(feature = "train")]
mod boost;
#[cfg(feature = "train")]
mod calibrate;
mod rows;
#[cfg(feature = "train")]
mod train;

pub use features::SENSORS;
pub use figures::{phm08_score, rmse};
pub use file::{FILE_BYTES_MAX, FORMAT_VERSION, ModelError};
pub use fold::{CYCLES_MIN, Engine, EngineEvent, EngineSettings, Flight};
pub use model::{Figures, Forecast, Model, TrainSettings, Training};
pub use rows::{Row, RowError, parse_rows};
#[cfg(feature = "train")]
pub use train::{TrainError, train};

#[cfg(test)]
mod tests;
