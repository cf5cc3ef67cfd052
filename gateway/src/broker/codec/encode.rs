//! Packets → bytes.

use super::packet::{ConnAck, Reply, Version, reason};
use crate::broker::message::Delivery;

/// The packet is longer than its receiver takes, and was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Appends `reply` to `out`, or nothing when it is longer than `packet_bytes_max`.
pub(crate) fn encode(
    version: Version,
    reply: &Reply,
    packet_bytes_max: u32,
    out: &mut Vec<u8>,
) -> Result<(), TooLarge> {
    let start = out.len();
    match reply {
        Reply::ConnAck(ack) => connack(version, ack, out),
        Reply::PubAck { id, code } => match (version, *code) {
            (Version::V5, code) if code != reason::SUCCESS => {
                let [high, low] = id.to_be_bytes();
                out.extend_from_slice(&[0x40, 3, high, low, code]);
            }
            _ => {
                let [high, low] = id.to_be_bytes();
                out.extend_from_slice(&[0x40, 2, high, low]);
            }
        },
        Reply::SubAck { id, codes } => {
            let codes: Vec<u8> = match version {
                Version::V5 => codes.clone(),
                Version::V311 => codes.iter().map(|&code| code.min(0x80)).collect(),
            };
            codes_reply(version, 0x90, *id, &codes, out);
        }
        Reply::UnsubAck { id, codes } => {
            let codes = if version == Version::V5 { codes.as_slice() } else { &[] };
            codes_reply(version, 0xB0, *id, codes, out);
        }
        Reply::Publish { id, delivery } => return publish(version, *id, delivery, packet_bytes_max, out),
        Reply::PingResp => out.extend_from_slice(&[0xD0, 0]),
        Reply::Disconnect { code } => out.extend_from_slice(&[0xE0, 1, *code]),
    }
    if out.len() - start > packet_bytes_max as usize {
        out.truncate(start);
        return Err(TooLarge);
    }
    Ok(())
}

fn codes_reply(version: Version, first: u8, id: u16, codes: &[u8], out: &mut Vec<u8>) {
    let properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
    out.push(first);
    put_varint(2 + properties.len() + codes.len(), out);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(properties);
    out.extend_from_slice(codes);
}

fn connack(version: Version, ack: &ConnAck, out: &mut Vec<u8>) {
    if version == Version::V311 {
        out.extend_from_slice(&[0x20, 2, 0, return_code(ack.code)]);
        return;
    }
    let mut properties = Vec::new();
    if ack.code == reason::SUCCESS {
        offered(ack, &mut properties);
    }
    out.push(0x20);
    put_varint(2 + varint_len(properties.len()) + properties.len(), out);
    out.extend_from_slice(&[0, ack.code]);
    put_varint(properties.len(), out);
    out.extend_from_slice(&properties);
}

/// What this broker offers, where it differs from what a client would otherwise assume.
fn offered(ack: &ConnAck, out: &mut Vec<u8>) {
    if ack.session_expiry_denied {
        out.extend_from_slice(&[0x11, 0, 0, 0, 0]);
    }
    out.push(0x21);
    out.extend_from_slice(&ack.receive_maximum.to_be_bytes());
    out.extend_from_slice(&[0x24, 1]); // Maximum QoS
    out.extend_from_slice(&[0x25, 1]); // Retain Available
    out.push(0x27);
    out.extend_from_slice(&ack.packet_bytes_max.to_be_bytes());
    if let Some(id) = &ack.assigned_client_id {
        out.push(0x12);
        put_string(id, out);
    }
    out.extend_from_slice(&[0x22, 0, 0]); // Topic Alias Maximum
    out.extend_from_slice(&[0x28, 1]); // Wildcard Subscription Available
    out.extend_from_slice(&[0x29, 0]); // Subscription Identifiers Available
    out.extend_from_slice(&[0x2A, 0]); // Shared Subscription Available
    if let Some(seconds) = ack.server_keep_alive_s {
        out.push(0x13);
        out.extend_from_slice(&seconds.to_be_bytes());
    }
}

/// The return code of 3.1.1 (table 3.1) nearest to a reason code of MQTT 5.
fn return_code(code: u8) -> u8 {
    match code {
        reason::SUCCESS => 0,
        reason::VERSION => 1,
        reason::CLIENT_ID => 2,
        reason::BAD_LOGIN => 4,
        reason::NOT_AUTHORIZED => 5,
        _ => 3,
    }
}

fn publish(
    version: Version,
    id: Option<u16>,
    delivery: &Delivery,
    packet_bytes_max: u32,
    out: &mut Vec<u8>,
) -> Result<(), TooLarge> {
    let properties = delivery.properties.as_deref().unwrap_or_default();
    let properties_len = match version {
        Version::V311 => 0,
        Version::V5 => varint_len(properties.len()) + properties.len(),
    };
    let id_len = if id.is_some() { 2 } else { 0 };
    let remaining = 2 + delivery.topic.len() + id_len + properties_len + delivery.payload.len();
    if 1 + varint_len(remaining) + remaining > packet_bytes_max as usize {
        return Err(TooLarge);
    }
    out.reserve(5 + remaining);
    out.push(0x30 | if id.is_some() { 2 } else { 0 } | u8::from(delivery.retain));
    put_varint(remaining, out);
    put_string(&delivery.topic, out);
    if let Some(id) = id {
        out.extend_from_slice(&id.to_be_bytes());
    }
    if version == Version::V5 {
        put_varint(properties.len(), out);
        out.extend_from_slice(properties);
    }
    out.extend_from_slice(&delivery.payload);
    Ok(())
}

/// `text` is a topic or a client id, both checked to be far below 64 KB; anything longer would be cut here.
fn put_string(text: &str, out: &mut Vec<u8>) {
    debug_assert!(text.len() <= usize::from(u16::MAX));
    let len = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(text.as_bytes().get(..usize::from(len)).unwrap_or_default());
}

fn varint_len(value: usize) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

fn put_varint(mut value: usize, out: &mut Vec<u8>) {
    debug_assert!(value < 1 << 28);
    loop {
        let low = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}
