//! Sparks of the shipped situations against what was true: each as an event of its own, raised when it began. Parcels,
//! hearts and engines.

use std::collections::BTreeMap;

use firmware_sim::{Step, Stepped};
use halo_gateway::halo::DerivedValue;
use halo_gateway::record::{Corner, Destination, Geography, Goal, Traveller};
use serde_json::Value;

use super::hearts::{IRREGULAR_BEATS, PACE_BEATS, RHYTHM_LATE_MS};
use super::parcels::{EXCURSION_MS, STOP_MS, excursions};
use super::score::{About, Ahead, Table, Tally};
use super::spans::{Span, Wanted, matched, near};
use super::told::{Raise, Scene};
use super::world::{out_of_order, truths, whole_life};
use crate::Failure;

/// A warning is of use when so many flights are left at least; with more than the other it is alarm for nothing.
const LEAD: std::ops::RangeInclusive<i64> = 5..=80;
/// More flights than these are not told to be left: wear does not show earlier.
const TOLD: std::ops::RangeInclusive<i64> = 1..=125;
/// An engine whose history is shorter when it fails could not be known.
const KNOWN_CYCLES: usize = 40;
/// Ends of a way near the destination are seen by fixes five seconds apart, in frames of two minutes.
const NEAR_MS: i64 = 3 * 60_000;
/// A parcel that is back after less was not told of again.
const COOL_MS: i64 = 3_600_000;
/// How much less health than the mean an engine has to have to be told of, and by how much its health is known.
const BEHIND: f64 = 0.2;
const HEALTH_KNOWN: f64 = 0.1;
/// The same that ends it.
const CAUGHT_UP: f64 = 0.1;
/// Health is a mean over flights, and so late.
const HEALTH_LATE_MS: i64 = 20_000;

fn about(scenario: &'static str, kind: &'static str, event: &'static str, note: &'static str) -> About {
    About { scenario, kind, event, unit: "", note }
}

fn number(value: &DerivedValue) -> Option<f64> {
    match value {
        DerivedValue::Number(number) => Some(*number),
        _ => None,
    }
}

pub(super) fn parcels(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let zones = out_of_order(&steps);
    let in_order = |span: Span| !zones.iter().any(|zone| zone.wider(STOP_MS, STOP_MS).touches(span));
    let mut scene = Scene::new(&["cold-chain"], &[], &[])?;
    let ways: Vec<&Value> = truths(&steps, "nearing").collect();
    let mut bound_for = None;
    for step in &steps {
        // Each shipment has a destination of its own, which is entered when the one before is delivered.
        let next = ways.iter().find(|way| way["last_leg"] == true && Span::of(way).to_ms > step.at_ms);
        let shipment = next.map(|way| &way["shipment"]);
        if let (Some(way), true) = (next, bound_for != shipment) {
            bound_for = shipment;
            scene.config.geography = to(&id, way);
            scene.configure(step.at_ms);
        }
        scene.play(&id, step)?;
        for raise in scene.new_ones().iter().filter(|raise| *raise.rule == *"out-for-delivery") {
            foretold(table, &scene, raise, next.copied());
        }
    }
    let warm: Vec<Wanted> = excursions(&steps)
        .into_iter()
        .map(|wanted| Wanted { shown: wanted.shown && in_order(wanted.span), ..wanted })
        .collect();
    let close = |truth: Span, found: Span| truth.wider(EXCURSION_MS, EXCURSION_MS).touches(found);
    let note = "no further than 0.3 K beyond: within the noise of the sensor; or late";
    table.add(about("parcel-week", "parcel", "spark: too warm", note), matched(&warm, &scene.spans("too-warm"), close));

    let dead: Vec<Span> = truths(&steps, "dead_zone").map(Span::of).collect();
    let mut before_ms = i64::MIN;
    let nearly = |way: &&Value| {
        let span = Span::of(way);
        let again = span.from_ms.saturating_sub(std::mem::replace(&mut before_ms, span.to_ms)) < COOL_MS;
        let seen = !dead.iter().any(|zone| zone.wider(STOP_MS, STOP_MS).touches(span));
        Wanted { span, shown: way["last_leg"] == true && seen && !again }
    };
    let near_by: Vec<Wanted> = ways.iter().map(nearly).collect();
    let begins = |truth: Span, found: Span| near(truth.from_ms, found.from_ms, NEAR_MS);
    let note = "by the way to another depot: nobody tells where the road goes; or where no network is";
    let tally = matched(&near_by, &scene.instants("out-for-delivery"), begins);
    table.add(about("parcel-week", "parcel", "spark: nearly there", note), tally);
    Ok(())
}

/// Bound for where this way ends.
fn to(id: &str, way: &Value) -> Geography {
    let corner = |name: &str| (way[name].as_f64().unwrap_or_default() / Geography::UNIT_DEG).round() as i32;
    let place: Corner = [corner("longitude"), corner("latitude")];
    let destination = Destination { of: Traveller::Device(id.into()), to: Goal::Place(place) };
    Geography { destinations: vec![destination], ..Geography::default() }
}

/// When it is expected, and when it is there: of a parcel on its last leg.
fn foretold(table: &mut Table, scene: &Scene, raise: &Raise, way: Option<&Value>) {
    let (Some(way), Some(arrival)) = (way, scene.derived(&raise.subject, "journey.arrival")) else { return };
    let minutes = |at_ms: f64| (at_ms - raise.span.from_ms as f64) / 60_000.0;
    let (Some(told), Some(low), Some(high)) = (number(&arrival.value), arrival.low, arrival.high) else { return };
    let span = Span::of(way);
    if span.wider(NEAR_MS, 0).touches(raise.instant()) {
        let [told, low, high, left] = [told, low, high, span.to_ms as f64].map(minutes);
        table.ahead(("parcel", "nearly there: arrival", "min"), Ahead { told, low, high, left });
    }
}

pub(super) fn frost(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let mut scene = Scene::new(&["cold-chain"], &[], &[])?;
    steps.iter().try_for_each(|step| scene.play(&id, step))?;
    let cold: Vec<Wanted> = truths(&steps, "excursion")
        .map(|line| Wanted { span: Span::of(line), shown: line["peak_cel"].as_f64() < Some(1.7) })
        .collect();
    let close = |truth: Span, found: Span| truth.wider(EXCURSION_MS, EXCURSION_MS).touches(found);
    let note = "no further than 0.3 K beyond: within the noise of the sensor";
    table.add(about("frost", "parcel", "spark: too cold", note), matched(&cold, &scene.spans("too-cold"), close));
    Ok(())
}

pub(super) fn hearts(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let mut scene = Scene::new(&["heart-abroad"], &[(&id, "carl"), ("phone", "carl")], &[])?;
    let first_ms = steps.first().map_or(0, |step| step.at_ms);
    scene.world.say("phone", r#"{"latitude": 48.1, "longitude": 11.5}"#, first_ms)?;
    steps.iter().try_for_each(|step| scene.play(&id, step))?;
    let wanted = |line: &Value| {
        let beats = line["beats"].as_i64().unwrap_or_default();
        let least = if line["what"] == "irregular_rhythm" { IRREGULAR_BEATS } else { PACE_BEATS };
        Wanted { span: Span::of(line), shown: beats >= least }
    };
    let mut episodes: Vec<Wanted> = Vec::new();
    for truth in truths(&steps, "arrhythmia").map(wanted) {
        match episodes.last_mut() {
            // The one before is still told when this one begins.
            Some(last) if last.span.wider(0, RHYTHM_LATE_MS).touches(truth.span) => {
                *last =
                    Wanted { span: Span { to_ms: truth.span.to_ms, ..last.span }, shown: last.shown || truth.shown };
            }
            _ => episodes.push(truth),
        }
    }
    let late = |truth: Span, found: Span| truth.wider(0, RHYTHM_LATE_MS).touches(found);
    let note = "shorter than the 16 beats of the mean, or 72 of an irregular rhythm";
    for (rule, whose, event) in [
        ("heart-abroad", "carl", "spark: heart out of step"),
        ("patient-abroad", "dr-lee", "spark: the same, to the doctor"),
        ("family-abroad", "erna", "spark: the same, to the family"),
    ] {
        let found: Vec<Span> =
            scene.raised(rule).filter(|raise| *raise.subject == *whose).map(|raise| raise.span).collect();
        table.add(about("cardiac", "pacemaker", event, note), matched(&episodes, &found, late));
    }
    Ok(())
}

pub(super) fn engines(table: &mut Table, devices: Vec<Stepped>, _: u64) -> Result<(), Failure> {
    let lives = devices.into_iter().map(whole_life).collect::<Result<BTreeMap<String, Vec<Step>>, Failure>>()?;
    let mut scene = Scene::new(&["engine-maintenance"], &[], &[])?;
    for id in lives.keys() {
        scene.relate(id, "turbines", "maker");
        // As all the others: the situation has one engine with another interval.
        scene.set(id, &[("interval", None)], super::START_MS);
    }
    for (id, step) in together(&lives) {
        scene.play(id, step)?;
        flown(table, &scene, id, step);
        for raise in scene.new_ones().iter().filter(|raise| *raise.rule == *"maintenance-due") {
            worn(table, &scene, raise, &lives);
        }
    }
    for (id, steps) in &lives {
        maintenance(table, &scene, id, steps)?;
    }
    behind(table, &scene, &lives);
    Ok(())
}

/// All steps of all devices in order of time.
pub(super) fn together(lives: &BTreeMap<String, Vec<Step>>) -> Vec<(&str, &Step)> {
    let mut steps: Vec<(&str, &Step)> =
        lives.iter().flat_map(|(id, steps)| steps.iter().map(move |step| (id.as_str(), step))).collect();
    steps.sort_by_key(|(_, step)| step.at_ms);
    steps
}

fn failures(steps: &[Step]) -> Vec<i64> {
    let failures = truths(steps, "engine").filter(|line| line["remaining"] == 0);
    failures.filter_map(|line| line["at_ms"].as_i64()).collect()
}

/// What is told at every tenth flight of an engine's last ones, whether or not anything follows from it.
fn flown(table: &mut Table, scene: &Scene, id: &str, step: &Step) {
    for line in truths(std::slice::from_ref(step), "engine") {
        let (Some(at_ms), Some(remaining)) = (line["at_ms"].as_i64(), line["remaining"].as_i64()) else { continue };
        let left = remaining - flights(at_ms, step.at_ms);
        let Some(rul) = scene.derived(id, "engine.rul").filter(|_| TOLD.contains(&left)) else { continue };
        if let (Some(told), Some(low), Some(high)) = (number(&rul.value), rul.low, rul.high) {
            let left = left as f64;
            table.ahead(("engine", "every tenth flight: remaining life", "flights"), Ahead { told, low, high, left });
        }
    }
}

/// A cycle a second.
fn flights(from_ms: i64, to_ms: i64) -> i64 {
    (to_ms - from_ms) / 1_000
}

fn worn(table: &mut Table, scene: &Scene, raise: &Raise, lives: &BTreeMap<String, Vec<Step>>) {
    let failures = lives.get(&*raise.subject).map(|steps| failures(steps)).unwrap_or_default();
    let fails = failures.into_iter().find(|failed_ms| *failed_ms >= raise.span.from_ms);
    let Some((failed_ms, rul)) = fails.zip(scene.derived(&raise.subject, "engine.rul")) else { return };
    let (Some(told), Some(low), Some(high)) = (number(&rul.value), rul.low, rul.high) else { return };
    let left = flights(raise.span.from_ms, failed_ms) as f64;
    table.ahead(("engine", "maintenance due: remaining life", "flights"), Ahead { told, low, high, left });
}

fn maintenance(table: &mut Table, scene: &Scene, id: &str, steps: &[Step]) -> Result<(), Failure> {
    let failures = failures(steps);
    let began_ms = steps.first().map_or(0, |step| step.at_ms);
    let mut tally = Tally::default();
    let raised: Vec<i64> =
        scene.raised("maintenance-due").filter(|raise| *raise.subject == *id).map(|raise| raise.span.from_ms).collect();
    for (at, failed_ms) in failures.iter().enumerate() {
        let from_ms = at.checked_sub(1).and_then(|before| failures.get(before)).copied().unwrap_or(began_ms);
        if flights(from_ms, *failed_ms) < i64::try_from(KNOWN_CYCLES)? {
            tally.hidden += 1.0;
            continue;
        }
        let in_time = raised.iter().any(|at_ms| *at_ms > from_ms && LEAD.contains(&flights(*at_ms, *failed_ms)));
        tally.truths += 1.0;
        tally.recalled += f64::from(u8::from(in_time));
    }
    let last_ms = failures.last().copied().unwrap_or(began_ms);
    for at_ms in raised.iter().filter(|at_ms| **at_ms <= last_ms) {
        let fails = failures.iter().find(|failed_ms| *failed_ms >= at_ms);
        tally.found += 1.0;
        tally.right += f64::from(u8::from(fails.is_some_and(|failed_ms| flights(*at_ms, *failed_ms) <= *LEAD.end())));
    }
    let event = "spark: maintenance due, 5 to 80 flights before the failure";
    table.add(about("fleet-flight", "engine", event, "less than 40 flights known of it"), tally);
    Ok(())
}

/// Health by second, as far as it is told: straight lines between truths, anew after each failure.
fn health(steps: &[Step]) -> BTreeMap<i64, f64> {
    let mut course = BTreeMap::new();
    let mut before: Option<(i64, f64)> = None;
    for line in truths(steps, "engine") {
        let (Some(at_ms), Some(health)) = (line["at_ms"].as_i64(), line["health"].as_f64()) else { continue };
        let second = at_ms / 1_000;
        let (from, from_health) = before.unwrap_or((second, health));
        for at in from..=second {
            let share = if second > from { (at - from) as f64 / (second - from) as f64 } else { 1.0 };
            course.insert(at, from_health + (health - from_health) * share);
        }
        let failed = line["remaining"] == 0;
        before = Some(if failed { (second + 1, 1.0) } else { (second, health) });
    }
    course
}

fn behind(table: &mut Table, scene: &Scene, lives: &BTreeMap<String, Vec<Step>>) {
    let courses: BTreeMap<&str, BTreeMap<i64, f64>> =
        lives.iter().map(|(id, steps)| (id.as_str(), health(steps))).collect();
    let seconds: Vec<i64> = courses.values().next().into_iter().flat_map(|course| course.keys().copied()).collect();
    let less = |id: &str, second: i64| {
        let all: Option<Vec<f64>> = courses.values().map(|course| course.get(&second).copied()).collect();
        let all = all?;
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        Some(mean - courses.get(id)?.get(&second)?)
    };
    for id in lives.keys() {
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut open: Option<(i64, f64)> = None;
        for second in &seconds {
            let Some(less) = less(id, *second) else { continue };
            match &mut open {
                // So much less that it may be told: surely told if it is more than its health is known by.
                None if less > BEHIND - HEALTH_KNOWN => open = Some((*second, less)),
                Some((_, most)) if less > CAUGHT_UP - HEALTH_KNOWN => *most = most.max(less),
                Some((from, most)) => {
                    let span = Span { from_ms: *from * 1_000, to_ms: *second * 1_000 };
                    wanted.push(Wanted { span, shown: *most > BEHIND + HEALTH_KNOWN });
                    open = None;
                }
                None => {}
            }
        }
        let until_ms = seconds.last().map_or(0, |second| second * 1_000);
        if let Some((from, _)) = open {
            wanted.push(Wanted { span: Span { from_ms: from * 1_000, to_ms: until_ms }, shown: false });
        }
        let first_ms = seconds.first().map_or(0, |second| second * 1_000);
        let found: Vec<Span> = scene
            .raised("behind-its-fleet")
            .filter(|raise| *raise.subject == **id && (first_ms..=until_ms).contains(&raise.span.from_ms))
            .map(|raise| raise.span)
            .collect();
        let late = |truth: Span, found: Span| truth.wider(0, HEALTH_LATE_MS).touches(found);
        let note = "health within 0.1 of 0.2 less than the mean";
        table.add(
            about("fleet-flight", "engine", "spark: worn more than its fleet", note),
            matched(&wanted, &found, late),
        );
    }
}
