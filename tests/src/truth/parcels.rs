//! Parcels: where they stood, how far they came, how warm and how hard.

use std::collections::BTreeSet;

use firmware_sim::{Step, Stepped};
use halo_gateway::record::FoldConfig;
use serde_json::Value;

use super::score::{About, Table, Tally};
use super::spans::{Grown, Held, Span, Wanted, matched, near};
use super::world::{Look, World, out_of_order, truths, whole_life};
use crate::Failure;

/// Fixes at rest are five minutes apart, and one in three fails: of a hundred times, three in a row fail four times, and
/// four in a row once.
pub(super) const STOP_MS: i64 = 20 * 60_000;
/// A stop is noticed only when a place was held for a while.
const NOTICED_MS: i64 = 2 * STOP_MS;
/// The way of a leg, by travelled metres.
const WAY: f64 = 0.02;
/// Excursions closer than this are one: the true temperature crosses the bound to and fro.
const MERGED_MS: i64 = 30 * 60_000;
/// An excursion that goes no further beyond 8 °C is within the noise of the sensor.
const CLEARLY_CEL: f64 = 8.3;
/// A look at the goods is a minute apart; the end is told 0.3 K inside.
pub(super) const EXCURSION_MS: i64 = 15 * 60_000;
/// A shock is in the next look, at most a minute later.
const SHOCK_MS: i64 = 2 * 60_000;
/// A tracker's clock drifts by up to 36 s in a week.
const CLOCK_MS: i64 = 60_000;
/// What the trackers do that send the newest first.
const LATE: &str = "in a dead zone of a tracker that sends the newest first: late, and so passed over";

#[derive(Default)]
struct Found {
    standing: Held,
    /// Seconds stood and metres travelled when the last stop ended.
    stood_s: f64,
    /// Metres travelled when a stop was noticed, and when it had ended.
    legs: Vec<(i64, f64)>,
    warm: Held,
    shocks: Grown,
    warm_begun: u64,
    delivered: BTreeSet<i64>,
}

pub(super) fn judge(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let mut world = World::new(FoldConfig::default(), false);
    let mut found = Found::default();
    for step in &steps {
        world.take(&id, step, |look, _| found.see(look))?;
    }
    let zones = out_of_order(&steps);
    let shown =
        |span: Span| Wanted { span, shown: !zones.iter().any(|zone| zone.wider(STOP_MS, STOP_MS).touches(span)) };
    let instant = |line: &Value| {
        let at_ms = line["at_ms"].as_i64().unwrap_or_default();
        shown(Span { from_ms: at_ms, to_ms: at_ms })
    };
    let stops: Vec<Wanted> = truths(&steps, "stop").map(|line| shown(Span::of(line))).collect();
    let at_both_ends = |truth: Span, found: Span| {
        near(truth.from_ms, found.from_ms, STOP_MS) && near(truth.to_ms, found.to_ms, STOP_MS)
    };
    // One whose beginning or end is in such a zone is told as far as it was seen.
    let seen = |span: &&Span| stops.iter().all(|stop| stop.shown || !stop.span.touches(**span));
    let told: Vec<Span> = found.standing.spans.iter().filter(seen).copied().collect();
    table.add(about("stop, both ends to 20 min", LATE), matched(&stops, &told, at_both_ends));
    judge_legs(table, &steps, &found.legs, shown);
    let close = |truth: Span, found: Span| truth.wider(EXCURSION_MS, EXCURSION_MS).touches(found);
    let slight = "no further than 0.3 K beyond: within the noise of the sensor; or late";
    let warm: Vec<Wanted> = excursions(&steps)
        .into_iter()
        .map(|wanted| Wanted { shown: wanted.shown && shown(wanted.span).shown, ..wanted })
        .collect();
    table.add(about("excursion, too warm", slight), matched(&warm, &found.warm.spans, close));
    let shocks: Vec<Wanted> = truths(&steps, "shock").map(&instant).collect();
    let soon = |truth: Span, found: Span| truth.wider(CLOCK_MS, SHOCK_MS).touches(found);
    table.add(about("shock of 8 g or more", LATE), matched(&shocks, &found.shocks.spans, soon));
    let deliveries: Vec<Wanted> = truths(&steps, "delivered").map(instant).collect();
    let told: Vec<Span> = found.delivered.iter().map(|at_ms| Span { from_ms: *at_ms, to_ms: *at_ms }).collect();
    let same = |truth: Span, found: Span| near(truth.from_ms, found.from_ms, CLOCK_MS);
    table.add(about("delivery, to a minute", LATE), matched(&deliveries, &told, same));
    Ok(())
}

fn about(event: &'static str, note: &'static str) -> About {
    About { scenario: "parcel-week", kind: "parcel", event, unit: "", note }
}

impl Found {
    fn see(&mut self, look: &Look<'_>) {
        self.delivered.extend(
            look.subject
                .events()
                .filter(|event| event.known().is_some_and(|known| known.name == "delivered"))
                .map(|event| event.event_ms),
        );
        if let Some(state) = look.text("journey.state") {
            self.stand(look, state == "standing");
        }
        let Some(excursions) = look.count("journey.excursions") else { return };
        let is_warm = look.has("journey.excursion", "warm");
        let before = self.warm.spans.len() as u64 + u64::from(self.warm.is_open());
        self.warm.look(look.newest_ms, is_warm);
        let begun = self.warm.spans.len() as u64 + u64::from(self.warm.is_open());
        self.warm_begun += begun.saturating_sub(before);
        self.shocks.look(look.newest_ms, excursions.saturating_sub(self.warm_begun));
    }

    /// A stop that is noticed has begun as long ago as it has lasted.
    fn stand(&mut self, look: &Look<'_>, standing: bool) {
        let stood_s = look.number("journey.standing").unwrap_or_default();
        let travelled_m = look.number("journey.travelled").unwrap_or_default();
        let was = self.standing.is_open();
        let lasted_ms = if standing && !was { ((stood_s - self.stood_s) * 1_000.0) as i64 } else { 0 };
        self.standing.look(look.newest_ms - lasted_ms, standing);
        if standing != was {
            self.legs.push((look.newest_ms, travelled_m));
        }
        if !standing {
            self.stood_s = stood_s;
        }
    }
}

/// Legs from stop to stop: what was travelled between two of them.
fn judge_legs(table: &mut Table, steps: &[Step], turns: &[(i64, f64)], shown: impl Fn(Span) -> Wanted) {
    // The first leg began before the device was switched on.
    for leg in truths(steps, "leg").skip(1) {
        let (span, metres) = (Span::of(leg), leg["distance_m"].as_f64().unwrap_or_default());
        if !shown(span).shown {
            table.add(about("way of a leg, 2 %", LATE), Tally { hidden: 1.0, ..Tally::default() });
            continue;
        }
        let turn = |at_ms: i64, within_ms| turns.iter().find(|(turn_ms, _)| near(*turn_ms, at_ms, within_ms));
        let (began, ended) = (turn(span.from_ms, STOP_MS), turn(span.to_ms, NOTICED_MS));
        let travelled_m = began.zip(ended).map(|((_, from_m), (_, to_m))| to_m - from_m);
        let right = travelled_m.is_some_and(|travelled_m| (travelled_m / metres - 1.0).abs() <= WAY);
        table.add(about("way of a leg, 2 %", LATE), Tally::of_one(right));
    }
}

pub(super) fn excursions(steps: &[Step]) -> Vec<Wanted> {
    let mut merged: Vec<(Span, f64)> = Vec::new();
    for line in truths(steps, "excursion") {
        let (span, cel) = (Span::of(line), line["peak_cel"].as_f64().unwrap_or_default());
        match merged.last_mut() {
            Some((last, peak)) if span.from_ms - last.to_ms < MERGED_MS => {
                (last.to_ms, *peak) = (span.to_ms, peak.max(cel));
            }
            _ => merged.push((span, cel)),
        }
    }
    merged.into_iter().map(|(span, peak)| Wanted { span, shown: peak >= CLEARLY_CEL }).collect()
}
