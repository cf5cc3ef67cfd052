//! Readings that are noisy, absent or impossible.

use halo_proto::chunk::Clock;
use halo_proto::registry;
use halo_proto::schema::Schema;
use rand::Rng;

use super::Dice;
use crate::kinds::noise;
use crate::rows::{Batch, Row};

/// What only counts up, or is the device's clock, stays as it is; noise would make it a lie of another sort.
const EXACT: [&str; 9] =
    ["steps", "odometer", "taps", "rr_interval", "paced", "reader", "zone", "dtc_count", "battery"];
/// A percent of a coordinate is a country: places are off by so many units of 1e-7 degrees (3 m) instead.
const PLACES: [&str; 2] = ["latitude", "longitude"];
const PLACE_NOISE: f64 = 270.0;

impl Dice {
    /// Spoils a batch as the rates say.
    pub(crate) fn spoil_readings(&mut self, batch: &mut Batch, schema: &Schema) {
        for (group, shape) in (0_u8..).zip(&schema.groups) {
            for (at, column) in shape.columns.iter().enumerate() {
                let times = shape.clock == Clock::Interval && at == 0;
                let absent = !times && self.faults.dropouts > 0.0 && self.random.random_bool(self.faults.dropouts);
                let name = column.name().unwrap_or_default();
                let limits = registry::signal(column.metric).map(|signal| signal.limits).unwrap_or_default();
                let rows = batch.rows.iter_mut().filter(|row| row.group == group);
                for value in rows.filter_map(|row| row.values.get_mut(at)) {
                    if absent {
                        *value = None;
                    } else if self.faults.noise > 0.0
                        && let Some(raw) = value
                        && !EXACT.contains(&name)
                    {
                        let spread = if PLACES.contains(&name) { PLACE_NOISE } else { *raw as f64 * 0.01 };
                        let noisy = *raw + (self.faults.noise * spread * noise(&mut self.random)).round() as i64;
                        *raw = noisy.clamp(limits.min.unwrap_or(i64::MIN), limits.max.unwrap_or(i64::MAX));
                    }
                }
            }
        }
        if self.faults.out_of_range > 0.0 && self.random.random_bool(self.faults.out_of_range) {
            self.overstate(&mut batch.rows, schema);
        }
    }

    /// Makes one value of the batch one that its sensor cannot mean.
    fn overstate(&mut self, rows: &mut [Row], schema: &Schema) {
        let mut candidates: Vec<(&mut i64, i64)> = Vec::new();
        for row in rows {
            let Some(shape) = schema.groups.get(usize::from(row.group)) else { continue };
            for (at, (value, column)) in row.values.iter_mut().zip(&shape.columns).enumerate() {
                let max = registry::signal(column.metric).and_then(|signal| signal.limits.max);
                if let (Some(raw), Some(max)) = (value, max)
                    && !(shape.clock == Clock::Interval && at == 0)
                {
                    candidates.push((raw, max));
                }
            }
        }
        if !candidates.is_empty() {
            let chosen = self.random.random_range(0..candidates.len());
            if let Some((raw, max)) = candidates.get_mut(chosen) {
                **raw = max.saturating_mul(2).saturating_add(1);
            }
        }
    }
}
