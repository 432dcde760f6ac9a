//! Comparing rows of vectors: sorts, merges, groups, join probes. Text, numbers and the like never become a
//! [`Datum`].

use crate::numeric::NumericRef;
use crate::text::trim_blanks;
use crate::{Datum, TypeInfo, Vector, VectorData, floats, oids};
use std::cmp::Ordering;

/// Orders two non-NULL values. Panics for types without an order: the binder has refused them.
pub fn compare_datums(a: &Datum, b: &Datum, ty: &TypeInfo) -> Ordering {
    (ty.functions.compare.expect("the binder lets only ordered types be compared"))(a, b)
}

/// Orders two values, NULL last or first, values descending or not.
pub fn compare_nullable(a: &Datum, b: &Datum, ty: &TypeInfo, desc: bool, nulls_first: bool) -> Ordering {
    match nulls_order(a.is_null(), b.is_null(), nulls_first) {
        Some(order) => order,
        None if desc => compare_datums(b, a, ty),
        None => compare_datums(a, b, ty),
    }
}

/// The order if one side is NULL.
#[inline]
fn nulls_order(a: bool, b: bool, nulls_first: bool) -> Option<Ordering> {
    match (a, b) {
        (false, false) => None,
        (true, true) => Some(Ordering::Equal),
        (true, false) => Some(if nulls_first { Ordering::Less } else { Ordering::Greater }),
        (false, true) => Some(if nulls_first { Ordering::Greater } else { Ordering::Less }),
    }
}

/// Orders row `i` of `a` and row `j` of `b`, neither NULL.
#[inline]
pub fn compare_at(a: &Vector, i: usize, b: &Vector, j: usize, ty: &TypeInfo) -> Ordering {
    let (si, sj) = (a.slot(i), b.slot(j));
    match (a.data(), b.data()) {
        (VectorData::Bool(x), VectorData::Bool(y)) => x[si].cmp(&y[sj]),
        (VectorData::I16(x), VectorData::I16(y)) => x[si].cmp(&y[sj]),
        (VectorData::I32(x), VectorData::I32(y)) => x[si].cmp(&y[sj]),
        (VectorData::U32(x), VectorData::U32(y)) => x[si].cmp(&y[sj]),
        (VectorData::I64(x), VectorData::I64(y)) => match ty.oid {
            oids::XID8 | oids::PG_LSN => (x[si] as u64).cmp(&(y[sj] as u64)),
            _ => x[si].cmp(&y[sj]),
        },
        (VectorData::F32(x), VectorData::F32(y)) => floats::compare_f64(x[si].into(), y[sj].into()),
        (VectorData::F64(x), VectorData::F64(y)) => floats::compare_f64(x[si], y[sj]),
        (VectorData::B16(x), VectorData::B16(y)) if ty.oid == oids::UUID => x[si].cmp(&y[sj]),
        (VectorData::Bytes(x), VectorData::Bytes(y)) => {
            let (x, y) = (x.get(si), y.get(sj));
            match ty.base.map_or(ty.oid, |base| base.oid) {
                oids::TEXT | oids::VARCHAR | oids::NAME | oids::BYTEA => x.cmp(y),
                oids::BPCHAR => trim_blanks(x).cmp(trim_blanks(y)),
                oids::NUMERIC => NumericRef::new(x).compare(NumericRef::new(y)),
                _ => compare_datums(&a.datum(i), &b.datum(j), ty),
            }
        }
        _ => compare_datums(&a.datum(i), &b.datum(j), ty),
    }
}

/// Whether two rows are the same to GROUP BY, DISTINCT and set operations: NULL equals NULL.
#[inline]
pub fn same_at(a: &Vector, i: usize, b: &Vector, j: usize, ty: &TypeInfo) -> bool {
    match (a.is_null(i), b.is_null(j)) {
        (false, false) => equal_at(a, i, b, j, ty),
        (x, y) => x == y,
    }
}

/// SQL equality of two rows, neither NULL.
#[inline]
pub fn equal_at(a: &Vector, i: usize, b: &Vector, j: usize, ty: &TypeInfo) -> bool {
    if let (VectorData::Bytes(x), VectorData::Bytes(y)) = (a.data(), b.data()) {
        // Length and first bytes settle most comparisons.
        let (si, sj) = (a.slot(i), b.slot(j));
        let same = || x.view(si).head() == y.view(sj).head() && x.get(si) == y.get(sj);
        match ty.oid {
            oids::TEXT | oids::VARCHAR | oids::NAME | oids::BYTEA => return same(),
            // Two that differ by blanks at their ends alone differ in length.
            oids::BPCHAR if x.view(si).len() == y.view(sj).len() => return same(),
            _ => {}
        }
    }
    compare_at(a, i, b, j, ty) == Ordering::Equal
}

/// Whether two rows are the same in all columns, NULL equal to NULL.
pub fn eq_rows(a: &[&Vector], i: usize, b: &[&Vector], j: usize, types: &[&TypeInfo]) -> bool {
    a.iter().zip(b).zip(types).all(|((a, b), ty)| same_at(a, i, b, j, ty))
}

/// A column to sort by.
#[derive(Clone, Copy, Debug)]
pub struct SortColumn<'t> {
    pub ty: &'t TypeInfo,
    pub desc: bool,
    pub nulls_first: bool,
}

impl SortColumn<'_> {
    /// Orders row `i` of `a` and row `j` of `b`.
    #[inline]
    pub fn compare(&self, a: &Vector, i: usize, b: &Vector, j: usize) -> Ordering {
        match nulls_order(a.is_null(i), b.is_null(j), self.nulls_first) {
            Some(order) => order,
            None if self.desc => compare_at(b, j, a, i, self.ty),
            None => compare_at(a, i, b, j, self.ty),
        }
    }
}

/// Orders two rows by several columns.
pub fn compare_rows(
    a: &[&Vector],
    i: usize,
    b: &[&Vector],
    j: usize,
    columns: &[SortColumn<'_>],
) -> Ordering {
    for ((a, b), column) in a.iter().zip(b).zip(columns) {
        let order = column.compare(a, i, b, j);
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}
