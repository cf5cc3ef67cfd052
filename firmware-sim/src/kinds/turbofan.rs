//! A turbofan engine that wears out, in the manner of C-MAPSS FD001: one flight cycle a second of device time, 21 sensors
//! of which seven never change, wear that grows exponentially until the engine fails, and a fresh one in its place.
//!
//! Means, drifts at the end of life and noise are those of the 100 engines of train_FD001, over which wear passes 12 % of
//! its way at half of the life, 29 % at 0.7, 66 % at 0.9; lives there are 128 to 362 cycles.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::{Moment, Sensors, noise};

/// Signal, mean of a young engine, spread among engines, change at failure, noise.
type Gauge = (&'static str, f64, f64, f64, f64);

const GAUGES: [Gauge; 17] = [
    ("setting_1", 0.0, 0.0, 0.0, 0.0022),
    ("setting_2", 0.0, 0.0, 0.0, 0.0003),
    ("t24", 642.38, 0.16, 1.6, 0.30),
    ("t30", 1_586.8, 2.0, 18.0, 4.04),
    ("t50", 1_402.7, 3.0, 31.0, 4.01),
    ("p15", 21.61, 0.0, 0.0, 0.002),
    ("p30", 553.95, 0.4, -2.9, 0.41),
    ("nf", 2_388.058, 0.03, 0.21, 0.030),
    ("nc", 9_056.0, 7.0, 50.0, 4.2),
    ("ps30", 47.355, 0.1, 0.93, 0.101),
    ("phi", 521.91, 0.3, -2.5, 0.30),
    ("nrf", 2_388.056, 0.03, 0.21, 0.030),
    ("nrc", 8_137.4, 7.0, 35.0, 3.1),
    ("bpr", 8.418, 0.012, 0.121, 0.0202),
    ("ht_bleed", 392.28, 0.5, 4.7, 0.93),
    ("w31", 38.933, 0.06, -0.58, 0.100),
    ("w32", 23.362, 0.03, -0.345, 0.0608),
];

const CONSTANTS: [(&str, f64); 7] = [
    ("setting_3", 100.0),
    ("t2", 518.67),
    ("p2", 14.62),
    ("epr", 1.3),
    ("far_b", 0.03),
    ("nf_demanded", 2_388.0),
    ("pcnfr_demanded", 100.0),
];

/// How steeply wear grows towards the end.
const STEEPNESS: f64 = 4.0;
const LIFE_CYCLES: std::ops::Range<u32> = 128..363;
/// The truth is told this often, and at the end.
const TOLD_EVERY: u32 = 10;

/// A seeded engine on its test stand.
pub(crate) struct Turbofan {
    random: ChaCha8Rng,
    serial: u32,
    /// Cycles since it was new, and at which it fails.
    cycle: u32,
    life: u32,
    wear_first: f64,
    offsets: [f64; GAUGES.len()],
    fresh: bool,
}

impl Turbofan {
    /// An engine somewhere in the first two thirds of its life.
    pub(crate) fn new(mut random: ChaCha8Rng) -> Self {
        let serial = random.random_range(100..900);
        let mut engine = Self { random, serial, cycle: 0, life: 0, wear_first: 0.0, offsets: [0.0; 17], fresh: true };
        engine.overhaul();
        engine.cycle = engine.random.random_range(0..engine.life * 2 / 3);
        engine
    }

    fn overhaul(&mut self) {
        self.serial += 1;
        self.cycle = 0;
        self.life = self.random.random_range(LIFE_CYCLES);
        self.wear_first = self.random.random_range(0.0..0.03);
        self.fresh = true;
        for (offset, gauge) in self.offsets.iter_mut().zip(&GAUGES) {
            *offset = gauge.2 * noise(&mut self.random);
        }
    }

    /// 0 when new, 1 at failure.
    fn wear(&self) -> f64 {
        let share = f64::from(self.cycle) / f64::from(self.life);
        let grown = ((STEEPNESS * share).exp() - 1.0) / (STEEPNESS.exp() - 1.0);
        self.wear_first + (1.0 - self.wear_first) * grown
    }

    fn remaining(&self) -> u32 {
        self.life - self.cycle
    }
}

impl Sensors for Turbofan {
    fn second(&mut self, at_ms: u64, moment: &mut Moment) {
        if self.fresh {
            self.fresh = false;
            moment.texts.push(("serial", format!("CM-{:04}", self.serial)));
        }
        self.cycle += 1;
        let wear = self.wear();
        for (gauge, offset) in GAUGES.iter().zip(self.offsets) {
            moment.read(gauge.0, gauge.1 + offset + gauge.3 * wear + gauge.4 * noise(&mut self.random));
        }
        for (name, value) in CONSTANTS {
            moment.read(name, value);
        }
        if self.cycle.is_multiple_of(TOLD_EVERY) || self.remaining() == 0 {
            let (remaining, health) = (self.remaining(), ((1.0 - wear) * 1e4).round() / 1e4);
            let serial = format!("CM-{:04}", self.serial);
            let facts = json!({"serial": serial, "cycle": self.cycle, "remaining": remaining, "health": health});
            moment.tell(at_ms, "engine", facts);
        }
        if self.remaining() == 0 {
            moment.happens(at_ms, "failure", 3, f64::from(self.cycle));
            self.overhaul();
            moment.happens(at_ms, "overhaul", 0, 1.0);
        }
    }
}
