use proptest::prelude::*;

use super::*;

fn rights(publish: &[&str], subscribe: &[&str], devices: &[&str]) -> Rights {
    let filters = |texts: &[&str]| texts.iter().map(|text| Filter::try_from((*text).to_owned()).unwrap()).collect();
    let devices = devices.iter().map(|text| Prefix::try_from((*text).to_owned()).unwrap()).collect();
    let mut rights = Rights::none("halo/v1");
    rights.add(&Grants { publish: filters(publish), subscribe: filters(subscribe), devices });
    rights
}

fn device(id: &str) -> Rights {
    let mut rights = Rights::none("halo/v1");
    rights.add_device(id);
    rights
}

#[test]
fn what_is_not_granted_is_denied() {
    let nobody = Rights::none("halo/v1");
    for topic in ["halo/v1/d/w/t", "home/lamp", "$SYS/x", "halo/v1/d/w/cmd", "a"] {
        assert!(!nobody.may_publish(topic) && !nobody.may_subscribe(topic) && !nobody.may_receive(topic), "{topic}");
    }
    for filter in ["#", "+/#", "halo/v1/#", "$SYS/#"] {
        assert!(!nobody.may_subscribe(filter), "{filter}");
    }
}

#[test]
fn a_device_publishes_in_its_own_branch_and_hears_its_own_commands() {
    let rights = device("w-1");
    for topic in ["halo/v1/d/w-1/t", "halo/v1/d/w-1/birth", "halo/v1/d/w-1/state"] {
        assert!(rights.may_publish(topic), "{topic}");
    }
    let others = [
        "halo/v1/d/w-2/t",
        "halo/v1/d/w-10/t",
        "halo/v1/d/w-1",
        "halo/v1/d/w-1/",
        "halo/v1/d/W-1/t",
        "halo/v1/d//t",
        "/halo/v1/d/w-1/t",
        "halo/v1//d/w-1/t",
        "halo/v1/d/w-1%2f/t",
        "halo/v1/d/w-1\u{feff}/t",
        "halo/v1/d/ｗ-1/t",
        "halo/v1/d/w-1\n/t",
        "halo/v1/halos/w-1",
        "d/w-1/t",
        "halo/v2/d/w-1/t",
        "$SYS/halo/v1/d/w-1/t",
    ];
    for topic in others {
        assert!(!rights.may_publish(topic), "{topic:?}");
    }
    assert!(rights.may_subscribe("halo/v1/d/w-1/cmd") && rights.may_receive("halo/v1/d/w-1/cmd"));
    for filter in
        ["#", "+/#", "halo/v1/d/+/cmd", "halo/v1/d/w-1/#", "halo/v1/d/w-1/+", "halo/v1/d/w-1/t", "halo/v1/d/#"]
    {
        assert!(!rights.may_subscribe(filter), "{filter}");
    }
    assert!(!rights.may_receive("halo/v1/d/w-2/cmd") && !rights.may_receive("halo/v1/d/w-1/t"));
}

#[test]
fn a_bridge_speaks_for_devices_whose_ids_begin_so_and_for_no_other() {
    let bridge = rights(&[], &[], &["north-", "car"]);
    assert!(bridge.may_publish("halo/v1/d/north-7/t") && bridge.may_publish("halo/v1/d/car/birth"));
    assert!(bridge.may_subscribe("halo/v1/d/north-7/cmd"));
    for topic in ["halo/v1/d/north/t", "halo/v1/d/south-7/t", "halo/v1/d/xnorth-7/t", "halo/v1/d/north-7 /t"] {
        assert!(!bridge.may_publish(topic), "{topic}");
    }
    assert!(!bridge.may_subscribe("halo/v1/d/+/cmd") && !bridge.may_subscribe("halo/v1/d/north-+/cmd"));
}

#[test]
fn a_filter_is_allowed_when_one_grant_covers_all_of_it() {
    let rights = rights(&[], &["halo/v1/halos/+", "readings/#", "+/x"], &[]);
    for filter in ["halo/v1/halos/anna", "halo/v1/halos/+", "readings", "readings/#", "readings/+/a", "a/x", "+/x"] {
        assert!(rights.may_subscribe(filter), "{filter}");
    }
    for filter in
        ["#", "halo/v1/#", "halo/v1/halos/#", "halo/v1/halos", "readings2", "$a/x", "+/+", "$share/g/readings"]
    {
        assert!(!rights.may_subscribe(filter), "{filter}");
    }
    assert!(!rights.may_receive("$a/x"));
}

#[test]
fn names_and_filters_that_break_the_rules_are_refused_with_words() {
    for filter in ["", "a#", "a/#/b", "sport+", "a\0b"] {
        assert!(Filter::try_from(filter.to_owned()).unwrap_err().contains("is not a topic filter"), "{filter:?}");
    }
    for prefix in ["", "+", "a/b", "#", "ä"] {
        assert!(Prefix::try_from(prefix.to_owned()).is_err(), "{prefix:?}");
    }
}

/// All topics of one to four levels over an alphabet with one letter that no filter names: what a filter does there, it
/// does everywhere.
fn all_topics() -> Vec<String> {
    let letters = ["a", "b", "z", "$a"];
    let mut topics: Vec<Vec<&str>> = letters.iter().map(|letter| vec![*letter]).collect();
    let mut all = topics.clone();
    for _ in 1..4 {
        topics = topics.iter().flat_map(|t| letters[..3].iter().map(move |l| [&t[..], &[*l]].concat())).collect();
        all.extend(topics.iter().cloned());
    }
    all.into_iter().map(|levels| levels.join("/")).collect()
}

/// The standard's words, level by level, by recursion: shares nothing with the code under test.
fn oracle_matches(filter: &[&str], topic: &[&str], first: bool) -> bool {
    let wild = first && topic.first().is_some_and(|level| level.starts_with('$'));
    match (filter, topic) {
        (["#"], _) => !wild,
        ([], []) => true,
        (["+", f @ ..], [_, t @ ..]) => !wild && oracle_matches(f, t, false),
        ([f, fs @ ..], [t, ts @ ..]) => f == t && oracle_matches(fs, ts, false),
        _ => false,
    }
}

fn oracle(filter: &str, topic: &str) -> bool {
    let (filter, topic): (Vec<&str>, Vec<&str>) = (filter.split('/').collect(), topic.split('/').collect());
    oracle_matches(&filter, &topic, true)
}

fn filter() -> impl Strategy<Value = String> {
    let level = prop::sample::select(vec!["a", "b", "+"]);
    let first = prop::sample::select(vec!["a", "b", "+", "$a", "#"]);
    (first, prop::collection::vec(level, 0..2), any::<bool>()).prop_map(|(first, rest, open)| {
        if first == "#" {
            return "#".to_owned();
        }
        let mut levels = vec![first];
        levels.extend(rest);
        levels.extend(open.then_some("#"));
        levels.join("/")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn every_verdict_is_what_a_naive_oracle_says(
        publish in prop::collection::vec(filter(), 0..3),
        subscribe in prop::collection::vec(filter(), 0..3),
        asked in filter(),
        at in any::<prop::sample::Index>(),
    ) {
        thread_local!(static TOPICS: Vec<String> = all_topics());
        TOPICS.with(|topics| {
            let publish: Vec<&str> = publish.iter().map(String::as_str).collect();
            let subscribe: Vec<&str> = subscribe.iter().map(String::as_str).collect();
            let rights = rights(&publish, &subscribe, &[]);
            let topic = &topics[at.index(topics.len())];
            prop_assert_eq!(rights.may_publish(topic), publish.iter().any(|f| oracle(f, topic)), "publish {}", topic);
            prop_assert_eq!(rights.may_receive(topic), subscribe.iter().any(|f| oracle(f, topic)), "receive {}", topic);
            // One grant has to match every topic that the asked filter matches.
            let asked_topics: Vec<&String> = topics.iter().filter(|topic| oracle(&asked, topic)).collect();
            let covered = subscribe.iter().any(|f| asked_topics.iter().all(|topic| oracle(f, topic)));
            prop_assert_eq!(rights.may_subscribe(&asked), covered, "subscribe {} of {:?}", asked, subscribe);
            Ok(())
        })?;
    }
}
