//! Rewrites of logical plans that are always worth it, in the order PostgreSQL does them. Each is a file of its own.

pub mod fold_constants;
pub mod inline_ctes;
pub mod lock_rows;
pub mod prune_columns;
pub mod pull_up_subqueries;
pub mod push_filters;
pub mod recheck_rows;
pub mod reduce_outer_joins;
pub mod remove_joins;
pub mod unnest_scalars;
pub mod unnest_subqueries;

use quarry_common::Result;
use quarry_plan::expr::{SubqueryKind, SubqueryPlan};
use quarry_plan::{ConstantFolder, Expr, LogicalPlan, QueryMeta, walk};

/// Everything up to planning proper; also inside subqueries of expressions.
/// An error is that of a constant expression.
pub fn rewrite(
    mut plan: LogicalPlan,
    meta: &mut QueryMeta,
    folder: &dyn ConstantFolder,
) -> Result<LogicalPlan> {
    if has_with(&plan) {
        inline_ctes::run(&mut plan);
        inline_ctes::fix_types(&mut plan, meta);
    }
    rewrite_level(plan, meta, folder)
}

fn has_with(plan: &LogicalPlan) -> bool {
    let mut found = matches!(plan, LogicalPlan::With { .. });
    for e in walk::exprs(plan) {
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Logical(sub) = &s.plan
            {
                found |= has_with(sub);
            }
        });
    }
    found || walk::inputs(plan).into_iter().any(has_with)
}

fn rewrite_level(
    mut plan: LogicalPlan,
    meta: &mut QueryMeta,
    folder: &dyn ConstantFolder,
) -> Result<LogicalPlan> {
    forget_exists_targets(&mut plan);
    recheck_rows::prepare(&mut plan, meta);
    let folded = fold_constants::run(&mut plan, folder);
    unnest_subqueries::run(&mut plan);
    unnest_scalars::run(&mut plan);
    let mut failed = None;
    for_each_subquery(&mut plan, &mut |sub| {
        let taken = std::mem::replace(sub, LogicalPlan::OneRow);
        match rewrite_level(taken, meta, folder) {
            Ok(done) => *sub = done,
            Err(e) => drop(failed.get_or_insert(e)),
        }
    });
    if let Some(e) = failed {
        return Err(e);
    }
    // What a constant's error says counts only if the constant is still there: unread columns are gone now.
    if pull_up_subqueries::run(&mut plan) || folded.is_err() {
        fold_constants::run(&mut plan, folder)?;
    }
    reduce_outer_joins::run(&mut plan);
    lock_rows::run(&mut plan, meta)?;
    recheck_rows::rewrite(&mut plan, meta, &mut |again, meta| rewrite_level(again, meta, folder))?;
    Ok(plan)
}

/// EXISTS asks for rows and not for what is in them: computed columns go, and errors of constants in them.
fn forget_exists_targets(plan: &mut LogicalPlan) {
    for e in walk::exprs_mut(plan) {
        walk::rewrite(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && matches!(s.kind, SubqueryKind::Exists)
                && let SubqueryPlan::Logical(sub) = &mut s.plan
                && let LogicalPlan::Project { input, targets } = &mut **sub
                && matches!(
                    **input,
                    LogicalPlan::Scan { .. } | LogicalPlan::Filter { .. } | LogicalPlan::Join { .. }
                )
            {
                targets.retain(|(_, e)| matches!(e, Expr::Column { .. }));
                s.output.retain(|id| targets.iter().any(|(t, _)| t == id));
            }
        });
    }
    for input in walk::inputs_mut(plan) {
        forget_exists_targets(input);
    }
}

/// Calls `f` on the plan of each subquery in the expressions of `plan` and of its inputs.
pub fn for_each_subquery(plan: &mut LogicalPlan, f: &mut dyn FnMut(&mut LogicalPlan)) {
    for_each_subquery_here(plan, f);
    for input in walk::inputs_mut(plan) {
        for_each_subquery(input, f);
    }
}

/// Calls `f` on the plan of each subquery in the expressions of this node alone.
pub fn for_each_subquery_here(plan: &mut LogicalPlan, f: &mut dyn FnMut(&mut LogicalPlan)) {
    for e in walk::exprs_mut(plan) {
        walk::rewrite(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Logical(sub) = &mut s.plan
            {
                f(sub);
            }
        });
    }
}
