//! When which cohort is looked at, and what is to be published of it.

use std::sync::Arc;

use tracing::warn;

use super::apart::{Settled, changed, may_stand_beside, settle};
use super::config::{Cohort, CohortConfig, CohortError, compile};
use super::gather::{Gathered, Sight, gather};
use super::summary::{print, summary};
use super::{K, wants_ranks};
use crate::halo::{Counted, Fold};
use crate::record::{self, Body, Count, Draft, Figure, Name, Offset, Record};
use crate::spark::path::Known;
use crate::spark::rules::Rule;

/// What the last look at a cohort found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Look {
    /// There was none yet.
    #[default]
    None,
    /// Fewer than ten belong to it, since then, Unix milliseconds.
    TooSmall(i64),
    /// What is published stands, for this reason.
    Held(String),
    /// What is published is as new as may be.
    Told {
        /// Somebody, or a figure, is waiting for more to differ.
        waits: bool,
        /// By number, which figures fewer than ten have.
        small: Vec<usize>,
    },
    /// It could not be run, for this reason.
    Fenced(String),
}

/// A cohort and how it is.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) cohort: Cohort,
    pub(super) look: Look,
    /// Not to be looked at before; monotonic milliseconds.
    due_ms: u64,
    /// Something changed since it was looked at.
    stale: bool,
    /// What was decided is on its way through the log.
    proposed: Option<Count>,
    /// Its document is another one now.
    news: bool,
}

/// All cohorts of the configuration.
#[derive(Debug, Default)]
pub(in crate::spark) struct Census {
    pub(super) entries: Vec<Entry>,
}

impl Census {
    pub(in crate::spark) fn new(
        configs: &[CohortConfig],
        rules: &[Arc<Rule>],
        known: &Known,
    ) -> Result<Self, CohortError> {
        let entry = |cohort| Entry { cohort, look: Look::None, due_ms: 0, stale: true, proposed: None, news: false };
        Ok(Self { entries: compile(configs, rules, known)?.into_iter().map(entry).collect() })
    }

    pub(in crate::spark) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether any of them asks for ranks.
    pub(in crate::spark) fn wants_ranks(&self) -> bool {
        wants_ranks(self.entries.iter().flat_map(|entry| &entry.cohort.paths))
    }

    /// A record was applied.
    pub(in crate::spark) fn follow(&mut self, record: &Record, sight: Sight<'_>, drafts: &mut Vec<Draft>) {
        if self.entries.is_empty() {
            return;
        }
        match &record.body {
            Body::Cohort(cohort) => self.published(cohort),
            Body::Spark(_) => {}
            _ if sight.fold.last().subjects().next().is_none() => {}
            _ => self.entries.iter_mut().for_each(|entry| entry.stale = true),
        }
        self.look(record.offset, sight, drafts);
    }

    /// Looks at those whose time has come.
    pub(in crate::spark) fn look(&mut self, cause: Offset, sight: Sight<'_>, drafts: &mut Vec<Draft>) {
        let now_ms = sight.fold.clock().mono_ms;
        for number in 0..self.entries.len() {
            let Some(entry) = self.entries.get_mut(number).filter(|entry| entry.is_due(now_ms)) else { continue };
            entry.stale = false;
            entry.due_ms =
                now_ms.saturating_add(u64::try_from(entry.cohort.config.every.as_millis()).unwrap_or(u64::MAX));
            let (look, count) = match gather(&entry.cohort, sight) {
                Ok(gathered) => self.decide(number, gathered, sight.fold),
                Err(reason) => (Look::Fenced(reason), None),
            };
            let Some(entry) = self.entries.get_mut(number) else { continue };
            if let Look::Fenced(reason) = &look {
                warn!(cohort = %entry.cohort.name, reason, "a cohort is fenced off");
            }
            entry.news |= entry.look != look;
            entry.look = look;
            if let Some(count) = count {
                let body = record::Cohort { cohort: entry.cohort.name.clone(), count: count.clone() };
                entry.proposed = Some(count);
                drafts.push(Draft { cause: Some(cause), body: Body::Cohort(body) });
            }
        }
    }

    /// Monotonic milliseconds at which one is to be looked at.
    pub(in crate::spark) fn deadline(&self) -> Option<u64> {
        let waiting = self.entries.iter().filter(|entry| entry.is_due(u64::MAX));
        waiting.map(|entry| entry.due_ms).min()
    }

    /// Cohorts whose documents are others now.
    pub(in crate::spark) fn take_news(&mut self) -> Vec<Name> {
        let names = self.entries.iter_mut().filter_map(|entry| {
            let is_news = std::mem::take(&mut entry.news);
            is_news.then(|| entry.cohort.name.clone())
        });
        names.collect()
    }

    /// What is wrong with cohorts, for a human.
    pub(in crate::spark) fn ailments(&self) -> impl Iterator<Item = String> {
        self.entries.iter().filter_map(|entry| match &entry.look {
            Look::Fenced(reason) => Some(format!("cohort {} is fenced off: {reason}", entry.cohort.name)),
            _ => None,
        })
    }

    fn published(&mut self, cohort: &record::Cohort) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.cohort.name == cohort.cohort) {
            (entry.proposed, entry.news) = (None, true);
        }
    }

    /// What may be told of a cohort, and what of that is new.
    fn decide(&self, number: usize, gathered: Gathered, fold: &Fold) -> (Look, Option<Count>) {
        let Some(entry) = self.entries.get(number) else { return (Look::None, None) };
        let before = fold.cohorts().get(&entry.cohort.name);
        let Gathered { members: all, values } = gathered;
        let editions = before.into_iter().flat_map(Counted::editions);
        let (members, waits) = match settle(editions, all.clone()) {
            Settled::TooSmall => {
                let since_ms = if let Look::TooSmall(since_ms) = entry.look { since_ms } else { fold.clock().wall_ms };
                return (Look::TooSmall(since_ms), None);
            }
            Settled::Held => return (Look::Held(format!("fewer than {K} members differ")), None),
            Settled::These(members, waits) => (members, waits),
        };
        if let Some(other) = self.too_near(number, &members, fold) {
            return (Look::Held(format!("its members and those of cohort {other} differ by fewer than {K}")), None);
        }
        let is_new = before.is_none_or(|before| before.members() != members);
        let (mut figures, mut waits, mut small) = (Vec::new(), waits, Vec::new());
        for (at, (path, values)) in entry.cohort.config.figures.iter().zip(&values).enumerate() {
            let known = all.iter().zip(values).filter_map(|(name, value)| Some((name, (*value)?)));
            let known: Vec<(&Name, f64)> = known.filter(|(name, _)| members.binary_search(name).is_ok()).collect();
            match self.figure(number, path, &known, fold) {
                Of::TooFew => small.push(at),
                Of::Held => waits = true,
                Of::Same => {}
                Of::New { of, prints, summary, leaves_out } => {
                    waits |= leaves_out;
                    figures.push(Figure { path: path.clone(), of: places(&members, &of), prints, summary });
                }
            }
        }
        let look = Look::Told { waits, small };
        let count = Count { members: is_new.then_some(members), figures };
        let says = count.members.is_some() || !count.figures.is_empty();
        (look, says.then_some(count))
    }

    /// What may be told of one figure, of those members whose value is known.
    fn figure(&self, number: usize, path: &str, known: &[(&Name, f64)], fold: &Fold) -> Of {
        let Some(entry) = self.entries.get(number) else { return Of::TooFew };
        let before = || fold.cohorts().get(&entry.cohort.name).into_iter().flat_map(|it| it.figure(path));
        let names = known.iter().map(|(name, _)| (*name).clone()).collect();
        let (of, leaves_out) = match settle(before().map(|(_, of)| of), names) {
            Settled::TooSmall => return Of::TooFew,
            Settled::Held => return Of::Held,
            Settled::These(of, waits) => (of, waits),
        };
        let values: Vec<f64> =
            known.iter().filter(|(name, _)| of.binary_search(name).is_ok()).map(|(_, value)| *value).collect();
        let prints: Vec<u16> = values.iter().map(|value| print(*value)).collect();
        let same = |set: &[Name]| *set == *of;
        if before().next().is_some_and(|(told, set)| same(set) && told.prints == prints) {
            return if leaves_out { Of::Held } else { Of::Same };
        }
        let mut alike = before().filter(|(_, set)| same(set)).map(|(told, _)| changed(&told.prints, &prints));
        let is_near = |(other, counted): (&Name, &Counted)| {
            *other != entry.cohort.name && counted.figure(path).any(|(_, set)| !may_stand_beside(set, &of))
        };
        let is_few = alike.any(|changed| (1..K).contains(&changed));
        if is_few || fold.cohorts().iter().any(is_near) || self.is_near_proposed(number, path, &of, fold) {
            return Of::Held;
        }
        Of::New { summary: summary(&values), of, prints, leaves_out }
    }

    /// Whether another cohort is about to tell the same figure of nearly the same.
    fn is_near_proposed(&self, number: usize, path: &str, of: &[Name], fold: &Fold) -> bool {
        let others = self.entries.iter().enumerate().filter(|(other, _)| *other != number);
        others.filter_map(|(_, other)| Some((other, other.proposed.as_ref()?))).any(|(other, count)| {
            let standing = fold.cohorts().get(&other.cohort.name).map(Counted::members);
            let members = count.members.as_deref().or(standing).unwrap_or_default();
            count.figures.iter().filter(|figure| figure.path == path).any(|figure| match &figure.of {
                None => !may_stand_beside(members, of),
                Some(places) => {
                    let names = places.iter().filter_map(|place| members.get(*place as usize)).cloned();
                    !may_stand_beside(&names.collect::<Vec<_>>(), of)
                }
            })
        })
    }

    /// A cohort that published, or is about to, whom all but a few of these are, and nobody else but a few.
    fn too_near(&self, number: usize, members: &[Name], fold: &Fold) -> Option<Name> {
        let ours = &self.entries.get(number)?.cohort.name;
        let told = fold.cohorts().iter().filter(|(other, _)| *other != ours);
        let told = told.flat_map(|(other, counted)| counted.editions().map(move |set| (other, set)));
        let proposed = self.entries.iter().filter(|other| other.cohort.name != *ours);
        let proposed =
            proposed.filter_map(|other| Some((&other.cohort.name, other.proposed.as_ref()?.members.as_deref()?)));
        let near = told.chain(proposed).find(|(_, set)| !may_stand_beside(set, members));
        near.map(|(other, _)| other.clone())
    }
}

/// What may be told of a figure.
enum Of {
    TooFew,
    Held,
    Same,
    New { of: Vec<Name>, prints: Vec<u16>, summary: record::Summary, leaves_out: bool },
}

impl Entry {
    fn is_due(&self, now_ms: u64) -> bool {
        let is_fenced = matches!(self.look, Look::Fenced(_));
        self.stale && self.proposed.is_none() && !is_fenced && self.due_ms <= now_ms
    }
}

/// Where names stand in a list that has them all; none when they are all of it.
fn places(members: &[Name], of: &[Name]) -> Option<Vec<u32>> {
    let place = |name: &Name| members.binary_search(name).ok().and_then(|place| u32::try_from(place).ok());
    (of.len() != members.len()).then(|| of.iter().filter_map(place).collect())
}
