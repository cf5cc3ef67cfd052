//! The series of a frame, merged into one row for each time.

use super::super::kinds::Plan;
use super::super::signal::{Quality, Refused, physical};
use crate::ingest::readings::{Point, Readings, SignalRef};

/// Where a row keeps the value of one signal.
pub(crate) type Field<R> = fn(&mut R) -> &mut Option<f64>;

/// What a device said at one time, as one kind of derivation takes it.
pub(crate) trait Row: Default {
    /// Where the value of a signal belongs; none for a signal that is of no use.
    fn field(signal: &str) -> Option<Field<Self>>;
}

/// The rows of a frame in order of their times, as good readings give them: what the signals did not let in is no part
/// of them.
pub(crate) struct Rows<'a, R> {
    columns: Vec<Column<'a, R>>,
    arrival_ms: i64,
    /// When the next row was, or [`NEVER_MS`].
    next_ms: i64,
}

struct Column<'a, R> {
    field: Field<R>,
    signal: &'a SignalRef,
    /// From the signal's unit to the one wanted, where that is another: × `.0` + `.1`.
    conversion: Option<(f64, f64)>,
    /// Times of readings that were too large a step.
    refused: &'a [i64],
    /// All others are good.
    all_good: bool,
    /// Not taken yet; in order of their times.
    points: &'a [Point],
    /// When the first of them was; none is after all others.
    next_ms: i64,
}

/// Behind every time that a reading can have.
const NEVER_MS: i64 = i64::MAX;

impl<'a, R: Row> Rows<'a, R> {
    /// `refused` is what the signals have refused of these readings.
    pub(crate) fn of(readings: &'a Readings, arrival_ms: i64, plan: &Plan<'a>, refused: &'a Refused) -> Self {
        let mut columns = Vec::new();
        for (index, series) in readings.series.iter().enumerate() {
            let (signal, points) = (&*series.signal, series.points.as_slice());
            let Some((name, factor, shift)) = plan.wanted(signal) else { continue };
            let Some(field) = R::field(name) else { continue };
            let conversion = Some((factor, shift)).filter(|conversion| *conversion != (1.0, 0.0));
            let next_ms = points.first().map_or(NEVER_MS, |first| first.event_ms);
            let all_good = refused.all_good(index) || Quality::all_good(signal, points, arrival_ms);
            let refused = refused.of(index);
            if columns.is_empty() {
                // At most as many: an engine's two dozen would move three times.
                columns.reserve_exact(readings.series.len() - index);
            }
            columns.push(Column { field, signal, conversion, refused, all_good, points, next_ms });
        }
        let next_ms = columns.iter().map(|column| column.next_ms).min().unwrap_or(NEVER_MS);
        Self { columns, arrival_ms, next_ms }
    }

    /// As [`Iterator::next`], into a row of the caller's: copying a long one costs more than reading what it says.
    pub(crate) fn next_into(&mut self, row: &mut R) -> Option<i64> {
        while self.next_ms < NEVER_MS {
            let (at_ms, mut good) = (std::mem::replace(&mut self.next_ms, NEVER_MS), false);
            *row = R::default();
            for column in &mut self.columns {
                if column.next_ms == at_ms {
                    good |= column.take(row, self.arrival_ms);
                }
                self.next_ms = self.next_ms.min(column.next_ms);
            }
            if good {
                return Some(at_ms);
            }
        }
        None
    }
}

impl<R> Column<'_, R> {
    /// Takes what it says at its next time into `row`; whether any of it is good.
    fn take(&mut self, row: &mut R, arrival_ms: i64) -> bool {
        let (at_ms, mut good) = (self.next_ms, false);
        let is_refused = self.refused.contains(&at_ms);
        while let Some((point, rest)) = self.points.split_first().filter(|(point, _)| point.event_ms == at_ms) {
            self.points = rest;
            if !is_refused && (self.all_good || Quality::of(self.signal, point, arrival_ms) == Quality::Good) {
                let value = physical(point.raw, self.signal.num, self.signal.den);
                let converted = |(factor, shift): (f64, f64)| value * factor + shift;
                *(self.field)(row) = Some(self.conversion.map_or(value, converted));
                good = true;
            }
        }
        self.next_ms = self.points.first().map_or(NEVER_MS, |next| next.event_ms);
        good
    }
}

impl<R: Row> Iterator for Rows<'_, R> {
    type Item = (i64, R);

    fn next(&mut self) -> Option<(i64, R)> {
        let mut row = R::default();
        self.next_into(&mut row).map(|at_ms| (at_ms, row))
    }
}
