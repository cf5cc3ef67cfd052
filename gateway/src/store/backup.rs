//! A backup: the log up to a durable offset, the identities and the accounts of a data folder, copied while the gateway
//! runs, and the way back.
//!
//! ```text
//! <to>/log/<number>.seg   every segment; of the one being written, what is durable
//! <to>/identity           as in the data folder
//! <to>/accounts.toml      if there are accounts
//! <to>/backup.json        what there is, how long, with which CRC-32C; written last
//! ```
//!
//! Checkpoints are not in it: the log rebuilds them. Segments are copied, not linked: a link shares the sectors it is
//! to protect from. Everything is written to `<to>.partial`, synced, and renamed: a backup that has its name is whole.
//! A segment that retention removes meanwhile makes the copy begin again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::StoreError;
use super::folder::{Entry, Folder, footer};
use super::format::FIRST_ITEM;
use super::fs::{Disk, Fs, FsFile};
use partial::{Partial, is_within};

use super::identity::{IDENTITY_FILE, Identities};
use super::reader::Reader;
use super::removed::REMOVED_FILE;
use super::replaying::SKIPPED_FILE;
use super::segment::{self, Probe};
use super::{LOG_FOLDER, Progress};
use crate::record::{GatewayTime, Offset};

mod manifest;
mod partial;
mod restore;

pub use manifest::{Entry as FileEntry, MANIFEST, Manifest};
pub use restore::{Restored, restore};

/// Accounts in a backup, wherever the gateway keeps them.
pub const ACCOUNTS_FILE: &str = "accounts.toml";
/// What retention removed, within a backup: without it what was removed would be called lost.
const REMOVED_NAME: &str = "log/removed";
/// Bytes read and written at a time.
const CHUNK: usize = 1 << 20;
/// Bytes written between two syncs, so that the log's own syncs never wait for a whole segment of ours.
const SYNC_BYTES: u64 = 8 << 20;
/// How often a copy begins again because segments vanished under it.
const TRIES: u32 = 5;

/// Why there is no backup, or nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The disk's; what was begun is in a folder named `.partial`.
    #[error("{act} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is something at the target; nothing was touched.
    #[error("{} is not empty: choose a folder that does not exist yet", .0.display())]
    Exists(PathBuf),
    /// The target is where it would be lost with what it is to protect, and grow with every further one.
    #[error("{} is in the data folder {}: choose a folder elsewhere, on another disk if there is one", .target.display(), .data.display())]
    Within {
        /// Where the backup was to be.
        target: PathBuf,
        /// The data folder.
        data: PathBuf,
    },
    /// Somebody else writes there.
    #[error("another backup or restore is writing to {} just now: wait for it, or choose another folder", .0.display())]
    Busy(PathBuf),
    /// What is to be restored is not a whole backup.
    #[error("{} is not a whole backup: {what}", .path.display())]
    NotABackup {
        /// The folder.
        path: PathBuf,
        /// What is missing or wrong.
        what: String,
    },
    /// A file of the backup is not as it was written.
    #[error("{} is damaged ({what}): take another backup, or restore what is intact of this one with --force", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Segments were removed faster than they could be copied.
    #[error("segments of {} were removed {TRIES} times while they were copied: raise disk.max or disk.keep, or try again", .0.display())]
    Vanishing(PathBuf),
}

impl BackupError {
    fn io(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { act, path, source }
    }
}

/// What a backup is made of besides the log.
#[derive(Clone, Debug)]
pub struct About {
    /// The gateway's id.
    pub gateway: String,
    /// The data folder's identities.
    pub identities: Identities,
    /// The file of accounts, if there may be one.
    pub accounts: Option<PathBuf>,
    /// Now.
    pub time: GatewayTime,
}

/// What a running gateway is backed up from; shared with whoever asks for a backup.
pub struct Source<F: Fs> {
    log: Reader<F>,
    gateway: String,
    identities: Identities,
    accounts: PathBuf,
}

impl<F: Fs> Source<F> {
    /// `log` may stand anywhere; it is not moved.
    pub fn new(log: Reader<F>, gateway: String, identities: Identities, accounts: PathBuf) -> Self {
        Self { log, gateway, identities, accounts }
    }

    /// [`backup`] of what is durable now, told to be of `time`.
    ///
    /// # Errors
    /// As [`backup`].
    pub fn backup(&self, to: &Path, time: GatewayTime, progress: impl FnMut(Progress)) -> Result<Backup, BackupError> {
        let (gateway, identities) = (self.gateway.clone(), self.identities.clone());
        let about = About { gateway, identities, accounts: Some(self.accounts.clone()), time };
        backup(&self.log, &about, to, progress)
    }
}

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Where.
    pub path: PathBuf,
    /// The last record in it.
    pub durable: Offset,
    /// How many files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// A segment and how much of it is copied.
struct Piece<F: Fs> {
    path: PathBuf,
    file: F::File,
    name: String,
    len: u64,
}

/// Copies the log that `log` reads, up to what is durable now, with what belongs to it, into a new folder `to`. Blocks
/// as long as that takes; the log goes on meanwhile.
///
/// # Errors
/// [`BackupError`]; `to` does not exist then.
pub fn backup<F: Fs>(
    log: &Reader<F>,
    about: &About,
    to: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<Backup, BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let folder = log.folder();
    let data = folder.dir.parent().unwrap_or(&folder.dir);
    if is_within(to, data) {
        return Err(BackupError::Within { target: to.to_owned(), data: data.to_owned() });
    }
    let partial = Partial::take(to)?;
    for _ in 0..TRIES {
        partial.clear()?;
        match copy_all(folder, about, partial.path(), &mut progress) {
            Err(BackupError::Io { source, path, .. })
                if source.kind() == io::ErrorKind::NotFound && path.starts_with(&folder.dir) => {}
            Err(error) => return Err(error),
            Ok(manifest) => {
                partial.finish(to)?;
                let bytes = manifest.files.iter().map(|file| file.bytes).sum();
                return Ok(Backup {
                    path: to.to_owned(),
                    durable: Offset(manifest.durable),
                    files: manifest.files.len(),
                    bytes,
                });
            }
        }
    }
    Err(BackupError::Vanishing(folder.dir.clone()))
}

fn copy_all<F: Fs>(
    folder: &Arc<Folder<F>>,
    about: &About,
    partial: &Path,
    progress: &mut impl FnMut(Progress),
) -> Result<Manifest, BackupError> {
    let log = partial.join(LOG_FOLDER);
    Disk.create_dir(&log).map_err(BackupError::io("create folder", &log))?;
    let (durable, pieces) = pieces(folder)?;
    let (mut done, total) = (0, pieces.iter().map(|piece| piece.len).sum());
    let mut files = Vec::new();
    for Piece { path, file, name, len } in pieces {
        let to = log.join(&name);
        let read = |buf: &mut [u8], at| file.read_at(buf, at);
        let crc32c = copy(read, len, &to, &path)?;
        files.push(FileEntry { name: format!("{LOG_FOLDER}/{name}"), bytes: len, crc32c });
        done += len;
        progress(Progress { done, total });
    }
    let identities = about.identities.text();
    files.push(put(partial, IDENTITY_FILE, identities.as_bytes())?);
    let data = folder.dir.parent().unwrap_or(&folder.dir);
    let notes = [
        (REMOVED_NAME, Some(folder.dir.join(REMOVED_FILE))),
        (SKIPPED_FILE, Some(data.join(SKIPPED_FILE))),
        (ACCOUNTS_FILE, about.accounts.clone()),
    ];
    for (name, path) in notes.into_iter().filter_map(|(name, path)| Some((name, path?))) {
        match fs::read(&path) {
            Ok(bytes) => files.push(put(partial, name, &bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(BackupError::io("read", &path)(error)),
        }
    }
    let durable = durable.max(last_offset(&log)?);
    let manifest = Manifest::new(about, durable, files);
    put(partial, MANIFEST, &manifest.to_bytes())?;
    for dir in [&log, partial] {
        Disk.sync_dir(dir).map_err(BackupError::io("sync folder", dir))?;
    }
    Ok(manifest)
}

/// What of which segment is copied, and the last offset of it if a gateway runs. Files are opened by now: what retention
/// removes while they are copied is still read to its end.
fn pieces<F: Fs>(folder: &Arc<Folder<F>>) -> Result<(Offset, Vec<Piece<F>>), BackupError> {
    let (durable, head) = folder.durable.mark();
    let entries = folder.entries();
    let names = folder.fs.list(&folder.dir).map_err(BackupError::io("list", &folder.dir))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();
    // What stands behind the head of a running log is prepared for later.
    numbers.retain(|number| head.closed || *number <= head.segment);
    let mut pieces = Vec::new();
    for number in numbers {
        let path = segment::path(&folder.dir, number);
        let file = folder.fs.open_read(&path).map_err(BackupError::io("open segment", &path))?;
        let entry = entries.iter().find(|entry| entry.header.segment == number);
        let len = match entry {
            Some(_) if number == head.segment && !head.closed => Ok(head.position),
            Some(entry) => ended::<F>(&file, entry),
            None => unlisted(folder, number, &file)?,
        };
        let len = len.map_err(BackupError::io("read segment", &path))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        pieces.push(Piece { path, file, name, len });
    }
    Ok((durable, pieces))
}

/// Of a segment that has ended: its items, and its footer if it is finished.
fn ended<F: Fs>(file: &F::File, entry: &Entry) -> io::Result<u64> {
    let len = file.len()?;
    let end = entry.end.unwrap_or(len).min(len);
    let is_sealed = footer::<F>(file, &entry.header)?.is_some_and(|(at, footer)| at == end && footer.intact);
    Ok(if is_sealed { len } else { end })
}

/// Of a segment without records: its header, which carries the start epoch. One that cannot be read is copied whole.
fn unlisted<F: Fs>(folder: &Arc<Folder<F>>, number: u64, file: &F::File) -> Result<io::Result<u64>, BackupError> {
    let probe = Probe::new(&folder.fs, &folder.dir, number, false)?;
    let is_empty = probe.header.is_some() && matches!(probe.first(), Ok(None));
    Ok(file.len().map(|len| if is_empty { len.min(FIRST_ITEM) } else { len }))
}

/// The last record of a copied log; reads its last segment.
fn last_offset(log: &Path) -> Result<Offset, BackupError> {
    let (folder, _) = Folder::look(Disk, log)?;
    let Some(last) = folder.entries().last().map(|entry| entry.first) else { return Ok(Offset(0)) };
    let mut reader = Reader::new(Arc::new(folder), last);
    while !reader.next(CHUNK)?.is_empty() {}
    Ok(Offset(reader.position().0.saturating_sub(1)))
}

/// Copies `len` bytes into a new file and syncs it; its CRC-32C. Fewer bytes than that are an error of the source.
fn copy(
    mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>,
    len: u64,
    to: &Path,
    from: &Path,
) -> Result<u32, BackupError> {
    let mut file = create(to)?;
    let mut buf = vec![0; CHUNK];
    let (mut at, mut crc) = (0, 0);
    while at < len {
        let most = usize::try_from(len - at).map_or(CHUNK, |rest| rest.min(CHUNK));
        let chunk = buf.get_mut(..most).unwrap_or_default();
        let n = read(chunk, at).map_err(BackupError::io("read", from))?;
        let Some(chunk) = chunk.get(..n).filter(|chunk| !chunk.is_empty()) else {
            return Err(BackupError::io("read", from)(io::ErrorKind::UnexpectedEof.into()));
        };
        crc = crc32c::crc32c_append(crc, chunk);
        file.write_all(chunk).map_err(BackupError::io("write", to))?;
        at += n as u64;
        if at % SYNC_BYTES < n as u64 {
            file.sync_data().map_err(BackupError::io("sync", to))?;
        }
    }
    file.sync_all().map_err(BackupError::io("sync", to))?;
    Ok(crc)
}

fn put(dir: &Path, name: &str, bytes: &[u8]) -> Result<FileEntry, BackupError> {
    let path = dir.join(name);
    let mut file = create(&path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(BackupError::io("write", &path))?;
    Ok(FileEntry { name: name.to_owned(), bytes: bytes.len() as u64, crc32c: crc32c::crc32c(bytes) })
}

/// What a data folder holds concerns its owner alone.
fn create(path: &Path) -> Result<File, BackupError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(BackupError::io("create", path))
}

/// Reads a file of ours that is small.
fn read_small(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("longer than {bytes_max} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
