//! Moments at which something changes although nobody says anything then: a device comes to its next holder, a relation
//! begins or ends. They are wall time, since that is what whoever set them meant.

use std::collections::BTreeMap;

use super::holders::Holders;
use crate::record::Name;

/// What changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// Who has a device.
    Device(Name),
    /// What a subject is to others.
    Subject(Name),
}

/// All of them, by time; as of the last record those up to `passed_ms` have taken place.
#[derive(Debug, Default)]
pub(super) struct Turns {
    at: BTreeMap<i64, Vec<Turn>>,
    passed_ms: i64,
}

impl Turns {
    pub(super) fn new(holders: &Holders, passed_ms: i64) -> Self {
        let mut turns = Self { passed_ms, ..Self::default() };
        turns.set(holders);
        turns
    }

    /// Other acts or another configuration are in force.
    pub(super) fn set(&mut self, holders: &Holders) {
        self.at.clear();
        for (at, device) in holders.turns() {
            self.at.entry(at).or_default().push(Turn::Device(device.clone()));
        }
        for relation in holders.people().relations() {
            for at in [relation.from_ms, relation.until_ms].into_iter().filter(|at| !matches!(*at, i64::MIN | i64::MAX))
            {
                let both = [&relation.of, &relation.subject].map(|end| Turn::Subject(end.clone()));
                self.at.entry(at).or_default().extend(both);
            }
        }
    }

    pub(super) fn passed_ms(&self) -> i64 {
        self.passed_ms
    }

    /// It is `now_ms`: what took place since, or is undone by a clock that was set back, once each.
    pub(super) fn pass(&mut self, now_ms: i64) -> Vec<Turn> {
        let before_ms = std::mem::replace(&mut self.passed_ms, now_ms);
        if self.at.is_empty() || before_ms == now_ms {
            return Vec::new();
        }
        let (low, high) = (before_ms.min(now_ms), before_ms.max(now_ms));
        let mut turns: Vec<Turn> =
            self.at.range(low.saturating_add(1)..=high).flat_map(|(_, turns)| turns.iter().cloned()).collect();
        turns.sort_unstable();
        turns.dedup();
        turns
    }

    /// Unix time of the next one.
    pub(super) fn next_ms(&self) -> Option<i64> {
        self.at.range(self.passed_ms.saturating_add(1)..).next().map(|(at, _)| *at)
    }
}
