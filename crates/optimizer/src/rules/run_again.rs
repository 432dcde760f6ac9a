//! A correlated subquery in which something may fail whose rows come in no known order (joins, groups, LIMIT) is joined nevertheless,
//! beside what it would raise. Only for outer rows that have an error there is it run as it was written: it may have stopped before.
//!
//! ```text
//! EXISTS (SELECT FROM i JOIN j ON j.id = i.j WHERE i.k = o.k AND i.a / j.b > 1)
//!   -> CASE WHEN e.first IS NOT NULL THEN run_again(EXISTS (...)) ELSE g.k IS NOT NULL END
//!      e: SELECT i.k, any_value(error_of(i.a / j.b > 1)) AS first FROM i JOIN j ... WHERE error_of(i.a / j.b > 1) IS NOT NULL GROUP BY i.k
//!      g: SELECT i.k FROM i JOIN j ... WHERE or_null(i.a / j.b > 1) GROUP BY i.k
//! ```
//!
//! Conditions that can't fail are taken to be tested before those that may, here as in `defer_errors`: for a row that one of them leaves
//! out PostgreSQL raises an error where it tests the other first.
//!
//! Left to be run for each row: what fails in the condition of an outer join, in a subquery of FROM, in a branch of a set operation, in a
//! window, in an aggregate itself over groups, or in the comparison of IN, ANY and ALL.

use super::copy_plan::copy;
use super::defer_errors::{
    call_of, failing_of, first_of, is_key, is_not_null, keep_in_aggregate, kept, one_by_one, tested_alone,
};
use super::inner_joins::filtered;
use super::lift_correlation::{constant, is_from};
use super::unnest_by_domain::Outer;
use super::unnest_scalars::{self, Joined, aggregate, replace_subqueries};
use super::{Rule, Rules, compare_extremes, unnest_marks, unnest_tests};
use crate::exprs::{plan_volatility, substitute};
use quarry_functions::{Volatility, internal, registry};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::total::{cannot_fail, plan_cannot_fail};
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, QueryMeta, SubqueryExpr, SubqueryKind, walk};
use quarry_types::SqlType;
use std::collections::HashMap;

/// Runs over the plan (not inside remaining subqueries), after what can be joined by itself was. True if a subquery became a join.
pub fn run(plan: &mut LogicalPlan, meta: &mut QueryMeta, rules: &Rules) -> bool {
    !rules.rechecks() && replace_subqueries(plan, &mut |s, outer| joined(s, outer, meta, rules))
}

fn joined(s: &SubqueryExpr, outer: &Outer<'_>, meta: &mut QueryMeta, rules: &Rules) -> Option<Joined> {
    let SubqueryPlan::Logical(plan) = &s.plan else { return None };
    let free = walk::free_columns(plan);
    if !free.iter().any(|id| outer.available.contains(id))
        || plan_cannot_fail(plan, &[])
        || plan_volatility(plan) == Volatility::Volatile
    {
        return None;
    }
    if let SubqueryKind::Any { tests } | SubqueryKind::All { tests } = &s.kind
        && !tests.iter().all(|t| cannot_fail(t, &[]))
    {
        return None;
    }
    let errors = errors_of(plan, outer, meta)?;
    if errors.is_empty() || !rules.allows_costly(Rule::DeferErrors) {
        return None;
    }
    // The subquery itself keeps its columns.
    let (mut rows, ids) = copy(plan, meta)?;
    let mut below = &mut rows;
    if is_whole(plan) {
        while let LogicalPlan::Project { input, .. } = below {
            below = input;
        }
    }
    without_errors(below, outer)?;
    let mut safe = SubqueryExpr { plan: SubqueryPlan::Logical(Box::new(rows)), ..s.clone() };
    safe.output = s.output.iter().map(|id| ids.get(id).copied()).collect::<Option<_>>()?;
    if let SubqueryKind::Any { tests } | SubqueryKind::All { tests } = &mut safe.kind {
        tests.iter_mut().for_each(|t| rename(t, &ids));
    }
    let mut all = match s.kind {
        SubqueryKind::Exists => {
            let marked = unnest_marks::joined(&safe, outer, meta, rules);
            marked.inspect(|_| rules.fire(Rule::UnnestMarks))
        }
        SubqueryKind::Any { .. } | SubqueryKind::All { .. } => {
            unnest_tests::joined(&safe, outer, meta, rules).or_else(|| by_extremes(&safe, outer, meta, rules))
        }
        _ => unnest_scalars::joined(&safe, outer, meta, rules),
    }?;
    let mut found = vec![];
    for (plan, output) in errors {
        let (plan, ids) = copy(&plan, meta)?;
        let output = *ids.get(&output)?;
        if walk::free_columns(&plan).is_empty() {
            found.push(run_once(plan, output));
            continue;
        }
        let one = unnest_scalars::joined_value(&plan, (output, SqlType::TEXT), outer, None, meta, rules)?;
        if one.kind != JoinKind::Left {
            return None;
        }
        all.also.push((one.right, one.on));
        found.push(one.value);
    }
    let ty = all.value.ty();
    let again = call_of(internal::RUN_AGAIN, vec![Expr::Subquery(Box::new(s.clone()))], ty)?;
    all.value = Expr::Case {
        operand: None,
        whens: vec![(is_not_null(first_of(found)?), again)],
        otherwise: Some(Box::new(all.value)),
        ty,
    };
    Some(all)
}

fn by_extremes(s: &SubqueryExpr, outer: &Outer<'_>, meta: &mut QueryMeta, rules: &Rules) -> Option<Joined> {
    let joined =
        rules.allows(Rule::CompareExtremes).then(|| compare_extremes::joined(s, outer, meta, rules))?;
    joined.inspect(|_| rules.fire(Rule::CompareExtremes))
}

/// A scalar subquery that reads no outer row.
fn run_once(plan: LogicalPlan, output: ColumnId) -> Expr {
    Expr::Subquery(Box::new(SubqueryExpr {
        kind: SubqueryKind::Scalar,
        plan: SubqueryPlan::Logical(Box::new(plan)),
        output: vec![output],
        ty: SqlType::TEXT,
        tree: None,
    }))
}

fn rename(e: &mut Expr, ids: &HashMap<ColumnId, ColumnId>) {
    walk::rewrite(e, &mut |e| {
        if let Expr::Column { id, .. } = e
            && let Some(new) = ids.get(id)
        {
            *id = *new;
        }
    });
}

/// Scalar subqueries with an error that the subquery may come upon: of its FROM clause's rows, and of its groups.
fn errors_of(
    plan: &LogicalPlan,
    outer: &Outer<'_>,
    meta: &mut QueryMeta,
) -> Option<Vec<(LogicalPlan, ColumnId)>> {
    // What is computed of the rows beneath.
    let mut computed: Vec<Expr> = vec![];
    let mut rows = plan.clone();
    loop {
        rows = match rows {
            LogicalPlan::Project { input, targets } => {
                let map: HashMap<ColumnId, Expr> = targets.iter().cloned().collect();
                computed.iter_mut().for_each(|e| substitute(e, &map));
                computed.extend(targets.into_iter().map(|(_, e)| e));
                *input
            }
            LogicalPlan::Sort { input, keys } => {
                computed.extend(keys.into_iter().map(|k| k.expr));
                *input
            }
            LogicalPlan::Distinct { input, on } => {
                computed.extend(on.into_iter().flatten());
                *input
            }
            LogicalPlan::Limit { input, limit, offset, ties: None } => {
                constant(&limit)?;
                constant(&offset)?;
                *input
            }
            other => {
                rows = other;
                break;
            }
        };
    }
    let (having, rows) = match rows {
        LogicalPlan::Filter { input, predicates } if matches!(*input, LogicalPlan::Aggregate { .. }) => {
            (predicates, *input)
        }
        other => (vec![], other),
    };
    let LogicalPlan::Aggregate { input, group, sets: None, aggregates, grouping } = &rows else {
        return errors_among(rows, vec![], computed, outer, meta);
    };
    if group.is_empty() && !is_whole(plan)
        || !grouping.is_empty()
        || !aggregates.iter().all(|(_, a)| a.function.def().total)
    {
        return None;
    }
    let mut of_calls = vec![];
    for (_, a) in &mut aggregates.clone() {
        keep_in_aggregate(a, &mut of_calls)?;
    }
    let keys = group.iter().map(|(_, e)| e.clone()).collect();
    let mut all = errors_among((**input).clone(), of_calls, keys, outer, meta)?;
    if group.is_empty() {
        return Some(all);
    }
    let mut groups = rows.clone();
    without_errors(&mut groups, outer)?;
    let (failing, sure) = having.into_iter().partition(|p| !cannot_fail(p, &[]));
    all.extend(first_error(filtered(groups, sure), failing, errors_in(computed)?, meta)?);
    Some(all)
}

/// Whether a plan computes something of an aggregate of all its rows: above the join, where it fails by itself.
fn is_whole(mut plan: &LogicalPlan) -> bool {
    while let LogicalPlan::Project { input, .. } = plan {
        plan = input;
    }
    matches!(plan, LogicalPlan::Aggregate { group, .. } if group.is_empty())
}

/// The first error among a FROM clause's rows: of its conditions, or of what is computed of rows that meet them. Also those of the rows of
/// each of its items, which are perhaps tested before they are joined. `errors`: some of the first.
fn errors_among(
    mut from: LogicalPlan,
    mut errors: Vec<Expr>,
    computed: Vec<Expr>,
    outer: &Outer<'_>,
    meta: &mut QueryMeta,
) -> Option<Vec<(LogicalPlan, ColumnId)>> {
    if !is_from(&from) {
        return None;
    }
    let mut all = vec![];
    for (item, conditions) in tested_alone(&from, outer) {
        let (failing, sure) = conditions.into_iter().partition(|p| !cannot_fail(p, &[]) && !is_key(p, outer));
        all.extend(first_error(filtered(item, sure), failing, vec![], meta)?);
    }
    let failing = failing_of(&mut from, outer);
    errors.extend(errors_in(computed)?);
    all.extend(first_error(from, failing, errors, meta)?);
    Some(all)
}

fn errors_in(computed: Vec<Expr>) -> Option<Vec<Expr>> {
    computed.iter().filter(|e| !cannot_fail(e, &[])).map(|e| Some(kept(e)?.1)).collect()
}

/// The first error of conditions, or one of these of rows that meet them. None inside if there can be none.
fn first_error(
    rows: LogicalPlan,
    failing: Vec<Expr>,
    errors: Vec<Expr>,
    meta: &mut QueryMeta,
) -> Option<Option<(LogicalPlan, ColumnId)>> {
    let computed = first_of(errors);
    let error = match (one_by_one(failing), computed) {
        (None, None) => return Some(None),
        (None, Some(computed)) => computed,
        (Some(conditions), computed) => {
            let (met, error) = kept(&conditions)?;
            let of_met = computed.map(|e| {
                let whens = vec![(met, e)];
                Expr::Case { operand: None, whens, otherwise: None, ty: SqlType::TEXT }
            });
            first_of([error].into_iter().chain(of_met).collect())?
        }
    };
    let input = Box::new(filtered(rows, vec![is_not_null(error.clone())]));
    let first = meta.computed("error", SqlType::TEXT);
    let any = aggregate(registry::function(internal::ANY_VALUE)?, vec![error], SqlType::TEXT);
    let aggregates = vec![(first, any)];
    let input = LogicalPlan::Aggregate { input, group: vec![], sets: None, aggregates, grouping: vec![] };
    let output = meta.computed("error", SqlType::TEXT);
    let targets = vec![(output, Expr::column(first, SqlType::TEXT))];
    Some(Some((LogicalPlan::Project { input: Box::new(input), targets }, output)))
}

/// Makes a plan's expressions NULL where they fail. None if something else in it may fail.
fn without_errors(plan: &mut LogicalPlan, outer: &Outer<'_>) -> Option<()> {
    for e in walk::exprs_mut(plan) {
        if !cannot_fail(e, &[]) && !is_key(e, outer) {
            *e = kept(e)?.0;
        }
    }
    walk::inputs_mut(plan).into_iter().try_for_each(|input| without_errors(input, outer))
}
