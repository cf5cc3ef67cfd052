//! The real disk: std for almost everything, rustix for allocation and cache advice.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Advice, FallocateFlags};

use super::{Fs, FsFile, parent};

/// A lock that was let go may be held a moment longer by a process that is being started: it inherits all that is open until
/// it becomes another program. How often, and how long apart, a taken lock is tried.
const LOCK_TRIES: u32 = 15;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Bytes written at a time where a file system cannot allocate.
const FILL: usize = 256 * 1024;

/// The operating system's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Fs for Disk {
    type File = File;
    type Lock = File;

    fn make_dir(&self, dir: &Path) -> io::Result<bool> {
        if dir.as_os_str().is_empty() || dir.is_dir() {
            return Ok(false);
        }
        self.create_dir(parent(dir))?;
        match fs::create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(true),
        }
    }

    fn create_new(&self, path: &Path, len: u64) -> io::Result<File> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, len) {
            Ok(()) => {}
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL) => {
                fill(&file, len)?;
            }
            Err(errno) => return Err(errno.into()),
        }
        Ok(file)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open(path)
    }

    fn open_read(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<File> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl FsFile for File {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match FileExt::read_at(self, rest, position + done as u64) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.write_all_at(bytes, position)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn drop_cache(&self) -> io::Result<()> {
        Ok(rustix::fs::fadvise(self, 0, None, Advice::DontNeed)?)
    }
}

fn fill(file: &File, len: u64) -> io::Result<()> {
    let zeros = vec![0; FILL];
    let mut position = 0;
    while position < len {
        let part = usize::try_from(len - position).map_or(FILL, |rest| rest.min(FILL));
        file.write_all_at(zeros.get(..part).unwrap_or_default(), position)?;
        position += part as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_locked_once_is_not_locked_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Disk.lock(&path).unwrap();
        assert_eq!(Disk.lock(&path).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(held);
        assert!(Disk.lock(&path).is_ok());
    }

    #[test]
    fn a_new_file_reads_as_zeros_up_to_its_length() {
        let dir = tempfile::tempdir().unwrap();
        let nested = dir.path().join("a/b");
        Disk.create_dir(&nested).unwrap();
        let file = Disk.create_new(&nested.join("x"), 10_000).unwrap();
        let mut buf = vec![1; 20_000];
        assert_eq!(FsFile::read_at(&file, &mut buf, 0).unwrap(), 10_000);
        assert!(buf[..10_000].iter().all(|byte| *byte == 0));
        assert_eq!(Disk.list(&nested).unwrap(), ["x"]);
    }
}
