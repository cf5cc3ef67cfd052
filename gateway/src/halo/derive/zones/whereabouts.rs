//! The fold: fixes in, the place and zones entered and left out.

use serde::{Deserialize, Serialize};

use super::super::earth::Position;
use super::super::order::Order;
use super::super::row::{Field, Row};
use super::index::{Waits, Zone, Zones};
use crate::record::Name;

/// Most zones one subject is in at a time; the innermost count.
pub(super) const STAYS_MAX: usize = 16;
/// Another device speaks for the subject once nothing was heard of the one before for this long, ms.
const HANDOVER_MS: i64 = 5 * 60_000;

/// A position a device told of; only what is there is used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Fix {
    /// Degrees north.
    pub(crate) latitude: Option<f64>,
    /// Degrees east.
    pub(crate) longitude: Option<f64>,
}

impl Row for Fix {
    /// By registered name, in the registry's unit.
    fn field(signal: &str) -> Option<Field<Self>> {
        let field: Field<Self> = match signal {
            "latitude" => |row| &mut row.latitude,
            "longitude" => |row| &mut row.longitude,
            _ => return None,
        };
        Some(field)
    }
}

/// Where a subject was last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spot {
    /// Unix milliseconds, corrected.
    pub(crate) at_ms: i64,
    /// Who told.
    pub(crate) device: Name,
    /// None of a reader that is on no map.
    pub(crate) position: Option<Position>,
    /// The reader a band was held against, where that is how the place is known.
    pub(crate) reader: Option<u16>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Crossing {
    /// It is inside, since the first fix there.
    Entered { zone: Name, at_ms: i64 },
    /// It is inside no more, since after the last fix there.
    Left { zone: Name, at_ms: i64 },
}

/// Where one subject is, and the zones it is in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Whereabouts {
    order: Order,
    spot: Option<Spot>,
    /// In the order they were come into.
    stays: Vec<Stay>,
}

/// A zone that was come into, whether or not for long enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stay {
    pub(crate) zone: Name,
    pub(crate) kind: Option<Name>,
    /// The first fix inside.
    pub(crate) from_ms: i64,
    /// The last one.
    until_ms: i64,
    area_m2: f64,
    entered: bool,
    /// Since when it is outside, beyond the margin.
    outside_ms: Option<i64>,
}

impl Whereabouts {
    /// The gateway's clock stands at `now_ms`. What was dated far beyond it, before the clock was set back, is forgotten.
    pub(crate) fn arrived(&mut self, now_ms: i64) {
        if self.order.is_ahead_of(now_ms) {
            *self = Self::default();
        }
    }

    /// Takes where a device is, in degrees, at a time in Unix ms. What is no place is ignored, and what is late.
    pub(crate) fn fix(
        &mut self,
        zones: &Zones,
        device: &Name,
        at_ms: i64,
        latitude: f64,
        longitude: f64,
    ) -> Vec<Crossing> {
        let mut crossed = Vec::new();
        let Some(position) = Position::new(latitude, longitude) else { return crossed };
        if !self.speaks(device, at_ms) || !self.order.admits(at_ms) {
            return crossed;
        }
        self.spot = Some(Spot { at_ms, device: device.clone(), position: Some(position), reader: None });
        self.look(zones, at_ms, position, zones.waits, &mut crossed);
        crossed
    }

    /// A band was held against a reader: nothing is more certain, and no other device has a say in it. Where the map has
    /// no such reader, the zones it is in do not change.
    pub(crate) fn tap(&mut self, zones: &Zones, device: &Name, at_ms: i64, reader: u16) -> Vec<Crossing> {
        let mut crossed = Vec::new();
        if !self.order.admits(at_ms) {
            return crossed;
        }
        let position = zones.of_reader(reader);
        self.spot = Some(Spot { at_ms, device: device.clone(), position, reader: Some(reader) });
        if let Some(position) = position {
            self.look(zones, at_ms, position, Waits::default(), &mut crossed);
        }
        crossed
    }

    /// Where it was last.
    pub(crate) fn spot(&self) -> Option<&Spot> {
        self.spot.as_ref()
    }

    /// The zones it has entered and not left, the innermost first.
    pub(crate) fn inside(&self) -> Vec<&Stay> {
        let mut inside: Vec<&Stay> = self.stays.iter().filter(|stay| stay.entered).collect();
        inside.sort_by(|a, b| a.area_m2.total_cmp(&b.area_m2).then_with(|| a.zone.cmp(&b.zone)));
        inside
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.stays.len() <= STAYS_MAX
    }

    /// Replaces names by shared ones.
    pub(crate) fn intern(&mut self, mut shared: impl FnMut(&Name) -> Name) {
        self.spot.iter_mut().for_each(|spot| spot.device = shared(&spot.device));
        self.stays.iter_mut().for_each(|stay| {
            stay.zone = shared(&stay.zone);
            stay.kind = stay.kind.as_ref().map(&mut shared);
        });
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.stays.capacity() * size_of::<Stay>()
    }

    /// Whether a device speaks for the subject by now.
    fn speaks(&self, device: &Name, at_ms: i64) -> bool {
        let spoke = self.spot.as_ref().filter(|spot| spot.device != *device);
        spoke.is_none_or(|spot| at_ms.saturating_sub(spot.at_ms) > HANDOVER_MS)
    }

    fn look(&mut self, zones: &Zones, at_ms: i64, position: Position, waits: Waits, crossed: &mut Vec<Crossing>) {
        let Waits { enter_after_ms, leave_after_ms, margin_m } = waits;
        let inside = zones.at(position);
        self.stay(zones, at_ms, position, &inside, margin_m);
        let gone = |stay: &Stay| {
            let out = |since_ms| !stay.entered || at_ms.saturating_sub(since_ms) >= leave_after_ms;
            stay.outside_ms.is_some_and(out)
        };
        let left = self.stays.extract_if(.., |stay| gone(stay)).filter(|stay| stay.entered);
        crossed.extend(left.map(|stay| Crossing::Left { zone: stay.zone, at_ms: stay.until_ms }));
        self.come(at_ms, &inside);
        for stay in self.stays.iter_mut().filter(|stay| !stay.entered) {
            if stay.until_ms.saturating_sub(stay.from_ms) >= enter_after_ms {
                stay.entered = true;
                crossed.push(Crossing::Entered { zone: stay.zone.clone(), at_ms: stay.from_ms });
            }
        }
    }

    /// Notes which of the zones it came into it is still in.
    fn stay(&mut self, zones: &Zones, at_ms: i64, position: Position, inside: &[&Zone], margin_m: f64) {
        for stay in &mut self.stays {
            let known = zones.named(&stay.zone);
            if let Some(zone) = inside.iter().find(|zone| zone.name == stay.zone) {
                (stay.until_ms, stay.outside_ms) = (at_ms, None);
                stay.kind = zone.kind.clone();
            } else if known.is_none() {
                // Its zone is no more: it has been outside for ever.
                stay.outside_ms = Some(i64::MIN);
            } else if stay.entered && known.is_some_and(|zone| zone.distance_m(position) <= margin_m) {
                stay.outside_ms = None;
            } else {
                stay.outside_ms.get_or_insert(at_ms);
            }
        }
    }

    fn come(&mut self, at_ms: i64, inside: &[&Zone]) {
        for zone in inside.iter().take(STAYS_MAX) {
            let known = self.stays.iter().any(|stay| stay.zone == zone.name);
            if !known && self.stays.len() < STAYS_MAX {
                self.stays.reserve_exact(1);
                self.stays.push(Stay {
                    zone: zone.name.clone(),
                    kind: zone.kind.clone(),
                    from_ms: at_ms,
                    until_ms: at_ms,
                    area_m2: zone.area_m2,
                    entered: false,
                    outside_ms: None,
                });
            }
        }
    }
}
