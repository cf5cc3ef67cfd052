//! What the broker asks of the rest of the gateway.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use super::codec::Version;
use super::receipt::Receipt;
use crate::record::GatewayTime;

/// A future behind a trait object.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Names one connection; never used twice within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u64);

impl SessionKey {
    /// No connection: of a publish that its device did not send just now, such as a retained message replayed by another
    /// broker. It is no sign of life.
    pub const NONE: Self = Self(0);
}

/// A publish on its way from a client to the [`Sink`].
#[derive(Debug)]
pub struct Inbound {
    /// The connection it came on.
    pub session: SessionKey,
    /// Its client id.
    pub client_id: Arc<str>,
    /// Its authenticated name.
    pub principal: Arc<str>,
    /// The topic: checked, not owned by the gateway.
    pub topic: Arc<str>,
    /// The payload; a copy of its own, it pins no larger buffer.
    pub payload: Bytes,
    /// 0 or 1.
    pub qos: u8,
    /// To be kept for later subscribers; an empty payload clears.
    pub retain: bool,
    /// It is the client's will: the connection has ended abnormally.
    pub will: bool,
    /// When the bytes it came in were read; for a will, when the connection's end was noticed.
    pub arrival: GatewayTime,
    /// To be settled when [`Disposition::Logged`] was answered; QoS 0 too, because routing waits for it.
    pub receipt: Receipt,
}

/// How a logged publish ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Durable: acknowledge and route.
    Stored,
    /// Not stored, for a reason the client can act on: an MQTT 5 reason code ≥ 0x80.
    Refused(u8),
    /// The same, with what was found wrong in it, for a human.
    Unfit(u8, Arc<str>),
    /// The log failed; nothing is known. The connection is closed without an acknowledgement.
    Lost,
}

/// What the sink does with a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It is not logged: acknowledge it in its turn and route it. The receipt may be dropped.
    Immediate,
    /// The receipt will be settled, by any thread, at any time, even before this answer.
    Logged,
    /// Not taken, for this reason (≥ 0x80). The receipt may be dropped.
    Refused(u8),
}

/// Where publishes of clients go.
pub trait Sink: Send + Sync + 'static {
    /// Offers a publish, in the order in which its connection sent it. Must not block.
    ///
    /// # Errors
    /// Full: the publish comes back; the broker stops reading this connection, awaits [`Sink::ready`] and offers it again.
    #[expect(
        clippy::result_large_err,
        reason = "the publish itself comes back; boxing would cost each offer an allocation"
    )]
    fn publish(&self, inbound: Inbound) -> Result<Disposition, Inbound>;

    /// Resolves when an offer may succeed again, at once if it may now. May be dropped unresolved and asked for anew.
    fn ready(&self) -> Pending<'_, ()>;

    /// The connection has ended and offered its last publish (its will, if it had to). Called once per connection that got its client
    /// id, even if it never published. The next connection with that client id is answered only after this call.
    fn session_ended(&self, session: SessionKey);
}

/// Who somebody is, once authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The authenticated name; of an anonymous client, what it calls itself.
    pub name: Arc<str>,
    /// Which issue of the account of that name let it in; `None` = anonymous.
    pub grant: Option<u64>,
}

impl Principal {
    /// Somebody who was not asked who they are.
    pub fn anonymous(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), grant: None }
    }

    /// Whether both are the same somebody, whichever issue of the account let them in: an anonymous client is never
    /// the account whose name it uses.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.grant.is_some() == other.grant.is_some()
    }
}

/// What a client says about itself in its CONNECT.
#[derive(Clone, Copy, Debug)]
pub struct ConnectRequest<'a> {
    /// Its client id, or the one it gets because it brought none.
    pub client_id: &'a str,
    /// Its user name, if it gave one.
    pub username: Option<&'a str>,
    /// Its password, if it gave one.
    pub password: Option<&'a [u8]>,
    /// Where it connects from.
    pub peer: SocketAddr,
    /// It came in on a listener that only this machine reaches.
    pub local: bool,
    /// The protocol version it speaks.
    pub version: Version,
}

/// Who may do what. Every answer but the first is needed at once; refusals are MQTT 5 reason codes ≥ 0x80.
pub trait Policy: Send + Sync + 'static {
    /// Authenticates a CONNECT; the connection waits, for no longer than `connect_timeout_s`.
    ///
    /// # Errors
    /// The reason code of the CONNACK.
    fn connect(&self, request: &ConnectRequest<'_>) -> Pending<'static, Result<Principal, u8>>;

    /// Does what let `principal` in still hold? Asked under the router's lock when its session begins, so that an account
    /// changed before [`Router::end_sessions`](super::Router::end_sessions) leaves no session behind.
    fn holds(&self, principal: &Principal) -> bool {
        let _unused = principal;
        true
    }

    /// May `principal` publish to `topic`? Asked for wills at CONNECT and again when they are due.
    ///
    /// # Errors
    /// The reason code, 0x87 for "not authorized".
    fn publish(&self, principal: &Principal, topic: &str) -> Result<(), u8>;

    /// May `principal` subscribe with `filter`?
    ///
    /// # Errors
    /// The reason code.
    fn subscribe(&self, principal: &Principal, filter: &str) -> Result<(), u8>;

    /// May this message go to `principal`? Asked for every delivery, by the publisher's thread and under the router's lock: must be
    /// cheap and must not call the [`Router`](super::Router).
    fn deliver(&self, principal: &Principal, topic: &str) -> bool {
        let _unused = (principal, topic);
        true
    }
}

/// Retained topics the gateway owns: not kept by the broker but rendered when somebody subscribes.
pub trait OwnedTopics: Send + Sync + 'static {
    /// The topics that match `filter`, with their payloads now. May be asked before the answer to an earlier question has come.
    fn matching<'a>(&'a self, filter: &'a str) -> Pending<'a, Vec<(Arc<str>, Bytes)>>;
}
