//! Sets of carried facts and removals, by hand and step by step, so that a simulation decides when the power goes.

use super::super::*;
use super::rig::Rig;
use crate::store::carry::{self, Set, Taker};
use crate::store::state::StateEngine;

impl Rig {
    /// Takes a set of `engine`, part by part; `None` when the log did not take all of it.
    pub(crate) fn carry(&mut self, engine: &dyn StateEngine, from: Offset) -> Option<Set> {
        let number = self.owner.log.durable().0;
        let mut taker = Taker::begin(engine, number, from, 1_500).unwrap();
        let mut set = None;
        while let Some(part) = taker.part(engine).unwrap() {
            let mut done = self.append(Body::Carry(part));
            if self.turn() != Turn::Next {
                return None;
            }
            let last = done.try_recv().ok()?.ok()?;
            set = Some(last);
        }
        let found = carry::check(self.owner.log.folder(), number).ok()?;
        assert_eq!(found.map(|set| set.last), set, "what was appended whole is read back whole");
        found
    }

    /// Removes the segments that end before `from` and that `confirmed` covers, up to `count`; how many.
    pub(crate) fn remove_segments(&mut self, set: Set, confirmed: Offset, count: usize) -> usize {
        let folder = self.owner.log.folder();
        if folder.note_removed(|removed| removed.set = Some(set)).is_err() {
            return 0;
        }
        let entries = folder.entries();
        let nexts = entries.iter().skip(1).take(count);
        let goes = |next: &&crate::store::folder::Entry| next.first <= set.from.min(confirmed.next());
        let Some((at, next)) = nexts.enumerate().take_while(|(_, next)| goes(next)).last() else { return 0 };
        if folder.remove_before(next.header.segment).is_err() {
            return 0;
        }
        at + 1
    }
}
