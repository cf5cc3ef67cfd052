//! What a device measured, before it becomes bytes: rows of scaled integers, gathered into the batch of one frame.

use crate::kinds::{Happened, Told};

/// One row of a sampled group: all its columns at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Index of the group in the device's schema.
    pub(crate) group: u8,
    /// Device time in ms.
    pub(crate) at_ms: u64,
    /// One value a column, in the schema's fixed point; `None` = no reading.
    pub(crate) values: Vec<Option<i64>>,
}

/// What a frame says besides its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    Event(Happened),
    /// (a name of the registry's list for the kind, its value).
    Text(&'static str, String),
}

/// The rows of one frame, in time order within each group, its notes, and the truth behind them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Batch {
    /// The frame's `t0`: no row is earlier.
    pub(crate) start_ms: u64,
    /// When the batch is complete; every row is earlier.
    pub(crate) end_ms: u64,
    pub(crate) rows: Vec<Row>,
    pub(crate) notes: Vec<Note>,
    pub(crate) told: Vec<Told>,
}

impl Batch {
    pub(crate) fn empty(start_ms: u64, end_ms: u64) -> Self {
        Self { start_ms, end_ms, rows: Vec::new(), notes: Vec::new(), told: Vec::new() }
    }

    /// Whether there is nothing to send.
    pub(crate) fn says_nothing(&self) -> bool {
        self.rows.is_empty() && self.notes.is_empty()
    }
}

/// Cuts a finished series into batches of `period_ms`, counted from its first row; spans without a row give no batch.
#[derive(Clone, Debug)]
pub(crate) struct Cutter {
    rows: std::iter::Peekable<std::vec::IntoIter<Row>>,
    origin_ms: u64,
    period_ms: u64,
}

impl Cutter {
    /// `rows` in time order; a period of 0 is taken as 1 ms.
    pub(crate) fn new(rows: Vec<Row>, period_ms: u64) -> Self {
        debug_assert!(rows.is_sorted_by_key(|row| row.at_ms));
        let origin_ms = rows.first().map_or(0, |row| row.at_ms);
        Self { rows: rows.into_iter().peekable(), origin_ms, period_ms: period_ms.max(1) }
    }

    /// When the next batch will be complete; `None` at the end of the series.
    pub(crate) fn next_end_ms(&mut self) -> Option<u64> {
        let at_ms = self.rows.peek()?.at_ms;
        let spans = (at_ms - self.origin_ms) / self.period_ms;
        Some(self.origin_ms + (spans + 1) * self.period_ms)
    }
}

impl Iterator for Cutter {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let end_ms = self.next_end_ms()?;
        let rows: Vec<Row> = std::iter::from_fn(|| self.rows.next_if(|row| row.at_ms < end_ms)).collect();
        let start_ms = rows.first()?.at_ms;
        Some(Batch { rows, ..Batch::empty(start_ms, end_ms) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(at_ms: u64) -> Row {
        Row { group: 0, at_ms, values: vec![Some(1)] }
    }

    #[test]
    fn a_series_is_cut_at_whole_periods_and_loses_no_row() {
        let rows: Vec<Row> = [1_359, 1_967, 2_592, 11_358, 11_359, 45_000].map(row).to_vec();
        let batches: Vec<Batch> = Cutter::new(rows.clone(), 10_000).collect();
        let spans: Vec<_> = batches.iter().map(|b| (b.start_ms, b.end_ms, b.rows.len())).collect();
        assert_eq!(spans, [(1_359, 11_359, 4), (11_359, 21_359, 1), (45_000, 51_359, 1)]);
        let again: Vec<Row> = batches.into_iter().flat_map(|batch| batch.rows).collect();
        assert_eq!(again, rows);
    }

    #[test]
    fn an_empty_series_has_no_batch() {
        assert_eq!(Cutter::new(Vec::new(), 1_000).count(), 0);
    }
}
