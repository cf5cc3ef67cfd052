//! 0. The MQTT front.
//!
//! ```text
//! socket ─▶ codec ─▶ session (decides) ─▶ task (does) ─▶ Sink … Receipt ─▶ session ─▶ PUBACK, Router ─▶ subscribers
//! ```
//!
//! * **In**: bytes of MQTT 3.1.1 and 5 clients on one TCP port. **Out**: every publish to the [`Sink`], in the order its
//!   connection sent it; after [`Outcome::Stored`] an acknowledgement to its sender and the message to its subscribers.
//! * **Invariant**: a QoS 1 publish is acknowledged only after the sink said [`Disposition::Immediate`] or its
//!   [`Receipt`] was settled as stored; acknowledgements and refusals of a connection leave in the order of their packets.
//! * **Bounds**: everything that waits is bounded, see [`Config`]. Publishers never wait for subscribers. A full sink, or too much
//!   that is not committed yet, stops the reading of that socket and nothing else.
//! * **Failure**: bytes that are no MQTT end their connection, never the broker; a lost log closes connections without acknowledging.
//! * **Refusals** are told with the place and the way out, see [`reason`]: to MQTT 5 clients as Reason String, to the operator as a warning,
//!   at most one per connection and cause and ten a second; how many were held back is told with the next.
//! * **Offered**: QoS 0 and 1, retained messages, wills, wildcards, no-local, retain handling, retain as published, maximum packet size and
//!   receive maximum both ways. **Not offered** (and said so in the CONNACK): QoS 2, sessions that outlive their connection, topic
//!   aliases, subscription identifiers, shared subscriptions, enhanced authentication. Message expiry and will delay are taken as 0:
//!   messages do not expire and wills are published at once.
//! * Knows nothing of halos, records or the meaning of topics; [`Policy`] and [`OwnedTopics`] do.

#![deny(clippy::unwrap_used, clippy::indexing_slicing)]

mod codec;
mod complaint;
mod config;
mod listener;
mod local;
mod message;
pub mod reason;
mod receipt;
mod retained;
mod router;
mod seam;
mod session;
mod stream;
mod subscriptions;
mod task;
mod topic;

pub use codec::Version;
pub use config::{Config, OutOfRange};
pub use listener::{BindError, Broker, bind, check_loopback};
pub use local::{LocalSubscriber, TooSlow};
pub use message::Message;
pub(crate) use receipt::Mailbox;
pub use receipt::{Receipt, Wakes};
pub use router::{Kept, Router};
pub use seam::{
    ConnectRequest, Disposition, Inbound, Outcome, OwnedTopics, Pending, Policy, Principal, SessionKey, Sink,
};
pub use topic::{TopicError, check_filter, matches};
