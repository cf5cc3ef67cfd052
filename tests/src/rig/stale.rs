//! What a killed test run has left behind: found by name, taken down once its process is gone.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process};

/// How the folder of every disk begins; the process's id follows.
pub(super) const PREFIX: &str = "halo-rig-";

/// Memory where there is some, so that the medium costs no disk.
pub(super) fn home() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

/// Takes down the disks of processes that are gone. What resists stays for the next time.
pub(super) fn remove() {
    for entry in fs::read_dir(home()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split('-').next());
        if let Some(owner) = owner.and_then(|owner| owner.parse::<u32>().ok())
            && !Path::new("/proc").join(owner.to_string()).exists()
        {
            take_down(&entry.path());
        }
    }
}

fn take_down(folder: &Path) {
    for pid in servers_of(folder) {
        kill_process(pid, Signal::KILL).ok();
    }
    for mount in ["mnt", "fuse"] {
        unmount(folder.join(mount), UnmountFlags::DETACH).ok();
    }
    drop(fs::remove_dir_all(folder));
}

/// The nbdkit and nbdfuse processes that name `folder` in their arguments.
fn servers_of(folder: &Path) -> Vec<Pid> {
    let folder = format!("{}/", folder.display());
    let serves = |process: &Path| {
        let line = fs::read(process.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        (line.starts_with("nbdkit") || line.starts_with("nbdfuse")) && line.contains(&folder)
    };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter(|process| serves(&process.path()))
        .filter_map(|process| process.file_name().to_str()?.parse().ok().and_then(Pid::from_raw))
        .collect()
}
