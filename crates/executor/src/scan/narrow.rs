//! Which pages of a table can have rows with the keys of a runtime filter: by a BRIN index's summaries, or by a B-tree whose first
//! key is the column, where the filter's keys are few or close together. Tables without such an index have no bounds by page.
//!
//! All row versions that any snapshot sees have entries in an index that may be used, on the page of the entry: which of them are
//! seen, the scan of the page finds out as ever.

use super::rows::open_heap;
use crate::context::Cx;
use crate::join::filter::KeyFilter;
use quarry_catalog::{IndexDef, Relation};
use quarry_common::{BlockNo, Result};
use quarry_storage::Snapshot;
use quarry_storage::index::{BTree, Brin, BrinCond, BrinTest, Direction, KeyRange};
use quarry_types::key::{self, KeyColumn, KeyOrder, codec_of};
use quarry_types::{Datum, PhysicalType, TypeRef};
use std::ops::{Bound, Range};

/// Pages of a table from which on it is worth the trouble.
const BLOCKS_MIN: BlockNo = 64;

/// Shares of the pages up to which they are read apart from the others: by a B-tree, by summaries.
const TREE_SHARE: u64 = 4;
const SUMMARY_SHARE: (u64, u64) = (3, 4);

/// Entries of a B-tree that are read for each page of the table before it is given up.
const ENTRIES_PER_BLOCK: u64 = 16;

/// Of the index's range of keys, the share up to which it is tried.
const KEYS_SHARE: f64 = 1.0 / 3.0;

/// Keys that summaries are asked for one by one.
const SUMMARY_KEYS_MAX: usize = 64;

/// How many pages these are.
pub(super) fn count(pages: &[Range<BlockNo>]) -> u64 {
    pages.iter().map(|r| u64::from(r.end - r.start)).sum()
}

/// The pages that can have rows with a key of the filter in this column; none if that isn't known or they are many.
pub(super) fn pages(
    cx: &mut Cx<'_>,
    relation: &Relation,
    attribute: usize,
    filter: &KeyFilter,
    blocks: BlockNo,
    snapshot: &Snapshot,
) -> Result<Option<Vec<Range<BlockNo>>>> {
    if blocks < BLOCKS_MIN {
        return Ok(None);
    }
    let Some((low, high)) = filter.bounds() else { return Ok(None) };
    if low > high {
        return Ok(Some(vec![]));
    }
    for index in &relation.indexes {
        let Some(at) = index.keys.iter().position(|k| k.column == Some(attribute)) else { continue };
        if index.predicate_sql.is_some() || !cx.env.reader.may_use_index(index) {
            continue;
        }
        let key = Key::of(cx, index, at)?;
        let found = match index.method {
            "btree" if at == 0 => by_tree(cx, index, &key, filter, blocks, snapshot)?,
            "brin" => by_summaries(cx, relation, index, &key, at, filter, snapshot)?,
            _ => None,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// An index's key column.
struct Key {
    ty: TypeRef,
    order: KeyOrder,
}

impl Key {
    fn of(cx: &Cx<'_>, index: &IndexDef, at: usize) -> Result<Key> {
        let key = &index.keys[at];
        let ty = cx.io.type_ref(key.ty.oid)?;
        Ok(Key { ty, order: KeyOrder { desc: key.descending, nulls_first: key.nulls_first } })
    }

    /// A number as a value of the column; none if the column can't have it.
    fn datum(&self, v: i64) -> Option<Datum> {
        match self.ty.physical {
            PhysicalType::I16 => i16::try_from(v).ok().map(Datum::I16),
            PhysicalType::I32 => i32::try_from(v).ok().map(Datum::I32),
            PhysicalType::I64 => Some(Datum::I64(v)),
            _ => None,
        }
    }

    fn encoded(&self, v: i64) -> Result<Option<Vec<u8>>> {
        let Some(value) = self.datum(v) else { return Ok(None) };
        let mut out = Vec::with_capacity(10);
        key::encode_datum(&value, &self.ty, self.order, &mut out)?;
        Ok(Some(out))
    }

    /// The least and the greatest value the column's type has within the bounds.
    fn clamped(&self, low: i64, high: i64) -> (i64, i64) {
        match self.ty.physical {
            PhysicalType::I16 => (low.max(i64::from(i16::MIN)), high.min(i64::from(i16::MAX))),
            PhysicalType::I32 => (low.max(i64::from(i32::MIN)), high.min(i64::from(i32::MAX))),
            _ => (low, high),
        }
    }
}

fn number(value: &Datum) -> Option<i64> {
    match value {
        Datum::I16(v) => Some(i64::from(*v)),
        Datum::I32(v) => Some(i64::from(*v)),
        Datum::I64(v) => Some(*v),
        _ => None,
    }
}

fn by_tree(
    cx: &Cx<'_>,
    index: &IndexDef,
    key: &Key,
    filter: &KeyFilter,
    blocks: BlockNo,
    snapshot: &Snapshot,
) -> Result<Option<Vec<Range<BlockNo>>>> {
    let tree = BTree::open(&cx.env.storage, index.storage, index.unique);
    let mut ranges: Vec<KeyRange> = vec![];
    match filter.values() {
        Some(values) => {
            for v in values {
                ranges.extend(key.encoded(*v)?.map(|k| KeyRange::prefix(&k)));
            }
        }
        None => {
            let Some((low, high)) = filter.bounds() else { return Ok(None) };
            let (low, high) = key.clamped(low, high);
            if low > high {
                return Ok(Some(vec![]));
            }
            let Some((least, greatest)) = ends(&tree, key)? else { return Ok(None) };
            let width = |a: i64, b: i64| b as f64 - a as f64 + 1.0;
            let share = width(low.max(least), high.min(greatest)) / width(least, greatest);
            if share > KEYS_SHARE {
                return Ok(None);
            }
            let (Some(low), Some(high)) = (key.datum(low), key.datum(high)) else { return Ok(None) };
            let bound = |value| Some(key::KeyBound { value, inclusive: true });
            let range = key::column_range(&[], &key.ty, key.order, bound(&low), bound(&high))?;
            ranges.push(KeyRange::new(range.0, range.1));
        }
    }
    let mut scan = tree.scan(KeyRange::full(), Direction::Forward).read_by(snapshot);
    scan.want_keys(false);
    let mut marked = vec![0u64; blocks as usize / 64 + 1];
    let (mut entries, mut found) = (0u64, 0u64);
    for range in ranges {
        cx.check_cancelled()?;
        scan.restart(range);
        while let Some(e) = scan.next()? {
            entries += 1;
            // Rows added since the scan began are none of its own.
            if e.tid.block < blocks {
                let word = &mut marked[e.tid.block as usize / 64];
                let bit = 1 << (e.tid.block % 64);
                found += u64::from(*word & bit == 0);
                *word |= bit;
            }
            if entries > u64::from(blocks) * ENTRIES_PER_BLOCK || found * TREE_SHARE > u64::from(blocks) {
                return Ok(None);
            }
        }
    }
    Ok(Some(marked_ranges(&marked)))
}

/// The least and the greatest key that isn't NULL.
fn ends(tree: &BTree, key: &Key) -> Result<Option<(i64, i64)>> {
    let (low, high) = key::column_range(&[], &key.ty, key.order, None, None)?;
    let mut found = [None; 2];
    for (direction, to) in [Direction::Forward, Direction::Backward].into_iter().zip(&mut found) {
        let mut scan = tree.scan(KeyRange::new(low.clone(), high.clone()), direction);
        scan.want_keys(true);
        let Some(e) = scan.next()? else { return Ok(None) };
        if let KeyColumn::Value(v) = key::read_column(&mut &e.key[..], &key.ty, key.order)? {
            *to = number(&v);
        }
    }
    let [Some(a), Some(b)] = found else { return Ok(None) };
    Ok(Some((a.min(b), a.max(b))))
}

fn marked_ranges(marked: &[u64]) -> Vec<Range<BlockNo>> {
    let mut out: Vec<Range<BlockNo>> = vec![];
    for (i, word) in marked.iter().enumerate() {
        let mut word = *word;
        while word != 0 {
            let block = (i * 64) as BlockNo + word.trailing_zeros();
            word &= word - 1;
            match out.last_mut() {
                Some(last) if last.end == block => last.end = block + 1,
                _ => out.push(block..block + 1),
            }
        }
    }
    out
}

fn by_summaries(
    cx: &Cx<'_>,
    relation: &Relation,
    index: &IndexDef,
    key: &Key,
    column: usize,
    filter: &KeyFilter,
    snapshot: &Snapshot,
) -> Result<Option<Vec<Range<BlockNo>>>> {
    let encoded = |v: i64| -> Result<Option<Vec<u8>>> {
        let Some(value) = key.datum(v) else { return Ok(None) };
        let mut out = vec![];
        (codec_of(&key.ty)?.encode)(&value, &mut out);
        Ok(Some(out))
    };
    let test = match filter.values().filter(|v| v.len() <= SUMMARY_KEYS_MAX) {
        Some(values) => {
            let mut keys = vec![];
            for v in values {
                keys.extend(encoded(*v)?);
            }
            if keys.is_empty() {
                return Ok(Some(vec![]));
            }
            BrinTest::AnyOf(keys)
        }
        None => {
            let Some((low, high)) = filter.bounds() else { return Ok(None) };
            let (low, high) = key.clamped(low, high);
            let (Some(low), Some(high)) = (encoded(low)?, encoded(high)?) else { return Ok(None) };
            BrinTest::Range(KeyRange::new(Bound::Included(low), Bound::Included(high)))
        }
    };
    let blocks = open_heap(cx.env, relation)?.blocks()?;
    let brin = Brin::open(&cx.env.storage, index.storage).with_name(index.name.clone());
    let found = brin.matching_ranges(snapshot, blocks, &[BrinCond { column, test }])?;
    let few = count(&found) * SUMMARY_SHARE.1 <= u64::from(blocks) * SUMMARY_SHARE.0;
    Ok(few.then_some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_range() {
        assert_eq!(marked_ranges(&[0b1011, 1]), [0..2, 3..4, 64..65]);
        assert_eq!(marked_ranges(&[1 << 63, 1]), vec![63..65]);
        assert_eq!(count(&[0..2, 3..4, 64..65]), 4);
    }
}
