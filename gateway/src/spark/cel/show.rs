//! Values as text.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use super::error::Reason;
use super::types::Kind;
use super::value::Value;

/// Doubles in the fewest digits that read back the same, times as RFC 3339, spans as `1h 30m`.
///
/// # Errors
/// A record, a list, a time that no calendar has.
pub(in crate::spark) fn show<'a>(value: &Value<'a>) -> Result<Cow<'a, str>, Reason> {
    Ok(match value {
        Value::Text(text) => text.clone(),
        Value::Bool(true) => Cow::Borrowed("true"),
        Value::Bool(false) => Cow::Borrowed("false"),
        Value::Int(number) => Cow::Owned(number.to_string()),
        Value::Double(number) => Cow::Owned(double(*number)),
        Value::Time(ms) => Cow::Owned(Timestamp::from_millisecond(*ms).map_err(|_| Reason::Overflow)?.to_string()),
        Value::Span(ms) => Cow::Owned(format!("{:#}", SignedDuration::from_millis(*ms))),
        other => return Err(Reason::WrongType { wanted: Kind::Scalar, got: other.kind() }),
    })
}

fn double(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || !number.is_finite() || (1e-6..1e17).contains(&size) {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}
