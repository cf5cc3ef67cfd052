//! Does what [`super::machine`] decides: one thread's endless round of connecting, sending, waiting.

mod answers;
mod cursor;
mod sending;
mod showing;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use halo_proto::topic::Topic;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use cursor::CURSOR_WAIT_MS;

use super::backoff::Backoff;
use super::changes::Changes;
use super::config::{Config, Send};
use super::halos::Halos;
use super::jobs::Jobs;
use super::machine::Machine;
use super::probe::Probe;
use super::source::Source;
use super::start::Shared;
use super::status::{Board, State};
use super::transport::{Event, Link, Terms};
use crate::ingest::schemas::Schemas;
use crate::record::{Offset, Progress};
use crate::store::fs::Fs;
use crate::store::{Reader, StoreError};

/// Longest sleep; what was learned and counted meanwhile is shown.
const IDLE_MS: u64 = 500;
/// While away: time between two looks at what became durable.
const AWAY: Duration = Duration::from_millis(250);
/// At a stop, what is under way may still be confirmed for this long, milliseconds.
const FAREWELL_MS: u64 = 1_000;
/// Longest wait for a record of ours to be durable.
const LOG_WAIT: Duration = Duration::from_secs(10);

/// Why a connection is over.
struct Ended {
    why: String,
    /// The broker or the network ended it, not we.
    by_peer: bool,
}

impl Ended {
    fn ours(why: impl Into<String>) -> Self {
        Self { why: why.into(), by_peer: false }
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::ours(format!("the log cannot be read: {error}"))
    }
}

pub(super) struct Task<F: Fs> {
    config: Config,
    shared: Shared,
    machine: Machine,
    source: Source<F>,
    halos: Halos,
    changes: Option<Arc<Changes>>,
    backoff: Backoff,
    board: Board,
    held: watch::Receiver<bool>,
    stop: CancellationToken,
    durable: watch::Receiver<()>,
    /// So that neither channel ever closes under the task.
    _senders: (watch::Sender<bool>, watch::Sender<()>),
    jobs: Jobs,
    /// Since when something waits for a cursor.
    cursor_since_ms: Option<u64>,
    is_new: bool,
    scouted_ms: u64,
    /// Since when frames wait without a break.
    behind_since_ms: Cell<Option<u64>>,
}

/// One connection's life.
struct Connection {
    link: Link,
    probe: Probe,
    /// The subscription was answered. A probe sent earlier may overtake it, and then never comes back.
    subscribed: bool,
    terms: Terms,
    flowing_since_ms: Option<u64>,
    /// When the receiver last confirmed something.
    heard_ms: u64,
    leaving_ms: Option<u64>,
    /// When what was refused is sent again, and how long that waits.
    again_ms: Option<u64>,
    patience: Backoff,
    /// Everything sent since was refused, or nothing was: who refuses everything takes no data.
    takes_nothing: bool,
    more: bool,
}

impl<F: Fs> Task<F> {
    pub(super) fn new(
        config: Config,
        shared: Shared,
        (reader, schemas, known): (&Reader<F>, Schemas, Offset),
        (progress, is_new): (Progress, bool),
        changes: Option<Arc<Changes>>,
        (board, stop): (Board, CancellationToken),
        (hold, wake): (watch::Sender<bool>, watch::Sender<()>),
    ) -> Self {
        Self {
            machine: Machine::new(usize::from(config.window), &progress, config.sends(Send::Sparks)),
            source: Source::new(reader, schemas, known, &progress),
            halos: Halos::default(),
            backoff: Backoff::new(config.backoff_min, config.backoff_max),
            jobs: Jobs::default(),
            cursor_since_ms: None,
            scouted_ms: 0,
            behind_since_ms: Cell::default(),
            config,
            shared,
            changes,
            board,
            held: hold.subscribe(),
            stop,
            durable: wake.subscribe(),
            _senders: (hold, wake),
            is_new,
        }
    }

    /// Until the gateway stops.
    pub(super) async fn run(mut self) {
        if self.is_new && self.reads_log() {
            // At once, so that from now on the log is kept for it.
            self.write_cursor();
        }
        while !self.stop.is_cancelled() {
            if *self.held.borrow_and_update() {
                self.set(State::Held);
                self.rest(None).await;
                continue;
            }
            self.jobs.connected();
            let ended = self.connection().await;
            self.jobs.disconnected();
            self.machine.disconnected(ended.by_peer);
            let unsent = self.halos.disconnected();
            self.changes.iter().for_each(|changes| changes.put_back(unsent.iter().cloned()));
            if self.stop.is_cancelled() || *self.held.borrow() {
                continue;
            }
            let wait = self.backoff.next(random());
            self.went_wrong(&ended.why, wait);
            self.rest(Some(wait)).await;
        }
        self.write_last_cursor().await;
    }

    fn reads_log(&self) -> bool {
        self.config.reads_log()
    }

    fn now_ms(&self) -> u64 {
        self.shared.clock.now().mono_ms
    }

    fn set(&self, state: State) {
        if self.board.set(state, self.shared.clock.now()) {
            info!(upstream = self.config.name, state = state.as_str(), "upstream");
        }
    }

    fn went_wrong(&self, why: &str, wait: Duration) {
        warn!(upstream = self.config.name, why, wait_ms = wait.as_millis() as u64, "upstream is away");
        self.set(State::BackingOff);
        self.failed(why);
        self.board.lock().next_try_ms = Some(self.shared.clock.now().wall_ms.saturating_add(wait.as_millis() as i64));
    }

    fn failed(&self, why: impl Into<String>) {
        self.board.failed(why.into(), self.shared.clock.now());
    }

    /// Waits without a connection, for so long or until it is let go.
    async fn rest(&mut self, wait: Option<Duration>) {
        let until = wait.map(|wait| self.now_ms() + wait.as_millis() as u64);
        while !self.stop.is_cancelled() && until.is_none_or(|until| self.now_ms() < until) {
            self.look_ahead();
            self.keep_cursor();
            self.show();
            let left = until.map_or(AWAY, |until| Duration::from_millis(until.saturating_sub(self.now_ms())));
            tokio::select! {
                () = self.stop.cancelled() => {}
                changed = self.held.changed() => return drop(changed),
                Some(came) = self.jobs.next() => drop(self.came(came, None)),
                () = tokio::time::sleep(left.min(AWAY)) => {}
            }
        }
    }

    /// Learns and counts a little of what nobody has read yet; a log that cannot be read now is read later.
    fn look_ahead(&mut self) {
        if !self.reads_log() {
            return;
        }
        let now_ms = self.now_ms();
        if now_ms < self.scouted_ms + AWAY.as_millis() as u64 / 2 {
            return;
        }
        let read = self.source.count().and_then(|_| self.source.scout());
        if let Err(error) = read {
            warn!(upstream = self.config.name, %error, "the log cannot be read; trying again");
        }
        self.scouted_ms = now_ms;
    }

    /// One connection, from its first packet to its end.
    async fn connection(&mut self) -> Ended {
        self.set(State::Connecting);
        let mut link = match Link::open(&self.config, &self.shared.gateway_id) {
            Ok(link) => link,
            Err(why) => return Ended::ours(why),
        };
        let connected = tokio::select! {
            event = tokio::time::timeout(self.config.connect_wait(), link.next()) => event,
            () = self.stop.cancelled() => return Ended::ours("stopping"),
            _ = self.held.changed() => return Ended::ours("held"),
        };
        let terms = match connected {
            Ok(Event::Connected(terms)) => terms,
            Ok(Event::Down(why)) => return Ended::ours(why),
            Ok(_) => return Ended::ours("the broker spoke before it answered the connect"),
            Err(_) => return Ended::ours("the broker did not answer the connect in time"),
        };
        self.board.lock().connections += 1;
        self.set(State::Probing);
        let now_ms = self.now_ms();
        let probe = Probe::new(&self.config.name, random(), now_ms);
        let mut it = Connection {
            link,
            probe,
            subscribed: false,
            terms,
            flowing_since_ms: None,
            heard_ms: now_ms,
            leaving_ms: None,
            again_ms: None,
            patience: Backoff::new(self.config.backoff_min, self.config.backoff_max),
            takes_nothing: false,
            more: false,
        };
        if let Err(why) = it.link.subscribe(&self.probe_topic()) {
            return Ended::ours(why);
        }
        let ended = loop {
            if let Err(ended) = self.round(&mut it).await {
                break ended;
            }
        };
        if let Some(since_ms) = it.flowing_since_ms {
            self.backoff.flowed(self.now_ms().saturating_sub(since_ms));
        }
        self.board.lock().repeated += self.machine.waiting() as u64;
        if !ended.by_peer {
            it.link.close().await;
        }
        ended
    }

    fn probe_topic(&self) -> String {
        let topic = Topic::Probe { gateway: &self.shared.gateway_id };
        self.config.topic(&self.shared.grammar.display(topic).to_string())
    }

    /// Sends what can be sent, then waits for whatever comes first.
    async fn round(&mut self, it: &mut Connection) -> Result<(), Ended> {
        it.more = false;
        if !self.is_waiting(it) {
            // Silence counts from when there is something to say.
            it.heard_ms = self.now_ms();
        }
        self.send_probe(it)?;
        // Also when no echo came in time: no event tells that.
        self.begin_to_flow(it)?;
        if it.flowing_since_ms.is_some() && it.leaving_ms.is_none() {
            self.send_log(it).await?;
            self.ask_for_halos();
        }
        self.keep_cursor();
        self.check(it)?;
        self.show_connected(it);
        let changes = self.changes.clone();
        let changed = async {
            match &changes {
                Some(changes) => changes.any().await,
                None => std::future::pending().await,
            }
        };
        let flows = it.flowing_since_ms.is_some();
        let wait = self.wait(it);
        tokio::select! {
            event = it.link.next() => self.take_events(event, it).await?,
            _ = self.durable.changed(), if flows => {}
            () = changed, if flows => self.take_changes(),
            Some(came) = self.jobs.next() => self.came(came, Some(it))?,
            () = self.stop.cancelled(), if it.leaving_ms.is_none() => it.leaving_ms = Some(self.now_ms()),
            held = self.held.changed(), if it.leaving_ms.is_none() => {
                if held.is_ok() && *self.held.borrow() {
                    it.leaving_ms = Some(self.now_ms());
                }
            }
            () = tokio::time::sleep(wait) => {}
        }
        Ok(())
    }

    /// How long nothing needs to be done unasked.
    fn wait(&self, it: &Connection) -> Duration {
        if it.more {
            return Duration::ZERO;
        }
        let now_ms = self.now_ms();
        let stall_ms = self.config.stall_after.as_millis() as u64;
        let dues = [
            it.subscribed.then(|| it.probe.next_ms()),
            self.halos.next_ms().filter(|_| it.flowing_since_ms.is_some()),
            self.cursor_since_ms.filter(|_| !self.jobs.is_writing()).map(|since| since + CURSOR_WAIT_MS),
            self.is_waiting(it).then_some(it.heard_ms + stall_ms / 2).filter(|due| *due > now_ms),
            self.is_waiting(it).then_some(it.heard_ms + stall_ms),
            it.leaving_ms.map(|since| since + FAREWELL_MS),
            it.again_ms,
            Some(now_ms + IDLE_MS),
        ];
        let due = dues.into_iter().flatten().min().unwrap_or(now_ms);
        Duration::from_millis(due.saturating_sub(now_ms).max(1))
    }

    fn is_waiting(&self, it: &Connection) -> bool {
        let waits_for_log = self.machine.waiting() > 0 && !self.machine.is_refused();
        waits_for_log || self.halos.under_way() > 0 || !it.subscribed || it.probe.is_under_way()
    }

    /// From the first refused message on everything is sent again, after a while that grows as long as nothing is taken.
    fn send_again(&mut self, it: &mut Connection) {
        if !self.machine.is_refused() {
            return;
        }
        let now_ms = self.now_ms();
        let due_ms = match it.again_ms {
            Some(due_ms) => due_ms,
            None => {
                it.takes_nothing = !self.machine.took_others();
                if !it.takes_nothing {
                    it.patience = Backoff::new(self.config.backoff_min, self.config.backoff_max);
                }
                *it.again_ms.insert(now_ms + it.patience.next(random()).as_millis() as u64)
            }
        };
        if now_ms >= due_ms {
            self.board.lock().repeated += self.machine.waiting() as u64;
            self.machine.again();
            (it.again_ms, it.more) = (None, true);
        }
    }

    /// Ends a connection that has ended in fact: stalled, or said goodbye.
    fn check(&mut self, it: &mut Connection) -> Result<(), Ended> {
        let now_ms = self.now_ms();
        if let Some(since_ms) = it.leaving_ms {
            let idle = (self.machine.waiting() == 0 || self.machine.is_refused()) && self.halos.under_way() == 0;
            return if idle || now_ms >= since_ms + FAREWELL_MS {
                Err(Ended::ours("held or stopping"))
            } else {
                Ok(())
            };
        }
        self.send_again(it);
        let silent_ms = if self.is_waiting(it) { now_ms.saturating_sub(it.heard_ms) } else { 0 };
        let stall_ms = self.config.stall_after.as_millis() as u64;
        if silent_ms >= stall_ms {
            return Err(Ended::ours(format!("nothing was confirmed for {:.1} s", silent_ms as f64 / 1_000.0)));
        }
        match it.flowing_since_ms {
            Some(_) if silent_ms >= stall_ms / 2 || it.takes_nothing => self.set(State::Stalled),
            Some(_) => self.set(State::Flowing),
            None => {}
        }
        Ok(())
    }
}

/// Spreads what would otherwise happen at once; a machine without randomness spreads nothing.
fn random() -> u64 {
    getrandom::u64().unwrap_or(0)
}
