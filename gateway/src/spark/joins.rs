//! Who has what in common with whom: an index by value of each key that rules are joined by.

use std::collections::{BTreeSet, HashMap};

use super::rules::Join;
use crate::halo::{Fold, Subject, organisations};
use crate::record::Name;

/// Most others that one subject is brought together with by one rule, in order of name.
pub(super) const PARTNERS_MAX: usize = 64;

/// For each key: who has which values, and the other way round.
#[derive(Debug, Default)]
pub(super) struct Joins(Vec<(Join, Key)>);

#[derive(Debug, Default)]
struct Key {
    by_value: HashMap<Name, BTreeSet<Name>>,
    of_subject: HashMap<Name, BTreeSet<Name>>,
}

/// A subject's values of a key changed: who shared one with it before or does now.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) join: Join,
    pub(super) others: BTreeSet<Name>,
}

impl Joins {
    pub(super) fn new(joins: impl Iterator<Item = Join>) -> Self {
        let joins: BTreeSet<Join> = joins.filter(|join| !matches!(join, Join::Relation(_))).collect();
        Self(joins.into_iter().map(|join| (join, Key::default())).collect())
    }

    /// Takes in what a subject has by now.
    pub(super) fn follow(&mut self, subject: &Subject) -> Vec<Moved> {
        let moved = self.0.iter_mut().filter_map(|(join, key)| {
            let others = key.follow(subject.name(), values(join, subject))?;
            Some(Moved { join: join.clone(), others })
        });
        moved.collect()
    }

    /// The others that a subject is joined with, at most [`PARTNERS_MAX`], in order of name.
    pub(super) fn partners<'a>(&'a self, join: &Join, subject: &'a Subject) -> Vec<&'a Name> {
        let name = subject.name();
        if let Join::Relation(kind) = join {
            let relations = subject.ties().into_iter().flat_map(|ties| ties.relations());
            let mut named: Vec<&Name> =
                relations.filter(|it| it.of == *name && it.kind == *kind).map(|it| &it.subject).collect();
            named.sort_unstable();
            named.dedup();
            return named;
        }
        let Some((_, key)) = self.0.iter().find(|(known, _)| known == join) else { return Vec::new() };
        let values = key.of_subject.get(name).into_iter().flatten();
        let sharers: BTreeSet<&Name> = values.filter_map(|value| key.by_value.get(value)).flatten().collect();
        sharers.into_iter().filter(|other| *other != name).take(PARTNERS_MAX).collect()
    }

    /// Those that have a subject as their partner.
    pub(super) fn sought_by(&self, join: &Join, subject: &Subject) -> Vec<Name> {
        let Join::Relation(kind) = join else {
            return self.partners(join, subject).into_iter().cloned().collect();
        };
        let relations = subject.ties().into_iter().flat_map(|ties| ties.relations());
        relations.filter(|it| it.subject == *subject.name() && it.kind == *kind).map(|it| it.of.clone()).collect()
    }

    /// Takes in everybody.
    pub(super) fn begin(&mut self, fold: &Fold) {
        for subject in fold.subjects() {
            self.follow(subject);
        }
    }
}

impl Key {
    fn follow(&mut self, name: &Name, values: BTreeSet<Name>) -> Option<BTreeSet<Name>> {
        let before = self.of_subject.get(name);
        if before.map_or(values.is_empty(), |before| *before == values) {
            return None;
        }
        let before = self.of_subject.remove(name).unwrap_or_default();
        let mut others = BTreeSet::new();
        for value in &before {
            if let Some(sharers) = self.by_value.get_mut(value) {
                sharers.remove(name);
                others.extend(sharers.iter().take(PARTNERS_MAX).cloned());
                if sharers.is_empty() {
                    self.by_value.remove(value);
                }
            }
        }
        for value in &values {
            let sharers = self.by_value.entry(value.clone()).or_default();
            others.extend(sharers.iter().take(PARTNERS_MAX).cloned());
            sharers.insert(name.clone());
        }
        if !values.is_empty() {
            self.of_subject.insert(name.clone(), values);
        }
        others.remove(name);
        Some(others)
    }
}

/// A party and a destination are told in words, or set.
fn values(join: &Join, subject: &Subject) -> BTreeSet<Name> {
    match join {
        Join::Zone => {
            let whereabouts = subject.whereabouts();
            whereabouts.into_iter().flat_map(|it| it.inside()).map(|stay| stay.zone.clone()).collect()
        }
        Join::Party => told(subject, "party"),
        Join::Destination => told(subject, "destination"),
        Join::Organisation => organisations(subject),
        Join::Setting(name) => setting(subject, name).into_iter().collect(),
        Join::Relation(_) => BTreeSet::new(),
    }
}

pub(super) fn told(subject: &Subject, key: &str) -> BTreeSet<Name> {
    let text = subject.texts().iter().find(|text| *text.key == *key).map(|text| text.value.as_str().into());
    setting(subject, key).or(text).into_iter().collect()
}

fn setting(subject: &Subject, name: &str) -> Option<Name> {
    subject.ties()?.settings().get(name).map(|value| value.as_str().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<Name> {
        names.iter().map(|name| Name::from(*name)).collect()
    }

    #[test]
    fn who_moves_is_told_whom_it_left_and_whom_it_met() {
        let mut key = Key::default();
        assert_eq!(key.follow(&"anna".into(), set(&["park"])), Some(set(&[])));
        assert_eq!(key.follow(&"ben".into(), set(&["park"])), Some(set(&["anna"])));
        assert_eq!(key.follow(&"ben".into(), set(&["park"])), None);
        assert_eq!(key.follow(&"cleo".into(), set(&["gym"])), Some(set(&[])));
        assert_eq!(key.follow(&"ben".into(), set(&["gym"])), Some(set(&["anna", "cleo"])));
        assert_eq!(key.follow(&"cleo".into(), set(&[])), Some(set(&["ben"])));
        assert_eq!((key.by_value.len(), key.of_subject.len()), (2, 2));
    }

    #[test]
    fn of_a_crowd_that_shares_a_key_64_are_met_and_never_oneself() {
        let (join, text) = (Join::Party, r#"{"party":"all"}"#);
        let mut log = crate::halo::tests::support::Log::default();
        let mut fold = Fold::new(halo_proto::topic::Grammar::default());
        for number in 0..100 {
            fold.apply(log.json(&format!("s{number:02}"), text));
        }
        let mut joins = Joins::new([join.clone()].into_iter());
        joins.begin(&fold);
        let partners = joins.partners(&join, fold.subject("s10").expect("a subject"));
        assert_eq!(partners.len(), PARTNERS_MAX);
        assert!(partners.iter().all(|name| ***name != *"s10"));
    }
}
