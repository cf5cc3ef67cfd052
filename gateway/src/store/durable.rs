//! How far the log is durable: moved by the log, watched by everyone who reads behind it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::record::Offset;

/// The durable watermark.
#[derive(Debug, Default)]
pub struct Durable {
    offset: AtomicU64,
    head: Mutex<Head>,
    moved: Condvar,
}

/// Where the durable part of the log ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) segment: u64,
    pub(crate) position: u64,
    /// The offset after the last durable record, or the one the next group will begin with if that is known to be higher.
    pub(crate) next: Offset,
    pub(crate) closed: bool,
}

impl Durable {
    pub(crate) fn new(last: Offset, head: Head) -> Self {
        Self { offset: AtomicU64::new(last.0), head: Mutex::new(head), moved: Condvar::new() }
    }

    /// The last durable offset; 0 when there is none.
    pub fn offset(&self) -> Offset {
        Offset(self.offset.load(Ordering::Acquire))
    }

    /// Waits until something after `seen` is durable, the log is closed, or the time is over; the last durable offset.
    pub fn wait_past(&self, seen: Offset, timeout: Duration) -> Offset {
        let waiting = |head: &mut Head| self.offset() <= seen && !head.closed;
        let woken = self.moved.wait_timeout_while(self.head_mut(), timeout, waiting);
        drop(woken.unwrap_or_else(PoisonError::into_inner));
        self.offset()
    }

    /// Whether the log has been closed: nothing more will become durable.
    pub fn is_closed(&self) -> bool {
        self.head().closed
    }

    pub(crate) fn head(&self) -> Head {
        *self.head_mut()
    }

    /// The last durable offset and where the log ended with it.
    pub(crate) fn mark(&self) -> (Offset, Head) {
        let head = self.head_mut();
        (self.offset(), *head)
    }

    pub(crate) fn advance(&self, last: Offset, segment: u64, position: u64) {
        let mut head = self.head_mut();
        debug_assert!(self.offset() <= last, "the watermark moved back");
        *head = Head { segment, position, next: Offset(last.0 + 1), closed: head.closed };
        self.offset.store(last.0, Ordering::Release);
        drop(head);
        self.moved.notify_all();
    }

    pub(crate) fn close(&self) {
        self.head_mut().closed = true;
        self.moved.notify_all();
    }

    fn head_mut(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
