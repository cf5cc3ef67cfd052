//! What a record costs the log besides the disk: `cargo bench -p halo-gateway --bench log`. The disk is memory here; the
//! log beside a bare write loop on a real disk is the row `log` of `compare` (package `halo-tests`).

use std::path::Path;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use halo_gateway::record::{Body, ClockSource, ClockUse, Draft, Format, Frame, GatewayTime, Identity, Name, Offset};
use halo_gateway::store::fs::mem::MemFs;
use halo_gateway::store::{Log, Options};

/// Records of one pass, and in one group commit.
const RECORDS: usize = 20_000;
const GROUP: usize = 500;
/// Bytes of a wristband's, a car's and an engine's frame of 10 s.
const PAYLOADS: [usize; 3] = [45, 119, 240];

fn main() {
    divan::main();
}

fn drafts(payload: usize) -> Vec<Draft> {
    let draft = |n: usize| {
        let name = Name::from(format!("wristband-{:05}", n % 1_000));
        Body::Frame(Frame {
            device: Name::clone(&name),
            publisher: Name::clone(&name),
            subject: name,
            identity: Some(Identity { boot: 1, seq: n as u32 }),
            format: Format::Tf1,
            arrival: GatewayTime::default(),
            qos: 1,
            clock: ClockUse { offset_ms: 0, source: ClockSource::Estimated },
            payload: Bytes::from(vec![n as u8; payload]),
        })
        .into()
    };
    (0..RECORDS).map(draft).collect()
}

fn written(drafts: &[Draft]) -> Log<MemFs> {
    let (mut log, _) = Log::open(MemFs::new(1), Path::new("/log"), Options::default()).expect("an empty folder opens");
    for group in drafts.chunks(GROUP) {
        for draft in group {
            log.push(draft, GatewayTime::default()).expect("memory takes it");
        }
        log.commit().expect("memory does not fail");
    }
    log
}

#[divan::bench(args = PAYLOADS, sample_count = 20)]
fn append(bencher: Bencher<'_, '_>, payload: usize) {
    let drafts = drafts(payload);
    let bytes = BytesCount::new(RECORDS * payload);
    bencher.counter(ItemsCount::new(RECORDS)).counter(bytes).bench_local(|| written(&drafts));
}

#[divan::bench(args = PAYLOADS, sample_count = 20)]
fn read(bencher: Bencher<'_, '_>, payload: usize) {
    let log = written(&drafts(payload));
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| {
        let (mut reader, mut read) = (log.reader(Offset(0)), 0);
        while let Some(records) =
            reader.next(1 << 20).ok().map(|batch| batch.records.len()).filter(|records| *records > 0)
        {
            read += records;
        }
        assert_eq!(read, RECORDS);
    });
}
