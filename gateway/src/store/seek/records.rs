//! Records at known positions of one file, neighbours read together.

use std::io;

use bytes::Bytes;

use super::archive::Found;
use crate::record::{Name, Offset};
use crate::store::error::{Damage, Finding};
use crate::store::folder::Entry;
use crate::store::format::{RECORD_LEN, RecordHeader};
use crate::store::fs::FsFile;
use crate::store::walk::decode;

/// Records this close to each other are read at once: the disk takes no longer for it.
const NEIGHBOURS: u64 = 16 * 1024;
/// Bytes read at once, at least and at most unless a record is longer.
const READ_MIN: u64 = 1024;
const READ_MAX: u64 = 512 * 1024;

/// A stretch of the file.
#[derive(Default)]
struct Window {
    at: u64,
    bytes: Bytes,
}

impl Window {
    fn get(&self, from: u64, to: u64) -> Option<&[u8]> {
        let place = |at: u64| usize::try_from(at.checked_sub(self.at)?).ok();
        self.bytes.get(place(from)?..place(to)?)
    }

    fn read<T: FsFile>(&mut self, file: &T, from: u64, to: u64) -> io::Result<()> {
        let mut bytes = vec![0; usize::try_from(to.saturating_sub(from)).unwrap_or(0)];
        let read = file.read_at(&mut bytes, from)?;
        bytes.truncate(read);
        (self.at, self.bytes) = (from, bytes.into());
        Ok(())
    }
}

/// Reads the records at `places`, which ascend.
pub(super) fn read_places<T: FsFile>(
    file: &T,
    entry: &Entry,
    places: &[u64],
    names: &mut [Name],
    found: &mut Vec<Found>,
    findings: &mut Vec<Finding>,
) -> io::Result<()> {
    let (segment, seed, limit) = (entry.header.segment, entry.header.seed(), entry.end.unwrap_or(0));
    let mut window = Window::default();
    for (nth, &at) in places.iter().enumerate() {
        if window.get(at, at + RECORD_LEN as u64).is_none() {
            let until = together(places.get(nth..).unwrap_or_default(), at);
            window.read(file, at, until.min(limit))?;
        }
        let head = window.get(at, at + RECORD_LEN as u64);
        let Some(header) = head.and_then(|head| RecordHeader::decode(seed, at, head)) else {
            let bytes = at..(at + RECORD_LEN as u64).min(limit.max(at));
            findings.push(Finding { segment, bytes, offsets: None, what: Damage::Unreadable });
            continue;
        };
        let (body, end) = (header.body(at), header.end(at));
        if window.get(at, end).is_none() {
            window.read(file, at, end.min(limit))?;
        }
        let padded = window.get(body.start, end).filter(|padded| seed.crc(at, padded) == header.body_crc);
        let bytes = padded.and_then(|_| window.get(body.start, body.end)).map(|bytes| window.bytes.slice_ref(bytes));
        match decode(&header, bytes.as_ref(), names) {
            Ok(record) => found.push(Found { record, segment, bytes: at..end }),
            Err(what) => {
                let offsets: Option<std::ops::RangeInclusive<Offset>> = Some(header.offset..=header.offset);
                findings.push(Finding { segment, bytes: at..end, offsets, what });
            }
        }
    }
    Ok(())
}

/// Where a read that begins at `at` ends.
fn together(places: &[u64], at: u64) -> u64 {
    let mut last = at;
    for &place in places {
        if place - last > NEIGHBOURS || place - at > READ_MAX - READ_MIN {
            break;
        }
        last = place;
    }
    last + READ_MIN
}
