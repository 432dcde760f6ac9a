//! Conditions on subqueries of FROM that lock rows (FOR UPDATE and its kin) go below the locks, so that only rows are locked that are asked
//! for (PostgreSQL: `subquery_push_qual`; such a subquery is never merged into the query around it):
//!
//! ```text
//! SELECT ... FROM (SELECT * FROM t FOR UPDATE) s WHERE s.k = 1    locks the rows of t with k = 1
//! SELECT ... FROM (SELECT * FROM t LIMIT 9 FOR UPDATE) s WHERE s.k = 1    locks nine rows
//! ```
//!
//! Which rows a statement locks is part of what it means: this is no rule that could be switched off. It comes before rechecks are prepared
//! (`recheck_rows`), so that a row that had to be waited for is tested by these conditions, too. What a column equals through the
//! equalities of inner joins counts as a condition on it.

use super::inner_joins::{self, Equal};
use super::push_filters::into_locks;
use crate::exprs::{binary, columns, equality, has_subquery, is_equality, is_volatile, nonnullable};
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, QueryMeta, SetOpKind, walk};

/// Runs over the plan (not inside subqueries of expressions).
pub fn run(plan: &mut LogicalPlan, meta: &QueryMeta) {
    if matches!(plan, LogicalPlan::Filter { .. } | LogicalPlan::Join { .. }) && locks_in_items(plan) {
        let known = Known::of(plan, meta);
        spread(plan, &known);
        for e in &known.derived {
            give(plan, e, &known.own);
        }
    }
    // HAVING of what is grouped by.
    if let LogicalPlan::Filter { input, predicates } = plan
        && matches!(**input, LogicalPlan::Aggregate { .. })
        && has_locks(input)
    {
        let asked = std::mem::take(predicates);
        predicates.extend(asked.into_iter().filter_map(|e| into_locks(input, e)));
        if predicates.is_empty() {
            *plan = std::mem::replace(&mut **input, LogicalPlan::OneRow);
        }
    }
    below_region(plan, meta);
}

/// Goes on with what is no condition or join of the same FROM clause.
fn below_region(plan: &mut LogicalPlan, meta: &QueryMeta) {
    let region = matches!(plan, LogicalPlan::Filter { .. } | LogicalPlan::Join { .. });
    for input in walk::inputs_mut(plan) {
        match input {
            LogicalPlan::Filter { .. } | LogicalPlan::Join { .. } if region => below_region(input, meta),
            other => run(other, meta),
        }
    }
}

/// Whether an item of a FROM clause has row locks that a condition may get to.
fn locks_in_items(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Filter { input, .. } => locks_in_items(input),
        LogicalPlan::Join { left, right, .. } => locks_in_items(left) || locks_in_items(right),
        LogicalPlan::SubqueryAlias { input, .. } => has_locks(input),
        _ => false,
    }
}

fn has_locks(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::LockRows { pushed: false, .. } => true,
        LogicalPlan::Limit { .. } | LogicalPlan::SetOp { kind: SetOpKind::Except, .. } => false,
        LogicalPlan::Aggregate { group, sets, .. } if group.is_empty() || sets.is_some() => false,
        other => walk::inputs(other).into_iter().any(has_locks),
    }
}

/// What the conditions on all rows of a FROM clause say of single columns.
struct Known {
    /// The FROM clause's columns.
    own: Vec<ColumnId>,
    equal: Equal,
    values: Vec<(ColumnId, Expr)>,
    /// Conditions that follow.
    derived: Vec<Expr>,
}

impl Known {
    fn of(plan: &LogicalPlan, meta: &QueryMeta) -> Known {
        let mut conditions = vec![];
        inner_joins::conditions(plan, &mut conditions);
        let own = walk::output_columns(plan);
        let equal = Equal::of(&conditions);
        let (mut values, mut derived): (Vec<(ColumnId, Expr)>, Vec<Expr>) = (vec![], vec![]);
        for condition in conditions {
            let Some((op, left, right)) = binary(condition) else { continue };
            for (column, value) in [(left, right), (right, left)] {
                let Expr::Column { id, ty } = column else { continue };
                let fixed = !columns(value).iter().any(|id| own.contains(id));
                let usable = fixed && !is_volatile(value) && !has_subquery(value);
                if is_equality(op) && ty.oid == value.ty().oid && usable && own.contains(id) {
                    values.push((*id, value.clone()));
                }
            }
        }
        for id in &own {
            let same = |have: &ColumnId| equal.same(*have, *id);
            let ty = meta.get(*id).ty;
            if !values.iter().any(|(have, _)| have == id)
                && let Some((_, value)) = values.iter().find(|(have, _)| same(have))
                && let Some(e) = equality(Expr::column(*id, ty), value.clone())
            {
                derived.push(e);
            }
        }
        Known { own, equal, values, derived }
    }

    /// What a column equals in all rows.
    fn value_of(&self, id: ColumnId) -> Option<&Expr> {
        let same = |have: &ColumnId| *have == id || self.equal.same(*have, id);
        self.values.iter().find(|(have, _)| same(have)).map(|(_, value)| value)
    }
}

/// Gives the conditions of a FROM clause to the items that they are about.
fn spread(plan: &mut LogicalPlan, known: &Known) {
    match plan {
        LogicalPlan::Filter { input, predicates } => {
            predicates.retain(|e| give(input, e, &known.own) != Given::Taken);
            spread(input, known);
            if predicates.is_empty() {
                *plan = std::mem::replace(&mut **input, LogicalPlan::OneRow);
            }
        }
        LogicalPlan::Join { kind, left, right, on } => {
            let (takes_left, takes_right) = match kind {
                JoinKind::Inner | JoinKind::Semi | JoinKind::RightSemi => (true, true),
                JoinKind::Left | JoinKind::Anti => (false, true),
                JoinKind::Right | JoinKind::RightAnti => (true, false),
                JoinKind::Full => (false, false),
            };
            on.retain(|e| {
                let given = |side: &mut LogicalPlan| {
                    is_about(e, side, &known.own) && give(side, e, &known.own) == Given::Taken
                };
                !(takes_left && given(left) || takes_right && given(right))
            });
            // A partner equals what the row equals.
            let (kept, other) = match kind {
                JoinKind::Left => (left, right),
                JoinKind::Right => (right, left),
                _ => {
                    spread(left, known);
                    return spread(right, known);
                }
            };
            let given = walk::output_columns(kept);
            for e in on.iter() {
                let Some((op, Expr::Column { id: a, ty: ta }, Expr::Column { id: b, ty: tb })) = binary(e)
                else {
                    continue;
                };
                let (id, of) = if given.contains(a) { (*b, *a) } else { (*a, *b) };
                if is_equality(op)
                    && ta.oid == tb.oid
                    && given.contains(&of)
                    && let Some(value) = known.value_of(of)
                    && let Some(e) = equality(Expr::column(id, *ta), value.clone())
                {
                    give(other, &e, &known.own);
                }
            }
            spread(kept, known);
            spread(other, known);
        }
        _ => {}
    }
}

#[derive(PartialEq)]
enum Given {
    /// It must be tested where it stands.
    Not,
    /// It need not.
    Taken,
}

/// Whether a condition reads columns of this part of a FROM clause, and none of the other parts (`own`: of all).
fn is_about(e: &Expr, part: &LogicalPlan, own: &[ColumnId]) -> bool {
    let given = walk::output_columns(part);
    let read = columns(e);
    read.iter().any(|id| given.contains(id)) && read.iter().all(|id| given.contains(id) || !own.contains(id))
}

/// Gives a condition on all rows of a FROM clause to the item that it is about, if that locks rows.
fn give(plan: &mut LogicalPlan, e: &Expr, own: &[ColumnId]) -> Given {
    match plan {
        LogicalPlan::Filter { input, .. } => give(input, e, own),
        LogicalPlan::Join { kind, left, right, .. } => {
            let on_left = match (is_about(e, left, own), is_about(e, right, own)) {
                (true, _) => true,
                (_, true) => false,
                _ => return Given::Not,
            };
            let made_up = match kind {
                JoinKind::Left | JoinKind::Anti => !on_left,
                JoinKind::Right | JoinKind::RightAnti => on_left,
                JoinKind::Full => true,
                JoinKind::Inner | JoinKind::Semi | JoinKind::RightSemi => false,
            };
            let side = if on_left { left } else { right };
            if !made_up {
                return give(side, e, own);
            }
            // Where it leaves out rows that are made up of NULLs, it may leave out their originals before.
            let mut known = vec![];
            if !is_volatile(e) && !has_subquery(e) {
                nonnullable(e, true, &mut known);
            }
            let given = walk::output_columns(side);
            if known.iter().any(|id| given.contains(id)) {
                give(side, e, own);
            }
            Given::Not
        }
        LogicalPlan::SubqueryAlias { input, .. } if has_locks(input) && is_about(e, input, own) => {
            match into_locks(input, e.clone()) {
                None => Given::Taken,
                Some(_) => Given::Not,
            }
        }
        _ => Given::Not,
    }
}
