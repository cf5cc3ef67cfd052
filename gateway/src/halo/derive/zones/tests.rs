use std::fmt::Write as _;

use proptest::prelude::*;

use super::super::earth::{METRES_PER_DEGREE, Position};
use super::*;

const START_MS: i64 = 1_700_000_000_000;

fn feature(name: &str, geometry: &str) -> String {
    format!(r#"{{"type":"Feature","properties":{{"name":"{name}","radius_m":100}},"geometry":{geometry}}}"#)
}

fn collection(features: &[String]) -> String {
    format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","))
}

fn polygon(coordinates: &str) -> String {
    format!(r#"{{"type":"Polygon","coordinates":{coordinates}}}"#)
}

fn point(longitude: f64, latitude: f64) -> String {
    format!(r#"{{"type":"Point","coordinates":[{longitude},{latitude}]}}"#)
}

fn square(west: f64, south: f64, side: f64) -> String {
    let (east, north) = (west + side, south + side);
    format!("[[{west},{south}],[{east},{south}],[{east},{north}],[{west},{north}],[{west},{south}]]")
}

fn zones(features: &[String]) -> Zones {
    let (zones, told) = Zones::read(&collection(features)).unwrap();
    assert_eq!(told, []);
    zones
}

fn names(zones: &Zones, longitude: f64, latitude: f64) -> Vec<&str> {
    let ids = zones.at(Position::new(latitude, longitude).unwrap());
    ids.into_iter().map(|id| &*zones.get(id).unwrap().name).collect()
}

/// A town with a park with a lake that is not the park, and a circle across the park's edge.
fn town() -> Zones {
    let park = format!("[{},{}]", square(11.02, 48.02, 0.02), square(11.025, 48.025, 0.01));
    zones(&[
        feature("town", &polygon(&format!("[{}]", square(11.0, 48.0, 0.1)))),
        feature("park", &polygon(&park)),
        feature("kiosk", &point(11.02, 48.03)),
    ])
}

#[test]
fn the_innermost_zone_comes_first_and_a_hole_is_outside() {
    let town = town();
    assert_eq!(names(&town, 11.022, 48.022), ["park", "town"]);
    assert_eq!(names(&town, 11.03, 48.03), ["town"], "in the lake");
    assert_eq!(names(&town, 11.0205, 48.03), ["kiosk", "park", "town"]);
    assert_eq!(names(&town, 11.2, 48.03), [""; 0]);
    assert_eq!(town.named("park").map(|(id, zone)| (id, &*zone.name)), Some((ZoneId(1), "park")));
    assert!(town.named("lake").is_none() && town.len() == 3 && !town.is_empty());
}

#[test]
fn every_mistake_is_told_with_its_feature_and_what_is_wrong() {
    let good = feature("good", &point(11.0, 48.0));
    let cases = [
        (feature("", &point(1.0, 2.0)), "properties.name is to be a text of 1 to 64 bytes"),
        (feature("good", &point(1.0, 2.0)), "name \"good\" is feature 1's too"),
        (r#"{"type":"Point","coordinates":[1,2]}"#.to_owned(), "type is not \"Feature\""),
        (
            feature("a", r#"{"type":"LineString","coordinates":[[1,2],[3,4]]}"#),
            "geometry is \"LineString\", a zone is a Polygon, a MultiPolygon, or a Point with properties.radius_m",
        ),
        (feature("a", "null"), "geometry is null, a zone is a Polygon"),
        (
            feature("a", &polygon("[[[1,2],[3,2],[3,4],[1,4]]]")),
            "ring 1 is not closed: it begins at [1.0, 2.0] and ends at [1.0, 4.0]",
        ),
        (feature("a", &polygon("[[[1,2],[3,2],[1,2]]]")), "ring 1 has 3 positions, a closed ring has at least 4"),
        (feature("a", &polygon(&format!("[{},[]]", square(1.0, 2.0, 1.0)))), "ring 2 has 0 positions"),
        (feature("a", &polygon("[]")), "geometry has no ring"),
        (feature("a", &polygon("[[[1,2],[2,2],[3,2],[1,2]]]")), "ring 1 encloses nothing"),
        (feature("a", &polygon("[[[1,1],[2,2],[3,3],[1,1]]]")), "ring 1 encloses nothing"),
        (
            feature("a", &polygon("[[[35.6,139.7],[35.7,139.7],[35.7,139.8],[35.6,139.7]]]")),
            "position [35.6, 139.7] has a latitude beyond 90: longitude comes first, are they swapped?",
        ),
        (feature("a", &point(181.0, 2.0)), "position [181.0, 2.0] is not on earth"),
        (
            feature("a", &polygon("[[[179,1],[-179,1],[-179,2],[179,2],[179,1]]]")),
            "the edge from [179.0, 1.0] to [-179.0, 1.0] crosses the antimeridian: cut the zone in two there",
        ),
        (feature("a", &polygon("[[[1,2],[3]]]")), "coordinates do not fit a Polygon: a position has 2 or 3 numbers"),
        (feature("a", &polygon("[[[1,2],[\"x\",2]]]")), "coordinates do not fit a Polygon: invalid type"),
        (feature("a", &point(1.0, 2.0)).replace(":100", ":-5"), "a Point needs properties.radius_m above 0"),
        (feature("a", &point(1.0, 2.0)).replace(":100", ":\"5\""), "got \"5\""),
    ];
    for (bad, wanted) in cases {
        let error = Zones::read(&collection(&[good.clone(), bad])).unwrap_err().to_string();
        assert!(error.starts_with("feature 2: ") && error.contains(wanted), "{error}\n  wanted {wanted}");
    }
    for text in ["", "[]", r#"{"type":"Feature","features":[]}"#, r#"{"type":"FeatureCollection"}"#] {
        let error = Zones::read(text).unwrap_err().to_string();
        assert!(error.starts_with("not a GeoJSON feature collection: "), "{error}");
    }
}

#[test]
fn too_many_zones_and_too_many_corners_are_refused() {
    let circles =
        |n: usize| (0..n).map(|n| feature(&format!("z{n}"), &point(n as f64 * 1e-3, 1.0))).collect::<Vec<_>>();
    assert_eq!(zones(&circles(ZONES_MAX)).len(), ZONES_MAX);
    let error = Zones::read(&collection(&circles(ZONES_MAX + 1))).unwrap_err();
    assert_eq!(error.to_string(), "10001 features, at most 10000 are allowed");
    let ring = |n: usize| {
        let corner = |k: usize| (k as f64 / n as f64 * std::f64::consts::TAU).sin_cos();
        let mut text: String = (0..n).fold("[[".to_owned(), |mut text, k| {
            let (x, y) = corner(k);
            write!(text, "[{x},{y}],").unwrap();
            text
        });
        let (x, y) = corner(0);
        write!(text, "[{x},{y}]]]").unwrap();
        polygon(&text)
    };
    assert_eq!(zones(&[feature("round", &ring(VERTICES_MAX - 1))]).len(), 1);
    let error = Zones::read(&collection(&[feature("a", &point(1.0, 1.0)), feature("round", &ring(VERTICES_MAX - 1))]));
    assert_eq!(error.unwrap_err().to_string(), "feature 2: more than 10000 positions in all features up to here");
}

#[test]
fn a_ring_that_crosses_itself_is_accepted_and_told() {
    let bow = feature("bow", &polygon("[[[0,0],[2,2],[2,0],[0,2],[0,0]]]"));
    let (zones, told) = Zones::read(&collection(&[feature("a", &point(9.0, 9.0)), bow])).unwrap();
    assert_eq!(told, [Told { feature: 2, name: "bow".to_owned(), ring: 1, near: [0.0, 0.0] }]);
    assert_eq!((names(&zones, 0.5, 1.0), names(&zones, 1.0, 0.5)), (vec!["bow"], vec![]));
}

#[test]
fn circles_and_cut_zones_reach_across_the_antimeridian() {
    let halves = r#"{"type":"MultiPolygon","coordinates":[
        [[[179,1],[180,1],[180,2],[179,2],[179,1]]],[[[-180,1],[-179,1],[-179,2],[-180,2],[-180,1]]]]}"#;
    let circle = feature("circle", &point(179.9995, -10.0)).replace(":100", ":200");
    let zones = zones(&[feature("halves", halves), circle]);
    assert_eq!((names(&zones, 179.5, 1.5), names(&zones, -179.5, 1.5)), (vec!["halves"], vec!["halves"]));
    assert_eq!((names(&zones, 0.5, 1.5), names(&zones, -179.9995, -10.0)), (vec![], vec!["circle"]));
    assert_eq!((names(&zones, 179.998, -10.0), names(&zones, -179.998, -10.0)), (vec!["circle"], vec![]));
    let (_, halves) = zones.named("halves").unwrap();
    let off_m =
        halves.distance_m(Position::new(1.5, -178.9).unwrap()) - 0.1 * METRES_PER_DEGREE * 1.5f64.to_radians().cos();
    assert!(off_m.abs() < 50.0, "{off_m}");
}

#[test]
fn the_tree_finds_what_asking_every_zone_finds() {
    let mut seed = 7u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1u64 << 53) as f64
    };
    let features: Vec<_> = (0..1500)
        .map(|n| {
            let (x, y) = (10.0 + next(), 47.0 + next());
            let square = polygon(&format!("[{}]", square(x, y, 0.001 + 0.1 * next().powi(4))));
            let radius = format!("{:.0}", 50.0 + 5000.0 * next().powi(4));
            if n % 3 == 0 {
                feature(&format!("s{n}"), &square)
            } else {
                feature(&format!("c{n}"), &point(x, y)).replace(":100", &format!(":{radius}"))
            }
        })
        .collect();
    let zones = zones(&features);
    let mut hits = 0;
    for _ in 0..2000 {
        let place = Position::new(47.0 + next(), 10.0 + next()).unwrap();
        let mut found = zones.at(place);
        found.sort();
        let all = (0..1500).map(ZoneId).filter(|id| zones.get(*id).unwrap().shape.contains(place));
        assert_eq!(found, all.collect::<Vec<_>>(), "{place:?}");
        hits += found.len();
    }
    assert!(hits > 1000, "{hits}");
}

/// Walks eastwards on the line through the park's south; metres east of the park's western edge.
fn walk(places: &mut Places, zones: &Zones, at_s: i64, east_m: f64) -> Vec<ZoneEvent> {
    let narrow = 48.022_f64.to_radians().cos();
    places.fix(zones, START_MS + at_s * 1000, 48.022, 11.02 + east_m / METRES_PER_DEGREE / narrow)
}

fn entered(zone: &str, at_s: i64) -> ZoneEvent {
    ZoneEvent::Entered { zone: zone.into(), at_ms: START_MS + at_s * 1000 }
}

fn visit(zone: &str, from_s: i64, until_s: i64) -> Visit {
    Visit { zone: zone.into(), from_ms: START_MS + from_s * 1000, until_ms: START_MS + until_s * 1000 }
}

#[test]
fn a_zone_is_entered_after_a_while_inside_and_left_after_a_while_beyond_the_margin() {
    let (town, mut places) = (town(), Places::new(&ZoneSettings::default()));
    let mut events = Vec::new();
    for n in 0..60 {
        events.extend(walk(&mut places, &town, n * 10, -105.0 + 10.0 * n as f64));
    }
    assert_eq!(events, [entered("town", 0), entered("park", 110)]);
    assert_eq!(places.place(), Some(Place { zone: "park", since_ms: START_MS + 110_000 }));
    assert_eq!(places.inside().map(|visit| &*visit.zone).collect::<Vec<_>>(), ["town", "park"]);
    events.clear();
    // Out by 20 m, which is no more than the margin, then for good.
    for n in 60..200 {
        events.extend(walk(
            &mut places,
            &town,
            n * 10,
            if n == 100 {
                5.0
            } else if n < 150 {
                -20.0
            } else {
                -50.0
            },
        ));
    }
    assert_eq!(events, [ZoneEvent::Left(visit("park", 110, 1000))]);
    assert_eq!(places.visits().collect::<Vec<_>>(), [&visit("park", 110, 1000)]);
    assert_eq!(places.place().map(|place| place.zone), Some("town"));
}

#[test]
fn wandering_on_the_edge_enters_and_leaves_once_at_most() {
    let (town, mut places) = (town(), Places::new(&ZoneSettings::default()));
    let mut events = Vec::new();
    for n in 0..1000 {
        let east_m = [3.0, -4.0, 8.0, 1.0, -9.0, 2.0, 5.0, 7.0, 6.0, 4.0, -20.0][(n % 11) as usize];
        events.extend(walk(&mut places, &town, n * 5, east_m));
    }
    assert_eq!(events.len(), 2, "town and park, once each: {events:?}");
}

#[test]
fn passing_through_too_fast_is_no_visit() {
    let (town, mut places) = (town(), Places::new(&ZoneSettings { enter_after_ms: 60_000, ..ZoneSettings::default() }));
    let events: Vec<_> = (0..10).flat_map(|n| walk(&mut places, &town, n * 5, -25.0 + 10.0 * n as f64)).collect();
    assert_eq!((events, places.place()), (vec![], None));
}

#[test]
fn a_zone_that_is_configured_away_is_left() {
    let (town, mut places) = (town(), Places::new(&ZoneSettings::default()));
    for n in 0..10 {
        walk(&mut places, &town, n * 10, 100.0);
    }
    assert_eq!(places.place().map(|place| place.zone), Some("park"));
    let rest = zones(&[feature("town", &polygon(&format!("[{}]", square(11.0, 48.0, 0.1))))]);
    assert_eq!(walk(&mut places, &rest, 100, 100.0), [ZoneEvent::Left(visit("park", 0, 90))]);
    assert_eq!(places.place().map(|place| place.zone), Some("town"));
}

#[test]
fn late_fixes_are_counted_and_a_clock_set_back_leaves_everything() {
    let (town, mut places) = (town(), Places::new(&ZoneSettings::default()));
    walk(&mut places, &town, 10_000, 100.0);
    walk(&mut places, &town, 10_060, 100.0);
    assert_eq!((walk(&mut places, &town, 10_030, -9000.0), places.late()), (vec![], 1));
    let left: Vec<_> = walk(&mut places, &town, 0, 100.0);
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(places.place(), None);
}

fn bytes(places: &Places) -> Vec<u8> {
    postcard::to_stdvec(places).unwrap()
}

#[test]
fn the_fullest_state_is_within_its_bound() {
    let circles: Vec<_> = (0..40).map(|n| feature(&format!("{n:064}"), &point(11.0, 48.0))).collect();
    let zones = zones(&circles);
    let settings = ZoneSettings { enter_after_ms: 0, leave_after_ms: 0, margin_m: 0.0 };
    let (mut places, mut fullest) = (Places::new(&settings), 0);
    for n in 0..10 {
        places.fix(&zones, START_MS + n * 1000, 48.0 + (n % 2) as f64, 11.0);
        fullest = fullest.max(bytes(&places).len());
    }
    println!("{fullest} bytes");
    assert_eq!((places.visits().len(), places.inside().count()), (VISITS_MAX, 0));
    assert!((2000..=STATE_BYTES_MAX).contains(&fullest), "{fullest}");
}

proptest! {
    #[test]
    fn any_fixes_at_any_time_leave_a_bounded_state_that_reads_back_equal(
        mut rows in prop::collection::vec(
            (prop_oneof![6 => (0i64..900_000).prop_map(|ms| START_MS + ms), 1 => any::<i64>()],
             prop_oneof![6 => 48.0..48.01f64, 1 => any::<f64>(), 1 => Just(f64::NAN)],
             prop_oneof![6 => 11.0..11.01f64, 1 => any::<f64>()]), 1..200),
        sorted in any::<bool>(), cut in 0usize..200,
    ) {
        if sorted {
            rows.sort_by_key(|row| row.0);
        }
        // Forty circles one in the other, with the longest names.
        let circles: Vec<_> = (0..40)
            .map(|n| feature(&format!("{n:064}"), &point(11.0, 48.0)).replace(":100", &format!(":{}", 200 + n * 50)))
            .collect();
        let zones = zones(&circles);
        let settings = ZoneSettings { enter_after_ms: 1000, leave_after_ms: 1000, margin_m: 5.0 };
        let (mut places, mut other) = (Places::new(&settings), Places::new(&settings));
        for (n, (at_ms, latitude, longitude)) in rows.iter().enumerate() {
            if n == cut {
                other = postcard::from_bytes(&bytes(&other)).unwrap();
            }
            prop_assert_eq!(places.fix(&zones, *at_ms, *latitude, *longitude),
                other.fix(&zones, *at_ms, *latitude, *longitude));
            prop_assert!(bytes(&places).len() <= STATE_BYTES_MAX, "{} bytes", bytes(&places).len());
        }
        prop_assert_eq!(bytes(&places), bytes(&other));
    }

    #[test]
    fn any_text_is_refused_or_read(text in ".{0,200}") {
        drop(Zones::read(&text));
        drop(Zones::read(&collection(&[text])));
    }
}
