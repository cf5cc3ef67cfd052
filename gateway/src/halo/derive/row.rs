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
}

struct Column<'a, R> {
    field: Field<R>,
    signal: &'a SignalRef,
    /// From the signal's unit to the one wanted: × `.0` + `.1`.
    conversion: (f64, f64),
    /// Times of readings that were too large a step.
    refused: &'a [i64],
    /// Not taken yet; in order of their times.
    points: &'a [Point],
}

impl<'a, R: Row> Rows<'a, R> {
    /// `refused` is what the signals have refused of these readings.
    pub(crate) fn of(readings: &'a Readings, arrival_ms: i64, plan: &Plan<'a>, refused: &'a Refused) -> Self {
        let columns = readings.series.iter().enumerate().filter_map(|(index, series)| {
            let (signal, points) = (&*series.signal, series.points.as_slice());
            let (name, factor, shift) = plan.wanted(signal)?;
            let (field, conversion) = (R::field(name)?, (factor, shift));
            Some(Column { field, signal, conversion, refused: refused.of(index), points })
        });
        Self { columns: columns.collect(), arrival_ms }
    }
}

impl<R: Row> Iterator for Rows<'_, R> {
    type Item = (i64, R);

    fn next(&mut self) -> Option<(i64, R)> {
        loop {
            let first = self.columns.iter().filter_map(|column| column.points.first());
            let at_ms = first.map(|point| point.event_ms).min()?;
            let (mut row, mut good) = (R::default(), false);
            for column in &mut self.columns {
                while let Some((point, rest)) = column.points.split_first().filter(|(point, _)| point.event_ms == at_ms)
                {
                    column.points = rest;
                    let refused = column.refused.contains(&at_ms);
                    if !refused && Quality::of(column.signal, point, self.arrival_ms) == Quality::Good {
                        let value = physical(point.raw, column.signal.num, column.signal.den);
                        let (factor, shift) = column.conversion;
                        *(column.field)(&mut row) = Some(value * factor + shift);
                        good = true;
                    }
                }
            }
            if good {
                return Some((at_ms, row));
            }
        }
    }
}
