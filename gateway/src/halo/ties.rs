//! What administrators said of a subject, as its halo shows it: by the acts in force, and as of the time of the last
//! record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ingest::people::{People, Related, TIME_ZONE};
use crate::ingest::zones;
use crate::record::{Name, Offset};

/// Most subjects have none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ties {
    /// The record since which it is so.
    since: Offset,
    merged_into: Option<Name>,
    aliases: Vec<Name>,
    relations: Vec<Related>,
    settings: BTreeMap<String, String>,
}

impl Ties {
    /// Those of one subject at a time, as of a record; none when there is nothing to show.
    pub(super) fn of(people: &People, subject: &str, (since, unix_ms): (Offset, i64)) -> Option<Box<Self>> {
        let ours = |it: &Related| *it.of == *subject || *it.subject == *subject;
        let mut relations: Vec<Related> =
            people.relations().filter(|it| ours(it) && it.from_ms <= unix_ms && unix_ms < it.until_ms).collect();
        relations.sort_unstable();
        let ties = Self {
            since,
            merged_into: people.merged_into(subject).cloned(),
            aliases: people.aliases(subject).cloned().collect(),
            relations,
            settings: people.settings(subject).cloned().unwrap_or_default(),
        };
        (!ties.says_as(&Self::default())).then(|| Box::new(ties))
    }

    /// Whether both say the same, whenever it was said.
    pub(super) fn says_as(&self, other: &Self) -> bool {
        let Self { since: _, merged_into, aliases, relations, settings } = self;
        (merged_into, aliases, relations, settings)
            == (&other.merged_into, &other.aliases, &other.relations, &other.settings)
    }

    /// The record that made it so: an act, or the first one after a relation began or ended by time.
    pub fn since(&self) -> Offset {
        self.since
    }

    /// The subject it proved to be one with; its own halo changes no more.
    pub fn merged_into(&self) -> Option<&Name> {
        self.merged_into.as_ref()
    }

    /// Its other names, sorted.
    pub fn aliases(&self) -> &[Name] {
        &self.aliases
    }

    /// The relations in force, to either side, sorted.
    pub fn relations(&self) -> &[Related] {
        &self.relations
    }

    /// Settings by name.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// Local time minus UTC at a Unix time, milliseconds.
    pub(super) fn shift_ms(&self, unix_ms: i64) -> i64 {
        self.settings.get(TIME_ZONE).map_or(0, |zone| zones::offset_ms(zone, unix_ms))
    }
}
