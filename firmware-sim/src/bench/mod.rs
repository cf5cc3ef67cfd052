//! A load generator: real frames or opaque payloads over many connections, and how long the answers take.
//!
//! ```text
//! bodies ─▶ pace (when, which device) ─▶ publishers ─▶ broker ─▶ subscribers ─▶ matched by (device, number) ─▶ report
//!                                           ▲ acknowledgements │
//! ```
//!
//! **In:** a [`Plan`]. **Out:** a [`Report`], and the [`Phase`]s as they begin, so that a caller can look at the broker.
//!
//! **What is sent.** [`Load::Frames`] go to `<root>/d/<device>/t` at QoS 1: recordings of simulated devices, encoded
//! before the clock starts; boot, sequence and uptime are written into each frame as it leaves, so that a gateway that
//! knows repeats takes every one as new, and its readings follow on those before. They lie 300 days back, where a frame
//! every 10 s of device time has room. [`Load::Opaque`] payloads go to `<prefix>/<n>`, which no gateway reads.
//!
//! **What is measured.** From the moment a publish was *due* (open loop: also when the sender was late, so a broker that
//! stalls is not forgiven what it delayed) to its PUBACK and to its copy at each subscriber. A subscriber of halos counts
//! a frame as arrived with the first halo that has counted it in. Only what was due in the measured time is in the
//! histograms; everything is counted until the end.
//!
//! **Invariant:** one thread, no allocation for a message once buffers have grown, and its own processor time is in the
//! report. **Failure model:** a broker that refuses, closes or falls a window of 65,000 behind ends the run with an error
//! that says so; one that stays silent ends it after `drain`, and what is missing is counted.

mod packet;
mod plan;
mod frames;
mod socket;
mod link;
mod fleet;
mod sink;
mod tally;
mod report;
mod engine;
mod command;

pub use command::{Arguments, execute};
pub use engine::{Phase, run};
pub use frames::payloads;
pub use plan::{BenchError, Credit, Load, Pace, Plan};
pub use report::{Latency, Report};
pub use sink::NullSink;
