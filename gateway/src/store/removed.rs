//! What retention has removed: a file of two equal slots beside the segments, overwritten in place. It is durable before
//! the first segment goes, so that a segment retention took is never called lost, and one that vanished otherwise is.
//! Overwriting needs no room, so retention works on a full disk.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::{error, warn};

use super::carry::Set;
use super::error::StoreError;
use super::folder::Folder;
use super::fs::{Fs, FsFile};
use super::segment;
use crate::record::Offset;

/// Name of the note within the log's folder.
pub(crate) const REMOVED_FILE: &str = "removed";
const SLOT: usize = 4096;
const MAGIC: [u8; 8] = *b"HALORMV\x01";
/// Magic, length, CRC-32C of what follows.
const HEAD: usize = 16;

/// What stands in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Removed {
    /// Retention took the segments with lower numbers; what is left of them is leftover.
    pub(crate) before: u64,
    /// First offset that is not gone with them; 0 when nothing is.
    pub(crate) first: Offset,
    /// The set of carried facts that stands for them: it was read back whole before anything was removed.
    pub(crate) set: Option<Set>,
    /// A segment that is being given up although not everybody has its frames.
    pub(crate) dropping: Option<Dropping>,
    /// How far the wall clock has gone ahead in jumps and pauses that nobody has confirmed, milliseconds.
    pub(crate) ahead_ms: i64,
}

/// Which segment is being given up: what was said of it since is not said again after a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dropping {
    pub(crate) segment: u64,
    /// The log's last durable offset when it was decided; the `Dropped` records stand behind it.
    pub(crate) since: Offset,
}

impl Removed {
    /// What the folder's file says; a folder without one has lost nothing.
    pub(crate) fn read<F: Fs>(fs: &F, dir: &Path) -> Result<Self, StoreError> {
        let path = file_of(dir);
        let mut bytes = vec![0; 2 * SLOT];
        let read = fs.open_read(&path).and_then(|file| file.read_at(&mut bytes, 0));
        match read {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(StoreError::io("read", path)(error)),
        }
        let mut slots = bytes.chunks(SLOT).map(decode);
        let found = slots.find_map(|slot| slot);
        if found.is_none() && bytes.iter().any(|byte| *byte != 0) {
            error!(file = %path.display(), "the note of what retention removed is damaged: what it removed is reported as lost");
        }
        Ok(found.unwrap_or_default())
    }

    /// First offset that retention has left in the log.
    pub(crate) fn first(&self) -> Offset {
        self.first.max(Offset(1))
    }

    fn write<F: Fs>(&self, fs: &F, dir: &Path) -> Result<(), StoreError> {
        let path = file_of(dir);
        let failed = || StoreError::io("write", &path);
        let body = postcard::to_stdvec(self)?;
        let mut slot = MAGIC.to_vec();
        slot.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        slot.extend(crc32c::crc32c(&body).to_le_bytes());
        slot.extend(body);
        let file = match fs.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let file = fs.create_new(&path, 2 * SLOT as u64).map_err(failed())?;
                file.sync_data().and_then(|()| fs.sync_dir(dir)).map_err(failed())?;
                file
            }
            Err(error) => return Err(failed()(error)),
        };
        // One after the other: a cut tears one of them at most.
        for at in [0, SLOT as u64] {
            file.write_at(&slot, at).and_then(|()| file.sync_data()).map_err(failed())?;
        }
        Ok(())
    }
}

fn file_of(dir: &Path) -> PathBuf {
    dir.join(REMOVED_FILE)
}

fn decode(slot: &[u8]) -> Option<Removed> {
    let rest = slot.strip_prefix(&MAGIC)?;
    let (length, rest) = rest.split_first_chunk()?;
    let (crc, rest) = rest.split_first_chunk()?;
    let body = rest.get(..u32::from_le_bytes(*length) as usize)?;
    (crc32c::crc32c(body) == u32::from_le_bytes(*crc)).then(|| postcard::from_bytes(body).ok())?
}

const _: () = assert!(HEAD == MAGIC.len() + 8);

impl<F: Fs> Folder<F> {
    /// Changes the note, durably.
    pub(crate) fn note_removed(&self, change: impl FnOnce(&mut Removed)) -> Result<(), StoreError> {
        let mut removed = self.removed_mut();
        let mut changed = removed.clone();
        change(&mut changed);
        if changed != *removed {
            changed.write(&self.fs, &self.dir)?;
            *removed = changed;
        }
        Ok(())
    }

    /// Removes all segments before segment `number`, which stays. Readers jump over them.
    pub(crate) fn remove_before(&self, number: u64) -> Result<(), StoreError> {
        let Some(first) = self.at(number).0 else { return Ok(()) };
        self.note_removed(|removed| {
            (removed.before, removed.first, removed.dropping) = (number, first.first, None);
        })?;
        self.forget_before(number);
        remove_leftovers(&self.fs, &self.dir, number)
    }

    /// Whether the file of a segment is gone because retention took it, in this process or another.
    pub(crate) fn has_removed(&self, number: u64) -> bool {
        if let Ok(removed) = Removed::read(&self.fs, &self.dir) {
            self.forget_before(removed.before);
        }
        self.at(number).0.is_none()
    }
}

/// Removes the files of segments before `number`: those of a removal that a power cut ended come here too.
pub(crate) fn remove_leftovers<F: Fs>(fs: &F, dir: &Path, number: u64) -> Result<(), StoreError> {
    let names = fs.list(dir).map_err(StoreError::io("list", dir))?;
    let mut old: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).filter(|it| *it < number).collect();
    old.sort_unstable();
    for number in &old {
        let path = segment::path(dir, *number);
        if let Err(error) = fs.remove(&path) {
            // It is tried again with the next removal and at the next start.
            warn!(file = %path.display(), %error, "segment not removed");
        }
    }
    if old.is_empty() { Ok(()) } else { fs.sync_dir(dir).map_err(StoreError::io("sync folder", dir)) }
}
