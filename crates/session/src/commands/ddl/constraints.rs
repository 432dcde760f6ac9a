//! CHECK, PRIMARY KEY, UNIQUE and FOREIGN KEY constraints: of new tables and of ALTER TABLE.

use super::alter_table::is_system_column;
use super::index::{self, IndexSpec};
use super::storage_parameters::{Owner, options_of};
use super::{Ddl, parts_of};
use quarry_catalog::{
    ConstraintDef, ConstraintKind, IndexDef, LockMode, NewConstraint, Persistence, Privilege,
    ReferentialAction, RelKind, Relation,
};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_functions::{CastContext, registry};
use quarry_plan::walk;
use quarry_sql::ast::{self, ConstraintKind as C, FkAction, FkMatch};
use quarry_sql::bind::StoredPlace;
use quarry_types::SqlType;
use std::sync::Arc;

/// A constraint to be made when the columns are there.
pub struct Pending {
    pub constraint: ast::Constraint,
    /// The column it was written at.
    pub column: Option<String>,
}

impl Pending {
    pub fn of_column(c: &ast::Constraint, column: &str) -> Pending {
        Pending { constraint: c.clone(), column: Some(column.to_string()) }
    }
    pub fn of_table(c: &ast::Constraint) -> Pending {
        Pending { constraint: c.clone(), column: None }
    }
    fn rank(&self) -> u8 {
        match self.constraint.kind {
            C::PrimaryKey(_) => 1,
            C::Unique(_) => 2,
            C::ForeignKey(_) => 3,
            _ => 0,
        }
    }
}

fn at(e: Error, pos: ast::Pos) -> Error {
    match ast::error_position(pos) {
        Some(p) => e.position(p),
        None => e,
    }
}

/// Makes constraints: checks first, then keys, then foreign keys. `fresh`: the table has no rows.
pub fn add_all(d: &Ddl, table: Oid, pending: &[Pending], fresh: bool) -> Result<()> {
    let mut order: Vec<&Pending> = pending.iter().collect();
    order.sort_by_key(|p| p.rank());
    for p in order {
        add(d, table, p, fresh)?;
    }
    Ok(())
}

/// Makes one constraint.
pub fn add(d: &Ddl, table: Oid, p: &Pending, fresh: bool) -> Result<()> {
    let c = &p.constraint;
    match &c.kind {
        C::Check(e) => {
            let made = add_check(d, table, c.name.as_deref(), e, fresh, c.not_valid, c.no_inherit);
            // ALTER TABLE has forgotten the text when it comes to this.
            if fresh { made } else { made.map_err(super::without_position) }?;
        }
        C::PrimaryKey(k) => add_key(d, table, p, k, true, fresh)?,
        C::Unique(k) => add_key(d, table, p, k, false, fresh)?,
        C::ForeignKey(f) => add_foreign_key(d, table, p, f, fresh)?,
        C::Exclusion(_) => return Err(Error::unsupported("EXCLUDE constraints")),
        _ => return Err(Error::internal("no table constraint")),
    }
    Ok(())
}

/// Makes a CHECK.
#[allow(clippy::too_many_arguments)]
pub fn add_check(
    d: &Ddl,
    table: Oid,
    name: Option<&str>,
    e: &ast::Expr,
    fresh: bool,
    not_valid: bool,
    no_inherit: bool,
) -> Result<Arc<ConstraintDef>> {
    let r = d.relation(table)?;
    let bound = d.bind_expr(e, Some(&r), None, StoredPlace::Check)?;
    let stored = d.stored(&bound);
    let mut ids = vec![];
    walk::columns_of(&bound.expr, &mut ids);
    let mut columns: Vec<usize> = vec![];
    let mut reads_table = false;
    for id in ids {
        match bound.meta.get(id).source {
            Some((_, n)) if n > 0 && !columns.contains(&(n as usize - 1)) => columns.push(n as usize - 1),
            Some(_) => {}
            None => reads_table = true,
        }
    }
    let name = match name {
        Some(n) => {
            let is_check = |c: &ConstraintDef| matches!(c.kind, ConstraintKind::Check { .. });
            if fresh && r.constraints.iter().any(|c| c.name == n && is_check(c)) {
                bail!(DUPLICATE_OBJECT, "check constraint \"{n}\" already exists");
            }
            n.to_string()
        }
        None => {
            // It is named after the column that it reads, if it is just one.
            let about = match (&columns[..], reads_table) {
                ([one], false) => Some(r.columns[*one].name.as_str()),
                ([], true) => Some("tableoid"),
                _ => None,
            };
            d.w.choose_constraint_name(&r.name, about, "check", r.schema, &[])?
        }
    };
    if !fresh && !not_valid {
        let bound = if reads_table { d.bind_text(&stored.sql, &r, Some(SqlType::BOOL))? } else { bound };
        quarry_executor::write::validate_check(&d.env(), &r, &bound.row, &name, &bound.expr)?;
    }
    let mut new = NewConstraint::new(name, table, ConstraintKind::Check { expr_sql: stored.sql }, columns);
    new.pretty = stored.pretty;
    new.refs = stored.refs;
    new.validated = !not_valid || fresh;
    new.no_inherit = no_inherit;
    d.w.create_constraint(&new)
}

fn add_key(
    d: &Ddl,
    table: Oid,
    p: &Pending,
    k: &ast::KeyConstraint,
    primary: bool,
    fresh: bool,
) -> Result<()> {
    let r = d.relation(table)?;
    let c = &p.constraint;
    // Only CREATE TABLE says where.
    let at = |e: Error, pos: ast::Pos| if fresh { at(e, pos) } else { e };
    if primary && r.primary_key().is_some() {
        let e =
            err!(INVALID_TABLE_DEFINITION, "multiple primary keys for table \"{}\" are not allowed", r.name);
        return Err(at(e, c.pos));
    }
    if let Some(name) = &k.using_index {
        return add_key_using(d, &r, c, name, primary);
    }
    let mut columns = vec![];
    let written: Vec<(&str, ast::Pos)> = match &p.column {
        Some(name) => vec![(name.as_str(), c.pos)],
        None => k.columns.iter().map(|n| (n.value.as_str(), n.pos)).collect(),
    };
    for (name, pos) in written {
        let Some((i, _)) = r.column_named(name) else {
            if is_system_column(name) && primary {
                bail!(FEATURE_NOT_SUPPORTED, "cannot alter system column \"{name}\"");
            }
            if is_system_column(name) {
                bail!(FEATURE_NOT_SUPPORTED, "index creation on system columns is not supported");
            }
            return Err(at(
                err!(UNDEFINED_COLUMN, "column \"{name}\" named in key does not exist"),
                pos.min(c.pos),
            ));
        };
        if columns.contains(&i) {
            let what = if primary { "primary key" } else { "unique" };
            return Err(at(
                err!(DUPLICATE_COLUMN, "column \"{name}\" appears twice in {what} constraint"),
                c.pos,
            ));
        }
        columns.push(i);
    }
    let mut include = vec![];
    for n in &k.include {
        let Some((i, _)) = r.column_named(&n.value) else {
            return Err(at(
                err!(UNDEFINED_COLUMN, "column \"{}\" named in key does not exist", n.value),
                n.pos,
            ));
        };
        include.push(i);
    }
    if primary {
        for i in &columns {
            let column = &r.columns[*i];
            if !column.not_null {
                if !fresh {
                    d.not_null.borrow_mut().push((table, *i));
                }
                d.w.set_not_null(table, column.number, true)?;
            }
        }
    }
    let r = d.relation(table)?;
    let names: Vec<String> = columns.iter().chain(&include).map(|i| r.columns[*i].name.clone()).collect();
    let name = match &c.name {
        Some(n) => {
            if d.w.relation_in(r.schema, n)?.is_some() {
                bail!(DUPLICATE_TABLE, "relation \"{n}\" already exists");
            }
            if r.constraints.iter().any(|o| o.name == *n) {
                bail!(DUPLICATE_OBJECT, "constraint \"{n}\" for relation \"{}\" already exists", r.name);
            }
            n.clone()
        }
        None => d.w.choose_index_name(&r.name, r.schema, &names, primary, true, &[])?,
    };
    let mut keys = vec![];
    for i in &columns {
        keys.push(index::column_key(d, &r, *i)?);
    }
    let spec = IndexSpec {
        name: name.clone(),
        method: "btree",
        keys,
        key_options: vec![],
        key_pretty: vec![],
        key_names: vec![],
        include,
        unique: true,
        nulls_not_distinct: k.nulls_not_distinct,
        primary,
        deferrable: c.deferrable,
        predicate: None,
        refs: vec![],
        options: options_of(&k.with, Owner::Index("btree"))?,
        for_constraint: true,
        concurrently: false,
    };
    let made = index::make(d, table, spec, fresh)?;
    let kind = if primary {
        ConstraintKind::PrimaryKey { index: made.oid }
    } else {
        ConstraintKind::Unique { index: made.oid }
    };
    let mut new = NewConstraint::new(name, table, kind, columns);
    new.deferrable = c.deferrable;
    new.initially_deferred = c.initially_deferred;
    d.w.create_constraint(&new)?;
    Ok(())
}

/// ADD PRIMARY KEY / UNIQUE USING INDEX.
fn add_key_using(d: &Ddl, r: &Arc<Relation>, c: &ast::Constraint, index: &str, primary: bool) -> Result<()> {
    let Some(i) = r.indexes.iter().find(|i| i.name == index).cloned() else {
        return Err(at(err!(UNDEFINED_OBJECT, "index \"{index}\" does not exist"), c.pos));
    };
    if i.constraint.is_some() {
        return Err(at(
            err!(
                OBJECT_NOT_IN_PREREQUISITE_STATE,
                "index \"{index}\" is already associated with a constraint"
            ),
            c.pos,
        ));
    }
    if !i.valid {
        return Err(at(err!(OBJECT_NOT_IN_PREREQUISITE_STATE, "index \"{index}\" is not valid"), c.pos));
    }
    let bad = |detail: &str| {
        at(err!(WRONG_OBJECT_TYPE, "\"{index}\" is not a unique index").detail(detail.to_string()), c.pos)
    };
    if !i.unique {
        return Err(bad("Cannot create a primary key or unique constraint using such an index."));
    }
    if i.predicate_sql.is_some() {
        return Err(at(
            err!(WRONG_OBJECT_TYPE, "\"{index}\" is a partial index")
                .detail("Cannot create a primary key or unique constraint using such an index."),
            c.pos,
        ));
    }
    let mut columns = vec![];
    for k in &i.keys {
        match k.column {
            Some(n) => columns.push(n),
            None => {
                return Err(at(
                    err!(WRONG_OBJECT_TYPE, "index \"{index}\" contains expressions")
                        .detail("Cannot create a primary key or unique constraint using such an index."),
                    c.pos,
                ));
            }
        }
    }
    if primary {
        for n in &columns {
            if !r.columns[*n].not_null {
                d.not_null.borrow_mut().push((r.oid, *n));
                d.w.set_not_null(r.oid, r.columns[*n].number, true)?;
            }
        }
    }
    let name = c.name.clone().unwrap_or_else(|| index.to_string());
    if name != index {
        d.notice(err!(
            SUCCESSFUL_COMPLETION,
            "ALTER TABLE / ADD CONSTRAINT USING INDEX will rename index \"{index}\" to \"{name}\""
        ));
        d.w.rename_relation(i.oid, &name)?;
    }
    d.w.set_index_primary(i.oid, primary, c.deferrable)?;
    let kind = if primary {
        ConstraintKind::PrimaryKey { index: i.oid }
    } else {
        ConstraintKind::Unique { index: i.oid }
    };
    let mut new = NewConstraint::new(name, r.oid, kind, columns);
    new.deferrable = c.deferrable;
    new.initially_deferred = c.initially_deferred;
    d.w.create_constraint(&new)?;
    Ok(())
}

fn action(a: FkAction) -> ReferentialAction {
    match a {
        FkAction::NoAction => ReferentialAction::NoAction,
        FkAction::Restrict => ReferentialAction::Restrict,
        FkAction::Cascade => ReferentialAction::Cascade,
        FkAction::SetNull => ReferentialAction::SetNull,
        FkAction::SetDefault => ReferentialAction::SetDefault,
    }
}

fn add_foreign_key(d: &Ddl, table: Oid, p: &Pending, f: &ast::ForeignKey, fresh: bool) -> Result<()> {
    let c = &p.constraint;
    let target = {
        let parts = parts_of(&f.references);
        d.w.lock_relation(&parts, None, LockMode::ShareRowExclusive)?
    };
    let r = d.relation(table)?;
    // A table may refer to itself.
    let target = if target.oid == table { r.clone() } else { target };
    if target.kind != RelKind::Table {
        bail!(WRONG_OBJECT_TYPE, "referenced relation \"{}\" is not a table", target.name);
    }
    if target.is_catalog {
        bail!(INSUFFICIENT_PRIVILEGE, "permission denied: \"{}\" is a system catalog", target.name);
    }
    match (r.persistence, target.persistence) {
        (Persistence::Permanent, Persistence::Permanent) => {}
        (Persistence::Permanent, _) => {
            bail!(
                INVALID_TABLE_DEFINITION,
                "constraints on permanent tables may reference only permanent tables"
            )
        }
        (Persistence::Unlogged, Persistence::Temporary) => {
            bail!(
                INVALID_TABLE_DEFINITION,
                "constraints on unlogged tables may reference only permanent or unlogged tables"
            )
        }
        (Persistence::Temporary, p) if p != Persistence::Temporary => {
            bail!(
                INVALID_TABLE_DEFINITION,
                "constraints on temporary tables may reference only temporary tables"
            )
        }
        _ => {}
    }
    let find = |r: &Relation, name: &str| match r.column_named(name) {
        Some((i, _)) => Ok(i),
        None if is_system_column(name) => {
            bail!(FEATURE_NOT_SUPPORTED, "system columns cannot be used in foreign keys")
        }
        None => Err(err!(
            UNDEFINED_COLUMN,
            "column \"{name}\" referenced in foreign key constraint does not exist"
        )),
    };
    let mut columns = vec![];
    match &p.column {
        Some(name) => columns.push(find(&r, name)?),
        None => {
            for n in &f.columns {
                columns.push(find(&r, &n.value)?);
            }
        }
    }
    let mut set_columns = vec![];
    for n in &f.on_delete_columns {
        let i = find(&r, &n.value)?;
        if !columns.contains(&i) {
            bail!(
                INVALID_COLUMN_REFERENCE,
                "column \"{}\" referenced in ON DELETE SET action must be part of foreign key",
                n.value
            );
        }
        set_columns.push(i);
    }
    let (ref_columns, ref_index) = if f.referenced_columns.is_empty() {
        let Some(pk) = target.primary_key() else {
            bail!(UNDEFINED_OBJECT, "there is no primary key for referenced table \"{}\"", target.name)
        };
        if pk.deferrable {
            bail!(
                OBJECT_NOT_IN_PREREQUISITE_STATE,
                "cannot use a deferrable primary key for referenced table \"{}\"",
                target.name
            );
        }
        let columns: Vec<usize> = pk.keys.iter().filter_map(|k| k.column).collect();
        (columns, pk.clone())
    } else {
        let mut referenced = vec![];
        for n in &f.referenced_columns {
            referenced.push(find(&target, &n.value)?);
        }
        for (i, n) in referenced.iter().enumerate() {
            if referenced[..i].contains(n) {
                bail!(INVALID_FOREIGN_KEY, "foreign key referenced-columns list must not contain duplicates");
            }
        }
        let index = unique_index_on(&target, &referenced)?;
        (referenced, index)
    };
    if columns.len() != ref_columns.len() {
        bail!(INVALID_FOREIGN_KEY, "number of referencing and referenced columns for foreign key disagree");
    }
    if target.oid != table || target.owner != d.user() {
        d.w.check_columns(&target, &ref_columns, Privilege::References)?;
    }
    let name = match &c.name {
        Some(n) => n.clone(),
        None => {
            let names: Vec<&str> = columns.iter().map(|i| r.columns[*i].name.as_str()).collect();
            d.w.choose_constraint_name(&r.name, Some(&names.join("_")), "fkey", r.schema, &[])?
        }
    };
    for (own, other) in columns.iter().zip(&ref_columns) {
        let (from, to) = (&r.columns[*own], &target.columns[*other]);
        if !comparable(d, d.w.base_type(to.ty)?, d.w.base_type(from.ty)?)? {
            return Err(err!(DATATYPE_MISMATCH, "foreign key constraint \"{name}\" cannot be implemented")
                .detail(format!(
                    "Key columns \"{}\" and \"{}\" are of incompatible types: {} and {}.",
                    from.name,
                    to.name,
                    d.w.type_name(from.ty.oid)?,
                    d.w.type_name(to.ty.oid)?
                )));
        }
        if from.generated {
            let bad = |a: FkAction| matches!(a, FkAction::SetNull | FkAction::SetDefault);
            if bad(f.on_update) || f.on_update == FkAction::Cascade {
                bail!(
                    SYNTAX_ERROR,
                    "invalid ON UPDATE action for foreign key constraint containing generated column"
                );
            }
            if bad(f.on_delete) {
                bail!(
                    SYNTAX_ERROR,
                    "invalid ON DELETE action for foreign key constraint containing generated column"
                );
            }
        }
    }
    let kind = ConstraintKind::ForeignKey {
        columns: columns.clone(),
        ref_table: target.oid,
        ref_columns,
        ref_index: ref_index.oid,
        on_update: action(f.on_update),
        on_delete: action(f.on_delete),
        match_full: f.match_type == FkMatch::Full,
        set_columns,
    };
    let mut new = NewConstraint::new(name, table, kind, columns);
    new.deferrable = c.deferrable;
    new.initially_deferred = c.initially_deferred;
    new.validated = !c.not_valid || fresh;
    let made = d.w.create_constraint(&new)?;
    if !fresh && !c.not_valid {
        quarry_executor::write::validate_foreign_key(&d.env(), &d.relation(table)?, &made)?;
    }
    Ok(())
}

/// The unique index on exactly these columns; 42830 without.
fn unique_index_on(target: &Relation, columns: &[usize]) -> Result<Arc<IndexDef>> {
    let mut deferrable = false;
    for i in &target.indexes {
        let keys: Option<Vec<usize>> = i.keys.iter().map(|k| k.column).collect();
        let Some(keys) = keys else { continue };
        let fits = i.unique
            && i.valid
            && i.predicate_sql.is_none()
            && keys.len() == columns.len()
            && columns.iter().all(|c| keys.contains(c));
        if fits {
            if i.deferrable {
                deferrable = true;
                continue;
            }
            return Ok(i.clone());
        }
    }
    if deferrable {
        bail!(
            OBJECT_NOT_IN_PREREQUISITE_STATE,
            "cannot use a deferrable unique constraint for referenced table \"{}\"",
            target.name
        );
    }
    bail!(
        INVALID_FOREIGN_KEY,
        "there is no unique constraint matching given keys for referenced table \"{}\"",
        target.name
    )
}

/// Whether a referencing value can be compared with a referenced one by the index's equality.
fn comparable(d: &Ddl, referenced: SqlType, referencing: SqlType) -> Result<bool> {
    if referenced.oid == referencing.oid {
        return Ok(true);
    }
    if registry::operators_named("=").iter().any(|o| o.left == referenced.oid && o.right == referencing.oid) {
        return Ok(true);
    }
    // Then the referencing value must become one of the referenced type by itself.
    Ok(d.w.cast(referencing.oid, referenced.oid).is_some_and(|c| c.context == CastContext::Implicit))
}
