//! Which rules a change of a halo concerns: the others are not looked at.

use std::collections::HashMap;
use std::sync::Arc;

use super::path::{Class, Side};
use super::rules::{Rule, Who};
use crate::halo::Subject;
use crate::ingest::readings::Readings;
use crate::record::{Name, SubjectKind};

/// What changed about a subject.
#[derive(Clone, Copy)]
pub(super) enum Change<'a> {
    /// What a frame changes that says this.
    Frame(&'a Readings),
    /// Its sparks.
    Sparks,
    /// Figures over its members.
    Members,
    /// Anything.
    All,
}

/// Rules by what concerns them, for each of the two halos.
#[derive(Debug, Default)]
pub(super) struct Index {
    a: Selectors,
    b: Selectors,
}

#[derive(Debug, Default)]
struct Selectors {
    of_subjects: HashMap<Name, Concerns>,
    of_kinds: HashMap<SubjectKind, Concerns>,
    of_all: Concerns,
}

#[derive(Debug, Default)]
struct Concerns {
    by_signal: HashMap<Name, Vec<u32>>,
    frame: Vec<u32>,
    sparks: Vec<u32>,
    members: Vec<u32>,
    all: Vec<u32>,
}

impl Index {
    pub(super) fn new(rules: &[Arc<Rule>]) -> Self {
        let mut index = Self::default();
        for (number, rule) in (0..).zip(rules) {
            index.a.of(&rule.config.about).enter(number, rule, Side::A);
            if let Some(with) = &rule.config.with {
                let who = Who { subject: with.subject.clone(), kind: with.kind };
                index.b.of(&who).enter(number, rule, Side::B);
            }
        }
        index
    }

    /// Numbers of the rules that a change concerns of which the subject can be that side, ascending.
    pub(super) fn concerned(&self, side: Side, subject: &Subject, change: Change<'_>) -> Vec<u32> {
        let selectors = match side {
            Side::A => &self.a,
            Side::B => &self.b,
        };
        let mut rules = Vec::new();
        let named = selectors.of_subjects.get(subject.name());
        let of_kind = selectors.of_kinds.get(&subject.kind());
        for concerns in [named, of_kind, Some(&selectors.of_all)].into_iter().flatten() {
            concerns.add(change, &mut rules);
        }
        rules.sort_unstable();
        rules.dedup();
        rules
    }
}

impl Selectors {
    fn of(&mut self, who: &Who) -> &mut Concerns {
        match (&who.subject, who.kind) {
            (Some(subject), _) => self.of_subjects.entry(subject.as_str().into()).or_default(),
            (None, Some(kind)) => self.of_kinds.entry(kind).or_default(),
            (None, None) => &mut self.of_all,
        }
    }
}

impl Concerns {
    fn enter(&mut self, number: u32, rule: &Rule, side: Side) {
        self.all.push(number);
        // A rule that is found by a key is looked at again when the key moves, see `joins`.
        for (_, class) in rule.classes().filter(|(of, _)| *of == side) {
            let list = match class {
                Class::Signal(name) => self.by_signal.entry(name).or_default(),
                Class::Frame => &mut self.frame,
                Class::Sparks => &mut self.sparks,
                Class::Members => &mut self.members,
                Class::Ties | Class::Now | Class::Offers | Class::Name => continue,
            };
            if list.last() != Some(&number) {
                list.push(number);
            }
        }
    }

    fn add(&self, change: Change<'_>, rules: &mut Vec<u32>) {
        match change {
            Change::Frame(readings) => {
                let signals = readings.series.iter().map(|series| &series.signal.name);
                let of_signals = signals.filter_map(|name| self.by_signal.get(name)).flatten();
                rules.extend(of_signals.chain(&self.frame));
            }
            Change::Sparks => rules.extend(&self.sparks),
            Change::Members => rules.extend(&self.members),
            Change::All => rules.extend(&self.all),
        }
    }
}

/// Whether a subject is one of those that a rule is about.
pub(super) fn is_one(who: (Option<&str>, Option<SubjectKind>), subject: &Subject) -> bool {
    match who {
        (Some(name), _) => *name == **subject.name(),
        (None, Some(kind)) => kind == subject.kind(),
        (None, None) => true,
    }
}
