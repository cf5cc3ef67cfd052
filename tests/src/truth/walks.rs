//! Sparks of people on foot from their car to an appointment: what a band, a car and a phone know together, once two names
//! have proved to be one person.

use std::collections::BTreeMap;

use firmware_sim::{Step, Stepped};

use super::START_MS;
use super::score::{About, Table};
use super::spans::{Blurred, Span, both, joined, matched_blurred};
use super::sparks::together;
use super::told::Scene;
use super::world::{truths, whole_life};
use crate::Failure;
use crate::random::Random;

const PEOPLE: [&str; 3] = ["emil", "frida", "greta"];
/// A cadence is of the last 60 s, by readings ten seconds apart.
const BECOMES_MS: i64 = 70_000;
/// Before a trip begins the engine runs for some seconds while the car stands.
const STANDS_MS: i64 = 12_000;
/// An appointment is near when less than 61 whole minutes are left.
const NEAR_MS: i64 = 61 * 60_000;
const SECOND_MS: i64 = 1_000;
/// A reading stands for ten seconds, and comes when its frame of ten seconds is over.
const SEEN_MS: i64 = 21_000;
/// How far off the gateway's idea of a clock may be.
const CLOCK_MS: i64 = 2_000;
/// At some time of the first hour two names prove to be one person.
const MERGED_S: u64 = 3_600;

/// When something perhaps was so, and when surely.
type Times = (Vec<Span>, Vec<Span>);

pub(super) fn judge(table: &mut Table, devices: Vec<Stepped>, seed: u64) -> Result<(), Failure> {
    let lives = devices.into_iter().map(whole_life).collect::<Result<BTreeMap<String, Vec<Step>>, Failure>>()?;
    let steps = together(&lives);
    let last_ms = steps.last().map_or(START_MS, |(_, step)| step.at_ms);
    let merges = merges(seed);
    let scene = play(&lives, steps, &merges)?;
    let note = "walked for less than 1.5 min, the minute in which a cadence becomes another, or under way at the end";
    let event = "spark: on foot from the car to an appointment, once it is known whose";
    let about = About { scenario: "three-devices", kind: "band, car, phone", event, unit: "", note };
    for (at, (known_ms, person)) in merges.into_iter().enumerate() {
        let life = |kind: &str| lives.get(&format!("{kind}-0{}", at + 1)).map_or(&[][..], Vec::as_slice);
        let known = vec![Span { from_ms: known_ms, to_ms: last_ms }];
        let all = [walks(life("wrist"), last_ms), parked(life("car"), last_ms), near(life("phone"))];
        let together = |(perhaps, surely): Times, (more, sure): &Times| (both(&perhaps, more), both(&surely, sure));
        let (perhaps, surely) = all.iter().fold((known.clone(), known), together);
        let raised = scene.raised("on-foot-to-an-appointment").filter(|raise| raise.subject.starts_with(person));
        // By the gateway's clock: what a phone read just before two names became one comes just after.
        let found = raised.map(|raise| Span { to_ms: raise.told.to_ms.min(last_ms), ..raise.told });
        let wanted = Blurred::of(&perhaps, &surely, SEEN_MS);
        table.add(about, matched_blurred(&wanted, &found.collect::<Vec<_>>(), CLOCK_MS, SEEN_MS));
    }
    Ok(())
}

/// When the two names of each prove to be one person.
fn merges(seed: u64) -> [(i64, &'static str); 3] {
    let mut random = Random::new(seed);
    PEOPLE.map(|person| (START_MS + 1_000 * i64::try_from(random.below(MERGED_S)).unwrap_or(0), person))
}

/// The first band and the first car are the first one's, the first phone is of their other name, and so on.
fn play(
    lives: &BTreeMap<String, Vec<Step>>,
    steps: Vec<(&str, &Step)>,
    merges: &[(i64, &str); 3],
) -> Result<Scene, Failure> {
    let phones = PEOPLE.map(|person| format!("{person}.mobile"));
    let owner = |id: &str| {
        let (kind, number) = id.split_once("-0")?;
        let at = number.parse::<usize>().ok()?.checked_sub(1)?;
        if kind == "phone" { phones.get(at).map(String::as_str) } else { PEOPLE.get(at).copied() }
    };
    let owners: Vec<(&str, &str)> = lives.keys().filter_map(|id| Some((id.as_str(), owner(id)?))).collect();
    let mut scene = Scene::new(&["one-identity"], &owners, &[])?;
    let mut merges: Vec<(i64, &str)> = merges.to_vec();
    merges.sort_unstable();
    let mut coming = merges.into_iter().peekable();
    for (id, step) in steps {
        while let Some((at_ms, person)) = coming.next_if(|(at_ms, _)| *at_ms < step.at_ms) {
            scene.merge(&format!("{person}.mobile"), person, at_ms);
        }
        scene.play(id, step)?;
    }
    Ok(scene)
}

/// By the steps of about a minute; what goes on at the end nobody says.
fn walks(steps: &[Step], last_ms: i64) -> Times {
    let done: Vec<(Span, bool)> =
        truths(steps, "activity").map(|line| (Span::of(line), line["what"] == "walk")).collect();
    let walks = || done.iter().filter(|(_, walks)| *walks).map(|(span, _)| *span);
    let open_ms = done.last().map_or(START_MS, |(span, _)| span.to_ms);
    let perhaps = walks().map(|span| span.wider(0, BECOMES_MS)).chain([Span { from_ms: open_ms, to_ms: last_ms }]);
    let surely = walks().map(|span| span.wider(-BECOMES_MS, 0)).filter(|span| span.length_ms() > 0);
    (joined(perhaps.collect()), surely.collect())
}

/// From the end of a trip until the car has moved again.
fn parked(steps: &[Step], last_ms: i64) -> Times {
    let left: Vec<i64> = truths(steps, "departure").filter_map(|line| line["at_ms"].as_i64()).collect();
    let parked = |trip: Span| {
        let to_ms = left.iter().copied().find(|at_ms| *at_ms > trip.to_ms).unwrap_or(last_ms);
        Span { from_ms: trip.to_ms, to_ms }
    };
    let surely: Vec<Span> = truths(steps, "trip").map(Span::of).map(parked).collect();
    (surely.iter().map(|span| span.wider(0, STANDS_MS)).collect(), surely)
}

/// The next one is known a second after the one before.
fn near(steps: &[Step]) -> Times {
    let near = |line| {
        let next = Span::of(line);
        Span { from_ms: next.from_ms.max(next.to_ms - NEAR_MS), to_ms: next.to_ms + SECOND_MS }
    };
    let near: Vec<Span> = joined(truths(steps, "appointment").map(near).collect());
    (near.clone(), near)
}
