//! What the readings of a subject's devices amount to: one derivation per device, by what kind of device it is; where the
//! subject is, by all of them; and what happened.

use halo_proto::registry::{self, Kind};
use serde::{Deserialize, Serialize};

use super::derive::engine::{Engine, EngineSettings, Flight, Readout};
use super::derive::{
    Body, Derived, Drive, DriveEvent, DriveSettings, Fix, Happening, Happenings, Journey, JourneySettings, Observation,
    Rows, Sample, Trip, Vitals, Whereabouts,
};
use super::models::Models;
use super::signal::is_future;
use super::surroundings::Around;
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
pub(super) struct Derivations {
    /// In the order their devices were heard, the newest last.
    sources: Vec<Source>,
    /// Since the first position.
    whereabouts: Option<Box<Whereabouts>>,
    happened: Happenings,
}

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

impl Topic {
    const ALL: [Self; 6] = [Self::Drive, Self::Journey, Self::Heart, Self::Motion, Self::Visit, Self::Engine];

    /// The signals of one body that it is derived from, the one that says most first. Of several cars, parcels or park
    /// bands each is a thing of its own, and the one heard last is what the subject is with.
    fn rests_on(self) -> &'static [&'static str] {
        match self {
            Self::Heart => &["rr_interval", "heart_rate"],
            Self::Motion => &["steps", "acc_x"],
            Self::Drive | Self::Journey | Self::Visit | Self::Engine => &[],
        }
    }
}

impl Derivations {
    /// Takes what a frame says.
    pub(super) fn fold(&mut self, frame: &Frame, readings: &Readings, around: Around<'_>) {
        self.place(frame, readings, around);
        let mut happened = std::mem::take(&mut self.happened);
        if let Some(derivation) = readings.kind.and_then(|kind| self.of(&frame.device, kind)) {
            derivation.fold(frame, readings, around, &mut happened);
        }
        self.happened = happened;
    }

    /// Somebody else has a device since a time: what that ended; none if it was known.
    pub(super) fn hand_over(&mut self, device: &str, at_ms: impl FnOnce() -> i64) -> Option<bool> {
        self.sources
            .iter_mut()
            .filter(|source| *source.device == *device)
            .find_map(|source| match &mut source.derivation {
                Derivation::Drive(drive) => Some(drive),
                Derivation::Journey(_) | Derivation::Body(_) | Derivation::Engine(_) => None,
            })?
            .hand_over(at_ms())
    }

    /// The newest of what happened, oldest first.
    pub(super) fn happened(&self) -> impl ExactSizeIterator<Item = &Happening> {
        self.happened.iter()
    }

    /// Where the subject is, once a device has told a position.
    pub(super) fn whereabouts(&self) -> Option<&Whereabouts> {
        self.whereabouts.as_deref()
    }

    /// The trip under way, of the car heard last that has one, and which car that is.
    pub(super) fn trip(&self) -> Option<(&Name, &Trip)> {
        self.sources.iter().rev().find_map(|Source { device, derivation }| match derivation {
            Derivation::Drive(drive) => Some((device, drive.trip()?)),
            Derivation::Journey(_) | Derivation::Body(_) | Derivation::Engine(_) => None,
        })
    }

    fn place(&mut self, frame: &Frame, readings: &Readings, around: Around<'_>) {
        let (arrival_ms, device) = (frame.arrival.wall_ms, &frame.device);
        let mut fixes = Rows::<Fix>::of(readings, arrival_ms).peekable();
        let mut taps = taps(readings, arrival_ms).peekable();
        if fixes.peek().is_none() && taps.peek().is_none() {
            return;
        }
        let (whereabouts, zones) = (self.whereabouts.get_or_insert_default(), around.map.zones());
        whereabouts.arrived(around.now_ms);
        for (at_ms, fix) in fixes {
            if let (Some(latitude), Some(longitude)) = (fix.latitude, fix.longitude) {
                let crossed = whereabouts.fix(zones, device, at_ms, latitude, longitude);
                crossed.into_iter().for_each(|crossing| self.happened.crossing(device, crossing));
            }
        }
        for (at_ms, reader) in taps {
            let crossed = whereabouts.tap(zones, device, at_ms, reader);
            crossed.into_iter().for_each(|crossing| self.happened.crossing(device, crossing));
        }
    }

    /// What is known now, in order of names; `models` tell what the state of an engine means.
    pub(super) fn values<'a>(&self, models: &Models, ruler: impl Fn(&[&str]) -> Option<&'a Name>) -> Vec<Derived> {
        let mut values = Vec::new();
        for topic in Topic::ALL {
            let mut tellers =
                self.sources.iter().rev().filter(|source| source.derivation.topics().any(|it| it == topic));
            let Some(last) = tellers.next() else { continue };
            let mut others = tellers.peekable();
            // With one device there is nothing to decide.
            let ruler = others.peek().and_then(|_| ruler(topic.rests_on())).filter(|ruler| **ruler != last.device);
            let source = ruler.and_then(|ruler| others.find(|source| source.device == *ruler)).unwrap_or(last);
            source.derivation.values(topic, models, &mut values);
        }
        values.sort_unstable_by_key(|derived| derived.name);
        values
    }

    /// The derivation of a device, now the newest; added when it is not there, and its kind has one.
    fn of(&mut self, device: &Name, kind: Kind) -> Option<&mut Derivation> {
        let is_it = |source: &Source| source.device == *device && source.derivation.is_of(kind);
        let sources = &mut self.sources;
        let source = match sources.iter().rposition(is_it) {
            Some(at) => sources.remove(at),
            None => Source { device: device.clone(), derivation: Derivation::new(kind)? },
        };
        if sources.len() >= DERIVATIONS_MAX {
            sources.remove(0);
        }
        sources.reserve_exact(1);
        sources.push(source);
        sources.last_mut().map(|source| &mut source.derivation)
    }

    /// The devices, in the order they were heard.
    pub(super) fn devices(&self) -> impl Iterator<Item = &Name> {
        self.sources.iter().map(|source| &source.device)
    }

    pub(super) fn is_sound(&self) -> bool {
        self.sources.len() <= DERIVATIONS_MAX
            && self.happened.is_sound()
            && self.whereabouts.as_ref().is_none_or(|whereabouts| whereabouts.is_sound())
    }

    /// Replaces the names of devices by shared ones.
    pub(super) fn intern(&mut self, mut shared: impl FnMut(&Name) -> Name) {
        self.sources.iter_mut().for_each(|source| source.device = shared(&source.device));
        self.whereabouts.iter_mut().for_each(|whereabouts| whereabouts.intern(&mut shared));
        self.happened.intern(shared);
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let derivations = self.sources.iter().map(|source| source.derivation.heap_bytes());
        let whereabouts = self.whereabouts.as_ref().map_or(0, |it| size_of::<Whereabouts>() + it.heap_bytes());
        let sources = self.sources.capacity() * size_of::<Source>() + derivations.sum::<usize>();
        sources + whereabouts + self.happened.heap_bytes()
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

    fn fold(&mut self, frame: &Frame, readings: &Readings, around: Around<'_>, happened: &mut Happenings) {
        match self {
            Self::Drive(drive) => drives(drive, frame, readings, happened),
            Self::Journey(journey) => {
                journey.bound_for(around.map.goal(&frame.device, &frame.subject));
                travels(journey, frame, readings, happened);
            }
            Self::Body(body) => lives(body, frame, readings, around, happened),
            Self::Engine(engine) => flies(engine, frame, readings, around.now_ms),
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
            Self::Journey(journey) => size_of::<Journey>() + journey.heap_bytes(),
            Self::Body(body) => body.memory_bytes(),
            Self::Engine(_) => size_of::<Engine>(),
        }
    }
}

/// Rows and events of a car, in order of their times: word that the engine stopped ends the rows before it.
fn drives(drive: &mut Drive, frame: &Frame, readings: &Readings, happened: &mut Happenings) {
    let arrival_ms = frame.arrival.wall_ms;
    let mut tell = |event| happened.drive(&frame.device, event);
    let mut events: Vec<_> = readings.events.iter().filter(|event| !is_future(event.event_ms, arrival_ms)).collect();
    events.sort_by_key(|event| event.event_ms);
    let mut events = events.into_iter().peekable();
    for (at_ms, sample) in Rows::<Sample>::of(readings, arrival_ms) {
        while let Some(event) = events.next_if(|event| event.event_ms < at_ms) {
            happens(drive, event).into_iter().for_each(&mut tell);
        }
        drive.sample(at_ms, &sample).into_iter().for_each(&mut tell);
    }
    events.for_each(|event| happens(drive, event).into_iter().for_each(&mut tell));
}

fn happens(drive: &mut Drive, event: &Event) -> Vec<DriveEvent> {
    let Event { event_ms, code, data, .. } = event;
    match registry::event(Kind::CAR_DONGLE, *code).map(|known| known.name) {
        Some("ignition_on") => drive.ignition(*event_ms, true),
        Some("ignition_off") => drive.ignition(*event_ms, false),
        Some("dtc_set") => drive.trouble_set(*event_ms, data).into_iter().collect(),
        Some("dtc_cleared") => drive.trouble_cleared(*event_ms, data),
        _ => Vec::new(),
    }
}

fn travels(journey: &mut Journey, frame: &Frame, readings: &Readings, happened: &mut Happenings) {
    let mut tell = |event| happened.journey(&frame.device, event);
    for (at_ms, seen) in Rows::<Observation>::of(readings, frame.arrival.wall_ms) {
        if let (Some(latitude), Some(longitude)) = (seen.latitude, seen.longitude) {
            journey.fix(Some(at_ms), latitude, longitude).into_iter().for_each(&mut tell);
        }
        if let Some(g) = seen.shock {
            journey.shock(at_ms, g).into_iter().for_each(&mut tell);
        }
        if let Some(cel) = seen.temperature {
            journey.temperature(at_ms, cel).into_iter().for_each(&mut tell);
        }
    }
}

fn lives(body: &mut Body, frame: &Frame, readings: &Readings, around: Around<'_>, happened: &mut Happenings) {
    let (arrival_ms, device) = (frame.arrival.wall_ms, &frame.device);
    body.live_at(around.shift_ms);
    body.fold(Rows::<Vitals>::of(readings, arrival_ms), around.now_ms, device, happened);
    for (at_ms, reader) in taps(readings, arrival_ms) {
        body.tap(at_ms, reader, device, happened);
    }
}

/// Flights and overhauls of an engine, in order of their times: an overhaul ends the flights up to it.
fn flies(engine: &mut Engine, frame: &Frame, readings: &Readings, now_ms: i64) {
    let arrival_ms = frame.arrival.wall_ms;
    engine.arrived(now_ms);
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

/// When a band was held against which reader.
fn taps(readings: &Readings, arrival_ms: i64) -> impl Iterator<Item = (i64, u16)> {
    let of_bands = readings.events.iter().filter(|event| event.kind == Some(Kind::PARK_BAND));
    let taps = of_bands.filter(move |event| !is_future(event.event_ms, arrival_ms));
    taps.filter_map(|event| {
        let known = registry::event(Kind::PARK_BAND, event.code)?;
        (known.name == "tap").then_some((event.event_ms, u16::try_from(event.value).ok()?))
    })
}
