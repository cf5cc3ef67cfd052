//! When the band is worn, and on which days it was.

use serde::{Deserialize, Serialize};

use super::super::order::{bounds_of, day_of, since_midnight_ms};

/// Wear of today and the days of use before it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Worn {
    /// When a pulse or a movement was last seen.
    seen_ms: Option<i64>,
    worn: bool,
    day: Option<i64>,
    today_ms: u32,
    /// Bit n: the day n days before today was one of use.
    days: u64,
}

impl Worn {
    /// A pulse or a movement; returns whether the band was put on with it.
    pub(super) fn seen(&mut self, at_ms: i64, shift_ms: i64, off_ms: i64, day_of_use_ms: u32) -> bool {
        self.begin_day(day_of(at_ms, shift_ms));
        let before = self.seen_ms.replace(at_ms.max(self.seen_ms.unwrap_or(at_ms)));
        let since_ms = before.map_or(0, |before| at_ms.saturating_sub(before)).max(0);
        if since_ms <= off_ms && self.worn {
            let of_today = since_ms.min(since_midnight_ms(at_ms, shift_ms));
            self.today_ms = self.today_ms.saturating_add(u32::try_from(of_today).unwrap_or(0));
        }
        if self.today_ms >= day_of_use_ms {
            self.days |= 1;
        }
        !std::mem::replace(&mut self.worn, true)
    }

    /// Time has gone by; returns since when the band has not been worn, if that is new. Days in a drawer are days without
    /// use as soon as they are over, not when it is worn again.
    pub(super) fn pass(&mut self, at_ms: i64, shift_ms: i64, off_ms: i64) -> Option<i64> {
        if self.day.is_some() {
            self.begin_day(day_of(at_ms, shift_ms));
        }
        let seen_ms = self.seen_ms.filter(|seen_ms| self.worn && at_ms.saturating_sub(*seen_ms) > off_ms)?;
        self.worn = false;
        Some(seen_ms)
    }

    /// From when until when nothing ends but by what else is seen: of what is seen then, only the last matters.
    pub(super) fn calm_ms(&self, shift_ms: i64, off_ms: i64) -> Option<(i64, i64)> {
        let (begin_ms, end_ms) = bounds_of(self.day?, shift_ms)?;
        let seen_ms = self.seen_ms.filter(|seen_ms| self.worn && *seen_ms >= begin_ms)?;
        Some((seen_ms, end_ms.min(seen_ms.checked_add(off_ms)?)))
    }

    /// A time of the day before (of another sensor) adds to today.
    fn begin_day(&mut self, day: i64) {
        let ahead = self.day.map_or(0, |today| day.saturating_sub(today));
        if ahead > 0 || self.day.is_none() {
            self.days = u32::try_from(ahead).ok().and_then(|ahead| self.days.checked_shl(ahead)).unwrap_or(0);
            (self.day, self.today_ms) = (Some(day), 0);
        }
    }

    /// Whether it is worn, and seconds of wear today; none before anything was seen.
    pub(super) fn now(&self) -> Option<(bool, f64)> {
        self.seen_ms.map(|_| (self.worn, f64::from(self.today_ms) / 1000.0))
    }

    /// Days of use among the last `last`, today included; at most 64 are known.
    pub(super) fn days(&self, last: u32) -> u32 {
        (self.days << (64 - last.clamp(1, 64))).count_ones()
    }

    /// Days of use in a row up to today, or to yesterday while today is none yet; at most 64.
    pub(super) fn streak(&self) -> u32 {
        if self.days & 1 == 0 { (self.days >> 1).trailing_ones() } else { self.days.trailing_ones() }
    }
}
