//! Cohorts read as documented, and what is said to an invitation reaches whoever invited.

use halo_proto::topic::Grammar;
use serde_json::Value;

use super::schemas::check;
use crate::forward::cohort_json::cohort_json;
use crate::forward::sparks::outs;
use crate::halo::tests::support::Log;
use crate::halo::{Fold, Models};
use crate::record::{Act, Answer, Body, Deed, Reply, Said, SubjectKind};
use crate::spark::{CohortConfig, Engine, Known, RuleConfig, spark_id};
use crate::store::identity::Identities;

const COHORT: &str = include_str!("../../../schema/cohort-1.schema.json");
const TEXT: &str = "[[cohort]]\nname = 'guests'\nfigures = ['a.signals.heart_rate.value', 'a.signals.steps.value']\n\
                    [[rule]]\nname = 'invite'\nowner = 'park'\nwhen = 'a.central.rank <= 1'\ncmd = true\nanswer_within = '1h'\n";

#[derive(serde::Deserialize)]
struct All {
    rule: Vec<RuleConfig>,
    cohort: Vec<CohortConfig>,
}

struct Place {
    log: Log,
    fold: Fold,
    engine: Engine,
    ids: Identities,
    applied: usize,
    /// Topics and documents that went out.
    out: Vec<(String, Value)>,
}

impl Place {
    fn new() -> Self {
        let (All { rule, cohort }, ids) = (toml::from_str(TEXT).expect("TOML"), Identities::one("gw-1"));
        let engine = Engine::new(rule, Known::default(), Models::default(), ids.clone()).expect("rules");
        let engine = engine.with_cohorts(&cohort).expect("cohorts");
        let (log, fold) = (Log::default(), Fold::new(Grammar::default()));
        let mut place = Self { log, fold, engine, ids, applied: 0, out: Vec::new() };
        place.engine.begin(&place.fold);
        place
    }

    fn run(&mut self) {
        while let Some(record) = self.log.records.get(self.applied).cloned() {
            self.applied += 1;
            self.fold.apply(&record);
            if let Body::Spark(spark) = &record.body {
                for out in outs(&self.ids, &Grammar::default(), &record, spark, &self.fold) {
                    self.out.push((out.topic, serde_json::from_slice(&out.payload).expect("JSON")));
                }
            }
            for draft in self.engine.follow(&record, &self.fold) {
                self.log.push(draft.body);
            }
        }
    }

    fn guests(&mut self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let (subject, settings) = (format!("s{number:02}"), vec![("cohorts".to_owned(), Some("yes".to_owned()))]);
            self.log.after(100).value(&subject, "heart_rate", 60.0 + number as f64, 0);
            let deed = Deed::Set { subject, kind: Some(SubjectKind::Person), settings };
            self.log.push(Body::Act(Act { by: "local".to_owned(), deed }));
        }
        self.run();
        self.log.after(61_000).push(Body::Tick);
        self.run();
    }

    fn document(&self) -> Value {
        let state = self.engine.cohorts(&self.fold).next().expect("a cohort");
        check(COHORT, &cohort_json(&state).expect("it is published"))
    }
}

#[test]
fn a_cohort_reads_as_documented_when_it_is_too_small_and_when_it_is_counted() {
    let mut place = Place::new();
    place.guests(0..9);
    let small = place.document();
    let keys: Vec<&String> = small.as_object().expect("an object").keys().collect();
    assert_eq!((keys.len(), &small["state"]), (4, &"too_small".into()), "and not how small: {small}");
    assert_eq!(place.engine.take_counted(), ["guests".into()]);
    place.guests(9..12);
    let told = place.document();
    assert_eq!((&told["n"], &told["pending"]), (&12.into(), &false.into()));
    let figures = told["figures"].as_object().expect("figures");
    assert_eq!(figures.keys().collect::<Vec<_>>(), ["a.signals.heart_rate.value"], "nobody has steps");
    assert_eq!((&figures["a.signals.heart_rate.value"]["p50"], &told["state"]), (&65.5.into(), &"counted".into()));
    assert!(!told.to_string().contains("s0"), "no names");
    assert_eq!(place.engine.take_counted(), ["guests".into()]);
    place.guests(12..13);
    assert_eq!((&place.document()["n"], &place.document()["pending"]), (&12.into(), &true.into()));
    assert_eq!(place.engine.take_counted(), ["guests".into()]);
}

#[test]
fn rating_and_words_of_who_was_invited_reach_whoever_invited() {
    let mut place = Place::new();
    place.guests(0..12);
    let invited = place.fold.subject("s00").and_then(|it| it.sparks()).and_then(|it| it.open().next().cloned());
    let invited = invited.expect("an invitation");
    let spark = spark_id(&invited.rule, &place.ids, invited.mark);
    let said = Said { spark, answer: Answer::Accepted, rating: Some(2), text: "more shade".to_owned() };
    place.log.after(10).push(Body::Reply(Reply { device: "s00".into(), subject: "s00".into(), said }));
    place.run();
    let heard = |topic: &str| place.out.iter().filter(|(it, _)| it == topic).map(|(_, said)| said).collect::<Vec<_>>();
    let owners = heard("halo/v1/sparks/park/invite");
    let states: Vec<&Value> = owners.iter().map(|it| &it["state"]).collect();
    assert_eq!(states, ["raised", "answered"]);
    let answer = &owners[1]["answer"];
    assert_eq!((&answer["rating"], &answer["text"]), (&2.into(), &"more shade".into()));
    assert_eq!(heard("halo/v1/d/s00/cmd").len(), 2, "the devices hear of both");
    let book = place.fold.ledger().book("invite").expect("a book");
    let words: Vec<&str> = book.feedback.iter().map(|(_, _, words)| words.as_str()).collect();
    assert_eq!((book.ratings, words), ((1, 2), vec!["more shade"]));
}
