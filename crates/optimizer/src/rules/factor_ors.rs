//! What all branches of an OR have in common is tested once, outside of it (PostgreSQL: `find_duplicate_ors`):
//!
//! ```text
//! (a AND b) OR (a AND c)  ->  a AND (b OR c)        a OR (a AND b)  ->  a
//! ```
//!
//! Join conditions become visible that way. Volatile conditions stay where they are.

use crate::exprs::is_volatile;
use quarry_plan::{Expr, LogicalPlan, walk};

/// Runs over the conditions of the plan (not inside subqueries of expressions). True if one changed.
pub fn run(plan: &mut LogicalPlan) -> bool {
    let mut any = false;
    if let LogicalPlan::Filter { predicates, .. } | LogicalPlan::Join { on: predicates, .. } = plan
        && predicates.iter().any(|p| walk::any(p, &|e| matches!(e, Expr::Or(_))))
    {
        let mut changed = false;
        predicates.iter_mut().for_each(|p| changed |= factor(p));
        if changed {
            let parts = std::mem::take(predicates);
            *predicates = parts.into_iter().flat_map(Expr::into_conjuncts).collect();
            any = true;
        }
    }
    for input in walk::inputs_mut(plan) {
        any |= run(input);
    }
    any
}

fn factor(e: &mut Expr) -> bool {
    match e {
        Expr::And(parts) => parts.iter_mut().fold(false, |any, p| factor(p) | any),
        Expr::Or(branches) => {
            let mut any = branches.iter_mut().fold(false, |any, b| factor(b) | any);
            let split: Vec<Vec<Expr>> = branches.iter().cloned().map(Expr::into_conjuncts).collect();
            let Some((first, others)) = split.split_first() else { return any };
            let mut common: Vec<Expr> = vec![];
            for part in first {
                let everywhere = others.iter().all(|b| b.contains(part));
                if everywhere && !is_volatile(part) && !common.contains(part) {
                    common.push(part.clone());
                }
            }
            if common.is_empty() {
                return any;
            }
            any = true;
            let rest: Vec<Vec<Expr>> = split
                .into_iter()
                .map(|b| b.into_iter().filter(|part| !common.contains(part)).collect())
                .collect();
            // A branch that asks for nothing more decides.
            if !rest.iter().any(Vec::is_empty) {
                common.push(Expr::Or(rest.into_iter().map(all_of).collect()));
            }
            *e = all_of(common);
            any
        }
        _ => false,
    }
}

fn all_of(mut parts: Vec<Expr>) -> Expr {
    if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) }
}
