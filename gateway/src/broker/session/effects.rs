//! What can happen to a session, and what it wants done.

use std::fmt;
use std::sync::Arc;

use crate::broker::codec::{Login, Malformed, Packet, Reply, SubscribeRequest, Version};
use crate::broker::complaint::Complaint;
use crate::broker::message::{Delivery, Message};
use crate::broker::reason;
use crate::broker::receipt::{Kick, Ticket};
use crate::broker::seam::{Disposition, Outcome, Principal};

#[derive(Debug)]
pub(crate) enum Event<'a> {
    Packet(Packet<'a>),
    Malformed(&'a Malformed),
    /// The answer to [`Effect::Authenticate`].
    Authenticated(Result<Principal, u8>),
    /// The answer to [`Effect::Register`]: the client id is this session's, or the reason why not.
    Registered(Result<(), u8>),
    /// The sink's answer to [`Effect::Offer`].
    Offered(Ticket, Disposition),
    Settled(Ticket, Outcome),
    /// Only while [`Session::may_send`](super::Session::may_send).
    Deliver(Delivery),
    /// A delivery with this packet identifier was larger than the client takes.
    Undeliverable {
        id: Option<u16>,
    },
    Kick(Kick),
    /// Time has passed; `reading`: the client's packets would have been seen.
    Time {
        reading: bool,
    },
    /// The socket is closed or broken.
    PeerGone,
    /// What is in flight had its time to settle.
    ShutdownDue,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    Reply(Reply),
    /// Find out who this is.
    Authenticate {
        client_id: Arc<str>,
        login: Login,
        version: Version,
    },
    Register {
        client_id: Arc<str>,
        principal: Principal,
    },
    Offer {
        ticket: Ticket,
        message: Message,
        will: bool,
    },
    Route(Message),
    /// Subscribe, and send the retained messages where asked for.
    Subscribe(Vec<(SubscribeRequest, SendRetained)>),
    Unsubscribe(Vec<Arc<str>>),
    /// Tell the operator.
    Complain(Complaint),
    /// Flush, then close the socket.
    Close(Cause),
}

pub(crate) type SendRetained = bool;

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The client said DISCONNECT, with this reason code.
    Disconnected(u8),
    /// The socket closed without a DISCONNECT.
    Gone,
    /// No CONNECT in time.
    ConnectTimeout,
    /// The CONNECT was refused.
    ConnectRefused(u8),
    /// It broke the protocol.
    Violation(u8),
    /// A publish was refused and the protocol has no gentler way to say so.
    PublishRefused(u8),
    /// Nothing heard for one and a half keep-alive times.
    KeepAlive,
    Kicked(Kick),
    /// The log failed.
    LogFailed,
}

/// As a line of a log says it.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(code) => write!(f, "the client said goodbye ({code:#04x})"),
            Self::Gone => f.write_str("the socket closed without a goodbye"),
            Self::ConnectTimeout => f.write_str("no CONNECT in time"),
            Self::ConnectRefused(code) => write!(f, "CONNECT refused ({code:#04x})"),
            Self::Violation(code) => write!(f, "it broke the protocol ({code:#04x})"),
            Self::PublishRefused(code) => write!(f, "publish refused ({code:#04x})"),
            Self::KeepAlive => f.write_str("keep-alive ran out"),
            Self::Kicked(Kick::TakenOver) => f.write_str("taken over by another connection"),
            Self::Kicked(Kick::TooSlow) => f.write_str("too slow, its queue is full"),
            Self::Kicked(Kick::Shutdown) => f.write_str("the gateway stops"),
            Self::Kicked(Kick::Revoked) => f.write_str("its account was removed or changed"),
            Self::LogFailed => f.write_str("the log failed"),
        }
    }
}

impl Cause {
    /// The reason code of the DISCONNECT an MQTT 5 client gets, if it gets one.
    pub(super) fn disconnect_code(self) -> Option<u8> {
        match self {
            Self::Disconnected(_) | Self::Gone | Self::ConnectTimeout | Self::ConnectRefused(_) => None,
            Self::Violation(code) | Self::PublishRefused(code) => Some(code),
            Self::KeepAlive => Some(reason::KEEP_ALIVE),
            Self::Kicked(Kick::TakenOver) => Some(reason::TAKEN_OVER),
            Self::Kicked(Kick::TooSlow) => Some(reason::QUOTA_EXCEEDED),
            Self::Kicked(Kick::Shutdown) => Some(reason::SHUTTING_DOWN),
            Self::Kicked(Kick::Revoked) => Some(reason::NOT_AUTHORIZED),
            Self::LogFailed => Some(reason::IMPLEMENTATION),
        }
    }

    /// The reason code, if it ends because of what the client sent.
    pub(super) fn blamed_code(self) -> Option<u8> {
        match self {
            Self::ConnectRefused(code) | Self::Violation(code) | Self::PublishRefused(code) => Some(code),
            _ => None,
        }
    }

    /// Whether the client's will is due. A stopping gateway does not speak for its clients: they are not gone, it is.
    pub(super) fn fires_will(self) -> bool {
        !matches!(self, Self::Disconnected(reason::SUCCESS) | Self::Kicked(Kick::Shutdown))
    }
}
