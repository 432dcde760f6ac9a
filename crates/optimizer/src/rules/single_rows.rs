//! A subquery of one row that comes from no table is an expression: of `x IN (SELECT expression)` the comparison itself (PostgreSQL makes a
//! join of it and then finds nothing to join), and of others that read outer rows what they compute:
//!
//! ```text
//! (SELECT o.a + 1 WHERE o.b > 0)         ->  CASE WHEN o.b > 0 THEN o.a + 1 END
//! EXISTS (SELECT WHERE o.b > 0)          ->  (o.b > 0) IS TRUE
//! o.x < ALL (SELECT o.a WHERE o.b > 0)   ->  CASE WHEN o.b > 0 THEN o.x < o.a ELSE true END
//! ARRAY(SELECT o.a)                      ->  ARRAY[o.a]
//! ```

use crate::exprs::{has_subquery, is_volatile, substitute};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{BoolTest, ColumnId, Expr, LogicalPlan, SubqueryExpr, SubqueryKind, walk};
use quarry_types::SqlType;
use std::collections::HashMap;

/// Replaces such subqueries: those of conditions of WHERE and ON by tests, correlated ones anywhere.
pub fn run(plan: &mut LogicalPlan) {
    if let LogicalPlan::Filter { predicates, .. } | LogicalPlan::Join { on: predicates, .. } = plan
        && predicates.iter().any(has_subquery)
    {
        for p in predicates.iter_mut() {
            if let Expr::Subquery(s) = p
                && let Some(test) = test_of(s)
            {
                *p = test;
            }
        }
    }
    for e in walk::exprs_mut(plan).into_iter().filter(|e| has_subquery(e)) {
        walk::rewrite(e, &mut |e| {
            let Expr::Subquery(s) = e else { return };
            if let SubqueryPlan::Logical(sub) = &mut s.plan {
                run(sub);
            }
            if let Some(value) = value_of(s) {
                *e = value;
            }
        });
    }
    walk::inputs_mut(plan).into_iter().for_each(run);
}

/// The tests over the row's expressions.
fn test_of(s: &SubqueryExpr) -> Option<Expr> {
    let (SubqueryKind::Any { tests }, SubqueryPlan::Logical(plan)) = (&s.kind, &s.plan) else { return None };
    let Row { values, conditions } = row_of(plan)?;
    let used = !conditions.is_empty() || values.values().any(|e| is_volatile(e) || has_subquery(e));
    (!used).then(|| over(tests, &values))
}

/// What a subquery that reads outer rows is of them.
fn value_of(s: &SubqueryExpr) -> Option<Expr> {
    let SubqueryPlan::Logical(plan) = &s.plan else { return None };
    let Row { values, conditions } = row_of(plan)?;
    let mut computed = values.values().chain(&conditions);
    if walk::free_columns(plan).is_empty() || computed.any(|e| is_volatile(e) || has_subquery(e)) {
        return None;
    }
    let value = |id: &ColumnId| values.get(id).cloned();
    let (value, otherwise) = match (&s.kind, &s.output[..]) {
        (SubqueryKind::Exists, _) => (Expr::bool_const(true), Expr::bool_const(false)),
        (SubqueryKind::Any { tests }, _) => (over(tests, &values), Expr::bool_const(false)),
        (SubqueryKind::All { tests }, _) if tests.len() == 1 => {
            (over(tests, &values), Expr::bool_const(true))
        }
        (SubqueryKind::Scalar, [output]) => {
            let value = value(output)?;
            (value.ty() == s.ty).then(|| (value, Expr::null(s.ty)))?
        }
        (SubqueryKind::Array, [output]) => {
            let value = value(output)?;
            let of_arrays = quarry_types::type_info(value.ty().oid).is_none_or(|info| info.array != s.ty.oid);
            let array = |elements| Expr::Array { elements, nested: false, ty: s.ty };
            (!of_arrays).then(|| (array(vec![value]), array(vec![])))?
        }
        _ => return None,
    };
    if conditions.is_empty() {
        return Some(value);
    }
    let all = if conditions.len() == 1 { conditions.into_iter().next()? } else { Expr::And(conditions) };
    if matches!(s.kind, SubqueryKind::Exists) {
        return Some(Expr::IsBool { arg: Box::new(all), test: BoolTest::True });
    }
    let ty = if matches!(s.kind, SubqueryKind::Scalar | SubqueryKind::Array) { s.ty } else { SqlType::BOOL };
    Some(Expr::Case { operand: None, whens: vec![(all, value)], otherwise: Some(Box::new(otherwise)), ty })
}

fn over(tests: &[Expr], row: &HashMap<ColumnId, Expr>) -> Expr {
    let mut tests = tests.to_vec();
    tests.iter_mut().for_each(|t| substitute(t, row));
    if tests.len() == 1 { tests.remove(0) } else { Expr::And(tests) }
}

/// A plan's only row, and the conditions under which it is there.
struct Row {
    values: HashMap<ColumnId, Expr>,
    conditions: Vec<Expr>,
}

fn row_of(plan: &LogicalPlan) -> Option<Row> {
    match plan {
        LogicalPlan::OneRow => Some(Row { values: HashMap::new(), conditions: vec![] }),
        LogicalPlan::Filter { input, predicates } => {
            let Row { values, mut conditions } = row_of(input)?;
            let mut own = predicates.clone();
            own.iter_mut().for_each(|e| substitute(e, &values));
            conditions.extend(own);
            Some(Row { values, conditions })
        }
        LogicalPlan::Project { input, targets } => {
            let Row { values: below, conditions } = row_of(input)?;
            let mut values: HashMap<ColumnId, Expr> = targets.iter().cloned().collect();
            values.values_mut().for_each(|e| substitute(e, &below));
            Some(Row { values, conditions })
        }
        LogicalPlan::SubqueryAlias { input, .. } => row_of(input),
        _ => None,
    }
}
