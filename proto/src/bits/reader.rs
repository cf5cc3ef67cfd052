//! Reading bits, a word at a time.

use super::{ESCAPE_ONES, K_MAX, bit_length};

/// Bits that [`BitReader::refill`] makes ready at least.
pub(crate) const READY_BITS: u32 = 56;
/// Largest Rice parameter of which two codes are ready at once, if none of them escapes.
pub(crate) const PAIRS_K_MAX: u8 = (READY_BITS / 2 - ESCAPE_ONES) as u8;
const _: () = assert!(ESCAPE_ONES + K_MAX as u32 <= READY_BITS);

/// Why a code could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BitError {
    /// The bytes ended before.
    Truncated,
    /// An escape for a value that fits without, or with a leading zero bit.
    NonCanonical,
}

/// Reads bits from a slice. Past its end they read as zeros: who reads asks [`BitReader::is_overrun`] once at the end of
/// something, instead of paying for the question at each bit. Who reads also says when to [`BitReader::refill`].
///
/// A plain value, copied into and out of loops, so that it lives in registers there.
#[derive(Clone, Copy)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    /// The last eight bytes, or all if they are fewer, right-aligned.
    last: u64,
    /// The byte after the ready bits; past the end it counts on.
    next: usize,
    /// The next bits, left-aligned and inverted: what a Rice code counts are ones, and zeros are counted faster. Below
    /// the ready ones are those that follow them, or zeros.
    window: u64,
    /// How many bits of the window count, up to 63.
    ready: u32,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let last = match bytes.last_chunk::<8>() {
            Some(last) => u64::from_be_bytes(*last),
            None => bytes.iter().fold(0, |last, byte| last << 8 | u64::from(*byte)),
        };
        Self { bytes, last, next: 0, window: 0, ready: 0 }
    }

    /// Makes at least [`READY_BITS`] ready. The address of what it loads does not depend on the bits read last, so that
    /// nobody waits for the load.
    #[inline(always)]
    pub(crate) fn refill(&mut self) {
        let next = match self.bytes.get(self.next..).unwrap_or_default().first_chunk::<8>() {
            Some(next) => u64::from_be_bytes(*next),
            None => {
                let left = self.bytes.len().saturating_sub(self.next) as u32;
                self.last.checked_shl(64 - 8 * left).unwrap_or_default()
            }
        };
        // Bits of a byte that is not ready as a whole will be laid over themselves the next time.
        self.window |= !next >> self.ready;
        self.next += ((63 - self.ready) >> 3) as usize;
        self.ready |= READY_BITS;
    }

    /// Takes `count` ready bits, 0..=32.
    #[inline(always)]
    pub(crate) fn bits(&mut self, count: u32) -> u32 {
        debug_assert!(count <= 32 && count <= self.ready);
        let bits = !self.window >> 32 >> (32 - count);
        self.window <<= count;
        self.ready -= count;
        bits as u32
    }

    /// Takes one Rice code with parameter `k`, 0..=[`K_MAX`], all of it ready unless it escapes; after an escape as
    /// much is ready as after [`BitReader::refill`].
    #[inline(always)]
    pub(crate) fn rice(&mut self, k: u8) -> Result<u64, BitError> {
        debug_assert!(k <= K_MAX && ESCAPE_ONES + u32::from(k) <= self.ready);
        if self.window < 1 << (64 - ESCAPE_ONES) {
            let (code, after) = self.escaped(k)?;
            *self = after;
            return Ok(code);
        }
        let k = u32::from(k);
        let top = 63 - self.window.leading_zeros();
        let length = 64 + k - top;
        let low = !(self.window >> (64 - length)) & ((1 << k) - 1);
        self.window <<= length;
        self.ready -= length;
        Ok(u64::from(63 - top) << k | low)
    }

    /// By value: a reader whose address is known to others is kept in memory.
    #[cold]
    #[inline(never)]
    fn escaped(mut self, k: u8) -> Result<(u64, Self), BitError> {
        self.refill();
        self.bits(ESCAPE_ONES);
        let length = self.bits(6) + 1;
        let high = u64::from(self.bits(length.saturating_sub(32)));
        self.refill();
        let code = (high << 32) | u64::from(self.bits(length.min(32)));
        if self.is_overrun() {
            return Err(BitError::Truncated);
        }
        self.refill();
        let fits = code >> k < u64::from(ESCAPE_ONES);
        if fits || bit_length(code) != length { Err(BitError::NonCanonical) } else { Ok((code, self)) }
    }

    /// Whether more bits were read than there are.
    #[inline]
    pub(crate) fn is_overrun(&self) -> bool {
        self.next * 8 > self.bytes.len() * 8 + self.ready as usize
    }

    /// Whether what is left is less than a byte, all zeros.
    pub(crate) fn only_padding_left(mut self) -> bool {
        self.refill();
        let left = (self.bytes.len() * 8 + self.ready as usize).saturating_sub(self.next * 8);
        left < 8 && self.bits(8) == 0
    }
}
