//! One file of items, read front to back through a window: what is valid comes out with its bytes, what is not comes
//! out as a range. After damage every eighth byte is tried until a salted checksum fits again.

use std::io;
use std::ops::Range;

use bytes::Bytes;

use super::format::{FOOTER_LEN, FooterHeader, GROUP_LEN, Group, RECORD_LEN, RecordHeader, Seed};
use super::fs::FsFile;

/// Bytes read at a time unless an item is longer.
pub(crate) const WINDOW: usize = 256 * 1024;

/// The next thing in a segment.
#[derive(Debug)]
pub(crate) enum Scanned {
    /// A group begins.
    Group { header: Group, at: Range<u64> },
    /// A record; `body` is `None` when its checksum does not fit.
    Record { header: RecordHeader, at: Range<u64>, body: Option<Bytes> },
    /// Nothing valid stands here.
    Damage(Range<u64>),
    /// The footer begins: no more items.
    Footer { at: u64 },
    /// The limit is reached.
    End,
}

/// Reads the items of one segment from a position up to a limit that may grow.
pub(crate) struct Scanner {
    seed: Seed,
    position: u64,
    window: Bytes,
    window_at: u64,
    window_len: usize,
    junk_end: u64,
}

/// What stands at one position.
enum Step {
    Group(Group),
    Record(RecordHeader),
    Footer,
    /// The window must reach to here before this position can be judged.
    More(u64),
    /// Zeros.
    Zeros,
    /// Something that is no item.
    Junk,
}

impl Scanner {
    pub(crate) fn new(seed: Seed, position: u64, window_len: usize) -> Self {
        Self { seed, position, window: Bytes::new(), window_at: position, window_len, junk_end: position }
    }

    /// Where the last bytes end that are neither zeros nor an item.
    pub(crate) fn junk_end(&self) -> u64 {
        self.junk_end
    }

    /// The next item below `limit`. An item that crosses the limit is no item.
    pub(crate) fn next<F: FsFile>(&mut self, file: &F, limit: u64) -> io::Result<Scanned> {
        let start = self.position;
        loop {
            if self.position >= limit {
                self.position = self.position.min(limit);
                return Ok(if start < self.position { Scanned::Damage(start..self.position) } else { Scanned::End });
            }
            let step = self.step(limit);
            match step {
                Step::More(end) => self.refill(file, end, limit)?,
                Step::Zeros => self.position += 8,
                Step::Junk => {
                    self.position += 8;
                    self.junk_end = self.position;
                }
                // Damage before an intact item is told first; the item comes out at the next call.
                _ if start < self.position => return Ok(Scanned::Damage(start..self.position)),
                Step::Footer => return Ok(Scanned::Footer { at: self.position }),
                Step::Group(header) => {
                    self.position += GROUP_LEN as u64;
                    return Ok(Scanned::Group { header, at: start..self.position });
                }
                Step::Record(header) => {
                    self.position = header.end(start);
                    let body = self.body(&header, start);
                    return Ok(Scanned::Record { header, at: start..self.position, body });
                }
            }
        }
    }

    fn step(&self, limit: u64) -> Step {
        let position = self.position;
        let bytes = self.bytes(position..limit.min(self.window_end()));
        let Some(word) = bytes.first_chunk::<8>() else {
            return if limit - position < 8 { Step::Junk } else { Step::More(position + RECORD_LEN as u64) };
        };
        if *word == [0; 8] {
            return Step::Zeros;
        }
        if bytes.len() < RECORD_LEN && self.window_end() < limit {
            return Step::More(position + RECORD_LEN as u64);
        }
        const _: () = assert!(GROUP_LEN <= RECORD_LEN && FOOTER_LEN <= RECORD_LEN);
        if let Some(record) = RecordHeader::decode(self.seed, position, bytes) {
            let end = record.end(position);
            return match end {
                _ if end > limit => Step::Junk,
                _ if end > self.window_end() => Step::More(end),
                _ => Step::Record(record),
            };
        }
        if let Some(group) = Group::decode(self.seed, position, bytes) {
            return Step::Group(group);
        }
        if FooterHeader::decode(self.seed, position, bytes).is_some() { Step::Footer } else { Step::Junk }
    }

    fn body(&self, header: &RecordHeader, position: u64) -> Option<Bytes> {
        let body = header.body(position);
        let padded = self.bytes(body.start..header.end(position));
        let intact = self.seed.crc(position, padded) == header.body_crc;
        intact.then(|| self.window.slice_ref(self.bytes(body)))
    }

    fn bytes(&self, range: Range<u64>) -> &[u8] {
        let place = |at: u64| usize::try_from(at.checked_sub(self.window_at)?).ok();
        let (Some(from), Some(to)) = (place(range.start), place(range.end)) else { return &[] };
        self.window.get(from..to).unwrap_or_default()
    }

    fn window_end(&self) -> u64 {
        self.window_at + self.window.len() as u64
    }

    /// Reads from the current position at least to `end`, or as far as the file goes.
    fn refill<F: FsFile>(&mut self, file: &F, end: u64, limit: u64) -> io::Result<()> {
        let need = usize::try_from(end.min(limit) - self.position).unwrap_or(usize::MAX);
        let may = usize::try_from(limit - self.position).unwrap_or(usize::MAX);
        let len = need.max(self.window_len.min(may));
        let mut buf = vec![0; len];
        let n = file.read_at(&mut buf, self.position)?;
        // A file shorter than its limit reads as zeros: what should be there is then found to be damaged.
        debug_assert!(n <= len, "read more than asked");
        self.window = buf.into();
        self.window_at = self.position;
        Ok(())
    }
}
