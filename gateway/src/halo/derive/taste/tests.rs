use proptest::prelude::*;

use super::*;

const DAY_MS: i64 = 86_400_000;
/// Somewhere within a half-life of 30 days.
const START_MS: i64 = 1_795_291_200_000;

fn taste(said: &[(i64, Opinion, &str)]) -> Taste {
    let mut taste = Taste::new(&TasteSettings::default());
    said.iter().for_each(|(at_ms, opinion, topic)| taste.hear(*at_ms, *opinion, topic));
    taste
}

fn likes(taste: &Taste) -> Vec<(String, f64)> {
    let mut out = Vec::new();
    taste.values(&mut out);
    let value = |name: &str| out.iter().find(|derived| derived.name == name).map(|derived| derived.value.clone());
    match (value("taste.likes"), value("taste.strengths")) {
        (Some(Value::Names(names)), Some(Value::Numbers(points))) => {
            assert_eq!(names.len(), points.len());
            names.iter().map(|name| name.to_string()).zip(points).collect()
        }
        (None, None) => Vec::new(),
        other => panic!("{other:?}"),
    }
}

fn names(taste: &Taste, list: &str) -> Vec<String> {
    let mut out = Vec::new();
    taste.values(&mut out);
    match out.iter().find(|derived| derived.name == list).map(|derived| &derived.value) {
        Some(Value::Names(names)) => names.iter().map(|name| name.to_string()).collect(),
        _ => Vec::new(),
    }
}

/// So many likes at one time.
fn liked(times: usize, at_ms: i64, topic: &'static str) -> Vec<(i64, Opinion, &'static str)> {
    vec![(at_ms, Opinion::Like, topic); times]
}

#[test]
fn a_like_counts_half_after_a_half_life_and_a_skip_takes_one_away() {
    let mut taste = taste(&liked(8, START_MS, "jazz"));
    assert_eq!(likes(&taste), [("jazz".to_owned(), 8.0)]);
    taste.pass(START_MS + 30 * DAY_MS);
    assert_eq!(likes(&taste), [("jazz".to_owned(), 4.0)]);
    taste.hear(START_MS + 30 * DAY_MS, Opinion::Skip, "jazz");
    assert_eq!(likes(&taste), [("jazz".to_owned(), 3.0)]);
    taste.pass(START_MS + 45 * DAY_MS);
    assert_eq!(likes(&taste), [], "3 / √2 is below the threshold");
    taste.hear(START_MS + 45 * DAY_MS, Opinion::Like, "jazz");
    assert_eq!(likes(&taste), [("jazz".to_owned(), 3.121)]);
}

#[test]
fn the_strongest_comes_first_and_what_is_skipped_often_is_disliked() {
    let said =
        [liked(3, START_MS, "soul"), liked(5, START_MS, "jazz"), liked(3, START_MS, "folk"), liked(2, START_MS, "ska")];
    let mut taste = taste(&said.concat());
    assert_eq!(names(&taste, "taste.likes"), ["jazz", "folk", "soul"]);
    for _ in 0..3 {
        taste.hear(START_MS, Opinion::Skip, "opera");
    }
    assert_eq!((names(&taste, "taste.dislikes"), likes(&taste).len()), (vec!["opera".to_owned()], 3));
}

#[test]
fn what_is_older_than_eight_half_lives_is_gone_with_its_topic() {
    let mut taste = taste(&liked(1_024, START_MS, "jazz"));
    taste.pass(START_MS + 7 * 30 * DAY_MS);
    assert_eq!(likes(&taste), [("jazz".to_owned(), 8.0)]);
    taste.pass(START_MS + 8 * 30 * DAY_MS);
    assert!(taste.topics.is_empty());
    taste.hear(START_MS, Opinion::Like, "jazz");
    assert!(taste.topics.is_empty(), "too late, as if it had come in time");
}

#[test]
fn of_33_topics_the_weakest_goes_and_a_new_one_always_gets_in() {
    let topics: Vec<String> = (0..TOPICS_MAX).map(|number| format!("topic-{number:02}")).collect();
    let mut taste = Taste::new(&TasteSettings::default());
    for (number, topic) in topics.iter().enumerate() {
        (0..number + 3).for_each(|_| taste.hear(START_MS, Opinion::Like, topic));
    }
    taste.hear(START_MS, Opinion::Like, "new");
    let known: Vec<&str> = taste.topics.iter().map(|topic| &*topic.name).collect();
    assert_eq!((known.len(), known.contains(&"topic-00"), known.contains(&"new")), (TOPICS_MAX, false, true));
    // Whoever sends nonsense without end does not push out what is liked.
    for number in 0..1_000 {
        taste.hear(START_MS, Opinion::Like, &format!("nonsense-{number}"));
    }
    let known: Vec<&str> = taste.topics.iter().map(|topic| &*topic.name).collect();
    assert!(topics.iter().skip(1).all(|topic| known.contains(&topic.as_str())), "{known:?}");
    assert!(taste.is_sound());
}

#[test]
fn a_full_taste_takes_eight_kilobytes() {
    let mut taste = Taste::new(&TasteSettings::default());
    for span in 0..SPANS_MAX {
        for topic in 0..TOPICS_MAX {
            taste.hear(START_MS + span * 30 * DAY_MS, Opinion::Like, &format!("{topic:064}"));
        }
    }
    let bytes = size_of::<Taste>() + taste.heap_bytes();
    assert!(taste.is_sound() && (6_000..=8_192).contains(&bytes), "{bytes}");
}

#[test]
fn a_topic_is_a_line_of_at_most_64_bytes() {
    let long = "x".repeat(64);
    assert_eq!((topic_of(" jazz\n"), topic_of("Neue Deutsche Welle")), (Some("jazz"), Some("Neue Deutsche Welle")));
    assert_eq!(
        (topic_of(&long), topic_of(&format!("{long}x")), topic_of(" "), topic_of("a\nb")),
        (Some(long.as_str()), None, None, None)
    );
}

#[test]
fn another_half_life_takes_what_is_known_as_it_is_now() {
    let mut taste = taste(&liked(8, START_MS, "jazz"));
    taste.pass(START_MS + 30 * DAY_MS);
    let settings = TasteSettings { half_life_h: 24.0, ..TasteSettings::default() };
    taste.configure(&settings);
    assert_eq!(likes(&taste), [("jazz".to_owned(), 4.0)]);
    taste.pass(START_MS + 31 * DAY_MS);
    assert_eq!(likes(&taste), [], "2, a day later");
    taste.configure(&TasteSettings { threshold: 1.5, ..settings });
    assert_eq!(likes(&taste), [("jazz".to_owned(), 2.0)]);
}

#[test]
fn what_was_dated_by_a_clock_that_was_set_back_is_forgotten() {
    let mut taste = taste(&liked(3, START_MS + 1_000 * DAY_MS, "jazz"));
    taste.arrived(START_MS);
    taste.hear(START_MS, Opinion::Like, "folk");
    assert_eq!(taste, self::taste(&liked(1, START_MS, "folk")));
}

fn said() -> impl Strategy<Value = Vec<(i64, Opinion, &'static str)>> {
    let topic = prop::sample::select(vec!["jazz", "folk", "soul", "opera"]);
    let opinion = prop::sample::select(vec![Opinion::Like, Opinion::Skip]);
    prop::collection::vec((0..400 * DAY_MS, opinion, topic), 0..60)
        .prop_map(|said| said.into_iter().map(|(after, what, topic)| (START_MS + after, what, topic)).collect())
}

proptest! {
    #[test]
    fn the_order_in_which_likes_and_skips_come_does_not_matter(said in said(), passes in prop::collection::vec(0..400 * DAY_MS, 0..5)) {
        let mut in_order = said.clone();
        in_order.sort_by_key(|(at_ms, ..)| *at_ms);
        let (mut one, mut two) = (taste(&in_order), Taste::new(&TasteSettings::default()));
        passes.iter().for_each(|after| two.pass(START_MS + after));
        said.iter().for_each(|(at_ms, opinion, topic)| two.hear(*at_ms, *opinion, topic));
        passes.iter().for_each(|after| one.pass(START_MS + after));
        prop_assert_eq!(one, two);
    }

    #[test]
    fn a_taste_is_what_the_sum_over_all_that_was_said_gives(said in said()) {
        let known = taste(&said);
        let written = postcard::to_stdvec(&known).unwrap();
        prop_assert_eq!(&postcard::from_bytes::<Taste>(&written).unwrap(), &known);
        let newest_ms = said.iter().map(|(at_ms, ..)| *at_ms).max().unwrap_or_default();
        for topic in &known.topics {
            let of_topic = said.iter().filter(|(_, _, name)| *name == &*topic.name);
            let sum: f64 = of_topic.map(|(at_ms, opinion, _)| {
                let old = (newest_ms - at_ms) as f64 / (30 * DAY_MS) as f64;
                if *opinion == Opinion::Like { (-old).exp2() } else { -(-old).exp2() }
            }).sum();
            // What is forgotten of 60 opinions is less than a half of one.
            prop_assert!((known.affinity(topic) - sum).abs() < 0.5, "{} for {}", known.affinity(topic), sum);
        }
    }

    #[test]
    fn any_times_and_settings_are_survived(times in prop::collection::vec(any::<i64>(), 0..30), hours in any::<f64>(), points in any::<f64>()) {
        let settings = TasteSettings { half_life_h: hours, like_points: points, skip_points: points, threshold: 1.0 };
        let mut taste = Taste::new(&settings);
        for at_ms in times {
            taste.arrived(at_ms);
            taste.hear(at_ms, Opinion::Like, "jazz");
            taste.configure(&TasteSettings::default());
            taste.configure(&settings);
            taste.values(&mut Vec::new());
            prop_assert!(taste.is_sound());
        }
    }
}
