//! A correlated subquery in which errors can't be kept as values is joined nevertheless, as if nothing in it failed. What is joined is a
//! common table expression that an error of its data ends (`Cte::caught`); if one has, the subquery is run as it was written:
//!
//! ```text
//! SELECT o.id, (SELECT count(*) FROM i WHERE i.k = o.k AND i.v = (SELECT u.v FROM u WHERE u.w = i.w)) FROM o
//!   -> WITH c AS (SELECT i.k, count(*) AS n, false AS failed FROM i WHERE ... GROUP BY i.k)
//!      SELECT o.id, CASE WHEN EXISTS (SELECT FROM c WHERE failed) THEN run_again((SELECT count(*) ...)) ELSE coalesce(c.n, 0) END
//!      FROM o LEFT JOIN c ON c.k = o.k
//! ```
//!
//! So whatever is computed for rows that nobody asks for, and in whatever order, rows and errors are those of the subquery run for each
//! row. Everything in the expression may be joined on these terms, subqueries of the subquery too. Errors of what a LIMIT or OFFSET counts
//! by are looked for among the outer rows: a count is looked at where no row is.
//!
//! That is the last resort: errors that are kept (`defer_errors`, `run_again`) cost only the rows that have them.

use super::copy_plan::copy_instead;
use super::defer_errors::{call_of, first_of, is_not_null};
use super::domain_limits::{counts_rows, errors_of_counts, keep_counts};
use super::inline_ctes::scans;
use super::inner_joins::filtered;
use super::nested_subqueries::plan_with_nested_cannot_fail;
use super::run_again::{below_projections, by_kind, is_whole, rename};
use super::unnest_by_domain::{Outer, narrowed};
use super::unnest_scalars::Joined;
use super::{Rule, Rules};
use crate::exprs::{columns, has_subquery, is_volatile};
use quarry_functions::internal;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::total::cannot_fail;
use quarry_plan::{
    ColumnId, Cte, CteId, Expr, JoinKind, LogicalPlan, QueryMeta, SubqueryExpr, SubqueryKind, walk,
};
use quarry_types::SqlType;
use std::collections::HashMap;

/// The name that EXPLAIN gives such an expression.
const NAME: &str = "caught";

/// The join that a subquery's value comes from. The subquery isn't volatile.
pub fn joined(s: &SubqueryExpr, outer: &Outer<'_>, meta: &mut QueryMeta, rules: &Rules) -> Option<Joined> {
    let SubqueryPlan::Logical(plan) = &s.plan else { return None };
    let free = walk::free_columns(plan);
    if !free.iter().all(|id| outer.available.contains(id)) {
        return None;
    }
    let tests = match &s.kind {
        SubqueryKind::Any { tests } | SubqueryKind::All { tests } => &tests[..],
        _ => &[],
    };
    if tests.iter().any(|t| is_volatile(t) || has_subquery(t)) {
        return None;
    }
    let within = if is_whole(plan) { below_projections(plan) } else { plan };
    let counts = counts_rows(plan) && keep_counts(&mut (**plan).clone()).is_none();
    let sure = tests.iter().all(|t| cannot_fail(t, &[])) && plan_with_nested_cannot_fail(within, &[]);
    if sure && !counts || !rules.allows_costly(Rule::CatchErrors) {
        return None;
    }
    let mut failed = vec![];
    if counts_rows(plan) {
        failed.extend(counts_fail(plan, &free, outer, meta)?);
    }
    // What is run again keeps its columns.
    let (rows, ids) = copy_instead(plan, meta)?;
    let mut safe = SubqueryExpr { plan: SubqueryPlan::Logical(Box::new(rows)), ..s.clone() };
    safe.output = s.output.iter().map(|id| ids.get(id).copied()).collect::<Option<_>>()?;
    if let SubqueryKind::Any { tests } | SubqueryKind::All { tests } = &mut safe.kind {
        tests.iter_mut().for_each(|t| rename(t, &ids));
    }
    let mut one = rules.catching(|| by_kind(&safe, outer, meta, rules))?;
    if one.kind != JoinKind::Left || !one.also.is_empty() || !walk::free_columns(&one.right).is_empty() {
        return None;
    }
    failed.insert(0, catch(&mut one, meta, rules));
    let ty = one.value.ty();
    let again = call_of(internal::RUN_AGAIN, vec![Expr::Subquery(Box::new(s.clone()))], ty)?;
    let failed = if failed.len() == 1 { failed.remove(0) } else { Expr::Or(failed) };
    one.value =
        Expr::Case { operand: None, whens: vec![(failed, again)], otherwise: Some(Box::new(one.value)), ty };
    rules.fire(Rule::CatchErrors);
    Some(one)
}

/// Has what is joined come from a common table expression; whether an error has ended it.
fn catch(one: &mut Joined, meta: &mut QueryMeta, rules: &Rules) -> Expr {
    let mut read = columns(&one.value);
    one.on.iter().for_each(|e| read.extend(columns(e)));
    let mut output = walk::output_columns(&one.right);
    output.retain(|id| read.contains(id));
    output.sort_unstable();
    output.dedup();
    let cte = meta.new_cte();
    let flag = meta.computed("failed", SqlType::BOOL);
    let mut targets: Vec<(ColumnId, Expr)> =
        output.iter().map(|id| (*id, Expr::column(*id, meta.get(*id).ty))).collect();
    targets.push((flag, Expr::bool_const(false)));
    let given = |id: ColumnId, meta: &mut QueryMeta| {
        let column = meta.get(id).clone();
        meta.add(column)
    };
    let scanned: Vec<(ColumnId, ColumnId)> = output.iter().map(|id| (given(*id, meta), *id)).collect();
    let ids: HashMap<ColumnId, ColumnId> = scanned.iter().map(|(own, id)| (*id, *own)).collect();
    one.on.iter_mut().chain([&mut one.value]).for_each(|e| rename(e, &ids));
    let rows = std::mem::replace(&mut one.right, scan(cte, scanned));
    output.push(flag);
    rules.add_cte(Cte {
        id: cte,
        name: NAME.into(),
        plan: LogicalPlan::Project { input: Box::new(rows), targets },
        output,
        recursive: None,
        materialized: Some(true),
        references: 2,
        caught: Some(flag),
    });
    let own = given(flag, meta);
    exists(filtered(scan(cte, vec![(own, flag)]), vec![Expr::column(own, SqlType::BOOL)]))
}

fn scan(cte: CteId, columns: Vec<(ColumnId, ColumnId)>) -> LogicalPlan {
    LogicalPlan::CteScan { cte, name: NAME.into(), alias: NAME.into(), columns }
}

fn exists(rows: LogicalPlan) -> Expr {
    Expr::Subquery(Box::new(SubqueryExpr {
        kind: SubqueryKind::Exists,
        plan: SubqueryPlan::Logical(Box::new(LogicalPlan::Project {
            input: Box::new(rows),
            targets: vec![],
        })),
        output: vec![],
        ty: SqlType::BOOL,
        tree: None,
    }))
}

/// Whether a LIMIT or OFFSET can't be counted by for one of the outer rows.
fn counts_fail(
    plan: &LogicalPlan,
    free: &[ColumnId],
    outer: &Outer<'_>,
    meta: &mut QueryMeta,
) -> Option<Option<Expr>> {
    let mut errors = vec![];
    errors_of_counts(plan, free, &mut errors)?;
    let Some(error) = first_of(errors) else { return Some(None) };
    let (mut rows, ids) = super::copy_plan::copy(&narrowed(outer, free)?, meta)?;
    if !walk::free_columns(&rows).is_empty() {
        return None;
    }
    let mut error = error;
    rename(&mut error, &ids);
    rows = filtered(rows, vec![is_not_null(error)]);
    Some(Some(exists(rows)))
}

/// Puts each common table expression that was made where all that it reads is known: behind the ones it reads, in the step of a recursion
/// whose rows it reads, or else around the query.
pub fn wrap(plan: &mut LogicalPlan, rules: &Rules) {
    let mut around = vec![];
    for cte in rules.take_ctes() {
        let mut waiting = Some(cte);
        put_behind(plan, &mut waiting);
        around.extend(waiting);
    }
    if !around.is_empty() {
        put_around(plan, around);
    }
}

fn put_around(plan: &mut LogicalPlan, ctes: Vec<Cte>) {
    let body = Box::new(std::mem::replace(plan, LogicalPlan::OneRow));
    *plan = LogicalPlan::With { ctes, body };
}

/// Puts it into the innermost WITH that has one of those that it reads.
fn put_behind(plan: &mut LogicalPlan, waiting: &mut Option<Cte>) {
    for input in walk::inputs_mut(plan) {
        put_behind(input, waiting);
    }
    let LogicalPlan::With { ctes, .. } = plan else { return };
    let Some(caught) = waiting else { return };
    let read = ctes.iter().rposition(|c| scans(&caught.plan, c.id) > 0);
    let Some(cte) = waiting.take_if(|_| read.is_some()) else { return };
    let at = read.unwrap_or(0);
    match &mut ctes[at].recursive {
        Some((step, _, _)) if scans(step, cte.id) > 0 => put_around(step, vec![cte]),
        _ => ctes.insert(at + 1, cte),
    }
}
