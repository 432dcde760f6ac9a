//! Merges simple subqueries of FROM (and views) into the query around them, so that their tables can be joined in any order.
//!
//! Simple is a projection of a FROM with WHERE, without volatile or set-returning targets and subqueries. On the nullable side of
//! an outer join the targets must be plain columns: an expression would not become NULL by itself.

use crate::exprs::{has_subquery, is_volatile, substitute_plan};
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, walk};
use std::collections::HashMap;

/// True if anything was merged.
pub fn run(plan: &mut LogicalPlan) -> bool {
    let mut any = false;
    loop {
        let mut map = HashMap::new();
        find(plan, false, &mut map);
        if map.is_empty() {
            return any;
        }
        any = true;
        settle(&mut map);
        substitute_plan(plan, &map);
    }
}

/// Replaces columns in the replacements themselves, until none is left.
fn settle(map: &mut HashMap<ColumnId, Expr>) {
    for _ in 0..64 {
        let snapshot = map.clone();
        let mut changed = false;
        for (id, e) in map.iter_mut() {
            let mut ids = vec![];
            walk::columns_of(e, &mut ids);
            if ids.iter().any(|c| c != id && snapshot.contains_key(c)) {
                crate::exprs::substitute(e, &snapshot);
                changed = true;
            }
        }
        if !changed {
            return;
        }
    }
}

/// `nullable`: whether rows of this part may be made up of NULLs by an outer join above.
fn find(plan: &mut LogicalPlan, nullable: bool, map: &mut HashMap<ColumnId, Expr>) {
    match plan {
        LogicalPlan::Join { kind, left, right, .. } => {
            let (l, r) = match kind {
                JoinKind::Inner | JoinKind::Semi => (nullable, nullable),
                // The join's condition is about the right side's values: they stay as they are computed there.
                JoinKind::Left | JoinKind::Anti => (nullable, true),
                JoinKind::Right => (true, nullable),
                JoinKind::Full => (true, true),
            };
            find(left, l, map);
            find(right, r, map);
        }
        LogicalPlan::Filter { input, .. } => find(input, nullable, map),
        LogicalPlan::SubqueryAlias { input, .. } => {
            // Inner ones first.
            find(input, nullable, map);
            if let LogicalPlan::Project { targets, input: below } = &mut **input
                && let Some(inner) = mergeable(below, targets, nullable)
            {
                for (id, e) in std::mem::take(targets) {
                    if !matches!(&e, Expr::Column { id: same, .. } if *same == id) {
                        map.insert(id, e);
                    }
                }
                map.extend(inner.1);
                *plan = inner.0;
            }
        }
        other => {
            for input in walk::inputs_mut(other) {
                find(input, false, map);
            }
        }
    }
}

type Merged = (LogicalPlan, Vec<(ColumnId, Expr)>);

/// The FROM of a subquery that can be merged and what its targets stand for.
fn mergeable(below: &mut LogicalPlan, outer: &[(ColumnId, Expr)], nullable: bool) -> Option<Merged> {
    // A column of an enclosing row (LATERAL) would not become NULL with the subquery's row.
    let own = if nullable { walk::output_columns(below) } else { vec![] };
    let from_below = |e: &Expr, own: &[ColumnId]| match e {
        Expr::Column { id, .. } => !nullable || own.contains(id),
        _ => true,
    };
    if !outer.iter().all(|(_, e)| target_ok(e, nullable) && from_below(e, &own)) {
        return None;
    }
    match below {
        LogicalPlan::Project { input, targets } => {
            let own = if nullable { walk::output_columns(input) } else { vec![] };
            if !targets.iter().all(|(_, e)| target_ok(e, nullable) && from_below(e, &own))
                || !plain_from(input)
            {
                return None;
            }
            let inner = std::mem::take(targets)
                .into_iter()
                .filter(|(id, e)| !matches!(e, Expr::Column { id: same, .. } if same == id))
                .collect();
            Some((std::mem::replace(&mut **input, LogicalPlan::OneRow), inner))
        }
        other if plain_from(other) => Some((std::mem::replace(other, LogicalPlan::OneRow), vec![])),
        _ => None,
    }
}

fn target_ok(e: &Expr, nullable: bool) -> bool {
    match e {
        Expr::Column { .. } => true,
        e => !nullable && !is_volatile(e) && !has_subquery(e),
    }
}

/// FROM and WHERE only. A lone row without tables (SELECT 1) is left as it is: it would vanish.
fn plain_from(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Scan { .. }
        | LogicalPlan::FunctionScan { .. }
        | LogicalPlan::CteScan { .. }
        | LogicalPlan::SubqueryAlias { .. } => true,
        LogicalPlan::Filter { input, predicates } => plain_from(input) && !predicates.iter().any(is_volatile),
        LogicalPlan::Join { left, right, .. } => plain_from(left) && plain_from(right),
        _ => false,
    }
}
