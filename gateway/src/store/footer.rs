//! The footer of a sealed segment: what a reader would otherwise have to scan for. Built while the segment is written,
//! or by scanning it again. Losing it loses nothing.

use std::collections::{BTreeMap, HashMap};
use std::io;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::format::{
    FOOTER_LEN, FooterHeader, SECTION_LEN, Section, Seed, TRAILER_LEN, aligned, decode_trailer, encode_trailer, pad,
};
use super::fs::FsFile;
use crate::record::{Body, GatewayTime, Identity, Name, Offset, Record, StartEpoch};

/// Tags of footer sections. 5 is kept for ranges of event time, which only a reader of payloads can know.
pub mod tag {
    /// Offsets, counts, times: [`super::Summary`].
    pub const SUMMARY: u16 = 1;
    /// The names of the segment in the order of their numbers.
    pub const NAMES: u16 = 2;
    /// Per (device, boot): sequences, arrivals, count: [`super::FrameRange`].
    pub const RANGES: u16 = 3;
    /// Per device, and per topic of retained publishes: where its records stand: [`super::Place`].
    pub const INDEX: u16 = 4;
    /// Which devices fed which subjects, where those are not their own: pairs of numbers of names.
    pub const FEEDS: u16 = 6;
    /// Where administrative acts stand.
    pub const ACTS: u16 = 7;
    /// Where each device's part of the index stands, so that one device does not cost reading all: [`super::Part`].
    pub const DIRECTORY: u16 = 8;
    /// Where the last parts of sets of carried facts stand; not there when there are none.
    pub const CARRIED: u16 = 9;
}

/// What a segment holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Offset of the first record.
    pub first: Offset,
    /// Offset after the last record.
    pub next: Offset,
    /// How many records.
    pub records: u64,
    /// Who wrote it.
    pub epoch: StartEpoch,
    /// Stamp of the first record.
    pub first_stamp: GatewayTime,
    /// Stamp of the last record.
    pub last_stamp: GatewayTime,
}

/// The frames of one boot of one device in one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameRange {
    /// Number of the device's name.
    pub device: u32,
    /// The boot.
    pub boot: u32,
    /// Smallest sequence.
    pub first: u32,
    /// Largest sequence.
    pub last: u32,
    /// How many frames.
    pub frames: u32,
    /// Earliest arrival, wall milliseconds.
    pub arrival_min_ms: i64,
    /// Latest arrival, wall milliseconds.
    pub arrival_max_ms: i64,
}

/// Where one record of a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Byte position of the record in its file.
    pub position: u64,
    /// For frames with a sequence: which, and the CRC-32C of the payload.
    pub frame: Option<(Identity, u32)>,
}

/// Where the part of the index stands that is one device's, or one topic's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Number of its name.
    pub(crate) name: u32,
    /// First byte within the index.
    pub(crate) start: u32,
    /// Bytes.
    pub(crate) length: u32,
    /// CRC-32C of the bytes: whoever reads a part cannot check the whole section.
    pub(crate) crc: [u8; 4],
}

/// A place as it is written: positions as distances in 8-byte steps, so that most take two bytes.
#[derive(Serialize, Deserialize)]
struct Step {
    by: u32,
    frame: Option<(u32, u32, [u8; 4])>,
}

/// Numbers for the names of one segment, in order of first use.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// Asked up to three times for each record; seeded anew for each segment, because names come from outside.
    numbers: HashMap<Name, u32, foldhash::quality::RandomState>,
    names: Vec<Name>,
}

impl Numbers {
    pub(crate) fn get(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The number of a name, new if need be.
    pub(crate) fn number(&mut self, name: &Name) -> u32 {
        if let Some(number) = self.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.numbers.insert(Name::clone(name), number);
        self.names.push(Name::clone(name));
        number
    }

    /// The numbers of a record's names, 0 where it has none. Most records have one name in several places.
    pub(crate) fn of(&mut self, names: [Option<&Name>; 3]) -> [u32; 3] {
        let mut last: Option<(&Name, u32)> = None;
        names.map(|name| {
            let Some(name) = name else { return 0 };
            let number = match last {
                Some((same, number)) if Name::ptr_eq(same, name) => number,
                _ => self.number(name),
            };
            last = Some((name, number));
            number
        })
    }

    /// The names from number `first` on.
    pub(crate) fn since(&self, first: usize) -> &[Name] {
        self.names.get(first..).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// Forgets the names from number `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        for name in self.names.drain(len..) {
            self.numbers.remove(&name);
        }
    }
}

impl From<Vec<Name>> for Numbers {
    fn from(names: Vec<Name>) -> Self {
        let numbered = names.iter().enumerate().filter(|(_, name)| !name.is_empty());
        let numbers = numbered.filter_map(|(at, name)| Some((Name::clone(name), u32::try_from(at).ok()?))).collect();
        Self { numbers, names }
    }
}

/// Gathers a footer record by record.
#[derive(Debug, Default)]
pub(crate) struct FooterBuilder {
    pub(crate) summary: Summary,
    /// By the number of the device's, or the topic's, name.
    devices: Vec<OfDevice>,
    /// Positions of administrative acts.
    acts: Vec<u64>,
    /// Positions of the last parts of sets of carried facts.
    carried: Vec<u64>,
}

/// What a segment holds of one device.
#[derive(Debug, Default)]
struct OfDevice {
    /// Of the boot that sent last: a device seldom goes back to an earlier one.
    range: Option<FrameRange>,
    /// Of its other boots.
    ranges: BTreeMap<u32, FrameRange>,
    places: Vec<Place>,
    /// Whom it fed beside itself; the same one nearly always.
    subjects: Vec<Name>,
}

impl FooterBuilder {
    /// Takes note of a record at a byte position; `device` is the number of the name it is about.
    pub(crate) fn add(&mut self, offset: Offset, stamp: GatewayTime, body: &Body, device: Option<u32>, position: u64) {
        if self.summary.records == 0 {
            self.summary.first = offset;
            self.summary.first_stamp = stamp;
        }
        self.summary.records += 1;
        self.summary.last_stamp = stamp;
        self.summary.next = self.summary.next.max(Offset(offset.0.saturating_add(1)));
        match body {
            Body::Act(_) => self.acts.push(position),
            Body::Carry(part) if part.end.is_some() => self.carried.push(position),
            _ => {}
        }
        let Some(device) = device else { return };
        let at = device as usize;
        if self.devices.len() <= at {
            self.devices.resize_with(at + 1, OfDevice::default);
        }
        let Some(of_device) = self.devices.get_mut(at) else { return };
        let frame = match body {
            Body::Frame(frame) => frame.identity.map(|identity| {
                of_device.range(device, identity, frame.arrival.wall_ms);
                (identity, crc32c::crc32c(&frame.payload))
            }),
            _ => None,
        };
        of_device.places.push(Place { position, frame });
        of_device.feeds(body);
    }

    /// Takes note of a record that was read back.
    pub(crate) fn add_read(&mut self, record: &Record, numbers: &Numbers, position: u64) {
        let device = device(&record.body).and_then(|name| numbers.get(name));
        self.add(record.offset, record.stamp, &record.body, device, position);
    }

    /// The footer's bytes for `position`, up to the end of the file.
    pub(crate) fn encode(&self, names: &[Name], seed: Seed, position: u64) -> Result<Vec<u8>, postcard::Error> {
        let feeds = self.feeds(names);
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        let ranges = self.ranges();
        let (index, directory) = self.index()?;
        // What a search reads stands together; the long index comes last.
        let mut sections = vec![
            (tag::SUMMARY, postcard::to_stdvec(&self.summary)?),
            (tag::NAMES, postcard::to_stdvec(&names)?),
            (tag::FEEDS, postcard::to_stdvec(&feeds)?),
            (tag::ACTS, postcard::to_stdvec(&self.acts)?),
            (tag::DIRECTORY, postcard::to_stdvec(&directory)?),
            (tag::RANGES, postcard::to_stdvec(&ranges)?),
            (tag::INDEX, index),
        ];
        if !self.carried.is_empty() {
            sections.insert(0, (tag::CARRIED, postcard::to_stdvec(&self.carried)?));
        }
        let start = position + FOOTER_LEN as u64;
        let mut out = Vec::new();
        let count = sections.len() as u32;
        for (tag, mut body) in sections {
            let at = start + out.len() as u64;
            let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
            pad(&mut body);
            out.extend(Section { tag, length, body_crc: seed.crc(at, &body) }.encode(seed, at));
            out.append(&mut body);
        }
        let header = FooterHeader { sections: count, length: out.len() as u64 };
        let mut footer = header.encode(seed, position).to_vec();
        footer.append(&mut out);
        let trailer_at = position + footer.len() as u64;
        footer.extend(encode_trailer(seed, trailer_at, position));
        Ok(footer)
    }

    /// By device and boot.
    fn ranges(&self) -> Vec<&FrameRange> {
        let mut ranges: Vec<&FrameRange> =
            self.devices.iter().flat_map(|it| it.range.iter().chain(it.ranges.values())).collect();
        ranges.sort_unstable_by_key(|range| (range.device, range.boot));
        ranges
    }

    /// The index, part by part as one list, and where its parts stand.
    fn index(&self) -> Result<(Vec<u8>, Vec<Part>), postcard::Error> {
        let one = |places: &Vec<Place>| -> Vec<Step> {
            let mut last = 0;
            let step = |place: &Place| {
                let by = u32::try_from((place.position - last) / 8).unwrap_or(u32::MAX);
                last = place.position;
                Step { by, frame: place.frame.map(|(id, crc)| (id.boot, id.seq, crc.to_le_bytes())) }
            };
            places.iter().map(step).collect()
        };
        let numbered = (0_u32..).zip(&self.devices).filter(|(_, device)| !device.places.is_empty());
        let numbered: Vec<_> = numbered.collect();
        let mut index = postcard::to_stdvec(&numbered.len())?;
        let mut directory = Vec::with_capacity(numbered.len());
        for (name, device) in numbered {
            let part = postcard::to_stdvec(&(name, one(&device.places)))?;
            let (start, length) = (u32::try_from(index.len()), u32::try_from(part.len()));
            if let (Ok(start), Ok(length)) = (start, length) {
                directory.push(Part { name, start, length, crc: crc32c::crc32c(&part).to_le_bytes() });
            }
            index.extend(part);
        }
        Ok((index, directory))
    }

    /// Pairs of a device and a subject, as numbers.
    fn feeds(&self, names: &[Name]) -> Vec<(u32, u32)> {
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        if self.devices.iter().any(|device| !device.subjects.is_empty()) {
            numbers.extend(names.iter().map(|name| &**name).zip(0..));
        }
        let pairs = (0..).zip(&self.devices).flat_map(|(number, device)| {
            let subjects = device.subjects.iter().filter_map(|name| numbers.get(&**name));
            subjects.map(move |subject| (number, *subject))
        });
        pairs.collect()
    }
}

/// The places of one part of an index.
pub(crate) fn places_of(part: &[u8]) -> Option<(u32, Vec<Place>)> {
    let (name, steps): (u32, Vec<Step>) = postcard::from_bytes(part).ok()?;
    Some((name, places(steps)))
}

fn places(steps: Vec<Step>) -> Vec<Place> {
    let mut position = 0;
    let place = |step: Step| {
        position += u64::from(step.by) * 8;
        let frame = step.frame.map(|(boot, seq, crc)| (Identity { boot, seq }, u32::from_le_bytes(crc)));
        Place { position, frame }
    };
    steps.into_iter().map(place).collect()
}

impl OfDevice {
    /// Takes note of whom a record is about beside the device.
    fn feeds(&mut self, body: &Body) {
        let Some((device, subject)) = fed(body) else { return };
        let is_known = |known: &Name| Name::ptr_eq(known, subject) || known == subject;
        if !Name::ptr_eq(device, subject) && device != subject && !self.subjects.iter().any(is_known) {
            self.subjects.push(Name::clone(subject));
        }
    }

    fn range(&mut self, device: u32, Identity { boot, seq }: Identity, arrival_ms: i64) {
        if self.range.is_none_or(|range| range.boot != boot) {
            let fresh = FrameRange {
                device,
                boot,
                first: seq,
                last: seq,
                frames: 0,
                arrival_min_ms: arrival_ms,
                arrival_max_ms: arrival_ms,
            };
            let next = self.ranges.remove(&boot).unwrap_or(fresh);
            self.ranges.extend(self.range.replace(next).map(|before| (before.boot, before)));
        }
        let Some(range) = &mut self.range else { return };
        range.frames += 1;
        range.first = range.first.min(seq);
        range.last = range.last.max(seq);
        range.arrival_min_ms = range.arrival_min_ms.min(arrival_ms);
        range.arrival_max_ms = range.arrival_max_ms.max(arrival_ms);
    }
}

/// A device and the subject whose halo a record about it changes.
pub(crate) fn fed(body: &Body) -> Option<(&Name, &Name)> {
    match body {
        Body::Frame(it) | Body::Replayed(it) => Some((&it.device, &it.subject)),
        Body::Connected(it) | Body::Gone(it) => Some((&it.device, &it.subject)),
        Body::Quarantine(it) => Some((&it.device, &it.subject)),
        Body::Gap(it) => Some((&it.device, &it.subject)),
        Body::Duplicates(it) => Some((&it.device, &it.subject)),
        Body::Conflict(it) => Some((&it.device, &it.subject)),
        Body::Dropped(it) => Some((&it.device, &it.subject)),
        Body::Expired(it) => Some((&it.device, &it.subject)),
        _ => None,
    }
}

/// What a record is found by: the device it is about, or the topic of a retained publish. A topic outside the grammar
/// may be called like a device: the record itself says which it was.
pub(crate) fn device(body: &Body) -> Option<&Name> {
    match body {
        Body::Retained(it) => Some(&it.topic),
        Body::Frame(it) => Some(&it.device),
        Body::Connected(it) | Body::Gone(it) => Some(&it.device),
        Body::Quarantine(it) => Some(&it.device),
        Body::Gap(it) => Some(&it.device),
        Body::Duplicates(it) => Some(&it.device),
        Body::Conflict(it) => Some(&it.device),
        Body::Replayed(it) => Some(&it.device),
        Body::Dropped(it) => Some(&it.device),
        Body::Expired(it) => Some(&it.device),
        _ => None,
    }
}

/// Where a sealed file's footer begins, by its trailer; `None` when the file is not sealed.
pub(crate) fn locate<F: FsFile>(file: &F, seed: Seed) -> io::Result<Option<u64>> {
    let len = file.len()?;
    let Some(at) = len.checked_sub(TRAILER_LEN as u64) else { return Ok(None) };
    let mut trailer = [0; TRAILER_LEN];
    let n = file.read_at(&mut trailer, at)?;
    Ok(decode_trailer(seed, at, trailer.get(..n).unwrap_or_default()).filter(|footer| *footer < at))
}

/// A footer as it stands in a file.
pub struct Footer {
    seed: Seed,
    sections: Vec<(u16, u64, Vec<u8>)>,
    /// Whether every section and the trailer were intact.
    pub intact: bool,
}

impl Footer {
    /// Reads the footer that begins at `position`; damaged or unknown sections are left out.
    pub(crate) fn read<F: FsFile>(file: &F, seed: Seed, position: u64) -> io::Result<Self> {
        let mut footer = Self { seed, sections: Vec::new(), intact: false };
        let len = usize::try_from(file.len()?.saturating_sub(position)).unwrap_or(0);
        let mut bytes = vec![0; len];
        let n = file.read_at(&mut bytes, position)?;
        bytes.truncate(n);
        let Some(header) = FooterHeader::decode(seed, position, &bytes) else { return Ok(footer) };
        let mut at = FOOTER_LEN;
        for _ in 0..header.sections {
            let Some(section) = footer.section(&bytes, position, at) else { return Ok(footer) };
            at += SECTION_LEN + aligned(u64::from(section)) as usize;
        }
        let trailer = bytes.get(at..).unwrap_or_default();
        let points_here = decode_trailer(seed, position + at as u64, trailer) == Some(position);
        footer.intact = points_here && footer.sections.len() == header.sections as usize;
        Ok(footer)
    }

    /// Takes the section at `at` of `bytes`; its length, or `None` when nothing after it can be found.
    fn section(&mut self, bytes: &[u8], position: u64, at: usize) -> Option<u32> {
        let place = position + at as u64;
        let section = Section::decode(self.seed, place, bytes.get(at..)?)?;
        let from = at + SECTION_LEN;
        let padded = bytes.get(from..from + aligned(u64::from(section.length)) as usize)?;
        let body = padded.get(..section.length as usize)?;
        if self.seed.crc(place, padded) == section.body_crc {
            self.sections.push((section.tag, place, body.to_vec()));
        }
        Some(section.length)
    }

    fn get<T: DeserializeOwned>(&self, tag: u16) -> Option<T> {
        let (_, _, body) = self.sections.iter().find(|(it, ..)| *it == tag)?;
        postcard::from_bytes(body).ok()
    }

    /// What the segment holds.
    pub fn summary(&self) -> Option<Summary> {
        self.get(tag::SUMMARY)
    }

    /// Its names, by number.
    pub fn names(&self) -> Option<Vec<Name>> {
        self.get(tag::NAMES)
    }

    /// Its frames, by device and boot.
    pub fn ranges(&self) -> Option<Vec<FrameRange>> {
        self.get(tag::RANGES)
    }

    /// Where the records of each device stand, by the number of its name.
    pub fn index(&self) -> Option<Vec<(u32, Vec<Place>)>> {
        let steps: Vec<(u32, Vec<Step>)> = self.get(tag::INDEX)?;
        Some(steps.into_iter().map(|(device, steps)| (device, places(steps))).collect())
    }
}
