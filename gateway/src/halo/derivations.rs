//! What the readings of a subject's devices amount to: one derivation per device, by what kind of device it is.

use halo_proto::registry::{self, Kind};
use serde::{Deserialize, Serialize};

use super::derive::{Body, Derived, Drive, DriveSettings, Journey, JourneySettings, Observation, Rows, Sample, Vitals};
use super::signal::is_future;
use crate::ingest::readings::{Event, Readings};
use crate::record::{Frame, Name};

/// Most derivations of one subject; the devices heard last have them.
const DERIVATIONS_MAX: usize = 8;
/// Kinds of device that are worn on a body or in one.
const WORN: [Kind; 4] = [Kind::WRISTBAND, Kind::RR_STRAP, Kind::PARK_BAND, Kind::PACEMAKER];

/// The derivations of one subject.
///
/// A frame of a kind of device that nothing is derived of, or of a format that does not say its kind, changes nothing.
/// Of several devices that tell of the same heart or movement, the one that rules the signal it rests on speaks for the
/// subject; of anything else the one heard last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Derivations(
    /// In the order their devices were heard, the newest last.
    Vec<Source>,
);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Source {
    device: Name,
    derivation: Derivation,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Derivation {
    Drive(Box<Drive>),
    Journey(Box<Journey>),
    Body(Box<Body>),
}

/// What a derivation tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Drive,
    Journey,
    Heart,
    Motion,
    Visit,
}

impl Topic {
    const ALL: [Self; 5] = [Self::Drive, Self::Journey, Self::Heart, Self::Motion, Self::Visit];

    /// The signals of one body that it is derived from, the one that says most first. Of several cars, parcels or park
    /// bands each is a thing of its own, and the one heard last is what the subject is with.
    fn rests_on(self) -> &'static [&'static str] {
        match self {
            Self::Heart => &["rr_interval", "heart_rate"],
            Self::Motion => &["steps", "acc_x"],
            Self::Drive | Self::Journey | Self::Visit => &[],
        }
    }
}

impl Derivations {
    /// Takes what a frame says.
    /// Its days are `shift_ms` ahead of UTC.
    pub(super) fn fold(&mut self, frame: &Frame, readings: &Readings, shift_ms: i64) {
        if let Some(derivation) = readings.kind.and_then(|kind| self.of(&frame.device, kind)) {
            derivation.fold(readings, frame.arrival.wall_ms, shift_ms);
        }
    }

    /// Somebody else has a device since a time: what that ended; none if it was known.
    pub(super) fn hand_over(&mut self, device: &str, at_ms: impl FnOnce() -> i64) -> Option<bool> {
        self.0
            .iter_mut()
            .filter(|source| *source.device == *device)
            .find_map(|source| match &mut source.derivation {
                Derivation::Drive(drive) => Some(drive),
                Derivation::Journey(_) | Derivation::Body(_) => None,
            })?
            .hand_over(at_ms())
    }

    /// What is known now, in order of names.
    pub(super) fn values<'a>(&self, ruler: impl Fn(&[&str]) -> Option<&'a Name>) -> Vec<Derived> {
        let mut values = Vec::new();
        for topic in Topic::ALL {
            let mut tellers = self.0.iter().rev().filter(|source| source.derivation.topics().any(|it| it == topic));
            let Some(last) = tellers.next() else { continue };
            let mut others = tellers.peekable();
            // With one device there is nothing to decide.
            let ruler = others.peek().and_then(|_| ruler(topic.rests_on())).filter(|ruler| **ruler != last.device);
            let source = ruler.and_then(|ruler| others.find(|source| source.device == *ruler)).unwrap_or(last);
            source.derivation.values(topic, &mut values);
        }
        values.sort_unstable_by_key(|derived| derived.name);
        values
    }

    /// The derivation of a device, now the newest; added when it is not there, and its kind has one.
    fn of(&mut self, device: &Name, kind: Kind) -> Option<&mut Derivation> {
        let is_it = |source: &Source| source.device == *device && source.derivation.is_of(kind);
        let source = match self.0.iter().rposition(is_it) {
            Some(at) => self.0.remove(at),
            None => Source { device: device.clone(), derivation: Derivation::new(kind)? },
        };
        if self.0.len() >= DERIVATIONS_MAX {
            self.0.remove(0);
        }
        self.0.reserve_exact(1);
        self.0.push(source);
        self.0.last_mut().map(|source| &mut source.derivation)
    }

    /// The devices, in the order they were heard.
    pub(super) fn devices(&self) -> impl Iterator<Item = &Name> {
        self.0.iter().map(|source| &source.device)
    }

    pub(super) fn is_sound(&self) -> bool {
        self.0.len() <= DERIVATIONS_MAX
    }

    /// Replaces the names of devices by shared ones.
    pub(super) fn intern(&mut self, mut shared: impl FnMut(&Name) -> Name) {
        self.0.iter_mut().for_each(|source| source.device = shared(&source.device));
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let derivations = self.0.iter().map(|source| source.derivation.heap_bytes());
        self.0.capacity() * size_of::<Source>() + derivations.sum::<usize>()
    }
}

impl Derivation {
    fn new(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::CAR_DONGLE => Self::Drive(Box::new(Drive::new(&DriveSettings::default()))),
            Kind::PARCEL_TRACKER => Self::Journey(Box::new(Journey::new(&JourneySettings::default()))),
            _ if WORN.contains(&kind) => Self::Body(Box::default()),
            _ => return None,
        })
    }

    fn is_of(&self, kind: Kind) -> bool {
        match self {
            Self::Drive(_) => kind == Kind::CAR_DONGLE,
            Self::Journey(_) => kind == Kind::PARCEL_TRACKER,
            Self::Body(_) => WORN.contains(&kind),
        }
    }

    fn topics(&self) -> impl Iterator<Item = Topic> {
        let topics = match self {
            Self::Drive(_) => [Some(Topic::Drive), None, None],
            Self::Journey(_) => [Some(Topic::Journey), None, None],
            Self::Body(body) => [
                body.has_heart().then_some(Topic::Heart),
                body.has_motion().then_some(Topic::Motion),
                body.has_visit().then_some(Topic::Visit),
            ],
        };
        topics.into_iter().flatten()
    }

    fn fold(&mut self, readings: &Readings, arrival_ms: i64, shift_ms: i64) {
        match self {
            Self::Drive(drive) => drives(drive, readings, arrival_ms),
            Self::Journey(journey) => travels(journey, readings, arrival_ms),
            Self::Body(body) => lives(body, readings, arrival_ms, shift_ms),
        }
    }

    fn values(&self, topic: Topic, out: &mut Vec<Derived>) {
        match self {
            Self::Drive(drive) => drive.values(out),
            Self::Journey(journey) => journey.values(out),
            Self::Body(body) if topic == Topic::Heart => body.heart_values(out),
            Self::Body(body) if topic == Topic::Visit => body.visit_values(out),
            Self::Body(body) => body.motion_values(out),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Drive(drive) => size_of::<Drive>() + drive.heap_bytes(),
            Self::Journey(_) => size_of::<Journey>(),
            Self::Body(body) => body.memory_bytes(),
        }
    }
}

/// Rows and events of a car, in order of their times: word that the engine stopped ends the rows before it.
fn drives(drive: &mut Drive, readings: &Readings, arrival_ms: i64) {
    let mut events: Vec<_> = readings.events.iter().filter(|event| !is_future(event.event_ms, arrival_ms)).collect();
    events.sort_by_key(|event| event.event_ms);
    let mut events = events.into_iter().peekable();
    for (at_ms, sample) in Rows::<Sample>::of(readings, arrival_ms) {
        while let Some(event) = events.next_if(|event| event.event_ms < at_ms) {
            happens(drive, event);
        }
        drive.sample(at_ms, &sample);
    }
    events.for_each(|event| happens(drive, event));
}

fn happens(drive: &mut Drive, event: &Event) {
    let Event { event_ms, code, data, .. } = event;
    match registry::event(Kind::CAR_DONGLE, *code).map(|known| known.name) {
        Some("ignition_on") => {
            drive.ignition(*event_ms, true);
        }
        Some("ignition_off") => {
            drive.ignition(*event_ms, false);
        }
        Some("dtc_set") => {
            drive.trouble_set(*event_ms, data);
        }
        Some("dtc_cleared") => {
            drive.trouble_cleared(*event_ms, data);
        }
        _ => {}
    }
}

fn travels(journey: &mut Journey, readings: &Readings, arrival_ms: i64) {
    for (at_ms, seen) in Rows::<Observation>::of(readings, arrival_ms) {
        if let (Some(latitude), Some(longitude)) = (seen.latitude, seen.longitude) {
            journey.fix(Some(at_ms), latitude, longitude);
        }
        if let Some(g) = seen.shock {
            journey.shock(at_ms, g);
        }
        if let Some(cel) = seen.temperature {
            journey.temperature(at_ms, cel);
        }
    }
}

fn lives(body: &mut Body, readings: &Readings, arrival_ms: i64, shift_ms: i64) {
    body.live_at(shift_ms);
    body.fold(Rows::<Vitals>::of(readings, arrival_ms), arrival_ms);
    for event in readings.events.iter().filter(|event| !is_future(event.event_ms, arrival_ms)) {
        let known = registry::event(Kind::PARK_BAND, event.code).filter(|_| event.kind == Some(Kind::PARK_BAND));
        if let (Some("tap"), Ok(reader)) = (known.map(|known| known.name), u16::try_from(event.value)) {
            body.tap(event.event_ms, reader);
        }
    }
}
