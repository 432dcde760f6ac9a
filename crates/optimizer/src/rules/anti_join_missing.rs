//! A left join of which only the rows without a partner are wanted is an anti join (PostgreSQL: `reduce_outer_joins`):
//!
//! ```text
//! SELECT a.* FROM a LEFT JOIN b ON b.id = a.b WHERE b.id IS NULL  ->  SELECT a.* FROM a ANTI JOIN b ON b.id = a.b
//! ```
//!
//! The column tested must have a value in every row that finds a partner. All columns of the right side are NULL from here up.

use super::never_null;
use crate::exprs::{nonnullable, substitute_plan};
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, QueryMeta, walk};
use std::collections::HashMap;

/// Runs over the plan (not inside subqueries of expressions). True if a join became an anti join.
pub fn run(plan: &mut LogicalPlan, meta: &QueryMeta) -> bool {
    let mut any = false;
    while let Some(gone) = find(plan) {
        let nulls: HashMap<ColumnId, Expr> =
            gone.into_iter().map(|id| (id, Expr::null(meta.get(id).ty))).collect();
        substitute_plan(plan, &nulls);
        any = true;
    }
    any
}

fn find(plan: &mut LogicalPlan) -> Option<Vec<ColumnId>> {
    if let LogicalPlan::Filter { input, predicates } = plan {
        let tested: Vec<ColumnId> = predicates
            .iter()
            .filter_map(|p| match p {
                Expr::IsNull { arg, negated: false } if !crate::exprs::is_row_type(arg) => match &**arg {
                    Expr::Column { id, .. } => Some(*id),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        if !tested.is_empty()
            && let Some(gone) = convert(input, &tested)
        {
            return Some(gone);
        }
    }
    walk::inputs_mut(plan).into_iter().find_map(find)
}

/// Makes the join whose right side gives one of these columns an anti join; answers that side's columns.
fn convert(plan: &mut LogicalPlan, tested: &[ColumnId]) -> Option<Vec<ColumnId>> {
    match plan {
        LogicalPlan::Filter { input, .. } => convert(input, tested),
        LogicalPlan::Join { kind: JoinKind::Inner, left, right, .. } => {
            convert(left, tested).or_else(|| convert(right, tested))
        }
        LogicalPlan::Join { kind: kind @ JoinKind::Left, left, right, on } => {
            let own = walk::output_columns(right);
            let mut valued = never_null::columns_of(right);
            on.iter().for_each(|e| nonnullable(e, true, &mut valued));
            if tested.iter().any(|id| own.contains(id) && valued.contains(id)) {
                *kind = JoinKind::Anti;
                return Some(own);
            }
            convert(left, tested)
        }
        LogicalPlan::Join { kind: JoinKind::Semi | JoinKind::Anti, left, .. } => convert(left, tested),
        _ => None,
    }
}
