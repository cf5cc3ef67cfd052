//! Readings to encode: one minute of the registered car dongle, its 12 columns moving a few units a row.

use halo_proto::chunk::{EncodeError, Plan, Source, Times};
use halo_proto::frame::{FrameWriter, Header};
use halo_proto::registry;

/// Rows of a minute.
pub const ROWS: usize = 60;
/// Columns of the car dongle.
pub const COLUMNS: usize = 12;
/// The car dongle's schema.
pub const SCHEMA: u32 = 4;
/// When the minute begins, ms since the start.
pub const T0_MS: u64 = 600_000;

/// A minute's readings, column by column.
pub type Minute = [[Option<i64>; ROWS]; COLUMNS];

/// A random walk from each column's usual value.
pub fn minute() -> Minute {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut minute = [[None; ROWS]; COLUMNS];
    let columns = registry::schema(SCHEMA).map_or(&[][..], |schema| schema.groups[0].columns);
    for (values, column) in minute.iter_mut().zip(columns) {
        let mut value = column.bias;
        for slot in values {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            value += (random >> 60) as i64 - 7;
            *slot = Some(value);
        }
    }
    minute
}

/// A row a second, read up to 7 ms after its second.
pub fn jittering() -> [i64; ROWS] {
    core::array::from_fn(|row| T0_MS as i64 + 1000 * row as i64 + (row as i64 * 5) % 8)
}

/// Encodes a minute as one frame; its length.
///
/// # Errors
/// It does not fit `out`.
#[inline(never)]
pub fn encode(out: &mut [u8], minute: &Minute, times: Times<'_>, plan: Plan) -> Result<usize, EncodeError> {
    let group = registry::schema(SCHEMA).ok_or(EncodeError::Shape)?.groups.first().ok_or(EncodeError::Shape)?;
    let header = Header { schema: SCHEMA, boot: 7, seq: 0, t0_ms: T0_MS };
    let mut writer = FrameWriter::new(out, &header)?;
    let columns = group.columns.iter().zip(minute);
    let sources = columns.map(|(column, values)| Source { coding: column.coding(), values, plan });
    writer.chunk(0, group.clock, times, sources)?;
    Ok(writer.finish().len())
}
