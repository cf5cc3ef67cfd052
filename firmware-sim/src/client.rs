//! The MQTT client library at the edge; the only file that names it.
//!
//! A [`Connection`] is one TCP connection with one fresh event loop. It never reconnects and nothing queued in it
//! outlives it: what is unacknowledged when it fails is the caller's to send again on the next one.
//! Publishes are matched to their acknowledgements through the packet ids that the library reports in sending order.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

/// MQTT protocol spoken with the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Protocol {
    /// MQTT 3.1.1.
    #[default]
    V4,
    /// MQTT 5.
    V5,
}

/// Bytes the library may read or write in one packet: the largest frame (61,440) with its topic fits.
const PACKET_BYTES_MAX: usize = 65_536;
/// Events the library may be ahead of the device before it waits.
const EVENTS_AHEAD_MAX: usize = 64;
/// Publishes besides the window: birth, state online, state offline, disconnect.
const SLOTS_EXTRA: usize = 4;
/// Ping interval; two lost pings in a row end the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// What one connection needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) client_id: String,
    pub(crate) credentials: Option<(String, String)>,
    pub(crate) protocol: Protocol,
    /// Retained message the broker publishes when this connection breaks.
    pub(crate) will_topic: String,
    pub(crate) will_payload: &'static str,
    /// Publishes in flight at most, besides birth and state.
    pub(crate) window: usize,
}

/// What happened on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice<T> {
    /// The broker accepted the connection.
    Connected,
    /// The publish with this token was acknowledged; `refused` carries an MQTT 5 reason code of 0x80 or above.
    Acked { token: T, refused: Option<u8> },
    /// The DISCONNECT asked for was written; the connection is over.
    Closed,
}

/// The connection is gone; the text says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(String);

impl Broken {
    /// A connection given up by the device itself.
    pub(crate) fn new(why: &impl ToString) -> Self {
        Self(why.to_string())
    }
}

/// The connection takes nothing any more: it has broken, or the caller sent more than its window.
#[derive(Debug, thiserror::Error)]
#[error("the connection takes no more")]
pub(crate) struct Unsendable;

/// One connection to a broker; dropping it closes the socket without a DISCONNECT, so that the will is published.
pub(crate) struct Connection<T> {
    requests: Requests,
    driver: Pin<Box<dyn Future<Output = Broken> + Send>>,
    events: mpsc::Receiver<Event>,
    failed: Option<String>,
    /// Tokens handed over and not yet given a packet id, in order.
    unnumbered: VecDeque<T>,
    numbered: HashMap<u16, T>,
}

/// What the two library versions tell us, in one shape.
#[derive(Clone, Copy, Debug)]
enum Event {
    Connected,
    Sent(u16),
    Acked(u16, Option<u8>),
    Closed,
}

enum Requests {
    V4(rumqttc::AsyncClient),
    V5(rumqttc::v5::AsyncClient),
}

impl<T: Copy> Connection<T> {
    /// Starts to connect; progress is made by [`Connection::next`].
    pub(crate) fn open(options: &Options) -> Self {
        let slots = options.window.saturating_add(SLOTS_EXTRA);
        let (tell, events) = mpsc::channel(EVENTS_AHEAD_MAX);
        let (requests, driver) = match options.protocol {
            Protocol::V4 => v4::open(options, slots, tell),
            Protocol::V5 => v5::open(options, slots, tell),
        };
        Self { requests, driver, events, failed: None, unnumbered: VecDeque::new(), numbered: HashMap::new() }
    }

    /// Queues a QoS 1 publish; `token` comes back with its acknowledgement.
    pub(crate) fn publish(&mut self, topic: &str, retain: bool, payload: &Bytes, token: T) -> Result<(), Unsendable> {
        self.requests.publish(topic, retain, payload)?;
        self.unnumbered.push_back(token);
        Ok(())
    }

    /// Queues a DISCONNECT behind everything published so far.
    pub(crate) fn disconnect(&mut self) -> Result<(), Unsendable> {
        self.requests.disconnect()
    }

    /// Drives the connection until something happened. May be dropped and called again: nothing is lost.
    pub(crate) async fn next(&mut self) -> Result<Notice<T>, Broken> {
        loop {
            let event = tokio::select! {
                biased;
                Some(event) = self.events.recv() => event,
                broken = &mut self.driver, if self.failed.is_none() => {
                    self.failed = Some(broken.0);
                    continue;
                }
                else => return Err(Broken(self.failed.clone().unwrap_or_default())),
            };
            if let Some(notice) = self.apply(event)? {
                return Ok(notice);
            }
        }
    }

    fn apply(&mut self, event: Event) -> Result<Option<Notice<T>>, Broken> {
        match event {
            Event::Connected => Ok(Some(Notice::Connected)),
            Event::Closed => Ok(Some(Notice::Closed)),
            Event::Sent(id) => {
                let token =
                    self.unnumbered.pop_front().ok_or_else(|| Broken(format!("packet {id} was never asked for")))?;
                self.numbered.insert(id, token);
                Ok(None)
            }
            Event::Acked(id, refused) => {
                let token =
                    self.numbered.remove(&id).ok_or_else(|| Broken(format!("packet {id} acknowledged unasked")))?;
                Ok(Some(Notice::Acked { token, refused }))
            }
        }
    }
}

impl Requests {
    fn publish(&self, topic: &str, retain: bool, payload: &Bytes) -> Result<(), Unsendable> {
        match self {
            Self::V4(client) => client
                .try_publish(topic, rumqttc::QoS::AtLeastOnce, retain, payload.clone())
                .map_err(|_refused| Unsendable),
            Self::V5(client) => client
                .try_publish(topic, rumqttc::v5::mqttbytes::QoS::AtLeastOnce, retain, payload.clone())
                .map_err(|_refused| Unsendable),
        }
    }

    fn disconnect(&self) -> Result<(), Unsendable> {
        match self {
            Self::V4(client) => client.try_disconnect().map_err(|_refused| Unsendable),
            Self::V5(client) => client.try_disconnect().map_err(|_refused| Unsendable),
        }
    }
}

/// What a version's `open` gives back: the sending half and the future that moves the bytes.
type Opened = (Requests, Pin<Box<dyn Future<Output = Broken> + Send>>);

/// Packet ids the library may use at once; ids repeat only after this many, so an acknowledgement out of order
/// does not stop the flow.
fn ids(slots: usize) -> u16 {
    u16::try_from(slots.saturating_mul(2)).unwrap_or(u16::MAX).max(1)
}

mod v4 {
    use rumqttc::{AsyncClient, Event as Raw, EventLoop, LastWill, MqttOptions, NetworkOptions, Outgoing, Packet, QoS};

    use super::{Broken, Event, KEEP_ALIVE, Opened, Options, PACKET_BYTES_MAX, Requests, ids, mpsc};

    pub(super) fn open(options: &Options, slots: usize, tell: mpsc::Sender<Event>) -> Opened {
        let mut mqtt = MqttOptions::new(&options.client_id, &options.host, options.port);
        mqtt.set_keep_alive(KEEP_ALIVE)
            .set_clean_session(true)
            .set_inflight(ids(slots))
            .set_max_packet_size(PACKET_BYTES_MAX, PACKET_BYTES_MAX)
            .set_last_will(LastWill::new(&options.will_topic, options.will_payload, QoS::AtLeastOnce, true));
        if let Some((user, password)) = &options.credentials {
            mqtt.set_credentials(user, password);
        }
        let (client, mut events) = AsyncClient::new(mqtt, slots);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        (Requests::V4(client), Box::pin(drive(events, tell)))
    }

    async fn drive(mut events: EventLoop, tell: mpsc::Sender<Event>) -> Broken {
        loop {
            let raw = match events.poll().await {
                Ok(raw) => raw,
                Err(error) => return Broken(error.to_string()),
            };
            let event = match raw {
                Raw::Incoming(Packet::ConnAck(_)) => Event::Connected,
                Raw::Incoming(Packet::PubAck(ack)) => Event::Acked(ack.pkid, None),
                Raw::Outgoing(Outgoing::Publish(id)) => Event::Sent(id),
                Raw::Outgoing(Outgoing::Disconnect) => Event::Closed,
                _ => continue,
            };
            if tell.send(event).await.is_err() {
                return Broken("the device let go of the connection".into());
            }
        }
    }
}

mod v5 {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{LastWill, Packet, PubAckReason};
    use rumqttc::v5::{AsyncClient, Event as Raw, EventLoop, MqttOptions};
    use rumqttc::{NetworkOptions, Outgoing};

    use super::{Broken, Event, KEEP_ALIVE, Opened, Options, PACKET_BYTES_MAX, Requests, ids, mpsc};

    pub(super) fn open(options: &Options, slots: usize, tell: mpsc::Sender<Event>) -> Opened {
        let mut mqtt = MqttOptions::new(&options.client_id, &options.host, options.port);
        let will = LastWill::new(&options.will_topic, options.will_payload, QoS::AtLeastOnce, true, None);
        mqtt.set_keep_alive(KEEP_ALIVE)
            .set_clean_start(true)
            .set_outgoing_inflight_upper_limit(ids(slots))
            .set_max_packet_size(u32::try_from(PACKET_BYTES_MAX).ok())
            .set_last_will(will);
        if let Some((user, password)) = &options.credentials {
            mqtt.set_credentials(user, password);
        }
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        mqtt.set_network_options(network);
        let (client, events) = AsyncClient::new(mqtt, slots);
        (Requests::V5(client), Box::pin(drive(events, tell)))
    }

    async fn drive(mut events: EventLoop, tell: mpsc::Sender<Event>) -> Broken {
        loop {
            let raw = match events.poll().await {
                Ok(raw) => raw,
                Err(error) => return Broken(error.to_string()),
            };
            let event = match raw {
                Raw::Incoming(Packet::ConnAck(_)) => Event::Connected,
                Raw::Incoming(Packet::PubAck(ack)) => Event::Acked(ack.pkid, refusal(ack.reason)),
                Raw::Incoming(Packet::Disconnect(bye)) => {
                    return Broken(format!("the broker disconnected: {:?}", bye.reason_code));
                }
                Raw::Outgoing(Outgoing::Publish(id)) => Event::Sent(id),
                Raw::Outgoing(Outgoing::Disconnect) => Event::Closed,
                _ => continue,
            };
            if tell.send(event).await.is_err() {
                return Broken("the device let go of the connection".into());
            }
        }
    }

    /// Reason codes of MQTT 5, 3.4.2.1; below 0x80 the message was accepted.
    fn refusal(reason: PubAckReason) -> Option<u8> {
        match reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => None,
            PubAckReason::UnspecifiedError => Some(0x80),
            PubAckReason::ImplementationSpecificError => Some(0x83),
            PubAckReason::NotAuthorized => Some(0x87),
            PubAckReason::TopicNameInvalid => Some(0x90),
            PubAckReason::PacketIdentifierInUse => Some(0x91),
            PubAckReason::QuotaExceeded => Some(0x97),
            PubAckReason::PayloadFormatInvalid => Some(0x99),
        }
    }
}
