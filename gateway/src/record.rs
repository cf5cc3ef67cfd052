//! The words every stage shares. A record is the unit of the log; everything the gateway knows is a fold over records.
//!
//! No I/O, no clock, no JSON here: stages convert by hand at their borders.

mod act;
mod cohort;
mod geography;
mod spark;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use act::{AccountChange, Act, Deed, Relation};
pub use cohort::{Cohort, Count, Figure, Summary};
pub use geography::{Area, Corner, Destination, Geography, Goal, Traveller, Zone};
pub use spark::{
    Answer, Answered, Cleared, Fact, FactValue, Mark, Pair, Raised, Reply, Said, Severity, Spark, SparkTurn,
};

/// A device id, subject id, topic or principal name; cheap to clone, interned per segment on disk.
pub type Name = Arc<str>;

/// Position of a record in the log: counts records, not bytes. The first record has offset 1; offsets only grow, holes are legal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Offset(pub u64);

impl Offset {
    /// After every record: what is not stored yet.
    pub const AFTER_ALL: Self = Self(u64::MAX);

    /// The offset after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts starts of the gateway on one data folder, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StartEpoch(pub u32);

/// Which data key sealed a payload; 0 = clear (the only one written today).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyId(pub u32);

/// The gateway's time: wall clock and monotonic clock, read together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayTime {
    /// Milliseconds since the Unix epoch; may jump.
    pub wall_ms: i64,
    /// Milliseconds on the gateway's monotonic time line. The log owner continues it across restarts, so that within
    /// one log it never decreases.
    pub mono_ms: u64,
}

/// One entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Where it stands.
    pub offset: Offset,
    /// Which start of the gateway wrote it.
    pub epoch: StartEpoch,
    /// When it was appended; the fold's only clock.
    pub stamp: GatewayTime,
    /// For decisions: the record that made it due.
    pub cause: Option<Offset>,
    /// Which key sealed the payload.
    pub key: KeyId,
    /// What it says.
    pub body: Body,
}

impl Record {
    /// What it costs to hold, in bytes, roughly: its fixed part and its payload. Bounds are counted in it.
    pub fn weight(&self) -> u64 {
        const FIXED: u64 = 96;
        let payload = match &self.body {
            Body::Frame(frame) => frame.payload.len(),
            Body::Replayed(frame) => frame.payload.len(),
            Body::Retained(retained) => retained.payload.len(),
            Body::Carry(carry) => carry.bytes.len(),
            Body::Cohort(cohort) => cohort.count.weight(),
            _ => 0,
        };
        FIXED + payload as u64
    }
}

/// A record before the log gave it its place and time.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// For decisions: the record that made it due.
    pub cause: Option<Offset>,
    /// What it says.
    pub body: Body,
}

impl From<Body> for Draft {
    fn from(body: Body) -> Self {
        Self { cause: None, body }
    }
}

/// What a record says. Input records come from outside; decision records are made by the gateway, name their cause
/// and are never made twice.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// Input: one telemetry publish.
    Frame(Frame),
    /// Input: a retained publish (births and states among them); an empty payload clears the topic.
    Retained(Retained),
    /// Input: a deadline has passed and nothing newer was appended.
    Tick,
    /// Input: the gateway started.
    Start(Start),
    /// Input: the wall clock jumped against the monotonic clock; durations go on, wall readings re-anchor.
    WallJump(WallJump),
    /// Input: the fold-relevant configuration in force from here on.
    Config(FoldConfig),
    /// Input: a session began to publish as this device.
    Connected(Presence),
    /// Input: the session that published as this device ended.
    Gone(Presence),
    /// Decision: a stored frame that cannot be understood is set aside; its bytes stay in the log at `cause`.
    Quarantine(Quarantine),
    /// Decision: sequences that never came and are no longer waited for.
    Gap(Gap),
    /// Decision: how many repeated frames were recognised since the last such record.
    Duplicates(Duplicates),
    /// Decision: the frame at `cause` repeats a sequence with other bytes, or one too old to compare.
    Conflict(Conflict),
    /// Decision: a consumer of the log has confirmed everything up to an offset.
    Cursor(Cursor),
    /// Input: an administrative act.
    Act(Act),
    /// Input: a frame that was set aside, to be read again; `cause` is the offset at which it was stored first.
    Replayed(Frame),
    /// Decision: stored frames given up for want of room.
    Dropped(Dropped),
    /// Decision: the quarantined frame at `cause` has left the quarantine unread.
    Expired(Expired),
    /// Decision: stored records were found that cannot be read any more.
    Damaged(Damaged),
    /// Facts carried over, so that the segments before them may be deleted.
    Carry(Carry),
    /// Input: what a subject said to a spark; `cause` is where the spark was raised.
    Reply(Reply),
    /// Decision: a rule raised a spark, or a spark was answered or ended.
    Spark(Spark),
    /// Decision: a cohort was published anew.
    Cohort(Cohort),
}

impl Body {
    /// Whether it tells that something was lost, or may have been.
    pub fn tells_of_loss(&self) -> bool {
        matches!(self, Self::Gap(_) | Self::Dropped(_) | Self::Expired(_) | Self::Conflict(_) | Self::Damaged(_))
    }
}

/// Identity of a frame within a device: who restarts counts anew under another `boot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Boot counter (< 2^27) or random boot (0x0800_0000 | 27 bits).
    pub boot: u32,
    /// +1 per frame within a boot.
    pub seq: u32,
}

/// How a telemetry payload is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Format {
    /// A native frame (first byte 0xF9); its authentication code, if it has one, was not verified.
    Tf1,
    /// A flat JSON object (first byte `{`).
    Json,
    /// SenML-JSON, RFC 8428 (first byte `[`).
    Senml,
    /// None of these: stored, then quarantined.
    Unknown,
    /// A native frame whose authentication code was verified when it came.
    Proven,
    /// Any payload of a device whose key it had to be proven with, and was not: stored, then quarantined.
    Unproven,
}

impl Format {
    /// Whether to read it as a native frame.
    pub fn is_native(self) -> bool {
        matches!(self, Self::Tf1 | Self::Proven)
    }
}

/// Where a clock offset comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ClockSource {
    /// The device said it (TimeSync, or a payload with absolute times).
    Synced,
    /// Estimated from arrivals.
    Estimated,
}

/// The clock offset used for one frame: `unix = device + offset_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockUse {
    /// Milliseconds to add to device time to get Unix time; 0 for payloads that carry Unix time themselves.
    pub offset_ms: i64,
    /// Where it comes from.
    pub source: ClockSource,
}

/// One telemetry publish, with everything a later reader needs to place it without the head's state.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The `<device>` level of the topic.
    pub device: Name,
    /// The authenticated name that published it.
    pub publisher: Name,
    /// Whose halo it feeds, by the assignment in force at the frame's time.
    pub subject: Name,
    /// (boot, seq); absent for payloads without a sequence number.
    pub identity: Option<Identity>,
    /// How to read the payload.
    pub format: Format,
    /// When its first byte was read.
    pub arrival: GatewayTime,
    /// QoS of the publish, 0 or 1.
    pub qos: u8,
    /// The clock offset used.
    pub clock: ClockUse,
    /// The publish's payload, byte for byte.
    pub payload: Bytes,
}

/// One retained publish.
#[derive(Clone, Debug, PartialEq)]
pub struct Retained {
    /// The whole topic.
    pub topic: Name,
    /// The authenticated name that published it.
    pub publisher: Name,
    /// QoS of the publish.
    pub qos: u8,
    /// When its first byte was read.
    pub arrival: GatewayTime,
    /// Empty = cleared.
    pub payload: Bytes,
}

/// The gateway started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Version of the program.
    pub version: String,
}

/// The wall clock jumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallJump {
    /// How far it moved against monotonic time, in milliseconds.
    pub by_ms: i64,
}

/// Configuration that changes what a fold computes; written when it differs from the last one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldConfig {
    /// CRC-32C of the serialised rest: equal hash, equal configuration.
    pub hash: u32,
    /// Who had which device, and when.
    pub assignments: Vec<Assignment>,
    /// A device not heard of for this long is `silent`, milliseconds.
    pub silent_after_ms: u64,
    /// Whether signals are forecast.
    pub forecasts: bool,
    /// Zones and destinations.
    pub geography: Geography,
    /// A fleet's own signals and kinds, and the thresholds of what is derived, as JSON: text, so that it can be read for
    /// as long as the log is kept. Ingest and the halos know what it says; empty where nothing is set.
    pub derivations: String,
}

impl Default for FoldConfig {
    fn default() -> Self {
        Self {
            hash: 0,
            assignments: Vec::new(),
            silent_after_ms: 0,
            forecasts: true,
            geography: Geography::default(),
            derivations: String::new(),
        }
    }
}

/// A device feeds a subject from (inclusive) until (exclusive) a time of reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The device.
    pub device: String,
    /// Whose halo it feeds.
    pub subject: String,
    /// `person`, `machine`, `thing` or `organisation`.
    pub kind: SubjectKind,
    /// Unix milliseconds, inclusive; `None` = since ever.
    pub from_ms: Option<i64>,
    /// Unix milliseconds, exclusive; `None` = until further notice.
    pub until_ms: Option<i64>,
}

/// What a subject is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectKind {
    /// A human being.
    Person,
    /// A car, an engine.
    Machine,
    /// A parcel; also what an unassigned device feeds.
    #[default]
    Thing,
    /// A company, a fleet.
    Organisation,
}

/// A device's session began or ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Presence {
    /// The device.
    pub device: Name,
    /// Whose halo shows it.
    pub subject: Name,
}

/// Why a stored frame was set aside.
#[derive(Clone, Debug, PartialEq)]
pub struct Quarantine {
    /// The device that sent it.
    pub device: Name,
    /// Whose halo counts it.
    pub subject: Name,
    /// What is wrong, for a human: what, where, got, wanted.
    pub reason: String,
}

/// Sequences `first..=last` of one boot never came.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    /// The device.
    pub device: Name,
    /// Whose halo counts it.
    pub subject: Name,
    /// The boot they belong to.
    pub boot: u32,
    /// First missing sequence.
    pub first: u32,
    /// Last missing sequence.
    pub last: u32,
}

/// Repeats recognised since the last such record of the device.
#[derive(Clone, Debug, PartialEq)]
pub struct Duplicates {
    /// The device.
    pub device: Name,
    /// Whose halo counts them.
    pub subject: Name,
    /// How many.
    pub count: u32,
}

/// A sequence seen before, with other bytes or too old to compare; the frame itself is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Conflict {
    /// The device.
    pub device: Name,
    /// Whose halo counts it.
    pub subject: Name,
    /// The identity used twice.
    pub identity: Identity,
}

/// A durable cursor.
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    /// Whose cursor.
    pub consumer: Name,
    /// Everything up to here is confirmed: it needs nothing of the log before.
    pub confirmed: Offset,
    /// How far its lanes are and what became of the frames.
    pub progress: Progress,
}

/// Where a consumer with lanes stands (LOG.md, "Upstream lanes").
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The live lane has confirmed everything up to here, except `backfill`.
    pub live: Offset,
    /// What is still to be made up for, ascending; empty when the lanes have joined.
    pub backfill: Vec<Stretch>,
    /// What became of the frames.
    pub account: Account,
    /// Frames confirmed as read again while the stored frame is still in `backfill`: they count once it is passed.
    pub early: u64,
    /// All sparks up to here are confirmed; `None` where none are sent.
    pub sparks: Option<Offset>,
}

/// A stretch of the log, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// Its first offset.
    pub first: Offset,
    /// Its last offset.
    pub last: Offset,
}

impl Stretch {
    /// How many offsets it has.
    pub fn offsets(&self) -> u64 {
        self.last.0.saturating_sub(self.first.0).saturating_add(1)
    }

    /// Whether all of `other` is in it.
    pub fn covers(&self, other: &Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

/// What became of the stored frames a consumer has passed; the rest of them is pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Forwarded and confirmed.
    pub forwarded: u64,
    /// Set aside; nothing was forwarded.
    pub quarantined: u64,
    /// Deleted before they were forwarded.
    pub dropped: u64,
}

/// Stored frames of one boot of one device that were deleted before everybody had them.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropped {
    /// The device.
    pub device: Name,
    /// Whose halo counts them.
    pub subject: Name,
    /// The boot they belong to.
    pub boot: u32,
    /// Lowest sequence among them.
    pub first: u32,
    /// Highest sequence among them.
    pub last: u32,
    /// How many frames.
    pub frames: u32,
    /// Where they stood in the log.
    pub stretch: Stretch,
    /// Why, for a human.
    pub reason: String,
    /// Which upstreams had not confirmed how many of them.
    pub missed: Vec<(String, u32)>,
}

/// A frame that has left the quarantine without having been read.
#[derive(Clone, Debug, PartialEq)]
pub struct Expired {
    /// The device that sent it.
    pub device: Name,
    /// Whose halo counted it.
    pub subject: Name,
    /// Why, for a human: too old, or the quarantine was full.
    pub reason: String,
}

/// Stored records that the disk has damaged, or that were removed from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// Number of the segment they stood in.
    pub segment: u64,
    /// Their offsets: of all kinds of records, so that fewer frames than these may be lost.
    pub lost: Stretch,
    /// What is wrong with the bytes, for a human.
    pub what: String,
}

/// One part of a set of carried facts: the parts of a set, joined, are the rows of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Carry {
    /// Which set: a number no other set of this log has.
    pub set: u64,
    /// Which part of it, from 0.
    pub part: u32,
    /// In the last part only.
    pub end: Option<CarryEnd>,
    /// The part's bytes.
    pub bytes: Bytes,
}

/// What makes a set of carried facts complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarryEnd {
    /// How many parts.
    pub parts: u32,
    /// CRC-32C of all parts' bytes, joined.
    pub crc: u32,
    /// With these rows, the log is replayed from here on.
    pub from: Offset,
}
