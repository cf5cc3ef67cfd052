//! What a rule can name: the paths of the `halo/1` document, and a few more. Each is checked when a rule is loaded, and
//! says which kind of change can change it.

use std::fmt;

use halo_proto::registry;

use super::cel::Type;
use crate::halo::{DerivedKind, derived_kind};
use crate::record::Name;

/// Windows of statistics, as the halo names them.
const WINDOWS: [&str; 3] = ["1m", "15m", "24h"];
/// Horizons of forecasts, as the halo names them.
const HORIZONS: [&str; 4] = ["10m", "1h", "6h", "24h"];

/// Which of the two halos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    A,
    B,
}

/// Something a rule reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Path {
    Of(Side, Part),
    /// The row of the offer that is looked at.
    Offer,
    /// All rows of the rule's table.
    Offers,
    Now,
}

/// A part of a halo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Subject,
    Kind,
    Time,
    Signal(Name, OfSignal),
    Derived(Name, OfDerived),
    Place(&'static str),
    Trip(&'static str),
    Events,
    Words(Name),
    Devices,
    Quality(&'static str),
    Setting(Name),
    Relations,
    Local(&'static str),
    Spark(Name, &'static str),
    Members(OfMembers),
    Central(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfSignal {
    Value,
    Unit,
    Time,
    Device,
    Quality,
    Stat(&'static str, &'static str),
    Trend(&'static str),
    Forecast(&'static str, &'static str),
    /// When the signal's plausible range ends, above or below.
    Reaches(&'static str, &'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfDerived {
    Value,
    Low,
    High,
    Confidence,
}

/// Statistics over the members of an organisation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum OfMembers {
    Count,
    Signal(Name, &'static str),
    Derived(Name, &'static str),
}

/// Which kind of change can change what a path says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Class {
    Signal(Name),
    /// Everything else a frame can change: derived signals, place, events, presence, quality.
    Frame,
    /// Acts, and what they do to the subject.
    Ties,
    Sparks,
    /// Figures over members, and ranks among all who take part.
    Members,
    /// The passing of time.
    Now,
    Offers,
    /// Nothing but the subject's being there.
    Name,
}

/// A look ahead: whose signal, and its forecast at a horizon or when an end of its range is reached, or whose arrival;
/// whatever a rule reads of it.
pub(super) type Ahead<'p> = (Side, &'p Name, &'static str);

/// The derived signal that is a time to come, and its name among the looks ahead.
const ARRIVAL: &str = "journey.arrival";
pub(super) const ARRIVES: &str = "arrives";

impl Path {
    pub(super) fn ahead(&self) -> Option<Ahead<'_>> {
        match self {
            Self::Of(side, Part::Signal(name, OfSignal::Forecast(what, _) | OfSignal::Reaches(what, _))) => {
                Some((*side, name, *what))
            }
            Self::Of(side, Part::Derived(name, _)) if **name == *ARRIVAL => Some((*side, name, ARRIVES)),
            _ => None,
        }
    }

    pub(super) fn class(&self) -> Class {
        match self {
            Self::Offer | Self::Offers => Class::Offers,
            Self::Now | Self::Of(_, Part::Local(_)) => Class::Now,
            Self::Of(_, part) => match part {
                Part::Signal(name, _) => Class::Signal(name.clone()),
                Part::Setting(_) | Part::Relations => Class::Ties,
                Part::Spark(..) => Class::Sparks,
                Part::Members(_) | Part::Central(_) => Class::Members,
                Part::Subject | Part::Kind => Class::Name,
                _ => Class::Frame,
            },
        }
    }
}

/// What there is beside the registry.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Signals of the configuration.
    pub signals: Vec<Name>,
    /// Derived signals of the configuration's models, all numbers.
    pub derived: Vec<Name>,
    /// All rules, by name.
    pub rules: Vec<Name>,
}

/// Finds the longest path from `root` that is a value: what it is, its type, and how many steps it took.
pub(super) fn find(
    root: &str,
    steps: &[&str],
    known: &Known,
    (has_b, has_offer): (bool, bool),
) -> Result<(Path, Type, usize), String> {
    let side = match root {
        "now" => return Ok((Path::Now, Type::Time, 0)),
        "offer" if has_offer => return Ok((Path::Offer, Type::Record, 0)),
        "offers" if has_offer => return Ok((Path::Offers, Type::list(Type::Record), 0)),
        "offer" | "offers" => return Err("there is no offer: the rule has no `offer` table".to_owned()),
        "a" => Side::A,
        "b" if has_b => Side::B,
        "b" => return Err("there is no `b`: the rule says nothing `with` whom".to_owned()),
        other => return Err(format!("{other:?} is not known: there are a, b, offer, offers and now")),
    };
    let (part, kind, took) = part(steps, known).map_err(|wanted| format!("{wanted}, got {}", shown(root, steps)))?;
    Ok((Path::Of(side, part), kind, took))
}

fn shown(root: &str, steps: &[&str]) -> String {
    steps.iter().fold(root.to_owned(), |path, step| format!("{path}.{step}"))
}

type Found = Result<(Part, Type, usize), String>;

fn part(steps: &[&str], known: &Known) -> Found {
    let (first, rest) = steps.split_first().ok_or("wanted a part of the halo, as in a.signals.heart_rate.value")?;
    let plain = |part, kind| Ok((part, kind, 1));
    match *first {
        "subject" => plain(Part::Subject, Type::Text),
        "kind" => plain(Part::Kind, Type::Text),
        "time" => plain(Part::Time, Type::Time),
        "devices" => plain(Part::Devices, Type::list(Type::Record)),
        "relations" => plain(Part::Relations, Type::list(Type::Record)),
        "signals" => signal(rest, known),
        "derived" => derived(rest, known),
        "context" => context(rest),
        "quality" => {
            let names = ["accepted", "gaps", "missing", "duplicates", "late", "conflicts", "quarantined", "suspect"];
            Ok((Part::Quality(one_of(rest.first(), &names)?), Type::Int, 2))
        }
        "settings" => Ok((Part::Setting(named(rest.first(), "the name of a setting")?), Type::Text, 2)),
        "local" => {
            let name = one_of(rest.first(), &["hour", "minute", "weekday"])?;
            Ok((Part::Local(name), Type::Int, 2))
        }
        "sparks" => spark(rest, known),
        "members" => members(rest, known),
        "central" => match one_of(rest.first(), &["rank", "share"])? {
            "rank" => Ok((Part::Central("rank"), Type::Int, 2)),
            share => Ok((Part::Central(share), Type::Double, 2)),
        },
        _ => {
            Err("wanted subject, kind, time, signals, derived, context, devices, quality, settings, relations, local, \
                  sparks, members or central"
                .to_owned())
        }
    }
}

fn signal(steps: &[&str], known: &Known) -> Found {
    let name = known_signal(steps.first(), known)?;
    let stats = ["n", "min", "max", "mean", "sd", "p50", "p95"];
    let (of, kind, took) = match one_of(
        steps.get(1),
        &["value", "unit", "time", "device", "quality", "stats", "trend", "forecast", "reaches"],
    )? {
        "value" => (OfSignal::Value, Type::Double, 3),
        "unit" => (OfSignal::Unit, Type::Text, 3),
        "time" => (OfSignal::Time, Type::Time, 3),
        "device" => (OfSignal::Device, Type::Text, 3),
        "quality" => (OfSignal::Quality, Type::Text, 3),
        "stats" => (OfSignal::Stat(one_of(steps.get(2), &WINDOWS)?, one_of(steps.get(3), &stats)?), Type::Double, 5),
        "trend" => (OfSignal::Trend(one_of(steps.get(2), &["ewma", "per_hour", "low", "high"])?), Type::Double, 4),
        "forecast" => {
            let what = one_of(steps.get(3), &["value", "low", "high", "skill", "time"])?;
            let kind = if what == "time" { Type::Time } else { Type::Double };
            (OfSignal::Forecast(one_of(steps.get(2), &HORIZONS)?, what), kind, 5)
        }
        _ => {
            let what = one_of(steps.get(3), &["time", "earliest", "latest"])?;
            (OfSignal::Reaches(one_of(steps.get(2), &["max", "min"])?, what), Type::Time, 5)
        }
    };
    Ok((Part::Signal(name, of), kind, took))
}

fn derived(steps: &[&str], known: &Known) -> Found {
    let (name, kind) = known_derived(steps.first(), known)?;
    let of = match one_of(steps.get(1), &["value", "low", "high", "confidence"])? {
        "value" => OfDerived::Value,
        "low" => OfDerived::Low,
        "high" => OfDerived::High,
        _ => OfDerived::Confidence,
    };
    let kind = match (of, kind) {
        (OfDerived::Value, DerivedKind::Text) => Type::Text,
        (OfDerived::Value, DerivedKind::List) => Type::list(Type::Text),
        (OfDerived::Value, DerivedKind::Numbers) => Type::list(Type::Double),
        _ => Type::Double,
    };
    Ok((Part::Derived(name, of), kind, 3))
}

fn context(steps: &[&str]) -> Found {
    let second = steps.get(1);
    match one_of(steps.first(), &["place", "trip", "events", "texts"])? {
        "place" => {
            let what = one_of(second, &["zone", "kind", "lat", "lon", "since", "time", "device"])?;
            let kind = match what {
                "lat" | "lon" => Type::Double,
                "since" | "time" => Type::Time,
                _ => Type::Text,
            };
            Ok((Part::Place(what), kind, 3))
        }
        "trip" => {
            let what = one_of(second, &["device", "from", "to", "distance_m", "duration_s", "idle_s"])?;
            let kind = match what {
                "from" | "to" => Type::Time,
                "device" => Type::Text,
                _ => Type::Double,
            };
            Ok((Part::Trip(what), kind, 3))
        }
        "events" => Ok((Part::Events, Type::list(Type::Record), 2)),
        _ => {
            let key = named(second, "the key of a text")?;
            one_of(steps.get(2), &["value"])?;
            Ok((Part::Words(key), Type::Text, 4))
        }
    }
}

fn spark(steps: &[&str], known: &Known) -> Found {
    let name = named(steps.first(), "the name of a rule")?;
    if !known.rules.contains(&name) {
        return Err(format!("there is no rule {name:?}{}", meant(&name, known.rules.iter().map(|rule| &**rule))));
    }
    match one_of(steps.get(1), &["active", "since", "answer"])? {
        "active" => Ok((Part::Spark(name, "active"), Type::Bool, 3)),
        "since" => Ok((Part::Spark(name, "since"), Type::Time, 3)),
        _ => Ok((Part::Spark(name, "answer"), Type::Text, 3)),
    }
}

fn members(steps: &[&str], known: &Known) -> Found {
    let figures = ["n", "min", "max", "mean", "sd"];
    let figure = |took: &[&str]| one_of(took.get(2), &figures);
    let (of, took) = match one_of(steps.first(), &["n", "signals", "derived"])? {
        "n" => (OfMembers::Count, 2),
        "signals" => (OfMembers::Signal(known_signal(steps.get(1), known)?, figure(steps)?), 4),
        _ => (OfMembers::Derived(known_derived(steps.get(1), known)?.0, figure(steps)?), 4),
    };
    Ok((Part::Members(of), Type::Double, took))
}

fn known_signal(name: Option<&&str>, known: &Known) -> Result<Name, String> {
    let name = named(name, "the name of a signal")?;
    let own = known.signals.iter().map(|signal| &**signal);
    if registry::signal_named(&name).is_some() || own.clone().any(|signal| *signal == *name) {
        return Ok(name);
    }
    let all = registry::signals().iter().map(|signal| signal.name).chain(own);
    Err(format!(
        "signal {name:?} is not known{}; signals of your own are declared in [[halo.signals]]",
        meant(&name, all)
    ))
}

fn known_derived(name: Option<&&str>, known: &Known) -> Result<(Name, DerivedKind), String> {
    let name = named(name, "the name of a derived signal")?;
    let own = known.derived.iter().map(|signal| &**signal);
    match derived_kind(&name) {
        Some(kind) => Ok((name, kind)),
        None if own.clone().any(|signal| *signal == *name) => Ok((name, DerivedKind::Number)),
        None => {
            let ours = crate::halo::derived_names().map(|name| -> &str { name });
            let all = ours.chain(own);
            Err(format!("derived signal {name:?} is not known{}", meant(&name, all)))
        }
    }
}

fn named(step: Option<&&str>, what: &str) -> Result<Name, String> {
    step.map(|step| Name::from(*step)).ok_or_else(|| format!("wanted {what}"))
}

fn one_of(step: Option<&&str>, names: &[&'static str]) -> Result<&'static str, String> {
    let found = step.and_then(|step| names.iter().find(|name| *name == step));
    found.copied().ok_or_else(|| format!("wanted one of {}", names.join(", ")))
}

/// The nearest of the names, when it is near.
fn meant<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let nearest = names.map(|known| (distance(name, known), known)).min();
    match nearest.filter(|(distance, _)| *distance <= 2) {
        Some((_, known)) => format!(" (did you mean {known:?}?)"),
        None => String::new(),
    }
}

/// Insertions, deletions and substitutions from one word to another (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, left) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (column, right) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(left != right);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[b.len()]
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (side, part) = match self {
            Self::Offer => return out.write_str("offer"),
            Self::Offers => return out.write_str("offers"),
            Self::Now => return out.write_str("now"),
            Self::Of(Side::A, part) => ("a", part),
            Self::Of(Side::B, part) => ("b", part),
        };
        write!(out, "{side}.")?;
        match part {
            Part::Subject => out.write_str("subject"),
            Part::Kind => out.write_str("kind"),
            Part::Time => out.write_str("time"),
            Part::Signal(name, of) => write!(out, "signals.{name}.{of}"),
            Part::Derived(name, of) => write!(out, "derived.{name}.{of}"),
            Part::Place(what) => write!(out, "context.place.{what}"),
            Part::Trip(what) => write!(out, "context.trip.{what}"),
            Part::Events => out.write_str("context.events"),
            Part::Words(key) => write!(out, "context.texts.{key}.value"),
            Part::Devices => out.write_str("devices"),
            Part::Quality(what) => write!(out, "quality.{what}"),
            Part::Setting(name) => write!(out, "settings.{name}"),
            Part::Relations => out.write_str("relations"),
            Part::Local(what) => write!(out, "local.{what}"),
            Part::Spark(rule, what) => write!(out, "sparks.{rule}.{what}"),
            Part::Central(what) => write!(out, "central.{what}"),
            Part::Members(OfMembers::Count) => out.write_str("members.n"),
            Part::Members(OfMembers::Signal(name, what)) => write!(out, "members.signals.{name}.{what}"),
            Part::Members(OfMembers::Derived(name, what)) => write!(out, "members.derived.{name}.{what}"),
        }
    }
}

impl fmt::Display for OfSignal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value => out.write_str("value"),
            Self::Unit => out.write_str("unit"),
            Self::Time => out.write_str("time"),
            Self::Device => out.write_str("device"),
            Self::Quality => out.write_str("quality"),
            Self::Stat(window, what) => write!(out, "stats.{window}.{what}"),
            Self::Trend(what) => write!(out, "trend.{what}"),
            Self::Forecast(horizon, what) => write!(out, "forecast.{horizon}.{what}"),
            Self::Reaches(end, what) => write!(out, "reaches.{end}.{what}"),
        }
    }
}

impl fmt::Display for OfDerived {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Value => "value",
            Self::Low => "low",
            Self::High => "high",
            Self::Confidence => "confidence",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(path: &str) -> Result<(Class, Type, usize), String> {
        let (root, rest) = path.split_once('/').unwrap_or((path, ""));
        let steps: Vec<&str> = rest.split('/').filter(|step| !step.is_empty()).collect();
        let known = Known { rules: vec!["calm".into()], ..Known::default() };
        find(root, &steps, &known, (false, false)).map(|(path, kind, took)| (path.class(), kind, took))
    }

    #[test]
    fn a_path_is_one_of_the_halo_document_and_knows_what_changes_it() {
        let heart = || Class::Signal("heart_rate".into());
        assert_eq!(class("a/signals/heart_rate/value"), Ok((heart(), Type::Double, 3)));
        assert_eq!(class("a/signals/heart_rate/stats/15m/p95"), Ok((heart(), Type::Double, 5)));
        assert_eq!(class("a/signals/heart_rate/forecast/1h/time"), Ok((heart(), Type::Time, 5)));
        assert_eq!(class("a/derived/engine.rul/low"), Ok((Class::Frame, Type::Double, 3)));
        assert_eq!(class("a/derived/heart.rhythm/value"), Ok((Class::Frame, Type::Text, 3)));
        assert_eq!(class("a/context/place/zone"), Ok((Class::Frame, Type::Text, 3)));
        assert_eq!(class("a/settings/limit"), Ok((Class::Ties, Type::Text, 2)));
        assert_eq!(class("a/sparks/calm/active"), Ok((Class::Sparks, Type::Bool, 3)));
        assert_eq!(class("now"), Ok((Class::Now, Type::Time, 0)));
    }

    #[test]
    fn a_name_that_is_not_known_is_told_with_the_nearest_that_is() {
        let error = |path| class(path).unwrap_err();
        assert!(error("a/signals/heart_rat/value").contains("did you mean \"heart_rate\"?"));
        assert!(error("a/derived/engine.rull/value").contains("did you mean \"engine.rul\"?"));
        assert!(error("a/signals/heart_rate/stats/2m/mean").contains("wanted one of 1m, 15m, 24h"));
        assert!(error("a/sparks/clam/active").contains("there is no rule \"clam\" (did you mean \"calm\"?)"));
        assert!(error("b/subject").contains("there is no `b`"));
        assert!(error("c/subject").contains("there are a, b, offer, offers and now"));
        assert!(error("a/nothing").contains("got a.nothing"));
    }

    #[test]
    fn words_are_as_far_apart_as_letters_have_to_be_changed() {
        let pairs = [("", "", 0), ("a", "", 1), ("", "ab", 2), ("kitten", "sitting", 3), ("speed", "sped", 1)];
        for (a, b, wanted) in pairs {
            assert_eq!(distance(a, b), wanted, "{a} {b}");
        }
    }
}
