//! Sparks read as documented, from their first word to their last.

use halo_proto::topic::Grammar;
use serde_json::Value;

use super::schemas::{HALO, check};
use crate::forward::halo_json::halo_json;
use crate::forward::spark_json::{cmd_json, rule_json, spark_json};
use crate::halo::tests::support::{Log, WALL_MS};
use crate::halo::{Fold, Tally};
use crate::record::{
    Answer, Answered, Body, Cleared, Fact, FactValue, Mark, Offset, Pair, Raised, Severity, Spark, SparkTurn,
    StartEpoch,
};
use crate::spark::Turned;
use crate::store::identity::Identities;

const SPARK: &str = include_str!("../../../schema/spark-1.schema.json");
const RULE: &str = include_str!("../../../schema/rule-1.schema.json");
const CMD: &str = include_str!("../../../schema/cmd-1.schema.json");

fn fact(path: &str, value: FactValue) -> Fact {
    Fact { path: path.to_owned(), value, time_ms: Some(WALL_MS), device: Some("band-1".into()), offset: Offset(1) }
}

fn raised(pair: Pair) -> SparkTurn {
    let facts = vec![
        fact("a.signals.heart_rate.value", FactValue::Number(130.5)),
        Fact { time_ms: None, device: None, ..fact("a.context.place.zone", FactValue::Text("home".to_owned())) },
        fact("a.sparks.hot.active", FactValue::Bool(true)),
        fact("a.signals.heart_rate.time", FactValue::Time(WALL_MS)),
        fact("span", FactValue::Span(1_500)),
    ];
    SparkTurn::Raised(Box::new(Raised {
        pair,
        severity: Severity::Warning,
        owner: Some("clinic".into()),
        since_ms: WALL_MS,
        lead_s: Some(600),
        message: "high".to_owned(),
        facts,
        cmd: true,
        expires_ms: Some(WALL_MS + 60_000),
        answer_until_ms: Some(WALL_MS + 60_000),
    }))
}

/// The log of one spark, and what its documents say after each record.
fn told(turns: Vec<SparkTurn>) -> Vec<[Value; 3]> {
    let (mut log, mut fold, ids) = (Log::default(), Fold::new(Grammar::default()), Identities::one("gw-1"));
    log.value("anna", "heart_rate", 130.5, 0);
    for turn in turns {
        log.push(Body::Spark(Spark { subject: "anna".into(), rule: "high".into(), turn }));
        log.records.last_mut().expect("just pushed").cause = Some(Offset(1));
    }
    let mut told = Vec::new();
    for record in &log.records {
        fold.apply(record);
        let Body::Spark(spark) = &record.body else { continue };
        let subject = fold.subject("anna").expect("anna");
        let sparked = subject.sparks().and_then(|sparks| sparks.iter().next()).expect("a spark");
        let halo = check(HALO, &halo_json(subject, &mut Tally::default()));
        told.push([check(SPARK, &spark_json(&ids, record, spark)), check(CMD, &cmd_json(&ids, sparked)), halo]);
    }
    told
}

#[test]
fn a_spark_reads_as_documented_when_it_is_raised_answered_and_cleared() {
    let spark = Mark { offset: Offset(2), epoch: StartEpoch(1) };
    let pair = Pair { with: Some("ben".into()), offer: Some("pizza".into()) };
    let answer = Answered {
        answer: Answer::Accepted,
        device: Some("band-1".into()),
        rating: Some(5),
        text: "gladly".to_owned(),
    };
    let told = told(vec![
        raised(pair.clone()),
        SparkTurn::Answered { spark, pair: pair.clone(), answer },
        SparkTurn::Cleared { spark, pair, why: Cleared::Over },
    ]);
    let [begun, answered, ended] = &told[..] else { panic!("three documents") };
    assert!(told.iter().all(|[document, cmd, _]| document["id"] == "high:gw-1-2" && cmd["spark"] == "high:gw-1-2"));
    let mids: Vec<&Value> = told.iter().map(|[document, ..]| &document["mid"]).collect();
    assert_eq!(mids, ["gw-1-2", "gw-1-3", "gw-1-4"]);
    assert_eq!((&begun[0]["lead_s"], &begun[0]["facts"]["span"]["value"]), (&600.into(), &1.5.into()));
    assert_eq!(begun[0]["facts"]["a.signals.heart_rate.time"]["value"], "2026-11-21T20:00:00.000Z");
    let states: Vec<&Value> = told.iter().map(|[document, ..]| &document["state"]).collect();
    assert_eq!(states, ["raised", "answered", "cleared"]);
    assert_eq!((&begun[1]["state"], &answered[1]["state"]), (&"offered".into(), &"answered".into()));
    assert_eq!((&answered[0]["answer"]["rating"], &ended[0]["why"]), (&5.into(), &"over".into()));
    let shown = &ended[2]["sparks"][0];
    assert_eq!(
        (&shown["state"], &shown["answer"], &shown["with"]),
        (&"cleared".into(), &"accepted".into(), &"ben".into())
    );
}

#[test]
fn a_spark_that_ended_unanswered_is_taken_back_from_devices() {
    let spark = Mark { offset: Offset(2), epoch: StartEpoch(1) };
    let cleared = SparkTurn::Cleared { spark, pair: Pair::default(), why: Cleared::Apart };
    let told = told(vec![raised(Pair::default()), cleared]);
    assert_eq!((&told[1][1]["state"], &told[1][0]["why"]), (&"cleared".into(), &"apart".into()));
}

#[test]
fn a_rule_that_falls_quiet_reads_as_documented() {
    let turned = Turned { rule: "ask".into(), owner: None, quiet: true, acceptance: 0.45, answers: 20, floor: 0.5 };
    let told = check(RULE, &rule_json(&turned, WALL_MS));
    assert_eq!((&told["rule"], &told["state"], &told["answers"]), (&"ask".into(), &"quiet".into(), &20.into()));
    let told = check(RULE, &rule_json(&Turned { quiet: false, ..turned }, WALL_MS));
    assert_eq!(told["state"], "active");
}

#[test]
fn an_organisation_shows_what_is_known_of_its_members() {
    use crate::forward::halo_json::render_in;
    use crate::halo::Models;
    use crate::record::{Act, Deed, Relation, SubjectKind};
    let (mut log, mut fold) = (Log::default(), Fold::new(Grammar::default()));
    let act = |deed| Body::Act(Act { by: "local".into(), deed });
    let set = |subject: &str, kind, settings: &[(&str, &str)]| {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
        act(Deed::Set { subject: subject.to_owned(), kind, settings })
    };
    log.push(set("gym", Some(SubjectKind::Organisation), &[]));
    for (name, value) in [("anna", 60.0), ("ben", 70.0), ("cleo", 95.0)] {
        log.value(name, "heart_rate", value, 0);
    }
    // Of people nothing but their number: what was measured of them is told of cohorts alone.
    log.push(set("cleo", Some(SubjectKind::Person), &[("organisation", "gym")]));
    log.push(set("anna", Some(SubjectKind::Machine), &[("organisation", "gym")]));
    let (of, subject, kind) = ("ben".to_owned(), "gym".to_owned(), "member".to_owned());
    log.push(act(Deed::Relate(Relation { of, subject, kind, from_ms: None, until_ms: None })));
    for record in &log.records {
        fold.apply(record);
    }
    let shown = |name: &str| {
        let subject = fold.subject(name).expect("a subject");
        check(HALO, &render_in(&fold, subject, &Models::default(), &mut Tally::default()))
    };
    let gym = shown("gym");
    assert_eq!(gym["members"]["n"], 3);
    let wanted = serde_json::json!({"n": 2, "min": 60, "max": 70, "mean": 65, "sd": 50.0_f64.sqrt()});
    assert_eq!(gym["members"]["signals"]["heart_rate"], wanted);
    assert!(shown("anna").get("members").is_none());
}

#[test]
fn what_a_record_of_a_spark_says_is_on_disk_for_ever() {
    let answer = Answered { answer: Answer::Declined, device: None, rating: None, text: String::new() };
    let spark = Mark { offset: Offset(7), epoch: StartEpoch(1) };
    let pair = Pair { with: Some("b".into()), offer: None };
    let answered = SparkTurn::Answered { spark, pair: pair.clone(), answer };
    let cleared = SparkTurn::Cleared { spark, pair, why: Cleared::Apart };
    let bytes = |turn: &SparkTurn| postcard::to_stdvec(turn).expect("it is written");
    assert_eq!(bytes(&answered), b"\x02\x07\x01\x01\x01b\0\x01\0\0\0");
    assert_eq!(bytes(&cleared), b"\x01\x07\x01\x01\x01b\0\x01");
    let small = Raised {
        facts: vec![fact("p", FactValue::Bool(true))],
        message: "m".to_owned(),
        since_ms: 1,
        ..Raised::default()
    };
    let raised = SparkTurn::Raised(Box::new(small));
    let back: SparkTurn = postcard::from_bytes(&bytes(&raised)).expect("it is read");
    assert_eq!(back, raised);
}
