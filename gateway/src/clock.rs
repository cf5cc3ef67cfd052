//! The only place that asks the operating system for the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::record::GatewayTime;

/// A source of gateway time: wall clock and monotonic clock read together.
#[derive(Clone, Debug)]
pub struct Clock(Source);

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
        Self(Source::System { start: Instant::now() })
    }

    /// A clock that stands still until [`Clock::advance`] or [`Clock::step_wall`] moves it; clones share it.
    pub fn manual(at: GatewayTime) -> Self {
        Self(Source::Manual(Arc::new(Hands {
            wall_ms: AtomicI64::new(at.wall_ms),
            mono_ms: AtomicU64::new(at.mono_ms),
        })))
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "this file is the one clock")]
    pub fn now(&self) -> GatewayTime {
        match &self.0 {
            Source::System { start } => GatewayTime {
                wall_ms: unix_ms(SystemTime::now()),
                mono_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
            },
            Source::Manual(hands) => GatewayTime {
                wall_ms: hands.wall_ms.load(Ordering::Relaxed),
                mono_ms: hands.mono_ms.load(Ordering::Relaxed),
            },
        }
    }

    /// Moves a manual clock forward on both hands; a system clock moves by itself.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(hands) = &self.0 {
            let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            hands.mono_ms.fetch_add(ms, Ordering::Relaxed);
            hands.wall_ms.fetch_add(i64::try_from(ms).unwrap_or(i64::MAX), Ordering::Relaxed);
        }
    }

    /// Steps the wall hand of a manual clock, as NTP or an operator would; monotonic time does not notice.
    pub fn step_wall(&self, by_ms: i64) {
        if let Source::Manual(hands) = &self.0 {
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
