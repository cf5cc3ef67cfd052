//! What can be simulated and replayed, as text for people.

use std::time::Duration;

use halo_proto::chunk::Clock;
use halo_proto::registry::{self, Column, Schema};

use crate::framing::Framer;
use crate::kind::Kind;
use crate::random::{Purpose, stream};
use crate::wristband_rows::WristbandRows;

/// Device time over which bytes a sample are measured.
const MEASURED: Duration = Duration::from_secs(3_600);
const PERIODS_S: [u64; 3] = [1, 10, 60];

/// Device kinds with their bytes a sample, and all schemas with their signals; ends with a newline.
pub fn list() -> String {
    let mut text = String::from("Kinds that can be simulated (firmware-sim fleet --kind …):\n");
    for kind in Kind::ALL {
        let sizes: Vec<String> =
            PERIODS_S.iter().map(|&s| format!("{:.2} at {s} s", bytes_a_sample(kind, s))).collect();
        line(&mut text, format_args!("  {kind}: schema {}, bytes a sample {}", kind.schema().id, sizes.join(", ")));
    }
    text.push_str("\nSchemas that can be replayed (firmware-sim replay …):\n");
    for schema in registry::schemas() {
        line(&mut text, format_args!("  {} {} ({})", schema.id, schema.name, schema.kind));
        describe(schema, &mut text);
    }
    text
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
    let mut source = match kind {
        Kind::Wristband => {
            WristbandRows::new(stream(42, 0, Purpose::Body), kind.schema(), 86_400_000, period_s * 1_000)
        }
    };
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
