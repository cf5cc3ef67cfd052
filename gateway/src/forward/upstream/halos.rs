//! Which halos an upstream is still to get: the newest of each subject, at most one a second, all of them after every
//! connect. Nothing is queued but names.

use std::collections::HashSet;

use bytes::Bytes;

use crate::forward::due::Due;
use crate::record::Name;

/// Halos asked for or under way at once.
pub(super) const UNDER_WAY_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Halos {
    due: Due,
    /// Asked of the river and not rendered yet.
    asked: Vec<Name>,
    /// Sent and not answered.
    under_way: Vec<Name>,
    confirmed: u64,
}

impl Halos {
    /// A connection ended: what was due or under way is handed back, and the next one begins with all subjects.
    pub(super) fn disconnected(&mut self) -> HashSet<Name> {
        let confirmed = self.confirmed;
        let Self { due, asked, under_way, .. } = std::mem::replace(self, Self { confirmed, ..Self::default() });
        due.queued().cloned().chain(asked).chain(under_way).collect()
    }

    /// Halos that wait or are under way; one that changed again since it was sent counts twice.
    pub(super) fn waiting(&self) -> usize {
        self.due.queued().len() + self.asked.len() + self.under_way.len()
    }

    pub(super) fn touch(&mut self, subject: &Name, now_ms: u64) {
        self.due.touch(subject, now_ms);
    }

    /// The subjects to be rendered now, taken as sent.
    pub(super) fn take(&mut self, now_ms: u64) -> Vec<Name> {
        let room = UNDER_WAY_MAX.saturating_sub(self.asked.len() + self.under_way.len());
        let names: Vec<Name> = std::iter::from_fn(|| self.due.take(now_ms)).take(room).collect();
        self.asked.extend_from_slice(&names);
        names
    }

    /// The river rendered what was asked: a subject it does not know has no halo.
    pub(super) fn rendered(&mut self, asked: &[Name], rendered: &[(Name, Bytes)]) {
        asked.iter().for_each(|name| forget(&mut self.asked, name));
        self.under_way.extend(rendered.iter().map(|(name, _)| name.clone()));
    }

    /// The receiver answered; a refused one is tried again, with whatever the subject is by then.
    pub(super) fn answered(&mut self, subject: &Name, taken: bool, now_ms: u64) {
        forget(&mut self.under_way, subject);
        if taken {
            self.confirmed += 1;
        } else {
            self.due.touch(subject, now_ms);
        }
    }

    /// When the next one is due, if there is room for it.
    pub(super) fn next_ms(&self) -> Option<u64> {
        (self.asked.len() + self.under_way.len() < UNDER_WAY_MAX).then(|| self.due.next()).flatten()
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed
    }
}

/// Takes one of that name out; at most [`UNDER_WAY_MAX`] are looked at.
fn forget(names: &mut Vec<Name>, name: &Name) {
    if let Some(at) = names.iter().position(|it| it == name) {
        names.swap_remove(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_number_is_under_way_and_a_new_connection_begins_anew() {
        let mut halos = Halos::default();
        for n in 0..200 {
            halos.touch(&format!("s{n}").into(), 0);
        }
        let first = halos.take(0);
        assert_eq!((first.len(), halos.next_ms()), (UNDER_WAY_MAX, None));
        let rendered: Vec<_> = first.iter().map(|name| (name.clone(), Bytes::new())).collect();
        halos.rendered(&first, &rendered);
        assert!(halos.take(0).is_empty());
        halos.answered(&first[0], true, 0);
        halos.answered(&first[1], false, 0);
        assert_eq!(halos.take(0).len(), 2);
        assert_eq!(halos.waiting(), 199, "all but the one that was taken");
        let back = halos.disconnected();
        assert_eq!((back.len(), back.contains(&first[0]), halos.waiting()), (199, false, 0));
        halos.touch(&first[0], 5);
        assert_eq!(halos.take(5).len(), 1, "no second's wait on a new connection");
    }
}
