//! One connection to an existing broker, from CONNECT to its end: takes what is delivered, offers it, acknowledges what is
//! settled. The library's loop goes on meanwhile, or its keep-alive would die of our waiting.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::mqtt::{self, Ack, Events, Happened, Publish, Requests};
use super::plan::{Place, Step};
use super::status::State;
use super::task::Source;
use super::window::{Fate, Turn, Window};
use crate::broker::reason::{QUOTA_EXCEEDED, words};
use crate::broker::{Disposition, Inbound, Mailbox, Message, Outcome, Receipt, SessionKey};
use crate::record::GatewayTime;

mod probe;
use probe::{Next, Probe};

/// How long CONNECT and SUBSCRIBE may take.
const SETUP_MS: u64 = 15_000;
/// How long what is in flight may take to settle once the gateway stops.
const STOP_MS: u64 = 2_000;
/// Bytes that may wait for a place in the window, beside one publish.
const HELD_BYTES_MAX: usize = 1 << 20;

/// How a connection ended.
#[derive(Debug)]
pub(super) struct End {
    /// Why; `None` = the gateway stops.
    pub(super) error: Option<String>,
    /// How long it read.
    pub(super) lasted: Duration,
    /// The first probe was sent, and the end came instead of its echo.
    pub(super) probe_unanswered: bool,
}

pub(super) struct Connection {
    source: Arc<Source>,
    requests: Requests,
    session: SessionKey,
    mailbox: Arc<Mailbox>,
    window: Window<Ack>,
    /// Arrived and waiting for a place in the window.
    held: VecDeque<Held>,
    held_bytes: usize,
    /// The sink had no room for it.
    stalled: Option<Inbound>,
    /// Settled and waiting for a place among the requests.
    acks: VecDeque<Ack>,
    /// What is still to be subscribed to; the first is asked for.
    steps: VecDeque<Step>,
    probe: Probe,
    begun_ms: u64,
    /// That broker has said yes: from here on something may have been delivered and be owed an acknowledgement.
    is_connected: bool,
    /// Since when the subscriptions are granted.
    ready_ms: Option<u64>,
    heard_ms: u64,
    /// Since when nothing could be taken.
    full_ms: Option<u64>,
    keep_alive_ms: u64,
    stop_due_ms: Option<u64>,
    said_goodbye: bool,
    over: Option<Option<String>>,
}

struct Held {
    place: Place,
    payload: Bytes,
    qos: u8,
    replayed: bool,
    arrival: GatewayTime,
    ack: Option<Ack>,
    shown: Bytes,
}

impl Connection {
    pub(super) fn new(source: &Arc<Source>, probing: bool) -> (Self, Events) {
        let (requests, events) = mqtt::open(&source.plan.options);
        let now_ms = source.local.clock.now().mono_ms;
        let period_ms = source.plan.probe.filter(|_| probing).map(whole_ms);
        let connection = Self {
            requests,
            session: source.local.router.next_key(),
            mailbox: Arc::default(),
            window: Window::new(usize::from(source.plan.options.in_flight)),
            held: VecDeque::new(),
            held_bytes: 0,
            stalled: None,
            acks: VecDeque::new(),
            steps: source.plan.steps(period_ms.is_some()).into(),
            probe: Probe::new(period_ms),
            begun_ms: now_ms,
            is_connected: false,
            ready_ms: None,
            heard_ms: now_ms,
            full_ms: None,
            keep_alive_ms: whole_ms(source.plan.options.keep_alive),
            stop_due_ms: None,
            said_goodbye: false,
            over: None,
            source: Arc::clone(source),
        };
        (connection, events)
    }

    pub(super) async fn run(mut self, events: Events, stop: CancellationToken) -> End {
        let mut next = pin!(events.next());
        let error = loop {
            self.pump();
            if let Some(error) = self.over.take() {
                break error;
            }
            let (reading, stalled) = (self.may_read(), self.stalled.is_some());
            let (stopping, due) = (self.stop_due_ms.is_some(), self.due_in());
            tokio::select! {
                (events, happened) = &mut next, if reading => {
                    next.set(events.next());
                    match happened {
                        Ok(happened) => self.happened(happened),
                        Err(ended) => self.fail(ended.to_string()),
                    }
                }
                () = self.mailbox.mail() => {}
                () = self.source.local.sink.ready(), if stalled => {}
                () = stop.cancelled(), if !stopping => self.stop(),
                () = sleep(due) => self.time_passed(),
            }
        };
        // What is still out settles into a mailbox that nobody opens: packet ids of another connection mean other publishes.
        self.source.local.sink.session_ended(self.session);
        let now_ms = self.now_ms();
        let lasted = self.ready_ms.map_or(0, |ready_ms| now_ms.saturating_sub(ready_ms));
        End { error, lasted: Duration::from_millis(lasted), probe_unanswered: self.probe.is_unanswered() }
    }

    fn now_ms(&self) -> u64 {
        self.source.local.clock.now().mono_ms
    }

    /// Everything that can be done without waiting.
    fn pump(&mut self) {
        for (ticket, outcome) in self.mailbox.collect().0 {
            self.window.settle(ticket, fate(outcome));
        }
        self.finish_settled();
        if self.stop_due_ms.is_none() {
            self.offer_held();
            self.finish_settled();
        }
        while let Some(ack) = self.acks.front() {
            if !self.requests.ack(*ack) {
                break;
            }
            self.acks.pop_front();
        }
        let idle = self.window.is_empty() && self.acks.is_empty();
        if self.stop_due_ms.is_some() && idle && !self.said_goodbye {
            self.said_goodbye = self.requests.disconnect();
        }
        self.full_ms = if self.may_read() { None } else { self.full_ms.or_else(|| Some(self.now_ms())) };
    }

    fn finish_settled(&mut self) {
        while let Some((turn, fate)) = self.window.next() {
            self.finish(turn, fate);
        }
    }

    fn finish(&mut self, Turn { ack, message }: Turn<Ack>, fate: Fate) {
        let reporter = &self.source.reporter;
        match fate {
            Fate::Stored => {
                reporter.update(|status| status.stored += 1);
                self.source.local.router.route(&message, self.session);
            }
            Fate::Known => reporter.update(|status| status.known += 1),
            Fate::Refused(code) => {
                reporter.update(|status| status.refused += 1);
                self.source.complain(&message.topic, code);
                // Room may come back: what that broker keeps for us is safer there than given up.
                if code == QUOTA_EXCEEDED && ack.is_some() && !message.retain {
                    self.fail(format!("no room for {}: it stays at that broker; {}", message.topic, words(code)));
                    return;
                }
            }
            Fate::Lost => {
                self.fail("the log could not store what was delivered; it is not acknowledged".to_owned());
                return;
            }
        }
        // Nothing after a lost one is acknowledged: that would be out of order.
        if self.over.is_none() {
            self.acks.extend(ack);
        }
    }

    fn offer_held(&mut self) {
        if let Some(inbound) = self.stalled.take() {
            self.stalled = self.offer(inbound);
        }
        while self.stalled.is_none() && !self.window.is_full() {
            let Some(held) = self.held.pop_front() else { return };
            self.held_bytes = self.held_bytes.saturating_sub(held.payload.len());
            self.admit(held);
        }
    }

    fn admit(&mut self, held: Held) {
        let Held { place, payload, qos, replayed, arrival, ack, shown } = held;
        let source = Arc::clone(&self.source);
        let (topic, retain, settled) = match place {
            Place::Store { topic, retain } => {
                let known = replayed && retain && source.local.router.keeps(&topic, &payload);
                (topic, retain, known.then_some(Fate::Known))
            }
            Place::Replay => (lossy(&shown), false, Some(Fate::Known)),
            Place::Refuse(code) => (lossy(&shown), false, Some(Fate::Refused(code))),
        };
        let message = Message { topic, payload, qos: qos.min(1), retain, properties: None };
        let full = settled.is_none() && retain && !source.local.router.has_room(&message);
        let settled = settled.or(full.then_some(Fate::Refused(QUOTA_EXCEEDED)));
        let Message { topic, payload, qos, .. } = message.clone();
        let ticket = self.window.push(ack, message);
        if let Some(fate) = settled {
            return self.window.settle(ticket, fate);
        }
        self.stalled = self.offer(Inbound {
            // A replayed birth is no sign of life.
            session: if replayed { SessionKey::NONE } else { self.session },
            client_id: Arc::clone(&source.plan.client_id),
            principal: Arc::clone(&source.plan.name),
            topic,
            payload,
            qos,
            retain,
            will: false,
            arrival,
            receipt: Receipt::new(Arc::clone(&self.mailbox), ticket),
        });
    }

    /// Hands it to the sink; it comes back when there is no room.
    fn offer(&mut self, inbound: Inbound) -> Option<Inbound> {
        let ticket = inbound.receipt.ticket();
        match self.source.local.sink.publish(inbound) {
            Ok(Disposition::Logged) => None,
            Ok(Disposition::Immediate) => {
                self.window.settle(ticket, Fate::Stored);
                None
            }
            Ok(Disposition::Refused(code)) => {
                self.window.settle(ticket, Fate::Refused(code));
                None
            }
            Err(back) => Some(back),
        }
    }

    fn may_read(&self) -> bool {
        self.held.len() < usize::from(self.source.plan.options.in_flight) && self.held_bytes < HELD_BYTES_MAX
    }

    fn happened(&mut self, happened: Happened) {
        self.heard_ms = self.now_ms();
        match happened {
            Happened::Connected { session_present, keep_alive } => {
                self.is_connected = true;
                if let Some(keep_alive) = keep_alive {
                    self.keep_alive_ms = whole_ms(keep_alive);
                }
                self.source.session(session_present);
                self.subscribe();
            }
            Happened::Subscribed(granted) => self.subscribed(&granted),
            Happened::Publish(publish) => self.delivered(publish),
            // That broker closes the connection. Closing first, with something of its still unread, would reset it, and
            // what was said last would be lost on the way.
            Happened::Disconnecting => {}
            Happened::Alive => {}
        }
    }

    fn subscribe(&mut self) {
        match self.steps.front() {
            Some(step) if !self.requests.subscribe(&step.filters) => {
                let filters = step.filters.join(", ");
                self.fail(format!("cannot subscribe to {filters}"));
            }
            Some(_) => {}
            None => self.ready(),
        }
    }

    fn subscribed(&mut self, granted: &[Option<u8>]) {
        let Some(step) = self.steps.pop_front() else { return };
        let granted = step.filters.iter().zip(granted.iter().copied().chain(std::iter::repeat(None)));
        for (filter, qos) in granted {
            match (qos, step.needed) {
                (None, true) => return self.fail(format!("that broker refuses the subscription to {filter}")),
                (Some(0), true) => {
                    warn!(
                        source = &*self.source.plan.name,
                        filter, "granted at QoS 0 only: what is delivered may be lost"
                    );
                }
                (granted, false) => self.probe.granted(granted.is_some(), self.heard_ms),
                (Some(_), true) => {}
            }
        }
        self.subscribe();
    }

    fn ready(&mut self) {
        self.ready_ms = Some(self.heard_ms);
        self.source.reporter.update(|status| {
            status.connections += 1;
            // A publish of the session may have come before the last subscription was granted.
            if status.state != State::Flowing {
                status.state = State::Connected;
            }
            status.last_error = None;
        });
        let plan = &self.source.plan;
        info!(source = &*plan.name, host = plan.options.host, port = plan.options.port, "reading from a broker");
    }

    fn delivered(&mut self, publish: Publish) {
        if publish.topic == self.source.plan.probe_topic.as_bytes() {
            let round_trip = self.probe.heard(&publish.payload, self.session.0, self.heard_ms);
            if let Some(round_trip) = round_trip {
                self.source.reporter.update(|status| {
                    status.round_trip = Some(round_trip);
                    status.state = State::Flowing;
                });
            }
            self.acks.extend(publish.ack);
            return;
        }
        if self.stop_due_ms.is_some() {
            // Not acknowledged: it comes again when the gateway is back.
            return;
        }
        self.source.reporter.update(|status| {
            status.received += 1;
            status.repeated += u64::from(publish.dup);
            status.state = State::Flowing;
        });
        self.probe.flows();
        let place = self.source.plan.place(&publish);
        let Publish { topic: shown, payload, qos, retain: replayed, ack, .. } = publish;
        let arrival = self.source.local.clock.now();
        self.held_bytes += payload.len();
        self.held.push_back(Held { place, payload, qos, replayed, arrival, ack, shown });
    }

    fn stop(&mut self) {
        self.stop_due_ms = Some(self.now_ms().saturating_add(STOP_MS));
        self.held.clear();
        self.held_bytes = 0;
        self.source.reporter.update(|status| status.state = State::Stopped);
        if !self.is_connected {
            self.over = Some(None);
        }
    }

    fn fail(&mut self, error: String) {
        self.over.get_or_insert(Some(error).filter(|_| self.stop_due_ms.is_none()));
    }

    fn due_in(&self) -> Duration {
        let setup = self.ready_ms.is_none().then(|| self.begun_ms.saturating_add(SETUP_MS));
        let silent = self.silent_due_ms().filter(|_| self.full_ms.is_none());
        let due =
            [setup, silent, self.full_due_ms(), self.probe.due_ms(), self.stop_due_ms].into_iter().flatten().min();
        Duration::from_millis(due.map_or(SETUP_MS, |due_ms| due_ms.saturating_sub(self.now_ms())))
    }

    /// The library pings once per keep-alive, so something is heard within two, or the connection hangs.
    fn silent_due_ms(&self) -> Option<u64> {
        (self.keep_alive_ms > 0).then(|| self.heard_ms.saturating_add(self.keep_alive_ms.saturating_mul(2)))
    }

    /// While nothing is read nothing is pinged: the end comes before that broker makes it, and what is unacknowledged
    /// comes again.
    fn full_due_ms(&self) -> Option<u64> {
        let patience_ms = if self.keep_alive_ms > 0 { self.keep_alive_ms / 2 } else { SETUP_MS };
        self.full_ms.map(|full_ms| full_ms.saturating_add(patience_ms))
    }

    fn time_passed(&mut self) {
        let now_ms = self.now_ms();
        let passed = |due_ms: Option<u64>| due_ms.is_some_and(|due_ms| due_ms <= now_ms);
        if passed(self.stop_due_ms) {
            self.over = Some(None);
        } else if self.ready_ms.is_none() && passed(Some(self.begun_ms.saturating_add(SETUP_MS))) {
            self.fail(format!("not connected and subscribed within {} s", SETUP_MS / 1_000));
        } else if passed(self.full_due_ms()) {
            self.fail("the log has had no room for half a keep-alive; trying again later".to_owned());
        } else if self.full_ms.is_none() && passed(self.silent_due_ms()) {
            self.fail("nothing heard for two keep-alives".to_owned());
        } else if passed(self.probe.due_ms()) {
            self.send_probe(now_ms);
        }
    }

    fn send_probe(&mut self, now_ms: u64) {
        let reporter = &self.source.reporter;
        if self.probe.is_quiet() {
            reporter.update(|status| {
                status.state = State::Connected;
                status.round_trip = None;
            });
        }
        match self.probe.next(self.session.0, now_ms) {
            Next::Send(payload) => {
                if !self.requests.publish(&self.source.plan.probe_topic, payload) {
                    self.probe.unsent();
                }
            }
            Next::GiveUp => self.fail("messages do not come back through that broker any more".to_owned()),
        }
    }
}

fn fate(outcome: Outcome) -> Fate {
    match outcome {
        Outcome::Stored => Fate::Stored,
        Outcome::Refused(code) | Outcome::Unfit(code, _) => Fate::Refused(code),
        Outcome::Lost => Fate::Lost,
    }
}

/// A foreign topic as far as it can be shown.
fn lossy(topic: &Bytes) -> Arc<str> {
    let shown = String::from_utf8_lossy(topic);
    Arc::from(shown.get(..shown.floor_char_boundary(128)).unwrap_or_default())
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
