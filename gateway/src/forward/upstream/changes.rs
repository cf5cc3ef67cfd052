//! Which subjects changed since an upstream last looked: a set, so it is bounded by the subjects there are.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::record::Name;

/// One upstream's view of what changed; written by the river.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    dirty: Mutex<HashSet<Name>>,
    any: Notify,
}

impl Changes {
    /// The subject's halo changed.
    pub(crate) fn touch(&self, subject: &Name) {
        let mut dirty = self.dirty();
        if dirty.contains(subject) {
            return;
        }
        dirty.insert(subject.clone());
        if dirty.len() == 1 {
            self.any.notify_one();
        }
    }

    /// What changed since the last call.
    pub(super) fn take(&self) -> HashSet<Name> {
        std::mem::take(&mut *self.dirty())
    }

    /// What was taken has not arrived.
    pub(super) fn put_back(&self, subjects: impl IntoIterator<Item = Name>) {
        self.dirty().extend(subjects);
    }

    /// How many changed since the last [`Changes::take`].
    pub(super) fn len(&self) -> usize {
        self.dirty().len()
    }

    /// Resolves when something changed. Cancel safe.
    pub(super) async fn any(&self) {
        self.any.notified().await;
    }

    fn dirty(&self) -> MutexGuard<'_, HashSet<Name>> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
