//! How rules are, for whoever asks.

use std::collections::HashMap;

use super::engine::Engine;
use super::judge::is_quiet;
use super::rules::{RuleConfig, Rules};
use crate::halo::{Book, Fold};
use crate::record::Name;

/// Whether a rule works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Working {
    /// It does.
    Active,
    /// Too few of the answers were yes: it raises nothing.
    Quiet,
    /// It could not be run, for this reason: it is not looked at.
    Fenced(String),
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

impl Engine {
    /// All rules, in the order they were given.
    pub fn states(&self, fold: &Fold) -> Vec<RuleState> {
        let mut open: HashMap<&Name, u64> = HashMap::new();
        for subject in fold.subjects() {
            for spark in subject.sparks().into_iter().flat_map(|sparks| sparks.open()) {
                *open.entry(&spark.rule).or_default() += 1;
            }
        }
        let of = |(number, rule): (u32, &super::rules::Rule)| RuleState {
            config: rule.config.clone(),
            configured: self.is_configured(&rule.name),
            working: match self.book.fenced.get(&number) {
                Some(reason) => Working::Fenced(reason.clone()),
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
        let others = self.book.rules.iter().map(|rule| &rule.config).filter(|other| other.name != config.name);
        let all: Vec<RuleConfig> = others.chain([&config]).cloned().collect();
        Rules::compile(&all, self.known()).map_err(|error| error.to_string())?;
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
        let others = self.book.rules.iter().map(|rule| &rule.config).filter(|other| other.name != name);
        let others: Vec<RuleConfig> = others.cloned().collect();
        if others.len() == self.book.rules.len() {
            return Err(format!("there is no rule {name:?}"));
        }
        Rules::compile(&others, self.known()).map(drop).map_err(|error| error.to_string())
    }
}
