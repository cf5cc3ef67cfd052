//! The bytes on disk. Integers are little-endian; every item starts at a multiple of 8 and is padded with zeros.
//!
//! ```text
//! segment file <number, 16 digits>.seg
//!      0  header            64 bytes, written and synced before anything else
//!   4096  header again      in another page: one damaged page never costs the segment
//!   4160  items             group header, records…, group header, records…
//!      E  footer            once sealed; the file ends with it
//!
//! header (64)                                     group header (48)
//!   0 magic "HALOSEG\0"                             0 magic "HGRP"
//!   8 format version u16 (1)                        4 bytes of records that follow u32
//!  10 reserved u16                                  8 records that take an offset u32
//!  12 start epoch u32                              12 reserved u32
//!  16 segment number u64                           16 offset of the first of them u64
//!  24 salt u64                                     24 durable mark: segment u64
//!  32 offset floor u64                             32 durable mark: byte position u64
//!  40 reserved, 20 bytes                           40 reserved u32
//!  60 crc32c of bytes 0..60 u32                    44 crc u32 of bytes 0..44
//! record (56 + body + padding)
//!   0 bytes of body u32                           footer header (32), then sections, then trailer
//!   4 kind u8                                       0 magic "HFTR"
//!   5 version u8                                    4 sections u32
//!   6 bytes of head u8                              8 bytes of sections u64
//!   7 flags u8                                     16 reserved, 12 bytes
//!   8 key id u32 (0 = clear)                       28 crc u32 of bytes 0..28
//!  12 start epoch u32                             section (16 + body + padding)
//!  16 offset u64                                    0 tag u16, reserved u16
//!  24 stamp: wall ms i64                            4 bytes of body u32
//!  32 stamp: monotonic ms u64                       8 crc u32 of body and padding
//!  40 cause u64 (0 = none)                         12 crc u32 of bytes 0..12
//!  48 crc u32 of body and padding                 trailer (24), last bytes of a sealed file
//!  52 crc u32 of bytes 0..52                        0 magic "HALOEND\0"
//!  56 body = head, rest                             8 position of the footer header u64
//!                                                  16 reserved u32
//!                                                  20 crc u32 of bytes 0..20
//! ```
//!
//! **Crcs** are CRC-32C. All but the header's are salted: they go on from the CRC-32C of (salt, segment number, position of
//! the item), so bytes that a device sends, or that stood elsewhere before, are never taken for an item.
//!
//! **Offsets.** A segment's first offset stands in its first group header, because the header is durable long before it
//! is known; the header says only that it is not below the floor. A record of kind [`kind::NAMES`] carries the offset of the record after it and takes none.
//!
//! **Durable mark** of a group: everything in that segment below that position was synced when the group was written.
//! In a segment's first group it names the end of the log before; what stands beyond it in earlier segments is not part of
//! the log.
//!
//! **Head and rest.** The head of a body is always clear: numbers and names. The rest may one day be sealed under `key`,
//! with the nonce (start epoch, offset); both crcs are over what stands on disk.
//!
//! **Names** are numbered from 0 in each segment by `NAMES` records: one before the first use, one for all new names
//! at the end of the group, one in the footer. A repair puts `NAMES` records that define nothing where records were lost.
//!
//! **Reading on.** An unknown kind, version or flag of a record, or tag of a footer section, is skipped and reported; a
//! higher format version is refused.

use std::ops::Range;

use crate::record::{GatewayTime, KeyId, Offset, StartEpoch};

/// The format this program writes, and the newest it reads.
pub const FORMAT: u16 = 1;
/// Bytes of one copy of the segment header.
pub const HEADER_LEN: usize = 64;
/// Where its second copy stands.
pub const HEADER_COPY: u64 = 4096;
/// Where the first group of a segment stands.
pub const FIRST_ITEM: u64 = HEADER_COPY + HEADER_LEN as u64;
/// Bytes of a group header.
pub const GROUP_LEN: usize = 48;
/// Bytes of a record before its body.
pub const RECORD_LEN: usize = 56;
/// Longest body of a record: what the length field of a plausible record may say.
pub const BODY_MAX: usize = 64 << 20;
/// Bytes of a footer header.
pub const FOOTER_LEN: usize = 32;
/// Bytes of a footer section before its body.
pub const SECTION_LEN: usize = 16;
/// Bytes of the trailer that ends a sealed file.
pub const TRAILER_LEN: usize = 24;

const SEGMENT_MAGIC: [u8; 8] = *b"HALOSEG\0";
const TRAILER_MAGIC: [u8; 8] = *b"HALOEND\0";
const GROUP_MAGIC: [u8; 4] = *b"HGRP";
const FOOTER_MAGIC: [u8; 4] = *b"HFTR";

const _: () = assert!(HEADER_COPY as usize >= HEADER_LEN && FIRST_ITEM.is_multiple_of(8));
const _: () = assert!(GROUP_LEN.is_multiple_of(8) && RECORD_LEN.is_multiple_of(8) && FOOTER_LEN.is_multiple_of(8));
const _: () = assert!(SECTION_LEN.is_multiple_of(8) && TRAILER_LEN.is_multiple_of(8));
// A magic can never be read as the length of a plausible record, so the first word tells items apart.
const _: () = assert!(u32::from_le_bytes(GROUP_MAGIC) as usize > BODY_MAX);
const _: () = assert!(u32::from_le_bytes(FOOTER_MAGIC) as usize > BODY_MAX);

/// What a record says, as a number. 10 and 42–47 are kept for inputs and decisions that are foreseen
/// (session), 65–95 for other carry records.
pub mod kind {
    /// Definitions of names.
    pub const NAMES: u8 = 1;
    /// Input: telemetry.
    pub const FRAME: u8 = 2;
    /// Input: a retained publish.
    pub const RETAINED: u8 = 3;
    /// Input: a deadline passed.
    pub const TICK: u8 = 4;
    /// Input: the gateway started.
    pub const START: u8 = 5;
    /// Input: the wall clock jumped.
    pub const WALL_JUMP: u8 = 6;
    /// Input: configuration in force.
    pub const CONFIG: u8 = 7;
    /// Input: a device's session began.
    pub const CONNECTED: u8 = 8;
    /// Input: a device's session ended.
    pub const GONE: u8 = 9;
    /// Kept for: subscriptions and queue heads of a persistent session.
    pub const SESSION: u8 = 10;
    /// Input: an administrative act.
    pub const ACT: u8 = 11;
    /// Input: an answer to a spark.
    pub const ANSWER: u8 = 12;
    /// Input: a quarantined frame, to be read again.
    pub const REPLAYED: u8 = 13;
    /// Decision: a frame set aside.
    pub const QUARANTINE: u8 = 32;
    /// Decision: sequences given up.
    pub const GAP: u8 = 33;
    /// Decision: repeats counted.
    pub const DUPLICATES: u8 = 34;
    /// Decision: a sequence used twice.
    pub const CONFLICT: u8 = 35;
    /// Decision: a consumer's cursor.
    pub const CURSOR: u8 = 36;
    /// Decision: a spark was raised, answered or cleared.
    pub const SPARK: u8 = 37;
    /// Decision: a frame left the quarantine unread.
    pub const EXPIRED: u8 = 38;
    /// Decision: stored frames given up for want of room.
    pub const DROPPED: u8 = 39;
    /// Decision: stored records were found damaged.
    pub const DAMAGED: u8 = 40;
    /// Decision: a cohort was published anew.
    pub const COHORT: u8 = 41;
    /// A part of a set of facts carried over from segments that may be deleted.
    pub const CARRY: u8 = 64;
}

/// The salt of a segment, ready to start crcs from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(u32);

impl Seed {
    pub(crate) fn new(salt: u64, segment: u64) -> Self {
        let salted = crc32c::crc32c(&salt.to_le_bytes());
        Self(crc32c::crc32c_append(salted, &segment.to_le_bytes()))
    }

    pub(crate) fn crc(self, position: u64, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c_append(self.0, &position.to_le_bytes()), bytes)
    }
}

/// The segment header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) version: u16,
    pub(crate) epoch: StartEpoch,
    pub(crate) segment: u64,
    pub(crate) salt: u64,
    pub(crate) floor: Offset,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = Out::<HEADER_LEN>::default();
        out.put(&SEGMENT_MAGIC);
        out.put(&self.version.to_le_bytes());
        out.put(&[0; 2]);
        out.put(&self.epoch.0.to_le_bytes());
        out.put(&self.segment.to_le_bytes());
        out.put(&self.salt.to_le_bytes());
        out.put(&self.floor.0.to_le_bytes());
        out.put(&[0; 20]);
        out.put(&crc32c::crc32c(out.so_far()).to_le_bytes());
        out.bytes
    }

    /// `None` when the bytes are no header of ours.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (said, crc) = split_crc::<HEADER_LEN>(bytes)?;
        let mut fields = Fields(said);
        let magic: [u8; 8] = fields.take()?;
        let version = u16::from_le_bytes(fields.take()?);
        fields.take::<2>()?;
        let epoch = StartEpoch(u32::from_le_bytes(fields.take()?));
        let (segment, salt, floor) = (fields.u64()?, fields.u64()?, Offset(fields.u64()?));
        let header = Self { version, epoch, segment, salt, floor };
        (magic == SEGMENT_MAGIC && crc32c::crc32c(said) == crc).then_some(header)
    }

    pub(crate) fn seed(&self) -> Seed {
        Seed::new(self.salt, self.segment)
    }
}

/// A position known durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) segment: u64,
    pub(crate) position: u64,
}

/// A group header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) length: u32,
    pub(crate) count: u32,
    pub(crate) first: Offset,
    pub(crate) mark: Mark,
}

impl Group {
    pub(crate) fn encode(&self, seed: Seed, position: u64) -> [u8; GROUP_LEN] {
        let mut out = Out::<GROUP_LEN>::default();
        out.put(&GROUP_MAGIC);
        out.put(&self.length.to_le_bytes());
        out.put(&self.count.to_le_bytes());
        out.put(&[0; 4]);
        out.put(&self.first.0.to_le_bytes());
        out.put(&self.mark.segment.to_le_bytes());
        out.put(&self.mark.position.to_le_bytes());
        out.put(&[0; 4]);
        out.put(&seed.crc(position, out.so_far()).to_le_bytes());
        out.bytes
    }

    /// `None` when no group header stands at the start of `bytes`.
    pub(crate) fn decode(seed: Seed, position: u64, bytes: &[u8]) -> Option<Self> {
        let (said, crc) = split_crc::<GROUP_LEN>(bytes)?;
        let mut fields = Fields(said);
        if fields.take::<4>()? != GROUP_MAGIC || seed.crc(position, said) != crc {
            return None;
        }
        let (length, count) = (fields.u32()?, fields.u32()?);
        fields.u32()?;
        let first = Offset(fields.u64()?);
        Some(Self { length, count, first, mark: Mark { segment: fields.u64()?, position: fields.u64()? } })
    }
}

/// A record without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) version: u8,
    pub(crate) head: u8,
    pub(crate) flags: u8,
    pub(crate) key: KeyId,
    pub(crate) epoch: StartEpoch,
    pub(crate) offset: Offset,
    pub(crate) stamp: GatewayTime,
    pub(crate) cause: Option<Offset>,
    pub(crate) body_crc: u32,
}

impl RecordHeader {
    pub(crate) fn encode(&self, seed: Seed, position: u64) -> [u8; RECORD_LEN] {
        let mut out = Out::<RECORD_LEN>::default();
        out.put(&self.length.to_le_bytes());
        out.put(&[self.kind, self.version, self.head, self.flags]);
        out.put(&self.key.0.to_le_bytes());
        out.put(&self.epoch.0.to_le_bytes());
        out.put(&self.offset.0.to_le_bytes());
        out.put(&self.stamp.wall_ms.to_le_bytes());
        out.put(&self.stamp.mono_ms.to_le_bytes());
        out.put(&self.cause.map_or(0, |cause| cause.0).to_le_bytes());
        out.put(&self.body_crc.to_le_bytes());
        out.put(&seed.crc(position, out.so_far()).to_le_bytes());
        out.bytes
    }

    /// `None` when no record stands at the start of `bytes`.
    pub(crate) fn decode(seed: Seed, position: u64, bytes: &[u8]) -> Option<Self> {
        let (said, crc) = split_crc::<RECORD_LEN>(bytes)?;
        let mut fields = Fields(said);
        let length = fields.u32()?;
        let [kind, version, head, flags] = fields.take()?;
        // The cheap looks first: a search for the next record after damage tries every eighth byte.
        let plausible = kind != 0 && length as usize <= BODY_MAX && u32::from(head) <= length;
        if !plausible || seed.crc(position, said) != crc {
            return None;
        }
        let key = KeyId(fields.u32()?);
        let epoch = StartEpoch(fields.u32()?);
        let offset = Offset(fields.u64()?);
        let wall_ms = i64::from_le_bytes(fields.take()?);
        let stamp = GatewayTime { wall_ms, mono_ms: fields.u64()? };
        let cause = Some(Offset(fields.u64()?)).filter(|cause| cause.0 != 0);
        let body_crc = fields.u32()?;
        Some(Self { length, kind, version, head, flags, key, epoch, offset, stamp, cause, body_crc })
    }

    /// Where the body stands.
    pub(crate) fn body(&self, position: u64) -> Range<u64> {
        let from = position + RECORD_LEN as u64;
        from..from + u64::from(self.length)
    }

    /// Where the next item stands.
    pub(crate) fn end(&self, position: u64) -> u64 {
        aligned(self.body(position).end)
    }
}

/// A footer header: how many sections follow, in how many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FooterHeader {
    pub(crate) sections: u32,
    pub(crate) length: u64,
}

impl FooterHeader {
    pub(crate) fn encode(&self, seed: Seed, position: u64) -> [u8; FOOTER_LEN] {
        let mut out = Out::<FOOTER_LEN>::default();
        out.put(&FOOTER_MAGIC);
        out.put(&self.sections.to_le_bytes());
        out.put(&self.length.to_le_bytes());
        out.put(&[0; 12]);
        out.put(&seed.crc(position, out.so_far()).to_le_bytes());
        out.bytes
    }

    pub(crate) fn decode(seed: Seed, position: u64, bytes: &[u8]) -> Option<Self> {
        let (said, crc) = split_crc::<FOOTER_LEN>(bytes)?;
        let mut fields = Fields(said);
        if fields.take::<4>()? != FOOTER_MAGIC || seed.crc(position, said) != crc {
            return None;
        }
        Some(Self { sections: fields.u32()?, length: fields.u64()? })
    }
}

/// The head of one footer section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) tag: u16,
    pub(crate) length: u32,
    pub(crate) body_crc: u32,
}

impl Section {
    pub(crate) fn encode(&self, seed: Seed, position: u64) -> [u8; SECTION_LEN] {
        let mut out = Out::<SECTION_LEN>::default();
        out.put(&self.tag.to_le_bytes());
        out.put(&[0; 2]);
        out.put(&self.length.to_le_bytes());
        out.put(&self.body_crc.to_le_bytes());
        out.put(&seed.crc(position, out.so_far()).to_le_bytes());
        out.bytes
    }

    pub(crate) fn decode(seed: Seed, position: u64, bytes: &[u8]) -> Option<Self> {
        let (said, crc) = split_crc::<SECTION_LEN>(bytes)?;
        let mut fields = Fields(said);
        let tag = u16::from_le_bytes(fields.take()?);
        fields.take::<2>()?;
        let section = Self { tag, length: fields.u32()?, body_crc: fields.u32()? };
        (seed.crc(position, said) == crc).then_some(section)
    }
}

/// The last bytes of a sealed file: where its footer header stands.
pub(crate) fn encode_trailer(seed: Seed, position: u64, footer: u64) -> [u8; TRAILER_LEN] {
    let mut out = Out::<TRAILER_LEN>::default();
    out.put(&TRAILER_MAGIC);
    out.put(&footer.to_le_bytes());
    out.put(&[0; 4]);
    out.put(&seed.crc(position, out.so_far()).to_le_bytes());
    out.bytes
}

/// The position of the footer header, when `bytes` are a trailer.
pub(crate) fn decode_trailer(seed: Seed, position: u64, bytes: &[u8]) -> Option<u64> {
    let (said, crc) = split_crc::<TRAILER_LEN>(bytes)?;
    let mut fields = Fields(said);
    let magic: [u8; 8] = fields.take()?;
    let footer = fields.u64()?;
    (magic == TRAILER_MAGIC && seed.crc(position, said) == crc).then_some(footer)
}

/// The next multiple of 8.
pub(crate) const fn aligned(position: u64) -> u64 {
    position.next_multiple_of(8)
}

/// Appends zeros up to the next multiple of 8.
pub(crate) fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(8), 0);
}

/// Writes fields one after another into `N` bytes.
struct Out<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Default for Out<N> {
    fn default() -> Self {
        Self { bytes: [0; N], len: 0 }
    }
}

impl<const N: usize> Out<N> {
    fn put(&mut self, field: &[u8]) {
        let to = self.bytes.get_mut(self.len..self.len + field.len());
        to.expect("the layouts above add up").copy_from_slice(field);
        self.len += field.len();
    }

    fn so_far(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Reads fields one after another.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

/// The first `N` bytes as what is said and the crc that ends them.
fn split_crc<const N: usize>(bytes: &[u8]) -> Option<(&[u8], u32)> {
    let (said, crc) = bytes.first_chunk::<N>()?.split_last_chunk()?;
    Some((said, u32::from_le_bytes(*crc)))
}

#[cfg(test)]
mod tests;
