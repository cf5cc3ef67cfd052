//! Heart rate variability of the last 60 s and 300 s.
//!
//! A window (T − w, T] ends with the newest labelled beat. SDNN is over n − 1 (Task Force of ESC and NASPE 1996,
//! doi:10.1161/01.CIR.93.5.1043). RMSSD and pNN50 are over the differences of neighbouring normal intervals, pNN50 over
//! their number (as hrv-analysis and pyHRV have it; NeuroKit2 divides by the number of intervals). A difference belongs
//! to the later of its two beats, and there is none across a beat that is not normal.
//!
//! Beats are kept, and summed when somebody asks: many come for each time that anybody does, and letting each into both
//! windows and out of them again took more than all else that a beat does.

use serde::{Deserialize, Serialize};

use super::super::sliding::Sliding;
use super::labels::{Beat, Label, STEPS_PER_MS};

/// Lengths of the windows, ms; the shortest first.
const LENGTHS_MS: [i64; 2] = [60_000, LONGEST_MS];
const LONGEST_MS: i64 = 300_000;
/// Entries of a window: 300 s at 300 a minute are 1,500 beats. What comes faster (many beats dated the same millisecond)
/// shortens the window from its old end.
const ENTRIES_MAX: usize = 1536;
/// Entries that room is made for at a time.
const GROWTH: usize = 32;
/// pNN50 counts differences above this, in steps; one of 50 ms exactly is not above it.
const FIFTY: i64 = 50 * STEPS_PER_MS as i64;

/// One beat in four bytes: from the lowest bit on its interval (16), two marks, and how long after the entry before it
/// came (14), ms. Entries without an interval fill a longer silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Entry(u32);

const NORMAL: u32 = 1 << 16;
const PAIR: u32 = 1 << 17;
const SINCE_SHIFT: u32 = 18;
const SINCE_MS_MAX: i64 = (1 << 14) - 1;

impl Entry {
    fn new(rr: u16, marks: u32, since_ms: i64) -> Self {
        Self(u32::from(rr) | marks | (since_ms.clamp(0, SINCE_MS_MAX) as u32) << SINCE_SHIFT)
    }

    fn rr(self) -> i64 {
        i64::from(self.0 as u16)
    }

    fn since_ms(self) -> i64 {
        i64::from(self.0 >> SINCE_SHIFT)
    }
}

/// What a window holds, in whole steps of an interval, which makes every sum exact. Squares of intervals are below 2^32, and
/// those of all entries below 2^43.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    beats: i64,
    beats_sum: i64,
    normal: i64,
    normal_sum: i64,
    squares: i64,
    pairs: i64,
    pair_squares: i64,
    over_50: i64,
}

/// The beats that both windows are made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Windows {
    newest_ms: i64,
    /// Those of the longest window, and the one before them.
    entries: Sliding<Entry, GROWTH>,
    /// How many of the newest entries are in the longest window.
    len: u16,
    /// When the oldest of these came.
    first_ms: i64,
    /// The newest interval was normal.
    normal: bool,
}

/// What one window says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Variability {
    pub(super) window_s: u32,
    /// Share of the window that normal intervals cover, from 0 to 1.
    pub(super) coverage: f64,
    /// Of all intervals but the implausible, /min.
    pub(super) rate: f64,
    /// ms; none of fewer than two normal intervals.
    pub(super) sdnn: Option<f64>,
    /// ms; none without two normal neighbours.
    pub(super) rmssd: Option<f64>,
    /// %.
    pub(super) pnn50: Option<f64>,
}

impl Windows {
    /// Takes the next labelled beat; beats come in order of time.
    pub(super) fn push(&mut self, beat: &Beat) {
        if beat.at_ms.saturating_sub(self.newest_ms) >= LONGEST_MS {
            *self = Self::default();
        }
        let (normal, is_first) = (beat.label == Label::Normal, self.entries.as_slice().is_empty());
        let after_normal = std::mem::replace(&mut self.normal, normal);
        let marks = match (normal, after_normal && beat.joined && !is_first) {
            (true, true) => NORMAL | PAIR,
            (true, false) => NORMAL,
            (false, _) => 0,
        };
        let mut since_ms = if is_first { 0 } else { beat.at_ms.saturating_sub(self.newest_ms) };
        while since_ms > SINCE_MS_MAX {
            since_ms -= SINCE_MS_MAX;
            self.enter(beat.at_ms.saturating_sub(since_ms), Entry::new(0, 0, SINCE_MS_MAX));
        }
        self.enter(beat.at_ms, Entry::new(beat.rr, marks, since_ms));
        self.newest_ms = beat.at_ms;
    }

    fn enter(&mut self, at_ms: i64, entry: Entry) {
        self.leave(at_ms);
        if self.len == 0 {
            self.first_ms = at_ms;
        }
        self.entries.push(entry);
        self.len += 1;
    }

    /// Lets the beats go that the longest window leaves behind when it ends at `at_ms`.
    fn leave(&mut self, at_ms: i64) {
        let entries = self.entries.as_slice();
        while at_ms.saturating_sub(self.first_ms) >= LONGEST_MS || usize::from(self.len) >= ENTRIES_MAX {
            // Of a state that never was, too: it is to end, not to make sense.
            let second = (entries.len() + 1).saturating_sub(self.len.into());
            let Some(len) = self.len.checked_sub(1) else { break };
            self.len = len;
            let since_ms = entries.get(second).map_or(0, |next| next.since_ms());
            self.first_ms = self.first_ms.saturating_add(since_ms);
        }
        self.entries.keep(usize::from(self.len) + 1);
    }

    /// The windows that hold beats, the shortest first.
    pub(super) fn variability(&self) -> impl Iterator<Item = Variability> {
        LENGTHS_MS.into_iter().filter_map(|length_ms| self.sums(length_ms).variability(length_ms))
    }

    fn sums(&self, length_ms: i64) -> Sums {
        let entries = self.entries.as_slice();
        let mut age_ms = 0;
        let younger = entries.iter().rev().take(self.len.into()).take_while(|entry| {
            let is_inside = age_ms < length_ms;
            age_ms += entry.since_ms();
            is_inside
        });
        let first = entries.len() - younger.count();
        let before = first.checked_sub(1).and_then(|before| entries.get(before)).copied().unwrap_or_default();
        Sums::of(before, entries.get(first..).unwrap_or_default())
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.entries.heap_bytes()
    }
}

impl Sums {
    /// Of entries, and of the differences of each from the one before it.
    fn of(before: Entry, entries: &[Entry]) -> Self {
        let (mut sums, mut before) = (Self::default(), before);
        for entry in entries {
            let (rr, apart) = (entry.rr(), entry.rr() - before.rr());
            // What fills a silence has no interval and no marks.
            let is = |yes: bool| i64::from(yes);
            let (normal, pair) = (is(entry.0 & NORMAL != 0), is(entry.0 & PAIR != 0));
            sums.beats += is(rr != 0);
            sums.beats_sum += rr;
            sums.normal += normal;
            sums.normal_sum += normal * rr;
            sums.squares += normal * rr * rr;
            sums.pairs += pair;
            sums.pair_squares += pair * apart * apart;
            sums.over_50 += pair * is(apart.abs() > FIFTY);
            before = *entry;
        }
        sums
    }

    fn variability(&self, length_ms: i64) -> Option<Variability> {
        let pairs = self.pairs as f64;
        (self.beats > 0).then(|| Variability {
            window_s: (length_ms / 1000) as u32,
            coverage: (self.normal_sum as f64 / STEPS_PER_MS / length_ms as f64).min(1.0),
            rate: 60_000.0 * STEPS_PER_MS * self.beats as f64 / self.beats_sum as f64,
            sdnn: (self.normal > 1).then(|| self.variance().sqrt() / STEPS_PER_MS),
            rmssd: (self.pairs > 0).then(|| (self.pair_squares as f64 / pairs).sqrt() / STEPS_PER_MS),
            pnn50: (self.pairs > 0).then(|| 100.0 * self.over_50 as f64 / pairs),
        })
    }

    /// (n Σx² − (Σx)²) / n(n − 1), in whole numbers until the division.
    fn variance(&self) -> f64 {
        let n = i128::from(self.normal);
        let apart = n * i128::from(self.squares) - i128::from(self.normal_sum).pow(2);
        apart as f64 / (n * (n - 1)) as f64
    }
}

#[cfg(test)]
mod tests;
