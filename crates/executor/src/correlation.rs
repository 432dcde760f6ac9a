//! Whether a plan's rows depend on enclosing rows: what does not is computed once, however often it is rescanned, and what does as often
//! as their values change.

use crate::context::Cx;
use crate::join::memoize::fingerprint;
use quarry_functions::Volatility;
use quarry_plan::expr::FrameBound;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::physical::{BitmapSource, IndexCond, IndexTest};
use quarry_plan::volatility::is_volatile;
use quarry_plan::{ColumnId, CteId, Expr, PhysicalNode, PhysicalPlan, SetCall, walk};

/// What must be the same for rows that were kept to be those that would be made again.
pub enum Dependence {
    Nothing,
    /// The values of these columns of enclosing rows; those that rows were made with.
    Values(Vec<ColumnId>, Vec<u8>),
    Everything,
}

impl Dependence {
    pub fn of(plan: &PhysicalPlan) -> Dependence {
        let (mut made, mut used, mut changes) = (vec![], vec![], false);
        collect(plan, &mut made, &mut used, &mut changes);
        made.sort_unstable();
        used.retain(|id| made.binary_search(id).is_err());
        // A common table expression may itself depend on enclosing rows.
        if changes || !scanned_ctes(plan).is_empty() {
            Dependence::Everything
        } else if used.is_empty() {
            Dependence::Nothing
        } else if has_volatile(plan) {
            Dependence::Everything
        } else {
            used.sort_unstable();
            used.dedup();
            Dependence::Values(used, vec![])
        }
    }

    /// The columns of enclosing rows that all depends on; none if there is more.
    pub fn columns(&self) -> Option<&[ColumnId]> {
        match self {
            Dependence::Nothing => Some(&[]),
            Dependence::Values(ids, _) => Some(ids),
            Dependence::Everything => None,
        }
    }

    /// Rows are about to be made with the values at hand.
    pub fn note(&mut self, cx: &Cx<'_>) {
        if let Dependence::Values(ids, values) = self {
            *values = values_of(ids, cx);
        }
    }

    /// Whether rows made before would be made again with the values at hand.
    pub fn holds(&self, cx: &Cx<'_>) -> bool {
        match self {
            Dependence::Nothing => true,
            Dependence::Values(ids, values) => *values == values_of(ids, cx),
            Dependence::Everything => false,
        }
    }
}

/// The values at hand of columns of enclosing rows.
pub fn values_of(ids: &[ColumnId], cx: &Cx<'_>) -> Vec<u8> {
    fingerprint(cx.outer_values(ids))
}

/// Whether a plan may give other rows each time, although nothing that it reads has changed.
fn has_volatile(plan: &PhysicalPlan) -> bool {
    let mut found = false;
    each(plan, &mut |p| {
        let changeable = |call: &SetCall| call.function.def().volatility == Volatility::Volatile;
        found |= match &p.node {
            PhysicalNode::FunctionScan { calls, .. } => calls.iter().any(|(c, _)| changeable(c)),
            PhysicalNode::ProjectSet { calls, .. } => calls.iter().any(|(_, c)| changeable(c)),
            _ => false,
        };
        found |= p.filter.iter().chain(p.targets.iter().map(|(_, e)| e)).any(is_volatile);
        node_exprs(&p.node, &mut |e| found |= is_volatile(e));
    });
    found
}

/// The columns that a plan reads and does not make, sorted.
pub fn outside_columns(plan: &PhysicalPlan) -> Vec<ColumnId> {
    let (mut made, mut used, mut volatile) = (vec![], vec![], false);
    collect(plan, &mut made, &mut used, &mut volatile);
    made.sort_unstable();
    used.retain(|id| made.binary_search(id).is_err());
    used.sort_unstable();
    used.dedup();
    used
}

/// The recursions around a plan whose work tables it reads itself.
pub fn outside_work_tables(plan: &PhysicalPlan) -> Vec<CteId> {
    let mut out = vec![];
    each(plan, &mut |p| {
        if let PhysicalNode::WorkTableScan { cte, .. } = &p.node {
            out.push(*cte);
        }
    });
    each(plan, &mut |p| {
        if let PhysicalNode::RecursiveUnion { cte, .. } = &p.node {
            out.retain(|id| id != cte);
        }
    });
    out
}

/// The common table expressions that a plan scans, those of its expressions' subqueries included.
pub fn scanned_ctes(plan: &PhysicalPlan) -> Vec<CteId> {
    let mut out = vec![];
    each(plan, &mut |p| {
        if let PhysicalNode::CteScan { cte, .. } = &p.node {
            out.push(*cte);
        }
    });
    out
}

/// Shows every node of a plan and of its expressions' subqueries.
fn each(plan: &PhysicalPlan, show: &mut dyn FnMut(&PhysicalPlan)) {
    show(plan);
    let mut see = |e: &Expr| {
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Physical { plan, .. } = &s.plan
            {
                each(plan, show);
            }
        })
    };
    plan.filter.iter().for_each(&mut see);
    plan.targets.iter().for_each(|(_, e)| see(e));
    node_exprs(&plan.node, &mut see);
    for input in walk::physical_inputs(plan) {
        each(input, show);
    }
}

fn collect(plan: &PhysicalPlan, made: &mut Vec<ColumnId>, used: &mut Vec<ColumnId>, changes: &mut bool) {
    made.extend(walk::raw_columns(&plan.node));
    made.extend(plan.output());
    let mut see = |e: &Expr| walk::columns_of(e, used);
    plan.filter.iter().for_each(&mut see);
    plan.targets.iter().for_each(|(_, e)| see(e));
    node_exprs(&plan.node, &mut see);
    match &plan.node {
        PhysicalNode::WorkTableScan { .. }
        | PhysicalNode::LockRows { .. }
        | PhysicalNode::Insert { .. }
        | PhysicalNode::Update { .. }
        | PhysicalNode::Delete { .. } => *changes = true,
        _ => {}
    }
    for input in walk::physical_inputs(plan) {
        collect(input, made, used, changes);
    }
}

fn cond(c: &IndexCond, see: &mut dyn FnMut(&Expr)) {
    match &c.test {
        IndexTest::Eq(e)
        | IndexTest::Lt(e)
        | IndexTest::Le(e)
        | IndexTest::Gt(e)
        | IndexTest::Ge(e)
        | IndexTest::In(e)
        | IndexTest::Row(_, e)
        | IndexTest::Operator { value: e, .. } => see(e),
        IndexTest::Skip | IndexTest::IsNull | IndexTest::IsNotNull => {}
    }
}

fn bitmap(b: &BitmapSource, see: &mut dyn FnMut(&Expr)) {
    match b {
        BitmapSource::Index { conds, .. } => conds.iter().for_each(|c| cond(c, see)),
        BitmapSource::And(parts) | BitmapSource::Or(parts) => parts.iter().for_each(|p| bitmap(p, see)),
    }
}

/// The expressions a node holds itself, filter and targets apart.
fn node_exprs(node: &PhysicalNode, see: &mut dyn FnMut(&Expr)) {
    match node {
        PhysicalNode::Result { one_time_filter, .. } => one_time_filter.iter().for_each(see),
        PhysicalNode::IndexScan { conds, .. } => conds.iter().for_each(|c| cond(c, see)),
        PhysicalNode::BitmapHeapScan { bitmap: b, .. } => bitmap(b, see),
        PhysicalNode::TidScan { tids, .. } => tids.iter().for_each(see),
        PhysicalNode::TidRangeScan { lower, upper, .. } => {
            lower.iter().chain(upper).for_each(|(e, _)| see(e))
        }
        PhysicalNode::ValuesScan { rows, .. } => rows.iter().flatten().for_each(see),
        PhysicalNode::FunctionScan { calls, .. } => calls.iter().flat_map(|(c, _)| &c.args).for_each(see),
        PhysicalNode::NestLoop { on, .. } => on.iter().for_each(see),
        PhysicalNode::HashJoin { keys, on, .. } | PhysicalNode::MergeJoin { keys, on, .. } => {
            for (a, b) in keys {
                see(a);
                see(b);
            }
            on.iter().for_each(see);
        }
        PhysicalNode::Sort { keys, .. }
        | PhysicalNode::MergeAppend { keys, .. }
        | PhysicalNode::Gather { keys, .. } => keys.iter().for_each(|k| see(&k.expr)),
        PhysicalNode::Aggregate { group, aggregates, .. } => {
            group.iter().for_each(|(_, e)| see(e));
            aggregates.iter().flat_map(|(_, a)| walk::aggregate_exprs(a)).for_each(see);
        }
        PhysicalNode::WindowAgg { spec, calls, .. } => {
            spec.partition_by.iter().chain(spec.order_by.iter().map(|k| &k.expr)).for_each(&mut *see);
            for bound in [&spec.frame.start, &spec.frame.end] {
                if let FrameBound::Preceding(e) | FrameBound::Following(e) = bound {
                    see(e);
                }
            }
            calls.iter().flat_map(|(_, c)| c.args.iter().chain(&c.filter)).for_each(see);
        }
        PhysicalNode::ProjectSet { calls, .. } => calls.iter().flat_map(|(_, c)| &c.args).for_each(see),
        PhysicalNode::Limit { limit, offset, ties, .. } => {
            limit.iter().chain(offset).for_each(&mut *see);
            ties.iter().flatten().for_each(|k| see(&k.expr));
        }
        PhysicalNode::Memoize { .. }
        | PhysicalNode::SeqScan { .. }
        | PhysicalNode::CteScan { .. }
        | PhysicalNode::WorkTableScan { .. }
        | PhysicalNode::SubqueryScan { .. }
        | PhysicalNode::Materialize { .. }
        | PhysicalNode::Unique { .. }
        | PhysicalNode::SetOp { .. }
        | PhysicalNode::Append { .. }
        | PhysicalNode::RecursiveUnion { .. }
        | PhysicalNode::LockRows { .. }
        | PhysicalNode::Insert { .. }
        | PhysicalNode::Update { .. }
        | PhysicalNode::Delete { .. } => {}
    }
}
