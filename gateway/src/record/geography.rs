//! Zones on the map and where devices are bound for: configuration that travels in the log, whole, so that the same log
//! gives the same halos wherever it is read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Name;

/// Degrees east and degrees north, in units of [`Geography::UNIT_DEG`]: 1 cm or less.
pub type Corner = [i32; 2];

/// What is known of the map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Geography {
    /// In the order of their file; no two of one name.
    pub zones: Arc<[Zone]>,
    /// Who is inside a zone for this long has entered it, milliseconds.
    pub enter_after_ms: u32,
    /// Who is outside for this long has left it, milliseconds.
    pub leave_after_ms: u32,
    /// Who is within this of a zone's edge has not left it, metres.
    pub margin_m: u32,
    /// At most one of a device or a subject.
    pub destinations: Vec<Destination>,
}

impl Geography {
    /// Of corners, degrees.
    pub const UNIT_DEG: f64 = 1e-7;

    /// Whether there is nothing on the map.
    pub fn is_empty(&self) -> bool {
        self.zones.is_empty() && self.destinations.is_empty()
    }
}

impl Default for Geography {
    fn default() -> Self {
        Self {
            zones: Arc::from([]),
            enter_after_ms: 20_000,
            leave_after_ms: 60_000,
            margin_m: 25,
            destinations: Vec::new(),
        }
    }
}

/// A named part of the map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Zone {
    /// Unlike any other's.
    pub name: Name,
    /// What it is, in whoever's words drew it.
    pub kind: Option<Name>,
    /// Where it is.
    pub area: Area,
    /// Readers that stand in it, of a circle in its centre: a band held against one is there.
    pub readers: Vec<u16>,
}

/// Where a zone is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Area {
    /// The union of polygons. Of each the outline, then the holes in it; every ring ends with its first corner.
    Polygons(Vec<Vec<Vec<Corner>>>),
    /// Everything near enough to a place.
    Circle {
        /// That place.
        centre: Corner,
        /// Metres on the ground, above 0.
        radius_m: f64,
    },
}

/// Where a parcel is bound for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Destination {
    /// Which one, or whose.
    pub of: Traveller,
    /// Where to.
    pub to: Goal,
}

/// Who is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Traveller {
    /// One tracker.
    Device(Name),
    /// Every tracker that feeds one subject.
    Subject(Name),
}

/// Where a way ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Goal {
    /// At a place.
    Place(Corner),
    /// In the zone of that name.
    Zone(Name),
}
