//! The frames a device holds until the broker has acknowledged them: bounded, in order, resent as the same bytes.
//!
//! Frames enter at the back. At most `window` of them are in flight on the current connection; a lost connection puts
//! those back in front of the rest, in their order. When a frame enters a full outbox the oldest frame that is not in
//! flight leaves and is handed to the caller, who writes it down: nothing disappears silently.

use std::collections::VecDeque;

use bytes::Bytes;

/// One frame on its way: its key and the bytes that every transmission repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) seq: u32,
    pub(crate) payload: Bytes,
    /// Transmissions so far.
    pub(crate) sent: u32,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Outbox {
    in_flight: VecDeque<Parcel>,
    waiting: VecDeque<Parcel>,
    window: usize,
    capacity: usize,
}

impl Outbox {
    /// `capacity` frames at most, `window` of them in flight; `capacity` is raised above `window` so that a full
    /// outbox always holds a frame that may leave.
    pub(crate) fn new(window: usize, capacity: usize) -> Self {
        let window = window.max(1);
        Self { in_flight: VecDeque::new(), waiting: VecDeque::new(), window, capacity: capacity.max(window + 1) }
    }

    /// Takes a new frame; returns the frame that had to leave for it.
    pub(crate) fn push(&mut self, parcel: Parcel) -> Option<Parcel> {
        let dropped = if self.is_full() { self.waiting.pop_front() } else { None };
        self.waiting.push_back(parcel);
        debug_assert!(self.len() <= self.capacity);
        dropped
    }

    /// The next frame to put on the wire, now counted as in flight; `None` while the window is full or nothing waits.
    pub(crate) fn send_next(&mut self) -> Option<Parcel> {
        if self.in_flight.len() >= self.window {
            return None;
        }
        let mut parcel = self.waiting.pop_front()?;
        parcel.sent += 1;
        self.in_flight.push_back(parcel.clone());
        Some(parcel)
    }

    /// Forgets a frame that the broker acknowledged; `false` when it was not in flight.
    pub(crate) fn acked(&mut self, seq: u32) -> bool {
        let found = self.in_flight.iter().position(|parcel| parcel.seq == seq);
        found.and_then(|at| self.in_flight.remove(at)).is_some()
    }

    /// Everything in flight waits again, in its order, before the frames that were never sent.
    pub(crate) fn connection_lost(&mut self) {
        while let Some(parcel) = self.in_flight.pop_back() {
            self.waiting.push_front(parcel);
        }
    }

    /// Whether nothing is in flight.
    pub(crate) fn rests(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Whether the next frame would push one out.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= self.capacity
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Frames held, in flight or waiting.
    pub(crate) fn len(&self) -> usize {
        self.in_flight.len() + self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(seq: u32) -> Parcel {
        Parcel { seq, payload: Bytes::from(seq.to_be_bytes().to_vec()), sent: 0 }
    }

    fn sent(outbox: &mut Outbox) -> Vec<u32> {
        std::iter::from_fn(|| outbox.send_next()).map(|parcel| parcel.seq).collect()
    }

    #[test]
    fn no_more_than_the_window_is_in_flight() {
        let mut outbox = Outbox::new(3, 100);
        for seq in 0..10 {
            assert_eq!(outbox.push(parcel(seq)), None);
        }
        assert_eq!(sent(&mut outbox), [0, 1, 2]);
        assert!(outbox.acked(1));
        assert_eq!(sent(&mut outbox), [3]);
        assert!(!outbox.acked(1), "an ack counts once");
        assert!(!outbox.acked(7), "a frame that waits cannot be acknowledged");
    }

    #[test]
    fn a_lost_connection_puts_the_window_back_in_order() {
        let mut outbox = Outbox::new(4, 100);
        for seq in 0..6 {
            outbox.push(parcel(seq));
        }
        assert_eq!(sent(&mut outbox), [0, 1, 2, 3]);
        outbox.acked(2);
        outbox.connection_lost();
        assert_eq!(sent(&mut outbox), [0, 1, 3, 4]);
    }

    #[test]
    fn a_full_outbox_gives_up_its_oldest_waiting_frame() {
        let mut outbox = Outbox::new(2, 4);
        for seq in 0..4 {
            assert_eq!(outbox.push(parcel(seq)), None);
        }
        assert_eq!(sent(&mut outbox), [0, 1]);
        assert_eq!(outbox.push(parcel(4)), Some(parcel(2)), "frames in flight stay");
        assert_eq!(outbox.len(), 4);
        outbox.connection_lost();
        assert_eq!(outbox.push(parcel(5)), Some(Parcel { sent: 1, ..parcel(0) }));
        assert_eq!(outbox.len(), 4);
    }

    #[test]
    fn a_capacity_below_the_window_still_leaves_room_for_one_frame_to_wait() {
        let mut outbox = Outbox::new(20, 1);
        for seq in 0..21 {
            assert_eq!(outbox.push(parcel(seq)), None);
        }
        sent(&mut outbox);
        assert_eq!(outbox.push(parcel(21)), Some(parcel(20)));
    }
}
