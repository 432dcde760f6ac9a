//! Sort keys that order nothing go: columns that have one value in all rows, columns named before, everything after a unique key
//! (PostgreSQL does the first two by equivalence classes of path keys).

use crate::unique::{constant_columns, rows_differ};
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, walk};

/// Runs over the plan (not inside subqueries of expressions). True if a key went.
pub fn run(plan: &mut LogicalPlan) -> bool {
    let mut any = false;
    for input in walk::inputs_mut(plan) {
        any |= run(input);
    }
    let LogicalPlan::Sort { input, keys } = plan else { return any };
    let mut by = constants(input);
    let mut kept = vec![];
    let before = keys.len();
    // Rows that the keys before the last don't tell apart, fewer don't.
    let mut most = by.clone();
    most.extend(keys.iter().rev().skip(1).filter_map(|key| column_of(&key.expr)));
    let differ = before > 1 && rows_differ(input, &most);
    for key in std::mem::take(keys) {
        // Rows differ in what is there already: nothing is left to be ordered.
        if differ && !kept.is_empty() && rows_differ(input, &by) {
            break;
        }
        if let Some(id) = column_of(&key.expr) {
            if by.contains(&id) {
                continue;
            }
            by.push(id);
        }
        kept.push(key);
    }
    any |= kept.len() < before;
    if kept.is_empty() {
        *plan = std::mem::replace(&mut **input, LogicalPlan::OneRow);
    } else {
        *keys = kept;
    }
    any
}

fn column_of(e: &Expr) -> Option<ColumnId> {
    if let Expr::Column { id, .. } = e { Some(*id) } else { None }
}

/// Columns that have the same value in all rows of a plan.
pub fn constants(plan: &LogicalPlan) -> Vec<ColumnId> {
    match plan {
        LogicalPlan::Filter { input, predicates } => {
            let mut out = constants(input);
            out.extend(constant_columns(predicates, &walk::output_columns(input)));
            out
        }
        LogicalPlan::Join { kind, left, right, on } => match kind {
            JoinKind::Inner => {
                let mut out = constants(left);
                out.extend(constants(right));
                out.extend(constant_columns(on, &walk::output_columns(plan)));
                out
            }
            JoinKind::Left | JoinKind::Semi | JoinKind::Anti => constants(left),
            _ => vec![],
        },
        LogicalPlan::Project { input, targets } => {
            let below = constants(input);
            let same = |e: &Expr| match e {
                Expr::Column { id, .. } => below.contains(id),
                Expr::Const { .. } | Expr::Param { .. } => true,
                _ => false,
            };
            targets.iter().filter(|(_, e)| same(e)).map(|(id, _)| *id).collect()
        }
        LogicalPlan::Aggregate { input, group, sets: None, .. } => {
            let below = constants(input);
            let same = |e: &Expr| matches!(e, Expr::Column { id, .. } if below.contains(id));
            group.iter().filter(|(_, e)| same(e)).map(|(id, _)| *id).collect()
        }
        LogicalPlan::SubqueryAlias { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Distinct { input, .. }
        | LogicalPlan::Limit { input, .. }
        | LogicalPlan::Window { input, .. } => constants(input),
        _ => vec![],
    }
}
