//! Bytes → packets.

use std::sync::Arc;

use bytes::Bytes;

use super::packet::{Connect, Login, Malformed, Packet, Publish, SubscribeRequest, Topics, Version, Will};
use super::reader::{Reader, Varint, varint};
use crate::broker::reason;

const fn rule(rule: &'static str) -> Malformed {
    Malformed::Rule { rule, code: reason::PROTOCOL }
}

/// The first packet in `bytes` and its length, `None` when more bytes are needed. `version` is `None` until the
/// CONNECT has come, and then nothing but a CONNECT is taken.
pub(crate) fn decode(
    version: Option<Version>,
    bytes: &[u8],
    packet_bytes_max: usize,
) -> Result<Option<(Packet<'_>, usize)>, Malformed> {
    let Some((&first, after)) = bytes.split_first() else { return Ok(None) };
    let (remaining, header) = match varint(after) {
        Varint::Done { value, len } => (value as usize, len + 1),
        Varint::More => return Ok(None),
        Varint::TooLong => return Err(Malformed::Layout("remaining length: longer than 4 bytes")),
    };
    let len = header + remaining;
    if len > packet_bytes_max {
        return Err(Malformed::TooLarge { len, max: packet_bytes_max });
    }
    if version.is_none() && first != 0x10 {
        return Err(rule("first packet is not a CONNECT"));
    }
    let Some(body) = bytes.get(header..len) else { return Ok(None) };
    let packet = match version {
        None => Packet::Connect(connect(body)?),
        Some(version) => packet(version, first, body)?,
    };
    Ok(Some((packet, len)))
}

fn packet(version: Version, first: u8, body: &[u8]) -> Result<Packet<'_>, Malformed> {
    match first {
        0x10 => Err(rule("second CONNECT")),
        0x30..=0x3F => publish(version, first & 0x0F, body).map(Packet::Publish),
        0x40 => puback(version, body),
        0x50 | 0x62 | 0x70 => Ok(Packet::QosTwo),
        0x82 => subscribe(version, body).map(Packet::Subscribe),
        0xA2 => unsubscribe(version, body).map(Packet::Unsubscribe),
        0xC0 if body.is_empty() => Ok(Packet::PingReq),
        0xE0 => disconnect(version, body),
        0xF0 if version == Version::V5 => Ok(Packet::Auth),
        _ => Err(Malformed::Layout("fixed header")),
    }
}

fn connect(body: &[u8]) -> Result<Box<Connect>, Malformed> {
    let mut r = Reader::new(body, "CONNECT");
    let name = r.binary()?;
    let level = r.u8()?;
    let version = match (name, level) {
        (b"MQTT", 4) => Version::V311,
        (b"MQTT", 5) => Version::V5,
        (b"MQTT" | b"MQIsdp", level) => return Err(Malformed::Version { level }),
        _ => return Err(rule("protocol name is not MQTT")),
    };
    let flags = ConnectFlags::new(r.u8()?, version)?;
    let keep_alive_s = r.u16()?;
    let properties = Properties::read(&mut r, version, &CONNECT)?;
    let client_id = Arc::from(r.string()?);
    let will = if flags.will { Some(will(&mut r, version, flags)?) } else { None };
    let username = if flags.username { Some(Arc::from(r.string()?)) } else { None };
    let password = if flags.password { Some(Bytes::copy_from_slice(r.binary()?)) } else { None };
    if !r.is_empty() {
        return Err(r.malformed());
    }
    Ok(Box::new(Connect {
        version,
        clean: flags.clean,
        keep_alive_s,
        client_id,
        will,
        login: Login { username, password },
        session_expiry_s: properties.session_expiry_s.unwrap_or(0),
        receive_maximum: properties.receive_maximum.unwrap_or(u16::MAX),
        packet_bytes_max: properties.packet_bytes_max.unwrap_or(u32::MAX),
        auth_method: properties.auth_method,
        problem_information: !properties.no_problem_information,
    }))
}

#[derive(Clone, Copy)]
struct ConnectFlags {
    clean: bool,
    will: bool,
    will_qos: u8,
    will_retain: bool,
    username: bool,
    password: bool,
}

impl ConnectFlags {
    fn new(bits: u8, version: Version) -> Result<Self, Malformed> {
        let bit = |n: u8| bits & (1 << n) != 0;
        let flags = Self {
            clean: bit(1),
            will: bit(2),
            will_qos: (bits >> 3) & 3,
            will_retain: bit(5),
            username: bit(7),
            password: bit(6),
        };
        let stray_will = !flags.will && (flags.will_qos != 0 || flags.will_retain);
        let stray_password = version == Version::V311 && flags.password && !flags.username;
        if bit(0) || flags.will_qos == 3 || stray_will || stray_password {
            return Err(Malformed::Layout("CONNECT flags"));
        }
        Ok(flags)
    }
}

fn will(r: &mut Reader<'_>, version: Version, flags: ConnectFlags) -> Result<Will, Malformed> {
    let properties = Properties::read(r, version, &WILL)?;
    Ok(Will {
        topic: Arc::from(r.string()?),
        payload: Bytes::copy_from_slice(r.binary()?),
        qos: flags.will_qos,
        retain: flags.will_retain,
        properties: properties.passed_on(),
    })
}

fn publish(version: Version, flags: u8, body: &[u8]) -> Result<Publish<'_>, Malformed> {
    let (dup, qos, retain) = (flags & 8 != 0, (flags >> 1) & 3, flags & 1 != 0);
    if qos == 3 || (dup && qos == 0) {
        return Err(Malformed::Layout("PUBLISH flags"));
    }
    let mut r = Reader::new(body, "PUBLISH");
    let topic = r.string()?;
    let id = if qos > 0 { Some(r.packet_id()?) } else { None };
    let properties = Properties::read(&mut r, version, &PUBLISH)?;
    let alias = properties.topic_alias;
    Ok(Publish { topic, payload: r.rest(), qos, retain, id, alias, properties: properties.passed_on() })
}

fn puback(version: Version, body: &[u8]) -> Result<Packet<'_>, Malformed> {
    let mut r = Reader::new(body, "PUBACK");
    let id = r.packet_id()?;
    if version == Version::V5 && !r.is_empty() {
        r.u8()?;
        if !r.is_empty() {
            Properties::read(&mut r, version, &ACK)?;
        }
    }
    if r.is_empty() { Ok(Packet::PubAck { id }) } else { Err(r.malformed()) }
}

fn subscribe(version: Version, body: &[u8]) -> Result<Topics<SubscribeRequest>, Malformed> {
    let mut r = Reader::new(body, "SUBSCRIBE");
    let id = r.packet_id()?;
    let subscription_id = Properties::read(&mut r, version, &SUBSCRIBE)?.subscription_id;
    let mut entries = Vec::new();
    while !r.is_empty() {
        let filter = Arc::from(r.string()?);
        let options = r.u8()?;
        let reserved = if version == Version::V5 { 0xC0 } else { 0xFC };
        let (qos, retain_handling) = (options & 3, (options >> 4) & 3);
        if options & reserved != 0 || qos == 3 || retain_handling == 3 {
            return Err(Malformed::Layout("SUBSCRIBE options"));
        }
        let (no_local, retain_as_published) = (options & 4 != 0, options & 8 != 0);
        entries.push(SubscribeRequest { filter, qos, no_local, retain_as_published, retain_handling });
    }
    if entries.is_empty() {
        return Err(rule("SUBSCRIBE without a topic filter"));
    }
    Ok(Topics { id, entries, subscription_id })
}

fn unsubscribe(version: Version, body: &[u8]) -> Result<Topics<Arc<str>>, Malformed> {
    let mut r = Reader::new(body, "UNSUBSCRIBE");
    let id = r.packet_id()?;
    Properties::read(&mut r, version, &UNSUBSCRIBE)?;
    let mut entries = Vec::new();
    while !r.is_empty() {
        entries.push(Arc::from(r.string()?));
    }
    if entries.is_empty() {
        return Err(rule("UNSUBSCRIBE without a topic filter"));
    }
    Ok(Topics { id, entries, subscription_id: false })
}

fn disconnect(version: Version, body: &[u8]) -> Result<Packet<'_>, Malformed> {
    let mut r = Reader::new(body, "DISCONNECT");
    let (mut code, mut session_expiry_s) = (reason::SUCCESS, None);
    if version == Version::V5 && !r.is_empty() {
        code = r.u8()?;
        if !r.is_empty() {
            session_expiry_s = Properties::read(&mut r, version, &DISCONNECT)?.session_expiry_s;
        }
    }
    if r.is_empty() { Ok(Packet::Disconnect { code, session_expiry_s }) } else { Err(r.malformed()) }
}

/// Which properties a packet may carry (MQTT 5, 2.2.2.2).
struct Allowed(&'static [u8]);

const CONNECT: Allowed = Allowed(&[0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27]);
const WILL: Allowed = Allowed(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26]);
const PUBLISH: Allowed = Allowed(&[0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x26]);
const ACK: Allowed = Allowed(&[0x1F, 0x26]);
const SUBSCRIBE: Allowed = Allowed(&[0x0B, 0x26]);
const UNSUBSCRIBE: Allowed = Allowed(&[0x26]);
const DISCONNECT: Allowed = Allowed(&[0x11, 0x1F, 0x26]);

/// Payload format, content type, response topic, correlation data and user properties travel on unchanged
/// (MQTT 5, 3.3.2.3); message expiry is not offered and ends here.
const PASSED_ON: Allowed = Allowed(&[0x01, 0x03, 0x08, 0x09, 0x26]);

#[derive(Default)]
struct Properties {
    session_expiry_s: Option<u32>,
    receive_maximum: Option<u16>,
    packet_bytes_max: Option<u32>,
    auth_method: bool,
    no_problem_information: bool,
    topic_alias: bool,
    subscription_id: bool,
    passed_on: Vec<u8>,
    /// Bit n: property n has been seen; the highest is 0x2A.
    seen: u64,
}

impl Properties {
    fn read(r: &mut Reader<'_>, version: Version, allowed: &Allowed) -> Result<Self, Malformed> {
        let mut properties = Self::default();
        if version == Version::V311 {
            return Ok(properties);
        }
        let len = r.varint()?;
        let mut block = Reader::new(r.take(len as usize)?, "properties");
        while !block.is_empty() {
            properties.one(&mut block, allowed)?;
        }
        Ok(properties)
    }

    fn passed_on(self) -> Option<Arc<[u8]>> {
        if self.passed_on.is_empty() { None } else { Some(Arc::from(self.passed_on)) }
    }

    fn one(&mut self, r: &mut Reader<'_>, allowed: &Allowed) -> Result<(), Malformed> {
        let before = *r;
        let id = r.u8()?;
        if !allowed.0.contains(&id) {
            return Err(Malformed::Layout("properties: identifier not allowed here"));
        }
        let bit = 1u64 << id;
        if self.seen & bit != 0 && id != 0x26 {
            return Err(rule("property appears twice"));
        }
        self.seen |= bit;
        self.value(id, r)?;
        if PASSED_ON.0.contains(&id) {
            let used = before.len() - r.len();
            self.passed_on.extend_from_slice(before.rest().get(..used).unwrap_or_default());
        }
        Ok(())
    }

    fn value(&mut self, id: u8, r: &mut Reader<'_>) -> Result<(), Malformed> {
        match id {
            0x01 | 0x19 => drop(flag(r)?),
            0x17 => self.no_problem_information = !flag(r)?,
            0x02 | 0x18 => drop(r.u32()?),
            0x03 | 0x08 | 0x1F => drop(r.string()?),
            0x09 | 0x16 => drop(r.binary()?),
            0x0B => {
                nonzero(r.varint()?)?;
                self.subscription_id = true;
            }
            0x11 => self.session_expiry_s = Some(r.u32()?),
            0x15 => {
                r.string()?;
                self.auth_method = true;
            }
            0x21 => {
                let maximum = r.u16()?;
                nonzero(maximum.into())?;
                self.receive_maximum = Some(maximum);
            }
            0x22 => drop(r.u16()?),
            0x23 => {
                r.u16()?;
                self.topic_alias = true;
            }
            0x26 => {
                r.string()?;
                r.string()?;
            }
            0x27 => self.packet_bytes_max = Some(nonzero(r.u32()?)?),
            _ => return Err(r.malformed()),
        }
        Ok(())
    }
}

fn flag(r: &mut Reader<'_>) -> Result<bool, Malformed> {
    match r.u8()? {
        value @ 0..=1 => Ok(value == 1),
        _ => Err(rule("flag property is neither 0 nor 1")),
    }
}

fn nonzero(value: u32) -> Result<u32, Malformed> {
    if value == 0 { Err(rule("property is 0")) } else { Ok(value) }
}
