//! What is there before any user makes anything: the system catalogs' own shape, their built-in rows, and the bootstrap that
//! writes them.
//!
//! [`tables`] says which catalogs exist; `data/*.tsv` hold PostgreSQL 15's facts (OIDs, names, flags) in COPY text form for catalogs
//! that no Rust declaration generates; [`columns`] names the positions in rows.

pub mod access_method;
pub mod bootstrap;
pub mod columns;
pub mod opclass;
pub mod operators;
pub mod procs;

mod tables;

use quarry_common::Oid;

/// A column of a system catalog.
#[derive(Debug)]
pub struct CatalogColumn {
    pub name: &'static str,
    pub ty: Oid,
    pub not_null: bool,
}

/// An index of a system catalog. Its keys are plain columns, ascending, NULLs last.
#[derive(Debug)]
pub struct CatalogIndex {
    pub oid: u32,
    pub name: &'static str,
    pub unique: bool,
    pub primary: bool,
    /// OID of the constraint over it; 0: none.
    pub constraint: u32,
    /// Attribute numbers, from 1.
    pub columns: &'static [i16],
    pub opclasses: &'static [u32],
}

/// A system catalog. Its relfilenode is its OID, for ever.
#[derive(Debug)]
pub struct CatalogTable {
    pub oid: u32,
    pub name: &'static str,
    /// One for the whole server, rather than one per database.
    pub shared: bool,
    pub row_type: u32,
    pub array_type: u32,
    /// 0: none.
    pub toast: u32,
    pub toast_index: u32,
    pub columns: &'static [CatalogColumn],
    pub indexes: &'static [CatalogIndex],
}

impl CatalogTable {
    /// The OID as other crates take it.
    pub fn oid(&self) -> Oid {
        Oid(self.oid)
    }
}

/// Every system catalog, by rising OID.
pub fn catalog_tables() -> &'static [CatalogTable] {
    tables::TABLES
}

/// Position in [`catalog_tables`].
pub fn catalog_table_position(oid: u32) -> Option<usize> {
    tables::TABLES.binary_search_by_key(&oid, |t| t.oid).ok()
}

/// The system catalog with this OID.
pub fn catalog_table(oid: u32) -> Option<&'static CatalogTable> {
    catalog_table_position(oid).map(|i| &tables::TABLES[i])
}

/// OIDs of things that code refers to.
pub mod oids {
    #![allow(missing_docs)]
    use quarry_common::Oid;

    pub const SUPERUSER: Oid = Oid(10);
    pub const PG_CATALOG: Oid = Oid(11);
    pub const PG_TOAST: Oid = Oid(99);
    pub const PUBLIC: Oid = Oid(2200);
    pub const INFORMATION_SCHEMA: Oid = Oid(13207);
    pub const PG_DATABASE_OWNER: Oid = Oid(6171);
    pub const PG_READ_ALL_DATA: Oid = Oid(6181);
    pub const PG_WRITE_ALL_DATA: Oid = Oid(6182);
    pub const PG_MONITOR: Oid = Oid(3373);
    pub const PG_READ_ALL_SETTINGS: Oid = Oid(3374);
    pub const PG_READ_ALL_STATS: Oid = Oid(3375);
    pub const DEFAULT_TABLESPACE: Oid = Oid(1663);
    pub const GLOBAL_TABLESPACE: Oid = Oid(1664);
    pub const HEAP_AM: Oid = Oid(2);
    pub const BTREE_AM: Oid = Oid(403);
    pub const HASH_AM: Oid = Oid(405);
    pub const GIST_AM: Oid = Oid(783);
    pub const GIN_AM: Oid = Oid(2742);
    pub const BRIN_AM: Oid = Oid(3580);
    pub const SPGIST_AM: Oid = Oid(4000);
    pub const DEFAULT_COLLATION: Oid = Oid(100);
    pub const C_COLLATION: Oid = Oid(950);
    pub const TEMPLATE1: Oid = Oid(1);
    pub const TEMPLATE0: Oid = Oid(4);
    pub const POSTGRES_DB: Oid = Oid(5);
    pub const INTERNAL_LANGUAGE: Oid = Oid(12);
    pub const C_LANGUAGE: Oid = Oid(13);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_consistent() {
        let mut last = 0;
        for t in catalog_tables() {
            assert!(t.oid > last, "{} out of order", t.name);
            last = t.oid;
            for i in t.indexes {
                assert_eq!(i.columns.len(), i.opclasses.len(), "{}", i.name);
                assert!(i.columns.iter().all(|c| *c > 0 && *c as usize <= t.columns.len()), "{}", i.name);
            }
        }
        assert_eq!(catalog_table(1259).map(|t| t.name), Some("pg_class"));
        assert_eq!(catalog_table(1259).unwrap().columns[columns::pg_class::RELKIND].name, "relkind");
        assert!(catalog_table(1).is_none());
    }
}
