//! A wristband's seconds, gathered into batches and scaled as its schema says.

use halo_proto::chunk::Clock;
use halo_proto::registry::{self, Column, Schema};
use rand_chacha::ChaCha8Rng;

use crate::framing::scale;
use crate::rows::{Batch, Row};
use crate::wristband::{Second, Wristband};

const SECOND_MS: u64 = 1_000;

/// An endless source of batches of one wristband.
pub(crate) struct WristbandRows {
    band: Wristband,
    schema: &'static Schema,
    start_ms: u64,
    next_ms: u64,
    period_ms: u64,
}

impl WristbandRows {
    /// Batches of `period_ms` (whole seconds) of a band worn from `start_ms` of device time on.
    pub(crate) fn new(random: ChaCha8Rng, schema: &'static Schema, start_ms: u64, period_ms: u64) -> Self {
        let period_ms = (period_ms / SECOND_MS).max(1) * SECOND_MS;
        Self { band: Wristband::new(random, start_ms), schema, start_ms, next_ms: start_ms, period_ms }
    }

    /// When the next batch will be complete.
    pub(crate) fn next_end_ms(&self) -> u64 {
        self.next_ms + self.period_ms
    }

    /// The next batch.
    pub(crate) fn batch(&mut self) -> Batch {
        let (start_ms, end_ms) = (self.next_ms, self.next_end_ms());
        self.next_ms = end_ms;
        let mut rows = Vec::new();
        for _ in 0..self.period_ms / SECOND_MS {
            let second = self.band.second();
            self.sample(&second, &mut rows);
        }
        Batch { start_ms, end_ms, rows }
    }

    /// A regular group gets a row when its step has passed, the beats' group one row a beat.
    fn sample(&self, second: &Second, rows: &mut Vec<Row>) {
        for (group, shape) in (0_u8..).zip(self.schema.groups) {
            match shape.clock {
                Clock::Regular { dt_ms } | Clock::Irregular { nominal_ms: dt_ms } => {
                    if (second.at_ms - self.start_ms).is_multiple_of(u64::from(dt_ms)) {
                        let values = shape.columns.iter().map(|column| scale(column, reading(second, column)));
                        rows.push(Row { group, at_ms: second.at_ms, values: values.collect() });
                    }
                }
                Clock::Interval => rows.extend(second.beats.iter().filter_map(|beat| {
                    let interval = i64::from(beat.interval_ms?);
                    Some(Row { group, at_ms: beat.at_ms, values: vec![Some(interval)] })
                })),
            }
        }
    }
}

/// The second's value of a column's signal; a signal this band does not have is never present.
fn reading(second: &Second, column: &Column<'_>) -> f64 {
    match registry::signal(column.metric).map(|signal| signal.name) {
        Some("heart_rate") => second.heart_rate,
        Some("steps") => second.steps,
        Some("skin_temperature") => second.skin_temperature,
        Some("spo2") => second.oxygen,
        Some("battery") => second.battery,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    fn rows(period_ms: u64, batches: usize) -> Vec<Row> {
        let schema = registry::schema_named("wristband").unwrap();
        let mut band = WristbandRows::new(stream(42, 3, Purpose::Body), schema, 7_200_000, period_ms);
        (0..batches).flat_map(|_| band.batch().rows).collect()
    }

    #[test]
    fn the_readings_do_not_depend_on_how_they_are_cut_into_frames() {
        assert_eq!(rows(1_000, 120), rows(60_000, 2));
        assert_eq!(rows(1_000, 120), rows(10_000, 12));
    }

    #[test]
    fn the_first_frame_has_every_signal_and_each_group_keeps_its_step() {
        let rows = rows(1_000, 120);
        let times = |group| rows.iter().filter(move |row| row.group == group).map(|row| row.at_ms - 7_200_000);
        assert_eq!(times(0).collect::<Vec<_>>(), (0..120).map(|s| s * 1_000).collect::<Vec<_>>());
        assert_eq!(times(2).collect::<Vec<_>>(), (0..12).map(|s| s * 10_000).collect::<Vec<_>>());
        assert_eq!(times(3).collect::<Vec<_>>(), [0, 60_000]);
        assert!(times(1).count() > 60, "the heart beats");
    }
}
