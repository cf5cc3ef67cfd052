use firmware_sim::Kind as Simulated;
use halo_proto::registry::{self, Kind};
use halo_proto::schema::Schema;
use halo_proto::topic::Grammar;

use super::derived::{folded, number, simulated, values};
use super::support::{Log, WALL_MS, native, reloaded};
use crate::forward::halo_json::{halo_json, render};
use crate::halo::derive::engine::tests::other_model;
use crate::halo::derive::real_data::text;
use crate::halo::{DerivedValue, Fold, Models, Subject, Tally};
use crate::record::{Body, Format};

/// Flights of one unit of a history, as frames of a device that sends one a second, sixty a frame.
fn flown(log: &mut Log, history: &str, unit: &str) {
    let schema = Schema::from_registry(6).expect("the turbofan's");
    let rows: Vec<Vec<i64>> = history.lines().filter(|line| line.split(' ').next() == Some(unit)).map(raw).collect();
    for (seq, rows) in (0..).zip(rows.chunks(60)) {
        let columns: Vec<Vec<i64>> = (0..24).map(|at| rows.iter().map(|row| row[at]).collect()).collect();
        let payload = native(&schema, seq, log.mono_ms, &[(0, &columns)], None);
        log.after(rows.len() as u64 * 1_000);
        let frame = log.frame("unit", Format::Tf1, WALL_MS, payload);
        log.push(Body::Frame(frame));
    }
}

/// Three settings and 21 sensors as the wire has them.
fn raw(line: &str) -> Vec<i64> {
    let schema = Schema::from_registry(6).expect("the turbofan's");
    let fields = line.split_ascii_whitespace().skip(2).zip(&schema.groups[0].columns);
    let raw = fields.map(|(field, column)| {
        let value: f64 = field.parse().expect("a number");
        (value * f64::from(column.den) / f64::from(column.num)).round() as i64
    });
    raw.collect()
}

fn subject(fold: &Fold) -> &Subject {
    fold.subject("unit").expect("it sent frames")
}

#[test]
fn an_engine_of_the_test_set_has_its_remaining_life_in_its_halo() {
    let (Some(history), Some(truths)) = (text("turbofan", "test_FD001.txt"), text("turbofan", "RUL_FD001.txt")) else {
        return;
    };
    let mut off = Vec::new();
    for unit in ["20", "34", "76", "81"] {
        let mut log = Log::default();
        flown(&mut log, &history, unit);
        let fold = folded(&log);
        let truth: f64 = truths.lines().nth(unit.parse::<usize>().unwrap() - 1).unwrap().trim().parse().unwrap();
        let derived = subject(&fold).derived();
        let rul = derived.iter().find(|it| it.name == "engine.rul").expect("enough flights");
        let DerivedValue::Number(value) = rul.value else { panic!("{rul:?}") };
        println!("unit {unit}: {value:.1} flights ({:?} to {:?}), in truth {truth}", rul.low, rul.high);
        assert!(rul.low <= Some(value) && Some(value) <= rul.high && rul.confidence == Some(0.9));
        assert_eq!(rul.unit, "{flight}");
        assert!(
            matches!(values(subject(&fold)).get("engine.drivers"), Some(DerivedValue::List(names)) if !names.is_empty())
        );
        off.push((value - truth).abs());
    }
    assert!(off.iter().sum::<f64>() / 4.0 < 10.0, "{off:?}");
}

#[test]
fn the_life_of_a_simulated_engine_is_told_and_an_overhaul_makes_it_new() {
    let log = simulated(Simulated::Turbofan);
    let mut fold = Fold::new(Grammar::default());
    let (mut told, mut overhauls) = (0, 0);
    for record in &log.records {
        let events = fold.apply(record).readings().expect("a frame").events.clone();
        let engine = fold.subject("it").expect("it sent frames");
        let is_overhaul = |code| registry::event(Kind::TURBOFAN, code).is_some_and(|known| known.name == "overhaul");
        overhauls += events.iter().filter(|event| is_overhaul(event.code)).count();
        if let Some(rul) = number(engine, "engine.rul") {
            let health = number(engine, "engine.health").expect("both or none");
            assert!((0.0..=125.0).contains(&rul) && (0.0..=1.0).contains(&health));
            told += 1;
        }
    }
    println!("simulated engine: told {told} times of {}, {overhauls} overhauls", log.records.len());
    assert!(told > 0);
}

#[test]
fn a_restart_at_any_frame_of_an_engine_goes_on_to_the_same_halo() {
    let log = simulated(Simulated::Turbofan);
    let halo = |fold: &Fold| halo_json(fold.subject("it").expect("it sent frames"), &mut Tally::default());
    let whole = folded(&log);
    let mut fold = Fold::new(Grammar::default());
    for record in &log.records {
        fold.apply(record);
        let mut again = reloaded(&fold);
        assert_eq!(halo(&again), halo(&fold));
        for record in &log.records {
            again.apply(record);
        }
        assert_eq!((again.all_rows(), halo(&again)), (whole.all_rows(), halo(&whole)));
    }
    assert!(number(whole.subject("it").expect("it sent frames"), "engine.rul").is_some());
}

#[test]
fn another_model_tells_the_same_state_in_another_way() {
    let fold = folded(&simulated(Simulated::Turbofan));
    let rows = fold.all_rows();
    let other = Models::default().with_turbofan(&other_model()).expect("a model");
    let engine = fold.subject("it").expect("it sent frames");
    let (by_this, by_other) = (engine.derived(), engine.derived_by(&other));
    assert_ne!(by_this, by_other);
    let mut tally = Tally::default();
    assert_ne!(render(engine, &other, &mut tally), render(engine, &Models::default(), &mut tally));
    assert_eq!(fold.all_rows(), rows, "no state depends on the model");
}
