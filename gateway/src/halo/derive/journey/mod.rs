//! A parcel's journey: distance, speed, stops, expected arrival, and excursions of shock and temperature.
//!
//! In: fixes, shocks and temperatures, each at its time, and where it is bound for, if that is known. Out: stops,
//! departures, arrival and excursions as they happen, and what is known of the journey now.
//!
//! * Two distances: `journey.distance` is the plain length of the track, noise and all, as every GPS tool computes it;
//!   `journey.travelled` leaves out what the receiver wanders while nothing moves.
//! * Standing is entered after a time within a small circle and left through a larger one, twice in a row.
//! * A fix without a time, or of a time before there was GPS, counts for the distance and for nothing else.
//! * Fixes before the newest one are counted as late and kept out, however late: a buffer that is drained newest first does
//!   not send a parcel to and fro. Only when the gateway's own clock is set back by more than 15 min does time begin anew.
//! * The arrival is a quotient, remaining way over recent pace, and its interval is learnt from how wrong such quotients
//!   were on the way so far. Without a destination, or before there is pace, it is absent.

mod settings;
mod observation;
mod excursion;
mod stops;
mod arrival;
mod machine;

pub(crate) use arrival::Goal;
pub(crate) use excursion::Excursion;
pub(crate) use machine::{Journey, JourneyEvent};
pub(crate) use observation::Observation;
pub use settings::JourneySettings;

#[cfg(test)]
mod tests;
