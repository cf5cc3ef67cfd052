//! Checkpoints leave the owner's and the river's threads here: one thread writes them to the state engine, off the
//! acknowledging path. The engine is disposable: when it fails, the log still rebuilds everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use tracing::error;

use crate::store::state::{Change, StateEngine};

/// Checkpoints that may wait or be under way; a stage whose checkpoint does not fit keeps its rows dirty and tries later.
const WAITING_MAX: usize = 2;

/// How often a stage that ends looks whether its last checkpoint is written.
const WRITE_PAUSE: std::time::Duration = std::time::Duration::from_millis(1);

/// Hands checkpoints to the thread that writes them.
#[derive(Clone)]
pub struct Checkpointer {
    queue: SyncSender<Vec<Change>>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: AtomicUsize,
    failed: AtomicBool,
}

impl Checkpointer {
    /// Starts the writing thread; it ends when every clone of the checkpointer is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(engine: Box<dyn StateEngine>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (queue, waiting) = sync_channel(WAITING_MAX);
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let writer = std::thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || write_all(engine, &waiting, &shared))?;
        Ok((Self { queue, state }, writer))
    }

    /// Takes a checkpoint made by `rows` unless too many wait already; `rows` is only called when there is room.
    pub fn offer(&self, rows: impl FnOnce() -> Vec<Change>) -> bool {
        // A place is claimed first, so that rows are never drained without one and sending never waits.
        if self.state.waiting.fetch_add(1, Ordering::AcqRel) >= WAITING_MAX {
            self.state.waiting.fetch_sub(1, Ordering::AcqRel);
            return false;
        }
        self.queue.send(rows()).is_ok()
    }

    /// Waits until everything handed over is written or has failed.
    pub fn wait(&self) {
        while self.state.waiting.load(Ordering::Acquire) > 0 {
            std::thread::park_timeout(WRITE_PAUSE);
        }
    }

    /// Whether the last checkpoint could be written.
    pub fn is_healthy(&self) -> bool {
        !self.state.failed.load(Ordering::Relaxed)
    }
}

fn write_all(mut engine: Box<dyn StateEngine>, waiting: &Receiver<Vec<Change>>, state: &State) {
    while let Ok(changes) = waiting.recv() {
        let written = engine.commit(changes);
        if let Err(error) = &written
            && !state.failed.load(Ordering::Relaxed)
        {
            error!(%error, "checkpoint not written; the log keeps everything, the next start reads more of it");
        }
        state.failed.store(written.is_err(), Ordering::Relaxed);
        state.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
