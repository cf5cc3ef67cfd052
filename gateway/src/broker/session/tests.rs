use std::sync::Arc;

use bytes::Bytes;

use super::effects::{Cause, Effect, Event};
use super::machine::{Limits, Session};
use crate::broker::codec::{
    ConnAck, Connect, Malformed, Packet, Publish, Reply, SubscribeRequest, Topics, Version, Will,
};
use crate::broker::complaint::Complaint;
use crate::broker::config::Config;
use crate::broker::message::{Delivery, Message};
use crate::broker::receipt::Kick;
use crate::broker::seam::{ConnectRequest, Disposition, Outcome, Pending, Policy, Principal};

/// Nobody called `banned`, no publishing to `owned`, no subscribing to `secret`.
struct Rules;

impl Policy for Rules {
    fn connect(&self, _: &ConnectRequest<'_>) -> Pending<'static, Result<Principal, u8>> {
        unreachable!("the task asks, not the machine")
    }

    fn publish(&self, _: &Principal, topic: &str) -> Result<(), u8> {
        if topic.starts_with("owned") { Err(0x87) } else { Ok(()) }
    }

    fn subscribe(&self, _: &Principal, filter: &str) -> Result<(), u8> {
        if filter == "secret" { Err(0x87) } else { Ok(()) }
    }
}

struct Rig {
    session: Session,
    now_ms: u64,
    /// What the operator and the client were told in words, taken out of the effects.
    complaints: Vec<Complaint>,
    reasons: Vec<Box<str>>,
}

impl Rig {
    fn new(config: Config) -> Self {
        let limits = Limits { config: Arc::new(config), spare_id: "spare".into(), full: false };
        Self {
            session: Session::new(limits, Arc::new(Rules), 0),
            now_ms: 0,
            complaints: Vec::new(),
            reasons: Vec::new(),
        }
    }

    fn connected(connect: Connect) -> Self {
        Self::connected_with(connect, Config::default())
    }

    fn connected_with(connect: Connect, config: Config) -> Self {
        let mut rig = Self::new(config);
        assert!(matches!(rig.packet(Packet::Connect(Box::new(connect)))[..], [Effect::Register { .. }]));
        assert!(matches!(rig.step(Event::Registered(Ok(())))[..], [Effect::Reply(Reply::ConnAck(_))]));
        rig
    }

    fn step(&mut self, event: Event<'_>) -> Vec<Effect> {
        let mut fx = Vec::new();
        self.session.step(self.now_ms, event, &mut fx);
        if let Some(Effect::Authenticate { client_id, .. }) = fx.first() {
            let answer = if &**client_id == "banned" { Err(0x87) } else { Ok(Principal::anonymous("anyone")) };
            fx.clear();
            self.session.step(self.now_ms, Event::Authenticated(answer), &mut fx);
        }
        fx.into_iter().filter_map(|effect| self.without_words(effect)).collect()
    }

    fn without_words(&mut self, mut effect: Effect) -> Option<Effect> {
        match &mut effect {
            Effect::Complain(complaint) => {
                self.complaints.push(complaint.clone());
                return None;
            }
            Effect::Reply(
                Reply::PubAck { reason, .. } | Reply::SubAck { reason, .. } | Reply::Disconnect { reason, .. },
            ) => self.reasons.extend(reason.take()),
            _ => {}
        }
        Some(effect)
    }

    fn packet(&mut self, packet: Packet<'_>) -> Vec<Effect> {
        self.step(Event::Packet(packet))
    }

    /// Publishes and has it taken by the log; returns the ticket.
    fn logged(&mut self, id: Option<u16>) -> u64 {
        let fx = self.packet(publish("t", id));
        let [Effect::Offer { ticket, .. }] = fx[..] else { panic!("{fx:?}") };
        assert_eq!(self.step(Event::Offered(ticket, Disposition::Logged)), []);
        ticket
    }
}

fn connect(version: Version) -> Connect {
    Connect {
        version,
        clean: true,
        keep_alive_s: 10,
        client_id: Arc::from("me"),
        will: None,
        login: Default::default(),
        session_expiry_s: 0,
        receive_maximum: u16::MAX,
        packet_bytes_max: u32::MAX,
        auth_method: false,
        problem_information: true,
    }
}

fn with_will(version: Version) -> Connect {
    let payload = Bytes::from_static(b"gone");
    let will = Will { topic: Arc::from("w"), payload, qos: 1, retain: false, properties: None };
    Connect { will: Some(will), ..connect(version) }
}

fn publish(topic: &str, id: Option<u16>) -> Packet<'_> {
    let qos = u8::from(id.is_some());
    Packet::Publish(Publish { topic, payload: b"p", qos, retain: false, id, alias: false, properties: None })
}

fn subscribe(filters: &[&str]) -> Packet<'static> {
    let entry = |filter: &&str| SubscribeRequest {
        filter: Arc::from(*filter),
        qos: 2,
        no_local: false,
        retain_as_published: false,
        retain_handling: 1,
    };
    Packet::Subscribe(Topics { id: 5, entries: filters.iter().map(entry).collect(), subscription_id: false })
}

fn puback(id: u16) -> Effect {
    Effect::Reply(Reply::PubAck { id, code: 0, reason: None })
}

fn disconnect(code: u8) -> Effect {
    Effect::Reply(Reply::Disconnect { code, reason: None })
}

fn message(qos: u8) -> Message {
    Message { topic: Arc::from("t"), payload: Bytes::from_static(b"p"), qos, retain: false, properties: None }
}

#[test]
fn a_publish_is_routed_and_acknowledged_only_when_stored() {
    let mut rig = Rig::connected(connect(Version::V5));
    let ticket = rig.logged(Some(7));
    assert_eq!(rig.step(Event::Settled(ticket, Outcome::Stored)), [Effect::Route(message(1)), puback(7)]);
}

#[test]
fn an_immediate_publish_waits_for_its_turn_behind_a_logged_one() {
    let mut rig = Rig::connected(connect(Version::V5));
    let first = rig.logged(Some(1));
    let fx = rig.packet(publish("t", Some(2)));
    let [Effect::Offer { ticket: second, .. }] = fx[..] else { panic!("{fx:?}") };
    assert_eq!(rig.step(Event::Offered(second, Disposition::Immediate)), []);
    let fx = rig.step(Event::Settled(first, Outcome::Stored));
    assert_eq!(fx, [Effect::Route(message(1)), puback(1), Effect::Route(message(1)), puback(2)]);
}

#[test]
fn a_suback_waits_for_its_turn_and_a_pingresp_does_not() {
    let mut rig = Rig::connected(connect(Version::V5));
    let ticket = rig.logged(Some(1));
    assert!(matches!(rig.packet(subscribe(&["a"]))[..], [Effect::Subscribe(_)]));
    assert_eq!(rig.packet(Packet::PingReq), [Effect::Reply(Reply::PingResp)]);
    let fx = rig.step(Event::Settled(ticket, Outcome::Stored));
    assert_eq!(fx[1..], [puback(1), Effect::Reply(Reply::SubAck { id: 5, codes: vec![1], reason: None })]);
}

#[test]
fn a_qos_0_publish_is_routed_when_stored_and_not_acknowledged() {
    let mut rig = Rig::connected(connect(Version::V311));
    let ticket = rig.logged(None);
    assert_eq!(rig.step(Event::Settled(ticket, Outcome::Stored)), [Effect::Route(message(0))]);
}

#[test]
fn a_lost_publish_closes_without_an_acknowledgement() {
    let mut rig = Rig::connected(connect(Version::V5));
    let ticket = rig.logged(Some(1));
    let fx = rig.step(Event::Settled(ticket, Outcome::Lost));
    assert_eq!(fx, [disconnect(0x83), Effect::Close(Cause::LogFailed)]);
}

#[test]
fn a_refusal_by_the_log_is_a_puback_with_the_code_in_5_and_the_end_in_311() {
    let mut rig = Rig::connected(connect(Version::V5));
    let ticket = rig.logged(Some(1));
    let fx = rig.step(Event::Settled(ticket, Outcome::Refused(0x97)));
    assert_eq!(fx, [Effect::Reply(Reply::PubAck { id: 1, code: 0x97, reason: None })]);
    let mut rig = Rig::connected(connect(Version::V311));
    let ticket = rig.logged(Some(1));
    let fx = rig.step(Event::Settled(ticket, Outcome::Refused(0x97)));
    assert_eq!(fx, [Effect::Close(Cause::PublishRefused(0x97))]);
}

#[test]
fn a_payload_that_is_not_what_belongs_there_is_refused_with_what_is_wrong_in_it() {
    let why = "line 4, column 1: key \"x\" is there twice";
    let unfit = || Outcome::Unfit(0x99, why.into());
    let mut rig = Rig::connected(connect(Version::V5));
    let ticket = rig.logged(Some(1));
    let fx = rig.step(Event::Settled(ticket, unfit()));
    assert_eq!(fx, [Effect::Reply(Reply::PubAck { id: 1, code: 0x99, reason: None })]);
    assert!(rig.reasons[0].starts_with(&format!("t: {why}: payload format invalid")), "{:?}", rig.reasons);
    assert_eq!(rig.complaints[0].place.found.as_deref(), Some(why), "the operator reads the same");
    let ticket = rig.logged(None);
    let fx = rig.step(Event::Settled(ticket, unfit()));
    assert_eq!(fx, [disconnect(0x99), Effect::Close(Cause::PublishRefused(0x99))], "QoS 0 has no other refusal");
    let mut rig = Rig::connected(connect(Version::V311));
    let ticket = rig.logged(Some(1));
    assert_eq!(rig.step(Event::Settled(ticket, unfit())), [Effect::Close(Cause::PublishRefused(0x99))]);
}

#[test]
fn a_forbidden_topic_is_refused_in_its_turn() {
    let mut rig = Rig::connected(connect(Version::V5));
    let ticket = rig.logged(Some(1));
    assert_eq!(rig.packet(publish("owned/x", Some(2))), []);
    let fx = rig.step(Event::Settled(ticket, Outcome::Stored));
    assert_eq!(fx[1..], [puback(1), Effect::Reply(Reply::PubAck { id: 2, code: 0x87, reason: None })]);
    assert_eq!(rig.packet(publish("owned/x", None)), [disconnect(0x87), Effect::Close(Cause::PublishRefused(0x87))]);
}

#[test]
fn in_311_a_forbidden_topic_ends_the_connection_after_earlier_acknowledgements_and_stops_the_reading() {
    let mut rig = Rig::connected(connect(Version::V311));
    let ticket = rig.logged(Some(1));
    assert_eq!(rig.packet(publish("owned/x", Some(2))), []);
    assert!(!rig.session.may_read());
    let fx = rig.step(Event::Settled(ticket, Outcome::Stored));
    assert_eq!(fx[1..], [puback(1), Effect::Close(Cause::PublishRefused(0x87))]);
}

#[test]
fn clients_do_not_publish_to_server_topics() {
    let mut rig = Rig::connected(connect(Version::V5));
    let refused = [Effect::Reply(Reply::PubAck { id: 1, code: 0x90, reason: None })];
    assert_eq!(rig.packet(publish("$SYS/x", Some(1))), refused);
    assert_eq!(rig.packet(publish(&"a/".repeat(200), Some(1))), refused);
    let fx = rig.packet(publish("a/+", Some(1)));
    assert_eq!(fx, [disconnect(0x90), Effect::Close(Cause::Violation(0x90))]);
}

#[test]
fn what_is_not_offered_ends_the_connection_with_its_own_code() {
    let qos_2 =
        || Publish { topic: "t", payload: b"", qos: 2, retain: false, id: Some(1), alias: false, properties: None };
    let alias = Publish { qos: 0, id: None, alias: true, ..qos_2() };
    let with_id = Topics { id: 1, entries: Vec::new(), subscription_id: true };
    for (packet, code) in [
        (Packet::Publish(qos_2()), 0x9B),
        (Packet::Publish(alias), 0x94),
        (Packet::Subscribe(with_id), 0xA1),
        (Packet::QosTwo, 0x82),
        (Packet::Auth, 0x82),
        (Packet::Connect(Box::new(connect(Version::V5))), 0x82),
    ] {
        let mut rig = Rig::connected(connect(Version::V5));
        assert_eq!(rig.packet(packet), [disconnect(code), Effect::Close(Cause::Violation(code))]);
    }
    let mut rig = Rig::connected(connect(Version::V311));
    assert_eq!(rig.packet(Packet::Publish(qos_2())), [Effect::Close(Cause::Violation(0x9B))]);
}

#[test]
fn more_unacknowledged_publishes_than_the_receive_maximum_end_a_5_connection() {
    let config = Config { receive_maximum: 2, uncommitted_frames_max: 1, ..Config::default() };
    let mut rig = Rig::connected_with(connect(Version::V5), config.clone());
    rig.logged(Some(1));
    rig.logged(Some(2));
    assert!(rig.session.may_read(), "the third must be seen to be judged");
    let fx = rig.packet(publish("t", Some(3)));
    assert_eq!(fx, [disconnect(0x93), Effect::Close(Cause::Violation(0x93))]);
    let mut rig = Rig::connected_with(connect(Version::V311), config);
    rig.logged(Some(1));
    assert!(!rig.session.may_read(), "3.1.1 has no such maximum: its socket is not read");
}

#[test]
fn too_many_uncommitted_bytes_stop_the_reading_until_some_are_stored() {
    let config = Config { uncommitted_bytes_max: 3, ..Config::default() };
    let mut rig = Rig::connected_with(connect(Version::V5), config);
    let ticket = rig.logged(None);
    assert!(rig.session.may_read());
    rig.logged(None);
    assert!(!rig.session.may_read());
    rig.step(Event::Settled(ticket, Outcome::Stored));
    assert!(rig.session.may_read());
}

#[test]
fn subscriptions_are_granted_at_most_qos_1_or_refused_one_by_one() {
    let config = Config { subscriptions_max: 2, ..Config::default() };
    let mut rig = Rig::connected_with(connect(Version::V5), config);
    let deep = "a/".repeat(15_000);
    let fx = rig.packet(subscribe(&["a/#", "secret", "#/x", &deep, "$share/g/t", "b", "c", "b"]));
    let [Effect::Subscribe(granted), Effect::Reply(Reply::SubAck { id: 5, codes, .. })] = &fx[..] else {
        panic!("{fx:?}")
    };
    assert_eq!(codes, &[1, 0x87, 0x8F, 0x8F, 0x9E, 1, 0x97, 1]);
    let granted: Vec<_> = granted.iter().map(|(request, retained)| (&*request.filter, *retained)).collect();
    assert_eq!(granted, [("a/#", true), ("b", true), ("b", false)], "retain handling 1: only when new");
}

#[test]
fn unsubscribing_says_whether_there_was_something() {
    let mut rig = Rig::connected(connect(Version::V5));
    rig.packet(subscribe(&["a"]));
    let entries = vec![Arc::from("a"), Arc::from("b")];
    let fx = rig.packet(Packet::Unsubscribe(Topics { id: 9, entries, subscription_id: false }));
    let unsuback = Effect::Reply(Reply::UnsubAck { id: 9, codes: vec![0, 0x11] });
    assert_eq!(fx, [Effect::Unsubscribe(vec![Arc::from("a")]), unsuback]);
}

#[test]
fn deliveries_stop_at_the_clients_receive_maximum_until_it_acknowledges() {
    let mut rig = Rig::connected(Connect { receive_maximum: 2, ..connect(Version::V5) });
    let deliver = || Event::Deliver(Delivery { ..message(1) });
    let sent = |id| [Effect::Reply(Reply::Publish { id: Some(id), delivery: message(1) })];
    assert_eq!(rig.step(deliver()), sent(1));
    assert_eq!(rig.step(deliver()), sent(2));
    assert!(!rig.session.may_send());
    rig.packet(Packet::PubAck { id: 1 });
    assert!(rig.session.may_send());
    assert_eq!(rig.step(deliver()), sent(3));
    rig.step(Event::Undeliverable { id: Some(3) });
    assert!(rig.session.may_send(), "what could not be sent is not in flight");
}

#[test]
fn the_will_is_due_at_every_end_but_a_normal_disconnect_and_a_stopping_gateway() {
    let malformed = Malformed::Layout("x");
    let packet = |code| Event::Packet(Packet::Disconnect { code, session_expiry_s: None });
    for (event, due) in [
        (packet(0), false),
        (Event::ShutdownDue, false),
        (Event::Kick(Kick::Shutdown), false),
        (packet(4), true),
        (packet(0x80), true),
        (Event::PeerGone, true),
        (Event::Malformed(&malformed), true),
        (Event::Kick(Kick::TakenOver), true),
        (Event::Kick(Kick::TooSlow), true),
        (Event::Time { reading: true }, true),
    ] {
        for version in [Version::V311, Version::V5] {
            let mut rig = Rig::connected(with_will(version));
            rig.now_ms = 15_000;
            let fx = rig.step(event_again(&event));
            let offered = fx.iter().any(|effect| matches!(effect, Effect::Offer { will: true, .. }));
            assert_eq!(offered, due, "{event:?} {fx:?}");
            assert!(fx.iter().any(|effect| matches!(effect, Effect::Close(_))), "{event:?}");
        }
    }
}

fn event_again<'a>(event: &Event<'a>) -> Event<'a> {
    match event {
        Event::Packet(Packet::Disconnect { code, .. }) => {
            Event::Packet(Packet::Disconnect { code: *code, session_expiry_s: None })
        }
        Event::Malformed(malformed) => Event::Malformed(malformed),
        Event::Kick(kick) => Event::Kick(*kick),
        Event::Time { reading } => Event::Time { reading: *reading },
        Event::PeerGone => Event::PeerGone,
        _ => Event::ShutdownDue,
    }
}

#[test]
fn what_is_stored_after_the_end_is_still_routed_the_will_too() {
    let mut rig = Rig::connected(with_will(Version::V5));
    let ticket = rig.logged(Some(1));
    let fx = rig.step(Event::PeerGone);
    let [Effect::Close(Cause::Gone), Effect::Offer { ticket: will, .. }] = fx[..] else { panic!("{fx:?}") };
    rig.step(Event::Offered(will, Disposition::Logged));
    assert!(!rig.session.is_drained());
    assert_eq!(rig.step(Event::Settled(ticket, Outcome::Stored)), [Effect::Route(message(1))]);
    let fx = rig.step(Event::Settled(will, Outcome::Stored));
    assert!(matches!(&fx[..], [Effect::Route(message)] if &*message.topic == "w"));
    assert!(rig.session.is_drained());
}

#[test]
fn silence_for_one_and_a_half_keep_alive_times_ends_the_connection() {
    let mut rig = Rig::connected(connect(Version::V5));
    rig.now_ms = 9_000;
    rig.packet(Packet::PingReq);
    assert_eq!(rig.session.deadline_ms(), Some(24_000));
    rig.now_ms = 23_999;
    assert_eq!(rig.step(Event::Time { reading: true }), []);
    rig.now_ms = 24_000;
    let fx = rig.step(Event::Time { reading: true });
    assert_eq!(fx, [disconnect(0x8D), Effect::Close(Cause::KeepAlive)]);
}

#[test]
fn a_client_we_do_not_read_is_not_called_silent() {
    let mut rig = Rig::connected(connect(Version::V5));
    rig.now_ms = 20_000;
    assert_eq!(rig.step(Event::Time { reading: false }), []);
    assert_eq!(rig.session.deadline_ms(), Some(35_000));
}

#[test]
fn keep_alive_0_means_none_and_a_cap_is_told_to_5_clients() {
    let none = Connect { keep_alive_s: 0, ..connect(Version::V5) };
    assert_eq!(Rig::connected(none).session.deadline_ms(), None);
    let mut rig = Rig::new(Config { keep_alive_max_s: 4, ..Config::default() });
    rig.packet(Packet::Connect(Box::new(connect(Version::V5))));
    let fx = rig.step(Event::Registered(Ok(())));
    let [Effect::Reply(Reply::ConnAck(ack))] = &fx[..] else { panic!("{fx:?}") };
    assert_eq!(ack.server_keep_alive_s, Some(4));
    assert_eq!(rig.session.deadline_ms(), Some(6_000));
}

#[test]
fn who_does_not_connect_in_time_is_closed() {
    let mut rig = Rig::new(Config::default());
    rig.now_ms = 9_999;
    assert_eq!(rig.step(Event::Time { reading: true }), []);
    rig.now_ms = 10_000;
    assert_eq!(rig.step(Event::Time { reading: true }), [Effect::Close(Cause::ConnectTimeout)]);
}

fn refused(connect: Connect) -> u8 {
    let mut rig = Rig::new(Config::default());
    let fx = rig.packet(Packet::Connect(Box::new(connect)));
    let [Effect::Reply(Reply::ConnAck(ack)), Effect::Close(Cause::ConnectRefused(code))] = &fx[..] else {
        panic!("{fx:?}")
    };
    assert_eq!(ack.code, *code);
    assert!(rig.session.is_drained());
    *code
}

#[test]
fn a_connect_is_refused_with_its_reason() {
    let v5 = || connect(Version::V5);
    assert_eq!(refused(Connect { client_id: Arc::from("banned"), ..v5() }), 0x87);
    assert_eq!(refused(Connect { auth_method: true, ..v5() }), 0x8C);
    assert_eq!(refused(Connect { client_id: "x".repeat(257).into(), ..v5() }), 0x85);
    let nameless = Connect { client_id: Arc::from(""), clean: false, ..connect(Version::V311) };
    assert_eq!(refused(nameless), 0x85);
    let will = |topic: &str, qos| {
        let payload = Bytes::new();
        Some(Will { topic: Arc::from(topic), payload, qos, retain: false, properties: None })
    };
    assert_eq!(refused(Connect { will: will("owned/x", 0), ..v5() }), 0x87);
    assert_eq!(refused(Connect { will: will("a/#", 0), ..v5() }), 0x90);
    assert_eq!(refused(Connect { will: will("$SYS", 0), ..v5() }), 0x90);
    assert_eq!(refused(Connect { will: will("w", 2), ..v5() }), 0x9B);
}

#[test]
fn the_answer_to_a_connect_is_truthful() {
    let mut rig = Rig::new(Config::default());
    let lasting = Connect { session_expiry_s: 60, client_id: Arc::from(""), clean: false, ..connect(Version::V5) };
    rig.packet(Packet::Connect(Box::new(lasting)));
    let fx = rig.step(Event::Registered(Ok(())));
    let expected = ConnAck {
        code: 0,
        session_expiry_denied: true,
        assigned_client_id: Some(Arc::from("spare")),
        server_keep_alive_s: None,
        receive_maximum: 1_024,
        packet_bytes_max: 65_536,
    };
    assert_eq!(fx, [Effect::Reply(Reply::ConnAck(Box::new(expected)))]);
}

#[test]
fn a_stopping_gateway_settles_what_is_in_flight_before_it_says_goodbye() {
    let mut rig = Rig::connected(connect(Version::V5));
    let ticket = rig.logged(Some(1));
    assert_eq!(rig.step(Event::Kick(Kick::Shutdown)), []);
    assert!(!rig.session.may_read());
    let fx = rig.step(Event::Settled(ticket, Outcome::Stored));
    let goodbye = [puback(1), disconnect(0x8B), Effect::Close(Cause::Kicked(Kick::Shutdown))];
    assert_eq!(fx[1..], goodbye);
}

#[test]
fn a_disconnect_that_asks_for_a_session_the_connect_did_not_ask_for_is_a_protocol_error() {
    let mut rig = Rig::connected(connect(Version::V5));
    let fx = rig.packet(Packet::Disconnect { code: 0, session_expiry_s: Some(1) });
    assert_eq!(fx, [disconnect(0x82), Effect::Close(Cause::Violation(0x82))]);
}

#[test]
fn whatever_a_client_is_refused_the_operator_hears_of_with_place_and_code() {
    let mut rig = Rig::connected(connect(Version::V311));
    let ticket = rig.logged(None);
    rig.step(Event::Settled(ticket, Outcome::Refused(0x97)));
    rig.packet(subscribe(&["a", "secret"]));
    rig.packet(publish("owned/x", Some(1)));
    let heard = rig.complaints.iter().map(|c| (c.code, c.place.topic.as_deref(), c.ends)).collect::<Vec<_>>();
    let expected = [(0x97, Some("t"), false), (0x87, Some("secret"), false), (0x87, Some("owned/x"), true)];
    assert_eq!(heard, expected);
    assert!(rig.reasons.is_empty(), "3.1.1 has no reason strings");

    let mut rig = Rig::connected(connect(Version::V5));
    rig.step(Event::Malformed(&Malformed::TooLarge { len: 9, max: 8 }));
    assert!(rig.reasons[0].starts_with("packet has 9 bytes, limit is 8: packet too large"), "{:?}", rig.reasons);
    assert!(rig.complaints[0].ends);

    let mut rig = Rig::new(Config::default());
    rig.packet(Packet::Connect(Box::new(Connect { client_id: Arc::from("banned"), ..connect(Version::V5) })));
    assert_eq!(rig.complaints[0].place.found.as_deref(), Some("CONNECT of client id \"banned\""));
    let mut rig = Rig::connected(connect(Version::V5));
    rig.step(Event::PeerGone);
    assert_eq!(rig.complaints, [], "leaving is nothing to complain about");
}

/// Every state × every event: none panics, and nothing comes after the close but routing.
#[test]
fn in_every_state_every_event_has_an_answer() {
    let malformed = Malformed::Layout("x");
    let states: [fn() -> Rig; 5] = [
        || Rig::new(Config::default()),
        || {
            let mut rig = Rig::new(Config::default());
            let packet = Packet::Connect(Box::new(connect(Version::V5)));
            rig.session.step(0, Event::Packet(packet), &mut Vec::new());
            rig
        },
        || {
            let mut rig = Rig::new(Config::default());
            rig.packet(Packet::Connect(Box::new(connect(Version::V5))));
            rig
        },
        || Rig::connected(with_will(Version::V5)),
        || {
            let mut rig = Rig::connected(with_will(Version::V5));
            rig.step(Event::PeerGone);
            rig
        },
    ];
    let expected = [
        "Close - - - - - Close Close - Close Close",
        "- - - - - - Close Close - Close Close",
        "- ConnAck - - - - Close Close - Close Close",
        "Disconnect+Close+Offer - - - Publish - Disconnect+Close+Offer Disconnect+Close - Close+Offer Disconnect+Close",
        "- - - Route - - - - - - -",
    ];
    for (make, expected) in states.iter().zip(expected) {
        let events = [
            Event::Malformed(&malformed),
            Event::Registered(Ok(())),
            Event::Offered(0, Disposition::Logged),
            Event::Settled(0, Outcome::Stored),
            Event::Deliver(message(1)),
            Event::Undeliverable { id: Some(1) },
            Event::Kick(Kick::TooSlow),
            Event::Kick(Kick::Shutdown),
            Event::Time { reading: true },
            Event::PeerGone,
            Event::ShutdownDue,
        ];
        let row: Vec<String> = events.into_iter().map(|event| brief(&make().step(event))).collect();
        assert_eq!(row.join(" "), expected);
    }
}

fn brief(fx: &[Effect]) -> String {
    let name = |effect: &Effect| match effect {
        Effect::Reply(Reply::ConnAck(_)) => "ConnAck",
        Effect::Reply(Reply::Disconnect { .. }) => "Disconnect",
        Effect::Reply(Reply::Publish { .. }) => "Publish",
        Effect::Reply(_) => "Reply",
        Effect::Authenticate { .. } => "Authenticate",
        Effect::Register { .. } => "Register",
        Effect::Offer { .. } => "Offer",
        Effect::Route(_) => "Route",
        Effect::Subscribe(_) => "Subscribe",
        Effect::Unsubscribe(_) => "Unsubscribe",
        Effect::Complain(_) => "Complain",
        Effect::Close(_) => "Close",
    };
    if fx.is_empty() { "-".into() } else { fx.iter().map(name).collect::<Vec<_>>().join("+") }
}
