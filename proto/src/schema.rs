//! Owned schemas and whole frames, for hosts.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::birth::{self, Birth, BirthError, Head};
use crate::chunk::{ChunkError, Clock, Coding, VALUES_MAX};
use crate::frame::{Frame, Item, TimeSync};
use crate::registry;

mod build;
pub use build::FrameBuilder;

/// How to read a device's chunks: from the registry or from its birth.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Schema {
    /// The id that frames carry.
    pub id: u32,
    /// In order of their tags.
    pub groups: Vec<Group>,
}

/// Signals that are sampled together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// When.
    pub clock: Clock,
    /// In the order of the chunk's columns.
    pub columns: Vec<Column>,
}

/// One signal within a group: `physical = raw * num / den`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// Number in the registry, or [`birth::METRIC_NAMED`] and up.
    pub metric: u16,
    /// Numerator of the scale.
    pub num: u32,
    /// Denominator of the scale.
    pub den: u32,
    /// A usual raw value.
    pub bias: i64,
    /// Rice parameter of the first value's distance from `bias`.
    pub k0: u8,
    /// Present if and only if the metric is not the registry's.
    pub name: Option<String>,
}

impl Column {
    /// What the codec needs of it.
    pub fn coding(&self) -> Coding {
        Coding { bias: self.bias, k0: self.k0 }
    }

    /// Its name: its own, or the registry's; `None` for a number this registry does not know.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref().or_else(|| registry::signal(self.metric).map(|signal| signal.name))
    }

    fn from_view(column: &birth::Column<'_>) -> Self {
        let birth::Column { metric, num, den, bias, k0, name } = *column;
        Self { metric, num, den, bias, k0, name: name.map(String::from) }
    }

    fn view(&self) -> birth::Column<'_> {
        let Self { metric, num, den, bias, k0, ref name } = *self;
        birth::Column { metric, num, den, bias, k0, name: name.as_deref() }
    }
}

impl Schema {
    /// The registered schema with this id.
    pub fn from_registry(id: u32) -> Option<Self> {
        let registered = registry::schema(id)?;
        let groups = registered
            .groups
            .iter()
            .map(|group| Group { clock: group.clock, columns: group.columns.iter().map(Column::from_view).collect() });
        Some(Self { id, groups: groups.collect() })
    }

    /// The schema that a birth describes.
    ///
    /// # Errors
    /// `Schema` when the birth names a registered id but describes other groups.
    pub fn from_birth(birth: &Birth<'_>) -> Result<Self, BirthError> {
        let groups = birth.groups().map(|group| Group {
            clock: group.clock,
            columns: group.columns.map(|column| Column::from_view(&column)).collect(),
        });
        let schema = Self { id: birth.head().schema, groups: groups.collect() };
        match Self::from_registry(schema.id) {
            Some(registered) if registered != schema => {
                let hashed = birth::schema_hash(birth.groups_bytes());
                Err(BirthError::Schema { got: schema.id, hashed })
            }
            _ => Ok(schema),
        }
    }

    /// A schema of these groups, with the id by hash.
    ///
    /// # Errors
    /// `Groups` when they break a bound of [`birth`].
    pub fn hashed(groups: Vec<Group>) -> Result<Self, BirthError> {
        let mut schema = Self { id: 0, groups };
        schema.id = birth::schema_hash(&schema.groups_bytes()?);
        Ok(schema)
    }

    /// The groups' postcard bytes: equal bytes, equal schema.
    ///
    /// # Errors
    /// `Groups` when they break a bound of [`birth`].
    pub fn groups_bytes(&self) -> Result<Vec<u8>, BirthError> {
        self.with_views(|views, bound| {
            let mut out = vec![0; bound];
            let len = birth::encode_groups(&mut out, views)?;
            out.truncate(len);
            Ok(out)
        })
    }

    /// The birth of a device with this schema; `head.schema` is ignored.
    ///
    /// # Errors
    /// As [`birth::encode`].
    pub fn birth_bytes(&self, head: &Head<'_>) -> Result<Vec<u8>, BirthError> {
        let head = Head { schema: self.id, ..*head };
        self.with_views(|views, bound| {
            let mut out = vec![0; bound];
            let len = birth::encode(&mut out, &head, views)?.len();
            out.truncate(len);
            Ok(out)
        })
    }

    /// Calls `f` with borrowed groups and an upper bound for a birth's length.
    fn with_views<T>(&self, f: impl FnOnce(&[birth::Group<'_>], usize) -> T) -> T {
        let columns: Vec<Vec<birth::Column<'_>>> =
            self.groups.iter().map(|group| group.columns.iter().map(Column::view).collect()).collect();
        let views: Vec<birth::Group<'_>> = (self.groups.iter().zip(&columns))
            .map(|(group, columns)| birth::Group { clock: group.clock, columns })
            .collect();
        let bound = columns.iter().map(|columns| 8 + columns.len() * birth::COLUMN_LEN_MAX).sum::<usize>();
        f(&views, bound + birth::HEAD_LEN_MAX + 2)
    }
}

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    chunks: Vec<Span>,
    times: Vec<i64>,
    values: Vec<Option<i64>>,
    last_ms: Vec<Option<i64>>,
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
        self.times.clear();
        self.values.clear();
        self.last_ms.clear();
        self.last_ms.resize(groups, None);
        self.sync = None;
        self.events.clear();
        self.texts.clear();
        self.unknown_items = 0;
    }
}

/// Decodes all of `frame` into `out`, replacing what was there.
///
/// # Errors
/// Any [`DecodeError`]; `out` then holds a part of the frame.
pub fn decode_into(frame: &Frame<'_>, schema: &Schema, out: &mut Decoded) -> Result<(), DecodeError> {
    let header = frame.header();
    if header.schema != schema.id {
        return Err(DecodeError::Schema { got: header.schema, wanted: schema.id });
    }
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
                time_ms: (header.t0_ms as i64).wrapping_add(i64::from(event.dt_ms)),
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
        times_at: out.times.len(),
        values_at: out.values.len(),
    };
    // A group without columns counts its times, or tiny chunks would name times without end.
    let budget = VALUES_MAX - out.times.len().max(out.values.len()).min(VALUES_MAX);
    if span.rows * span.columns.max(1) > budget {
        return Err(ChunkError::Budget);
    }
    out.times.resize(span.times_at + span.rows, 0);
    out.values.resize(span.values_at + span.rows * span.columns, None);
    let times = out.times.get_mut(span.times_at..).unwrap_or_default();
    let values = out.values.get_mut(span.values_at..).unwrap_or_default();
    chunk.decode(t0_ms, group.clock, group.columns.iter().map(Column::coding), times, values)?;
    let last_ms = out.last_ms.get_mut(span.group).ok_or(ChunkError::Schema)?;
    if times.first().copied() < *last_ms {
        return Err(ChunkError::Times);
    }
    *last_ms = times.last().copied();
    out.chunks.push(span);
    Ok(())
}
