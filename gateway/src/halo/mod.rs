//! 3. Records become what is known of each subject now.
//!
//! In: every record of the log, once, in offset order. Out: subjects (signals with their latest value and windows,
//! derived signals, place, what happened, presence, quality), which of them a record changed, and the rows of a checkpoint.
//!
//! * The same log gives the same halos, byte for byte, in whatever batches and with whatever restarts in between:
//!   [`Fold::apply`] reads no clock, draws no chance and walks no hash map; writing a checkpoint changes no state.
//! * Time is the largest stamp applied. A device is silent from the first record stamped at or past its deadline.
//! * Values outside their signal's range, implausible steps and readings of the future are counted and kept out;
//!   nothing from outside can make the fold fail. A frame that cannot be read tells only that its device was heard.
//! * A checkpoint is fuzzy: rows are written in slices while the fold goes on, each row knows the offset it is of, and
//!   a replay from the watermark leaves a subject alone until it passes that offset.
//!
//! * Models tell what is folded; they change nothing of it. Those that are brought are asked when a halo is rendered, which
//!   waits no longer than their limits.
//!
//! No I/O and no JSON here. Only the river calls it; `forward` renders what it holds.

mod sketch;
mod forecast;
mod trend;
mod window;
mod rule;
mod run;
mod signal;
mod derive;
mod kinds;
mod brought;
mod models;
mod surroundings;
mod derivations;
mod presence;
mod places;
mod ties;
mod sparks;
mod members;
mod cohorts;
mod offers;
mod subject;
mod holders;
mod turns;
mod parts;
mod subjects;
mod fold;
mod people;
mod checkpoint;

pub use brought::{Brought, Input, Miss, Run};
pub use checkpoint::{LoadError, Slice};
pub use cohorts::{Cohorts, Counted, Told};
pub(crate) use derive::engine;
pub use derive::{Derived, DerivedKind, Happening, Value as DerivedValue, derived_kind, derived_names};
pub use derive::{DriveSettings, HeartSettings, JourneySettings, MotionSettings, TasteSettings};
pub use fold::{FOLD_VERSION, Fold, Said, Touched};
pub use forecast::{Crossing, Forecast, Forecaster, Side};
pub use kinds::{Derive, Own, OwnKind};
pub use members::{Moments, is_counted, organisations};
pub use models::{ModelError, Models};
pub use offers::{Offer, Offered, Offers};
pub use presence::{Device, DeviceState};
pub use rule::Other;
pub(crate) use rule::Teller;
pub(crate) use signal::physical;
pub use signal::{Latest, Quality, Signal};
pub use sketch::Tally;
pub use sparks::{Book, Ledger, SPARKS_MAX, Sparked, Sparks};
pub use subject::{Counts, EventSeen, Subject, TextSeen};
pub use ties::Ties;
pub use trend::Rate;
pub use window::Stats;

#[cfg(test)]
pub(crate) mod tests;
