//! Last touches: node numbers, the relations a statement uses.

use quarry_catalog::Relation;
use quarry_common::Oid;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::physical::{BitmapSource, PlannedCte, RelationUse};
use quarry_plan::{ColumnId, Expr, LogicalPlan, PhysicalNode, PhysicalPlan, walk};
use quarry_types::SqlType;
use std::sync::Arc;

/// Relations read and written, each use once.
pub fn relations(plan: &LogicalPlan) -> Vec<(Arc<Relation>, RelationUse)> {
    let mut out = vec![];
    collect_relations(plan, &mut out);
    out
}

fn add(out: &mut Vec<(Arc<Relation>, RelationUse)>, relation: &Arc<Relation>, usage: RelationUse) {
    if !out.iter().any(|(r, u)| r.oid == relation.oid && *u == usage) {
        out.push((relation.clone(), usage));
    }
}

fn collect_relations(plan: &LogicalPlan, out: &mut Vec<(Arc<Relation>, RelationUse)>) {
    match plan {
        LogicalPlan::Scan { relation, .. } => add(out, relation, RelationUse::Read),
        LogicalPlan::LockRows { locks, .. } => {
            locks.iter().for_each(|l| add(out, &l.relation, RelationUse::LockRows))
        }
        LogicalPlan::Insert { target, on_conflict, .. } => {
            add(out, &target.relation, RelationUse::Insert);
            if matches!(on_conflict, Some(c) if matches!(c.action, quarry_plan::OnConflictAction::Update { .. }))
            {
                add(out, &target.relation, RelationUse::Update);
            }
        }
        LogicalPlan::Update { target, source, .. } => {
            add(out, &target.relation, RelationUse::Update);
            return collect_source(plan, source, target.relation.oid, out);
        }
        LogicalPlan::Delete { target, source, .. } => {
            add(out, &target.relation, RelationUse::Delete);
            return collect_source(plan, source, target.relation.oid, out);
        }
        _ => {}
    }
    collect_in_exprs(plan, out);
    for input in walk::inputs(plan) {
        collect_relations(input, out);
    }
}

fn collect_in_exprs(plan: &LogicalPlan, out: &mut Vec<(Arc<Relation>, RelationUse)>) {
    for e in walk::exprs(plan) {
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Logical(sub) = &s.plan
            {
                collect_relations(sub, out);
            }
        });
    }
}

/// The target's own scan asks for no SELECT unless its columns are read by expressions.
fn collect_source(
    plan: &LogicalPlan,
    source: &LogicalPlan,
    target: Oid,
    out: &mut Vec<(Arc<Relation>, RelationUse)>,
) {
    collect_in_exprs(plan, out);
    let mut inner = vec![];
    collect_relations(source, &mut inner);
    let mut used: Vec<ColumnId> = vec![];
    gather_columns(source, &mut used);
    walk::exprs(plan).into_iter().for_each(|e| walk::columns_of(e, &mut used));
    let reads = scan_columns(source, target).iter().any(|id| used.contains(id));
    for (r, u) in inner {
        if r.oid != target || u != RelationUse::Read || reads {
            add(out, &r, u);
        }
    }
}

fn gather_columns(plan: &LogicalPlan, out: &mut Vec<ColumnId>) {
    walk::exprs(plan).into_iter().for_each(|e| walk::columns_of(e, out));
    for input in walk::inputs(plan) {
        gather_columns(input, out);
    }
}

fn scan_columns(plan: &LogicalPlan, target: Oid) -> Vec<ColumnId> {
    match plan {
        LogicalPlan::Scan { relation, columns, .. } if relation.oid == target => {
            columns.iter().map(|(id, _)| *id).collect()
        }
        other => walk::inputs(other).into_iter().flat_map(|i| scan_columns(i, target)).collect(),
    }
}

/// Makes the top node give the result's columns, in their order, where that is cheap.
pub fn narrow(plan: &mut PhysicalPlan, output: &[(ColumnId, String, SqlType)]) {
    if output.is_empty()
        || matches!(
            plan.node,
            PhysicalNode::Insert { .. } | PhysicalNode::Update { .. } | PhysicalNode::Delete { .. }
        )
    {
        return;
    }
    let mut targets: Vec<(ColumnId, Expr)> = vec![];
    for (id, _, _) in output {
        if targets.iter().any(|(have, _)| have == id) {
            continue;
        }
        let Some(found) = plan.targets.iter().position(|(t, _)| t == id) else { return };
        targets.push(plan.targets[found].clone());
    }
    plan.targets = targets;
}

/// Numbers the nodes, CTEs first. `subqueries`: whether there are plans in expressions.
pub fn number(plan: &mut PhysicalPlan, ctes: &mut [PlannedCte], subqueries: bool) {
    let mut next = 0;
    number_node(plan, subqueries, &mut next);
    for cte in ctes {
        if let Some(p) = Arc::get_mut(&mut cte.plan) {
            number_node(p, subqueries, &mut next);
        }
    }
}

fn number_exprs<'e>(exprs: impl Iterator<Item = &'e mut Expr>, next: &mut usize) {
    for e in exprs.filter(|e| crate::exprs::has_subquery(e)) {
        walk::rewrite(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Physical { plan, .. } = &mut s.plan
            {
                // Copies of an expression share the plan and its numbers.
                if let Some(p) = Arc::get_mut(plan) {
                    number_node(p, true, next);
                } else {
                    let mut own = (**plan).clone();
                    number_node(&mut own, true, next);
                    *plan = Arc::new(own);
                }
            }
        });
    }
}

/// A Subquery Scan that neither filters nor computes is its input.
fn drop_trivial_subquery_scans(plan: &mut PhysicalPlan) {
    while let PhysicalNode::SubqueryScan { input, .. } = &mut plan.node {
        let through = plan.targets.iter().all(|(id, e)| {
            matches!(e, Expr::Column { id: same, .. } if same == id)
                && input.targets.iter().any(|(i, _)| i == id)
        });
        if !plan.filter.is_empty() || !through {
            return;
        }
        let inner = std::mem::replace(&mut **input, PhysicalPlan::stand_in());
        *plan = inner;
    }
}

fn number_node(plan: &mut PhysicalPlan, subqueries: bool, next: &mut usize) {
    drop_trivial_subquery_scans(plan);
    plan.id = *next;
    *next += 1;
    if let PhysicalNode::BitmapHeapScan { bitmap, .. } = &mut plan.node {
        number_bitmap(bitmap, next);
    }
    if subqueries {
        number_exprs(walk::physical_exprs_mut(plan).into_iter(), next);
        number_conditions(plan);
    }
    for input in walk::physical_inputs_mut(plan) {
        number_node(input, subqueries, next);
    }
}

/// The conditions that EXPLAIN shows for a join are copies of its keys: the subplans in them are those that run.
fn number_conditions(plan: &mut PhysicalPlan) {
    let (keys, conditions) = match &mut plan.node {
        PhysicalNode::HashJoin { keys, hash_conds, .. } => (keys, hash_conds),
        PhysicalNode::MergeJoin { keys, merge_conds, .. } => (keys, merge_conds),
        _ => return,
    };
    let with_subqueries = |(_, condition): &(_, &mut Expr)| crate::exprs::has_subquery(condition);
    for ((outer, inner), condition) in keys.iter().zip(conditions).filter(with_subqueries) {
        let mut plans = vec![];
        // The outer side comes first in both.
        for mut key in [outer.clone(), inner.clone()] {
            each_subplan(&mut key, &mut |plan| plans.push(plan.clone()));
        }
        let mut plans = plans.into_iter();
        each_subplan(condition, &mut |plan| *plan = plans.next().unwrap_or_else(|| plan.clone()));
    }
}

fn each_subplan(e: &mut Expr, f: &mut dyn FnMut(&mut Arc<PhysicalPlan>)) {
    walk::rewrite(e, &mut |e| {
        if let Expr::Subquery(s) = e
            && let SubqueryPlan::Physical { plan, .. } = &mut s.plan
        {
            f(plan);
        }
    });
}

fn number_bitmap(b: &mut BitmapSource, next: &mut usize) {
    match b {
        BitmapSource::Index { id, .. } => {
            *id = *next;
            *next += 1;
        }
        BitmapSource::And(parts) | BitmapSource::Or(parts) => {
            parts.iter_mut().for_each(|p| number_bitmap(p, next))
        }
    }
}

/// Drops columns that nothing above reads from the outputs of joins, scans and sorts, so that hash tables and sorts hold less.
pub fn trim(plan: &mut PhysicalPlan) {
    let own = match plan.node {
        PhysicalNode::Insert { .. }
        | PhysicalNode::Update { .. }
        | PhysicalNode::Delete { .. }
        | PhysicalNode::LockRows { .. } => {
            // Rows may be read again by those nodes: all columns stay.
            return;
        }
        _ => {
            let mut used = vec![];
            for e in walk::physical_exprs_mut(plan) {
                walk::columns_of(e, &mut used);
            }
            used
        }
    };
    let mut used = own;
    match &mut plan.node {
        PhysicalNode::NestLoop { outer, inner, params, .. } => {
            used.extend(params.iter());
            trim_to(outer, &used);
            trim_to(inner, &used);
        }
        PhysicalNode::HashJoin { outer, inner, .. } | PhysicalNode::MergeJoin { outer, inner, .. } => {
            trim_to(outer, &used);
            trim_to(inner, &used);
        }
        PhysicalNode::Sort { input, .. } | PhysicalNode::Aggregate { input, .. } => trim_to(input, &used),
        PhysicalNode::Result { input: Some(input), .. } => trim_to(input, &used),
        PhysicalNode::Limit { input, .. } | PhysicalNode::Materialize { input } => {
            let out: Vec<ColumnId> = plan.targets.iter().map(|(id, _)| *id).collect();
            used.extend(out);
            trim_to(input, &used)
        }
        _ => {
            for input in walk::physical_inputs_mut(plan) {
                trim(input);
            }
        }
    }
}

fn trim_to(plan: &mut PhysicalPlan, used: &[ColumnId]) {
    let keeps = matches!(
        plan.node,
        PhysicalNode::NestLoop { .. }
            | PhysicalNode::HashJoin { .. }
            | PhysicalNode::MergeJoin { .. }
            | PhysicalNode::Sort { .. }
            | PhysicalNode::SeqScan { .. }
            | PhysicalNode::IndexScan { .. }
            | PhysicalNode::BitmapHeapScan { .. }
            | PhysicalNode::TidRangeScan { .. }
            | PhysicalNode::Materialize { .. }
    );
    if keeps {
        plan.targets.retain(|(id, e)| used.contains(id) || !matches!(e, Expr::Column { .. }));
    }
    trim(plan);
}
