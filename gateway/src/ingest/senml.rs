//! SenML-JSON (RFC 8428): an array of records with base fields.
//!
//! * Base name, time, unit, value and sum are resolved as the RFC says; times below 2^28 are relative to the arrival.
//! * The signal is the resolved name. A `urn:dev:<type>:<id>` in front is left out, since the topic already says which
//!   device it is; `/` becomes `.`, and other bytes outside `[A-Za-z0-9._-]` become `_`. A name that is nothing but the
//!   device's URN is named after its unit (`temperature` for `Cel`, else `value`).
//! * Two names that become one signal, or one signal in two units, are refused: nothing is merged silently.
//! * `vb` is 1 or 0, `vs` a text, `s` a signal `<name>.sum` in the unit times seconds; `vd` is left out and counted.
//!   `ut` is not used. A field ending in `_` must be understood, and is not: refused. So is a version above 10.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::decimal::{Decimal, NotDecimal};
use super::plain::{signal, signal_name};
use super::readings::{Point, Readings, SIGNALS_MAX, TEXT_BYTES_MAX, Text, Unreadable};
use crate::record::Name;

/// Most records of one array.
pub(super) const RECORDS_MAX: usize = 1024;
/// Times below this many seconds are relative to now (RFC 8428, 4.5.3).
const ABSOLUTE_FROM_MS: i64 = (1 << 28) * 1000;
/// Newest version understood (RFC 8428).
const VERSION_MAX: i64 = 10;
/// Latest time taken, the year 5138.
const TIME_MS_MAX: i64 = 100_000_000_000_000;

/// A record without base fields: absolute time, whole name.
#[derive(Clone, Debug, PartialEq)]
struct Resolved {
    name: String,
    unit: Option<String>,
    time_ms: i64,
    value: Value,
    sum: Option<Decimal>,
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(Decimal),
    Truth(bool),
    Text(String),
    /// Only a sum.
    None,
}

/// Reads a SenML array; `arrival_ms` (Unix) is now for relative times.
pub(super) fn read(payload: &[u8], arrival_ms: i64, out: &mut Readings) -> Result<(), Unreadable> {
    let mut pack = resolve(payload, arrival_ms)?;
    out.ignored = pack.ignored;
    out.timed = pack.timed;
    // Stable: records of one time stay in their order, as the RFC's resolved form has them.
    pack.records.sort_by_key(|record| record.time_ms);
    let mut signals: Vec<Collected> = Vec::new();
    for record in pack.records {
        let name = name_of(&record)?;
        match record.value {
            Value::Number(value) => collect(&mut signals, &name, &record, "", value)?,
            Value::Truth(truth) => collect(&mut signals, &name, &record, "", Decimal::of(i64::from(truth), 0))?,
            Value::Text(ref value) if value.len() > TEXT_BYTES_MAX => out.ignored += 1,
            Value::Text(ref value) => {
                out.texts.push(Text { key: name.clone(), value: value.clone(), event_ms: record.time_ms });
            }
            Value::None => {}
        }
        if let Some(sum) = record.sum {
            collect(&mut signals, &name, &record, ".sum", sum)?;
        }
    }
    signals.into_iter().try_for_each(|collected| collected.finish(out))
}

/// The points of one signal while records are read.
struct Collected {
    signal: Name,
    /// The resolved name it came under.
    name: String,
    unit: Cow<'static, str>,
    points: Vec<(i64, Decimal)>,
}

fn collect(
    signals: &mut Vec<Collected>,
    name: &Name,
    record: &Resolved,
    suffix: &str,
    value: Decimal,
) -> Result<(), Unreadable> {
    let signal = if suffix.is_empty() { name.clone() } else { signal_name(&format!("{name}{suffix}"))? };
    let mut unit = ucum(record.unit.as_deref().unwrap_or_default());
    if !suffix.is_empty() {
        unit = if unit.is_empty() || unit == "1" { "s".into() } else { format!("{unit}.s").into() };
    }
    let point = (record.time_ms, value);
    let Some(known) = signals.iter_mut().find(|known| known.signal == signal) else {
        if signals.len() == SIGNALS_MAX {
            return Err(Unreadable::TooMany { what: "signals", max: SIGNALS_MAX });
        }
        signals.push(Collected { signal, name: record.name.clone(), unit, points: vec![point] });
        return Ok(());
    };
    if known.name != record.name {
        return Err(Unreadable::Twice { name: signal, first: known.name.clone(), second: record.name.clone() });
    }
    if known.unit != unit {
        return Err(Unreadable::Unit { name: signal, got: unit.into_owned(), wanted: known.unit.to_string() });
    }
    known.points.push(point);
    Ok(())
}

impl Collected {
    /// One series, all points in the finest step any of them needs.
    fn finish(self, out: &mut Readings) -> Result<(), Unreadable> {
        let scale = self.points.iter().map(|(_, value)| value.scale()).max().unwrap_or_default();
        let mut signal = signal(self.signal, scale);
        if signal.metric.is_none() {
            signal.unit = self.unit.into();
        } else if !self.unit.is_empty() && self.unit != *signal.unit {
            let wanted = signal.unit.to_string();
            return Err(Unreadable::Unit { name: signal.name, got: self.unit.into_owned(), wanted });
        }
        let field = || signal.name.to_string();
        let mut points = Vec::with_capacity(self.points.len());
        for (time_ms, value) in self.points {
            let raw = value.in_units(scale).ok_or_else(|| Unreadable::Number {
                field: field(),
                source: NotDecimal::TooLarge(format!("in steps of 1e-{scale}")),
            })?;
            points.push(Point { device_ms: time_ms, event_ms: time_ms, raw });
        }
        out.push_series(Arc::new(signal), points);
        Ok(())
    }
}

struct Pack {
    /// In the order written.
    records: Vec<Resolved>,
    ignored: u32,
    /// Whether every record has an absolute time.
    timed: bool,
}

/// One record as written; numbers still as text.
#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    bn: Option<Cow<'a, str>>,
    #[serde(borrow)]
    bt: Option<&'a RawValue>,
    #[serde(borrow)]
    bu: Option<Cow<'a, str>>,
    #[serde(borrow)]
    bv: Option<&'a RawValue>,
    #[serde(borrow)]
    bs: Option<&'a RawValue>,
    #[serde(borrow)]
    bver: Option<&'a RawValue>,
    #[serde(borrow)]
    n: Option<Cow<'a, str>>,
    #[serde(borrow)]
    u: Option<Cow<'a, str>>,
    #[serde(borrow)]
    v: Option<&'a RawValue>,
    vb: Option<bool>,
    #[serde(borrow)]
    vs: Option<Cow<'a, str>>,
    #[serde(borrow)]
    vd: Option<Cow<'a, str>>,
    #[serde(borrow)]
    s: Option<&'a RawValue>,
    #[serde(borrow)]
    t: Option<&'a RawValue>,
    #[serde(borrow, flatten)]
    other: std::collections::BTreeMap<Cow<'a, str>, serde::de::IgnoredAny>,
}

/// Base fields in force.
#[derive(Default)]
struct Base {
    name: String,
    time: Decimal,
    unit: Option<String>,
    value: Option<Decimal>,
    sum: Option<Decimal>,
    version: Option<i64>,
}

fn resolve(payload: &[u8], arrival_ms: i64) -> Result<Pack, Unreadable> {
    let records: Vec<&RawValue> =
        serde_json::from_slice(payload).map_err(|error| Unreadable::Json(error.to_string()))?;
    if records.len() > RECORDS_MAX {
        return Err(Unreadable::TooMany { what: "records", max: RECORDS_MAX });
    }
    let mut pack = Pack { records: Vec::with_capacity(records.len()), ignored: 0, timed: true };
    let mut base = Base::default();
    for (at, raw) in records.into_iter().enumerate() {
        let broken = |why: String| Unreadable::Senml { record: at, why };
        let record: Record<'_> = serde_json::from_str(raw.get()).map_err(|error| broken(error.to_string()))?;
        base.update(&record).map_err(broken)?;
        let value = value_of(&record, &base).map_err(broken)?;
        let sum = sum_of(&record, &base).map_err(broken)?;
        if record.vd.is_some() {
            pack.ignored += 1;
        }
        if value == Value::None && sum.is_none() {
            continue;
        }
        let (time_ms, absolute) = base.time_of(&record, arrival_ms).map_err(broken)?;
        pack.timed &= absolute;
        let name = format!("{}{}", base.name, record.n.as_deref().unwrap_or_default());
        check_name(&name).map_err(broken)?;
        let unit = record.u.map(Cow::into_owned).or_else(|| base.unit.clone());
        pack.records.push(Resolved { name, unit, time_ms, value, sum });
    }
    Ok(pack)
}

impl Base {
    fn update(&mut self, record: &Record<'_>) -> Result<(), String> {
        if let Some(field) = record.other.keys().find(|field| field.ends_with('_')) {
            return Err(format!("field {field:?} must be understood to read the record, and is not known here"));
        }
        if let Some(version) = record.bver {
            let version = version.get().parse().map_err(|_| format!("bver {} is not a whole number", version.get()))?;
            if !(1..=VERSION_MAX).contains(&version) {
                return Err(format!("version {version} is not known, at most {VERSION_MAX} is"));
            }
            if self.version.is_some_and(|other| other != version) {
                return Err("bver differs from an earlier record's".to_owned());
            }
            self.version = Some(version);
        }
        if let Some(name) = &record.bn {
            self.name = name.clone().into_owned();
        }
        if let Some(unit) = &record.bu {
            self.unit = Some(unit.clone().into_owned());
        }
        self.time = number("bt", record.bt)?.unwrap_or(self.time);
        self.value = number("bv", record.bv)?.or(self.value);
        self.sum = number("bs", record.bs)?.or(self.sum);
        Ok(())
    }

    /// Unix milliseconds, and whether the record says so itself.
    fn time_of(&self, record: &Record<'_>, arrival_ms: i64) -> Result<(i64, bool), String> {
        let own = number("t", record.t)?.unwrap_or_default();
        let ms = self.time.plus(own).and_then(|time| time.times_power_rounded(3));
        let ms = ms.filter(|ms| ms.saturating_abs() <= TIME_MS_MAX).ok_or("time is out of range")?;
        Ok(if ms < ABSOLUTE_FROM_MS { (arrival_ms.saturating_add(ms), false) } else { (ms, true) })
    }
}

fn value_of(record: &Record<'_>, base: &Base) -> Result<Value, String> {
    let given = [record.v.is_some(), record.vb.is_some(), record.vs.is_some(), record.vd.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err("more than one of v, vb, vs, vd".to_owned());
    }
    if let Some(value) = number("v", record.v)? {
        return Ok(Value::Number(added("v", value, base.value)?));
    }
    let text = || record.vs.as_deref().map(|text| Value::Text(text.to_owned()));
    Ok(record.vb.map(Value::Truth).or_else(text).unwrap_or(Value::None))
}

fn sum_of(record: &Record<'_>, base: &Base) -> Result<Option<Decimal>, String> {
    number("s", record.s)?.map(|sum| added("s", sum, base.sum)).transpose()
}

fn added(field: &str, own: Decimal, base: Option<Decimal>) -> Result<Decimal, String> {
    own.plus(base.unwrap_or_default()).ok_or_else(|| format!("{field} and its base do not fit 18 digits together"))
}

fn number(field: &str, raw: Option<&RawValue>) -> Result<Option<Decimal>, String> {
    raw.map(|raw| Decimal::parse(raw.get()).map_err(|error| format!("{field}: {error}"))).transpose()
}

/// Names start with a letter or digit and hold `[A-Za-z0-9-:./_]` (RFC 8428, 4.5.1).
fn check_name(name: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-:./_".contains(c);
    if name.is_empty() {
        return Err("no name: neither n nor bn".to_owned());
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(legal) {
        return Err(format!("name {:?} breaks the grammar of SenML names", name.chars().take(80).collect::<String>()));
    }
    Ok(())
}

/// The signal of a resolved record.
fn name_of(record: &Resolved) -> Result<Name, Unreadable> {
    let own = without_urn(&record.name);
    if own.is_empty() {
        return signal_name(named_by_unit(record.unit.as_deref().unwrap_or_default()));
    }
    signal_name(&own.replace('/', "."))
}

/// What follows `urn:dev:<type>:<id>` and its separator.
fn without_urn(name: &str) -> &str {
    let Some(rest) = name.strip_prefix("urn:dev:") else { return name };
    let id = rest.split_once(':').map_or("", |(_, id)| id);
    id.split_once([':', '/', '_']).map_or("", |(_, own)| own).trim_matches([':', '/', '_'])
}

/// A name for a value whose sender named only the device.
fn named_by_unit(unit: &str) -> &'static str {
    match unit {
        "Cel" | "K" => "temperature",
        "%RH" => "humidity",
        "lat" => "latitude",
        "lon" => "longitude",
        "m" => "distance",
        "m/s" => "velocity",
        "V" => "voltage",
        "A" => "current",
        "W" => "power",
        "Pa" => "pressure",
        "%EL" => "battery",
        "beat/min" | "bpm" => "heart_rate",
        _ => "value",
    }
}

/// A SenML unit in UCUM.
fn ucum(unit: &str) -> Cow<'static, str> {
    Cow::Borrowed(match unit {
        "lat" | "lon" => "deg",
        "%RH" | "%EL" => "%",
        "/" | "count" | "beats" => "1",
        "beat/min" | "bpm" => "/min",
        "1/s" => "/s",
        "1/min" => "/min",
        "EL" => "s",
        other => return Cow::Owned(other.to_owned()),
    })
}

#[cfg(test)]
mod tests;
