//! From batches of rows to frames, and from a device's state to its birth; the only file that names the encoder.

use bytes::Bytes;
use halo_proto::birth::Head;
use halo_proto::chunk::{Clock, EncodeError, ROWS_MAX, Times, VALUES_MAX};
use halo_proto::frame::{Event, Header, Text, TimeSync};
use halo_proto::registry::{self, Column};
use halo_proto::schema::{self, FrameBuilder, Schema};

use crate::rows::{Batch, Note, Row};

/// What the simulated devices call their firmware.
const FIRMWARE: &str = concat!("firmware-sim ", env!("CARGO_PKG_VERSION"));

/// Why a batch is not a frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FramingError {
    #[error(
        "frame at {start_ms} ms has {values} values, the format has room for {VALUES_MAX}: choose a shorter period"
    )]
    Values { start_ms: u64, values: usize },
    #[error("frame at {start_ms} ms, group {group}: {source}")]
    Encode { start_ms: u64, group: u8, source: EncodeError },
    #[error("boot {boot} is out of sequence numbers")]
    Sequence { boot: u32 },
}

/// Builds the frames of one boot of one device.
pub(crate) struct Framer {
    schema: Schema,
    kind: registry::Kind,
    boot: u32,
    next_seq: u32,
    builder: FrameBuilder,
}

impl Framer {
    pub(crate) fn new(schema: &registry::Schema, boot: u32) -> Self {
        let schema_owned = Schema::from_registry(schema.id).unwrap_or_else(|| described(schema));
        Self { schema: schema_owned, kind: schema.kind, boot, next_seq: 0, builder: FrameBuilder::new() }
    }

    /// The same columns under an id that no registry knows: nobody can read its frames before its birth.
    pub(crate) fn unregistered(schema: &registry::Schema, boot: u32) -> Self {
        let framer = Self::new(schema, boot);
        let hashed = Schema::hashed(framer.schema.groups).expect("groups of the registry are within bounds");
        Self { schema: hashed, ..framer }
    }

    /// Starts another boot: sequence numbers count from 0 again.
    pub(crate) fn reboot(&mut self, boot: u32) {
        self.boot = boot;
        self.next_seq = 0;
    }

    pub(crate) fn boot(&self) -> u32 {
        self.boot
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.schema
    }

    #[cfg(test)]
    pub(crate) fn next_seq(&self) -> u32 {
        self.next_seq
    }

    /// The next frame and its sequence number; an error uses no number up.
    pub(crate) fn frame(&mut self, batch: &Batch) -> Result<(u32, Bytes), FramingError> {
        let (boot, seq, start_ms) = (self.boot, self.next_seq, batch.start_ms);
        let values = batch.rows.iter().map(|row| row.values.len()).sum();
        if values > VALUES_MAX {
            return Err(FramingError::Values { start_ms, values });
        }
        let following = seq.checked_add(1).ok_or(FramingError::Sequence { boot })?;
        let failed = |group| move |source| FramingError::Encode { start_ms, group, source };
        let header = Header { schema: self.schema.id, boot, seq, t0_ms: start_ms };
        self.builder.begin(&header).map_err(failed(0))?;
        for (group, shape) in (0_u8..).zip(&self.schema.groups) {
            let rows: Vec<&Row> = batch.rows.iter().filter(|row| row.group == group).collect();
            for run in rows.chunk_by(|before, row| shape.clock != Clock::Interval || follows(before, row)) {
                for rows in run.chunks(ROWS_MAX) {
                    let (times, columns) = transpose(rows, shape.columns.len());
                    let columns: Vec<&[Option<i64>]> = columns.iter().map(Vec::as_slice).collect();
                    let chunk = self.builder.chunk(&self.schema, usize::from(group), Times::Each(&times), &columns);
                    chunk.map_err(failed(group))?;
                }
            }
        }
        for note in &batch.notes {
            self.note(note, start_ms).map_err(failed(0))?;
        }
        self.next_seq = following;
        Ok((seq, Bytes::copy_from_slice(self.builder.bytes())))
    }

    /// Appends an event or a text; one without a number in the registry's lists is a mistake of the simulator.
    fn note(&mut self, note: &Note, start_ms: u64) -> Result<(), EncodeError> {
        match note {
            Note::Event(happened) => {
                let known = registry::event_named(self.kind, happened.name);
                debug_assert!(known.is_some(), "{} is no event of {}", happened.name, self.kind);
                let dt_ms = i64::try_from(happened.at_ms).unwrap_or(i64::MAX) - i64::try_from(start_ms).unwrap_or(0);
                let event = Event {
                    dt_ms: i32::try_from(dt_ms).unwrap_or(i32::MAX),
                    code: known.map_or(0, |known| known.code),
                    severity: happened.severity,
                    value: happened.value,
                    data: &happened.data,
                };
                self.builder.event(&event).map(|_| ())
            }
            Note::Text(name, value) => {
                let key = registry::text_named(self.kind, name).map_or(0, |known| known.key);
                debug_assert!(key != 0, "{name} is no text of {}", self.kind);
                self.builder.text(&Text { key, val: value }).map(|_| ())
            }
        }
    }

    /// The birth at this uptime; `sync` = (Unix time minus uptime, uncertainty), both in ms.
    pub(crate) fn birth(&self, uptime_ms: u64, sync: Option<(i64, u32)>) -> Bytes {
        let sync = sync.map(|(unix_minus_uptime_ms, uncertainty_ms)| TimeSync { unix_minus_uptime_ms, uncertainty_ms });
        let (kind, schema) = (self.kind.0, self.schema.id);
        let head = Head { kind, schema, boot: self.boot, t0_ms: uptime_ms, sync, firmware: FIRMWARE };
        self.schema.birth_bytes(&head).expect("a registered schema and a short firmware name make a birth").into()
    }
}

/// A schema of the device's own, which only its births describe.
fn described(schema: &registry::Schema) -> Schema {
    let column = |column: &Column<'_>| {
        let Column { metric, num, den, bias, k0, name } = *column;
        schema::Column { metric, num, den, bias, k0, name: name.map(str::to_owned) }
    };
    let group = |group: &registry::Group<'_>| schema::Group {
        clock: group.clock,
        columns: group.columns.iter().map(column).collect(),
    };
    Schema { id: schema.id, groups: schema.groups.iter().map(group).collect() }
}

/// Whether an interval's row continues the clock of the one before: its time is that one's plus its own column 0.
fn follows(before: &Row, row: &Row) -> bool {
    let step = row.values.first().copied().flatten();
    step.and_then(|step| u64::try_from(step).ok()).is_some_and(|step| before.at_ms.checked_add(step) == Some(row.at_ms))
}

fn transpose(rows: &[&Row], columns: usize) -> (Vec<i64>, Vec<Vec<Option<i64>>>) {
    let times = rows.iter().map(|row| i64::try_from(row.at_ms).unwrap_or(i64::MAX)).collect();
    let column = |at: usize| rows.iter().map(|row| row.values.get(at).copied().flatten()).collect();
    (times, (0..columns).map(column).collect())
}

/// A physical reading in the column's fixed point, rounded to nearest; NaN, infinite and implausible ones are no reading.
pub(crate) fn scale(column: &Column<'_>, physical: f64) -> Option<i64> {
    if !physical.is_finite() {
        return None;
    }
    let raw = (physical * f64::from(column.den) / f64::from(column.num)).round() as i64;
    let limits = registry::signal(column.metric).map(|signal| signal.limits).unwrap_or_default();
    let low = limits.min.is_some_and(|min| raw < min);
    let high = limits.max.is_some_and(|max| raw > max);
    (!low && !high).then_some(raw)
}

#[cfg(test)]
mod tests {
    use halo_proto::frame::Frame;
    use halo_proto::schema::{Decoded, decode_into};

    use super::*;

    fn decoded(payload: &[u8], schema: &Schema) -> Decoded {
        let mut out = Decoded::default();
        decode_into(&Frame::new_checked(payload).unwrap(), schema, &mut out).unwrap();
        out
    }

    fn beat(at_ms: u64, interval: i64) -> Row {
        Row { group: 0, at_ms, values: vec![Some(interval)] }
    }

    #[test]
    fn beats_after_a_gap_open_a_new_chunk_and_keep_their_times() {
        let strap = registry::schema_named("rr-strap").unwrap();
        let mut framer = Framer::new(strap, 7);
        let rows = vec![beat(1_000, 800), beat(1_810, 810), beat(9_000, 700), beat(9_720, 720)];
        let batch = Batch { rows, ..Batch::empty(900, 10_000) };
        let (seq, payload) = framer.frame(&batch).unwrap();
        let out = decoded(&payload, &framer.schema);
        let chunks: Vec<Vec<i64>> = out.chunks().map(|rows| rows.times.to_vec()).collect();
        assert_eq!((seq, chunks), (0, vec![vec![1_000, 1_810], vec![9_000, 9_720]]));
        let header = Frame::new_checked(&payload).unwrap().header();
        assert_eq!((header.schema, header.boot, header.seq, header.t0_ms), (strap.id, 7, 0, 900));
        assert_eq!(framer.next_seq(), 1);
    }

    #[test]
    fn a_batch_longer_than_a_chunk_is_split_and_one_longer_than_a_frame_is_an_error() {
        let car = registry::schema_named("car-dongle").unwrap();
        let row = |second: u64| Row { group: 0, at_ms: second * 1_000, values: vec![Some(1); 12] };
        let batch = |seconds: u64| Batch { rows: (0..seconds).map(row).collect(), ..Batch::empty(0, seconds * 1_000) };
        let mut framer = Framer::new(car, 1);
        let (_, payload) = framer.frame(&batch(2_500)).unwrap();
        let chunks: Vec<usize> = decoded(&payload, &framer.schema).chunks().map(|rows| rows.times.len()).collect();
        assert_eq!(chunks, [1_024, 1_024, 452]);
        let error = framer.frame(&batch(3_000)).unwrap_err().to_string();
        assert!(error.contains("36000 values") && error.contains("shorter period"), "{error}");
        assert_eq!(framer.next_seq(), 1, "a batch that is no frame leaves no hole");
    }

    #[test]
    fn what_a_sensor_cannot_mean_is_no_reading() {
        let wristband = registry::schema_named("wristband").unwrap();
        let heart_rate = &wristband.groups[0].columns[0];
        assert_eq!(scale(heart_rate, 71.5), Some(72));
        for nothing in [f64::NAN, f64::INFINITY, 1e30, -5.0, 301.0] {
            assert_eq!(scale(heart_rate, nothing), None, "{nothing}");
        }
        let skin = &wristband.groups[2].columns[1];
        assert_eq!(scale(skin, 33.214), Some(3_321));
    }
}
