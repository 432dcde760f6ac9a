//! Merges simple subqueries of FROM (and views) into the query around them, so that their tables can be joined in any order.
//!
//! Simple is a projection of a FROM with WHERE, without volatile or set-returning targets and subqueries. On the nullable side of
//! an outer join the targets must be plain columns: an expression would not become NULL by itself. A LATERAL subquery is merged
//! only where its conditions can be tested without passing an outer join that lacks what they read.

use crate::exprs::{has_subquery, is_volatile, substitute_plan};
use quarry_plan::volatility::plain_from;
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, walk};
use std::collections::HashMap;
use std::rc::Rc;

/// True if anything was merged.
pub fn run(plan: &mut LogicalPlan) -> bool {
    let mut any = false;
    loop {
        let mut map = HashMap::new();
        let place = Place::top(plan);
        find(plan, &place, &mut map);
        if map.is_empty() {
            return any;
        }
        any = true;
        settle(&mut map);
        substitute_plan(plan, &map);
    }
}

/// Replaces columns in the replacements themselves, until none is left.
fn settle(map: &mut HashMap<ColumnId, Expr>) {
    for _ in 0..64 {
        let snapshot = map.clone();
        let mut changed = false;
        for (id, e) in map.iter_mut() {
            let mut ids = vec![];
            walk::columns_of(e, &mut ids);
            if ids.iter().any(|c| c != id && snapshot.contains_key(c)) {
                crate::exprs::substitute(e, &snapshot);
                changed = true;
            }
        }
        if !changed {
            return;
        }
    }
}

/// Where in a FROM clause a subquery stands.
#[derive(Clone)]
struct Place {
    /// Whether rows of this part may be made up of NULLs by an outer join above.
    nullable: bool,
    /// The columns of all items of the FROM clause.
    region: Rc<Vec<ColumnId>>,
    /// Below an outer (semi, anti) join: the columns of the lowest one's items. Conditions on others can't be tested there.
    within: Option<Rc<Vec<ColumnId>>>,
}

impl Place {
    fn top(from: &LogicalPlan) -> Place {
        let mut columns = vec![];
        from_columns(from, &mut columns);
        Place { nullable: false, region: Rc::new(columns), within: None }
    }

    /// Whether a LATERAL subquery's conditions can be tested where it stands, once it is merged.
    fn allows(&self, subquery: &LogicalPlan) -> bool {
        let mut outside = walk::free_columns(subquery);
        outside.retain(|id| self.region.contains(id));
        if outside.is_empty() {
            return true;
        }
        let reachable = self.within.as_ref().is_none_or(|w| outside.iter().all(|id| w.contains(id)));
        reachable && !reads_in_outer_join(subquery, &outside)
    }
}

/// The columns of a FROM clause's items.
fn from_columns(plan: &LogicalPlan, out: &mut Vec<ColumnId>) {
    match plan {
        LogicalPlan::Filter { input, .. } => from_columns(input, out),
        LogicalPlan::Join { left, right, .. } => {
            from_columns(left, out);
            from_columns(right, out);
        }
        other => out.extend(walk::output_columns(other)),
    }
}

/// Whether an outer, semi or anti join inside reads any of these columns.
fn reads_in_outer_join(plan: &LogicalPlan, columns: &[ColumnId]) -> bool {
    match plan {
        LogicalPlan::Join { kind, .. } if *kind != JoinKind::Inner => {
            walk::free_columns(plan).iter().any(|id| columns.contains(id))
        }
        other => walk::inputs(other).into_iter().any(|p| reads_in_outer_join(p, columns)),
    }
}

fn find(plan: &mut LogicalPlan, place: &Place, map: &mut HashMap<ColumnId, Expr>) {
    match plan {
        LogicalPlan::Join { kind, left, right, .. } => {
            let nullable = place.nullable;
            let (l, r) = match kind {
                JoinKind::Inner | JoinKind::Semi | JoinKind::RightSemi => (nullable, nullable),
                // The join's condition is about the right side's values: they stay as they are computed there.
                JoinKind::Left | JoinKind::Anti => (nullable, true),
                JoinKind::Right | JoinKind::RightAnti => (true, nullable),
                JoinKind::Full => (true, true),
            };
            let mut within = place.within.clone();
            if *kind != JoinKind::Inner {
                let mut columns = vec![];
                from_columns(left, &mut columns);
                from_columns(right, &mut columns);
                within = Some(Rc::new(columns));
            }
            find(left, &Place { nullable: l, within: within.clone(), ..place.clone() }, map);
            find(right, &Place { nullable: r, within, ..place.clone() }, map);
        }
        LogicalPlan::Filter { input, .. } => find(input, place, map),
        LogicalPlan::SubqueryAlias { input, .. } => {
            // Inner ones first.
            find(input, &Place::top(input), map);
            if place.allows(input)
                && let LogicalPlan::Project { targets, input: below } = &mut **input
                && let Some(inner) = mergeable(below, targets, place.nullable)
            {
                for (id, e) in std::mem::take(targets) {
                    if !matches!(&e, Expr::Column { id: same, .. } if *same == id) {
                        map.insert(id, e);
                    }
                }
                map.extend(inner.1);
                *plan = inner.0;
            }
        }
        other => {
            for input in walk::inputs_mut(other) {
                let place = Place::top(input);
                find(input, &place, map);
            }
        }
    }
}

type Merged = (LogicalPlan, Vec<(ColumnId, Expr)>);

/// The FROM of a subquery that can be merged and what its targets stand for.
fn mergeable(below: &mut LogicalPlan, outer: &[(ColumnId, Expr)], nullable: bool) -> Option<Merged> {
    // A column of an enclosing row (LATERAL) would not become NULL with the subquery's row.
    let own = if nullable { walk::output_columns(below) } else { vec![] };
    let from_below = |e: &Expr, own: &[ColumnId]| match e {
        Expr::Column { id, .. } => !nullable || own.contains(id),
        _ => true,
    };
    if !outer.iter().all(|(_, e)| target_ok(e, nullable) && from_below(e, &own)) {
        return None;
    }
    match below {
        LogicalPlan::Project { input, targets } => {
            let own = if nullable { walk::output_columns(input) } else { vec![] };
            if !targets.iter().all(|(_, e)| target_ok(e, nullable) && from_below(e, &own))
                || !plain_from(input)
            {
                return None;
            }
            let inner = std::mem::take(targets)
                .into_iter()
                .filter(|(id, e)| !matches!(e, Expr::Column { id: same, .. } if same == id))
                .collect();
            Some((std::mem::replace(&mut **input, LogicalPlan::OneRow), inner))
        }
        other if plain_from(other) => Some((std::mem::replace(other, LogicalPlan::OneRow), vec![])),
        _ => None,
    }
}

fn target_ok(e: &Expr, nullable: bool) -> bool {
    match e {
        Expr::Column { .. } => true,
        e => !nullable && !is_volatile(e) && !has_subquery(e),
    }
}
