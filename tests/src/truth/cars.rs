//! Cars: trips and whose they were, how they were driven, how long they idled.

use std::collections::BTreeMap;

use firmware_sim::{Step, Stepped};
use halo_gateway::record::{Assignment, FoldConfig, SubjectKind};
use serde_json::Value;

use super::score::{About, Table, Tally};
use super::spans::{Grown, Span, Wanted, matched, near};
use super::world::{Look, World, truths, whole_life};
use crate::Failure;

/// Whoever drives has the car from a minute before until a minute after; cars are parked for two minutes at least.
const HANDED_OVER_MS: i64 = 60_000;
/// The fuel of a trip: its rate is read every 10 s, and changes by the second.
const FUEL: f64 = 0.25;
/// Start and end of a trip are told to two seconds, its way to 1 %, and when it stood to 3 s or 5 %.
const TRIP_MS: i64 = 2_000;
const WAY: f64 = 0.01;
const IDLE_S: f64 = 3.0;
const IDLE: f64 = 0.05;
/// Manoeuvres closer than this are one, as the gateway has them by default.
const MERGED_MS: i64 = 2_000;
/// Speeds are whole km/h: the change between two of them is off by up to one of these, m/s.
const ROUNDING_MPS: f64 = 1.0 / 3.6;
/// The default thresholds, m/s².
pub(super) const BRAKING: f64 = 3.129;
pub(super) const ACCELERATION: f64 = 1.961;

/// A trip as its driver's halo tells it.
#[derive(Default)]
struct Trip {
    to_ms: i64,
    distance_m: f64,
    idle_s: f64,
    fuel_l: f64,
    ended: bool,
    braking: Grown,
    acceleration: Grown,
    cornering: u64,
}

/// The trips found, by whose halo they are in and when they began.
type Trips = BTreeMap<(String, i64), Trip>;

pub(super) fn judge(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let trips = play(&id, &steps, String::new())?;
    judge_trips(table, &steps, &trips);
    let events = ["harsh brake, mean of 2 s", "harsh acceleration, mean of 2 s"];
    judge_manoeuvres(table, &steps, &trips, 2.0, events);
    // These dongles measure each second, which a fleet may say.
    let each_second = play(&id, &steps, r#"{"drive":{"span_ms":1000}}"#.to_owned())?;
    let events = ["harsh brake, span_ms = 1000", "harsh acceleration, span_ms = 1000"];
    judge_manoeuvres(table, &steps, &each_second, 1.0, events);
    let turns = trips.values().map(|trip| trip.cornering).sum::<u64>() as f64;
    let none = "these cars turn gently: none is true";
    table.add(about("harsh turn", none), Tally { found: turns, ..Tally::default() });
    Ok(())
}

/// The trips that ended, as they are told under a configuration of derivations; what is under way at the end has no truth.
fn play(id: &str, steps: &[Step], derivations: String) -> Result<Trips, Failure> {
    let mut world = World::new(FoldConfig { derivations, ..drivers(id, steps) }, false);
    let (mut trips, mut newest_ms) = (Trips::new(), 0);
    for step in steps {
        world.take(id, step, |look, _| {
            see(&mut trips, look, newest_ms);
            newest_ms = look.newest_ms;
        })?;
    }
    trips.retain(|_, trip| trip.ended);
    Ok(trips)
}

fn judge_manoeuvres(table: &mut Table, steps: &[Step], trips: &Trips, span_s: f64, events: [&'static str; 2]) {
    let last_ms = truths(steps, "trip").map(|trip| Span::of(trip).to_ms).max().unwrap_or(0);
    let [braking, acceleration] = events;
    for (is_braking, threshold, event) in [(true, BRAKING, braking), (false, ACCELERATION, acceleration)] {
        let wanted = manoeuvres(steps, is_braking, threshold, span_s, last_ms);
        let of = |trip: &Trip| if is_braking { trip.braking.spans.clone() } else { trip.acceleration.spans.clone() };
        let found: Vec<Span> = trips.values().flat_map(of).collect();
        let fits = |truth: Span, found: Span| truth.wider(1_000, 1_000).touches(found);
        let note = "speeds are whole km/h: within the rounding of the threshold";
        table.add(about(event, note), matched(&wanted, &found, fits));
    }
}

fn about(event: &'static str, note: &'static str) -> About {
    About { scenario: "commute", kind: "car", event, unit: "", note }
}

/// Everybody has the car while they drive it.
fn drivers(id: &str, steps: &[Step]) -> FoldConfig {
    let drives = |trip: &Value| {
        let (span, driver) = (Span::of(trip), trip["driver"].as_str().unwrap_or_default());
        Assignment {
            device: id.to_owned(),
            subject: driver.to_owned(),
            kind: SubjectKind::Person,
            from_ms: Some(span.from_ms - HANDED_OVER_MS),
            until_ms: Some(span.to_ms + HANDED_OVER_MS),
        }
    };
    FoldConfig { assignments: truths(steps, "trip").map(drives).collect(), ..FoldConfig::default() }
}

fn see(trips: &mut Trips, look: &Look<'_>, before_ms: i64) {
    let (Some(state), Some(from)) = (look.text("trip.state"), look.number("trip.from")) else { return };
    let key = (look.subject.name().to_string(), from as i64);
    let trip = trips.entry(key).or_insert_with(|| {
        let mut trip = Trip::default();
        trip.braking.begin_anew(before_ms);
        trip.acceleration.begin_anew(before_ms);
        trip
    });
    if trip.ended {
        return;
    }
    trip.to_ms = look.number("trip.to").unwrap_or_default() as i64;
    trip.distance_m = look.number("trip.distance").unwrap_or_default();
    trip.idle_s = look.number("trip.idle").unwrap_or_default();
    trip.fuel_l = look.number("trip.fuel").unwrap_or_default();
    trip.braking.look(look.newest_ms, look.count("trip.braking").unwrap_or_default());
    trip.acceleration.look(look.newest_ms, look.count("trip.acceleration").unwrap_or_default());
    trip.cornering = look.count("trip.cornering").unwrap_or_default();
    trip.ended = state == "ended";
}

fn judge_trips(table: &mut Table, steps: &[Step], trips: &Trips) {
    let mut tally = Tally { found: trips.len() as f64, ..Tally::default() };
    for truth in truths(steps, "trip") {
        tally.truths += 1.0;
        let (span, driver) = (Span::of(truth), truth["driver"].as_str().unwrap_or_default());
        let number = |name: &str| truth[name].as_f64().unwrap_or_default();
        let found = trips.iter().find(|((subject, from_ms), trip)| {
            subject == driver && near(*from_ms, span.from_ms, TRIP_MS) && near(trip.to_ms, span.to_ms, TRIP_MS)
        });
        let Some((_, trip)) = found else { continue };
        tally.recalled += 1.0;
        tally.right += 1.0;
        let share = |found: f64, name: &str| (found / number(name) - 1.0).abs();
        table.add(about("way of a trip, 1 %", ""), Tally::of_one(share(trip.distance_m, "distance_m") <= WAY));
        let burnt = about("fuel of a trip, 25 %", "the rate is read every 10 s");
        table.add(burnt, Tally::of_one(share(trip.fuel_l, "fuel_l") <= FUEL));
        let idle_off_s = (trip.idle_s - number("idle_s")).abs();
        let idles = idle_off_s <= IDLE_S.max(IDLE * number("idle_s"));
        table.add(about("idling of a trip, 3 s or 5 %", ""), Tally::of_one(idles));
        let seconds = About { unit: "s", ..about("idling", "") };
        table.add(seconds, Tally::of_amounts(number("idle_s"), trip.idle_s));
    }
    table.add(about("trip: driver, start and end to 2 s", ""), tally);
}

/// Runs of seconds in which the speed changed by as much as the threshold, by the definition of the gateway. Wanted are
/// those that are beyond it by more than the rounding of the speeds; those within the rounding may be found.
pub(super) fn manoeuvres(steps: &[Step], is_braking: bool, threshold: f64, span_s: f64, last_ms: i64) -> Vec<Wanted> {
    let margin = ROUNDING_MPS / span_s;
    let mut runs: Vec<(Span, f64)> = Vec::new();
    for (at_ms, harsh) in changes(steps, is_braking, span_s) {
        if harsh < threshold - margin || at_ms > last_ms {
            continue;
        }
        match runs.last_mut() {
            Some((run, peak)) if at_ms - run.to_ms < MERGED_MS + 500 => {
                (run.to_ms, *peak) = (at_ms, peak.max(harsh));
            }
            _ => runs.push((Span { from_ms: at_ms, to_ms: at_ms }, harsh)),
        }
    }
    let wanted = |(span, peak): (Span, f64)| Wanted {
        span: Span { to_ms: span.to_ms + 1, ..span },
        shown: peak >= threshold + margin,
    };
    runs.into_iter().map(wanted).collect()
}

/// Of how many such runs a mean of two seconds can make a trip at most: a second within the rounding is one of them or not,
/// and by that one run or two; those exactly as far apart as is merged are two, or one by a millisecond of the clock.
pub(super) fn most_manoeuvres(steps: &[Step], is_braking: bool, threshold: f64, trip: Span) -> usize {
    let margin = ROUNDING_MPS / 2.0;
    let (mut runs, mut last_ms) = (0, i64::MIN);
    for (at_ms, harsh) in
        changes(steps, is_braking, 2.0).filter(|(at_ms, _)| (trip.from_ms..=trip.to_ms).contains(at_ms))
    {
        let apart = at_ms.saturating_sub(last_ms) > MERGED_MS - 500;
        // What only perhaps was harsh counts where it makes one more.
        if harsh >= threshold + margin || apart && harsh >= threshold - margin {
            last_ms = at_ms;
            runs += usize::from(apart);
        }
    }
    runs
}

/// What the speed changed by in each second, or on average in two, counted upwards: m/s².
fn changes(steps: &[Step], is_braking: bool, span_s: f64) -> impl Iterator<Item = (i64, f64)> {
    let sign = if is_braking { -1.0 } else { 1.0 };
    truths(steps, "speed_change").map(move |change| {
        let mps2 = |name: &str| sign * change[name].as_f64().unwrap_or_default();
        let harsh = if span_s > 1.0 { f64::midpoint(mps2("mps2"), mps2("before_mps2")) } else { mps2("mps2") };
        (change["at_ms"].as_i64().unwrap_or_default(), harsh)
    })
}
