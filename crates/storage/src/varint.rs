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
    let first = *bytes.get(*at)?;
    if first < 0x80 {
        *at += 1;
        return Some(first.into());
    }
    if let Some(word) = bytes[*at..].first_chunk() {
        let word = u64::from_le_bytes(*word);
        // The highest bit of each byte that ends a number; what lies above the lowest of them is not this number's.
        let ends = !word & 0x8080_8080_8080_8080;
        if ends != 0 {
            *at += (ends.trailing_zeros() / 8 + 1) as usize;
            let n = word & (ends ^ (ends - 1)) & 0x7f7f_7f7f_7f7f_7f7f;
            // Groups of 7 bits in 8 move together, then of 14 in 16, then of 28 in 32.
            let n = n & 0x007f_007f_007f_007f | (n & 0x7f00_7f00_7f00_7f00) >> 1;
            let n = n & 0x0000_3fff_0000_3fff | (n & 0x3fff_0000_3fff_0000) >> 2;
            return Some(n & 0x0fff_ffff | (n & 0x0fff_ffff_0000_0000) >> 4);
        }
    }
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
        let ends = (0..64).flat_map(|bit| [1u64 << bit, (1 << bit) - 1, 0x5555_5555_5555_5555 >> bit]);
        for n in ends.chain([u64::MAX]) {
            let mut b = vec![0x80];
            push_varint(&mut b, n);
            let len = b.len();
            assert_eq!(len - 1, varint_len(n));
            // At the end of what is there, and with whatever behind it.
            for behind in [vec![], vec![0x80; 9], vec![0; 9], vec![0x7f; 3]] {
                b.truncate(len);
                b.extend(behind);
                let mut at = 1;
                assert_eq!((read_varint(&b, &mut at), at), (Some(n), len));
            }
        }
    }

    #[test]
    fn what_has_no_end_is_no_number() {
        assert_eq!(read_varint(&[0x80, 0x80], &mut 0), None);
        assert_eq!(read_varint(&[0x80; 20], &mut 0), None);
    }
}
