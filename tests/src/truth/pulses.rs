//! Sparks of a pulse above what its wearer has set, and not of the one that is just below it.

use firmware_sim::{Step, Stepped};

use super::START_MS;
use super::score::{About, Table};
use super::spans::{Blurred, Span, matched_blurred};
use super::told::Scene;
use super::wear::chance;
use super::world::{truths, whole_life};
use crate::Failure;

/// By how much a reading may be off the pulse that was told last, /min: a change that is not told yet, three deviations of
/// the sensor's noise, and its rounding.
const OFF: f64 = 2.0 + 1.8 + 0.5;
/// The rule lets a spark stand until the pulse is so far below the limit, /min.
const RELIEF: f64 = 5.0;
/// Frames of ten seconds, whose newest pulse is looked at; a band without contact to the skin sees none for twelve.
const SEEN_MS: i64 = 25_000;
/// How far off the gateway's idea of a band's clock may be.
const CLOCK_MS: i64 = 2_000;
/// The lowest limit that somebody sets, and the range of them: resting pulses are below, those of runs above.
const LIMITS: (u64, u64) = (80, 50);

pub(super) fn judge(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let limit = LIMITS.0 + chance(&steps).below(LIMITS.1);
    let mut scene = Scene::new(&["new-band"], &[(&id, "anna")], &[("anna", "pulse_limit", &limit.to_string())])?;
    steps.iter().try_for_each(|step| scene.play(&id, step))?;
    let last_ms = steps.last().map_or(START_MS, |step| step.at_ms);
    let found: Vec<Span> = scene.spans("pulse-above-limit");
    let found: Vec<Span> = found.into_iter().map(|span| Span { to_ms: span.to_ms.min(last_ms), ..span }).collect();
    let limit = limit as f64;
    let perhaps = above(&steps, last_ms, limit - OFF, limit - RELIEF - OFF);
    let surely = above(&steps, last_ms, limit + OFF, limit - RELIEF + OFF);
    let wanted = Blurred::of(&perhaps, &surely, SEEN_MS);
    let note = "not 4 a minute above the limit for 25 s, or again and again within 4 of where it ends";
    let about = About {
        scenario: "cardiac",
        kind: "wristband",
        event: "spark: pulse above the wearer's limit",
        unit: "",
        note,
    };
    table.add(about, matched_blurred(&wanted, &found, CLOCK_MS, SEEN_MS));
    Ok(())
}

/// From when the true pulse was above one limit until it was below the other.
fn above(steps: &[Step], last_ms: i64, limit: f64, clear: f64) -> Vec<Span> {
    let (mut since, mut spans) = (None, Vec::new());
    for line in truths(steps, "pulse") {
        let (at_ms, rate) = (line["at_ms"].as_i64().unwrap_or_default(), line["rate"].as_f64().unwrap_or_default());
        match since {
            None if rate > limit => since = Some(at_ms),
            Some(from_ms) if rate < clear => {
                since = None;
                spans.push(Span { from_ms, to_ms: at_ms });
            }
            _ => {}
        }
    }
    spans.extend(since.map(|from_ms| Span { from_ms, to_ms: last_ms }));
    spans
}
