//! What is told by the day (or that of the subject's time zone): resting heart rate and seconds per zone.

use serde::{Deserialize, Serialize};

use super::super::order::day_of;
use super::labels::nearest;
use super::settings::HeartSettings;

/// A resting rate is the median of a stretch this long.
const STRETCH_MS: i64 = 300_000;
/// How much of a stretch must be covered by beats or rates to count.
const COVERED_MS_MIN: u64 = 150_000;
/// Rates that count, /min.
const RATES: std::ops::RangeInclusive<f64> = 20.0..=300.0;
/// Stretches after which a day's lowest is taken to be a resting rate: three hours.
const STRETCHES_ENOUGH: f64 = 36.0;
/// Where zones 1 to 5 begin, in hundredths of the highest rate; ascending.
const ZONES_PERCENT: [f64; ZONES] = [50.0, 60.0, 70.0, 80.0, 90.0];
/// Zones counted; below the first one is none.
pub(super) const ZONES: usize = 5;
/// Rates that room is made for at a time.
const GROWTH: usize = 8;

/// One day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Today {
    day: Option<i64>,
    /// Local time minus UTC.
    pub(super) shift_ms: i64,
    /// Time is counted up to here, so that two sensors of one heart do not count it twice.
    counted_ms: Option<i64>,
    zones_ms: [u32; ZONES],
    zone: Option<u8>,
    /// Number of the stretch being filled, since 1970.
    stretch: i64,
    /// Whole rates, /min, of that stretch in ascending order, and how long the heart had each, ms.
    rates: Vec<(u16, u32)>,
    /// /min.
    lowest: Option<f64>,
    stretches: u16,
}

impl Today {
    /// The heart beat at `rate` for the `span_ms` that end at `at_ms`; what is counted already is not counted again.
    pub(super) fn cover(&mut self, at_ms: i64, span_ms: i64, rate: f64, settings: &HeartSettings) {
        if !RATES.contains(&rate) {
            return;
        }
        self.begin_day(day_of(at_ms, self.shift_ms));
        self.begin_stretch(at_ms.div_euclid(STRETCH_MS));
        let counted_ms = self.counted_ms.unwrap_or(i64::MIN);
        let from_ms = at_ms.saturating_sub(span_ms).max(counted_ms);
        let covered = u32::try_from(at_ms.saturating_sub(from_ms)).unwrap_or(0);
        self.counted_ms = Some(at_ms.max(counted_ms));
        self.weigh(nearest(rate), covered);
        let reached = |percent: &&f64| rate * 100.0 >= **percent * settings.rate_max_per_min;
        let zone = ZONES_PERCENT.iter().take_while(reached).count();
        self.zone = u8::try_from(zone).ok();
        if let Some(counted) = zone.checked_sub(1).and_then(|index| self.zones_ms.get_mut(index)) {
            *counted = counted.saturating_add(covered);
        }
    }

    fn weigh(&mut self, rate: u16, covered_ms: u32) {
        let at = self.place_of(rate);
        if self.rates.get(at).is_none_or(|(other, _)| *other != rate) {
            if self.rates.len() == self.rates.capacity() {
                self.rates.reserve_exact(GROWTH);
            }
            self.rates.insert(at, (rate, 0));
        }
        if let Some((_, ms)) = self.rates.get_mut(at) {
            *ms = ms.saturating_add(covered_ms);
        }
    }

    /// Where a rate stands, or belongs. A heart leaves few rates out, so that the lowest tells nearly where: a search that
    /// halves waits for memory at each step, which took half of what a rate costs.
    fn place_of(&self, rate: u16) -> usize {
        let Some((lowest, _)) = self.rates.first().filter(|(lowest, _)| *lowest <= rate) else { return 0 };
        let end = usize::from(rate - lowest + 1).min(self.rates.len());
        let below = self.rates.get(..end).unwrap_or_default();
        let above = below.iter().rev().take_while(|(other, _)| *other >= rate).count();
        end - above
    }

    /// A new day has nothing yet; a time of the day before (of the other sensor) adds to this one.
    fn begin_day(&mut self, day: i64) {
        if self.day.is_none_or(|today| day > today) {
            let Self { shift_ms, counted_ms, .. } = *self;
            *self = Self { day: Some(day), shift_ms, counted_ms, ..Self::default() };
        }
    }

    fn begin_stretch(&mut self, stretch: i64) {
        if stretch == self.stretch {
            return;
        }
        if let Some(median) = self.median() {
            self.lowest = Some(self.lowest.map_or(median, |lowest| lowest.min(median)));
            self.stretches = self.stretches.saturating_add(1);
        }
        self.stretch = stretch;
        self.rates = Vec::new();
    }

    /// Of the stretch being filled, weighted by time; a whole rate stands for the interval of one around it.
    fn median(&self) -> Option<f64> {
        let covered: u64 = self.rates.iter().map(|(_, ms)| u64::from(*ms)).sum();
        if covered < COVERED_MS_MIN {
            return None;
        }
        let half = covered as f64 / 2.0;
        let mut below = 0.0;
        for (rate, ms) in &self.rates {
            let ms = f64::from(*ms);
            if below + ms >= half && ms > 0.0 {
                return Some(f64::from(*rate) - 0.5 + (half - below) / ms);
            }
            below += ms;
        }
        None
    }

    /// The lowest median of five minutes today, /min, and how much of three hours it was looked for in.
    pub(super) fn resting(&self) -> Option<(f64, f64)> {
        self.lowest.map(|lowest| (lowest, (f64::from(self.stretches) / STRETCHES_ENOUGH).min(1.0)))
    }

    /// The zone the heart is in, 0 below the first, and seconds today in zones 1 to 5; none before the first rate.
    pub(super) fn zones(&self) -> Option<(u8, [f64; ZONES])> {
        self.zone.map(|zone| (zone, self.zones_ms.map(|ms| f64::from(ms) / 1000.0)))
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.rates.capacity() * size_of::<(u16, u32)>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_rate_finds_its_place_however_many_are_left_out(known in prop::collection::btree_set(20..300_u16, 0..60)) {
            let rates = known.iter().map(|rate| (*rate, 1)).collect();
            let today = Today { rates, ..Today::default() };
            for rate in 19..=301 {
                prop_assert_eq!(today.place_of(rate), known.range(..rate).count());
            }
        }

        #[test]
        fn time_is_weighed_by_whole_rates_in_order(told in prop::collection::vec(20..300_u16, 1..60)) {
            let mut today = Today::default();
            told.iter().for_each(|rate| today.weigh(*rate, 5));
            let whole = told.iter().copied().collect::<BTreeSet<_>>();
            let times = |rate: u16| told.iter().filter(|other| **other == rate).count() as u32;
            let expected: Vec<(u16, u32)> = whole.into_iter().map(|rate| (rate, 5 * times(rate))).collect();
            prop_assert_eq!(today.rates, expected);
        }
    }
}
