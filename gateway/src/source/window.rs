//! The publishes of one connection that are not acknowledged yet, in order of arrival. Decides; does nothing.

use std::collections::VecDeque;

use crate::broker::Message;

/// What becomes of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Durable: acknowledge and route.
    Stored,
    /// Nothing new in it: acknowledge.
    Known,
    /// Not taken, for this reason: acknowledge, or it would come for ever.
    Refused(u8),
    /// Nothing is known of it: it must come again.
    Lost,
}

/// The window; `A` is what its broker wants back.
#[derive(Debug)]
pub(super) struct Window<A> {
    /// Ticket of the first entry.
    first: u64,
    entries: VecDeque<Entry<A>>,
    entries_max: usize,
}

#[derive(Debug)]
struct Entry<A> {
    turn: Turn<A>,
    fate: Option<Fate>,
}

/// One publish whose turn may come.
#[derive(Debug, PartialEq)]
pub(super) struct Turn<A> {
    /// To be acknowledged; QoS 0 is not.
    pub(super) ack: Option<A>,
    pub(super) message: Message,
}

impl<A> Window<A> {
    pub(super) fn new(entries_max: usize) -> Self {
        Self { first: 0, entries: VecDeque::new(), entries_max }
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.entries_max
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes a publish in; its ticket counts from 0.
    pub(super) fn push(&mut self, ack: Option<A>, message: Message) -> u64 {
        self.entries.push_back(Entry { turn: Turn { ack, message }, fate: None });
        self.first + self.entries.len() as u64 - 1
    }

    /// What has become of it, in any order.
    pub(super) fn settle(&mut self, ticket: u64, fate: Fate) {
        let place = ticket.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
            entry.fate.get_or_insert(fate);
        }
    }

    /// The oldest publish, once its fate is known.
    pub(super) fn next(&mut self) -> Option<(Turn<A>, Fate)> {
        let fate = self.entries.front()?.fate?;
        let entry = self.entries.pop_front()?;
        self.first += 1;
        Some((entry.turn, fate))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;

    fn message() -> Message {
        Message { topic: Arc::from("t"), payload: Bytes::new(), qos: 1, retain: false, properties: None }
    }

    #[test]
    fn acknowledgements_leave_in_order_of_arrival_whatever_the_order_of_settling() {
        let mut window = Window::new(3);
        let tickets: Vec<_> = (10..13_u16).map(|id| window.push(Some(id), message())).collect();
        assert_eq!((tickets, window.is_full()), (vec![0, 1, 2], true));
        window.settle(2, Fate::Stored);
        window.settle(1, Fate::Refused(0x95));
        assert!(window.next().is_none(), "the first is still open");
        window.settle(0, Fate::Stored);
        let left: Vec<_> = std::iter::from_fn(|| window.next()).map(|(turn, fate)| (turn.ack, fate)).collect();
        assert_eq!(left, [(Some(10), Fate::Stored), (Some(11), Fate::Refused(0x95)), (Some(12), Fate::Stored)]);
        assert!(window.is_empty() && !window.is_full());
    }

    #[test]
    fn the_first_word_on_a_publish_stands_and_one_on_a_strange_publish_is_nobodys() {
        let mut window = Window::new(3);
        window.settle(7, Fate::Stored);
        let ticket = window.push(Some(1_u16), message());
        window.settle(ticket, Fate::Lost);
        window.settle(ticket, Fate::Stored);
        assert_eq!(window.next().map(|(_, fate)| fate), Some(Fate::Lost));
        window.settle(ticket, Fate::Stored);
        assert!(window.next().is_none());
    }
}
