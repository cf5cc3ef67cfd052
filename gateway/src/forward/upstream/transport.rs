//! The seam: one connection to a broker, from CONNECT to its end. A link knows nothing of the one before it.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use super::config::{Address, Client, Config};
use super::machine::{Reason, Way};
use super::{rumqttc_v4, rumqttc_v5};
use crate::record::{Name, Offset};

/// Places beside the window: halos, probes, the subscription.
pub(super) const EXTRA: usize = 128;
/// Events that may wait; then the client library waits.
const EVENTS_MAX: usize = 1_024;

/// Whose confirmation it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Log(Way, Offset),
    Halo(Name),
    Probe,
}

/// What is to be published, at QoS 1.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) retain: bool,
    /// MQTT 5 user properties.
    pub(super) properties: Vec<(String, String)>,
}

/// What a link tells.
#[derive(Debug)]
pub(super) enum Event {
    /// The broker took the connection.
    Connected(Terms),
    /// It answered a publish; the text is what it said when it refused.
    Answered(Token, Reason, &'static str),
    /// It answered the subscription.
    Subscribed(bool),
    /// A message came: topic and payload.
    Received(Bytes),
    /// The link has ended.
    Down(String),
}

/// What the broker allows on this connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    /// Publishes under way at once.
    pub(super) receive_max: Option<u16>,
    /// Bytes of a packet.
    pub(super) packet_max: Option<u32>,
}

/// What a library's driver says, by packet id.
#[derive(Debug)]
pub(super) enum Raw {
    Connected(Terms),
    /// The next publish in order got this packet id.
    Sent(u16),
    Answered(u16, Reason, &'static str),
    Subscribed(bool),
    Received(Bytes),
    Down(String),
}

/// The requesting half of a client library.
pub(super) trait Requests {
    fn publish(&self, message: Message) -> Result<(), String>;
    fn subscribe(&self, filter: &str) -> Result<(), String>;
    fn disconnect(&self);
}

/// What a library needs to connect.
pub(super) struct Opening<'a> {
    pub(super) address: Address,
    pub(super) client_id: String,
    pub(super) credentials: Option<(String, String)>,
    pub(super) tls: Option<std::sync::Arc<rustls::ClientConfig>>,
    pub(super) config: &'a Config,
    /// Publishes under way at most, halos and probe included.
    pub(super) inflight: u16,
}

/// Where a driver puts what it sees.
pub(super) type Events = Sender<Raw>;

/// One connection. Dropping it ends it, whatever it was doing.
pub(super) struct Link {
    requests: Box<dyn Requests>,
    events: Receiver<Raw>,
    /// In the order handed over, without a packet id yet.
    queued: VecDeque<Token>,
    under_way: HashMap<u16, Token>,
    /// Owns the driver, which is not cancel safe and so has a task to itself.
    driver: JoinSet<()>,
}

impl Link {
    /// Begins to connect; [`Event::Connected`] or [`Event::Down`] follows.
    pub(super) fn open(config: &Config, gateway: &str) -> Result<Self, String> {
        let address = Address::parse(&config.url)?;
        let credentials = match &config.username {
            Some(name) => Some((name.clone(), config.password()?)),
            None => None,
        };
        let tls = if address.tls { Some(config.tls()?) } else { None };
        let client_id = config.client_id.clone().unwrap_or_else(|| format!("{gateway}-{}", config.name));
        let inflight = config.window.saturating_add(EXTRA as u16);
        let opening = Opening { address, client_id, credentials, tls, config, inflight };
        Ok(match (config.client, config.version) {
            #[cfg(feature = "rumqttc-next")]
            (Client::RumqttcNext, _) => super::next::open(opening),
            (Client::Rumqttc, 4) => rumqttc_v4::open(opening),
            #[cfg(not(feature = "rumqttc-next"))]
            (Client::RumqttcNext, _) => return Err("this build has no rumqttc-next".to_owned()),
            (Client::Rumqttc, _) => rumqttc_v5::open(opening),
        })
    }

    /// A link whose `driver` runs until its connection has ended.
    pub(super) fn driven<D>(requests: impl Requests + 'static, driver: impl FnOnce(Events) -> D) -> Self
    where
        D: Future<Output = ()> + Send + 'static,
    {
        let (sender, events) = channel(EVENTS_MAX);
        let mut set = JoinSet::new();
        set.spawn(driver(sender));
        let (queued, under_way) = (VecDeque::new(), HashMap::new());
        Self { requests: Box::new(requests), events, queued, under_way, driver: set }
    }

    /// Hands a message over. Bounded by what is under way, so there is always a place.
    pub(super) fn publish(&mut self, token: Token, message: Message) -> Result<(), String> {
        self.requests.publish(message)?;
        self.queued.push_back(token);
        Ok(())
    }

    pub(super) fn subscribe(&mut self, filter: &str) -> Result<(), String> {
        self.requests.subscribe(filter)
    }

    /// What came next. Cancel safe.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            let raw = self.events.recv().await.unwrap_or_else(|| Raw::Down("the client ended".to_owned()));
            if let Some(event) = self.name(raw) {
                return event;
            }
        }
    }

    /// What came next, if anything did.
    pub(super) fn try_next(&mut self) -> Option<Event> {
        while let Ok(raw) = self.events.try_recv() {
            if let Some(event) = self.name(raw) {
                return Some(event);
            }
        }
        None
    }

    fn name(&mut self, raw: Raw) -> Option<Event> {
        Some(match raw {
            Raw::Connected(terms) => Event::Connected(terms),
            Raw::Sent(packet) => {
                if let Some(token) = self.queued.pop_front() {
                    self.under_way.insert(packet, token);
                }
                return None;
            }
            Raw::Answered(packet, reason, said) => Event::Answered(self.under_way.remove(&packet)?, reason, said),
            Raw::Subscribed(granted) => Event::Subscribed(granted),
            Raw::Received(payload) => Event::Received(payload),
            Raw::Down(reason) => Event::Down(reason),
        })
    }

    /// Says goodbye and waits a moment for the broker to hear it.
    pub(super) async fn close(mut self) {
        self.requests.disconnect();
        drop(tokio::time::timeout(Duration::from_millis(200), self.driver.join_next()).await);
    }
}

/// Why a broker ended the connection, by the reason of its MQTT 5 DISCONNECT.
pub(super) fn disconnected(code: u8) -> String {
    let why = match code {
        0x00 => "it said goodbye",
        0x81 => "malformed packet",
        0x82 => "protocol error",
        0x87 => "not authorized",
        0x89 => "server busy",
        0x8B => "server shutting down",
        0x8D => "keep-alive ran out",
        0x8E => "another connection uses this client id",
        0x90 => "topic name invalid",
        0x93 => "receive maximum exceeded",
        0x95 => "packet too large",
        0x96 => "message rate too high",
        0x97 => "quota exceeded",
        0x98 => "administrative action",
        0x9A => "retain not supported",
        0x9B => "QoS not supported",
        0x9C => "use another server",
        0x9D => "server moved",
        0x9F => "connection rate exceeded",
        _ => "no reason was given",
    };
    format!("the broker disconnected: {why} ({code:#04x})")
}

/// An MQTT 5 reason of a PUBACK, as [`super`] sorts them.
pub(super) fn reason(code: u8) -> (Reason, &'static str) {
    match code {
        0x00 | 0x10 => (Reason::Success, ""),
        0x83 => (Reason::Refused, "implementation specific error (0x83)"),
        0x87 => (Reason::Refused, "not authorized (0x87)"),
        0x90 => (Reason::Unacceptable, "topic name invalid (0x90)"),
        0x91 => (Reason::Refused, "packet identifier in use (0x91)"),
        0x97 => (Reason::Refused, "quota exceeded (0x97)"),
        0x99 => (Reason::Unacceptable, "payload format invalid (0x99)"),
        _ => (Reason::Refused, "unspecified error (0x80)"),
    }
}
