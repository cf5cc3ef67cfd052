//! Sparks in the river: what the rules decide is handed to the log, and what comes back from it is let out.

use std::collections::VecDeque;

use bytes::Bytes;
use halo_proto::topic::{Grammar, Topic};
use tracing::{info, warn};

use super::spark_json::{cmd_json, rule_json, spark_json};
use crate::halo::{Fold, Sparked, Subject};
use crate::record::{Draft, Name, Record, Severity, Spark, SparkTurn};
use crate::spark::{Engine, Turned, quiet_until_ms, spark_id};
use crate::store::identity::Identities;
use crate::store::inlet::Appender;

/// Decisions that wait for room in the log's queue; beyond them none are made until there is.
const OUTBOX_MAX: usize = 4_096;

/// Something to be published.
pub(super) struct Out {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    /// Where to answer, and with which words.
    pub(super) question: Option<(String, String)>,
}

/// The rules, and what they decided that the log has not taken yet.
pub struct Sparks {
    engine: Engine,
    appender: Appender,
    outbox: VecDeque<Draft>,
}

impl Sparks {
    /// Decisions go to the log by `appender`.
    pub fn new(engine: Engine, appender: Appender) -> Self {
        Self { engine, appender, outbox: VecDeque::new() }
    }

    /// Everything an earlier life left is folded.
    pub(super) fn begin(&mut self, fold: &Fold) {
        let drafts = self.engine.begin(fold);
        self.outbox.extend(drafts);
        self.hand_over();
    }

    /// A record was folded.
    pub(super) fn follow(&mut self, record: &Record, fold: &Fold) {
        if self.engine.is_idle() && fold.ledger().edition() == 0 {
            return;
        }
        let drafts = self.engine.follow(record, fold);
        self.outbox.extend(drafts);
    }

    /// Hands to the log what it has room for.
    pub(super) fn hand_over(&mut self) {
        while let Some(draft) = self.outbox.pop_front() {
            match self.appender.submit(draft) {
                // Its coming back through the fold is the answer.
                Ok(Ok(_)) => {}
                Ok(Err(draft)) => return self.outbox.push_front(draft),
                Err(error) => {
                    warn!(%error, "sparks cannot be written");
                    return self.outbox.clear();
                }
            }
        }
    }

    /// Whether decisions wait for the log.
    pub(super) fn waits(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Whether so many wait that nothing more is to be folded before they are gone.
    pub(super) fn is_full(&self) -> bool {
        self.outbox.len() >= OUTBOX_MAX
    }

    /// What devices are to be told that were left in peace.
    pub(super) fn overdue(&mut self, log_ids: &Identities, grammar: &Grammar, fold: &Fold) -> Vec<Out> {
        let unix_ms = fold.clock().wall_ms;
        let mut outs = Vec::new();
        for subject in self.engine.take_told().iter().filter_map(|name| fold.subject(name)) {
            standing(subject, unix_ms).for_each(|spark| outs.extend(told(log_ids, grammar, subject, spark)));
        }
        outs
    }

    /// A rule that a decision turned quiet, or back: to whoever offers it.
    pub(super) fn turned(&self, grammar: &Grammar, record: &Record, spark: &Spark, fold: &Fold) -> Option<Out> {
        let turned = self.engine.turned(spark, fold)?;
        let Turned { rule, acceptance, answers, floor, .. } = &turned;
        if turned.quiet {
            warn!(%rule, acceptance, answers, floor, "a rule is quiet from now on: too few of the answers were yes");
        } else {
            info!(%rule, acceptance, answers, floor, "a rule is heard again");
        }
        let topic = grammar.display(Topic::Spark { subject: turned.owner.as_deref()?, rule }).to_string();
        Some(Out { topic, payload: rule_json(&turned, record.stamp.wall_ms), question: None })
    }

    /// Cohorts whose documents are others now.
    pub(super) fn take_counted(&mut self) -> Vec<Name> {
        self.engine.take_counted()
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// What a decision lets out: the document to integrators, to whoever offered, and to the subject's devices.
pub(super) fn outs(log_ids: &Identities, grammar: &Grammar, record: &Record, spark: &Spark, fold: &Fold) -> Vec<Out> {
    let payload = spark_json(log_ids, record, spark);
    let plain = |subject: &str| {
        let topic = grammar.display(Topic::Spark { subject, rule: &spark.rule }).to_string();
        Out { topic, payload: payload.clone(), question: None }
    };
    let mut outs = vec![plain(&spark.subject)];
    let Some(subject) = fold.subject(&spark.subject) else { return outs };
    let Some(sparked) = found(subject, record, spark) else { return outs };
    if let Some(owner) = sparked.owner.as_ref().filter(|owner| **owner != spark.subject) {
        outs.push(plain(owner));
    }
    if sparked.cmd && !is_held_back(subject, sparked, record.stamp.wall_ms) {
        outs.extend(told(log_ids, grammar, subject, sparked));
    }
    outs
}

/// What the devices of a subject are told of a spark.
pub(super) fn told<'a>(
    log_ids: &'a Identities,
    grammar: &'a Grammar,
    subject: &'a Subject,
    sparked: &'a Sparked,
) -> impl Iterator<Item = Out> + 'a {
    let payload = cmd_json(log_ids, sparked);
    subject.devices().iter().map(move |device| {
        let topic = grammar.display(Topic::Cmd { device: device.name() }).to_string();
        let response = || grammar.display(Topic::Answer { device: device.name() }).to_string();
        let asks = sparked.is_open() && sparked.awaits_ms().is_some();
        let question = asks.then(|| (response(), spark_id(&sparked.rule, log_ids, sparked.mark)));
        Out { topic, payload: payload.clone(), question }
    })
}

/// Sparks that a device which comes now is to be told of: those that stand, are not answered, and are of use still.
pub(super) fn standing(subject: &Subject, unix_ms: i64) -> impl Iterator<Item = &Sparked> {
    let all = subject.sparks().into_iter().flat_map(|sparks| sparks.iter());
    all.filter(move |spark| spark.is_for_devices(unix_ms) && !is_held_back(subject, spark, unix_ms))
}

/// In the quiet hours of its subject, unless it is critical.
fn is_held_back(subject: &Subject, spark: &Sparked, unix_ms: i64) -> bool {
    spark.severity < Severity::Critical && spark.is_open() && quiet_until_ms(subject, unix_ms).is_some()
}

fn found<'a>(subject: &'a Subject, record: &Record, spark: &Spark) -> Option<&'a Sparked> {
    let sparks = subject.sparks()?;
    match &spark.turn {
        SparkTurn::Raised(_) => sparks.iter().rev().find(|it| it.mark.offset == record.offset),
        SparkTurn::Cleared { spark: mark, .. } | SparkTurn::Answered { spark: mark, .. } => sparks.at(*mark),
    }
}
