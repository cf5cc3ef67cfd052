//! Where signals were found last: a hint that saves the search for a signal's name among those of a subject.

use std::sync::Arc;

use crate::ingest::readings::SignalRef;

/// Signals remembered; two that fall into one place take turns.
const PLACES: usize = 256;

/// By the address of the description that all series of one schema's signal share. Subjects fed by devices of one kind
/// have the same signals in the same order, so where one has it, the next has it too. Whoever asks checks the name: a
/// wrong hint costs the search it would have saved, and changes nothing.
#[derive(Debug)]
pub(super) struct Places(Vec<(usize, usize)>);

impl Places {
    pub(super) fn hint(&self, signal: &Arc<SignalRef>) -> Option<usize> {
        let address = Arc::as_ptr(signal).addr();
        self.0.get(place(address)).filter(|(known, _)| *known == address).map(|(_, at)| *at)
    }

    pub(super) fn found(&mut self, signal: &Arc<SignalRef>, at: usize) {
        let address = Arc::as_ptr(signal).addr();
        if let Some(place) = self.0.get_mut(place(address)) {
            *place = (address, at);
        }
    }
}

impl Default for Places {
    fn default() -> Self {
        Self(vec![(0, 0); PLACES])
    }
}

/// Addresses of neighbours differ by about the size of a description.
fn place(address: usize) -> usize {
    (address / size_of::<SignalRef>()) % PLACES
}
