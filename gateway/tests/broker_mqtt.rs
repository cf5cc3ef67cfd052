//! The MQTT front over real sockets: what a client sees, while the test plays the log.

mod broker_support;

use std::sync::Arc;
use std::time::Duration;

use broker_support::{Client, connect, connect_with, framed, publish, start, start_at, start_with};
use bytes::Bytes;
use halo_gateway::broker::reason::words;
use halo_gateway::broker::{Config, Inbound, Outcome, TooSlow};
use halo_gateway::clock::Clock;
use halo_gateway::record::GatewayTime;
use rand_bytes::random_bytes;

/// Bytes that look random, the same each run.
mod rand_bytes {
    pub(super) fn random_bytes(seed: u64, len: usize) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let step = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..len).map(step).collect()
    }
}

fn settle(inbound: Inbound, outcome: Outcome) {
    inbound.receipt.settle(outcome);
}

fn text(payload: &str) -> Bytes {
    Bytes::copy_from_slice(payload.as_bytes())
}

#[tokio::test]
async fn pubacks_come_only_after_settling_and_in_order_although_settled_backwards() {
    for level in [4, 5] {
        let mut broker = start().await;
        let mut client = if level == 5 { broker.v5("c").await } else { broker.v311("c").await };
        for id in 1..=5 {
            client.publish("t", &[id as u8], Some(id), false).await;
        }
        let mut held = Vec::new();
        for _ in 0..5 {
            held.push(broker.inbound().await);
        }
        let payloads: Vec<u8> = held.iter().map(|inbound| inbound.payload[0]).collect();
        assert_eq!(payloads, [1, 2, 3, 4, 5]);
        let first = held.remove(0);
        held.into_iter().rev().for_each(|inbound| settle(inbound, Outcome::Stored));
        client.ping().await;
        settle(first, Outcome::Stored);
        for id in 1..=5 {
            assert_eq!(client.packet().await, [0x40, 2, 0, id]);
        }
    }
}

#[tokio::test]
async fn a_dropped_receipt_closes_the_connection_without_a_puback() {
    let mut broker = start().await;
    let mut client = broker.v311("c").await;
    client.publish("t", b"p", Some(1), false).await;
    drop(broker.inbound().await);
    assert!(client.packet().await.is_empty());
}

#[tokio::test]
async fn a_message_reaches_subscribers_only_after_it_is_stored() {
    let mut broker = start().await;
    let mut subscriber = broker.v5("s").await;
    assert_eq!(subscriber.subscribe("d/+/t", 0).await, 1);
    let mut publisher = broker.v311("p").await;
    publisher.publish("d/1/t", b"logged", Some(1), false).await;
    let inbound = broker.inbound().await;
    assert_eq!((&*inbound.topic, &*inbound.client_id, &*inbound.principal), ("d/1/t", "p", "anyone"));
    subscriber.ping().await;
    settle(inbound, Outcome::Stored);
    assert_eq!(subscriber.message().await, ("d/1/t".into(), b"logged".to_vec(), false));
    publisher.packet().await;
    publisher.publish("live/x", b"", Some(2), false).await;
    assert_eq!(publisher.packet().await, [0x40, 2, 0, 2], "what is not logged needs no settling");
}

#[tokio::test]
async fn a_qos_0_message_is_routed_although_its_sender_has_left() {
    let mut broker = start().await;
    let mut subscriber = broker.v5("s").await;
    subscriber.subscribe("t", 0).await;
    let mut publisher = broker.v311("p").await;
    let last_words = [publish(4, "t", b"p", None, false), vec![0xE0, 0]].concat();
    publisher.send(&last_words).await;
    let inbound = broker.inbound().await;
    assert!(broker.ended.recv().await.is_some());
    settle(inbound, Outcome::Stored);
    assert_eq!(subscriber.message().await.1, b"p");
}

#[tokio::test]
async fn retained_messages_are_kept_once_stored_and_cleared_by_an_empty_one() {
    let mut broker = start().await;
    let mut publisher = broker.v5("p").await;
    publisher.publish("birth", b"old", None, true).await;
    let unstored = broker.inbound().await;
    let mut early = broker.v5("early").await;
    early.subscribe("birth", 0).await;
    early.ping().await;
    settle(unstored, Outcome::Stored);
    assert_eq!(early.message().await, ("birth".into(), b"old".to_vec(), false), "live: no retain flag");
    let mut late = broker.v311("late").await;
    late.subscribe("+", 0).await;
    assert_eq!(late.message().await, ("birth".into(), b"old".to_vec(), true));
    publisher.publish("birth", b"", None, true).await;
    settle(broker.inbound().await, Outcome::Stored);
    early.message().await;
    let mut last = broker.v5("last").await;
    last.subscribe("birth", 0).await;
    last.ping().await;
}

#[tokio::test]
async fn retain_handling_retain_as_published_and_no_local_are_honoured() {
    let mut broker = start().await;
    broker.router.load_retained([(Arc::from("r"), text("kept"), 1)]);
    let mut client = broker.v5("c").await;
    client.subscribe("r", 0x20).await;
    client.ping().await;
    client.subscribe("r", 0x10).await;
    client.ping().await;
    client.subscribe("r", 0x00).await;
    assert_eq!(client.message().await.1, b"kept");
    client.subscribe("r", 0x08).await;
    assert_eq!(client.message().await.1, b"kept");
    client.publish("r", b"new", None, true).await;
    settle(broker.inbound().await, Outcome::Stored);
    assert_eq!(client.message().await, ("r".into(), b"new".to_vec(), true), "retain as published");
    client.subscribe("n", 0x04).await;
    client.publish("n", b"", None, false).await;
    settle(broker.inbound().await, Outcome::Stored);
    client.publish("r", b"after", None, false).await;
    settle(broker.inbound().await, Outcome::Stored);
    assert_eq!(client.message().await.1, b"after", "no local: not its own message");
}

#[tokio::test]
async fn a_will_is_published_when_the_connection_breaks_and_not_after_a_disconnect() {
    let mut broker = start().await;
    for level in [4, 5] {
        let mut client = Client::open(broker.addr, level).await;
        client.send(&connect(level, "c", &[], "", Some(("state", b"offline")))).await;
        client.packet().await;
        drop(client);
        let inbound = broker.inbound().await;
        assert!(inbound.will && inbound.payload == "offline" && &*inbound.topic == "state");
        settle(inbound, Outcome::Stored);
        let mut client = Client::open(broker.addr, level).await;
        client.send(&connect(level, "c", &[], "", Some(("state", b"offline")))).await;
        client.packet().await;
        client.send(&[0xE0, 0]).await;
        assert!(client.packet().await.is_empty());
    }
    assert!(broker.inbounds.try_recv().is_err());
}

#[tokio::test]
async fn the_second_connection_takes_over_after_the_firsts_will_and_only_for_the_same_principal() {
    let mut broker = start().await;
    let mut first = Client::open(broker.addr, 5).await;
    first.send(&connect(5, "c", &[], "ann", Some(("state", b"offline")))).await;
    first.packet().await;
    let mut thief = Client::open(broker.addr, 5).await;
    thief.send(&connect(5, "c", &[], "bob", None)).await;
    assert_eq!(thief.refusal(2).await.0, [0x20, 0, 0x85]);
    first.ping().await;
    let mut second = Client::open(broker.addr, 5).await;
    second.send(&connect(5, "c", &[], "ann", None)).await;
    assert_eq!(second.packet().await[3], 0);
    let will = broker.inbounds.try_recv().expect("the will is offered before the CONNACK");
    assert!(will.will);
    settle(will, Outcome::Stored);
    assert_eq!(first.disconnect().await, 0x8E);
    second.ping().await;
}

#[tokio::test]
async fn owned_topics_are_rendered_for_subscribers_and_closed_to_publishers() {
    let mut broker = start().await;
    let mut client = broker.v5("c").await;
    client.subscribe("owned/#", 0).await;
    assert_eq!(client.message().await, ("owned/a".into(), b"rendered".to_vec(), true));
    assert_eq!(client.message().await, ("owned/b".into(), b"rendered".to_vec(), true));
    broker.router.publish(Arc::from("owned/a"), text("newer"), 1, true).unwrap();
    assert_eq!(client.message().await, ("owned/a".into(), b"newer".to_vec(), false));
    client.publish("owned/a", b"mine", Some(1), false).await;
    assert_eq!(client.refusal(3).await.0, [0x40, 0, 1, 0x87]);
    client.publish("owned/a", b"mine", None, false).await;
    assert_eq!(client.disconnect().await, 0x87);
    let mut old = broker.v311("old").await;
    old.publish("owned/a", b"mine", Some(1), false).await;
    assert!(old.packet().await.is_empty());
    assert!(broker.inbounds.try_recv().is_err());
}

#[tokio::test]
async fn each_delivery_asks_the_policy() {
    let broker = start().await;
    broker.router.load_retained([(Arc::from("private/kept"), text("k"), 0)]);
    let mut boss = Client::open(broker.addr, 5).await;
    boss.send(&connect(5, "boss", &[], "boss", None)).await;
    boss.packet().await;
    boss.subscribe("private/+", 0).await;
    assert_eq!(boss.message().await.1, b"k");
    let mut other = broker.v5("other").await;
    other.subscribe("private/+", 0).await;
    broker.router.publish(Arc::from("private/x"), text("x"), 0, false).unwrap();
    assert_eq!(boss.message().await.1, b"x");
    other.ping().await;
}

#[tokio::test]
async fn a_slow_subscriber_of_qos_1_is_ended_and_the_publisher_does_not_wait() {
    let config = Config { in_flight_max: 1, queue_messages_max: 4, ..Config::default() };
    let broker = start_with(config, 10).await;
    let mut slow = broker.v5("slow").await;
    slow.subscribe("t", 0).await;
    broker.router.publish(Arc::from("t"), text("0"), 1, false).unwrap();
    assert_eq!(slow.message_unacknowledged().await.1, b"0");
    for _ in 0..5 {
        broker.router.publish(Arc::from("t"), text("x"), 1, false).unwrap();
    }
    assert_eq!(slow.disconnect().await, 0x97);
    assert_eq!(broker.metrics.broker_slow_closed_total.get(), 1);
}

#[tokio::test]
async fn a_slow_subscriber_of_qos_0_loses_messages_and_they_are_counted() {
    let config = Config { in_flight_max: 1, queue_messages_max: 4, ..Config::default() };
    let broker = start_with(config, 10).await;
    let mut slow = broker.v5("slow").await;
    slow.subscribe("t", 0).await;
    broker.router.publish(Arc::from("t"), text("0"), 1, false).unwrap();
    let (.., id) = slow.message_unacknowledged().await;
    for n in 1..=9 {
        broker.router.publish(Arc::from("t"), text(&n.to_string()), 0, false).unwrap();
    }
    assert_eq!(broker.metrics.broker_dropped_total.get(), 5);
    let [high, low] = id.unwrap().to_be_bytes();
    slow.send(&[0x40, 2, high, low]).await;
    for n in 1..=4 {
        assert_eq!(slow.message().await.1, n.to_string().into_bytes());
    }
    slow.ping().await;
}

#[tokio::test]
async fn packets_beyond_either_sides_maximum_are_refused_or_dropped() {
    let broker = start_with(Config { packet_bytes_max: 2_000, ..Config::default() }, 10).await;
    let mut client = Client::open(broker.addr, 5).await;
    client.send(&connect(5, "c", b"\x27\x00\x00\x00\x40", "", None)).await;
    client.packet().await;
    client.subscribe("t", 0).await;
    broker.router.publish(Arc::from("t"), Bytes::from(vec![0; 100]), 1, false).unwrap();
    broker.router.publish(Arc::from("t"), text("small"), 1, false).unwrap();
    assert_eq!(client.message().await.1, b"small");
    assert_eq!(broker.metrics.broker_dropped_total.get(), 1);
    client.publish("t", &[0; 2_000], None, false).await;
    assert_eq!(client.packet().await, [0xE0, 1, 0x95]);
}

#[tokio::test]
async fn silence_beyond_the_keep_alive_ends_the_connection() {
    let broker = start().await;
    let mut client = Client::open(broker.addr, 5).await;
    client.send(&connect_with(5, "c", &[], "", None, 1)).await;
    client.packet().await;
    assert_eq!(client.disconnect().await, 0x8D);
}

#[tokio::test]
async fn who_says_nothing_or_something_else_first_is_closed() {
    let broker = start_with(Config { connect_timeout_s: 1, ..Config::default() }, 10).await;
    let mut silent = Client::open(broker.addr, 5).await;
    let mut wrong = Client::open(broker.addr, 5).await;
    wrong.send(&[0xC0, 0]).await;
    assert!(wrong.packet().await.is_empty());
    assert!(silent.packet().await.is_empty());
}

#[tokio::test]
async fn a_filter_of_30000_levels_is_refused_and_nobody_dies() {
    let broker = start().await;
    let mut client = broker.v5("c").await;
    assert_eq!(client.subscribe(&"+/".repeat(30_000), 0).await, 0x8F);
    client.publish(&"a/".repeat(30_000), b"", Some(1), false).await;
    assert_eq!(client.refusal(3).await.0, [0x40, 0, 1, 0x90]);
    let mut old = broker.v311("old").await;
    assert_eq!(old.subscribe(&"a/".repeat(30_000), 0).await, 0x80);
    old.ping().await;
}

#[tokio::test]
async fn wildcards_do_not_reach_server_topics() {
    let broker = start().await;
    let mut client = broker.v5("c").await;
    client.subscribe("#", 0).await;
    assert_eq!([client.message().await.0, client.message().await.0], ["owned/a", "owned/b"]);
    broker.router.publish(Arc::from("$SYS/x"), text("hidden"), 0, false).unwrap();
    broker.router.publish(Arc::from("x"), text("seen"), 0, false).unwrap();
    assert_eq!(client.message().await.1, b"seen");
}

#[tokio::test]
async fn a_full_sink_stops_the_reading_and_loses_nothing() {
    let mut broker = start_with(Config::default(), 1).await;
    let mut client = broker.v311("c").await;
    for id in 1..=50u16 {
        client.publish("t", &id.to_be_bytes(), Some(id), false).await;
    }
    for id in 1..=50u16 {
        let inbound = broker.inbound().await;
        assert_eq!(inbound.payload[..], id.to_be_bytes());
        settle(inbound, Outcome::Stored);
        let [high, low] = id.to_be_bytes();
        assert_eq!(client.packet().await, [0x40, 2, high, low]);
    }
}

#[tokio::test]
async fn retained_topics_beyond_the_limit_are_refused() {
    let mut broker = start_with(Config { retained_topics_max: 1, ..Config::default() }, 10).await;
    let mut client = broker.v5("c").await;
    client.publish("a", b"1", Some(1), true).await;
    settle(broker.inbound().await, Outcome::Stored);
    assert_eq!(client.packet().await, [0x40, 2, 0, 1]);
    client.publish("b", b"1", Some(2), true).await;
    assert_eq!(client.refusal(3).await.0, [0x40, 0, 2, 0x97]);
    client.publish("a", b"2", Some(3), true).await;
    settle(broker.inbound().await, Outcome::Stored);
    assert_eq!(client.packet().await, [0x40, 2, 0, 3]);
    assert_eq!(broker.metrics.broker_refused_total.get(), 1);
}

#[tokio::test]
async fn connections_above_the_limit_are_told_so() {
    let broker = start_with(Config { connections_max: 1, ..Config::default() }, 10).await;
    let _first = broker.v5("a").await;
    let mut client = Client::open(broker.addr, 5).await;
    client.send(&connect(5, "b", &[], "", None)).await;
    assert_eq!(client.refusal(2).await, (vec![0x20, 0, 0x97], words(0x97).to_owned()));
    assert!(client.packet().await.is_empty());
    let mut client = Client::open(broker.addr, 4).await;
    client.send(&connect(4, "b", &[], "", None)).await;
    assert_eq!(client.packet().await, [0x20, 2, 0, 3]);
    assert!(client.packet().await.is_empty());
}

#[tokio::test]
async fn a_stopping_broker_settles_what_is_in_flight_then_says_goodbye() {
    let mut broker = start().await;
    let mut client = broker.v5("c").await;
    let mut idle = broker.v5("idle").await;
    client.publish("t", b"p", Some(1), false).await;
    let inbound = broker.inbound().await;
    broker.stop.cancel();
    assert_eq!(idle.disconnect().await, 0x8B);
    settle(inbound, Outcome::Stored);
    assert_eq!(client.packet().await, [0x40, 2, 0, 1]);
    assert_eq!(client.disconnect().await, 0x8B);
    drop((client, idle));
    broker.served.await.unwrap();
    assert_eq!(broker.metrics.broker_closed_total.get(), 2);
}

#[tokio::test]
async fn a_stopping_broker_does_not_wait_for_ever() {
    let mut broker = start_with(Config { shutdown_s: 1, ..Config::default() }, 10).await;
    let mut client = broker.v5("c").await;
    client.publish("t", b"p", Some(1), false).await;
    let _never_settled = broker.inbound().await;
    broker.stop.cancel();
    assert_eq!(client.disconnect().await, 0x8B);
    drop(client);
    broker.served.await.unwrap();
}

#[tokio::test]
async fn local_subscribers_get_what_matches_and_are_bounded() {
    let mut broker = start_with(Config { queue_messages_max: 2, ..Config::default() }, 10).await;
    assert!(!broker.router.wants("a/b"));
    let mut local = broker.router.subscribe("a/#").unwrap();
    assert!(broker.router.wants("a/b") && !broker.router.wants("b"));
    let mut client = broker.v5("c").await;
    client.publish("a/b", b"1", None, false).await;
    settle(broker.inbound().await, Outcome::Stored);
    let message = local.recv().await.unwrap();
    assert_eq!((&*message.topic, &message.payload[..]), ("a/b", &b"1"[..]));
    for _ in 0..3 {
        broker.router.publish(Arc::from("a"), text("x"), 1, false).unwrap();
    }
    assert!(local.recv().await.is_ok() && local.recv().await.is_ok());
    assert_eq!(local.recv().await, Err(TooSlow));
    drop(local);
    assert!(!broker.router.wants("a/b"));
    assert!(broker.router.subscribe("a/#/b").is_err());
    assert!(broker.router.publish(Arc::from("a/+"), text("x"), 0, false).is_err());
}

#[tokio::test]
async fn ten_thousand_retained_messages_reach_one_subscriber_although_its_queue_holds_fewer() {
    let broker = start().await;
    let topics = (0..10_000).map(|n| (Arc::from(format!("r/{n}")), text("v"), 1));
    broker.router.load_retained(topics);
    let mut client = broker.v5("c").await;
    client.subscribe("r/+", 0).await;
    let mut seen = std::collections::HashSet::new();
    while seen.len() < 10_000 {
        seen.insert(client.message().await.0);
    }
}

#[tokio::test]
async fn garbage_ends_its_own_connection_only() {
    let broker = start().await;
    let mut witness = broker.v5("witness").await;
    for seed in 0..200 {
        let mut client = Client::open(broker.addr, 5).await;
        let mut bytes = random_bytes(seed, 100);
        match seed % 4 {
            0 => bytes[0] = 0x10,
            1 => bytes = [connect(5, "g", &[], "", None), bytes].concat(),
            2 => bytes = framed(0x10, &bytes),
            _ => {}
        }
        client.send(&bytes).await;
        drop(client);
    }
    witness.ping().await;
}

#[tokio::test]
async fn everything_cut_into_single_bytes_works_the_same() {
    let mut broker = start().await;
    let mut client = Client::open(broker.addr, 5).await;
    let bytes = [connect(5, "c", &[], "", None), publish(5, "t", b"payload", Some(1), false)].concat();
    for byte in bytes {
        client.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.packet().await[0], 0x20);
    let inbound = broker.inbound().await;
    assert_eq!(inbound.payload, "payload");
    settle(inbound, Outcome::Stored);
    assert_eq!(client.packet().await, [0x40, 2, 0, 1]);
}

#[tokio::test]
async fn a_publish_arrives_when_its_first_byte_is_read() {
    let clock = Clock::manual(GatewayTime { wall_ms: 5_000, mono_ms: 1_000 });
    let mut broker = start_at(Config::default(), 10, clock.clone()).await;
    let mut client = broker.v5("c").await;
    let packet = publish(5, "t", b"payload", None, false);
    let (head, tail) = packet.split_at(4);
    client.send(&[&[0xC0, 0], head].concat()).await;
    assert_eq!(client.packet().await, [0xD0, 0], "the head was read with the ping");
    clock.advance(Duration::from_secs(3));
    client.send(&[tail, &packet[..]].concat()).await;
    assert_eq!(broker.inbound().await.arrival, GatewayTime { wall_ms: 5_000, mono_ms: 1_000 });
    assert_eq!(broker.inbound().await.arrival, GatewayTime { wall_ms: 8_000, mono_ms: 4_000 });
}

#[tokio::test]
async fn a_311_client_from_a_library_publishes_and_subscribes() {
    use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
    let mut broker = start().await;
    let mut options = MqttOptions::new("library", broker.addr.ip().to_string(), broker.addr.port());
    options.set_keep_alive(Duration::from_secs(5));
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe("a/+", QoS::ExactlyOnce).await.unwrap();
    client.publish("a/b", QoS::AtLeastOnce, false, "hello").await.unwrap();
    let (mut delivered, mut acknowledged) = (false, false);
    while !(delivered && acknowledged) {
        tokio::select! {
            event = events.poll() => match event.unwrap() {
                Event::Incoming(Packet::Publish(publish)) => {
                    assert_eq!((&*publish.topic, publish.qos, &publish.payload[..]), ("a/b", QoS::AtLeastOnce, &b"hello"[..]));
                    delivered = true;
                }
                Event::Incoming(Packet::PubAck(_)) => acknowledged = true,
                _ => {}
            },
            Some(inbound) = broker.inbounds.recv() => settle(inbound, Outcome::Stored),
        }
    }
}

#[tokio::test]
async fn a_5_client_from_a_library_publishes_and_subscribes_with_properties() {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
    use rumqttc::v5::{AsyncClient, Event, MqttOptions};
    let mut broker = start().await;
    let mut options = MqttOptions::new("library", broker.addr.ip().to_string(), broker.addr.port());
    options.set_keep_alive(Duration::from_secs(5));
    let (client, mut events) = AsyncClient::new(options, 10);
    client.subscribe("a/+", QoS::AtLeastOnce).await.unwrap();
    let user_properties = vec![("mid".to_owned(), "7".to_owned())];
    let properties = PublishProperties { user_properties: user_properties.clone(), ..PublishProperties::default() };
    client.publish_with_properties("a/b", QoS::AtLeastOnce, false, "hello", properties).await.unwrap();
    let (mut delivered, mut acknowledged) = (false, false);
    while !(delivered && acknowledged) {
        tokio::select! {
            event = events.poll() => match event.unwrap() {
                Event::Incoming(Packet::ConnAck(ack)) => {
                    let told = ack.properties.unwrap();
                    assert_eq!((told.max_qos, told.topic_alias_max, told.receive_max), (Some(1), Some(0), Some(1_024)));
                    assert_eq!((told.shared_subscription_available, told.subscription_identifiers_available), (Some(0), Some(0)));
                }
                Event::Incoming(Packet::Publish(publish)) => {
                    assert_eq!((&publish.topic[..], &publish.payload[..]), (&b"a/b"[..], &b"hello"[..]));
                    assert_eq!(publish.properties.unwrap().user_properties, user_properties);
                    delivered = true;
                }
                Event::Incoming(Packet::PubAck(_)) => acknowledged = true,
                _ => {}
            },
            Some(inbound) = broker.inbounds.recv() => settle(inbound, Outcome::Stored),
        }
    }
}

#[tokio::test]
async fn a_5_client_from_a_library_reads_why_it_was_refused_and_why_it_was_ended() {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::{Packet, PubAckReason};
    use rumqttc::v5::{AsyncClient, ConnectionError, Event, MqttOptions, StateError};
    let broker = start().await;
    let options = MqttOptions::new("library", broker.addr.ip().to_string(), broker.addr.port());
    let (client, mut events) = AsyncClient::new(options, 10);
    client.publish("owned/a", QoS::AtLeastOnce, false, "mine").await.unwrap();
    let mut refused = None;
    let ended = loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::PubAck(ack))) => {
                assert_eq!(ack.reason, PubAckReason::NotAuthorized);
                refused = ack.properties.and_then(|properties| properties.reason_string);
                client.publish("owned/b", QoS::AtMostOnce, false, "mine").await.unwrap();
            }
            Ok(_) => {}
            Err(ConnectionError::MqttState(StateError::ServerDisconnect { reason_string, .. })) => break reason_string,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(refused, Some(format!("owned/a: {}", words(0x87))));
    assert_eq!(ended, Some(format!("owned/b: {}", words(0x87))));
}

#[tokio::test]
async fn who_wants_no_problem_information_or_has_no_room_for_it_gets_the_code_alone() {
    let broker = start().await;
    let mut uninterested = Client::open(broker.addr, 5).await;
    uninterested.send(&connect(5, "a", b"\x17\x00", "", None)).await;
    uninterested.packet().await;
    assert_eq!(uninterested.subscribe("a/#/b", 0).await, 0x8F);
    uninterested.publish("owned/a", b"mine", Some(1), false).await;
    assert_eq!(uninterested.packet().await, [0x40, 3, 0, 1, 0x87]);
    uninterested.publish("owned/a", b"mine", None, false).await;
    assert_eq!(uninterested.disconnect().await, 0x87, "a DISCONNECT may say why to anybody");

    let mut small = Client::open(broker.addr, 5).await;
    small.send(&connect(5, "b", b"\x27\x00\x00\x00\x40", "", None)).await;
    small.packet().await;
    assert_eq!(small.subscribe("a/#/b", 0).await, 0x8F);
    small.publish("owned/a", b"mine", Some(1), false).await;
    assert_eq!(small.packet().await, [0x40, 3, 0, 1, 0x87]);
    small.publish("owned/a", b"mine", None, false).await;
    assert_eq!(small.packet().await, [0xE0, 1, 0x87]);
}

#[tokio::test]
async fn a_refused_subscription_says_which_filter_and_why() {
    let broker = start().await;
    let mut client = broker.v5("c").await;
    client.send(&framed(0x82, b"\x00\x01\x00\x00\x05a/#/b\x01")).await;
    let (suback, why) = client.refusal(2).await;
    assert_eq!((suback, why), (vec![0x90, 0, 1], format!("a/#/b: {}", words(0x8F))));
}

/// Lines of the log, as the operator sees them.
#[derive(Clone, Default)]
struct Lines(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_names_client_topic_and_way_out_once_however_often_a_client_is_refused() {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _log = tracing::subscriber::set_default(log);
    let broker = start().await;
    let mut new = broker.v5("new").await;
    for id in 1..=100 {
        new.publish("owned/a", b"mine", Some(id), false).await;
        new.packet().await;
    }
    let mut old = broker.v311("old").await;
    old.publish("owned/b", b"mine", Some(1), false).await;
    assert!(old.packet().await.is_empty());
    let mut twice = broker.v311("twice").await;
    twice.send(b"\x34\x07\x00\x03a/b\x00\x01").await;
    assert!(twice.packet().await.is_empty());
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
    let expected = [
        ["refused what the client sent", "client_id=\"new\"", "topic=\"owned/a\"", "code=0x87", words(0x87)],
        ["connection ended", "client_id=\"old\"", "topic=\"owned/b\"", "suppressed=99", words(0x87)],
        ["connection ended", "client_id=\"twice\"", "topic=\"a/b\"", "code=0x9b", words(0x9B)],
    ];
    assert_eq!(warnings.len(), expected.len(), "{log}");
    for (line, parts) in warnings.iter().zip(expected) {
        assert!(parts.iter().all(|part| line.contains(part)), "{line} lacks one of {parts:?}");
    }
}
