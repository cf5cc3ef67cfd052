//! What travels on the wire, free of layout.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::broker::message::Delivery;
use crate::broker::reason;

/// Protocol version of a connection, settled by its CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// MQTT 3.1.1.
    V311,
    /// MQTT 5.
    V5,
}

/// Bytes that are no packet, or no packet the standard allows there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// Announced longer than the limit.
    #[error("packet has {len} bytes, limit is {max}")]
    TooLarge { len: usize, max: usize },
    /// CONNECT of a protocol that is not spoken here.
    #[error("protocol level {level}, wanted 4 (3.1.1) or 5")]
    Version { level: u8 },
    /// Breaks the layout.
    #[error("malformed {0}")]
    Layout(&'static str),
    /// Keeps the layout, breaks a rule.
    #[error("protocol error: {rule}")]
    Rule { rule: &'static str, code: u8 },
}

impl Malformed {
    /// The reason code a DISCONNECT or CONNACK names.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::TooLarge { .. } => reason::PACKET_TOO_LARGE,
            Self::Version { .. } => reason::VERSION,
            Self::Layout(_) => reason::MALFORMED,
            Self::Rule { code, .. } => *code,
        }
    }
}

/// What a client sent.
#[derive(Debug, PartialEq)]
pub(crate) enum Packet<'a> {
    Connect(Box<Connect>),
    Publish(Publish<'a>),
    PubAck {
        id: u16,
    },
    /// PUBREC, PUBREL or PUBCOMP: QoS 2 is not offered.
    QosTwo,
    Subscribe(Topics<SubscribeRequest>),
    Unsubscribe(Topics<Arc<str>>),
    PingReq,
    Disconnect {
        code: u8,
        session_expiry_s: Option<u32>,
    },
    Auth,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Connect {
    pub(crate) version: Version,
    pub(crate) clean: bool,
    pub(crate) keep_alive_s: u16,
    pub(crate) client_id: Arc<str>,
    pub(crate) will: Option<Will>,
    pub(crate) login: Login,
    /// 0 when absent; 3.1.1: 0.
    pub(crate) session_expiry_s: u32,
    /// 65,535 when absent.
    pub(crate) receive_maximum: u16,
    /// Largest packet the client takes; `u32::MAX` when absent.
    pub(crate) packet_bytes_max: u32,
    /// It asked for enhanced authentication.
    pub(crate) auth_method: bool,
    /// Request Problem Information is not 0: reason strings may go anywhere (MQTT 5, 3.1.2.11.7).
    pub(crate) problem_information: bool,
}

/// User name and password of a CONNECT; its `Debug` does not show the password.
#[derive(Default, PartialEq)]
pub(crate) struct Login {
    pub(crate) username: Option<Arc<str>>,
    pub(crate) password: Option<Bytes>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| "***");
        f.debug_struct("Login").field("username", &self.username).field("password", &password).finish()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Will {
    pub(crate) topic: Arc<str>,
    pub(crate) payload: Bytes,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    /// Properties to pass on, encoded.
    pub(crate) properties: Option<Arc<[u8]>>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Publish<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    /// Present exactly when QoS > 0.
    pub(crate) id: Option<u16>,
    pub(crate) alias: bool,
    /// Properties to pass on, encoded.
    pub(crate) properties: Option<Arc<[u8]>>,
}

/// SUBSCRIBE or UNSUBSCRIBE: at least one entry.
#[derive(Debug, PartialEq)]
pub(crate) struct Topics<T> {
    pub(crate) id: u16,
    pub(crate) entries: Vec<T>,
    /// SUBSCRIBE named a Subscription Identifier, which is not offered.
    pub(crate) subscription_id: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SubscribeRequest {
    pub(crate) filter: Arc<str>,
    pub(crate) qos: u8,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    /// 0 = send retained, 1 = only when the subscription is new, 2 = never.
    pub(crate) retain_handling: u8,
}

/// What the broker sends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    ConnAck(Box<ConnAck>),
    PubAck {
        id: u16,
        code: u8,
        reason: ReasonString,
    },
    SubAck {
        id: u16,
        codes: Vec<u8>,
        reason: ReasonString,
    },
    UnsubAck {
        id: u16,
        codes: Vec<u8>,
    },
    Publish {
        id: Option<u16>,
        delivery: Delivery,
    },
    PingResp,
    /// Sent to MQTT 5 clients only.
    Disconnect {
        code: u8,
        reason: ReasonString,
    },
}

/// Left out where it does not fit the client's Maximum Packet Size.
pub(crate) type ReasonString = Option<Box<str>>;

/// Answer to a CONNECT; the session is never present. What a property says is encoded truthfully for MQTT 5 only.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ConnAck {
    pub(crate) code: u8,
    /// The client asked for a session that outlives the connection and gets one that does not.
    pub(crate) session_expiry_denied: bool,
    pub(crate) assigned_client_id: Option<Arc<str>>,
    pub(crate) server_keep_alive_s: Option<u16>,
    pub(crate) receive_maximum: u16,
    pub(crate) packet_bytes_max: u32,
}
