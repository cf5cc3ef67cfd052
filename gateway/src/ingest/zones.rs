//! Time zones by their IANA names, from the data compiled into this program and never from the machine's: the same
//! program folds the same days anywhere. Another release may have other data, for times its rules were changed for.

use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// Whether there is a zone of that name.
pub fn is_known(name: &str) -> bool {
    DATABASE.get(name).is_ok()
}

/// Local time minus UTC in that zone at a Unix time, both milliseconds; 0 where the zone or the time is not known.
pub fn offset_ms(name: &str, unix_ms: i64) -> i64 {
    let Ok(zone) = DATABASE.get(name) else { return 0 };
    let Ok(time) = Timestamp::from_millisecond(unix_ms) else { return 0 };
    i64::from(zone.to_offset(time).seconds()) * 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_summers_and_an_unknown_one_is_utc() {
        let (winter, summer) = (1_768_478_400_000, 1_784_116_800_000); // 15 January and 15 July 2026, noon
        assert_eq!([winter, summer].map(|at| offset_ms("Europe/Berlin", at)), [3_600_000, 7_200_000]);
        assert_eq!(offset_ms("Asia/Kathmandu", winter), 20_700_000);
        assert_eq!([i64::MIN, i64::MAX].map(|at| offset_ms("Europe/Berlin", at)), [0, 0]);
        assert!(is_known("UTC") && !is_known("Mars/Olympus") && !is_known(""));
        assert_eq!(offset_ms("Mars/Olympus", winter), 0);
    }
}
