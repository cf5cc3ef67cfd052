//! The one clock of the bench.

use std::time::{Duration, Instant};

/// A pass lasts at least this long, so that the clock's own cost and grain do not count.
const PASS: Duration = Duration::from_millis(40);
const PASSES: usize = 7;

/// Nanoseconds of one call of `work`: the fastest of several passes, since everything else on the machine only adds.
#[expect(clippy::disallowed_methods, reason = "a stopwatch, not a part of the program")]
pub(crate) fn nanoseconds(mut work: impl FnMut()) -> f64 {
    let mut pass = |rounds: u32| {
        let start = Instant::now();
        (0..rounds).for_each(|_| work());
        start.elapsed()
    };
    let mut rounds = 1;
    while pass(rounds) < PASS {
        rounds *= 2;
    }
    let fastest = (0..PASSES).map(|_| pass(rounds)).min().unwrap_or_default();
    fastest.as_nanos() as f64 / f64::from(rounds)
}
