//! Columns that are read from many rows, one after the other: what their place depends on is looked at once for each row, or once for all
//! rows of a page that are alike ([`Form`]).

use super::{HAS_NULLS, Head, NARROW, NATTS_LONG, RowLayout, WIDE, Width, array};
use std::ops::Range;

/// What rows that are alike have in common: one number of columns, with a short head. Their fixed columns lie at the same distance from the
/// begin of the fixed part, and so do the ends, whichever of them have null bitmaps.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    natts: u8,
    /// All have narrow ends.
    narrow: bool,
    /// The columns that are NULL in one of them: the null bitmaps together.
    nulls: u32,
    /// Bytes that each has from its fixed part on, at least.
    least: usize,
}

impl Form {
    /// The form of this row, to be compared with others'.
    #[inline]
    pub fn of(body: &[u8]) -> Option<Form> {
        let natts = *body.first()? & NATTS_LONG;
        (natts != NATTS_LONG).then_some(Form { natts, narrow: true, nulls: 0, least: usize::MAX })
    }

    /// Takes a row in: where its fixed part begins; none if it isn't like the others.
    #[inline(always)]
    pub fn admit(&mut self, body: &[u8]) -> Option<usize> {
        let flags = *body.first()?;
        if flags & (NATTS_LONG | WIDE) != self.natts {
            return None;
        }
        self.narrow &= flags & NARROW != 0;
        let mut at = 1;
        if flags & HAS_NULLS != 0 {
            at += usize::from(self.natts).div_ceil(8);
            for (i, b) in body.get(1..at)?.iter().enumerate() {
                self.nulls |= u32::from(*b) << (8 * i);
            }
        }
        self.least = self.least.min(body.len().checked_sub(at)?);
        Some(at)
    }

    /// Whether all rows have this column, and it is NULL in none.
    #[inline]
    fn has(&self, index: u16) -> bool {
        index < u16::from(self.natts) && self.nulls & (1 << index) == 0
    }
}

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

    /// Where rows of a form have the column, from the begin of the fixed part.
    #[inline]
    pub fn in_form(&self, form: &Form) -> Option<usize> {
        (form.has(self.index) && self.at + self.width <= form.least).then_some(self.at)
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

    /// Where rows of a form have the column.
    #[inline]
    pub fn in_form(&self, form: &Form) -> Option<FormedVar> {
        let fits = form.narrow && form.has(self.index) && u16::from(form.natts) == self.natts;
        let data_at = self.ends_at + self.count - 1;
        (fits && data_at <= form.least).then_some(FormedVar {
            start_at: (self.place > 0).then(|| self.ends_at + self.place - 1),
            end_at: (self.place + 1 < self.count).then_some(self.ends_at + self.place),
            data_at,
        })
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

/// A varying column of rows of one form. Places are distances from the begin of the fixed part.
#[derive(Clone, Copy, Debug)]
pub struct FormedVar {
    /// Where the ends of the column before and of the column lie; none for the first one's begin and the last one's end.
    start_at: Option<usize>,
    end_at: Option<usize>,
    data_at: usize,
}

impl FormedVar {
    /// The column's bytes in a row, which is given from its fixed part on; none if the row is damaged.
    #[inline(always)]
    pub fn get<'a>(&self, row: &'a [u8]) -> Option<&'a [u8]> {
        row.get(self.range(row)?)
    }

    /// Where they lie in the row.
    #[inline(always)]
    pub fn range(&self, row: &[u8]) -> Option<Range<usize>> {
        let start = match self.start_at {
            Some(at) => usize::from(*row.get(at)?),
            None => 0,
        };
        let end = match self.end_at {
            Some(at) => self.data_at + usize::from(*row.get(at)?),
            None => row.len(),
        };
        let start = self.data_at + start;
        (start <= end && end <= row.len()).then_some(start..end)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{RowBuilder, RowRef};

    const WIDTHS: [Width; 6] =
        [Width::Fixed(4), Width::Var, Width::Fixed(8), Width::Var, Width::Padded(3), Width::Fixed(1)];

    /// A row of which these columns are NULL.
    fn row(layout: &RowLayout, nulls: &[usize], text: &[u8]) -> Vec<u8> {
        let mut b = RowBuilder::new();
        b.begin(layout);
        for i in 0..layout.len() {
            match layout.width(i) {
                _ if nulls.contains(&i) => b.null(),
                Width::Fixed(n) => b.fixed(&[i as u8 + 1; 8][..n as usize]),
                Width::Var => b.var(text),
                Width::Padded(n) => {
                    let mut padded = text.to_vec();
                    padded.resize(n as usize, b' ');
                    b.var(&padded);
                }
            }
        }
        b.finish().to_vec()
    }

    #[test]
    fn rows_of_a_form_have_their_columns_where_it_says() {
        let layout = RowLayout::new(&WIDTHS);
        let rows = [row(&layout, &[], b"ab"), row(&layout, &[1], b""), row(&layout, &[5], b"abc")];
        let mut form = Form::of(&rows[0]).unwrap();
        let begins: Vec<usize> = rows.iter().map(|r| form.admit(r).unwrap()).collect();
        assert_eq!(begins, [1, 2, 2]);
        for (i, width) in WIDTHS.iter().enumerate() {
            let any_null = [1, 5].contains(&i);
            for (body, begin) in rows.iter().zip(&begins) {
                let row = RowRef::new(&layout, body);
                if let Width::Fixed(n) = width {
                    let place = FixedColumn::of(&layout, i).unwrap().in_form(&form);
                    assert_eq!(place.is_none(), any_null);
                    let found = place.map(|at| &body[begin + at..begin + at + *n as usize]);
                    assert!(found.is_none_or(|found| found == row.fixed(i)));
                } else {
                    let column = VarColumn::of(&layout, i)
                        .or_else(|| PaddedColumn::of(&layout, i).map(|p| p.stripped()));
                    let place = column.unwrap().in_form(&form);
                    assert_eq!(place.is_none(), any_null);
                    let found = place.map(|place| place.get(&body[*begin..]).unwrap());
                    assert!(found.is_none_or(|found| Some(found) == column.unwrap().get(body)));
                }
            }
        }
    }

    #[test]
    fn rows_that_differ_have_no_form() {
        let layout = RowLayout::new(&WIDTHS);
        let shorter = RowLayout::new(&WIDTHS[..5]);
        let mut form = Form::of(&row(&layout, &[], b"ab")).unwrap();
        assert_eq!(form.admit(&row(&shorter, &[], b"ab")), None);
        // Wide ends: fixed columns are found, the others aren't.
        assert_eq!(form.admit(&row(&layout, &[], &[b'x'; 200])), Some(1));
        assert!(FixedColumn::of(&layout, 5).unwrap().in_form(&form).is_some());
        assert!(VarColumn::of(&layout, 1).unwrap().in_form(&form).is_none());
        // A form of rows without the last columns has none of these.
        let short = row(&shorter, &[], b"ab");
        let mut form = Form::of(&short).unwrap();
        assert_eq!(form.admit(&short), Some(1));
        assert!(FixedColumn::of(&layout, 5).unwrap().in_form(&form).is_none());
        assert!(VarColumn::of(&layout, 1).unwrap().in_form(&form).is_none());
        // Many columns: the head is long.
        let many = RowLayout::new(&[Width::Fixed(1); 31]);
        assert!(Form::of(&row(&many, &[], b"")).is_none());
        assert!(Form::of(&[]).is_none());
    }

    #[test]
    fn damaged_rows_are_not_read_beyond() {
        let layout = RowLayout::new(&WIDTHS);
        let body = row(&layout, &[], b"ab");
        for cut in 0..body.len() {
            let Some(mut form) = Form::of(&body[..cut]) else { continue };
            if let Some(begin) = form.admit(&body[..cut]) {
                let at = FixedColumn::of(&layout, 2).unwrap().in_form(&form);
                assert!(at.is_none_or(|at| begin + at + 8 <= cut));
                if let Some(place) = VarColumn::of(&layout, 3).unwrap().in_form(&form) {
                    place.get(&body[begin..cut]);
                }
            }
        }
    }
}
