//! What to add to a device's clock to get Unix time.
//!
//! A frame cannot arrive before its last reading was taken, so arrival − (device time of the last reading) is the true
//! offset plus a delay that is never negative: the smallest of many is the best estimate. The birth goes out at every
//! connect, before anything buffered, and seeds it.
//!
//! * The minimum runs over the last device-hour, so a drifting clock is followed: at 200 ppm an hour-old minimum is
//!   0.72 s off. A frame buffered for longer than that hour says nothing new and cannot push the live birth out.
//! * It is taken on the gateway's monotonic time and tied to the wall by the arrival of the frame it is used for, so
//!   that a wall step moves readings from then on and leaves the estimate alone.
//! * A device that knows Unix time says so (TimeSync) and is believed, until that would put a reading more than a minute
//!   after its arrival.

use serde::{Deserialize, Serialize};

use super::sequence::BOOTS_MAX;
use crate::record::{ClockSource, ClockUse, GatewayTime};

/// Device time covered by one bucket.
const BUCKET_MS: i64 = 600_000;
/// Buckets kept: 50 to 60 device-minutes.
const BUCKETS: usize = 6;
/// How far after its arrival a reading may lie before the device's own time is refused.
const AHEAD_MS_MAX: i64 = 60_000;

/// The clocks of one device, one per boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clocks {
    /// In order of first use; the oldest makes room.
    boots: Vec<(u32, Clock)>,
}

/// One sighting of a device's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    /// Device time of the last reading (births: of the birth), milliseconds.
    pub(super) device_ms: i64,
    /// When the gateway received it.
    pub(super) arrival: GatewayTime,
    /// What the device says Unix time minus device time is, if it says so here.
    pub(super) sync: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Clock {
    synced: Option<i64>,
    refused: u32,
    /// Newest bucket of device time seen.
    newest: i64,
    /// Minimum of monotonic arrival − device time, by bucket modulo their number; `None` = nothing seen.
    minima: [Option<i64>; BUCKETS],
}

impl Clocks {
    /// The clock to use for a frame, as it will be after [`Clocks::observe`].
    pub(super) fn preview(&self, boot: u32, sighting: Sighting) -> ClockUse {
        let mut clock = self.find(boot).copied().unwrap_or_default();
        clock.observe(sighting);
        clock.reading(sighting.arrival, sighting.device_ms)
    }

    /// The clock for a frame whose readings cannot be dated: what is known already, else as if taken at `device_ms`.
    pub(super) fn fallback(&self, boot: u32, device_ms: i64, arrival: GatewayTime) -> ClockUse {
        match self.find(boot) {
            Some(clock) => clock.reading(arrival, device_ms),
            None => self.preview(boot, Sighting { device_ms, arrival, sync: None }),
        }
    }

    /// Learns from one frame or birth.
    pub(super) fn observe(&mut self, boot: u32, sighting: Sighting) {
        if self.find(boot).is_none() {
            if self.boots.len() == BOOTS_MAX {
                self.boots.remove(0);
            }
            self.boots.push((boot, Clock::default()));
        }
        if let Some((_, clock)) = self.boots.iter_mut().find(|(known, _)| *known == boot) {
            clock.observe(sighting);
        }
    }

    /// How often a device's own time was refused, over the boots kept.
    pub(super) fn refused(&self) -> u32 {
        self.boots.iter().fold(0, |sum, (_, clock)| sum.saturating_add(clock.refused))
    }

    fn find(&self, boot: u32) -> Option<&Clock> {
        self.boots.iter().find(|(known, _)| *known == boot).map(|(_, clock)| clock)
    }
}

impl Clock {
    fn observe(&mut self, Sighting { device_ms, arrival, sync }: Sighting) {
        self.lower(device_ms, mono_ms(arrival).saturating_sub(device_ms));
        if let Some(offset_ms) = sync.or(self.synced) {
            let ahead_ms = device_ms.saturating_add(offset_ms).saturating_sub(arrival.wall_ms);
            let believed = ahead_ms <= AHEAD_MS_MAX;
            self.synced = believed.then_some(offset_ms);
            self.refused = self.refused.saturating_add(u32::from(!believed));
        }
    }

    /// Lowers the minimum of a device time's bucket, and drops buckets that fell out of the window.
    fn lower(&mut self, device_ms: i64, offset_ms: i64) {
        let bucket = device_ms.div_euclid(BUCKET_MS);
        let empty = self.minima.iter().all(Option::is_none);
        if empty || bucket > self.newest {
            let first_new = if empty { bucket } else { self.newest + 1 };
            for stale in first_new.max(bucket - BUCKETS as i64 + 1)..=bucket {
                self.minima[slot(stale)] = None;
            }
            self.newest = bucket;
        }
        if bucket > self.newest - BUCKETS as i64 {
            let minimum = &mut self.minima[slot(bucket)];
            *minimum = Some(minimum.map_or(offset_ms, |kept| kept.min(offset_ms)));
        }
    }

    fn reading(&self, arrival: GatewayTime, device_ms: i64) -> ClockUse {
        if let Some(offset_ms) = self.synced {
            return ClockUse { offset_ms, source: ClockSource::Synced };
        }
        let minimum = self.minima.iter().flatten().min().copied();
        let offset_mono_ms = minimum.unwrap_or_else(|| mono_ms(arrival).saturating_sub(device_ms));
        let wall_minus_mono_ms = arrival.wall_ms.saturating_sub(mono_ms(arrival));
        ClockUse { offset_ms: offset_mono_ms.saturating_add(wall_minus_mono_ms), source: ClockSource::Estimated }
    }
}

fn mono_ms(at: GatewayTime) -> i64 {
    i64::try_from(at.mono_ms).unwrap_or(i64::MAX)
}

fn slot(bucket: i64) -> usize {
    bucket.rem_euclid(BUCKETS as i64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const WALL_MS: i64 = 1_800_000_000_000;

    /// True time counts from gateway start; the device booted at `boot_ms` and runs `ppm` fast.
    struct World {
        boot_ms: i64,
        ppm: i64,
        wall_step_ms: i64,
    }

    impl World {
        fn device(&self, at_ms: i64) -> i64 {
            let up = at_ms - self.boot_ms;
            up + up * self.ppm / 1_000_000
        }

        fn gateway(&self, at_ms: i64) -> GatewayTime {
            GatewayTime { wall_ms: WALL_MS + at_ms + self.wall_step_ms, mono_ms: at_ms as u64 }
        }

        /// A frame whose last reading is from `taken_ms` and which arrives at `arrived_ms`.
        fn sighting(&self, taken_ms: i64, arrived_ms: i64) -> Sighting {
            Sighting { device_ms: self.device(taken_ms), arrival: self.gateway(arrived_ms), sync: None }
        }

        /// Milliseconds by which a reading taken and received just now would be dated late.
        fn error(&self, clocks: &Clocks, now_ms: i64) -> i64 {
            let device_ms = self.device(now_ms);
            let clock = clocks.fallback(1, device_ms, self.gateway(now_ms));
            device_ms + clock.offset_ms - self.gateway(now_ms).wall_ms
        }
    }

    fn still() -> World {
        World { boot_ms: -5 * HOUR_MS, ppm: 0, wall_step_ms: 0 }
    }

    #[test]
    fn the_fastest_frame_sets_the_offset() {
        let (world, mut clocks) = (still(), Clocks::default());
        for (at_ms, delay_ms) in [(0, 90), (10_000, 40), (20_000, 400), (30_000, 70)] {
            clocks.observe(1, world.sighting(at_ms, at_ms + delay_ms));
        }
        assert_eq!(world.error(&clocks, 40_000), 40);
    }

    #[test]
    fn the_preview_is_what_observing_makes_true() {
        let (world, mut clocks) = (still(), Clocks::default());
        clocks.observe(1, world.sighting(0, 90));
        let next = world.sighting(10_000, 10_030);
        let preview = clocks.preview(1, next);
        clocks.observe(1, next);
        assert_eq!(clocks.preview(1, next), preview);
        assert_eq!(preview.offset_ms, WALL_MS - 5 * HOUR_MS + 30);
    }

    #[test]
    fn a_week_of_buffered_frames_leaves_the_live_birth_in_force() {
        let (world, mut clocks) = (World { boot_ms: -200 * HOUR_MS, ..still() }, Clocks::default());
        clocks.observe(1, world.sighting(0, 20));
        for n in 0..10_000 {
            clocks.observe(1, world.sighting(-168 * HOUR_MS + n * 60_000, 1000 + n));
            assert_eq!(world.error(&clocks, 2000 + n), 20);
        }
    }

    #[test]
    fn without_a_birth_the_offset_is_right_once_the_backlog_is_drained() {
        let (world, mut clocks) = (World { boot_ms: -200 * HOUR_MS, ..still() }, Clocks::default());
        for n in 0..=168 * 6 {
            clocks.observe(1, world.sighting((n - 168 * 6) * 600_000, 50 + n));
        }
        clocks.observe(1, world.sighting(2000, 2030));
        assert_eq!(world.error(&clocks, 3000), 30);
    }

    #[test]
    fn a_wall_step_moves_the_offset_by_itself() {
        let (mut world, mut clocks) = (still(), Clocks::default());
        clocks.observe(1, world.sighting(0, 25));
        world.wall_step_ms = -7_200_000;
        assert_eq!(world.error(&clocks, 1000), 25);
        clocks.observe(1, world.sighting(2000, 2080));
        world.wall_step_ms = 86_400_000;
        assert_eq!(world.error(&clocks, 3000), 25);
    }

    #[test]
    fn a_device_that_knows_the_time_is_believed() {
        let (world, mut clocks) = (still(), Clocks::default());
        let said = WALL_MS - 5 * HOUR_MS + 3;
        clocks.observe(1, Sighting { sync: Some(said), ..world.sighting(0, 400) });
        let clock = clocks.preview(1, world.sighting(1000, 1400));
        assert_eq!(clock, ClockUse { offset_ms: said, source: ClockSource::Synced });
        assert_eq!(clocks.refused(), 0);
    }

    #[test]
    fn a_time_more_than_a_minute_ahead_is_refused_and_counted() {
        let (world, mut clocks) = (still(), Clocks::default());
        let honest = WALL_MS - 5 * HOUR_MS;
        let at = world.sighting(0, 0);
        let exact = |ahead_ms| Sighting { sync: Some(at.arrival.wall_ms - at.device_ms + ahead_ms), ..at };
        clocks.observe(1, exact(60_000));
        assert_eq!(clocks.refused(), 0);
        clocks.observe(1, exact(60_001));
        assert_eq!(clocks.refused(), 1);
        assert_eq!(clocks.preview(1, at).source, ClockSource::Estimated);
        assert_eq!(clocks.preview(1, at).offset_ms, honest);
    }

    #[test]
    fn nine_boots_keep_the_newest_eight() {
        let (world, mut clocks) = (still(), Clocks::default());
        (0..9).for_each(|boot| clocks.observe(boot, world.sighting(0, 10)));
        assert!(clocks.find(0).is_none() && clocks.find(8).is_some());
    }

    #[test]
    fn a_clock_takes_about_a_hundred_bytes() {
        let (world, mut clocks) = (still(), Clocks::default());
        (0..6).for_each(|n| clocks.observe(1, world.sighting(n * 600_000, n * 600_000 + 10)));
        let row = postcard::to_stdvec(&clocks).unwrap();
        assert!(row.len() < 80, "{} bytes", row.len());
    }

    proptest! {
        /// Errors stay within the least delay plus the drift of one hour, whatever happens around.
        #[test]
        fn drift_jitter_steps_and_backlogs_stay_bounded(
            ppm in -200i64..=200,
            delays_ms in proptest::collection::vec(0i64..3000, 200),
            steps_ms in proptest::collection::vec(-100_000_000i64..100_000_000, 4),
            backlog_at in 20usize..180,
        ) {
            let mut world = World { boot_ms: -200 * HOUR_MS, ppm, wall_step_ms: 0 };
            let mut clocks = Clocks::default();
            clocks.observe(1, world.sighting(0, 20));
            for (n, delay_ms) in delays_ms.iter().enumerate() {
                let at_ms = n as i64 * 120_000;
                if n % 50 == 49 {
                    world.wall_step_ms += steps_ms[n / 50];
                }
                // Every tenth frame is quick.
                let delay_ms = if n % 10 == 0 { 20 } else { delay_ms + 20 };
                clocks.observe(1, world.sighting(at_ms, at_ms + delay_ms));
                if n == backlog_at {
                    for old in 0..1000 {
                        clocks.observe(1, world.sighting(at_ms - 168 * HOUR_MS + old * 60_000, at_ms + 3100 + old));
                    }
                }
                let error_ms = world.error(&clocks, at_ms + 3100);
                prop_assert!((-730..=760).contains(&error_ms), "error {error_ms} ms after frame {n}");
            }
        }

        #[test]
        fn no_clock_value_overflows(samples in proptest::collection::vec((any::<i64>(), any::<u64>(), any::<i64>(), any::<Option<i64>>()), 1..40)) {
            let mut clocks = Clocks::default();
            for (device_ms, mono_ms, wall_ms, sync) in samples {
                let sighting = Sighting { device_ms, arrival: GatewayTime { wall_ms, mono_ms }, sync };
                clocks.preview(1, sighting);
                clocks.observe(1, sighting);
            }
        }
    }
}
