//! Quiet hours as a setting: `quiet = "22:00-07:00"`, in the subject's own time zone.

/// The setting.
pub const QUIET: &str = "quiet";

/// From and until, minutes of the day; none of what is no quiet hours.
pub fn parse(text: &str) -> Option<(i64, i64)> {
    let (from, until) = text.split_once('-')?;
    Some((minute(from.trim())?, minute(until.trim())?))
}

fn minute(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    let [hour, minute]: [u8; 2] = [hour.parse().ok()?, minute.parse().ok()?];
    (hour < 24 && minute < 60).then(|| i64::from(hour) * 60 + i64::from(minute))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_across_midnight_and_nonsense_is_none() {
        assert_eq!(parse("22:00-07:30"), Some((1320, 450)));
        assert_eq!(parse(" 00:00 - 23:59 "), Some((0, 1439)));
        for nonsense in ["", "22-7", "24:00-07:00", "22:60-07:00", "always", "22:00"] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }
}
