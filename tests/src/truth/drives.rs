//! Sparks of cars: harsh braking, trips by their score, and rides that might be shared.

use std::collections::{BTreeMap, BTreeSet};

use firmware_sim::{Step, Stepped};
use halo_gateway::record::{Assignment, SubjectKind};
use serde_json::Value;

use super::START_MS;
use super::cars::{ACCELERATION, BRAKING, manoeuvres, most_manoeuvres};
use super::score::{About, Table};
use super::spans::{Span, Wanted, matched, near};
use super::sparks::together;
use super::told::{Raise, Scene};
use super::world::{truths, whole_life};
use crate::Failure;
use crate::random::Random;

/// Manoeuvres closer than this are one spark: it stands while one was seen within the last 20 s.
const BRAKED_MS: i64 = 25_000;
/// A trip's end is told by the frame that has it, five seconds long; or when a dead zone is over, and then of its time.
const ENDED_MS: i64 = 12_000;
/// The score, as docs/configuration.md defines it: points a manoeuvre in 100 km and most of them, by kind.
const POINTS: [(f64, f64); 2] = [(1.0, 40.0), (0.25, 20.0)];
const LEAST_M: f64 = 1_000.0;
const FLOOR_KM: f64 = 5.0;
const IDLING: (f64, f64, f64) = (50.0, 0.25, 20.0);
/// Ways are told to 1 % and idling to 3 s: points by which a score is off.
const SCORE_KNOWN: f64 = 0.5;
const WELL: f64 = 80.0;
const BADLY: f64 = 60.0;
/// What is set is told at once.
const SET_MS: i64 = 1_000;
/// From then on everybody has been heard of from where they are.
const BEGIN_MS: i64 = START_MS + 180_000;
const PEOPLE: [&str; 3] = ["emil", "frida", "greta"];
/// Who has the shared car in turn, and for how long.
const DRIVERS: [&str; 3] = ["anna", "ben", "cleo"];
const TURN_MS: i64 = 8 * 3_600_000;
/// So long after the end of a kept day, and after its last hand-over, the network is back.
const KEPT_MS: i64 = 60_000;
/// By how much ways are known.
const WAY: f64 = 0.01;

fn about(event: &'static str, note: &'static str) -> About {
    About { scenario: "commute", kind: "car", event, unit: "", note }
}

pub(super) fn cars(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let mut scene = Scene::new(&["driving"], &[], &[])?;
    steps.iter().try_for_each(|step| scene.play(&id, step))?;
    let mut wanted: Vec<Wanted> = Vec::new();
    for run in manoeuvres(&steps, true, BRAKING, 2.0, i64::MAX) {
        match wanted.last_mut() {
            Some(last) if run.span.from_ms - last.span.to_ms < BRAKED_MS => {
                *last = Wanted { span: Span { to_ms: run.span.to_ms, ..last.span }, shown: last.shown || run.shown };
            }
            _ => wanted.push(run),
        }
    }
    let soon = |truth: Span, found: Span| truth.wider(1_000, BRAKED_MS).touches(found);
    let note = "speeds are whole km/h: within the rounding of the threshold";
    table.add(about("spark: harsh braking", note), matched(&wanted, &scene.instants("harsh-braking"), soon));

    let scores: Vec<(i64, f64, f64)> = truths(&steps, "trip").filter_map(|trip| score(&steps, trip)).collect();
    let note = "manoeuvres within the rounding of speeds would decide";
    let ended = |truth: Span, found: Span| near(truth.from_ms, found.from_ms, ENDED_MS);
    let mut judge = |event, rule: &str, surely: &dyn Fn(f64, f64) -> bool, perhaps: &dyn Fn(f64, f64) -> bool| {
        let of = |(at_ms, low, high): &(i64, f64, f64)| {
            let span = Span { from_ms: *at_ms, to_ms: *at_ms };
            perhaps(*low, *high).then(|| Wanted { span, shown: surely(*low, *high) })
        };
        let wanted: Vec<Wanted> = scores.iter().filter_map(of).collect();
        table.add(about(event, note), matched(&wanted, &scene.instants(rule), ended));
    };
    judge("spark: a trip well driven", "trip-well-driven", &|low, _| low >= WELL, &|_, high| high >= WELL);
    judge("spark: a trip badly driven", "trip-badly-driven", &|_, high| high < BADLY, &|low, _| low < BADLY);
    Ok(())
}

/// One car that three people have for eight hours each.
pub(super) fn turns(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let about = turn_about("spark: a driver's own trip");
    judge_turns(table, about, whole_life(device)?, START_MS)
}

/// The same, out of a buffer that is drained in order when all of them have given it back.
pub(super) fn turns_kept(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, mut steps) = whole_life(device)?;
    steps.iter_mut().for_each(|step| step.at_ms += KEPT_MS);
    judge_turns(table, turn_about("spark: a driver's own trip, out of a buffer"), (id, steps), START_MS - 3 * TURN_MS)
}

fn turn_about(event: &'static str) -> About {
    About { scenario: "shared-car", ..about(event, "within 1 % of 1 km, the least that has a score") }
}

fn judge_turns(table: &mut Table, about: About, (id, steps): (String, Vec<Step>), from_ms: i64) -> Result<(), Failure> {
    let mut scene = Scene::new(&["car-sharing"], &[], &[])?;
    let turn = |(driver, from_ms): (&&str, i64)| Assignment {
        device: id.clone(),
        subject: (*driver).to_owned(),
        kind: SubjectKind::Person,
        from_ms: Some(from_ms),
        until_ms: Some(from_ms + TURN_MS),
    };
    let begins = (0..).map(|turn| from_ms + turn * TURN_MS);
    scene.config.assignments = DRIVERS.iter().zip(begins).map(turn).collect();
    scene.configure(START_MS);
    steps.iter().try_for_each(|step| scene.play(&id, step))?;
    let ended = |truth: Span, found: Span| near(truth.from_ms, found.from_ms, ENDED_MS);
    let subjects: BTreeSet<String> = scene.raised("my-trip").map(|raise| raise.subject.to_string()).collect();
    // Nobody but those who drove is told of anything.
    for subject in DRIVERS.into_iter().chain(subjects.iter().map(String::as_str).filter(|it| !DRIVERS.contains(it))) {
        let trips = truths(&steps, "trip").filter(|trip| trip["driver"] == subject);
        let wanted: Vec<Wanted> = trips.filter_map(scored).collect();
        let found: Vec<Span> =
            scene.raised("my-trip").filter(|raise| *raise.subject == *subject).map(Raise::instant).collect();
        table.add(about, matched(&wanted, &found, ended));
    }
    Ok(())
}

/// When a trip that has a score ended.
fn scored(trip: &Value) -> Option<Wanted> {
    let (span, metres) = (Span::of(trip), trip["distance_m"].as_f64()?);
    let way = WAY * LEAST_M;
    (metres >= LEAST_M - way)
        .then_some(Wanted { span: Span { from_ms: span.to_ms, ..span }, shown: metres >= LEAST_M + way })
}

/// When a trip ended, and between what its score is by the true manoeuvres: those surely harsh, and with those that may be.
fn score(steps: &[Step], trip: &Value) -> Option<(i64, f64, f64)> {
    let (span, metres) = (Span::of(trip), trip["distance_m"].as_f64()?);
    let within = |run: &&Wanted| span.touches(run.span);
    let mut most = [0.0, 0.0];
    for (harsh, (a_piece, cap)) in [(true, BRAKING), (false, ACCELERATION)].iter().zip(POINTS) {
        let runs = manoeuvres(steps, harsh.0, harsh.1, 2.0, i64::MAX);
        let surely = runs.iter().filter(within).filter(|run| run.shown).count();
        let perhaps = most_manoeuvres(steps, harsh.0, harsh.1, span);
        for (points, count) in most.iter_mut().zip([surely, perhaps]) {
            *points += (a_piece * count as f64 * 100.0 / (metres / 1_000.0).max(FLOOR_KM)).min(cap);
        }
    }
    let idled = trip["idle_s"].as_f64()? * 1_000.0 / span.length_ms().max(1) as f64;
    let idling = (IDLING.0 * (idled - IDLING.1)).clamp(0.0, IDLING.2);
    let [fewest, most] = most.map(|points| 100.0 - points - idling);
    (metres >= LEAST_M).then_some((span.to_ms, most - SCORE_KNOWN, fewest + SCORE_KNOWN))
}

/// What three people set of themselves, from when on: where they are bound for, and whether they would share a ride.
#[derive(Clone, Copy, Default)]
struct Intent {
    destination: Option<&'static str>,
    shares: bool,
}

pub(super) fn riders(table: &mut Table, devices: Vec<Stepped>, seed: u64) -> Result<(), Failure> {
    let lives = devices.into_iter().map(whole_life).collect::<Result<BTreeMap<String, Vec<Step>>, Failure>>()?;
    let owners: Vec<(&str, &str)> = lives.keys().map(String::as_str).zip(PEOPLE).collect();
    let mut scene = Scene::new(&["shared-ride"], &owners, &[])?;
    for person in PEOPLE {
        scene.set(person, &[("destination", None), ("share", None)], START_MS);
    }
    let steps = together(&lives);
    let last_ms = steps.last().map_or(START_MS, |(_, step)| step.at_ms);
    let script = script(Random::new(seed), last_ms);
    let mut coming = script.iter().peekable();
    for (id, step) in steps {
        while let Some((at_ms, person, intent)) = coming.next_if(|(at_ms, ..)| *at_ms < step.at_ms) {
            let shares = if intent.shares { "yes" } else { "no" };
            scene.set(person, &[("destination", intent.destination), ("share", Some(shares))], *at_ms);
        }
        scene.play(id, step)?;
    }
    let both = |truth: Span, found: Span| {
        near(truth.from_ms, found.from_ms, SET_MS) && near(truth.to_ms, found.to_ms.min(last_ms), SET_MS)
    };
    for one in PEOPLE {
        for other in PEOPLE.into_iter().filter(|other| *other != one) {
            let found = scene.raised("shared-ride");
            let found = found.filter(|raise| *raise.subject == *one && raise.with.as_deref() == Some(other));
            let found: Vec<Span> = found.map(|raise| raise.span).collect();
            let tally = matched(&shared(&script, one, other, last_ms), &found, both);
            table.add(about("spark: a ride to share, while both would", ""), tally);
        }
    }
    Ok(())
}

fn script(mut random: Random, last_ms: i64) -> Vec<(i64, &'static str, Intent)> {
    let (mut at_ms, mut script) = (BEGIN_MS, Vec::new());
    while at_ms < last_ms {
        let choice = |random: &mut Random, of: u64| usize::try_from(random.below(of)).unwrap_or(0);
        let destination = [Some("airport"), Some("station"), Some("airport"), None][choice(&mut random, 4)];
        let intent = Intent { destination, shares: random.below(4) > 0 };
        script.push((at_ms, PEOPLE[choice(&mut random, 3)], intent));
        at_ms += 1_000 * i64::try_from(60 + random.below(420)).unwrap_or(0);
    }
    script
}

/// When both were bound for the same place and willing; what is set anew and is the same goes on.
fn shared(script: &[(i64, &str, Intent)], one: &str, other: &str, last_ms: i64) -> Vec<Wanted> {
    let mut intents: BTreeMap<&str, Intent> = BTreeMap::new();
    let (mut since, mut wanted) = (None, Vec::new());
    let times: BTreeSet<i64> = script.iter().map(|(at_ms, ..)| *at_ms).collect();
    for at_ms in times {
        intents.extend(script.iter().filter(|(at, ..)| *at == at_ms).map(|(_, person, intent)| (*person, *intent)));
        let [a, b] = [one, other].map(|person| intents.get(person).copied().unwrap_or_default());
        let meets = a.shares && b.shares && a.destination.is_some() && a.destination == b.destination;
        match (meets, since) {
            (true, None) => since = Some(at_ms),
            (false, Some(from_ms)) => {
                wanted.push(Wanted { span: Span { from_ms, to_ms: at_ms }, shown: true });
                since = None;
            }
            _ => {}
        }
    }
    wanted.extend(since.map(|from_ms| Wanted { span: Span { from_ms, to_ms: last_ms }, shown: true }));
    wanted
}
