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

use tokio::sync::oneshot::error::TryRecvError;
use tracing::{error, info, warn};

use crate::record::{Body, Offset};
use crate::store::carry::{Set, Taker};
use crate::store::disk::{Ailment, Budget, Use};
use crate::store::inlet::{Answer, Appender};
use crate::store::state::{Change, StateEngine, StateError};

/// Checkpoints that may wait or be under way; a stage whose checkpoint does not fit keeps its rows dirty and tries later.
const WAITING_MAX: usize = 2;
/// How often a stage that ends looks whether its last checkpoint is written.
const WRITE_PAUSE: Duration = Duration::from_millis(1);
/// Time between two parts of a set of carried facts: with parts of 60 KB at most 15 MB/s, beside the acknowledging path.
const PART_PAUSE: Duration = Duration::from_millis(4);
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
    Carry(Order),
}

/// Finds from the engine's rows from where on the log would be replayed with them.
pub type ReplayedFrom = fn(&dyn StateEngine) -> Result<Offset, String>;

/// A set of carried facts to be taken.
pub(crate) struct Order {
    pub(crate) appender: Appender,
    pub(crate) number: u64,
    pub(crate) part_bytes: usize,
    pub(crate) replayed_from: ReplayedFrom,
    /// Told how it ended; dropped when it was given up because the gateway stops.
    pub(crate) done: SyncSender<Result<Set, String>>,
}

/// A set under way. No checkpoint is written meanwhile, so all its rows are of one moment.
struct Carrying {
    order: Order,
    taker: Option<Taker>,
    bytes: u64,
    /// The part that is on its way, and whether it is the last.
    answer: Option<(Answer, bool)>,
    /// A part that found no place at the log's door.
    held: Option<Box<crate::record::Carry>>,
}

#[derive(Debug, Default)]
struct State {
    waiting: AtomicUsize,
    failed: AtomicBool,
    /// A set is wanted or under way: checkpoints are not taken, their rows stay dirty.
    carrying: AtomicBool,
    /// No set is begun any more.
    no_sets: AtomicBool,
    /// Somebody waits for a checkpoint of the halos.
    hurried: AtomicBool,
}

/// Says so when the thread ends, even by a panic: nobody waits for it then.
struct Ending<'a>(&'a State);

impl Checkpointer {
    /// Starts the writing thread; it ends when every clone of the checkpointer is dropped.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(engine: Box<dyn StateEngine>) -> std::io::Result<(Self, JoinHandle<()>)> {
        Self::start_within(engine, None)
    }

    /// As [`Checkpointer::start`], with the engine growing only as far as the budget lets it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start_within(
        engine: Box<dyn StateEngine>,
        budget: Option<Arc<Budget>>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        // One place more for a question, so that a claimed checkpoint never waits long.
        let (queue, jobs) = sync_channel(WAITING_MAX + 1);
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let writer = std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || {
            let ending = Ending(&shared);
            serve(engine, &jobs, ending.0, budget.as_deref());
        })?;
        Ok((Self { queue, state }, writer))
    }

    /// Takes a checkpoint made by `rows` unless too many wait already; `rows` is only called when there is room.
    pub fn offer(&self, rows: impl FnOnce() -> Vec<Change>) -> bool {
        if self.state.carrying.load(Ordering::Acquire) {
            return false;
        }
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

    /// Has a set of carried facts taken of what is written by then; false when none can be now.
    pub(crate) fn carry(&self, order: Order) -> bool {
        if self.state.no_sets.load(Ordering::Acquire) || self.state.carrying.swap(true, Ordering::AcqRel) {
            return false;
        }
        let sent = self.queue.try_send(Job::Carry(order)).is_ok();
        if !sent {
            self.state.carrying.store(false, Ordering::Release);
        }
        sent
    }

    /// The gateway stops: a set under way is given up and no other is begun. Checkpoints are taken again at once.
    pub(crate) fn end_sets(&self) {
        self.state.no_sets.store(true, Ordering::Release);
        self.state.carrying.store(false, Ordering::Release);
    }

    /// Asks for a checkpoint of the halos soon.
    pub(crate) fn hurry(&self) {
        self.state.hurried.store(true, Ordering::Release);
    }

    /// Whether somebody has asked for one since the last call.
    pub fn take_hurry(&self) -> bool {
        self.state.hurried.load(Ordering::Acquire) && self.state.hurried.swap(false, Ordering::AcqRel)
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

fn serve(mut engine: Box<dyn StateEngine>, jobs: &Receiver<Job>, state: &State, budget: Option<&Budget>) {
    let mut unwritten: VecDeque<Vec<Change>> = VecDeque::new();
    let mut carrying: Option<Carrying> = None;
    loop {
        // While a set is under way the engine stands still; what comes meanwhile is written behind it.
        let stands_still = carrying.as_ref().is_some_and(|carrying| carrying.taker.is_some());
        let due = unwritten.front().filter(|_| !stands_still);
        let written = due.map(|changes| write(engine.as_mut(), changes, budget));
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
                    error.tell();
                }
                // What the engine has is of one moment all the same, and a set may be what makes room again.
                carry_on(&mut carrying, engine.as_ref(), state);
                jobs.recv_timeout(if carrying.is_some() { PART_PAUSE } else { RETRY_PAUSE })
            }
            None if carrying.is_some() => {
                carry_on(&mut carrying, engine.as_ref(), state);
                jobs.recv_timeout(PART_PAUSE)
            }
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(Job::Write(changes)) => unwritten.push_back(changes),
            Ok(Job::Read(question)) => question(engine.as_ref()),
            Ok(Job::Carry(order)) => {
                carrying = Some(Carrying { order, taker: None, bytes: 0, answer: None, held: None });
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if !state.carrying.load(Ordering::Acquire) {
            // Given up: a checkpoint may be written any moment, and the rows would not be of one moment any more.
            carrying = None;
        }
    }
}

/// Why a checkpoint is still to be written; it is tried again.
enum Unwritten {
    /// Within `disk.max` or `disk.reserve`: ordinary near the bound, retention is about to delete.
    NoRoom(String),
    Failed(StateError),
}

impl Unwritten {
    fn tell(&self) {
        const THEN: &str = "the log keeps everything, the next start reads more of it";
        match self {
            Self::NoRoom(why) => warn!(why, "a checkpoint waits for room; {THEN}"),
            Self::Failed(error) => error!(%error, "checkpoint not written; {THEN}"),
        }
    }
}

fn write(engine: &mut dyn StateEngine, changes: &[Change], budget: Option<&Budget>) -> Result<(), Unwritten> {
    let Some(budget) = budget else { return engine.commit(changes.to_vec()).map_err(Unwritten::Failed) };
    let size = |change: &Change| change.key.len() + change.value.as_ref().map_or(0, Vec::len);
    let bytes: usize = changes.iter().map(size).sum();
    // redb grows its file to twice its size, or by what is written at once and its copies.
    let growth = budget.state_bytes().max(bytes as u64 * 4);
    let grant = budget.grant(Use::State, growth);
    budget.ails(Ailment::StateHasNoRoom, grant.is_err());
    let _grant = grant.map_err(|error| Unwritten::NoRoom(error.to_string()))?;
    engine.commit(changes.to_vec()).map_err(Unwritten::Failed)
}

fn carry_on(carrying: &mut Option<Carrying>, engine: &dyn StateEngine, state: &State) {
    let Some(outcome) = carrying.as_mut().and_then(|carrying| carrying.step(engine)) else { return };
    state.carrying.store(false, Ordering::Release);
    if let Some(carrying) = carrying.take() {
        // Whoever ordered it may have ended.
        carrying.order.done.try_send(outcome).ok();
    }
}

impl Carrying {
    /// Takes the next step: at most one part is on its way. `None` while the set is not finished.
    fn step(&mut self, engine: &dyn StateEngine) -> Option<Result<Set, String>> {
        if let Some((answer, is_last)) = &mut self.answer {
            let last = match answer.try_recv() {
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Closed) => return Some(Err("the log has ended".to_owned())),
                Ok(Err(error)) => return Some(Err(error.to_string())),
                Ok(Ok(offset)) => is_last.then_some(offset),
            };
            self.answer = None;
            if let (Some(last), Some(taker)) = (last, &self.taker) {
                let (number, from, bytes) = (self.order.number, taker.from(), self.bytes);
                return Some(Ok(Set { number, last, from, bytes }));
            }
        }
        self.send(engine).err().map(Err)
    }

    fn send(&mut self, engine: &dyn StateEngine) -> Result<(), String> {
        let carry = match self.held.take() {
            Some(held) => *held,
            None => self.next(engine)?,
        };
        let (is_last, bytes) = (carry.end.is_some(), carry.bytes.len() as u64);
        match self.order.appender.submit(Body::Carry(carry).into()) {
            Ok(Ok(answer)) => {
                self.bytes += bytes;
                self.answer = Some((answer, is_last));
            }
            Ok(Err(draft)) => {
                if let Body::Carry(carry) = draft.body {
                    self.held = Some(Box::new(carry));
                }
            }
            Err(error) => return Err(error.to_string()),
        }
        Ok(())
    }

    fn next(&mut self, engine: &dyn StateEngine) -> Result<crate::record::Carry, String> {
        let Order { number, part_bytes, replayed_from, .. } = self.order;
        let taker = match self.taker.take() {
            Some(taker) => taker,
            None => {
                let from = replayed_from(engine)?;
                Taker::begin(engine, number, from, part_bytes).map_err(|error| error.to_string())?
            }
        };
        let part = self.taker.insert(taker).part(engine).map_err(|error| error.to_string())?;
        part.ok_or_else(|| "the set has no further part".to_owned())
    }
}

#[cfg(test)]
mod tests;
