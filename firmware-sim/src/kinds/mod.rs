//! The kinds of devices: what their sensors would read, second by second of the device's own time.
//!
//! **In:** one random stream a device, and the second that begins. **Out:** a [`Moment`]: readings by signal name, rows
//! of groups without a fixed step, events, texts, and what is [`Told`] as the truth behind them.
//!
//! **Invariant.** One stream gives one life, whatever the frames' period and whatever the other devices do; no clock is
//! read here, and nothing here knows frames, faults or the network. The constants are plausible; those of the engine are
//! fitted to the training set of C-MAPSS FD001, the others to nothing.

mod road;
mod wristband;
mod wrist;
mod care;
mod car;
mod turbofan;
mod parcel;
mod park;
mod pacemaker;
mod player;
mod weather;
mod phone;

use halo_proto::birth::{encode_groups, schema_hash};
use halo_proto::registry;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

pub(crate) use car::Car;
pub(crate) use care::CareBand;
pub(crate) use pacemaker::Pacemaker;
pub(crate) use parcel::Parcel;
pub(crate) use park::{Guest, Host};
pub(crate) use phone::{Phone, SCHEMA as PHONE};
pub(crate) use player::Player;
pub(crate) use turbofan::Turbofan;
pub(crate) use weather::{SCHEMA as WEATHER, Station};
pub(crate) use wristband::Wristband;

/// How often the true count of steps is told, s.
const STEPS_TOLD_S: u64 = 60;

/// A simulated device's sensors.
pub(crate) trait Sensors: Send {
    /// Adds what is read and what happens in the second that starts at `at_ms` of device time; each call is one second
    /// after the one before.
    fn second(&mut self, at_ms: u64, moment: &mut Moment);
}

/// Something that happened, for the device to report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Happened {
    pub(crate) at_ms: u64,
    /// A name of the registry's list for the kind.
    pub(crate) name: &'static str,
    pub(crate) severity: u8,
    /// Scaled as the list says.
    pub(crate) value: i64,
    pub(crate) data: Vec<u8>,
}

/// Something that is true, whatever the device reports.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    /// Device time in ms, not counting reboots.
    pub(crate) at_ms: u64,
    pub(crate) what: &'static str,
    /// A JSON object; numbers ending in `_ms` that name a time are device time like `at_ms`.
    pub(crate) facts: Value,
}

/// All that one second brings. Kept and cleared, so that its buffers are reused.
#[derive(Debug, Default)]
pub(crate) struct Moment {
    /// Physical values by signal name; NaN or missing = no reading.
    readings: Vec<(&'static str, f64)>,
    /// (group, device time in ms, physical values by column) of groups without a fixed step.
    pub(crate) rows: Vec<(u8, u64, Vec<f64>)>,
    pub(crate) events: Vec<Happened>,
    /// (a name of the registry's list for the kind, its value).
    pub(crate) texts: Vec<(&'static str, String)>,
    pub(crate) told: Vec<Told>,
    /// Whether the device saves its battery: groups with a fixed step give one row a minute.
    pub(crate) asleep: bool,
}

impl Moment {
    pub(crate) fn clear(&mut self) {
        self.readings.clear();
        self.rows.clear();
        self.events.clear();
        self.texts.clear();
        self.told.clear();
        self.asleep = false;
    }

    pub(crate) fn read(&mut self, signal: &'static str, physical: f64) {
        self.readings.push((signal, physical));
    }

    /// The reading of a signal; NaN when there is none.
    pub(crate) fn reading(&self, signal: &str) -> f64 {
        self.readings.iter().find(|(name, _)| *name == signal).map_or(f64::NAN, |(_, value)| *value)
    }

    pub(crate) fn happens(&mut self, at_ms: u64, name: &'static str, severity: u8, value: f64) {
        self.events.push(Happened { at_ms, name, severity, value: value.round() as i64, data: Vec::new() });
    }

    pub(crate) fn tell(&mut self, at_ms: u64, what: &'static str, facts: Value) {
        self.told.push(Told { at_ms, what, facts });
    }
}

/// A schema that no registry has, by the hash of what births say of it.
fn own_schema(
    name: &'static str,
    kind: registry::Kind,
    groups: &'static [registry::Group<'static>],
) -> registry::Schema {
    let mut bytes = [0; 256];
    let len = encode_groups(&mut bytes, groups).expect("a few columns have room");
    registry::Schema { id: schema_hash(bytes.get(..len).unwrap_or_default()), name, kind, groups }
}

/// Bell-shaped, mean 0, deviation 1, never beyond ±3.5: the sum of four uniform draws.
pub(crate) fn noise(random: &mut ChaCha8Rng) -> f64 {
    let sum: f64 = (0..4).map(|_| random.random_range(-1.0..1.0)).sum();
    sum * (3.0_f64 / 4.0).sqrt()
}

/// Whether something that happens once in `seconds` on average happens in this one.
pub(crate) fn once_in(random: &mut ChaCha8Rng, seconds: f64) -> bool {
    random.random_bool((1.0 / seconds).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
