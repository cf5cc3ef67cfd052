//! Durations and sizes as people write and read them.

use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;
use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Reads a configuration value such as `"20s"`.
///
/// # Errors
/// As [`parse_duration`].
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map_err(serde::de::Error::custom)
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
/// A sentence that shows the text and the form wanted.
pub fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Size {
        Bytes(u64),
        Text(String),
    }
    match Size::deserialize(deserializer)? {
        Size::Bytes(bytes) => Ok(bytes),
        Size::Text(text) => text.parse::<ByteSize>().map(|size| size.as_u64()).map_err(|_| {
            serde::de::Error::custom(format!(
                "{text:?} is not a size such as \"512MB\", \"10GiB\" or a number of bytes"
            ))
        }),
    }
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
