//! How numbers, times and tables are written.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// Doubles below this are exact as integers (2^53).
const INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

/// Writes a document; ours always can be.
pub(super) fn document(value: &impl Serialize) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    append(&mut out, value);
    out.into()
}

/// Writes a document, or a part of one, behind what is there.
pub(super) fn append(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) {
    if let Err(error) = serde_json::to_writer(out, value) {
        unreachable!("writing string keys and finite numbers to memory cannot fail: {error}");
    }
}

/// Writes a string behind what is there. Names and units hold nothing that has to be escaped, which is soon known.
pub(super) fn append_text(out: &mut Vec<u8>, text: &str) {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if !text.bytes().all(is_plain) {
        return append(out, text);
    }
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// A finite number, without a fraction where it has none.
#[derive(Clone, Copy)]
pub(crate) struct Number(pub(crate) f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() < INTEGER_MAX {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

/// `raw × num / den`: an exact integer where it is one, else the nearest double.
#[derive(Clone, Copy)]
pub(crate) struct Scaled {
    pub(crate) raw: i64,
    pub(crate) num: u32,
    pub(crate) den: u32,
}

impl Scaled {
    /// The nearest double.
    pub(super) fn get(self) -> f64 {
        self.raw as f64 * f64::from(self.num) / f64::from(self.den.max(1))
    }
}

impl Serialize for Scaled {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (product, den) = (i128::from(self.raw) * i128::from(self.num), i128::from(self.den.max(1)));
        match i64::try_from(product / den) {
            Ok(whole) if product % den == 0 => serializer.serialize_i64(whole),
            _ => serializer.serialize_f64(product as f64 / den as f64),
        }
    }
}

/// Unix milliseconds as RFC 3339 in UTC; outside of the years −9999 to 9999 the nearest there is.
#[derive(Clone, Copy)]
pub(crate) struct Time(pub(crate) i64);

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nearest = if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let time = Timestamp::from_millisecond(self.0).unwrap_or(nearest);
        write!(out, "{time:.3}")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An object whose keys are data, in the order given.
pub(super) struct Table<'a, T>(pub(super) Vec<(&'a str, T)>);

impl<T: Serialize> Serialize for Table<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &impl Serialize) -> String {
        String::from_utf8(document(value).to_vec()).unwrap()
    }

    #[test]
    fn numbers_are_short_and_read_back_equal() {
        let scaled = |raw, num, den| text(&Scaled { raw, num, den });
        assert_eq!(scaled(72, 1, 1), "72");
        assert_eq!(scaled(3661, 1, 100), "36.61");
        assert_eq!(scaled(725, 1, 10), "72.5");
        assert_eq!(scaled(-51, 100, 255), "-20");
        assert_eq!(scaled(i64::MAX, 1, 1), i64::MAX.to_string());
        assert_eq!(scaled(i64::MIN, u32::MAX, 1), "-3.9614081247908797e+28");
        assert_eq!(
            [0.1 + 0.2, 72.0, -0.0, 1e300].map(|x| text(&Number(x))),
            ["0.30000000000000004", "72", "0", "1e+300"]
        );
        for raw in 0..=255 {
            let value: f64 = scaled(raw, 100, 255).parse().unwrap();
            assert_eq!((value * 255.0 / 100.0).round() as i64, raw);
        }
    }

    #[test]
    fn a_string_is_written_as_json_whatever_it_holds() {
        for plain in ["", "heart_rate", "{flight}", "°C", "a\"b", "a\\b", "a\nb", "\u{1f}", "\u{7f}"] {
            let mut out = b"before".to_vec();
            append_text(&mut out, plain);
            assert_eq!(String::from_utf8(out).unwrap(), format!("before{}", text(&plain)));
        }
    }

    #[test]
    fn times_have_milliseconds_and_a_zone() {
        assert_eq!(text(&Time(1_795_290_480_250)), "\"2026-11-21T19:48:00.250Z\"");
        assert_eq!(text(&Time(-1)), "\"1969-12-31T23:59:59.999Z\"");
        assert!(
            text(&Time(i64::MAX)).starts_with("\"9999-12-30") && text(&Time(i64::MIN)).starts_with("\"-009999-01-0")
        );
    }
}
