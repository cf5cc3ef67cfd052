//! How the machine follows what became of frames, and the administrators' acts.

use serde::{Deserialize, Serialize};

use super::Ingest;
use crate::ingest::assign::AssignmentError;
use crate::ingest::facts::Facts;
use crate::ingest::losses::{Loss, LossKind, LossTotals};
use crate::ingest::native;
use crate::ingest::owed::What;
use crate::ingest::people::PeopleError;
use crate::ingest::quarantine::{Entry, Held, Quarantine};
use crate::ingest::readings::format_of;
use crate::record::Quarantine as SetAside;
use crate::record::{
    Act, Body, Conflict, Damaged, Deed, Draft, Dropped, Expired, Format, Frame, Gap, Name, Offset, Record, Stretch,
};

/// What became of the frames stored, since ever: the rest of `stored` was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FrameAccount {
    /// Frames in the log, each stored once: a duplicate is none.
    pub stored: u64,
    /// In quarantine now.
    pub quarantined: u64,
    /// Left the quarantine unread, because of their age or for want of room.
    pub expired: u64,
    /// Given up by an administrator.
    pub discarded: u64,
    /// Deleted for want of room before every upstream had them.
    pub dropped: u64,
}

/// The part of the account that no other state has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Saved {
    stored: u64,
    expired: u64,
    discarded: u64,
    dropped: u64,
}

impl Ingest {
    /// The frames set aside.
    pub fn quarantine(&self) -> &Quarantine {
        &self.quarantine
    }

    /// What to append to have a quarantined frame read again, with what is known of its device's clock by now; none
    /// when it is not in quarantine. It leaves the quarantine if it can be read then.
    pub fn replay(&self, frame: Offset) -> Option<Draft> {
        let mut replayed = self.quarantine.get(frame)?.frame.clone();
        if replayed.format == Format::Unproven {
            // With the keys of today it may be proven.
            let format = format_of(&replayed.payload);
            replayed.format = self.live.keys.judge(&replayed.device, format, &replayed.payload);
            let header = replayed.format.is_native().then(|| native::header(&replayed.payload)).flatten();
            replayed.identity = header.as_ref().map(native::identity);
        }
        if let Some(device) = self.devices.get(&replayed.device) {
            let facts = Facts::of(&replayed, Offset::AFTER_ALL, &self.schemas, &mut Default::default());
            replayed.clock = device.clock(&replayed, &facts);
        }
        Some(Draft { cause: Some(frame), body: Body::Replayed(replayed) })
    }

    /// What is known to be lost, given up or in doubt, in runs, the oldest first.
    pub fn losses(&self) -> impl ExactSizeIterator<Item = &Loss> {
        self.losses.runs()
    }

    /// The same by device, counted since ever.
    pub fn loss_totals(&self) -> impl ExactSizeIterator<Item = (&Name, &LossTotals)> {
        self.losses.totals()
    }

    /// What became of the frames.
    pub fn account(&self) -> FrameAccount {
        let Saved { stored, expired, discarded, dropped } = self.account;
        FrameAccount { stored, quarantined: self.quarantine.len() as u64, expired, discarded, dropped }
    }

    /// Whether a record from outside the flow still makes sense when it comes to be appended.
    pub fn accepts(&self, draft: &Draft) -> bool {
        let is_quarantined = |frame| self.quarantine.get(frame).is_some();
        match &draft.body {
            Body::Replayed(_) => draft.cause.is_some_and(is_quarantined),
            Body::Act(Act { deed: Deed::Discard { frame }, .. }) => is_quarantined(*frame),
            // Every start finds what is damaged again.
            Body::Damaged(damaged) => !self.losses.has_damage(&damaged.lost),
            Body::Act(act) => self.check_act(&act.deed).is_ok(),
            Body::Retained(retained) => self.accepts_retained(retained),
            _ => true,
        }
    }

    /// Checks an act before it becomes a record.
    ///
    /// # Errors
    /// What contradicts itself or what is in force, for a human.
    pub fn check_act(&self, deed: &Deed) -> Result<(), AssignmentError> {
        self.assignments.check_act(deed)?;
        let known = |name: &str| self.assignments.knows(name) || self.devices.contains_key(name);
        match deed {
            Deed::Merge { from, into } => {
                let unknown = [from, into].into_iter().find(|name| !known(name));
                unknown.map_or(Ok(()), |name| Err(PeopleError::Unknown(name.clone()).into()))
            }
            Deed::Alias { subject, .. } if !known(subject) => Err(PeopleError::Unknown(subject.clone()).into()),
            Deed::Alias { name, .. } if known(name) => Err(PeopleError::Subject(name.clone()).into()),
            _ => Ok(()),
        }
    }

    /// Follows the log past a record that is not to be applied, ever: a frame among them is set aside unread.
    pub fn skip(&mut self, record: &Record, reason: &str) {
        match &record.body {
            Body::Frame(frame) => {
                self.count_stored();
                let what =
                    What::Quarantine { reason: reason.to_owned(), frame: Some(Box::new(Held::new(frame, None))) };
                self.owed.push(record.offset, &frame.device, &frame.subject, what);
                self.dirty.owed = true;
            }
            Body::Replayed(_) => {
                record.cause.inspect(|frame| self.quarantine.read_in_vain(*frame, reason, None));
            }
            _ => {}
        }
    }

    pub(super) fn count_stored(&mut self) {
        self.account.stored += 1;
        self.dirty.account = true;
    }

    pub(super) fn apply_quarantine(&mut self, record: &Record, set_aside: &SetAside) {
        let settled = self.owed.settle(record);
        self.dirty.owed |= settled.is_some();
        if let (Some(What::Quarantine { frame: Some(held), .. }), Some(frame)) = (settled, record.cause) {
            self.quarantine.enter(frame, *held, &set_aside.reason, record.stamp);
        }
    }

    /// A frame is read again. Its sequence was seen when it was stored, and a gap or a duplicate is nothing it can make;
    /// but one that was not proven then is a newcomer.
    pub(super) fn apply_replayed(&mut self, record: &Record, frame: &Frame) {
        let Some(stored) = record.cause else { return };
        let Some(was_unproven) = self.quarantine.get(stored).map(|entry| entry.frame.format == Format::Unproven) else {
            return;
        };
        let facts = Facts::of(frame, record.offset, &self.schemas, &mut self.readings);
        match facts.readable {
            Ok(()) => {
                self.quarantine.remove(stored);
                if was_unproven {
                    self.note(record, frame, &facts);
                } else if !facts.points.is_empty() && self.devices.contains_key(&frame.device) {
                    self.touch(&frame.device).apply_points(&facts.points);
                }
            }
            Err(why) => self.quarantine.read_in_vain(stored, &why.to_string(), why.schema()),
        }
    }

    pub(super) fn apply_expired(&mut self, record: &Record, expired: &Expired) {
        let Some(entry) = record.cause.and_then(|frame| self.quarantine.remove(frame)) else { return };
        self.account.expired += 1;
        self.given_up(record, &entry, LossKind::Expired, &expired.reason);
    }

    pub(super) fn apply_gap(&mut self, record: &Record, gap: &Gap) {
        self.dirty.owed |= self.owed.settle(record).is_some();
        let loss = Loss::run(LossKind::Gap, (&gap.device, &gap.subject), gap.boot, (gap.first, gap.last));
        self.losses.enter(loss, "never came and is no longer waited for", at(record), record.stamp);
    }

    pub(super) fn apply_conflict(&mut self, record: &Record, conflict: &Conflict) {
        self.dirty.owed |= self.owed.settle(record).is_some();
        let names = (&conflict.device, &conflict.subject);
        let loss = Loss::one(LossKind::Conflict, names, Some(conflict.identity));
        self.losses.enter(loss, "its sequence was used before", at(record), record.stamp);
    }

    pub(super) fn apply_dropped(&mut self, record: &Record, dropped: &Dropped) {
        self.account.dropped += u64::from(dropped.frames);
        self.dirty.account = true;
        let Dropped { device, subject, boot, first, last, frames, stretch, reason, .. } = dropped;
        let run = Loss::run(LossKind::Dropped, (device, subject), *boot, (*first, *last));
        self.losses.enter(Loss { frames: u64::from(*frames), ..run }, reason, *stretch, record.stamp);
    }

    pub(super) fn apply_damaged(&mut self, record: &Record, damaged: &Damaged) {
        let reason = format!("stored and damaged since, in segment {}: {}", damaged.segment, damaged.what);
        self.losses.enter(Loss::damaged(&damaged.lost), &reason, damaged.lost, record.stamp);
    }

    pub(super) fn apply_act(&mut self, record: &Record, act: &Act) {
        match &act.deed {
            Deed::Forget { device } => self.forget(device),
            Deed::Discard { frame } => {
                let Some(entry) = self.quarantine.remove(*frame) else { return };
                self.account.discarded += 1;
                self.given_up(record, &entry, LossKind::Discarded, &format!("discarded by {}", act.by));
            }
            Deed::Hold { .. } | Deed::Account { .. } | Deed::Rule { .. } | Deed::Resume { .. } => {}
            _ => {
                let told = self.assignments.act(&act.deed);
                self.dirty.acts |= told;
                self.dirty.people |= told;
            }
        }
    }

    fn given_up(&mut self, record: &Record, entry: &Entry, kind: LossKind, reason: &str) {
        self.dirty.account = true;
        let loss = Loss::one(kind, (&entry.device, &entry.subject), entry.frame.identity);
        let stretch = Stretch { first: entry.offset, last: entry.offset };
        self.losses.enter(loss, reason, stretch, record.stamp);
    }

    /// Births, sequences, clocks: as if the device had never been there. What it sent stays, in quarantine too.
    fn forget(&mut self, device: &str) {
        self.schemas.forget(device);
        self.dirty.births.insert(device.into());
        if let Some(known) = self.devices.remove(device) {
            known.erase(device, &mut self.dirty.erased);
        }
    }
}

/// Where the cause of a decision stands.
fn at(record: &Record) -> Stretch {
    let at = record.cause.unwrap_or(record.offset);
    Stretch { first: at, last: at }
}
