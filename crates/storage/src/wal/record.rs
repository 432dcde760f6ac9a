//! The format of a WAL record.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | CRC-32 of (CRC-32 of the rest with byte 7 as zero, then the record's LSN with byte 7 as its highest byte) |
//! | 4 | 3 | length of the whole record without padding |
//! | 7 | 1 | how much log before the record was not yet durable when it got its place, as a [`lag_code`] |
//! | 8 | 1 | resource manager; in the upper half the count of page references, 15 if it follows |
//! | 9 | 1 | operation |
//! | 10 | 1 to 5 | epoch: one more at each start of the server |
//! | .. | 1 to 10 | transaction id, 0 = none |
//! | .. | 0 or 1 | the count of page references if it is 15 or more |
//! | .. | | page references, each with its image |
//! | .. | | payload |
//!
//! A page reference is a byte of flags (fork in the lowest two bits), the database and the relation unless they are those of the reference before, and the
//! block; if it has an image, then the image's length, the hole's offset and the hole's length (`u16` each), and the image. All numbers but those of
//! fixed size are [`crate::varint`]s: most records change a few bytes of one page, and are not much longer than what they change.
//!
//! An image leaves out the page's hole, the free space between `lower` and `upper`, which comes back as zeroes: whatever a page keeps
//! lies outside of it. The rest is compressed if that pays.
//!
//! Records start at multiples of 8. A record is found valid only at its own LSN and only if its epoch is not older
//! than its predecessor's, so leftovers in a recycled segment, or past a torn tail, are never taken for the log.

use crate::ids::{Fork, PageId, RelId};
use crate::page::slotted::get_u16;
use crate::page::{PAGE_HEADER, PAGE_SIZE, Page};
use crate::varint::read_varint;
use lz4_flex::block::{CompressTable, compress_into, compress_into_with_table, get_maximum_output_size};
use quarry_common::{Error, Lsn, Oid, Result, Xid};
use std::cell::RefCell;
use std::ops::Range;
use std::sync::LazyLock;

/// The shortest record: one without pages and payload.
pub const HEADER: usize = FIXED + 2;
/// The longest header.
pub const HEADER_MAX: usize = FIXED + 5 + 10 + 1;
/// The part of the header that has a fixed size.
const FIXED: usize = 10;
/// The longest page reference, without the image.
const REF_MAX: usize = 1 + 3 * 5 + 6;
/// From so many page references on, their count follows.
const MANY: usize = 15;
/// Page references a record may have.
pub const PAGES_MAX: usize = 32;
/// Payload a record may have.
pub const PAYLOAD_MAX: usize = 512 * 1024;
/// An upper bound of any record's length.
pub const RECORD_MAX: usize = HEADER_MAX + PAGES_MAX * (REF_MAX + PAGE_SIZE) + PAYLOAD_MAX;

/// An upper bound of the length of a record with such a payload and so many pages.
pub const fn length_max(payload: usize, pages: usize) -> u64 {
    padded(HEADER_MAX + payload + pages * (REF_MAX + PAGE_SIZE)) as u64
}

const FORK: u8 = 3;
const INIT: u8 = 4;
const IMAGE: u8 = 8;
const COMPRESSED: u8 = 16;
/// The relation is that of the reference before.
const SAME: u8 = 32;

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

/// Room for a header and the first page reference, or for another one.
const SHORT: usize = HEADER_MAX + REF_MAX;

/// Numbers on their way into a record: few bytes, put together without asking each time whether there is room for one more.
struct Short {
    bytes: [u8; SHORT],
    len: usize,
}

impl Short {
    #[inline]
    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// As [`crate::varint::push_varint`].
    #[inline]
    fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.push(n as u8);
    }

    #[inline]
    fn go_to(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes[..self.len]);
        self.len = 0;
    }
}

/// Encodes a record into `out` (cleared first), all but its CRC; the number of images in it. `pages` gives the `count` page references.
/// `out` is padded to a multiple of 8.
pub fn encode<'a>(
    out: &mut Vec<u8>,
    style: Style,
    xid: Xid,
    kind: RecordKind,
    payload: &[u8],
    count: usize,
    pages: impl Fn(usize) -> PageEntry<'a>,
) -> u64 {
    const { assert!(super::rmgr::MANAGERS_MAX <= 16 && PAGES_MAX < 256 && RECORD_MAX < 1 << 24) };
    out.clear();
    let mut head = Short { bytes: [0; SHORT], len: FIXED };
    head.bytes[8] = kind.rmgr | (count.min(MANY) as u8) << 4;
    head.bytes[9] = kind.op;
    head.varint(style.epoch.into());
    head.varint(xid.0);
    if count >= MANY {
        head.push(count as u8);
    }
    let mut images = 0;
    let mut before = None;
    for index in 0..count {
        let (id, flags, image) = match pages(index) {
            PageEntry::Change(id) => (id, 0, None),
            PageEntry::Init(id) => (id, INIT, None),
            PageEntry::Image(id, page) => (id, IMAGE, Some(page)),
        };
        let at = out.len() + head.len;
        let same = before == Some(id.rel);
        head.push(flags | id.fork as u8 | if same { SAME } else { 0 });
        if !same {
            head.varint(id.rel.db.0.into());
            head.varint(id.rel.rel.into());
            before = Some(id.rel);
        }
        head.varint(id.block.into());
        head.go_to(out);
        if let Some(page) = image {
            images += 1;
            if put_image(out, page, style.compress) {
                out[at] |= COMPRESSED;
            }
        }
    }
    head.go_to(out);
    out.extend_from_slice(payload);
    let len = out.len();
    out[4..7].copy_from_slice(&(len as u32).to_le_bytes()[..3]);
    out.resize(padded(len), 0);
    images
}

/// Appends a page as an image with its sizes; whether it is compressed.
fn put_image(out: &mut Vec<u8>, page: &Page, compress_it: bool) -> bool {
    let hole = hole_of(page);
    let sizes = out.len();
    out.extend_from_slice(&[0; 6]);
    let compressed = compress_it && compress(page, &hole, out);
    if !compressed {
        out.extend_from_slice(&page.bytes()[..hole.start]);
        out.extend_from_slice(&page.bytes()[hole.end..]);
    }
    let len = out.len() - sizes - 6;
    for (place, value) in [len, hole.start, hole.len()].into_iter().enumerate() {
        out[sizes + 2 * place..][..2].copy_from_slice(&(value as u16).to_le_bytes());
    }
    compressed
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
const LAG: usize = 7;

/// The part of the CRC that doesn't depend on where the record goes.
pub fn body_crc(record: &[u8], len: usize) -> u32 {
    let mut crc = NO_BYTES.clone();
    if record[LAG] == 0 {
        crc.update(&record[4..len]);
    } else {
        crc.update(&[record[4], record[5], record[6], 0]);
        crc.update(&record[LAG + 1..len]);
    }
    crc.finalize()
}

/// To be cloned: making one asks what the processor can do.
static NO_BYTES: LazyLock<crc32fast::Hasher> = LazyLock::new(crc32fast::Hasher::new);

/// Finishes a record for its place at `lsn`, where everything before `durable` is durable: stores the lag and the CRC.
pub fn set_place(record: &mut [u8], body: u32, lsn: Lsn, durable: Lsn) {
    let lag = lag_code(lsn.0.saturating_sub(durable.0));
    record[LAG] = lag;
    record[..4].copy_from_slice(&place_crc(body, lsn, lag).to_le_bytes());
}

fn place_crc(body: u32, lsn: Lsn, lag: u8) -> u32 {
    let mut place = [0; 12];
    place[..4].copy_from_slice(&body.to_le_bytes());
    // A position has 56 bits.
    place[4..].copy_from_slice(&(lsn.0 | (lag as u64) << 56).to_le_bytes());
    let mut crc = NO_BYTES.clone();
    crc.update(&place);
    crc.finalize()
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
#[derive(Clone, Copy, Debug)]
pub struct BlockRef {
    pub id: PageId,
    /// Redo starts from a page of zeroes.
    pub init: bool,
    compressed: bool,
    image: Option<Image>,
}

/// Where in its record an image is, and what it leaves out. Small: redo reads millions of references.
#[derive(Clone, Copy, Debug)]
struct Image {
    at: u32,
    len: u16,
    hole_at: u16,
    hole_len: u16,
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

/// The length in a record's header.
pub fn length(header: &[u8]) -> usize {
    u32::from_le_bytes([header[4], header[5], header[6], 0]) as usize
}

/// The length in a record's header if it could be one.
pub fn plausible_length(header: &[u8]) -> Option<usize> {
    let len = length(header);
    (HEADER..=RECORD_MAX).contains(&len).then_some(len)
}

/// Whether what begins with these bytes ([`HEADER`] at least, [`HEADER_MAX`] if there are) could be a record in a log whose last epoch
/// is `run`: what can be told before the CRC.
pub fn plausible_header(bytes: &[u8], run: u32) -> bool {
    plausible_length(bytes).is_some()
        && ((bytes[8] & 15) as usize) < super::rmgr::RMGRS.len()
        && Head::read(bytes).is_some_and(|head| {
            (1..=run).contains(&head.epoch) && head.count as usize <= PAGES_MAX && head.xid.0 < 1 << 63
        })
}

/// What the header says, and where it ends.
#[derive(Clone, Copy)]
struct Head {
    epoch: u32,
    xid: Xid,
    /// Page references.
    count: u8,
    end: u8,
}

impl Head {
    #[inline]
    fn read(raw: &[u8]) -> Option<Head> {
        let mut at = FIXED;
        let epoch = u32::try_from(read_varint(raw, &mut at)?).ok()?;
        let xid = Xid(read_varint(raw, &mut at)?);
        let mut count = *raw.get(8)? >> 4;
        if count as usize == MANY {
            count = *raw.get(at)?;
            at += 1;
        }
        Some(Head { epoch, xid, count, end: at as u8 })
    }
}

/// A record where it was read, not copied: what redo needs of it, millions of times.
#[derive(Clone, Copy)]
pub struct RecordView<'a> {
    lsn: Lsn,
    raw: &'a [u8],
    head: Head,
}

impl<'a> RecordView<'a> {
    /// The record in `raw` (without padding) at `lsn`; none if its CRC is wrong.
    pub fn verified(lsn: Lsn, raw: &'a [u8]) -> Option<RecordView<'a>> {
        if raw.len() < HEADER || plausible_length(raw) != Some(raw.len()) {
            return None;
        }
        let crc = u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]);
        if place_crc(body_crc(raw, raw.len()), lsn, raw[LAG]) != crc {
            return None;
        }
        RecordView::known(lsn, raw)
    }

    /// One that was verified before; none if it is damaged.
    pub fn known(lsn: Lsn, raw: &'a [u8]) -> Option<RecordView<'a>> {
        Some(RecordView { lsn, raw, head: Head::read(raw)? })
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
        self.head.xid
    }
    pub fn epoch(&self) -> u32 {
        self.head.epoch
    }
    pub fn kind(&self) -> RecordKind {
        RecordKind::new(self.raw[8] & 15, self.raw[9])
    }

    /// The page references, in their order; what comes behind a damaged one isn't given.
    pub fn blocks(&self) -> Blocks<'a> {
        Blocks { raw: self.raw, at: self.head.end as usize, left: self.head.count as usize, before: None }
    }

    /// Page references.
    pub fn block_count(&self) -> usize {
        self.head.count as usize
    }

    fn payload_range(&self) -> Option<Range<usize>> {
        let mut blocks = self.blocks();
        blocks.by_ref().for_each(drop);
        (blocks.left == 0).then_some(blocks.at..self.raw.len())
    }

    pub fn payload(&self) -> &'a [u8] {
        self.payload_range().map_or(&[], |range| &self.raw[range])
    }

    /// Page reference `index`; none if the record is damaged.
    pub fn block(&self, index: usize) -> Option<BlockRef> {
        self.blocks().nth(index)
    }

    /// Page reference `index` and the payload; none if the record is damaged.
    #[inline]
    pub fn part(&self, index: usize) -> Option<(BlockRef, &'a [u8])> {
        let mut blocks = self.blocks();
        let block = blocks.nth(index)?;
        blocks.by_ref().for_each(drop);
        (blocks.left == 0).then(|| (block, &self.raw[blocks.at..]))
    }

    /// The whole record as one of its own; none if it is damaged.
    pub fn to_record(&self) -> Option<Record> {
        Record::of(self)
    }
}

/// See [`RecordView::blocks`].
pub struct Blocks<'a> {
    raw: &'a [u8],
    /// Where the next one is, or the payload.
    at: usize,
    /// Those that haven't been read.
    left: usize,
    before: Option<RelId>,
}

impl Iterator for Blocks<'_> {
    type Item = BlockRef;

    #[inline]
    fn next(&mut self) -> Option<BlockRef> {
        if self.left == 0 {
            return None;
        }
        let block = BlockRef::read(self.raw, &mut self.at, self.before)?;
        self.left -= 1;
        self.before = Some(block.id.rel);
        Some(block)
    }
}

impl BlockRef {
    /// Reads the reference at `at`, and moves that behind it and its image.
    #[inline]
    fn read(raw: &[u8], at: &mut usize, before: Option<RelId>) -> Option<BlockRef> {
        let number = |at: &mut usize| u32::try_from(read_varint(raw, at)?).ok();
        let flags = *raw.get(*at)?;
        *at += 1;
        let rel = match flags & SAME != 0 {
            true => before?,
            false => RelId::new(Oid(number(at)?), number(at)?),
        };
        let id = PageId::new(rel, Fork::from_u8(flags & FORK)?, number(at)?);
        let mut image = None;
        if flags & IMAGE != 0 {
            let sizes = raw.get(*at..*at + 6)?;
            let [len, hole_at, hole_len] = [0, 2, 4].map(|place| get_u16(sizes, place));
            *at += 6;
            image = Some(Image { at: *at as u32, len, hole_at, hole_len });
            *at += len as usize;
            if *at > raw.len() || hole_at as usize + hole_len as usize > PAGE_SIZE {
                return None;
            }
        }
        Some(BlockRef { id, init: flags & INIT != 0, compressed: flags & COMPRESSED != 0, image })
    }

    /// Whether the page is made anew: what was there before doesn't matter.
    pub fn is_whole(&self) -> bool {
        self.init || self.image.is_some()
    }

    /// Puts the image, out of the record `raw` at `lsn`, into `page`; false if there is none.
    pub fn restore_image(&self, lsn: Lsn, raw: &[u8], page: &mut Page) -> Result<bool> {
        let Some(image) = self.image else { return Ok(false) };
        let bytes = &raw[image.at as usize..][..image.len as usize];
        let (hole_at, hole_len) = (image.hole_at as usize, image.hole_len as usize);
        let damaged = || Error::corrupted(format!("page image in WAL record at {lsn} is damaged"));
        let mut plain = [0u8; PAGE_SIZE];
        let whole = PAGE_SIZE - hole_len;
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
        let (before, after) = bytes.split_at(hole_at.min(whole));
        let out = page.bytes_mut();
        out[..before.len()].copy_from_slice(before);
        out[before.len()..before.len() + hole_len].fill(0);
        out[before.len() + hole_len..].copy_from_slice(after);
        Ok(true)
    }
}

impl Record {
    /// Decodes the record in `raw` (without padding) found at `lsn`; none if its CRC or structure is wrong.
    pub fn decode(lsn: Lsn, raw: &[u8]) -> Option<Record> {
        Record::of(&RecordView::verified(lsn, raw)?)
    }

    fn of(view: &RecordView<'_>) -> Option<Record> {
        let (lsn, raw) = (view.lsn, view.raw);
        Some(Record {
            lsn,
            end: view.end(),
            xid: view.xid(),
            epoch: view.epoch(),
            durable: Lsn(lag_bound(raw[LAG]).map_or(0, |lag| lsn.0.saturating_sub(lag))),
            kind: view.kind(),
            payload: view.payload_range()?,
            blocks: view.blocks().collect(),
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
        let len = length(&out);
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
        assert_eq!(record.blocks.iter().map(|b| b.id).collect::<Vec<_>>(), [1, 2, 3, 4].map(id));
        for at in 0..len {
            let mut damaged = out[..len].to_vec();
            damaged[at] ^= 1;
            assert!(Record::decode(Lsn(800), &damaged).is_none(), "byte {at}");
        }
    }

    #[test]
    fn numbers_of_any_size_come_back() {
        let far = |n: u32| PageId::new(RelId::new(Oid(u32::MAX), u32::MAX - n / 2), Fork::Init, u32::MAX - n);
        let mut out = Vec::new();
        let style = Style { epoch: u32::MAX, compress: false };
        let xid = Xid((1 << 63) - 1);
        for count in [1, MANY - 1, MANY, PAGES_MAX] {
            let entry = |n: usize| PageEntry::Change(far(n as u32));
            assert_eq!(encode(&mut out, style, xid, RecordKind::new(11, 255), &[7; 300], count, entry), 0);
            let len = length(&out);
            assert!(len as u64 <= length_max(300, count) && plausible_header(&out, u32::MAX));
            assert!(!plausible_header(&out, u32::MAX - 1));
            let body = body_crc(&out, len);
            set_place(&mut out, body, Lsn(1 << 50), Lsn(0));
            let record = Record::decode(Lsn(1 << 50), &out[..len]).unwrap();
            assert_eq!((record.xid, record.epoch, record.payload()), (xid, u32::MAX, &[7u8; 300][..]));
            let expected: Vec<PageId> = (0..count as u32).map(far).collect();
            assert_eq!(record.blocks.iter().map(|b| b.id).collect::<Vec<_>>(), expected);
        }
        encode(&mut out, Style { epoch: 1, compress: false }, Xid(0), RecordKind::new(1, 0), &[], 0, |n| {
            PageEntry::Change(far(n as u32))
        });
        assert_eq!(length(&out), HEADER);
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
