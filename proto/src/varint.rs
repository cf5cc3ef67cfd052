//! LEB128 as postcard writes it, but over-long forms are refused (postcard's own reader accepts them).

use crate::bits::Full;

/// Takes one `u32` off the front; `None` when the bytes end, overflow, or hold a longer form than needed.
#[inline(always)]
pub(crate) fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    // Most have one byte.
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 { Some((u32::from(first), rest)) } else { take_long_u32(bytes) }
}

#[inline(never)]
fn take_long_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (value, rest) = take_u64(bytes)?;
    Some((u32::try_from(value).ok()?, rest))
}

/// Takes one `u64` off the front, as [`take_u32`].
pub(crate) fn take_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    let mut rest = bytes;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        rest = tail;
        if shift == 63 && byte > 0x01 || shift > 0 && byte == 0 {
            return None;
        }
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some((value, rest));
        }
    }
    None
}

/// Takes one zigzagged `i32` off the front.
#[inline(always)]
pub(crate) fn take_i32(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let (code, rest) = take_u32(bytes)?;
    Some(((code >> 1) as i32 ^ -((code & 1) as i32), rest))
}

/// Bytes that [`put_u32`] writes.
pub(crate) const fn len_u32(value: u32) -> usize {
    let bits = u32::BITS - value.leading_zeros();
    if bits == 0 { 1 } else { bits.div_ceil(7) as usize }
}

/// Writes one `u32` at the front of `out`; the number of bytes written.
pub(crate) fn put_u32(value: u32, out: &mut [u8]) -> Result<usize, Full> {
    let len = len_u32(value);
    let mut left = value;
    for (index, to) in out.get_mut(..len).ok_or(Full)?.iter_mut().enumerate() {
        let more = if index + 1 < len { 0x80 } else { 0 };
        *to = (left & 0x7F) as u8 | more;
        left >>= 7;
    }
    Ok(len)
}

/// Writes one `i32`, zigzagged.
pub(crate) fn put_i32(value: i32, out: &mut [u8]) -> Result<usize, Full> {
    put_u32(((value << 1) ^ (value >> 31)) as u32, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_are_postcards_and_only_in_their_shortest_form() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u32::MAX >> 4, u32::MAX] {
            let (mut ours, mut theirs) = ([0u8; 8], [0u8; 8]);
            let len = put_u32(value, &mut ours).unwrap();
            assert_eq!(&ours[..len], &*postcard::to_slice(&value, &mut theirs).unwrap());
            assert_eq!(take_u32(&ours[..len]), Some((value, &[][..])));
            assert_eq!(len, len_u32(value));
            assert_eq!(put_u32(value, &mut ours[..len - 1]), Err(Full));
        }
        for value in [0, -1, i32::MIN, i32::MAX] {
            let (mut ours, mut theirs) = ([0u8; 8], [0u8; 8]);
            let len = put_i32(value, &mut ours).unwrap();
            assert_eq!(&ours[..len], &*postcard::to_slice(&value, &mut theirs).unwrap());
            assert_eq!(take_i32(&ours[..len]), Some((value, &[][..])));
        }
        for value in [0, 127, 128, 1 << 35, u64::MAX >> 1, u64::MAX] {
            let mut theirs = [0u8; 10];
            assert_eq!(take_u64(postcard::to_slice(&value, &mut theirs).unwrap()), Some((value, &[][..])));
        }
        let bytes_of_65_bits = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x03];
        assert_eq!(take_u64(&bytes_of_65_bits), None);
        assert_eq!(take_u32(&[0x80, 0x00]), None, "over-long zero");
        assert_eq!(take_u32(&[0x80, 0x80, 0x00]), None, "longer still");
        assert_eq!(take_u32(&[0xFF, 0xFF, 0xFF, 0xFF, 0x1F]), None, "33 bits");
        assert_eq!(take_u32(&[0x80]), None, "cut");
    }
}
