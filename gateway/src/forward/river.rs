//! The river: one thread that pulls durable records, folds them, and lets readings and halos out on local topics.

mod answers;
mod beside;
mod first;
mod health;
mod writing;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use bytes::Bytes;
use halo_proto::topic::{Grammar, Topic};
use tracing::{error, warn};

use self::beside::Beside;
use self::first::{First, Told};
use super::cohort_json::cohorts;
use super::due::Due;
use super::halo_json::{render, render_in};
use super::health_json::State;
use super::losses_json::losses_json;
use super::owned::Call;
use super::readings_json::{Lane, readings_json};
use super::sparks::{self, Out, Sparks};
use super::upstream::Boards;
use super::upstream::changes::Changes;
use super::welcome_json::welcome_json;
use crate::broker::{Router, Wakes};
use crate::clock::Clock;
use crate::halo::{Fold, Models, Said, Subject, Tally, organisations};
use crate::ingest::readings::Readings;
use crate::metrics::Metrics;
use crate::record::{Body, Frame, Name, Offset, Record, StartEpoch};
use crate::store::checkpoint::Checkpointer;
use crate::store::disk::Budget;
use crate::store::fs::Fs;
use crate::store::gate::Gate;
use crate::store::identity::Identities;
use crate::store::replaying::{Replaying, die_if_asked};
use crate::store::{Damages, Reader};

/// Bytes of log folded before due halos and questions get their turn.
const BATCH_BYTES: usize = 256 << 10;
/// Longest sleep: the health topic is looked after about once a second.
const IDLE_WAIT: Duration = Duration::from_millis(500);
/// The same while decisions wait for room in the log's queue.
const SPARKS_WAIT: Duration = Duration::from_millis(2);
/// Longest time between two checkpoints of the halos, milliseconds (LOG.md, "Checkpoints").
const CHECKPOINT_PERIOD_MS: u64 = 30_000;
/// Questions answered between two batches, however many more wait.
const ANSWERS_MAX: usize = 64;
/// Messages published before subscribers are woken: a few packets' worth, a quarter of a millisecond of folding, and far
/// from what a subscriber's queue holds.
const MESSAGES_HELD: usize = 16;
/// QoS of what the gateway publishes; subscribers lower it to what they asked for.
const QOS: u8 = 1;

/// What the river shares with the rest of the gateway.
pub struct Shared {
    /// Gateway time.
    pub clock: Clock,
    /// How full the river is.
    pub gate: Arc<Gate>,
    /// Stored records that cannot be read any more.
    pub damages: Arc<Damages>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Where halos and readings go.
    pub router: Router,
    /// Topics.
    pub grammar: Grammar,
    /// This gateway's id.
    pub gateway_id: String,
    /// What message ids begin with, by start epoch: the same for as long as a record lives, and no other log's.
    pub log_ids: Identities,
    /// The last offset folded, for whoever asks.
    pub folded: Arc<AtomicU64>,
    /// The upstreams that are told which subjects changed.
    pub(crate) changes: Vec<Arc<Changes>>,
    /// How the upstreams are, which health tells.
    pub(crate) upstreams: Boards,
    /// The account of the disk, which health tells.
    pub budget: Arc<Budget>,
    /// What turns state into forecasts.
    pub models: Models,
}

/// Folds and forwards one log.
pub struct River<F: Fs> {
    reader: Reader<F>,
    /// What was durable at the start: its readings went out in an earlier life.
    old: Offset,
    /// Until what is old is folded: notes what is being applied, and knows what is not to be.
    replaying: Option<Replaying>,
    fold: Fold,
    checkpoints: Checkpointer,
    shared: Arc<Shared>,
    beside: Beside,
    first: First,
    sparks: Sparks,
    due: Due,
    topic: String,
    tally: Tally,
    wakes: Held,
    unreadable: bool,
    health: State,
    health_due_ms: u64,
    health_look_ms: u64,
    checkpoint: Schedule,
}

/// Subscribers that are woken when a batch was told or folded, or when so much was published that they better begin to read.
#[derive(Default)]
struct Held {
    wakes: Wakes,
    messages: usize,
}

#[derive(Default)]
struct Schedule {
    bytes: u64,
    due_ms: u64,
    under_way: bool,
}

impl<F: Fs> River<F> {
    /// A river that continues `fold` with what `reader` has from [`Fold::applied`] on. What is durable by now is only
    /// folded, which [`River::run`] does while publishes are already acknowledged.
    pub fn new(
        reader: Reader<F>,
        (fold, replaying): (Fold, Replaying),
        checkpoints: Checkpointer,
        sparks: Sparks,
        shared: Shared,
    ) -> Self {
        shared.folded.store(fold.applied().0, Ordering::Release);
        let (due, topic, tally, checkpoint) = (Due::default(), String::new(), Tally::default(), Schedule::default());
        let (health, health_due_ms, health_look_ms) = (State::Starting, 0, 0);
        let (unreadable, wakes) = (false, Held::default());
        let old = reader.durable().offset();
        let replaying = Some(replaying);
        Self {
            reader,
            old,
            replaying,
            fold,
            checkpoints,
            shared: Arc::new(shared),
            beside: Beside::default(),
            first: First::default(),
            sparks,
            due,
            topic,
            tally,
            wakes,
            unreadable,
            health,
            health_due_ms,
            health_look_ms,
            checkpoint,
        }
    }

    /// Runs until [`Call::Stop`].
    pub(crate) fn run(mut self, calls: &Receiver<Call>) {
        self.checkpoint.due_ms = self.now_ms() + CHECKPOINT_PERIOD_MS;
        // Nobody is answered before: what a halo was in the midst of the old is of no use.
        while self.reader.position() <= self.old && self.step() {}
        if let Some(Err(error)) = self.replaying.take().map(|replaying| replaying.clear()) {
            warn!(%error, "the note of the record being applied cannot be cleared");
        }
        self.sparks.begin(&self.fold);
        self.publish_cohorts();
        self.set_health(State::Ready);
        let (mut going, mut more) = (true, true);
        while going {
            let wait = if more { Duration::ZERO } else { self.wait() };
            match calls.recv_timeout(wait) {
                Ok(call) => going = self.answer(call),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => going = false,
            }
            for _ in 0..ANSWERS_MAX {
                let Some(call) = calls.try_recv().ok().filter(|_| going) else { break };
                going = self.answer(call);
            }
            more = self.step();
        }
        self.write_down_everything();
        self.beside.end();
    }

    fn wait(&self) -> Duration {
        let due = self.due.next().map(|due| Duration::from_millis(due.saturating_sub(self.now_ms())));
        let idle = if self.sparks.waits() { SPARKS_WAIT } else { IDLE_WAIT };
        due.map_or(idle, |due| due.min(idle))
    }

    fn now_ms(&self) -> u64 {
        self.shared.clock.now().mono_ms
    }

    /// Takes in everything durable, batch by batch, and lets out what it says.
    fn flow(&mut self) {
        while self.step() {}
        self.beside.finish();
    }

    /// Takes in one batch and lets out what is due; whether there may be more.
    fn step(&mut self) -> bool {
        self.beside.look();
        let more = !self.sparks.is_full() && self.fold_batch();
        self.sparks.hand_over();
        self.publish_due();
        self.wakes.wake();
        self.write_down();
        self.look_after_health();
        more
    }

    /// What was read is passed, also where it was damaged and there was nothing to fold.
    fn tell_gate(&self) {
        self.shared.gate.folded_to(Offset(self.reader.position().0.saturating_sub(1)));
    }

    fn fold_batch(&mut self) -> bool {
        self.replaying.iter().for_each(Replaying::pausing);
        let batch = match self.reader.next(BATCH_BYTES) {
            Ok(batch) => batch,
            Err(error) => {
                if !std::mem::replace(&mut self.unreadable, true) {
                    error!(%error, "the log cannot be read; trying again");
                }
                return false;
            }
        };
        self.unreadable = false;
        batch.findings.iter().for_each(|finding| self.shared.damages.met(finding));
        let now_ms = self.now_ms();
        let records = Arc::new(batch.records);
        // Of what is old the readings went out in an earlier life.
        let is_new = records.first().is_some_and(|first| first.offset > self.old);
        let beside = is_new && self.beside.take(&records, &self.shared, self.fold.schemas());
        let mut told = if is_new && !beside { self.tell(&records) } else { Vec::new() };
        let mut known = told.iter_mut();
        for record in &*records {
            let told = known.next();
            let is_out = beside || told.is_some();
            self.fold_record(record, told.map_or(Said::Unread, Told::said), now_ms, is_out);
        }
        self.first.take_back(told);
        if let Some(last) = records.last() {
            self.shared.folded.store(last.offset.0, Ordering::Release);
            let deadlines = self.fold.deadline().into_iter().chain(self.sparks.engine().deadline());
            self.shared.gate.set_fold_deadline(deadlines.min());
            self.checkpoint.bytes += batch.bytes as u64;
        }
        self.tell_gate();
        !(records.is_empty() && batch.findings.is_empty())
    }

    /// Lets out what the first of them say, and has it read while they are folded.
    fn tell(&mut self, records: &[Record]) -> Vec<Told> {
        let out = (&mut self.topic, &mut self.wakes);
        let told = self.first.tell(records, self.fold.schemas(), &self.shared, out);
        self.wakes.wake();
        told
    }

    /// `is_out`: its readings went out already, or nobody wanted them.
    fn fold_record(&mut self, record: &Record, said: Said<'_>, now_ms: u64, is_out: bool) {
        if let Some(replaying) = self.replaying.as_ref().filter(|_| record.offset <= self.old) {
            if replaying.skipped().contains(record.offset) {
                return self.fold.skip(record);
            }
            replaying.applying(record.offset);
        }
        die_if_asked("fold", record.offset);
        let touched = self.fold.apply_read(record, said);
        self.shared.metrics.halo_records_total.add(1);
        if record.offset <= self.old {
            return;
        }
        for subject in touched.subjects() {
            self.due.touch(subject.name(), now_ms);
            self.shared.changes.iter().for_each(|changes| changes.touch(subject.name()));
            // What is known of an organisation's members changes with them; the record is not about it.
            for organisation in organisations(subject) {
                self.due.touch(&organisation, now_ms);
                self.shared.changes.iter().for_each(|changes| changes.touch(&organisation));
            }
        }
        if let (false, Some((stored, frame)), Some(readings)) = (is_out, frame_of(record), touched.readings())
            && wants_readings(&self.shared, &mut self.topic, frame)
        {
            let out = (&*self.topic, &mut self.wakes);
            publish_readings(&self.shared, out, record.epoch, stored, frame, readings);
        }
        publish_losses(&self.shared, (&mut self.topic, &mut self.wakes), record);
        let greeted: Vec<Name> = touched.greeted().cloned().collect();
        greeted.iter().for_each(|device| self.welcome(device));
        self.spark(record);
    }

    /// Lets a decision out, and has what follows from the record decided.
    fn spark(&mut self, record: &Record) {
        let Shared { log_ids, grammar, .. } = &*self.shared;
        let mut outs = match &record.body {
            Body::Spark(spark) => sparks::outs(log_ids, grammar, record, spark, &self.fold),
            _ => Vec::new(),
        };
        if let Body::Spark(spark) = &record.body {
            outs.extend(self.sparks.turned(grammar, record, spark, &self.fold));
        }
        self.sparks.follow(record, &self.fold);
        outs.extend(self.sparks.overdue(log_ids, grammar, &self.fold));
        for Out { topic, payload, question } in outs {
            if !self.shared.router.wants(&topic) {
                continue;
            }
            match &question {
                Some((response, words)) => {
                    let asked =
                        self.shared.router.ask_with(topic.into(), payload, (response, words), &mut self.wakes.wakes);
                    asked.unwrap_or_else(|error| error!(%error, "the gateway's own topic was refused"));
                }
                None => publish(&self.shared.router, &topic, payload, false, &mut self.wakes),
            }
        }
        self.publish_cohorts();
    }

    /// Lets out the documents of cohorts that are others now.
    fn publish_cohorts(&mut self) {
        let news = self.sparks.take_counted();
        if news.is_empty() {
            return;
        }
        let grammar = &self.shared.grammar;
        let topics: Vec<String> =
            news.iter().map(|cohort| grammar.display(Topic::Cohort { cohort }).to_string()).collect();
        for (topic, payload) in cohorts(self.sparks.engine(), &self.fold, grammar) {
            if topics.contains(&topic) && self.shared.router.wants(&topic) {
                publish(&self.shared.router, &topic, payload, true, &mut self.wakes);
            }
        }
    }

    /// Tells a device that came in the place of another of its subject.
    fn welcome(&mut self, device: &Name) {
        write_topic(&mut self.topic, &self.shared.grammar, Topic::Cmd { device });
        if !self.shared.router.wants(&self.topic) {
            return;
        }
        if let Some((replaced, subject)) = self.fold.place_of(device) {
            let payload = welcome_json(device, replaced, subject, &self.shared.models);
            publish(&self.shared.router, &self.topic, payload, true, &mut self.wakes);
        }
    }

    fn publish_due(&mut self) {
        let now_ms = self.now_ms();
        while let Some(name) = self.due.take(now_ms) {
            write_topic(&mut self.topic, &self.shared.grammar, Topic::Halo { subject: &name });
            if !self.shared.router.wants(&self.topic) {
                continue;
            }
            let Some(subject) = self.fold.subject(&name) else { continue };
            let payload = render_in(&self.fold, subject, &self.shared.models, &mut self.tally);
            publish(&self.shared.router, &self.topic, payload, true, &mut self.wakes);
            self.shared.metrics.forward_halos_total.add(1);
        }
    }
}

/// What frames after it may say otherwise than frames before it.
fn changes_reading(body: &Body, grammar: &Grammar) -> bool {
    match body {
        Body::Retained(retained) => matches!(grammar.parse(&retained.topic), Topic::Birth { .. }),
        Body::Act(_) | Body::Config(_) => true,
        _ => false,
    }
}

/// The frame of a record and where it was stored, which names it also when it is read again.
fn frame_of(record: &Record) -> Option<(Offset, &Frame)> {
    match &record.body {
        Body::Frame(frame) => Some((record.offset, frame)),
        Body::Replayed(frame) => Some((record.cause?, frame)),
        _ => None,
    }
}

/// After [`wants_readings`], which has written the topic.
fn publish_readings(
    shared: &Shared,
    (topic, wakes): (&str, &mut Held),
    epoch: StartEpoch,
    stored: Offset,
    frame: &Frame,
    readings: &Readings,
) {
    let payload = readings_json(shared.log_ids.of(epoch), stored, frame, readings, Lane::Live);
    publish(&shared.router, topic, payload, false, wakes);
    shared.metrics.forward_readings_total.add(1);
}

/// Whether anybody listens to what a frame says; `topic` is where they do.
fn wants_readings(shared: &Shared, topic: &mut String, frame: &Frame) -> bool {
    write_topic(topic, &shared.grammar, Topic::Readings { subject: &frame.subject, device: &frame.device });
    shared.router.wants(topic)
}

fn publish_losses(shared: &Shared, (topic, wakes): (&mut String, &mut Held), record: &Record) {
    if !record.body.tells_of_loss() {
        return;
    }
    write_topic(topic, &shared.grammar, Topic::Losses { gateway: &shared.gateway_id });
    if shared.router.wants(topic)
        && let Some(payload) = losses_json(shared.log_ids.of(record.epoch), record)
    {
        publish(&shared.router, topic, payload, false, wakes);
    }
}

fn write_topic(out: &mut String, grammar: &Grammar, topic: Topic<'_>) {
    out.clear();
    write!(out, "{}", grammar.display(topic)).expect("writing to a string cannot fail");
}

fn publish(router: &Router, topic: &str, payload: Bytes, retain: bool, held: &mut Held) {
    if let Err(error) = router.publish_with(topic.into(), payload, QOS, retain, &mut held.wakes) {
        error!(topic, %error, "the gateway's own topic was refused");
    }
    held.messages += 1;
    if held.messages >= MESSAGES_HELD {
        held.wake();
    }
}

impl Held {
    fn wake(&mut self) {
        self.wakes.wake();
        self.messages = 0;
    }
}

/// One subject's halo as it would be published now, by the models of this build; for the demo and for tests.
pub fn render_halo(subject: &Subject) -> Bytes {
    render(subject, &Models::default(), &mut Tally::default())
}

#[cfg(test)]
mod tests;
