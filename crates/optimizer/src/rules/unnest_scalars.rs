//! Correlated scalar subqueries become left joins with the table grouped once, or with the one row they look up:
//!
//! ```text
//! SELECT ..., (SELECT sum(i.v) FROM i WHERE i.k = o.k) FROM o
//!   -> SELECT ..., g.sum FROM o LEFT JOIN (SELECT i.k, sum(i.v) FROM i GROUP BY i.k) g ON g.k = o.k
//! SELECT ..., (SELECT c.name FROM c WHERE c.id = o.c) FROM o
//!   -> SELECT ..., c.name FROM o LEFT JOIN c ON c.id = o.c
//! ```
//!
//! PostgreSQL runs such a subquery once for each row. How the correlation is taken out is told in `lift_correlation`. Where an index
//! leads with a key, a lookup per row may well be cheaper than grouping everything: costs decide.

use super::lift_correlation::{is_from, lift_any};
use super::unnest_by_domain::Outer;
use super::{Rule, Rules};
use crate::exprs::has_subquery;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{Expr, JoinKind, LogicalPlan, QueryMeta, SubqueryExpr, SubqueryKind, walk};

/// Runs over the plan (not inside remaining subqueries). True if a subquery became a join. Statements that lock or change rows read
/// their sources again row by row: they are left alone.
pub fn run(plan: &mut LogicalPlan, meta: &mut QueryMeta, rules: &Rules) -> bool {
    !rules.rows_change() && replace_subqueries(plan, &mut |s, outer| joined(s, outer, meta, rules))
}

/// What stands for a subquery: a left join with `right`.
pub struct Joined {
    pub right: LogicalPlan,
    pub on: Vec<Expr>,
    pub value: Expr,
}

/// Replaces subqueries in conditions and target lists over FROM clauses by what `f` makes of them. True if any was.
pub fn replace_subqueries(
    plan: &mut LogicalPlan,
    f: &mut dyn FnMut(&SubqueryExpr, &Outer<'_>) -> Option<Joined>,
) -> bool {
    let mut any = false;
    for input in walk::inputs_mut(plan) {
        any |= replace_subqueries(input, f);
    }
    let mut conditions = vec![];
    let (input, exprs): (&mut LogicalPlan, Vec<&mut Expr>) = match plan {
        LogicalPlan::Filter { input, predicates } => {
            conditions.extend(predicates.iter().filter(|e| !has_subquery(e)).cloned());
            (input, predicates.iter_mut().collect())
        }
        LogicalPlan::Project { input, targets } => (input, targets.iter_mut().map(|(_, e)| e).collect()),
        _ => return any,
    };
    if !is_from(input) {
        return any;
    }
    for e in exprs {
        if !has_subquery(e) {
            continue;
        }
        walk::rewrite(e, &mut |e| {
            let Expr::Subquery(s) = e else { return };
            let outer =
                Outer { from: input, conditions: &conditions, available: walk::output_columns(input) };
            if let Some(joined) = f(s, &outer) {
                any = true;
                let left = std::mem::replace(input, LogicalPlan::OneRow);
                *input = LogicalPlan::Join {
                    kind: JoinKind::Left,
                    left: Box::new(left),
                    right: Box::new(joined.right),
                    on: joined.on,
                };
                *e = joined.value;
            }
        });
    }
    any
}

fn joined(s: &SubqueryExpr, outer: &Outer<'_>, meta: &mut QueryMeta, rules: &Rules) -> Option<Joined> {
    let (SubqueryKind::Scalar, SubqueryPlan::Logical(plan), [output]) = (&s.kind, &s.plan, &s.output[..])
    else {
        return None;
    };
    let lifted = lift_any(plan, outer, true, meta, rules)?;
    let (_, value) = lifted.values.iter().find(|(id, _)| id == output)?;
    let mut value = lifted.value_or_null(value);
    if let Expr::Column { ty, .. } = &mut value {
        *ty = s.ty;
    }
    if !lifted.single || lifted.indexed && !rules.allows_costly(Rule::UnnestScalars) {
        return None;
    }
    if lifted.by_domain {
        rules.fire(Rule::UnnestByDomain);
    }
    let mut right = lifted.plan;
    replace_subqueries(&mut right, &mut |s, outer| self::joined(s, outer, meta, rules));
    Some(Joined { right, on: lifted.on, value })
}
