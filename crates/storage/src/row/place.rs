//! Columns that are read from many rows, one after the other: what their place depends on is looked at once.

use super::{Head, NARROW, RowLayout, WIDE, Width, array};

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
                Some(FixedColumn { index: i as u16, at: column.place as usize, width: n as usize })
            }
            Width::Var | Width::Padded(_) => None,
        }
    }

    /// The column's bytes; none if it is NULL or the row lacks it: then [`RowRef`] must be asked.
    #[inline(always)]
    pub fn get<'a>(&self, body: &'a [u8]) -> Option<&'a [u8]> {
        let head = Head::read(body)?;
        if head.natts <= self.index {
            return None;
        }
        let at = self.at + fixed_at(head, body, self.index)?;
        body.get(at..at + self.width)
    }
}

/// Where a row's fixed part begins; none if the column is NULL.
#[inline(always)]
fn fixed_at(head: Head, body: &[u8], index: u16) -> Option<usize> {
    if !head.has_nulls() {
        return Some(head.bytes);
    }
    let index = usize::from(index);
    let null = body.get(head.bytes + index / 8)? & (1 << (index % 8)) != 0;
    (!null).then_some(head.bytes + usize::from(head.natts).div_ceil(8))
}

/// Reads one varying column of many rows: its offsets are the same in all rows that have every column, but for the null bitmap that some
/// have.
#[derive(Clone, Copy, Debug)]
pub struct VarColumn {
    index: u16,
    /// How many columns such rows have.
    natts: u16,
    /// Where the ends begin, from the begin of the fixed part.
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
            natts: n as u16,
            ends_at: layout.fixed_bytes[n] as usize,
            place: column.place as usize,
            count: layout.var_count[n] as usize,
        }
    }

    /// The column's bytes as they are stored; none if it is NULL, they aren't plain, or the row lacks a column: then [`RowRef`] must be asked.
    #[inline(always)]
    pub fn get<'a>(&self, body: &'a [u8]) -> Option<&'a [u8]> {
        let head = Head::read(body)?;
        if head.natts != self.natts || head.flags & WIDE != 0 {
            return None;
        }
        let ends_at = self.ends_at + fixed_at(head, body, self.index)?;
        if head.flags & NARROW != 0 {
            let data_at = ends_at + self.count - 1;
            let start = match self.place {
                0 => 0,
                place => usize::from(*body.get(ends_at + place - 1)?),
            };
            return match self.place + 1 == self.count {
                true => body.get(data_at + start..),
                false => body.get(data_at + start..data_at + usize::from(*body.get(ends_at + self.place)?)),
            };
        }
        let data_at = ends_at + 2 * self.count;
        let (start, end) = match self.place {
            0 => (0, u16::from_le_bytes(array(body, ends_at))),
            place => {
                let ends = u32::from_le_bytes(array(body, ends_at + 2 * (place - 1)));
                (ends as usize & 0x3fff, (ends >> 16) as u16)
            }
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
