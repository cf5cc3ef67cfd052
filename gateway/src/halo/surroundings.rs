//! What the configuration in force says of the map, made ready for look-ups; no part of the state.

use std::collections::BTreeMap;

use super::derive::{Goal, Position, Waits, Zones};
use super::kinds::Kinds;
use crate::record::{self, Geography, Name, Offset, Traveller};

/// Who is within this of where a parcel is bound for has arrived, m; of a zone it is its edge, if that is further.
const ARRIVED_M: f64 = 100.0;

/// What a frame is folded in.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) map: &'a Surroundings,
    /// What is derived of which device.
    pub(super) kinds: &'a Kinds,
    /// The gateway's clock, Unix ms. Not the frame's arrival: a quarantined frame is read again long after it came.
    pub(super) now_ms: i64,
    /// How far the subject's days are ahead of UTC.
    pub(super) shift_ms: i64,
    /// The record that is applied.
    pub(super) offset: Offset,
}

/// Zones and destinations.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    zones: Zones,
    of_devices: BTreeMap<Name, Goal>,
    of_subjects: BTreeMap<Name, Goal>,
}

impl Surroundings {
    pub(super) fn of(geography: &Geography) -> Self {
        let waits = Waits {
            enter_after_ms: geography.enter_after_ms.into(),
            leave_after_ms: geography.leave_after_ms.into(),
            margin_m: geography.margin_m.into(),
        };
        let mut all = Self { zones: Zones::of(&geography.zones, waits), ..Self::default() };
        for destination in &geography.destinations {
            let Some(goal) = goal(&destination.to, &all.zones) else { continue };
            match &destination.of {
                Traveller::Device(name) => all.of_devices.insert(name.clone(), goal),
                Traveller::Subject(name) => all.of_subjects.insert(name.clone(), goal),
            };
        }
        all
    }

    pub(super) fn zones(&self) -> &Zones {
        &self.zones
    }

    /// Where a device that feeds a subject is bound for.
    pub(super) fn goal(&self, device: &str, subject: &str) -> Option<Goal> {
        self.of_devices.get(device).or_else(|| self.of_subjects.get(subject)).copied()
    }
}

fn goal(to: &record::Goal, zones: &Zones) -> Option<Goal> {
    match to {
        record::Goal::Place([east, north]) => {
            let [longitude, latitude] = [east, north].map(|units| f64::from(*units) * Geography::UNIT_DEG);
            Some(Goal { place: Position::on_earth(latitude, longitude), within_m: ARRIVED_M })
        }
        record::Goal::Zone(name) => {
            let zone = zones.named(name)?;
            Some(Goal { place: zone.middle(), within_m: zone.radius_m().max(ARRIVED_M) })
        }
    }
}
