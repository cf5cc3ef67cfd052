//! Heart rate variability of the last 60 s and 300 s.
//!
//! A window (T − w, T] ends with the newest labelled beat. SDNN is over n − 1 (Task Force of ESC and NASPE 1996,
//! doi:10.1161/01.CIR.93.5.1043). RMSSD and pNN50 are over the differences of neighbouring normal intervals, pNN50 over
//! their number (as hrv-analysis and pyHRV have it; NeuroKit2 divides by the number of intervals). A difference belongs
//! to the later of its two beats, and there is none across a beat that is not normal.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::labels::{Beat, Label, STEPS_PER_MS};

/// Lengths of the windows, ms; the longest first.
const LENGTHS_MS: [i64; 2] = [300_000, 60_000];
/// Entries kept: 300 s at 300 a minute are 1,500 beats. What comes faster (many beats dated the same millisecond)
/// shortens the window from its old end.
const ENTRIES_MAX: usize = 1536;
/// Entries that room is made for at a time, and how many may be free.
const GROWTH: usize = 64;
const FREE_MAX: usize = 3 * GROWTH;
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

/// What a window holds, in whole steps of an interval: entering and leaving it are exact. Squares of intervals are below
/// 2^32, and those of all entries below 2^43.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sums {
    beats: u32,
    beats_sum: i64,
    normal: u32,
    normal_sum: i64,
    squares: i64,
    pairs: u32,
    pair_squares: i64,
    over_50: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Window {
    /// How many of the ring's newest entries it holds.
    len: u16,
    /// When the oldest of these came.
    first_ms: i64,
    sums: Sums,
}

/// Both windows over one ring.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Windows {
    newest_ms: i64,
    /// The beats of the longest window, and the one before them.
    ring: VecDeque<Entry>,
    /// The newest interval was normal.
    normal: bool,
    windows: [Window; LENGTHS_MS.len()],
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
        if beat.at_ms.saturating_sub(self.newest_ms) >= LENGTHS_MS[0] {
            *self = Self::default();
        }
        let normal = beat.label == Label::Normal;
        let after_normal = std::mem::replace(&mut self.normal, normal);
        let marks = match (normal, after_normal && beat.joined && !self.ring.is_empty()) {
            (true, true) => NORMAL | PAIR,
            (true, false) => NORMAL,
            (false, _) => 0,
        };
        let mut since_ms = if self.ring.is_empty() { 0 } else { beat.at_ms.saturating_sub(self.newest_ms) };
        while since_ms > SINCE_MS_MAX {
            since_ms -= SINCE_MS_MAX;
            self.enter(beat.at_ms.saturating_sub(since_ms), Entry::new(0, 0, SINCE_MS_MAX));
        }
        self.enter(beat.at_ms, Entry::new(beat.rr, marks, since_ms));
        self.newest_ms = beat.at_ms;
    }

    fn enter(&mut self, at_ms: i64, entry: Entry) {
        self.leave(at_ms);
        let before = self.ring.back().copied().unwrap_or_default();
        if self.ring.len() == self.ring.capacity() {
            self.ring.reserve_exact(GROWTH);
        }
        self.ring.push_back(entry);
        for window in &mut self.windows {
            if window.len == 0 {
                window.first_ms = at_ms;
            }
            window.len += 1;
            window.sums.count(entry, before, 1);
        }
    }

    /// Lets the beats go that a window ending at `at_ms` leaves behind.
    fn leave(&mut self, at_ms: i64) {
        for (window, length_ms) in self.windows.iter_mut().zip(LENGTHS_MS) {
            let mut oldest = self.ring.len().saturating_sub(window.len.into());
            let before = |oldest: usize| oldest.checked_sub(1).and_then(|before| self.ring.get(before)).copied();
            while at_ms.saturating_sub(window.first_ms) >= length_ms || usize::from(window.len) >= ENTRIES_MAX {
                let Some(entry) = self.ring.get(oldest) else { break };
                window.sums.count(*entry, before(oldest).unwrap_or_default(), -1);
                window.len -= 1;
                oldest += 1;
                let since_ms = self.ring.get(oldest).map_or(0, |next| next.since_ms());
                window.first_ms = window.first_ms.saturating_add(since_ms);
            }
        }
        let kept = self.windows.iter().map(|window| usize::from(window.len) + 1).max().unwrap_or(0);
        // Nearly always one: a drain costs more than what it takes out.
        for _ in kept..self.ring.len() {
            self.ring.pop_front();
        }
        if self.ring.capacity() > self.ring.len() + FREE_MAX {
            self.ring.shrink_to(self.ring.len() + GROWTH);
        }
    }

    /// The windows that hold beats, the shortest first.
    pub(super) fn variability(&self) -> impl Iterator<Item = Variability> {
        self.windows.iter().zip(LENGTHS_MS).rev().filter_map(|(window, length_ms)| window.sums.variability(length_ms))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.ring.capacity() * size_of::<Entry>()
    }
}

impl Sums {
    /// Adds an entry and its difference from the one before it, or takes both away again with `by` = −1.
    fn count(&mut self, entry: Entry, before: Entry, by: i32) {
        let (wide, rr) = (i64::from(by), entry.rr());
        if rr == 0 {
            return;
        }
        let add = |n: &mut u32| *n = n.wrapping_add_signed(by);
        add(&mut self.beats);
        self.beats_sum += wide * rr;
        if entry.0 & NORMAL != 0 {
            add(&mut self.normal);
            self.normal_sum += wide * rr;
            self.squares += wide * rr * rr;
        }
        if entry.0 & PAIR != 0 {
            let apart = rr - before.rr();
            add(&mut self.pairs);
            self.pair_squares += wide * apart * apart;
            if apart.abs() > FIFTY {
                add(&mut self.over_50);
            }
        }
    }

    fn variability(&self, length_ms: i64) -> Option<Variability> {
        let pairs = f64::from(self.pairs);
        (self.beats > 0).then(|| Variability {
            window_s: (length_ms / 1000) as u32,
            coverage: (self.normal_sum as f64 / STEPS_PER_MS / length_ms as f64).min(1.0),
            rate: 60_000.0 * STEPS_PER_MS * f64::from(self.beats) / self.beats_sum as f64,
            sdnn: (self.normal > 1).then(|| self.variance().sqrt() / STEPS_PER_MS),
            rmssd: (self.pairs > 0).then(|| (self.pair_squares as f64 / pairs).sqrt() / STEPS_PER_MS),
            pnn50: (self.pairs > 0).then(|| 100.0 * f64::from(self.over_50) / pairs),
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
