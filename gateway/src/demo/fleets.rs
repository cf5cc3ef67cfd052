//! The fleets of a demo as one: the one that is always there, and those that come one after the other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firmware_sim::{Entry, FleetHandle, FrameKey, Kind, Progress, Summary};

/// All that were started.
#[derive(Clone)]
pub(super) struct Fleets {
    first: Arc<FleetHandle>,
    more: Arc<Mutex<Vec<FleetHandle>>>,
}

/// What became of them.
pub(super) struct Outcome {
    pub(super) summary: Summary,
    /// The devices' ids and what they are.
    pub(super) devices: Vec<(Arc<str>, Option<Kind>)>,
    /// What each frame was promised.
    pub(super) entries: BTreeMap<FrameKey, Entry>,
}

impl Fleets {
    pub(super) fn new(first: FleetHandle) -> Self {
        Self { first: Arc::new(first), more: Arc::default() }
    }

    /// One more.
    pub(super) fn add(&self, fleet: FleetHandle) {
        self.more().push(fleet);
    }

    /// Counts of all of them.
    pub(super) fn progress(&self) -> Progress {
        let more = self.more();
        more.iter().map(FleetHandle::progress).fold(self.first.progress(), |all, one| all + one)
    }

    /// Resolves when the first one has left by itself.
    pub(super) async fn finished(&self) {
        self.first.finished().await;
    }

    /// Stops all of them at once and sums up; no more must be added.
    pub(super) async fn stop(self) -> Outcome {
        let more = std::mem::take(&mut *self.more());
        self.first.halt();
        more.iter().for_each(FleetHandle::halt);
        let mut outcome = Outcome {
            summary: self.first.finished().await,
            devices: self.first.devices().to_vec(),
            entries: self.first.ledger().entries(),
        };
        for fleet in more {
            outcome.summary = outcome.summary + fleet.finished().await;
            outcome.devices.extend_from_slice(fleet.devices());
            outcome.entries.extend(fleet.ledger().entries());
        }
        outcome
    }

    fn more(&self) -> MutexGuard<'_, Vec<FleetHandle>> {
        self.more.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
