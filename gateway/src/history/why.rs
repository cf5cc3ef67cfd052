//! What a value of a halo rests on: the reading, the frame, the bytes; and the same value derived from them again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use halo_proto::topic::Topic;

use super::past::{Past, PastError, Seen};
use crate::halo::{Fold, Quality, Signal, Teller, physical};
use crate::ingest::locate::{Place, locate};
use crate::ingest::readings::{Point, Series, SignalRef};
use crate::record::{Body, Frame, Name, Offset};
use crate::store::fs::Fs;
use crate::store::seek::{Found, Wanted};

/// Windows of a halo: name, length of a pane in milliseconds, number of panes (`halo`, "Statistics").
const WINDOWS: [(&str, i64, i64); 3] = [("1m", 10_000, 6), ("15m", 60_000, 15), ("24h", 3_600_000, 24)];
/// Read before a window, so that the fold's judgement of its first readings has the ones before them.
const LEAD_MS: i64 = 3_600_000;
/// As in `question`: a record may be stamped before the time its readings say.
const AHEAD_MS: i64 = 2 * 60_000;

/// The frame a reading was said by.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Its record and where that stands.
    pub found: Found,
    /// What the record says.
    pub frame: Frame,
    /// The reading.
    pub point: Point,
    /// Its signal, unit and scale.
    pub signal: std::sync::Arc<SignalRef>,
    /// Where it stands in the payload.
    pub place: Option<Place>,
}

/// A window of a halo's signal and the readings in it.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Beginning, exclusive, and end, inclusive, Unix milliseconds.
    pub from_ms: i64,
    /// See `from_ms`.
    pub until_ms: i64,
    /// Time, value in the signal's unit, offset of the frame; in order of time.
    pub readings: Vec<(i64, f64, Offset)>,
}

/// Statistics as anybody would compute them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plain {
    /// How many readings.
    pub n: usize,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The sample standard deviation, over n − 1.
    pub sd: Option<f64>,
    /// The value of rank ⌈n/2⌉.
    pub p50: f64,
    /// The value of rank ⌈0.95 n⌉.
    pub p95: f64,
}

/// A halo folded from the frames of its subject alone.
pub struct Refolded {
    /// What they make.
    pub fold: Fold,
    /// The frames, by device: offsets in the order of the log.
    pub frames: BTreeMap<Name, Vec<Offset>>,
}

/// The names of a halo's windows.
pub fn windows() -> impl Iterator<Item = &'static str> {
    WINDOWS.iter().map(|(name, ..)| *name)
}

impl Window {
    /// Its statistics; none without readings.
    pub fn plain(&self) -> Option<Plain> {
        let mut values: Vec<f64> = self.readings.iter().map(|(_, value, _)| *value).collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        let rank = |percent: usize| values.get((n * percent).div_ceil(100).saturating_sub(1)).copied();
        let sd = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        Some(Plain { n, min, max, mean, sd, p50: rank(50)?, p95: rank(95)? })
    }
}

/// The latest frame that says what was looked for.
#[derive(Default)]
struct Latest(Option<Origin>);

/// A signal folded reading by reading, and which readings it took.
#[derive(Default)]
struct Taken {
    signal: Option<Signal>,
    readings: Vec<(i64, f64, Offset)>,
}

impl Taken {
    fn take(&mut self, seen: Seen<'_>, series: &Series, (from_ms, until_ms): (i64, i64)) {
        let SignalRef { name, unit, num, den, .. } = &*series.signal;
        let signal = self.signal.get_or_insert_with(|| Signal::new(name.clone(), unit.clone()));
        if signal.unit() != unit {
            // Another unit is another quantity: what was taken before is no part of it.
            self.readings.clear();
        }
        for point in &series.points {
            let one = Series { signal: series.signal.clone(), points: vec![*point] };
            let offset = seen.found.record.offset;
            let teller = Teller { device: &seen.frame.device, kind: seen.readings.kind, offset };
            let kept_out = signal.fold(&one, seen.frame.arrival.wall_ms, teller, false);
            let is_taken = kept_out.late == 0 && kept_out.suspect == 0 && kept_out.yielded == 0;
            if is_taken && from_ms < point.event_ms && point.event_ms <= until_ms {
                self.readings.push((point.event_ms, physical(point.raw, *num, *den), offset));
            }
        }
    }
}

impl<F: Fs> Past<F> {
    /// The frame that said the value a halo of `as_of_ms` shows: of a device, for a time. Of several the one stored last,
    /// as in the halo.
    ///
    /// # Errors
    /// [`PastError`].
    pub fn origin(
        &self,
        (subject, signal): (&str, &str),
        (device, event_ms): (&str, i64),
        as_of_ms: i64,
        progress: impl FnMut(usize, usize),
    ) -> Result<Option<Origin>, PastError> {
        let each = |latest: &mut Latest, seen: Seen<'_>| {
            if seen.found.record.stamp.wall_ms > as_of_ms {
                return Ok(());
            }
            let series = seen.readings.series.iter().filter(|series| *series.signal.name == *signal);
            for series in series.filter(|_| *seen.frame.device == *device) {
                let good = |point: &&Point| {
                    point.event_ms == event_ms
                        && Quality::of(&series.signal, point, seen.frame.arrival.wall_ms) == Quality::Good
                };
                let Some(point) = series.points.iter().rfind(good) else { continue };
                let (found, frame) = (seen.found.clone(), seen.frame.clone());
                let place = locate(&frame, found.record.offset, seen.schemas, signal, point);
                latest.0 = Some(Origin { found, frame, point: *point, signal: series.signal.clone(), place });
            }
            Ok(())
        };
        let written = event_ms.saturating_sub(AHEAD_MS)..as_of_ms;
        Ok(self.frames(subject, written, progress, each)?.0.0)
    }

    /// The readings a window rests on that ends with the latest one, at `latest_ms`, of a halo of `as_of_ms`; `None` when
    /// no halo has such a window. `whole`: judged from the beginning of the log on, not from a while before the window.
    ///
    /// # Errors
    /// [`PastError`].
    pub fn window(
        &self,
        (subject, signal): (&str, &str),
        (name, latest_ms): (&str, i64),
        as_of_ms: i64,
        whole: bool,
        progress: impl FnMut(usize, usize),
    ) -> Result<Option<Window>, PastError> {
        let Some((_, pane_ms, panes)) = WINDOWS.iter().find(|(window, ..)| *window == name) else { return Ok(None) };
        let newest = latest_ms.saturating_sub(1).div_euclid(*pane_ms);
        let from_ms = (newest - panes + 1).saturating_mul(*pane_ms);
        let each = |taken: &mut Taken, seen: Seen<'_>| {
            if seen.found.record.stamp.wall_ms > as_of_ms {
                return Ok(());
            }
            let series = seen.readings.series.iter().filter(|series| *series.signal.name == *signal);
            series.for_each(|series| taken.take(seen, series, (from_ms, latest_ms)));
            Ok(())
        };
        let begin_ms = if whole { i64::MIN } else { from_ms.saturating_sub(LEAD_MS) };
        let mut readings = self.frames(subject, begin_ms..as_of_ms, progress, each)?.0.readings;
        readings.sort_by_key(|(at, _, offset)| (*at, *offset));
        Ok(Some(Window { from_ms, until_ms: latest_ms, readings }))
    }

    /// Folds the frames of a subject alone, with the births that describe them, as far as they were written by
    /// `as_of_ms`.
    ///
    /// # Errors
    /// [`PastError`].
    pub fn refolded(
        &self,
        subject: &str,
        as_of_ms: i64,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Refolded, PastError> {
        let each = |devices: &mut BTreeSet<Name>, seen: Seen<'_>| {
            if !devices.contains(&seen.frame.device) {
                devices.insert(seen.frame.device.clone());
            }
            Ok(())
        };
        let (devices, _) = self.frames(subject, i64::MIN..as_of_ms, &mut progress, each)?;
        let topic = |device: &Name| self.grammar().display(Topic::Birth { device }).to_string().into();
        let names = devices.iter().map(topic).collect();
        // Acts too: they say where its days end, and who had its devices afterwards.
        let wanted = Wanted { names, subject: Some(subject.into()), acts: true, ..Wanted::default() };
        let mut refolded = Refolded { fold: Fold::new(self.grammar()), frames: BTreeMap::new() };
        self.archive().seek(&wanted, progress, |found| {
            let record = &found.record;
            if record.stamp.wall_ms > as_of_ms {
                return ControlFlow::Break(());
            }
            let is_of_it = match &record.body {
                Body::Retained(_) | Body::Act(_) => true,
                Body::Frame(frame) | Body::Replayed(frame) => *frame.subject == *subject,
                _ => false,
            };
            if is_of_it && !self.skipped().contains(record.offset) {
                let is_read = refolded.fold.apply(record).readings().is_some();
                if let (true, Body::Frame(frame) | Body::Replayed(frame)) = (is_read, &record.body) {
                    refolded.frames.entry(frame.device.clone()).or_default().push(record.offset);
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(refolded)
    }
}
