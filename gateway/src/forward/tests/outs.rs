//! Who is told of a spark: integrators, whoever offers it, and the subject's devices unless they are to be left in peace.

use halo_proto::topic::Grammar;

use crate::forward::sparks::{Out, outs, standing};
use crate::halo::Fold;
use crate::halo::tests::support::{Log, WALL_MS};
use crate::record::{
    Act, Answer, Answered, Body, Cleared, Deed, Mark, Offset, Pair, Raised, Severity, Spark, SparkTurn, StartEpoch,
    SubjectKind,
};
use crate::store::identity::Identities;

const CMD: &str = "halo/v1/d/anna/cmd";
const OWN: &str = "halo/v1/sparks/anna/high";
const OWNERS: &str = "halo/v1/sparks/clinic/high";

/// The second record of its log.
const MARK: Mark = Mark { offset: Offset(2), epoch: StartEpoch(1) };

fn raised(severity: Severity) -> SparkTurn {
    SparkTurn::Raised(Box::new(Raised {
        pair: Pair::default(),
        severity,
        owner: Some("clinic".into()),
        since_ms: WALL_MS,
        lead_s: None,
        message: "high".to_owned(),
        facts: Vec::new(),
        cmd: true,
        expires_ms: None,
        answer_until_ms: Some(i64::MAX),
    }))
}

fn answered() -> SparkTurn {
    let answer = Answered { answer: Answer::Declined, device: None, rating: None, text: String::new() };
    SparkTurn::Answered { spark: MARK, pair: Pair::default(), answer }
}

fn cleared() -> SparkTurn {
    SparkTurn::Cleared { spark: MARK, pair: Pair::default(), why: Cleared::Over }
}

/// What the last of these turns lets out, of somebody with these quiet hours; and of how many sparks a device that comes
/// then is told.
fn told(quiet: Option<&str>, turns: Vec<SparkTurn>) -> (Vec<Out>, usize) {
    let (mut log, mut fold) = (Log::default(), Fold::new(Grammar::default()));
    log.value("anna", "heart_rate", 130.0, 0);
    for turn in turns {
        log.push(Body::Spark(Spark { subject: "anna".into(), rule: "high".into(), turn }));
    }
    if let Some(quiet) = quiet {
        let settings = vec![("quiet".to_owned(), Some(quiet.to_owned()))];
        let deed = Deed::Set { subject: "anna".to_owned(), kind: Some(SubjectKind::Person), settings };
        log.push(Body::Act(Act { by: "local".to_owned(), deed }));
    }
    for record in &log.records {
        fold.apply(record);
    }
    let last = log.records.iter().rev().find(|record| matches!(record.body, Body::Spark(_))).expect("a spark");
    let Body::Spark(spark) = &last.body else { panic!("it is one") };
    let subject = fold.subject("anna").expect("anna");
    let standing = standing(subject, last.stamp.wall_ms).count();
    (outs(&Identities::one("gw-1"), &Grammar::default(), last, spark, &fold), standing)
}

fn topics((outs, standing): &(Vec<Out>, usize)) -> (Vec<&str>, usize) {
    (outs.iter().map(|out| out.topic.as_str()).collect(), *standing)
}

#[test]
fn each_turn_is_told_to_integrators_to_whoever_offers_it_and_to_devices() {
    let offered = told(None, vec![raised(Severity::Warning)]);
    assert_eq!(topics(&offered), (vec![OWN, OWNERS, CMD], 1));
    let question = offered.0[2].question.clone();
    assert_eq!(question, Some(("halo/v1/d/anna/answer".to_owned(), "high:gw-1-2".to_owned())));
    for turn in [answered(), cleared()] {
        let after = told(None, vec![raised(Severity::Warning), turn]);
        assert_eq!(topics(&after), (vec![OWN, OWNERS, CMD], 0), "nothing of it is left for who comes");
        assert_eq!(after.0[2].question, None, "nobody is asked any more");
    }
}

#[test]
fn devices_are_left_in_peace_in_quiet_hours_unless_it_is_critical_or_over() {
    let quiet = Some("00:00-23:59");
    assert_eq!(topics(&told(quiet, vec![raised(Severity::Warning)])), (vec![OWN, OWNERS], 0));
    assert_eq!(topics(&told(quiet, vec![raised(Severity::Critical)])), (vec![OWN, OWNERS, CMD], 1));
    assert_eq!(topics(&told(quiet, vec![raised(Severity::Warning), cleared()])), (vec![OWN, OWNERS, CMD], 0));
}
