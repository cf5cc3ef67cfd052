//! `[halo]`: what a halo shows, and by what it is derived.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::geography::{DestinationEntry, Zones};
use crate::halo::{DriveSettings, HeartSettings, JourneySettings, MotionSettings, Own, OwnKind, TasteSettings};
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
    /// How likes and skips are weighed.
    pub taste: TasteSettings,
}

impl Halo {
    /// What is derived of which device, and by which thresholds.
    pub fn own(&self) -> Own {
        let Self { signals, kinds, drive, journey, heart, motion, taste, .. } = self.clone();
        Own { signals, kinds, drive, journey, heart, motion, taste }
    }
}

impl Default for Halo {
    fn default() -> Self {
        let geography = Geography::default();
        let Own { signals, kinds, drive, journey, heart, motion, taste } = Own::default();
        Self {
            signals,
            kinds,
            drive,
            journey,
            heart,
            motion,
            taste,
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
    /// Models of one's own, in ONNX; in a build with feature `onnx`.
    pub onnx: Vec<OnnxModel>,
}

/// One `[[halo.models.onnx]]`: one number of values of a halo, told as one more derived signal.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnnxModel {
    /// Of the derived signal, `[A-Za-z0-9._-]{1,64}`; none that this gateway derives itself.
    pub name: String,
    /// The model: one tensor of float32 in, `[1, n]` or `[n]` for n inputs; float32 out.
    pub file: PathBuf,
    /// UCUM. Default: none, a pure number.
    #[serde(default)]
    pub unit: String,
    /// What it takes, in its order, by the paths of the halo's document: `signals.egt.value`.
    pub inputs: Vec<String>,
    /// Which number of its first output of float32 is told. Default 0, the first.
    #[serde(default)]
    pub output: usize,
    /// Longest time of one inference, up to 100 ms; a model late three times in a row is not run any more. Default 50 ms.
    #[serde(default = "fifty_milliseconds", deserialize_with = "units::duration")]
    pub limit: Duration,
}

/// On a machine with five times more to do than it can, a thread waits up to 10 ms for its turn.
fn fifty_milliseconds() -> Duration {
    Duration::from_millis(50)
}
