//! What is encoded decodes to itself, whatever it is; and whatever comes, decoding ends well.

mod common;

use common::{arbitrary_bytes, golden_schema};
use halo_proto::chunk::{self, Chunk, ChunkError, Clock, Coding, EncodeError, Mode, Plan, Source, Times, VALUES_MAX};
use halo_proto::frame::{Event, Frame, FrameError, FrameWriter, Header, LEN_MAX};
use halo_proto::schema::{Column, DecodeError, Decoded, FrameBuilder, Group, Schema, Survey, Surveyor, decode_into};
use proptest::prelude::*;

fn any_clock() -> impl Strategy<Value = Clock> {
    prop_oneof![
        (0..100_000u32).prop_map(|dt_ms| Clock::Regular { dt_ms }),
        any::<u32>().prop_map(|nominal_ms| Clock::Irregular { nominal_ms }),
        Just(Clock::Interval),
    ]
}

fn any_coding() -> impl Strategy<Value = Coding> {
    (prop_oneof![Just(0), -1000..1000i64, any::<i64>()], 0..=chunk::RICE_K_MAX)
        .prop_map(|(bias, k0)| Coding { bias, k0 })
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let mode = prop_oneof![Just(Mode::Last), Just(Mode::Line), Just(Mode::Level)];
    prop_oneof![3 => Just(Plan::Best), 1 => (mode, 0..=chunk::RICE_K_MAX).prop_map(|(mode, k)| Plan::Fixed { mode, k })]
}

fn any_value() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => -20..20i64,
        2 => Just(5),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), any::<i64>()],
    ]
}

/// One column: walks, constants, noise and extremes, with nulls or without.
fn any_column(rows: usize) -> impl Strategy<Value = Vec<Option<i64>>> {
    let value = any_value().boxed();
    prop_oneof![
        2 => prop::collection::vec(value.clone().prop_map(Some), rows),
        2 => prop::collection::vec(prop::option::weighted(0.7, value.clone()), rows),
        1 => any_value().prop_map(move |value| vec![Some(value); rows]),
        1 => Just(vec![None; rows]),
        2 => prop::collection::vec((-3..4i64).prop_map(|step| Some(step.max(0))), rows),
    ]
}

#[derive(Clone, Debug)]
struct Case {
    t0_ms: u64,
    clock: Clock,
    times: Vec<i64>,
    time_plan: Plan,
    columns: Vec<(Coding, Plan, Vec<Option<i64>>)>,
}

impl Case {
    fn sources(&self) -> Vec<Source<'_>> {
        self.columns.iter().map(|(coding, plan, values)| Source { coding: *coding, plan: *plan, values }).collect()
    }

    fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        chunk::encode(out, self.t0_ms, self.clock, Times::Each(&self.times), self.time_plan, self.sources())
    }

    fn codings(&self) -> impl Iterator<Item = Coding> {
        self.columns.iter().map(|column| column.0)
    }
}

fn any_case() -> impl Strategy<Value = Case> {
    let rows = prop_oneof![1 => Just(1), 4 => 2..80usize, 1 => Just(chunk::ROWS_MAX)];
    (rows, 1..5usize, any_clock()).prop_flat_map(|(rows, columns, clock)| {
        let columns = prop::collection::vec((any_coding(), any_plan(), any_column(rows)), columns);
        let steps = prop_oneof![
            Just(vec![1000; rows]),
            prop::collection::vec(0..2000i64, rows),
            prop::collection::vec(prop_oneof![20 => 0..2000i64, 1 => 0..1_000_000i64], rows),
        ];
        (0..=1u64 << 53, -1_000_000_000..1_000_000_000i64, steps, any_plan(), columns).prop_map(
            move |(t0_ms, offset, mut steps, time_plan, mut columns)| {
                match clock {
                    Clock::Interval => columns[0].2 = steps.iter().copied().map(Some).collect(),
                    Clock::Regular { dt_ms } if steps.iter().all(|step| *step == 1000) => steps.fill(i64::from(dt_ms)),
                    _ => {}
                }
                let mut time = t0_ms as i64 + offset;
                let mut times = vec![time];
                times.extend(steps.iter().skip(1).map(|step| {
                    time += step;
                    time
                }));
                Case { t0_ms, clock, times, time_plan, columns }
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_chunk_decodes_to_what_was_encoded(case in any_case()) {
        let mut out = vec![0; 70_000];
        let len = case.encode(&mut out).unwrap();
        let rows = case.times.len();
        let (mut times, mut values) = (vec![0; rows], vec![None; rows * case.columns.len()]);
        let chunk = Chunk::new_checked(&out[..len]).unwrap();
        chunk.decode(case.t0_ms, case.clock, case.codings(), &mut times, &mut values).unwrap();
        prop_assert_eq!(&times, &case.times);
        for (got, (_, _, wanted)) in values.chunks(rows).zip(&case.columns) {
            prop_assert_eq!(got, wanted.as_slice());
        }
    }

    #[test]
    fn a_chunk_fits_exactly_and_in_no_shorter_slice(case in any_case(), cut in 1..40usize) {
        let mut out = vec![0; 70_000];
        let len = case.encode(&mut out).unwrap();
        let mut exact = vec![0; len];
        prop_assert_eq!(case.encode(&mut exact), Ok(len));
        prop_assert_eq!(&exact, &out[..len]);
        prop_assert_eq!(case.encode(&mut exact[..len.saturating_sub(cut)]), Err(EncodeError::Full));
        let rows = case.times.len();
        let chunk = Chunk::new_checked(&exact).unwrap();
        let (mut times, mut values) = (vec![0; rows], vec![None; rows * case.columns.len()]);
        let short = values.len() - 1;
        let decoded = chunk.decode(case.t0_ms, case.clock, case.codings(), &mut times, &mut values[..short]);
        prop_assert_eq!(decoded, Err(ChunkError::Full));
        let decoded = chunk.decode(case.t0_ms, case.clock, case.codings(), &mut times[..rows - 1], &mut values);
        prop_assert_eq!(decoded, Err(ChunkError::Full));
    }

    #[test]
    fn a_cut_or_lengthened_chunk_is_refused(case in any_case(), cut in 1..4usize) {
        let mut out = vec![0; 70_000];
        let len = case.encode(&mut out).unwrap();
        let rows = case.times.len();
        let (mut times, mut values) = (vec![0; rows], vec![None; rows * case.columns.len()]);
        for other in [len.saturating_sub(cut), len + cut] {
            out[len..len + cut].fill(0);
            if let Some(chunk) = Chunk::new_checked(&out[..other]) {
                prop_assert!(chunk.decode(case.t0_ms, case.clock, case.codings(), &mut times, &mut values).is_err());
            }
        }
    }

    #[test]
    fn a_frame_can_be_surveyed_exactly_if_it_can_be_decoded(
        case in any_case(),
        chunks in 1..4,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u8), 0..4),
        end in prop::option::weighted(0.2, any::<prop::sample::Index>()),
    ) {
        let column = |coding: Coding| Column { metric: 1, num: 1, den: 1, bias: coding.bias, k0: coding.k0, name: None };
        let groups = vec![Group { clock: case.clock, columns: case.codings().map(column).collect() }];
        let schema = Schema { id: 1, groups };
        let mut out = vec![0; 61_440];
        let header = Header { schema: 1, boot: 1, seq: 0, t0_ms: case.t0_ms };
        let mut writer = FrameWriter::new(&mut out, &header).unwrap();
        let mut write = || writer.chunk_planned(0, case.clock, Times::Each(&case.times), case.time_plan, case.sources());
        prop_assume!(write().is_ok());
        // What does not fit any more is left out.
        let _fitted = (1..chunks).filter(|_| write().is_ok()).count();
        let event = Event { dt_ms: 5, code: 1, severity: 0, value: 0, data: &[] };
        prop_assume!(writer.event(&event).is_ok());
        let mut bytes = writer.finish().to_vec();
        for (index, bit) in flips {
            let at = index.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        if let Some(end) = end {
            bytes.truncate(end.index(bytes.len()));
        }
        let Ok(frame) = Frame::new_checked(&bytes) else { return Ok(()) };
        let mut decoded = Decoded::default();
        let wanted = decode_into(&frame, &schema, &mut decoded).map(|()| survey_of(&decoded));
        prop_assert_eq!(Surveyor::default().survey(&frame, &schema), wanted);
    }

    #[test]
    fn any_bytes_end_well(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        arbitrary_bytes(&bytes);
        let mut framed = vec![0xF9, 1, 7, 1, 0];
        framed.extend(&bytes);
        arbitrary_bytes(&framed);
    }

    #[test]
    fn a_mutated_frame_ends_well(at in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = common::hex("f9 01 07 2a c0 cf 24 00 06 0a 00 44 20 66 24 01 07 03 b8 06 8f 90 b6 40 02 05 01 00 a0 75
            00 40 07 80 81 f6 e8 d6 66 1e 41 07 e4 41 11 03 ec 2c 00 42 07 09 05 31 2e 34 2e 32");
        for (index, byte) in at {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        arbitrary_bytes(&bytes);
    }
}

/// What surveying the frame should have said.
fn survey_of(decoded: &Decoded) -> Survey {
    let mut rows_ms = Vec::new();
    for rows in decoded.chunks() {
        let has_value = |row: usize| rows.columns().any(|column| column[row].is_some());
        rows_ms.extend(rows.times.iter().enumerate().filter(|(row, _)| has_value(*row)).map(|(_, time_ms)| *time_ms));
    }
    let events_ms = decoded.events.iter().map(|event| event.time_ms);
    let last_ms = rows_ms.iter().copied().chain(events_ms).max();
    Survey { first_ms: rows_ms.iter().copied().min(), last_ms, sync: decoded.sync }
}

/// A group of 24 columns, all constant: 1,024 rows of them take 56 bytes.
fn constants() -> Schema {
    let column = Column { metric: 1, num: 1, den: 1, bias: 0, k0: 0, name: None };
    Schema { id: 1, groups: vec![Group { clock: Clock::Regular { dt_ms: 0 }, columns: vec![column; 24] }] }
}

#[test]
fn a_frame_of_constants_stops_at_the_budget() {
    let schema = constants();
    let values = vec![Some(0); chunk::ROWS_MAX];
    let columns = vec![values.as_slice(); 24];
    let mut builder = FrameBuilder::new();
    builder.begin(&Header { schema: 1, boot: 1, seq: 0, t0_ms: 0 }).unwrap();
    let one = builder.chunk(&schema, 0, Times::From(0), &columns).unwrap().bytes().to_vec();
    let mut decoded = Decoded::default();
    decode_into(&Frame::new_checked(&one).unwrap(), &schema, &mut decoded).unwrap();
    assert_eq!(decoded.chunks().map(|rows| rows.columns().len() * rows.times.len()).sum::<usize>(), 24 * 1024);
    while builder.chunk(&schema, 0, Times::From(0), &columns).is_ok() {}
    assert!(builder.bytes().len() > LEN_MAX - 30);
    let bomb = Frame::new_checked(builder.bytes()).unwrap();
    let error = decode_into(&bomb, &schema, &mut decoded).unwrap_err();
    assert_eq!(error, DecodeError::Chunk { group: 0, error: ChunkError::Budget });
    assert!(decoded.chunks().map(|rows| rows.columns().len() * rows.times.len()).sum::<usize>() <= VALUES_MAX);
}

#[test]
fn a_chunk_that_does_not_fit_leaves_the_frame_as_it_was() {
    let mut out = [0; 20];
    let mut writer = FrameWriter::new(&mut out, &Header { schema: 1, boot: 7, seq: 41, t0_ms: 600_000 }).unwrap();
    let pulse = |values| [Source { coding: Coding { bias: 70, k0: 4 }, values, plan: Plan::Best }];
    let clock = Clock::Regular { dt_ms: 1000 };
    let noise: Vec<_> = (0..60).map(|i| Some(i * 7919 % 101)).collect();
    assert_eq!(writer.chunk(0, clock, Times::From(600_000), pulse(&noise)), Err(EncodeError::Full));
    writer.chunk(0, clock, Times::From(600_000), pulse(&[Some(72)])).unwrap();
    assert_eq!(writer.finish(), common::hex("f9 01 07 29 c0 cf 24 00 03 01 00 88"), "the golden G1");
}

#[test]
fn rows_that_go_back_in_time_are_refused() {
    let schema = golden_schema();
    let mut builder = FrameBuilder::new();
    builder.begin(&Header { schema: 1, boot: 1, seq: 0, t0_ms: 10_000 }).unwrap();
    builder.chunk(&schema, 0, Times::From(12_000), &[&[Some(70)]]).unwrap();
    let back = builder.chunk(&schema, 3, Times::Each(&[5, 4]), &[&[Some(1), Some(2)], &[None, None]]).map(drop);
    assert_eq!(back, Err(EncodeError::Times));
    builder.chunk(&schema, 0, Times::From(11_000), &[&[Some(70)]]).unwrap();
    let frame = Frame::new_checked(builder.bytes()).unwrap();
    let error = decode_into(&frame, &schema, &mut Decoded::default()).unwrap_err();
    assert_eq!(error, DecodeError::Chunk { group: 0, error: ChunkError::Times });
}

#[test]
fn an_interval_without_a_value_is_refused() {
    let schema = golden_schema();
    let mut builder = FrameBuilder::new();
    builder.begin(&Header { schema: 1, boot: 1, seq: 0, t0_ms: 0 }).unwrap();
    let with_null = builder.chunk(&schema, 1, Times::From(0), &[&[Some(800), None]]).map(drop);
    assert_eq!(with_null, Err(EncodeError::Times));
    // rows 1, offset 0, column 0 absent
    let bytes = common::hex("f9 01 07 2b 00 01 03 01 00 00");
    let error = decode_into(&Frame::new_checked(&bytes).unwrap(), &schema, &mut Decoded::default()).unwrap_err();
    assert_eq!(error, DecodeError::Chunk { group: 1, error: ChunkError::Times });
}

#[test]
fn every_departure_from_the_one_spelling_is_refused() {
    let refused = |text: &str| Frame::new_checked(&common::hex(text)).unwrap_err();
    assert_eq!(refused(""), FrameError::Magic { got: None });
    assert_eq!(refused("fa 01 07 29 00"), FrameError::Magic { got: Some(0xFA) });
    assert_eq!(refused("f9 01 07 29"), FrameError::Header, "cut");
    assert_eq!(refused("f9 81 00 07 29 00"), FrameError::Header, "over-long schema");
    assert_eq!(refused("f9 01 07 29 ff ff ff ff ff ff ff ff ff 01"), FrameError::Header, "starts too late");
    assert_eq!(refused("f9 01 07 29 00 00 83 00 01 00 88"), FrameError::Item { at: 5, tag: 0 }, "over-long length");
    assert_eq!(refused("f9 01 07 29 00 00 04 01 00 88"), FrameError::Item { at: 5, tag: 0 }, "length past the end");
    assert_eq!(refused("f9 01 07 29 00 00 03 00 00 88"), FrameError::Item { at: 5, tag: 0 }, "no rows");
    assert_eq!(refused("f9 01 07 29 00 00 04 81 08 00 88"), FrameError::Item { at: 5, tag: 0 }, "1025 rows");
    assert_eq!(refused("f9 01 07 29 00 42 03 09 01 ff"), FrameError::Item { at: 5, tag: 0x42 }, "not UTF-8");
    assert_eq!(refused("f9 01 07 29 00 80 00"), FrameError::Critical { tag: 0x80 });
    assert_eq!(refused("f9 01 07 29 00 c0 01 00"), FrameError::Item { at: 5, tag: 0xC0 }, "MAC of one byte");
    assert_eq!(refused("f9 01 07 29 00 c0 08 0000000000000000 43 00"), FrameError::AfterMac { at: 15 });
    let long = vec![0xF9; LEN_MAX + 1];
    assert_eq!(Frame::new_checked(&long).unwrap_err(), FrameError::TooLong { len: LEN_MAX + 1 });

    let decoded = |text: &str| {
        let mut decoded = Decoded::default();
        let bytes = common::hex(text);
        decode_into(&Frame::new_checked(&bytes).unwrap(), &golden_schema(), &mut decoded)
            .map(|()| decoded.unknown_items)
    };
    let refused = |text: &str| match decoded(text).unwrap_err() {
        DecodeError::Chunk { error, .. } => error,
        other => panic!("{other}"),
    };
    assert_eq!(decoded("f9 01 07 29 00 43 01 00 7f 00"), Ok(2), "unknown items are skipped and counted");
    assert_eq!(decoded("f9 02 07 29 00"), Err(DecodeError::Schema { got: 2, wanted: 1 }));
    assert_eq!(decoded("f9 01 07 29 00 09 03 01 00 88"), Err(DecodeError::Group { group: 9 }));
    assert_eq!(refused("f9 01 07 29 00 00 03 01 00 89"), ChunkError::Padding, "a set padding bit");
    assert_eq!(refused("f9 01 07 29 00 00 04 01 00 88 00"), ChunkError::Padding, "a byte of padding");
    assert_eq!(refused("f9 01 07 29 00 00 02 01 00"), ChunkError::Truncated);
    // rows 2, regular, column with a bitmap of both ones
    assert_eq!(refused("f9 01 07 29 00 00 04 02 00 78 00"), ChunkError::NonCanonical);
    // rows 2, regular, all present, first 70, mode 5
    assert_eq!(refused("f9 01 07 29 00 00 04 02 00 40 a0"), ChunkError::Mode);
}
