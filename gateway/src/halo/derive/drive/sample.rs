//! One row of a car's readings.

/// What a car said at one time; only what is there is used. The groups of a frame are merged by time into such rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// km/h, 0 to 400.
    pub speed: Option<f64>,
    /// Revolutions a minute; above 0 the engine runs.
    pub rpm: Option<f64>,
    /// km; bridges what was lost between readings of speed.
    pub odometer: Option<f64>,
    /// L/h.
    pub fuel_rate: Option<f64>,
    /// Mass air flow, g/s; used where there is no fuel rate.
    pub air_flow: Option<f64>,
    /// Sideways acceleration, g; the peak since the last row.
    pub acc_peak_y: Option<f64>,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// How many diagnostic trouble codes are set.
    pub dtc_count: Option<f64>,
}

impl Sample {
    /// Takes the value of a signal by its registered name (or `air_flow`), in the registry's unit; false for a signal
    /// that drives are not made of.
    pub fn set(&mut self, signal: &str, value: f64) -> bool {
        let field = match signal {
            "speed" => &mut self.speed,
            "rpm" => &mut self.rpm,
            "odometer" => &mut self.odometer,
            "fuel_rate" => &mut self.fuel_rate,
            "air_flow" => &mut self.air_flow,
            "acc_peak_y" => &mut self.acc_peak_y,
            "latitude" => &mut self.latitude,
            "longitude" => &mut self.longitude,
            "dtc_count" => &mut self.dtc_count,
            _ => return false,
        };
        *field = Some(value);
        true
    }
}

/// The value if it is one that can be.
pub(super) fn sound(value: Option<f64>, max: f64) -> Option<f64> {
    value.filter(|value| (0.0..=max).contains(value))
}
