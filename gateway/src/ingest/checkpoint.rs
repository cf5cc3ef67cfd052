//! Ingest state as rows of (key, value), so that a checkpoint writes only what changed.
//!
//! ```text
//! 'd' device                              sequences and clocks
//! 'p' device 0 boot:be32 index:be32       checksums of 64 sequences
//! 'j' device 0 born:be64                  identities of 32 plain points
//! 's' device                              births
//! 'c'                                     configuration in force
//! 'a'                                     assignments by act
//! 'u'                                     what acts say of subjects beside devices
//! 'q' offset:be64                         a quarantined frame
//! 'l' number:be64                         a run of lost frames
//! 't' device                              its lost frames since ever
//! 'n'                                     the account of frames
//! 'o'                                     decisions owed
//! 'f'                                     how much is offered
//! 'w'                                     wall time minus monotonic time
//! ```
//! Values are postcard. Device ids hold no zero byte (`[A-Za-z0-9._-]`).

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// A row to write: `None` deletes it.
pub type Row = (Vec<u8>, Option<Vec<u8>>);

/// Changed rows, by key.
#[derive(Debug, Default)]
pub(super) struct Rows(BTreeMap<Vec<u8>, Option<Vec<u8>>>);

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Key<'a> {
    Device { device: &'a str },
    Page { device: &'a str, boot: u32, index: u32 },
    Points { device: &'a str, born: u64 },
    Births { device: &'a str },
    Config,
    Acts,
    People,
    Quarantined { offset: u64 },
    Loss { number: u64 },
    LossTotals { device: &'a str },
    Account,
    Owed,
    Offers,
    Anchor,
}

/// A checkpoint that cannot be used: the state is to be rebuilt from the log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("ingest checkpoint row {key} {why}")]
pub struct LoadError {
    /// The row's key, with unprintable bytes escaped.
    pub key: String,
    /// What is wrong with it.
    pub why: String,
}

impl Rows {
    pub(super) fn put(&mut self, key: Key<'_>, value: &impl Serialize) {
        let value = postcard::to_stdvec(value).expect("state is plain data, which postcard always writes");
        self.0.insert(key.to_bytes(), Some(value));
    }

    pub(super) fn delete(&mut self, key: Key<'_>) {
        self.0.insert(key.to_bytes(), None);
    }

    /// Writes a row, or removes it.
    pub(super) fn set(&mut self, key: Key<'_>, value: Option<&impl Serialize>) {
        match value {
            Some(value) => self.put(key, value),
            None => self.delete(key),
        }
    }

    pub(super) fn into_vec(self) -> Vec<Row> {
        self.0.into_iter().collect()
    }
}

impl<'a> Key<'a> {
    fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Device { device } => [b"d", device.as_bytes()].concat(),
            Self::Births { device } => [b"s", device.as_bytes()].concat(),
            Self::Page { device, boot, index } => {
                [b"p", device.as_bytes(), &[0], &boot.to_be_bytes(), &index.to_be_bytes()].concat()
            }
            Self::Points { device, born } => [b"j", device.as_bytes(), &[0], &born.to_be_bytes()].concat(),
            Self::LossTotals { device } => [b"t", device.as_bytes()].concat(),
            Self::Quarantined { offset } => [&b"q"[..], &offset.to_be_bytes()].concat(),
            Self::Loss { number } => [&b"l"[..], &number.to_be_bytes()].concat(),
            Self::Config => b"c".to_vec(),
            Self::Acts => b"a".to_vec(),
            Self::People => b"u".to_vec(),
            Self::Account => b"n".to_vec(),
            Self::Owed => b"o".to_vec(),
            Self::Offers => b"f".to_vec(),
            Self::Anchor => b"w".to_vec(),
        }
    }

    pub(super) fn parse(key: &'a [u8]) -> Result<Self, LoadError> {
        Self::try_parse(key).ok_or_else(|| error(key, "is of no known kind"))
    }

    fn try_parse(key: &'a [u8]) -> Option<Self> {
        let (kind, rest) = key.split_first()?;
        let text = |bytes: &'a [u8]| std::str::from_utf8(bytes).ok();
        Some(match kind {
            b'd' => Self::Device { device: text(rest)? },
            b's' => Self::Births { device: text(rest)? },
            b't' => Self::LossTotals { device: text(rest)? },
            b'q' => Self::Quarantined { offset: u64::from_be_bytes(rest.try_into().ok()?) },
            b'l' => Self::Loss { number: u64::from_be_bytes(rest.try_into().ok()?) },
            b'p' | b'j' => {
                let end = rest.len().checked_sub(9)?;
                let (device, tail) = rest.split_at(end);
                let (&zero, number) = tail.split_first()?;
                let number = u64::from_be_bytes(number.try_into().ok()?);
                let device = text(device).filter(|_| zero == 0)?;
                match kind {
                    b'p' => Self::Page { device, boot: (number >> 32) as u32, index: number as u32 },
                    _ => Self::Points { device, born: number },
                }
            }
            b'c' if rest.is_empty() => Self::Config,
            b'a' if rest.is_empty() => Self::Acts,
            b'u' if rest.is_empty() => Self::People,
            b'n' if rest.is_empty() => Self::Account,
            b'o' if rest.is_empty() => Self::Owed,
            b'f' if rest.is_empty() => Self::Offers,
            b'w' if rest.is_empty() => Self::Anchor,
            _ => return None,
        })
    }
}

pub(super) fn value<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, LoadError> {
    match postcard::take_from_bytes(value) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(error(key, format!("has {} bytes too many", rest.len()))),
        Err(why) => Err(error(key, format!("cannot be read: {why}"))),
    }
}

pub(super) fn error(key: &[u8], why: impl Into<String>) -> LoadError {
    LoadError { key: key.escape_ascii().to_string(), why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_written() {
        let device = "wrist-17";
        for key in [
            Key::Device { device },
            Key::Page { device, boot: 0x0800_0001, index: 0 },
            Key::Points { device, born: u64::MAX },
            Key::Births { device },
            Key::LossTotals { device: "*" },
            Key::Quarantined { offset: 7 },
            Key::Loss { number: u64::MAX },
            Key::Config,
            Key::Acts,
            Key::People,
            Key::Account,
            Key::Owed,
            Key::Offers,
            Key::Anchor,
        ] {
            assert_eq!(Key::parse(&key.to_bytes()), Ok(key));
        }
        for key in [&b""[..], b"x", b"px", b"cc", b"d\xff", b"q123", b"l"] {
            assert!(Key::parse(key).is_err());
        }
    }
}
