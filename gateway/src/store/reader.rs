//! Pulls durable records from the files, at its own pace: the log never waits for a reader.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::durable::Durable;
use super::error::{Finding, StoreError};
use super::folder::{Entry, Folder};
use super::fs::Fs;
use super::scan::WINDOW;
use super::segment;
use super::walk::{Walk, Walked};
use crate::record::{Offset, Record};

/// Reads a log from an offset on, in order, across segments. Payloads are slices of what was read, not copies.
pub struct Reader<F: Fs> {
    folder: Arc<Folder<F>>,
    from: Offset,
    open: Option<Open<F>>,
}

struct Open<F: Fs> {
    number: u64,
    file: F::File,
    walk: Walk,
}

/// Why a walk over records pauses.
enum Stop {
    Enough,
    Found(Finding),
    End,
}

/// What one call of [`Reader::next`] yields.
#[derive(Debug, Default)]
pub struct Batch {
    /// Records in offset order.
    pub records: Vec<Record>,
    /// What was skipped on the way because it is damaged or unknown.
    pub findings: Vec<Finding>,
    /// Bytes on disk of the records.
    pub bytes: usize,
}

impl Batch {
    /// Whether there was nothing to read yet.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.findings.is_empty()
    }
}

impl<F: Fs> Reader<F> {
    pub(crate) fn new(folder: Arc<Folder<F>>, from: Offset) -> Self {
        Self { folder, from, open: None }
    }

    /// The folder it reads.
    pub(crate) fn folder(&self) -> &Arc<Folder<F>> {
        &self.folder
    }

    /// Another reader of the same log, from `from` on.
    pub fn at(&self, from: Offset) -> Self {
        Self::new(Arc::clone(&self.folder), from)
    }

    /// A reader over a folder that nobody need have open; it sees what was whole at this moment. Also what is wrong
    /// with headers and ends.
    ///
    /// # Errors
    /// [`StoreError::Newer`] and [`StoreError::Io`].
    pub fn over(fs: F, dir: &Path, from: Offset) -> Result<(Self, Vec<Finding>), StoreError> {
        let (folder, findings) = Folder::look(fs, dir)?;
        Ok((Self::new(Arc::new(folder), from), findings))
    }

    /// The offset after the last record read: where another reader could go on.
    pub fn position(&self) -> Offset {
        self.from
    }

    /// The watermark this reader follows; wait on it for more.
    pub fn durable(&self) -> &Arc<Durable> {
        &self.folder.durable
    }

    /// The next durable records: at least one if there is one, no more once `max_bytes` on disk are reached. Empty when
    /// everything durable has been read; never blocks on the log.
    ///
    /// # Errors
    /// [`StoreError::Io`]; the same records are read again by the next call.
    pub fn next(&mut self, max_bytes: usize) -> Result<Batch, StoreError> {
        let from = self.from;
        self.pull(max_bytes).inspect_err(|_| {
            self.from = from;
            self.open = None;
        })
    }

    fn pull(&mut self, max_bytes: usize) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        while batch.bytes < max_bytes.max(1) {
            if self.open.is_none() && !self.open_segment(&mut batch)? {
                break;
            }
            let Some(number) = self.open.as_ref().map(|open| open.number) else { continue };
            let head = self.folder.durable.head();
            let (entry, after) = self.folder.at(number);
            let Some(entry) = entry else {
                // Retention took it: go on with what is first now.
                self.open = None;
                continue;
            };
            let (limit, next) = match entry.end {
                _ if head.segment == number && !head.closed => (head.position, Some(head.next)),
                Some(end) => (end, after.map(|after| after.first)),
                None if head.segment == number => (head.position, Some(head.next)),
                None => break,
            };
            match self.walk(limit, next, max_bytes, &mut batch)? {
                Stop::Enough => break,
                Stop::Found(finding) => self.found(finding, &mut batch),
                Stop::End if head.segment == number => break,
                Stop::End => {
                    let Some(after) = after else { break };
                    let Some(expected) = self.open.as_ref().map(|open| open.walk.expected()) else { continue };
                    batch.findings.extend(self.folder.lost_between(number, expected, &after));
                    self.enter(after, expected)?;
                }
            }
        }
        Ok(batch)
    }

    /// Takes in the records before `limit`, until there are enough or something else comes.
    fn walk(
        &mut self,
        limit: u64,
        next: Option<Offset>,
        max_bytes: usize,
        batch: &mut Batch,
    ) -> Result<Stop, StoreError> {
        let Some(open) = &mut self.open else { return Ok(Stop::End) };
        loop {
            let walked = open.walk.next(&open.file, limit, next).map_err(|error| {
                // The path is for whoever reads the error: it is not made for every record.
                StoreError::io("read segment", segment::path(&self.folder.dir, open.number))(error)
            })?;
            match walked {
                Walked::Record(record, at) if record.offset >= self.from => {
                    self.from = Offset(record.offset.0 + 1);
                    batch.bytes += (at.end - at.start) as usize;
                    batch.records.push(record);
                }
                Walked::Record(..) => {}
                Walked::Found(finding) => return Ok(Stop::Found(finding)),
                Walked::End => return Ok(Stop::End),
            }
            if batch.bytes >= max_bytes.max(1) {
                return Ok(Stop::Enough);
            }
        }
    }

    /// Damage before the place we read from was another reader's to report.
    fn found(&mut self, finding: Finding, batch: &mut Batch) {
        if finding.offsets.as_ref().is_some_and(|offsets| *offsets.end() < self.from) {
            return;
        }
        batch.findings.push(self.folder.explain(finding));
    }

    fn open_segment(&mut self, batch: &mut Batch) -> Result<bool, StoreError> {
        let Some((entry, is_first)) = self.folder.find(self.from) else { return Ok(false) };
        // Only a segment without one before it has to vouch for its own beginning.
        let expected = if is_first { entry.first.min(entry.header.floor) } else { entry.first };
        self.enter(entry, expected)?;
        if is_first && self.open.is_some() {
            self.folder.lost_before(&entry).into_iter().for_each(|finding| self.found(finding, batch));
        }
        Ok(true)
    }

    /// Opens a segment, unless retention took it meanwhile: then none is open, and the first that is left comes next.
    fn enter(&mut self, Entry { header, .. }: Entry, expected: Offset) -> Result<(), StoreError> {
        self.open = None;
        let path = segment::path(&self.folder.dir, header.segment);
        let file = match self.folder.fs.open_read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && self.folder.has_removed(header.segment) => {
                return Ok(());
            }
            file => file.map_err(StoreError::io("open segment", path))?,
        };
        let walk = Walk::new(&header, expected, WINDOW);
        self.open = Some(Open { number: header.segment, file, walk });
        Ok(())
    }
}
