//! What all devices of a fleet write to, and the look a caller takes at it.

use std::ops::Add;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::ledger::{Ledger, Summary};
use crate::truth::TruthFile;

/// A look at a running fleet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Counts so far; `unacked` is what the devices hold.
    #[serde(flatten)]
    pub counts: Summary,
    /// Devices connected now.
    pub connected: u64,
    /// Devices that have left.
    pub finished: u64,
    /// Frames on the wire, not yet acknowledged.
    pub in_flight: u64,
}

/// Of two fleets together.
impl Add for Progress {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            counts: self.counts + other.counts,
            connected: self.connected + other.connected,
            finished: self.finished + other.finished,
            in_flight: self.in_flight + other.in_flight,
        }
    }
}

/// What all devices of a fleet write to.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) ledger: Ledger,
    connected: AtomicU64,
    finished: AtomicU64,
    in_flight: AtomicU64,
    pub(crate) truth: TruthFile,
    last_error: Mutex<Option<String>>,
}

impl Shared {
    pub(crate) fn link_up(&self) {
        self.connected.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn link_down(&self) {
        self.connected.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn note_error(&self, error: &str) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_owned());
    }

    pub(crate) fn new(ledger: Ledger, truth: TruthFile) -> Self {
        let zero = || AtomicU64::new(0);
        let last_error = Mutex::new(None);
        Self { ledger, connected: zero(), finished: zero(), in_flight: zero(), truth, last_error }
    }

    /// One device's frames on the wire have become so many instead of so many.
    pub(crate) fn in_flight_changed(&self, before: usize, now: usize) {
        self.in_flight.fetch_add(now as u64, Ordering::Relaxed);
        self.in_flight.fetch_sub(before as u64, Ordering::Relaxed);
    }

    pub(crate) fn device_left(&self) {
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress {
            counts: self.ledger.summary(),
            connected: self.connected.load(Ordering::Relaxed),
            finished: self.finished.load(Ordering::Relaxed),
            in_flight: self.in_flight.load(Ordering::Relaxed),
        }
    }
}
