//! What rules cost: `cargo bench -p halo-gateway --bench rules`. Frames of 10 s of simulated wristbands are decoded and
//! folded, without rules and with them, in turn in one run; what the rules add is shown as a share of one core.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use firmware_sim::Kind;
use firmware_sim::bench::{Load, payloads};
use halo_gateway::halo::{Fold, Models};
use halo_gateway::record::{
    Act, Body, ClockSource, ClockUse, Deed, Format, Frame, GatewayTime, Identity, KeyId, Name, Offset, Record,
    StartEpoch, SubjectKind,
};
use halo_gateway::spark::{CohortConfig, Engine, Known, RuleConfig, Rules};
use halo_gateway::store::identity::Identities;
use halo_proto::topic::Grammar;

const WALL_MS: i64 = 1_795_291_200_000;
/// Frames of each subject.
const ROUNDS: u32 = 6;
/// How often each trial is run; the median counts.
const RUNS: usize = 5;
/// Signals of a wristband that rules look at.
const SIGNALS: [&str; 4] = ["heart_rate", "skin_temperature", "steps", "rr_interval"];

struct Trial {
    name: &'static str,
    subjects: u32,
    rules: String,
    /// Frames a second of the load that the share of a core is told for.
    rate: f64,
}

fn main() {
    let trials = [
        Trial {
            name: "8,000 rules, each of one of 800 subjects (10 a subject)",
            subjects: 800,
            rules: own_rules(800, 10),
            rate: 800.0,
        },
        Trial {
            name: "8,000 rules, each of one of 8,000 subjects",
            subjects: 8_000,
            rules: own_rules(8_000, 1),
            rate: 800.0,
        },
        Trial {
            name: "1,000 rules of everybody, of 500 signals, 10,000 subjects",
            subjects: 10_000,
            rules: common_rules(1_000, 496),
            rate: 1_000.0,
        },
    ];
    println!("{} threads there are, one is used; median of {RUNS} runs, in turns", threads());
    for trial in &trials {
        run(trial);
    }
    for subjects in [1_000, 10_000, 100_000] {
        look_at_cohort(subjects);
    }
}

/// How long the fold stands still while one cohort over so many is looked at: that is done between two records.
fn look_at_cohort(subjects: u32) {
    let mut records = records(subjects, 1);
    let agreed = (0..subjects).map(|n| {
        let settings = vec![("cohorts".to_owned(), Some("yes".to_owned()))];
        Body::Act(Act {
            by: "bench".to_owned(),
            deed: Deed::Set { subject: format!("band-{n:05}"), kind: Some(SubjectKind::Person), settings },
        })
    });
    let mut last = records.last().expect("frames").clone();
    let mut then = |ms, body| {
        last.offset = last.offset.next();
        last.stamp.mono_ms += ms;
        last.stamp.wall_ms += ms as i64;
        last.body = body;
        last.clone()
    };
    records.extend(agreed.map(|body| then(0, body)));
    let mut fold = Fold::new(Grammar::default());
    for record in &records {
        fold.apply(record);
    }
    let cohort: CohortConfig = toml::from_str(
        "name = 'all'\nwhere = 'a.signals.heart_rate.value > 30'\n\
         figures = ['a.signals.heart_rate.value', 'a.signals.skin_temperature.value']",
    )
    .expect("a cohort");
    let mut engine = engine(&[]).with_cohorts(&[cohort]).expect("a cohort that compiles");
    let mut looks = Vec::new();
    let mut drafts = Vec::new();
    looks.push(timed(|| engine.begin(&fold).into_iter().map(|draft| drafts.push(draft.body)).count() as u64).0);
    for number in 0..RUNS {
        for body in std::mem::take(&mut drafts) {
            let record = then(0, body);
            fold.apply(&record);
            engine.follow(&record, &fold);
        }
        // Something changes, and a minute is over.
        let settings = vec![("look".to_owned(), Some(number.to_string()))];
        let deed = Deed::Set { subject: "band-00000".to_owned(), kind: None, settings };
        let record = then(60_000, Body::Act(Act { by: "bench".to_owned(), deed }));
        fold.apply(&record);
        let look = timed(|| engine.follow(&record, &fold).into_iter().map(|it| drafts.push(it.body)).count() as u64);
        looks.push(look.0);
    }
    let first = looks.remove(0);
    println!("\none cohort of {subjects} subjects, two figures");
    println!("  first look, ms           {:10.1}", first.as_secs_f64() * 1e3);
    println!("  a look a minute, ms      {:10.1}", median(looks).as_secs_f64() * 1e3);
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Rules of one subject each, over its signals in turn; none of them ever holds.
fn own_rules(subjects: u32, each: u32) -> String {
    let mut text = String::new();
    for n in 0..subjects * each {
        let (subject, signal) = (n % subjects, SIGNALS[(n / subjects) as usize % SIGNALS.len()]);
        let when = format!("a.signals.{signal}.value > {} && a.context.place.zone != 'gym'", 100_000 + n);
        write!(text, "[[rule]]\nname = 'r{n}'\nabout = {{ subject = 'band-{subject:05}' }}\nwhen = \"{when}\"\n")
            .expect("a String takes everything");
    }
    text
}

/// Rules of everybody: over the signals of a wristband and so many that none of them sends.
fn common_rules(rules: u32, others: usize) -> String {
    let mut text = String::new();
    for n in 0..rules {
        let at = n as usize % (SIGNALS.len() + others);
        let signal = SIGNALS.get(at).map_or_else(|| format!("other_{at}"), |signal| (*signal).to_owned());
        let when = format!("a.signals.{signal}.value > {}", 100_000 + n);
        write!(text, "[[rule]]\nname = 'r{n}'\nwhen = \"{when}\"\n").expect("a String takes everything");
    }
    text
}

fn parsed(text: &str) -> Vec<RuleConfig> {
    #[derive(serde::Deserialize)]
    struct All {
        rule: Vec<RuleConfig>,
    }
    toml::from_str::<All>(text).expect("rules of the bench").rule
}

fn known() -> Known {
    let signals = (0..1_000).map(|n| Name::from(format!("other_{n}"))).collect();
    Known { signals, ..Known::default() }
}

fn engine(rules: &[RuleConfig]) -> Engine {
    Engine::new(rules.to_vec(), known(), Models::default(), Identities::one("bench")).expect("rules that compile")
}

/// Frame after frame, each subject in its turn.
fn records(subjects: u32, rounds: u32) -> Vec<Record> {
    let payloads = payloads(&Load::frames(&[Kind::Wristband]), 0, rounds).expect("a simulated kind");
    let mut records = Vec::new();
    for (round, payload) in (0..).zip(payloads) {
        for n in 0..subjects {
            let mono_ms = u64::from(round) * 10_000;
            let arrival = GatewayTime { wall_ms: WALL_MS + mono_ms as i64, mono_ms };
            let name = Name::from(format!("band-{n:05}"));
            let frame = Frame {
                device: name.clone(),
                publisher: name.clone(),
                subject: name,
                identity: Some(Identity { boot: 1, seq: round }),
                format: Format::Tf1,
                arrival,
                qos: 1,
                // Uptime begins at 2^28 ms.
                clock: ClockUse { offset_ms: WALL_MS - (1 << 28), source: ClockSource::Synced },
                payload: payload.clone(),
            };
            let (offset, body) = (Offset(records.len() as u64 + 1), Body::Frame(frame));
            records.push(Record { offset, epoch: StartEpoch(1), stamp: arrival, cause: None, key: KeyId(0), body });
        }
    }
    records
}

#[expect(clippy::disallowed_methods, reason = "a bench measures the machine itself")]
fn timed(work: impl FnOnce() -> u64) -> (Duration, u64) {
    let begun = Instant::now();
    let counted = work();
    (begun.elapsed(), counted)
}

/// All frames but the first of each subject, which makes its halo; expressions run.
fn folded(records: &[Record], subjects: u32, rules: Option<&[RuleConfig]>) -> (Duration, u64) {
    let mut fold = Fold::new(Grammar::default());
    let (first, rest) = records.split_at(subjects as usize);
    for record in first {
        fold.apply(record);
    }
    let mut engine = rules.map(engine);
    let drafts = engine.as_mut().map(|engine| engine.begin(&fold).len());
    assert_eq!(drafts.unwrap_or_default(), 0, "no rule of the bench ever holds");
    let before = engine.as_ref().map_or(0, Engine::evaluations);
    timed(|| {
        for record in rest {
            fold.apply(record);
            if let Some(engine) = &mut engine {
                assert!(engine.follow(record, &fold).is_empty());
            }
        }
        engine.as_ref().map_or(0, Engine::evaluations) - before
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn run(trial: &Trial) {
    let (records, rules) = (records(trial.subjects, ROUNDS), parsed(&trial.rules));
    let frames = records.len() as f64 - f64::from(trial.subjects);
    let (mut without, mut with, mut evaluations) = (Vec::new(), Vec::new(), 0);
    for _ in 0..RUNS {
        without.push(folded(&records, trial.subjects, None).0);
        let (time, ran) = folded(&records, trial.subjects, Some(&rules));
        with.push(time);
        evaluations = ran;
    }
    let (compiling, compiled) = {
        let mut compiled = None;
        let (time, _) = timed(|| {
            compiled = Some(Rules::compile(&rules, &known()).expect("rules that compile"));
            0
        });
        (time, compiled.expect("compiled"))
    };
    let (without, with) = (median(without).as_secs_f64(), median(with).as_secs_f64());
    let added_us = (with - without) / frames * 1e6;
    println!("\n{}", trial.name);
    println!("  evaluations a frame      {:10.2}", evaluations as f64 / frames);
    println!("  ns an evaluation         {:10.0}", (with - without) * 1e9 / (evaluations as f64).max(1.0));
    println!("  frames/s without, with   {:10.0} {:10.0}   ({:.2})", frames / without, frames / with, without / with);
    println!("  added to a frame, us     {added_us:10.2}");
    println!("  of a core at {:5} frames/s {:8.2} %", trial.rate, added_us * trial.rate / 1e4);
    let bytes = compiled.memory_bytes() / rules.len();
    println!("  bytes a rule             {bytes:10}");
    println!("  compiled in, ms          {:10.0}", compiling.as_secs_f64() * 1e3);
    let (checked, added) = one_more(&records, &rules);
    println!("  one more checked, ms     {:10.1}", checked.as_secs_f64() * 1e3);
    println!("  one more in force, ms    {:10.1}", added.as_secs_f64() * 1e3);
}

/// What a rule takes that is added beside these: to be checked among them, and to be in force.
fn one_more(records: &[Record], rules: &[RuleConfig]) -> (Duration, Duration) {
    let mut fold = Fold::new(Grammar::default());
    for record in records {
        fold.apply(record);
    }
    let mut engine = engine(rules);
    engine.begin(&fold);
    let (mut checks, mut adds) = (Vec::new(), Vec::new());
    let mut last = records.last().expect("frames").clone();
    for number in 0..RUNS {
        let text = format!("name = 'more-{number}'\nwhen = 'a.signals.heart_rate.value > 100000'\n");
        checks.push(timed(|| engine.check(&text).map_or(0, |_| 1)).0);
        last.offset = last.offset.next();
        let deed = Deed::Rule { name: format!("more-{number}"), text: Some(text) };
        last.body = Body::Act(Act { by: "bench".to_owned(), deed });
        fold.apply(&last);
        adds.push(timed(|| engine.follow(&last, &fold).len() as u64).0);
    }
    (median(checks), median(adds))
}
