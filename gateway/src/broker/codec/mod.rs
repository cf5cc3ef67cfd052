//! The wire: MQTT 3.1.1 and 5 control packets, from bytes and to bytes. The only folder that knows their layout.
//!
//! * In: a slice that starts at a packet boundary. Out: a [`Packet`] that borrows from it, or "more bytes needed", or
//!   [`Malformed`] with the reason code to close with. The length is checked against the limit before the body is looked at.
//! * Decoding allocates for CONNECT, SUBSCRIBE and UNSUBSCRIBE only; nothing recurses; no bytes make it panic
//!   (`tests.rs` tries random and mutated packets, cut at every byte).
//! * Strings are checked here (UTF-8, no U+0000); what a topic may look like is `topic.rs`'s business, and
//!   what a packet means in its place is the session's.
//!
//! Why not a crate: `rmqtt-codec` 0.3.1 takes what the standard says must be refused (bytes after a CONNECT's last
//! field, U+0000 in strings, reserved option bits of a 3.1.1 SUBSCRIBE, DUP with QoS 0, will flags without a will), so that a guard
//! would have to parse every packet a second time; its encoder subtracts from the client's Maximum Packet Size without a check, which
//! overflows for values below 8; it allocates a boxed 200-byte property set and a fresh read buffer for each PUBLISH;
//! and it brings chrono, regex and anyhow. `mqtt-protocol-core` 0.7.9 panics on a legal CONNECT with Topic Alias Maximum 0.

mod decode;
mod encode;
mod packet;
mod reader;
#[cfg(test)]
mod tests;

pub(crate) use decode::decode;
pub(crate) use encode::{encode, question};
pub use packet::Version;
pub(crate) use packet::{
    ConnAck, Connect, Login, Malformed, Packet, Publish, ReasonString, Reply, SubscribeRequest, Topics, Will,
};
