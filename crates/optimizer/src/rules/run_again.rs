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
//! What fails inside (a subquery of FROM, a branch of a set operation, the condition of an outer join) has an error of its own,
//! looked for among the rows that there are if nothing below fails. An error too many does no harm: the subquery is run as it was written.
//!
//! Left to `catch_errors`: what fails in or below a window in which rows that are equal in its order may have other values the second
//! time, in the comparison of IN, ANY and ALL but for what that computes of the outer row alone, or in a subquery of the subquery.

use super::copy_plan::copy;
use super::defer_errors::{
    call_of, failing_of, first_of, is_key, is_not_null, keep_in_aggregate, keep_parts, keep_result, kept,
    one_by_one, tested_alone,
};
use super::domain_limits::counts_rows;
use super::inner_joins::{draw, filtered};
use super::lift_correlation::{constant, is_from};
use super::unnest_by_domain::Outer;
use super::unnest_scalars::{self, Joined, aggregate, replace_subqueries};
use super::{Rule, Rules, catch_errors, compare_extremes, unnest_marks, unnest_tests};
use crate::exprs::{plan_volatility, substitute};
use quarry_functions::{Volatility, internal, registry};
use quarry_plan::expr::{FrameBound, SubqueryPlan};
use quarry_plan::total::{aggregate_is_total, cannot_fail, plan_cannot_fail};
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
    if !free.iter().any(|id| outer.available.contains(id)) || plan_volatility(plan) == Volatility::Volatile {
        return None;
    }
    let tests_fail = match &s.kind {
        SubqueryKind::Any { tests } | SubqueryKind::All { tests } => {
            tests.iter().any(|t| !cannot_fail(t, &[]))
        }
        _ => false,
    };
    // What is computed of an aggregate of all rows fails above the join, by itself.
    let within = if is_whole(plan) { below_projections(plan) } else { plan };
    if !tests_fail && plan_cannot_fail(within, &[]) {
        return counts_rows(plan).then(|| catch_errors::joined(s, outer, meta, rules)).flatten();
    }
    // What errors can't be looked for in has them caught.
    let Some(errors) = errors_of(plan, outer, meta) else {
        return catch_errors::joined(s, outer, meta, rules);
    };
    if errors.is_empty() && !tests_fail || !rules.allows_costly(Rule::DeferErrors) {
        return None;
    }
    joined_beside(s, errors, outer, meta, rules).or_else(|| catch_errors::joined(s, outer, meta, rules))
}

/// The join that a subquery's value comes from, and those of its errors.
fn joined_beside(
    s: &SubqueryExpr,
    errors: Errors,
    outer: &Outer<'_>,
    meta: &mut QueryMeta,
    rules: &Rules,
) -> Option<Joined> {
    let SubqueryPlan::Logical(plan) = &s.plan else { return None };
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
    let mut found = vec![];
    safe.output = s.output.iter().map(|id| ids.get(id).copied()).collect::<Option<_>>()?;
    if let SubqueryKind::Any { tests } | SubqueryKind::All { tests } = &mut safe.kind {
        for test in tests {
            rename(test, &ids);
            keep_parts(test, &outer.available, &mut found)?;
        }
    }
    let mut all = by_kind(&safe, outer, meta, rules)?;
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

/// The join that comes of a subquery whose expressions don't fail.
pub(super) fn by_kind(
    s: &SubqueryExpr,
    outer: &Outer<'_>,
    meta: &mut QueryMeta,
    rules: &Rules,
) -> Option<Joined> {
    match s.kind {
        SubqueryKind::Exists => {
            let marked = unnest_marks::joined(s, outer, meta, rules);
            marked.inspect(|_| rules.fire(Rule::UnnestMarks))
        }
        SubqueryKind::Any { .. } | SubqueryKind::All { .. } => {
            unnest_tests::joined(s, outer, meta, rules).or_else(|| by_extremes(s, outer, meta, rules))
        }
        _ => unnest_scalars::joined(s, outer, meta, rules),
    }
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

pub(super) fn rename(e: &mut Expr, ids: &HashMap<ColumnId, ColumnId>) {
    walk::rewrite(e, &mut |e| {
        if let Expr::Column { id, .. } = e
            && let Some(new) = ids.get(id)
        {
            *id = *new;
        }
    });
}

type Errors = Vec<(LogicalPlan, ColumnId)>;

/// Scalar subqueries with an error that the subquery may come upon.
fn errors_of(plan: &LogicalPlan, outer: &Outer<'_>, meta: &mut QueryMeta) -> Option<Errors> {
    errors_over(plan.clone(), vec![], vec![], is_whole(plan), outer, meta)
}

/// The errors of a plan's rows: of what is computed of them (`computed`), these of theirs (`errors`), and those that the plan itself comes
/// upon. `whole`: what is computed of an aggregate of all rows isn't looked at.
fn errors_over(
    mut rows: LogicalPlan,
    mut errors: Vec<Expr>,
    mut computed: Vec<Expr>,
    whole: bool,
    outer: &Outer<'_>,
    meta: &mut QueryMeta,
) -> Option<Errors> {
    loop {
        rows = match rows {
            LogicalPlan::Project { input, targets } => {
                let map: HashMap<ColumnId, Expr> = targets.iter().cloned().collect();
                computed.iter_mut().chain(&mut errors).for_each(|e| substitute(e, &map));
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
            LogicalPlan::SubqueryAlias { input, .. } => *input,
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
        return errors_beneath(rows, errors, computed, outer, meta);
    };
    if !grouping.is_empty() {
        return None;
    }
    let (mut of_calls, mut of_results) = (vec![], vec![]);
    for (_, a) in &mut aggregates.clone() {
        keep_in_aggregate(a, &mut of_calls)?;
        if !aggregate_is_total(a) {
            of_results.push((meta.computed("error", SqlType::TEXT), keep_result(a)?));
        }
    }
    let keys = group.iter().map(|(_, e)| e.clone()).collect();
    let mut all = errors_over((**input).clone(), of_calls, keys, false, outer, meta)?;
    if whole && of_results.is_empty() {
        return Some(all);
    }
    let mut groups = safe(&rows, outer)?;
    errors.extend(of_results.iter().map(|(id, _)| Expr::column(*id, SqlType::TEXT)));
    if let LogicalPlan::Aggregate { aggregates, .. } = &mut groups {
        aggregates.extend(of_results);
    }
    if whole {
        all.extend(first_error(groups, vec![], errors, meta)?);
        return Some(all);
    }
    let (failing, sure) = having.into_iter().partition(|p| !cannot_fail(p, &[]));
    errors.extend(errors_in(computed)?);
    all.extend(first_error(filtered(groups, sure), failing, errors, meta)?);
    Some(all)
}

/// The same of rows that aren't grouped, sorted or projected.
fn errors_beneath(
    rows: LogicalPlan,
    mut errors: Vec<Expr>,
    computed: Vec<Expr>,
    outer: &Outer<'_>,
    meta: &mut QueryMeta,
) -> Option<Errors> {
    let mut tested = rows.clone();
    failing_of(&mut tested, outer);
    if is_from(&rows) && fails_by_keys_alone(&tested, outer) {
        return errors_among(rows, errors, computed, outer, meta);
    }
    errors.extend(errors_in(computed)?);
    let mut all: Errors = match errors.is_empty() {
        true => vec![],
        false => first_error(safe(&rows, outer)?, vec![], errors, meta)?.into_iter().collect(),
    };
    let fails = |p: &Expr| !cannot_fail(p, &[]) && !is_key(p, outer);
    match rows {
        LogicalPlan::SetOp { left, right, .. } => {
            all.extend(errors_of_input(*left, outer, meta)?);
            all.extend(errors_of_input(*right, outer, meta)?);
        }
        LogicalPlan::Filter { input, predicates } => {
            let (failing, sure) = predicates.into_iter().partition(fails);
            all.extend(first_error(filtered(safe(&input, outer)?, sure), failing, vec![], meta)?);
            all.extend(errors_of_input(*input, outer, meta)?);
        }
        LogicalPlan::Join { left, right, on, .. } => {
            let (failing, on) = on.into_iter().partition(fails);
            let (l, r) = (Box::new(safe(&left, outer)?), Box::new(safe(&right, outer)?));
            let pairs = LogicalPlan::Join { kind: JoinKind::Inner, left: l, right: r, on };
            all.extend(first_error(pairs, failing, vec![], meta)?);
            all.extend(errors_of_input(*left, outer, meta)?);
            all.extend(errors_of_input(*right, outer, meta)?);
        }
        other if plan_cannot_fail(&other, &[]) => {}
        LogicalPlan::Window { input, spec, calls } if calls.iter().all(|(_, c)| c.function.def().total) => {
            let offset = |b| matches!(b, &FrameBound::Preceding(_) | &FrameBound::Following(_));
            if offset(&spec.frame.start) || offset(&spec.frame.end) {
                return None;
            }
            let of_calls = calls.into_iter().flat_map(|(_, c)| c.args.into_iter().chain(c.filter));
            let keys = spec.partition_by.into_iter().chain(spec.order_by.into_iter().map(|k| k.expr));
            let errors = errors_in(of_calls.chain(keys).collect())?;
            all.extend(first_error(safe(&input, outer)?, vec![], errors, meta)?);
            all.extend(errors_of_input(*input, outer, meta)?);
        }
        _ => return None,
    }
    Some(all)
}

fn errors_of_input(plan: LogicalPlan, outer: &Outer<'_>, meta: &mut QueryMeta) -> Option<Errors> {
    errors_over(plan, vec![], vec![], false, outer, meta)
}

/// Whether nothing in a plan may fail but what finds rows by a value of the outer row.
fn fails_by_keys_alone(plan: &LogicalPlan, outer: &Outer<'_>) -> bool {
    let mut keyless = plan.clone();
    draw(&mut keyless, &|p| is_key(p, outer), &mut vec![]);
    plan_cannot_fail(&keyless, &[])
}

/// A plan whose expressions are NULL where they fail.
fn safe(plan: &LogicalPlan, outer: &Outer<'_>) -> Option<LogicalPlan> {
    let mut plan = plan.clone();
    without_errors(&mut plan, outer)?;
    Some(plan)
}

/// Whether a plan computes something of an aggregate of all its rows: above the join, where it fails by itself.
pub(super) fn is_whole(plan: &LogicalPlan) -> bool {
    matches!(below_projections(plan), LogicalPlan::Aggregate { group, sets: None, .. } if group.is_empty())
}

pub(super) fn below_projections(mut plan: &LogicalPlan) -> &LogicalPlan {
    while let LogicalPlan::Project { input, .. } = plan {
        plan = input;
    }
    plan
}

/// The first error among a FROM clause's rows: of its conditions, or of what is computed of rows that meet them. Also those of the rows of
/// each of its items, which are perhaps tested before they are joined. `errors`: some of the first.
fn errors_among(
    mut from: LogicalPlan,
    mut errors: Vec<Expr>,
    computed: Vec<Expr>,
    outer: &Outer<'_>,
    meta: &mut QueryMeta,
) -> Option<Errors> {
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
    if let LogicalPlan::Aggregate { aggregates, .. } = plan {
        for (_, a) in aggregates.iter_mut().filter(|(_, a)| !aggregate_is_total(a)) {
            keep_result(a)?;
        }
    }
    walk::inputs_mut(plan).into_iter().try_for_each(|input| without_errors(input, outer))
}
