use proptest::prelude::*;

use super::super::earth::Position;
use super::super::real_data::{rows, text};
use super::super::value::{Derived, Value};
use super::excursion::Excursion;
use super::machine::JourneyEvent;
use super::*;

pub(super) const START_MS: i64 = 1_700_000_000_000;
/// Of latitude, on the sphere with the ellipsoid's mean radius.
pub(super) const METRES_PER_DEGREE: f64 = 111_195.08;
/// Most bytes of a state in a checkpoint: 32 predictions, a stop, three excursions, the settings.
const STATE_BYTES_MAX: usize = 1536;
const TRACKS: [&str; 5] =
    ["around-visnjan-with-car", "cerknicko-jezero", "track-with-extremes", "track_with_speed", "unicode_with_bom"];

pub(super) struct Point {
    pub(super) begins_segment: bool,
    pub(super) at_ms: Option<i64>,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

/// The track points of a GPX file, in its order.
pub(super) fn gpx(xml: &str) -> Vec<Point> {
    let mut points = Vec::new();
    for segment in xml.split("<trkseg").skip(1) {
        let segment = segment.split("</trkseg").next().unwrap();
        for (n, point) in segment.split("<trkpt").skip(1).enumerate() {
            let quoted = |name: &str| point.split(name).nth(1)?.split('"').nth(1)?.parse::<f64>().ok();
            let time = point.split("<time>").nth(1).and_then(|rest| rest.split('<').next());
            points.push(Point {
                begins_segment: n == 0,
                at_ms: time.and_then(|time| Some(time.parse::<jiff::Timestamp>().ok()?.as_millisecond())),
                latitude: quoted("lat=").unwrap(),
                longitude: quoted("lon=").unwrap(),
            });
        }
    }
    points
}

/// What lies between two segments was not recorded: each is a journey of its own.
fn take(journeys: &mut Vec<Journey>, point: &Point) {
    if point.begins_segment {
        journeys.push(Journey::new(&JourneySettings::default()));
    }
    journeys.last_mut().unwrap().fix(point.at_ms, point.latitude, point.longitude);
}

pub(super) fn number(journey: &Journey, name: &str) -> Option<Derived> {
    let mut out = Vec::new();
    journey.values(&mut out);
    out.into_iter().find(|derived| derived.name == name)
}

fn value(journey: &Journey, name: &str) -> Option<f64> {
    match number(journey, name)?.value {
        Value::Number(value) => Some(value),
        other => panic!("{name} is {other:?}"),
    }
}

pub(super) fn travels(journey: &mut Journey, at_s: f64, north_m: f64, east_m: f64) -> Vec<JourneyEvent> {
    let at_ms = START_MS + (at_s * 1000.0) as i64;
    let narrow = 48.0_f64.to_radians().cos();
    journey.fix(Some(at_ms), 48.0 + north_m / METRES_PER_DEGREE, 11.0 + east_m / METRES_PER_DEGREE / narrow)
}

/// Numbers from −1 to 1.
pub(super) struct Noise(pub(super) u64);

impl Noise {
    pub(super) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    }
}

#[test]
fn recorded_tracks_have_the_length_of_the_reference() {
    let Some(summary) = text("parcel_gps/expected", "gpx_summary.csv") else { return };
    let summary = rows(&summary);
    for name in TRACKS {
        let Some(xml) = text("parcel_gps", &format!("{name}.gpx")) else { return };
        let expected = summary.iter().find(|row| row["file"] == name).unwrap();
        let mut journeys = Vec::new();
        let points = gpx(&xml);
        points.iter().for_each(|point| take(&mut journeys, point));
        let sum = |of: fn(&Journey) -> f64| journeys.iter().map(of).sum::<f64>();
        assert_eq!(points.len().to_string(), expected["points"], "{name}");
        let (got, wanted) = (sum(|journey| journey.distance_m), expected["length_2d_m"].parse::<f64>().unwrap());
        let travelled = sum(|journey| journey.travelled_m);
        println!("{name}: {got:.2} m for {wanted:.2} m, {travelled:.2} m without wandering");
        assert!((got - wanted).abs() <= 0.005 * wanted, "{name}: {got} for {wanted}");
        assert!(travelled <= got, "{name}");
        if wanted > 1000.0 {
            println!(
                "  off {:+.3} %, wandering {:.1} %",
                (got / wanted - 1.0) * 100.0,
                (1.0 - travelled / got) * 100.0
            );
            assert!(travelled > 0.9 * wanted, "{name}: {travelled}");
        }
    }
}

#[test]
fn speeds_between_fixes_are_those_of_the_reference() {
    let mut compared = 0;
    for name in ["around-visnjan-with-car", "track_with_speed"] {
        let (Some(expected), Some(xml)) =
            (text("parcel_gps/expected", &format!("{name}_points.csv")), text("parcel_gps", &format!("{name}.gpx")))
        else {
            return;
        };
        let mut journeys = Vec::new();
        for (row, point) in rows(&expected).iter().zip(gpx(&xml)) {
            take(&mut journeys, &point);
            let wanted = row["step_2d_m"].parse::<f64>().unwrap() / row["dt_s"].parse::<f64>().unwrap_or(f64::NAN);
            if wanted.is_finite() {
                let got = journeys.last().unwrap().speed_mps.unwrap();
                assert!((got - wanted).abs() <= 0.005 * wanted + 1e-6, "{name}: {got} for {wanted}");
                compared += 1;
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn fixes_of_1901_and_without_time_count_for_the_distance_alone() {
    for at_ms in [None, Some(-2_147_483_648_000), Some(0)] {
        let mut journey = Journey::new(&JourneySettings::default());
        for n in 0..100 {
            assert_eq!(journey.fix(at_ms, 46.0 + f64::from(n) * 1e-3, 13.0), []);
        }
        assert!((journey.distance_m - 11_003.3).abs() < 1.0, "{}", journey.distance_m);
        assert_eq!((journey.speed_mps, value(&journey, "journey.standing")), (None, None));
    }
}

#[test]
fn noise_while_standing_is_no_movement() {
    let (mut journey, mut noise) = (Journey::new(&JourneySettings::default()), Noise(1));
    let mut events = Vec::new();
    for n in 0..720 {
        events.extend(travels(&mut journey, f64::from(n) * 5.0, 7.0 * noise.next(), 7.0 * noise.next()));
    }
    assert!(matches!(events[..], [JourneyEvent::Stopped { from_ms: START_MS, .. }]), "{events:?}");
    println!("an hour of noise: {:.0} m raw, {:.0} m travelled", journey.distance_m, journey.travelled_m);
    assert!(journey.distance_m > 3000.0, "{}", journey.distance_m);
    assert!(journey.travelled_m < 60.0, "{}", journey.travelled_m);
    assert_eq!(value(&journey, "journey.standing"), Some(3595.0));
}

#[test]
fn a_stop_is_told_once_and_left_once_and_one_stray_fix_does_not_end_it() {
    let mut journey = Journey::new(&JourneySettings::default());
    let mut events = Vec::new();
    let mut north_m = 0.0;
    for n in 0..300 {
        let standing = (100..200).contains(&n);
        let stray_m = if n == 150 { 500.0 } else { 0.0 };
        north_m += if standing { 0.0 } else { 50.0 };
        events.extend(travels(&mut journey, f64::from(n) * 5.0, north_m + stray_m, 0.0));
    }
    let [JourneyEvent::Stopped { from_ms, .. }, JourneyEvent::Departed(stop)] = events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((from_ms, stop.from_ms), (START_MS + 99 * 5000, START_MS + 99 * 5000));
    // The first fix after it is within the larger circle.
    assert_eq!(stop.to_ms, START_MS + 200 * 5000);
    assert!((journey.travelled_m - 199.0 * 50.0).abs() < 20.0, "{}", journey.travelled_m);
    assert_eq!(value(&journey, "journey.stops"), Some(1.0));
}

#[test]
fn an_excursion_has_a_start_a_peak_and_an_end() {
    let mut journey = Journey::new(&JourneySettings::default());
    let at = |n: i64| START_MS + n * 30_000;
    let mut events = Vec::new();
    for (n, cel) in [5.0, 8.0, 8.1, 9.5, 9.0, 7.9, 7.7, 7.6, 8.2, 1.0].into_iter().enumerate() {
        events.extend(journey.temperature(at(n as i64), cel));
    }
    let (what, cold) = (Excursion::Warm, Excursion::Cold);
    assert_eq!(
        events,
        [
            JourneyEvent::ExcursionBegan { what, at_ms: at(2), value: 8.1 },
            JourneyEvent::ExcursionEnded { what, from_ms: at(2), peak_ms: at(3), peak: 9.5, to_ms: at(6) },
            JourneyEvent::ExcursionBegan { what, at_ms: at(8), value: 8.2 },
            JourneyEvent::ExcursionEnded { what, from_ms: at(8), peak_ms: at(8), peak: 8.2, to_ms: at(9) },
            JourneyEvent::ExcursionBegan { what: cold, at_ms: at(9), value: 1.0 },
        ]
    );
    let what = Excursion::Shock;
    assert_eq!(journey.shock(at(0), 7.9), None);
    assert_eq!(journey.shock(at(1), 8.0), Some(JourneyEvent::ExcursionBegan { what, at_ms: at(1), value: 8.0 }));
    assert_eq!(journey.shock(at(0), 90.0), None, "late");
    assert_eq!(journey.shock(at(2), f64::NAN), None);
    assert!(matches!(journey.shock(at(3), 0.2), Some(JourneyEvent::ExcursionEnded { peak, .. }) if peak == 8.0));
    assert_eq!(value(&journey, "journey.excursions"), Some(4.0));
    assert_eq!(number(&journey, "journey.excursion").unwrap().value, Value::List(vec!["cold"]));
}

#[test]
fn late_fixes_are_counted_however_late_and_a_gateway_set_back_is_followed() {
    let mut journey = Journey::new(&JourneySettings::default());
    travels(&mut journey, 0.0, 0.0, 0.0);
    travels(&mut journey, 60.0, 100.0, 0.0);
    travels(&mut journey, 30.0, 9000.0, 0.0);
    assert_eq!(journey.late, 1);
    assert!((journey.distance_m - 100.0).abs() < 0.5, "{}", journey.distance_m);
    travels(&mut journey, -9000.0, 9000.0, 0.0);
    assert_eq!(journey.late, 2);
    journey.arrived(START_MS + 60_000);
    travels(&mut journey, -9000.0, 200.0, 0.0);
    assert_eq!(journey.late, 3);
    journey.arrived(START_MS - 9_000_000);
    travels(&mut journey, -9000.0, 200.0, 0.0);
    assert_eq!((journey.late, journey.speed_mps), (3, None));
    travels(&mut journey, -8990.0, 300.0, 0.0);
    assert!((journey.speed_mps.unwrap() - 10.0).abs() < 0.1);
}

fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => (0i64..20_000_000).prop_map(|ms| START_MS + ms),
        1 => any::<i64>(),
        1 => prop::sample::select(vec![-2_147_483_648_000, 4_294_967_295_000, 0, i64::MIN, i64::MAX]),
    ]
}

fn any_number(range: std::ops::Range<f64>) -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => range,
        1 => any::<f64>(),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -180.0, 90.0, 1e300]),
    ]
}

fn bytes(journey: &Journey) -> Vec<u8> {
    postcard::to_stdvec(journey).unwrap()
}

#[test]
fn the_fullest_state_is_within_its_bound() {
    let mut journey = Journey::new(&JourneySettings::default());
    journey.bound_for(Position::new(60.0, 11.0).map(|place| Goal { place, within_m: 100.0 }));
    let mut fullest = 0;
    for n in 0..10_000 {
        travels(&mut journey, f64::from(n) * 31.0, f64::from(n) * 20.0, 0.0);
        journey.shock(START_MS, 9.0);
        journey.temperature(START_MS, 20.0);
        fullest = fullest.max(bytes(&journey).len());
    }
    println!("{fullest} bytes");
    assert!((900..=STATE_BYTES_MAX).contains(&fullest), "{fullest}");
}

proptest! {
    #[test]
    fn any_readings_at_any_time_leave_a_sound_bounded_state_that_reads_back_equal(
        mut rows in prop::collection::vec(
            (any_time(), any_number(47.9..48.1), any_number(10.9..11.1), any_number(-10.0..20.0)), 1..200),
        sorted in any::<bool>(), cut in 0usize..200,
    ) {
        if sorted {
            rows.sort_by_key(|row| row.0);
        }
        let mut journey = Journey::new(&JourneySettings::default());
        journey.bound_for(Position::new(48.05, 11.0).map(|place| Goal { place, within_m: 100.0 }));
        let mut other = journey.clone();
        for (n, (at_ms, latitude, longitude, value)) in rows.iter().enumerate() {
            if n == cut {
                other = postcard::from_bytes(&bytes(&other)).unwrap();
            }
            let at = (n % 7 > 0).then_some(*at_ms);
            prop_assert_eq!(journey.fix(at, *latitude, *longitude), other.fix(at, *latitude, *longitude));
            prop_assert_eq!(journey.temperature(*at_ms, *value), other.temperature(*at_ms, *value));
            prop_assert_eq!(journey.shock(*at_ms, *value), other.shock(*at_ms, *value));
            prop_assert!(bytes(&journey).len() <= STATE_BYTES_MAX, "{} bytes", bytes(&journey).len());
        }
        prop_assert_eq!(bytes(&journey), bytes(&other));
        let mut out = Vec::new();
        journey.values(&mut out);
        for Derived { name, value, low, high, .. } in out {
            if let Value::Number(number) = value {
                prop_assert!(number.is_finite(), "{name} is {number}");
                prop_assert!(low.unwrap_or(number) <= number && number <= high.unwrap_or(number), "{name}");
            }
        }
    }
}
