//! What the demo shows of each halo: one line, its most telling signals, 110 columns at most.

use std::collections::BTreeMap;

use serde_json::Value;

/// Columns of the subject's name.
const NAME: usize = 10;

/// The newest halo of each subject that changed, shown in turn.
#[derive(Default)]
pub(super) struct Board {
    changed: BTreeMap<String, Value>,
    shown: BTreeMap<String, u64>,
    turn: u64,
}

impl Board {
    pub(super) fn changed(&mut self, halo: Value) {
        // A device that has only connected has nothing to show yet.
        if halo["signals"].as_object().is_none_or(serde_json::Map::is_empty) {
            return;
        }
        if let Some(subject) = halo["subject"].as_str().map(ToOwned::to_owned) {
            self.changed.insert(subject, halo);
        }
    }

    /// A line about the subject that has waited longest.
    pub(super) fn next_line(&mut self) -> Option<String> {
        let waited = |subject: &String| self.shown.get(subject).copied().unwrap_or(0);
        let subject = self.changed.keys().min_by_key(|subject| waited(subject))?.clone();
        self.turn += 1;
        self.shown.insert(subject.clone(), self.turn);
        let halo = self.changed.remove(&subject)?;
        Some(line(&subject, &halo))
    }
}

/// A halo's line: what a kind of device is known by decides which signals it has.
fn line(subject: &str, halo: &Value) -> String {
    let told = |name: &str, decimals: usize| value(halo, name, decimals);
    let body = if has(halo, "t50") {
        format!(
            "T50 {:>7} °R   fan {:>7} /min   core {:>7} /min   fuel ratio {:>6}   bypass {:>6}",
            told("t50", 1),
            told("nf", 1),
            told("nc", 1),
            told("phi", 1),
            told("bpr", 3)
        )
    } else if has(halo, "paced_share") || has(halo, "lead_impedance") {
        format!(
            "RR {:>4} ms   rate {:>3} /min   paced {:>3} %   battery {:>5} V   lead {:>4} Ω{}",
            told("rr_interval", 0),
            told("heart_rate", 0),
            told("paced_share", 0),
            told("battery_voltage", 2),
            told("lead_impedance", 0),
            happened(halo)
        )
    } else if has(halo, "rpm") || has(halo, "odometer") {
        format!(
            "{:>3} km/h   {:>4} /min   fuel {:>3} %   coolant {:>3} °C   at {:>8} {:>8}{}",
            told("speed", 0),
            told("rpm", 0),
            told("fuel_level", 0),
            told("coolant_temperature", 0),
            told("latitude", 4),
            told("longitude", 4),
            happened(halo)
        )
    } else if has(halo, "cargo_temperature") {
        format!(
            "{:>5} °C   shock {:>5} g   {:>3} km/h   at {:>8} {:>8}   battery {:>3} %{}",
            told("cargo_temperature", 1),
            told("shock", 2),
            told("speed", 0),
            told("latitude", 4),
            told("longitude", 4),
            told("battery", 0),
            happened(halo)
        )
    } else if has(halo, "taps") {
        let party = halo["context"]["texts"]["party"]["value"].as_str().unwrap_or("-");
        format!(
            "{party:<10} in land {:>2}   taps {:>3}   last reader {:>4}   steps {:>6}   battery {:>3} %",
            told("zone", 0),
            told("taps", 0),
            told("reader", 0),
            told("steps", 0),
            told("battery", 0)
        )
    } else {
        format!(
            "heart {:>3} /min ({:<16})   SpO2 {:>3} %   skin {:>4} °C   steps {:>6}   battery {:>3} %",
            told("heart_rate", 0),
            range(halo, "heart_rate"),
            told("spo2", 0),
            told("skin_temperature", 1),
            told("steps", 0),
            told("battery", 0)
        )
    };
    format!("{subject:<NAME$} {body}")
}

fn has(halo: &Value, signal: &str) -> bool {
    halo["signals"][signal].is_object()
}

fn value(halo: &Value, signal: &str, decimals: usize) -> String {
    halo["signals"][signal]["value"].as_f64().map_or("-".to_owned(), |value| format!("{value:.decimals$}"))
}

/// Least, greatest and mean of the last minute.
fn range(halo: &Value, signal: &str) -> String {
    let minute = &halo["signals"][signal]["stats"]["1m"];
    match (minute["min"].as_f64(), minute["max"].as_f64(), minute["mean"].as_f64()) {
        (Some(min), Some(max), Some(mean)) => format!("{min:.0}–{max:.0}, mean {mean:.1}"),
        _ => "-".to_owned(),
    }
}

/// How many events the halo remembers.
fn happened(halo: &Value) -> String {
    match halo["context"]["events"].as_array().map_or(0, Vec::len) {
        0 => String::new(),
        1 => "   1 event".to_owned(),
        events => format!("   {events} events"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn halo(signals: &[(&str, f64)]) -> Value {
        let signals: serde_json::Map<String, Value> =
            signals.iter().map(|(name, value)| ((*name).to_owned(), json!({"value": value}))).collect();
        json!({"subject": "engine-02", "signals": signals})
    }

    #[test]
    fn every_kind_has_a_line_of_its_own_that_fits_a_terminal() {
        let halos = [
            (halo(&[("heart_rate", 195.0), ("steps", 123_456.0)]), "195 /min"),
            (halo(&[("rpm", 6_500.25), ("latitude", 48.123_456_7), ("longitude", -111.123_456)]), "6500 /min"),
            (halo(&[("t50", 1_431.22), ("nc", 9_245.1)]), "1431.2 °R"),
            (halo(&[("cargo_temperature", -12.34), ("battery", 100.0)]), "-12.3 °C"),
            (halo(&[("taps", 12.0), ("zone", 3.0)]), "taps  12"),
            (halo(&[("paced_share", 37.0), ("rr_interval", 1_000.0)]), "RR 1000 ms"),
        ];
        for (halo, wanted) in halos {
            let line = line("engine-02", &halo);
            assert!(line.contains(wanted) && line.chars().count() <= 110, "{line}");
        }
    }

    #[test]
    fn who_has_waited_longest_comes_next() {
        let mut board = Board::default();
        for subject in ["a", "b", "a"] {
            board.changed(json!({"subject": subject, "signals": {"heart_rate": {"value": 70}}}));
        }
        let next = |board: &mut Board| board.next_line().map(|line| line.chars().next());
        assert_eq!((next(&mut board), next(&mut board), next(&mut board)), (Some(Some('a')), Some(Some('b')), None));
        board.changed(json!({"subject": "c", "signals": {}}));
        assert_eq!(board.next_line(), None, "nothing to show");
    }
}
