//! What the golden tests share.
#![expect(dead_code, reason = "each test file uses its own part")]

use halo_proto::chunk::{Clock, Part, Plan, Source, Times};
use halo_proto::frame::{Event, Frame, FrameWriter, Item, Text};
use halo_proto::schema::{Column, Decoded, Group, Schema, decode_into};

/// Bytes from hexadecimal digits; white space is skipped.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

/// A column without a name, of no particular signal.
pub(crate) fn column(bias: i64, k0: u8) -> Column {
    Column { metric: 1, num: 1, den: 1, bias, k0, name: None }
}

pub(crate) fn group(clock: Clock, columns: &[(i64, u8)]) -> Group {
    Group { clock, columns: columns.iter().map(|&(bias, k0)| column(bias, k0)).collect() }
}

/// The schema of the four short goldens.
pub(crate) fn golden_schema() -> Schema {
    let groups = vec![
        group(Clock::Regular { dt_ms: 1000 }, &[(70, 4)]),
        group(Clock::Interval, &[(800, 7)]),
        group(Clock::Regular { dt_ms: 10_000 }, &[(0, 13), (3300, 5)]),
        group(Clock::Regular { dt_ms: 60_000 }, &[(97, 1), (50, 5)]),
    ];
    Schema { id: 1, groups }
}

/// Encodes what `frame` says again, item by item: with its own plans, or with the encoder's.
pub(crate) fn rebuild(frame: &Frame<'_>, schema: &Schema, own_plans: bool) -> Vec<u8> {
    let mut out = vec![0; 61_440];
    let header = frame.header();
    let mut writer = FrameWriter::new(&mut out, &header).unwrap();
    for item in frame.items() {
        match item {
            Item::Chunk { group, chunk } => {
                let Group { clock, columns } = &schema.groups[usize::from(group)];
                let (rows, count) = (chunk.rows(), columns.len());
                let mut times = vec![0; rows];
                let mut values = vec![None; rows * count];
                let mut plans = vec![Plan::Best; count + 1];
                let codings = columns.iter().map(Column::coding);
                let trace = |part, plan| match part {
                    Part::Times => plans[count] = plan,
                    Part::Column(index) => plans[index] = plan,
                };
                chunk.decode_traced(header.t0_ms, *clock, codings, &mut times, &mut values, trace).unwrap();
                if !own_plans {
                    plans.fill(Plan::Best);
                }
                let sources: Vec<Source<'_>> = columns
                    .iter()
                    .zip(values.chunks(rows))
                    .zip(&plans)
                    .map(|((column, values), &plan)| Source { coding: column.coding(), values, plan })
                    .collect();
                writer.chunk_planned(group, *clock, Times::Each(&times), plans[count], sources).unwrap();
            }
            Item::TimeSync(sync) => writer.time_sync(&sync).unwrap(),
            Item::Event(event) => writer.event(&event as &Event<'_>).unwrap(),
            Item::Text(text) => writer.text(&text as &Text<'_>).unwrap(),
            Item::Mac(mac) => return writer.finish_with_mac(mac.kind, mac.code).unwrap().to_vec(),
            Item::Unknown { .. } => panic!("goldens have no unknown items"),
        }
    }
    writer.finish().to_vec()
}

/// A golden's values, encoded with its plans, are its bytes; encoded freely, they are no longer and decode equal.
pub(crate) fn same_as_golden(bytes: &[u8], schema: &Schema) {
    let frame = Frame::new_checked(bytes).unwrap();
    assert_eq!(rebuild(&frame, schema, true), bytes, "with the golden's plans");
    let free = rebuild(&frame, schema, false);
    assert!(free.len() <= bytes.len(), "{} bytes, the golden has {}", free.len(), bytes.len());
    let (mut theirs, mut ours) = (Decoded::default(), Decoded::default());
    decode_into(&frame, schema, &mut theirs).unwrap();
    decode_into(&Frame::new_checked(&free).unwrap(), schema, &mut ours).unwrap();
    assert_eq!(ours, theirs);
}

/// The fuzz target's body: any bytes give `Ok` or an error, within the value budget, and what decodes encodes to the same
/// content again.
pub(crate) fn arbitrary_bytes(bytes: &[u8]) {
    include!("../../fuzz/body.rs")
}
