//! Checkpoints of an empty log: there is nothing in them yet, so their files are made with the first one that is written.
//! Making them takes some ten flushes, one after the other, and the first acknowledgement waited for all of them.

use std::path::PathBuf;

use super::{Change, Engine, MemState, Row, StateEngine, StateError, Table, remove};

/// An engine whose files are made with its first commit.
pub struct Unmade {
    engine: Engine,
    path: PathBuf,
    fold_version: u32,
    /// What belongs into them besides what is committed.
    first: Vec<Change>,
    rows: MemState,
    made: Option<Box<dyn StateEngine>>,
}

impl Unmade {
    /// The checkpoints that `engine` will keep at `path` for a fold of this version; they begin with the rows of `first`.
    ///
    /// # Errors
    /// [`StateError::NotBuilt`] in a build without this engine.
    pub fn new(engine: Engine, path: PathBuf, fold_version: u32, first: Vec<Change>) -> Result<Self, StateError> {
        if !engine.is_built() {
            return Err(StateError::NotBuilt(engine.name()));
        }
        let mut rows = MemState::default();
        rows.commit(first.clone())?;
        Ok(Self { engine, path, fold_version, first, rows, made: None })
    }

    fn rows(&self) -> &dyn StateEngine {
        self.made.as_deref().unwrap_or(&self.rows)
    }

    /// What an earlier try has left half made is of no use.
    fn make(&self) -> Result<Box<dyn StateEngine>, StateError> {
        match self.engine.open(&self.path, self.fold_version) {
            Err(error) if error.rebuilds() => {
                let failed =
                    |error: std::io::Error| StateError::Io { path: self.path.clone(), what: error.to_string() };
                remove(&self.path).map_err(failed)?;
                self.engine.open(&self.path, self.fold_version)
            }
            opened => opened,
        }
    }
}

impl StateEngine for Unmade {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.rows().get(table, key)
    }

    fn rows(&self, table: Table) -> Result<Vec<Row>, StateError> {
        Self::rows(self).rows(table)
    }

    fn range(&self, table: Table, after: Option<&[u8]>, bytes_max: usize) -> Result<Vec<Row>, StateError> {
        Self::rows(self).range(table, after, bytes_max)
    }

    fn count(&self, table: Table) -> Result<u64, StateError> {
        Self::rows(self).count(table)
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<(), StateError> {
        if let Some(made) = &mut self.made {
            return made.commit(changes);
        }
        let mut made = self.make()?;
        // Whose they are stands in them from their first commit on: rows of another log would come back at a later start.
        made.commit(self.first.iter().cloned().chain(changes).collect())?;
        self.made = Some(made);
        Ok(())
    }
}
