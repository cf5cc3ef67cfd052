//! How long a sample takes to encode and to decode: one minute of the car dongle's 12 columns per frame.
//!
//! `cargo run --release -p halo-proto --example codec_speed`

use std::hint::black_box;
use std::time::Instant;

use halo_proto::chunk::Times;
use halo_proto::frame::{Frame, Header};
use halo_proto::schema::{Decoded, FrameBuilder, Schema, decode_into};

const ROWS: usize = 60;
const ROUNDS: usize = 20_000;

fn main() {
    let schema = Schema::from_registry(4).expect("the car dongle is registered");
    let columns: Vec<Vec<Option<i64>>> = schema.groups[0].columns.iter().map(|column| walk(column.bias)).collect();
    let columns: Vec<&[Option<i64>]> = columns.iter().map(Vec::as_slice).collect();
    let samples = (ROWS * columns.len()) as f64;
    let header = Header { schema: 4, boot: 7, seq: 41, t0_ms: 600_000 };
    let mut builder = FrameBuilder::new();
    let encode_ns = nanoseconds(|| {
        builder.begin(&header).expect("a legal header");
        builder.chunk(&schema, 0, Times::From(600_000), &columns).expect("a legal chunk");
    });
    let bytes = builder.finish();
    let mut decoded = Decoded::default();
    let decode_ns = nanoseconds(|| {
        let frame = Frame::new_checked(black_box(&bytes)).expect("an encoded frame is a frame");
        decode_into(&frame, &schema, &mut decoded).expect("an encoded frame decodes");
    });
    let each = |ns: f64| ns / ROUNDS as f64 / samples;
    println!("{} bytes a frame, {:.2} a sample", bytes.len(), bytes.len() as f64 / samples);
    println!("encode {:.1} ns/sample, decode {:.1} ns/sample", each(encode_ns), each(decode_ns));
}

/// A column that moves a few units a row.
fn walk(start: i64) -> Vec<Option<i64>> {
    let mut random = 0x9E37_79B9_7F4A_7C15u64;
    let mut value = start;
    let step = |_| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        value += (random >> 60) as i64 - 7;
        Some(value)
    };
    (0..ROWS).map(step).collect()
}

#[expect(clippy::disallowed_methods, reason = "a stopwatch, not a part of the program")]
fn nanoseconds(mut work: impl FnMut()) -> f64 {
    (0..ROUNDS / 10).for_each(|_| work());
    let start = Instant::now();
    (0..ROUNDS).for_each(|_| work());
    start.elapsed().as_nanos() as f64
}
