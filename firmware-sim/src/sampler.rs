//! A device's seconds, gathered into batches and scaled as its schema says.

use halo_proto::chunk::Clock;
use halo_proto::registry::{self, Column, Schema};

use crate::framing::scale;
use crate::kinds::{Moment, Sensors};
use crate::rows::{Batch, Note, Row};

const SECOND_MS: u64 = 1_000;
/// Step of regular groups while the device sleeps.
const ASLEEP_MS: u64 = 60_000;

/// An endless source of batches of one device.
pub(crate) struct Sampler {
    sensors: Box<dyn Sensors>,
    schema: &'static Schema,
    moment: Moment,
    start_ms: u64,
    next_ms: u64,
    period_ms: u64,
}

impl Sampler {
    /// Batches of `period_ms` (whole seconds) of sensors that were switched on at `start_ms` of device time.
    pub(crate) fn new(sensors: Box<dyn Sensors>, schema: &'static Schema, start_ms: u64, period_ms: u64) -> Self {
        let period_ms = (period_ms / SECOND_MS).max(1) * SECOND_MS;
        Self { sensors, schema, moment: Moment::default(), start_ms, next_ms: start_ms, period_ms }
    }

    /// When the next batch will be complete.
    pub(crate) fn next_end_ms(&self) -> u64 {
        self.next_ms + self.period_ms
    }

    /// The next batch.
    pub(crate) fn batch(&mut self) -> Batch {
        let mut batch = Batch::empty(self.next_ms, self.next_end_ms());
        while self.next_ms < batch.end_ms {
            self.moment.clear();
            self.sensors.second(self.next_ms, &mut self.moment);
            self.sample(self.next_ms, &mut batch.rows);
            batch.notes.extend(self.moment.events.drain(..).map(Note::Event));
            batch.notes.extend(self.moment.texts.drain(..).map(|(name, value)| Note::Text(name, value)));
            batch.told.append(&mut self.moment.told);
            self.next_ms += SECOND_MS;
        }
        batch
    }

    /// A regular group gets a row when its step has passed; any other group, and one with a step of less than a second,
    /// the rows the sensors made.
    fn sample(&self, at_ms: u64, rows: &mut Vec<Row>) {
        let since_ms = at_ms - self.start_ms;
        for (group, shape) in (0_u8..).zip(self.schema.groups) {
            if let Clock::Regular { dt_ms } = shape.clock
                && u64::from(dt_ms) >= SECOND_MS
            {
                let step_ms = if self.moment.asleep { ASLEEP_MS.max(dt_ms.into()) } else { dt_ms.into() };
                if since_ms.is_multiple_of(step_ms) {
                    let reading = |column| name(column).map_or(f64::NAN, |name| self.moment.reading(name));
                    let values = shape.columns.iter().map(|column| scale(column, reading(column)));
                    rows.push(Row { group, at_ms, values: values.collect() });
                }
            }
            for (_, at_ms, values) in self.moment.rows.iter().filter(|row| row.0 == group) {
                let values = shape.columns.iter().zip(values).map(|(column, value)| scale(column, *value)).collect();
                let row = Row { group, at_ms: *at_ms, values };
                // An interval without its length has no place in time.
                if shape.clock != Clock::Interval || row.values.first().is_some_and(Option::is_some) {
                    rows.push(row);
                }
            }
        }
    }
}

/// What a column is called: in the registry, or by itself.
fn name<'a>(column: &Column<'a>) -> Option<&'a str> {
    column.name.or_else(|| registry::signal(column.metric).map(|signal| signal.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;

    fn rows(kind: Kind, period_ms: u64, batches: usize) -> Vec<Row> {
        let sensors = kind.sensors(42, "device-04", 3, 7_200_000);
        let mut sampler = Sampler::new(sensors, kind.schema(), 7_200_000, period_ms);
        (0..batches).flat_map(|_| sampler.batch().rows).collect()
    }

    #[test]
    fn the_readings_do_not_depend_on_how_they_are_cut_into_frames() {
        for kind in Kind::ALL {
            assert_eq!(rows(kind, 1_000, 120), rows(kind, 60_000, 2), "{kind}");
            assert_eq!(rows(kind, 1_000, 120), rows(kind, 10_000, 12), "{kind}");
        }
    }

    #[test]
    fn the_first_frame_has_every_signal_and_each_group_keeps_its_step() {
        let rows = rows(Kind::Wristband, 1_000, 120);
        let times = |group| rows.iter().filter(move |row| row.group == group).map(|row| row.at_ms - 7_200_000);
        assert_eq!(times(2).collect::<Vec<_>>(), (0..12).map(|s| s * 10_000).collect::<Vec<_>>());
        assert_eq!(times(3).collect::<Vec<_>>(), [0, 60_000]);
        assert!(times(0).count() == 120 && times(1).count() > 60, "the heart beats");
    }

    #[test]
    fn acceleration_comes_25_times_a_second() {
        let rows = rows(Kind::CareBand, 10_000, 3);
        let times = rows.iter().filter(|row| row.group == 4).map(|row| row.at_ms - 7_200_000);
        assert_eq!(times.collect::<Vec<_>>(), (0..30 * 25).map(|n| n * 40).collect::<Vec<_>>());
    }
}
