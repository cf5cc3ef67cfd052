//! What was published of cohorts so far: the sets that a new publication is compared with, and the figures that stand.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::fold::Fold;
use crate::record::{Cohort, Figure, Name, Summary};

/// Publications that are remembered of each cohort and of each figure, the newest.
const EDITIONS_MAX: usize = 8;
/// Most cohorts that something is remembered of, configured or not any more.
const COHORTS_MAX: usize = 1_024;
/// Most figures that something is remembered of, of one cohort.
const FIGURES_MAX: usize = 64;

/// All cohorts ever published, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cohorts(BTreeMap<Name, Counted>);

/// One cohort.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    time_ms: i64,
    /// Members and whose values were in a figure, each set once.
    sets: Vec<Vec<Name>>,
    /// Sets of members, the newest last.
    editions: VecDeque<u32>,
    figures: BTreeMap<String, VecDeque<Told>>,
}

/// One publication of one figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// When, Unix milliseconds.
    pub time_ms: i64,
    /// What is published.
    pub summary: Summary,
    /// As [`Figure::prints`].
    pub prints: Vec<u16>,
    set: u32,
}

impl Cohorts {
    /// One of them.
    pub fn get(&self, cohort: &str) -> Option<&Counted> {
        self.0.get(cohort)
    }

    /// All of them, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Counted)> {
        self.0.iter()
    }

    /// Takes a publication in.
    pub(super) fn count(&mut self, cohort: &Cohort, time_ms: i64) {
        if !self.0.contains_key(&cohort.cohort) && self.0.len() >= COHORTS_MAX {
            return;
        }
        self.0.entry(cohort.cohort.clone()).or_default().count(cohort, time_ms);
    }
}

impl Counted {
    /// When it was published last, Unix milliseconds.
    pub fn time_ms(&self) -> i64 {
        self.time_ms
    }

    /// Who is counted, sorted.
    pub fn members(&self) -> &[Name] {
        self.editions().next().unwrap_or_default()
    }

    /// Whom its publications counted, the newest first, each set once.
    pub fn editions(&self) -> impl Iterator<Item = &[Name]> {
        self.editions.iter().rev().map(|set| self.set(*set))
    }

    /// Publications of a figure, the newest first, each with whose values were in it.
    pub fn figure(&self, path: &str) -> impl Iterator<Item = (&Told, &[Name])> {
        self.figures.get(path).into_iter().flatten().rev().map(|told| (told, self.set(told.set)))
    }

    fn set(&self, number: u32) -> &[Name] {
        self.sets.get(number as usize).map(Vec::as_slice).unwrap_or_default()
    }

    fn count(&mut self, cohort: &Cohort, time_ms: i64) {
        self.time_ms = time_ms;
        if let Some(members) = &cohort.count.members {
            let set = self.number(members);
            self.editions.retain(|other| *other != set);
            self.editions.push_back(set);
            if self.editions.len() > EDITIONS_MAX {
                self.editions.pop_front();
            }
        }
        cohort.count.figures.iter().for_each(|figure| self.tell(figure, time_ms));
        self.forget_sets();
    }

    fn tell(&mut self, figure: &Figure, time_ms: i64) {
        if !self.figures.contains_key(&figure.path) && self.figures.len() >= FIGURES_MAX {
            return;
        }
        let of: Vec<Name> = match &figure.of {
            Some(places) => {
                let members = self.members();
                places.iter().filter_map(|place| members.get(*place as usize)).cloned().collect()
            }
            None => self.members().to_vec(),
        };
        let set = self.number(&of);
        let told = self.figures.entry(figure.path.clone()).or_default();
        told.push_back(Told { time_ms, summary: figure.summary, prints: figure.prints.clone(), set });
        if told.len() > EDITIONS_MAX {
            told.pop_front();
        }
    }

    fn number(&mut self, names: &[Name]) -> u32 {
        let known = self.sets.iter().position(|set| *set == names).unwrap_or_else(|| {
            self.sets.push(names.to_vec());
            self.sets.len() - 1
        });
        u32::try_from(known).unwrap_or(u32::MAX)
    }

    fn forget_sets(&mut self) {
        let told = self.figures.values().flatten().map(|told| told.set);
        let used: BTreeSet<u32> = self.editions.iter().copied().chain(told).collect();
        if used.len() == self.sets.len() {
            return;
        }
        let place: BTreeMap<u32, u32> = used.iter().copied().zip(0..).collect();
        let at = |set: u32| place.get(&set).copied().unwrap_or_default();
        let sets = std::mem::take(&mut self.sets);
        self.sets = (0..).zip(sets).filter(|(number, _)| used.contains(number)).map(|(_, set)| set).collect();
        self.editions.iter_mut().for_each(|set| *set = at(*set));
        self.figures.values_mut().flatten().for_each(|told| told.set = at(told.set));
    }
}

impl Fold {
    /// What was published of cohorts.
    pub fn cohorts(&self) -> &Cohorts {
        &self.cohorts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Count;

    fn names(numbers: std::ops::Range<usize>) -> Vec<Name> {
        numbers.map(|number| format!("s{number:03}").into()).collect()
    }

    fn published(members: Option<Vec<Name>>, of: Option<Vec<u32>>) -> Cohort {
        let figure = Figure { path: "p".to_owned(), of, prints: vec![1], summary: Summary::default() };
        Cohort { cohort: "c".into(), count: Count { members, figures: vec![figure] } }
    }

    #[test]
    fn the_newest_sets_are_remembered_each_once_and_the_others_are_gone() {
        let mut cohorts = Cohorts::default();
        for number in 0..20 {
            cohorts.count(&published(Some(names(0..number + 10)), Some(vec![0, 2])), number as i64);
        }
        let counted = cohorts.get("c").expect("it was counted");
        assert_eq!(counted.editions().map(<[Name]>::len).collect::<Vec<_>>(), (22..30).rev().collect::<Vec<_>>());
        assert_eq!((counted.time_ms(), counted.members().len(), counted.sets.len()), (19, 29, 9));
        let of: Vec<_> = counted.figure("p").map(|(told, of)| (told.time_ms, of.to_vec())).collect();
        let wanted = vec![Name::from("s000"), "s002".into()];
        assert_eq!(of, (12..20).rev().map(|at| (at, wanted.clone())).collect::<Vec<_>>());
        cohorts.count(&published(Some(names(0..25)), None), 20);
        cohorts.count(&published(None, None), 21);
        let counted = cohorts.get("c").expect("it was counted");
        assert_eq!((counted.members().len(), counted.editions().count()), (25, 8), "one of before is the newest again");
        assert_eq!(counted.figure("p").next().map(|(told, of)| (told.time_ms, of.len())), Some((21, 25)));
    }

    #[test]
    fn cohorts_and_figures_without_end_are_not_remembered() {
        let mut cohorts = Cohorts::default();
        for number in 0..2_000 {
            let cohort = Cohort { cohort: format!("c{number}").into(), ..published(None, None) };
            cohorts.count(&cohort, 0);
        }
        assert_eq!(cohorts.iter().count(), COHORTS_MAX);
        for number in 0..100 {
            let mut cohort = published(None, None);
            (cohort.cohort, cohort.count.figures[0].path) = ("c1".into(), format!("p{number}"));
            cohorts.count(&cohort, 0);
        }
        assert_eq!(cohorts.get("c1").expect("it was counted").figures.len(), FIGURES_MAX);
    }
}
