//! Statistics over the last minute, quarter of an hour and day of event time, by panes.
//!
//! A window (T − w, T] ends at T, the event time of the signal's newest accepted reading, and needs no clock. It is
//! made of panes aligned to Unix time, each (k·p, (k+1)·p], and holds the pane of T and the ones before it: what it
//! covers is between w − p and w long, and exactly (T − w, T] when T is a pane's end. A reading that comes late falls
//! into the pane of its time and corrects it.
//!
//! Each reading is in one pane only, the finest that reaches back to it. A pane that its window leaves behind is merged
//! into the next window's, and a window answers from its own panes and those of the finer windows, which lie within it.

use serde::{Deserialize, Serialize};

use super::forecast::{STEP_MS, Step};
use super::run::Run;
use super::sketch::{self, Bucket, Tally};
use super::trend::{self, Rate};

/// A reading further behind its signal's newest one is counted as late and kept out.
pub(crate) const LATENESS_MS: i64 = 15 * 60 * 1000;

/// The finest panes; the length of every other one is a multiple of it.
pub(super) const FINEST_MS: i64 = 10_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
/// Lengths of the windows: name, pane in milliseconds, number of panes.
const SHAPES: [Shape; 3] = [
    Shape { name: "1m", pane_ms: FINEST_MS, panes: 6 },
    Shape { name: "15m", pane_ms: MINUTE_MS, panes: 15 },
    Shape { name: "24h", pane_ms: HOUR_MS, panes: 24 },
];

const _: () = assert!(SHAPES[1].pane_ms % FINEST_MS == 0 && SHAPES[2].pane_ms % FINEST_MS == 0);

/// The panes of a minute reach back over a whole step of a forecast.
const _: () = assert!(STEP_MS % SHAPES[1].pane_ms == 0 && STEP_MS < SHAPES[1].pane_ms * SHAPES[1].panes as i64);

/// The names of the windows, the shortest first.
pub(crate) fn window_names() -> impl Iterator<Item = &'static str> {
    SHAPES.iter().map(|shape| shape.name)
}

struct Shape {
    name: &'static str,
    pane_ms: i64,
    panes: u16,
}

impl Shape {
    /// Which pane a time is in. Quotients by numbers that the compiler knows are products, which take a fraction of the
    /// time.
    fn pane_at(&self, at_ms: i64) -> i64 {
        match self.pane_ms {
            FINEST_MS => at_ms.div_euclid(FINEST_MS),
            MINUTE_MS => at_ms.div_euclid(MINUTE_MS),
            HOUR_MS => at_ms.div_euclid(HOUR_MS),
            other_ms => at_ms.div_euclid(other_ms),
        }
    }
}

/// What one window says of one signal; the unit is the signal's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stats {
    /// How many readings.
    pub n: u32,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The sample standard deviation, over n − 1; none for a single reading.
    pub sd: Option<f64>,
    /// The value of rank ⌈n/2⌉, within 1 % of it.
    pub p50: f64,
    /// The value of rank ⌈0.95 n⌉, within 1 % of it.
    pub p95: f64,
}

/// The three windows of one signal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Windows {
    /// T − 1 ms: with it, left-open panes are plain quotients.
    newest_ms: Option<i64>,
    windows: [Window; SHAPES.len()],
}

impl Windows {
    /// Counts readings of one pane of the finest window. Runs may come in any order: what is older than the longest
    /// window is let pass. The step of a forecast that T has left behind, if it has left one.
    pub(crate) fn add(&mut self, run: &Run) -> Option<Step> {
        let pane = run.pane()?;
        if self.add_to_newest(run, &pane) {
            return None;
        }
        let mut ended = None;
        match self.newest_ms {
            Some(newest_ms) if run.newest_ms() <= newest_ms => {}
            Some(newest_ms) => {
                ended = self.step_left(newest_ms, run.newest_ms());
                self.advance(newest_ms, run.newest_ms());
            }
            None => self.newest_ms = Some(run.newest_ms()),
        }
        let newest_ms = self.newest_ms.unwrap_or(run.newest_ms());
        place(&mut self.windows, newest_ms, run.newest_ms(), &pane, run.buckets().as_slice());
        ended
    }

    /// The step T is in, if it will be in a later one. What came late for it is in its panes; what comes later is not.
    fn step_left(&self, from_ms: i64, to_ms: i64) -> Option<Step> {
        let index = from_ms.div_euclid(STEP_MS);
        if to_ms.div_euclid(STEP_MS) == index {
            return None;
        }
        let (mut n, mut sum) = (0.0, 0.0);
        for (window, shape) in self.windows.iter().zip(&SHAPES).filter(|(_, shape)| shape.pane_ms < STEP_MS) {
            let (newest, panes) = (from_ms.div_euclid(shape.pane_ms), STEP_MS / shape.pane_ms);
            for pane in
                window.panes.iter().filter(|pane| (newest - i64::from(pane.age(newest))).div_euclid(panes) == index)
            {
                n += f64::from(pane.n);
                sum += f64::from(pane.n) * pane.mean;
            }
        }
        (n > 0.0).then(|| Step { index, mean: sum / n })
    }

    /// The usual case, in which no pane begins or ends: readings of the newest pane of the finest window. Coarse panes
    /// end with a fine one, so what holds for it holds for them.
    fn add_to_newest(&mut self, run: &Run, more: &Pane) -> bool {
        let [finest, ..] = &mut self.windows;
        let Some(newest_ms) = &mut self.newest_ms else { return false };
        if newest_ms.div_euclid(FINEST_MS) != run.index() {
            return false;
        }
        let Some(pane) = finest.panes.last_mut().filter(|pane| pane.tag == run.index() as u16) else {
            return false;
        };
        *newest_ms = run.newest_ms().max(*newest_ms);
        *pane = pane.merge(more);
        let end = finest.buckets.len();
        pane.buckets += sketch::add(&mut finest.buckets, end, pane.buckets, run.buckets().as_slice());
        true
    }

    /// Name and statistics of every window; windows without readings are left out.
    pub(crate) fn stats(&self, tally: &mut Tally) -> impl Iterator<Item = (&'static str, Stats)> {
        (0..SHAPES.len()).filter_map(|at| Some((SHAPES.get(at)?.name, self.stats_of(self.windows.get(..=at)?, tally)?)))
    }

    fn stats_of(&self, windows: &[Window], tally: &mut Tally) -> Option<Stats> {
        let panes = windows.iter().rev().flat_map(|window| &window.panes);
        let all = panes.copied().reduce(|all, pane| all.merge(&pane))?;
        tally.fill(windows.iter().flat_map(|window| &window.buckets));
        Some(Stats {
            n: all.n,
            min: all.min,
            max: all.max,
            mean: all.mean,
            sd: (all.n > 1).then(|| (all.m2 / f64::from(all.n - 1)).sqrt()),
            p50: tally.percentile(50).clamp(all.min, all.max),
            p95: tally.percentile(95).clamp(all.min, all.max),
        })
    }

    /// How fast the signal rises over the window of a quarter of an hour: by the means of the minutes before the last one,
    /// each in the middle of what the finest window has left of it, and by the mean of that window.
    pub(crate) fn rate(&self) -> Option<Rate> {
        let ([finest, minutes, _], newest_ms) = (&self.windows, self.newest_ms?);
        let [ten_seconds, minute, _] = &SHAPES;
        let end_ms = newest_ms.div_euclid(FINEST_MS).saturating_add(1).saturating_mul(FINEST_MS);
        let finest_ms = end_ms.saturating_sub(FINEST_MS * i64::from(ten_seconds.panes));
        let mut points = [(0.0, 0.0); trend::POINTS_MAX];
        let mut free = points.iter_mut();
        for pane in &minutes.panes {
            let newest = newest_ms.div_euclid(minute.pane_ms);
            let begin_ms = newest.saturating_sub(i64::from(pane.age(newest))).saturating_mul(minute.pane_ms);
            let after_ms = begin_ms.saturating_add(minute.pane_ms).min(finest_ms);
            let middle_ms = (begin_ms.saturating_sub(end_ms) as f64 + after_ms.saturating_sub(end_ms) as f64) / 2.0;
            *free.next()? = (middle_ms, pane.mean);
        }
        let (mut n, mut time, mut value) = (0.0, 0.0, 0.0);
        for pane in &finest.panes {
            let age = pane.age(newest_ms.div_euclid(FINEST_MS));
            n += f64::from(pane.n);
            time -= f64::from(pane.n) * (f64::from(age) + 0.5) * FINEST_MS as f64;
            value += f64::from(pane.n) * pane.mean;
        }
        if n > 0.0 {
            *free.next()? = (time / n, value / n);
        }
        let left = free.len();
        trend::rate(points.get(..trend::POINTS_MAX - left)?)
    }

    /// Whether the readings of a run are none older than all before them.
    pub(crate) fn is_newest(&self, run: &Run) -> bool {
        self.newest_ms.is_none_or(|newest_ms| run.newest_ms() >= newest_ms)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.newest_ms.is_none()
    }

    /// Moves T on; the coarse windows first, so that they are where the finer ones' panes will go.
    fn advance(&mut self, from_ms: i64, to_ms: i64) {
        self.newest_ms = Some(to_ms);
        for (at, shape) in SHAPES.iter().enumerate().rev() {
            let (from, to) = (shape.pane_at(from_ms), shape.pane_at(to_ms));
            let Some((window, coarser)) = self.windows.get_mut(at..).and_then(<[Window]>::split_first_mut) else {
                return;
            };
            while from < to
                && let Some(pane) = window.left_behind(to, shape.panes, from)
            {
                let index = from - i64::from(pane.age(from));
                let buckets = window.buckets.get(..usize::from(pane.buckets)).unwrap_or_default();
                place(coarser, to_ms, index.saturating_mul(shape.pane_ms), &pane, buckets);
                window.panes.remove(0);
                window.buckets.drain(..usize::from(pane.buckets));
            }
        }
    }

    /// Whether the parts fit together; the doors of deserialised state ask.
    pub(crate) fn is_sound(&self) -> bool {
        let in_panes = |window: &Window| window.panes.iter().map(|pane| usize::from(pane.buckets)).sum::<usize>();
        self.windows.iter().all(|window| in_panes(window) == window.buckets.len())
            && (self.newest_ms.is_some() || self.windows.iter().all(|window| window.panes.is_empty()))
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let bytes = |window: &Window| {
            window.panes.capacity() * size_of::<Pane>() + window.buckets.capacity() * size_of::<Bucket>()
        };
        self.windows.iter().map(bytes).sum()
    }
}

/// Merges readings into the first of the windows (the coarsest ones of all) that reaches back to them.
fn place(windows: &mut [Window], newest_ms: i64, at_ms: i64, pane: &Pane, buckets: &[Bucket]) {
    let finest = SHAPES.len().saturating_sub(windows.len());
    for (window, shape) in windows.iter_mut().zip(SHAPES.iter().skip(finest)) {
        let (index, newest) = (shape.pane_at(at_ms), shape.pane_at(newest_ms));
        if newest.saturating_sub(index) < i64::from(shape.panes) {
            return window.merge(index, newest, pane, buckets);
        }
    }
}

/// Panes of one length, oldest first; empty ones are absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Window {
    panes: Vec<Pane>,
    /// The panes' sketches one after the other, in the order of the panes.
    #[serde(with = "sketch")]
    buckets: Vec<Bucket>,
}

/// One pane: moments about its own mean, so that no magnitude of the mean spoils the deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Pane {
    /// The low bits of its index: enough to tell it from its neighbours in one window.
    pub(super) tag: u16,
    /// How many of the window's buckets are its sketch.
    pub(super) buckets: u16,
    pub(super) n: u32,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) mean: f64,
    /// Sum of squared distances from the mean.
    pub(super) m2: f64,
}

impl Window {
    /// The oldest pane if a window whose newest pane is `to` leaves it behind; its newest was `from`.
    fn left_behind(&self, to: i64, panes_max: u16, from: i64) -> Option<Pane> {
        let oldest = *self.panes.first()?;
        let age = i64::from(oldest.age(from)).saturating_add(to.saturating_sub(from));
        (age >= i64::from(panes_max)).then_some(oldest)
    }

    fn merge(&mut self, index: i64, newest: i64, more: &Pane, buckets: &[Bucket]) {
        let at = self.pane_of(index, newest);
        let behind: usize = self.panes.iter().skip(at + 1).map(|pane| usize::from(pane.buckets)).sum();
        let Some(pane) = self.panes.get_mut(at) else { return };
        *pane = Pane { tag: pane.tag, buckets: pane.buckets, ..if pane.n == 0 { *more } else { pane.merge(more) } };
        let end = self.buckets.len().saturating_sub(behind);
        pane.buckets += sketch::add(&mut self.buckets, end, pane.buckets, buckets);
    }

    /// Position of a pane, made when it is not there.
    fn pane_of(&mut self, index: i64, newest: i64) -> usize {
        let tag = index as u16;
        let age = (newest as u16).wrapping_sub(tag);
        let after = self.panes.iter().rev().take_while(|pane| pane.age(newest) < age).count();
        let at = self.panes.len() - after;
        if at > 0 && self.panes.get(at - 1).is_some_and(|pane| pane.tag == tag) {
            return at - 1;
        }
        if self.panes.len() == self.panes.capacity() {
            self.panes.reserve_exact(3);
        }
        self.panes.insert(at, Pane { tag, buckets: 0, n: 0, min: 0.0, max: 0.0, mean: 0.0, m2: 0.0 });
        at
    }
}

impl Pane {
    /// How many panes before the newest one.
    fn age(&self, newest: i64) -> u16 {
        (newest as u16).wrapping_sub(self.tag)
    }

    /// Both together (Chan, Golub, LeVeque 1979); the tag and the sketch are the first one's.
    fn merge(self, other: &Self) -> Self {
        let n = self.n.saturating_add(other.n);
        let apart = other.mean - self.mean;
        let share = f64::from(other.n) / f64::from(n);
        Self {
            tag: self.tag,
            buckets: self.buckets,
            n,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            mean: self.mean + apart * share,
            m2: self.m2 + other.m2 + apart * apart * f64::from(self.n) * share,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, word for word, over all readings kept.
    fn naive(readings: &[(i64, f64)], shape: &Shape) -> Option<Stats> {
        let newest = readings.iter().map(|(t, _)| *t).max()?;
        let pane = |t: i64| (t - 1).div_euclid(shape.pane_ms);
        let inside = readings.iter().filter(|(t, _)| pane(newest) - pane(*t) < i64::from(shape.panes));
        let mut values: Vec<f64> = inside.map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let rank = |percent: usize| values[(n * percent).div_ceil(100) - 1];
        Some(Stats {
            n: u32::try_from(n).unwrap(),
            min: values[0],
            max: values[n - 1],
            mean,
            sd: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()),
            p50: rank(50),
            p95: rank(95),
        })
    }

    fn add(windows: &mut Windows, event_ms: i64, value: f64) {
        let mut run = Run::new();
        assert!(run.take(event_ms, value));
        windows.add(&run);
    }

    fn near(got: f64, exact: f64, scale: f64) -> bool {
        (got - exact).abs() <= 1e-9 * scale.abs().max(1e-6)
    }

    /// Steps of event time of every scale, a third of them backwards, and values of three characters.
    fn stream() -> impl Strategy<Value = Vec<(i64, f64)>> {
        let step = prop_oneof![
            4 => 0i64..3_000,
            1 => -60_000i64..60_000,
            1 => -1_200_000i64..1_200_000,
            1 => -1_000_000i64..20_000_000,
        ];
        let value = prop_oneof![(50i32..180).prop_map(f64::from), (-1e6..1e6f64), (1e9..1e9 + 10.0)];
        prop::collection::vec((step, value), 1..300).prop_map(|steps| {
            let mut at = 1_700_000_000_000i64;
            steps
                .into_iter()
                .map(|(step, value)| {
                    at += step;
                    (at, value)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn panes_agree_with_the_definition_whatever_comes_late(stream in stream()) {
            let (mut windows, mut kept, mut newest) = (Windows::default(), Vec::new(), i64::MIN);
            let mut run = Run::new();
            for (t, value) in stream {
                if t < newest.saturating_sub(LATENESS_MS) {
                    continue;
                }
                newest = newest.max(t);
                kept.push((t, value));
                // Runs of all lengths: they end with their pane, when they are full, and here and there.
                if t % 5 == 0 || !run.take(t, value) {
                    windows.add(&run);
                    prop_assert!(windows.is_sound());
                    run.clear();
                    prop_assert!(run.take(t, value));
                }
            }
            windows.add(&run);
            let mut tally = Tally::default();
            let got: Vec<_> = windows.stats(&mut tally).collect();
            for ((name, got), shape) in got.into_iter().zip(&SHAPES) {
                let exact = naive(&kept, shape).unwrap();
                prop_assert_eq!((name, got.n, got.min, got.max), (shape.name, exact.n, exact.min, exact.max));
                let scale = exact.min.abs().max(exact.max.abs());
                prop_assert!(near(got.mean, exact.mean, scale), "mean {} {}", got.mean, exact.mean);
                match (got.sd, exact.sd) {
                    (Some(got), Some(exact)) => prop_assert!(near(got, exact, scale), "sd {got} {exact}"),
                    (got, exact) => prop_assert_eq!(got, exact),
                }
                for (got, exact) in [(got.p50, exact.p50), (got.p95, exact.p95)] {
                    prop_assert!((got - exact).abs() <= sketch::ERROR_MAX * exact.abs(), "{got} {exact}");
                }
            }
        }

        #[test]
        fn what_is_written_reads_back_equal(stream in stream()) {
            let mut windows = Windows::default();
            stream.iter().for_each(|(t, value)| add(&mut windows, *t, *value));
            let bytes = postcard::to_stdvec(&windows).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Windows>(&bytes).unwrap(), windows);
        }
    }

    #[test]
    fn at_the_end_of_a_pane_the_window_is_exactly_the_last_minute() {
        let mut windows = Windows::default();
        for second in 1..=600 {
            add(&mut windows, 1_700_000_000_000 + second * 1000, second as f64);
        }
        let (name, stats) = windows.stats(&mut Tally::default()).next().unwrap();
        assert_eq!((name, stats.n, stats.min, stats.max, stats.mean), ("1m", 60, 541.0, 600.0, 570.5));
    }

    #[test]
    fn a_small_spread_far_from_zero_keeps_its_deviation() {
        let mut windows = Windows::default();
        for (at, value) in [(1, 1e9), (2, 1e9 + 1.0), (15_000, 1e9 + 2.0)] {
            add(&mut windows, at, value);
        }
        let (_, stats) = windows.stats(&mut Tally::default()).next().unwrap();
        assert_eq!(stats.sd, Some(1.0));
    }

    #[test]
    fn the_rate_is_that_of_the_readings_wherever_the_last_minute_is_cut() {
        for seconds in [179, 185, 300, 871, 1_000, 1_234, 5_000] {
            let mut windows = Windows::default();
            for second in 1..=seconds {
                add(&mut windows, 1_699_999_980_000 + second * 1000, 20.0 + second as f64 / 600.0);
            }
            let rate = windows.rate().expect("three minutes");
            assert!((rate.per_hour - 6.0).abs() < 0.05, "{rate:?} after {seconds} s");
        }
    }

    #[test]
    fn the_ends_of_time_do_no_harm() {
        let mut windows = Windows::default();
        for at in [i64::MIN, i64::MAX, 0, i64::MAX, i64::MIN] {
            add(&mut windows, at, 1.0);
            assert!(windows.rate().is_none_or(|rate| rate.per_hour.is_finite()));
        }
        assert_eq!(windows.stats(&mut Tally::default()).map(|(_, stats)| stats.n).collect::<Vec<_>>(), [2, 2, 2]);
    }
}
