//! One signal of one subject over a span of time.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::past::{Account, Past, PastError, Seen};
use super::steps::Stepped;
use crate::halo::Quality;
use crate::ingest::readings::{Point, SignalRef};
use crate::record::{Name, Offset};
use crate::store::fs::Fs;

/// Most readings held at once; 40 bytes each.
pub const READINGS_MAX: usize = 5_000_000;
/// Most names of other signals kept, for whoever mistyped one.
const OTHERS_MAX: usize = 256;
/// A reading is dated at most a minute after its arrival, and its record is written after that; as much again for a wall
/// clock that is being corrected meanwhile.
const AHEAD_MS: i64 = 2 * 60_000;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Whose.
    pub subject: String,
    /// Which signal.
    pub signal: String,
    /// Corrected device time, Unix milliseconds: from, inclusive, until, exclusive.
    pub span_ms: Range<i64>,
    /// Only what had arrived by then, Unix milliseconds; `i64::MAX`: all there is.
    pub arrived_by_ms: i64,
}

/// One reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Unix milliseconds of device time, corrected as the fold did.
    pub event_ms: i64,
    /// In steps of the scale.
    pub raw: i64,
    /// Where the frame stands that said it.
    pub offset: Offset,
    /// Which of the answer's scales.
    scale: u16,
    /// Which of the answer's devices.
    device: u16,
    /// [`Quality::Good`] or [`Quality::OutOfRange`].
    pub quality: Quality,
}

/// What the log says.
#[derive(Debug, Default)]
pub struct Answer {
    /// In order of time; of equal times the one stored first comes first.
    pub readings: Vec<Reading>,
    /// Signal, unit and scale as the frames had them; nearly always one.
    scales: Vec<Arc<SignalRef>>,
    /// The devices the readings are of.
    devices: Vec<Name>,
    /// Signals the subject had beside the one asked for.
    pub others: BTreeSet<Name>,
}

impl Answer {
    /// Signal, unit and scale of a reading.
    pub fn signal(&self, reading: &Reading) -> Option<&SignalRef> {
        self.scales.get(usize::from(reading.scale)).map(|scale| &**scale)
    }

    /// The device that took a reading.
    pub fn device(&self, reading: &Reading) -> &str {
        self.devices.get(usize::from(reading.device)).map_or("", |device| device)
    }

    /// The devices the readings are of.
    pub fn devices(&self) -> &[Name] {
        &self.devices
    }

    /// The unit; none when there are no readings, or in several units.
    pub fn unit(&self) -> Option<&str> {
        let (first, rest) = self.scales.split_first()?;
        rest.iter().all(|other| other.unit == first.unit).then_some(&*first.unit)
    }

    fn take(&mut self, question: &Question, seen: Seen<'_>) -> Result<(), PastError> {
        if seen.frame.arrival.wall_ms > question.arrived_by_ms {
            return Ok(());
        }
        for series in &seen.readings.series {
            if *series.signal.name != *question.signal {
                if self.others.len() < OTHERS_MAX && !self.others.contains(&series.signal.name) {
                    self.others.insert(series.signal.name.clone());
                }
                continue;
            }
            let scale = place(&mut self.scales, &series.signal, |known| same_scale(known, &series.signal));
            let device = place(&mut self.devices, &seen.frame.device, |known| *known == seen.frame.device);
            for point in &series.points {
                let Some(quality) = wanted(question, seen, &series.signal, point) else { continue };
                let (event_ms, raw, offset) = (point.event_ms, point.raw, seen.found.record.offset);
                self.readings.push(Reading { event_ms, raw, offset, scale, device, quality });
            }
        }
        let max = READINGS_MAX;
        if self.readings.len() > max { Err(PastError::TooMany { max }) } else { Ok(()) }
    }
}

/// Its place in a short list, added if it is not there.
fn place<T: Clone>(list: &mut Vec<T>, it: &T, is_it: impl Fn(&T) -> bool) -> u16 {
    let at = list.iter().position(is_it).unwrap_or_else(|| {
        if list.len() < usize::from(u16::MAX) {
            list.push(it.clone());
        }
        list.len() - 1
    });
    u16::try_from(at).unwrap_or(u16::MAX)
}

fn same_scale(known: &Arc<SignalRef>, other: &Arc<SignalRef>) -> bool {
    Arc::ptr_eq(known, other) || known == other
}

/// What a reading that is asked for is worth; none of one outside the span, or of the future.
fn wanted(question: &Question, seen: Seen<'_>, signal: &SignalRef, point: &Point) -> Option<Quality> {
    let quality = Quality::of(signal, point, seen.frame.arrival.wall_ms);
    (question.span_ms.contains(&point.event_ms) && quality != Quality::Future).then_some(quality)
}

impl<F: Fs> Past<F> {
    /// All readings that a question is about. `progress` hears how many segments of how many are done.
    ///
    /// # Errors
    /// [`PastError`]; [`PastError::TooMany`] beyond [`READINGS_MAX`].
    pub fn readings(
        &self,
        question: &Question,
        progress: impl FnMut(usize, usize),
    ) -> Result<(Answer, Account), PastError> {
        let each = |answer: &mut Answer, seen: Seen<'_>| answer.take(question, seen);
        let (mut answer, account) = self.frames(&question.subject, written(question), progress, each)?;
        answer.readings.sort_by_key(|reading| (reading.event_ms, reading.offset));
        Ok((answer, account))
    }

    /// The good ones among them by steps of time.
    ///
    /// # Errors
    /// [`PastError`].
    pub fn steps(
        &self,
        question: &Question,
        step_ms: i64,
        progress: impl FnMut(usize, usize),
    ) -> Result<(Stepped, Account), PastError> {
        let each = |stepped: &mut Stepped, seen: Seen<'_>| {
            if seen.frame.arrival.wall_ms > question.arrived_by_ms {
                return Ok(());
            }
            for series in seen.readings.series.iter().filter(|series| *series.signal.name == *question.signal) {
                let good = |point: &&Point| wanted(question, seen, &series.signal, point) == Some(Quality::Good);
                stepped.take(&series.signal, &seen.frame.device, step_ms, series.points.iter().filter(good));
            }
            let max = READINGS_MAX / 2;
            if stepped.steps.len() > max { Err(PastError::TooMany { max }) } else { Ok(()) }
        };
        self.frames(&question.subject, written(question), progress, each)
    }
}

/// When what is asked for can have been written: a late frame at any time after.
fn written(question: &Question) -> Range<i64> {
    question.span_ms.start.saturating_sub(AHEAD_MS)..question.arrived_by_ms.saturating_add(AHEAD_MS)
}
