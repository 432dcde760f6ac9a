//! Turns outer joins into narrower ones where a condition above drops the rows they make up (PostgreSQL: `reduce_outer_joins`):
//! LEFT to INNER, FULL to LEFT or INNER.

use crate::exprs::nonnullable;
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, walk};

/// Runs over the whole plan. True if a join became narrower.
pub fn run(plan: &mut LogicalPlan) -> bool {
    let mut any = false;
    if has_outer_join(plan) {
        reduce(plan, &[], &mut any);
    }
    any
}

fn has_outer_join(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Join { kind: JoinKind::Left | JoinKind::Right | JoinKind::Full, .. })
        || walk::inputs(plan).into_iter().any(has_outer_join)
}

/// A condition that a row fails if in each of its branches one of these columns is NULL.
type Rejection = Vec<Vec<ColumnId>>;

/// What conditions say of NULLs.
fn rejections(conditions: &[Expr], out: &mut Vec<Rejection>) {
    for e in conditions {
        match e {
            Expr::And(parts) => rejections(parts, out),
            Expr::Or(branches) => {
                let strict = |e: &Expr| {
                    let mut columns = vec![];
                    nonnullable(e, true, &mut columns);
                    columns
                };
                out.push(branches.iter().map(strict).collect());
            }
            e => {
                let mut columns = vec![];
                nonnullable(e, true, &mut columns);
                if !columns.is_empty() {
                    out.push(vec![columns]);
                }
            }
        }
    }
}

/// `rejected`: conditions above that rows fail whose columns of a side are all NULL.
fn reduce(plan: &mut LogicalPlan, rejected: &[Rejection], any: &mut bool) {
    match plan {
        LogicalPlan::Filter { input, predicates } => {
            let mut inner = rejected.to_vec();
            rejections(predicates, &mut inner);
            reduce(input, &inner, any);
        }
        LogicalPlan::Join { kind, left, right, on } => {
            let side = |columns: &[ColumnId]| {
                rejected.iter().any(|branches| {
                    branches.iter().all(|branch| branch.iter().any(|id| columns.contains(id)))
                })
            };
            let from_left = side(&walk::output_columns(left));
            let from_right = side(&walk::output_columns(right));
            let narrower = match *kind {
                JoinKind::Left if from_right => JoinKind::Inner,
                JoinKind::Right if from_left => JoinKind::Inner,
                JoinKind::Full if from_left && from_right => JoinKind::Inner,
                JoinKind::Full if from_left => JoinKind::Left,
                JoinKind::Full if from_right => JoinKind::Right,
                other => other,
            };
            *any |= narrower != *kind;
            *kind = narrower;
            if *kind == JoinKind::Right {
                std::mem::swap(left, right);
                *kind = JoinKind::Left;
                return reduce(plan, rejected, any);
            }
            let mut strict = vec![];
            rejections(on, &mut strict);
            let mut both = rejected.to_vec();
            both.extend_from_slice(&strict);
            match kind {
                JoinKind::Inner => {
                    reduce(left, &both, any);
                    reduce(right, &both, any);
                }
                JoinKind::Semi => {
                    reduce(left, &both, any);
                    reduce(right, &strict, any);
                }
                JoinKind::Left => {
                    reduce(left, rejected, any);
                    reduce(right, &strict, any);
                }
                JoinKind::Anti => {
                    reduce(left, rejected, any);
                    reduce(right, &strict, any);
                }
                JoinKind::Right | JoinKind::Full | JoinKind::RightSemi | JoinKind::RightAnti => {
                    reduce(left, &[], any);
                    reduce(right, &[], any);
                }
            }
        }
        LogicalPlan::SubqueryAlias { input, .. } => reduce(input, rejected, any),
        other => {
            for input in walk::inputs_mut(other) {
                reduce(input, &[], any);
            }
        }
    }
}
