//! Table constraints: CHECK, PRIMARY KEY, UNIQUE, FOREIGN KEY.

use super::CatalogWriter;
use crate::builtin::columns::{pg_class, pg_constraint};
use crate::cache::Touched;
use crate::defs::{ConstraintDef, ConstraintKind, ReferentialAction, Relation};
use crate::object::{DependencyType, ObjectAddress};
use crate::rows::{ConstraintRow, ForeignKeyRow};
use quarry_common::{Error, Oid, Result, bail};
use quarry_functions::registry;
use quarry_types::{Datum, SqlType};
use std::sync::Arc;

/// A constraint to be made.
#[derive(Clone, Debug)]
pub struct NewConstraint {
    pub name: String,
    pub table: Oid,
    pub kind: ConstraintKind,
    /// Columns involved: indexes in the table's columns.
    pub columns: Vec<usize>,
    pub deferrable: bool,
    pub initially_deferred: bool,
    pub validated: bool,
    pub no_inherit: bool,
    /// Pretty form of a CHECK's expression, where it differs.
    pub pretty: Option<String>,
    /// What a CHECK's expression refers to.
    pub refs: Vec<ObjectAddress>,
}

impl NewConstraint {
    /// Not deferrable, validated.
    pub fn new(
        name: impl Into<String>,
        table: Oid,
        kind: ConstraintKind,
        columns: Vec<usize>,
    ) -> NewConstraint {
        NewConstraint {
            name: name.into(),
            table,
            kind,
            columns,
            deferrable: false,
            initially_deferred: false,
            validated: true,
            no_inherit: false,
            pretty: None,
            refs: Vec::new(),
        }
    }
}

pub(crate) fn action_letter(a: ReferentialAction) -> char {
    match a {
        ReferentialAction::NoAction => 'a',
        ReferentialAction::Restrict => 'r',
        ReferentialAction::Cascade => 'c',
        ReferentialAction::SetNull => 'n',
        ReferentialAction::SetDefault => 'd',
    }
}

fn numbers(columns: &[usize]) -> Vec<i16> {
    columns.iter().map(|c| *c as i16 + 1).collect()
}

impl CatalogWriter {
    /// Makes a constraint's row. For a key the index is there already; the rows have been checked.
    pub fn create_constraint(&self, new: &NewConstraint) -> Result<Arc<ConstraintDef>> {
        let Some(table) = self.relation(new.table)? else {
            bail!(UNDEFINED_TABLE, "relation with OID {} does not exist", new.table)
        };
        if table.constraints.iter().any(|c| c.name == new.name) {
            bail!(
                DUPLICATE_OBJECT,
                "constraint \"{}\" for relation \"{}\" already exists",
                new.name,
                table.name
            );
        }
        let oid = self.new_oid()?;
        self.touch([Touched::Relation(table.oid)]);
        let columns = numbers(&new.columns);
        let mut row = ConstraintRow {
            oid,
            name: &new.name,
            schema: table.schema,
            kind: 'c',
            deferrable: new.deferrable,
            deferred: new.initially_deferred,
            validated: new.validated,
            relation: table.oid,
            domain: Oid::INVALID,
            index: Oid::INVALID,
            no_inherit: new.no_inherit,
            columns: &columns,
            expression: None,
            foreign: None,
        };
        let address = ObjectAddress::constraint(oid);
        // Columns that the constraint goes with: its own, and those its index includes.
        let mut held = columns.clone();
        match &new.kind {
            ConstraintKind::Check { expr_sql } => {
                let field = self.stored_field(expr_sql, new.pretty.as_deref());
                self.insert(pg_constraint::TABLE, &ConstraintRow { expression: Some(&field), ..row }.row())?;
                let checks = table
                    .constraints
                    .iter()
                    .filter(|c| matches!(c.kind, ConstraintKind::Check { .. }))
                    .count();
                self.change_oid(pg_class::TABLE, 2662, table.oid, |r| {
                    r.0[pg_class::RELCHECKS] = Datum::I16(checks as i16 + 1);
                })?;
            }
            ConstraintKind::PrimaryKey { index } | ConstraintKind::Unique { index } => {
                row.kind = if matches!(new.kind, ConstraintKind::PrimaryKey { .. }) { 'p' } else { 'u' };
                row.index = *index;
                row.no_inherit = true;
                self.insert(pg_constraint::TABLE, &row.row())?;
                self.touch([Touched::Relation(*index)]);
                if let Some((_, index)) = self.index(*index)? {
                    held.extend(numbers(&index.include));
                }
                // An index that was made on its own now depends through its constraint.
                self.remove_dependencies(ObjectAddress::relation(*index), Some(DependencyType::Auto))?;
                self.add_dependency(ObjectAddress::relation(*index), address, DependencyType::Internal)?;
            }
            ConstraintKind::ForeignKey { .. } => {
                row.kind = 'f';
                row.no_inherit = true;
                self.insert_foreign_key(&table, new, row, address)?;
            }
        }
        // On its columns; a CHECK without any on the table.
        if columns.is_empty() {
            self.add_dependency(address, ObjectAddress::relation(table.oid), DependencyType::Auto)?;
        }
        for n in &held {
            self.add_dependency(address, ObjectAddress::column(table.oid, *n), DependencyType::Auto)?;
        }
        let others = new.refs.iter().copied().filter(|r| r.oid.is_valid() && r.oid != table.oid);
        self.add_dependencies(address, others, Oid::INVALID, DependencyType::Normal)?;
        self.advance();
        match self.constraint(oid)? {
            Some(c) => Ok(c),
            None => Err(Error::internal("a constraint just made is not there")),
        }
    }

    fn insert_foreign_key(
        &self,
        table: &Relation,
        new: &NewConstraint,
        row: ConstraintRow<'_>,
        address: ObjectAddress,
    ) -> Result<()> {
        let ConstraintKind::ForeignKey {
            columns,
            ref_table,
            ref_columns,
            ref_index,
            on_update,
            on_delete,
            match_full,
            set_columns,
        } = &new.kind
        else {
            return Err(Error::internal("not a foreign key"));
        };
        let Some(target) = self.relation(*ref_table)? else {
            bail!(UNDEFINED_TABLE, "relation with OID {ref_table} does not exist")
        };
        self.touch([Touched::Relation(target.oid)]);
        let (mut pf, mut pp, mut ff) = (Vec::new(), Vec::new(), Vec::new());
        for (f, p) in columns.iter().zip(ref_columns) {
            let (f, p) = (self.base_type(table.columns[*f].ty)?, self.base_type(target.columns[*p].ty)?);
            pf.push(equality(p, f));
            pp.push(equality(p, p));
            ff.push(equality(f, f));
        }
        let (referenced, set) = (numbers(ref_columns), numbers(set_columns));
        let foreign = ForeignKeyRow {
            table: target.oid,
            columns: &referenced,
            on_update: action_letter(*on_update),
            on_delete: action_letter(*on_delete),
            match_type: if *match_full { 'f' } else { 's' },
            pf_operators: &pf,
            pp_operators: &pp,
            ff_operators: &ff,
            set_columns: &set,
        };
        let row = ConstraintRow { index: *ref_index, foreign: Some(foreign), ..row };
        self.insert(pg_constraint::TABLE, &row.row())?;
        for n in &referenced {
            self.add_dependency(address, ObjectAddress::column(target.oid, *n), DependencyType::Normal)?;
        }
        self.add_dependency(address, ObjectAddress::relation(*ref_index), DependencyType::Normal)?;
        for oid in [table.oid, target.oid] {
            self.change_oid(pg_class::TABLE, 2662, oid, |r| {
                r.0[pg_class::RELHASTRIGGERS] = Datum::Bool(true)
            })?;
            // Both may be one table.
            self.advance();
        }
        Ok(())
    }

    fn touch_constraint(&self, c: &ConstraintDef) {
        self.touch([Touched::Relation(c.table)]);
        if let ConstraintKind::ForeignKey { ref_table, .. } = c.kind {
            self.touch([Touched::Relation(ref_table)]);
        }
    }
    fn constraint_for_change(&self, oid: Oid) -> Result<Arc<ConstraintDef>> {
        match self.constraint(oid)? {
            Some(c) => Ok(c),
            None => bail!(UNDEFINED_OBJECT, "constraint with OID {oid} does not exist"),
        }
    }
    /// Renames a constraint, with its index if it has one.
    pub fn rename_constraint(&self, constraint: Oid, name: &str) -> Result<()> {
        let c = self.constraint_for_change(constraint)?;
        if self.constraint_named(c.table, name)?.is_some() {
            let table = self.relation(c.table)?.map(|r| r.name.clone()).unwrap_or_default();
            bail!(DUPLICATE_OBJECT, "constraint \"{name}\" for relation \"{table}\" already exists");
        }
        match c.kind {
            ConstraintKind::PrimaryKey { index } | ConstraintKind::Unique { index } => {
                self.rename_relation(index, name)
            }
            ConstraintKind::Check { .. } | ConstraintKind::ForeignKey { .. } => {
                self.rename_constraint_row(&c, name)
            }
        }
    }
    pub(crate) fn rename_constraint_row(&self, c: &ConstraintDef, name: &str) -> Result<()> {
        self.touch_constraint(c);
        self.change_oid(pg_constraint::TABLE, 2667, c.oid, |r| {
            r.0[pg_constraint::CONNAME] = Datum::text(name)
        })?;
        self.advance();
        Ok(())
    }
    /// Marks a constraint as checked against all rows.
    pub fn set_constraint_validated(&self, constraint: Oid) -> Result<()> {
        let c = self.constraint_for_change(constraint)?;
        self.touch_constraint(&c);
        self.change_oid(pg_constraint::TABLE, 2667, constraint, |r| {
            r.0[pg_constraint::CONVALIDATED] = Datum::Bool(true)
        })?;
        self.advance();
        Ok(())
    }
    /// `ALTER CONSTRAINT ... DEFERRABLE INITIALLY DEFERRED`.
    pub fn set_constraint_deferrable(
        &self,
        constraint: Oid,
        deferrable: bool,
        initially_deferred: bool,
    ) -> Result<()> {
        let c = self.constraint_for_change(constraint)?;
        self.touch_constraint(&c);
        self.change_oid(pg_constraint::TABLE, 2667, constraint, |r| {
            r.0[pg_constraint::CONDEFERRABLE] = Datum::Bool(deferrable);
            r.0[pg_constraint::CONDEFERRED] = Datum::Bool(initially_deferred);
        })?;
        self.advance();
        Ok(())
    }
}

/// The equality operator of two types, invalid if only a coercion makes them comparable.
fn equality(left: SqlType, right: SqlType) -> Oid {
    let all = registry::operators_named("=");
    let found = all.iter().find(|o| o.left == left.oid && o.right == right.oid);
    let found = found.or_else(|| {
        let as_text = |o: Oid| if o == quarry_types::oids::VARCHAR { quarry_types::oids::TEXT } else { o };
        all.iter().find(|o| o.left == as_text(left.oid) && o.right == as_text(right.oid))
    });
    found.map_or(Oid::INVALID, |o| o.oid)
}
