//! The ingest machine: decides what a publish becomes, and follows the log.

use std::collections::HashMap;

use bytes::Bytes;

use super::answers;
use super::assign::Assignments;
use super::clocks::Sighting;
use super::device::Device;
use super::facts::Facts;
use super::keys::Keys;
use super::live::Live;
use super::losses::Losses;
use super::native;
use super::offers::Counted;
use super::owed::{Owed, What};
use super::publish::{Admission, Channel, Publish, Settings};
use super::quarantine::{self, Held, Quarantine};
use super::readings::{Readings, format_of};
use super::schemas::{Learned, Schemas};
use super::sequence::Sequences;
use crate::broker::SessionKey;
use crate::broker::reason::{PAYLOAD_FORMAT_INVALID, QUOTA_EXCEEDED};
use crate::record::{
    Body, ClockSource, ClockUse, Draft, Duplicates, FoldConfig, Frame, GatewayTime, Name, Offset, Presence, Record,
    Reply, Retained, WallJump,
};

mod follow;
mod offers;
mod rows;
mod view;
pub use follow::FrameAccount;
use rows::Dirty;
pub use view::Known;

/// A wall clock that moved more than this against the monotonic one has jumped.
const WALL_JUMP_MS: u64 = 1000;
/// Most frames read again, and most given up, between two questions what is owed: both take place in one group with
/// live frames, and wait for the next one rather than keep those.
const REPLAYS_MAX: usize = 64;
const EXPIRED_MAX: usize = 1024;

/// The machine. See the module's contract for the order of calls.
#[derive(Debug)]
pub struct Ingest {
    settings: Settings,
    devices: HashMap<Name, Device>,
    schemas: Schemas,
    offers: Counted,
    assignments: Assignments,
    config: FoldConfig,
    owed: Owed,
    quarantine: Quarantine,
    losses: Losses,
    account: follow::Saved,
    /// Wall time minus monotonic time as the log knows it.
    anchor_ms: Option<i64>,
    dirty: Dirty,
    live: Live,
    readings: Readings,
    memo: Option<Memo>,
}

/// What admitting found out about a frame, so that applying need not read it again.
#[derive(Debug)]
struct Memo {
    device: Name,
    payload: Bytes,
    facts: Facts,
}

impl Ingest {
    /// Knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            schemas: Schemas::new(settings.grammar),
            settings,
            devices: HashMap::new(),
            offers: Counted::default(),
            assignments: Assignments::default(),
            config: FoldConfig::default(),
            owed: Owed::default(),
            quarantine: Quarantine::default(),
            losses: Losses::default(),
            account: follow::Saved::default(),
            anchor_ms: None,
            dirty: Dirty::default(),
            live: Live::default(),
            readings: Readings::default(),
            memo: None,
        }
    }

    /// Ask before [`Ingest::admit`]: a device's first telemetry or birth on a session is a record of its own, before it.
    pub fn connect(&mut self, publish: &Publish) -> Option<Body> {
        let live = publish.session != SessionKey::NONE.0;
        let speaks = live && matches!(publish.channel, Channel::Telemetry | Channel::Birth);
        if !speaks || self.is_full_for(&publish.device) || !self.live.published(publish.session, &publish.device) {
            return None;
        }
        Some(Body::Connected(self.presence(&publish.device, publish.arrival.wall_ms)))
    }

    /// Decides what a publish becomes. Replayed state does not change: append the body and [`Ingest::apply`] its record
    /// before the next publish is admitted.
    pub fn admit(&mut self, publish: &Publish) -> Admission {
        match publish.channel {
            Channel::Answer => self.admit_answer(publish),
            Channel::Telemetry | Channel::Birth if self.is_full_for(&publish.device) => {
                Admission::Refuse(QUOTA_EXCEEDED)
            }
            Channel::Telemetry => self.admit_telemetry(publish),
            Channel::Offers if let Err((code, why)) = self.check_offers(&publish.topic, &publish.payload) => {
                Admission::Unfit(code, why)
            }
            Channel::Birth | Channel::State | Channel::Offers | Channel::Other => {
                Admission::Store(Body::Retained(Retained {
                    topic: publish.topic.clone(),
                    publisher: publish.publisher.clone(),
                    qos: publish.qos,
                    arrival: publish.arrival,
                    payload: publish.payload.clone(),
                }))
            }
        }
    }

    /// A connection ended. Its devices' departures are owed from now on.
    pub fn session_ended(&mut self, session: u64) {
        self.live.ended(session);
    }

    /// Follows the log: every record, once, in order of offset; the same at the head and in replay.
    pub fn apply(&mut self, record: &Record) {
        let memo = self.memo.take();
        if self.anchor_ms.is_none() || matches!(record.body, Body::Start(_) | Body::WallJump(_)) {
            self.anchor_ms = Some(anchor_ms(record.stamp));
            self.dirty.anchor = true;
        }
        match &record.body {
            Body::Frame(frame) => self.apply_frame(record, frame, memo),
            Body::Retained(retained) => self.apply_retained(record, retained),
            Body::Config(config) => {
                self.assignments.configure(config);
                self.schemas.configure(config);
                self.config = config.clone();
                self.dirty.config = true;
            }
            Body::Gone(presence) => self.live.departure_logged(&presence.device),
            Body::Duplicates(duplicates) => self.live.repeats_logged(&duplicates.device, duplicates.count),
            Body::Quarantine(quarantine) => self.apply_quarantine(record, quarantine),
            Body::Replayed(frame) => self.apply_replayed(record, frame),
            Body::Expired(expired) => self.apply_expired(record, expired),
            Body::Gap(gap) => self.apply_gap(record, gap),
            Body::Conflict(conflict) => self.apply_conflict(record, conflict),
            Body::Dropped(dropped) => self.apply_dropped(record, dropped),
            Body::Damaged(damaged) => self.apply_damaged(record, damaged),
            Body::Act(act) => self.apply_act(record, act),
            Body::Tick | Body::Start(_) | Body::WallJump(_) | Body::Connected(_) => {}
            Body::Cursor(_) | Body::Carry(_) | Body::Reply(_) | Body::Spark(_) | Body::Cohort(_) => {}
        }
    }

    /// Records due at `stamp`: append and apply all of them before asking again, or they are returned again. What they
    /// make due in turn comes with the next question, and so does what is beyond the bounds of one; see
    /// [`Ingest::owes_more`].
    pub fn owed(&mut self, stamp: GatewayTime) -> Vec<Draft> {
        let mut drafts = Vec::new();
        let by_ms = self.anchor_ms.map_or(0, |anchor| anchor_ms(stamp).saturating_sub(anchor));
        if by_ms.unsigned_abs() > WALL_JUMP_MS {
            drafts.push(Body::WallJump(WallJump { by_ms }).into());
        }
        let gone = |device| Body::Gone(self.presence(device, stamp.wall_ms)).into();
        drafts.extend(self.live.departed().map(gone));
        drafts.extend(self.owed.drafts());
        // First: what turns out not to be due after all may have to leave.
        let due = self.quarantine.due(&self.schemas, REPLAYS_MAX);
        drafts.extend(due.into_iter().filter_map(|frame| self.replay(frame)));
        let leaving = self.quarantine.leaving(&self.live.quarantine, stamp).take(EXPIRED_MAX);
        drafts.extend(leaving.map(|(frame, expired)| Draft { cause: Some(frame), body: Body::Expired(expired) }));
        drafts.extend(self.live.repeats(stamp.mono_ms).map(|(device, count)| {
            let Presence { device, subject } = self.presence(device, stamp.wall_ms);
            Body::Duplicates(Duplicates { device, subject, count }).into()
        }));
        drafts
    }

    /// Whether [`Ingest::owed`] may have more at once, without anything happening.
    pub fn owes_more(&self) -> bool {
        self.quarantine.may_be_due() || self.quarantine.bytes() > self.live.quarantine.max
    }

    /// Monotonic time at which [`Ingest::owed`] will have something although nothing happened.
    pub fn due_ms(&self) -> Option<u64> {
        self.live.due_ms()
    }

    /// Ends this state, which a failed commit has run ahead of the log, and saves what belongs to the process.
    pub fn into_live(self) -> Live {
        self.live
    }

    /// Goes on in a state rebuilt from the log: sessions are still there, repeats still to be counted.
    pub fn resume(&mut self, live: Live) {
        self.live = live;
    }

    /// What the quarantine may hold from now on.
    pub fn limit_quarantine(&mut self, limits: quarantine::Config) {
        self.live.quarantine = limits;
    }

    /// What devices prove themselves with from now on.
    pub fn trust(&mut self, keys: Keys) {
        self.live.keys = keys;
    }

    /// The births and the registry.
    pub fn schemas(&self) -> &Schemas {
        &self.schemas
    }

    /// The assignments in force.
    pub fn assignments(&self) -> &Assignments {
        &self.assignments
    }

    /// The configuration in force, as the log knows it.
    pub fn config(&self) -> &FoldConfig {
        &self.config
    }

    /// How many devices are known.
    pub fn devices(&self) -> usize {
        self.devices.len()
    }

    /// The sequences seen of a device.
    pub fn sequences(&self, device: &str) -> Option<&Sequences> {
        self.devices.get(device).map(Device::sequences)
    }

    /// How often a device said a time that could not be, over its kept boots.
    pub fn clocks_refused(&self, device: &str) -> u32 {
        self.devices.get(device).map_or(0, Device::clocks_refused)
    }

    fn admit_telemetry(&mut self, publish: &Publish) -> Admission {
        let format = self.live.keys.judge(&publish.device, format_of(&publish.payload), &publish.payload);
        // What was not proven has no identity: a forged number would make gaps and conflicts.
        let header = format.is_native().then(|| native::header(&publish.payload)).flatten();
        let (identity, crc) = (header.as_ref().map(native::identity), crc32c::crc32c(&publish.payload));
        let device = self.devices.get(&publish.device);
        // Before reading the items: after a reconnect most of a backlog may be repeats.
        if let (Some(device), Some(identity)) = (device, identity)
            && device.has_stored(identity, crc)
        {
            return self.repeated(publish);
        }
        let mut frame = Frame {
            device: publish.device.clone(),
            publisher: publish.publisher.clone(),
            subject: publish.device.clone(),
            identity,
            format,
            arrival: publish.arrival,
            qos: publish.qos,
            clock: ClockUse { offset_ms: 0, source: ClockSource::Estimated },
            payload: publish.payload.clone(),
        };
        let facts = Facts::of_known((header, crc), &frame, Offset::AFTER_ALL, &self.schemas, &mut self.readings);
        if device.is_some_and(|device| device.has_points(&facts.points)) {
            return self.repeated(publish);
        }
        frame.clock =
            device.map_or_else(|| Device::default().clock(&frame, &facts), |known| known.clock(&frame, &facts));
        let begun_ms = facts.first_ms.saturating_add(frame.clock.offset_ms);
        frame.subject = self.assignments.subject_at(&frame.device, begun_ms);
        self.memo = Some(Memo { device: frame.device.clone(), payload: frame.payload.clone(), facts });
        Admission::Store(Body::Frame(frame))
    }

    fn admit_answer(&self, publish: &Publish) -> Admission {
        let said = match answers::parse(&publish.payload) {
            Ok(said) => said,
            Err(problem) => return Admission::Unfit(PAYLOAD_FORMAT_INVALID, problem.into()),
        };
        let Presence { device, subject } = self.presence(&publish.device, publish.arrival.wall_ms);
        Admission::Store(Body::Reply(Reply { device, subject, said }))
    }

    fn repeated(&mut self, publish: &Publish) -> Admission {
        self.live.repeated(&publish.device, publish.arrival.mono_ms);
        Admission::Duplicate
    }

    fn apply_frame(&mut self, record: &Record, frame: &Frame, memo: Option<Memo>) {
        let memo = memo.filter(|memo| memo.is_of(frame));
        let anew = || Facts::of(frame, record.offset, &self.schemas, &mut self.readings);
        let facts = memo.map_or_else(anew, |memo| memo.facts);
        self.count_stored();
        self.note(record, frame, &facts);
        if let Err(unreadable) = facts.readable {
            let held = Held::new(frame, unreadable.schema());
            let what = What::Quarantine { reason: unreadable.to_string(), frame: Some(Box::new(held)) };
            self.owed.push(record.offset, &frame.device, &frame.subject, what);
            self.dirty.owed = true;
        }
    }

    /// Takes note of a frame's identity, clock and points, and owes what they make due.
    fn note(&mut self, record: &Record, frame: &Frame, facts: &Facts) {
        let noted = self.touch(&frame.device).apply(frame, facts);
        let mut owe = |what| {
            self.owed.push(record.offset, &frame.device, &frame.subject, what);
            self.dirty.owed = true;
        };
        noted.closed.into_iter().map(What::Gap).for_each(&mut owe);
        if let Some(identity) = facts.identity().filter(|_| noted.conflict) {
            owe(What::Conflict(identity));
        }
    }

    fn apply_retained(&mut self, record: &Record, retained: &Retained) {
        self.follow_offers(retained);
        match self.schemas.learn(retained, record.offset) {
            Learned::Nothing => {}
            Learned::Birth { device, schema, boot, t0_ms, sync } => {
                let sighting = Sighting {
                    device_ms: i64::try_from(t0_ms).unwrap_or(i64::MAX),
                    arrival: retained.arrival,
                    sync: sync.map(|sync| sync.unix_minus_uptime_ms),
                };
                self.touch(&device).apply_birth(boot, sighting);
                self.quarantine.described(&device, schema);
                self.dirty.births.insert(device);
            }
            Learned::Refused { device, why } => {
                let subject = self.assignments.subject_at(&device, retained.arrival.wall_ms);
                self.owed.push(
                    record.offset,
                    &device,
                    &subject,
                    What::Quarantine { reason: why.to_string(), frame: None },
                );
                self.dirty.owed = true;
                // Known from now on, so that refused births count against the limit on devices.
                self.touch(&device);
                self.dirty.births.insert(device);
            }
        }
    }

    /// A device that is about to change, in the next checkpoint.
    fn touch(&mut self, name: &Name) -> &mut Device {
        let device = self.devices.entry(name.clone()).or_default();
        if device.touch() {
            self.dirty.devices.push(name.clone());
        }
        device
    }

    fn is_full_for(&self, device: &Name) -> bool {
        self.devices.len() >= self.settings.devices_max && !self.devices.contains_key(device)
    }

    fn presence(&self, device: &Name, wall_ms: i64) -> Presence {
        Presence { device: device.clone(), subject: self.assignments.subject_at(device, wall_ms) }
    }
}

impl Memo {
    /// Whether it was drawn from this very payload: the bytes are the same allocation, which the memo keeps alive.
    fn is_of(&self, frame: &Frame) -> bool {
        self.device == frame.device
            && self.payload.as_ptr() == frame.payload.as_ptr()
            && self.payload.len() == frame.payload.len()
    }
}

fn anchor_ms(at: GatewayTime) -> i64 {
    at.wall_ms.saturating_sub(i64::try_from(at.mono_ms).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
