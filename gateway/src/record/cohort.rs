//! What was published of a cohort: who was counted, and figures over them.

use serde::{Deserialize, Serialize};

use super::Name;

/// A cohort was published anew: with whom, and which of its figures. What differs from its earlier publications, and may
/// not be told by their difference, is decided by this.
#[derive(Clone, Debug, PartialEq)]
pub struct Cohort {
    /// Its name.
    pub cohort: Name,
    /// What is published.
    pub count: Count,
}

/// What one publication says that the one before did not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// Who is counted from now on, sorted; none: who was counted before.
    pub members: Option<Vec<Name>>,
    /// The figures that are published anew; others stand.
    pub figures: Vec<Figure>,
}

impl Count {
    /// What it holds in memory, in bytes, roughly.
    pub(super) fn weight(&self) -> usize {
        let members = self.members.as_ref().map_or(0, |members| members.len() * (size_of::<Name>() + 16));
        let figures = self.figures.iter().map(|it| it.prints.len() * 2 + it.of.as_ref().map_or(0, |of| of.len() * 4));
        members + figures.sum::<usize>()
    }
}

/// One figure over members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// As the configuration names it: `a.signals.heart_rate.value`.
    pub path: String,
    /// Whose values are in it, as places in the list of members, ascending; none: everybody's.
    pub of: Option<Vec<u32>>,
    /// Of each of these values two bytes by which a change is noticed.
    pub prints: Vec<u16>,
    /// What is published.
    pub summary: Summary,
}

/// Statistics over at least ten subjects. No smallest and no largest: those are one subject's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many.
    pub n: u64,
    /// Their mean.
    pub mean: f64,
    /// Standard deviation, of a sample.
    pub sd: f64,
    /// A quarter of the values is not above this.
    pub p25: f64,
    /// Half of them.
    pub p50: f64,
    /// Three quarters.
    pub p75: f64,
}
