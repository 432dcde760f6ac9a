//! Scans of indexes that are no B-trees, as sources of bitmaps. Rows they give are tested again unless GIN's operator class is sure of them.

mod brin;
mod gin;
mod hash;

pub use hash::HashIndexScan;

use super::key_value::{Carried, carry};
use super::tid_bitmap::TidBitmap;
use crate::build::Builder;
use crate::context::Cx;
use crate::expr::{Layout, Program};
use quarry_catalog::{IndexDef, Relation};
use quarry_common::{Error, Oid, Result};
use quarry_plan::physical::{IndexCond, IndexTest};
use quarry_storage::Snapshot;
use quarry_types::array::ArrayRef;
use quarry_types::{Datum, TypeRef};

/// What a condition asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Test {
    Eq,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    Null,
    NotNull,
    /// By its number in the operator family.
    Operator(u16),
}

struct Cond {
    key: usize,
    test: Test,
    value: Option<Program>,
}

/// The conditions of a scan, compiled.
pub struct MethodScan {
    conds: Vec<Cond>,
    types: Vec<TypeRef>,
}

impl MethodScan {
    pub fn compile(b: &mut Builder<'_>, index: &IndexDef, conds: &[IndexCond]) -> Result<MethodScan> {
        let none = Layout::default();
        let types = index.keys.iter().map(|k| b.type_ref(k.ty.oid)).collect::<Result<_>>()?;
        let mut out = Vec::with_capacity(conds.len());
        for c in conds {
            let (test, value) = match &c.test {
                IndexTest::Eq(e) => (Test::Eq, Some(e)),
                IndexTest::Lt(e) => (Test::Lt, Some(e)),
                IndexTest::Le(e) => (Test::Le, Some(e)),
                IndexTest::Gt(e) => (Test::Gt, Some(e)),
                IndexTest::Ge(e) => (Test::Ge, Some(e)),
                IndexTest::In(e) => (Test::In, Some(e)),
                IndexTest::IsNull => (Test::Null, None),
                IndexTest::IsNotNull => (Test::NotNull, None),
                IndexTest::Operator { strategy, value } => (Test::Operator(*strategy), Some(value)),
                IndexTest::Row(..) | IndexTest::Skip => {
                    return Err(Error::internal("a condition that only B-trees know"));
                }
            };
            let value = value.map(|e| b.expr(e, &none)).transpose()?;
            out.push(Cond { key: c.key, test, value });
        }
        Ok(MethodScan { conds: out, types })
    }

    /// The values compared with; none: one is NULL, and no row satisfies the conditions.
    fn values(&self, cx: &mut Cx<'_>) -> Result<Option<Vec<Datum>>> {
        let mut values = Vec::with_capacity(self.conds.len());
        for c in &self.conds {
            let value = c.value.as_ref().map(|p| p.row(cx, &[])).transpose()?;
            if value.as_ref().is_some_and(Datum::is_null) {
                return Ok(None);
            }
            values.push(value.unwrap_or_default());
        }
        Ok(Some(values))
    }

    /// Adds what the index finds; gives the number of rows that it counts for EXPLAIN.
    pub fn fill(
        &self,
        cx: &mut Cx<'_>,
        relation: &Relation,
        index: &IndexDef,
        snapshot: &Snapshot,
        out: &mut TidBitmap,
    ) -> Result<u64> {
        let Some(values) = self.values(cx)? else { return Ok(0) };
        match index.method {
            "hash" => self.fill_hash(cx, index, &values, snapshot, out),
            "gin" => self.fill_gin(cx, index, &values, snapshot, out),
            "brin" => self.fill_brin(cx, relation, index, &values, snapshot, out),
            other => Err(Error::unsupported(format_args!("access method \"{other}\""))),
        }
    }
}

/// A value of the key's type that equals this one; none: no key equals it.
fn equal_key(value: Datum, key: Oid) -> Option<Datum> {
    match carry(value, key) {
        Carried::Exact(v) => Some(v),
        Carried::Below | Carried::Above | Carried::After(_) => None,
    }
}

/// The elements of an array that aren't NULL, as values of the key's type.
fn elements(array: &Datum, key: Oid) -> Vec<Datum> {
    ArrayRef::of(array).iter().filter(|v| !v.is_null()).filter_map(|v| equal_key(v, key)).collect()
}
