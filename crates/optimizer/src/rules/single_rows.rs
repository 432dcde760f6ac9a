//! `x IN (SELECT expression)`, a subquery of one row that comes from no table, is the comparison itself (PostgreSQL makes a join of it
//! and then finds nothing to join).

use crate::exprs::{has_subquery, is_volatile, substitute};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{ColumnId, Expr, LogicalPlan, SubqueryExpr, SubqueryKind, walk};
use std::collections::HashMap;

/// Replaces such conditions of WHERE and ON.
pub fn run(plan: &mut LogicalPlan) {
    if let LogicalPlan::Filter { predicates, .. } | LogicalPlan::Join { on: predicates, .. } = plan
        && predicates.iter().any(crate::exprs::has_subquery)
    {
        for p in predicates.iter_mut() {
            if let Expr::Subquery(s) = p
                && let Some(test) = test_of(s)
            {
                *p = test;
            }
        }
    }
    walk::inputs_mut(plan).into_iter().for_each(run);
}

/// The tests over the row's expressions.
fn test_of(s: &SubqueryExpr) -> Option<Expr> {
    let (SubqueryKind::Any { tests }, SubqueryPlan::Logical(plan)) = (&s.kind, &s.plan) else { return None };
    let row = row_of(plan)?;
    if row.values().any(|e| is_volatile(e) || has_subquery(e)) {
        return None;
    }
    let mut tests = tests.clone();
    tests.iter_mut().for_each(|t| substitute(t, &row));
    Some(if tests.len() == 1 { tests.remove(0) } else { Expr::And(tests) })
}

/// What the columns of a plan's only row are.
fn row_of(plan: &LogicalPlan) -> Option<HashMap<ColumnId, Expr>> {
    let LogicalPlan::Project { input, targets } = plan else { return None };
    let mut row: HashMap<ColumnId, Expr> = targets.iter().cloned().collect();
    if !matches!(**input, LogicalPlan::OneRow) {
        let below = row_of(input)?;
        row.values_mut().for_each(|e| substitute(e, &below));
    }
    Some(row)
}
