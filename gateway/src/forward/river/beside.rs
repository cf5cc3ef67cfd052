//! Readings beside the fold: written on a thread of their own while much comes.
//!
//! Writing what a frame says takes a quarter of what the river does with it, and needs nothing of the fold: the frame and
//! the births before it tell all of it. Of a batch with many frames it is therefore done from the same records, while they
//! are folded. Of a few the river does it itself, first: waking another thread takes longer.
//!
//! * Order is the log's, whoever writes: the river waits for the thread before it writes what comes later. Halos, sparks
//!   and answers may come before readings of frames that they follow from.
//! * What may change how frames are read (a birth, the configuration, a device forgotten) is in no batch that is handed
//!   over; the thread has a copy of the births before it.
//! * The thread may be two batches behind; then the river waits for it, and the gate for the river.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use tracing::warn;

use super::{Held, Shared, changes_reading, frame_of, publish_readings, wants_readings};
use crate::ingest::readings::{Readings, read};
use crate::ingest::schemas::Schemas;
use crate::record::Record;

/// Frames from which on a batch is handed over: writing them takes as long as some wake-ups.
const MANY: usize = 32;
/// Batches that wait while another is being written.
const WAITING_MAX: usize = 1;

/// The thread, once there was much, and what it needs to know.
#[derive(Default)]
pub(super) struct Beside {
    thread: Option<Thread>,
    /// The system gave no thread.
    alone: bool,
    /// The births as they are, as long as they stay so.
    schemas: Option<Arc<Schemas>>,
    topic: String,
}

struct Thread {
    jobs: SyncSender<Job>,
    /// Batches handed over and not yet out.
    under_way: Arc<AtomicUsize>,
    handle: JoinHandle<()>,
}

enum Job {
    Write(Arc<Vec<Record>>, Arc<Schemas>),
    /// Everything before it is out.
    Tell(SyncSender<()>),
}

impl Beside {
    /// Takes a batch over; false: whoever folds it writes it, and everything before it is out. `births` are those before
    /// the batch.
    pub(super) fn take(&mut self, records: &Arc<Vec<Record>>, shared: &Arc<Shared>, births: &Schemas) -> bool {
        if records.iter().any(|record| changes_reading(&record.body, &shared.grammar)) {
            self.finish();
            self.schemas = None;
            return false;
        }
        let behind = self.thread.as_ref().is_some_and(|thread| thread.under_way.load(Ordering::Acquire) > 0);
        if !behind && records.len() < MANY {
            return false;
        }
        // Asked once for the batch: whoever subscribes meanwhile begins with the next.
        if !self.is_wanted(records, shared) {
            return true;
        }
        let Some(thread) = self.thread.take().or_else(|| self.start(shared)) else { return false };
        let schemas = self.schemas.get_or_insert_with(|| Arc::new(births.clone()));
        let job = Job::Write(Arc::clone(records), Arc::clone(schemas));
        thread.under_way.fetch_add(1, Ordering::AcqRel);
        self.thread = Some(thread.send(job));
        true
    }

    /// Waits until everything handed over is out.
    pub(super) fn finish(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let (said, heard) = sync_channel(1);
        let thread = thread.send(Job::Tell(said));
        match heard.recv() {
            Ok(()) => self.thread = Some(thread),
            Err(_) => thread.fell(),
        }
    }

    /// Ends as the thread did, if it has: what it had to write would be missing for ever, and nobody told.
    pub(super) fn look(&mut self) {
        if let Some(thread) = self.thread.take_if(|thread| thread.handle.is_finished()) {
            thread.fell();
        }
    }

    /// Ends the thread when everything is out.
    pub(super) fn end(&mut self) {
        if let Some(Thread { jobs, handle, .. }) = self.thread.take() {
            drop(jobs);
            join(handle);
        }
    }

    fn start(&mut self, shared: &Arc<Shared>) -> Option<Thread> {
        let (jobs, todo) = sync_channel(WAITING_MAX);
        let under_way = Arc::new(AtomicUsize::new(0));
        let (shared, left) = (Arc::clone(shared), Arc::clone(&under_way));
        let work = move || write(&todo, &shared, &left);
        if self.alone {
            return None;
        }
        match Builder::new().name("readings".to_owned()).spawn(work) {
            Ok(handle) => Some(Thread { jobs, under_way, handle }),
            Err(error) => {
                warn!(%error, "no thread for readings: they are written where halos are folded");
                self.alone = true;
                None
            }
        }
    }

    fn is_wanted(&mut self, records: &[Record], shared: &Shared) -> bool {
        records.iter().filter_map(frame_of).any(|(_, frame)| wants_readings(shared, &mut self.topic, frame))
    }
}

fn write(todo: &Receiver<Job>, shared: &Shared, under_way: &AtomicUsize) {
    let (mut readings, mut topic, mut held) = (Readings::default(), String::new(), Held::default());
    for job in todo {
        match job {
            Job::Write(records, schemas) => {
                for record in &*records {
                    let Some((stored, frame)) = frame_of(record) else { continue };
                    let wanted = wants_readings(shared, &mut topic, frame);
                    if wanted && read(frame, record.offset, &schemas, &mut readings).is_ok() {
                        publish_readings(shared, (&topic, &mut held), record.epoch, stored, frame, &readings);
                    }
                }
                held.wake();
                under_way.fetch_sub(1, Ordering::AcqRel);
            }
            // Whoever asked waits.
            Job::Tell(out) => drop(out.send(())),
        }
    }
}

impl Thread {
    fn send(self, job: Job) -> Self {
        if self.jobs.send(job).is_err() {
            self.fell();
        }
        self
    }

    /// Ends as the thread did: by a panic, there is no other way while it is wanted.
    fn fell(self) -> ! {
        join(self.handle);
        unreachable!("the thread of readings ended while it was wanted")
    }
}

fn join(handle: JoinHandle<()>) {
    if let Err(panic) = handle.join() {
        resume_unwind(panic);
    }
}

#[cfg(test)]
mod tests;
