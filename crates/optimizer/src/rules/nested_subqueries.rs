//! A correlated subquery whose expressions have subqueries themselves is joined as others are (`lift_correlation`, `unnest_by_domain`), these
//! standing where they stood; then they are joined in it, to its rows beside the outer ones that it was joined with:
//!
//! ```text
//! SELECT o.id, (SELECT count(*) FROM i WHERE i.k = o.k AND i.v < (SELECT max(u.v) FROM u WHERE u.w < i.w + o.w)) FROM o
//!   -> SELECT o.id, coalesce(g.n, 0) FROM o LEFT JOIN (
//!        SELECT d.k, d.w, count(*) AS n FROM (SELECT DISTINCT k, w FROM o) d JOIN i ON i.k = d.k
//!        WHERE i.v < (SELECT max(u.v) FROM u WHERE u.w < i.w + d.w) GROUP BY d.k, d.w) g ON g.k = o.k AND g.w = o.w
//! ```
//!
//! They are run for rows that nobody has asked for then: each must have a value whatever its outer row is, or its errors are caught
//! (`catch_errors`).

use super::domain_limits::counts_rows;
use super::domains::is_array;
use super::lift_correlation::{constant, is_from};
use super::{Rule, Rules, unnest_marks, unnest_scalars, unnest_tests};
use crate::exprs::has_subquery;
use crate::unique::plan_is_unique;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::total::{cannot_fail, plan_cannot_fail};
use quarry_plan::{ColumnId, Expr, LogicalPlan, QueryMeta, SubqueryExpr, SubqueryKind, walk};
use quarry_types::{SqlType, type_info};

/// Whether computing all of a plan's rows can't raise an error, the subqueries of its expressions included, but for what it does itself with
/// columns of outer rows alone.
pub fn plan_with_nested_cannot_fail(plan: &LogicalPlan, outer: &[ColumnId]) -> bool {
    if !reads_subqueries(plan) {
        return plan_cannot_fail(plan, outer);
    }
    let mut without = plan.clone();
    replace_sure(&mut without);
    plan_cannot_fail(&without, outer)
}

/// The same of an expression.
pub fn with_nested_cannot_fail(e: &Expr) -> bool {
    let mut without = e.clone();
    replace_sure_in(&mut without);
    cannot_fail(&without, &[])
}

/// Joins the subqueries in the expressions of a plan that has been joined itself.
pub fn join_nested(plan: &mut LogicalPlan, meta: &mut QueryMeta, rules: &Rules) {
    if reads_subqueries(plan) {
        rules.run(Rule::UnnestScalars, || unnest_scalars::run(plan, meta, rules));
        rules.run(Rule::UnnestMarks, || unnest_marks::run(plan, meta, rules));
        rules.run(Rule::UnnestTests, || unnest_tests::run(plan, meta, rules));
    }
}

fn reads_subqueries(plan: &LogicalPlan) -> bool {
    walk::exprs(plan).into_iter().any(has_subquery) || walk::inputs(plan).into_iter().any(reads_subqueries)
}

/// Puts a column of no table in the place of each subquery that has a value for every row.
fn replace_sure(plan: &mut LogicalPlan) {
    walk::exprs_mut(plan).into_iter().for_each(replace_sure_in);
    walk::inputs_mut(plan).into_iter().for_each(replace_sure);
}

fn replace_sure_in(e: &mut Expr) {
    walk::rewrite(e, &mut |e| {
        if let Expr::Subquery(s) = &*e
            && has_value(s)
        {
            *e = match s.output.first() {
                Some(id) if !matches!(s.kind, SubqueryKind::Exists) => Expr::column(*id, s.ty),
                _ => Expr::null(s.ty),
            };
        }
    });
}

/// Whether a subquery has a value for every outer row.
fn has_value(s: &SubqueryExpr) -> bool {
    let SubqueryPlan::Logical(plan) = &s.plan else { return false };
    let single = match &s.kind {
        SubqueryKind::Exists => true,
        SubqueryKind::Any { tests } | SubqueryKind::All { tests } => {
            tests.iter().all(|t| cannot_fail(t, &[]))
        }
        SubqueryKind::Scalar | SubqueryKind::Row => gives_one_row(plan),
        // Arrays of arrays must be of one size.
        SubqueryKind::Array => type_info(s.ty.oid).is_some_and(|info| !is_array(SqlType::of(info.element))),
    };
    single && !counts_rows(plan) && plan_with_nested_cannot_fail(plan, &[])
}

/// Whether a plan gives one row at most, whatever the outer row is.
fn gives_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::OneRow => true,
        LogicalPlan::Aggregate { group, sets: None, .. } => group.is_empty(),
        LogicalPlan::Limit { limit, ties: None, .. } if matches!(constant(limit), Some(Some(0 | 1))) => true,
        from if is_from(from) && plan_is_unique(from, &[]) => true,
        LogicalPlan::Project { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Filter { input, .. }
        | LogicalPlan::SubqueryAlias { input, .. }
        | LogicalPlan::Limit { input, .. } => gives_one_row(input),
        _ => false,
    }
}
