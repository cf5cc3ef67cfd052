//! How full the river is: what every stage may know of the others without waiting for them. Only numbers flow up.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Notify;

/// Bytes accepted and not yet durable, over all connections, before sockets are no longer read (LOG.md, "Acknowledging").
pub const UNCOMMITTED_BYTES_MAX: u64 = 64 << 20;
/// Bytes durable and not yet folded before sockets are no longer read.
pub const UNFOLDED_BYTES_MAX: u64 = 64 << 20;

/// Shared by the log owner (writes), the river (folds) and the broker's door (asks).
#[derive(Debug)]
pub struct Gate {
    uncommitted_bytes: AtomicU64,
    unfolded_bytes: AtomicU64,
    /// Monotonic ms at which the fold has something due; `u64::MAX` = nothing.
    fold_deadline_ms: AtomicU64,
    failed: AtomicBool,
    opened: Notify,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            uncommitted_bytes: AtomicU64::new(0),
            unfolded_bytes: AtomicU64::new(0),
            fold_deadline_ms: AtomicU64::new(u64::MAX),
            failed: AtomicBool::new(false),
            opened: Notify::new(),
        }
    }
}

impl Gate {
    /// Whether another publish may enter.
    pub fn is_open(&self) -> bool {
        self.uncommitted_bytes.load(Ordering::Relaxed) < UNCOMMITTED_BYTES_MAX
            && self.unfolded_bytes.load(Ordering::Relaxed) < UNFOLDED_BYTES_MAX
    }

    /// Waits until the gate may have opened; ask [`Gate::is_open`] again.
    pub async fn opened(&self) {
        let notified = self.opened.notified();
        if !self.is_open() {
            notified.await;
        }
    }

    /// Wakes whoever waits for room.
    pub(crate) fn made_room(&self) {
        self.opened.notify_waiters();
    }

    /// `bytes` entered the owner's queue.
    pub(crate) fn entered(&self, bytes: usize) {
        self.uncommitted_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// `bytes` left it again, durable or refused.
    pub(crate) fn settled(&self, bytes: u64) {
        self.uncommitted_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.made_room();
    }

    /// Records of `bytes` became durable and wait for the fold.
    pub(crate) fn committed(&self, bytes: u64) {
        self.unfolded_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Records of `bytes`, counted by [`Gate::committed`] before, are folded.
    pub fn folded(&self, bytes: u64) {
        self.unfolded_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.made_room();
    }

    /// How far the fold is behind, in bytes.
    pub fn unfolded(&self) -> u64 {
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

    /// The log can no longer be written: nothing is acknowledged until a restart.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.made_room();
    }

    /// Whether the log has failed for good.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}
