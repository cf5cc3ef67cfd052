//! Owned schemas and whole frames, for hosts.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::birth::{self, Birth, BirthError, Head};
use crate::chunk::{Clock, Coding};
use crate::registry;

mod build;
mod decode;
mod survey;
pub use build::FrameBuilder;
pub use decode::{DecodeError, Decoded, Event, Rows, Text, decode_into};
pub use survey::{Survey, Surveyor};

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
