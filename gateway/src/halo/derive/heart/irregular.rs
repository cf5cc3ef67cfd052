//! Suspicion of atrial fibrillation from intervals alone: 48 beats that neither repeat nor swing.
//!
//! Two marks must hold at once, twice in a row, 12 beats apart:
//! * COSEn > −1.4, the coefficient of sample entropy of Lake and Moorman (2011, doi:10.1152/ajpheart.00561.2010), with
//!   m = 1: −ln(A/B) + ln(2r) − ln(mean), r widened from 30 ms until at least five pairs match. Premature beats, even
//!   in bigeminy, repeat themselves and stay below; so does noise with an RMSSD under a tenth of the mean.
//! * Turning points are at least 0.52 of the inner beats (the test of Dash et al. 2009, doi:10.1007/s10439-009-9740-z):
//!   of a random series 2/3 are, with sd √((16n − 29)/90)/n = 0.06 for n = 48, and 0.52 is 2.4 of these below.
//!   Breathing swings a young heart as widely as fibrillation does, but slowly: it turns less often.
//!
//! No recording of fibrillation was at hand: what is checked is that healthy hearts, premature beats and bigeminy raise
//! nothing, and that random intervals do.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::labels::STEPS_PER_MS;

/// Beats looked at together: half a minute or more, the length that defines an episode (ESC guideline 2020).
pub(super) const BEATS: usize = 48;
/// Beats between two looks, which keeps the work per beat small and constant.
const HOP: u8 = 12;
/// Looks in a row that change the verdict.
const LOOKS: u8 = 2;
const COSEN_MIN: f64 = -1.4;
const TURNS_MIN: f64 = 0.52;
/// First tolerance, its step, and how often it is widened, in steps of an interval: 30 ms, by 10 ms.
const R_FIRST: u16 = 30 * STEPS_PER_MS as u16;
const R_STEP: u16 = 10 * STEPS_PER_MS as u16;
const WIDENED_MAX: u32 = 16;
const MATCHES_MIN: u32 = 5;

/// The beats and what was made of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Irregularity {
    /// In steps of an interval, oldest first.
    beats: VecDeque<u16>,
    since_look: u8,
    /// There was a look.
    looked: bool,
    suspected: bool,
    /// Looks in a row that contradict the verdict.
    against: u8,
}

impl Irregularity {
    /// Takes the next interval; returns the verdict if it has changed.
    pub(super) fn push(&mut self, rr: u16) -> Option<bool> {
        if self.beats.len() == BEATS {
            self.beats.pop_front();
        }
        self.beats.push_back(rr);
        self.since_look = (self.since_look + 1).min(HOP);
        if self.beats.len() < BEATS || self.since_look < HOP {
            return None;
        }
        self.since_look = 0;
        self.look()
    }

    /// Beats are missing: neighbours that are none would look random.
    pub(super) fn interrupt(&mut self) {
        self.beats.clear();
    }

    /// Whether fibrillation is suspected; none before the first look.
    pub(super) fn verdict(&self) -> Option<bool> {
        self.looked.then_some(self.suspected)
    }

    /// COSEn of the last beats, once there are enough in a row.
    pub(super) fn cosen(&self) -> Option<f64> {
        let beats: Vec<u16> = self.beats.iter().copied().collect();
        (beats.len() == BEATS).then(|| cosen(&beats))
    }

    /// Whether fibrillation is suspected.
    pub(super) fn is_suspected(&self) -> bool {
        self.suspected
    }

    fn look(&mut self) -> Option<bool> {
        let beats = self.beats.make_contiguous();
        // The entropy costs twenty times as much, and most hearts swing too slowly for it to matter.
        let seen = turns(beats) >= TURNS_MIN && cosen(beats) > COSEN_MIN;
        self.looked = true;
        self.against = if seen == self.suspected { 0 } else { self.against + 1 };
        if self.against < LOOKS {
            return None;
        }
        (self.suspected, self.against) = (seen, 0);
        Some(seen)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.beats.capacity() * size_of::<u16>()
    }
}

fn mean(beats: &[u16]) -> f64 {
    beats.iter().map(|rr| u64::from(*rr)).sum::<u64>() as f64 / beats.len().max(1) as f64
}

/// Coefficient of sample entropy, m = 1; intervals in steps, as is r, so that the unit falls out.
fn cosen(beats: &[u16]) -> f64 {
    let mut r = R_FIRST;
    let mut counted = matches(beats, 1, r);
    for _ in 0..WIDENED_MAX {
        if counted.longer >= MATCHES_MIN {
            break;
        }
        r += R_STEP;
        counted = matches(beats, 1, r);
    }
    let [longer, shorter] = [counted.longer, counted.shorter].map(|n| f64::from(n.max(1)));
    libm::log(shorter / longer) + libm::log(2.0 * f64::from(r) / mean(beats))
}

/// Pairs of stretches that agree within a tolerance at every place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Matches {
    /// Of m intervals (B).
    pub(super) shorter: u32,
    /// Of m + 1 intervals (A).
    pub(super) longer: u32,
}

/// Counts every pair of stretches of `beats`, at most 65,535, once; sample entropy is −ln(A/B) (Richman and Moorman
/// 2000). `m` is 1 or more.
///
/// Without branches and in the width of an interval, so that the compiler takes many pairs at a time: this is most of what
/// a beat costs.
pub(super) fn matches(beats: &[u16], m: usize, r: u16) -> Matches {
    let mut counted = Matches { shorter: 0, longer: 0 };
    let mut near: Vec<u16> = Vec::with_capacity(beats.len());
    for lag in 1..beats.len() {
        near.clear();
        let pairs = beats.iter().zip(beats.get(lag..).unwrap_or_default());
        near.extend(pairs.map(|(one, other)| u16::from(one.abs_diff(*other) <= r)));
        // From one place to the next m - 1 of them: whether as many neighbours are near, too.
        for _ in 1..m {
            near = both(&near).collect();
        }
        // A stretch of m must leave room for the one that is longer by one.
        let (_, shorter) = near.split_last().unwrap_or((&0, &[]));
        counted.shorter += u32::from(sum(shorter.iter().copied()));
        counted.longer += u32::from(sum(both(&near)));
    }
    counted
}

/// At each place but the last whether it and the one after it are set.
fn both(near: &[u16]) -> impl Iterator<Item = u16> {
    near.iter().zip(near.iter().skip(1)).map(|(one, next)| one & next)
}

/// Of zeros and ones.
fn sum(near: impl Iterator<Item = u16>) -> u16 {
    near.fold(0, u16::wrapping_add)
}

/// Share of the inner intervals that are longer or shorter than both neighbours.
fn turns(beats: &[u16]) -> f64 {
    let inner = beats.iter().zip(beats.iter().skip(1)).zip(beats.iter().skip(2));
    let turning = inner.filter(|((a, b), c)| (a < b && c < b) || (a > b && c > b)).count();
    turning as f64 / beats.len().saturating_sub(2).max(1) as f64
}
