//! Subqueries in the conditions of inner joins are conditions of all rows of their FROM clause, as those of WHERE are: there the rules that
//! make joins of subqueries find them (PostgreSQL: `pull_up_sublinks_jointree_recurse`).
//!
//! ```text
//! a JOIN b ON a.k = b.k AND EXISTS (...)  ->  (a JOIN b ON a.k = b.k) WHERE EXISTS (...)
//! ```

use super::inner_joins::{draw, filtered};
use crate::exprs::has_subquery;
use quarry_plan::{JoinKind, LogicalPlan, walk};

/// Runs over the plan and the subqueries in it.
pub fn run(plan: &mut LogicalPlan) {
    super::for_each_subquery_here(plan, &mut run);
    walk::inputs_mut(plan).into_iter().for_each(run);
    let joins = |plan: &LogicalPlan| matches!(plan, LogicalPlan::Join { kind: JoinKind::Inner, .. });
    let mut drawn = vec![];
    match plan {
        LogicalPlan::Filter { input, predicates } if joins(input) => {
            draw(input, &has_subquery, &mut drawn);
            predicates.splice(0..0, drawn);
        }
        join if joins(join) => {
            draw(join, &has_subquery, &mut drawn);
            let whole = std::mem::replace(join, LogicalPlan::OneRow);
            *join = filtered(whole, drawn);
        }
        _ => {}
    }
}
