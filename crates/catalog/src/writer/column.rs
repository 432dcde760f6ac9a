//! Columns: adding, renaming, changing. Dropping goes through [`super::drop`].

use super::CatalogWriter;
use super::relation::needs_toast;
use crate::arrays;
use crate::builtin::columns::{pg_attrdef, pg_attribute, pg_class, pg_constraint, pg_index};
use crate::cache::Touched;
use crate::defs::{Identity, RelKind, Relation};
use crate::object::{DependencyType, ObjectAddress, StoredExpr};
use crate::row::{Row, char_datum, oid_datum};
use crate::rows::{AttributeRow, SYSTEM_COLUMNS};
use crate::stored::{expression_sql, join_expressions, split_typed_expressions, with_type};
use crate::stored_names::rename_column;
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_types::{Datum, SqlType};
use std::sync::Arc;

/// Most columns of a table.
const COLUMNS_MAX: usize = 1600;

/// A column to be made.
#[derive(Clone, Debug)]
pub struct NewColumn {
    pub name: String,
    pub ty: SqlType,
    /// Invalid: the type's.
    pub collation: Oid,
    pub not_null: bool,
    /// Default, or the generation expression.
    pub default: Option<StoredExpr>,
    pub generated: bool,
    pub identity: Option<Identity>,
    /// What rows stored before have in this column.
    pub missing: Option<Datum>,
    /// Declared dimensions of an array type; only `pg_attribute` shows them.
    pub dims: Option<i32>,
}

impl NewColumn {
    /// A plain column.
    pub fn new(name: impl Into<String>, ty: SqlType) -> NewColumn {
        NewColumn {
            name: name.into(),
            ty,
            collation: Oid::INVALID,
            not_null: false,
            default: None,
            generated: false,
            identity: None,
            missing: None,
            dims: None,
        }
    }
}

fn identity_letter(i: Option<Identity>) -> char {
    match i {
        Some(Identity::Always) => 'a',
        Some(Identity::ByDefault) => 'd',
        None => '\0',
    }
}

impl CatalogWriter {
    /// Checks the columns' names and types as CREATE TABLE does.
    pub(crate) fn check_columns_new(&self, columns: &[NewColumn], kind: RelKind) -> Result<()> {
        if columns.len() > COLUMNS_MAX {
            bail!(TOO_MANY_COLUMNS, "tables can have at most {COLUMNS_MAX} columns");
        }
        for (i, c) in columns.iter().enumerate() {
            self.check_column_name(&c.name, kind)?;
            if columns[..i].iter().any(|d| d.name == c.name) {
                bail!(DUPLICATE_COLUMN, "column \"{}\" specified more than once", c.name);
            }
            self.check_column_type(c)?;
        }
        Ok(())
    }
    fn check_column_name(&self, name: &str, kind: RelKind) -> Result<()> {
        if !matches!(kind, RelKind::View | RelKind::CompositeType)
            && SYSTEM_COLUMNS.iter().any(|s| s.1 == name)
        {
            bail!(DUPLICATE_COLUMN, "column name \"{name}\" conflicts with a system column name");
        }
        Ok(())
    }
    fn check_column_type(&self, c: &NewColumn) -> Result<()> {
        let info = self.type_ref(c.ty.oid)?;
        if info.kind == 'p' {
            bail!(
                INVALID_TABLE_DEFINITION,
                "column \"{}\" has pseudo-type {}",
                c.name,
                self.type_name(c.ty.oid)?
            );
        }
        if c.collation.is_valid() && !info.collation.is_valid() {
            bail!(DATATYPE_MISMATCH, "collations are not supported by type {}", self.type_name(c.ty.oid)?);
        }
        Ok(())
    }

    /// Writes the rows of one column: attribute, default, dependencies.
    pub(crate) fn insert_column(&self, relation: Oid, number: i16, c: &NewColumn) -> Result<()> {
        let info = self.type_ref(c.ty.oid)?;
        let mut a = AttributeRow::new(relation, number, &c.name, c.ty, &info);
        if c.collation.is_valid() {
            a.collation = c.collation;
        }
        a.not_null = c.not_null || c.identity.is_some();
        a.has_default = c.default.is_some();
        a.identity = identity_letter(c.identity);
        a.generated = if c.generated { 's' } else { '\0' };
        if let Some(d) = c.dims {
            a.dims = d;
        }
        if let Some(v) = &c.missing {
            a.missing = arrays::any_array(c.ty.oid, info.physical, std::slice::from_ref(v));
        }
        self.insert(pg_attribute::TABLE, &a.row(&info))?;
        let column = ObjectAddress::column(relation, number);
        self.add_dependency(column, ObjectAddress::ty(c.ty.oid), DependencyType::Normal)?;
        if a.collation.is_valid() {
            self.add_dependency(column, ObjectAddress::collation(a.collation), DependencyType::Normal)?;
        }
        if let Some(expr) = &c.default {
            self.insert_default(relation, number, expr, c.generated)?;
        }
        Ok(())
    }

    fn insert_default(&self, relation: Oid, number: i16, expr: &StoredExpr, generated: bool) -> Result<()> {
        let oid = self.new_oid()?;
        let row = Row(vec![
            oid_datum(oid),
            oid_datum(relation),
            Datum::I16(number),
            Datum::text(&self.stored_expr(expr)),
        ]);
        self.insert(pg_attrdef::TABLE, &row)?;
        let address = ObjectAddress::default_value(oid);
        let column = ObjectAddress::column(relation, number);
        let kind = if generated { DependencyType::Internal } else { DependencyType::Auto };
        self.add_dependency(address, column, kind)?;
        self.add_dependencies(
            address,
            expr.refs_of(relation).filter(|r| *r != column),
            Oid::INVALID,
            DependencyType::Normal,
        )
    }

    fn relation_for_change(&self, relation: Oid) -> Result<Arc<Relation>> {
        self.relation(relation)?
            .ok_or_else(|| err!(UNDEFINED_TABLE, "relation with OID {relation} does not exist"))
    }
    pub(crate) fn touch_columns(&self, r: &Relation) {
        self.touch([Touched::Relation(r.oid), Touched::Stats(r.oid), Touched::Type(r.row_type)]);
    }
    fn change_attribute(&self, relation: Oid, number: i16, f: impl FnMut(&mut Row)) -> Result<()> {
        self.change(pg_attribute::TABLE, 2659, &[oid_datum(relation), Datum::I16(number)], f)
    }

    /// Adds a column and answers its number.
    pub fn add_column(&self, relation: Oid, column: &NewColumn) -> Result<i16> {
        let r = self.relation_for_change(relation)?;
        self.check_column_name(&column.name, r.kind)?;
        self.check_column_type(column)?;
        if r.column_named(&column.name).is_some() {
            bail!(DUPLICATE_COLUMN, "column \"{}\" of relation \"{}\" already exists", column.name, r.name);
        }
        if r.columns.len() >= COLUMNS_MAX {
            bail!(TOO_MANY_COLUMNS, "tables can have at most {COLUMNS_MAX} columns");
        }
        self.touch_columns(&r);
        let number = r.columns.len() as i16 + 1;
        self.insert_column(relation, number, column)?;
        self.change_oid(pg_class::TABLE, 2662, relation, |row| {
            row.0[pg_class::RELNATTS] = Datum::I16(number)
        })?;
        self.advance();
        self.ensure_toast(relation)?;
        Ok(number)
    }
    /// Gives a table that now can have wide rows its toast table.
    fn ensure_toast(&self, relation: Oid) -> Result<()> {
        let r = self.relation_for_change(relation)?;
        if r.toast.is_some() || !matches!(r.kind, RelKind::Table | RelKind::MaterializedView) {
            return Ok(());
        }
        let mut types = Vec::new();
        for c in r.columns.iter().filter(|c| !c.dropped) {
            types.push((self.type_ref(c.ty.oid)?, c.ty.typmod));
        }
        if needs_toast(&types) {
            let toast = self.create_toast(relation, r.owner, r.persistence)?;
            self.change_oid(pg_class::TABLE, 2662, relation, |row| {
                row.0[pg_class::RELTOASTRELID] = oid_datum(toast)
            })?;
            self.advance();
        }
        Ok(())
    }

    /// Renames a column in the table's own defaults, checks, index expressions and predicates.
    fn rename_in_expressions(&self, r: &Relation, from: &str, to: &str) -> Result<()> {
        self.change_expressions(r, &|field| rename_column(field, from, to))
    }
    /// Writes a table's stored expressions anew, those that `anew` has another text for.
    pub fn rewrite_expressions(
        &self,
        relation: Oid,
        anew: &dyn Fn(&str) -> Option<StoredExpr>,
    ) -> Result<()> {
        let r = self.relation_for_change(relation)?;
        self.touch_columns(&r);
        for i in &r.indexes {
            self.touch([Touched::Relation(i.oid)]);
        }
        self.change_expressions(&r, &|field| match anew(expression_sql(field)) {
            Some(e) => self.stored_expr(&e),
            None => field.to_owned(),
        })?;
        self.advance();
        Ok(())
    }
    fn change_expressions(&self, r: &Relation, rename: &dyn Fn(&str) -> String) -> Result<()> {
        let snap = self.snapshot();
        for (tid, row) in self.find(&snap, pg_attrdef::TABLE, 2656, &[oid_datum(r.oid)])? {
            let mut new = row.clone();
            new.0[pg_attrdef::ADBIN] = Datum::text(&rename(row.str(pg_attrdef::ADBIN)));
            if new != row {
                self.update(pg_attrdef::TABLE, tid, &row, &new)?;
            }
        }
        for (tid, row) in self.find(&snap, pg_constraint::TABLE, 2665, &[oid_datum(r.oid)])? {
            let mut new = row.clone();
            if row.char(pg_constraint::CONTYPE) == 'c' {
                new.0[pg_constraint::CONBIN] = Datum::text(&rename(row.str(pg_constraint::CONBIN)));
            }
            if new != row {
                self.update(pg_constraint::TABLE, tid, &row, &new)?;
            }
        }
        for (tid, row) in self.find(&snap, pg_index::TABLE, 2678, &[oid_datum(r.oid)])? {
            let mut new = row.clone();
            if !row.0[pg_index::INDEXPRS].is_null() {
                let renamed = |(e, ty): (String, Option<SqlType>)| {
                    let e = rename(&e);
                    ty.map_or_else(|| e.clone(), |ty| with_type(&e, ty))
                };
                let parts: Vec<String> =
                    split_typed_expressions(row.str(pg_index::INDEXPRS)).into_iter().map(renamed).collect();
                new.0[pg_index::INDEXPRS] = Datum::text(&join_expressions(&parts));
            }
            if !row.0[pg_index::INDPRED].is_null() {
                new.0[pg_index::INDPRED] = Datum::text(&rename(row.str(pg_index::INDPRED)));
            }
            if new != row {
                self.update(pg_index::TABLE, tid, &row, &new)?;
            }
        }
        self.change_statistics_expressions(r.oid, rename)
    }

    /// Renames a column, also in the table's expressions. Columns of its indexes keep their names, as PostgreSQL's do.
    pub fn rename_column(&self, relation: Oid, number: i16, name: &str) -> Result<()> {
        let r = self.relation_for_change(relation)?;
        self.check_column_name(name, r.kind)?;
        if r.column_named(name).is_some() {
            bail!(DUPLICATE_COLUMN, "column \"{name}\" of relation \"{}\" already exists", r.name);
        }
        self.touch_columns(&r);
        self.change_attribute(relation, number, |row| row.0[pg_attribute::ATTNAME] = Datum::text(name))?;
        if let Some(old) = r.columns.get(number as usize - 1) {
            self.rename_in_expressions(&r, &old.name, name)?;
        }
        self.advance();
        Ok(())
    }

    /// Gives a column another type. The caller has rewritten the rows and rebuilds indexes, defaults and constraints.
    pub fn set_column_type(&self, relation: Oid, number: i16, ty: SqlType, collation: Oid) -> Result<()> {
        let r = self.relation_for_change(relation)?;
        let info = self.type_ref(ty.oid)?;
        self.touch_columns(&r);
        let collation = if collation.is_valid() { collation } else { info.collation };
        self.change_attribute(relation, number, |row| {
            let dims = AttributeRow::new(relation, number, "", ty, &info).dims;
            row.0[pg_attribute::ATTTYPID] = oid_datum(ty.oid);
            row.0[pg_attribute::ATTTYPMOD] = Datum::I32(ty.typmod);
            row.0[pg_attribute::ATTLEN] = Datum::I16(info.typlen);
            row.0[pg_attribute::ATTNDIMS] = Datum::I32(dims);
            row.0[pg_attribute::ATTBYVAL] = Datum::Bool(info.typbyval);
            row.0[pg_attribute::ATTALIGN] = char_datum(info.typalign);
            row.0[pg_attribute::ATTSTORAGE] = char_datum(info.typstorage);
            row.0[pg_attribute::ATTCOLLATION] = oid_datum(collation);
            row.0[pg_attribute::ATTHASMISSING] = Datum::Bool(false);
            row.0[pg_attribute::ATTMISSINGVAL] = Datum::Null;
        })?;
        let column = ObjectAddress::column(relation, number);
        self.remove_dependencies(column, Some(DependencyType::Normal))?;
        self.add_dependency(column, ObjectAddress::ty(ty.oid), DependencyType::Normal)?;
        self.add_dependency(column, ObjectAddress::collation(collation), DependencyType::Normal)?;
        self.delete_column_stats(relation, Some(number))?;
        self.renew_statistics(relation, number)?;
        self.advance();
        self.ensure_toast(relation)
    }

    /// Sets, replaces or removes a column's default (or generation expression, if `generated`).
    pub fn set_default(
        &self,
        relation: Oid,
        number: i16,
        default: Option<&StoredExpr>,
        generated: bool,
    ) -> Result<()> {
        let r = self.relation_for_change(relation)?;
        self.touch_columns(&r);
        let key = [oid_datum(relation), Datum::I16(number)];
        for (tid, row) in self.find(&self.snapshot(), pg_attrdef::TABLE, 2656, &key)? {
            self.remove_dependencies(ObjectAddress::default_value(row.oid(pg_attrdef::OID)), None)?;
            self.delete(pg_attrdef::TABLE, tid)?;
        }
        self.change_attribute(relation, number, |row| {
            row.0[pg_attribute::ATTHASDEF] = Datum::Bool(default.is_some());
            row.0[pg_attribute::ATTGENERATED] =
                char_datum(if generated && default.is_some() { 's' } else { '\0' });
        })?;
        self.advance();
        if let Some(expr) = default {
            self.insert_default(relation, number, expr, generated)?;
            self.advance();
        }
        Ok(())
    }
    /// Sets or removes a column's identity property. Its sequence is the caller's.
    pub fn set_identity(&self, relation: Oid, number: i16, identity: Option<Identity>) -> Result<()> {
        let r = self.relation_for_change(relation)?;
        self.touch_columns(&r);
        self.change_attribute(relation, number, |row| {
            row.0[pg_attribute::ATTIDENTITY] = char_datum(identity_letter(identity));
        })?;
        self.advance();
        Ok(())
    }
    /// Sets or removes NOT NULL. The caller has checked the rows.
    pub fn set_not_null(&self, relation: Oid, number: i16, not_null: bool) -> Result<()> {
        let r = self.relation_for_change(relation)?;
        self.touch_columns(&r);
        self.change_attribute(relation, number, |row| {
            row.0[pg_attribute::ATTNOTNULL] = Datum::Bool(not_null)
        })?;
        self.advance();
        Ok(())
    }
    /// Forgets the missing values of all columns: after a rewrite every row has them stored.
    pub fn clear_missing(&self, relation: Oid) -> Result<()> {
        let r = self.relation_for_change(relation)?;
        if r.columns.iter().all(|c| c.missing.is_none()) {
            return Ok(());
        }
        self.touch_columns(&r);
        for c in r.columns.iter().filter(|c| c.missing.is_some()) {
            self.change_attribute(relation, c.number, |row| {
                row.0[pg_attribute::ATTHASMISSING] = Datum::Bool(false);
                row.0[pg_attribute::ATTMISSINGVAL] = Datum::Null;
            })?;
        }
        self.advance();
        Ok(())
    }
    /// `ALTER COLUMN SET STATISTICS` and `SET STORAGE`: none leaves them.
    pub fn set_column_options(
        &self,
        relation: Oid,
        number: i16,
        statistics: Option<i32>,
        storage: Option<char>,
    ) -> Result<()> {
        let r = self.relation_for_change(relation)?;
        self.touch_columns(&r);
        self.change_attribute(relation, number, |row| {
            if let Some(s) = statistics {
                row.0[pg_attribute::ATTSTATTARGET] = Datum::I32(s);
            }
            if let Some(s) = storage {
                row.0[pg_attribute::ATTSTORAGE] = char_datum(s);
            }
        })?;
        self.advance();
        Ok(())
    }

    /// `ALTER COLUMN SET (...)` and `RESET (...)`: what `f` makes of the options that are there.
    pub fn change_column_settings(
        &self,
        relation: Oid,
        number: i16,
        f: impl Fn(Vec<String>) -> Vec<String>,
    ) -> Result<()> {
        let r = self.relation_for_change(relation)?;
        self.touch_columns(&r);
        self.change_attribute(relation, number, |row| {
            let options = f(row.texts(pg_attribute::ATTOPTIONS));
            row.0[pg_attribute::ATTOPTIONS] =
                if options.is_empty() { Datum::Null } else { crate::arrays::text_array(&options) };
        })?;
        self.advance();
        Ok(())
    }

    /// Marks a column dropped: its number and its stored width stay.
    pub(crate) fn mark_column_dropped(&self, relation: Oid, number: i16) -> Result<()> {
        let r = self.relation_for_change(relation)?;
        let Some(c) = r.columns.get(number as usize - 1) else {
            return Err(Error::internal(format!("relation {relation} has no column {number}")));
        };
        let code = crate::reader::physical_code(self.type_physical(c.ty.oid)?);
        self.touch_columns(&r);
        self.change_attribute(relation, number, |row| {
            row.0[pg_attribute::ATTISDROPPED] = Datum::Bool(true);
            row.0[pg_attribute::ATTTYPID] = Datum::U32(0);
            row.0[pg_attribute::ATTNAME] = Datum::text(&format!("........pg.dropped.{number}........"));
            row.0[pg_attribute::ATTNDIMS] = Datum::I32(code);
            row.0[pg_attribute::ATTNOTNULL] = Datum::Bool(false);
            row.0[pg_attribute::ATTHASDEF] = Datum::Bool(false);
            row.0[pg_attribute::ATTHASMISSING] = Datum::Bool(false);
            row.0[pg_attribute::ATTMISSINGVAL] = Datum::Null;
            row.0[pg_attribute::ATTGENERATED] = char_datum('\0');
            row.0[pg_attribute::ATTIDENTITY] = char_datum('\0');
            row.0[pg_attribute::ATTSTATTARGET] = Datum::I32(0);
            row.0[pg_attribute::ATTACL] = Datum::Null;
        })?;
        self.delete_column_stats(relation, Some(number))
    }
}
