//! The format of a WAL record.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | length of the whole record without padding |
//! | 4 | 4 | CRC-32 of (CRC-32 of bytes 0..4 and 8..length, then the record's LSN) |
//! | 8 | 8 | transaction id, 0 = none |
//! | 16 | 4 | epoch: one more at each start of the server |
//! | 20 | 4 | length of the payload |
//! | 24 | 1 | resource manager |
//! | 25 | 1 | operation |
//! | 26 | 1 | count of page references |
//! | 27 | 1 | zero |
//! | 28 | 20 each | page references: db u32, rel u32, block u32, fork u8, flags u8, image length u16, zero u32 |
//! | .. | | payload, then the images in the order of the references |
//!
//! Records start at multiples of 8. A record is found valid only at its own LSN and only if its epoch is not older
//! than its predecessor's, so leftovers in a recycled segment, or past a torn tail, are never taken for the log.

use crate::ids::{Fork, PageId, RelId};
use crate::page::{PAGE_SIZE, Page};
use quarry_common::{Error, Lsn, Oid, Result, Xid};

/// Bytes before the page references.
pub const HEADER: usize = 28;
const REF: usize = 20;
/// Page references a record may have.
pub const PAGES_MAX: usize = 32;
/// Payload a record may have.
pub const PAYLOAD_MAX: usize = 512 * 1024;
/// An upper bound of any record's length.
pub const RECORD_MAX: usize = HEADER + PAGES_MAX * (REF + PAGE_SIZE) + PAYLOAD_MAX;

const INIT: u8 = 1;
const IMAGE: u8 = 2;
const COMPRESSED: u8 = 4;

/// Who interprets a record, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordKind {
    /// Resource manager, see [`super::rmgr`].
    pub rmgr: u8,
    /// The manager's operation.
    pub op: u8,
}

impl RecordKind {
    pub const fn new(rmgr: u8, op: u8) -> RecordKind {
        RecordKind { rmgr, op }
    }
}

/// How a page takes part in a record.
#[derive(Clone, Copy)]
pub enum PageEntry<'a> {
    /// Changed by the operation.
    Change(PageId),
    /// Changed by the operation, starting from zeroes.
    Init(PageId),
    /// Whole, as it is after the operation.
    Image(PageId, &'a Page),
}

/// Space in the log that a record of `len` bytes takes.
pub const fn padded(len: usize) -> usize {
    (len + 7) & !7
}

/// Encodes a record into `out` (cleared first), all but its CRC. `pages` gives the `count` page references. `out` is padded
/// to a multiple of 8.
pub fn encode<'a>(
    out: &mut Vec<u8>,
    epoch: u32,
    xid: Xid,
    kind: RecordKind,
    payload: &[u8],
    count: usize,
    pages: impl Fn(usize) -> PageEntry<'a>,
) {
    out.clear();
    out.extend_from_slice(&[0; HEADER]);
    out[8..16].copy_from_slice(&xid.0.to_le_bytes());
    out[16..20].copy_from_slice(&epoch.to_le_bytes());
    out[20..24].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    out[24] = kind.rmgr;
    out[25] = kind.op;
    out[26] = count as u8;
    for index in 0..count {
        let (id, flags) = match pages(index) {
            PageEntry::Change(id) => (id, 0),
            PageEntry::Init(id) => (id, INIT),
            PageEntry::Image(id, _) => (id, IMAGE),
        };
        out.extend_from_slice(&id.rel.db.0.to_le_bytes());
        out.extend_from_slice(&id.rel.rel.to_le_bytes());
        out.extend_from_slice(&id.block.to_le_bytes());
        out.extend_from_slice(&[id.fork as u8, flags, 0, 0, 0, 0, 0, 0]);
    }
    out.extend_from_slice(payload);
    for index in 0..count {
        let PageEntry::Image(_, page) = pages(index) else { continue };
        let at = out.len();
        let room = lz4_flex::block::get_maximum_output_size(PAGE_SIZE);
        out.resize(at + room, 0);
        let packed = lz4_flex::block::compress_into(page.bytes(), &mut out[at..]).unwrap_or(PAGE_SIZE);
        let reference = HEADER + index * REF;
        let len = if packed < PAGE_SIZE - 64 {
            out.truncate(at + packed);
            out[reference + 13] |= COMPRESSED;
            packed
        } else {
            out.truncate(at);
            out.extend_from_slice(page.bytes());
            PAGE_SIZE
        };
        out[reference + 14..reference + 16].copy_from_slice(&(len as u16).to_le_bytes());
    }
    let len = out.len();
    out[0..4].copy_from_slice(&(len as u32).to_le_bytes());
    out.resize(padded(len), 0);
}

/// The part of the CRC that doesn't depend on where the record goes.
pub fn body_crc(record: &[u8], len: usize) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&record[..4]);
    crc.update(&record[8..len]);
    crc.finalize()
}

/// The CRC of a record at `lsn`.
pub fn place_crc(body: u32, lsn: Lsn) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&body.to_le_bytes());
    crc.update(&lsn.0.to_le_bytes());
    crc.finalize()
}

/// A page reference of a decoded record.
#[derive(Clone, Debug)]
pub struct BlockRef {
    pub id: PageId,
    /// Redo starts from a page of zeroes.
    pub init: bool,
    compressed: bool,
    image: Option<std::ops::Range<usize>>,
}

/// A decoded record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Where it starts.
    pub lsn: Lsn,
    /// Where the next one starts: the LSN that pages are stamped with, and the CSN of a commit.
    pub end: Lsn,
    pub xid: Xid,
    pub epoch: u32,
    pub kind: RecordKind,
    pub blocks: Vec<BlockRef>,
    raw: Vec<u8>,
    payload: std::ops::Range<usize>,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The length in a record's header if it could be one.
pub fn plausible_length(header: &[u8]) -> Option<usize> {
    let len = u32_at(header, 0) as usize;
    (HEADER..=RECORD_MAX).contains(&len).then_some(len)
}

impl Record {
    /// Decodes the record in `raw` (without padding) found at `lsn`; none if its CRC or structure is wrong.
    pub fn decode(lsn: Lsn, raw: &[u8]) -> Option<Record> {
        if raw.len() < HEADER || plausible_length(raw) != Some(raw.len()) {
            return None;
        }
        if place_crc(body_crc(raw, raw.len()), lsn) != u32_at(raw, 4) {
            return None;
        }
        let count = raw[26] as usize;
        let payload_len = u32_at(raw, 20) as usize;
        let payload_at = HEADER + count * REF;
        let mut at = payload_at.checked_add(payload_len)?;
        if at > raw.len() {
            return None;
        }
        let mut blocks = Vec::with_capacity(count);
        for reference in raw[HEADER..payload_at].chunks_exact(REF) {
            let rel = RelId::new(Oid(u32_at(reference, 0)), u32_at(reference, 4));
            let id = PageId::new(rel, Fork::from_u8(reference[12])?, u32_at(reference, 8));
            let flags = reference[13];
            let len = u16::from_le_bytes([reference[14], reference[15]]) as usize;
            let image = (flags & IMAGE != 0).then_some(at..at + len);
            if image.is_some() {
                at += len;
                if at > raw.len() {
                    return None;
                }
            }
            blocks.push(BlockRef { id, init: flags & INIT != 0, compressed: flags & COMPRESSED != 0, image });
        }
        Some(Record {
            lsn,
            end: Lsn(lsn.0 + padded(raw.len()) as u64),
            xid: Xid(u64::from_le_bytes(raw[8..16].try_into().expect("eight bytes"))),
            epoch: u32_at(raw, 16),
            kind: RecordKind::new(raw[24], raw[25]),
            blocks,
            payload: payload_at..payload_at + payload_len,
            raw: raw.to_vec(),
        })
    }

    pub fn payload(&self) -> &[u8] {
        &self.raw[self.payload.clone()]
    }

    /// Whether reference `index` carries the whole page.
    pub fn has_image(&self, index: usize) -> bool {
        self.blocks[index].image.is_some()
    }

    /// Puts the image of reference `index` into `page`; false if it has none.
    pub fn restore_image(&self, index: usize, page: &mut Page) -> Result<bool> {
        let block = &self.blocks[index];
        let Some(range) = block.image.clone() else { return Ok(false) };
        let bytes = &self.raw[range];
        if block.compressed {
            match lz4_flex::block::decompress_into(bytes, page.bytes_mut()) {
                Ok(PAGE_SIZE) => {}
                _ => {
                    return Err(Error::corrupted(format!(
                        "page image in WAL record at {} is damaged",
                        self.lsn
                    )));
                }
            }
        } else {
            let bytes: &[u8; PAGE_SIZE] = bytes.try_into().map_err(|_| {
                Error::corrupted(format!("page image in WAL record at {} is damaged", self.lsn))
            })?;
            page.bytes_mut().copy_from_slice(bytes);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(pages: &[PageEntry<'_>], lsn: Lsn) -> (Vec<u8>, usize) {
        let mut out = Vec::new();
        encode(&mut out, 3, Xid(9), RecordKind::new(4, 2), b"payload", pages.len(), |i| pages[i]);
        let len = u32_at(&out, 0) as usize;
        let crc = place_crc(body_crc(&out, len), lsn);
        out[4..8].copy_from_slice(&crc.to_le_bytes());
        (out, len)
    }

    #[test]
    fn round_trip_with_images() {
        let mut plain = Page::zeroed();
        plain.init(0);
        let mut noise = Page::zeroed();
        let mut x = 1u32;
        for b in noise.bytes_mut() {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *b = (x >> 24) as u8;
        }
        let id = |block| PageId::main(RelId::new(Oid(5), 6), block);
        let pages = [
            PageEntry::Image(id(1), &plain),
            PageEntry::Change(id(2)),
            PageEntry::Image(id(3), &noise),
            PageEntry::Init(id(4)),
        ];
        let (out, len) = encoded(&pages, Lsn(800));
        assert!(Record::decode(Lsn(808), &out[..len]).is_none(), "valid at its own place only");
        let record = Record::decode(Lsn(800), &out[..len]).unwrap();
        assert_eq!(record.payload(), b"payload");
        assert_eq!((record.xid, record.epoch, record.end), (Xid(9), 3, Lsn(800 + out.len() as u64)));
        let mut page = Page::zeroed();
        assert!(record.restore_image(0, &mut page).unwrap());
        assert!(page.bytes() == plain.bytes());
        assert!(!record.restore_image(1, &mut page).unwrap());
        assert!(record.restore_image(2, &mut page).unwrap());
        assert!(page.bytes() == noise.bytes());
        assert!(record.blocks[3].init);
        for at in 0..len {
            let mut damaged = out[..len].to_vec();
            damaged[at] ^= 1;
            assert!(Record::decode(Lsn(800), &damaged).is_none(), "byte {at}");
        }
    }
}
