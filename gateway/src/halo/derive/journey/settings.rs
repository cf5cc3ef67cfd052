//! What may be set of journeys.

use serde::{Deserialize, Serialize};

/// Thresholds and times of a parcel's journey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JourneySettings {
    /// Displacements below this are noise to `journey.travelled`, m. Default 15: twice what a receiver wanders in the
    /// open.
    pub noise_m: f64,
    /// Who stays within this of where it came to rest stands, m. Default 40.
    pub standing_m: f64,
    /// … for this long, ms. Default 120000.
    pub standing_after_ms: u32,
    /// Who is further than this from where it stood, in two fixes running, moves again, m. Default 60.
    pub leaving_m: f64,
    /// Longest time between two fixes that gives a speed, ms. Default 600000.
    pub gap_ms: u32,
    /// Time constant of the pace, ms: what is longer ago hardly counts. Default 900000.
    pub pace_ms: u32,
    /// Shocks from here on are excursions, g. Default 8.
    pub shock_g: f64,
    /// Warmest temperature allowed, °C. Default 8, of the cold chain for medicines (2 to 8 °C).
    pub warmest_cel: f64,
    /// Coldest temperature allowed, °C. Default 2.
    pub coldest_cel: f64,
    /// An excursion of temperature ends this far inside the allowed range, K. Default 0.3.
    pub margin_cel: f64,
}

impl Default for JourneySettings {
    fn default() -> Self {
        Self {
            noise_m: 15.0,
            standing_m: 40.0,
            standing_after_ms: 120_000,
            leaving_m: 60.0,
            gap_ms: 600_000,
            pace_ms: 900_000,
            shock_g: 8.0,
            warmest_cel: 8.0,
            coldest_cel: 2.0,
            margin_cel: 0.3,
        }
    }
}
