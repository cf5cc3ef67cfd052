//! The folder in which a backup or a restored data folder is built, until it has its name.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use super::{ACCOUNTS_FILE, BackupError, MANIFEST};
use crate::store::fs::{Disk, Fs};
use crate::store::identity::IDENTITY_FILE;
use crate::store::removed::REMOVED_FILE;
use crate::store::replaying::SKIPPED_FILE;
use crate::store::{LOG_FOLDER, segment};

/// Locked while somebody builds; not in the folder by the time it is finished.
const LOCK: &str = "lock";

/// `<target>.partial`, and the right to build in it.
pub(super) struct Partial {
    path: PathBuf,
    _lock: File,
}

impl Partial {
    /// Makes the folder of a target, or takes over what an interrupted attempt left.
    ///
    /// # Errors
    /// [`BackupError::Busy`] while somebody else builds there.
    pub(super) fn take(target: &Path) -> Result<Self, BackupError> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let path = target.with_file_name(name);
        Disk.create_dir(&path).map_err(BackupError::io("create folder", &path))?;
        let lock = path.join(LOCK);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock);
        let file = file.map_err(BackupError::io("create", &lock))?;
        match file.try_lock() {
            Ok(()) if is_still(&file, &lock) => Ok(Self { path, _lock: file }),
            // Whoever had it has finished meanwhile.
            Ok(()) | Err(TryLockError::WouldBlock) => Err(BackupError::Busy(target.to_owned())),
            Err(TryLockError::Error(error)) => Err(BackupError::io("lock", &lock)(error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Empties it and makes it private, because what a data folder holds concerns its owner alone: only files of ours, so that a folder of that name which is not ours stays.
    pub(super) fn clear(&self) -> Result<(), BackupError> {
        let log = self.path.join(LOG_FOLDER);
        for dir in [&log, &self.path] {
            let entries = match fs::read_dir(dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(BackupError::io("list", dir))?,
            };
            for entry in entries {
                let path = entry.map_err(BackupError::io("list", dir))?.path();
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                if name == LOCK {
                    continue;
                }
                let ours = [IDENTITY_FILE, "identity.new", ACCOUNTS_FILE, REMOVED_FILE, SKIPPED_FILE, MANIFEST];
                if !ours.contains(&name) && segment::number(name).is_none() {
                    // It has no business there.
                    fs::remove_file(self.path.join(LOCK)).ok();
                    return Err(BackupError::Exists(self.path.clone()));
                }
                fs::remove_file(&path).map_err(BackupError::io("remove", &path))?;
            }
            if *dir == log {
                fs::remove_dir(dir).map_err(BackupError::io("remove", dir))?;
            }
        }
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(&self.path, private).map_err(BackupError::io("restrict", &self.path))
    }

    /// Removes it, as far as it is ours.
    pub(super) fn discard(self) {
        // What is left of it is cleared by the next attempt.
        if self.clear().is_ok() && fs::remove_file(self.path.join(LOCK)).is_ok() {
            fs::remove_dir(&self.path).ok();
        }
    }

    /// Gives it its name.
    pub(super) fn finish(self, target: &Path) -> Result<(), BackupError> {
        fs::rename(&self.path, target).map_err(BackupError::io("rename", &self.path))?;
        let lock = target.join(LOCK);
        fs::remove_file(&lock).map_err(BackupError::io("remove", &lock))?;
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Disk.sync_dir(parent).map_err(BackupError::io("sync folder", parent))
    }
}

/// Whether `path` still is the file that was opened there.
fn is_still(file: &File, path: &Path) -> bool {
    let place = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    file.metadata().map(place).ok().is_some_and(|opened| fs::metadata(path).map(place).is_ok_and(|it| it == opened))
}

/// Whether `target`, which need not exist, is in `folder`, by whatever links it is reached.
pub(super) fn is_within(target: &Path, folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return false };
    let target = std::path::absolute(target).unwrap_or_else(|_| target.to_owned());
    let there = target.ancestors().find_map(|it| Some((it.canonicalize().ok()?, target.strip_prefix(it).ok()?)));
    let Some((mut there, rest)) = there else { return false };
    for step in rest.components() {
        // What does not exist yet is made as it is written: no link is in it.
        match step {
            Component::ParentDir => drop(there.pop()),
            step => there.push(step),
        }
    }
    there.starts_with(folder)
}
