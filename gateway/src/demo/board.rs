//! What the demo shows of each halo: one line, its most telling signals, 110 columns at most.

use std::collections::BTreeMap;

use serde_json::Value;

/// Columns of a line.
const COLUMNS: usize = 110;
/// Columns of the subject's name.
const NAME: usize = 10;
/// In place of what is not known yet.
const NONE: &str = "–";

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
    let told = |name: &str, decimals: usize, width: usize, unit: &str| value(halo, name, decimals, width, unit);
    let body = if has(halo, "t50") {
        format!(
            "T50 {}   fan {}   core {}   fuel ratio {}   bypass {}",
            told("t50", 1, 7, " °R"),
            told("nf", 1, 7, " /min"),
            told("nc", 1, 7, " /min"),
            told("phi", 1, 6, ""),
            told("bpr", 3, 6, "")
        )
    } else if has(halo, "paced_share") || has(halo, "lead_impedance") {
        format!(
            "RR {}   rate {}   paced {}   battery {}   lead {}{}",
            told("rr_interval", 0, 4, " ms"),
            told("heart_rate", 0, 3, " /min"),
            told("paced_share", 0, 3, " %"),
            told("battery_voltage", 2, 5, " V"),
            told("lead_impedance", 0, 4, " Ω"),
            happened(halo)
        )
    } else if has(halo, "rpm") || has(halo, "odometer") {
        format!(
            "{}   {}   fuel {}   coolant {}   at {} {}{}",
            told("speed", 0, 3, " km/h"),
            told("rpm", 0, 4, " /min"),
            told("fuel_level", 0, 3, " %"),
            told("coolant_temperature", 0, 3, " °C"),
            told("latitude", 4, 8, ""),
            told("longitude", 4, 8, ""),
            happened(halo)
        )
    } else if has(halo, "cargo_temperature") {
        format!(
            "{}   shock {}   {}   at {} {}   battery {}{}",
            told("cargo_temperature", 1, 5, " °C"),
            told("shock", 2, 5, " g"),
            told("speed", 0, 3, " km/h"),
            told("latitude", 4, 8, ""),
            told("longitude", 4, 8, ""),
            told("battery", 0, 3, " %"),
            happened(halo)
        )
    } else if has(halo, "taps") {
        let party = halo["context"]["texts"]["party"]["value"].as_str().unwrap_or(NONE);
        format!(
            "{party:<10} in land {}   taps {}   last reader {}   steps {}   battery {}",
            told("zone", 0, 2, ""),
            told("taps", 0, 3, ""),
            told("reader", 0, 4, ""),
            told("steps", 0, 6, ""),
            told("battery", 0, 3, " %")
        )
    } else if !has(halo, "heart_rate") && !has(halo, "skin_temperature") {
        plain(halo)
    } else {
        format!(
            "heart {} ({:<16})   SpO2 {}   skin {}   steps {}   battery {}",
            told("heart_rate", 0, 3, " /min"),
            range(halo, "heart_rate"),
            told("spo2", 0, 3, " %"),
            told("skin_temperature", 1, 4, " °C"),
            told("steps", 0, 6, ""),
            told("battery", 0, 3, " %")
        )
    };
    format!("{subject:<NAME$} {body}")
}

/// Of a kind without a line of its own: the first of its signals by name.
fn plain(halo: &Value) -> String {
    let signals = halo["signals"].as_object().into_iter().flatten();
    let told = signals.filter_map(|(name, signal)| {
        let (value, unit) = (signal["value"].as_f64()?, signal["unit"].as_str().unwrap_or_default());
        Some(format!("{} {}{}{unit}", name.replace('_', " "), round(value), if unit.is_empty() { "" } else { " " }))
    });
    let mut line = String::new();
    for told in told {
        let more = if line.is_empty() { told } else { format!("   {told}") };
        if NAME + 1 + line.chars().count() + more.chars().count() > COLUMNS {
            break;
        }
        line.push_str(&more);
    }
    line
}

/// Two decimals, where it has any.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn has(halo: &Value, signal: &str) -> bool {
    halo["signals"][signal].is_object()
}

/// A value in its unit, right-aligned; one that was not heard of yet takes as much room, and has no unit.
fn value(halo: &Value, signal: &str, decimals: usize, width: usize, unit: &str) -> String {
    match halo["signals"][signal]["value"].as_f64() {
        Some(value) => format!("{value:>width$.decimals$}{unit}"),
        None => format!("{NONE:>width$}{:1$}", "", unit.chars().count()),
    }
}

/// Least, greatest and mean of the last minute.
fn range(halo: &Value, signal: &str) -> String {
    let minute = &halo["signals"][signal]["stats"]["1m"];
    match (minute["min"].as_f64(), minute["max"].as_f64(), minute["mean"].as_f64()) {
        (Some(min), Some(max), Some(mean)) => format!("{min:.0}–{max:.0}, mean {mean:.1}"),
        _ => NONE.to_owned(),
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
            (halo(&[("air_temperature", 21.456), ("humidity", 80.0)]), "air temperature 21.46   humidity 80"),
            (
                halo(&[
                    ("a_signal_of_a_long_name_that_somebody_made_up", 1.0e9),
                    ("b_signal_of_a_long_name_that_somebody_made_up", 1.0e9),
                    ("c", 1.0),
                ]),
                "1000000000",
            ),
        ];
        for (halo, wanted) in halos {
            let line = line("engine-02", &halo);
            assert!(line.contains(wanted) && line.chars().count() <= COLUMNS, "{line}");
        }
    }

    /// `SpO2 - %` was a line's beginning in the demo.
    #[test]
    fn what_is_not_known_yet_has_no_unit_and_keeps_its_room() {
        let (some, all) = (halo(&[("heart_rate", 71.0)]), halo(&[("heart_rate", 71.0), ("spo2", 97.0)]));
        let (some, all) = (line("wrist-01", &some), line("wrist-01", &all));
        assert!(some.contains("SpO2   –     skin    –      steps") && !some.contains("– %"), "{some}");
        assert!(all.contains("SpO2  97 %   skin"), "{all}");
        assert_eq!(
            some.find("skin").map(|at| some[..at].chars().count()),
            all.find("skin").map(|at| all[..at].chars().count())
        );
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
