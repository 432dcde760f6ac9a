//! The format of a WAL record.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | length of the whole record without padding |
//! | 4 | 4 | CRC-32 of (CRC-32 of bytes 0..4 and 8..length with byte 27 as zero, then the record's LSN with byte 27 as its highest byte) |
//! | 8 | 8 | transaction id, 0 = none |
//! | 16 | 4 | epoch: one more at each start of the server |
//! | 20 | 4 | length of the payload |
//! | 24 | 1 | resource manager |
//! | 25 | 1 | operation |
//! | 26 | 1 | count of page references |
//! | 27 | 1 | how much log before the record was not yet durable when it got its place, as a [`lag_code`] |
//! | 28 | 20 each | page references: db u32, rel u32, block u32, fork u8, flags u8, image length u16, hole's offset u16, hole's length u16 |
//! | .. | | payload, then the images in the order of the references |
//!
//! An image leaves out the page's hole, the free space between `lower` and `upper`, which comes back as zeroes: whatever a page keeps
//! lies outside of it. The rest is compressed if that pays.
//!
//! Records start at multiples of 8. A record is found valid only at its own LSN and only if its epoch is not older
//! than its predecessor's, so leftovers in a recycled segment, or past a torn tail, are never taken for the log.

use crate::ids::{Fork, PageId, RelId};
use crate::page::{PAGE_HEADER, PAGE_SIZE, Page};
use lz4_flex::block::{CompressTable, compress_into, compress_into_with_table, get_maximum_output_size};
use quarry_common::{Error, Lsn, Oid, Result, Xid};
use std::cell::RefCell;
use std::ops::Range;

/// Bytes before the page references.
pub const HEADER: usize = 28;
const REF: usize = 20;
/// Page references a record may have.
pub const PAGES_MAX: usize = 32;
/// Payload a record may have.
pub const PAYLOAD_MAX: usize = 512 * 1024;
/// An upper bound of any record's length.
pub const RECORD_MAX: usize = HEADER + PAGES_MAX * (REF + PAGE_SIZE) + PAYLOAD_MAX;

/// An upper bound of the length of a record with such a payload and so many pages.
pub const fn length_max(payload: usize, pages: usize) -> u64 {
    padded(HEADER + payload + pages * (REF + PAGE_SIZE)) as u64
}

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

/// What every record of a log has in common.
#[derive(Clone, Copy)]
pub struct Style {
    /// Which run of the server writes.
    pub epoch: u32,
    /// Whether images are compressed.
    pub compress: bool,
}

/// Encodes a record into `out` (cleared first), all but its CRC. `pages` gives the `count` page references. `out` is padded
/// to a multiple of 8.
pub fn encode<'a>(
    out: &mut Vec<u8>,
    style: Style,
    xid: Xid,
    kind: RecordKind,
    payload: &[u8],
    count: usize,
    pages: impl Fn(usize) -> PageEntry<'a>,
) {
    out.clear();
    out.extend_from_slice(&[0; HEADER]);
    out[8..16].copy_from_slice(&xid.0.to_le_bytes());
    out[16..20].copy_from_slice(&style.epoch.to_le_bytes());
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
        let hole = hole_of(page);
        let compressed = style.compress && compress(page, &hole, out);
        if !compressed {
            out.extend_from_slice(&page.bytes()[..hole.start]);
            out.extend_from_slice(&page.bytes()[hole.end..]);
        }
        let len = out.len() - at;
        let reference = &mut out[HEADER + index * REF..][..REF];
        if compressed {
            reference[13] |= COMPRESSED;
        }
        for (place, value) in [(14, len), (16, hole.start), (18, hole.len())] {
            reference[place..place + 2].copy_from_slice(&(value as u16).to_le_bytes());
        }
    }
    let len = out.len();
    out[0..4].copy_from_slice(&(len as u32).to_le_bytes());
    out.resize(padded(len), 0);
}

/// Whole images in an encoded record of `count` pages.
pub fn image_count(record: &[u8], count: usize) -> u64 {
    (0..count).filter(|index| record[HEADER + index * REF + 13] & IMAGE != 0).count() as u64
}

/// The page's free space; empty if the header makes no sense.
fn hole_of(page: &Page) -> Range<usize> {
    let (lower, upper) = (page.lower() as usize, page.upper() as usize);
    if page.is_new() || lower < PAGE_HEADER || upper <= lower || upper > PAGE_SIZE {
        return PAGE_SIZE..PAGE_SIZE;
    }
    lower..upper
}

thread_local! {
    static TABLE: RefCell<CompressTable> = RefCell::new(CompressTable::small());
}

/// Appends the page without its hole to `out`, compressed; false, and nothing appended, if it doesn't get smaller by an eighth at
/// least: reading it back costs something too.
fn compress(page: &Page, hole: &Range<usize>, out: &mut Vec<u8>) -> bool {
    let mut joined = [0u8; PAGE_SIZE];
    let whole = PAGE_SIZE - hole.len();
    let bytes: &[u8] = if hole.is_empty() {
        page.bytes()
    } else {
        joined[..hole.start].copy_from_slice(&page.bytes()[..hole.start]);
        joined[hole.start..whole].copy_from_slice(&page.bytes()[hole.end..]);
        &joined[..whole]
    };
    let at = out.len();
    out.resize(at + get_maximum_output_size(whole), 0);
    let packed = TABLE.with(|table| match table.try_borrow_mut() {
        Ok(mut table) => compress_into_with_table(bytes, &mut out[at..], &mut table),
        Err(_) => compress_into(bytes, &mut out[at..]),
    });
    match packed {
        Ok(len) if len <= whole - whole / 8 => {
            out.truncate(at + len);
            true
        }
        _ => {
            out.truncate(at);
            false
        }
    }
}

/// Where the lag's code is.
const LAG: usize = 27;

/// The part of the CRC that doesn't depend on where the record goes.
pub fn body_crc(record: &[u8], len: usize) -> u32 {
    // The header without the CRC and the lag, in one piece.
    let mut head = [0; HEADER - 4];
    head[..4].copy_from_slice(&record[..4]);
    head[4..LAG - 4].copy_from_slice(&record[8..LAG]);
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head);
    crc.update(&record[HEADER..len]);
    crc.finalize()
}

/// Finishes a record for its place at `lsn`, where everything before `durable` is durable: stores the lag and the CRC.
pub fn set_place(record: &mut [u8], body: u32, lsn: Lsn, durable: Lsn) {
    let lag = lag_code(lsn.0.saturating_sub(durable.0));
    record[LAG] = lag;
    record[4..8].copy_from_slice(&place_crc(body, lsn, lag).to_le_bytes());
}

fn place_crc(body: u32, lsn: Lsn, lag: u8) -> u32 {
    let mut place = [0; 12];
    place[..4].copy_from_slice(&body.to_le_bytes());
    // A position has 56 bits.
    place[4..].copy_from_slice(&(lsn.0 | (lag as u64) << 56).to_le_bytes());
    crc32fast::hash(&place)
}

/// A distance in one byte, rounded up by a fifth at most: four steps to each power of two, in units of 8 bytes. 0 says nothing.
fn lag_code(bytes: u64) -> u8 {
    let units = bytes.div_ceil(8).max(4);
    let shift = units.ilog2() - 2;
    // Rounding up may reach the next power of two, which is the next code as well.
    let step = units.div_ceil(1 << shift) - 4;
    u8::try_from(1 + 4 * shift as u64 + step).unwrap_or(0)
}

/// An upper bound of the distance that [`lag_code`] was given; none if the code says nothing.
fn lag_bound(code: u8) -> Option<u64> {
    let code = code.checked_sub(1)? as u64;
    (4 + code % 4).checked_mul(1u64.checked_shl((code / 4) as u32)?)?.checked_mul(8)
}

/// A page reference of a decoded record.
#[derive(Clone, Debug)]
pub struct BlockRef {
    pub id: PageId,
    /// Redo starts from a page of zeroes.
    pub init: bool,
    compressed: bool,
    image: Option<Range<usize>>,
    /// What the image leaves out.
    hole: Range<usize>,
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
    /// The log was durable at least to here when the record got its place.
    pub durable: Lsn,
    pub kind: RecordKind,
    pub blocks: Vec<BlockRef>,
    raw: Vec<u8>,
    payload: Range<usize>,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The length in a record's header if it could be one.
pub fn plausible_length(header: &[u8]) -> Option<usize> {
    let len = u32_at(header, 0) as usize;
    (HEADER..=RECORD_MAX).contains(&len).then_some(len)
}

/// Whether these bytes could be a record's header, in a log whose last epoch is `run`: what can be told before the CRC.
pub fn plausible_header(header: &[u8], run: u32) -> bool {
    let Some(len) = plausible_length(header) else { return false };
    let (references, payload) = (header[26] as usize, u32_at(header, 20) as usize);
    references <= PAGES_MAX
        && payload <= PAYLOAD_MAX
        && HEADER + references * REF + payload <= len
        && (1..=run).contains(&u32_at(header, 16))
        && (header[24] as usize) < super::rmgr::RMGRS.len()
}

/// A record where it was read, not copied: what redo needs of it, millions of times.
#[derive(Clone, Copy)]
pub struct RecordView<'a> {
    lsn: Lsn,
    raw: &'a [u8],
}

impl<'a> RecordView<'a> {
    /// The record in `raw` (without padding) at `lsn`; none if its CRC is wrong.
    pub fn verified(lsn: Lsn, raw: &'a [u8]) -> Option<RecordView<'a>> {
        if raw.len() < HEADER || plausible_length(raw) != Some(raw.len()) {
            return None;
        }
        (place_crc(body_crc(raw, raw.len()), lsn, raw[LAG]) == u32_at(raw, 4))
            .then_some(RecordView { lsn, raw })
    }

    /// One that was verified before.
    pub fn known(lsn: Lsn, raw: &'a [u8]) -> RecordView<'a> {
        RecordView { lsn, raw }
    }

    pub fn lsn(&self) -> Lsn {
        self.lsn
    }
    pub fn end(&self) -> Lsn {
        Lsn(self.lsn.0 + padded(self.raw.len()) as u64)
    }
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }
    pub fn xid(&self) -> Xid {
        Xid(u64::from_le_bytes(self.raw[8..16].try_into().expect("eight bytes")))
    }
    pub fn epoch(&self) -> u32 {
        u32_at(self.raw, 16)
    }
    pub fn kind(&self) -> RecordKind {
        RecordKind::new(self.raw[24], self.raw[25])
    }
    /// Page references.
    pub fn block_count(&self) -> usize {
        self.raw[26] as usize
    }

    fn payload_range(&self) -> Option<Range<usize>> {
        let at = HEADER + self.block_count() * REF;
        let end = at.checked_add(u32_at(self.raw, 20) as usize)?;
        (end <= self.raw.len()).then_some(at..end)
    }

    pub fn payload(&self) -> &'a [u8] {
        self.payload_range().map_or(&[], |range| &self.raw[range])
    }

    /// Page reference `index`; none if the record is damaged.
    pub fn block(&self, index: usize) -> Option<BlockRef> {
        let payload = self.payload_range()?;
        let references = &self.raw[HEADER..payload.start];
        let mut at = payload.end;
        for reference in references.chunks_exact(REF).take(index) {
            if reference[13] & IMAGE != 0 {
                at += u16::from_le_bytes([reference[14], reference[15]]) as usize;
            }
        }
        BlockRef::parse(references.chunks_exact(REF).nth(index)?, at, self.raw.len())
    }

    /// The whole record as one of its own; none if it is damaged.
    pub fn to_record(&self) -> Option<Record> {
        Record::parse(self.lsn, self.raw)
    }
}

impl BlockRef {
    /// Reads a reference whose image, if it has one, is at `at` of a record of `len` bytes.
    fn parse(reference: &[u8], at: usize, len: usize) -> Option<BlockRef> {
        let rel = RelId::new(Oid(u32_at(reference, 0)), u32_at(reference, 4));
        let id = PageId::new(rel, Fork::from_u8(reference[12])?, u32_at(reference, 8));
        let flags = reference[13];
        let bytes = u16::from_le_bytes([reference[14], reference[15]]) as usize;
        let image = (flags & IMAGE != 0).then_some(at..at + bytes);
        if image.as_ref().is_some_and(|range| range.end > len) {
            return None;
        }
        let hole_at = u16::from_le_bytes([reference[16], reference[17]]) as usize;
        let hole = hole_at..hole_at + u16::from_le_bytes([reference[18], reference[19]]) as usize;
        if hole.end > PAGE_SIZE {
            return None;
        }
        Some(BlockRef { id, init: flags & INIT != 0, compressed: flags & COMPRESSED != 0, image, hole })
    }

    /// Whether the page is made anew: what was there before doesn't matter.
    pub fn is_whole(&self) -> bool {
        self.init || self.image.is_some()
    }

    /// Puts the image, out of the record `raw` at `lsn`, into `page`; false if there is none.
    pub fn restore_image(&self, lsn: Lsn, raw: &[u8], page: &mut Page) -> Result<bool> {
        let Some(range) = self.image.clone() else { return Ok(false) };
        let bytes = &raw[range];
        let damaged = || Error::corrupted(format!("page image in WAL record at {lsn} is damaged"));
        let mut plain = [0u8; PAGE_SIZE];
        let whole = PAGE_SIZE - self.hole.len();
        let bytes = if self.compressed {
            match lz4_flex::block::decompress_into(bytes, &mut plain) {
                Ok(len) if len == whole => &plain[..whole],
                _ => return Err(damaged()),
            }
        } else if bytes.len() == whole {
            bytes
        } else {
            return Err(damaged());
        };
        // Without a hole, its offset is where the page ends, or 0: the same either way.
        let (before, after) = bytes.split_at(self.hole.start.min(whole));
        let out = page.bytes_mut();
        out[..before.len()].copy_from_slice(before);
        out[before.len()..before.len() + self.hole.len()].fill(0);
        out[before.len() + self.hole.len()..].copy_from_slice(after);
        Ok(true)
    }
}

impl Record {
    /// Decodes the record in `raw` (without padding) found at `lsn`; none if its CRC or structure is wrong.
    pub fn decode(lsn: Lsn, raw: &[u8]) -> Option<Record> {
        RecordView::verified(lsn, raw)?;
        Record::parse(lsn, raw)
    }

    fn parse(lsn: Lsn, raw: &[u8]) -> Option<Record> {
        let view = RecordView::known(lsn, raw);
        let payload = view.payload_range()?;
        let mut at = payload.end;
        let mut blocks = Vec::with_capacity(view.block_count());
        for reference in raw[HEADER..payload.start].chunks_exact(REF) {
            let block = BlockRef::parse(reference, at, raw.len())?;
            at = block.image.as_ref().map_or(at, |range| range.end);
            blocks.push(block);
        }
        Some(Record {
            lsn,
            end: view.end(),
            xid: view.xid(),
            epoch: view.epoch(),
            durable: Lsn(lag_bound(raw[LAG]).map_or(0, |lag| lsn.0.saturating_sub(lag))),
            kind: view.kind(),
            blocks,
            payload,
            raw: raw.to_vec(),
        })
    }

    pub fn payload(&self) -> &[u8] {
        &self.raw[self.payload.clone()]
    }

    /// Puts the image of reference `index` into `page`; false if it has none.
    pub fn restore_image(&self, index: usize, page: &mut Page) -> Result<bool> {
        self.blocks[index].restore_image(self.lsn, &self.raw, page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(pages: &[PageEntry<'_>], lsn: Lsn, compress: bool) -> (Vec<u8>, usize) {
        let mut out = Vec::new();
        let style = Style { epoch: 3, compress };
        encode(&mut out, style, Xid(9), RecordKind::new(4, 2), b"payload", pages.len(), |i| pages[i]);
        let len = u32_at(&out, 0) as usize;
        let body = body_crc(&out, len);
        set_place(&mut out, body, lsn, Lsn(lsn.0 - 400));
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
        let (out, len) = encoded(&pages, Lsn(800), true);
        assert!(Record::decode(Lsn(808), &out[..len]).is_none(), "valid at its own place only");
        let record = Record::decode(Lsn(800), &out[..len]).unwrap();
        assert_eq!(record.payload(), b"payload");
        assert_eq!((record.xid, record.epoch, record.end), (Xid(9), 3, Lsn(800 + out.len() as u64)));
        assert!((300..=400).contains(&record.durable.0), "{}", record.durable);
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

    #[test]
    fn a_lag_is_rounded_up() {
        for bytes in (0..5000).chain((3..50).flat_map(|n| [(1 << n) - 8, (1 << n) + 8, 3 << n])) {
            let bound = lag_bound(lag_code(bytes)).unwrap();
            assert!(bound >= bytes && bound <= bytes.max(24) + bytes / 4 + 8, "{bytes}: {bound}");
        }
        assert_eq!((lag_bound(0), lag_bound(255).is_some()), (None, false));
    }

    #[test]
    fn images_leave_out_the_hole() {
        let mut page = Page::zeroed();
        page.init(16);
        page.set_lower(100);
        page.set_upper(8000);
        page.bytes_mut()[90] = 1;
        page.bytes_mut()[8000] = 2;
        page.bytes_mut()[8191] = 3;
        page.bytes_mut()[5000] = 4;
        let id = PageId::main(RelId::new(Oid(5), 6), 7);
        for compress in [false, true] {
            let (out, len) = encoded(&[PageEntry::Image(id, &page)], Lsn(800), compress);
            assert!(len < if compress { 150 } else { 400 }, "{len}");
            let record = Record::decode(Lsn(800), &out[..len]).unwrap();
            let mut read = Page::zeroed();
            read.bytes_mut().fill(9);
            assert!(record.restore_image(0, &mut read).unwrap());
            let mut expected = page.clone();
            expected.bytes_mut()[5000] = 0;
            assert!(read.bytes() == expected.bytes(), "compress {compress}");
        }
    }
}
