//! A log, a fold and an engine: decisions become records at once, as they do in a gateway after a moment.

use std::collections::VecDeque;

use halo_proto::topic::Grammar;

use crate::halo::tests::support::{Log, reloaded};
use crate::halo::{Fold, Models, Subject};
use crate::record::{
    Act, Body, Deed, Draft, Fact, Raised, Record, Relation, Reply, Said, Spark, SparkTurn, SubjectKind,
};
use crate::spark::{CohortConfig, Engine, Known, RuleConfig, spark_id};
use crate::store::identity::Identities;

pub(super) struct Rig {
    pub(super) log: Log,
    pub(super) fold: Fold,
    pub(super) engine: Engine,
    applied: usize,
    told: usize,
}

/// Rules of a TOML text.
pub(super) fn rules(text: &str) -> Vec<RuleConfig> {
    #[derive(serde::Deserialize)]
    struct All {
        rule: Vec<RuleConfig>,
    }
    toml::from_str::<All>(text).expect("rules of a test").rule
}

/// With the rules and cohorts of a TOML text.
fn engine(text: &str) -> Engine {
    #[derive(serde::Deserialize)]
    struct All {
        #[serde(default)]
        rule: Vec<RuleConfig>,
        #[serde(default)]
        cohort: Vec<CohortConfig>,
    }
    let All { rule, cohort } = toml::from_str(text).expect("rules of a test");
    let engine = Engine::new(rule, Known::default(), Models::default(), Identities::one("gw-1"));
    engine.expect("rules that compile").with_cohorts(&cohort).expect("cohorts that compile")
}

impl Rig {
    pub(super) fn new(text: &str) -> Self {
        let mut rig = Self {
            log: Log::default(),
            fold: Fold::new(Grammar::default()),
            engine: engine(text),
            applied: 0,
            told: 0,
        };
        let drafts = rig.engine.begin(&rig.fold);
        rig.write(drafts);
        rig
    }

    /// Another start: the fold as of a checkpoint, the engine knowing nothing but these rules.
    pub(super) fn restarted(self, text: &str) -> Self {
        let mut rig = Self { fold: reloaded(&self.fold), engine: engine(text), ..self };
        let drafts = rig.engine.begin(&rig.fold);
        rig.write(drafts);
        rig.run();
        rig
    }

    /// Everything written is folded, and what follows is written and folded too.
    pub(super) fn run(&mut self) {
        while let Some(record) = self.log.records.get(self.applied).cloned() {
            self.applied += 1;
            self.fold.apply(&record);
            let drafts = self.engine.follow(&record, &self.fold);
            self.write(drafts);
        }
    }

    fn write(&mut self, drafts: Vec<Draft>) {
        let mut drafts: VecDeque<Draft> = drafts.into();
        while let Some(Draft { cause, body }) = drafts.pop_front() {
            self.log.push(body);
            self.log.records.last_mut().expect("just pushed").cause = cause;
        }
    }

    /// One reading, now.
    pub(super) fn value(&mut self, device: &str, signal: &str, value: f64) -> &mut Self {
        self.log.after(1_000).value(device, signal, value, 0);
        self.run();
        self
    }

    pub(super) fn after(&mut self, ms: u64) -> &mut Self {
        self.log.after(ms).push(Body::Tick);
        self.run();
        self
    }

    pub(super) fn act(&mut self, deed: Deed) -> &mut Self {
        self.log.after(10).push(Body::Act(Act { by: "local".to_owned(), deed }));
        self.run();
        self
    }

    pub(super) fn set(&mut self, subject: &str, name: &str, value: &str) -> &mut Self {
        self.set_of(SubjectKind::Person, subject, name, value)
    }

    pub(super) fn set_of(&mut self, kind: SubjectKind, subject: &str, name: &str, value: &str) -> &mut Self {
        let settings = vec![(name.to_owned(), Some(value.to_owned()).filter(|value| !value.is_empty()))];
        self.act(Deed::Set { subject: subject.to_owned(), kind: Some(kind), settings })
    }

    pub(super) fn relate(&mut self, of: &str, subject: &str, kind: &str) -> &mut Self {
        let [of, subject, kind] = [of, subject, kind].map(str::to_owned);
        self.act(Deed::Relate(Relation { of, subject, kind, from_ms: None, until_ms: None }))
    }

    pub(super) fn offer(&mut self, organisation: &str, table: &str, payload: &str) -> &mut Self {
        self.log.after(10).retained(&format!("halo/v1/offers/{organisation}/{table}"), payload);
        self.run();
        self
    }

    pub(super) fn reply(&mut self, subject: &str, spark: &str, answer: crate::record::Answer) -> &mut Self {
        let said = Said { spark: spark.to_owned(), answer, rating: Some(4), text: "good".to_owned() };
        let (device, subject) = ("band-1".into(), subject.into());
        self.log.after(10).push(Body::Reply(Reply { device, subject, said }));
        self.run();
        self
    }

    /// The id of the newest spark of a subject.
    pub(super) fn id(&self, subject: &str) -> String {
        let newest = self.subject(subject).sparks().and_then(|sparks| sparks.iter().next_back()).expect("a spark");
        spark_id(&newest.rule, self.engine.log_ids(), newest.mark)
    }

    pub(super) fn subject(&self, name: &str) -> &Subject {
        self.fold.subject(name).expect("a subject")
    }

    /// What was decided since the last call: `raised high anna`, `cleared(over) high anna with ben`.
    pub(super) fn decided(&mut self) -> Vec<String> {
        let all: Vec<String> = self.log.records.iter().filter_map(line).collect();
        all.get(std::mem::replace(&mut self.told, all.len())..).unwrap_or_default().to_vec()
    }

    /// The same in the order of the alphabet.
    pub(super) fn decided_sorted(&mut self) -> Vec<String> {
        let mut decided = self.decided();
        decided.sort();
        decided
    }

    /// The newest that was raised, and its record.
    pub(super) fn raised(&self) -> (&Record, &Raised) {
        let raised = self.log.records.iter().rev().find_map(|record| match &record.body {
            Body::Spark(Spark { turn: SparkTurn::Raised(raised), .. }) => Some((record, &**raised)),
            _ => None,
        });
        raised.expect("one was raised")
    }

    pub(super) fn fact(&self, path: &str) -> &Fact {
        let (_, raised) = self.raised();
        raised.facts.iter().find(|fact| fact.path == path).unwrap_or_else(|| panic!("{path} in {:?}", raised.facts))
    }
}

fn line(record: &Record) -> Option<String> {
    let Body::Spark(Spark { subject, rule, turn }) = &record.body else { return None };
    let (state, pair) = match turn {
        SparkTurn::Raised(raised) => ("raised".to_owned(), &raised.pair),
        SparkTurn::Cleared { pair, why, .. } => (format!("cleared({})", why.as_str()), pair),
        SparkTurn::Answered { pair, answer, .. } => (answer.answer.as_str().to_owned(), pair),
    };
    let with: Vec<&str> = [pair.with.as_deref(), pair.offer.as_deref()].into_iter().flatten().collect();
    let with = if with.is_empty() { String::new() } else { format!(" with {}", with.join(" ")) };
    Some(format!("{state} {rule} {subject}{with}"))
}
