//! The fold: fixes in, zones entered and left out.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::super::earth::Position;
use super::super::value::{Derived, Value};
use super::index::{Zone, ZoneId, Zones};

/// Most zones one subject is in at a time; the innermost count.
pub const STAYS_MAX: usize = 16;
/// Past visits kept, the newest.
pub const VISITS_MAX: usize = 16;
/// Most bytes of a state in a checkpoint: the stays and visits, each with a name of 64 bytes.
pub const STATE_BYTES_MAX: usize = 4096;
/// A clock that goes back further than this was set; the gateway's own lateness.
const SET_BACK_MS: i64 = 15 * 60 * 1000;

/// Hysteresis of zones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ZoneSettings {
    /// Who is inside for this long has entered, ms. Default 20000; 0 enters with the first fix.
    pub enter_after_ms: u32,
    /// Who is outside for this long has left, ms. Default 60000; 0 leaves with the first fix.
    pub leave_after_ms: u32,
    /// Within this of the edge nobody is outside, m. Default 25: what a receiver wanders between houses.
    pub margin_m: f64,
}

impl Default for ZoneSettings {
    fn default() -> Self {
        Self { enter_after_ms: 20_000, leave_after_ms: 60_000, margin_m: 25.0 }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum ZoneEvent {
    /// It is inside.
    Entered {
        /// Name of the zone.
        zone: Box<str>,
        /// First fix inside, Unix ms.
        at_ms: i64,
    },
    /// It is inside no more.
    Left(Visit),
}

/// A time in a zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Visit {
    /// Name of the zone.
    pub zone: Box<str>,
    /// First fix inside, Unix ms.
    pub from_ms: i64,
    /// Last fix inside, Unix ms.
    pub until_ms: i64,
}

/// Where it is, in the words of the zones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place<'a> {
    /// Name of the innermost zone.
    pub zone: &'a str,
    /// Since when, Unix ms.
    pub since_ms: i64,
}

/// Zones one subject is in and was in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Places {
    settings: ZoneSettings,
    newest_ms: Option<i64>,
    late: u64,
    /// In the order they were come into.
    stays: Vec<Stay>,
    visits: VecDeque<Visit>,
}

/// A zone that was come into, whether or not for long enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stay {
    visit: Visit,
    area_m2: f64,
    entered: bool,
    /// Since when it is outside, beyond the margin.
    outside_ms: Option<i64>,
}

impl Places {
    /// Nothing known.
    pub fn new(settings: &ZoneSettings) -> Self {
        Self { settings: settings.clone(), newest_ms: None, late: 0, stays: Vec::new(), visits: VecDeque::new() }
    }

    /// Takes where it is, in degrees, at a time in Unix ms. What is no place is ignored, what comes late is counted.
    pub fn fix(&mut self, zones: &Zones, at_ms: i64, latitude: f64, longitude: f64) -> Vec<ZoneEvent> {
        let mut events = Vec::new();
        let Some(place) = Position::new(latitude, longitude) else { return events };
        if let Some(newest_ms) = self.newest_ms.filter(|newest_ms| at_ms < *newest_ms) {
            if newest_ms.saturating_sub(at_ms) <= SET_BACK_MS {
                self.late = self.late.saturating_add(1);
                return events;
            }
            self.leave_where(|_| true, &mut events);
        }
        self.newest_ms = Some(at_ms);
        let inside = zones.at(place);
        self.stay(zones, at_ms, place, &inside);
        let leave_after_ms = i64::from(self.settings.leave_after_ms);
        let gone = |stay: &Stay| {
            stay.outside_ms.is_some_and(|since_ms| !stay.entered || at_ms.saturating_sub(since_ms) >= leave_after_ms)
        };
        self.leave_where(gone, &mut events);
        self.come(zones, at_ms, &inside);
        self.enter(&mut events);
        events
    }

    /// The innermost zone it has entered.
    pub fn place(&self) -> Option<Place<'_>> {
        let entered = self.stays.iter().filter(|stay| stay.entered);
        let inner =
            entered.min_by(|a, b| a.area_m2.total_cmp(&b.area_m2).then_with(|| a.visit.zone.cmp(&b.visit.zone)))?;
        Some(Place { zone: &inner.visit.zone, since_ms: inner.visit.from_ms })
    }

    /// The zones it has entered and not left, in the order it came into them.
    pub fn inside(&self) -> impl Iterator<Item = &Visit> {
        self.stays.iter().filter(|stay| stay.entered).map(|stay| &stay.visit)
    }

    /// The last visits that ended, the oldest first.
    pub fn visits(&self) -> impl ExactSizeIterator<Item = &Visit> {
        self.visits.iter()
    }

    /// How many fixes came too late to count.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// What is known now; the name of the place is [`Places::place`]'s.
    pub fn values(&self, out: &mut Vec<Derived>) {
        let mut say = |name, value, unit| {
            let value = Value::Number(value);
            out.push(Derived { name, value, unit, window_s: None, confidence: None, low: None, high: None });
        };
        if let Some(place) = self.place() {
            say("place.since", place.since_ms as f64, "ms");
            say("place.zones", self.inside().count() as f64, "{zones}");
        }
    }

    /// Notes which of the zones it came into it is still in.
    fn stay(&mut self, zones: &Zones, at_ms: i64, place: Position, inside: &[ZoneId]) {
        for stay in &mut self.stays {
            let known = zones.named(&stay.visit.zone);
            let is_inside = known.is_some_and(|(id, _)| inside.contains(&id));
            let near = |(_, zone): (ZoneId, &Zone)| zone.distance_m(place) <= self.settings.margin_m;
            if is_inside {
                (stay.visit.until_ms, stay.outside_ms) = (at_ms, None);
            } else if stay.entered && known.is_some_and(near) {
                stay.outside_ms = None;
            } else if known.is_none() {
                // Its zone is no more: it has been outside for ever.
                stay.outside_ms = Some(i64::MIN);
            } else {
                stay.outside_ms.get_or_insert(at_ms);
            }
        }
    }

    fn come(&mut self, zones: &Zones, at_ms: i64, inside: &[ZoneId]) {
        for zone in inside.iter().take(STAYS_MAX).filter_map(|id| zones.get(*id)) {
            let known = self.stays.iter().any(|stay| stay.visit.zone == zone.name);
            if !known && self.stays.len() < STAYS_MAX {
                let visit = Visit { zone: zone.name.clone(), from_ms: at_ms, until_ms: at_ms };
                self.stays.push(Stay { visit, area_m2: zone.area_m2, entered: false, outside_ms: None });
            }
        }
    }

    fn enter(&mut self, events: &mut Vec<ZoneEvent>) {
        let enter_after_ms = i64::from(self.settings.enter_after_ms);
        for stay in self.stays.iter_mut().filter(|stay| !stay.entered) {
            let Visit { zone, from_ms, until_ms } = &stay.visit;
            if until_ms.saturating_sub(*from_ms) >= enter_after_ms {
                stay.entered = true;
                events.push(ZoneEvent::Entered { zone: zone.clone(), at_ms: *from_ms });
            }
        }
    }

    fn leave_where(&mut self, gone: impl Fn(&Stay) -> bool, events: &mut Vec<ZoneEvent>) {
        for stay in self.stays.extract_if(.., |stay| gone(stay)).filter(|stay| stay.entered) {
            if self.visits.len() == VISITS_MAX {
                self.visits.pop_front();
            }
            self.visits.push_back(stay.visit.clone());
            events.push(ZoneEvent::Left(stay.visit));
        }
    }
}
