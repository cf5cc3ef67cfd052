//! Times as people type them.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};

/// A point in time, or how long before or after now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum When {
    /// Unix milliseconds.
    At(i64),
    /// Milliseconds from now on; negative ones lie behind.
    FromNow(i64),
}

impl When {
    /// Unix milliseconds, when it is `now_ms`.
    pub(crate) fn at(self, now_ms: i64) -> i64 {
        match self {
            Self::At(ms) => ms,
            Self::FromNow(ms) => now_ms.saturating_add(ms),
        }
    }
}

/// Reads RFC 3339, a date and time or a day in UTC, `now`, `now-6h`, `now+10m`.
pub(crate) fn parse(text: &str) -> Result<When, String> {
    let wanted =
        || format!("{text:?} is no time such as 2026-11-21T08:30:00Z, 2026-11-21 (midnight, UTC), now or now-6h");
    if let Some(rest) = text.strip_prefix("now") {
        let ms = |text: &str| {
            // A day is 24 hours here: what is asked for is a length, not a date.
            let span = text.parse::<Span>().ok()?;
            let long = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
            i64::try_from(long.as_millis()).ok()
        };
        return match (rest.chars().next(), rest.get(1..).map(str::trim)) {
            (None, _) => Ok(When::FromNow(0)),
            (Some('-'), Some(by)) => ms(by).map(|ms| When::FromNow(-ms)).ok_or_else(wanted),
            (Some('+'), Some(by)) => ms(by).map(When::FromNow).ok_or_else(wanted),
            _ => Err(wanted()),
        };
    }
    let utc = |time: DateTime| time.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    let time = text.parse::<Timestamp>().or_else(|_| match text.parse::<Date>() {
        Ok(day) if !text.contains(['T', 't', ' ']) => utc(day.at(0, 0, 0, 0)),
        _ => text.parse::<DateTime>().and_then(utc),
    });
    time.map(|time| When::At(time.as_millisecond())).map_err(|_| wanted())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_type_them() {
        let noon = 1_795_262_400_000;
        assert_eq!(parse("2026-11-21T12:00:00Z"), Ok(When::At(noon)));
        assert_eq!(parse("2026-11-21T13:00:00+01:00"), Ok(When::At(noon)));
        assert_eq!(parse("2026-11-21T12:00:00"), Ok(When::At(noon)), "without a zone it is UTC");
        assert_eq!(parse("2026-11-21 12:00"), Ok(When::At(noon)));
        assert_eq!(parse("2026-11-21"), Ok(When::At(noon - 12 * 3_600_000)));
        assert_eq!(parse("now").map(|it| it.at(noon)), Ok(noon));
        assert_eq!(parse("now-6h").map(|it| it.at(noon)), Ok(noon - 6 * 3_600_000));
        assert_eq!(parse("now-7d").map(|it| it.at(noon)), Ok(noon - 7 * 86_400_000));
        for wrong in ["", "yesterday", "now-", "now*2h", "2026-13-01", "12:00"] {
            let why = parse(wrong).unwrap_err();
            assert!(why.contains(&format!("{wrong:?}")) && why.contains("now-6h"), "{why}");
        }
    }
}
