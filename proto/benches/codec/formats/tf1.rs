//! This crate's own.

use halo_proto::chunk::Times;
use halo_proto::frame::{Frame, Header};
use halo_proto::schema::{Decoded, FrameBuilder, Schema, decode_into};

use super::{Format, Seen};
use crate::minutes::Minute;

pub(crate) struct Tf1 {
    schema: Schema,
    builder: FrameBuilder,
    decoded: Decoded,
    seq: u32,
}

impl Tf1 {
    pub(crate) fn new(schema: Schema) -> Self {
        Self { schema, builder: FrameBuilder::new(), decoded: Decoded::default(), seq: 0 }
    }
}

impl Format for Tf1 {
    fn encode(&mut self, minute: &Minute, out: &mut Vec<u8>) {
        let t0_ms = minute.t0_ms.unsigned_abs();
        let header = Header { schema: self.schema.id, boot: 7, seq: self.seq & 127, t0_ms };
        self.seq += 1;
        self.builder.begin(&header).expect("a legal header");
        let mut columns: Vec<&[Option<i64>]> = Vec::new();
        for rows in &minute.groups {
            columns.clear();
            columns.extend(rows.slots.iter().map(Vec::as_slice));
            self.builder.chunk(&self.schema, rows.group, Times::Each(&rows.times), &columns).expect("legal rows");
        }
        out.clear();
        out.extend_from_slice(self.builder.bytes());
    }

    fn decode(&mut self, bytes: &[u8]) -> Seen {
        let frame = Frame::new_checked(bytes).expect("a frame");
        decode_into(&frame, &self.schema, &mut self.decoded).expect("readable");
        let mut seen = Seen::default();
        for rows in self.decoded.chunks() {
            rows.columns().flatten().flatten().for_each(|value| seen.take(*value));
        }
        seen
    }
}
