//! A small road model: a way from home to work as straight segments with speed limits, lights and corners.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Metres of one degree of latitude.
pub(super) const METRES_A_DEGREE: f64 = 111_320.0;

/// A straight stretch of road.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Segment {
    pub(super) length_m: f64,
    /// Speed limit, m/s.
    pub(super) limit: f64,
    /// Direction, degrees clockwise from north.
    pub(super) heading: f64,
    /// Speed at which its end is passed, m/s; 0 = a light or a stop sign.
    pub(super) end: f64,
}

/// A place on earth, degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

impl Place {
    /// The place `metres` away in direction `heading`; flat, good for a day's drive.
    pub(super) fn moved(self, metres: f64, heading: f64) -> Self {
        let (east, north) = heading.to_radians().sin_cos();
        let shrink = self.latitude.to_radians().cos().max(0.01);
        Self {
            latitude: self.latitude + metres * north / METRES_A_DEGREE,
            longitude: self.longitude + metres * east / (METRES_A_DEGREE * shrink),
        }
    }

    /// Metres between two places on the sphere.
    pub(super) fn distance_m(self, other: Self) -> f64 {
        let (a, b) = (self.latitude.to_radians(), other.latitude.to_radians());
        let across = (other.longitude - self.longitude).to_radians();
        let haversine = ((b - a) / 2.0).sin().powi(2) + a.cos() * b.cos() * (across / 2.0).sin().powi(2);
        2.0 * 6_371_000.0 * haversine.sqrt().asin()
    }
}

/// A way out of a residential street, through town, partly over a main road, into town again.
pub(super) fn route(random: &mut ChaCha8Rng) -> Vec<Segment> {
    let mut heading: f64 = random.random_range(0.0..360.0);
    let fast = random.random_range(2..6);
    let limits = [30.0, 50.0, 50.0, 50.0].into_iter().chain((0..fast).map(|_| 100.0)).chain([70.0, 50.0, 50.0, 30.0]);
    let mut segments = Vec::new();
    for limit in limits {
        let length_m = match limit as u32 {
            30 => random.random_range(120.0..400.0),
            50 => random.random_range(250.0..900.0),
            70 => random.random_range(600.0..1_500.0),
            _ => random.random_range(1_200.0..3_000.0),
        };
        let turn: f64 = if limit > 60.0 { random.random_range(-15.0..15.0) } else { random.random_range(-95.0..95.0) };
        let light = limit < 60.0 && random.random_bool(0.45);
        // Corners are taken at 20 km/h, bends of less than 30 degrees as they come.
        let end = if light {
            0.0
        } else if turn.abs() > 30.0 {
            20.0 / 3.6
        } else {
            limit / 3.6
        };
        segments.push(Segment { length_m, limit: limit / 3.6, heading, end });
        heading = (heading + turn).rem_euclid(360.0);
    }
    if let Some(last) = segments.last_mut() {
        last.end = 0.0;
    }
    segments
}

/// The way back: the same corners and lights from the other side.
pub(super) fn back(route: &[Segment]) -> Vec<Segment> {
    let ends = route.iter().rev().skip(1).map(|segment| segment.end).chain([0.0]);
    let turned = |(segment, end): (&Segment, f64)| Segment {
        heading: (segment.heading + 180.0).rem_euclid(360.0),
        end: end.min(segment.limit),
        ..*segment
    };
    route.iter().rev().zip(ends).map(turned).collect()
}
