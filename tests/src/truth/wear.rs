//! Sparks of wristbands: goals, days of use, silence, prescriptions, and runners who come to a city.

use firmware_sim::{Step, Stepped};

use super::START_MS;
use super::score::{About, Table};
use super::spans::{Span, Wanted, matched, near};
use super::told::Scene;
use super::world::{truths, whole_life};
use crate::Failure;
use crate::random::Random;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
/// Frames of five minutes, and readings a minute apart.
const FRAMES_MS: i64 = 10 * MINUTE_MS;
/// Frames of ten seconds, and silence of twenty.
const SILENT_MS: i64 = 20_000;
const SILENCE_MS: i64 = 25_000;
/// Steps of a day.
const GOAL: f64 = 20_000.0;
/// Wear from which a day is one of use.
const USE_MS: i64 = 600_000;
/// A run is told of when it is over: a bout of another activity for half a minute, by a cadence of a minute.
const RUN_KNOWN_MS: i64 = 4 * MINUTE_MS;
/// Shorter runs may be none.
const RUN_MS: i64 = 150_000;
/// A run that ended so long before somebody came is among the last that happened.
const RECENT_MS: i64 = 8 * MINUTE_MS;

fn about(scenario: &'static str, event: &'static str, note: &'static str) -> About {
    About { scenario, kind: "wristband", event, unit: "", note }
}

pub(super) fn bands(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let goal = GOAL.to_string();
    let settings = [("greta", "goal", goal.as_str()), ("greta", "study", "hx-7")];
    let mut scene = Scene::new(&["goals", "trial", "prescription"], &[(&id, "greta")], &settings)?;
    // Frames are further apart than that study finds silent.
    scene.config.silent_after_ms = 3_600_000;
    scene.configure(START_MS);
    let last_ms = steps.last().map_or(START_MS, |step| step.at_ms);
    let orders = orders(chance(&steps), last_ms);
    let mut waiting = orders.iter().peekable();
    for step in &steps {
        while let Some((at_ms, rows)) = waiting.next_if(|(at_ms, _)| *at_ms < step.at_ms) {
            scene.offers(("pharmacy", "ready"), &written(rows), *at_ms);
        }
        scene.play(&id, step)?;
    }
    let both = |truth: Span, found: Span| {
        near(truth.from_ms, found.from_ms, FRAMES_MS) && near(truth.to_ms, found.to_ms.min(last_ms), FRAMES_MS)
    };
    let note = "within ten minutes of midnight, or of the end";
    let mut judge = |event, rule: &str, wanted: &[Wanted]| {
        table.add(about("drawers", event, note), matched(wanted, &scene.spans(rule), both));
    };
    judge("spark: the day's goal is reached", "goal-reached", &goals(&steps, last_ms));
    let days = Days::of(&steps, last_ms);
    judge("spark: three days in a row", "streak-kept", &days.in_which(|streak, _| streak >= 3));
    judge("spark: use falls off", "use-falls-off", &days.in_which(|streak, all| streak < 2 && all >= 3));
    judge(
        "spark: worn too little, to the study",
        "worn-too-little",
        &days.in_which(|streak, all| streak < 2 && all >= 2),
    );

    // Whether an order is there is known at once; whose it is, as soon as a pulse was seen.
    let at_once = |truth: Span, found: Span| {
        near(truth.from_ms, found.from_ms, 1_000) && near(truth.to_ms, found.to_ms.min(last_ms), 1_000)
    };
    let tally = matched(&ready(&orders, last_ms), &scene.spans("prescription-ready"), at_once);
    table.add(about("drawers", "spark: prescription ready, until it is picked up", ""), tally);
    Ok(())
}

/// What people do besides: of each device another, and by its seed.
pub(super) fn chance(steps: &[Step]) -> Random {
    let began = steps.iter().flat_map(|step| &step.truths).find_map(|line| line["uptime_ms"].as_u64());
    Random::new(began.unwrap_or_default())
}

/// Orders of the wearer and of others that become ready and are picked up: the table as it is from when on.
fn orders(mut random: Random, last_ms: i64) -> Vec<(i64, Vec<(u64, &'static str)>)> {
    let (mut at_ms, mut table, mut tables) = (START_MS + DAY_MS / 4, Vec::new(), Vec::new());
    for number in 0.. {
        at_ms += 1_000 * i64::try_from(1_800 + random.below(40_000)).unwrap_or(0);
        if at_ms + DAY_MS / 12 > last_ms {
            break;
        }
        if table.is_empty() || random.below(2) == 0 {
            table.push((number, if random.below(3) == 0 { "ivo" } else { "greta" }));
        } else {
            table.remove(usize::try_from(random.below(table.len() as u64)).unwrap_or(0));
        }
        tables.push((at_ms, table.clone()));
    }
    tables
}

fn written(rows: &[(u64, &str)]) -> String {
    let row = |(number, patient): &(u64, &str)| format!("R-{number},{patient},metformin,12 High Street\n");
    ["order,patient,item,place\n".to_owned()].into_iter().chain(rows.iter().map(row)).collect()
}

/// When each order of the wearer was ready.
fn ready(tables: &[(i64, Vec<(u64, &str)>)], last_ms: i64) -> Vec<Wanted> {
    let mut wanted: Vec<(u64, Span)> = Vec::new();
    for (at_ms, rows) in tables {
        for (number, _) in rows.iter().filter(|(_, patient)| *patient == "greta") {
            if wanted.iter().all(|(known, _)| known != number) {
                wanted.push((*number, Span { from_ms: *at_ms, to_ms: last_ms }));
            }
        }
        for (number, span) in &mut wanted {
            if span.to_ms == last_ms && rows.iter().all(|(here, _)| here != number) {
                span.to_ms = *at_ms;
            }
        }
    }
    wanted.into_iter().map(|(_, span)| Wanted { span, shown: true }).collect()
}

fn midnight_after(at_ms: i64) -> i64 {
    (at_ms.div_euclid(DAY_MS) + 1) * DAY_MS
}

/// From when the day's steps were as many as the goal, to the day's end.
fn goals(steps: &[Step], last_ms: i64) -> Vec<Wanted> {
    let told = truths(steps, "steps").filter_map(|line| Some((line["at_ms"].as_i64()?, line["total"].as_f64()?)));
    let (mut wanted, mut day_ms, mut base, mut before, mut reached) = (Vec::new(), 0, 0.0, None, false);
    for (at_ms, total) in told {
        let ends_ms = midnight_after(at_ms);
        if day_ms != ends_ms {
            // A day begins with what was counted last before it.
            (day_ms, base, reached) = (ends_ms, before.unwrap_or(total), false);
        }
        before = Some(total);
        if !reached && total - base >= GOAL {
            reached = true;
            let span = Span { from_ms: at_ms, to_ms: ends_ms.min(last_ms) };
            wanted.push(Wanted { span, shown: span.length_ms() > FRAMES_MS });
        }
    }
    wanted
}

/// Days of use, by when they became such.
struct Days {
    used: Vec<(i64, i64)>,
    first_ms: i64,
    last_ms: i64,
}

impl Days {
    fn of(steps: &[Step], last_ms: i64) -> Self {
        let first_ms = steps.first().map_or(START_MS, |step| step.at_ms);
        let mut off: Vec<Span> = truths(steps, "drawer").map(Span::of).collect();
        off.push(Span { from_ms: last_ms, to_ms: i64::MAX });
        let (mut used, mut from_ms) = (Vec::new(), first_ms);
        for drawer in off {
            // From one time in the drawer to the next, day by day.
            let mut worn_ms = from_ms;
            while worn_ms < drawer.from_ms {
                let ends_ms = midnight_after(worn_ms);
                let until_ms = ends_ms.min(drawer.from_ms);
                if until_ms - worn_ms >= USE_MS && used.last().is_none_or(|(day, _)| *day != ends_ms) {
                    used.push((ends_ms, worn_ms + USE_MS));
                }
                worn_ms = until_ms;
            }
            from_ms = drawer.to_ms;
        }
        Self { used, first_ms, last_ms }
    }

    /// Days in a row, and days in all, as they are known at a time.
    fn at(&self, at_ms: i64) -> (usize, usize) {
        let known = self.used.iter().filter(|(_, from_ms)| *from_ms <= at_ms);
        let days: Vec<i64> = known.map(|(day, _)| *day).collect();
        let today = midnight_after(at_ms);
        let last = if days.last() == Some(&today) { today } else { today - DAY_MS };
        let in_row = days.iter().rev().zip(0..).take_while(|(day, back)| **day == last - back * DAY_MS).count();
        (in_row, days.len())
    }

    /// When that was so of days in a row and days in all.
    fn in_which(&self, is_so: impl Fn(usize, usize) -> bool) -> Vec<Wanted> {
        let mut turns: Vec<i64> = self.used.iter().map(|(_, from_ms)| *from_ms).collect();
        let mut day_ms = midnight_after(self.first_ms);
        while day_ms < self.last_ms {
            turns.push(day_ms);
            day_ms += DAY_MS;
        }
        turns.sort_unstable();
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut since: Option<i64> = None;
        for at_ms in turns {
            let (in_row, all) = self.at(at_ms);
            match (is_so(in_row, all), since) {
                (true, None) => since = Some(at_ms),
                (false, Some(from_ms)) => {
                    let span = Span { from_ms, to_ms: at_ms };
                    wanted.push(Wanted { span, shown: span.length_ms() > FRAMES_MS });
                    since = None;
                }
                _ => {}
            }
        }
        let open = since.map(|from_ms| Span { from_ms, to_ms: self.last_ms });
        wanted.extend(open.map(|span| Wanted { span, shown: span.length_ms() > FRAMES_MS }));
        wanted
    }
}

/// Without a network a band is silent.
pub(super) fn silence(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let mut scene = Scene::new(&["trial"], &[(&id, "hugo")], &[])?;
    steps.iter().try_for_each(|step| scene.play(&id, step))?;
    let last_ms = steps.last().map_or(START_MS, |step| step.at_ms);
    let wanted: Vec<Wanted> = truths(&steps, "dead_zone")
        .map(Span::of)
        .map(|zone| Wanted {
            span: Span { from_ms: zone.from_ms + SILENT_MS, ..zone },
            shown: zone.length_ms() > SILENT_MS + SILENCE_MS,
        })
        .collect();
    let both = |truth: Span, found: Span| {
        near(truth.from_ms, found.from_ms, SILENCE_MS) && near(truth.to_ms, found.to_ms.min(last_ms), SILENCE_MS)
    };
    // One that goes on at the end is not told of.
    let found: Vec<Span> =
        scene.raised("band-silent").filter(|raise| !raise.stands()).map(|raise| raise.told).collect();
    let note = "without a network for less than 45 s";
    table.add(about("dead-zone", "spark: band silent, to the study", note), matched(&wanted, &found, both));
    Ok(())
}

/// Somebody comes to the city at some time, and runs before or after.
pub(super) fn runners(table: &mut Table, device: Stepped) -> Result<(), Failure> {
    let (id, steps) = whole_life(device)?;
    let mut scene = Scene::new(&["welcome"], &[(&id, "wanda"), ("phone", "wanda")], &[])?;
    let first_ms = steps.first().map_or(START_MS, |step| step.at_ms);
    let comes_ms = first_ms + MINUTE_MS * i64::try_from(10 + chance(&steps).below(140))?;
    scene.world.say("phone", r#"{"latitude": 53.55, "longitude": 9.99}"#, first_ms)?;
    let mut here = [comes_ms, comes_ms + 30_000].into_iter().peekable();
    for step in &steps {
        while let Some(at_ms) = here.next_if(|at_ms| *at_ms < step.at_ms) {
            scene.say("phone", r#"{"latitude": 48.14, "longitude": 11.57}"#, at_ms)?;
        }
        scene.play(&id, step)?;
    }
    let runs: Vec<Span> = truths(&steps, "activity").filter(|line| line["what"] == "run").map(Span::of).collect();
    let fits = |truth: Span, found: Span| (truth.from_ms..=truth.from_ms + RUN_KNOWN_MS).contains(&found.from_ms);
    let note = "ran less than 2.5 min, or longer ago than the last eight things that happened";
    let tally = matched(&welcomes(&runs, comes_ms), &scene.instants("welcome-runner"), fits);
    table.add(about("cardiac", "spark: a runner comes to the city", note), tally);
    Ok(())
}

/// One a day: when a runner comes, or after the first run there.
fn welcomes(runs: &[Span], comes_ms: i64) -> Vec<Wanted> {
    let at = |at_ms: i64, shown| Wanted { span: Span { from_ms: at_ms, to_ms: at_ms }, shown };
    let before = runs.iter().rev().find(|run| run.to_ms <= comes_ms);
    if before.is_some_and(|run| run.to_ms > comes_ms - RECENT_MS && run.length_ms() > RUN_MS) {
        return vec![at(comes_ms, true)];
    }
    let mut wanted: Vec<Wanted> = before.map(|_| at(comes_ms, false)).into_iter().collect();
    for run in runs.iter().filter(|run| run.to_ms > comes_ms) {
        let clear = run.length_ms() > RUN_MS;
        wanted.push(at(run.to_ms, clear && wanted.is_empty()));
        if clear {
            break;
        }
    }
    wanted
}
