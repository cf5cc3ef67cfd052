//! Committing: a group gets its place and its header, is written and synced in one go, and only then counts as durable.

use super::{Active, Log, definitions};
use crate::record::Offset;
use crate::store::error::StoreError;
use crate::store::format::{FIRST_ITEM, GROUP_LEN, Group, Mark, kind};
use crate::store::fs::Fs;
use crate::store::preparer::Prepared;
use crate::store::segment;

use super::writer::{Write, Written};

/// A group on its way to the disk.
pub(super) struct Flight {
    segment: u64,
    last: Offset,
    count: u32,
    /// Bytes of it, without zeros behind.
    len: u64,
    /// Where the log ended, durably, when it is the first that fails.
    tail: u64,
    mark: Mark,
}

impl Flight {
    pub(super) fn is_of(&self, segment: u64) -> bool {
        self.segment == segment
    }
}

/// Commits under way that keep the disk busy: one is written, one waits for it.
pub(super) const COMMITS_MAX: usize = 2;

/// Which groups bring zeros along, and for how many of the same size.
#[derive(Debug)]
pub(super) struct Fill {
    /// Larger ones, in bytes, bring none: the bytes take as long as the flushes, and need not be written twice.
    group_max: u64,
    groups: u64,
}

pub(super) const FAST: Fill = Fill { group_max: 256 << 10, groups: 4 };
/// Where a commit takes this long, milliseconds, flushes cost more than bytes. Whoever comes during one of three flushes
/// waits for all of them: with 4 groups one commit in five was such, and half of the frames met one.
const SLOW_MS: u64 = 3;
const SLOW: Fill = Fill { group_max: 1 << 20, groups: 16 };
/// Zeros are for so many bytes at least (a thin log changes the file's map once in so many), and at most: they take a card
/// that writes 10 MB/s a fifth of a second.
const FILL_BYTES_MIN: u64 = 128 << 10;
const FILL_BYTES_MAX: u64 = 2 << 20;
/// What file systems allocate in.
const BLOCK: u64 = 4_096;

impl<F: Fs> Log<F> {
    /// Makes the group durable with one write and one sync, and waits for those that were begun before it; the last
    /// durable offset. Does nothing without a group.
    ///
    /// # Errors
    /// [`StoreError::Commit`]: nothing of the group may be acknowledged; see [`Log::recover_from_failure`].
    /// [`StoreError::Poisoned`].
    pub fn commit(&mut self) -> Result<Offset, StoreError> {
        if !self.flights.is_empty() {
            self.begin_commit()?;
            return self.end_commits();
        }
        // A thread of its own would cost two wake-ups, and nothing happens meanwhile.
        self.spare = Vec::new();
        match self.depart()? {
            Some((flight, write)) => {
                let written = self.timed(write);
                self.land(flight, written)
            }
            None => Ok(self.durable()),
        }
    }

    /// Begins to make the group durable while the next one gathers: with large groups the disk does not wait until they
    /// are encoded. Nothing of it may be acknowledged before the last durable offset has reached it, which this,
    /// [`Log::end_commit`] and [`Log::commit`] tell. Groups are written one after the other; where so many are under way
    /// that more would take memory and gain nothing, it waits for the oldest.
    ///
    /// # Errors
    /// As [`Log::end_commit`], of those begun before.
    pub fn begin_commit(&mut self) -> Result<Offset, StoreError> {
        if let Some((flight, write)) = self.depart()? {
            self.writer.hand(write);
            self.flights.push_back(flight);
        }
        while self.flights.len() > COMMITS_MAX {
            self.end_commit()?;
        }
        Ok(self.durable())
    }

    /// Waits for the oldest commit that was begun; the last durable offset. Does nothing without one.
    ///
    /// # Errors
    /// [`StoreError::Commit`]: neither this group nor any begun or gathered after it may be acknowledged; see
    /// [`Log::recover_from_failure`]. [`StoreError::Poisoned`].
    pub fn end_commit(&mut self) -> Result<Offset, StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        match self.flights.pop_front() {
            Some(flight) => {
                let written = self.writer.wait();
                self.land(flight, written)
            }
            None => Ok(self.durable()),
        }
    }

    /// Commits that were begun and not ended.
    pub fn commits_begun(&self) -> usize {
        self.flights.len()
    }

    /// Whether [`Log::end_commit`] would have something to tell without waiting.
    pub fn has_commit_to_end(&mut self) -> bool {
        !self.flights.is_empty() && self.writer.is_back()
    }

    /// Whether the last [`Log::commit`] took long.
    #[cfg(test)]
    pub(crate) fn is_slow(&self) -> bool {
        self.fill.groups == SLOW.groups
    }

    /// Ends all commits that were begun.
    pub(super) fn end_commits(&mut self) -> Result<Offset, StoreError> {
        while !self.flights.is_empty() {
            self.end_commit()?;
        }
        Ok(self.durable())
    }

    /// Writes a group that waits for no other and is waited for: such a one tells how slow the disk is.
    fn timed(&mut self, write: Write<F>) -> Written {
        let begun_ms = self.options.clock.now().mono_ms;
        let written = write.run();
        if written.outcome.is_ok() {
            let took_ms = self.options.clock.now().mono_ms.saturating_sub(begun_ms);
            self.fill = if took_ms < SLOW_MS { &FAST } else { &SLOW };
        }
        written
    }

    /// Gives the group its place: what is gathered from here on comes behind it. `None` without a group.
    fn depart(&mut self) -> Result<Option<(Flight, Write<F>)>, StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        if self.group.count == 0 {
            return Ok(None);
        }
        self.copy_names()?;
        self.finish_group();
        let len = self.group.bytes.len() as u64;
        let filled = self.fill_ahead(len);
        let last = Offset(self.next_offset.0 - 1);
        let Active { header, ref file, tail, .. } = self.active;
        let flight = Flight { segment: header.segment, last, count: self.group.count, len, tail, mark: self.mark };
        let bytes = std::mem::replace(&mut self.group.bytes, std::mem::take(&mut self.spare));
        let write = Write { file: file.clone(), bytes, position: tail };
        self.group.clear();
        self.active.filled = filled;
        self.active.tail += len;
        // Written only once this group is durable: what the next group's header says of it is true by then.
        self.mark = Mark { segment: header.segment, position: self.active.tail };
        Ok(Some((flight, write)))
    }

    /// Takes note of what became of a group.
    fn land(&mut self, flight: Flight, written: Written) -> Result<Offset, StoreError> {
        let Flight { segment, last, count, len, tail, .. } = flight;
        if let Err(source) = written.outcome {
            return Err(self.poison(flight, source));
        }
        let metrics = &self.options.metrics;
        metrics.store_records_total.add(u64::from(count));
        metrics.store_bytes_total.add(len);
        metrics.store_syncs_total.add(1);
        self.folder.durable.advance(last, segment, tail + len);
        self.end_if_durable();
        let free = if self.group.bytes.capacity() == 0 { &mut self.group.bytes } else { &mut self.spare };
        *free = written.bytes;
        free.clear();
        Ok(last)
    }

    /// The log ends before the group that failed; those begun after it were not written.
    fn poison(&mut self, failed: Flight, source: std::io::Error) -> StoreError {
        self.flights.drain(..).for_each(|_| drop(self.writer.wait()));
        if let Some(old) = self.ending.take() {
            let Active { header, file, room, .. } = std::mem::replace(&mut self.active, old);
            self.unused = Some(Prepared { header, file, room, filled: FIRST_ITEM });
        }
        (self.active.tail, self.mark) = (failed.tail, failed.mark);
        self.poisoned = true;
        self.group.clear();
        self.options.metrics.store_failures_total.add(1);
        let path = segment::path(&self.folder.dir, self.active.header.segment);
        StoreError::Commit { path, source, durable: self.durable() }
    }

    /// All names of the group once more at its end: a damaged definition costs no record but itself.
    fn copy_names(&mut self) -> Result<(), StoreError> {
        let from = self.group.names_before;
        let fresh = self.active.numbers.since(from);
        if !fresh.is_empty() {
            let definitions = definitions(from, fresh)?;
            self.append(kind::NAMES, None, self.active.footer.summary.last_stamp, &[], &definitions);
        }
        Ok(())
    }

    fn finish_group(&mut self) {
        let length = u32::try_from(self.group.bytes.len() - GROUP_LEN).unwrap_or(u32::MAX);
        let header = Group { length, count: self.group.count, first: self.group.first, mark: self.mark };
        let bytes = header.encode(self.active.seed, self.active.tail);
        if let Some(place) = self.group.bytes.get_mut(..GROUP_LEN) {
            place.copy_from_slice(&bytes);
        }
    }

    /// A group that reaches behind what was ever written brings zeros along for some groups after it. Where a group falls
    /// on bytes that were written, its sync is one flush; else the file's map changes too, and the file system syncs that
    /// as well, with flushes of its own. The end of what is written then.
    fn fill_ahead(&mut self, len: u64) -> u64 {
        let end = self.active.tail + len;
        if end <= self.active.filled || len > self.fill.group_max {
            return end.max(self.active.filled);
        }
        let ahead = (len * self.fill.groups).clamp(FILL_BYTES_MIN, FILL_BYTES_MAX);
        // To the end of a block: the file's map is in blocks.
        let filled = (end + ahead).next_multiple_of(BLOCK).min(self.active.room);
        let zeros = usize::try_from(filled.saturating_sub(end)).unwrap_or_default();
        self.group.bytes.resize(self.group.bytes.len() + zeros, 0);
        filled.max(end)
    }
}
