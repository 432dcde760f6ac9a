//! Turns outer joins into narrower ones where a condition above drops the rows they make up (PostgreSQL: `reduce_outer_joins`):
//! LEFT to INNER, FULL to LEFT or INNER.

use crate::exprs::nonnullable;
use quarry_plan::{ColumnId, JoinKind, LogicalPlan, walk};

/// Runs over the whole plan.
pub fn run(plan: &mut LogicalPlan) {
    if has_outer_join(plan) {
        reduce(plan, &[]);
    }
}

fn has_outer_join(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Join { kind: JoinKind::Left | JoinKind::Right | JoinKind::Full, .. })
        || walk::inputs(plan).into_iter().any(has_outer_join)
}

/// `rejected`: columns whose NULL makes a row fail above.
fn reduce(plan: &mut LogicalPlan, rejected: &[ColumnId]) {
    match plan {
        LogicalPlan::Filter { input, predicates } => {
            let mut inner = rejected.to_vec();
            for p in predicates.iter() {
                nonnullable(p, true, &mut inner);
            }
            reduce(input, &inner);
        }
        LogicalPlan::Join { kind, left, right, on } => {
            let (lc, rc) = (walk::output_columns(left), walk::output_columns(right));
            let from_left = rejected.iter().any(|id| lc.contains(id));
            let from_right = rejected.iter().any(|id| rc.contains(id));
            *kind = match *kind {
                JoinKind::Left if from_right => JoinKind::Inner,
                JoinKind::Right if from_left => JoinKind::Inner,
                JoinKind::Full if from_left && from_right => JoinKind::Inner,
                JoinKind::Full if from_left => JoinKind::Left,
                JoinKind::Full if from_right => JoinKind::Right,
                other => other,
            };
            if *kind == JoinKind::Right {
                std::mem::swap(left, right);
                *kind = JoinKind::Left;
                return reduce(plan, rejected);
            }
            let mut strict = vec![];
            on.iter().for_each(|e| nonnullable(e, true, &mut strict));
            let mut both = rejected.to_vec();
            both.extend(&strict);
            match kind {
                JoinKind::Inner => {
                    reduce(left, &both);
                    reduce(right, &both);
                }
                JoinKind::Semi => {
                    reduce(left, &both);
                    reduce(right, &strict);
                }
                JoinKind::Left => {
                    reduce(left, rejected);
                    reduce(right, &strict);
                }
                JoinKind::Anti => {
                    reduce(left, rejected);
                    reduce(right, &strict);
                }
                JoinKind::Right | JoinKind::Full => {
                    reduce(left, &[]);
                    reduce(right, &[]);
                }
            }
        }
        LogicalPlan::SubqueryAlias { input, .. } => reduce(input, rejected),
        other => {
            for input in walk::inputs_mut(other) {
                reduce(input, &[]);
            }
        }
    }
}
