//! One segment's records in order: items decoded, names resolved, damage turned into findings with the offsets that
//! its neighbours tell to be missing.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::codec::{self, Definitions, Unread};
use super::error::{Damage, Finding};
use super::footer::Footer;
use super::format::{FIRST_ITEM, Header, RecordHeader, Seed, kind};
use super::fs::FsFile;
use super::scan::{Scanned, Scanner};
use crate::record::{Name, Offset, Record};

/// What a walk meets.
#[derive(Debug)]
pub(crate) enum Walked {
    /// A record and where it stands.
    Record(Record, Range<u64>),
    /// Something is wrong.
    Found(Finding),
    /// The limit is reached.
    End,
}

/// A walk through one segment.
pub(crate) struct Walk {
    segment: u64,
    seed: Seed,
    scanner: Scanner,
    window: usize,
    names: Vec<Name>,
    names_sought: bool,
    expected: Offset,
    gap: Option<Range<u64>>,
    ready: VecDeque<Walked>,
}

impl Walk {
    /// A walk from the segment's first item; `expected` is the offset its first record should have.
    pub(crate) fn new(header: &Header, expected: Offset, window: usize) -> Self {
        let seed = header.seed();
        Self {
            segment: header.segment,
            seed,
            scanner: Scanner::new(seed, FIRST_ITEM, window),
            window,
            names: Vec::new(),
            names_sought: false,
            expected,
            gap: None,
            ready: VecDeque::new(),
        }
    }

    /// The offset after the last record seen or known lost.
    pub(crate) fn expected(&self) -> Offset {
        self.expected
    }

    /// The segment's names, by number.
    pub(crate) fn into_names(self) -> Vec<Name> {
        self.names
    }

    /// The next thing below `limit`; the record at the limit, if it is known, has the offset `next`.
    pub(crate) fn next<F: FsFile>(&mut self, file: &F, limit: u64, next: Option<Offset>) -> io::Result<Walked> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(ready);
            }
            match self.scanner.next(file, limit)? {
                Scanned::Group { header, .. } => {
                    self.close_gap(header.first);
                    self.expected = self.expected.max(header.first);
                }
                Scanned::Record { header, at, body } => self.record(file, limit, &header, at, body)?,
                Scanned::Damage(range) => {
                    let start = self.gap.take().map_or(range.start, |gap| gap.start);
                    self.gap = Some(start..range.end);
                }
                Scanned::Footer { .. } | Scanned::End => {
                    if self.gap.is_none() {
                        return Ok(Walked::End);
                    }
                    self.close_gap(next.unwrap_or(self.expected));
                }
            }
        }
    }

    fn record<F: FsFile>(
        &mut self,
        file: &F,
        limit: u64,
        header: &RecordHeader,
        at: Range<u64>,
        body: Option<Bytes>,
    ) -> io::Result<()> {
        self.close_gap(header.offset);
        if header.kind == kind::NAMES {
            let learnt = body.as_ref().map(|body| Definitions::learn(body, &mut self.names));
            if learnt != Some(Ok(())) {
                let what = if learnt.is_none() { Damage::Body } else { Damage::Malformed };
                self.found(at, None, what);
            }
            return Ok(());
        }
        self.expected = self.expected.max(Offset(header.offset.0.saturating_add(1)));
        let mut read = decode(header, body.as_ref(), &self.names);
        if matches!(read, Err(Damage::Name(_))) && !self.names_sought {
            self.seek_names(file, at.end, limit)?;
            read = decode(header, body.as_ref(), &self.names);
        }
        match read {
            Ok(record) => self.ready.push_back(Walked::Record(record, at)),
            Err(what) => self.found(at, Some(header.offset), what),
        }
        Ok(())
    }

    /// A definition is lost: looks for its copies in the rest of the segment and in the footer, once.
    fn seek_names<F: FsFile>(&mut self, file: &F, from: u64, limit: u64) -> io::Result<()> {
        self.names_sought = true;
        let mut ahead = Scanner::new(self.seed, from, self.window);
        loop {
            match ahead.next(file, limit)? {
                Scanned::Record { header, body: Some(body), .. } if header.kind == kind::NAMES => {
                    // A copy that is itself malformed is met and reported when the walk comes by.
                    Definitions::learn(&body, &mut self.names).ok();
                }
                Scanned::Footer { .. } | Scanned::End => break,
                _ => {}
            }
        }
        let known = Footer::read(file, self.seed, limit)?.names().unwrap_or_default();
        if self.names.len() < known.len() {
            self.names.resize_with(known.len(), || Name::from(""));
        }
        for (place, name) in self.names.iter_mut().zip(known) {
            if place.is_empty() {
                *place = name;
            }
        }
        Ok(())
    }

    fn close_gap(&mut self, next: Offset) {
        let Some(bytes) = self.gap.take() else { return };
        let lost = (self.expected < next).then(|| self.expected..=Offset(next.0 - 1));
        self.ready.push_back(Walked::Found(Finding {
            segment: self.segment,
            bytes,
            offsets: lost,
            what: Damage::Unreadable,
        }));
        self.expected = self.expected.max(next);
    }

    fn found(&mut self, bytes: Range<u64>, offset: Option<Offset>, what: Damage) {
        let offsets = offset.map(|offset| offset..=offset);
        self.ready.push_back(Walked::Found(Finding { segment: self.segment, bytes, offsets, what }));
    }
}

/// A record from its header and its body, which is `None` when its checksum does not fit.
pub(crate) fn decode(header: &RecordHeader, body: Option<&Bytes>, names: &[Name]) -> Result<Record, Damage> {
    let body = body.ok_or(Damage::Body)?;
    let RecordHeader { kind, version, flags, stamp, offset, epoch, cause, key, .. } = *header;
    let (Some(head), Some(_)) = (body.get(..usize::from(header.head)), body.get(usize::from(header.head)..)) else {
        return Err(Damage::Malformed);
    };
    let rest = body.slice(usize::from(header.head)..);
    match codec::decode((kind, version, flags), stamp, head, rest, names) {
        Ok(body) => Ok(Record { offset, epoch, stamp, cause, key, body }),
        Err(Unread::Unknown) => Err(Damage::Unknown { kind, version }),
        Err(Unread::Malformed) => Err(Damage::Malformed),
        Err(Unread::Name(number)) => Err(Damage::Name(number)),
    }
}
