//! Native frames: TF1, whose bytes `halo_proto` reads.

use halo_proto::frame::{self, Header};
use halo_proto::registry;
use halo_proto::schema::{Survey, Surveyor, decode_into};

use super::readings::{Event, Point, Readings, Text, Unreadable};
use super::schemas::Schemas;
use crate::record::{Frame, Identity, Offset};

/// Who sent a frame and when, without looking at its items; `None` when the header is broken.
pub(super) fn header(payload: &[u8]) -> Option<Header> {
    frame::peek_header(payload).ok()
}

/// The identity of a frame.
pub(super) fn identity(header: &Header) -> Identity {
    Identity { boot: header.boot, seq: header.seq }
}

/// Whether [`read`] can read a frame, and when its readings were taken, for less than reading them.
pub(super) fn survey(
    record: &Frame,
    at: Offset,
    schemas: &Schemas,
    surveyor: &mut Surveyor,
) -> Result<Survey, Unreadable> {
    let frame = frame::Frame::new_checked(&record.payload).map_err(Unreadable::Frame)?;
    let layout = schemas.layout(&record.device, frame.header().schema, at)?;
    surveyor.survey(&frame, layout.schema()).map_err(Unreadable::Chunk)
}

/// Reads a whole frame: one series per column and chunk that holds a value.
pub(super) fn read(record: &Frame, at: Offset, schemas: &Schemas, out: &mut Readings) -> Result<(), Unreadable> {
    let frame = frame::Frame::new_checked(&record.payload).map_err(Unreadable::Frame)?;
    let layout = schemas.layout(&record.device, frame.header().schema, at)?;
    let mut decoded = std::mem::take(&mut out.decoded);
    let result = decode_into(&frame, layout.schema(), &mut decoded).map_err(Unreadable::Chunk);
    if result.is_ok() {
        let offset_ms = record.clock.offset_ms;
        let event_ms = |device_ms: i64| device_ms.saturating_add(offset_ms);
        for rows in decoded.chunks() {
            for (signal, values) in layout.signals(rows.group).iter().zip(rows.columns()) {
                let point = |device_ms, raw| Point { device_ms, event_ms: event_ms(device_ms), raw };
                let all = rows.times.iter().zip(values);
                // Mostly each row has a value: then it is known beforehand how many points there are.
                if values.iter().all(Option::is_some) {
                    out.push_series(signal.clone(), all.map(|(at_ms, raw)| point(*at_ms, raw.unwrap_or_default())));
                } else {
                    out.push_series(signal.clone(), all.filter_map(|(at_ms, raw)| Some(point(*at_ms, (*raw)?))));
                }
            }
        }
        let kind = schemas.kind(&record.device, frame.header().schema, at);
        out.kind = kind;
        out.events.extend(decoded.events.drain(..).map(|event| Event {
            device_ms: event.time_ms,
            event_ms: event_ms(event.time_ms),
            code: event.code,
            kind,
            severity: event.severity,
            value: event.value,
            data: event.data,
        }));
        let t0_ms = i64::try_from(frame.header().t0_ms).unwrap_or(i64::MAX);
        out.texts.extend(decoded.texts.drain(..).map(|text| Text {
            key: match kind.and_then(|kind| registry::text(kind, text.key)) {
                Some(known) => known.name.into(),
                None => text.key.to_string().into(),
            },
            value: text.val,
            event_ms: event_ms(t0_ms),
        }));
        out.ignored = decoded.unknown_items;
    }
    out.decoded = decoded;
    result
}

#[cfg(test)]
mod tests;
