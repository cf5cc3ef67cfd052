//! Readings by steps of time: how many, the least, the mean and the greatest of each.

use std::collections::{BTreeMap, BTreeSet};

use crate::halo::physical;
use crate::ingest::readings::{Point, SignalRef};
use crate::record::Name;

/// The readings of one step, in the signal's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// How many.
    pub n: u64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Their sum.
    sum: f64,
}

impl Step {
    /// The arithmetic mean.
    pub fn mean(&self) -> f64 {
        // Rounding of the sum must not show a mean outside of what was measured.
        (self.sum / self.n as f64).clamp(self.min, self.max)
    }
}

/// A signal by steps, aligned to Unix time.
#[derive(Debug, Default)]
pub struct Stepped {
    /// By when each begins, Unix milliseconds; steps without readings are left out.
    pub steps: BTreeMap<i64, Step>,
    /// Of readings in one unit there is one.
    pub units: BTreeSet<Name>,
    /// The devices they are of.
    pub devices: BTreeSet<Name>,
}

impl Stepped {
    /// Takes readings in; a step is `[k·step, (k+1)·step)` of Unix time.
    pub fn take<'a>(
        &mut self,
        signal: &SignalRef,
        device: &Name,
        step_ms: i64,
        points: impl IntoIterator<Item = &'a Point>,
    ) {
        let mut any = false;
        for point in points {
            any = true;
            let value = physical(point.raw, signal.num, signal.den);
            let begins = point.event_ms.div_euclid(step_ms.max(1)).saturating_mul(step_ms.max(1));
            let step = self.steps.entry(begins).or_insert(Step { n: 0, min: value, max: value, sum: 0.0 });
            step.n += 1;
            (step.min, step.max) = (step.min.min(value), step.max.max(value));
            step.sum += value;
        }
        if any && !self.units.contains(&signal.unit) {
            self.units.insert(signal.unit.clone());
        }
        if any && !self.devices.contains(device) {
            self.devices.insert(device.clone());
        }
    }

    /// The unit; none when there are no readings, or in several units.
    pub fn unit(&self) -> Option<&str> {
        self.units.first().filter(|_| self.units.len() == 1).map(|unit| &**unit)
    }
}
