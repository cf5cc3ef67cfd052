//! Guests of a park: what they held their bands against, how long they queued, how far they walked.

use std::collections::{BTreeMap, BTreeSet};

use firmware_sim::Stepped;
use halo_gateway::record::FoldConfig;
use serde_json::Value;

use super::bands::judge_steps;
use super::score::{About, Table, Tally};
use super::spans::{Span, Wanted, matched, near};
use super::world::{World, truths, whole_life};
use crate::Failure;

/// A tap is told to the second.
const TAP_MS: i64 = 2_000;
/// Members of a party tap up to six seconds apart, at both ends of a queue.
const QUEUE_S: f64 = 12.0;

pub(super) fn judge(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let mut world = World::new(FoldConfig::default(), false);
    let (mut taps, mut queues, mut counted) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
    let mut rides = 0;
    for step in &steps {
        world.take(&id, step, |look, _| {
            counted.insert(look.newest_ms, look.number("steps.today").unwrap_or_default());
            let (Some(reader), Some(since)) = (look.count("visit.reader"), look.count("visit.since")) else { return };
            taps.insert((since as i64, reader));
            let ridden = look.count("visit.rides.today").unwrap_or_default();
            if ridden > rides {
                queues.extend(look.number("visit.queue").map(|queue| (since as i64, queue)));
            }
            rides = ridden;
        })?;
    }
    let tapped: Vec<Wanted> = truths(&steps, "tap").map(instant).collect();
    let told: Vec<Span> = taps.iter().map(|(at_ms, _)| Span { from_ms: *at_ms, to_ms: *at_ms }).collect();
    let readers: BTreeMap<i64, u64> = taps.iter().copied().collect();
    let reader_of = |line: &Value| line["reader"].as_u64();
    let same = |truth: Span, found: Span| near(truth.from_ms, found.from_ms, TAP_MS);
    table.add(about("tap, to 2 s"), matched(&tapped, &told, same));
    for line in truths(&steps, "tap") {
        let at_ms = line["at_ms"].as_i64().unwrap_or_default();
        let near_by = readers.range(at_ms - TAP_MS..=at_ms + TAP_MS).next();
        if let Some((_, reader)) = near_by {
            table.add(about("visit: which reader"), Tally::of_one(Some(*reader) == reader_of(line)));
        }
    }
    let mut tally = Tally { found: queues.len() as f64, ..Tally::default() };
    for line in truths(&steps, "tap").filter(|line| line["waited_s"].is_number()) {
        let (at_ms, waited_s) = (line["at_ms"].as_i64().unwrap_or(0), line["waited_s"].as_f64().unwrap_or(0.0));
        let found = queues.range(at_ms - TAP_MS..=at_ms + TAP_MS).next();
        let right = f64::from(u8::from(found.is_some_and(|(_, queue_s)| (queue_s - waited_s).abs() <= QUEUE_S)));
        tally.truths += 1.0;
        tally.recalled += right;
        tally.right += right;
    }
    table.add(about("wait in a queue, to 12 s"), tally);
    judge_steps(table, &steps, &counted, About { unit: "steps", ..about("steps") });
    Ok(())
}

fn about(event: &'static str) -> About {
    About { scenario: "park-day", kind: "park band", event, unit: "", note: "" }
}

fn instant(line: &Value) -> Wanted {
    let at_ms = line["at_ms"].as_i64().unwrap_or_default();
    Wanted { span: Span { from_ms: at_ms, to_ms: at_ms }, shown: true }
}
