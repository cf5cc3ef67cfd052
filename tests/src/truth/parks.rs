//! Sparks of a park: a table where a family has come to, for all of them; and who is asked what it is like there.

use std::collections::{BTreeMap, BTreeSet};

use firmware_sim::{Step, Stepped};
use halo_gateway::record::{Answer, Name};
use halo_gateway::situations::named;

use super::score::{About, Table, Tally};
use super::spans::{Span, Wanted, matched, near};
use super::sparks::together;
use super::told::{Raise, Scene};
use super::world::{truths, whole_life};
use crate::Failure;

/// A frame of ten seconds tells of a tap, and a clock has drifted by up to two.
const TAP_MS: i64 = 12_000;
/// A restaurant is not offered again within this of the end of its last offer.
const COOL_MS: i64 = 4 * 3_600_000;
/// Who accepts does so soon.
const THINKS_MS: i64 = 40_000;

fn about(scenario: &'static str, event: &'static str, note: &'static str) -> About {
    About { scenario, kind: "park band", event, unit: "", note }
}

pub(super) fn families(table: &mut Table, devices: Vec<Stepped>, seed: u64) -> Result<(), Failure> {
    let lives = devices.into_iter().map(whole_life).collect::<Result<BTreeMap<String, Vec<Step>>, Failure>>()?;
    let settings: Vec<(&str, &str, &str)> = lives.keys().map(|id| (id.as_str(), "children", "2")).collect();
    let mut scene = Scene::new(&["park-day"], &[], &settings)?;
    let Some(first) = lives.keys().next() else { return Ok(()) };
    let (mut thinking, mut accepted): (Vec<(i64, Raise)>, Vec<i64>) = (Vec::new(), Vec::new());
    for (id, step) in together(&lives) {
        while let Some((at_ms, raise)) = thinking.pop_if(|(at_ms, _)| *at_ms < step.at_ms) {
            // The first of the family accepts two of three.
            let stands = scene.raised("park-lunch").any(|it| it.is(&raise) && it.stands());
            if stands && !(at_ms as u64 / 1_000 + seed).is_multiple_of(3) {
                scene.answer(&raise, first, Answer::Accepted, at_ms);
                accepted.push(at_ms);
            }
        }
        scene.play(id, step)?;
        let offered = scene.new_ones().into_iter().rev().find(|it| *it.rule == *"park-lunch" && *it.subject == **first);
        thinking.extend(offered.map(|raise| (step.at_ms + THINKS_MS, raise)));
    }
    let soon = |truth: Span, found: Span| near(truth.from_ms, found.from_ms, TAP_MS);
    for (id, steps) in &lives {
        let found: Vec<Span> =
            scene.raised("park-lunch").filter(|it| *it.subject == **id).map(Raise::instant).collect();
        let note = "left within a frame of its being due";
        table.add(about("park-day", "spark: a table in the land of a tap", note), matched(&due(steps), &found, soon));
    }
    let Some(steps) = lives.get(first) else { return Ok(()) };
    let stays = stays(steps);
    let table_of = |at_ms: &i64| {
        let left_ms = stays.iter().find(|stay| (stay.1.from_ms..stay.1.to_ms).contains(at_ms)).map(|stay| stay.1.to_ms);
        let to_ms = left_ms.unwrap_or(i64::MAX);
        Wanted { span: Span { from_ms: *at_ms, to_ms }, shown: to_ms.saturating_sub(*at_ms) > TAP_MS }
    };
    let wanted: Vec<Wanted> = accepted.iter().map(table_of).collect();
    let both = |truth: Span, found: Span| {
        near(truth.from_ms, found.from_ms, 1_000) && (truth.to_ms.abs_diff(found.to_ms) <= TAP_MS.unsigned_abs())
    };
    for id in lives.keys().filter(|id| *id != first) {
        let found: Vec<Span> = scene.raised("park-table").filter(|it| *it.subject == **id).map(|it| it.span).collect();
        let event = "spark: a table for the party, from the yes until they leave the land";
        table.add(about("park-day", event, ""), matched(&wanted, &found, both));
    }
    Ok(())
}

/// From the first tap in a land to the first in another.
fn stays(steps: &[Step]) -> Vec<(String, Span)> {
    let mut stays: Vec<(String, Span)> = Vec::new();
    for line in truths(steps, "tap") {
        let (Some(at_ms), Some(land)) = (line["at_ms"].as_i64(), line["land"].as_str()) else { continue };
        if stays.last().is_some_and(|(last, _)| last == land) {
            continue;
        }
        stays.last_mut().into_iter().for_each(|(_, stay)| stay.to_ms = at_ms);
        stays.push((land.to_owned(), Span { from_ms: at_ms, to_ms: i64::MAX }));
    }
    stays
}

/// When an offer is due: with the first tap in a land, or when four hours are over since the last offer there ended, if
/// the guest is still there.
fn due(steps: &[Step]) -> Vec<Wanted> {
    let (mut cooled, mut wanted) = (BTreeMap::new(), Vec::new());
    // What falls due after the day is over is not seen.
    let last_ms = steps.last().map_or(0, |step| step.at_ms);
    for (land, stay) in stays(steps) {
        let stay = Span { to_ms: stay.to_ms.min(last_ms), ..stay };
        let due_ms = cooled.get(&land).map_or(stay.from_ms, |cooled_ms| stay.from_ms.max(*cooled_ms));
        if due_ms < stay.to_ms {
            let shown = stay.to_ms.saturating_sub(due_ms) > TAP_MS;
            wanted.push(Wanted { span: Span { from_ms: due_ms, to_ms: due_ms }, shown });
            cooled.insert(land, stay.to_ms.saturating_add(COOL_MS));
        }
    }
    wanted
}

/// Who was planted to be in the middle of things, and agreed to take part, is asked; nobody else.
pub(super) fn listening(table: &mut Table, devices: Vec<Stepped>, _: u64) -> Result<(), Failure> {
    let lives = devices.into_iter().map(whole_life).collect::<Result<BTreeMap<String, Vec<Step>>, Failure>>()?;
    let mut scene = Scene::new(&["listening"], &[], &[])?;
    together(&lives).into_iter().try_for_each(|(id, step)| scene.play(id, step))?;
    let setup = named("listening").ok_or("no such situation")?.setup;
    let agreed: BTreeSet<Name> = setup
        .lines()
        .filter(|line| line.ends_with(" cohorts=yes"))
        .filter_map(|line| line.split_whitespace().nth(2).map(Name::from))
        .collect();
    let is_host = |id: &str| lives.get(id).is_some_and(|steps| truths(steps, "role").any(|it| it["what"] == "host"));
    let hosts: BTreeSet<Name> = agreed.iter().filter(|id| is_host(id)).cloned().collect();
    let invited: Vec<&Name> = scene.raised("tell-us").map(|raise| &raise.subject).collect();
    let right = invited.iter().filter(|name| hosts.contains(**name)).count() as f64;
    let recalled = hosts.iter().filter(|host| invited.contains(host)).count() as f64;
    let tally = Tally { truths: hosts.len() as f64, found: invited.len() as f64, recalled, right, hidden: 0.0 };
    let note = "hosts who did not agree: never asked, never counted";
    let unwilling = lives.keys().filter(|id| is_host(id) && !hosts.contains(id.as_str())).count() as f64;
    table.add(about("hosts", "spark: the most central are asked", note), Tally { hidden: unwilling, ..tally });

    // Whoever rode takes part in the cohort; those who came last wait until they are ten.
    let counted: BTreeSet<&Name> =
        scene.world.counted().iter().flat_map(|it| it.count.members.as_deref().unwrap_or_default()).collect();
    let right = counted.iter().filter(|name| agreed.contains(**name)).count() as f64;
    let waiting = agreed.len() as f64 - right;
    let tally = Tally { truths: right, found: counted.len() as f64, recalled: right, right, hidden: waiting };
    let note = "fewer than ten who wait to be counted";
    let tally = if waiting < 10.0 { tally } else { Tally { truths: agreed.len() as f64, ..tally } };
    table.add(about("hosts", "cohort: those who agreed are counted", note), tally);
    Ok(())
}
