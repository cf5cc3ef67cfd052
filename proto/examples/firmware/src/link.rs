//! The connection to the gateway: opened, greeted, kept alive, given up and tried again.

use embedded_io::{Read, ReadReady, Write};

use crate::mqtt::{self, Packet, Reader};

/// What the sensors said at one moment; `None` where one could not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Beats a minute.
    pub heart_rate: Option<i64>,
    /// Steps since the start.
    pub steps: Option<i64>,
    /// Hundredths of a degree Celsius.
    pub skin_temperature: Option<i64>,
}

/// Seconds of silence after which the gateway takes the device for gone; a ping goes out after half of them.
pub(crate) const KEEP_ALIVE_S: u16 = 60;
/// Longest wait for an answer, ms: to CONNECT, or to a ping.
const ANSWER_MS: u64 = 30_000;
/// First and longest pause between two tries to connect, ms: 1, 2, 4 … 64 s, each cut at random to half at most.
const PAUSE_FIRST_MS: u64 = 1_000;
const PAUSE_DOUBLINGS_MAX: u32 = 6;
/// Longest packet but for its payload, bytes.
const HEAD_MAX: usize = 256;

/// The connection is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

/// A connection or the lack of one.
pub(crate) struct Link<T> {
    open: Option<Open<T>>,
    retry_at_ms: u64,
    tries: u32,
}

struct Open<T> {
    transport: T,
    reader: Reader,
    greeted: bool,
    said_ms: u64,
    /// Since when an answer is waited for.
    asked_ms: Option<u64>,
}

impl<T: Read + Write + ReadReady> Link<T> {
    pub(crate) const fn new() -> Self {
        Self { open: None, retry_at_ms: 0, tries: 0 }
    }

    pub(crate) fn wants_transport(&self, now_ms: u64) -> bool {
        self.open.is_none() && now_ms >= self.retry_at_ms
    }

    pub(crate) fn is_up(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.greeted)
    }

    /// Greets the gateway over a fresh transport.
    pub(crate) fn open(&mut self, transport: T, id: &str, password: Option<&str>, now_ms: u64) -> Result<(), Lost> {
        let mut out = [0; HEAD_MAX];
        let len = mqtt::connect(&mut out, id, password, KEEP_ALIVE_S).ok_or(Lost)?;
        let reader = Reader::default();
        let open = Open { transport, reader, greeted: false, said_ms: now_ms, asked_ms: Some(now_ms) };
        self.open.insert(open).say(out.get(..len).unwrap_or_default(), &[], now_ms)
    }

    pub(crate) fn publish(&mut self, publish: &mqtt::Publish<'_>, payload: &[u8], now_ms: u64) -> Result<(), Lost> {
        let mut out = [0; HEAD_MAX];
        let len = mqtt::publish(&mut out, publish, payload.len()).ok_or(Lost)?;
        self.open.as_mut().ok_or(Lost)?.say(out.get(..len).unwrap_or_default(), payload, now_ms)
    }

    /// The next packet that has come, if any; pings when it was quiet for long.
    pub(crate) fn poll(&mut self, now_ms: u64) -> Result<Option<Packet>, Lost> {
        let Some(open) = &mut self.open else { return Ok(None) };
        let packet = open.hear()?;
        match packet {
            Some(Packet::Connected(0)) => {
                open.greeted = true;
                self.tries = 0;
            }
            // Refused: wrong password, or no room. The pause grows as for a gateway that is not there.
            Some(Packet::Connected(_)) => return Err(Lost),
            _ => {}
        }
        if packet.is_some() {
            open.asked_ms = None;
        }
        if open.asked_ms.is_some_and(|asked_ms| now_ms - asked_ms > ANSWER_MS) {
            return Err(Lost);
        }
        if open.greeted && open.asked_ms.is_none() && now_ms - open.said_ms > u64::from(KEEP_ALIVE_S) * 500 {
            open.asked_ms = Some(now_ms);
            open.say(&mqtt::PING, &[], now_ms)?;
        }
        Ok(packet)
    }

    /// Hangs up and waits: twice as long as the time before, cut at random so that a fleet does not come back at once.
    pub(crate) fn give_up(&mut self, now_ms: u64, random: u32) {
        self.open = None;
        let pause_ms = PAUSE_FIRST_MS << self.tries.min(PAUSE_DOUBLINGS_MAX);
        self.tries = self.tries.saturating_add(1);
        self.retry_at_ms = now_ms + pause_ms / 2 + u64::from(random) % (pause_ms / 2);
    }
}

impl<T: Read + Write + ReadReady> Open<T> {
    fn say(&mut self, head: &[u8], payload: &[u8], now_ms: u64) -> Result<(), Lost> {
        self.said_ms = now_ms;
        let written = self.transport.write_all(head).and_then(|()| self.transport.write_all(payload));
        written.and_then(|()| self.transport.flush()).map_err(|_| Lost)
    }

    fn hear(&mut self) -> Result<Option<Packet>, Lost> {
        while self.transport.read_ready().map_err(|_| Lost)? {
            let mut byte = [0];
            // Ready and nothing there: the other end has closed.
            if self.transport.read(&mut byte).map_err(|_| Lost)? == 0 {
                return Err(Lost);
            }
            let [byte] = byte;
            if let Some(packet) = self.reader.take(byte).map_err(|_| Lost)? {
                return Ok(Some(packet));
            }
        }
        Ok(None)
    }
}
