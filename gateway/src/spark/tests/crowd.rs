//! More than a cohort can have.

use halo_proto::topic::Grammar;

use crate::halo::tests::support::Log;
use crate::halo::{Fold, Models};
use crate::record::{Act, Body, Deed, Draft};
use crate::spark::{CohortConfig, Engine, Known};
use crate::store::identity::Identities;

/// As docs/sparks.md has it.
const MEMBERS_MAX: usize = 100_000;
const COHORTS: &str = "[[cohort]]\nname = 'all'\n[[cohort]]\nname = 'half'\nwhere = \"a.subject < 's050000'\"\n";

/// A gateway that starts now: each of its cohorts is looked at once.
fn started(fold: &Fold) -> (Engine, Vec<Draft>) {
    #[derive(serde::Deserialize)]
    struct All {
        cohort: Vec<CohortConfig>,
    }
    let All { cohort } = toml::from_str(COHORTS).expect("cohorts of a test");
    let engine = Engine::new(Vec::new(), Known::default(), Models::default(), Identities::one("gw-1"));
    let mut engine = engine.expect("no rules").with_cohorts(&cohort).expect("cohorts that compile");
    let drafts = engine.begin(fold);
    (engine, drafts)
}

fn join(fold: &mut Fold, log: &mut Log, number: usize) {
    let settings = vec![("cohorts".to_owned(), Some("yes".to_owned()))];
    let deed = Deed::Set { subject: format!("s{number:06}"), kind: None, settings };
    fold.apply(log.push(Body::Act(Act { by: "local".to_owned(), deed })));
    log.records.clear();
}

/// How many are counted of which cohort.
fn counted(drafts: &[Draft]) -> Vec<(&str, usize)> {
    let cohorts = drafts.iter().filter_map(|draft| match &draft.body {
        Body::Cohort(it) => Some((&*it.cohort, it.count.members.as_ref().map_or(0, Vec::len))),
        _ => None,
    });
    cohorts.collect()
}

#[test]
fn a_cohort_with_one_member_too_many_is_fenced_off_and_one_that_is_narrower_goes_on() {
    let (mut fold, mut log) = (Fold::new(Grammar::default()), Log::default());
    (0..MEMBERS_MAX).for_each(|number| join(&mut fold, &mut log, number));
    let (engine, drafts) = started(&fold);
    assert_eq!(counted(&drafts), [("all", MEMBERS_MAX), ("half", MEMBERS_MAX / 2)]);
    assert_eq!(engine.ailments().count(), 0);

    join(&mut fold, &mut log, MEMBERS_MAX);
    let (engine, drafts) = started(&fold);
    assert_eq!(counted(&drafts), [("half", MEMBERS_MAX / 2)]);
    let why = "cohort all is fenced off: has more than 100000 members: narrow it by `where`";
    assert_eq!(engine.ailments().collect::<Vec<_>>(), [why]);
}
