//! GIN index scans: the operator class says what to look for, storage finds the rows.

use super::super::tid_bitmap::TidBitmap;
use super::{MethodScan, Test};
use crate::context::Cx;
use crate::index_method::gin::{classes, column_number, options};
use quarry_catalog::IndexDef;
use quarry_common::{Error, Result, Ternary};
use quarry_functions::gin::{GinEntryQuery, GinMode, GinQuery};
use quarry_storage::Snapshot;
use quarry_storage::index::gin::{Gin, GinEntry, GinScanKey, Sample, category};
use quarry_storage::stats::Reads;
use quarry_types::Datum;
use std::sync::Arc;

impl MethodScan {
    pub(super) fn fill_gin(
        &self,
        cx: &mut Cx<'_>,
        index: &IndexDef,
        values: &[Datum],
        snapshot: &Snapshot,
        out: &mut TidBitmap,
    ) -> Result<u64> {
        let classes = classes(index)?;
        let mut keys = vec![];
        for (c, value) in self.conds.iter().zip(values) {
            let Test::Operator(strategy) = c.test else {
                return Err(Error::internal("a comparison of a GIN index's key"));
            };
            let query = classes[c.key].extract_query(&cx.eval(), value, strategy)?;
            match scan_key(column_number(c.key), query) {
                Some(key) => keys.push(key),
                None => return Ok(0),
            }
        }
        if keys.is_empty() {
            keys.push(everything());
        }
        let gin =
            Gin::open(&cx.env.storage, index.storage, options(index, None)).with_name(index.name.clone());
        let session = cx.env.session.clone();
        let limit = session.setting("gin_fuzzy_search_limit").and_then(|text| text.parse::<u64>().ok());
        let sample = limit
            .filter(|rows| *rows > 0)
            .map(|rows| Sample { rows, seed: (session.random() * u64::MAX as f64) as u64 });
        let found = gin.search_some(
            snapshot,
            &keys,
            cx.env.work_mem_bytes,
            sample,
            &mut || session.check_cancelled(),
            &mut |tid, recheck| {
                out.add(tid, recheck);
                Ok(())
            },
        )?;
        gin.count_reads(snapshot, Reads { scans: 1, returned: found, ..Reads::default() });
        Ok(found)
    }
}

/// All rows of the index (a partial one).
fn everything() -> GinScanKey {
    GinScanKey {
        entries: vec![],
        also: vec![GinEntry::everything(column_number(0))],
        exclude_only: false,
        unless: vec![],
        consistent: Arc::new(|_| Ternary::True),
        all: None,
    }
}

/// What a query asks of the index; none: nothing matches it.
fn scan_key(column: u8, query: GinQuery) -> Option<GinScanKey> {
    let entries = query
        .entries
        .iter()
        .map(|e| match e {
            GinEntryQuery::Null => GinEntry::key(column, category::NULL_KEY, &[]),
            GinEntryQuery::Key(key) => GinEntry::key(column, category::NORMAL, key),
            GinEntryQuery::Range { lower, upper } => GinEntry::range(column, lower, upper.as_deref()),
        })
        .collect();
    let (also, exclude_only, unless) = match query.mode {
        GinMode::Nothing => return None,
        GinMode::Default => (vec![], false, vec![]),
        GinMode::IncludeEmpty => (vec![GinEntry::empties_of(column)], false, vec![]),
        GinMode::All => (vec![GinEntry::all_of(column)], true, vec![GinEntry::nulls_of(column)]),
    };
    let all = query.all.filter(|_| query.mode == GinMode::Default);
    Some(GinScanKey { entries, also, exclude_only, unless, consistent: query.consistent, all })
}
