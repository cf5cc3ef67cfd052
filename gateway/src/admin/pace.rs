//! How fast things go: counts sampled now and then, the difference over about a minute.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// Samples kept: at one every five seconds, a minute.
const SAMPLES_MAX: usize = 13;

/// Counts at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) mono_ms: u64,
    pub(super) frames: u64,
    pub(super) bytes: u64,
}

/// Per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) frames: f64,
    pub(super) bytes: f64,
}

#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<VecDeque<Sample>>);

impl Pace {
    pub(super) fn note(&self, sample: Sample) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    /// From the oldest sample kept to `now`.
    pub(super) fn rates(&self, now: Sample) -> Rates {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = samples.front() else { return Rates::default() };
        let ms = now.mono_ms.saturating_sub(first.mono_ms);
        if ms == 0 {
            return Rates::default();
        }
        let per_s = |from: u64, to: u64| to.saturating_sub(from) as f64 * 1_000.0 / ms as f64;
        Rates { frames: per_s(first.frames, now.frames), bytes: per_s(first.bytes, now.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_the_difference_over_the_last_minute() {
        let pace = Pace::default();
        let at = |s: u64| Sample { mono_ms: s * 1_000, frames: s * 10, bytes: s * 640 };
        assert_eq!(pace.rates(at(1)), Rates::default());
        (0..100).for_each(|step| pace.note(at(step * 5)));
        assert_eq!(pace.rates(at(500)), Rates { frames: 10.0, bytes: 640.0 });
        let idle = Sample { mono_ms: 495_000 + 65_000, ..at(435) };
        assert_eq!(pace.rates(idle).frames, 0.0);
    }
}
