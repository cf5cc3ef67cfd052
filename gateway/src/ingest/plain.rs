//! Flat JSON: `{"heart_rate": 72, "time": 1276020076.5}`.
//!
//! * A number is a value, exactly as written. `true` and `false` are 1 and 0. A string is a text.
//! * One level of grouping: `{"engine": {"rpm": 800}}` is signal `engine.rpm`.
//! * `time` at the top is the time of all values: Unix seconds, Unix milliseconds (above 1e11) or an RFC 3339 text with
//!   its offset. Without it the values are from now, and the payload has no identity: sent twice, it counts twice.
//! * `null`, arrays, deeper groups and texts over 255 bytes are left out and counted; a payload with nothing else is refused.
//! * Bytes outside `[A-Za-z0-9._-]` in a name become `_`.
//! * A name of the registry has the registry's unit; any other becomes a signal of its own without a unit.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use halo_proto::registry;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::decimal::{self, Decimal};
use super::readings::{Point, Readings, SIGNALS_MAX, SignalRef, TEXT_BYTES_MAX, Text, Unreadable};
use crate::record::Name;

/// Most fields of one object, values or not.
const FIELDS_MAX: usize = 256;
/// Most texts of one payload.
const TEXTS_MAX: usize = 64;
/// Above this, a number in `time` is milliseconds (1e11 s is the year 5138, 1e11 ms is 1973).
const SECONDS_MAX: i64 = 100_000_000_000;

/// Reads a flat JSON object; `arrival_ms` (Unix) stands in for a missing time.
pub(super) fn read(payload: &[u8], arrival_ms: i64, out: &mut Readings) -> Result<(), Unreadable> {
    let fields = object(payload)?;
    let time = fields.iter().find(|(name, _)| name == "time");
    let time_ms = time.map(|(_, value)| time_of(value.get())).transpose()?;
    out.timed = time_ms.is_some();
    let mut reader = Reader { at_ms: time_ms.unwrap_or(arrival_ms), fields: Vec::new(), out };
    for (name, value) in fields.iter().filter(|(name, _)| name != "time") {
        match value.get().as_bytes().first() {
            Some(b'{') => {
                for (inner, value) in &object(value.get().as_bytes())? {
                    reader.value(format!("{name}.{inner}"), value.get())?;
                }
            }
            _ => reader.value(name.clone().into_owned(), value.get())?,
        }
    }
    Ok(())
}

struct Reader<'a> {
    at_ms: i64,
    /// Signal and the field it came from, to tell when two fields are one signal.
    fields: Vec<(Name, String)>,
    out: &'a mut Readings,
}

impl Reader<'_> {
    fn value(&mut self, field: String, json: &str) -> Result<(), Unreadable> {
        match json.as_bytes().first() {
            Some(b'"') => self.text(field, json),
            Some(b't') => self.number(field, Decimal::of(1, 0)),
            Some(b'f') => self.number(field, Decimal::of(0, 0)),
            Some(b'n' | b'[' | b'{') | None => {
                self.out.ignored += 1;
                Ok(())
            }
            Some(_) => {
                let value = Decimal::parse(json);
                let value = value.map_err(|source| Unreadable::Number { field: field.clone(), source })?;
                self.number(field, value)
            }
        }
    }

    fn number(&mut self, field: String, value: Decimal) -> Result<(), Unreadable> {
        if self.out.series.len() == SIGNALS_MAX {
            return Err(Unreadable::TooMany { what: "signals", max: SIGNALS_MAX });
        }
        let name = self.claim(field)?;
        let signal = signal(name, value.scale());
        let raw = value.in_units(value.scale()).unwrap_or_default();
        self.out.push_series(Arc::new(signal), [Point { device_ms: self.at_ms, event_ms: self.at_ms, raw }]);
        Ok(())
    }

    fn text(&mut self, field: String, json: &str) -> Result<(), Unreadable> {
        let value: String = serde_json::from_str(json).map_err(|error| Unreadable::Json(error.to_string()))?;
        if value.len() > TEXT_BYTES_MAX {
            self.out.ignored += 1;
            return Ok(());
        }
        if self.out.texts.len() == TEXTS_MAX {
            return Err(Unreadable::TooMany { what: "texts", max: TEXTS_MAX });
        }
        let key = self.claim(field)?;
        self.out.texts.push(Text { key, value, event_ms: self.at_ms });
        Ok(())
    }

    /// The signal name of a field, if no other field has it.
    fn claim(&mut self, field: String) -> Result<Name, Unreadable> {
        let name = signal_name(&field)?;
        if let Some((_, first)) = self.fields.iter().find(|(taken, _)| *taken == name) {
            return Err(Unreadable::Twice { name, first: first.clone(), second: field });
        }
        self.fields.push((name.clone(), field));
        Ok(name)
    }
}

/// A signal's name from whatever the sender calls it: bytes outside `[A-Za-z0-9._-]` become `_`.
pub(super) fn signal_name(field: &str) -> Result<Name, Unreadable> {
    let keep = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let name: String = field.chars().map(keep).collect();
    if name.is_empty() || name.len() > 64 {
        return Err(Unreadable::Name { got: field.chars().take(80).collect() });
    }
    Ok(name.into())
}

/// A signal with values in steps of 10^-`scale`; known names get the registry's unit and plausible range.
pub(super) fn signal(name: Name, scale: u8) -> SignalRef {
    let mut signal = unknown_signal(name, decimal::den(scale));
    if let Some(known) = registry::signal_named(&signal.name) {
        signal.adopt(known);
    }
    signal
}

/// A signal only its sender knows.
pub(super) fn unknown_signal(name: Name, den: u32) -> SignalRef {
    SignalRef {
        name,
        unit: "".into(),
        num: 1,
        den,
        min: None,
        max: None,
        step_max: None,
        metric: None,
        nature: registry::Nature::Level,
    }
}

/// Unix milliseconds of a `time` field.
fn time_of(json: &str) -> Result<i64, Unreadable> {
    let wrong = || Unreadable::Time { got: json.chars().take(64).collect() };
    if json.starts_with('"') {
        let text: String = serde_json::from_str(json).map_err(|_| wrong())?;
        return text.parse::<jiff::Timestamp>().map(|time| time.as_millisecond()).map_err(|_| wrong());
    }
    let number = Decimal::parse(json).map_err(|_| wrong())?;
    let whole = number.times_power_rounded(0).ok_or_else(wrong)?;
    let places = if whole.saturating_abs() > SECONDS_MAX { 0 } else { 3 };
    let ms = number.times_power_rounded(places).ok_or_else(wrong)?;
    if ms.saturating_abs() > SECONDS_MAX * 1000 { Err(wrong()) } else { Ok(ms) }
}

type Fields<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// The fields of one object, in order, values still as written.
fn object(json: &[u8]) -> Result<Fields<'_>, Unreadable> {
    let Object(fields) = serde_json::from_slice(json).map_err(|error| Unreadable::Json(error.to_string()))?;
    Ok(fields)
}

struct Object<'a>(Fields<'a>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(Key(name)) = map.next_key()? {
            if fields.len() == FIELDS_MAX {
                return Err(A::Error::custom(format_args!("more than {FIELDS_MAX} fields in one object")));
            }
            fields.push((name, map.next_value()?));
        }
        Ok(Object(fields))
    }
}

/// A key, borrowed unless it holds an escape.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ARRIVAL_MS: i64 = 1_800_000_000_000;

    fn readings(json: &str) -> Result<Readings, Unreadable> {
        let mut out = Readings::default();
        read(json.as_bytes(), ARRIVAL_MS, &mut out).map(|()| out)
    }

    fn values(json: &str) -> Vec<(String, i64, u32, i64)> {
        let series = readings(json).unwrap().series;
        let value = |s: &super::super::readings::Series| {
            (s.signal.name.to_string(), s.points[0].raw, s.signal.den, s.points[0].event_ms)
        };
        series.iter().map(value).collect()
    }

    #[test]
    fn numbers_come_through_as_written() {
        assert_eq!(
            values(r#"{"x":72, "y": 72.5, "z":-1.5e2}"#),
            [("x".into(), 72, 1, ARRIVAL_MS), ("y".into(), 725, 10, ARRIVAL_MS), ("z".into(), -150, 1, ARRIVAL_MS)]
        );
    }

    #[test]
    fn a_name_of_the_registry_has_its_unit_and_range_in_the_steps_as_written() {
        let signal = |json: &str| SignalRef::clone(&readings(json).unwrap().series[0].signal);
        let heart_rate = signal(r#"{"heart_rate":72.5}"#);
        assert_eq!((&*heart_rate.unit, heart_rate.metric), ("/min", Some(1)));
        assert_eq!((heart_rate.den, heart_rate.min, heart_rate.max), (10, Some(200), Some(3000)));
        // The registry counts 0..=255 steps of 100/255 %.
        let throttle = signal(r#"{"throttle":50.25}"#);
        assert_eq!((throttle.den, throttle.min, throttle.max), (100, Some(0), Some(10_000)));
    }

    #[test]
    fn time_may_be_seconds_milliseconds_or_text() {
        let at = |time: &str| values(&format!(r#"{{"x":1,"time":{time}}}"#))[0].3;
        assert_eq!(at("1276020076.001"), 1_276_020_076_001);
        assert_eq!(at("1276020076"), 1_276_020_076_000);
        assert_eq!(at("1.276020076e9"), 1_276_020_076_000);
        assert_eq!(at("1276020076001"), 1_276_020_076_001);
        assert_eq!(at(r#""2026-11-21T19:48:00.250Z""#), 1_795_290_480_250);
        assert_eq!(at(r#""2026-11-21T20:48:00.250+01:00""#), 1_795_290_480_250);
        assert_eq!(at("0"), 0);
        assert_eq!(at("-1.5"), -1500);
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        for time in [r#""yesterday""#, r#""2026-11-21T19:48:00""#, "null", "true", "[1]", "1e15", "1e40", "{}"] {
            let error = readings(&format!(r#"{{"x":1,"time":{time}}}"#)).unwrap_err();
            assert!(matches!(error, Unreadable::Time { .. }), "{time}: {error}");
        }
    }

    #[test]
    fn only_a_payload_with_time_is_timed() {
        assert!(readings(r#"{"x":1,"time":5}"#).unwrap().timed);
        assert!(!readings(r#"{"x":1}"#).unwrap().timed);
    }

    #[test]
    fn truth_is_one_text_is_text_and_null_is_left_out() {
        let out = readings(r#"{"on":true,"off":false,"state":"idle","none":null,"list":[1,2]}"#).unwrap();
        let raws: Vec<i64> = out.series.iter().map(|series| series.points[0].raw).collect();
        assert_eq!(raws, [1, 0]);
        assert_eq!(out.texts, [Text { key: "state".into(), value: "idle".into(), event_ms: ARRIVAL_MS }]);
        assert_eq!(out.ignored, 2);
    }

    #[test]
    fn one_level_of_grouping_joins_with_a_dot() {
        let json = r#"{"engine":{"rpm":800,"oil":{"deep":1},"time":3}}"#;
        assert_eq!(values(json), [("engine.rpm".into(), 800, 1, ARRIVAL_MS), ("engine.time".into(), 3, 1, ARRIVAL_MS)]);
        assert_eq!(readings(json).unwrap().ignored, 1);
    }

    #[test]
    fn names_outside_the_grammar_are_mapped_into_it() {
        assert_eq!(values(r#"{"Room Temp (°C)":1,"a\u0041":2}"#)[0].0, "Room_Temp___C_");
        assert!(matches!(readings(r#"{"":1}"#), Err(Unreadable::Name { .. })));
        assert!(matches!(readings(&format!(r#"{{"{}":1}}"#, "x".repeat(65))), Err(Unreadable::Name { .. })));
        let error = readings(r#"{"a b":1,"a_b":2}"#).unwrap_err();
        assert!(matches!(error, Unreadable::Twice { .. }), "{error}");
        assert!(matches!(readings(r#"{"a":1,"a":2}"#), Err(Unreadable::Twice { .. })));
    }

    #[test]
    fn a_number_too_large_names_its_field() {
        let error = readings(r#"{"big":1234567890123456789}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "field big: number 1234567890123456789 has more than 18 digits before its decimal point"
        );
    }

    #[test]
    fn more_than_64_signals_are_refused() {
        let json = |n: usize| {
            let fields: Vec<String> = (0..n).map(|i| format!("\"s{i}\":{i}")).collect();
            format!("{{{}}}", fields.join(","))
        };
        assert_eq!(values(&json(64)).len(), 64);
        assert!(matches!(readings(&json(65)), Err(Unreadable::TooMany { .. })));
        assert!(matches!(readings(&json(300)), Err(Unreadable::Json(_))));
    }

    #[test]
    fn broken_json_says_where() {
        let error = readings(r#"{"x":1,}"#).unwrap_err();
        assert!(error.to_string().contains("line 1 column 8"), "{error}");
        assert!(matches!(readings(r#"{"x":1} {"#), Err(Unreadable::Json(_))));
        assert!(matches!(readings(r#"{"x":NaN}"#), Err(Unreadable::Json(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_give_readings_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut out = Readings::default();
            drop(read(&bytes, ARRIVAL_MS, &mut out));
        }

        #[test]
        fn any_nearly_json_gives_readings_or_an_error(json in r#"\{("[a-z]{0,3}":(-?[0-9]{1,20}(\.[0-9]{1,20})?(e-?[0-9]{1,4})?|"[^"]{0,4}"|\{"b":[0-9]\}|\[\]|null|true),?){0,5}\}"#) {
            let mut out = Readings::default();
            drop(read(json.as_bytes(), ARRIVAL_MS, &mut out));
        }
    }
}
