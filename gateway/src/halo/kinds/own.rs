//! What a configuration may say of derivations, and what is wrong with it.

use std::collections::BTreeMap;

use halo_proto::registry::{self, Kind};
use halo_proto::topic;
use serde::{Deserialize, Serialize};

use super::settings::{self, Settings};
use super::units;
use crate::halo::derive::{DriveSettings, HeartSettings, JourneySettings, MotionSettings, TasteSettings};
use crate::ingest::own::{self, OwnInvalid, OwnSignal, is_signal_name};

/// Most kinds a fleet may describe, and most patterns, numbers and names of each.
const KINDS_MAX: usize = 64;
const ENTRIES_MAX: usize = 64;

/// Everything a fleet may say of what is derived of its devices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Own {
    /// Signals the registry does not know.
    pub signals: Vec<OwnSignal>,
    /// Kinds of devices the registry does not know.
    pub kinds: Vec<OwnKind>,
    /// Thresholds of drives.
    pub drive: DriveSettings,
    /// Thresholds of journeys.
    pub journey: JourneySettings,
    /// Thresholds of hearts.
    pub heart: HeartSettings,
    /// Thresholds of movement.
    pub motion: MotionSettings,
    /// How likes and skips are weighed. Not written where it says nothing: what was written before it was there is still
    /// the same.
    #[serde(skip_serializing_if = "is_default")]
    pub taste: TasteSettings,
}

/// One `[[halo.kinds]]`: devices of a fleet's own, and what is derived of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnKind {
    /// Names it in complaints, `[A-Za-z0-9._-]{1,64}`; no name of the registry.
    pub name: String,
    /// Ids of its devices; `*` at the end stands for any rest. Default none.
    #[serde(default)]
    pub devices: Vec<String>,
    /// Numbers of its kind in births; none that the registry knows. Default none.
    #[serde(default)]
    pub births: Vec<u16>,
    /// What is derived of its devices.
    pub derive: Vec<Derive>,
    /// What its devices call a signal, and what the derivations call it: `puls = "heart_rate"`. A signal that has the
    /// right name already needs no entry. Default none.
    #[serde(default)]
    pub signals: BTreeMap<String, String>,
}

/// Something that can be derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Derive {
    /// Trips, harsh manoeuvres, idling: of `speed`, and of what there is of `rpm`, `odometer`, `fuel_rate`, `air_flow`,
    /// `acc_peak_y`, `dtc_count`.
    Drive,
    /// Stops, way, excursions: of `latitude` and `longitude`, `shock`, `cargo_temperature`.
    Journey,
    /// Rate, rhythm, variability, zones: of `rr_interval` with `paced`, `heart_rate`.
    Heart,
    /// Activity, steps, wear: of `steps`, or of `acc_x`, `acc_y`, `acc_z`; falls, of these alone.
    Motion,
    /// Where a guest is and how long queues were: of `reader`, each reading of which is a tap.
    Visit,
    /// Windows, trends and forecasts, which every signal has anyway.
    Statistics,
}

impl Derive {
    /// Names of the signals it is derived of.
    pub(super) fn wants(self) -> &'static [&'static str] {
        match self {
            Self::Drive => &["speed", "rpm", "odometer", "fuel_rate", "air_flow", "acc_peak_y", "dtc_count"],
            Self::Journey => &["latitude", "longitude", "shock", "cargo_temperature"],
            Self::Heart => &["rr_interval", "paced", "heart_rate"],
            Self::Motion => &["steps", "acc_x", "acc_y", "acc_z"],
            Self::Visit => &["reader"],
            Self::Statistics => &[],
        }
    }
}

impl Own {
    /// As it stands in a fold's configuration; empty where nothing is set.
    pub fn text(&self) -> String {
        if *self == Self::default() {
            return String::new();
        }
        serde_json::to_string(self).expect("checked numbers, names and lists always have a JSON text")
    }

    /// What [`Own::text`] wrote; nothing where that is not to be read.
    pub(super) fn read(text: &str) -> Self {
        if text.is_empty() { Self::default() } else { serde_json::from_str(text).unwrap_or_default() }
    }

    pub(super) fn settings(&self) -> Settings {
        let Self { drive, journey, heart, motion, taste, .. } = self.clone();
        Settings { drive, journey, heart, motion, taste }
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// The first key at fault, below `halo`.
    pub fn check(&self) -> Result<(), OwnInvalid> {
        own::check(&self.signals)?;
        if self.kinds.len() > KINDS_MAX {
            return Err(invalid("kinds", format!("has {} kinds, at most {KINDS_MAX}", self.kinds.len())));
        }
        for (index, kind) in self.kinds.iter().enumerate() {
            let named = |OwnInvalid { key, problem }| OwnInvalid { key: format!("kinds[{index}].{key}"), problem };
            self.check_kind(kind).map_err(named)?;
            if self.kinds.iter().take(index).any(|before| before.name == kind.name) {
                return Err(named(invalid("name", format!("{:?} is another's already", kind.name))));
            }
        }
        settings::check(&self.settings())
    }

    fn check_kind(&self, kind: &OwnKind) -> Result<(), OwnInvalid> {
        if !topic::id_is_valid(&kind.name) {
            return Err(invalid("name", format!("{:?} is not of the form [A-Za-z0-9._-]{{1,64}}", kind.name)));
        }
        if (0..=u16::MAX).any(|number| Kind(number).name() == Some(&kind.name)) {
            return Err(invalid("name", format!("{:?} is a kind of the registry", kind.name)));
        }
        let longest = kind.devices.len().max(kind.births.len()).max(kind.derive.len()).max(kind.signals.len());
        if longest > ENTRIES_MAX {
            return Err(invalid(
                "name",
                format!("a list of {:?} has {longest} entries, at most {ENTRIES_MAX}", kind.name),
            ));
        }
        if kind.devices.is_empty() && kind.births.is_empty() {
            let problem = "is empty, and so is births: nothing says which devices are of this kind";
            return Err(invalid("devices", problem.to_owned()));
        }
        for (index, pattern) in kind.devices.iter().enumerate() {
            let stem = pattern.strip_suffix('*').unwrap_or(pattern);
            if !(stem.is_empty() && pattern == "*" || topic::id_is_valid(stem)) {
                let problem = format!("{pattern:?} is no device id, with or without a * at its end");
                return Err(invalid(&format!("devices[{index}]"), problem));
            }
        }
        for (index, number) in kind.births.iter().enumerate() {
            if let Some(name) = Kind(*number).name() {
                let problem = format!("{number} is {name} of the registry; name such devices under devices");
                return Err(invalid(&format!("births[{index}]"), problem));
            }
        }
        if kind.derive.is_empty() {
            return Err(invalid(
                "derive",
                "is empty; `[\"statistics\"]` derives nothing beyond what all have".to_owned(),
            ));
        }
        self.check_names(kind)
    }

    fn check_names(&self, kind: &OwnKind) -> Result<(), OwnInvalid> {
        let wanted: Vec<&str> = kind.derive.iter().flat_map(|derive| derive.wants()).copied().collect();
        for (own, name) in &kind.signals {
            let key = format!("signals.{own}");
            if !is_signal_name(own) {
                return Err(invalid(&key, format!("{own:?} is not of the form [A-Za-z0-9._-]{{1,64}}")));
            }
            if !wanted.contains(&name.as_str()) {
                let problem = format!("{name:?} is nothing that is derived of, wanted one of: {}", wanted.join(", "));
                return Err(invalid(&key, problem));
            }
            if let Some((other, _)) = kind.signals.iter().find(|(other, same)| *same == name && *other != own) {
                return Err(invalid(&key, format!("{other} is {name:?} already")));
            }
            let unit = match self.signals.iter().find(|signal| signal.name == *own) {
                Some(signal) => signal.unit.as_str(),
                None => registry::signal_named(own).map_or("", |known| known.unit),
            };
            let unit_wanted = units::of(name);
            if units::conversion(unit, unit_wanted).is_none() {
                return Err(invalid(
                    &key,
                    format!("is in {unit:?}, and {name} in {unit_wanted:?}: not the same quantity"),
                ));
            }
        }
        Ok(())
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn invalid(key: &str, problem: String) -> OwnInvalid {
    OwnInvalid { key: key.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(toml: &str) -> Own {
        toml::from_str(toml).unwrap_or_else(|error| panic!("{error} in {toml}"))
    }

    const FORKLIFT: &str = "[[signals]]\nname = 'v'\nunit = 'm/s'\n\
                            [[kinds]]\nname = 'forklift'\ndevices = ['fork-*']\nderive = ['drive']\n";

    #[test]
    fn a_kind_is_written_into_the_log_and_read_again() {
        let own = own(&format!("{FORKLIFT}signals = {{ v = 'speed' }}\n[drive]\nbraking_mps2 = 2.5\n"));
        assert_eq!((own.check(), Own::read(&own.text())), (Ok(()), own.clone()));
        assert_eq!((Own::default().text(), Own::read("")), (String::new(), Own::default()));
        assert_eq!(Own::read("no JSON"), Own::default());
    }

    #[test]
    fn a_mistake_is_named_with_its_key_and_place() {
        let wrong = |toml: &str| {
            let OwnInvalid { key, problem } = own(toml).check().expect_err(toml);
            (key, problem)
        };
        let kind = |rest: &str| format!("[[kinds]]\nname = 'k'\n{rest}\n");
        for (toml, key, told) in [
            (kind("derive = ['drive']"), "kinds[0].devices", "nothing says which devices"),
            (kind("devices = ['a*b']\nderive = ['drive']"), "kinds[0].devices[0]", "no device id"),
            (kind("births = [3]\nderive = ['drive']"), "kinds[0].births[0]", "car_dongle"),
            (kind("births = [900]\nderive = []"), "kinds[0].derive", "is empty"),
            (
                format!("{}{FORKLIFT}", kind("births = [900]\nderive = ['heart']\nsignals = { x = 'speed' }")),
                "kinds[0].signals.x",
                "rr_interval, paced, heart_rate",
            ),
            (
                format!("{FORKLIFT}signals = {{ v = 'odometer' }}"),
                "kinds[0].signals.v",
                "\"m/s\", and odometer in \"km\"",
            ),
            (
                format!("{FORKLIFT}signals = {{ v = 'speed', w = 'speed' }}"),
                "kinds[0].signals.v",
                "w is \"speed\" already",
            ),
            (FORKLIFT.replace("'forklift'", "'wristband'"), "kinds[0].name", "of the registry"),
            (
                format!("{FORKLIFT}[[kinds]]\nname = 'forklift'\nbirths = [900]\nderive = ['drive']"),
                "kinds[1].name",
                "another's",
            ),
            ("[heart]\nrate_max_per_min = 20.0".to_owned(), "heart.rate_max_per_min", "100 to 250"),
            ("[journey]\ncoldest_cel = 9.0".to_owned(), "journey.coldest_cel", "warmest_cel"),
        ] {
            let (got, problem) = wrong(&toml);
            assert!(got == key && problem.contains(told), "{toml}: {got}: {problem}");
        }
    }
}
