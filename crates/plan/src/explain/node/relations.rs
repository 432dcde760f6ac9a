//! The relations that a plan reads: how many there are decides whether columns name theirs.

use super::for_each_subplan;
use crate::{ColumnId, PhysicalNode, PhysicalPlan, walk};
use std::collections::HashSet;

/// Whether a statement is most likely nothing but a VALUES list, which is no subquery of anything then.
pub(super) fn is_bare_values(statement: &crate::Statement) -> bool {
    let mut plan = &*statement.plan;
    while let PhysicalNode::Sort { input, .. } | PhysicalNode::Limit { input, .. } = &plan.node {
        plan = input;
    }
    let numbered = |(i, (_, name, _)): (usize, &(ColumnId, String, _))| *name == format!("column{}", i + 1);
    matches!(plan.node, PhysicalNode::ValuesScan { .. })
        && plan.filter.is_empty()
        && statement.output.iter().enumerate().all(numbered)
}

/// Adds how many relations PostgreSQL's range table has for a plan.
pub(super) fn count_scans(plan: &PhysicalPlan, out: &mut usize) {
    *out += match plan.node {
        // With the subquery that they are the rows of, and the table that is written to with what comes into it.
        PhysicalNode::ValuesScan { .. } | PhysicalNode::Insert { .. } => 2,
        PhysicalNode::SeqScan { .. }
        | PhysicalNode::IndexScan { .. }
        | PhysicalNode::BitmapHeapScan { .. }
        | PhysicalNode::TidScan { .. }
        | PhysicalNode::TidRangeScan { .. }
        | PhysicalNode::FunctionScan { .. }
        | PhysicalNode::CteScan { .. }
        | PhysicalNode::WorkTableScan { .. }
        | PhysicalNode::SubqueryScan { .. } => 1,
        _ => 0,
    };
    for_each_subplan(plan, &mut |_, p, _, _, _| count_scans(p, out));
    for input in walk::physical_inputs(plan) {
        count_scans(input, out);
    }
}

/// Adds the names of the relations that a plan reads.
pub(super) fn collect_aliases(plan: &PhysicalPlan, out: &mut HashSet<String>) {
    let written = match &plan.node {
        PhysicalNode::Insert { target, .. }
        | PhysicalNode::Update { target, .. }
        | PhysicalNode::Delete { target, .. } => Some(&target.relation.name),
        PhysicalNode::SubqueryScan { alias, .. } => Some(alias),
        node => node.alias(),
    };
    out.extend(written.cloned());
    for_each_subplan(plan, &mut |_, p, _, _, _| collect_aliases(p, out));
    walk::physical_inputs(plan).into_iter().for_each(|input| collect_aliases(input, out));
}
