use halo_proto::schema::Schema;
use halo_proto::topic::Grammar;

use crate::clock::Clock;
use crate::forward::halo_json::halo_json;
use crate::halo::tests::support::{Log, native};
use crate::halo::{Fold, Tally};

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
    let clock = Clock::system();
    let mut fold = Fold::new(Grammar::default());
    let before = clock.now().mono_ms;
    log.records.iter().for_each(|record| drop(fold.apply(record).readings()));
    let per_frame = (clock.now().mono_ms - before) as f64 * 1000.0 / log.records.len() as f64;
    let mut tally = Tally::default();
    let before = clock.now().mono_ms;
    let subjects = fold.subjects();
    let bytes: usize = (0..20).flat_map(|_| &subjects).map(|subject| halo_json(subject, &mut tally).len()).sum();
    let per_halo = (clock.now().mono_ms - before) as f64 * 1000.0 / (20 * subjects.len()) as f64;
    println!(
        "24-sample frame folded in {per_frame:.2} us; its halo of {} bytes rendered in {per_halo:.1} us",
        bytes / 2000
    );
}
