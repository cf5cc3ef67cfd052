//! The parts of a halo's `context` that are derived: the place, the trip under way, and what happened.

use serde::Serialize;

use super::json::{Number, Time};
use crate::halo::{Happening, Subject};

#[derive(Serialize)]
pub(super) struct PlaceJson<'a> {
    lat: Option<Number>,
    lon: Option<Number>,
    zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zones: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reader: Option<u16>,
    time: Time,
    device: &'a str,
}

impl<'a> PlaceJson<'a> {
    /// None before a device has told where it is.
    pub(super) fn of(subject: &'a Subject) -> Option<Self> {
        let whereabouts = subject.whereabouts()?;
        let (spot, inside) = (whereabouts.spot()?, whereabouts.inside());
        let degrees = |degrees: f64| Number((degrees * 1e7).round() / 1e7);
        let innermost = inside.first();
        Some(Self {
            lat: spot.position.map(|position| degrees(position.latitude())),
            lon: spot.position.map(|position| degrees(position.longitude())),
            zone: innermost.map(|stay| &*stay.zone),
            kind: innermost.and_then(|stay| stay.kind.as_deref()),
            since: innermost.map(|stay| Time(stay.from_ms)),
            zones: Some(inside.iter().map(|stay| &*stay.zone).collect()).filter(|zones: &Vec<_>| zones.len() > 1),
            reader: spot.reader,
            time: Time(spot.at_ms),
            device: &spot.device,
        })
    }
}

#[derive(Serialize)]
pub(super) struct TripJson<'a> {
    device: &'a str,
    from: Time,
    to: Time,
    distance_m: Number,
    duration_s: Number,
    idle_s: Number,
}

impl<'a> TripJson<'a> {
    /// None while no car of the subject is on a trip.
    pub(super) fn of(subject: &'a Subject) -> Option<Self> {
        let (device, trip) = subject.trip()?;
        Some(Self {
            device,
            from: Time(trip.from_ms),
            to: Time(trip.to_ms),
            distance_m: Number(trip.distance_m),
            duration_s: Number(trip.duration_ms() as f64 / 1000.0),
            idle_s: Number(trip.idle_ms as f64 / 1000.0),
        })
    }
}

#[derive(Serialize)]
pub(super) struct HappenedJson<'a> {
    time: Time,
    device: &'a str,
    source: &'static str,
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
}

impl<'a> HappenedJson<'a> {
    pub(super) fn new(happening: &'a Happening) -> Self {
        let (value, unit) = happening.value().unzip();
        Self {
            time: Time(happening.event_ms),
            device: &happening.device,
            source: "derived",
            name: happening.name(),
            zone: happening.zone(),
            detail: happening.detail(),
            value: value.map(Number),
            unit,
        }
    }
}
