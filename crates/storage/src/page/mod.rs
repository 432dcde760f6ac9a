//! The 8 KiB page: header, checksum, checked access to its bytes.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 8 | LSN: end of the last WAL record that changed the page |
//! | 8 | 4 | CRC-32 of the page (this field as 0) and its block number |
//! | 12 | 2 | flags, the owner's |
//! | 14 | 2 | lower: end of the used space that grows up |
//! | 16 | 2 | upper: start of the used space that grows down |
//! | 18 | 2 | special: start of the owner's space at the end |
//! | 20 | 2 | format version |
//! | 22 | 2 | zero |
//! | 24 | 8 | aux, the owner's |
//!
//! Integers are little-endian. A page of zeroes is valid: "new", never initialised.

pub mod slotted;

use quarry_common::Lsn;

/// Bytes in a page.
pub const PAGE_SIZE: usize = 8192;
/// Bytes in the header.
pub const PAGE_HEADER: usize = 32;
/// The format version [`Page::init`] writes.
pub const PAGE_VERSION: u16 = 1;

const LSN: usize = 0;
const CHECKSUM: usize = 8;
const FLAGS: usize = 12;
const LOWER: usize = 14;
const UPPER: usize = 16;
const SPECIAL: usize = 18;
const VERSION: usize = 20;
const AUX: usize = 24;

/// A page's bytes. Aligned so that fields can be read without tearing.
#[repr(C, align(64))]
#[derive(Clone)]
pub struct Page([u8; PAGE_SIZE]);

const _: () = assert!(std::mem::size_of::<Page>() == PAGE_SIZE);

fn checksum_of(bytes: &[u8], block: u32) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&bytes[..CHECKSUM]);
    crc.update(&block.to_le_bytes());
    crc.update(&bytes[CHECKSUM + 4..]);
    crc.finalize()
}

macro_rules! header_u16 {
    ($($get:ident $set:ident $offset:ident;)*) => {$(
        /// Header field, see the module's table.
        #[inline]
        pub fn $get(&self) -> u16 {
            self.u16_at($offset)
        }
        /// Sets the header field.
        #[inline]
        pub fn $set(&mut self, value: u16) {
            self.put_u16($offset, value);
        }
    )*};
}

impl Page {
    /// A page of zeroes.
    pub fn zeroed() -> Box<Page> {
        Box::new(Page([0; PAGE_SIZE]))
    }

    #[inline]
    pub fn bytes(&self) -> &[u8; PAGE_SIZE] {
        &self.0
    }

    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8; PAGE_SIZE] {
        &mut self.0
    }

    /// Makes an empty page with `special_bytes` of owner's space at its end. Everything else becomes zero.
    pub fn init(&mut self, special_bytes: usize) {
        assert!(special_bytes <= PAGE_SIZE - PAGE_HEADER, "special space must fit the page");
        self.zero();
        let special = (PAGE_SIZE - special_bytes) as u16;
        self.set_lower(PAGE_HEADER as u16);
        self.set_upper(special);
        self.set_special(special);
        self.put_u16(VERSION, PAGE_VERSION);
    }

    /// Makes the page new again.
    pub fn zero(&mut self) {
        self.0.fill(0);
    }

    /// Whether the page was never initialised (or zeroed since).
    #[inline]
    pub fn is_new(&self) -> bool {
        self.u16_at(VERSION) == 0
    }

    #[inline]
    pub fn lsn(&self) -> Lsn {
        Lsn(self.u64_at(LSN))
    }
    #[inline]
    pub fn set_lsn(&mut self, lsn: Lsn) {
        self.put_u64(LSN, lsn.0);
    }

    header_u16! {
        flags set_flags FLAGS;
        lower set_lower LOWER;
        upper set_upper UPPER;
        special set_special SPECIAL;
    }

    #[inline]
    pub fn aux(&self) -> u64 {
        self.u64_at(AUX)
    }
    #[inline]
    pub fn set_aux(&mut self, value: u64) {
        self.put_u64(AUX, value);
    }

    /// Bytes between lower and upper.
    #[inline]
    pub fn free_space(&self) -> usize {
        (self.upper() as usize).saturating_sub(self.lower() as usize)
    }

    /// The owner's space; empty if the header makes no sense.
    #[inline]
    pub fn special_bytes(&self) -> &[u8] {
        self.0.get(self.special() as usize..).unwrap_or(&[])
    }
    #[inline]
    pub fn special_bytes_mut(&mut self) -> &mut [u8] {
        let from = (self.special() as usize).min(PAGE_SIZE);
        &mut self.0[from..]
    }

    #[inline]
    pub fn u16_at(&self, offset: usize) -> u16 {
        u16::from_le_bytes([self.0[offset], self.0[offset + 1]])
    }
    #[inline]
    pub fn u32_at(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.0[offset..offset + 4].try_into().expect("four bytes"))
    }
    #[inline]
    pub fn u64_at(&self, offset: usize) -> u64 {
        u64::from_le_bytes(self.0[offset..offset + 8].try_into().expect("eight bytes"))
    }
    #[inline]
    pub fn put_u16(&mut self, offset: usize, value: u16) {
        self.0[offset..offset + 2].copy_from_slice(&value.to_le_bytes());
    }
    #[inline]
    pub fn put_u32(&mut self, offset: usize, value: u32) {
        self.0[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }
    #[inline]
    pub fn put_u64(&mut self, offset: usize, value: u64) {
        self.0[offset..offset + 8].copy_from_slice(&value.to_le_bytes());
    }

    /// The checksum the page should carry as block `block` of its file. Mixing in the number catches pages written
    /// to the wrong place.
    pub fn compute_checksum(&self, block: u32) -> u32 {
        checksum_of(&self.0, block)
    }

    /// Stores the checksum, as just before writing to disk.
    pub fn set_checksum(&mut self, block: u32) {
        Page::store_checksum(&mut self.0, block);
    }

    /// Stores the checksum in a copy of a page's bytes.
    pub fn store_checksum(bytes: &mut [u8], block: u32) {
        let sum = checksum_of(bytes, block);
        bytes[CHECKSUM..CHECKSUM + 4].copy_from_slice(&sum.to_le_bytes());
    }

    /// Whether the bytes are what was written as block `block`; all zeroes are fine.
    pub fn checksum_ok(&self, block: u32) -> bool {
        self.u32_at(CHECKSUM) == self.compute_checksum(block)
            || (self.is_new() && self.0.iter().all(|b| *b == 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_notices_every_kind_of_damage() {
        let mut page = Page::zeroed();
        assert!(page.checksum_ok(7));
        assert!(page.is_new());
        page.init(16);
        assert!(!page.is_new());
        assert_eq!(page.free_space(), PAGE_SIZE - PAGE_HEADER - 16);
        assert_eq!(page.special_bytes().len(), 16);
        page.set_lsn(Lsn(99));
        page.set_checksum(7);
        assert!(page.checksum_ok(7));
        assert!(!page.checksum_ok(8));
        for at in [0, 9, 13, 31, 4000, PAGE_SIZE - 1] {
            let mut damaged = page.clone();
            damaged.bytes_mut()[at] ^= 4;
            assert!(!damaged.checksum_ok(7), "byte {at}");
        }
    }
}
