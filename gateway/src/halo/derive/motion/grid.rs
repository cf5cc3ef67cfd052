//! Readings of any rate become one triple per tenth of a second, and the last ten seconds of them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// One place of the grid, ms.
const SLOT_MS: i64 = 100;
/// Places of a window: 10 s.
pub(super) const WINDOW: usize = 100;
/// Missing places that are filled with the last one; more of them and the window begins anew.
const HOLES_MAX: i64 = 5;
/// Steps of acceleration in 1 m/s²: ±16 g fit 16 bits, and a step is 0.8 thousandths of g.
pub(super) const STEPS: f64 = 128.0;

/// Acceleration in steps, by axis.
pub(super) type Triple = [i16; 3];

/// The place being filled and the ones before it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Grid {
    slot: i64,
    sum: [i64; 3],
    n: u32,
    window: VecDeque<Triple>,
}

impl Grid {
    /// Takes a reading, m/s² within ±250 per axis; returns how many places were finished by it.
    pub(super) fn push(&mut self, at_ms: i64, acceleration: [f64; 3]) -> u32 {
        let slot = at_ms.div_euclid(SLOT_MS);
        let ahead = slot.saturating_sub(self.slot);
        let finished = if self.n > 0 && ahead > 0 { self.finish(ahead) } else { 0 };
        self.slot = slot;
        for (sum, axis) in self.sum.iter_mut().zip(acceleration) {
            *sum += (axis * STEPS).round() as i64;
        }
        self.n += 1;
        finished
    }

    fn finish(&mut self, ahead: i64) -> u32 {
        let n = i64::from(self.n);
        let mean = self.sum.map(|sum| (sum / n).clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16);
        (self.sum, self.n) = ([0; 3], 0);
        if ahead > HOLES_MAX + 1 {
            self.window.clear();
            return 0;
        }
        for _ in 0..ahead {
            if self.window.len() == WINDOW {
                self.window.pop_front();
            }
            if self.window.capacity() == 0 {
                self.window.reserve_exact(WINDOW);
            }
            self.window.push_back(mean);
        }
        ahead as u32
    }

    /// The last 10 s, once they are there.
    pub(super) fn window(&self) -> Option<&VecDeque<Triple>> {
        (self.window.len() == WINDOW).then_some(&self.window)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.window.capacity() * size_of::<Triple>()
    }
}
