//! Drops columns that nothing reads: of scans, projections, aggregates, windows, CTEs.
//!
//! Ids are unique in a statement, so one set of needed columns, grown from the top down, serves the whole tree. Readers are
//! visited before makers: a lateral right side before the left, a WITH's body before its CTEs.

use super::{Rule, Rules};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{ColumnId, Expr, LogicalPlan, OnConflictAction, Recheck, ScanColumn, walk};

/// A set of columns.
pub struct Needed<'r> {
    bits: Vec<u64>,
    /// Columns of tables that are read only by the conditions right above their scans.
    pub filter_only: Vec<ColumnId>,
    pub rules: &'r Rules,
}

impl<'r> Needed<'r> {
    pub fn new(columns: usize, rules: &'r Rules) -> Needed<'r> {
        Needed { bits: vec![0; columns / 64 + 1], filter_only: vec![], rules }
    }
    pub fn add(&mut self, id: ColumnId) {
        let word = id.0 as usize / 64;
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        self.bits[word] |= 1 << (id.0 % 64);
    }
    pub fn has(&self, id: ColumnId) -> bool {
        self.bits.get(id.0 as usize / 64).is_some_and(|w| w >> (id.0 % 64) & 1 == 1)
    }
    pub fn expr(&mut self, e: &mut Expr) {
        match e {
            Expr::Column { id, .. } => self.add(*id),
            Expr::Subquery(s) => {
                if let SubqueryPlan::Logical(plan) = &mut s.plan {
                    s.output.iter().for_each(|id| self.add(*id));
                    prune(plan, self);
                }
            }
            _ => {}
        }
        walk::for_each_child_mut(e, &mut |c| self.expr(c));
    }
}

/// Prunes below `plan`; `needed` holds what is read above it.
pub fn prune(plan: &mut LogicalPlan, needed: &mut Needed<'_>) {
    while needed.rules.allows(Rule::RemoveJoins)
        && let Some(left) = super::remove_joins::kept_side(plan, &|id| needed.has(id))
    {
        needed.rules.fire(Rule::RemoveJoins);
        *plan = left;
    }
    // Without calls it would sort for nothing.
    while let LogicalPlan::Window { input, calls, .. } = plan
        && !calls.iter().any(|(id, _)| needed.has(*id))
    {
        *plan = std::mem::replace(&mut **input, LogicalPlan::OneRow);
    }
    match plan {
        LogicalPlan::Project { targets, .. } => targets.retain(|(id, _)| needed.has(*id)),
        LogicalPlan::Aggregate { aggregates, grouping, .. } => {
            aggregates.retain(|(id, _)| needed.has(*id));
            grouping.retain(|(id, _)| needed.has(*id));
        }
        LogicalPlan::Window { calls, .. } => calls.retain(|(id, _)| needed.has(*id)),
        LogicalPlan::Scan { columns, .. } => columns.retain(|(id, _)| needed.has(*id)),
        LogicalPlan::Filter { input, predicates } => {
            if let LogicalPlan::Scan { columns, .. } = &**input {
                let own = |id: &ColumnId| columns.iter().any(|(c, _)| c == id);
                // A LATERAL subquery's condition on another item becomes one of the join.
                let mut joined = vec![];
                for p in predicates.iter().filter(|p| walk::reads_any(p, &mut |id| !own(&id))) {
                    walk::columns_of(p, &mut joined);
                }
                let read = |id: ColumnId| needed.has(id) || joined.contains(&id);
                let unread: Vec<ColumnId> =
                    columns.iter().map(|(id, _)| *id).filter(|id| !read(*id)).collect();
                needed.filter_only.extend(unread);
            }
        }
        LogicalPlan::CteScan { columns, .. } => {
            columns.retain(|(id, _)| needed.has(*id));
            columns.iter().for_each(|(_, from)| needed.add(*from));
        }
        LogicalPlan::SetOp { left_columns, right_columns, .. } => {
            left_columns.iter().chain(right_columns.iter()).for_each(|id| needed.add(*id));
        }
        LogicalPlan::Distinct { input, on: None } => {
            walk::output_columns(input).iter().for_each(|id| needed.add(*id))
        }
        LogicalPlan::LockRows { locks, .. } => locks.iter().for_each(|l| needed.add(l.ctid)),
        LogicalPlan::Insert { target, values, on_conflict, returning, .. } => {
            values.iter().for_each(|id| needed.add(*id));
            target_exprs(target, needed);
            for e in returning.iter_mut().flat_map(|r| r.targets.iter_mut().map(|(_, e)| e)) {
                needed.expr(e);
            }
            if let Some(c) = on_conflict
                && let OnConflictAction::Update { set, filter, existing } = &mut c.action
            {
                set.iter_mut().map(|(_, e)| e).chain(filter).for_each(|e| needed.expr(e));
                existing.retain(|(id, c)| {
                    matches!(c, ScanColumn::Attribute(_) | ScanColumn::Ctid) || needed.has(*id)
                });
            }
            retain_returning(returning, needed);
        }
        LogicalPlan::Update { target, ctid, old, set, returning, recheck, .. } => {
            needed.add(*ctid);
            if let Recheck::Conditions(conditions) = recheck {
                conditions.iter_mut().for_each(|e| needed.expr(e));
            }
            target_exprs(target, needed);
            set.iter_mut().for_each(|(_, e)| needed.expr(e));
            for e in returning.iter_mut().flat_map(|r| r.targets.iter_mut().map(|(_, e)| e)) {
                needed.expr(e);
            }
            // The new row is the old one with some columns replaced.
            for (id, c) in old.iter() {
                if let ScanColumn::Attribute(_) = c {
                    needed.add(*id)
                }
            }
            old.retain(|(id, _)| needed.has(*id));
            retain_returning(returning, needed);
        }
        LogicalPlan::Delete { target, ctid, old, returning, .. } => {
            needed.add(*ctid);
            for e in returning.iter_mut().flat_map(|r| r.targets.iter_mut().map(|(_, e)| e)) {
                needed.expr(e);
            }
            if returning.is_some() || !target.relation.referenced_by.is_empty() {
                for (id, c) in old.iter() {
                    if let ScanColumn::Attribute(_) = c {
                        needed.add(*id)
                    }
                }
            }
            retain_returning(returning, needed);
        }
        _ => {}
    }
    for e in walk::exprs_mut(plan) {
        needed.expr(e);
    }
    super::recheck_rows::prune(plan, needed);
    match plan {
        LogicalPlan::With { ctes, body } => {
            prune(body, needed);
            for cte in ctes.iter_mut().rev() {
                if let Some((step, columns, distinct)) = &mut cte.recursive {
                    // All columns take part in the rounds.
                    let _ = distinct;
                    cte.output.iter().chain(columns.iter()).for_each(|id| needed.add(*id));
                    prune(step, needed);
                }
                cte.output.retain(|id| needed.has(*id));
                prune(&mut cte.plan, needed);
            }
        }
        LogicalPlan::Join { left, right, .. } => {
            prune(right, needed);
            prune(left, needed);
        }
        _ => {
            for input in walk::inputs_mut(plan) {
                prune(input, needed);
            }
        }
    }
    match plan {
        LogicalPlan::LockRows { locks, .. } => {
            locks.iter_mut().for_each(|l| l.columns.retain(|(id, _)| needed.has(*id)))
        }
        LogicalPlan::Delete { old, .. } => old.retain(|(id, _)| needed.has(*id)),
        _ => {}
    }
}

fn target_exprs(target: &mut quarry_plan::TableWrite, needed: &mut Needed<'_>) {
    target.generated.iter_mut().map(|(_, e)| e).for_each(|e| needed.expr(e));
    target.checks.iter_mut().chain(&mut target.view_checks).for_each(|(_, e)| needed.expr(e));
}

fn retain_returning(returning: &mut Option<quarry_plan::Returning>, needed: &Needed<'_>) {
    if let Some(r) = returning {
        r.row.retain(|(id, _)| needed.has(*id));
    }
}
