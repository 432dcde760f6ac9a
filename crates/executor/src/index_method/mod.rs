//! Indexes that are no B-trees, as writers, builds and scans use them: what entries a row's key values make.
//!
//! Storage knows no types, so here is where a value becomes what its method keeps: hash takes the order-preserving key of its one column (rows
//! with NULL are left out), GIN the keys that the operator class finds in each column's value, BRIN each column's key, which it
//! summarises by ranges of blocks.

pub mod brin;
mod build;
pub mod gin;
pub mod hash;

pub(crate) use build::{add_missing, build};

use crate::env::ExecEnv;
use quarry_catalog::IndexDef;
use quarry_common::{BlockNo, Error, Result, Tid};
use quarry_storage::index::gin::Gin;
use quarry_storage::index::{Brin, HashIndex, IndexMethod};
use quarry_storage::{Storage, Transaction};
use quarry_types::Datum;
use std::sync::Arc;

/// An index of a method other than the B-tree, open for writing.
pub(crate) enum Keeper {
    Hash(hash::HashKeeper),
    Gin(Box<gin::GinKeeper>),
    Brin(brin::BrinKeeper),
}

impl Keeper {
    pub fn open(env: &ExecEnv, index: &IndexDef) -> Result<Keeper> {
        Ok(match index.method {
            "hash" => Keeper::Hash(hash::HashKeeper::open(env, index)?),
            "gin" => Keeper::Gin(Box::new(gin::GinKeeper::open(env, index)?)),
            "brin" => Keeper::Brin(brin::BrinKeeper::open(env, index)?),
            other => return Err(unknown(other)),
        })
    }

    /// Puts a row in. A block: the range of blocks that begins there is to be summarised by someone else.
    pub fn insert(&mut self, txn: &Transaction, values: &[Datum], tid: Tid) -> Result<Option<BlockNo>> {
        match self {
            Keeper::Hash(k) => k.insert(txn, values, tid).map(|()| None),
            Keeper::Gin(k) => k.insert(txn, values, tid).map(|()| None),
            Keeper::Brin(k) => k.insert(txn, values, tid),
        }
    }
}

fn unknown(method: &str) -> Error {
    Error::unsupported(format_args!("access method \"{method}\""))
}

/// An index as vacuum and ANALYZE see it.
pub fn open(storage: &Arc<Storage>, index: &IndexDef) -> Result<Box<dyn IndexMethod>> {
    let name = || index.name.clone();
    Ok(match index.method {
        "btree" => Box::new(
            quarry_storage::index::BTree::open(storage, index.storage, index.unique).with_name(name()),
        ),
        "hash" => Box::new(HashIndex::open(storage, index.storage).with_name(name())),
        "gin" => Box::new(open_gin(storage, index)),
        "brin" => Box::new(Brin::open(storage, index.storage).with_name(name())),
        other => return Err(unknown(other)),
    })
}

/// A GIN index, not to be written to by statements of a session.
pub fn open_gin(storage: &Arc<Storage>, index: &IndexDef) -> Gin {
    Gin::open(storage, index.storage, gin::options(index, None)).with_name(index.name.clone())
}
