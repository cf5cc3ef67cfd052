//! Premature beats and pauses of the last hour, by minute.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::labels::{Beat, Label, STEPS_PER_MS, nearest};

/// Panes of a window: it covers between 59 and 60 minutes.
const MINUTES: i64 = 60;
const MINUTE_MS: i64 = 60_000;
/// Observed time below which a rate per hour says nothing, ms: five minutes.
const OBSERVED_MS_MIN: u32 = 300_000;

/// Counts stop at what fits: no heart comes near it, only beats that are all dated alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Minute {
    beats: u16,
    /// Sum of intervals, ms.
    observed_ms: u16,
    /// The longest pause, in steps of an interval.
    longest: u16,
    premature: u8,
    pauses: u8,
}

/// The last minutes, those without a beat too, from the first one known to the newest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Hour {
    /// Number of the newest minute, since 1970.
    newest: i64,
    minutes: VecDeque<Minute>,
}

/// What the last hour holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Hourly {
    pub(super) premature: u32,
    /// Premature beats among a hundred.
    pub(super) premature_percent: f64,
    pub(super) pauses: u32,
    /// ms; 0 without pauses.
    pub(super) longest_ms: f64,
    /// Share of the hour in which beats were seen, from 0 to 1.
    pub(super) observed: f64,
}

impl Hour {
    /// A labelled beat; labels may come two beats after the beat itself.
    pub(super) fn beat(&mut self, beat: &Beat) {
        let Some(minute) = self.minute(beat.at_ms) else { return };
        minute.beats = minute.beats.saturating_add(1);
        minute.premature = minute.premature.saturating_add(u8::from(beat.label == Label::Premature));
        let ms = nearest(f64::from(beat.rr) / STEPS_PER_MS);
        minute.observed_ms = minute.observed_ms.saturating_add(ms);
    }

    pub(super) fn pause(&mut self, at_ms: i64, rr: u16) {
        let Some(minute) = self.minute(at_ms) else { return };
        minute.pauses = minute.pauses.saturating_add(1);
        minute.longest = minute.longest.max(rr);
    }

    /// So many of the newest premature beats were none.
    pub(super) fn take_back(&mut self, mut premature: u32) {
        for minute in self.minutes.iter_mut().rev() {
            let of_minute = u8::try_from(premature).unwrap_or(u8::MAX).min(minute.premature);
            minute.premature -= of_minute;
            premature -= u32::from(of_minute);
        }
    }

    /// The minute of a time, added when it is new; none for one that has left the hour, or came before all others.
    fn minute(&mut self, at_ms: i64) -> Option<&mut Minute> {
        let index = at_ms.div_euclid(MINUTE_MS);
        if index == self.newest && !self.minutes.is_empty() {
            return self.minutes.back_mut();
        }
        let ahead = if self.minutes.is_empty() { MINUTES } else { index.saturating_sub(self.newest) };
        if ahead >= MINUTES {
            self.minutes.clear();
            self.minutes.push_back(Minute::default());
            self.newest = index;
        } else {
            for _ in 0..ahead {
                if self.minutes.len() == MINUTES as usize {
                    self.minutes.pop_front();
                }
                if self.minutes.len() == self.minutes.capacity() {
                    self.minutes.reserve_exact((MINUTES as usize - self.minutes.len()).min(GROWTH));
                }
                self.minutes.push_back(Minute::default());
            }
            self.newest = self.newest.max(index);
        }
        let back = usize::try_from(self.newest.saturating_sub(index)).ok()?;
        let at = self.minutes.len().checked_sub(back + 1)?;
        self.minutes.get_mut(at)
    }

    /// None before five minutes of beats were seen.
    pub(super) fn sum(&self) -> Option<Hourly> {
        let total = |of: fn(&Minute) -> u32| self.minutes.iter().map(of).sum::<u32>();
        let observed_ms = total(|minute| minute.observed_ms.into());
        if observed_ms < OBSERVED_MS_MIN {
            return None;
        }
        let longest = self.minutes.iter().map(|minute| minute.longest).max().unwrap_or(0);
        let (premature, beats) = (total(|minute| minute.premature.into()), total(|minute| minute.beats.into()));
        Some(Hourly {
            premature,
            premature_percent: 100.0 * f64::from(premature) / f64::from(beats.max(1)),
            pauses: total(|minute| minute.pauses.into()),
            longest_ms: f64::from(longest) / STEPS_PER_MS,
            observed: (f64::from(observed_ms) / (MINUTES * MINUTE_MS) as f64).min(1.0),
        })
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.minutes.capacity() * size_of::<Minute>()
    }
}

/// Minutes room is made for at a time.
const GROWTH: usize = 12;
