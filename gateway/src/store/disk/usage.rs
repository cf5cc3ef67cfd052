//! What stands in the data folder: every file and folder counts.

use std::fs::{Metadata, ReadDir};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What stands in the data folder now, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Everything, the state included.
    pub(crate) used: u64,
    /// The state engine's files.
    pub(crate) state: u64,
    /// Free on the volume, for us.
    pub(crate) free: u64,
    /// How many segment files.
    pub(crate) segments: u64,
    /// The file that stands in for the segment set aside for a start; not in `used`.
    pub(crate) spare: u64,
}

/// Adds up the data folder and its subfolders; `state` is how the names of the state engine's files begin.
pub(super) fn measure(dir: &Path, state: &str) -> io::Result<Usage> {
    let mut usage = Usage::default();
    let mut folders: Vec<(PathBuf, bool)> = vec![(dir.to_owned(), false)];
    while let Some((folder, of_state)) = folders.pop() {
        let Some(entries) = entries(&folder)? else { continue };
        for entry in entries {
            let entry = entry?;
            // A file may go before it is looked at.
            let Ok(metadata) = entry.metadata() else { continue };
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let of_state = of_state || name.starts_with(state);
            if metadata.is_dir() {
                folders.push((entry.path(), of_state));
            }
            usage.add(&name, of_state, &metadata);
        }
    }
    let volume = rustix::fs::statvfs(dir)?;
    usage.free = volume.f_bavail.saturating_mul(volume.f_frsize);
    Ok(usage)
}

/// None of a folder that went after it was listed, as that in which the socket is made does. Of the data folder itself
/// the volume will tell.
fn entries(folder: &Path) -> io::Result<Option<ReadDir>> {
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        entries => entries.map(Some),
    }
}

impl Usage {
    /// The same with so much at least for the state, there or still to come.
    pub(super) fn with_state(mut self, least: u64) -> Self {
        let to_come = least.saturating_sub(self.state);
        self.used += to_come;
        self.state += to_come;
        self
    }

    fn add(&mut self, name: &str, of_state: bool, metadata: &Metadata) {
        let bytes = size(metadata);
        if name == crate::store::spare::SPARE_FILE {
            self.spare += bytes;
            return;
        }
        self.used += bytes;
        self.state += if of_state { bytes } else { 0 };
        self.segments += u64::from(crate::store::segment::number(name).is_some());
    }
}

fn size(metadata: &Metadata) -> u64 {
    // Of folders only what is allocated counts: their length is a file system's own affair.
    let length = if metadata.is_file() { metadata.len() } else { 0 };
    length.max(metadata.blocks().saturating_mul(512))
}
