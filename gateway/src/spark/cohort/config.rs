//! What a configuration says of a cohort, and what is made of it.

use std::sync::Arc;
use std::time::Duration;

use halo_proto::topic::id_is_valid;
use serde::{Deserialize, Serialize};

use super::{COHORTS_MAX, FIGURES_MAX};
use crate::record::Name;
use crate::spark::cel::{CelError, Program, Type};
use crate::spark::path::{Known, Part, Path};
use crate::spark::rules::{Asked, Rule, Who};
use crate::spark::ruleset::Rules;
use crate::units;

/// One `[[cohort]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortConfig {
    /// Names it and its topic; `[A-Za-z0-9._-]{1,64}`.
    pub name: String,
    /// Whose halos: `a` in expressions. `{ kind = "person" }`. Default everybody who takes part.
    #[serde(default)]
    pub about: Who,
    /// Which of them, an expression. Default `true`.
    #[serde(default = "all", rename = "where")]
    pub filter: String,
    /// What is told of them: paths of numbers, as in rules. Default none, only how many they are.
    #[serde(default)]
    pub figures: Vec<String>,
    /// How often it is looked at, at most. Default `1m`.
    #[serde(default = "minute", deserialize_with = "units::duration")]
    pub every: Duration,
}

fn all() -> String {
    "true".to_owned()
}

fn minute() -> Duration {
    Duration::from_secs(60)
}

/// Why a cohort was not taken.
#[derive(Debug, thiserror::Error)]
pub enum CohortError {
    /// An expression.
    #[error("cohort {cohort:?}, {key}: {error}")]
    Expression {
        /// The cohort.
        cohort: String,
        /// `where` or `figures[0]`.
        key: String,
        /// What is wrong with it, with line and column.
        error: CelError,
    },
    /// Anything else.
    #[error("cohort {cohort:?}, {key}: {problem}")]
    Invalid {
        /// The cohort.
        cohort: String,
        /// The key at fault.
        key: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// Too many.
    #[error("{0} cohorts, at most {COHORTS_MAX}")]
    TooMany(usize),
}

/// A cohort, checked and ready.
#[derive(Debug)]
pub(in crate::spark) struct Cohort {
    pub(super) config: CohortConfig,
    pub(super) name: Name,
    pub(super) paths: Vec<Path>,
    pub(super) filter: Program,
    pub(super) figures: Vec<Program>,
}

/// Checks cohorts and compiles their expressions.
///
/// # Errors
/// The first cohort at fault, with key, line and column.
pub fn check(configs: &[CohortConfig], rules: &Rules, known: &Known) -> Result<(), CohortError> {
    compile(configs, &rules.0, known).map(drop)
}

/// Whether any of them asks for ranks.
pub(in crate::spark) fn wants_ranks<'a>(mut paths: impl Iterator<Item = &'a Path>) -> bool {
    paths.any(|path| matches!(path, Path::Of(_, Part::Central(_))))
}

pub(super) fn compile(
    configs: &[CohortConfig],
    rules: &[Arc<Rule>],
    known: &Known,
) -> Result<Vec<Cohort>, CohortError> {
    if configs.len() > COHORTS_MAX {
        return Err(CohortError::TooMany(configs.len()));
    }
    let known = Known { rules: rules.iter().map(|rule| rule.name.clone()).collect(), ..known.clone() };
    let mut cohorts: Vec<Cohort> = Vec::with_capacity(configs.len());
    for config in configs {
        if cohorts.iter().any(|other| *other.name == *config.name) {
            return Err(invalid(config, "name", "is the name of two cohorts".to_owned()));
        }
        cohorts.push(Cohort::new(config, &known)?);
    }
    Ok(cohorts)
}

fn invalid(config: &CohortConfig, key: impl Into<String>, problem: String) -> CohortError {
    CohortError::Invalid { cohort: config.name.clone(), key: key.into(), problem }
}

impl Cohort {
    fn new(config: &CohortConfig, known: &Known) -> Result<Self, CohortError> {
        for (key, id) in [("name", Some(&config.name)), ("about.subject", config.about.subject.as_ref())] {
            if let Some(id) = id.filter(|id| !id_is_valid(id)) {
                return Err(invalid(config, key, format!("{id:?} is not of the form [A-Za-z0-9._-]{{1,64}}")));
            }
        }
        if config.figures.len() > FIGURES_MAX {
            return Err(invalid(config, "figures", format!("{}, at most {FIGURES_MAX}", config.figures.len())));
        }
        if config.every < Duration::from_secs(1) {
            return Err(invalid(config, "every", format!("{:?}, wanted 1s or more", config.every)));
        }
        let mut asked = Asked::about_one(known);
        let mut compile = |key: &str, text: &str, wanted| {
            let compiled = Program::compile(text, &mut asked, wanted);
            compiled.map_err(|error| CohortError::Expression {
                cohort: config.name.clone(),
                key: key.to_owned(),
                error,
            })
        };
        let filter = compile("where", &config.filter, Type::Bool)?;
        let mut figures = Vec::new();
        for (number, text) in config.figures.iter().enumerate() {
            let key = format!("figures[{number}]");
            let figure = compile(&key, text, Type::Double)?;
            // An expression could single one subject out: `a.subject == 'anna' ? … : 0.0`.
            if !figure.is_path() {
                return Err(invalid(config, key, format!("{text:?} is an expression, wanted a path alone")));
            }
            if config.figures.iter().take(number).any(|other| other == text) {
                return Err(invalid(config, key, format!("{text:?} stands there twice")));
            }
            figures.push(figure);
        }
        if asked.paths.iter().any(|path| matches!(path, Path::Of(_, Part::Members(_)))) {
            return Err(invalid(config, "where", "figures over members of an organisation are for rules".to_owned()));
        }
        Ok(Self { config: config.clone(), name: config.name.as_str().into(), paths: asked.paths, filter, figures })
    }
}
