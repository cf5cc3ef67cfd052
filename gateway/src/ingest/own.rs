//! Signals that a fleet has of its own: what the configuration says of names the registry does not know.

use std::collections::HashMap;

use halo_proto::registry::{self, Nature};
use serde::{Deserialize, Serialize};

use super::readings::{Readings, SignalRef};
use crate::record::FoldConfig;

/// Longest unit, bytes.
const UNIT_BYTES_MAX: usize = 32;
/// Most signals a fleet may describe.
pub const OWN_SIGNALS_MAX: usize = 1024;

/// One `[[halo.signals]]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnSignal {
    /// As its devices send it, `[A-Za-z0-9._-]{1,64}`; no name of the registry.
    pub name: String,
    /// UCUM, shown with its values; empty: none. A payload that names another unit is not described by this.
    #[serde(default)]
    pub unit: String,
    /// Smallest plausible value, in `unit`; readings below it are suspect. Absent: none is too small.
    #[serde(default)]
    pub min: Option<f64>,
    /// Largest plausible value, in `unit`. Absent: none is too large.
    #[serde(default)]
    pub max: Option<f64>,
    /// Largest plausible change between readings of a minute, in `unit`. Absent: none is too large.
    #[serde(default)]
    pub step_max: Option<f64>,
    /// What sort of quantity it is; only levels are forecast. Default level.
    #[serde(default)]
    pub nature: OwnNature,
}

/// What sort of quantity a signal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OwnNature {
    /// It has a value at every moment: a temperature.
    #[default]
    Level,
    /// It counts something: revolutions, kilometres.
    Counter,
    /// Each value is of an event of its own: a shock.
    Event,
    /// It says something only together with others: a coordinate.
    Component,
    /// What somebody does from moment to moment: speed.
    Momentary,
}

/// What is wrong with a key, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnInvalid {
    /// Below `halo`: `signals[2].min`.
    pub key: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// The part of [`FoldConfig::derivations`] that says how readings are to be understood; the halo stage knows the rest.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Part {
    signals: Vec<OwnSignal>,
}

/// The signals of a fleet's own, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct OwnSignals(HashMap<String, OwnSignal>);

impl OwnSignals {
    /// As the configuration in force says; one that was never checked describes nothing.
    pub(super) fn of(config: &FoldConfig) -> Self {
        if config.derivations.is_empty() {
            return Self::default();
        }
        let part: Part = serde_json::from_str(&config.derivations).unwrap_or_default();
        Self(part.signals.into_iter().map(|signal| (signal.name.clone(), signal)).collect())
    }

    /// Gives signals of a frame their units and plausible ranges.
    pub(super) fn describe(&self, readings: &mut Readings) {
        if self.0.is_empty() {
            return;
        }
        for series in readings.series.iter_mut().filter(|series| series.signal.metric.is_none()) {
            let Some(own) = self.0.get(&*series.signal.name) else { continue };
            if series.signal.unit.is_empty() || *series.signal.unit == *own.unit {
                std::sync::Arc::make_mut(&mut series.signal).describe(own);
            }
        }
    }
}

impl SignalRef {
    fn describe(&mut self, own: &OwnSignal) {
        let steps = |value: f64| value * f64::from(self.den) / f64::from(self.num);
        // Bounds round inwards, as those of the registry do; the cast saturates.
        self.min = own.min.map(|min| steps(min).ceil() as i64);
        self.max = own.max.map(|max| steps(max).floor() as i64);
        self.step_max = own.step_max.map(|step_max| steps(step_max).floor() as i64);
        self.unit = own.unit.as_str().into();
        self.nature = own.nature.into();
    }
}

impl From<OwnNature> for Nature {
    fn from(own: OwnNature) -> Self {
        match own {
            OwnNature::Level => Self::Level,
            OwnNature::Counter => Self::Counter,
            OwnNature::Event => Self::Event,
            OwnNature::Component => Self::Component,
            OwnNature::Momentary => Self::Momentary,
        }
    }
}

/// Whether a signal's name is one.
pub(crate) fn is_signal_name(name: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=64).contains(&name.len()) && name.bytes().all(sound)
}

/// Checks what the types cannot.
///
/// # Errors
/// [`OwnInvalid`] with the first key at fault.
pub(crate) fn check(signals: &[OwnSignal]) -> Result<(), OwnInvalid> {
    let invalid = |key: String, problem: String| Err(OwnInvalid { key, problem });
    if signals.len() > OWN_SIGNALS_MAX {
        return invalid("signals".to_owned(), format!("has {} signals, at most {OWN_SIGNALS_MAX}", signals.len()));
    }
    for (index, signal) in signals.iter().enumerate() {
        let OwnSignal { name, unit, min, max, step_max, .. } = signal;
        let key = |of: &str| format!("signals[{index}].{of}");
        if !is_signal_name(name) {
            return invalid(key("name"), format!("{name:?} is not of the form [A-Za-z0-9._-]{{1,64}}"));
        }
        if let Some(known) = registry::signal_named(name) {
            let problem =
                format!("{name:?} is the registry's, in {:?}; give a signal of your own another name", known.unit);
            return invalid(key("name"), problem);
        }
        if signals.iter().take(index).any(|before| before.name == *name) {
            return invalid(key("name"), format!("{name:?} is described already"));
        }
        if unit.len() > UNIT_BYTES_MAX || !unit.bytes().all(|byte| byte.is_ascii_graphic()) {
            return invalid(
                key("unit"),
                format!("{unit:?} is no unit of at most {UNIT_BYTES_MAX} printable characters"),
            );
        }
        for (of, value) in [("min", min), ("max", max), ("step_max", step_max)] {
            if let Some(value) = value.filter(|value| !value.is_finite()) {
                return invalid(key(of), format!("{value} is not a number"));
            }
        }
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            return invalid(key("min"), format!("{min} is above max, which is {max}"));
        }
        if let Some(step_max) = step_max.filter(|step_max| *step_max <= 0.0) {
            return invalid(key("step_max"), format!("{step_max} is not above 0"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(name: &str) -> OwnSignal {
        OwnSignal {
            name: name.to_owned(),
            unit: "bar".to_owned(),
            min: Some(0.0),
            max: Some(9.99),
            ..OwnSignal::default()
        }
    }

    fn problem(signals: &[OwnSignal]) -> (String, String) {
        let OwnInvalid { key, problem } = check(signals).expect_err("it is wrong");
        (key, problem)
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        assert_eq!(check(&[signal("tyre"), signal("boost")]), Ok(()));
        assert_eq!(problem(&[signal("tyre"), signal("tyre")]).0, "signals[1].name");
        assert!(problem(&[signal("heart_rate")]).1.contains("the registry's, in \"/min\""));
        assert!(problem(&[signal("my tyre")]).1.contains("[A-Za-z0-9._-]"));
        assert_eq!(problem(&[OwnSignal { min: Some(10.0), ..signal("tyre") }]).0, "signals[0].min");
        assert_eq!(problem(&[OwnSignal { step_max: Some(0.0), ..signal("tyre") }]).0, "signals[0].step_max");
        assert_eq!(problem(&[OwnSignal { max: Some(f64::NAN), ..signal("tyre") }]).0, "signals[0].max");
        assert_eq!(problem(&[OwnSignal { unit: "a b".to_owned(), ..signal("tyre") }]).0, "signals[0].unit");
    }

    #[test]
    fn a_described_signal_has_its_unit_and_its_range_in_the_steps_as_written() {
        let config = FoldConfig {
            derivations: serde_json::json!({"signals": [signal("tyre")], "kinds": []}).to_string(),
            ..FoldConfig::default()
        };
        let mut readings = Readings::default();
        super::super::plain::read(br#"{"tyre": 2.25, "other": 1}"#, 0, &mut readings).unwrap();
        OwnSignals::of(&config).describe(&mut readings);
        let tyre = &readings.series[0].signal;
        assert_eq!((&*tyre.unit, tyre.min, tyre.max, tyre.den), ("bar", Some(0), Some(999), 100));
        assert_eq!((&*readings.series[1].signal.unit, readings.series[1].signal.min), ("", None));
    }
}
