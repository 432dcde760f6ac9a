//! A subquery in an outer join's condition that reads rows of both sides reads instead the combinations of values that pairs of rows have,
//! which are joined to the side whose rows may have no partner:
//!
//! ```text
//! SELECT ... FROM a LEFT JOIN b ON b.k = a.k AND EXISTS (SELECT FROM i WHERE i.x = a.x AND i.y = b.y)
//!   -> SELECT ... FROM a LEFT JOIN (b JOIN d ON d.y = b.y)
//!        ON b.k = a.k AND d.x = a.x AND EXISTS (SELECT FROM i WHERE i.x = d.x AND i.y = d.y)
//!      where d is (SELECT DISTINCT a.x, b.y FROM a JOIN b ON b.k = a.k)
//! ```
//!
//! Each pair that meets the other conditions has just one combination, so that its row comes once, or not at all, as before. What reads one
//! side is joined to that side by `unnest_scalars::replace_subqueries`. Costs decide over both steps together.
//!
//! Not for FULL joins, where rows of the other side without a partner would come once for each of their combinations.

use super::domains::{Domain, DomainColumn, Key, is_exact, stand_in};
use super::never_null;
use super::{Rule, Rules};
use crate::exprs::{columns, equality, has_subquery, is_volatile, nonnullable, plan_volatility, substitute};
use quarry_functions::Volatility;
use quarry_plan::total::cannot_fail;
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, QueryMeta, walk};
use std::collections::HashMap;

/// Runs over the plan (not inside subqueries). True if a condition reads combinations.
pub fn run(plan: &mut LogicalPlan, meta: &mut QueryMeta, rules: &Rules) -> bool {
    if rules.rechecks() || rules.rows_change() {
        return false;
    }
    let mut any = false;
    for input in walk::inputs_mut(plan) {
        any |= run(input, meta, rules);
    }
    let LogicalPlan::Join { kind, left, right, on } = plan else { return any };
    let (kept, other) = match kind {
        JoinKind::Left => (left, right),
        JoinKind::Right => (right, left),
        _ => return any,
    };
    let sides = [walk::output_columns(kept), walk::output_columns(other)];
    let read = read_of_both(on, &sides);
    if read.is_empty() || !rules.allows_costly(Rule::UnnestByDomain) {
        return any;
    }
    let Some((combinations, keys)) = combinations(kept, other, on, &read, meta) else { return any };
    let mut found = [vec![], vec![]];
    let mut map = HashMap::new();
    for (column, key) in &keys {
        let Some(equal) = Key::of_outer(column).equals(key) else { return any };
        found[usize::from(sides[1].contains(&column.id))].extend(equal);
        map.insert(column.id, key.value.clone());
    }
    for e in on.iter_mut() {
        walk::rewrite(e, &mut |e| {
            if reads_both(e, &sides) {
                substitute(e, &map);
            }
        });
    }
    let [of_kept, of_other] = found;
    on.extend(of_kept);
    let left = Box::new(std::mem::replace(&mut **other, LogicalPlan::OneRow));
    **other = LogicalPlan::Join { kind: JoinKind::Inner, left, right: Box::new(combinations), on: of_other };
    rules.fire(Rule::UnnestByDomain);
    true
}

/// Whether it is a subquery that reads rows of both sides, and no others.
fn reads_both(e: &Expr, sides: &[Vec<ColumnId>; 2]) -> bool {
    if !matches!(e, Expr::Subquery(_)) {
        return false;
    }
    let read = columns(e);
    let [a, b] = sides;
    read.iter().any(|id| a.contains(id))
        && read.iter().any(|id| b.contains(id))
        && read.iter().all(|id| a.contains(id) || b.contains(id))
}

/// The columns that such subqueries read.
fn read_of_both(on: &[Expr], sides: &[Vec<ColumnId>; 2]) -> Vec<ColumnId> {
    let mut read = vec![];
    for e in on.iter().filter(|e| has_subquery(e)) {
        walk::visit(e, &mut |e| {
            if reads_both(e, sides) {
                read.extend(columns(e));
            }
        });
    }
    read.sort_unstable();
    read.dedup();
    read
}

/// The distinct values that pairs of rows have in these columns, and what stands for each.
fn combinations(
    kept: &LogicalPlan,
    other: &LogicalPlan,
    on: &[Expr],
    read: &[ColumnId],
    meta: &mut QueryMeta,
) -> Option<(LogicalPlan, Vec<(DomainColumn, Key)>)> {
    let sure = |e: &&Expr| !has_subquery(e) && !is_volatile(e) && cannot_fail(e, &[]);
    let on: Vec<Expr> = on.iter().filter(sure).cloned().collect();
    let source = LogicalPlan::Join {
        kind: JoinKind::Inner,
        left: Box::new(kept.clone()),
        right: Box::new(other.clone()),
        on,
    };
    if !walk::free_columns(&source).is_empty() || plan_volatility(&source) == Volatility::Volatile {
        return None;
    }
    let mut known = never_null::columns_of(&source);
    walk::exprs(&source).into_iter().for_each(|e| nonnullable(e, true, &mut known));
    let mut domain = Domain { source, columns: vec![] };
    for id in read {
        let ty = meta.get(*id).ty;
        let flagged = !known.contains(id);
        if !is_exact(ty) || equality(Expr::column(*id, ty), Expr::column(*id, ty)).is_none() {
            return None;
        }
        if flagged {
            stand_in(ty)?;
        }
        domain.columns.push(DomainColumn { id: *id, ty, flagged });
    }
    let (plan, keys) = domain.plan(meta)?;
    Some((plan, domain.columns.into_iter().zip(keys).collect()))
}
