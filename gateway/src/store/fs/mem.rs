//! A disk in memory that behaves as badly as real ones are allowed to: it forgets what was not synced, in any subset
//! of sectors and names; it tears a write between sectors; it writes back early; it fails the n-th call; after a failed
//! sync it keeps showing bytes that never reach the medium; it flips bits. Everything follows from one seed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Fs, FsFile, parent};
use crate::clock::Clock;

/// What a disk writes whole or not at all.
pub const SECTOR: usize = 512;

/// How long a sync is held at most.
pub const HELD_MAX: Duration = Duration::from_secs(20);

/// SplitMix64: small, fast, good enough to choose faults (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    /// The next 64 bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        self.draw().checked_rem(n).unwrap_or(0)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `EIO`: the medium failed; a sync loses what it was to write.
    Io,
    /// `ENOSPC`: no room.
    Full,
    /// The power is off: this call and all later ones fail until [`MemFs::power_cut`].
    PowerOff,
}

/// The disk; clones share it.
#[derive(Clone)]
pub struct MemFs(Arc<Mutex<State>>);

/// An open file of a [`MemFs`]; dead after a power cut.
pub struct MemFile {
    state: Arc<Mutex<State>>,
    path: PathBuf,
    inode: usize,
    boot: u64,
}

/// A held lock file of a [`MemFs`].
pub struct MemLock {
    state: Arc<Mutex<State>>,
    path: PathBuf,
    boot: u64,
}

struct State {
    rng: Rng,
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, Entry>,
    /// Folders that were made here, and whether their names are on the medium; others were always there.
    folders: BTreeMap<PathBuf, bool>,
    /// What was synced, in order, where somebody wants to know.
    synced: Option<Vec<PathBuf>>,
    locks: Vec<PathBuf>,
    boot: u64,
    calls: u64,
    fault: Option<(u64, Fault)>,
    off: bool,
    syncs_lie: bool,
    dir_syncs_lie: bool,
    sync_time: Option<(Duration, Clock)>,
    capacity: u64,
    held: Arc<(Mutex<bool>, Condvar)>,
}

/// A name: what it points to now, and what it points to on the medium.
#[derive(Clone, Copy, Default)]
struct Entry {
    now: Option<usize>,
    durable: Option<usize>,
}

/// A file: what reads show, and for each sector that differs on the medium what stands there.
#[derive(Default)]
struct Inode {
    bytes: Vec<u8>,
    durable_len: usize,
    /// Written since the last sync: the medium still has this, or already the new bytes.
    dirty: BTreeMap<usize, [u8; SECTOR]>,
    /// Believed clean after a failed sync: the medium has this for certain.
    lost: BTreeMap<usize, [u8; SECTOR]>,
    /// Where the bytes end that were ever written, and how many writes moved it: a real file's map changes with each.
    written: (usize, u64),
}

impl MemFs {
    /// An empty disk whose misbehaviour follows from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng: Rng(seed),
            inodes: Vec::new(),
            names: BTreeMap::new(),
            folders: BTreeMap::new(),
            synced: None,
            locks: Vec::new(),
            boot: 0,
            calls: 0,
            fault: None,
            off: false,
            syncs_lie: false,
            dir_syncs_lie: false,
            sync_time: None,
            capacity: u64::MAX,
            held: Arc::default(),
        })))
    }

    /// Makes the `n`-th call from now (0 = the next) fail.
    pub fn fail_after(&self, n: u64, fault: Fault) {
        let mut state = self.state();
        state.fault = Some((state.calls + n, fault));
    }

    /// Takes back a planned failure that has not happened.
    pub fn no_fault(&self) {
        self.state().fault = None;
    }

    /// What was synced since the last call, in order: files by the names they were opened by, and folders. Nothing is
    /// noted before the first call.
    pub fn take_synced(&self) -> Vec<PathBuf> {
        self.state().synced.replace(Vec::new()).unwrap_or_default()
    }

    /// Calls made so far.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Makes [`FsFile::sync_data`] report success without doing anything: the negative control of a crash test.
    pub fn make_syncs_lie(&self) {
        self.state().syncs_lie = true;
    }

    /// Makes [`FsFile::sync_data`] wait, or go on: what else is done meanwhile. Nobody waits for ever: after
    /// [`HELD_MAX`] it fails.
    pub fn hold_syncs(&self, hold: bool) {
        let held = Arc::clone(&self.state().held);
        *held.0.lock().unwrap_or_else(PoisonError::into_inner) = hold;
        held.1.notify_all();
    }

    /// Makes [`FsFile::sync_data`] take so long by a manual clock.
    pub fn make_syncs_take(&self, time: Duration, clock: &Clock) {
        self.state().sync_time = Some((time, clock.clone()));
    }

    /// Makes [`Fs::sync_dir`] report success without doing anything.
    pub fn make_dir_syncs_lie(&self) {
        self.state().dir_syncs_lie = true;
    }

    /// Bounds the sum of file lengths; growing past it is `ENOSPC`.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// Cuts the power and restores it: of all that was not synced a random subset of sectors, lengths and names
    /// remains; handles from before are dead, locks are free.
    pub fn power_cut(&self) {
        self.state().power_cut();
    }

    /// Ends the process without cutting the power: handles are dead, locks are free, the page cache stays.
    pub fn kill(&self) {
        let mut state = self.state();
        state.restart();
    }

    /// Flips one bit of a file, in memory and on the medium; false when the file has no such bit.
    pub fn flip_bit(&self, path: &Path, bit: u64) -> bool {
        self.change(path, bit / 8, |byte| *byte ^= 1 << (bit % 8))
    }

    /// Overwrites bytes of a file, in memory and on the medium; false when the file has no such bytes.
    pub fn zero(&self, path: &Path, from: u64, len: u64) -> bool {
        (from..from + len).filter(|at| self.change(path, *at, |byte| *byte = 0)).count() > 0
    }

    /// The file's bytes as reads show them.
    pub fn bytes(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = state.lookup(path).ok()?;
        Some(state.inodes.get(inode)?.bytes.clone())
    }

    /// How many writes reached behind what was ever written of a file.
    pub fn extended(&self, path: &Path) -> u64 {
        let state = self.state();
        let inode = state.lookup(path).ok().and_then(|inode| state.inodes.get(inode));
        inode.map_or(0, |inode| inode.written.1)
    }

    /// Where the bytes of a file end that were ever written.
    pub fn written_to(&self, path: &Path) -> u64 {
        let state = self.state();
        let inode = state.lookup(path).ok().and_then(|inode| state.inodes.get(inode));
        inode.map_or(0, |inode| inode.written.0 as u64)
    }

    /// A disk of its own with the same files, all durable.
    pub fn copy(&self, seed: u64) -> Self {
        let copy = Self::new(seed);
        let state = self.state();
        let mut other = copy.state();
        for (path, entry) in &state.names {
            let Some(inode) = entry.now.and_then(|inode| state.inodes.get(inode)) else { continue };
            let at = other.inodes.len();
            other.inodes.push(Inode { bytes: inode.bytes.clone(), durable_len: inode.bytes.len(), ..Inode::default() });
            other.names.insert(path.clone(), Entry { now: Some(at), durable: Some(at) });
        }
        drop(other);
        copy
    }

    fn change(&self, path: &Path, at: u64, change: impl Fn(&mut u8)) -> bool {
        let mut state = self.state();
        let Ok(inode) = state.lookup(path) else { return false };
        let (Some(inode), Ok(at)) = (state.inodes.get_mut(inode), usize::try_from(at)) else { return false };
        let sector = at / SECTOR;
        for old in [inode.dirty.get_mut(&sector), inode.lost.get_mut(&sector)].into_iter().flatten() {
            old.get_mut(at % SECTOR).into_iter().for_each(&change);
        }
        inode.bytes.get_mut(at).map(change).is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

impl State {
    fn call(&mut self) -> Result<(), Fault> {
        let call = self.calls;
        self.calls += 1;
        if self.off {
            return Err(Fault::PowerOff);
        }
        match self.fault {
            Some((at, fault)) if at == call => {
                self.off = fault == Fault::PowerOff;
                self.fault = None;
                Err(fault)
            }
            _ => Ok(()),
        }
    }

    fn note_sync(&mut self, path: &Path) {
        self.synced.iter_mut().for_each(|synced| synced.push(path.to_owned()));
    }

    fn lookup(&self, path: &Path) -> io::Result<usize> {
        self.names.get(path).and_then(|entry| entry.now).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn room_for(&self, more: usize) -> io::Result<()> {
        let used: usize =
            self.names.values().filter_map(|entry| self.inodes.get(entry.now?)).map(|inode| inode.bytes.len()).sum();
        if (used + more) as u64 > self.capacity { Err(Fault::Full.into()) } else { Ok(()) }
    }

    fn restart(&mut self) {
        self.boot += 1;
        self.off = false;
        self.fault = None;
        self.locks.clear();
    }

    fn power_cut(&mut self) {
        self.restart();
        for inode in &mut self.inodes {
            inode.power_cut(&mut self.rng);
        }
        for entry in self.names.values_mut() {
            if entry.now != entry.durable && self.rng.one_in(2) {
                entry.now = entry.durable;
            }
            entry.durable = entry.now;
        }
        for (folder, is_durable) in std::mem::take(&mut self.folders) {
            if is_durable || self.rng.one_in(2) {
                self.folders.insert(folder, true);
            } else {
                // With everything in it.
                self.names.retain(|path, _| !path.starts_with(&folder));
            }
        }
        self.names.retain(|_, entry| entry.now.is_some());
        self.forget_unnamed();
    }

    /// Frees files that no name reaches any more, so that long runs stay small.
    fn forget_unnamed(&mut self) {
        let mut named: Vec<usize> = self.names.values().filter_map(|entry| entry.now).collect();
        named.sort_unstable();
        for (at, inode) in self.inodes.iter_mut().enumerate() {
            if named.binary_search(&at).is_err() {
                *inode = Inode::default();
            }
        }
    }
}

impl Inode {
    /// Keeps what the medium has of the sectors `from..to` before they change.
    fn touch(&mut self, from: usize, to: usize, rng: &mut Rng) {
        for sector in from / SECTOR..to.div_ceil(SECTOR) {
            let now = self.sector(sector);
            match self.dirty.get_mut(&sector) {
                // Written back early: the medium already has what was written before.
                Some(old) if rng.one_in(4) => *old = now,
                Some(_) => {}
                None => {
                    let medium = self.lost.remove(&sector).unwrap_or(now);
                    self.dirty.insert(sector, medium);
                }
            }
        }
    }

    fn sector(&self, sector: usize) -> [u8; SECTOR] {
        let mut copy = [0; SECTOR];
        let from = sector * SECTOR;
        let to = (from + SECTOR).min(self.bytes.len());
        if let Some(bytes) = self.bytes.get(from..to) {
            copy.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        }
        copy
    }

    fn restore(&mut self, sector: usize, old: &[u8; SECTOR]) {
        let from = sector * SECTOR;
        if self.bytes.len() < from + SECTOR {
            self.bytes.resize(from + SECTOR, 0);
        }
        if let Some(bytes) = self.bytes.get_mut(from..from + SECTOR) {
            bytes.copy_from_slice(old);
        }
    }

    fn power_cut(&mut self, rng: &mut Rng) {
        if self.dirty.is_empty() && self.lost.is_empty() && self.durable_len == self.bytes.len() {
            return;
        }
        let len = if rng.one_in(2) { self.durable_len } else { self.bytes.len() };
        // Now and then a cut finds all or nothing written back; else each sector decides for itself.
        let odds = [1, 2, 2, 4, u64::MAX].get(rng.below(5) as usize).copied().unwrap_or(2);
        for (sector, old) in std::mem::take(&mut self.dirty) {
            if odds == 1 || rng.one_in(odds) {
                self.restore(sector, &old);
            }
        }
        for (sector, old) in std::mem::take(&mut self.lost) {
            self.restore(sector, &old);
        }
        self.bytes.resize(len, 0);
        self.durable_len = len;
    }

    /// The sync failed: the pages count as clean, the medium keeps what it had, and nobody is told again.
    fn lose(&mut self, rng: &mut Rng) {
        for (sector, old) in std::mem::take(&mut self.dirty) {
            if rng.one_in(3) {
                continue;
            }
            self.lost.insert(sector, old);
        }
        self.durable_len = self.bytes.len();
    }
}

impl Fs for MemFs {
    type File = MemFile;
    type Lock = MemLock;

    fn make_dir(&self, dir: &Path) -> io::Result<bool> {
        let mut state = self.state();
        state.call()?;
        let is_new = !state.folders.contains_key(dir) && !state.names.keys().any(|path| path.starts_with(dir));
        if is_new {
            state.folders.insert(dir.to_owned(), false);
        }
        Ok(is_new)
    }

    fn create_new(&self, path: &Path, len: u64) -> io::Result<MemFile> {
        let mut state = self.state();
        state.call()?;
        let len = usize::try_from(len).map_err(|_| Fault::Full)?;
        state.room_for(len)?;
        if state.lookup(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.inodes.len();
        state.inodes.push(Inode { bytes: vec![0; len], ..Inode::default() });
        state.names.entry(path.to_owned()).or_default().now = Some(inode);
        Ok(MemFile { state: Arc::clone(&self.0), path: path.to_owned(), inode, boot: state.boot })
    }

    fn open(&self, path: &Path) -> io::Result<MemFile> {
        let mut state = self.state();
        state.call()?;
        let inode = state.lookup(path)?;
        Ok(MemFile { state: Arc::clone(&self.0), path: path.to_owned(), inode, boot: state.boot })
    }

    fn open_read(&self, path: &Path) -> io::Result<MemFile> {
        self.open(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.call()?;
        let there = state.names.iter().filter(|(path, entry)| entry.now.is_some() && path.parent() == Some(dir));
        Ok(there.filter_map(|(path, _)| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        let inode = state.lookup(from)?;
        state.names.entry(from.to_owned()).or_default().now = None;
        state.names.entry(to.to_owned()).or_default().now = Some(inode);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        state.lookup(path)?;
        state.names.entry(path.to_owned()).or_default().now = None;
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.call()?;
        if !state.dir_syncs_lie {
            for (_, entry) in state.names.iter_mut().filter(|(path, _)| path.parent() == Some(dir)) {
                entry.durable = entry.now;
            }
            for (_, is_durable) in state.folders.iter_mut().filter(|(path, _)| parent(path) == dir) {
                *is_durable = true;
            }
        }
        state.note_sync(dir);
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<MemLock> {
        let mut state = self.state();
        state.call()?;
        if state.locks.iter().any(|held| held == path) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.locks.push(path.to_owned());
        Ok(MemLock { state: Arc::clone(&self.0), path: path.to_owned(), boot: state.boot })
    }
}

impl MemFile {
    fn with<T>(&self, act: impl FnOnce(&mut Inode, &mut Rng, Result<(), Fault>) -> io::Result<T>) -> io::Result<T> {
        let mut state = lock(&self.state);
        let called = if state.boot == self.boot { state.call() } else { Err(Fault::PowerOff) };
        let State { inodes, rng, .. } = &mut *state;
        act(inodes.get_mut(self.inode).ok_or(io::ErrorKind::NotFound)?, rng, called)
    }
}

impl FsFile for MemFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.with(|inode, _, called| {
            called?;
            let from = usize::try_from(position).map_or(inode.bytes.len(), |from| from.min(inode.bytes.len()));
            let there = inode.bytes.get(from..).unwrap_or_default();
            let n = there.len().min(buf.len());
            if let (Some(to), Some(from)) = (buf.get_mut(..n), there.get(..n)) {
                to.copy_from_slice(from);
            }
            Ok(n)
        })
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.off || state.boot != self.boot {
            return Err(Fault::PowerOff.into());
        }
        let called = state.call();
        let from = usize::try_from(position).map_err(|_| Fault::Full)?;
        // A write that fails may have done a part of its work.
        let part = if called.is_ok() { bytes.len() } else { state.rng.below(bytes.len() as u64 + 1) as usize };
        let grows = (from + part).saturating_sub(state.inodes.get(self.inode).map_or(0, |inode| inode.bytes.len()));
        if grows > 0 {
            state.room_for(grows)?;
        }
        let State { inodes, rng, .. } = &mut *state;
        let inode = inodes.get_mut(self.inode).ok_or(io::ErrorKind::NotFound)?;
        inode.touch(from, from + part, rng);
        if inode.written.0 < from + part {
            inode.written = (from + part, inode.written.1 + 1);
        }
        if inode.bytes.len() < from + part {
            inode.bytes.resize(from + part, 0);
        }
        if let (Some(to), Some(bytes)) = (inode.bytes.get_mut(from..from + part), bytes.get(..part)) {
            to.copy_from_slice(bytes);
        }
        Ok(called?)
    }

    fn sync_data(&self) -> io::Result<()> {
        let (lies, held) = {
            let state = lock(&self.state);
            if let Some((time, clock)) = &state.sync_time {
                clock.advance(*time);
            }
            (state.syncs_lie, Arc::clone(&state.held))
        };
        let hold = held.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = held.1.wait_timeout_while(hold, HELD_MAX, |hold| *hold);
        if waited.is_ok_and(|(_, over)| over.timed_out()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        lock(&self.state).note_sync(&self.path);
        self.with(|inode, rng, called| {
            match called {
                Ok(()) if lies => {}
                Ok(()) => {
                    inode.dirty.clear();
                    inode.durable_len = inode.bytes.len();
                }
                Err(Fault::PowerOff) => {}
                Err(_) => inode.lose(rng),
            }
            Ok(called?)
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|inode, rng, called| {
            called?;
            let len = usize::try_from(len).map_err(|_| Fault::Full)?;
            let (from, to) = (len.min(inode.bytes.len()), len.max(inode.bytes.len()));
            inode.touch(from, to, rng);
            inode.bytes.resize(len, 0);
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.with(|inode, _, called| {
            called?;
            Ok(inode.bytes.len() as u64)
        })
    }

    fn drop_cache(&self) -> io::Result<()> {
        self.with(|inode, _, called| {
            called?;
            let len = inode.bytes.len();
            for (sector, old) in std::mem::take(&mut inode.lost) {
                inode.restore(sector, &old);
            }
            inode.bytes.resize(len, 0);
            Ok(())
        })
    }
}

impl Drop for MemLock {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        if state.boot == self.boot {
            state.locks.retain(|held| *held != self.path);
        }
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Io => rustix::io::Errno::IO.into(),
            Fault::Full => rustix::io::Errno::NOSPC.into(),
            Fault::PowerOff => io::Error::other("the power is off"),
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
