//! One row of a car's readings.

use super::super::row::{Field, Row};

/// What a car said at one time; only what is there is used. The groups of a frame are merged by time into such rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// km/h, 0 to 400.
    pub(crate) speed: Option<f64>,
    /// Revolutions a minute; above 0 the engine runs.
    pub(crate) rpm: Option<f64>,
    /// km; bridges what was lost between readings of speed.
    pub(crate) odometer: Option<f64>,
    /// L/h.
    pub(crate) fuel_rate: Option<f64>,
    /// Mass air flow, g/s; used where there is no fuel rate.
    pub(crate) air_flow: Option<f64>,
    /// Sideways acceleration, g; the peak since the last row.
    pub(crate) acc_peak_y: Option<f64>,
    /// How many diagnostic trouble codes are set.
    pub(crate) dtc_count: Option<f64>,
}

impl Row for Sample {
    /// By registered name (or `air_flow`), in the registry's unit.
    fn field(signal: &str) -> Option<Field<Self>> {
        let field: Field<Self> = match signal {
            "speed" => |row| &mut row.speed,
            "rpm" => |row| &mut row.rpm,
            "odometer" => |row| &mut row.odometer,
            "fuel_rate" => |row| &mut row.fuel_rate,
            "air_flow" => |row| &mut row.air_flow,
            "acc_peak_y" => |row| &mut row.acc_peak_y,
            "dtc_count" => |row| &mut row.dtc_count,
            _ => return None,
        };
        Some(field)
    }
}

/// The value if it is one that can be.
pub(super) fn sound(value: Option<f64>, max: f64) -> Option<f64> {
    value.filter(|value| (0.0..=max).contains(value))
}
