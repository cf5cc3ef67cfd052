//! Decisions about one case that follow one which is on its way to the log. Records come faster than decisions come back:
//! a device that empties its buffer tells of hours in a moment, and each time a condition held in them is a spark.

use super::going::{Case, Going, Proposal};
use crate::record::{Cleared, Mark, Offset, Raised, Spark, SparkTurn};

/// Most of one case; what comes when there are as many is seen when they are through, as it is then.
const AHEAD_MAX: usize = 32;

/// A decision whose turn has not come.
#[derive(Debug)]
pub(super) struct Ahead {
    cause: Offset,
    turn: Turn,
}

#[derive(Debug)]
enum Turn {
    Raise(Box<Raised>),
    Clear,
}

impl Going {
    /// Whether a spark of the case will stand when everything decided is in the log; none: nothing is on its way.
    pub(super) fn expected(&self, case: &Case) -> Option<bool> {
        if let Some(last) = self.ahead.get(case).and_then(|ahead| ahead.back()) {
            return Some(matches!(last.turn, Turn::Raise(_)));
        }
        let is_proposed = |proposal| self.is_proposed(case, proposal);
        is_proposed(Proposal::Raise).then_some(true).or_else(|| is_proposed(Proposal::Clear).then_some(false))
    }

    /// A spark of the case is raised once what is on its way is through.
    pub(super) fn raise_later(&mut self, case: &Case, cause: Offset, raised: Raised) -> bool {
        self.later(case, Ahead { cause, turn: Turn::Raise(Box::new(raised)) })
    }

    /// The spark that is on its way ends once it is there.
    pub(super) fn clear_later(&mut self, case: &Case, cause: Offset) -> bool {
        self.later(case, Ahead { cause, turn: Turn::Clear })
    }

    /// Whether there was room.
    fn later(&mut self, case: &Case, decision: Ahead) -> bool {
        let ahead = self.ahead.entry(case.clone()).or_default();
        let has_room = ahead.len() < AHEAD_MAX;
        if has_room {
            ahead.push_back(decision);
        }
        has_room
    }

    /// What was on its way is in the log, at `mark`: the next one's turn.
    pub(super) fn next_of(&mut self, case: &Case, spark: &Spark, mark: Mark) {
        let Some(ahead) = self.ahead.get_mut(case) else { return };
        let next = ahead.pop_front();
        if ahead.is_empty() {
            self.ahead.remove(case);
        }
        let Some(Ahead { cause, turn }) = next else { return };
        let (proposal, turn) = match turn {
            Turn::Raise(raised) => (Proposal::Raise, SparkTurn::Raised(raised)),
            Turn::Clear => {
                let (pair, why) = (case.pair.clone(), Cleared::Over);
                (Proposal::Clear, SparkTurn::Cleared { spark: mark, pair, why })
            }
        };
        let body = Spark { subject: case.subject.clone(), rule: spark.rule.clone(), turn };
        self.propose(case.clone(), proposal, cause, body);
    }
}
