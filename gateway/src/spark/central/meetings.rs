//! What halos tell of who is with whom.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::RangeInclusive;

use super::graph::{Graph, TOGETHER_MAX};
use crate::halo::{DerivedValue, Models, Subject};
use crate::record::{Name, Offset};
use crate::spark::cohort::takes_part;
use crate::spark::joins::told;

/// Who gets into a ride at the same reader within this was with each other, milliseconds.
const RIDE_MS: i64 = 120_000;
/// Ranks are not computed anew before they are this old, milliseconds: the more people and edges, the older.
const FRESH_MS: RangeInclusive<u64> = 1_000..=60_000;
/// So many of them take a millisecond more.
const SIZE_A_MS: usize = 20;
/// What somebody is to the car that drives.
const RIDERS: [&str; 2] = ["driver", "passenger"];

/// The graph, and what it is made of.
#[derive(Debug, Default)]
pub(in crate::spark) struct Central {
    wanted: bool,
    graph: Graph,
    /// Of those who take part.
    seen: HashMap<Name, Seen>,
    parties: HashMap<Name, BTreeSet<Name>>,
    /// By reader: when who got into the ride.
    rides: BTreeMap<i64, VecDeque<(i64, Name)>>,
    /// Of what drives: since when, and who was with it.
    trips: HashMap<Name, (i64, BTreeSet<Name>)>,
    changed: bool,
    /// Ranks are not computed before.
    due_ms: u64,
    /// The newest record that has a share in the ranks.
    as_of: Option<Offset>,
}

#[derive(Debug, Default)]
struct Seen {
    party: Option<Name>,
    ride_ms: Option<i64>,
}

impl Central {
    /// Somebody asks for ranks, or nobody does any more.
    pub(in crate::spark) fn want(&mut self, wanted: bool) {
        if !wanted {
            *self = Self::default();
        }
        self.wanted = wanted;
    }

    pub(in crate::spark) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// From 1; none of who does not take part, and while fewer than ten do.
    pub(in crate::spark) fn rank(&self, subject: &str) -> Option<u32> {
        self.graph.standing(subject).map(|(rank, _)| rank)
    }

    /// Of 1; none as of [`Central::rank`].
    pub(in crate::spark) fn share(&self, subject: &str) -> Option<f64> {
        self.graph.standing(subject).map(|(_, share)| share)
    }

    /// The newest record that has a share in the ranks; none before the first.
    pub(in crate::spark) fn as_of(&self) -> Option<Offset> {
        self.as_of
    }

    /// Monotonic milliseconds at which ranks are to be computed.
    pub(in crate::spark) fn deadline(&self) -> Option<u64> {
        self.changed.then_some(self.due_ms)
    }

    /// Takes in what a subject's halo says by now.
    pub(in crate::spark) fn follow(&mut self, subject: &Subject, models: &Models) {
        if !self.wanted {
            return;
        }
        if takes_part(subject) {
            if self.graph.enter(subject.name()) {
                self.seen.insert(subject.name().clone(), Seen::default());
                self.changed = true;
            }
            self.party(subject);
            self.ride(subject, models);
        } else {
            self.leave(subject.name());
        }
        self.trip(subject);
    }

    /// Computes ranks if it is time to; whose are others now, in order of name.
    pub(in crate::spark) fn refresh(&mut self, now_ms: u64, as_of: Offset) -> Vec<Name> {
        if !self.changed || now_ms < self.due_ms {
            return Vec::new();
        }
        let fresh_ms = u64::try_from(self.graph.size() / SIZE_A_MS).unwrap_or(u64::MAX);
        let fresh_ms = fresh_ms.clamp(*FRESH_MS.start(), *FRESH_MS.end());
        (self.changed, self.due_ms) = (false, now_ms.saturating_add(fresh_ms));
        self.as_of = Some(as_of);
        self.graph.rank()
    }

    fn leave(&mut self, name: &Name) {
        if !self.graph.leave(name) {
            return;
        }
        self.changed = true;
        let seen = self.seen.remove(name);
        self.part_from(name, seen.and_then(|seen| seen.party));
        for taps in self.rides.values_mut() {
            taps.retain(|(_, other)| other != name);
        }
    }

    fn part_from(&mut self, name: &Name, party: Option<Name>) {
        let Some(party) = party else { return };
        if let Some(members) = self.parties.get_mut(&party) {
            members.remove(name);
            if members.is_empty() {
                self.parties.remove(&party);
            }
        }
    }

    fn party(&mut self, subject: &Subject) {
        let name = subject.name();
        let now = told(subject, "party").pop_first();
        let Some(seen) = self.seen.get_mut(name).filter(|seen| seen.party != now) else { return };
        let before = std::mem::replace(&mut seen.party, now.clone());
        self.part_from(name, before);
        let Some(party) = now else { return };
        let members = self.parties.entry(party).or_default();
        for other in members.iter().take(TOGETHER_MAX) {
            self.changed |= self.graph.link(name, other);
        }
        members.insert(name.clone());
    }

    /// A ride is told by what happened; at which reader, by the last tap.
    fn ride(&mut self, subject: &Subject, models: &Models) {
        let name = subject.name();
        let last = subject.happened().filter(|it| it.name() == "visit.ride").map(|it| it.event_ms).max();
        let Some(at_ms) = last else { return };
        let is_new = |seen: &&mut Seen| seen.ride_ms.is_none_or(|before| before < at_ms);
        let Some(seen) = self.seen.get_mut(name).filter(is_new) else { return };
        seen.ride_ms = Some(at_ms);
        let derived = subject.derived_here(models);
        let number = |wanted: &str| match derived.iter().find(|it| it.name == wanted)?.value {
            DerivedValue::Number(number) => Some(number as i64),
            _ => None,
        };
        // Another tap came after it in the same frame: where the ride was is not known any more.
        let (Some(reader), Some(true)) = (number("visit.reader"), number("visit.since").map(|since| since == at_ms))
        else {
            return;
        };
        let taps = self.rides.entry(reader).or_default();
        for (_, other) in taps.iter().rev().filter(|(other_ms, _)| at_ms.abs_diff(*other_ms) <= RIDE_MS.unsigned_abs())
        {
            self.changed |= self.graph.link(name, other);
        }
        taps.push_back((at_ms, name.clone()));
        let newest_ms = taps.iter().map(|(at_ms, _)| *at_ms).max().unwrap_or(at_ms);
        taps.retain(|(at_ms, _)| newest_ms.saturating_sub(*at_ms) <= RIDE_MS);
        if taps.len() > TOGETHER_MAX {
            taps.pop_front();
        }
    }

    /// Who drives and who rides along is said by relations, to the car or to whoever the trip is told of.
    fn trip(&mut self, subject: &Subject) {
        let car = subject.name();
        let Some((_, trip)) = subject.trip() else {
            self.trips.remove(car);
            return;
        };
        let related = subject.ties().into_iter().flat_map(|ties| ties.relations());
        let riders = related.filter(|it| it.of == *car && RIDERS.contains(&&*it.kind)).map(|it| &it.subject);
        let here: Vec<&Name> = riders.chain([car]).filter(|name| self.graph.has(name)).take(TOGETHER_MAX).collect();
        if here.len() < 2 && !self.trips.contains_key(car) {
            return;
        }
        let (from_ms, were) = self.trips.entry(car.clone()).or_default();
        if *from_ms != trip.from_ms {
            (*from_ms, *were) = (trip.from_ms, BTreeSet::new());
        }
        for name in here {
            if were.contains(name) {
                continue;
            }
            for other in &*were {
                self.changed |= self.graph.link(name, other);
            }
            were.insert(name.clone());
        }
    }
}
