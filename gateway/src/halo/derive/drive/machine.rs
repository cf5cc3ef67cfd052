//! The fold: rows and events of a car in, trips and manoeuvres out.

use serde::{Deserialize, Serialize};

use super::super::order::is_ahead;
use super::codes::{Code, Codes};
use super::events::DriveEvent;
use super::sample::{Sample, sound};
use super::settings::DriveSettings;
use super::slope::{Manoeuvre, Run, Slope, Turn};
use super::trip::Trip;

const GRAVITY: f64 = 9.80665;
const KMH_PER_MPS: f64 = 3.6;
const KMH_MAX: f64 = 400.0;
/// No car covers more, m/s; an odometer that says so was exchanged.
const BRIDGED_MPS_MAX: f64 = 70.0;
/// Turns below this are parking, km/h: a bump moves the sensor more than the wheels do.
const CORNERING_KMH: f64 = 10.0;

/// One car's drives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Drive {
    pub(super) settings: DriveSettings,
    last_ms: Option<i64>,
    pub(super) late: u64,
    ignition: Option<bool>,
    rpm: Option<Reading>,
    speed: Option<Reading>,
    fuel: Option<Reading>,
    odometer: Option<Odometer>,
    /// How long the last step of speed was, ms: a repeated time corrects it.
    step_ms: i64,
    slope: Slope,
    braking: Run,
    acceleration: Run,
    cornering: Run,
    /// From the engine's start on, whether or not the car moves.
    trip: Option<Trip>,
    ended: Option<Trip>,
    codes: Codes,
    pub(super) dtc_count: Option<u8>,
    /// Somebody else has the car; rows from before that may still come.
    handed: Option<Handed>,
}

/// A car was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Handed {
    at_ms: i64,
    /// The trip goes on until rows have come to that time.
    awaited: bool,
    /// They have, here or in the next holder's hands.
    passed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    at_ms: i64,
    value: f64,
}

/// An odometer reading, and what was driven since.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Odometer {
    km: f64,
    at_ms: i64,
    driven_m: f64,
    gap: bool,
}

impl Drive {
    /// Nothing known.
    pub(crate) fn new(settings: &DriveSettings) -> Self {
        Self {
            settings: settings.clone(),
            last_ms: None,
            late: 0,
            ignition: None,
            rpm: None,
            speed: None,
            fuel: None,
            odometer: None,
            step_ms: 0,
            slope: Slope::default(),
            braking: Run::default(),
            acceleration: Run::default(),
            cornering: Run::default(),
            trip: None,
            ended: None,
            codes: Codes::default(),
            dtc_count: None,
            handed: None,
        }
    }

    /// Somebody else has the car from that time on, Unix ms: the trip under way ends with its last row, as soon as
    /// that is asked, unless rows of before that time are `awaited` and none of after it have come. Those that come go on
    /// with the trip, be it hours late. Whether what is shown changed; none if all this was known.
    pub(crate) fn hand_over(&mut self, at_ms: i64, awaited: bool) -> Option<bool> {
        let passed = self.handed.is_some_and(|handed| handed.at_ms == at_ms && handed.passed);
        self.handed(Handed { at_ms, awaited: awaited && !passed, passed })
    }

    /// The car's rows have come to a time, Unix ms, at which it was handed over. As [`Drive::hand_over`].
    pub(crate) fn pass(&mut self, at_ms: i64) -> Option<bool> {
        self.handed.filter(|handed| handed.at_ms <= at_ms)?;
        self.handed(Handed { awaited: false, passed: true, ..self.handed? })
    }

    fn handed(&mut self, handed: Handed) -> Option<bool> {
        let driving = self.trip().is_some();
        let known = self.handed.replace(handed) == Some(handed);
        (!known).then(|| driving != self.trip().is_some())
    }

    /// Judges by these from now on.
    pub(crate) fn configure(&mut self, settings: &DriveSettings) {
        self.settings = settings.clone();
    }

    /// The gateway's clock stands at `now_ms`. If the newest row was dated far beyond it, before the clock was set back,
    /// its trip has ended, and time begins anew.
    pub(crate) fn arrived(&mut self, now_ms: i64) -> Vec<DriveEvent> {
        let mut events = Vec::new();
        if is_ahead(self.last_ms, now_ms) {
            self.end(None, &mut events);
            (self.last_ms, self.rpm, self.ignition, self.odometer) = (None, None, None, None);
        }
        events
    }

    /// Takes one row of readings at a time, Unix ms.
    pub(crate) fn sample(&mut self, at_ms: i64, sample: &Sample) -> Vec<DriveEvent> {
        let mut events = Vec::new();
        if self.is_late(at_ms) {
            self.late = self.late.saturating_add(1);
            return events;
        }
        self.come_back(at_ms, &mut events);
        self.move_on(at_ms, &mut events);
        if let Some(rpm) = sound(sample.rpm, 20_000.0) {
            self.rpm = Some(Reading { at_ms, value: rpm });
        }
        let speed = sound(sample.speed, KMH_MAX);
        let moving = speed.is_some_and(|speed| speed >= self.settings.moving_kmh);
        self.run(at_ms, moving, &mut events);
        self.burn(at_ms, sample);
        let stood = self.trip.is_none_or(|trip| !trip.moved());
        if let Some(speed) = speed {
            self.roll(at_ms, speed);
            self.brake(at_ms, speed, &mut events);
        }
        self.corner(at_ms, sample.acc_peak_y, &mut events);
        self.bridge(at_ms, sample.odometer);
        if let Some(trip) = self.trip.filter(|trip| stood && trip.moved()) {
            events.insert(0, DriveEvent::TripStarted { from_ms: trip.from_ms });
        }
        self.count_codes(at_ms, sample.dtc_count, &mut events);
        events
    }

    /// Takes word of the ignition at a time, Unix ms. Off ends the trip at once. It may come after rows that are newer,
    /// as events stand behind the rows of their frame, but not after the next trip has begun.
    pub(crate) fn ignition(&mut self, at_ms: i64, on: bool) -> Vec<DriveEvent> {
        let mut events = Vec::new();
        if self.is_late(at_ms) && self.trip.is_none_or(|trip| at_ms < trip.from_ms) {
            self.late = self.late.saturating_add(1);
            return events;
        }
        if !self.is_late(at_ms) {
            self.come_back(at_ms, &mut events);
            self.move_on(at_ms, &mut events);
        }
        self.ignition = Some(on);
        if on {
            self.trip.get_or_insert_with(|| Trip::new(at_ms));
        } else {
            self.end(Some(at_ms), &mut events);
            self.rpm = None;
        }
        events
    }

    /// Takes word of a trouble code, as the event's data has it, at a time in Unix ms; unreadable ones are ignored.
    pub(crate) fn trouble_set(&mut self, at_ms: i64, code: &[u8]) -> Option<DriveEvent> {
        let code = Code::parse(code)?;
        self.codes.set(code, at_ms).then_some(DriveEvent::CodeSet { code, at_ms })
    }

    /// Takes word of a trouble code that went, or of all of them when the data names none.
    pub(crate) fn trouble_cleared(&mut self, at_ms: i64, code: &[u8]) -> Vec<DriveEvent> {
        let which = Code::parse(code);
        if which.is_none() && !code.trim_ascii().is_empty() {
            return Vec::new();
        }
        self.clear_codes(which, at_ms, at_ms.saturating_add(1))
    }

    /// The trouble codes set now, sorted, with when they came.
    pub(crate) fn codes(&self) -> impl ExactSizeIterator<Item = &(Code, i64)> {
        self.codes.iter()
    }

    /// The trip under way, once the car has moved.
    pub(crate) fn trip(&self) -> Option<&Trip> {
        self.moving().filter(|_| !self.is_handed_over())
    }

    /// The last trip that ended.
    pub(crate) fn ended(&self) -> Option<&Trip> {
        self.moving().filter(|_| self.is_handed_over()).or(self.ended.as_ref())
    }

    /// Bytes it has allocated.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.slope.heap_bytes() + self.codes.heap_bytes()
    }

    fn moving(&self) -> Option<&Trip> {
        self.trip.as_ref().filter(|trip| trip.moved())
    }

    /// A row from after the hand-over: the car is back, and what others did with it meanwhile is none of ours.
    fn come_back(&mut self, at_ms: i64, events: &mut Vec<DriveEvent>) {
        if self.handed.is_none_or(|handed| at_ms < handed.at_ms) {
            return;
        }
        self.end(None, events);
        (self.rpm, self.ignition, self.odometer, self.handed) = (None, None, None, None);
    }

    fn is_handed_over(&self) -> bool {
        self.handed.is_some_and(|handed| !handed.awaited)
    }

    fn is_late(&self, at_ms: i64) -> bool {
        self.last_ms.is_some_and(|last_ms| at_ms < last_ms)
    }

    /// Ends what that time ends.
    fn move_on(&mut self, at_ms: i64, events: &mut Vec<DriveEvent>) {
        let last_ms = self.last_ms.replace(at_ms).unwrap_or(at_ms);
        let apart_ms = at_ms.saturating_sub(self.trip.map_or(last_ms, |trip| trip.to_ms));
        if apart_ms >= i64::from(self.settings.end_after_ms) {
            self.end(None, events);
            (self.rpm, self.ignition) = (None, None);
        }
    }

    /// Keeps the trip going while the engine runs; by rpm, else by word of the ignition, else by movement.
    fn run(&mut self, at_ms: i64, moving: bool, events: &mut Vec<DriveEvent>) {
        let fresh = |reading: &Reading| at_ms.saturating_sub(reading.at_ms) <= i64::from(self.settings.gap_ms);
        let turning = self.rpm.filter(fresh).map(|rpm| rpm.value > 0.0);
        let running = moving || turning.or(self.ignition).unwrap_or(false);
        if running {
            let trip = self.trip.get_or_insert_with(|| Trip::new(at_ms));
            let standing_before = self.speed.is_some_and(|speed| speed.value < self.settings.moving_kmh);
            let step_ms = at_ms.saturating_sub(trip.to_ms);
            if standing_before && !moving && step_ms <= i64::from(self.settings.gap_ms) {
                trip.idle_ms = trip.idle_ms.saturating_add(step_ms);
            }
            trip.to_ms = at_ms;
        } else if self
            .trip
            .is_some_and(|trip| at_ms.saturating_sub(trip.to_ms) >= i64::from(self.settings.end_after_ms))
        {
            self.end(None, events);
        }
    }

    /// Distance: the trapezoid of speed over time.
    fn roll(&mut self, at_ms: i64, kmh: f64) {
        let step_m = |kmh: f64, ms: i64| kmh / KMH_PER_MPS * (ms as f64 / 1000.0);
        let driven_m = match self.speed {
            Some(before) if before.at_ms == at_ms => step_m((kmh - before.value) / 2.0, self.step_ms),
            Some(before) => {
                let ms = at_ms.saturating_sub(before.at_ms);
                let gap = ms > i64::from(self.settings.gap_ms);
                self.step_ms = if gap { 0 } else { ms };
                if let Some(odometer) = self.odometer.as_mut().filter(|_| gap) {
                    odometer.gap = true;
                }
                step_m(f64::midpoint(before.value, kmh), self.step_ms)
            }
            None => {
                self.step_ms = 0;
                0.0
            }
        };
        self.speed = Some(Reading { at_ms, value: kmh });
        if let Some(odometer) = &mut self.odometer {
            odometer.driven_m += driven_m;
        }
        if let Some(trip) = &mut self.trip {
            trip.distance_m = (trip.distance_m + driven_m).max(0.0);
            trip.speed_max = trip.speed_max.max(kmh);
        }
    }

    fn brake(&mut self, at_ms: i64, kmh: f64, events: &mut Vec<DriveEvent>) {
        let Some(mps2) = self.slope.at(at_ms, kmh / KMH_PER_MPS, i64::from(self.settings.span_ms).max(1)) else {
            return;
        };
        let merge_ms = i64::from(self.settings.merge_ms);
        let DriveSettings { braking_mps2, acceleration_mps2, .. } = self.settings;
        let trip = &mut self.trip;
        self.braking.at(at_ms, -mps2, braking_mps2, merge_ms, |turn| tell(Manoeuvre::Braking, turn, trip, events));
        self.acceleration
            .at(at_ms, mps2, acceleration_mps2, merge_ms, |turn| tell(Manoeuvre::Acceleration, turn, trip, events));
    }

    fn corner(&mut self, at_ms: i64, peak_g: Option<f64>, events: &mut Vec<DriveEvent>) {
        let Some(peak_g) = peak_g.filter(|peak_g| peak_g.abs() <= 16.0) else { return };
        let rolls = self.speed.is_some_and(|speed| speed.value >= CORNERING_KMH);
        let mps2 = if rolls { peak_g.abs() * GRAVITY } else { 0.0 };
        let (threshold, merge_ms) = (self.settings.cornering_mps2, i64::from(self.settings.merge_ms));
        let trip = &mut self.trip;
        self.cornering.at(at_ms, mps2, threshold, merge_ms, |turn| tell(Manoeuvre::Cornering, turn, trip, events));
    }

    fn burn(&mut self, at_ms: i64, sample: &Sample) {
        let by_air = || sound(sample.air_flow, 2000.0).map(|air| self.settings.fuel.litres_an_hour(air));
        let Some(value) = sound(sample.fuel_rate, 4000.0).or_else(by_air) else { return };
        let before = self.fuel.replace(Reading { at_ms, value });
        let (Some(before), Some(trip)) = (before, &mut self.trip) else { return };
        let ms = at_ms.saturating_sub(before.at_ms);
        if ms <= i64::from(self.settings.gap_ms) {
            let litres = f64::midpoint(before.value, value) * (ms as f64 / 3_600_000.0);
            trip.fuel_l = Some(trip.fuel_l.unwrap_or(0.0) + litres);
        }
    }

    /// Adds what the odometer counted while no speed was heard.
    fn bridge(&mut self, at_ms: i64, km: Option<f64>) {
        let Some(km) = sound(km, 1e8) else { return };
        let before = self.odometer.replace(Odometer { km, at_ms, driven_m: 0.0, gap: false });
        let (Some(before), Some(trip)) = (before, &mut self.trip) else { return };
        let missing_m = (km - before.km) * 1000.0 - before.driven_m;
        let possible_m = at_ms.saturating_sub(before.at_ms) as f64 / 1000.0 * BRIDGED_MPS_MAX;
        if before.gap && missing_m > 0.0 && missing_m <= possible_m {
            trip.distance_m += missing_m;
        }
    }

    fn end(&mut self, at_ms: Option<i64>, events: &mut Vec<DriveEvent>) {
        let trip = &mut self.trip;
        self.braking.close(|turn| tell(Manoeuvre::Braking, turn, trip, events));
        self.acceleration.close(|turn| tell(Manoeuvre::Acceleration, turn, trip, events));
        self.cornering.close(|turn| tell(Manoeuvre::Cornering, turn, trip, events));
        self.slope.clear();
        (self.speed, self.fuel) = (None, None);
        if let Some(mut trip) = self.trip.take().filter(Trip::moved) {
            trip.to_ms = at_ms.map_or(trip.to_ms, |at_ms| at_ms.max(trip.to_ms));
            self.ended = Some(trip);
            events.push(DriveEvent::TripEnded(trip));
        }
    }

    fn count_codes(&mut self, at_ms: i64, count: Option<f64>, events: &mut Vec<DriveEvent>) {
        let Some(count) = sound(count, 127.0) else { return };
        self.dtc_count = Some(count as u8);
        if count == 0.0 {
            events.extend(self.clear_codes(None, at_ms, at_ms));
        }
    }

    fn clear_codes(&mut self, which: Option<Code>, at_ms: i64, before_ms: i64) -> Vec<DriveEvent> {
        let gone = self.codes.clear(which, before_ms);
        gone.into_iter().map(|code| DriveEvent::CodeCleared { code, at_ms }).collect()
    }
}

fn tell(what: Manoeuvre, turn: Turn, trip: &mut Option<Trip>, events: &mut Vec<DriveEvent>) {
    match turn {
        Turn::Began { at_ms, mps2 } => {
            if let Some(trip) = trip {
                trip.count(what);
            }
            events.push(DriveEvent::HarshBegan { what, at_ms, mps2 });
        }
        Turn::Ended { from_ms, to_ms, peak_mps2 } => {
            events.push(DriveEvent::HarshEnded { what, from_ms, to_ms, peak_mps2 });
        }
    }
}
