//! Who still needs old segments: a backup under way, a reader that must not lose its place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::record::Offset;

/// Places in the log that retention must leave alone; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Pins(Arc<Mutex<BTreeMap<Offset, usize>>>);

/// Holds its place until it is dropped.
#[derive(Debug)]
#[must_use = "what is not held may be deleted at once"]
pub struct PinGuard {
    pins: Pins,
    offset: Offset,
}

impl Pins {
    /// Keeps everything from `offset` on that is still there; what retention removed before this call stays gone, so look
    /// for the log's first offset afterwards.
    pub fn pin(&self, offset: Offset) -> PinGuard {
        *self.held().entry(offset).or_default() += 1;
        PinGuard { pins: self.clone(), offset }
    }

    /// Calls `act` with the lowest pinned offset; nobody pins anything meanwhile.
    pub(crate) fn while_held<T>(&self, act: impl FnOnce(Option<Offset>) -> T) -> T {
        let held = self.held();
        act(held.keys().next().copied())
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<Offset, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PinGuard {
    fn drop(&mut self) {
        let mut held = self.pins.held();
        if let Some(times) = held.get_mut(&self.offset) {
            *times -= 1;
            if *times == 0 {
                held.remove(&self.offset);
            }
        }
    }
}
