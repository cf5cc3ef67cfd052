//! How long to wait before the next attempt.

use std::time::Duration;

/// Longest pause after the first failure.
const FIRST: Duration = Duration::from_secs(1);

/// Exponential, with full jitter, capped: the n-th pause is anything up to 2^n s, so that a thousand gateways whose
/// broker comes back do not come back in one second.
#[derive(Debug)]
pub(super) struct Backoff {
    longest: Duration,
    ceiling: Duration,
}

impl Backoff {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, ceiling: FIRST.min(longest) }
    }

    /// The next pause; `jitter` is anything, evenly spread.
    pub(super) fn next(&mut self, jitter: u32) -> Duration {
        let pause = self.ceiling.mul_f64(f64::from(jitter) / f64::from(u32::MAX));
        self.ceiling = (self.ceiling * 2).min(self.longest);
        pause
    }

    /// A connection held for long enough to be called a success: `lasted` at least the longest pause. One that is kicked
    /// right after each connect must not come back at full speed.
    pub(super) fn lasted(&mut self, lasted: Duration) {
        if lasted >= self.longest {
            *self = Self::new(self.longest);
        }
    }
}

/// Evenly spread bits; a system that has none to give gets the longest pause.
pub(super) fn jitter() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_spread_over_all_shorter_ones() {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        let most: Vec<_> = (0..6).map(|_| backoff.next(u32::MAX).as_secs()).collect();
        assert_eq!(most, [1, 2, 4, 8, 10, 10]);
        assert_eq!(backoff.next(0), Duration::ZERO);
        assert_eq!(backoff.next(u32::MAX / 2).as_millis(), 4_999);
    }

    #[test]
    fn only_a_connection_that_lasted_starts_the_pauses_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        (0..5).for_each(|_| assert_eq!(backoff.next(0), Duration::ZERO));
        backoff.lasted(Duration::from_secs(9));
        assert_eq!(backoff.next(u32::MAX).as_secs(), 10);
        backoff.lasted(Duration::from_secs(10));
        assert_eq!(backoff.next(u32::MAX).as_secs(), 1);
    }
}
