use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::real_data::{rows, text};
use super::super::value::{Derived, Value};
use super::codes::{CODES_MAX, Code};
use super::events::DriveEvent;
use super::settings::ScoreSettings;
use super::trip::Trip;
use super::*;

/// Most bytes of a state in a checkpoint: 34 speeds, 32 codes, two trips, the settings.
const STATE_BYTES_MAX: usize = 2048;

const START_MS: i64 = 1_700_000_000_000;
const MPH: f64 = 0.44704;
const G: f64 = 9.80665;
const THRESHOLDS: [(&str, f64); 9] = [
    ("5mph/s", 5.0 * MPH),
    ("7mph/s", 7.0 * MPH),
    ("8mph/s", 8.0 * MPH),
    ("9mph/s", 9.0 * MPH),
    ("0.25g", 0.25 * G),
    ("0.35g", 0.35 * G),
    ("0.38g", 0.38 * G),
    ("0.45g", 0.45 * G),
    ("3.0mps2", 3.0),
];

type Row = (i64, Sample);

fn at(seconds: f64) -> i64 {
    START_MS + (seconds * 1000.0).round() as i64
}

fn speed(kmh: f64) -> Sample {
    Sample { speed: Some(kmh), rpm: Some(900.0), ..Sample::default() }
}

/// A recorded drive, stamped by what `clock` makes of row number and run clock in seconds.
fn obd(csv: &str, clock: impl Fn(usize, f64) -> f64) -> Vec<Row> {
    let field = |row: &BTreeMap<&str, &str>, name: &str| row[name].parse::<f64>().unwrap();
    let sample = |row: &BTreeMap<&str, &str>| Sample {
        speed: Some(field(row, "VEHICLE_SPEED ()")),
        rpm: Some(field(row, "ENGINE_RPM ()")),
        ..Sample::default()
    };
    let run = |row: &BTreeMap<&str, &str>| field(row, "ENGINE_RUN_TINE ()");
    rows(csv).iter().enumerate().map(|(n, row)| (at(clock(n, run(row))), sample(row))).collect()
}

fn expected(file: &str) -> Option<BTreeMap<String, f64>> {
    let summary = text("car/expected", "carobd_summary.csv")?;
    let all = rows(&summary);
    let row = all.iter().find(|row| row["file"] == file).unwrap();
    Some(row.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.parse().ok()?))).collect())
}

/// The trip in a recording, as it stands after the last row.
fn driven(rows: &[Row], settings: &DriveSettings) -> Trip {
    let mut drive = Drive::new(settings);
    for (at_ms, sample) in rows {
        drive.sample(*at_ms, sample);
    }
    *drive.trip().expect("a trip")
}

fn within_percent(what: &str, got: f64, wanted: f64, percent: f64) {
    let off = (got / wanted - 1.0) * 100.0;
    println!("{what}: {got:.1} for {wanted:.1}, {off:+.3} %");
    assert!(off.abs() <= percent, "{what}: {got} for {wanted}, {off} %");
}

#[test]
fn recorded_drives_have_the_distance_of_their_run_clock() {
    for file in ["drive1", "live10"] {
        let (Some(csv), Some(expected)) = (text("car", &format!("carobd_{file}.csv")), expected(file)) else { return };
        let (row_s, km) = (expected["row_dt_s"], expected["dist_km_runclock"]);
        let by_row = driven(&obd(&csv, |n, _| n as f64 * row_s), &DriveSettings::default());
        within_percent(&format!("{file} stamped by row"), by_row.distance_m, km * 1000.0, 1.0);
        let by_clock = driven(&obd(&csv, |_, run_s| run_s), &DriveSettings::default());
        within_percent(&format!("{file} stamped by run clock"), by_clock.distance_m, km * 1000.0, 1.0);
        let naive = driven(&obd(&csv, |n, _| n as f64), &DriveSettings::default());
        assert!(naive.distance_m > 1.8 * km * 1000.0, "a row is not a second");
    }
}

#[test]
fn recorded_drives_have_the_harsh_manoeuvres_of_the_reference_at_every_threshold() {
    let mut found = 0;
    for file in ["drive1", "live10"] {
        let (Some(csv), Some(expected)) = (text("car", &format!("carobd_{file}.csv")), expected(file)) else { return };
        let row_s = expected["row_dt_s"];
        let rows = obd(&csv, |n, _| n as f64 * row_s);
        for (name, mps2) in THRESHOLDS {
            let settings = DriveSettings { braking_mps2: mps2, acceleration_mps2: mps2, ..DriveSettings::default() };
            let trip = driven(&rows, &settings);
            let got = (f64::from(trip.braking), f64::from(trip.acceleration));
            let wanted =
                (expected[&format!("brakes_runclock2s_{name}")], expected[&format!("accels_runclock2s_{name}")]);
            assert_eq!(got, wanted, "{file} at {name}");
            found += trip.braking + trip.acceleration;
        }
    }
    assert!(found > 0, "nothing was compared");
}

#[test]
fn a_calm_minute_measured_ninety_times_a_second_has_its_metres_and_no_brake() {
    let (Some(csv), Some(summary)) =
        (text("car", "comma2k19_speed.csv"), text("car/expected", "comma2k19_summary.csv"))
    else {
        return;
    };
    let wanted: f64 = rows(&summary)[0]["distance_m"].parse().unwrap();
    let rows: Vec<Row> = rows(&csv)
        .iter()
        .map(|row| (at(row["t_s"].parse().unwrap()), speed(row["speed_mps"].parse::<f64>().unwrap() * 3.6)))
        .collect();
    for span_ms in [1000, 2000] {
        // Over any one second, not the whole ones of the reference, the largest loss is 2.235 m/s: 5 mph to the millimetre.
        for (name, braking_mps2) in THRESHOLDS.into_iter().skip(usize::from(span_ms == 1000)) {
            let trip = driven(&rows, &DriveSettings { braking_mps2, span_ms, ..DriveSettings::default() });
            assert_eq!(trip.braking, 0, "{name} over {span_ms} ms");
        }
    }
    within_percent("comma2k19", driven(&rows, &DriveSettings::default()).distance_m, wanted, 1.0);
}

#[test]
fn a_repeated_value_is_not_a_steady_speed_followed_by_a_crash() {
    // 2 m/s² for 12 s, read every 0.45 s from a port that refreshes every 1.8 s: from row to row it is 8 m/s² or nothing.
    let mut drive = Drive::new(&DriveSettings::default());
    let mut harsh = 0;
    for row in 0..40 {
        let refreshed = f64::from(row / 4) * 1.8;
        let mps = 30.0 - 2.0 * (refreshed - 3.0).clamp(0.0, 12.0);
        let events = drive.sample(at(f64::from(row) * 0.45), &speed(mps * 3.6));
        harsh += events.iter().filter(|event| matches!(event, DriveEvent::HarshBegan { .. })).count();
    }
    assert_eq!(harsh, 0);
}

#[test]
fn of_several_rows_of_one_time_the_last_counts() {
    let mut drive = Drive::new(&DriveSettings::default());
    for (second, kmh) in [(0.0, 36.0), (10.0, 36.0), (10.0, 90.0), (10.0, 72.0), (20.0, 72.0)] {
        drive.sample(at(second), &speed(kmh));
    }
    assert!((drive.trip().unwrap().distance_m - (150.0 + 200.0)).abs() < 1e-9, "{:?}", drive.trip());
}

#[test]
fn a_harsh_brake_is_told_when_it_begins_and_when_it_ends() {
    let mut drive = Drive::new(&DriveSettings { span_ms: 1000, ..DriveSettings::default() });
    let mut events = Vec::new();
    for (second, kmh) in [50.0, 50.0, 50.0, 36.0, 20.0, 20.0, 20.0, 20.0].into_iter().enumerate() {
        events.extend(drive.sample(at(second as f64), &speed(kmh)));
    }
    let brakes: Vec<_> = events.into_iter().filter(|event| !matches!(event, DriveEvent::TripStarted { .. })).collect();
    let [DriveEvent::HarshBegan { at_ms, mps2, .. }, DriveEvent::HarshEnded { from_ms, to_ms, peak_mps2, .. }] =
        brakes[..]
    else {
        panic!("{brakes:?}")
    };
    assert_eq!((at_ms, from_ms, to_ms), (at(3.0), at(3.0), at(4.0)));
    assert!((mps2 - 14.0 / 3.6).abs() < 1e-9 && (peak_mps2 - 16.0 / 3.6).abs() < 1e-9);
}

#[test]
fn a_trip_is_from_the_engine_s_start_to_its_end_with_its_idling_and_fuel() {
    let mut drive = Drive::new(&DriveSettings::default());
    assert_eq!(drive.ignition(at(0.0), true), []);
    let mut events = Vec::new();
    for second in 0..=600 {
        let kmh = if (60..540).contains(&second) { 36.0 } else { 0.0 };
        let fuel_rate = (second % 10 == 0).then_some(6.0);
        events.extend(drive.sample(at(f64::from(second)), &Sample { fuel_rate, ..speed(kmh) }));
    }
    assert!(matches!(events[..], [DriveEvent::TripStarted { from_ms }, ..] if from_ms == at(0.0)), "{events:?}");
    let ended = drive.ignition(at(601.0), false);
    let [DriveEvent::TripEnded(trip)] = ended[..] else { panic!("{ended:?}") };
    assert_eq!((trip.from_ms, trip.to_ms), (at(0.0), at(601.0)));
    assert!((trip.distance_m - 4800.0).abs() < 1e-6, "{}", trip.distance_m);
    assert_eq!(trip.idle_ms, 59_000 + 60_000);
    assert!((trip.fuel_l.unwrap() - 1.0).abs() < 1e-9);
    assert_eq!((drive.trip(), drive.ended()), (None, Some(&trip)));
}

#[test]
fn silence_and_a_stopped_engine_end_a_trip_where_it_was_last_alive() {
    for stopped in [true, false] {
        let mut drive = Drive::new(&DriveSettings::default());
        for second in 0..100 {
            drive.sample(at(f64::from(second)), &speed(50.0));
        }
        let mut events = Vec::new();
        for second in 100..=500 {
            let off = Sample { speed: Some(0.0), rpm: Some(0.0), ..Sample::default() };
            if stopped || second == 500 {
                events.extend(drive.sample(at(f64::from(second)), &off));
            }
        }
        let ends: Vec<_> = events
            .iter()
            .filter_map(|event| if let DriveEvent::TripEnded(trip) = event { Some(trip.to_ms) } else { None })
            .collect();
        assert_eq!(ends, [at(99.0)], "stopped {stopped}");
    }
}

#[test]
fn word_of_the_ignition_may_stand_behind_the_rows_of_its_frame_but_not_in_the_next_trip() {
    let mut drive = Drive::new(&DriveSettings::default());
    (0..100).for_each(|second| drop(drive.sample(at(f64::from(second)), &speed(50.0))));
    let ended = drive.ignition(at(95.0), false);
    assert!(matches!(ended[..], [DriveEvent::TripEnded(trip)] if trip.to_ms == at(99.0)), "{ended:?}");
    (200..300).for_each(|second| drop(drive.sample(at(f64::from(second)), &speed(50.0))));
    assert_eq!((drive.ignition(at(95.0), false), drive.late), (vec![], 1));
    assert_eq!(drive.trip().map(|trip| trip.from_ms), Some(at(200.0)));
}

#[test]
fn an_engine_that_only_idles_makes_no_trip() {
    let mut drive = Drive::new(&DriveSettings::default());
    for second in 0..600 {
        assert_eq!(drive.sample(at(f64::from(second)), &speed(0.0)), []);
    }
    assert_eq!(drive.ignition(at(600.0), false), []);
    let mut out = Vec::new();
    drive.values(&mut out);
    assert_eq!((drive.trip(), drive.ended(), out.len()), (None, None, 0));
}

#[test]
fn the_odometer_bridges_lost_readings_and_nothing_else() {
    for (odometer_km, wanted_m) in [(5.0, 500.0 + 4495.0 + 500.0), (50.0, 500.0 + 500.0)] {
        let mut drive = Drive::new(&DriveSettings::default());
        let read = |drive: &mut Drive, second: u32, km: f64| {
            drive.sample(at(f64::from(second)), &Sample { odometer: Some(km), ..speed(36.0) });
        };
        for second in (0..=50).chain(250..=300) {
            // It counts 1 % more than the speed does, which is not a gap.
            let km = if second <= 50 { f64::from(second) * 0.0101 } else { odometer_km };
            read(&mut drive, second, km);
        }
        let distance_m = drive.trip().unwrap().distance_m;
        assert!((distance_m - wanted_m).abs() < 1e-6, "{distance_m} for {wanted_m}");
    }
}

#[test]
fn a_turn_is_harsh_by_the_sideways_peak_while_the_car_rolls() {
    let mut drive = Drive::new(&DriveSettings::default());
    for (second, (kmh, g)) in [(0.0, 0.5), (40.0, 0.1), (40.0, -0.35), (40.0, 0.29)].into_iter().enumerate() {
        drive.sample(at(second as f64 * 3.0), &Sample { acc_peak_y: Some(g), ..speed(kmh) });
    }
    assert_eq!(drive.trip().unwrap().cornering, 1);
}

#[test]
fn fuel_follows_from_air_where_no_rate_is_read() {
    let mut drive = Drive::new(&DriveSettings::default());
    for second in 0..=3600 {
        drive.sample(at(f64::from(second)), &Sample { air_flow: Some(10.0), ..speed(60.0) });
    }
    // 10 g/s of air are 36,000 g an hour, over 14.7 × 745 g/L.
    assert!((drive.trip().unwrap().fuel_l.unwrap() - 36_000.0 / (14.7 * 745.0)).abs() < 1e-9);
}

#[test]
fn trouble_codes_come_and_go() {
    let mut drive = Drive::new(&DriveSettings::default());
    let code = Code::parse(b"p0420 ").unwrap();
    assert_eq!(drive.trouble_set(at(1.0), b"P0420"), Some(DriveEvent::CodeSet { code, at_ms: at(1.0) }));
    assert_eq!(drive.trouble_set(at(2.0), b"P0420"), None, "it was set");
    for no in [&b"P9420"[..], b"X0420", b"P042", b"P04200", b"P04G0", b"\xff\xff\xff\xff\xff", b""] {
        assert_eq!(drive.trouble_set(at(2.0), no), None, "{no:?}");
    }
    let none = Sample { dtc_count: Some(0.0), ..Sample::default() };
    assert_eq!(drive.sample(at(1.0), &none), [], "a count of the same second may be older");
    assert_eq!(drive.sample(at(3.0), &none), [DriveEvent::CodeCleared { code, at_ms: at(3.0) }]);
    drive.trouble_set(at(4.0), b"P0420");
    assert_eq!(drive.trouble_cleared(at(5.0), b"P0171"), []);
    assert_eq!(drive.trouble_cleared(at(5.0), b""), [DriveEvent::CodeCleared { code, at_ms: at(5.0) }]);
    for n in 0..100 {
        drive.trouble_set(at(6.0), format!("P{n:04}").as_bytes());
    }
    assert_eq!(drive.codes().len(), CODES_MAX);
}

#[test]
fn the_score_is_the_documented_formula_and_says_why() {
    let trip = Trip {
        distance_m: 20_000.0,
        braking: 2,
        acceleration: 4,
        cornering: 0,
        idle_ms: 360_000,
        to_ms: 1_200_000,
        ..Trip::new(0)
    };
    let score = trip.score(&ScoreSettings::default()).unwrap();
    // 2 and 4 in 20 km are 10 and 20 in 100 km: 10 and 5 points; 30 % idled are 5 % too many: 2.5 points.
    assert!((score.value - 82.5).abs() < 1e-9, "{score:?}");
    assert_eq!(score.reasons(), ["braking", "acceleration", "idling"]);
    assert_eq!(Trip { distance_m: 999.0, ..trip }.score(&ScoreSettings::default()), None);
    let worst = Trip { braking: 999, acceleration: 999, cornering: 999, idle_ms: 1_200_000, ..trip };
    assert_eq!(worst.score(&ScoreSettings::default()).unwrap().value, 0.0);
}

#[test]
fn rows_that_come_late_are_counted_however_late_and_a_gateway_set_back_begins_anew() {
    let mut drive = Drive::new(&DriveSettings::default());
    drive.sample(at(100.0), &speed(50.0));
    drive.sample(at(101.0), &speed(50.0));
    assert_eq!(drive.sample(at(99.0), &speed(200.0)), []);
    assert_eq!((drive.late, drive.trip().unwrap().speed_max), (1, 50.0));
    assert_eq!((drive.sample(at(-600_000.0), &speed(30.0)), drive.ignition(at(-600_000.0), false)), (vec![], vec![]));
    assert_eq!((drive.late, drive.arrived(at(101.0))), (3, vec![]));
    let events = drive.arrived(at(-2000.0));
    assert!(matches!(events[..], [DriveEvent::TripEnded(trip)] if trip.to_ms == at(101.0)), "{events:?}");
    drive.sample(at(-1900.0), &speed(30.0));
    drive.sample(at(-1899.0), &speed(30.0));
    assert_eq!(drive.trip().map(|trip| trip.from_ms), Some(at(-1900.0)));
}

fn any_value() -> impl Strategy<Value = Option<f64>> {
    let numbers = prop_oneof![
        4 => 0.0..200.0f64,
        1 => any::<f64>(),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300, 0.0]),
    ];
    prop::option::of(numbers)
}

fn any_row() -> impl Strategy<Value = Row> {
    let time = prop_oneof![
        6 => (0i64..3_000_000).prop_map(|ms| START_MS + ms),
        1 => any::<i64>(),
        1 => prop::sample::select(vec![-2_147_483_648_000, 4_294_967_295_000, 0, i64::MIN, i64::MAX]),
    ];
    let values = (any_value(), any_value(), any_value(), any_value(), any_value(), any_value());
    (time, values).prop_map(|(at_ms, (speed, rpm, odometer, fuel_rate, acc_peak_y, dtc_count))| {
        let sample = Sample { speed, rpm, odometer, fuel_rate, acc_peak_y, dtc_count, air_flow: rpm };
        (at_ms, sample)
    })
}

fn bytes(drive: &Drive) -> Vec<u8> {
    postcard::to_stdvec(drive).unwrap()
}

#[test]
fn the_fullest_state_is_within_its_bound() {
    let mut drive = Drive::new(&DriveSettings::default());
    for n in 0..CODES_MAX {
        drive.trouble_set(i64::MAX, format!("U{n:04}").as_bytes());
    }
    for n in 0..10_000 {
        let more = Sample { odometer: Some(1.0), fuel_rate: Some(3.0), ..speed(50.0) };
        drive.sample(at(f64::from(n) * 0.01), &more);
        if n == 5000 {
            drive.ignition(at(50.0), false);
        }
    }
    println!("{} bytes", bytes(&drive).len());
    assert!((1000..=STATE_BYTES_MAX).contains(&bytes(&drive).len()), "{}", bytes(&drive).len());
}

proptest! {
    #[test]
    fn any_readings_at_any_time_leave_a_sound_bounded_state_that_reads_back_equal(
        mut rows in prop::collection::vec(any_row(), 1..200), sorted in any::<bool>(), cut in 0usize..200,
    ) {
        if sorted {
            rows.sort_by_key(|(at_ms, _)| *at_ms);
        }
        let (mut drive, mut other) = (Drive::new(&DriveSettings::default()), Drive::new(&DriveSettings::default()));
        for (n, (at_ms, sample)) in rows.iter().enumerate() {
            if n == cut {
                other = postcard::from_bytes(&bytes(&other)).unwrap();
            }
            prop_assert_eq!(drive.sample(*at_ms, sample), other.sample(*at_ms, sample));
            prop_assert_eq!(drive.trouble_set(*at_ms, format!("U{n:04}").as_bytes()).is_some(),
                other.trouble_set(*at_ms, format!("U{n:04}").as_bytes()).is_some());
            prop_assert!(bytes(&drive).len() <= STATE_BYTES_MAX, "{} bytes", bytes(&drive).len());
        }
        prop_assert_eq!(bytes(&drive), bytes(&other));
        let (mut values, mut others) = (Vec::new(), Vec::new());
        drive.values(&mut values);
        other.values(&mut others);
        prop_assert_eq!(&values, &others);
        for Derived { name, value, .. } in values {
            if let Value::Number(number) = value {
                prop_assert!(number.is_finite(), "{name} is {number}");
            }
        }
    }
}
