//! The processes and mounts below one folder: nbdkit, nbdfuse, the loop mount.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::mount::{UnmountFlags, unmount};

use super::disk::{Fault, FileSystem, Setup};
use crate::Failure;
use crate::clock::until;

/// Longest wait for any one step; the slowest takes about a tenth of a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest wait for a file system without power to let go; then it is detached and goes by itself.
const UNMOUNT_PATIENCE: Duration = Duration::from_secs(5);

/// Where the parts of one disk lie.
pub(super) struct Places(pub(super) PathBuf);

impl Places {
    pub(super) fn medium(&self) -> PathBuf {
        self.0.join("medium.img")
    }
    fn socket(&self) -> PathBuf {
        self.0.join("nbd.sock")
    }
    /// Exists while the disk is to fail.
    pub(super) fn trigger(&self) -> PathBuf {
        self.0.join("fail")
    }
    pub(super) fn fuse(&self) -> PathBuf {
        self.0.join("fuse")
    }
    pub(super) fn mount(&self) -> PathBuf {
        self.0.join("mnt")
    }
}

/// A disk under power, mounted.
pub(super) struct Stack {
    nbdkit: Child,
    nbdfuse: Child,
}

impl Stack {
    /// Brings everything up on what the medium holds.
    pub(super) fn start(places: &Places, setup: &Setup) -> Result<Self, Failure> {
        fs::create_dir_all(places.fuse())?;
        fs::create_dir_all(places.mount())?;
        match fs::remove_file(places.socket()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let nbdkit = quiet(nbdkit(places, setup)).spawn()?;
        let mut fuse = Command::new("nbdfuse");
        let device = places.fuse().join("disk");
        fuse.arg(&device).arg("--unix").arg(places.socket());
        // From here on both end with the stack, also when a step fails.
        let socket = places.socket();
        let answers = until("nbdkit", PATIENCE, || UnixStream::connect(&socket).ok());
        let nbdfuse = quiet(fuse).spawn()?;
        let mut stack = Self { nbdkit, nbdfuse };
        let mounted = answers.and_then(|_| until("nbdfuse", PATIENCE, || device.is_file().then_some(())));
        match mounted.and_then(|()| mount(setup.fs, &device, &places.mount())) {
            Ok(()) => Ok(stack),
            Err(error) => {
                stack.kill();
                stack.take_down(places)?;
                Err(error)
            }
        }
    }

    /// The power cut: from here on nothing reaches the medium, and the volatile cache is gone.
    pub(super) fn kill(&mut self) {
        for child in [&mut self.nbdkit, &mut self.nbdfuse] {
            // It may have ended by itself; either way it is reaped.
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Unmounts what has no power any more.
    pub(super) fn take_down(self, places: &Places) -> Result<(), Failure> {
        let mount = places.mount();
        let gone = until("the unmount", UNMOUNT_PATIENCE, || match unmount(&mount, UnmountFlags::empty()) {
            Err(rustix::io::Errno::BUSY) => None,
            // Never mounted, or unmounted already.
            Ok(()) | Err(_) => Some(()),
        });
        if gone.is_err() {
            unmount(&mount, UnmountFlags::DETACH)?;
        }
        match unmount(places.fuse(), UnmountFlags::DETACH) {
            Ok(()) | Err(rustix::io::Errno::INVAL) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Unmounts in good order: everything reaches the medium.
    pub(super) fn shut_down(mut self, places: &Places) -> Result<(), Failure> {
        unmount(places.mount(), UnmountFlags::empty())?;
        self.kill();
        self.take_down(places)
    }
}

fn nbdkit(places: &Places, setup: &Setup) -> Command {
    let mut command = Command::new("nbdkit");
    command.args(["--foreground", "--unix"]).arg(places.socket());
    // The first filter is the outermost: above the cache a write fails as the file system hands it over, below it the
    // write-back fails, and with it the flush.
    command.args(match setup.fault {
        Fault::None => &["--filter=cache"][..],
        Fault::Writes => &["--filter=error", "--filter=cache"],
        Fault::Flushes => &["--filter=cache", "--filter=error"],
    });
    if setup.flush_delay_ms > 0 {
        // Below the cache, whose blocks are large so that one flush writes back few of them.
        command.arg("--filter=delay");
    }
    command.arg("file").arg(places.medium());
    if setup.flush_delay_ms > 0 {
        command.arg(format!("delay-write={}ms", setup.flush_delay_ms)).arg("cache-min-block-size=1M");
    }
    command.arg(if setup.ignores_flushes { "cache=unsafe" } else { "cache=writeback" });
    if setup.fault != Fault::None {
        let trigger = places.trigger();
        command.args(["error=EIO", "error-pwrite-rate=100%", "error-zero-rate=100%", "error-trim-rate=100%"]);
        for call in ["pwrite", "zero", "trim"] {
            command.arg(format!("error-{call}-file={}", trigger.display()));
        }
    }
    // The cache is a file without a name; beside the medium, so that it is memory where the medium is.
    command.env("TMPDIR", &places.0);
    command
}

/// With `loop` the kernel lets go of the loop device when the file system does.
fn mount(fs: FileSystem, device: &Path, at: &Path) -> Result<(), Failure> {
    let output = Command::new("mount").args(["-t", fs.name(), "-o", "loop"]).arg(device).arg(at).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("mount {}: {}", device.display(), String::from_utf8_lossy(&output.stderr).trim()).into())
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
