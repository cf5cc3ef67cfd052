use std::sync::Arc;

use proptest::prelude::*;

use super::super::earth::{METRES_PER_DEGREE, Position};
use super::whereabouts::STAYS_MAX;
use super::*;
use crate::record::{Area, Corner, Name, Zone};

const START_MS: i64 = 1_700_000_000_000;
const WAITS: Waits = Waits { enter_after_ms: 20_000, leave_after_ms: 60_000, margin_m: 25.0 };

fn corner(longitude: f64, latitude: f64) -> Corner {
    [longitude, latitude].map(|degrees| (degrees * 1e7).round() as i32)
}

fn square(west: f64, south: f64, side: f64) -> Vec<Corner> {
    let (east, north) = (west + side, south + side);
    [(west, south), (east, south), (east, north), (west, north), (west, south)].map(|(x, y)| corner(x, y)).to_vec()
}

fn zone(name: &str, area: Area) -> Zone {
    Zone { name: name.into(), kind: None, area, readers: Vec::new() }
}

fn circle(name: &str, longitude: f64, latitude: f64, radius_m: f64) -> Zone {
    zone(name, Area::Circle { centre: corner(longitude, latitude), radius_m })
}

fn polygons(name: &str, parts: Vec<Vec<Vec<Corner>>>) -> Zone {
    zone(name, Area::Polygons(parts))
}

fn made(zones: Vec<Zone>, waits: Waits) -> Zones {
    Zones::of(&Arc::from(zones), waits)
}

fn names(zones: &Zones, longitude: f64, latitude: f64) -> Vec<&str> {
    zones.at(Position::on_earth(latitude, longitude)).into_iter().map(|zone| &*zone.name).collect()
}

/// A town with a park with a lake that is not the park, and a kiosk across the park's edge.
fn town() -> Zones {
    let park = vec![square(11.02, 48.02, 0.02), square(11.025, 48.025, 0.01)];
    let kiosk = Zone { readers: vec![201], kind: Some("shop".into()), ..circle("kiosk", 11.02, 48.03, 100.0) };
    let town = polygons("town", vec![vec![square(11.0, 48.0, 0.1)]]);
    made(vec![town, polygons("park", vec![park]), kiosk], WAITS)
}

#[test]
fn the_innermost_zone_comes_first_and_a_hole_is_outside() {
    let town = town();
    assert_eq!(names(&town, 11.022, 48.022), ["park", "town"]);
    assert_eq!(names(&town, 11.03, 48.03), ["town"], "in the lake");
    assert_eq!(names(&town, 11.0205, 48.03), ["kiosk", "park", "town"]);
    assert_eq!(names(&town, 11.2, 48.03), [""; 0]);
    assert!(town.named("park").is_some() && town.named("lake").is_none());
}

#[test]
fn circles_and_cut_zones_reach_across_the_antimeridian_and_circles_hold_poles() {
    let halves = [square(179.0, 1.0, 1.0), square(-180.0, 1.0, 1.0)].map(|half| vec![half]).to_vec();
    let all = vec![
        polygons("halves", halves),
        circle("circle", 179.9995, -10.0, 200.0),
        circle("cap", 50.0, 89.9, 50_000.0),
        circle("null island", 0.0, 0.0, 10.0),
    ];
    let zones = made(all, WAITS);
    for (longitude, held) in [(179.5, true), (180.0, true), (-180.0, true), (-179.5, true), (0.5, false)] {
        assert_eq!(names(&zones, longitude, 1.5) == ["halves"], held, "{longitude}");
    }
    assert_eq!((names(&zones, -179.9995, -10.0), names(&zones, 179.998, -10.0)), (vec!["circle"], vec!["circle"]));
    assert_eq!(names(&zones, -179.998, -10.0), [""; 0]);
    assert_eq!((names(&zones, -130.0, 89.9), names(&zones, 50.0, 90.0)), (vec!["cap"], vec!["cap"]));
    assert_eq!(names(&zones, 0.00001, 0.0), ["null island"]);
    let halves = zones.named("halves").unwrap();
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
    let all: Vec<Zone> = (0..1500)
        .map(|n| {
            let (x, y, size) = (10.0 + next(), 47.0 + next(), next().powi(4));
            match n % 3 {
                0 => polygons(&n.to_string(), vec![vec![square(x, y, 0.001 + 0.1 * size)]]),
                _ => circle(&n.to_string(), x, y, 50.0 + 5000.0 * size),
            }
        })
        .collect();
    let zones = made(all.clone(), WAITS);
    let alone: Vec<Zones> = all.into_iter().map(|zone| made(vec![zone], WAITS)).collect();
    let mut hits = 0;
    for _ in 0..300 {
        let (longitude, latitude) = (10.0 + next(), 47.0 + next());
        let mut found = names(&zones, longitude, latitude);
        let mut wanted: Vec<&str> = alone.iter().flat_map(|one| names(one, longitude, latitude)).collect();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{longitude} {latitude}");
        hits += found.len();
    }
    assert!(hits > 100, "{hits}");
}

fn band() -> Name {
    "band".into()
}

/// Walks eastwards on the line through the park's south; metres east of the park's western edge.
fn walk(there: &mut Whereabouts, zones: &Zones, at_s: i64, east_m: f64) -> Vec<Crossing> {
    let narrow = 48.022_f64.to_radians().cos();
    there.fix(zones, &band(), START_MS + at_s * 1000, 48.022, 11.02 + east_m / METRES_PER_DEGREE / narrow)
}

fn entered(zone: &str, at_s: i64) -> Crossing {
    Crossing::Entered { zone: zone.into(), at_ms: START_MS + at_s * 1000 }
}

fn left(zone: &str, at_s: i64) -> Crossing {
    Crossing::Left { zone: zone.into(), at_ms: START_MS + at_s * 1000 }
}

fn inside(there: &Whereabouts) -> Vec<&str> {
    there.inside().into_iter().map(|stay| &*stay.zone).collect()
}

#[test]
fn a_zone_is_entered_after_a_while_inside_and_left_after_a_while_beyond_the_margin() {
    let (town, mut there) = (town(), Whereabouts::default());
    let mut crossed = Vec::new();
    for n in 0..60 {
        crossed.extend(walk(&mut there, &town, n * 10, -105.0 + 10.0 * n as f64));
    }
    assert_eq!(crossed, [entered("town", 0), entered("park", 110)]);
    assert_eq!(inside(&there), ["park", "town"]);
    crossed.clear();
    // Out by 20 m, which is no more than the margin, then for good.
    for n in 60..200 {
        let east_m = match n {
            100 => 5.0,
            _ if n < 150 => -20.0,
            _ => -50.0,
        };
        crossed.extend(walk(&mut there, &town, n * 10, east_m));
    }
    assert_eq!(crossed, [left("park", 1000)]);
    assert_eq!(inside(&there), ["town"]);
}

#[test]
fn wandering_on_the_edge_enters_and_leaves_once_at_most() {
    let (town, mut there) = (town(), Whereabouts::default());
    let mut crossed = Vec::new();
    for n in 0..1000 {
        let east_m = [3.0, -4.0, 8.0, 1.0, -9.0, 2.0, 5.0, 7.0, 6.0, 4.0, -20.0][(n % 11) as usize];
        crossed.extend(walk(&mut there, &town, n * 5, east_m));
    }
    assert_eq!(crossed.len(), 2, "town and park, once each: {crossed:?}");
}

#[test]
fn passing_through_too_fast_is_no_visit_and_without_waits_one_fix_is() {
    let (town, mut there) = (town(), Whereabouts::default());
    let crossed: Vec<_> = (0..3).flat_map(|n| walk(&mut there, &town, n * 5, -25.0 + 30.0 * n as f64)).collect();
    assert_eq!((crossed, inside(&there)), (vec![], vec![]));
    let park = made(vec![polygons("park", vec![vec![square(11.02, 48.02, 0.02)]])], Waits::default());
    let mut there = Whereabouts::default();
    assert_eq!(walk(&mut there, &park, 0, 1.0), [entered("park", 0)]);
    assert_eq!(walk(&mut there, &park, 1, -1.0), [left("park", 0)]);
}

#[test]
fn a_zone_that_is_configured_away_is_left_with_the_next_fix() {
    let (town, mut there) = (town(), Whereabouts::default());
    for n in 0..10 {
        walk(&mut there, &town, n * 10, 200.0);
    }
    assert_eq!(inside(&there), ["park", "town"]);
    let rest = made(vec![polygons("town", vec![vec![square(11.0, 48.0, 0.1)]])], WAITS);
    assert_eq!(walk(&mut there, &rest, 100, 200.0), [left("park", 90)]);
    assert_eq!(inside(&there), ["town"]);
}

#[test]
fn a_late_fix_changes_nothing_and_only_a_gateway_whose_clock_was_set_back_forgets() {
    let (town, mut there) = (town(), Whereabouts::default());
    walk(&mut there, &town, 10_000, 200.0);
    walk(&mut there, &town, 10_060, 200.0);
    let before = there.clone();
    for late_s in [10_059, 9_000, 0] {
        assert_eq!(walk(&mut there, &town, late_s, -9000.0), [], "{late_s}");
        there.arrived(START_MS + 10_060_000);
    }
    assert_eq!(there, before);
    there.arrived(START_MS);
    assert_eq!(there, Whereabouts::default());
}

#[test]
fn of_two_devices_one_speaks_until_it_has_been_silent_for_five_minutes() {
    let (town, mut there) = (town(), Whereabouts::default());
    walk(&mut there, &town, 0, 200.0);
    walk(&mut there, &town, 30, 200.0);
    let car: Name = "car".into();
    let mut drive = |at_s: i64| there.fix(&town, &car, START_MS + at_s * 1000, 52.0, 13.0);
    assert_eq!((1..=30).flat_map(|n| drive(30 + n * 10)).collect::<Vec<_>>(), []);
    assert_eq!(drive(340), [], "it is out, and may come back");
    assert_eq!(drive(400), [left("park", 30), left("town", 30)]);
    assert_eq!(there.spot().map(|spot| &*spot.device), Some("car"));
}

#[test]
fn a_tap_at_a_reader_on_the_map_is_believed_at_once_and_one_at_another_is_a_place_without_a_position() {
    let (town, mut there) = (town(), Whereabouts::default());
    assert_eq!(there.tap(&town, &band(), START_MS, 999), []);
    assert_eq!(there.spot().map(|spot| (spot.position, spot.reader)), Some((None, Some(999))));
    let crossed = there.tap(&town, &band(), START_MS + 1000, 201);
    assert_eq!(crossed.len(), 3, "{crossed:?}");
    assert_eq!((crossed[0].clone(), inside(&there)), (entered("kiosk", 1), vec!["kiosk", "park", "town"]));
    assert_eq!(there.inside()[0].kind.as_deref(), Some("shop"));
    let spot = there.spot().unwrap();
    assert_eq!((spot.position, spot.reader), (Position::new(48.03, 11.02), Some(201)));
    assert_eq!(there.tap(&town, &band(), START_MS, 999), [], "late");
}

proptest! {
    #[test]
    fn any_fixes_at_any_time_leave_a_bounded_state_that_reads_back_equal(
        mut rows in prop::collection::vec(
            (prop_oneof![6 => (0i64..900_000).prop_map(|ms| START_MS + ms), 1 => any::<i64>()],
             prop_oneof![6 => 48.0..48.01f64, 1 => any::<f64>(), 1 => Just(f64::NAN)],
             prop_oneof![6 => 11.0..11.01f64, 1 => any::<f64>()], any::<bool>()), 1..200),
        sorted in any::<bool>(), cut in 0usize..200,
    ) {
        if sorted {
            rows.sort_by_key(|row| row.0);
        }
        // Forty circles one in the other.
        let circles = (0..40).map(|n| circle(&format!("{n:064}"), 11.0, 48.0, 200.0 + f64::from(n) * 50.0)).collect();
        let zones = made(circles, Waits { enter_after_ms: 1000, leave_after_ms: 1000, margin_m: 5.0 });
        let names: [Name; 2] = ["a".into(), "b".into()];
        let (mut there, mut other) = (Whereabouts::default(), Whereabouts::default());
        for (n, (at_ms, latitude, longitude, second)) in rows.iter().enumerate() {
            if n == cut {
                other = postcard::from_bytes(&postcard::to_stdvec(&other).unwrap()).unwrap();
            }
            let device = &names[usize::from(*second)];
            prop_assert_eq!(there.fix(&zones, device, *at_ms, *latitude, *longitude),
                other.fix(&zones, device, *at_ms, *latitude, *longitude));
            prop_assert!(there.is_sound() && there.inside().len() <= STAYS_MAX);
        }
        prop_assert_eq!(there, other);
    }
}
