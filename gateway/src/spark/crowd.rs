//! Those who share one value of a key, and who of them meets whom.
//!
//! In a crowd not everybody can meet everybody. Names stand in a ring, and each meets the nearest of a kind on both sides:
//! so that everybody meets somebody, and a change of one is looked at by those who meet it and by nobody else.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Included, Unbounded};

use crate::record::{Name, SubjectKind};

/// How many of one kind are met on each side of a name.
const NEAR: usize = 32;

/// The names of those who share a value, by kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Crowd(Vec<(SubjectKind, BTreeSet<Name>)>);

impl Crowd {
    pub(super) fn insert(&mut self, kind: SubjectKind, name: Name) {
        match self.0.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, names)) => {
                names.insert(name);
            }
            None => self.0.push((kind, BTreeSet::from([name]))),
        }
    }

    pub(super) fn remove(&mut self, kind: SubjectKind, name: &str) {
        if let Some((_, names)) = self.0.iter_mut().find(|(known, _)| *known == kind) {
            names.remove(name);
        }
        self.0.retain(|(_, names)| !names.is_empty());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn find(&self, name: &str) -> Option<&Name> {
        self.0.iter().find_map(|(_, names)| names.get(name))
    }

    /// All of a kind, or of any.
    pub(super) fn all(&self, kind: Option<SubjectKind>) -> impl Iterator<Item = &Name> {
        self.of(kind).flatten()
    }

    /// Whom a name meets: at most twice [`NEAR`] of each kind, never itself.
    pub(super) fn met_by<'a>(&'a self, name: &'a str, kind: Option<SubjectKind>) -> impl Iterator<Item = &'a Name> {
        self.of(kind).flat_map(move |names| after(names, name).take(NEAR).chain(before(names, name).take(NEAR)))
    }

    /// Who, of a kind or of any, meets the bearer of a name that is itself of the kind `own`; perhaps itself too.
    pub(super) fn who_meet<'a>(
        &'a self,
        (own, name): (SubjectKind, &'a str),
        kind: Option<SubjectKind>,
    ) -> Box<dyn Iterator<Item = &'a Name> + 'a> {
        match self.of(Some(own)).next().and_then(|like| reach(like, name)) {
            None => Box::new(self.all(kind)),
            Some((first, last)) => Box::new(self.of(kind).flat_map(move |names| arc(names, first, last))),
        }
    }

    fn of(&self, kind: Option<SubjectKind>) -> impl Iterator<Item = &BTreeSet<Name>> {
        self.0.iter().filter(move |(known, _)| kind.is_none_or(|kind| kind == *known)).map(|(_, names)| names)
    }
}

fn after<'a>(names: &'a BTreeSet<Name>, name: &'a str) -> impl Iterator<Item = &'a Name> {
    let (above, below) = ((Excluded(name), Unbounded), (Unbounded, Excluded(name)));
    names.range::<str, _>(above).chain(names.range::<str, _>(below))
}

fn before<'a>(names: &'a BTreeSet<Name>, name: &'a str) -> impl Iterator<Item = &'a Name> {
    let (above, below) = ((Excluded(name), Unbounded), (Unbounded, Excluded(name)));
    names.range::<str, _>(below).rev().chain(names.range::<str, _>(above).rev())
}

/// From whom to whom around the ring a name is met; none: by all.
fn reach<'a>(like: &'a BTreeSet<Name>, name: &'a str) -> Option<(&'a Name, &'a Name)> {
    let others = like.len() - usize::from(like.contains(name));
    if others < 2 * NEAR {
        return None;
    }
    Some((before(like, name).nth(NEAR - 1)?, after(like, name).nth(NEAR - 1)?))
}

/// The names around the ring from one to another, both included.
fn arc<'a>(names: &'a BTreeSet<Name>, first: &'a str, last: &'a str) -> Box<dyn Iterator<Item = &'a Name> + 'a> {
    if first <= last {
        return Box::new(names.range::<str, _>((Included(first), Included(last))));
    }
    let from = names.range::<str, _>((Included(first), Unbounded));
    Box::new(from.chain(names.range::<str, _>((Unbounded, Included(last)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSON: SubjectKind = SubjectKind::Person;
    const MACHINE: SubjectKind = SubjectKind::Machine;

    fn crowd(persons: usize, machines: usize) -> Crowd {
        let mut crowd = Crowd::default();
        (0..persons).for_each(|number| crowd.insert(PERSON, format!("s{:03}", number * 7 % 1_000).into()));
        (0..machines).for_each(|number| crowd.insert(MACHINE, format!("s{:03}m", number * 13 % 1_000).into()));
        crowd
    }

    #[test]
    fn who_meets_a_name_and_whom_a_name_meets_are_the_same_pairs_in_every_crowd() {
        for (persons, machines) in [(2, 1), (63, 64), (64, 65), (65, 66), (66, 3), (1, 200), (140, 90)] {
            let crowd = crowd(persons, machines);
            let names = |kind| crowd.all(Some(kind)).cloned().collect::<Vec<Name>>();
            for (of, with) in [(PERSON, PERSON), (PERSON, MACHINE), (MACHINE, PERSON), (MACHINE, MACHINE)] {
                for a in names(of) {
                    let met: BTreeSet<&Name> = crowd.met_by(&a, Some(with)).collect();
                    for b in names(with).iter().filter(|b| **b != a) {
                        let sought = crowd.who_meet((with, b), Some(of)).any(|seeker| *seeker == a);
                        assert_eq!(met.contains(b), sought, "{a} and {b} of {persons} persons, {machines} machines");
                    }
                }
            }
        }
    }

    #[test]
    fn in_a_crowd_everybody_meets_64_of_a_kind_and_never_itself() {
        let crowd = crowd(100, 100);
        for name in crowd.all(Some(PERSON)) {
            let met: BTreeSet<&Name> = crowd.met_by(name, Some(PERSON)).collect();
            assert_eq!((met.len(), met.contains(name)), (2 * NEAR, false));
            assert_eq!(crowd.met_by(name, None).collect::<BTreeSet<_>>().len(), 4 * NEAR);
        }
    }

    #[test]
    fn who_has_left_is_met_by_nobody() {
        let mut crowd = crowd(1, 1);
        crowd.remove(PERSON, "s000");
        assert_eq!((crowd.find("s000"), crowd.all(None).count(), crowd.is_empty()), (None, 1, false));
        crowd.remove(MACHINE, "s000m");
        assert!(crowd.is_empty());
    }
}
