//! From catalog rows to typed definitions.

use super::CatalogReader;
use crate::arrays;
use crate::builtin::columns::{
    pg_attrdef, pg_attribute, pg_class, pg_constraint, pg_depend, pg_index, pg_namespace, pg_rewrite,
    pg_sequence,
};
use crate::builtin::{catalog_table, oids};
use crate::defs::*;
use crate::row::{Row, oid_datum};
use crate::stored::{expression_sql, split_typed_expressions};
use hashbrown::HashMap;
use quarry_common::{Oid, Result};
use quarry_storage::row::RowLayout;
use quarry_storage::{RelId, Snapshot};
use quarry_types::row::{width_of, width_of_column};
use quarry_types::{Datum, PhysicalType, SqlType};
use std::sync::Arc;

impl CatalogReader {
    pub(super) fn load_schema(&self, snap: &Snapshot, oid: Oid) -> Result<Option<Arc<SchemaDef>>> {
        let row = self.find_one(snap, pg_namespace::TABLE, 2685, &[oid_datum(oid)])?;
        Ok(row.map(|(_, r)| {
            Arc::new(SchemaDef {
                oid,
                name: r.string(pg_namespace::NSPNAME),
                owner: r.oid(pg_namespace::NSPOWNER),
                acl: r.acl(pg_namespace::NSPACL),
            })
        }))
    }
    pub(super) fn load_schema_oid(&self, snap: &Snapshot, name: &str) -> Result<Option<Oid>> {
        let row = self.find_one(snap, pg_namespace::TABLE, 2684, &[Datum::text(name)])?;
        Ok(row.map(|(_, r)| r.oid(pg_namespace::OID)))
    }
    pub(super) fn load_relation_oid(&self, snap: &Snapshot, schema: Oid, name: &str) -> Result<Option<Oid>> {
        let row = self.find_one(snap, pg_class::TABLE, 2663, &[Datum::text(name), oid_datum(schema)])?;
        Ok(row.map(|(_, r)| r.oid(pg_class::OID)))
    }
    pub(super) fn load_sequence(&self, snap: &Snapshot, oid: Oid) -> Result<Option<Arc<SequenceDef>>> {
        let Some((_, class)) = self.find_one(snap, pg_class::TABLE, 2662, &[oid_datum(oid)])? else {
            return Ok(None);
        };
        let Some((_, r)) = self.find_one(snap, pg_sequence::TABLE, 5002, &[oid_datum(oid)])? else {
            return Ok(None);
        };
        Ok(Some(Arc::new(SequenceDef {
            oid,
            storage: self.storage_of(&class).unwrap_or(RelId { db: self.db(), rel: oid.0 }),
            ty: SqlType::of(r.oid(pg_sequence::SEQTYPID)),
            start: r.i64(pg_sequence::SEQSTART),
            increment: r.i64(pg_sequence::SEQINCREMENT),
            min: r.i64(pg_sequence::SEQMIN),
            max: r.i64(pg_sequence::SEQMAX),
            cache: r.i64(pg_sequence::SEQCACHE),
            cycle: r.bool(pg_sequence::SEQCYCLE),
        })))
    }

    /// Where a relation's rows are. Catalogs lie under their OIDs.
    fn storage_of(&self, class: &Row) -> Option<RelId> {
        let db = if class.bool(pg_class::RELISSHARED) { Oid::INVALID } else { self.db() };
        let kind = class.char(pg_class::RELKIND);
        if !matches!(kind, 'r' | 'i' | 'S' | 't' | 'm') {
            return None;
        }
        let node = class.oid(pg_class::RELFILENODE);
        let node = if node.is_valid() { node } else { class.oid(pg_class::OID) };
        Some(RelId { db, rel: node.0 })
    }

    pub(super) fn load_relation(&self, snap: &Snapshot, oid: Oid) -> Result<Option<Arc<Relation>>> {
        let Some((_, class)) = self.find_one(snap, pg_class::TABLE, 2662, &[oid_datum(oid)])? else {
            return Ok(None);
        };
        let kind = match class.char(pg_class::RELKIND) {
            'r' | 'p' | 'f' => RelKind::Table,
            'i' | 'I' => RelKind::Index,
            'S' => RelKind::Sequence,
            'v' => RelKind::View,
            'm' => RelKind::MaterializedView,
            'c' => RelKind::CompositeType,
            _ => RelKind::Toast,
        };
        let schema = class.oid(pg_class::RELNAMESPACE);
        let (columns, layout) = self.load_columns(snap, oid)?;
        let toast_oid = class.oid(pg_class::RELTOASTRELID);
        let storage = self.storage_of(&class);
        let toast = match (storage, toast_oid.is_valid()) {
            (Some(s), true) if catalog_table(oid.0).is_some() => Some(RelId { db: s.db, rel: toast_oid.0 }),
            (Some(_), true) => self
                .find_one(snap, pg_class::TABLE, 2662, &[oid_datum(toast_oid)])?
                .and_then(|(_, t)| self.storage_of(&t)),
            _ => None,
        };
        let constraints =
            if matches!(kind, RelKind::Table) { self.load_constraints(snap, oid)? } else { Vec::new() };
        let indexes = if class.bool(pg_class::RELHASINDEX) {
            self.load_indexes(snap, oid, &class, &columns, &constraints)?
        } else {
            Vec::new()
        };
        let referenced_by = if kind == RelKind::Table && class.bool(pg_class::RELHASTRIGGERS) {
            self.load_referencing(snap, oid)?
        } else {
            Vec::new()
        };
        let view_sql = match kind {
            RelKind::View | RelKind::MaterializedView => self.load_view_sql(snap, oid)?,
            _ => None,
        };
        Ok(Some(Arc::new(Relation {
            oid,
            name: class.string(pg_class::RELNAME),
            schema,
            schema_name: self.schema_name(schema)?,
            kind,
            persistence: match class.char(pg_class::RELPERSISTENCE) {
                'u' => Persistence::Unlogged,
                't' => Persistence::Temporary,
                _ => Persistence::Permanent,
            },
            owner: class.oid(pg_class::RELOWNER),
            row_type: class.oid(pg_class::RELTYPE),
            storage,
            toast,
            columns,
            layout,
            indexes,
            constraints,
            referenced_by,
            view_sql,
            options: options_of(&class.texts(pg_class::RELOPTIONS)),
            acl: class.acl(pg_class::RELACL),
            row_security: class.bool(pg_class::RELROWSECURITY),
            pages: class.i32(pg_class::RELPAGES).max(0) as u32,
            tuples: class.f32(pg_class::RELTUPLES),
            all_visible_pages: class.i32(pg_class::RELALLVISIBLE).max(0) as u32,
            is_catalog: schema == oids::PG_CATALOG
                && kind == RelKind::Table
                && catalog_table(oid.0).is_some(),
        })))
    }

    /// Columns and the layout of rows. A dropped column's type may be gone: stored values keep the width that `attndims` tells
    /// ([`physical_code`]).
    fn load_columns(&self, snap: &Snapshot, rel: Oid) -> Result<(Vec<ColumnDef>, Arc<RowLayout>)> {
        let rows = self.find(snap, pg_attribute::TABLE, 2659, &[oid_datum(rel)])?;
        let mut defaults: HashMap<i16, String> = HashMap::new();
        if rows.iter().any(|(_, r)| r.bool(pg_attribute::ATTHASDEF)) {
            for (_, r) in self.find(snap, pg_attrdef::TABLE, 2656, &[oid_datum(rel)])? {
                defaults
                    .insert(r.i16(pg_attrdef::ADNUM), expression_sql(r.str(pg_attrdef::ADBIN)).to_owned());
            }
        }
        let mut columns: Vec<ColumnDef> = Vec::with_capacity(rows.len());
        let mut widths = Vec::with_capacity(rows.len());
        for (_, r) in rows {
            let number = r.i16(pg_attribute::ATTNUM);
            if number <= 0 {
                continue;
            }
            let ty = SqlType { oid: r.oid(pg_attribute::ATTTYPID), typmod: r.i32(pg_attribute::ATTTYPMOD) };
            // The index yields columns by rising number.
            widths.push(match r.bool(pg_attribute::ATTISDROPPED) {
                true => width_of(physical_of_code(r.i32(pg_attribute::ATTNDIMS))),
                false => width_of_column(self.base_type(ty)?, self.type_physical(ty.oid)?),
            });
            columns.push(ColumnDef {
                number,
                name: r.string(pg_attribute::ATTNAME),
                ty,
                not_null: r.bool(pg_attribute::ATTNOTNULL),
                dropped: r.bool(pg_attribute::ATTISDROPPED),
                default_sql: defaults.remove(&number),
                generated: r.char(pg_attribute::ATTGENERATED) == 's',
                identity: match r.char(pg_attribute::ATTIDENTITY) {
                    'a' => Some(Identity::Always),
                    'd' => Some(Identity::ByDefault),
                    _ => None,
                },
                missing: if r.bool(pg_attribute::ATTHASMISSING) {
                    arrays::elements(&r.0[pg_attribute::ATTMISSINGVAL]).into_iter().next()
                } else {
                    None
                },
                collation: r.oid(pg_attribute::ATTCOLLATION),
                acl: r.acl(pg_attribute::ATTACL),
            });
        }
        Ok((columns, Arc::new(RowLayout::new(&widths))))
    }

    fn load_indexes(
        &self,
        snap: &Snapshot,
        table: Oid,
        table_class: &Row,
        columns: &[ColumnDef],
        constraints: &[Arc<ConstraintDef>],
    ) -> Result<Vec<Arc<IndexDef>>> {
        let mut out = Vec::new();
        for (tid, r) in self.find(snap, pg_index::TABLE, 2678, &[oid_datum(table)])? {
            let oid = r.oid(pg_index::INDEXRELID);
            // One that is being dropped concurrently is none to anybody.
            if !r.bool(pg_index::INDISLIVE) {
                continue;
            }
            let Some((_, class)) = self.find_one(snap, pg_class::TABLE, 2662, &[oid_datum(oid)])? else {
                continue;
            };
            let method = access_method_name(class.oid(pg_class::RELAM));
            let keys = self.index_keys(snap, oid, &r, columns)?;
            let key_options = self.index_key_options(snap, oid, method)?;
            let node = class.oid(pg_class::RELFILENODE);
            let node = if node.is_valid() { node } else { oid };
            let db = if table_class.bool(pg_class::RELISSHARED) { Oid::INVALID } else { self.db() };
            let key_count = r.i16(pg_index::INDNKEYATTS).max(0) as usize;
            out.push(Arc::new(IndexDef {
                oid,
                name: class.string(pg_class::RELNAME),
                table,
                storage: RelId { db, rel: node.0 },
                method,
                keys,
                key_options,
                options: options_of(&class.texts(pg_class::RELOPTIONS)),
                include: r
                    .int2s(pg_index::INDKEY)
                    .iter()
                    .skip(key_count)
                    .filter(|n| **n > 0)
                    .map(|n| *n as usize - 1)
                    .collect(),
                unique: r.bool(pg_index::INDISUNIQUE),
                nulls_not_distinct: r.bool(pg_index::INDNULLSNOTDISTINCT),
                primary: r.bool(pg_index::INDISPRIMARY),
                deferrable: !r.bool(pg_index::INDIMMEDIATE),
                valid: r.bool(pg_index::INDISVALID),
                ready: r.bool(pg_index::INDISREADY),
                not_for_older: match r.bool(pg_index::INDCHECKXMIN) {
                    true => self.table(pg_index::TABLE).writer_of(tid)?,
                    false => None,
                },
                predicate_sql: r.opt_string(pg_index::INDPRED).map(|p| expression_sql(&p).to_owned()),
                constraint: constraints
                    .iter()
                    .find(|c| match c.kind {
                        ConstraintKind::PrimaryKey { index } | ConstraintKind::Unique { index } => {
                            index == oid
                        }
                        ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. } => false,
                    })
                    .map(|c| c.oid),
                pages: class.i32(pg_class::RELPAGES).max(0) as u32,
                tuples: class.f32(pg_class::RELTUPLES),
            }));
        }
        // The planner and the writers take indexes in the order of their OIDs.
        out.sort_by_key(|i| i.oid);
        Ok(out)
    }

    fn index_keys(
        &self,
        snap: &Snapshot,
        index: Oid,
        r: &Row,
        columns: &[ColumnDef],
    ) -> Result<Vec<IndexKey>> {
        let numbers = r.int2s(pg_index::INDKEY);
        let (classes, collations) = (r.oids(pg_index::INDCLASS), r.oids(pg_index::INDCOLLATION));
        let options = r.int2s(pg_index::INDOPTION);
        let key_count = r.i16(pg_index::INDNKEYATTS).max(0) as usize;
        let mut expressions = split_typed_expressions(r.str(pg_index::INDEXPRS)).into_iter();
        let attributes = if numbers.contains(&0) {
            self.find(snap, pg_attribute::TABLE, 2659, &[oid_datum(index)])?
        } else {
            Vec::new()
        };
        let mut keys = Vec::with_capacity(key_count);
        for (i, number) in numbers.iter().take(key_count).enumerate() {
            let column = (*number > 0).then(|| *number as usize - 1);
            let (ty, expr_sql) = match column.and_then(|c| columns.get(c)) {
                Some(c) => (c.ty, None),
                None => {
                    let (expression, ty) = expressions.next().map_or((None, None), |(e, ty)| (Some(e), ty));
                    let a = attributes.iter().find(|(_, a)| a.i16(pg_attribute::ATTNUM) as usize == i + 1);
                    let stored = || {
                        a.map_or(SqlType::UNKNOWN, |(_, a)| SqlType {
                            oid: a.oid(pg_attribute::ATTTYPID),
                            typmod: a.i32(pg_attribute::ATTTYPMOD),
                        })
                    };
                    (ty.unwrap_or_else(stored), expression.map(|e| expression_sql(&e).to_owned()))
                }
            };
            let option = options.get(i).copied().unwrap_or(0);
            keys.push(IndexKey {
                column,
                expr_sql,
                ty,
                opclass: classes.get(i).copied().unwrap_or_default(),
                collation: collations.get(i).copied().unwrap_or_default(),
                descending: option & 1 != 0,
                nulls_first: option & 2 != 0,
            });
        }
        Ok(keys)
    }

    /// Parameters of the keys' operator classes. B-tree classes have none.
    fn index_key_options(
        &self,
        snap: &Snapshot,
        index: Oid,
        method: &str,
    ) -> Result<Vec<Vec<(String, String)>>> {
        let mut out = Vec::new();
        if method == "btree" {
            return Ok(out);
        }
        for (_, a) in self.find(snap, pg_attribute::TABLE, 2659, &[oid_datum(index)])? {
            let options = options_of(&a.texts(pg_attribute::ATTOPTIONS));
            let at = a.i16(pg_attribute::ATTNUM);
            if let (false, Ok(n)) = (options.is_empty(), usize::try_from(at - 1)) {
                if out.len() <= n {
                    out.resize(n + 1, Vec::new());
                }
                out[n] = options;
            }
        }
        Ok(out)
    }

    fn load_constraints(&self, snap: &Snapshot, table: Oid) -> Result<Vec<Arc<ConstraintDef>>> {
        let rows = self.find(snap, pg_constraint::TABLE, 2665, &[oid_datum(table)])?;
        Ok(rows.iter().filter_map(|(_, r)| constraint_of(r)).map(Arc::new).collect())
    }

    /// Foreign keys that reference `table`: they depend on its columns.
    fn load_referencing(&self, snap: &Snapshot, table: Oid) -> Result<Vec<Arc<ConstraintDef>>> {
        let mut seen = Vec::new();
        let mut out = Vec::new();
        let class = Oid(pg_class::TABLE);
        for (_, d) in self.find(snap, pg_depend::TABLE, 2674, &[oid_datum(class), oid_datum(table)])? {
            let oid = d.oid(pg_depend::OBJID);
            if d.oid(pg_depend::CLASSID).0 != pg_constraint::TABLE || seen.contains(&oid) {
                continue;
            }
            seen.push(oid);
            let Some((_, r)) = self.find_one(snap, pg_constraint::TABLE, 2667, &[oid_datum(oid)])? else {
                continue;
            };
            if r.oid(pg_constraint::CONFRELID) == table
                && let Some(c) = constraint_of(&r)
            {
                out.push(Arc::new(c));
            }
        }
        out.sort_by_key(|c| c.oid);
        Ok(out)
    }

    fn load_view_sql(&self, snap: &Snapshot, oid: Oid) -> Result<Option<String>> {
        if let Some(v) = crate::views::view(oid) {
            return Ok(Some(v.sql.to_owned()));
        }
        let rows = self.find(snap, pg_rewrite::TABLE, 2693, &[oid_datum(oid), Datum::text("_RETURN")])?;
        Ok(rows.first().map(|(_, r)| expression_sql(r.str(pg_rewrite::EV_ACTION)).to_owned()))
    }
}

/// A physical type as `attndims` of a dropped column keeps it.
pub(crate) fn physical_code(p: PhysicalType) -> i32 {
    PHYSICAL_CODES.iter().position(|q| *q == p).map_or(0, |i| i as i32)
}
fn physical_of_code(code: i32) -> PhysicalType {
    usize::try_from(code).ok().and_then(|i| PHYSICAL_CODES.get(i).copied()).unwrap_or(PhysicalType::Bytes)
}
/// Order is part of the stored form.
const PHYSICAL_CODES: [PhysicalType; 9] = [
    PhysicalType::Bytes,
    PhysicalType::Bool,
    PhysicalType::I16,
    PhysicalType::I32,
    PhysicalType::U32,
    PhysicalType::I64,
    PhysicalType::F32,
    PhysicalType::F64,
    PhysicalType::B16,
];

/// The name of an access method by OID.
pub(crate) fn access_method_name(am: Oid) -> &'static str {
    match am {
        oids::HEAP_AM => "heap",
        oids::HASH_AM => "hash",
        oids::GIST_AM => "gist",
        oids::GIN_AM => "gin",
        oids::BRIN_AM => "brin",
        oids::SPGIST_AM => "spgist",
        _ => "btree",
    }
}

/// `name=value` texts split.
pub(crate) fn options_of(texts: &[String]) -> Vec<(String, String)> {
    texts
        .iter()
        .map(|t| match t.split_once('=') {
            Some((n, v)) => (n.to_owned(), v.to_owned()),
            None => (t.clone(), "true".to_owned()),
        })
        .collect()
}

pub(crate) fn action_of(c: char) -> ReferentialAction {
    match c {
        'r' => ReferentialAction::Restrict,
        'c' => ReferentialAction::Cascade,
        'n' => ReferentialAction::SetNull,
        'd' => ReferentialAction::SetDefault,
        _ => ReferentialAction::NoAction,
    }
}

/// A table constraint from its row; none for kinds this server doesn't make.
pub(crate) fn constraint_of(r: &Row) -> Option<ConstraintDef> {
    let indexes = |i: usize| -> Vec<usize> {
        r.int2s(i).into_iter().filter(|n| *n > 0).map(|n| n as usize - 1).collect()
    };
    let columns = indexes(pg_constraint::CONKEY);
    let index = r.oid(pg_constraint::CONINDID);
    let kind = match r.char(pg_constraint::CONTYPE) {
        'c' => ConstraintKind::Check { expr_sql: expression_sql(r.str(pg_constraint::CONBIN)).to_owned() },
        'p' => ConstraintKind::PrimaryKey { index },
        'u' => ConstraintKind::Unique { index },
        'f' => ConstraintKind::ForeignKey {
            columns: columns.clone(),
            ref_table: r.oid(pg_constraint::CONFRELID),
            ref_columns: indexes(pg_constraint::CONFKEY),
            ref_index: index,
            on_update: action_of(r.char(pg_constraint::CONFUPDTYPE)),
            on_delete: action_of(r.char(pg_constraint::CONFDELTYPE)),
            match_full: r.char(pg_constraint::CONFMATCHTYPE) == 'f',
            set_columns: indexes(pg_constraint::CONFDELSETCOLS),
        },
        _ => return None,
    };
    Some(ConstraintDef {
        oid: r.oid(pg_constraint::OID),
        name: r.string(pg_constraint::CONNAME),
        table: r.oid(pg_constraint::CONRELID),
        kind,
        deferrable: r.bool(pg_constraint::CONDEFERRABLE),
        initially_deferred: r.bool(pg_constraint::CONDEFERRED),
        validated: r.bool(pg_constraint::CONVALIDATED),
        columns,
    })
}
