//! Rules that cannot be, and rules that cannot be run.

use super::rig::{Rig, rules};
use crate::spark::{Known, RULES_MAX, Rules};

fn problem(text: &str) -> String {
    Rules::compile(&rules(text), &Known::default()).expect_err("it is refused").to_string()
}

fn when(condition: &str) -> String {
    problem(&format!("[[rule]]\nname = 'r'\nwhen = '''{condition}'''\n"))
}

#[test]
fn a_rule_that_cannot_be_is_refused_with_rule_key_line_and_column() {
    let unknown = when("a.signals.heart_rat.value > 120");
    assert!(unknown.contains("rule \"r\", when"), "{unknown}");
    assert!(unknown.contains("heart_rat") && unknown.contains("did you mean \"heart_rate\""), "{unknown}");
    assert!(unknown.contains("line 1, column 11"), "{unknown}");
    let types = when("a.signals.heart_rate.value > 120 &&\n  a.context.place.zone > 3");
    assert!(types.contains("line 2"), "{types}");
    assert!(when("a.signals.heart_rate.value").contains("bool"), "{}", when("a.signals.heart_rate.value"));
    assert!(when("a.signals.heart_rate.value > ").contains("line 1"));
    assert!(when("b.subject == 'x'").contains("there is no `b`"));
}

#[test]
fn names_joins_tables_and_floors_are_checked() {
    let rule = |more: &str| problem(&format!("[[rule]]\nname = 'r'\nwhen = 'true'\n{more}\n"));
    assert!(problem("[[rule]]\nname = 'a b'\nwhen = 'true'\n").contains("name"));
    assert!(rule("with = { join = 'moon' }").contains("wanted zone, party"));
    assert!(rule("offer = { table = 'pharmacy' }").contains("ORGANISATION/TABLE"));
    let itself = rule("offer = { table = 'o/t', is = 'offer.x' }");
    assert!(itself.contains("offer.is") && itself.contains("cannot look at one"), "{itself}");
    assert!(rule("floor = 1.5").contains("wanted 0 to 1"));
    assert!(rule("[[rule]]\nname = 'r'\nwhen = 'true'").contains("name of two rules"));
    assert!(rule("message = '{a.signals.pulse.value}'").contains("message"));
}

#[test]
fn more_rules_than_there_is_room_for_are_refused_with_how_many_there_may_be() {
    let one = rules("[[rule]]\nname = 'r'\nwhen = 'true'\n").remove(0);
    let refused = Rules::compile(&vec![one; RULES_MAX + 1], &Known::default()).expect_err("too many");
    assert_eq!(refused.to_string(), "16385 rules, at most 16384");
}

#[test]
fn rules_that_feed_each_other_are_refused() {
    let feeds = |name: &str, other: &str| format!("[[rule]]\nname = '{name}'\nwhen = '!a.sparks.{other}.active'\n");
    let circle = problem(&[feeds("x", "y"), feeds("y", "z"), feeds("z", "x")].concat());
    assert!(circle.contains("x -> y -> z -> x"), "{circle}");
    assert!(problem(&feeds("x", "x")).contains("x -> x"));
}

#[test]
fn a_rule_that_cannot_be_run_is_fenced_off_with_the_reason_and_the_others_go_on() {
    let text = "[[rule]]\nname = 'zero'\nwhen = 'int(a.signals.heart_rate.value) / int(a.signals.steps.value) > 1'\n\
                [[rule]]\nname = 'loop'\noffer = { table = 'o/t', is = '\"1\"' }\n\
                when = 'offers.all(x, offers.all(y, x.n + y.n > 0))'\n\
                [[rule]]\nname = 'cell'\noffer = { table = 'o/t', is = '\"1\"' }\nwhen = 'offer.word > 3'\n\
                [[rule]]\nname = 'high'\nwhen = 'a.signals.heart_rate.value > 120'\n";
    let mut rig = Rig::new(text);
    let rows: String = (1..500).map(|n| format!("{n},{n},word\n")).collect();
    rig.offer("o", "t", &format!("key,n,word\n{rows}"));
    rig.value("anna", "steps", 0.0).value("anna", "heart_rate", 130.0);
    assert_eq!(rig.decided(), ["raised high anna"]);
    let ailments: Vec<String> = rig.engine.ailments().collect();
    assert_eq!(ailments.len(), 3, "{ailments:?}");
    assert!(ailments[0].contains("rule zero is fenced off for anna: when: line 1"), "{}", ailments[0]);
    assert!(ailments[1].contains("loop") && ailments[1].contains("budget"), "{}", ailments[1]);
    rig.act(crate::record::Deed::Resume { rule: "zero".to_owned() });
    assert_eq!(rig.engine.ailments().count(), 3, "it still divides by zero");
    rig.value("anna", "steps", 10.0).act(crate::record::Deed::Resume { rule: "zero".to_owned() });
    assert_eq!(rig.engine.ailments().count(), 2);
    assert!(rig.decided().contains(&"raised zero anna".to_owned()));
}

/// Doubles what somebody has set, which fails where that is a word.
const DOUBLED: &str = "[[rule]]\nname = 'double'\nwhen = '2 * int(a.settings.limit) > 10'\n";

#[test]
fn a_word_where_a_number_should_be_stops_a_rule_for_whoever_has_it_alone_and_until_it_is_mended() {
    let mut rig = Rig::new(DOUBLED);
    rig.set("anna", "limit", "six").set("ben", "limit", "7");
    assert_eq!(rig.decided(), ["raised double ben"]);
    let state = || crate::spark::Working::FencedFor;
    let reason = rig.engine.ailments().next().expect("it is told");
    assert!(reason.starts_with("rule double is fenced off for anna: when: line 1"), "{reason}");
    assert!(matches!(&rig.engine.states(&rig.fold)[0].working, it if *it == state()(reason[26..].to_owned())));
    rig.set("anna", "limit", "6");
    assert_eq!((rig.decided(), rig.engine.ailments().count()), (vec!["raised double anna".to_owned()], 0));
}

#[test]
fn a_rule_that_fails_for_many_is_fenced_off_for_all() {
    let mut rig = Rig::new(DOUBLED);
    for number in 0..8 {
        rig.set(&format!("s{number}"), "limit", "six");
    }
    rig.set("ben", "limit", "7");
    assert_eq!(rig.decided(), [""; 0]);
    assert!(matches!(&rig.engine.states(&rig.fold)[0].working, crate::spark::Working::Fenced(_)));
    rig.act(crate::record::Deed::Resume { rule: "double".to_owned() });
    assert_eq!(rig.decided(), ["raised double ben"], "the first by name");
    assert!(matches!(&rig.engine.states(&rig.fold)[0].working, crate::spark::Working::Fenced(_)), "it fails again");
}

#[test]
fn a_partner_that_a_rule_fails_with_is_passed_over_and_the_others_are_met() {
    let text = "[[rule]]\nname = 'meet'\nwith = { join = 'party' }\nwhen = 'int(b.settings.limit) > 5'\n";
    let mut rig = Rig::new(text);
    for (name, limit) in [("anna", "1"), ("ben", "six"), ("cleo", "7"), ("zoe", "8")] {
        rig.set(name, "limit", limit);
    }
    for name in ["anna", "ben", "cleo", "zoe"] {
        rig.set(name, "party", "p");
    }
    let met = ["anna with cleo", "anna with zoe", "ben with cleo", "ben with zoe", "cleo with zoe", "zoe with cleo"];
    let met = met.map(|pair| format!("raised meet {pair}"));
    let told = rig.decided_sorted();
    assert!(told.iter().all(|line| met.contains(line)), "{told:?}");
    // Whoever is not at fault has met everybody who is not, without anything said anew.
    assert!(
        ["anna with cleo", "anna with zoe", "cleo with zoe", "zoe with cleo"]
            .iter()
            .all(|pair| told.iter().any(|line| line.ends_with(pair))),
        "{told:?}"
    );
    let reason = rig.engine.ailments().next().expect("it is told");
    assert!(reason.contains("for ben: "), "{reason}");
    rig.set("ben", "limit", "9");
    assert_eq!(rig.engine.ailments().count(), 0);
    assert!(rig.decided().contains(&"raised meet anna with ben".to_owned()));
}

#[test]
fn a_partner_by_whom_no_offer_can_be_found_is_passed_over_too() {
    let text = "[[rule]]\nname = 'row'\nwith = { join = 'party' }\nwhen = 'offer.n > 3'\n\
                offer = { table = 'o/t', column = 'n', is = 'double(b.settings.limit)' }\n";
    let mut rig = Rig::new(text);
    rig.offer("o", "t", "key,n\n1,5\n");
    for (name, limit) in [("anna", "1"), ("ben", "six"), ("cleo", "5")] {
        rig.set(name, "limit", limit);
    }
    for name in ["anna", "ben", "cleo"] {
        rig.set(name, "party", "p");
    }
    let told = rig.decided_sorted();
    assert!(told.contains(&"raised row anna with cleo 1".to_owned()), "{told:?}");
    assert!(rig.engine.ailments().next().is_some_and(|reason| reason.contains("anna with ben")), "{told:?}");
}

#[test]
fn a_table_that_is_mended_is_looked_at_again() {
    let mut rig = Rig::new(
        "[[rule]]\nname = 'cell'\noffer = { table = 'o/t', is = '\"1\"' }\nwhen = 'offer.n > 3'\nabout = { kind = 'person' }\n",
    );
    rig.set("anna", "limit", "1").offer("o", "t", "key,n\n1,word\n");
    assert_eq!((rig.decided().len(), rig.engine.ailments().count()), (0, 1));
    rig.offer("o", "t", "key,n\n1,5\n");
    assert_eq!((rig.decided(), rig.engine.ailments().count()), (vec!["raised cell anna with 1".to_owned()], 0));
}
