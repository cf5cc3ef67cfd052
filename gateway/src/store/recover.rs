//! What happens at every start, before anything new is written: find where the log ends, cut what was never finished,
//! make durable what is kept, seal it. Sealed segments are trusted, so the time does not depend on the backlog.
//! Dying at any point of it and starting again comes to the same log.

use std::path::Path;

use super::chain;
use super::error::{Damage, Finding, StoreError, is_full};
use super::folder::{Entry, end, footer, named_end, probe_all};
use super::footer::{FooterBuilder, Numbers, Summary};
use super::format::{FIRST_ITEM, Header, RECORD_LEN};
use super::fs::{Fs, FsFile};
use super::removed::Removed;
use super::scan::WINDOW;
use super::segment::{self, Probe};
use super::spare;
use super::walk::{Walk, Walked};
use crate::record::{GatewayTime, Offset, StartEpoch};

/// What a start found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The last durable offset; 0 in an empty log.
    pub durable: Offset,
    /// The number of this start.
    pub epoch: StartEpoch,
    /// Stamp of the last record, from which the monotonic time line goes on.
    pub last_stamp: Option<GatewayTime>,
    /// Segments that hold records.
    pub segments: usize,
    /// Whether the last start ended with [`Log::close`](super::Log::close).
    pub clean: bool,
    /// What was cut, and what is damaged in the segments that had to be read.
    pub findings: Vec<Finding>,
}

/// What the log goes on from.
pub(crate) struct Recovery {
    pub(crate) recovered: Recovered,
    pub(crate) entries: Vec<Entry>,
    /// Where the last segment with records ends: the first mark of the next one.
    pub(crate) last: Option<(u64, u64)>,
    /// Higher than any offset that may have been reported durable.
    pub(crate) next_offset: Offset,
    /// A number that no segment has or had.
    pub(crate) next_segment: u64,
    /// Segments that hold nothing; to be removed once a new one carries the epoch on.
    pub(crate) empty: Vec<u64>,
    /// What retention took; the files of it that a power cut has left are to be removed as well.
    pub(crate) removed: Removed,
}

struct Kept {
    segment: u64,
    end: u64,
    summary: Summary,
}

pub(crate) fn recover<F: Fs>(fs: &F, dir: &Path) -> Result<Recovery, StoreError> {
    let (probes, removed) = probe_all(fs, dir, true)?;
    let epochs = probes.iter().filter_map(|probe| probe.header).map(|header| header.epoch);
    let epoch = epochs.chain(spare::epoch(fs, dir)).max().unwrap_or_default().0;
    let mut recovery = Recovery {
        recovered: Recovered { epoch: StartEpoch(epoch + 1), clean: true, ..Recovered::default() },
        entries: Vec::new(),
        last: None,
        next_offset: Offset(1),
        next_segment: probes.last().map_or(1, |probe| probe.number + 1).max(removed.before),
        empty: Vec::new(),
        removed,
    };
    recovery.recovered.findings = probes.iter().flat_map(|probe| probe.findings.clone()).collect();
    recovery.recovered.findings.extend(chain::missing(&probes, &recovery.removed)?);
    let sealed = probes.iter().rposition(is_sealed).map_or(0, |at| at + 1);
    let (trusted, open) = probes.split_at_checked(sealed).unwrap_or_default();
    let mut kept = recovery.trust(trusted, probes.as_slice())?;
    for (at, probe) in open.iter().enumerate() {
        let later = open.get(at + 1..).unwrap_or_default();
        if let Some(more) = recovery.settle(probe, later, kept.as_ref())? {
            kept = Some(more);
        }
    }
    if let Some(Kept { segment, end, summary }) = kept {
        recovery.last = Some((segment, end));
        recovery.recovered.durable = Offset(summary.next.0.saturating_sub(1));
        recovery.recovered.last_stamp = (summary.records > 0).then_some(summary.last_stamp);
    }
    recovery.next_offset = Offset(recovery.recovered.durable.0 + 1 + lost_offsets(&probes, recovery.last)?);
    recovery.next_offset = recovery.next_offset.max(recovery.removed.first());
    recovery.recovered.segments = recovery.entries.len();
    Ok(recovery)
}

/// How many offsets segments without readable headers behind the last readable one may have used: at most one every
/// [`RECORD_LEN`] bytes. They are not used again.
fn lost_offsets<F: Fs>(probes: &[Probe<F>], last: Option<(u64, u64)>) -> Result<u64, StoreError> {
    let last = last.map_or(0, |(segment, _)| segment);
    let lost = probes.iter().filter(|probe| probe.number > last && probe.header.is_none() && !probe.is_blank());
    lost.map(|probe| Ok(probe.file.len().map_err(StoreError::io("read segment", &probe.path))? / RECORD_LEN as u64))
        .sum()
}

/// Sealed with a summary to go on from. A seal without one is scanned like an open segment.
fn is_sealed<F: Fs>(probe: &Probe<F>) -> bool {
    let footer = probe.header.and_then(|header| footer::<F>(&probe.file, &header).ok().flatten());
    footer.is_some_and(|(_, footer)| footer.summary().is_some())
}

impl Recovery {
    /// Lists the segments up to the last sealed one; only that one's summary is read.
    fn trust<F: Fs>(&mut self, trusted: &[Probe<F>], all: &[Probe<F>]) -> Result<Option<Kept>, StoreError> {
        for (at, probe) in trusted.iter().enumerate() {
            let read = StoreError::io("read segment", &probe.path);
            let later = all.get(at + 1..).unwrap_or_default();
            let (Some(header), Some(first)) = (probe.header, probe.first().map_err(read)?) else {
                self.note_empty(probe, later);
                continue;
            };
            let named = named_end(probe, later);
            let end = match named {
                Some(end) => end,
                None => end(probe, &header, None)?.end,
            };
            if end <= FIRST_ITEM {
                self.note_empty(probe, later);
                continue;
            }
            self.entries.push(Entry { header, first, end: Some(end) });
        }
        let Some((probe, header)) = trusted.last().and_then(|probe| Some((probe, probe.header?))) else {
            return Ok(None);
        };
        let found = footer::<F>(&probe.file, &header).map_err(StoreError::io("read segment", &probe.path))?;
        let Some((end, footer)) = found else { return Ok(None) };
        Ok(footer.summary().map(|summary| Kept { segment: probe.number, end, summary }))
    }

    /// Brings one segment that was being written to its end: sync, find the end, cut, seal.
    fn settle<F: Fs>(
        &mut self,
        probe: &Probe<F>,
        later: &[Probe<F>],
        before: Option<&Kept>,
    ) -> Result<Option<Kept>, StoreError> {
        let Some(header) = probe.header else {
            self.note_empty(probe, later);
            return Ok(None);
        };
        // First make durable what the last process left in memory, then ask the disk and not the memory: after a
        // failed sync memory shows what the disk does not have.
        probe.file.sync_data().map_err(StoreError::io("sync segment", &probe.path))?;
        probe.file.drop_cache().map_err(StoreError::io("drop the cache of", &probe.path))?;
        let named = named_end(probe, later);
        let ends = end(probe, &header, named)?;
        if ends.junk > ends.end {
            let what = if named.is_some() { Damage::Stale } else { Damage::TornTail };
            self.recovered.clean = false;
            self.found(probe.number, ends.end..ends.junk, what);
        }
        if ends.end <= FIRST_ITEM || probe.first().map_err(StoreError::io("read segment", &probe.path))?.is_none() {
            self.note_empty(probe, later);
            return Ok(None);
        }
        self.recovered.clean = false;
        let (builder, numbers, first) = self.read_through(probe, &header, ends.end, before)?;
        // A seal would stretch a shortened file over what it has lost.
        if probe.file.len().map_err(StoreError::io("read segment", &probe.path))? >= ends.end {
            match segment::seal(&probe.file, header.seed(), ends.end, &builder, &numbers) {
                // The footer is only a shortcut: without room for it the segment ends where its records do.
                Err(error) if is_full(&error) => probe.file.set_len(ends.end).and_then(|()| probe.file.sync_data()),
                sealed => sealed,
            }
            .map_err(StoreError::io("seal segment", &probe.path))?;
        }
        self.entries.push(Entry { header, first, end: Some(ends.end) });
        Ok(Some(Kept { segment: probe.number, end: ends.end, summary: builder.summary }))
    }

    /// Nothing of the log is in it. One that may have held records stays for whoever can read it or put it back: its
    /// headers are lost, but not what is behind them, or a later segment knows of more than there is.
    fn note_empty<F: Fs>(&mut self, probe: &Probe<F>, later: &[Probe<F>]) {
        if (probe.header.is_some() || probe.is_blank()) && chain::is_void(probe, later) {
            self.empty.push(probe.number);
            // Its creation may have been cut between the two copies of the header.
            self.recovered.findings.retain(|it| it.segment != probe.number || it.what != Damage::HeaderCopy);
        }
    }

    fn read_through<F: Fs>(
        &mut self,
        probe: &Probe<F>,
        header: &Header,
        end: u64,
        before: Option<&Kept>,
    ) -> Result<(FooterBuilder, Numbers, Offset), StoreError> {
        let read = || StoreError::io("read segment", &probe.path);
        let first = probe.first().map_err(read())?.unwrap_or_default();
        let expected = before.map_or(header.floor.min(first), |before| before.summary.next);
        let mut walk = Walk::new(header, expected, WINDOW);
        let mut records = Vec::new();
        loop {
            match walk.next(&probe.file, end, None).map_err(read())? {
                Walked::Record(record, at) => records.push((record, at.start)),
                Walked::Found(finding) => {
                    let known = |it: &Finding| it.what == Damage::Missing && finding.is_tail(it.segment, it.bytes.end);
                    if !self.recovered.findings.iter().any(known) {
                        self.recovered.findings.push(finding);
                    }
                }
                Walked::End => break,
            }
        }
        let next = walk.expected();
        let numbers = Numbers::from(walk.into_names());
        let mut builder = FooterBuilder::default();
        builder.summary.epoch = header.epoch;
        for (record, position) in &records {
            builder.add_read(record, &numbers, *position);
        }
        builder.summary.next = builder.summary.next.max(next);
        Ok((builder, numbers, first))
    }

    fn found(&mut self, segment: u64, bytes: std::ops::Range<u64>, what: Damage) {
        self.recovered.findings.push(Finding { segment, bytes, offsets: None, what });
    }
}
