//! DISTINCT goes where no two rows are equal anyway: they hold a unique key that can't be NULL, or come grouped. The same inside
//! aggregates:
//!
//! ```text
//! SELECT DISTINCT id, name FROM t  ->  SELECT id, name FROM t        count(DISTINCT id)  ->  count(id)
//! ```
//!
//! PostgreSQL 15 sorts or hashes.

use crate::unique::rows_differ;
use quarry_plan::{ColumnId, Expr, LogicalPlan, walk};

/// Runs over the plan (not inside subqueries of expressions). True if a DISTINCT went.
pub fn run(plan: &mut LogicalPlan) -> bool {
    let mut any = false;
    for input in walk::inputs_mut(plan) {
        any |= run(input);
    }
    match plan {
        LogicalPlan::Distinct { input, on } => {
            let keys: Option<Vec<ColumnId>> = match on {
                None => Some(walk::output_columns(input)),
                Some(on) => on.iter().map(column).collect(),
            };
            if keys.is_some_and(|keys| rows_differ(input, &keys)) {
                *plan = std::mem::replace(&mut **input, LogicalPlan::OneRow);
                any = true;
            }
        }
        LogicalPlan::Aggregate { input, group, sets: None, aggregates, .. } => {
            let keys: Vec<ColumnId> = group.iter().filter_map(|(_, e)| column(e)).collect();
            for (_, a) in aggregates.iter_mut().filter(|(_, a)| a.distinct) {
                let [arg] = &a.args[..] else { continue };
                // The smallest of all is the smallest of the different ones.
                let idempotent =
                    matches!(a.function.def().name, "min" | "max" | "bool_and" | "bool_or" | "every");
                let unique = || {
                    column(arg).is_some_and(|id| {
                        let mut by = keys.clone();
                        by.push(id);
                        rows_differ(input, &by)
                    })
                };
                if a.order_by.is_empty() && (idempotent || unique()) {
                    a.distinct = false;
                    any = true;
                }
            }
        }
        _ => {}
    }
    any
}

fn column(e: &Expr) -> Option<ColumnId> {
    if let Expr::Column { id, .. } = e { Some(*id) } else { None }
}
