//! A session after its CONNACK: what packets, outcomes and time do to it.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use super::acks::{AckQueue, Turn};
use super::connect::Accepted;
use super::effects::{Cause, Effect, Event};
use super::in_flight::InFlight;
use super::machine::offered;
use crate::broker::codec::{
    ConnAck, Connect, Packet, Publish, ReasonString, Reply, SubscribeRequest, Topics, Version, Will,
};
use crate::broker::complaint::{Complaint, Place};
use crate::broker::config::Config;
use crate::broker::message::{Delivery, Message};
use crate::broker::reason;
use crate::broker::receipt::Kick;
use crate::broker::seam::{Outcome, Policy, Principal};
use crate::broker::topic::{TopicError, check_filter, check_name, is_server_topic};

pub(super) struct Connected {
    pub(super) version: Version,
    pub(super) principal: Principal,
    pub(super) will: Option<Will>,
    session_expiry_s: u32,
    pub(super) packet_bytes_max: u32,
    /// 0 = none.
    keep_alive_ms: u64,
    heard_ms: u64,
    pub(super) acks: AckQueue,
    pub(super) in_flight: InFlight,
    filters: HashSet<Arc<str>>,
    /// The topic of the last publish: a device publishes to the same one again and again.
    last_topic: Option<Arc<str>>,
    reading: Reading,
    /// Reason strings may go into acknowledgements.
    explains: bool,
    /// Where the client went wrong, once it has to end for it.
    pub(super) fault: Place,
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

impl Connected {
    pub(super) fn new(connect: Connect, accepted: Accepted, now_ms: u64, config: &Config) -> (Self, ConnAck) {
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
            explains: connect.version == Version::V5 && connect.problem_information,
            fault: Place::default(),
        };
        (connected, ack)
    }

    /// An MQTT 5 client is read one publish beyond its Receive Maximum, so that breaking it is noticed.
    pub(super) fn may_read(&self, config: &Config) -> bool {
        let frames_max = match self.version {
            Version::V311 => config.uncommitted_frames_max,
            Version::V5 => config.uncommitted_frames_max.max(usize::from(config.receive_maximum) + 1),
        };
        self.reading == Reading::Open
            && self.acks.len() < frames_max
            && self.acks.bytes() < config.uncommitted_bytes_max
    }

    /// Returns why the connection ends, if it does.
    pub(super) fn step(
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
            Event::Malformed(malformed) => {
                self.fault = Place::found(malformed);
                return Some(Cause::Violation(malformed.code()));
            }
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
            Event::Authenticated(_) | Event::Registered(_) => {}
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
        self.deadline_ms().is_some_and(|due_ms| now_ms >= due_ms)
    }

    /// One and a half keep-alive times after the client was last heard (MQTT 5, 3.1.2.10).
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        let patience_ms = self.keep_alive_ms + self.keep_alive_ms / 2;
        (self.keep_alive_ms > 0).then_some(self.heard_ms + patience_ms)
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
        let judged = self.judge_form(&publish, config).and_then(|()| self.may_publish(publish.topic, policy));
        let Publish { topic, payload, qos, retain, id, properties, .. } = publish;
        let judged = judged.inspect_err(|_| self.fault = Place::topic(topic))?;
        if let Err(code) = judged {
            self.acks.push_ready(Turn::RefusedPublish { id, code, place: Place::topic(topic) });
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

    fn judge_form(&self, publish: &Publish<'_>, config: &Config) -> Result<(), Cause> {
        if publish.qos > 1 {
            return Err(Cause::Violation(reason::QOS_NOT_SUPPORTED));
        }
        if publish.alias {
            return Err(Cause::Violation(reason::TOPIC_ALIAS_INVALID));
        }
        let bounded = publish.id.is_some() && self.version == Version::V5;
        if bounded && self.acks.unacked() >= usize::from(config.receive_maximum) {
            return Err(Cause::Violation(reason::RECEIVE_MAXIMUM_EXCEEDED));
        }
        Ok(())
    }

    /// `Err`: no topic name at all, which ends the connection; `Ok(Err)`: refused with a code.
    fn may_publish(&self, topic: &str, policy: &dyn Policy) -> Result<Result<(), u8>, Cause> {
        match check_name(topic) {
            Err(TopicError::TooLong { .. } | TopicError::TooDeep) => return Ok(Err(reason::TOPIC_NAME_INVALID)),
            Err(_) => return Err(Cause::Violation(reason::TOPIC_NAME_INVALID)),
            Ok(()) => {}
        }
        if is_server_topic(topic) {
            return Ok(Err(reason::TOPIC_NAME_INVALID));
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
            return Err(Cause::Violation(reason::SUBSCRIPTION_IDS));
        }
        let (mut codes, mut granted, mut refused) = (Vec::new(), Vec::new(), None);
        for mut request in topics.entries {
            match self.may_subscribe(&request.filter, config, policy) {
                Err(code) => {
                    codes.push(code);
                    refused.get_or_insert_with(|| (code, Place::topic(&request.filter)));
                }
                Ok(()) => {
                    request.qos = request.qos.min(1);
                    codes.push(request.qos);
                    let new = self.filters.insert(Arc::clone(&request.filter));
                    let retained = request.retain_handling == 0 || (request.retain_handling == 1 && new);
                    granted.push((request, retained));
                }
            }
        }
        let reason = refused.and_then(|(code, place)| self.complain(code, place, fx));
        self.acks.push_ready(Turn::Answer(Reply::SubAck { id: topics.id, codes, reason }));
        if !granted.is_empty() {
            fx.push(Effect::Subscribe(granted));
        }
        Ok(())
    }

    fn may_subscribe(&self, filter: &str, config: &Config, policy: &dyn Policy) -> Result<(), u8> {
        if self.version == Version::V5 && filter.starts_with("$share/") {
            return Err(reason::SHARED_SUBSCRIPTIONS);
        }
        check_filter(filter).map_err(|_| reason::TOPIC_FILTER_INVALID)?;
        if self.filters.len() >= config.subscriptions_max && !self.filters.contains(filter) {
            return Err(reason::QUOTA_EXCEEDED);
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
                (Turn::RefusedPublish { id, code, place }, _) => self.refuse(id, code, place, fx)?,
                (Turn::Publish { id, message, .. }, Outcome::Refused(code)) => {
                    self.refuse(id, code, Place::topic(&message.topic), fx)?;
                }
                (Turn::Publish { id, message, .. }, Outcome::Unfit(code, why)) => {
                    self.refuse(id, code, Place::payload(&message.topic, &why), fx)?;
                }
                (Turn::Publish { id, message, .. }, Outcome::Stored) => {
                    fx.push(Effect::Route(message));
                    fx.extend(id.map(|id| Effect::Reply(Reply::PubAck { id, code: reason::SUCCESS, reason: None })));
                }
            }
        }
        Ok(())
    }

    fn refuse(&mut self, id: Option<u16>, code: u8, place: Place, fx: &mut Vec<Effect>) -> Result<(), Cause> {
        if let Some(cause) = self.refusal_ends(id, code) {
            self.fault = place;
            return Err(cause);
        }
        let reason = self.complain(code, place, fx);
        fx.extend(id.map(|id| Effect::Reply(Reply::PubAck { id, code, reason })));
        Ok(())
    }

    /// Tells the operator; returns what to tell the client, if it wants to know.
    fn complain(&self, code: u8, place: Place, fx: &mut Vec<Effect>) -> ReasonString {
        let complaint = Complaint { code, place, ends: false };
        let told = self.explains.then(|| complaint.to_string().into());
        fx.push(Effect::Complain(complaint));
        told
    }

    /// 3.1.1 has no negative PUBACK, and QoS 0 has none at all: what must not be taken for accepted ends the connection. A QoS 0
    /// publish that was refused for want of room is merely not there, as QoS 0 allows.
    fn refusal_ends(&self, id: Option<u16>, code: u8) -> Option<Cause> {
        use reason::{NOT_AUTHORIZED, PAYLOAD_FORMAT_INVALID, TOPIC_NAME_INVALID};
        let forbidden = matches!(code, NOT_AUTHORIZED | TOPIC_NAME_INVALID | PAYLOAD_FORMAT_INVALID);
        let ends = match id {
            Some(_) => self.version == Version::V311,
            None => forbidden,
        };
        ends.then_some(Cause::PublishRefused(code))
    }
}
