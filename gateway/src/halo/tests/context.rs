//! Where subjects are, what happened to them, and when parcels will be there: from frames to halos.

use std::time::Duration;

use firmware_sim::Kind as Simulated;
use firmware_sim::bench::{Load, payloads};
use halo_proto::registry::{self, Kind};
use halo_proto::topic::Grammar;
use serde_json::Value;

use super::derived::{folded, number, simulated};
use super::support::{Log, WALL_MS, native, reloaded, speedometer};
use crate::forward::halo_json::halo_json;
use crate::halo::derive::{Goal, Journey, JourneySettings, Observation, Position, Rows};
use crate::halo::kinds::Kinds;
use crate::halo::signal::Refused;
use crate::halo::{DerivedValue, Fold, Subject, Tally};
use crate::record::{Area, Body, Destination, FoldConfig, Frame, Geography, Goal as Bound, Traveller, Zone};

const SECOND: u64 = 1000;

fn circle(name: &str, latitude: f64, longitude: f64, radius_m: f64) -> Zone {
    let centre = [longitude, latitude].map(|degrees| (degrees * 1e7).round() as i32);
    Zone { name: name.into(), kind: None, area: Area::Circle { centre, radius_m }, readers: Vec::new() }
}

/// Home, in a town, and a depot 50 km away.
fn map() -> Geography {
    let home = Zone { kind: Some("home".into()), ..circle("home", 48.0, 11.0, 100.0) };
    let zones = [circle("town", 48.0, 11.0, 5_000.0), home, circle("depot", 48.45, 11.0, 200.0)];
    Geography { zones: zones.into(), ..Geography::default() }
}

fn mapped(geography: Geography) -> Log {
    let mut log = Log::default();
    log.push(Body::Config(FoldConfig { geography, ..FoldConfig::default() }));
    log
}

/// A phone of anna's tells where it is, `ago_s` before that arrives; some metres north of home.
fn phone(log: &mut Log, ago_s: u64, north_m: f64) {
    let taken = log.now().wall_ms - (ago_s * SECOND) as i64;
    let latitude = 48.0 + north_m / 111_195.0;
    let payload = format!("{{\"latitude\":{latitude},\"longitude\":11.0,\"time\":{taken}}}");
    let frame = log.frame("phone", crate::record::Format::Json, 0, payload.into_bytes());
    log.push(Body::Frame(Frame { subject: "anna".into(), ..frame }));
}

/// Every ten seconds at these metres north of home.
fn phones(log: &mut Log, metres: impl IntoIterator<Item = f64>) {
    for north_m in metres {
        log.after(10 * SECOND);
        phone(log, 0, north_m);
    }
}

fn context(fold: &Fold, subject: &str) -> Value {
    let subject = fold.subject(subject).expect("it sent frames");
    let halo: Value = serde_json::from_slice(&halo_json(subject, &mut Tally::default())).expect("JSON");
    halo["context"].clone()
}

/// Name, zone and seconds since the log began.
fn happened(subject: &Subject) -> Vec<(&'static str, &str, i64)> {
    let second = |event_ms: i64| (event_ms - WALL_MS) / 1000;
    subject.happened().map(|it| (it.name(), it.zone().unwrap_or_default(), second(it.event_ms))).collect()
}

fn of_anna(log: &Log) -> Vec<(&'static str, String, i64)> {
    let fold = folded(log);
    let anna = fold.subject("anna").expect("her phone sent frames");
    happened(anna).into_iter().map(|(name, zone, at_s)| (name, zone.to_owned(), at_s)).collect()
}

#[test]
fn a_phone_that_comes_home_has_its_place_there_and_leaves_it_again() {
    let mut log = mapped(map());
    phones(&mut log, [300.0, 200.0, 50.0, 20.0]);
    let place = &context(&folded(&log), "anna")["place"];
    assert_eq!((&place["zone"], &place["kind"]), (&Value::from("town"), &Value::Null), "not inside for long enough");
    phones(&mut log, [0.0]);
    let told = context(&folded(&log), "anna");
    let place = &told["place"];
    assert_eq!((&place["zone"], &place["kind"], &place["device"]), (&"home".into(), &"home".into(), &"phone".into()));
    assert_eq!(
        (&place["lat"], &place["lon"], &place["zones"]),
        (&48.into(), &11.into(), &Value::from(vec!["home", "town"]))
    );
    assert_eq!((&place["since"], &place["time"]), (&told["events"][1]["time"], &"2026-11-21T20:00:50.000Z".into()));
    let entered = serde_json::json!({
        "time": "2026-11-21T20:00:30.000Z", "device": "phone", "source": "derived", "name": "zone.entered", "zone": "home"
    });
    assert_eq!(told["events"][1], entered);
    phones(&mut log, (0..10).map(|n| 100.0 * f64::from(n)));
    let left = [("zone.entered", "town", 10), ("zone.entered", "home", 30), ("zone.left", "home", 70)];
    assert_eq!(of_anna(&log), left.map(|(name, zone, at_s)| (name, zone.to_owned(), at_s)));
}

#[test]
fn word_of_an_arrival_that_comes_late_stands_at_its_own_time() {
    let mut log = mapped(map());
    log.after(3600 * SECOND);
    // Half an hour out of reach, then everything at once, the oldest first.
    for ago_s in (0..1800).rev().step_by(30) {
        phone(&mut log, ago_s, if ago_s > 900 { 3000.0 } else { 0.0 });
    }
    let expected = [("zone.entered", "town", 1801), ("zone.entered", "home", 2701)];
    assert_eq!(of_anna(&log), expected.map(|(name, zone, at_s)| (name, zone.to_owned(), at_s)));
    // What is older than the newest position changes nothing, however far away it was.
    let before = of_anna(&log);
    phone(&mut log, 600, 40_000.0);
    phone(&mut log, 3000, 40_000.0);
    phones(&mut log, [0.0; 9]);
    assert_eq!(of_anna(&log), before);
}

#[test]
fn a_frame_read_again_long_after_it_came_does_not_set_the_clock_back() {
    let mut log = mapped(map());
    let here = |log: &Log| format!("{{\"latitude\":48.0,\"longitude\":11.0,\"time\":{}}}", log.now().wall_ms);
    let old = log.frame("phone", crate::record::Format::Json, 0, here(&log).into_bytes());
    log.after(3600 * SECOND);
    phones(&mut log, [0.0; 5]);
    let before = context(&folded(&log), "anna");
    log.push(Body::Replayed(Frame { subject: "anna".into(), ..old }));
    assert_eq!(context(&folded(&log), "anna"), before);
    assert_eq!(before["place"]["zone"], "home");
}

#[test]
fn a_changed_map_takes_over_with_the_next_position() {
    let mut log = mapped(map());
    phones(&mut log, [0.0; 5]);
    let only_town = Geography { zones: [circle("town", 48.0, 11.0, 5_000.0)].into(), ..map() };
    log.push(Body::Config(FoldConfig { geography: only_town, ..FoldConfig::default() }));
    phones(&mut log, [0.0]);
    assert_eq!(of_anna(&log).last(), Some(&("zone.left", "home".to_owned(), 50)));
    assert_eq!(context(&folded(&log), "anna")["place"]["zone"], "town");
}

#[test]
fn a_position_without_a_map_is_a_place_without_a_zone() {
    let mut log = Log::default();
    phones(&mut log, [0.0; 5]);
    let told = context(&folded(&log), "anna");
    assert_eq!((&told["place"]["lat"], &told["place"]["zone"]), (&48.into(), &Value::Null));
    assert!(told["events"].as_array().is_some_and(Vec::is_empty) && told["place"].get("since").is_none());
}

#[test]
fn a_guest_is_where_the_reader_stands() {
    let readers: Vec<u16> = (1..1000).collect();
    let land = Zone { readers, ..circle("park", 48.5, 11.5, 1000.0) };
    let mut log = mapped(Geography { zones: [land].into(), ..Geography::default() });
    log.records.extend(simulated(Simulated::ParkBand).records);
    // Offsets of two logs in one: renumbered.
    for (offset, record) in (1..).zip(&mut log.records) {
        record.offset = crate::record::Offset(offset);
    }
    let fold = folded(&log);
    let guest = context(&fold, "it");
    let place = &guest["place"];
    assert_eq!((&place["zone"], &place["lat"], &place["lon"]), (&"park".into(), &48.5.into(), &11.5.into()));
    let reader = number(fold.subject("it").expect("it sent frames"), "visit.reader");
    assert_eq!(place["reader"].as_f64(), reader);
    let of_old = context(&folded(&simulated(Simulated::ParkBand)), "it");
    assert_eq!((&of_old["place"]["zone"], &of_old["place"]["lat"]), (&Value::Null, &Value::Null));
    assert_eq!(of_old["place"]["reader"], place["reader"]);
}

#[test]
fn every_kind_of_device_tells_what_its_derivations_saw_happen() {
    let expected = [
        (Simulated::CarDongle, vec!["trip.started", "trip.ended"]),
        (Simulated::ParcelTracker, vec!["journey.stopped"]),
        (Simulated::Pacemaker, vec!["heart.pause"]),
        (Simulated::ParkBand, vec!["visit.ride"]),
        (Simulated::Wristband, vec!["wear.on", "activity.started", "activity.ended"]),
    ];
    for (kind, names) in expected {
        let log = simulated(kind);
        let mut fold = Fold::new(Grammar::default());
        let mut seen = std::collections::BTreeSet::new();
        for record in &log.records {
            fold.apply(record);
            let it = fold.subject("it").expect("it sent frames");
            seen.extend(it.happened().map(crate::halo::Happening::name));
            assert!(it.happened().map(|it| it.event_ms).is_sorted() && it.happened().len() <= 8, "{kind}");
        }
        println!("{kind}: {seen:?}");
        assert!(names.iter().all(|name| seen.contains(name)), "{kind}: {seen:?}");
    }
}

#[test]
fn a_trip_under_way_is_in_the_context_and_one_that_ended_is_an_event() {
    let mut log = Log::default();
    let schema = speedometer();
    log.birth_of(Kind::CAR_DONGLE, "car", &schema);
    let drive = |log: &mut Log, seq, kmh: i64| {
        let payload = native(&schema, seq, log.mono_ms, &[(0, &[vec![kmh; 61]])], None);
        log.after(60 * SECOND).native("car", seq, payload);
    };
    drive(&mut log, 0, 36);
    let trip = context(&folded(&log), "car")["trip"].clone();
    let expected = serde_json::json!({
        "device": "car", "from": "2026-11-21T20:00:00.000Z", "to": "2026-11-21T20:01:00.000Z",
        "distance_m": 600, "duration_s": 60, "idle_s": 0
    });
    assert_eq!(trip, expected);
    log.after(600 * SECOND);
    drive(&mut log, 1, 0);
    let told = context(&folded(&log), "car");
    assert_eq!((&told["trip"], &told["events"][1]["name"]), (&Value::Null, &"trip.ended".into()));
    assert_eq!((&told["events"][1]["value"], &told["events"][1]["unit"]), (&600.into(), &"m".into()));
}

/// Everything at once: a phone, a car, a band and a parcel with somewhere to go, on a map that changes.
fn busy() -> Log {
    let destinations = vec![
        Destination { of: Traveller::Subject("it".into()), to: Bound::Zone("depot".into()) },
        Destination { of: Traveller::Device("other".into()), to: Bound::Place([0, 0]) },
    ];
    let mut log = mapped(Geography { destinations, ..map() });
    phones(&mut log, (0..40).map(|n| 300.0 * f64::from(n % 20)));
    let kinds = [Simulated::ParcelTracker, Simulated::Wristband, Simulated::CarDongle].map(simulated);
    let mut all: Vec<_> = kinds.into_iter().flat_map(|log| log.records).collect();
    all.sort_by_key(|record| record.stamp.mono_ms);
    log.records.extend(all);
    log.mono_ms = log.records.last().map_or(0, |record| record.stamp.mono_ms);
    let config = FoldConfig { geography: map(), ..FoldConfig::default() };
    log.push(Body::Config(config));
    phones(&mut log, [0.0; 12]);
    for (offset, record) in (1..).zip(&mut log.records) {
        record.offset = crate::record::Offset(offset);
    }
    log
}

#[test]
fn the_same_log_gives_the_same_halos_with_a_restart_at_any_record() {
    let log = busy();
    let halos = |fold: &Fold| -> Vec<_> {
        fold.subjects().into_iter().map(|subject| halo_json(subject, &mut Tally::default())).collect()
    };
    let whole = folded(&log);
    assert_eq!((halos(&folded(&log)), whole.all_rows()), (halos(&whole), folded(&log).all_rows()));
    let mut fold = Fold::new(Grammar::default());
    let (mut placed, mut expected) = (0, 0);
    for (n, record) in log.records.iter().enumerate() {
        fold.apply(record);
        if !(n % 7 == 0 || n + 14 > log.records.len()) {
            continue;
        }
        placed += fold.subject("anna").map_or(0, |anna| usize::from(anna.happened().len() > 1));
        expected += fold.subject("it").map_or(0, |it| usize::from(number(it, "journey.arrival").is_some()));
        let mut again = reloaded(&fold);
        for record in &log.records {
            again.apply(record);
        }
        assert_eq!((again.all_rows(), halos(&again)), (whole.all_rows(), halos(&whole)), "after record {n}");
    }
    assert!(placed > 0 && expected > 0, "{placed} {expected}");
}

#[test]
fn the_names_of_what_is_derived_are_none_of_a_device() {
    let kinds = [Kind::CAR_DONGLE, Kind::PARCEL_TRACKER, Kind::PARK_BAND, Kind::PACEMAKER, Kind::WRISTBAND];
    for kind in kinds {
        for code in 0..=u8::MAX.into() {
            assert!(registry::event(kind, code).is_none_or(|known| !known.name.contains('.')), "{kind:?} {code}");
        }
    }
}

/// Fixes of a simulated parcel, and when it was delivered.
fn parcel(device: usize) -> (Vec<(i64, Observation)>, Vec<i64>) {
    let period = Duration::from_secs(4 * 3600);
    let load = Load::Frames { kinds: vec![Simulated::ParcelTracker], period, step: period, fill_to: None };
    let (mut log, mut fold) = (Log::default(), Fold::new(Grammar::default()));
    log.after(1 << 28);
    let (mut fixes, mut delivered) = (Vec::new(), Vec::new());
    for (seq, payload) in (0..).zip(payloads(&load, device, 16).expect("a simulated kind")) {
        let record = log.after(period.as_millis() as u64).native("it", seq, payload.to_vec());
        let readings = fold.apply(record).readings().expect("a frame");
        let (kinds, refused) = (Kinds::default(), Refused::default());
        let plan = kinds.plan("it", readings.kind);
        fixes.extend(Rows::<Observation>::of(readings, record.stamp.wall_ms, &plan, &refused));
        let events = readings.events.iter().filter(|event| event.code == 4);
        delivered.extend(events.map(|event| event.event_ms));
    }
    (fixes, delivered)
}

/// What was told of the arrival at one fix.
struct Expected {
    /// Stops made by then.
    stops: f64,
    held: bool,
    /// By how much of the remaining time the expectation was off.
    off: f64,
}

/// Everything told on one way, up to its end.
fn told(way: &[(i64, f64, f64)], delivered_ms: i64) -> Vec<Expected> {
    let Some((_, latitude, longitude)) = way.last().copied() else { return Vec::new() };
    let mut journey = Journey::new(&JourneySettings::default());
    journey.bound_for(Some(Goal { place: Position::on_earth(latitude, longitude), within_m: 200.0 }));
    let mut told = Vec::new();
    for (ms, latitude, longitude) in way {
        journey.fix(Some(*ms), *latitude, *longitude);
        let mut values = Vec::new();
        journey.values(&mut values);
        let number = |name| {
            let value = values.iter().find(|it| it.name == name).map(|it| &it.value);
            if let Some(DerivedValue::Number(number)) = value { Some(*number) } else { None }
        };
        if number("journey.remaining") == Some(0.0) {
            break;
        }
        let Some(arrival) = values.iter().find(|it| it.name == "journey.arrival") else { continue };
        let (Some(low), Some(high)) = (arrival.low, arrival.high) else { panic!("{arrival:?}") };
        let (value, stops) = (number("journey.arrival"), number("journey.stops"));
        let (value, came) = (value.expect("it is a number"), delivered_ms as f64);
        let off = ((value - came) / (delivered_ms - ms).max(1) as f64).abs();
        told.push(Expected { stops: stops.unwrap_or(0.0), held: (low..=high).contains(&came), off });
    }
    told
}

/// Which share of the intervals held what came, and by how much of the remaining time expectations were off in the middle.
fn judged<'a>(told: impl Iterator<Item = &'a Expected>) -> (usize, f64, f64) {
    let told: Vec<_> = told.collect();
    let held = told.iter().filter(|it| it.held).count();
    let mut off: Vec<f64> = told.iter().map(|it| it.off).collect();
    off.sort_by(f64::total_cmp);
    (told.len(), held as f64 / told.len().max(1) as f64, off.get(off.len() / 2).copied().unwrap_or(f64::NAN))
}

#[test]
fn the_interval_of_the_arrival_holds_the_delivery_of_simulated_parcels() {
    let (mut all, mut last) = (Vec::new(), Vec::new());
    for device in 0..6 {
        let (fixes, delivered) = parcel(device);
        let mut from_ms = i64::MIN;
        for at_ms in delivered {
            let way = fixes.iter().filter(|(ms, _)| (from_ms..=at_ms).contains(ms));
            let way: Vec<_> = way.filter_map(|(ms, seen)| Some((*ms, seen.latitude?, seen.longitude?))).collect();
            from_ms = at_ms;
            let told = told(&way, at_ms);
            let stops = told.iter().map(|it| it.stops).fold(0.0, f64::max);
            let (on_last, before): (Vec<_>, Vec<_>) = told.into_iter().partition(|it| it.stops == stops);
            all.extend(before);
            last.extend(on_last);
        }
    }
    let (said, share, off) = judged(all.iter().chain(&last));
    let (said_last, share_last, off_last) = judged(last.iter());
    println!("simulated parcels: {:.1} % of {said} intervals held the delivery", share * 100.0);
    println!("off by {:.1} % of the remaining time in the middle", off * 100.0);
    println!("after the last stop: {:.1} % of {said_last} held, off by {:.1} %", share_last * 100.0, off_last * 100.0);
    assert!(said > 1000 && share >= 0.85, "{share} of {said}");
    assert!(said_last > 100 && share_last >= 0.85 && off_last < off, "{share_last} of {said_last}, off by {off_last}");
}
