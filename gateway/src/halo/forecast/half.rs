//! Numbers of two bytes, where eight bits of precision are plenty.

use serde::{Deserialize, Serialize};

/// The upper half of a single (bfloat16): its range, and a relative error of 2^-9. Bytes, because a number of two bytes
/// would mostly be written with three.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Half([u8; 2]);

impl Half {
    /// No number; unlike NaN it equals itself.
    pub(super) const MISSING: Self = Self([0x7f, 0x80]);

    /// The nearest one, ties to even; what is none is missing.
    pub(super) fn of(value: f64) -> Self {
        let single = value as f32;
        if !single.is_finite() {
            return Self::MISSING;
        }
        let bits = single.to_bits();
        let [high, low, ..] = bits.saturating_add(0x7fff + (bits >> 16 & 1)).to_be_bytes();
        Self([high, low])
    }

    pub(super) fn get(self) -> Option<f64> {
        let [high, low] = self.0;
        let single = f32::from_be_bytes([high, low, 0, 0]);
        single.is_finite().then(|| f64::from(single))
    }
}

/// The last few numbers of something, allocated as they come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ring<T, const MAX: usize> {
    items: Vec<T>,
    /// Where the next one goes once the ring is full.
    next: u8,
}

impl<T: Copy, const MAX: usize> Ring<T, MAX> {
    pub(super) const fn new() -> Self {
        Self { items: Vec::new(), next: 0 }
    }

    pub(super) fn push(&mut self, item: T) {
        if self.items.len() < MAX {
            if self.items.len() == self.items.capacity() {
                self.items.reserve_exact((MAX / 4).clamp(1, MAX - self.items.len()));
            }
            self.items.push(item);
            return;
        }
        if let Some(oldest) = self.items.get_mut(usize::from(self.next)) {
            *oldest = item;
        }
        self.next = if usize::from(self.next) + 1 < MAX { self.next + 1 } else { 0 };
    }

    /// Oldest first.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = T> + '_ {
        let (newer, older) = self.items.split_at(usize::from(self.next).min(self.items.len()));
        older.iter().chain(newer).copied()
    }

    /// The one so many before the newest.
    pub(super) fn back(&self, by: usize) -> Option<T> {
        let at = self.items.len().checked_sub(by + 1)?;
        let at = at + usize::from(self.next);
        self.items.get(if at < self.items.len() { at } else { at - self.items.len() }).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_sound(&self) -> bool {
        self.items.len() <= MAX && (self.next == 0 || usize::from(self.next) < self.items.len())
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.items.capacity() * size_of::<T>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_near_and_of_every_magnitude() {
        for value in [0.0, -0.0, 1.0, -3.217_592, 1e30, -1e-30, 65_535.0, 0.1] {
            let near = Half::of(value).get().expect("a number");
            assert!((near - value).abs() <= value.abs() / 512.0, "{value} became {near}");
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::from(f32::MAX)] {
            assert_eq!(Half::of(value).get(), None);
        }
        assert_eq!(Half::of(f64::INFINITY), Half::MISSING);
    }

    #[test]
    fn a_ring_keeps_the_newest() {
        let mut ring = Ring::<u8, 5>::new();
        for item in 0..12 {
            ring.push(item);
            let wanted: Vec<u8> = (item.saturating_sub(4)..=item).collect();
            assert_eq!(ring.iter().collect::<Vec<_>>(), wanted);
            assert_eq!((ring.back(0), ring.back(4)), (Some(item), item.checked_sub(4)));
            assert!(ring.back(5).is_none() && ring.is_sound() && ring.heap_bytes() <= 5);
        }
    }
}
