//! Frames: one MQTT payload each, checked once at the door.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::chunk::Chunk;
use crate::varint;

mod write;
pub use write::FrameWriter;
#[cfg(feature = "alloc")]
pub(crate) use write::{check_text, put_chunk, put_header, put_item};

/// First byte of a frame of this version.
pub const MAGIC: u8 = 0xF9;
/// Longest frame, bytes: with its topic it fits a 64 KB packet.
pub const LEN_MAX: usize = 61_440;
/// Longest header, bytes.
pub const HEADER_LEN_MAX: usize = 26;
/// Longest text, bytes.
pub const TEXT_LEN_MAX: usize = 255;
/// Latest start of a frame: about 285,000 years of uptime, and exact as a double. A later one is refused, so that times
/// of device and gateway can be added without overflow.
pub const T0_MS_MAX: u64 = 1 << 53;
/// Schemas in the registry or numbered by hand are below this.
pub const SCHEMA_NUMBER_LIMIT: u32 = 1 << 14;
/// Hashed schema ids and random boots have this bit, and 27 bits below it.
pub const HASHED: u32 = 0x0800_0000;

pub(crate) mod tag {
    pub(crate) const GROUP_MAX: u8 = 0x3F;
    pub(crate) const TIME_SYNC: u8 = 0x40;
    pub(crate) const EVENT: u8 = 0x41;
    pub(crate) const TEXT: u8 = 0x42;
    pub(crate) const CRITICAL: u8 = 0x80;
    pub(crate) const MAC8: u8 = 0xC0;
    pub(crate) const ED25519: u8 = 0xC1;
    pub(crate) const MAC16: u8 = 0xC2;
}

/// What every frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Header {
    /// How to read the chunks: a registry number, or `HASHED |` the hash of a birth's groups.
    pub schema: u32,
    /// Counts starts of the device (< 2^27), or `HASHED |` 27 random bits.
    pub boot: u32,
    /// +1 per frame within a boot, from 0.
    pub seq: u32,
    /// Device uptime at the frame's start, ms, at most [`T0_MS_MAX`].
    pub t0_ms: u64,
}

/// The device's clock, as it believes: `unix = uptime + unix_minus_uptime_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TimeSync {
    /// Milliseconds; any value is possible on the wire.
    pub unix_minus_uptime_ms: i64,
    /// How far off it may be, ms.
    pub uncertainty_ms: u32,
}

/// Something that happened once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Event<'a> {
    /// When, relative to the frame's `t0_ms`.
    pub dt_ms: i32,
    /// What, by the device kind's list.
    pub code: u16,
    /// 0 = for information; higher is worse.
    pub severity: u8,
    /// How much; scaled by the code.
    pub value: i64,
    /// More, opaque.
    #[serde(borrow)]
    pub data: &'a [u8],
}

impl Event<'_> {
    /// When, device uptime, ms, in a frame that starts at `t0_ms`.
    pub const fn time_ms(&self, t0_ms: u64) -> i64 {
        (t0_ms as i64).wrapping_add(self.dt_ms as i64)
    }
}

/// A text: serial number, firmware version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Text<'a> {
    /// Which, by the device kind's list.
    pub key: u16,
    /// At most [`TEXT_LEN_MAX`] bytes.
    pub val: &'a str,
}

/// How a frame is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MacKind {
    /// First 8 bytes of HMAC-SHA256.
    Mac8,
    /// First 16 bytes of HMAC-SHA256.
    Mac16,
    /// An Ed25519 signature, 64 bytes.
    Ed25519,
}

impl MacKind {
    pub(crate) const fn of_tag(tag: u8) -> Option<Self> {
        match tag {
            tag::MAC8 => Some(Self::Mac8),
            tag::MAC16 => Some(Self::Mac16),
            tag::ED25519 => Some(Self::Ed25519),
            _ => None,
        }
    }

    const fn tag(self) -> u8 {
        match self {
            Self::Mac8 => tag::MAC8,
            Self::Mac16 => tag::MAC16,
            Self::Ed25519 => tag::ED25519,
        }
    }

    /// Bytes it takes.
    pub const fn code_len(self) -> usize {
        match self {
            Self::Mac8 => 8,
            Self::Mac16 => 16,
            Self::Ed25519 => 64,
        }
    }
}

/// The last item of an authenticated frame. Not verified here: keys live elsewhere (`mac`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac<'a> {
    /// The scheme.
    pub kind: MacKind,
    /// The code itself.
    pub code: &'a [u8],
    /// What it covers, after the device id: all frame bytes before the item.
    pub covered: &'a [u8],
}

/// One item of a checked frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// Rows of one group.
    Chunk {
        /// Its place in the schema, 0..=0x3F.
        group: u8,
        /// The rows.
        chunk: Chunk<'a>,
    },
    /// The device's clock.
    TimeSync(TimeSync),
    /// Something that happened.
    Event(Event<'a>),
    /// A text.
    Text(Text<'a>),
    /// The authentication code; always last.
    Mac(Mac<'a>),
    /// A newer, uncritical item.
    Unknown {
        /// 0x43..=0x7F.
        tag: u8,
        /// As it came.
        body: &'a [u8],
    },
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameError {
    /// Longer than [`LEN_MAX`].
    TooLong {
        /// Its length.
        len: usize,
    },
    /// Another first byte than [`MAGIC`] (or no byte).
    Magic {
        /// What it is.
        got: Option<u8>,
    },
    /// The header ends early, is not in its shortest form, or starts after [`T0_MS_MAX`].
    Header,
    /// An item ends early, has a length not in its shortest form, or a body that is not what its tag says.
    Item {
        /// Where it starts, bytes.
        at: usize,
        /// Its tag.
        tag: u8,
    },
    /// An unknown item that must not be skipped.
    Critical {
        /// Its tag.
        tag: u8,
    },
    /// Bytes after the authentication code.
    AfterMac {
        /// Where they start.
        at: usize,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len } => write!(f, "frame has {len} bytes, at most {LEN_MAX} are allowed"),
            Self::Magic { got: Some(got) } => write!(f, "frame starts with {got:#04x}, wanted {MAGIC:#04x}"),
            Self::Magic { got: None } => f.write_str("frame is empty"),
            Self::Header => f.write_str("frame header is cut, not in its shortest form, or starts too late"),
            Self::Item { at, tag } => write!(f, "item {tag:#04x} at byte {at} is cut or malformed"),
            Self::Critical { tag } => write!(f, "item {tag:#04x} is critical and unknown"),
            Self::AfterMac { at } => write!(f, "frame goes on after its authentication code, at byte {at}"),
        }
    }
}

impl core::error::Error for FrameError {}

/// A frame whose header and items were checked. The bits inside chunks are checked when they are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    header: Header,
    bytes: &'a [u8],
    items_at: usize,
}

impl<'a> Frame<'a> {
    /// Checks the whole structure of `bytes`.
    ///
    /// # Errors
    /// Any [`FrameError`].
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, FrameError> {
        if bytes.len() > LEN_MAX {
            return Err(FrameError::TooLong { len: bytes.len() });
        }
        let (header, items_at) = take_header(bytes)?;
        let frame = Self { header, bytes, items_at };
        let mut at = items_at;
        while at < bytes.len() {
            let (item, next) = take_item(bytes, at)?;
            if matches!(item, Item::Mac(_)) && next < bytes.len() {
                return Err(FrameError::AfterMac { at: next });
            }
            at = next;
        }
        Ok(frame)
    }

    /// What the frame says of itself.
    pub fn header(&self) -> Header {
        self.header
    }

    /// The frame's bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Its items, in order.
    pub fn items(&self) -> Items<'a> {
        Items { bytes: self.bytes, at: self.items_at }
    }
}

/// Iterator over the items of a checked frame.
#[derive(Clone, Debug)]
pub struct Items<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Items<'_> {
    /// Where the next item begins in the frame's bytes; after the last one, where they end.
    pub fn position(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Item<'a>> {
        if self.at >= self.bytes.len() {
            return None;
        }
        // The frame was checked with the same function, so this is never an error.
        let (item, next) = take_item(self.bytes, self.at).ok()?;
        self.at = next;
        Some(item)
    }
}

/// Reads only the header, without checking the items: who sent it, and when.
///
/// # Errors
/// `Magic` or `Header`.
pub fn peek_header(bytes: &[u8]) -> Result<Header, FrameError> {
    take_header(bytes).map(|(header, _)| header)
}

fn take_header(bytes: &[u8]) -> Result<(Header, usize), FrameError> {
    let got = bytes.first().copied();
    if got != Some(MAGIC) {
        return Err(FrameError::Magic { got });
    }
    let (header, rest) = bytes.get(1..).and_then(take_header_fields).ok_or(FrameError::Header)?;
    Ok((header, bytes.len() - rest.len()))
}

/// Two spellings of one frame would defeat duplicate detection: varints are refused in any but their shortest form.
fn take_header_fields(rest: &[u8]) -> Option<(Header, &[u8])> {
    let (schema, rest) = varint::take_u32(rest)?;
    let (boot, rest) = varint::take_u32(rest)?;
    let (seq, rest) = varint::take_u32(rest)?;
    let (t0_ms, rest) = varint::take_u64(rest)?;
    (t0_ms <= T0_MS_MAX).then_some((Header { schema, boot, seq, t0_ms }, rest))
}

/// The item at `at`, and where the next one starts. Inlined, so that a chunk goes to its reader in registers instead of
/// through an item in memory.
#[inline(always)]
fn take_item(bytes: &[u8], at: usize) -> Result<(Item<'_>, usize), FrameError> {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some((&tag, rest)) = rest.split_first() else { return Err(FrameError::Item { at, tag: 0 }) };
    let malformed = FrameError::Item { at, tag };
    // Not `ok_or`: a result in memory that is either a number or an error is written and read in pieces.
    let Some((len, rest)) = varint::take_u32(rest) else { return Err(malformed) };
    let Some(body) = rest.get(..len as usize) else { return Err(malformed) };
    let next = bytes.len() - rest.len() + body.len();
    let item = match tag {
        ..=tag::GROUP_MAX => {
            let Some(chunk) = Chunk::new_checked(body) else { return Err(malformed) };
            Item::Chunk { group: tag, chunk }
        }
        _ => other_item(bytes, at, tag, body)?,
    };
    Ok((item, next))
}

/// Apart from the chunks, which are most items.
#[inline(never)]
fn other_item<'a>(bytes: &'a [u8], at: usize, tag: u8, body: &'a [u8]) -> Result<Item<'a>, FrameError> {
    let malformed = FrameError::Item { at, tag };
    Ok(match tag {
        tag::TIME_SYNC => Item::TimeSync(struct_at_front(body).ok_or(malformed)?),
        tag::EVENT => Item::Event(struct_at_front(body).ok_or(malformed)?),
        tag::TEXT => {
            let text = struct_at_front::<Text<'_>>(body).filter(|text| text.val.len() <= TEXT_LEN_MAX);
            Item::Text(text.ok_or(malformed)?)
        }
        ..tag::CRITICAL => Item::Unknown { tag, body },
        tag::CRITICAL.. => {
            let kind = MacKind::of_tag(tag).ok_or(FrameError::Critical { tag })?;
            if body.len() != kind.code_len() {
                return Err(malformed);
            }
            Item::Mac(Mac { kind, code: body, covered: bytes.get(..at).unwrap_or_default() })
        }
    })
}

/// Structs inside items may have grown at their end: what follows the known fields is ignored.
fn struct_at_front<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    postcard::take_from_bytes(body).ok().map(|(value, _)| value)
}
