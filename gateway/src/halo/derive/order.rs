//! Event time that may stand still, jump or go back, and the days it falls into.

use serde::{Deserialize, Serialize};

/// Milliseconds of a day.
pub(super) const DAY_MS: i64 = 86_400_000;
/// How far ahead of the gateway's clock the newest reading may lie before it is taken for one of a wrong clock; the
/// gateway's own lateness.
const AHEAD_MS_MAX: i64 = 15 * 60 * 1000;

/// The newest time seen: readings before it are late, and of no use to a fold that needs order.
///
/// Readings of the future never come this far, so that only a gateway whose clock was set back finds its newest reading
/// ahead of itself; a device that sends what it kept for days is late, and changes nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    newest_ms: Option<i64>,
}

impl Order {
    /// Whether a reading comes at or after the newest one, which it then is.
    pub(super) fn admits(&mut self, at_ms: i64) -> bool {
        let admitted = self.newest_ms.is_none_or(|newest_ms| at_ms >= newest_ms);
        if admitted {
            self.newest_ms = Some(at_ms);
        }
        admitted
    }

    /// The newest time; none before the first reading.
    pub(super) fn newest_ms(&self) -> Option<i64> {
        self.newest_ms
    }

    /// Whether the newest reading was dated by a clock that has been set back since; `now_ms` is the gateway's.
    pub(super) fn is_ahead_of(&self, now_ms: i64) -> bool {
        self.newest_ms.is_some_and(|newest_ms| newest_ms.saturating_sub(now_ms) > AHEAD_MS_MAX)
    }

    /// How long before `at_ms` the newest reading was; none without one.
    pub(super) fn since_ms(&self, at_ms: i64) -> Option<i64> {
        self.newest_ms.map(|newest_ms| at_ms.saturating_sub(newest_ms))
    }
}

/// Number of the UTC day of `at_ms`; 1970-01-01 is day 0.
pub(super) fn day(at_ms: i64) -> i64 {
    at_ms.div_euclid(DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_reading_is_behind_and_one_from_2106_only_until_the_clock_is_right() {
        let mut order = Order::default();
        assert_eq!([1000, 1000, 999, 2000].map(|at| order.admits(at)), [true, true, false, true]);
        assert!(order.admits(4_300_000_000_000) && !order.admits(3000));
        assert!(order.is_ahead_of(3000) && !order.is_ahead_of(4_300_000_000_000 - AHEAD_MS_MAX));
    }

    #[test]
    fn the_ends_of_time_have_an_order_and_days() {
        let mut order = Order::default();
        assert_eq!([i64::MIN, i64::MAX, i64::MIN].map(|at| order.admits(at)), [true, true, false]);
        assert!(order.is_ahead_of(i64::MIN) && order.since_ms(i64::MIN) == Some(i64::MIN));
        assert_eq!([-1, 0, DAY_MS - 1, DAY_MS].map(day), [-1, 0, 0, 1]);
        assert!(day(i64::MIN) < 0 && day(i64::MAX) > 0);
    }
}
