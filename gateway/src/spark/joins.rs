//! Who has what in common with whom: an index by value of each key that rules are joined by.

use std::collections::{BTreeSet, HashMap};

use super::crowd::Crowd;
use super::rules::{Join, Who, With};
use crate::halo::{Fold, Subject, organisations};
use crate::record::{Name, SubjectKind};

/// For each key: who has which values, and the other way round.
#[derive(Debug, Default)]
pub(super) struct Joins(Vec<(Join, Key)>);

#[derive(Debug, Default)]
struct Key {
    by_value: HashMap<Name, Crowd>,
    of_subject: HashMap<Name, (SubjectKind, BTreeSet<Name>)>,
}

/// A subject's values of a key changed: who met it by those it has no more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) join: Join,
    pub(super) left: BTreeSet<Name>,
}

impl Joins {
    pub(super) fn new(joins: impl Iterator<Item = Join>) -> Self {
        let joins: BTreeSet<Join> = joins.filter(|join| !matches!(join, Join::Relation(_))).collect();
        Self(joins.into_iter().map(|join| (join, Key::default())).collect())
    }

    /// Takes in what a subject has by now.
    pub(super) fn follow(&mut self, subject: &Subject) -> Vec<Moved> {
        let moved = self.0.iter_mut().filter_map(|(join, key)| {
            let left = key.follow(subject.name(), subject.kind(), values(join, subject))?;
            Some(Moved { join: join.clone(), left })
        });
        moved.collect()
    }

    /// The others that a subject is joined with, in order of name: of those who share a value and are of one kind as
    /// many as [`Crowd::met_by`] says.
    pub(super) fn partners<'a>(&'a self, join: &Join, with: &'a With, subject: &'a Subject) -> BTreeSet<&'a Name> {
        if let Join::Relation(kind) = join {
            let relations = subject.ties().into_iter().flat_map(|ties| ties.relations());
            let named = relations.filter(|it| it.of == *subject.name() && it.kind == *kind);
            return named.map(|it| &it.subject).collect();
        }
        let mut met: BTreeSet<&Name> = match &with.subject {
            Some(one) => self.crowds(join, subject).filter_map(|crowd| crowd.find(one)).collect(),
            None => self.crowds(join, subject).flat_map(|crowd| crowd.met_by(subject.name(), with.kind)).collect(),
        };
        met.remove(subject.name());
        met
    }

    /// Those that have a subject, one of those that are sought, as their partner.
    pub(super) fn sought_by(&self, join: &Join, about: &Who, with: &With, subject: &Subject) -> BTreeSet<Name> {
        if let Join::Relation(kind) = join {
            let relations = subject.ties().into_iter().flat_map(|ties| ties.relations());
            let named = relations.filter(|it| it.subject == *subject.name() && it.kind == *kind);
            return named.map(|it| it.of.clone()).collect();
        }
        let crowds = self.crowds(join, subject);
        let kind = about.kind.filter(|_| about.subject.is_none());
        let mut seekers: BTreeSet<Name> = match &with.subject {
            Some(_) => crowds.flat_map(|crowd| crowd.all(kind)).cloned().collect(),
            None => crowds.flat_map(|crowd| crowd.who_meet((subject.kind(), subject.name()), kind)).cloned().collect(),
        };
        seekers.remove(subject.name());
        seekers
    }

    /// Takes in everybody.
    pub(super) fn begin(&mut self, fold: &Fold) {
        for subject in fold.subjects() {
            self.follow(subject);
        }
    }

    /// Those who share a value with a subject, value by value.
    fn crowds<'a>(&'a self, join: &Join, subject: &'a Subject) -> impl Iterator<Item = &'a Crowd> {
        let key = self.0.iter().find(|(known, _)| known == join).map(|(_, key)| key);
        key.into_iter()
            .flat_map(|key| {
                let (_, values) = key.of_subject.get(subject.name())?;
                Some(values.iter().filter_map(|value| key.by_value.get(value)))
            })
            .flatten()
    }
}

impl Key {
    fn follow(&mut self, name: &Name, kind: SubjectKind, values: BTreeSet<Name>) -> Option<BTreeSet<Name>> {
        let before = self.of_subject.get(name);
        if before.map_or(values.is_empty(), |(was, before)| *was == kind && *before == values) {
            return None;
        }
        let (was, before) = self.of_subject.remove(name).unwrap_or((kind, BTreeSet::new()));
        let stays = |value: &Name| was == kind && before.contains(value) && values.contains(value);
        let mut left = BTreeSet::new();
        for value in before.iter().filter(|value| !stays(value)) {
            let Some(crowd) = self.by_value.get_mut(value) else { continue };
            left.extend(crowd.who_meet((was, name), None).cloned());
            crowd.remove(was, name);
            if crowd.is_empty() {
                self.by_value.remove(value);
            }
        }
        for value in values.iter().filter(|value| !stays(value)) {
            self.by_value.entry(value.clone()).or_default().insert(kind, name.clone());
        }
        if !values.is_empty() {
            self.of_subject.insert(name.clone(), (kind, values));
        }
        left.remove(name);
        Some(left)
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
    use SubjectKind::Person;

    fn set(names: &[&str]) -> BTreeSet<Name> {
        names.iter().map(|name| Name::from(*name)).collect()
    }

    #[test]
    fn who_moves_is_told_whom_it_left() {
        let mut key = Key::default();
        assert_eq!(key.follow(&"anna".into(), Person, set(&["park"])), Some(set(&[])));
        assert_eq!(key.follow(&"ben".into(), Person, set(&["park", "lake"])), Some(set(&[])));
        assert_eq!(key.follow(&"ben".into(), Person, set(&["park", "lake"])), None);
        assert_eq!(key.follow(&"cleo".into(), Person, set(&["lake"])), Some(set(&[])));
        assert_eq!(key.follow(&"ben".into(), Person, set(&["gym", "lake"])), Some(set(&["anna"])));
        assert_eq!(key.follow(&"cleo".into(), Person, set(&[])), Some(set(&["ben"])));
        assert_eq!((key.by_value.len(), key.of_subject.len()), (3, 2));
    }

    #[test]
    fn who_is_of_another_kind_now_is_met_as_such() {
        let mut key = Key::default();
        key.follow(&"anna".into(), Person, set(&["park"]));
        key.follow(&"ben".into(), SubjectKind::Thing, set(&["park"]));
        assert_eq!(key.follow(&"ben".into(), Person, set(&["park"])), Some(set(&["anna"])));
        let crowd = &key.by_value["park"];
        assert_eq!((crowd.all(Some(Person)).count(), crowd.all(None).count()), (2, 2));
    }
}
