//! Which derivations a frame feeds, and by which names.

use std::collections::BTreeMap;

use halo_proto::registry::Kind;

use super::own::{Derive, Own, OwnKind};
use super::settings::Settings;
use super::units;
use crate::ingest::readings::SignalRef;
use crate::record::FoldConfig;

/// Kinds of device of the registry that are worn on a body or in one.
const WORN: [Kind; 4] = [Kind::WRISTBAND, Kind::RR_STRAP, Kind::PARK_BAND, Kind::PACEMAKER];

/// A machine that derives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// A car's.
    Drive,
    /// A parcel's.
    Journey,
    /// A heart, its body's movement and visits.
    Body,
    /// A turbofan's.
    Engine,
}

/// The kinds in force, and the thresholds of what is derived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kinds {
    own: Vec<Known>,
    settings: Settings,
}

#[derive(Clone, Debug)]
struct Known {
    kind: OwnKind,
    families: Vec<Family>,
    /// What the derivations call a signal of the device's.
    wanted: BTreeMap<String, &'static str>,
}

/// What a frame feeds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    families: &'a [Family],
    own: Option<&'a Known>,
    pub(crate) settings: &'a Settings,
}

impl Kinds {
    /// By the configuration in force.
    pub(crate) fn of(config: &FoldConfig) -> Self {
        let own = Own::read(&config.derivations);
        Self { settings: own.settings(), own: own.kinds.into_iter().map(Known::new).collect() }
    }

    /// The thresholds in force.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What a frame of a device feeds, whose schema says `kind`.
    pub(crate) fn plan(&self, device: &str, kind: Option<Kind>) -> Plan<'_> {
        let settings = &self.settings;
        let named = self.own.iter().find(|known| known.is_of_device(device));
        let told = || kind.and_then(|kind| self.own.iter().find(|known| known.kind.births.contains(&kind.0)));
        if let Some(known) = named.or_else(told) {
            return Plan { families: &known.families, own: Some(known), settings };
        }
        let families: &[Family] = match kind {
            Some(Kind::CAR_DONGLE) => &[Family::Drive],
            Some(Kind::PARCEL_TRACKER) => &[Family::Journey],
            Some(Kind::TURBOFAN) => &[Family::Engine],
            Some(kind) if WORN.contains(&kind) => &[Family::Body],
            _ => &[],
        };
        Plan { families, own: None, settings }
    }
}

impl Known {
    fn new(kind: OwnKind) -> Self {
        let mut families = Vec::new();
        let mut wanted = BTreeMap::new();
        for derive in &kind.derive {
            let family = match derive {
                Derive::Drive => Some(Family::Drive),
                Derive::Journey => Some(Family::Journey),
                Derive::Heart | Derive::Motion | Derive::Visit => Some(Family::Body),
                Derive::Statistics => None,
            };
            families.extend(family.filter(|family| !families.contains(family)));
            for name in derive.wants() {
                let own = kind.signals.iter().find(|(_, wanted)| wanted == name).map_or(*name, |(own, _)| own.as_str());
                wanted.insert(own.to_owned(), *name);
            }
        }
        Self { kind, families, wanted }
    }

    fn is_of_device(&self, device: &str) -> bool {
        self.kind.devices.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(stem) => device.starts_with(stem),
            None => device == pattern,
        })
    }
}

impl<'a> Plan<'a> {
    pub(crate) fn families(&self) -> &'a [Family] {
        self.families
    }

    /// What the derivations call a signal, and how its values become theirs: × `.1` + `.2`.
    pub(crate) fn wanted<'s>(&self, signal: &'s SignalRef) -> Option<(&'s str, f64, f64)>
    where
        'a: 's,
    {
        let Some(known) = self.own else { return Some((&signal.name, 1.0, 0.0)) };
        let wanted = *known.wanted.get(&*signal.name)?;
        // A unit that came with the payload may be another than the one configured.
        let (factor, shift) = units::conversion(&signal.unit, units::of(wanted))?;
        Some((wanted, factor, shift))
    }

    /// The same for positions, which every device may tell by the registry's names.
    pub(crate) fn of_positions(&self) -> Self {
        let own = self.own.filter(|known| known.kind.derive.contains(&Derive::Journey));
        Self { own, ..*self }
    }

    /// Whether readings of `reader` are taps: bands of the registry tell of taps by events, and of the reader last
    /// tapped by readings.
    pub(crate) fn taps_by_readings(&self) -> bool {
        self.own.is_some_and(|known| known.kind.derive.contains(&Derive::Visit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(toml: &str) -> Kinds {
        let own: Own = toml::from_str(toml).unwrap();
        assert_eq!(own.check(), Ok(()));
        Kinds::of(&FoldConfig { derivations: own.text(), ..FoldConfig::default() })
    }

    #[test]
    fn a_device_is_what_its_name_says_then_its_birth_then_the_registry() {
        let kinds = kinds(
            "[[kinds]]\nname = 'fork'\ndevices = ['fork-*', 'old']\nderive = ['drive', 'heart']\n\
             [[kinds]]\nname = 'sled'\nbirths = [900]\nderive = ['journey']\n\
             [[kinds]]\nname = 'quiet'\ndevices = ['quiet']\nderive = ['statistics']\n",
        );
        let families = |device, kind| kinds.plan(device, kind).families().to_vec();
        assert_eq!(families("fork-1", Some(Kind(900))), [Family::Drive, Family::Body]);
        assert_eq!(families("old", None), [Family::Drive, Family::Body]);
        assert_eq!(families("older", Some(Kind(900))), [Family::Journey]);
        assert_eq!(families("older", Some(Kind::CAR_DONGLE)), [Family::Drive]);
        assert_eq!((families("older", None), families("quiet", Some(Kind::CAR_DONGLE))), (vec![], vec![]));
    }
}
