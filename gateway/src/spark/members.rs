//! Statistics over the members of organisations. Looked at when a rule asks, and then anew at most once a second of the fold's time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::path::OfMembers;
use crate::halo::{DerivedValue, Fold, Latest, Models, Moments, Subject, derived_kind, is_counted, organisations};
use crate::record::{Name, Offset};

/// How old figures may be, milliseconds.
const FRESH_MS: u64 = 1_000;

/// Who is a member of what, and figures over them.
#[derive(Debug, Default)]
pub(super) struct Members {
    of: BTreeMap<Name, BTreeSet<Name>>,
    belongs: HashMap<Name, BTreeSet<Name>>,
    figures: HashMap<Name, HashMap<OfMembers, Option<f64>>>,
    /// Paths that rules ask for.
    asked: Vec<OfMembers>,
    /// Monotonic milliseconds, and the newest record that has a share in them.
    computed: HashMap<Name, (u64, Offset)>,
    /// Whose members have changed since, and when the figures are to be looked at for that; monotonic milliseconds.
    stale: BTreeMap<Name, u64>,
}

impl Members {
    /// The figures that will be asked for.
    pub(super) fn ask(&mut self, asked: Vec<OfMembers>) {
        self.asked = asked;
        self.figures.clear();
        self.computed.clear();
        self.stale.clear();
    }

    /// A subject's settings and relations are these now.
    pub(super) fn follow(&mut self, subject: &Subject) {
        let name = subject.name();
        let now = organisations(subject);
        if self.belongs.get(name).map_or(now.is_empty(), |before| *before == now) {
            return;
        }
        for before in self.belongs.remove(name).unwrap_or_default() {
            if let Some(members) = self.of.get_mut(&before) {
                members.remove(name);
            }
        }
        for organisation in &now {
            self.of.entry(organisation.clone()).or_default().insert(name.clone());
        }
        if !now.is_empty() {
            self.belongs.insert(name.clone(), now);
        }
    }

    /// The organisations a subject is a member of.
    pub(super) fn organisations(&self, subject: &str) -> impl Iterator<Item = &Name> {
        self.belongs.get(subject).into_iter().flatten()
    }

    /// Whether anybody is a member of it.
    pub(super) fn is_organisation(&self, name: &str) -> bool {
        self.of.contains_key(name)
    }

    /// A member of it has changed.
    pub(super) fn touch(&mut self, organisation: &Name) {
        if !self.asked.is_empty() {
            self.stale.insert(organisation.clone(), self.fresh_until_ms(organisation));
        }
    }

    fn fresh_until_ms(&self, organisation: &Name) -> u64 {
        self.computed.get(organisation).map_or(0, |(at_ms, _)| at_ms.saturating_add(FRESH_MS))
    }

    /// Organisations whose figures are to be looked at, though no member changes any more.
    pub(super) fn due(&self, now_ms: u64) -> Vec<Name> {
        self.stale.iter().filter(|(_, due_ms)| **due_ms <= now_ms).map(|(name, _)| name.clone()).collect()
    }

    /// When the first of them is.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.stale.values().min().copied()
    }

    /// Sees to it that the figures of an organisation are not older than a second; whether they are new.
    pub(super) fn refresh(&mut self, organisation: &Name, fold: &Fold, models: &Models) -> bool {
        let now_ms = fold.clock().mono_ms;
        if self.asked.is_empty() {
            return false;
        }
        if now_ms < self.fresh_until_ms(organisation) {
            return false;
        }
        self.stale.remove(organisation);
        self.computed.insert(organisation.clone(), (now_ms, fold.applied()));
        let members = self.of.get(organisation);
        let mut figures = HashMap::new();
        let mut moments: Vec<Moments> = vec![Moments::default(); self.asked.len()];
        for subject in members.into_iter().flatten().filter_map(|name| fold.subject(name)) {
            let is_brought =
                |asked: &OfMembers| matches!(asked, OfMembers::Derived(name, _) if derived_kind(name).is_none());
            let derived = match self.asked.iter().any(is_brought) {
                true => subject.derived_by(models),
                false if self.asked.iter().any(|asked| matches!(asked, OfMembers::Derived(..))) => {
                    subject.derived_here(models)
                }
                false => Vec::new(),
            };
            let is_counted = is_counted(subject);
            for (asked, moments) in self.asked.iter().zip(&mut moments) {
                let value = match asked {
                    OfMembers::Count => Some(0.0),
                    _ if !is_counted => None,
                    OfMembers::Signal(name, _) => subject.signal(name).and_then(|it| it.latest()).map(Latest::value),
                    OfMembers::Derived(name, _) => {
                        derived.iter().find(|it| *it.name == **name).and_then(|it| match it.value {
                            DerivedValue::Number(number) => Some(number),
                            _ => None,
                        })
                    }
                };
                value.into_iter().for_each(|value| moments.add(value));
            }
        }
        for (asked, moments) in self.asked.iter().zip(&moments) {
            let what = match asked {
                OfMembers::Count => "n",
                OfMembers::Signal(_, what) | OfMembers::Derived(_, what) => what,
            };
            figures.insert(asked.clone(), figure(moments, what));
        }
        self.figures.insert(organisation.clone(), figures);
        true
    }

    /// The newest record that has a share in the figures of an organisation.
    pub(super) fn as_of(&self, organisation: &Name) -> Option<Offset> {
        self.computed.get(organisation).map(|(_, as_of)| *as_of)
    }

    /// A figure as of the last look.
    pub(super) fn figure(&self, organisation: &Name, of: &OfMembers) -> Option<f64> {
        *self.figures.get(organisation)?.get(of)?
    }
}

fn figure(moments: &Moments, what: &str) -> Option<f64> {
    match what {
        "n" => Some(moments.n as f64),
        _ if moments.n == 0 => None,
        "min" => Some(moments.min),
        "max" => Some(moments.max),
        "mean" => Some(moments.mean),
        _ => moments.sd(),
    }
}
