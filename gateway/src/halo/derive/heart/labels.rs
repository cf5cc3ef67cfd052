//! Which beats are normal. Needs nothing but intervals, and never more than the two after the one in doubt.

use serde::{Deserialize, Serialize};

/// Steps of an interval in a millisecond: an interval of at most 5 s has 16 bits, and one of whole milliseconds none
/// that are lost. Rounding adds an error of 0.04 ms.
pub(super) const STEPS_PER_MS: f64 = 8.0;
/// Plausible intervals, ms: 300 and 12 a minute; the registry's range of `rr_interval`.
const RR_MS: std::ops::RangeInclusive<f64> = 200.0..=5000.0;

/// Normal intervals the reference is the median of: odd, and long enough that three odd ones do not move it far.
const REFERENCE: usize = 9;
/// Beats taken on trust until there is a reference.
const TRUST: usize = 3;
/// An interval this many hundredths of the reference is a missed beat, a block or a pause.
const LONG_PERCENT: u32 = 160;
/// After an early beat, an interval at least as long as the reference and this many hundredths of the early one is its
/// compensatory pause.
const COMPENSATION_PERCENT: u32 = 130;
/// Without a compensatory pause only a beat as early as this is premature: it has reset the sinus node.
const RESET_PERCENT: u32 = 75;
/// How near the reference two intervals must sum for one beat too many between them.
const SPLIT_PERCENT: std::ops::RangeInclusive<u32> = 85..=115;
/// Early beats that may wait for their successor.
const DOUBTS: usize = 2;
/// Long intervals in a row after which they are the rhythm.
const LONG_MAX: u8 = 4;

/// A whole number of steps; none for what no heart does.
pub(super) fn steps_of(rr_ms: f64) -> Option<u16> {
    RR_MS.contains(&rr_ms).then(|| nearest(rr_ms * STEPS_PER_MS))
}

/// The nearest whole number, of a half the larger one; for 1 to 65,535. `f64::round` is a call, which costs more than the
/// rest of what a beat does with it.
pub(super) fn nearest(value: f64) -> u16 {
    (value + 0.5) as u16
}

/// What an interval is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Label {
    /// Between two normal beats: the only kind variability is computed of.
    Normal,
    /// It ended with a beat too early.
    Premature,
    /// The one after premature beats.
    Compensatory,
    /// A missed beat, a block or a pause.
    Long,
    /// Two of these are one interval, divided by a beat that was none or that did not disturb the rhythm.
    Split,
    /// It began or ended with a beat the device made.
    Paced,
}

/// An interval and the time of the beat that ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Beat {
    pub(super) at_ms: i64,
    /// In steps.
    pub(super) rr: u16,
    /// The interval before this one ended where it began.
    pub(super) joined: bool,
    pub(super) label: Label,
}

/// The reference and the beats in doubt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Labels {
    /// The last normal intervals, oldest first; then zeros.
    reference: [u16; REFERENCE],
    /// The same in ascending order, kept as they come and go: to seek or to sort for each beat costs several times as much.
    ascending: [u16; REFERENCE],
    known: u8,
    longs: u8,
    /// The last beat was the device's.
    was_paced: bool,
    /// Early beats not yet labelled, oldest first.
    doubts: [Option<Beat>; DOUBTS],
}

impl Labels {
    /// Takes the next interval and hands out what is now certain, in order of time.
    pub(super) fn push(&mut self, beat: Beat, paced: bool, early_share: f64, mut out: impl FnMut(Beat)) {
        let after_paced = std::mem::replace(&mut self.was_paced, paced) && beat.joined;
        if !beat.joined {
            self.flush(&mut out);
        }
        let beat = Beat { label: if paced || after_paced { Label::Paced } else { Label::Normal }, ..beat };
        let usual = self.usual();
        let early = usual.is_some_and(|usual| f64::from(beat.rr) < early_share * f64::from(usual));
        // A beat of the heart's own may come too early after one of the device's, too.
        if beat.label == Label::Paced && (paced || !early) {
            self.flush(&mut out);
            self.learn(beat.rr);
            return out(beat);
        }
        let Some(usual) = usual else { return self.accept(beat, &mut out) };
        if early {
            self.doubt(beat, &mut out);
        } else {
            let label = self.settle(beat.rr, usual, &mut out);
            self.tell(Beat { label, ..beat }, &mut out);
        }
    }

    /// Ends the doubt about beats whose successor will not come.
    pub(super) fn flush(&mut self, mut out: impl FnMut(Beat)) {
        for beat in std::mem::take(&mut self.doubts).into_iter().flatten() {
            self.accept(beat, &mut out);
        }
    }

    /// A third early beat in a row is no premature one: the heart has become faster.
    fn doubt(&mut self, beat: Beat, mut out: impl FnMut(Beat)) {
        self.longs = 0;
        if let Some(free) = self.doubts.iter_mut().find(|doubt| doubt.is_none()) {
            *free = Some(beat);
            return;
        }
        self.flush(&mut out);
        self.accept(beat, out);
    }

    /// Labels the beats in doubt by the interval after them, which is not early, and says what that one is.
    fn settle(&mut self, rr: u16, usual: u16, mut out: impl FnMut(Beat)) -> Label {
        let (next, usual) = (u32::from(rr), u32::from(usual));
        let plain = if next * 100 >= usual * LONG_PERCENT { Label::Long } else { Label::Normal };
        let doubts = || self.doubts.iter().flatten().map(|beat| u32::from(beat.rr));
        let Some(last) = doubts().next_back() else { return plain };
        let compensates = next >= usual && next * 100 >= last * COMPENSATION_PERCENT;
        let resets = doubts().count() == 1 && last * 100 < usual * RESET_PERCENT;
        let splits =
            doubts().count() == DOUBTS && SPLIT_PERCENT.contains(&(doubts().sum::<u32>() * 100 / usual.max(1)));
        let label = match (splits, compensates || resets) {
            (true, _) => Label::Split,
            (false, true) => Label::Premature,
            (false, false) => Label::Normal,
        };
        for beat in std::mem::take(&mut self.doubts).into_iter().flatten() {
            let label = if label == Label::Normal { beat.label } else { label };
            self.tell(Beat { label, ..beat }, &mut out);
        }
        if label == Label::Premature && plain == Label::Normal { Label::Compensatory } else { plain }
    }

    fn tell(&mut self, beat: Beat, mut out: impl FnMut(Beat)) {
        self.longs = if beat.label == Label::Long { self.longs + 1 } else { 0 };
        if self.longs > LONG_MAX {
            self.known = 0;
            self.longs = 0;
            return self.accept(beat, out);
        }
        match beat.label {
            Label::Normal => self.accept(beat, out),
            _ => out(beat),
        }
    }

    fn accept(&mut self, beat: Beat, mut out: impl FnMut(Beat)) {
        self.learn(beat.rr);
        out(Beat { label: if beat.label == Label::Paced { Label::Paced } else { Label::Normal }, ..beat });
    }

    fn learn(&mut self, rr: u16) {
        let known = usize::from(self.known);
        // Where the newcomer has room: in the place of the oldest, else behind the others.
        let free = if known >= REFERENCE {
            let [oldest, others @ ..] = self.reference;
            // A call of `memmove` takes longer than eight moves.
            self.reference.iter_mut().zip(others).for_each(|(place, other)| *place = other);
            self.ascending.partition_point(|other| *other < oldest)
        } else {
            self.known += 1;
            known
        };
        if let Some(newest) = self.reference.get_mut(usize::from(self.known) - 1) {
            *newest = rr;
        }
        settle_in(self.ascending.get_mut(..usize::from(self.known)).unwrap_or_default(), free, rr);
    }

    /// The median of the last normal intervals.
    fn usual(&self) -> Option<u16> {
        let known = usize::from(self.known);
        self.ascending.get(known / 2).copied().filter(|_| known >= TRUST)
    }
}

/// Puts `rr` into `ascending`, all of which but the place `at` are in order, by moving what stands between: one or two
/// neighbours, as hearts go.
fn settle_in(ascending: &mut [u16], at: usize, rr: u16) {
    // Also of a state that never was: what is read back is not to be trusted with more than a wrong figure.
    let mut at = at.min(ascending.len().saturating_sub(1));
    while let Some(&[_, next]) = ascending.get(at..at + 2)
        && next < rr
    {
        ascending.swap(at, at + 1);
        at += 1;
    }
    while let Some(&before) = at.checked_sub(1).and_then(|before| ascending.get(before))
        && before > rr
    {
        ascending.swap(at - 1, at);
        at -= 1;
    }
    if let Some(place) = ascending.get_mut(at) {
        *place = rr;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_reference_is_the_median_of_the_last_nine(intervals in prop::collection::vec(1_600_u16..40_000, 1..60)) {
            let mut labels = Labels::default();
            for (seen, rr) in (1..).zip(&intervals) {
                labels.learn(*rr);
                let mut last: Vec<u16> = intervals[..seen].iter().rev().take(REFERENCE).copied().collect();
                last.sort_unstable();
                prop_assert_eq!(labels.usual(), last.get(last.len() / 2).copied().filter(|_| seen >= TRUST));
            }
        }

        #[test]
        fn an_interval_is_held_as_the_nearest_step(rr_ms in 200.0..=5000.0_f64, whole in 1_600_u32..=40_000) {
            let half = (f64::from(whole) + 0.5) / STEPS_PER_MS;
            for rr_ms in [rr_ms, half.next_down(), half, half.next_up()].into_iter().filter(|ms| RR_MS.contains(ms)) {
                prop_assert_eq!(steps_of(rr_ms), Some((rr_ms * STEPS_PER_MS).round() as u16));
            }
        }
    }
}
