//! A file of JSON lines that survives the simulator's own kill -9: each line is handed to the system at once.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

/// Bytes of lines kept while the file takes nothing.
const PENDING_BYTES_MAX: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct LineFile {
    file: File,
    /// What is not yet in the file; empty unless writing failed.
    pending: Vec<u8>,
    /// Set when the bound was reached while the file took nothing: the file is incomplete from there on.
    failed: Option<io::ErrorKind>,
}

impl LineFile {
    /// A new file; an existing one is replaced.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::create(path)?, pending: Vec::new(), failed: None })
    }

    /// Writes a line. What fails is kept and tried again with the next line, up to a bound.
    pub(crate) fn push(&mut self, line: &impl Serialize) {
        let kept = self.pending.len();
        match serde_json::to_writer(&mut self.pending, line) {
            Ok(()) => self.pending.push(b'\n'),
            Err(error) => {
                self.pending.truncate(kept);
                tracing::error!(%error, "line not written");
            }
        }
        if let Err(error) = self.flush()
            && self.pending.len() >= PENDING_BYTES_MAX
        {
            if self.failed.is_none() {
                tracing::error!(%error, "file of lines given up");
            }
            self.failed = Some(error.kind());
            self.pending.clear();
        }
    }

    /// Writes what is pending; takes out only what was written, so that a short write is continued, not repeated.
    ///
    /// # Errors
    /// The file takes nothing; the lines stay and the next call tries again.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if let Some(kind) = self.failed {
            return Err(io::Error::new(kind, "an earlier write failed, later lines are not kept"));
        }
        while !self.pending.is_empty() {
            match self.file.write(&self.pending) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => drop(self.pending.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Asks the disk to keep what was written.
    ///
    /// # Errors
    /// The file cannot be written or synced.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.flush().and_then(|()| self.file.sync_data())
    }
}
