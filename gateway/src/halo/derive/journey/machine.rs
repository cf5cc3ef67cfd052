//! The fold: fixes, shocks and temperatures in, a journey out.

use serde::{Deserialize, Serialize};

use super::super::earth::Position;
use super::super::order::is_ahead;
use super::super::value::{Derived, Value};
use super::arrival::{Arrival, Goal};
use super::excursion::{Change as Crossing, Excursion, Watch};
use super::settings::JourneySettings;
use super::stops::{Change as Rested, Rest, Stop};

/// GPS began on 6 January 1980: an earlier time is a broken clock's. Devices that start at 1901 (the least 32-bit time)
/// exist.
const GPS_BEGAN_MS: i64 = 315_964_800_000;
/// A speed above this is a jump of the receiver, m/s.
const SPEED_MAX: f64 = 350.0;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum JourneyEvent {
    /// It has stood for long enough to say so.
    Stopped {
        /// Unix ms: when it came.
        from_ms: i64,
        /// Where.
        place: Position,
    },
    /// It left where it stood.
    Departed(Stop),
    /// It came near enough to its destination.
    Arrived {
        /// Unix ms.
        at_ms: i64,
    },
    /// A value left its allowed range.
    ExcursionBegan {
        /// Which.
        what: Excursion,
        /// Unix ms.
        at_ms: i64,
        /// g or °C.
        value: f64,
    },
    /// It came back.
    ExcursionEnded {
        /// Which.
        what: Excursion,
        /// Unix ms.
        from_ms: i64,
        /// When it was worst, Unix ms.
        peak_ms: i64,
        /// The worst value, g or °C.
        peak: f64,
        /// The first reading inside, Unix ms.
        to_ms: i64,
    },
}

/// One parcel's journey.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Journey {
    settings: JourneySettings,
    fixes: u64,
    pub(super) late: u64,
    pub(super) distance_m: f64,
    pub(super) travelled_m: f64,
    standing_ms: i64,
    stops: u32,
    pub(super) speed_mps: Option<f64>,
    /// The last fix of this stretch, with its time where it had one.
    last: Option<(Position, Option<i64>)>,
    newest_ms: Option<i64>,
    /// The last fix that counted for the travelled way.
    counted: Option<Position>,
    rest: Rest,
    arrival: Option<Box<Arrival>>,
    shock: Watch,
    warm: Watch,
    cold: Watch,
    shock_ms: Option<i64>,
    temperature_ms: Option<i64>,
    excursions: u32,
}

impl Journey {
    /// Nothing known.
    pub(crate) fn new(settings: &JourneySettings) -> Self {
        Self {
            settings: settings.clone(),
            fixes: 0,
            late: 0,
            distance_m: 0.0,
            travelled_m: 0.0,
            standing_ms: 0,
            stops: 0,
            speed_mps: None,
            last: None,
            newest_ms: None,
            counted: None,
            rest: Rest::default(),
            arrival: None,
            shock: Watch::new(Excursion::Shock),
            warm: Watch::new(Excursion::Warm),
            cold: Watch::new(Excursion::Cold),
            shock_ms: None,
            temperature_ms: None,
            excursions: 0,
        }
    }

    /// Judges by these from now on.
    pub(crate) fn configure(&mut self, settings: &JourneySettings) {
        self.settings = settings.clone();
    }

    /// The gateway's clock stands at `now_ms`. What was dated far beyond it, before the clock was set back, is no longer the
    /// newest: time begins anew, and the way goes on.
    pub(crate) fn arrived(&mut self, now_ms: i64) {
        if is_ahead(self.newest_ms, now_ms) {
            (self.newest_ms, self.rest) = (None, Rest::default());
            if let Some(arrival) = &mut self.arrival {
                **arrival = arrival.anew();
            }
        }
        for newest_ms in [&mut self.shock_ms, &mut self.temperature_ms] {
            *newest_ms = newest_ms.filter(|_| !is_ahead(*newest_ms, now_ms));
        }
    }

    /// Takes where it is, in degrees, at a time in Unix ms where there is one. What is no place is ignored.
    pub(crate) fn fix(&mut self, at_ms: Option<i64>, latitude: f64, longitude: f64) -> Vec<JourneyEvent> {
        let mut events = Vec::new();
        let Some(place) = Position::new(latitude, longitude) else { return events };
        let at_ms = at_ms.filter(|at_ms| *at_ms >= GPS_BEGAN_MS);
        if self.is_late(at_ms) {
            self.late = self.late.saturating_add(1);
            return events;
        }
        self.fixes = self.fixes.saturating_add(1);
        let step_m = self.last.map_or(0.0, |(last, _)| last.distance_m(place));
        self.distance_m += step_m;
        self.speed_mps = self.speed(at_ms, step_m);
        self.last = Some((place, at_ms));
        if let Some(at_ms) = at_ms {
            self.newest_ms = Some(at_ms);
            self.stand(at_ms, place, &mut events);
        }
        let way_m = self.travel(place);
        if let (Some(at_ms), Some(arrival)) = (at_ms, &mut self.arrival)
            && arrival.at(at_ms, place, way_m, f64::from(self.settings.pace_ms))
        {
            events.push(JourneyEvent::Arrived { at_ms });
        }
        events
    }

    /// Where it goes, or that this is not known; what was learnt of the way to another destination is forgotten.
    pub(crate) fn bound_for(&mut self, goal: Option<Goal>) {
        if self.arrival.as_ref().map(|arrival| arrival.goal()) != goal {
            self.arrival = goal.map(|goal| Box::new(Arrival::new(goal)));
        }
    }

    /// Bytes it has allocated.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.arrival.as_ref().map_or(0, |arrival| size_of::<Arrival>() + arrival.heap_bytes())
    }

    /// Takes a shock in g at a time in Unix ms.
    pub(crate) fn shock(&mut self, at_ms: i64, g: f64) -> Option<JourneyEvent> {
        if !g.is_finite() || !newer(&mut self.shock_ms, at_ms) {
            return None;
        }
        let begin = self.settings.shock_g;
        self.cross(Excursion::Shock, at_ms, g, begin, begin / 2.0)
    }

    /// Takes a temperature in °C at a time in Unix ms; from one to the next it may leave the range at one end and come
    /// back at the other.
    pub(crate) fn temperature(&mut self, at_ms: i64, cel: f64) -> Vec<JourneyEvent> {
        if !cel.is_finite() || !newer(&mut self.temperature_ms, at_ms) {
            return Vec::new();
        }
        let JourneySettings { warmest_cel, coldest_cel, margin_cel, .. } = self.settings;
        let warm = self.cross(Excursion::Warm, at_ms, cel, warmest_cel.next_up(), warmest_cel - margin_cel);
        let cold = self.cross(Excursion::Cold, at_ms, cel, coldest_cel.next_down(), coldest_cel + margin_cel);
        warm.into_iter().chain(cold).collect()
    }

    /// What is known now.
    pub(crate) fn values(&self, out: &mut Vec<Derived>) {
        let mut say = |name, value, unit| {
            out.push(Derived::plain(name, value, unit));
        };
        if self.fixes > 0 {
            say("journey.distance", Value::Number(self.distance_m), "m");
            say("journey.travelled", Value::Number(self.travelled_m), "m");
        }
        if let Some(speed) = self.speed_mps {
            say("journey.speed", Value::Number(speed), "m/s");
        }
        if self.newest_ms.is_some() {
            let standing = self.rest.standing();
            let state = if standing.is_some() { "standing" } else { "moving" };
            let stood_ms = standing.map_or(0, |stop| stop.to_ms.saturating_sub(stop.from_ms));
            let stood_ms = self.standing_ms.saturating_add(stood_ms);
            say("journey.state", Value::Text(state), "");
            say("journey.stops", Value::Number(f64::from(self.stops)), "{stops}");
            say("journey.standing", Value::Number(stood_ms as f64 / 1000.0), "s");
        }
        if let Some(arrival) = &self.arrival {
            arrival.values(out);
        }
        let mut say = |name, value, unit| {
            out.push(Derived::plain(name, value, unit));
        };
        if self.shock_ms.is_some() || self.temperature_ms.is_some() {
            let open = [(Excursion::Shock, &self.shock), (Excursion::Warm, &self.warm), (Excursion::Cold, &self.cold)];
            let open = open.into_iter().filter(|(_, watch)| watch.is_open()).map(|(what, _)| what.name()).collect();
            say("journey.excursions", Value::Number(f64::from(self.excursions)), "{events}");
            say("journey.excursion", Value::List(open), "");
        }
    }

    fn is_late(&self, at_ms: Option<i64>) -> bool {
        self.newest_ms.zip(at_ms).is_some_and(|(newest_ms, at_ms)| at_ms < newest_ms)
    }

    fn speed(&self, at_ms: Option<i64>, step_m: f64) -> Option<f64> {
        let (_, last_ms) = self.last?;
        let ms = at_ms?.saturating_sub(last_ms?);
        let speed = step_m / (ms as f64 / 1000.0);
        ((1..=i64::from(self.settings.gap_ms)).contains(&ms) && speed <= SPEED_MAX).then_some(speed)
    }

    fn stand(&mut self, at_ms: i64, place: Position, events: &mut Vec<JourneyEvent>) {
        let was_standing = self.rest.standing().is_some();
        match self.rest.at(at_ms, place, &self.settings) {
            Some(Rested::Stood(stop)) if !was_standing => {
                self.stops = self.stops.saturating_add(1);
                events.push(JourneyEvent::Stopped { from_ms: stop.from_ms, place: stop.place });
            }
            Some(Rested::Left(stop)) => {
                self.standing_ms = self.standing_ms.saturating_add(stop.to_ms.saturating_sub(stop.from_ms));
                events.push(JourneyEvent::Departed(stop));
            }
            _ => {}
        }
    }

    /// Metres that count since the last fix that counted.
    fn travel(&mut self, place: Position) -> f64 {
        let counted = *self.counted.get_or_insert(place);
        let way_m = counted.distance_m(place);
        if self.rest.standing().is_some() || way_m < self.settings.noise_m {
            return 0.0;
        }
        self.counted = Some(place);
        self.travelled_m += way_m;
        way_m
    }

    fn cross(&mut self, what: Excursion, at_ms: i64, value: f64, begin: f64, end: f64) -> Option<JourneyEvent> {
        let watch = match what {
            Excursion::Shock => &mut self.shock,
            Excursion::Warm => &mut self.warm,
            Excursion::Cold => &mut self.cold,
        };
        Some(match watch.at(at_ms, value, begin, end)? {
            Crossing::Began => {
                self.excursions = self.excursions.saturating_add(1);
                JourneyEvent::ExcursionBegan { what, at_ms, value }
            }
            Crossing::Ended(span) => JourneyEvent::ExcursionEnded {
                what,
                from_ms: span.from_ms,
                peak_ms: span.peak_ms,
                peak: span.peak,
                to_ms: span.to_ms,
            },
        })
    }
}

/// Whether a reading is not older than the newest of its kind.
fn newer(newest_ms: &mut Option<i64>, at_ms: i64) -> bool {
    let newer = newest_ms.is_none_or(|newest_ms| at_ms >= newest_ms);
    if newer {
        *newest_ms = Some(at_ms);
    }
    newer
}
