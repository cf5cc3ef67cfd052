//! What administrators said of a subject, as its halo and a device's welcome have it.

use serde::Serialize;

use super::json::{Number, Table, Time};
use crate::halo::{Latest, Other, Ties, physical};
use crate::ingest::people::Related;

/// `subject` is the `kind` of `of`.
#[derive(Serialize)]
pub(super) struct RelationJson<'a> {
    kind: &'a str,
    subject: &'a str,
    of: &'a str,
    from: Option<Time>,
    until: Option<Time>,
}

impl<'a> RelationJson<'a> {
    fn new(relation: &'a Related) -> Self {
        let Related { of, subject, kind, from_ms, until_ms } = relation;
        let from = Some(Time(*from_ms)).filter(|_| *from_ms != i64::MIN);
        Self { kind, subject, of, from, until: Some(Time(*until_ms)).filter(|_| *until_ms != i64::MAX) }
    }

    /// Those in force; none when there are none.
    pub(super) fn all(ties: Option<&'a Ties>) -> Option<Vec<Self>> {
        let relations = ties?.relations();
        (!relations.is_empty()).then(|| relations.iter().map(Self::new).collect())
    }
}

/// Settings by name; none when there are none.
pub(super) fn settings(ties: Option<&Ties>) -> Option<Table<'_, &str>> {
    let settings = ties?.settings();
    let rows = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    (!settings.is_empty()).then_some(Table(rows))
}

/// Other names; none when there are none.
pub(super) fn aliases(ties: Option<&Ties>) -> Option<Vec<&str>> {
    let aliases = ties?.aliases();
    (!aliases.is_empty()).then(|| aliases.iter().map(|name| &**name).collect())
}

/// What a device says of a signal that another one rules.
#[derive(Serialize)]
pub(super) struct OtherJson<'a> {
    device: &'a str,
    value: Number,
    time: Time,
    readings: u64,
    disagrees: bool,
}

impl<'a> OtherJson<'a> {
    /// Of all such devices; none when there are none.
    pub(super) fn all(others: impl Iterator<Item = &'a Other>, ruling: Option<&Latest>) -> Option<Vec<Self>> {
        let others: Vec<Self> = others.map(|other| Self::new(other, ruling)).collect();
        (!others.is_empty()).then_some(others)
    }

    fn new(other: &'a Other, ruling: Option<&Latest>) -> Self {
        let value = Number(physical(other.raw, other.num, other.den));
        let disagrees = ruling.is_some_and(|ruling| other.disagrees(ruling));
        Self { device: &other.device, value, time: Time(other.event_ms), readings: other.readings, disagrees }
    }
}
