//! Rules taken together: compiled, and checked against each other. One that stood before is not compiled again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::path::Known;
use super::rules::{Rule, RuleConfig, RuleError};
use crate::record::Name;

/// Most rules of one gateway.
pub const RULES_MAX: usize = 16_384;

/// A rule that is to stand beside others.
pub(super) enum Given<'a> {
    /// It stands already.
    Kept(&'a Arc<Rule>),
    /// It is another one, or says something else.
    New(Box<RuleConfig>),
}

impl Given<'_> {
    pub(super) fn new(config: RuleConfig) -> Self {
        Self::New(Box::new(config))
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Kept(rule) => &rule.name,
            Self::New(config) => &config.name,
        }
    }
}

/// All rules in force, checked against each other.
#[derive(Debug, Default)]
pub struct Rules(pub(super) Vec<Arc<Rule>>);

impl Rules {
    /// Compiles and checks.
    ///
    /// # Errors
    /// The first rule at fault, with key, line and column.
    pub fn compile(configs: &[RuleConfig], known: &Known) -> Result<Self, RuleError> {
        Self::together(configs.iter().cloned().map(Given::new).collect(), known)
    }

    /// The same of rules some of which stand already.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub(super) fn together(given: Vec<Given<'_>>, known: &Known) -> Result<Self, RuleError> {
        if given.len() > RULES_MAX {
            return Err(RuleError::TooMany(given.len()));
        }
        let mut known = known.clone();
        known.rules = given.iter().map(|it| it.name().into()).collect();
        known.rules.sort_unstable();
        if let Some(pair) = known.rules.windows(2).find(|pair| pair[0] == pair[1]) {
            let (rule, problem) = (pair[0].to_string(), "is the name of two rules".to_owned());
            return Err(RuleError::Invalid { rule, key: "name", problem });
        }
        let names: HashSet<&Name> = known.rules.iter().collect();
        let compiled = given.iter().map(|it| match it {
            Given::Kept(rule) if rule.reads().all(|name| names.contains(name)) => Ok(Arc::clone(rule)),
            Given::Kept(rule) => Rule::new(&rule.config, &known).map(Arc::new),
            Given::New(config) => Rule::new(config, &known).map(Arc::new),
        });
        let rules: Vec<Arc<Rule>> = compiled.collect::<Result<_, _>>()?;
        match circle(&rules) {
            Some(circle) => Err(RuleError::Circle(circle.join(" -> "))),
            None => Ok(Self(rules)),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.0.iter().map(|rule| rule.memory_bytes()).sum()
    }
}

/// Rules that read each other's sparks, in a circle, the first again at the end.
fn circle(rules: &[Arc<Rule>]) -> Option<Vec<String>> {
    let numbers: HashMap<&Name, usize> = rules.iter().map(|rule| &rule.name).zip(0..).collect();
    let at = |name: &Name| numbers.get(name).copied();
    // 0: not seen, 1: on the way, 2: leads into none.
    let mut seen = vec![0_u8; rules.len()];
    for start in 0..rules.len() {
        let mut way: Vec<(usize, Vec<usize>)> = Vec::new();
        if seen[start] == 0 {
            seen[start] = 1;
            way.push((start, rules[start].reads().filter_map(at).collect()));
        }
        while let Some((rule, left)) = way.last_mut() {
            let Some(next) = left.pop() else {
                seen[*rule] = 2;
                way.pop();
                continue;
            };
            match seen[next] {
                0 => {
                    seen[next] = 1;
                    way.push((next, rules[next].reads().filter_map(at).collect()));
                }
                1 => {
                    let from = way.iter().position(|(rule, _)| *rule == next).unwrap_or_default();
                    let round = way[from..].iter().map(|(rule, _)| *rule).chain([next]);
                    return Some(round.map(|rule| rules[rule].name.to_string()).collect());
                }
                _ => {}
            }
        }
    }
    None
}
