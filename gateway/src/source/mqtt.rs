//! The MQTT client library, and the only file that names it: a dumb transport. What it is told goes out in that order,
//! what comes in is handed on; it acknowledges nothing by itself, and an event loop serves one connection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5 as p5;
use rumqttc::{Outgoing, Transport, mqttbytes as m4, v5};

/// Longest packet that is read from a 3.1.1 broker, which cannot be told a limit: what is longer than the gateway takes is
/// refused one by one, but what is longer than this ends the connection.
const PACKET_BYTES_READ_MAX: u32 = 16 << 20;

/// What a connection needs to know.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) version: u8,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    pub(super) client_id: String,
    pub(super) credentials: Option<(String, crate::source::Secret)>,
    pub(super) keep_alive: Duration,
    pub(super) session_expiry_s: u32,
    pub(super) in_flight: u16,
    pub(super) packet_bytes_max: u32,
}

/// What a broker wants back for a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ack(u16);

/// A publish as it was delivered.
#[derive(Debug)]
pub(super) struct Publish {
    pub(super) topic: Bytes,
    /// A copy of its own, it pins no larger buffer.
    pub(super) payload: Bytes,
    pub(super) qos: u8,
    /// At subscribing, a stored message; from a live publisher it is not passed on.
    pub(super) retain: bool,
    pub(super) dup: bool,
    /// None for QoS 0.
    pub(super) ack: Option<Ack>,
}

/// What happened on a connection.
#[derive(Debug)]
pub(super) enum Happened {
    /// It stands; whether the session from before was still there, and the keep-alive that broker imposes.
    Connected {
        session_present: bool,
        keep_alive: Option<Duration>,
    },
    /// Granted QoS per filter, in order; `None` = refused.
    Subscribed(Vec<Option<u8>>),
    Publish(Publish),
    /// Our DISCONNECT is on its way, and all before it.
    Disconnecting,
    /// Anything else, pings among it: the connection is alive.
    Alive,
}

/// Why a connection ended, for a human.
#[derive(Debug)]
pub(super) struct Ended(String);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The way out of one connection; what is told is sent while [`Events`] are awaited.
pub(super) enum Requests {
    V4(rumqttc::AsyncClient),
    V5(v5::AsyncClient),
}

/// The way in; it connects at the first [`Events::next`].
pub(super) enum Events {
    V4(Box<rumqttc::EventLoop>),
    V5(Box<v5::EventLoop>),
}

/// Both ways of one connection to be.
pub(super) fn open(options: &Options) -> (Requests, Events) {
    // Every acknowledgement of a full window, and the few other things there are to say.
    let requests_max = usize::from(options.in_flight) * 2 + 16;
    let transport = options.tls.as_ref().map_or_else(Transport::tcp, |tls| {
        Transport::tls_with_config(rumqttc::TlsConfiguration::Rustls(Arc::clone(tls)))
    });
    let Options { client_id, host, port, credentials, keep_alive, .. } = options;
    let login = credentials.as_ref().map(|(name, password)| (name.as_str(), password.reveal()));
    if options.version == 4 {
        let mut inner = rumqttc::MqttOptions::new(client_id, host, *port);
        inner.set_keep_alive(*keep_alive).set_clean_session(false).set_manual_acks(true).set_transport(transport);
        let longest = usize::try_from(PACKET_BYTES_READ_MAX).unwrap_or(usize::MAX);
        inner.set_max_packet_size(longest, longest);
        login.map(|(name, password)| inner.set_credentials(name, password));
        let (client, events) = rumqttc::AsyncClient::new(inner, requests_max);
        return (Requests::V4(client), Events::V4(Box::new(events)));
    }
    let mut inner = v5::MqttOptions::new(client_id, host, *port);
    inner.set_keep_alive(*keep_alive).set_clean_start(false).set_manual_acks(true).set_transport(transport);
    inner.set_session_expiry_interval(Some(options.session_expiry_s)).set_receive_maximum(Some(options.in_flight));
    inner.set_max_packet_size(Some(options.packet_bytes_max));
    login.map(|(name, password)| inner.set_credentials(name, password));
    let (client, events) = v5::AsyncClient::new(inner, requests_max);
    (Requests::V5(client), Events::V5(Box::new(events)))
}

impl Events {
    /// The next thing that happens, and the way to the one after. Not cancel safe: an acknowledgement on its way would be
    /// lost, so it is awaited by owning it.
    pub(super) async fn next(mut self) -> (Self, Result<Happened, Ended>) {
        let happened = match &mut self {
            Self::V4(events) => match events.poll().await {
                Ok(event) => Ok(from_v4(event)),
                Err(error) => Err(Ended(error.to_string())),
            },
            Self::V5(events) => match events.poll().await {
                Ok(event) => Ok(from_v5(event)),
                Err(error) => Err(Ended(error.to_string())),
            },
        };
        (self, happened)
    }
}

/// `false` = there is no room for another request just now.
impl Requests {
    #[must_use]
    pub(super) fn ack(&self, Ack(id): Ack) -> bool {
        match self {
            Self::V4(client) => {
                let mut publish = rumqttc::Publish::new("", m4::QoS::AtLeastOnce, Vec::new());
                publish.pkid = id;
                client.try_ack(&publish).is_ok()
            }
            Self::V5(client) => {
                let publish = p5::Publish { pkid: id, qos: v5::mqttbytes::QoS::AtLeastOnce, ..Default::default() };
                client.try_ack(&publish).is_ok()
            }
        }
    }

    /// At QoS 1; retained messages come with each subscription, and the retain flag tells them from live ones.
    #[must_use]
    pub(super) fn subscribe(&self, filters: &[String]) -> bool {
        match self {
            Self::V4(client) => {
                let filter = |path: &String| rumqttc::SubscribeFilter::new(path.clone(), m4::QoS::AtLeastOnce);
                client.try_subscribe_many(filters.iter().map(filter)).is_ok()
            }
            Self::V5(client) => {
                let filter = |path: &String| p5::Filter::new(path.as_str(), v5::mqttbytes::QoS::AtLeastOnce);
                client.try_subscribe_many(filters.iter().map(filter)).is_ok()
            }
        }
    }

    /// At QoS 0, not retained.
    #[must_use]
    pub(super) fn publish(&self, topic: &str, payload: String) -> bool {
        match self {
            Self::V4(client) => client.try_publish(topic, m4::QoS::AtMostOnce, false, payload).is_ok(),
            Self::V5(client) => client.try_publish(topic, v5::mqttbytes::QoS::AtMostOnce, false, payload).is_ok(),
        }
    }

    /// Says goodbye after everything said before; the session stays.
    #[must_use]
    pub(super) fn disconnect(&self) -> bool {
        match self {
            Self::V4(client) => client.try_disconnect().is_ok(),
            Self::V5(client) => client.try_disconnect().is_ok(),
        }
    }
}

fn from_v4(event: rumqttc::Event) -> Happened {
    match event {
        rumqttc::Event::Incoming(rumqttc::Packet::ConnAck(ack)) => {
            Happened::Connected { session_present: ack.session_present, keep_alive: None }
        }
        rumqttc::Event::Incoming(rumqttc::Packet::SubAck(ack)) => {
            let granted = |code: &rumqttc::SubscribeReasonCode| match code {
                rumqttc::SubscribeReasonCode::Success(qos) => Some(*qos as u8),
                rumqttc::SubscribeReasonCode::Failure => None,
            };
            Happened::Subscribed(ack.return_codes.iter().map(granted).collect())
        }
        rumqttc::Event::Incoming(rumqttc::Packet::Publish(publish)) => {
            let rumqttc::Publish { dup, qos, retain, topic, pkid, payload } = publish;
            let (qos, payload) = (qos as u8, Bytes::copy_from_slice(&payload));
            Happened::Publish(Publish { topic: topic.into(), payload, qos, retain, dup, ack: ack(qos, pkid) })
        }
        rumqttc::Event::Outgoing(Outgoing::Disconnect) => Happened::Disconnecting,
        _ => Happened::Alive,
    }
}

fn from_v5(event: v5::Event) -> Happened {
    match event {
        v5::Event::Incoming(v5::Incoming::ConnAck(ack)) => {
            let keep_alive = ack.properties.and_then(|properties| properties.server_keep_alive);
            let keep_alive = keep_alive.map(|seconds| Duration::from_secs(seconds.into()));
            Happened::Connected { session_present: ack.session_present, keep_alive }
        }
        v5::Event::Incoming(v5::Incoming::SubAck(ack)) => {
            let granted = |code: &p5::SubscribeReasonCode| match code {
                p5::SubscribeReasonCode::Success(qos) => Some(*qos as u8),
                _ => None,
            };
            Happened::Subscribed(ack.return_codes.iter().map(granted).collect())
        }
        v5::Event::Incoming(v5::Incoming::Publish(publish)) => {
            let p5::Publish { dup, qos, retain, topic, pkid, payload, .. } = publish;
            let (qos, payload) = (qos as u8, Bytes::copy_from_slice(&payload));
            Happened::Publish(Publish { topic, payload, qos, retain, dup, ack: ack(qos, pkid) })
        }
        v5::Event::Outgoing(Outgoing::Disconnect) => Happened::Disconnecting,
        _ => Happened::Alive,
    }
}

fn ack(qos: u8, id: u16) -> Option<Ack> {
    (qos > 0).then_some(Ack(id))
}
