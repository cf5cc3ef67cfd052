//! sled as the state engine; the only file that names it. All tables stand in one tree, told apart by the first byte of
//! the key, so that one batch is one atomic commit. Two things are added to the library: `flush()` of sled 0.34 never
//! calls fsync on Linux, so its files are synced here after it; and it panics where it meets bytes it did not write, so
//! every call is caught.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sled::{Batch, Db, IVec};
use tracing::warn;

use super::guard::guarded;
use super::sealed::{Digest, sealed, unsealed, unsealed_rows};
use super::{Change, Row, StateEngine, StateError, Table};

/// Bytes of pages kept in memory; the state is written often and read once.
const CACHE_BYTES: u64 = 8 << 20;
/// The row of [`Table::Meta`] that says which fold wrote the state.
const FOLD_VERSION: &[u8] = b"fold_version";
/// The key of the digests of all tables; no table's prefix.
const DIGESTS: [u8; 1] = [0xFF];
/// The file that sled overwrites in place; every other one is written once, under a name of its own.
const PAGES: &str = "db";
/// sled lets go of its lock some time after it was dropped: how often, and how long apart, a locked state is tried.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A state folder.
pub struct Sled {
    /// Taken out only by dropping.
    database: Option<Db>,
    path: PathBuf,
    /// What is on the medium, as of the last commit.
    pub(super) synced: BTreeMap<PathBuf, Stamp>,
}

/// How a file looked just before it was synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) len: u64,
    pub(super) modified: SystemTime,
}

impl Drop for Sled {
    fn drop(&mut self) {
        // Closing writes once more, and on damaged files that may panic; they are rebuilt at the next start.
        if let Err(reason) = guarded(|| drop(self.database.take())) {
            warn!(folder = %self.path.display(), reason, "state not closed cleanly");
        }
    }
}

impl Sled {
    /// Opens or creates a state folder for a fold of this version.
    ///
    /// # Errors
    /// When [`StateError::rebuilds`] says so: delete the folder, open again, replay the log from its first record.
    pub fn open(path: &Path, fold_version: u32) -> Result<Self, StateError> {
        let database = open_unlocked(path)?;
        let mut state = Self { database: Some(database), path: path.to_owned(), synced: BTreeMap::new() };
        state.sync_parent()?;
        state.check_fold(fold_version)?;
        Ok(state)
    }

    fn check_fold(&mut self, wanted: u32) -> Result<(), StateError> {
        let Some(found) = self.get(Table::Meta, FOLD_VERSION)? else {
            let value = Some(wanted.to_le_bytes().to_vec());
            return self.commit(vec![Change { table: Table::Meta, key: FOLD_VERSION.to_vec(), value }]);
        };
        let found = found.try_into().map_or(0, u32::from_le_bytes);
        if found == wanted { Ok(()) } else { Err(StateError::OtherFold { path: self.path.clone(), found, wanted }) }
    }

    fn call<T>(&self, call: impl FnOnce(&Db) -> sled::Result<T>) -> Result<T, StateError> {
        let database = self.database.as_ref().expect("only dropping takes it");
        let called = guarded(|| call(database)).map_err(|what| self.damaged(what))?;
        called.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: sled::Error) -> StateError {
        failed(&self.path, error)
    }

    fn damaged(&self, what: String) -> StateError {
        StateError::Damaged { path: self.path.clone(), what }
    }

    /// The digests of all tables stand in one row: a table that fell back to an earlier state by itself does not fit it.
    fn digests(&self) -> Result<BTreeMap<Table, Digest>, StateError> {
        let Some(value) = self.call(|database| database.get(DIGESTS))? else { return Ok(BTreeMap::new()) };
        let value = unsealed(Table::Meta, &DIGESTS, &value).map_err(|what| self.damaged(what))?;
        read_digests(&value).ok_or_else(|| self.damaged("the digests of the tables make no sense".to_owned()))
    }

    /// The batch that makes these changes, digests included.
    fn batch(&self, changes: Vec<Change>) -> Result<Batch, StateError> {
        // The last change of a row is the one that holds.
        let rows: BTreeMap<_, _> = changes.into_iter().map(|it| ((it.table, it.key), it.value)).collect();
        let (mut batch, mut digests) = (Batch::default(), self.digests()?);
        for ((table, key), value) in rows {
            let place = place(table, &key);
            let digest = digests.entry(table).or_default();
            if let Some(old) = self.call(|database| database.get(&place))? {
                digest.toggle(&old, -1);
            }
            match value {
                Some(value) => {
                    let sealed = sealed(table, &key, &value);
                    digest.toggle(&sealed, 1);
                    batch.insert(place, sealed);
                }
                None => batch.remove(place),
            }
        }
        batch.insert(&DIGESTS, sealed(Table::Meta, &DIGESTS, &write_digests(&digests)));
        Ok(batch)
    }

    /// What `flush` of the library leaves undone: its files reach the medium, then their names.
    fn sync(&mut self) -> io::Result<()> {
        let mut now = BTreeMap::new();
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            let mut is_news = !self.synced.contains_key(&folder);
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                // Superseded files are removed by threads of the library.
                let it = match path.metadata() {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    it => it?,
                };
                if it.is_dir() {
                    folders.push(path);
                    continue;
                }
                let stamp = Stamp { len: it.len(), modified: it.modified()? };
                let before = self.synced.get(&path);
                is_news |= before.is_none();
                // Times are coarse: what is overwritten in place is synced whatever they say.
                if before != Some(&stamp) || path.ends_with(PAGES) {
                    match File::open(&path) {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        file => file?.sync_all()?,
                    }
                }
                now.insert(path, stamp);
            }
            if is_news {
                File::open(&folder)?.sync_all()?;
            }
            now.insert(folder, Stamp { len: 0, modified: SystemTime::UNIX_EPOCH });
        }
        self.synced = now;
        Ok(())
    }

    fn sync_parent(&self) -> Result<(), StateError> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = File::open(parent).and_then(|folder| folder.sync_all());
        synced.map_err(|error| StateError::Io { path: self.path.clone(), what: error.to_string() })
    }
}

impl StateEngine for Sled {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match self.call(|database| database.get(place(table, key)))? {
            Some(value) => unsealed(table, key, &value).map(Some).map_err(|what| self.damaged(what)),
            // A row can be lost with the page that leads to it: then the digest of the whole table does not fit.
            None => self.rows(table).map(|_| None),
        }
    }

    fn rows(&self, table: Table) -> Result<Vec<Row>, StateError> {
        let row = |row: sled::Result<(IVec, IVec)>| {
            let (place, value) = row?;
            Ok((place.get(1..).unwrap_or_default().to_vec(), value.to_vec()))
        };
        let rows = self.call(|database| database.scan_prefix([prefix(table)]).map(row).collect())?;
        let wanted = self.digests()?.get(&table).copied().unwrap_or_default();
        unsealed_rows(table, rows, wanted).map_err(|what| self.damaged(what))
    }

    fn commit(&mut self, changes: Vec<Change>) -> Result<(), StateError> {
        let batch = self.batch(changes)?;
        self.call(|database| database.apply_batch(batch).and_then(|()| database.flush()))?;
        self.sync().map_err(|error| StateError::Io { path: self.path.clone(), what: error.to_string() })
    }
}

fn open_unlocked(path: &Path) -> Result<Db, StateError> {
    for attempt in 1.. {
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let damaged = |what: String| StateError::Damaged { path: path.to_owned(), what };
        let opened = guarded(|| config.open()).map_err(damaged)?;
        match opened.map_err(|error| failed(path, error)) {
            Err(StateError::InUse(_)) if attempt < LOCK_TRIES => std::thread::sleep(LOCK_PAUSE),
            opened => return opened,
        }
    }
    Err(StateError::InUse(path.to_owned()))
}

fn failed(path: &Path, error: sled::Error) -> StateError {
    let path = path.to_owned();
    match error {
        // The library tells this apart from other failures by its text alone.
        sled::Error::Io(error) if error.to_string().contains("could not acquire lock") => StateError::InUse(path),
        // Positions that a flipped bit made too large end in reads beyond the end, or in names of files that never were.
        sled::Error::Io(error) if !is_by_damage(&error) => StateError::Io { path, what: error.to_string() },
        error => StateError::Damaged { path, what: error.to_string() },
    }
}

fn is_by_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, NotADirectory, NotFound, Other, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | NotADirectory | NotFound | Other | UnexpectedEof)
}

const fn prefix(table: Table) -> u8 {
    match table {
        Table::Ingest => 1,
        Table::Retained => 2,
        Table::Halo => 3,
        Table::Meta => 4,
        Table::Cursor => 5,
    }
}

fn place(table: Table, key: &[u8]) -> Vec<u8> {
    let mut place = Vec::with_capacity(1 + key.len());
    place.push(prefix(table));
    place.extend_from_slice(key);
    place
}

fn write_digests(digests: &BTreeMap<Table, Digest>) -> Vec<u8> {
    let mut value = Vec::new();
    for table in Table::ALL {
        let Digest { rows, sum } = digests.get(&table).copied().unwrap_or_default();
        value.extend(rows.to_le_bytes());
        value.extend(sum.to_le_bytes());
    }
    value
}

fn read_digests(mut value: &[u8]) -> Option<BTreeMap<Table, Digest>> {
    let mut digests = BTreeMap::new();
    for table in Table::ALL {
        let (rows, rest) = value.split_first_chunk()?;
        let (sum, rest) = rest.split_first_chunk()?;
        value = rest;
        digests.insert(table, Digest { rows: u64::from_le_bytes(*rows), sum: u32::from_le_bytes(*sum) });
    }
    value.is_empty().then_some(digests)
}
