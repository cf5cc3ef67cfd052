//! Functions: their names, what they take and give, and what they do.

use std::cmp::Ordering;

use jiff::{SignedDuration, Timestamp};

use super::code::Constant;
use super::error::Reason;
use super::show::show;
use super::types::{Kind, Type};
use super::value::Value;

/// Mean radius of the earth in metres (IUGG), of the sphere that `distance_m` goes over.
const EARTH_RADIUS_M: f64 = 6_371_008.8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Int,
    Double,
    String,
    Duration,
    Timestamp,
    Abs,
    Min,
    Max,
    /// Haversine on the sphere: within 0.56 % of the geodesic on the ellipsoid.
    DistanceM,
}

const NAMES: [(&str, Function); 13] = [
    ("size", Function::Size),
    ("contains", Function::Contains),
    ("startsWith", Function::StartsWith),
    ("endsWith", Function::EndsWith),
    ("int", Function::Int),
    ("double", Function::Double),
    ("string", Function::String),
    ("duration", Function::Duration),
    ("timestamp", Function::Timestamp),
    ("abs", Function::Abs),
    ("min", Function::Min),
    ("max", Function::Max),
    ("distance_m", Function::DistanceM),
];

/// Most values a function is of.
pub(super) const ARITY_MAX: usize = 4;

impl Function {
    /// By its name; a method is `text.contains(…)`. The error is a sentence.
    pub(super) fn find(name: &str, method: bool) -> Result<Self, String> {
        let found = NAMES.iter().find(|(known, _)| *known == name).map(|(_, function)| *function);
        match found {
            Some(function) if function.is_method() == method || function == Function::Size => Ok(function),
            Some(function) if function.is_method() => Err(format!("`{name}` is written behind a text: text.{name}(…)")),
            Some(_) => Err(format!("`{name}` is written before its values: {name}(…)")),
            None if name == "matches" => {
                Err("regular expressions are not supported: contains(), startsWith(), endsWith()".to_owned())
            }
            None => {
                let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
                Err(format!("there is no function `{name}`; there are {}", known.join(", ")))
            }
        }
    }

    fn is_method(self) -> bool {
        matches!(self, Self::Contains | Self::StartsWith | Self::EndsWith)
    }

    pub(super) fn arity(self) -> usize {
        match self {
            Self::Size | Self::Int | Self::Double | Self::String | Self::Duration | Self::Timestamp | Self::Abs => 1,
            Self::Contains | Self::StartsWith | Self::EndsWith | Self::Min | Self::Max => 2,
            Self::DistanceM => ARITY_MAX,
        }
    }

    /// Whether constant whole numbers become doubles.
    pub(super) fn takes_doubles(self) -> bool {
        self == Self::DistanceM
    }

    /// Whether a constant text is read when the expression is loaded.
    pub(super) fn is_read_at_load(self) -> bool {
        matches!(self, Self::Duration | Self::Timestamp)
    }

    /// See [`Self::is_read_at_load`]; the error is a sentence.
    pub(super) fn read_at_load(self, text: &Constant) -> Result<Constant, String> {
        match self.call(&[text.value()]) {
            Ok(Value::Span(ms)) => Ok(Constant::Span(ms)),
            Ok(Value::Time(ms)) => Ok(Constant::Time(ms)),
            _ if self == Self::Duration => Err("not a duration such as \"20s\", \"5m\" or \"1h 30m\"".to_owned()),
            _ => Err("not a time such as \"2026-05-01T12:00:00Z\"".to_owned()),
        }
    }

    /// The type of the result; none where it has no meaning for such values.
    pub(super) fn result(self, given: &[Type]) -> Option<Type> {
        use Type::{Bool, Double, Dyn, Int, List, Span, Text, Time};
        Some(match (self, given) {
            (Self::Size, [Text | List(_) | Dyn]) | (Self::Int, [Int | Double | Text | Time | Dyn]) => Int,
            (Self::Contains | Self::StartsWith | Self::EndsWith, [Text | Dyn, Text | Dyn]) => Bool,
            (Self::Double, [Int | Double | Text | Dyn]) => Double,
            (Self::String, [Bool | Int | Double | Text | Time | Span | Dyn]) => Text,
            (Self::Duration, [Text | Dyn]) => Span,
            (Self::Timestamp, [Text | Dyn]) => Time,
            (Self::Abs, [kind @ (Int | Double | Span | Dyn)]) => kind.clone(),
            (Self::Min | Self::Max, [one, two]) if one.fits(two) && one.has_order() && two.has_order() => {
                one.clone().joined(two.clone())
            }
            (Self::DistanceM, places) if places.iter().all(|one| one.fits(&Double)) => Double,
            _ => return None,
        })
    }

    /// The result, of as many values as [`Self::arity`] says.
    pub(super) fn call<'a>(self, given: &[Value<'a>]) -> Result<Value<'a>, Reason> {
        match (self, given) {
            (Self::Size, [Value::Text(text)]) => Ok(Value::Int(whole(text.chars().count()))),
            (Self::Size, [list]) => Ok(Value::Int(whole(list.length().ok_or(wrong(Kind::List, list))?))),
            (Self::Contains, [text, part]) => Ok(Value::Bool(as_text(text)?.contains(as_text(part)?))),
            (Self::StartsWith, [text, part]) => Ok(Value::Bool(as_text(text)?.starts_with(as_text(part)?))),
            (Self::EndsWith, [text, part]) => Ok(Value::Bool(as_text(text)?.ends_with(as_text(part)?))),
            (Self::Int, [value]) => to_int(value),
            (Self::Double, [value]) => to_double(value),
            (Self::String, [text @ Value::Text(_)]) => Ok(text.clone()),
            (Self::String, [value]) => Ok(Value::Text(show(value)?)),
            (Self::Duration, [text]) => to_span(as_text(text)?),
            (Self::Timestamp, [text]) => to_time(as_text(text)?),
            (Self::Abs, [value]) => magnitude(value),
            (Self::Min, [one, two]) => chosen(one, two, Ordering::Less),
            (Self::Max, [one, two]) => chosen(one, two, Ordering::Greater),
            (Self::DistanceM, [a, b, c, d]) => {
                let degrees = |value: &Value<'_>| value.as_double().ok_or(wrong(Kind::Number, value));
                distance_m([degrees(a)?, degrees(b)?], [degrees(c)?, degrees(d)?]).map(Value::Double)
            }
            (_, [first, ..]) => Err(wrong(Kind::Scalar, first)),
            (_, []) => Err(Reason::Overflow),
        }
    }
}

fn wrong(wanted: Kind, got: &Value<'_>) -> Reason {
    Reason::WrongType { wanted, got: got.kind() }
}

fn as_text<'v>(value: &'v Value<'_>) -> Result<&'v str, Reason> {
    match value {
        Value::Text(text) => Ok(text),
        other => Err(wrong(Kind::Text, other)),
    }
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Doubles are cut towards zero; a time is whole seconds since 1970.
fn to_int<'a>(value: &Value<'a>) -> Result<Value<'a>, Reason> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    match value {
        Value::Int(number) => Ok(Value::Int(*number)),
        Value::Double(number) if (-END..END).contains(number) => Ok(Value::Int(*number as i64)),
        Value::Double(_) => Err(Reason::Overflow),
        Value::Text(text) => text.parse().map(Value::Int).map_err(|_| Reason::Unreadable(Kind::Int)),
        Value::Time(ms) => Ok(Value::Int(ms.div_euclid(1_000))),
        other => Err(wrong(Kind::Number, other)),
    }
}

fn to_double<'a>(value: &Value<'a>) -> Result<Value<'a>, Reason> {
    match value {
        Value::Text(text) => text.parse().map(Value::Double).map_err(|_| Reason::Unreadable(Kind::Double)),
        other => other.as_double().map(Value::Double).ok_or(wrong(Kind::Number, other)),
    }
}

fn to_span<'a>(text: &str) -> Result<Value<'a>, Reason> {
    let span: SignedDuration = text.parse().map_err(|_| Reason::Unreadable(Kind::Span))?;
    i64::try_from(span.as_millis()).map(Value::Span).map_err(|_| Reason::Overflow)
}

fn to_time<'a>(text: &str) -> Result<Value<'a>, Reason> {
    let time: Timestamp = text.parse().map_err(|_| Reason::Unreadable(Kind::Time))?;
    Ok(Value::Time(time.as_millisecond()))
}

fn magnitude<'a>(value: &Value<'a>) -> Result<Value<'a>, Reason> {
    match value {
        Value::Int(number) => number.checked_abs().map(Value::Int).ok_or(Reason::Overflow),
        Value::Span(ms) => ms.checked_abs().map(Value::Span).ok_or(Reason::Overflow),
        Value::Double(number) => Ok(Value::Double(number.abs())),
        other => Err(wrong(Kind::Number, other)),
    }
}

/// The one that stands so to the other; the first where they are equal, and not a number where one is none.
fn chosen<'a>(one: &Value<'a>, two: &Value<'a>, wanted: Ordering) -> Result<Value<'a>, Reason> {
    let order = one.order(two).ok_or(Reason::WrongType { wanted: Kind::Alike, got: two.kind() })?;
    Ok(match order {
        None => Value::Double(f64::NAN),
        Some(order) if order == wanted || order == Ordering::Equal => one.clone(),
        Some(_) => two.clone(),
    })
}

/// With the functions of `libm`, which round alike on every machine.
fn distance_m([lat, lon]: [f64; 2], [other_lat, other_lon]: [f64; 2]) -> Result<f64, Reason> {
    let sound = |lat: f64, lon: f64| (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
    if !sound(lat, lon) || !sound(other_lat, other_lon) {
        return Err(Reason::NoPlace);
    }
    let half_chord = |degrees: f64| {
        let sine = libm::sin(degrees.to_radians() / 2.0);
        sine * sine
    };
    let across = libm::cos(lat.to_radians()) * libm::cos(other_lat.to_radians()) * half_chord(other_lon - lon);
    let square = (half_chord(other_lat - lat) + across).min(1.0);
    Ok(2.0 * EARTH_RADIUS_M * libm::asin(libm::sqrt(square)))
}
