use super::*;

fn people(deeds: &[Deed]) -> People {
    let mut people = People::default();
    for deed in deeds {
        assert_eq!(people.check(deed), Ok(()), "{deed:?}");
        assert!(people.act(deed).is_some(), "{deed:?}");
    }
    people
}

fn merge(from: &str, into: &str) -> Deed {
    Deed::Merge { from: from.into(), into: into.into() }
}

fn alias(subject: &str, name: &str) -> Deed {
    Deed::Alias { subject: subject.into(), name: name.into() }
}

fn related(kind: &str, from_ms: Option<i64>, until_ms: Option<i64>) -> Deed {
    let (of, subject, kind) = ("anna".into(), "bert".into(), kind.into());
    Deed::Relate(Relation { of, subject, kind, from_ms, until_ms })
}

fn set(name: &str, value: Option<&str>) -> Deed {
    let settings = vec![(name.to_owned(), value.map(str::to_owned))];
    Deed::Set { subject: "anna".into(), kind: None, settings }
}

fn refused(people: &People, deed: &Deed) -> String {
    people.check(deed).unwrap_err().to_string()
}

#[test]
fn every_name_means_the_subject_that_is_left_whatever_was_merged_first() {
    let forwards = people(&[merge("a", "b"), merge("b", "c"), alias("c", "d")]);
    let backwards = people(&[merge("b", "c"), merge("a", "b"), alias("a", "d")]);
    for people in [&forwards, &backwards] {
        for name in ["a", "b", "c", "d"] {
            assert_eq!(&**people.meant(&name.into()), "c", "{name}");
        }
        assert_eq!(people.aliases("c").map(|name| &**name).collect::<Vec<_>>(), ["a", "b", "d"]);
        assert_eq!((people.merged_into("d"), people.merged_into("c")), (None, None));
    }
}

#[test]
fn what_would_make_a_cycle_is_refused_and_an_old_log_that_says_it_does_no_harm() {
    let mut people = people(&[merge("a", "b"), merge("b", "c")]);
    for (from, into) in [("c", "a"), ("a", "c"), ("c", "c"), ("b", "a")] {
        assert!(refused(&people, &merge(from, into)).ends_with("are one subject already"), "{from} {into}");
        people.act(&merge(from, into));
    }
    assert_eq!(refused(&people, &merge("a", "x")), "a is another name of c");
    assert_eq!(["a", "b", "c"].map(|name| people.meant(&name.into()).to_string()), ["c", "c", "c"]);
}

#[test]
fn an_alias_can_be_taken_away_and_a_merger_not() {
    let mut people = people(&[merge("a", "b"), alias("b", "other")]);
    let unalias = |name: &str| Deed::Unalias { name: name.into() };
    assert_eq!(refused(&people, &unalias("a")), "a is no alias");
    assert_eq!(people.act(&unalias("a")), None);
    assert!(people.act(&unalias("other")).is_some());
    assert_eq!(&**people.meant(&"other".into()), "other");
    assert_eq!(refused(&people, &alias("b", "o/ther")), "alias \"o/ther\" is not of the form [A-Za-z0-9._-]{1,64}");
}

#[test]
fn a_relation_said_anew_holds_as_said_last_and_ends_when_it_is_ended() {
    let mut people = people(&[related("doctor", Some(10), None), related("family", None, None)]);
    people.act(&related("doctor", Some(50), Some(90)));
    let spans = |people: &People| -> Vec<(String, i64, i64)> {
        people.relations().map(|it| (it.kind.to_string(), it.from_ms, it.until_ms)).collect()
    };
    let family = ("family".to_owned(), i64::MIN, i64::MAX);
    assert_eq!(spans(&people), [("doctor".into(), 10, 50), family.clone(), ("doctor".into(), 50, 90)]);
    let end = |at_ms| Deed::Unrelate { of: "anna".into(), subject: "bert".into(), kind: "doctor".into(), at_ms };
    people.act(&end(20));
    assert_eq!(spans(&people), [("doctor".into(), 10, 20), family]);
    assert_eq!(refused(&people, &end(20)), "bert is not the doctor of anna at that time");
    assert_eq!(refused(&people, &related("doctor", Some(9), Some(9))), "the relation ends before it begins");
    let itself =
        Relation { of: "anna".into(), subject: "anna".into(), kind: "pilot".into(), from_ms: None, until_ms: None };
    assert_eq!(refused(&people, &Deed::Relate(itself)), "anna and anna are one subject already");
}

#[test]
fn relations_of_a_subject_are_bounded_and_those_that_ended_first_give_way() {
    let mut people = People::default();
    for at in 0..RELATIONS_MAX as i64 {
        people.act(&related(&format!("k{at}"), Some(at), Some(1_000 - at)));
    }
    assert!(refused(&people, &related("one-more", Some(900), None)).starts_with("anna has 64 relations already"));
    let late = related("one-more", Some(937), None);
    assert_eq!(people.check(&late), Ok(()));
    people.act(&late);
    assert_eq!(people.relations().count(), RELATIONS_MAX);
    assert!(people.relations().all(|it| &*it.kind != "k63"), "it ended at 937");
}

#[test]
fn settings_are_few_short_and_zones_exist() {
    let mut people = people(&[set("time_zone", Some("Europe/Berlin")), set("goal", Some("8000")), set("goal", None)]);
    assert_eq!(people.settings("anna").unwrap().keys().collect::<Vec<_>>(), ["time_zone"]);
    assert!(refused(&people, &set("time_zone", Some("Mars/Olympus"))).starts_with("\"Mars/Olympus\" is no IANA"));
    assert!(refused(&people, &set("x", Some(&"y".repeat(256)))).contains("has 256 bytes"));
    for n in 0..SETTINGS_MAX {
        people.act(&set(&format!("a{n}"), Some("1")));
    }
    assert!(refused(&people, &set("b", Some("1"))).starts_with("anna has 32 settings already"));
    assert_eq!(people.check(&set("a3", Some("2"))), Ok(()), "one that is there may change");
    assert_eq!(people.settings("anna").unwrap().len(), SETTINGS_MAX);
}
