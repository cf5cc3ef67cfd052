//! What is published of cohorts, and what somebody who keeps all of it can learn.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng};

use super::rig::Rig;
use crate::record::{Body, Figure, Name};
use crate::spark::{CohortConfig, Known, Rules, Standing, check_cohorts};

const PATH: &str = "a.signals.heart_rate.value";
const RUNNERS: &str = "[[cohort]]\nname = 'runners'\nfigures = ['a.signals.heart_rate.value']\nevery = '10m'\n";

fn name(number: usize) -> String {
    format!("s{number:03}")
}

fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<Name> {
    numbers.into_iter().map(|number| name(number).as_str().into()).collect()
}

/// These take part and have a pulse, then everything is looked at: not before, a step takes seconds.
fn enter(rig: &mut Rig, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        rig.value(&name(number), "heart_rate", 60.0 + number as f64).set(&name(number), "cohorts", "yes");
    }
    settle(rig);
}

fn settle(rig: &mut Rig) {
    rig.after(600_000);
}

fn leave(rig: &mut Rig, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        rig.set(&name(number), "cohorts", "no");
    }
    settle(rig);
}

fn beat(rig: &mut Rig, numbers: impl IntoIterator<Item = usize>, rate: f64) {
    for number in numbers {
        rig.value(&name(number), "heart_rate", rate);
    }
    settle(rig);
}

/// The members of a publication, and of whom its one figure is.
type Published = (Vec<Name>, Option<(Vec<Name>, Figure)>);

/// Everything that was published of a cohort.
fn published(rig: &Rig, cohort: &str) -> Vec<Published> {
    let mut members: Vec<Name> = Vec::new();
    let records = rig.log.records.iter().filter_map(|record| match &record.body {
        Body::Cohort(it) if *it.cohort == *cohort => Some(&it.count),
        _ => None,
    });
    let told = records.map(|count| {
        members = count.members.clone().unwrap_or_else(|| members.clone());
        let figure = count.figures.first().map(|figure| {
            let of = figure.of.as_ref();
            let of =
                of.map_or_else(|| members.clone(), |of| of.iter().map(|at| members[*at as usize].clone()).collect());
            (of, figure.clone())
        });
        (members.clone(), figure)
    });
    told.collect()
}

/// How the first cohort stands: what is published, how many are counted, whether something waits.
fn standing(rig: &Rig) -> (Standing, usize, bool) {
    let state = rig.engine.cohorts(&rig.fold).next().expect("a cohort");
    (state.standing, state.n, state.pending)
}

#[test]
fn nobody_takes_part_unasked_and_nine_are_too_few() {
    let mut rig = Rig::new(RUNNERS);
    for number in 0..20 {
        rig.value(&name(number), "heart_rate", 60.0);
    }
    settle(&mut rig);
    assert!(matches!(standing(&rig), (Standing::TooSmall(_), 0, false)));
    enter(&mut rig, 0..9);
    assert!(matches!(standing(&rig), (Standing::TooSmall(_), 0, false)) && published(&rig, "runners").is_empty());
    enter(&mut rig, 9..10);
    assert_eq!(standing(&rig), (Standing::Counted, 10, false));
    let told = published(&rig, "runners");
    let [(members, Some((of, figure)))] = &told[..] else { panic!("{told:?}") };
    assert_eq!((members, of, figure.path.as_str()), (&names(0..10), &names(0..10), PATH));
    assert_eq!((figure.summary.n, figure.summary.p50), (10, 64.5));
}

#[test]
fn a_few_who_come_wait_a_few_who_go_hold_and_a_few_changes_are_not_told() {
    let mut rig = Rig::new(RUNNERS);
    enter(&mut rig, 0..20);
    let told = |rig: &Rig| published(rig, "runners").len();
    assert_eq!(told(&rig), 1);
    beat(&mut rig, 0..9, 90.0);
    assert_eq!((told(&rig), standing(&rig)), (1, (Standing::Counted, 20, true)), "nine changed");
    beat(&mut rig, 9..10, 90.0);
    assert_eq!((told(&rig), standing(&rig)), (2, (Standing::Counted, 20, false)), "ten did");
    enter(&mut rig, 20..29);
    beat(&mut rig, 0..20, 91.0);
    assert_eq!((told(&rig), standing(&rig)), (3, (Standing::Counted, 20, true)), "nine wait, the others are told of");
    enter(&mut rig, 29..30);
    assert_eq!((told(&rig), standing(&rig)), (4, (Standing::Counted, 30, false)));
    leave(&mut rig, 0..9);
    beat(&mut rig, 9..30, 80.0);
    assert_eq!((told(&rig), standing(&rig)), (4, (Standing::Counted, 30, true)), "nine left, who are in what stands");
    leave(&mut rig, 9..10);
    assert_eq!((told(&rig), standing(&rig)), (5, (Standing::Counted, 20, false)));
    leave(&mut rig, 10..21);
    assert!(matches!(standing(&rig), (Standing::TooSmall(_), 0, false)), "nine are left");
    enter(&mut rig, 10..11);
    let (standing, n, _) = standing(&rig);
    assert_eq!((standing, n, told(&rig)), (Standing::Counted, 20, 5), "ten of the twenty: what stood before stands");
    assert!(published(&rig, "runners").last().is_some_and(|(members, _)| *members == names(10..30)));
}

#[test]
fn what_was_published_is_compared_with_across_a_restart() {
    let mut rig = Rig::new(RUNNERS);
    enter(&mut rig, 0..20);
    let mut rig = rig.restarted(RUNNERS);
    assert_eq!(standing(&rig), (Standing::Counted, 20, false));
    beat(&mut rig, 0..3, 90.0);
    enter(&mut rig, 20..21);
    let mut rig = rig.restarted(RUNNERS);
    settle(&mut rig);
    assert_eq!((published(&rig, "runners").len(), standing(&rig)), (1, (Standing::Counted, 20, true)));
    leave(&mut rig, 0..1);
    let rig = rig.restarted(RUNNERS);
    assert_eq!((published(&rig, "runners").len(), standing(&rig)), (1, (Standing::Counted, 20, true)));
}

/// Somebody keeps all publications and knows everything but the values of fewer than ten.
#[test]
fn whoever_subtracts_publications_learns_about_ten_or_nobody() {
    let (mut publications, mut pairs) = (0, 0);
    for seed in 0..8 {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut rig = Rig::new(RUNNERS);
        let mut truth: Vec<(Vec<Name>, BTreeMap<Name, u64>)> = Vec::new();
        enter(&mut rig, 0..25);
        for _ in 0..30 {
            let from = random.random_range(0..35);
            let many = random.random_range(5..25);
            match random.random_range(0..4) {
                0 => enter(&mut rig, from..from + many),
                1 => leave(&mut rig, from..from + many),
                _ => beat(&mut rig, from..from + many, f64::from(random.random_range(60..64))),
            }
            let told = published(&rig, "runners");
            // It is looked at when a step is over, and every halo is as it is now.
            for (members, figure) in told.iter().skip(truth.len()) {
                let of = figure.as_ref().map(|(of, _)| of.clone()).unwrap_or_default();
                assert!(members.len() >= 10 && (of.is_empty() || of.len() >= 10), "seed {seed}");
                let values = of.iter().map(|name| (name.clone(), pulse(&rig, name))).collect();
                truth.push((members.clone(), values));
            }
        }
        publications += truth.len();
        for (at, (members, values)) in truth.iter().enumerate() {
            for (earlier, before) in truth[..at].iter().rev().take(4) {
                pairs += 1;
                let [now, then]: [BTreeSet<&Name>; 2] = [members.iter().collect(), earlier.iter().collect()];
                let (joined, left) = (now.difference(&then).count(), then.difference(&now).count());
                assert!((joined == 0 || joined >= 10) && (left == 0 || left >= 10), "seed {seed}: {joined}, {left}");
                if before.is_empty() || values.is_empty() {
                    continue;
                }
                let differ = |one: &BTreeMap<Name, u64>, two: &BTreeMap<Name, u64>| {
                    one.iter()
                        .filter(|(name, value)| two.get(*name) != Some(value))
                        .map(|(name, _)| name.clone())
                        .collect()
                };
                let both: BTreeSet<Name> = differ(values, before);
                let others: BTreeSet<Name> = differ(before, values);
                let all = both.union(&others).count();
                assert!(all == 0 || all >= 10, "seed {seed}: the values of {all} are not in both");
            }
        }
    }
    println!("{publications} publications, {pairs} pairs compared");
    assert!(publications > 24, "{publications}: too little was published to prove anything");
}

fn pulse(rig: &Rig, name: &str) -> u64 {
    let latest = rig.subject(name).signal("heart_rate").and_then(|signal| signal.latest());
    latest.expect("a pulse").value().to_bits()
}

#[test]
fn two_cohorts_that_are_the_same_but_for_one_are_not_both_published() {
    let text = format!("{RUNNERS}[[cohort]]\nname = 'others'\nwhere = \"a.subject != 's003'\"\nevery = '10m'\n");
    let mut rig = Rig::new(&text);
    enter(&mut rig, 0..15);
    assert_eq!((published(&rig, "runners").len(), published(&rig, "others").len()), (1, 0));
    let state = rig.engine.cohorts(&rig.fold).nth(1).expect("the second");
    let why = "its members and those of cohort runners differ by fewer than 10";
    assert_eq!((state.standing, state.why), (Standing::Nothing, Some(why)));
}

#[test]
fn two_cohorts_whose_figures_are_of_the_same_but_for_one_tell_it_of_one() {
    let text = format!(
        "{RUNNERS}[[cohort]]\nname = 'all'\nwhere = \"a.subject != 's003'\"\nfigures = ['{PATH}']\nevery = '10m'\n"
    );
    let mut rig = Rig::new(&text.replacen("every", "where = \"a.subject < 's100'\"\nevery", 1));
    // Ten more without a pulse are in the second cohort only: its members are others, its figure is not.
    for number in 100..115 {
        rig.set(&name(number), "cohorts", "yes");
    }
    enter(&mut rig, 0..15);
    assert_eq!((published(&rig, "runners").len(), published(&rig, "all").len()), (1, 1));
    assert!(published(&rig, "all").iter().all(|(members, figure)| members.len() == 29 && figure.is_none()));
}

#[test]
fn a_cohort_that_cannot_be_run_is_fenced_off_and_the_others_go_on() {
    let bad = "[[cohort]]\nname = 'bad'\nwhere = '1 / (a.local.hour - a.local.hour) > 0'\nevery = '10m'\n";
    let mut rig = Rig::new(&format!("{bad}{RUNNERS}"));
    enter(&mut rig, 0..12);
    assert_eq!(published(&rig, "runners").len(), 1);
    let ailments: Vec<String> = rig.engine.ailments().collect();
    assert!(ailments.len() == 1 && ailments[0].starts_with("cohort bad is fenced off: where: "), "{ailments:?}");
    assert!(rig.engine.cohorts(&rig.fold).next().is_some_and(|state| state.fenced));
}

#[test]
fn a_figure_that_fewer_than_ten_have_is_not_published() {
    let mut rig = Rig::new(RUNNERS);
    for number in 50..60 {
        rig.set(&name(number), "cohorts", "yes");
    }
    enter(&mut rig, 0..9);
    let state = rig.engine.cohorts(&rig.fold).next().expect("a cohort");
    assert!(state.standing == Standing::Counted && state.figures.is_empty(), "{state:?}");
    assert!(published(&rig, "runners").iter().all(|(_, figure)| figure.is_none()));
}

#[test]
fn what_is_wrong_with_a_cohort_is_said_when_it_is_loaded() {
    #[derive(serde::Deserialize)]
    struct All {
        cohort: Vec<CohortConfig>,
    }
    let error = |text: &str| {
        let all: All = toml::from_str(&format!("[[cohort]]\nname = 'c'\n{text}")).expect("TOML");
        let checked = check_cohorts(&all.cohort, &Rules::default(), &Known::default());
        checked.expect_err("a cohort that is wrong").to_string()
    };
    let unknown = error("figures = ['a.signals.heart_rat.value']");
    assert!(unknown.contains("cohort \"c\", figures[0]: line 1, column 11"), "{unknown}");
    assert!(unknown.contains("did you mean \"heart_rate\"?"), "{unknown}");
    assert!(error("figures = ['a.subject']").contains("figures[0]: line 1"));
    let one = error("figures = ['a.subject == \"anna\" ? a.signals.heart_rate.value : 0.0']");
    assert!(one.contains("is an expression, wanted a path alone"), "{one}");
    assert!(error("where = 'a.signals.speed.value'").contains("where: line 1"));
    assert!(error("where = 'b.subject == a.subject'").contains("there is no `b`"));
    assert!(error("where = 'a.members.n > 3'").contains("are for rules"));
    assert!(error("every = '10ms'").contains("wanted 1s or more"));
    assert!(error("[[cohort]]\nname = 'c'").contains("is the name of two cohorts"));
    assert!(error("[[cohort]]\nname = 'c/d'").contains("is not of the form"));
    let twice = format!("figures = ['{PATH}', '{PATH}']");
    assert!(error(&twice).contains("figures[1]: \"a.signals.heart_rate.value\" stands there twice"));
}
