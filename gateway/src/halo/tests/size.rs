use halo_proto::schema::Schema;
use halo_proto::topic::Grammar;

use super::support::{Log, native};
use crate::halo::Fold;

/// A day and an hour of a wristband, a frame a minute: pulse each second between 52 and 168, every beat, steps and skin
/// temperature each 10 s, SpO2 and battery each minute; six signals.
fn day() -> Log {
    let schema = Schema::from_registry(1).expect("the wristband's");
    let mut log = Log::default();
    let mut noise = 88_172_645_463_325_252u64;
    let mut random = move |below: u64| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        (noise % below) as i64
    };
    for minute in 0..25 * 60u64 {
        let level = 85.0 + 25.0 * (minute as f64 / 220.0).sin() + 12.0 * (minute as f64 / 17.0).sin();
        let pulse: Vec<i64> = (0..60).map(|_| level as i64 + random(7) - 3).collect();
        let beats: Vec<i64> = (0..(level as usize)).map(|_| (60_000.0 / level) as i64 + random(81) - 40).collect();
        let steps: Vec<i64> = (0..6).map(|ten| (minute as i64 * 6 + ten) * 9 + random(5)).collect();
        let skin: Vec<i64> = (0..6).map(|_| 3300 + random(40)).collect();
        let slow = [vec![97 + random(3)], vec![100 - minute as i64 / 15]];
        let chunks: [(u8, &[Vec<i64>]); 4] = [(0, &[pulse]), (1, &[beats]), (2, &[steps, skin]), (3, &slow)];
        let payload = native(&schema, minute as u32, minute * 60_000, &chunks, None);
        log.after(60_000).native("wrist-1", minute as u32, payload);
    }
    log
}

#[test]
fn the_state_of_a_wristband_fits_twenty_kilobytes() {
    let log = day();
    let mut fold = Fold::new(Grammar::default());
    // What forecasts take is measured apart.
    fold.forecasts(false);
    for record in &log.records {
        fold.apply(record);
    }
    let band = fold.subject("wrist-1").expect("it sent frames");
    assert_eq!((band.signals().len(), band.counts().accepted, band.counts().suspect), (6, 1500, 0));
    let in_memory = band.memory_bytes();
    let written = fold.all_rows().into_iter().find(|(key, _)| key == b"s/wrist-1").map_or(0, |(_, row)| row.len());
    println!("wristband of 6 signals after 25 h: {written} bytes written, {in_memory} bytes in memory");
    assert!(written <= 20_480, "{written} bytes written");
    assert!(in_memory <= 20_480, "{in_memory} bytes in memory");
}
