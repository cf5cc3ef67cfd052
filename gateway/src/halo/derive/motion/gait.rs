//! Steps from acceleration: swings of its magnitude that come in rhythm.
//!
//! The magnitude's slow mean (1 s) is taken away, which gravity does not survive. A swing goes above a threshold that
//! follows the movement's own strength (2 s) and then below minus half of it. Swings count as steps from the eighth of a
//! rhythm on, so that a gesture is no walk.

use serde::{Deserialize, Serialize};

/// Time constants, ms.
const MEAN_MS: f64 = 1000.0;
const STRENGTH_MS: f64 = 2000.0;
/// A swing weaker than this is none, m/s².
const WEAKEST: f64 = 0.5;
/// The threshold, as a share of the mean absolute swing.
const SHARE: f64 = 0.5;
/// Time between two steps, ms: 240 and 40 a minute.
const STEP_MS: std::ops::RangeInclusive<i64> = 250..=1500;
/// Swings that make a rhythm.
const RHYTHM: u8 = 8;
/// Steps the cadence is the mean of.
const CADENCE_STEPS: usize = 8;
/// Readings further apart than this are not of one movement.
const GAP_MS: i64 = 500;

/// Where the magnitude is in its swing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Gait {
    last_ms: Option<i64>,
    mean: f64,
    strength: f64,
    above: bool,
    /// Time and height of the highest point of this swing.
    top: (i64, f64),
    swing_ms: Option<i64>,
    rhythm: u8,
    /// Times between the last steps, ms, newest last.
    between: Vec<u16>,
}

impl Gait {
    /// Takes a magnitude, m/s²; returns how many steps it completes.
    pub(super) fn push(&mut self, at_ms: i64, magnitude: f64) -> u32 {
        let since_ms = self.last_ms.map_or(i64::MAX, |last_ms| at_ms.saturating_sub(last_ms));
        self.last_ms = Some(at_ms);
        if since_ms > GAP_MS {
            *self = Self { last_ms: self.last_ms, mean: magnitude, ..Self::default() };
            return 0;
        }
        let toward =
            |old: f64, new: f64, slow_ms: f64| old + (new - old) * since_ms as f64 / (slow_ms + since_ms as f64);
        self.mean = toward(self.mean, magnitude, MEAN_MS);
        let swing = magnitude - self.mean;
        self.strength = toward(self.strength, swing.abs(), STRENGTH_MS);
        let threshold = (self.strength * SHARE).max(WEAKEST);
        if swing > threshold && (!self.above || swing > self.top.1) {
            (self.above, self.top) = (true, (at_ms, swing));
        }
        if self.above && swing < -threshold / 2.0 {
            self.above = false;
            return self.swung(self.top.0);
        }
        0
    }

    fn swung(&mut self, at_ms: i64) -> u32 {
        let Some(before_ms) = self.swing_ms else {
            self.swing_ms = Some(at_ms);
            self.rhythm = 1;
            return 0;
        };
        let apart_ms = at_ms.saturating_sub(before_ms);
        if apart_ms < *STEP_MS.start() {
            return 0;
        }
        self.swing_ms = Some(at_ms);
        if !STEP_MS.contains(&apart_ms) {
            self.rhythm = 1;
            self.between.clear();
            return 0;
        }
        if self.between.len() == CADENCE_STEPS {
            self.between.remove(0);
        }
        self.between.push(apart_ms as u16);
        self.rhythm = (self.rhythm + 1).min(RHYTHM + 1);
        match self.rhythm {
            ..RHYTHM => 0,
            RHYTHM => u32::from(RHYTHM),
            _ => 1,
        }
    }

    /// Steps per minute of the last eight; none out of rhythm.
    pub(super) fn cadence(&self) -> Option<f64> {
        let standing =
            self.last_ms.zip(self.swing_ms).is_none_or(|(now, step)| now.saturating_sub(step) > *STEP_MS.end());
        if standing || self.rhythm < RHYTHM {
            return None;
        }
        let sum: u32 = self.between.iter().map(|ms| u32::from(*ms)).sum();
        Some(60_000.0 * self.between.len() as f64 / f64::from(sum.max(1)))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.between.capacity() * size_of::<u16>()
    }
}
