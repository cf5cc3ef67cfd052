//! Looking a log over without changing it, with or without a gateway running on it.

use std::ops::{ControlFlow, RangeInclusive};
use std::path::Path;

use super::error::{Damage, Finding, StoreError};
use super::folder::{Folder, footer};
use super::format::HEADER_LEN;
use super::fs::{Fs, FsFile};
use super::reader::Reader;
use super::segment;
use crate::record::{Offset, Record};

/// Bytes read between two reports of progress.
const STEP: usize = 1 << 20;

/// How far [`verify`] has come, in bytes on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Looked over.
    pub done: u64,
    /// To look over in all.
    pub total: u64,
}

/// What [`verify`] saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Segments that hold records.
    pub segments: usize,
    /// Intact records.
    pub records: u64,
    /// Their bytes on disk.
    pub bytes: u64,
    /// First and last offset.
    pub offsets: Option<RangeInclusive<Offset>>,
    /// Everything that is not as it was written.
    pub findings: Vec<Finding>,
}

/// Reads every record and footer of a log and checks every checksum.
///
/// # Errors
/// [`StoreError::Newer`] and [`StoreError::Io`]; damage is a finding, not an error.
pub fn verify<F: Fs>(fs: &F, dir: &Path, mut progress: impl FnMut(Progress)) -> Result<Verified, StoreError> {
    let (folder, findings) = Folder::look(fs.clone(), dir)?;
    let folder = std::sync::Arc::new(folder);
    let entries = folder.entries();
    let total = entries.iter().filter_map(|entry| entry.end).sum();
    let mut seen = Verified { segments: entries.len(), findings, ..Verified::default() };
    let mut reader = Reader::new(std::sync::Arc::clone(&folder), Offset(0));
    loop {
        let batch = reader.next(STEP)?;
        if batch.is_empty() {
            break;
        }
        seen.records += batch.records.len() as u64;
        seen.bytes += batch.bytes as u64;
        if let (Some(first), Some(last)) = (batch.records.first(), batch.records.last()) {
            let start = seen.offsets.as_ref().map_or(first.offset, |offsets| *offsets.start());
            seen.offsets = Some(start..=last.offset);
        }
        for finding in batch.findings {
            // What is missing was seen before reading.
            if !seen.findings.contains(&finding) {
                seen.findings.push(finding);
            }
        }
        progress(Progress { done: seen.bytes.min(total), total });
    }
    for entry in &entries {
        let Some(end) = entry.end else { continue };
        let segment = entry.header.segment;
        let path = segment::path(dir, segment);
        let told = seen.findings.iter().any(|finding| finding.segment == segment && finding.bytes.start == end);
        if !told && !footer_is_sound(fs, &path, entry, end).map_err(StoreError::io("read segment", &path))? {
            let bytes = end..end + HEADER_LEN as u64;
            seen.findings.push(Finding { segment, bytes, offsets: None, what: Damage::Footer });
        }
    }
    progress(Progress { done: total, total });
    Ok(seen)
}

/// A footer may be missing, but not be there and damaged.
fn footer_is_sound<F: Fs>(fs: &F, path: &Path, entry: &super::folder::Entry, end: u64) -> std::io::Result<bool> {
    let file = fs.open_read(path)?;
    if let Some((at, footer)) = footer::<F>(&file, &entry.header)? {
        return Ok(at == end && footer.intact && footer.summary().is_some());
    }
    let mut word = [0; 8];
    file.read_at(&mut word, end)?;
    Ok(word == [0; 8])
}

/// What [`dump`] meets, in order.
#[derive(Clone, Debug)]
pub enum Dumped {
    /// A record.
    Record(Record),
    /// Something skipped.
    Finding(Finding),
}

/// Hands over every record of a log with an offset in `offsets`, and what had to be skipped on the way, until `each`
/// says stop.
///
/// # Errors
/// As [`verify`].
pub fn dump<F: Fs>(
    fs: &F,
    dir: &Path,
    offsets: RangeInclusive<Offset>,
    mut each: impl FnMut(Dumped) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let (mut reader, findings) = Reader::over(fs.clone(), dir, *offsets.start())?;
    let mut hand = |dumped| each(dumped).is_break();
    let told = findings.clone();
    if findings.into_iter().any(|finding| hand(Dumped::Finding(finding))) {
        return Ok(());
    }
    loop {
        let batch = reader.next(STEP)?;
        if batch.is_empty() {
            return Ok(());
        }
        let news = batch.findings.into_iter().filter(|finding| !told.contains(finding));
        if news.map(Dumped::Finding).any(&mut hand) {
            return Ok(());
        }
        for record in batch.records {
            if record.offset > *offsets.end() || hand(Dumped::Record(record)) {
                return Ok(());
            }
        }
    }
}
