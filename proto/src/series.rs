//! One series of integers: the first against its column's bias, the others against a prediction, Rice-coded.
//!
//! The encoder walks the values several times instead of storing residuals, so its state is a few words.

use crate::bits::{BitWriter, ESCAPE_ONES, Full, K_MAX, bit_length, rice_cost, zigzag};
use crate::chunk::{Coding, Mode, Plan};

mod read;
#[cfg(feature = "alloc")]
pub(crate) use read::Unkept;
pub(crate) use read::{HEAD_BITS, Marked, Slots, read};

/// How a mode guesses the next value from those before it.
pub(crate) trait Predictor: Clone {
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
    if rest.clone().next().is_none() {
        return Ok(());
    }
    let (mode, k) = match plan {
        Plan::Best => best(first, rest.clone()),
        Plan::Fixed { mode, k } if k <= K_MAX => (mode, k),
        Plan::Fixed { .. } => return Err(WriteError::Plan),
    };
    bits.bits(mode.to_bits(), 3)?;
    if mode != Mode::Constant {
        bits.bits(u64::from(k), 5)?;
    }
    match mode {
        Mode::Constant if rest.any(|value| value != first) => return Err(WriteError::Plan),
        Mode::Constant => {}
        Mode::Last => write_codes(bits, residuals::<Last>(first, rest), k)?,
        Mode::Line => write_codes(bits, residuals::<Line>(first, rest), k)?,
        Mode::Level => write_codes(bits, residuals::<Level>(first, rest), k)?,
        Mode::Sparse => write_changes(bits, first, rest, k)?,
    }
    Ok(())
}

fn write_codes(bits: &mut BitWriter<'_>, codes: impl Iterator<Item = u64>, k: u8) -> Result<(), Full> {
    for code in codes {
        bits.rice(code, k)?;
    }
    Ok(())
}

fn write_changes(
    bits: &mut BitWriter<'_>,
    first: i64,
    rest: impl Iterator<Item = i64> + Clone,
    k: u8,
) -> Result<(), WriteError> {
    let width = bit_length(rest.clone().count() as u64);
    let count = changes(first, rest.clone()).count();
    if count == 0 {
        return Err(WriteError::Plan);
    }
    bits.bits(count as u64, width)?;
    for (unchanged, code) in changes(first, rest) {
        bits.bits(unchanged, width)?;
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

/// The cheapest mode, with its cheapest `k`. One tally serves all modes, one after the other: it is most of the
/// encoder's stack, and inlined into its callers it would be there several times.
#[inline(never)]
fn best(first: i64, rest: impl Iterator<Item = i64> + Clone) -> (Mode, u8) {
    if rest.clone().all(|value| value == first) {
        return (Mode::Constant, 0);
    }
    let mut tally = Tally::EMPTY;
    tally.fill(residuals::<Last>(first, rest.clone()));
    let (mut k, mut cost) = tally.cheapest();
    let mut mode = Mode::Last;
    let changed = tally.values - tally.zeros();
    let gaps = bit_length(u64::from(tally.values)) * (changed + 1);
    for other in [Mode::Line, Mode::Level, Mode::Sparse] {
        let mut other_cost = 0;
        match other {
            Mode::Line => tally.fill(residuals::<Line>(first, rest.clone())),
            Mode::Level => tally.fill(residuals::<Level>(first, rest.clone())),
            // Each change takes its gap and at least one bit: with many of them the sparse mode need not be tried.
            _ if gaps + changed >= cost => break,
            _ => {
                tally.fill(changes(first, rest.clone()).map(|(_, code)| code));
                other_cost = gaps;
            }
        }
        let (other_k, codes) = tally.cheapest();
        other_cost += codes;
        if other_cost < cost {
            (mode, k, cost) = (other, other_k, other_cost);
        }
    }
    (mode, k)
}

/// Longest code that some `k` does not escape.
const PLAIN_LENGTH_MAX: usize = K_MAX as usize + 4;
/// From so many bits above its low `k` on, a code escapes: its quotient would be 16 or more.
const ESCAPES_FROM: usize = 5;
/// Bits of a packed sum.
const COUNT_BITS: u32 = 10;
const TWO_BITS: u32 = 10;

/// Everything that the cost of a series under any `k` depends on, in 224 bytes: a code escapes when it is longer than
/// `k + 4` bits, else its quotient is what stands above its low `k` bits, at most its top four.
struct Tally {
    /// By the codes' length: how many (10 bits), and the sums of what follows the top bit: of one bit (10), of two (12).
    /// Those of codes too short to have so many bits are never used.
    sums: [u32; PLAIN_LENGTH_MAX + 1],
    /// And of three.
    three: [u16; PLAIN_LENGTH_MAX + 1],
    /// Bits of the codes that escape under any `k`.
    longer: u32,
    /// How many codes.
    values: u32,
    /// All codes, or-ed: as long as the longest; saturated.
    union: u32,
}

const _: () = {
    let codes = crate::chunk::ROWS_MAX as u32 - 1;
    assert!(codes < 1 << COUNT_BITS && COUNT_BITS == TWO_BITS);
    assert!(codes * 3 < 1 << (32 - COUNT_BITS - TWO_BITS));
    assert!(codes * 7 <= u16::MAX as u32);
};

impl Tally {
    const EMPTY: Self = Self { sums: [0; _], three: [0; _], longer: 0, values: 0, union: 0 };

    /// Forgets what it had and takes these.
    #[inline(never)]
    fn fill(&mut self, codes: impl Iterator<Item = u64>) {
        *self = Self::EMPTY;
        codes.for_each(|code| self.add(code));
    }

    #[inline(always)]
    fn add(&mut self, code: u64) {
        self.values += 1;
        // Most codes are short, and 32 bits are half the work for a small processor.
        let (length, after_top) = match u32::try_from(code) {
            Ok(code) => {
                self.union |= code;
                let zeros = code.leading_zeros();
                (32 - zeros, (code << (zeros & 31)) >> 28)
            }
            Err(_) => {
                self.union = u32::MAX;
                (bit_length(code), ((code << code.leading_zeros()) >> 60) as u32)
            }
        };
        let three = after_top & 7;
        match (self.sums.get_mut(length as usize), self.three.get_mut(length as usize)) {
            (Some(sums), Some(threes)) => {
                *sums += 1 | (three >> 2) << COUNT_BITS | (three >> 1) << (COUNT_BITS + TWO_BITS);
                *threes += three as u16;
            }
            _ => self.longer += rice_cost(code, K_MAX),
        }
    }

    fn count(&self, length: usize) -> u32 {
        self.sums.get(length).copied().unwrap_or_default() & ((1 << COUNT_BITS) - 1)
    }

    fn zeros(&self) -> u32 {
        self.count(0)
    }

    /// Quotients of the codes of `k` and 1, 2, 3 and 4 bits, added up.
    fn quotients(&self, k: usize) -> u32 {
        let sums = |length: usize| self.sums.get(length).copied().unwrap_or_default();
        let two = sums(k + 2) >> COUNT_BITS & ((1 << TWO_BITS) - 1);
        let three = sums(k + 3) >> (COUNT_BITS + TWO_BITS);
        let four = u32::from(self.three.get(k + 4).copied().unwrap_or_default());
        let tops = self.count(k + 1) + 2 * self.count(k + 2) + 4 * self.count(k + 3) + 8 * self.count(k + 4);
        tops + two + three + four
    }

    /// The longest length any code has, if it is not more than some `k` leaves plain.
    fn longest(&self) -> usize {
        if self.union == u32::MAX { PLAIN_LENGTH_MAX } else { bit_length(u64::from(self.union)) as usize }
    }

    /// The cheapest `k`, and the bits it costs.
    #[inline(never)]
    fn cheapest(&self) -> (u8, u32) {
        let mut best = (0, u32::MAX);
        for (k, cost) in (0..=self.longest().min(usize::from(K_MAX)) as u8).zip(self.costs()) {
            if cost < best.1 {
                best = (k, cost);
            }
        }
        best
    }

    /// Bits under each `k`, from 0.
    fn costs(&self) -> impl Iterator<Item = u32> + '_ {
        let escaped = move |length: usize| self.count(length) * (ESCAPE_ONES + 6 + length as u32);
        let mut plain: u32 = (0..ESCAPES_FROM).map(|length| self.count(length)).sum();
        let mut escapes = self.longer + (ESCAPES_FROM..=self.longest()).map(escaped).sum::<u32>();
        (0..=usize::from(K_MAX)).map(move |k| {
            if k > 0 {
                // With one bit more below the quotient, codes of one length more do not escape.
                let length = k + ESCAPES_FROM - 1;
                plain += self.count(length);
                escapes -= escaped(length);
            }
            plain * (1 + k as u32) + self.quotients(k) + escapes
        })
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
            let mut tally = Tally::EMPTY;
            tally.fill(codes.clone());
            assert_eq!(tally.values as usize, codes.clone().count());
            let costs: std::vec::Vec<u32> = tally.costs().collect();
            let exact = |k: u8| codes.clone().map(|code| rice_cost(code, k)).sum::<u32>();
            for k in 0..=K_MAX {
                assert_eq!(costs[usize::from(k)], exact(k), "{count} codes, k {k}");
            }
            assert_eq!(tally.cheapest().1, (0..=K_MAX).map(exact).min().unwrap());
        }
        assert!(size_of::<Tally>() <= 224);
    }
}
