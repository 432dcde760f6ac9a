//! The visible rows of one page: what a scan hands to its reader, and what the reader's first tests leave of them.
//!
//! Tests read rows where they lie: [`KeptRows`] keeps positions only, so that a page of which no row passes costs no copy of a value.

use super::tuple::{HEADER_BYTES, TupleHeader, TupleMeta};
use crate::row::{FixedColumn, Form, FormedVar, VarColumn};
use quarry_common::{BlockNo, Tid};

/// Slot, offset and length of a tuple on its page.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub slot: u16,
    pub offset: u16,
    pub len: u16,
    /// Where the row's fixed part begins on the page; for rows that have a form in common.
    fixed: u16,
}

impl Place {
    pub fn new((slot, offset, len): (u16, u16, u16)) -> Place {
        Place { slot, offset, len, fixed: 0 }
    }
}

/// Finds out which form rows have in common, if they have one, and where their fixed parts begin.
#[inline]
pub(super) fn form_of(bytes: &[u8], places: &mut [Place]) -> Option<Form> {
    let body = |at: &Place| &bytes[at.offset as usize + HEADER_BYTES..at.offset as usize + at.len as usize];
    let mut form = Form::of(body(places.first()?))?;
    for at in places {
        let begin = form.admit(body(at))?;
        at.fixed = at.offset + (HEADER_BYTES + begin) as u16;
    }
    Some(form)
}

/// The visible rows of one page, in slot order, under the page's shared latch.
///
/// Rows come by the page so that a reader can decode them column by column: the loads of one column don't wait for each other.
#[derive(Clone, Copy)]
pub struct PageRows<'p> {
    pub(super) block: BlockNo,
    pub(super) bytes: &'p [u8],
    pub(super) places: &'p [Place],
    /// The form of them all, if they have one and it has been looked for.
    pub(super) form: Option<Form>,
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

    /// As [`narrow`](Self::narrow), of a fixed column that has this place in the page's form ([`PageRows::fixed`]).
    #[inline(always)]
    pub fn narrow_fixed<const N: usize>(
        &mut self,
        page: &PageRows<'_>,
        place: usize,
        mut test: impl FnMut(&[u8; N]) -> bool,
    ) {
        let mut kept = 0;
        for i in 0..self.0.len() {
            let at = self.0[i];
            self.0[kept] = at;
            let value = page.bytes[at.fixed as usize + place..].first_chunk();
            kept += usize::from(value.is_some_and(&mut test));
        }
        self.0.truncate(kept);
    }

    /// As [`narrow_fixed`](Self::narrow_fixed), of two columns.
    #[inline(always)]
    pub fn narrow_pairs<const N: usize>(
        &mut self,
        page: &PageRows<'_>,
        places: (usize, usize),
        mut test: impl FnMut(&[u8; N], &[u8; N]) -> bool,
    ) {
        let mut kept = 0;
        for i in 0..self.0.len() {
            let at = self.0[i];
            self.0[kept] = at;
            let row = &page.bytes[at.fixed as usize..];
            let pair = row[places.0..].first_chunk().zip(row[places.1..].first_chunk());
            kept += usize::from(pair.is_some_and(|(a, b)| test(a, b)));
        }
        self.0.truncate(kept);
    }

    /// As [`narrow`](Self::narrow), of a varying column that has this place in the page's form ([`PageRows::varying`]). Bodies of rows that
    /// turn out to be damaged go to `other`.
    #[inline(always)]
    pub fn narrow_varying(
        &mut self,
        page: &PageRows<'_>,
        place: FormedVar,
        mut test: impl FnMut(&[u8]) -> bool,
        mut other: impl FnMut(&[u8]) -> bool,
    ) {
        let mut kept = 0;
        for i in 0..self.0.len() {
            let at = self.0[i];
            self.0[kept] = at;
            kept += usize::from(match place.get(page.formed(at)) {
                Some(value) => test(value),
                None => other(page.body_at(at)),
            });
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
        PageRows { block: self.block, bytes: self.bytes, places: &kept.0, form: self.form }
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

    /// Where a fixed column lies in the page's rows, if they have a form in common and the column is NULL in none.
    #[inline]
    pub fn fixed(&self, column: FixedColumn) -> Option<usize> {
        column.in_form(self.form.as_ref()?)
    }

    /// The same for a varying column.
    #[inline]
    pub fn varying(&self, column: VarColumn) -> Option<FormedVar> {
        column.in_form(self.form.as_ref()?)
    }

    /// A fixed column's bytes, row by row from row `from`, each with what follows them on the page.
    #[inline]
    pub fn fixed_values(&self, place: usize, from: usize) -> impl Iterator<Item = &'p [u8]> + use<'p> {
        let bytes = self.bytes;
        self.places[from..].iter().map(move |at| &bytes[at.fixed as usize + place..])
    }

    /// A varying column's bytes, row by row from row `from`; none for rows that are damaged.
    #[inline]
    pub fn varying_values(
        &self,
        place: FormedVar,
        from: usize,
    ) -> impl Iterator<Item = Option<&'p [u8]>> + use<'p> {
        let page = *self;
        // One instance for each kind of value: none is worth a call per row.
        self.places[from..].iter().map(
            #[inline(always)]
            move |at| place.get(page.formed(*at)),
        )
    }

    /// The same, with what follows each value on the page: bytes that begin with the value, and how many it has.
    #[inline]
    pub fn varying_values_within(
        &self,
        place: FormedVar,
        from: usize,
    ) -> impl Iterator<Item = Option<(&'p [u8], usize)>> + use<'p> {
        let page = *self;
        self.places[from..].iter().map(
            #[inline(always)]
            move |at| {
                let range = place.range(page.formed(*at))?;
                Some((&page.bytes[at.fixed as usize + range.start..], range.len()))
            },
        )
    }

    /// A row of the page's form, from its fixed part on.
    #[inline(always)]
    fn formed(&self, at: Place) -> &'p [u8] {
        &self.bytes[at.fixed as usize..at.offset as usize + at.len as usize]
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
