//! A parcel's journey: distance, speed, stops, and excursions of shock and temperature.
//!
//! In: fixes, shocks and temperatures, each at its time. Out: stops, departures and excursions as they happen, and
//! what is known of the journey now.
//!
//! * Two distances: `journey.distance` is the plain length of the track, noise and all, as every GPS tool computes it;
//!   `journey.travelled` leaves out what the receiver wanders while nothing moves.
//! * Standing is entered after a time within a small circle and left through a larger one, twice in a row.
//! * A fix without a time, or of a time before there was GPS, counts for the distance and for nothing else.
//! * Fixes before the newest one are counted as late and kept out; a clock that goes back by more than 15 min was set.

mod settings;
mod observation;
mod excursion;
mod stops;
mod machine;

pub(crate) use machine::Journey;
pub(crate) use observation::Observation;
pub(crate) use settings::JourneySettings;

#[cfg(test)]
mod tests;
