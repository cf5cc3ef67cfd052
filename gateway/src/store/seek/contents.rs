//! What the footer of one segment says about what is wanted, read without reading the whole of it.

use std::io;

use crate::record::Name;
use crate::store::folder::Entry;
use crate::store::footer::{Part, Summary, places_of, tag};
use crate::store::format::{FOOTER_LEN, FooterHeader, SECTION_LEN, Section, Seed, aligned};
use crate::store::fs::FsFile;

use super::archive::Wanted;

/// Bytes read at a time: names and directory of a thousand devices, the sections that a search needs.
const AHEAD: usize = 48 * 1024;
/// A wall clock that moved more than this against the monotonic one within a segment has been set.
const WALL_STEP_MS: u64 = 1_000;

/// How a segment is to be read.
#[derive(Debug)]
pub(super) enum Look {
    /// Nothing in it was written in the span.
    Outside,
    /// These positions, ascending; perhaps none.
    Places(Vec<u64>),
    /// From its first record on.
    Walk,
}

/// A footer whose sections are read when they are asked for.
pub(super) struct Contents<'f, T: FsFile> {
    file: &'f T,
    seed: Seed,
    /// Where each section's head stands, and what it says.
    sections: Vec<(u64, Section)>,
    ahead: Ahead,
    names: Vec<String>,
}

/// Bytes of the file that were read on the way.
#[derive(Default)]
struct Ahead {
    at: u64,
    bytes: Vec<u8>,
}

impl Ahead {
    /// `length` bytes at `at`; fewer only at the end of the file.
    fn get<T: FsFile>(&mut self, file: &T, at: u64, length: usize) -> io::Result<&[u8]> {
        let end = at + length as u64;
        if at < self.at || end > self.at + self.bytes.len() as u64 {
            self.bytes.resize(length.max(AHEAD), 0);
            let read = file.read_at(&mut self.bytes, at)?;
            self.bytes.truncate(read);
            self.at = at;
        }
        let from = usize::try_from(at - self.at).unwrap_or(usize::MAX);
        let rest = self.bytes.get(from..).unwrap_or_default();
        Ok(rest.get(..length).unwrap_or(rest))
    }
}

impl<'f, T: FsFile> Contents<'f, T> {
    /// The footer of a segment; `None` when there is none that can be read from its beginning to its end.
    pub(super) fn open(file: &'f T, entry: &Entry) -> io::Result<Option<Self>> {
        let seed = entry.header.seed();
        let Some(position) = entry.end else { return Ok(None) };
        let mut ahead = Ahead::default();
        let Some(header) = FooterHeader::decode(seed, position, ahead.get(file, position, FOOTER_LEN)?) else {
            return Ok(None);
        };
        let mut sections = Vec::new();
        let mut at = position + FOOTER_LEN as u64;
        for _ in 0..header.sections {
            let Some(section) = Section::decode(seed, at, ahead.get(file, at, SECTION_LEN)?) else { return Ok(None) };
            sections.push((at, section));
            at += SECTION_LEN as u64 + aligned(u64::from(section.length));
        }
        Ok(Some(Self { file, seed, sections, ahead, names: Vec::new() }))
    }

    /// What is to be read for what is wanted.
    pub(super) fn look(&mut self, wanted: &Wanted) -> io::Result<Look> {
        let Some(summary) = self.read::<Summary>(tag::SUMMARY)? else { return Ok(Look::Walk) };
        if is_outside(&summary, wanted) {
            return Ok(Look::Outside);
        }
        let Some(names) = self.read::<Vec<String>>(tag::NAMES)? else { return Ok(Look::Walk) };
        let number_of = |name: &Name| names.iter().position(|known| **known == **name);
        let by_name = names.iter().zip(0..).filter(|(name, _)| wanted.names.contains(name.as_str()));
        let mut numbers: Vec<u32> = by_name.map(|(_, number)| number).collect();
        let subject = wanted.subject.as_ref().and_then(number_of).and_then(|at| u32::try_from(at).ok());
        self.names = names;
        let mut places = Vec::new();
        if let Some(subject) = subject {
            let Some(feeds) = self.read::<Vec<(u32, u32)>>(tag::FEEDS)? else { return Ok(Look::Walk) };
            // A device that nobody has feeds the subject of its own name.
            numbers.push(subject);
            numbers.extend(feeds.iter().filter(|(_, fed)| *fed == subject).map(|(device, _)| device));
        }
        if wanted.acts {
            let Some(acts) = self.read::<Vec<u64>>(tag::ACTS)? else { return Ok(Look::Walk) };
            places.extend(acts);
        }
        if wanted.carried {
            places.extend(self.read::<Vec<u64>>(tag::CARRIED)?.unwrap_or_default());
        }
        numbers.sort_unstable();
        numbers.dedup();
        if !numbers.is_empty() {
            let Some(listed) = self.places(&numbers)? else { return Ok(Look::Walk) };
            places.extend(listed);
        }
        // Topics were not indexed before there was a directory: `places` walks then, also for those.
        places.sort_unstable();
        places.dedup();
        Ok(Look::Places(places))
    }

    /// The segment's names, by number.
    pub(super) fn into_names(self) -> Vec<Name> {
        self.names.into_iter().map(Name::from).collect()
    }

    /// Positions of the records of these names; `None` when the index cannot tell.
    fn places(&mut self, numbers: &[u32]) -> io::Result<Option<Vec<u64>>> {
        let Some(directory) = self.read::<Vec<Part>>(tag::DIRECTORY)? else { return Ok(None) };
        let Some((index, _)) = self.section(tag::INDEX) else { return Ok(None) };
        let index = index + SECTION_LEN as u64;
        let mut places = Vec::new();
        for part in directory.iter().filter(|part| numbers.binary_search(&part.name).is_ok()) {
            let bytes = self.ahead.get(self.file, index + u64::from(part.start), part.length as usize)?;
            let is_sound = crc32c::crc32c(bytes).to_le_bytes() == part.crc;
            let Some((_, of_name)) = places_of(bytes).filter(|_| is_sound) else { return Ok(None) };
            places.extend(of_name.iter().map(|place| place.position));
        }
        Ok(Some(places))
    }

    fn section(&self, tag: u16) -> Option<(u64, Section)> {
        self.sections.iter().find(|(_, section)| section.tag == tag).copied()
    }

    /// What a section says; `None` when it is not there or damaged.
    fn read<D: serde::de::DeserializeOwned>(&mut self, tag: u16) -> io::Result<Option<D>> {
        let Some((at, section)) = self.section(tag) else { return Ok(None) };
        let length = aligned(u64::from(section.length)) as usize;
        let padded = self.ahead.get(self.file, at + SECTION_LEN as u64, length)?;
        if self.seed.crc(at, padded) != section.body_crc {
            return Ok(None);
        }
        Ok(padded.get(..section.length as usize).and_then(|body| postcard::from_bytes(body).ok()))
    }
}

/// Whether all of a segment was written before or after the span; never of one during which the wall clock was set.
fn is_outside(summary: &Summary, wanted: &Wanted) -> bool {
    let (first, last) = (summary.first_stamp, summary.last_stamp);
    let wall_ms = last.wall_ms.saturating_sub(first.wall_ms);
    let mono_ms = i64::try_from(last.mono_ms.saturating_sub(first.mono_ms)).unwrap_or(i64::MAX);
    let is_steady = wall_ms.saturating_sub(mono_ms).unsigned_abs() <= WALL_STEP_MS;
    is_steady && (last.wall_ms < wanted.written_ms.start || wanted.written_ms.end < first.wall_ms)
}
