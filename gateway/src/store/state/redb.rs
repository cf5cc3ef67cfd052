//! redb as the state engine; the only file that names it. redb does not check what it reads, so every value ends with a
//! CRC-32C over (table, key, value) of our own, and a digest over all rows of a table tells when one is missing.

use std::io::ErrorKind;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use redb::{
    Builder, Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction,
};

use tracing::warn;

use super::guard::guarded;
use super::sealed::{Digest, name, sealed, unsealed, unsealed_rows};
use super::{Change, Row, StateEngine, StateError, Table};

/// Bytes of pages kept in memory; the state is written often and read once.
const CACHE_BYTES: usize = 8 << 20;
/// The row of [`Table::Meta`] that says which fold wrote the state.
const FOLD_VERSION: &[u8] = b"fold_version";

/// Rows and checksums of each table, by its name.
const DIGESTS: TableDefinition<'static, &'static str, (u64, u32)> = TableDefinition::new("digests");

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// A state file.
pub struct Redb {
    /// Taken out only by dropping.
    database: Option<Database>,
    path: PathBuf,
}

impl Drop for Redb {
    fn drop(&mut self) {
        // Closing commits once more, and on a damaged file redb panics there too; the file is rebuilt at the next start.
        if let Err(reason) = guarded(|| drop(self.database.take())) {
            warn!(file = %self.path.display(), reason, "state not closed cleanly");
        }
    }
}

impl Redb {
    /// Opens or creates a state file for a fold of this version.
    ///
    /// # Errors
    /// When [`StateError::rebuilds`] says so: delete the file, open again, replay the log from its first record.
    pub fn open(path: &Path, fold_version: u32) -> Result<Self, StateError> {
        Self::open_by(path, fold_version, |builder| builder.create(path))
    }

    /// [`Redb::open`] on storage of any kind; `path` is what messages name.
    pub(super) fn open_by(
        path: &Path,
        fold_version: u32,
        open: impl FnOnce(&Builder) -> Result<Database, DatabaseError>,
    ) -> Result<Self, StateError> {
        let damaged = |what: String| StateError::Damaged { path: path.to_owned(), what };
        // On a damaged file redb may panic instead of returning an error; no byte of a disposable file may end the process.
        let opened = guarded(|| open(Database::builder().set_cache_size(CACHE_BYTES)));
        let database = opened.map_err(damaged)?.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => StateError::InUse(path.to_owned()),
            // A page number or length that a flipped bit made too large ends in a read beyond the end of the file.
            DatabaseError::Storage(redb::StorageError::Io(error))
                if !matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) =>
            {
                StateError::Io { path: path.to_owned(), what: error.to_string() }
            }
            error => damaged(error.to_string()),
        })?;
        let mut state = Self { database: Some(database), path: path.to_owned() };
        state.check_fold(fold_version)?;
        Ok(state)
    }

    fn check_fold(&mut self, wanted: u32) -> Result<(), StateError> {
        let found = self.get(Table::Meta, FOLD_VERSION)?;
        let Some(found) = found else {
            let value = Some(wanted.to_le_bytes().to_vec());
            return self.commit(vec![Change { table: Table::Meta, key: FOLD_VERSION.to_vec(), value }]);
        };
        let found = found.try_into().map_or(0, u32::from_le_bytes);
        if found == wanted { Ok(()) } else { Err(StateError::OtherFold { path: self.path.clone(), found, wanted }) }
    }

    fn read<T>(&self, read: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, StateError> {
        let read = guarded(|| read(self.database())).map_err(|what| self.damaged(what))?;
        read.map_err(|error| self.damaged(error.to_string()))
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("only dropping takes it")
    }

    fn damaged(&self, what: String) -> StateError {
        StateError::Damaged { path: self.path.clone(), what }
    }
}

impl StateEngine for Redb {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let value = self.read(|database| {
            let open = match database.begin_read()?.open_table(definition(table)) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(None),
                open => open?,
            };
            Ok(open.get(key)?.map(|value| value.value().to_vec()))
        })?;
        match value {
            Some(value) => unsealed(table, key, &value).map(Some).map_err(|what| self.damaged(what)),
            // A row can be lost with the page that leads to it: then the digest of the whole table does not fit.
            None => self.rows(table).map(|_| None),
        }
    }

    fn rows(&self, table: Table) -> Result<Vec<Row>, StateError> {
        let (rows, wanted) = self.read(|database| {
            let transaction = database.begin_read()?;
            let wanted = match transaction.open_table(DIGESTS) {
                Err(TableError::TableDoesNotExist(_)) => Digest::default(),
                open => digest_in(&open?, table)?,
            };
            let mut rows = Vec::new();
            match transaction.open_table(definition(table)) {
                Err(TableError::TableDoesNotExist(_)) => {}
                open => {
                    for row in open?.iter()? {
                        let (key, value) = row?;
                        rows.push((key.value().to_vec(), value.value().to_vec()));
                    }
                }
            }
            Ok((rows, wanted))
        })?;
        unsealed_rows(table, rows, wanted).map_err(|what| self.damaged(what))
    }

    fn range(&self, table: Table, after: Option<&[u8]>, bytes_max: usize) -> Result<Vec<Row>, StateError> {
        let rows = self.read(|database| {
            let open = match database.begin_read()?.open_table(definition(table)) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                open => open?,
            };
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let (mut rows, mut bytes) = (Vec::new(), 0);
            for row in open.range::<&[u8]>((from, Bound::Unbounded))? {
                if bytes >= bytes_max.max(1) {
                    break;
                }
                let (key, value) = row?;
                bytes += key.value().len() + value.value().len();
                rows.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(rows)
        })?;
        let unsealed = |(key, value): Row| unsealed(table, &key, &value).map(|value| (key, value));
        rows.into_iter().map(unsealed).collect::<Result<_, _>>().map_err(|what| self.damaged(what))
    }

    fn count(&self, table: Table) -> Result<u64, StateError> {
        let (digest, wanted, intact) = self.read(|database| {
            let transaction = database.begin_read()?;
            let wanted = match transaction.open_table(DIGESTS) {
                Err(TableError::TableDoesNotExist(_)) => Digest::default(),
                open => digest_in(&open?, table)?,
            };
            let (mut digest, mut intact) = (Digest::default(), true);
            match transaction.open_table(definition(table)) {
                Err(TableError::TableDoesNotExist(_)) => {}
                open => {
                    for row in open?.iter()? {
                        let (key, value) = row?;
                        digest.toggle(value.value(), 1);
                        intact &= unsealed(table, key.value(), value.value()).is_ok();
                    }
                }
            }
            Ok((digest, wanted, intact))
        })?;
        if digest == wanted && intact {
            Ok(digest.rows)
        } else {
            Err(self.damaged(format!("table {} lacks rows", name(table))))
        }
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<(), StateError> {
        let write = || -> Result<(), redb::Error> {
            let mut transaction = self.database().begin_write()?;
            // Costs a little per commit and makes opening after a crash independent of the file's size.
            transaction.set_quick_repair(true);
            for table in Table::ALL {
                let changes = changes.iter().filter(|change| change.table == table);
                write_table(&transaction, table, changes)?;
            }
            Ok(transaction.commit()?)
        };
        let written = guarded(write).map_err(|what| self.damaged(what))?;
        written.map_err(|error| StateError::Io { path: self.path.clone(), what: error.to_string() })
    }
}

fn digest_in(digests: &impl ReadableTable<&'static str, (u64, u32)>, table: Table) -> Result<Digest, redb::Error> {
    let digest = digests.get(name(table))?.map(|digest| digest.value());
    Ok(digest.map_or_else(Digest::default, |(rows, sum)| Digest { rows, sum }))
}

fn write_table<'a>(
    transaction: &WriteTransaction,
    table: Table,
    changes: impl Iterator<Item = &'a Change>,
) -> Result<(), redb::Error> {
    let mut changes = changes.peekable();
    if changes.peek().is_none() {
        return Ok(());
    }
    let mut digests = transaction.open_table(DIGESTS)?;
    let mut digest = digest_in(&digests, table)?;
    let mut open = transaction.open_table(definition(table))?;
    for Change { key, value, .. } in changes {
        let old = match value {
            Some(value) => {
                let sealed = sealed(table, key, value);
                digest.toggle(&sealed, 1);
                open.insert(key.as_slice(), sealed.as_slice())?
            }
            None => open.remove(key.as_slice())?,
        };
        if let Some(old) = old {
            digest.toggle(old.value(), -1);
        }
    }
    digests.insert(name(table), (digest.rows, digest.sum))?;
    Ok(())
}

const fn definition(table: Table) -> Definition {
    TableDefinition::new(name(table))
}
