//! One device's life on the network: connect, greet, publish within the window, wait out losses, say goodbye.
//!
//! `run` waits and `Session` decides. At every connect the birth (retained) and the state "online" (retained) go out
//! before any buffered frame; "offline" is the will, and is published in person when the device leaves on purpose.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;

use crate::client::{Broken, Connection, Notice, Options, Unsendable};
use crate::clock::Clock;
use crate::device::Device;
use crate::kinds::Told;
use crate::ledger::FrameKey;
use crate::outbox::{FrameId, Outbox, Parcel};
use crate::shared::Shared;
use crate::truth;

/// First wait after a failed connection, doubled with each further failure up to the longest:
/// 0.2 s, 0.4 s … 6.4 s, 10 s, each shortened by a random part of up to a half so that a fleet does not return in step.
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_LONGEST: Duration = Duration::from_secs(10);
/// Wait before the first attempt after a boot, after the end of a dead zone, and after a loss that is no fault of the
/// broker.
const COME_BACK: Duration = Duration::from_millis(50);

/// Payloads of the state topic.
pub(crate) const ONLINE: &str = "online";
pub(crate) const OFFLINE: &str = "offline";

/// What a publish in flight is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Birth,
    Online,
    Offline,
    Frame(FrameId),
}

enum Link {
    Down {
        retry: Pin<Box<Sleep>>,
    },
    /// In a dead zone; nothing is tried.
    Dead,
    Open {
        connection: Box<Connection<Token>>,
        up: bool,
    },
}

/// How far the device is from leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Produces frames, or waits for the next to be due.
    Producing,
    /// Produces no more; what it holds must be acknowledged.
    Draining,
    /// Everything is settled, "offline" is on its way.
    Leaving,
    Gone,
}

/// See the module's text.
pub(crate) struct Session {
    device: Device,
    outbox: Outbox,
    options: Options,
    shared: Arc<Shared>,
    clock: Clock,
    random: ChaCha8Rng,
    link: Link,
    stage: Stage,
    /// Birth and state publishes not yet acknowledged on this connection.
    greetings: u32,
    failures: u32,
    /// Frames to send before the birth of this boot; `None` = the birth is out.
    birth_in: Option<u32>,
    /// When a slow link is free again, and when the next storm comes; since the simulation's start.
    link_free: Duration,
    next_storm: Option<Duration>,
    /// Frames in flight as last told.
    told_in_flight: usize,
    /// Unix time of the simulation's start, ms.
    started_ms: i64,
}

enum Event {
    Due,
    Stop,
    GiveUp,
    Retry,
    Notice(Result<Notice<Token>, Broken>),
}

/// Runs the device until its series ends or `token` is cancelled, and everything it holds is settled; at most `drain`
/// longer than the cancellation.
pub(crate) async fn run(mut session: Session, token: CancellationToken, drain: Duration) {
    let mut due = pin!(sleep(Duration::ZERO));
    let mut due_for = None;
    let mut give_up = pin!(sleep(Duration::MAX));
    let mut stopping = false;
    loop {
        session.produce_due();
        session.follow_network();
        session.advance();
        session.tell_in_flight();
        if session.stage == Stage::Gone {
            return;
        }
        let next_due = session.next_due();
        if next_due != due_for {
            due_for = next_due;
            due.set(sleep(next_due.unwrap_or(Duration::MAX).saturating_sub(session.clock.elapsed())));
        }
        let event = tokio::select! {
            event = session.link.next() => event,
            () = &mut due, if due_for.is_some() => Event::Due,
            () = token.cancelled(), if !stopping => Event::Stop,
            () = &mut give_up, if stopping => Event::GiveUp,
        };
        match event {
            Event::Due => {
                due_for = None;
                session.storm();
            }
            Event::Stop => {
                stopping = true;
                session.stop_producing();
                give_up.set(sleep(drain));
            }
            Event::GiveUp => session.leave(),
            Event::Retry => session.connect(),
            Event::Notice(Ok(notice)) => session.apply(notice),
            Event::Notice(Err(broken)) => session.disconnected(&broken),
        }
    }
}

impl Link {
    /// Waits for the next thing to happen on the link; may be dropped and called again.
    async fn next(&mut self) -> Event {
        match self {
            Self::Down { retry } => {
                retry.await;
                Event::Retry
            }
            Self::Dead => std::future::pending().await,
            Self::Open { connection, .. } => Event::Notice(connection.next().await),
        }
    }
}

impl Session {
    pub(crate) fn new(
        device: Device,
        outbox: Outbox,
        options: Options,
        shared: Arc<Shared>,
        clock: Clock,
        random: ChaCha8Rng,
    ) -> Self {
        let link = Link::Down { retry: Box::pin(sleep(Duration::ZERO)) };
        let elapsed_ms = i64::try_from(clock.elapsed().as_millis()).unwrap_or(i64::MAX);
        Self {
            birth_in: device.dice.late_birth(),
            next_storm: device.dice.storm_every(),
            started_ms: clock.unix_ms() - elapsed_ms,
            link_free: Duration::ZERO,
            stage: Stage::Producing,
            greetings: 0,
            failures: 0,
            told_in_flight: 0,
            device,
            outbox,
            options,
            shared,
            clock,
            random,
            link,
        }
    }

    /// A recorded series waits for room; a live device measures on and its outbox lets the oldest go. In a dead zone
    /// both measure on, a recorded one until the outbox is full.
    fn may_produce(&self) -> bool {
        let room = if matches!(self.link, Link::Dead) { usize::MAX } else { 2 * self.options.window };
        let has_room = !self.outbox.is_full() && self.outbox.len() < room;
        self.stage == Stage::Producing && (self.device.is_live() || has_room)
    }

    /// When there is something to do next by the clock: a frame to produce, a slow link to use again, a storm.
    fn next_due(&mut self) -> Option<Duration> {
        let produce = if self.may_produce() { self.device.next_due() } else { None };
        let send = (self.is_up() && self.outbox.can_send()).then_some(self.link_free);
        [produce, send, self.next_storm].into_iter().flatten().min()
    }

    /// Produces every frame that is due and has room.
    fn produce_due(&mut self) {
        while self.may_produce() {
            match self.device.next_due() {
                Some(due) if due > self.clock.elapsed() => return,
                _ => self.produce(),
            }
            if self.device.is_live() {
                continue;
            }
            // A recording runs through its dead zones at its own pace: the link follows each frame.
            self.follow_network();
        }
    }

    fn produce(&mut self) {
        match self.device.produce() {
            Some(Ok(product)) => {
                product.told.iter().for_each(|told| self.tell(told));
                if product.rebooted {
                    self.boot();
                }
                if let Some(parcel) = product.parcel {
                    self.hold(parcel);
                }
            }
            Some(Err(error)) => {
                self.shared.note_error(&error.to_string());
                tracing::error!(device = %self.device.id(), %error, "frame not built");
                self.stop_producing();
            }
            None => self.stop_producing(),
        }
    }

    /// The device has booted: the connection is gone, its frames are still in flash, and a new birth is due.
    fn boot(&mut self) {
        self.birth_in = self.device.dice.late_birth();
        if !matches!(self.link, Link::Dead) {
            self.come_back();
        }
    }

    /// Drops the connection as it is and returns soon.
    fn come_back(&mut self) {
        self.link_lost();
        self.link = Link::Down { retry: Box::pin(sleep(COME_BACK)) };
    }

    /// Leaves and finds the network as the device's dead zones say. Whoever drains or leaves has found it, and so has a
    /// recording whose buffer is full: it waits rather than lose a frame.
    fn follow_network(&mut self) {
        let (in_zone, ended) = self.device.dead_zone();
        if let Some(told) = ended {
            self.tell(&told);
        }
        let gives_in = !self.device.is_live() && self.outbox.is_full();
        let dead = in_zone && self.stage == Stage::Producing && !gives_in;
        match (&self.link, dead) {
            (Link::Dead, false) => self.come_back(),
            (Link::Down { .. } | Link::Open { .. }, true) => {
                self.link_lost();
                self.link = Link::Dead;
            }
            _ => {}
        }
    }

    /// All devices lose their connections at the same time and return without a pause.
    fn storm(&mut self) {
        let Some(every) = self.device.dice.storm_every() else { return };
        let now = self.clock.elapsed();
        while let Some(due) = self.next_storm
            && due <= now
        {
            self.next_storm = (self.stage == Stage::Producing).then_some(due + every);
            if matches!(self.link, Link::Open { .. }) {
                self.link_lost();
                self.link = Link::Down { retry: Box::pin(sleep(Duration::ZERO)) };
            }
        }
    }

    fn tell_in_flight(&mut self) {
        let now = self.outbox.in_flight();
        self.shared.in_flight_changed(self.told_in_flight, now);
        self.told_in_flight = now;
    }

    fn tell(&self, told: &Told) {
        if self.shared.truth.is_kept() {
            self.shared.truth.tell(&truth::line(&self.device, told, self.started_ms));
        }
    }

    fn hold(&mut self, parcel: Parcel) {
        self.shared.ledger.produced();
        if let Some(dropped) = self.outbox.push(parcel) {
            self.shared.ledger.dropped(&self.key(dropped.id), &dropped, self.clock.unix_ms());
        }
    }

    fn stop_producing(&mut self) {
        if self.stage == Stage::Producing {
            self.stage = Stage::Draining;
        }
    }

    fn connect(&mut self) {
        let connection = Box::new(Connection::open(&self.options));
        self.link = Link::Open { connection, up: false };
    }

    fn apply(&mut self, notice: Notice<Token>) {
        match notice {
            Notice::Connected => self.connected(),
            Notice::Acked { token: Token::Frame(id), refused } => {
                if self.device.dice.loses_ack() {
                    self.come_back();
                } else {
                    self.settled(id, refused);
                }
            }
            Notice::Acked { token: Token::Offline, .. } => self.disconnect(),
            Notice::Acked { token: Token::Birth | Token::Online, refused } => {
                self.greetings = self.greetings.saturating_sub(1);
                if let Some(reason) = refused {
                    self.shared.note_error(&format!("birth or state refused with reason {reason:#04x}"));
                }
            }
            Notice::Closed => self.leave(),
        }
    }

    fn connected(&mut self) {
        debug_assert!(self.outbox.rests(), "a new connection has nothing in flight");
        if let Link::Open { up, .. } = &mut self.link {
            *up = true;
        }
        self.greetings = 0;
        self.shared.ledger.connected();
        self.shared.link_up();
        if self.birth_in.is_none() {
            self.announce();
        }
        let state_topic = self.device.topics().state.clone();
        self.greet(&state_topic, &Bytes::from_static(ONLINE.as_bytes()), Token::Online);
    }

    fn announce(&mut self) {
        self.birth_in = None;
        let birth = self.device.birth(self.clock.elapsed(), self.clock.unix_ms());
        let birth_topic = self.device.topics().birth.clone();
        self.greet(&birth_topic, &birth, Token::Birth);
    }

    fn greet(&mut self, topic: &str, payload: &Bytes, token: Token) {
        self.greetings += 1;
        self.publish(topic, true, payload, token);
    }

    fn settled(&mut self, id: FrameId, refused: Option<u8>) {
        self.failures = 0;
        // A frame sent twice is acknowledged twice.
        let Some(parcel) = self.outbox.acked(id) else { return };
        let (key, at_ms) = (self.key(id), self.clock.unix_ms());
        match refused {
            None => self.shared.ledger.acked(&key, &parcel, at_ms),
            Some(reason) => self.shared.ledger.refused(&key, &parcel, reason, at_ms),
        }
    }

    fn disconnected(&mut self, broken: &Broken) {
        self.link_lost();
        self.shared.note_error(&broken.to_string());
        let wait = backoff(self.failures, &mut self.random);
        self.failures = self.failures.saturating_add(1);
        self.link = Link::Down { retry: Box::pin(sleep(wait)) };
    }

    fn link_lost(&mut self) {
        if self.is_up() {
            self.shared.link_down();
        }
        self.greetings = 0;
        self.outbox.connection_lost();
    }

    /// Sends what the window allows; moves on towards leaving when everything is settled.
    fn advance(&mut self) {
        let settled = self.stage != Stage::Producing && self.outbox.is_empty();
        if !self.is_up() {
            // Nothing to deliver is no reason to connect: the will has said "offline".
            if settled {
                self.leave();
            }
            return;
        }
        // A publish can find the connection gone: what would be taken out after that would count as in flight for ever.
        while self.is_up() && self.outbox.can_send() && self.link_free <= self.clock.elapsed() {
            if self.device.dice.overtakes() {
                self.outbox.swap_next();
            }
            if let Some(parcel) = self.outbox.send_next(self.clock.unix_ms()) {
                self.transmit(&parcel);
            }
        }
        if settled && self.is_up() && self.birth_in.is_some() {
            self.announce();
        }
        if settled && self.is_up() && self.stage == Stage::Draining && self.greetings == 0 {
            self.stage = Stage::Leaving;
            let topic = self.device.topics().state.clone();
            self.publish(&topic, true, &Bytes::from_static(OFFLINE.as_bytes()), Token::Offline);
        }
    }

    fn is_up(&self) -> bool {
        matches!(self.link, Link::Open { up: true, .. })
    }

    fn transmit(&mut self, parcel: &Parcel) {
        self.put_on_wire(parcel);
        if self.device.dice.sends_twice()
            && self.is_up()
            && let Some(again) = self.outbox.send_again(parcel.id)
        {
            self.put_on_wire(&again);
        }
        self.link_free = self.clock.elapsed() + self.device.dice.busy(parcel.payload.len());
        match &mut self.birth_in {
            Some(0) => self.announce(),
            Some(frames) => *frames -= 1,
            None => {}
        }
    }

    fn put_on_wire(&mut self, parcel: &Parcel) {
        self.shared.ledger.sent(&self.key(parcel.id), parcel, self.clock.unix_ms());
        let topic = self.device.topics().telemetry.clone();
        self.publish(&topic, false, &parcel.payload, Token::Frame(parcel.id));
    }

    fn publish(&mut self, topic: &str, retain: bool, payload: &Bytes, token: Token) {
        if let Link::Open { connection, .. } = &mut self.link {
            let queued = connection.publish(topic, retain, payload, token);
            self.check(queued);
        }
    }

    fn disconnect(&mut self) {
        if let Link::Open { connection, .. } = &mut self.link {
            let queued = connection.disconnect();
            self.check(queued);
        }
    }

    /// A connection that takes nothing has broken and not yet said so; the next one starts from known ground.
    fn check(&mut self, queued: Result<(), Unsendable>) {
        if let Err(unsendable) = queued {
            self.disconnected(&Broken::new(&unsendable));
        }
    }

    fn leave(&mut self) {
        if self.stage != Stage::Gone {
            self.link_lost();
            self.link = Link::Down { retry: Box::pin(sleep(Duration::MAX)) };
            self.stage = Stage::Gone;
        }
    }

    fn key(&self, id: FrameId) -> FrameKey {
        FrameKey { device: self.device.id().clone(), boot: id.boot, seq: id.seq }
    }
}

/// How long to wait after `failures` failed connections in a row.
fn backoff(failures: u32, random: &mut impl Rng) -> Duration {
    let doubled = BACKOFF_FIRST.saturating_mul(1 << failures.min(16));
    doubled.min(BACKOFF_LONGEST).mul_f64(random.random_range(0.5..=1.0))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn waits_double_up_to_a_cap_and_no_two_devices_wait_alike() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for (failures, full_ms) in [(0, 200), (1, 400), (5, 6_400), (6, 10_000), (40, 10_000), (u32::MAX, 10_000)] {
            for _ in 0..100 {
                let wait = backoff(failures, &mut random).as_millis();
                assert!((full_ms / 2..=full_ms).contains(&wait), "{failures}: {wait}");
            }
        }
        assert_ne!(backoff(3, &mut random), backoff(3, &mut random));
    }
}
