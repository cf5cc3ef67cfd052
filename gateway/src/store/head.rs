//! What the log owner knows at the head: a fold over the log like any other, written down about once a second.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use halo_proto::topic::Grammar;

use crate::ingest::{Ingest, LoadError, Settings};
use crate::record::{Act, Body, Deed, FoldConfig, GatewayTime, Name, Offset, Progress, Record, Retained};
use crate::store::fs::Fs;
use crate::store::replaying::{SKIPPED, Skipped, die_if_asked};
use crate::store::state::{Change, StateEngine, StateError, Table};
use crate::store::{Finding, Reader, StoreError};

/// Bytes of log read at a time while replaying.
const REPLAY_BYTES: usize = 4 << 20;
/// Version of the rows below; another one means: fold the log from its start.
const HEAD_VERSION: u16 = 6;
pub(crate) const HEAD_KEY: &[u8] = b"head";

/// A client's retained message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// QoS of the publish.
    pub qos: u8,
    /// Never empty.
    pub payload: Vec<u8>,
}

/// The row that moves the watermark.
#[derive(Serialize, Deserialize)]
struct Common {
    version: u16,
    applied: Offset,
    stamp: GatewayTime,
    config: FoldConfig,
    held: BTreeMap<Name, bool>,
}

/// Why a checkpoint is of no use; the log has everything.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// Written by another version.
    #[error("checkpoint has version {found}, wanted {HEAD_VERSION}")]
    Version {
        /// The version found.
        found: u16,
    },
    /// Not what was written.
    #[error("checkpoint row {row} of table {} is not readable", .table.name())]
    Row {
        /// Where it stands.
        table: Table,
        /// Its key, as text.
        row: String,
    },
    /// The engine says so.
    #[error(transparent)]
    Engine(#[from] StateError),
    /// Ingest says so.
    #[error(transparent)]
    Ingest(#[from] LoadError),
}

/// The head's state.
pub struct Head {
    pub(crate) ingest: Ingest,
    grammar: Grammar,
    retained: BTreeMap<Name, Kept>,
    retained_dirty: BTreeSet<Name>,
    cursors: BTreeMap<Name, (Offset, Progress)>,
    cursors_dirty: BTreeSet<Name>,
    config: FoldConfig,
    /// Upstreams that an administrator held back or let go; the last word on each.
    held: BTreeMap<Name, bool>,
    applied: Offset,
    stamp: GatewayTime,
    /// The data folder's, not the log's.
    skipped: Skipped,
}

impl Head {
    /// Knows nothing; births are recognised by `grammar`.
    pub fn new(grammar: &Grammar) -> Self {
        Self {
            ingest: Ingest::new(settings(grammar)),
            grammar: *grammar,
            retained: BTreeMap::new(),
            retained_dirty: BTreeSet::new(),
            cursors: BTreeMap::new(),
            cursors_dirty: BTreeSet::new(),
            config: FoldConfig::default(),
            held: BTreeMap::new(),
            applied: Offset(0),
            stamp: GatewayTime::default(),
            skipped: Skipped::default(),
        }
    }

    /// Takes up the newest checkpoint; an engine without one gives an empty head.
    ///
    /// # Errors
    /// [`HeadError`]: start from [`Head::new`] and replay the whole log.
    pub fn load(grammar: &Grammar, engine: &dyn StateEngine) -> Result<Self, HeadError> {
        let mut head = Self::new(grammar);
        let Some(row) = engine.get(Table::Meta, HEAD_KEY)? else { return Ok(head) };
        let common: Common = decode(Table::Meta, HEAD_KEY, &row)?;
        if common.version != HEAD_VERSION {
            return Err(HeadError::Version { found: common.version });
        }
        (head.applied, head.stamp, head.config) = (common.applied, common.stamp, common.config);
        head.held = common.held;
        head.retained = rows(engine, Table::Retained)?;
        head.cursors = rows(engine, Table::Cursor)?;
        head.ingest = Ingest::load(settings(grammar), engine.rows(Table::Ingest)?)?;
        Ok(head)
    }

    /// How far the head is written down in `engine`.
    ///
    /// # Errors
    /// [`HeadError`]: what is written down is of no use.
    pub fn written(engine: &dyn StateEngine) -> Result<Offset, HeadError> {
        let Some(row) = engine.get(Table::Meta, HEAD_KEY)? else { return Ok(Offset(0)) };
        let common: Common = decode(Table::Meta, HEAD_KEY, &row)?;
        Ok(common.applied)
    }

    /// Becomes `rebuilt` from the durable log, because this one has folded more than became durable. What belongs to
    /// the process stays: it was not there when those records were written.
    pub(crate) fn become_rebuilt(&mut self, rebuilt: Self) {
        let live = std::mem::replace(self, rebuilt).ingest.into_live();
        self.ingest.resume(live);
    }

    pub(crate) fn grammar(&self) -> Grammar {
        self.grammar
    }

    /// Folds what `reader` still has; what it had to skip.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the log cannot be read.
    pub fn replay<F: Fs>(&mut self, reader: &mut Reader<F>) -> Result<Vec<Finding>, StoreError> {
        self.replay_noting(reader, |_| ())
    }

    /// The same; `note` hears of each record before it is applied, and of offset 0 when none is.
    ///
    /// # Errors
    /// As [`Head::replay`].
    pub fn replay_noting<F: Fs>(
        &mut self,
        reader: &mut Reader<F>,
        note: impl Fn(Offset),
    ) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        loop {
            note(Offset(0));
            let batch = reader.next(REPLAY_BYTES)?;
            if batch.is_empty() {
                return Ok(findings);
            }
            findings.extend(batch.findings);
            for record in &batch.records {
                note(record.offset);
                self.apply(record);
            }
        }
    }

    /// Takes one record in; each exactly once, in offset order.
    pub fn apply(&mut self, record: &Record) {
        self.applied = record.offset;
        self.stamp = record.stamp;
        if self.skipped.contains(record.offset) {
            return self.ingest.skip(record, SKIPPED);
        }
        die_if_asked("head", record.offset);
        match &record.body {
            Body::Retained(retained) => self.keep(retained),
            Body::Cursor(cursor) => {
                let stands = (cursor.confirmed, cursor.progress.clone());
                self.cursors.insert(cursor.consumer.clone(), stands);
                self.cursors_dirty.insert(cursor.consumer.clone());
            }
            Body::Config(config) => self.config = config.clone(),
            Body::Act(Act { deed: Deed::Hold { upstream, held }, .. }) => {
                self.held.insert(upstream.as_str().into(), *held);
            }
            _ => {}
        }
        self.ingest.apply(record);
    }

    fn keep(&mut self, retained: &Retained) {
        let Retained { topic, qos, payload, .. } = retained;
        if payload.is_empty() {
            self.retained.remove(topic);
        } else {
            self.retained.insert(topic.clone(), Kept { qos: *qos, payload: payload.to_vec() });
        }
        self.retained_dirty.insert(topic.clone());
    }

    /// Records to pass over from now on, by the data folder's list.
    pub fn skip(&mut self, skipped: Skipped) {
        self.skipped = skipped;
    }

    /// The records it passes over.
    pub(crate) fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// What publishes became: births, sequences, quarantine, losses, assignments.
    pub fn ingest(&self) -> &Ingest {
        &self.ingest
    }

    /// What the quarantine may hold from now on.
    pub fn limit_quarantine(&mut self, limits: crate::ingest::quarantine::Config) {
        self.ingest.limit_quarantine(limits);
    }

    /// What devices prove themselves with from now on.
    pub fn trust(&mut self, keys: crate::ingest::keys::Keys) {
        self.ingest.trust(keys);
    }

    /// Whether an administrator has held that upstream back.
    pub fn is_held(&self, upstream: &str) -> bool {
        self.held.get(upstream).copied().unwrap_or(false)
    }

    /// The last record in it.
    pub fn applied(&self) -> Offset {
        self.applied
    }

    /// The newest stamp in it.
    pub fn last_stamp(&self) -> GatewayTime {
        self.stamp
    }

    /// The fold-relevant configuration last written to the log.
    pub fn config(&self) -> &FoldConfig {
        &self.config
    }

    /// How far a consumer of the log has confirmed; `None` = it never did.
    pub fn cursor(&self, consumer: &str) -> Option<Offset> {
        self.cursors.get(consumer).map(|(confirmed, _)| *confirmed)
    }

    /// All consumers of the log and how far each has confirmed.
    pub fn cursors(&self) -> impl Iterator<Item = (&Name, Offset)> {
        self.cursors.iter().map(|(consumer, (confirmed, _))| (consumer, *confirmed))
    }

    /// Where a consumer of the log stands; `None` = it never confirmed anything.
    pub fn progress(&self, consumer: &str) -> Option<&Progress> {
        self.cursors.get(consumer).map(|(_, progress)| progress)
    }

    /// The clients' retained messages: topic, payload, QoS.
    pub fn retained(&self) -> impl Iterator<Item = (Name, Bytes, u8)> {
        self.retained.iter().map(|(topic, kept)| (topic.clone(), Bytes::copy_from_slice(&kept.payload), kept.qos))
    }

    /// One client's retained message.
    pub(crate) fn retained_on(&self, topic: &str) -> Option<Bytes> {
        self.retained.get(topic).map(|kept| Bytes::copy_from_slice(&kept.payload))
    }

    /// The topics of what organisations offer, and the bytes of each table, in order of the topics.
    pub(crate) fn offers(&self) -> Vec<(Name, usize)> {
        let before = format!("{}/offers/", self.grammar.root());
        let from = self.retained.range::<str, _>((Bound::Included(&*before), Bound::Unbounded));
        let tables = from.take_while(|(topic, _)| topic.starts_with(&before));
        tables.map(|(topic, kept)| (topic.clone(), kept.payload.len())).collect()
    }

    /// The rows that changed since the last call, with the watermark they stand for; taken as written.
    pub fn changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        for topic in std::mem::take(&mut self.retained_dirty) {
            let value = self.retained.get(&topic).map(encode);
            changes.push(Change { table: Table::Retained, key: topic.as_bytes().to_vec(), value });
        }
        for consumer in std::mem::take(&mut self.cursors_dirty) {
            let value = self.cursors.get(&consumer).map(encode);
            changes.push(Change { table: Table::Cursor, key: consumer.as_bytes().to_vec(), value });
        }
        let ingest = self.ingest.dirty_rows();
        changes.extend(ingest.into_iter().map(|(key, value)| Change { table: Table::Ingest, key, value }));
        let (config, held) = (self.config.clone(), self.held.clone());
        let common = Common { version: HEAD_VERSION, applied: self.applied, stamp: self.stamp, config, held };
        changes.push(Change { table: Table::Meta, key: HEAD_KEY.to_vec(), value: Some(encode(&common)) });
        changes
    }
}

fn settings(grammar: &Grammar) -> Settings {
    Settings { grammar: *grammar, ..Settings::default() }
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("writing owned state to memory cannot fail")
}

fn decode<'a, T: Deserialize<'a>>(table: Table, key: &[u8], value: &'a [u8]) -> Result<T, HeadError> {
    postcard::from_bytes(value).map_err(|_| unreadable(table, key))
}

fn unreadable(table: Table, key: &[u8]) -> HeadError {
    HeadError::Row { table, row: String::from_utf8_lossy(key).into_owned() }
}

fn rows<T: for<'a> Deserialize<'a>>(engine: &dyn StateEngine, table: Table) -> Result<BTreeMap<Name, T>, HeadError> {
    let rows = engine.rows(table)?;
    let named = rows.iter().map(|(key, value)| {
        let name = std::str::from_utf8(key).map_err(|_| unreadable(table, key))?;
        Ok((Name::from(name), decode(table, key, value)?))
    });
    named.collect()
}
