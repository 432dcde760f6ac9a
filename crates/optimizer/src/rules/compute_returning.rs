//! Subqueries of RETURNING that read the row are computed beside the rows that are written, where joins may give them:
//!
//! ```text
//! UPDATE t SET v = t.v + 1 RETURNING t.k, (SELECT count(*) FROM i WHERE i.k = t.k AND i.v < t.v)
//!   -> the rows are those of SELECT t.*, (SELECT count(*) FROM i WHERE i.k = t.k AND i.v < t.v + 1) AS n FROM t; RETURNING t.k, n
//! ```
//!
//! A statement's subqueries see nothing of what it writes, so they have the same rows before. What a column will have is known then, unless it is
//! generated or assigned a subquery's value. Only what can't fail is computed so early: the row may yet be gone, or be in conflict.
//! Where ON CONFLICT updates, the row is another one.

use super::nested_subqueries::with_nested_cannot_fail;
use super::recheck_rows::compute;
use crate::exprs::{columns, has_subquery, is_volatile, plan_volatility, substitute};
use quarry_functions::Volatility;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{
    ColumnId, Expr, LogicalPlan, OnConflictAction, QueryMeta, Returning, ScanColumn, SubqueryExpr,
    SubqueryKind, TableWrite, walk,
};
use std::collections::HashMap;

/// Runs over the plan (not inside subqueries), before it is known how changed rows are tested again. True if a subquery was moved.
pub fn run(plan: &mut LogicalPlan, meta: &mut QueryMeta) -> bool {
    let mut any = false;
    for input in walk::inputs_mut(plan) {
        any |= run(input, meta);
    }
    let (source, returning, known) = match plan {
        LogicalPlan::Insert { target, source, values, on_conflict, returning: Some(r) } => {
            if on_conflict.as_ref().is_some_and(|c| matches!(c.action, OnConflictAction::Update { .. })) {
                return any;
            }
            let given = |at: usize| {
                let place = target.row.iter().position(|(_, c)| *c == ScanColumn::Attribute(at))?;
                Some(Expr::column(*values.get(place)?, meta.get(target.row.get(place)?.0).ty))
            };
            let known = known_of(r, target, &given, meta);
            (source, r, known)
        }
        LogicalPlan::Update { target, source, old, set, returning: Some(r), .. } => {
            let given = |at: usize| match set.iter().find(|(a, _)| *a == at) {
                Some((_, e)) => (!has_subquery(e) && !is_volatile(e)).then(|| e.clone()),
                None => column_of(old, at, meta),
            };
            let known = known_of(r, target, &given, meta);
            (source, r, known)
        }
        LogicalPlan::Delete { target, source, old, returning: Some(r), .. } => {
            let known = known_of(r, target, &|at| column_of(old, at, meta), meta);
            (source, r, known)
        }
        _ => return any,
    };
    let given = walk::output_columns(source);
    let mut values = vec![];
    for (_, e) in returning.targets.iter_mut().filter(|(_, e)| has_subquery(e)) {
        walk::rewrite(e, &mut |e| {
            let read = columns(e);
            let is_known = |id: &ColumnId| known.contains_key(id) || given.contains(id);
            if read.is_empty() || !read.iter().all(is_known) || !is_movable(e) {
                return;
            }
            let ty = e.ty();
            let id = meta.computed("returned", ty);
            let mut value = std::mem::replace(e, Expr::column(id, ty));
            substitute(&mut value, &known);
            values.push((id, value));
        });
    }
    if values.is_empty() {
        return any;
    }
    compute(source, values, meta);
    true
}

/// Whether it is a subquery that may as well be run before.
fn is_movable(e: &Expr) -> bool {
    let Expr::Subquery(s) = e else { return false };
    let SubqueryExpr { kind, plan: SubqueryPlan::Logical(plan), .. } = &**s else { return false };
    *kind != SubqueryKind::Row
        && !is_volatile(e)
        && plan_volatility(plan) != Volatility::Volatile
        && with_nested_cannot_fail(e)
}

/// What the columns of the row that is returned have, over the source's.
fn known_of(
    returning: &Returning,
    target: &TableWrite,
    given: &dyn Fn(usize) -> Option<Expr>,
    meta: &QueryMeta,
) -> HashMap<ColumnId, Expr> {
    let generated = |at: usize| target.generated.iter().any(|(a, _)| *a == at);
    let one = |(id, c): &(ColumnId, ScanColumn)| match c {
        ScanColumn::Attribute(at) if !generated(*at) => {
            let value = given(*at)?;
            (value.ty().oid == meta.get(*id).ty.oid).then_some((*id, value))
        }
        _ => None,
    };
    returning.row.iter().filter_map(one).collect()
}

fn column_of(old: &[(ColumnId, ScanColumn)], at: usize, meta: &QueryMeta) -> Option<Expr> {
    let (id, _) = old.iter().find(|(_, c)| *c == ScanColumn::Attribute(at))?;
    Some(Expr::column(*id, meta.get(*id).ty))
}
