//! Drops a left join whose right side gives at most one row for each left row and is read by nothing above: it neither adds nor
//! removes rows (PostgreSQL: `join_is_removable`). Run with the pruning of columns, which knows what is read.

use crate::unique::{fixed_columns, plan_is_unique};
use quarry_plan::{ColumnId, JoinKind, LogicalPlan, walk};

/// The left side of a join that can go.
pub fn kept_side(plan: &mut LogicalPlan, needed: &dyn Fn(ColumnId) -> bool) -> Option<LogicalPlan> {
    let LogicalPlan::Join { kind: JoinKind::Left, left, right, on } = plan else { return None };
    let own = walk::output_columns(right);
    if own.iter().any(|id| needed(*id)) {
        return None;
    }
    // What isn't run can neither fail nor have effects: as PostgreSQL, only volatile conditions are in the way.
    if on.iter().any(crate::exprs::is_volatile)
        || crate::exprs::plan_volatility(right) == quarry_functions::Volatility::Volatile
    {
        return None;
    }
    if !plan_is_unique(right, &fixed_columns(on.iter(), &own)) {
        return None;
    }
    Some(std::mem::replace(&mut **left, LogicalPlan::OneRow))
}
