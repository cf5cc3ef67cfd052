//! Hearts under a pacemaker's watch: too slow, too fast, irregular, pausing, early.

use firmware_sim::Stepped;
use halo_gateway::record::FoldConfig;
use serde_json::Value;

use super::score::{About, Table};
use super::spans::{Grown, Held, Span, Wanted, matched};
use super::world::{Look, World, truths, whole_life};
use crate::Failure;

/// Premature beats and pauses are counted over an hour. So that the counts only grow, they are read off a fold that
/// begins anew this often.
const ANEW_MS: i64 = 59 * 60_000;
/// Beats of the mean that tells the pace.
pub(super) const PACE_BEATS: i64 = 17;
/// An irregular rhythm wants 48 beats within it, twice, 12 beats apart, and is looked for every 12 beats.
pub(super) const IRREGULAR_BEATS: i64 = 72;
/// The mean of 16 beats goes on to be slow, or fast, for so long after it is over.
const PACE_LATE_MS: i64 = 30_000;
/// The last 48 beats go on to be irregular for so long.
pub(super) const RHYTHM_LATE_MS: i64 = 75_000;
/// Early beats so close to an irregular rhythm are taken to be part of it: it is judged by 48 beats.
const AMID_MS: i64 = 40_000;
/// A rate counts as fast above 100 a minute; that of an irregular rhythm is a mean of what varies by a quarter.
const PERHAPS_FAST: f64 = 85.0;
/// How far off the gateway's idea of the device's clock may be: crystals drift by up to 60 ppm.
const CLOCK_MS: i64 = 2_000;
/// Between a beat and the look that shows it: the rest of the frame, and the two beats its label waits for.
const LABEL_LATE_MS: i64 = 8_000;

#[derive(Default)]
struct Found {
    slow: Held,
    fast: Held,
    irregular: Held,
    premature: Grown,
    pauses: Grown,
}

pub(super) fn judge(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let mut world = World::new(FoldConfig::default(), true);
    let (mut found, mut began_ms) = (Found::default(), 0);
    for step in &steps {
        world.take(&id, step, |look, second| if second { found.count(look) } else { found.see(look) })?;
        if step.at_ms - began_ms >= ANEW_MS {
            (began_ms, _) = (step.at_ms, world.begin_second_anew());
            found.premature.begin_anew(step.at_ms);
            found.pauses.begin_anew(step.at_ms);
        }
    }
    let episodes: Vec<&Value> = truths(&steps, "arrhythmia").collect();
    let of = |shown: &dyn Fn(&str, f64, i64) -> Option<bool>| -> Vec<Wanted> {
        let wanted = |line: &&Value| {
            let (rate, beats) = (line["rate"].as_f64().unwrap_or(0.0), line["beats"].as_i64().unwrap_or(0));
            let shown = shown(line["what"].as_str().unwrap_or(""), rate, beats)?;
            Some(Wanted { span: Span::of(line), shown })
        };
        episodes.iter().filter_map(wanted).collect()
    };
    let late = |after_ms| move |truth: Span, found: Span| truth.wider(0, after_ms).touches(found);
    let slow = of(&|what, _, beats| (what == "bradycardia").then_some(beats >= PACE_BEATS));
    let short = "shorter than the 16 beats of the mean";
    table.add(about("bradycardia", short), matched(&slow, &found.slow.spans, late(PACE_LATE_MS)));
    let fast = of(&|what, rate, beats| match what {
        "tachycardia" => Some(beats >= PACE_BEATS),
        "irregular_rhythm" if rate > PERHAPS_FAST => Some(false),
        _ => None,
    });
    let mixed = "irregular rhythms about 100 a minute: fast or not, by which 16 beats";
    table.add(about("tachycardia", mixed), matched(&fast, &found.fast.spans, late(PACE_LATE_MS)));
    let irregular = of(&|what, _, beats| (what == "irregular_rhythm").then_some(beats >= IRREGULAR_BEATS));
    let few = "fewer than 72 beats long: 48 are wanted, twice";
    table.add(about("irregular rhythm", few), matched(&irregular, &found.irregular.spans, late(RHYTHM_LATE_MS)));

    let instants = |what| -> Vec<Wanted> { truths(&steps, what).map(beat).collect() };
    let within = |truth: Span, found: Span| truth.wider(CLOCK_MS, LABEL_LATE_MS).touches(found);
    table.add(about("pause of 2 s or more", ""), matched(&instants("pause"), &found.pauses.spans, within));
    let rhythms = irregular.iter().map(|rhythm| rhythm.span.wider(AMID_MS, AMID_MS));
    let amid = |beat: Span| rhythms.clone().any(|rhythm| rhythm.touches(beat));
    let mut early = instants("premature_beat");
    early.iter_mut().for_each(|beat| beat.shown = !amid(beat.span));
    let part = "within 40 s of an irregular rhythm, whose 48 beats they are among";
    table.add(about("premature beat", part), matched(&early, &found.premature.spans, within));
    Ok(())
}

fn about(event: &'static str, note: &'static str) -> About {
    About { scenario: "cardiac", kind: "pacemaker", event, unit: "", note }
}

/// When the interval that is told of ended.
fn beat(line: &Value) -> Wanted {
    let at_ms = line["at_ms"].as_i64().unwrap_or(0) + line["interval"].as_f64().unwrap_or(0.0) as i64;
    Wanted { span: Span { from_ms: at_ms, to_ms: at_ms }, shown: true }
}

impl Found {
    fn see(&mut self, look: &Look<'_>) {
        if let Some(pace) = look.text("heart.pace") {
            self.slow.look(look.newest_ms, pace == "bradycardia");
            self.fast.look(look.newest_ms, pace == "tachycardia");
        }
        if let Some(rhythm) = look.text("heart.rhythm") {
            self.irregular.look(look.newest_ms, rhythm == "irregular");
        }
    }

    fn count(&mut self, look: &Look<'_>) {
        if let (Some(premature), Some(pauses)) = (look.count("heart.premature"), look.count("heart.pauses")) {
            self.premature.look(look.newest_ms, premature);
            self.pauses.look(look.newest_ms, pauses);
        }
    }
}
