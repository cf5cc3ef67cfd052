//! One disk: make it, cut its power, let it fail.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::stack::{Places, Stack};
use super::stale;
use crate::{Failure, skip};

/// A file system the gateway is promised on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// ext4 with its defaults (`data=ordered`).
    Ext4,
    /// XFS with its defaults.
    Xfs,
}

impl FileSystem {
    /// As `mount -t` wants it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }
}

impl std::str::FromStr for FileSystem {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ext4" => Ok(Self::Ext4),
            "xfs" => Ok(Self::Xfs),
            _ => Err(format!("file system is {text:?}, wanted ext4 or xfs")),
        }
    }
}

/// What [`Disk::fail`] makes go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// The disk is sound.
    #[default]
    None,
    /// Every write is answered with EIO.
    Writes,
    /// Writes are taken into the disk's cache, flushing them is answered with EIO.
    Flushes,
}

/// What disk it is.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// What it is formatted with.
    pub fs: FileSystem,
    /// Room, bytes; XFS wants 300 MB at least. The medium is sparse and lies in memory where it can.
    pub bytes: u64,
    /// What it can be told to do wrong.
    pub fault: Fault,
    /// It answers flushes without doing them: the negative control, on which every promise must break.
    pub ignores_flushes: bool,
    /// How long it takes to write back what a flush has to, ms: a flush of the end of a log is one such write, one that
    /// changes the file system's own records one or two more. 0: as fast as it can.
    pub flush_delay_ms: u32,
}

impl Setup {
    /// A sound disk of 512 MB.
    pub fn new(fs: FileSystem) -> Self {
        Self { fs, bytes: 512 << 20, fault: Fault::None, ignores_flushes: false, flush_delay_ms: 0 }
    }
}

/// A formatted, mounted disk under power. Taken down on drop.
pub struct Disk {
    places: Places,
    setup: Setup,
    stack: Option<Stack>,
}

impl Disk {
    /// Makes, formats and mounts one.
    ///
    /// # Errors
    /// A tool is missing or refuses.
    pub fn new(setup: Setup) -> Result<Self, Failure> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        stale::remove();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = stale::home().join(format!("{}{}-{number}", stale::PREFIX, std::process::id()));
        fs::create_dir_all(&folder)?;
        let mut disk = Self { places: Places(folder), setup, stack: None };
        disk.format()?;
        Ok(disk)
    }

    /// Where it is mounted while it has power.
    pub fn path(&self) -> PathBuf {
        self.places.mount()
    }

    /// Kills what stands for the drive's power: from here on nothing is kept, and every access ends with EIO. Whoever
    /// uses the disk is to be killed next, as a power cut would have done.
    pub fn cut_power(&mut self) {
        if let Some(stack) = &mut self.stack {
            stack.kill();
        }
    }

    /// Mounts what was durable; a disk that had been told to fail is sound again.
    ///
    /// # Errors
    /// The file system cannot be mounted.
    pub fn power_up(&mut self) -> Result<(), Failure> {
        self.take_down()?;
        self.fail(false)?;
        self.stack = Some(Stack::start(&self.places, &self.setup)?);
        Ok(())
    }

    /// Unmounts in good order, formats anew, mounts.
    ///
    /// # Errors
    /// A tool refuses, or a process still uses the disk.
    pub fn format(&mut self) -> Result<(), Failure> {
        if let Some(stack) = self.stack.take() {
            stack.shut_down(&self.places)?;
        }
        let medium = self.places.medium();
        File::create(&medium)?.set_len(self.setup.bytes)?;
        let mut mkfs = Command::new(format!("mkfs.{}", self.setup.fs.name()));
        if self.setup.flush_delay_ms > 0 && self.setup.fs == FileSystem::Ext4 {
            // Else the kernel clears the tables later, through the slow disk, while something is measured.
            mkfs.args(["-E", "lazy_itable_init=0,lazy_journal_init=0"]);
        }
        let output = mkfs.arg("-q").arg(&medium).output()?;
        if !output.status.success() {
            return Err(format!("mkfs: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
        }
        self.power_up()
    }

    /// Starts or ends the [`Fault`] of the setup.
    ///
    /// # Errors
    /// The trigger's file cannot be made or removed.
    pub fn fail(&self, on: bool) -> Result<(), Failure> {
        let trigger = self.places.trigger();
        if on {
            File::create(trigger)?;
        } else if trigger.exists() {
            fs::remove_file(trigger)?;
        }
        Ok(())
    }

    fn take_down(&mut self) -> Result<(), Failure> {
        match self.stack.take() {
            Some(mut stack) => {
                stack.kill();
                stack.take_down(&self.places)
            }
            None => Ok(()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What cannot be taken down now is found by the next run, by its name.
        drop(self.take_down());
        drop(fs::remove_dir_all(&self.places.0));
    }
}

/// Whether disks can be made here; a loud skip, or with CI=true a failure, when not.
pub fn is_possible_or_skip() -> bool {
    let missing = missing();
    if let Some(missing) = &missing {
        skip(&format!("the power-cut rig wants {missing}"));
    }
    missing.is_none()
}

fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("root".to_owned());
    }
    let devices = ["/dev/fuse", "/dev/loop-control"].into_iter().find(|path| !Path::new(path).exists());
    let programs = || {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let is_there = |name: &str| std::env::split_paths(&folders).any(|folder| folder.join(name).exists());
        ["nbdkit", "nbdfuse", "mount", "mkfs.ext4", "mkfs.xfs"].into_iter().find(|name| !is_there(name))
    };
    devices.or_else(programs).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Writes two files, syncs one of them, cuts; which of them are whole afterwards.
    fn synced_and_unsynced(setup: Setup) -> Result<(bool, bool), Failure> {
        let mut disk = Disk::new(setup)?;
        let folder = disk.path();
        let (synced, unsynced) = (folder.join("synced"), folder.join("unsynced"));
        let mut file = File::create(&synced)?;
        file.write_all(b"here")?;
        file.sync_all()?;
        File::open(&folder)?.sync_all()?;
        drop(file);
        fs::write(&unsynced, b"here")?;
        disk.cut_power();
        disk.power_up()?;
        let is_whole = |path: &Path| fs::read(path).is_ok_and(|bytes| bytes == b"here");
        Ok((is_whole(&synced), is_whole(&unsynced)))
    }

    #[test]
    fn a_cut_keeps_what_was_synced_and_nothing_else() {
        if !is_possible_or_skip() {
            return;
        }
        for fs in [FileSystem::Ext4, FileSystem::Xfs] {
            let kept = synced_and_unsynced(Setup::new(fs)).expect("the rig works");
            assert_eq!(kept, (true, false), "{fs:?}");
            let liar = Setup { ignores_flushes: true, ..Setup::new(fs) };
            assert_eq!(synced_and_unsynced(liar).expect("the rig works"), (false, false), "{fs:?} without flushes");
        }
    }

    #[test]
    fn a_disk_told_to_fail_fails_and_recovers() {
        if !is_possible_or_skip() {
            return;
        }
        for fault in [Fault::Writes, Fault::Flushes] {
            let disk = Disk::new(Setup { fault, ..Setup::new(FileSystem::Ext4) }).expect("the rig works");
            let write = |name: &str| {
                let mut file = File::create(disk.path().join(name))?;
                file.write_all(b"here")?;
                file.sync_all()
            };
            write("before").expect("sound");
            disk.fail(true).expect("a trigger");
            assert!(write("during").is_err(), "{fault:?}");
        }
    }
}
