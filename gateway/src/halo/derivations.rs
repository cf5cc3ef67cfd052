//! What the readings of a subject's devices amount to: one derivation per device, by what kind of device it is.

use halo_proto::registry::{self, Kind};
use serde::{Deserialize, Serialize};

use super::derive::engine::{Engine, EngineSettings, Flight, Readout};
use super::derive::{Body, Derived, Drive, DriveSettings, Journey, JourneySettings, Observation, Rows, Sample, Vitals};
use super::models::Models;
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
/// Of several devices that tell of the same, the one heard last speaks for the subject.
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
    Engine(Box<Engine>),
}

/// What a derivation tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    Drive,
    Journey,
    Heart,
    Motion,
    Visit,
    Engine,
}

impl Derivations {
    /// Takes what a frame says.
    pub(super) fn fold(&mut self, frame: &Frame, readings: &Readings) {
        if let Some(derivation) = readings.kind.and_then(|kind| self.of(&frame.device, kind)) {
            derivation.fold(readings, frame.arrival.wall_ms);
        }
    }

    /// What is known now, in order of names; `models` tell what the state of an engine means.
    pub(super) fn values(&self, models: &Models) -> Vec<Derived> {
        let mut values = Vec::new();
        let mut told = Vec::new();
        for Source { derivation, .. } in self.0.iter().rev() {
            for topic in derivation.topics() {
                if !told.contains(&topic) {
                    told.push(topic);
                    derivation.values(topic, models, &mut values);
                }
            }
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
            Kind::TURBOFAN => Self::Engine(Box::new(Engine::new(&EngineSettings::default()))),
            _ if WORN.contains(&kind) => Self::Body(Box::default()),
            _ => return None,
        })
    }

    fn is_of(&self, kind: Kind) -> bool {
        match self {
            Self::Drive(_) => kind == Kind::CAR_DONGLE,
            Self::Journey(_) => kind == Kind::PARCEL_TRACKER,
            Self::Body(_) => WORN.contains(&kind),
            Self::Engine(_) => kind == Kind::TURBOFAN,
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
            Self::Engine(_) => [Some(Topic::Engine), None, None],
        };
        topics.into_iter().flatten()
    }

    fn fold(&mut self, readings: &Readings, arrival_ms: i64) {
        match self {
            Self::Drive(drive) => drives(drive, readings, arrival_ms),
            Self::Journey(journey) => travels(journey, readings, arrival_ms),
            Self::Body(body) => lives(body, readings, arrival_ms),
            Self::Engine(engine) => flies(engine, readings, arrival_ms),
        }
    }

    fn values(&self, topic: Topic, models: &Models, out: &mut Vec<Derived>) {
        match self {
            Self::Drive(drive) => drive.values(out),
            Self::Journey(journey) => journey.values(out),
            Self::Body(body) if topic == Topic::Heart => body.heart_values(out),
            Self::Body(body) if topic == Topic::Visit => body.visit_values(out),
            Self::Body(body) => body.motion_values(out),
            Self::Engine(engine) => engine.values(models.turbofan(), out),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Drive(drive) => size_of::<Drive>() + drive.heap_bytes(),
            Self::Journey(_) => size_of::<Journey>(),
            Self::Body(body) => body.memory_bytes(),
            Self::Engine(_) => size_of::<Engine>(),
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

fn lives(body: &mut Body, readings: &Readings, arrival_ms: i64) {
    body.fold(Rows::<Vitals>::of(readings, arrival_ms), arrival_ms);
    for event in readings.events.iter().filter(|event| !is_future(event.event_ms, arrival_ms)) {
        let known = registry::event(Kind::PARK_BAND, event.code).filter(|_| event.kind == Some(Kind::PARK_BAND));
        if let (Some("tap"), Ok(reader)) = (known.map(|known| known.name), u16::try_from(event.value)) {
            body.tap(event.event_ms, reader);
        }
    }
}

/// Flights and overhauls of an engine, in order of their times: an overhaul ends the flights up to it.
fn flies(engine: &mut Engine, readings: &Readings, arrival_ms: i64) {
    engine.arrived(arrival_ms);
    let is_overhaul =
        |event: &&Event| registry::event(Kind::TURBOFAN, event.code).is_some_and(|known| known.name == "overhaul");
    let events = readings.events.iter().filter(|event| !is_future(event.event_ms, arrival_ms));
    let mut overhauls: Vec<i64> = events.filter(is_overhaul).map(|event| event.event_ms).collect();
    overhauls.sort_unstable();
    let mut overhauls = overhauls.into_iter().peekable();
    for (at_ms, readout) in Rows::<Readout>::of(readings, arrival_ms) {
        while overhauls.next_if(|overhaul_ms| *overhaul_ms < at_ms).is_some() {
            engine.overhauled();
        }
        engine.flight(at_ms, &Flight::from(&readout));
    }
    overhauls.for_each(|_| engine.overhauled());
}
