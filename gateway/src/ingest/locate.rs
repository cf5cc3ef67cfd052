//! Which bytes of a payload a reading was read from: for whoever wants to see it with their own eyes.

use std::ops::Range;

use halo_proto::frame::{self, Item};
use halo_proto::schema::{Decoded, decode_into};

use super::readings::Point;
use super::schemas::Schemas;
use crate::record::{Format, Frame, Offset};

/// Where a reading stands in a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Bytes of the payload: of a native frame the item that holds the reading, of JSON the field with its value.
    pub bytes: Range<usize>,
    /// Of a native frame: where in the item.
    pub row: Option<Row>,
}

/// Where a reading stands in an item of a native frame; all counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The schema.
    pub schema: u32,
    /// Group of the schema.
    pub group: usize,
    /// Column of the group, and how many there are.
    pub column: (usize, usize),
    /// Row of the item, and how many there are.
    pub row: (usize, usize),
}

/// Finds a reading of the frame stored at `at` in its payload; `None` when it is not there as it was read.
pub fn locate(frame: &Frame, at: Offset, schemas: &Schemas, signal: &str, point: &Point) -> Option<Place> {
    match frame.format {
        Format::Tf1 | Format::Proven => in_native(frame, at, schemas, signal, point),
        Format::Json => in_json(&frame.payload, signal),
        Format::Senml | Format::Unknown | Format::Unproven => None,
    }
}

fn in_native(record: &Frame, at: Offset, schemas: &Schemas, signal: &str, point: &Point) -> Option<Place> {
    let frame = frame::Frame::new_checked(&record.payload).ok()?;
    let schema = frame.header().schema;
    let layout = schemas.layout(&record.device, schema, at).ok()?;
    let mut decoded = Decoded::default();
    decode_into(&frame, layout.schema(), &mut decoded).ok()?;
    let mut chunks = decoded.chunks();
    let mut items = frame.items();
    loop {
        let from = items.position();
        let Item::Chunk { .. } = items.next()? else { continue };
        let rows = chunks.next()?;
        let columns = rows.columns().len();
        for (column, (name, values)) in layout.signals(rows.group).iter().zip(rows.columns()).enumerate() {
            let is_it = |(time, value): (&i64, &Option<i64>)| *time == point.device_ms && *value == Some(point.raw);
            let found = rows.times.iter().zip(values).position(is_it).filter(|_| *name.name == *signal);
            if let Some(row) = found {
                let place = Row { schema, group: rows.group, column: (column, columns), row: (row, rows.times.len()) };
                return Some(Place { bytes: from..items.position(), row: Some(place) });
            }
        }
    }
}

/// The field whose name ends the signal's, if there is one of that name only.
fn in_json(payload: &[u8], signal: &str) -> Option<Place> {
    let text = std::str::from_utf8(payload).ok()?;
    let names = [signal, signal.rsplit('.').next()?];
    let (from, name) = names.iter().find_map(|name| {
        let quoted = format!("\"{name}\"");
        let mut found = text.match_indices(&quoted);
        let (at, _) = found.next()?;
        found.next().is_none().then_some((at, quoted.len()))
    })?;
    let rest = text.get(from + name..)?;
    let length = rest.find([',', '}']).unwrap_or(rest.len());
    Some(Place { bytes: from..from + name + length, row: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_field_is_found_by_its_name_where_only_one_has_it() {
        let found = |payload: &str, signal| in_json(payload.as_bytes(), signal).map(|it| payload[it.bytes].to_owned());
        let payload = r#"{"heart_rate": 72, "engine":{"rpm":800},"time":1}"#;
        assert_eq!(found(payload, "heart_rate").as_deref(), Some("\"heart_rate\": 72"));
        assert_eq!(found(payload, "engine.rpm").as_deref(), Some("\"rpm\":800"));
        assert_eq!(found(payload, "speed"), None);
        assert_eq!(found(r#"{"a":{"x":1},"b":{"x":2}}"#, "b.x"), None, "there are two");
    }
}
