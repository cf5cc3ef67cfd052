//! Frames that were stored and cannot be understood: kept with the reason, bounded, to be read again or given up.
//!
//! A frame comes in with its `Quarantine` record and leaves with a `Replayed` record by which it can be read, with an
//! `Expired` record, or with an act that discards it. Ages are differences of the log's own stamps, never a clock's.
//!
//! A frame of a schema nobody has described yet waits for that birth: when it comes, the frame's replay is due by
//! itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::schemas::Schemas;
use crate::record::{ClockUse, Expired, Format, Frame, GatewayTime, Identity, Name, Offset};
use crate::units;

/// What an entry counts besides its payload and its reason: names, times, its places in the indexes.
const ENTRY_BYTES: u64 = 512;

/// What is kept of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bytes of quarantined frames; above, the oldest leave and are listed in `losses`. Default 16 MB.
    #[serde(deserialize_with = "units::size")]
    pub max: u64,
    /// How long a frame stays. Default 30 days (`720h`).
    #[serde(deserialize_with = "units::duration")]
    pub age_max: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { max: 16_000_000, age_max: Duration::from_secs(30 * 86_400) }
    }
}

/// One frame set aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it was stored; names it for good.
    pub offset: Offset,
    /// The device that sent it.
    pub device: Name,
    /// Whose halo counts it.
    pub subject: Name,
    /// What was wrong when it was read last, for a human.
    pub reason: String,
    /// How often it was read in vain, from 1.
    pub attempts: u32,
    /// When it was set aside.
    pub since: GatewayTime,
    /// The frame as it was stored, payload and all.
    #[serde(with = "saved")]
    pub frame: Frame,
    /// The schema it waits for.
    waits_for: Option<u32>,
}

/// A frame from its own record until the record that sets it aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Held {
    #[serde(with = "saved")]
    frame: Frame,
    waits_for: Option<u32>,
}

/// All of them, oldest first.
#[derive(Debug, Default)]
pub struct Quarantine {
    entries: BTreeMap<Offset, Entry>,
    bytes: u64,
    /// By device and schema, who waits for it; derived.
    waiting: HashMap<(Name, u32), BTreeSet<Offset>>,
    /// Whose replay may be due: what they waited for has come. Derived.
    due: BTreeSet<Offset>,
    /// Whose rows a checkpoint has to write.
    dirty: BTreeSet<Offset>,
}

impl Quarantine {
    /// The frames, oldest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.values()
    }

    /// The frame stored at that offset, if it is here.
    pub fn get(&self, frame: Offset) -> Option<&Entry> {
        self.entries.get(&frame)
    }

    /// How many bytes the frames take, each with something for the rest of its entry: what [`Config::max`] bounds.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many frames are here.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no frame is here.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sets the frame stored at `offset` aside.
    pub(super) fn enter(&mut self, offset: Offset, held: Held, reason: &str, since: GatewayTime) {
        let Held { frame, waits_for } = held;
        let (device, subject) = (frame.device.clone(), frame.subject.clone());
        self.remove(offset);
        // What it waits for may have come since it was stored.
        self.due.extend(waits_for.map(|_| offset));
        self.insert(Entry { offset, device, subject, reason: reason.to_owned(), attempts: 1, since, frame, waits_for });
        self.dirty.insert(offset);
    }

    /// A frame leaves.
    pub(super) fn remove(&mut self, offset: Offset) -> Option<Entry> {
        let entry = self.entries.remove(&offset)?;
        self.bytes -= entry.weight();
        self.stop_waiting(&entry);
        self.due.remove(&offset);
        self.dirty.insert(offset);
        Some(entry)
    }

    /// A frame was read again in vain.
    pub(super) fn read_in_vain(&mut self, offset: Offset, reason: &str, waits_for: Option<u32>) {
        let Some(mut entry) = self.remove(offset) else { return };
        entry.reason = reason.to_owned();
        entry.attempts = entry.attempts.saturating_add(1);
        entry.waits_for = waits_for;
        self.insert(entry);
    }

    /// A birth has described a schema: the frames that waited for it are to be read again.
    pub(super) fn described(&mut self, device: &Name, schema: u32) {
        if let Some(waiting) = self.waiting.get(&(device.clone(), schema)) {
            self.due.extend(waiting);
        }
    }

    /// Up to `max` frames whose replay is due, oldest first.
    pub(super) fn due(&mut self, schemas: &Schemas, max: usize) -> Vec<Offset> {
        let mut due = Vec::new();
        while due.len() < max {
            let after = due.last().map_or(Offset(0), |last: &Offset| last.next());
            let Some(offset) = self.due.range(after..).next().copied() else { break };
            if self.entries.get(&offset).is_some_and(|entry| entry.is_described(schemas)) {
                due.push(offset);
            } else {
                // A birth taken back, or contradicted: it waits again.
                self.due.remove(&offset);
            }
        }
        due
    }

    /// Whether a replay may be due.
    pub(super) fn may_be_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// The frames that have to leave, oldest first: too old, or more than there is room for. One that is about to be read
    /// again neither leaves nor takes room: it must not be both given up and read.
    pub(super) fn leaving(&self, limits: &Config, now: GatewayTime) -> impl Iterator<Item = (Offset, Expired)> {
        let age_max_ms = u64::try_from(limits.age_max.as_millis()).unwrap_or(u64::MAX);
        let due: u64 = self.due.iter().filter_map(|offset| self.entries.get(offset)).map(Entry::weight).sum();
        let (mut bytes, max) = (self.bytes - due, limits.max);
        let stays = |entry: &&Entry| !self.due.contains(&entry.offset);
        self.entries.values().filter(stays).map_while(move |entry| {
            let age_ms = now.mono_ms.saturating_sub(entry.since.mono_ms);
            let reason = if bytes > max {
                format!("quarantine is full, {max} bytes are kept")
            } else if age_ms >= age_max_ms {
                let kept = units::render_duration(Duration::from_millis(age_max_ms));
                format!("quarantined for {kept}, the longest a frame is kept")
            } else {
                return None;
            };
            bytes -= entry.weight();
            Some((entry.offset, Expired { device: entry.device.clone(), subject: entry.subject.clone(), reason }))
        })
    }

    /// Rows that changed since the last call: an entry, or none for one that has left.
    pub(super) fn take_dirty(&mut self) -> impl Iterator<Item = (Offset, Option<&Entry>)> {
        std::mem::take(&mut self.dirty).into_iter().map(|offset| (offset, self.entries.get(&offset)))
    }

    /// Puts back a row.
    pub(super) fn restore(&mut self, entry: Entry) {
        self.due.extend(entry.waits_for.map(|_| entry.offset));
        self.insert(entry);
    }

    fn insert(&mut self, entry: Entry) {
        self.bytes += entry.weight();
        if let Some(schema) = entry.waits_for {
            self.waiting.entry((entry.device.clone(), schema)).or_default().insert(entry.offset);
        }
        self.entries.insert(entry.offset, entry);
    }

    fn stop_waiting(&mut self, entry: &Entry) {
        let Some(schema) = entry.waits_for else { return };
        let key = (entry.device.clone(), schema);
        let Some(waiting) = self.waiting.get_mut(&key) else { return };
        waiting.remove(&entry.offset);
        if waiting.is_empty() {
            self.waiting.remove(&key);
        }
    }
}

impl Held {
    /// A frame with a copy of its payload: the original is part of some larger buffer, which would stay with it.
    pub(super) fn new(frame: &Frame, waits_for: Option<u32>) -> Self {
        let payload = Bytes::copy_from_slice(&frame.payload);
        Self { frame: Frame { payload, ..frame.clone() }, waits_for }
    }
}

impl Entry {
    fn weight(&self) -> u64 {
        ENTRY_BYTES + (self.frame.payload.len() + self.reason.len()) as u64
    }

    fn is_described(&self, schemas: &Schemas) -> bool {
        self.waits_for.is_some_and(|schema| schemas.layout(&self.device, schema, Offset::AFTER_ALL).is_ok())
    }
}

/// A frame as a row keeps it.
mod saved {
    use serde::{Deserializer, Serializer};

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Saved {
        device: Name,
        publisher: Name,
        subject: Name,
        identity: Option<Identity>,
        format: Format,
        arrival: GatewayTime,
        qos: u8,
        clock: ClockUse,
        payload: Vec<u8>,
    }

    pub(super) fn serialize<S: Serializer>(frame: &Frame, serializer: S) -> Result<S::Ok, S::Error> {
        let Frame { device, publisher, subject, identity, format, arrival, qos, clock, payload } = frame.clone();
        let payload = payload.to_vec();
        Saved { device, publisher, subject, identity, format, arrival, qos, clock, payload }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Frame, D::Error> {
        let Saved { device, publisher, subject, identity, format, arrival, qos, clock, payload } =
            Saved::deserialize(deserializer)?;
        let payload = Bytes::from(payload);
        Ok(Frame { device, publisher, subject, identity, format, arrival, qos, clock, payload })
    }
}
