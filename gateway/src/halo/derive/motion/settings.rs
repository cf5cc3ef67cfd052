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
    /// What a fall is.
    pub fall: FallSettings,
}

/// What a fall is, by acceleration with gravity in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FallSettings {
    /// A wrist that reads less than this falls, g. Default 0.6: in each fall of Bourke et al. 2007
    /// (doi:10.1016/j.gaitpost.2006.09.012) a thigh read less.
    pub light_g: f64,
    /// For so long at least, ms. Default 150: a swing of an arm is shorter.
    pub light_ms: u32,
    /// The impact reads this at least, g. Default 2: 25 readings a second miss part of a peak.
    pub impact_g: f64,
    /// It comes so long after the force was little, ms. Default 1000.
    pub within_ms: u32,
    /// How far the band's posture has turned since, degrees. Default 40.
    pub turn_deg: f64,
    /// Who moves less than this on average lies still, g. Default 0.1.
    pub still_g: f64,
    /// How long the wearer has to lie still before it is a fall, s. Default 10; less tells sooner, and more often of
    /// nothing.
    pub still_s: u32,
    /// How long the wearer has to move before they are up again, s. Default 3.
    pub up_s: u32,
}

impl Default for MotionSettings {
    fn default() -> Self {
        Self { bout_s: 30, off_s: 600, day_of_use_s: 600, fall: FallSettings::default() }
    }
}

impl MotionSettings {
    /// The same with every value inside what its field allows.
    pub(super) fn tamed(&self) -> Self {
        Self {
            bout_s: self.bout_s.clamp(5, 86_400),
            off_s: self.off_s.clamp(60, 86_400),
            day_of_use_s: self.day_of_use_s.min(86_400),
            fall: self.fall.tamed(),
        }
    }
}

impl Default for FallSettings {
    fn default() -> Self {
        Self {
            light_g: 0.6,
            light_ms: 150,
            impact_g: 2.0,
            within_ms: 1000,
            turn_deg: 40.0,
            still_g: 0.1,
            still_s: 10,
            up_s: 3,
        }
    }
}

impl FallSettings {
    /// The same with every value inside what its field allows; what is not a number becomes its default.
    fn tamed(&self) -> Self {
        let usual = Self::default();
        let tame =
            |value: f64, low: f64, high: f64, usual: f64| if value.is_nan() { usual } else { value.clamp(low, high) };
        Self {
            light_g: tame(self.light_g, 0.1, 0.9, usual.light_g),
            light_ms: self.light_ms.clamp(40, 1000),
            impact_g: tame(self.impact_g, 1.0, 16.0, usual.impact_g),
            within_ms: self.within_ms.min(5000),
            turn_deg: tame(self.turn_deg, 0.0, 180.0, usual.turn_deg),
            still_g: tame(self.still_g, 0.02, 1.0, usual.still_g),
            still_s: self.still_s.clamp(1, 600),
            up_s: self.up_s.clamp(1, 600),
        }
    }
}
