//! Rules that could not be run, and for whom: one halo with a word where a number should be stops a rule for that halo, and
//! for nobody else.

use std::collections::BTreeMap;

use crate::record::{Name, Pair};

/// Halos a rule fails for before the fault is taken to be its own.
const FAILED_MAX: usize = 8;

/// What is not looked at any more, by the numbers of rules.
#[derive(Debug, Default)]
pub(super) struct Fences(BTreeMap<u32, Fence>);

/// Of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fence {
    /// For these halos.
    For(BTreeMap<Name, Failed>),
    /// For all, and why.
    All(String),
}

/// One halo it failed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    /// The other halo it failed with.
    with: Option<Name>,
    reason: String,
}

impl Fences {
    /// Whether a rule is not to be run over a halo.
    pub(super) fn hold_off(&self, rule: u32, halo: &str) -> bool {
        self.0.get(&rule).is_some_and(|fence| match fence {
            Fence::For(halos) => halos.contains_key(halo),
            Fence::All(_) => true,
        })
    }

    /// A rule failed over a halo, alone or with another. If it has failed with the same other halo before, that one is at
    /// fault.
    pub(super) fn put_up(&mut self, rule: u32, subject: &Name, pair: &Pair, reason: String) {
        let fence = self.0.entry(rule).or_insert_with(|| Fence::For(BTreeMap::new()));
        let Fence::For(halos) = fence else { return };
        let failed = Failed { with: pair.with.clone(), reason };
        let met: Vec<Name> = halos
            .iter()
            .filter(|(_, it)| it.with.is_some() && it.with == failed.with)
            .map(|(a, _)| a.clone())
            .collect();
        match failed.with.clone().filter(|_| !met.is_empty()) {
            Some(other) => {
                met.iter().for_each(|a| drop(halos.remove(a)));
                halos.insert(other, failed);
            }
            None => drop(halos.insert(subject.clone(), failed)),
        }
        if halos.len() >= FAILED_MAX {
            let reason = halos.pop_last().map(|(_, it)| it.reason).unwrap_or_default();
            *fence = Fence::All(reason);
        }
    }

    /// A rule is tried again.
    pub(super) fn lift(&mut self, rule: u32) {
        self.0.remove(&rule);
    }

    /// Something was said anew of a halo: rules are tried on it again.
    pub(super) fn lift_for(&mut self, halo: &str) {
        self.0.retain(|_, fence| match fence {
            Fence::For(halos) => {
                halos.retain(|name, failed| **name != *halo && failed.with.as_deref() != Some(halo));
                !halos.is_empty()
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

impl Fence {
    /// For whom if not for all, and why, for a human.
    pub(super) fn words(&self) -> String {
        match self {
            Self::All(reason) => reason.clone(),
            Self::For(halos) => {
                let names: Vec<&str> = halos.keys().map(|name| &**name).collect();
                let reason = halos.values().next().map(|failed| failed.reason.as_str()).unwrap_or_default();
                format!("for {}: {reason}", names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(fences: &mut Fences, a: &str, b: Option<&str>) {
        let pair = Pair { with: b.map(Name::from), offer: None };
        fences.put_up(1, &a.into(), &pair, format!("{a} fails"));
    }

    #[test]
    fn a_rule_is_held_off_whom_it_fails_for_until_it_has_failed_for_eight() {
        let mut fences = Fences::default();
        for (number, name) in ["a", "b", "c", "d", "e", "f", "g"].iter().enumerate() {
            fail(&mut fences, name, None);
            assert!(fences.hold_off(1, name) && !fences.hold_off(1, "x") && !fences.hold_off(2, name), "{number}");
        }
        assert_eq!(fences.of(1).map(Fence::words), Some("for a, b, c, d, e, f, g: a fails".to_owned()));
        fail(&mut fences, "h", None);
        assert!(fences.hold_off(1, "x"));
        assert_eq!(fences.of(1).map(Fence::words), Some("h fails".to_owned()));
        fences.lift(1);
        assert!(!fences.hold_off(1, "a"));
    }

    #[test]
    fn who_fails_with_two_others_is_the_one_at_fault() {
        let mut fences = Fences::default();
        fail(&mut fences, "anna", Some("ben"));
        assert!(fences.hold_off(1, "anna") && !fences.hold_off(1, "ben"));
        fail(&mut fences, "cleo", Some("ben"));
        assert_eq!(["anna", "ben", "cleo"].map(|name| fences.hold_off(1, name)), [false, true, false]);
        fences.lift_for("ben");
        assert!(!fences.hold_off(1, "ben") && fences.of(1).is_none());
    }

    #[test]
    fn what_is_said_anew_of_either_halo_has_the_rule_tried_again() {
        for said in ["anna", "ben"] {
            let mut fences = Fences::default();
            fail(&mut fences, "anna", Some("ben"));
            fences.lift_for("dora");
            assert!(fences.hold_off(1, "anna"));
            fences.lift_for(said);
            assert!(!fences.hold_off(1, "anna"), "{said}");
        }
    }
}
