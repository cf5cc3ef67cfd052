//! The rules as they stand, and what is kept beside them so that only those are run that a change concerns.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::central::Central;
use super::fences::Fences;
use super::index::Index;
use super::joins::Joins;
use super::members::Members;
use super::path::{OfMembers, Part, Path};
use super::rules::Rule;
use super::ruleset::Rules;
use crate::record::Name;

/// Rules by their numbers.
#[derive(Default)]
pub(super) struct Book {
    pub(super) rules: Vec<Arc<Rule>>,
    numbers: HashMap<Name, u32>,
    pub(super) fences: Fences,
    pub(super) index: Index,
    pub(super) joins: Joins,
    pub(super) members: Members,
    pub(super) central: Central,
}

impl Book {
    pub(super) fn new(Rules(rules): Rules) -> Self {
        let index = Index::new(&rules);
        let joins = Joins::new(rules.iter().filter_map(|rule| rule.join.clone()));
        let mut members = Members::default();
        let asked = rules.iter().flat_map(|rule| &rule.paths).filter_map(|path| match path {
            Path::Of(_, Part::Members(of)) => Some(of.clone()),
            _ => None,
        });
        let asked: HashSet<OfMembers> = asked.collect();
        members.ask(asked.into_iter().collect());
        let numbers = rules.iter().map(|rule| rule.name.clone()).zip(0..).collect();
        Self { rules, numbers, fences: Fences::default(), index, joins, members, central: Central::default() }
    }

    /// The number here of a rule that has another one in an earlier book; none if it is gone or says something else.
    pub(super) fn same(&self, before: &Self, old: u32) -> Option<u32> {
        let rule = before.rules.get(old as usize)?;
        let number = self.number(&rule.name)?;
        let now = self.rules.get(number as usize)?;
        (Arc::ptr_eq(now, rule) || now.config == rule.config).then_some(number)
    }

    /// Numbers of the rules that an earlier book did not have so.
    pub(super) fn unlike(&self, before: &Self) -> Vec<u32> {
        let known: HashSet<u32> = (0..).zip(&before.rules).filter_map(|(old, _)| self.same(before, old)).collect();
        (0..).zip(&self.rules).map(|(number, _)| number).filter(|number| !known.contains(number)).collect()
    }

    /// Numbers of the rules of which something is so.
    pub(super) fn those(&self, is_so: impl Fn(&Rule) -> bool) -> Vec<u32> {
        (0..).zip(&self.rules).filter(|(_, rule)| is_so(rule)).map(|(number, _)| number).collect()
    }

    pub(super) fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub(super) fn rule(&self, name: &str) -> Option<&Arc<Rule>> {
        self.rules.get(self.number(name)? as usize)
    }
}
