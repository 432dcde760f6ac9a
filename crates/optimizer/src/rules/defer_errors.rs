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
//! A condition of its WHERE that may fail lets a row pass that it fails for, and its error is kept the same way. So an error comes for
//! no other outer rows than PostgreSQL raises one for, and of several the first one in the order of the rows.
//!
//! Left to be run for each row: subqueries that don't aggregate all their rows (EXISTS and IN stop at the first match, which may come
//! before the row that fails), conditions of joins, HAVING, FILTERs and orders that may fail, and aggregates that fail themselves (sums of
//! floats, which overflow).

use super::cannot_fail::cannot_fail;
use super::lift_correlation::is_from;
use super::unnest_by_domain::Outer;
use super::unnest_scalars::aggregate;
use crate::exprs::{has_subquery, substitute};
use quarry_common::Oid;
use quarry_functions::{internal, registry};
use quarry_plan::{AggregateExpr, CallForm, ColumnId, Expr, FunctionRef, LogicalPlan, QueryMeta};
use quarry_types::SqlType;
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
    if !group.is_empty() || !grouping.is_empty() || !is_from(&input) {
        return None;
    }
    let mut errors = vec![];
    if let LogicalPlan::Filter { predicates, .. } = &mut *input {
        for p in predicates {
            // What is done with outer columns alone, an equation's other side say, is done for outer rows.
            if !cannot_fail(p, &outer.available) {
                let (value, error) = kept(p)?;
                errors.push(error.clone());
                *p = Expr::Or(vec![value, is_not_null(error)]);
            }
        }
    }
    for (_, a) in &mut aggregates {
        keep_in_aggregate(a, outer, &mut errors)?;
    }
    if errors.is_empty() {
        return None;
    }
    let first = match errors.len() {
        1 => errors.pop()?,
        _ => Expr::Coalesce { args: errors, ty: SqlType::TEXT },
    };
    let found = meta.computed("error", SqlType::TEXT);
    let any = registry::function(internal::ANY_VALUE)?;
    let call = AggregateExpr {
        filter: Some(is_not_null(first.clone())),
        ..aggregate(any, vec![first], SqlType::TEXT)
    };
    aggregates.push((found, call));
    let found = Expr::column(found, SqlType::TEXT);
    for (_, e) in &mut targets {
        let ty = e.ty();
        let raised = call_of(internal::RAISE_KEPT, vec![Expr::null(ty), found.clone()], ty)?;
        let value = std::mem::replace(e, Expr::null(ty));
        let whens = vec![(is_not_null(found.clone()), raised)];
        *e = Expr::Case { operand: None, whens, otherwise: Some(Box::new(value)), ty };
    }
    let input = LogicalPlan::Aggregate { input, group, sets: None, aggregates, grouping };
    Some(LogicalPlan::Project { input: Box::new(input), targets })
}

/// Arguments that may fail are NULL then, and their errors are added. None if something else in the call may fail.
fn keep_in_aggregate(a: &mut AggregateExpr, outer: &Outer<'_>, errors: &mut Vec<Expr>) -> Option<()> {
    let fine = |e: &Expr| cannot_fail(e, &outer.available);
    let rest = a.order_by.iter().map(|k| &k.expr).chain(&a.filter).all(fine);
    if !a.function.def().total || !a.direct_args.is_empty() || !rest {
        return None;
    }
    for e in &mut a.args {
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
fn kept(e: &Expr) -> Option<(Expr, Expr)> {
    if has_subquery(e) {
        return None;
    }
    let value = call_of(internal::VALUE_OR_NULL, vec![e.clone()], e.ty())?;
    let error = call_of(internal::ERROR_OF_VALUE, vec![e.clone()], SqlType::TEXT)?;
    Some((value, error))
}

fn is_not_null(e: Expr) -> Expr {
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
