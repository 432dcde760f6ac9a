//! Subqueries brought into the form of a scalar one that aggregates all its rows, which `unnest_scalars` joins:
//!
//! ```text
//! ARRAY(SELECT i.v FROM i ORDER BY i.t)           ->  (SELECT coalesce(array_agg(i.v ORDER BY i.t), '{}') FROM i)
//! SET (a, b) = (SELECT i.v, i.w FROM i)           ->  SET row = (SELECT ROW(i.v, i.w) FROM i), whose fields are assigned
//! (SELECT sum(i.v) FROM i HAVING count(*) > 3)    ->  (SELECT CASE WHEN count(*) > 3 THEN sum(i.v) END FROM i)
//! (SELECT i.v FROM i WHERE i.a / i.b > 1)         ->  raise_or(NULL, e), or else single_value(v, n)
//!   over (SELECT any_value(i.v) FILTER (WHERE error_of(i.a / i.b > 1) IS NULL) AS v,
//!                count(*) FILTER (WHERE error_of(i.a / i.b > 1) IS NULL) AS n,
//!                any_value(error_of(i.a / i.b > 1)) FILTER (WHERE error_of(i.a / i.b > 1) IS NOT NULL) AS e
//!         FROM i WHERE or_null(i.a / i.b > 1) OR error_of(i.a / i.b > 1) IS NOT NULL)
//! ```
//!
//! The last is sound because PostgreSQL looks for a second row: either there is one, which is an error, or all rows are asked.

use super::defer_errors::{
    call_of, first_of, is_not_null, keep_in_conditions, keep_in_from, kept, raise_first,
};
use super::lift_correlation::is_from;
use super::unnest_by_domain::Outer;
use super::unnest_scalars::aggregate;
use crate::exprs::{columns, has_subquery, operator_call, substitute};
use quarry_common::Oid;
use quarry_functions::{internal, registry};
use quarry_plan::total::cannot_fail;
use quarry_plan::{AggregateExpr, ColumnId, Expr, LogicalPlan, QueryMeta, ScanColumn, SortKey, walk};
use quarry_types::{Datum, SqlType, oids};
use std::collections::HashMap;

/// ARRAY(subquery) as a scalar subquery that aggregates, and its output column. Not for arrays of arrays, which may fail.
pub fn collected(
    plan: &LogicalPlan,
    output: ColumnId,
    ty: SqlType,
    meta: &mut QueryMeta,
) -> Option<(LogicalPlan, ColumnId)> {
    const ARRAY_AGG: Oid = Oid(2335);
    let element = meta.get(output).ty;
    let info = quarry_types::type_info(element.oid)?;
    if info.array != ty.oid {
        return None;
    }
    let mut order = vec![];
    let mut input = plan.clone();
    // The order goes into the call, so that it holds for each outer row.
    let sorted = match &mut input {
        LogicalPlan::Limit { input, .. } => {
            sort_as_they_lie(input, meta);
            input
        }
        other => other,
    };
    match sorted {
        LogicalPlan::Project { input, targets } => {
            let below = match &**input {
                LogicalPlan::Limit { input, .. } => input,
                _ => input,
            };
            if let LogicalPlan::Sort { keys, .. } = &**below {
                order = keys.clone();
                for key in &mut order {
                    let ty = key.expr.ty();
                    let id = meta.computed("key", ty);
                    targets.push((id, std::mem::replace(&mut key.expr, Expr::column(id, ty))));
                }
            }
        }
        LogicalPlan::Sort { keys, .. } => order = keys.clone(),
        _ => {}
    }
    let call = AggregateExpr {
        order_by: order,
        ..aggregate(registry::function(ARRAY_AGG)?, vec![Expr::column(output, element)], ty)
    };
    let array = meta.computed("array", ty);
    let input = aggregated(input, vec![(array, call)]);
    let none = Expr::Array { elements: vec![], nested: false, ty };
    let value = Expr::Coalesce { args: vec![Expr::column(array, ty), none], ty };
    let output = meta.computed("array", ty);
    Some((LogicalPlan::Project { input: Box::new(input), targets: vec![(output, value)] }, output))
}

/// Has a table's rows, of which some are cut off, come in the order in which they lie: as a scan gives them, and as an index gives those
/// with equal keys.
fn sort_as_they_lie(plan: &mut LogicalPlan, meta: &mut QueryMeta) {
    let rows = match plan {
        LogicalPlan::Project { input, .. } => &mut **input,
        other => other,
    };
    let scan = match &mut *rows {
        LogicalPlan::Filter { input, .. } => &mut **input,
        other => other,
    };
    let Some(place) = place_of(scan, meta) else { return };
    let keys = vec![SortKey { expr: place, descending: false, nulls_first: false }];
    let input = Box::new(std::mem::replace(rows, LogicalPlan::OneRow));
    *rows = LogicalPlan::Sort { input, keys };
}

/// Where a row of a table's scan lies.
pub fn place_of(scan: &mut LogicalPlan, meta: &mut QueryMeta) -> Option<Expr> {
    let LogicalPlan::Scan { columns, .. } = scan else { return None };
    let tid = SqlType::of(oids::TID);
    let id = match columns.iter().find(|(_, c)| *c == ScanColumn::Ctid) {
        Some((id, _)) => *id,
        None => {
            let id = meta.computed("ctid", tid);
            columns.push((id, ScanColumn::Ctid));
            id
        }
    };
    Some(Expr::column(id, tid))
}

/// A subquery that gives a row as a scalar one.
pub fn as_row(
    plan: &LogicalPlan,
    output: &[ColumnId],
    ty: SqlType,
    meta: &mut QueryMeta,
) -> (LogicalPlan, ColumnId) {
    let fields = output.iter().map(|id| Expr::column(*id, meta.get(*id).ty)).collect();
    let names = output.iter().map(|id| meta.get(*id).name.clone()).collect();
    let row = meta.computed("row", ty);
    let targets = vec![(row, Expr::Row { fields, names, ty })];
    (LogicalPlan::Project { input: Box::new(plan.clone()), targets }, row)
}

/// The HAVING of a scalar subquery without groups as a part of its value: where it doesn't hold there is no row, which is NULL.
pub fn having_in_value(plan: &LogicalPlan, output: ColumnId) -> Option<LogicalPlan> {
    let (rows, mut value, predicates) = whole_with_having(plan, output)?;
    let ty = value.ty();
    let whens = vec![(Expr::And(predicates), std::mem::replace(&mut value, Expr::null(ty)))];
    let value = Expr::Case { operand: None, whens, otherwise: None, ty };
    Some(LogicalPlan::Project { input: Box::new(rows), targets: vec![(output, value)] })
}

/// An aggregate over all rows, what is computed of it, and its HAVING.
fn whole_with_having(plan: &LogicalPlan, output: ColumnId) -> Option<(LogicalPlan, Expr, Vec<Expr>)> {
    let LogicalPlan::Project { targets, .. } = plan else { return None };
    let (_, value) = targets.iter().find(|(id, _)| *id == output)?;
    let (below, value) = below_projections(plan, value);
    let predicates = having_of(below)?;
    let LogicalPlan::Filter { input, .. } = below else { return None };
    (!has_subquery(&value)).then(|| ((**input).clone(), value, predicates.to_vec()))
}

/// What is under projections, and an expression over the topmost of them over that.
fn below_projections<'p>(plan: &'p LogicalPlan, value: &Expr) -> (&'p LogicalPlan, Expr) {
    let mut value = value.clone();
    let LogicalPlan::Project { input, .. } = plan else { return (plan, value) };
    let mut below = &**input;
    while let LogicalPlan::Project { input, targets } = below {
        let map: HashMap<ColumnId, Expr> = targets.iter().cloned().collect();
        substitute(&mut value, &map);
        below = input;
    }
    (below, value)
}

/// The HAVING of an aggregate over all rows.
fn having_of(plan: &LogicalPlan) -> Option<&[Expr]> {
    let LogicalPlan::Filter { input, predicates } = plan else { return None };
    let LogicalPlan::Aggregate { group, sets: None, grouping, .. } = &**input else { return None };
    let fine = group.is_empty() && grouping.is_empty() && !predicates.iter().any(has_subquery);
    fine.then_some(predicates)
}

/// EXISTS (SELECT ... HAVING ...) without groups as a scalar subquery: whether HAVING holds.
pub fn having_holds(plan: &LogicalPlan, meta: &mut QueryMeta) -> Option<(LogicalPlan, ColumnId)> {
    let mut below = plan;
    while let LogicalPlan::Project { input, targets } = below {
        // It is computed, too, though nobody sees it.
        if !targets.iter().all(|(_, e)| cannot_fail(e, &[])) {
            return None;
        }
        below = input;
    }
    let predicates = having_of(below)?.to_vec();
    let LogicalPlan::Filter { input, .. } = below else { return None };
    let holds =
        Expr::Coalesce { args: vec![Expr::And(predicates), Expr::bool_const(false)], ty: SqlType::BOOL };
    let output = meta.computed("exists", SqlType::BOOL);
    Some((LogicalPlan::Project { input: input.clone(), targets: vec![(output, holds)] }, output))
}

/// A scalar subquery of plain rows or of groups whose conditions may fail as one that aggregates them, with their errors kept. None if
/// none may fail, or one in a place where its error can't be kept.
pub fn single_or_error(
    plan: &LogicalPlan,
    (output, ty): (ColumnId, SqlType),
    outer: &Outer<'_>,
    meta: &mut QueryMeta,
) -> Option<(LogicalPlan, ColumnId)> {
    let mut value = Expr::column(output, ty);
    let mut sorted: Vec<Expr> = vec![];
    let mut rows = plan.clone();
    loop {
        rows = match rows {
            LogicalPlan::Project { input, targets } => {
                let map: HashMap<ColumnId, Expr> = targets.into_iter().collect();
                sorted.iter_mut().chain([&mut value]).for_each(|e| substitute(e, &map));
                *input
            }
            LogicalPlan::Sort { input, keys } => {
                sorted.extend(keys.into_iter().map(|k| k.expr));
                *input
            }
            other => {
                rows = other;
                break;
            }
        };
    }
    let mut errors = match &mut rows {
        LogicalPlan::Filter { input, predicates } if matches!(&**input, LogicalPlan::Aggregate { group, .. } if !group.is_empty()) =>
        {
            let failing = predicates.extract_if(.., |p| !cannot_fail(p, &[])).collect();
            keep_in_conditions(&mut rows, failing)?
        }
        from if is_from(from) => keep_in_from(from, outer)?,
        _ => return None,
    };
    for key in sorted.iter().filter(|key| !cannot_fail(key, &[])) {
        errors.push(kept(key)?.1);
    }
    let error = first_of(errors)?;
    let any = registry::function(internal::ANY_VALUE)?;
    let count = registry::functions_named("count").iter().find(|f| f.args.is_empty())?;
    let fine = Expr::IsNull { arg: Box::new(error.clone()), negated: false };
    let mut aggregates: Vec<(ColumnId, AggregateExpr)> = vec![];
    let mut call = |meta: &mut QueryMeta, name: &str, call: AggregateExpr, filter: Expr| {
        let id = meta.computed(name, call.ty);
        let column = Expr::column(id, call.ty);
        aggregates.push((id, AggregateExpr { filter: Some(filter), ..call }));
        column
    };
    let given = walk::output_columns(&rows);
    let mut map = HashMap::new();
    for id in columns(&value).into_iter().filter(|id| given.contains(id)) {
        let ty = super::unnest_scalars::type_in(&value, id)?;
        let one = aggregate(any, vec![Expr::column(id, ty)], ty);
        let name = meta.get(id).name.clone();
        map.insert(id, call(meta, &name, one, fine.clone()));
    }
    let all = AggregateExpr { star: true, ..aggregate(count, vec![], SqlType::INT8) };
    let number = call(meta, "count", all, fine);
    let first = aggregate(any, vec![error.clone()], SqlType::TEXT);
    let first = call(meta, "error", first, is_not_null(error));
    substitute(&mut value, &map);
    let ty = value.ty();
    let single = call_of(internal::SINGLE_VALUE_OF, vec![value, number.clone()], ty)?;
    let more =
        registry::operators_named(">").iter().find(|o| o.left == oids::INT8 && o.right == oids::INT8)?;
    let none = Expr::Const { value: Datum::I64(0), ty: SqlType::INT8 };
    let whens = vec![(operator_call(more, number, none)?, single)];
    let mut value = Expr::Case { operand: None, whens, otherwise: None, ty };
    raise_first(&mut value, &first)?;
    let output = meta.computed("value", ty);
    let input = Box::new(aggregated(rows, aggregates));
    Some((LogicalPlan::Project { input, targets: vec![(output, value)] }, output))
}

/// Rows aggregated as one group.
fn aggregated(input: LogicalPlan, aggregates: Vec<(ColumnId, AggregateExpr)>) -> LogicalPlan {
    let input = Box::new(input);
    LogicalPlan::Aggregate { input, group: vec![], sets: None, aggregates, grouping: vec![] }
}
