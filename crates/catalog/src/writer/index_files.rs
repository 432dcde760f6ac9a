//! Files of empty indexes, by access method.

use crate::builtin::opclass;
use crate::defs::IndexKey;
use quarry_common::{Error, Result};
use quarry_storage::index::gin::Gin;
use quarry_storage::index::{BTree, Brin, BrinKind, BrinOptions, HashIndex};
use quarry_storage::{Persistence, RelId, Storage, Transaction};
use std::sync::Arc;

/// What the files of an index are made by.
pub(super) struct IndexFiles<'a> {
    pub method: &'static str,
    pub keys: &'a [IndexKey],
    pub key_options: &'a [Vec<(String, String)>],
    pub options: &'a [(String, String)],
}

/// A hash page is filled so far, in percent.
const HASH_FILLFACTOR: u16 = 75;

impl IndexFiles<'_> {
    /// Makes them; they go away if the transaction is rolled back.
    pub fn create(
        &self,
        storage: &Arc<Storage>,
        txn: &Transaction,
        rel: RelId,
        persistence: Persistence,
    ) -> Result<()> {
        match self.method {
            "btree" => BTree::create_as(storage, txn, rel, persistence),
            "hash" => {
                let fillfactor = number(self.options, "fillfactor").unwrap_or(HASH_FILLFACTOR);
                HashIndex::create_as(storage, txn, rel, persistence, fillfactor)
            }
            "gin" => Gin::create_as(storage, txn, rel, persistence),
            "brin" => Brin::create_as(storage, txn, rel, persistence, &self.brin()?),
            other => Err(Error::unsupported(format_args!("access method \"{other}\""))),
        }
    }
}

/// Pages that share a summary.
const PAGES_PER_RANGE: u32 = 128;
/// Parameters of BRIN's operator classes.
const VALUES_PER_RANGE: u16 = 32;
const DISTINCT_PER_RANGE: f64 = -0.1;
const FALSE_POSITIVE_RATE: f64 = 0.01;

impl IndexFiles<'_> {
    fn brin(&self) -> Result<BrinOptions> {
        let mut columns = Vec::with_capacity(self.keys.len());
        for (i, key) in self.keys.iter().enumerate() {
            let options = self.key_options.get(i).map_or(&[][..], |o| o);
            let name = opclass::opclass(key.opclass).map_or("", |c| c.name);
            columns.push(if name.ends_with("_minmax_multi_ops") {
                let values = number(options, "values_per_range").unwrap_or(VALUES_PER_RANGE);
                BrinKind::MinMaxMulti { values_per_range: values }
            } else if name.ends_with("_bloom_ops") {
                BrinKind::Bloom {
                    n_distinct_per_range: number(options, "n_distinct_per_range")
                        .unwrap_or(DISTINCT_PER_RANGE),
                    false_positive_rate: number(options, "false_positive_rate")
                        .unwrap_or(FALSE_POSITIVE_RATE),
                }
            } else if name.ends_with("_minmax_ops") {
                BrinKind::MinMax
            } else {
                return Err(Error::unsupported(format_args!("operator class \"{name}\"")));
            });
        }
        let pages_per_range = number(self.options, "pages_per_range").unwrap_or(PAGES_PER_RANGE);
        Ok(BrinOptions { pages_per_range, columns })
    }
}

fn number<T: std::str::FromStr>(options: &[(String, String)], name: &str) -> Option<T> {
    options.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.trim().parse().ok())
}
