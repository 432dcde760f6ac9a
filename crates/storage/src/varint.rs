//! Numbers in as few bytes as they need: seven bits a byte, the lowest first (LEB128).

/// Appends a number in groups of seven bits, the lowest first.
#[inline]
pub fn push_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Bytes that [`push_varint`] takes.
#[inline]
pub fn varint_len(n: u64) -> usize {
    (64 - (n | 1).leading_zeros() as usize).div_ceil(7)
}

/// Reads a number and moves `at` behind it; none at the end, or if what is there is no number.
#[inline]
pub fn read_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let b = *bytes.get(*at)?;
        *at += 1;
        n |= ((b & 0x7f) as u64) << shift;
        if b < 0x80 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back() {
        for n in [0, 1, 127, 128, 16_383, 16_384, u64::MAX] {
            let mut b = Vec::new();
            push_varint(&mut b, n);
            assert_eq!((b.len(), read_varint(&b, &mut 0)), (varint_len(n), Some(n)));
        }
    }

    #[test]
    fn what_has_no_end_is_no_number() {
        assert_eq!(read_varint(&[0x80, 0x80], &mut 0), None);
        assert_eq!(read_varint(&[0x80; 20], &mut 0), None);
    }
}
