//! Brokers far away: each with its own cursor into the log, its own lanes and its own troubles.
//!
//! **In**: the durable log, through a reader of its own ([`task`]); which subjects changed ([`changes`]), and their halos
//! rendered by the river. **Out**: `readings` and `losses` in log order within a lane, `sparks` in log order in a
//! lane of their own, `halos` newest only; cursor
//! records; a [`Status`].
//!
//! **Invariant**: a cursor never passes a message that was not confirmed. So every message arrives at least once, in log
//! order within its lane, under the same `mid`; after a crash at most `window` messages are repeated. The log is the only
//! queue: a connection that ends takes everything it had under way with it, and the next one begins after the cursor with
//! a client that knows nothing of the last.
//!
//! **Failure model**: a receiver that is away, slow, silent, or refuses; links that end, stall or swallow; a receiver that
//! has forgotten everything. Each costs this upstream time and nobody else anything: one thread each, nothing shared but
//! the files of the log. Memory is bounded by `window` messages and two batches of the log, however long an outage was.
//!
//! **Refusals** (MQTT 5 reasons of a PUBACK): a reason that speaks of the message itself (topic name invalid, payload
//! format invalid) gives it up at once. Any other, as for a topic that is not authorized, stops the lanes until everything
//! else is answered; then the suffix from the refused message on is sent again after a pause, on the same connection. A
//! message refused five times beside others that were taken is given up. A receiver that refuses everything is `stalled`,
//! is asked ever more seldom, and never costs a message. A message that ends every connection it is sent on is
//! sent alone after five, and given up after ten. What is given up is a `Dropped` record, so in `losses`.
//!
//! `machine` decides (no I/O, no clock), `task` does; `transport` is the seam, with one file per foreign library.

pub(crate) mod changes;
mod config;
mod machine;
mod transport;
mod rumqttc_v4;
mod rumqttc_v5;
#[cfg(feature = "rumqttc-next")]
mod next;
mod probe;
mod backoff;
mod source;
mod halos;
mod jobs;
mod status;
mod task;
mod start;

pub use config::{Client, Config, From, Send};
pub(crate) use start::{Feeds, Shared, check, start};
pub use start::{Seed, StartError, Upstreams};
pub(crate) use status::Boards;
pub use status::{LaneStatus, State, Status};
