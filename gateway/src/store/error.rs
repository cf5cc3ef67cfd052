//! What can go wrong, by what the caller can do about it, and what was found damaged.

use std::fmt;
use std::io;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;

use crate::record::Offset;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The record can never fit a group; the caller must refuse it.
    #[error("record needs {len} bytes, a group holds {max}")]
    TooLong {
        /// Bytes it needs at most.
        len: usize,
        /// Bytes a group has.
        max: usize,
    },
    /// The group has no room for this record: commit, then push it again.
    #[error("the group is full: commit it first")]
    GroupFull,
    /// The body cannot be serialised; the caller must refuse it.
    #[error("record cannot be written: {0}")]
    Unwritable(#[from] postcard::Error),
    /// Somebody else uses the folder.
    #[error("{} is in use by another process: stop it, or choose another folder", .0.display())]
    InUse(PathBuf),
    /// A file of a newer program.
    #[error("{} has format version {found}, this program reads up to {supported}: use a newer program", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u16,
        /// The newest this program reads.
        supported: u16,
    },
    /// The disk's: what was asked is not done and nothing is lost; it may be asked again.
    #[error("{act} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The commit failed: of the pushed records none is durable, all are forgotten; only
    /// [`Log::recover_from_failure`](super::Log::recover_from_failure) leads on.
    #[error("commit to {}: {source}; durable up to offset {durable}", .path.display())]
    Commit {
        /// The segment.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// The last durable offset.
        durable: Offset,
    },
    /// An earlier commit failed and the log has not been recovered since: it can only be read.
    #[error("the log is read-only since a failed commit")]
    Poisoned,
}

impl StoreError {
    pub(crate) fn io(act: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { act, path: path.into(), source }
    }

    /// Whether it is for want of room, on the volume or within the gateway's own bounds.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_full(source))
    }
}

/// Whether a call failed for want of room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Something in a log that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Number of the segment.
    pub segment: u64,
    /// Which bytes of its file.
    pub bytes: Range<u64>,
    /// Which records are lost by it, as far as their neighbours tell; `None` = none.
    pub offsets: Option<RangeInclusive<Offset>>,
    /// What is wrong.
    pub what: Damage,
}

/// What is wrong with a part of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Bytes below a durable mark that are no valid item any more.
    Unreadable,
    /// A record whose header is intact and whose body is not.
    Body,
    /// An intact record of a kind, version or flag that this program does not know.
    Unknown {
        /// Its kind.
        kind: u8,
        /// Its version.
        version: u8,
    },
    /// An intact record whose bytes do not fit its kind.
    Malformed,
    /// An intact record that uses a name whose definitions are lost.
    Name(u32),
    /// One of the two copies of the segment header.
    HeaderCopy,
    /// Both copies of the segment header: nothing of the segment can be read.
    Header,
    /// A segment that a later one names, or the end of it: cut off or removed from outside. Offsets that a failed commit
    /// had left out may be among the lost ones.
    Missing,
    /// Bytes that mean nothing and should be zero.
    Slack,
    /// The footer or a section of it: it can be rebuilt from the records.
    Footer,
    /// The end of the last segment was never finished: cut off, nothing of it was acknowledged.
    TornTail,
    /// Valid-looking bytes beyond the end that a later segment names: left by a failed commit, not part of the log.
    Stale,
}

impl Finding {
    /// Whether it is what is unreadable at the end of a segment's items.
    pub(crate) fn is_tail(&self, segment: u64, end: u64) -> bool {
        self.what == Damage::Unreadable && self.segment == segment && self.bytes.end == end
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, bytes: Range { start, end }, offsets, what } = self;
        write!(f, "segment {segment}, bytes {start}..{end}: {what}")?;
        if *what == Damage::Missing {
            f.write_str(": stop the gateway and put the file back from a copy; ")?;
            f.write_str("without one the log goes on as it is and reports this at every start")?;
        }
        match offsets {
            Some(offsets) if offsets.start() == offsets.end() => write!(f, "; offset {} is lost", offsets.start()),
            Some(offsets) => write!(f, "; offsets {}..={} are lost", offsets.start(), offsets.end()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "unreadable",
            Self::Body => "record body fails its checksum",
            Self::Unknown { kind, version } => return write!(f, "record of unknown kind {kind}, version {version}"),
            Self::Malformed => "record does not fit its kind",
            Self::Name(number) => return write!(f, "definition of name {number} is lost"),
            Self::HeaderCopy => "one copy of the segment header is damaged",
            Self::Header => "both copies of the segment header are damaged",
            Self::Missing => "these bytes are gone, cut off or removed from outside",
            Self::Slack => "unused bytes are not zero",
            Self::Footer => "footer is damaged, it can be rebuilt",
            Self::TornTail => "unfinished end, never acknowledged",
            Self::Stale => "left by a failed commit, not part of the log",
        })
    }
}

impl std::error::Error for Finding {}
