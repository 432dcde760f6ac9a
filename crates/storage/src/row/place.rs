//! Columns that are read from many rows, one after the other: what their place depends on is looked at once.

use super::{HAS_NULLS, NARROW, NATTS_MASK, RowLayout, Width, array};

/// Reads one fixed column of many rows: its offset is the same in every row, but for the null bitmap that some have.
#[derive(Clone, Copy, Debug)]
pub struct FixedColumn {
    index: u16,
    at: usize,
    width: usize,
}

impl FixedColumn {
    /// Column `i` of the layout; none if it is varying.
    pub fn of(layout: &RowLayout, i: usize) -> Option<FixedColumn> {
        let column = layout.columns[i];
        match column.width {
            Width::Fixed(n) => {
                Some(FixedColumn { index: i as u16, at: 2 + column.place as usize, width: n as usize })
            }
            Width::Var | Width::Padded(_) => None,
        }
    }

    /// The column's bytes; none if it is NULL or the row lacks it: then [`RowRef`] must be asked.
    #[inline(always)]
    pub fn get<'a>(&self, body: &'a [u8]) -> Option<&'a [u8]> {
        let head = u16::from_le_bytes(array(body, 0));
        if head & NATTS_MASK <= self.index {
            return None;
        }
        let at = self.at + bitmap_bytes(head, body, self.index)?;
        body.get(at..at + self.width)
    }
}

/// Bytes of a row's null bitmap; none if the column is NULL.
#[inline(always)]
fn bitmap_bytes(head: u16, body: &[u8], index: u16) -> Option<usize> {
    if head & HAS_NULLS == 0 {
        return Some(0);
    }
    let index = usize::from(index);
    let null = body.get(2 + index / 8)? & (1 << (index % 8)) != 0;
    (!null).then_some(usize::from(head & NATTS_MASK).div_ceil(8))
}

/// Reads one varying column of many rows: its offsets are the same in all rows that have every column, but for the null bitmap that some
/// have.
#[derive(Clone, Copy, Debug)]
pub struct VarColumn {
    index: u16,
    /// The head of such rows without NULLs and with ends of two bytes.
    head: u16,
    /// Where the ends begin.
    ends_at: usize,
    /// The column's among the varying ones, and how many there are.
    place: usize,
    count: usize,
}

impl VarColumn {
    /// Column `i` of the layout; none if it is fixed, or padded.
    pub fn of(layout: &RowLayout, i: usize) -> Option<VarColumn> {
        (layout.columns[i].width == Width::Var).then(|| VarColumn::at(layout, i))
    }

    fn at(layout: &RowLayout, i: usize) -> VarColumn {
        let column = layout.columns[i];
        let n = layout.len();
        VarColumn {
            index: i as u16,
            head: n as u16,
            ends_at: 2 + layout.fixed_bytes[n] as usize,
            place: column.place as usize,
            count: layout.var_count[n] as usize,
        }
    }

    /// The column's bytes as they are stored; none if it is NULL, they aren't plain, or the row lacks a column: then [`RowRef`] must be asked.
    #[inline(always)]
    pub fn get<'a>(&self, body: &'a [u8]) -> Option<&'a [u8]> {
        let head = u16::from_le_bytes(array(body, 0));
        if head & !(HAS_NULLS | NARROW) != self.head {
            return None;
        }
        let ends_at = self.ends_at + bitmap_bytes(head, body, self.index)?;
        let (start, end, data_at) = if head & NARROW != 0 {
            let (start, end) = match self.place {
                0 => (0, *body.get(ends_at)?),
                place => body.get(ends_at + place - 1..)?.first_chunk().map(|[start, end]| (*start, *end))?,
            };
            (usize::from(start), u16::from(end), ends_at + self.count)
        } else {
            let (start, end) = match self.place {
                0 => (0, u16::from_le_bytes(array(body, ends_at))),
                place => {
                    let ends = u32::from_le_bytes(array(body, ends_at + 2 * (place - 1)));
                    (ends as usize & 0x3fff, (ends >> 16) as u16)
                }
            };
            (start, end, ends_at + 2 * self.count)
        };
        if end > 0x3fff {
            return None;
        }
        body.get(data_at + start..data_at + usize::from(end))
    }
}

/// Reads one padded column of many rows.
#[derive(Clone, Copy, Debug)]
pub struct PaddedColumn {
    column: VarColumn,
    characters: u32,
}

impl PaddedColumn {
    /// Column `i` of the layout; none if it isn't padded.
    pub fn of(layout: &RowLayout, i: usize) -> Option<PaddedColumn> {
        match layout.columns[i].width {
            Width::Padded(characters) => Some(PaddedColumn { column: VarColumn::at(layout, i), characters }),
            Width::Fixed(_) | Width::Var => None,
        }
    }

    /// Where the values lie without the blanks at their ends.
    #[inline]
    pub fn stripped(&self) -> VarColumn {
        self.column
    }

    /// How many characters a value has with its blanks.
    #[inline]
    pub fn characters(&self) -> u32 {
        self.characters
    }
}
