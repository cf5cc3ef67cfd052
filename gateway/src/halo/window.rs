//! Statistics over the last minute, quarter of an hour and day of event time, by panes.
//!
//! A window (T − w, T] ends at T, the event time of the signal's newest accepted reading, and needs no clock. It is
//! made of panes aligned to Unix time, each (k·p, (k+1)·p], and holds the pane of T and the ones before it: what it
//! covers is between w − p and w long, and exactly (T − w, T] when T is a pane's end. A reading that comes late falls
//! into the pane of its time and corrects it.

use serde::{Deserialize, Serialize};

use super::sketch::{self, Bucket, Key, Tally};

/// A reading further behind its signal's newest one is counted as late and kept out.
pub(crate) const LATENESS_MS: i64 = 15 * 60 * 1000;

/// Lengths of the windows: name, pane in milliseconds, number of panes.
const SHAPES: [Shape; 3] = [
    Shape { name: "1m", pane_ms: 10_000, panes: 6 },
    Shape { name: "15m", pane_ms: 60_000, panes: 15 },
    Shape { name: "24h", pane_ms: 3_600_000, panes: 24 },
];

struct Shape {
    name: &'static str,
    pane_ms: i64,
    panes: u16,
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
pub(crate) struct Windows([Window; SHAPES.len()]);

impl Windows {
    /// Counts one reading, given in the signal's unit. Readings may come in any order: a window lets pass what is
    /// older than itself.
    pub(crate) fn add(&mut self, event_ms: i64, value: f64) {
        let key = Key::of(value);
        for (window, shape) in self.0.iter_mut().zip(&SHAPES) {
            // Left-open panes: a reading exactly at a pane's end is its last.
            window.add(event_ms.saturating_sub(1).div_euclid(shape.pane_ms), value, key, shape.panes);
        }
    }

    /// Name and statistics of every window; windows without readings are left out.
    pub(crate) fn stats(&self, tally: &mut Tally) -> impl Iterator<Item = (&'static str, Stats)> {
        self.0.iter().zip(&SHAPES).filter_map(|(window, shape)| Some((shape.name, window.stats(tally)?)))
    }

    /// Whether the parts fit together; the doors of deserialised state ask.
    pub(crate) fn is_sound(&self) -> bool {
        self.0.iter().all(|window| {
            window.panes.iter().map(|pane| usize::from(pane.buckets)).sum::<usize>() == window.buckets.len()
        })
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let bytes = |window: &Window| {
            window.panes.capacity() * size_of::<Pane>() + window.buckets.capacity() * size_of::<Bucket>()
        };
        self.0.iter().map(bytes).sum()
    }
}

/// Panes of one length, oldest first; empty ones are absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Window {
    /// Index of the newest pane: event time / pane length.
    newest: i64,
    panes: Vec<Pane>,
    /// The panes' sketches one after the other, in the order of the panes.
    #[serde(with = "sketch")]
    buckets: Vec<Bucket>,
}

/// One pane: moments about its own mean (Welford), so that no magnitude of the mean spoils the deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Pane {
    /// The low bits of its index: enough to tell it from its neighbours in one window.
    tag: u16,
    /// How many of the window's buckets are its sketch.
    buckets: u16,
    n: u32,
    min: f64,
    max: f64,
    mean: f64,
    /// Sum of squared distances from the mean.
    m2: f64,
}

impl Window {
    fn add(&mut self, index: i64, value: f64, key: Key, panes_max: u16) {
        if self.panes.is_empty() || index > self.newest {
            self.advance(index, panes_max);
        }
        let Ok(age) = u16::try_from(self.newest.saturating_sub(index)) else { return };
        if age >= panes_max {
            return;
        }
        let at = self.pane_of(age, index as u16);
        let behind: usize = self.panes.iter().skip(at + 1).map(|pane| usize::from(pane.buckets)).sum();
        let Some(pane) = self.panes.get_mut(at) else { return };
        pane.add(value);
        if pane.buckets < u16::MAX {
            let end = self.buckets.len() - behind;
            let first = end - usize::from(pane.buckets);
            let added = sketch::add(&mut self.buckets, first, end, key);
            pane.buckets += added as u16;
        }
    }

    /// Makes `index` the newest pane and drops those that the window has left behind.
    fn advance(&mut self, index: i64, panes_max: u16) {
        let by = if self.panes.is_empty() { i64::MAX } else { index.saturating_sub(self.newest) };
        let kept = match u16::try_from(by) {
            Ok(by) => self.panes.iter().rev().take_while(|pane| self.age(pane) + by < panes_max).count(),
            Err(_) => 0,
        };
        let gone = self.panes.len() - kept;
        let buckets_gone: usize = self.panes.drain(..gone).map(|pane| usize::from(pane.buckets)).sum();
        self.buckets.drain(..buckets_gone);
        self.newest = index;
    }

    /// Position of the pane `age` panes before the newest, made when it is not there.
    fn pane_of(&mut self, age: u16, tag: u16) -> usize {
        let after = self.panes.iter().rev().take_while(|pane| self.age(pane) < age).count();
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

    fn age(&self, pane: &Pane) -> u16 {
        (self.newest as u16).wrapping_sub(pane.tag)
    }

    fn stats(&self, tally: &mut Tally) -> Option<Stats> {
        let (first, rest) = self.panes.split_first()?;
        let all = rest.iter().fold(*first, Pane::merge);
        tally.fill(&self.buckets);
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
}

impl Pane {
    fn add(&mut self, value: f64) {
        if self.n == 0 {
            (self.min, self.max, self.mean) = (value, value, value);
        }
        self.n = self.n.saturating_add(1);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        let from_old_mean = value - self.mean;
        self.mean += from_old_mean / f64::from(self.n);
        self.m2 += from_old_mean * (value - self.mean);
    }

    /// Both together (Chan, Golub, LeVeque 1979).
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
            for (t, value) in stream {
                if t < newest.saturating_sub(LATENESS_MS) {
                    continue;
                }
                newest = newest.max(t);
                kept.push((t, value));
                windows.add(t, value);
                prop_assert!(windows.is_sound());
            }
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
            stream.iter().for_each(|(t, value)| windows.add(*t, *value));
            let bytes = postcard::to_stdvec(&windows).unwrap();
            prop_assert_eq!(postcard::from_bytes::<Windows>(&bytes).unwrap(), windows);
        }
    }

    #[test]
    fn at_the_end_of_a_pane_the_window_is_exactly_the_last_minute() {
        let mut windows = Windows::default();
        for second in 1..=600 {
            windows.add(1_700_000_000_000 + second * 1000, second as f64);
        }
        let (name, stats) = windows.stats(&mut Tally::default()).next().unwrap();
        assert_eq!((name, stats.n, stats.min, stats.max, stats.mean), ("1m", 60, 541.0, 600.0, 570.5));
    }

    #[test]
    fn a_small_spread_far_from_zero_keeps_its_deviation() {
        let mut windows = Windows::default();
        for (at, value) in [(1, 1e9), (2, 1e9 + 1.0), (15_000, 1e9 + 2.0)] {
            windows.add(at, value);
        }
        let (_, stats) = windows.stats(&mut Tally::default()).next().unwrap();
        assert_eq!(stats.sd, Some(1.0));
    }

    #[test]
    fn the_ends_of_time_do_no_harm() {
        let mut windows = Windows::default();
        for at in [i64::MIN, i64::MAX, 0, i64::MAX, i64::MIN] {
            windows.add(at, 1.0);
        }
        assert_eq!(windows.stats(&mut Tally::default()).map(|(_, stats)| stats.n).collect::<Vec<_>>(), [2, 2, 2]);
    }
}
