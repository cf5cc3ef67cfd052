//! One connection's task: moves bytes, runs the session machine, does what it says. Decides nothing.

mod ending;

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Sleep, sleep, timeout};
use tracing::{debug, info};

use super::codec::{self, Login, Packet, Reply, SubscribeRequest, Version};
use super::complaint::{Complaint, Said};
use super::listener::{Admitted, Shared};
use super::message::{Delivery, Message};
use super::reason;
use super::receipt::{Kick, Mailbox, Receipt, Ticket};
use super::router::Registered;
use super::seam::{ConnectRequest, Disposition, Inbound, Pending, Principal, SessionKey};
use super::session::{Cause, Effect, Event, Limits, Session};
use super::stream::{Moved, Stream};
use super::subscriptions::Subscriber;
use crate::record::GatewayTime;

/// Above this many unsent bytes nothing more is encoded for, or read from, the client.
const OUT_BYTES_MAX: usize = 64 << 10;
/// Output buffers above this are given back when they run empty: one message may have been large.
const OUT_BYTES_SPARE: usize = 4 * OUT_BYTES_MAX;
/// Rounds of encoding and writing before other tasks get their turn.
const ROUNDS_MAX: usize = 8;
/// Retained messages that may wait for one subscriber, beyond its queue.
const BACKLOG_MESSAGES_MAX: usize = 250_000;
/// How long a new connection waits for the one it takes over from to have offered its will.
const TAKE_OVER_WAIT: Duration = Duration::from_secs(5);

thread_local! {
    /// An empty output buffer that has the size it needs: connections that have nothing to send hold none.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

pub(crate) struct Connection {
    shared: Arc<Shared>,
    stream: Stream,
    peer: SocketAddr,
    /// It came in on a listener that only this machine reaches.
    local: bool,
    session: Session,
    key: SessionKey,
    mailbox: Arc<Mailbox>,
    /// Set once the client id is this connection's.
    client: Option<(Arc<str>, Arc<Subscriber>)>,
    input: Vec<u8>,
    /// When the first byte of `input` was read, and when the last was.
    arrival: GatewayTime,
    last_read: GatewayTime,
    output: Vec<u8>,
    written: usize,
    effects: Vec<Effect>,
    /// Publishes the sink had no room for, in order.
    stalled: VecDeque<(Ticket, Inbound)>,
    /// Retained messages on their way out; they precede what waits in the mailbox.
    backlog: VecDeque<Delivery>,
    pause: Pause,
    timer: Option<Timer>,
    shutdown_due_ms: Option<u64>,
    /// There is more to send than one turn allowed.
    unfinished: bool,
    closed: Option<Cause>,
    said: Said,
}

/// While paused, no packet is decoded.
enum Pause {
    No,
    /// The policy finds out who this is.
    Authenticating(Pending<'static, Result<Principal, u8>>),
    /// The session that had the client id is ending.
    TakingOver(Pending<'static, ()>),
    /// Gateway-owned retained topics are being rendered; deliveries wait, so that the newer ones can be told apart.
    Rendering(Pending<'static, Vec<Rendered>>),
}

struct Rendered {
    topic: Arc<str>,
    payload: Bytes,
    qos: u8,
}

struct Timer {
    due_ms: u64,
    sleep: Pin<Box<Sleep>>,
}

enum Woken {
    Mail,
    Readable(io::Result<usize>),
    Writable,
    SinkReady,
    Authenticated(Result<Principal, u8>),
    TakenOver,
    Rendered(Vec<Rendered>),
    Time,
    Unfinished,
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, (stream, input): (Stream, Vec<u8>), admitted: Admitted) -> Self {
        let Admitted { peer, local, key, mailbox, full } = admitted;
        let now = shared.clock.now();
        let spare_id = format!("auto-{:x}-{}", now.wall_ms, key.0);
        let limits = Limits { config: Arc::clone(&shared.config), spare_id, full };
        let session = Session::new(limits, Arc::clone(shared.router.policy()), now.mono_ms);
        Self {
            shared,
            stream,
            peer,
            local,
            session,
            key,
            mailbox,
            client: None,
            input,
            arrival: now,
            last_read: now,
            output: Vec::new(),
            written: 0,
            effects: Vec::new(),
            stalled: VecDeque::new(),
            backlog: VecDeque::new(),
            pause: Pause::No,
            timer: None,
            shutdown_due_ms: None,
            unfinished: false,
            closed: None,
            said: Said::default(),
        }
    }

    /// From accept to the last outcome.
    pub(crate) async fn run(mut self) {
        if let Err(error) = self.stream.set_nodelay(true) {
            debug!(%error, "nodelay not set");
        }
        loop {
            self.pump();
            if let Some(cause) = self.closed {
                break self.finish(cause).await;
            }
            let woken = self.wait().await;
            self.apply_woken(woken);
        }
    }

    /// Everything that can be done without waiting.
    fn pump(&mut self) {
        self.take_mail();
        self.offer_stalled();
        self.decode();
        self.unfinished = true;
        for _ in 0..ROUNDS_MAX {
            let more = self.send_deliveries();
            self.flush();
            if !more || self.has_output() {
                self.unfinished = false;
                break;
            }
        }
        if self.effects.capacity() > 0 {
            self.effects = Vec::new();
        }
    }

    fn take_mail(&mut self) {
        let (settled, kick) = self.mailbox.collect();
        for (ticket, outcome) in settled {
            self.feed(Event::Settled(ticket, outcome));
        }
        let Some(kick) = kick else { return };
        if kick == Kick::Shutdown {
            let due_ms = self.now().mono_ms.saturating_add(self.shared.config.shutdown_s.saturating_mul(1_000));
            self.shutdown_due_ms = Some(due_ms);
        }
        self.feed(Event::Kick(kick));
    }

    async fn wait(&mut self) -> Woken {
        self.set_timer();
        let (reading, writing, stalled) = (self.wants_input(), self.has_output(), !self.stalled.is_empty());
        let unfinished = self.unfinished;
        let Self { stream, mailbox, pause, timer, shared, input, .. } = self;
        tokio::select! {
            () = mailbox.mail() => Woken::Mail,
            moved = stream.moved(input, reading, writing), if reading || writing => match moved {
                Moved::Writable(Ok(())) => Woken::Writable,
                Moved::Writable(Err(error)) => Woken::Readable(Err(error)),
                Moved::Read(read) => Woken::Readable(read),
            },
            () = shared.sink.ready(), if stalled => Woken::SinkReady,
            woken = paused(pause) => woken,
            () = elapsed(timer) => Woken::Time,
            () = tokio::task::yield_now(), if unfinished => Woken::Unfinished,
        }
    }

    fn apply_woken(&mut self, woken: Woken) {
        match woken {
            Woken::Mail | Woken::Writable | Woken::SinkReady | Woken::Unfinished => {}
            Woken::Readable(Ok(0)) => self.feed(Event::PeerGone),
            Woken::Readable(Ok(read)) => {
                self.last_read = self.now();
                if self.input.len() == read {
                    self.arrival = self.last_read;
                }
            }
            Woken::Readable(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            Woken::Readable(Err(_)) => self.feed(Event::PeerGone),
            Woken::Authenticated(answer) => {
                self.pause = Pause::No;
                self.feed(Event::Authenticated(answer));
            }
            Woken::TakenOver => {
                self.pause = Pause::No;
                self.feed(Event::Registered(Ok(())));
            }
            Woken::Rendered(rendered) => {
                self.pause = Pause::No;
                self.send_rendered(rendered);
            }
            Woken::Time => self.time_passed(),
        }
    }

    fn now(&self) -> GatewayTime {
        self.shared.clock.now()
    }

    fn wants_input(&self) -> bool {
        self.may_decode() && self.output.len() < OUT_BYTES_MAX
    }

    fn may_decode(&self) -> bool {
        matches!(self.pause, Pause::No) && self.stalled.is_empty() && self.session.may_read()
    }

    fn has_output(&self) -> bool {
        self.written < self.output.len() || self.stream.wants_write()
    }

    fn due_ms(&self) -> Option<u64> {
        [self.session.deadline_ms(), self.shutdown_due_ms].into_iter().flatten().min()
    }

    /// The timer is left alone while it fires too early rather than too late: most packets only move the deadline.
    fn set_timer(&mut self) {
        let Some(due_ms) = self.due_ms() else {
            self.timer = None;
            return;
        };
        if self.timer.as_ref().is_none_or(|timer| timer.due_ms > due_ms) {
            let wait = Duration::from_millis(due_ms.saturating_sub(self.now().mono_ms));
            self.timer = Some(Timer { due_ms, sleep: Box::pin(sleep(wait)) });
        }
    }

    fn time_passed(&mut self) {
        self.timer = None;
        let now_ms = self.now().mono_ms;
        if self.shutdown_due_ms.is_some_and(|due_ms| now_ms >= due_ms) {
            self.feed(Event::ShutdownDue);
        } else {
            // Output that a client does not take also stops the reading, but that is its own silence.
            let reading = self.may_decode();
            self.feed(Event::Time { reading });
        }
    }

    fn decode(&mut self) {
        let mut taken = 0;
        let now_ms = self.now().mono_ms;
        while self.may_decode() {
            let Some(bytes) = self.input.get(taken..).filter(|bytes| !bytes.is_empty()) else { break };
            let packet_bytes_max = self.shared.config.packet_bytes_max as usize;
            let mut effects = std::mem::take(&mut self.effects);
            match codec::decode(self.session.version(), bytes, packet_bytes_max) {
                Ok(None) => break,
                Ok(Some((packet, len))) => {
                    note_lasting_session(&packet);
                    self.session.step(now_ms, Event::Packet(packet), &mut effects);
                    taken += len;
                }
                Err(malformed) => {
                    debug!(session = self.key.0, %malformed, "closing");
                    self.session.step(now_ms, Event::Malformed(&malformed), &mut effects);
                    taken = self.input.len();
                }
            }
            self.apply(effects);
            self.arrival = self.last_read;
        }
        if taken == self.input.len() {
            self.input = Vec::new();
        } else {
            self.input.drain(..taken);
        }
    }

    fn feed(&mut self, event: Event<'_>) {
        let now_ms = self.now().mono_ms;
        let mut effects = std::mem::take(&mut self.effects);
        self.session.step(now_ms, event, &mut effects);
        self.apply(effects);
    }

    fn apply(&mut self, mut effects: Vec<Effect>) {
        for effect in effects.drain(..) {
            match effect {
                Effect::Reply(reply) => self.reply(&reply),
                Effect::Authenticate { client_id, login, version } => {
                    self.pause = Pause::Authenticating(self.ask_policy(&client_id, &login, version));
                }
                Effect::Register { client_id, principal } => self.register(client_id, principal),
                Effect::Offer { ticket, message, will } => self.offer(ticket, message, will),
                Effect::Route(message) => self.shared.router.route(&message, self.key),
                Effect::Subscribe(requests) => self.subscribe(requests),
                Effect::Unsubscribe(filters) => {
                    filters.iter().for_each(|filter| self.shared.router.unsubscribe(self.key, filter));
                }
                Effect::Complain(complaint) => self.complain(&complaint),
                Effect::Close(cause) => self.closed = Some(cause),
            }
        }
        if self.effects.capacity() == 0 {
            self.effects = effects;
        }
    }

    fn complain(&mut self, complaint: &Complaint) {
        let now_ms = self.now().mono_ms;
        let client_id = self.client.as_ref().map(|(client_id, _)| &**client_id);
        self.shared.complaints.say(&mut self.said, complaint, client_id, self.peer, now_ms);
    }

    fn reply(&mut self, reply: &Reply) {
        self.count(reply);
        let version = self.session.version().unwrap_or(Version::V311);
        let max = self.session.packet_bytes_max();
        if self.output.capacity() == 0 {
            self.output = SPARE.take();
        }
        if codec::encode(version, reply, max, &mut self.output).is_err()
            && let Reply::Publish { id, .. } = reply
        {
            self.shared.metrics.broker_dropped_total.add(1);
            self.feed(Event::Undeliverable { id: *id });
        }
    }

    fn count(&self, reply: &Reply) {
        let refused = match reply {
            Reply::PubAck { code, .. } => u64::from(*code >= 0x80),
            Reply::SubAck { codes, .. } => codes.iter().filter(|&&code| code >= 0x80).count() as u64,
            _ => 0,
        };
        self.shared.metrics.broker_refused_total.add(refused);
    }

    fn ask_policy(&self, client_id: &str, login: &Login, version: Version) -> Pending<'static, Result<Principal, u8>> {
        self.shared.router.policy().connect(&ConnectRequest {
            client_id,
            username: login.username.as_deref(),
            password: login.password.as_deref(),
            peer: self.peer,
            local: self.local,
            version,
        })
    }

    fn register(&mut self, client_id: Arc<str>, principal: Principal) {
        let mailbox = Arc::clone(&self.mailbox);
        let subscriber = Arc::new(Subscriber { key: self.key, principal: Some(principal), mailbox });
        let registered = self.shared.router.register(&client_id, &subscriber);
        if !matches!(registered, Registered::Refused(_)) {
            self.client = Some((client_id, subscriber));
        }
        match registered {
            Registered::New => self.feed(Event::Registered(Ok(()))),
            Registered::Refused(code) => self.feed(Event::Registered(Err(code))),
            Registered::TookOver(old) => {
                self.pause = Pause::TakingOver(Box::pin(async move {
                    if timeout(TAKE_OVER_WAIT, old.over.cancelled()).await.is_err() {
                        debug!("took over before the old session had ended");
                    }
                }));
            }
        }
    }

    fn offer(&mut self, ticket: Ticket, message: Message, will: bool) {
        let Some((client_id, subscriber)) = &self.client else { return };
        if !will {
            self.shared.metrics.broker_publishes_total.add(1);
        }
        if message.retain && !self.shared.router.has_room(&message) {
            return self.feed(Event::Offered(ticket, Disposition::Refused(reason::QUOTA_EXCEEDED)));
        }
        let Message { topic, payload, qos, retain, .. } = message;
        let inbound = Inbound {
            session: self.key,
            client_id: Arc::clone(client_id),
            principal: subscriber.principal.as_ref().map_or_else(|| Arc::from(""), |p| Arc::clone(&p.name)),
            topic,
            payload,
            qos,
            retain,
            will,
            arrival: if will { self.now() } else { self.arrival },
            receipt: Receipt::new(Arc::clone(&self.mailbox), ticket),
        };
        if !self.stalled.is_empty() {
            return self.stalled.push_back((ticket, inbound));
        }
        match self.shared.sink.publish(inbound) {
            Ok(disposition) => self.feed(Event::Offered(ticket, disposition)),
            Err(inbound) => self.stalled.push_back((ticket, inbound)),
        }
    }

    fn offer_stalled(&mut self) {
        while let Some((ticket, inbound)) = self.stalled.pop_front() {
            match self.shared.sink.publish(inbound) {
                Ok(disposition) => self.feed(Event::Offered(ticket, disposition)),
                Err(inbound) => return self.stalled.push_front((ticket, inbound)),
            }
        }
        if self.stalled.capacity() > 0 {
            self.stalled = VecDeque::new();
        }
    }

    fn subscribe(&mut self, requests: Vec<(SubscribeRequest, bool)>) {
        let Some((_, subscriber)) = &self.client else { return };
        let mut to_render = Vec::new();
        for (request, retained) in requests {
            let deliveries = self.shared.router.subscribe_client(subscriber, &request, retained);
            self.shared.metrics.broker_deliveries_total.add(deliveries.len() as u64);
            self.backlog.extend(deliveries);
            if retained {
                to_render.push((request.filter, request.qos));
            }
        }
        if self.backlog.len() > BACKLOG_MESSAGES_MAX {
            return self.mailbox.kick(Kick::TooSlow);
        }
        if !to_render.is_empty() {
            let owned = Arc::clone(&self.shared.owned);
            self.pause = Pause::Rendering(Box::pin(async move {
                let mut all = Vec::new();
                for (filter, qos) in to_render {
                    let matching = owned.matching(&filter).await;
                    all.extend(matching.into_iter().map(|(topic, payload)| Rendered { topic, payload, qos }));
                }
                all
            }));
        }
    }

    /// A live delivery that waits already is as new as what was rendered, or newer: it takes its place.
    fn send_rendered(&mut self, rendered: Vec<Rendered>) {
        let Some((_, subscriber)) = &self.client else { return };
        let may_see = |r: &Rendered| self.shared.router.may_see(subscriber, &r.topic);
        let deliver =
            |Rendered { topic, payload, qos }| Delivery { topic, payload, qos, retain: true, properties: None };
        let mut snapshot: Vec<Delivery> = rendered.into_iter().filter(may_see).map(deliver).collect();
        self.mailbox.without_waiting(&mut snapshot);
        self.shared.metrics.broker_deliveries_total.add(snapshot.len() as u64);
        self.backlog.extend(snapshot);
    }

    /// Returns whether there is more to send once the output is written.
    fn send_deliveries(&mut self) -> bool {
        while self.session.may_send() && !matches!(self.pause, Pause::Rendering(_)) {
            if self.output.len() >= OUT_BYTES_MAX {
                return true;
            }
            let Some(delivery) = self.backlog.pop_front().or_else(|| self.mailbox.pop()) else { break };
            if self.backlog.is_empty() && self.backlog.capacity() > 0 {
                self.backlog = VecDeque::new();
            }
            self.feed(Event::Deliver(delivery));
        }
        false
    }

    fn flush(&mut self) {
        if self.stream.wants_write() && self.stream.flush().is_err() {
            self.forget_output();
            return self.feed(Event::PeerGone);
        }
        while let Some(rest) = self.output.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stream.try_write(rest) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.forget_output();
                    return self.feed(Event::PeerGone);
                }
            }
        }
        if self.written < self.output.len() {
            self.output.drain(..self.written);
            self.written = 0;
        } else {
            self.forget_output();
        }
    }

    fn forget_output(&mut self) {
        self.written = 0;
        self.output.clear();
        if self.output.capacity() == 0 {
            return;
        }
        if self.output.capacity() <= OUT_BYTES_SPARE {
            SPARE.set(std::mem::take(&mut self.output));
        } else {
            self.output = Vec::new();
        }
    }
}

async fn paused(pause: &mut Pause) -> Woken {
    match pause {
        Pause::No => pending().await,
        Pause::Authenticating(answer) => Woken::Authenticated(answer.await),
        Pause::TakingOver(over) => {
            over.await;
            Woken::TakenOver
        }
        Pause::Rendering(rendering) => Woken::Rendered(rendering.await),
    }
}

async fn elapsed(timer: &mut Option<Timer>) {
    match timer {
        Some(timer) => timer.sleep.as_mut().await,
        None => pending().await,
    }
}

/// Said once per process: every 3.1.1 client that asks would say it again and again.
fn note_lasting_session(packet: &Packet<'_>) {
    static NOTED: AtomicBool = AtomicBool::new(false);
    if let Packet::Connect(connect) = packet
        && connect.version == Version::V311
        && !connect.clean
        && !NOTED.swap(true, Ordering::Relaxed)
    {
        let client_id = &*connect.client_id;
        info!(client_id, "a client asked for a session that outlives its connection: sessions end with the connection");
    }
}
