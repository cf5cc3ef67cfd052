//! 6. Halos, readings and losses leave on local topics and to upstreams.
//!
//! Here and only here is JSON written: `halo/1`, `readings/1`, `losses/1`, `cohort/1`, `health/1` and `welcome/1`, each with a JSON Schema in
//! `gateway/schema`. Rendering is pure: the same subject, record or figures give the same bytes, keys always in the
//! same order, numbers in the shortest form that reads back as the same double, times in RFC 3339 with milliseconds.
//!
//! The [`river`] is the one thread that follows the log: it folds each durable record and lets out what came of it.
//! `readings` go out once per frame, in log order: of few frames before they are folded, of many on a thread of their own,
//! which halos do not wait for; `halos` conflated to the newest per subject, at most one a second.
//! Nothing here waits for a subscriber, and nothing but numbers flows back up.

pub(crate) mod json;
mod context_json;
mod ties_json;
pub mod spark_json;
pub mod cohort_json;
mod offers_json;
mod members_json;
pub mod halo_json;
mod welcome_json;
pub mod readings_json;
pub mod health_json;
pub mod losses_json;
mod sparks;
mod due;
pub(crate) mod owned;
pub mod river;
pub mod upstream;

pub use sparks::Sparks;

#[cfg(test)]
mod tests;
