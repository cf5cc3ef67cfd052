//! How full the river is: what every stage may know of the others without waiting for them. Only numbers flow up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::record::{Name, Offset};

/// Bytes accepted and not yet durable, over all connections, before sockets are no longer read (LOG.md, "Acknowledging").
pub const UNCOMMITTED_BYTES_MAX: u64 = 64 << 20;
/// Bytes durable and not yet folded before sockets are no longer read.
pub const UNFOLDED_BYTES_MAX: u64 = 64 << 20;
/// Submissions accepted and not yet durable before sockets are no longer read.
pub const SUBMISSIONS_MAX: usize = 8_192;
/// Groups are counted together up to this size, which bounds the list of what is unfolded to some thousand entries.
const STRETCH_BYTES: u64 = 64 << 10;

/// Shared by the log owner (writes), the river (folds) and the broker's door (asks).
#[derive(Debug)]
pub struct Gate {
    submissions: AtomicUsize,
    uncommitted_bytes: AtomicU64,
    unfolded_bytes: AtomicU64,
    unfolded: Mutex<VecDeque<Stretch>>,
    /// Monotonic ms at which the fold has something due; `u64::MAX` = nothing.
    fold_deadline_ms: AtomicU64,
    failed: AtomicBool,
    no_room: AtomicBool,
    /// How far each consumer of the log has confirmed, durably.
    cursors: Mutex<BTreeMap<Name, Offset>>,
    opened: Notify,
}

/// Log that the fold has yet to pass: by offset and not by weight, because what is damaged is passed and never folded.
#[derive(Debug)]
struct Stretch {
    last: Offset,
    bytes: u64,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            submissions: AtomicUsize::new(0),
            uncommitted_bytes: AtomicU64::new(0),
            unfolded_bytes: AtomicU64::new(0),
            unfolded: Mutex::default(),
            fold_deadline_ms: AtomicU64::new(u64::MAX),
            failed: AtomicBool::new(false),
            no_room: AtomicBool::new(false),
            cursors: Mutex::default(),
            opened: Notify::new(),
        }
    }
}

impl Gate {
    /// Whether another publish may enter.
    pub fn is_open(&self) -> bool {
        self.submissions.load(Ordering::Relaxed) < SUBMISSIONS_MAX
            && self.uncommitted_bytes.load(Ordering::Relaxed) < UNCOMMITTED_BYTES_MAX
            && self.unfolded_bytes.load(Ordering::Relaxed) < UNFOLDED_BYTES_MAX
    }

    /// Waits until another publish may enter, or none ever will; then try.
    pub async fn opened(&self) {
        loop {
            // Made first: it hears of room made between the look and the wait.
            let room = self.room();
            if self.is_open() || self.has_failed() {
                return;
            }
            room.await;
        }
    }

    /// Resolves when room was made after this call.
    pub(crate) fn room(&self) -> Notified<'_> {
        self.opened.notified()
    }

    /// Wakes whoever waits for room.
    pub(crate) fn made_room(&self) {
        self.opened.notify_waiters();
    }

    /// A publish of `bytes` enters the owner's queue, if the gate is open.
    pub(crate) fn try_enter(&self, bytes: usize) -> bool {
        let entered = self.is_open() && self.claim();
        if entered {
            self.uncommitted_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        entered
    }

    /// A place in the owner's queue for what the gateway itself has to say, however far the fold is behind.
    pub(crate) fn claim(&self) -> bool {
        let free = self.submissions.fetch_add(1, Ordering::Relaxed) < SUBMISSIONS_MAX;
        if !free {
            self.submissions.fetch_sub(1, Ordering::Relaxed);
        }
        free
    }

    /// Gives back what [`Gate::claim`] gave, without waking others: the queue is full.
    pub(crate) fn unclaim(&self) {
        self.submissions.fetch_sub(1, Ordering::Relaxed);
    }

    /// Something enters the owner's queue that cannot be refused; it counts all the same.
    pub(crate) fn claim_anyway(&self) {
        self.submissions.fetch_add(1, Ordering::Relaxed);
    }

    /// So many submissions left the owner again, settled one way or the other.
    pub(crate) fn left(&self, submissions: usize, bytes: u64) {
        self.submissions.fetch_sub(submissions, Ordering::Relaxed);
        self.uncommitted_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.made_room();
    }

    /// Records of `bytes` up to `last` are about to become durable; said before, because the fold may be faster.
    pub(crate) fn committing(&self, last: Offset, bytes: u64) {
        let mut unfolded = self.unfolded();
        match unfolded.back_mut() {
            Some(stretch) if stretch.bytes < STRETCH_BYTES => {
                stretch.last = last;
                stretch.bytes += bytes;
            }
            _ => unfolded.push_back(Stretch { last, bytes }),
        }
        self.unfolded_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The last `bytes` that [`Gate::committing`] announced did not become durable; the log still ends at `durable`.
    pub(crate) fn not_committed(&self, durable: Offset, bytes: u64) {
        let (mut unfolded, mut left) = (self.unfolded(), bytes);
        for stretch in unfolded.iter_mut().rev() {
            let taken = left.min(stretch.bytes);
            stretch.last = stretch.last.min(durable);
            stretch.bytes -= taken;
            left -= taken;
            if left == 0 {
                break;
            }
        }
        self.unfolded_bytes.fetch_sub(bytes, Ordering::Relaxed);
        drop(unfolded);
        self.made_room();
    }

    /// The fold has passed everything up to `offset`, damage included.
    pub fn folded_to(&self, offset: Offset) {
        let mut unfolded = self.unfolded();
        let mut passed = 0;
        while let Some(stretch) = unfolded.pop_front_if(|stretch| stretch.last <= offset) {
            passed += stretch.bytes;
        }
        self.unfolded_bytes.fetch_sub(passed, Ordering::Relaxed);
        drop(unfolded);
        if passed > 0 {
            self.made_room();
        }
    }

    /// How far the fold is behind, in bytes.
    pub fn unfolded_bytes(&self) -> u64 {
        self.unfolded_bytes.load(Ordering::Relaxed)
    }

    /// The fold's next deadline on monotonic time, `None` = nothing due.
    pub fn set_fold_deadline(&self, mono_ms: Option<u64>) {
        self.fold_deadline_ms.store(mono_ms.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The fold's next deadline on monotonic time.
    pub fn fold_deadline(&self) -> Option<u64> {
        Some(self.fold_deadline_ms.load(Ordering::Relaxed)).filter(|at| *at != u64::MAX)
    }

    /// The log or the river has ended for good: nothing is acknowledged until a restart.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.made_room();
    }

    /// Whether the log or the river has ended for good.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Whether the disk gives the log no place for another record; `true` when that is news.
    pub(crate) fn set_no_room(&self, no_room: bool) -> bool {
        self.no_room.load(Ordering::Relaxed) != no_room && self.no_room.swap(no_room, Ordering::Relaxed) != no_room
    }

    /// Whether the disk gives the log no place for another record: publishes are lost until it does.
    pub fn has_no_room(&self) -> bool {
        self.no_room.load(Ordering::Relaxed)
    }

    /// A consumer's cursor became durable.
    pub(crate) fn confirmed(&self, consumer: &Name, upto: Offset) {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner).insert(Name::clone(consumer), upto);
    }

    /// How far a consumer of the log has confirmed; `None` = it never did.
    pub fn cursor(&self, consumer: &str) -> Option<Offset> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner).get(consumer).copied()
    }

    fn unfolded(&self) -> MutexGuard<'_, VecDeque<Stretch>> {
        self.unfolded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
