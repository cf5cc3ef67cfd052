//! A device's own step counter: what it adds, and the cadence of about a minute.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::bouts::Activity;

/// The cadence is over the readings of this stretch, ms.
const STRETCH_MS: i64 = 60_000;
/// A stretch shorter than this has no cadence, one longer neither, ms.
const STRETCHED_MS: std::ops::RangeInclusive<i64> = 30_000..=120_000;
/// Readings kept.
const READINGS: usize = 16;
/// More steps than this in a second were not taken: the counter was replaced.
const STEPS_PER_S_MAX: f64 = 6.0;
/// Fewer steps a minute than this are no walk (Tudor-Locke et al. 2018: below 20 is incidental movement).
const INCIDENTAL: f64 = 20.0;
/// People begin to run at about 71 strides a minute (Hansen et al. 2017, doi:10.1038/s41598-017-01972-1).
const RUNNING: f64 = 142.0;

/// The counter's last readings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Counter {
    readings: VecDeque<(i64, u64)>,
}

impl Counter {
    /// Takes a total; returns the steps since the one before. A total that falls or leaps begins a new count.
    pub(super) fn push(&mut self, at_ms: i64, total: u64) -> u64 {
        let taken = self.readings.back().map(|(before_ms, before)| {
            let possible = (at_ms.saturating_sub(*before_ms) as f64 / 1000.0 + 1.0) * STEPS_PER_S_MAX;
            total.checked_sub(*before).filter(|taken| *taken as f64 <= possible)
        });
        if taken == Some(None) {
            self.readings.clear();
        }
        let old = |(before_ms, _): &&(i64, u64)| at_ms.saturating_sub(*before_ms) > STRETCH_MS;
        let behind = self.readings.iter().take_while(old).count();
        // The newest of the old ones is where the stretch begins when readings are a minute apart.
        let spare = usize::from(behind == self.readings.len());
        self.readings.drain(..behind.saturating_sub(spare));
        if self.readings.len() == READINGS {
            self.readings.pop_front();
        }
        self.readings.push_back((at_ms, total));
        taken.flatten().unwrap_or(0)
    }

    /// Steps per minute; none before half a minute is known.
    pub(super) fn cadence(&self) -> Option<f64> {
        let ((from_ms, from), (to_ms, to)) = self.readings.front().zip(self.readings.back())?;
        let stretch_ms = to_ms.saturating_sub(*from_ms);
        STRETCHED_MS.contains(&stretch_ms).then(|| 60_000.0 * to.saturating_sub(*from) as f64 / stretch_ms as f64)
    }

    /// What the cadence alone can tell.
    pub(super) fn activity(&self) -> Option<Activity> {
        self.cadence().map(|cadence| match cadence {
            ..INCIDENTAL => Activity::Still,
            INCIDENTAL..RUNNING => Activity::Walking,
            _ => Activity::Running,
        })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.readings.capacity() * size_of::<(i64, u64)>()
    }
}
