//! What rules would have raised on what the log has: the log folded again, its own sparks left out and these put in.

use std::ops::Range;

use serde_json::Value;

use super::past::{Past, PastError};
use crate::forward::spark_json::spark_json;
use crate::halo::{Fold, Models};
use crate::record::{Body, Draft, Name, Offset, Pair, Record, Spark, SparkTurn};
use crate::spark::{Engine, Known, RuleConfig};
use crate::store::fs::Fs;
use crate::store::identity::Identities;

/// Behind all records there are: where decisions stand that were never made.
const SUPPOSED: Offset = Offset(1 << 62);
/// Bytes of log read at a time.
const STEP: usize = 1 << 20;

/// A decision that would have been made.
#[derive(Clone, Debug)]
pub struct Supposed {
    /// When, Unix milliseconds.
    pub time_ms: i64,
    /// Of which rule.
    pub rule: Name,
    /// Whose.
    pub subject: Name,
    /// With what.
    pub pair: Pair,
    /// `raised`, `cleared` or `answered`.
    pub state: &'static str,
    /// What would have been told.
    pub message: String,
    document: Value,
}

impl Supposed {
    /// As `spark/1`, its ids those of no message.
    pub fn json(&self) -> &Value {
        &self.document
    }

    fn new(record: &Record, spark: &Spark, log_ids: &Identities) -> Self {
        let (state, pair, message) = match &spark.turn {
            SparkTurn::Raised(raised) => ("raised", &raised.pair, raised.message.clone()),
            SparkTurn::Cleared { pair, why, .. } => ("cleared", pair, why.as_str().to_owned()),
            SparkTurn::Answered { pair, answer, .. } => ("answered", pair, answer.answer.as_str().to_owned()),
        };
        let document = serde_json::from_slice(&spark_json(log_ids, record, spark)).unwrap_or_default();
        let (rule, subject, pair) = (spark.rule.clone(), spark.subject.clone(), pair.clone());
        Self { time_ms: record.stamp.wall_ms, rule, subject, pair, state, message, document }
    }
}

/// How a replay went.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Records folded.
    pub records: u64,
    /// Expressions run.
    pub evaluations: u64,
    /// Rules that could not be run, and why.
    pub fenced: Vec<String>,
}

impl<F: Fs> Past<F> {
    /// Folds the log and has these rules, and no others, decide within a span of the gateway's time, Unix milliseconds. What is
    /// true when the span begins is raised at its beginning. `each` hears of every decision, in order, and may end it.
    ///
    /// # Errors
    /// As [`Past::folded`]; a rule that cannot be compiled is one of no log.
    pub fn supposed(
        &self,
        rules: &[RuleConfig],
        known: &Known,
        models: &Models,
        span_ms: Range<i64>,
        mut each: impl FnMut(&Supposed) -> bool,
    ) -> Result<Told, PastError> {
        let log_ids = Identities::one("supposed");
        let engine = Engine::new(rules.to_vec(), known.clone(), models.clone(), log_ids.clone());
        let mut engine = engine.map_err(|error| PastError::Rules(error.to_string()))?;
        let mut fold = self.begin(span_ms.start)?.fold;
        fold.forget_sparks();
        let (mut told, mut offset) = (Told::default(), SUPPOSED);
        let mut begun = false;
        let mut reader = self.archive().reader(fold.applied().next());
        'log: loop {
            let batch = reader.next(STEP)?;
            if batch.is_empty() {
                break;
            }
            for record in &batch.records {
                if record.stamp.wall_ms >= span_ms.end {
                    break 'log;
                }
                told.records += 1;
                // What the rules of then raised, and what was said to that, did not happen.
                let is_of_then = matches!(record.body, Body::Spark(_) | Body::Reply(_)) || is_rule(&record.body);
                if is_of_then || self.skipped().contains(record.offset) {
                    fold.skip(record);
                    continue;
                }
                fold.apply(record);
                let drafts = match begun {
                    true => engine.follow(record, &fold),
                    false if record.stamp.wall_ms >= span_ms.start => {
                        begun = true;
                        engine.begin(&fold)
                    }
                    false => continue,
                };
                if !suppose(&mut engine, &mut fold, record, drafts, &mut offset, &log_ids, &mut each) {
                    break 'log;
                }
            }
        }
        (told.evaluations, told.fenced) = (engine.evaluations(), engine.ailments().collect());
        Ok(told)
    }
}

/// Decisions follow their cause at once, and what follows from them too; whether to go on.
fn suppose(
    engine: &mut Engine,
    fold: &mut Fold,
    cause: &Record,
    drafts: Vec<Draft>,
    offset: &mut Offset,
    log_ids: &Identities,
    each: &mut impl FnMut(&Supposed) -> bool,
) -> bool {
    let mut waiting: std::collections::VecDeque<Draft> = drafts.into();
    while let Some(draft) = waiting.pop_front() {
        *offset = offset.next();
        let record = Record { offset: *offset, cause: draft.cause, body: draft.body, ..cause.clone() };
        let Body::Spark(spark) = &record.body else { continue };
        if !each(&Supposed::new(&record, spark, log_ids)) {
            return false;
        }
        fold.suppose(&record, spark);
        waiting.extend(engine.follow(&record, fold));
    }
    true
}

fn is_rule(body: &Body) -> bool {
    use crate::record::Deed;
    matches!(body, Body::Act(act) if matches!(act.deed, Deed::Rule { .. } | Deed::Resume { .. }))
}
