//! Row bodies: how column values become bytes and back.
//!
//! This module knows widths, not types. A body is self-contained: with its [`RowLayout`] any column is found in O(1).
//!
//! | part | size | content |
//! | --- | --- | --- |
//! | head | 1 or 3 | bits 0..=4 column count (`natts`; 31: it follows in two bytes), bit 5 narrow ends, bit 6 wide ends, bit 7 has a null bitmap |
//! | null bitmap | (natts + 7) / 8, only with bit 7 | bit set = NULL |
//! | fixed part | sum of the fixed widths of the first `natts` columns | at fixed offsets; zeroes where NULL |
//! | ends | 1 (narrow; none for the last column), 2 or 4 (wide) per varying column | end of its bytes counted from the start of the data; but for narrow ones, the two top bits are a tag |
//! | data | | the varying columns' bytes, in order |
//!
//! Tags: 0 plain, 1 LZ4 (`u32` raw length, then the block), 2 pointer to an out-of-line value ([`ToastPointer`]), 3 verbatim. Plain values of
//! padded columns lack the blanks at their ends ([`blanks`]); those of the other tags have them.
//! Ends are narrow where the data has at most 255 bytes and every tag is plain, which most rows' do. The data ends with the body: whoever keeps
//! bodies keeps their lengths.
//! Invariants: R1 a stored row may have fewer columns than the layout (columns added later): the caller supplies the missing
//! values. R2 rows on pages never have wide offsets; only rows on their way to [`crate::toast`] do. R3 all numbers little-endian.
//! Where PostgreSQL (heaptuple.c) walks the columns from the left, offsets here are direct.

pub mod blanks;
mod place;

pub use place::{FixedColumn, Form, FormedVar, PaddedColumn, VarColumn};

use quarry_common::Tid;

/// Most columns a row can have (PostgreSQL's MaxHeapAttributeNumber is 1600).
pub const COLUMNS_MAX: usize = 1664;

const HAS_NULLS: u8 = 0x80;
const WIDE: u8 = 0x40;
const NARROW: u8 = 0x20;
/// The column count of a long head, which it is written behind; more columns than that don't fit.
const NATTS_LONG: u8 = 0x1f;

const TAG_PLAIN: u8 = 0;
const TAG_COMPRESSED: u8 = 1;
const TAG_EXTERNAL: u8 = 2;
/// In a padded column: a value that putting blanks at an end wouldn't give.
const TAG_VERBATIM: u8 = 3;

/// Size of a stored [`ToastPointer`].
pub const TOAST_POINTER_BYTES: usize = 23;

/// How a column's values are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// Always this many bytes.
    Fixed(u8),
    /// Any number of bytes; may be compressed or out of line.
    Var,
    /// The same, of text that usually has this many characters, the last ones being blanks.
    Padded(u32),
}

impl Width {
    /// Whether values have any number of bytes.
    #[inline]
    pub fn is_varying(self) -> bool {
        !matches!(self, Width::Fixed(_))
    }
}

#[derive(Clone, Copy, Debug)]
struct Column {
    width: Width,
    /// Fixed: offset in the fixed part. Var: index among the varying columns.
    place: u32,
}

/// Offsets of a table's columns, computed once.
#[derive(Clone, Debug)]
pub struct RowLayout {
    columns: Vec<Column>,
    /// Size of the fixed part of a row with `i` columns.
    fixed_bytes: Vec<u32>,
    /// Number of varying columns among the first `i`.
    var_count: Vec<u32>,
}

impl RowLayout {
    /// The layout of rows with columns of these widths, in order.
    pub fn new(widths: &[Width]) -> RowLayout {
        let mut columns = Vec::with_capacity(widths.len());
        let mut fixed_bytes = vec![0];
        let mut var_count = vec![0];
        let (mut fixed, mut vars) = (0u32, 0u32);
        for &width in widths {
            match width {
                Width::Fixed(n) => {
                    columns.push(Column { width, place: fixed });
                    fixed += n as u32;
                }
                Width::Var | Width::Padded(_) => {
                    columns.push(Column { width, place: vars });
                    vars += 1;
                }
            }
            fixed_bytes.push(fixed);
            var_count.push(vars);
        }
        RowLayout { columns, fixed_bytes, var_count }
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are no columns.
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Width of column `i`.
    pub fn width(&self, i: usize) -> Width {
        self.columns[i].width
    }
}

/// Where an out-of-line value lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ToastPointer {
    /// Bytes of the value itself.
    pub raw_len: u32,
    /// Bytes stored in the chunks (fewer than `raw_len` when compressed).
    pub stored_len: u32,
    /// Whether the chunks hold an LZ4 block.
    pub compressed: bool,
    /// Repeated in every chunk, to tell a stale pointer.
    pub value_id: u64,
    /// The first chunk.
    pub first: Tid,
}

impl ToastPointer {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.raw_len.to_le_bytes());
        out.extend_from_slice(&self.stored_len.to_le_bytes());
        out.push(self.compressed as u8);
        out.extend_from_slice(&self.value_id.to_le_bytes());
        out.extend_from_slice(&self.first.block.to_le_bytes());
        out.extend_from_slice(&self.first.slot.to_le_bytes());
    }

    fn read(b: &[u8]) -> Option<ToastPointer> {
        if b.len() != TOAST_POINTER_BYTES {
            return None;
        }
        Some(ToastPointer {
            raw_len: u32::from_le_bytes(array(b, 0)),
            stored_len: u32::from_le_bytes(array(b, 4)),
            compressed: b[8] != 0,
            value_id: u64::from_le_bytes(array(b, 9)),
            first: Tid { block: u32::from_le_bytes(array(b, 17)), slot: u16::from_le_bytes(array(b, 21)) },
        })
    }
}

/// A varying column's value as stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VarValue<'a> {
    /// The bytes themselves.
    Plain(&'a [u8]),
    /// Text without the blanks that make it this many characters.
    Padded(&'a [u8], u32),
    /// `u32` raw length, then an LZ4 block.
    Compressed(&'a [u8]),
    /// In the toast relation.
    External(ToastPointer),
}

impl<'a> VarValue<'a> {
    /// Length of the value once fetched and decompressed.
    pub fn raw_len(&self) -> usize {
        match self {
            VarValue::Plain(b) => b.len(),
            VarValue::Padded(b, n) => b.len() + blanks::missing(b, *n),
            VarValue::Compressed(b) if b.len() >= 4 => u32::from_le_bytes(array(b, 0)) as usize,
            VarValue::Compressed(_) => 0,
            VarValue::External(p) => p.raw_len as usize,
        }
    }

    /// The bytes, if they are here as they are.
    pub fn plain(&self) -> Option<&'a [u8]> {
        match self {
            VarValue::Plain(b) => Some(b),
            VarValue::Padded(..) | VarValue::Compressed(_) | VarValue::External(_) => None,
        }
    }
}

/// Bytes of each end in a row with such flags.
#[inline]
fn end_bytes(flags: u8) -> u32 {
    match flags & (WIDE | NARROW) {
        0 => 2,
        NARROW => 1,
        _ => 4,
    }
}

/// Bytes of all ends in a row with such flags.
#[inline]
fn ends_bytes(flags: u8, vars: u32) -> u32 {
    match end_bytes(flags) {
        // The body's end is the last one.
        1 => vars.saturating_sub(1),
        n => n * vars,
    }
}

/// What a body begins with.
#[derive(Clone, Copy)]
struct Head {
    flags: u8,
    natts: u16,
    bytes: usize,
}

impl Head {
    /// None if the body is too short.
    #[inline(always)]
    fn read(body: &[u8]) -> Option<Head> {
        let flags = *body.first()?;
        Some(match flags & NATTS_LONG {
            NATTS_LONG => Head { flags, natts: u16::from_le_bytes([*body.get(1)?, *body.get(2)?]), bytes: 3 },
            natts => Head { flags, natts: natts.into(), bytes: 1 },
        })
    }

    #[inline(always)]
    fn has_nulls(&self) -> bool {
        self.flags & HAS_NULLS != 0
    }
}

#[inline]
fn array<const N: usize>(b: &[u8], at: usize) -> [u8; N] {
    b[at..at + N].try_into().expect("the slice has N bytes")
}

/// A row body seen through its layout.
#[derive(Clone, Copy)]
pub struct RowRef<'a> {
    layout: &'a RowLayout,
    body: &'a [u8],
    natts: u16,
    flags: u8,
    nulls_at: u8,
    fixed_at: u32,
    ends_at: u32,
    data_at: u32,
}

impl<'a> RowRef<'a> {
    /// Wraps a body made for `layout` or for a prefix of it.
    #[inline]
    pub fn new(layout: &'a RowLayout, body: &'a [u8]) -> RowRef<'a> {
        let head = Head::read(body).expect("a body has a head");
        let natts = head.natts.min(layout.columns.len() as u16);
        let bitmap = if head.has_nulls() { head.natts.div_ceil(8) } else { 0 };
        let fixed_at = head.bytes as u32 + u32::from(bitmap);
        let ends_at = fixed_at + layout.fixed_bytes[natts as usize];
        let data_at = ends_at + ends_bytes(head.flags, layout.var_count[natts as usize]);
        RowRef {
            layout,
            body,
            natts,
            flags: head.flags,
            nulls_at: head.bytes as u8,
            fixed_at,
            ends_at,
            data_at,
        }
    }

    /// Columns stored; later ones of the layout are missing.
    pub fn natts(&self) -> usize {
        self.natts as usize
    }

    /// Whether any stored column is NULL.
    #[inline]
    pub fn has_nulls(&self) -> bool {
        self.flags & HAS_NULLS != 0
    }

    /// The body's bytes.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// Whether column `i` is NULL or missing.
    #[inline]
    pub fn is_null(&self, i: usize) -> bool {
        i >= self.natts as usize
            || (self.has_nulls() && self.body[self.nulls_at as usize + i / 8] & (1 << (i % 8)) != 0)
    }

    /// Bytes of fixed column `i` (zeroes when NULL).
    #[inline]
    pub fn fixed(&self, i: usize) -> &'a [u8] {
        let column = self.layout.columns[i];
        let Width::Fixed(n) = column.width else { return &[] };
        let at = (self.fixed_at + column.place) as usize;
        &self.body[at..at + n as usize]
    }

    /// Where fixed column `i` lies in the body, if it isn't NULL.
    pub fn fixed_range(&self, i: usize) -> std::ops::Range<usize> {
        let column = self.layout.columns[i];
        let Width::Fixed(n) = column.width else { return 0..0 };
        let at = (self.fixed_at + column.place) as usize;
        at..at + n as usize
    }

    /// Bytes of fixed column `i` as an array of its width.
    #[inline]
    pub fn fixed_array<const N: usize>(&self, i: usize) -> [u8; N] {
        array(self.body, (self.fixed_at + self.layout.columns[i].place) as usize)
    }

    #[inline]
    fn end(&self, index: usize) -> (u8, usize) {
        let at = self.ends_at as usize;
        match end_bytes(self.flags) {
            1 if at + index == self.data_at as usize => (TAG_PLAIN, self.body.len() - at - index),
            1 => (TAG_PLAIN, usize::from(self.body[at + index])),
            2 => {
                let v = u16::from_le_bytes(array(self.body, at + index * 2));
                ((v >> 14) as u8, (v & 0x3fff) as usize)
            }
            _ => {
                let v = u32::from_le_bytes(array(self.body, at + index * 4));
                ((v >> 30) as u8, (v & 0x3fff_ffff) as usize)
            }
        }
    }

    /// Varying column `i` (empty when NULL).
    #[inline]
    pub fn var(&self, i: usize) -> VarValue<'a> {
        let column = self.layout.columns[i];
        if !column.width.is_varying() || i >= self.natts as usize {
            return VarValue::Plain(&[]);
        }
        let index = column.place as usize;
        let start = if index == 0 { 0 } else { self.end(index - 1).1 };
        let (tag, end) = self.end(index);
        let bytes = &self.body[self.data_at as usize + start..self.data_at as usize + end];
        match tag {
            TAG_COMPRESSED => VarValue::Compressed(bytes),
            TAG_EXTERNAL => match ToastPointer::read(bytes) {
                Some(p) => VarValue::External(p),
                None => VarValue::Plain(bytes),
            },
            TAG_PLAIN => match column.width {
                Width::Padded(n) => VarValue::Padded(bytes, n),
                Width::Fixed(_) | Width::Var => VarValue::Plain(bytes),
            },
            _ => VarValue::Plain(bytes),
        }
    }

    /// Whether any column's value lies out of line.
    #[inline]
    pub fn has_external(&self) -> bool {
        let vars = self.layout.var_count[self.natts as usize] as usize;
        (0..vars).any(|v| self.end(v).0 == TAG_EXTERNAL)
    }

    /// The values that lie out of line.
    pub fn externals(&self) -> impl Iterator<Item = ToastPointer> + use<'a> {
        let row = *self;
        (0..row.natts()).filter_map(move |i| match row.var(i) {
            VarValue::External(p) => Some(p),
            VarValue::Plain(_) | VarValue::Padded(..) | VarValue::Compressed(_) => None,
        })
    }

    /// What is wrong with a varying column's stored form, in a row that is well-formed.
    pub fn bad_value(&self, i: usize) -> Option<String> {
        if !self.layout.columns[i].width.is_varying() || i >= self.natts as usize || self.is_null(i) {
            return None;
        }
        let (tag, _) = self.end(self.layout.columns[i].place as usize);
        match (tag, self.var(i)) {
            (TAG_EXTERNAL, VarValue::External(p)) if p.first.slot != 0 => None,
            (TAG_EXTERNAL, VarValue::External(_)) => {
                Some("a pointer to an out-of-line value leads nowhere".into())
            }
            (TAG_EXTERNAL, _) => {
                Some(format!("a pointer to an out-of-line value has not {TOAST_POINTER_BYTES} bytes"))
            }
            (TAG_COMPRESSED, VarValue::Compressed(b)) if b.len() <= 4 => {
                Some(format!("a compressed value of {} bytes", b.len()))
            }
            (TAG_PLAIN, VarValue::Padded(b, n))
                if b.ends_with(b" ") || blanks::characters(b) > n as usize =>
            {
                Some(format!("a text of {n} characters that isn't stored without its blanks"))
            }
            (TAG_VERBATIM, _) if self.layout.columns[i].width == Width::Var => {
                Some(format!("a value with unknown tag {tag}"))
            }
            _ => None,
        }
    }

    /// Checks that every offset lies inside the body, so that the other methods can't panic (for `quarry check`).
    pub fn is_well_formed(layout: &RowLayout, body: &[u8]) -> bool {
        let Some(head) = Head::read(body) else { return false };
        let stored = head.natts as usize;
        if stored > layout.len() {
            return false;
        }
        let row = RowRef::new(layout, body);
        if row.data_at as usize > body.len() {
            return false;
        }
        let room = body.len() - row.data_at as usize;
        let mut last = 0;
        for v in 0..layout.var_count[stored] as usize {
            let (_, end) = row.end(v);
            if end < last || end > room {
                return false;
            }
            last = end;
        }
        true
    }
}

/// Makes row bodies; keeps its buffers from row to row.
///
/// Between [`begin`](Self::begin) and [`finish`](Self::finish) every column is given once, in order.
/// Columns left out at the end make a prefix row.
#[derive(Default)]
pub struct RowBuilder {
    widths: Vec<Width>,
    natts: usize,
    any_null: bool,
    nulls: Vec<u8>,
    fixed: Vec<u8>,
    /// (tag, end) of every varying column so far.
    ends: Vec<(u8, u32)>,
    data: Vec<u8>,
    out: Vec<u8>,
}

impl RowBuilder {
    /// A builder with empty buffers.
    pub fn new() -> RowBuilder {
        RowBuilder::default()
    }

    /// Starts a row.
    pub fn begin(&mut self, layout: &RowLayout) {
        self.widths.clear();
        self.widths.extend(layout.columns.iter().map(|c| c.width));
        self.natts = 0;
        self.any_null = false;
        self.nulls.clear();
        self.fixed.clear();
        self.ends.clear();
        self.data.clear();
    }

    /// Number of the column that comes next.
    pub fn column(&self) -> usize {
        self.natts
    }

    #[inline]
    fn next(&mut self, null: bool) -> Width {
        let i = self.natts;
        self.natts += 1;
        if i.is_multiple_of(8) {
            self.nulls.push(0);
        }
        if null {
            self.any_null = true;
            self.nulls[i / 8] |= 1 << (i % 8);
        }
        self.widths[i]
    }

    /// The next column is NULL.
    pub fn null(&mut self) {
        match self.next(true) {
            Width::Fixed(n) => self.fixed.resize(self.fixed.len() + n as usize, 0),
            Width::Var | Width::Padded(_) => self.ends.push((TAG_PLAIN, self.data.len() as u32)),
        }
    }

    /// The next column is fixed and has these bytes, of exactly its width.
    #[inline]
    pub fn fixed(&mut self, bytes: &[u8]) {
        let width = self.next(false);
        assert!(width == Width::Fixed(bytes.len() as u8), "a fixed value has its column's width");
        self.fixed.extend_from_slice(bytes);
    }

    /// The next column is varying and has these bytes.
    #[inline]
    pub fn var(&mut self, bytes: &[u8]) {
        let (tag, bytes) = match self.next(false) {
            Width::Padded(n) => match blanks::stripped(bytes, n) {
                Some(text) => (TAG_PLAIN, text),
                None => (TAG_VERBATIM, bytes),
            },
            width => {
                assert!(width == Width::Var, "a varying value belongs to a varying column");
                (TAG_PLAIN, bytes)
            }
        };
        self.append(tag, bytes);
    }

    #[inline]
    fn append(&mut self, tag: u8, bytes: &[u8]) {
        self.data.extend_from_slice(bytes);
        self.ends.push((tag, self.data.len() as u32));
    }

    #[inline]
    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        let width = self.next(false);
        assert!(width.is_varying(), "a varying value belongs to a varying column");
        self.append(tag, bytes);
    }

    /// The next column is varying; its stored form is passed on.
    pub fn var_value(&mut self, value: VarValue<'_>) {
        match value {
            VarValue::Plain(b) => self.var(b),
            VarValue::Padded(b, n) if self.widths[self.natts] == Width::Padded(n) => {
                self.tagged(TAG_PLAIN, b)
            }
            VarValue::Padded(b, n) => self.var(&blanks::padded(b, n)),
            VarValue::Compressed(b) => self.tagged(TAG_COMPRESSED, b),
            VarValue::External(p) => {
                let width = self.next(false);
                assert!(width.is_varying(), "a varying value belongs to a varying column");
                p.write(&mut self.data);
                self.ends.push((TAG_EXTERNAL, self.data.len() as u32));
            }
        }
    }

    /// The next column is the same as column `i` of `row` (fixed ones of the same width).
    pub fn copy_column(&mut self, row: &RowRef<'_>, i: usize) {
        if row.is_null(i) {
            self.null();
        } else if let Width::Fixed(_) = row.layout.width(i) {
            self.fixed(row.fixed(i));
        } else {
            self.var_value(row.var(i));
        }
    }

    /// Ends the row and gives its body, valid until the next `begin`.
    pub fn finish(&mut self) -> &[u8] {
        let wide = self.data.len() > 0x3fff;
        let narrow = self.data.len() <= 0xff && self.ends.iter().all(|(tag, _)| *tag == TAG_PLAIN);
        self.out.clear();
        let mut flags = if self.any_null { HAS_NULLS } else { 0 };
        if wide {
            flags |= WIDE;
        }
        if narrow {
            flags |= NARROW;
        }
        match self.natts {
            short if short < NATTS_LONG.into() => self.out.push(flags | short as u8),
            long => {
                self.out.push(flags | NATTS_LONG);
                self.out.extend_from_slice(&(long as u16).to_le_bytes());
            }
        }
        if self.any_null {
            self.out.extend_from_slice(&self.nulls);
        }
        self.out.extend_from_slice(&self.fixed);
        let vars = self.ends.len();
        for &(tag, end) in &self.ends[..if narrow { vars.saturating_sub(1) } else { vars }] {
            if narrow {
                self.out.push(end as u8);
            } else if wide {
                self.out.extend_from_slice(&(end | (tag as u32) << 30).to_le_bytes());
            } else {
                self.out.extend_from_slice(&(end as u16 | (tag as u16) << 14).to_le_bytes());
            }
        }
        self.out.extend_from_slice(&self.data);
        &self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> RowLayout {
        RowLayout::new(&[Width::Fixed(4), Width::Var, Width::Fixed(8), Width::Var, Width::Fixed(1)])
    }

    #[test]
    fn columns_come_back() {
        let layout = layout();
        let mut b = RowBuilder::new();
        for _ in 0..2 {
            b.begin(&layout);
            b.fixed(&7i32.to_le_bytes());
            b.var(b"hello");
            b.null();
            b.var(b"");
            b.fixed(&[1]);
            let body = b.finish().to_vec();
            assert!(RowRef::is_well_formed(&layout, &body));
            let row = RowRef::new(&layout, &body);
            assert_eq!(row.natts(), 5);
            assert_eq!(i32::from_le_bytes(row.fixed_array(0)), 7);
            assert_eq!(row.var(1), VarValue::Plain(b"hello"));
            assert!(row.is_null(2) && !row.is_null(3));
            assert_eq!(row.fixed(2), [0; 8]);
            assert_eq!(row.var(3), VarValue::Plain(b""));
            assert_eq!(row.fixed(4), [1]);
        }
    }

    #[test]
    fn varying_columns_are_read_directly_where_rows_have_everything() {
        let layout = layout();
        let mut b = RowBuilder::new();
        let mut make = |long: bool, null: bool| {
            b.begin(&layout);
            b.fixed(&7i32.to_le_bytes());
            b.var(if long { &[b'x'; 300] } else { b"hello" });
            if null {
                b.null()
            } else {
                b.fixed(&[0; 8])
            }
            b.var(b"last");
            b.fixed(&[1]);
            b.finish().to_vec()
        };
        let (first, second) = (VarColumn::of(&layout, 1).unwrap(), VarColumn::of(&layout, 3).unwrap());
        assert!(VarColumn::of(&layout, 0).is_none());
        for long in [false, true] {
            let body = make(long, false);
            assert_eq!(first.get(&body).map(<[u8]>::len), Some(if long { 300 } else { 5 }));
            assert_eq!(second.get(&body), Some(&b"last"[..]));
        }
        let body = make(false, true);
        assert_eq!((first.get(&body), second.get(&body)), (Some(&b"hello"[..]), Some(&b"last"[..])));
        // One byte for each end where the data has at most 255 bytes.
        assert_eq!((make(false, false).len(), make(true, false).len()), (1 + 13 + 1 + 9, 1 + 13 + 4 + 304));
        let fixed = |i| FixedColumn::of(&layout, i).unwrap();
        assert_eq!(fixed(0).get(&body), Some(&7i32.to_le_bytes()[..]));
        assert_eq!((fixed(2).get(&body), fixed(4).get(&body)), (None, Some(&[1][..])));
        b.begin(&layout);
        b.null();
        b.null();
        b.fixed(&[9; 8]);
        b.null();
        b.null();
        let body = b.finish().to_vec();
        assert_eq!((first.get(&body), second.get(&body)), (None, None));
        assert_eq!((fixed(0).get(&body), fixed(2).get(&body)), (None, Some(&[9; 8][..])));
    }

    #[test]
    fn a_row_written_before_columns_were_added_reads_as_prefix() {
        let old = RowLayout::new(&[Width::Fixed(4), Width::Var]);
        let mut b = RowBuilder::new();
        b.begin(&old);
        b.fixed(&9i32.to_le_bytes());
        b.var(b"abc");
        let body = b.finish().to_vec();
        let new = layout();
        let row = RowRef::new(&new, &body);
        assert_eq!(row.natts(), 2);
        assert_eq!(row.var(1), VarValue::Plain(b"abc"));
        assert!(row.is_null(2) && row.is_null(3) && row.is_null(4));
    }

    #[test]
    fn long_values_make_wide_rows() {
        let layout = layout();
        let long = vec![5u8; 100_000];
        let mut b = RowBuilder::new();
        b.begin(&layout);
        b.null();
        b.var(&long);
        b.fixed(&[0; 8]);
        b.var(b"x");
        b.null();
        let body = b.finish().to_vec();
        let row = RowRef::new(&layout, &body);
        assert_eq!(row.var(1).plain().map(<[u8]>::len), Some(100_000));
        assert_eq!(row.var(3), VarValue::Plain(b"x"));
        assert!(RowRef::is_well_formed(&layout, &body));
        assert!(!RowRef::is_well_formed(&layout, &body[..50]));
    }

    #[test]
    fn toast_pointers_pass_through() {
        let layout = layout();
        let p = ToastPointer {
            raw_len: 9,
            stored_len: 8,
            compressed: true,
            value_id: 77,
            first: Tid { block: 3, slot: 4 },
        };
        let mut b = RowBuilder::new();
        b.begin(&layout);
        b.fixed(&[0; 4]);
        b.var_value(VarValue::External(p));
        b.fixed(&[0; 8]);
        b.var_value(VarValue::Compressed(&[1, 0, 0, 0, 9]));
        let body = b.finish().to_vec();
        let row = RowRef::new(&layout, &body);
        assert!(row.has_external());
        assert_eq!(row.var(1), VarValue::External(p));
        assert_eq!(row.var(3), VarValue::Compressed(&[1, 0, 0, 0, 9]));
        let mut again = RowBuilder::new();
        again.begin(&layout);
        for i in 0..4 {
            again.copy_column(&row, i);
        }
        assert_eq!(again.finish(), &body[..]);
    }
}
