//! Wristbands: what their wearers do, a fast heart, steps, wear.

use std::collections::BTreeMap;

use firmware_sim::{Step, Stepped};
use halo_gateway::record::FoldConfig;

use super::score::{About, Table, Tally};
use super::spans::{Held, Span, Wanted, matched};
use super::world::{World, truths, whole_life};
use crate::Failure;

/// A cadence is of about a minute: so long after a change the class is still becoming the new one.
const BECOMES_MS: i64 = 60_000;
/// A heart that was clearly fast for so long has to be found fast.
const FAST_S: i64 = 30;
/// The mean of 16 beats is late by no more.
const LATE_MS: i64 = 20_000;
/// Without a pulse for longer than this, a band counts as taken off.
const OFF_MS: i64 = 600_000;

pub(super) fn judge(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let mut world = World::new(FoldConfig::default(), false);
    let mut classes: Vec<(i64, Option<&'static str>)> = Vec::new();
    let (mut fast, mut counted, mut worn) = (Held::default(), BTreeMap::new(), Vec::new());
    for step in &steps {
        world.take(&id, step, |look, _| {
            classes.push((look.newest_ms, look.text("activity")));
            fast.look(look.newest_ms, look.text("heart.pace") == Some("tachycardia"));
            counted.insert(look.newest_ms, look.number("steps.today").unwrap_or_default());
            worn.push((look.newest_ms, look.text("wear") == Some("worn")));
        })?;
    }
    judge_activity(table, &steps, &classes);
    let hearts: Vec<Wanted> = truths(&steps, "fast_heart")
        .map(|line| Wanted { span: Span::of(line), shown: line["above_s"].as_i64() >= Some(FAST_S) })
        .collect();
    let fits = |truth: Span, found: Span| truth.wider(0, LATE_MS).touches(found);
    let brief = "within 3 of 100 a minute, or above for less than 30 s";
    table.add(about("tachycardia", "", brief), matched(&hearts, &fast.spans, fits));
    judge_steps(table, &steps, &counted, about("steps", "steps", ""));
    judge_wear(table, &steps, &worn);
    Ok(())
}

fn about(event: &'static str, unit: &'static str, note: &'static str) -> About {
    About { scenario: "cardiac", kind: "wristband", event, unit, note }
}

/// Seconds of each class, looked at every frame.
fn judge_activity(table: &mut Table, steps: &[Step], classes: &[(i64, Option<&'static str>)]) {
    let done: Vec<(Span, &str)> =
        truths(steps, "activity").map(|line| (Span::of(line), class(line["what"].as_str().unwrap_or("")))).collect();
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut before_ms = None;
    for (at_ms, told) in classes {
        let seconds = before_ms.replace(*at_ms).map_or(0, |before_ms| at_ms - before_ms) as f64 / 1_000.0;
        let Some((span, is)) = done.iter().find(|(span, _)| (span.from_ms..span.to_ms).contains(at_ms)) else {
            continue;
        };
        let same_before = done.iter().any(|(other, class)| other.to_ms == span.from_ms && class == is);
        if at_ms - span.from_ms < BECOMES_MS && !same_before {
            tallies.entry(is).or_default().hidden += seconds;
            continue;
        }
        let is_tally = tallies.entry(is).or_default();
        is_tally.truths += seconds;
        is_tally.recalled += if *told == Some(is) { seconds } else { 0.0 };
        let Some(told) = told else { continue };
        let told_tally = tallies.entry(told).or_default();
        told_tally.found += seconds;
        told_tally.right += if told == is { seconds } else { 0.0 };
    }
    let note = "the minute after a change: a cadence is of a minute";
    for (what, tally) in tallies {
        let event = match what {
            "still" => "activity: still",
            "walking" => "activity: walking",
            "running" => "activity: running",
            _ => "activity: playing",
        };
        table.add(about(event, "s", note), tally);
    }
}

/// What a gateway can tell apart by steps.
fn class(what: &str) -> &'static str {
    match what {
        "walk" => "walking",
        "run" => "running",
        _ => "still",
    }
}

/// Steps between two looks at the true count, minutes apart, as far as they are of one day.
pub(super) fn judge_steps(table: &mut Table, steps: &[Step], counted: &BTreeMap<i64, f64>, about: About) {
    let mut told = truths(steps, "steps").map(|line| (line["at_ms"].as_i64(), line["total"].as_f64()));
    let first = told.next();
    let (Some((Some(from_ms), Some(from))), Some((Some(to_ms), Some(to)))) = (first, told.last()) else { return };
    let at = |ms: i64| counted.range(..=ms).next_back().map_or(0.0, |(_, steps)| *steps);
    table.add(about, Tally::of_amounts(to - from, at(to_ms) - at(from_ms)));
}

fn judge_wear(table: &mut Table, steps: &[Step], worn: &[(i64, bool)]) {
    let off: Vec<Span> = truths(steps, "off_skin").map(Span::of).filter(|span| span.length_ms() > OFF_MS).collect();
    let mut tally = Tally::default();
    for pair in worn.windows(2) {
        let [(before_ms, _), (at_ms, told)] = pair else { continue };
        let seconds = (at_ms - before_ms) as f64 / 1_000.0;
        let is = !off.iter().any(|span| (span.from_ms..span.to_ms).contains(at_ms));
        tally.truths += if is { seconds } else { 0.0 };
        tally.found += if *told { seconds } else { 0.0 };
        tally.recalled += if is && *told { seconds } else { 0.0 };
    }
    tally.right = tally.recalled;
    table.add(about("worn", "s", "no wearer takes the band off"), tally);
}
