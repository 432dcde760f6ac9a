//! EXISTS that isn't a condition by itself (in an OR, a CASE, a target list) becomes a left join with the keys it looks for; whether
//! there is one is whether the key joined isn't NULL:
//!
//! ```text
//! SELECT o.id, EXISTS (SELECT FROM i WHERE i.k = o.k) FROM o
//!   -> SELECT o.id, g.k IS NOT NULL FROM o LEFT JOIN (SELECT i.k FROM i GROUP BY i.k) g ON g.k = o.k
//! ```
//!
//! PostgreSQL runs the subquery for each row, or builds a hash table of its keys. Costs decide.

use super::defer_errors::{first_of, raise_first};
use super::lift_correlation::{Lifted, lift_any};
use super::nested_subqueries::join_nested;
use super::unnest_by_domain::Outer;
use super::unnest_scalars::{Joined, replace_subqueries};
use super::{Rule, Rules};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{Expr, JoinKind, LogicalPlan, QueryMeta, SubqueryExpr, SubqueryKind};

/// Runs over the plan (not inside remaining subqueries), after conditions became semi and anti joins. True if a subquery became a join.
pub fn run(plan: &mut LogicalPlan, meta: &mut QueryMeta, rules: &Rules) -> bool {
    !rules.rechecks() && replace_subqueries(plan, &mut |s, outer| joined(s, outer, meta, rules))
}

/// The join that whether there is a row comes from.
pub fn joined(s: &SubqueryExpr, outer: &Outer<'_>, meta: &mut QueryMeta, rules: &Rules) -> Option<Joined> {
    let (SubqueryKind::Exists, SubqueryPlan::Logical(plan)) = (&s.kind, &s.plan) else { return None };
    // What is selected is computed of the first row.
    let mut lifted = lift_any(plan, outer, false, meta, rules).filter(Lifted::values_cannot_fail)?;
    if !rules.allows_costly(Rule::UnnestMarks) {
        return None;
    }
    if lifted.by_domain {
        rules.fire(Rule::UnnestByDomain);
    }
    let (_, key) = lifted.keys.first()?;
    let mut value = Expr::IsNull { arg: Box::new(key.clone()), negated: true };
    if let Some(error) = first_of(std::mem::take(&mut lifted.errors)) {
        raise_first(&mut value, &error)?;
    }
    let mut right = if lifted.single {
        lifted.plan
    } else {
        LogicalPlan::Aggregate {
            input: Box::new(lifted.plan),
            group: lifted.keys.clone(),
            sets: None,
            aggregates: vec![],
            grouping: vec![],
        }
    };
    join_nested(&mut right, meta, rules);
    Some(Joined { kind: JoinKind::Left, right, on: lifted.on, value, also: vec![] })
}
