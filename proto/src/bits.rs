//! Bits, most significant first, and the Rice codes written with them.

mod reader;
pub(crate) use reader::{BitError, BitReader, PAIRS_K_MAX, READY_BITS};

/// Longest run of ones before a Rice code escapes to an explicit length.
pub(crate) const ESCAPE_ONES: u32 = 16;
/// Largest Rice parameter.
pub(crate) const K_MAX: u8 = 30;

/// The output slice is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Maps small magnitudes of either sign to small codes.
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Inverse of [`zigzag`].
pub(crate) const fn unzigzag(code: u64) -> i64 {
    (code >> 1) as i64 ^ -((code & 1) as i64)
}

/// Number of bits up to the highest set one; 0 for 0.
pub(crate) const fn bit_length(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

/// Bits that [`BitWriter::rice`] spends on `code`.
pub(crate) fn rice_cost(code: u64, k: u8) -> u32 {
    let quotient = code >> k;
    if quotient < u64::from(ESCAPE_ONES) {
        quotient as u32 + 1 + u32::from(k)
    } else {
        ESCAPE_ONES + 6 + bit_length(code)
    }
}

/// Writes bits into a slice.
pub(crate) struct BitWriter<'a> {
    out: &'a mut [u8],
    at: usize,
    pending: u64,
    pending_bits: u32,
}

impl<'a> BitWriter<'a> {
    pub(crate) fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0, pending: 0, pending_bits: 0 }
    }

    /// Appends the low `count` bits of `value`, 0..=56; higher bits must be zero.
    #[inline]
    pub(crate) fn bits(&mut self, value: u64, count: u32) -> Result<(), Full> {
        debug_assert!(count <= 56 && bit_length(value) <= count);
        if count > 32 {
            self.half(value >> 32, count - 32)?;
            return self.half(value & 0xFFFF_FFFF, 32);
        }
        self.half(value, count)
    }

    /// At most 32 bits: with the fewer than 32 that are pending they fit a word.
    #[inline]
    fn half(&mut self, value: u64, count: u32) -> Result<(), Full> {
        self.pending = (self.pending << count) | value;
        self.pending_bits += count;
        if self.pending_bits >= 32 {
            self.pending_bits -= 32;
            let full = (self.pending >> self.pending_bits) as u32;
            let free = self.out.get_mut(self.at..).unwrap_or_default();
            *free.first_chunk_mut().ok_or(Full)? = full.to_be_bytes();
            self.at += 4;
        }
        Ok(())
    }

    pub(crate) fn bit(&mut self, value: bool) -> Result<(), Full> {
        self.bits(u64::from(value), 1)
    }

    /// Appends one Rice code with parameter `k`, 0..=[`K_MAX`].
    #[inline]
    pub(crate) fn rice(&mut self, code: u64, k: u8) -> Result<(), Full> {
        let k_bits = u32::from(k);
        let quotient = code >> k;
        if quotient < u64::from(ESCAPE_ONES) {
            let unary = ((1u64 << quotient) - 1) << 1;
            let low = code & ((1u64 << k_bits) - 1);
            return self.bits((unary << k_bits) | low, quotient as u32 + 1 + k_bits);
        }
        let length = bit_length(code);
        self.bits((1 << ESCAPE_ONES) - 1, ESCAPE_ONES)?;
        self.bits(u64::from(length - 1), 6)?;
        self.bits(code >> 32, length.saturating_sub(32))?;
        self.bits(code & 0xFFFF_FFFF, length.min(32))
    }

    /// Pads to a byte with zeros; the number of bytes written.
    pub(crate) fn finish(self) -> Result<usize, Full> {
        let left = self.pending_bits.div_ceil(8) as usize;
        let bytes = ((self.pending << (32 - self.pending_bits)) as u32).to_be_bytes();
        let free = self.out.get_mut(self.at..self.at + left).ok_or(Full)?;
        free.iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
        Ok(self.at + left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zigzag_and_its_inverse_agree_at_the_extremes() {
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
        assert_eq!((zigzag(-1), zigzag(1), zigzag(i64::MIN)), (1, 2, u64::MAX));
    }

    #[test]
    fn every_rice_code_reads_back_and_costs_what_is_said() {
        let codes = [0, 1, 2, 15, 16, 17, 255, 256, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 46, u64::MAX >> 1, u64::MAX];
        for k in 0..=K_MAX {
            for code in codes {
                let mut out = [0u8; 16];
                let mut writer = BitWriter::new(&mut out);
                writer.rice(code, k).unwrap();
                let bits = writer.at * 8 + writer.pending_bits as usize;
                assert_eq!(bits as u32, rice_cost(code, k), "code {code}, k {k}");
                let len = writer.finish().unwrap();
                assert_eq!(rice(&out[..len], k), Ok((code, true)), "code {code}, k {k}");
            }
        }
    }

    /// One code at the start of `bytes`, and whether only padding follows.
    fn rice(bytes: &[u8], k: u8) -> Result<(u64, bool), BitError> {
        let mut reader = BitReader::new(bytes);
        reader.refill();
        let code = reader.rice(k)?;
        let ends_well = reader.only_padding_left() && !reader.is_overrun();
        Ok((code, ends_well))
    }

    #[test]
    fn an_escape_for_a_value_that_fits_is_refused() {
        let mut out = [0u8; 16];
        let mut writer = BitWriter::new(&mut out);
        writer.bits(0xFFFF, 16).unwrap();
        writer.bits(3, 6).unwrap();
        writer.bits(0b1000, 4).unwrap();
        let len = writer.finish().unwrap();
        assert_eq!(rice(&out[..len], 0), Err(BitError::NonCanonical), "8 fits with k = 0");
        let leading_zero = [0xFF, 0xFF, 0b0001_1101, 0b0000_0000];
        assert_eq!(rice(&leading_zero, 0), Err(BitError::NonCanonical));
    }

    #[test]
    fn reading_past_the_end_is_an_error_and_writing_past_it_too() {
        assert_eq!(rice(&[0xFF, 0xFF], 0), Err(BitError::Truncated), "as many zeros more are no code");
        for len in 0..20 {
            let bytes = [0xFF; 20];
            let mut reader = BitReader::new(&bytes[..len]);
            let mut bits = |count| {
                reader.refill();
                (reader.bits(count), reader.is_overrun(), reader.only_padding_left())
            };
            for left in (0..len * 8).rev() {
                assert_eq!(bits(1), (1, false, left == 0), "{len} bytes, {left} bits left");
            }
            assert_eq!(bits(0), (0, false, true));
            assert_eq!(bits(1), (0, true, true));
            assert!((0..1000).all(|_| bits(32) == (0, true, true)));
        }
        let mut full = BitWriter::new(&mut []);
        assert_eq!(full.bits(0xFF, 8).and_then(|()| full.finish()), Err(Full));
    }
}
