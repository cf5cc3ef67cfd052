//! 6. Halos and readings leave on local topics.
//!
//! Here and only here is JSON written: `halo/1`, `readings/1` and `health/1`, each with a JSON Schema in
//! `gateway/schema`. Rendering is pure: the same subject, record or figures give the same bytes, keys always in the
//! same order, numbers in the shortest form that reads back as the same double, times in RFC 3339 with milliseconds.

mod json;
pub mod halo_json;
pub mod readings_json;
pub mod health_json;

#[cfg(test)]
mod tests;
