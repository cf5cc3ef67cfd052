use halo_proto::schema::Schema;
use halo_proto::topic::Grammar;

use super::support::{Log, native};
use crate::halo::{Fold, Subject};

/// A wristband, a frame a minute: pulse each second between 52 and 168, every beat, steps and skin temperature each 10 s,
/// SpO2 and battery each minute; six signals, and three more where it has axes.
fn worn(minutes: u64, axes: bool) -> Log {
    let schema = Schema::from_registry(if axes { 2 } else { 1 }).expect("the wristband's");
    let mut log = Log::default();
    let mut noise = 88_172_645_463_325_252u64;
    let mut random = move |below: u64| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        (noise % below) as i64
    };
    for minute in 0..minutes {
        let level = 85.0 + 25.0 * (minute as f64 / 220.0).sin() + 12.0 * (minute as f64 / 17.0).sin();
        let pulse: Vec<i64> = (0..60).map(|_| level as i64 + random(7) - 3).collect();
        let beats: Vec<i64> = (0..(level as usize)).map(|_| (60_000.0 / level) as i64 + random(81) - 40).collect();
        let steps: Vec<i64> = (0..6).map(|ten| (minute as i64 * 6 + ten) * 9 + random(5)).collect();
        let skin: Vec<i64> = (0..6).map(|_| 3300 + random(40)).collect();
        let slow = [vec![97 + random(3)], vec![100 - minute as i64 / 15]];
        let chunks: [(u8, &[Vec<i64>]); 4] = [(0, &[pulse]), (1, &[beats]), (2, &[steps, skin]), (3, &slow)];
        let (seq, t0_ms) = (minute as u32 * 7, minute * 60_000);
        let payload = native(&schema, seq, t0_ms, &chunks, None);
        log.after(60_000).native("wrist-1", seq, payload);
        for ten in (0..6).filter(|_| axes) {
            let mut rows = || (0..250).map(|_| random(800)).collect::<Vec<i64>>();
            let motion = [rows(), rows(), rows()];
            let seq = seq + 1 + ten;
            let payload = native(&schema, seq, t0_ms + u64::from(ten) * 10_000, &[(4, &motion)], None);
            log.native("wrist-1", seq, payload);
        }
    }
    log
}

/// What the derivations of a subject take, bytes.
fn derived_bytes(subject: &Subject) -> [usize; 2] {
    let derivations = subject.derivations();
    [postcard::to_stdvec(derivations).expect("our own state").len(), derivations.heap_bytes()]
}

/// Folds a log; the most that the derivations of its wristband took on the way, bytes.
fn derived_at_most(fold: &mut Fold, log: &Log) -> [usize; 2] {
    log.records.iter().fold([0; 2], |most, record| {
        fold.apply(record);
        let now = derived_bytes(fold.subject("wrist-1").expect("it sent frames"));
        [most[0].max(now[0]), most[1].max(now[1])]
    })
}

#[test]
fn the_signals_of_a_wristband_fit_twenty_kilobytes_and_what_is_derived_of_them_five() {
    let log = worn(25 * 60, false);
    let mut fold = Fold::new(Grammar::default());
    // What forecasts take is measured apart.
    fold.forecasts(false);
    let most = derived_at_most(&mut fold, &log);
    let band = fold.subject("wrist-1").expect("it sent frames");
    assert_eq!((band.signals().len(), band.counts().accepted, band.counts().suspect), (6, 1500, 0));
    let derived = derived_bytes(band);
    let in_memory = band.memory_bytes() - derived[1];
    let written = fold.all_rows().into_iter().find(|(key, _)| key == b"s/wrist-1").map_or(0, |(_, row)| row.len());
    let written = written - derived[0];
    println!("wristband of 6 signals after 25 h: {written} bytes written, {in_memory} bytes in memory");
    println!("derived: {} bytes written, {} bytes in memory; at most {most:?}", derived[0], derived[1]);
    assert!(written <= 20_480, "{written} bytes written");
    assert!(in_memory <= 20_480, "{in_memory} bytes in memory");
    assert!(band.derived().len() > 20, "{:?}", band.derived());
    assert!(most.iter().all(|bytes| *bytes <= 5120), "{most:?}");
}

#[test]
fn what_is_derived_of_a_wristband_with_axes_fits_five_kilobytes() {
    let log = worn(60, true);
    let mut fold = Fold::new(Grammar::default());
    let most = derived_at_most(&mut fold, &log);
    let band = fold.subject("wrist-1").expect("it sent frames");
    println!("derived with axes: at most {} bytes written, {} bytes in memory", most[0], most[1]);
    assert!(band.derived().iter().any(|derived| derived.name == "activity.intensity"), "{:?}", band.derived());
    assert!(most.iter().all(|bytes| *bytes <= 5120), "{most:?}");
}
