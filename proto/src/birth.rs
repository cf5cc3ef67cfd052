//! Births: what a device says of itself at every connect, retained. Read in place, without an allocator.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::chunk::{Clock, Coding, RICE_K_MAX};
use crate::crc::crc32c;
use crate::frame::{HASHED, SCHEMA_NUMBER_LIMIT, T0_MS_MAX, TimeSync};
use crate::topic::id_is_valid;
use crate::varint;

/// First byte of a birth of this version.
pub const MAGIC: u8 = 0xFA;
/// Most groups of a schema: one tag each.
pub const GROUPS_MAX: usize = 64;
/// Most columns of one group.
pub const COLUMNS_MAX: usize = 1024;
/// Longest firmware version, bytes.
pub const FIRMWARE_LEN_MAX: usize = 255;
/// Metrics from here on are not in the registry and carry their name.
pub const METRIC_NAMED: u16 = 0x8000;

/// Longest column: metric, num, den, bias, k0 and a name.
pub(crate) const COLUMN_LEN_MAX: usize = 3 + 5 + 5 + 10 + 1 + 2 + crate::topic::ID_LEN_MAX;

/// One signal within a group: `physical = raw * num / den`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Column<'a> {
    /// Number in the registry, or [`METRIC_NAMED`] and up.
    pub metric: u16,
    /// Numerator of the scale, at least 1.
    pub num: u32,
    /// Denominator of the scale, at least 1.
    pub den: u32,
    /// A usual raw value.
    pub bias: i64,
    /// Rice parameter of the first value's distance from `bias`, 0..=30.
    pub k0: u8,
    /// An id; present if and only if the metric is not the registry's.
    #[serde(borrow)]
    pub name: Option<&'a str>,
}

impl Column<'_> {
    /// What the codec needs of it.
    pub const fn coding(&self) -> Coding {
        Coding { bias: self.bias, k0: self.k0 }
    }

    /// Whether it can be column 0 under `clock`: intervals are the time, so they are in ms.
    fn fits_clock(&self, clock: Clock) -> bool {
        clock != Clock::Interval || (self.num == 1 && self.den == 1)
    }

    fn is_valid(&self) -> bool {
        let named = self.metric >= METRIC_NAMED;
        let name_fits = if named { self.name.is_some_and(id_is_valid) } else { self.name.is_none() };
        self.num != 0 && self.den != 0 && self.k0 <= RICE_K_MAX && name_fits
    }
}

/// Signals that are sampled together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Group<'a> {
    /// When.
    pub clock: Clock,
    /// Which, in the order of the chunk's columns; at least one.
    pub columns: &'a [Column<'a>],
}

/// What a birth says before its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Head<'a> {
    /// Device kind ([`crate::registry::Kind`]).
    pub kind: u16,
    /// The id that frames carry.
    pub schema: u32,
    /// As in the frames' headers.
    pub boot: u32,
    /// Device uptime when the birth was made, ms.
    pub t0_ms: u64,
    /// The device's clock, if it has one.
    pub sync: Option<TimeSync>,
    /// Firmware version.
    #[serde(borrow)]
    pub firmware: &'a str,
}

/// Why bytes are not a birth, or a birth cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BirthError {
    /// Another first byte than [`MAGIC`] (or no byte).
    Magic {
        /// What it is.
        got: Option<u8>,
    },
    /// The head ends early, is not in its shortest form, or its texts and times are out of bounds.
    Head,
    /// A group or column ends early, is not in its shortest form, or has values out of bounds.
    Groups,
    /// Bytes after the last group: a birth grows only under a new magic.
    Trailing,
    /// The schema id is neither a number below 2^14 nor the hash of the groups.
    Schema {
        /// The id it has.
        got: u32,
        /// The id by hash.
        hashed: u32,
    },
    /// The output is too short.
    Full,
}

impl fmt::Display for BirthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic { got: Some(got) } => write!(f, "birth starts with {got:#04x}, wanted {MAGIC:#04x}"),
            Self::Magic { got: None } => f.write_str("birth is empty"),
            Self::Head => f.write_str("birth head is cut, not in its shortest form, or out of bounds"),
            Self::Groups => f.write_str("birth has a group that is cut, not in its shortest form, or out of bounds"),
            Self::Trailing => f.write_str("birth goes on after its last group"),
            Self::Schema { got, hashed } => write!(f, "birth has schema {got:#x}, its groups hash to {hashed:#x}"),
            Self::Full => f.write_str("birth does not fit the output"),
        }
    }
}

impl core::error::Error for BirthError {}

/// Schema id by hash: [`HASHED`] | the low 27 bits of CRC-32C over the postcard bytes of the groups.
pub fn schema_hash(groups: &[u8]) -> u32 {
    HASHED | (crc32c(groups) & (HASHED - 1))
}

/// Writes the groups' postcard bytes (what [`schema_hash`] hashes); their length.
///
/// # Errors
/// `Groups` when they break a bound; `Full`.
pub fn encode_groups(out: &mut [u8], groups: &[Group<'_>]) -> Result<usize, BirthError> {
    let valid = groups.len() <= GROUPS_MAX
        && groups.iter().all(|group| {
            (1..=COLUMNS_MAX).contains(&group.columns.len())
                && group.columns.iter().all(Column::is_valid)
                && group.columns.first().is_some_and(|column| column.fits_clock(group.clock))
        });
    if !valid {
        return Err(BirthError::Groups);
    }
    postcard::to_slice(groups, out).map(|bytes| bytes.len()).map_err(|_| BirthError::Full)
}

/// Writes a birth into `out`; its bytes. A `head.schema` of 0 is replaced by the groups' hash.
///
/// # Errors
/// Any [`BirthError`] but `Magic` and `Trailing`.
pub fn encode<'o>(out: &'o mut [u8], head: &Head<'_>, groups: &[Group<'_>]) -> Result<&'o [u8], BirthError> {
    // The groups come last but their hash stands before them: written at the front, then moved.
    let groups_len = encode_groups(out, groups)?;
    let hashed = schema_hash(out.get(..groups_len).unwrap_or_default());
    let head = Head { schema: if head.schema == 0 { hashed } else { head.schema }, ..*head };
    check_head(&head, hashed)?;
    let mut head_bytes = [0; HEAD_LEN_MAX];
    let head_bytes = postcard::to_slice(&(MAGIC, head), &mut head_bytes).map_err(|_| BirthError::Head)?;
    let len = head_bytes.len() + groups_len;
    let birth = out.get_mut(..len).ok_or(BirthError::Full)?;
    birth.copy_within(..groups_len, head_bytes.len());
    birth.get_mut(..head_bytes.len()).ok_or(BirthError::Full)?.copy_from_slice(head_bytes);
    Ok(birth)
}

/// Longest head, magic included.
pub(crate) const HEAD_LEN_MAX: usize = 1 + 3 + 5 + 5 + 10 + 16 + 2 + FIRMWARE_LEN_MAX;

fn check_head(head: &Head<'_>, hashed: u32) -> Result<(), BirthError> {
    if head.firmware.len() > FIRMWARE_LEN_MAX || head.t0_ms > T0_MS_MAX {
        return Err(BirthError::Head);
    }
    let numbered = (1..SCHEMA_NUMBER_LIMIT).contains(&head.schema);
    if numbered || head.schema == hashed { Ok(()) } else { Err(BirthError::Schema { got: head.schema, hashed }) }
}

/// A checked birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth<'a> {
    head: Head<'a>,
    groups: &'a [u8],
}

impl<'a> Birth<'a> {
    /// Checks all of `bytes`, the schema id included.
    ///
    /// # Errors
    /// Any [`BirthError`] but `Full`.
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, BirthError> {
        let got = bytes.first().copied();
        if got != Some(MAGIC) {
            return Err(BirthError::Magic { got });
        }
        let ((_, head), groups) = take_canonical::<(u8, Head<'_>), HEAD_LEN_MAX>(bytes).ok_or(BirthError::Head)?;
        let mut walk = Groups::new(groups).ok_or(BirthError::Groups)?;
        walk.by_ref().for_each(drop);
        match (walk.left, walk.rest) {
            (0, []) => {}
            (0, _) => return Err(BirthError::Trailing),
            _ => return Err(BirthError::Groups),
        }
        check_head(&head, schema_hash(groups))?;
        Ok(Self { head, groups })
    }

    /// What it says before its groups.
    pub fn head(&self) -> Head<'a> {
        self.head
    }

    /// The groups' postcard bytes: equal bytes, equal schema.
    pub fn groups_bytes(&self) -> &'a [u8] {
        self.groups
    }

    /// The groups, in order of their tags.
    pub fn groups(&self) -> Groups<'a> {
        // Checked, so never the fallback.
        Groups::new(self.groups).unwrap_or(Groups { rest: &[], left: 0 })
    }
}

/// One group of a checked birth.
#[derive(Clone, Debug)]
pub struct GroupView<'a> {
    /// When its rows are.
    pub clock: Clock,
    /// Its columns, in order.
    pub columns: Columns<'a>,
}

/// Iterator over a birth's groups.
#[derive(Clone, Debug)]
pub struct Groups<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Groups<'a> {
    fn new(groups: &'a [u8]) -> Option<Self> {
        let (left, rest) = varint::take_u32(groups)?;
        let left = usize::try_from(left).ok().filter(|&left| left <= GROUPS_MAX)?;
        Some(Self { rest, left })
    }
}

impl<'a> Iterator for Groups<'a> {
    type Item = GroupView<'a>;

    /// Walks the group's columns to find the next group; stops, with groups left, at the first malformed byte.
    fn next(&mut self) -> Option<GroupView<'a>> {
        if self.left == 0 {
            return None;
        }
        let (clock, rest) = take_canonical::<Clock, 8>(self.rest)?;
        let (count, rest) = varint::take_u32(rest)?;
        let left = usize::try_from(count).ok().filter(|count| (1..=COLUMNS_MAX).contains(count))?;
        let columns = Columns { rest, left };
        let mut walk = columns.clone();
        if !walk.clone().next()?.fits_clock(clock) {
            return None;
        }
        walk.by_ref().for_each(drop);
        if walk.left > 0 {
            return None;
        }
        self.rest = walk.rest;
        self.left -= 1;
        Some(GroupView { clock, columns })
    }
}

/// Iterator over a group's columns.
#[derive(Clone, Debug)]
pub struct Columns<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Columns<'a> {
    type Item = Column<'a>;

    fn next(&mut self) -> Option<Column<'a>> {
        if self.left == 0 {
            return None;
        }
        let (column, rest) = take_canonical::<Column<'a>, COLUMN_LEN_MAX>(self.rest)?;
        if !column.is_valid() {
            return None;
        }
        self.rest = rest;
        self.left -= 1;
        Some(column)
    }
}

/// Takes a value off the front if its bytes are the ones postcard would write.
fn take_canonical<'a, T, const LEN_MAX: usize>(bytes: &'a [u8]) -> Option<(T, &'a [u8])>
where
    T: Deserialize<'a> + Serialize,
{
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).ok()?;
    let mut again = [0; LEN_MAX];
    let again = postcard::to_slice(&value, &mut again).ok()?;
    (bytes.get(..bytes.len() - rest.len()) == Some(&*again)).then_some((value, rest))
}
