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
//! Of a FULL join rows of the other side without a partner would come once for each of their combinations. There a condition is whether a
//! pair's combination is one that meets it, which is found once for all pairs:
//!
//! ```text
//! SELECT ... FROM a FULL JOIN b ON b.k = a.k AND EXISTS (SELECT FROM i WHERE i.x = a.x AND i.y = b.y)
//!   -> SELECT ... FROM a FULL JOIN b ON b.k = a.k AND (a.x, b.y) IN
//!        (SELECT d.x, d.y FROM d WHERE EXISTS (SELECT FROM i WHERE i.x = d.x AND i.y = d.y))
//! ```

use super::domains::{Domain, DomainColumn, Key, is_only_compared, only_compares, same};
use super::inner_joins::filtered;
use super::nested_subqueries::with_nested_cannot_fail;
use super::{Rule, Rules, never_null};
use crate::exprs::{columns, has_subquery, is_volatile, nonnullable, plan_volatility, substitute};
use quarry_functions::Volatility;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::total::cannot_fail;
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, QueryMeta, SubqueryExpr, SubqueryKind, walk};
use quarry_types::SqlType;
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
        JoinKind::Full => return any | in_full_join(left, right, on, meta, rules),
        _ => return any,
    };
    let sides = [walk::output_columns(kept), walk::output_columns(other)];
    let read = read_of_both(on, &sides);
    if read.is_empty() || !rules.allows_costly(Rule::UnnestByDomain) {
        return any;
    }
    let comparable = |id: ColumnId| is_compared_in(on, &sides, id);
    let Some((combinations, keys)) = combinations([kept, other], on, &read, &comparable, meta) else {
        return any;
    };
    let mut found = [vec![], vec![]];
    let mut map = HashMap::new();
    for (column, key) in &keys {
        let Some(equal) = Key::of_outer(column).and_then(|own| own.equals(key)) else { return any };
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

/// The same of a FULL join's conditions.
fn in_full_join(
    left: &LogicalPlan,
    right: &LogicalPlan,
    on: &mut [Expr],
    meta: &mut QueryMeta,
    rules: &Rules,
) -> bool {
    let sides = [walk::output_columns(left), walk::output_columns(right)];
    let all = on.to_vec();
    let mut any = false;
    for e in on.iter_mut() {
        let read = columns(e);
        let own = read.iter().all(|id| sides.iter().any(|side| side.contains(id)));
        let both = !read_of_both(std::slice::from_ref(e), &sides).is_empty();
        if !both || !own || is_volatile(e) || !with_nested_cannot_fail(e) {
            continue;
        }
        if rules.allows_costly(Rule::UnnestByDomain)
            && let Some(found) =
                is_among_those(e, combinations([left, right], &all, &read, &|_| false, meta), meta)
        {
            *e = found;
            rules.fire(Rule::UnnestByDomain);
            any = true;
        }
    }
    any
}

/// Whether a pair's values are a combination that meets a condition.
fn is_among_those(
    condition: &Expr,
    combinations: Option<(LogicalPlan, Vec<(DomainColumn, Key)>)>,
    meta: &mut QueryMeta,
) -> Option<Expr> {
    let (combinations, keys) = combinations?;
    let map = keys.iter().map(|(column, key)| (column.id, key.value.clone())).collect();
    let mut condition = condition.clone();
    substitute(&mut condition, &map);
    let (mut tests, mut targets) = (vec![], vec![]);
    let mut test = |outer: Expr, own: Expr| {
        let (id, ty) = (meta.computed("combined", own.ty()), own.ty());
        targets.push((id, own));
        tests.push(same(outer, Expr::column(id, ty))?);
        Some(())
    };
    for (column, key) in keys {
        for (outer, own) in Key::of_outer(&column)?.pairs(&key)? {
            test(outer, own)?;
        }
    }
    let output = targets.iter().map(|(id, _)| *id).collect();
    let rows = LogicalPlan::Project { input: Box::new(filtered(combinations, vec![condition])), targets };
    Some(Expr::Subquery(Box::new(SubqueryExpr {
        kind: SubqueryKind::Any { tests },
        plan: SubqueryPlan::Logical(Box::new(rows)),
        output,
        ty: SqlType::BOOL,
        tree: None,
    })))
}

/// Whether the subqueries that read both sides do nothing with a column but compare it.
fn is_compared_in(on: &[Expr], sides: &[Vec<ColumnId>; 2], id: ColumnId) -> bool {
    let mut all = true;
    for e in on {
        walk::visit(e, &mut |e| {
            if reads_both(e, sides)
                && let Expr::Subquery(s) = e
                && let SubqueryPlan::Logical(plan) = &s.plan
            {
                all &= is_only_compared(plan, id);
                if let SubqueryKind::Any { tests } | SubqueryKind::All { tests } = &s.kind {
                    all &= tests.iter().all(|t| only_compares(t, id));
                }
            }
        });
    }
    all
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

/// The distinct values that pairs of rows have in these columns, and what stands for each. `comparable`: whether of values that are equal
/// one does for another.
fn combinations(
    [kept, other]: [&LogicalPlan; 2],
    on: &[Expr],
    read: &[ColumnId],
    comparable: &dyn Fn(ColumnId) -> bool,
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
        let mut column = DomainColumn::new(*id, ty, comparable(*id));
        if !known.contains(id) {
            column.take_null()?;
        }
        domain.columns.push(column);
    }
    let (plan, keys) = domain.plan(meta)?;
    Some((plan, domain.columns.into_iter().zip(keys).collect()))
}
