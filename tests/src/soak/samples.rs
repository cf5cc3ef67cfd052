//! The gateway looked at from outside, again and again, and what of it grows.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;

use crate::Failure;
use crate::clock::{Stopwatch, pass};

/// Between two looks at the disk.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Looks at the disk in one sample.
const LOOKS: u32 = 20;
/// Rise over the stretch looked at that is no leak, bytes: allocators and caches settle.
const RSS_RISE_MAX: f64 = (8_u64 << 20) as f64;
/// The same of open files: connections that come and go.
const FILES_RISE_MAX: f64 = 16.0;

/// The gateway at one moment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sample {
    /// Milliseconds since the run's beginning.
    pub at_ms: u64,
    /// Resident memory, bytes; 0 = the gateway was down.
    pub rss: u64,
    /// Open files; 0 = the gateway was down.
    pub files: u64,
    /// The most the data folder took since the sample before, bytes: of each file the larger of length and allocation.
    pub disk: u64,
    /// Whether the fleet was there: at quiet points it is not.
    pub live: bool,
}

/// Writes down how the gateway is, every second, in a thread of its own.
pub struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    data: PathBuf,
    since: Stopwatch,
    pid: AtomicU32,
    live: AtomicBool,
    over: AtomicBool,
    disk_most: AtomicU64,
    samples: Mutex<Vec<Sample>>,
}

impl Watch {
    /// Begins.
    ///
    /// # Errors
    /// There is no thread.
    pub fn start(data: &Path) -> Result<Self, Failure> {
        let shared = Arc::new(Shared {
            data: data.to_owned(),
            since: Stopwatch::new(),
            pid: AtomicU32::new(0),
            live: AtomicBool::new(true),
            over: AtomicBool::new(false),
            disk_most: AtomicU64::new(0),
            samples: Mutex::default(),
        });
        let of_thread = Arc::clone(&shared);
        let watch = move || {
            while !of_thread.over.load(Ordering::Acquire) {
                of_thread.look();
            }
        };
        let thread = thread::Builder::new().name("watch".to_owned()).spawn(watch)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// The gateway has this process now; 0 = none.
    pub fn is_process(&self, pid: u32) {
        self.shared.pid.store(pid, Ordering::Release);
    }

    /// Whether the fleet is there.
    pub fn is_live(&self, live: bool) {
        self.shared.live.store(live, Ordering::Release);
    }

    /// Time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.shared.since.elapsed()
    }

    /// Every sample so far.
    pub fn samples(&self) -> Vec<Sample> {
        self.shared.samples.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The most the data folder ever took, bytes, seen every 50 ms.
    pub fn disk_most(&self) -> u64 {
        self.shared.disk_most.load(Ordering::Acquire)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // It only looks.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn look(&self) {
        let mut disk = 0;
        for _ in 0..LOOKS {
            pass(LOOK_EVERY);
            disk = disk.max(size(&self.data));
        }
        self.disk_most.fetch_max(disk, Ordering::AcqRel);
        let (rss, files) = process(self.pid.load(Ordering::Acquire)).unwrap_or_default();
        let at_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let sample = Sample { at_ms, rss, files, disk, live: self.live.load(Ordering::Acquire) };
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
    }
}

/// Resident bytes and open files of a process; none when it is not there.
fn process(pid: u32) -> Option<(u64, u64)> {
    if pid == 0 {
        return None;
    }
    let process = PathBuf::from(format!("/proc/{pid}"));
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    let kilobytes: u64 =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok())?;
    Some((kilobytes * 1024, std::fs::read_dir(process.join("fd")).ok()?.count() as u64))
}

/// Bytes a folder takes; what disappears meanwhile counts nothing.
fn size(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len().max(metadata.blocks() * 512),
        Err(_) => 0,
    };
    entries.map(of).sum()
}

/// What grows: a straight line through the samples of one life of the gateway, by least squares.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Growth {
    /// Samples in it: those with the fleet there.
    pub samples: usize,
    /// From the first to the last of them, seconds.
    pub seconds: f64,
    /// Mean resident memory, bytes.
    pub rss_mean: f64,
    /// Slope of it, bytes an hour.
    pub rss_per_hour: f64,
    /// Mean of open files.
    pub files_mean: f64,
    /// Slope of them, files an hour.
    pub files_per_hour: f64,
}

impl Growth {
    /// Of the samples after `from`.
    pub fn of(samples: &[Sample], from: Duration) -> Self {
        let late = samples.iter().filter(|it| u128::from(it.at_ms) >= from.as_millis() && it.live && it.rss > 0);
        let late: Vec<&Sample> = late.collect();
        let hours = |sample: &Sample| sample.at_ms as f64 / 3_600_000.0;
        let points = |of: fn(&Sample) -> u64| late.iter().map(|it| (hours(it), of(it) as f64)).collect::<Vec<_>>();
        let (rss_mean, rss_per_hour) = line(&points(|it| it.rss));
        let (files_mean, files_per_hour) = line(&points(|it| it.files));
        let span_ms = late.last().map_or(0, |it| it.at_ms) - late.first().map_or(0, |it| it.at_ms);
        let seconds = span_ms as f64 / 1_000.0;
        Self { samples: late.len(), seconds, rss_mean, rss_per_hour, files_mean, files_per_hour }
    }

    /// Whether the lines rise by no more than what is no leak, over the time looked at.
    pub fn is_flat(&self) -> bool {
        let hours = self.seconds / 3_600.0;
        let (rss, files) = (self.rss_per_hour * hours, self.files_per_hour * hours);
        self.samples > 1 && rss <= RSS_RISE_MAX && files <= FILES_RISE_MAX
    }
}

/// Mean and slope.
fn line(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len().max(1) as f64;
    let x_mean = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let y_mean = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let xy: f64 = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    let xx: f64 = points.iter().map(|(x, _)| (x - x_mean) * (x - x_mean)).sum();
    (y_mean, if xx > 0.0 { xy / xx } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_s: u64, rss: u64, files: u64) -> Sample {
        Sample { at_ms: at_s * 1_000, rss, files, disk: 0, live: true }
    }

    #[test]
    fn what_rises_by_a_megabyte_a_minute_is_no_flat_line() {
        let rising: Vec<Sample> = (0..1_800).map(|s| sample(s, (50 << 20) + s * (1 << 20) / 60, 220)).collect();
        let growth = Growth::of(&rising, Duration::from_secs(900));
        assert!((growth.rss_per_hour / f64::from(60 << 20) - 1.0).abs() < 0.01, "{growth:?}");
        assert!(!growth.is_flat() && growth.samples == 900);
    }

    #[test]
    fn what_leaks_a_file_a_minute_is_no_flat_line_and_what_goes_up_and_down_is() {
        let leaking: Vec<Sample> = (0..1_800).map(|s| sample(s, 50 << 20, 220 + s / 30)).collect();
        assert!(!Growth::of(&leaking, Duration::ZERO).is_flat());
        let breathing: Vec<Sample> = (0..1_800).map(|s| sample(s, (50 + s % 7) << 20, 200 + s % 20)).collect();
        assert!(Growth::of(&breathing, Duration::ZERO).is_flat());
        assert!(!Growth::of(&[], Duration::ZERO).is_flat(), "nothing seen is nothing proven");
    }
}
