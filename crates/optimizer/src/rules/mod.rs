//! Rewrites of logical plans, in the order PostgreSQL does them. Each is a file of its own and has a name ([`Rule`]) by which it can be
//! switched off.
//!
//! Nearly all are always worth it. Where costs must decide ([`Rules::allows_costly`]) the statement is planned with and without them.

pub mod aggregate_early;
pub mod anti_join_missing;
pub mod catch_errors;
pub mod compare_extremes;
pub mod compute_returning;
pub mod copy_plan;
pub mod defer_errors;
pub mod detect_contradictions;
pub mod domain_ctes;
pub mod domain_limits;
pub mod domains;
pub mod extract_restrictions;
pub mod factor_ors;
pub mod fold_constants;
pub mod infer_ranges;
pub mod inline_ctes;
pub mod inner_joins;
pub mod kinds;
pub mod lift_correlation;
pub mod lock_rows;
pub mod make_scalars;
pub mod merge_ors;
pub mod nested_subqueries;
pub mod never_null;
pub mod order_in_calls;
pub mod prune_columns;
pub mod pull_up_subqueries;
pub mod push_filters;
pub mod push_into_locks;
pub mod push_limits;
pub mod raise_conditions;
pub mod recheck_rows;
pub mod reduce_group_keys;
pub mod reduce_outer_joins;
pub mod reduce_sort_keys;
pub mod registry;
pub mod remove_distinct;
pub mod remove_foreign_joins;
pub mod remove_joins;
pub mod remove_self_joins;
pub mod run_again;
pub mod single_rows;
pub mod split_ors;
pub mod unnest_by_domain;
pub mod unnest_laterals;
pub mod unnest_marks;
pub mod unnest_pairs;
pub mod unnest_scalars;
pub mod unnest_subqueries;
pub mod unnest_tests;

use kinds::Kinds;
use quarry_common::Result;
use quarry_plan::expr::{SubqueryKind, SubqueryPlan};
use quarry_plan::{ConstantFolder, Expr, LogicalPlan, QueryMeta, walk};
pub use registry::{Rule, RuleSet, Rules};

/// Everything up to planning proper; also inside subqueries of expressions. `kinds`: those of the plan.
/// An error is that of a constant expression.
pub fn rewrite(
    mut plan: LogicalPlan,
    mut kinds: Kinds,
    meta: &mut QueryMeta,
    folder: &dyn ConstantFolder,
    rules: &Rules,
) -> Result<LogicalPlan> {
    if kinds.has(Kinds::WITH) {
        inline_ctes::run(&mut plan, rules);
        if rules.done().has(Rule::InlineCtes) {
            inline_ctes::fix_types(&mut plan, meta);
            kinds = Kinds::of(&plan);
        }
    }
    if kinds.has(Kinds::SUBQUERY) {
        fold_in_subqueries(&mut plan, folder, rules);
    }
    rewrite_these(plan, kinds, meta, folder, rules)
}

fn rewrite_level(
    plan: LogicalPlan,
    meta: &mut QueryMeta,
    folder: &dyn ConstantFolder,
    rules: &Rules,
) -> Result<LogicalPlan> {
    let kinds = Kinds::of(&plan);
    rewrite_these(plan, kinds, meta, folder, rules)
}

fn rewrite_these(
    mut plan: LogicalPlan,
    mut kinds: Kinds,
    meta: &mut QueryMeta,
    folder: &dyn ConstantFolder,
    rules: &Rules,
) -> Result<LogicalPlan> {
    if !is_plain(&plan) {
        single_rows::run(&mut plan);
    }
    if kinds.has(Kinds::SUBQUERY) {
        forget_exists_targets(&mut plan);
    }
    let changes = kinds.has(Kinds::CHANGE);
    if kinds.has(Kinds::SUBQUERY) && kinds.has(Kinds::INSERT.and(Kinds::CHANGE)) {
        rules.run(Rule::ComputeReturning, || compute_returning::run(&mut plan, meta));
    }
    if changes {
        push_into_locks::run(&mut plan, meta);
        recheck_rows::prepare(&mut plan, meta);
    }
    let folded = fold_constants::run(&mut plan, folder, rules);
    if kinds.has(Kinds::OR) {
        rules.run(Rule::FactorOrs, || factor_ors::run(&mut plan));
        rules.run(Rule::MergeOrs, || merge_ors::run(&mut plan, folder));
    }
    let subqueries = kinds.has(Kinds::SUBQUERY);
    if subqueries || kinds.has(Kinds::ALIAS) && kinds.has(Kinds::JOIN) {
        unnest(&mut plan, kinds, meta, folder, rules)?;
        kinds = Kinds::of(&plan);
    }
    // What a constant's error says counts only if the constant is still there: unread columns are gone now.
    let pulled =
        kinds.has(Kinds::ALIAS) && rules.run(Rule::PullUpSubqueries, || pull_up_subqueries::run(&mut plan));
    if pulled || folded.is_err() {
        fold_constants::run(&mut plan, folder, rules)?;
    } else if subqueries {
        // What came out of subqueries has not been looked at. What fails there may never be asked for.
        fold_constants::run(&mut plan, folder, rules).ok();
    }
    if kinds.has(Kinds::OUTER_JOIN) {
        rules.run(Rule::ReduceOuterJoins, || reduce_outer_joins::run(&mut plan));
    }
    if kinds.has(Kinds::JOIN) && !rules.rows_change() {
        if kinds.has(Kinds::OUTER_JOIN)
            && rules.run(Rule::AntiJoinMissing, || anti_join_missing::run(&mut plan, meta))
        {
            // What has become constant fails nowhere.
            fold_constants::run(&mut plan, folder, rules).ok();
        }
        if kinds.has(Kinds::REPEATED) {
            rules.run(Rule::RemoveSelfJoins, || remove_self_joins::run(&mut plan, meta));
        }
        if kinds.has(Kinds::REFERENCED) {
            rules.run(Rule::RemoveForeignJoins, || remove_foreign_joins::run(&mut plan, meta));
        }
    }
    if !rules.rows_change() {
        if kinds.has(Kinds::DISTINCT) {
            rules.run(Rule::RemoveDistinct, || remove_distinct::run(&mut plan));
        }
        if kinds.has(Kinds::SORT) {
            rules.run(Rule::ReduceSortKeys, || reduce_sort_keys::run(&mut plan));
        }
        if kinds.has(Kinds::LIMIT) {
            rules.run(Rule::PushLimits, || push_limits::run(&mut plan));
        }
    }
    if changes {
        lock_rows::run(&mut plan, meta)?;
        recheck_rows::rewrite(&mut plan, meta, &mut |again, meta| {
            rules.rechecking(|| rewrite_level(again, meta, folder, rules))
        })?;
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

/// Folds constants in the subqueries of expressions: what looks like it may fail for a row (`date + interval`) doesn't keep a subquery from
/// becoming a join then. What fails now stays, and says so when its own level is rewritten, if it is still there.
fn fold_in_subqueries(plan: &mut LogicalPlan, folder: &dyn ConstantFolder, rules: &Rules) {
    for_each_subquery(plan, &mut |sub| {
        fold_constants::run(sub, folder, rules).ok();
        fold_in_subqueries(sub, folder, rules);
    });
}

/// Makes joins of subqueries, and rewrites those that stay.
fn unnest(
    plan: &mut LogicalPlan,
    kinds: Kinds,
    meta: &mut QueryMeta,
    folder: &dyn ConstantFolder,
    rules: &Rules,
) -> Result<()> {
    if kinds.has(Kinds::SUBQUERY) {
        if kinds.has(Kinds::JOIN) {
            raise_conditions::run(plan);
        }
        // What is a join in a subquery doesn't keep it from being one itself.
        for_each_subquery(plan, &mut |sub| {
            rules.run(Rule::UnnestSubqueries, || unnest_nested(sub, meta, rules));
        });
        if kinds.has(Kinds::OUTER_JOIN) {
            rules.run(Rule::UnnestByDomain, || unnest_pairs::run(plan, meta, rules));
        }
        if kinds.has(Kinds::QUANTIFIED) {
            rules.run(Rule::CompareExtremes, || compare_extremes::run(plan, meta, rules));
        }
        rules.run(Rule::UnnestSubqueries, || unnest_subqueries::run(plan, meta, rules));
        // These are about subqueries that read outer rows, and have each its own look at everything.
        let mut correlated = reads_outer_rows(plan);
        for (rule, rewrite) in UNNEST_VALUES {
            correlated =
                correlated && (!rules.run(*rule, || rewrite(plan, meta, rules)) || reads_outer_rows(plan));
        }
        catch_errors::wrap(plan, rules);
    }
    rules.run(Rule::UnnestLaterals, || unnest_laterals::run(plan, meta, rules));
    if !kinds.has(Kinds::SUBQUERY) {
        return Ok(());
    }
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

type Unnest = fn(&mut LogicalPlan, &mut QueryMeta, &Rules) -> bool;

/// The rules that make joins of correlated subqueries anywhere in expressions.
const UNNEST_VALUES: &[(Rule, Unnest)] = &[
    (Rule::UnnestScalars, unnest_scalars::run),
    (Rule::UnnestMarks, unnest_marks::run),
    (Rule::UnnestTests, unnest_tests::run),
    (Rule::DeferErrors, run_again::run),
];

/// Whether a subquery in the plan's expressions reads columns of the rows around it.
fn reads_outer_rows(plan: &LogicalPlan) -> bool {
    let is_correlated = |e: &Expr| match e {
        Expr::Subquery(s) => match &s.plan {
            SubqueryPlan::Logical(sub) => !walk::free_columns(sub).is_empty(),
            SubqueryPlan::Physical { params, .. } => !params.is_empty(),
        },
        _ => false,
    };
    walk::exprs(plan).into_iter().any(|e| walk::any(e, &is_correlated))
        || walk::inputs(plan).into_iter().any(reads_outer_rows)
}

/// Makes joins of the conditions in a subquery that are EXISTS and the like, innermost first.
fn unnest_nested(plan: &mut LogicalPlan, meta: &mut QueryMeta, rules: &Rules) -> bool {
    let mut nested = false;
    let mut any = false;
    for_each_subquery(plan, &mut |sub| {
        nested = true;
        any |= unnest_nested(sub, meta, rules);
    });
    nested && unnest_subqueries::run(plan, meta, rules) || any
}

/// Whether a plan locks rows or changes rows that it reads.
pub fn changes_rows(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Update { .. } | LogicalPlan::Delete { .. } | LogicalPlan::LockRows { .. })
        || walk::inputs(plan).into_iter().any(changes_rows)
}

/// Where a statement may have rewrites that costs must justify.
#[derive(Clone, Copy)]
pub struct Choices {
    /// In [`rewrite`]: correlated subqueries, NOT IN.
    pub while_rewriting: bool,
    /// After it: ORs and aggregates over joins.
    pub afterwards: bool,
}

impl Choices {
    pub fn any(self) -> bool {
        self.while_rewriting || self.afterwards
    }
}

/// Where a statement may have rewrites that costs must justify. `kinds`: those of the plan.
pub fn choices(plan: &LogicalPlan, kinds: Kinds) -> Choices {
    let subqueries = kinds.has(Kinds::SUBQUERY) || kinds.has(Kinds::ALIAS);
    let joins = kinds.has(Kinds::JOIN);
    Choices {
        while_rewriting: subqueries && has_correlation(plan),
        afterwards: joins
            && (kinds.has(Kinds::OR) && split_ors::may_apply(plan)
                || kinds.has(Kinds::AGGREGATE) && aggregate_early::may_apply(plan)),
    }
}

/// Whether there are correlated subqueries, or quantified ones, anywhere; ORs and aggregates over joins in a subquery are taken for such.
fn has_correlation(plan: &LogicalPlan) -> bool {
    let mut found = matches!(plan, LogicalPlan::Join { right, .. }
        if matches!(**right, LogicalPlan::SubqueryAlias { .. }) && !walk::free_columns(right).is_empty());
    for e in walk::exprs(plan) {
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Logical(sub) = &s.plan
                && !found
            {
                let quantified = matches!(s.kind, SubqueryKind::Any { .. } | SubqueryKind::All { .. });
                found =
                    quantified || !walk::free_columns(sub).is_empty() || choices(sub, Kinds::of(sub)).any();
            }
        });
    }
    found || walk::inputs(plan).into_iter().any(has_correlation)
}

/// EXISTS asks for rows and not for what is in them, nor in which order or how often they come: computed columns go, with errors of constants
/// in them, and so do sorting, DISTINCT and GROUP BY (PostgreSQL: simplify_EXISTS_query).
fn forget_exists_targets(plan: &mut LogicalPlan) {
    for e in walk::exprs_mut(plan).into_iter().filter(|e| crate::exprs::has_subquery(e)) {
        walk::rewrite(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && matches!(s.kind, SubqueryKind::Exists)
                && let SubqueryPlan::Logical(sub) = &mut s.plan
                && let Some(from) = asked_for_rows(sub).cloned()
            {
                **sub = match from {
                    LogicalPlan::Project { input, mut targets } => {
                        targets.retain(|(_, e)| matches!(e, Expr::Column { .. }));
                        s.output.retain(|id| targets.iter().any(|(t, _)| t == id));
                        LogicalPlan::Project { input, targets }
                    }
                    from => {
                        s.output.clear();
                        LogicalPlan::Project { input: Box::new(from), targets: vec![] }
                    }
                };
            }
        });
    }
    for input in walk::inputs_mut(plan) {
        forget_exists_targets(input);
    }
}

/// What gives a row where a query does: its FROM clause with what is computed of a row. None if that isn't all that matters.
fn asked_for_rows(plan: &LogicalPlan) -> Option<&LogicalPlan> {
    if lift_correlation::is_from(plan) {
        return Some(plan);
    }
    match plan {
        LogicalPlan::Sort { input, .. } | LogicalPlan::Distinct { input, .. } => asked_for_rows(input),
        LogicalPlan::Project { input, .. } if lift_correlation::is_from(input) => Some(plan),
        LogicalPlan::Project { input, .. } if !matches!(**input, LogicalPlan::Project { .. }) => {
            asked_for_rows(input)
        }
        LogicalPlan::Aggregate { input, group, sets: None, aggregates, .. }
            if !group.is_empty() && aggregates.is_empty() && lift_correlation::is_from(input) =>
        {
            Some(input)
        }
        _ => None,
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
    for e in walk::exprs_mut(plan).into_iter().filter(|e| crate::exprs::has_subquery(e)) {
        walk::rewrite(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Logical(sub) = &mut s.plan
            {
                f(sub);
            }
        });
    }
}
