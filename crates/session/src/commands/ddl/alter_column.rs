//! ALTER COLUMN: defaults, identity, type changes, and the rewriting of tables.

use super::alter_table::column_of;
use super::constraints::{self, Pending};
use super::create_table::{default_expr, is_null};
use super::index::{self, IndexSpec};
use super::{Ddl, sequence};
use quarry_catalog::{
    ConstraintDef, ConstraintKind, DropBehavior, Identity, IndexDef, NewConstraint, ObjectAddress, RelKind,
    Relation, StoredExpr,
};
use quarry_common::{Oid, Result, bail, err};
use quarry_executor::Cx;
use quarry_executor::write::{TableWriter, compile, for_each_row};
use quarry_plan::{Expr, QueryMeta, ScanColumn};
use quarry_sql::ast;
use quarry_sql::bind::{self, StoredPlace};
use quarry_types::SqlType;
use quarry_types::{Batch, Datum, Vector};
use std::sync::Arc;

pub fn set_default(d: &Ddl, r: &Relation, i: usize, default: Option<&ast::Expr>) -> Result<()> {
    let c = &r.columns[i];
    if c.identity.is_some() {
        let e = err!(SYNTAX_ERROR, "column \"{}\" of relation \"{}\" is an identity column", c.name, r.name);
        return Err(if default.is_none() {
            e.hint("Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead.")
        } else {
            e
        });
    }
    if c.generated {
        let e = err!(SYNTAX_ERROR, "column \"{}\" of relation \"{}\" is a generated column", c.name, r.name);
        return Err(if default.is_none() {
            e.hint("Use ALTER TABLE ... ALTER COLUMN ... DROP EXPRESSION instead.")
        } else {
            e
        });
    }
    let stored = match default {
        Some(e) => default_expr(d, e, c.ty, &c.name).map_err(super::without_position)?,
        None => None,
    };
    d.w.set_default(r.oid, c.number, stored.as_ref(), false)
}

pub fn add_identity(
    d: &Ddl,
    r: &Relation,
    name: &str,
    always: bool,
    options: &[ast::SequenceOption],
) -> Result<()> {
    let c = &r.columns[column_of(r, name)?];
    if !matches!(c.ty, SqlType::INT2 | SqlType::INT4 | SqlType::INT8) {
        bail!(INVALID_PARAMETER_VALUE, "identity column type must be smallint, integer, or bigint");
    }
    if !c.not_null {
        bail!(
            OBJECT_NOT_IN_PREREQUISITE_STATE,
            "column \"{name}\" of relation \"{}\" must be declared NOT NULL before identity can be added",
            r.name
        );
    }
    if c.identity.is_some() {
        bail!(
            OBJECT_NOT_IN_PREREQUISITE_STATE,
            "column \"{name}\" of relation \"{}\" is already an identity column",
            r.name
        );
    }
    if c.default_sql.is_some() {
        bail!(
            OBJECT_NOT_IN_PREREQUISITE_STATE,
            "column \"{name}\" of relation \"{}\" already has a default value",
            r.name
        );
    }
    let p = sequence::parameters(d, options, None, c.ty, true)?;
    let seq_name = d.w.choose_relation_name(&r.name, Some(name), "seq", r.schema, false, &[])?;
    let persistence = sequence::identity_persistence(options, r.persistence)?;
    let def = sequence::make(d, &seq_name, r.schema, persistence, r.owner, &p)?;
    d.w.set_sequence_owner(def.oid, Some((r.oid, c.number)), true)?;
    d.w.set_identity(r.oid, c.number, Some(if always { Identity::Always } else { Identity::ByDefault }))
}

pub fn set_identity(d: &Ddl, r: &Relation, name: &str, options: &[ast::IdentityOption]) -> Result<()> {
    let c = &r.columns[column_of(r, name)?];
    if c.identity.is_none() {
        bail!(
            OBJECT_NOT_IN_PREREQUISITE_STATE,
            "column \"{name}\" of relation \"{}\" is not an identity column",
            r.name
        );
    }
    let mut rest = vec![];
    for o in options {
        match o {
            ast::IdentityOption::Generated(always, _) => {
                let identity = if *always { Identity::Always } else { Identity::ByDefault };
                d.w.set_identity(r.oid, c.number, Some(identity))?;
            }
            ast::IdentityOption::Sequence(s) => rest.push(s.clone()),
        }
    }
    if !rest.is_empty() {
        for seq in d.w.owned_sequences(r.oid, c.number)? {
            sequence::change(d, seq, &rest, true)?;
        }
    }
    Ok(())
}

pub fn drop_identity(d: &Ddl, r: &Relation, name: &str, if_exists: bool) -> Result<()> {
    let c = &r.columns[column_of(r, name)?];
    if c.identity.is_none() {
        let text = format!("column \"{name}\" of relation \"{}\" is not an identity column", r.name);
        if if_exists {
            d.notice(err!(SUCCESSFUL_COMPLETION, "{text}, skipping"));
            return Ok(());
        }
        bail!(OBJECT_NOT_IN_PREREQUISITE_STATE, "{text}");
    }
    d.w.set_identity(r.oid, c.number, None)?;
    for seq in d.w.owned_sequences(r.oid, c.number)? {
        d.w.set_sequence_owner(seq, None, false)?;
        d.w.drop_objects(&[ObjectAddress::relation(seq)], DropBehavior::Restrict)?;
    }
    Ok(())
}

/// Stores every row of `old` anew, each live column of the table by its expression over the old row.
fn rewrite(
    d: &Ddl,
    old: &Arc<Relation>,
    exprs: &[Expr],
    row: &[(quarry_plan::ColumnId, ScanColumn)],
) -> Result<()> {
    d.w.new_storage(old.oid)?;
    for i in &d.relation(old.oid)?.indexes {
        d.w.new_storage(i.oid)?;
    }
    d.w.clear_missing(old.oid)?;
    let fresh = d.relation(old.oid)?;
    let mut meta = QueryMeta::default();
    let mut write = d.with_binder(|cx| bind::bind_table_write(&fresh, &mut meta, cx))?;
    // What a constraint that isn't valid says holds of new rows only.
    write.checks.retain(|(name, _)| fresh.constraints.iter().any(|c| c.name == *name && c.validated));
    let mut physical = vec![];
    for c in fresh.columns.iter().filter(|c| !c.dropped) {
        physical.push(d.w.type_physical(c.ty.oid)?);
    }
    let env = d.env();
    let mut writer = TableWriter::new(&write, env.clone())?;
    let (programs, mut rt) = compile(&env, exprs, row)?;
    let io = env.io();
    const ROWS: usize = 1000;
    let empty = || -> Vec<Vector> { physical.iter().map(|p| Vector::with_capacity(*p, ROWS)).collect() };
    let mut columns = empty();
    let mut count = 0;
    for_each_row(&env, old, row, &mut |values| {
        for (program, column) in programs.iter().zip(&mut columns) {
            let mut cx = Cx::new(&env, &io, &mut rt);
            column.push_datum(&program.row(&mut cx, values)?);
        }
        count += 1;
        if count == ROWS {
            let full = std::mem::replace(&mut columns, empty());
            writer.insert_batch(Batch::new(full.into_iter().map(Arc::new).collect(), count))?;
            count = 0;
        }
        Ok(())
    })?;
    if count > 0 {
        writer.insert_batch(Batch::new(columns.into_iter().map(Arc::new).collect(), count))?;
    }
    writer.finish()?;
    Ok(())
}

/// Stores every row anew as it is.
pub fn rewrite_rows(d: &Ddl, r: &Arc<Relation>) -> Result<()> {
    let mut meta = QueryMeta::default();
    let row = bind::table_columns(r, &mut meta);
    let exprs: Vec<Expr> = row.iter().map(|(id, _)| Expr::column(*id, meta.get(*id).ty)).collect();
    rewrite(d, r, &exprs, &row)
}

/// Rewrites a table after a column was added whose default differs from row to row.
pub fn rewrite_added(d: &Ddl, old: &Arc<Relation>, table: Oid, number: i16) -> Result<()> {
    let now = d.relation(table)?;
    let mut meta = QueryMeta::default();
    let row = bind::table_columns(old, &mut meta);
    let mut exprs: Vec<Expr> = row.iter().map(|(id, _)| Expr::column(*id, meta.get(*id).ty)).collect();
    let c = &now.columns[number as usize - 1];
    exprs.push(match (&c.default_sql, c.generated) {
        // Generated columns are computed by the writer.
        (_, true) => Expr::Const { value: Datum::Null, ty: c.ty },
        (Some(sql), false) => {
            d.with_binder(|cx| bind::bind_stored_expression(sql, old, &[], Some(c.ty), &mut meta, cx))?
        }
        (None, false) => match d.w.owned_sequences(table, number)?.first() {
            Some(seq) => {
                let sql = format!("nextval('{seq}'::regclass)");
                d.with_binder(|cx| bind::bind_stored_expression(&sql, old, &[], Some(c.ty), &mut meta, cx))?
            }
            None => Expr::Const { value: Datum::Null, ty: c.ty },
        },
    });
    rewrite(d, old, &exprs, &row)
}

/// Whether an index reads the column.
fn uses(d: &Ddl, r: &Relation, i: &IndexDef, column: usize) -> Result<bool> {
    if i.keys.iter().any(|k| k.column == Some(column)) || i.include.contains(&column) {
        return Ok(true);
    }
    for sql in i.keys.iter().filter_map(|k| k.expr_sql.as_ref()).chain(&i.predicate_sql) {
        let bound = d.bind_text(sql, r, None)?;
        let mut refs = vec![];
        super::stored::references(&bound.expr, &bound.meta, &mut refs);
        if refs.contains(&ObjectAddress::column(r.oid, column as i16 + 1)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a change of type needs to know.
pub struct NewValue {
    ty: SqlType,
    collation: Oid,
    /// The new value over the old row.
    value: Expr,
    row: Vec<(quarry_plan::ColumnId, ScanColumn)>,
    meta: QueryMeta,
}

/// A column's value in its new type; 42804 where there is no way to it.
pub fn new_value(
    d: &Ddl,
    r: &Arc<Relation>,
    name: &str,
    type_name: &ast::TypeName,
    collation: Option<&ast::QualifiedName>,
    using: Option<&ast::Expr>,
) -> Result<NewValue> {
    let c = &r.columns[column_of(r, name)?];
    let ty = d.type_of(type_name).map_err(super::without_position)?;
    let collation = match collation {
        Some(n) => d.w.resolve_collation(&n.parts, None)?,
        None => Oid::INVALID,
    };
    if c.generated && using.is_some() {
        return Err(err!(
            INVALID_COLUMN_DEFINITION,
            "cannot specify USING when altering type of generated column"
        )
        .detail(format!("Column \"{name}\" is a generated column.")));
    }
    let column_ref = ast::Expr {
        kind: ast::ExprKind::ColumnRef { names: vec![name.to_string()], star: false },
        pos: ast::NO_POS,
    };
    let mut meta = QueryMeta::default();
    let row = bind::table_columns(r, &mut meta);
    let value = d
        .with_binder(|cx| {
            let e = using.unwrap_or(&column_ref);
            bind::bind_new_expression(e, Some((r, &row)), Some((ty, name)), StoredPlace::Generated, &mut meta, cx)
        })
        .map_err(|e| {
            if e.sqlstate() != quarry_common::SqlState::DATATYPE_MISMATCH {
                return e;
            }
            let wanted = d.w.format_type(ty.oid, ty.typmod).unwrap_or_default();
            if using.is_some() {
                err!(
                    DATATYPE_MISMATCH,
                    "result of USING clause for column \"{name}\" cannot be cast automatically to type {wanted}"
                )
                .hint("You might need to add an explicit cast.")
            } else {
                err!(DATATYPE_MISMATCH, "column \"{name}\" cannot be cast automatically to type {wanted}").hint(format!(
                    "You might need to specify \"USING {}::{wanted}\".",
                    quarry_catalog::quote_identifier(name)
                ))
            }
        })?;
    Ok(NewValue { ty, collation, value, row, meta })
}

pub fn set_type(
    d: &Ddl,
    r: &Arc<Relation>,
    name: &str,
    type_name: &ast::TypeName,
    collation: Option<&ast::QualifiedName>,
    using: Option<&ast::Expr>,
) -> Result<()> {
    let i = column_of(r, name)?;
    let c = &r.columns[i];
    let NewValue { ty, collation, value, row, meta } = new_value(d, r, name, type_name, collation, using)?;
    // Its sequence goes with it, so the new type must be one a sequence can have.
    if c.identity.is_some() {
        let new_type =
            ast::SequenceOption { kind: ast::SequenceOptionKind::As(type_name.clone()), pos: ast::NO_POS };
        for seq in d.w.owned_sequences(r.oid, c.number)? {
            sequence::change(d, seq, std::slice::from_ref(&new_type), true)?;
        }
    }
    for other in r.columns.iter().filter(|o| o.generated && !o.dropped && o.name != c.name) {
        let Some(sql) = &other.default_sql else { continue };
        let bound = d.bind_text(sql, r, None)?;
        let mut refs = vec![];
        super::stored::references(&bound.expr, &bound.meta, &mut refs);
        if refs.contains(&ObjectAddress::column(r.oid, c.number)) {
            return Err(err!(
                FEATURE_NOT_SUPPORTED,
                "cannot alter type of a column used by a generated column"
            )
            .detail(format!("Column \"{name}\" is used by generated column \"{}\".", other.name)));
        }
    }
    let default = match &c.default_sql {
        Some(sql) if !c.generated => {
            let bound = d.bind_text(sql, r, Some(ty)).map_err(|_| {
                let wanted = d.w.format_type(ty.oid, ty.typmod).unwrap_or_default();
                err!(
                    DATATYPE_MISMATCH,
                    "default for column \"{name}\" cannot be cast automatically to type {wanted}"
                )
            })?;
            // A NULL stays what it was cast to.
            Some(if is_null(&bound.expr) { StoredExpr::new(sql.clone()) } else { d.stored(&bound) })
        }
        _ => None,
    };
    if let Some(view) = dependent_view(d, r, c.number)? {
        return Err(err!(FEATURE_NOT_SUPPORTED, "cannot alter type of a column used by a view or rule")
            .detail(format!("rule _RETURN on view {view} depends on column \"{name}\"")));
    }
    // What hangs on the column is made anew over its new type.
    let (mut foreign, mut checks, mut indexes) = (vec![], vec![], vec![]);
    let mut all: Vec<Arc<ConstraintDef>> = r.constraints.clone();
    for o in &r.referenced_by {
        if !all.iter().any(|a| a.oid == o.oid) {
            all.push(o.clone());
        }
    }
    for k in &all {
        match &k.kind {
            ConstraintKind::ForeignKey { columns, ref_table, ref_columns, .. }
                if k.table == r.oid && columns.contains(&i)
                    || *ref_table == r.oid && ref_columns.contains(&i) =>
            {
                foreign.push(k.clone());
            }
            ConstraintKind::Check { expr_sql } if k.columns.contains(&i) => {
                checks.push((k.clone(), quarry_sql::parse::parse_expr(expr_sql)?));
            }
            _ => {}
        }
    }
    for x in &r.indexes {
        if uses(d, r, x, i)? {
            let k = r.constraints.iter().find(|k| Some(k.oid) == x.constraint).cloned();
            indexes.push((x.clone(), k));
        }
    }
    let drop = |o: ObjectAddress| d.w.drop_objects(&[o], DropBehavior::Cascade).map(|_| ());
    for k in &foreign {
        drop(ObjectAddress::constraint(k.oid))?;
    }
    for (k, _) in &checks {
        drop(ObjectAddress::constraint(k.oid))?;
    }
    for (x, k) in &indexes {
        match k {
            Some(k) => drop(ObjectAddress::constraint(k.oid))?,
            None => drop(ObjectAddress::relation(x.oid))?,
        }
    }
    if default.is_some() {
        d.w.set_default(r.oid, c.number, None, false)?;
    }
    d.w.set_column_type(r.oid, c.number, ty, collation)?;
    if let Some(default) = &default {
        d.w.set_default(r.oid, c.number, Some(default), false)?;
    }
    let exprs: Vec<Expr> = row
        .iter()
        .map(|(id, column)| {
            if *column == ScanColumn::Attribute(i) {
                value.clone()
            } else {
                Expr::column(*id, meta.get(*id).ty)
            }
        })
        .collect();
    rewrite(d, r, &exprs, &row)?;
    for (x, k) in &indexes {
        remake_index(d, r.oid, x, k.as_deref())?;
    }
    for (k, e) in &checks {
        constraints::add_check(d, r.oid, Some(&k.name), e, false, !k.validated, false)?;
    }
    for k in &foreign {
        remake_foreign_key(d, k)?;
    }
    Ok(())
}

/// The name of a view that reads the column.
pub fn dependent_view(d: &Ddl, r: &Relation, number: i16) -> Result<Option<String>> {
    for v in d.w.views_on_column(r.oid, number)? {
        if let Some(v) = d.w.relation(v)?
            && v.kind == RelKind::View
        {
            return Ok(Some(v.name.clone()));
        }
    }
    Ok(None)
}

fn remake_index(d: &Ddl, table: Oid, x: &IndexDef, constraint: Option<&ConstraintDef>) -> Result<()> {
    let r = d.relation(table)?;
    let (mut keys, mut key_pretty, mut refs) = (vec![], vec![], vec![]);
    for k in &x.keys {
        let mut key = k.clone();
        let mut pretty = None;
        if let Some(c) = k.column {
            let column = &r.columns[c];
            if column.ty != k.ty {
                let opclass = index::class_for(d, x.method, column.ty)?;
                (key.ty, key.opclass, key.collation) = (column.ty, opclass, column.collation);
            }
        } else if let Some(sql) = &k.expr_sql {
            let bound = d.bind_text(sql, &r, None)?;
            if bound.expr.ty().oid != key.ty.oid {
                key.opclass = index::class_for(d, x.method, bound.expr.ty())?;
            }
            key.ty = bound.expr.ty();
            let stored = d.stored(&bound);
            refs.extend(stored.refs);
            key.expr_sql = Some(stored.sql);
            pretty = stored.pretty;
        }
        keys.push(key);
        key_pretty.push(pretty);
    }
    let spec = IndexSpec {
        name: x.name.clone(),
        method: x.method,
        keys,
        key_options: x.key_options.clone(),
        key_pretty,
        key_names: vec![],
        include: x.include.clone(),
        unique: x.unique,
        nulls_not_distinct: x.nulls_not_distinct,
        primary: x.primary,
        deferrable: x.deferrable,
        predicate: index::predicate_again(d, &r, x)?,
        refs,
        options: x.options.clone(),
        for_constraint: constraint.is_some(),
        concurrently: false,
    };
    let made = index::make(d, table, spec, false)?;
    if let Some(k) = constraint {
        let kind = if x.primary {
            ConstraintKind::PrimaryKey { index: made.oid }
        } else {
            ConstraintKind::Unique { index: made.oid }
        };
        let mut new = NewConstraint::new(&k.name, table, kind, k.columns.clone());
        new.deferrable = k.deferrable;
        new.initially_deferred = k.initially_deferred;
        d.w.create_constraint(&new)?;
    }
    Ok(())
}

/// Makes a foreign key again as it was.
fn remake_foreign_key(d: &Ddl, k: &ConstraintDef) -> Result<()> {
    let ConstraintKind::ForeignKey {
        columns,
        ref_table,
        ref_columns,
        on_update,
        on_delete,
        match_full,
        set_columns,
        ..
    } = &k.kind
    else {
        return Ok(());
    };
    use quarry_catalog::ReferentialAction as R;
    let action = |a: &R| match a {
        R::NoAction => ast::FkAction::NoAction,
        R::Restrict => ast::FkAction::Restrict,
        R::Cascade => ast::FkAction::Cascade,
        R::SetNull => ast::FkAction::SetNull,
        R::SetDefault => ast::FkAction::SetDefault,
    };
    let (own, target) = (d.relation(k.table)?, d.relation(*ref_table)?);
    let names = |r: &Relation, columns: &[usize]| -> Vec<ast::Name> {
        columns.iter().map(|c| ast::Name { value: r.columns[*c].name.clone(), pos: ast::NO_POS }).collect()
    };
    let f = ast::ForeignKey {
        columns: names(&own, columns),
        references: ast::RangeVar {
            catalog: None,
            schema: Some(target.schema_name.clone()),
            name: target.name.clone(),
            only: false,
            persistence: ast::Persistence::Permanent,
            alias: None,
            pos: ast::NO_POS,
        },
        referenced_columns: names(&target, ref_columns),
        match_type: if *match_full { ast::FkMatch::Full } else { ast::FkMatch::Simple },
        on_update: action(on_update),
        on_delete: action(on_delete),
        on_delete_columns: names(&own, set_columns),
    };
    let c = ast::Constraint {
        name: Some(k.name.clone()),
        kind: ast::ConstraintKind::ForeignKey(Box::new(f)),
        deferrable: k.deferrable,
        initially_deferred: k.initially_deferred,
        not_valid: !k.validated,
        no_inherit: false,
        pos: ast::NO_POS,
    };
    constraints::add(d, k.table, &Pending::of_table(&c), false)
}
