//! From one engine to the other: rows are copied, compared, and only then the old ones are removed. A cut at any moment
//! leaves one whole set of checkpoints under a name that a gateway reads, or none, and then the log rebuilds them.

use std::path::{Path, PathBuf};

use super::sealed::name;
use super::{Change, Engine, Row, StateEngine, StateError, Table, remove};
use crate::units::count;

/// Bytes of rows copied in one commit.
const COMMIT_BYTES: usize = 4 << 20;

/// Why checkpoints were not taken over; those that are there stay.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// There is nothing to take over: the log rebuilds what the other engine lacks.
    #[error("{} is not there: nothing to migrate; the gateway makes its checkpoints from the log", .0.display())]
    Nothing(PathBuf),
    /// There are checkpoints, of an engine that this program was built without.
    #[error(
        "{} is the state engine {engine}'s, which this halo-gateway was built without: migrate with one built with --features {engine}, or start this one as it is, the log rebuilds the checkpoints",
        .path.display()
    )]
    Unreadable {
        /// What is there.
        path: PathBuf,
        /// Whose it is.
        engine: &'static str,
    },
    /// Both engines have checkpoints, and they differ.
    #[error("both {} and {} exist and differ: delete the one that is not in use, the log rebuilds either", .from.display(), .to.display())]
    Both {
        /// The one to migrate from.
        from: PathBuf,
        /// The one to migrate to.
        to: PathBuf,
    },
    /// Rows came back other than they were written.
    #[error("{} does not hold what was copied ({what}): nothing was removed", .path.display())]
    Differs {
        /// The new checkpoints.
        path: PathBuf,
        /// Which table, and how.
        what: String,
    },
    /// An engine.
    #[error(transparent)]
    State(#[from] StateError),
    /// The disk's.
    #[error("{act} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Checkpoints that were taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// Where they are now.
    pub path: PathBuf,
    /// Rows of each table.
    pub rows: Vec<(&'static str, u64)>,
    /// CRC-32C over all rows in order, the same in both engines.
    pub checksum: u32,
}

/// Takes the checkpoints of a data folder over into `to` and removes the old ones. The caller holds the folder's lock.
///
/// # Errors
/// [`MigrateError`]; the old checkpoints are whole.
pub fn migrate(data_dir: &Path, to: Engine, fold_version: u32) -> Result<Migrated, MigrateError> {
    let (old, new) = (to.other().path(data_dir), to.path(data_dir));
    if !old.exists() {
        return Err(MigrateError::Nothing(old));
    }
    if !to.other().is_built() {
        return Err(MigrateError::Unreadable { path: old, engine: to.other().name() });
    }
    let source = to.other().open(&old, fold_version)?;
    let wanted = Census::of(source.as_ref())?;
    if new.exists() {
        // A migration that was cut between its last two steps; otherwise nobody knows which one is in use.
        let is_copy = Census::of(to.open(&new, fold_version)?.as_ref())? == wanted;
        if !is_copy {
            return Err(MigrateError::Both { from: old, to: new });
        }
    } else {
        copy(source.as_ref(), &new, to, fold_version, &wanted)?;
    }
    drop(source);
    remove(&old).map_err(io("remove", &old))?;
    sync(data_dir)?;
    let rows = Table::ALL.into_iter().map(name).zip(wanted.rows).collect();
    Ok(Migrated { path: new, rows, checksum: wanted.checksum })
}

/// Builds the new checkpoints beside their place and moves them there once they are durable and compared.
fn copy(
    source: &dyn StateEngine,
    new: &Path,
    to: Engine,
    fold_version: u32,
    wanted: &Census,
) -> Result<(), MigrateError> {
    let unfinished = new.with_extension(format!("{}.unfinished", to.name()));
    remove(&unfinished).map_err(io("remove", &unfinished))?;
    let mut target = to.open(&unfinished, fold_version)?;
    for table in Table::ALL {
        let mut changes = Vec::new();
        let mut bytes = 0;
        for (key, value) in source.rows(table)? {
            bytes += key.len() + value.len();
            changes.push(Change { table, key, value: Some(value) });
            if bytes > COMMIT_BYTES {
                target.commit(std::mem::take(&mut changes))?;
                bytes = 0;
            }
        }
        target.commit(changes)?;
    }
    // What was written is read through an engine that has just been opened, as the gateway will.
    drop(target);
    let got = Census::of(to.open(&unfinished, fold_version)?.as_ref())?;
    if let Some(what) = wanted.difference(&got) {
        return Err(MigrateError::Differs { path: unfinished, what });
    }
    std::fs::rename(&unfinished, new).map_err(io("rename", &unfinished))?;
    sync(new.parent().unwrap_or(Path::new(".")))
}

/// What two engines have in common if they hold the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Census {
    rows: Vec<u64>,
    checksum: u32,
}

impl Census {
    fn of(state: &dyn StateEngine) -> Result<Self, StateError> {
        let mut census = Self::default();
        for table in Table::ALL {
            let rows = state.rows(table)?;
            census.rows.push(rows.len() as u64);
            rows.iter().for_each(|row| census.add(table, row));
        }
        Ok(census)
    }

    fn add(&mut self, table: Table, (key, value): &Row) {
        for part in [name(table).as_bytes(), key, value] {
            let crc = crc32c::crc32c_append(self.checksum, &(part.len() as u64).to_le_bytes());
            self.checksum = crc32c::crc32c_append(crc, part);
        }
    }

    fn difference(&self, got: &Self) -> Option<String> {
        let counts = Table::ALL.into_iter().zip(self.rows.iter().zip(&got.rows));
        let fewer = counts.into_iter().find(|(_, (wanted, got))| wanted != got);
        let fewer =
            fewer.map(|(table, (wanted, got))| format!("{} of {}, wanted {wanted}", count(*got, "row"), name(table)));
        fewer.or_else(|| (self.checksum != got.checksum).then(|| "the checksum over all rows".to_owned()))
    }
}

fn sync(dir: &Path) -> Result<(), MigrateError> {
    std::fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(io("sync folder", dir))
}

fn io(act: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> MigrateError {
    let path = path.to_owned();
    move |source| MigrateError::Io { act, path, source }
}

#[cfg(feature = "sled")]
#[cfg(test)]
mod tests {
    use super::*;

    const FOLD: u32 = 7;

    fn filled(engine: Engine, data: &Path, rows: u32) {
        let mut state = engine.open(&engine.path(data), FOLD).unwrap();
        let change = |n: u32| Change {
            table: Table::ALL[(n % 3) as usize],
            key: n.to_be_bytes().to_vec(),
            value: Some(vec![n as u8; (n % 5_000) as usize]),
        };
        state.commit((0..rows).map(change).collect()).unwrap();
    }

    fn census(engine: Engine, data: &Path) -> Census {
        Census::of(engine.open(&engine.path(data), FOLD).unwrap().as_ref()).unwrap()
    }

    #[test]
    fn rows_are_the_same_there_and_back() {
        let dir = tempfile::tempdir().unwrap();
        filled(Engine::Redb, dir.path(), 3_000);
        let before = census(Engine::Redb, dir.path());
        for to in [Engine::Sled, Engine::Redb] {
            let migrated = migrate(dir.path(), to, FOLD).unwrap();
            assert_eq!((migrated.checksum, migrated.path.exists()), (before.checksum, true));
            assert!(!to.other().path(dir.path()).exists(), "the old one is gone");
            assert_eq!(census(to, dir.path()), before);
        }
    }

    #[test]
    fn a_migration_cut_before_its_last_step_is_finished_by_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        filled(Engine::Redb, dir.path(), 50);
        std::fs::copy(Engine::Redb.path(dir.path()), dir.path().join("kept")).unwrap();
        migrate(dir.path(), Engine::Sled, FOLD).unwrap();
        std::fs::rename(dir.path().join("kept"), Engine::Redb.path(dir.path())).unwrap();
        // And what an earlier one left unfinished.
        std::fs::create_dir(dir.path().join("state.sled.unfinished")).unwrap();
        migrate(dir.path(), Engine::Sled, FOLD).unwrap();
        assert!(!Engine::Redb.path(dir.path()).exists());
    }

    #[test]
    fn two_engines_that_differ_are_both_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        filled(Engine::Redb, dir.path(), 50);
        filled(Engine::Sled, dir.path(), 51);
        let refused = migrate(dir.path(), Engine::Sled, FOLD).unwrap_err();
        assert!(matches!(refused, MigrateError::Both { .. }), "{refused}");
        assert!(Engine::ALL.iter().all(|engine| engine.path(dir.path()).exists()));
    }

    #[test]
    fn what_is_not_there_or_another_folds_is_not_migrated() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(migrate(dir.path(), Engine::Sled, FOLD), Err(MigrateError::Nothing(_))));
        filled(Engine::Redb, dir.path(), 5);
        let refused = migrate(dir.path(), Engine::Sled, FOLD + 1).unwrap_err();
        assert!(matches!(refused, MigrateError::State(StateError::OtherFold { .. })), "{refused}");
    }
}
