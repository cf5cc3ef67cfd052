//! CRC-32C (Castagnoli) without a table: births are hashed once per connection, flash is scarcer than time.

/// CRC-32C of `bytes`.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    const POLYNOMIAL_REFLECTED: u32 = 0x82F6_3B78;
    let sum = bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (POLYNOMIAL_REFLECTED & (sum & 1).wrapping_neg()))
    });
    !sum
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_agrees_with_the_crc32c_crate() {
        assert_eq!(super::crc32c(b"123456789"), 0xE306_9283, "the check value of the CRC catalogue");
        let bytes: std::vec::Vec<u8> = (0..700u32).map(|i| (i * 31) as u8).collect();
        for len in 0..bytes.len() {
            assert_eq!(super::crc32c(&bytes[..len]), crc32c::crc32c(&bytes[..len]));
        }
    }
}
