//! Writes records as the log owner would.

use bytes::Bytes;
use halo_proto::birth::Head;
use halo_proto::chunk::{Clock, Times};
use halo_proto::frame::{Event, Header};
use halo_proto::registry::Kind;
use halo_proto::schema::{Column, FrameBuilder, Group, Schema};
use halo_proto::topic::Grammar;

use crate::halo::Fold;
use crate::record::{
    Assignment, Body, ClockSource, ClockUse, FoldConfig, Format, Frame, GatewayTime, Identity, KeyId, Offset, Presence,
    Record, Retained, StartEpoch, SubjectKind,
};

/// Wall time at monotonic time 0; the end of a pane of every length.
pub(crate) const WALL_MS: i64 = 1_795_291_200_000;

/// A log in the making, with a clock of its own.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) records: Vec<Record>,
    pub(crate) mono_ms: u64,
    offset: u64,
}

impl Log {
    pub(crate) fn now(&self) -> GatewayTime {
        GatewayTime { wall_ms: WALL_MS + self.mono_ms as i64, mono_ms: self.mono_ms }
    }

    pub(crate) fn push(&mut self, body: Body) -> &Record {
        self.offset += 1;
        let (offset, stamp) = (Offset(self.offset), self.now());
        self.records.push(Record { offset, epoch: StartEpoch(1), stamp, cause: None, key: KeyId(0), body });
        self.records.last().expect("just pushed")
    }

    /// Leaves a hole, as a rewritten log has them.
    pub(crate) fn skip_offset(&mut self) {
        self.offset += 1;
    }

    pub(crate) fn after(&mut self, ms: u64) -> &mut Self {
        self.mono_ms += ms;
        self
    }

    pub(crate) fn json(&mut self, device: &str, payload: &str) -> &Record {
        let frame = self.frame(device, Format::Json, 0, payload.as_bytes().to_vec());
        self.push(Body::Frame(frame))
    }

    /// One value, taken `ago_ms` before its arrival.
    pub(crate) fn value(&mut self, device: &str, signal: &str, value: f64, ago_ms: i64) -> &Record {
        let time = self.now().wall_ms - ago_ms;
        self.json(device, &format!("{{\"{signal}\":{value},\"time\":{time}}}"))
    }

    pub(crate) fn native(&mut self, device: &str, seq: u32, payload: Vec<u8>) -> &Record {
        let mut frame = self.frame(device, Format::Tf1, WALL_MS, payload);
        frame.identity = Some(Identity { boot: 1, seq });
        self.push(Body::Frame(frame))
    }

    pub(crate) fn connected(&mut self, device: &str) -> &Record {
        self.push(Body::Connected(Presence { device: device.into(), subject: device.into() }))
    }

    pub(crate) fn gone(&mut self, device: &str) -> &Record {
        self.push(Body::Gone(Presence { device: device.into(), subject: device.into() }))
    }

    pub(crate) fn configure(&mut self, silent_after_ms: u64, assignments: &[(&str, &str)]) -> &Record {
        let assignment = |(device, subject): &(&str, &str)| Assignment {
            device: (*device).into(),
            subject: (*subject).into(),
            kind: SubjectKind::Person,
            from_ms: None,
            until_ms: None,
        };
        let assignments = assignments.iter().map(assignment).collect();
        self.push(Body::Config(FoldConfig { assignments, silent_after_ms, ..FoldConfig::default() }))
    }

    pub(crate) fn birth(&mut self, device: &str, schema: &Schema) -> &Record {
        self.birth_of(Kind::WRISTBAND, device, schema)
    }

    pub(crate) fn birth_of(&mut self, kind: Kind, device: &str, schema: &Schema) -> &Record {
        let head = Head { kind: kind.0, schema: schema.id, boot: 1, t0_ms: 0, sync: None, firmware: "1.0" };
        let payload = schema.birth_bytes(&head).expect("a birth of our own").into();
        let (topic, arrival) = (format!("halo/v1/d/{device}/birth").into(), self.now());
        self.push(Body::Retained(Retained { topic, publisher: device.into(), qos: 1, arrival, payload }))
    }

    pub(crate) fn retained(&mut self, topic: &str, payload: &str) -> &Record {
        let (topic, publisher, arrival) = (topic.into(), "shop".into(), self.now());
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        self.push(Body::Retained(Retained { topic, publisher, qos: 1, arrival, payload }))
    }

    pub(crate) fn frame(&self, device: &str, format: Format, offset_ms: i64, payload: Vec<u8>) -> Frame {
        Frame {
            device: device.into(),
            publisher: device.into(),
            subject: device.into(),
            identity: None,
            format,
            arrival: self.now(),
            qos: 1,
            clock: ClockUse { offset_ms, source: ClockSource::Estimated },
            payload: Bytes::from(payload),
        }
    }
}

/// The fold as a start finds it in a checkpoint of all its rows.
pub(crate) fn reloaded(fold: &Fold) -> Fold {
    let rows = fold.all_rows();
    let rows = rows.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
    Fold::load(Grammar::default(), rows).expect("rows of our own")
}

/// A schema only births know: one signal `power`, each second.
pub(crate) fn power(den: u32) -> Schema {
    let column = Column { metric: 0x8000, num: 1, den, bias: 0, k0: 4, name: Some("power".into()) };
    Schema::hashed(vec![Group { clock: Clock::Regular { dt_ms: 1000 }, columns: vec![column] }]).expect("a schema")
}

/// A schema only births know: `speed` in km/h, each second.
pub(crate) fn speedometer() -> Schema {
    let column = Column { metric: 34, num: 1, den: 1, bias: 50, k0: 4, name: None };
    Schema::hashed(vec![Group { clock: Clock::Regular { dt_ms: 1000 }, columns: vec![column] }]).expect("a schema")
}

/// A frame of one group from `t0_ms` of uptime on; columns of equal length.
pub(crate) fn native(
    schema: &Schema,
    seq: u32,
    t0_ms: u64,
    chunks: &[(u8, &[Vec<i64>])],
    event: Option<u16>,
) -> Vec<u8> {
    let mut builder = FrameBuilder::new();
    builder.begin(&Header { schema: schema.id, boot: 1, seq, t0_ms }).expect("a header");
    for (group, columns) in chunks {
        let columns: Vec<Vec<_>> = columns.iter().map(|column| column.iter().copied().map(Some).collect()).collect();
        let columns: Vec<&[_]> = columns.iter().map(Vec::as_slice).collect();
        builder.chunk(schema, usize::from(*group), Times::From(t0_ms as i64), &columns).expect("a chunk");
    }
    if let Some(code) = event {
        builder.event(&Event { dt_ms: 0, code, severity: 3, value: -5, data: &[] }).expect("an event");
    }
    builder.finish()
}
