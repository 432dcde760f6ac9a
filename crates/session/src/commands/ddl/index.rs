//! CREATE INDEX, and the making of indexes for constraints (PostgreSQL: indexcmds.c).

use super::alter_table::is_system_column;
use super::storage_parameters::{Owner, of_operator_class, options_of};
use super::stored::{expanded, is_at_least};
use super::{Ddl, parts_of};
use crate::session::Session;
use quarry_catalog::builtin::access_method::{IndexMethodDef, index_method};
use quarry_catalog::builtin::opclass;
use quarry_catalog::{
    IndexDef, IndexKey, LockMode, NewIndex, ObjectAddress, Persistence, Privilege, RelKind, Relation,
    StoredExpr,
};
use quarry_common::progress::{Command, create_index};
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_functions::Volatility;
use quarry_plan::{Expr, QueryMeta};
use quarry_sql::ast::{self, NullsOrder, SortDirection};
use quarry_sql::bind::{self, StoredPlace};
use std::sync::Arc;

/// An index to be made and filled.
pub struct IndexSpec {
    pub name: String,
    pub method: &'static str,
    pub keys: Vec<IndexKey>,
    /// Parameters of the keys' operator classes, by key.
    pub key_options: Vec<Vec<(String, String)>>,
    pub key_pretty: Vec<Option<String>>,
    pub key_names: Vec<String>,
    pub include: Vec<usize>,
    pub unique: bool,
    pub nulls_not_distinct: bool,
    pub primary: bool,
    pub deferrable: bool,
    pub predicate: Option<StoredExpr>,
    pub refs: Vec<ObjectAddress>,
    pub options: Vec<(String, String)>,
    pub for_constraint: bool,
    /// It is made empty and not ready, to be built beside writers.
    pub concurrently: bool,
}

/// Makes an index and fills it from the table's rows.
pub fn make(d: &Ddl, table: Oid, spec: IndexSpec, fresh: bool) -> Result<Arc<IndexDef>> {
    let mut new = NewIndex::new(spec.name, table);
    new.method = spec.method;
    new.keys = spec.keys;
    new.key_options = spec.key_options;
    new.key_pretty = spec.key_pretty;
    new.key_names = spec.key_names;
    new.include = spec.include;
    new.unique = spec.unique;
    new.nulls_not_distinct = spec.nulls_not_distinct;
    new.primary = spec.primary;
    new.deferrable = spec.deferrable;
    new.predicate = spec.predicate;
    new.refs = spec.refs;
    new.options = spec.options;
    new.for_constraint = spec.for_constraint;
    new.valid = !spec.concurrently;
    new.ready = !spec.concurrently;
    let made = d.w.create_index(&new)?;
    if !fresh && !spec.concurrently {
        fill(d, table, made.oid)?;
    }
    Ok(made)
}

/// Fills an empty index from its table.
pub fn fill(d: &Ddl, table: Oid, index: Oid) -> Result<()> {
    let r = d.relation(table)?;
    let mut meta = QueryMeta::default();
    let write = d.with_binder(|cx| bind::bind_table_write(&r, &mut meta, cx))?;
    let Some(bound) = write.indexes.iter().find(|i| i.index.oid == index) else {
        return Err(Error::internal("an index just made is not there"));
    };
    let built = quarry_executor::index_build::build(&d.env(), &r, bound, &write.row, None)?;
    d.w.note_index_built(index, built.table_rows, built.entries, built.not_for_older, false)
}

/// The default operator class of a method for a type; 42704 without.
pub fn class_for(d: &Ddl, method: &str, ty: quarry_types::SqlType) -> Result<Oid> {
    let known = index_method(method).ok_or_else(|| Error::internal("an index of an unknown method"))?;
    match d.w.default_opclass(known.oid, ty.oid)? {
        Some(c) => Ok(c),
        None => {
            let name = d.w.type_name(ty.oid)?;
            Err(err!(
                UNDEFINED_OBJECT,
                "data type {name} has no default operator class for access method \"{method}\""
            )
            .hint(
                "You must specify an operator class for the index or define a default operator class for the data type.",
            ))
        }
    }
}

/// A plain key on a column, of a constraint's index.
pub fn column_key(d: &Ddl, r: &Relation, column: usize) -> Result<IndexKey> {
    let c = &r.columns[column];
    Ok(IndexKey {
        column: Some(column),
        expr_sql: None,
        ty: c.ty,
        opclass: class_for(d, "btree", c.ty)?,
        collation: c.collation,
        descending: false,
        nulls_first: false,
    })
}

/// An index's predicate, to be stored for another index on a table with the same column names.
pub fn predicate_again(d: &Ddl, r: &Relation, i: &IndexDef) -> Result<Option<StoredExpr>> {
    match &i.predicate_sql {
        Some(sql) => Ok(Some(d.stored(&d.bind_text(sql, r, Some(quarry_types::SqlType::BOOL))?))),
        None => Ok(None),
    }
}

/// LIKE INCLUDING INDEXES: the same index on a table with the same column names.
pub fn copy(d: &Ddl, table: Oid, source: &Relation, i: &IndexDef) -> Result<()> {
    use quarry_catalog::{ConstraintKind, NewConstraint};
    let r = d.relation(table)?;
    let map = |c: usize| {
        r.column_named(&source.columns[c].name)
            .map(|(i, _)| i)
            .ok_or_else(|| Error::internal("LIKE lost a column"))
    };
    let (mut keys, mut names, mut columns, mut pretty, mut refs) = (vec![], vec![], vec![], vec![], vec![]);
    for k in &i.keys {
        let column = k.column.map(map).transpose()?;
        columns.extend(column);
        names.push(column.map_or_else(String::new, |c| r.columns[c].name.clone()));
        let mut key = IndexKey { column, ..k.clone() };
        let mut key_pretty = None;
        if let Some(sql) = &k.expr_sql {
            let bound = d.bind_text(sql, &r, None)?;
            *names.last_mut().expect("pushed above") = key_name(&bound.expr);
            let stored = d.stored(&bound);
            refs.extend(stored.refs);
            key.expr_sql = Some(stored.sql);
            key_pretty = stored.pretty;
        }
        keys.push(key);
        pretty.push(key_pretty);
    }
    let include = i.include.iter().map(|c| map(*c)).collect::<Result<Vec<_>>>()?;
    let constraint = source.constraints.iter().find(|c| Some(c.oid) == i.constraint);
    let name = d.w.choose_index_name(&r.name, r.schema, &names, i.primary, constraint.is_some(), &[])?;
    if i.primary {
        for c in &columns {
            d.w.set_not_null(table, r.columns[*c].number, true)?;
        }
    }
    let spec = IndexSpec {
        name: name.clone(),
        method: i.method,
        keys,
        key_options: i.key_options.clone(),
        key_pretty: pretty,
        key_names: vec![],
        include,
        unique: i.unique,
        nulls_not_distinct: i.nulls_not_distinct,
        primary: i.primary,
        deferrable: i.deferrable,
        predicate: predicate_again(d, &r, i)?,
        refs,
        options: i.options.clone(),
        for_constraint: constraint.is_some(),
        concurrently: false,
    };
    let made = make(d, table, spec, true)?;
    if let Some(c) = constraint {
        let kind = if i.primary {
            ConstraintKind::PrimaryKey { index: made.oid }
        } else {
            ConstraintKind::Unique { index: made.oid }
        };
        let mut new = NewConstraint::new(name, table, kind, columns);
        new.deferrable = c.deferrable;
        new.initially_deferred = c.initially_deferred;
        d.w.create_constraint(&new)?;
    }
    Ok(())
}

pub fn run(s: &mut Session, c: &ast::CreateIndex) -> Result<()> {
    if c.concurrently {
        s.block.forbid_block("CREATE INDEX CONCURRENTLY")?;
    }
    let d = Ddl::new(s)?;
    let Some((table, spec)) = spec_of(&d, c)? else { return Ok(()) };
    if spec.concurrently {
        let index = make(&d, table, spec, false)?.oid;
        return super::super::concurrently::complete_index(s, table, index);
    }
    let progress = &s.cx.signals.progress;
    let _running = progress.begin(Command::CreateIndex, table);
    progress.set(create_index::COMMAND, create_index::CREATE);
    make(&d, table, spec, false)?;
    Ok(())
}

/// What the statement asks for, and of which table, which is locked; none: it is there already.
fn spec_of(d: &Ddl, c: &ast::CreateIndex) -> Result<Option<(Oid, IndexSpec)>> {
    let parts = parts_of(&c.relation);
    let mode = if c.concurrently { LockMode::ShareUpdateExclusive } else { LockMode::Share };
    let r = d.lock_own(&parts, mode)?;
    d.st.session.check_not_in_use(&r, "CREATE INDEX")?;
    if r.kind != RelKind::Table && r.kind != RelKind::MaterializedView {
        let noun = match r.kind {
            RelKind::View => "views",
            RelKind::Index => "indexes",
            RelKind::Sequence => "sequences",
            RelKind::CompositeType => "composite types",
            _ => "this kind of relation",
        };
        return Err(err!(WRONG_OBJECT_TYPE, "cannot create index on relation \"{}\"", r.name)
            .detail(format!("This operation is not supported for {noun}.")));
    }
    if d.st.session.temp_schema() != Some(r.schema) {
        d.w.check_schema(r.schema, Privilege::Create)?;
    }
    if c.elements.len() + c.include.len() > 32 {
        bail!(TOO_MANY_COLUMNS, "cannot use more than 32 columns in an index");
    }
    let method = method_of(c)?;
    let options = options_of(&c.with, Owner::Index(method.name))?;
    let (mut keys, mut key_options, mut pretty, mut names, mut refs) =
        (vec![], vec![], vec![], vec![], vec![]);
    for e in &c.elements {
        let (key, p, name) = element(d, &r, method, e, &mut refs)?;
        key_options.push(match opclass::opclass(key.opclass) {
            Some(class) => of_operator_class(&e.opclass_options, class.name)?,
            None => vec![],
        });
        keys.push(key);
        pretty.push(p);
        names.push(name);
    }
    let mut include = vec![];
    for e in &c.include {
        if e.collation.is_some() || e.opclass.is_some() {
            bail!(INVALID_OBJECT_DEFINITION, "including column does not support a collation");
        }
        match &e.key {
            ast::IndexKey::Column(n) => match r.column_named(n) {
                Some((i, _)) => {
                    include.push(i);
                    names.push(n.clone());
                }
                None if is_system_column(n) => {
                    bail!(FEATURE_NOT_SUPPORTED, "index creation on system columns is not supported")
                }
                None => bail!(UNDEFINED_COLUMN, "column \"{n}\" does not exist"),
            },
            ast::IndexKey::Expr(_) => {
                bail!(FEATURE_NOT_SUPPORTED, "expressions are not supported in included columns")
            }
        }
    }
    let predicate = match &c.where_clause {
        Some(e) => {
            let bound = d.bind_expr(e, Some(&r), None, StoredPlace::IndexPredicate)?;
            if is_at_least(&expanded(&bound.expr), Volatility::Stable) {
                bail!(INVALID_OBJECT_DEFINITION, "functions in index predicate must be marked IMMUTABLE");
            }
            Some(d.stored(&bound))
        }
        None => None,
    };
    // The columns' own errors come before those of the name.
    if let Some(name) = &c.name
        && d.w.relation_in(r.schema, name)?.is_some()
    {
        if c.if_not_exists {
            d.notice(err!(DUPLICATE_TABLE, "relation \"{name}\" already exists, skipping"));
            return Ok(None);
        }
        bail!(DUPLICATE_TABLE, "relation \"{name}\" already exists");
    }
    let name = match &c.name {
        Some(n) => n.clone(),
        None => d.w.choose_index_name(&r.name, r.schema, &names, false, false, &[])?,
    };
    let spec = IndexSpec {
        name,
        method: method.name,
        keys,
        key_options,
        key_pretty: pretty,
        key_names: names,
        include,
        unique: c.unique,
        nulls_not_distinct: c.nulls_not_distinct,
        primary: false,
        deferrable: false,
        predicate,
        refs,
        options,
        for_constraint: false,
        // Nobody else writes to a temporary table.
        concurrently: c.concurrently && r.persistence != Persistence::Temporary,
    };
    Ok(Some((r.oid, spec)))
}

/// The operator class of a name, builtin or of an extension.
fn operator_class(
    d: &Ddl,
    method: Oid,
    name: &ast::QualifiedName,
) -> Result<Option<&'static opclass::OpClass>> {
    let schema = name.parts.iter().rev().nth(1).map(String::as_str);
    match opclass::opclass_named(method, name.name()) {
        Some(class) => Ok(Some(class)),
        None => d.w.extension_opclass(schema, method, name.name()),
    }
}

/// The name of an index's column for an expression.
fn key_name(e: &Expr) -> String {
    match e {
        Expr::Call { function, form: quarry_plan::expr::CallForm::Function, .. } => {
            function.def().name.to_string()
        }
        _ => "expr".to_string(),
    }
}

/// The method that is asked for, which must be able to make such an index.
fn method_of(c: &ast::CreateIndex) -> Result<&'static IndexMethodDef> {
    let name = c.access_method.as_deref().unwrap_or("btree");
    let Some(method) = index_method(name) else {
        if name == "heap" {
            bail!(
                INTERNAL_ERROR,
                "index access method handler function 3 did not return an IndexAmRoutine struct"
            );
        }
        bail!(UNDEFINED_OBJECT, "access method \"{name}\" does not exist");
    };
    if c.unique && !method.can_unique {
        bail!(FEATURE_NOT_SUPPORTED, "access method \"{name}\" does not support unique indexes");
    }
    if !c.include.is_empty() && !method.can_include {
        bail!(FEATURE_NOT_SUPPORTED, "access method \"{name}\" does not support included columns");
    }
    if c.elements.len() > 1 && !method.can_multicol {
        bail!(FEATURE_NOT_SUPPORTED, "access method \"{name}\" does not support multicolumn indexes");
    }
    if !method.available {
        return Err(Error::unsupported(format_args!("access method \"{name}\"")));
    }
    Ok(method)
}

/// A key of CREATE INDEX: itself, its expression's pretty form, its column name.
fn element(
    d: &Ddl,
    r: &Relation,
    method: &IndexMethodDef,
    e: &ast::IndexElem,
    refs: &mut Vec<ObjectAddress>,
) -> Result<(IndexKey, Option<String>, String)> {
    let (column, stored, ty, collation, name) = match &e.key {
        ast::IndexKey::Column(n) => match r.column_named(n) {
            Some((i, c)) => (Some(i), None, c.ty, c.collation, n.clone()),
            None => {
                if is_system_column(n) {
                    bail!(FEATURE_NOT_SUPPORTED, "index creation on system columns is not supported");
                }
                bail!(UNDEFINED_COLUMN, "column \"{n}\" does not exist");
            }
        },
        ast::IndexKey::Expr(x) => {
            let bound = d.bind_expr(x, Some(r), None, StoredPlace::IndexKey)?;
            let ty = bound.expr.ty();
            if let Expr::Column { id, .. } = &bound.expr
                && let Some((_, n)) = bound.meta.get(*id).source
            {
                // (a) is the column itself.
                let c = &r.columns[n as usize - 1];
                (Some(n as usize - 1), None, c.ty, c.collation, c.name.clone())
            } else {
                if is_at_least(&expanded(&bound.expr), Volatility::Stable) {
                    bail!(
                        INVALID_OBJECT_DEFINITION,
                        "functions in index expression must be marked IMMUTABLE"
                    );
                }
                let stored = d.stored(&bound);
                let name = key_name(&bound.expr);
                (None, Some(stored), ty, d.w.type_ref(ty.oid)?.collation, name)
            }
        }
    };
    let collation = match &e.collation {
        Some(n) => d.w.resolve_collation(&n.parts, ast::error_position(n.pos))?,
        None => collation,
    };
    let opclass = match &e.opclass {
        Some(n) => match operator_class(d, method.oid, n)? {
            Some(c) => {
                let base = d.w.base_type(ty)?;
                let info = d.w.type_ref(base.oid)?;
                let text_like = |o: Oid| matches!(o.0, 25 | 1043 | 1042);
                let accepts = c.input == base.oid
                    || text_like(c.input) && text_like(base.oid)
                    || opclass::default_opclass(method.oid, &info).is_some_and(|o| o.input == c.input);
                if !accepts {
                    bail!(
                        DATATYPE_MISMATCH,
                        "operator class \"{}\" does not accept data type {}",
                        n.name(),
                        d.w.type_name(ty.oid)?
                    );
                }
                c.oid
            }
            None => bail!(
                UNDEFINED_OBJECT,
                "operator class \"{}\" does not exist for access method \"{}\"",
                n.display(),
                method.name
            ),
        },
        None => class_for(d, method.name, ty)?,
    };
    check_order(method, e)?;
    check_class(d, method, ty, opclass)?;
    let descending = matches!(e.direction, SortDirection::Desc);
    let nulls_first = match e.nulls {
        Some(NullsOrder::First) => true,
        Some(NullsOrder::Last) => false,
        None => descending,
    };
    let mut pretty = None;
    let mut expr_sql = None;
    if let Some(s) = stored {
        refs.extend(s.refs);
        pretty = s.pretty;
        expr_sql = Some(s.sql);
    }
    Ok((IndexKey { column, expr_sql, ty, opclass, collation, descending, nulls_first }, pretty, name))
}

/// 0A000 for operator classes that are listed, but not there.
fn check_class(d: &Ddl, method: &IndexMethodDef, ty: quarry_types::SqlType, class: Oid) -> Result<()> {
    let name = opclass::opclass(class).map_or("", |c| c.name);
    let has_key = d.w.type_ref(d.w.base_type(ty)?.oid)?.functions.key.is_some();
    let missing = match method.name {
        "hash" => !has_key,
        "brin" => !has_key || name.ends_with("_inclusion_ops"),
        "gin" => quarry_functions::gin::class(name).is_none(),
        _ => false,
    };
    if missing {
        return Err(Error::unsupported(format_args!(
            "operator class \"{name}\" for access method \"{}\"",
            method.name
        )));
    }
    Ok(())
}

/// Only an ordered method's keys have a direction.
fn check_order(method: &IndexMethodDef, e: &ast::IndexElem) -> Result<()> {
    if method.can_order {
        return Ok(());
    }
    if e.direction != SortDirection::Default {
        bail!(FEATURE_NOT_SUPPORTED, "access method \"{}\" does not support ASC/DESC options", method.name);
    }
    if e.nulls.is_some() {
        bail!(
            FEATURE_NOT_SUPPORTED,
            "access method \"{}\" does not support NULLS FIRST/LAST options",
            method.name
        );
    }
    Ok(())
}
