//! What the view keeps of one subject and of one device.

use std::collections::VecDeque;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;

use super::words;

/// Values kept for the sparkline.
const HISTORY_MAX: usize = 240;

/// What a kind of device is known by: a signal only it has, and which of its signals tell most, the first of all first.
const TELLING: [(&str, &[&str]); 8] = [
    ("t50", &["t50", "nf", "nc", "phi", "bpr"]),
    ("paced_share", PACEMAKER),
    ("lead_impedance", PACEMAKER),
    ("rpm", CAR),
    ("odometer", CAR),
    ("cargo_temperature", &["cargo_temperature", "shock", "speed", "battery"]),
    ("taps", &["taps", "zone", "reader", "battery"]),
    ("heart_rate", &["heart_rate", "spo2", "skin_temperature", "steps", "battery"]),
];
const PACEMAKER: &[&str] = &["heart_rate", "paced_share", "battery_voltage", "lead_impedance"];
const CAR: &[&str] = &["speed", "rpm", "fuel_level", "coolant_temperature"];

/// One value as it is shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shown {
    /// The signal.
    pub(crate) signal: String,
    /// Its newest value.
    pub(crate) value: f64,
    /// UCUM.
    pub(crate) unit: String,
}

impl Shown {
    fn of(signals: &Value, signal: &str) -> Option<Self> {
        let it = &signals[signal];
        let unit = it["unit"].as_str().unwrap_or_default().to_owned();
        Some(Self { signal: signal.to_owned(), value: it["value"].as_f64()?, unit })
    }

    /// `heart 72 /min`.
    pub(crate) fn words(&self) -> String {
        format!("{} {}", name(&self.signal), words::measured(self.value, &self.unit))
    }
}

/// A signal's name in little room.
pub(crate) fn name(signal: &str) -> String {
    let short = match signal {
        "heart_rate" => "heart",
        "skin_temperature" => "skin",
        "cargo_temperature" => "cargo",
        "coolant_temperature" => "coolant",
        "fuel_level" => "fuel",
        "battery_voltage" => "battery",
        "lead_impedance" => "lead",
        "paced_share" => "paced",
        "spo2" => "SpO2",
        "rpm" => "engine",
        "t50" => "T50",
        "nf" => "fan",
        "nc" => "core",
        "phi" => "fuel ratio",
        "bpr" => "bypass",
        other => return words::printable(&other.replace('_', " ")),
    };
    short.to_owned()
}

/// One subject.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subject {
    /// Its newest halo, as far as it was looked at.
    pub(crate) halo: Value,
    /// A halo newer than that.
    pub(crate) unread: Option<Bytes>,
    /// The most telling value, and the next ones.
    pub(crate) telling: Vec<Shown>,
    history: VecDeque<f64>,
    has_readings: bool,
}

impl Subject {
    /// Takes a halo; one that is none changes nothing.
    pub(crate) fn take(&mut self, halo: Value) {
        if !halo["signals"].is_object() {
            return;
        }
        let before = self.telling.first().map(|shown| (shown.signal.clone(), self.time_of(&shown.signal).cloned()));
        self.telling = telling(&halo["signals"]);
        self.halo = halo;
        let Some(first) = self.telling.first() else { return };
        let same = before.as_ref().is_some_and(|(signal, _)| *signal == first.signal);
        let value = first.value;
        if !same {
            self.history.clear();
        }
        // With readings every value is seen, not only the newest of each second.
        let newer = before.is_none_or(|(_, time)| time.as_ref() != self.time_of(&first.signal));
        if !self.has_readings && newer || self.history.is_empty() {
            self.remember(value);
        }
    }

    /// Takes the values of a readings document.
    pub(crate) fn read(&mut self, readings: &Value) {
        let Some(signal) = self.telling.first().map(|first| first.signal.clone()) else { return };
        let series = &readings["signals"][&signal];
        let (Some(num), Some(den)) = (series["num"].as_f64(), series["den"].as_f64().filter(|den| *den > 0.0)) else {
            return;
        };
        self.has_readings = true;
        series["v"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_f64)
            .for_each(|raw| self.remember(raw * num / den));
    }

    /// The values of the most telling signal, the oldest first.
    pub(crate) fn history(&self) -> impl DoubleEndedIterator<Item = f64> + '_ {
        self.history.iter().copied()
    }

    /// `online` if any of its devices is.
    pub(crate) fn state(&self) -> &str {
        let states =
            || self.halo["presence"].as_object().into_iter().flatten().filter_map(|(_, it)| it["state"].as_str());
        ["online", "silent", "offline"].into_iter().find(|wanted| states().any(|it| it == *wanted)).unwrap_or("unknown")
    }

    fn time_of(&self, signal: &str) -> Option<&Value> {
        self.halo["signals"][signal].get("time")
    }

    fn remember(&mut self, value: f64) {
        if self.history.len() == HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(value);
    }
}

fn telling(signals: &Value) -> Vec<Shown> {
    let known = TELLING.iter().find(|(mark, _)| signals[*mark].is_object());
    let shown: Vec<Shown> =
        known.into_iter().flat_map(|(_, names)| *names).filter_map(|it| Shown::of(signals, it)).collect();
    if !shown.is_empty() {
        return shown;
    }
    signals.as_object().into_iter().flatten().filter_map(|(name, _)| Shown::of(signals, name)).take(4).collect()
}

/// One device.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Device {
    /// Whose halo it feeds.
    pub(crate) subject: String,
    /// What it said it is.
    pub(crate) kind: Option<&'static str>,
    /// `online`, `offline`, `silent`, `unknown`; empty before anybody said.
    pub(crate) state: String,
    /// When it was heard last, Unix milliseconds.
    pub(crate) seen_ms: Option<i64>,
    /// Frames since the view began, where each is seen.
    pub(crate) frames: Option<u64>,
    /// Its battery, per cent.
    pub(crate) battery: Option<f64>,
}

impl Device {
    /// Takes what a halo says of its presence.
    pub(crate) fn present(&mut self, subject: &str, presence: &Value) {
        subject.clone_into(&mut self.subject);
        presence["state"].as_str().unwrap_or("unknown").clone_into(&mut self.state);
        self.seen_ms = self.seen_ms.max(presence["last_seen"].as_str().and_then(unix_ms));
        self.battery = presence["battery_pct"].as_f64();
    }
}

/// Of RFC 3339.
pub(crate) fn unix_ms(time: &str) -> Option<i64> {
    time.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn halo(signals: &[(&str, f64)], time: &str) -> Value {
        let signals: serde_json::Map<String, Value> = signals
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!({"value": value, "unit": "/min", "time": time})))
            .collect();
        json!({"signals": signals, "presence": {"a": {"state": "offline"}, "b": {"state": "silent"}}})
    }

    #[test]
    fn the_most_telling_signal_of_a_kind_comes_first() {
        for (signals, wanted) in [
            (vec![("battery", 80.0), ("heart_rate", 70.0)], "heart_rate"),
            (vec![("heart_rate", 70.0), ("lead_impedance", 500.0)], "heart_rate"),
            (vec![("rpm", 900.0), ("speed", 50.0)], "speed"),
            (vec![("nf", 1.0), ("t50", 2.0)], "t50"),
            (vec![("humidity", 40.0)], "humidity"),
        ] {
            let mut subject = Subject::default();
            subject.take(halo(&signals, "t"));
            assert_eq!(subject.telling.first().map(|shown| shown.signal.as_str()), Some(wanted));
        }
    }

    #[test]
    fn a_halo_adds_to_the_history_only_when_its_value_is_newer() {
        let mut subject = Subject::default();
        for (value, time) in [(70.0, "1"), (70.0, "1"), (71.0, "2")] {
            subject.take(halo(&[("heart_rate", value)], time));
        }
        assert_eq!(subject.history().collect::<Vec<_>>(), [70.0, 71.0]);
        subject.take(json!({"no": "halo"}));
        assert_eq!(subject.state(), "silent", "what is no halo changes nothing");
    }

    #[test]
    fn readings_add_every_value_scaled() {
        let mut subject = Subject::default();
        subject.take(halo(&[("heart_rate", 70.0)], "1"));
        subject.read(&json!({"signals": {"heart_rate": {"num": 1, "den": 2, "v": [142, 144]}}}));
        subject.take(halo(&[("heart_rate", 72.0)], "2"));
        assert_eq!(subject.history().collect::<Vec<_>>(), [70.0, 71.0, 72.0]);
    }
}
