//! The mean rate of the last beats, and whether it is too slow or too fast.

use serde::{Deserialize, Serialize};

use super::labels::STEPS_PER_MS;
use super::settings::HeartSettings;

/// Beats of the mean: 10 s at 100 a minute, 19 s at 50.
const BEATS: usize = 16;

/// How fast a heart beats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Pace {
    #[default]
    Usual,
    Slow,
    Fast,
}

/// Intervals that followed each other, as a ring.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Paces {
    ring: [u16; BEATS],
    at: u8,
    len: u8,
    pace: Pace,
}

impl Paces {
    /// Takes the next interval; returns the mean rate once there is one, and the new pace if it has changed.
    pub(super) fn push(&mut self, rr: u16, settings: &HeartSettings) -> Option<(f64, Option<Pace>)> {
        // Summed before the newest is written: a sum of what was just written has to wait for it.
        let others = self.sum();
        let oldest = std::mem::replace(self.ring.get_mut(usize::from(self.at))?, rr);
        self.at = (self.at + 1) % BEATS as u8;
        self.len = (self.len + 1).min(BEATS as u8);
        let rate = self.rate_of(others - u32::from(oldest) + u32::from(rr))?;
        let pace = self.judge(rate, settings);
        Some((rate, (std::mem::replace(&mut self.pace, pace) != pace).then_some(pace)))
    }

    /// Beats are missing: the mean begins anew, the pace stays until there is one.
    pub(super) fn interrupt(&mut self) {
        *self = Self { pace: self.pace, ..Self::default() };
    }

    /// Mean of the last 16 beats, /min; none before there are so many in a row.
    pub(super) fn rate(&self) -> Option<f64> {
        self.rate_of(self.sum())
    }

    fn sum(&self) -> u32 {
        self.ring.iter().map(|rr| u32::from(*rr)).sum()
    }

    fn rate_of(&self, sum: u32) -> Option<f64> {
        let known = usize::from(self.len) == BEATS && sum > 0;
        known.then(|| 60_000.0 * STEPS_PER_MS * BEATS as f64 / f64::from(sum))
    }

    /// The pace, once there is a mean.
    pub(super) fn pace(&self) -> Option<Pace> {
        self.rate().map(|_| self.pace)
    }

    fn judge(&self, rate: f64, settings: &HeartSettings) -> Pace {
        let back = |pace: Pace| if self.pace == pace { settings.pace_hysteresis_per_min } else { 0.0 };
        if rate < settings.bradycardia_per_min + back(Pace::Slow) {
            Pace::Slow
        } else if rate > settings.tachycardia_per_min - back(Pace::Fast) {
            Pace::Fast
        } else {
            Pace::Usual
        }
    }
}
