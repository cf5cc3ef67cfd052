//! The bytes of a mended segment.

use std::io;
use std::ops::Range;

use crate::record::{GatewayTime, KeyId, Offset, Record, StartEpoch};
use crate::store::codec;
use crate::store::error::{Damage, StoreError};
use crate::store::folder;
use crate::store::footer::{FooterBuilder, Numbers};
use crate::store::format::{
    BODY_MAX, FIRST_ITEM, FORMAT, GROUP_LEN, Group, HEADER_COPY, HEADER_LEN, Header, Mark, RECORD_LEN, RecordHeader,
    Seed, kind,
};
use crate::store::fs::{Fs, FsFile};
use crate::store::salt::Salts;
use crate::store::scan::{Scanned, Scanner, WINDOW};
use crate::store::segment::Probe;
use crate::store::walk::{Walk, Walked};

/// What a segment is rebuilt from besides itself.
pub(super) struct Rebuilder {
    /// Where the log ended before it.
    pub(super) before: Mark,
    /// What comes behind it.
    pub(super) later: Option<Later>,
}

/// The first group behind a segment.
#[derive(Clone, Copy)]
pub(super) struct Later {
    pub(super) first: Offset,
    pub(super) epoch: StartEpoch,
}

/// A mended segment.
pub(super) struct Rebuilt {
    pub(super) bytes: Vec<u8>,
    pub(super) kept: u64,
    pub(super) filled: u64,
}

/// What a damaged segment still holds.
struct Contents {
    records: Vec<(Record, u64)>,
    holes: Vec<Range<u64>>,
    /// Groups whose headers are intact, and where they begin.
    groups: Vec<(u64, Group)>,
    numbers: Numbers,
    /// Higher than any offset that was used in the segment, as far as anything of it tells.
    next: Offset,
}

impl Rebuilder {
    /// The segment with its holes filled; `None` when one of them cannot be.
    pub(super) fn rewrite<F: Fs>(&self, probe: &Probe<F>, named: Option<u64>) -> io::Result<Option<Rebuilt>> {
        let Some(header) = probe.header else { return Ok(None) };
        let end = folder::end(probe, &header, named).map_err(io::Error::other)?.end;
        let mut bytes = vec![0; usize::try_from(end).map_err(io::Error::other)?];
        // A file that has lost its end reads as zeros there.
        probe.file.read_at(&mut bytes, 0)?;
        let contents = self.read(probe, &header, end)?;
        write_headers(&mut bytes, &header);
        let mut filled = 0;
        for hole in &contents.holes {
            filled += hole.end - hole.start;
            if self.fill(&mut bytes, &header, hole.clone(), &contents, end).is_none() {
                return Ok(None);
            }
        }
        let mut footer = FooterBuilder::default();
        footer.summary.epoch = header.epoch;
        for (record, position) in &contents.records {
            footer.add_read(record, &contents.numbers, *position);
        }
        footer.summary.next = footer.summary.next.max(contents.next);
        let footer = footer.encode(contents.numbers.since(0), header.seed(), end).map_err(io::Error::other)?;
        bytes.extend(footer);
        Ok(Some(Rebuilt { bytes, kept: contents.records.len() as u64, filled }))
    }

    /// A segment without records that ends at `end`, in place of one that is gone.
    pub(super) fn replace(&self, segment: u64, end: u64) -> Result<Rebuilt, StoreError> {
        let Later { first, epoch } = self.later.unwrap_or(Later { first: Offset(1), epoch: StartEpoch(1) });
        let header = Header { version: FORMAT, epoch, segment, salt: Salts::new(None).next(), floor: first };
        let mut bytes = vec![0; usize::try_from(end).unwrap_or(0)];
        write_headers(&mut bytes, &header);
        let (records, holes, groups) = (Vec::new(), Vec::new(), Vec::new());
        let contents = Contents { records, holes, groups, numbers: Numbers::default(), next: first };
        let filled = self.fill(&mut bytes, &header, FIRST_ITEM..end, &contents, end);
        let mut footer = FooterBuilder::default();
        footer.summary.epoch = epoch;
        (footer.summary.first, footer.summary.next) = (first, first);
        let footer = footer.encode(&[], header.seed(), end)?;
        match filled {
            Some(()) => bytes.extend(footer),
            None => return Err(StoreError::Unwritable(postcard::Error::SerializeBufferFull)),
        }
        Ok(Rebuilt { bytes, kept: 0, filled: end - FIRST_ITEM })
    }

    fn read<F: Fs>(&self, probe: &Probe<F>, header: &Header, end: u64) -> io::Result<Contents> {
        let next = self.later.map(|later| later.first);
        let first = probe.first()?.or(next).unwrap_or(header.floor);
        let mut walk = Walk::new(header, first, WINDOW);
        let (mut records, mut holes) = (Vec::new(), Vec::new());
        loop {
            match walk.next(&probe.file, end, next)? {
                Walked::Record(record, at) => records.push((record, at.start)),
                Walked::Found(finding) if matches!(finding.what, Damage::Unknown { .. }) => {}
                Walked::Found(finding) => holes.push(finding.bytes),
                Walked::End => break,
            }
        }
        let groups = groups(&probe.file, header, end)?;
        let said = folder::footer::<F>(&probe.file, header)?.and_then(|(_, footer)| footer.summary());
        let counted = groups.iter().map(|(_, group)| Offset(group.first.0.saturating_add(u64::from(group.count))));
        let next = counted.chain(said.map(|said| said.next)).fold(walk.expected(), Offset::max);
        Ok(Contents { records, holes, groups, numbers: Numbers::from(walk.into_names()), next })
    }

    /// Puts into a hole what a reader passes over; `None` when nothing fits.
    fn fill(
        &self,
        bytes: &mut [u8],
        header: &Header,
        Range { start, end }: Range<u64>,
        contents: &Contents,
        items_end: u64,
    ) -> Option<()> {
        let mut at = start;
        let is_group = |at: u64| end - at == GROUP_LEN as u64;
        // The first group ties the segment to the one before it; a hole of this length elsewhere was a group's header.
        if at == FIRST_ITEM || is_group(at) {
            let mark = if at == FIRST_ITEM { self.before } else { Mark { segment: header.segment, position: at } };
            let group = contents.group(at, items_end, mark)?;
            put(bytes, at, &group.encode(header.seed(), at))?;
            at += GROUP_LEN as u64;
        }
        while at < end {
            let rest = end - at;
            // A filler is never so long that too little is left for another one.
            let most = (BODY_MAX as u64).min(rest);
            let len = if rest > most { most - 2 * RECORD_LEN as u64 } else { most };
            filler(bytes, header, at, len, contents.offset_after(at))?;
            at += len;
        }
        Some(())
    }
}

impl Contents {
    fn offset_after(&self, at: u64) -> Offset {
        self.records.iter().find(|(_, position)| *position >= at).map_or(self.next, |(record, _)| record.offset)
    }

    /// The header of the group that begins at `at`.
    fn group(&self, at: u64, items_end: u64, mark: Mark) -> Option<Group> {
        let start = at + GROUP_LEN as u64;
        let end = self.groups.iter().map(|(group, _)| *group).find(|group| *group > at).unwrap_or(items_end);
        let count = self.records.iter().filter(|(_, position)| (start..end).contains(position)).count();
        let length = u32::try_from(end.checked_sub(start)?).ok()?;
        Some(Group { length, count: u32::try_from(count).ok()?, first: self.offset_after(at), mark })
    }
}

fn groups<F: FsFile>(file: &F, header: &Header, end: u64) -> io::Result<Vec<(u64, Group)>> {
    let mut scanner = Scanner::new(header.seed(), FIRST_ITEM, WINDOW);
    let mut groups = Vec::new();
    loop {
        match scanner.next(file, end)? {
            Scanned::Group { at, header } => groups.push((at.start, header)),
            Scanned::Footer { .. } | Scanned::End => return Ok(groups),
            _ => {}
        }
    }
}

fn write_headers(bytes: &mut [u8], header: &Header) {
    let encoded = header.encode();
    if let Some(gap) = bytes.get_mut(HEADER_LEN..HEADER_COPY as usize) {
        gap.fill(0);
    }
    for at in [0, HEADER_COPY] {
        put(bytes, at, &encoded).unwrap_or_default();
    }
}

/// A record that defines no names, `len` bytes in all.
fn filler(bytes: &mut [u8], header: &Header, at: u64, len: u64, offset: Offset) -> Option<()> {
    let body = usize::try_from(len.checked_sub(RECORD_LEN as u64)?).ok()?;
    if !body.is_multiple_of(8) {
        return None;
    }
    let (seed, zeros): (Seed, _) = (header.seed(), vec![0; body]);
    let record = RecordHeader {
        length: u32::try_from(body).ok()?,
        kind: kind::NAMES,
        version: codec::VERSION,
        head: 0,
        flags: 0,
        key: KeyId(0),
        epoch: header.epoch,
        offset,
        stamp: GatewayTime::default(),
        cause: None,
        body_crc: seed.crc(at, &zeros),
    };
    put(bytes, at, &record.encode(seed, at))?;
    put(bytes, at + RECORD_LEN as u64, &zeros)
}

fn put(bytes: &mut [u8], at: u64, what: &[u8]) -> Option<()> {
    let at = usize::try_from(at).ok()?;
    bytes.get_mut(at..at.checked_add(what.len())?)?.copy_from_slice(what);
    Some(())
}
