//! What administrators said of subjects beside who has which device: relations, other names, merged identities,
//! settings, and which device came in the place of which.
//!
//! **Names.** A merged subject and an alias are names of another subject. Each points straight at the subject that is
//! left: there are no chains to follow and no cycles. A name says nothing of the past: what was stored for it stays.
//!
//! **Settings** are text by name; `time_zone` alone has a meaning here, the IANA name of the zone whose midnight ends the
//! subject's days.

use std::collections::{BTreeMap, BTreeSet};

use halo_proto::topic;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::quiet::{self, QUIET};
use super::zones;
use crate::record::{Deed, Name, Relation};

/// Most relations kept of one subject, at either end; one more forgets the one that ended first, if one has.
pub const RELATIONS_MAX: usize = 64;
/// Most settings of a subject.
pub const SETTINGS_MAX: usize = 32;
/// Longest value of a setting, bytes.
pub const VALUE_BYTES_MAX: usize = 255;
/// Most other names of one subject.
pub const ALIASES_MAX: usize = 32;
/// The setting that has a meaning.
pub const TIME_ZONE: &str = "time_zone";

/// What acts say of subjects; to be checkpointed, since no configuration has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct People {
    /// In the order they were said.
    relations: Vec<Related>,
    /// Another name → the subject itself, never another name.
    names: BTreeMap<Name, Meant>,
    settings: BTreeMap<Name, BTreeMap<String, String>>,
    /// By the device that came.
    replaced: BTreeMap<Name, Replaced>,
}

/// A relation, with both ends of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Related {
    /// Whose it is.
    pub of: Name,
    /// Who it is.
    pub subject: Name,
    /// What it is.
    pub kind: Name,
    /// Unix milliseconds, inclusive; `i64::MIN` = since ever.
    pub from_ms: i64,
    /// Unix milliseconds, exclusive; `i64::MAX` = until further notice.
    pub until_ms: i64,
}

/// What another name means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Meant {
    subject: Name,
    /// It was a subject itself once.
    merged: bool,
}

/// In whose place a device came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// The device that went.
    pub old: Name,
    /// Unix milliseconds.
    pub at_ms: i64,
}

/// What is wrong with an act.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PeopleError {
    /// Not an id.
    #[error("{what} {id:?} is not of the form [A-Za-z0-9._-]{{1,64}}")]
    Id {
        /// What it stands for.
        what: &'static str,
        /// What was given.
        id: String,
    },
    /// One subject on both sides.
    #[error("{0} and {1} are one subject already")]
    Same(String, String),
    /// It ends before it begins.
    #[error("the relation ends before it begins")]
    Empty,
    /// There is none to end.
    #[error("{subject} is not the {kind} of {of} at that time")]
    NoRelation {
        /// Whose it would be.
        of: String,
        /// Who it would be.
        subject: String,
        /// What it would be.
        kind: String,
    },
    /// No room.
    #[error("{subject} has {max} {what} already, which is as many as are kept")]
    Full {
        /// Whose.
        subject: String,
        /// Of what.
        what: &'static str,
        /// How many.
        max: usize,
    },
    /// The name means somebody already.
    #[error("{name} is another name of {subject}")]
    Taken {
        /// The name.
        name: String,
        /// Whom it means.
        subject: String,
    },
    /// The name means nobody.
    #[error("{0} is no alias")]
    NoAlias(String),
    /// Nobody knows it.
    #[error("there is no subject {0:?}")]
    Unknown(String),
    /// A subject of that name has a halo of its own.
    #[error("{0} is a subject itself: merge it")]
    Subject(String),
    /// They are not of one kind.
    #[error("{from} is a {from_kind:?} and {into} a {into_kind:?}: they cannot be one")]
    Kinds {
        /// The one.
        from: String,
        /// What it is.
        from_kind: crate::record::SubjectKind,
        /// The other.
        into: String,
        /// What that is.
        into_kind: crate::record::SubjectKind,
    },
    /// The value is too long.
    #[error("the value of {name} has {bytes} bytes, a setting has {VALUE_BYTES_MAX} at most")]
    Long {
        /// The setting.
        name: String,
        /// What was given.
        bytes: usize,
    },
    /// No such zone.
    #[error("{0:?} is no IANA time zone this program knows, as Europe/Berlin is")]
    Zone(String),
    /// Quiet hours that are none.
    #[error("{0:?} is no span of hours, as 22:00-07:00 is")]
    Quiet(String),
    /// A device in its own place.
    #[error("{0} cannot take its own place")]
    Itself(String),
    /// Nothing to take over.
    #[error("device {0} feeds nobody but itself then: there is nothing to hand on; see `device assign`")]
    Free(String),
    /// It has a task already.
    #[error("device {device} feeds {subject} then: release it first")]
    Busy {
        /// The device.
        device: String,
        /// Whom it feeds.
        subject: String,
    },
}

impl People {
    /// Puts an act in force, as well as possible; the subjects it is about by now, `None` when it is about none.
    pub fn act(&mut self, deed: &Deed) -> Option<Vec<Name>> {
        match deed {
            Deed::Relate(relation) => Some(self.relate(relation)),
            Deed::Unrelate { of, subject, kind, at_ms } => Some(self.unrelate(of, subject, kind, *at_ms)),
            Deed::Alias { subject, name } => Some(self.mean(name, subject, false)),
            Deed::Unalias { name } => {
                let known = self.names.get(name.as_str()).filter(|meant| !meant.merged).cloned();
                known.inspect(|_| drop(self.names.remove(name.as_str()))).map(|meant| vec![meant.subject])
            }
            Deed::Merge { from, into } => Some(self.mean(from, into, true)),
            Deed::Set { subject, settings, .. } => {
                let subject = self.meant(&subject.as_str().into()).clone();
                self.set(&subject, settings);
                Some(vec![subject])
            }
            _ => None,
        }
    }

    /// Takes note that a device came in the place of another.
    pub(super) fn replaced(&mut self, old: &str, new: &str, at_ms: i64) {
        self.replaced.remove(old);
        self.replaced.insert(new.into(), Replaced { old: old.into(), at_ms });
    }

    /// A device came in the place of none any more.
    pub(super) fn reassigned(&mut self, device: &str) {
        self.replaced.remove(device);
    }

    /// Checks an act before it becomes a record; that there are such subjects is for others to know.
    ///
    /// # Errors
    /// What contradicts itself or what is in force, for a human.
    pub fn check(&self, deed: &Deed) -> Result<(), PeopleError> {
        match deed {
            Deed::Relate(relation) => self.check_relation(relation),
            Deed::Unrelate { of, subject, kind, at_ms } => {
                ids(&[("subject", of), ("subject", subject), ("kind", kind)])?;
                let known = self.relations.iter().any(|it| self.is(it, of, subject, kind) && *at_ms < it.until_ms);
                let (of, subject, kind) = (of.clone(), subject.clone(), kind.clone());
                if known { Ok(()) } else { Err(PeopleError::NoRelation { of, subject, kind }) }
            }
            Deed::Alias { subject, name } => self.check_alias(subject, name),
            Deed::Unalias { name } => {
                ids(&[("alias", name)])?;
                let known = self.names.get(name.as_str()).is_some_and(|meant| !meant.merged);
                if known { Ok(()) } else { Err(PeopleError::NoAlias(name.clone())) }
            }
            Deed::Merge { from, into } => {
                ids(&[("subject", from), ("subject", into)])?;
                self.check_names(from, into)
            }
            Deed::Set { subject, settings, .. } => self.check_settings(subject, settings),
            _ => Ok(()),
        }
    }

    /// The subject that a name means: most mean themselves.
    pub fn meant<'a>(&'a self, name: &'a Name) -> &'a Name {
        self.names.get(name).map_or(name, |meant| &meant.subject)
    }

    /// Whether a name means somebody else.
    pub fn is_other_name(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Whether an act speaks of that subject.
    pub fn knows(&self, name: &str) -> bool {
        self.is_other_name(name)
            || self.settings.contains_key(name)
            || self.relations.iter().any(|it| *it.of == *name || *it.subject == *name)
    }

    /// Into whom a subject was merged.
    pub fn merged_into(&self, name: &str) -> Option<&Name> {
        self.names.get(name).filter(|meant| meant.merged).map(|meant| &meant.subject)
    }

    /// Its other names, in their order.
    pub fn aliases<'a>(&'a self, subject: &'a str) -> impl Iterator<Item = &'a Name> {
        self.names.iter().filter(move |(_, meant)| *meant.subject == *subject).map(|(name, _)| name)
    }

    /// Subjects that have a setting of this value.
    pub fn with_setting<'a>(&'a self, name: &'a str, value: &'a str) -> impl Iterator<Item = &'a Name> {
        let has = move |(_, settings): &(&Name, &BTreeMap<String, String>)| {
            settings.get(name).is_some_and(|known| known == value)
        };
        self.settings.iter().filter(has).map(|(subject, _)| subject)
    }

    /// Its settings, by name.
    pub fn settings(&self, subject: &str) -> Option<&BTreeMap<String, String>> {
        self.settings.get(subject)
    }

    /// All relations, with the subjects their names mean by now.
    pub fn relations(&self) -> impl Iterator<Item = Related> {
        let meant = |it: &Related| Related {
            of: self.meant(&it.of).clone(),
            subject: self.meant(&it.subject).clone(),
            ..it.clone()
        };
        self.relations.iter().map(meant).filter(|it| it.of != it.subject)
    }

    /// In whose place a device came.
    pub fn in_place_of(&self, device: &str) -> Option<&Replaced> {
        self.replaced.get(device)
    }

    /// All devices that came in the place of another.
    pub fn replacements(&self) -> impl Iterator<Item = &Name> {
        self.replaced.keys()
    }

    fn is(&self, it: &Related, of: &str, subject: &str, kind: &str) -> bool {
        let same = |name: &Name, wanted: &str| self.meant(name) == self.meant(&wanted.into());
        *it.kind == *kind && same(&it.of, of) && same(&it.subject, subject)
    }

    fn relate(&mut self, relation: &Relation) -> Vec<Name> {
        let Relation { of, subject, kind, .. } = relation;
        let (from_ms, until_ms) = bounds(relation);
        // The same relation anew: from its beginning on it is as said last.
        drop(self.unrelate(of, subject, kind, from_ms));
        let [of, subject] = [of, subject].map(|name| self.meant(&name.as_str().into()).clone());
        for end in [&of, &subject] {
            if self.count(end) >= RELATIONS_MAX
                && let Some(at) = self.ended_first(end)
            {
                self.relations.remove(at);
            }
        }
        let kind = kind.as_str().into();
        self.relations.push(Related { of: of.clone(), subject: subject.clone(), kind, from_ms, until_ms });
        vec![of, subject]
    }

    fn unrelate(&mut self, of: &str, subject: &str, kind: &str, at_ms: i64) -> Vec<Name> {
        let mut relations = std::mem::take(&mut self.relations);
        for it in relations.iter_mut().filter(|it| self.is(it, of, subject, kind)) {
            it.until_ms = it.until_ms.min(at_ms);
        }
        relations.retain(|it| it.from_ms < it.until_ms);
        self.relations = relations;
        [of, subject].map(|name| self.meant(&name.into()).clone()).to_vec()
    }

    /// Of the relations of a subject.
    fn count(&self, end: &Name) -> usize {
        self.relations.iter().filter(|it| it.of == *end || it.subject == *end).count()
    }

    fn ended_first(&self, end: &Name) -> Option<usize> {
        let of_it = |(_, it): &(usize, &Related)| it.of == *end || it.subject == *end;
        let first = self.relations.iter().enumerate().filter(of_it).min_by_key(|(_, it)| it.until_ms);
        first.map(|(at, _)| at)
    }

    fn mean(&mut self, name: &str, subject: &str, merged: bool) -> Vec<Name> {
        let (name, subject): (Name, Name) = (name.into(), self.meant(&subject.into()).clone());
        let before = self.meant(&name).clone();
        if before == subject {
            return vec![subject];
        }
        // Whoever was called that before: all of its names go with it.
        for meant in self.names.values_mut().filter(|meant| merged && meant.subject == before) {
            meant.subject = subject.clone();
        }
        let gone = if merged { before } else { name };
        self.names.insert(gone.clone(), Meant { subject: subject.clone(), merged });
        // Whoever is related to it is so to the one by now.
        let related = self.relations().filter(|it| it.of == subject || it.subject == subject);
        let related: Vec<Name> = related.flat_map(|it| [it.of, it.subject]).collect();
        [vec![gone, subject], related].concat()
    }

    fn set(&mut self, subject: &Name, settings: &[(String, Option<String>)]) {
        let known = self.settings.entry(subject.clone()).or_default();
        for (name, value) in settings {
            match value {
                Some(value) => drop(known.insert(name.clone(), value.clone())),
                None => drop(known.remove(name)),
            }
        }
        while known.len() > SETTINGS_MAX {
            known.pop_last();
        }
    }

    fn check_relation(&self, relation: &Relation) -> Result<(), PeopleError> {
        let Relation { of, subject, kind, .. } = relation;
        ids(&[("subject", of), ("subject", subject), ("kind", kind)])?;
        let ends: [Name; 2] = [of, subject].map(|name| self.meant(&name.as_str().into()).clone());
        let (from_ms, until_ms) = bounds(relation);
        if ends[0] == ends[1] {
            return Err(PeopleError::Same(of.clone(), subject.clone()));
        }
        if from_ms >= until_ms {
            return Err(PeopleError::Empty);
        }
        for end in &ends {
            let is_over = |at: usize| self.relations.get(at).is_some_and(|it| it.until_ms <= from_ms);
            if self.count(end) >= RELATIONS_MAX && !self.ended_first(end).is_some_and(is_over) {
                return Err(PeopleError::Full { subject: end.to_string(), what: "relations", max: RELATIONS_MAX });
            }
        }
        Ok(())
    }

    fn check_alias(&self, subject: &str, name: &str) -> Result<(), PeopleError> {
        ids(&[("subject", subject), ("alias", name)])?;
        self.check_names(name, subject)?;
        let subject = self.meant(&subject.into()).clone();
        if self.aliases(&subject).count() >= ALIASES_MAX {
            return Err(PeopleError::Full { subject: subject.to_string(), what: "other names", max: ALIASES_MAX });
        }
        Ok(())
    }

    fn check_names(&self, from: &str, into: &str) -> Result<(), PeopleError> {
        if self.meant(&from.into()) == self.meant(&into.into()) {
            return Err(PeopleError::Same(from.to_owned(), into.to_owned()));
        }
        match self.names.get(from) {
            Some(meant) => Err(PeopleError::Taken { name: from.to_owned(), subject: meant.subject.to_string() }),
            None => Ok(()),
        }
    }

    fn check_settings(&self, subject: &str, settings: &[(String, Option<String>)]) -> Result<(), PeopleError> {
        ids(&[("subject", subject)])?;
        for (name, value) in settings {
            ids(&[("setting", name)])?;
            let Some(value) = value else { continue };
            if value.len() > VALUE_BYTES_MAX {
                return Err(PeopleError::Long { name: name.clone(), bytes: value.len() });
            }
            if name == QUIET && quiet::parse(value).is_none() {
                return Err(PeopleError::Quiet(value.clone()));
            }
            if name == TIME_ZONE && !zones::is_known(value) {
                return Err(PeopleError::Zone(value.clone()));
            }
        }
        let subject: Name = self.meant(&subject.into()).clone();
        let mut names: BTreeSet<&String> = self.settings.get(&subject).into_iter().flat_map(BTreeMap::keys).collect();
        for (name, value) in settings {
            if value.is_some() {
                names.insert(name);
            } else {
                names.remove(name);
            }
        }
        if names.len() > SETTINGS_MAX {
            return Err(PeopleError::Full { subject: subject.to_string(), what: "settings", max: SETTINGS_MAX });
        }
        Ok(())
    }
}

fn bounds(relation: &Relation) -> (i64, i64) {
    (relation.from_ms.unwrap_or(i64::MIN), relation.until_ms.unwrap_or(i64::MAX))
}

fn ids(given: &[(&'static str, &str)]) -> Result<(), PeopleError> {
    let wrong = given.iter().find(|(_, id)| !topic::id_is_valid(id));
    wrong.map_or(Ok(()), |(what, id)| Err(PeopleError::Id { what, id: (*id).to_owned() }))
}

#[cfg(test)]
mod tests;
