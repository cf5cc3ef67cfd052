//! Rolling statistics of one series by increments: each reading costs amortised O(1), whatever the window.
//!
//! Readings that are not finite, or beyond ±1e150, are no readings: they are let pass. Windows are counted in readings. Every type here is
//! bounded by its window, written and read back as it is, and gives the same bits for the same readings.

use serde::{Deserialize, Serialize};

/// How an exponentially weighted mean treats its first readings (pandas: `adjust`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// The first reading stands for all before it: y₁ = x₁, y ← (1 − α) y + α x.
    Recursive,
    /// Weights (1 − α)^k over the readings there are, divided by their sum.
    Weighted,
}

/// An exponentially weighted mean.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ewma {
    value: f64,
    /// Sum of the weights (1 − α)^k; 0 before the first reading.
    weight: f64,
}

impl Ewma {
    /// Of no readings yet.
    pub const EMPTY: Self = Self { value: 0.0, weight: 0.0 };

    /// Takes a reading in; `alpha` in (0, 1] is the caller's, the same each time.
    pub fn add(&mut self, alpha: f64, start: Start, value: f64) {
        if !is_reading(value) {
            return;
        }
        let first = self.weight == 0.0;
        self.weight = match start {
            Start::Weighted => self.weight * (1.0 - alpha) + 1.0,
            Start::Recursive => 1.0,
        };
        let share = match start {
            Start::Weighted => 1.0 / self.weight,
            Start::Recursive if first => 1.0,
            Start::Recursive => alpha,
        };
        self.value += (value - self.value) * share;
    }

    /// None before the first reading.
    pub fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then_some(self.value)
    }
}

/// Mean and deviation of all readings so far (Welford 1962): no magnitude of the mean spoils the deviation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Running {
    n: u64,
    mean: f64,
    /// Sum of squared distances from the mean.
    m2: f64,
}

impl Running {
    /// Takes a reading in.
    pub fn add(&mut self, value: f64) {
        if !is_reading(value) {
            return;
        }
        self.n += 1;
        let apart = value - self.mean;
        self.mean += apart / self.n as f64;
        self.m2 += apart * (value - self.mean);
    }

    /// How many readings.
    pub fn count(&self) -> u64 {
        self.n
    }

    /// None before the first reading.
    pub fn mean(&self) -> Option<f64> {
        (self.n > 0).then_some(self.mean)
    }

    /// Sample standard deviation, over n − 1; none below two readings.
    pub fn sd(&self) -> Option<f64> {
        (self.n > 1).then(|| (self.m2 / (self.n - 1) as f64).max(0.0).sqrt())
    }
}

/// The last `length` readings: mean, deviation, least, greatest.
///
/// A queue of two stacks: readings come onto `back`; when the oldest is to leave and `front` is empty, `back` is turned
/// over onto `front`, where each entry sums up the readings from it to the end of `front`. Nothing is ever subtracted: an
/// outlier that left leaves nothing behind, and rounding cannot pile up. Holds at most 40 bytes per reading of the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rolling {
    length: u16,
    front: Vec<Summary>,
    back: Vec<f64>,
    back_summary: Summary,
}

/// Readings summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Summary {
    n: u32,
    mean: f64,
    /// Sum of squared distances from the mean.
    m2: f64,
    min: f64,
    max: f64,
}

impl Rolling {
    /// Longest window.
    pub const LENGTH_MAX: u16 = 4096;

    /// Of the last `length` readings; lengths out of 1 to [`Self::LENGTH_MAX`] are brought there.
    pub fn new(length: u16) -> Self {
        let length = length.clamp(1, Self::LENGTH_MAX);
        Self { length, front: Vec::new(), back: Vec::new(), back_summary: Summary::default() }
    }

    /// Takes a reading in and lets the one that leaves the window go.
    pub fn add(&mut self, value: f64) {
        if !is_reading(value) {
            return;
        }
        if self.is_full() {
            self.leave();
        }
        self.back.push(value);
        self.back_summary = self.back_summary.merge(&Summary::one(value));
    }

    /// How many readings it holds.
    pub fn count(&self) -> usize {
        self.front.len() + self.back.len()
    }

    /// Whether it holds as many as its window is long; pandas says nothing before.
    pub fn is_full(&self) -> bool {
        self.count() >= usize::from(self.length)
    }

    /// None before the first reading.
    pub fn mean(&self) -> Option<f64> {
        self.summary().map(|summary| summary.mean)
    }

    /// Sample standard deviation, over n − 1; none below two readings.
    pub fn sd(&self) -> Option<f64> {
        self.summary().filter(|all| all.n > 1).map(|all| (all.m2 / f64::from(all.n - 1)).sqrt())
    }

    /// The smallest.
    pub fn min(&self) -> Option<f64> {
        self.summary().map(|summary| summary.min)
    }

    /// The largest.
    pub fn max(&self) -> Option<f64> {
        self.summary().map(|summary| summary.max)
    }

    fn summary(&self) -> Option<Summary> {
        let front = self.front.last().copied().unwrap_or_default();
        Some(front.merge(&self.back_summary)).filter(|all| all.n > 0)
    }

    fn leave(&mut self) {
        if self.front.is_empty() {
            let mut from_here = Summary::default();
            for value in self.back.drain(..).rev() {
                from_here = Summary::one(value).merge(&from_here);
                self.front.push(from_here);
            }
            self.back_summary = Summary::default();
        }
        self.front.pop();
    }
}

impl Summary {
    fn one(value: f64) -> Self {
        Self { n: 1, mean: value, m2: 0.0, min: value, max: value }
    }

    /// Both together (Chan, Golub, LeVeque 1979).
    fn merge(self, other: &Self) -> Self {
        if self.n == 0 {
            return *other;
        }
        if other.n == 0 {
            return self;
        }
        let n = self.n.saturating_add(other.n);
        let apart = other.mean - self.mean;
        let share = f64::from(other.n) / f64::from(n);
        Self {
            n,
            mean: self.mean + apart * share,
            m2: self.m2 + other.m2 + apart * apart * f64::from(self.n) * share,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
        }
    }
}

/// Finite, and small enough for its square to be.
fn is_reading(value: f64) -> bool {
    value.abs() <= 1e150
}

#[cfg(test)]
pub(super) mod tests;
