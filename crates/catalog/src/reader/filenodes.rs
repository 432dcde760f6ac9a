//! From relations' files back to relations.

use super::CatalogReader;
use crate::builtin::columns::pg_class;
use hashbrown::HashMap;
use quarry_common::{Oid, Result};

/// A relation that has files.
#[derive(Clone, Debug)]
pub struct FiledRelation {
    pub oid: Oid,
    pub name: String,
    pub is_temporary: bool,
}

impl CatalogReader {
    /// The relations of this database by file number.
    pub fn relations_by_filenode(&self) -> Result<HashMap<u32, FiledRelation>> {
        let mut all = HashMap::new();
        for (_, row) in self.table(pg_class::TABLE).scan(&self.snapshot())? {
            let file = row.oid(pg_class::RELFILENODE);
            if file.is_valid() {
                let oid = row.oid(pg_class::OID);
                let is_temporary = row.char(pg_class::RELPERSISTENCE) == 't';
                let name = row.string(pg_class::RELNAME);
                all.insert(file.0, FiledRelation { oid, name, is_temporary });
            }
        }
        Ok(all)
    }
}
