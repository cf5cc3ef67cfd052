//! A weather station in a place where it rains when the air is damp: each day has its damp hours, and spells of damper and
//! of drier air, of a day and a half, decide whether they bring rain. What is told of it is true, without the noise of the
//! sensor.
//!
//! Its signals are no kind of the registry's: its births describe them.

use std::f64::consts::{PI, TAU};
use std::sync::LazyLock;

use halo_proto::birth::{Column, Group, METRIC_NAMED};
use halo_proto::chunk::Clock;
use halo_proto::registry::{Kind, Schema};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::car::round;
use super::{Moment, Sensors, noise, own_schema};

/// Humidity from which it rains, and from which that is close, %.
const RAIN_FROM: f64 = 80.0;
const DAMP_FROM: f64 = 78.0;
const DAY: f64 = 1_440.0;
/// A spell of damper or drier air lasts so long, minutes, and differs from the usual by so much, %: the deviation.
const SPELL: f64 = 36.0 * 60.0;
const SPELLS_DIFFER: f64 = 4.0;
/// Deviations of what is read: %, °C, hPa.
const NOISE: [f64; 3] = [0.5, 0.1, 0.1];

/// In births: a number that the registry does not know.
const KIND: Kind = Kind(901);

static COLUMNS: [Column<'static>; 3] = [
    Column { metric: METRIC_NAMED, num: 1, den: 10, bias: 600, k0: 6, name: Some("humidity") },
    Column { metric: METRIC_NAMED + 1, num: 1, den: 10, bias: 150, k0: 6, name: Some("air_temperature") },
    Column { metric: METRIC_NAMED + 2, num: 1, den: 10, bias: 10_130, k0: 6, name: Some("air_pressure") },
];
static GROUPS: [Group<'static>; 1] = [Group { clock: Clock::Regular { dt_ms: 60_000 }, columns: &COLUMNS }];

/// What its births describe.
pub(crate) static SCHEMA: LazyLock<Schema> = LazyLock::new(|| own_schema("weather-station", KIND, &GROUPS));

/// A seeded station.
pub(crate) struct Station {
    random: ChaCha8Rng,
    /// Since it was switched on.
    seconds: u64,
    /// Mean humidity, its swing over a day, and the minute of the day at which the air is dampest.
    humidity: f64,
    swing: f64,
    dampest: f64,
    temperature: f64,
    pressure: f64,
    /// How much damper than usual the air is at the beginning of this spell, and of the next.
    spells: [f64; 2],
    /// The humidity a minute before.
    before: f64,
    /// Since when it has been rising, and been damp, ms of device time; and the most it has been meanwhile.
    rising_ms: u64,
    damp: Option<(u64, f64)>,
}

impl Station {
    /// In a climate of its own.
    pub(crate) fn new(mut random: ChaCha8Rng) -> Self {
        Self {
            seconds: 0,
            humidity: random.random_range(64.0..68.0),
            swing: random.random_range(14.5..17.5),
            dampest: random.random_range(0.0..DAY),
            temperature: random.random_range(8.0..22.0),
            pressure: random.random_range(1_005.0..1_020.0),
            spells: [SPELLS_DIFFER * noise(&mut random), SPELLS_DIFFER * noise(&mut random)],
            before: 0.0,
            rising_ms: 0,
            damp: None,
            random,
        }
    }

    /// Humidity, temperature and pressure as they are.
    fn air(&mut self, minute: f64) -> [f64; 3] {
        let share = minute.rem_euclid(SPELL) / SPELL;
        if share == 0.0 && minute > 0.0 {
            self.spells = [self.spells[1], SPELLS_DIFFER * noise(&mut self.random)];
        }
        let [from, to] = self.spells;
        let damper = from + (to - from) * (1.0 - (share * PI).cos()) / 2.0;
        let hour = ((minute - self.dampest) / DAY * TAU).cos();
        let humidity = (self.humidity + damper + self.swing * hour).clamp(5.0, 100.0);
        [humidity, self.temperature - 5.0 * hour - 0.3 * damper, self.pressure - damper]
    }

    /// Tells when the air becomes as damp as rain, and when it is no more; and how damp it was, once that is over.
    fn tell(&mut self, at_ms: u64, humidity: f64, moment: &mut Moment) {
        let before = std::mem::replace(&mut self.before, humidity);
        if humidity < before || self.seconds == 0 {
            self.rising_ms = at_ms;
        }
        if self.seconds > 0 && (before < RAIN_FROM) != (humidity < RAIN_FROM) {
            let rising_min = (at_ms - self.rising_ms) / 60_000;
            let facts = json!({"began": before < RAIN_FROM, "humidity": round(humidity, 2), "rising_min": rising_min});
            moment.tell(at_ms, "rain", facts);
        }
        if humidity >= DAMP_FROM {
            let (_, peak) = self.damp.get_or_insert((at_ms, humidity));
            *peak = peak.max(humidity);
        } else if let Some((from_ms, peak)) = self.damp.take() {
            moment.tell(at_ms, "damp", json!({"from_ms": from_ms, "to_ms": at_ms, "peak": round(peak, 2)}));
        }
    }
}

impl Sensors for Station {
    fn second(&mut self, at_ms: u64, moment: &mut Moment) {
        if self.seconds.is_multiple_of(60) {
            let air = self.air(self.seconds as f64 / 60.0);
            self.tell(at_ms, air[0], moment);
            let names = ["humidity", "air_temperature", "air_pressure"];
            for ((name, value), deviation) in names.into_iter().zip(air).zip(NOISE) {
                moment.read(name, value + deviation * noise(&mut self.random));
            }
        }
        self.seconds += 1;
    }
}
