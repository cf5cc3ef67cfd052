//! Segments form a chain: the first group of each names the segment before it and where that ended. So what is gone can
//! be told from what never was: a number that nothing names was an empty segment, and offsets that nobody has between
//! two linked segments were those of a failed commit.
//!
//! The chain begins with a mark of zero, or with the first segment that retention has left: it notes what it removes
//! before it removes it ([`Removed`]). A chain that begins anywhere else has lost its beginning. What was lost behind the
//! last group is named by nothing and cannot be told.

use super::error::{Damage, Finding, StoreError};
use super::folder::{end, named_end};
use super::format::{FIRST_ITEM, Header, Mark};
use super::fs::{Fs, FsFile};
use super::removed::Removed;
use super::scan::WINDOW;
use super::segment::Probe;
use super::walk::{Walk, Walked};
use crate::record::Offset;

/// Segments, or ends of segments, that a later group names and that are gone.
pub(crate) fn missing<F: Fs>(probes: &[Probe<F>], removed: &Removed) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    for probe in probes {
        let Some(group) = probe.first_group else { continue };
        let Mark { segment, position } = group.mark;
        if segment >= removed.before.max(1) && segment < probe.number && position > FIRST_ITEM {
            // A group that a failed commit left names it too; the last to do so is the log's.
            findings.retain(|it: &Finding| it.segment != segment);
            findings.extend(lost(probes, group.mark, group.first, removed)?);
        }
    }
    Ok(findings)
}

/// Whether a segment without items may be removed: a later group passes over it, or there is no later group. If one names
/// a segment at or after it that cannot be read, it may have held records.
pub(crate) fn is_void<F: Fs>(probe: &Probe<F>, later: &[Probe<F>]) -> bool {
    named_end(probe, later) == Some(FIRST_ITEM) || later.iter().all(|later| later.first_group.is_none())
}

/// What is gone of the segment that `mark` names; `next` is the first offset after it.
fn lost<F: Fs>(
    probes: &[Probe<F>],
    mark: Mark,
    next: Offset,
    removed: &Removed,
) -> Result<Option<Finding>, StoreError> {
    let at = probes.partition_point(|probe| probe.number < mark.segment);
    if let Some(probe) = probes.get(at).filter(|probe| probe.number == mark.segment) {
        let read = || StoreError::io("read segment", &probe.path);
        match probe.header {
            // Told already: both copies of the header.
            None if !probe.is_blank() => return Ok(None),
            Some(header) if probe.first().map_err(read())?.is_some() => {
                let is_whole = probe.file.len().map_err(read())? >= mark.position;
                return if is_whole { Ok(None) } else { tail(probe, &header, mark, next) };
            }
            _ => {}
        }
    }
    let expected = next_after(probes, at, removed)?;
    let offsets = (expected < next).then(|| expected..=Offset(next.0 - 1));
    Ok(Some(Finding { segment: mark.segment, bytes: FIRST_ITEM..mark.position, offsets, what: Damage::Missing }))
}

/// The end that a shortened segment has lost, with the bounds a reader finds.
fn tail<F: Fs>(probe: &Probe<F>, header: &Header, mark: Mark, next: Offset) -> Result<Option<Finding>, StoreError> {
    let (findings, _) = walk(probe, header, mark.position, Some(next))?;
    let tail = findings.into_iter().rfind(|finding| finding.is_tail(mark.segment, mark.position));
    Ok(tail.map(|finding| Finding { what: Damage::Missing, ..finding }))
}

/// The offset after the last record in the segments before `at`; if there is none, the one at which the log begins.
fn next_after<F: Fs>(probes: &[Probe<F>], at: usize, removed: &Removed) -> Result<Offset, StoreError> {
    for (before, probe) in probes.iter().enumerate().take(at).rev() {
        let first = probe.first().map_err(StoreError::io("read segment", &probe.path))?;
        let (Some(header), Some(_)) = (probe.header, first) else { continue };
        let named = named_end(probe, probes.get(before + 1..).unwrap_or_default());
        let end = end(probe, &header, named)?.end;
        if end > FIRST_ITEM {
            return Ok(walk(probe, &header, end, None)?.1);
        }
    }
    Ok(removed.first())
}

fn walk<F: Fs>(
    probe: &Probe<F>,
    header: &Header,
    end: u64,
    next: Option<Offset>,
) -> Result<(Vec<Finding>, Offset), StoreError> {
    let first = probe.first().map_err(StoreError::io("read segment", &probe.path))?.unwrap_or_default();
    let mut walk = Walk::new(header, first, WINDOW);
    let mut findings = Vec::new();
    loop {
        match walk.next(&probe.file, end, next).map_err(StoreError::io("read segment", &probe.path))? {
            Walked::Record(..) => {}
            Walked::Found(finding) => findings.push(finding),
            Walked::End => return Ok((findings, walk.expected())),
        }
    }
}
