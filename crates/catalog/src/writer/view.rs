//! CREATE OR REPLACE VIEW, and the text of materialized views.

use super::{CatalogWriter, NewColumn};
use crate::builtin::columns::{pg_class, pg_rewrite};
use crate::defs::Relation;
use crate::object::{DependencyType, ObjectAddress, StoredExpr};
use crate::row::oid_datum;
use quarry_common::{Oid, Result, bail, err};
use quarry_types::Datum;
use std::sync::Arc;

impl CatalogWriter {
    /// Replaces a view's query. Its columns stay as they are; `columns` may add some at the end. 42P16 as PostgreSQL words it if one
    /// would be dropped, renamed or change its type.
    pub fn set_view(
        &self,
        view: Oid,
        query: &StoredExpr,
        columns: &[NewColumn],
        options: &[(String, String)],
    ) -> Result<()> {
        let Some(r) = self.relation(view)? else {
            bail!(UNDEFINED_TABLE, "relation with OID {view} does not exist")
        };
        if columns.len() < r.columns.len() {
            bail!(INVALID_TABLE_DEFINITION, "cannot drop columns from view");
        }
        for (old, new) in r.columns.iter().zip(columns) {
            if old.name != new.name {
                return Err(err!(
                    INVALID_TABLE_DEFINITION,
                    "cannot change name of view column \"{}\" to \"{}\"",
                    old.name,
                    new.name
                )
                .hint("Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead."));
            }
            if old.ty != new.ty {
                bail!(
                    INVALID_TABLE_DEFINITION,
                    "cannot change data type of view column \"{}\" from {} to {}",
                    old.name,
                    self.format_type(old.ty.oid, old.ty.typmod)?,
                    self.format_type(new.ty.oid, new.ty.typmod)?
                );
            }
        }
        self.check_columns_new(columns, r.kind)?;
        self.touch_columns(&r);
        for (i, c) in columns.iter().enumerate().skip(r.columns.len()) {
            self.insert_column(view, i as i16 + 1, c)?;
        }
        self.write_row(pg_class::TABLE, 2662, &[oid_datum(view)], |row| {
            row.0[pg_class::RELNATTS] = Datum::I16(columns.len() as i16);
            row.0[pg_class::RELOPTIONS] = crate::rows::options_datum(options);
        })?;
        let rules =
            self.find(&self.snapshot(), pg_rewrite::TABLE, 2693, &[oid_datum(view), Datum::text("_RETURN")])?;
        for (tid, row) in rules {
            let rule = ObjectAddress::rule(row.oid(pg_rewrite::OID));
            let mut new = row.clone();
            new.0[pg_rewrite::EV_ACTION] = Datum::text(&self.stored_expr(query));
            self.update(pg_rewrite::TABLE, tid, &row, &new)?;
            self.remove_dependencies(rule, Some(DependencyType::Normal))?;
            self.add_dependencies(rule, query.refs_of(view), Oid::INVALID, DependencyType::Normal)?;
        }
        self.advance();
        Ok(())
    }
    /// Writes a view's query anew, which means what it meant.
    pub fn set_view_text(&self, view: Oid, sql: &str) -> Result<()> {
        self.touch([crate::cache::Touched::Relation(view)]);
        let rules =
            self.find(&self.snapshot(), pg_rewrite::TABLE, 2693, &[oid_datum(view), Datum::text("_RETURN")])?;
        for (tid, row) in rules {
            let mut new = row.clone();
            new.0[pg_rewrite::EV_ACTION] = Datum::text(&self.stored_field(sql, None));
            self.update(pg_rewrite::TABLE, tid, &row, &new)?;
        }
        self.advance();
        Ok(())
    }
    /// Whether a materialized view has been filled.
    pub fn set_populated(&self, relation: Oid, populated: bool) -> Result<()> {
        self.touch([crate::cache::Touched::Relation(relation)]);
        self.change_oid(pg_class::TABLE, 2662, relation, |row| {
            row.0[pg_class::RELISPOPULATED] = Datum::Bool(populated)
        })?;
        self.advance();
        Ok(())
    }
}

impl crate::reader::CatalogReader {
    /// A relation by a name in text, as functions take it.
    pub fn relation_by_text(&self, name: &str) -> Result<Arc<Relation>> {
        crate::info::relation_by_name(self, name)
    }
    /// A rule's name and its view.
    pub fn rule_view(&self, rule: Oid) -> Result<Option<(String, Arc<Relation>)>> {
        let Some((_, row)) = self.find_one(&self.snapshot(), pg_rewrite::TABLE, 2692, &[oid_datum(rule)])?
        else {
            return Ok(None);
        };
        let view = self.relation(row.oid(pg_rewrite::EV_CLASS))?;
        Ok(view.map(|v| (row.str(pg_rewrite::RULENAME).to_string(), v)))
    }
    /// The views whose query reads a column.
    pub fn views_on_column(&self, relation: Oid, number: i16) -> Result<Vec<Oid>> {
        use crate::builtin::columns::pg_depend;
        let key = [oid_datum(Oid(pg_class::TABLE)), oid_datum(relation), Datum::I32(i32::from(number))];
        let mut out = Vec::new();
        for (_, r) in self.find(&self.snapshot(), pg_depend::TABLE, 2674, &key)? {
            if r.oid(pg_depend::CLASSID).0 == pg_rewrite::TABLE {
                let rule = [oid_datum(r.oid(pg_depend::OBJID))];
                if let Some((_, rule)) = self.find_one(&self.snapshot(), pg_rewrite::TABLE, 2692, &rule)? {
                    out.push(rule.oid(pg_rewrite::EV_CLASS));
                }
            }
        }
        Ok(out)
    }
}
