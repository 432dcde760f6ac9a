//! Tests of rows' bytes: one loop over a page's rows for each test, specialised for the column's width.

use super::page_filter::wrong_kind;
use super::starts::Starts;
use crate::build::Builder;
use quarry_catalog::Relation;
use quarry_common::{Error, Result};
use quarry_functions::scalar::like_parts::Parts;
use quarry_storage::heap::{Heap, KeptRows, PageRows};
use quarry_storage::row::{FixedColumn, FormedVar, PaddedColumn, RowLayout, RowRef, VarColumn};
use quarry_types::floats::compare_f64;
use quarry_types::numeric::decimals::Test as Order;
use quarry_types::numeric::{Bound, Numeric};
use quarry_types::row::get_datum;
use quarry_types::text::trim_blanks;
use quarry_types::{Datum, PhysicalType, oids};
use std::sync::Arc;

/// How values compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Bool,
    I16,
    I32,
    U32,
    I64,
    F32,
    F64,
    Numeric,
    /// By their bytes.
    Text,
    /// By their bytes without blanks at the end: `char(n)`.
    Blanks,
    /// Not at all.
    Any,
}

impl Kind {
    /// Whether values compare as whole numbers.
    pub fn is_whole(self) -> bool {
        matches!(self, Kind::Bool | Kind::I16 | Kind::I32 | Kind::U32 | Kind::I64)
    }
    /// Whether [`Test::list`] knows them.
    pub fn has_lists(self) -> bool {
        self.is_whole() || matches!(self, Kind::Text | Kind::Blanks)
    }
}

/// Where a column's values lie in rows that have everything.
#[derive(Clone, Copy)]
enum Place {
    Fixed(FixedColumn),
    Varying(VarColumn),
    /// Without the blanks at the values' ends.
    Stripped(VarColumn),
}

/// A column of a table.
#[derive(Clone)]
pub(super) struct Column {
    index: usize,
    place: Place,
    kind: Kind,
    physical: PhysicalType,
    /// The value of rows stored before the column was added.
    missing: Datum,
}

impl Column {
    /// A column whose values tests can compare.
    pub fn of(b: &Builder<'_>, relation: &Relation, index: usize) -> Result<Option<Column>> {
        let column = Column::any(b, relation, index)?;
        let info = b.type_ref(relation.columns[index].ty.oid)?;
        let oid = info.base.map_or(info.oid, |base| base.oid);
        let kind = match column.physical {
            PhysicalType::Bool => Kind::Bool,
            PhysicalType::I16 => Kind::I16,
            PhysicalType::I32 => Kind::I32,
            PhysicalType::U32 => Kind::U32,
            PhysicalType::I64 => Kind::I64,
            PhysicalType::F32 => Kind::F32,
            PhysicalType::F64 => Kind::F64,
            PhysicalType::Bytes => match oid {
                oids::NUMERIC => Kind::Numeric,
                oids::TEXT | oids::VARCHAR | oids::BYTEA => Kind::Text,
                oids::BPCHAR => Kind::Blanks,
                _ => return Ok(None),
            },
            PhysicalType::B16 => return Ok(None),
        };
        Ok(Some(Column { kind, ..column }))
    }

    /// A column of which only NULL is asked.
    pub fn any(b: &Builder<'_>, relation: &Relation, index: usize) -> Result<Column> {
        let c = &relation.columns[index];
        let place = FixedColumn::of(&relation.layout, index).map(Place::Fixed);
        let place = place.or_else(|| VarColumn::of(&relation.layout, index).map(Place::Varying));
        let padded = |p: PaddedColumn| Place::Stripped(p.stripped());
        let place = place.or_else(|| PaddedColumn::of(&relation.layout, index).map(padded));
        Ok(Column {
            index,
            place: place.ok_or_else(|| Error::internal("a column that is neither fixed nor varying"))?,
            kind: Kind::Any,
            physical: b.type_ref(c.ty.oid)?.physical,
            missing: c.missing.clone().unwrap_or_default(),
        })
    }

    /// Whether it is the same column, compared the same way.
    pub fn is_same(&self, other: &Column) -> bool {
        self.index == other.index && self.kind == other.kind
    }
    pub fn kind(&self) -> Kind {
        self.kind
    }
    /// Whether its values can compare this way.
    pub fn fits(&self, kind: Kind) -> bool {
        let text = |k| matches!(k, Kind::Text | Kind::Blanks);
        self.kind == kind || (text(self.kind) && text(kind))
    }
    pub fn compared_as(self, kind: Kind) -> Column {
        Column { kind, ..self }
    }

    /// The value in any row.
    #[cold]
    fn datum(&self, layout: &RowLayout, heap: &Heap, body: &[u8]) -> Result<Datum> {
        let row = RowRef::new(layout, body);
        if self.index >= row.natts() {
            return Ok(self.missing.clone());
        }
        get_datum(&row, self.index, self.physical, &mut |v| heap.detoast(v))
    }

    #[inline(always)]
    fn fixed<'a, const N: usize>(&self, body: &'a [u8]) -> Option<&'a [u8; N]> {
        match self.place {
            Place::Fixed(column) => column.get(body)?.first_chunk(),
            Place::Varying(_) | Place::Stripped(_) => None,
        }
    }
    /// Where all of a page's rows have the column, if it is fixed.
    fn fixed_in(&self, page: &PageRows<'_>) -> Option<usize> {
        match self.place {
            Place::Fixed(column) => page.fixed(column),
            Place::Varying(_) | Place::Stripped(_) => None,
        }
    }
    /// The same for a column that [`Column::varying`] gives.
    fn varying_in(&self, page: &PageRows<'_>) -> Option<FormedVar> {
        match self.place {
            Place::Varying(column) => page.varying(column),
            Place::Stripped(column) if self.kind == Kind::Blanks => page.varying(column),
            Place::Fixed(_) | Place::Stripped(_) => None,
        }
    }
    #[inline(always)]
    fn varying<'a>(&self, body: &'a [u8]) -> Option<&'a [u8]> {
        match self.place {
            Place::Fixed(_) => None,
            Place::Varying(column) => column.get(body),
            // Who doesn't leave blanks away needs them.
            Place::Stripped(column) if self.kind == Kind::Blanks => column.get(body),
            Place::Stripped(_) => None,
        }
    }
    /// The value as a whole number, where the row has everything.
    #[inline(always)]
    fn whole(&self, body: &[u8]) -> Option<i64> {
        Some(match self.kind {
            Kind::Bool => i64::from(self.fixed::<1>(body)?[0] != 0),
            Kind::I16 => i16::from_le_bytes(*self.fixed(body)?).into(),
            Kind::I32 => i32::from_le_bytes(*self.fixed(body)?).into(),
            Kind::U32 => u32::from_le_bytes(*self.fixed(body)?).into(),
            Kind::I64 => i64::from_le_bytes(*self.fixed(body)?),
            _ => return None,
        })
    }
}

/// Whether a value is this one, which has no blanks at its end, but for such.
#[inline(always)]
fn is_with_blanks(value: &[u8], trimmed: &[u8]) -> bool {
    let Some((head, rest)) = value.split_at_checked(trimmed.len()) else { return false };
    // Mostly the first byte tells.
    head.first() == trimmed.first() && head == trimmed && rest.iter().all(|b| *b == b' ')
}

/// A whole number or a float as such.
fn whole_of(value: &Datum) -> Option<i64> {
    Some(match value {
        Datum::Bool(v) => i64::from(*v),
        Datum::I16(v) => i64::from(*v),
        Datum::I32(v) => i64::from(*v),
        Datum::U32(v) => i64::from(*v),
        Datum::I64(v) => *v,
        _ => return None,
    })
}
fn float_of(value: &Datum) -> Option<f64> {
    match value {
        Datum::F32(v) => Some(f64::from(*v)),
        Datum::F64(v) => Some(*v),
        _ => None,
    }
}

/// A test with its values at hand.
pub(super) enum Test {
    /// Whole numbers from `low` to `high` (none if they are the wrong way round), or all others.
    Range {
        column: Column,
        low: i64,
        high: i64,
        within: bool,
    },
    /// A short list of whole numbers.
    Wholes {
        column: Column,
        values: Vec<i64>,
        among: bool,
    },
    Floats {
        column: Column,
        order: Order,
        value: f64,
    },
    Numbers {
        column: Column,
        order: Order,
        bound: Bound,
    },
    Texts {
        column: Column,
        values: Vec<Vec<u8>>,
        among: bool,
    },
    /// LIKE, or NOT LIKE.
    Like {
        column: Column,
        pattern: Arc<Parts>,
        negated: bool,
    },
    /// One of these beginnings, or none of them.
    Starts {
        column: Column,
        starts: Arc<Starts>,
        among: bool,
    },
    Columns {
        left: Column,
        right: Column,
        order: Order,
    },
    Null {
        column: Column,
        negated: bool,
    },
    /// Compared with NULL.
    Never,
}

impl Test {
    /// Longer lists are looked up by hash, by the ordinary filter.
    pub const LIST_MAX: usize = 8;

    pub fn compare(column: Column, order: Order, value: &Datum) -> Result<Test> {
        if value.is_null() {
            return Ok(Test::Never);
        }
        Ok(match column.kind {
            kind if kind.is_whole() => {
                let v = whole_of(value).ok_or_else(wrong_kind)?;
                let (low, high, within) = match order {
                    Order::Equal => (v, v, true),
                    Order::Different => (v, v, false),
                    Order::LessEqual => (i64::MIN, v, true),
                    Order::GreaterEqual => (v, i64::MAX, true),
                    Order::Less if v == i64::MIN => return Ok(Test::Never),
                    Order::Less => (i64::MIN, v - 1, true),
                    Order::Greater if v == i64::MAX => return Ok(Test::Never),
                    Order::Greater => (v + 1, i64::MAX, true),
                };
                Test::Range { column, low, high, within }
            }
            Kind::F32 | Kind::F64 => {
                Test::Floats { column, order, value: float_of(value).ok_or_else(wrong_kind)? }
            }
            Kind::Numeric => Test::Numbers { column, order, bound: Bound::new(Numeric::of(value)) },
            _ => match (value, order) {
                (Datum::Bytes(_), Order::Equal | Order::Different) => {
                    Test::list(column, std::slice::from_ref(value), order == Order::Equal)
                }
                _ => return Err(wrong_kind()),
            },
        })
    }

    /// Dates against a timestamp: a date is the midnight it begins with, and nothing lies between infinity and the rest.
    pub fn days(column: Column, order: Order, value: &Datum) -> Result<Test> {
        const DAY: i64 = 86_400_000_000;
        let (day, exact) = match value {
            Datum::Null => return Ok(Test::Never),
            Datum::I64(i64::MAX) => (i64::from(i32::MAX), true),
            Datum::I64(i64::MIN) => (i64::from(i32::MIN), true),
            Datum::I64(t) => (t.div_euclid(DAY), t.rem_euclid(DAY) == 0),
            _ => return Err(wrong_kind()),
        };
        let order = match order {
            _ if exact => order,
            // The timestamp lies within the day.
            Order::Equal => return Ok(Test::Never),
            Order::Different => {
                return Ok(Test::Range { column, low: i64::MIN, high: i64::MAX, within: true });
            }
            Order::Less | Order::LessEqual => Order::LessEqual,
            Order::Greater | Order::GreaterEqual => Order::Greater,
        };
        Test::compare(column, order, &Datum::I64(day))
    }

    /// One of these values, or (not `among`) none of them.
    pub fn list(column: Column, values: &[Datum], among: bool) -> Test {
        if !among && values.iter().any(Datum::is_null) {
            return Test::Never;
        }
        if column.kind.is_whole() {
            return Test::Wholes { column, values: values.iter().filter_map(whole_of).collect(), among };
        }
        let blanks = column.kind == Kind::Blanks;
        let bytes = |v: &Datum| match v {
            Datum::Bytes(v) if blanks => Some(trim_blanks(v).to_vec()),
            Datum::Bytes(v) => Some(v.to_vec()),
            _ => None,
        };
        Test::Texts { column, values: values.iter().filter_map(bytes).collect(), among }
    }

    pub fn like(column: Column, pattern: Arc<Parts>, negated: bool) -> Test {
        Test::Like { column, pattern, negated }
    }
    pub fn starts(column: Column, starts: Arc<Starts>, among: bool) -> Test {
        Test::Starts { column, starts, among }
    }
    pub fn columns(left: Column, order: Order, right: Column) -> Test {
        Test::Columns { left, right, order }
    }
    pub fn null(column: Column, negated: bool) -> Test {
        Test::Null { column, negated }
    }

    /// Takes another test's part over, where both are ranges of one column.
    pub fn joined(&mut self, other: &Test) -> bool {
        match (self, other) {
            (
                Test::Range { column: a, low, high, within: true },
                Test::Range { column: b, low: l, high: h, within: true },
            ) if a.index == b.index => {
                (*low, *high) = ((*low).max(*l), (*high).min(*h));
                true
            }
            _ => false,
        }
    }

    /// What a row costs, roughly; less than 2: nothing but the fixed part of it is looked at.
    pub fn effort(&self) -> u8 {
        match self {
            Test::Never | Test::Null { .. } | Test::Range { .. } => 0,
            Test::Wholes { .. } | Test::Floats { .. } | Test::Columns { .. } => 1,
            Test::Starts { .. } => 2,
            Test::Like { pattern, .. } if pattern.is_prefix() => 2,
            Test::Numbers { .. } | Test::Texts { .. } => 3,
            Test::Like { .. } => 4,
        }
    }

    /// Keeps those of a page's rows that pass.
    pub fn narrow(
        &self,
        layout: &RowLayout,
        heap: &Heap,
        page: &PageRows<'_>,
        kept: &mut KeptRows,
    ) -> Result<()> {
        let mut failed = None;
        let mut slow = |body: &[u8]| match self.passes(layout, heap, body) {
            Ok(passes) => passes,
            Err(e) => {
                failed.get_or_insert(e);
                false
            }
        };
        // One loop for each kind of value: what the kind is, is asked outside.
        macro_rules! loops {
            ($column:expr, $($n:literal $kind:ident $t:ty),+; $test:expr) => {
                match ($column.kind, $column.fixed_in(page)) {
                    $((Kind::$kind, Some(at)) => {
                        kept.narrow_fixed::<$n>(page, at, |v| $test(<$t>::from_le_bytes(*v).into()))
                    })+
                    $((Kind::$kind, None) => kept.narrow(page, |body| match $column.fixed::<$n>(body) {
                        Some(v) => $test(<$t>::from_le_bytes(*v).into()),
                        None => slow(body),
                    }),)+
                    (Kind::Bool, Some(at)) => {
                        kept.narrow_fixed::<1>(page, at, |v| $test(i64::from(v[0] != 0)))
                    }
                    (Kind::Bool, None) => kept.narrow(page, |body| match $column.fixed::<1>(body) {
                        Some(v) => $test(i64::from(v[0] != 0)),
                        None => slow(body),
                    }),
                    _ => kept.narrow(page, &mut slow),
                }
            };
        }
        macro_rules! varying {
            ($column:expr, $test:expr) => {
                match $column.varying_in(page) {
                    Some(place) => kept.narrow_varying(page, place, $test, &mut slow),
                    None => kept.narrow(page, |body| match $column.varying(body) {
                        Some(v) => $test(v),
                        None => slow(body),
                    }),
                }
            };
        }
        match self {
            Test::Range { column, low, high, within } => loops!(
                column, 2 I16 i16, 4 I32 i32, 4 U32 u32, 8 I64 i64;
                |v: i64| ((*low <= v) & (v <= *high)) == *within
            ),
            Test::Wholes { column, values, among } => loops!(
                column, 2 I16 i16, 4 I32 i32, 4 U32 u32, 8 I64 i64;
                |v: i64| values.contains(&v) == *among
            ),
            Test::Floats { column, order, value } => match column.kind {
                Kind::F64 => kept.narrow(page, |body| match column.fixed::<8>(body) {
                    Some(v) => order.accepts(compare_f64(f64::from_le_bytes(*v), *value)),
                    None => slow(body),
                }),
                _ => kept.narrow(page, |body| match column.fixed::<4>(body) {
                    Some(v) => order.accepts(compare_f64(f32::from_le_bytes(*v).into(), *value)),
                    None => slow(body),
                }),
            },
            Test::Numbers { column, order, bound } => {
                varying!(column, |v: &[u8]| order.accepts(bound.compare(v)))
            }
            Test::Texts { column, values, among } if column.kind == Kind::Blanks => {
                varying!(column, |v: &[u8]| values.iter().any(|x| is_with_blanks(v, x)) == *among)
            }
            Test::Texts { column, values, among } => {
                varying!(column, |v: &[u8]| values.iter().any(|x| x[..] == *v) == *among)
            }
            Test::Like { column, pattern, negated } => {
                varying!(column, |v: &[u8]| pattern.matches(v) != *negated)
            }
            Test::Starts { column, starts, among } if column.kind == Kind::Blanks => {
                varying!(column, |v: &[u8]| starts.has(trim_blanks(v)) == *among)
            }
            Test::Starts { column, starts, among } => {
                varying!(column, |v: &[u8]| starts.has(v) == *among)
            }
            Test::Columns { left, right, order } if (left.kind, right.kind) == (Kind::I32, Kind::I32) => {
                let accepts = |l: &[u8; 4], r: &[u8; 4]| {
                    order.accepts(i32::from_le_bytes(*l).cmp(&i32::from_le_bytes(*r)))
                };
                match left.fixed_in(page).zip(right.fixed_in(page)) {
                    Some(places) => kept.narrow_pairs::<4>(page, places, accepts),
                    None => kept.narrow(page, |body| match (left.fixed(body), right.fixed(body)) {
                        (Some(l), Some(r)) => accepts(l, r),
                        _ => slow(body),
                    }),
                }
            }
            Test::Columns { left, right, order } => {
                kept.narrow(page, |body| match (left.whole(body), right.whole(body)) {
                    (Some(l), Some(r)) => order.accepts(l.cmp(&r)),
                    _ => slow(body),
                })
            }
            Test::Null { column, negated } => kept.narrow(page, |body| {
                let row = RowRef::new(layout, body);
                let null = match column.index < row.natts() {
                    true => row.is_null(column.index),
                    false => column.missing.is_null(),
                };
                null != *negated
            }),
            Test::Never => kept.narrow(page, |_| false),
        }
        failed.map_or(Ok(()), Err)
    }

    /// The test of one row of any form.
    fn passes(&self, layout: &RowLayout, heap: &Heap, body: &[u8]) -> Result<bool> {
        let of = |column: &Column| column.datum(layout, heap, body);
        Ok(match self {
            Test::Range { column, low, high, within } => match whole_of(&of(column)?) {
                Some(v) => ((*low <= v) & (v <= *high)) == *within,
                None => false,
            },
            Test::Wholes { column, values, among } => match whole_of(&of(column)?) {
                Some(v) => values.contains(&v) == *among,
                None => false,
            },
            Test::Floats { column, order, value } => match float_of(&of(column)?) {
                Some(v) => order.accepts(compare_f64(v, *value)),
                None => false,
            },
            Test::Numbers { column, order, bound } => match of(column)? {
                Datum::Bytes(v) => order.accepts(bound.compare(&v)),
                _ => false,
            },
            Test::Texts { column, values, among } => match of(column)? {
                Datum::Bytes(v) if column.kind == Kind::Blanks => {
                    values.iter().any(|x| is_with_blanks(&v, x)) == *among
                }
                Datum::Bytes(v) => values.iter().any(|x| x[..] == *v) == *among,
                _ => false,
            },
            Test::Like { column, pattern, negated } => match of(column)? {
                Datum::Bytes(v) => pattern.matches(&v) != *negated,
                _ => false,
            },
            Test::Starts { column, starts, among } => match of(column)? {
                Datum::Bytes(v) if column.kind == Kind::Blanks => starts.has(trim_blanks(&v)) == *among,
                Datum::Bytes(v) => starts.has(&v) == *among,
                _ => false,
            },
            Test::Columns { left, right, order } => match (whole_of(&of(left)?), whole_of(&of(right)?)) {
                (Some(l), Some(r)) => order.accepts(l.cmp(&r)),
                _ => false,
            },
            Test::Null { column, negated } => of(column)?.is_null() != *negated,
            Test::Never => false,
        })
    }
}
