//! What the system says of a process: memory, processor time, bytes written.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Failure;

/// Files that 10,000 connections and some need, on either side.
const OPEN_FILES: u64 = 65_536;

/// So that this process and those it starts can hold that many connections.
pub(super) fn raise_open_files() -> Result<(), Failure> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= OPEN_FILES) {
        return Ok(());
    }
    let wanted = maximum.map(|maximum| maximum.max(OPEN_FILES));
    let all = Rlimit { current: Some(OPEN_FILES), maximum: wanted };
    if setrlimit(Resource::Nofile, all).is_err() {
        // Not root: as many as are allowed.
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    Ok(())
}

/// Resident memory now, bytes.
pub(super) fn rss(pid: u32) -> Result<f64, Failure> {
    status(pid, "VmRSS:")
}

/// Most resident memory ever, bytes.
pub(super) fn rss_peak(pid: u32) -> Result<f64, Failure> {
    status(pid, "VmHWM:")
}

fn status(pid: u32, key: &str) -> Result<f64, Failure> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)).ok_or_else(|| format!("no {key} of {pid}"))?;
    let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024.0)
}

/// Processor time of all threads that still are, seconds.
pub(super) fn cpu_s(pid: u32) -> Result<f64, Failure> {
    let mut ns = 0.0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while it is looked at.
        let text = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        ns += text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0);
    }
    Ok(ns / 1e9)
}

/// Bytes handed to write calls, and bytes sent to the disk, since it started.
pub(super) fn written(pid: u32) -> Result<(f64, f64), Failure> {
    let text = fs::read_to_string(format!("/proc/{pid}/io"))?;
    let field = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.and_then(|value| value.trim().parse::<f64>().ok()).ok_or_else(|| format!("no {key} of {pid}"))
    };
    Ok((field("wchar:")?, field("write_bytes:")?))
}

/// A limit on a process's memory, files it has cached included; taken away when dropped.
pub(super) struct MemoryLimit(std::path::PathBuf);

impl MemoryLimit {
    /// `None` where this process may not set one.
    pub(super) fn new(pid: u32, bytes: u64) -> Option<Self> {
        let name = format!("halo-compare-{pid}");
        let limits = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        limits.into_iter().find_map(|(root, file)| {
            let folder = std::path::Path::new(root).join(&name);
            fs::create_dir(&folder).ok()?;
            let limit = Self(folder);
            fs::write(limit.0.join(file), bytes.to_string()).ok()?;
            fs::write(limit.0.join("cgroup.procs"), pid.to_string()).ok()?;
            Some(limit)
        })
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        // The process in it may still be ending; an empty group costs nothing.
        fs::remove_dir(&self.0).ok();
    }
}
