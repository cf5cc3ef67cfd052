//! What a frame costs after the log: `cargo bench -p halo-gateway --bench fold`. Frames of 10 s, as simulated devices
//! send them, one device after itself.

use divan::Bencher;
use divan::counter::ItemsCount;
use firmware_sim::Kind;
use firmware_sim::bench::{Load, payloads};
use halo_gateway::forward::readings_json::{Lane, readings_json};
use halo_gateway::forward::river::render_halo;
use halo_gateway::halo::Fold;
use halo_gateway::ingest::readings::{Readings, read};
use halo_gateway::ingest::schemas::Schemas;
use halo_gateway::record::{
    Body, ClockSource, ClockUse, FoldConfig, Format, Frame, GatewayTime, Identity, KeyId, Name, Offset, Record,
    StartEpoch,
};
use halo_proto::topic::Grammar;

/// Frames of one pass: 50 minutes.
const FRAMES: u32 = 300;
const SUBJECTS: u32 = 100;
const WALL_MS: i64 = 1_795_291_200_000;
const SUBJECT: &str = "someone";
/// Kinds of one byte of schema.
const KINDS: [Kind; 6] =
    [Kind::Wristband, Kind::CarDongle, Kind::Turbofan, Kind::ParcelTracker, Kind::ParkBand, Kind::Pacemaker];

fn main() {
    divan::main();
}

fn records(kind: Kind) -> Vec<Record> {
    let payloads = payloads(&Load::frames(&[kind]), 0, FRAMES).expect("a simulated kind");
    let record = |(number, payload): (u32, bytes::Bytes)| {
        let mono_ms = u64::from(number) * 10_000;
        let arrival = GatewayTime { wall_ms: WALL_MS + mono_ms as i64, mono_ms };
        let frame = Frame {
            device: SUBJECT.into(),
            publisher: SUBJECT.into(),
            subject: SUBJECT.into(),
            identity: Some(Identity { boot: 1, seq: number }),
            format: Format::Tf1,
            arrival,
            qos: 1,
            // Uptime begins at 2^28 ms.
            clock: ClockUse { offset_ms: WALL_MS - (1 << 28), source: ClockSource::Synced },
            payload,
        };
        let offset = Offset(u64::from(number) + 1);
        Record { offset, epoch: StartEpoch(1), stamp: arrival, cause: None, key: KeyId(0), body: Body::Frame(frame) }
    };
    (0..).zip(payloads).map(record).collect()
}

fn folded(records: &[Record]) -> Fold {
    let mut fold = Fold::new(Grammar::default());
    for record in records {
        fold.apply(record);
    }
    fold
}

/// The same of a hundred subjects in turn, whose state is in nobody's cache.
fn records_of_many(kind: Kind) -> Vec<Record> {
    let many = |record: Record| {
        (0..SUBJECTS).map(move |n| {
            let mut record = record.clone();
            if let Body::Frame(frame) = &mut record.body {
                let name = Name::from(format!("someone-{n:03}"));
                (frame.device, frame.publisher, frame.subject) = (name.clone(), name.clone(), name);
            }
            record
        })
    };
    let mut records: Vec<Record> = records(kind).into_iter().flat_map(many).collect();
    (1..).zip(&mut records).for_each(|(offset, record)| record.offset = Offset(offset));
    records
}

/// As [`decode_and_fold`], with a hundred subjects in turn.
#[divan::bench(args = KINDS, sample_count = 20)]
fn decode_and_fold_of_many(bencher: Bencher<'_, '_>, kind: Kind) {
    let records = records_of_many(kind);
    bencher.counter(ItemsCount::new(records.len())).bench_local(|| folded(&records));
}

/// The same with `[halo] forecasts = false`.
#[divan::bench(args = KINDS, sample_count = 20)]
fn decode_and_fold_of_many_without_forecasts(bencher: Bencher<'_, '_>, kind: Kind) {
    let mut records = records_of_many(kind);
    if let Some(first) = records.first().cloned() {
        let body = Body::Config(FoldConfig { forecasts: false, ..FoldConfig::default() });
        records.insert(0, Record { body, ..first });
        (1..).zip(&mut records).for_each(|(offset, record)| record.offset = Offset(offset));
    }
    bencher.counter(ItemsCount::new(records.len() - 1)).bench_local(|| folded(&records));
}

fn frames(records: &[Record]) -> impl Iterator<Item = &Frame> {
    records.iter().filter_map(|record| if let Body::Frame(frame) = &record.body { Some(frame) } else { None })
}

#[divan::bench(args = KINDS)]
fn decode(bencher: Bencher<'_, '_>, kind: Kind) {
    let (records, schemas, mut readings) = (records(kind), Schemas::new(Grammar::default()), Readings::default());
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| {
        for frame in frames(&records) {
            assert!(read(frame, Offset::AFTER_ALL, &schemas, &mut readings).is_ok());
        }
    });
}

#[divan::bench(args = KINDS)]
fn decode_and_fold(bencher: Bencher<'_, '_>, kind: Kind) {
    let records = records(kind);
    bencher.counter(ItemsCount::new(FRAMES)).bench_local(|| folded(&records));
}

#[divan::bench(args = KINDS)]
fn readings_document(bencher: Bencher<'_, '_>, kind: Kind) {
    let (records, schemas, mut readings) = (records(kind), Schemas::new(Grammar::default()), Readings::default());
    let frame = frames(&records).last().expect("there are frames");
    assert!(read(frame, Offset::AFTER_ALL, &schemas, &mut readings).is_ok());
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench_local(|| readings_json("gateway-0123456789abcdef", Offset(1_000_000), frame, &readings, Lane::Live));
}

#[divan::bench(args = KINDS)]
fn halo_document(bencher: Bencher<'_, '_>, kind: Kind) {
    let fold = folded(&records(kind));
    let subject = fold.subject(SUBJECT).expect("it sent frames");
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| render_halo(subject));
}
