//! A car's drives: trips, harsh manoeuvres, idling, fuel, diagnostic codes, and a score with its reasons.
//!
//! In: rows of the car's signals at one time each, ignition and trouble-code events of the dongle. Out: trips as they
//! begin and end, manoeuvres as they begin and end, codes as they come and go; and what is known of the current trip.
//!
//! * Time is the reading's own, never its position: a diagnostic port repeats each value until it is asked again (every
//!   1.8 s in the cars recorded), so speeds are differenced over [`DriveSettings::span_ms`], not from row to row.
//! * Several rows of one time are one row, the last counts. Rows before the newest are counted as late and kept out,
//!   however late: a buffer that is drained newest first does not cut trips. Only when the gateway's own clock is set back by
//!   more than 15 min does the trip end and time begin anew.
//! * A trip carries its times, so that it can be given to whoever had the car then. A car that never moved had no trip.
//! * Speed limits are not known here, so the score does not judge speeding.

mod settings;
mod sample;
mod slope;
mod trip;
mod codes;
mod events;
mod machine;
mod values;

pub(crate) use events::DriveEvent;
pub(crate) use machine::Drive;
pub(crate) use sample::Sample;
pub use settings::DriveSettings;
pub(crate) use slope::Manoeuvre;
pub(crate) use trip::Trip;

#[cfg(test)]
mod tests;
