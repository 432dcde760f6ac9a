//! BRIN index scans: the ranges of blocks that may have rows, as whole pages.

use super::super::key_value::{Carried, carry};
use super::super::rows::open_heap;
use super::super::tid_bitmap::TidBitmap;
use super::{MethodScan, Test, elements};
use crate::context::Cx;
use quarry_catalog::{IndexDef, Relation};
use quarry_common::{Error, Result};
use quarry_storage::Snapshot;
use quarry_storage::index::{Brin, BrinCond, BrinTest, KeyRange};
use quarry_storage::stats::Reads;
use quarry_types::key::codec_of;
use quarry_types::{Datum, TypeRef};
use std::ops::Bound;

/// Rows that PostgreSQL counts for each page of a bitmap.
const ROWS_PER_PAGE: u64 = 10;

fn key_of(value: &Datum, ty: &TypeRef) -> Result<Vec<u8>> {
    let mut out = vec![];
    (codec_of(ty)?.encode)(value, &mut out);
    Ok(out)
}

/// What a condition asks of a column's key; none: no key satisfies it.
fn test_of(test: Test, value: &Datum, ty: &TypeRef) -> Result<Option<BrinTest>> {
    let range = |lower, upper| Ok(Some(BrinTest::Range(KeyRange::new(lower, upper))));
    match test {
        Test::Null => return Ok(Some(BrinTest::IsNull)),
        Test::NotNull => return Ok(Some(BrinTest::IsNotNull)),
        Test::In => {
            let keys = elements(value, ty.oid).iter().map(|v| key_of(v, ty)).collect::<Result<Vec<_>>>()?;
            return Ok((!keys.is_empty()).then_some(BrinTest::AnyOf(keys)));
        }
        Test::Operator(_) => return Err(Error::internal("a condition that only GIN knows")),
        Test::Eq | Test::Lt | Test::Le | Test::Gt | Test::Ge => {}
    }
    let (key, between) = match (carry(value.clone(), ty.oid), test) {
        (Carried::Exact(v), _) => (key_of(&v, ty)?, false),
        (Carried::After(v), _) => (key_of(&v, ty)?, true),
        (Carried::Below, Test::Gt | Test::Ge) | (Carried::Above, Test::Lt | Test::Le) => {
            return Ok(Some(BrinTest::IsNotNull));
        }
        (Carried::Below | Carried::Above, _) => return Ok(None),
    };
    match (test, between) {
        (Test::Eq, true) => Ok(None),
        (Test::Eq, false) => Ok(Some(BrinTest::Equal(key))),
        (Test::Lt, false) => range(Bound::Unbounded, Bound::Excluded(key)),
        (Test::Le, _) | (Test::Lt, true) => range(Bound::Unbounded, Bound::Included(key)),
        (Test::Ge, false) => range(Bound::Included(key), Bound::Unbounded),
        _ => range(Bound::Excluded(key), Bound::Unbounded),
    }
}

impl MethodScan {
    pub(super) fn fill_brin(
        &self,
        cx: &mut Cx<'_>,
        relation: &Relation,
        index: &IndexDef,
        values: &[Datum],
        snapshot: &Snapshot,
        out: &mut TidBitmap,
    ) -> Result<u64> {
        let mut conds = vec![];
        for (c, value) in self.conds.iter().zip(values) {
            match test_of(c.test, value, &self.types[c.key])? {
                Some(test) => conds.push(BrinCond { column: c.key, test }),
                None => return Ok(0),
            }
        }
        let heap_blocks = open_heap(cx.env, relation)?.blocks()?;
        let brin = Brin::open(&cx.env.storage, index.storage).with_name(index.name.clone());
        let mut pages = 0;
        for range in brin.matching_ranges(snapshot, heap_blocks, &conds)? {
            cx.check_cancelled()?;
            for block in range.start..range.end.min(heap_blocks) {
                out.add_page(block);
                pages += 1;
            }
        }
        brin.count_reads(snapshot, Reads { scans: 1, ..Reads::default() });
        Ok(pages * ROWS_PER_PAGE)
    }
}
