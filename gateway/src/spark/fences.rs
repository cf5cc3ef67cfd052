//! Rules that could not be run, and for whom: one halo with a word where a number should be stops a rule for that halo, and
//! for nobody else.
//!
//! Of a rule over two halos nobody knows which of them is at fault: the pair is passed over. A halo that is in three such
//! pairs is held to be the one, and the rule is not run over it at all; but not for those it met, if it could be run over it
//! with others.

use std::collections::BTreeMap;

use crate::record::Name;

/// Pairs of one halo from which it is at fault.
const PAIRS_OF_ONE: usize = 3;
/// Halos at fault from which the fault is the rule's own.
const HALOS_MAX: usize = 8;
/// Pairs from which it is.
const PAIRS_MAX: usize = 32;

/// A rule could not be run over a halo.
#[derive(Debug)]
pub(super) struct Failure {
    /// The other halo it was brought together with.
    pub(super) with: Option<Name>,
    /// Whether it could be run with somebody else.
    pub(super) elsewhere: bool,
    /// Why, for a human.
    pub(super) reason: String,
}

/// What is not looked at any more, by the numbers of rules.
#[derive(Debug, Default)]
pub(super) struct Fences(BTreeMap<u32, Fence>);

/// Of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fence {
    /// For some, and why.
    For(Few),
    /// For all, and why.
    All(String),
}

/// Whom a rule is not run over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Few {
    halos: BTreeMap<Name, String>,
    /// As [`Failure::elsewhere`] says of the first, and why.
    pairs: BTreeMap<(Name, Name), (bool, String)>,
}

impl Fences {
    /// Whether a rule is not to be run over a halo, whomever it meets.
    pub(super) fn hold_off(&self, rule: u32, halo: &str) -> bool {
        self.0.get(&rule).is_some_and(|fence| match fence {
            Fence::For(some) => some.halos.contains_key(halo),
            Fence::All(_) => true,
        })
    }

    /// Whether it is not to be run over a halo together with another.
    pub(super) fn passes_over(&self, rule: u32, a: &Name, b: &Name) -> bool {
        self.0.get(&rule).is_some_and(|fence| match fence {
            Fence::For(some) => some.halos.contains_key(b) || some.pairs.contains_key(&(a.clone(), b.clone())),
            Fence::All(_) => true,
        })
    }

    /// A rule failed over a halo, alone or with others.
    pub(super) fn put_up(&mut self, rule: u32, subject: &Name, failures: Vec<Failure>) {
        let fence = self.0.entry(rule).or_insert_with(|| Fence::For(Few::default()));
        let Fence::For(some) = fence else { return };
        for Failure { with, elsewhere, reason } in failures {
            match with {
                None => drop(some.halos.insert(subject.clone(), reason)),
                Some(with) => drop(some.pairs.insert((subject.clone(), with), (elsewhere, reason))),
            }
        }
        some.blame();
        if some.halos.len() >= HALOS_MAX || some.pairs.len() >= PAIRS_MAX {
            *fence = Fence::All(some.reason().to_owned());
        }
    }

    /// A rule is tried again.
    pub(super) fn lift(&mut self, rule: u32) {
        self.0.remove(&rule);
    }

    /// Something was said anew of a halo: rules are tried on it again.
    pub(super) fn lift_for(&mut self, halo: &str) {
        self.0.retain(|_, fence| match fence {
            Fence::For(some) => {
                some.halos.remove(halo);
                some.pairs.retain(|(a, b), _| **a != *halo && **b != *halo);
                !some.halos.is_empty() || !some.pairs.is_empty()
            }
            Fence::All(_) => true,
        });
    }

    pub(super) fn of(&self, rule: u32) -> Option<&Fence> {
        self.0.get(&rule)
    }

    /// Those that stand, of rules that are the same in another book; `same` has their numbers there.
    pub(super) fn carried(&self, same: impl Fn(u32) -> Option<u32>) -> Self {
        Self(self.0.iter().filter_map(|(rule, fence)| Some((same(*rule)?, fence.clone()))).collect())
    }

    /// The numbers of the rules with one.
    pub(super) fn rules(&self) -> impl Iterator<Item = (u32, &Fence)> {
        self.0.iter().map(|(rule, fence)| (*rule, fence))
    }
}

impl Few {
    /// Holds those to be at fault that are in the most pairs, one after the other.
    fn blame(&mut self) {
        loop {
            let mut counts: BTreeMap<&Name, usize> = BTreeMap::new();
            for ((a, b), (elsewhere, _)) in &self.pairs {
                *counts.entry(a).or_default() += usize::from(!elsewhere);
                *counts.entry(b).or_default() += 1;
            }
            let most = counts.into_iter().max_by_key(|(_, count)| *count);
            let Some((halo, _)) = most.filter(|(_, count)| *count >= PAIRS_OF_ONE) else { return };
            let halo = halo.clone();
            let reason = self.pairs.iter().find(|((a, b), _)| *a == halo || *b == halo);
            let reason = reason.map(|(_, (_, reason))| reason.clone()).unwrap_or_default();
            self.pairs.retain(|(a, b), _| *a != halo && *b != halo);
            self.halos.insert(halo, reason);
        }
    }

    fn reason(&self) -> &str {
        let of_pairs = self.pairs.values().map(|(_, reason)| reason);
        self.halos.values().chain(of_pairs).next().map(String::as_str).unwrap_or_default()
    }
}

impl Fence {
    /// For whom if not for all, and why, for a human.
    pub(super) fn words(&self) -> String {
        match self {
            Self::All(reason) => reason.clone(),
            Self::For(some) => {
                let halos = some.halos.keys().map(|halo| halo.to_string());
                let pairs = some.pairs.keys().map(|(a, b)| format!("{a} with {b}"));
                format!("for {}: {}", halos.chain(pairs).collect::<Vec<_>>().join(", "), some.reason())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(fences: &mut Fences, a: &str, with: &[&str]) {
        fail_but(fences, a, with, false);
    }

    fn fail_but(fences: &mut Fences, a: &str, with: &[&str], elsewhere: bool) {
        let failure =
            |with: Option<&str>| Failure { with: with.map(Name::from), elsewhere, reason: format!("{a} fails") };
        let failures =
            if with.is_empty() { vec![failure(None)] } else { with.iter().map(|b| failure(Some(b))).collect() };
        fences.put_up(1, &a.into(), failures);
    }

    fn passes_over(fences: &Fences, a: &str, b: &str) -> bool {
        fences.passes_over(1, &a.into(), &b.into())
    }

    #[test]
    fn a_rule_is_held_off_whom_it_fails_for_until_it_has_failed_for_eight() {
        let mut fences = Fences::default();
        for (number, name) in ["a", "b", "c", "d", "e", "f", "g"].iter().enumerate() {
            fail(&mut fences, name, &[]);
            assert!(fences.hold_off(1, name) && !fences.hold_off(1, "x") && !fences.hold_off(2, name), "{number}");
        }
        assert_eq!(fences.of(1).map(Fence::words), Some("for a, b, c, d, e, f, g: a fails".to_owned()));
        fail(&mut fences, "h", &[]);
        assert!(fences.hold_off(1, "x") && passes_over(&fences, "x", "y"));
        assert_eq!(fences.of(1).map(Fence::words), Some("a fails".to_owned()));
        fences.lift(1);
        assert!(!fences.hold_off(1, "a"));
    }

    #[test]
    fn a_pair_is_passed_over_and_who_fails_with_three_is_the_one_at_fault() {
        let mut fences = Fences::default();
        fail(&mut fences, "anna", &["ben"]);
        fail(&mut fences, "cleo", &["ben"]);
        assert!(passes_over(&fences, "anna", "ben") && !passes_over(&fences, "ben", "anna"));
        assert!(["anna", "ben", "cleo"].iter().all(|name| !fences.hold_off(1, name)));
        assert_eq!(fences.of(1).map(Fence::words), Some("for anna with ben, cleo with ben: anna fails".to_owned()));
        fail(&mut fences, "dora", &["ben"]);
        assert_eq!(["anna", "ben", "cleo", "dora"].map(|name| fences.hold_off(1, name)), [false, true, false, false]);
        assert!(passes_over(&fences, "emil", "ben") && !passes_over(&fences, "anna", "cleo"));
    }

    #[test]
    fn two_at_fault_in_one_crowd_are_found_and_nobody_else_is_blamed() {
        let mut fences = Fences::default();
        for a in ["anna", "dora", "emil"] {
            fail_but(&mut fences, a, &["ben", "carl", "dirk", "ernst"], true);
        }
        let blamed = |fences: &Fences| {
            ["anna", "ben", "carl", "dirk", "dora", "emil", "ernst"].map(|name| fences.hold_off(1, name))
        };
        assert_eq!(blamed(&fences), [false, true, true, true, false, false, true]);
        let mut fences = Fences::default();
        fail(&mut fences, "ben", &["anna", "carl", "dora", "emil"]);
        fail(&mut fences, "carl", &["anna", "dora", "emil"]);
        assert_eq!(blamed(&fences), [false, true, true, false, false, false, false]);
    }

    #[test]
    fn what_is_said_anew_of_either_halo_has_the_rule_tried_again() {
        for said in ["anna", "ben"] {
            let mut fences = Fences::default();
            fail(&mut fences, "anna", &["ben"]);
            fences.lift_for("dora");
            assert!(passes_over(&fences, "anna", "ben"));
            fences.lift_for(said);
            assert!(!passes_over(&fences, "anna", "ben") && fences.of(1).is_none(), "{said}");
        }
    }
}
