//! What comes in, and what it becomes.

use std::sync::Arc;

use bytes::Bytes;
use halo_proto::topic::Grammar;

use crate::record::{Body, GatewayTime, Name};

/// What ingest needs to know from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How topics are built; births are recognised by it.
    pub grammar: Grammar,
    /// Most devices known; publishes of further ones are refused. Each takes some hundred bytes and, once it has sent
    /// 4,096 frames, 17 KB.
    pub devices_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { grammar: Grammar::default(), devices_max: 100_000 }
    }
}

/// One publish that is to become a record.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The `<device>` level of the topic; for other channels whatever the owner files it under.
    pub device: Name,
    /// The whole topic.
    pub topic: Name,
    /// The authenticated name that published it.
    pub publisher: Name,
    /// Which of a device's topics it is.
    pub channel: Channel,
    /// As it came.
    pub payload: Bytes,
    /// 0 or 1.
    pub qos: u8,
    /// When its first byte was read.
    pub arrival: GatewayTime,
    /// The connection it came over; unique within this process.
    pub session: u64,
}

/// Which topic a publish came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// `d/<device>/t`.
    Telemetry,
    /// `d/<device>/birth`, retained.
    Birth,
    /// `d/<device>/state`, retained.
    State,
    /// `d/<device>/answer`.
    Answer,
    /// `offers/<organisation>/<table>`, retained.
    Offers,
    /// Any other retained publish.
    Other,
}

/// What a publish becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// A record: append it, apply it, acknowledge when it is durable.
    Store(Body),
    /// Already stored, or in the group being gathered: acknowledge with the current group.
    Duplicate,
    /// Not taken; an MQTT 5 reason code.
    Refuse(u8),
    /// The same, with what is wrong in it, for a human.
    Unfit(u8, Arc<str>),
}
