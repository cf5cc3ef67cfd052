//! What intervals between heartbeats tell: variability, premature beats, pauses, pace, irregularity, resting rate, zones.
//!
//! In: RR intervals (a strap, a wristband, a pacemaker, which also says which beats it made) and, where a device sends
//! only that, a heart rate. Out: [`HeartEvent`]s as they happen, values when asked.
//!
//! ```text
//! rr ──> labels (is it a normal beat?) ──> windows   SDNN, RMSSD, pNN50 over 60 s and 300 s, normal beats only
//!    │                                └──> hour      premature beats and pauses of the last hour
//!    ├──> pace        mean rate of 16 beats: bradycardia, tachycardia
//!    ├──> irregular   48 beats: suspicion of atrial fibrillation
//! rate ─> today       resting heart rate, seconds per zone, by the UTC day
//! ```
//!
//! * A beat's label may wait for the two beats after it; pauses, pace and irregularity wait for nothing.
//! * Intervals are held as whole eighths of a millisecond, so sums are exact: what enters a window leaves it without a
//!   trace. A beat of the windows takes four bytes.
//! * Beats come in order; one older than the newest is of no use any more.
//! * None of this is a diagnosis: irregularity from intervals alone is a reason to look at an electrocardiogram.

mod settings;
mod labels;
mod windows;
mod hour;
mod pace;
mod irregular;
mod today;
mod events;
mod machine;
mod values;

pub(crate) use events::HeartEvent;
pub(crate) use machine::Heart;
pub use settings::HeartSettings;

#[cfg(test)]
mod tests;
