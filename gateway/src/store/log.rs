//! The log: records are gathered into a group, one write and one sync make the group durable. A failed write or sync
//! poisons the segment: nothing of it is acknowledged any more and the sync is never tried again.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::commit::{Fill, Flight};
use self::writer::Writer;
use super::codec::{self, Definitions, HEAD_MAX};
use super::disk::Budget;
use super::durable::{Durable, Head};
use super::error::{Finding, StoreError};
use super::folder::{Entry, Folder};
use super::footer::{self, FooterBuilder, Numbers};
use super::format::{FIRST_ITEM, FORMAT, GROUP_LEN, Header, Mark, RECORD_LEN, RecordHeader, Seed, kind, pad};
use super::fs::{Fs, FsFile, parent};
use super::pins::Pins;
use super::preparer::{Prepared, Preparer, Seal};
use super::reader::Reader;
use super::recover::{Recovered, recover};
use super::removed::remove_leftovers;
use super::salt::Salts;
use super::state::Change;
use super::walk::{Walk, Walked};
use super::{carry, disk, segment};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::record::{Draft, GatewayTime, KeyId, Name, Offset, StartEpoch};

mod commit;
mod writer;

/// How a log is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of room per segment, allocated in advance. Default 16 MB; at least 16 KB.
    pub segment_bytes: u64,
    /// Bytes a group may have. Default 4 MB; a segment is ended when less than a whole group fits, so at most half of one.
    pub group_bytes: usize,
    /// Whether segments are prepared and sealed on a thread of their own. Off only in deterministic simulations.
    pub background: bool,
    /// Where salts come from: `None` = the operating system, a seed only in simulations.
    pub salt_seed: Option<u64>,
    /// Where records, bytes, syncs and failures are counted.
    pub metrics: Arc<Metrics>,
    /// How much disk the segments may take; `None`: as much as there is.
    pub budget: Option<Arc<Budget>>,
    /// What commits are timed with: how many zeros are written ahead depends on how slow the disk is.
    pub clock: Clock,
    /// Folders above the log's own one in which names lead to it, besides the one above it: an empty log makes them durable
    /// with its first segment. A folder that was there before is not among them.
    pub above: Vec<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        let (metrics, clock) = (Arc::default(), Clock::system());
        let (segment_bytes, group_bytes) = (16 << 20, 4 << 20);
        let (salt_seed, budget, above) = (None, None, Vec::new());
        Self { segment_bytes, group_bytes, background: true, salt_seed, metrics, budget, above, clock }
    }
}

/// The log's writer; there is one per folder.
pub struct Log<F: Fs> {
    folder: Arc<Folder<F>>,
    options: Options,
    preparer: Preparer<F>,
    salts: Salts,
    epoch: StartEpoch,
    next_offset: Offset,
    next_segment: u64,
    mark: Mark,
    active: Active<F>,
    /// The segment before, while groups of it are under way: if one of them fails, nothing has been written behind it.
    ending: Option<Active<F>>,
    /// A segment that was begun for nothing.
    unused: Option<Prepared<F>>,
    group: Pending,
    poisoned: bool,
    writer: Writer<F>,
    /// Groups that were handed to the writer and are not known to be durable, oldest first.
    flights: VecDeque<Flight>,
    /// Of a group that was written: the next one's, so that the memory is used again.
    spare: Vec<u8>,
    /// How zeros are written ahead, by how slow the disk is.
    fill: &'static Fill,
    /// Gateway time until which no segment is asked of a disk that had no room for one, monotonic milliseconds.
    no_room_until_ms: u64,
    _lock: F::Lock,
}

/// The segment that is written to.
struct Active<F: Fs> {
    header: Header,
    /// The header's: worked out once, not for each record.
    seed: Seed,
    file: Arc<F::File>,
    room: u64,
    /// Offset of its first record.
    first: Offset,
    tail: u64,
    /// Up to here the file was written, by groups or with zeros ahead of them.
    filled: u64,
    numbers: Numbers,
    footer: FooterBuilder,
}

/// The group that gathers; `bytes` begins with room for its header.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    first: Offset,
    count: u32,
    /// How many names were defined before it, and what the copies of its own definitions will need.
    names_before: usize,
    copies_len: usize,
}

impl<F: Fs> Log<F> {
    /// Takes the folder (created if need be), recovers what is in it, and begins a new segment.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Newer`], [`StoreError::Io`]: nothing has been lost, the folder is as before.
    pub fn open(fs: F, dir: &Path, options: Options) -> Result<(Self, Recovered), StoreError> {
        fs.make_dir(dir).map_err(StoreError::io("create folder", dir))?;
        let lock = fs.lock(&dir.join("lock")).map_err(|source| match source.kind() {
            std::io::ErrorKind::WouldBlock => StoreError::InUse(dir.to_owned()),
            _ => StoreError::io("lock", dir.join("lock"))(source),
        })?;
        let options = options.within_bounds();
        let mut recovery = recover(&fs, dir)?;
        let epoch = recovery.recovered.epoch;
        let mut salts = Salts::new(options.salt_seed);
        let mut preparer = Preparer::new(&fs, dir, &options)?;
        let floor = recovery.next_offset;
        let mut next_segment = recovery.next_segment;
        let header = next_header(&mut next_segment, epoch, &mut salts, floor);
        // Of the segments that hold nothing only the last has to stay until a new one carries the epoch on; the room of
        // the others may be needed for it.
        remove_leftovers(&fs, dir, recovery.removed.before)?;
        if let Some((_, idle)) = recovery.empty.split_last() {
            idle.iter().for_each(|number| drop(fs.remove(&segment::path(dir, *number))));
            recovery.empty.drain(..idle.len());
        }
        if let Some(last) = recovery.empty.pop_if(|last| preparer.adopt_spare(*last)) {
            tracing::debug!(segment = last, "a segment that was never used is the spare now");
        }
        // Whoever made the folder of an empty log, now or in a start that was killed, did not wait until its name was durable.
        let mut above: Vec<&Path> = Vec::new();
        if recovery.entries.is_empty() {
            above.push(parent(dir));
            above.extend(options.above.iter().map(PathBuf::as_path));
        }
        let prepared = preparer.take_first(header, &above)?;
        for number in &recovery.empty {
            let path = segment::path(dir, *number);
            fs.remove(&path).map_err(StoreError::io("remove empty segment", path))?;
        }
        if !recovery.empty.is_empty() {
            fs.sync_dir(dir).map_err(StoreError::io("sync folder", dir))?;
        }
        let recovered = recovery.recovered;
        let next_offset = floor;
        let head = Head { segment: header.segment, position: FIRST_ITEM, next: next_offset, closed: false };
        let folder = Folder::new(
            fs,
            dir,
            Durable::new(recovered.durable, head),
            recovery.entries,
            &recovered.findings,
            recovery.removed,
        );
        folder.push(Entry { header, first: next_offset, end: None });
        let writer = Writer::new(options.background);
        let mark = recovery.last.map(|(segment, position)| Mark { segment, position });
        let mut log = Self {
            folder: Arc::new(folder),
            options,
            preparer,
            salts,
            epoch,
            next_offset,
            next_segment,
            mark: mark.unwrap_or_default(),
            active: Active::new(prepared, next_offset),
            ending: None,
            unused: None,
            group: Pending::default(),
            poisoned: false,
            writer,
            flights: VecDeque::new(),
            spare: Vec::new(),
            fill: &commit::FAST,
            no_room_until_ms: 0,
            _lock: lock,
        };
        log.preparer.keep_spare();
        log.ask_for_segment();
        Ok((log, recovered))
    }

    /// Puts a record into the group: it has its place now, but is not durable before [`Log::commit`].
    ///
    /// # Errors
    /// [`StoreError::GroupFull`]: commit, then push again. [`StoreError::TooLong`], [`StoreError::Unwritable`]: refuse
    /// it. [`StoreError::Io`]: no new segment could be made, try again. [`StoreError::Poisoned`].
    pub fn push(&mut self, draft: &Draft, stamp: GatewayTime) -> Result<Offset, StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned);
        }
        let rest = codec::rest(&draft.body)?;
        let names = codec::names(&draft.body);
        if names.iter().flatten().any(|name| name.is_empty()) {
            // A reader takes an empty name for a definition it has lost.
            return Err(StoreError::Unwritable(postcard::Error::SerializeBufferFull));
        }
        self.make_room(rest.len(), &names, stamp)?;
        let fresh = self.active.numbers.len();
        let numbers = self.active.numbers.of(names);
        let offset = self.next_offset;
        let encoded = codec::encode(&draft.body, stamp, numbers, rest).inspect_err(|_| {
            self.active.numbers.truncate(fresh);
        })?;
        self.define_names(fresh, stamp)?;
        let position = self.append(encoded.kind, draft.cause, stamp, encoded.head(), &encoded.rest);
        // The device is the first of a record's names.
        let device = footer::device(&draft.body).map(|_| numbers[0]);
        self.active.footer.add(offset, stamp, &draft.body, device, position);
        self.group.count += 1;
        self.next_offset = Offset(offset.0 + 1);
        Ok(offset)
    }

    /// After a failed commit: reads what the disk really has of the segment, cuts it there, and goes on in a new one.
    /// Offsets of the failed group are not used again. What of the acknowledged records the disk has lost comes back.
    ///
    /// # Errors
    /// Any: the log stays read-only; it may be tried again.
    pub fn recover_from_failure(&mut self) -> Result<Vec<Finding>, StoreError> {
        if !self.poisoned {
            return Ok(Vec::new());
        }
        self.group.clear();
        let path = segment::path(&self.folder.dir, self.active.header.segment);
        let (footer, numbers, findings) = self.verify_active().map_err(StoreError::io("verify segment", &path))?;
        let prepared = self.prepared()?;
        let header = self.active.header;
        // A fresh handle: the old one carries the failure.
        let file = self.folder.fs.open(&path).map_err(StoreError::io("open segment", &path))?;
        let cut = if self.active.tail > FIRST_ITEM {
            segment::seal(&file, header.seed(), self.active.tail, &footer, &numbers)
        } else {
            file.set_len(FIRST_ITEM).and_then(|()| file.sync_data())
        };
        cut.map_err(StoreError::io("cut segment", &path))?;
        let old = self.begin_segment(prepared);
        self.end_segment(old.tail);
        self.poisoned = false;
        Ok(findings)
    }

    /// Ends the log in order: commits what is pending, seals the segment.
    ///
    /// # Errors
    /// As [`Log::commit`]; what was durable stays so.
    pub fn close(mut self) -> Result<Offset, StoreError> {
        let durable = self.commit()?;
        if self.active.tail > FIRST_ITEM {
            let path = segment::path(&self.folder.dir, self.active.header.segment);
            let Active { header, file, tail, numbers, footer, .. } = &self.active;
            segment::seal(&**file, header.seed(), *tail, footer, numbers)
                .map_err(StoreError::io("seal segment", path))?;
            self.folder.end_last(*tail);
        }
        Ok(durable)
    }

    /// The last durable offset; 0 when there is none.
    pub fn durable(&self) -> Offset {
        self.folder.durable.offset()
    }

    /// The offset the next pushed record will have.
    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// The number of this start.
    pub fn epoch(&self) -> StartEpoch {
        self.epoch
    }

    /// Bytes gathered in the group so far.
    pub fn pending_bytes(&self) -> usize {
        self.group.bytes.len()
    }

    /// Records gathered in the group so far.
    pub fn pending_records(&self) -> u32 {
        self.group.count
    }

    /// Whether a commit has failed and the log has not been recovered since.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// The log's folder.
    pub fn dir(&self) -> &Path {
        &self.folder.dir
    }

    /// The watermark, for those who wait.
    pub fn watermark(&self) -> Arc<Durable> {
        Arc::clone(&self.folder.durable)
    }

    /// A reader of durable records from `from` on.
    pub fn reader(&self, from: Offset) -> Reader<F> {
        Reader::new(Arc::clone(&self.folder), from)
    }

    /// Holds places in the log against retention.
    pub fn pins(&self) -> Pins {
        self.folder.pins.clone()
    }

    /// The first offset that may still be in the log: 1 until retention, or damage, has taken its beginning.
    pub fn first_offset(&self) -> Offset {
        self.folder.begins()
    }

    /// Hands over the rows of the newest set of carried facts that is whole, some at a time; false when there is none.
    ///
    /// # Errors
    /// Those of `each`, and [`StoreError::Io`] when the log cannot be read.
    pub fn carried<E: From<StoreError>>(&self, each: impl FnMut(Vec<Change>) -> Result<(), E>) -> Result<bool, E> {
        Ok(carry::load_newest(&self.folder, each)?.is_some())
    }

    /// Whether what clients publish must be refused for want of disk; what the gateway itself has to say still has room.
    pub fn refuses_clients(&self) -> bool {
        self.options.budget.as_ref().is_some_and(|budget| budget.mark() == disk::Mark::Refuse)
    }

    pub(crate) fn folder(&self) -> &Arc<Folder<F>> {
        &self.folder
    }

    /// Bytes of room per segment.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.options.segment_bytes
    }

    /// Bytes that one part of a set of carried facts should have at most.
    pub(crate) fn part_bytes(&self) -> usize {
        (self.options.group_bytes / 2).min(PART_BYTES_MAX)
    }

    /// Sees to it that a record with this much behind its head fits, in a new segment if need be.
    fn make_room(&mut self, rest: usize, names: &[Option<&Name>; 3], stamp: GatewayTime) -> Result<(), StoreError> {
        let names: usize = names.iter().flatten().map(|name| name.len() + NAME_OVERHEAD).sum();
        let one = RECORD_LEN + HEAD_MAX + rest + 8 + if names > 0 { RECORD_LEN + names + 8 } else { 0 };
        // The copies of all definitions come at the end, twice.
        let copies = self.group.copies_len + names;
        let len = GROUP_LEN.max(self.group.bytes.len()) + one + 2 * (RECORD_LEN + 16 + copies);
        if self.group.count == 0 && len > self.group_bytes() && self.is_short() {
            self.go_on(stamp)?;
        }
        if len > self.group_bytes() {
            let max = self.group_bytes();
            return Err(if self.group.count == 0 { StoreError::TooLong { len, max } } else { StoreError::GroupFull });
        }
        if self.group.count == 0 {
            self.begin_group(stamp)?;
        }
        Ok(())
    }

    /// Whether the present segment is smaller than others: the first of a start on a full volume may be.
    fn is_short(&self) -> bool {
        self.active.room < self.options.segment_bytes
    }

    /// Bytes a group may have in the present segment.
    fn group_bytes(&self) -> usize {
        let half = usize::try_from((self.active.room - FIRST_ITEM) / 2).unwrap_or(usize::MAX);
        self.options.group_bytes.min(half)
    }

    /// Goes on in the next segment; the present one ends when what is under way of it is durable, and no other is ending
    /// then. A disk without room for a segment is asked once a second.
    fn go_on(&mut self, stamp: GatewayTime) -> Result<(), StoreError> {
        while self.ending.is_some() {
            self.end_commit()?;
        }
        if stamp.mono_ms < self.no_room_until_ms {
            let path = segment::path(&self.folder.dir, self.next_segment);
            return Err(StoreError::io("create segment", path)(std::io::ErrorKind::StorageFull.into()));
        }
        let prepared = self.prepared();
        if prepared.as_ref().is_err_and(StoreError::is_full) {
            self.no_room_until_ms = stamp.mono_ms + NO_ROOM_PAUSE_MS;
        }
        self.ending = Some(self.begin_segment(prepared?));
        self.end_if_durable();
        self.ask_for_segment();
        Ok(())
    }

    fn begin_group(&mut self, stamp: GatewayTime) -> Result<(), StoreError> {
        if self.active.tail + self.group_bytes() as u64 > self.active.room {
            self.go_on(stamp)?;
        } else if self.active.tail > self.active.room / 2 {
            self.preparer.hurry();
        }
        self.group.bytes.clear();
        self.group.bytes.resize(GROUP_LEN, 0);
        self.group.first = self.next_offset;
        self.group.names_before = self.active.numbers.len();
        Ok(())
    }

    /// Goes over to a new segment; the one until now.
    fn begin_segment(&mut self, prepared: Prepared<F>) -> Active<F> {
        std::mem::replace(&mut self.active, Active::new(prepared, self.next_offset))
    }

    /// Ends the segment before once nothing of it is under way.
    fn end_if_durable(&mut self) {
        let is_under_way = |old: &mut Active<F>| self.flights.front().is_some_and(|it| it.is_of(old.header.segment));
        let Some(old) = self.ending.take_if(|old| !is_under_way(old)) else { return };
        self.end_segment(old.tail);
        let Active { header, file, tail, numbers, footer, .. } = old;
        self.preparer.seal(Seal { header, file, end: tail, footer, numbers });
        self.preparer.keep_spare();
    }

    /// For readers, the segment before the present one ends at `tail`.
    fn end_segment(&mut self, tail: u64) {
        self.folder.end_last(tail);
        self.folder.push(Entry { header: self.active.header, first: self.active.first, end: None });
    }

    fn define_names(&mut self, from: usize, stamp: GatewayTime) -> Result<(), StoreError> {
        let fresh = self.active.numbers.since(from);
        if fresh.is_empty() {
            return Ok(());
        }
        self.group.copies_len += fresh.iter().map(|name| name.len() + NAME_OVERHEAD).sum::<usize>();
        let definitions = definitions(from, fresh)?;
        self.append(kind::NAMES, None, stamp, &[], &definitions);
        Ok(())
    }

    /// Appends one record to the group; where in the file it will stand.
    fn append(&mut self, kind: u8, cause: Option<Offset>, stamp: GatewayTime, head: &[u8], rest: &[u8]) -> u64 {
        let position = self.active.tail + self.group.bytes.len() as u64;
        let seed = self.active.seed;
        let at = self.group.bytes.len();
        self.group.bytes.resize(at + RECORD_LEN, 0);
        self.group.bytes.extend_from_slice(head);
        self.group.bytes.extend_from_slice(rest);
        pad(&mut self.group.bytes);
        let padded = self.group.bytes.get(at + RECORD_LEN..).unwrap_or_default();
        let header = RecordHeader {
            length: u32::try_from(head.len() + rest.len()).unwrap_or(u32::MAX),
            kind,
            version: codec::VERSION,
            head: u8::try_from(head.len()).unwrap_or(u8::MAX),
            flags: 0,
            key: KeyId(0),
            epoch: self.epoch,
            offset: self.next_offset,
            stamp,
            cause,
            body_crc: seed.crc(position, padded),
        };
        let bytes = header.encode(seed, position);
        if let Some(place) = self.group.bytes.get_mut(at..at + RECORD_LEN) {
            place.copy_from_slice(&bytes);
        }
        position
    }

    /// Reads the durable part of the poisoned segment from the disk.
    fn verify_active(&self) -> std::io::Result<(FooterBuilder, Numbers, Vec<Finding>)> {
        let header = &self.active.header;
        let file = self.folder.fs.open_read(&segment::path(&self.folder.dir, header.segment))?;
        file.drop_cache()?;
        let first = self.folder.at(header.segment).0.map_or(self.next_offset, |entry| entry.first);
        let mut walk = Walk::new(header, first, super::scan::WINDOW);
        let (mut records, mut findings) = (Vec::new(), Vec::new());
        loop {
            match walk.next(&file, self.active.tail, Some(Offset(self.durable().0 + 1)))? {
                Walked::Record(record, at) => records.push((record, at.start)),
                Walked::Found(finding) => findings.push(finding),
                Walked::End => break,
            }
        }
        let numbers = Numbers::from(walk.into_names());
        let mut footer = FooterBuilder::default();
        footer.summary.epoch = header.epoch;
        for (record, position) in &records {
            footer.add_read(record, &numbers, *position);
        }
        footer.summary.next = Offset(self.durable().0 + 1);
        Ok((footer, numbers, findings))
    }

    fn prepared(&mut self) -> Result<Prepared<F>, StoreError> {
        if let Some(unused) = self.unused.take() {
            return Ok(unused);
        }
        let number = self.next_segment;
        let (next, epoch, salts) = (&mut self.next_segment, self.epoch, &mut self.salts);
        let prepared = self.preparer.take(|| next_header(next, epoch, salts, self.next_offset));
        // Its file is gone again; if it is not, creating it once more fails otherwise, and the number is passed over.
        if prepared.as_ref().is_err_and(StoreError::is_full) {
            self.next_segment = number;
        }
        prepared
    }

    fn ask_for_segment(&mut self) {
        let (next, epoch, salts) = (&mut self.next_segment, self.epoch, &mut self.salts);
        self.preparer.ask(|| next_header(next, epoch, salts, self.next_offset));
    }
}

impl<F: Fs> Drop for Log<F> {
    fn drop(&mut self) {
        self.folder.durable.close();
    }
}

impl<F: Fs> Active<F> {
    fn new(Prepared { header, file, room, filled }: Prepared<F>, first: Offset) -> Self {
        let mut footer = FooterBuilder::default();
        footer.summary.epoch = header.epoch;
        let (tail, seed) = (FIRST_ITEM, header.seed());
        Self { header, seed, file, room, first, tail, filled, numbers: Numbers::default(), footer }
    }
}

impl Pending {
    fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
        self.copies_len = 0;
    }
}

impl Options {
    /// For simulations: the calls of the disk and the bytes on it follow from the calls of the log and the seed alone.
    pub fn deterministic(salt_seed: u64) -> Self {
        let clock = Clock::manual(GatewayTime::default());
        Self { background: false, salt_seed: Some(salt_seed), clock, ..Self::default() }
    }

    fn within_bounds(mut self) -> Self {
        self.segment_bytes = self.segment_bytes.max(SEGMENT_BYTES_MIN);
        let most = usize::try_from((self.segment_bytes - FIRST_ITEM) / 2).unwrap_or(usize::MAX);
        self.group_bytes = self.group_bytes.min(most).min(super::format::BODY_MAX);
        self
    }
}

/// Largest part of a set of carried facts (LOG.md): as a record, with what surrounds it, below 64 KB.
const PART_BYTES_MAX: usize = 60 << 10;
/// Smallest segment: its headers and two groups of a few records.
const SEGMENT_BYTES_MIN: u64 = 8 << 10;
/// How long a disk without room for a segment is not asked again, milliseconds.
const NO_ROOM_PAUSE_MS: u64 = 1_000;
/// Bytes that a name takes in a definition besides its text, at most: a length of up to five bytes.
const NAME_OVERHEAD: usize = 5;

fn definitions(first: usize, names: &[Name]) -> Result<Vec<u8>, postcard::Error> {
    let names = names.iter().map(|name| &**name).collect();
    postcard::to_stdvec(&Definitions { first: u32::try_from(first).unwrap_or(u32::MAX), names })
}

fn next_header(next: &mut u64, epoch: StartEpoch, salts: &mut Salts, floor: Offset) -> Header {
    let segment = *next;
    *next += 1;
    Header { version: FORMAT, epoch, segment, salt: salts.next(), floor }
}
