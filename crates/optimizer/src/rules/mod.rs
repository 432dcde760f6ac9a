//! Rewrites of logical plans, in the order PostgreSQL does them. Each is a file of its own and has a name ([`Rule`]) by which it can be
//! switched off.
//!
//! Nearly all are always worth it. Where costs must decide ([`Rules::allows_costly`]) the statement is planned with and without them.

pub mod aggregate_early;
pub mod anti_join_missing;
pub mod cannot_fail;
pub mod compare_extremes;
pub mod copy_plan;
pub mod defer_errors;
pub mod detect_contradictions;
pub mod extract_restrictions;
pub mod factor_ors;
pub mod fold_constants;
pub mod infer_ranges;
pub mod inline_ctes;
pub mod inner_joins;
pub mod lift_correlation;
pub mod lock_rows;
pub mod merge_ors;
pub mod never_null;
pub mod prune_columns;
pub mod pull_up_subqueries;
pub mod push_filters;
pub mod push_limits;
pub mod recheck_rows;
pub mod reduce_group_keys;
pub mod reduce_outer_joins;
pub mod reduce_sort_keys;
pub mod registry;
pub mod remove_distinct;
pub mod remove_foreign_joins;
pub mod remove_joins;
pub mod remove_self_joins;
pub mod single_rows;
pub mod split_ors;
pub mod unnest_by_domain;
pub mod unnest_laterals;
pub mod unnest_marks;
pub mod unnest_scalars;
pub mod unnest_subqueries;

use quarry_common::Result;
use quarry_plan::expr::{SubqueryKind, SubqueryPlan};
use quarry_plan::{ConstantFolder, Expr, LogicalPlan, QueryMeta, walk};
pub use registry::{Rule, RuleSet, Rules};

/// Everything up to planning proper; also inside subqueries of expressions.
/// An error is that of a constant expression.
pub fn rewrite(
    mut plan: LogicalPlan,
    meta: &mut QueryMeta,
    folder: &dyn ConstantFolder,
    rules: &Rules,
) -> Result<LogicalPlan> {
    if has_with(&plan) {
        inline_ctes::run(&mut plan, rules);
        inline_ctes::fix_types(&mut plan, meta);
    }
    rewrite_level(plan, meta, folder, rules)
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
    rules: &Rules,
) -> Result<LogicalPlan> {
    let plain = is_plain(&plan);
    if !plain {
        single_rows::run(&mut plan);
        forget_exists_targets(&mut plan);
        recheck_rows::prepare(&mut plan, meta);
    }
    let folded = fold_constants::run(&mut plan, folder, rules);
    rules.run(Rule::FactorOrs, || factor_ors::run(&mut plan));
    rules.run(Rule::MergeOrs, || merge_ors::run(&mut plan, folder));
    if !plain {
        unnest(&mut plan, meta, folder, rules)?;
    }
    // What a constant's error says counts only if the constant is still there: unread columns are gone now.
    if rules.run(Rule::PullUpSubqueries, || pull_up_subqueries::run(&mut plan)) || folded.is_err() {
        fold_constants::run(&mut plan, folder, rules)?;
    }
    if !plain {
        rules.run(Rule::ReduceOuterJoins, || reduce_outer_joins::run(&mut plan));
    }
    if !plain && !rules.rows_change() {
        if rules.run(Rule::AntiJoinMissing, || anti_join_missing::run(&mut plan, meta)) {
            // What has become constant fails nowhere.
            fold_constants::run(&mut plan, folder, rules).ok();
        }
        rules.run(Rule::RemoveSelfJoins, || remove_self_joins::run(&mut plan, meta));
        rules.run(Rule::RemoveForeignJoins, || remove_foreign_joins::run(&mut plan, meta));
    }
    if !rules.rows_change() {
        rules.run(Rule::RemoveDistinct, || remove_distinct::run(&mut plan));
        rules.run(Rule::ReduceSortKeys, || reduce_sort_keys::run(&mut plan));
        rules.run(Rule::PushLimits, || push_limits::run(&mut plan));
    }
    if !plain {
        lock_rows::run(&mut plan, meta)?;
        recheck_rows::rewrite(&mut plan, meta, &mut |again, meta| rewrite_level(again, meta, folder, rules))?;
    }
    Ok(plan)
}

/// Whether a statement reads one item of FROM and no other anywhere: rules about joins and subqueries needn't look at it.
fn is_plain(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::OneRow | LogicalPlan::Scan { .. } => true,
        LogicalPlan::Filter { input, .. }
        | LogicalPlan::Project { input, .. }
        | LogicalPlan::Aggregate { input, .. }
        | LogicalPlan::Distinct { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Limit { input, .. } => {
            is_plain(input) && !walk::exprs(plan).into_iter().any(crate::exprs::has_subquery)
        }
        _ => false,
    }
}

/// Makes joins of subqueries, and rewrites those that stay.
fn unnest(
    plan: &mut LogicalPlan,
    meta: &mut QueryMeta,
    folder: &dyn ConstantFolder,
    rules: &Rules,
) -> Result<()> {
    rules.run(Rule::CompareExtremes, || compare_extremes::run(plan, meta, rules));
    rules.run(Rule::UnnestSubqueries, || unnest_subqueries::run(plan, meta, rules));
    rules.run(Rule::UnnestScalars, || unnest_scalars::run(plan, meta, rules));
    rules.run(Rule::UnnestMarks, || unnest_marks::run(plan, meta, rules));
    rules.run(Rule::UnnestLaterals, || unnest_laterals::run(plan, meta, rules));
    let mut outcome = Ok(());
    for_each_subquery(plan, &mut |sub| {
        let taken = std::mem::replace(sub, LogicalPlan::OneRow);
        match rewrite_level(taken, meta, folder, rules) {
            Ok(done) => *sub = done,
            Err(e) if outcome.is_ok() => outcome = Err(e),
            Err(_) => {}
        }
    });
    outcome
}

/// Whether a plan locks rows or changes rows that it reads.
pub fn changes_rows(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Update { .. } | LogicalPlan::Delete { .. } | LogicalPlan::LockRows { .. })
        || walk::inputs(plan).into_iter().any(changes_rows)
}

/// Whether a statement may have rewrites that costs must justify: correlated subqueries, NOT IN, ORs and aggregates over joins.
pub fn has_costly_choices(plan: &LogicalPlan) -> bool {
    if split_ors::may_apply(plan) || aggregate_early::may_apply(plan) {
        return true;
    }
    let mut found = matches!(plan, LogicalPlan::Join { right, .. }
        if matches!(**right, LogicalPlan::SubqueryAlias { .. }) && !walk::free_columns(right).is_empty());
    for e in walk::exprs(plan) {
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Logical(sub) = &s.plan
            {
                let quantified = matches!(s.kind, SubqueryKind::Any { .. } | SubqueryKind::All { .. });
                found |= quantified || !walk::free_columns(sub).is_empty() || has_costly_choices(sub);
            }
        });
    }
    found || walk::inputs(plan).into_iter().any(has_costly_choices)
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
