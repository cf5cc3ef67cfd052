//! Whole frames, decoded into buffers that are reused.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{Column, Group, Schema};
use crate::chunk::{ChunkError, VALUES_MAX};
use crate::frame::{Frame, Header, Item, TimeSync};

/// Why a checked frame cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DecodeError {
    /// The frame is of another schema.
    Schema {
        /// What it names.
        got: u32,
        /// What it was to be read with.
        wanted: u32,
    },
    /// A chunk of a group that the schema does not have.
    Group {
        /// Its tag.
        group: u8,
    },
    /// A chunk cannot be read.
    Chunk {
        /// Its group.
        group: u8,
        /// Why.
        error: ChunkError,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema { got, wanted } => write!(f, "frame has schema {got:#x}, wanted {wanted:#x}"),
            Self::Group { group } => write!(f, "frame has a chunk of group {group}, its schema has no such group"),
            Self::Chunk { group, error } => write!(f, "group {group}: {error}"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// A frame's content, in flat buffers that are reused from frame to frame.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    chunks: Vec<Span>,
    /// As long as the longest frame so far needed: what lies beyond `bounds` belongs to none of the chunks.
    times: Vec<i64>,
    values: Vec<Option<i64>>,
    bounds: Bounds,
    /// The device's clock, if the frame says it; of several the last.
    pub sync: Option<TimeSync>,
    /// Events, in order.
    pub events: Vec<Event>,
    /// Texts, in order.
    pub texts: Vec<Text>,
    /// How many items were skipped because they are newer than this decoder.
    pub unknown_items: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    group: usize,
    rows: usize,
    columns: usize,
    times_at: usize,
    values_at: usize,
}

/// Something that happened once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Device uptime, ms.
    pub time_ms: i64,
    /// What, by the device kind's list.
    pub code: u16,
    /// 0 = for information; higher is worse.
    pub severity: u8,
    /// How much; scaled by the code.
    pub value: i64,
    /// More, opaque.
    pub data: Vec<u8>,
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Which, by the device kind's list.
    pub key: u16,
    /// What it says.
    pub val: String,
}

/// Rows of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows<'d> {
    /// Which group of the schema.
    pub group: usize,
    /// When each row was read: device uptime, ms, non-decreasing.
    pub times: &'d [i64],
    values: &'d [Option<i64>],
}

impl<'d> Rows<'d> {
    /// The columns in schema order; each has a slot per row, `None` = null.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &'d [Option<i64>]> + use<'d> {
        self.values.chunks_exact(self.times.len().max(1))
    }
}

impl Decoded {
    /// The chunks, in the frame's order.
    pub fn chunks(&self) -> impl Iterator<Item = Rows<'_>> {
        self.chunks.iter().map(|span| Rows {
            group: span.group,
            times: self.times.get(span.times_at..span.times_at + span.rows).unwrap_or_default(),
            values: self.values.get(span.values_at..span.values_at + span.rows * span.columns).unwrap_or_default(),
        })
    }

    fn clear(&mut self, groups: usize) {
        self.chunks.clear();
        self.bounds.begin(groups);
        self.sync = None;
        self.events.clear();
        self.texts.clear();
        self.unknown_items = 0;
    }
}

impl PartialEq for Decoded {
    fn eq(&self, other: &Self) -> bool {
        let said = |it: &Self| (it.sync, it.unknown_items);
        self.chunks().eq(other.chunks())
            && said(self) == said(other)
            && (&self.events, &self.texts) == (&other.events, &other.texts)
    }
}

impl Eq for Decoded {}

/// Decodes all of `frame` into `out`, replacing what was there.
///
/// # Errors
/// Any [`DecodeError`]; `out` then holds a part of the frame.
pub fn decode_into(frame: &Frame<'_>, schema: &Schema, out: &mut Decoded) -> Result<(), DecodeError> {
    let header = frame.header();
    schema.check_is_of(&header)?;
    out.clear(schema.groups.len());
    for item in frame.items() {
        match item {
            Item::Chunk { group, chunk } => {
                let columns = schema.groups.get(usize::from(group)).ok_or(DecodeError::Group { group })?;
                decode_chunk(header.t0_ms, group, &chunk, columns, out)
                    .map_err(|error| DecodeError::Chunk { group, error })?;
            }
            Item::TimeSync(sync) => out.sync = Some(sync),
            Item::Event(event) => out.events.push(Event {
                time_ms: event.time_ms(header.t0_ms),
                code: event.code,
                severity: event.severity,
                value: event.value,
                data: event.data.to_vec(),
            }),
            Item::Text(text) => out.texts.push(Text { key: text.key, val: String::from(text.val) }),
            Item::Unknown { .. } => out.unknown_items += 1,
            Item::Mac(_) => {}
        }
    }
    Ok(())
}

impl Schema {
    pub(super) fn check_is_of(&self, header: &Header) -> Result<(), DecodeError> {
        let (got, wanted) = (header.schema, self.id);
        if got == wanted { Ok(()) } else { Err(DecodeError::Schema { got, wanted }) }
    }
}

fn decode_chunk(
    t0_ms: u64,
    tag: u8,
    chunk: &crate::chunk::Chunk<'_>,
    group: &Group,
    out: &mut Decoded,
) -> Result<(), ChunkError> {
    let span = Span {
        group: usize::from(tag),
        rows: chunk.rows(),
        columns: group.columns.len(),
        times_at: out.bounds.times,
        values_at: out.bounds.values,
    };
    out.bounds.take(span.rows, span.columns)?;
    // What an earlier frame left there is written over.
    grow(&mut out.times, out.bounds.times, 0);
    grow(&mut out.values, out.bounds.values, None);
    let times = out.times.get_mut(span.times_at..out.bounds.times).unwrap_or_default();
    let values = out.values.get_mut(span.values_at..out.bounds.values).unwrap_or_default();
    chunk.decode(t0_ms, group.clock, group.columns.iter().map(Column::coding), times, values)?;
    out.bounds.follow(span.group, times)?;
    out.chunks.push(span);
    Ok(())
}

pub(super) fn grow<T: Copy>(buffer: &mut Vec<T>, len: usize, filler: T) {
    if buffer.len() < len {
        buffer.resize(len, filler);
    }
}

/// What the chunks of a frame have to keep to together.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounds {
    /// How many times and values there are so far.
    times: usize,
    values: usize,
    /// By group: the last row's time.
    last_ms: Vec<Option<i64>>,
}

impl Bounds {
    pub(super) fn begin(&mut self, groups: usize) {
        (self.times, self.values) = (0, 0);
        self.last_ms.clear();
        self.last_ms.resize(groups, None);
    }

    /// Makes room for a chunk, within the budget.
    pub(super) fn take(&mut self, rows: usize, columns: usize) -> Result<(), ChunkError> {
        // A group without columns counts its times, or tiny chunks would name times without end.
        let budget = VALUES_MAX - self.times.max(self.values).min(VALUES_MAX);
        if rows * columns.max(1) > budget {
            return Err(ChunkError::Budget);
        }
        self.times += rows;
        self.values += rows * columns;
        Ok(())
    }

    /// Takes note of a chunk's times: none may be before those of the chunk before.
    pub(super) fn follow(&mut self, group: usize, times: &[i64]) -> Result<(), ChunkError> {
        let last_ms = self.last_ms.get_mut(group).ok_or(ChunkError::Schema)?;
        if times.first().copied() < *last_ms {
            return Err(ChunkError::Times);
        }
        *last_ms = times.last().copied();
        Ok(())
    }
}
