//! One series of integers: the first against its column's bias, the others against a prediction, Rice-coded.
//!
//! The encoder walks the values several times instead of storing residuals, so its state is a few words.

use crate::bits::{BitError, BitReader, BitWriter, ESCAPE_ONES, Full, K_MAX};
use crate::bits::{bit_length, rice_cost, unzigzag, zigzag};
use crate::chunk::{ChunkError, Coding, Mode, Plan};

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

/// How a mode guesses the next value from those before it.
trait Predictor: Clone {
    fn after_first(first: i64) -> Self;
    fn predict(&self) -> i64;
    fn learn(&mut self, value: i64);
}

/// The last value.
#[derive(Clone)]
struct Last(i64);

impl Predictor for Last {
    #[inline]
    fn after_first(first: i64) -> Self {
        Self(first)
    }
    #[inline]
    fn predict(&self) -> i64 {
        self.0
    }
    #[inline]
    fn learn(&mut self, value: i64) {
        self.0 = value;
    }
}

/// The straight line through the last two values.
#[derive(Clone)]
struct Line {
    last: i64,
    before: i64,
}

impl Predictor for Line {
    #[inline]
    fn after_first(first: i64) -> Self {
        Self { last: first, before: first }
    }
    #[inline]
    fn predict(&self) -> i64 {
        self.last.wrapping_mul(2).wrapping_sub(self.before)
    }
    #[inline]
    fn learn(&mut self, value: i64) {
        self.before = self.last;
        self.last = value;
    }
}

/// An exponential mean with weight 1/8, kept at eight times its value.
#[derive(Clone)]
struct Level(i64);

impl Predictor for Level {
    #[inline]
    fn after_first(first: i64) -> Self {
        Self(first.wrapping_mul(8))
    }
    #[inline]
    fn predict(&self) -> i64 {
        self.0.wrapping_add(4) >> 3
    }
    #[inline]
    fn learn(&mut self, value: i64) {
        self.0 = self.0.wrapping_add(value).wrapping_sub(self.predict());
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

/// Reads a series of `count` values (at least 1) into `slots`, which must yield exactly that many.
#[inline]
pub(crate) fn read<'v, S: Slot + 'v>(
    bits: &mut BitReader<'_>,
    coding: Coding,
    count: usize,
    mut slots: impl Iterator<Item = &'v mut S>,
    plan: impl FnOnce(Plan),
) -> Result<(), ChunkError> {
    let first = coding.bias.wrapping_add(unzigzag(bits.rice(coding.k0)?));
    if let Some(slot) = slots.next() {
        slot.set(first);
    }
    if count <= 1 {
        return Ok(());
    }
    let mode = Mode::from_bits(bits.bits(3)?).ok_or(ChunkError::Mode)?;
    if mode == Mode::Constant {
        plan(Plan::Fixed { mode, k: 0 });
        slots.for_each(|slot| slot.set(first));
        return Ok(());
    }
    let k = bits.bits(5)? as u8;
    if k > K_MAX {
        return Err(ChunkError::Mode);
    }
    plan(Plan::Fixed { mode, k });
    match mode {
        Mode::Constant => Ok(()),
        Mode::Last => read_residuals::<Last, S>(bits, first, k, slots),
        Mode::Line => read_residuals::<Line, S>(bits, first, k, slots),
        Mode::Level => read_residuals::<Level, S>(bits, first, k, slots),
        Mode::Sparse => read_changes(bits, first, k, count, slots),
    }
}

#[inline]
fn read_residuals<'v, P: Predictor, S: Slot + 'v>(
    bits: &mut BitReader<'_>,
    first: i64,
    k: u8,
    slots: impl Iterator<Item = &'v mut S>,
) -> Result<(), ChunkError> {
    let mut predictor = P::after_first(first);
    for slot in slots {
        let value = predictor.predict().wrapping_add(unzigzag(bits.rice(k)?));
        predictor.learn(value);
        slot.set(value);
    }
    Ok(())
}

fn read_changes<'v, S: Slot + 'v>(
    bits: &mut BitReader<'_>,
    first: i64,
    k: u8,
    count: usize,
    mut slots: impl Iterator<Item = &'v mut S>,
) -> Result<(), ChunkError> {
    let mut left = count.saturating_sub(1);
    let width = bit_length(left as u64);
    let changes = bits.bits(width)? as usize;
    if changes == 0 || changes > left {
        return Err(ChunkError::NonCanonical);
    }
    let mut value = first;
    for _ in 0..changes {
        let unchanged = bits.bits(width)? as usize;
        left = left.checked_sub(unchanged + 1).ok_or(ChunkError::NonCanonical)?;
        slots.by_ref().take(unchanged).for_each(|slot| slot.set(value));
        let code = bits.rice(k)?.checked_add(1).ok_or(ChunkError::NonCanonical)?;
        value = value.wrapping_add(unzigzag(code));
        if let Some(slot) = slots.next() {
            slot.set(value);
        }
    }
    slots.for_each(|slot| slot.set(value));
    Ok(())
}

/// Why a series could not be written.
pub(crate) enum WriteError {
    /// The output is too short.
    Full,
    /// The fixed plan cannot express these values.
    Plan,
}

impl From<Full> for WriteError {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

/// Writes a series (at least 1 value).
pub(crate) fn write(
    bits: &mut BitWriter<'_>,
    coding: Coding,
    values: impl Iterator<Item = i64> + Clone,
    plan: Plan,
) -> Result<(), WriteError> {
    let mut rest = values;
    let Some(first) = rest.next() else { return Err(WriteError::Plan) };
    bits.rice(zigzag(first.wrapping_sub(coding.bias)), coding.k0)?;
    let count = rest.clone().count() + 1;
    if count == 1 {
        return Ok(());
    }
    let changes = changes(first, rest.clone()).count();
    let (mode, k) = match plan {
        Plan::Best => best(first, rest.clone(), changes, bit_length(count as u64 - 1)),
        Plan::Fixed { mode, k } if k <= K_MAX => (mode, k),
        Plan::Fixed { .. } => return Err(WriteError::Plan),
    };
    if (mode == Mode::Constant) && changes != 0 || mode == Mode::Sparse && changes == 0 {
        return Err(WriteError::Plan);
    }
    bits.bits(mode.to_bits(), 3)?;
    if mode != Mode::Constant {
        bits.bits(u64::from(k), 5)?;
    }
    match mode {
        Mode::Constant => {}
        Mode::Last => write_codes(bits, residuals::<Last>(first, rest), k)?,
        Mode::Line => write_codes(bits, residuals::<Line>(first, rest), k)?,
        Mode::Level => write_codes(bits, residuals::<Level>(first, rest), k)?,
        Mode::Sparse => {
            let width = bit_length(count as u64 - 1);
            bits.bits(changes as u64, width)?;
            for (unchanged, code) in self::changes(first, rest) {
                bits.bits(unchanged, width)?;
                bits.rice(code, k)?;
            }
        }
    }
    Ok(())
}

fn write_codes(bits: &mut BitWriter<'_>, codes: impl Iterator<Item = u64>, k: u8) -> Result<(), Full> {
    for code in codes {
        bits.rice(code, k)?;
    }
    Ok(())
}

/// What each value differs from its prediction, zigzagged.
fn residuals<P: Predictor>(first: i64, rest: impl Iterator<Item = i64> + Clone) -> impl Iterator<Item = u64> + Clone {
    let mut predictor = P::after_first(first);
    rest.map(move |value| {
        let code = zigzag(value.wrapping_sub(predictor.predict()));
        predictor.learn(value);
        code
    })
}

/// Each change: unchanged values before it, and its zigzagged size minus 1 (a change is never 0).
fn changes(first: i64, rest: impl Iterator<Item = i64> + Clone) -> impl Iterator<Item = (u64, u64)> + Clone {
    let mut last = first;
    let mut unchanged = 0;
    rest.filter_map(move |value| {
        if value == last {
            unchanged += 1;
            return None;
        }
        let code = zigzag(value.wrapping_sub(last)) - 1;
        last = value;
        Some((core::mem::take(&mut unchanged), code))
    })
}

/// The cheapest mode, with its cheapest `k`.
fn best(first: i64, rest: impl Iterator<Item = i64> + Clone, changed: usize, width: u32) -> (Mode, u8) {
    if changed == 0 {
        return (Mode::Constant, 0);
    }
    let mut best = (Mode::Last, best_k(residuals::<Last>(first, rest.clone())));
    let mut consider = |mode, (k, cost): (u8, u32)| {
        if cost < best.1.1 {
            best = (mode, (k, cost));
        }
        best.1.1
    };
    consider(Mode::Line, best_k(residuals::<Line>(first, rest.clone())));
    let cost = consider(Mode::Level, best_k(residuals::<Level>(first, rest.clone())));
    // Each change takes its gap and at least one bit: with many of them the sparse mode need not be tried.
    let gaps = width * (changed as u32 + 1);
    if gaps + (changed as u32) < cost {
        let (k, codes) = best_k(changes(first, rest).map(|(_, code)| code));
        consider(Mode::Sparse, (k, gaps + codes));
    }
    (best.0, best.1.0)
}

/// The cheapest `k`, and the bits it costs.
fn best_k(codes: impl Iterator<Item = u64>) -> (u8, u32) {
    let mut tally = Tally::default();
    codes.for_each(|code| tally.add(code));
    tally.cheapest()
}

/// Longest code that some `k` does not escape.
const PLAIN_LENGTH_MAX: usize = K_MAX as usize + 4;

/// Everything that the cost of a series under any `k` depends on, in 292 bytes: a code escapes when it is longer than
/// `k + 4` bits, else its quotient is what stands above its low `k` bits, at most its top four.
#[derive(Clone)]
struct Tally {
    /// How many codes have this length.
    counts: [u16; PLAIN_LENGTH_MAX + 1],
    /// For codes of this length: the sums of their top two, three and four bits.
    tops: [[u16; 3]; PLAIN_LENGTH_MAX + 1],
    /// Bits of the codes that escape under any `k`.
    longer: u32,
    length_max: usize,
}

impl Default for Tally {
    fn default() -> Self {
        Self { counts: [0; _], tops: [[0; 3]; _], longer: 0, length_max: 0 }
    }
}

impl Tally {
    #[inline]
    fn add(&mut self, code: u64) {
        let length = bit_length(code) as usize;
        self.length_max = self.length_max.max(length);
        let (Some(count), Some([two, three, four])) = (self.counts.get_mut(length), self.tops.get_mut(length)) else {
            self.longer += rice_cost(code, K_MAX);
            return;
        };
        *count += 1;
        *two += (code >> length.saturating_sub(2)) as u16;
        *three += (code >> length.saturating_sub(3)) as u16;
        *four += (code >> length.saturating_sub(4)) as u16;
    }

    fn cheapest(&self) -> (u8, u32) {
        let mut best = (0, u32::MAX);
        for k in 0..=self.length_max.min(usize::from(K_MAX)) {
            let cost = self.cost(k);
            if cost < best.1 {
                best = (k as u8, cost);
            }
        }
        best
    }

    fn cost(&self, k: usize) -> u32 {
        let mut cost = self.longer;
        for (length, (&count, &[two, three, four])) in
            self.counts.iter().zip(&self.tops).enumerate().take(self.length_max + 1)
        {
            let count = u32::from(count);
            let quotients = match length.saturating_sub(k) {
                0 => 0,
                1 => count,
                2 => u32::from(two),
                3 => u32::from(three),
                4 => u32::from(four),
                _ => {
                    cost += count * (ESCAPE_ONES + 6 + length as u32);
                    continue;
                }
            };
            cost += count * (1 + k as u32) + quotients;
        }
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tally_knows_the_exact_cost_of_every_k() {
        let spread = |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (i * 7 % 64);
        for count in [1, 2, 60, 1023] {
            let codes = (0..count).map(spread).chain([0, 1, 15, 16, u64::MAX]);
            let mut tally = Tally::default();
            codes.clone().for_each(|code| tally.add(code));
            let exact = |k: u8| codes.clone().map(|code| rice_cost(code, k)).sum::<u32>();
            for k in 0..=K_MAX {
                assert_eq!(tally.cost(usize::from(k)), exact(k), "{count} codes, k {k}");
            }
            assert_eq!(tally.cheapest().1, (0..=K_MAX).map(exact).min().unwrap());
        }
        assert!(size_of::<Tally>() <= 300);
    }
}
