use super::super::super::earth::Position;
use super::super::super::real_data::text;
use super::super::super::value::Derived;
use super::super::tests::{METRES_PER_DEGREE, Noise, START_MS, gpx, number, travels};
use super::super::{Journey, JourneyEvent, JourneySettings};
use super::*;

fn bound_for(latitude: f64, longitude: f64) -> Journey {
    let mut journey = Journey::new(&JourneySettings::default());
    journey.bound_for(Some(Goal { place: Position::on_earth(latitude, longitude), within_m: 100.0 }));
    journey
}

fn arrival(journey: &Journey) -> Option<Derived> {
    number(journey, "journey.arrival")
}

/// How many arrivals were told on the way to the last of these fixes, and how many of their intervals held what came.
fn coverage(fixes: &[(i64, f64, f64)]) -> (u32, u32) {
    let (_, latitude, longitude) = *fixes.last().unwrap();
    let mut journey = bound_for(latitude, longitude);
    let mut said = Vec::new();
    for (at_ms, latitude, longitude) in fixes {
        let events = journey.fix(Some(*at_ms), *latitude, *longitude);
        if events.iter().any(|event| matches!(event, JourneyEvent::Arrived { .. })) {
            let held = |(low, high): &&(f64, f64)| (*low..=*high).contains(&(*at_ms as f64));
            return (said.iter().filter(held).count() as u32, said.len() as u32);
        }
        said.extend(arrival(&journey).map(|arrival| (arrival.low.unwrap(), arrival.high.unwrap())));
    }
    panic!("it never arrived")
}

#[test]
fn the_interval_of_the_arrival_holds_nine_of_ten_arrivals_of_made_journeys() {
    let (mut held, mut said) = (0, 0);
    for seed in 0..200 {
        let mut noise = Noise(seed * 7919 + 1);
        let (mut north, mut east, mut second, mut fixes) = (0.0, 0.0, 0i64, Vec::new());
        let goal_m = 3000.0 + 20_000.0 * noise.next().abs();
        let (mut pace, mut side) = (12.0, 0.0);
        while north < goal_m {
            if noise.next() > 0.985 {
                second += (60.0 + 400.0 * noise.next().abs()) as i64;
            }
            if noise.next() > 0.97 {
                pace = 4.0 + 20.0 * noise.next().abs();
                side = 0.9 * noise.next() - 0.5 * east / goal_m;
            }
            north += 10.0 * pace;
            east += 10.0 * pace * side;
            second += 10;
            fixes.push((START_MS + second * 1000, 48.0 + north / METRES_PER_DEGREE, 11.0 + east / METRES_PER_DEGREE));
        }
        let (inside, all) = coverage(&fixes);
        (held, said) = (held + inside, said + all);
    }
    let share = f64::from(held) / f64::from(said);
    println!("made journeys: {:.1} % of {said} intervals held the arrival", share * 100.0);
    assert!((0.85..=0.98).contains(&share), "{share}");
}

#[test]
fn the_interval_of_the_arrival_holds_nearly_nine_of_ten_arrivals_on_recorded_tracks() {
    let (mut held, mut said) = (0, 0);
    for name in ["around-visnjan-with-car", "cerknicko-jezero"] {
        let Some(xml) = text("parcel_gps", &format!("{name}.gpx")) else { return };
        let timed = gpx(&xml).into_iter();
        let mut fixes: Vec<_> =
            timed.filter_map(|point| Some((point.at_ms?, point.latitude, point.longitude))).collect();
        fixes.sort_by_key(|fix| fix.0);
        // Journeys to thirty places of the track; the fold never sees what comes after the fix.
        let (mut inside, mut all) = (0, 0);
        for cut in (fixes.len() / 3..=fixes.len()).step_by((fixes.len() / 30).max(1)) {
            let (more, of) = coverage(&fixes[..cut]);
            (inside, all) = (inside + more, all + of);
        }
        let share = 100.0 * f64::from(inside) / f64::from(all);
        println!("{name}: {inside} of {all} intervals held the arrival, {share:.1} %");
        (held, said) = (held + inside, said + all);
    }
    let share = f64::from(held) / f64::from(said);
    println!("recorded tracks: {:.1} % of {said}", share * 100.0);
    assert!(said > 1000 && (0.85..=0.97).contains(&share), "{share} of {said}");
}

#[test]
fn an_arrival_is_absent_until_there_is_pace_and_told_once() {
    let mut journey = bound_for(48.1, 11.0);
    let mut arrivals = 0;
    for n in 0..1200 {
        let events = travels(&mut journey, f64::from(n), f64::from(n) * 10.0, 0.0);
        arrivals += events.iter().filter(|event| matches!(event, JourneyEvent::Arrived { .. })).count();
        let told = arrival(&journey);
        assert_eq!(told.is_some(), (60..=1101).contains(&n), "at {n} s");
        if let Some(Value::Number(at_ms)) = told.filter(|_| n >= 600).map(|told| told.value) {
            let off_s = (at_ms - START_MS as f64) / 1000.0 - 1101.95;
            assert!(off_s.abs() < 60.0, "{off_s} s off at {n} s");
        }
    }
    assert_eq!(arrivals, 1);
}

#[test]
fn another_destination_forgets_the_way_to_the_one_before_and_the_same_one_does_not() {
    let mut journey = bound_for(48.1, 11.0);
    for n in 0..100 {
        travels(&mut journey, f64::from(n), f64::from(n) * 10.0, 0.0);
    }
    let (before, goal) = (journey.clone(), Goal { place: Position::on_earth(48.1, 11.0), within_m: 100.0 });
    journey.bound_for(Some(goal));
    assert_eq!(journey, before);
    journey.bound_for(Some(Goal { within_m: 99.0, ..goal }));
    assert_eq!(arrival(&journey), None);
    journey.bound_for(None);
    assert!(number(&journey, "journey.remaining").is_none() && journey.heap_bytes() == 0);
}
