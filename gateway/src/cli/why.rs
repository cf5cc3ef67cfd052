//! `why`: from a value of a halo back to the bytes it rests on, and to the value again.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Failure;
use super::client::Target;
use super::halo::{folded, rendered};
use super::history::{progress, short};
use super::past::{By, Root};
use super::table::text;
use crate::admin::Command;
use crate::clock::Clock;
use crate::forward::json::{Scaled, Time};
use crate::halo::Models;
use crate::history::{Origin, Past, windows};
use crate::record::{ClockSource, Format};
use crate::store::LOG_FOLDER;
use crate::store::fs::Disk;
use crate::terminal::say;
use crate::units::when::{self, When};
use crate::units::{count, render_duration};

/// What two ways of computing one number may differ by, as a share of it: rounding.
const ROUNDING: f64 = 1e-9;
/// What a halo's percentiles may differ by: their stated error.
const SKETCH: f64 = 0.01;
/// Readings and frames listed at each end; the rest is counted. `--json` has all.
const LISTED: usize = 5;

/// Which value.
#[derive(Args)]
pub(super) struct Why {
    /// The subject's id.
    subject: String,
    /// A signal or a derived value, by its name in the halo.
    signal: String,
    /// The statistics of this window of the signal instead of its latest value: 1m, 15m or 24h.
    #[arg(long, value_name = "WINDOW", value_parser = clap::builder::PossibleValuesParser::new(windows()))]
    window: Option<String>,
    /// Of the halo as it was then [default: as the running gateway has it, or as of the end of the log].
    #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true)]
    at: Option<When>,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    root: Root,
    #[command(flatten)]
    target: Target,
}

/// A halo and who said it.
struct Said {
    halo: Value,
    by: String,
    /// When it changed last: what was written later is not in it.
    as_of_ms: i64,
}

/// What was found out: for people, line by line, and for programs.
struct Report {
    lines: Vec<(&'static str, String)>,
    json: Value,
    holds: bool,
}

pub(super) fn run(why: &Why) -> Result<ExitCode, Failure> {
    let past = why.root.open(&why.target)?;
    let models = why.by.models()?;
    let said = why.said(&past, &models)?;
    let report = match (&said.halo["signals"][&why.signal], &said.halo["derived"][&why.signal], &why.window) {
        (Value::Null, Value::Null, _) => return Err(why.unknown(&said).into()),
        (Value::Null, derived, _) => why.derived(&past, &said, derived, &models)?,
        (signal, _, Some(window)) => why.statistics(&past, &said, signal, window)?,
        (signal, _, None) => why.latest(&past, &said, signal)?,
    };
    if why.target.json {
        say(&report.json);
    } else {
        report.lines.iter().all(|(label, line)| say(format_args!("{label:<14} {line}")));
    }
    Ok(if report.holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Why {
    fn said(&self, past: &Past<Disk>, models: &Models) -> Result<Said, Failure> {
        let Self { subject, at, target, .. } = self;
        let running = match at {
            None => {
                target.try_ask(Command::Subject { subject: subject.clone() })?.and_then(|rows| rows.into_iter().next())
            }
            Some(_) => None,
        };
        let (halo, by) = match running {
            Some(halo) => (halo, "the running gateway".to_owned()),
            None => {
                let until_ms = at.map_or(i64::MAX, |at| at.at(Clock::system().now().wall_ms));
                let folded = folded(past, until_ms)?;
                let halo =
                    rendered(&folded, subject, models)?.ok_or_else(|| format!("nothing is known of {subject}"))?;
                (halo, format!("the log, folded: {}", count(folded.records, "record")))
            }
        };
        let as_of_ms = time_of(&halo["time"]).ok_or("the halo has no time")?;
        Ok(Said { halo, by, as_of_ms })
    }

    fn unknown(&self, said: &Said) -> String {
        let names = |what: &str| said.halo[what].as_object().into_iter().flatten().map(|(name, _)| name.clone());
        let known = names("signals").chain(names("derived")).collect::<Vec<_>>().join(", ");
        format!("the halo of {} has no {}; it has {known}", self.subject, self.signal)
    }

    /// Where the value comes from, for people and for programs.
    fn begin(&self, said: &Said, value: String) -> Report {
        let halo = format!("{}, revision {} of {}", said.by, text(&said.halo["revision"]), text(&said.halo["time"]));
        let json = json!({"subject": self.subject, "signal": self.signal, "said_by": said.by, "revision": said.halo["revision"], "halo_time": said.halo["time"]});
        let what = format!("{} of {}", self.signal, self.subject);
        Report { lines: vec![("value", format!("{what} is {value}")), ("said by", halo)], json, holds: false }
    }

    fn latest(&self, past: &Past<Disk>, said: &Said, signal: &Value) -> Result<Report, Failure> {
        let unit = text(&signal["unit"]);
        let mut report = self.begin(said, with_unit(&text(&signal["value"]), &unit));
        let (Some(event_ms), Some(device)) = (time_of(&signal["time"]), signal["device"].as_str()) else {
            return Err(format!(
                "no good reading of {} has come yet; the last was {}",
                self.signal,
                text(&signal["quality"])
            )
            .into());
        };
        report.line("taken", format!("{} by {device}", Time(event_ms)));
        let names = (&*self.subject, &*self.signal);
        let Some(origin) = past.origin(names, (device, event_ms), said.as_of_ms, progress())? else {
            report.line("frame", "not in the log any more, or damaged: nothing to derive the value from".to_owned());
            report.set(json!({"value": signal["value"], "unit": unit, "time": signal["time"], "device": device, "same": false}));
            return Ok(report);
        };
        self.tell_of_frame(&origin, &mut report);
        let (num, den) = (origin.signal.num, origin.signal.den);
        let again = json!(Scaled { raw: origin.point.raw, num, den });
        report.holds = agree(&again, &signal["value"], ROUNDING) && *origin.signal.unit == *unit;
        let verdict = if report.holds { "the same" } else { "NOT what the halo says" };
        let scale = if num == 1 && den == 1 { String::new() } else { format!(" × {num} / {den}") };
        let derived =
            format!("{}{scale} = {}: {verdict}", origin.point.raw, with_unit(&text(&again), &origin.signal.unit));
        report.line("again", derived);
        report.set(json!({
            "value": signal["value"], "unit": unit, "time": signal["time"], "device": device, "raw": origin.point.raw,
            "num": num, "den": den, "again": again, "same": report.holds,
        }));
        Ok(report)
    }

    fn tell_of_frame(&self, origin: &Origin, report: &mut Report) {
        let Origin { found, frame, point, place, .. } = origin;
        let clock = match (frame.format, frame.clock.source) {
            (Format::Json | Format::Senml, _) => "Unix time, as the sender has it".to_owned(),
            (_, ClockSource::Synced) => {
                format!("{} ms after its start + {} ms, as the device says", point.device_ms, frame.clock.offset_ms)
            }
            (_, ClockSource::Estimated) => {
                format!(
                    "{} ms after its start + {} ms, estimated from arrivals",
                    point.device_ms, frame.clock.offset_ms
                )
            }
        };
        report.line("clock", clock);
        let later = frame.arrival.wall_ms.saturating_sub(point.event_ms);
        report.line("arrived", format!("{}, {} ms later, QoS {}", Time(frame.arrival.wall_ms), later, frame.qos));
        let identity = frame
            .identity
            .map_or_else(|| "without a number".to_owned(), |id| format!("boot {}, sequence {}", id.boot, id.seq));
        report.line(
            "frame",
            format!("{identity}, {}, {}", format_name(frame.format), count(frame.payload.len() as u64, "byte")),
        );
        let file = self.target.data_dir.join(LOG_FOLDER).join(format!("{:016}.seg", found.segment));
        let (from, until) = (found.bytes.start, found.bytes.end);
        report.line("stored", format!("offset {}, bytes {from}..{until} of {}", found.record.offset, file.display()));
        if frame.device != frame.subject {
            report.line("assigned", format!("{} fed {} at that time", frame.device, frame.subject));
        }
        let bytes = place.as_ref().map(|place| place.bytes.clone());
        if let Some(row) = place.as_ref().and_then(|place| place.row) {
            let ((column, columns), (nth, rows)) = (row.column, row.row);
            report.line(
                "item",
                format!(
                    "schema 0x{:x}, group {}, column {} of {columns}, row {} of {rows}",
                    row.schema,
                    row.group,
                    column + 1,
                    nth + 1
                ),
            );
        }
        match frame.format {
            Format::Json | Format::Senml => report.line("payload", marked_text(&frame.payload, bytes.as_ref())),
            _ => report.line("payload", marked_hex(&frame.payload, bytes.as_ref())),
        }
        report.set(json!({
            "device_ms": point.device_ms, "offset_ms": frame.clock.offset_ms, "arrival": Time(frame.arrival.wall_ms),
            "boot": frame.identity.map(|id| id.boot), "seq": frame.identity.map(|id| id.seq), "qos": frame.qos,
            "format": format_name(frame.format), "offset": found.record.offset.0, "file": file,
            "bytes": [from, until], "payload": hex(&frame.payload),
            "item": bytes.map(|bytes| [bytes.start, bytes.end]),
            "schema": place.as_ref().and_then(|place| place.row).map(|row| json!({
                "id": row.schema, "group": row.group, "column": row.column.0, "row": row.row.0,
            })),
        }));
    }

    fn statistics(&self, past: &Past<Disk>, said: &Said, signal: &Value, name: &str) -> Result<Report, Failure> {
        let (unit, stats) = (text(&signal["unit"]), &signal["stats"][name]);
        let mut report = self.begin(said, with_unit(&text(&signal["value"]), &unit));
        let latest_ms = time_of(&signal["time"]).filter(|_| stats.is_object());
        let Some(latest_ms) = latest_ms else { return Err(format!("no reading of {} in {name}", self.signal).into()) };
        let names = (&*self.subject, &*self.signal);
        for whole in [false, true] {
            let window = past.window(names, (name, latest_ms), said.as_of_ms, whole, progress())?;
            let Some(window) = window else { return Err(format!("no halo has a window {name}").into()) };
            let Some(plain) = window.plain() else { continue };
            let fields = [
                ("n", plain.n as f64, 0.0),
                ("min", plain.min, ROUNDING),
                ("max", plain.max, ROUNDING),
                ("mean", plain.mean, ROUNDING),
                ("sd", plain.sd.unwrap_or(f64::NAN), ROUNDING),
                ("p50", plain.p50, SKETCH),
                ("p95", plain.p95, SKETCH),
            ];
            let rows: Vec<_> = fields
                .iter()
                .filter(|(_, again, _)| !again.is_nan())
                .map(|(field, again, within)| {
                    (*field, stats[*field].clone(), *again, agree(&json!(again), &stats[*field], *within))
                })
                .collect();
            report.holds = rows.iter().all(|(.., same)| *same);
            if !report.holds && !whole {
                continue;
            }
            let long = Duration::from_millis((window.until_ms - window.from_ms).unsigned_abs());
            report.line(
                "window",
                format!(
                    "{name}: after {} up to {} ({})",
                    Time(window.from_ms),
                    Time(window.until_ms),
                    render_duration(long)
                ),
            );
            report.line("rests on", count(window.readings.len() as u64, "reading"));
            let listed = |(at, value, offset): &(i64, f64, crate::record::Offset)| {
                format!("{}  {}  offset {offset}", Time(*at), with_unit(&short(*value), &unit))
            };
            ends(&window.readings)
                .into_iter()
                .for_each(|it| report.line("", it.map_or_else(|left| format!("… {left} more"), listed)));
            for (field, halo, again, same) in &rows {
                let verdict = match *same {
                    true if field.starts_with('p') => "within 1 %",
                    true => "the same",
                    false => "NOT the same",
                };
                report.line(field, format!("{} in the halo, {again} again: {verdict}", text(halo)));
            }
            let readings: Vec<_> =
                window.readings.iter().map(|(at, value, offset)| json!([Time(*at), value, offset.0])).collect();
            let again: serde_json::Map<_, _> =
                rows.iter().map(|(field, _, again, _)| ((*field).to_owned(), json!(again))).collect();
            report.set(json!({
                "window": name, "from": Time(window.from_ms), "until": Time(window.until_ms), "unit": unit, "stats": stats,
                "again": again, "readings": readings, "same": report.holds,
            }));
            return Ok(report);
        }
        report.line("rests on", "readings that are not in the log any more".to_owned());
        report.set(json!({"window": name, "stats": stats, "same": false}));
        Ok(report)
    }

    fn derived(&self, past: &Past<Disk>, said: &Said, derived: &Value, models: &Models) -> Result<Report, Failure> {
        let unit = text(derived.get("unit").unwrap_or(&json!("")));
        let mut report = self.begin(said, with_unit(&text(&derived["value"]), &unit));
        let refolded = past.refolded(&self.subject, said.as_of_ms, progress())?;
        for (device, frames) in &refolded.frames {
            report.line("rests on", format!("{} of {device}", count(frames.len() as u64, "frame")));
            ends(frames).into_iter().for_each(|it| {
                report.line("", it.map_or_else(|left| format!("… {left} more"), |offset| format!("offset {offset}")))
            });
        }
        let again = refolded.fold.subject(&self.subject).map(|it| it.derived_by(models));
        let again = again
            .into_iter()
            .flatten()
            .find(|it| it.name == self.signal)
            .map(|it| crate::forward::halo_json::derived_json(&it));
        let value = again.as_ref().map_or(Value::Null, |again| again["value"].clone());
        report.holds = agree(&value, &derived["value"], ROUNDING);
        let verdict = if report.holds { "the same" } else { "NOT what the halo says" };
        report.line("folded again", format!("{}: {verdict}, from these frames alone", with_unit(&text(&value), &unit)));
        if let Some(hint) = self.by.hint().filter(|_| !report.holds) {
            report.line("", hint.to_owned());
        }
        if !report.holds && past.archive().begins().0 > 1 {
            report.line(
                "",
                format!("the log begins at offset {}: frames before that are deleted", past.archive().begins()),
            );
        }
        let frames: serde_json::Map<_, _> = refolded
            .frames
            .iter()
            .map(|(device, frames)| (device.to_string(), json!(frames.iter().map(|it| it.0).collect::<Vec<_>>())))
            .collect();
        report.set(
            json!({"value": derived["value"], "unit": unit, "frames": frames, "again": value, "same": report.holds}),
        );
        Ok(report)
    }
}

impl Report {
    fn line(&mut self, label: &'static str, line: String) {
        self.lines.push((label, line));
    }

    fn set(&mut self, more: Value) {
        if let (Some(json), Value::Object(more)) = (self.json.as_object_mut(), more) {
            json.extend(more);
        }
    }
}

/// The first and the last of a list; between them how many more there are.
fn ends<T>(list: &[T]) -> Vec<Result<&T, usize>> {
    if list.len() <= 2 * LISTED + 1 {
        return list.iter().map(Ok).collect();
    }
    let (first, last) = (list.iter().take(LISTED).map(Ok), list.iter().skip(list.len() - LISTED).map(Ok));
    first.chain([Err(list.len() - 2 * LISTED)]).chain(last).collect()
}

/// Whether two values are the same number up to a share of it, or the same otherwise.
fn agree(a: &Value, b: &Value, within: f64) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= within * a.abs().max(b.abs()),
        _ => a == b && !a.is_null(),
    }
}

fn time_of(value: &Value) -> Option<i64> {
    value.as_str()?.parse::<Timestamp>().ok().map(|time| time.as_millisecond())
}

fn with_unit(value: &str, unit: &str) -> String {
    if unit.is_empty() || unit == "-" { value.to_owned() } else { format!("{value} {unit}") }
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::Tf1 => "native",
        Format::Proven => "native, its code verified",
        Format::Json => "JSON",
        Format::Senml => "SenML",
        Format::Unknown | Format::Unproven => "not readable",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

/// Bytes in hexadecimal, those of the item in brackets.
fn marked_hex(bytes: &[u8], item: Option<&std::ops::Range<usize>>) -> String {
    let Some((before, inside, after)) = split(bytes, item) else { return spaced(bytes) };
    [spaced(before), format!("[{}]", spaced(inside)), spaced(after)].join(" ").trim().to_owned()
}

/// The same of a text.
fn marked_text(bytes: &[u8], item: Option<&std::ops::Range<usize>>) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(char::is_control, " ");
    let Some((before, inside, after)) = split(bytes, item) else { return text(bytes) };
    format!("{}»{}«{}", text(before), text(inside), text(after))
}

fn split<'b>(bytes: &'b [u8], item: Option<&std::ops::Range<usize>>) -> Option<(&'b [u8], &'b [u8], &'b [u8])> {
    let item = item?;
    Some((bytes.get(..item.start)?, bytes.get(item.clone())?, bytes.get(item.end..)?))
}

fn spaced(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_item_is_marked_among_the_bytes() {
        assert_eq!(marked_hex(&[0xf9, 1, 2, 3], Some(&(1..3))), "f9 [01 02] 03");
        assert_eq!(marked_hex(&[0xf9, 1], Some(&(1..9))), "f9 01", "not a range of these bytes");
        assert_eq!(marked_text(b"{\"a\":1,\n\"b\":2}", Some(&(1..6))), "{»\"a\":1«, \"b\":2}");
    }

    #[test]
    fn values_agree_up_to_rounding_and_nothing_agrees_with_nothing() {
        assert!(agree(&json!(0.1 + 0.2), &json!(0.3), ROUNDING) && agree(&json!(72), &json!(72.0), 0.0));
        assert!(!agree(&json!(72), &json!(73), ROUNDING) && !agree(&json!("on"), &json!("off"), 1.0));
        assert!(!agree(&Value::Null, &Value::Null, 1.0));
    }

    #[test]
    fn a_long_list_shows_its_ends() {
        let list: Vec<usize> = (0..100).collect();
        let shown = ends(&list);
        assert_eq!((shown.len(), shown[0], shown[LISTED], shown[2 * LISTED]), (11, Ok(&0), Err(90), Ok(&99)));
        assert_eq!(ends(&list[..11]).len(), 11);
    }
}
