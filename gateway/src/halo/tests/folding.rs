use halo_proto::schema::Schema;
use halo_proto::topic::Grammar;

use super::support::{Log, WALL_MS, native, power};
use crate::halo::{DeviceState, Fold, Quality, Subject, Tally};
use crate::record::{
    Act, Assignment, Body, Conflict, Deed, Duplicates, Format, Gap, Identity, Quarantine, Start, SubjectKind,
};

const MINUTE: i64 = 60_000;

fn fold(log: &Log) -> Fold {
    let mut fold = Fold::new(Grammar::default());
    for record in &log.records {
        fold.apply(record);
    }
    fold
}

fn state(fold: &Fold, subject: &str) -> DeviceState {
    fold.subject(subject).unwrap().devices()[0].state()
}

fn value(subject: &Subject, signal: &str) -> Option<f64> {
    let latest = subject.signal(signal)?.latest()?;
    Some(latest.raw as f64 * f64::from(latest.num) / f64::from(latest.den))
}

#[test]
fn the_latest_value_is_the_newest_by_event_time() {
    let mut log = Log::default();
    log.value("band", "mood", 1.0, 0);
    log.after(10_000).value("band", "mood", 2.0, 5_000);
    log.after(10).value("band", "mood", 3.0, 8_000);
    let fold = fold(&log);
    let band = fold.subject("band").unwrap();
    assert_eq!((value(band, "mood"), band.revision()), (Some(2.0), 3));
    assert_eq!(band.signal("mood").unwrap().stats(&mut Tally::default()).next().unwrap().1.n, 3);
}

#[test]
fn of_readings_with_one_time_the_one_stored_last_counts() {
    let mut log = Log::default();
    log.value("band", "mood", 1.0, 0);
    log.value("band", "mood", 2.0, 0);
    assert_eq!(value(fold(&log).subject("band").unwrap(), "mood"), Some(2.0));
}

#[test]
fn a_device_that_replays_an_old_buffer_changes_neither_latest_nor_windows() {
    let mut log = Log::default();
    log.after(3_600_000).value("band", "mood", 5.0, 0);
    log.after(1).value("band", "mood", 1.0, 16 * MINUTE);
    let fold = fold(&log);
    let band = fold.subject("band").unwrap();
    assert_eq!((value(band, "mood"), band.counts().late), (Some(5.0), 1));
    assert!(band.signal("mood").unwrap().stats(&mut Tally::default()).all(|(_, stats)| stats.n == 1));
}

#[test]
fn a_reading_fifteen_minutes_late_is_the_last_that_corrects_its_pane() {
    let mut log = Log::default();
    log.after(3_600_000).value("band", "mood", 5.0, 0);
    log.value("band", "mood", 1.0, 15 * MINUTE);
    log.value("band", "mood", 1.0, 15 * MINUTE + 1);
    let fold = fold(&log);
    let band = fold.subject("band").unwrap();
    let n: Vec<_> = band.signal("mood").unwrap().stats(&mut Tally::default()).map(|(_, stats)| stats.n).collect();
    assert_eq!((band.counts().late, n), (1, vec![1, 1, 2]));
}

#[test]
fn a_reading_from_the_future_never_freezes_the_latest() {
    let mut log = Log::default();
    log.value("band", "mood", 9.0, -60_001);
    log.value("band", "mood", 8.0, -60_000);
    log.after(61_000).value("band", "mood", 7.0, 0);
    let mut fold = Fold::new(Grammar::default());
    fold.apply(&log.records[0]);
    let mood = fold.subject("band").unwrap().signal("mood").unwrap().clone();
    assert_eq!((mood.latest(), mood.quality()), (None, Quality::Future));
    for record in &log.records[1..] {
        fold.apply(record);
    }
    let band = fold.subject("band").unwrap();
    assert_eq!((value(band, "mood"), band.counts().suspect), (Some(7.0), 1));
    assert_eq!(band.signal("mood").unwrap().quality(), Quality::Good);
}

#[test]
fn a_value_out_of_range_is_marked_counted_and_kept_out() {
    let mut log = Log::default();
    log.value("band", "heart_rate", 72.0, 0);
    log.after(1000).value("band", "heart_rate", 301.0, 0);
    let fold = fold(&log);
    let band = fold.subject("band").unwrap();
    let pulse = band.signal("heart_rate").unwrap();
    assert_eq!(
        (value(band, "heart_rate"), pulse.quality(), band.counts().suspect),
        (Some(72.0), Quality::OutOfRange, 1)
    );
    assert_eq!(pulse.stats(&mut Tally::default()).next().unwrap().1.n, 1);
}

#[test]
fn a_spike_is_kept_out_and_a_confirmed_jump_is_believed() {
    let pulses = |values: &[f64]| {
        let mut log = Log::default();
        for value in values {
            log.after(1000).value("band", "heart_rate", *value, 0);
        }
        let fold = fold(&log);
        let band = fold.subject("band").unwrap();
        (value(band, "heart_rate").unwrap(), band.counts().suspect)
    };
    assert_eq!(pulses(&[60.0, 130.0]), (60.0, 1));
    assert_eq!(pulses(&[60.0, 130.0, 61.0]), (61.0, 1));
    assert_eq!(pulses(&[60.0, 130.0, 131.0]), (131.0, 1));
    assert_eq!(pulses(&[60.0, 130.0, 61.0, 130.0]), (61.0, 2));
    let mut log = Log::default();
    log.value("band", "heart_rate", 60.0, 0);
    log.after(60_001).value("band", "heart_rate", 130.0, 0);
    assert_eq!(fold(&log).subject("band").unwrap().counts().suspect, 0);
}

#[test]
fn another_unit_starts_the_statistics_anew() {
    let mut log = Log::default();
    let senml = |log: &mut Log, unit: &str, value: f64, ago_ms: i64| {
        let time = (log.now().wall_ms - ago_ms) as f64 / 1000.0;
        let payload = format!("[{{\"n\":\"heat\",\"u\":\"{unit}\",\"v\":{value},\"t\":{time}}}]");
        let frame = log.frame("band", Format::Senml, 0, payload.into_bytes());
        log.push(Body::Frame(frame));
    };
    senml(&mut log, "Cel", 20.0, 0);
    log.after(1000);
    senml(&mut log, "K", 293.0, 0);
    senml(&mut log, "Cel", 20.0, 500);
    let fold = fold(&log);
    let band = fold.subject("band").unwrap();
    let heat = band.signal("heat").unwrap();
    assert_eq!((&**heat.unit(), value(band, "heat"), band.counts().suspect), ("K", Some(293.0), 1));
    assert!(heat.stats(&mut Tally::default()).all(|(_, stats)| (stats.n, stats.max) == (1, 293.0)));
}

#[test]
fn presence_follows_connections_frames_silence_and_restarts() {
    let mut log = Log::default();
    log.configure(30_000, &[]);
    let mut fold = Fold::new(Grammar::default());
    let mut step = |log: &mut Log| {
        for record in log.records.drain(..) {
            fold.apply(&record);
        }
        (state(&fold, "band"), fold.deadline())
    };
    log.connected("band");
    assert_eq!(step(&mut log), (DeviceState::Online, Some(30_000)));
    log.after(20_000).value("band", "mood", 1.0, 0);
    assert_eq!(step(&mut log), (DeviceState::Online, Some(50_000)));
    log.after(29_999).push(Body::Tick);
    assert_eq!(step(&mut log), (DeviceState::Online, Some(50_000)));
    log.after(1).push(Body::Tick);
    assert_eq!(step(&mut log), (DeviceState::Silent, None));
    log.after(5).value("band", "mood", 1.0, 0);
    assert_eq!(step(&mut log), (DeviceState::Online, Some(80_005)));
    log.push(Body::Start(Start { version: "1".into() }));
    assert_eq!(step(&mut log), (DeviceState::Unknown, None));
    log.connected("band");
    log.gone("band");
    assert_eq!(step(&mut log), (DeviceState::Offline, None));
    log.after(100_000).value("band", "mood", 1.0, 0);
    log.configure(10_000, &[]);
    assert_eq!(step(&mut log), (DeviceState::Online, Some(160_005)));
}

#[test]
fn an_unreadable_frame_shows_its_device_and_counts_once_quarantined() {
    let mut log = Log::default();
    log.native("band", 0, vec![0xf9, 1]);
    let (device, subject) = ("band".into(), "band".into());
    let mut fold = fold(&log);
    let band = fold.subject("band").unwrap();
    assert_eq!((band.counts().accepted, band.counts().quarantined), (0, 0));
    assert_eq!(state(&fold, "band"), DeviceState::Online);
    let record = log.push(Body::Quarantine(Quarantine { device, subject, reason: "cut".into() })).clone();
    assert_eq!(fold.apply(&record).subjects().count(), 1);
    assert_eq!(fold.subject("band").unwrap().counts().quarantined, 1);
}

#[test]
fn a_frame_read_again_feeds_its_subject_and_is_no_sign_of_life() {
    let (mut log, schema) = (Log::default(), power(10));
    let payload = native(&schema, 0, 5_000, &[(0, &[vec![15, 25]])], None);
    log.native("engine", 0, payload.clone());
    let (device, subject) = ("engine".into(), "engine".into());
    log.push(Body::Quarantine(Quarantine { device, subject, reason: "no birth".into() }));
    log.gone("engine");
    let frame = log.frame("engine", Format::Tf1, WALL_MS, payload);
    log.after(60_000).push(Body::Replayed(frame.clone()));
    let seen = |log: &Log| {
        let fold = fold(log);
        let engine = fold.subject("engine").unwrap();
        let counts = engine.counts();
        (counts.accepted, counts.quarantined, value(engine, "power"), state(&fold, "engine"))
    };
    assert_eq!(seen(&log), (0, 1, None, DeviceState::Offline), "in vain");
    log.birth("engine", &schema);
    log.push(Body::Replayed(frame));
    assert_eq!(seen(&log), (1, 0, Some(2.5), DeviceState::Offline));
}

#[test]
fn an_act_moves_a_device_to_its_new_holders_halo_and_forgetting_takes_it_from_all() {
    let act = |deed| Body::Act(Act { by: "local".into(), deed });
    let shown = |log: &Log, subject: &str| fold(log).subject(subject).map_or(0, |subject| subject.devices().len());
    let mut log = Log::default();
    log.configure(30_000, &[("car", "anna")]);
    log.json("car", r#"{"speed":50}"#);
    assert_eq!(shown(&log, "anna"), 1);
    let (device, subject, from_ms) = ("car".to_owned(), "bert".to_owned(), Some(log.now().wall_ms));
    log.push(act(Deed::Assign(Assignment { device, subject, kind: SubjectKind::Machine, from_ms, until_ms: None })));
    assert_eq!(shown(&log, "anna"), 0);
    log.after(10).json("car", r#"{"speed":60}"#);
    assert_eq!((shown(&log, "anna"), shown(&log, "bert")), (0, 1));
    assert_eq!(fold(&log).subject("bert").unwrap().kind(), SubjectKind::Machine);
    log.push(act(Deed::Forget { device: "car".into() }));
    assert_eq!(shown(&log, "bert"), 0);
}

#[test]
fn a_record_that_is_skipped_is_passed_and_nothing_else() {
    let mut log = Log::default();
    log.value("band", "mood", 1.0, 0);
    log.after(5).value("band", "mood", 2.0, 0);
    let mut fold = Fold::new(Grammar::default());
    fold.apply(&log.records[0]);
    fold.skip(&log.records[1]);
    assert_eq!((fold.applied(), fold.clock()), (log.records[1].offset, log.records[1].stamp));
    assert_eq!(value(fold.subject("band").unwrap(), "mood"), Some(1.0));
}

#[test]
fn decisions_are_counted() {
    let mut log = Log::default();
    let (device, subject) = (|| "band".into(), || "band".into());
    log.push(Body::Gap(Gap { device: device(), subject: subject(), boot: 1, first: 5, last: 9 }));
    log.push(Body::Gap(Gap { device: device(), subject: subject(), boot: 1, first: 0, last: u32::MAX }));
    log.push(Body::Duplicates(Duplicates { device: device(), subject: subject(), count: 7 }));
    let identity = Identity { boot: 1, seq: 1 };
    log.push(Body::Conflict(Conflict { device: device(), subject: subject(), identity }));
    let fold = fold(&log);
    let counts = fold.subject("band").unwrap().counts();
    assert_eq!((counts.gaps, counts.missing, counts.duplicates, counts.conflicts), (2, 5 + (1 << 32), 7, 1));
}

#[test]
fn a_buffer_drained_late_fills_the_former_holders_halo_and_shows_the_device_in_the_new_ones() {
    let mut log = Log::default();
    log.configure(30_000, &[("car", "bert")]);
    let mut frame = log.frame("car", Format::Json, 0, br#"{"speed":50,"battery":80}"#.to_vec());
    frame.subject = "anna".into();
    log.push(Body::Frame(frame));
    let mut fold = Fold::new(Grammar::default());
    fold.apply(&log.records[0]);
    let touched: Vec<_> = fold.apply(&log.records[1]).subjects().map(|subject| subject.name().to_string()).collect();
    assert_eq!(touched, ["anna", "bert"]);
    let (anna, bert) = (fold.subject("anna").unwrap(), fold.subject("bert").unwrap());
    assert_eq!((value(anna, "speed"), anna.devices().len()), (Some(50.0), 0));
    assert_eq!((bert.signals().len(), bert.devices()[0].battery_pct()), (0, Some(80.0)));
    assert_eq!((anna.kind(), bert.kind()), (SubjectKind::Thing, SubjectKind::Person));
}

#[test]
fn births_teach_the_fold_to_read_frames() {
    let (mut log, schema) = (Log::default(), power(10));
    let payload = native(&schema, 0, 5_000, &[(0, &[vec![15, 25]])], Some(17));
    log.native("engine", 0, payload.clone());
    log.birth("engine", &schema);
    log.native("engine", 0, payload);
    let fold = fold(&log);
    let engine = fold.subject("engine").unwrap();
    assert_eq!((engine.counts().accepted, value(engine, "power")), (1, Some(2.5)));
    let event = engine.events().next().unwrap();
    assert_eq!((event.event_ms, event.code, event.severity, event.value), (WALL_MS + 5_000, 17, 3, -5));
}

#[test]
fn the_newest_eight_events_are_kept_in_order() {
    let (mut log, schema) = (Log::default(), Schema::from_registry(1).unwrap());
    log.after(100_000);
    for (seq, at) in [50, 10, 90, 20, 80, 30, 70, 40, 60, 5].into_iter().enumerate() {
        let payload = native(&schema, seq as u32, at * 1000, &[], Some(at as u16));
        log.native("band", seq as u32, payload);
    }
    let fold = fold(&log);
    let codes: Vec<_> = fold.subject("band").unwrap().events().map(|event| event.code).collect();
    assert_eq!(codes, [20, 30, 40, 50, 60, 70, 80, 90]);
}

#[test]
fn the_clock_residual_is_the_least_delay_of_the_last_hours() {
    let mut log = Log::default();
    let residual = |log: &Log| fold(log).subject("band").unwrap().devices()[0].clock_offset_ms();
    log.json("band", r#"{"mood":1}"#);
    assert_eq!(residual(&log), None);
    log.value("band", "mood", 1.0, 900);
    log.after(1000).value("band", "mood", 1.0, 312);
    log.after(1000).value("band", "mood", 1.0, 500_000);
    assert_eq!(residual(&log), Some(-312));
    log.after(3_600_000).value("band", "mood", 1.0, 700);
    assert_eq!(residual(&log), Some(-312));
    log.after(3_600_000).value("band", "mood", 1.0, 600);
    assert_eq!(residual(&log), Some(-600));
}

#[test]
fn one_subject_holds_a_bounded_number_of_signals() {
    let mut log = Log::default();
    for signal in 0..300 {
        log.value("band", &format!("x{signal}"), 1.0, 0);
    }
    let fold = fold(&log);
    let band = fold.subject("band").unwrap();
    assert_eq!((band.signals().len(), band.counts().suspect), (256, 44));
}

#[test]
fn a_record_that_is_already_in_changes_nothing() {
    let mut log = Log::default();
    log.value("band", "mood", 1.0, 0);
    let mut fold = fold(&log);
    assert_eq!(fold.apply(&log.records[0]).subjects().count(), 0);
    assert_eq!(fold.subject("band").unwrap().revision(), 1);
}

#[test]
fn time_never_goes_back() {
    let mut log = Log::default();
    log.after(50_000).push(Body::Tick);
    log.mono_ms = 10_000;
    log.push(Body::Tick);
    assert_eq!(fold(&log).clock().mono_ms, 50_000);
}
