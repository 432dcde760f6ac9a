//! The visible rows of one page: what a scan hands to its reader, and what the reader's first tests leave of them.
//!
//! Tests read rows where they lie: [`KeptRows`] keeps positions only, so that a page of which no row passes costs no copy of a value.

use super::tuple::{HEADER_BYTES, TupleHeader, TupleMeta};
use crate::row::{FixedColumn, VarColumn};
use quarry_common::{BlockNo, Tid};

/// Slot, offset and length of a tuple on its page.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub slot: u16,
    pub offset: u16,
    pub len: u16,
}

/// The visible rows of one page, in slot order, under the page's shared latch.
///
/// Rows come by the page so that a reader can decode them column by column: the loads of one column don't wait for each other.
#[derive(Clone, Copy)]
pub struct PageRows<'p> {
    pub(super) block: BlockNo,
    pub(super) bytes: &'p [u8],
    pub(super) places: &'p [Place],
}

/// Which rows of a page a reader goes on with; kept for its memory.
#[derive(Default)]
pub struct KeptRows(Vec<Place>);

impl KeptRows {
    /// Begins with all rows of a page.
    pub fn all(&mut self, page: &PageRows<'_>) {
        self.0.clear();
        self.0.extend_from_slice(page.places);
    }

    /// Begins with the rows of a page that pass a test of their bodies.
    #[inline(always)]
    pub fn begin(&mut self, page: &PageRows<'_>, mut test: impl FnMut(&[u8]) -> bool) {
        self.0.clear();
        self.0.resize(page.places.len(), Place::default());
        let mut kept = 0;
        for at in page.places {
            self.0[kept] = *at;
            kept += usize::from(test(page.body_at(*at)));
        }
        self.0.truncate(kept);
    }

    /// Keeps those of which the body passes a test.
    #[inline(always)]
    pub fn narrow(&mut self, page: &PageRows<'_>, mut test: impl FnMut(&[u8]) -> bool) {
        let mut kept = 0;
        for i in 0..self.0.len() {
            let at = self.0[i];
            self.0[kept] = at;
            kept += usize::from(test(page.body_at(at)));
        }
        self.0.truncate(kept);
    }

    /// Whether none is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps these, by their ascending positions among those that are left.
    pub fn retain(&mut self, positions: &[u32]) {
        for (to, from) in positions.iter().enumerate() {
            self.0[to] = self.0[*from as usize];
        }
        self.0.truncate(positions.len());
    }
}

impl<'p> PageRows<'p> {
    /// The page with only the rows that were kept of it.
    pub fn only(&self, kept: &'p KeptRows) -> PageRows<'p> {
        PageRows { block: self.block, bytes: self.bytes, places: &kept.0 }
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nothing on the page is visible.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Where row `i` lies.
    #[inline]
    pub fn tid(&self, i: usize) -> Tid {
        Tid { block: self.block, slot: self.places[i].slot }
    }

    /// The body of row `i`.
    #[inline]
    pub fn body(&self, i: usize) -> &'p [u8] {
        &self.tuple(i)[HEADER_BYTES..]
    }

    /// The bytes of a column, row by row from row `from`; none for rows of which [`StoredColumn::get`] gives none.
    #[inline]
    pub fn values<C: StoredColumn>(&self, column: C, from: usize) -> StoredValues<'p, C> {
        StoredValues { bytes: self.bytes, places: self.places[from..].iter(), column }
    }

    #[inline(always)]
    fn body_at(&self, at: Place) -> &'p [u8] {
        &self.bytes[at.offset as usize + HEADER_BYTES..at.offset as usize + at.len as usize]
    }

    /// The system columns of row `i`.
    pub fn meta(&self, i: usize) -> TupleMeta {
        TupleMeta::new(&TupleHeader::read(self.tuple(i)), self.tid(i))
    }

    #[inline]
    fn tuple(&self, i: usize) -> &'p [u8] {
        let at = self.places[i];
        &self.bytes[at.offset as usize..at.offset as usize + at.len as usize]
    }
}

/// A column whose bytes are found in most rows without looking at the others.
pub trait StoredColumn {
    /// The column's bytes in a row; none where [`RowRef`](crate::row::RowRef) must be asked.
    fn get<'a>(&self, body: &'a [u8]) -> Option<&'a [u8]>;
}

impl StoredColumn for FixedColumn {
    #[inline(always)]
    fn get<'a>(&self, body: &'a [u8]) -> Option<&'a [u8]> {
        FixedColumn::get(self, body)
    }
}

impl StoredColumn for VarColumn {
    #[inline(always)]
    fn get<'a>(&self, body: &'a [u8]) -> Option<&'a [u8]> {
        VarColumn::get(self, body)
    }
}

/// See [`PageRows::values`].
pub struct StoredValues<'p, C> {
    bytes: &'p [u8],
    places: std::slice::Iter<'p, Place>,
    column: C,
}

impl<'p, C: StoredColumn> Iterator for StoredValues<'p, C> {
    type Item = Option<&'p [u8]>;

    // One instance for each width of value: none is worth a call per row.
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let at = self.places.next()?;
        let body = &self.bytes[at.offset as usize + HEADER_BYTES..at.offset as usize + at.len as usize];
        Some(self.column.get(body))
    }
}
