//! Checkpoints leave the owner's and the river's threads here: one thread writes them to the state engine, off the
//! acknowledging path, in the order they were handed over. One that cannot be written is kept and tried again before
//! any later one, so that what the engine holds is always a state that was. The engine is disposable: when it fails for
//! good, it stays behind, and the log rebuilds everything.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::{error, info};

use crate::store::state::{Change, StateEngine};

/// Checkpoints that may wait or be under way; a stage whose checkpoint does not fit keeps its rows dirty and tries later.
const WAITING_MAX: usize = 2;
/// How often a stage that ends looks whether its last checkpoint is written.
const WRITE_PAUSE: Duration = Duration::from_millis(1);
/// How long until a checkpoint that could not be written is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Hands checkpoints to the thread that writes them.
#[derive(Clone)]
pub struct Checkpointer {
    queue: SyncSender<Job>,
    state: Arc<State>,
}

type Question = Box<dyn FnOnce(&dyn StateEngine) + Send>;

enum Job {
    Write(Vec<Change>),
    Read(Question),
}

#[derive(Debug, Default)]
struct State {
    waiting: AtomicUsize,
    failed: AtomicBool,
}

/// Says so when the thread ends, even by a panic: nobody waits for it then.
struct Ending<'a>(&'a State);

impl Checkpointer {
    /// Starts the writing thread; it ends when every clone of the checkpointer is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(engine: Box<dyn StateEngine>) -> std::io::Result<(Self, JoinHandle<()>)> {
        // One place more for a question, so that a claimed checkpoint never waits long.
        let (queue, jobs) = sync_channel(WAITING_MAX + 1);
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let writer = std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || {
            let ending = Ending(&shared);
            serve(engine, &jobs, ending.0);
        })?;
        Ok((Self { queue, state }, writer))
    }

    /// Takes a checkpoint made by `rows` unless too many wait already; `rows` is only called when there is room.
    pub fn offer(&self, rows: impl FnOnce() -> Vec<Change>) -> bool {
        // A place is claimed first, so that rows are never drained without one.
        if self.state.waiting.fetch_add(1, Ordering::AcqRel) >= WAITING_MAX {
            self.state.waiting.fetch_sub(1, Ordering::AcqRel);
            return false;
        }
        self.queue.send(Job::Write(rows())).is_ok()
    }

    /// Asks the engine something, after the checkpoints handed over before if they can be written; `None` when its
    /// thread has ended.
    pub(crate) fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn StateEngine) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = sync_channel(1);
        // There is room for the one answer, and whoever asked waits for it.
        let question: Question = Box::new(move |engine| drop(reply.send(question(engine))));
        self.queue.send(Job::Read(question)).ok()?;
        answer.recv().ok()
    }

    /// Waits until everything handed over is written, or cannot be.
    pub fn wait(&self) {
        while self.state.waiting.load(Ordering::Acquire) > 0 && self.is_healthy() {
            std::thread::park_timeout(WRITE_PAUSE);
        }
    }

    /// Whether the last checkpoint could be written.
    pub fn is_healthy(&self) -> bool {
        !self.state.failed.load(Ordering::Acquire)
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.failed.store(true, Ordering::Release);
    }
}

fn serve(mut engine: Box<dyn StateEngine>, jobs: &Receiver<Job>, state: &State) {
    let mut unwritten: VecDeque<Vec<Change>> = VecDeque::new();
    loop {
        let written = unwritten.front().map(|changes| engine.commit(changes.clone()));
        let next = match written {
            Some(Ok(())) => {
                unwritten.pop_front();
                if state.failed.swap(false, Ordering::AcqRel) {
                    info!("checkpoints are written again");
                }
                state.waiting.fetch_sub(1, Ordering::AcqRel);
                continue;
            }
            Some(Err(error)) => {
                if !state.failed.swap(true, Ordering::AcqRel) {
                    error!(%error, "checkpoint not written; the log keeps everything, the next start reads more of it");
                }
                jobs.recv_timeout(RETRY_PAUSE)
            }
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(Job::Write(changes)) => unwritten.push_back(changes),
            Ok(Job::Read(question)) => question(engine.as_ref()),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests;
