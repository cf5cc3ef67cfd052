//! When it will be there.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::super::earth::Position;
use super::super::value::{Derived, Value};

/// Predictions kept until the way shows how good they were.
pub(super) const PREDICTIONS_MAX: usize = 32;
/// Predictions are kept this far apart, ms, at first; when there are too many, every second one goes and this doubles.
const APART_MS: i64 = 30_000;
/// A prediction is judged when so much of its remaining way is done.
const JUDGED_AT: f64 = 0.4;
/// Road over straight line, before this journey has shown its own; 1.2 to 1.4 in most countries (Ballou, Rahardja and
/// Sakai 2002), and as many metres as it takes to outweigh that.
const DETOUR: f64 = 1.3;
const DETOUR_M: f64 = 500.0;
/// What a journey has shown so far may be a loop; the rest of it seldom is.
const DETOUR_MAX: f64 = 1.6;
/// Spread of ln(actual / predicted) before there is evidence, when it comes later and when it comes earlier than
/// predicted, and how much evidence that is worth. The remaining way is a straight line and the road unknown, so it is
/// wide; fitted on two recorded walks and a drive, none of which went straight.
const SPREAD_LATER: f64 = 1.2;
const SPREAD_EARLIER: f64 = 1.4;
const SPREAD_N: f64 = 3.0;
/// 90 % of a normal distribution are within so many standard deviations.
const Z90: f64 = 1.645;
/// Least evidence before anything is said.
const LEAST_MS: f64 = 60_000.0;
const LEAST_M: f64 = 100.0;
/// Slower than this is no pace, m/s.
const PACE_MIN: f64 = 0.02;

/// Share of arrivals that intervals are to hold.
const COVERAGE: f64 = 0.9;

/// Where a way ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Goal {
    pub(crate) place: Position,
    /// Who is within this of it has arrived, m.
    pub(crate) within_m: f64,
}

/// An arrival and its interval, Unix ms.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Expected {
    at_ms: f64,
    low_ms: f64,
    high_ms: f64,
}

/// Progress towards one destination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Arrival {
    goal: Goal,
    now: Option<(i64, f64)>,
    /// Way and time so far.
    way_m: f64,
    time_ms: f64,
    /// The same, the past discounted.
    recent_m: f64,
    recent_ms: f64,
    /// By how much of the straight line it came nearer, the past discounted too: the detour by the last depot says
    /// nothing of the road from there.
    recent_nearer_m: f64,
    predictions: VecDeque<Prediction>,
    apart_ms: i64,
    judged: Judged,
    arrived: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Prediction {
    at_ms: i64,
    remaining_m: f64,
    ms_per_m: f64,
}

/// How wrong predictions were: sums of squared ln(actual / predicted), later and earlier apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Judged {
    n: f64,
    later: f64,
    earlier: f64,
}

impl Judged {
    fn add(&mut self, error: f64) {
        let square = error * error;
        self.n += 1.0;
        if error > 0.0 { self.later += square } else { self.earlier += square }
    }

    /// Factors of a 90 % interval around a prediction: each half of a normal distribution of its own width.
    fn factors(&self) -> (f64, f64) {
        let factor = |prior: f64, squares: f64| {
            (Z90 * ((SPREAD_N * prior * prior + 2.0 * squares) / (SPREAD_N + self.n)).sqrt()).exp()
        };
        (factor(SPREAD_EARLIER, self.earlier).recip(), factor(SPREAD_LATER, self.later))
    }
}

impl Arrival {
    pub(super) fn new(goal: Goal) -> Self {
        Self {
            goal,
            now: None,
            way_m: 0.0,
            time_ms: 0.0,
            recent_m: 0.0,
            recent_ms: 0.0,
            recent_nearer_m: 0.0,
            predictions: VecDeque::new(),
            apart_ms: APART_MS,
            judged: Judged::default(),
            arrived: false,
        }
    }

    /// The same destination, nothing known of the way.
    pub(super) fn anew(&self) -> Self {
        Self { arrived: self.arrived, ..Self::new(self.goal) }
    }

    pub(super) fn goal(&self) -> Goal {
        self.goal
    }

    /// The straight line that remains to the goal's edge, and when it will be there.
    pub(super) fn values(&self, out: &mut Vec<Derived>) {
        let mut say = |name, value, unit, range: Option<(f64, f64)>| {
            let ((low, high), value) = (range.unzip(), Value::Number(value));
            let confidence = range.map(|_| COVERAGE);
            out.push(Derived { confidence, low, high, ..Derived::plain(name, value, unit) });
        };
        if let Some((_, remaining_m)) = self.now {
            say("journey.remaining", remaining_m, "m", None);
        }
        if let Some(expected) = self.expected() {
            say(
                "journey.arrival",
                expected.at_ms.round(),
                "ms",
                Some((expected.low_ms.round(), expected.high_ms.round())),
            );
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.predictions.capacity() * size_of::<Prediction>()
    }

    /// Takes a fix and the way since the last one; true if it arrived with it.
    pub(super) fn at(&mut self, at_ms: i64, place: Position, way_m: f64, pace_ms: f64) -> bool {
        let remaining_m = (self.goal.place.distance_m(place) - self.goal.within_m).max(0.0);
        if let Some((before_ms, before_m)) = self.now.replace((at_ms, remaining_m)) {
            let ms = at_ms.saturating_sub(before_ms).max(0) as f64;
            let fade = (-ms / pace_ms.max(1.0)).exp();
            (self.way_m, self.time_ms) = (self.way_m + way_m, self.time_ms + ms);
            self.recent_nearer_m = self.recent_nearer_m * fade + before_m - remaining_m;
            (self.recent_m, self.recent_ms) = (self.recent_m * fade + way_m, self.recent_ms * fade + ms);
        }
        if self.arrived {
            return false;
        }
        self.judge(at_ms, remaining_m);
        self.predict(at_ms, remaining_m);
        self.arrived = remaining_m <= 0.0;
        self.arrived
    }

    /// The arrival, once there is pace, and until it is there.
    fn expected(&self) -> Option<Expected> {
        let (now_ms, remaining_m) = self.now.filter(|_| !self.arrived)?;
        let ms = remaining_m * self.ms_per_m()?;
        let (low, high) = self.with_overdue(now_ms).factors();
        let now_ms = now_ms as f64;
        Some(Expected { at_ms: now_ms + ms, low_ms: now_ms + ms * low, high_ms: now_ms + ms * high })
    }

    /// Milliseconds for a metre of straight line: detour so far over recent pace.
    fn ms_per_m(&self) -> Option<f64> {
        if self.time_ms < LEAST_MS || self.way_m < LEAST_M {
            return None;
        }
        let nearer_m = self.recent_nearer_m.max(0.0);
        let detour = ((self.recent_m + DETOUR * DETOUR_M) / (nearer_m + DETOUR_M)).clamp(1.0, DETOUR_MAX);
        let pace = self.recent_m / self.recent_ms * 1000.0;
        (pace >= PACE_MIN).then(|| detour / pace * 1000.0)
    }

    /// Compares what was predicted for the way done since with what it took.
    fn judge(&mut self, at_ms: i64, remaining_m: f64) {
        let judged = &mut self.judged;
        self.predictions.retain(|prediction| {
            let done_m = prediction.remaining_m - remaining_m;
            let ripe = done_m >= prediction.remaining_m * JUDGED_AT;
            if ripe {
                judged.add(prediction.error(at_ms, done_m));
            }
            !ripe
        });
    }

    /// What was judged, and the predictions by which it would be there already: they are at least so wrong.
    fn with_overdue(&self, now_ms: i64) -> Judged {
        let mut judged = self.judged;
        let errors = self.predictions.iter().map(|prediction| prediction.error(now_ms, prediction.remaining_m));
        errors.filter(|error| *error > 0.0).for_each(|error| judged.add(error));
        judged
    }

    fn predict(&mut self, at_ms: i64, remaining_m: f64) {
        let Some(ms_per_m) = self.ms_per_m() else { return };
        if self.predictions.back().is_some_and(|last| at_ms.saturating_sub(last.at_ms) < self.apart_ms) {
            return;
        }
        if self.predictions.len() == PREDICTIONS_MAX {
            let mut keep = false;
            self.predictions.retain(|_| {
                keep = !keep;
                keep
            });
            self.apart_ms = self.apart_ms.saturating_mul(2);
        }
        self.predictions.push_back(Prediction { at_ms, remaining_m, ms_per_m });
    }
}

impl Prediction {
    /// ln(actual / predicted) of so much of its way, done by now.
    fn error(&self, now_ms: i64, done_m: f64) -> f64 {
        let took_ms = now_ms.saturating_sub(self.at_ms).max(1) as f64;
        (took_ms / (done_m * self.ms_per_m).max(1.0)).ln()
    }
}

#[cfg(test)]
mod tests;
