//! Finding schemas and relations.

use super::CatalogReader;
use crate::builtin::columns::pg_constraint;
use crate::builtin::oids;
use crate::cache::{NameKey, NameRef, Touched};
use crate::defs::{ConstraintDef, IndexDef, RelKind, Relation, SchemaDef, SequenceDef};
use crate::row::oid_datum;
use quarry_common::{Error, Oid, Result, SqlState, bail, err};
use quarry_storage::{LockMode, LockTag, WaitPolicy, XidStatus};
use quarry_types::Datum;
use std::sync::Arc;

/// Adds the position, if there is one.
pub(crate) fn at(e: Error, pos: Option<usize>) -> Error {
    match pos {
        Some(p) => e.position(p),
        None => e,
    }
}

impl CatalogReader {
    /// A schema by OID.
    pub fn schema(&self, oid: Oid) -> Result<Option<Arc<SchemaDef>>> {
        self.cached(
            &self.db,
            |c| &c.schemas,
            &oid,
            || Touched::Schema(oid),
            |snap| self.load_schema(snap, oid),
        )
    }
    /// A schema's OID by name; no privilege check, "pg_temp" isn't special.
    pub fn schema_oid(&self, name: &str) -> Result<Option<Oid>> {
        match name {
            "pg_catalog" => return Ok(Some(oids::PG_CATALOG)),
            "information_schema" => {}
            _ => {}
        }
        self.cached(
            &self.db,
            |c| &c.schema_names,
            name,
            || Touched::SchemaName(name.to_owned()),
            |snap| self.load_schema_oid(snap, name),
        )
    }
    /// A schema by name.
    pub fn schema_named(&self, name: &str) -> Result<Option<Arc<SchemaDef>>> {
        match self.schema_oid(name)? {
            Some(oid) => self.schema(oid),
            None => Ok(None),
        }
    }
    /// The schema that an explicit qualification names, if the user may look into it: "pg_temp" is the session's own.
    pub fn explicit_schema(&self, name: &str) -> Result<Option<Oid>> {
        if name == "pg_temp"
            && let Some(oid) = self.session().temp_schema
        {
            return Ok(Some(oid));
        }
        let Some(oid) = self.schema_oid(name)? else { return Ok(None) };
        self.check_schema_usage(oid)?;
        Ok(Some(oid))
    }
    /// As [`CatalogReader::explicit_schema`]; 3F000 if there is none.
    pub fn resolve_schema(&self, name: &str, pos: Option<usize>) -> Result<Oid> {
        match self.explicit_schema(name).map_err(|e| at(e, pos))? {
            Some(oid) => Ok(oid),
            None => Err(at(err!(UNDEFINED_SCHEMA, "schema \"{name}\" does not exist"), pos)),
        }
    }
    /// A schema's name; empty if it is gone.
    pub fn schema_name(&self, oid: Oid) -> Result<String> {
        Ok(self.schema(oid)?.map(|s| s.name.clone()).unwrap_or_default())
    }

    /// A relation by OID.
    pub fn relation(&self, oid: Oid) -> Result<Option<Arc<Relation>>> {
        self.cached(
            &self.db,
            |c| &c.relations,
            &oid,
            || Touched::Relation(oid),
            |snap| self.load_relation(snap, oid),
        )
    }
    /// The OID of a relation by schema and name.
    pub fn relation_in(&self, schema: Oid, name: &str) -> Result<Option<Oid>> {
        let key = NameRef(schema, name);
        self.cached(
            &self.db,
            |c| &c.relation_names,
            &key,
            || Touched::RelationName(NameKey::from(key)),
            |snap| self.load_relation_oid(snap, schema, name),
        )
    }
    /// The OID of the relation an unqualified name means.
    pub fn relation_on_path(&self, name: &str) -> Result<Option<Oid>> {
        for schema in self.search_path()?.iter() {
            if let Some(oid) = self.relation_in(*schema, name)? {
                return Ok(Some(oid));
            }
        }
        Ok(None)
    }

    /// Splits `db.schema.name` and checks that `db` is this database.
    pub(crate) fn split_name<'a, S: AsRef<str>>(
        &self,
        parts: &'a [S],
        quoted: bool,
    ) -> Result<(Option<&'a str>, &'a str)> {
        match parts {
            [name] => Ok((None, name.as_ref())),
            [schema, name] => Ok((Some(schema.as_ref()), name.as_ref())),
            [db, schema, name] => {
                let current = self.database(self.db())?;
                if current.is_none_or(|d| d.name != db.as_ref()) {
                    let full = join(parts);
                    let q = if quoted { "\"" } else { "" };
                    bail!(
                        FEATURE_NOT_SUPPORTED,
                        "cross-database references are not implemented: {q}{full}{q}"
                    );
                }
                Ok((Some(schema.as_ref()), name.as_ref()))
            }
            _ => bail!(SYNTAX_ERROR, "improper qualified name (too many dotted names): {}", join(parts)),
        }
    }

    /// The OID of the relation a possibly qualified name means. With `strict` an absent schema is an error of its own.
    fn find_relation_oid<S: AsRef<str>>(&self, parts: &[S], strict: bool) -> Result<Option<Oid>> {
        match self.split_name(parts, true)? {
            (None, name) => self.relation_on_path(name),
            (Some(schema), name) => match self.explicit_schema(schema)? {
                Some(s) => self.relation_in(s, name),
                None if strict => bail!(UNDEFINED_SCHEMA, "schema \"{schema}\" does not exist"),
                None => Ok(None),
            },
        }
    }
    /// The relation that a name of one to three parts means.
    pub fn find_relation<S: AsRef<str>>(&self, parts: &[S]) -> Result<Option<Arc<Relation>>> {
        match self.find_relation_oid(parts, false)? {
            Some(oid) => self.relation(oid),
            None => Ok(None),
        }
    }
    /// As [`CatalogReader::find_relation`] for queries: 42P01 if there is none.
    pub fn resolve_relation<S: AsRef<str>>(&self, parts: &[S], pos: Option<usize>) -> Result<Arc<Relation>> {
        match self.find_relation(parts).map_err(|e| at(e, pos))? {
            Some(r) => Ok(r),
            None => Err(at(undefined_relation(parts), pos)),
        }
    }
    /// As [`CatalogReader::resolve_relation`] for DDL and regclass: an absent schema is 3F000.
    pub fn resolve_relation_strict<S: AsRef<str>>(
        &self,
        parts: &[S],
        pos: Option<usize>,
    ) -> Result<Arc<Relation>> {
        let found = match self.find_relation_oid(parts, true).map_err(|e| at(e, pos))? {
            Some(oid) => self.relation(oid)?,
            None => None,
        };
        found.ok_or_else(|| at(undefined_relation(parts), pos))
    }

    /// Resolves, locks, and resolves again until the name still means the relation that is locked.
    pub fn lock_relation<S: AsRef<str>>(
        &self,
        parts: &[S],
        pos: Option<usize>,
        mode: LockMode,
    ) -> Result<Arc<Relation>> {
        // Errors of the wait point at the name; a cancel has nothing to do with it.
        self.lock_relation_with(parts, pos, mode, WaitPolicy::Block).map_err(|e| match e.sqlstate() {
            SqlState::LOCK_NOT_AVAILABLE | SqlState::T_R_DEADLOCK_DETECTED => at(e, pos),
            _ => e,
        })
    }
    /// As [`CatalogReader::lock_relation`]; 55P03 if `wait` says not to wait and the lock isn't free.
    pub fn lock_relation_with<S: AsRef<str>>(
        &self,
        parts: &[S],
        pos: Option<usize>,
        mode: LockMode,
        wait: WaitPolicy,
    ) -> Result<Arc<Relation>> {
        loop {
            let found = self.resolve_relation(parts, pos)?;
            self.lock_oid(&found, pos, mode, wait)?;
            match self.find_relation_oid(parts, false)? {
                Some(oid) if oid == found.oid => {
                    if let Some(fresh) = self.relation(oid)? {
                        return Ok(fresh);
                    }
                }
                _ => {}
            }
        }
    }
    /// Locks a relation known by OID and reads it then; none if it is gone.
    pub fn lock_relation_oid(&self, oid: Oid, mode: LockMode) -> Result<Option<Arc<Relation>>> {
        self.txn().lock_relation(LockTag::Relation { db: self.db(), oid }, mode, WaitPolicy::Block)?;
        self.relation(oid)
    }
    /// Locks what has the OID, whether it still is a relation or not: whoever knows the schema's version sees whether it changed.
    pub fn lock_oid_only(&self, oid: Oid, mode: LockMode) -> Result<()> {
        self.txn().lock_relation(LockTag::Relation { db: self.db(), oid }, mode, WaitPolicy::Block).map(drop)
    }
    /// The same as [`CatalogReader::lock_relation_oid`]; 55P03 if `wait` says not to wait and the lock isn't free.
    pub fn lock_relation_oid_with(
        &self,
        r: &Relation,
        mode: LockMode,
        wait: WaitPolicy,
    ) -> Result<Option<Arc<Relation>>> {
        self.lock_oid(r, None, mode, wait)?;
        self.relation(r.oid)
    }
    fn lock_oid(&self, r: &Relation, pos: Option<usize>, mode: LockMode, wait: WaitPolicy) -> Result<()> {
        let tag = LockTag::Relation { db: self.db(), oid: r.oid };
        if !self.txn().lock_named_relation(tag, mode, wait, pos)? {
            bail!(LOCK_NOT_AVAILABLE, "could not obtain lock on relation \"{}\"", r.name);
        }
        Ok(())
    }

    /// An index and its table.
    pub fn index(&self, oid: Oid) -> Result<Option<(Arc<Relation>, Arc<IndexDef>)>> {
        let Some(table) = self.index_table(oid)? else { return Ok(None) };
        let Some(table) = self.relation(table)? else { return Ok(None) };
        let index = table.indexes.iter().find(|i| i.oid == oid).cloned();
        Ok(index.map(|i| (table, i)))
    }
    /// Whether the transaction's queries may use the index: it is valid, and complete for all snapshots that they have.
    pub fn may_use_index(&self, index: &IndexDef) -> bool {
        let (txn, storage) = (self.txn(), self.catalog().storage());
        index.valid
            && index.not_for_older.is_none_or(|xid| match storage.txns().status(xid) {
                XidStatus::Committed(csn) => txn.sees_from_now_on(csn),
                XidStatus::InProgress | XidStatus::Aborted => false,
            })
    }
    /// The table of an index.
    pub fn index_table(&self, oid: Oid) -> Result<Option<Oid>> {
        match self.relation(oid)? {
            Some(r) if r.kind == RelKind::Index => {}
            _ => return Ok(None),
        }
        let row = self.find_one(&self.snapshot(), 2610, 2679, &[oid_datum(oid)])?;
        Ok(row.map(|(_, r)| r.oid(crate::builtin::columns::pg_index::INDRELID)))
    }
    /// Whether the table was put in this index's order (`indisclustered`).
    pub fn is_clustered(&self, index: Oid) -> Result<bool> {
        let row = self.find_one(&self.snapshot(), 2610, 2679, &[oid_datum(index)])?;
        Ok(row.is_some_and(|(_, r)| r.bool(crate::builtin::columns::pg_index::INDISCLUSTERED)))
    }
    /// A sequence's parameters.
    pub fn sequence(&self, oid: Oid) -> Result<Option<Arc<SequenceDef>>> {
        self.cached(
            &self.db,
            |c| &c.sequences,
            &oid,
            || Touched::Sequence(oid),
            |snap| self.load_sequence(snap, oid),
        )
    }

    /// A constraint of a table by OID. Constraints of domains are in their [`crate::TypeKind::Domain`].
    pub fn constraint(&self, oid: Oid) -> Result<Option<Arc<ConstraintDef>>> {
        let Some((_, row)) = self.find_one(&self.snapshot(), 2606, 2667, &[oid_datum(oid)])? else {
            return Ok(None);
        };
        let table = row.oid(crate::builtin::columns::pg_constraint::CONRELID);
        let Some(table) = self.relation(table)? else { return Ok(None) };
        Ok(table.constraints.iter().find(|c| c.oid == oid).cloned())
    }
    /// A constraint of a table by name.
    pub fn constraint_named(&self, table: Oid, name: &str) -> Result<Option<Arc<ConstraintDef>>> {
        Ok(self.relation(table)?.and_then(|t| t.constraints.iter().find(|c| c.name == name).cloned()))
    }

    /// Every constraint of this name in a schema, whatever it belongs to.
    pub fn constraints_in(&self, schema: Oid, name: &str) -> Result<Vec<ConstraintDef>> {
        let key = [Datum::text(name), oid_datum(schema)];
        let rows = self.find(&self.snapshot(), pg_constraint::TABLE, 2664, &key)?;
        Ok(rows.iter().filter_map(|(_, r)| super::constraint_of(r)).collect())
    }

    /// Whether an unqualified name finds this relation.
    pub fn is_visible_relation(&self, oid: Oid) -> Result<Option<bool>> {
        let Some(r) = self.relation(oid)? else { return Ok(None) };
        for schema in self.search_path()?.iter() {
            if *schema == r.schema {
                return Ok(Some(true));
            }
            if self.relation_in(*schema, &r.name)?.is_some() {
                return Ok(Some(false));
            }
        }
        Ok(Some(false))
    }

    /// Pages a relation's main file has now; 0 for one without storage.
    pub fn relation_blocks(&self, storage: Option<quarry_storage::RelId>) -> Result<u32> {
        match storage {
            Some(rel) => self.catalog().storage().relation_blocks(rel, quarry_storage::Fork::Main),
            None => Ok(0),
        }
    }
    /// A comment (`pg_description`, or `pg_shdescription` for shared objects).
    pub fn comment(&self, class: Oid, oid: Oid, sub: i32) -> Result<Option<String>> {
        let snap = self.snapshot();
        let shared = matches!(class.0, 1260..=1262 | 1213);
        let found = if shared {
            self.find_one(&snap, 2396, 2397, &[oid_datum(oid), oid_datum(class)])?.map(|(_, r)| r.string(2))
        } else {
            self.find_one(&snap, 2609, 2675, &[oid_datum(oid), oid_datum(class), Datum::I32(sub)])?
                .map(|(_, r)| r.string(3))
        };
        Ok(found)
    }
}

fn join<S: AsRef<str>>(parts: &[S]) -> String {
    parts.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(".")
}

fn undefined_relation<S: AsRef<str>>(parts: &[S]) -> Error {
    // A database's name is not repeated.
    let shown = if parts.len() == 3 { &parts[1..] } else { parts };
    err!(UNDEFINED_TABLE, "relation \"{}\" does not exist", join(shown))
}
