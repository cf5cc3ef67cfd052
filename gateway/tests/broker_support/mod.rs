//! A broker in this process, a sink whose receipts the test holds, and a client that speaks bytes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use halo_gateway::broker::{
    Broker, Config, ConnectRequest, Disposition, Inbound, OwnedTopics, Pending, Policy, Principal, Router, SessionKey,
    Sink, bind, matches,
};
use halo_gateway::clock::Clock;
use halo_gateway::metrics::Metrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A test that waits longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// The user name is the principal; `owned/…` is the gateway's; `private/…` goes to `boss` only.
struct TestPolicy;

impl Policy for TestPolicy {
    fn connect(&self, request: &ConnectRequest<'_>) -> Pending<'static, Result<Principal, u8>> {
        let principal = Principal::anonymous(request.username.unwrap_or("anyone"));
        Box::pin(std::future::ready(Ok(principal)))
    }

    fn publish(&self, _: &Principal, topic: &str) -> Result<(), u8> {
        if topic.starts_with("owned/") { Err(0x87) } else { Ok(()) }
    }

    fn subscribe(&self, _: &Principal, _: &str) -> Result<(), u8> {
        Ok(())
    }

    fn deliver(&self, principal: &Principal, topic: &str) -> bool {
        !topic.starts_with("private/") || &*principal.name == "boss"
    }
}

/// `owned/a` and `owned/b`, which say so.
struct TestTopics;

impl OwnedTopics for TestTopics {
    fn matching<'a>(&'a self, filter: &'a str) -> Pending<'a, Vec<(Arc<str>, Bytes)>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let topics = ["owned/a", "owned/b"].into_iter().filter(|topic| matches(filter, topic));
            topics.map(|topic| (Arc::from(topic), Bytes::from_static(b"rendered"))).collect()
        })
    }
}

/// Hands publishes to the test; `live/…` is not logged.
struct TestSink {
    inbounds: mpsc::Sender<Inbound>,
    ended: mpsc::Sender<SessionKey>,
}

impl Sink for TestSink {
    fn publish(&self, inbound: Inbound) -> Result<Disposition, Inbound> {
        if inbound.topic.starts_with("live/") {
            return Ok(Disposition::Immediate);
        }
        match self.inbounds.try_send(inbound) {
            Ok(()) => Ok(Disposition::Logged),
            Err(mpsc::error::TrySendError::Full(inbound)) => Err(inbound),
            Err(mpsc::error::TrySendError::Closed(_)) => Ok(Disposition::Refused(0x83)),
        }
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(async { drop(self.inbounds.reserve().await) })
    }

    fn session_ended(&self, session: SessionKey) {
        self.ended.try_send(session).expect("room for every session of a test");
    }
}

pub(crate) struct Running {
    pub(crate) addr: SocketAddr,
    pub(crate) router: Router,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) inbounds: mpsc::Receiver<Inbound>,
    pub(crate) ended: mpsc::Receiver<SessionKey>,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<()>,
}

pub(crate) async fn start() -> Running {
    start_with(Config::default(), 10_000).await
}

pub(crate) async fn start_with(config: Config, sink_room: usize) -> Running {
    start_at(config, sink_room, Clock::system()).await
}

pub(crate) async fn start_at(config: Config, sink_room: usize, clock: Clock) -> Running {
    let metrics = Arc::new(Metrics::default());
    let router = Router::new(&config, Arc::new(TestPolicy), Arc::clone(&metrics));
    let (inbounds, inbounds_rx) = mpsc::channel(sink_room);
    let (ended, ended_rx) = mpsc::channel(1_000);
    let sink = Arc::new(TestSink { inbounds, ended });
    let broker = Broker::new(config, router.clone(), sink, Arc::new(TestTopics), clock, Arc::clone(&metrics));
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = listener.local_addr().unwrap();
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    let served = tracker.spawn(broker.serve(listener, tracker.clone(), stop.clone()));
    Running { addr, router, metrics, inbounds: inbounds_rx, ended: ended_rx, stop, served }
}

impl Running {
    pub(crate) async fn inbound(&mut self) -> Inbound {
        timeout(PATIENCE, self.inbounds.recv()).await.expect("a publish in time").expect("a sink")
    }

    pub(crate) async fn v5(&self, id: &str) -> Client {
        let mut client = Client::open(self.addr, 5).await;
        client.send(&connect(5, id, &[], "", None)).await;
        assert_eq!(client.packet().await[0], 0x20);
        client
    }

    pub(crate) async fn v311(&self, id: &str) -> Client {
        let mut client = Client::open(self.addr, 4).await;
        client.send(&connect(4, id, &[], "", None)).await;
        assert_eq!(client.packet().await, [0x20, 2, 0, 0]);
        client
    }
}

/// One raw connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    level: u8,
}

impl Client {
    pub(crate) async fn open(addr: SocketAddr, level: u8) -> Self {
        Self { stream: TcpStream::connect(addr).await.unwrap(), level }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next packet, header included; empty when the broker has closed.
    pub(crate) async fn packet(&mut self) -> Vec<u8> {
        timeout(PATIENCE, self.read_packet()).await.expect("a packet in time").unwrap_or_default()
    }

    /// The next packet, a refusal, without its Reason String, and that string: its fixed fields are `fixed` bytes.
    pub(crate) async fn refusal(&mut self, fixed: usize) -> (Vec<u8>, String) {
        let packet = self.packet().await;
        let header = 1 + packet[1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let (fixed, properties) = packet[header..].split_at(fixed);
        let at = properties.iter().position(|byte| *byte == 0x1F).expect("a reason string");
        let len = usize::from(u16::from_be_bytes([properties[at + 1], properties[at + 2]]));
        let text = String::from_utf8(properties[at + 3..at + 3 + len].to_vec()).unwrap();
        ([&packet[..1], fixed].concat(), text)
    }

    /// The next packet, a DISCONNECT: its code.
    pub(crate) async fn disconnect(&mut self) -> u8 {
        let (packet, _) = self.refusal(1).await;
        assert_eq!(packet[0], 0xE0);
        packet[1]
    }

    async fn read_packet(&mut self) -> io::Result<Vec<u8>> {
        let mut packet = vec![self.stream.read_u8().await?];
        let (mut len, mut shift) = (0usize, 0);
        loop {
            let byte = self.stream.read_u8().await?;
            packet.push(byte);
            len |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let header = packet.len();
        packet.resize(header + len, 0);
        self.stream.read_exact(&mut packet[header..]).await?;
        Ok(packet)
    }

    pub(crate) async fn publish(&mut self, topic: &str, payload: &[u8], id: Option<u16>, retain: bool) {
        let packet = publish(self.level, topic, payload, id, retain);
        self.send(&packet).await;
    }

    /// Subscribes at QoS 1 with these MQTT 5 options; returns the reason code. Retained messages may follow.
    pub(crate) async fn subscribe(&mut self, filter: &str, options: u8) -> u8 {
        let mut body = vec![0, 1];
        body.extend((self.level == 5).then_some(0));
        put(&mut body, filter.as_bytes());
        body.push(options | 1);
        self.send(&framed(0x82, &body)).await;
        let suback = self.packet().await;
        assert_eq!(suback[0], 0x90);
        *suback.last().unwrap()
    }

    /// The next packet, a PUBLISH: (topic, payload, retain); acknowledges QoS 1.
    pub(crate) async fn message(&mut self) -> (String, Vec<u8>, bool) {
        let message = self.message_unacknowledged().await;
        if let Some(id) = message.3 {
            let [high, low] = id.to_be_bytes();
            self.send(&[0x40, 2, high, low]).await;
        }
        (message.0, message.1, message.2)
    }

    pub(crate) async fn message_unacknowledged(&mut self) -> (String, Vec<u8>, bool, Option<u16>) {
        let packet = self.packet().await;
        assert_eq!(packet.first().map(|first| first & 0xF0), Some(0x30), "not a PUBLISH: {packet:x?}");
        let header = 1 + packet[1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let body = &packet[header..];
        let topic_len = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let topic = String::from_utf8(body[2..2 + topic_len].to_vec()).unwrap();
        let mut at = 2 + topic_len;
        let mut id = None;
        if packet[0] & 6 != 0 {
            id = Some(u16::from_be_bytes([body[at], body[at + 1]]));
            at += 2;
        }
        if self.level == 5 {
            at += 1 + usize::from(body[at]);
        }
        (topic, body[at..].to_vec(), packet[0] & 1 == 1, id)
    }

    /// Everything the broker had to say before this has been said.
    pub(crate) async fn ping(&mut self) {
        self.send(&[0xC0, 0]).await;
        assert_eq!(self.packet().await, [0xD0, 0]);
    }
}

pub(crate) fn connect(level: u8, id: &str, properties: &[u8], user: &str, will: Option<(&str, &[u8])>) -> Vec<u8> {
    connect_with(level, id, properties, user, will, 60)
}

pub(crate) fn connect_with(
    level: u8,
    id: &str,
    properties: &[u8],
    user: &str,
    will: Option<(&str, &[u8])>,
    keep_alive_s: u16,
) -> Vec<u8> {
    let flags = 2 | if user.is_empty() { 0 } else { 0x80 } | if will.is_some() { 4 } else { 0 };
    let mut body = b"\x00\x04MQTT".to_vec();
    body.extend([level, flags]);
    body.extend(keep_alive_s.to_be_bytes());
    if level == 5 {
        body.push(properties.len() as u8);
        body.extend(properties);
    }
    put(&mut body, id.as_bytes());
    if let Some((topic, payload)) = will {
        body.extend((level == 5).then_some(0));
        put(&mut body, topic.as_bytes());
        put(&mut body, payload);
    }
    if !user.is_empty() {
        put(&mut body, user.as_bytes());
    }
    framed(0x10, &body)
}

pub(crate) fn publish(level: u8, topic: &str, payload: &[u8], id: Option<u16>, retain: bool) -> Vec<u8> {
    let mut body = Vec::new();
    put(&mut body, topic.as_bytes());
    body.extend(id.iter().flat_map(|id| id.to_be_bytes()));
    body.extend((level == 5).then_some(0));
    body.extend(payload);
    framed(0x30 | u8::from(retain) | if id.is_some() { 2 } else { 0 }, &body)
}

pub(crate) fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut len = body.len();
    loop {
        let low = (len & 0x7F) as u8;
        len >>= 7;
        packet.push(if len > 0 { low | 0x80 } else { low });
        if len == 0 {
            break;
        }
    }
    packet.extend(body);
    packet
}

fn put(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend((bytes.len() as u16).to_be_bytes());
    body.extend(bytes);
}
