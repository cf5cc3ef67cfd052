//! The engines on disk by name: where each keeps its files, how one is opened and removed.

use std::io;
use std::path::{Path, PathBuf};

use super::{Engine, Redb, StateEngine, StateError};

impl Engine {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Redb, Self::Sled];

    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redb => "redb",
            Self::Sled => "sled",
        }
    }

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Redb => Self::Sled,
            Self::Sled => Self::Redb,
        }
    }

    /// Where it keeps the checkpoints of a data folder: a file (redb) or a folder (sled).
    pub fn path(self, data_dir: &Path) -> PathBuf {
        data_dir.join(match self {
            Self::Redb => "state.redb",
            Self::Sled => "state.sled",
        })
    }

    /// Whether this program was built with it.
    pub const fn is_built(self) -> bool {
        match self {
            Self::Redb => true,
            Self::Sled => cfg!(feature = "sled"),
        }
    }

    /// Opens or creates the checkpoints at `path` for a fold of this version.
    ///
    /// # Errors
    /// When [`StateError::rebuilds`] says so: [`remove`] it, open again, replay the log. [`StateError::NotBuilt`] in a
    /// build without this engine.
    pub fn open(self, path: &Path, fold_version: u32) -> Result<Box<dyn StateEngine>, StateError> {
        match self {
            Self::Redb => Ok(Box::new(Redb::open(path, fold_version)?)),
            #[cfg(feature = "sled")]
            Self::Sled => Ok(Box::new(super::Sled::open(path, fold_version)?)),
            #[cfg(not(feature = "sled"))]
            Self::Sled => Err(StateError::NotBuilt(self.name())),
        }
    }
}

/// Removes the checkpoints at `path`, file or folder; fine if there are none.
///
/// # Errors
/// What the system said.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(it) if it.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Bytes on disk of the checkpoints at `path`: blocks taken, not lengths.
///
/// # Errors
/// What the system said.
pub fn bytes_on_disk(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let it = std::fs::symlink_metadata(path)?;
    if !it.is_dir() {
        return Ok(it.blocks() * 512);
    }
    std::fs::read_dir(path)?.map(|entry| bytes_on_disk(&entry?.path())).sum()
}
