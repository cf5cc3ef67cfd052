//! What acts and the passing of time change about who has which device, and about what subjects are to each other.
//!
//! A hand-over takes the device out of the former holder's halo and ends the trip that was under way there. It takes place
//! when the record is applied that says so, or, of one known before, with the first record stamped at or past its time;
//! frames that come later for the time before it still feed the former holder, whose trip stays ended; only while a buffer
//! is drained and has not come to the time of the hand-over does it go on.

use super::fold::{Fold, Touched};
use super::holders::Holders;
use super::subject::Subject;
use super::subjects::Change;
use super::ties::Ties;
use super::turns::{Turn, Turns};
use crate::ingest::people::{People, Replaced};
use crate::record::{Deed, Frame, Name};

/// A frame that comes so long after its readings, ms, comes out of a buffer; at a hand-over a younger one was on its way.
const STRAGGLING_MS: i64 = 300_000;
/// Hand-overs, the newest, that one frame can be the first to come after.
const PASSED_MAX: usize = 8;

impl Fold {
    pub(super) fn act(&mut self, deed: &Deed) {
        let devices: Vec<Name> = match deed {
            Deed::Assign(assignment) => vec![assignment.device.as_str().into()],
            Deed::Release { device, .. } | Deed::Forget { device } => vec![device.as_str().into()],
            Deed::Replace { old, new, .. } => vec![old.as_str().into(), new.as_str().into()],
            Deed::Discard { .. } | Deed::Hold { .. } | Deed::Account { .. } => return,
            Deed::Rule { name, text } => return self.ledger.rule(name, text.as_deref()),
            Deed::Resume { rule } => return self.ledger.count_anew(rule),
            _ => Vec::new(),
        };
        let subjects = self.holders.act(deed);
        self.turns.set(&self.holders);
        if !devices.is_empty() {
            self.moved(&devices, matches!(deed, Deed::Forget { .. }));
        }
        subjects.iter().for_each(|name| self.tie(name));
        if let (Deed::Merge { .. }, Some(gone)) = (deed, subjects.first()) {
            self.leave(gone);
        }
        let holders = &self.holders;
        let replacements = holders.people().replacements().filter(|device| {
            let place = holders.place_of(device, self.clock.wall_ms);
            place.is_some_and(|(_, subject)| devices.contains(device) || subjects.contains(subject))
        });
        self.greeted.extend(replacements.cloned());
    }

    /// Whatever was to happen up to now.
    pub(super) fn pass_turns(&mut self) {
        for turn in self.turns.pass(self.clock.wall_ms) {
            match turn {
                Turn::Device(device) => self.turn_over(&device),
                Turn::Subject(name) => self.tie(&name),
            }
        }
    }

    /// As a checkpoint has it.
    pub(super) fn know_people(&mut self, people: People, passed_ms: i64) {
        let holders = std::mem::take(&mut self.holders);
        self.holders = holders.with_people(people);
        self.turns = Turns::new(&self.holders, passed_ms);
    }

    /// In whose place a device came and the subject that it feeds since then, if it does.
    pub fn place_of<'a>(&'a self, device: &'a Name) -> Option<(&'a Replaced, &'a Subject)> {
        let (replaced, subject) = self.holders.place_of(device, self.clock.wall_ms)?;
        Some((replaced, self.subject(subject)?))
    }

    /// Devices that came in the place of others, by their names.
    pub fn replacements(&self) -> impl Iterator<Item = &Name> {
        self.holders.people().replacements()
    }

    /// Devices are with somebody else now, or forgotten.
    fn moved(&mut self, devices: &[Name], forgotten: bool) {
        let (holders, wall_ms) = (&self.holders, self.clock.wall_ms);
        self.subjects.change_all(self.applied, self.clock, |subject| {
            let mut change = Change::None;
            for device in devices {
                let holds = !forgotten && holders.holder(device, wall_ms).unwrap_or(device) == subject.name();
                if !holds {
                    change = change.or(leave(subject, holders, device, wall_ms));
                }
            }
            let kind = subject.kind_by(holders);
            if subject.kind != kind {
                subject.kind = kind;
                change = Change::Shown;
            }
            change
        });
    }

    /// A device may have come to its next holder.
    fn turn_over(&mut self, device: &Name) {
        let (holders, wall_ms) = (&self.holders, self.clock.wall_ms);
        let holder = holders.holder(device, wall_ms).unwrap_or(device);
        for name in holders.ever(device).into_iter().filter(|name| *name != holder) {
            if let Some(at) = self.subjects.find(name) {
                let left = |subject: &mut Subject| leave(subject, holders, device, wall_ms);
                self.subjects.change(at, self.applied, self.clock, |subject, _| left(subject));
            }
        }
        if holders.place_of(device, wall_ms).is_some() {
            self.greeted.insert(device.clone());
        }
    }

    /// Shows in a subject's halo what acts say of it, and makes the halo if it has none yet.
    fn tie(&mut self, name: &Name) {
        let ties = Ties::of(self.holders.people(), name, (self.applied, self.clock.wall_ms));
        let holders = &self.holders;
        if ties.is_none() && self.subjects.find(name).is_none() {
            return;
        }
        let at = self.subjects.position(name, || holders.kind(name));
        self.subjects.change(at, self.applied, self.clock, |subject, _| {
            let kind = subject.kind_by(holders);
            let is_same = match (&subject.ties, &ties) {
                (Some(before), Some(now)) => before.says_as(now),
                (before, now) => before.is_none() && now.is_none(),
            };
            if is_same && subject.kind == kind {
                return Change::None;
            }
            (subject.ties, subject.kind) = (ties, kind);
            Change::Shown
        });
    }

    /// A subject has proved to be another: its devices feed that one.
    fn leave(&mut self, name: &Name) {
        let Some(at) = self.subjects.find(name) else { return };
        let (holders, wall_ms) = (&self.holders, self.clock.wall_ms);
        self.subjects.change(at, self.applied, self.clock, |subject, _| {
            let devices = subject.all_devices();
            devices.iter().fold(Change::None, |change, device| change.or(leave(subject, holders, device, wall_ms)))
        });
    }
}

impl<'a> Touched<'a> {
    /// Devices that came in the place of others and are to hear of their subject now: they began to feed it, or its
    /// settings changed.
    pub fn greeted(self) -> impl Iterator<Item = &'a Name> {
        self.fold().greeted.iter()
    }
}

/// A device is not here any more.
fn leave(subject: &mut Subject, holders: &Holders, device: &Name, wall_ms: i64) -> Change {
    let name = subject.name().clone();
    let handed = subject.hand_over(device, holders.handed_over_ms(device, &name, wall_ms), false);
    match (subject.forget_device(device), handed) {
        (true, _) | (_, Some(true)) => Change::Shown,
        (false, Some(false)) => Change::Hidden,
        (false, None) => Change::None,
    }
}

/// Devices that another configuration gives to others are not here any more; whether there were any.
pub(super) fn leave_to_others(subject: &mut Subject, holders: &Holders, wall_ms: i64) -> bool {
    let name = subject.name().clone();
    let is_others = |device: &Name| holders.holder(device, wall_ms).is_some_and(|holder| *holder != name);
    let gone: Vec<Name> = subject.devices().iter().map(|device| device.name().clone()).filter(is_others).collect();
    for device in &gone {
        leave(subject, holders, device, wall_ms);
    }
    !gone.is_empty()
}

/// What a frame said of a time when somebody else had its device: nothing of it goes on, unless it comes out of a buffer
/// that is drained in order and more of that time may follow. `newest_ms` is its newest reading.
pub(super) fn end_for_former(
    subject: &mut Subject,
    holders: &Holders,
    frame: &Frame,
    newest_ms: Option<i64>,
    wall_ms: i64,
) {
    let (name, device) = (subject.name().clone(), &frame.device);
    if holders.holder(device, wall_ms).is_some_and(|holder| *holder != name) {
        let handed_ms = holders.handed_over_ms(device, &name, wall_ms);
        let is_drained = |newest_ms: i64| frame.arrival.wall_ms > newest_ms.saturating_add(STRAGGLING_MS);
        subject.hand_over(device, handed_ms, newest_ms.is_some_and(is_drained));
    }
}

impl Fold {
    /// What a device tells has come to a time: the trips of whoever had it before the hand-overs of until then are over.
    /// Nothing but the record decides, and what the former holder's halo knows: in a replay each halo passes over the
    /// records that it has.
    pub(super) fn pass_hand_overs(&mut self, device: &Name, newest_ms: i64) {
        let holders = &self.holders;
        let mut turns: Vec<i64> = holders.turns_of(device).filter(|at_ms| *at_ms <= newest_ms).collect();
        turns.drain(..turns.len().saturating_sub(PASSED_MAX));
        for at_ms in turns {
            let former = holders.holder(device, at_ms.saturating_sub(1)).unwrap_or(device);
            let Some(at) = self.subjects.find(former) else { continue };
            self.subjects.change(at, self.applied, self.clock, |subject, _| match subject.pass(device, at_ms) {
                Some(true) => Change::Shown,
                Some(false) => Change::Hidden,
                None => Change::None,
            });
        }
    }
}
