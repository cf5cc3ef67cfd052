//! Between a [`Body`] and the bytes of a record: a small clear head of numbers and names (postcard), then the rest:
//! payload bytes or text as they are. Names travel as numbers of their segment.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::format::kind;
use crate::record::{
    Body, Carry, CarryEnd, ClockUse, Cohort, Conflict, Cursor, Damaged, Dropped, Duplicates, Expired, FoldConfig,
    Format, Frame, Gap, GatewayTime, Geography, Identity, Name, Offset, Presence, Progress, Quarantine, Reply,
    Retained, Spark, Start, Stretch, WallJump,
};

/// The version of every kind of record that this program writes.
pub(crate) const VERSION: u8 = 1;
/// Room for the longest head: a frame's, with every number at its longest, has 64 bytes.
pub(crate) const HEAD_MAX: usize = 128;

const _: () = assert!(HEAD_MAX <= u8::MAX as usize);

/// Why a record that is intact cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// A kind, version or flag of a newer program.
    Unknown,
    /// The definition of this name is lost.
    Name(u32),
    /// The bytes do not fit the kind.
    Malformed,
}

/// A body ready to be written.
pub(crate) struct Encoded<'a> {
    pub(crate) kind: u8,
    head: [u8; HEAD_MAX],
    head_len: usize,
    pub(crate) rest: Cow<'a, [u8]>,
}

#[derive(Serialize, Deserialize)]
struct FrameHead {
    device: u32,
    publisher: u32,
    subject: u32,
    identity: Option<Identity>,
    format: Format,
    qos: u8,
    arrival: Before,
    clock: ClockUse,
}

#[derive(Serialize, Deserialize)]
struct RetainedHead {
    topic: u32,
    publisher: u32,
    qos: u8,
    arrival: Before,
}

/// A device and whose halo shows it, with what is particular to the kind.
#[derive(Serialize, Deserialize)]
struct About<T> {
    device: u32,
    subject: u32,
    what: T,
}

#[derive(Serialize, Deserialize)]
struct Missing {
    boot: u32,
    first: u32,
    last: u32,
}

#[derive(Serialize, Deserialize)]
struct CursorHead {
    consumer: u32,
    confirmed: Offset,
}

#[derive(Serialize, Deserialize)]
struct DroppedHead {
    missing: Missing,
    frames: u32,
    stretch: Stretch,
}

#[derive(Serialize, Deserialize)]
struct DamagedHead {
    segment: u64,
    lost: Stretch,
}

#[derive(Serialize, Deserialize)]
struct CarryHead {
    set: u64,
    part: u32,
    end: Option<CarryEnd>,
}

/// A time as its distance before the record's stamp: usually two bytes instead of twelve.
#[derive(Serialize, Deserialize)]
struct Before {
    wall_ms: i64,
    mono_ms: i64,
}

impl Before {
    fn new(at: GatewayTime, stamp: GatewayTime) -> Self {
        let mono_ms = stamp.mono_ms.wrapping_sub(at.mono_ms).cast_signed();
        Self { wall_ms: stamp.wall_ms.wrapping_sub(at.wall_ms), mono_ms }
    }

    fn at(&self, stamp: GatewayTime) -> GatewayTime {
        let mono_ms = stamp.mono_ms.wrapping_sub(self.mono_ms.cast_unsigned());
        GatewayTime { wall_ms: stamp.wall_ms.wrapping_sub(self.wall_ms), mono_ms }
    }
}

/// The names a body uses; [`encode`] wants their numbers in the same places.
pub(crate) fn names(body: &Body) -> [Option<&Name>; 3] {
    match body {
        Body::Frame(frame) | Body::Replayed(frame) => {
            [Some(&frame.device), Some(&frame.publisher), Some(&frame.subject)]
        }
        Body::Retained(retained) => [Some(&retained.topic), Some(&retained.publisher), None],
        Body::Connected(it) | Body::Gone(it) => [Some(&it.device), Some(&it.subject), None],
        Body::Quarantine(it) => [Some(&it.device), Some(&it.subject), None],
        Body::Gap(it) => [Some(&it.device), Some(&it.subject), None],
        Body::Duplicates(it) => [Some(&it.device), Some(&it.subject), None],
        Body::Conflict(it) => [Some(&it.device), Some(&it.subject), None],
        Body::Cursor(it) => [Some(&it.consumer), None, None],
        Body::Dropped(it) => [Some(&it.device), Some(&it.subject), None],
        Body::Expired(it) => [Some(&it.device), Some(&it.subject), None],
        Body::Reply(it) => [Some(&it.device), Some(&it.subject), None],
        Body::Spark(it) => [Some(&it.rule), Some(&it.subject), None],
        Body::Cohort(it) => [Some(&it.cohort), None, None],
        Body::Tick | Body::Start(_) | Body::WallJump(_) | Body::Config(_) | Body::Act(_) => [None; 3],
        Body::Damaged(_) | Body::Carry(_) => [None; 3],
    }
}

/// What follows the head: bytes and text as they are, larger structures as postcard.
pub(crate) fn rest(body: &Body) -> Result<Cow<'_, [u8]>, postcard::Error> {
    Ok(match body {
        Body::Frame(frame) | Body::Replayed(frame) => Cow::Borrowed(&frame.payload),
        Body::Retained(retained) => Cow::Borrowed(&retained.payload),
        Body::Quarantine(quarantine) => Cow::Borrowed(quarantine.reason.as_bytes()),
        Body::Start(start) => Cow::Borrowed(start.version.as_bytes()),
        Body::Config(config) => Cow::Owned(config_bytes(config)?),
        Body::Cursor(cursor) => Cow::Owned(progress_bytes(&cursor.progress)?),
        Body::Act(act) => Cow::Owned(postcard::to_stdvec(act)?),
        Body::Dropped(dropped) => Cow::Owned(postcard::to_stdvec(&(&dropped.reason, &dropped.missed))?),
        Body::Expired(expired) => Cow::Borrowed(expired.reason.as_bytes()),
        Body::Damaged(damaged) => Cow::Borrowed(damaged.what.as_bytes()),
        Body::Carry(carry) => Cow::Borrowed(&carry.bytes),
        Body::Reply(reply) => Cow::Owned(postcard::to_stdvec(&reply.said)?),
        Body::Spark(spark) => Cow::Owned(postcard::to_stdvec(&spark.turn)?),
        Body::Cohort(cohort) => Cow::Owned(postcard::to_stdvec(&cohort.count)?),
        _ => Cow::Borrowed(&[]),
    })
}

impl<'a> Encoded<'a> {
    pub(crate) fn head(&self) -> &[u8] {
        self.head.get(..self.head_len).unwrap_or_default()
    }

    fn new(kind: u8, head: &impl Serialize, rest: Cow<'a, [u8]>) -> Result<Self, postcard::Error> {
        let mut bytes = [0; HEAD_MAX];
        let head_len = postcard::to_slice(head, &mut bytes)?.len();
        Ok(Self { kind, head: bytes, head_len, rest })
    }
}

/// Encodes `body` with the numbers of its [`names`] and its [`rest`].
pub(crate) fn encode<'a>(
    body: &Body,
    stamp: GatewayTime,
    [a, b, c]: [u32; 3],
    rest: Cow<'a, [u8]>,
) -> Result<Encoded<'a>, postcard::Error> {
    match body {
        Body::Frame(frame) => Encoded::new(kind::FRAME, &frame_head(frame, stamp, [a, b, c]), rest),
        Body::Replayed(frame) => Encoded::new(kind::REPLAYED, &frame_head(frame, stamp, [a, b, c]), rest),
        Body::Retained(retained) => {
            let arrival = Before::new(retained.arrival, stamp);
            Encoded::new(kind::RETAINED, &RetainedHead { topic: a, publisher: b, qos: retained.qos, arrival }, rest)
        }
        Body::Tick => Encoded::new(kind::TICK, &(), rest),
        Body::Start(_) => Encoded::new(kind::START, &(), rest),
        Body::WallJump(jump) => Encoded::new(kind::WALL_JUMP, jump, rest),
        Body::Config(_) => Encoded::new(kind::CONFIG, &(), rest),
        Body::Connected(_) => Encoded::new(kind::CONNECTED, &about(a, b, ()), rest),
        Body::Gone(_) => Encoded::new(kind::GONE, &about(a, b, ()), rest),
        Body::Quarantine(_) => Encoded::new(kind::QUARANTINE, &about(a, b, ()), rest),
        Body::Gap(gap) => {
            let missing = Missing { boot: gap.boot, first: gap.first, last: gap.last };
            Encoded::new(kind::GAP, &about(a, b, missing), rest)
        }
        Body::Duplicates(it) => Encoded::new(kind::DUPLICATES, &about(a, b, it.count), rest),
        Body::Conflict(it) => Encoded::new(kind::CONFLICT, &about(a, b, it.identity), rest),
        Body::Cursor(it) => Encoded::new(kind::CURSOR, &CursorHead { consumer: a, confirmed: it.confirmed }, rest),
        Body::Act(_) => Encoded::new(kind::ACT, &(), rest),
        Body::Expired(_) => Encoded::new(kind::EXPIRED, &about(a, b, ()), rest),
        Body::Dropped(it) => {
            let missing = Missing { boot: it.boot, first: it.first, last: it.last };
            let head = DroppedHead { missing, frames: it.frames, stretch: it.stretch };
            Encoded::new(kind::DROPPED, &about(a, b, head), rest)
        }
        Body::Damaged(it) => Encoded::new(kind::DAMAGED, &DamagedHead { segment: it.segment, lost: it.lost }, rest),
        Body::Reply(_) => Encoded::new(kind::ANSWER, &about(a, b, ()), rest),
        Body::Spark(_) => Encoded::new(kind::SPARK, &about(a, b, ()), rest),
        Body::Cohort(_) => Encoded::new(kind::COHORT, &a, rest),
        Body::Carry(it) => Encoded::new(kind::CARRY, &CarryHead { set: it.set, part: it.part, end: it.end }, rest),
    }
}

fn frame_head(frame: &Frame, stamp: GatewayTime, [device, publisher, subject]: [u32; 3]) -> FrameHead {
    let Frame { identity, format, qos, clock, .. } = *frame;
    FrameHead { device, publisher, subject, identity, format, qos, arrival: Before::new(frame.arrival, stamp), clock }
}

fn about<T>(device: u32, subject: u32, what: T) -> About<T> {
    About { device, subject, what }
}

/// Decodes a record's head and rest.
pub(crate) fn decode(
    (kind, version, flags): (u8, u8, u8),
    stamp: GatewayTime,
    head: &[u8],
    rest: Bytes,
    names: &[Name],
) -> Result<Body, Unread> {
    if version != VERSION || flags != 0 {
        return Err(Unread::Unknown);
    }
    Ok(match kind {
        kind::FRAME => Body::Frame(frame(read(head)?, stamp, rest, names)?),
        kind::REPLAYED => Body::Replayed(frame(read(head)?, stamp, rest, names)?),
        kind::RETAINED => {
            let head: RetainedHead = read(head)?;
            Body::Retained(Retained {
                topic: name(names, head.topic)?,
                publisher: name(names, head.publisher)?,
                qos: head.qos,
                arrival: head.arrival.at(stamp),
                payload: rest,
            })
        }
        kind::TICK => Body::Tick,
        kind::START => Body::Start(Start { version: text(&rest)? }),
        kind::WALL_JUMP => Body::WallJump(read::<WallJump>(head)?),
        kind::CONFIG => Body::Config(config(&rest)?),
        kind::CONNECTED => Body::Connected(presence(head, names)?),
        kind::GONE => Body::Gone(presence(head, names)?),
        kind::QUARANTINE => {
            let Presence { device, subject } = presence(head, names)?;
            Body::Quarantine(Quarantine { device, subject, reason: text(&rest)? })
        }
        kind::GAP => {
            let (device, subject, Missing { boot, first, last }) = said(head, names)?;
            Body::Gap(Gap { device, subject, boot, first, last })
        }
        kind::DUPLICATES => {
            let (device, subject, count) = said(head, names)?;
            Body::Duplicates(Duplicates { device, subject, count })
        }
        kind::CONFLICT => {
            let (device, subject, identity) = said(head, names)?;
            Body::Conflict(Conflict { device, subject, identity })
        }
        kind::CURSOR => {
            let head: CursorHead = read(head)?;
            let consumer = name(names, head.consumer)?;
            Body::Cursor(Cursor { consumer, confirmed: head.confirmed, progress: progress(&rest)? })
        }
        kind::ACT => Body::Act(read(&rest)?),
        kind::EXPIRED => {
            let Presence { device, subject } = presence(head, names)?;
            Body::Expired(Expired { device, subject, reason: text(&rest)? })
        }
        kind::DROPPED => {
            let (device, subject, head): (_, _, DroppedHead) = said(head, names)?;
            let DroppedHead { missing: Missing { boot, first, last }, frames, stretch } = head;
            let (reason, missed) = read(&rest)?;
            Body::Dropped(Dropped { device, subject, boot, first, last, frames, stretch, reason, missed })
        }
        kind::DAMAGED => {
            let DamagedHead { segment, lost } = read(head)?;
            Body::Damaged(Damaged { segment, lost, what: text(&rest)? })
        }
        kind::ANSWER => {
            let Presence { device, subject } = presence(head, names)?;
            Body::Reply(Reply { device, subject, said: read(&rest)? })
        }
        kind::SPARK => {
            let Presence { device: rule, subject } = presence(head, names)?;
            Body::Spark(Spark { subject, rule, turn: read(&rest)? })
        }
        kind::COHORT => Body::Cohort(Cohort { cohort: name(names, read(head)?)?, count: read(&rest)? }),
        kind::CARRY => {
            let CarryHead { set, part, end } = read(head)?;
            Body::Carry(Carry { set, part, end, bytes: rest })
        }
        _ => return Err(Unread::Unknown),
    })
}

fn frame(head: FrameHead, stamp: GatewayTime, payload: Bytes, names: &[Name]) -> Result<Frame, Unread> {
    Ok(Frame {
        device: name(names, head.device)?,
        publisher: name(names, head.publisher)?,
        subject: name(names, head.subject)?,
        identity: head.identity,
        format: head.format,
        arrival: head.arrival.at(stamp),
        qos: head.qos,
        clock: head.clock,
        payload,
    })
}

fn presence(head: &[u8], names: &[Name]) -> Result<Presence, Unread> {
    let (device, subject, ()) = said(head, names)?;
    Ok(Presence { device, subject })
}

fn said<'a, T: Deserialize<'a>>(head: &'a [u8], names: &[Name]) -> Result<(Name, Name, T), Unread> {
    let About { device, subject, what } = read(head)?;
    Ok((name(names, device)?, name(names, subject)?, what))
}

/// `early` is left off where it is 0, which it nearly always is: the bytes are those of before it came.
fn progress_bytes(progress: &Progress) -> postcard::Result<Vec<u8>> {
    let Progress { live, backfill, account, early, sparks } = progress;
    match (early, sparks) {
        (0, None) => postcard::to_stdvec(&(live, backfill, account)),
        (_, None) => postcard::to_stdvec(&(live, backfill, account, early)),
        _ => postcard::to_stdvec(progress),
    }
}

fn progress(bytes: &[u8]) -> Result<Progress, Unread> {
    // What came later is left off where there is none of it: the bytes are those of before it came.
    read(bytes)
        .or_else(|_| {
            let (live, backfill, account, early) = read(bytes)?;
            Ok::<_, Unread>(Progress { live, backfill, account, early, sparks: None })
        })
        .or_else(|_| {
            let (live, backfill, account) = read(bytes)?;
            Ok(Progress { live, backfill, account, ..Progress::default() })
        })
}

/// Part of a configuration that is there only where it says something: the map.
const GEOGRAPHY: u8 = b'g';
/// The same: a fleet's own signals, kinds and thresholds.
const DERIVATIONS: u8 = b'k';

/// `forecasts` is left off where it is true and nothing follows, which is nearly always: the bytes are those of before it
/// came. What came later follows as sections, each a tag and its bytes, and is left off where it is the default.
fn config_bytes(config: &FoldConfig) -> postcard::Result<Vec<u8>> {
    let FoldConfig { hash, assignments, silent_after_ms, forecasts, geography, derivations } = config;
    let mut bytes = postcard::to_stdvec(&(hash, assignments, silent_after_ms))?;
    let mut sections = Vec::new();
    if *geography != Geography::default() {
        sections.push((GEOGRAPHY, postcard::to_stdvec(geography)?));
    }
    if !derivations.is_empty() {
        sections.push((DERIVATIONS, postcard::to_stdvec(derivations)?));
    }
    if !forecasts || !sections.is_empty() {
        bytes = postcard::to_extend(forecasts, bytes)?;
    }
    sections.iter().try_fold(bytes, |bytes, section| postcard::to_extend(section, bytes))
}

fn config(bytes: &[u8]) -> Result<FoldConfig, Unread> {
    let ((hash, assignments, silent_after_ms), mut rest) = read_some(bytes)?;
    let mut config = FoldConfig { hash, assignments, silent_after_ms, ..FoldConfig::default() };
    if !rest.is_empty() {
        (config.forecasts, rest) = read_some(rest)?;
    }
    while !rest.is_empty() {
        let ((tag, section), after): ((u8, &[u8]), _) = read_some(rest)?;
        match tag {
            GEOGRAPHY => config.geography = read(section)?,
            DERIVATIONS => config.derivations = read(section)?,
            // A newer program's: what it changes of the fold is not known here.
            _ => return Err(Unread::Unknown),
        }
        rest = after;
    }
    Ok(config)
}

fn read_some<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, &'a [u8]), Unread> {
    postcard::take_from_bytes(bytes).map_err(|_| Unread::Malformed)
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Unread> {
    postcard::from_bytes(bytes).map_err(|_| Unread::Malformed)
}

fn text(bytes: &[u8]) -> Result<String, Unread> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Unread::Malformed)
}

fn name(names: &[Name], number: u32) -> Result<Name, Unread> {
    // An empty name stands where a definition is lost: no device, subject, topic or principal is called nothing.
    let known = names.get(number as usize).filter(|name| !name.is_empty());
    known.cloned().ok_or(Unread::Name(number))
}

/// Definitions: the names from number `first` on.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Definitions<'a> {
    pub(crate) first: u32,
    #[serde(borrow)]
    pub(crate) names: Vec<&'a str>,
}

impl Definitions<'_> {
    /// Puts the names of a `NAMES` record into their places.
    pub(crate) fn learn(bytes: &[u8], names: &mut Vec<Name>) -> Result<(), Unread> {
        // What a repair puts in the place of a lost record without a body.
        if bytes.is_empty() {
            return Ok(());
        }
        let definitions: Definitions<'_> = read(bytes)?;
        // A segment has fewer names than bytes; more than this is not ours.
        let first = usize::try_from(definitions.first).map_err(|_| Unread::Malformed)?;
        if first > super::format::BODY_MAX {
            return Err(Unread::Malformed);
        }
        let end = first + definitions.names.len();
        if names.len() < end {
            names.resize_with(end, || Name::from(""));
        }
        for (place, name) in names.iter_mut().skip(first).zip(definitions.names) {
            if place.is_empty() {
                *place = Name::from(name);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Area, Assignment, Count, Deed, Destination, Figure, Goal, Relation, Summary, Traveller, Zone};

    /// The numbers of deeds are on disk: a new one goes behind them.
    #[test]
    fn what_is_said_of_devices_and_people_keeps_its_bytes() {
        let (a, b, kind) = (|| "a".to_owned(), || "b".to_owned(), || "k".to_owned());
        let relation = Relation { of: a(), subject: b(), kind: kind(), from_ms: None, until_ms: Some(1) };
        let settings = vec![("s".to_owned(), Some("v".to_owned())), ("t".to_owned(), None)];
        let deeds: [(Deed, &[u8]); 7] = [
            (Deed::Replace { old: a(), new: b(), at_ms: 1 }, b"\x06\x01a\x01b\x02"),
            (Deed::Relate(relation), b"\x07\x01a\x01b\x01k\0\x01\x02"),
            (Deed::Unrelate { of: a(), subject: b(), kind: kind(), at_ms: 1 }, b"\x08\x01a\x01b\x01k\x02"),
            (Deed::Alias { subject: a(), name: b() }, b"\x09\x01a\x01b"),
            (Deed::Unalias { name: a() }, b"\x0a\x01a"),
            (Deed::Merge { from: a(), into: b() }, b"\x0b\x01a\x01b"),
            (Deed::Set { subject: a(), kind: None, settings }, b"\x0c\x01a\0\x02\x01s\x01\x01v\x01t\0"),
        ];
        for (deed, bytes) in deeds {
            assert_eq!(postcard::to_stdvec(&deed).expect("it is written"), bytes, "{deed:?}");
            assert_eq!(read::<Deed>(bytes).expect("it is read"), deed);
        }
    }

    /// As [`crate::record::Count`] and what is in it are on disk, for ever.
    #[test]
    fn a_publication_of_a_cohort_keeps_its_bytes() {
        let summary = Summary { n: 2, mean: 1.0, ..Summary::default() };
        let figure = Figure { path: "p".to_owned(), of: Some(vec![0, 300]), prints: vec![7, 40_000], summary };
        let count = Count { members: Some(vec!["ann".into(), "ben".into()]), figures: vec![figure] };
        let body = Body::Cohort(Cohort { cohort: "riders".into(), count });
        let zeros = [0; 32];
        let wanted = [
            b"\x01\x02\x03ann\x03ben\x01\x01p\x01\x02\0\xac\x02\x02\x07\xc0\xb8\x02\x02".as_slice(),
            &1.0_f64.to_le_bytes(),
            &zeros,
        ];
        let said = rest(&body).expect("it is written").into_owned();
        assert_eq!(said, wanted.concat());
        assert_eq!(names(&body).map(|name| name.map(|it| it.to_string())), [Some("riders".to_owned()), None, None]);
        let encoded = encode(&body, GatewayTime::default(), [3, 0, 0], Cow::Borrowed(&said)).expect("it is written");
        assert_eq!((encoded.kind, encoded.head()), (41, [3].as_slice()));
        let known: Vec<Name> = ["", "", "", "riders"].map(Name::from).into();
        let decoded = |head: &[u8], rest: &[u8]| {
            let rest = Bytes::copy_from_slice(rest);
            decode((kind::COHORT, VERSION, 0), GatewayTime::default(), head, rest, &known)
        };
        assert_eq!(decoded(&[3], &said), Ok(body));
        assert_eq!(decoded(&[2], &said), Err(Unread::Name(2)));
        assert_eq!(decoded(&[3], &said[..said.len() - 1]), Err(Unread::Malformed));
        let as_before = Count { members: None, figures: Vec::new() };
        assert_eq!(postcard::to_stdvec(&as_before).expect("it is written"), b"\0\0");
    }

    #[test]
    fn a_configuration_written_before_there_were_forecasts_has_them() {
        let old = postcard::to_stdvec(&(9_u32, Vec::<Assignment>::new(), 60_000_u64)).expect("it is written");
        let read = config(&old).expect("it is read");
        let wanted = FoldConfig { hash: 9, silent_after_ms: 60_000, ..FoldConfig::default() };
        assert_eq!((&read, read.forecasts), (&wanted, true));
        assert_eq!(config_bytes(&read).expect("it is written"), old);
        let without = FoldConfig { forecasts: false, ..wanted };
        let bytes = config_bytes(&without).expect("it is written");
        assert_eq!(config(&bytes).expect("it is read"), without);
        let own = FoldConfig { derivations: "{\"kinds\":[]}".to_owned(), ..without };
        let bytes = config_bytes(&own).expect("it is written");
        assert_eq!(config(&bytes).expect("it is read"), own);
    }

    #[test]
    fn a_map_stands_behind_the_rest_and_what_a_newer_program_put_there_is_not_guessed_at() {
        let area = Area::Circle { centre: [115_820_000, 481_351_000], radius_m: 80.5 };
        let ring = vec![[0, 0], [1, 0], [0, 1], [0, 0]];
        let zones = [(area, vec![7]), (Area::Polygons(vec![vec![ring]]), vec![])];
        let zone = |(area, readers): (Area, Vec<u16>)| Zone { name: "home".into(), kind: None, area, readers };
        let of = Traveller::Device("parcel-1".into());
        let geography = Geography {
            zones: zones.map(zone).into(),
            destinations: vec![Destination { of, to: Goal::Zone("home".into()) }],
            ..Geography::default()
        };
        for forecasts in [true, false] {
            let wanted = FoldConfig { hash: 3, forecasts, geography: geography.clone(), ..FoldConfig::default() };
            let bytes = config_bytes(&wanted).expect("it is written");
            assert_eq!(config(&bytes).expect("it is read"), wanted);
            let newer = postcard::to_extend(&(b'!', b"what".as_slice()), bytes.clone()).expect("it is written");
            assert_eq!(config(&newer), Err(Unread::Unknown));
            assert_eq!(config(&bytes[..bytes.len() - 1]), Err(Unread::Malformed));
        }
    }
}
