//! Changes of the catalog. Each method is one primitive: rows, dependencies, files and cache invalidation of one change; the commands
//! above (session) check privileges and put primitives together.
//!
//! A primitive ends with `advance_command`, so that the next one sees it. Table locks are the caller's business, except in
//! [`CatalogWriter::plan_drop`], which locks what it finds.

mod alter;
mod column;
mod comment;
mod constraint;
mod database;
mod default_acl;
mod depend;
mod drop;
mod extension;
mod grant;
mod index;
mod index_files;
mod index_state;
mod naming;
mod owned;
mod relation;
mod role;
mod schema;
mod sequence;
mod statistics;
mod stats;
mod text_search;
mod types;
mod view;

pub use column::NewColumn;
pub use constraint::NewConstraint;
pub use database::NewDatabase;
pub use default_acl::DefaultGrant;
pub use drop::DropPlan;
pub use grant::{ColumnGrant, GrantKind, GrantSpec};
pub use index::NewIndex;
pub use index_state::IndexState;
pub use naming::make_object_name;
pub use relation::NewRelation;
pub use role::NewRole;
pub use sequence::NewSequence;
pub use statistics::{ExpressionStats, StatisticsData};
pub use types::NewDomain;

use crate::cache::{NameKey, Touched};
use crate::reader::CatalogReader;
use crate::row::{Row, oid_datum};
use quarry_common::{Error, Oid, Result, Tid};
use quarry_storage::Snapshot;
use quarry_types::Datum;
use std::ops::Deref;
use std::sync::Arc;

/// Changes the catalog for one transaction; also reads it, own changes included.
#[derive(Clone)]
pub struct CatalogWriter {
    reader: CatalogReader,
}

impl Deref for CatalogWriter {
    type Target = CatalogReader;
    fn deref(&self) -> &CatalogReader {
        &self.reader
    }
}

/// What becomes of a change of a row that another transaction has changed meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Concurrent {
    /// It is an error.
    Fails,
    /// It is an error, and the row is written even if it stays the same.
    Always,
    /// It is made on top.
    Kept,
}

/// Whether two versions of a row differ in nothing but what [`CatalogWriter::note_in_row`] notes.
fn differs_only_in_counts(table: u32, a: &Row, b: &Row) -> bool {
    use crate::builtin::columns::pg_class as c;
    let counts: &[usize] = match table {
        c::TABLE => {
            &[c::RELPAGES, c::RELTUPLES, c::RELALLVISIBLE, c::RELHASINDEX, c::RELFROZENXID, c::RELMINMXID]
        }
        _ => &[],
    };
    // Counts are noted only where they are new: who writes a row as it is changes something else.
    a != b && a.0.iter().zip(&b.0).enumerate().all(|(i, (a, b))| a == b || counts.contains(&i))
}

impl CatalogWriter {
    pub(crate) fn new(reader: CatalogReader) -> CatalogWriter {
        CatalogWriter { reader }
    }
    /// The reading side.
    pub fn reader(&self) -> &CatalogReader {
        &self.reader
    }
    /// A new object's OID.
    pub fn new_oid(&self) -> Result<Oid> {
        self.catalog().storage().new_oid()
    }
    /// Makes what was written visible to what follows.
    pub(crate) fn advance(&self) {
        self.txn().advance_command();
    }
    /// What a catalog row holds for an expression: names in literals bound, both forms.
    pub(crate) fn stored_field(&self, sql: &str, pretty: Option<&str>) -> String {
        let pretty = pretty.map(|p| self.bind_literals(p));
        crate::stored::encode_expression(&self.bind_literals(sql), pretty.as_deref())
    }
    pub(crate) fn stored_expr(&self, e: &crate::StoredExpr) -> String {
        self.stored_field(&e.sql, e.pretty.as_deref())
    }
    /// Notes that cached objects change. Before the first row is written.
    pub(crate) fn touch(&self, touched: impl IntoIterator<Item = Touched>) {
        let overlay = self.overlay_for_write();
        overlay.touch(self.db(), touched);
        // Registered each time: a savepoint's rollback drops the callbacks made inside it. All but one find nothing left to do.
        let catalog = Arc::downgrade(self.catalog());
        self.txn().on_commit(Box::new(move || {
            if let Some(catalog) = catalog.upgrade() {
                catalog.committed(&overlay);
            }
        }));
    }
    /// Notes that a relation changes, and with it its name's meaning.
    pub(crate) fn touch_relation(&self, oid: Oid, schema: Oid, name: &str) {
        self.touch([
            Touched::Relation(oid),
            Touched::RelationName(NameKey { schema, name: name.to_owned() }),
        ]);
    }

    pub(crate) fn insert(&self, table: u32, row: &Row) -> Result<Tid> {
        self.table(table).insert(self.txn(), row)
    }
    pub(crate) fn update(&self, table: u32, tid: Tid, old: &Row, new: &Row) -> Result<()> {
        self.table(table).update(self.txn(), tid, old, new)
    }
    pub(crate) fn delete(&self, table: u32, tid: Tid) -> Result<()> {
        self.table(table).delete(self.txn(), tid)
    }
    /// Changes the one row that an index finds; XX000 if there is none, or if another transaction changes it meanwhile. Counts that others note are kept.
    pub(crate) fn change(
        &self,
        table: u32,
        index: u32,
        key: &[Datum],
        f: impl FnMut(&mut Row),
    ) -> Result<()> {
        self.change_row(table, index, key, Concurrent::Fails, f)
    }
    /// As [`CatalogWriter::change`] for counts and the like, which are noted whatever else happens to the row: others' committed changes of other columns
    /// are kept.
    pub(crate) fn note_in_row(
        &self,
        table: u32,
        index: u32,
        oid: Oid,
        f: impl FnMut(&mut Row),
    ) -> Result<()> {
        self.change_row(table, index, &[oid_datum(oid)], Concurrent::Kept, f)
    }
    /// As [`CatalogWriter::change`] of a row that is written, and waited for, even if nothing in it becomes different.
    pub(crate) fn write_row(
        &self,
        table: u32,
        index: u32,
        key: &[Datum],
        f: impl FnMut(&mut Row),
    ) -> Result<()> {
        self.change_row(table, index, key, Concurrent::Always, f)
    }
    fn change_row(
        &self,
        table: u32,
        index: u32,
        key: &[Datum],
        concurrent: Concurrent,
        mut f: impl FnMut(&mut Row),
    ) -> Result<()> {
        let mut seen: Option<Row> = None;
        loop {
            let Some((tid, old)) = self.find_one(&self.snapshot(), table, index, key)? else {
                return Err(Error::internal(format!("cache lookup failed in catalog {table}")));
            };
            if let Some(seen) = &seen
                && concurrent != Concurrent::Kept
                && !differs_only_in_counts(table, seen, &old)
            {
                return Err(Error::internal("tuple concurrently updated"));
            }
            let mut new = old.clone();
            f(&mut new);
            if new == old && concurrent != Concurrent::Always {
                return Ok(());
            }
            if self.table(table).try_update(self.txn(), tid, &old, &new)? {
                return Ok(());
            }
            seen = Some(old);
        }
    }
    /// As [`CatalogWriter::change`] for catalogs found by their OID column's index.
    pub(crate) fn change_oid(&self, table: u32, index: u32, oid: Oid, f: impl FnMut(&mut Row)) -> Result<()> {
        self.change(table, index, &[oid_datum(oid)], f)
    }
    /// Deletes every row that an index finds.
    pub(crate) fn delete_all(&self, snap: &Snapshot, table: u32, index: u32, key: &[Datum]) -> Result<usize> {
        let rows = self.find(snap, table, index, key)?;
        for (tid, _) in &rows {
            self.delete(table, *tid)?;
        }
        Ok(rows.len())
    }
}
