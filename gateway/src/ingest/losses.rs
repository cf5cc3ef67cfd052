//! What is known to be lost, given up or in doubt: by device and boot and kind, in runs of sequences, and counted by
//! device for good. Fed by decision records alone, so that the same log gives the same ledger.
//!
//! Bounded: the newest 20,000 runs are listed; what is older is in the device's totals only. Devices beyond 100,000
//! are counted together, under the name `*`, which no device can have.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::record::{GatewayTime, Identity, Name, Offset, Stretch};

/// Most runs listed.
pub const LISTED_MAX: usize = 20_000;
/// Most devices with totals of their own.
const DEVICES_MAX: usize = 100_000;
/// Who stands for all further devices.
const OTHERS: &str = "*";

/// Why frames are in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossKind {
    /// They never came.
    Gap,
    /// They were deleted for want of room.
    Dropped,
    /// They left the quarantine unread, because of their age or for want of room.
    Expired,
    /// An administrator gave them up.
    Discarded,
    /// They use a sequence again, with other bytes or too late to compare; stored and read all the same.
    Conflict,
    /// They were stored, and the disk has damaged them. Whose they were is not known: they stand under `*`, counted as
    /// records of all kinds, so that fewer frames than these may be lost.
    Damaged,
}

/// One run of frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// What became of them.
    pub kind: LossKind,
    /// The device.
    pub device: Name,
    /// Whose halo they belong to.
    pub subject: Name,
    /// The boot; none for frames that carry no sequence.
    pub boot: Option<u32>,
    /// Lowest sequence.
    pub first: Option<u32>,
    /// Highest sequence.
    pub last: Option<u32>,
    /// How many frames.
    pub frames: u64,
    /// Why, for a human; of several the first.
    pub reason: String,
    /// Where they stood in the log; of a gap, the records that made it one.
    pub stretch: Stretch,
    /// When the first of them was entered.
    pub since: GatewayTime,
    /// When the last of them was entered.
    pub until: GatewayTime,
}

/// Frames of one device since ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossTotals {
    /// Sequences that never came.
    pub gap: u64,
    /// Deleted for want of room.
    pub dropped: u64,
    /// Left the quarantine unread.
    pub expired: u64,
    /// Given up by an administrator.
    pub discarded: u64,
    /// Sequences used again.
    pub conflict: u64,
    /// Of all these, in runs too old to be listed.
    pub unlisted: u64,
    /// Damaged on the disk.
    pub damaged: u64,
}

/// The ledger.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Losses {
    /// By a number that grows with each run.
    runs: BTreeMap<u64, Loss>,
    totals: BTreeMap<Name, LossTotals>,
    /// The newest run of each device, boot and kind; derived.
    newest: HashMap<Key, u64>,
    dirty_runs: BTreeSet<u64>,
    dirty_totals: BTreeSet<Name>,
}

type Key = (Name, LossKind, Option<u32>);

impl Loss {
    /// A run of sequences.
    pub(super) fn run(kind: LossKind, names: (&Name, &Name), boot: u32, (first, last): (u32, u32)) -> Self {
        let frames = u64::from(last.saturating_sub(first)) + 1;
        Self { boot: Some(boot), first: Some(first), last: Some(last), ..Self::frames(kind, names, frames) }
    }

    /// One frame, with or without a sequence.
    pub(super) fn one(kind: LossKind, names: (&Name, &Name), identity: Option<Identity>) -> Self {
        match identity {
            Some(Identity { boot, seq }) => Self::run(kind, names, boot, (seq, seq)),
            None => Self::frames(kind, names, 1),
        }
    }

    /// Records that cannot be read any more.
    pub(super) fn damaged(lost: &Stretch) -> Self {
        let unknown = Name::from(OTHERS);
        Self::frames(LossKind::Damaged, (&unknown, &unknown), lost.offsets())
    }

    fn frames(kind: LossKind, (device, subject): (&Name, &Name), frames: u64) -> Self {
        Self {
            kind,
            device: device.clone(),
            subject: subject.clone(),
            boot: None,
            first: None,
            last: None,
            frames,
            reason: String::new(),
            stretch: Stretch { first: Offset(0), last: Offset(0) },
            since: GatewayTime::default(),
            until: GatewayTime::default(),
        }
    }

    fn key(&self) -> Key {
        (self.device.clone(), self.kind, self.boot)
    }

    /// Takes in a later run that goes on where this one ends, or that it meets.
    fn join(&mut self, later: &Self) -> bool {
        if self.kind == LossKind::Damaged {
            // Each stretch stands for itself: what lies between two of them is well.
            return false;
        }
        let touches = match (self.first.zip(self.last), later.first.zip(later.last)) {
            (Some((first, last)), Some((from, to))) => from <= last.saturating_add(1) && first <= to.saturating_add(1),
            (None, None) => true,
            _ => false,
        };
        if !touches || self.subject != later.subject {
            return false;
        }
        self.first = self.first.min(later.first);
        self.last = self.last.max(later.last);
        self.frames += later.frames;
        self.stretch.first = self.stretch.first.min(later.stretch.first);
        self.stretch.last = self.stretch.last.max(later.stretch.last);
        self.until = later.until;
        true
    }
}

impl LossTotals {
    fn of(&mut self, kind: LossKind) -> &mut u64 {
        match kind {
            LossKind::Gap => &mut self.gap,
            LossKind::Dropped => &mut self.dropped,
            LossKind::Expired => &mut self.expired,
            LossKind::Discarded => &mut self.discarded,
            LossKind::Conflict => &mut self.conflict,
            LossKind::Damaged => &mut self.damaged,
        }
    }
}

impl Losses {
    /// The runs listed, in the order they began.
    pub(super) fn runs(&self) -> impl ExactSizeIterator<Item = &Loss> {
        self.runs.values()
    }

    /// Whether the ledger lists all of a damaged stretch.
    pub(super) fn has_damage(&self, lost: &Stretch) -> bool {
        self.runs.values().any(|run| run.kind == LossKind::Damaged && run.stretch.covers(lost))
    }

    /// By device, everything since ever.
    pub(super) fn totals(&self) -> impl ExactSizeIterator<Item = (&Name, &LossTotals)> {
        self.totals.iter()
    }

    /// Enters a run, which a record of that stamp tells of.
    pub(super) fn enter(&mut self, mut loss: Loss, reason: &str, stretch: Stretch, stamp: GatewayTime) {
        (loss.stretch, loss.since, loss.until) = (stretch, stamp, stamp);
        loss.reason = reason.to_owned();
        let total = self.total(&loss.device.clone());
        *total.of(loss.kind) += loss.frames;
        let key = loss.key();
        if let Some(number) = self.newest.get(&key)
            && let Some(newest) = self.runs.get_mut(number)
            && newest.join(&loss)
        {
            self.dirty_runs.insert(*number);
            return;
        }
        let number = self.runs.last_key_value().map_or(0, |(number, _)| number + 1);
        self.newest.insert(key, number);
        self.runs.insert(number, loss);
        self.dirty_runs.insert(number);
        if self.runs.len() > LISTED_MAX {
            self.forget_oldest();
        }
    }

    /// Rows of runs that changed since the last call.
    pub(super) fn take_dirty_runs(&mut self) -> impl Iterator<Item = (u64, Option<&Loss>)> {
        std::mem::take(&mut self.dirty_runs).into_iter().map(|number| (number, self.runs.get(&number)))
    }

    /// Rows of totals that changed since the last call.
    pub(super) fn take_dirty_totals(&mut self) -> impl Iterator<Item = (Name, LossTotals)> {
        let dirty = std::mem::take(&mut self.dirty_totals).into_iter();
        dirty.filter_map(|device| self.totals.get(&device).map(|totals| (device, *totals)))
    }

    /// Puts back a row; they come in order of number.
    pub(super) fn restore_run(&mut self, number: u64, loss: Loss) {
        let newest = self.newest.entry(loss.key()).or_insert(number);
        *newest = number.max(*newest);
        self.runs.insert(number, loss);
    }

    /// Puts back a row.
    pub(super) fn restore_totals(&mut self, device: &str, totals: LossTotals) {
        self.totals.insert(device.into(), totals);
    }

    fn forget_oldest(&mut self) {
        let Some((number, loss)) = self.runs.pop_first() else { return };
        let key = loss.key();
        if self.newest.get(&key) == Some(&number) {
            self.newest.remove(&key);
        }
        self.total(&loss.device).unlisted += loss.frames;
        self.dirty_runs.insert(number);
    }

    fn total(&mut self, device: &Name) -> &mut LossTotals {
        let known = self.totals.len() < DEVICES_MAX || self.totals.contains_key(device);
        let device = if known { device.clone() } else { OTHERS.into() };
        self.dirty_totals.insert(device.clone());
        self.totals.entry(device).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(losses: &mut Losses, kind: LossKind, boot: u32, first: u32, last: u32) {
        let names: (Name, Name) = ("car".into(), "anna".into());
        let at = u64::from(first);
        let stretch = Stretch { first: Offset(at), last: Offset(at) };
        let stamp = GatewayTime { wall_ms: at as i64, mono_ms: at };
        losses.enter(Loss::run(kind, (&names.0, &names.1), boot, (first, last)), "gone", stretch, stamp);
    }

    #[test]
    fn runs_that_touch_become_one_and_others_do_not() {
        let mut losses = Losses::default();
        enter(&mut losses, LossKind::Expired, 1, 5, 5);
        enter(&mut losses, LossKind::Expired, 1, 6, 9);
        enter(&mut losses, LossKind::Expired, 1, 4, 4);
        enter(&mut losses, LossKind::Gap, 1, 10, 10);
        enter(&mut losses, LossKind::Expired, 2, 10, 10);
        enter(&mut losses, LossKind::Expired, 1, 11, 11);
        let runs: Vec<_> = losses.runs().map(|it| (it.kind, it.boot, it.first, it.last, it.frames)).collect();
        let run = |kind, boot, first, last, frames| (kind, Some(boot), Some(first), Some(last), frames);
        let wanted = [
            run(LossKind::Expired, 1, 4, 9, 6),
            run(LossKind::Gap, 1, 10, 10, 1),
            run(LossKind::Expired, 2, 10, 10, 1),
            run(LossKind::Expired, 1, 11, 11, 1),
        ];
        assert_eq!(runs, wanted);
        let joined = losses.runs().next().unwrap();
        assert_eq!((joined.since.mono_ms, joined.until.mono_ms), (5, 4));
        assert_eq!(joined.stretch, Stretch { first: Offset(4), last: Offset(6) });
        let (_, totals) = losses.totals().next().unwrap();
        assert_eq!((totals.expired, totals.gap, totals.unlisted), (8, 1, 0));
    }

    #[test]
    fn frames_without_a_sequence_are_counted_together() {
        let mut losses = Losses::default();
        let names: (Name, Name) = ("pi".into(), "pi".into());
        let stretch = |at| Stretch { first: Offset(at), last: Offset(at) };
        for at in [3, 7] {
            let one = Loss::one(LossKind::Discarded, (&names.0, &names.1), None);
            losses.enter(one, "by hand", stretch(at), GatewayTime::default());
        }
        let only = losses.runs().next().unwrap();
        assert_eq!((losses.runs().len(), only.frames, only.first), (1, 2, None));
        assert_eq!(only.stretch, Stretch { first: Offset(3), last: Offset(7) });
        let json = serde_json::to_value(only).unwrap();
        assert_eq!((json["kind"].as_str(), json["boot"].is_null()), (Some("discarded"), true));
    }

    #[test]
    fn the_oldest_runs_go_into_the_totals() {
        let mut losses = Losses::default();
        for n in 0..LISTED_MAX as u32 + 10 {
            enter(&mut losses, LossKind::Gap, 1, n * 2, n * 2);
        }
        assert_eq!(losses.runs().len(), LISTED_MAX);
        assert_eq!(losses.runs().next().unwrap().first, Some(20));
        let (_, totals) = losses.totals().next().unwrap();
        assert_eq!((totals.gap, totals.unlisted), (LISTED_MAX as u64 + 10, 10));
        let deleted = losses.take_dirty_runs().filter(|(_, run)| run.is_none()).count();
        assert_eq!(deleted, 10);
    }
}
