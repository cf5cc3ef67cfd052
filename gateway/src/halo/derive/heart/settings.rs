//! What may be set about a heart.

use serde::{Deserialize, Serialize};

/// Thresholds, with defaults for an adult; the same for every beat of a subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeartSettings {
    /// Below this mean rate of 16 beats it is bradycardia, /min. Default 50 (2018 ACC/AHA/HRS guideline on bradycardia:
    /// sinus rate below 50); lower it for athletes, or to a pacemaker's lower rate.
    pub bradycardia_per_min: f64,
    /// Above this mean rate of 16 beats it is tachycardia, /min. Default 100 (2015 ACC/AHA/HRS guideline on
    /// supraventricular tachycardia: rate above 100). Exercise exceeds it too: raise it for people who train.
    pub tachycardia_per_min: f64,
    /// How far the rate must come back for either to end, /min. Default 5.
    pub pace_hysteresis_per_min: f64,
    /// Shortest interval that is a pause, ms. Default 2000; never below 1000. An interval above 3000 is a long pause
    /// (both steps: ACC/AHA/HRS 2018, where pauses above 3 s are the ones that may call for pacing).
    pub pause_ms: f64,
    /// An interval shorter than this share of the median of the last normal ones is early. Default 0.85, between 0.5
    /// and 0.95.
    pub early_share: f64,
    /// How much silence between two beats still counts as one right after the other, ms; what more is missing was not
    /// sent. Default 1000, so that straps that notify once a second lose nothing; at most 10000.
    pub gap_ms: f64,
    /// Share of a window that normal intervals must cover before its variability is told. Default 0.5, from 0 to 1.
    pub coverage_min: f64,
    /// Highest rate of the subject, /min; zones 1 to 5 begin at 50, 60, 70, 80 and 90 % of it. Default 187, which is
    /// 208 − 0.7 × age at 30 (Tanaka, Monahan, Seals 2001, doi:10.1016/S0735-1097(00)01054-8).
    pub rate_max_per_min: f64,
}

impl Default for HeartSettings {
    fn default() -> Self {
        Self {
            bradycardia_per_min: 50.0,
            tachycardia_per_min: 100.0,
            pace_hysteresis_per_min: 5.0,
            pause_ms: 2000.0,
            early_share: 0.85,
            gap_ms: 1000.0,
            coverage_min: 0.5,
            rate_max_per_min: 187.0,
        }
    }
}

impl HeartSettings {
    /// The same with every value inside what its field allows; what is not a number becomes its default.
    pub(super) fn tamed(&self) -> Self {
        let usual = Self::default();
        let tame =
            |value: f64, low: f64, high: f64, usual: f64| if value.is_nan() { usual } else { value.clamp(low, high) };
        Self {
            bradycardia_per_min: tame(self.bradycardia_per_min, 0.0, 300.0, usual.bradycardia_per_min),
            tachycardia_per_min: tame(self.tachycardia_per_min, 0.0, 300.0, usual.tachycardia_per_min),
            pace_hysteresis_per_min: tame(self.pace_hysteresis_per_min, 0.0, 50.0, usual.pace_hysteresis_per_min),
            pause_ms: tame(self.pause_ms, 1000.0, 5000.0, usual.pause_ms),
            early_share: tame(self.early_share, 0.5, 0.95, usual.early_share),
            gap_ms: tame(self.gap_ms, 0.0, 10_000.0, usual.gap_ms),
            coverage_min: tame(self.coverage_min, 0.0, 1.0, usual.coverage_min),
            rate_max_per_min: tame(self.rate_max_per_min, 100.0, 250.0, usual.rate_max_per_min),
        }
    }
}
