//! What may be set of drives.

use serde::{Deserialize, Serialize};

/// Thresholds and times of a car's drives.
///
/// There is no standard of "harsh"; the defaults are definitions in use, held against the 53 labelled manoeuvres of the
/// Driver Behavior Dataset (PLOS ONE 10.1371/journal.pone.0174959). Braking, 7 mph in 1 s, is what insurers and their
/// suppliers write (Progressive, DriveWay, Verizon "moderate"); it finds 11 of 12 aggressive brakes and none of 11 calm
/// manoeuvres. Acceleration 0.2 g and turn 0.3 g are PosiTrace's for passenger cars: 7 of 12 aggressive accelerations
/// reach the first (the 0.37 g of other suppliers: none), all 12 aggressive turns the second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DriveSettings {
    /// Loss of speed from which braking is harsh, m/s². Default 3.129 (7 mph in 1 s).
    pub braking_mps2: f64,
    /// Gain of speed from which acceleration is harsh, m/s². Default 1.961 (0.2 g).
    pub acceleration_mps2: f64,
    /// Sideways acceleration from which a turn is harsh, m/s². Default 2.942 (0.3 g).
    pub cornering_mps2: f64,
    /// Time over which speeds are differenced, ms. At least the time after which a repeated value is fresh again: 2000
    /// (default) for a diagnostic port, 1000 where every reading is a measurement.
    pub span_ms: u32,
    /// Runs of harsh samples closer than this are one manoeuvre, ms. Default 2000.
    pub merge_ms: u32,
    /// A trip ends when the engine has been off, or nothing was heard, for this long, ms. Default 300000; an ignition
    /// that is told to go off ends it at once.
    pub end_after_ms: u32,
    /// Longest time between two readings that is integrated over, ms. Default 30000.
    pub gap_ms: u32,
    /// Speed from which the car moves, km/h. Default 1.
    pub moving_kmh: f64,
    /// What the engine burns, for fuel by air flow. Default petrol.
    pub fuel: Fuel,
    /// How trips are scored.
    pub score: ScoreSettings,
}

/// What an engine burns: decides the fuel in a gram of air.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fuel {
    /// 14.7 g of air per g, 745 g/L.
    Petrol,
    /// 14.5 g of air per g when none is left over, 832 g/L. Diesels run lean: an upper bound.
    Diesel,
}

/// The score of a trip: 100 less four deductions, none below 0.
///
/// Deduction for manoeuvres = points × events per 100 km, at most the cap; for idling = points × share of the trip's
/// time beyond the free share, at most the cap. A trip shorter than `floor_km` counts as that long, so that one brake on
/// a short way is not a rate of ten. The caps add up to 100.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScoreSettings {
    /// Trips below this have no score, km. Default 1.
    pub least_km: f64,
    /// Shorter trips count as this long, km. Default 5.
    pub floor_km: f64,
    /// Points per harsh brake in 100 km. Default 1, at most 40 in all.
    pub braking_points: f64,
    /// Points per harsh acceleration in 100 km. Default 0.25, at most 20 in all.
    pub acceleration_points: f64,
    /// Points per harsh turn in 100 km. Default 0.25, at most 20 in all.
    pub cornering_points: f64,
    /// Points for idling the whole trip. Default 50, at most 20 in all.
    pub idling_points: f64,
    /// Share of the trip's time that may be idled freely: lights and queues. Default 0.25.
    pub idling_free: f64,
}

impl Default for DriveSettings {
    fn default() -> Self {
        Self {
            braking_mps2: 3.129,
            acceleration_mps2: 1.961,
            cornering_mps2: 2.942,
            span_ms: 2000,
            merge_ms: 2000,
            end_after_ms: 300_000,
            gap_ms: 30_000,
            moving_kmh: 1.0,
            fuel: Fuel::Petrol,
            score: ScoreSettings::default(),
        }
    }
}

impl Default for ScoreSettings {
    fn default() -> Self {
        Self {
            least_km: 1.0,
            floor_km: 5.0,
            braking_points: 1.0,
            acceleration_points: 0.25,
            cornering_points: 0.25,
            idling_points: 50.0,
            idling_free: 0.25,
        }
    }
}

impl Fuel {
    /// Litres an hour of an engine that draws so many grams of air a second.
    pub(super) fn litres_an_hour(self, air_g_s: f64) -> f64 {
        let (air_per_fuel, grams_per_litre) = match self {
            Self::Petrol => (14.7, 745.0),
            Self::Diesel => (14.5, 832.0),
        };
        air_g_s * 3600.0 / (air_per_fuel * grams_per_litre)
    }
}
