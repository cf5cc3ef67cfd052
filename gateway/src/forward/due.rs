//! When each subject's halo goes out: at once when the last is at least a second old, else when it is; always the newest.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::record::Name;

/// Least time between two halos of one subject, milliseconds (design: "due at once when the last is ≥ 1 s old").
pub(super) const PERIOD_MS: u64 = 1_000;

/// Conflates changes per subject. Times are monotonic milliseconds.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// When the last one went out, of those that went out within the last second.
    sent: HashMap<Name, u64>,
    /// The same, oldest first.
    order: VecDeque<(u64, Name)>,
    queue: BTreeSet<(u64, Name)>,
    queued: HashMap<Name, u64>,
}

impl Due {
    /// The subject's halo changed.
    pub(super) fn touch(&mut self, subject: &Name, now_ms: u64) {
        if self.queued.contains_key(subject) {
            return;
        }
        let due = self.sent.get(subject).map_or(now_ms, |sent| now_ms.max(sent + PERIOD_MS));
        self.queued.insert(subject.clone(), due);
        self.queue.insert((due, subject.clone()));
    }

    /// The next subject whose halo is due, taken as sent now.
    pub(super) fn take(&mut self, now_ms: u64) -> Option<Name> {
        if self.next()? > now_ms {
            return None;
        }
        let (_, subject) = self.queue.pop_first()?;
        self.queued.remove(&subject);
        self.forget_old(now_ms);
        self.sent.insert(subject.clone(), now_ms);
        self.order.push_back((now_ms, subject.clone()));
        Some(subject)
    }

    /// One sent longer ago than a period holds nothing back: what is kept follows the rate and not the subjects.
    fn forget_old(&mut self, now_ms: u64) {
        while let Some((_, subject)) = self.order.pop_front_if(|(sent, _)| *sent + PERIOD_MS <= now_ms) {
            self.sent.remove(&subject);
        }
    }

    /// The subjects that are due now or later.
    pub(super) fn queued(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.queued.keys()
    }

    /// When the next halo is due.
    pub(super) fn next(&self) -> Option<u64> {
        self.queue.first().map(|(due, _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anna() -> Name {
        "anna".into()
    }

    #[test]
    fn the_first_change_is_due_at_once() {
        let mut due = Due::default();
        due.touch(&anna(), 5_000);
        assert_eq!(due.take(5_000), Some(anna()));
    }

    #[test]
    fn changes_within_a_second_become_one_halo_at_its_end() {
        let mut due = Due::default();
        due.touch(&anna(), 5_000);
        assert_eq!(due.take(5_000), Some(anna()));
        due.touch(&anna(), 5_010);
        due.touch(&anna(), 5_900);
        assert_eq!(due.take(5_999), None);
        assert_eq!(due.next(), Some(6_000));
        assert_eq!(due.take(6_000), Some(anna()));
        assert_eq!(due.take(9_000), None);
    }

    #[test]
    fn subjects_that_went_out_long_ago_are_forgotten() {
        let mut due = Due::default();
        for n in 0..5_000_u64 {
            due.touch(&format!("subject {n}").into(), n * 10);
            assert!(due.take(n * 10).is_some());
        }
        assert_eq!((due.sent.len(), due.order.len()), (100, 100));
        due.touch(&"subject 4999".into(), 49_991);
        assert_eq!(due.next(), Some(50_990), "a recent one is still held back");
    }

    #[test]
    fn a_subject_silent_for_a_second_is_due_at_once_again() {
        let mut due = Due::default();
        due.touch(&anna(), 0);
        assert_eq!(due.take(0), Some(anna()));
        due.touch(&anna(), 1_000);
        assert_eq!(due.take(1_000), Some(anna()));
    }
}
