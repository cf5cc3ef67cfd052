//! A log owner on a disk in memory, turned by hand, with the connections before it and the checkpoints beside it.

use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

use bytes::Bytes;
use halo_proto::birth;
use halo_proto::chunk::{self, Times};
use halo_proto::frame::Header;
use halo_proto::schema::{self, Column, FrameBuilder, Schema};
use halo_proto::topic::Grammar;
use tokio::sync::oneshot;

use super::super::*;
use crate::broker::{Mailbox, SessionKey};
use crate::ingest::Channel;
use crate::record::{FoldConfig, Start};
use crate::store::fs::mem::MemFs;
use crate::store::inlet::{Appender, Inlet};
use crate::store::state::{Change, MemState, StateEngine, Table};
use crate::store::{Options, Reader};

pub(crate) const WALL_MS: i64 = 1_800_000_000_000;

pub(crate) struct Rig {
    pub(crate) owner: Owner<MemFs>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) metrics: Arc<Metrics>,
    /// What was written down of the head.
    pub(crate) state: MemState,
    queue: SyncSender<Submission>,
    inbox: Receiver<Submission>,
    mailbox: Arc<Mailbox>,
    tickets: u64,
}

pub(crate) fn clock() -> Clock {
    Clock::manual(GatewayTime { wall_ms: WALL_MS, mono_ms: 0 })
}

pub(crate) fn config(silent_after_ms: u64) -> FoldConfig {
    FoldConfig { hash: 1 + silent_after_ms as u32, silent_after_ms, ..FoldConfig::default() }
}

impl Rig {
    pub(crate) fn new(fs: &MemFs) -> Self {
        Self::start(fs, MemState::default(), &clock(), &config(60_000)).unwrap()
    }

    /// The same with a device.
    pub(crate) fn born(fs: &MemFs) -> Self {
        let mut rig = Self::new(fs);
        let now = rig.clock().now();
        assert_eq!(rig.publish(birth("pi", 1, now)), Outcome::Stored);
        rig
    }

    /// As the gateway starts: recover, take up the checkpoint, replay the rest, write what every start writes.
    pub(crate) fn start(fs: &MemFs, state: MemState, clock: &Clock, config: &FoldConfig) -> Result<Self, StoreError> {
        Self::start_with(fs, state, clock, config, |options| options)
    }

    /// The same with a log that is kept another way.
    pub(crate) fn start_with(
        fs: &MemFs,
        state: MemState,
        clock: &Clock,
        config: &FoldConfig,
        other: impl FnOnce(Options) -> Options,
    ) -> Result<Self, StoreError> {
        let (metrics, gate) = (Arc::new(Metrics::default()), Arc::new(Gate::default()));
        let options = Options {
            segment_bytes: 24 << 10,
            group_bytes: 8 << 10,
            metrics: Arc::clone(&metrics),
            clock: clock.clone(),
            ..Options::deterministic(fs.calls())
        };
        let (log, recovered) = Log::open(fs.clone(), Path::new("/log"), other(options))?;
        if let Some(last) = recovered.last_stamp {
            clock.continue_from(last);
        }
        let mut head = Head::load(&Grammar::default(), &state).unwrap();
        assert!(head.applied() <= log.durable(), "a checkpoint is never ahead of the durable log");
        head.replay(&mut log.reader(head.applied().next()))?;
        let mut first = vec![Body::Start(Start { version: "1".into() })];
        if head.config().hash != config.hash {
            first.push(Body::Config(config.clone()));
        }
        let shared = Shared {
            clock: clock.clone(),
            gate: gate.clone(),
            damages: Arc::default(),
            metrics: metrics.clone(),
            wake: Box::new(|| ()),
        };
        let mut owner = Owner::new(log, head, None, shared);
        owner.begin(first)?;
        let (queue, inbox) = sync_channel(64);
        Ok(Self { owner, gate, metrics, state, queue, inbox, mailbox: Arc::default(), tickets: 0 })
    }

    /// Hands a publish over; its ticket.
    pub(crate) fn offer(&mut self, publish: Publish) -> u64 {
        assert!(self.gate.try_enter(publish.payload.len() + publish.topic.len()));
        let ticket = self.tickets;
        self.tickets += 1;
        self.queue.send(Submission::Publish(publish, Receipt::new(Arc::clone(&self.mailbox), ticket))).unwrap();
        ticket
    }

    /// Hands a publish over, with the next ticket, 5 ms after a group has become durable.
    pub(crate) fn offer_when_something_is_durable(&mut self, publish: Publish) {
        let receipt = Receipt::new(Arc::clone(&self.mailbox), self.tickets);
        self.tickets += 1;
        assert!(self.gate.try_enter(publish.payload.len() + publish.topic.len()));
        let (clock, queue, offer) = (
            self.clock().clone(),
            self.queue.clone(),
            std::sync::Mutex::new(Some(Submission::Publish(publish, receipt))),
        );
        self.owner.wake = Box::new(move || {
            let offer = offer.lock().unwrap().take();
            if let Some(offer) = offer {
                clock.advance(Duration::from_millis(5));
                queue.send(offer).unwrap();
            }
        });
    }

    /// The queue holds so many from here on.
    pub(crate) fn make_room_for(&mut self, submissions: usize) {
        (self.queue, self.inbox) = sync_channel(submissions);
    }

    /// Offers so much that the turn's group is full, whatever else is in it: publishes that are refused, being too large.
    pub(crate) fn fill_group(&mut self) {
        let at = self.clock().now();
        for _ in 0..2 {
            self.offer(retained("much", 9, vec![0; GROUP_BYTES_MAX / 2].into(), at));
        }
    }

    pub(crate) fn ask(&mut self, question: impl FnOnce(&Head) + Send + 'static) {
        self.gate.claim_anyway();
        self.queue.send(Submission::Ask(Box::new(question))).unwrap();
    }

    /// Nobody can hand anything over any more.
    pub(crate) fn disconnect(&mut self) {
        self.queue = sync_channel(1).0;
    }

    pub(crate) fn stop(&mut self) {
        self.gate.claim_anyway();
        self.queue.send(Submission::Stop).unwrap();
    }

    pub(crate) fn end_session(&mut self, session: u64) {
        self.gate.claim_anyway();
        self.queue.send(Submission::SessionEnded(SessionKey(session))).unwrap();
    }

    pub(crate) fn append(&mut self, body: Body) -> oneshot::Receiver<Result<Offset, AppendError>> {
        self.submit(body.into())
    }

    pub(crate) fn submit(&mut self, draft: Draft) -> oneshot::Receiver<Result<Offset, AppendError>> {
        let (done, durable) = oneshot::channel();
        self.gate.claim_anyway();
        self.queue.send(Submission::Append(draft, done)).unwrap();
        durable
    }

    pub(crate) fn turn(&mut self) -> Turn {
        self.turn_within(Duration::ZERO)
    }

    /// A turn that waits so long for a submission.
    pub(crate) fn turn_within(&mut self, wait: Duration) -> Turn {
        self.owner.turn(&self.inbox, wait)
    }

    /// What was settled since the last call.
    pub(crate) fn outcomes(&self) -> Vec<(u64, Outcome)> {
        self.mailbox.collect().0
    }

    /// One publish in a group of its own.
    pub(crate) fn publish(&mut self, publish: Publish) -> Outcome {
        let ticket = self.offer(publish);
        assert_eq!(self.turn(), Turn::Next);
        match &self.outcomes()[..] {
            [(settled, outcome)] if *settled == ticket => outcome.clone(),
            other => panic!("{other:?} where ticket {ticket} was to be settled"),
        }
    }

    pub(crate) fn checkpoint(&mut self) {
        if self.owner.head.applied() > self.owner.log.durable() {
            return;
        }
        self.state.commit(self.owner.head.changes()).unwrap();
    }

    pub(crate) fn reader(&self) -> Reader<MemFs> {
        self.reader_from(Offset(1))
    }

    pub(crate) fn reader_from(&self, from: Offset) -> Reader<MemFs> {
        self.owner.log.reader(from)
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        let mut reader = self.reader();
        let mut records = Vec::new();
        loop {
            let batch = reader.next(1 << 20).unwrap();
            assert_eq!(batch.findings, []);
            if batch.is_empty() {
                return records;
            }
            records.extend(batch.records);
        }
    }

    /// Bytes of all records, as the fold counts them.
    pub(crate) fn weight(&self) -> u64 {
        self.records().iter().map(Record::weight).sum()
    }

    pub(crate) fn bodies(&self) -> Vec<Body> {
        self.records().into_iter().map(|record| record.body).collect()
    }

    /// How often a payload stands in the log as a frame.
    pub(crate) fn stored(&self, payload: &[u8]) -> usize {
        self.bodies().iter().filter(|body| matches!(body, Body::Frame(frame) if *frame.payload == *payload)).count()
    }

    /// The first row in which the head differs from one that has read the whole log.
    pub(crate) fn unlike_the_log(&mut self) -> Option<String> {
        self.checkpoint();
        let (mut scratch, mut rows) = (Head::new(&Grammar::default()), MemState::default());
        scratch.replay(&mut self.reader()).unwrap();
        rows.commit(scratch.changes()).unwrap();
        let tables =
            Table::ALL.into_iter().map(|table| (table, self.state.rows(table).unwrap(), rows.rows(table).unwrap()));
        let unlike = tables.filter(|(_, head, log)| head != log).map(|(table, mut head, mut log)| {
            let (was_head, was_log) = (head.clone(), log.clone());
            head.retain(|row| !was_log.contains(row));
            log.retain(|row| !was_head.contains(row));
            let text = |rows: Vec<(Vec<u8>, Vec<u8>)>| {
                let text = |(key, value): &(Vec<u8>, Vec<u8>)| format!("{} = {value:02x?}", key.escape_ascii());
                rows.first().map_or_else(|| "nothing".to_owned(), text)
            };
            format!("{table:?}: {}, {}", text(head), text(log))
        });
        unlike.into_iter().next()
    }

    /// The log's door; somebody has to turn.
    pub(crate) fn appender(&self) -> Appender {
        Inlet::new(self.queue.clone(), Arc::clone(&self.gate), Grammar::default()).appender()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.owner.clock
    }

    pub(crate) fn log(&self) -> &Log<MemFs> {
        &self.owner.log
    }

    /// The head's rows as they would be written down now; `None` while they are ahead of the durable log.
    pub(crate) fn head_rows(&mut self) -> Option<Vec<Change>> {
        (self.owner.head.applied() <= self.owner.log.durable()).then(|| self.owner.head.changes())
    }

    pub(crate) fn cursor(&self, consumer: &str) -> Option<Offset> {
        self.owner.head.cursor(consumer)
    }
}

fn schema() -> Schema {
    let column = Column { metric: 0x8000, num: 1, den: 10, bias: 70, k0: 4, name: Some("depth".into()) };
    Schema::hashed(vec![schema::Group { clock: chunk::Clock::Regular { dt_ms: 1000 }, columns: vec![column] }]).unwrap()
}

/// Ten readings of a device that says its boot and sequence.
pub(crate) fn frame(seq: u32, value: i64) -> Bytes {
    let (schema, t0_ms) = (schema(), u64::from(seq) * 10_000);
    let mut builder = FrameBuilder::new();
    builder.begin(&Header { schema: schema.id, boot: 1, seq, t0_ms }).unwrap();
    builder.chunk(&schema, 0, Times::From(t0_ms as i64), &[&[Some(value); 10]]).unwrap();
    builder.finish().into()
}

pub(crate) fn telemetry(device: &str, session: u64, payload: Bytes, at: GatewayTime) -> Publish {
    Publish {
        device: device.into(),
        topic: format!("halo/v1/d/{device}/t").into(),
        publisher: device.into(),
        channel: Channel::Telemetry,
        payload,
        qos: 1,
        arrival: at,
        session,
    }
}

pub(crate) fn birth(device: &str, session: u64, at: GatewayTime) -> Publish {
    let head = birth::Head { kind: 0, schema: 0, boot: 1, t0_ms: 0, sync: None, firmware: "1" };
    let topic = format!("halo/v1/d/{device}/birth").into();
    let payload = schema().birth_bytes(&head).unwrap().into();
    Publish { topic, channel: Channel::Birth, ..telemetry(device, session, payload, at) }
}

pub(crate) fn retained(topic: &str, session: u64, payload: Bytes, at: GatewayTime) -> Publish {
    let from = telemetry("", session, payload, at);
    Publish { topic: topic.into(), publisher: "somebody".into(), channel: Channel::Other, ..from }
}
