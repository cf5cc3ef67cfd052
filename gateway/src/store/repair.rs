//! A damaged log becomes one that reads cleanly, with holes where records are lost. Offline.
//!
//! Nothing moves: a record keeps its offset and its place, because later segments name where earlier ones end. What
//! cannot be read is overwritten by a record that defines no names, a lost group header is made again, a segment that is
//! gone becomes one without records; footers are rebuilt. The damaged file stays beside it as `<name>.damaged`. What is
//! intact and only unknown to this program stays as it is.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::damages::note_lost;
use super::error::{Damage, Finding, StoreError};
use super::folder::{Folder, named_end, probe_all};
use super::format::{FIRST_ITEM, Mark};
use super::fs::{Fs, FsFile};
use super::segment::{self, Probe};
use super::verify::verify;

mod rebuild;

use rebuild::{Rebuilder, Rebuilt};

/// What is done about one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Written anew: `kept` records stay, `filled` bytes held what was lost.
    Rewritten {
        /// Records that stay.
        kept: u64,
        /// Bytes that could not be read.
        filled: u64,
    },
    /// It is gone, or nothing of it can be read: one without records takes its place in the chain.
    Replaced,
    /// Nothing of it belongs to the log: it is moved out of the way.
    SetAside,
    /// Nothing is done, and why.
    Left(&'static str),
}

/// A segment with damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// Its number.
    pub segment: u64,
    /// What is wrong with it: bytes, and offsets that are lost.
    pub findings: Vec<Finding>,
    /// What is done about it.
    pub deed: Deed,
    /// Where the damaged file is kept; `None` in a dry run, or when there was none.
    pub kept_as: Option<PathBuf>,
}

impl Mended {
    /// Whether something is, or would be, done about it.
    pub fn is_repairable(&self) -> bool {
        !matches!(self.deed, Deed::Left(_))
    }
}

/// What a repair did, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// By segment.
    pub mended: Vec<Mended>,
    /// What is still wrong afterwards; of a dry run, what is wrong now.
    pub left: Vec<Finding>,
}

/// Looks a log over and, if `write`, mends what is damaged. Takes the log's lock: the gateway must be stopped.
///
/// # Errors
/// [`StoreError::InUse`], [`StoreError::Newer`], [`StoreError::Io`]: segments mended so far stay mended, others are as
/// they were.
pub fn repair<F: Fs>(fs: &F, dir: &Path, write: bool) -> Result<Repair, StoreError> {
    let lock = dir.join("lock");
    let _lock = fs.lock(&lock).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => StoreError::InUse(dir.to_owned()),
        _ => StoreError::io("lock", lock)(source),
    })?;
    let mut left = verify(fs, dir, |_| {})?.findings;
    let mut by_segment: BTreeMap<u64, Vec<Finding>> = BTreeMap::new();
    for finding in &left {
        by_segment.entry(finding.segment).or_default().push(finding.clone());
    }
    let mut mended = Vec::new();
    for (segment, findings) in by_segment {
        let (deed, rebuilt) = plan(fs, dir, segment, &findings)?;
        if write && !matches!(deed, Deed::Left(_)) {
            note_lost(fs, dir, findings.iter())?;
        }
        let kept_as = if write { carry_out(fs, dir, segment, &deed, rebuilt)? } else { None };
        mended.push(Mended { segment, findings, deed, kept_as });
    }
    if write && mended.iter().any(Mended::is_repairable) {
        left = verify(fs, dir, |_| {})?.findings;
    }
    Ok(Repair { mended, left })
}

/// What is to be done about a segment, and its new bytes.
fn plan<F: Fs>(fs: &F, dir: &Path, segment: u64, findings: &[Finding]) -> Result<(Deed, Option<Rebuilt>), StoreError> {
    if findings.iter().all(|it| it.what == Damage::TornTail) {
        return Ok((Deed::Left("the next start cuts it off"), None));
    }
    if findings.iter().all(|it| matches!(it.what, Damage::Unknown { .. })) {
        return Ok((Deed::Left("intact, but written by a program that knows more"), None));
    }
    // Probed for every segment anew: what was mended before changes what is named.
    let (probes, _) = probe_all(fs, dir, false)?;
    let at = probes.partition_point(|probe| probe.number < segment);
    let probe = probes.get(at).filter(|probe| probe.number == segment);
    let later = probes.get(at + usize::from(probe.is_some())..).unwrap_or_default();
    let rebuilder = Rebuilder { before: end_before(fs, dir, segment)?, later: later_group(later) };
    if let Some(probe) = probe.filter(|probe| probe.header.is_some()) {
        let named = named_end(probe, later);
        if named == Some(FIRST_ITEM) {
            return Ok((Deed::SetAside, None));
        }
        if probe.first().map_err(StoreError::io("read segment", &probe.path))?.is_none() && named.is_none() {
            return Ok((Deed::Left("it holds no records; the next start removes it"), None));
        }
        let rebuilt = rebuilder.rewrite(probe, named).map_err(StoreError::io("read segment", &probe.path))?;
        let Some(rebuilt) = rebuilt else {
            return Ok((Deed::Left("the damage does not end where a record begins"), None));
        };
        return Ok((Deed::Rewritten { kept: rebuilt.kept, filled: rebuilt.filled }, Some(rebuilt)));
    }
    match named_by(later, segment) {
        Some(end) if end > FIRST_ITEM => Ok((Deed::Replaced, Some(rebuilder.replace(segment, end)?))),
        Some(_) => Ok((Deed::SetAside, None)),
        // Its length keeps the offsets it may have used from being used again.
        None => {
            Ok((Deed::Left("nothing behind it tells where it ended: start the gateway once, then repair again"), None))
        }
    }
}

/// Where the log ended before a segment began.
fn end_before<F: Fs>(fs: &F, dir: &Path, segment: u64) -> Result<Mark, StoreError> {
    let (folder, _) = Folder::look(fs.clone(), dir)?;
    let before = folder.entries().into_iter().rfind(|entry| entry.header.segment < segment);
    let mark = before.and_then(|entry| Some(Mark { segment: entry.header.segment, position: entry.end? }));
    Ok(mark.unwrap_or_default())
}

/// The first group behind a segment, with the epoch of its own.
fn later_group<F: Fs>(later: &[Probe<F>]) -> Option<rebuild::Later> {
    later.iter().find_map(|it| Some(rebuild::Later { first: it.first_group?.first, epoch: it.header?.epoch }))
}

/// As [`named_end`], of a segment that cannot be read or is not there.
fn named_by<F: Fs>(later: &[Probe<F>], segment: u64) -> Option<u64> {
    let mark = later.iter().find_map(|later| later.first_group)?.mark;
    match mark.segment.cmp(&segment) {
        std::cmp::Ordering::Less => Some(FIRST_ITEM),
        std::cmp::Ordering::Equal => Some(mark.position),
        std::cmp::Ordering::Greater => None,
    }
}

fn carry_out<F: Fs>(
    fs: &F,
    dir: &Path,
    segment: u64,
    deed: &Deed,
    rebuilt: Option<Rebuilt>,
) -> Result<Option<PathBuf>, StoreError> {
    let path = segment::path(dir, segment);
    match (deed, rebuilt) {
        (Deed::Left(_), _) => Ok(None),
        (Deed::SetAside, _) => {
            let aside = free_name(fs, dir, &path)?;
            fs.rename(&path, &aside).and_then(|()| fs.sync_dir(dir)).map_err(StoreError::io("set aside", &path))?;
            Ok(Some(aside))
        }
        (_, Some(rebuilt)) => {
            let aside = keep(fs, dir, &path)?;
            put(fs, dir, &path, &rebuilt.bytes).map_err(StoreError::io("write repaired segment", &path))?;
            Ok(aside)
        }
        (_, None) => Ok(None),
    }
}

/// Copies the damaged file beside itself, durably, before anything takes its place.
fn keep<F: Fs>(fs: &F, dir: &Path, path: &Path) -> Result<Option<PathBuf>, StoreError> {
    let file = match fs.open_read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(StoreError::io("open segment", path))?,
    };
    let aside = free_name(fs, dir, path)?;
    let copied = file.len().and_then(|len| {
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        file.read_at(&mut bytes, 0)?;
        put(fs, dir, &aside, &bytes)
    });
    copied.map_err(StoreError::io("keep the damaged segment as", &aside))?;
    Ok(Some(aside))
}

/// A name of its own for every repair: the damage of an earlier one is not overwritten.
fn free_name<F: Fs>(fs: &F, dir: &Path, path: &Path) -> Result<PathBuf, StoreError> {
    let names = fs.list(dir).map_err(StoreError::io("list", dir))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let first = format!("{name}.damaged");
    let mut candidates = std::iter::once(first.clone()).chain((2..).map(|n| format!("{first}.{n}")));
    let free = candidates.find(|candidate| !names.contains(candidate)).unwrap_or(first);
    Ok(dir.join(free))
}

/// A whole file under its name, or none.
pub(super) fn put<F: Fs>(fs: &F, dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    let unfinished = path.with_file_name(name);
    match fs.remove(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = fs.create_new(&unfinished, bytes.len() as u64)?;
    file.write_at(bytes, 0)?;
    file.sync_data()?;
    fs.rename(&unfinished, path)?;
    fs.sync_dir(dir)
}

#[cfg(test)]
mod tests;
