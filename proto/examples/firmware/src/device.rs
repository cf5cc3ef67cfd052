//! A wristband: a heart rate each second, steps and skin temperature every ten, a frame of them every ten seconds.

use embedded_io::{Read, ReadReady, Write};
use halo_proto::birth::{self, Head};
use halo_proto::chunk::{Clock, EncodeError, Plan, Source, Times};
use halo_proto::frame::{FrameWriter, Header};
use halo_proto::mac::{SealingKey, seal};
use halo_proto::registry::{self, Column, Kind};

use crate::link::{Link, Lost, Sample};
use crate::mqtt::{Packet, Publish};
use crate::outbox::Outbox;

/// What the board brings.
pub trait Board {
    /// A byte stream to the gateway: a modem's socket, a TLS session over one.
    type Transport: Read + Write + ReadReady;

    /// Milliseconds since the start; never steps, never goes back.
    fn uptime_ms(&mut self) -> u64;
    /// Reads the counter of starts from flash, adds one, writes it back and returns it: called once a start. Below 2^27.
    fn count_boot(&mut self) -> u32;
    /// Asks the sensors; called once a second.
    fn sample(&mut self) -> Sample;
    /// Opens a stream, or says that it cannot now.
    fn dial(&mut self) -> Option<Self::Transport>;
    /// Any number, different on each device: spreads the tries of a fleet.
    fn random(&mut self) -> u32;
}

/// How frames are authenticated.
pub type SealedWith = Option<SealingKey<'static>>;

/// What differs from device to device.
#[derive(Clone, Copy)]
pub struct Config {
    /// The device's id: `[A-Za-z0-9._-]{1,64}`; also its user name.
    pub id: &'static str,
    /// Its token, where the gateway wants one.
    pub password: Option<&'static str>,
    /// Its key, where frames pass through the hands of others.
    pub key: SealedWith,
    /// Sent in the birth.
    pub firmware: &'static str,
}

/// A frame could not be made: a schema that is not the registry's, or a slot that is too small. A bug of the firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault(pub EncodeError);

const SCHEMA: u32 = 1;
const PULSE: u8 = 0;
const BODY: u8 = 2;
const ROWS: usize = 10;
const SAMPLE_MS: u64 = 1_000;
/// Frames on their way at once.
const WINDOW: usize = 4;
/// Beyond every slot's.
const BIRTH_PACKET_ID: u16 = u16::MAX;
const BIRTH_MAX: usize = 160;

/// The whole device: `FRAMES` × `BYTES` bytes of outbox and little else.
pub struct Device<B: Board, const FRAMES: usize, const BYTES: usize> {
    board: B,
    config: Config,
    link: Link<B::Transport>,
    outbox: Outbox<FRAMES, BYTES>,
    boot: u32,
    seq: u32,
    rows: [Sample; ROWS],
    filled: usize,
    t0_ms: u64,
    next_ms: u64,
}

impl<B: Board, const FRAMES: usize, const BYTES: usize> Device<B, FRAMES, BYTES> {
    /// Counts the start. Nothing is sent yet.
    pub fn new(mut board: B, config: Config) -> Self {
        let (boot, now_ms) = (board.count_boot(), board.uptime_ms());
        Self {
            board,
            config,
            link: Link::new(),
            outbox: Outbox::new(),
            boot,
            seq: 0,
            rows: [Sample::default(); ROWS],
            filled: 0,
            t0_ms: now_ms,
            next_ms: now_ms,
        }
    }

    /// One turn of the loop: samples if it is time, sends and hears what there is. Milliseconds to sleep at most before
    /// the next one; wake earlier when the transport has something.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn step(&mut self) -> Result<u64, Fault> {
        let now_ms = self.board.uptime_ms();
        if now_ms >= self.next_ms {
            self.take_sample().map_err(Fault)?;
        }
        if self.keep_talking(now_ms).is_err() {
            self.outbox.connection_lost();
            let random = self.board.random();
            self.link.give_up(now_ms, random);
        }
        Ok(self.next_ms.saturating_sub(now_ms))
    }

    /// What is not acknowledged, and what was given up.
    pub fn outbox(&self) -> &Outbox<FRAMES, BYTES> {
        &self.outbox
    }

    /// Frames made since the start.
    pub fn frames(&self) -> u32 {
        self.seq
    }

    /// The board.
    pub fn board(&mut self) -> &mut B {
        &mut self.board
    }

    fn take_sample(&mut self) -> Result<(), EncodeError> {
        if self.filled == 0 {
            self.t0_ms = self.next_ms;
        }
        self.next_ms += SAMPLE_MS;
        let sample = self.board.sample();
        if let Some(row) = self.rows.get_mut(self.filled) {
            *row = sample;
        }
        self.filled += 1;
        if self.filled < ROWS {
            return Ok(());
        }
        self.filled = 0;
        let header = Header { schema: SCHEMA, boot: self.boot, seq: self.seq, t0_ms: self.t0_ms };
        let (rows, id, key) = (&self.rows, self.config.id, self.config.key);
        self.outbox.put(|out| encode(out, &header, rows, id, key))?;
        self.seq += 1;
        Ok(())
    }

    fn keep_talking(&mut self, now_ms: u64) -> Result<(), Lost> {
        if self.link.wants_transport(now_ms) {
            let transport = self.board.dial().ok_or(Lost)?;
            self.link.open(transport, self.config.id, self.config.password, now_ms)?;
        }
        while let Some(packet) = self.link.poll(now_ms)? {
            match packet {
                // First of all who this is: frames are read with it.
                Packet::Connected(_) => self.send_birth(now_ms)?,
                Packet::Acknowledged(id) => self.outbox.acknowledged(id),
                Packet::Alive => {}
            }
        }
        while self.link.is_up()
            && let Some(due) = self.outbox.due(WINDOW)
        {
            let topic = ["halo/v1/d/", self.config.id, "/t", ""];
            let publish = Publish { topic, packet_id: due.packet_id, again: due.again, retained: false };
            self.link.publish(&publish, due.bytes, now_ms)?;
        }
        Ok(())
    }

    fn send_birth(&mut self, now_ms: u64) -> Result<(), Lost> {
        let head = Head {
            kind: Kind::WRISTBAND.0,
            schema: SCHEMA,
            boot: self.boot,
            t0_ms: now_ms,
            sync: None,
            firmware: self.config.firmware,
        };
        let mut out = [0; BIRTH_MAX];
        let groups = registry::schema(SCHEMA).ok_or(Lost)?.groups;
        let birth = birth::encode(&mut out, &head, groups).map_err(|_| Lost)?;
        let topic = ["halo/v1/d/", self.config.id, "/birth", ""];
        let publish = Publish { topic, packet_id: BIRTH_PACKET_ID, again: false, retained: true };
        self.link.publish(&publish, birth, now_ms)
    }
}

fn encode(
    out: &mut [u8],
    header: &Header,
    rows: &[Sample; ROWS],
    id: &str,
    key: SealedWith,
) -> Result<usize, EncodeError> {
    let groups = registry::schema(SCHEMA).ok_or(EncodeError::Shape)?.groups;
    let columns = |group: u8| -> Result<(Clock, &[Column<'static>]), EncodeError> {
        groups.get(usize::from(group)).map(|group| (group.clock, group.columns)).ok_or(EncodeError::Shape)
    };
    let heart_rate = rows.map(|row| row.heart_rate);
    let [.., last] = rows;
    let (steps, skin_temperature) = ([last.steps], [last.skin_temperature]);
    let start = Times::From(header.t0_ms as i64);
    let mut writer = FrameWriter::new(out, header)?;
    let (clock, pulse) = columns(PULSE)?;
    writer.chunk(PULSE, clock, start, pulse.iter().zip([&heart_rate[..]]).map(source))?;
    let (clock, body) = columns(BODY)?;
    let at_the_end = Times::From(header.t0_ms as i64 + (ROWS as i64 - 1) * SAMPLE_MS as i64);
    writer.chunk(BODY, clock, at_the_end, body.iter().zip([&steps[..], &skin_temperature[..]]).map(source))?;
    let frame = match key {
        Some(key) => seal(writer, id, key)?,
        None => writer.finish(),
    };
    Ok(frame.len())
}

fn source<'a>((column, values): (&Column<'static>, &'a [Option<i64>])) -> Source<'a> {
    Source { coding: column.coding(), values, plan: Plan::Best }
}
