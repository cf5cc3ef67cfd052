//! Three numbers of ten seconds of movement, the same however the band is turned.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::grid::{STEPS, Triple};

/// Added before the logarithm, m/s²: about the noise of a sensor at rest, so that stillness has a finite logarithm.
const FLOOR: f64 = 0.05;

/// How strong, how sudden and how quick the movement is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Features {
    /// Root mean square of the distance from the window's mean vector, m/s²: gravity at rest falls out.
    pub(super) intensity: f64,
    /// The largest such distance, in intensities: strokes stand out of play, strides do not stand out of a run.
    pub(super) peak: f64,
    /// Root mean square of the step from one tenth of a second to the next, in intensities: it grows with the
    /// frequency, from 0 to 2.
    pub(super) quickness: f64,
}

impl Features {
    /// Of a full window. Walks it three times; asked once a second of readings.
    pub(super) fn of(window: &VecDeque<Triple>) -> Self {
        let n = window.len().max(1) as f64;
        let mean = window.iter().fold([0i64; 3], |sum, triple| add(sum, *triple)).map(|sum| sum as f64 / n);
        let squares = window.iter().map(|triple| {
            let off = |axis: i16, mean: f64| (f64::from(axis) - mean) * (f64::from(axis) - mean);
            triple.iter().zip(mean).map(|(axis, mean)| off(*axis, mean)).sum::<f64>()
        });
        let (mut sum, mut largest) = (0.0, 0.0f64);
        squares.for_each(|square| {
            sum += square;
            largest = largest.max(square);
        });
        let intensity = (sum / n).sqrt();
        let neighbours = window.iter().zip(window.iter().skip(1));
        let apart: i64 = neighbours.map(|(one, other)| squared_distance(*one, *other)).sum();
        let quick = (apart as f64 / (n - 1.0).max(1.0)).sqrt();
        let share = |of: f64| if intensity > 0.0 { of / intensity } else { 0.0 };
        Self { intensity: intensity / STEPS, peak: share(largest.sqrt()), quickness: share(quick) }
    }

    /// What the model is linear in.
    pub(super) fn inputs(&self) -> [f64; 3] {
        [libm::log(self.intensity + FLOOR), self.peak, self.quickness]
    }
}

fn add(sum: [i64; 3], triple: Triple) -> [i64; 3] {
    let ([a, b, c], [x, y, z]) = (sum, triple.map(i64::from));
    [a + x, b + y, c + z]
}

fn squared_distance(one: Triple, other: Triple) -> i64 {
    one.iter().zip(other).map(|(one, other)| (i64::from(*one) - i64::from(other)).pow(2)).sum()
}
