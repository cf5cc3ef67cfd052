//! When a spark is raised and when it is over.

use super::rig::Rig;
use crate::record::{Body, Deed, FactValue, Offset, Spark, SparkTurn};

const HIGH: &str = "[[rule]]\nname = 'high'\nwhen = 'a.signals.heart_rate.value > 120'\n\
                    message = '{a.subject} has {a.signals.heart_rate.value}'\nseverity = 'warning'\n";

#[test]
fn a_condition_that_comes_true_raises_one_spark_and_ends_it_when_it_is_false_again() {
    let mut rig = Rig::new(HIGH);
    rig.value("anna", "heart_rate", 100.0).value("anna", "heart_rate", 130.0).value("anna", "heart_rate", 131.0);
    assert_eq!(rig.decided(), ["raised high anna"]);
    let open: Vec<_> = rig.subject("anna").sparks().expect("sparks").open().collect();
    assert_eq!((open.len(), open[0].message.as_str()), (1, "anna has 130"));
    rig.value("anna", "heart_rate", 90.0);
    assert_eq!(rig.decided(), ["cleared(over) high anna"]);
    assert_eq!(rig.subject("anna").sparks().expect("sparks").open().count(), 0);
}

#[test]
fn a_spark_names_its_cause_and_the_facts_it_rests_on_with_their_offsets() {
    let mut rig = Rig::new(HIGH);
    rig.value("anna", "heart_rate", 130.0);
    let cause = rig.log.records.iter().find(|record| matches!(record.body, Body::Frame(_))).expect("a frame").offset;
    let (record, raised) = rig.raised();
    assert_eq!(record.cause, Some(cause));
    assert_eq!(raised.facts.len(), 1, "what only the message shows is no fact: {:?}", raised.facts);
    let fact = rig.fact("a.signals.heart_rate.value");
    assert_eq!((&fact.value, fact.offset, fact.device.as_deref()), (&FactValue::Number(130.0), cause, Some("anna")));
    assert_eq!(fact.time_ms, Some(rig.log.now().wall_ms));
}

/// Each kind of fact, and the record that said it.
#[test]
fn a_fact_rests_on_the_record_that_said_it_and_a_list_is_told_too() {
    let text = "[[rule]]\nname = 'all'\nwhen = 'a.settings.x == \"yes\" && a.relations.exists(r, r.kind == \"family\") && \
                a.devices.exists(d, d.device == \"band\") && a.sparks.first.active'\n\
                [[rule]]\nname = 'first'\nwhen = 'a.settings.x == \"yes\"'\n";
    let mut rig = Rig::new(text);
    rig.value("anna", "heart_rate", 60.0);
    rig.relate("anna", "ben", "family").set("anna", "x", "yes");
    let set = rig.log.records.iter().rev().find(|record| matches!(record.body, Body::Act(_))).expect("an act").offset;
    assert_eq!(rig.decided(), ["raised first anna"]);
    rig.log.after(10).push(Body::Tick);
    let text = text.replace("d.device == \"band\"", "d.device == \"anna\"");
    let mut rig = rig.restarted(&text);
    assert_eq!(rig.decided(), ["raised all anna"]);
    let is = |path: &str| (rig.fact(path).value.clone(), rig.fact(path).offset);
    assert_eq!(is("a.settings.x"), (FactValue::Text("yes".to_owned()), set));
    assert_eq!(is("a.relations"), (FactValue::Number(1.0), set));
    assert_eq!(is("a.devices").0, FactValue::Number(1.0));
    let first = rig.subject("anna").sparks().and_then(|sparks| sparks.iter().next()).expect("the first").mark.offset;
    assert_eq!(is("a.sparks.first.active"), (FactValue::Bool(true), first));
}

/// A burst of a drained buffer is folded before the first decision about it is in the log.
#[test]
fn what_changed_while_a_decision_was_under_way_is_not_missed() {
    let mut rig = Rig::new(HIGH);
    let burst = |rig: &mut Rig, rates: &[f64]| {
        for rate in rates {
            rig.log.after(1_000).value("anna", "heart_rate", *rate, 0);
        }
        rig.run();
    };
    burst(&mut rig, &[130.0, 90.0]);
    assert_eq!(rig.decided(), ["raised high anna", "cleared(over) high anna"]);
    rig.value("anna", "heart_rate", 130.0);
    burst(&mut rig, &[90.0, 130.0]);
    assert_eq!(rig.decided(), ["raised high anna", "cleared(over) high anna", "raised high anna"]);
}

#[test]
fn each_time_that_a_condition_held_in_a_burst_is_a_spark_with_the_facts_of_its_own() {
    let mut rig = Rig::new(HIGH);
    let began = rig.log.records.len();
    for rate in [130.0, 131.0, 90.0, 140.0, 91.0, 92.0, 150.0] {
        rig.log.after(1_000).value("anna", "heart_rate", rate, 0);
    }
    let heard: Vec<Offset> = rig.log.records.iter().skip(began).map(|record| record.offset).collect();
    rig.run();
    let (raised, cleared) = ("raised high anna", "cleared(over) high anna");
    assert_eq!(rig.decided(), [raised, cleared, raised, cleared, raised]);
    let sparks = rig.log.records.iter().filter(|record| matches!(record.body, Body::Spark(_)));
    let causes: Vec<Offset> = sparks.clone().filter_map(|record| record.cause).collect();
    assert_eq!(causes, [heard[0], heard[2], heard[3], heard[4], heard[6]]);
    let told = sparks.filter_map(|record| match &record.body {
        Body::Spark(Spark { turn: SparkTurn::Raised(raised), .. }) => Some(raised.message.as_str()),
        _ => None,
    });
    assert!(told.eq(["anna has 130", "anna has 140", "anna has 150"]), "{:?}", rig.raised());
    assert!(rig.subject("anna").sparks().is_some_and(|sparks| sparks.open().count() == 1));
}

#[test]
fn of_a_burst_without_end_the_first_are_told_and_then_what_is() {
    let mut rig = Rig::new(HIGH);
    for turn in 0..100 {
        rig.log.after(1_000).value("anna", "heart_rate", if turn % 2 == 0 { 130.0 } else { 90.0 }, 0);
    }
    rig.run();
    let decided = rig.decided();
    assert!((32..40).contains(&decided.len()), "{}", decided.len());
    assert_eq!(decided.last().map(String::as_str), Some("cleared(over) high anna"));
}

#[test]
fn in_a_burst_a_rule_cools_down_too() {
    let mut rig = Rig::new(&format!("{HIGH}cool_down = '1h'\n"));
    for rate in [130.0, 90.0, 130.0] {
        rig.log.after(1_000).value("anna", "heart_rate", rate, 0);
    }
    rig.run();
    assert_eq!(rig.decided(), ["raised high anna", "cleared(over) high anna"]);
    assert_eq!(rig.after(3_601_000).decided(), ["raised high anna"], "it holds still");
}

#[test]
fn a_rule_both_of_whose_conditions_are_true_goes_round_once_a_frame_and_not_for_ever() {
    let mut rig = Rig::new(&format!("{HIGH}clear = 'a.signals.heart_rate.value > 100'\n"));
    rig.value("anna", "heart_rate", 130.0);
    assert_eq!(rig.decided(), ["raised high anna", "cleared(over) high anna"]);
}

#[test]
fn what_is_not_known_raises_nothing_and_ends_nothing() {
    let mut rig = Rig::new(HIGH);
    rig.value("anna", "skin_temperature", 33.0);
    assert!(rig.decided().is_empty());
}

#[test]
fn a_condition_has_to_hold_for_its_time() {
    let mut rig = Rig::new(&format!("{HIGH}hold = '30s'\n"));
    rig.value("anna", "heart_rate", 130.0).after(20_000);
    assert!(rig.decided().is_empty());
    assert!(rig.engine.deadline().is_some());
    rig.value("anna", "heart_rate", 90.0).value("anna", "heart_rate", 130.0);
    let since = rig.log.now().wall_ms;
    rig.after(20_000);
    assert!(rig.decided().is_empty(), "it began anew");
    rig.after(10_000);
    assert_eq!(rig.decided(), ["raised high anna"]);
    assert_eq!(rig.raised().1.since_ms, since);
}

#[test]
fn after_its_end_a_spark_is_not_raised_again_before_it_has_cooled_down() {
    let mut rig = Rig::new(&format!("{HIGH}cool_down = '60s'\n"));
    rig.value("anna", "heart_rate", 130.0).value("anna", "heart_rate", 90.0).value("anna", "heart_rate", 130.0);
    assert_eq!(rig.decided(), ["raised high anna", "cleared(over) high anna"]);
    rig.after(58_000);
    assert!(rig.decided().is_empty());
    rig.after(2_000);
    assert_eq!(rig.decided(), ["raised high anna"]);
}

#[test]
fn with_a_clear_of_its_own_a_spark_outlives_its_condition() {
    let mut rig = Rig::new(&format!("{HIGH}clear = 'a.signals.heart_rate.value < 100'\n"));
    rig.value("anna", "heart_rate", 130.0).value("anna", "heart_rate", 110.0).value("anna", "heart_rate", 130.0);
    assert_eq!(rig.decided(), ["raised high anna"]);
    rig.value("anna", "heart_rate", 99.0);
    assert_eq!(rig.decided(), ["cleared(over) high anna"]);
}

#[test]
fn a_restart_raises_nothing_twice_and_sees_what_became_false_meanwhile() {
    let mut rig = Rig::new(HIGH);
    rig.value("anna", "heart_rate", 130.0).value("ben", "heart_rate", 130.0);
    assert_eq!(rig.decided(), ["raised high anna", "raised high ben"]);
    let mut rig = rig.restarted(HIGH);
    assert!(rig.decided().is_empty());
    // Folded, as after a crash, before anybody decides.
    rig.log.after(1_000).value("anna", "heart_rate", 80.0, 0);
    let record = rig.log.records.last().expect("one").clone();
    rig.fold.apply(&record);
    let mut rig = rig.restarted(HIGH);
    assert_eq!(rig.decided(), ["cleared(over) high anna"]);
}

#[test]
fn a_rule_that_is_gone_ends_its_sparks_and_one_that_changed_judges_them_anew() {
    let mut rig = Rig::new(HIGH);
    rig.value("anna", "heart_rate", 130.0);
    let mut rig = rig.restarted(&HIGH.replace("120", "140"));
    assert_eq!(rig.decided(), ["raised high anna", "cleared(over) high anna"]);
    rig.value("anna", "heart_rate", 150.0);
    let mut rig = rig.restarted(&HIGH.replace("'high'", "'other'").replace("120", "200"));
    assert_eq!(rig.decided(), ["raised high anna", "cleared(rule) high anna"]);
}

#[test]
fn a_rule_given_over_the_socket_works_is_replaced_while_it_holds_and_goes_with_its_sparks() {
    let mut rig = Rig::new(HIGH);
    let rule = |limit: u32, hold: &str| {
        let text = format!("name = 'low'\nwhen = 'a.signals.heart_rate.value < {limit}'\nhold = '{hold}'");
        Deed::Rule { name: "low".to_owned(), text: Some(text) }
    };
    rig.act(rule(50, "10s")).value("anna", "heart_rate", 40.0).after(5_000).act(rule(45, "10s")).after(6_000);
    assert!(rig.decided().is_empty(), "the hold of another condition is another");
    rig.after(5_000);
    assert_eq!(rig.decided(), ["raised low anna"]);
    rig.act(Deed::Rule { name: "low".to_owned(), text: None });
    assert_eq!(rig.decided(), ["cleared(rule) low anna"]);
    // It is known to a later start.
    rig.act(rule(50, "0s"));
    let mut rig = rig.restarted(HIGH);
    rig.value("ben", "heart_rate", 40.0);
    assert!(rig.decided().contains(&"raised low ben".to_owned()));
}

#[test]
fn a_rule_whose_sparks_another_one_reads_can_not_be_taken_away() {
    let mut rig = Rig::new(HIGH);
    let rule = |name: &str, when: &str| Deed::Rule {
        name: name.to_owned(),
        text: Some(format!("name = '{name}'\nwhen = '{when}'")),
    };
    rig.act(rule("one", "a.signals.heart_rate.value > 100")).act(rule("two", "a.sparks.one.active"));
    let refused = rig.engine.check_removal("one").expect_err("two reads it");
    assert!(refused.contains("rule \"two\", when") && refused.contains("there is no rule \"one\""), "{refused}");
    assert_eq!(rig.engine.check_removal("two"), Ok(()));
    assert!(rig.engine.check_removal("high").is_err_and(|why| why.contains("stands in the configuration")));
}

#[test]
fn what_has_held_for_a_while_goes_on_holding_when_other_rules_come() {
    let mut rig = Rig::new(&format!("{HIGH}hold = '30s'\n"));
    rig.value("anna", "heart_rate", 130.0);
    let since = rig.log.now().wall_ms;
    rig.after(20_000);
    let text = "name = 'low'\nwhen = 'a.signals.heart_rate.value < 40'".to_owned();
    rig.act(Deed::Rule { name: "low".to_owned(), text: Some(text) }).after(10_000);
    assert_eq!(rig.decided(), ["raised high anna"]);
    assert_eq!(rig.raised().1.since_ms, since);
}

#[test]
fn only_rules_whose_inputs_changed_are_run() {
    let rule = |n: u32, signal: &str| format!("[[rule]]\nname = 'r{n}'\nwhen = 'a.signals.{signal}.value > 1000'\n");
    let mut text: String = (0..100).map(|n| rule(n, "heart_rate")).collect();
    text += &(100..200).map(|n| rule(n, "skin_temperature")).collect::<String>();
    let of_ben = |n: u32| format!("{}about = {{ subject = 'ben' }}\n", rule(n, "heart_rate"));
    text += &(200..300).map(of_ben).collect::<String>();
    let mut rig = Rig::new(&text);
    rig.value("anna", "heart_rate", 60.0).value("anna", "skin_temperature", 33.0);
    let before = rig.engine.evaluations();
    rig.value("anna", "skin_temperature", 33.5);
    assert_eq!(rig.engine.evaluations() - before, 100);
    rig.value("anna", "heart_rate", 60.0);
    assert_eq!(rig.engine.evaluations() - before, 200);
    rig.after(1_000);
    assert_eq!(rig.engine.evaluations() - before, 200);
}

#[test]
fn rules_that_read_the_present_moment_are_looked_at_each_minute() {
    let text = "[[rule]]\nname = 'silent'\nwhen = 'now - a.signals.heart_rate.time > duration(\"5m\")'\n";
    let mut rig = Rig::new(text);
    rig.value("anna", "heart_rate", 60.0).after(4 * 60_000);
    assert!(rig.decided().is_empty());
    rig.after(2 * 60_000);
    assert_eq!(rig.decided(), ["raised silent anna"]);
    rig.value("anna", "heart_rate", 60.0);
    assert_eq!(rig.decided(), ["cleared(over) silent anna"]);
}

#[test]
fn a_subject_has_a_bounded_number_of_open_sparks() {
    let rule = |n: u32| format!("[[rule]]\nname = 'r{n}'\nwhen = 'a.signals.heart_rate.value > {n}'\n");
    let mut rig = Rig::new(&(0..100).map(rule).collect::<String>());
    rig.value("anna", "heart_rate", 150.0).value("anna", "heart_rate", 150.0);
    assert_eq!(rig.subject("anna").sparks().expect("sparks").open().count(), 32);
    assert_eq!(rig.decided().len(), 32, "none is forgotten to make room");
    rig.value("anna", "heart_rate", 31.5);
    assert!(rig.decided().iter().all(|line| line.starts_with("cleared(over)") || line.starts_with("raised")));
}

/// Forty offers of which each is wanted while its key is at most the limit.
const FORTY: &str = "[[rule]]\nname = 'wanted'\noffer = { table = 'o/t' }\nwhen = 'offer.n <= int(a.settings.limit)'\n\
                     about = { kind = 'person' }\ncool_down = '1h'\n";

fn forty(limit: &str) -> Rig {
    let mut rig = Rig::new(FORTY);
    rig.set("anna", "limit", limit);
    let rows: String = (1..=40).map(|n| format!("k{n:02},{n}\n")).collect();
    rig.offer("o", "t", &format!("key,n\n{rows}"));
    rig
}

#[test]
fn what_found_no_room_is_raised_when_there_is_some() {
    let text = format!("{FORTY}clear = 'offer.n == int(a.settings.gone)'\n");
    let mut rig = Rig::new(&text);
    rig.set("anna", "limit", "40");
    let rows: String = (1..=40).map(|n| format!("k{n:02},{n}\n")).collect();
    rig.offer("o", "t", &format!("key,n\n{rows}"));
    assert_eq!(rig.decided().len(), 32);
    rig.set("anna", "gone", "7");
    assert_eq!(rig.decided(), ["cleared(over) wanted anna with k07", "raised wanted anna with k33"]);
    // Two at once: the second ends while what takes the first one's place is on its way.
    rig.offer("o", "t", &format!("key,n\n{}", rows.replace("k08,8\n", "").replace("k09,9\n", "")));
    let decided = rig.decided_sorted();
    assert_eq!(decided.iter().filter(|line| line.starts_with("raised")).count(), 2, "{decided:?}");
}

#[test]
fn a_cool_down_is_kept_though_so_much_came_after_that_the_spark_is_not() {
    let mut rig = forty("20");
    rig.set("anna", "limit", "0").set("anna", "limit", "40");
    let raised = |rig: &mut Rig| rig.decided().iter().filter(|line| line.starts_with("raised")).count();
    assert_eq!(raised(&mut rig), 40, "twenty, and then the other twenty");
    rig.set("anna", "limit", "0").set("anna", "limit", "40");
    assert_eq!(raised(&mut rig), 0, "all of them cool down");
    let mut rig = rig.restarted(FORTY);
    rig.set("anna", "limit", "0").set("anna", "limit", "40");
    assert_eq!(raised(&mut rig), 0, "also after a restart");
    rig.after(3_600_000);
    assert_eq!(raised(&mut rig), 32);
}
