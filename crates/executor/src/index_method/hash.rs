//! Hash indexes: one column, equality only.

use crate::env::ExecEnv;
use quarry_catalog::IndexDef;
use quarry_common::{Error, Result, Tid};
use quarry_storage::Transaction;
use quarry_storage::index::HashIndex;
use quarry_types::key::{self, KeyOrder};
use quarry_types::{Datum, IoContext, TypeRef};

/// The type that a hash index is of.
pub(crate) fn key_type(index: &IndexDef, io: &IoContext<'_>) -> Result<TypeRef> {
    let key = index.keys.first().ok_or_else(|| Error::internal("a hash index without a key"))?;
    io.type_ref(key.ty.oid)
}

/// A value's key, in `out`; false: it is NULL, which hash indexes don't have.
pub(crate) fn encode(value: &Datum, ty: &TypeRef, out: &mut Vec<u8>) -> Result<bool> {
    out.clear();
    if value.is_null() {
        return Ok(false);
    }
    key::encode_datum(value, ty, KeyOrder::ASC, out)?;
    Ok(true)
}

pub(crate) struct HashKeeper {
    pub index: HashIndex,
    ty: TypeRef,
    key: Vec<u8>,
}

impl HashKeeper {
    pub fn open(env: &ExecEnv, index: &IndexDef) -> Result<HashKeeper> {
        Ok(HashKeeper {
            index: HashIndex::open(&env.storage, index.storage).with_name(index.name.clone()),
            ty: key_type(index, &env.io())?,
            key: vec![],
        })
    }

    /// A row's key; none if it is left out.
    pub fn key(&mut self, values: &[Datum]) -> Result<Option<&[u8]>> {
        Ok(encode(&values[0], &self.ty, &mut self.key)?.then_some(&self.key[..]))
    }

    pub fn insert(&mut self, txn: &Transaction, values: &[Datum], tid: Tid) -> Result<()> {
        match encode(&values[0], &self.ty, &mut self.key)? {
            true => self.index.insert(txn, &self.key, tid),
            false => Ok(()),
        }
    }
}
