//! Moves conditions on a FROM item's columns into the item: through projections, groupings, set operations, DISTINCT, windows.

use crate::exprs::{columns, has_subquery, is_volatile, substitute};
use crate::run_conditions;
use quarry_plan::total::is_leakproof;
use quarry_plan::{ColumnId, Expr, LogicalPlan, SetOpKind, SubqueryKind, walk};
use std::collections::HashMap;

/// Pushes what can be pushed; answers what must stay above.
pub fn into_item(mut plan: LogicalPlan, filter: Vec<Expr>) -> (LogicalPlan, Vec<Expr>) {
    let mut rest = vec![];
    for e in filter {
        if is_volatile(&e) || has_subquery(&e) {
            rest.push(e);
            continue;
        }
        if let Some(e) = push(&mut plan, e, false) {
            rest.push(e);
        }
    }
    (plan, rest)
}

/// Pushes a condition below the row locks of a subquery; gives it back if that is not possible.
pub fn into_locks(plan: &mut LogicalPlan, e: Expr) -> Option<Expr> {
    // What is run once is a value; what is volatile is asked of every row that there is.
    let once = |e: &Expr| {
        let mut all = true;
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e {
                let tests = matches!(s.kind, SubqueryKind::Any { .. } | SubqueryKind::All { .. });
                all &= !tests && columns(&Expr::Subquery(s.clone())).is_empty();
            }
        });
        all
    };
    match is_volatile(&e) || has_subquery(&e) {
        true if !once(&e) || !has_plain_rows(plan) => Some(e),
        _ => push(plan, e, true),
    }
}

/// Whether a subquery gives each row of its FROM clause once.
fn has_plain_rows(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias { input, .. }
        | LogicalPlan::Project { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::LockRows { input, .. } => has_plain_rows(input),
        LogicalPlan::Scan { .. } | LogicalPlan::Filter { .. } | LogicalPlan::Join { .. } => true,
        _ => false,
    }
}

/// Pushes one condition; gives it back if that is not possible. `locks`: below row locks, too, which choose their rows by it then.
fn push(plan: &mut LogicalPlan, e: Expr, locks: bool) -> Option<Expr> {
    match plan {
        LogicalPlan::SubqueryAlias { input, .. } => push(input, e, locks),
        LogicalPlan::Barrier { input } if is_leakproof(&e) => push(input, e, locks),
        LogicalPlan::Project { input, targets } => {
            let used = columns(&e);
            let map: HashMap<ColumnId, Expr> =
                targets.iter().filter(|(id, _)| used.contains(id)).cloned().collect();
            if map.values().any(|t| is_volatile(t) || has_subquery(t)) {
                return Some(e);
            }
            let mut inner = e.clone();
            substitute(&mut inner, &map);
            push_or_filter(input, inner, e, locks)
        }
        LogicalPlan::Filter { predicates, .. } => {
            predicates.push(e);
            None
        }
        LogicalPlan::Sort { input, .. } | LogicalPlan::LockRows { input, pushed: true, .. } => {
            push(input, e, locks)
        }
        LogicalPlan::LockRows { input, .. } if locks => push(input, e, locks),
        LogicalPlan::Distinct { input, on } => {
            if let Some(on) = on {
                let keys: Vec<ColumnId> = on.iter().flat_map(columns).collect();
                if columns(&e).iter().any(|id| !keys.contains(id) && walk::output_columns(input).contains(id))
                {
                    return Some(e);
                }
            }
            push_or_filter(input, e.clone(), e, locks)
        }
        LogicalPlan::Aggregate { input, group, sets: None, aggregates, grouping } if !group.is_empty() => {
            let used = columns(&e);
            let computed = |id: &ColumnId| {
                aggregates.iter().any(|(a, _)| a == id) || grouping.iter().any(|(g, _)| g == id)
            };
            if used.iter().any(computed) {
                return Some(e);
            }
            let map: HashMap<ColumnId, Expr> =
                group.iter().filter(|(id, _)| used.contains(id)).cloned().collect();
            if map.values().any(|t| is_volatile(t) || has_subquery(t)) {
                return Some(e);
            }
            let mut inner = e.clone();
            substitute(&mut inner, &map);
            push_or_filter(input, inner, e, locks)
        }
        LogicalPlan::Window { input, spec, calls } => {
            let made = walk::output_columns(input);
            let partition: Vec<&Expr> = spec.partition_by.iter().collect();
            let ok = columns(&e).iter().all(|id| {
                !calls.iter().any(|(c, _)| c == id)
                    && (!made.contains(id)
                        || partition.iter().any(|p| matches!(p, Expr::Column { id: same, .. } if same == id)))
            });
            if !ok {
                return Some(e);
            }
            push_or_filter(input, e.clone(), e, locks)
        }
        // All rows of both sides are compared, and so locked.
        LogicalPlan::SetOp { kind: SetOpKind::Except, .. } if locks => Some(e),
        LogicalPlan::SetOp { left, right, output, left_columns, right_columns, .. } => {
            let side = |ids: &[ColumnId]| -> Expr {
                let inner_of =
                    |(o, i): (&ColumnId, &ColumnId)| Some((*o, Expr::column(*i, type_of(&e, *o)?)));
                let mut inner = e.clone();
                substitute(&mut inner, &output.iter().zip(ids).filter_map(inner_of).collect());
                inner
            };
            let (l, r) = (side(left_columns), side(right_columns));
            // Both sides must take it, or neither.
            push_or_wrap(left, l, locks);
            push_or_wrap(right, r, locks);
            None
        }
        _ => Some(e),
    }
}

fn type_of(e: &Expr, id: ColumnId) -> Option<quarry_types::SqlType> {
    let mut found = None;
    walk::visit(e, &mut |e| {
        if let Expr::Column { id: c, ty } = e
            && *c == id
        {
            found = Some(*ty)
        }
    });
    found
}

/// Pushes into `input`, or puts a filter on top of it if it is a FROM or an operator that doesn't care.
fn push_or_filter(input: &mut LogicalPlan, inner: Expr, original: Expr, locks: bool) -> Option<Expr> {
    match input {
        // Rows cut off must stay cut off; rows locked must be those asked for; sets are expanded first.
        LogicalPlan::LockRows { pushed: false, .. } if !locks => Some(original),
        LogicalPlan::Limit { .. } | LogicalPlan::ProjectSet { .. } | LogicalPlan::With { .. } => {
            Some(original)
        }
        LogicalPlan::Insert { .. } | LogicalPlan::Update { .. } | LogicalPlan::Delete { .. } => {
            Some(original)
        }
        LogicalPlan::Window { .. } => push_to_window(input, inner, original, locks),
        LogicalPlan::Filter { input: below, .. } if matches!(**below, LogicalPlan::Window { .. }) => {
            push_to_window(input, inner, original, locks)
        }
        // What a window can't take stays above the subquery.
        LogicalPlan::Project { .. } if is_over_window(input) => push(input, inner, locks).map(|_| original),
        _ => {
            push_or_wrap(input, inner, locks);
            None
        }
    }
}

/// Pushes below a window, or puts onto it what it can stop by. It may have such conditions already.
fn push_to_window(plan: &mut LogicalPlan, inner: Expr, original: Expr, locks: bool) -> Option<Expr> {
    let inner = match &mut *plan {
        LogicalPlan::Filter { input, .. } => push(input, inner, locks)?,
        window => push(window, inner, locks)?,
    };
    if locks {
        return Some(original);
    }
    let run = match &*plan {
        LogicalPlan::Filter { input, .. } => stops(input, &inner),
        window => stops(window, &inner),
    };
    let Some(run) = run else { return Some(original) };
    match plan {
        LogicalPlan::Filter { predicates, .. } => predicates.push(run.condition),
        window => {
            let input = Box::new(std::mem::replace(window, LogicalPlan::OneRow));
            *window = LogicalPlan::Filter { input, predicates: vec![run.condition] };
        }
    }
    run.tested.then_some(original)
}

/// Whether it is nothing but projections of a window's rows.
fn is_over_window(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Project { input, .. } => is_over_window(input),
        LogicalPlan::Filter { input, .. } => matches!(**input, LogicalPlan::Window { .. }),
        other => matches!(other, LogicalPlan::Window { .. }),
    }
}

/// What a window, or one below it, can stop by.
fn stops(window: &LogicalPlan, e: &Expr) -> Option<run_conditions::RunCondition> {
    match window {
        LogicalPlan::Window { input, spec, calls } => {
            run_conditions::of(e, spec, calls).or_else(|| stops(input, e))
        }
        _ => None,
    }
}

/// Pushes as deep as possible, else filters right here.
fn push_or_wrap(input: &mut LogicalPlan, e: Expr, locks: bool) {
    if let Some(e) = push(input, e, locks) {
        let below = std::mem::replace(input, LogicalPlan::OneRow);
        *input = LogicalPlan::Filter { input: Box::new(below), predicates: vec![e] };
    }
}
