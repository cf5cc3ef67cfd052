//! Geofences: zones from GeoJSON, and when a subject enters and leaves them.
//!
//! In: a FeatureCollection, once; then fixes. Out: zones entered and left, the place (the innermost zone), past visits.
//!
//! * [`Zones`] is configuration: checked when it is read, indexed by an R-tree, never part of the state. A fix asks the
//!   tree for the boxes it is in, and only those zones for their shapes.
//! * [`Places`] is the state of one subject. It knows zones by name, so that a changed configuration takes over: a zone
//!   that is gone is left when its absence is noticed.
//! * A zone is entered after a time inside and left after a time further outside than a margin; the event has the time
//!   of the first, or the last, fix inside.
//! * Edges are straight in longitude and latitude, as RFC 7946 has them. What crosses the antimeridian has to be cut
//!   there (RFC 7946 section 3.1.9); circles need not.

mod shape;
mod geojson;
mod index;
mod places;

pub use geojson::{NAME_BYTES_MAX, Told, VERTICES_MAX, Wrong, ZONES_MAX, ZonesError};
pub use index::{Zone, ZoneId, Zones};
pub use places::{Place, Places, STATE_BYTES_MAX, STAYS_MAX, VISITS_MAX, Visit, ZoneEvent, ZoneSettings};

#[cfg(test)]
mod tests;
