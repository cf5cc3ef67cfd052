//! What one stored frame says: series of points per signal, events and texts. Ingest reads a frame to validate it, the
//! fold reads it again to use it, through [`read`]. Of a native frame ingest wants no values: it goes through [`survey`],
//! whose verdict is the same.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use halo_proto::frame::FrameError;
use halo_proto::registry;
use halo_proto::schema::{DecodeError, Decoded, Survey, Surveyor};
use thiserror::Error;

use super::decimal::NotDecimal;
use super::schemas::Schemas;
use super::{keys, native, plain, senml};
use crate::record::{Format, Frame, Name, Offset};

/// Largest payload read, bytes; larger ones are quarantined.
pub const PAYLOAD_BYTES_MAX: usize = 65_536;
/// Most signals one plain payload may carry.
pub const SIGNALS_MAX: usize = 64;
/// What most frames have less of: series, events or texts, and points in all.
const ENTRIES_KEPT_MAX: usize = 64;
const POINTS_KEPT_MAX: usize = 2_048;
/// Longest text value kept, bytes; longer ones are counted as ignored.
pub const TEXT_BYTES_MAX: usize = 255;

/// A named quantity and how its raw values are scaled: physical value = raw × `num` / `den`, in `unit`.
///
/// One name keeps one unit, but may come with another `num`/`den` in the next frame (a JSON number has as many decimals
/// as it was written with): compare physical values, never raw ones, across frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalRef {
    /// 1 to 64 bytes of `[A-Za-z0-9._-]`.
    pub name: Name,
    /// UCUM; empty when the sender gave none and the registry does not know the name.
    pub unit: Name,
    /// Multiplier, ≥ 1.
    pub num: u32,
    /// Divisor, ≥ 1.
    pub den: u32,
    /// Smallest plausible raw value.
    pub min: Option<i64>,
    /// Largest plausible raw value.
    pub max: Option<i64>,
    /// Largest plausible raw change between neighbouring readings.
    pub step_max: Option<i64>,
    /// Number in the registry; `None` for a signal only its sender knows.
    pub metric: Option<u16>,
    /// What sort of quantity it is; a level where nobody said.
    pub nature: registry::Nature,
}

/// One value at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The device's own time, milliseconds: uptime for native frames, Unix time for plain payloads.
    pub device_ms: i64,
    /// Unix milliseconds: device time plus the clock offset the frame was recorded with.
    pub event_ms: i64,
    /// In steps of the signal's `num / den`.
    pub raw: i64,
}

/// The points of one signal, in time order. Several series of one frame may belong to the same signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Whose points these are.
    pub signal: Arc<SignalRef>,
    /// In non-decreasing `device_ms`; never empty.
    pub points: Vec<Point>,
}

/// Something that happened at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The device's own time, milliseconds.
    pub device_ms: i64,
    /// Unix milliseconds.
    pub event_ms: i64,
    /// What happened; its name and the scale of its value are the registry's, by the device's kind.
    pub code: u16,
    /// What kind of device told it, if that is known.
    pub kind: Option<registry::Kind>,
    /// As the device graded it.
    pub severity: u8,
    /// Scaled by the registry.
    pub value: i64,
    /// What else the device said, as it said it.
    pub data: Vec<u8>,
}

/// A fact in words: firmware version, VIN, a JSON string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Signal grammar; for a native frame the registry's name of the key, or its number in decimal.
    pub key: Name,
    /// At most 255 bytes.
    pub value: String,
    /// Unix milliseconds.
    pub event_ms: i64,
}

/// Everything one frame says. Keep one and hand it to every [`read`]: its buffers are reused.
#[derive(Debug, Default)]
pub struct Readings {
    /// In the order of the payload.
    pub series: Vec<Series>,
    /// In the order of the payload.
    pub events: Vec<Event>,
    /// In the order of the payload.
    pub texts: Vec<Text>,
    /// Parts of the payload left out on purpose: null values, arrays, unknown items, data blobs.
    pub ignored: u32,
    /// Whether every point carries a time of its own sender; false when the gateway's arrival time stands in.
    pub timed: bool,
    /// What kind of device sent it, by the schema of a native frame; no other format says.
    pub kind: Option<registry::Kind>,
    pub(super) decoded: Decoded,
    pub(super) surveyor: Surveyor,
    spare: Vec<Vec<Point>>,
}

impl SignalRef {
    /// Takes over unit, number and plausible range of the registry's signal, in this signal's own steps.
    pub(super) fn adopt(&mut self, known: &registry::Signal) {
        let ours = |raw: i64| i128::from(raw) * i128::from(known.num) * i128::from(self.den);
        let step = (i128::from(known.den) * i128::from(self.num)).max(1);
        // Bounds round inwards; one beyond i64 bounds nothing.
        let floor = |raw: i64| i64::try_from(ours(raw).div_euclid(step)).ok();
        let ceil = |raw: i64| i64::try_from(-(-ours(raw)).div_euclid(step)).ok();
        self.min = known.limits.min.and_then(ceil);
        self.max = known.limits.max.and_then(floor);
        self.step_max = known.limits.step_max.and_then(floor);
        self.unit = known.unit.into();
        self.metric = Some(known.metric);
        self.nature = known.nature;
    }
}

impl Readings {
    /// Empties it and keeps the buffers.
    pub fn clear(&mut self) {
        self.spare.extend(self.series.drain(..).map(|series| series.points));
        self.events.clear();
        self.texts.clear();
        self.ignored = 0;
        self.timed = true;
        self.kind = None;
    }

    /// Changes what is said with another, which is cheap, and the buffers of points with it: each has as many as its largest
    /// frame needed, wherever it goes. Only what decodes stays where it is.
    pub fn exchange(&mut self, other: &mut Self) {
        std::mem::swap(self, other);
        std::mem::swap(&mut self.decoded, &mut other.decoded);
        std::mem::swap(&mut self.surveyor, &mut other.surveyor);
    }

    /// How many points it holds.
    pub fn points(&self) -> usize {
        self.series.iter().map(|series| series.points.len()).sum()
    }

    /// Whether it holds no more memory than most frames need: worth keeping for that.
    pub fn is_modest(&self) -> bool {
        let lists = [self.series.capacity(), self.spare.len(), self.events.capacity(), self.texts.capacity()];
        let points = self.series.iter().map(|series| &series.points).chain(&self.spare);
        lists.iter().all(|entries| *entries <= ENTRIES_KEPT_MAX)
            && points.map(Vec::capacity).sum::<usize>() <= POINTS_KEPT_MAX
    }

    /// Whether the frame said nothing at all.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty() && self.events.is_empty() && self.texts.is_empty()
    }

    /// Adds a series with a reused buffer for its points.
    pub(super) fn push_series(&mut self, signal: Arc<SignalRef>, points: impl IntoIterator<Item = Point>) {
        let mut buffer = self.spare.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend(points);
        self.series.push(Series { signal, points: buffer });
    }
}

/// Why a frame cannot be understood; its text is what an operator reads in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// Nothing in it.
    #[error("payload is empty, wanted a native frame, a JSON object or a SenML array")]
    Empty,
    /// Larger than any format allows.
    #[error("payload has {len} bytes, at most {max} are read")]
    TooLong {
        /// Its size.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The first byte belongs to no format.
    #[error("payload starts with byte 0x{first:02x}, wanted 0xf9 (native frame), '{{' (JSON object) or '[' (SenML)")]
    UnknownFormat {
        /// The byte found.
        first: u8,
    },
    /// The first byte announces a version of the native format this gateway does not know.
    #[error("native frame of version byte 0x{first:02x}, this gateway reads 0xf9")]
    UnknownVersion {
        /// The byte found.
        first: u8,
    },
    /// A birth was published where telemetry belongs.
    #[error("a birth (first byte 0xfa) on the telemetry topic, publish it retained on the birth topic")]
    BirthAsTelemetry,
    /// A native frame with a broken structure.
    #[error("{0}")]
    Frame(FrameError),
    /// A native frame with a broken chunk.
    #[error("{0}")]
    Chunk(DecodeError),
    /// No birth of this device has described the schema.
    #[error("schema 0x{schema:x} is neither in the registry nor in a birth of this device, publish its birth first")]
    UnknownSchema {
        /// The schema's id.
        schema: u32,
    },
    /// The device's births contradict each other, or the registry, about this schema.
    #[error("schema 0x{schema:x} was described differently before, give the new columns a new schema id")]
    DisputedSchema {
        /// The schema's id.
        schema: u32,
    },
    /// Not JSON, or not of the wanted shape.
    #[error("not readable JSON: {0}")]
    Json(String),
    /// A rule of SenML is broken.
    #[error("record {record} of the SenML array: {why}")]
    Senml {
        /// Its position, from 0.
        record: usize,
        /// What is wrong.
        why: String,
    },
    /// A field of the payload has a value that cannot be kept.
    #[error("field {field}: {source}")]
    Number {
        /// Which field.
        field: String,
        /// Why.
        source: NotDecimal,
    },
    /// A time that is not one.
    #[error("time {got} is not Unix seconds, Unix milliseconds or an RFC 3339 text between years 1 and 5138")]
    Time {
        /// The text found.
        got: String,
    },
    /// A name that cannot be made a signal's.
    #[error("signal name {got:?} is empty or longer than 64 bytes")]
    Name {
        /// The name found.
        got: String,
    },
    /// Two fields of one payload are the same signal.
    #[error(
        "{first:?} and {second:?} are both signal {name}, send one of them or publish each device on a topic of its own"
    )]
    Twice {
        /// The signal.
        name: Name,
        /// The field seen first.
        first: String,
        /// The field seen again.
        second: String,
    },
    /// A signal the registry knows came with another unit.
    #[error("signal {name} came in unit {got:?}, wanted {wanted:?}")]
    Unit {
        /// The signal.
        name: Name,
        /// The unit found.
        got: String,
        /// The unit of the registry, or of the signal's first record in this payload.
        wanted: String,
    },
    /// More of something than is read.
    #[error("payload has more than {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// Of a device that has to authenticate what it sends; nothing of the payload was believed.
    #[error("no authentication code, the key file says that this device has to send one")]
    NoCode,
    /// Its authentication code is not what the device's key makes of it.
    #[error("authentication code is wrong: another key or kind of key, another device's frame, or changed on its way")]
    WrongCode,
    /// Reading it broke the program: a bug, which costs this frame and no other.
    #[error("reading it failed inside the program, please report this frame")]
    Panicked,
    /// Valid, but without a single value.
    #[error("payload holds no number, truth value or text")]
    NoValue,
}

impl Unreadable {
    /// The schema that a birth has to describe before the frame can be read.
    pub(super) fn schema(&self) -> Option<u32> {
        match self {
            Self::UnknownSchema { schema } | Self::DisputedSchema { schema } => Some(*schema),
            _ => None,
        }
    }
}

/// Reads the frame stored at `at` into `out`, which is cleared first.
///
/// Depends on nothing but the frame record, the births before `at`, which `schemas` must know (later ones change nothing),
/// and what the configuration that `schemas` learnt last says of signals. The same log gives the same readings.
///
/// # Errors
/// [`Unreadable`] when the frame belongs in quarantine; `out` then holds nothing to be used.
pub fn read(frame: &Frame, at: Offset, schemas: &Schemas, out: &mut Readings) -> Result<(), Unreadable> {
    guarded(out, |out| understand(frame, at, schemas, out))
}

/// Whether the frame can be read, exactly as [`read`] would say, and what ingest has to know of it: of a native frame the
/// survey, with `out` left empty; of any other what `out` then holds.
pub(super) fn survey(
    frame: &Frame,
    at: Offset,
    schemas: &Schemas,
    out: &mut Readings,
) -> Result<Option<Survey>, Unreadable> {
    if !frame.format.is_native() {
        return read(frame, at, schemas, out).map(|()| None);
    }
    guarded(out, |out| {
        out.clear();
        check_length(frame)?;
        native::survey(frame, at, schemas, &mut out.surveyor).map(Some)
    })
}

/// Whatever a payload does to the code that reads it, it does to itself alone.
fn guarded<T>(
    out: &mut Readings,
    understand: impl FnOnce(&mut Readings) -> Result<T, Unreadable>,
) -> Result<T, Unreadable> {
    // Nothing half-written survives a panic: `out` begins anew.
    let understood = catch_unwind(AssertUnwindSafe(|| understand(&mut *out)));
    understood.unwrap_or_else(|_| {
        *out = Readings::default();
        Err(Unreadable::Panicked)
    })
}

fn understand(frame: &Frame, at: Offset, schemas: &Schemas, out: &mut Readings) -> Result<(), Unreadable> {
    out.clear();
    check_length(frame)?;
    match frame.format {
        Format::Json => plain::read(&frame.payload, frame.arrival.wall_ms, out)?,
        Format::Senml => senml::read(&frame.payload, frame.arrival.wall_ms, out)?,
        Format::Tf1 | Format::Proven => {
            native::read(frame, at, schemas, out)?;
            schemas.describe(out);
            return Ok(());
        }
        Format::Unproven => return Err(keys::why_unproven(&frame.payload)),
        Format::Unknown => return Err(unknown(&frame.payload)),
    }
    schemas.describe(out);
    if out.is_empty() { Err(Unreadable::NoValue) } else { Ok(()) }
}

fn check_length(frame: &Frame) -> Result<(), Unreadable> {
    let (len, max) = (frame.payload.len(), PAYLOAD_BYTES_MAX);
    if len > max { Err(Unreadable::TooLong { len, max }) } else { Ok(()) }
}

/// Which format a payload claims to be, by its first byte; JSON may start with white space.
pub(super) fn format_of(payload: &[u8]) -> Format {
    match payload.iter().find(|byte| !byte.is_ascii_whitespace()) {
        _ if payload.first() == Some(&0xF9) => Format::Tf1,
        Some(b'{') => Format::Json,
        Some(b'[') => Format::Senml,
        _ => Format::Unknown,
    }
}

fn unknown(payload: &[u8]) -> Unreadable {
    match payload.first() {
        None => Unreadable::Empty,
        Some(0xFA) => Unreadable::BirthAsTelemetry,
        Some(first @ 0xF5..=0xFF) => Unreadable::UnknownVersion { first: *first },
        Some(first) => Unreadable::UnknownFormat { first: *first },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_tells_the_format() {
        assert_eq!(format_of(b"\xf9\x01"), Format::Tf1);
        assert_eq!(format_of(b"{}"), Format::Json);
        assert_eq!(format_of(b" \r\n{}"), Format::Json);
        assert_eq!(format_of(b"[]"), Format::Senml);
        for payload in [&b""[..], b"\xfa", b"\xfb", b"72", b"\"x\"", b" \xf9"] {
            assert_eq!(format_of(payload), Format::Unknown);
        }
        assert_eq!(unknown(b""), Unreadable::Empty);
        assert_eq!(unknown(b"\xfa\x00"), Unreadable::BirthAsTelemetry);
        assert_eq!(unknown(b"\xfb\x00"), Unreadable::UnknownVersion { first: 0xfb });
        assert_eq!(unknown(b"72"), Unreadable::UnknownFormat { first: b'7' });
    }

    #[test]
    fn g10_a_frame_that_breaks_its_reader_is_unreadable_and_no_more() {
        let mut readings = Readings::default();
        let broken: Result<(), _> = guarded(&mut readings, |out| {
            out.ignored = 7;
            panic!("a bug in a decoder")
        });
        assert_eq!((broken, readings.ignored), (Err(Unreadable::Panicked), 0));
        assert_eq!(guarded(&mut readings, |_| Ok(())), Ok(()));
    }

    #[test]
    fn what_is_exchanged_takes_its_buffers_along() {
        let signal = Arc::new(plain::unknown_signal("x".into(), 1));
        let point = || [Point { device_ms: 0, event_ms: 0, raw: 0 }];
        let (mut many, mut one) = (Readings::default(), Readings::default());
        (0..5).for_each(|_| many.push_series(signal.clone(), point()));
        one.push_series(signal.clone(), point());
        many.clear();
        many.exchange(&mut one);
        assert_eq!((many.points(), many.spare.len(), one.points(), one.spare.len()), (1, 0, 0, 5));
    }

    #[test]
    fn what_holds_more_than_most_frames_need_is_not_modest_also_when_it_says_nothing() {
        let signal = Arc::new(plain::unknown_signal("x".into(), 1));
        let mut readings = Readings::default();
        assert!(readings.is_modest());
        readings.push_series(signal, vec![Point { device_ms: 0, event_ms: 0, raw: 0 }; POINTS_KEPT_MAX + 1]);
        assert!(!readings.is_modest());
        readings.clear();
        assert!(!readings.is_modest());
    }

    #[test]
    fn buffers_are_kept_between_frames() {
        let signal = Arc::new(plain::unknown_signal("x".into(), 1));
        let mut readings = Readings::default();
        readings.push_series(signal.clone(), (0..100).map(|ms| Point { device_ms: ms, event_ms: ms, raw: 0 }));
        let buffer = readings.series[0].points.as_ptr();
        readings.clear();
        readings.push_series(signal, [Point { device_ms: 0, event_ms: 0, raw: 0 }]);
        assert_eq!(readings.series[0].points.as_ptr(), buffer);
        assert_eq!(readings.series[0].points.len(), 1);
    }
}
