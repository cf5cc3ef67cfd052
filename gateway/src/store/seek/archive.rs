//! The log as a whole: which segments are searched, in what order, and by how many at once.

use std::collections::BTreeSet;
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;
use std::thread;

use super::contents::{Contents, Look};
use super::records::read_places;
use crate::record::{Body, Name, Offset, Record};
use crate::store::carry;
use crate::store::error::{Finding, StoreError};
use crate::store::folder::{Entry, Folder};
use crate::store::footer;
use crate::store::fs::Fs;
use crate::store::reader::Reader;
use crate::store::scan::WINDOW;
use crate::store::segment;
use crate::store::state::Change;
use crate::store::walk::{Walk, Walked};

/// Segments searched at once: the disk is waited for, not the processor.
const WORKERS: usize = 16;

/// A log as it stood when it was looked at.
pub struct Archive<F: Fs> {
    folder: Arc<Folder<F>>,
    findings: Vec<Finding>,
}

/// Which records are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Records about these devices, and retained publishes to these topics.
    pub names: BTreeSet<Name>,
    /// Records about devices that feed this subject, as far as they are about it.
    pub subject: Option<Name>,
    /// Administrative acts.
    pub acts: bool,
    /// The last parts of sets of carried facts; of segments sealed before those were indexed, perhaps not.
    pub carried: bool,
    /// Of segments all of which was written in these Unix milliseconds or later, and up to them; the rest of a segment
    /// comes along.
    pub written_ms: Range<i64>,
}

/// A record and where it stands.
#[derive(Clone, Debug)]
pub struct Found {
    /// The record.
    pub record: Record,
    /// Number of its segment.
    pub segment: u64,
    /// Which bytes of the segment's file.
    pub bytes: Range<u64>,
}

/// How a search went.
#[derive(Clone, Debug, Default)]
pub struct Sought {
    /// Segments of the log.
    pub segments: usize,
    /// Of them, looked up by their footers.
    pub indexed: usize,
    /// Of them, walked through because no footer says what is wanted.
    pub walked: usize,
    /// What could not be read.
    pub findings: Vec<Finding>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { names: BTreeSet::new(), subject: None, acts: false, carried: false, written_ms: i64::MIN..i64::MAX }
    }
}

impl Wanted {
    /// Whether a record is one of them.
    pub(super) fn has(&self, body: &Body) -> bool {
        let by_name = footer::device(body).is_some_and(|name| self.names.contains(name));
        let is_last = matches!(body, Body::Carry(part) if part.end.is_some());
        let fed = footer::fed(body).map(|(_, subject)| subject);
        by_name
            || (self.carried && is_last)
            || (self.acts && matches!(body, Body::Act(_)))
            || (fed.is_some() && fed == self.subject.as_ref())
    }
}

/// What the search of one segment brought.
#[derive(Default)]
struct Searched {
    found: Vec<Found>,
    findings: Vec<Finding>,
    look: Option<Look>,
}

impl<F: Fs> Archive<F> {
    /// Looks at the log in `dir`, which somebody else may have open.
    ///
    /// # Errors
    /// [`StoreError::Newer`] and [`StoreError::Io`].
    pub fn look(fs: F, dir: &Path) -> Result<Self, StoreError> {
        let (folder, findings) = Folder::look(fs, dir)?;
        Ok(Self { folder: Arc::new(folder), findings })
    }

    /// What was seen to be wrong on the way.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Bytes of all records.
    pub fn bytes(&self) -> u64 {
        self.folder.entries().iter().filter_map(|entry| entry.end).sum()
    }

    /// The offset of the first record that is left.
    pub fn begins(&self) -> Offset {
        self.folder.begins()
    }

    /// Reads all records from an offset on.
    pub fn reader(&self, from: Offset) -> Reader<F> {
        Reader::new(Arc::clone(&self.folder), from)
    }

    /// Hands over the rows of a checkpoint that the log carries for what retention took. They know no record behind the
    /// offset returned; `None` when it carries none.
    ///
    /// # Errors
    /// Those of `each`, and [`StoreError::Io`].
    pub fn carried<E: From<StoreError>>(
        &self,
        each: impl FnMut(Vec<Change>) -> Result<(), E>,
    ) -> Result<Option<Offset>, E> {
        carry::load_newest(&self.folder, each)
    }

    /// Numbers of the sets of carried facts in the log, in its order: as [`Archive::carried`], a set knows no record behind
    /// its number. Sets in segments sealed by early versions are not among them.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn sets(&self) -> Result<Vec<Offset>, StoreError> {
        let mut numbers = Vec::new();
        let wanted = Wanted { carried: true, ..Wanted::default() };
        let gather = |found: Found| {
            if let Body::Carry(part) = &found.record.body {
                numbers.push(Offset(part.set));
            }
            ControlFlow::Continue(())
        };
        self.seek(&wanted, |_, _| (), gather)?;
        Ok(numbers)
    }

    /// Hands over the rows of a set; false when it is damaged, and what was handed over is of no use.
    ///
    /// # Errors
    /// Those of `each`, and [`StoreError::Io`].
    pub fn set<E: From<StoreError>>(
        &self,
        number: Offset,
        each: impl FnMut(Vec<Change>) -> Result<(), E>,
    ) -> Result<bool, E> {
        carry::load(&self.folder, number.0, each)
    }

    /// Hands over what is wanted, in offset order, until `each` says stop. `progress` hears how many segments of how many
    /// are done.
    ///
    /// # Errors
    /// [`StoreError::Io`]; damage is a finding.
    pub fn seek(
        &self,
        wanted: &Wanted,
        mut progress: impl FnMut(usize, usize),
        mut each: impl FnMut(Found) -> ControlFlow<()>,
    ) -> Result<Sought, StoreError> {
        let entries = self.folder.entries();
        let mut sought = Sought { segments: entries.len(), ..Sought::default() };
        for (nth, some) in entries.chunks(WORKERS).enumerate() {
            for searched in self.search_all(some, wanted) {
                let Searched { found, findings, look } = searched?;
                sought.findings.extend(findings);
                sought.indexed += usize::from(matches!(look, Some(Look::Places(_))));
                sought.walked += usize::from(matches!(look, Some(Look::Walk)));
                if found.into_iter().any(|found| each(found).is_break()) {
                    return Ok(sought);
                }
            }
            progress((nth * WORKERS + some.len()).min(entries.len()), entries.len());
        }
        Ok(sought)
    }

    fn search_all(&self, entries: &[Entry], wanted: &Wanted) -> Vec<Result<Searched, StoreError>> {
        thread::scope(|scope| {
            let threads: Vec<_> = entries.iter().map(|entry| scope.spawn(move || self.search(entry, wanted))).collect();
            let lost = || StoreError::io("search segment", &self.folder.dir)(io::Error::other("its thread panicked"));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(lost()))).collect()
        })
    }

    fn search(&self, entry: &Entry, wanted: &Wanted) -> Result<Searched, StoreError> {
        let segment = entry.header.segment;
        let path = segment::path(&self.folder.dir, segment);
        let file = match self.folder.fs.open_read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.folder.has_removed(segment) => {
                return Ok(Searched::default());
            }
            file => file.map_err(StoreError::io("open segment", &path))?,
        };
        let searched = search_file(&file, entry, wanted);
        searched.map_err(StoreError::io("read segment", &path))
    }
}

fn search_file<T: crate::store::fs::FsFile>(file: &T, entry: &Entry, wanted: &Wanted) -> io::Result<Searched> {
    let mut contents = Contents::open(file, entry)?;
    let look = match &mut contents {
        Some(contents) => contents.look(wanted)?,
        None => Look::Walk,
    };
    let mut searched = Searched::default();
    match (&look, contents) {
        (Look::Places(places), Some(contents)) if !places.is_empty() => {
            let mut names = contents.into_names();
            read_places(file, entry, places, &mut names, &mut searched.found, &mut searched.findings)?;
        }
        (Look::Walk, _) => walk(file, entry, wanted, &mut searched)?,
        _ => {}
    }
    searched.found.retain(|found| wanted.has(&found.record.body));
    searched.look = Some(look);
    Ok(searched)
}

/// Reads a segment from its first record to its end.
fn walk<T: crate::store::fs::FsFile>(
    file: &T,
    entry: &Entry,
    wanted: &Wanted,
    searched: &mut Searched,
) -> io::Result<()> {
    let segment = entry.header.segment;
    let mut walk = Walk::new(&entry.header, entry.first, WINDOW);
    loop {
        match walk.next(file, entry.end.unwrap_or(0), None)? {
            Walked::Record(record, bytes) if wanted.has(&record.body) => {
                searched.found.push(Found { record, segment, bytes });
            }
            Walked::Record(..) => {}
            Walked::Found(finding) => searched.findings.push(finding),
            Walked::End => return Ok(()),
        }
    }
}
