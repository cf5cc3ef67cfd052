//! What the readings of a subject's devices amount to: one derivation per device, by what kind of device it is; where the
//! subject is, by all of them; and what happened.

use halo_proto::registry::{self, Kind};
use serde::{Deserialize, Serialize};

use super::derive::engine::{Engine, EngineSettings, Flight, Readout};
use super::derive::{
    Body, Derived, Drive, DriveEvent, Fix, Happening, Happenings, Journey, Observation, Opinion, Row, Rows, Sample,
    Taste, Trip, Vitals, Whereabouts, topic_of,
};
use super::kinds::{Family, Plan, Settings};
use super::models::Models;
use super::signal::{Quality, Refused, is_future, physical};
use super::surroundings::Around;
use crate::ingest::readings::{Event, Readings};
use crate::record::{Frame, Name};

/// Most derivations of one subject; the devices heard last have them.
const DERIVATIONS_MAX: usize = 8;

/// The derivations of one subject.
///
/// A frame of a kind of device that nothing is derived of, or of a format that does not say its kind, changes nothing. A
/// device that sends as another kind than before is derived anew as that, beside what it was: the two share no state.
/// Of several devices that tell of the same heart or movement, the one that rules the signal it rests on speaks for the
/// subject; of anything else the one heard last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Derivations {
    /// In the order their devices were heard, the newest last.
    sources: Vec<Source>,
    /// Since the first position.
    whereabouts: Option<Box<Whereabouts>>,
    happened: Happenings,
    /// Since the first like or skip, by whatever device.
    taste: Option<Box<Taste>>,
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
    pub(super) fn fold(&mut self, frame: &Frame, readings: &Readings, around: Around<'_>, refused: &Refused) {
        let told = Told { frame, readings, plan: around.kinds.plan(&frame.device, readings.kind), refused };
        self.place(&told, around);
        self.taste(&told, around.now_ms);
        let mut happened = std::mem::take(&mut self.happened);
        for family in told.plan.families() {
            if let Some(derivation) = self.of(&frame.device, *family, told.plan.settings) {
                derivation.fold(&told, around, &mut happened);
            }
        }
        self.happened = happened;
    }

    /// Derives by these thresholds from now on.
    pub(super) fn configure(&mut self, settings: &Settings) {
        for Source { derivation, .. } in &mut self.sources {
            match derivation {
                Derivation::Drive(drive) => drive.configure(&settings.drive),
                Derivation::Journey(journey) => journey.configure(&settings.journey),
                Derivation::Body(body) => body.configure(&settings.heart, &settings.motion),
                Derivation::Engine(_) => {}
            }
        }
        self.taste.iter_mut().for_each(|taste| taste.configure(&settings.taste));
    }

    /// Somebody else has a device since a time, and rows of before are awaited or not: whether what is shown changed;
    /// none if it was known.
    pub(super) fn hand_over(&mut self, device: &str, at_ms: i64, awaited: bool) -> Option<bool> {
        self.drive(device)?.hand_over(at_ms, awaited)
    }

    /// What a device tells has come to a time at which it was handed over. As [`Derivations::hand_over`].
    pub(super) fn pass(&mut self, device: &str, at_ms: i64) -> Option<bool> {
        self.drive(device)?.pass(at_ms)
    }

    fn drive(&mut self, device: &str) -> Option<&mut Drive> {
        let mut sources = self.sources.iter_mut().filter(|source| *source.device == *device);
        sources.find_map(|source| match &mut source.derivation {
            Derivation::Drive(drive) => Some(&mut **drive),
            Derivation::Journey(_) | Derivation::Body(_) | Derivation::Engine(_) => None,
        })
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

    fn place(&mut self, told: &Told<'_>, around: Around<'_>) {
        let Told { frame, readings, plan, refused } = told;
        let (arrival_ms, device) = (frame.arrival.wall_ms, &frame.device);
        let mut fixes = Rows::<Fix>::of(readings, arrival_ms, &plan.of_positions(), refused).peekable();
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

    /// Likes and skips are the subject's, whichever of its devices they came by; every frame moves the time on by which
    /// they are weighed.
    fn taste(&mut self, told: &Told<'_>, now_ms: i64) {
        let Told { frame, readings, plan, .. } = told;
        let mut opinions = opinions(readings, frame.arrival.wall_ms).peekable();
        if self.taste.is_none() && opinions.peek().is_none() {
            return;
        }
        let taste = self.taste.get_or_insert_with(|| Box::new(Taste::new(&plan.settings.taste)));
        taste.arrived(now_ms);
        for (at_ms, opinion, topic) in opinions {
            taste.hear(at_ms, opinion, topic);
        }
        let newest = readings.series.iter().filter_map(|series| series.points.last()).map(|point| point.event_ms);
        newest.filter(|at_ms| !is_future(*at_ms, frame.arrival.wall_ms)).for_each(|at_ms| taste.pass(at_ms));
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
        self.taste.iter().for_each(|taste| taste.values(&mut values));
        values.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        debug_assert!(values.iter().all(Derived::is_listed), "a derived signal is not listed: {values:?}");
        values
    }

    /// The derivation of a device, now the newest; added when it is not there.
    fn of(&mut self, device: &Name, family: Family, settings: &Settings) -> Option<&mut Derivation> {
        let is_it = |source: &Source| source.device == *device && source.derivation.family() == family;
        let sources = &mut self.sources;
        let source = match sources.iter().rposition(is_it) {
            Some(at) => sources.remove(at),
            None => Source { device: device.clone(), derivation: Derivation::new(family, settings) },
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
            && self.taste.as_ref().is_none_or(|taste| taste.is_sound())
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
        let taste = self.taste.as_ref().map_or(0, |taste| size_of::<Taste>() + taste.heap_bytes());
        sources + whereabouts + self.happened.heap_bytes() + taste
    }
}

/// A frame, and how what it says is derived of.
struct Told<'a> {
    frame: &'a Frame,
    readings: &'a Readings,
    plan: Plan<'a>,
    /// What the signals did not let in of it.
    refused: &'a Refused,
}

impl<'a> Told<'a> {
    fn rows<R: Row>(&'a self) -> Rows<'a, R> {
        Rows::of(self.readings, self.frame.arrival.wall_ms, &self.plan, self.refused)
    }

    /// Of a device whose kind says that its readings of `reader` are taps.
    fn read_taps(&self) -> Vec<(i64, u16)> {
        let mut taps = Vec::new();
        if !self.plan.taps_by_readings() {
            return taps;
        }
        for series in &self.readings.series {
            let signal = &*series.signal;
            if self.plan.wanted(signal).is_none_or(|(name, ..)| name != "reader") {
                continue;
            }
            for point in &series.points {
                let reader = physical(point.raw, signal.num, signal.den);
                let good = Quality::of(signal, point, self.frame.arrival.wall_ms) == Quality::Good;
                if good && (0.0..=f64::from(u16::MAX)).contains(&reader) {
                    taps.push((point.event_ms, reader as u16));
                }
            }
        }
        taps
    }
}

impl Derivation {
    fn new(family: Family, settings: &Settings) -> Self {
        match family {
            Family::Drive => Self::Drive(Box::new(Drive::new(&settings.drive))),
            Family::Journey => Self::Journey(Box::new(Journey::new(&settings.journey))),
            Family::Body => Self::Body(Box::default()),
            Family::Engine => Self::Engine(Box::new(Engine::new(&EngineSettings::default()))),
        }
    }

    fn family(&self) -> Family {
        match self {
            Self::Drive(_) => Family::Drive,
            Self::Journey(_) => Family::Journey,
            Self::Body(_) => Family::Body,
            Self::Engine(_) => Family::Engine,
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

    fn fold(&mut self, told: &Told<'_>, around: Around<'_>, happened: &mut Happenings) {
        match self {
            Self::Drive(drive) => drives(drive, told, around.now_ms, happened),
            Self::Journey(journey) => {
                journey.bound_for(around.map.goal(&told.frame.device, &told.frame.subject));
                travels(journey, told, around.now_ms, happened);
            }
            Self::Body(body) => lives(body, told, around, happened),
            Self::Engine(engine) => flies(engine, told, around.now_ms),
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
fn drives(drive: &mut Drive, told: &Told<'_>, now_ms: i64, happened: &mut Happenings) {
    let Told { frame, readings, .. } = told;
    let arrival_ms = frame.arrival.wall_ms;
    let mut tell = |event| happened.drive(&frame.device, event);
    drive.arrived(now_ms).into_iter().for_each(&mut tell);
    let mut events: Vec<_> = readings.events.iter().filter(|event| !is_future(event.event_ms, arrival_ms)).collect();
    events.sort_by_key(|event| event.event_ms);
    let mut events = events.into_iter().peekable();
    for (at_ms, sample) in told.rows::<Sample>() {
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

fn travels(journey: &mut Journey, told: &Told<'_>, now_ms: i64, happened: &mut Happenings) {
    let mut tell = |event| happened.journey(&told.frame.device, event);
    journey.arrived(now_ms);
    for (at_ms, seen) in told.rows::<Observation>() {
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

fn lives(body: &mut Body, told: &Told<'_>, around: Around<'_>, happened: &mut Happenings) {
    let (arrival_ms, device) = (told.frame.arrival.wall_ms, &told.frame.device);
    body.live_at(around.shift_ms);
    body.fold(told.rows::<Vitals>(), around.now_ms, told.plan.settings, device, happened);
    for (at_ms, reader) in taps(told.readings, arrival_ms).chain(told.read_taps()) {
        body.tap(at_ms, reader, device, happened);
    }
}

/// Flights and overhauls of an engine, in order of their times: an overhaul ends the flights up to it.
fn flies(engine: &mut Engine, told: &Told<'_>, now_ms: i64) {
    let Told { frame, readings, .. } = told;
    let arrival_ms = frame.arrival.wall_ms;
    engine.arrived(now_ms);
    let is_overhaul =
        |event: &&Event| registry::event(Kind::TURBOFAN, event.code).is_some_and(|known| known.name == "overhaul");
    let events = readings.events.iter().filter(|event| !is_future(event.event_ms, arrival_ms));
    let mut overhauls: Vec<i64> = events.filter(is_overhaul).map(|event| event.event_ms).collect();
    overhauls.sort_unstable();
    let mut overhauls = overhauls.into_iter().peekable();
    let (mut rows, mut readout) = (told.rows::<Readout>(), Readout::default());
    while let Some(at_ms) = rows.next_into(&mut readout) {
        while overhauls.next_if(|overhaul_ms| *overhaul_ms < at_ms).is_some() {
            engine.overhauled();
        }
        engine.flight(at_ms, &Flight::from(&readout));
    }
    overhauls.for_each(|_| engine.overhauled());
}

/// Likes and skips of a frame: as events of a kind of device that has them, or in words, `{"like": "jazz"}`.
fn opinions(readings: &Readings, arrival_ms: i64) -> impl Iterator<Item = (i64, Opinion, &str)> {
    let told = readings.events.iter().filter_map(|event| {
        let name = registry::event(event.kind?, event.code)?.name;
        Some((event.event_ms, name, std::str::from_utf8(&event.data).ok()?))
    });
    let in_words = readings.texts.iter().map(|text| (text.event_ms, &*text.key, text.value.as_str()));
    told.chain(in_words).filter_map(move |(at_ms, name, topic)| {
        let opinion = Opinion::named(name)?;
        Some((at_ms, opinion, topic_of(topic)?)).filter(|_| !is_future(at_ms, arrival_ms))
    })
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
