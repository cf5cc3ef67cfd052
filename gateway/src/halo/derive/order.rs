//! Event time that may stand still, jump or go back, and the days it falls into.

use serde::{Deserialize, Serialize};

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
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
        is_ahead(self.newest_ms, now_ms)
    }

    /// How long before `at_ms` the newest reading was; none without one.
    pub(super) fn since_ms(&self, at_ms: i64) -> Option<i64> {
        self.newest_ms.map(|newest_ms| at_ms.saturating_sub(newest_ms))
    }
}

/// Whether a newest time was dated by a clock that has been set back since; `now_ms` is the gateway's.
pub(super) fn is_ahead(newest_ms: Option<i64>, now_ms: i64) -> bool {
    newest_ms.is_some_and(|newest_ms| newest_ms.saturating_sub(now_ms) > AHEAD_MS_MAX)
}

/// Number of the day of `at_ms` where clocks are `shift_ms` ahead of UTC; 1970-01-01 is day 0 there.
///
/// All that is told by the day takes its day from here.
pub(super) fn day_of(at_ms: i64, shift_ms: i64) -> i64 {
    at_ms.saturating_add(shift_ms).div_euclid(DAY_MS)
}

/// When that day begins and its last millisecond; none at the ends of time.
pub(super) fn bounds_of(day: i64, shift_ms: i64) -> Option<(i64, i64)> {
    let begin_ms = day.checked_mul(DAY_MS)?.checked_sub(shift_ms)?;
    Some((begin_ms, begin_ms.checked_add(DAY_MS - 1)?))
}

/// How long that day is old at `at_ms`, milliseconds.
pub(super) fn since_midnight_ms(at_ms: i64, shift_ms: i64) -> i64 {
    at_ms.saturating_add(shift_ms).rem_euclid(DAY_MS)
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
        assert_eq!([-1, 0, DAY_MS - 1, DAY_MS].map(|at| day_of(at, 0)), [-1, 0, 0, 1]);
        assert!(day_of(i64::MIN, i64::MIN) < 0 && day_of(i64::MAX, i64::MAX) > 0);
    }

    #[test]
    fn a_day_begins_earlier_in_the_east() {
        // 14:00 in Kiritimati is midnight in London; in Honolulu it is the day before.
        const HOUR_MS: i64 = 3_600_000;
        let days = |at_ms| [14 * HOUR_MS, 0, -10 * HOUR_MS].map(|shift_ms| day_of(at_ms, shift_ms));
        assert_eq!((days(10 * DAY_MS - 1), days(10 * DAY_MS)), ([10, 9, 9], [10, 10, 9]));
        for (day, shift_ms) in [(10, 14 * HOUR_MS), (9, -10 * HOUR_MS), (-1, 0)] {
            let (begin_ms, end_ms) = bounds_of(day, shift_ms).expect("far from the ends of time");
            let around = [begin_ms - 1, begin_ms, end_ms, end_ms + 1].map(|at_ms| day_of(at_ms, shift_ms));
            assert_eq!(around, [day - 1, day, day, day + 1]);
        }
        assert_eq!((bounds_of(i64::MAX, 0), bounds_of(i64::MIN / DAY_MS, DAY_MS)), (None, None));
        let old = [5 * HOUR_MS, 0, -9 * HOUR_MS].map(|shift_ms| since_midnight_ms(0, shift_ms) / HOUR_MS);
        assert_eq!(old, [5, 0, 15]);
    }
}
