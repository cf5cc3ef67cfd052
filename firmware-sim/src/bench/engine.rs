//! The loop: connect, send when due, take answers, wait for what is owed.

mod connecting;

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use super::fleet::{Arrival, Fleet};
use super::link::{Link, Role, Stage, UNDER_WAY_MAX, each_packet};
use super::packet::{self, Malformed, Packet};
use super::plan::{BenchError, Credit, Pace, Plan, system};
use super::report::{Report, Run};
use super::socket::{Moved, Poll, Ready};
use super::tally::Tally;
use crate::clock::Clock;

/// Read at once from one connection.
const SCRATCH: usize = 256 << 10;
/// Longest sleep when nothing is due.
const IDLE: Duration = Duration::from_millis(100);

/// What begins now; the run goes on when the caller returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// All connections are made and all subscriptions granted.
    Connected,
    /// The measured time begins.
    Measuring,
    /// It is over; nothing is sent any more.
    Measured,
    /// What was owed has come, or is not waited for any longer; the connections still stand.
    Drained,
}

/// Carries out a plan on the calling thread.
///
/// # Errors
/// [`BenchError`]; whatever was measured until then is lost.
pub fn run(plan: &Plan, told: &mut dyn FnMut(Phase)) -> Result<Report, BenchError> {
    let clock = Clock::system();
    let mut engine = Engine::new(plan, clock)?;
    let connecting = engine.connect()?;
    told(Phase::Connected);
    let measured = engine.send(told)?;
    engine.drain()?;
    told(Phase::Drained);
    engine.leave();
    let closed = engine.links.iter().filter(|link| link.stage == Stage::Closed).count() as u64;
    let (refused, connected) = (engine.refused, engine.links.len() as u64 - closed);
    let run = Run { connected, refused, connecting, measured: measured.time, own_cpu: measured.own_cpu };
    Ok(Report::new(plan, &run, &engine.tally))
}

struct Measured {
    time: Duration,
    own_cpu: Option<f64>,
}

struct Engine<'a> {
    plan: &'a Plan,
    clock: Clock,
    address: SocketAddr,
    poll: Poll,
    ready: Vec<Ready>,
    scratch: Vec<u8>,
    /// Publishers first, so that connection n is link n.
    links: Vec<Link>,
    fleet: Fleet,
    tally: Tally,
    /// Publishers that may have room for more.
    open: Vec<usize>,
    /// Publishers with something to write.
    written: Vec<usize>,
    slow: VecDeque<usize>,
    slow_due: u64,
    sending: bool,
    /// When the open loop began, and what it has sent since.
    begun: u64,
    issued: u64,
    refused: u64,
}

impl<'a> Engine<'a> {
    fn new(plan: &'a Plan, clock: Clock) -> Result<Self, BenchError> {
        let broker = plan.broker.clone();
        let unknown = |source| BenchError::Resolve { broker: broker.clone(), source };
        let mut addresses = (plan.broker.host(), plan.broker.port()).to_socket_addrs().map_err(unknown)?;
        let address = addresses.next().ok_or_else(|| unknown(io::ErrorKind::NotFound.into()))?;
        Ok(Self {
            plan,
            clock,
            address,
            poll: Poll::new().map_err(system("epoll"))?,
            ready: Vec::new(),
            scratch: vec![0; SCRATCH],
            links: Vec::new(),
            fleet: Fleet::new(plan, &clock)?,
            tally: Tally::new(),
            open: Vec::new(),
            written: Vec::new(),
            slow: VecDeque::new(),
            slow_due: 0,
            sending: false,
            begun: 0,
            issued: 0,
            refused: 0,
        })
    }

    fn now(&self) -> u64 {
        self.clock.elapsed().as_nanos() as u64
    }

    /// Warms up and measures.
    fn send(&mut self, told: &mut dyn FnMut(Phase)) -> Result<Measured, BenchError> {
        self.sending = self.plan.pace != Pace::Idle;
        self.open = (0..self.plan.connections).collect();
        self.begun = self.now();
        if self.plan.messages.is_none() {
            self.turn_until(self.begun + self.plan.warm_up.as_nanos() as u64)?;
        }
        told(Phase::Measuring);
        self.tally.from = self.now();
        let cpu = own_cpu_ns();
        match self.plan.messages {
            Some(_) => self.send_all()?,
            None => self.turn_until(self.tally.from + self.plan.run_for.as_nanos() as u64)?,
        }
        let over = if self.plan.messages.is_some() { self.tally.last_ack } else { self.now() };
        self.tally.to = over.max(self.tally.from);
        self.sending = false;
        let time = Duration::from_nanos(self.tally.to - self.tally.from);
        let spent = own_cpu_ns().zip(cpu).map(|(now, before)| now - before);
        told(Phase::Measured);
        Ok(Measured { time, own_cpu: spent.map(|ns| ns as f64 / time.as_nanos().max(1) as f64) })
    }

    /// Sends all there is, and waits until it is acknowledged, as long as something comes back.
    fn send_all(&mut self) -> Result<(), BenchError> {
        let wanted = self.plan.messages.unwrap_or(0);
        let (mut before, mut patience) = (0, self.now() + self.plan.drain.as_nanos() as u64);
        while self.tally.acked < wanted && self.now() < patience {
            self.turn(self.now() + IDLE.as_nanos() as u64)?;
            if self.tally.acked != before {
                (before, patience) = (self.tally.acked, self.now() + self.plan.drain.as_nanos() as u64);
            }
        }
        Ok(())
    }

    /// Waits for what is owed.
    fn drain(&mut self) -> Result<(), BenchError> {
        let end = self.now() + self.plan.drain.as_nanos() as u64;
        while self.owes() && self.now() < end {
            self.turn(end.min(self.now() + IDLE.as_nanos() as u64))?;
        }
        Ok(())
    }

    fn owes(&self) -> bool {
        let Tally { sent, acked, delivered, counted, halos, .. } = self.tally;
        let arrived = if halos > 0 { counted >= sent } else { delivered >= sent * self.plan.subscribers as u64 };
        acked < sent || !arrived
    }

    fn turn_until(&mut self, end: u64) -> Result<(), BenchError> {
        while self.now() < end {
            self.turn(end)?;
        }
        Ok(())
    }

    /// One round: what is due leaves, what came is taken. Sleeps at most until `end`.
    fn turn(&mut self, end: u64) -> Result<(), BenchError> {
        let due = self.issue()?.min(end);
        let due = self.read_slowly(due)?;
        let wait = Duration::from_nanos(due.saturating_sub(self.now()));
        let mut ready = std::mem::take(&mut self.ready);
        self.poll.wait(wait, &mut ready).map_err(system("epoll"))?;
        for event in &ready {
            self.event(*event)?;
        }
        self.ready = ready;
        Ok(())
    }

    /// Sends what is due; when the next will be.
    fn issue(&mut self) -> Result<u64, BenchError> {
        let mut next = u64::MAX;
        match self.plan.pace {
            _ if !self.sending => {}
            Pace::Idle => {}
            Pace::Closed { window, .. } => self.fill(window),
            Pace::Open { rate } => next = self.catch_up(rate)?,
        }
        self.open.clear();
        while let Some(connection) = self.written.pop() {
            let link = &mut self.links[connection];
            if let Err(error) = link.flush(&self.poll) {
                return Err(self.closed(connection, &error));
            }
        }
        Ok(next)
    }

    fn fill(&mut self, window: usize) {
        let due = self.now();
        for at in 0..self.open.len() {
            let connection = self.open[at];
            while self.links[connection].unanswered < window && self.has_more() {
                let device = self.fleet.turn(connection);
                self.publish(device, due);
            }
        }
    }

    fn has_more(&self) -> bool {
        self.plan.messages.is_none_or(|messages| self.tally.sent < messages)
    }

    fn catch_up(&mut self, rate: f64) -> Result<u64, BenchError> {
        let now = self.now();
        loop {
            let due = self.begun + (self.issued as f64 * 1e9 / rate) as u64;
            if !self.has_more() {
                return Ok(u64::MAX);
            }
            if due > now {
                return Ok(due);
            }
            let device = (self.issued % self.plan.devices as u64) as usize;
            self.issued += 1;
            let behind = self.links[self.fleet.connection_of(device)].under_way();
            if behind >= UNDER_WAY_MAX {
                return Err(BenchError::Choked { behind });
            }
            self.publish(device, due);
        }
    }

    fn publish(&mut self, device: usize, due: u64) {
        let connection = self.fleet.connection_of(device);
        let link = &mut self.links[connection];
        if link.stage != Stage::Ready {
            return;
        }
        let bytes = self.fleet.publish(link, device, due);
        link.unanswered += 1;
        self.tally.sent(bytes);
        if self.written.last() != Some(&connection) {
            self.written.push(connection);
        }
    }

    /// A byte a second from each slow reader, in turn; when the next is due, or `due` if that is earlier.
    fn read_slowly(&mut self, due: u64) -> Result<u64, BenchError> {
        let mut byte = [0];
        while let Some(at) = self.slow.front().copied() {
            if self.slow_due > self.now() {
                return Ok(due.min(self.slow_due));
            }
            self.slow_due = self.slow_due.max(self.begun) + 1_000_000_000 / self.slow.len() as u64;
            self.slow.pop_front();
            match self.links[at].socket().read(&mut byte) {
                Ok(Moved::Bytes(_) | Moved::Later) => self.slow.push_back(at),
                Ok(Moved::End) | Err(_) => {
                    self.tally.slow_closed += 1;
                    self.links[at].stage = Stage::Closed;
                }
            }
        }
        Ok(due)
    }

    fn event(&mut self, Ready { key, read, write }: Ready) -> Result<(), BenchError> {
        let at = key as usize;
        if self.links[at].stage == Stage::Closed {
            return Ok(());
        }
        if write && let Err(error) = self.links[at].flush(&self.poll) {
            return Err(self.closed(at, &error));
        }
        if read {
            self.take(at)?;
        }
        Ok(())
    }

    fn take(&mut self, at: usize) -> Result<(), BenchError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let taken = self.take_into(at, &mut scratch);
        self.scratch = scratch;
        taken
    }

    fn take_into(&mut self, at: usize, scratch: &mut [u8]) -> Result<(), BenchError> {
        let bytes = match self.links[at].read(scratch) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(self.closed(at, &"end of stream")),
            Err(error) => return Err(self.closed(at, &error)),
        };
        let (now, by_ack) = (self.now(), !matches!(self.plan.pace, Pace::Closed { credit: Credit::Delivery, .. }));
        let Self { links, fleet, tally, open, .. } = self;
        let taken = each_packet(bytes, |packet| match packet {
            Packet::PubAck { id } => {
                let link = &mut links[at];
                tally.acked(link.acknowledged(id).ok_or(Strange("an acknowledgement of nothing"))?, now);
                if by_ack {
                    link.unanswered = link.unanswered.saturating_sub(1);
                    note(open, at);
                }
                Ok(())
            }
            Packet::Publish { topic, id, payload } => {
                if let Some(id) = id {
                    packet::put_puback(links[at].out(), id);
                }
                let arrived = fleet.arrival(topic, payload);
                if let Some(device) = count(tally, fleet, &arrived, now).filter(|_| !by_ack) {
                    let connection = fleet.connection_of(device);
                    links[connection].unanswered = links[connection].unanswered.saturating_sub(1);
                    note(open, connection);
                }
                Ok(())
            }
            _ => Ok(()),
        });
        match taken {
            Ok(rest) => self.links[at].keep(rest),
            Err(Strange(what)) => return Err(BenchError::Protocol { client: self.client(at), what }),
        }
        if self.links[at].role == Role::Subscriber && self.plan.subscribe_qos > 0 {
            self.links[at].flush(&self.poll).map_err(|error| self.closed(at, &error))?;
        }
        Ok(())
    }

    /// Says good-bye, so that no broker publishes a will or logs a loss.
    fn leave(&mut self) {
        for link in self.links.iter_mut().filter(|link| link.stage == Stage::Ready) {
            link.out().extend_from_slice(&packet::DISCONNECT);
            // The connection closes either way.
            link.flush(&self.poll).unwrap_or_default();
        }
    }

    fn client(&self, at: usize) -> String {
        let role = match self.links.get(at).map(|link| link.role) {
            Some(Role::Publisher) | None => "",
            Some(Role::Subscriber) => "sub-",
            Some(Role::SlowReader) => "slow-",
        };
        format!("{}{role}{at}", self.plan.prefix)
    }

    fn closed(&self, at: usize, reason: &dyn std::fmt::Display) -> BenchError {
        BenchError::Closed { client: self.client(at), acked: self.tally.acked, reason: reason.to_string() }
    }
}

/// What a broker should not send.
struct Strange(&'static str);

impl From<Malformed> for Strange {
    fn from(_: Malformed) -> Self {
        Self("something that is not MQTT 3.1.1")
    }
}

fn note(open: &mut Vec<usize>, connection: usize) {
    if open.last() != Some(&connection) {
        open.push(connection);
    }
}

/// Counts an arrival; the device whose publish is the first to have arrived.
fn count(tally: &mut Tally, fleet: &Fleet, arrived: &Arrival, now: u64) -> Option<usize> {
    match *arrived {
        Arrival::One { device, due, first } => {
            tally.delivered(due, now);
            first.then_some(device)
        }
        Arrival::Counted { device, from, to } => {
            tally.halos += 1;
            for number in from..to {
                tally.counted += 1;
                tally.delivered(fleet.due(device, number), now);
            }
            (to > from).then_some(device)
        }
        Arrival::Nothing => {
            tally.strangers += 1;
            None
        }
    }
}

/// Processor time of this thread, nanoseconds; other threads' does not count.
fn own_cpu_ns() -> Option<u64> {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    times.split(' ').next()?.parse().ok()
}
