//! Conditions on single tables that follow from an OR over a join (PostgreSQL: `orclauses.c`):
//!
//! ```text
//! (a.x = 1 AND b.y = 2) OR (a.x = 3 AND b.y = 4)  ->  (a.x = 1 OR a.x = 3) and (b.y = 2 OR b.y = 4), too
//! ```
//!
//! They are tested where the tables are read; the OR itself still decides. As in PostgreSQL, one that keeps nearly all rows is not
//! worth it, and the OR's own share is put right by what they have chosen already (`Clause::chosen`).

use super::Rule;
use crate::exprs::{columns, has_subquery, is_volatile};
use crate::planner::Planner;
use crate::region::{Clause, Region, Source};
use quarry_plan::{ColumnId, Expr};

/// The largest share of rows that such a condition may keep.
const SHARE_MAX: f64 = 0.9;

/// Adds conditions to a region.
pub fn run(region: &mut Region, p: &mut Planner<'_>) {
    if !p.rules.allows(Rule::ExtractRestrictions) {
        return;
    }
    let mut derived = vec![];
    let Region { clauses, items, specials, .. } = region;
    for clause in clauses.iter_mut() {
        let Expr::Or(branches) = &clause.expr else { continue };
        if clause.refs.count_ones() < 2 || has_subquery(&clause.expr) || is_volatile(&clause.expr) {
            continue;
        }
        for (i, item) in items.iter().enumerate().filter(|(i, _)| clause.refs >> i & 1 == 1) {
            let nullable = specials.iter().any(|s| s.nullable() >> i & 1 == 1);
            if nullable || !matches!(item.source, Source::Table(_)) {
                continue;
            }
            let Some(expr) = restriction(branches, &item.columns) else { continue };
            let share = p.selectivity(std::slice::from_ref(&expr));
            if share <= SHARE_MAX {
                clause.chosen *= share;
                derived.push(Clause::new(expr, 1 << i));
            }
        }
    }
    if !derived.is_empty() {
        p.rules.fire(Rule::ExtractRestrictions);
        clauses.extend(derived);
    }
}

/// What all branches say of these columns alone.
fn restriction(branches: &[Expr], own: &[ColumnId]) -> Option<Expr> {
    let mut out: Vec<Expr> = vec![];
    for branch in branches {
        let local = |e: &Expr| {
            let read = columns(e);
            !read.is_empty() && read.iter().all(|id| own.contains(id))
        };
        let mut parts: Vec<Expr> = vec![];
        for part in branch.clone().into_conjuncts() {
            match part {
                // An OR in a branch, of which all branches are about the table.
                Expr::Or(inner) if !inner.iter().all(local) => parts.extend(restriction(&inner, own)),
                part if local(&part) => parts.push(part),
                _ => {}
            }
        }
        let part = match parts.len() {
            0 => return None,
            1 => parts.remove(0),
            _ => Expr::And(parts),
        };
        if !out.contains(&part) {
            out.push(part);
        }
    }
    Some(if out.len() == 1 { out.remove(0) } else { Expr::Or(out) })
}
