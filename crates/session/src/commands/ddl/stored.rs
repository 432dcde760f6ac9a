//! Expressions to be stored: bound for checking, kept as text with what they refer to.

use super::Ddl;
use quarry_catalog::{ObjectAddress, RelKind, Relation, StoredExpr};
use quarry_common::{Oid, Result, bail};
use quarry_functions::Volatility;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{ColumnId, Expr, LogicalPlan, QueryMeta, ScanColumn, walk};
use quarry_sql::ast;
use quarry_sql::bind::{self, StoredPlace};
use quarry_types::{Datum, SqlType, oids};

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
            };
            bail!(FEATURE_NOT_SUPPORTED, "cannot use subquery in {place}");
        }
        Ok(Bound { expr, meta, row })
    }
    /// Text and references of a bound expression. Relations named by constants (nextval's) are kept by OID.
    pub fn stored(&self, b: &Bound) -> StoredExpr {
        let io = quarry_types::io::IoContext { names: self.w.reader(), ..self.st.io.clone() };
        let text = |e: &Expr| quarry_plan::deparse::expr(e, &b.meta, false, self.w.reader(), &io);
        let mut sql = text(&b.expr);
        let mut refs = vec![];
        references(&b.expr, &b.meta, &mut refs);
        walk::visit(&b.expr, &mut |e| {
            if let Expr::Const { value: Datum::U32(oid), ty } = e
                && ty.oid == oids::REGCLASS
                && *oid >= Oid::FIRST_NORMAL.0
            {
                sql = sql.replace(&text(e), &format!("'{oid}'::regclass"));
            }
        });
        let pretty = strip_parentheses(&sql).map(str::to_string);
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

/// The text inside parentheses that surround all of it.
fn strip_parentheses(sql: &str) -> Option<&str> {
    let inner = sql.strip_prefix('(')?.strip_suffix(')')?;
    let mut depth = 0i32;
    let mut quote = None;
    for c in inner.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            (None, '(') => depth += 1,
            (None, ')') => {
                depth -= 1;
                if depth < 0 {
                    return None;
                }
            }
            _ => {}
        }
    }
    Some(inner)
}

fn push(out: &mut Vec<ObjectAddress>, a: ObjectAddress) {
    if !out.contains(&a) && !a.is_pinned() {
        out.push(a);
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
        Expr::Subquery(s) => {
            if let SubqueryPlan::Logical(p) = &s.plan {
                plan_references(p, meta, &|_| false, out);
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

/// What a query refers to; a view in it counts as itself, not as its tables.
pub fn plan_references(
    plan: &LogicalPlan,
    meta: &QueryMeta,
    is_view: &dyn Fn(Oid) -> bool,
    out: &mut Vec<ObjectAddress>,
) {
    if let LogicalPlan::SubqueryAlias { input, .. } = plan
        && let LogicalPlan::Project { targets, .. } = &**input
        && let Some((first, _)) = targets.first()
        && let Some((oid, _)) = meta.get(*first).source
        && is_view(oid)
        && targets.iter().all(|(id, _)| meta.get(*id).source.is_some_and(|s| s.0 == oid))
    {
        push(out, ObjectAddress::relation(oid));
        return;
    }
    for e in walk::exprs(plan) {
        references(e, meta, out);
    }
    if let LogicalPlan::Scan { relation, .. } = plan {
        push(out, ObjectAddress::relation(relation.oid));
    }
    for input in walk::inputs(plan) {
        plan_references(input, meta, is_view, out);
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
        _ => false,
    })
}

/// Whether a relation of this kind has columns that a user names.
pub fn is_table_like(kind: RelKind) -> bool {
    matches!(kind, RelKind::Table | RelKind::View | RelKind::MaterializedView)
}
