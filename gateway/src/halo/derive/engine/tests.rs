use std::collections::BTreeMap;

use super::super::real_data::text as data;
use super::super::value::{Derived, Value};
use super::features::{Feature, PARTS, SENSORS, SensorId, WEAR_FEATURES, Wear};
use super::file::FILE_BYTES_MAX;
use super::fold::EngineEvent;
use super::model::{Figures, Forecast, Knot, Node, Scale, Stored, StoredScale, TrainSettings, Training, Tree};
use super::rows::{Row, RowError};
use super::*;

/// Units of a history, in order.
fn units(rows: &[Row]) -> Vec<Vec<Flight>> {
    let mut units = BTreeMap::new();
    rows.iter().for_each(|row| units.entry(row.unit).or_insert_with(Vec::new).push(row.flight));
    units.into_values().collect()
}

fn values(engine: &Engine, model: &Model) -> Vec<Derived> {
    let mut out = Vec::new();
    engine.values(model, &mut out);
    out
}

fn flown(flights: &[Flight]) -> Engine {
    let mut engine = Engine::new(&EngineSettings::default());
    flights.iter().for_each(|flight| {
        engine.flight(0, flight);
    });
    engine
}

/// An engine of our own making: it wears out in `life` flights, with a noise of no chance.
fn worn(life: u32) -> Vec<Flight> {
    let flight = |cycle: u32| {
        let wear = (f64::from(cycle) / f64::from(life)).powi(4);
        let mut flight = Flight { cycle: Some(cycle), settings: [0.0, 0.0, 100.0], ..Flight::default() };
        for (at, sensor) in flight.sensors.iter_mut().enumerate() {
            let noise = f64::from((cycle * 7919 + at as u32 * 104_729) % 1009) / 1009.0 - 0.5;
            let constant = [0, 4, 9, 15, 17, 18].contains(&at);
            *sensor = if constant { 100.0 } else { 500.0 + (wear * (at as f64 - 10.0)) + noise };
        }
        flight
    };
    (1..=life).map(flight).collect()
}

/// The least of models: one sensor, one tree.
fn small() -> Stored {
    Stored {
        training: Training { name: "small".to_owned(), units: 1, rows: 1, sha256: [7; 32] },
        settings: TrainSettings::default(),
        figures: Figures { forecasts: 1, rmse_capped: 1.0, rmse_near: 1.0, score_capped: 1.0, score_near: 1.0 },
        scales: vec![StoredScale { sensor: "t24".to_owned(), mean: 500.0, sd: 2.0, weight: 10.0 }],
        fresh: 0.0,
        failed: -30.0,
        features: vec!["cycles".to_owned(), "drift.t24".to_owned()],
        base: 80.0,
        trees: vec![Tree {
            nodes: vec![
                Node::Split { feature: 0, below: 50.0, left: 1, right: 2 },
                Node::Leaf(20.0),
                Node::Split { feature: 1, below: 0.5, left: 3, right: 4 },
                Node::Leaf(1.0),
                Node::Leaf(-30.0),
            ],
        }],
        knots: vec![Knot { at: 0.0, under: -5.0, over: 5.0 }, Knot { at: 100.0, under: -25.0, over: 45.0 }],
    }
}

/// The file of a model that is not the one of this build.
pub(in crate::halo) fn other_model() -> Vec<u8> {
    small_model().write().unwrap()
}

fn small_model() -> Model {
    Model::check(small()).unwrap()
}

/// Puts the right checksum on bytes that were changed.
fn resummed(bytes: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let mut sha = Sha256::new();
    sha.update(&bytes[12..18]);
    sha.update(&bytes[50..]);
    let sum: [u8; 32] = sha.finalize().into();
    [&bytes[..18], &sum, &bytes[50..]].concat()
}

#[test]
fn the_shipped_model_is_as_good_as_documented_on_engines_it_never_saw() {
    let (Some(test), Some(truths)) = (data("turbofan", "test_FD001.txt"), data("turbofan", "RUL_FD001.txt")) else {
        return;
    };
    let model = Model::shipped().unwrap();
    let truths: Vec<f64> = truths.split_ascii_whitespace().map(|truth| truth.parse().unwrap()).collect();
    let forecasts = last_forecasts(&model, &parse_rows(&test).unwrap());
    let forecasts: Vec<Forecast> = forecasts.into_iter().map(Option::unwrap).collect();
    assert_eq!((forecasts.len(), truths.len()), (100, 100));
    let pairs = |cap: f64| {
        let pairs = forecasts.iter().zip(&truths).map(|(forecast, truth)| (forecast.rul, truth.min(cap)));
        pairs.collect::<Vec<_>>()
    };
    let (whole, capped) = (pairs(f64::INFINITY), pairs(125.0));
    let inside = forecasts.iter().zip(&truths).filter(|(f, truth)| f.low <= **truth && **truth <= f.high).count();
    let width = forecasts.iter().map(|forecast| forecast.high - forecast.low).sum::<f64>() / 100.0;
    println!(
        "test_FD001, last cycle of 100 units: RMSE {:.3}, score {:.1}; labels capped at 125: RMSE {:.3}, score {:.1}; \
         the 90 % interval covers {inside} of 100, mean width {width:.1} cycles",
        rmse(&whole),
        phm08_score(&whole),
        rmse(&capped),
        phm08_score(&capped)
    );
    // What `docs/accuracy.md` says was reached: 10.82 and 153.0, 9.39 and 126.6; half a percent more is another model.
    assert!(rmse(&whole) <= 10.87 && phm08_score(&whole) <= 153.8);
    assert!(rmse(&capped) <= 9.44 && phm08_score(&capped) <= 127.3);
    assert!((85..=95).contains(&inside));
}

#[test]
fn health_falls_from_one_to_nothing_along_every_life() {
    let Some(train) = data("turbofan", "train_FD001.txt") else { return };
    let model = Model::shipped().unwrap();
    let (mut first, mut last, mut drivers) = (Vec::new(), Vec::new(), BTreeMap::new());
    for flights in units(&parse_rows(&train).unwrap()) {
        first.push(model.forecast(&flown(&flights[..15])).unwrap().health);
        let end = model.forecast(&flown(&flights)).unwrap();
        last.push(end.health);
        assert!(end.low <= end.rul && end.rul <= end.high && end.rul < 15.0);
        assert!((1..=3).contains(&end.drivers.len()));
        end.drivers.iter().for_each(|driver| *drivers.entry(*driver).or_insert(0) += 1);
    }
    let mean = |healths: &[f64]| healths.iter().sum::<f64>() / healths.len() as f64;
    println!(
        "health {:.3} after 15 flights, {:.3} at failure; drivers at failure {drivers:?}",
        mean(&first),
        mean(&last)
    );
    assert!(mean(&first) > 0.85 && mean(&last) < 0.1 && last.iter().all(|health| *health < 0.3));
    assert!(drivers.keys().all(|driver| !["t2", "p2", "epr", "far_b", "nf_demanded"].contains(driver)));
}

#[test]
fn a_state_written_and_read_back_at_any_flight_goes_on_with_the_same_bits() {
    let model = small_model();
    let flights = worn(150);
    let mut whole = Engine::new(&EngineSettings::default());
    let mut broken = whole.clone();
    let mut bytes_max = 0;
    for (at, flight) in flights.iter().enumerate() {
        whole.flight(at as i64, flight);
        broken.flight(at as i64, flight);
        let bytes = postcard::to_stdvec(&broken).unwrap();
        bytes_max = bytes_max.max(bytes.len());
        broken = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(broken, whole);
        assert_eq!(values(&broken, &model), values(&whole, &model));
    }
    println!("engine state: {} bytes in memory, at most {bytes_max} written", size_of::<Engine>());
    assert!(size_of::<Engine>() <= Engine::BYTES_MAX && bytes_max <= Engine::BYTES_MAX);
}

#[test]
fn nothing_is_said_before_ten_flights_or_while_a_sensor_is_absent() {
    let model = small_model();
    let flights = worn(60);
    let mut engine = flown(&flights[..9]);
    assert_eq!(values(&engine, &model), []);
    engine.flight(0, &flights[9]);
    let names: Vec<_> = values(&engine, &model).into_iter().map(|derived| derived.name).collect();
    assert_eq!(names, ["engine.health", "engine.rul"]);
    let worn_out: Vec<_> = values(&flown(&worn(60)), &model).into_iter().map(|derived| derived.value).collect();
    assert_eq!(worn_out.last(), Some(&Value::List(vec!["t24"])));
    let blind = |flight: &Flight| Flight { sensors: [f64::NAN; 21], ..*flight };
    for flight in &flights[10..20] {
        engine.flight(0, &blind(flight));
        assert!(!values(&engine, &model).is_empty());
    }
    engine.flight(0, &blind(&flights[20]));
    assert_eq!(values(&engine, &model), []);
    engine.flight(0, &flights[21]);
    assert!(!values(&engine, &model).is_empty());
}

#[test]
fn an_absent_value_is_not_a_zero() {
    let model = small_model();
    let flights = worn(100);
    let mut gappy = flights.clone();
    gappy.iter_mut().step_by(3).for_each(|flight| flight.sensors[1] = f64::NAN);
    let (whole, gappy) = (model.forecast(&flown(&flights)).unwrap(), model.forecast(&flown(&gappy)).unwrap());
    assert!((whole.health - gappy.health).abs() < 0.1, "{whole:?} {gappy:?}");
}

#[test]
fn no_number_does_harm() {
    let model = small_model();
    let mut engine = Engine::new(&EngineSettings::default());
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, 1e9, -1e9, 0.0, 5e-324];
    for (at, value) in odd.iter().cycle().take(2_000).enumerate() {
        let cycle = [None, Some(0), Some(u32::MAX), Some(at as u32)][at % 4];
        let settings = if at % 5 == 0 { [*value; 3] } else { [0.0, 0.0, 100.0] };
        engine.flight(
            [i64::MIN, -2_177_452_800_000, 4_291_747_200_000, i64::MAX][at / 500],
            &Flight { cycle, settings, sensors: [*value; 21] },
        );
        for derived in values(&engine, &model) {
            let Value::Number(value) = derived.value else { continue };
            assert!(value.is_finite() && derived.low.is_none_or(f64::is_finite));
        }
    }
}

#[test]
fn sensors_that_never_changed_in_training_change_nothing() {
    let model = Model::shipped().unwrap();
    let flights = worn(150);
    let mut other = flights.clone();
    for (at, flight) in other.iter_mut().enumerate() {
        for constant in [0, 4, 9, 15, 17, 18] {
            flight.sensors[constant] = if at % 2 == 0 { f64::NAN } else { at as f64 };
        }
    }
    assert_eq!(model.forecast(&flown(&flights)), model.forecast(&flown(&other)));
    let needed: Vec<_> = model.sensors().collect();
    assert!(["t2", "p2", "epr", "far_b", "nf_demanded", "pcnfr_demanded"].iter().all(|name| !needed.contains(name)));
}

#[test]
fn a_counter_that_starts_again_does_not_make_the_engine_young() {
    let flights = worn(150);
    let mut engine = flown(&flights[..100]);
    let rebooted = |at: usize, cycle: u32| Flight { cycle: Some(cycle), ..flights[at] };
    assert_eq!(engine.flight(0, &rebooted(100, 1)), Some(EngineEvent::CounterReset));
    assert_eq!(engine.flight(0, &rebooted(101, 2)), None);
    assert_eq!(engine.flight(0, &rebooted(102, 2)), Some(EngineEvent::Repeated));
    assert_eq!(engine.cycles(), 102);
    assert_eq!(engine.flight(0, &rebooted(103, 5)), None);
    assert_eq!(engine.cycles(), 105);
    assert_eq!(engine.flight(0, &rebooted(104, 4_000_000_000)), Some(EngineEvent::CounterReset));
    assert_eq!(engine.cycles(), 106);
    let (went_on, rebooted) = (flown(&flights[..102]), {
        let mut engine = flown(&flights[..100]);
        engine.flight(0, &rebooted(100, 1));
        engine.flight(0, &rebooted(101, 2));
        engine
    });
    assert_eq!(values(&rebooted, &small_model()), values(&went_on, &small_model()));
    engine.overhauled();
    assert_eq!((engine.cycles(), values(&engine, &small_model())), (0, vec![]));
    engine.flight(0, &flights[0]);
    assert_eq!(engine, flown(&flights[..1]), "as new, but for the order of times");
}

#[test]
fn flights_in_other_conditions_are_counted_but_not_compared() {
    let model = small_model();
    let flights = worn(100);
    let mut engine = flown(&flights[..50]);
    let before = model.forecast(&engine).unwrap();
    for (left, flight) in flights[50..61].iter().enumerate() {
        let high = Flight { settings: [42.0, 0.84, 100.0], sensors: [1.0; 21], ..*flight };
        assert_eq!(engine.flight(0, &high), Some(EngineEvent::OtherConditions));
        assert_eq!(values(&engine, &model).is_empty(), left == 10);
    }
    assert_eq!(engine.cycles(), 61);
    engine.flight(0, &Flight { settings: [f64::NAN; 3], ..flights[61] });
    assert!((model.forecast(&engine).unwrap().health - before.health).abs() < 0.1);
}

#[test]
fn wear_that_goes_on_evenly_says_how_many_flights_are_left() {
    let rising = |pace: f64| {
        let flight = |cycle: u32| Flight {
            cycle: Some(cycle),
            sensors: [500.0 + pace * f64::from(cycle); 21],
            ..Flight::default()
        };
        flown(&(1..=400).map(flight).collect::<Vec<_>>())
    };
    let left = |pace: f64, weight: f64, failed: f64| {
        let scale = Scale { sensor: SensorId::of("t24").unwrap(), mean: 500.0, sd: 2.0, weight };
        let features = Wear::of(&rising(pace), &[scale]).unwrap().features(400, 0.0, failed);
        let value = |name: &str| features[WEAR_FEATURES.iter().position(|known| *known == name).unwrap()];
        ["wear.left02", "wear.left05", "wear.left10"].map(value)
    };
    // Half a unit of wear a flight, 200 of 250 are behind.
    for sign in [1.0, -1.0] {
        let [slow, middle, fast] = left(0.1, sign * 10.0, sign * 250.0);
        println!("100 flights left: {slow:.2}, {middle:.2}, {fast:.2} by the slow, the middle and the fast mean");
        // A lead is what an average lags behind, a little less than one flight's step over its weight.
        assert!((slow - 102.0).abs() < 5.0 && (middle - 105.26).abs() < 0.1 && (fast - 111.11).abs() < 0.1);
    }
    assert_eq!(left(0.0, 10.0, 250.0), [400.0; 3], "no wear, no end");
    assert!(left(0.1, 10.0, 100.0).iter().all(|left| *left < -150.0), "beyond failure");
    assert!(left(0.1, 10.0, 1e-320).iter().all(|left| left.is_finite()));
}

#[test]
fn the_interval_is_straight_between_its_knots() {
    let model = small_model();
    let young = model.forecast(&flown(&worn(150)[..20])).unwrap();
    assert_eq!((young.rul, young.low, young.high, young.coverage), (100.0, 75.0, 145.0, 0.9));
    let mut middle = small();
    middle.base = 30.0;
    let middle = Model::check(middle).unwrap().forecast(&flown(&worn(150)[..20])).unwrap();
    assert_eq!((middle.rul, middle.low, middle.high), (50.0, 35.0, 75.0));
}

#[test]
fn a_model_reads_back_as_it_was_written() {
    let model = small_model();
    let bytes = model.write().unwrap();
    assert_eq!(Model::read(&bytes).unwrap(), model);
    let shipped = Model::shipped().unwrap();
    let bytes = shipped.write().unwrap();
    println!("shipped model: {} bytes, {} trees, {:?}", bytes.len(), shipped.trees(), shipped.figures());
    assert!(bytes.len() <= 200_000);
    assert_eq!(Model::read(&bytes).unwrap(), shipped);
}

#[test]
fn a_file_cut_off_anywhere_is_refused_with_its_lengths() {
    let bytes = Model::shipped().unwrap().write().unwrap();
    for length in 0..bytes.len() {
        let error = Model::read(&bytes[..length]).unwrap_err();
        let expected = match length {
            0..50 => ModelError::NoHeader { got: length },
            _ => ModelError::Length { got: length - 50, said: (bytes.len() - 50) as u32 },
        };
        assert_eq!(error, expected);
    }
    let longer = [bytes.as_slice(), b"x"].concat();
    assert!(matches!(Model::read(&longer), Err(ModelError::Length { .. })));
    assert_eq!(Model::read(&vec![0; FILE_BYTES_MAX + 1]), Err(ModelError::TooLong { got: FILE_BYTES_MAX + 1 }));
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let flipped = |bytes: &[u8], bit: usize| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        bytes
    };
    let small = small_model().write().unwrap();
    for bit in 0..small.len() * 8 {
        let error = Model::read(&flipped(&small, bit)).unwrap_err();
        match bit / 8 {
            0..12 => assert_eq!(error, ModelError::Magic),
            12..14 => assert!(matches!(error, ModelError::Version { .. })),
            14..18 => assert!(matches!(error, ModelError::Length { .. })),
            _ => assert_eq!(error, ModelError::Checksum),
        }
    }
    let shipped = Model::shipped().unwrap().write().unwrap();
    for bit in (400..shipped.len() * 8).step_by(9_973) {
        assert_eq!(Model::read(&flipped(&shipped, bit)), Err(ModelError::Checksum));
    }
}

#[test]
fn a_hostile_body_under_a_right_checksum_neither_panics_nor_loops() {
    let bytes = small_model().write().unwrap();
    let engine = flown(&worn(100));
    let (mut refused, mut taken) = (0, 0);
    for at in 50..bytes.len() {
        for value in [0, 1, 2, 3, 4, 0x7F, 0x80, 0xFF, bytes[at] ^ 1, bytes[at] ^ 0x80] {
            let mut changed = bytes.clone();
            changed[at] = value;
            match Model::read(&resummed(&changed)) {
                Ok(model) => {
                    taken += 1;
                    for derived in values(&engine, &model) {
                        let Value::Number(value) = derived.value else { continue };
                        assert!(value.is_finite(), "{derived:?}");
                    }
                }
                Err(_) => refused += 1,
            }
        }
    }
    println!("hostile bodies: {refused} refused, {taken} are models");
    assert!(refused > 100 && taken > 100);
}

#[test]
fn absurd_models_are_refused_by_name() {
    let error = |change: fn(&mut Stored)| {
        let mut stored = small();
        change(&mut stored);
        Model::check(stored).unwrap_err().to_string()
    };
    assert_eq!(
        error(|s| s.features.push("spin".to_owned())),
        "feature 2 of the model is \"spin\", which this build does not have"
    );
    assert_eq!(
        error(|s| s.features.push("drift.t30".to_owned())),
        "feature 2 of the model is \"drift.t30\", which this build does not have"
    );
    assert_eq!(error(|s| s.features.clear()), "model has 0 features (at 0), wanted 1 to 124");
    assert_eq!(error(|s| s.trees = vec![s.trees[0].clone(); 1_001]), "model has 1001 trees (at 0), wanted 0 to 1000");
    assert_eq!(
        error(|s| s.trees[0].nodes = vec![Node::Leaf(0.0); 256]),
        "model has 256 nodes of a tree (at 0), wanted 1 to 255"
    );
    assert_eq!(
        error(|s| s.trees[0].nodes[1] = Node::Leaf(f32::NAN)),
        "node 1 of tree 0 has a value that is not finite"
    );
    let split = |feature, left| Node::Split { feature, below: 0.0, left, right: 4 };
    let with = |node: Node| {
        let mut stored = small();
        stored.trees[0].nodes[2] = node;
        Model::check(stored).unwrap_err().to_string()
    };
    assert_eq!(with(split(2, 3)), "node 2 of tree 0 has a feature that is not listed");
    assert_eq!(with(split(0, 2)), "node 2 of tree 0 has a child that is not after it");
    assert_eq!(with(split(0, 5)), "node 2 of tree 0 has a child that is not after it");
    assert_eq!(
        error(|s| {
            let chain = |at: u8| Node::Split { feature: 0, below: 0.0, left: at + 1, right: at + 1 };
            s.trees[0].nodes = (0..20).map(chain).chain([Node::Leaf(0.0)]).collect();
        }),
        "node 16 of tree 0 has too long a path"
    );
    assert_eq!(
        error(|s| s.scales[0].sensor = "t99".to_owned()),
        "sensor 0 of the model is \"t99\": unknown or named twice"
    );
    assert_eq!(error(|s| s.scales[0].sd = 0.0), "model has a senseless value in scale of a sensor (at 0)");
    assert_eq!(
        error(|s| s.failed = s.fresh),
        "model has a senseless value in fused wear of new and failed engines (at 0)"
    );
    assert_eq!(error(|s| s.knots.swap(0, 1)), "model has a senseless value in knot of the interval (at 1)");
    assert_eq!(error(|s| s.settings.coverage = 1.0), "model has a senseless value in settings (at 0)");
}

#[test]
fn readings_find_their_places_by_the_names_of_the_registry() {
    let schema = halo_proto::registry::schema_named("turbofan").unwrap();
    let signals = || schema.groups[0].columns.iter().map(|it| halo_proto::registry::signal(it.metric).unwrap().name);
    let mut readout = Readout::default();
    for (at, name) in signals().enumerate() {
        let field = <Readout as super::super::row::Row>::field(name).unwrap_or_else(|| panic!("no place for {name}"));
        *field(&mut readout) = Some(at as f64);
    }
    let flight = Flight::from(&readout);
    let placed: Vec<f64> = flight.settings.into_iter().chain(flight.sensors).collect();
    assert_eq!(placed, (0..24_u32).map(f64::from).collect::<Vec<_>>());
    assert_eq!(signals().skip(3).collect::<Vec<_>>(), SENSORS);
    assert_eq!(flight.cycle, None);
}

#[test]
fn flights_told_late_change_nothing_until_the_clock_was_set_back() {
    let flights = worn(30);
    let mut engine = flown(&flights[..20]);
    engine.flight(5_000_000, &flights[20]);
    let before = engine.clone();
    assert_eq!(engine.flight(4_999_999, &flights[21]), Some(EngineEvent::Late));
    assert_eq!(engine, before);
    engine.arrived(5_000_000);
    assert_eq!(engine.flight(4_999_999, &flights[21]), Some(EngineEvent::Late));
    engine.arrived(1_000_000);
    assert_eq!(engine.flight(1_000_000, &flights[21]), None);
    assert_eq!(engine.cycles(), before.cycles() + 1);
}

#[test]
fn features_and_sensors_are_found_by_their_names() {
    for (at, name) in WEAR_FEATURES.iter().enumerate() {
        assert_eq!(Feature::of(name), Some(Feature::Wear(at as u8)));
    }
    for (name, part) in PARTS {
        assert!(
            SENSORS.iter().all(|s| matches!(Feature::of(&format!("{name}.{s}")), Some(Feature::Of(p, _)) if p == part))
        );
    }
    assert_eq!(Feature::of("wear.t24"), None);
    assert_eq!(Feature::of("drift.spin"), None);
}

#[test]
fn a_history_that_is_no_history_is_refused_by_line_and_column() {
    let row = "1 1 0 0 100 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21";
    assert_eq!(parse_rows(&format!("{row}  \n\n{row}\n")).unwrap().len(), 2);
    assert_eq!(parse_rows("1 2 3").unwrap_err().to_string(), "line 1 has 3 columns, wanted 26");
    let wrong = format!("{row}\n{}", row.replace(" 11 ", " x "));
    assert_eq!(parse_rows(&wrong).unwrap_err().to_string(), "line 2 column 16 is no number");
    assert_eq!(parse_rows(&row.replace("100", "NaN")).unwrap_err(), RowError::Number { line: 1, column: 5 });
}

#[cfg(feature = "train")]
mod training {
    use super::*;

    fn history(lives: &[u32]) -> Vec<Row> {
        let unit =
            |(unit, life): (usize, &u32)| worn(*life).into_iter().map(move |flight| Row { unit: unit as u32, flight });
        lives.iter().enumerate().flat_map(unit).collect()
    }

    fn quick() -> TrainSettings {
        TrainSettings { trees: 20, leaf_rows: 10, rate: 0.2, folds: 3, ..TrainSettings::default() }
    }

    /// The command on the training set gives the file in the repository, byte for byte.
    #[test]
    fn the_shipped_model_is_what_training_gives() {
        let Some(train_fd001) = data("turbofan", "train_FD001.txt") else { return };
        let rows = parse_rows(&train_fd001).unwrap();
        let model = train("train_FD001", &rows, &TrainSettings::default(), |_, _| {}).unwrap();
        let shipped = Model::shipped().unwrap();
        assert_eq!(model.training(), shipped.training());
        assert_eq!(model.figures(), shipped.figures());
        assert!(model == shipped, "trees differ");
    }

    #[test]
    fn training_is_deterministic_and_learns_wear() {
        let rows = history(&[140, 150, 160, 170, 180, 190]);
        let one = train("made", &rows, &quick(), |_, _| {}).unwrap();
        assert_eq!(one.write().unwrap(), train("made", &rows, &quick(), |_, _| {}).unwrap().write().unwrap());
        assert!(one.figures().rmse_capped < 15.0, "{:?}", one.figures());
        let other = train("made", &history(&[141, 150, 160, 170, 180, 190]), &quick(), |_, _| {}).unwrap();
        assert_ne!(one.training().sha256, other.training().sha256);
    }

    #[test]
    fn what_cannot_be_learnt_from_is_refused() {
        let error =
            |rows: &[Row], settings: &TrainSettings| train("x", rows, settings, |_, _| {}).unwrap_err().to_string();
        assert_eq!(
            error(&[], &quick()),
            "history has 0 units and 0 rows, wanted at least 3 units and at most 1000000 rows"
        );
        let mut flat = history(&[50, 50, 50]);
        flat.iter_mut().for_each(|row| row.flight.sensors = [1.0; 21]);
        assert_eq!(error(&flat, &quick()), "history shows no wear");
        assert_eq!(error(&history(&[5, 5, 5]), &quick()), "history shows no wear");
        assert_eq!(error(&flat, &TrainSettings { leaves: 200, ..quick() }), "setting leaves is out of range");
        assert_eq!(error(&flat, &TrainSettings { life_max: f64::NAN, ..quick() }), "setting life_max is out of range");
    }
}
