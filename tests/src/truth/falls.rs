//! Care bands: falls among all that is taken for one, and when who fell moves again.

use std::collections::{BTreeMap, BTreeSet};

use firmware_sim::Stepped;
use halo_gateway::record::FoldConfig;
use serde_json::Value;

use super::score::{About, Table};
use super::spans::{Span, Wanted, matched, near};
use super::told::Scene;
use super::world::{World, truths, whole_life};
use crate::Failure;

/// An impact has to read 2 g; so close to that it may or may not.
const IMPACT_G: f64 = 2.05;
/// Ten seconds of stillness are wanted, from when what moved before has died away.
const STILL_S: f64 = 13.0;
/// A fall is told so long after it at most: ten seconds to come to rest, ten of rest, and a frame.
const TOLD_MS: i64 = 35_000;
/// How far apart impact and fall may be: a fall has one or two blows.
const NEAR_MS: i64 = 1_000;
/// Who moves again has to for 3 s, and does so since 1 s before to 4 s after it began in truth.
const MOVES_EARLY_MS: i64 = 1_000;
const MOVES_LATE_MS: i64 = 4_000;

const UNSEEN: &str = "read softer than 2 g, along a wall, or up again within 13 s: as one sits down";

/// Somebody who lay still for longer than this did so for more than 30 s when a frame was looked at; who lay for less than
/// the other did not, whatever the first seconds of it were like.
const LONG_S: f64 = 36.0;
const SHORT_S: f64 = 25.0;
/// A fall is told a frame after its wearer begins to move at most.
const LATE_MS: i64 = 4_000;
const SHORT: &str = "25 to 36 s; or read softer than 2 g, or along a wall";

pub(super) fn judge(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let mut world = World::new(FoldConfig::default(), false);
    let (mut fell, mut moved) = (BTreeSet::new(), BTreeSet::new());
    for step in &steps {
        world.take(&id, step, |look, _| {
            for happened in look.subject.happened() {
                match happened.name() {
                    "fall" => fell.insert(happened.event_ms),
                    "fall.moved" => moved.insert(happened.event_ms),
                    _ => false,
                };
            }
        })?;
    }
    let end_ms = steps.last().map_or(0, |step| step.at_ms);
    let falls: Vec<(&Value, bool)> = truths(&steps, "fall").map(|line| (line, is_shown(line, end_ms))).collect();
    let wanted =
        |at: fn(&Value) -> Span| falls.iter().map(move |(line, shown)| Wanted { span: at(line), shown: *shown });
    let close = |truth: Span, found: Span| near(truth.from_ms, found.from_ms, NEAR_MS);
    let impacts: Vec<Wanted> = wanted(|line| instant(&line["at_ms"])).collect();
    table.add(about("fall", UNSEEN), matched(&impacts, &spans(&fell), close));

    let again = |truth: Span, found: Span| truth.wider(MOVES_EARLY_MS, MOVES_LATE_MS).touches(found);
    let ends: Vec<Wanted> = wanted(|line| instant(&line["to_ms"]))
        .map(|it| Wanted { shown: it.shown && it.span.to_ms + TOLD_MS < end_ms, ..it })
        .collect();
    let note = "after a fall that is not to be seen, or not before the end";
    table.add(about("moves again after a fall, -1 to 4 s", note), matched(&ends, &spans(&moved), again));
    Ok(())
}

/// Sparks of the situation, raised once each fall that is told.
pub(super) fn sparks(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let mut scene = Scene::new(&["fallen"], &[(&id, "wilma")], &[])?;
    steps.iter().try_for_each(|step| scene.play(&id, step))?;
    let end_ms = steps.last().map_or(0, |step| step.at_ms);
    let still_s = |line: &Value| line["still_s"].as_f64().unwrap_or_default();
    let wanted = |least_s: f64, shown_s: f64| -> Vec<Wanted> {
        let of = |line: &Value| Wanted {
            span: instant(&line["at_ms"]),
            shown: is_shown(line, end_ms) && still_s(line) > shown_s,
        };
        truths(&steps, "fall").filter(|line| still_s(line) >= least_s).map(of).collect()
    };
    let (falls, long) = (wanted(0.0, 0.0), wanted(SHORT_S, LONG_S));
    // Instants, so that whoever is told twice of one fall was told wrongly once.
    let ends: BTreeMap<i64, i64> =
        truths(&steps, "fall").map(|line| (instant(&line["at_ms"]).from_ms, instant(&line["to_ms"]).from_ms)).collect();
    let within = |truth: Span, found: Span| {
        let to_ms = ends.get(&truth.from_ms).copied().unwrap_or(truth.to_ms);
        Span { to_ms, ..truth }.wider(0, LATE_MS).touches(found)
    };
    for (rule, event, wanted, note) in [
        ("fallen", "spark: fallen", &falls, UNSEEN),
        ("family-fallen", "spark: the same, to the family", &falls, UNSEEN),
        ("patient-fallen", "spark: fallen, and lies for more than 30 s, to the doctor", &long, SHORT),
    ] {
        table.add(about(event, note), matched(wanted, &scene.instants(rule), within));
    }
    Ok(())
}

fn about(event: &'static str, note: &'static str) -> About {
    About { scenario: "falls", kind: "care band", event, unit: "", note }
}

/// Whether the sensors show more of it than of somebody who sits down.
fn is_shown(line: &Value, end_ms: i64) -> bool {
    let number = |name: &str| line[name].as_f64().unwrap_or_default();
    let sudden = line["how"] != "slide" && number("read_g") >= IMPACT_G;
    sudden && number("still_s") >= STILL_S && line["at_ms"].as_i64().is_some_and(|at_ms| at_ms + TOLD_MS < end_ms)
}

fn instant(at_ms: &Value) -> Span {
    let at_ms = at_ms.as_i64().unwrap_or_default();
    Span { from_ms: at_ms, to_ms: at_ms }
}

fn spans(times: &BTreeSet<i64>) -> Vec<Span> {
    times.iter().map(|at_ms| Span { from_ms: *at_ms, to_ms: *at_ms }).collect()
}
