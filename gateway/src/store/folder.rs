//! The log's folder as readers see it: which segments there are, where each begins and ends, how far it is durable.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::chain;
use super::durable::{Durable, Head};
use super::error::{Damage, Finding, StoreError};
use super::footer::{Footer, locate};
use super::format::{FIRST_ITEM, Header};
use super::fs::Fs;
use super::pins::Pins;
use super::removed::Removed;
use super::segment::{self, Probe};
use crate::record::Offset;

/// A segment that holds records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) header: Header,
    /// Offset of its first record.
    pub(crate) first: Offset,
    /// Where its items end; `None` while it is written to.
    pub(crate) end: Option<u64>,
}

/// What log and readers share.
pub(crate) struct Folder<F: Fs> {
    pub(crate) fs: F,
    pub(crate) dir: PathBuf,
    pub(crate) durable: Arc<Durable>,
    entries: Mutex<Vec<Entry>>,
    /// Segments of which nothing can be read: headers damaged, files gone; and ends that segments have lost.
    lost: Vec<Finding>,
    /// What retention took, as noted beside the segments.
    removed: Mutex<Removed>,
    pub(crate) pins: Pins,
}

impl<F: Fs> Folder<F> {
    pub(crate) fn new(
        fs: F,
        dir: &Path,
        durable: Durable,
        entries: Vec<Entry>,
        findings: &[Finding],
        removed: Removed,
    ) -> Self {
        let lost = findings
            .iter()
            .filter(|finding| matches!(finding.what, Damage::Header | Damage::Missing))
            .cloned()
            .collect();
        let (durable, entries, removed) = (Arc::new(durable), Mutex::new(entries), Mutex::new(removed));
        Self { fs, dir: dir.to_owned(), durable, entries, lost, removed, pins: Pins::default() }
    }

    /// A folder as it stands, without changing it and without the lock: what has become whole up to now.
    pub(crate) fn look(fs: F, dir: &Path) -> Result<(Self, Vec<Finding>), StoreError> {
        let (probes, removed) = probe_all(&fs, dir, false)?;
        let mut findings: Vec<Finding> = probes.iter().flat_map(|probe| probe.findings.clone()).collect();
        let mut entries: Vec<Entry> = Vec::new();
        let mut head = Head::default();
        for (at, probe) in probes.iter().enumerate() {
            let read = StoreError::io("read segment", &probe.path);
            let (Some(header), Some(first)) = (probe.header, probe.first().map_err(read)?) else {
                let blank = probe.header.is_some();
                findings.retain(|it| !blank || it.segment != probe.number || it.what != Damage::HeaderCopy);
                continue;
            };
            let named = named_end(probe, probes.get(at + 1..).unwrap_or_default());
            let end = end(probe, &header, named)?;
            if end.junk > end.end {
                let what = if named.is_some() { Damage::Stale } else { Damage::TornTail };
                findings.push(Finding { segment: probe.number, bytes: end.end..end.junk, offsets: None, what });
            }
            if end.end > FIRST_ITEM {
                entries.push(Entry { header, first, end: Some(end.end) });
                head = Head { segment: probe.number, position: end.end, next: Offset(0), closed: true };
            }
        }
        head.next = Offset(u64::MAX);
        findings.extend(chain::missing(&probes, &removed)?);
        Ok((Self::new(fs, dir, Durable::new(Offset(0), head), entries, &findings, removed), findings))
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries_mut().clone()
    }

    /// The segment in which `offset` stands, or the first one if it is older than all; whether it is the first.
    pub(crate) fn find(&self, offset: Offset) -> Option<(Entry, bool)> {
        let entries = self.entries_mut();
        let after = entries.partition_point(|entry| entry.first <= offset);
        let at = after.saturating_sub(1);
        Some((*entries.get(at)?, at == 0))
    }

    /// The entry of a segment and the one after it.
    pub(crate) fn at(&self, number: u64) -> (Option<Entry>, Option<Entry>) {
        let entries = self.entries_mut();
        let at = entries.partition_point(|entry| entry.header.segment < number);
        let this = entries.get(at).filter(|entry| entry.header.segment == number).copied();
        (this, entries.get(at + usize::from(this.is_some())).copied())
    }

    /// What is missing between a segment that was read up to `expected` and the next one that can be read.
    pub(crate) fn lost_between(&self, number: u64, expected: Offset, next: &Entry) -> Vec<Finding> {
        let between = |finding: &&Finding| number < finding.segment && finding.segment < next.header.segment;
        let lost = self.lost.iter().filter(between).filter(|_| expected < next.first);
        lost.map(|it| Finding { offsets: Some(expected..=Offset(next.first.0 - 1)), ..it.clone() }).collect()
    }

    /// What is missing before the first segment that can be read, beside what retention took.
    pub(crate) fn lost_before(&self, first: &Entry) -> Vec<Finding> {
        self.lost_between(0, self.removed().first(), first)
    }

    /// The first offset of a log whose beginning is gone, whoever took it; 1 of any other.
    pub(crate) fn begins(&self) -> Offset {
        let Some(first) = self.entries().first().copied() else { return self.removed().first() };
        let is_cut = self.removed().before > 0 || !self.lost_before(&first).is_empty();
        if is_cut { first.first } else { Offset(1) }
    }

    /// What retention took.
    pub(crate) fn removed(&self) -> Removed {
        self.removed_mut().clone()
    }

    pub(crate) fn removed_mut(&self) -> MutexGuard<'_, Removed> {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Segments before `number` are not there for readers any more.
    pub(crate) fn forget_before(&self, number: u64) {
        self.entries_mut().retain(|entry| entry.header.segment >= number);
    }

    /// What was known at the start to be missing exactly there, in place of what a reader made of it.
    pub(crate) fn explain(&self, found: Finding) -> Finding {
        let same = |lost: &&Finding| found.is_tail(lost.segment, lost.bytes.end) && lost.offsets == found.offsets;
        let lost = self.lost.iter().filter(|lost| lost.what == Damage::Missing).find(same);
        lost.cloned().unwrap_or(found)
    }

    /// The last segment ends at `end`.
    pub(crate) fn end_last(&self, end: u64) {
        if let Some(last) = self.entries_mut().last_mut() {
            last.end.get_or_insert(end);
        }
    }

    pub(crate) fn push(&self, entry: Entry) {
        self.entries_mut().push(entry);
    }

    fn entries_mut(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at every segment file of a folder, in order; what retention took or was about to take is passed over.
pub(crate) fn probe_all<F: Fs>(fs: &F, dir: &Path, write: bool) -> Result<(Vec<Probe<F>>, Removed), StoreError> {
    let names = fs.list(dir).map_err(StoreError::io("list", dir))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();
    let mut probes = Vec::new();
    for number in numbers {
        match Probe::new(fs, dir, number, write) {
            // A running gateway may take segments between the listing and this look; the note below tells.
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
            probe => probes.push(probe?),
        }
    }
    let removed = Removed::read(fs, dir)?;
    probes.retain(|probe| probe.number >= removed.before);
    Ok((probes, removed))
}

/// Where the first group of a later segment says that this one ends. Its mark is the end of the log at that time, so a
/// segment between the marked one and it holds nothing, whatever a failed commit left there.
pub(crate) fn named_end<F: Fs>(probe: &Probe<F>, later: &[Probe<F>]) -> Option<u64> {
    let group = later.iter().find_map(|later| later.first_group)?;
    match group.mark.segment.cmp(&probe.number) {
        Ordering::Less => Some(FIRST_ITEM),
        Ordering::Equal => Some(group.mark.position),
        Ordering::Greater => None,
    }
}

/// Where a segment's items end: by a later segment's word, by its footer, or by scanning it.
pub(crate) fn end<F: Fs>(probe: &Probe<F>, header: &Header, named: Option<u64>) -> Result<segment::Ends, StoreError> {
    let read = || StoreError::io("read segment", &probe.path);
    if let Some(footer) = locate(&probe.file, header.seed()).map_err(read())?
        && named.is_none_or(|named| named == footer)
    {
        return Ok(segment::Ends { end: footer, junk: footer });
    }
    segment::find_end(&probe.file, header, named).map_err(read())
}

/// The footer of a segment, if it has one.
pub(crate) fn footer<F: Fs>(file: &F::File, header: &Header) -> std::io::Result<Option<(u64, Footer)>> {
    let Some(at) = locate(file, header.seed())? else { return Ok(None) };
    Ok(Some((at, Footer::read(file, header.seed(), at)?)))
}
