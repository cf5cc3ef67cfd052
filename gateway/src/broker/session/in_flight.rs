//! QoS 1 deliveries that the client has not acknowledged yet.

use std::collections::VecDeque;

#[derive(Debug)]
pub(crate) struct InFlight {
    /// In order of sending; clients acknowledge mostly in that order.
    sent: VecDeque<Sent>,
    next_id: u16,
    window: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Sent {
    AwaitingPubAck { id: u16 },
}

impl InFlight {
    pub(crate) fn new(window: u16) -> Self {
        Self { sent: VecDeque::new(), next_id: 1, window: usize::from(window) }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.sent.len() < self.window
    }

    /// A packet identifier that is free; call only while there is room.
    pub(crate) fn send(&mut self) -> u16 {
        debug_assert!(self.has_room());
        let mut id = self.next_id;
        while self.position(id).is_some() {
            id = after(id);
        }
        self.next_id = after(id);
        self.sent.push_back(Sent::AwaitingPubAck { id });
        id
    }

    /// Frees an identifier; one that is not in flight is ignored.
    pub(crate) fn acknowledged(&mut self, id: u16) {
        if let Some(at) = self.position(id) {
            self.sent.remove(at);
        }
        if self.sent.is_empty() {
            self.sent = VecDeque::new();
        }
    }

    fn position(&self, id: u16) -> Option<usize> {
        self.sent.iter().position(|sent| *sent == Sent::AwaitingPubAck { id })
    }
}

fn after(id: u16) -> u16 {
    id.checked_add(1).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_go_round_and_skip_what_is_still_in_flight() {
        let mut in_flight = InFlight::new(3);
        let first = in_flight.send();
        for _ in 0..u16::MAX - 1 {
            let id = in_flight.send();
            in_flight.acknowledged(id);
        }
        assert_eq!(in_flight.send(), first + 1, "identifier 1 is still in flight, 0 is none");
    }

    #[test]
    fn the_window_opens_with_each_acknowledgement() {
        let mut in_flight = InFlight::new(2);
        let (a, _) = (in_flight.send(), in_flight.send());
        assert!(!in_flight.has_room());
        in_flight.acknowledged(999);
        assert!(!in_flight.has_room());
        in_flight.acknowledged(a);
        assert!(in_flight.has_room());
    }
}
