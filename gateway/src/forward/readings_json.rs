//! `readings/1`: one accepted frame, enriched. `gateway/schema/readings-1.schema.json` describes every field.
//!
//! A pure function of the frame's record and the births before it, so that the live lane and a lane that reads
//! yesterday's log say the same. What depends on earlier frames (late, implausible steps) is the halo's to count.

use bytes::Bytes;
use halo_proto::registry;
use serde::{Serialize, Serializer};

use super::halo_json::clock;
use super::json::{Table, Time, document};
use crate::halo::Quality;
use crate::ingest::readings::{Readings, Series};
use crate::record::{Frame, Offset};

/// Which way a frame takes to whoever reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// As it comes.
    Live,
    /// From the log, after an absence.
    Backfill,
}

/// The stable id of a frame's message. `log` names the log, not only the gateway: a new data folder counts offsets anew,
/// and two messages with one id would be one.
pub fn mid(log: &str, offset: Offset) -> String {
    format!("{log}-{offset}")
}

/// Renders a frame that could be read.
pub fn readings_json(log: &str, offset: Offset, frame: &Frame, readings: &Readings, lane: Lane) -> Bytes {
    let signals = signals(frame, readings);
    let suspect = signals.iter().any(|(_, signal)| !signal.q.is_empty());
    document(&ReadingsJson {
        schema: "readings/1",
        mid: mid(log, offset),
        device: &frame.device,
        subject: &frame.subject,
        boot: frame.identity.map(|identity| identity.boot),
        seq: frame.identity.map(|identity| identity.seq),
        arrival: Time(frame.arrival.wall_ms),
        offset_ms: frame.clock.offset_ms,
        clock: clock(frame.clock.source),
        lane: match lane {
            Lane::Live => "live",
            Lane::Backfill => "backfill",
        },
        quality: if suspect { "suspect" } else { "good" },
        signals: Table(signals.iter().map(|(key, signal)| (&**key, signal)).collect()),
        events: readings
            .events
            .iter()
            .map(|event| EventJson {
                t: event.event_ms,
                code: event.code,
                name: event.kind.and_then(|kind| registry::event(kind, event.code)).map(|known| known.name),
                severity: event.severity,
                value: event.value,
            })
            .collect(),
        texts: Table(readings.texts.iter().map(|text| (&*text.key, &*text.value)).collect()),
    })
}

#[derive(Serialize)]
struct ReadingsJson<'a> {
    schema: &'static str,
    mid: String,
    device: &'a str,
    subject: &'a str,
    boot: Option<u32>,
    seq: Option<u32>,
    arrival: Time,
    offset_ms: i64,
    clock: &'static str,
    lane: &'static str,
    quality: &'static str,
    signals: Table<'a, &'a SignalJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<EventJson>,
    #[serde(skip_serializing_if = "no_texts")]
    texts: Table<'a, &'a str>,
}

fn no_texts(texts: &Table<'_, &str>) -> bool {
    texts.0.is_empty()
}

#[derive(Serialize)]
struct EventJson {
    t: i64,
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    severity: u8,
    value: i64,
}

#[derive(Serialize)]
struct SignalJson<'a> {
    unit: &'a str,
    num: u32,
    den: u32,
    t: Times<'a>,
    v: Values<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    q: Vec<(usize, &'static str)>,
}

/// Series of one signal and one scale are one entry; a further scale of the same signal is an entry `name#2`.
fn signals<'a>(frame: &Frame, readings: &'a Readings) -> Vec<(String, SignalJson<'a>)> {
    let mut signals: Vec<(String, SignalJson<'a>)> = Vec::with_capacity(readings.series.len());
    for series in &readings.series {
        let signal = &*series.signal;
        let marks = series.points.iter().enumerate().filter_map(|(at, point)| {
            let quality = Quality::of(signal, point, frame.arrival.wall_ms);
            (quality != Quality::Good).then_some((at, quality.as_str()))
        });
        let of_signal = |(_, known): &&mut (String, SignalJson<'_>)| {
            known.t.0.first().is_some_and(|first| first.signal.name == signal.name)
        };
        let same =
            |known: &SignalJson<'_>| *known.unit == *signal.unit && (known.num, known.den) == (signal.num, signal.den);
        let nth = signals.iter_mut().filter(of_signal).count() + 1;
        match signals.iter_mut().filter(of_signal).find(|(_, known)| same(known)) {
            Some((_, known)) => {
                let before: usize = known.t.0.iter().map(|series| series.points.len()).sum();
                known.q.extend(marks.map(|(at, mark)| (before + at, mark)));
                known.t.0.push(series);
                known.v.0.push(series);
            }
            None => {
                let key = if nth == 1 { signal.name.to_string() } else { format!("{}#{nth}", signal.name) };
                let (t, v, q) = (Times(vec![series]), Values(vec![series]), marks.collect());
                signals.push((key, SignalJson { unit: &signal.unit, num: signal.num, den: signal.den, t, v, q }));
            }
        }
    }
    signals
}

struct Times<'a>(Vec<&'a Series>);

impl Serialize for Times<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().flat_map(|series| &series.points).map(|point| point.event_ms))
    }
}

struct Values<'a>(Vec<&'a Series>);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().flat_map(|series| &series.points).map(|point| point.raw))
    }
}
