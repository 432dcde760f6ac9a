//! Expressions to be stored: bound for checking, kept as text with what they refer to.

use super::Ddl;
use quarry_catalog::{ObjectAddress, Relation, StoredExpr};
use quarry_common::{Oid, Result, bail};
use quarry_functions::{Volatility, registry};
use quarry_plan::deparse::{self, Pretty};
use quarry_plan::tree::{LeafKind, LeafTree, QueryTree};
use quarry_plan::{CallForm, CastKind, ColumnId, Expr, QueryMeta, ScanColumn, walk};
use quarry_sql::ast;
use quarry_sql::bind::{self, StoredPlace};
use quarry_types::{Datum, SqlType, oids, type_info};

/// A bound expression over a table's columns.
pub struct Bound {
    pub expr: Expr,
    pub meta: QueryMeta,
    pub row: Vec<(ColumnId, ScanColumn)>,
}

impl Ddl {
    /// Binds an expression over all columns of a table (none for defaults).
    pub fn bind_expr(
        &self,
        e: &ast::Expr,
        relation: Option<&Relation>,
        target: Option<(SqlType, &str)>,
        place: StoredPlace,
    ) -> Result<Bound> {
        let mut meta = QueryMeta::default();
        let row = relation.map_or(vec![], |r| bind::table_columns(r, &mut meta));
        let expr = self.with_binder(|cx| {
            bind::bind_new_expression(e, relation.map(|r| (r, &row[..])), target, place, &mut meta, cx)
        })?;
        let mut subquery = false;
        walk::visit(&expr, &mut |e| subquery |= matches!(e, Expr::Subquery(_)));
        if subquery {
            let place = match place {
                StoredPlace::Default => "DEFAULT expression",
                StoredPlace::Check | StoredPlace::DomainCheck(_) => "check constraint",
                StoredPlace::Generated => "column generation expression",
                StoredPlace::IndexKey => "index expression",
                StoredPlace::IndexPredicate => "index predicate",
                StoredPlace::Statistics => "statistics expression",
            };
            bail!(FEATURE_NOT_SUPPORTED, "cannot use subquery in {place}");
        }
        Ok(Bound { expr, meta, row })
    }
    /// Text and references of a bound expression. Relations named by constants (nextval's) are kept by OID.
    pub fn stored(&self, b: &Bound) -> StoredExpr {
        let io = quarry_types::io::IoContext { names: self.w.reader(), ..self.st.io.clone() };
        let text = |e: &Expr, pretty| deparse::shown_expr(e, &b.meta, pretty, self.w.reader(), &io);
        let mut sql = text(&b.expr, Pretty::Lines);
        let mut pretty = text(&b.expr, Pretty::Full);
        let mut refs = vec![];
        references(&b.expr, &b.meta, &mut refs);
        walk::visit(&b.expr, &mut |e| {
            if let Expr::Const { value: Datum::U32(oid), ty } = e
                && ty.oid == oids::REGCLASS
                && *oid >= Oid::FIRST_NORMAL.0
            {
                let by_oid = format!("'{oid}'::regclass");
                for form in [&mut sql, &mut pretty] {
                    *form = form.replace(&text(e, Pretty::Lines), &by_oid);
                }
            }
        });
        let pretty = (pretty != sql).then_some(pretty);
        StoredExpr { sql, pretty, refs }
    }
    /// Binds an already stored text over a table's columns.
    pub fn bind_text(&self, sql: &str, relation: &Relation, target: Option<SqlType>) -> Result<Bound> {
        let mut meta = QueryMeta::default();
        let row = bind::table_columns(relation, &mut meta);
        let expr =
            self.with_binder(|cx| bind::bind_stored_expression(sql, relation, &row, target, &mut meta, cx))?;
        Ok(Bound { expr, meta, row })
    }
}

fn push(out: &mut Vec<ObjectAddress>, a: ObjectAddress) {
    if !out.contains(&a) && !a.is_pinned() {
        out.push(a);
    }
}

/// What a call refers to: functions and operators that an extension has made, since others are always there.
fn call_reference(function: Oid, form: &CallForm, out: &mut Vec<ObjectAddress>) {
    match form {
        CallForm::Operator(oid) if registry::is_extension_operator(*oid) => {
            push(out, ObjectAddress::operator(*oid));
        }
        CallForm::Operator(_) => {}
        _ if registry::is_extension_function(function) => push(out, ObjectAddress::function(function)),
        _ => {}
    }
}

/// What an expression refers to: columns, relations named by constants, user-defined types.
pub fn references(e: &Expr, meta: &QueryMeta, out: &mut Vec<ObjectAddress>) {
    walk::visit(e, &mut |e| match e {
        Expr::Column { id, .. } => column_reference(*id, meta, out),
        Expr::Const { value: Datum::U32(oid), ty } if ty.oid == oids::REGCLASS => {
            push(out, ObjectAddress::relation(Oid(*oid)));
        }
        Expr::Const { ty, .. } | Expr::Cast { ty, .. } => push(out, ObjectAddress::ty(ty.oid)),
        Expr::Call { function, form, .. } => call_reference(function.def().oid, form, out),
        Expr::Subquery(s) => {
            if let Some(tree) = &s.tree {
                tree_references(tree, meta, out);
            }
        }
        _ => {}
    });
}

fn column_reference(id: ColumnId, meta: &QueryMeta, out: &mut Vec<ObjectAddress>) {
    if (id.0 as usize) < meta.len()
        && let Some((oid, number)) = meta.get(id).source
        && number > 0
    {
        push(out, ObjectAddress::column(oid, number));
    }
}

/// What a query as written refers to: the columns it names, relations it names no column of, types.
pub fn tree_references(tree: &QueryTree, meta: &QueryMeta, out: &mut Vec<ObjectAddress>) {
    let mut relations = vec![];
    let mut leaf = |l: &LeafTree| {
        if let LeafKind::Relation { relation, .. } = &l.kind {
            relations.push(ObjectAddress::relation(relation.oid));
        }
    };
    tree.leaves(&mut leaf);
    tree.using_columns(&mut |id| column_reference(id, meta, out));
    tree.exprs(&mut |e| references(e, meta, out));
    for r in relations {
        // A column of it says as much.
        if !out.iter().any(|o| o.class == r.class && o.oid == r.oid) {
            push(out, r);
        }
    }
}

/// Whether an expression has the given volatility or a worse one.
pub fn is_at_least(e: &Expr, least: Volatility) -> bool {
    walk::any(e, &|e| match e {
        Expr::Call { function, .. } => {
            let v = function.def().volatility;
            match least {
                Volatility::Volatile => matches!(v, Volatility::Volatile),
                Volatility::Stable => !matches!(v, Volatility::Immutable),
                Volatility::Immutable => true,
            }
        }
        Expr::SqlValue { .. } => !matches!(least, Volatility::Volatile),
        Expr::Cast { arg, ty, kind: CastKind::Io, .. } => match least {
            Volatility::Volatile => false,
            Volatility::Stable => text_may_change(arg.ty().oid, false) || text_may_change(ty.oid, true),
            Volatility::Immutable => true,
        },
        _ => false,
    })
}

/// Whether a type's text form depends on settings or on the catalog: what is written, or what is read.
fn text_may_change(oid: Oid, read: bool) -> bool {
    match oid {
        oids::DATE | oids::TIMESTAMP | oids::TIMESTAMPTZ => true,
        oids::TIME | oids::TIMETZ | oids::INTERVAL => read,
        // Arrays, records, names of objects. Types of users may be domains over anything.
        oid => {
            type_info(oid).is_some_and(|t| t.kind != 'b' || t.category == 'A' || t.name.starts_with("reg"))
        }
    }
}

/// An expression with functions in SQL put in place, as its volatility is judged.
pub fn expanded(e: &Expr) -> Expr {
    let mut e = e.clone();
    quarry_plan::inline::expand_all(&mut e);
    e
}
