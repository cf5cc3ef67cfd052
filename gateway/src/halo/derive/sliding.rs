//! Values that come at one end and go at the other, always in one piece.
//!
//! What a `VecDeque` has in two pieces has to be found in one or the other at each look; this one moves what is left to the
//! front now and then instead.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The oldest first. Grows by `GROWTH` places at a time and holds at most three times as many free ones.
#[derive(Clone, Debug)]
pub(super) struct Sliding<T, const GROWTH: usize> {
    all: Vec<T>,
    /// How many of them have gone.
    gone: usize,
}

impl<T: Copy, const GROWTH: usize> Sliding<T, GROWTH> {
    /// Those that have not gone.
    pub(super) fn as_slice(&self) -> &[T] {
        self.all.get(self.gone..).unwrap_or_default()
    }

    /// Adds the newest.
    pub(super) fn push(&mut self, value: T) {
        if self.all.len() == self.all.capacity() {
            self.make_room();
        }
        self.all.push(value);
    }

    /// Lets all go but the newest `kept`.
    pub(super) fn keep(&mut self, kept: usize) {
        self.gone = self.gone.max(self.all.len().saturating_sub(kept));
        if self.all.capacity() > self.all.len() - self.gone + 3 * GROWTH {
            self.close_up();
            self.all.shrink_to(self.all.len() + GROWTH);
        }
    }

    /// Moving many for little room would be done again soon.
    #[cold]
    fn make_room(&mut self) {
        if self.gone < GROWTH / 2 {
            self.all.reserve_exact(GROWTH);
        } else {
            self.close_up();
        }
    }

    fn close_up(&mut self) {
        self.all.drain(..self.gone);
        self.gone = 0;
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.all.capacity() * size_of::<T>()
    }
}

impl<T, const GROWTH: usize> Default for Sliding<T, GROWTH> {
    fn default() -> Self {
        Self { all: Vec::new(), gone: 0 }
    }
}

impl<T: Copy + PartialEq, const GROWTH: usize> PartialEq for Sliding<T, GROWTH> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: Copy + Serialize, const GROWTH: usize> Serialize for Sliding<T, GROWTH> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_slice().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>, const GROWTH: usize> Deserialize<'de> for Sliding<T, GROWTH> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(|all| Self { all, gone: 0 })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_queue_would_and_little_more(steps in prop::collection::vec((0..12_usize, 0..20_usize), 1..120)) {
            let (mut sliding, mut queue) = (Sliding::<u32, 8>::default(), VecDeque::new());
            for (number, (pushes, kept)) in (0..).zip(steps) {
                for _ in 0..pushes {
                    sliding.push(number);
                    queue.push_back(number);
                }
                sliding.keep(kept);
                queue.drain(..queue.len().saturating_sub(kept));
                prop_assert!(queue.iter().eq(sliding.as_slice()));
                prop_assert!(sliding.heap_bytes() <= (queue.len() + 3 * 8) * size_of::<u32>());
                let bytes = postcard::to_stdvec(&sliding).unwrap();
                prop_assert_eq!(&bytes, &postcard::to_stdvec(&queue).unwrap());
                prop_assert_eq!(postcard::from_bytes::<Sliding<u32, 8>>(&bytes).unwrap(), sliding.clone());
            }
        }
    }
}
