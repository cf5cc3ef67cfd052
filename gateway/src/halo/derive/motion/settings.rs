//! What may be set about movement.

use serde::{Deserialize, Serialize};

/// Durations and thresholds, the same for every band of a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MotionSettings {
    /// How long another activity must last before it is the activity, s: shorter ones neither begin nor end a bout.
    /// Default 30; at least 5.
    pub bout_s: u32,
    /// Without pulse and movement for longer than this, the band is not worn, s. Default 600, as short naps of the
    /// sensor and of the wearer are; at least 60.
    pub off_s: u32,
    /// Wear in a day from which the day counts as one of use, s. Default 600; 0 counts a day with any wear.
    pub day_of_use_s: u32,
}

impl Default for MotionSettings {
    fn default() -> Self {
        Self { bout_s: 30, off_s: 600, day_of_use_s: 600 }
    }
}

impl MotionSettings {
    /// The same with every value inside what its field allows.
    pub(super) fn tamed(&self) -> Self {
        Self {
            bout_s: self.bout_s.clamp(5, 86_400),
            off_s: self.off_s.clamp(60, 86_400),
            day_of_use_s: self.day_of_use_s.min(86_400),
        }
    }
}
