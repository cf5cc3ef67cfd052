//! `readings/1`: one accepted frame, enriched. `gateway/schema/readings-1.schema.json` describes every field.
//!
//! A pure function of the frame's record and the births before it, so that the live lane and a lane that reads
//! yesterday's log say the same. What depends on earlier frames (late, implausible steps) is the halo's to count.

use std::borrow::Cow;
use std::iter::once;
use std::ops::Range;

use bytes::Bytes;
use halo_proto::registry;
use serde::Serialize;

use super::halo_json::clock;
use super::json::{Table, Time, append, append_text};
use crate::halo::Quality;
use crate::ingest::readings::{Event, Point, Readings, Series};
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
    let plain = is_plain(&readings.series, frame.arrival.wall_ms);
    let entries = if plain { Vec::new() } else { entries(frame, readings) };
    let suspect = entries.iter().any(|entry| !entry.q.is_empty());
    let points: usize = readings.series.iter().map(|series| series.points.len()).sum();
    let mut out = Vec::with_capacity(HEAD_BYTES + SIGNAL_BYTES * readings.series.len() + POINT_BYTES * points);
    let head = Head {
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
    };
    append(&mut out, &head);
    out.pop();
    if plain {
        write_signals(&mut out, readings.series.iter().map(Entry::alone));
    } else {
        write_signals(&mut out, entries);
    }
    if !readings.events.is_empty() {
        out.extend_from_slice(b",\"events\":");
        append(&mut out, &events(readings));
    }
    if !readings.texts.is_empty() {
        out.extend_from_slice(b",\"texts\":");
        append(&mut out, &Table(readings.texts.iter().map(|text| (&*text.key, &*text.value)).collect()));
    }
    out.push(b'}');
    out.into()
}

/// What a document takes: so much room is asked for at once. A guess too low costs a copy, no more.
const HEAD_BYTES: usize = 384;
const SIGNAL_BYTES: usize = 80;
const POINT_BYTES: usize = 20;

#[derive(Serialize)]
struct Head<'a> {
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

fn events(readings: &Readings) -> Vec<EventJson> {
    let event = |event: &Event| EventJson {
        t: event.event_ms,
        code: event.code,
        name: event.kind.and_then(|kind| registry::event(kind, event.code)).map(|known| known.name),
        severity: event.severity,
        value: event.value,
    };
    readings.events.iter().map(event).collect()
}

/// Whether each series is an entry of its own without a mark, as nearly always: no two of one signal, and only good points.
fn is_plain(series: &[Series], arrival_ms: i64) -> bool {
    let all_good = series.iter().all(|series| Quality::all_good(&series.signal, &series.points, arrival_ms));
    let mut seen = 0u64;
    all_good
        && series.iter().enumerate().all(|(at, Series { signal, .. })| {
            // What no name before it has in common with it needs no comparing with each of them.
            let mark = 1 << (mark_of(&signal.name) % u64::BITS);
            let may_be_known = seen & mark != 0;
            seen |= mark;
            !(may_be_known && series.iter().take(at).any(|before| before.signal.name == signal.name))
        })
}

/// Of a signal's name, what tells it from most others.
fn mark_of(name: &str) -> u32 {
    let byte = |at: Option<&u8>| at.copied().map_or(0, u32::from);
    let mut last = name.as_bytes().iter().rev();
    let (last, before) = (byte(last.next()), byte(last.next()));
    last.wrapping_mul(7).wrapping_add(before.wrapping_mul(29)).wrapping_add(name.len() as u32)
}

/// The series of one signal and one scale, nearly always one.
struct Entry<'a> {
    key: Cow<'a, str>,
    first: &'a Series,
    more: Vec<&'a Series>,
    q: Vec<(usize, &'static str)>,
}

impl<'a> Entry<'a> {
    fn alone(series: &'a Series) -> Self {
        Self { key: Cow::Borrowed(&series.signal.name), first: series, more: Vec::new(), q: Vec::new() }
    }

    fn points(&self) -> impl Iterator<Item = &Point> {
        once(self.first).chain(self.more.iter().copied()).flat_map(|series| &series.points)
    }

    fn has_times_of(&self, other: &Self) -> bool {
        let [ours, theirs] = [&self.first.points, &other.first.points];
        let alone = self.more.is_empty() && other.more.is_empty() && ours.len() == theirs.len();
        alone && ours.iter().zip(theirs).all(|(one, other)| one.event_ms == other.event_ms)
    }
}

/// Series of one signal and one scale are one entry; a further scale of the same signal is an entry `name#2`.
fn entries<'a>(frame: &Frame, readings: &'a Readings) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::with_capacity(readings.series.len());
    for series in &readings.series {
        let signal = &*series.signal;
        let marks = series.points.iter().enumerate().filter_map(|(at, point)| {
            let quality = Quality::of(signal, point, frame.arrival.wall_ms);
            (quality != Quality::Good).then_some((at, quality.as_str()))
        });
        let (mut nth, mut same) = (1, None);
        for (at, known) in entries.iter().enumerate() {
            let other = &*known.first.signal;
            if other.name == signal.name {
                nth += 1;
                let is_same = other.unit == signal.unit && (other.num, other.den) == (signal.num, signal.den);
                same = same.or(is_same.then_some(at));
            }
        }
        match same.and_then(|at| entries.get_mut(at)) {
            Some(known) => {
                let before = known.points().count();
                known.q.extend(marks.map(|(at, mark)| (before + at, mark)));
                known.more.push(series);
            }
            None => {
                let name = &*signal.name;
                let key = if nth == 1 { Cow::Borrowed(name) } else { Cow::Owned(format!("{name}#{nth}")) };
                entries.push(Entry { key, first: series, more: Vec::new(), q: marks.collect() });
            }
        }
    }
    entries
}

/// The one part with hundreds of numbers: written digit by digit, without a general serializer. Signals that are sampled
/// together have the same times, half of all digits: they are written once and copied.
fn write_signals<'a>(out: &mut Vec<u8>, entries: impl IntoIterator<Item = Entry<'a>>) {
    out.extend_from_slice(b",\"signals\":{");
    let mut written: Option<(Entry<'_>, Range<usize>)> = None;
    for entry in entries {
        if written.is_some() {
            out.push(b',');
        }
        let signal = &*entry.first.signal;
        append_text(out, &entry.key);
        out.extend_from_slice(b":{\"unit\":");
        append_text(out, &signal.unit);
        out.extend_from_slice(b",\"num\":");
        write_integers(out, [i64::from(signal.num)]);
        out.extend_from_slice(b",\"den\":");
        write_integers(out, [i64::from(signal.den)]);
        out.extend_from_slice(b",\"t\":[");
        let begin = out.len();
        match &written {
            Some((same, times)) if same.has_times_of(&entry) => out.extend_from_within(times.clone()),
            _ => write_integers(out, entry.points().map(|point| point.event_ms)),
        }
        let times = begin..out.len();
        out.extend_from_slice(b"],\"v\":[");
        write_integers(out, entry.points().map(|point| point.raw));
        out.push(b']');
        if !entry.q.is_empty() {
            out.extend_from_slice(b",\"q\":");
            append(out, &entry.q);
        }
        out.push(b'}');
        written = Some((entry, times));
    }
    out.push(b'}');
}

/// Separated by commas.
fn write_integers(out: &mut Vec<u8>, integers: impl IntoIterator<Item = i64>) {
    let (mut digits, mut first) = (itoa::Buffer::new(), true);
    integers.into_iter().for_each(|integer| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        out.extend_from_slice(digits.format(integer).as_bytes());
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ingest::readings::SignalRef;
    use halo_proto::registry::Nature;

    fn series(name: &str, times: &[i64]) -> Series {
        let name = name.into();
        let (unit, min, max, step_max, metric) = ("".into(), None, None, None, None);
        let signal =
            Arc::new(SignalRef { name, unit, num: 1, den: 1, min, max, step_max, metric, nature: Nature::Level });
        let point = |ms: &i64| Point { device_ms: *ms, event_ms: *ms, raw: 1 };
        Series { signal, points: times.iter().map(point).collect() }
    }

    #[test]
    fn two_series_of_one_signal_are_seen_whatever_stands_between_them() {
        let names: Vec<String> = (0..100).map(|n| format!("signal_{n}")).collect();
        let all = |names: &[&str]| is_plain(&names.iter().map(|name| series(name, &[1])).collect::<Vec<_>>(), 10);
        let mut different: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(all(&different));
        for twice in names.iter().step_by(7) {
            different.push(twice);
            assert!(!all(&different));
            different.pop();
        }
        assert!(!all(&["a", "a"]));
    }

    #[test]
    fn every_signal_has_its_own_times_whether_or_not_those_before_it_had_the_same() {
        let all =
            [series("a", &[1, 2]), series("b", &[1, 2]), series("c", &[1, 3]), series("d", &[1]), series("a", &[9])];
        let entry = |first| Entry { key: "x".into(), first, more: Vec::new(), q: Vec::new() };
        let mut entries: Vec<_> = all[..4].iter().map(entry).collect();
        entries.push(Entry { more: vec![&all[4]], ..entry(&all[0]) });
        entries.push(entry(&all[0]));
        let mut out = Vec::new();
        write_signals(&mut out, entries);
        let text = String::from_utf8(out).unwrap();
        let times: Vec<_> = text.split("\"t\":").skip(1).filter_map(|rest| rest.split(",\"v\"").next()).collect();
        assert_eq!(times, ["[1,2]", "[1,2]", "[1,3]", "[1]", "[1,2,9]", "[1,2]"]);
    }
}
