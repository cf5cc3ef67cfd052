//! What is said to sparks, and what follows from it.

use super::rig::Rig;
use crate::halo::tests::support::WALL_MS;
use crate::record::{Answer, Body, Deed, Spark, SparkTurn};
use crate::spark::quiet_until_ms;

const ASK: &str = "[[rule]]\nname = 'ask'\nwhen = 'a.signals.heart_rate.value > 120'\ncmd = true\n\
                   answer_within = '60s'\nexpires = '10m'\nfloor = 0.5\n";

#[test]
fn an_answer_counts_once_and_stands_in_the_halo() {
    let mut rig = Rig::new(ASK);
    rig.value("anna", "heart_rate", 130.0);
    let id = rig.id("anna");
    rig.reply("anna", &id, Answer::Accepted).reply("anna", &id, Answer::Declined);
    assert_eq!(rig.decided(), ["raised ask anna", "accepted ask anna"]);
    let spark = rig.subject("anna").sparks().and_then(|sparks| sparks.iter().next()).expect("a spark").clone();
    let (_, answered) = spark.answered.expect("an answer");
    assert_eq!((answered.answer, answered.device.as_deref()), (Answer::Accepted, Some("band-1")));
    let book = rig.fold.ledger().book("ask").expect("a book");
    assert_eq!((book.accepted, book.declined, book.ratings, book.feedback.len()), (1, 0, (1, 4), 1));
    rig.after(120_000);
    assert!(rig.decided().is_empty(), "who has answered is not waited for");
}

#[test]
fn an_answer_to_no_spark_of_the_subject_leads_to_nothing() {
    let mut rig = Rig::new(ASK);
    rig.value("anna", "heart_rate", 130.0);
    let id = rig.id("anna");
    rig.reply("ben", &id, Answer::Accepted).reply("anna", "ask:gw-1-999", Answer::Accepted);
    rig.reply("anna", "", Answer::Accepted);
    assert_eq!(rig.decided(), ["raised ask anna"]);
}

#[test]
fn who_does_not_answer_in_time_has_ignored_it_also_across_a_restart() {
    let mut rig = Rig::new(ASK);
    rig.value("anna", "heart_rate", 130.0).after(50_000);
    assert_eq!(rig.decided(), ["raised ask anna"]);
    let mut rig = rig.restarted(ASK);
    rig.after(11_000);
    assert_eq!(rig.decided(), ["ignored ask anna"]);
}

#[test]
fn a_rule_whose_answers_are_mostly_no_goes_quiet_until_it_is_resumed() {
    let mut rig = Rig::new(ASK);
    for n in 0..20 {
        rig.value("anna", "heart_rate", 130.0);
        let answer = if n < 9 { Answer::Accepted } else { Answer::Declined };
        let id = rig.id("anna");
        rig.reply("anna", &id, answer).value("anna", "heart_rate", 90.0);
    }
    rig.decided();
    assert_eq!(rig.engine.states(&rig.fold)[0].working, crate::spark::Working::Quiet);
    let answers: Vec<Spark> = rig
        .log
        .records
        .iter()
        .filter_map(|record| match &record.body {
            Body::Spark(spark @ Spark { turn: SparkTurn::Answered { .. }, .. }) => Some(spark.clone()),
            _ => None,
        })
        .collect();
    let (declined, accepted) = (&answers[19], &answers[0]);
    let turned = rig.engine.turned(declined, &rig.fold).expect("the twentieth answer turned it");
    assert!(turned.quiet && turned.answers == 20 && (turned.acceptance - 0.45).abs() < 1e-9, "{turned:?}");
    assert!(rig.engine.turned(accepted, &rig.fold).is_some_and(|turned| turned.quiet), "before there were too few");
    rig.value("anna", "heart_rate", 130.0);
    assert!(rig.decided().is_empty());
    rig.act(Deed::Resume { rule: "ask".to_owned() });
    rig.value("anna", "heart_rate", 131.0);
    assert_eq!(rig.decided(), ["raised ask anna"]);
}

#[test]
fn quiet_hours_are_those_of_the_subjects_own_clock_and_what_stands_is_told_when_they_end() {
    let mut rig = Rig::new(ASK);
    // 20:00 UTC, 21:00 where she is.
    rig.value("anna", "heart_rate", 60.0).set("anna", "quiet", "20:30-21:15");
    assert_eq!(quiet_until_ms(rig.subject("anna"), rig.log.now().wall_ms), None, "by UTC they are to come");
    rig.set("anna", "time_zone", "Europe/Berlin");
    let ends_ms = WALL_MS + 15 * 60_000;
    assert_eq!(quiet_until_ms(rig.subject("anna"), rig.log.now().wall_ms), Some(ends_ms));
    assert_eq!(quiet_until_ms(rig.subject("anna"), ends_ms), None, "they are over");
    rig.set("anna", "quiet", "21:30-22:15");
    assert_eq!(quiet_until_ms(rig.subject("anna"), rig.log.now().wall_ms), None, "in half an hour");
    let hour = local_hour(rig.log.now().wall_ms);
    rig.set("anna", "quiet", &format!("{hour:02}:00-{:02}:30", (hour + 1) % 24));
    assert!(quiet_until_ms(rig.subject("anna"), rig.log.now().wall_ms).is_some());
    rig.value("anna", "heart_rate", 130.0).value("anna", "heart_rate", 130.0);
    assert_eq!(rig.decided(), ["raised ask anna"], "it stands in the halo");
    assert!(rig.engine.take_told().is_empty());
    let Some(until) = quiet_until_ms(rig.subject("anna"), rig.log.now().wall_ms) else { panic!("quiet") };
    let left = u64::try_from(until - rig.log.now().wall_ms).expect("ahead");
    rig.value("ben", "heart_rate", 60.0).after(left);
    // It expired meanwhile: a device that slept is not woken by what is of no use any more.
    assert!(rig.engine.take_told().is_empty());
}

#[test]
fn what_stands_is_told_when_the_quiet_hours_end() {
    let mut rig = Rig::new("[[rule]]\nname = 'late'\nwhen = 'a.signals.heart_rate.value > 120'\ncmd = true\n");
    rig.value("anna", "heart_rate", 130.0).set("anna", "time_zone", "Europe/Berlin");
    let hour = local_hour(rig.log.now().wall_ms);
    rig.set("anna", "quiet", &format!("{hour:02}:00-{:02}:30", (hour + 1) % 24));
    rig.value("anna", "heart_rate", 90.0).value("anna", "heart_rate", 130.0);
    assert!(rig.engine.take_told().is_empty());
    let until = quiet_until_ms(rig.subject("anna"), rig.log.now().wall_ms).expect("quiet hours");
    rig.after(u64::try_from(until - rig.log.now().wall_ms).expect("ahead"));
    assert_eq!(rig.engine.take_told(), [crate::record::Name::from("anna")]);
}

#[test]
fn what_is_told_when_quiet_hours_end_can_be_answered_from_then_on() {
    let mut rig = Rig::new(
        "[[rule]]\nname = 'ask'\nwhen = 'a.signals.heart_rate.value > 120'\ncmd = true\nanswer_within = '60s'\n",
    );
    rig.value("anna", "heart_rate", 60.0).set("anna", "time_zone", "Europe/Berlin");
    let hour = local_hour(rig.log.now().wall_ms);
    rig.set("anna", "quiet", &format!("{hour:02}:00-{:02}:30", (hour + 1) % 24));
    rig.value("anna", "heart_rate", 130.0).value("anna", "heart_rate", 130.0);
    rig.after(120_000);
    assert_eq!(rig.decided(), ["raised ask anna"], "nobody was asked yet");
    let until = quiet_until_ms(rig.subject("anna"), rig.log.now().wall_ms).expect("quiet hours");
    rig.after(u64::try_from(until - rig.log.now().wall_ms).expect("ahead")).after(59_000);
    assert!(rig.decided().is_empty());
    rig.after(2_000);
    assert_eq!(rig.decided(), ["ignored ask anna"]);
}

#[test]
fn quiet_hours_that_are_longer_by_now_end_when_they_do() {
    let mut rig = Rig::new("[[rule]]\nname = 'late'\nwhen = 'a.signals.heart_rate.value > 120'\ncmd = true\n");
    rig.value("anna", "heart_rate", 60.0).set("anna", "time_zone", "Europe/Berlin");
    let hour = local_hour(rig.log.now().wall_ms);
    let until = |hours: i64| format!("{hour:02}:00-{:02}:30", (hour + hours) % 24);
    rig.set("anna", "quiet", &until(1));
    rig.value("anna", "heart_rate", 130.0).value("anna", "heart_rate", 130.0);
    rig.set("anna", "quiet", &until(2));
    for _ in 0..2 {
        assert!(rig.engine.take_told().is_empty());
        rig.after(3_600_000);
    }
    rig.after(3_600_000);
    assert_eq!(rig.engine.take_told(), [crate::record::Name::from("anna")]);
}

fn local_hour(unix_ms: i64) -> i64 {
    (unix_ms + crate::ingest::zones::offset_ms("Europe/Berlin", unix_ms)).div_euclid(3_600_000).rem_euclid(24)
}

#[test]
fn of_what_people_say_to_a_rule_the_newest_words_are_kept() {
    let mut rig = Rig::new(ASK);
    for number in 0..10 {
        let name = format!("s{number}");
        rig.value(&name, "heart_rate", 130.0);
        let id = rig.id(&name);
        rig.reply(&name, &id, Answer::Accepted);
    }
    let book = rig.fold.ledger().book("ask").expect("a book");
    let from: Vec<&str> = book.feedback.iter().map(|(subject, ..)| &**subject).collect();
    assert_eq!((from.len(), from[0], from[7], book.accepted), (8, "s2", "s9", 10));
}

#[test]
fn what_a_quiet_rule_kept_to_itself_is_told_when_a_late_answer_turns_it_back() {
    let mut rig = Rig::new(ASK);
    let name = |number: usize| format!("s{number:02}");
    for number in 0..22 {
        rig.value(&name(number), "heart_rate", 130.0);
    }
    let answer = |rig: &mut Rig, number: usize, answer| {
        let id = rig.id(&name(number));
        rig.reply(&name(number), &id, answer);
    };
    for number in 0..20 {
        answer(&mut rig, number, if number < 9 { Answer::Accepted } else { Answer::Declined });
    }
    rig.decided();
    rig.value("late", "heart_rate", 130.0);
    assert_eq!(rig.decided(), [""; 0], "9 of 20 are too few");
    answer(&mut rig, 20, Answer::Accepted);
    assert_eq!(rig.decided(), ["accepted ask s20"], "10 of 21 are, too");
    answer(&mut rig, 21, Answer::Accepted);
    assert_eq!(rig.decided(), ["accepted ask s21", "raised ask late"]);
}
