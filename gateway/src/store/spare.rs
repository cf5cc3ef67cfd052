//! Room for the first segment of a start on a full volume: a file of a segment's size beside the segments, allocated
//! while there is room. A start that finds none renames it, so that no byte is free in between for others to take; it is
//! made again when there is room. It holds nothing but perhaps the headers of a segment that it was or nearly became:
//! the epoch in them counts, so a power cut at any moment of the exchange loses none.

use std::io;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::format::{FIRST_ITEM, HEADER_COPY, Header};
use super::fs::{Fs, FsFile};
use super::segment;
use crate::record::StartEpoch;

/// Name of the file within the log's folder.
pub(crate) const SPARE_FILE: &str = "spare";

fn file_of(dir: &Path) -> PathBuf {
    dir.join(SPARE_FILE)
}

/// Whether there is one of `len` bytes.
pub(crate) fn is_there<F: Fs>(fs: &F, dir: &Path, len: u64) -> bool {
    fs.open_read(&file_of(dir)).and_then(|file| file.len()).is_ok_and(|found| found == len)
}

/// The newest start epoch that stands in it.
pub(crate) fn epoch<F: Fs>(fs: &F, dir: &Path) -> Option<StartEpoch> {
    let mut bytes = vec![0; FIRST_ITEM as usize];
    fs.open_read(&file_of(dir)).and_then(|file| file.read_at(&mut bytes, 0)).ok()?;
    let copies = [0, HEADER_COPY].into_iter().filter_map(|at| bytes.get(at as usize..).and_then(Header::decode));
    copies.map(|header| header.epoch).max()
}

/// Makes it of segment `number`, in which there never was a record; false when that does not do.
///
/// # Errors
/// What the system said; the segment is as before.
pub(crate) fn adopt<F: Fs>(fs: &F, dir: &Path, number: u64, len: u64) -> io::Result<bool> {
    let path = segment::path(dir, number);
    let file = fs.open_read(&path)?;
    if file.len()? != len || !segment::is_blank(&file)? {
        return Ok(false);
    }
    fs.rename(&path, &file_of(dir))?;
    fs.sync_dir(dir).map(|()| true)
}

/// Makes one of `len` bytes; one of another size, from other settings, goes.
///
/// # Errors
/// What the system said; there is none then.
pub(crate) fn make<F: Fs>(fs: &F, dir: &Path, len: u64) -> io::Result<()> {
    let path = file_of(dir);
    match fs.remove(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let made = fs.create_new(&path, len).and_then(|file| file.sync_data()).and_then(|()| fs.sync_dir(dir));
    made.inspect_err(|_| {
        // Best effort: what is left of it has another length, or is as good as a whole one.
        fs.remove(&path).ok();
    })
}

/// Makes it segment `header.segment`, as durable as a new one.
pub(crate) fn take<F: Fs>(fs: &F, dir: &Path, header: &Header, len: u64) -> Result<F::File, StoreError> {
    let (path, to) = (file_of(dir), segment::path(dir, header.segment));
    let taken = fs.open(&path).and_then(|file| {
        if file.len()? != len {
            return Err(io::ErrorKind::NotFound.into());
        }
        // Headers first: under its new name it carries this start's epoch from the first moment on.
        segment::write_headers(&file, header)?;
        fs.rename(&path, &to)?;
        fs.sync_dir(dir)?;
        Ok(file)
    });
    taken.map_err(StoreError::io("make a segment of the spare", path))
}
