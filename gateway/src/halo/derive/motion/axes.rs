//! Acceleration along three axes: what ten seconds of it show, and the steps in it.

use serde::{Deserialize, Serialize};

use super::super::order::Order;
use super::fall::Falls;
use super::features::Features;
use super::gait::Gait;
use super::grid::Grid;

/// Standard gravity, m/s².
const GRAVITY: f64 = 9.806_65;
/// Places of the grid between two looks at the window: one second.
const HOP: u32 = 10;
/// Without acceleration for so long, the window no longer speaks of now, ms.
const SILENT_MS: i64 = 60_000;

/// State that only a device with axes has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Axes {
    pub(super) order: Order,
    grid: Grid,
    since_look: u32,
    /// Of the last full window.
    pub(super) features: Option<Features>,
    pub(super) gait: Gait,
    pub(super) falls: Falls,
    /// Of the day.
    pub(super) steps: u32,
}

impl Axes {
    /// Takes a reading, g; true once a second, when the window is to be looked at.
    pub(super) fn push(&mut self, at_ms: i64, g: [f64; 3]) -> bool {
        let acceleration = g.map(|axis| axis * GRAVITY);
        let magnitude = acceleration.iter().map(|axis| axis * axis).sum::<f64>().sqrt();
        self.steps = self.steps.saturating_add(self.gait.push(at_ms, magnitude));
        self.since_look += self.grid.push(at_ms, acceleration);
        if self.since_look < HOP {
            return false;
        }
        self.since_look = 0;
        self.features = self.grid.window().map(Features::of);
        true
    }

    /// Whether what is known speaks of a time that has gone by, and is now forgotten.
    pub(super) fn fall_silent(&mut self, at_ms: i64) -> bool {
        let silent = self.order.since_ms(at_ms).is_some_and(|since_ms| since_ms > SILENT_MS);
        silent && self.features.take().is_some()
    }

    /// The last time at which [`Self::fall_silent`] does nothing.
    pub(super) fn calm_until_ms(&self) -> i64 {
        let newest_ms = self.order.newest_ms().filter(|_| self.features.is_some());
        newest_ms.map_or(i64::MAX, |newest_ms| newest_ms.saturating_add(SILENT_MS))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.grid.heap_bytes() + self.gait.heap_bytes() + self.falls.heap_bytes()
    }
}
