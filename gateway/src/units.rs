//! Durations, sizes and times as people write and read them.

pub(crate) mod when;

use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;
use jiff::SignedDuration;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Reads a configuration value such as `"20s"`.
///
/// # Errors
/// As [`parse_duration`]; whoever reads the document adds the key.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(DurationText)
}

/// The same where a value may be missing.
///
/// # Errors
/// As [`duration`].
pub fn some_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

struct DurationText;

impl Visitor<'_> for DurationText {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"20s\", \"5m\" or \"1h 30m\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse_duration(text).map_err(E::custom)
    }
}

/// Parses `20s`, `1h 30m`, `500ms`.
///
/// # Errors
/// A sentence that shows the text and the form wanted.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wanted = || format!("{text:?} is not a duration such as \"20s\", \"5m\" or \"1h 30m\"");
    let signed: SignedDuration = text.parse().map_err(|_| wanted())?;
    Duration::try_from(signed).map_err(|_| wanted())
}

/// Reads a configuration value such as `"10GB"` or a number of bytes.
///
/// # Errors
/// A sentence that shows the value and the form wanted; whoever reads the document adds the key.
pub fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Size)
}

struct Size;

impl Visitor<'_> for Size {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as \"512MB\", \"10GiB\" or a number of bytes")
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<u64, E> {
        Ok(bytes)
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<u64, E> {
        u64::try_from(bytes).map_err(|_| E::invalid_value(Unexpected::Signed(bytes), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        let wanted = "is not a size such as \"512MB\", \"10GiB\" or a number of bytes";
        text.parse::<ByteSize>().map(|size| size.as_u64()).map_err(|_| E::custom(format!("{text:?} {wanted}")))
    }
}

/// `1 segment`, `2 segments`, `0 segments`: `one` is the word for one of them.
pub fn count(n: u64, one: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {one}{plural}")
}

/// `6 h 20 min`, `12 d 3 h`, `45 s`: the two largest units.
pub fn render_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

/// `1.5 GB`: decimal units.
pub fn render_size(bytes: u64) -> String {
    ByteSize(bytes).display().si().to_string()
}

/// `1.6 GB`: as [`render_size`], rounded up, so that what is shown is never less than what is meant.
pub fn render_size_up(bytes: u64) -> String {
    let step = 10_u64.pow(bytes.max(10).ilog10() / 3 * 3).max(10) / 10;
    render_size(bytes.div_ceil(step).saturating_mul(step))
}

/// A text that is never shown: a password.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// What it is.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_they_are_meant_and_wrong_ones_say_what_is_wanted() {
        assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_secs(5_400)));
        assert!(parse_duration("soon").unwrap_err().contains("\"soon\" is not a duration"));
    }

    #[test]
    fn a_duration_shows_its_two_largest_units() {
        let shown = [45, 61, 22_800, 1_047_600].map(|s| render_duration(Duration::from_secs(s)));
        assert_eq!(shown, ["45 s", "1 min", "6 h 20 min", "12 d 3 h"]);
    }

    #[test]
    fn one_thing_is_not_told_as_many() {
        assert_eq!([0, 1, 2].map(|n| count(n, "frame")), ["0 frames", "1 frame", "2 frames"]);
    }

    #[test]
    fn a_size_that_is_to_suffice_is_rounded_up() {
        for (bytes, shown) in
            [(21_610_001, "21.7 MB"), (21_600_000, "21.6 MB"), (1_000_000_001, "1.1 GB"), (999, "999 B")]
        {
            assert_eq!(render_size_up(bytes), shown);
        }
    }

    #[test]
    fn sizes_are_numbers_of_bytes_or_numbers_with_a_unit() {
        #[derive(Deserialize)]
        struct It {
            #[serde(deserialize_with = "size")]
            max: u64,
        }
        let read = |text: &str| toml::from_str::<It>(text).map(|it| it.max);
        assert_eq!(read("max = 4096").unwrap(), 4_096);
        assert_eq!(read("max = \"10GB\"").unwrap(), 10_000_000_000);
        assert_eq!(read("max = \"1MiB\"").unwrap(), 1 << 20);
        assert!(read("max = \"much\"").unwrap_err().to_string().contains("\"much\" is not a size"));
    }
}
