//! The way back: a backup becomes a data folder that a gateway can be started on.

use std::fs;
use std::io;
use std::path::Path;

use super::manifest::{Entry, MANIFEST, Manifest};
use super::partial::Partial;
use super::{BackupError, LOG_FOLDER, copy, read_small};
use crate::record::{Offset, StartEpoch};
use crate::store::folder::probe_all;
use crate::store::fs::{Disk, Fs, FsFile};
use crate::store::identity::{IDENTITY_FILE, Identities};
use crate::store::{Finding, verify};

/// Longest manifest that is read; an entry has about 90 bytes.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;
/// Longest identity file that is read.
const IDENTITY_BYTES_MAX: u64 = 64 << 10;

/// A data folder made from a backup.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What the backup says of itself.
    pub manifest: Manifest,
    /// The last record that is there.
    pub durable: Offset,
    /// Intact records.
    pub records: u64,
    /// Bytes copied.
    pub bytes: u64,
    /// The identity that records have from the next start on.
    pub identity: String,
    /// Files of the backup that were damaged or missing and were taken as they were; only with `force`.
    pub damaged: Vec<String>,
    /// What the log's own checks found; without damaged files it was so when the backup was made.
    pub findings: Vec<Finding>,
}

/// Checks the backup in `from` and makes a data folder `to` of it. Its accounts come with it as `accounts.toml`; its
/// records keep their message ids, and those of later starts get new ones. `force` takes what is intact of a damaged
/// backup.
///
/// # Errors
/// [`BackupError`]; `to` is as before.
pub fn restore(from: &Path, to: &Path, force: bool) -> Result<Restored, BackupError> {
    let manifest = read_manifest(from)?;
    if !is_absent_or_empty(to)? {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let building = Partial::take(to)?;
    building.clear()?;
    let partial = building.path().to_owned();
    let log = partial.join(LOG_FOLDER);
    Disk.create_dir(&log).map_err(BackupError::io("create folder", &log))?;
    let (mut bytes, mut damaged) = (0, Vec::new());
    for entry in &manifest.files {
        match copy_checked(from, &partial, entry) {
            Ok(()) => bytes += entry.bytes,
            Err(BackupError::Damaged { what, .. }) if force => damaged.push(format!("{}: {what}", entry.name)),
            Err(error) => {
                building.discard();
                return Err(error);
            }
        }
    }
    let verified = verify(&Disk, &log, |_| {})?;
    let mut identities = read_identities(&partial, &manifest).map_err(BackupError::io("read identity of", from))?;
    identities.renew(next_epoch(&log)?);
    identities.write(&partial).map_err(BackupError::io("write identity in", &partial))?;
    for dir in [&log, &partial] {
        Disk.sync_dir(dir).map_err(BackupError::io("sync folder", dir))?;
    }
    building.finish(to)?;
    Ok(Restored {
        durable: verified.offsets.map_or(Offset(0), |offsets| *offsets.end()),
        records: verified.records,
        bytes,
        identity: identities.current().to_owned(),
        damaged,
        findings: verified.findings,
        manifest,
    })
}

fn read_manifest(from: &Path) -> Result<Manifest, BackupError> {
    let not_a_backup = |what| BackupError::NotABackup { path: from.to_owned(), what };
    let bytes = match read_small(&from.join(MANIFEST), MANIFEST_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(not_a_backup(format!("there is no {MANIFEST} in it")));
        }
        bytes => bytes.map_err(BackupError::io("read", &from.join(MANIFEST)))?,
    };
    Manifest::parse(&bytes).map_err(not_a_backup)
}

fn is_absent_or_empty(to: &Path) -> Result<bool, BackupError> {
    match fs::read_dir(to) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(BackupError::io("list", to)(error)),
    }
}

fn copy_checked(from: &Path, partial: &Path, entry: &Entry) -> Result<(), BackupError> {
    let path = from.join(&entry.name);
    let damaged = |what: String| BackupError::Damaged { path: path.clone(), what };
    let file = match Disk.open_read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("it is missing".to_owned())),
        file => file.map_err(BackupError::io("open", &path))?,
    };
    let len = FsFile::len(&file).map_err(BackupError::io("read", &path))?;
    let crc32c = copy(|buf, at| FsFile::read_at(&file, buf, at), len, &partial.join(&entry.name), &path)?;
    if len != entry.bytes {
        return Err(damaged(format!("it has {len} bytes, the manifest says {}", entry.bytes)));
    }
    if crc32c != entry.crc32c {
        return Err(damaged("it fails its checksum".to_owned()));
    }
    Ok(())
}

/// From the file, or from the manifest where a damaged backup lacks it.
fn read_identities(partial: &Path, manifest: &Manifest) -> io::Result<Identities> {
    let file = read_small(&partial.join(IDENTITY_FILE), IDENTITY_BYTES_MAX).ok();
    let read = file.and_then(|bytes| Identities::parse(std::str::from_utf8(&bytes).ok()?).ok());
    read.map_or_else(|| Identities::parse(&manifest.identities), Ok)
}

/// The number that the next start of this log takes.
fn next_epoch(log: &Path) -> Result<StartEpoch, BackupError> {
    let (probes, _) = probe_all(&Disk, log, false)?;
    let last = probes.iter().filter_map(|probe| probe.header).map(|header| header.epoch.0).max().unwrap_or(0);
    Ok(StartEpoch(last.saturating_add(1)))
}
