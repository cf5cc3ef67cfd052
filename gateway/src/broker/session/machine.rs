//! The session machine: its states, and the way in and out of being connected.

use std::sync::Arc;

use super::acks::{AckQueue, Turn};
use super::connect::{Accepted, client_id, judge};
use super::connected::Connected;
use super::effects::{Cause, Effect, Event};
use crate::broker::codec::{ConnAck, Connect, Malformed, Packet, Reply, Version, Will};
use crate::broker::complaint::{Complaint, Place};
use crate::broker::config::Config;
use crate::broker::message::Message;
use crate::broker::reason;
use crate::broker::receipt::{Kick, Ticket};
use crate::broker::seam::{Disposition, Outcome, Policy, Principal};

/// What one session needs to know of the configuration and of its connection.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) config: Arc<Config>,
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
    Authenticating {
        connect: Box<Connect>,
        client_id: Arc<str>,
        until_ms: u64,
    },
    Registering(Box<(Connect, Accepted)>),
    Connected(Box<Connected>),
    /// Closed; takes outcomes until nothing is open.
    Over {
        peer: Option<Peer>,
        acks: AckQueue,
    },
}

/// What the last words to a client depend on; known once its CONNECT has come.
#[derive(Clone, Copy)]
struct Peer {
    version: Version,
    packet_bytes_max: u32,
}

impl Peer {
    fn of(connect: &Connect) -> Self {
        Self { version: connect.version, packet_bytes_max: connect.packet_bytes_max }
    }
}

impl Session {
    pub(crate) fn new(limits: Limits, policy: Arc<dyn Policy>, now_ms: u64) -> Self {
        let until_ms = now_ms.saturating_add(limits.config.connect_timeout_s.saturating_mul(1_000));
        Self { limits, policy, state: State::AwaitingConnect { until_ms } }
    }

    /// Takes an event and appends what is to be done, in order.
    pub(crate) fn step(&mut self, now_ms: u64, event: Event<'_>, fx: &mut Vec<Effect>) {
        match &mut self.state {
            State::AwaitingConnect { until_ms } => {
                let until_ms = *until_ms;
                self.awaiting_connect(now_ms, until_ms, event, fx);
            }
            State::Authenticating { until_ms, .. } => {
                let until_ms = *until_ms;
                self.authenticating(now_ms, until_ms, event, fx);
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

    fn peer(&self) -> Option<Peer> {
        match &self.state {
            State::AwaitingConnect { .. } => None,
            State::Authenticating { connect, .. } => Some(Peer::of(connect)),
            State::Registering(pending) => Some(Peer::of(&pending.0)),
            State::Connected(connected) => {
                Some(Peer { version: connected.version, packet_bytes_max: connected.packet_bytes_max })
            }
            State::Over { peer, .. } => *peer,
        }
    }

    /// The protocol version, once a CONNECT has come.
    pub(crate) fn version(&self) -> Option<Version> {
        self.peer().map(|peer| peer.version)
    }

    /// The largest packet the client takes.
    pub(crate) fn packet_bytes_max(&self) -> u32 {
        self.peer().map_or(u32::MAX, |peer| peer.packet_bytes_max)
    }

    /// Whether further packets may be decoded now.
    pub(crate) fn may_read(&self) -> bool {
        match &self.state {
            State::AwaitingConnect { .. } => true,
            State::Authenticating { .. } | State::Registering(_) | State::Over { .. } => false,
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
            State::AwaitingConnect { until_ms } | State::Authenticating { until_ms, .. } => Some(*until_ms),
            State::Connected(connected) => connected.deadline_ms(),
            State::Registering(_) | State::Over { .. } => None,
        }
    }

    /// Closed, and nothing of it is in the hands of the sink or the log.
    pub(crate) fn is_drained(&self) -> bool {
        matches!(&self.state, State::Over { acks, .. } if acks.is_empty())
    }

    fn awaiting_connect(&mut self, now_ms: u64, until_ms: u64, event: Event<'_>, fx: &mut Vec<Effect>) {
        match event {
            Event::Packet(Packet::Connect(connect)) => self.connect(connect, until_ms, fx),
            Event::Malformed(malformed @ Malformed::Version { .. }) => {
                let peer = Peer { version: Version::V311, packet_bytes_max: u32::MAX };
                self.refuse_connect(peer, reason::VERSION, Place::found(malformed), fx);
            }
            Event::Malformed(malformed) => {
                let cause = Cause::Violation(malformed.code());
                complain(cause, Place::found(malformed), fx);
                self.close(None, cause, fx);
            }
            Event::Packet(_) => self.close(None, Cause::Violation(reason::PROTOCOL), fx),
            Event::Time { .. } if now_ms >= until_ms => self.close(None, Cause::ConnectTimeout, fx),
            Event::Kick(kick) => self.close(None, Cause::Kicked(kick), fx),
            Event::PeerGone => self.close(None, Cause::Gone, fx),
            Event::ShutdownDue => self.close(None, Cause::Kicked(Kick::Shutdown), fx),
            Event::Time { .. }
            | Event::Authenticated(_)
            | Event::Registered(_)
            | Event::Offered(..)
            | Event::Settled(..)
            | Event::Deliver(_)
            | Event::Undeliverable { .. } => {}
        }
    }

    fn connect(&mut self, mut connect: Box<Connect>, until_ms: u64, fx: &mut Vec<Effect>) {
        if self.limits.full {
            return self.refuse_connect(Peer::of(&connect), reason::QUOTA_EXCEEDED, caller(&connect), fx);
        }
        match client_id(&connect, &self.limits.spare_id) {
            Err(code) => self.refuse_connect(Peer::of(&connect), code, caller(&connect), fx),
            Ok(client_id) => {
                let login = std::mem::take(&mut connect.login);
                let version = connect.version;
                fx.push(Effect::Authenticate { client_id: Arc::clone(&client_id), login, version });
                self.state = State::Authenticating { connect, client_id, until_ms };
            }
        }
    }

    fn authenticating(&mut self, now_ms: u64, until_ms: u64, event: Event<'_>, fx: &mut Vec<Effect>) {
        let peer = self.peer();
        match event {
            Event::Authenticated(answer) => self.authenticated(answer, fx),
            Event::Time { .. } if now_ms >= until_ms => self.close(peer, Cause::ConnectTimeout, fx),
            Event::Kick(kick) => self.close(peer, Cause::Kicked(kick), fx),
            Event::PeerGone => self.close(peer, Cause::Gone, fx),
            Event::ShutdownDue => self.close(peer, Cause::Kicked(Kick::Shutdown), fx),
            _ => {}
        }
    }

    fn authenticated(&mut self, answer: Result<Principal, u8>, fx: &mut Vec<Effect>) {
        let over = State::Over { peer: self.peer(), acks: AckQueue::default() };
        let State::Authenticating { connect, client_id, .. } = std::mem::replace(&mut self.state, over) else { return };
        let judged = answer.and_then(|principal| judge(&connect, client_id, principal, &*self.policy));
        match judged {
            Err(code) => self.refuse_connect(Peer::of(&connect), code, caller(&connect), fx),
            Ok(accepted) => {
                let (client_id, principal) = (Arc::clone(&accepted.client_id), accepted.principal.clone());
                fx.push(Effect::Register { client_id, principal });
                self.state = State::Registering(Box::new((*connect, accepted)));
            }
        }
    }

    fn registering(&mut self, now_ms: u64, event: Event<'_>, fx: &mut Vec<Effect>) {
        let peer = self.peer();
        match event {
            Event::Registered(Ok(())) => {
                let over = State::Over { peer, acks: AckQueue::default() };
                if let State::Registering(pending) = std::mem::replace(&mut self.state, over) {
                    let (connect, accepted) = *pending;
                    let (connected, ack) = Connected::new(connect, accepted, now_ms, &self.limits.config);
                    fx.push(Effect::Reply(Reply::ConnAck(Box::new(ack))));
                    self.state = State::Connected(Box::new(connected));
                }
            }
            Event::Registered(Err(code)) => {
                if let State::Registering(pending) = &self.state {
                    let (peer, caller) = (Peer::of(&pending.0), caller(&pending.0));
                    self.refuse_connect(peer, code, caller, fx);
                }
            }
            Event::Kick(kick) => self.close(peer, Cause::Kicked(kick), fx),
            Event::PeerGone => self.close(peer, Cause::Gone, fx),
            Event::ShutdownDue => self.close(peer, Cause::Kicked(Kick::Shutdown), fx),
            _ => {}
        }
    }

    fn refuse_connect(&mut self, peer: Peer, code: u8, place: Place, fx: &mut Vec<Effect>) {
        complain(Cause::ConnectRefused(code), place, fx);
        fx.push(Effect::Reply(Reply::ConnAck(Box::new(ConnAck { code, ..ConnAck::default() }))));
        self.close(Some(peer), Cause::ConnectRefused(code), fx);
    }

    /// Closes a connection that is not connected yet: there is nobody to say DISCONNECT to, and no will.
    fn close(&mut self, peer: Option<Peer>, cause: Cause, fx: &mut Vec<Effect>) {
        self.state = State::Over { peer, acks: AckQueue::default() };
        fx.push(Effect::Close(cause));
    }

    fn end(&mut self, cause: Cause, fx: &mut Vec<Effect>) {
        let peer = self.peer();
        let over = State::Over { peer, acks: AckQueue::default() };
        let State::Connected(connected) = std::mem::replace(&mut self.state, over) else { return };
        let Connected { version, principal, will, mut acks, fault, .. } = *connected;
        if let Some(code) = cause.disconnect_code().filter(|_| version == Version::V5) {
            let reason = Complaint { code, place: fault.clone(), ends: true }.to_string().into();
            fx.push(Effect::Reply(Reply::Disconnect { code, reason: Some(reason) }));
        }
        complain(cause, fault, fx);
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
        self.state = State::Over { peer, acks };
    }
}

/// Tells the operator, if the client is to blame.
fn complain(cause: Cause, place: Place, fx: &mut Vec<Effect>) {
    fx.extend(cause.blamed_code().map(|code| Effect::Complain(Complaint { code, place, ends: true })));
}

/// Who was not let in.
fn caller(connect: &Connect) -> Place {
    let will = connect.will.as_ref().map(|will| Place::topic(&will.topic)).unwrap_or_default();
    let client_id = Place::topic(&connect.client_id).topic;
    Place { found: client_id.map(|id| format!("CONNECT of client id {id:?}").into()), ..will }
}

/// Routes what was stored although its sender has left.
fn route_stored(acks: &mut AckQueue, fx: &mut Vec<Effect>) {
    while let Some((turn, outcome)) = acks.pop() {
        if let (Turn::Publish { message, .. }, Outcome::Stored) = (turn, outcome) {
            fx.push(Effect::Route(message));
        }
    }
}

pub(super) fn offered(acks: &mut AckQueue, ticket: Ticket, disposition: Disposition) {
    match disposition {
        Disposition::Logged => {}
        Disposition::Immediate => acks.settle(ticket, Outcome::Stored),
        Disposition::Refused(code) => acks.settle(ticket, Outcome::Refused(code)),
    }
}
