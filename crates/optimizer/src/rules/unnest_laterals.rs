//! LATERAL subqueries that group, number or cut off their rows are computed once for all outer rows and joined:
//!
//! ```text
//! FROM o LEFT JOIN LATERAL (SELECT count(*) AS n FROM i WHERE i.k = o.k) s ON true
//!   -> FROM o LEFT JOIN (SELECT i.k, count(*) AS n FROM i GROUP BY i.k) s ON s.k = o.k, where n is coalesce(n, 0)
//! ```
//!
//! PostgreSQL runs a nested loop. How the correlation is taken out is told in `lift_correlation`; costs decide.

use super::inner_joins::filtered;
use super::lift_correlation::lift_any;
use super::nested_subqueries::join_nested;
use super::unnest_by_domain::Outer;
use super::{Rule, Rules};
use crate::exprs::{has_subquery, is_volatile};
use quarry_plan::{Expr, JoinKind, LogicalPlan, QueryMeta, walk};
use std::collections::HashMap;

/// Runs over the plan (not inside subqueries of expressions). True if a LATERAL became a join.
pub fn run(plan: &mut LogicalPlan, meta: &mut QueryMeta, rules: &Rules) -> bool {
    !rules.rows_change() && descend(plan, &[], meta, rules)
}

/// `conditions`: what rows that this plan gives must meet besides, so that nothing is computed for others.
fn descend(plan: &mut LogicalPlan, conditions: &[Expr], meta: &mut QueryMeta, rules: &Rules) -> bool {
    let with = |more: &[Expr]| -> Vec<Expr> {
        conditions.iter().chain(more).filter(|e| !has_subquery(e) && !is_volatile(e)).cloned().collect()
    };
    let mut any = false;
    match plan {
        LogicalPlan::Filter { input, predicates } => {
            any |= descend(input, &with(predicates), meta, rules);
        }
        LogicalPlan::Join { kind: JoinKind::Inner, left, right, on } => {
            let all = with(on);
            any |= descend(left, &all, meta, rules);
            any |= descend(right, &all, meta, rules);
        }
        LogicalPlan::Join { kind: JoinKind::Left | JoinKind::Semi | JoinKind::Anti, left, right, .. } => {
            any |= descend(left, conditions, meta, rules);
            any |= descend(right, &[], meta, rules);
        }
        _ => {
            for input in walk::inputs_mut(plan) {
                any |= descend(input, &[], meta, rules);
            }
        }
    }
    if let Some(joined) = joined(plan, conditions, meta, rules) {
        *plan = joined;
        any = true;
    }
    any
}

fn joined(
    plan: &LogicalPlan,
    conditions: &[Expr],
    meta: &mut QueryMeta,
    rules: &Rules,
) -> Option<LogicalPlan> {
    let LogicalPlan::Join { kind: kind @ (JoinKind::Inner | JoinKind::Left), left, right, on } = plan else {
        return None;
    };
    let LogicalPlan::SubqueryAlias { input, alias } = &**right else { return None };
    if on.iter().any(is_volatile) {
        return None;
    }
    let available = walk::output_columns(left);
    let outer = Outer { from: left, conditions, available: available.clone(), always: true };
    let mut lifted = lift_any(input, &outer, true, meta, rules)?;
    lifted.raise_at_once();
    for (id, e) in &mut lifted.values {
        if let Expr::Column { ty, .. } = e {
            *ty = meta.get(*id).ty;
        }
    }
    // What only joins and filters is merged into the query around it, whatever its correlation.
    if super::lift_correlation::is_from(&lifted.plan) {
        return None;
    }
    let unconditional = on.iter().all(crate::exprs::is_true);
    if lifted.whole && *kind == JoinKind::Left && !unconditional || !rules.allows_costly(Rule::UnnestLaterals)
    {
        return None;
    }
    let plain = |(_, e): &(_, Expr)| matches!(e, Expr::Column { .. } | Expr::Const { .. });
    if !lifted.whole && !lifted.values.iter().all(plain) {
        return None;
    }
    if lifted.by_domain {
        rules.fire(Rule::UnnestByDomain);
    }
    join_nested(&mut lifted.plan, meta, rules);
    if lifted.whole {
        rename_aggregates(&mut lifted, meta);
        let mut targets: Vec<(_, Expr)> =
            available.iter().map(|id| (*id, Expr::column(*id, meta.get(*id).ty))).collect();
        targets.extend(lifted.values.iter().cloned());
        let below = LogicalPlan::Join {
            kind: JoinKind::Left,
            left: left.clone(),
            right: Box::new(lifted.plan),
            on: lifted.on,
        };
        let computed = LogicalPlan::Project { input: Box::new(below), targets };
        let item = LogicalPlan::SubqueryAlias { input: Box::new(computed), alias: alias.clone() };
        return Some(filtered(item, if unconditional { vec![] } else { on.clone() }));
    }
    let mut targets = lifted.values;
    for (id, key) in &lifted.keys {
        if !targets.iter().any(|(t, _)| t == id) {
            targets.push((*id, key.clone()));
        }
    }
    let computed = LogicalPlan::Project { input: Box::new(lifted.plan), targets };
    let right = LogicalPlan::SubqueryAlias { input: Box::new(computed), alias: alias.clone() };
    let mut conditions = lifted.on;
    conditions.extend(on.iter().filter(|e| !crate::exprs::is_true(e)).cloned());
    Some(LogicalPlan::Join { kind: *kind, left: left.clone(), right: Box::new(right), on: conditions })
}

/// Gives the aggregates ids of their own: the subquery may give them under theirs, computed anew above the join.
fn rename_aggregates(lifted: &mut super::lift_correlation::Lifted, meta: &mut QueryMeta) {
    let LogicalPlan::Aggregate { aggregates, .. } = &mut lifted.plan else { return };
    let mut map = HashMap::new();
    for (id, a) in aggregates {
        let new = meta.computed(meta.get(*id).name.clone(), a.ty);
        map.insert(*id, Expr::column(new, a.ty));
        *id = new;
    }
    lifted.values.iter_mut().for_each(|(_, e)| crate::exprs::substitute(e, &map));
}
