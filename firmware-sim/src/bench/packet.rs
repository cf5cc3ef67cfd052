//! As much of MQTT 3.1.1 as a load needs: three packets out, the answers in. Never panics on what comes in.

/// Longest packet that is taken in; brokers here send documents of a few kilobytes.
const LEN_MAX: usize = 4 << 20;

/// A packet as it lies in the buffer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    Connect,
    ConnAck { code: u8 },
    Publish { topic: &'a [u8], id: Option<u16>, payload: &'a [u8] },
    PubAck { id: u16 },
    Subscribe { id: u16 },
    SubAck { refused: bool },
    Other,
}

/// What came is not MQTT.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The first packet of `bytes` and its length; `None` while it is not complete.
pub(super) fn split(bytes: &[u8]) -> Result<Option<(Packet<'_>, usize)>, Malformed> {
    // What comes most.
    if let [0x40, 2, high, low, ..] = *bytes {
        return Ok(Some((Packet::PubAck { id: u16::from_be_bytes([high, low]) }, 4)));
    }
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    let Some((len, digits)) = remaining_length(rest)? else { return Ok(None) };
    let Some(body) = rest.get(digits..digits + len) else { return Ok(None) };
    let packet = match first >> 4 {
        1 => Packet::Connect,
        2 => Packet::ConnAck { code: *body.get(1).ok_or(Malformed)? },
        3 => publish(first, body)?,
        4 => Packet::PubAck { id: number(body)? },
        8 => Packet::Subscribe { id: number(body)? },
        9 => Packet::SubAck { refused: body.get(2..).ok_or(Malformed)?.iter().any(|code| *code >= 0x80) },
        _ => Packet::Other,
    };
    Ok(Some((packet, 1 + digits + len)))
}

fn publish(first: u8, body: &[u8]) -> Result<Packet<'_>, Malformed> {
    let len = usize::from(number(body)?);
    let topic = body.get(2..2 + len).ok_or(Malformed)?;
    let rest = body.get(2 + len..).ok_or(Malformed)?;
    if first & 0x06 == 0 {
        return Ok(Packet::Publish { topic, id: None, payload: rest });
    }
    Ok(Packet::Publish { topic, id: Some(number(rest)?), payload: rest.get(2..).ok_or(Malformed)? })
}

fn number(bytes: &[u8]) -> Result<u16, Malformed> {
    bytes.first_chunk().map(|chunk| u16::from_be_bytes(*chunk)).ok_or(Malformed)
}

fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let mut len = 0;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        len |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return if len <= LEN_MAX { Ok(Some((len, at + 1))) } else { Err(Malformed) };
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(Malformed) }
}

/// A clean session without keep-alive.
pub(super) fn put_connect(out: &mut Vec<u8>, client: &str, login: Option<&(String, String)>) {
    let fields = login.map_or(0, |(user, password)| 4 + user.len() + password.len());
    put_head(out, 0x10, 12 + client.len() + fields);
    out.extend_from_slice(&[0, 4, b'M', b'Q', b'T', b'T', 4]);
    out.extend_from_slice(&[if login.is_some() { 0xC2 } else { 0x02 }, 0, 0]);
    put_text(out, client);
    if let Some((user, password)) = login {
        put_text(out, user);
        put_text(out, password);
    }
}

pub(super) fn put_connack(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x20, 2, 0, 0]);
}

pub(super) fn put_subscribe(out: &mut Vec<u8>, filter: &str, qos: u8) {
    put_head(out, 0x82, 5 + filter.len());
    out.extend_from_slice(&[0, 1]);
    put_text(out, filter);
    out.push(qos);
}

pub(super) fn put_suback(out: &mut Vec<u8>, id: u16) {
    put_head(out, 0x90, 3);
    out.extend_from_slice(&id.to_be_bytes());
    out.push(0);
}

pub(super) fn put_puback(out: &mut Vec<u8>, id: u16) {
    let [high, low] = id.to_be_bytes();
    out.extend_from_slice(&[0x40, 2, high, low]);
}

pub(super) const DISCONNECT: [u8; 2] = [0xE0, 0];

/// Everything of a QoS 1 publish before its payload; `topic` with its length in front.
pub(super) fn put_publish_head(out: &mut Vec<u8>, topic: &[u8], id: u16, payload_len: usize) {
    put_head(out, 0x32, topic.len() + 2 + payload_len);
    out.extend_from_slice(topic);
    out.extend_from_slice(&id.to_be_bytes());
}

fn put_head(out: &mut Vec<u8>, first: u8, mut len: usize) {
    out.push(first);
    while len >= 0x80 {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_split_again_also_byte_by_byte() {
        let mut bytes = Vec::new();
        put_connect(&mut bytes, "bench-1", Some(&("anna".to_owned(), "secret".to_owned())));
        put_connack(&mut bytes);
        put_subscribe(&mut bytes, "a/#", 1);
        put_suback(&mut bytes, 1);
        let mut topic = Vec::new();
        put_text(&mut topic, "a/b");
        put_publish_head(&mut bytes, &topic, 700, 200);
        bytes.extend_from_slice(&[7; 200]);
        put_puback(&mut bytes, 700);
        let wanted = [
            Packet::Connect,
            Packet::ConnAck { code: 0 },
            Packet::Subscribe { id: 1 },
            Packet::SubAck { refused: false },
            Packet::Publish { topic: b"a/b", id: Some(700), payload: &[7; 200] },
            Packet::PubAck { id: 700 },
        ];
        let mut at = 0;
        for wanted in wanted {
            let (packet, len) = split(&bytes[at..]).unwrap().unwrap();
            assert_eq!(packet, wanted);
            for cut in 0..len {
                assert_eq!(split(&bytes[at..at + cut]), Ok(None), "{wanted:?} cut at {cut}");
            }
            at += len;
        }
        assert_eq!(at, bytes.len());
    }

    #[test]
    fn what_is_not_mqtt_is_an_error_and_no_panic() {
        let short: [&[u8]; 5] =
            [&[0x20, 0], &[0x32, 1, 0], &[0x32, 2, 0, 9], &[0x40, 1, 0], &[0x30, 0xFF, 0xFF, 0xFF, 0x7F]];
        for bytes in short.into_iter().chain([&[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 1][..]]) {
            assert_eq!(split(bytes), Err(Malformed), "{bytes:?}");
        }
    }
}
