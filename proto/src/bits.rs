//! Bits, most significant first, and the Rice codes written with them.

/// Longest run of ones before a Rice code escapes to an explicit length.
pub(crate) const ESCAPE_ONES: u32 = 16;
/// Largest Rice parameter.
pub(crate) const K_MAX: u8 = 30;

/// Why bits could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BitError {
    /// The bytes ended.
    Truncated,
    /// An escape for a value that fits without, or with a leading zero bit.
    NonCanonical,
}

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

/// Reads bits from a slice; past its end they read as zeros, and consuming them is an error.
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next bits, left-aligned; at least 57 of them are real or past the end.
    #[inline]
    fn peek(&self) -> u64 {
        let rest = self.bytes.get(self.at >> 3..).unwrap_or_default();
        let word = match rest.first_chunk::<8>() {
            Some(chunk) => u64::from_be_bytes(*chunk),
            None => {
                let mut padded = [0u8; 8];
                padded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                u64::from_be_bytes(padded)
            }
        };
        word << (self.at & 7)
    }

    #[inline]
    fn skip(&mut self, count: u32) -> Result<(), BitError> {
        self.at += count as usize;
        if self.at > self.bytes.len() * 8 { Err(BitError::Truncated) } else { Ok(()) }
    }

    /// Reads `count` bits, 0..=32.
    #[inline]
    pub(crate) fn bits(&mut self, count: u32) -> Result<u32, BitError> {
        debug_assert!(count <= 32);
        let value = if count == 0 { 0 } else { self.peek() >> (64 - count) };
        self.skip(count)?;
        Ok(value as u32)
    }

    #[inline]
    pub(crate) fn bit(&mut self) -> Result<bool, BitError> {
        Ok(self.bits(1)? == 1)
    }

    /// Reads one Rice code with parameter `k`, 0..=[`K_MAX`].
    #[inline]
    pub(crate) fn rice(&mut self, k: u8) -> Result<u64, BitError> {
        debug_assert!(k <= K_MAX);
        let word = self.peek();
        let ones = word.leading_ones();
        if ones >= ESCAPE_ONES {
            return self.escaped(k);
        }
        // At most 15 + 1 + 30 bits: all of them are in the word.
        let low = (word << (ones + 1)) >> 1 >> (63 - u32::from(k));
        self.skip(ones + 1 + u32::from(k))?;
        Ok((u64::from(ones) << k) | low)
    }

    #[cold]
    fn escaped(&mut self, k: u8) -> Result<u64, BitError> {
        self.skip(ESCAPE_ONES)?;
        let length = self.bits(6)? + 1;
        let high = u64::from(self.bits(length.saturating_sub(32))?);
        let code = (high << 32) | u64::from(self.bits(length.min(32))?);
        let fits = code >> k < u64::from(ESCAPE_ONES);
        if fits || bit_length(code) != length { Err(BitError::NonCanonical) } else { Ok(code) }
    }

    /// Whether what is left is less than a byte, all zeros.
    pub(crate) fn only_padding_left(&self) -> bool {
        let left = (self.bytes.len() * 8).saturating_sub(self.at);
        left < 8 && self.peek() == 0
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
                let mut reader = BitReader::new(&out[..len]);
                assert_eq!(reader.rice(k), Ok(code), "code {code}, k {k}");
                assert!(reader.only_padding_left());
            }
        }
    }

    #[test]
    fn an_escape_for_a_value_that_fits_is_refused() {
        let mut out = [0u8; 16];
        let mut writer = BitWriter::new(&mut out);
        writer.bits(0xFFFF, 16).unwrap();
        writer.bits(3, 6).unwrap();
        writer.bits(0b1000, 4).unwrap();
        let len = writer.finish().unwrap();
        assert_eq!(BitReader::new(&out[..len]).rice(0), Err(BitError::NonCanonical), "8 fits with k = 0");
        let leading_zero = [0xFF, 0xFF, 0b0001_1101, 0b0000_0000];
        assert_eq!(BitReader::new(&leading_zero).rice(0), Err(BitError::NonCanonical));
    }

    #[test]
    fn reading_past_the_end_is_an_error_and_writing_past_it_too() {
        assert_eq!(BitReader::new(&[0xFF]).rice(0), Err(BitError::Truncated));
        assert_eq!(BitReader::new(&[]).bits(1), Err(BitError::Truncated));
        assert_eq!(BitReader::new(&[]).bits(0), Ok(0));
        let mut full = BitWriter::new(&mut []);
        assert_eq!(full.bits(0xFF, 8).and_then(|()| full.finish()), Err(Full));
    }
}
