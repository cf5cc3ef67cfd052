//! How rules are, for whoever asks.

use std::collections::HashMap;

use super::engine::Engine;
use super::fences::Fence;
use super::judge::{is_quiet, is_under};
use super::rules::{Rule, RuleConfig};
use super::ruleset::{Given, Rules};
use crate::halo::{Book, Fold};
use crate::record::{Answer, Name, Spark, SparkTurn};

/// Whether a rule works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Working {
    /// It does.
    Active,
    /// Too few of the answers were yes: it raises nothing.
    Quiet,
    /// It could not be run, for this reason: it is not looked at.
    Fenced(String),
    /// It could not be run for some, who they are and why: for the others it works.
    FencedFor(String),
}

/// One rule.
#[derive(Clone, Debug)]
pub struct RuleState {
    /// What it says.
    pub config: RuleConfig,
    /// Given by the configuration, not over the administration socket.
    pub configured: bool,
    /// How it is.
    pub working: Working,
    /// Its sparks that are open.
    pub open: u64,
    /// What became of all of them.
    pub book: Book,
}

/// A rule fell quiet by an answer, or is heard again.
#[derive(Clone, Debug, PartialEq)]
pub struct Turned {
    /// Which.
    pub rule: Name,
    /// Who offers it.
    pub owner: Option<Name>,
    /// Whether it raises nothing from now on.
    pub quiet: bool,
    /// Share of the answers that were yes.
    pub acceptance: f64,
    /// How many answers there are, those not given in time among them.
    pub answers: u64,
    /// The share that is wanted.
    pub floor: f64,
}

impl Engine {
    /// Whether a decision that was just folded turned its rule quiet, or back.
    pub fn turned(&self, spark: &Spark, fold: &Fold) -> Option<Turned> {
        let SparkTurn::Answered { answer, .. } = &spark.turn else { return None };
        let (rule, book) = (self.book.rule(&spark.rule)?, fold.ledger().book(&spark.rule)?);
        let (accepted, answers, floor) = (book.accepted, book.answers(), rule.config.floor);
        let was = accepted.checked_sub(u64::from(answer.answer == Answer::Accepted))?;
        let quiet = is_under(accepted, answers, floor);
        if quiet == is_under(was, answers.checked_sub(1)?, floor) {
            return None;
        }
        let (rule, owner) = (rule.name.clone(), rule.owner.clone());
        Some(Turned { rule, owner, quiet, acceptance: accepted as f64 / answers as f64, answers, floor })
    }

    /// All rules, in the order they were given.
    pub fn states(&self, fold: &Fold) -> Vec<RuleState> {
        let mut open: HashMap<&Name, u64> = HashMap::new();
        for subject in fold.subjects() {
            for spark in subject.sparks().into_iter().flat_map(|sparks| sparks.open()) {
                *open.entry(&spark.rule).or_default() += 1;
            }
        }
        let of = |(number, rule): (u32, &std::sync::Arc<Rule>)| RuleState {
            config: rule.config.clone(),
            configured: self.is_configured(&rule.name),
            working: match self.book.fences.of(number) {
                Some(fence @ Fence::All(_)) => Working::Fenced(fence.words()),
                Some(fence @ Fence::For(_)) => Working::FencedFor(fence.words()),
                None if is_quiet(rule, fold) => Working::Quiet,
                None => Working::Active,
            },
            open: open.get(&rule.name).copied().unwrap_or_default(),
            book: fold.ledger().book(&rule.name).cloned().unwrap_or_default(),
        };
        (0..).zip(&self.book.rules).map(of).collect()
    }

    /// Reads and checks a rule as it would stand among the others, one of its name replaced.
    ///
    /// # Errors
    /// What is wrong with it, with key, line and column.
    pub fn check(&self, text: &str) -> Result<RuleConfig, String> {
        let config: RuleConfig = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        if self.is_configured(&config.name) {
            return Err(format!("rule {:?} stands in the configuration: change it there", config.name));
        }
        self.together(&config.name, Some(config.clone()))?;
        Ok(config)
    }

    /// Whether a rule that was given over the socket may be taken away.
    ///
    /// # Errors
    /// Why not.
    pub fn check_removal(&self, name: &str) -> Result<(), String> {
        if self.is_configured(name) {
            return Err(format!("rule {name:?} stands in the configuration: take it out there"));
        }
        if self.book.number(name).is_none() {
            return Err(format!("there is no rule {name:?}"));
        }
        self.together(name, None)
    }

    /// Whether the rules could stand without the one of a name, or with another in its place.
    fn together(&self, name: &str, new: Option<RuleConfig>) -> Result<(), String> {
        let others = self.book.rules.iter().filter(|other| *other.name != *name).map(Given::Kept);
        let all = others.chain(new.map(Given::new)).collect();
        Rules::together(all, self.known()).map(drop).map_err(|error| error.to_string())
    }
}
