//! A halo as a document: what a rule would say of it, without a gateway.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::cel::{Facts, Fields, Rows, Value};
use super::offered::{Wanted, rows};
use super::path::{OfDerived, OfSignal, Part, Path, Side};
use super::rules::{Rule, RuleConfig, RuleError, Who};
use super::ruleset::Rules;
use super::{Known, cel};
use crate::ingest::offers::{Row, Table};

/// What a rule says of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The rule.
    pub rule: String,
    /// The key of the offer it is brought together with.
    pub offer: Option<String>,
    /// Whether its condition holds; none: it rests on something the document does not have.
    pub holds: Option<bool>,
    /// Why it cannot be run.
    pub failure: Option<String>,
    /// What would be told.
    pub message: String,
    /// What it reads, and what that is in the document; null where it is not there.
    pub facts: Vec<(String, Json)>,
}

/// The documents that rules are run over.
#[derive(Clone, Copy, Debug)]
pub struct OnPaper<'a> {
    /// `a`, of schema `halo/1`.
    pub a: &'a Json,
    /// `b`, for rules over two halos.
    pub b: Option<&'a Json>,
    /// Tables of offers, by `ORGANISATION/TABLE`.
    pub tables: &'a BTreeMap<String, Table>,
    /// `now`, Unix milliseconds.
    pub now_ms: i64,
}

/// Runs the conditions of those rules that are about `a`; of a rule with offers, for each row it looks at, if its table is
/// there. Figures over members and ranks are not known.
///
/// # Errors
/// As [`Rules::compile`].
pub fn on_paper(configs: &[RuleConfig], known: &Known, it: OnPaper<'_>) -> Result<Vec<Verdict>, RuleError> {
    let rules = Rules::compile(configs, known)?;
    let about = rules.0.iter().filter(|rule| is_about(&rule.config.about, it.a));
    Ok(about.flat_map(|rule| verdicts(rule, it)).collect())
}

fn is_about(who: &Who, halo: &Json) -> bool {
    let kind = who.kind.map(|kind| serde_json::to_value(kind).unwrap_or_default());
    who.subject.as_ref().is_none_or(|subject| halo["subject"] == **subject)
        && kind.is_none_or(|kind| halo["kind"] == kind)
}

fn verdicts(rule: &Rule, it: OnPaper<'_>) -> Vec<Verdict> {
    let table = rule.config.offer.as_ref().and_then(|offer| Some((offer, it.tables.get(&offer.table)?)));
    let paper = Paper::new(&rule.paths, it, table.map(|(_, table)| table));
    let Some((offer, table)) = table else { return vec![verdict(rule, &paper)] };
    let mut budget = cel::BUDGET;
    let wanted = match &rule.is {
        None => Ok(Wanted::Any),
        Some(is) => is.run(&paper, &mut budget).map(|value| value.map_or(Wanted::Unknown, Wanted::Like)),
    };
    let found = wanted.map_err(|failure| format!("offer.is: {failure}"));
    match found.and_then(|wanted| rows(table, &offer.column, wanted)) {
        Ok(found) => found.into_iter().map(|row| verdict(rule, &Paper { row: Some(row), ..paper.clone() })).collect(),
        Err(failure) => vec![Verdict { failure: Some(failure), ..verdict(rule, &paper) }],
    }
}

fn verdict(rule: &Rule, paper: &Paper<'_>) -> Verdict {
    let mut budget = cel::BUDGET;
    let (holds, failure) = match rule.when.run(paper, &mut budget) {
        Ok(Some(Value::Bool(is))) => (Some(is), None),
        Ok(_) => (None, None),
        Err(failure) => (None, Some(failure.to_string())),
    };
    let facts = rule.decides().into_iter().filter_map(|slot| {
        let path = rule.paths.get(usize::from(slot)).filter(|path| !matches!(path, Path::Offer | Path::Offers))?;
        Some((path.to_string(), paper.json(path).cloned().unwrap_or_default()))
    });
    let cells = paper.row.into_iter().flat_map(|row| {
        let cell = |column: &str| Some((format!("offer.{column}"), cell_json(row.field(column)?)));
        rule.decides_by_columns().into_iter().filter_map(cell).collect::<Vec<_>>()
    });
    let facts = facts.chain(cells).collect();
    let message = rule.message.render(paper, &mut budget).text;
    let offer = paper.row.map(|row| row.key().to_string());
    Verdict { rule: rule.name.to_string(), offer, holds, failure, message, facts }
}

fn cell_json(value: Value<'_>) -> Json {
    match value {
        Value::Text(text) => text.as_ref().into(),
        Value::Bool(is) => is.into(),
        value => value.as_double().into(),
    }
}

#[derive(Clone)]
struct Paper<'a> {
    paths: &'a [Path],
    a: &'a Json,
    b: Option<&'a Json>,
    row: Option<&'a Row>,
    table: Option<&'a Table>,
    now_ms: i64,
    lists: Vec<Vec<Record<'a>>>,
}

#[derive(Clone)]
struct Record<'a> {
    /// Of a device, whose document has its id as its key.
    id: Option<&'a str>,
    fields: &'a Json,
}

impl<'a> Paper<'a> {
    fn new(paths: &'a [Path], OnPaper { a, b, now_ms, .. }: OnPaper<'a>, table: Option<&'a Table>) -> Self {
        let mut paper = Self { paths, a, b, row: None, table, now_ms, lists: Vec::new() };
        paper.lists = paths.iter().map(|path| paper.records(path)).collect();
        paper
    }

    fn halo(&self, side: Side) -> Option<&'a Json> {
        match side {
            Side::A => Some(self.a),
            Side::B => self.b,
        }
    }

    fn json(&self, path: &Path) -> Option<&'a Json> {
        let Path::Of(side, part) = path else { return None };
        let found = steps(part).iter().try_fold(self.halo(*side)?, |json, step| json.get(step))?;
        Some(found).filter(|found| !found.is_null())
    }

    fn records(&self, path: &Path) -> Vec<Record<'a>> {
        let Path::Of(side, part) = path else { return Vec::new() };
        let Some(halo) = self.halo(*side) else { return Vec::new() };
        let list = |fields: &'a Json| {
            fields.as_array().into_iter().flatten().map(|fields| Record { id: None, fields }).collect()
        };
        match part {
            Part::Events => list(&halo["context"]["events"]),
            Part::Relations => list(&halo["relations"]),
            Part::Devices => {
                let devices = halo["presence"].as_object().into_iter().flatten();
                devices.map(|(id, fields)| Record { id: Some(id), fields }).collect()
            }
            _ => Vec::new(),
        }
    }
}

impl Facts for Paper<'_> {
    fn get(&self, slot: u16) -> Option<Value<'_>> {
        let path = self.paths.get(usize::from(slot))?;
        match path {
            Path::Now => return Some(Value::Time(self.now_ms)),
            Path::Offer => return self.row.map(|row| Value::Record(row)),
            Path::Offers => return self.table.map(|table| Value::Rows(table)),
            Path::Of(_, Part::Events | Part::Relations | Part::Devices) => {
                return self.lists.get(usize::from(slot)).map(|records| Value::Rows(records));
            }
            Path::Of(_, Part::Spark(..)) => return self.spark(path),
            Path::Of(side, Part::Local(what)) => {
                let zone = self.halo(*side)?["settings"]["time_zone"].as_str();
                return super::view::local_of(zone, self.now_ms, what).map(Value::Int);
            }
            Path::Of(..) => {}
        }
        let json = self.json(path)?;
        if is_time(path) {
            return time(json).map(Value::Time);
        }
        match json {
            Json::Number(number) if matches!(path, Path::Of(_, Part::Quality(_))) => number.as_i64().map(Value::Int),
            Json::Number(number) => number.as_f64().map(Value::Double),
            Json::String(text) => Some(Value::text(text)),
            Json::Bool(is) => Some(Value::Bool(*is)),
            Json::Array(names) => Some(Value::list(names.iter().filter_map(|name| name.as_str().map(Value::text)))),
            Json::Null | Json::Object(_) => None,
        }
    }
}

impl Paper<'_> {
    fn spark(&self, path: &Path) -> Option<Value<'_>> {
        let Path::Of(side, Part::Spark(rule, what)) = path else { return None };
        let sparks = self.halo(*side)?["sparks"].as_array();
        let last = sparks.into_iter().flatten().rev().find(|spark| spark["rule"] == **rule);
        match *what {
            "active" => Some(Value::Bool(last.is_some_and(|spark| spark["state"] == "raised"))),
            "since" => time(&last?["since"]).map(Value::Time),
            _ => last?["answer"].as_str().map(Value::text),
        }
    }
}

impl Fields for Record<'_> {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        if name == "device" && self.id.is_some() {
            return self.id.map(Value::text);
        }
        let json = self.fields.get(name)?;
        if matches!(name, "time" | "last_seen") {
            return time(json).map(Value::Time);
        }
        match json {
            Json::Number(number) if matches!(name, "code" | "severity") => number.as_i64().map(Value::Int),
            Json::Number(number) => number.as_f64().map(Value::Double),
            Json::String(text) => Some(Value::text(text)),
            Json::Bool(is) => Some(Value::Bool(*is)),
            _ => None,
        }
    }
}

impl Rows for Vec<Record<'_>> {
    fn len(&self) -> usize {
        self.len()
    }

    fn row(&self, at: usize) -> Option<&dyn Fields> {
        self.get(at).map(|record| record as &dyn Fields)
    }
}

fn is_time(path: &Path) -> bool {
    let Path::Of(_, part) = path else { return false };
    matches!(
        part,
        Part::Time
            | Part::Place("since" | "time")
            | Part::Trip("from" | "to")
            | Part::Signal(_, OfSignal::Time | OfSignal::Reaches(..) | OfSignal::Forecast(_, "time"))
    )
}

fn time(json: &Json) -> Option<i64> {
    json.as_str()?.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// Where a part stands in the document.
fn steps(part: &Part) -> Vec<&str> {
    match part {
        Part::Subject => vec!["subject"],
        Part::Kind => vec!["kind"],
        Part::Time => vec!["time"],
        Part::Signal(name, of) => {
            let mut steps = vec!["signals", name];
            steps.extend(match of {
                OfSignal::Value => vec!["value"],
                OfSignal::Unit => vec!["unit"],
                OfSignal::Time => vec!["time"],
                OfSignal::Device => vec!["device"],
                OfSignal::Quality => vec!["quality"],
                OfSignal::Stat(window, what) => vec!["stats", window, what],
                OfSignal::Trend(what) => vec!["trend", what],
                OfSignal::Forecast(horizon, what) => vec!["forecast", horizon, what],
                OfSignal::Reaches(end, what) => vec!["reaches", end, what],
            });
            steps
        }
        Part::Derived(name, of) => vec![
            "derived",
            name,
            match of {
                OfDerived::Value => "value",
                OfDerived::Low => "low",
                OfDerived::High => "high",
                OfDerived::Confidence => "confidence",
            },
        ],
        Part::Place(what) => vec!["context", "place", what],
        Part::Trip(what) => vec!["context", "trip", what],
        Part::Events => vec!["context", "events"],
        Part::Words(key) => vec!["context", "texts", key, "value"],
        Part::Devices => vec!["presence"],
        Part::Quality(what) => vec!["quality", what],
        Part::Setting(name) => vec!["settings", name],
        Part::Relations => vec!["relations"],
        Part::Spark(..) => vec!["sparks"],
        Part::Local(_) | Part::Members(_) | Part::Central(_) => vec!["members"],
    }
}
