//! What an upstream reads of the log: one reader a way, and one that goes ahead, learns births and counts frames, so that
//! live can leave a stretch out without missing how later frames are to be read.

use std::collections::VecDeque;

use halo_proto::topic::Topic;

use super::config::{Config, Send};
use super::machine::{Fate, Way};
use super::start::Shared;
use super::transport::Message;
use crate::forward::losses_json::losses_json;
use crate::forward::readings_json::{Lane, mid, readings_json};
use crate::forward::spark_json::spark_json;
use crate::ingest::readings::{Readings, read};
use crate::ingest::schemas::Schemas;
use crate::record::{Body, Frame, Offset, Progress, Record, Spark};
use crate::store::fs::Fs;
use crate::store::{Damages, Reader, StoreError};

/// Bytes of log read at a time, for each way.
const BATCH_BYTES: usize = 64 << 10;
/// Bytes of log learned or counted at a time.
const SCOUT_BYTES: usize = 1 << 20;

/// One way's place in the log.
struct Pull<F: Fs> {
    reader: Reader<F>,
    batch: VecDeque<Record>,
    /// After the last record taken.
    next: Offset,
}

impl<F: Fs> Pull<F> {
    fn at(reader: &Reader<F>, next: Offset) -> Self {
        Self { reader: reader.at(next), batch: VecDeque::new(), next }
    }
}

/// Frames of an earlier life that are still to be passed, being counted.
struct Census<F: Fs> {
    reader: Reader<F>,
    due: Progress,
    until: Offset,
}

pub(super) struct Source<F: Fs> {
    live: Pull<F>,
    backfill: Pull<F>,
    sparks: Pull<F>,
    scout: Reader<F>,
    census: Option<Census<F>>,
    schemas: Schemas,
    /// Births up to here are known, frames up to here counted.
    learned: Offset,
    frames: u64,
    scratch: Readings,
}

impl<F: Fs> Source<F> {
    /// `schemas` as of `known`; `progress` is where the cursor stands.
    pub(super) fn new(reader: &Reader<F>, schemas: Schemas, known: Offset, progress: &Progress) -> Self {
        let first = progress.backfill.first().map_or(progress.live.next(), |stretch| stretch.first);
        let census = (first <= known).then(|| Census { reader: reader.at(first), due: progress.clone(), until: known });
        Self {
            live: Pull::at(reader, progress.live.next()),
            backfill: Pull::at(reader, first),
            sparks: Pull::at(reader, progress.sparks.map_or(first, Offset::next)),
            scout: reader.at(known.next()),
            census,
            schemas,
            learned: known,
            frames: 0,
            scratch: Readings::default(),
        }
    }

    /// The next record of a way at or after `from`.
    pub(super) fn peek(&mut self, way: Way, from: Offset, damages: &Damages) -> Result<Option<Offset>, StoreError> {
        let pull = self.pull(way);
        if pull.next != from {
            *pull = Pull::at(&pull.reader, from);
        }
        if self.pull(way).batch.is_empty() {
            let batch = self.pull(way).reader.next(BATCH_BYTES)?;
            batch.findings.iter().for_each(|finding| damages.met(finding));
            if way == Way::Live {
                batch.records.iter().for_each(|record| self.learn(record));
            }
            self.pull(way).batch.extend(batch.records);
        }
        Ok(self.pull(way).batch.front().map(|record| record.offset))
    }

    /// Takes what [`Source::peek`] has shown.
    pub(super) fn take(&mut self, way: Way) -> Option<Record> {
        let pull = self.pull(way);
        let record = pull.batch.pop_front()?;
        pull.next = record.offset.next();
        Some(record)
    }

    /// A single record, read anew.
    pub(super) fn fetch(&self, offset: Offset) -> Option<Record> {
        let batch = self.scout.at(offset).next(1).ok()?;
        batch.records.into_iter().next().filter(|record| record.offset == offset)
    }

    fn pull(&mut self, way: Way) -> &mut Pull<F> {
        match way {
            Way::Live => &mut self.live,
            Way::Backfill => &mut self.backfill,
            Way::Sparks => &mut self.sparks,
        }
    }

    fn learn(&mut self, record: &Record) {
        if record.offset > self.learned {
            self.schemas.apply(record);
            self.frames += u64::from(matches!(record.body, Body::Frame(_)));
            self.learned = record.offset;
        }
    }

    /// Learns and counts a piece of what is durable; whether there was any.
    pub(super) fn scout(&mut self) -> Result<bool, StoreError> {
        if self.scout.position() <= self.learned {
            self.scout = self.scout.at(self.learned.next());
        }
        let batch = self.scout.next(SCOUT_BYTES)?;
        let some = !batch.records.is_empty();
        for record in &batch.records {
            self.learn(record);
        }
        Ok(some)
    }

    /// Counts a piece of what an earlier life left; whether something is still to be counted.
    pub(super) fn count(&mut self) -> Result<bool, StoreError> {
        let Some(census) = &mut self.census else { return Ok(false) };
        let batch = census.reader.next(SCOUT_BYTES)?;
        for record in batch.records.iter().filter(|record| record.offset <= census.until) {
            let due = record.offset > census.due.live
                || census.due.backfill.iter().any(|it| (it.first..=it.last).contains(&record.offset));
            self.frames += u64::from(due && matches!(record.body, Body::Frame(_)));
        }
        if batch.records.last().is_none_or(|last| last.offset >= census.until) {
            self.census = None;
        }
        Ok(self.census.is_some())
    }

    pub(super) fn is_counting(&self) -> bool {
        self.census.is_some()
    }

    /// Births up to here are known.
    pub(super) fn learned(&self) -> Offset {
        self.learned
    }

    /// Frames counted since the process began.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// What a record is to this upstream, and the message that says so.
    pub(super) fn render(
        &mut self,
        config: &Config,
        shared: &Shared,
        way: Way,
        record: &Record,
    ) -> (Fate, Option<Message>) {
        let (readings, losses) = (config.sends(Send::Readings), config.sends(Send::Losses));
        match &record.body {
            Body::Spark(spark) if way == Way::Sparks => (Fate::Spark, Some(told(config, shared, record, spark))),
            _ if way == Way::Sparks => (Fate::Pass, None),
            Body::Frame(frame) if readings => match self.reading(config, shared, way, record, frame) {
                Some(message) => (Fate::Frame, Some(message)),
                None => (Fate::Quarantined, None),
            },
            // Its id is the one it would have had when it was stored first.
            Body::Replayed(frame) if readings => match self.reading(config, shared, way, record, frame) {
                Some(message) => (Fate::Replayed { original: record.cause.unwrap_or(record.offset) }, Some(message)),
                None => (Fate::Pass, None),
            },
            body if body.tells_of_loss() => {
                let missed = missed(&record.body, &config.name);
                let message = losses.then(|| loss(config, shared, way, record)).flatten();
                let publish = message.is_some();
                let fate = if publish || missed > 0 { Fate::Loss { missed, publish } } else { Fate::Pass };
                (fate, message)
            }
            _ => (Fate::Pass, None),
        }
    }

    fn reading(
        &mut self,
        config: &Config,
        shared: &Shared,
        way: Way,
        record: &Record,
        frame: &Frame,
    ) -> Option<Message> {
        read(frame, record.offset, &self.schemas, &mut self.scratch).ok()?;
        let topic = Topic::Readings { subject: &frame.subject, device: &frame.device };
        let lane = if way == Way::Live { Lane::Live } else { Lane::Backfill };
        let original = record.cause.unwrap_or(record.offset);
        let log_id = shared.log_ids.of(record.epoch);
        Some(Message {
            topic: config.topic(&shared.grammar.display(topic).to_string()),
            payload: readings_json(log_id, original, frame, &self.scratch, lane),
            retain: false,
            properties: properties(mid(log_id, original), way),
        })
    }
}

fn loss(config: &Config, shared: &Shared, way: Way, record: &Record) -> Option<Message> {
    let topic = Topic::Losses { gateway: &shared.gateway_id };
    let log_id = shared.log_ids.of(record.epoch);
    Some(Message {
        topic: config.topic(&shared.grammar.display(topic).to_string()),
        payload: losses_json(log_id, record)?,
        retain: false,
        properties: properties(mid(log_id, record.offset), way),
    })
}

fn told(config: &Config, shared: &Shared, record: &Record, spark: &Spark) -> Message {
    let topic = Topic::Spark { subject: &spark.subject, rule: &spark.rule };
    Message {
        topic: config.topic(&shared.grammar.display(topic).to_string()),
        payload: spark_json(&shared.log_ids, record, spark),
        retain: false,
        properties: properties(mid(shared.log_ids.of(record.epoch), record.offset), Way::Sparks),
    }
}

fn properties(mid: String, way: Way) -> Vec<(String, String)> {
    let lane = match way {
        Way::Live => "live",
        Way::Backfill => "backfill",
        Way::Sparks => "sparks",
    };
    vec![("mid".to_owned(), mid), ("lane".to_owned(), lane.to_owned())]
}

fn missed(body: &Body, name: &str) -> u32 {
    match body {
        Body::Dropped(dropped) => dropped.missed.iter().filter(|(who, _)| who == name).map(|(_, count)| count).sum(),
        _ => 0,
    }
}
