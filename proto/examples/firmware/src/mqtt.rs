//! The five packets of MQTT 3.1.1 that a device needs, written into a slice and read byte by byte.

/// Longest packet read, bytes: a device subscribes to nothing, so all it gets are answers.
const BODY_MAX: usize = 16;

pub(crate) const PING: [u8; 2] = [0xC0, 0];

/// What a gateway says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// CONNACK with its return code.
    Connected(u8),
    /// PUBACK of this packet id.
    Acknowledged(u16),
    /// PINGRESP, or anything else: it is alive.
    Alive,
}

/// Writes a CONNECT with a clean session; its length. `None` when it does not fit.
pub(crate) fn connect(out: &mut [u8], id: &str, password: Option<&str>, keep_alive_s: u16) -> Option<usize> {
    let name = |text: &str| 2 + text.len();
    let len = 10 + name(id) + password.map_or(0, |password| name(id) + name(password));
    // Clean session; with a password also the user name, which is the device's id.
    let flags = if password.is_some() { 0xC2 } else { 0x02 };
    let mut at = head(out, 0x10, len)?;
    at = put(out, at, &[0, 4, b'M', b'Q', b'T', b'T', 4, flags])?;
    at = put(out, at, &keep_alive_s.to_be_bytes())?;
    at = text(out, at, id)?;
    match password {
        Some(password) => {
            at = text(out, at, id)?;
            text(out, at, password)
        }
        None => Some(at),
    }
}

/// What goes before a payload.
pub(crate) struct Publish<'a> {
    pub(crate) topic: [&'a str; 4],
    pub(crate) packet_id: u16,
    pub(crate) again: bool,
    pub(crate) retained: bool,
}

/// Writes everything of a PUBLISH with QoS 1 but its payload of `payload_len` bytes; its length.
pub(crate) fn publish(out: &mut [u8], publish: &Publish<'_>, payload_len: usize) -> Option<usize> {
    let topic_len: usize = publish.topic.iter().map(|part| part.len()).sum();
    let first = 0x32 | u8::from(publish.again) << 3 | u8::from(publish.retained);
    let mut at = head(out, first, 2 + topic_len + 2 + payload_len)?;
    at = put(out, at, &u16::try_from(topic_len).ok()?.to_be_bytes())?;
    for part in publish.topic {
        at = put(out, at, part.as_bytes())?;
    }
    put(out, at, &publish.packet_id.to_be_bytes())
}

fn head(out: &mut [u8], first: u8, len: usize) -> Option<usize> {
    let mut at = put(out, 0, &[first])?;
    let mut left = len;
    loop {
        let more = if left > 0x7F { 0x80 } else { 0 };
        at = put(out, at, &[(left & 0x7F) as u8 | more])?;
        left >>= 7;
        if left == 0 {
            return Some(at);
        }
    }
}

fn text(out: &mut [u8], at: usize, text: &str) -> Option<usize> {
    let at = put(out, at, &u16::try_from(text.len()).ok()?.to_be_bytes())?;
    put(out, at, text.as_bytes())
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) -> Option<usize> {
    let end = at.checked_add(bytes.len())?;
    out.get_mut(at..end)?.copy_from_slice(bytes);
    Some(end)
}

/// Puts packets together from single bytes.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    bytes: [u8; 2 + BODY_MAX],
    len: usize,
}

/// Not what a gateway says to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Reader {
    /// Takes one byte; a packet when it was the last one of it.
    pub(crate) fn take(&mut self, byte: u8) -> Result<Option<Packet>, Malformed> {
        *self.bytes.get_mut(self.len).ok_or(Malformed)? = byte;
        self.len += 1;
        // A length of more than one byte is more than any answer has.
        let (Some(&first), Some(&body_len), true) = (self.bytes.first(), self.bytes.get(1), self.len >= 2) else {
            return Ok(None);
        };
        if usize::from(body_len) > BODY_MAX {
            return Err(Malformed);
        }
        if self.len < 2 + usize::from(body_len) {
            return Ok(None);
        }
        self.len = 0;
        match (first >> 4, self.bytes.get(2..2 + usize::from(body_len))) {
            (2, Some([_, code])) => Ok(Some(Packet::Connected(*code))),
            (4, Some([high, low])) => Ok(Some(Packet::Acknowledged(u16::from_be_bytes([*high, *low])))),
            (2 | 4, _) => Err(Malformed),
            _ => Ok(Some(Packet::Alive)),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn packets_are_those_of_the_standard() {
        let mut out = [0; 64];
        let len = connect(&mut out, "w-1", None, 60).unwrap();
        assert_eq!(&out[..len], b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03w-1");
        let len = connect(&mut out, "w", Some("pw"), 60).unwrap();
        assert_eq!(&out[..len], b"\x10\x14\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01w\x00\x01w\x00\x02pw");
        let frame = Publish { topic: ["a", "/", "b", ""], packet_id: 258, again: true, retained: false };
        let len = publish(&mut out, &frame, 200).unwrap();
        assert_eq!(&out[..len], b"\x3a\xcf\x01\x00\x03a/b\x01\x02", "2 + 3 + 2 + 200 bytes, DUP and QoS 1");
        assert_eq!(connect(&mut out[..10], "w-1", None, 60), None);
    }

    #[test]
    fn answers_are_read_byte_by_byte_and_nonsense_is_refused() {
        let mut reader = Reader::default();
        let mut got = std::vec::Vec::new();
        for byte in *b"\x20\x02\x00\x00\x40\x02\x01\x02\xd0\x00" {
            got.extend(reader.take(byte).unwrap());
        }
        assert_eq!(got, [Packet::Connected(0), Packet::Acknowledged(258), Packet::Alive]);
        let refused = |bytes: &[u8]| {
            let mut reader = Reader::default();
            bytes.iter().any(|byte| reader.take(*byte).is_err())
        };
        assert!(refused(b"\x30\xff\x01") && refused(b"\x20\x01\x00") && !refused(b"\x90\x03\x00\x01\x01"));
    }
}
