//! From sockets to sessions: CONNECT, SUBSCRIBE and their answers, so many at a time.

use std::time::Duration;

use super::super::link::{Link, Role, Stage, each_packet};
use super::super::packet::{self, Packet};
use super::super::plan::{BenchError, system};
use super::super::socket::{Interest, Ready, Socket};
use super::{Engine, IDLE, Strange};

/// Longest wait for all connections.
const PATIENCE: Duration = Duration::from_secs(60);
/// Receive buffer of a slow reader, bytes: the system doubles it and has a least value of about as much.
const SLOW_BUFFER: usize = 2_048;

impl Engine<'_> {
    /// Makes all connections; how long that took.
    pub(super) fn connect(&mut self) -> Result<Duration, BenchError> {
        let (plan, begun) = (self.plan, self.now());
        let roles = [
            (Role::Publisher, plan.connections),
            (Role::Subscriber, plan.subscribers),
            (Role::SlowReader, plan.slow_readers),
        ];
        let mut wanted = roles.into_iter().flat_map(|(role, count)| std::iter::repeat_n(role, count));
        let total = plan.connections + plan.subscribers + plan.slow_readers;
        let (mut settled, end) = (0, begun + PATIENCE.as_nanos() as u64);
        while settled < total && self.now() < end {
            while self.links.len() - settled < plan.connecting_max
                && let Some(role) = wanted.next()
            {
                self.begin(role)?;
            }
            let mut ready = std::mem::take(&mut self.ready);
            self.poll.wait(IDLE, &mut ready).map_err(system("epoll"))?;
            for event in &ready {
                settled += usize::from(self.advance(*event)?);
            }
            self.ready = ready;
        }
        let missing = total - settled;
        if missing > 0 && !plan.count_refusals {
            return Err(BenchError::Silent { missing, wanted: total, waited: PATIENCE });
        }
        self.refused += missing as u64;
        let unanswered = self.links.iter_mut().filter(|link| link.stage != Stage::Ready);
        unanswered.for_each(|link| link.stage = Stage::Closed);
        Ok(Duration::from_nanos(self.now() - begun))
    }

    fn begin(&mut self, role: Role) -> Result<(), BenchError> {
        let buffer = (role == Role::SlowReader).then_some(SLOW_BUFFER);
        let connect = |source| BenchError::Connect { broker: self.plan.broker.clone(), source };
        let socket = Socket::connect(self.address, buffer).map_err(connect)?;
        let key = self.links.len() as u64;
        self.poll.add(&socket, key, Interest::Write).map_err(system("epoll"))?;
        self.links.push(Link::new(role, socket, key));
        Ok(())
    }

    /// Takes a connection one step further; whether it has come to rest.
    fn advance(&mut self, Ready { key, read, write }: Ready) -> Result<bool, BenchError> {
        let at = key as usize;
        let before = self.links[at].stage;
        let advanced = match before {
            Stage::Connecting if write => self.greet(at),
            Stage::Ready | Stage::Closed => Ok(()),
            _ if read => self.answered(at),
            _ => self.links[at].flush(&self.poll).map_err(|error| self.closed(at, &error)),
        };
        match advanced {
            Err(_) if self.plan.count_refusals => {
                self.refused += 1;
                self.links[at].stage = Stage::Closed;
                // A closed socket leaves the poll by itself; this one is kept until the end.
                self.poll.remove(self.links[at].socket()).map_err(system("epoll"))?;
            }
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        let rests = |stage| matches!(stage, Stage::Ready | Stage::Closed);
        Ok(!rests(before) && rests(self.links[at].stage))
    }

    fn greet(&mut self, at: usize) -> Result<(), BenchError> {
        let client = self.client(at);
        let connect = |source| BenchError::Connect { broker: self.plan.broker.clone(), source };
        let link = &mut self.links[at];
        link.socket().connected().map_err(connect)?;
        packet::put_connect(link.out(), &client, self.plan.login.as_ref());
        link.stage = Stage::Greeted;
        self.poll.change(link.socket(), at as u64, Interest::Read).map_err(system("epoll"))?;
        link.flush(&self.poll).map_err(connect)
    }

    fn answered(&mut self, at: usize) -> Result<(), BenchError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let answers = self.answers(at, &mut scratch);
        self.scratch = scratch;
        for answer in answers? {
            self.follow(at, &answer)?;
        }
        Ok(())
    }

    /// What came that belongs to connecting; deliveries of retained messages are none of this run.
    fn answers(&mut self, at: usize, scratch: &mut [u8]) -> Result<Vec<Answer>, BenchError> {
        let bytes = match self.links[at].read(scratch) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(self.closed(at, &"end of stream instead of an answer")),
            Err(error) => return Err(self.closed(at, &error)),
        };
        let mut answers = Vec::new();
        let taken = each_packet(bytes, |packet| {
            match packet {
                Packet::ConnAck { code } => answers.push(Answer::ConnAck(code)),
                Packet::SubAck { refused } => answers.push(Answer::SubAck { refused }),
                _ => {}
            }
            Ok(())
        });
        match taken {
            Ok(rest) => self.links[at].keep(rest),
            Err(Strange(what)) => return Err(BenchError::Protocol { client: self.client(at), what }),
        }
        Ok(answers)
    }

    fn follow(&mut self, at: usize, answer: &Answer) -> Result<(), BenchError> {
        let (role, stage) = (self.links[at].role, self.links[at].stage);
        match *answer {
            Answer::ConnAck(0) if stage == Stage::Greeted && role == Role::Publisher => {
                self.links[at].stage = Stage::Ready;
                Ok(())
            }
            Answer::ConnAck(0) if stage == Stage::Greeted => {
                // At QoS 0: a slow reader never acknowledges.
                let qos = if role == Role::SlowReader { 0 } else { self.plan.subscribe_qos };
                packet::put_subscribe(self.links[at].out(), &self.plan.subscribe, qos);
                self.links[at].stage = Stage::Subscribed;
                self.links[at].flush(&self.poll).map_err(|error| self.closed(at, &error))
            }
            Answer::ConnAck(code) if code != 0 => {
                let (broker, client) = (self.plan.broker.clone(), self.client(at));
                Err(BenchError::Refused { broker, client, code, meaning: meaning(code) })
            }
            Answer::SubAck { refused: false } if stage == Stage::Subscribed => {
                self.links[at].stage = Stage::Ready;
                if role == Role::SlowReader {
                    self.poll.remove(self.links[at].socket()).map_err(system("epoll"))?;
                    self.slow.push_back(at);
                }
                Ok(())
            }
            Answer::SubAck { refused: true } => {
                let (broker, filter) = (self.plan.broker.clone(), self.plan.subscribe.clone());
                Err(BenchError::Subscription { broker, filter })
            }
            _ => Err(BenchError::Protocol { client: self.client(at), what: "an answer to nothing" }),
        }
    }
}

enum Answer {
    ConnAck(u8),
    SubAck { refused: bool },
}

fn meaning(code: u8) -> &'static str {
    match code {
        1 => "protocol version",
        2 => "client id rejected",
        3 => "server unavailable",
        4 => "bad user name or password",
        5 => "not authorised",
        _ => "unknown",
    }
}
