//! Which halos an upstream is still to get: the newest of each subject, at most one a second, all of them after every
//! connect. Nothing is queued but names.

use bytes::Bytes;

use crate::forward::due::Due;
use crate::record::Name;

/// Halos asked for or under way at once.
pub(super) const UNDER_WAY_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Halos {
    due: Due,
    /// Asked of the river and not rendered yet.
    asked: usize,
    under_way: usize,
    confirmed: u64,
}

impl Halos {
    /// A connection ended: what was under way is forgotten, because the next one begins with all subjects.
    pub(super) fn disconnected(&mut self) {
        let confirmed = self.confirmed;
        *self = Self { confirmed, ..Self::default() };
    }

    pub(super) fn touch(&mut self, subject: &Name, now_ms: u64) {
        self.due.touch(subject, now_ms);
    }

    /// The subjects to be rendered now, taken as sent.
    pub(super) fn take(&mut self, now_ms: u64) -> Vec<Name> {
        let room = UNDER_WAY_MAX.saturating_sub(self.asked + self.under_way);
        let names: Vec<Name> = std::iter::from_fn(|| self.due.take(now_ms)).take(room).collect();
        self.asked += names.len();
        names
    }

    /// The river rendered what was asked: a subject it does not know has no halo.
    pub(super) fn rendered(&mut self, asked: usize, rendered: &[(Name, Bytes)]) {
        self.asked = self.asked.saturating_sub(asked);
        self.under_way += rendered.len();
    }

    /// The receiver answered; a refused one is tried again, with whatever the subject is by then.
    pub(super) fn answered(&mut self, subject: &Name, taken: bool, now_ms: u64) {
        self.under_way = self.under_way.saturating_sub(1);
        if taken {
            self.confirmed += 1;
        } else {
            self.due.touch(subject, now_ms);
        }
    }

    /// When the next one is due, if there is room for it.
    pub(super) fn next_ms(&self) -> Option<u64> {
        (self.asked + self.under_way < UNDER_WAY_MAX).then(|| self.due.next()).flatten()
    }

    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }

    pub(super) fn confirmed(&self) -> u64 {
        self.confirmed
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
        halos.rendered(first.len(), &rendered);
        assert!(halos.take(0).is_empty());
        halos.answered(&first[0], true, 0);
        halos.answered(&first[1], false, 0);
        assert_eq!(halos.take(0).len(), 2);
        halos.disconnected();
        halos.touch(&first[0], 5);
        assert_eq!(halos.take(5).len(), 1, "no second's wait on a new connection");
    }
}
