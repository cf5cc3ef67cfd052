//! Sets of carried facts: a copy of the checkpoint in the log itself, so that the segments before it may be deleted and
//! the log still rebuilds everything (LOG.md, "Checkpoints, cursors, retention").
//!
//! A set is a stream of rows, cut into parts without regard to where a row ends. Its number is the log's last durable
//! offset when it was begun: no other set has it, and its parts stand behind it. It counts only when its last part is
//! there and all parts together have the checksum that one names.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::folder::Folder;
use super::fs::Fs;
use super::head::HEAD_KEY;
use super::reader::Reader;
use super::state::{Change, StateEngine, StateError, Table};
use crate::record::{Body, Carry, CarryEnd, Offset, Record};
use crate::units::count;

/// Bytes of log read at a time, and about as many of rows written at a time.
const READ_BYTES: usize = 1 << 20;

/// A complete set and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Set {
    /// Its number; its parts stand behind this offset.
    pub(crate) number: u64,
    /// Its last part.
    pub(crate) last: Offset,
    /// With its rows, the log is replayed from here on.
    pub(crate) from: Offset,
    /// Bytes of all parts.
    pub(crate) bytes: u64,
}

/// Takes a set from a state engine, part by part; the engine must not be written to meanwhile.
pub(crate) struct Taker {
    number: u64,
    from: Offset,
    part_bytes: usize,
    /// The table that is being read, by its place among all; behind which key.
    table: usize,
    after: Option<Vec<u8>>,
    /// Rows of that table still to come, counted when the set was begun.
    left: u64,
    stream: Vec<u8>,
    parts: u32,
    crc: u32,
}

/// Whether a row belongs to a set: of [`Table::Meta`] only what the head wrote, the rest is the engine's own.
fn belongs(table: Table, key: &[u8]) -> bool {
    table != Table::Meta || key == HEAD_KEY
}

impl Taker {
    /// Begins set `number` of the engine's rows, with which the log is replayed from `from` on.
    ///
    /// # Errors
    /// [`StateError`] when a table is damaged: nothing may be deleted on the word of such an engine.
    pub(crate) fn begin(
        engine: &dyn StateEngine,
        number: u64,
        from: Offset,
        part_bytes: usize,
    ) -> Result<Self, StateError> {
        for table in Table::ALL {
            engine.count(table)?;
        }
        let left = Table::ALL.first().map_or(Ok(0), |table| engine.count(*table))?;
        let (after, stream) = (None, Vec::new());
        Ok(Self { number, from, part_bytes: part_bytes.max(1), table: 0, after, left, stream, parts: 0, crc: 0 })
    }

    /// The next part; `None` after the last.
    ///
    /// # Errors
    /// [`StateError`]: the set is given up.
    pub(crate) fn part(&mut self, engine: &dyn StateEngine) -> Result<Option<Carry>, StateError> {
        if self.parts > 0 && self.is_over() && self.stream.is_empty() {
            return Ok(None);
        }
        while self.stream.len() <= self.part_bytes && !self.is_over() {
            self.read_on(engine)?;
        }
        let len = self.stream.len().min(self.part_bytes);
        let rest = self.stream.split_off(len);
        let bytes = Bytes::from(std::mem::replace(&mut self.stream, rest));
        self.crc = crc32c::crc32c_append(self.crc, &bytes);
        let part = self.parts;
        self.parts += 1;
        let is_last = self.is_over() && self.stream.is_empty();
        let end = is_last.then_some(CarryEnd { parts: self.parts, crc: self.crc, from: self.from });
        Ok(Some(Carry { set: self.number, part, end, bytes }))
    }

    /// From where on the log is replayed with the set's rows.
    pub(crate) fn from(&self) -> Offset {
        self.from
    }

    fn is_over(&self) -> bool {
        self.table >= Table::ALL.len()
    }

    fn read_on(&mut self, engine: &dyn StateEngine) -> Result<(), StateError> {
        let Some(table) = Table::ALL.get(self.table).copied() else { return Ok(()) };
        let rows = engine.range(table, self.after.as_deref(), self.part_bytes)?;
        let Some((last, _)) = rows.last() else {
            if self.left > 0 {
                let what = format!("table {} ends {} before its end", table.name(), count(self.left, "row"));
                return Err(StateError::Damaged { path: "state".into(), what });
            }
            self.table += 1;
            self.after = None;
            self.left = Table::ALL.get(self.table).map_or(Ok(0), |table| engine.count(*table))?;
            return Ok(());
        };
        self.after = Some(last.clone());
        self.left = self.left.saturating_sub(rows.len() as u64);
        let code = u8::try_from(self.table).unwrap_or(u8::MAX);
        for (key, value) in rows.iter().filter(|(key, _)| belongs(table, key)) {
            // A row left out would be missed only when the log is rebuilt from this set.
            let damaged =
                |error| StateError::Damaged { path: "state".into(), what: format!("row not carried: {error}") };
            let row = postcard::to_stdvec(&(code, key, value)).map_err(damaged)?;
            self.stream.extend(row);
        }
        Ok(())
    }
}

/// Reads set `number` to its end; `None` when it is not whole.
///
/// # Errors
/// [`StoreError::Io`] when the log cannot be read.
pub(crate) fn check<F: Fs>(folder: &Arc<Folder<F>>, number: u64) -> Result<Option<Set>, StoreError> {
    walk(folder, number, |_| Ok(()))
}

/// The newest set that is whole; and how many newer ones are not.
///
/// # Errors
/// [`StoreError::Io`] when the log cannot be read.
pub(crate) fn newest<F: Fs>(folder: &Arc<Folder<F>>) -> Result<(Option<Set>, usize), StoreError> {
    let entries = folder.entries();
    let mut damaged = 0;
    for (at, entry) in entries.iter().enumerate().rev() {
        let until = entries.get(at + 1).map_or(Offset(u64::MAX), |next| next.first);
        let mut numbers = ends_in(folder, entry.first, until)?;
        while let Some(number) = numbers.pop() {
            match check(folder, number)? {
                Some(set) => return Ok((Some(set), damaged)),
                None => damaged += 1,
            }
        }
    }
    Ok((None, damaged))
}

/// Hands over the rows of a set, some at a time; false when the set is not whole or damaged.
///
/// # Errors
/// Those of `each`, and [`StoreError::Io`] when the log cannot be read.
pub(crate) fn load<F: Fs, E: From<StoreError>>(
    folder: &Arc<Folder<F>>,
    number: u64,
    mut each: impl FnMut(Vec<Change>) -> Result<(), E>,
) -> Result<bool, E> {
    let mut stream = Vec::new();
    let mut outcome = Ok(());
    let mut sound = true;
    let whole = walk(folder, number, |bytes| {
        stream.extend_from_slice(bytes);
        if stream.len() >= READ_BYTES && outcome.is_ok() {
            outcome = rows_of(&mut stream, &mut sound).map_or(Ok(()), &mut each);
        }
        Ok(())
    });
    outcome?;
    let whole = whole?;
    if let Some(rows) = rows_of(&mut stream, &mut sound) {
        each(rows)?;
    }
    Ok(sound && stream.is_empty() && whole.is_some())
}

/// Hands over the rows of the newest set that is whole, as retention noted it or as a search finds it; its number, `None`
/// when there is no such set.
///
/// # Errors
/// Those of `each`, and [`StoreError::Io`] when the log cannot be read.
pub(crate) fn load_newest<F: Fs, E: From<StoreError>>(
    folder: &Arc<Folder<F>>,
    each: impl FnMut(Vec<Change>) -> Result<(), E>,
) -> Result<Option<Offset>, E> {
    let noted = folder.removed().set.map(|set| check(folder, set.number)).transpose()?.flatten();
    let sought = || {
        let (set, damaged) = newest(folder)?;
        if damaged > 0 {
            tracing::error!(damaged, "sets of carried facts are damaged; an older one has to do");
        }
        Ok::<_, StoreError>(set)
    };
    let Some(set) = noted.map_or_else(sought, |set| Ok(Some(set)))? else { return Ok(None) };
    Ok(load(folder, set.number, each)?.then_some(Offset(set.number)))
}

/// Numbers of the sets whose last part stands in `first..until`, ascending.
fn ends_in<F: Fs>(folder: &Arc<Folder<F>>, first: Offset, until: Offset) -> Result<Vec<u64>, StoreError> {
    let mut numbers = Vec::new();
    let mut reader = Reader::new(Arc::clone(folder), first);
    loop {
        let batch = reader.next(READ_BYTES)?;
        for record in batch.records.iter().take_while(|record| record.offset < until) {
            if let Body::Carry(Carry { set, end: Some(_), .. }) = record.body {
                numbers.push(set);
            }
        }
        let over = batch.records.last().is_some_and(|record| record.offset >= until);
        if over || (batch.records.is_empty() && batch.findings.is_empty()) {
            return Ok(numbers);
        }
    }
}

/// Walks over the parts of a set in order; its place when all of them are there and have the right checksum.
fn walk<F: Fs>(
    folder: &Arc<Folder<F>>,
    number: u64,
    mut each: impl FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<Option<Set>, StoreError> {
    let mut reader = Reader::new(Arc::clone(folder), Offset(number).next());
    let (mut parts, mut crc, mut bytes) = (0, 0, 0);
    loop {
        let batch = reader.next(READ_BYTES)?;
        if batch.is_empty() {
            return Ok(None);
        }
        for Record { offset, body, .. } in &batch.records {
            let Body::Carry(carry) = body else { continue };
            if carry.set != number {
                continue;
            }
            if carry.part != parts {
                return Ok(None);
            }
            parts += 1;
            bytes += carry.bytes.len() as u64;
            crc = crc32c::crc32c_append(crc, &carry.bytes);
            each(&carry.bytes)?;
            if let Some(end) = carry.end {
                let whole = end.parts == parts && end.crc == crc;
                return Ok(whole.then_some(Set { number, last: *offset, from: end.from, bytes }));
            }
        }
    }
}

/// Takes the whole rows from the front of the stream. A table that this program does not know makes the set unsound.
fn rows_of(stream: &mut Vec<u8>, sound: &mut bool) -> Option<Vec<Change>> {
    let mut changes = Vec::new();
    let mut rest = stream.as_slice();
    while let Ok(((code, key, value), after)) = postcard::take_from_bytes::<(u8, &[u8], &[u8])>(rest) {
        rest = after;
        match Table::ALL.get(usize::from(code)) {
            Some(table) if belongs(*table, key) => {
                changes.push(Change { table: *table, key: key.to_vec(), value: Some(value.to_vec()) });
            }
            Some(_) => {}
            None => *sound = false,
        }
    }
    let taken = stream.len() - rest.len();
    stream.drain(..taken);
    (!changes.is_empty()).then_some(changes)
}
