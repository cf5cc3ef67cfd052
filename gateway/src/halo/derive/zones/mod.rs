//! Zones of the map, and when a subject enters and leaves them.
//!
//! In: the zones of the configuration, once; then fixes. Out: the place, and zones entered and left.
//!
//! * [`Zones`] is made of the configuration and never part of the state, indexed by an R-tree: a fix asks the tree for
//!   the boxes it is in, and only those zones for their shapes.
//! * [`Whereabouts`] is the state of one subject. It knows zones by name, so that a changed configuration takes over: a
//!   zone that is gone is left with the next fix.
//! * A zone is entered after a time inside, and left after a time further outside than a margin; the event has the time
//!   of the first, or of the last, fix inside. Nothing is decided between fixes: who falls silent stays where they were.
//! * Of several devices one speaks, until nothing was heard of it for five minutes. A fix older than the newest is late
//!   and changes nothing.
//! * Edges are straight in longitude and latitude, as RFC 7946 has them; what is inside a ring that crosses itself is
//!   decided by even and odd. A polygon ends at the antimeridian (one across it is cut in two, which the configuration
//!   demands) and holds no pole; circles are round on the ground and may hold either.

mod shape;
mod index;
mod whereabouts;

pub(crate) use index::{Waits, Zones};
pub(crate) use whereabouts::{Crossing, Fix, Whereabouts};

#[cfg(test)]
mod tests;
