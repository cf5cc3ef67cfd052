//! The queue in which acknowledgements and refusals leave, in the order their packets came.

use std::collections::VecDeque;

use crate::broker::codec::Reply;
use crate::broker::complaint::Place;
use crate::broker::message::Message;
use crate::broker::receipt::Ticket;
use crate::broker::seam::Outcome;

/// One packet's turn.
#[derive(Debug, PartialEq)]
pub(crate) enum Turn {
    /// A publish: to be routed when stored, and acknowledged if it has a packet id.
    Publish { id: Option<u16>, message: Message, will: bool },
    /// A publish that was refused at the door.
    RefusedPublish { id: Option<u16>, code: u8, place: Place },
    /// An answer that is ready and only waits for its turn.
    Answer(Reply),
}

#[derive(Debug)]
struct Entry {
    turn: Turn,
    /// `None`: in the hands of the sink or the log.
    outcome: Option<Outcome>,
}

#[derive(Debug, Default)]
pub(crate) struct AckQueue {
    entries: VecDeque<Entry>,
    /// Ticket of the first entry.
    first: Ticket,
    bytes: usize,
    unacked: usize,
}

impl AckQueue {
    /// Queues a publish whose outcome is still open.
    pub(crate) fn push_open(&mut self, turn: Turn) -> Ticket {
        self.push(turn, None)
    }

    /// Queues what needs nothing but its turn.
    pub(crate) fn push_ready(&mut self, turn: Turn) {
        self.push(turn, Some(Outcome::Stored));
    }

    fn push(&mut self, turn: Turn, outcome: Option<Outcome>) -> Ticket {
        let ticket = self.first + self.entries.len() as u64;
        self.bytes += weight(&turn);
        self.unacked += unacked(&turn);
        self.entries.push_back(Entry { turn, outcome });
        ticket
    }

    /// Notes an outcome; the first one counts. Tickets that have had their turn are ignored.
    pub(crate) fn settle(&mut self, ticket: Ticket, outcome: Outcome) {
        let index = ticket.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
            entry.outcome.get_or_insert(outcome);
        }
    }

    /// The first in the queue, once its outcome is known.
    pub(crate) fn pop(&mut self) -> Option<(Turn, Outcome)> {
        let outcome = self.entries.front_mut()?.outcome.take()?;
        let Entry { turn, .. } = self.entries.pop_front()?;
        self.first += 1;
        self.bytes -= weight(&turn);
        self.unacked -= unacked(&turn);
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
        Some((turn, outcome))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of publishes in the queue.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// QoS 1 publishes in the queue.
    pub(crate) fn unacked(&self) -> usize {
        self.unacked
    }
}

fn weight(turn: &Turn) -> usize {
    match turn {
        Turn::Publish { message, .. } => message.weight(),
        Turn::RefusedPublish { .. } | Turn::Answer(_) => 0,
    }
}

fn unacked(turn: &Turn) -> usize {
    match turn {
        Turn::Publish { id, .. } | Turn::RefusedPublish { id, .. } => usize::from(id.is_some()),
        Turn::Answer(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(id: u16) -> Turn {
        Turn::Answer(Reply::PubAck { id, code: 0, reason: None })
    }

    fn pop_ids(queue: &mut AckQueue) -> Vec<u16> {
        let id = |turn| match turn {
            Turn::Answer(Reply::PubAck { id, .. }) => id,
            _ => 0,
        };
        std::iter::from_fn(|| queue.pop()).map(|(turn, _)| id(turn)).collect()
    }

    proptest! {
        #[test]
        fn whatever_the_order_of_settling_turns_leave_in_order_and_only_when_all_before_are_settled(
            order in Just((0..20u64).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut queue = AckQueue::default();
            for id in 0..20 {
                prop_assert_eq!(queue.push_open(answer(id)), u64::from(id));
            }
            let mut left = Vec::new();
            let mut settled = [false; 20];
            for ticket in order {
                queue.settle(ticket, Outcome::Stored);
                settled[ticket as usize] = true;
                left.extend(pop_ids(&mut queue));
                let prefix = settled.iter().take_while(|&&s| s).count();
                prop_assert_eq!(left.len(), prefix);
            }
            prop_assert_eq!(left, (0..20).collect::<Vec<u16>>());
        }
    }

    #[test]
    fn the_first_outcome_counts_and_late_ones_are_ignored() {
        let mut queue = AckQueue::default();
        let ticket = queue.push_open(answer(1));
        queue.settle(ticket, Outcome::Refused(0x97));
        queue.settle(ticket, Outcome::Lost);
        assert_eq!(queue.pop().map(|(_, outcome)| outcome), Some(Outcome::Refused(0x97)));
        queue.settle(ticket, Outcome::Stored);
        assert!(queue.is_empty());
    }
}
