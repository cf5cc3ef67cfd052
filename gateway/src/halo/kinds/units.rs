//! From the unit a fleet measures in to the one a derivation wants.

use halo_proto::registry;

/// The unit a derivation wants a signal in.
pub(super) fn of(wanted: &str) -> &'static str {
    match registry::signal_named(wanted) {
        Some(known) => known.unit,
        None if wanted == "air_flow" => "g/s",
        None => "",
    }
}

/// From one unit to another: value × `.0` + `.1`. None between units of different quantities; a value without a unit is
/// taken as it is.
pub(super) fn conversion(from: &str, to: &str) -> Option<(f64, f64)> {
    if from == to || from.is_empty() || to.is_empty() {
        return Some((1.0, 0.0));
    }
    let factor = match (from, to) {
        ("m/s", "km/h") => 3.6,
        ("[mi_i]/h", "km/h") => 1.609_344,
        ("m", "km") => 0.001,
        ("[mi_i]", "km") => 1.609_344,
        ("s", "ms") | ("kg/s", "g/s") => 1_000.0,
        ("Hz" | "/s", "/min") => 60.0,
        ("{beats}/min", "/min") => 1.0,
        ("mL/h", "L/h") => 0.001,
        ("m/s2", "[g]") => 1.0 / 9.806_65,
        ("mg" | "m[g]", "[g]") => 0.001,
        ("rad", "deg") => 180.0 / std::f64::consts::PI,
        ("K", "Cel") => return Some((1.0, -273.15)),
        ("[degF]", "Cel") => return Some((5.0 / 9.0, -160.0 / 9.0)),
        _ => return None,
    };
    Some((factor, 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_converted_between_units_of_one_quantity_only() {
        let converted = |value: f64, from, to| conversion(from, to).map(|(factor, shift)| value * factor + shift);
        assert_eq!(converted(10.0, "m/s", of("speed")), Some(36.0));
        assert_eq!(converted(273.15, "K", of("cargo_temperature")), Some(0.0));
        assert!(converted(212.0, "[degF]", "Cel").is_some_and(|cel| (cel - 100.0).abs() < 1e-9));
        assert_eq!(converted(1.2, "Hz", of("heart_rate")), Some(72.0));
        assert_eq!((converted(5.0, "", "km/h"), converted(5.0, "Cel", "km/h")), (Some(5.0), None));
    }
}
