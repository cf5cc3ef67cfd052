//! What a long run under faults is made of.
//!
//! **In**: a fleet's ledger, a running gateway, a mosquitto behind a proxy. **Out**: at each quiet point a judgement of
//! everything so far ([`Book`]), and figures of every second ([`Watch`], [`Growth`]). **Invariant**: what mosquitto has
//! acknowledged, the receiver has before mosquitto is ended ([`Far`]); so whatever is missing in the end is the gateway's.
//! **Failure model**: what goes wrong in the machinery itself is an error, never a finding.

mod book;
mod far;
mod samples;

pub use book::{Book, Judgement, UPSTREAM, is_drained, status};
pub use far::{Far, Outage};
pub use samples::{Growth, Sample, Watch};
