//! 0b. Another front: telemetry from an existing broker, acknowledged to it only after it is durable.
//!
//! ```text
//! existing broker ─▶ mqtt (the client library) ─▶ connection ─▶ Sink … Receipt ─▶ window (in order) ─▶ PUBACK, Router
//! ```
//!
//! * **In**: what an existing MQTT 3.1.1 or 5 broker delivers on its subscriptions. **Out**: every publish to the
//!   [`Sink`](crate::broker::Sink), in the order of its arrival, and once durable to local subscribers.
//! * **Invariant**: a publish is acknowledged to that broker only after its receipt is settled as stored, or as refused (it
//!   would come for ever), in order of arrival. When the log lost it, or has no room for telemetry, the connection ends
//!   without the acknowledgement, and the session at that broker brings it again.
//! * **Once**: an acknowledgement belongs to the connection its publish came on. Each connection has an event loop, a
//!   window and a mailbox of its own, so one of an old connection cannot reach a new one, whose packet ids mean others.
//! * **Repeats** (DUP, or again after a reconnect) are ordinary input: ingest knows what is stored, by sets of sequences.
//! * **Retained** births and states that a subscription replays are news or not: what is known byte for byte is
//!   acknowledged and not stored again, what is new is stored, and neither says that the device is connected. Brokers
//!   do not pass the retain flag on with a live birth, so births and states are retained here whatever it says. Telemetry
//!   that is replayed from a retained message is taken if it is a native frame, which ingest can tell from a repeat.
//! * **Bounds**: `in_flight` publishes wait for the log and as many, at most a megabyte, for a place to; then the connection
//!   is not read, and given up before its keep-alive would run out. The broker keeps the rest, within its own limits.
//! * **Status**: "flowing" is measured with messages that go through that broker and back, not with a socket that is open.
//! * **Not covered**: what that broker drops. Its session limits are its own (mosquitto: `max_queued_messages`, 1,000 by
//!   default, and QoS 0 not at all while this gateway is away); a session it forgot is told.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

mod backoff;
mod complaints;
mod config;
mod connection;
mod mqtt;
mod plan;
mod status;
mod task;
mod window;

pub use config::{Config, Invalid, validate};
pub(crate) use plan::Local;
pub use plan::SourceError;
pub use status::{Sources, State, Status};
pub(crate) use task::Prepared;

#[cfg(test)]
mod tests;
