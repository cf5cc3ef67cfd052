//! Derived signals: pure, incremental, replayable folds of one device's readings.
//!
//! In: readings in the order the log has them, times in Unix milliseconds of corrected device time; [`Rows`] merges
//! those of one frame by time. Out: values that are known now, and events as they happen. State is bounded, holds on any
//! `f64` and any time, and goes on after a restart as if there had been none. No I/O, no clock, no chance; what is not
//! known is absent.

mod names;
mod value;
mod row;
mod order;
mod sliding;
mod earth;
mod drive;
mod journey;
mod heart;
mod motion;
mod visit;
mod taste;
mod body;
mod ewma;
pub(crate) mod engine;
mod zones;
mod happening;

pub(crate) use body::{Body, Vitals};
pub use drive::DriveSettings;
pub(crate) use drive::{Drive, DriveEvent, Sample, Trip};
pub(crate) use earth::Position;
pub use happening::Happening;
pub(crate) use happening::Happenings;
pub use heart::HeartSettings;
pub use journey::JourneySettings;
pub(crate) use journey::{Goal, Journey, Observation};
pub use motion::MotionSettings;
pub use names::{DerivedKind, derived_kind, derived_names};
pub(crate) use row::{Row, Rows};
pub use taste::TasteSettings;
pub(crate) use taste::{Opinion, Taste, topic_of};
pub use value::{Derived, Value};
pub(crate) use zones::{Fix, Waits, Whereabouts, Zones};

#[cfg(test)]
pub(in crate::halo) mod real_data;
