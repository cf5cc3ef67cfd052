//! State beside the log: checkpoints of folds as tables of bytes. Disposable: whatever is wrong with it, the caller
//! deletes it and rebuilds from the log.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

mod compare;
mod engines;
mod guard;
mod migrate;
mod redb;
mod sealed;
mod unmade;
#[cfg(feature = "sled")]
mod sled;

pub use compare::{Figures, Work, compare};
pub use engines::{bytes_on_disk, remove};
#[cfg(feature = "onnx")]
pub(crate) use guard::caught;
#[cfg(feature = "view")]
pub(crate) use guard::is_guarded;
pub use migrate::{MigrateError, Migrated, migrate};
pub use redb::Redb;
#[cfg(feature = "sled")]
pub use sled::Sled;
pub use unmade::Unmade;

/// Where the checkpoints are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `redb` or `sled` (a build with the feature of that name). Default `redb`; `halo-gateway state migrate` goes over
    /// from one to the other.
    pub engine: Engine,
}

/// A state engine by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// The default.
    #[default]
    Redb,
    /// The second one.
    Sled,
}

/// The tables; each belongs to one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The ingest state, a few rows a device.
    Ingest,
    /// Retained publishes by topic.
    Retained,
    /// The halo state by subject.
    Halo,
    /// Watermarks, versions.
    Meta,
    /// Cursors by consumer.
    Cursor,
}

impl Table {
    /// All of them, in the order by which sets of carried facts name them: new ones go behind the last.
    pub const ALL: [Self; 5] = [Self::Ingest, Self::Retained, Self::Halo, Self::Meta, Self::Cursor];

    /// Its name on disk and in messages.
    pub const fn name(self) -> &'static str {
        sealed::name(self)
    }
}

/// One row set or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// In which table.
    pub table: Table,
    /// Which row.
    pub key: Vec<u8>,
    /// Its new value; `None` removes it.
    pub value: Option<Vec<u8>>,
}

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file cannot be opened or a value fails its checksum: delete the file and rebuild from the log.
    #[error("state {} is damaged ({what}): it will be rebuilt from the log", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, or which row.
        what: String,
    },
    /// The file was made by another version of the fold: delete it and rebuild from the log.
    #[error("state {} has fold version {found}, this program folds version {wanted}: it will be rebuilt from the log", .path.display())]
    OtherFold {
        /// The file.
        path: PathBuf,
        /// Its fold version.
        found: u32,
        /// The fold version of this program.
        wanted: u32,
    },
    /// Another process has the file open.
    #[error("state {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// This program was built without the engine that is asked for.
    #[error(
        "this halo-gateway was built without the state engine {0:?}: take \"redb\", or build it with --features {0}"
    )]
    NotBuilt(&'static str),
    /// The disk's: this commit is not there; the log has everything.
    #[error("state {}: {what}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        what: String,
    },
}

impl StateError {
    /// Whether deleting the file and rebuilding helps.
    pub fn rebuilds(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::OtherFold { .. })
    }
}

/// Tables of rows with one atomic commit.
pub trait StateEngine: Send {
    /// The value of one row.
    ///
    /// # Errors
    /// [`StateError::Damaged`] when it fails its checksum.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;
    /// All rows of a table in key order.
    ///
    /// # Errors
    /// [`StateError::Damaged`] when one fails its checksum.
    fn rows(&self, table: Table) -> Result<Vec<Row>, StateError>;
    /// Rows of a table in key order behind `after`, until their keys and values take `bytes_max`; at least one if there is
    /// one. An engine that can should read no more than it hands over.
    ///
    /// # Errors
    /// [`StateError::Damaged`] when one fails its checksum.
    fn range(&self, table: Table, after: Option<&[u8]>, bytes_max: usize) -> Result<Vec<Row>, StateError> {
        let rows = self.rows(table)?.into_iter().filter(|(key, _)| after.is_none_or(|after| key.as_slice() > after));
        Ok(up_to(rows, bytes_max))
    }
    /// How many rows a table has, all of them looked at.
    ///
    /// # Errors
    /// [`StateError::Damaged`] when one is missing or fails its checksum.
    fn count(&self, table: Table) -> Result<u64, StateError> {
        Ok(self.rows(table)?.len() as u64)
    }
    /// Makes all changes durable together, or none.
    ///
    /// # Errors
    /// [`StateError::Io`]: the state is as before.
    fn commit(&mut self, changes: Vec<Change>) -> Result<(), StateError>;
}

/// The first rows that together take `bytes_max`, and at least one.
fn up_to(rows: impl Iterator<Item = Row>, bytes_max: usize) -> Vec<Row> {
    let mut bytes = 0;
    rows.take_while(|(key, value)| {
        let goes = bytes < bytes_max.max(1);
        bytes += key.len() + value.len();
        goes
    })
    .collect()
}

/// The twin in memory: commits are atomic, nothing is durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemState(BTreeMap<(Table, Vec<u8>), Vec<u8>>);

impl StateEngine for MemState {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.0.get(&(table, key.to_vec())).cloned())
    }

    fn rows(&self, table: Table) -> Result<Vec<Row>, StateError> {
        let rows = self.0.range((table, Vec::new())..).take_while(|((it, _), _)| *it == table);
        Ok(rows.map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn range(&self, table: Table, after: Option<&[u8]>, bytes_max: usize) -> Result<Vec<Row>, StateError> {
        let from = match after {
            Some(after) => Bound::Excluded((table, after.to_vec())),
            None => Bound::Included((table, Vec::new())),
        };
        let rows = self.0.range((from, Bound::Unbounded)).take_while(|((it, _), _)| *it == table);
        Ok(up_to(rows.map(|((_, key), value)| (key.clone(), value.clone())), bytes_max))
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<(), StateError> {
        for Change { table, key, value } in changes {
            match value {
                Some(value) => self.0.insert((table, key), value),
                None => self.0.remove(&(table, key)),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
