//! Decisions that records have made due and that no record has made yet. Part of the replayed state: a decision found in
//! the log is struck off by its cause, so that none is made twice.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::quarantine::Held;
use super::sequence::Hole;
use crate::record::{Body, Conflict, Draft, Gap, Identity, Name, Offset, Quarantine, Record};

/// Decisions due, in order of their causes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Owed {
    due: VecDeque<Due>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Due {
    cause: Offset,
    device: Name,
    subject: Name,
    what: What,
}

/// What is to be said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum What {
    /// The record at the cause cannot be understood; with the frame, if it is one.
    Quarantine { reason: String, frame: Option<Box<Held>> },
    /// Sequences are given up.
    Gap(Hole),
    /// A sequence was used twice.
    Conflict(Identity),
}

impl Owed {
    /// Makes a decision due.
    pub(super) fn push(&mut self, cause: Offset, device: &Name, subject: &Name, what: What) {
        self.due.push_back(Due { cause, device: device.clone(), subject: subject.clone(), what });
    }

    /// Strikes off what a decision record says, if it was due.
    pub(super) fn settle(&mut self, record: &Record) -> Option<What> {
        let found = self.due.iter().position(|due| due.is_settled_by(record));
        found.and_then(|at| self.due.remove(at)).map(|due| due.what)
    }

    /// All that is due.
    pub(super) fn drafts(&self) -> impl Iterator<Item = Draft> {
        self.due.iter().map(Due::draft)
    }
}

impl Due {
    /// By cause and by what distinguishes decisions of one cause; not by the wording of a reason, which may change
    /// between versions of the program.
    fn is_settled_by(&self, record: &Record) -> bool {
        record.cause == Some(self.cause)
            && match (&self.what, &record.body) {
                (What::Quarantine { .. }, Body::Quarantine(_)) => true,
                (What::Gap(hole), Body::Gap(gap)) => (hole.boot, hole.first) == (gap.boot, gap.first),
                (What::Conflict(identity), Body::Conflict(conflict)) => *identity == conflict.identity,
                _ => false,
            }
    }

    fn draft(&self) -> Draft {
        let (device, subject) = (self.device.clone(), self.subject.clone());
        let body = match &self.what {
            What::Quarantine { reason, .. } => Body::Quarantine(Quarantine { device, subject, reason: reason.clone() }),
            What::Gap(Hole { boot, first, last }) => {
                Body::Gap(Gap { device, subject, boot: *boot, first: *first, last: *last })
            }
            What::Conflict(identity) => Body::Conflict(Conflict { device, subject, identity: *identity }),
        };
        Draft { cause: Some(self.cause), body }
    }
}
