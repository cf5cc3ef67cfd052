use halo_proto::schema::Schema;
use halo_proto::topic::Grammar;

use crate::forward::halo_json::halo_json;
use crate::halo::tests::support::{Log, native};
use crate::halo::{Fold, Tally};
use crate::ingest::readings::{Readings, read};
use crate::ingest::schemas::Schemas;
use crate::record::Body;

#[test]
#[ignore = "a measurement: cargo test --release -- --ignored --nocapture fold_speed"]
fn fold_speed() {
    let schema = Schema::from_registry(6).expect("the turbofan's");
    let mut log = Log::default();
    for seq in 0..100_000u32 {
        let columns: Vec<Vec<i64>> =
            (0..24).map(|column| vec![5_000 + column * 100 + i64::from(seq * 7 % 50)]).collect();
        let device = format!("engine-{}", seq % 100);
        let payload = native(&schema, seq, u64::from(seq) * 10, &[(0, &columns)], None);
        log.after(10).native(&device, seq, payload);
    }
    let frames = log.records.len() as u64;
    let mut readings = Readings::default();
    let (mut fold, schemas) = (Fold::new(Grammar::default()), Schemas::new(Grammar::default()));
    let read = cpu_ns(|| {
        for record in &log.records {
            if let Body::Frame(frame) = &record.body {
                assert!(read(frame, record.offset, &schemas, &mut readings).is_ok());
            }
        }
    });
    let folded = cpu_ns(|| {
        for record in &log.records {
            fold.apply(record);
        }
    });
    let subjects = fold.subjects();
    let mut tally = Tally::default();
    let mut bytes = 0;
    let rendered = cpu_ns(|| bytes = subjects.iter().map(|subject| halo_json(subject, &mut tally).len()).sum());
    let of = subjects.len();
    println!(
        "24-sample frame: read in {} ns, read and folded in {} ns; its halo of {} bytes rendered in {} ns",
        read / frames,
        folded / frames,
        bytes / of,
        rendered / of as u64
    );
}

/// Processor time of this thread: other processes do not count.
fn cpu_ns(work: impl FnOnce()) -> u64 {
    let now = || {
        let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        times.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0)
    };
    let before = now();
    work();
    now() - before
}
