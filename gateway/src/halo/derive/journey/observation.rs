//! One row of a parcel's readings.

use super::super::row::{Field, Row};

/// What a tracker said at one time; only what is there is used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Observation {
    /// Degrees north.
    pub(crate) latitude: Option<f64>,
    /// Degrees east.
    pub(crate) longitude: Option<f64>,
    /// g; the peak since the last row.
    pub(crate) shock: Option<f64>,
    /// °C, of the goods.
    pub(crate) temperature: Option<f64>,
}

impl Row for Observation {
    /// By registered name, in the registry's unit.
    fn field(signal: &str) -> Option<Field<Self>> {
        let field: Field<Self> = match signal {
            "latitude" => |row| &mut row.latitude,
            "longitude" => |row| &mut row.longitude,
            "shock" => |row| &mut row.shock,
            "cargo_temperature" => |row| &mut row.temperature,
            _ => return None,
        };
        Some(field)
    }
}
