//! `[halo]`: what a halo shows, and by what it is derived.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::geography::{DestinationEntry, Zones};
use crate::halo::{DriveSettings, HeartSettings, JourneySettings, MotionSettings, Own, OwnKind};
use crate::ingest::own::OwnSignal;
use crate::record::Geography;
use crate::units;

/// What a halo shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Halo {
    /// A device not heard of for this long is shown as `silent`. Default 5 min.
    #[serde(deserialize_with = "units::duration")]
    pub silent_after: Duration,
    /// Whether signals are forecast 10 min, 1 h, 6 h and 24 h ahead. Default true; false saves about 1.5 KB of memory for
    /// each signal that is a level (a temperature, a heart rate), and drops what was learnt of all of them.
    pub forecasts: bool,
    /// Models in place of those of this build.
    pub models: ModelFiles,
    /// Zones by which halos tell where a subject is. Default none.
    pub zones: Option<Zones>,
    /// Where parcels are bound for; their halos tell when they will be there.
    pub destination: Vec<DestinationEntry>,
    /// What the file of zones and the destinations came to when they were read.
    #[serde(skip)]
    pub(super) geography: Geography,
    /// Signals of a fleet's own: units and plausible ranges of names the registry does not know.
    pub signals: Vec<OwnSignal>,
    /// Kinds of devices of a fleet's own, and what is derived of them.
    pub kinds: Vec<OwnKind>,
    /// Thresholds of a car's drives.
    pub drive: DriveSettings,
    /// Thresholds of a parcel's journey.
    pub journey: JourneySettings,
    /// Thresholds of hearts.
    pub heart: HeartSettings,
    /// Thresholds of movement and wear.
    pub motion: MotionSettings,
}

impl Halo {
    /// What is derived of which device, and by which thresholds.
    pub fn own(&self) -> Own {
        let Self { signals, kinds, drive, journey, heart, motion, .. } = self.clone();
        Own { signals, kinds, drive, journey, heart, motion }
    }
}

impl Default for Halo {
    fn default() -> Self {
        let geography = Geography::default();
        let Own { signals, kinds, drive, journey, heart, motion } = Own::default();
        Self {
            signals,
            kinds,
            drive,
            journey,
            heart,
            motion,
            silent_after: Duration::from_secs(300),
            forecasts: true,
            models: ModelFiles::default(),
            zones: None,
            destination: Vec::new(),
            geography,
        }
    }
}

/// `[halo.models]`: files read at the start. They are no part of what is folded: with another one the same state is told
/// in another way.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelFiles {
    /// Remaining life of turbofans, as `model train` writes it. Default: the one this build carries.
    pub turbofan: Option<PathBuf>,
}
