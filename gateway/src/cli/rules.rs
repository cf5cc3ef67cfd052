//! `rules` and `sparks`: what makes sparks, what would, and what became of them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Failure;
use super::client::Target;
use super::past::Root;
use super::table::{self, text};
use crate::admin::Command;
use crate::app::read_models;
use crate::clock::Clock;
use crate::config::{Config, ModelFiles};
use crate::forward::json::Time;
use crate::history::Supposed;
use crate::record::{Answer, Said};
use crate::spark::{CohortConfig, Known, OnPaper, RuleConfig, Rules as Compiled, check_cohorts, on_paper};
use crate::terminal::{complain, say};
use crate::units::count;
use crate::units::when::{self, When};

/// A file of rules may be as long as this.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// What to do with rules.
#[derive(Subcommand)]
pub(super) enum Rules {
    /// The rules of a running gateway, how each is and what became of its sparks.
    List(Target),
    /// Check a file of rules, and the cohorts in it: exit code 0 means a gateway with this configuration would take them.
    Check(File),
    /// Put the rules of a file in force in a running gateway, beside those of its configuration.
    Add(To),
    /// Take away a rule that was added.
    Remove(Named),
    /// Try a rule again that was fenced off or fell quiet; it is judged by its answers from now on.
    Resume(Named),
    /// What rules say of a halo in a file, and by which facts.
    Test(Test),
    /// What rules would have raised on what the log has.
    Replay(Replay),
}

/// A file of rules.
#[derive(Args)]
pub(super) struct File {
    /// TOML with [[rule]] tables; a whole configuration will do.
    file: PathBuf,
    /// One JSON document per line.
    #[arg(long)]
    json: bool,
}

/// Which rules, and which gateway.
#[derive(Args)]
pub(super) struct To {
    /// TOML with [[rule]] tables. If it is a whole configuration, signals of its own are known; only rules are added.
    file: PathBuf,
    #[command(flatten)]
    target: Target,
}

/// Which rule.
#[derive(Args)]
pub(super) struct Named {
    /// Its name.
    rule: String,
    #[command(flatten)]
    target: Target,
}

/// Rules, and a halo on paper.
#[derive(Args)]
pub(super) struct Test {
    /// TOML with [[rule]] tables; a whole configuration will do.
    rules: PathBuf,
    /// The halo that is `a`: a document of schema halo/1.
    #[arg(long, value_name = "FILE")]
    halo: PathBuf,
    /// The halo that is `b`.
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
    /// A table of offers: CSV or JSON. As often as there are tables [default: rules with offers are not known].
    #[arg(long, value_name = "ORGANISATION/TABLE=FILE", value_parser = named_file)]
    offers: Vec<(String, PathBuf)>,
    /// What `now` is (RFC 3339) [default: the time of the halo].
    #[arg(long, value_name = "TIME")]
    now: Option<jiff::Timestamp>,
    /// One JSON document per line.
    #[arg(long)]
    json: bool,
}

/// Rules, and a span of the log.
#[derive(Args)]
pub(super) struct Replay {
    /// TOML with [[rule]] tables; a whole configuration will do.
    rules: PathBuf,
    /// From when on [default: the beginning of the log].
    #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true)]
    from: Option<When>,
    /// Until when [default: the end of the log].
    #[arg(long, value_name = "TIME", value_parser = when::parse, allow_hyphen_values = true)]
    until: Option<When>,
    #[command(flatten)]
    root: Root,
    #[command(flatten)]
    target: Target,
}

/// What to do with sparks.
#[derive(Subcommand)]
pub(super) enum Sparks {
    /// The open sparks of a running gateway.
    List {
        /// Of one subject [default: of all].
        subject: Option<String>,
        /// Also those that have ended, as far as halos still show them.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Answer a spark in the name of its subject.
    Answer {
        /// The subject's id.
        subject: String,
        /// The spark's id, as `sparks list` shows it.
        spark: String,
        /// What is said.
        #[arg(value_enum)]
        answer: Word,
        /// 1 to 5.
        #[arg(long, value_name = "N")]
        rating: Option<u8>,
        /// In words.
        #[arg(long, value_name = "TEXT", default_value = "")]
        text: String,
        #[command(flatten)]
        target: Target,
    },
}

/// What can be said.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(super) enum Word {
    /// Yes.
    Accepted,
    /// No.
    Declined,
}

pub(super) fn rules(command: Rules) -> Result<ExitCode, Failure> {
    match command {
        Rules::List(target) => {
            let fields = ["rule", "state", "severity", "open", "raised", "accepted", "declined", "ignored", "reason"];
            table::print(&target.ask(Command::Rules)?, target.json, &fields, "there are no rules");
        }
        Rules::Check(file) => return check(&file),
        Rules::Add(To { file, target }) => add(&file, &target)?,
        Rules::Remove(Named { rule, target }) => {
            let rows = target.ask(Command::RemoveRule { rule: rule.clone() })?;
            done(&rows, &target, &format!("rule {rule} is not in force any more"));
        }
        Rules::Resume(Named { rule, target }) => {
            let rows = target.ask(Command::ResumeRule { rule: rule.clone() })?;
            done(&rows, &target, &format!("rule {rule} is tried again"));
        }
        Rules::Test(it) => test(&it)?,
        Rules::Replay(it) => replay(&it)?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn sparks(command: Sparks) -> Result<ExitCode, Failure> {
    match command {
        Sparks::List { subject, all, target } => {
            let fields = ["spark", "subject", "state", "severity", "with", "offer", "since", "answer", "message"];
            let rows = target.ask(Command::Sparks { subject, all })?;
            table::print(&rows, target.json, &fields, "there are no sparks");
        }
        Sparks::Answer { subject, spark, answer, rating, text, target } => {
            let answer = match answer {
                Word::Accepted => Answer::Accepted,
                Word::Declined => Answer::Declined,
            };
            let done_text = format!("{subject} has {} {spark}", answer.as_str());
            let said = Said { spark, answer, rating, text };
            let rows = target.ask(Command::AnswerSpark { subject, said })?;
            done(&rows, &target, &done_text);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn done(rows: &[Value], target: &Target, text: &str) {
    if target.json {
        rows.iter().all(say);
    } else {
        say(text);
    }
}

/// The rules of a file, and the text of each.
struct Read {
    rules: Vec<RuleConfig>,
    texts: Vec<String>,
    compiled: Compiled,
    cohorts: Vec<CohortConfig>,
    known: Known,
    models: ModelFiles,
}

fn read(file: &Path) -> Result<Read, Failure> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {}", file.display(), error.to_string().trim_end());
    let bytes = std::fs::metadata(file).map_err(|error| named(&error))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(named(&format!("{bytes} bytes, at most {FILE_BYTES_MAX}")).into());
    }
    let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
    // Whatever else the file says is read too: signals of a fleet's own may be declared there.
    let config: Config = toml::from_str(&text).map_err(|error| named(&error))?;
    let known = config.known();
    let Config { rule: rules, cohort: cohorts, halo, .. } = config;
    if rules.is_empty() {
        return Err(named(&"has no [[rule]]").into());
    }
    let compiled = Compiled::compile(&rules, &known).map_err(|error| named(&error))?;
    let tree: toml::Table = toml::from_str(&text).map_err(|error| named(&error))?;
    let tables = tree.get("rule").and_then(toml::Value::as_array).into_iter().flatten();
    let texts = tables.map(toml::to_string).collect::<Result<_, _>>()?;
    Ok(Read { rules, texts, compiled, cohorts, known, models: halo.models })
}

fn check(File { file, json }: &File) -> Result<ExitCode, Failure> {
    match read(file).and_then(|read| checked(file, read)) {
        Ok((rules, cohorts)) => {
            if *json {
                say(json!({"valid": true, "rules": rules, "cohorts": cohorts}));
            } else {
                let also = if cohorts > 0 { format!(" and {}", count(cohorts, "cohort")) } else { String::new() };
                say(format_args!("{}{also}, all valid", count(rules, "rule")));
            }
        }
        Err(failure) if *json => {
            say(json!({"valid": false, "problem": failure.to_string()}));
            return Ok(ExitCode::FAILURE);
        }
        Err(failure) => return Err(failure),
    }
    Ok(ExitCode::SUCCESS)
}

/// How many rules and cohorts there are.
fn checked(file: &Path, read: Read) -> Result<(u64, u64), Failure> {
    let Read { rules, compiled, cohorts, known, .. } = read;
    check_cohorts(&cohorts, &compiled, &known).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok((rules.len() as u64, cohorts.len() as u64))
}

fn add(file: &Path, target: &Target) -> Result<(), Failure> {
    let read = read(file)?;
    for (rule, text) in read.rules.iter().zip(read.texts) {
        let rows = target.ask(Command::AddRule { text })?;
        done(&rows, target, &format!("rule {} is in force", rule.name));
    }
    Ok(())
}

fn named_file(text: &str) -> Result<(String, PathBuf), String> {
    let (table, file) = text.split_once('=').ok_or("wanted ORGANISATION/TABLE=FILE")?;
    Ok((table.to_owned(), file.into()))
}

fn test(Test { rules, halo, with, offers, now, json: as_json }: &Test) -> Result<(), Failure> {
    let read = read(rules)?;
    let a = document(halo)?;
    let b = with.as_ref().map(|file| document(file)).transpose()?;
    let time = a["time"].as_str().and_then(|time| time.parse().ok());
    let now = now.or(time).ok_or_else(|| format!("{}: has no time; say --now", halo.display()))?;
    let table = |(name, file): &(String, PathBuf)| {
        let table = super::offers::table(file).map_err(|why| format!("{}: {why}", file.display()))?;
        Ok::<_, Failure>((name.clone(), table))
    };
    let tables = offers.iter().map(table).collect::<Result<_, _>>()?;
    let paper = OnPaper { a: &a, b: b.as_ref(), tables: &tables, now_ms: now.as_millisecond() };
    let verdicts = on_paper(&read.rules, &read.known, paper)?;
    if verdicts.is_empty() {
        complain(format_args!("no rule is about {}, or no offer is for it", halo.display()));
    }
    for verdict in verdicts {
        let fired = match (verdict.holds, &verdict.failure) {
            (_, Some(_)) => "fails",
            (Some(true), _) => "holds",
            (Some(false), _) => "does not hold",
            (None, _) => "is not known",
        };
        if *as_json {
            let facts: serde_json::Map<_, _> = verdict.facts.into_iter().collect();
            let failure = verdict.failure;
            say(
                json!({"rule": verdict.rule, "offer": verdict.offer, "verdict": fired, "failure": failure, "message": verdict.message, "facts": facts}),
            );
            continue;
        }
        let offer = verdict.offer.map(|key| format!(", offer {key}")).unwrap_or_default();
        say(format_args!("{}{offer}: {fired}", verdict.rule));
        verdict.failure.iter().all(|failure| say(format_args!("  {failure}")));
        verdict.facts.iter().all(|(path, value)| say(format_args!("  {path} = {}", text(value))));
        if verdict.holds == Some(true) && !verdict.message.is_empty() {
            say(format_args!("  \"{}\"", verdict.message));
        }
    }
    Ok(())
}

fn document(file: &Path) -> Result<Value, Failure> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let bytes = std::fs::read(file).map_err(|error| named(&error))?;
    let document: Value = serde_json::from_slice(&bytes).map_err(|error| named(&error))?;
    if document["schema"] != "halo/1" {
        return Err(named(&format!("schema is {}, wanted \"halo/1\"", document["schema"])).into());
    }
    Ok(document)
}

fn replay(Replay { rules, from, until, root, target }: &Replay) -> Result<(), Failure> {
    let read = read(rules)?;
    let past = root.open(target)?;
    let now_ms = Clock::system().now().wall_ms;
    let (from_ms, until_ms) = (from.map_or(i64::MIN, |at| at.at(now_ms)), until.map_or(i64::MAX, |at| at.at(now_ms)));
    let mut counts = std::collections::BTreeMap::<String, [u64; 3]>::new();
    let models = read_models(&read.models)?;
    let told = past.supposed(&read.rules, &read.known, &models, from_ms..until_ms, |it: &Supposed| {
        let place = ["raised", "cleared", "answered"].iter().position(|state| *state == it.state).unwrap_or_default();
        counts.entry(it.rule.to_string()).or_default()[place] += 1;
        if target.json {
            return say(it.json());
        }
        let with =
            [it.pair.with.as_deref(), it.pair.offer.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let with = if with.is_empty() { String::new() } else { format!(" with {with}") };
        say(format_args!("{}  {:<8}  {}  {}{with}  {}", Time(it.time_ms), it.state, it.rule, it.subject, it.message))
    })?;
    told.fenced.iter().for_each(|reason| complain(format_args!("{reason}")));
    if !target.json {
        say(format_args!("{} records, {} evaluations", told.records, told.evaluations));
        for rule in &read.rules {
            let [raised, cleared, answered] = counts.get(&rule.name).copied().unwrap_or_default();
            say(format_args!("{}: {raised} raised, {cleared} cleared, {answered} answers", rule.name));
        }
    }
    Ok(())
}
