//! What is known of one subject now: the state behind one halo.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use halo_proto::registry;
use serde::{Deserialize, Serialize};

use super::derivations::Derivations;
use super::derive::{Derived, Happening, Trip, Whereabouts};
use super::holders::Holders;
use super::kinds::Kinds;
use super::models::Models;
use super::offers::{Offer, Offered};
use super::places::Places;
use super::presence::Device;
use super::rule::{self, Other, Teller};
use super::signal::{KeptOut, Refused, Signal, is_future};
use super::sparks::Sparks;
use super::surroundings::Around;
use super::ties::Ties;
use crate::ingest::readings::{Event, Readings, SignalRef, Text};
use crate::record::{Frame, Name, SubjectKind};

/// Most signals of one subject; readings of further ones count as suspect.
pub(super) const SIGNALS_MAX: usize = 256;
/// Most devices shown of one subject; further ones feed it without being shown.
pub(super) const DEVICES_MAX: usize = 64;
/// How many events are kept, the newest by event time.
pub(super) const EVENTS_MAX: usize = 8;
/// How many texts are kept, by key; further keys are ignored.
pub(super) const TEXTS_MAX: usize = 16;

/// One subject.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    name: Name,
    pub(super) kind: SubjectKind,
    pub(super) revision: u64,
    pub(super) changed_ms: i64,
    /// Sorted by name.
    signals: Vec<Signal>,
    /// Sorted by name.
    devices: Vec<Device>,
    events: VecDeque<EventSeen>,
    /// Sorted by key.
    texts: Vec<TextSeen>,
    derivations: Derivations,
    pub(super) counts: Counts,
    pub(super) ties: Option<Box<Ties>>,
    /// Of devices that do not rule the signal, sorted by signal and device; none while each signal has one device.
    others: Vec<Other>,
    /// Since the first one.
    pub(super) sparks: Option<Box<Sparks>>,
    /// Only of those that offer something, or did.
    offers: Option<Box<Offered>>,
}

/// What happened to a subject's frames and readings, counted since ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Frames read and folded.
    pub accepted: u64,
    /// Runs of sequences given up waiting for.
    pub gaps: u64,
    /// Sequences in them.
    pub missing: u64,
    /// Repeated frames.
    pub duplicates: u64,
    /// Readings further than 15 min behind their signal's newest one.
    pub late: u64,
    /// Frames that used a sequence again with other bytes.
    pub conflicts: u64,
    /// Frames that could not be read, and were not read later.
    pub quarantined: u64,
    /// Readings out of range, too large a step, of the future, or in another unit; events and texts of the future.
    pub suspect: u64,
}

/// An event a device told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSeen {
    /// Unix milliseconds, corrected.
    pub event_ms: i64,
    /// Who told.
    pub device: Name,
    /// What happened.
    pub code: u16,
    /// Number of the kind of device that told it, if that is known: it decides what the code means.
    pub kind: Option<u16>,
    /// As the device graded it.
    pub severity: u8,
    /// As on the wire; the registry knows its scale.
    pub value: i64,
}

impl EventSeen {
    /// Its name, and the scale and unit of its value, where the registry knows them.
    pub fn known(&self) -> Option<&'static registry::EventCode> {
        registry::event(registry::Kind(self.kind?), self.code)
    }
}

/// A fact in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextSeen {
    /// What it is about.
    pub key: Name,
    /// The fact.
    pub value: String,
    /// Unix milliseconds, corrected.
    pub event_ms: i64,
    /// Who told.
    pub device: Name,
}

impl Subject {
    pub(super) fn new(name: Name, kind: SubjectKind) -> Self {
        Self {
            name,
            kind,
            revision: 0,
            changed_ms: 0,
            signals: Vec::new(),
            devices: Vec::new(),
            events: VecDeque::new(),
            texts: Vec::new(),
            derivations: Derivations::default(),
            counts: Counts::default(),
            ties: None,
            others: Vec::new(),
            sparks: None,
            offers: None,
        }
    }

    /// Its id.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What it is, by the configuration in force.
    pub fn kind(&self) -> SubjectKind {
        self.kind
    }

    /// Grows by one with each record that changes its halo.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// When its halo changed last: Unix milliseconds of the gateway's clock.
    pub fn changed_ms(&self) -> i64 {
        self.changed_ms
    }

    /// Sorted by name.
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    /// The signal of that name.
    pub fn signal(&self, name: &str) -> Option<&Signal> {
        self.signals.binary_search_by(|signal| (**signal.name()).cmp(name)).ok().and_then(|at| self.signals.get(at))
    }

    /// The devices that feed it, sorted by name.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// The newest events, oldest first.
    pub fn events(&self) -> impl ExactSizeIterator<Item = &EventSeen> {
        self.events.iter()
    }

    /// Facts in words, sorted by key.
    pub fn texts(&self) -> &[TextSeen] {
        &self.texts
    }

    /// Signals computed from others, sorted by name: of the devices that tell of the same, those of the one that rules
    /// the signal they rest on (heart, movement) or was heard last. Those that need a model are what `models` say of its
    /// state, which knows none.
    pub fn derived_by(&self, models: &Models) -> Vec<Derived> {
        let mut derived = self.derived_here(models);
        models.add_brought(self, &mut derived);
        derived
    }

    /// The same without what models tell that were brought: those take time.
    pub(crate) fn derived_here(&self, models: &Models) -> Vec<Derived> {
        self.derivations.values(models, |signals| self.ruler(signals))
    }

    /// As the models of this build have it.
    #[cfg(test)]
    pub(crate) fn derived(&self) -> Vec<Derived> {
        self.derived_by(&Models::default())
    }

    /// The newest of what the derivations saw happen, oldest first.
    pub fn happened(&self) -> impl ExactSizeIterator<Item = &Happening> {
        self.derivations.happened()
    }

    /// Where it is, once a device has told a position or a reader.
    pub(crate) fn whereabouts(&self) -> Option<&Whereabouts> {
        self.derivations.whereabouts()
    }

    /// The trip under way, and in which car.
    pub(crate) fn trip(&self) -> Option<(&Name, &Trip)> {
        self.derivations.trip()
    }

    /// What administrators said of it, if anything.
    pub fn ties(&self) -> Option<&Ties> {
        self.ties.as_deref()
    }

    /// What it offers: tables by name; none when there is none.
    pub fn offers(&self) -> Option<&Offered> {
        self.offers.as_deref().filter(|offers| !offers.is_empty())
    }

    /// Shows a table, or no longer; true if that is another halo.
    pub(super) fn offer(&mut self, table: Name, offer: Option<Offer>) -> bool {
        match offer {
            Some(offer) => {
                let offers = self.offers.get_or_insert_default();
                offers.insert(table, offer.clone()).is_none_or(|before| before != offer)
            }
            None => self.offers.as_mut().is_some_and(|offers| offers.remove(&table).is_some()),
        }
    }

    /// What it is: as assignments and acts say, else an organisation if it ever offered something.
    pub(super) fn kind_by(&self, holders: &Holders) -> SubjectKind {
        let unsaid = if self.offers.is_some() { SubjectKind::Organisation } else { SubjectKind::default() };
        holders.known_kind(&self.name).unwrap_or(unsaid)
    }

    /// What devices say of a signal that do not rule it, in order of their names.
    pub fn others<'a>(&'a self, signal: &'a str) -> impl Iterator<Item = &'a Other> {
        self.others.iter().filter(move |other| *other.signal == *signal)
    }

    /// Which device rules the first of these signals that is as new as any of them.
    fn ruler(&self, signals: &[&str]) -> Option<&Name> {
        let latest = || signals.iter().filter_map(|name| self.signal(name)?.latest());
        let newest_ms = latest().map(|latest| latest.event_ms).max()?;
        let current = latest().find(|latest| newest_ms.saturating_sub(latest.event_ms) <= rule::SILENT_MS);
        current.map(|latest| &latest.device)
    }

    #[cfg(test)]
    pub(super) fn derivations(&self) -> &Derivations {
        &self.derivations
    }

    /// What rules raised, if anything.
    pub fn sparks(&self) -> Option<&Sparks> {
        self.sparks.as_deref()
    }

    /// What was counted.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Folds what a frame says of the subject.
    pub(super) fn fold(
        &mut self,
        frame: &Frame,
        readings: &Readings,
        forecasts: bool,
        around: Around<'_>,
        places: &mut Places,
        mut shared: impl FnMut(&Name) -> Name,
    ) {
        self.counts.accepted += 1;
        let teller = Teller { device: &frame.device, kind: readings.kind, offset: around.offset };
        let mut refused = Refused::default();
        for (index, series) in readings.series.iter().enumerate() {
            let Some(signal) = self.signal_mut(&series.signal, places, &mut shared) else {
                self.counts.suspect += series.points.len() as u64;
                continue;
            };
            let kept_out = signal.fold(series, frame.arrival.wall_ms, teller, forecasts);
            self.counts.late += kept_out.late;
            self.counts.suspect += kept_out.suspect;
            if kept_out.yielded > 0 || !self.others.is_empty() {
                self.keep_other(series, &frame.device, &kept_out);
            }
            refused.add(index, kept_out);
        }
        let begun_ms = || {
            let firsts = readings.series.iter().filter_map(|series| series.points.first());
            firsts.map(|point| point.event_ms).min().unwrap_or(frame.arrival.wall_ms)
        };
        let shift_ms = self.ties.as_ref().map_or(0, |ties| ties.shift_ms(begun_ms()));
        self.derivations.fold(frame, readings, Around { shift_ms, ..around }, &refused);
        let future = |event_ms| is_future(event_ms, frame.arrival.wall_ms);
        for event in &readings.events {
            if future(event.event_ms) {
                self.counts.suspect += 1;
            } else {
                self.keep_event(event, &frame.device);
            }
        }
        for text in &readings.texts {
            if future(text.event_ms) {
                self.counts.suspect += 1;
            } else {
                self.keep_text(text, &frame.device);
            }
        }
    }

    /// The device of that name, added when it is not there; none when there are too many.
    pub(super) fn device_mut(&mut self, name: &Name) -> Option<&mut Device> {
        let at = match self.devices.binary_search_by(|device| device.name.cmp(name)) {
            Ok(at) => at,
            Err(_) if self.devices.len() >= DEVICES_MAX => return None,
            Err(at) => {
                self.devices.reserve_exact(1);
                self.devices.insert(at, Device::new(name.clone()));
                at
            }
        };
        self.devices.get_mut(at)
    }

    /// Shows a device no more; true if it was shown.
    pub(super) fn forget_device(&mut self, name: &str) -> bool {
        let found = self.devices.binary_search_by(|device| (*device.name).cmp(name));
        found.map(|at| self.devices.remove(at)).is_ok()
    }

    /// Somebody else has a device: what it said beside others goes, and a trip that was under way is over unless rows
    /// of before are awaited. What that changed: nothing, or what nobody sees (false), or the halo.
    pub(super) fn hand_over(&mut self, device: &str, at_ms: i64, awaited: bool) -> Option<bool> {
        let before = self.others.len();
        self.others.retain(|other| *other.device != *device);
        let forgotten = (self.others.len() != before).then_some(true);
        forgotten.max(self.derivations.hand_over(device, at_ms, awaited))
    }

    /// What a device tells has come to a time at which somebody else got it. As [`Subject::hand_over`].
    pub(super) fn pass(&mut self, device: &str, at_ms: i64) -> Option<bool> {
        self.derivations.pass(device, at_ms)
    }

    /// The devices it shows, and those that something is derived of.
    pub(super) fn all_devices(&self) -> BTreeSet<Name> {
        let shown = self.devices.iter().map(|device| device.name.clone());
        shown.chain(self.derivations.devices().cloned()).collect()
    }

    /// Derives by these thresholds from now on.
    pub(super) fn configure(&mut self, kinds: &Kinds) {
        self.derivations.configure(kinds.settings());
    }

    /// Gives the forecasts of all signals up; true if there were any in the making.
    pub(super) fn forget_forecasts(&mut self) -> bool {
        self.signals.iter_mut().filter_map(Signal::forget_forecasts).count() > 0
    }

    pub(super) fn devices_mut(&mut self) -> &mut [Device] {
        &mut self.devices
    }

    /// The device of that name, if it is there.
    pub(super) fn device_at_mut(&mut self, name: &str) -> Option<&mut Device> {
        let at = self.devices.binary_search_by(|device| (*device.name).cmp(name)).ok()?;
        self.devices.get_mut(at)
    }

    fn signal_mut(
        &mut self,
        wanted: &Arc<SignalRef>,
        places: &mut Places,
        shared: &mut impl FnMut(&Name) -> Name,
    ) -> Option<&mut Signal> {
        let (name, unit) = (&wanted.name, &wanted.unit);
        let is_it = |at: &usize| self.signals.get(*at).is_some_and(|signal| same(signal.name(), name));
        if let Some(at) = places.hint(wanted).filter(is_it) {
            return self.signals.get_mut(at);
        }
        let at = match self.signals.binary_search_by(|signal| signal.name().cmp(name)) {
            Ok(at) => at,
            Err(_) if self.signals.len() >= SIGNALS_MAX => return None,
            Err(at) => {
                self.signals.reserve_exact(1);
                self.signals.insert(at, Signal::new(shared(name), shared(unit)));
                at
            }
        };
        places.found(wanted, at);
        self.signals.get_mut(at)
    }

    /// What does not count is kept beside the signal, until its device rules it.
    #[cold]
    fn keep_other(&mut self, series: &crate::ingest::readings::Series, device: &Name, kept_out: &KeptOut) {
        let signal = &series.signal;
        let Some(point) = kept_out.other else {
            let rules = self.signal(&signal.name).and_then(Signal::ruler).is_some_and(|ruler| ruler == device);
            if rules {
                self.others.retain(|other| other.signal != signal.name || other.device != *device);
            }
            return;
        };
        let other = Other {
            signal: signal.name.clone(),
            device: device.clone(),
            raw: point.raw,
            num: signal.num,
            den: signal.den,
            event_ms: point.event_ms,
            readings: kept_out.yielded,
        };
        rule::keep(&mut self.others, other);
    }

    fn keep_event(&mut self, event: &Event, device: &Name) {
        let after = self.events.partition_point(|kept| kept.event_ms <= event.event_ms);
        if self.events.len() == EVENTS_MAX && after == 0 {
            return;
        }
        let (event_ms, code, severity, value) = (event.event_ms, event.code, event.severity, event.value);
        let kind = event.kind.map(|kind| kind.0);
        self.events.insert(after, EventSeen { event_ms, device: device.clone(), code, kind, severity, value });
        if self.events.len() > EVENTS_MAX {
            self.events.pop_front();
        }
    }

    fn keep_text(&mut self, text: &Text, device: &Name) {
        let (event_ms, device) = (text.event_ms, device.clone());
        match self.texts.binary_search_by(|kept| kept.key.cmp(&text.key)) {
            Ok(at) => {
                if let Some(kept) = self.texts.get_mut(at).filter(|kept| kept.event_ms <= event_ms) {
                    *kept = TextSeen { key: kept.key.clone(), value: text.value.clone(), event_ms, device };
                }
            }
            Err(at) if self.texts.len() < TEXTS_MAX => {
                self.texts.insert(at, TextSeen { key: text.key.clone(), value: text.value.clone(), event_ms, device });
            }
            Err(_) => {}
        }
    }

    /// Whether the parts fit together; the doors of deserialised state ask.
    pub(super) fn is_sound(&self) -> bool {
        self.signals.iter().all(Signal::is_sound)
            && self.signals.is_sorted_by(|a, b| a.name() < b.name())
            && self.devices.is_sorted_by(|a, b| a.name < b.name)
            && self.derivations.is_sound()
            && self.others.iter().all(|other| other.den > 0)
    }

    /// Replaces the names many subjects have in common by shared ones.
    pub(super) fn intern(&mut self, mut shared: impl FnMut(&Name) -> Name) {
        self.devices.iter_mut().for_each(|device| device.name = shared(&device.name));
        self.signals.iter_mut().for_each(|signal| signal.intern(&mut shared));
        self.derivations.intern(&mut shared);
    }

    /// Bytes in memory, names shared with others not counted.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.signals.capacity() * size_of::<Signal>()
            + self.signals.iter().map(Signal::heap_bytes).sum::<usize>()
            + self.devices.capacity() * size_of::<Device>()
            + self.events.capacity() * size_of::<EventSeen>()
            + self.texts.capacity() * size_of::<TextSeen>()
            + self.derivations.heap_bytes()
            + self.ties.as_ref().map_or(0, |_| size_of::<Ties>())
            + self.others.capacity() * size_of::<Other>()
            + self.sparks.as_ref().map_or(0, |sparks| size_of::<Sparks>() + sparks.heap_bytes())
            + self.offers.as_deref().map_or(0, |offers| offers.len() * size_of::<(Name, Offer)>())
    }
}

/// Names that are shared are the same without looking at their letters.
fn same(a: &Name, b: &Name) -> bool {
    Name::ptr_eq(a, b) || a == b
}
