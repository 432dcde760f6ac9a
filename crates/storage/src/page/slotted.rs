//! Little-endian integers inside page bytes, and a checked reader and a writer for WAL payloads. The slotted layouts
//! themselves are their owners': [`crate::heap::page`] and [`crate::index::btree::page`].

use crate::varint::{push_varint, read_varint};
use quarry_common::{Error, Result, Tid, Xid};

/// The `u16` at `at`.
#[inline]
pub fn get_u16(b: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(b[at..at + 2].try_into().expect("two bytes"))
}
/// The `u32` at `at`.
#[inline]
pub fn get_u32(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(b[at..at + 4].try_into().expect("four bytes"))
}
/// The `u64` at `at`.
#[inline]
pub fn get_u64(b: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(b[at..at + 8].try_into().expect("eight bytes"))
}
/// Writes a `u16`.
#[inline]
pub fn put_u16(b: &mut [u8], at: usize, v: u16) {
    b[at..at + 2].copy_from_slice(&v.to_le_bytes());
}
/// Writes a `u32`.
#[inline]
pub fn put_u32(b: &mut [u8], at: usize, v: u32) {
    b[at..at + 4].copy_from_slice(&v.to_le_bytes());
}
/// Writes a `u64`.
#[inline]
pub fn put_u64(b: &mut [u8], at: usize, v: u64) {
    b[at..at + 8].copy_from_slice(&v.to_le_bytes());
}

/// Reads a WAL payload from the front; every read is bounds-checked.
pub struct PayloadReader<'a>(&'a [u8]);

impl<'a> PayloadReader<'a> {
    /// Starts at the first byte.
    pub fn new(payload: &'a [u8]) -> PayloadReader<'a> {
        PayloadReader(payload)
    }

    /// The next `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8]> {
        if n > self.0.len() {
            return Err(Error::corrupted("WAL record is shorter than its contents"));
        }
        let (head, rest) = self.0.split_at(n);
        self.0 = rest;
        Ok(head)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything that is left.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    pub fn u8(&mut self) -> Result<u8> {
        Ok(self.bytes(1)?[0])
    }
    pub fn u16(&mut self) -> Result<u16> {
        Ok(get_u16(self.bytes(2)?, 0))
    }
    pub fn u32(&mut self) -> Result<u32> {
        Ok(get_u32(self.bytes(4)?, 0))
    }
    pub fn u64(&mut self) -> Result<u64> {
        Ok(get_u64(self.bytes(8)?, 0))
    }
    pub fn xid(&mut self) -> Result<Xid> {
        Ok(Xid(self.u64()?))
    }
    pub fn tid(&mut self) -> Result<Tid> {
        Ok(Tid { block: self.u32()?, slot: self.u16()? })
    }

    /// A number that [`PayloadWriter::wvar`] wrote, of a type that has room for it.
    #[inline]
    pub fn var<T: TryFrom<u64>>(&mut self) -> Result<T> {
        let mut at = 0;
        let n = read_varint(self.0, &mut at).and_then(|n| T::try_from(n).ok());
        let n = n.ok_or_else(|| Error::corrupted("WAL record has a number that is too long"))?;
        self.0 = &self.0[at..];
        Ok(n)
    }
}

/// Appends integers to a WAL payload.
pub trait PayloadWriter {
    fn w8(&mut self, v: u8) -> &mut Self;
    fn w16(&mut self, v: u16) -> &mut Self;
    fn w32(&mut self, v: u32) -> &mut Self;
    fn w64(&mut self, v: u64) -> &mut Self;
    fn wbytes(&mut self, v: &[u8]) -> &mut Self;
    fn wtid(&mut self, v: Tid) -> &mut Self;
    /// A number in as few bytes as it needs.
    fn wvar(&mut self, v: impl Into<u64>) -> &mut Self;
}

impl PayloadWriter for Vec<u8> {
    #[inline]
    fn w8(&mut self, v: u8) -> &mut Self {
        self.push(v);
        self
    }
    #[inline]
    fn w16(&mut self, v: u16) -> &mut Self {
        self.extend_from_slice(&v.to_le_bytes());
        self
    }
    #[inline]
    fn w32(&mut self, v: u32) -> &mut Self {
        self.extend_from_slice(&v.to_le_bytes());
        self
    }
    #[inline]
    fn w64(&mut self, v: u64) -> &mut Self {
        self.extend_from_slice(&v.to_le_bytes());
        self
    }
    #[inline]
    fn wbytes(&mut self, v: &[u8]) -> &mut Self {
        self.extend_from_slice(v);
        self
    }
    #[inline]
    fn wtid(&mut self, v: Tid) -> &mut Self {
        self.w32(v.block).w16(v.slot)
    }
    #[inline]
    fn wvar(&mut self, v: impl Into<u64>) -> &mut Self {
        push_varint(self, v.into());
        self
    }
}

thread_local! {
    static SCRATCH: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Runs `f` with an empty buffer that keeps its capacity from call to call on this thread.
pub fn with_scratch<R>(f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let mut buffer = SCRATCH.with(|s| std::mem::take(&mut *s.borrow_mut()));
    buffer.clear();
    let result = f(&mut buffer);
    if buffer.capacity() <= 1 << 20 {
        SCRATCH.with(|s| *s.borrow_mut() = buffer);
    }
    result
}
