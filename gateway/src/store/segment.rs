//! Segment files: their names, how one is prepared, looked at and sealed.

use std::io;
use std::path::{Path, PathBuf};

use super::error::{Damage, Finding, StoreError};
use super::footer::{FooterBuilder, Numbers};
use super::format::{FIRST_ITEM, FORMAT, GROUP_LEN, Group, HEADER_COPY, HEADER_LEN, Header, Seed};
use super::fs::{Fs, FsFile};
use super::scan::{Scanned, Scanner, WINDOW};
use crate::record::Offset;

/// The file of segment `number`.
pub(crate) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016}.seg"))
}

/// The number of a segment file; `None` for other files.
pub(crate) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    (digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Creates segment `header.segment` with `len` bytes of room, written with zeros up to `filled`: after this nothing but
/// content is missing, and the name and both headers are durable; so are the names in the folders `above`.
/// The file comes first, because with it most file systems write down all names: the folders find nothing left to write.
pub(crate) fn prepare<F: Fs>(
    fs: &F,
    dir: &Path,
    above: &[&Path],
    header: &Header,
    (len, filled): (u64, u64),
) -> Result<F::File, StoreError> {
    let path = path(dir, header.segment);
    let made = fs.create_new(&path, len).and_then(|file| {
        let zeros = usize::try_from(filled.saturating_sub(FIRST_ITEM)).map_err(io::Error::other)?;
        file.write_at(&vec![0; zeros], FIRST_ITEM)?;
        write_headers(&file, header)?;
        fs.sync_dir(dir)?;
        above.iter().try_for_each(|above| fs.sync_dir(above))?;
        Ok(file)
    });
    made.map_err(|error| {
        // Best effort: a file left behind holds nothing and is removed at the next start.
        fs.remove(&path).ok();
        StoreError::io("create segment", path)(error)
    })
}

/// Writes both copies of the header, durably.
pub(crate) fn write_headers<F: FsFile>(file: &F, header: &Header) -> io::Result<()> {
    let bytes = header.encode();
    file.write_at(&bytes, 0)?;
    file.write_at(&bytes, HEADER_COPY)?;
    file.sync_data()
}

/// The salt of the first segment that has one; `None` where there is no log.
pub(crate) fn first_salt<F: Fs>(fs: &F, dir: &Path) -> io::Result<Option<u64>> {
    let mut numbers: Vec<u64> = match fs.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        names => names?.iter().filter_map(|name| number(name)).collect(),
    };
    numbers.sort_unstable();
    for number in numbers {
        let mut bytes = vec![0; FIRST_ITEM as usize];
        fs.open_read(&path(dir, number))?.read_at(&mut bytes, 0)?;
        let mut copies =
            [0, HEADER_COPY].into_iter().filter_map(|at| bytes.get(at as usize..).and_then(Header::decode));
        if let Some(header) = copies.find(|header| header.segment == number) {
            return Ok(Some(header.salt));
        }
    }
    Ok(None)
}

/// Ends a segment at `end`: cuts what stands beyond, writes the footer, syncs.
pub(crate) fn seal<F: FsFile>(
    file: &F,
    seed: Seed,
    end: u64,
    footer: &FooterBuilder,
    numbers: &Numbers,
) -> io::Result<()> {
    let bytes = footer.encode(numbers.since(0), seed, end).map_err(io::Error::other)?;
    file.set_len(end)?;
    file.write_at(&bytes, end)?;
    file.sync_data()
}

/// A first look at a segment file: its header and its first group.
pub(crate) struct Probe<F: Fs> {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: F::File,
    /// `None`: both copies are damaged.
    pub(crate) header: Option<Header>,
    pub(crate) first_group: Option<Group>,
    pub(crate) findings: Vec<Finding>,
}

impl<F: Fs> Probe<F> {
    pub(crate) fn new(fs: &F, dir: &Path, number: u64, write: bool) -> Result<Self, StoreError> {
        let path = path(dir, number);
        let opened = if write { fs.open(&path) } else { fs.open_read(&path) };
        let file = opened.map_err(StoreError::io("open segment", &path))?;
        let mut bytes = vec![0; FIRST_ITEM as usize + GROUP_LEN];
        file.read_at(&mut bytes, 0).map_err(StoreError::io("read segment", &path))?;
        let mut probe = Self { number, path, file, header: None, first_group: None, findings: Vec::new() };
        for at in [0, HEADER_COPY] {
            let found = bytes.get(at as usize..).and_then(Header::decode).filter(|header| header.segment == number);
            match found {
                Some(header) => probe.header = probe.header.or(Some(header)),
                None => probe.found(at..at + HEADER_LEN as u64, Damage::HeaderCopy),
            }
        }
        if bytes.get(HEADER_LEN..HEADER_COPY as usize).is_some_and(|gap| gap.iter().any(|byte| *byte != 0)) {
            probe.found(HEADER_LEN as u64..HEADER_COPY, Damage::Slack);
        }
        let Some(header) = probe.header else {
            probe.findings.clear();
            if !is_blank(&probe.file).map_err(StoreError::io("read segment", &probe.path))? {
                probe.found(0..FIRST_ITEM, Damage::Header);
            }
            return Ok(probe);
        };
        if header.version > FORMAT {
            return Err(StoreError::Newer { path: probe.path, found: header.version, supported: FORMAT });
        }
        let first = bytes.get(FIRST_ITEM as usize..).unwrap_or_default();
        probe.first_group = Group::decode(header.seed(), FIRST_ITEM, first);
        Ok(probe)
    }

    /// The offset of the first record that can be found; `None` in an empty segment.
    pub(crate) fn first(&self) -> io::Result<Option<Offset>> {
        let Some(header) = self.header else { return Ok(None) };
        if let Some(group) = self.first_group {
            return Ok(Some(group.first));
        }
        let limit = self.file.len()?;
        let mut scanner = Scanner::new(header.seed(), FIRST_ITEM, WINDOW);
        loop {
            match scanner.next(&self.file, limit)? {
                Scanned::Group { header, .. } => return Ok(Some(header.first)),
                Scanned::Record { header, .. } => return Ok(Some(header.offset)),
                Scanned::Damage(_) => {}
                Scanned::Footer { .. } | Scanned::End => return Ok(None),
            }
        }
    }

    /// Whether it never held anything: not even its header was finished.
    pub(crate) fn is_blank(&self) -> bool {
        self.header.is_none() && self.findings.is_empty()
    }

    fn found(&mut self, bytes: std::ops::Range<u64>, what: Damage) {
        self.findings.push(Finding { segment: self.number, bytes, offsets: None, what });
    }
}

/// Headers are durable before anything else is written: with zeros behind broken ones, nothing ever was.
pub(crate) fn is_blank<F: FsFile>(file: &F) -> io::Result<bool> {
    let mut window = vec![0; WINDOW];
    let mut position = FIRST_ITEM;
    loop {
        let n = file.read_at(&mut window, position)?;
        if n == 0 {
            return Ok(true);
        }
        if window.get(..n).unwrap_or_default().iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        position += n as u64;
    }
}

/// Where the log ends in a segment, and where bytes of an unfinished or failed group end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) end: u64,
    pub(crate) junk: u64,
}

struct Extent {
    start: u64,
    end: u64,
    whole: bool,
}

/// Finds the end of an unsealed segment. What a durable mark covers is in, damaged or not; behind it whole groups are
/// in as long as they follow each other; the first that is not whole was never acknowledged, nor anything after it.
pub(crate) fn find_end<F: FsFile>(file: &F, header: &Header, known: Option<u64>) -> io::Result<Ends> {
    let limit = file.len()?;
    let mut scanner = Scanner::new(header.seed(), FIRST_ITEM, WINDOW);
    let mut groups: Vec<Extent> = Vec::new();
    let (mut covered, mut valid) = (FIRST_ITEM, FIRST_ITEM);
    loop {
        match scanner.next(file, limit)? {
            Scanned::Group { header: group, at } => {
                if group.mark.segment == header.segment {
                    covered = covered.max(group.mark.position);
                }
                valid = at.end;
                let end = at.end.saturating_add(u64::from(group.length));
                groups.push(Extent { start: at.start, end, whole: true });
            }
            Scanned::Record { at, body, .. } => {
                valid = at.end;
                // A record behind the last whole group belongs to one whose header was torn away.
                if let Some(group) = groups.last_mut() {
                    group.whole &= body.is_some() || at.start >= group.end;
                }
            }
            Scanned::Damage(range) => {
                if let Some(group) = groups.last_mut() {
                    group.whole &= range.start >= group.end;
                }
            }
            // The footer is written after everything before it was durable.
            Scanned::Footer { at, .. } => return Ok(Ends { end: known.unwrap_or(at), junk: at }),
            Scanned::End => break,
        }
    }
    let mut end = known.unwrap_or(covered);
    if known.is_none() {
        for group in groups.iter().skip_while(|group| group.start < covered) {
            if group.start != end || !group.whole || group.end > limit {
                break;
            }
            end = group.end;
        }
    }
    Ok(Ends { end, junk: valid.max(scanner.junk_end()).max(end) })
}
