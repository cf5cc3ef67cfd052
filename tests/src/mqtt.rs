//! The least MQTT 3.1.1 client that can say when an acknowledgement came: blocking, no repeats of its own, no queue.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest packet taken from a broker.
const PACKET_BYTES_MAX: usize = 1 << 20;

/// What a broker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// CONNACK: whether the broker has kept the session, and its return code.
    Connected(bool, u8),
    /// PUBACK of this packet id.
    Acked(u16),
    /// SUBACK: 0x80 = refused.
    Subscribed(u8),
    /// A message; with a packet id when it wants a PUBACK.
    Message(String, Vec<u8>, Option<u16>),
    /// Any other, by its type.
    Other(u8),
}

/// A connection.
#[derive(Debug)]
pub struct Client(TcpStream);

impl Client {
    /// Connects and waits for the CONNACK; every later read waits at most `patience`. Also says whether the broker has
    /// kept the session.
    ///
    /// # Errors
    /// Nobody listens, or the broker refuses.
    pub fn connect(address: SocketAddr, id: &str, clean: bool, patience: Duration) -> Result<(Self, bool)> {
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.set_nodelay(true)?;
        let mut client = Self(stream);
        let mut body = vec![0, 4, b'M', b'Q', b'T', b'T', 4, u8::from(clean) << 1, 0, 0];
        string(&mut body, id)?;
        client.send(0x10, &body)?;
        match client.read()? {
            Packet::Connected(kept, 0) => Ok((client, kept)),
            other => Err(Error::other(format!("instead of a CONNACK: {other:?}"))),
        }
    }

    /// Every later read waits at most this long.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn set_patience(&self, patience: Duration) -> Result<()> {
        self.0.set_read_timeout(Some(patience))
    }

    /// Publishes with QoS 1; the PUBACK is read with [`Client::read`].
    ///
    /// # Errors
    /// The connection is gone.
    pub fn publish(&mut self, topic: &str, payload: &[u8], retain: bool, id: u16) -> Result<()> {
        let mut body = Vec::with_capacity(topic.len() + payload.len() + 4);
        string(&mut body, topic)?;
        body.extend(id.to_be_bytes());
        body.extend(payload);
        self.send(0x32 | u8::from(retain), &body)
    }

    /// Subscribes with QoS 1; messages that come before the SUBACK are returned.
    ///
    /// # Errors
    /// The connection is gone or the broker refuses.
    pub fn subscribe(&mut self, filter: &str) -> Result<Vec<Packet>> {
        let mut body = vec![0, 1];
        string(&mut body, filter)?;
        body.push(1);
        self.send(0x82, &body)?;
        let mut before = Vec::new();
        loop {
            match self.read()? {
                Packet::Subscribed(code) if code < 0x80 => return Ok(before),
                Packet::Subscribed(code) => return Err(Error::other(format!("{filter} is refused with {code:#x}"))),
                other => before.push(other),
            }
        }
    }

    /// Acknowledges a message.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn acknowledge(&mut self, id: u16) -> Result<()> {
        self.send(0x40, &id.to_be_bytes())
    }

    /// DISCONNECT: no will is to be published.
    ///
    /// # Errors
    /// The connection is gone.
    pub fn disconnect(mut self) -> Result<()> {
        self.send(0xe0, &[])
    }

    /// The next packet.
    ///
    /// # Errors
    /// The connection is gone, nothing comes in time, or it is no MQTT.
    pub fn read(&mut self) -> Result<Packet> {
        let [first] = self.take()?;
        let mut length = 0_usize;
        for shift in [0, 7, 14, 21] {
            let [byte] = self.take()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        if length > PACKET_BYTES_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        parse(first, &body).ok_or_else(|| ErrorKind::InvalidData.into())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).map(|()| bytes)
    }

    fn send(&mut self, first: u8, body: &[u8]) -> Result<()> {
        let mut packet = vec![first];
        let mut rest = body.len();
        loop {
            let more = u8::from(rest > 0x7f) << 7;
            packet.push(u8::try_from(rest & 0x7f).unwrap_or(0) | more);
            rest >>= 7;
            if rest == 0 {
                break;
            }
        }
        packet.extend(body);
        self.0.write_all(&packet)
    }
}

fn parse(first: u8, body: &[u8]) -> Option<Packet> {
    let number = |at: usize| Some(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?]));
    Some(match first >> 4 {
        2 => Packet::Connected(*body.first()? & 1 == 1, *body.get(1)?),
        4 => Packet::Acked(number(0)?),
        9 => Packet::Subscribed(*body.get(2)?),
        3 => {
            let end = 2 + usize::from(number(0)?);
            let topic = String::from_utf8(body.get(2..end)?.to_vec()).ok()?;
            let wants_ack = first & 0x06 != 0;
            let id = if wants_ack { Some(number(end)?) } else { None };
            Packet::Message(topic, body.get(end + if wants_ack { 2 } else { 0 }..)?.to_vec(), id)
        }
        other => Packet::Other(other),
    })
}

fn string(body: &mut Vec<u8>, text: &str) -> Result<()> {
    let length = u16::try_from(text.len()).map_err(|_| Error::from(ErrorKind::InvalidInput))?;
    body.extend(length.to_be_bytes());
    body.extend(text.as_bytes());
    Ok(())
}
