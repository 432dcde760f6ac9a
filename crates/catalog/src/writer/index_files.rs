//! Files of empty indexes, by access method.

use crate::defs::IndexKey;
use quarry_common::{Error, Result};
use quarry_storage::index::gin::Gin;
use quarry_storage::index::{BTree, HashIndex};
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
            other => Err(Error::unsupported(format_args!("access method \"{other}\""))),
        }
    }
}

fn number<T: std::str::FromStr>(options: &[(String, String)], name: &str) -> Option<T> {
    options.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.trim().parse().ok())
}
