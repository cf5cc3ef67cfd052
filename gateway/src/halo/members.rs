//! Members of organisations: whoever has `organisation` among its settings, or is in a relation `owner`, `member` or
//! `maker` to it. What is known of them together belongs to the organisation's halo.

use std::collections::BTreeSet;

use super::fold::Fold;
use super::subject::Subject;
use crate::record::{Name, SubjectKind};

/// The setting that says whose member a subject is.
const ORGANISATION: &str = "organisation";
/// Relations whose other end is an organisation that the subject is a member of.
const KINDS: [&str; 3] = ["maker", "member", "owner"];

/// The organisations a subject is a member of.
pub fn organisations(subject: &Subject) -> BTreeSet<Name> {
    let Some(ties) = subject.ties() else { return BTreeSet::new() };
    let named = ties.settings().get(ORGANISATION).map(|name| Name::from(name.as_str()));
    let related = ties.relations().iter().filter(|it| it.of == *subject.name() && KINDS.contains(&&*it.kind));
    named.into_iter().chain(related.map(|it| it.subject.clone())).collect()
}

impl Fold {
    /// The members of an organisation, in order of name; looks at everybody's settings.
    pub fn members(&self, organisation: &str) -> Vec<&Subject> {
        let people = self.holders.people();
        let named = people.with_setting(ORGANISATION, organisation).cloned();
        let related = people.relations().filter(|it| *it.subject == *organisation && KINDS.contains(&&*it.kind));
        let names: BTreeSet<Name> = named.chain(related.map(|it| it.of)).collect();
        // A relation may be over or still to come: the halo itself says what holds.
        let subjects = names.iter().filter_map(|name| self.subject(name));
        subjects.filter(|subject| organisations(subject).contains(organisation)).collect()
    }
}

/// Whether figures over members may have a share of a subject: what is measured of people is told of cohorts alone, which see
/// to it that nobody can be made out.
pub fn is_counted(member: &Subject) -> bool {
    member.kind() != SubjectKind::Person
}

/// Count, smallest, largest, mean and squared distances (Welford, 1962).
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    /// How many values.
    pub n: u64,
    /// Meaningless while there are none, as all that follows.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Their mean.
    pub mean: f64,
    squares: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self { n: 0, min: f64::INFINITY, max: f64::NEG_INFINITY, mean: 0.0, squares: 0.0 }
    }
}

impl Moments {
    /// Takes a value.
    pub fn add(&mut self, value: f64) {
        self.n += 1;
        (self.min, self.max) = (self.min.min(value), self.max.max(value));
        let before = value - self.mean;
        self.mean += before / self.n as f64;
        self.squares += before * (value - self.mean);
    }

    /// Standard deviation, n − 1; none of fewer than two values.
    pub fn sd(&self) -> Option<f64> {
        (self.n > 1).then(|| (self.squares / (self.n - 1) as f64).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_textbook() {
        let mut moments = Moments::default();
        assert_eq!(moments.sd(), None);
        [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into_iter().for_each(|value| moments.add(value));
        assert_eq!((moments.n, moments.min, moments.max, moments.mean), (8, 2.0, 9.0, 5.0));
        assert!(moments.sd().is_some_and(|sd| (sd - (32.0_f64 / 7.0).sqrt()).abs() < 1e-12));
    }
}
