//! When each subject's halo goes out: at once when the last is at least a second old, else when it is; always the newest.

use std::collections::{BTreeSet, HashMap};

use crate::record::Name;

/// Least time between two halos of one subject, milliseconds (design: "due at once when the last is ≥ 1 s old").
pub(super) const PERIOD_MS: u64 = 1_000;

/// Conflates changes per subject. Times are monotonic milliseconds.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// When the last one went out.
    sent: HashMap<Name, u64>,
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
        self.sent.insert(subject.clone(), now_ms);
        Some(subject)
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
    fn a_subject_silent_for_a_second_is_due_at_once_again() {
        let mut due = Due::default();
        due.touch(&anna(), 0);
        assert_eq!(due.take(0), Some(anna()));
        due.touch(&anna(), 1_000);
        assert_eq!(due.take(1_000), Some(anna()));
    }
}
