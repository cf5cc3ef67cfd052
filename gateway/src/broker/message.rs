//! A message between a publisher and its subscribers.

use std::sync::Arc;

use bytes::Bytes;

/// An application message as it was published.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The topic, checked.
    pub topic: Arc<str>,
    /// The payload, byte for byte.
    pub payload: Bytes,
    /// 0 or 1.
    pub qos: u8,
    /// The retain flag as published.
    pub retain: bool,
    /// MQTT 5 properties that travel with the message, encoded; `None` from 3.1.1 clients and from the gateway.
    pub(crate) properties: Option<Arc<[u8]>>,
}

impl Message {
    /// What it weighs in a bounded queue: the bytes that vary.
    pub(crate) fn weight(&self) -> usize {
        self.topic.len() + self.payload.len() + self.properties.as_ref().map_or(0, |p| p.len())
    }
}

/// A message for one subscriber: QoS and retain flag are those of the delivery.
pub(crate) type Delivery = Message;
