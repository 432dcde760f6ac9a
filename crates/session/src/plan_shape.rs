//! The shape of a plan: what it does, whatever its constants are.
//!
//! Two plans of one statement have the same shape if they run the same nodes over the same tables and indexes, with expressions that
//! differ in constants only. A part of an expression that reads no column counts as a constant: a plan for any values has parameters and
//! calls over them there, one for certain values what came of them. Estimates are no part of it.

use quarry_plan::expr::SubqueryPlan;
use quarry_plan::physical::{BitmapSource, IndexCond};
use quarry_plan::volatility::is_volatile;
use quarry_plan::{Expr, PhysicalNode, PhysicalPlan, Statement, walk};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::discriminant;

/// The digest of a plan's shape.
pub(crate) fn shape_of(statement: &Statement) -> u64 {
    let mut h = DefaultHasher::new();
    statement.ctes.len().hash(&mut h);
    for cte in &statement.ctes {
        plan(&cte.plan, &mut h);
    }
    statement.runtime_filters.len().hash(&mut h);
    for f in &statement.runtime_filters {
        (f.join, f.key, f.scan).hash(&mut h);
    }
    plan(&statement.plan, &mut h);
    h.finish()
}

fn plan(p: &PhysicalPlan, h: &mut DefaultHasher) {
    discriminant(&p.node).hash(h);
    node(&p.node, h);
    (p.filter.len(), p.targets.len()).hash(h);
    for e in walk::physical_exprs(p) {
        expression(e, h);
    }
    let inputs = walk::physical_inputs(p);
    inputs.len().hash(h);
    inputs.into_iter().for_each(|input| plan(input, h));
}

/// What a node does beside its expressions and inputs.
fn node(node: &PhysicalNode, h: &mut DefaultHasher) {
    match node {
        PhysicalNode::SeqScan { relation, one_row, .. } => (relation.oid.0, one_row).hash(h),
        PhysicalNode::IndexScan { index, conds, backward, index_only, first_only, .. } => {
            (index.oid.0, backward, index_only, first_only).hash(h);
            conditions(conds, h);
        }
        PhysicalNode::BitmapHeapScan { relation, bitmap, .. } => {
            relation.oid.0.hash(h);
            bitmap_source(bitmap, h);
        }
        PhysicalNode::TidScan { relation, tids, .. } => (relation.oid.0, tids.len()).hash(h),
        PhysicalNode::TidRangeScan { relation, lower, upper, .. } => {
            (relation.oid.0, lower.len(), upper.len()).hash(h)
        }
        PhysicalNode::Result { one_time_filter, .. } => one_time_filter.len().hash(h),
        PhysicalNode::ValuesScan { rows, .. } => rows.len().hash(h),
        PhysicalNode::FunctionScan { calls, .. } => {
            calls.iter().for_each(|(call, _)| call.function.def().oid.0.hash(h))
        }
        PhysicalNode::CteScan { cte, .. } | PhysicalNode::WorkTableScan { cte, .. } => cte.hash(h),
        PhysicalNode::NestLoop { kind, on, params, inner_unique, .. } => {
            (discriminant(kind), on.len(), params.len(), inner_unique).hash(h)
        }
        PhysicalNode::HashJoin { kind, keys, on, inner_unique, .. } => {
            (discriminant(kind), keys.len(), on.len(), inner_unique).hash(h)
        }
        PhysicalNode::MergeJoin { kind, keys, on, order, inner_unique, .. } => {
            (discriminant(kind), keys.len(), on.len(), order, inner_unique).hash(h)
        }
        PhysicalNode::Memoize { keys, .. } => keys.len().hash(h),
        PhysicalNode::Sort { keys, bound, presorted, .. } => {
            (bound.is_some(), presorted).hash(h);
            keys.iter().for_each(|k| (k.descending, k.nulls_first).hash(h));
        }
        PhysicalNode::MergeAppend { keys, .. } | PhysicalNode::Gather { keys, .. } => {
            keys.iter().for_each(|k| (k.descending, k.nulls_first).hash(h))
        }
        PhysicalNode::Aggregate { strategy, group, sets, aggregates, .. } => {
            (discriminant(strategy), group.len(), sets).hash(h);
            for (_, a) in aggregates {
                (a.function.def().oid.0, a.distinct, a.order_by.len(), a.filter.is_some()).hash(h);
            }
        }
        PhysicalNode::WindowAgg { spec, calls, .. } => {
            (spec.partition_by.len(), spec.order_by.len()).hash(h);
            calls.iter().for_each(|(_, c)| c.function.def().oid.0.hash(h));
        }
        PhysicalNode::ProjectSet { calls, .. } => {
            calls.iter().for_each(|(_, c)| c.function.def().oid.0.hash(h))
        }
        PhysicalNode::Unique { columns, .. } => columns.len().hash(h),
        PhysicalNode::SetOp { kind, all, strategy, .. } => {
            (discriminant(kind), all, discriminant(strategy)).hash(h)
        }
        PhysicalNode::RecursiveUnion { cte, distinct, .. } => (cte, distinct).hash(h),
        PhysicalNode::Limit { limit, offset, ties, .. } => {
            (limit.is_some(), offset.is_some(), ties.is_some()).hash(h)
        }
        PhysicalNode::LockRows { locks, .. } => locks.len().hash(h),
        PhysicalNode::SubqueryScan { .. }
        | PhysicalNode::Materialize { .. }
        | PhysicalNode::Append { .. }
        | PhysicalNode::Insert { .. }
        | PhysicalNode::Update { .. }
        | PhysicalNode::Delete { .. } => {}
    }
}

fn conditions(conds: &[IndexCond], h: &mut DefaultHasher) {
    conds.len().hash(h);
    conds.iter().for_each(|c| (c.key, discriminant(&c.test)).hash(h));
}

fn bitmap_source(source: &BitmapSource, h: &mut DefaultHasher) {
    discriminant(source).hash(h);
    match source {
        BitmapSource::Index { index, conds, .. } => {
            index.oid.0.hash(h);
            conditions(conds, h);
        }
        BitmapSource::And(parts) | BitmapSource::Or(parts) => {
            parts.len().hash(h);
            parts.iter().for_each(|p| bitmap_source(p, h));
        }
    }
}

/// Whether an expression has one value throughout a run.
fn is_fixed(e: &Expr) -> bool {
    let reads = |e: &Expr| matches!(e, Expr::Column { .. } | Expr::Placeholder { .. } | Expr::Subquery(_));
    !walk::any(e, &reads) && !is_volatile(e)
}

fn expression(e: &Expr, h: &mut DefaultHasher) {
    if is_fixed(e) {
        return u8::MAX.hash(h);
    }
    discriminant(e).hash(h);
    match e {
        Expr::Column { id, .. } => id.hash(h),
        Expr::Call { function, variadic, .. } => (function.def().oid.0, variadic).hash(h),
        Expr::IsNull { negated, .. } => negated.hash(h),
        Expr::IsBool { test, .. } => discriminant(test).hash(h),
        Expr::IsDistinct { operator, negated, .. } => (operator.0, negated).hash(h),
        Expr::NullIf { operator, .. } => operator.0.hash(h),
        Expr::MinMax { greatest, .. } => greatest.hash(h),
        Expr::Cast { kind, ty, .. } => (discriminant(kind), ty.oid.0).hash(h),
        Expr::FieldSelect { index, .. } => index.hash(h),
        Expr::Subscript { indexes, assign, .. } => (indexes.len(), assign.is_some()).hash(h),
        Expr::ScalarArray { operator, all, .. } => (operator.0, all).hash(h),
        Expr::Case { operand, whens, otherwise, .. } => {
            (operand.is_some(), whens.len(), otherwise.is_some()).hash(h)
        }
        Expr::Subquery(s) => {
            discriminant(&s.kind).hash(h);
            if let SubqueryPlan::Physical { plan: below, params, hashed, .. } = &s.plan {
                (params.len(), hashed).hash(h);
                plan(below, h);
            }
        }
        Expr::Const { .. }
        | Expr::Param { .. }
        | Expr::SqlValue { .. }
        | Expr::Placeholder { .. }
        | Expr::And(_)
        | Expr::Or(_)
        | Expr::Not(_)
        | Expr::Coalesce { .. }
        | Expr::Array { .. }
        | Expr::Row { .. } => {}
    }
    let mut count = 0u32;
    walk::for_each_child(e, &mut |child| {
        count += 1;
        expression(child, h);
    });
    count.hash(h);
}
