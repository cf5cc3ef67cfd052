//! The group that gathers and those on their way to the disk: what their commits decide about, and who waits for them.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::broker::{Outcome, Receipt, Wakes};
use crate::metrics::Metrics;
use crate::record::{Body, Name, Offset, Record};
use crate::store::gate::Gate;
use crate::store::inlet::AppendError;

/// Who waits for a record to be durable.
pub(super) enum Waiting {
    Receipt(Receipt),
    Append(oneshot::Sender<Result<Offset, AppendError>>, Offset),
}

/// Records gather in one group, departed ones wait for the disk, oldest first.
pub(super) struct Groups {
    gate: Arc<Gate>,
    metrics: Arc<Metrics>,
    gathering: Group,
    waiting: Vec<Waiting>,
    departed: VecDeque<Departed>,
}

/// What is in a group, as far as its commit decides about it.
#[derive(Default)]
struct Group {
    bytes: u64,
    frames: u64,
    quarantined: u64,
    replayed: u64,
    expired: u64,
    /// Departures, counts of repeats, damage: forgotten once they are told; if the group fails, they are said again.
    once: Vec<Body>,
    /// Cursors in it: they count for others once they are durable.
    cursors: Vec<(Name, Offset)>,
}

struct Departed {
    last: Offset,
    group: Group,
    waiting: Vec<Waiting>,
    /// What the gate has to let in again for it.
    submissions: usize,
    submitted_bytes: u64,
}

impl Groups {
    pub(super) fn new(gate: Arc<Gate>, metrics: Arc<Metrics>) -> Self {
        let (gathering, waiting, departed) = Default::default();
        Self { gate, metrics, gathering, waiting, departed }
    }

    /// A record was put into the group.
    pub(super) fn add(&mut self, record: &Record) {
        self.gathering.add(record);
    }

    /// Somebody waits for what has been put into the group.
    pub(super) fn wait(&mut self, waiting: Waiting) {
        self.waiting.push(waiting);
    }

    /// Bytes gathered, as the fold counts them.
    pub(super) fn gathered_bytes(&self) -> u64 {
        self.gathering.bytes
    }

    /// Whether all that has departed is settled.
    pub(super) fn none_departed(&self) -> bool {
        self.departed.is_empty()
    }

    /// Those who wait for what was gathered wait for `last`, its last record, from here on.
    pub(super) fn depart(&mut self, last: Offset) {
        let group = std::mem::take(&mut self.gathering);
        if group.bytes > 0 {
            self.gate.committing(last, group.bytes);
        }
        if group.bytes > 0 || !self.waiting.is_empty() {
            let waiting = std::mem::take(&mut self.waiting);
            self.departed.push_back(Departed { last, group, waiting, submissions: 0, submitted_bytes: 0 });
        }
    }

    /// So many submissions were taken; while they are under way they count as not yet durable.
    pub(super) fn left(&mut self, submissions: usize, bytes: u64) {
        match self.departed.back_mut() {
            Some(departed) => {
                departed.submissions += submissions;
                departed.submitted_bytes += bytes;
            }
            None => self.gate.left(submissions, bytes),
        }
    }

    /// Settles what is durable; its bytes.
    pub(super) fn landed(&mut self, durable: Offset) -> u64 {
        let (mut wakes, mut bytes) = (Wakes::default(), 0);
        while let Some(mut landed) = self.departed.pop_front_if(|group| group.last <= durable) {
            bytes += landed.group.bytes;
            self.count(landed.group);
            settle(&mut landed.waiting, &mut wakes);
            if self.waiting.capacity() == 0 {
                self.waiting = landed.waiting;
            }
            if landed.submissions > 0 {
                self.gate.left(landed.submissions, landed.submitted_bytes);
            }
        }
        bytes
    }

    fn count(&self, group: Group) {
        self.metrics.ingest_frames_total.add(group.frames);
        self.metrics.ingest_quarantined_total.add(group.quarantined);
        self.metrics.ingest_replayed_total.add(group.replayed);
        self.metrics.ingest_expired_total.add(group.expired);
        group.cursors.iter().for_each(|(consumer, confirmed)| self.gate.confirmed(consumer, *confirmed));
    }

    /// Nobody who waits for what is behind `durable` hears that it is stored; what has to be said again of it.
    pub(super) fn give_up(&mut self, durable: Offset) -> Vec<Body> {
        self.waiting.clear();
        let announced = self.departed.iter().map(|departed| departed.group.bytes).sum();
        self.gate.not_committed(durable, announced);
        let mut once = Vec::new();
        for departed in self.departed.drain(..) {
            self.gate.left(departed.submissions, departed.submitted_bytes);
            once.extend(departed.group.once);
        }
        once.extend(std::mem::take(&mut self.gathering).once);
        once
    }
}

impl Group {
    fn add(&mut self, record: &Record) {
        self.bytes += record.weight();
        match &record.body {
            Body::Frame(_) => self.frames += 1,
            Body::Quarantine(_) => self.quarantined += 1,
            Body::Replayed(_) => self.replayed += 1,
            Body::Expired(_) => self.expired += 1,
            Body::Gone(_) | Body::Duplicates(_) | Body::Damaged(_) => self.once.push(record.body.clone()),
            Body::Cursor(cursor) => self.cursors.push((Name::clone(&cursor.consumer), cursor.confirmed)),
            _ => {}
        }
    }
}

/// Tells those who wait that what they wait for is durable.
fn settle(waiting: &mut Vec<Waiting>, wakes: &mut Wakes) {
    for waiting in waiting.drain(..) {
        match waiting {
            Waiting::Receipt(receipt) => receipt.settle_with(Outcome::Stored, wakes),
            // Whoever appended may have stopped waiting; the record stands all the same.
            Waiting::Append(done, offset) => {
                done.send(Ok(offset)).ok();
            }
        }
    }
}
