//! Rates of change over a span of time, and the manoeuvres they amount to.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Kept speeds are at least this part of the span apart.
const SPACINGS: i64 = 16;
/// So many cover twice the span, with one beyond each end.
const KEPT_MAX: usize = 2 * SPACINGS as usize + 2;

/// Kinds of harsh manoeuvre.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Manoeuvre {
    /// Speed was lost too fast.
    Braking,
    /// Speed was gained too fast.
    Acceleration,
    /// A turn was taken too fast.
    Cornering,
}

/// The newest speeds, thinned out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Slope {
    kept: VecDeque<(i64, f64)>,
}

impl Slope {
    /// Takes a speed in m/s, not older than the last, and gives the mean acceleration since the speed that is nearest to
    /// one span ago. None when that one is closer than three quarters of a span or further than two spans.
    pub(super) fn at(&mut self, at_ms: i64, mps: f64, span_ms: i64) -> Option<f64> {
        while self.kept.front().is_some_and(|(kept_ms, _)| at_ms.saturating_sub(*kept_ms) > span_ms.saturating_mul(2)) {
            self.kept.pop_front();
        }
        match self.kept.back_mut() {
            Some(last) if last.0 == at_ms => last.1 = mps,
            Some(last) if at_ms.saturating_sub(last.0) < span_ms / SPACINGS => {}
            _ => self.kept.push_back((at_ms, mps)),
        }
        while self.kept.len() > KEPT_MAX {
            self.kept.pop_front();
        }
        let off = |kept_ms: i64| (at_ms.saturating_sub(kept_ms) - span_ms).abs();
        let (before_ms, before) = *self.kept.iter().min_by_key(|(kept_ms, _)| off(*kept_ms))?;
        let apart_ms = at_ms.saturating_sub(before_ms);
        (apart_ms.saturating_mul(4) >= span_ms.saturating_mul(3)).then(|| (mps - before) / (apart_ms as f64 / 1000.0))
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.kept.capacity() * size_of::<(i64, f64)>()
    }
}

/// What a run of samples beyond a threshold does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Turn {
    Began { at_ms: i64, mps2: f64 },
    Ended { from_ms: i64, to_ms: i64, peak_mps2: f64 },
}

/// A run of samples at or beyond a threshold; runs closer than the merging time are one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Run {
    open: Option<(i64, i64, f64)>,
}

impl Run {
    /// Takes one sample, as the excess counts upwards.
    pub(super) fn at(&mut self, at_ms: i64, mps2: f64, threshold: f64, merge_ms: i64, mut turn: impl FnMut(Turn)) {
        let harsh = mps2 >= threshold;
        if self.open.is_some_and(|(_, to_ms, _)| at_ms.saturating_sub(to_ms) >= merge_ms) {
            self.close(&mut turn);
        }
        if !harsh {
            return;
        }
        match &mut self.open {
            Some((_, to_ms, peak)) => (*to_ms, *peak) = (at_ms, peak.max(mps2)),
            None => {
                self.open = Some((at_ms, at_ms, mps2));
                turn(Turn::Began { at_ms, mps2 });
            }
        }
    }

    pub(super) fn close(&mut self, mut turn: impl FnMut(Turn)) {
        if let Some((from_ms, to_ms, peak_mps2)) = self.open.take() {
            turn(Turn::Ended { from_ms, to_ms, peak_mps2 });
        }
    }
}
