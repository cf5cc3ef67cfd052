//! The only place that asks the operating system for the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::record::GatewayTime;

/// Time since this call, as fine as the system has it: for what measures the machine itself.
#[expect(clippy::disallowed_methods, reason = "this file is the one clock")]
pub(crate) fn stopwatch() -> impl Fn() -> Duration {
    let start = Instant::now();
    move || start.elapsed()
}

/// A source of gateway time: wall clock and monotonic clock read together. Clones share one time line.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    /// Added to the monotonic hand, so that the time line of a log goes on across restarts.
    mono_base_ms: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
enum Source {
    System { start: Instant },
    Manual(Arc<Hands>),
}

#[derive(Debug)]
struct Hands {
    wall_ms: AtomicI64,
    mono_ms: AtomicU64,
}

impl Clock {
    /// The machine's clocks; monotonic time counts from this call.
    #[expect(clippy::disallowed_methods, reason = "this file is the one clock")]
    pub fn system() -> Self {
        Self::from_source(Source::System { start: Instant::now() })
    }

    /// A clock that stands still until [`Clock::advance`] or [`Clock::step_wall`] moves it; clones share it.
    pub fn manual(at: GatewayTime) -> Self {
        Self::from_source(Source::Manual(Arc::new(Hands {
            wall_ms: AtomicI64::new(at.wall_ms),
            mono_ms: AtomicU64::new(at.mono_ms),
        })))
    }

    fn from_source(source: Source) -> Self {
        Self { source, mono_base_ms: Arc::default() }
    }

    /// Continues the monotonic time line of a log whose newest record is stamped `last`: the pause counts as the
    /// wall clock's difference, never less than nothing (LOG.md, "Time").
    pub fn continue_from(&self, last: GatewayTime) {
        let now = self.now();
        let pause_ms = u64::try_from(now.wall_ms.saturating_sub(last.wall_ms)).unwrap_or(0);
        let base_ms = last.mono_ms.saturating_add(pause_ms).saturating_sub(now.mono_ms);
        self.mono_base_ms.fetch_add(base_ms, Ordering::Relaxed);
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "this file is the one clock")]
    pub fn now(&self) -> GatewayTime {
        let (wall_ms, mono_ms) = match &self.source {
            Source::System { start } => {
                (unix_ms(SystemTime::now()), u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX))
            }
            Source::Manual(hands) => (hands.wall_ms.load(Ordering::Relaxed), hands.mono_ms.load(Ordering::Relaxed)),
        };
        GatewayTime { wall_ms, mono_ms: mono_ms.saturating_add(self.mono_base_ms.load(Ordering::Relaxed)) }
    }

    /// Moves a manual clock forward on both hands; a system clock moves by itself.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(hands) = &self.source {
            let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            hands.mono_ms.fetch_add(ms, Ordering::Relaxed);
            hands.wall_ms.fetch_add(i64::try_from(ms).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    /// Steps the wall hand of a manual clock, as NTP or an operator would; monotonic time does not notice.
    pub fn step_wall(&self, by_ms: i64) {
        if let Source::Manual(hands) = &self.source {
            hands.wall_ms.fetch_add(by_ms, Ordering::Relaxed);
        }
    }
}

fn unix_ms(at: SystemTime) -> i64 {
    match at.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_time_line_goes_on_across_a_restart_by_the_wall_difference() {
        let clock = Clock::manual(GatewayTime { wall_ms: 10_000, mono_ms: 0 });
        clock.continue_from(GatewayTime { wall_ms: 4_000, mono_ms: 500 });
        assert_eq!(clock.now(), GatewayTime { wall_ms: 10_000, mono_ms: 6_500 });
    }

    #[test]
    fn a_wall_clock_set_back_during_the_pause_counts_as_no_time() {
        let clock = Clock::manual(GatewayTime { wall_ms: 1_000, mono_ms: 7 });
        clock.continue_from(GatewayTime { wall_ms: 4_000, mono_ms: 500 });
        assert_eq!(clock.now().mono_ms, 500);
    }

    #[test]
    fn the_hands_of_a_manual_clock_are_shared_by_its_clones() {
        let clock = Clock::manual(GatewayTime::default());
        let twin = clock.clone();
        clock.advance(Duration::from_millis(20));
        twin.step_wall(-5);
        assert_eq!(clock.now(), GatewayTime { wall_ms: 15, mono_ms: 20 });
    }
}
