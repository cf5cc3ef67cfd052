//! Reading a series, into whatever wants its values.

use core::slice;

use super::{Last, Level, Line, Predictor};
use crate::bits::{BitError, BitReader, ESCAPE_ONES, K_MAX, PAIRS_K_MAX, READY_BITS, bit_length, unzigzag};
use crate::chunk::{ChunkError, Coding, Mode, Plan, ROWS_MAX};

const MODE_BITS: u32 = 3;
const K_BITS: u32 = 5;
/// What comes before the codes of a series, if its first value's does not escape.
pub(crate) const HEAD_BITS: u32 = ESCAPE_ONES + K_MAX as u32 + MODE_BITS + K_BITS;

/// Where a value goes.
pub(crate) trait Slot {
    fn set(&mut self, value: i64);
}

impl Slot for i64 {
    #[inline]
    fn set(&mut self, value: i64) {
        *self = value;
    }
}

impl Slot for Option<i64> {
    #[inline]
    fn set(&mut self, value: i64) {
        *self = Some(value);
    }
}

/// Where the values of a series go, one after the other.
pub(crate) trait Slots {
    /// Whether anybody wants to know the values.
    const ARE_KEPT: bool = true;
    /// Sets the next one.
    fn put(&mut self, value: i64);
    /// Sets the next `count` ones to the same value.
    fn put_same(&mut self, value: i64, count: usize);
    /// Sets all that are left, asking for up to `N` values at once.
    fn put_all<const N: usize>(self, values: &mut Residuals<'_, impl Predictor>) -> Result<(), BitError>;
}

impl<S: Slot> Slots for slice::IterMut<'_, S> {
    #[inline]
    fn put(&mut self, value: i64) {
        if let Some(slot) = self.next() {
            slot.set(value);
        }
    }

    #[inline]
    fn put_same(&mut self, value: i64, count: usize) {
        self.take(count).for_each(|slot| slot.set(value));
    }

    #[inline(always)]
    fn put_all<const N: usize>(self, values: &mut Residuals<'_, impl Predictor>) -> Result<(), BitError> {
        let (groups, rest) = self.into_slice().as_chunks_mut::<N>();
        for group in groups {
            group.iter_mut().zip(values.next::<N>()?).for_each(|(slot, value)| slot.set(value));
        }
        for slot in rest {
            let [value] = values.next()?;
            slot.set(value);
        }
        Ok(())
    }
}

/// The slots of those rows that have a value.
pub(crate) struct Marked<'v>(pub(crate) slice::IterMut<'v, Option<i64>>);

impl Slots for Marked<'_> {
    #[inline]
    fn put(&mut self, value: i64) {
        if let Some(slot) = self.0.by_ref().flatten().next() {
            *slot = value;
        }
    }

    #[inline]
    fn put_same(&mut self, value: i64, count: usize) {
        self.0.by_ref().flatten().take(count).for_each(|slot| *slot = value);
    }

    #[inline(always)]
    fn put_all<const N: usize>(self, values: &mut Residuals<'_, impl Predictor>) -> Result<(), BitError> {
        for slot in self.0.flatten() {
            [*slot] = values.next()?;
        }
        Ok(())
    }
}

/// So many values that nobody wants: they are read past, and what only they need is not computed.
#[cfg(feature = "alloc")]
pub(crate) struct Unkept(pub(crate) usize);

#[cfg(feature = "alloc")]
impl Slots for Unkept {
    const ARE_KEPT: bool = false;

    #[inline]
    fn put(&mut self, _: i64) {
        self.0 = self.0.saturating_sub(1);
    }

    #[inline]
    fn put_same(&mut self, _: i64, count: usize) {
        self.0 = self.0.saturating_sub(count);
    }

    #[inline(always)]
    fn put_all<const N: usize>(self, values: &mut Residuals<'_, impl Predictor>) -> Result<(), BitError> {
        for _ in 0..self.0 / N {
            values.next::<N>()?;
        }
        for _ in 0..self.0 % N {
            values.next::<1>()?;
        }
        Ok(())
    }
}

impl From<BitError> for ChunkError {
    fn from(error: BitError) -> Self {
        match error {
            BitError::Truncated => Self::Truncated,
            BitError::NonCanonical => Self::NonCanonical,
        }
    }
}

/// Reads a series of `count` values (at least 1) into `slots`, which must be exactly that many; [`HEAD_BITS`] are ready.
/// The caller asks whether the bits sufficed, also after an error.
#[inline]
pub(crate) fn read<S: Slots>(
    bits: &mut BitReader<'_>,
    coding: Coding,
    count: usize,
    mut slots: S,
    plan: impl FnOnce(Plan),
) -> Result<(), ChunkError> {
    let code = bits.rice(coding.k0)?;
    let first = coding.bias.wrapping_add(unzigzag(code));
    slots.put(first);
    if count <= 1 {
        return Ok(());
    }
    let mode = Mode::from_bits(bits.bits(MODE_BITS)).ok_or(ChunkError::Mode)?;
    if mode == Mode::Constant {
        plan(Plan::Fixed { mode, k: 0 });
        slots.put_same(first, count - 1);
        return Ok(());
    }
    let k = bits.bits(K_BITS) as u8;
    if k > K_MAX {
        return Err(ChunkError::Mode);
    }
    plan(Plan::Fixed { mode, k });
    match mode {
        Mode::Constant => {}
        // Their codes are as long whatever is predicted.
        Mode::Last | Mode::Line | Mode::Level if !S::ARE_KEPT => read_residuals::<Last>(bits, first, k, slots)?,
        Mode::Last => read_residuals::<Last>(bits, first, k, slots)?,
        Mode::Line => read_residuals::<Line>(bits, first, k, slots)?,
        Mode::Level => read_residuals::<Level>(bits, first, k, slots)?,
        Mode::Sparse => read_changes(bits, first, k, count - 1, slots)?,
    }
    Ok(())
}

/// The values of a series after the first.
pub(crate) struct Residuals<'a, P> {
    bits: BitReader<'a>,
    predictor: P,
    k: u8,
}

impl<P: Predictor> Residuals<'_, P> {
    /// The next `N`: one, or two if `k` is at most [`PAIRS_K_MAX`].
    #[inline(always)]
    fn next<const N: usize>(&mut self) -> Result<[i64; N], BitError> {
        let mut values = [0; N];
        self.bits.refill();
        for value in &mut values {
            *value = self.predictor.predict().wrapping_add(unzigzag(self.bits.rice(self.k)?));
            self.predictor.learn(*value);
        }
        Ok(values)
    }
}

fn read_residuals<P: Predictor>(
    bits: &mut BitReader<'_>,
    first: i64,
    k: u8,
    slots: impl Slots,
) -> Result<(), BitError> {
    if k <= PAIRS_K_MAX { put_all::<2, P>(bits, first, k, slots) } else { put_all::<1, P>(bits, first, k, slots) }
}

/// Out of line: each of these loops has the registers for itself.
#[inline(never)]
fn put_all<const N: usize, P: Predictor>(
    bits: &mut BitReader<'_>,
    first: i64,
    k: u8,
    slots: impl Slots,
) -> Result<(), BitError> {
    let mut values = Residuals { bits: *bits, predictor: P::after_first(first), k };
    slots.put_all::<N>(&mut values)?;
    *bits = values.bits;
    Ok(())
}

fn read_changes(
    bits: &mut BitReader<'_>,
    first: i64,
    k: u8,
    count: usize,
    mut slots: impl Slots,
) -> Result<(), ChunkError> {
    let mut left = count;
    let width = bit_length(left as u64);
    const { assert!(bit_length(ROWS_MAX as u64 - 1) + ESCAPE_ONES + K_MAX as u32 <= READY_BITS) };
    bits.refill();
    let changes = bits.bits(width) as usize;
    if changes == 0 || changes > left {
        return Err(ChunkError::NonCanonical);
    }
    let mut value = first;
    for _ in 0..changes {
        bits.refill();
        let unchanged = bits.bits(width) as usize;
        left = left.checked_sub(unchanged + 1).ok_or(ChunkError::NonCanonical)?;
        slots.put_same(value, unchanged);
        let code = bits.rice(k)?.checked_add(1).ok_or(ChunkError::NonCanonical)?;
        value = value.wrapping_add(unzigzag(code));
        slots.put(value);
    }
    slots.put_same(value, left);
    Ok(())
}
