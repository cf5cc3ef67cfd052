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

/// What a plan comes to for these values: a mode and its `k`. Apart from [`write`], so that the stack of the search and that
/// of the writing are not there at once.
pub(crate) fn choose(values: impl Iterator<Item = i64> + Clone, plan: Plan) -> (Mode, u8) {
    let mut rest = values;
    match plan {
        Plan::Best => best(rest.next().unwrap_or_default(), rest).choice(),
        Plan::Fixed { mode, k } => (mode, k),
    }
}

/// Writes a series (at least 1 value) as chosen.
pub(crate) fn write(
    bits: &mut BitWriter<'_>,
    coding: Coding,
    values: impl Iterator<Item = i64> + Clone,
    (mode, k): (Mode, u8),
) -> Result<(), WriteError> {
    let mut rest = values;
    let Some(first) = rest.next() else { return Err(WriteError::Plan) };
    bits.rice(zigzag(first.wrapping_sub(coding.bias)), coding.k0)?;
    if rest.clone().next().is_none() {
        return Ok(());
    }
    if k > K_MAX {
        return Err(WriteError::Plan);
    }
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

/// What a mode costs with its cheapest `k`: bits, mode and `k` in one word, so that the least of several is the cheapest
/// and of those that cost the same the first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Price(u32);

impl Price {
    const K_BITS: u32 = 5;
    const MODE_BITS: u32 = 3;

    const fn new(bits: u32, mode: Mode, k: u32) -> Self {
        Self((bits << Self::MODE_BITS | mode as u32) << Self::K_BITS | k)
    }

    const fn bits(self) -> u32 {
        self.0 >> (Self::MODE_BITS + Self::K_BITS)
    }

    /// With so many bits more.
    const fn plus(self, bits: u32) -> Self {
        Self(self.0 + (bits << (Self::MODE_BITS + Self::K_BITS)))
    }

    fn choice(self) -> (Mode, u8) {
        let mode = Mode::from_bits(self.0 >> Self::K_BITS & ((1 << Self::MODE_BITS) - 1));
        (mode.unwrap_or(Mode::Last), (self.0 & ((1 << Self::K_BITS) - 1)) as u8)
    }
}

/// The cheapest mode, with its cheapest `k`. One tally serves all modes, one after the other: it is most of the
/// encoder's stack, and inlined into its callers it would be there several times.
#[inline(never)]
fn best(first: i64, rest: impl Iterator<Item = i64> + Clone) -> Price {
    if rest.clone().all(|value| value == first) {
        return Price::new(0, Mode::Constant, 0);
    }
    let mut tally = Tally::EMPTY;
    tally.fill(residuals::<Last>(first, rest.clone()));
    let mut least = tally.cheapest(Mode::Last);
    let changed = tally.values - tally.zeros();
    let gaps = bit_length(u64::from(tally.values)) * (changed + 1);
    tally.fill(residuals::<Line>(first, rest.clone()));
    least = least.min(tally.cheapest(Mode::Line));
    tally.fill(residuals::<Level>(first, rest.clone()));
    least = least.min(tally.cheapest(Mode::Level));
    // Each change takes its gap and at least one bit: with many of them the sparse mode need not be tried.
    if gaps + changed < least.bits() {
        tally.fill(changes(first, rest).map(|(_, code)| code));
        least = least.min(tally.cheapest(Mode::Sparse).plus(gaps));
    }
    least
}

/// Longest code that some `k` does not escape.
const PLAIN_LENGTH_MAX: usize = K_MAX as usize + 4;
/// From so many bits above its low `k` on, a code escapes: its quotient would be 16 or more.
const ESCAPES_FROM: usize = 5;

/// Everything that the cost of a series under any `k` depends on, in 160 bytes: a code escapes when it is longer than
/// `k + 4` bits, else its quotient is what stands above its low `k` bits, at most its top four.
struct Tally {
    /// By `k + 4`: the quotients of the codes that do not escape, added up. The first four, below `k` 0, are never used.
    quotients: [u16; PLAIN_LENGTH_MAX + ESCAPES_FROM - 1],
    /// By the codes' length: how many.
    counts: [u16; PLAIN_LENGTH_MAX + 1],
    /// Bits of the codes that escape under any `k`.
    longer: u32,
    /// How many codes.
    values: u32,
    /// All codes, or-ed: as long as the longest; saturated.
    union: u32,
}

const _: () = {
    let codes = crate::chunk::ROWS_MAX - 1;
    assert!(codes * (ESCAPE_ONES as usize - 1) <= u16::MAX as usize);
    assert!(1 << (ESCAPES_FROM - 1) == ESCAPE_ONES);
};

impl Tally {
    const EMPTY: Self = Self { quotients: [0; _], counts: [0; _], longer: 0, values: 0, union: 0 };

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
        let (length, top) = match u32::try_from(code) {
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
        let length = length as usize;
        let quotients = self.quotients.get_mut(length..).and_then(|from| from.first_chunk_mut());
        match (quotients, self.counts.get_mut(length)) {
            (Some([four, three, two, one]), Some(count)) => {
                *four += top as u16;
                *three += (top >> 1) as u16;
                *two += (top >> 2) as u16;
                *one += (top >> 3) as u16;
                *count += 1;
            }
            _ => self.longer += rice_cost(code, K_MAX),
        }
    }

    fn count(&self, length: usize) -> u32 {
        u32::from(self.counts.get(length).copied().unwrap_or_default())
    }

    fn zeros(&self) -> u32 {
        self.count(0)
    }

    /// Quotients of the codes that `k` does not let escape, added up.
    fn quotients(&self, k: usize) -> u32 {
        u32::from(self.quotients.get(k + ESCAPES_FROM - 1).copied().unwrap_or_default())
    }

    /// The longest length any code has, if it is not more than some `k` leaves plain.
    fn longest(&self) -> usize {
        if self.union == u32::MAX { PLAIN_LENGTH_MAX } else { bit_length(u64::from(self.union)) as usize }
    }

    /// What a mode with these codes costs. A loop without closures, which would take twice its stack.
    #[inline(never)]
    fn cheapest(&self, mode: Mode) -> Price {
        let longest = self.longest();
        let mut plain: u32 = (0..ESCAPES_FROM).map(|length| self.count(length)).sum();
        let mut escapes = self.longer;
        for length in ESCAPES_FROM..=longest {
            escapes += self.escaped(length);
        }
        let mut least = Price(u32::MAX);
        for k in 0..=longest.min(usize::from(K_MAX)) {
            if k > 0 {
                // With one bit more below the quotient, codes of one length more do not escape.
                let length = k + ESCAPES_FROM - 1;
                plain += self.count(length);
                escapes -= self.escaped(length);
            }
            let bits = plain * (1 + k as u32) + self.quotients(k) + escapes;
            least = least.min(Price::new(bits, mode, k as u32));
        }
        least
    }

    /// Bits of the codes of so many bits, if they escape.
    fn escaped(&self, length: usize) -> u32 {
        self.count(length) * (ESCAPE_ONES + 6 + length as u32)
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
            let exact = |k: u8| codes.clone().map(|code| rice_cost(code, k)).sum::<u32>();
            let least = (0..=K_MAX).map(|k| (exact(k), k)).min().unwrap();
            let price = tally.cheapest(Mode::Line);
            assert_eq!((price.bits(), price.choice()), (least.0, (Mode::Line, least.1)), "{count} codes");
        }
        assert!(size_of::<Tally>() <= 160);
    }
}
