//! Halos meet: by a key, by a relation, with offers, as members of an organisation.

use super::rig::Rig;
use crate::record::{Body, Deed, FactValue, Offset, Relation, Spark, SparkTurn, SubjectKind};

#[test]
fn two_halos_that_share_a_setting_meet_and_part_again() {
    let text = "[[rule]]\nname = 'ride'\nwith = { join = 'destination' }\n\
                when = 'a.settings.share == \"yes\" && b.settings.share == \"yes\"'\n\
                message = '{b.subject} goes there too'\n";
    let mut rig = Rig::new(text);
    for name in ["anna", "ben", "cleo"] {
        rig.set(name, "share", "yes");
    }
    rig.set("anna", "destination", "airport").set("ben", "destination", "airport").set("cleo", "destination", "zoo");
    assert_eq!(rig.decided_sorted(), ["raised ride anna with ben", "raised ride ben with anna"]);
    assert_eq!(rig.raised().1.message, "ben goes there too");
    rig.set("ben", "destination", "zoo");
    let decided = rig.decided_sorted();
    let wanted = [
        "cleared(apart) ride anna with ben",
        "cleared(apart) ride ben with anna",
        "raised ride ben with cleo",
        "raised ride cleo with ben",
    ];
    assert_eq!(decided, wanted);
    rig.set("ben", "share", "no");
    assert_eq!(rig.decided().len(), 2, "the change of the one ends what both have");
}

#[test]
fn a_rule_meets_only_the_kind_it_asks_for() {
    let text = "[[rule]]\nname = 'bus'\nwith = { join = 'destination', kind = 'machine' }\n\
                when = 'b.settings.free == \"yes\"'\n";
    let mut rig = Rig::new(text);
    for name in ["anna", "ben"] {
        rig.set(name, "free", "yes").set(name, "destination", "airport");
    }
    assert!(rig.decided().is_empty(), "people are no buses");
    let settings = [("destination", "airport"), ("free", "yes")];
    let settings = settings.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).to_vec();
    rig.act(Deed::Set { subject: "coach".to_owned(), kind: Some(SubjectKind::Machine), settings });
    assert_eq!(rig.decided_sorted(), ["raised bus anna with coach", "raised bus ben with coach"]);
}

#[test]
fn who_leaves_a_crowd_is_parted_from_everybody_who_has_met_them() {
    let text = "[[rule]]\nname = 'crowd'\nwith = { join = 'party' }\n\
                when = 'b.subject == \"s00\" && b.signals.heart_rate.value > 50'\n";
    let mut rig = Rig::new(text);
    for number in 0..80 {
        let name = format!("s{number:02}");
        rig.value(&name, "heart_rate", 60.0);
        rig.log.after(10).json(&name, r#"{"party":"all"}"#);
        rig.run();
    }
    let open = |rig: &Rig| {
        let all = rig.fold.subjects();
        all.iter().filter_map(|subject| subject.sparks()).flat_map(|sparks| sparks.open()).count()
    };
    assert_eq!(open(&rig), 64, "32 after it and 32 before it, around in a ring");
    rig.decided();
    rig.value("s00", "heart_rate", 40.0);
    assert_eq!((rig.decided().len(), open(&rig)), (64, 0));
    rig.value("s00", "heart_rate", 60.0);
    assert_eq!((rig.decided().len(), open(&rig)), (64, 64), "a change of one is seen by all who meet it");
    rig.log.after(10).json("s00", r#"{"party":"none"}"#);
    rig.run();
    assert_eq!((rig.decided().len(), open(&rig)), (64, 0));
}

#[test]
fn where_one_leaves_a_crowd_the_next_one_is_met_in_their_place() {
    let text =
        "[[rule]]\nname = 'crowd'\nwith = { join = 'party' }\nwhen = 'a.subject == \"s00\" && b.subject == \"s33\"'\n";
    let mut rig = Rig::new(text);
    (0..80).for_each(|number| {
        rig.set(&format!("s{number:02}"), "party", "all");
    });
    let is_open = |rig: &Rig| rig.subject("s00").sparks().is_some_and(|sparks| sparks.open().count() > 0);
    assert!(!is_open(&rig), "32 stand between them");
    rig.set("s10", "party", "none");
    assert!(is_open(&rig));
    rig.set("s10", "party", "all");
    assert!(!is_open(&rig), "and come between them again");
}

#[test]
fn who_joins_a_party_meets_those_who_are_there_whatever_else_it_told() {
    let text = "[[rule]]\nname = 'party'\nwith = { join = 'party' }\nwhen = 'b.signals.heart_rate.value > 50'\n";
    let mut rig = Rig::new(text);
    for name in ["anna", "ben"] {
        rig.value(name, "heart_rate", 60.0);
        rig.log.after(1_000).json(name, r#"{"party":"the millers"}"#);
        rig.run();
    }
    assert_eq!(rig.decided_sorted(), ["raised party anna with ben", "raised party ben with anna"]);
    rig.log.after(1_000).json("ben", r#"{"party":"the smiths"}"#);
    rig.run();
    assert_eq!(rig.decided_sorted(), ["cleared(apart) party anna with ben", "cleared(apart) party ben with anna"]);
}

#[test]
fn who_is_related_is_told_of_what_becomes_of_the_other() {
    let text = "[[rule]]\nname = 'patient'\nwith = { join = 'relation:patient' }\n\
                when = 'b.signals.heart_rate.value > 150'\nmessage = '{b.subject}: {b.signals.heart_rate.value}'\n";
    let mut rig = Rig::new(text);
    rig.value("anna", "heart_rate", 60.0).relate("doctor", "anna", "patient");
    assert!(rig.decided().is_empty());
    // So large a step is believed once it is confirmed.
    rig.value("anna", "heart_rate", 160.0).value("anna", "heart_rate", 160.0);
    assert_eq!(rig.decided(), ["raised patient doctor with anna"]);
    assert_eq!(rig.fact("b.signals.heart_rate.value").value, FactValue::Number(160.0));
    let (of, subject, kind) = ("doctor".to_owned(), "anna".to_owned(), "patient".to_owned());
    rig.log.after(1_000);
    let at_ms = rig.log.now().wall_ms;
    rig.act(Deed::Unrelate { of, subject, kind, at_ms });
    rig.after(1_000);
    assert_eq!(rig.decided(), ["cleared(apart) patient doctor with anna"]);
}

#[test]
fn a_relation_that_ends_by_itself_parts_whatever_record_comes_first() {
    let text =
        "[[rule]]\nname = 'patient'\nwith = { join = 'relation:patient' }\nwhen = 'b.signals.heart_rate.value > 50'\n";
    let mut rig = Rig::new(text);
    rig.value("anna", "heart_rate", 60.0);
    let [of, subject, kind] = ["doctor", "anna", "patient"].map(str::to_owned);
    let until_ms = Some(rig.log.now().wall_ms + 10_000);
    rig.act(Deed::Relate(Relation { of, subject, kind, from_ms: None, until_ms }));
    assert_eq!(rig.decided(), ["raised patient doctor with anna"]);
    rig.log.after(20_000);
    rig.value("ben", "steps", 7.0);
    assert_eq!(rig.decided(), ["cleared(apart) patient doctor with anna"]);
}

#[test]
fn who_leaves_an_organisation_is_counted_there_no_more() {
    let text = "[[rule]]\nname = 'few'\nabout = { subject = 'works' }\nwhen = 'a.members.n < 2.0'\n";
    let mut rig = Rig::new(text);
    rig.value("works", "power", 1.0);
    for name in ["anna", "ben"] {
        rig.value(name, "heart_rate", 60.0).set(name, "organisation", "works");
    }
    rig.after(2_000);
    rig.decided();
    rig.set("anna", "organisation", "").after(2_000);
    assert_eq!(rig.decided(), ["raised few works"]);
}

#[test]
fn an_offer_that_names_a_subject_meets_it_and_its_withdrawal_ends_that() {
    let text = "[[rule]]\nname = 'prescription'\nowner = 'pharmacy'\n\
                offer = { table = 'pharmacy/prescriptions', is = 'a.subject' }\n\
                when = 'offer.ready'\nmessage = '{offer.drug} is ready'\n";
    let mut rig = Rig::new(text);
    rig.value("anna", "heart_rate", 60.0).value("ben", "heart_rate", 60.0);
    rig.offer("pharmacy", "prescriptions", "key,drug,ready\nanna,aspirin,true\nben,ibuprofen,false\n");
    assert_eq!(rig.decided(), ["raised prescription anna with anna"]);
    assert_eq!(
        (rig.raised().1.message.as_str(), rig.raised().1.owner.as_deref()),
        ("aspirin is ready", Some("pharmacy"))
    );
    rig.offer("pharmacy", "prescriptions", "key,drug,ready\nben,ibuprofen,true\n");
    let decided = rig.decided_sorted();
    assert_eq!(decided, ["cleared(apart) prescription anna with anna", "raised prescription ben with ben"]);
    rig.offer("pharmacy", "prescriptions", "");
    assert_eq!(rig.decided(), ["cleared(apart) prescription ben with ben"]);
}

#[test]
fn offers_are_found_by_another_column_too_and_all_of_them_can_be_asked_about() {
    let text = "[[rule]]\nname = 'eat'\noffer = { table = 'park/food', column = 'land', is = 'a.settings.land' }\n\
                when = 'offer.price < 10'\n\
                [[rule]]\nname = 'any'\noffer = { table = 'park/food', is = '\"pizza\"' }\n\
                when = 'offers.exists(o, o.price > 50) && a.settings.land == \"west\"'\n";
    let mut rig = Rig::new(text);
    rig.offer("park", "food", "key,land,price\npizza,west,8\nsoup,east,5\nlobster,west,60\n");
    rig.set("anna", "land", "west");
    let decided = rig.decided_sorted();
    assert_eq!(decided, ["raised any anna with pizza", "raised eat anna with pizza"]);
    rig.set("anna", "land", "east");
    let decided = rig.decided_sorted();
    let wanted =
        ["cleared(apart) eat anna with pizza", "cleared(over) any anna with pizza", "raised eat anna with soup"];
    assert_eq!(decided, wanted);
    let published = rig.log.records.iter().find(|record| matches!(record.body, Body::Retained(_))).expect("a table");
    assert_eq!(
        (&rig.fact("offer.price").value, rig.fact("offer.price").offset),
        (&FactValue::Number(5.0), published.offset)
    );
    let mut rig = rig.restarted(text);
    rig.set("anna", "land", "north").set("anna", "land", "east");
    assert_eq!(rig.fact("offer.price").offset, Offset(1), "a checkpoint knows it too");
}

#[test]
fn a_machine_is_compared_with_the_fleet_of_its_organisation() {
    let text = "[[rule]]\nname = 'worse'\nabout = { kind = 'machine' }\nwith = { join = 'relation:maker' }\n\
                when = 'b.members.n >= 3 && a.signals.skin_temperature.value > b.members.signals.skin_temperature.mean + 2'\n";
    let mut rig = Rig::new(text);
    for (name, value) in [("e1", 30.0), ("e2", 31.0), ("e3", 30.5)] {
        rig.set_of(SubjectKind::Machine, name, "x", "y").relate(name, "maker", "maker");
        rig.value(name, "skin_temperature", value);
    }
    assert!(rig.decided().is_empty());
    rig.after(2_000).value("e2", "skin_temperature", 36.0).after(2_000);
    rig.value("e1", "skin_temperature", 30.0).value("e2", "skin_temperature", 36.5);
    assert!(rig.decided().contains(&"raised worse e2 with maker".to_owned()));
    let (record, _) = rig.raised();
    let (cause, fact) = (record.cause.expect("a cause"), rig.fact("b.members.n"));
    assert!(fact.value == FactValue::Number(3.0) && fact.offset <= cause && fact.offset.0 + 6 > cause.0, "{fact:?}");
}

#[test]
fn figures_over_members_are_looked_at_again_though_none_of_them_changes_any_more() {
    let text = "[[rule]]\nname = 'warm'\nwhen = 'a.members.signals.skin_temperature.mean > 33'\n";
    let mut rig = Rig::new(text);
    rig.set_of(SubjectKind::Machine, "e1", "organisation", "maker").set("maker", "x", "y");
    rig.value("e1", "skin_temperature", 31.0);
    let kept = rig.engine.deadline();
    rig.log.after(100).value("e1", "skin_temperature", 34.0, 0);
    rig.run();
    assert!(rig.decided().is_empty(), "the figures are younger than a second");
    assert!(rig.engine.deadline().is_some() && kept.is_none());
    assert_eq!(rig.after(1_000).decided(), ["raised warm maker"]);
    assert_eq!(rig.engine.deadline(), None);
}

#[test]
fn figures_over_members_rest_on_the_record_as_of_which_they_were_computed() {
    let text = "[[rule]]\nname = 'both'\nwith = { join = 'relation:owner', subject = 'maker' }\n\
                when = 'a.signals.heart_rate.value > 100 && b.members.n >= 1'\nabout = { kind = 'person' }\n\
                [[rule]]\nname = 'central'\nwhen = 'a.signals.heart_rate.value > 100 && a.central.rank < 1000'\n";
    let mut rig = Rig::new(text);
    (0..10).for_each(|number| {
        rig.set(&format!("s{number}"), "cohorts", "yes");
    });
    rig.relate("s1", "maker", "owner").set("maker", "x", "y").after(5_000);
    rig.value("s1", "heart_rate", 90.0);
    let computed = rig.log.records.last().expect("a record").offset;
    rig.log.after(100).value("s1", "heart_rate", 130.0, 0);
    rig.run();
    assert_eq!(rig.decided(), ["raised both s1 with maker", "raised central s1"]);
    let rank = rig.fact("a.central.rank").offset;
    let both = rig.log.records.iter().find_map(|record| match &record.body {
        Body::Spark(Spark { turn: SparkTurn::Raised(raised), rule, .. }) if **rule == *"both" => Some(raised.clone()),
        _ => None,
    });
    let members =
        both.expect("it was raised").facts.iter().find(|fact| fact.path == "b.members.n").expect("a fact").offset;
    assert_eq!(members, computed);
    assert!(rank < computed, "ranks have not changed since");
}

#[test]
fn no_figure_is_told_of_what_is_measured_of_people() {
    let text = "[[rule]]\nname = 'many'\nwhen = 'a.members.n >= 3'\n\
                [[rule]]\nname = 'warm'\nwhen = 'a.members.signals.skin_temperature.n > 0'\n";
    let mut rig = Rig::new(text);
    rig.set("maker", "x", "y");
    for name in ["anna", "ben", "cleo"] {
        rig.set(name, "organisation", "maker").value(name, "skin_temperature", 34.0).after(2_000);
    }
    assert_eq!(rig.decided(), ["raised many maker"]);
    rig.set_of(SubjectKind::Machine, "e1", "organisation", "maker").value("e1", "skin_temperature", 34.0).after(2_000);
    assert_eq!(rig.decided(), ["raised warm maker"]);
    assert_eq!(rig.fact("a.members.signals.skin_temperature.n").value, FactValue::Number(1.0));
}

#[test]
fn one_that_a_whole_crowd_is_about_is_met_by_all_of_it_whatever_its_name() {
    let text = "[[rule]]\nname = 'closing'\nwith = { join = 'party', subject = 'host' }\n\
                when = 'b.settings.closing == \"yes\"'\n";
    let mut rig = Rig::new(text);
    for name in (0..100).map(|number| format!("a{number:02}")).chain(["host".to_owned()]) {
        rig.set(&name, "party", "all");
    }
    rig.set("host", "closing", "yes");
    assert_eq!(rig.decided().len(), 100);
    rig.set("host", "closing", "no");
    assert_eq!(rig.decided().len(), 100);
    rig.set("host", "closing", "yes").decided();
    rig.set("host", "party", "another");
    assert_eq!(rig.decided().len(), 100, "all of them are parted from it");
}

#[test]
fn a_relation_to_another_kind_than_the_rule_asks_for_is_no_meeting() {
    let text = "[[rule]]\nname = 'car'\nwith = { join = 'relation:driver', kind = 'machine' }\n\
                when = 'b.settings.free == \"yes\"'\n";
    let mut rig = Rig::new(text);
    rig.set("anna", "x", "y").relate("anna", "ben", "driver").relate("anna", "car", "driver");
    rig.set("ben", "free", "yes");
    assert_eq!(rig.decided(), [""; 0], "ben is no car");
    rig.set_of(SubjectKind::Machine, "car", "free", "yes");
    assert_eq!(rig.decided(), ["raised car anna with car"]);
}

#[test]
fn a_rule_can_build_on_another_ones_spark_and_answer() {
    let text = "[[rule]]\nname = 'hot'\nwhen = 'a.signals.heart_rate.value > 120'\n\
                [[rule]]\nname = 'again'\nwhen = 'a.sparks.hot.active && a.signals.steps.value > 10'\n";
    let mut rig = Rig::new(text);
    rig.value("anna", "steps", 20.0).value("anna", "heart_rate", 130.0);
    assert_eq!(rig.decided(), ["raised hot anna", "raised again anna"]);
    rig.value("anna", "heart_rate", 90.0);
    assert_eq!(rig.decided(), ["cleared(over) hot anna", "cleared(over) again anna"]);
}
