//! A correlated subquery that aggregates what may fail is computed for all rows nevertheless: an error is kept as a value beside the
//! aggregate, and raised where the subquery stood, for outer rows that it belongs to:
//!
//! ```text
//! (SELECT sum(i.a / i.b) FROM i WHERE i.k = o.k)
//!   -> CASE WHEN g.e IS NOT NULL THEN raise_or(NULL, g.e) ELSE g.sum END
//!      over (SELECT i.k, sum(or_null(i.a / i.b)), any_value(error_of(i.a / i.b)) FILTER (WHERE error_of(i.a / i.b) IS NOT NULL) AS e
//!            FROM i GROUP BY i.k) g
//! ```
//!
//! A condition of its WHERE that may fail lets a row pass that it fails for, and its error is kept the same way; so are those of FILTERs
//! and of what an ORDER BY in a call, or of ARRAY's subquery, sorts by. So an error comes for no other outer rows than PostgreSQL raises
//! one for, and of several the first one in the order of the rows.
//!
//! An aggregate that fails itself (a sum of floats, which overflows) is run by two others, which keep errors (`functions::kept`):
//!
//! ```text
//! sum(i.f)  ->  result_or_null(sum, i.f), error_of_result(sum, i.f)
//! ```
//!
//! Subqueries that stop at the first match (EXISTS, IN) are `unnest_tests`; what else stops, or fails where errors can't be kept, is
//! `run_again`.

use super::inner_joins::{self, draw, filtered};
use super::lift_correlation::{constant, is_from};
use super::nested_subqueries::plan_with_nested_cannot_fail;
use super::unnest_by_domain::{Outer, substitute_aggregate};
use super::unnest_scalars::aggregate;
use crate::exprs::{binary, columns, has_subquery, is_equality, substitute};
use quarry_common::Oid;
use quarry_functions::{Body, internal, kept as functions, registry};
use quarry_plan::total::{aggregate_is_total, cannot_fail};
use quarry_plan::{
    AggregateExpr, CallForm, CastKind, ColumnId, Expr, FunctionRef, LogicalPlan, QueryMeta, walk,
};
use quarry_types::{Datum, SqlType};
use std::collections::HashMap;

/// The subquery with errors kept. None if nothing can fail, or in a place where an error can't be kept.
pub fn deferred(plan: &LogicalPlan, outer: &Outer<'_>, meta: &mut QueryMeta) -> Option<LogicalPlan> {
    let LogicalPlan::Project { input: mut below, targets } = plan.clone() else { return None };
    let mut targets = targets;
    while let LogicalPlan::Project { input, targets: inner } = *below {
        let map: HashMap<ColumnId, Expr> = inner.into_iter().collect();
        targets.iter_mut().for_each(|(_, e)| substitute(e, &map));
        below = input;
    }
    let LogicalPlan::Aggregate { mut input, group, sets: None, mut aggregates, grouping } = *below else {
        return None;
    };
    // What ARRAY's subquery computes, and what it sorts by, is in the call.
    loop {
        input = match *input {
            LogicalPlan::Project { input, targets } => {
                let map: HashMap<ColumnId, Expr> = targets.into_iter().collect();
                aggregates.iter_mut().for_each(|(_, a)| substitute_aggregate(a, &map));
                input
            }
            LogicalPlan::Sort { input, .. } if aggregates.iter().all(|(_, a)| !a.order_by.is_empty()) => {
                input
            }
            other => {
                input = Box::new(other);
                break;
            }
        };
    }
    if !group.is_empty() || !grouping.is_empty() {
        return None;
    }
    let mut errors = match is_from(&input) {
        true => keep_in_from(&mut input, outer)?,
        false if plan_with_nested_cannot_fail(&input, &[]) => vec![],
        false => return None,
    };
    let mut failing = vec![];
    for (_, a) in &mut aggregates {
        keep_in_aggregate(a, &mut errors)?;
        if !aggregate_is_total(a) {
            failing.push((meta.computed("error", SqlType::TEXT), keep_result(a)?));
        }
    }
    let mut found: Vec<Expr> = failing.iter().map(|(id, _)| Expr::column(*id, SqlType::TEXT)).collect();
    aggregates.extend(failing);
    if let Some(first) = first_of(errors) {
        let id = meta.computed("error", SqlType::TEXT);
        let any = registry::function(internal::ANY_VALUE)?;
        let call = AggregateExpr {
            filter: Some(is_not_null(first.clone())),
            ..aggregate(any, vec![first], SqlType::TEXT)
        };
        aggregates.push((id, call));
        found.insert(0, Expr::column(id, SqlType::TEXT));
    }
    let found = first_of(found)?;
    for (_, e) in &mut targets {
        raise_first(e, &found)?;
    }
    let input = LogicalPlan::Aggregate { input, group, sets: None, aggregates, grouping };
    Some(LogicalPlan::Project { input: Box::new(input), targets })
}

/// Lets rows of a FROM clause pass that its conditions fail for, those of inner joins included; the errors. None if an item is perhaps
/// tested alone, which may fail for a row that joins nothing.
pub fn keep_in_from(from: &mut LogicalPlan, outer: &Outer<'_>) -> Option<Vec<Expr>> {
    if !tested_alone(from, outer).is_empty() {
        return None;
    }
    let failing = failing_of(from, outer);
    keep_in_conditions(from, failing)
}

/// The items of a FROM clause with several on which there are conditions that may fail, and all conditions on them.
pub fn tested_alone(from: &LogicalPlan, outer: &Outer<'_>) -> Vec<(LogicalPlan, Vec<Expr>)> {
    let (mut all, mut conditions) = (vec![], vec![]);
    items(from, &mut all);
    inner_joins::conditions(from, &mut conditions);
    if all.len() < 2 {
        return vec![];
    }
    let with_conditions = |item: &&LogicalPlan| {
        let own = walk::output_columns(item);
        let known = |id: &ColumnId| own.contains(id) || outer.available.contains(id);
        let on_it = conditions.iter().filter(|p| {
            let read = columns(p);
            read.iter().all(known) && read.iter().any(|id| own.contains(id))
        });
        ((*item).clone(), on_it.map(|p| (*p).clone()).collect::<Vec<_>>())
    };
    let may_fail = |(_, conditions): &(LogicalPlan, Vec<Expr>)| {
        conditions.iter().any(|p| !cannot_fail(p, &[]) && !is_key(p, outer))
    };
    all.iter().map(with_conditions).filter(may_fail).collect()
}

/// The tables and subqueries of a FROM clause.
fn items<'p>(from: &'p LogicalPlan, out: &mut Vec<&'p LogicalPlan>) {
    match from {
        LogicalPlan::Filter { input, .. } => items(input, out),
        LogicalPlan::Join { left, right, .. } => {
            items(left, out);
            items(right, out);
        }
        item => out.push(item),
    }
}

/// Takes the conditions that may fail out of a FROM clause.
pub fn failing_of(from: &mut LogicalPlan, outer: &Outer<'_>) -> Vec<Expr> {
    let mut failing = vec![];
    draw(from, &|p| !cannot_fail(p, &[]) && !is_key(p, outer), &mut failing);
    failing
}

/// Has a plan's rows pass that meet these conditions, or fail one; the errors.
pub fn keep_in_conditions(plan: &mut LogicalPlan, failing: Vec<Expr>) -> Option<Vec<Expr>> {
    let Some(mut all) = one_by_one(failing) else { return Some(vec![]) };
    let error = keep_in_condition(&mut all)?;
    *plan = filtered(std::mem::replace(plan, LogicalPlan::OneRow), vec![all]);
    Some(vec![error])
}

/// Conditions as one. PostgreSQL tests cheap ones first, and no further ones where one doesn't hold.
pub fn one_by_one(mut conditions: Vec<Expr>) -> Option<Expr> {
    conditions.sort_by_key(calls);
    let mut all = conditions.pop()?;
    while let Some(p) = conditions.pop() {
        all = Expr::Case { operand: None, whens: vec![(p, all)], otherwise: None, ty: SqlType::BOOL };
    }
    Some(all)
}

/// How many functions an expression calls.
fn calls(e: &Expr) -> usize {
    let mut found = 0;
    walk::visit(e, &mut |e| {
        found += match e {
            Expr::Call { .. } | Expr::ScalarArray { .. } | Expr::IsDistinct { .. } | Expr::NullIf { .. } => 1,
            Expr::Cast { kind: CastKind::Io, .. } => 2,
            _ => 0,
        }
    });
    found
}

/// Has the conditions of a plan's FROM clause hold where what they compute of an outer row alone fails; the errors, which are those of
/// the outer row if the plan has a row for it. None in a place where something is made of the rows but an order, a part of them, or
/// each of them once. `free`: the outer columns.
pub fn keep_of_outer(plan: &mut LogicalPlan, free: &[ColumnId]) -> Option<Vec<Expr>> {
    match plan {
        LogicalPlan::Project { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Distinct { input, .. } => keep_of_outer(input, free),
        LogicalPlan::Limit { input, limit, offset: None, ties: None }
            if constant(limit)?.is_none_or(|n| n > 0) =>
        {
            keep_of_outer(input, free)
        }
        LogicalPlan::Filter { input, predicates } if is_from(input) => {
            let mut errors = vec![];
            for p in predicates.iter_mut().filter(|p| !cannot_fail(p, &[])) {
                let before = errors.len();
                keep_parts(p, free, &mut errors)?;
                let own = errors[before..].to_vec();
                let failed = is_not_null(first_of(own)?);
                let holds = std::mem::replace(p, Expr::bool_const(true));
                *p = Expr::Or(vec![holds, failed]);
            }
            Some(errors)
        }
        _ => None,
    }
}

/// Makes parts of an expression that read outer columns alone NULL where they fail. None if they needn't be computed at all.
pub fn keep_parts(e: &mut Expr, free: &[ColumnId], errors: &mut Vec<Expr>) -> Option<()> {
    if cannot_fail(e, &[]) {
        return Some(());
    }
    let read = columns(e);
    if !read.is_empty() && read.iter().all(|id| free.contains(id)) {
        let (value, error) = kept(e)?;
        *e = value;
        errors.push(error);
        return Some(());
    }
    // The rest must not fail by itself.
    let always = matches!(e, Expr::Call { .. } | Expr::Not(_) | Expr::IsNull { .. } | Expr::IsBool { .. });
    if !always || !cannot_fail(e, free) {
        return None;
    }
    let mut all = Some(());
    walk::for_each_child_mut(e, &mut |child| all = all.and_then(|()| keep_parts(child, free, errors)));
    all
}

/// Whether a condition finds rows by a value that is computed of the outer row, whose error `lift_correlation` keeps.
pub fn is_key(p: &Expr, outer: &Outer<'_>) -> bool {
    let Some((op, left, right)) = binary(p) else { return false };
    let inner = |e: &Expr| matches!(e, Expr::Column { id, .. } if !outer.available.contains(id));
    is_equality(op) && (inner(left) || inner(right)) && cannot_fail(p, &outer.available)
}

/// The first error of these that there is; none of none.
pub fn first_of(mut errors: Vec<Expr>) -> Option<Expr> {
    match errors.len() {
        0 | 1 => errors.pop(),
        _ => Some(Expr::Coalesce { args: errors, ty: SqlType::TEXT }),
    }
}

/// Puts the raising of an error, if there is one, before a value.
pub fn raise_first(e: &mut Expr, error: &Expr) -> Option<()> {
    let ty = e.ty();
    let raised = call_of(internal::RAISE_KEPT, vec![Expr::null(ty), error.clone()], ty)?;
    let value = std::mem::replace(e, Expr::null(ty));
    let whens = vec![(is_not_null(error.clone()), raised)];
    *e = Expr::Case { operand: None, whens, otherwise: Some(Box::new(value)), ty };
    Some(())
}

/// Lets rows pass that a condition fails for; its error.
fn keep_in_condition(p: &mut Expr) -> Option<Expr> {
    let (value, error) = kept(p)?;
    *p = Expr::Or(vec![value, is_not_null(error.clone())]);
    Some(error)
}

/// Has an aggregate that fails itself run by one that has NULL then; the one that has its error.
pub fn keep_result(a: &mut AggregateExpr) -> Option<AggregateExpr> {
    if !a.direct_args.is_empty() {
        return None;
    }
    let oid = Datum::U32(a.function.def().oid.0);
    a.direct_args = vec![Expr::Const { value: oid, ty: SqlType::OID }];
    a.function = FunctionRef::Builtin(registry::function(functions::RESULT_OR_NULL)?);
    let function = FunctionRef::Builtin(registry::function(functions::ERROR_OF_RESULT)?);
    Some(AggregateExpr { function, ty: SqlType::TEXT, ..a.clone() })
}

/// Arguments that may fail are NULL then, and their errors are added. None if something else in the call may fail.
pub fn keep_in_aggregate(a: &mut AggregateExpr, errors: &mut Vec<Expr>) -> Option<()> {
    let fine = |e: &Expr| cannot_fail(e, &[]);
    let of_order = matches!(a.function.def().body, Body::Aggregate(code) if code.is_ordered_set());
    if of_order && !aggregate_is_total(a) || !of_order && !a.direct_args.is_empty() {
        return None;
    }
    if let Some(filter) = &mut a.filter
        && !fine(filter)
    {
        let (value, error) = kept(filter)?;
        *filter = value;
        errors.push(error);
    }
    for e in a.args.iter_mut().chain(a.order_by.iter_mut().map(|k| &mut k.expr)) {
        if fine(e) {
            continue;
        }
        let (value, mut error) = kept(e)?;
        *e = value;
        // It isn't computed for rows that the FILTER leaves out.
        if let Some(filter) = &a.filter {
            let whens = vec![(filter.clone(), error)];
            error = Expr::Case { operand: None, whens, otherwise: None, ty: SqlType::TEXT };
        }
        errors.push(error);
    }
    Some(())
}

/// An expression's value or NULL, and its error or NULL.
pub fn kept(e: &Expr) -> Option<(Expr, Expr)> {
    if has_subquery(e) {
        return None;
    }
    let value = call_of(internal::VALUE_OR_NULL, vec![e.clone()], e.ty())?;
    let error = call_of(internal::ERROR_OF_VALUE, vec![e.clone()], SqlType::TEXT)?;
    Some((value, error))
}

pub fn is_not_null(e: Expr) -> Expr {
    Expr::IsNull { arg: Box::new(e), negated: true }
}

/// A call of one of the optimizer's own functions.
pub fn call_of(function: Oid, args: Vec<Expr>, ty: SqlType) -> Option<Expr> {
    Some(Expr::Call {
        function: FunctionRef::Builtin(registry::function(function)?),
        args,
        ty,
        form: CallForm::Function,
        variadic: false,
        pos: Default::default(),
    })
}
