//! What an organisation's halo shows of its members together: their number, and statistics over the latest values of those
//! who are not people.

use std::collections::BTreeMap;

use serde::Serialize;

use super::json::{Number, Table};
use crate::halo::{DerivedValue, Fold, Models, Moments, Subject, is_counted};
use crate::record::{Name, SubjectKind};

/// Most names of signals, and of derived ones, that figures are shown of: the first in order.
const NAMES_MAX: usize = 64;

/// Figures over the members, as of when the halo is shown.
pub(super) struct Members {
    n: u64,
    signals: BTreeMap<Name, Moments>,
    derived: BTreeMap<Name, Moments>,
}

impl Members {
    /// None of what is no organisation or has no members.
    pub(super) fn of(fold: &Fold, subject: &Subject, models: &Models) -> Option<Self> {
        if subject.kind() != SubjectKind::Organisation {
            return None;
        }
        let members = fold.members(subject.name());
        let (mut signals, mut derived) = (BTreeMap::new(), BTreeMap::new());
        for member in members.iter().filter(|member| is_counted(member)) {
            for signal in member.signals() {
                if let Some(latest) = signal.latest() {
                    add(&mut signals, signal.name(), latest.value());
                }
            }
            for it in member.derived_by(models) {
                if let DerivedValue::Number(number) = it.value {
                    add(&mut derived, &Name::from(&*it.name), number);
                }
            }
        }
        (!members.is_empty()).then_some(Self { n: members.len() as u64, signals, derived })
    }
}

fn add(all: &mut BTreeMap<Name, Moments>, name: &Name, value: f64) {
    if all.len() < NAMES_MAX || all.contains_key(name) {
        all.entry(name.clone()).or_default().add(value);
    }
}

#[derive(Serialize)]
pub(super) struct MembersJson<'a> {
    n: u64,
    signals: Table<'a, MomentsJson>,
    derived: Table<'a, MomentsJson>,
}

#[derive(Serialize)]
struct MomentsJson {
    n: u64,
    min: Number,
    max: Number,
    mean: Number,
    sd: Option<Number>,
}

impl<'a> MembersJson<'a> {
    pub(super) fn new(members: &'a Members) -> Self {
        let table = |all: &'a BTreeMap<Name, Moments>| {
            Table(all.iter().map(|(name, moments)| (&**name, MomentsJson::new(moments))).collect())
        };
        Self { n: members.n, signals: table(&members.signals), derived: table(&members.derived) }
    }
}

impl MomentsJson {
    fn new(moments: &Moments) -> Self {
        let Moments { n, min, max, mean, .. } = *moments;
        Self { n, min: Number(min), max: Number(max), mean: Number(mean), sd: moments.sd().map(Number) }
    }
}
