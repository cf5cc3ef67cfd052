//! What can be simulated and replayed, as text for people.

use std::time::Duration;

use halo_proto::chunk::Clock;
use halo_proto::registry::{self, Column, Schema};

use serde_json::{Value, json};

use crate::faults::Faults;
use crate::framing::Framer;
use crate::kind::Kind;
use crate::sampler::Sampler;
use crate::scenario::{Scenario, scenarios};

/// Device time over which bytes a sample are measured.
const MEASURED: Duration = Duration::from_secs(3_600);
const PERIODS_S: [u64; 3] = [1, 10, 60];

/// Scenarios, kinds with their bytes a sample, faults, and all schemas with their signals; ends with a newline.
pub fn list() -> String {
    let mut text = String::from("Scenarios (firmware-sim scenario NAME):\n");
    for scenario in scenarios() {
        line(&mut text, format_args!("  {:<13} {}", scenario.name, scenario.says));
        line(&mut text, format_args!("  {:<13} {}", "", pace(scenario)));
    }
    text.push_str("\nKinds that can be simulated (firmware-sim fleet --kind …):\n");
    for kind in Kind::ALL {
        let sizes: Vec<String> =
            PERIODS_S.iter().map(|&s| format!("{:.2} at {s} s", bytes_a_sample(kind, s))).collect();
        let id = kind.schema().id;
        line(&mut text, format_args!("  {:<15} schema {id:<3} bytes a sample: {}", kind.name(), sizes.join(", ")));
    }
    text.push_str("\nFaults (--fault NAME=NUMBER, as often as you like):\n");
    for (name, says) in Faults::names() {
        line(&mut text, format_args!("  {name:<15} {says}"));
    }
    text.push_str("\nSchemas that can be replayed (firmware-sim replay …):\n");
    for schema in registry::schemas() {
        line(&mut text, format_args!("  {} {} ({})", schema.id, schema.name, schema.kind));
        describe(schema, &mut text);
    }
    text
}

/// The same as one JSON object.
pub fn list_json() -> Value {
    let scenario = |scenario: &Scenario| {
        json!({"name": scenario.name, "says": scenario.says, "devices": scenario.devices(),
               "lasting_s": scenario.lasting.map(|lasting| lasting.as_secs()), "compression": scenario.compression,
               "period_s": scenario.period.as_secs(), "faults": scenario.faults.describe()})
    };
    let kind = |kind: Kind| json!({"name": kind.name(), "prefix": kind.prefix(), "schema": kind.schema().id});
    let fault = |(name, says)| json!({"name": name, "says": says});
    let schema = |schema: &Schema| {
        let signals = schema.groups.iter().flat_map(|group| group.columns).filter_map(|c| registry::signal(c.metric));
        let signals: Vec<Value> = signals.map(|signal| json!({"name": signal.name, "unit": signal.unit})).collect();
        json!({"id": schema.id, "name": schema.name, "kind": schema.kind.name(), "signals": signals})
    };
    json!({
        "scenarios": scenarios().iter().map(scenario).collect::<Vec<_>>(),
        "kinds": Kind::ALL.map(kind),
        "faults": Faults::names().map(fault).collect::<Vec<_>>(),
        "schemas": registry::schemas().iter().map(schema).collect::<Vec<_>>(),
    })
}

fn pace(scenario: &Scenario) -> String {
    let (devices, compression) = (scenario.devices(), f64::from(scenario.compression));
    let takes = scenario.lasting.map_or("until stopped".to_owned(), |lasting| {
        format!("{} s, {} s at {compression} times the pace", lasting.as_secs(), lasting.div_f64(compression).as_secs())
    });
    format!("{devices} devices, {takes}")
}

fn describe(schema: &Schema, text: &mut String) {
    for group in schema.groups {
        let when = match group.clock {
            Clock::Regular { dt_ms } => format!("every {dt_ms} ms"),
            Clock::Irregular { nominal_ms } => format!("about every {nominal_ms} ms"),
            Clock::Interval => "each beat".to_owned(),
        };
        let signals: Vec<String> = group.columns.iter().map(signal).collect();
        line(text, format_args!("      {when}: {}", signals.join(", ")));
    }
}

fn signal(column: &Column<'_>) -> String {
    let Some(signal) = registry::signal(column.metric) else {
        return format!("metric {}", column.metric);
    };
    let step = match (column.num, column.den) {
        (1, 1) => String::new(),
        (num, den) => format!(", steps of {num}/{den}"),
    };
    format!("{} ({}{step})", signal.name, signal.unit)
}

/// Whole frames, header included, by readings that are present.
fn bytes_a_sample(kind: Kind, period_s: u64) -> f64 {
    let sensors = kind.sensors(42, kind.prefix(), 0, 86_400_000);
    let period_s = period_s.max(kind.period_min().as_secs());
    let mut source = Sampler::new(sensors, kind.schema(), 86_400_000, period_s * 1_000);
    let mut framer = Framer::new(kind.schema(), 1);
    let (mut bytes, mut samples) = (0, 0);
    for _ in 0..MEASURED.as_secs() / period_s {
        let batch = source.batch();
        samples += batch.rows.iter().flat_map(|row| &row.values).flatten().count();
        bytes += framer.frame(&batch).map_or(0, |(_, payload)| payload.len());
    }
    bytes as f64 / samples.max(1) as f64
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.push_str(&line.to_string());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_list_has_what_the_text_has() {
        let (text, json) = (list(), list_json());
        for part in ["scenarios", "kinds", "faults", "schemas"] {
            let entries = json[part].as_array().unwrap();
            assert!(!entries.is_empty());
            assert!(entries.iter().all(|entry| text.contains(entry["name"].as_str().unwrap())), "{part}");
        }
    }

    #[test]
    fn the_list_names_every_kind_and_schema_and_a_wristband_costs_what_the_format_promises() {
        let text = list();
        for schema in registry::schemas() {
            assert!(text.contains(schema.name), "{text}");
        }
        assert!(
            text.contains("heart_rate (/min)") && text.contains("skin_temperature (Cel, steps of 1/100)"),
            "{text}"
        );
        let minute = bytes_a_sample(Kind::Wristband, 60);
        assert!(minute < 0.9, "a minute of wristband costs {minute} bytes a sample, the table says 0.74");
    }
}
