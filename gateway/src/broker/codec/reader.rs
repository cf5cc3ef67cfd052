//! A cursor over untrusted bytes whose every step can say no.

use super::packet::Malformed;
use crate::broker::reason;

#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Names the packet in errors.
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(rest: &'a [u8], what: &'static str) -> Self {
        Self { rest, what }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn malformed(&self) -> Malformed {
        Malformed::Layout(self.what)
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(self.malformed())?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(self.malformed())?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    /// A packet identifier: never 0.
    pub(super) fn packet_id(&mut self) -> Result<u16, Malformed> {
        match self.u16()? {
            0 => Err(Malformed::Rule { rule: "packet identifier is 0", code: reason::PROTOCOL }),
            id => Ok(id),
        }
    }

    /// A variable byte integer, at most four bytes.
    pub(super) fn varint(&mut self) -> Result<u32, Malformed> {
        match varint(self.rest) {
            Varint::Done { value, len } => {
                self.take(len)?;
                Ok(value)
            }
            Varint::More | Varint::TooLong => Err(self.malformed()),
        }
    }

    /// Bytes with a 16-bit length before them.
    pub(super) fn binary(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// A string: UTF-8 without U+0000 (MQTT 5, 1.5.4).
    pub(super) fn string(&mut self) -> Result<&'a str, Malformed> {
        let bytes = self.binary()?;
        if bytes.contains(&0) {
            return Err(Malformed::Layout("string: holds U+0000"));
        }
        std::str::from_utf8(bytes).map_err(|_| Malformed::Layout("string: not UTF-8"))
    }
}

pub(super) enum Varint {
    Done { value: u32, len: usize },
    More,
    TooLong,
}

pub(super) fn varint(bytes: &[u8]) -> Varint {
    let mut value = 0;
    for (i, &byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * i);
        if byte & 0x80 == 0 {
            return Varint::Done { value, len: i + 1 };
        }
    }
    if bytes.len() < 4 { Varint::More } else { Varint::TooLong }
}
