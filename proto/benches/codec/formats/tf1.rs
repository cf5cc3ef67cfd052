//! This crate's own.

use halo_proto::frame::Frame;
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
        minute.encode(&self.schema, 7, self.seq & 127, &mut self.builder).expect("a legal frame");
        self.seq += 1;
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
