//! The one place of the tests that asks for the time, and waits that have an end.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Failure;

/// Between two looks at something that cannot be waited for by itself, such as a file another process makes.
const LOOK_EVERY: Duration = Duration::from_millis(2);

const HOUR_MS: i64 = 3_600_000;

/// Counts from its making; never steps.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// A stopwatch that runs.
    #[expect(
        clippy::disallowed_methods,
        clippy::new_without_default,
        reason = "this file is the one clock; it starts something"
    )]
    pub fn new() -> Self {
        Self(Instant::now())
    }

    /// Time since it was made.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "this file is the one clock")]
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The name of the time zone in which it is this hour of the day now: for what is counted by days, at whatever hour it is
/// played.
pub fn zone_where_it_is(hour: i64) -> String {
    zone_where_it_was(hour, unix_ms())
}

fn zone_where_it_was(hour: i64, at_ms: i64) -> String {
    // From 11 hours behind UTC to 12 ahead of it; the names count the other way.
    let ahead = (hour - at_ms.div_euclid(HOUR_MS) + 11).rem_euclid(24) - 11;
    format!("Etc/GMT{:+}", -ahead)
}

/// Looks again and again until `look` finds something, at most for `patience`.
///
/// # Errors
/// `what` never came.
pub fn until<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T, Failure> {
    let watch = Stopwatch::new();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if watch.elapsed() > patience {
            return Err(format!("{what} did not come within {patience:?}").into());
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Lets the world go on for a while: for what is measured over time, and for moments drawn at random.
pub fn pass(time: Duration) {
    thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn it_is_any_hour_of_the_day_somewhere_at_any_hour() {
        for (now, wanted) in (0..24).flat_map(|now| (0..24).map(move |wanted| (now, wanted))) {
            let at_ms = 1_795_219_200_000 + now * HOUR_MS + 1;
            let there = Timestamp::from_millisecond(at_ms).unwrap().in_tz(&zone_where_it_was(wanted, at_ms)).unwrap();
            assert_eq!(i64::from(there.hour()), wanted, "{there}, at {now} UTC");
        }
    }
}
