//! The frames a device holds until the broker has acknowledged them: bounded, in order, resent as the same bytes.
//!
//! Frames enter at the back. At most `window` of them are in flight on the current connection; a lost connection puts
//! those back in front of the rest, in their order. When a frame enters a full outbox the oldest frame that is not in
//! flight leaves and is handed to the caller, who writes it down: nothing disappears silently.

use std::collections::VecDeque;

use bytes::Bytes;

/// Which frame of one device: its boot and its sequence number within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameId {
    pub(crate) boot: u32,
    pub(crate) seq: u32,
}

/// One frame on its way: its identity and the bytes that every transmission repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) id: FrameId,
    pub(crate) payload: Bytes,
    /// Whether the firmware made a malformed frame of it.
    pub(crate) bad: bool,
    /// Transmissions so far.
    pub(crate) sent: u32,
    /// When it was first sent, ms since the Unix epoch; 0 until then.
    pub(crate) first_sent_ms: i64,
}

impl Parcel {
    /// A frame that was never sent.
    pub(crate) fn new(id: FrameId, payload: Bytes, bad: bool) -> Self {
        Self { id, payload, bad, sent: 0, first_sent_ms: 0 }
    }
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Outbox {
    in_flight: VecDeque<Parcel>,
    waiting: VecDeque<Parcel>,
    window: usize,
    capacity: usize,
    newest_first: bool,
}

impl Outbox {
    /// `capacity` frames at most, `window` of them in flight; `capacity` is raised above `window` so that a full
    /// outbox always holds a frame that may leave.
    pub(crate) fn new(window: usize, capacity: usize) -> Self {
        let window = window.max(1);
        let (in_flight, waiting) = (VecDeque::new(), VecDeque::new());
        Self { in_flight, waiting, window, capacity: capacity.max(window + 1), newest_first: false }
    }

    /// Sends the newest frame first instead of the oldest.
    pub(crate) fn newest_first(self, newest_first: bool) -> Self {
        Self { newest_first, ..self }
    }

    /// Takes a new frame; returns the frame that had to leave for it.
    pub(crate) fn push(&mut self, parcel: Parcel) -> Option<Parcel> {
        let dropped = if self.is_full() { self.waiting.pop_front() } else { None };
        self.waiting.push_back(parcel);
        debug_assert!(self.len() <= self.capacity);
        dropped
    }

    /// The next frame to put on the wire at Unix time `now_ms`, now counted as in flight; `None` while the window is full
    /// or nothing waits.
    pub(crate) fn send_next(&mut self, now_ms: i64) -> Option<Parcel> {
        if self.in_flight.len() >= self.window {
            return None;
        }
        let mut parcel = if self.newest_first { self.waiting.pop_back() } else { self.waiting.pop_front() }?;
        parcel.sent += 1;
        if parcel.sent == 1 {
            parcel.first_sent_ms = now_ms;
        }
        self.in_flight.push_back(parcel.clone());
        Some(parcel)
    }

    /// Whether [`Outbox::send_next`] would give a frame.
    pub(crate) fn can_send(&self) -> bool {
        self.in_flight.len() < self.window && !self.waiting.is_empty()
    }

    /// Counts another transmission of a frame in flight, which it returns.
    pub(crate) fn send_again(&mut self, id: FrameId) -> Option<Parcel> {
        let parcel = self.in_flight.iter_mut().find(|parcel| parcel.id == id)?;
        parcel.sent += 1;
        Some(parcel.clone())
    }

    /// Lets the second frame in line go before the first.
    pub(crate) fn swap_next(&mut self) {
        let len = self.waiting.len();
        if len >= 2 {
            if self.newest_first { self.waiting.swap(len - 1, len - 2) } else { self.waiting.swap(0, 1) }
        }
    }

    /// Gives up a frame that the broker acknowledged; `None` when it was not in flight.
    pub(crate) fn acked(&mut self, id: FrameId) -> Option<Parcel> {
        let at = self.in_flight.iter().position(|parcel| parcel.id == id)?;
        self.in_flight.remove(at)
    }

    /// Everything in flight waits again, in its order, before the frames that were never sent.
    pub(crate) fn connection_lost(&mut self) {
        while let Some(parcel) = self.in_flight.pop_back() {
            if self.newest_first { self.waiting.push_back(parcel) } else { self.waiting.push_front(parcel) }
        }
    }

    /// Frames on the wire.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
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
        Parcel::new(id(seq), Bytes::from(seq.to_be_bytes().to_vec()), false)
    }

    fn id(seq: u32) -> FrameId {
        FrameId { boot: 1, seq }
    }

    fn sent(outbox: &mut Outbox) -> Vec<u32> {
        std::iter::from_fn(|| outbox.send_next(9)).map(|parcel| parcel.id.seq).collect()
    }

    #[test]
    fn no_more_than_the_window_is_in_flight() {
        let mut outbox = Outbox::new(3, 100);
        for seq in 0..10 {
            assert_eq!(outbox.push(parcel(seq)), None);
        }
        assert_eq!(sent(&mut outbox), [0, 1, 2]);
        assert!(outbox.acked(id(1)).is_some());
        assert_eq!(sent(&mut outbox), [3]);
        assert_eq!(outbox.acked(id(1)), None, "an ack counts once");
        assert_eq!(outbox.acked(id(7)), None, "a frame that waits cannot be acknowledged");
    }

    #[test]
    fn a_lost_connection_puts_the_window_back_in_order() {
        let mut outbox = Outbox::new(4, 100);
        for seq in 0..6 {
            outbox.push(parcel(seq));
        }
        assert_eq!(sent(&mut outbox), [0, 1, 2, 3]);
        outbox.acked(id(2));
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
        assert_eq!(outbox.push(parcel(5)), Some(Parcel { sent: 1, first_sent_ms: 9, ..parcel(0) }));
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

    #[test]
    fn the_newest_may_go_first_and_what_was_in_flight_comes_back_in_front_of_its_elders() {
        let mut outbox = Outbox::new(2, 100).newest_first(true);
        for seq in 0..5 {
            outbox.push(parcel(seq));
        }
        assert_eq!(sent(&mut outbox), [4, 3]);
        outbox.connection_lost();
        assert_eq!(sent(&mut outbox), [4, 3]);
        outbox.acked(id(4));
        outbox.push(parcel(5));
        assert_eq!(sent(&mut outbox), [5]);
    }

    #[test]
    fn two_frames_in_line_can_change_places_and_one_in_flight_can_be_sent_again() {
        let mut outbox = Outbox::new(2, 100);
        for seq in 0..3 {
            outbox.push(parcel(seq));
        }
        outbox.swap_next();
        assert_eq!(sent(&mut outbox), [1, 0]);
        assert!(!outbox.can_send(), "the window is full");
        assert_eq!(outbox.send_again(id(1)).map(|parcel| parcel.sent), Some(2));
        assert_eq!(outbox.send_again(id(2)), None, "a frame that waits was not sent yet");
    }
}
