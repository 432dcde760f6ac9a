//! Keys as items hold them: plain, or with all but a prefix compressed.
//!
//! PostgreSQL compresses index attributes longer than about 500 bytes, so that a long but compressible text can be indexed. Keys
//! here are order-preserving byte strings, and compressed bytes keep no order. So a packed key keeps its first [`PREFIX_BYTES`]
//! plain; a comparison unpacks the rest only if the prefix decides nothing.
//!
//! | packed key | bytes |
//! | --- | --- |
//! | length of the whole key | u32 |
//! | prefix | 128 |
//! | rest | an LZ4 block |
//!
//! Whether a key is packed is its holder's choice: equal keys may be stored in either form and are equal all the same. Nothing
//! may therefore compare stored bytes, except to see quickly that two keys *are* equal.
//!
//! Payloads (INCLUDE columns) have no order: a packed one is its length, u32, and an LZ4 block.

use quarry_common::{Error, Result, SqlState};
use std::borrow::Cow;
use std::cmp::Ordering;

/// Keys and payloads longer than this are packed if that makes them shorter (PostgreSQL's `TOAST_INDEX_TARGET`).
pub const PACK_FROM_BYTES: usize = 508;
/// How much of a packed key stays plain.
pub const PREFIX_BYTES: usize = 128;
/// What stands before a packed key's block.
const PACKED_HEAD: usize = 4 + PREFIX_BYTES;
/// LZ4 can't expand more than this: a longer claim is damage, not a reason to allocate.
const EXPANSION_MAX: usize = 256;

/// A key in an item, or on its way into one.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    stored: &'a [u8],
    packed: bool,
}

/// A key or payload made ready to be stored.
#[derive(Clone, Debug)]
pub struct Packed<'a> {
    bytes: Cow<'a, [u8]>,
    packed: bool,
}

impl<'a> Packed<'a> {
    /// A key: packed if it is long and packing helps.
    pub fn key(key: &'a [u8]) -> Packed<'a> {
        if key.len() <= PACK_FROM_BYTES {
            return Packed { bytes: Cow::Borrowed(key), packed: false };
        }
        Packed::choose(key, PREFIX_BYTES)
    }

    /// A payload: packed if it is long and packing helps.
    pub fn payload(payload: &'a [u8]) -> Packed<'a> {
        if payload.len() <= PACK_FROM_BYTES {
            return Packed { bytes: Cow::Borrowed(payload), packed: false };
        }
        Packed::choose(payload, 0)
    }

    fn choose(plain: &'a [u8], prefix: usize) -> Packed<'a> {
        let Ok(len) = u32::try_from(plain.len()) else {
            return Packed { bytes: Cow::Borrowed(plain), packed: false };
        };
        let (head, rest) = plain.split_at(prefix);
        let room = lz4_flex::block::get_maximum_output_size(rest.len());
        let at = 4 + prefix;
        let mut out = vec![0; at + room];
        out[..4].copy_from_slice(&len.to_le_bytes());
        out[4..at].copy_from_slice(head);
        match lz4_flex::block::compress_into(rest, &mut out[at..]) {
            Ok(n) if at + n < plain.len() => {
                out.truncate(at + n);
                Packed { bytes: Cow::Owned(out), packed: true }
            }
            _ => Packed { bytes: Cow::Borrowed(plain), packed: false },
        }
    }

    /// Without its borrow.
    pub fn into_owned(self) -> Packed<'static> {
        Packed { bytes: Cow::Owned(self.bytes.into_owned()), packed: self.packed }
    }

    /// The bytes that go into an item.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether they are packed.
    pub fn is_packed(&self) -> bool {
        self.packed
    }

    /// As items give keys.
    pub fn as_key(&self) -> Key<'_> {
        Key { stored: &self.bytes, packed: self.packed }
    }
}

fn damaged(what: &str) -> Error {
    Error::new(SqlState::INDEX_CORRUPTED, format!("a packed index entry {what}"))
}

fn len_of(stored: &[u8]) -> usize {
    stored.first_chunk::<4>().map_or(0, |b| u32::from_le_bytes(*b) as usize)
}

/// Appends the `len` bytes that `block` unpacks to.
fn unpack(block: &[u8], len: usize, out: &mut Vec<u8>) -> Result<()> {
    if len / EXPANSION_MAX > block.len() {
        return Err(damaged("claims an impossible length"));
    }
    let at = out.len();
    out.resize(at + len, 0);
    match lz4_flex::block::decompress_into(block, &mut out[at..]) {
        Ok(n) if n == len => Ok(()),
        _ => {
            out.truncate(at);
            Err(damaged("does not unpack"))
        }
    }
}

/// Appends a payload's own bytes.
pub fn append_payload(stored: &[u8], packed: bool, out: &mut Vec<u8>) -> Result<()> {
    if !packed {
        out.extend_from_slice(stored);
        return Ok(());
    }
    unpack(stored.get(4..).unwrap_or_default(), len_of(stored), out)
}

impl<'a> Key<'a> {
    /// A key stored as it is.
    pub fn plain(key: &'a [u8]) -> Key<'a> {
        Key { stored: key, packed: false }
    }

    /// A key as an item has it.
    #[inline]
    pub(super) fn stored(stored: &'a [u8], packed: bool) -> Key<'a> {
        Key { stored, packed }
    }

    /// The bytes in the item.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.stored
    }

    /// Whether those are packed.
    #[inline]
    pub fn is_packed(&self) -> bool {
        self.packed
    }

    /// Length of the whole key.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        if self.packed { len_of(self.stored) } else { self.stored.len() }
    }

    /// The part that needs no unpacking.
    pub(super) fn prefix(&self) -> &'a [u8] {
        if self.packed { self.stored.get(4..PACKED_HEAD).unwrap_or_default() } else { self.stored }
    }

    /// The whole key.
    pub fn unpacked(&self) -> Result<Cow<'a, [u8]>> {
        if !self.packed {
            return Ok(Cow::Borrowed(self.stored));
        }
        let mut out = Vec::with_capacity(self.len().min(self.stored.len() * EXPANSION_MAX));
        self.append_to(&mut out)?;
        Ok(Cow::Owned(out))
    }

    /// Appends the whole key.
    #[inline]
    pub fn append_to(&self, out: &mut Vec<u8>) -> Result<()> {
        if !self.packed {
            out.extend_from_slice(self.stored);
            return Ok(());
        }
        let rest = self.len().checked_sub(PREFIX_BYTES).ok_or_else(|| damaged("is too short"))?;
        let block = self.stored.get(PACKED_HEAD..).ok_or_else(|| damaged("is too short"))?;
        out.extend_from_slice(self.prefix());
        unpack(block, rest, out)
    }

    /// The whole key; a damaged one ends with its prefix, so that searching goes on and `check` reports it.
    pub(super) fn lenient(&self) -> Cow<'a, [u8]> {
        self.unpacked().unwrap_or(Cow::Borrowed(self.prefix()))
    }

    /// See [`head`].
    #[inline]
    pub(super) fn head(&self) -> u64 {
        head(if self.packed { self.prefix() } else { self.stored })
    }

    /// Compares with a plain key.
    #[inline]
    pub fn cmp_plain(&self, other: &[u8]) -> Ordering {
        if !self.packed { self.stored.cmp(other) } else { self.cmp_packed(other) }
    }

    #[cold]
    fn cmp_packed(&self, other: &[u8]) -> Ordering {
        let prefix = self.prefix();
        let head = &other[..other.len().min(prefix.len())];
        // A key that ends within the prefix is smaller than what goes on after it.
        prefix.cmp(head).then_with(|| {
            if other.len() <= prefix.len() { Ordering::Greater } else { self.lenient().as_ref().cmp(other) }
        })
    }

    /// Whether it is this plain key.
    #[inline]
    pub fn is(&self, other: &[u8]) -> bool {
        if !self.packed {
            self.stored == other
        } else {
            self.len() == other.len() && self.cmp_packed(other).is_eq()
        }
    }

    /// Compares with another stored key.
    #[inline]
    pub fn compare(&self, other: &Key<'_>) -> Ordering {
        match (self.packed, other.packed) {
            (_, false) => self.cmp_plain(other.stored),
            (false, true) => other.cmp_packed(self.stored).reverse(),
            (true, true) if self.stored == other.stored => Ordering::Equal,
            (true, true) => {
                self.prefix().cmp(other.prefix()).then_with(|| self.lenient().cmp(&other.lenient()))
            }
        }
    }

    /// Whether both are the same key.
    #[inline]
    pub fn same(&self, other: &Key<'_>) -> bool {
        self.len() == other.len() && self.compare(other).is_eq()
    }
}

/// The first eight bytes as a number, zeros behind a shorter key: keys whose heads differ compare as these do.
#[inline]
pub(super) fn head(key: &[u8]) -> u64 {
    if let Some(first) = key.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    match (key.first_chunk(), key.last_chunk()) {
        // Where both overlap, they are the same.
        (Some(first), Some(last)) => {
            let (first, last) = (u32::from_be_bytes(*first), u32::from_be_bytes(*last));
            u64::from(first) << 32 | u64::from(last) << (8 * (8 - key.len()))
        }
        _ => key.iter().enumerate().fold(0, |head, (i, byte)| head | u64::from(*byte) << (56 - 8 * i)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_compare_as_the_whole() {
        let mut keys: Vec<Vec<u8>> = vec![vec![]];
        for len in 1..12 {
            for at in 0..len {
                for byte in [1, 0x7f, 0x80, 0xff] {
                    let mut key = vec![0x40; len];
                    key[at] = byte;
                    keys.push(key);
                }
            }
        }
        for a in &keys {
            for b in &keys {
                let by_heads = head(a).cmp(&head(b));
                assert!(by_heads.is_eq() || by_heads == a.cmp(b), "{a:?} {b:?}");
                assert!(by_heads.is_ne() || a.iter().take(8).eq(b.iter().take(8)) || a.len() != b.len());
            }
        }
    }

    fn samples() -> Vec<Vec<u8>> {
        let mut out: Vec<Vec<u8>> = Vec::new();
        for len in [0, 1, 127, 128, 129, 508, 509, 600, 3000, 100_000] {
            for last in [0, 7, 255] {
                let mut key = vec![b'k'; len];
                out.push(key.clone());
                if let Some(b) = key.last_mut() {
                    *b = last;
                }
                out.push(key.clone());
                if let Some(b) = key.get_mut(len / 2) {
                    *b = last;
                }
                out.push(key);
            }
        }
        out
    }

    #[test]
    fn packed_keys_compare_like_plain_ones() {
        let keys = samples();
        let packed: Vec<Packed<'_>> = keys.iter().map(|k| Packed::key(k)).collect();
        assert!(packed.iter().any(Packed::is_packed));
        for (a, pa) in keys.iter().zip(&packed) {
            assert_eq!(pa.as_key().unpacked().expect("sound"), a.as_slice());
            assert_eq!(pa.as_key().len(), a.len());
            for (b, pb) in keys.iter().zip(&packed) {
                let expected = a.cmp(b);
                assert_eq!(pa.as_key().cmp_plain(b), expected);
                assert_eq!(pa.as_key().compare(&pb.as_key()), expected);
                assert_eq!(Key::plain(a).compare(&pb.as_key()), expected);
                assert_eq!(pa.as_key().is(b), expected.is_eq());
                assert_eq!(pa.as_key().same(&pb.as_key()), expected.is_eq());
            }
        }
    }

    #[test]
    fn what_does_not_shrink_stays_plain() {
        let mut x = 1u64;
        let noise: Vec<u8> = (0..2000)
            .map(|_| {
                x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (x >> 56) as u8
            })
            .collect();
        assert!(!Packed::key(&noise).is_packed());
        assert!(!Packed::payload(&noise).is_packed());
        let long = vec![1; 50_000];
        let p = Packed::payload(&long);
        assert!(p.is_packed() && p.bytes().len() < 300);
        let mut out = Vec::new();
        append_payload(p.bytes(), true, &mut out).expect("sound");
        assert_eq!(out, long);
    }

    #[test]
    fn damage_is_an_error() {
        let long = vec![b'x'; 5000];
        let p = Packed::key(&long);
        let mut bytes = p.bytes().to_vec();
        bytes[2] = 0xff;
        assert!(Key::stored(&bytes, true).unpacked().is_err());
        assert!(Key::stored(&bytes[..bytes.len() - 3], true).unpacked().is_err());
        assert!(Key::stored(&bytes[..20], true).unpacked().is_err());
        assert!(Key::stored(&[], true).unpacked().is_err());
        assert_eq!(Key::stored(&bytes, true).cmp_plain(b"w"), Ordering::Greater);
    }
}
