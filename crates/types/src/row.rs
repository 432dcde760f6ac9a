//! Between rows of `quarry_storage::row`, which know widths only, and values.

use crate::text::typmod_length;
use crate::{Datum, PhysicalType, SqlType, Vector, oids, stored};
use bytes::Bytes;
use quarry_common::{Error, Result};
use quarry_storage::row::{RowBuilder, RowLayout, RowRef, VarValue, Width, blanks};

/// What a column of this physical type takes in a row.
pub fn width_of(ty: PhysicalType) -> Width {
    match ty.fixed_width() {
        Some(width) => Width::Fixed(width as u8),
        None => Width::Var,
    }
}

/// What a table's column takes in a row; `ty` is its type, or of a domain that which it is over.
pub fn width_of_column(ty: SqlType, physical: PhysicalType) -> Width {
    match typmod_length(ty.typmod) {
        // A single character has hardly ever a blank to lose.
        Some(n) if n > 1 && ty.oid == oids::BPCHAR => Width::Padded(n as u32),
        _ => width_of(physical),
    }
}

/// The layout of rows with these columns.
pub fn layout_of(columns: &[PhysicalType]) -> RowLayout {
    let widths: Vec<Width> = columns.iter().map(|c| width_of(*c)).collect();
    RowLayout::new(&widths)
}

/// The layout of rows with columns of built-in types (or composites and arrays of any).
pub fn layout_of_types(columns: &[SqlType]) -> RowLayout {
    let physical: Vec<PhysicalType> = columns.iter().map(|c| crate::registry::physical_of(c.oid)).collect();
    layout_of(&physical)
}

/// Appends the next column.
#[inline]
pub fn put_datum(value: &Datum, row: &mut RowBuilder) {
    match value {
        Datum::Null => row.null(),
        Datum::Bool(v) => row.fixed(&[u8::from(*v)]),
        Datum::I16(v) => row.fixed(&v.to_le_bytes()),
        Datum::I32(v) => row.fixed(&v.to_le_bytes()),
        Datum::U32(v) => row.fixed(&v.to_le_bytes()),
        Datum::I64(v) => row.fixed(&v.to_le_bytes()),
        Datum::F32(v) => row.fixed(&v.to_le_bytes()),
        Datum::F64(v) => row.fixed(&v.to_le_bytes()),
        Datum::B16(v) => row.fixed(v),
        Datum::Bytes(v) => row.var(v),
    }
}

/// Appends row `i` of a vector as the next column.
#[inline]
pub fn put_at(v: &Vector, i: usize, row: &mut RowBuilder) {
    use crate::VectorData;
    if v.is_null(i) {
        return row.null();
    }
    let slot = v.slot(i);
    match v.data() {
        VectorData::Bool(d) => row.fixed(&[u8::from(d[slot])]),
        VectorData::I16(d) => row.fixed(&d[slot].to_le_bytes()),
        VectorData::I32(d) => row.fixed(&d[slot].to_le_bytes()),
        VectorData::U32(d) => row.fixed(&d[slot].to_le_bytes()),
        VectorData::I64(d) => row.fixed(&d[slot].to_le_bytes()),
        VectorData::F32(d) => row.fixed(&d[slot].to_le_bytes()),
        VectorData::F64(d) => row.fixed(&d[slot].to_le_bytes()),
        VectorData::B16(d) => row.fixed(&d[slot]),
        VectorData::Bytes(d) => row.var(d.get(slot)),
    }
}

/// Encodes a row of values; the bytes are valid until the builder is used again.
pub fn encode_row<'b>(values: &[Datum], layout: &RowLayout, row: &'b mut RowBuilder) -> &'b [u8] {
    row.begin(layout);
    values.iter().for_each(|v| put_datum(v, row));
    row.finish()
}

/// Encodes row `i` of vectors.
pub fn encode_vectors<'b, 'v>(
    columns: impl IntoIterator<Item = &'v Vector>,
    i: usize,
    layout: &RowLayout,
    row: &'b mut RowBuilder,
) -> &'b [u8] {
    row.begin(layout);
    columns.into_iter().for_each(|v| put_at(v, i, row));
    row.finish()
}

/// Fetches a value that is compressed or stored out of line: `Heap::detoast`.
pub type Detoast<'d> = &'d mut dyn FnMut(VarValue<'_>) -> Result<Bytes>;

/// A [`Detoast`] for rows whose values all lie in the row, as in spill files and catalogs without long values.
pub fn no_detoast(_: VarValue<'_>) -> Result<Bytes> {
    Err(Error::corrupted("a value stored out of line in a row that can't have one"))
}

/// Column `column` of a row. A column that the row lacks (added to the table later) is NULL here: the caller, who
/// knows its missing value, asks `row.natts()`.
#[inline]
pub fn get_datum(row: &RowRef<'_>, column: usize, ty: PhysicalType, detoast: Detoast<'_>) -> Result<Datum> {
    if row.is_null(column) {
        return Ok(Datum::Null);
    }
    if ty != PhysicalType::Bytes {
        return Ok(stored::read(ty, row.fixed(column)));
    }
    match row.var(column) {
        VarValue::Plain(bytes) => Ok(stored::read(ty, bytes)),
        VarValue::Padded(text, n) => Ok(Datum::Bytes(Bytes::from(blanks::padded(text, n)))),
        toasted => detoast(toasted).map(Datum::Bytes),
    }
}

/// Appends column `column` of a row to a vector of the column's physical type; see [`get_datum`] for rows that lack
/// it.
#[inline]
pub fn decode_column_into(
    row: &RowRef<'_>,
    column: usize,
    into: &mut Vector,
    detoast: Detoast<'_>,
) -> Result<()> {
    if row.is_null(column) {
        into.push_null();
        return Ok(());
    }
    if into.physical() != PhysicalType::Bytes {
        into.push_stored(row.fixed(column));
        return Ok(());
    }
    match row.var(column) {
        VarValue::Plain(bytes) => into.push_stored(bytes),
        VarValue::Padded(text, n) => {
            into.extend_padded(std::iter::once(Some(text)), n);
        }
        toasted => into.push_datum(&Datum::Bytes(detoast(toasted)?)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_storage::row::{PaddedColumn, VarColumn};

    #[test]
    fn rows_round_trip_by_datum_and_by_vector() {
        let columns = [
            PhysicalType::Bool,
            PhysicalType::I16,
            PhysicalType::I32,
            PhysicalType::U32,
            PhysicalType::I64,
            PhysicalType::F32,
            PhysicalType::F64,
            PhysicalType::B16,
            PhysicalType::Bytes,
            PhysicalType::Bytes,
        ];
        let values = [
            Datum::Bool(true),
            Datum::I16(-2),
            Datum::I32(3),
            Datum::Null,
            Datum::I64(i64::MIN),
            Datum::F32(1.5),
            Datum::F64(-0.25),
            Datum::B16([7; 16]),
            Datum::text("short"),
            Datum::text("something longer than twelve bytes"),
        ];
        let layout = layout_of(&columns);
        let mut builder = RowBuilder::new();
        let body = encode_row(&values, &layout, &mut builder).to_vec();
        let row = RowRef::new(&layout, &body);
        let mut vectors = Vec::new();
        for (i, ty) in columns.iter().enumerate() {
            assert_eq!(get_datum(&row, i, *ty, &mut no_detoast).unwrap(), values[i]);
            let mut v = Vector::with_capacity(*ty, 2);
            v.push_null();
            decode_column_into(&row, i, &mut v, &mut no_detoast).unwrap();
            assert_eq!(v.datum(1), values[i]);
            vectors.push(v);
        }
        assert_eq!(encode_vectors(&vectors, 1, &layout, &mut builder), body);
    }

    /// A value by every way there is to read it.
    fn check(layout: &RowLayout, body: &[u8], i: usize, expected: &Datum) {
        assert!(RowRef::is_well_formed(layout, body));
        let row = RowRef::new(layout, body);
        let ty = PhysicalType::Bytes;
        let mut detoast = |_: VarValue<'_>| -> Result<Bytes> { unreachable!("nothing is compressed") };
        assert_eq!(get_datum(&row, i, ty, &mut detoast).unwrap(), *expected);
        let mut v = Vector::with_capacity(ty, 1);
        decode_column_into(&row, i, &mut v, &mut detoast).unwrap();
        assert_eq!(v.datum(0), *expected);
        assert_eq!(row.bad_value(i), None);
        let mut v = Vector::with_capacity(ty, 1);
        let plain = VarColumn::of(layout, i).and_then(|c| c.get(body));
        if let Some(value) = plain {
            assert_eq!(v.extend_stored(std::iter::once(Some(value))), 1);
            assert_eq!(v.datum(0), *expected);
        }
        if let Some(padded) = PaddedColumn::of(layout, i) {
            assert!(plain.is_none());
            if let Some(text) = padded.stripped().get(body) {
                assert_eq!(v.extend_padded(std::iter::once(Some(text)), padded.characters()), 1);
                assert_eq!(v.datum(0), *expected);
            }
        }
    }

    #[test]
    fn any_text_comes_back_from_padded_columns() {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut below = |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) % n
        };
        let (mut first, mut copies) = (RowBuilder::new(), RowBuilder::new());
        for round in 0..4000 {
            // Rows of up to 30 columns have short heads.
            let columns = if round % 10 == 0 { 27 + below(8) } else { 1 + below(6) };
            let widths: Vec<Width> = (0..columns)
                .map(|_| match below(3) {
                    0 => Width::Var,
                    1 => Width::Padded(2 + below(12) as u32),
                    _ => Width::Padded(2 + below(300) as u32),
                })
                .collect();
            let layout = RowLayout::new(&widths);
            // Another one for the same values, and one that has more columns.
            let other: Vec<Width> = widths
                .iter()
                .map(|w| match (below(3), w) {
                    (0, _) => Width::Var,
                    (1, _) => Width::Padded(2 + below(20) as u32),
                    (_, w) => *w,
                })
                .collect();
            let other = RowLayout::new(&other);
            let longer: Vec<Width> =
                widths.iter().copied().chain([Width::Padded(9), Width::Fixed(4)]).collect();
            let longer = RowLayout::new(&longer);
            let mut text = |n: usize| -> String {
                (0..n).map(|_| ["a", "b", " ", "é", "日"][below(5) as usize]).collect()
            };
            let values: Vec<Datum> = widths
                .iter()
                .enumerate()
                .map(|(i, w)| match (w, (round + i) % 7) {
                    (_, 0) => Datum::Null,
                    (Width::Padded(n), 1) => Datum::text(&text(*n as usize + round % 3)),
                    (Width::Padded(n), k) => {
                        let (n, text) = (*n as usize, text(round % (*n as usize * k / 6 + 1)));
                        Datum::text(&format!("{text:n$}"))
                    }
                    _ => Datum::text(&text(round % 30)),
                })
                .collect();
            let body = encode_row(&values, &layout, &mut first).to_vec();
            let row = RowRef::new(&layout, &body);
            copies.begin(&other);
            (0..values.len()).for_each(|i| copies.copy_column(&row, i));
            let copied = copies.finish().to_vec();
            for (i, value) in values.iter().enumerate() {
                check(&layout, &body, i, value);
                check(&longer, &body, i, value);
                check(&other, &copied, i, value);
            }
            // What was copied is what would be stored of the values.
            assert_eq!(encode_row(&values, &other, &mut copies), copied);
        }
    }

    #[test]
    fn blanks_take_no_room() {
        let char_of = |n| SqlType { oid: oids::BPCHAR, typmod: n + 4 };
        let width = |ty| width_of_column(ty, PhysicalType::Bytes);
        assert_eq!(width(char_of(1)), Width::Var);
        assert_eq!(width(SqlType { oid: oids::BPCHAR, typmod: -1 }), Width::Var);
        assert_eq!(width(SqlType { oid: oids::VARCHAR, typmod: 14 }), Width::Var);
        let layout = RowLayout::new(&[width(char_of(84)), width(char_of(10))]);
        let values = [Datum::text(&" ".repeat(84)), Datum::text("AIR       ")];
        let body = encode_row(&values, &layout, &mut RowBuilder::new()).to_vec();
        assert_eq!(body.len(), 1 + 1 + 3);
    }
}
