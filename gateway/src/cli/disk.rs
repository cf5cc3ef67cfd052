//! `halo-gateway check --disk`: how fast the disk of the data folder makes something durable, and whether to believe it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FallocateFlags, FsWord, fallocate, fstatfs};
use serde_json::{Value, json};

use super::Failure;
use crate::clock::stopwatch;

/// What is written and flushed each time: a page, as small commits are.
const PAGE: usize = 4_096;
/// Flushes made at most, and for how long at most; with a disk of 1 s a flush, eight of them all the same.
const FLUSHES_MAX: usize = 1_000;
const FLUSHES_MIN: usize = 8;
const TIME_MAX: Duration = Duration::from_secs(1);
/// No drive with a write-through cache answers faster; what does has a battery, or says "done" too early.
const BELIEVABLE: Duration = Duration::from_micros(30);
/// Publishes that one connection usually has under way: what the simulator's devices do.
const WINDOW: f64 = 20.0;
/// `statfs` of a file system in memory.
const TMPFS: FsWord = 0x0102_1994;

/// Measures the disk under `data_dir`, which need not exist yet.
pub(super) fn measure(data_dir: &Path) -> Result<Measured, Failure> {
    let folder = existing(data_dir)?;
    measure_in(&folder).map_err(|error| format!("measure the disk of {}: {error}", folder.display()).into())
}

/// How long a flush takes, and what follows from it.
pub(super) struct Measured {
    folder: PathBuf,
    /// In room that is allocated and was never written, as a new segment of the log: the file system may have to note
    /// down more than the page.
    fresh: Flushes,
    /// Over bytes that were written before: nothing but the disk.
    in_place: Flushes,
    in_memory: bool,
}

struct Flushes {
    count: usize,
    p50: Duration,
    p99: Duration,
    mean: Duration,
}

impl Measured {
    fn groups_per_s(&self) -> f64 {
        1.0 / self.fresh.mean.as_secs_f64().max(1e-9)
    }

    fn warning(&self) -> Option<&'static str> {
        if self.in_memory {
            return Some("this is memory: an acknowledged frame is gone with the power");
        }
        (self.in_place.p50 < BELIEVABLE).then_some(
            "too fast to be true, unless this disk has a battery: it probably says \"durable\" too early, and an \
             acknowledged frame may be gone after a power cut (try: hdparm -W0, or the cache setting of the host)",
        )
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let ms = |time: Duration| format!("{:.3} ms", time.as_secs_f64() * 1e3);
        let of = |it: &Flushes| format!("p50 {}, p99 {} of {} flushes", ms(it.p50), ms(it.p99), it.count);
        let groups = self.groups_per_s();
        let mut lines = vec![
            format!("disk of {}: 4 KB made durable in new room: {}", self.folder.display(), of(&self.fresh)),
            format!("the same over old bytes: {}", of(&self.in_place)),
            format!(
                "this allows {groups:.0} group commits a second: {:.0} acks/s for one connection with a window of \
                 {WINDOW}, and as many more as there are connections",
                groups * WINDOW
            ),
        ];
        lines.extend(self.warning().map(|warning| format!("warning: {warning}")));
        lines
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let of = |it: &Flushes| json!({"flushes": it.count, "p50_ms": ms(it.p50), "p99_ms": ms(it.p99), "mean_ms": ms(it.mean)});
        let groups = self.groups_per_s();
        json!({
            "folder": self.folder, "bytes": PAGE, "new_room": of(&self.fresh), "in_place": of(&self.in_place),
            "groups_per_s": groups, "window": WINDOW, "acks_per_s_and_connection": groups * WINDOW,
            "in_memory": self.in_memory, "warning": self.warning(),
        })
    }
}

/// The folder itself, or the nearest above it that there is.
fn existing(data_dir: &Path) -> io::Result<PathBuf> {
    let folder = std::path::absolute(data_dir)?;
    let found = folder.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned);
    found.ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn measure_in(folder: &Path) -> io::Result<Measured> {
    let file = Scratch::new(folder)?;
    let in_memory = fstatfs(&file.0)?.f_type == TMPFS;
    let fresh = flushes(&file)?;
    file.0.write_all_at(&vec![0; FLUSHES_MAX * PAGE], 0)?;
    file.0.sync_all()?;
    Ok(Measured { folder: folder.to_owned(), fresh, in_place: flushes(&file)?, in_memory })
}

fn flushes(file: &Scratch) -> io::Result<Flushes> {
    let page = [0xA5; PAGE];
    let (whole, mut times) = (stopwatch(), Vec::with_capacity(FLUSHES_MAX));
    for at in 0..FLUSHES_MAX {
        if at >= FLUSHES_MIN && whole() > TIME_MAX {
            break;
        }
        let watch = stopwatch();
        file.0.write_all_at(&page, (at * PAGE) as u64)?;
        file.0.sync_data()?;
        times.push(watch());
    }
    let mean = times.iter().sum::<Duration>() / times.len() as u32;
    times.sort_unstable();
    let quantile = |of_hundred: usize| times.get((times.len() - 1) * of_hundred / 100).copied().unwrap_or_default();
    Ok(Flushes { count: times.len(), p50: quantile(50), p99: quantile(99), mean })
}

/// A file with room, like a segment of the log; gone when dropped, and without a name as soon as it is open.
struct Scratch(File);

impl Scratch {
    fn new(folder: &Path) -> io::Result<Self> {
        let path = folder.join(format!("disk-check-{}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let made = fallocate(&file, FallocateFlags::empty(), 0, (FLUSHES_MAX * PAGE) as u64);
        std::fs::remove_file(&path)?;
        match made {
            Ok(()) => {}
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL) => {
                file.set_len((FLUSHES_MAX * PAGE) as u64)?
            }
            Err(error) => return Err(error.into()),
        }
        file.sync_all()?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(p50_us: u64, in_memory: bool) -> Measured {
        let p50 = Duration::from_micros(p50_us);
        let flushes = || Flushes { count: 10, p50, p99: p50 * 3, mean: p50 };
        Measured { folder: "/x".into(), fresh: flushes(), in_place: flushes(), in_memory }
    }

    #[test]
    fn a_disk_that_is_too_fast_and_one_that_is_memory_are_warned_of() {
        assert!(measured(200, false).warning().is_none());
        assert!(measured(5, false).warning().is_some_and(|text| text.contains("too fast")));
        assert!(measured(5, true).warning().is_some_and(|text| text.contains("memory")));
        assert_eq!(measured(200, false).lines().len() + 1, measured(5, false).lines().len());
    }

    #[test]
    fn the_folder_is_measured_or_the_nearest_above_it_and_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let found = existing(&folder.path().join("not/yet")).unwrap();
        assert_eq!(found, folder.path());
        let measured = measure_in(&found).unwrap();
        assert!(measured.fresh.count >= FLUSHES_MIN && measured.in_place.p50 <= measured.in_place.p99);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let json = measured.json();
        assert!(json["new_room"]["p50_ms"].is_f64() && json["groups_per_s"].is_f64(), "{json}");
    }
}
