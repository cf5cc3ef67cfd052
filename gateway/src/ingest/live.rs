//! What ingest knows of this process only: who is connected, and repeats not yet counted in the log. Never replayed,
//! never checkpointed; carried over when the replayed state is rebuilt after a failed commit.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::keys::Keys;
use super::quarantine;
use crate::record::Name;

/// Repeats of one device are counted for this long before they become one record.
pub(super) const REPEATS_MS: u64 = 10_000;

/// The part of ingest that belongs to the process, not to the log.
#[derive(Debug, Default)]
pub struct Live {
    /// Devices that published, by session.
    sessions: HashMap<u64, Speakers>,
    /// In how many sessions a device published.
    online: HashMap<Name, u32>,
    /// Devices whose last session ended, until the log says so.
    departed: BTreeSet<Name>,
    /// Repeats not yet in the log.
    repeats: BTreeMap<Name, Repeats>,
    /// When each of `repeats` is due, in that order.
    repeats_due: BTreeSet<(u64, Name)>,
    /// What the quarantine may hold, by this process's configuration.
    pub(super) quarantine: quarantine::Config,
    /// What devices prove themselves with, by this process's key file.
    pub(super) keys: Keys,
}

/// Devices that published on one session.
#[derive(Debug, Default)]
struct Speakers {
    /// The one that did last, nearly always the only one: comparing a name is cheaper than looking it up.
    last: Option<Name>,
    all: HashSet<Name>,
}

#[derive(Debug)]
struct Repeats {
    count: u32,
    due_ms: u64,
}

impl Live {
    /// A device published on a session; whether for the first time.
    pub(super) fn published(&mut self, session: u64, device: &Name) -> bool {
        let speakers = self.sessions.entry(session).or_default();
        if speakers.last.as_ref() == Some(device) {
            return false;
        }
        speakers.last = Some(device.clone());
        if !speakers.all.insert(device.clone()) {
            return false;
        }
        *self.online.entry(device.clone()).or_default() += 1;
        self.departed.remove(device);
        true
    }

    /// A session ended; devices that no other session speaks for have departed.
    pub(super) fn ended(&mut self, session: u64) {
        for device in self.sessions.remove(&session).unwrap_or_default().all {
            let Some(sessions) = self.online.get_mut(&device) else { continue };
            *sessions -= 1;
            if *sessions == 0 {
                self.online.remove(&device);
                self.departed.insert(device);
            }
        }
    }

    /// Whether a session that published as this device is open.
    pub(super) fn is_online(&self, device: &str) -> bool {
        self.online.contains_key(device)
    }

    /// Devices whose departure the log does not know yet.
    pub(super) fn departed(&self) -> impl Iterator<Item = &Name> {
        self.departed.iter()
    }

    /// The log knows of a departure.
    pub(super) fn departure_logged(&mut self, device: &Name) {
        self.departed.remove(device);
    }

    /// A device repeated itself, at a monotonic time.
    pub(super) fn repeated(&mut self, device: &Name, mono_ms: u64) {
        if let Some(repeats) = self.repeats.get_mut(device) {
            repeats.count = repeats.count.saturating_add(1);
            return;
        }
        let due_ms = mono_ms.saturating_add(REPEATS_MS);
        self.repeats.insert(device.clone(), Repeats { count: 1, due_ms });
        self.repeats_due.insert((due_ms, device.clone()));
    }

    /// Counts due at a monotonic time.
    pub(super) fn repeats(&self, mono_ms: u64) -> impl Iterator<Item = (&Name, u32)> {
        let due = self.repeats_due.iter().take_while(move |(due_ms, _)| *due_ms <= mono_ms);
        due.filter_map(|(_, device)| self.repeats.get(device).map(|repeats| (device, repeats.count)))
    }

    /// The log knows of so many repeats.
    pub(super) fn repeats_logged(&mut self, device: &Name, count: u32) {
        let Some(repeats) = self.repeats.get_mut(device) else { return };
        repeats.count = repeats.count.saturating_sub(count);
        if repeats.count == 0 {
            self.repeats_due.remove(&(repeats.due_ms, device.clone()));
            self.repeats.remove(device);
        }
    }

    /// Monotonic time at which a count is due.
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.repeats_due.first().map(|(due_ms, _)| *due_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_take_turns_on_one_session_are_each_new_once_and_leave_once() {
        let (one, two) = (Name::from("one"), Name::from("two"));
        let mut live = Live::default();
        let turns = [&one, &two, &one, &one, &two, &two].map(|device| live.published(7, device));
        assert_eq!(turns, [true, true, false, false, false, false]);
        assert!(live.published(8, &one) && !live.published(8, &one));
        live.ended(7);
        assert_eq!(live.departed().collect::<Vec<_>>(), [&two]);
        live.ended(8);
        assert_eq!(live.departed().collect::<Vec<_>>(), [&one, &two]);
    }
}
