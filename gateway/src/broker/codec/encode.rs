//! Packets → bytes.

use super::packet::{ConnAck, Reply, Version};
use crate::broker::message::Delivery;
use crate::broker::reason;

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
    let max = packet_bytes_max as usize;
    match reply {
        Reply::ConnAck(ack) => connack(version, ack, max, out),
        Reply::PubAck { id, code, reason } => {
            let id = id.to_be_bytes();
            match (version, *code) {
                (Version::V5, code) if code != reason::SUCCESS => {
                    acknowledgement(0x40, &[&id, &[code]], reason.as_deref(), max, out);
                }
                _ => framed(0x40, &[&id], out),
            }
        }
        Reply::SubAck { id, codes, reason } => match version {
            Version::V5 => {
                let body = 2 + codes.len();
                let properties = fitting(reason.as_deref(), body, max).unwrap_or_else(|| vec![0]);
                framed(0x90, &[&id.to_be_bytes(), &properties, codes], out);
            }
            Version::V311 => {
                let codes: Vec<u8> = codes.iter().map(|&code| code.min(0x80)).collect();
                framed(0x90, &[&id.to_be_bytes(), &codes], out);
            }
        },
        Reply::UnsubAck { id, codes } => match version {
            Version::V5 => framed(0xB0, &[&id.to_be_bytes(), &[0], codes], out),
            Version::V311 => framed(0xB0, &[&id.to_be_bytes()], out),
        },
        Reply::Publish { id, delivery } => return publish(version, *id, delivery, packet_bytes_max, out),
        Reply::PingResp => out.extend_from_slice(&[0xD0, 0]),
        Reply::Disconnect { code, reason } => acknowledgement(0xE0, &[&[*code]], reason.as_deref(), max, out),
    }
    if out.len() - start > max {
        out.truncate(start);
        return Err(TooLarge);
    }
    Ok(())
}

fn framed(first: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    out.push(first);
    put_varint(parts.iter().map(|part| part.len()).sum(), out);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// A packet whose properties come last and may be left out altogether.
fn acknowledgement(first: u8, parts: &[&[u8]], reason: Option<&str>, packet_bytes_max: usize, out: &mut Vec<u8>) {
    let body = parts.iter().map(|part| part.len()).sum();
    let properties = fitting(reason, body, packet_bytes_max).unwrap_or_default();
    framed(first, &[&parts.concat(), &properties], out);
}

/// The properties, length included, that hold `reason`, if they fit a packet with `body` other bytes after its header.
fn fitting(reason: Option<&str>, body: usize, packet_bytes_max: usize) -> Option<Vec<u8>> {
    let mut property = vec![0x1F];
    put_string(reason?, &mut property);
    let mut properties = Vec::new();
    put_varint(property.len(), &mut properties);
    properties.extend(property);
    let remaining = body + properties.len();
    (1 + varint_len(remaining) + remaining <= packet_bytes_max).then_some(properties)
}

fn connack(version: Version, ack: &ConnAck, packet_bytes_max: usize, out: &mut Vec<u8>) {
    if version == Version::V311 {
        out.extend_from_slice(&[0x20, 2, 0, return_code(ack.code)]);
        return;
    }
    if ack.code != reason::SUCCESS {
        let properties = fitting(Some(reason::words(ack.code)), 2, packet_bytes_max).unwrap_or_else(|| vec![0]);
        return framed(0x20, &[&[0, ack.code], &properties], out);
    }
    let mut properties = Vec::new();
    offered(ack, &mut properties);
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

/// The properties of a publish that asks for an answer (MQTT 5, 3.3.2.3.5 and 3.3.2.3.6).
pub(crate) fn question(response_topic: &str, correlation: &str) -> Vec<u8> {
    let mut properties = vec![0x08];
    put_string(response_topic, &mut properties);
    properties.push(0x09);
    put_string(correlation, &mut properties);
    properties
}

/// `text` is a topic, a client id or a reason, all checked to be far below 64 KB; anything longer would be cut here.
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
