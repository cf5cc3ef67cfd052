//! The one place of the tests that asks for the time, and waits that have an end.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Failure;

/// Between two looks at something that cannot be waited for by itself, such as a file another process makes.
const LOOK_EVERY: Duration = Duration::from_millis(2);

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
