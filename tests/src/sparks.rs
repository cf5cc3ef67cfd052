//! `spark/1` as an integrator reads it: a field that is missing, of another type or not foreseen is an error.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::Failure;

/// One turn of one spark.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spark {
    /// `spark/1`.
    pub schema: String,
    /// Names the spark, in all its turns.
    pub id: String,
    /// Names the message.
    pub mid: String,
    /// `raised`, `answered` or `cleared`.
    pub state: String,
    /// By which rule.
    pub rule: String,
    /// Whose it is.
    pub subject: String,
    /// The other halo.
    pub with: Option<String>,
    /// The row of the offer.
    pub offer: Option<String>,
    /// RFC 3339.
    pub time: String,
    /// Offset of the record that made it due.
    pub cause: Option<u64>,
    /// Of one that is raised, as all up to `answer_until`.
    pub severity: Option<String>,
    /// Who offers it.
    pub owner: Option<String>,
    /// RFC 3339.
    pub since: Option<String>,
    /// How far ahead.
    pub lead_s: Option<u64>,
    /// For a human.
    pub message: Option<String>,
    /// What it was decided by.
    #[serde(default)]
    pub facts: BTreeMap<String, Fact>,
    /// RFC 3339.
    pub expires: Option<String>,
    /// RFC 3339.
    pub answer_until: Option<String>,
    /// Of one that is cleared.
    pub why: Option<String>,
    /// Of one that is answered.
    pub answer: Option<Value>,
}

/// One of the things it was decided by.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// As the rule saw it.
    pub value: Value,
    /// RFC 3339.
    pub time: Option<String>,
    /// Who told.
    pub device: Option<String>,
    /// The record it rests on.
    pub offset: u64,
}

impl Spark {
    /// Reads one message and checks it in itself.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(topic: &str, payload: &[u8]) -> Result<Self, Failure> {
        let text = String::from_utf8_lossy(payload);
        let spark: Self = serde_json::from_str(&text).map_err(|error| format!("{error} in {text}"))?;
        let is_raised = spark.state == "raised";
        let whose = |subject: &str| topic == format!("halo/v1/sparks/{subject}/{}", spark.rule);
        let checks = [
            ("schema", spark.schema == "spark/1"),
            ("state", ["raised", "answered", "cleared"].contains(&spark.state.as_str())),
            ("topic", whose(&spark.subject) || topic.ends_with(&format!("/{}", spark.rule))),
            ("ids", !spark.id.is_empty() && !spark.mid.is_empty()),
            ("time", spark.time.len() == 24 && spark.time.ends_with('Z')),
            ("cause", spark.cause.is_some()),
            ("what is raised", is_raised == (spark.severity.is_some() && spark.since.is_some())),
            ("message", is_raised == spark.message.is_some()),
            ("why", (spark.state == "cleared") == spark.why.is_some()),
            ("answer", (spark.state == "answered") == spark.answer.is_some()),
        ];
        match checks.iter().find(|(_, holds)| !holds) {
            Some((what, _)) => Err(format!("{what} is wrong on {topic}: {text}").into()),
            None => Ok(spark),
        }
    }

    /// Whether it is this turn of that rule.
    pub fn is(&self, state: &str, rule: &str, subject: &str) -> bool {
        (self.state.as_str(), self.rule.as_str(), self.subject.as_str()) == (state, rule, subject)
    }
}
