//! What a model takes: one number of a halo, named by its path in the `halo/1` document.

use std::fmt;
use std::str::FromStr;

use super::super::derive::{Derived, Value};
use super::super::signal::physical;
use super::super::sketch::Tally;
use super::super::subject::Subject;
use super::super::window::{Stats, window_names};
use crate::ingest::own::is_signal_name;

/// The forms there are, for whoever wrote another one.
const FORMS: &str =
    "signals.NAME.value, signals.NAME.stats.WINDOW.FIELD, derived.NAME.value, .confidence, .low or .high";

/// One number of a halo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    name: String,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Latest,
    Stats { window: &'static str, field: Field },
    Derived(Part),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    N,
    Min,
    Max,
    Mean,
    Sd,
    P50,
    P95,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Value,
    Confidence,
    Low,
    High,
}

impl Input {
    /// The number, where it is known.
    pub(super) fn of(&self, subject: &Subject, known: &[Derived], tally: &mut Tally) -> Option<f64> {
        match self.what {
            What::Latest => {
                let latest = subject.signal(&self.name)?.latest()?;
                Some(physical(latest.raw, latest.num, latest.den))
            }
            What::Stats { window, field } => {
                let mut stats = subject.signal(&self.name)?.stats(tally);
                field.of(&stats.find(|(name, _)| *name == window)?.1)
            }
            What::Derived(part) => part.of(known.iter().find(|derived| derived.name == self.name)?),
        }
    }

    /// The signal it is of; none of a derived one.
    pub fn signal(&self) -> Option<&str> {
        (!matches!(self.what, What::Derived(_))).then_some(&self.name)
    }

    /// The derived signal it is of; none of another.
    pub fn derived(&self) -> Option<&str> {
        matches!(self.what, What::Derived(_)).then_some(&self.name)
    }
}

impl Field {
    const ALL: [(&'static str, Self); 7] = [
        ("n", Self::N),
        ("min", Self::Min),
        ("max", Self::Max),
        ("mean", Self::Mean),
        ("sd", Self::Sd),
        ("p50", Self::P50),
        ("p95", Self::P95),
    ];

    fn of(self, stats: &Stats) -> Option<f64> {
        match self {
            Self::N => Some(stats.n.into()),
            Self::Min => Some(stats.min),
            Self::Max => Some(stats.max),
            Self::Mean => Some(stats.mean),
            Self::Sd => stats.sd,
            Self::P50 => Some(stats.p50),
            Self::P95 => Some(stats.p95),
        }
    }
}

impl Part {
    const ALL: [(&'static str, Self); 4] =
        [("value", Self::Value), ("confidence", Self::Confidence), ("low", Self::Low), ("high", Self::High)];

    fn of(self, derived: &Derived) -> Option<f64> {
        match (self, &derived.value) {
            (Self::Value, Value::Number(value)) => Some(*value),
            (Self::Value, Value::Text(_) | Value::List(_) | Value::Names(_) | Value::Numbers(_)) => None,
            (Self::Confidence, _) => derived.confidence,
            (Self::Low, _) => derived.low,
            (Self::High, _) => derived.high,
        }
    }
}

impl FromStr for Input {
    type Err = String;

    /// Names may have dots, so that a path is read from both its ends.
    fn from_str(path: &str) -> Result<Self, String> {
        let found = path.split_once('.').and_then(|(section, rest)| match section {
            "signals" => of_signal(rest),
            "derived" => of_derived(rest),
            _ => None,
        });
        let found = found.filter(|(name, _)| is_signal_name(name));
        let (name, what) = found.ok_or_else(|| format!("{path:?} is no number of a halo; those are {FORMS}"))?;
        Ok(Self { name: name.to_owned(), what })
    }
}

fn of_signal(rest: &str) -> Option<(&str, What)> {
    let (before, last) = rest.rsplit_once('.')?;
    if last == "value" {
        return Some((before, What::Latest));
    }
    let (before, window) = before.rsplit_once('.')?;
    let name = before.strip_suffix(".stats")?;
    let window = window_names().find(|known| *known == window)?;
    let (_, field) = Field::ALL.into_iter().find(|(known, _)| *known == last)?;
    Some((name, What::Stats { window, field }))
}

fn of_derived(rest: &str) -> Option<(&str, What)> {
    let (name, last) = rest.rsplit_once('.')?;
    let (_, part) = Part::ALL.into_iter().find(|(known, _)| *known == last)?;
    Some((name, What::Derived(part)))
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |name: &str, last: &str| (name.to_owned(), last.to_owned());
        let (section, last) = match self.what {
            What::Latest => named("signals", "value"),
            What::Stats { window, field } => {
                let field = Field::ALL.into_iter().find(|(_, it)| *it == field).map_or("", |(name, _)| name);
                named("signals", &format!("stats.{window}.{field}"))
            }
            What::Derived(part) => {
                named("derived", Part::ALL.into_iter().find(|(_, it)| *it == part).map_or("", |(name, _)| name))
            }
        };
        write!(f, "{section}.{}.{last}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_from_both_ends_and_written_as_it_was() {
        let paths = [
            "signals.egt.value",
            "signals.engine.egt.value",
            "signals.n1.stats.15m.mean",
            "signals.a.stats.stats.1m.sd",
            "derived.engine.health.value",
            "derived.engine.rul.low",
        ];
        for path in paths {
            assert_eq!(path.parse::<Input>().expect("a path").to_string(), path);
        }
        let input: Input = "signals.a.stats.stats.1m.sd".parse().expect("a path");
        assert_eq!((input.signal(), input.derived()), (Some("a.stats"), None));
        let input: Input = "derived.engine.rul.low".parse().expect("a path");
        assert_eq!((input.signal(), input.derived()), (None, Some("engine.rul")));
    }

    #[test]
    fn what_is_no_number_of_a_halo_is_refused_with_the_forms_there_are() {
        let wrong = [
            "",
            "egt",
            "signals.egt",
            "signals..value",
            "signals.e g t.value",
            "signals.egt.unit",
            "signals.egt.stats.2m.mean",
            "signals.egt.stats.1m.median",
            "signals.egt.1m.mean",
            "derived.engine.health",
            "derived.value",
            "context.place.value",
        ];
        for path in wrong {
            let error = path.parse::<Input>().expect_err(path);
            assert_eq!(error, format!("{path:?} is no number of a halo; those are {FORMS}"));
        }
    }
}
