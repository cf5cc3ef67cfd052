//! One group's rows: times and columns, bit-packed. Decodes into the caller's slices and encodes from them.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::bits::{BitWriter, Full, K_MAX};
use crate::{series, varint};

mod read;
pub use read::Chunk;

/// Most rows in one chunk.
pub const ROWS_MAX: usize = 1024;
/// Most values (rows × columns, nulls included) one frame may decode to: 56 bytes can name 24 × 1024 constants.
pub const VALUES_MAX: usize = 32_768;
/// Largest Rice parameter, both of a column's first value and of a plan.
pub const RICE_K_MAX: u8 = K_MAX;

/// How the rows of a group get their times; part of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Clock {
    /// A row each `dt_ms`, with or without jitter.
    Regular {
        /// The usual step, ms.
        dt_ms: u32,
    },
    /// Rows at any time.
    Irregular {
        /// A likely step, ms.
        nominal_ms: u32,
    },
    /// Column 0, in ms, is the time since the row before (RR intervals are their own clock); it has no nulls.
    Interval,
}

/// What the codec knows of a column: where its first value usually lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Coding {
    /// A usual raw value.
    pub bias: i64,
    /// Rice parameter of the first value's distance from `bias`, 0..=[`RICE_K_MAX`].
    pub k0: u8,
}

impl Coding {
    /// How the steps of a jittering [`Clock::Regular`], or of a [`Clock::Irregular`], are written.
    const fn of_steps(clock: Clock) -> Self {
        match clock {
            Clock::Regular { dt_ms } => Self { bias: dt_ms as i64, k0: 3 },
            Clock::Irregular { nominal_ms } => Self { bias: nominal_ms as i64, k0: 8 },
            Clock::Interval => Self { bias: 0, k0: 0 },
        }
    }
}

/// What follows a series' first value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nothing: all are equal.
    Constant,
    /// Differences from the last value.
    Last,
    /// Differences from the line through the last two.
    Line,
    /// Differences from a running mean.
    Level,
    /// Only the changes, each with its distance.
    Sparse,
}

impl Mode {
    pub(crate) const fn from_bits(bits: u32) -> Option<Self> {
        Some(match bits {
            0 => Self::Constant,
            1 => Self::Last,
            2 => Self::Line,
            3 => Self::Level,
            4 => Self::Sparse,
            _ => return None,
        })
    }

    pub(crate) const fn to_bits(self) -> u64 {
        self as u64
    }
}

/// The encoder's choice for one series; any choice decodes to the same values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Plan {
    /// The cheapest mode, with the cheapest `k` near the typical residual.
    #[default]
    Best,
    /// This one. A small firmware may always use [`Mode::Last`] with one `k`.
    Fixed {
        /// The mode.
        mode: Mode,
        /// Rice parameter, 0..=[`RICE_K_MAX`]; ignored by [`Mode::Constant`].
        k: u8,
    },
}

/// Which series of a chunk a [`Plan`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The steps between the rows.
    Times,
    /// A column, by its place in the schema.
    Column(usize),
}

/// Why a chunk cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChunkError {
    /// The bits end before the last value.
    Truncated,
    /// Mode 5..=7, or a Rice parameter above [`RICE_K_MAX`].
    Mode,
    /// A code that has a shorter form, a bitmap that says what one bit would, or changes past the last row.
    NonCanonical,
    /// A set bit, or more than 7 bits, after the last value.
    Padding,
    /// Times that decrease, leave ±2^31 ms of the frame's start, or nulls where column 0 is the clock.
    Times,
    /// The frame holds more than [`VALUES_MAX`] values.
    Budget,
    /// The caller's slices are too short.
    Full,
    /// The schema's coding has a Rice parameter above [`RICE_K_MAX`], or an interval clock without a column.
    Schema,
}

impl fmt::Display for ChunkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "chunk ends before its last value",
            Self::Mode => "chunk has an unknown mode or rice parameter",
            Self::NonCanonical => "chunk has a code that is not in its shortest form",
            Self::Padding => "chunk has bits after its last value",
            Self::Times => "chunk has times that decrease, leave the frame's range, or are null",
            Self::Budget => "frame has more than 32768 values",
            Self::Full => "chunk does not fit the output",
            Self::Schema => "schema has a coding that does not exist",
        })
    }
}

impl core::error::Error for ChunkError {}

/// Why a chunk cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EncodeError {
    /// The output is too short, or the frame would pass its size limit.
    Full,
    /// No rows or more than [`ROWS_MAX`], columns of different lengths, no column, or not the schema's number of them.
    Shape,
    /// Times that decrease, leave ±2^31 ms of the frame's start, differ from the intervals, or miss where they are needed.
    Times,
    /// A fixed plan that cannot express the values, or a Rice parameter above [`RICE_K_MAX`].
    Plan,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "frame does not fit the output",
            Self::Shape => "chunk has rows or columns that differ from the schema or from each other",
            Self::Times => "chunk has times that decrease, leave the frame's range, or contradict the clock",
            Self::Plan => "plan cannot express the values",
        })
    }
}

impl core::error::Error for EncodeError {}

impl From<Full> for EncodeError {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

impl From<series::WriteError> for EncodeError {
    fn from(error: series::WriteError) -> Self {
        match error {
            series::WriteError::Full => Self::Full,
            series::WriteError::Plan => Self::Plan,
        }
    }
}

/// When the rows to encode were read; device uptime, ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times<'a> {
    /// The first row's time; the others follow from the clock ([`Clock::Regular`] exactly, [`Clock::Interval`] by column 0).
    From(i64),
    /// Each row's time.
    Each(&'a [i64]),
}

/// One column to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// The schema's coding of it.
    pub coding: Coding,
    /// Its value in each row; `None` = null.
    pub values: &'a [Option<i64>],
    /// How to write it.
    pub plan: Plan,
}

/// Encodes one chunk body into `out`; the number of bytes written. `time_plan` counts only where times are a series.
///
/// # Errors
/// Any [`EncodeError`]; `out` then holds garbage.
pub fn encode<'a>(
    out: &mut [u8],
    t0_ms: u64,
    clock: Clock,
    times: Times<'_>,
    time_plan: Plan,
    columns: impl IntoIterator<Item = Source<'a>, IntoIter: Clone>,
) -> Result<usize, EncodeError> {
    let columns = columns.into_iter();
    let rows = columns.clone().next().ok_or(EncodeError::Shape)?.values.len();
    if !(1..=ROWS_MAX).contains(&rows) || columns.clone().any(|column| column.values.len() != rows) {
        return Err(EncodeError::Shape);
    }
    let intervals = columns.clone().next().map(|column| column.values).unwrap_or_default();
    let steps = Steps::new(clock, times, rows, intervals)?;
    let offset_ms = steps.check(times, t0_ms)?;

    let mut at = varint::put_u32(rows as u32, out)?;
    at += varint::put_i32(offset_ms, out.get_mut(at..).unwrap_or_default())?;
    let mut bits = BitWriter::new(out.get_mut(at..).unwrap_or_default());
    let chosen = steps.choose(clock, time_plan);
    steps.write(&mut bits, clock, chosen)?;
    for column in columns {
        write_column(&mut bits, column)?;
    }
    Ok(at + bits.finish()?)
}

fn write_column(bits: &mut BitWriter<'_>, column: Source<'_>) -> Result<(), EncodeError> {
    if column.coding.k0 > RICE_K_MAX {
        return Err(EncodeError::Plan);
    }
    let present = column.values.iter().flatten().count();
    if present == 0 {
        return Ok(bits.bit(false)?);
    }
    let nulls = present < column.values.len();
    bits.bit(true)?;
    bits.bit(nulls)?;
    if nulls {
        for value in column.values {
            bits.bit(value.is_some())?;
        }
    }
    // Not `flatten`: its iterator is four times as large, and the encoder keeps several.
    let values = column.values.iter().filter_map(|value| *value);
    let chosen = series::choose(values.clone(), column.plan);
    Ok(series::write(bits, column.coding, values, chosen)?)
}

/// The steps between rows, wherever they come from.
#[derive(Clone, Copy)]
enum Steps<'a> {
    Exact { step: i64, count: usize },
    Between(&'a [i64]),
    Column(&'a [Option<i64>]),
}

impl<'a> Steps<'a> {
    fn new(clock: Clock, times: Times<'a>, rows: usize, intervals: &'a [Option<i64>]) -> Result<Self, EncodeError> {
        let times = match times {
            Times::From(_) => None,
            Times::Each(times) if times.len() == rows => Some(times),
            Times::Each(_) => return Err(EncodeError::Shape),
        };
        if clock == Clock::Interval {
            let nulls = intervals.contains(&None);
            let intervals = Self::Column(intervals.get(1..).unwrap_or_default());
            let contradict = times.is_some_and(|times| !Self::Between(times).iter().eq(intervals.iter()));
            return if nulls || contradict { Err(EncodeError::Times) } else { Ok(intervals) };
        }
        match (times, clock) {
            (Some(times), _) => Ok(Self::Between(times)),
            (None, Clock::Regular { dt_ms }) => Ok(Self::Exact { step: i64::from(dt_ms), count: rows - 1 }),
            (None, _) if rows == 1 => Ok(Self::Between(&[])),
            (None, _) => Err(EncodeError::Times),
        }
    }

    /// By row, not by slice iterators: a chain of those is a hundred bytes of the encoder's stack.
    fn iter(self) -> impl Iterator<Item = i64> + Clone + 'a {
        let count = match self {
            Self::Exact { count, .. } => count,
            Self::Between(times) => times.len().saturating_sub(1),
            Self::Column(intervals) => intervals.len(),
        };
        (0..count).map(move |row| self.step(row))
    }

    /// The step from row `row` to the next one. Out of line: inlined it is in each loop over steps, for 3 KB of flash.
    #[inline(never)]
    fn step(&self, row: usize) -> i64 {
        match self {
            Self::Exact { step, .. } => *step,
            Self::Between(times) => match times.get(row..row + 2) {
                Some([before, after]) => after.wrapping_sub(*before),
                _ => 0,
            },
            Self::Column(intervals) => intervals.get(row).copied().flatten().unwrap_or_default(),
        }
    }

    /// The offset of row 0, if it and all later ones can be expressed.
    fn check(self, times: Times<'_>, t0_ms: u64) -> Result<i32, EncodeError> {
        let start = match times {
            Times::From(start) => start,
            Times::Each(times) => *times.first().ok_or(EncodeError::Shape)?,
        };
        let offset_ms = i32::try_from(start.wrapping_sub(t0_ms as i64)).map_err(|_| EncodeError::Times)?;
        let mut last = i64::from(offset_ms);
        for step in self.iter() {
            last += i64::from(u32::try_from(step).map_err(|_| EncodeError::Times)?);
            i32::try_from(last).map_err(|_| EncodeError::Times)?;
        }
        Ok(offset_ms)
    }

    /// How the steps are written, if they are a series. Out of line: the search must not lie below what writes.
    #[inline(never)]
    fn choose(self, clock: Clock, plan: Plan) -> Option<(Mode, u8)> {
        let Self::Between(times) = self else { return None };
        let exact = match clock {
            Clock::Regular { dt_ms } => steps_between(times).all(|step| step == i64::from(dt_ms)),
            Clock::Irregular { .. } => times.len() < 2,
            Clock::Interval => true,
        };
        (!exact).then(|| series::choose(steps_between(times), plan))
    }

    fn write(self, bits: &mut BitWriter<'_>, clock: Clock, chosen: Option<(Mode, u8)>) -> Result<(), EncodeError> {
        if matches!(clock, Clock::Regular { .. }) && self.iter().next().is_some() {
            bits.bit(chosen.is_some())?;
        }
        let Some(chosen) = chosen else { return Ok(()) };
        // Other steps are not a series.
        let Self::Between(times) = self else { return Err(EncodeError::Times) };
        Ok(series::write(bits, Coding::of_steps(clock), steps_between(times), chosen)?)
    }
}

/// Two words, where an iterator over all kinds of steps is four times as much.
fn steps_between(times: &[i64]) -> impl Iterator<Item = i64> + Clone {
    times.array_windows().map(|[before, after]| after.wrapping_sub(*before))
}
