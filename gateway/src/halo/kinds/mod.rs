//! What is derived of which device: by the kinds the registry knows, and by those a fleet describes in its configuration.
//!
//! In: the configuration of a fold. Out: for each frame a [`Plan`]: which derivations its readings feed, and by which
//! names and units they want them.
//!
//! * A device is of a kind of the configuration when its id matches one of the kind's patterns, or else when the birth of
//!   its frame's schema says one of the kind's numbers; of several kinds the first in the file. A device that matches
//!   none is what its frame's schema says in the registry; of any other nothing is derived.
//! * A reading feeds a derivation under the name the kind maps it to, or under its own name, in the unit of the
//!   registry: units that measure the same are converted, and those that do not are an error of the configuration. Where
//!   nobody said a unit, the value is taken as it is.
//! * What the configuration says is in the log before the frames it is about, so that a replay derives the same.
//!
//! Knows nothing of files and of TOML; a configuration that was never checked derives nothing.

mod settings;
mod own;
mod units;
mod plan;

pub use own::{Derive, Own, OwnKind};
pub(crate) use plan::{Family, Kinds, Plan};
pub(crate) use settings::Settings;
