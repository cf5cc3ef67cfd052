//! Power cuts. redb writes through a seam of its own, so its very code runs here on the disk that forgets: unsynced
//! sectors of 512 bytes survive in any subset. sled has no such seam; see `sled_files`.

use std::io;

use ::redb::{DatabaseError, StorageBackend};

use super::*;
use crate::store::fs::mem::{Fault, MemFs};
use crate::store::fs::{Fs, FsFile};

/// A file of the disk in memory, as redb wants it.
struct Backend<F>(F);

impl<F> std::fmt::Debug for Backend<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Backend")
    }
}

impl<F: FsFile> StorageBackend for Backend<F> {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let n = self.0.read_at(out, offset)?;
        if n == out.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(data, offset)
    }
}

fn open(disk: &MemFs, path: &Path) -> Result<Redb, StateError> {
    Redb::open_by(path, FOLD, |builder| {
        let file = disk.open(path).or_else(|_| {
            let file = disk.create_new(path, 0)?;
            disk.sync_dir(path.parent().unwrap_or(path)).map(|()| file)
        });
        builder.create_with_backend(Backend(file.map_err(|error| DatabaseError::Storage(error.into()))?))
    })
}

/// Commits until the power fails at some call, cuts, and looks: what a reported commit wrote is there, the commit under
/// way is there whole or not at all. Returns how many commits were reported, or which of them are gone.
fn cut_once(seed: u64, lie: bool) -> Result<u64, String> {
    let (disk, path) = (MemFs::new(seed), Path::new("data/state.redb"));
    disk.create_dir(Path::new("data")).unwrap();
    let mut rng = Rng(seed ^ 0x5EED);
    let mut state = open(&disk, path).map_err(|error| error.to_string())?;
    let mut reported = MemState::default();
    let mut under_way = reported.clone();
    let mut commits = 0;
    if lie {
        disk.make_syncs_lie();
    }
    disk.fail_after(rng.below(400), Fault::PowerOff);
    loop {
        let changes = random_changes(&mut rng);
        under_way.commit(changes.clone()).unwrap();
        if state.commit(changes).is_err() || commits > 200 {
            break;
        }
        reported = under_way.clone();
        commits += 1;
    }
    drop(state);
    disk.power_cut();
    let found = open(&disk, path).and_then(|state| contents(&state)).map_err(|error| error.to_string())?;
    let (before, after) = (contents(&reported).unwrap(), contents(&under_way).unwrap());
    if found == before || found == after {
        return Ok(commits);
    }
    Err(format!("{} rows after {commits} commits, wanted {} or {}", found.len(), before.len(), after.len()))
}

#[test]
fn g1_redb_keeps_every_reported_commit_whole_through_power_cuts() {
    let mut commits = 0;
    for seed in 0..250 {
        commits += cut_once(seed, false).unwrap_or_else(|lost| panic!("seed {seed}: {lost}"));
    }
    println!("250 power cuts, {commits} reported commits");
    assert!(commits > 1_000, "{commits} commits prove little");
}

#[test]
fn the_power_cuts_find_a_disk_whose_syncs_lie() {
    let lost = (0..60).filter(|seed| cut_once(*seed, true).is_err()).count();
    assert!(lost > 10, "{lost} of 60 cuts found anything missing");
}
