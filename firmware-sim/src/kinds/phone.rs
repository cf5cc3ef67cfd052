//! A phone: how long it is until the next appointment in its owner's calendar, steps as far as it is carried, its charge.
//!
//! The appointments are no signal of the registry's: its births describe them.

use std::sync::LazyLock;

use halo_proto::birth::{Column, Group, METRIC_NAMED};
use halo_proto::chunk::Clock;
use halo_proto::registry::{Kind, Schema};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::{Moment, Sensors, own_schema};

/// Seconds between two appointments.
const APPOINTMENTS_S: std::ops::Range<u32> = 1_200..7_200;
/// Share of the minutes in which it is carried about, and steps a second then.
const CARRIED: f64 = 0.15;
const STEPS_A_SECOND: f64 = 1.6;
/// Battery lost per second, %: a day.
const DRAIN: f64 = 100.0 / 86_400.0;

/// In births: a number that the registry does not know.
const KIND: Kind = Kind(902);

/// The registry's numbers of `steps` and `battery`, which never change.
const STEPS: u16 = 3;
const BATTERY: u16 = 6;

static COLUMNS: [Column<'static>; 3] = [
    Column { metric: METRIC_NAMED, num: 1, den: 1, bias: 60, k0: 5, name: Some("appointment_in") },
    Column { metric: STEPS, num: 1, den: 1, bias: 0, k0: 13, name: None },
    Column { metric: BATTERY, num: 1, den: 1, bias: 50, k0: 5, name: None },
];
static GROUPS: [Group<'static>; 1] = [Group { clock: Clock::Regular { dt_ms: 10_000 }, columns: &COLUMNS }];

/// What its births describe.
pub(crate) static SCHEMA: LazyLock<Schema> = LazyLock::new(|| own_schema("phone", KIND, &GROUPS));

/// A seeded phone.
pub(crate) struct Phone {
    random: ChaCha8Rng,
    /// Until the next appointment.
    left_s: u32,
    seconds: u32,
    carried: bool,
    steps: f64,
    battery: f64,
}

impl Phone {
    /// With an appointment to come.
    pub(crate) fn new(mut random: ChaCha8Rng) -> Self {
        let left_s = random.random_range(APPOINTMENTS_S);
        let battery = random.random_range(40.0..100.0);
        Self { random, left_s, seconds: 0, carried: false, steps: 0.0, battery }
    }
}

impl Sensors for Phone {
    fn second(&mut self, at_ms: u64, moment: &mut Moment) {
        if self.seconds.is_multiple_of(60) {
            self.carried = self.random.random_bool(CARRIED);
        }
        let is_next = self.seconds == 0 || self.left_s == 0;
        self.seconds += 1;
        self.left_s = match self.left_s.checked_sub(1) {
            Some(left_s) => left_s,
            None => self.random.random_range(APPOINTMENTS_S),
        };
        if is_next {
            let to_ms = at_ms + 1_000 * u64::from(self.left_s);
            moment.tell(at_ms, "appointment", json!({"from_ms": at_ms, "to_ms": to_ms}));
        }
        self.steps += if self.carried { STEPS_A_SECOND } else { 0.0 };
        self.battery = if self.battery > 15.0 { self.battery - DRAIN } else { 100.0 };
        moment.read("appointment_in", f64::from(self.left_s / 60));
        moment.read("steps", self.steps.floor());
        moment.read("battery", self.battery.floor());
    }
}
