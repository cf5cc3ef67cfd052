//! One device's dice: what goes wrong with it, and when.

use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::Faults;

/// Boots of devices without a counter have this bit (WIRE.md).
const RANDOM_BOOT: u32 = 1 << 27;
/// How long a device is away when it boots, ms of device time.
const BOOTING_MS: std::ops::Range<u64> = 1_500..6_000;
/// Share of the mean that a dead zone lasts.
const ZONE_SPREAD: std::ops::Range<f64> = 0.6..1.4;
/// Clocks that were never set right: an hour of summer time, a day, the start of 1970 or 2000 as seen from this decade,
/// ten years ahead; ms.
const WRONG_BY_MS: [i64; 5] = [3_600_000, -86_400_000, -1_790_000_000_000, -840_000_000_000, 315_360_000_000];
/// Frames a device sends before its late birth.
const FRAMES_BEFORE_BIRTH: u32 = 5;

/// See the module's text. Streams for readings and link are apart: a link's luck does not change what is measured.
pub(crate) struct Dice {
    pub(super) faults: Faults,
    pub(super) random: ChaCha8Rng,
    link: ChaCha8Rng,
    has_counter: bool,
    newest_first: bool,
    late_birth: bool,
    slow: bool,
    wrong_by_ms: Option<i64>,
    next_reboot_ms: u64,
    down_until_ms: u64,
    /// The dead zone the device is in or comes to next, ms of device time.
    zone: Option<(u64, u64)>,
}

impl Dice {
    /// The dice of a device whose time starts at `start_ms`.
    pub(crate) fn new(faults: Faults, mut random: ChaCha8Rng, link: ChaCha8Rng, start_ms: u64) -> Self {
        let has_counter = !random.random_bool(faults.random_boots);
        let newest_first = random.random_bool(faults.newest_first);
        let late_birth = random.random_bool(faults.late_births);
        let slow = random.random_bool(faults.slow_links);
        let by = WRONG_BY_MS.get(random.random_range(0..WRONG_BY_MS.len())).copied();
        let wrong_by_ms = if random.random_bool(faults.wrong_clocks) { by } else { None };
        let mut dice = Self {
            faults,
            random,
            link,
            has_counter,
            newest_first,
            late_birth,
            slow,
            wrong_by_ms,
            next_reboot_ms: u64::MAX,
            down_until_ms: 0,
            zone: None,
        };
        dice.next_reboot_ms = dice.after(start_ms, faults.reboots);
        dice.plan_zone(start_ms);
        dice
    }

    /// A time after `from_ms` at which something comes that happens so many times an hour.
    fn after(&mut self, from_ms: u64, an_hour: f64) -> u64 {
        if an_hour <= 0.0 {
            return u64::MAX;
        }
        let wait_s = -(1.0 - self.random.random::<f64>()).ln() * 3_600.0 / an_hour;
        from_ms.saturating_add((wait_s * 1_000.0) as u64)
    }

    fn plan_zone(&mut self, from_ms: u64) {
        let start_ms = self.after(from_ms, self.faults.dead_zones);
        let length_s = self.faults.dead_zone_s * self.random.random_range(ZONE_SPREAD);
        self.zone = (start_ms < u64::MAX).then(|| (start_ms, start_ms.saturating_add((length_s * 1_000.0) as u64)));
    }

    /// The first boot's number, given what a counter says.
    pub(crate) fn first_boot(&mut self, counted: u32) -> u32 {
        if self.has_counter { counted } else { self.random_boot() }
    }

    pub(crate) fn has_counter(&self) -> bool {
        self.has_counter
    }

    /// The number of the next boot, if the device reboots before `now_ms`.
    pub(crate) fn reboot(&mut self, boot: u32, now_ms: u64) -> Option<u32> {
        if now_ms < self.next_reboot_ms {
            return None;
        }
        self.down_until_ms = now_ms + self.random.random_range(BOOTING_MS);
        self.next_reboot_ms = self.after(self.down_until_ms, self.faults.reboots);
        Some(if self.has_counter { boot.saturating_add(1) } else { self.random_boot() })
    }

    fn random_boot(&mut self) -> u32 {
        RANDOM_BOOT | self.random.random_range(0..RANDOM_BOOT)
    }

    /// Whether a frame that ends at `end_ms` was not measured because the device was booting.
    pub(crate) fn is_down(&self, end_ms: u64) -> bool {
        end_ms <= self.down_until_ms
    }

    /// Whether there is no network at `now_ms`; the zone that has just ended, if one has.
    pub(crate) fn zone(&mut self, now_ms: u64) -> (bool, Option<(u64, u64)>) {
        match self.zone {
            Some((start_ms, end_ms)) if now_ms >= end_ms => {
                self.plan_zone(now_ms);
                (false, Some((start_ms, end_ms)))
            }
            Some((start_ms, _)) => (now_ms >= start_ms, None),
            None => (false, None),
        }
    }

    pub(crate) fn newest_first(&self) -> bool {
        self.newest_first
    }

    /// Frames to send before the birth; `None` = the birth comes first, as it should.
    pub(crate) fn late_birth(&self) -> Option<u32> {
        self.late_birth.then_some(FRAMES_BEFORE_BIRTH)
    }

    pub(crate) fn wrong_by_ms(&self) -> Option<i64> {
        self.wrong_by_ms
    }

    /// How long the link is busy with so many bytes.
    pub(crate) fn busy(&self, bytes: usize) -> Duration {
        let bytes_a_second = self.faults.slow_bytes.max(1.0);
        if self.slow { Duration::from_secs_f64(bytes as f64 / bytes_a_second) } else { Duration::ZERO }
    }

    pub(crate) fn sends_twice(&mut self) -> bool {
        self.faults.duplicates > 0.0 && self.link.random_bool(self.faults.duplicates)
    }

    pub(crate) fn overtakes(&mut self) -> bool {
        self.faults.reordered > 0.0 && self.link.random_bool(self.faults.reordered)
    }

    pub(crate) fn loses_ack(&mut self) -> bool {
        self.faults.lost_acks > 0.0 && self.link.random_bool(self.faults.lost_acks)
    }

    /// Real time between two storms.
    pub(crate) fn storm_every(&self) -> Option<Duration> {
        (self.faults.storms > 0.0).then(|| Duration::from_secs_f64(3_600.0 / self.faults.storms))
    }
}
