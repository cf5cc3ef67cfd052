//! Rules: what a configuration says, and what is made of it when it is loaded.

use std::collections::BTreeSet;
use std::time::Duration;

use halo_proto::topic::id_is_valid;
use serde::{Deserialize, Serialize};

use super::cel::{CelError, Program, Resolved, Schema, Step, Template, Type, Unknown};
use super::path::{Class, Known, Part, Path, Side, find};
use crate::record::{Name, Severity, SubjectKind};
use crate::units;

/// One `[[rule]]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Names it and its topic; `[A-Za-z0-9._-]{1,64}`.
    pub name: String,
    /// Whose sparks these are: `a` in expressions. `{ kind = "person" }` or `{ subject = "anna" }`. Default everybody.
    #[serde(default)]
    pub about: Who,
    /// With whom they are brought together: `b` in expressions. Default nobody.
    #[serde(default)]
    pub with: Option<With>,
    /// Which offers they are brought together with: `offer` in expressions. Default none.
    #[serde(default)]
    pub offer: Option<OfferOf>,
    /// The condition, an expression.
    pub when: String,
    /// When a raised spark is over, an expression. Default: when the condition is false.
    #[serde(default)]
    pub clear: Option<String>,
    /// How long the condition has to hold before a spark is raised. Default 0.
    #[serde(default, deserialize_with = "units::duration")]
    pub hold: Duration,
    /// How long after a spark's end none of the same pair is raised. Default 0.
    #[serde(default, deserialize_with = "units::duration")]
    pub cool_down: Duration,
    /// `info`, `notice`, `warning` or `critical`. Default `info`.
    #[serde(default)]
    pub severity: Severity,
    /// The subject that offers it and hears of answers. Default nobody.
    #[serde(default)]
    pub owner: Option<String>,
    /// What is told, a text with expressions in braces. Default none.
    #[serde(default)]
    pub message: String,
    /// Whether the subject's devices are told, on their `cmd` topics. Default false.
    #[serde(default)]
    pub cmd: bool,
    /// How long it is of use to a device that was not there. Default as long as it holds.
    #[serde(default, deserialize_with = "units::some_duration")]
    pub expires: Option<Duration>,
    /// How long an answer is waited for; none within it counts as ignored. Default: no answer is wanted.
    #[serde(default, deserialize_with = "units::some_duration")]
    pub answer_within: Option<Duration>,
    /// Least share of the answers that has to be yes, 0 to 1; below it, once there are 20 answers, the rule goes quiet.
    /// Default 0.
    #[serde(default)]
    pub floor: f64,
}

/// Whose halo.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Who {
    /// One subject. Default any.
    pub subject: Option<String>,
    /// Subjects of one kind. Default any.
    pub kind: Option<SubjectKind>,
}

/// The other halo, and by what it is found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct With {
    /// One subject. Default any.
    #[serde(default)]
    pub subject: Option<String>,
    /// Subjects of one kind. Default any.
    #[serde(default)]
    pub kind: Option<SubjectKind>,
    /// What both have in common: `zone`, `party`, `destination`, `organisation`, `setting:NAME`; or what b is to a:
    /// `relation:KIND`.
    pub join: String,
}

/// A table of offers, and which of its rows are looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferOf {
    /// `ORGANISATION/TABLE`.
    pub table: String,
    /// The column that is compared. Default `key`.
    #[serde(default = "key")]
    pub column: String,
    /// What it has to be, an expression; of a list, any of its elements. Default: all rows are looked at.
    #[serde(default)]
    pub is: Option<String>,
}

fn key() -> String {
    "key".to_owned()
}

/// Why a rule was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// An expression.
    #[error("rule {rule:?}, {key}: {error}")]
    Expression {
        /// The rule.
        rule: String,
        /// `when`, `clear`, `message` or `offer.is`.
        key: &'static str,
        /// What is wrong with it, with line and column.
        error: CelError,
    },
    /// Anything else.
    #[error("rule {rule:?}, {key}: {problem}")]
    Invalid {
        /// The rule.
        rule: String,
        /// The key at fault.
        key: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A rule reads sparks of a rule that reads its own, or further round.
    #[error("rules feed each other: {0}")]
    Circle(String),
    /// Too many.
    #[error("{0} rules, at most {max}", max = super::RULES_MAX)]
    TooMany(usize),
}

/// How the other halo is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Join {
    Zone,
    Party,
    Destination,
    Organisation,
    Setting(Name),
    Relation(Name),
}

impl Join {
    fn parse(text: &str) -> Option<Self> {
        Some(match text.split_once(':') {
            None => match text {
                "zone" => Self::Zone,
                "party" => Self::Party,
                "destination" => Self::Destination,
                "organisation" => Self::Organisation,
                _ => return None,
            },
            Some((_, name)) if !id_is_valid(name) => return None,
            Some(("setting", name)) => Self::Setting(name.into()),
            Some(("relation", name)) => Self::Relation(name.into()),
            Some(_) => return None,
        })
    }
}

/// A rule, checked and ready.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) config: RuleConfig,
    pub(super) name: Name,
    pub(super) owner: Option<Name>,
    pub(super) join: Option<Join>,
    /// Organisation and table.
    pub(super) table: Option<(Name, Name)>,
    pub(super) paths: Vec<Path>,
    pub(super) when: Program,
    pub(super) clear: Option<Program>,
    pub(super) is: Option<Program>,
    pub(super) message: Template,
}

/// What the expressions of one rule have asked for so far.
pub(super) struct Asked<'a> {
    known: &'a Known,
    has: (bool, bool),
    pub(super) paths: Vec<Path>,
}

impl<'a> Asked<'a> {
    /// Expressions over `a` alone.
    pub(super) fn about_one(known: &'a Known) -> Self {
        Self { known, has: (false, false), paths: Vec::new() }
    }
}

impl Schema for Asked<'_> {
    fn resolve(&mut self, root: &str, steps: &[Step<'_>]) -> Result<Resolved, Unknown> {
        let names: Vec<&str> = steps.iter().map(|step| step.name()).collect();
        let found = find(root, &names, self.known, self.has);
        let (path, kind, consumed) = found.map_err(|what| {
            // The sentence quotes the name that is wrong.
            let step = names.iter().position(|name| what.contains(&format!("{name:?}")));
            Unknown { step, what }
        })?;
        let slot = self.paths.iter().position(|known| *known == path).unwrap_or_else(|| {
            self.paths.push(path);
            self.paths.len() - 1
        });
        let full = || Unknown { step: None, what: "a rule reads at most 65,535 facts".to_owned() };
        Ok(Resolved { slot: u16::try_from(slot).map_err(|_| full())?, kind, consumed })
    }
}

impl Rule {
    pub(super) fn new(config: &RuleConfig, known: &Known) -> Result<Self, RuleError> {
        let name = config.name.as_str();
        let invalid = |key, problem: String| RuleError::Invalid { rule: name.to_owned(), key, problem };
        check_names(config).map_err(|(key, problem)| invalid(key, problem))?;
        let join = match &config.with {
            Some(with) => Some(Join::parse(&with.join).ok_or_else(|| {
                let problem = format!(
                    "{:?}, wanted zone, party, destination, organisation, setting:NAME or relation:KIND",
                    with.join
                );
                invalid("with.join", problem)
            })?),
            None => None,
        };
        let table = match &config.offer {
            Some(offer) => {
                let parts = offer.table.split_once('/').filter(|(one, two)| id_is_valid(one) && id_is_valid(two));
                let (one, two) = parts
                    .ok_or_else(|| invalid("offer.table", format!("{:?}, wanted ORGANISATION/TABLE", offer.table)))?;
                Some((Name::from(one), Name::from(two)))
            }
            None => None,
        };
        let mut asked = Asked { known, has: (config.with.is_some(), table.is_some()), paths: Vec::new() };
        let mut compile = |key, text: &str, wanted| {
            let compiled = Program::compile(text, &mut asked, wanted);
            compiled.map_err(|error| RuleError::Expression { rule: name.to_owned(), key, error })
        };
        let when = compile("when", &config.when, Type::Bool)?;
        let clear = config.clear.as_ref().map(|text| compile("clear", text, Type::Bool)).transpose()?;
        let is = config.offer.as_ref().and_then(|offer| offer.is.as_ref());
        let is = is.map(|text| compile("offer.is", text, Type::Dyn)).transpose()?;
        if is.as_ref().is_some_and(|is| is.slots().any(|slot| asked.paths.get(usize::from(slot)) == Some(&Path::Offer)))
        {
            return Err(invalid("offer.is", "says which offers are looked at, and cannot look at one".to_owned()));
        }
        let message = Template::compile(&config.message, &mut asked);
        let message =
            message.map_err(|error| RuleError::Expression { rule: name.to_owned(), key: "message", error })?;
        let (owner, paths) = (config.owner.as_deref().map(Name::from), asked.paths);
        Ok(Self { config: config.clone(), name: name.into(), owner, join, table, paths, when, clear, is, message })
    }

    /// The kinds of changes that concern it, of either halo; the passing of time is of neither.
    pub(super) fn classes(&self) -> impl Iterator<Item = (Side, Class)> {
        let told = self.config.message.is_empty();
        let of_message: Vec<u16> = if told { Vec::new() } else { self.message.slots().collect() };
        let decides = self.decides();
        self.paths.iter().enumerate().filter_map(move |(slot, path)| {
            let slot = u16::try_from(slot).ok()?;
            if of_message.contains(&slot) && !decides.contains(&slot) {
                return None;
            }
            let side = if let Path::Of(Side::B, _) = path { Side::B } else { Side::A };
            Some((side, path.class()))
        })
    }

    /// The slots it is decided by.
    pub(super) fn decides(&self) -> Vec<u16> {
        let programs = [Some(&self.when), self.clear.as_ref(), self.is.as_ref()];
        let mut slots: Vec<u16> = programs.into_iter().flatten().flat_map(|program| program.slots()).collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// The columns of an offer it is decided by.
    pub(super) fn decides_by_columns(&self) -> BTreeSet<&str> {
        let offer = self.paths.iter().position(|path| *path == Path::Offer).and_then(|slot| u16::try_from(slot).ok());
        let programs = [Some(&self.when), self.clear.as_ref()];
        let fields = |slot| programs.into_iter().flatten().flat_map(move |program| program.fields(slot));
        offer.into_iter().flat_map(fields).collect()
    }

    /// Rules whose sparks it reads.
    pub(super) fn reads(&self) -> impl Iterator<Item = &Name> {
        self.paths.iter().filter_map(|path| match path {
            Path::Of(_, Part::Spark(rule, _)) => Some(rule),
            _ => None,
        })
    }

    /// Whether the passing of time alone can change what it says.
    pub(super) fn reads_time(&self) -> bool {
        self.paths.iter().any(|path| path.class() == Class::Now)
    }

    /// Bytes in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        let texts = self.config.when.capacity() + self.config.message.capacity();
        let programs = [Some(&self.when), self.clear.as_ref(), self.is.as_ref()];
        size_of::<Self>()
            + texts
            + self.paths.capacity() * size_of::<Path>()
            + programs.into_iter().flatten().map(Program::memory_bytes).sum::<usize>()
    }
}

fn check_names(config: &RuleConfig) -> Result<(), (&'static str, String)> {
    let with = config.with.as_ref();
    let ids = [
        ("name", Some(&config.name)),
        ("owner", config.owner.as_ref()),
        ("about.subject", config.about.subject.as_ref()),
        ("with.subject", with.and_then(|with| with.subject.as_ref())),
    ];
    for (key, id) in ids {
        if let Some(id) = id.filter(|id| !id_is_valid(id)) {
            return Err((key, format!("{id:?} is not of the form [A-Za-z0-9._-]{{1,64}}")));
        }
    }
    if !(0.0..=1.0).contains(&config.floor) {
        return Err(("floor", format!("{}, wanted 0 to 1", config.floor)));
    }
    Ok(())
}
