//! Rain that is foreseen: whether it came, how often it was told before, and how far ahead that really was.

use firmware_sim::{Step, Stepped};
use serde_json::Value;

use super::score::{About, Table, Tally};
use super::spans::Span;
use super::told::{Raise, Scene};
use super::world::{truths, whole_life};
use crate::Failure;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// Forecasts are published once they are better than naive ones, and at six hours and with a day's season that takes
/// a week.
const LEARNING_MS: i64 = 8 * DAY_MS;
/// What is told in the last hours may come true when nobody looks any more.
const UNDECIDED_MS: i64 = 8 * 3_600_000;
/// Humidity of rain; and by how much more it has to become for it to be surely seen: the forecast's error at an hour.
const RAIN: f64 = 80.0;
const CLEARLY: f64 = 2.0;
/// The measured value reaches the threshold by its noise up to an hour before the true one does.
const EARLY_MS: i64 = 3_600_000;
/// A forecast is of ten minutes, and may be so much too early or too late.
const OFF_MS: i64 = 2 * 3_600_000;

/// What was told.
struct Told {
    at: Span,
    lead_ms: i64,
}

pub(super) fn judge(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let mut scene = Scene::new(&["rain"], &[], &[])?;
    steps.iter().try_for_each(|step| scene.play(&id, step))?;
    let told = |raise: &Raise| {
        let lead_ms = raise.lead_s.map_or(0, |lead_s| i64::try_from(lead_s * 1_000).unwrap_or(i64::MAX));
        Told { at: raise.span, lead_ms }
    };
    let told: Vec<Told> = scene.raised("rain-coming").map(told).collect();
    let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return Ok(()) };
    judge_rain(table, &steps, &told, (first.at_ms + LEARNING_MS, last.at_ms - UNDECIDED_MS));
    Ok(())
}

fn about(event: &'static str, note: &'static str) -> About {
    About { scenario: "weather", kind: "weather station", event, unit: "", note }
}

fn judge_rain(table: &mut Table, steps: &[Step], told: &[Told], (learnt_ms, undecided_ms): (i64, i64)) {
    let began = |line: &&Value| line["began"] == true;
    let rains: Vec<i64> = truths(steps, "rain").filter(began).filter_map(|line| line["at_ms"].as_i64()).collect();
    let damp: Vec<(Span, f64)> =
        truths(steps, "damp").map(|line| (Span::of(line), line["peak"].as_f64().unwrap_or_default())).collect();
    let mut tally = Tally::default();
    for (span, peak) in &damp {
        let Some(at_ms) = rains.iter().find(|at_ms| (span.from_ms..=span.to_ms).contains(*at_ms)) else { continue };
        if *peak < RAIN + CLEARLY || span.from_ms < learnt_ms {
            tally.hidden += 1.0;
            continue;
        }
        tally.truths += 1.0;
        let Some(before) = told.iter().find(|it| it.at.from_ms < *at_ms && it.at.to_ms >= at_ms - EARLY_MS) else {
            continue;
        };
        tally.recalled += 1.0;
        judge_lead(table, before, at_ms - before.at.from_ms);
    }
    for it in told.iter().filter(|it| it.at.from_ms < undecided_ms) {
        let by_ms = it.at.from_ms + it.lead_ms + OFF_MS;
        tally.found += 1.0;
        let comes = damp.iter().any(|(span, _)| span.from_ms <= by_ms && it.at.from_ms < span.to_ms);
        tally.right += f64::from(u8::from(comes));
    }
    let note = "less than 2 % above the threshold, or in the first 8 days, in which forecasts are earned";
    table.add(about("spark: rain is coming, told before it is there", note), tally);
}

/// By how long before the rain it was really told, next to the lead that the spark states.
fn judge_lead(table: &mut Table, told: &Told, real_ms: i64) {
    let early = "its real lead is 20 min or more";
    table.add(about(early, "frames are of 10 min"), Tally::of_one(real_ms >= 20 * MINUTE_MS));
    if told.lead_ms >= 240 * MINUTE_MS {
        table.add(about("stated 4 h or more: it is 3 h or more", ""), Tally::of_one(real_ms >= 180 * MINUTE_MS));
    } else {
        let soon = (15 * MINUTE_MS..=90 * MINUTE_MS).contains(&real_ms);
        table.add(about("stated less: it is 15 to 90 min", ""), Tally::of_one(soon));
    }
}
