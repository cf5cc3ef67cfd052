//! How long to wait before the next try: anything up to a bound that doubles, so that a fleet of gateways comes back
//! spread out, and that falls back only once data has flowed for a while: a broker that accepts and then throws out is no
//! success.

use std::time::Duration;

/// Data has to flow this long before the bound falls back, milliseconds.
const PROVEN_MS: u64 = 10_000;
/// Never less, so that a wait of nothing is no busy loop.
const LEAST: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    bound: Duration,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, bound: min }
    }

    /// Data flowed for so long.
    pub(super) fn flowed(&mut self, for_ms: u64) {
        if for_ms >= PROVEN_MS {
            self.bound = self.min;
        }
    }

    /// The next wait; `random` is anything.
    pub(super) fn next(&mut self, random: u64) -> Duration {
        let micros = u64::try_from(self.bound.as_micros()).unwrap_or(u64::MAX).max(1);
        self.bound = (self.bound * 2).min(self.max);
        Duration::from_micros(random % micros).max(LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn the_bound_doubles_up_to_its_most_and_every_wait_is_below_it() {
        let mut backoff = Backoff::new(Duration::from_millis(500), secs(60));
        let waits: Vec<Duration> = (0..12).map(|_| backoff.next(u64::MAX)).collect();
        assert!(waits[0] < Duration::from_millis(500) && waits[11] < secs(60));
        assert_eq!(backoff.bound, secs(60));
        assert!(backoff.next(0) >= LEAST);
    }

    #[test]
    fn a_connection_that_was_thrown_out_soon_does_not_reset_it() {
        let mut backoff = Backoff::new(secs(1), secs(60));
        for _ in 0..4 {
            backoff.next(7);
            backoff.flowed(9_999);
        }
        assert_eq!(backoff.bound, secs(16));
        backoff.flowed(10_000);
        assert_eq!(backoff.bound, secs(1));
    }
}
