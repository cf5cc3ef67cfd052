//! The fold: records in, halos out.

use std::collections::BTreeSet;

use halo_proto::topic::Grammar;

use super::cohorts::Cohorts;
use super::holders::Holders;
use super::kinds::Kinds;
use super::offers::Offers;
use super::parts::parts;
use super::people::{end_for_former, leave_to_others};
use super::places::Places;
use super::presence::newest_ms;
use super::sparks::Ledger;
use super::subject::Subject;
use super::subjects::{Change, Subjects};
use super::surroundings::{Around, Surroundings};
use super::turns::Turns;
use crate::ingest::assign::Acts;
use crate::ingest::readings::{self, Readings};
use crate::ingest::schemas::Schemas;
use crate::record::{Body, FoldConfig, Frame, GatewayTime, Name, Offset, Record};

/// Version of what the fold computes and of how its rows are written: a checkpoint of another version is of no use,
/// and the log is folded from its beginning.
pub const FOLD_VERSION: u16 = 15;

/// What is known now; a pure function of the records applied.
#[derive(Debug)]
pub struct Fold {
    /// Every record up to here is in it.
    pub(super) applied: Offset,
    pub(super) clock: GatewayTime,
    pub(super) config: FoldConfig,
    pub(super) schemas: Schemas,
    pub(super) subjects: Subjects,
    pub(super) round: super::checkpoint::Round,
    pub(super) holders: Holders,
    pub(super) turns: Turns,
    pub(super) ledger: Ledger,
    pub(super) cohorts: Cohorts,
    /// Devices that are to hear of their subject, by the record being applied.
    pub(super) greeted: BTreeSet<Name>,
    /// Whose halos time alone has changed with the last record.
    aged: Vec<Name>,
    pub(super) offers: Offers,
    readings: Readings,
    readable: bool,
    places: Places,
    /// Made of the configuration.
    surroundings: Surroundings,
    kinds: Kinds,
}

/// What the frame of a record says, where somebody has read it before it is folded.
pub enum Said<'a> {
    /// Nobody has.
    Unread,
    /// It cannot be read.
    Unreadable,
    /// What [`readings::read`] makes of it by [`Fold::schemas`]. What is in it afterwards is of no use but for its buffers.
    Read(&'a mut Readings),
}

/// What one record did.
#[derive(Clone, Copy)]
pub struct Touched<'a> {
    fold: &'a Fold,
}

impl<'a> Touched<'a> {
    pub(super) fn fold(self) -> &'a Fold {
        self.fold
    }

    /// The subjects whose halo changed, each now one revision further, in order of name.
    pub fn subjects(self) -> impl Iterator<Item = &'a Subject> {
        self.fold.subjects.touched()
    }

    /// Whether time alone has changed a halo, before the record did what it says: a device fell silent, or came to
    /// somebody else, a relation began or ended.
    pub fn is_aged(self, subject: &Subject) -> bool {
        self.fold.aged.contains(subject.name())
    }

    /// For a frame that could be read, at first or when it was read again: what it says. Also when no halo changed, as
    /// during a replay.
    pub fn readings(self) -> Option<&'a Readings> {
        self.fold.readable.then_some(&self.fold.readings)
    }
}

impl Fold {
    /// Knows nothing; births will be recognised by this topic grammar.
    pub fn new(grammar: Grammar) -> Self {
        Self::with(Offset(0), GatewayTime::default(), FoldConfig::default(), Acts::default(), Schemas::new(grammar))
    }

    pub(super) fn with(
        applied: Offset,
        clock: GatewayTime,
        config: FoldConfig,
        acts: Acts,
        mut schemas: Schemas,
    ) -> Self {
        schemas.configure(&config);
        Self {
            applied,
            clock,
            holders: Holders::new(&config, acts),
            surroundings: Surroundings::of(&config.geography),
            kinds: Kinds::of(&config),
            turns: Turns::default(),
            ledger: Ledger::default(),
            cohorts: Cohorts::default(),
            greeted: BTreeSet::new(),
            aged: Vec::new(),
            config,
            schemas,
            subjects: Subjects::default(),
            round: super::checkpoint::Round::default(),
            offers: Offers::default(),
            readings: Readings::default(),
            readable: false,
            places: Places::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn forecasts(&mut self, forecasts: bool) {
        self.config.forecasts = forecasts;
    }

    /// Takes one record in. Records come in offset order; one that is already in it (see [`Fold::applied`]) changes
    /// nothing.
    pub fn apply(&mut self, record: &Record) -> Touched<'_> {
        self.apply_read(record, Said::Unread)
    }

    /// The same, of a record whose frame may have been read.
    pub fn apply_read(&mut self, record: &Record, said: Said<'_>) -> Touched<'_> {
        self.readable = false;
        self.subjects.begin_record();
        self.greeted.clear();
        self.aged.clear();
        if record.offset > self.applied {
            self.applied = record.offset;
            if record.stamp.mono_ms >= self.clock.mono_ms {
                self.clock = record.stamp;
            }
            self.subjects.pass_time(record.offset, self.clock);
            self.pass_turns();
            self.aged.extend(self.subjects.touched().map(|subject| subject.name().clone()));
            self.schemas.apply(record);
            self.take(record, said);
            self.subjects.end_record();
        }
        Touched { fold: self }
    }

    /// What the last record did.
    pub fn last(&self) -> Touched<'_> {
        Touched { fold: self }
    }

    /// Passes a record that is not to be applied, ever.
    pub fn skip(&mut self, record: &Record) {
        self.readable = false;
        self.subjects.begin_record();
        self.greeted.clear();
        self.aged.clear();
        if record.offset > self.applied {
            self.applied = record.offset;
            if record.stamp.mono_ms >= self.clock.mono_ms {
                self.clock = record.stamp;
            }
        }
    }

    /// The last record in it; reading goes on behind it.
    pub fn applied(&self) -> Offset {
        self.applied
    }

    /// The largest stamp applied: the only time it knows.
    pub fn clock(&self) -> GatewayTime {
        self.clock
    }

    /// Monotonic milliseconds at which the next device counts as silent or comes to its next holder, or a relation begins
    /// or ends: from then on a record is wanted, if only a Tick. Does not change what is known; `&mut` because the deadlines are sorted out when somebody asks.
    pub fn deadline(&mut self) -> Option<u64> {
        let turn = self.turns.next_ms().map(|at| {
            let wait_ms = u64::try_from(at.saturating_sub(self.clock.wall_ms)).unwrap_or(1).max(1);
            self.clock.mono_ms.saturating_add(wait_ms)
        });
        self.subjects.deadline().into_iter().chain(turn).min()
    }

    /// One subject.
    pub fn subject(&self, name: &str) -> Option<&Subject> {
        self.subjects.get(name)
    }

    /// All subjects, in order of name.
    pub fn subjects(&self) -> Vec<&Subject> {
        self.subjects.sorted()
    }

    /// How many subjects there are.
    pub fn subjects_len(&self) -> usize {
        self.subjects.len()
    }

    /// How frames are to be read after the records applied so far.
    pub fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    fn take(&mut self, record: &Record, said: Said<'_>) {
        match &record.body {
            Body::Frame(frame) => self.frame(frame, said),
            Body::Config(config) => self.configure(config),
            Body::Start(_) => self.start(),
            Body::Connected(presence) => {
                let (now, silent_after_ms) = (self.clock, self.config.silent_after_ms);
                self.change(&presence.subject, |subject| {
                    let Some(device) = subject.device_mut(&presence.device) else { return Change::None };
                    device.heard(now.wall_ms, now, silent_after_ms);
                    Change::Shown
                });
                self.await_silence(&presence.subject, &presence.device);
            }
            Body::Gone(presence) => self.change(&presence.subject, |subject| {
                let Some(device) = subject.device_mut(&presence.device) else { return Change::None };
                device.gone();
                Change::Shown
            }),
            Body::Quarantine(quarantine) => self.count(&quarantine.subject, |counts| counts.quarantined += 1),
            Body::Duplicates(duplicates) => {
                self.count(&duplicates.subject, |counts| counts.duplicates += u64::from(duplicates.count));
            }
            Body::Conflict(conflict) => self.count(&conflict.subject, |counts| counts.conflicts += 1),
            Body::Gap(gap) => self.count(&gap.subject, |counts| {
                counts.gaps += 1;
                counts.missing += u64::from(gap.last.saturating_sub(gap.first)) + 1;
            }),
            Body::Spark(spark) => self.spark(record, spark),
            Body::Cohort(cohort) => self.cohorts.count(cohort, self.clock.wall_ms),
            // What follows from it is decided by the rules, and stands behind it.
            Body::Reply(_) => {}
            Body::Retained(retained) => self.retained(retained),
            Body::Tick | Body::WallJump(_) | Body::Cursor(_) => {}
            Body::Replayed(frame) => self.replayed(frame, said),
            Body::Act(act) => self.act(&act.deed),
            // Given up unread: counted when it was set aside.
            Body::Dropped(_) | Body::Expired(_) | Body::Damaged(_) | Body::Carry(_) => {}
        }
    }

    /// A frame feeds the subject it was recorded for, and shows its device to be there in the halo of whoever has the
    /// device at its arrival: a buffer drained late fills the former driver's halo, not their garage.
    fn frame(&mut self, frame: &Frame, said: Said<'_>) {
        self.hear(frame, said);
        let (offset, now, silent_after_ms) = (self.applied, self.clock, self.config.silent_after_ms);
        let forecasts = self.config.forecasts;
        let readings = self.readable.then_some(&self.readings);
        let (holders, places) = (&self.holders, &mut self.places);
        let around = Around { map: &self.surroundings, kinds: &self.kinds, now_ms: now.wall_ms, shift_ms: 0, offset };
        let parts = readings.and_then(|readings| parts(holders, frame, readings)).unwrap_or_default();
        let whole = readings.filter(|_| parts.is_empty());
        let newest_ms = readings.and_then(newest_ms).map(|newest_ms| newest_ms.min(frame.arrival.wall_ms));
        let holder = holders.holder(&frame.device, frame.arrival.wall_ms).unwrap_or(&frame.subject);

        let at = self.subjects.position(holder, || holders.kind(holder));
        self.subjects.change(at, offset, now, |subject, shared| {
            if let Some(device) = subject.device_mut(&frame.device) {
                device.heard(frame.arrival.wall_ms, now, silent_after_ms);
                device.sent(frame, readings, now);
            }
            if let Some(readings) = whole.filter(|_| *holder == frame.subject) {
                subject.fold(frame, readings, forecasts, around, places, shared);
            }
            Change::Shown
        });
        self.subjects.await_silence_of(at, &frame.device);

        let late = whole.filter(|_| *holder != frame.subject).map(|readings| (&frame.subject, readings));
        for (name, readings) in late.into_iter().chain(parts.iter().map(|(name, part)| (name, part))) {
            let at = self.subjects.position(name, || holders.kind(name));
            self.subjects.change(at, offset, now, |subject, shared| {
                subject.fold(frame, readings, forecasts, around, places, shared);
                end_for_former(subject, holders, frame, newest_ms, now.wall_ms);
                Change::Shown
            });
        }
        if let Some(newest_ms) = newest_ms {
            self.pass_hand_overs(&frame.device, newest_ms);
        }
    }

    /// A quarantined frame is read again: if that goes well, it feeds its subject like any other. Its device was heard
    /// when the frame came, not now. The log owner has seen to it that the frame was still in quarantine.
    fn replayed(&mut self, frame: &Frame, said: Said<'_>) {
        self.hear(frame, said);
        let (offset, now, holders, places) = (self.applied, self.clock, &self.holders, &mut self.places);
        let forecasts = self.config.forecasts;
        let around = Around { map: &self.surroundings, kinds: &self.kinds, now_ms: now.wall_ms, shift_ms: 0, offset };
        let Some(readings) = self.readable.then_some(&self.readings) else { return };
        let at = self.subjects.position(&frame.subject, || holders.kind(&frame.subject));
        self.subjects.change(at, offset, now, |subject, shared| {
            subject.counts.quarantined = subject.counts.quarantined.saturating_sub(1);
            subject.fold(frame, readings, forecasts, around, places, shared);
            if let Some(device) = subject.device_at_mut(&frame.device) {
                device.power(frame, readings);
            }
            end_for_former(subject, holders, frame, None, now.wall_ms);
            Change::Shown
        });
    }

    fn hear(&mut self, frame: &Frame, said: Said<'_>) {
        self.readable = match said {
            Said::Unread => readings::read(frame, self.applied, &self.schemas, &mut self.readings).is_ok(),
            Said::Unreadable => false,
            Said::Read(readings) => {
                self.readings.exchange(readings);
                true
            }
        };
    }

    fn configure(&mut self, config: &FoldConfig) {
        let rederive = self.config.derivations != config.derivations;
        if rederive {
            self.kinds = Kinds::of(config);
        }
        let kinds = &self.kinds;
        self.config = config.clone();
        self.surroundings = Surroundings::of(&config.geography);
        self.holders.configure(config);
        self.turns.set(&self.holders);
        let (holders, silent_after_ms, forecasts) = (&self.holders, config.silent_after_ms, config.forecasts);
        let wall_ms = self.clock.wall_ms;
        self.subjects.change_all(self.applied, self.clock, |subject| {
            let mut change = Change::None;
            for device in subject.devices_mut() {
                let before = device.silent_at_ms();
                device.await_silence(silent_after_ms);
                if device.silent_at_ms() != before {
                    change = Change::Hidden;
                }
            }
            if leave_to_others(subject, holders, wall_ms) {
                change = Change::Shown;
            }
            let kind = subject.kind_by(holders);
            if subject.kind != kind {
                subject.kind = kind;
                change = Change::Shown;
            }
            if rederive {
                subject.configure(kinds);
                change = Change::Shown;
            }
            if !forecasts && subject.forget_forecasts() {
                change = Change::Shown;
            }
            change
        });
        // After each record no deadline lies in the past: a row of a checkpoint never waits for one that a replay
        // would meet, and pass over, among the records the row already has.
        self.subjects.pass_time(self.applied, self.clock);
    }

    fn start(&mut self) {
        self.subjects.change_all(self.applied, self.clock, |subject| {
            let mut change = Change::None;
            for device in subject.devices_mut() {
                if device.gateway_started() {
                    change = Change::Shown;
                }
            }
            change
        });
    }

    fn count(&mut self, subject: &Name, with: impl FnOnce(&mut super::Counts)) {
        self.change(subject, |subject| {
            with(&mut subject.counts);
            Change::Shown
        });
    }

    fn change(&mut self, name: &Name, with: impl FnOnce(&mut Subject) -> Change) {
        let at = self.subjects.position(name, || self.holders.kind(name));
        self.subjects.change(at, self.applied, self.clock, |subject, _| with(subject));
    }

    fn await_silence(&mut self, subject: &Name, device: &Name) {
        let at = self.subjects.position(subject, || self.holders.kind(subject));
        self.subjects.await_silence_of(at, device);
    }
}
