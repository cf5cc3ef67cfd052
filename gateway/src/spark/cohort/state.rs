//! How cohorts are, for whoever asks.

use super::census::{Census, Entry, Look};
use super::config::CohortConfig;
use crate::halo::{Fold, Told};

/// What of a cohort is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing yet.
    Nothing,
    /// That it is too small, since then, Unix milliseconds.
    TooSmall(i64),
    /// How many it is, and figures.
    Counted,
}

/// One cohort.
#[derive(Clone, Debug)]
pub struct CohortState<'a> {
    /// What the configuration says.
    pub config: &'a CohortConfig,
    /// What is published.
    pub standing: Standing,
    /// When it was published last, Unix milliseconds.
    pub time_ms: i64,
    /// How many are counted.
    pub n: usize,
    /// The figures that are published, in the order of the configuration.
    pub figures: Vec<(&'a str, &'a Told)>,
    /// Whether something differs that is not told, because it differs by too few.
    pub pending: bool,
    /// Why nothing new is told.
    pub why: Option<&'a str>,
    /// Whether it could not be run.
    pub fenced: bool,
}

impl Census {
    /// All cohorts, in the order of the configuration.
    pub(in crate::spark) fn states<'a>(&'a self, fold: &'a Fold) -> impl Iterator<Item = CohortState<'a>> {
        self.entries.iter().map(move |entry| state(entry, fold))
    }
}

fn state<'a>(entry: &'a Entry, fold: &'a Fold) -> CohortState<'a> {
    let config = &entry.cohort.config;
    let counted = fold.cohorts().get(&entry.cohort.name).filter(|counted| !counted.members().is_empty());
    let (pending, why, fenced) = match &entry.look {
        Look::None | Look::TooSmall(_) => (false, None, false),
        Look::Held(why) => (true, Some(why.as_str()), false),
        Look::Told { waits, .. } => (*waits, None, false),
        Look::Fenced(why) => (true, Some(why.as_str()), true),
    };
    let small: &[usize] = if let Look::Told { small, .. } = &entry.look { small } else { &[] };
    let standing = match (&entry.look, counted) {
        (Look::TooSmall(since_ms), _) => Standing::TooSmall(*since_ms),
        // Before the first look it is not known whether they are still enough.
        (Look::None, _) | (_, None) => Standing::Nothing,
        _ => Standing::Counted,
    };
    let told = counted.filter(|_| standing == Standing::Counted);
    let figures = config.figures.iter().enumerate().filter(|(at, _)| !small.contains(at));
    let figures = figures.filter_map(|(_, path)| Some((path.as_str(), told?.figure(path).next()?.0)));
    CohortState {
        config,
        standing,
        time_ms: told.map_or(0, |told| told.time_ms()),
        n: told.map_or(0, |told| told.members().len()),
        figures: figures.collect(),
        pending,
        why,
        fenced,
    }
}
