//! The file system as the log sees it: a small seam with the real disk behind it ([`Disk`]) or a twin in memory that
//! forgets, tears and fails on demand ([`mem::MemFs`]).
//!
//! Assumed of the medium: a 512-byte sector is written whole or not at all; what [`FsFile::sync_data`] or
//! [`Fs::sync_dir`] reported as done survives a power cut; anything else may survive in any subset. After a failed
//! sync the pages count as clean and are gone: a second sync says "done" and proves nothing.

use std::io;
use std::path::Path;

mod disk;
pub mod mem;

pub use disk::Disk;

/// A place with folders and files.
pub trait Fs: Clone + Send + Sync + 'static {
    /// An open file.
    type File: FsFile;
    /// Held as long as a folder is ours; dropping it lets go.
    type Lock: Send + Sync + 'static;

    /// Creates a folder and its parents, durably; fine if it exists.
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        if self.make_dir(dir)? { self.sync_dir(parent(dir)) } else { Ok(()) }
    }
    /// Creates a folder, and its parents durably; whether it was not there. Its own name is durable only after
    /// [`Fs::sync_dir`] of its [`parent`], which can stand for several changes there.
    fn make_dir(&self, dir: &Path) -> io::Result<bool>;
    /// Creates a file of `len` zero bytes with its space allocated. The name is durable only after [`Fs::sync_dir`].
    fn create_new(&self, path: &Path, len: u64) -> io::Result<Self::File>;
    /// Opens a file to read and write.
    fn open(&self, path: &Path) -> io::Result<Self::File>;
    /// Opens a file to read only.
    fn open_read(&self, path: &Path) -> io::Result<Self::File>;
    /// Names of the files in a folder, in no order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Renames within a folder.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes created, renamed and removed names of a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Takes the lock file at `path` for this process; [`io::ErrorKind::WouldBlock`] when somebody else has it.
    fn lock(&self, path: &Path) -> io::Result<Self::Lock>;
}

/// The folder in which the name of a file or folder stands.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// An open file; positions are bytes from its start, handles may be shared between threads.
pub trait FsFile: Send + Sync + 'static {
    /// Reads up to `buf.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize>;
    /// Writes all of `bytes`; after an error any part of them may be there.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;
    /// Makes content and length durable.
    fn sync_data(&self) -> io::Result<()>;
    /// Cuts or extends with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the length is zero.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Forgets cached clean pages, so that the next read asks the disk and not the memory of a failed write.
    fn drop_cache(&self) -> io::Result<()>;
}
