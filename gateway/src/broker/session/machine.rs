//! The session machine.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::acks::{AckQueue, Turn};
use super::connect::{Accepted, judge};
use super::effects::{Cause, Effect, Event};
use super::in_flight::InFlight;
use crate::broker::codec::{
    ConnAck, Connect, Malformed, Packet, Publish, Reply, SubscribeRequest, Topics, Version, Will, reason,
};
use crate::broker::config::Config;
use crate::broker::message::{Delivery, Message};
use crate::broker::receipt::{Kick, Ticket};
use crate::broker::seam::{Disposition, Outcome, Policy, Principal};
use crate::broker::topic::{TopicError, check_filter, check_name, is_server_topic};

/// What one session needs to know of the configuration and of its connection.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) config: Arc<Config>,
    pub(crate) peer: SocketAddr,
    /// The client id a client gets that brings none.
    pub(crate) spare_id: String,
    /// All connections are taken: refuse the CONNECT.
    pub(crate) full: bool,
}

pub(crate) struct Session {
    limits: Limits,
    policy: Arc<dyn Policy>,
    state: State,
}

enum State {
    AwaitingConnect {
        until_ms: u64,
    },
    Registering(Box<(Connect, Accepted)>),
    Connected(Box<Connected>),
    /// Closed; takes outcomes until nothing is open. The version is known if a CONNECT came.
    Over {
        version: Option<Version>,
        acks: AckQueue,
    },
}

struct Connected {
    version: Version,
    principal: Principal,
    will: Option<Will>,
    session_expiry_s: u32,
    packet_bytes_max: u32,
    /// 0 = none.
    keep_alive_ms: u64,
    heard_ms: u64,
    acks: AckQueue,
    in_flight: InFlight,
    filters: HashSet<Arc<str>>,
    /// The topic of the last publish: a device publishes to the same one again and again.
    last_topic: Option<Arc<str>>,
    reading: Reading,
}

/// Whether further packets are taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Open,
    /// A refusal that ends the connection waits for its turn.
    Refused,
    /// The gateway stops: what is in flight settles first.
    ShuttingDown,
}

impl Session {
    pub(crate) fn new(limits: Limits, policy: Arc<dyn Policy>, now_ms: u64) -> Self {
        let until_ms = now_ms + limits.config.connect_timeout_s * 1_000;
        Self { limits, policy, state: State::AwaitingConnect { until_ms } }
    }

    /// Takes an event and appends what is to be done, in order.
    pub(crate) fn step(&mut self, now_ms: u64, event: Event<'_>, fx: &mut Vec<Effect>) {
        match &mut self.state {
            State::AwaitingConnect { until_ms } => {
                let until_ms = *until_ms;
                self.awaiting_connect(now_ms, until_ms, event, fx);
            }
            State::Registering(_) => self.registering(now_ms, event, fx),
            State::Connected(connected) => {
                let cause = connected.step(now_ms, event, &self.limits.config, &*self.policy, fx);
                if let Some(cause) = cause {
                    self.end(cause, fx);
                }
            }
            State::Over { acks, .. } => {
                match event {
                    Event::Settled(ticket, outcome) => acks.settle(ticket, outcome),
                    Event::Offered(ticket, disposition) => offered(acks, ticket, disposition),
                    _ => {}
                }
                route_stored(acks, fx);
            }
        }
    }

    /// The protocol version, once a CONNECT has come.
    pub(crate) fn version(&self) -> Option<Version> {
        match &self.state {
            State::AwaitingConnect { .. } => None,
            State::Registering(pending) => Some(pending.0.version),
            State::Connected(connected) => Some(connected.version),
            State::Over { version, .. } => *version,
        }
    }

    /// The largest packet the client takes.
    pub(crate) fn packet_bytes_max(&self) -> u32 {
        match &self.state {
            State::Connected(connected) => connected.packet_bytes_max,
            _ => u32::MAX,
        }
    }

    /// Whether further packets may be decoded now.
    pub(crate) fn may_read(&self) -> bool {
        match &self.state {
            State::AwaitingConnect { .. } => true,
            State::Registering(_) | State::Over { .. } => false,
            State::Connected(connected) => connected.may_read(&self.limits.config),
        }
    }

    /// Whether a delivery may be given to the session now.
    pub(crate) fn may_send(&self) -> bool {
        match &self.state {
            State::Connected(connected) => connected.in_flight.has_room(),
            _ => false,
        }
    }

    /// When [`Event::Time`] is due, on the clock of `now_ms`.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        match &self.state {
            State::AwaitingConnect { until_ms } => Some(*until_ms),
            State::Connected(c) if c.keep_alive_ms > 0 => Some(c.heard_ms + c.keep_alive_ms + c.keep_alive_ms / 2),
            _ => None,
        }
    }

    /// Closed, and nothing of it is in the hands of the sink or the log.
    pub(crate) fn is_drained(&self) -> bool {
        matches!(&self.state, State::Over { acks, .. } if acks.is_empty())
    }

    fn awaiting_connect(&mut self, now_ms: u64, until_ms: u64, event: Event<'_>, fx: &mut Vec<Effect>) {
        match event {
            Event::Packet(Packet::Connect(connect)) => self.connect(*connect, fx),
            Event::Malformed(Malformed::Version { .. }) => self.refuse_connect(Version::V311, reason::VERSION, fx),
            Event::Malformed(malformed) => self.close(None, Cause::Violation(malformed.code()), fx),
            Event::Packet(_) => self.close(None, Cause::Violation(reason::PROTOCOL), fx),
            Event::Time { .. } if now_ms >= until_ms => self.close(None, Cause::ConnectTimeout, fx),
            Event::Kick(kick) => self.close(None, Cause::Kicked(kick), fx),
            Event::PeerGone => self.close(None, Cause::Gone, fx),
            Event::ShutdownDue => self.close(None, Cause::Kicked(Kick::Shutdown), fx),
            Event::Time { .. }
            | Event::Registered(_)
            | Event::Offered(..)
            | Event::Settled(..)
            | Event::Deliver(_)
            | Event::Undeliverable { .. } => {}
        }
    }

    fn connect(&mut self, connect: Connect, fx: &mut Vec<Effect>) {
        if self.limits.full {
            return self.refuse_connect(connect.version, reason::QUOTA, fx);
        }
        match judge(&connect, self.limits.peer, &self.limits.spare_id, &*self.policy) {
            Err(code) => self.refuse_connect(connect.version, code, fx),
            Ok(accepted) => {
                let (client_id, principal) = (Arc::clone(&accepted.client_id), accepted.principal.clone());
                fx.push(Effect::Register { client_id, principal });
                self.state = State::Registering(Box::new((connect, accepted)));
            }
        }
    }

    fn registering(&mut self, now_ms: u64, event: Event<'_>, fx: &mut Vec<Effect>) {
        let version = self.version();
        match event {
            Event::Registered(Ok(())) => {
                let over = State::Over { version, acks: AckQueue::default() };
                if let State::Registering(pending) = std::mem::replace(&mut self.state, over) {
                    let (connect, accepted) = *pending;
                    let (connected, ack) = Connected::new(connect, accepted, now_ms, &self.limits.config);
                    fx.push(Effect::Reply(Reply::ConnAck(Box::new(ack))));
                    self.state = State::Connected(Box::new(connected));
                }
            }
            Event::Registered(Err(code)) => self.refuse_connect(version.unwrap_or(Version::V311), code, fx),
            Event::Kick(kick) => self.close(version, Cause::Kicked(kick), fx),
            Event::PeerGone => self.close(version, Cause::Gone, fx),
            Event::ShutdownDue => self.close(version, Cause::Kicked(Kick::Shutdown), fx),
            _ => {}
        }
    }

    fn refuse_connect(&mut self, version: Version, code: u8, fx: &mut Vec<Effect>) {
        fx.push(Effect::Reply(Reply::ConnAck(Box::new(ConnAck { code, ..ConnAck::default() }))));
        self.close(Some(version), Cause::ConnectRefused(code), fx);
    }

    /// Closes a connection that is not connected yet: there is nobody to say DISCONNECT to, and no will.
    fn close(&mut self, version: Option<Version>, cause: Cause, fx: &mut Vec<Effect>) {
        self.state = State::Over { version, acks: AckQueue::default() };
        fx.push(Effect::Close(cause));
    }

    fn end(&mut self, cause: Cause, fx: &mut Vec<Effect>) {
        let over = State::Over { version: self.version(), acks: AckQueue::default() };
        let State::Connected(connected) = std::mem::replace(&mut self.state, over) else { return };
        let Connected { version, principal, will, mut acks, .. } = *connected;
        if let Some(code) = cause.disconnect_code().filter(|_| version == Version::V5) {
            fx.push(Effect::Reply(Reply::Disconnect { code }));
        }
        fx.push(Effect::Close(cause));
        if let Some(will) = will.filter(|_| cause.fires_will())
            && self.policy.publish(&principal, &will.topic).is_ok()
        {
            let Will { topic, payload, qos, retain, properties } = will;
            let message = Message { topic, payload, qos: qos.min(1), retain, properties };
            let ticket = acks.push_open(Turn::Publish { id: None, message: message.clone(), will: true });
            fx.push(Effect::Offer { ticket, message, will: true });
        }
        route_stored(&mut acks, fx);
        self.state = State::Over { version: Some(version), acks };
    }
}

/// Routes what was stored although its sender has left.
fn route_stored(acks: &mut AckQueue, fx: &mut Vec<Effect>) {
    while let Some((turn, outcome)) = acks.pop() {
        if let (Turn::Publish { message, .. }, Outcome::Stored) = (turn, outcome) {
            fx.push(Effect::Route(message));
        }
    }
}

fn offered(acks: &mut AckQueue, ticket: Ticket, disposition: Disposition) {
    match disposition {
        Disposition::Logged => {}
        Disposition::Immediate => acks.settle(ticket, Outcome::Stored),
        Disposition::Refused(code) => acks.settle(ticket, Outcome::Refused(code)),
    }
}

impl Connected {
    fn new(connect: Connect, accepted: Accepted, now_ms: u64, config: &Config) -> (Self, ConnAck) {
        let cap = config.keep_alive_max_s;
        let beyond_cap = cap > 0 && (connect.keep_alive_s == 0 || connect.keep_alive_s > cap);
        let capped = beyond_cap && connect.version == Version::V5;
        let keep_alive_s = if capped { cap } else { connect.keep_alive_s };
        let ack = ConnAck {
            code: reason::SUCCESS,
            session_expiry_denied: connect.session_expiry_s > 0,
            assigned_client_id: accepted.assigned.then_some(accepted.client_id),
            server_keep_alive_s: capped.then_some(cap),
            receive_maximum: config.receive_maximum,
            packet_bytes_max: config.packet_bytes_max,
        };
        let connected = Self {
            version: connect.version,
            principal: accepted.principal,
            will: connect.will,
            session_expiry_s: connect.session_expiry_s,
            packet_bytes_max: connect.packet_bytes_max,
            keep_alive_ms: u64::from(keep_alive_s) * 1_000,
            heard_ms: now_ms,
            acks: AckQueue::default(),
            in_flight: InFlight::new(connect.receive_maximum.min(config.in_flight_max)),
            filters: HashSet::new(),
            last_topic: None,
            reading: Reading::Open,
        };
        (connected, ack)
    }

    /// An MQTT 5 client is read one publish beyond its Receive Maximum, so that breaking it is noticed.
    fn may_read(&self, config: &Config) -> bool {
        let frames_max = match self.version {
            Version::V311 => config.uncommitted_frames_max,
            Version::V5 => config.uncommitted_frames_max.max(usize::from(config.receive_maximum) + 1),
        };
        self.reading == Reading::Open
            && self.acks.len() < frames_max
            && self.acks.bytes() < config.uncommitted_bytes_max
    }

    /// Returns why the connection ends, if it does.
    fn step(
        &mut self,
        now_ms: u64,
        event: Event<'_>,
        config: &Config,
        policy: &dyn Policy,
        fx: &mut Vec<Effect>,
    ) -> Option<Cause> {
        match event {
            Event::Packet(packet) => {
                self.heard_ms = now_ms;
                if let Err(cause) = self.packet(packet, config, policy, fx) {
                    return Some(cause);
                }
            }
            Event::Malformed(malformed) => return Some(Cause::Violation(malformed.code())),
            Event::Offered(ticket, disposition) => offered(&mut self.acks, ticket, disposition),
            Event::Settled(ticket, outcome) => self.acks.settle(ticket, outcome),
            Event::Deliver(delivery) => self.deliver(delivery, fx),
            Event::Undeliverable { id } => id.into_iter().for_each(|id| self.in_flight.acknowledged(id)),
            Event::Kick(Kick::Shutdown) => self.reading = Reading::ShuttingDown,
            Event::Kick(kick) => return Some(Cause::Kicked(kick)),
            Event::Time { reading } => {
                if self.silent_too_long(now_ms, reading) {
                    return Some(Cause::KeepAlive);
                }
            }
            Event::PeerGone => return Some(Cause::Gone),
            Event::ShutdownDue => return Some(Cause::Kicked(Kick::Shutdown)),
            Event::Registered(_) => {}
        }
        if let Err(cause) = self.take_turns(fx) {
            return Some(cause);
        }
        let shut_down = self.reading == Reading::ShuttingDown && self.acks.is_empty();
        shut_down.then_some(Cause::Kicked(Kick::Shutdown))
    }

    /// A client whose socket we do not read cannot be heard, and is not to blame for it.
    fn silent_too_long(&mut self, now_ms: u64, reading: bool) -> bool {
        if !reading {
            self.heard_ms = now_ms;
        }
        self.keep_alive_ms > 0 && now_ms >= self.heard_ms + self.keep_alive_ms + self.keep_alive_ms / 2
    }

    fn packet(
        &mut self,
        packet: Packet<'_>,
        config: &Config,
        policy: &dyn Policy,
        fx: &mut Vec<Effect>,
    ) -> Result<(), Cause> {
        match packet {
            Packet::Publish(publish) => self.publish(publish, config, policy, fx)?,
            Packet::PubAck { id } => self.in_flight.acknowledged(id),
            Packet::Subscribe(topics) => self.subscribe(topics, config, policy, fx)?,
            Packet::Unsubscribe(topics) => self.unsubscribe(topics, fx),
            Packet::PingReq => fx.push(Effect::Reply(Reply::PingResp)),
            Packet::Disconnect { session_expiry_s, .. }
                if self.session_expiry_s == 0 && session_expiry_s.is_some_and(|s| s > 0) =>
            {
                return Err(Cause::Violation(reason::PROTOCOL));
            }
            Packet::Disconnect { code, .. } => return Err(Cause::Disconnected(code)),
            Packet::Connect(_) | Packet::QosTwo | Packet::Auth => return Err(Cause::Violation(reason::PROTOCOL)),
        }
        Ok(())
    }

    fn publish(
        &mut self,
        publish: Publish<'_>,
        config: &Config,
        policy: &dyn Policy,
        fx: &mut Vec<Effect>,
    ) -> Result<(), Cause> {
        let Publish { topic, payload, qos, retain, id, alias, properties } = publish;
        if qos > 1 {
            return Err(Cause::Violation(reason::QOS));
        }
        if alias {
            return Err(Cause::Violation(reason::TOPIC_ALIAS));
        }
        if id.is_some() && self.version == Version::V5 && self.acks.unacked() >= usize::from(config.receive_maximum) {
            return Err(Cause::Violation(reason::RECEIVE_MAXIMUM));
        }
        if let Err(code) = self.may_publish(topic, policy)? {
            self.acks.push_ready(Turn::RefusedPublish { id, code });
            if self.refusal_ends(id, code).is_some() {
                self.reading = Reading::Refused;
            }
            return Ok(());
        }
        let (topic, payload) = (self.shared_topic(topic), Bytes::copy_from_slice(payload));
        let message = Message { topic, payload, qos, retain, properties };
        let ticket = self.acks.push_open(Turn::Publish { id, message: message.clone(), will: false });
        fx.push(Effect::Offer { ticket, message, will: false });
        Ok(())
    }

    /// `Err`: no topic name at all, which ends the connection; `Ok(Err)`: refused with a code.
    fn may_publish(&self, topic: &str, policy: &dyn Policy) -> Result<Result<(), u8>, Cause> {
        match check_name(topic) {
            Err(TopicError::TooLong { .. } | TopicError::TooDeep) => return Ok(Err(reason::TOPIC_INVALID)),
            Err(_) => return Err(Cause::Violation(reason::TOPIC_INVALID)),
            Ok(()) => {}
        }
        if is_server_topic(topic) {
            return Ok(Err(reason::TOPIC_INVALID));
        }
        Ok(policy.publish(&self.principal, topic))
    }

    fn shared_topic(&mut self, topic: &str) -> Arc<str> {
        match &self.last_topic {
            Some(last) if **last == *topic => Arc::clone(last),
            _ => Arc::clone(self.last_topic.insert(Arc::from(topic))),
        }
    }

    fn subscribe(
        &mut self,
        topics: Topics<SubscribeRequest>,
        config: &Config,
        policy: &dyn Policy,
        fx: &mut Vec<Effect>,
    ) -> Result<(), Cause> {
        if topics.subscription_id {
            return Err(Cause::Violation(reason::SUBSCRIPTION_ID));
        }
        let (mut codes, mut granted) = (Vec::new(), Vec::new());
        for mut request in topics.entries {
            match self.may_subscribe(&request.filter, config, policy) {
                Err(code) => codes.push(code),
                Ok(()) => {
                    request.qos = request.qos.min(1);
                    codes.push(request.qos);
                    let new = self.filters.insert(Arc::clone(&request.filter));
                    let retained = request.retain_handling == 0 || (request.retain_handling == 1 && new);
                    granted.push((request, retained));
                }
            }
        }
        self.acks.push_ready(Turn::Answer(Reply::SubAck { id: topics.id, codes }));
        if !granted.is_empty() {
            fx.push(Effect::Subscribe(granted));
        }
        Ok(())
    }

    fn may_subscribe(&self, filter: &str, config: &Config, policy: &dyn Policy) -> Result<(), u8> {
        if self.version == Version::V5 && filter.starts_with("$share/") {
            return Err(reason::SHARED);
        }
        check_filter(filter).map_err(|_| reason::FILTER_INVALID)?;
        if self.filters.len() >= config.subscriptions_max && !self.filters.contains(filter) {
            return Err(reason::QUOTA);
        }
        policy.subscribe(&self.principal, filter)
    }

    fn unsubscribe(&mut self, topics: Topics<Arc<str>>, fx: &mut Vec<Effect>) {
        let (mut codes, mut gone) = (Vec::new(), Vec::new());
        for filter in topics.entries {
            let had = self.filters.remove(&filter);
            codes.push(if had { reason::SUCCESS } else { reason::NO_SUBSCRIPTION });
            if had {
                gone.push(filter);
            }
        }
        fx.push(Effect::Unsubscribe(gone));
        self.acks.push_ready(Turn::Answer(Reply::UnsubAck { id: topics.id, codes }));
    }

    fn deliver(&mut self, delivery: Delivery, fx: &mut Vec<Effect>) {
        let id = if delivery.qos > 0 { Some(self.in_flight.send()) } else { None };
        fx.push(Effect::Reply(Reply::Publish { id, delivery }));
    }

    /// Everything whose turn has come leaves.
    fn take_turns(&mut self, fx: &mut Vec<Effect>) -> Result<(), Cause> {
        while let Some((turn, outcome)) = self.acks.pop() {
            match (turn, outcome) {
                (_, Outcome::Lost) => return Err(Cause::LogFailed),
                (Turn::Answer(reply), _) => fx.push(Effect::Reply(reply)),
                (Turn::RefusedPublish { id, code }, _) | (Turn::Publish { id, .. }, Outcome::Refused(code)) => {
                    self.refuse(id, code, fx)?;
                }
                (Turn::Publish { id, message, .. }, Outcome::Stored) => {
                    fx.push(Effect::Route(message));
                    fx.extend(id.map(|id| Effect::Reply(Reply::PubAck { id, code: reason::SUCCESS })));
                }
            }
        }
        Ok(())
    }

    fn refuse(&mut self, id: Option<u16>, code: u8, fx: &mut Vec<Effect>) -> Result<(), Cause> {
        if let Some(cause) = self.refusal_ends(id, code) {
            return Err(cause);
        }
        fx.extend(id.map(|id| Effect::Reply(Reply::PubAck { id, code })));
        Ok(())
    }

    /// 3.1.1 has no negative PUBACK, and QoS 0 has none at all: what must not be taken for accepted ends the connection. A QoS 0
    /// publish that was refused for want of room is merely not there, as QoS 0 allows.
    fn refusal_ends(&self, id: Option<u16>, code: u8) -> Option<Cause> {
        let forbidden = matches!(code, reason::NOT_AUTHORIZED | reason::TOPIC_INVALID);
        let ends = match id {
            Some(_) => self.version == Version::V311,
            None => forbidden,
        };
        ends.then_some(Cause::PublishRefused(code))
    }
}
