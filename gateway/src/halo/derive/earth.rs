//! Places on the WGS 84 ellipsoid; the one file that knows the geodesy library.

use std::sync::LazyLock;

use geographiclib_rs::{Geodesic, InverseGeodesic};
use serde::{Deserialize, Serialize};

static WGS84: LazyLock<Geodesic> = LazyLock::new(Geodesic::wgs84);

/// Metres of one degree of latitude, of the sphere with the ellipsoid's mean radius.
pub(super) const METRES_PER_DEGREE: f64 = 111_195.08;

/// A place that can exist: finite, latitude −90 to 90, longitude −180 to 180.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    latitude: f64,
    longitude: f64,
}

impl Position {
    /// Of degrees. None for what is no place, and for exactly (0, 0), which receivers without a fix report.
    pub(crate) fn new(latitude: f64, longitude: f64) -> Option<Self> {
        let sound = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
        (sound && (latitude != 0.0 || longitude != 0.0)).then_some(Self { latitude, longitude })
    }

    /// Of degrees that a configuration was checked for; what is beyond the ends is put on them.
    pub(crate) fn on_earth(latitude: f64, longitude: f64) -> Self {
        let within = |degrees: f64, end: f64| if degrees.is_finite() { degrees.clamp(-end, end) } else { 0.0 };
        Self { latitude: within(latitude, 90.0), longitude: within(longitude, 180.0) }
    }

    /// Degrees north.
    pub(crate) fn latitude(self) -> f64 {
        self.latitude
    }

    /// Degrees east.
    pub(crate) fn longitude(self) -> f64 {
        self.longitude
    }

    /// The same place; the antimeridian itself is called 180 degrees west.
    pub(super) fn east_of_the_antimeridian(self) -> Self {
        if self.longitude == 180.0 { Self { longitude: -180.0, ..self } } else { self }
    }

    /// Length of the geodesic in metres (Karney 2013), exact to 15 nm.
    pub(crate) fn distance_m(self, other: Self) -> f64 {
        if self == other {
            return 0.0;
        }
        WGS84.inverse(self.latitude, self.longitude, other.latitude, other.longitude)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_ellipsoid() {
        let place = |latitude, longitude| Position::new(latitude, longitude).unwrap();
        // One degree along the equator is a·π/180; a quarter of the meridian is 10,001,965.729 m (WGS 84).
        assert!((place(0.0, 1.0).distance_m(place(0.0, 2.0)) - 111_319.490_793).abs() < 1e-5);
        assert!((place(0.0, 1.0).distance_m(place(90.0, 1.0)) - 10_001_965.729_3).abs() < 1e-3);
        assert!((place(0.0, 179.5).distance_m(place(0.0, -179.5)) - 111_319.490_793).abs() < 1e-5);
    }

    #[test]
    fn what_is_no_place_is_none() {
        let no = [(91.0, 0.0), (0.0, 181.0), (f64::NAN, 0.0), (0.0, f64::INFINITY), (0.0, 0.0), (-0.0, 0.0)];
        assert!(no.iter().all(|(latitude, longitude)| Position::new(*latitude, *longitude).is_none()));
    }
}
