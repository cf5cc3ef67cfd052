//! The registry: signals known by number, and the schemas that registered devices name instead of describing themselves.

use core::fmt;

pub use crate::birth::{Column, Group};

mod signals;
mod schemas;
mod codes;

pub use codes::{EventCode, TextKey, event, event_named, events, text, text_named, texts};

/// A named, united quantity. Raw integers on the wire become physical by `raw * num / den`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its number; below [`crate::birth::METRIC_NAMED`].
    pub metric: u16,
    /// Its name everywhere: `heart_rate`.
    pub name: &'static str,
    /// UCUM, case-sensitive.
    pub unit: &'static str,
    /// Numerator of the scale.
    pub num: u32,
    /// Denominator of the scale.
    pub den: u32,
    /// What a sound sensor says.
    pub limits: Limits,
    /// What can be computed of it.
    pub nature: Nature,
    /// LOINC code, where one exists.
    pub loinc: Option<&'static str>,
    /// COVESA Vehicle Signal Specification path, where one exists.
    pub vss: Option<&'static str>,
}

/// What sort of quantity a signal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nature {
    /// It has a value at every moment, and its mean over minutes says something: a temperature, a heart rate, a charge.
    #[default]
    Level,
    /// It counts something, and begins anew at times: steps.
    Counter,
    /// Each value is of an event of its own: the interval between two beats, the reader of a tap, a shock.
    Event,
    /// It says something only together with others: one axis of an acceleration, one coordinate of a place; or it goes
    /// round, as a direction does.
    Component,
    /// What somebody, or a controller, does from moment to moment: speed, throttle.
    Momentary,
}

/// Plausible raw values; a reading outside is bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Least.
    pub min: Option<i64>,
    /// Greatest.
    pub max: Option<i64>,
    /// Greatest difference between neighbouring readings.
    pub step_max: Option<i64>,
}

impl Signal {
    const fn new(metric: u16, name: &'static str, unit: &'static str, num: u32, den: u32, limits: Limits) -> Self {
        Self { metric, name, unit, num, den, limits, nature: Nature::Level, loinc: None, vss: None }
    }

    const fn nature(self, nature: Nature) -> Self {
        Self { nature, ..self }
    }

    const fn loinc(self, code: &'static str) -> Self {
        Self { loinc: Some(code), ..self }
    }

    const fn vss(self, path: &'static str) -> Self {
        Self { vss: Some(path), ..self }
    }

    const fn column(&self, bias: i64, k0: u8) -> Column<'static> {
        Column { metric: self.metric, num: self.num, den: self.den, bias, k0, name: None }
    }
}

/// What sort of device: decides its subject's derived signals, and what its event and text codes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u16);

impl Kind {
    /// Wrist-worn: pulse, beats, steps, skin temperature.
    pub const WRISTBAND: Self = Self(1);
    /// Chest strap that sends beats only.
    pub const RR_STRAP: Self = Self(2);
    /// In a car's diagnostic port.
    pub const CAR_DONGLE: Self = Self(3);
    /// A turbofan engine's unit.
    pub const TURBOFAN: Self = Self(4);
    /// Travels with a parcel: position, shocks, temperature.
    pub const PARCEL_TRACKER: Self = Self(5);
    /// A guest's band in a park: taps at readers.
    pub const PARK_BAND: Self = Self(6);
    /// An implant: beats, who made them, its battery and lead.
    pub const PACEMAKER: Self = Self(7);
    /// Plays music; its buttons say what the listener likes and skips.
    pub const PLAYER: Self = Self(8);

    /// Its name, if the registry knows it.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::WRISTBAND => "wristband",
            Self::RR_STRAP => "rr_strap",
            Self::CAR_DONGLE => "car_dongle",
            Self::TURBOFAN => "turbofan",
            Self::PARCEL_TRACKER => "parcel_tracker",
            Self::PARK_BAND => "park_band",
            Self::PACEMAKER => "pacemaker",
            Self::PLAYER => "player",
            _ => return None,
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "kind {}", self.0),
        }
    }
}

/// A registered schema; its id fits one byte on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Below 128.
    pub id: u32,
    /// For people: `car-dongle`.
    pub name: &'static str,
    /// What its devices are.
    pub kind: Kind,
    /// Its groups, in order of their tags.
    pub groups: &'static [Group<'static>],
}

/// All signals, in order of their numbers.
pub fn signals() -> &'static [Signal] {
    signals::ALL
}

/// The signal with this number.
pub fn signal(metric: u16) -> Option<&'static Signal> {
    let index = signals::ALL.binary_search_by_key(&metric, |signal| signal.metric).ok()?;
    signals::ALL.get(index)
}

/// The signal with this name.
pub fn signal_named(name: &str) -> Option<&'static Signal> {
    signals::ALL.iter().find(|signal| signal.name == name)
}

/// All schemas, in order of their ids.
pub fn schemas() -> &'static [Schema] {
    schemas::ALL
}

/// The schema with this id.
pub fn schema(id: u32) -> Option<&'static Schema> {
    schemas::ALL.iter().find(|schema| schema.id == id)
}

/// The schema with this name.
pub fn schema_named(name: &str) -> Option<&'static Schema> {
    schemas::ALL.iter().find(|schema| schema.name == name)
}

#[cfg(test)]
mod tests;
