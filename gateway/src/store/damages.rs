//! Stored records that cannot be read any more: whoever meets them tells it here, and the log's owner enters them into
//! the ledger of losses, each once. A repair leaves what it gave up in a file beside the segments, for the next start.
//!
//! ```text
//! lost    one line of JSON for each stretch: {"segment":3,"lost":{"first":70,"last":90},"what":"unreadable"}
//! ```

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::warn;

use super::error::{Damage, Finding, StoreError};
use super::fs::{Fs, FsFile};
use crate::record::{Damaged, Offset, Stretch};

/// Name of a repair's list within the log's folder.
const LOST_FILE: &str = "lost";
/// Most stretches remembered by one process; of more, each is entered again whenever it is met until the ledger has it.
const STRETCHES_MAX: usize = 4_096;

/// What was met since the start; shared by all who read the log.
#[derive(Debug, Default)]
pub struct Damages(Mutex<Met>);

#[derive(Debug, Default)]
struct Met {
    /// First and last offset of each stretch.
    stretches: BTreeMap<Offset, Offset>,
    /// Not yet taken by the owner.
    fresh: Vec<Damaged>,
    /// Records in the log as it is now.
    lost: u64,
}

impl Damages {
    /// Tells of something found damaged; only lost records go into the ledger.
    pub fn met(&self, finding: &Finding) {
        let mut met = self.lock();
        match damaged(finding) {
            Some(damaged) if !met.is_new(damaged.lost) => return,
            Some(damaged) => {
                met.lost += damaged.lost.offsets();
                met.fresh.push(damaged);
            }
            None => {}
        }
        warn!(%finding, "damage in the log");
    }

    /// What repairs gave up before this start: the log reads cleanly without it.
    pub fn repaired<F: Fs>(&self, fs: &F, dir: &Path) -> Result<(), StoreError> {
        let given_up = read_list(fs, dir)?;
        let mut met = self.lock();
        for damaged in given_up {
            if met.is_new(damaged.lost) {
                met.fresh.push(damaged);
            }
        }
        Ok(())
    }

    /// What is new since the last call.
    pub(crate) fn take(&self) -> Vec<Damaged> {
        std::mem::take(&mut self.lock().fresh)
    }

    /// What is wrong, for a human.
    pub fn ailment(&self) -> Option<String> {
        let lost = self.lock().lost;
        (lost > 0).then(|| {
            let records = if lost == 1 { "record" } else { "records" };
            format!("{lost} stored {records} cannot be read any more, damaged on the disk: see `losses`; `log verify` names the bytes")
        })
    }

    fn lock(&self) -> MutexGuard<'_, Met> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Met {
    fn is_new(&mut self, Stretch { first, last }: Stretch) -> bool {
        let before = self.stretches.range(..=first).next_back();
        if before.is_some_and(|(_, end)| last <= *end) {
            return false;
        }
        if self.stretches.len() < STRETCHES_MAX {
            self.stretches.insert(first, last);
        }
        true
    }
}

/// A finding as the ledger has it; none when no record is lost by it, or only unknown to this program.
fn damaged(finding: &Finding) -> Option<Damaged> {
    let lost = finding.offsets.as_ref().filter(|_| !matches!(finding.what, Damage::Unknown { .. }))?;
    let lost = Stretch { first: *lost.start(), last: *lost.end() };
    Some(Damaged { segment: finding.segment, lost, what: finding.what.to_string() })
}

/// Adds what a repair gives up to the list, durably and before anything is overwritten.
pub(crate) fn note_lost<'a, F: Fs>(
    fs: &F,
    dir: &Path,
    findings: impl Iterator<Item = &'a Finding>,
) -> Result<(), StoreError> {
    let mut list = read_list(fs, dir)?;
    let known = list.len();
    for damaged in findings.filter_map(damaged) {
        if !list.contains(&damaged) {
            list.push(damaged);
        }
    }
    if list.len() == known {
        return Ok(());
    }
    let path = dir.join(LOST_FILE);
    let lines = list.iter().map(|damaged| serde_json::to_string(damaged).map(|line| line + "\n"));
    let text = lines.collect::<Result<String, _>>().map_err(io::Error::from).map_err(StoreError::io("write", &path))?;
    super::repair::put(fs, dir, &path, text.as_bytes()).map_err(StoreError::io("write", &path))
}

fn read_list<F: Fs>(fs: &F, dir: &Path) -> Result<Vec<Damaged>, StoreError> {
    let path = dir.join(LOST_FILE);
    let file = match fs.open_read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file.map_err(StoreError::io("read", &path))?,
    };
    let bytes = file.len().and_then(|len| {
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        file.read_at(&mut bytes, 0)?;
        Ok(bytes)
    });
    let bytes = bytes.map_err(StoreError::io("read", &path))?;
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let parse = |line: &[u8]| {
        let unreadable =
            |error| warn!(file = %path.display(), %error, "a line of the list of lost records is not readable");
        serde_json::from_slice(line).map_err(unreadable).ok()
    };
    Ok(lines.filter_map(parse).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(offsets: std::ops::RangeInclusive<u64>, what: Damage) -> Finding {
        let offsets = Some(Offset(*offsets.start())..=Offset(*offsets.end()));
        Finding { segment: 3, bytes: 64..128, offsets, what }
    }

    #[test]
    fn what_several_readers_meet_is_told_once_and_health_counts_the_records() {
        let damages = Damages::default();
        assert_eq!(damages.ailment(), None);
        damages.met(&finding(7..=9, Damage::Unreadable));
        damages.met(&finding(7..=9, Damage::Unreadable));
        damages.met(&finding(8..=8, Damage::Body));
        damages.met(&finding(10..=10, Damage::Body));
        damages.met(&finding(20..=20, Damage::Unknown { kind: 99, version: 1 }));
        damages.met(&Finding { offsets: None, ..finding(0..=0, Damage::Footer) });
        let told: Vec<_> = damages.take().iter().map(|it| (it.lost.first.0, it.lost.last.0)).collect();
        assert_eq!(told, [(7, 9), (10, 10)]);
        assert!(damages.ailment().is_some_and(|words| words.starts_with("4 stored records")));
        assert!(damages.take().is_empty());
    }
}
