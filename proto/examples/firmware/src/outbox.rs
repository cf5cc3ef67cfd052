//! Frames that have not been acknowledged: a ring of slots, each a frame.

/// Up to `FRAMES` frames of up to `BYTES` bytes.
#[derive(Debug)]
pub struct Outbox<const FRAMES: usize, const BYTES: usize> {
    slots: [Slot<BYTES>; FRAMES],
    /// The oldest one's slot.
    oldest: usize,
    len: usize,
    given_up: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot<const BYTES: usize> {
    bytes: [u8; BYTES],
    len: usize,
    state: State,
    /// Whether it was ever sent: the next time is a repeat.
    again: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    OnItsWay,
    Done,
}

/// A frame to be sent.
pub(crate) struct Due<'a> {
    pub(crate) packet_id: u16,
    pub(crate) again: bool,
    pub(crate) bytes: &'a [u8],
}

impl<const FRAMES: usize, const BYTES: usize> Outbox<FRAMES, BYTES> {
    /// Empty.
    pub const fn new() -> Self {
        const { assert!(FRAMES > 0 && FRAMES < u16::MAX as usize) };
        let slot = Slot { bytes: [0; BYTES], len: 0, state: State::Done, again: false };
        Self { slots: [slot; FRAMES], oldest: 0, len: 0, given_up: 0 }
    }

    /// Puts a frame that `write` makes; when it is full the oldest is given up.
    ///
    /// # Errors
    /// As `write`; nothing is put then. What had to make room is gone all the same.
    pub fn put<E>(&mut self, write: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<(), E> {
        let at = (self.oldest + self.len) % FRAMES;
        let is_full = self.len == FRAMES;
        let Some(slot) = self.slots.get_mut(at) else { return Ok(()) };
        // The slot after the newest is the oldest's when all are taken; it is written to, so it is given up first.
        if is_full {
            self.oldest = (self.oldest + 1) % FRAMES;
            self.len -= 1;
            self.given_up += u32::from(slot.state != State::Done);
        }
        slot.len = write(&mut slot.bytes)?.min(BYTES);
        (slot.state, slot.again) = (State::Waiting, false);
        self.len += 1;
        Ok(())
    }

    /// Frames not acknowledged.
    pub fn len(&self) -> usize {
        self.places().filter(|at| self.slots.get(*at).is_some_and(|slot| slot.state != State::Done)).count()
    }

    /// Whether everything is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Frames given up for want of room, since the start.
    pub fn given_up(&self) -> u32 {
        self.given_up
    }

    /// The next frame to send, oldest first, if fewer than `window` are on their way. It is on its way then.
    pub(crate) fn due(&mut self, window: usize) -> Option<Due<'_>> {
        let on_its_way = |at: &usize| self.slots.get(*at).is_some_and(|slot| slot.state == State::OnItsWay);
        if self.places().filter(on_its_way).count() >= window {
            return None;
        }
        let waiting = |at: &usize| self.slots.get(*at).is_some_and(|slot| slot.state == State::Waiting);
        let at = self.places().find(waiting)?;
        let slot = self.slots.get_mut(at)?;
        let again = core::mem::replace(&mut slot.again, true);
        slot.state = State::OnItsWay;
        Some(Due { packet_id: packet_id(at), again, bytes: slot.bytes.get(..slot.len)? })
    }

    /// The gateway has it.
    pub(crate) fn acknowledged(&mut self, id: u16) {
        let Some(at) = self.places().find(|at| packet_id(*at) == id) else { return };
        if let Some(slot) = self.slots.get_mut(at).filter(|slot| slot.state == State::OnItsWay) {
            slot.state = State::Done;
        }
        while self.len > 0 && self.slots.get(self.oldest).is_some_and(|slot| slot.state == State::Done) {
            self.oldest = (self.oldest + 1) % FRAMES;
            self.len -= 1;
        }
    }

    /// The connection is gone: whatever was on its way has to go again.
    pub(crate) fn connection_lost(&mut self) {
        self.slots.iter_mut().filter(|slot| slot.state == State::OnItsWay).for_each(|slot| slot.state = State::Waiting);
    }

    fn places(&self) -> impl Iterator<Item = usize> + use<FRAMES, BYTES> {
        let oldest = self.oldest;
        (0..self.len).map(move |index| (oldest + index) % FRAMES)
    }
}

impl<const FRAMES: usize, const BYTES: usize> Default for Outbox<FRAMES, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

/// A slot's own id: unique among the frames on their way. 0 is no packet id.
fn packet_id(at: usize) -> u16 {
    at as u16 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(outbox: &mut Outbox<3, 4>, byte: u8) {
        let wrote: Result<(), ()> = outbox.put(|out| {
            out[0] = byte;
            Ok(1)
        });
        wrote.unwrap();
    }

    fn due(outbox: &mut Outbox<3, 4>, window: usize) -> Option<(u16, bool, u8)> {
        outbox.due(window).map(|due| (due.packet_id, due.again, due.bytes[0]))
    }

    #[test]
    fn frames_go_in_order_within_the_window_and_again_after_a_lost_connection() {
        let mut outbox = Outbox::new();
        (10..13).for_each(|byte| put(&mut outbox, byte));
        assert_eq!((due(&mut outbox, 2), due(&mut outbox, 2)), (Some((1, false, 10)), Some((2, false, 11))));
        assert_eq!(due(&mut outbox, 2), None, "two are on their way");
        outbox.acknowledged(1);
        outbox.connection_lost();
        assert_eq!(due(&mut outbox, 2), Some((2, true, 11)), "marked as a repeat");
        assert_eq!(due(&mut outbox, 2), Some((3, false, 12)));
        outbox.acknowledged(3);
        assert_eq!(outbox.len(), 1, "acknowledged out of order");
        outbox.acknowledged(2);
        assert!(outbox.is_empty() && outbox.given_up() == 0);
    }

    #[test]
    fn a_full_outbox_gives_up_its_oldest_and_counts_it() {
        let mut outbox = Outbox::new();
        (10..15).for_each(|byte| put(&mut outbox, byte));
        assert_eq!((outbox.len(), outbox.given_up()), (3, 2));
        assert_eq!(due(&mut outbox, 9).map(|due| due.2), Some(12));
    }
}
