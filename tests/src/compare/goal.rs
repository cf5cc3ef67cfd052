//! Figures of a row, their medians over the rounds, and whether they reach what was wanted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::rows::Row;
use crate::Failure;

/// What one round of a row gave: name with unit, value.
pub(super) type Figures = BTreeMap<&'static str, f64>;

/// One round of a row.
pub(super) struct Round {
    pub(super) figures: Figures,
    /// What its gateways were told beside what all are told, one text for each that was told something else.
    pub(super) configured: BTreeSet<String>,
}

/// What is wanted of the medians.
pub(super) struct Goal {
    /// Of what, in words.
    pub(super) what: &'static str,
    /// What is to be compared.
    pub(super) reached: fn(&Figures) -> Option<f64>,
    /// With what.
    pub(super) limit: fn(&Figures) -> Option<f64>,
    pub(super) sense: Sense,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    AtLeast,
    AtMost,
}

impl Sense {
    pub(super) fn sign(self) -> char {
        match self {
            Self::AtLeast => '≥',
            Self::AtMost => '≤',
        }
    }

    fn holds(self, reached: f64, limit: f64) -> bool {
        match self {
            Self::AtLeast => reached >= limit,
            Self::AtMost => reached <= limit,
        }
    }
}

/// A row that cannot run on this machine.
#[derive(Debug)]
pub(super) struct Skipped(pub(super) String);

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skipped {}

/// All rounds of one row.
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) what: &'static str,
    goals: &'static [Goal],
    rounds: Vec<Figures>,
    pub(super) configured: BTreeSet<String>,
    pub(super) failed: Option<String>,
    pub(super) skipped: Option<String>,
}

/// One goal, decided.
pub(super) struct Verdict {
    pub(super) what: &'static str,
    pub(super) reached: f64,
    pub(super) limit: f64,
    pub(super) sense: Sense,
    pub(super) hit: bool,
}

pub(super) fn name_of(row: &Row, delay: Option<u32>) -> String {
    delay.map_or_else(|| row.name.to_owned(), |ms| format!("{}@{ms}ms", row.name))
}

impl Outcome {
    pub(super) fn new(row: &Row, delay: Option<u32>) -> Self {
        let (name, what, goals) = (name_of(row, delay), row.what, row.goals);
        Self { name, what, goals, rounds: Vec::new(), configured: BTreeSet::new(), failed: None, skipped: None }
    }

    pub(super) fn take(&mut self, round: Result<Round, Failure>) {
        match round {
            Ok(Round { figures, configured }) => {
                self.rounds.push(figures);
                self.configured.extend(configured);
            }
            Err(error) => match error.downcast_ref::<Skipped>() {
                Some(Skipped(why)) => self.skipped = Some(why.clone()),
                None => {
                    eprintln!("{}: {error}", self.name);
                    self.failed = Some(error.to_string());
                }
            },
        }
    }

    /// Whether another round would tell nothing.
    pub(super) fn is_over(&self) -> bool {
        self.failed.is_some() || self.skipped.is_some()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Figure by figure.
    pub(super) fn medians(&self) -> Figures {
        let names = self.rounds.iter().flat_map(|figures| figures.keys().copied());
        names.map(|name| (name, median(self.rounds.iter().filter_map(|figures| figures.get(name).copied())))).collect()
    }

    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        let medians = self.medians();
        let decide = |goal: &Goal| {
            let (reached, limit) = ((goal.reached)(&medians)?, (goal.limit)(&medians)?);
            let hit = goal.sense.holds(reached, limit);
            Some(Verdict { what: goal.what, reached, limit, sense: goal.sense, hit })
        };
        self.goals.iter().filter_map(decide).collect()
    }

    pub(super) fn json(&self) -> Value {
        let verdict = |it: &Verdict| {
            let sense = if it.sense == Sense::AtLeast { "at least" } else { "at most" };
            json!({"what": it.what, "reached": it.reached, "sense": sense, "limit": it.limit, "hit": it.hit})
        };
        json!({
            "row": self.name, "what": self.what, "configured": self.configured, "medians": self.medians(),
            "rounds": self.rounds,
            "goals": self.verdicts().iter().map(verdict).collect::<Vec<_>>(),
            "failed": self.failed, "skipped": self.skipped,
        })
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[len / 2],
        len => f64::midpoint(values[len / 2 - 1], values[len / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_decided_on_the_medians_of_the_rounds() {
        static GOALS: [Goal; 1] = [Goal {
            what: "a / b",
            reached: |it| Some(it.get("a")? / it.get("b")?),
            limit: |_| Some(3.0),
            sense: Sense::AtLeast,
        }];
        let mut outcome = Outcome {
            name: "row".to_owned(),
            what: "what",
            goals: &GOALS,
            rounds: Vec::new(),
            configured: BTreeSet::new(),
            failed: None,
            skipped: None,
        };
        let round = |a, b| {
            let (figures, configured) = (Figures::from([("a", a), ("b", b)]), BTreeSet::new());
            Ok(Round { figures, configured })
        };
        for (a, b) in [(900.0, 2.0), (6.0, 2.0), (1.0, 2.0)] {
            outcome.take(round(a, b));
        }
        let verdicts = outcome.verdicts();
        assert_eq!((verdicts[0].reached, verdicts[0].hit), (3.0, true));
        outcome.take(round(1.0, 2.0));
        assert_eq!((outcome.verdicts()[0].reached, outcome.verdicts()[0].hit), (1.75, false));
        assert_eq!(outcome.json()["goals"][0]["hit"], false);
    }
}
