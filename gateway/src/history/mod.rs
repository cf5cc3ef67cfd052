//! What the log says about the past: one signal of one subject over a span of time, a halo as it was, and what a value
//! rests on.
//!
//! **In**: a data folder, which a gateway may be using, and a question. **Out**: readings, steps, a halo, a proof.
//!
//! **The same as the fold.** A frame's record says whose halo it fed and which clock offset it was read with, so times
//! and subjects are those of the fold whatever was learnt later: a shared device's readings stay with whoever had it, and a
//! clock estimate that got better afterwards does not move them. Frames are read by the code that ingest and the fold read
//! them with ([`crate::ingest::readings::read`]). Schemas the registry does not have are taken from the device's births,
//! up to each frame; frames the gateway set aside stay out until the record that read them again.
//!
//! **Exactness.** Every reading that the fold was given in the span is there, except those dated more than a minute after
//! their arrival, which the fold keeps out too. What depends on earlier readings (implausible steps, readings more than
//! 15 min late) is the halo's to judge: history shows them. What retention deleted is gone.
//!
//! Nothing is written, and no clock is read: the time that "now" stands for is the caller's.

mod at;
mod past;
mod question;
mod steps;
mod supposed;
mod why;

pub use at::Folded;
pub use past::{Account, Past, PastError, Seen};
pub use question::{Answer, Question, READINGS_MAX, Reading};
pub use steps::{Step, Stepped};
pub use supposed::{Supposed, Told};
pub use why::{Origin, Plain, Refolded, Window, windows};

#[cfg(test)]
mod tests;
