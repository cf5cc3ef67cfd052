//! The only place that asks the operating system for the time, and the drifting clock each device carries.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Largest drift a simulated crystal may have, in parts per million; watch crystals stay within ±100.
pub(crate) const DRIFT_PPM_MAX: i64 = 200;

/// Wall clock and monotonic clock of the machine that runs the simulation; cheap to copy, copies agree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic hand counts from this call.
    #[expect(clippy::disallowed_methods, reason = "this file is the one clock")]
    pub(crate) fn system() -> Self {
        Self { start: Instant::now() }
    }

    /// Time since the clock was made; never steps.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Milliseconds since the Unix epoch; steps when the machine's clock is set.
    #[expect(clippy::disallowed_methods, reason = "this file is the one clock")]
    pub(crate) fn unix_ms(&self) -> i64 {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        }
    }
}

/// Uptime as one device counts it: monotonic, from an own origin, a little fast or slow against real time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Uptime {
    /// Uptime in ms when the simulation's clock stood at zero.
    origin_ms: i64,
    drift_ppm: i64,
}

impl Uptime {
    /// `origin_ms` may be negative: the device is then switched on while the simulation runs.
    pub(crate) fn new(origin_ms: i64, drift_ppm: i64) -> Self {
        Self { origin_ms, drift_ppm: drift_ppm.clamp(-DRIFT_PPM_MAX, DRIFT_PPM_MAX) }
    }

    /// The device's uptime in ms after `elapsed` of real time.
    pub(crate) fn at(&self, elapsed: Duration) -> u64 {
        let real_us = i128::try_from(elapsed.as_micros()).unwrap_or(i128::MAX / 2_000_000);
        let device_ms = real_us * i128::from(1_000_000 + self.drift_ppm) / 1_000_000_000;
        u64::try_from(i128::from(self.origin_ms) + device_ms).unwrap_or(0)
    }

    /// Real time in ms, since the simulation's start, at which the uptime was or will be `uptime_ms`; negative before.
    pub(crate) fn real_ms(&self, uptime_ms: u64) -> i64 {
        let device_ms = i128::from(uptime_ms) - i128::from(self.origin_ms);
        i64::try_from(device_ms * 1_000_000 / i128::from(1_000_000 + self.drift_ppm)).unwrap_or(i64::MAX)
    }

    pub(crate) fn drift_ppm(&self) -> i64 {
        self.drift_ppm
    }

    /// The real time after which [`Uptime::at`] has reached `uptime_ms`; zero when it already has.
    pub(crate) fn when(&self, uptime_ms: u64) -> Duration {
        let device_ms = i128::from(uptime_ms) - i128::from(self.origin_ms);
        let divisor = i128::from(1_000_000 + self.drift_ppm);
        let real_us = (device_ms * 1_000_000_000 + divisor - 1) / divisor;
        Duration::from_micros(u64::try_from(real_us.max(0)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_crystal_gains_on_real_time_and_a_slow_one_loses() {
        let hour = Duration::from_secs(3600);
        assert_eq!(Uptime::new(1_000, 0).at(hour), 3_601_000);
        assert_eq!(Uptime::new(1_000, 100).at(hour), 3_601_360);
        assert_eq!(Uptime::new(1_000, -100).at(hour), 3_600_640);
    }

    #[test]
    fn an_uptime_is_reached_exactly_when_promised() {
        for drift_ppm in [-200, -37, 0, 1, 50, 200] {
            let uptime = Uptime::new(86_400_123, drift_ppm);
            for target in [86_400_124, 86_401_123, 90_000_000, 1_000_000_000] {
                assert_eq!(uptime.at(uptime.when(target)), target, "drift {drift_ppm} target {target}");
            }
        }
        assert_eq!(Uptime::new(5_000, 0).when(4_000), Duration::ZERO);
    }

    #[test]
    fn a_device_not_yet_switched_on_has_no_uptime() {
        let later = Uptime::new(-2_000, 0);
        assert_eq!(later.at(Duration::from_secs(1)), 0);
        assert_eq!(later.at(Duration::from_secs(3)), 1_000);
    }
}
