//! `spark/1`: a spark was raised, answered or cleared; and `cmd/1`, what the subject's devices are told of it.
//! `gateway/schema/spark-1.schema.json` and `cmd-1.schema.json` describe every field.
//!
//! `spark/1` is a pure function of the record, so that every subscriber, upstream and replay is told the same.

use bytes::Bytes;
use serde::Serialize;

use super::json::{Number, Table, Time, document};
use super::readings_json::mid;
use crate::halo::{Sparked, Sparks};
use crate::record::{Answered, Fact, FactValue, Mark, Raised, Record, Spark, SparkTurn};
use crate::spark::{Turned, spark_id};
use crate::store::identity::Identities;

/// Renders a decision about a spark.
pub fn spark_json(log_ids: &Identities, record: &Record, spark: &Spark) -> Bytes {
    let raised_here = Mark { offset: record.offset, epoch: record.epoch };
    let (state, mark, pair) = match &spark.turn {
        SparkTurn::Raised(raised) => ("raised", raised_here, &raised.pair),
        SparkTurn::Cleared { spark, pair, .. } => ("cleared", *spark, pair),
        SparkTurn::Answered { spark, pair, .. } => ("answered", *spark, pair),
    };
    let (raised, why, answer) = match &spark.turn {
        SparkTurn::Raised(raised) => (Some(RaisedJson::new(raised)), None, None),
        SparkTurn::Cleared { why, .. } => (None, Some(why.as_str()), None),
        SparkTurn::Answered { answer, .. } => (None, None, Some(AnswerJson::new(answer))),
    };
    document(&SparkJson {
        schema: "spark/1",
        id: spark_id(&spark.rule, log_ids, mark),
        mid: mid(log_ids.of(record.epoch), record.offset),
        state,
        rule: &spark.rule,
        subject: &spark.subject,
        with: pair.with.as_deref(),
        offer: pair.offer.as_deref(),
        time: Time(record.stamp.wall_ms),
        cause: record.cause.map(|cause| cause.0),
        raised,
        why,
        answer,
    })
}

#[derive(Serialize)]
struct SparkJson<'a> {
    schema: &'static str,
    id: String,
    mid: String,
    state: &'static str,
    rule: &'a str,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    with: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<&'a str>,
    time: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<u64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    raised: Option<RaisedJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<AnswerJson<'a>>,
}

#[derive(Serialize)]
struct RaisedJson<'a> {
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    since: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    lead_s: Option<u64>,
    message: &'a str,
    facts: Table<'a, FactJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_until: Option<Time>,
}

impl<'a> RaisedJson<'a> {
    fn new(raised: &'a Raised) -> Self {
        Self {
            severity: raised.severity.as_str(),
            owner: raised.owner.as_deref(),
            since: Time(raised.since_ms),
            lead_s: raised.lead_s,
            message: &raised.message,
            facts: Table(raised.facts.iter().map(|fact| (fact.path.as_str(), FactJson::new(fact))).collect()),
            expires: raised.expires_ms.map(Time),
            answer_until: raised.answer_until_ms.map(Time),
        }
    }
}

#[derive(Serialize)]
struct FactJson<'a> {
    value: ValueJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    offset: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ValueJson<'a> {
    Number(Number),
    Text(&'a str),
    Bool(bool),
    Time(Time),
}

impl<'a> FactJson<'a> {
    fn new(fact: &'a Fact) -> Self {
        let value = match &fact.value {
            FactValue::Number(number) => ValueJson::Number(Number(*number)),
            FactValue::Text(text) => ValueJson::Text(text),
            FactValue::Bool(is) => ValueJson::Bool(*is),
            FactValue::Time(at) => ValueJson::Time(Time(*at)),
            FactValue::Span(ms) => ValueJson::Number(Number(*ms as f64 / 1000.0)),
        };
        Self { value, time: fact.time_ms.map(Time), device: fact.device.as_deref(), offset: fact.offset.0 }
    }
}

#[derive(Serialize)]
struct AnswerJson<'a> {
    answer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rating: Option<u8>,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
}

impl<'a> AnswerJson<'a> {
    fn new(answered: &'a Answered) -> Self {
        let Answered { answer, device, rating, text } = answered;
        Self { answer: answer.as_str(), device: device.as_deref(), rating: *rating, text }
    }
}

/// What a device of the subject is told: the offer while it stands, and that it does not any more.
pub fn cmd_json(log_ids: &Identities, spark: &Sparked) -> Bytes {
    let (state, answer) = match (&spark.answered, &spark.cleared) {
        (Some((_, answered)), _) => ("answered", Some(answered.answer.as_str())),
        (None, Some(_)) => ("cleared", None),
        (None, None) => ("offered", None),
    };
    document(&CmdJson {
        schema: "cmd/1",
        spark: spark_id(&spark.rule, log_ids, spark.mark),
        state,
        rule: &spark.rule,
        severity: spark.severity.as_str(),
        message: &spark.message,
        time: Time(spark.raised.wall_ms),
        expires: spark.expires_ms.map(Time),
        answer_until: spark.answer_until_ms.map(Time),
        answer,
    })
}

#[derive(Serialize)]
struct CmdJson<'a> {
    schema: &'static str,
    spark: String,
    state: &'static str,
    rule: &'a str,
    severity: &'static str,
    message: &'a str,
    time: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer_until: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'static str>,
}

/// `rule/1`: a rule fell quiet, or is heard again. `gateway/schema/rule-1.schema.json` describes every field.
pub(super) fn rule_json(turned: &Turned, wall_ms: i64) -> Bytes {
    document(&RuleJson {
        schema: "rule/1",
        rule: &turned.rule,
        state: if turned.quiet { "quiet" } else { "active" },
        time: Time(wall_ms),
        acceptance: Number(turned.acceptance),
        answers: turned.answers,
        floor: Number(turned.floor),
    })
}

#[derive(Serialize)]
struct RuleJson<'a> {
    schema: &'static str,
    rule: &'a str,
    state: &'static str,
    time: Time,
    acceptance: Number,
    answers: u64,
    floor: Number,
}

/// A spark as the halo of its subject shows it.
#[derive(Serialize)]
pub(super) struct SparkedJson<'a> {
    rule: &'a str,
    offset: u64,
    state: &'static str,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    with: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<&'a str>,
    since: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    lead_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cleared: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'static str>,
    message: &'a str,
}

impl<'a> SparkedJson<'a> {
    /// Open and ended ones, in the order they were raised; none where there are none.
    pub(super) fn all(sparks: Option<&'a Sparks>) -> Option<Vec<Self>> {
        let all: Vec<Self> = sparks?.iter().map(Self::new).collect();
        (!all.is_empty()).then_some(all)
    }

    fn new(spark: &'a Sparked) -> Self {
        Self {
            rule: &spark.rule,
            offset: spark.mark.offset.0,
            state: if spark.is_open() { "raised" } else { "cleared" },
            severity: spark.severity.as_str(),
            with: spark.pair.with.as_deref(),
            offer: spark.pair.offer.as_deref(),
            since: Time(spark.since_ms),
            lead_s: spark.lead_s,
            cleared: spark.cleared.map(|(at, _)| Time(at.wall_ms)),
            answer: spark.answered.as_ref().map(|(_, answered)| answered.answer.as_str()),
            message: &spark.message,
        }
    }
}
