//! Which record a start was applying when it died, and which records are passed over for good.
//!
//! A record that kills whoever applies it would kill every start. So each start notes the record before it applies it;
//! a start that finds the note of one that died counts, and after three deaths at the same record that record is
//! skipped, by the head and by the fold, from then on: the list is a file of the data folder, part of what the log
//! means, to be copied with it.
//!
//! ```text
//! replaying   offset being applied:le64, 0 = none | offset of the last death:le64 | deaths there:le64
//! skipped     one offset a line, in decimal
//! ```
//! The note is a plain write of eight bytes: it outlives the process, which is all it is for. A power cut says nothing
//! about a record; what it leaves of the note is believed at most once, since every start that comes through clears it
//! durably. Only a folder's first start does not wait for that: whatever a power cut leaves of its note, the next start
//! finds, believes once, and clears.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use tracing::{error, info, warn};

use super::fs::{Disk, Fs};
use crate::record::Offset;

/// Starts that may die at one record before it is skipped.
pub const DEATHS_MAX: u64 = 3;
/// What the quarantine says of a frame that is skipped.
pub const SKIPPED: &str = "three starts of the gateway died while applying it, it is not read any more";
const NOTE_FILE: &str = "replaying";
/// Name of the list within the data folder.
pub(crate) const SKIPPED_FILE: &str = "skipped";
const DEATH_AT: u64 = 8;

/// The records that are passed over. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped(Arc<BTreeSet<Offset>>);

impl Skipped {
    /// The list of a data folder, for whoever only reads there.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn of_folder(folder: &Path) -> io::Result<Self> {
        read_list(folder)
    }

    /// Whether nobody is to apply that record.
    pub fn contains(&self, offset: Offset) -> bool {
        self.0.contains(&offset)
    }

    /// As the file has it: equal lists, equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().map(|offset| format!("{offset}\n")).collect::<String>().into_bytes()
    }

    fn parse(text: &str) -> Self {
        let offset =
            |line: &str| line.trim().parse().map_err(|_| warn!(line, "not an offset in the list of skipped records"));
        Self(Arc::new(text.lines().filter_map(|line| offset(line).ok()).map(Offset).collect()))
    }
}

/// What a death while a record was applied says about the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing: whoever is killed while it catches up is killed at some record.
    Ordinary,
    /// It is not the first one there.
    Suspicious,
    /// Nobody is to apply it again.
    Deadly,
}

impl Verdict {
    fn of(deaths: u64, is_skipped: bool) -> Self {
        match deaths {
            0 | 1 => Self::Ordinary,
            DEATHS_MAX.. if !is_skipped => Self::Deadly,
            _ => Self::Suspicious,
        }
    }
}

/// The note of the present start.
#[derive(Debug)]
pub struct Replaying {
    note: File,
    /// There was no note before this start.
    is_first: bool,
    skipped: Skipped,
}

impl Replaying {
    /// Looks what became of the start before, counts, and from the third death at one record on skips it. Call it once
    /// per start, with the data folder locked.
    ///
    /// # Errors
    /// When the folder's files cannot be read or written.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(NOTE_FILE);
        let note = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut skipped = read_list(folder)?;
        let mut words = [0; 24];
        // A new or a short file reads as zeros: nothing was under way.
        let is_first = read_up_to(&note, &mut words)? == 0;
        let word = |at: usize| words.get(at..at + 8).and_then(|it| it.try_into().ok()).map_or(0, u64::from_le_bytes);
        let (under_way, died_at, deaths) = (word(0), word(8), word(16));
        if under_way != 0 {
            let deaths = if under_way == died_at { deaths.saturating_add(1) } else { 1 };
            let is_skipped = skipped.contains(Offset(under_way));
            note.write_all_at(&[under_way.to_le_bytes(), deaths.to_le_bytes()].concat(), DEATH_AT)?;
            match Verdict::of(deaths, is_skipped) {
                Verdict::Ordinary => info!(offset = under_way, "the last start ended while it applied this record"),
                Verdict::Suspicious => warn!(offset = under_way, deaths, "starts die while they apply this record"),
                Verdict::Deadly => {
                    error!(offset = under_way, deaths, "a record that starts die of is skipped from now on");
                    Arc::make_mut(&mut skipped.0).insert(Offset(under_way));
                    write_list(folder, &skipped)?;
                }
            }
        }
        let replaying = Self { note, is_first, skipped };
        replaying.clear()?;
        Ok(replaying)
    }

    /// A record is about to be applied. A note that cannot be written is no reason not to start.
    pub fn applying(&self, offset: Offset) {
        drop(self.note.write_all_at(&offset.0.to_le_bytes(), 0));
    }

    /// No record is being applied: whatever kills the start now is none's fault.
    pub fn pausing(&self) {
        self.applying(Offset(0));
    }

    /// Everything durable has been applied: the start has come through.
    ///
    /// # Errors
    /// When the file cannot be written; a later death may be put down to this start then.
    pub fn clear(&self) -> io::Result<()> {
        self.note.write_all_at(&0u64.to_le_bytes(), 0)?;
        if self.is_first { Ok(()) } else { self.note.sync_data() }
    }

    /// The records to pass over.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }
}

impl Drop for Replaying {
    /// A start that ends with an error has not died of a record.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.pausing();
        }
    }
}

/// How many bytes there are, up to as many as are wanted.
fn read_up_to(file: &File, words: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = words.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

fn read_list(folder: &Path) -> io::Result<Skipped> {
    match std::fs::read_to_string(folder.join(SKIPPED_FILE)) {
        Ok(text) => Ok(Skipped::parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Skipped::default()),
        Err(error) => Err(error),
    }
}

/// Whole or not at all: a list cut short would bring a deadly record back.
fn write_list(folder: &Path, skipped: &Skipped) -> io::Result<()> {
    let path = folder.join(SKIPPED_FILE);
    let unfinished = path.with_extension("new");
    let mut file = File::create(&unfinished)?;
    file.write_all(&skipped.to_bytes())?;
    file.sync_all()?;
    std::fs::rename(&unfinished, &path)?;
    Disk.sync_dir(folder)
}

/// Dies where a test asks for it: `HALO_GATEWAY_TEST_DIE_AT="<head|fold> <offset> <abort|panic>"`.
///
/// Compiled into debug builds only, which nobody deploys; a release build neither has the code nor reads the variable.
/// Whoever can set it can end the process by other means anyway.
#[cfg(debug_assertions)]
pub(crate) fn die_if_asked(stage: &str, offset: Offset) {
    static ASKED: std::sync::LazyLock<Option<(String, Offset, bool)>> = std::sync::LazyLock::new(|| {
        let asked = std::env::var("HALO_GATEWAY_TEST_DIE_AT").ok()?;
        let mut words = asked.split(' ');
        let (stage, offset, how) = (words.next()?.to_owned(), words.next()?.parse().ok()?, words.next()?);
        Some((stage, Offset(offset), how == "panic"))
    });
    if let Some((asked, at, panics)) = &*ASKED
        && *at == offset
        && asked == stage
    {
        assert!(!panics, "a test asked for a panic at offset {offset}");
        std::process::abort();
    }
}

/// Nothing in a release build.
#[cfg(not(debug_assertions))]
pub(crate) fn die_if_asked(_: &str, _: Offset) {}

#[cfg(test)]
mod tests {
    use super::*;

    /// A start that dies while it applies a record.
    fn dies_at(folder: &Path, offset: u64) -> bool {
        let replaying = Replaying::open(folder).unwrap();
        for at in offset - 1..=offset {
            if !replaying.skipped().contains(Offset(at)) {
                replaying.applying(Offset(at));
            }
        }
        let skips = replaying.skipped().contains(Offset(offset));
        // As `abort` would leave it.
        std::mem::forget(replaying);
        skips
    }

    #[test]
    fn three_deaths_at_one_record_skip_it_for_good() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!([7, 7, 7].map(|at| dies_at(folder.path(), at)), [false; 3]);
        let fourth = Replaying::open(folder.path()).unwrap();
        assert!(fourth.skipped().contains(Offset(7)) && !fourth.skipped().contains(Offset(6)));
        fourth.clear().unwrap();
        assert_eq!(Replaying::open(folder.path()).unwrap().skipped().to_bytes(), b"7\n");
    }

    #[test]
    fn deaths_at_different_records_or_with_a_good_start_between_do_not_add_up() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!([7, 7, 9, 7, 7].map(|at| dies_at(folder.path(), at)), [false; 5]);
        Replaying::open(folder.path()).unwrap().clear().unwrap();
        assert!(!Replaying::open(folder.path()).unwrap().skipped().contains(Offset(7)), "nothing was under way");
    }

    /// Every `kill -9` while the fold caught up was told as a warning.
    #[test]
    fn only_a_second_death_at_one_record_is_suspicious_and_the_third_is_enough() {
        let verdicts = [1, 2, 3, 4].map(|deaths| Verdict::of(deaths, false));
        assert_eq!(verdicts, [Verdict::Ordinary, Verdict::Suspicious, Verdict::Deadly, Verdict::Deadly]);
        assert_eq!(Verdict::of(4, true), Verdict::Suspicious, "it is skipped already");
    }

    /// The next start has to find what a power cut left of it.
    #[test]
    fn a_folders_first_start_does_not_sync_its_note_and_every_later_one_does() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Replaying::open(folder.path()).unwrap().is_first);
        let second = Replaying::open(folder.path()).unwrap();
        assert!(!second.is_first);
        second.applying(Offset(7));
        std::mem::forget(second);
        assert!(!Replaying::open(folder.path()).unwrap().is_first);
        assert_eq!(std::fs::read(folder.path().join(NOTE_FILE)).unwrap()[..24], {
            let words: Vec<u8> = [0u64, 7, 1].into_iter().flat_map(u64::to_le_bytes).collect();
            words
        });
    }

    #[test]
    fn a_start_that_ends_with_an_error_is_no_death() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..5 {
            Replaying::open(folder.path()).unwrap().applying(Offset(7));
        }
        assert_eq!(Replaying::open(folder.path()).unwrap().skipped(), &Skipped::default());
    }

    #[test]
    fn a_damaged_note_or_list_is_no_reason_to_die() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(NOTE_FILE), b"abc").unwrap();
        std::fs::write(folder.path().join(SKIPPED_FILE), "12\nx\n\n13").unwrap();
        assert_eq!(Replaying::open(folder.path()).unwrap().skipped().to_bytes(), b"12\n13\n");
    }
}
