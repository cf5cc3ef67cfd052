use bytes::Bytes;
use halo_proto::chunk::Times;
use halo_proto::frame::TimeSync;
use halo_proto::registry;
use halo_proto::schema::{FrameBuilder, Schema};
use halo_proto::topic::Grammar;
use proptest::prelude::*;

use super::*;
use crate::record::{ClockSource, ClockUse, Format, GatewayTime};

fn frame(payload: Vec<u8>) -> Frame {
    Frame {
        device: "wrist-1".into(),
        publisher: "wrist-1".into(),
        subject: "wrist-1".into(),
        identity: None,
        format: Format::Tf1,
        arrival: GatewayTime::default(),
        qos: 1,
        clock: ClockUse { offset_ms: 1_000_000, source: ClockSource::Estimated },
        payload: Bytes::from(payload),
    }
}

fn survey_one(payload: &[u8]) -> Result<Survey, Unreadable> {
    let (schemas, mut surveyor) = (Schemas::new(Grammar::default()), Surveyor::default());
    survey(&frame(payload.to_vec()), crate::record::Offset::AFTER_ALL, &schemas, &mut surveyor)
}

/// Reads a frame, and sees to it that a survey says the same of it.
fn read_one(payload: Vec<u8>) -> Result<Readings, Unreadable> {
    let mut out = Readings::default();
    out.clear();
    let surveyed = survey_one(&payload);
    let schemas = Schemas::new(Grammar::default());
    let result = read(&frame(payload), crate::record::Offset::AFTER_ALL, &schemas, &mut out).map(|()| out);
    match (&result, surveyed) {
        (Ok(out), Ok(survey)) => {
            let points = || out.series.iter().flat_map(|series| &series.points).map(|point| point.device_ms);
            let events = out.events.iter().map(|event| event.device_ms);
            assert_eq!((survey.first_ms, survey.last_ms), (points().min(), points().chain(events).max()));
        }
        (result, surveyed) => assert_eq!(result.as_ref().err(), surveyed.err().as_ref()),
    }
    result
}

fn wristband() -> Schema {
    let known = registry::schemas().iter().find(|schema| schema.kind == registry::Kind::WRISTBAND).unwrap();
    Schema::from_registry(known.id).unwrap()
}

#[test]
fn a_frame_becomes_series_events_and_texts() {
    let schema = wristband();
    let mut builder = FrameBuilder::new();
    builder.begin(&Header { schema: schema.id, boot: 7, seq: 42, t0_ms: 600_000 }).unwrap();
    builder.chunk(&schema, 0, Times::From(600_000), &[&[Some(72), None, Some(75)]]).unwrap();
    builder.time_sync(&TimeSync { unix_minus_uptime_ms: 1_764_000_000_000, uncertainty_ms: 30 }).unwrap();
    let event = halo_proto::frame::Event { dt_ms: 2500, code: 17, severity: 3, value: -5, data: b"x" };
    builder.event(&event).unwrap();
    builder.text(&halo_proto::frame::Text { key: 9, val: "1.4.2" }).unwrap();
    let bytes = builder.finish();
    let survey = survey_one(&bytes).unwrap();
    assert_eq!((survey.first_ms, survey.last_ms), (Some(600_000), Some(602_500)));
    assert_eq!(survey.sync.map(|sync| sync.unix_minus_uptime_ms), Some(1_764_000_000_000));
    let out = read_one(bytes).unwrap();

    assert_eq!(out.series.len(), 1);
    assert_eq!(&*out.series[0].signal.name, "heart_rate");
    assert_eq!(
        out.series[0].points,
        [
            Point { device_ms: 600_000, event_ms: 1_600_000, raw: 72 },
            Point { device_ms: 602_000, event_ms: 1_602_000, raw: 75 }
        ]
    );
    assert_eq!((out.events[0].device_ms, out.events[0].event_ms, out.events[0].code), (602_500, 1_602_500, 17));
    assert_eq!((&*out.texts[0].key, out.texts[0].value.as_str()), ("9", "1.4.2"));
}

#[test]
fn what_is_wrong_with_a_frame_is_said() {
    assert_eq!(read_one(vec![0xf9, 1, 7]).unwrap_err(), Unreadable::Frame(halo_proto::frame::FrameError::Header));
    let mut builder = FrameBuilder::new();
    builder.begin(&Header { schema: 9999, boot: 7, seq: 42, t0_ms: 0 }).unwrap();
    assert_eq!(read_one(builder.finish()).unwrap_err(), Unreadable::UnknownSchema { schema: 9999 });
}

proptest! {
    #[test]
    fn any_bytes_give_readings_or_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), known in any::<bool>()) {
        if known {
            bytes.splice(0..0, [0xf9, 1, 7, 1, 0]);
        }
        drop(read_one(bytes));
    }
}
