//! Reading a chunk: its head at the door, its bits later.

use super::{ChunkError, Clock, Coding, Part, Plan, RICE_K_MAX, ROWS_MAX};
use crate::bits::{BitReader, READY_BITS};
use crate::series;
use crate::varint;

mod column;
use column::Column;
#[cfg(feature = "alloc")]
use column::{Intervals, Seen};

/// A chunk whose head was checked; its bits are read by [`Chunk::decode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    rows: usize,
    offset_ms: i32,
    bits: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// Reads the head of a chunk body: 1..=[`ROWS_MAX`] rows and the offset, both in their shortest form.
    #[inline(always)]
    pub fn new_checked(body: &'a [u8]) -> Option<Self> {
        let (rows, rest) = varint::take_u32(body)?;
        let (offset_ms, bits) = varint::take_i32(rest)?;
        let rows = rows as usize;
        (1..=ROWS_MAX).contains(&rows).then_some(Self { rows, offset_ms, bits })
    }

    /// Number of rows, 1..=[`ROWS_MAX`].
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Time of row 0 minus the frame's `t0_ms`.
    pub fn offset_ms(&self) -> i32 {
        self.offset_ms
    }

    /// Decodes into `times` (device uptime, ms; at least [`Chunk::rows`]) and `values` (column after column, each of
    /// [`Chunk::rows`] slots; at least rows × columns). `t0_ms` is the frame header's.
    ///
    /// # Errors
    /// Any [`ChunkError`] but `Budget`; the slices then hold garbage.
    pub fn decode(
        &self,
        t0_ms: u64,
        clock: Clock,
        columns: impl IntoIterator<Item = Coding>,
        times: &mut [i64],
        values: &mut [Option<i64>],
    ) -> Result<(), ChunkError> {
        self.decode_traced(t0_ms, clock, columns, times, values, |_, _| {})
    }

    /// [`Chunk::decode`] that also tells the plan of each series with more than one value.
    ///
    /// # Errors
    /// As [`Chunk::decode`].
    pub fn decode_traced(
        &self,
        t0_ms: u64,
        clock: Clock,
        columns: impl IntoIterator<Item = Coding>,
        times: &mut [i64],
        values: &mut [Option<i64>],
        mut trace: impl FnMut(Part, Plan),
    ) -> Result<(), ChunkError> {
        let times = times.get_mut(..self.rows).ok_or(ChunkError::Full)?;
        let mut bits = BitReader::new(self.bits);
        let exact = self.read_steps(&mut bits, clock, times, |plan| trace(Part::Times, plan))?;
        let mut free = values;
        for (index, coding) in columns.into_iter().enumerate() {
            let (column, rest) = free.split_at_mut_checked(self.rows).ok_or(ChunkError::Full)?;
            free = rest;
            read_column(&mut bits, coding, self.rows, column, |plan| trace(Part::Column(index), plan))?;
            if index == 0 && clock == Clock::Interval {
                for (step, value) in times.iter_mut().zip(column.iter()) {
                    *step = value.ok_or(ChunkError::Times)?;
                }
            }
        }
        self.finish(&bits, times, t0_ms, exact)
    }

    /// [`Chunk::decode`] that keeps no values: the same times, the same errors, and which rows have a value, from the
    /// first to the last one.
    #[cfg(feature = "alloc")]
    pub(crate) fn survey(
        &self,
        t0_ms: u64,
        clock: Clock,
        columns: impl IntoIterator<Item = Coding>,
        times: &mut [i64],
    ) -> Result<Option<(usize, usize)>, ChunkError> {
        let times = times.get_mut(..self.rows).ok_or(ChunkError::Full)?;
        let mut bits = BitReader::new(self.bits);
        let exact = self.read_steps(&mut bits, clock, times, |_| {})?;
        let mut seen = Seen::new(self.rows);
        for (index, coding) in columns.into_iter().enumerate() {
            if index == 0 && clock == Clock::Interval {
                let mut column = Intervals { steps: times, nulls: false };
                read_column(&mut bits, coding, self.rows, &mut column, |_| {})?;
                if column.nulls {
                    return Err(ChunkError::Times);
                }
                seen.add(0, self.rows - 1);
            } else {
                read_column(&mut bits, coding, self.rows, &mut seen, |_| {})?;
            }
        }
        self.finish(&bits, times, t0_ms, exact)?;
        Ok(seen.span)
    }

    fn finish(
        &self,
        bits: &BitReader<'_>,
        times: &mut [i64],
        t0_ms: u64,
        exact: Option<u32>,
    ) -> Result<(), ChunkError> {
        if !bits.only_padding_left() {
            return Err(ChunkError::Padding);
        }
        self.set_times(times, t0_ms, exact)
    }

    /// The step that all rows have; otherwise leaves the step before row i in `times[i]`, and that of row 0 is
    /// meaningless.
    fn read_steps(
        &self,
        bits: &mut BitReader<'_>,
        clock: Clock,
        times: &mut [i64],
        trace: impl FnOnce(Plan),
    ) -> Result<Option<u32>, ChunkError> {
        let steps = times.get_mut(1..).unwrap_or_default();
        bits.refill();
        let result = match clock {
            _ if steps.is_empty() => return Ok(Some(0)),
            Clock::Interval => {
                // Filled from column 0; without one, the value that no step may have stays.
                steps.fill(-1);
                return Ok(None);
            }
            Clock::Regular { dt_ms } if bits.bits(1) == 0 => Ok(Some(dt_ms)),
            Clock::Regular { .. } | Clock::Irregular { .. } => {
                series::read(bits, Coding::of_steps(clock), steps.len(), steps.iter_mut(), trace).map(|()| None)
            }
        };
        unless_overrun(bits, result)
    }

    /// Turns steps into times, refusing those that decrease or leave ±2^31 ms of `t0_ms`.
    fn set_times(&self, times: &mut [i64], t0_ms: u64, exact: Option<u32>) -> Result<(), ChunkError> {
        let in_range = |offset: i64| i32::try_from(offset).map_err(|_| ChunkError::Times);
        let t0_ms = t0_ms as i64;
        let mut offset = i64::from(self.offset_ms);
        if let Some(step) = exact.map(i64::from) {
            in_range(offset + step * (self.rows as i64 - 1))?;
            let start = t0_ms.wrapping_add(offset);
            times.iter_mut().zip(0..).for_each(|(slot, row)| *slot = start.wrapping_add(step * row));
            return Ok(());
        }
        for (row, slot) in times.iter_mut().enumerate() {
            if row > 0 {
                offset += i64::from(u32::try_from(*slot).map_err(|_| ChunkError::Times)?);
                in_range(offset)?;
            }
            *slot = t0_ms.wrapping_add(offset);
        }
        Ok(())
    }
}

fn read_column(
    bits: &mut BitReader<'_>,
    coding: Coding,
    rows: usize,
    column: &mut (impl Column + ?Sized),
    trace: impl FnOnce(Plan),
) -> Result<(), ChunkError> {
    if coding.k0 > RICE_K_MAX {
        return Err(ChunkError::Schema);
    }
    // All that comes before the codes.
    const { assert!(2 + series::HEAD_BITS <= READY_BITS) };
    bits.refill();
    let result = if bits.bits(1) == 0 {
        column.none();
        Ok(())
    } else if bits.bits(1) == 0 {
        series::read(bits, coding, rows, column.all(), trace)
    } else {
        match read_marks(bits, rows, column) {
            present if present == 0 || present == rows => Err(ChunkError::NonCanonical),
            present => series::read(bits, coding, present, column.marked(present), trace),
        }
    };
    unless_overrun(bits, result)
}

/// How many rows have a value. The series that follows finds its head ready.
fn read_marks(bits: &mut BitReader<'_>, rows: usize, column: &mut (impl Column + ?Sized)) -> usize {
    let mut present = 0;
    for row in (0..rows).step_by(32) {
        let count = (rows - row).min(32) as u32;
        bits.refill();
        let marks = bits.bits(count) << (32 - count);
        column.mark(row, count, marks);
        present += marks.count_ones() as usize;
    }
    bits.refill();
    present
}

/// Zeros read past the end may look like anything: whatever came of them, the bits ended too early.
fn unless_overrun<T>(bits: &BitReader<'_>, result: Result<T, ChunkError>) -> Result<T, ChunkError> {
    if bits.is_overrun() { Err(ChunkError::Truncated) } else { result }
}
