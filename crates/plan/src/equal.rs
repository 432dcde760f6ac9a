//! Whether two subqueries are the same query (PostgreSQL: equal() of SubLink and Query nodes).
//!
//! Each time a query is bound its columns get new ids, so two plans are compared up to the ids of the columns and CTEs that they
//! make: those that stand in the same places are paired, the second plan's uses are renamed by the pairs, and then everything must
//! be alike. Columns of enclosing queries have no pair and must be the same ones.
//!
//! Unlike PostgreSQL, names of output columns don't count: a plan doesn't keep them. Planned subqueries and those that change data are
//! equal to nothing.

use crate::expr::{SubqueryKind, SubqueryPlan};
use crate::{ColumnId, Cte, CteId, Expr, LogicalPlan, Recheck, RowLock, SubqueryExpr, walk};
use std::collections::HashMap;
use std::mem::discriminant;

/// Whether two subqueries of one statement mean the same.
pub(crate) fn same_subquery(a: &SubqueryExpr, b: &SubqueryExpr) -> bool {
    let (SubqueryPlan::Logical(left), SubqueryPlan::Logical(right)) = (&a.plan, &b.plan) else {
        return false;
    };
    if a.ty != b.ty || a.output.len() != b.output.len() || discriminant(&a.kind) != discriminant(&b.kind) {
        return false;
    }
    let mut pairs = Pairs::default();
    if !pairs.pair(left, right) || !pairs.columns_pair(&a.output, &b.output) {
        return false;
    }
    let (mut right, mut kind) = (right.clone(), b.kind.clone());
    pairs.rename(&mut right);
    if let SubqueryKind::Any { tests } | SubqueryKind::All { tests } = &mut kind {
        tests.iter_mut().for_each(|t| pairs.rename_expr(t));
    }
    a.kind == kind && same_plan(left, &right)
}

/// The second plan's columns and CTEs, and the first plan's in their places.
#[derive(Default)]
struct Pairs {
    columns: HashMap<ColumnId, ColumnId>,
    ctes: HashMap<CteId, CteId>,
}

impl Pairs {
    /// Pairs what the nodes make; false if their shapes differ.
    fn pair(&mut self, a: &LogicalPlan, b: &LogicalPlan) -> bool {
        if discriminant(a) != discriminant(b) {
            return false;
        }
        if let (LogicalPlan::With { ctes: left, .. }, LogicalPlan::With { ctes: right, .. }) = (a, b) {
            self.ctes.extend(right.iter().map(|c| c.id).zip(left.iter().map(|c| c.id)));
        }
        let (left, right) = (walk::inputs(a), walk::inputs(b));
        left.len() == right.len()
            && left.into_iter().zip(right).all(|(a, b)| self.pair(a, b))
            && self.columns_pair(&walk::output_columns(a), &walk::output_columns(b))
    }

    /// Pairs columns that stand side by side; false if one of them has another partner already.
    fn columns_pair(&mut self, a: &[ColumnId], b: &[ColumnId]) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.columns.entry(*b).or_insert(*a) == a)
    }

    fn column(&self, id: &mut ColumnId) {
        if let Some(to) = self.columns.get(id) {
            *id = *to;
        }
    }

    fn cte(&self, id: &mut CteId) {
        if let Some(to) = self.ctes.get(id) {
            *id = *to;
        }
    }

    /// Renames what an expression reads.
    fn rename_expr(&self, e: &mut Expr) {
        walk::rewrite(e, &mut |e| match e {
            Expr::Column { id, .. } => self.column(id),
            Expr::Subquery(s) => {
                if let SubqueryPlan::Logical(plan) = &mut s.plan {
                    self.rename(plan);
                }
            }
            _ => {}
        });
    }

    /// Renames what a plan reads. The columns that nodes make keep their ids: nobody compares them.
    fn rename(&self, plan: &mut LogicalPlan) {
        walk::exprs_mut(plan).into_iter().for_each(|e| self.rename_expr(e));
        match plan {
            LogicalPlan::CteScan { cte, columns, .. } => {
                self.cte(cte);
                columns.iter_mut().for_each(|(_, read)| self.column(read));
            }
            LogicalPlan::With { ctes, .. } => {
                for c in ctes {
                    self.cte(&mut c.id);
                    c.output.iter_mut().for_each(|id| self.column(id));
                    c.recursive.iter_mut().flat_map(|(_, ids, _)| ids).for_each(|id| self.column(id));
                }
            }
            LogicalPlan::SetOp { left_columns, right_columns, .. } => {
                left_columns.iter_mut().chain(right_columns).for_each(|id| self.column(id));
            }
            LogicalPlan::LockRows { locks, .. } => locks.iter_mut().for_each(|l| self.column(&mut l.ctid)),
            _ => {}
        }
        walk::inputs_mut(plan).into_iter().for_each(|input| self.rename(input));
    }
}

/// Whether two plans are alike, apart from the ids of the columns that they make; what they read has the same ids.
fn same_plan(a: &LogicalPlan, b: &LogicalPlan) -> bool {
    same_node(a, b) && walk::inputs(a).into_iter().zip(walk::inputs(b)).all(|(a, b)| same_plan(a, b))
}

fn same_node(a: &LogicalPlan, b: &LogicalPlan) -> bool {
    use LogicalPlan as P;
    match (a, b) {
        (P::OneRow, P::OneRow) | (P::Barrier { .. }, P::Barrier { .. }) => true,
        (P::Empty { output: a }, P::Empty { output: b }) => a.len() == b.len(),
        (
            P::Scan { relation: a, alias, columns: read },
            P::Scan { relation: b, alias: other, columns: others },
        ) => a.oid == b.oid && alias == other && same_by(read, others, |a, b| a.1 == b.1),
        (P::Values { rows: a, alias, .. }, P::Values { rows: b, alias: other, .. }) => {
            a == b && alias == other
        }
        (
            P::FunctionScan { calls: a, ordinality: numbered, alias },
            P::FunctionScan { calls: b, ordinality: others, alias: other },
        ) => same_by(a, b, |a, b| a.0 == b.0) && numbered.is_some() == others.is_some() && alias == other,
        (
            P::CteScan { cte: a, columns, alias, .. },
            P::CteScan { cte: b, columns: others, alias: other, .. },
        ) => a == b && alias == other && same_by(columns, others, |a, b| a.1 == b.1),
        (P::With { ctes: a, .. }, P::With { ctes: b, .. }) => same_by(a, b, same_cte),
        (P::SubqueryAlias { alias: a, .. }, P::SubqueryAlias { alias: b, .. }) => a == b,
        (P::Filter { predicates: a, .. }, P::Filter { predicates: b, .. }) => a == b,
        (P::Project { targets: a, .. }, P::Project { targets: b, .. }) => same_by(a, b, |a, b| a.1 == b.1),
        (P::Join { kind: a, on, .. }, P::Join { kind: b, on: other, .. }) => a == b && on == other,
        (
            P::Aggregate { group: a, sets, aggregates, grouping, .. },
            P::Aggregate { group: b, sets: other_sets, aggregates: others, grouping: other_grouping, .. },
        ) => {
            same_by(a, b, |a, b| a.1 == b.1)
                && sets == other_sets
                && same_by(aggregates, others, |a, b| a.1 == b.1)
                && same_by(grouping, other_grouping, |a, b| a.1 == b.1)
        }
        (P::Window { spec: a, calls, .. }, P::Window { spec: b, calls: others, .. }) => {
            a == b && same_by(calls, others, |a, b| a.1 == b.1)
        }
        (P::ProjectSet { calls: a, .. }, P::ProjectSet { calls: b, .. }) => same_by(a, b, |a, b| a.1 == b.1),
        (P::Distinct { on: a, .. }, P::Distinct { on: b, .. }) => a == b,
        (P::Sort { keys: a, .. }, P::Sort { keys: b, .. }) => a == b,
        (
            P::Limit { limit: a, offset, ties, .. },
            P::Limit { limit: b, offset: other_offset, ties: other_ties, .. },
        ) => a == b && offset == other_offset && ties == other_ties,
        (
            P::SetOp { kind: a, all, left_columns: left, right_columns: right, .. },
            P::SetOp { kind: b, all: other_all, left_columns, right_columns, .. },
        ) => a == b && all == other_all && left == left_columns && right == right_columns,
        (
            P::LockRows { locks: a, pushed, recheck: Recheck::Conditions(again), .. },
            P::LockRows { locks: b, pushed: other, recheck: Recheck::Conditions(others), .. },
        ) => same_by(a, b, same_lock) && pushed == other && again == others,
        _ => false,
    }
}

fn same_cte(a: &Cte, b: &Cte) -> bool {
    let step = |c: &Cte| c.recursive.as_ref().map(|(_, columns, distinct)| (columns.clone(), *distinct));
    a.name == b.name && a.output == b.output && a.materialized == b.materialized && step(a) == step(b)
}

fn same_lock(a: &RowLock, b: &RowLock) -> bool {
    a.relation.oid == b.relation.oid && a.ctid == b.ctid && a.strength == b.strength && a.wait == b.wait
}

fn same_by<T>(a: &[T], b: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}
