//! Readings of one pane of the finest window, on their way into it: what they cost is paid once for all of them.

use super::signal::physical;
use super::sketch::{Bucket, Key};
use super::window::{FINEST_MS, Pane};
use crate::ingest::readings::{Point, SignalRef};

/// Most readings of a run; the next one begins another. Ten seconds of a fast heart are 25.
const RUN_MAX: usize = 32;

#[derive(Debug)]
pub(crate) struct Run {
    /// The pane.
    index: i64,
    /// As of the windows: the newest reading's time − 1 ms.
    newest_ms: i64,
    values: [f64; RUN_MAX],
    len: usize,
}

/// The sketch of a run: each key once, in order.
pub(super) struct Buckets {
    list: [Bucket; RUN_MAX],
    len: usize,
}

impl Run {
    pub(crate) fn new() -> Self {
        Self { index: 0, newest_ms: 0, values: [0.0; RUN_MAX], len: 0 }
    }

    /// Takes a reading, given in the signal's unit, unless it is of another pane or there is no room.
    pub(crate) fn take(&mut self, event_ms: i64, value: f64) -> bool {
        let at_ms = event_ms.saturating_sub(1);
        let index = at_ms.div_euclid(FINEST_MS);
        if self.len == 0 {
            (self.index, self.newest_ms) = (index, at_ms);
        }
        let Some(place) = self.values.get_mut(self.len).filter(|_| self.index == index) else { return false };
        *place = value;
        self.len += 1;
        self.newest_ms = self.newest_ms.max(at_ms);
        true
    }

    /// Starts over with the first of these points, which are in order of their times, and as many more as
    /// [`Self::take`] would take; the others are returned.
    pub(crate) fn begin<'a>(&mut self, points: &'a [Point], signal: &SignalRef) -> &'a [Point] {
        self.clear();
        let Some(first) = points.first() else { return points };
        self.index = first.event_ms.saturating_sub(1).div_euclid(FINEST_MS);
        let last_ms = self.index.saturating_add(1).saturating_mul(FINEST_MS);
        for (place, point) in self.values.iter_mut().zip(points) {
            if point.event_ms > last_ms {
                break;
            }
            *place = physical(point.raw, signal.num, signal.den);
            self.newest_ms = point.event_ms.saturating_sub(1);
            self.len += 1;
        }
        points.get(self.len..).unwrap_or_default()
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// In the signal's unit, in the order they were taken.
    pub(crate) fn values(&self) -> &[f64] {
        self.values.get(..self.len).unwrap_or_default()
    }

    /// Which pane they are of.
    pub(super) fn index(&self) -> i64 {
        self.index
    }

    pub(super) fn newest_ms(&self) -> i64 {
        self.newest_ms
    }

    pub(super) fn buckets(&self) -> Buckets {
        let mut keys = [Key::of(0.0); RUN_MAX];
        for (key, value) in keys.iter_mut().zip(self.values()) {
            *key = Key::of(*value);
        }
        let keys = keys.get_mut(..self.len).unwrap_or_default();
        keys.sort_unstable();
        Buckets::of(keys)
    }

    /// Their moments, by two passes; none without readings.
    pub(super) fn pane(&self) -> Option<Pane> {
        let values = Some(self.values()).filter(|values| !values.is_empty())?;
        let n = values.len() as f64;
        let (mut min, mut max, mut sum) = (f64::INFINITY, f64::NEG_INFINITY, 0.0);
        for value in values {
            (min, max, sum) = (min.min(*value), max.max(*value), sum + value);
        }
        let mean = sum / n;
        let m2 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        Some(Pane { tag: 0, buckets: 0, n: values.len() as u32, min, max, mean, m2 })
    }
}

impl Buckets {
    /// `keys` are in order.
    fn of(keys: &[Key]) -> Self {
        let mut all = Self { list: [Bucket::one(Key::of(0.0)); RUN_MAX], len: 0 };
        for key in keys {
            let one = Bucket::one(*key);
            let last = all.len.checked_sub(1).and_then(|last| all.list.get_mut(last));
            if !last.is_some_and(|last| last.join(one))
                && let Some(place) = all.list.get_mut(all.len)
            {
                *place = one;
                all.len += 1;
            }
        }
        all
    }

    pub(super) fn as_slice(&self) -> &[Bucket] {
        self.list.get(..self.len).unwrap_or_default()
    }
}
