use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::encode::TooLarge;
use super::packet::Login;
use super::*;
use crate::broker::message::Delivery;

const MAX: usize = 64 << 10;
const BOTH: [Version; 2] = [Version::V311, Version::V5];

const CONNECT_311: &[u8] =
    b"\x10\x26\x00\x04MQTT\x04\xE6\x00\x3C\x00\x02id\x00\x04will\x00\x04gone\x00\x04user\x00\x04pass";
const CONNECT_5: &[u8] = b"\x10\x26\x00\x04MQTT\x05\x06\x00\x0A\x10\x11\x00\x00\x00\x05\x21\x00\x07\x27\x00\x00\x01\x00\x22\x00\x00\x00\x01c\x00\x00\x01w\x00\x02hi";
const PUBLISH_5: &[u8] = b"\x33\x15\x00\x03a/b\x00\x09\x09\x01\x01\x26\x00\x01k\x00\x01vbody";
const SUBSCRIBE_5: &[u8] = b"\x82\x0B\x00\x01\x00\x00\x01#\x2D\x00\x01+\x02";
const SAMPLES: [(Option<Version>, &[u8]); 12] = [
    (None, CONNECT_311),
    (None, CONNECT_5),
    (Some(Version::V5), PUBLISH_5),
    (Some(Version::V5), SUBSCRIBE_5),
    (Some(Version::V311), b"\x30\x05\x00\x01tpp"),
    (Some(Version::V311), b"\x3A\x06\x00\x01t\x00\x05p"),
    (Some(Version::V311), b"\x82\x06\x00\x01\x00\x01a\x01"),
    (Some(Version::V5), b"\xA2\x06\x00\x01\x00\x00\x01a"),
    (Some(Version::V5), b"\x40\x04\x00\x01\x10\x00"),
    (Some(Version::V5), b"\xE0\x07\x04\x05\x11\x00\x00\x00\x00"),
    (Some(Version::V311), b"\xC0\x00"),
    (Some(Version::V311), b"\xE0\x00"),
];

fn decode_all(version: Option<Version>, bytes: &[u8]) -> Packet<'_> {
    let (packet, len) = decode(version, bytes, MAX).unwrap().unwrap();
    assert_eq!(len, bytes.len());
    packet
}

#[test]
fn a_311_connect_is_read_to_its_last_field() {
    let Packet::Connect(connect) = decode_all(None, CONNECT_311) else { panic!() };
    let payload = Bytes::from_static(b"gone");
    let will = Will { topic: Arc::from("will"), payload, qos: 0, retain: true, properties: None };
    let login = Login { username: Some(Arc::from("user")), password: Some(Bytes::from_static(b"pass")) };
    assert!(!format!("{login:?}").contains("pass\""), "a password is not shown");
    let expected = Connect {
        version: Version::V311,
        clean: true,
        keep_alive_s: 60,
        client_id: Arc::from("id"),
        will: Some(will),
        login,
        session_expiry_s: 0,
        receive_maximum: 65_535,
        packet_bytes_max: u32::MAX,
        auth_method: false,
        problem_information: true,
    };
    assert_eq!(*connect, expected);
}

#[test]
fn a_5_connect_brings_its_properties_even_a_topic_alias_maximum_of_0() {
    let Packet::Connect(connect) = decode_all(None, CONNECT_5) else { panic!() };
    assert_eq!((connect.version, connect.session_expiry_s), (Version::V5, 5));
    assert_eq!((connect.receive_maximum, connect.packet_bytes_max), (7, 256));
    assert_eq!(connect.will.unwrap().payload, "hi");
}

#[test]
fn a_publish_keeps_the_properties_that_travel_on() {
    let Packet::Publish(publish) = decode_all(Some(Version::V5), PUBLISH_5) else { panic!() };
    assert_eq!((publish.topic, publish.payload, publish.qos, publish.retain), ("a/b", &b"body"[..], 1, true));
    assert_eq!(publish.id, Some(9));
    assert_eq!(publish.properties.as_deref(), Some(&b"\x01\x01\x26\x00\x01k\x00\x01v"[..]));
}

#[test]
fn subscription_options_are_told_apart() {
    let Packet::Subscribe(topics) = decode_all(Some(Version::V5), SUBSCRIBE_5) else { panic!() };
    let first = &topics.entries[0];
    assert_eq!((&*first.filter, first.qos, first.no_local), ("#", 1, true));
    assert_eq!((first.retain_as_published, first.retain_handling), (true, 2));
    assert_eq!(topics.entries[1].qos, 2);
}

#[test]
fn a_packet_cut_anywhere_waits_for_more_and_the_next_packet_is_left_alone() {
    for (version, sample) in SAMPLES {
        for cut in 0..sample.len() {
            assert_eq!(decode(version, &sample[..cut], MAX), Ok(None), "{sample:?} cut at {cut}");
        }
        let two = [sample, b"\xC0\x00"].concat();
        assert_eq!(decode(version, &two, MAX).unwrap().unwrap().1, sample.len());
    }
}

#[test]
fn what_the_standard_forbids_is_refused() {
    let refused: [(Option<Version>, &[u8], u8); 27] = [
        (None, b"\xC0\x00", 0x82),                                                     // not a CONNECT
        (None, b"\x10\x0C\x00\x04MQTT\x06\x02\x00\x00\x00\x00", 0x84),                 // level 6
        (None, b"\x10\x0E\x00\x06MQIsdp\x03\x02\x00\x00\x00\x00", 0x84),               // 3.1
        (None, b"\x10\x0C\x00\x04MQTX\x04\x02\x00\x00\x00\x00", 0x82),                 // another protocol
        (None, b"\x10\x0C\x00\x04MQTT\x04\x03\x00\x00\x00\x00", 0x81),                 // reserved flag
        (None, b"\x10\x0C\x00\x04MQTT\x04\x0A\x00\x00\x00\x00", 0x81),                 // will QoS without will
        (None, b"\x10\x0D\x00\x04MQTT\x05\x22\x00\x00\x00\x00\x00", 0x81),             // will retain without will
        (None, b"\x10\x10\x00\x04MQTT\x04\x42\x00\x00\x00\x00\x00\x02pw", 0x81),       // password without user in 3.1.1
        (None, b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x00\x00\x00x", 0x81),                // a byte too many
        (None, b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x00\x00\x01\x00", 0x81),             // U+0000
        (None, b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x00\x00\x01\xFF", 0x81),             // not UTF-8
        (None, b"\x10\x10\x00\x04MQTT\x05\x02\x00\x00\x03\x21\x00\x00\x00\x00", 0x82), // receive maximum 0
        (None, b"\x10\x13\x00\x04MQTT\x05\x02\x00\x00\x06\x22\x00\x00\x22\x00\x00\x00\x00", 0x82), // twice
        (None, b"\x10\x0F\x00\x04MQTT\x05\x02\x00\x00\x02\x24\x01\x00\x00", 0x81),     // property of another packet
        (Some(Version::V311), CONNECT_311, 0x82),                                      // second CONNECT
        (Some(Version::V5), b"\x36\x06\x00\x01t\x00\x05\x00", 0x81),                   // QoS 3
        (Some(Version::V5), b"\x38\x04\x00\x01t\x00", 0x81),                           // DUP with QoS 0
        (Some(Version::V5), b"\x32\x06\x00\x01t\x00\x00\x00", 0x82),                   // packet id 0
        (Some(Version::V5), b"\x30\x05\x00\x01t\x05\x01", 0x81), // properties longer than the packet
        (Some(Version::V311), b"\x82\x06\x00\x01\x00\x01a\x04", 0x81), // reserved option bits
        (Some(Version::V5), b"\x82\x07\x00\x01\x00\x00\x01a\x30", 0x81), // retain handling 3
        (Some(Version::V311), b"\x82\x02\x00\x01", 0x82),        // no filter
        (Some(Version::V311), b"\x80\x06\x00\x01\x00\x01a\x00", 0x81), // fixed header flags
        (Some(Version::V311), b"\xF0\x00", 0x81),                // AUTH in 3.1.1
        (Some(Version::V311), b"\xC0\x01x", 0x81),               // PINGREQ with a body
        (Some(Version::V311), b"\x20\x02\x00\x00", 0x81),        // a server's packet
        (Some(Version::V311), b"\x30\xFF\xFF\xFF\xFF", 0x81),    // length of five bytes
    ];
    for (version, bytes, code) in refused {
        let refusal = decode(version, bytes, MAX).map(|_| ()).map_err(|malformed| malformed.code());
        assert_eq!(refusal, Err(code), "{bytes:x?}");
    }
}

#[test]
fn the_length_is_judged_before_the_body_has_come() {
    let malformed = decode(Some(Version::V5), b"\x30\x80\x80\x04", MAX).unwrap_err();
    assert_eq!(malformed.to_string(), "packet has 65540 bytes, limit is 65536");
    assert_eq!(malformed.code(), 0x95);
}

#[test]
fn replies_have_the_bytes_of_the_standard() {
    let bytes = |version, reply: &Reply| {
        let mut out = Vec::new();
        encode(version, reply, u32::MAX, &mut out).unwrap();
        out
    };
    assert_eq!(bytes(Version::V311, &Reply::PubAck { id: 0x1234, code: 0x97, reason: None }), b"\x40\x02\x12\x34");
    assert_eq!(bytes(Version::V5, &Reply::PubAck { id: 0x1234, code: 0, reason: None }), b"\x40\x02\x12\x34");
    assert_eq!(bytes(Version::V5, &Reply::PubAck { id: 0x1234, code: 0x97, reason: None }), b"\x40\x03\x12\x34\x97");
    let suback = Reply::SubAck { id: 1, codes: vec![1, 0x8F], reason: None };
    assert_eq!(bytes(Version::V311, &suback), b"\x90\x04\x00\x01\x01\x80");
    assert_eq!(bytes(Version::V5, &suback), b"\x90\x05\x00\x01\x00\x01\x8F");
    let unsuback = Reply::UnsubAck { id: 1, codes: vec![0x11] };
    assert_eq!(bytes(Version::V311, &unsuback), b"\xB0\x02\x00\x01");
    assert_eq!(bytes(Version::V5, &unsuback), b"\xB0\x04\x00\x01\x00\x11");
    assert_eq!(bytes(Version::V5, &Reply::Disconnect { code: 0x8E, reason: None }), b"\xE0\x01\x8E");
    assert_eq!(bytes(Version::V5, &Reply::PingResp), b"\xD0\x00");
}

#[test]
fn a_connack_says_what_is_not_offered() {
    let ack = ConnAck {
        session_expiry_denied: true,
        assigned_client_id: Some(Arc::from("me")),
        server_keep_alive_s: Some(9),
        receive_maximum: 1_024,
        packet_bytes_max: 65_536,
        ..ConnAck::default()
    };
    let mut out = Vec::new();
    encode(Version::V5, &Reply::ConnAck(Box::new(ack.clone())), u32::MAX, &mut out).unwrap();
    let expected = b"\x20\x25\x00\x00\x22\x11\x00\x00\x00\x00\x21\x04\x00\x24\x01\x25\x01\x27\x00\x01\x00\x00\
        \x12\x00\x02me\x22\x00\x00\x28\x01\x29\x00\x2A\x00\x13\x00\x09";
    assert_eq!(out, expected);
    for (code, returned) in [(0, 0), (0x84, 1), (0x85, 2), (0x97, 3), (0x86, 4), (0x87, 5)] {
        out.clear();
        let ack = ConnAck { code, ..ack.clone() };
        encode(Version::V311, &Reply::ConnAck(Box::new(ack)), u32::MAX, &mut out).unwrap();
        assert_eq!(out, [0x20, 2, 0, returned]);
    }
}

#[test]
fn what_is_longer_than_its_receiver_takes_is_not_written() {
    let payload = Bytes::from_static(&[7; 200]);
    let delivery = Delivery { topic: Arc::from("t"), payload, qos: 0, retain: false, properties: None };
    let reply = Reply::Publish { id: None, delivery };
    let mut out = vec![1];
    assert_eq!(encode(Version::V5, &reply, 206, &mut out), Err(TooLarge));
    assert_eq!(out, [1]);
    assert_eq!(encode(Version::V5, &reply, 207, &mut out), Ok(()));
    assert_eq!(out.len(), 208);
    assert_eq!(encode(Version::V5, &Reply::PubAck { id: 1, code: 0, reason: None }, 1, &mut out), Err(TooLarge));
    assert_eq!(out.len(), 208);
}

fn any_version() -> impl Strategy<Value = Option<Version>> {
    prop_oneof![Just(None), Just(Some(Version::V311)), Just(Some(Version::V5))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_make_the_decoder_panic_or_read_beyond_them(
        version in any_version(),
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Ok(Some((_, len))) = decode(version, &bytes, MAX) {
            prop_assert!(len <= bytes.len());
        }
    }

    #[test]
    fn no_mutation_of_a_good_packet_makes_the_decoder_panic(
        sample in 0..SAMPLES.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        other in any::<bool>(),
    ) {
        let (version, sample) = SAMPLES[sample];
        let mut bytes = sample.to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let version = if other { BOTH.into_iter().find(|v| Some(*v) != version) } else { version };
        if let Ok(Some((_, len))) = decode(version, &bytes, MAX) {
            prop_assert!(len <= bytes.len());
        }
    }

    #[test]
    fn a_delivery_decodes_to_what_was_encoded(
        topic in "[a-z/]{1,40}",
        payload in prop::collection::vec(any::<u8>(), 0..300),
        id in prop::option::of(1..u16::MAX),
        retain in any::<bool>(),
        v5 in any::<bool>(),
        properties in prop::option::of(Just(Arc::<[u8]>::from(&b"\x26\x00\x01k\x00\x01v"[..]))),
    ) {
        let version = if v5 { Version::V5 } else { Version::V311 };
        let properties = properties.filter(|_| v5);
        let qos = u8::from(id.is_some());
        let delivery = Delivery {
            topic: Arc::from(topic.as_str()), payload: Bytes::from(payload.clone()), qos, retain, properties: properties.clone(),
        };
        let mut out = Vec::new();
        encode(version, &Reply::Publish { id, delivery }, u32::MAX, &mut out).unwrap();
        let expected = Publish { topic: &topic, payload: &payload, qos, retain, id, alias: false, properties };
        prop_assert_eq!(decode(Some(version), &out, MAX), Ok(Some((Packet::Publish(expected), out.len()))));
    }
}
