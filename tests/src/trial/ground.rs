//! What the data folder stands on, and what happens to it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::Failure;
use crate::rig::{Disk, FileSystem, Setup};

/// What is done to a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    /// The power of the disk goes, then the process.
    PowerCut {
        /// On which file system.
        fs: FileSystem,
        /// The disk answers flushes without doing them: acknowledged frames must be lost.
        ignores_flushes: bool,
    },
    /// kill -9 of the process; the disk is an ordinary folder.
    Kill,
}

/// Where a gateway's data lie during a trial.
pub enum Ground {
    /// On a disk whose power can be cut.
    Rig(Box<Disk>),
    /// In a temporary folder.
    Folder(TempDir),
}

impl Ground {
    /// Fresh ground for `blow`.
    ///
    /// # Errors
    /// The rig cannot be set up here.
    pub fn new(blow: Blow) -> Result<Self, Failure> {
        match blow {
            Blow::PowerCut { fs, ignores_flushes } => {
                let setup = Setup { ignores_flushes, ..Setup::new(fs) };
                Ok(Self::Rig(Box::new(Disk::new(setup)?)))
            }
            Blow::Kill => Ok(Self::Folder(tempfile::tempdir()?)),
        }
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        match self {
            Self::Rig(disk) => disk.path().join("data"),
            Self::Folder(folder) => folder.path().join("data"),
        }
    }

    /// Cuts the power where there is one; the process is killed next.
    pub fn cut(&mut self) {
        if let Self::Rig(disk) = self {
            disk.cut_power();
        }
    }

    /// Gives the power back.
    ///
    /// # Errors
    /// What was durable cannot be mounted.
    pub fn restore(&mut self) -> Result<(), Failure> {
        match self {
            Self::Rig(disk) => disk.power_up(),
            Self::Folder(_) => Ok(()),
        }
    }

    /// Copies the data folder to where it can be looked at after the run.
    ///
    /// # Errors
    /// It cannot be copied.
    pub fn keep_a_copy(&self, name: &str) -> Result<PathBuf, Failure> {
        let copy = std::env::temp_dir().join(name);
        let copied = Command::new("cp").arg("-a").arg(self.data()).arg(&copy).status()?;
        if copied.success() { Ok(copy) } else { Err(format!("no copy in {}", copy.display()).into()) }
    }

    /// Removes everything.
    ///
    /// # Errors
    /// Somebody still uses it.
    pub fn renew(&mut self) -> Result<(), Failure> {
        match self {
            Self::Rig(disk) => disk.format(),
            Self::Folder(_) => Ok(fs::remove_dir_all(self.data())?),
        }
    }
}
