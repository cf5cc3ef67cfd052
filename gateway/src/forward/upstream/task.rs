//! Does what [`super::machine`] decides: one thread's endless round of connecting, sending, waiting.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use halo_proto::topic::Topic;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::backoff::Backoff;
use super::changes::Changes;
use super::config::{Config, Send};
use super::halos::Halos;
use super::machine::{Answer, Do, Machine, Reason, Way};
use super::probe::{By, Probe};
use super::source::Source;
use super::start::Shared;
use super::status::{Board, LaneStatus, State};
use super::transport::{Event, Link, Message, Terms, Token};
use crate::forward::owned::Call;
use crate::ingest::schemas::Schemas;
use crate::record::{Body, Cursor, Draft, Dropped, Frame, Name, Offset, Progress, Record, Stretch};
use crate::store::fs::Fs;
use crate::store::inlet::AppendError;
use crate::store::{Reader, StoreError};

/// A cursor is written this long after something was confirmed, milliseconds, if not earlier.
const CURSOR_WAIT_MS: u64 = 100;
/// Longest sleep; what was learned and counted meanwhile is shown.
const IDLE_MS: u64 = 500;
/// While away: time between two looks at what became durable.
const AWAY: Duration = Duration::from_millis(250);
/// Records taken between two looks at the link.
const TURN_RECORDS: usize = 256;
/// Events taken between two looks at the log.
const TURN_EVENTS: usize = 1_024;
/// At a stop, what is under way may still be confirmed for this long, milliseconds.
const FAREWELL_MS: u64 = 1_000;
/// Longest wait for a record of ours to be durable.
const LOG_WAIT: Duration = Duration::from_secs(10);
/// What the envelope of a publish may need beside topic and payload, bytes.
const ENVELOPE_BYTES: usize = 256;

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

/// What a job of this task came to.
enum Done {
    Cursor(Result<Offset, AppendError>),
    Subjects(Vec<Name>),
    Rendered(usize, Vec<(Name, Bytes)>),
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
    jobs: JoinSet<Done>,
    /// Since when something waits for a cursor.
    cursor_since_ms: Option<u64>,
    writing: bool,
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
            machine: Machine::new(usize::from(config.window), &progress),
            source: Source::new(reader, schemas, known, &progress),
            halos: Halos::default(),
            backoff: Backoff::new(config.backoff_min, config.backoff_max),
            jobs: JoinSet::new(),
            cursor_since_ms: None,
            writing: false,
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
            let ended = self.connection().await;
            self.machine.disconnected(ended.by_peer);
            self.halos.disconnected();
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
        let mut board = self.board.lock();
        board.last_error = Some(why.to_owned());
        board.next_try_ms = Some(self.shared.clock.now().wall_ms.saturating_add(wait.as_millis() as i64));
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
                Some(done) = self.jobs.join_next() => drop(self.done(done.ok(), None)),
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
            Some(done) = self.jobs.join_next() => self.done(done.ok(), Some(it))?,
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
            self.cursor_since_ms.filter(|_| !self.writing).map(|since| since + CURSOR_WAIT_MS),
            self.is_waiting(it).then_some(it.heard_ms + stall_ms / 2).filter(|due| *due > now_ms),
            self.is_waiting(it).then_some(it.heard_ms + stall_ms),
            it.leaving_ms.map(|since| since + FAREWELL_MS),
            Some(now_ms + IDLE_MS),
        ];
        let due = dues.into_iter().flatten().min().unwrap_or(now_ms);
        Duration::from_millis(due.saturating_sub(now_ms).max(1))
    }

    fn is_waiting(&self, it: &Connection) -> bool {
        self.machine.waiting() > 0 || self.halos.under_way() > 0 || !it.subscribed || it.probe.is_under_way()
    }

    fn send_probe(&mut self, it: &mut Connection) -> Result<(), Ended> {
        if !it.subscribed {
            return Ok(());
        }
        let now_ms = self.now_ms();
        it.probe.look(now_ms);
        if let Some(payload) = it.probe.take(now_ms) {
            let message = Message { topic: self.probe_topic(), payload, retain: false, properties: Vec::new() };
            it.link.publish(Token::Probe, message).map_err(|why| Ended { why, by_peer: true })?;
        }
        Ok(())
    }

    /// Both lanes, as the machine says whose turn it is.
    async fn send_log(&mut self, it: &mut Connection) -> Result<(), Ended> {
        if !self.reads_log() {
            return Ok(());
        }
        for taken in 0..=TURN_RECORDS {
            let (live, backfill) = (self.has(Way::Live)?, self.has(Way::Backfill)?);
            let Some(way) = self.machine.pick(live, backfill) else {
                self.look_ahead();
                break;
            };
            if taken == TURN_RECORDS {
                it.more = true;
                break;
            }
            let Some(record) = self.source.take(way) else { break };
            let (fate, message) = self.source.render(&self.config, &self.shared, way, &record);
            let too_large = message.as_ref().and_then(|message| too_large(message, it.terms));
            match (self.machine.step(way, record.offset, record.stamp.mono_ms, fate), message, too_large) {
                (Do::Nothing, ..) | (_, None, _) => {}
                (Do::GiveUp, ..) => {
                    self.give_up(way, record.offset, "it ended every connection it was sent on").await?
                }
                (Do::Publish, _, Some(why)) => self.give_up(way, record.offset, &why).await?,
                (Do::Publish, Some(message), None) => {
                    it.link
                        .publish(Token::Log(way, record.offset), message)
                        .map_err(|why| Ended { why, by_peer: true })?;
                }
            }
        }
        Ok(())
    }

    /// Whether a way has a record to give.
    fn has(&mut self, way: Way) -> Result<bool, StoreError> {
        let Some(from) = self.machine.wants(way) else { return Ok(false) };
        let Some(offset) = self.source.peek(way, from)? else { return Ok(false) };
        if self.machine.end(way).is_some_and(|end| offset > end) {
            self.machine.ended(way);
            return Ok(false);
        }
        Ok(true)
    }

    async fn take_events(&mut self, first: Event, it: &mut Connection) -> Result<(), Ended> {
        let mut next = Some(first);
        for _ in 0..TURN_EVENTS {
            let Some(event) = next.take().or_else(|| it.link.try_next()) else { break };
            self.take_event(event, it).await?;
        }
        Ok(())
    }

    async fn take_event(&mut self, event: Event, it: &mut Connection) -> Result<(), Ended> {
        let now_ms = self.now_ms();
        match event {
            Event::Answered(token, reason, said) => {
                it.heard_ms = now_ms;
                self.answered(token, reason, said, it).await?;
            }
            Event::Subscribed(granted) => {
                (it.subscribed, it.heard_ms) = (true, now_ms);
                it.probe.subscribed(granted, now_ms);
            }
            Event::Received(payload) => {
                it.probe.received(&payload, now_ms);
            }
            Event::Down(why) => return Err(Ended { why, by_peer: true }),
            Event::Connected(_) => return Err(Ended::ours("the client connected twice")),
        }
        self.begin_to_flow(it)
    }

    /// Data flows once a probe has made its way.
    fn begin_to_flow(&mut self, it: &mut Connection) -> Result<(), Ended> {
        if it.flowing_since_ms.is_some() || it.probe.round_trip_ms().is_none() {
            return Ok(());
        }
        if self.reads_log() {
            // All births before the place where live may begin.
            while self.source.scout()? {}
            self.machine.connected(it.terms.receive_max, self.source.learned());
        }
        it.flowing_since_ms = Some(self.now_ms());
        self.set(State::Flowing);
        if self.changes.is_some() {
            let asker = self.shared.asker.clone();
            self.jobs.spawn(async move {
                let (reply, subjects) = oneshot::channel();
                asker.call(Call::Subjects(reply)).await;
                Done::Subjects(subjects.await.unwrap_or_default())
            });
        }
        Ok(())
    }

    async fn answered(
        &mut self,
        token: Token,
        reason: Reason,
        said: &'static str,
        it: &mut Connection,
    ) -> Result<(), Ended> {
        let now_ms = self.now_ms();
        if reason != Reason::Success {
            self.board.lock().last_error = Some(format!("the broker refused {}: {said}", what(&token)));
        }
        match token {
            Token::Log(way, offset) => match self.machine.answered(way, offset, reason) {
                Answer::Confirmed => {}
                Answer::GiveUp => self.give_up(way, offset, said).await?,
                Answer::Reconnect => warn!(upstream = self.config.name, %offset, said, "refused; sending it again"),
            },
            Token::Halo(subject) => self.halos.answered(&subject, reason == Reason::Success, now_ms),
            Token::Probe => it.probe.acked(now_ms),
        }
        Ok(())
    }

    /// Writes down that a message is lost to this upstream, and goes on without it.
    async fn give_up(&mut self, way: Way, offset: Offset, why: &str) -> Result<(), Ended> {
        let reason = format!("upstream {}: {why}", self.config.name);
        warn!(upstream = self.config.name, %offset, why, "a message is given up");
        if let Some(draft) = self.source.fetch(offset).and_then(|record| dropped(&record, &self.config.name, &reason)) {
            let written = tokio::time::timeout(LOG_WAIT, self.shared.appender.append(draft)).await;
            written
                .map_err(|_| "the log took no record in time".to_owned())
                .and_then(|written| written.map_err(|error| error.to_string()))
                .map_err(Ended::ours)?;
        }
        self.machine.gave_up(way, offset);
        let mut board = self.board.lock();
        (board.given_up, board.last_error) = (board.given_up + 1, Some(reason));
        Ok(())
    }

    fn take_changes(&mut self) {
        let now_ms = self.now_ms();
        for subject in self.changes.as_ref().map(|changes| changes.take()).unwrap_or_default() {
            self.halos.touch(&subject, now_ms);
        }
    }

    /// Has the river render what is due; what it says is sent when it has come.
    fn ask_for_halos(&mut self) {
        let names = self.halos.take(self.now_ms());
        if names.is_empty() {
            return;
        }
        let asker = self.shared.asker.clone();
        self.jobs.spawn(async move {
            let (asked, (reply, rendered)) = (names.len(), oneshot::channel());
            asker.call(Call::Render(names, reply)).await;
            Done::Rendered(asked, rendered.await.unwrap_or_default())
        });
    }

    fn done(&mut self, done: Option<Done>, it: Option<&mut Connection>) -> Result<(), Ended> {
        let now_ms = self.now_ms();
        match (done, it) {
            (Some(Done::Cursor(written)), _) => {
                self.writing = false;
                self.machine.cursor_written();
                if let Err(error) = written {
                    self.board.lock().last_error = Some(format!("cursor: {error}"));
                }
            }
            (Some(Done::Subjects(subjects)), Some(_)) => {
                subjects.iter().for_each(|subject| self.halos.touch(subject, now_ms));
            }
            (Some(Done::Rendered(asked, rendered)), Some(it)) => {
                self.halos.rendered(asked, &rendered);
                for (subject, payload) in rendered {
                    let topic = self.shared.grammar.display(Topic::Halo { subject: &subject }).to_string();
                    let message =
                        Message { topic: self.config.topic(&topic), payload, retain: true, properties: Vec::new() };
                    if too_large(&message, it.terms).is_some() {
                        self.halos.answered(&subject, true, now_ms);
                        self.board.lock().last_error =
                            Some(format!("the halo of {subject} is too large for the broker"));
                        continue;
                    }
                    it.link.publish(Token::Halo(subject), message).map_err(|why| Ended { why, by_peer: true })?;
                }
            }
            // Of a connection that is gone; the next one asks for everything.
            (Some(Done::Subjects(_) | Done::Rendered(..)) | None, _) => {}
        }
        Ok(())
    }

    /// Ends a connection that has ended in fact: stalled, refused, or said goodbye.
    fn check(&mut self, it: &mut Connection) -> Result<(), Ended> {
        let now_ms = self.now_ms();
        if let Some(since_ms) = it.leaving_ms {
            let idle = self.machine.waiting() == 0 && self.halos.under_way() == 0;
            return if idle || now_ms >= since_ms + FAREWELL_MS {
                Err(Ended::ours("held or stopping"))
            } else {
                Ok(())
            };
        }
        if self.machine.is_closed() {
            let why = self.board.lock().last_error.clone();
            return Err(Ended::ours(why.unwrap_or_else(|| "the broker refused a message".to_owned())));
        }
        let silent_ms = if self.is_waiting(it) { now_ms.saturating_sub(it.heard_ms) } else { 0 };
        let stall_ms = self.config.stall_after.as_millis() as u64;
        if silent_ms >= stall_ms {
            return Err(Ended::ours(format!("nothing was confirmed for {:.1} s", silent_ms as f64 / 1_000.0)));
        }
        match it.flowing_since_ms {
            Some(_) if silent_ms >= stall_ms / 2 => self.set(State::Stalled),
            Some(_) => self.set(State::Flowing),
            None => {}
        }
        Ok(())
    }

    /// Has a cursor written when one is due; sending goes on meanwhile.
    fn keep_cursor(&mut self) {
        let (at_once, fresh) = self.machine.cursor_due();
        if !fresh || self.writing || !self.reads_log() {
            return;
        }
        let now_ms = self.now_ms();
        let since_ms = *self.cursor_since_ms.get_or_insert(now_ms);
        if at_once || now_ms >= since_ms + CURSOR_WAIT_MS {
            self.write_cursor();
        }
    }

    fn write_cursor(&mut self) {
        self.cursor_since_ms = None;
        self.writing = true;
        let (confirmed, progress) = self.machine.take_cursor();
        let cursor = Cursor { consumer: Name::from(self.config.name.as_str()), confirmed, progress };
        let appender = self.shared.appender.clone();
        self.jobs.spawn(async move { Done::Cursor(appender.append(Body::Cursor(cursor).into()).await) });
    }

    /// What was confirmed to the last is written, so that the next start repeats nothing.
    async fn write_last_cursor(&mut self) {
        let last = async {
            loop {
                while self.writing
                    && let Some(done) = self.jobs.join_next().await
                {
                    drop(self.done(done.ok(), None));
                }
                if !self.machine.cursor_due().1 || !self.reads_log() {
                    return;
                }
                self.write_cursor();
            }
        };
        if tokio::time::timeout(LOG_WAIT, last).await.is_err() {
            warn!(upstream = self.config.name, "the last cursor was not written in time: some messages may come twice");
        }
        self.show();
    }

    fn show_connected(&self, it: &Connection) {
        self.show();
        let mut board = self.board.lock();
        board.round_trip_ms = it.probe.round_trip_ms().or(board.round_trip_ms);
        board.round_trip_is_puback = it.probe.by() == By::Puback;
    }

    fn show(&self) {
        let now_ms = self.now_ms();
        let progress = self.machine.progress();
        let lane = |way| {
            let (confirmed, under_way) = self.machine.stands(way);
            LaneStatus { confirmed, under_way }
        };
        let reads = self.reads_log();
        let mut board = self.board.lock();
        board.live = reads.then(|| lane(Way::Live));
        board.backfill = (!progress.backfill.is_empty()).then(|| lane(Way::Backfill));
        board.stretches = progress.backfill;
        board.account = progress.account;
        let all = progress.live == self.source.learned() && board.stretches.is_empty();
        let all = all || !self.config.sends(Send::Readings);
        board.pending = if all { 0 } else { self.source.frames().saturating_sub(self.machine.passed()) };
        board.counting = self.source.is_counting();
        let is_behind = board.pending > 0;
        let behind_since_ms = self.behind_since_ms.get().unwrap_or(now_ms);
        self.behind_since_ms.set(is_behind.then_some(behind_since_ms));
        // What is under way tells when it was written; what nobody has read yet, since when it waits.
        let oldest_ms =
            self.machine.oldest_ms().unwrap_or(now_ms).min(if is_behind { behind_since_ms } else { now_ms });
        board.lag_ms = now_ms.saturating_sub(oldest_ms);
        board.repeats_possible = self.machine.repeats_possible();
        board.halos = self.halos.confirmed();
    }
}

fn what(token: &Token) -> String {
    match token {
        Token::Log(_, offset) => format!("the message of offset {offset}"),
        Token::Halo(subject) => format!("the halo of {subject}"),
        Token::Probe => "a probe".to_owned(),
    }
}

fn too_large(message: &Message, terms: Terms) -> Option<String> {
    let bytes = message.topic.len() + message.payload.len() + ENVELOPE_BYTES;
    let max = usize::try_from(terms.packet_max?).unwrap_or(usize::MAX);
    (bytes > max).then(|| format!("the packet has about {bytes} bytes, the broker takes {max}"))
}

/// The record of a frame that this upstream will not get; a document about a loss has none.
fn dropped(record: &Record, upstream: &str, reason: &str) -> Option<Draft> {
    let (Body::Frame(frame) | Body::Replayed(frame)) = &record.body else { return None };
    let Frame { device, subject, identity, .. } = frame;
    let (boot, seq) = identity.map_or((0, 0), |identity| (identity.boot, identity.seq));
    // A frame read again is in the account already, as quarantined.
    let is_first = matches!(record.body, Body::Frame(_));
    let body = Body::Dropped(Dropped {
        device: device.clone(),
        subject: subject.clone(),
        boot,
        first: seq,
        last: seq,
        frames: 1,
        stretch: Stretch { first: record.offset, last: record.offset },
        reason: reason.to_owned(),
        missed: if is_first { vec![(upstream.to_owned(), 1)] } else { Vec::new() },
    });
    Some(Draft { cause: Some(record.offset), body })
}

/// Spreads what would otherwise happen at once; a machine without randomness spreads nothing.
fn random() -> u64 {
    getrandom::u64().unwrap_or(0)
}
