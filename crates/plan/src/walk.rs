//! Walking and rebuilding expressions and plans: the one place that knows every node's children.

use crate::expr::{FrameBound, SubqueryPlan};
use crate::{
    AggregateExpr, CastKind, ColumnId, Expr, LogicalPlan, PhysicalNode, PhysicalPlan, SubqueryKind,
    SubscriptIndex,
};

/// Calls `f` on each direct child of `e`; a subquery's own plan is not a child, its tests are.
pub fn for_each_child<'a>(e: &'a Expr, f: &mut dyn FnMut(&'a Expr)) {
    match e {
        Expr::Const { .. }
        | Expr::Column { .. }
        | Expr::Param { .. }
        | Expr::Placeholder { .. }
        | Expr::SqlValue { .. } => {}
        Expr::Call { args, .. }
        | Expr::Coalesce { args, .. }
        | Expr::MinMax { args, .. }
        | Expr::And(args)
        | Expr::Or(args) => args.iter().for_each(f),
        Expr::Not(arg)
        | Expr::IsNull { arg, .. }
        | Expr::IsBool { arg, .. }
        | Expr::FieldSelect { arg, .. } => f(arg),
        Expr::IsDistinct { left, right, .. } | Expr::NullIf { left, right, .. } => {
            f(left);
            f(right);
        }
        Expr::Case { operand, whens, otherwise, .. } => {
            operand.iter().for_each(|e| f(e));
            for (when, then) in whens {
                f(when);
                f(then);
            }
            otherwise.iter().for_each(|e| f(e));
        }
        Expr::Cast { arg, kind, .. } => {
            f(arg);
            match kind {
                CastKind::ArrayElements(element) => f(element),
                CastKind::Domain { checks, .. } => checks.iter().for_each(|(_, check)| f(check)),
                CastKind::Relabel | CastKind::Io | CastKind::Collate(_) | CastKind::Row => {}
            }
        }
        Expr::Array { elements, .. } => elements.iter().for_each(f),
        Expr::Row { fields, .. } => fields.iter().for_each(f),
        Expr::Subscript { container, indexes, assign, .. } => {
            f(container);
            for index in indexes {
                match index {
                    SubscriptIndex::At(e) => f(e),
                    SubscriptIndex::Slice(lower, upper) => lower.iter().chain(upper).for_each(&mut *f),
                }
            }
            assign.iter().for_each(|e| f(e));
        }
        Expr::ScalarArray { left, array, .. } => {
            f(left);
            f(array);
        }
        Expr::Subquery(s) => {
            if let SubqueryKind::Any { tests } | SubqueryKind::All { tests } = &s.kind {
                tests.iter().for_each(f)
            }
        }
    }
}

/// Calls `f` on each direct child of `e`, to change it.
pub fn for_each_child_mut(e: &mut Expr, f: &mut dyn FnMut(&mut Expr)) {
    match e {
        Expr::Const { .. }
        | Expr::Column { .. }
        | Expr::Param { .. }
        | Expr::Placeholder { .. }
        | Expr::SqlValue { .. } => {}
        Expr::Call { args, .. }
        | Expr::Coalesce { args, .. }
        | Expr::MinMax { args, .. }
        | Expr::And(args)
        | Expr::Or(args) => args.iter_mut().for_each(f),
        Expr::Not(arg)
        | Expr::IsNull { arg, .. }
        | Expr::IsBool { arg, .. }
        | Expr::FieldSelect { arg, .. } => f(arg),
        Expr::IsDistinct { left, right, .. } | Expr::NullIf { left, right, .. } => {
            f(left);
            f(right);
        }
        Expr::Case { operand, whens, otherwise, .. } => {
            operand.iter_mut().for_each(|e| f(e));
            for (when, then) in whens {
                f(when);
                f(then);
            }
            otherwise.iter_mut().for_each(|e| f(e));
        }
        Expr::Cast { arg, kind, .. } => {
            f(arg);
            match kind {
                CastKind::ArrayElements(element) => f(element),
                CastKind::Domain { checks, .. } => checks.iter_mut().for_each(|(_, check)| f(check)),
                CastKind::Relabel | CastKind::Io | CastKind::Collate(_) | CastKind::Row => {}
            }
        }
        Expr::Array { elements, .. } => elements.iter_mut().for_each(f),
        Expr::Row { fields, .. } => fields.iter_mut().for_each(f),
        Expr::Subscript { container, indexes, assign, .. } => {
            f(container);
            for index in indexes {
                match index {
                    SubscriptIndex::At(e) => f(e),
                    SubscriptIndex::Slice(lower, upper) => lower.iter_mut().chain(upper).for_each(&mut *f),
                }
            }
            assign.iter_mut().for_each(|e| f(e));
        }
        Expr::ScalarArray { left, array, .. } => {
            f(left);
            f(array);
        }
        Expr::Subquery(s) => {
            if let SubqueryKind::Any { tests } | SubqueryKind::All { tests } = &mut s.kind {
                tests.iter_mut().for_each(f)
            }
        }
    }
}

/// Calls `f` on `e` and everything below it, parents first (not inside subqueries' plans).
pub fn visit<'a>(e: &'a Expr, f: &mut dyn FnMut(&'a Expr)) {
    f(e);
    for_each_child(e, &mut |child| visit(child, f));
}

/// Calls `f` on `e` and everything below it, children first, to change them.
pub fn rewrite(e: &mut Expr, f: &mut dyn FnMut(&mut Expr)) {
    for_each_child_mut(e, &mut |child| rewrite(child, f));
    f(e);
}

/// Whether `test` holds for `e` or anything below it.
pub fn any(e: &Expr, test: &dyn Fn(&Expr) -> bool) -> bool {
    let mut found = false;
    visit(e, &mut |e| found |= test(e));
    found
}

/// The columns `e` reads: its own and, for subqueries, the outer columns their plans mention.
pub fn columns_of(e: &Expr, out: &mut Vec<ColumnId>) {
    visit(e, &mut |e| match e {
        Expr::Column { id, .. } => out.push(*id),
        Expr::Subquery(s) => match &s.plan {
            SubqueryPlan::Logical(plan) => out.extend(free_columns(plan)),
            SubqueryPlan::Physical { params, .. } => out.extend(params),
        },
        _ => {}
    });
    // A quantified subquery's tests name the subquery's own columns too.
    visit(e, &mut |e| {
        if let Expr::Subquery(s) = e {
            out.retain(|id| !s.output.contains(id));
        }
    });
}

/// An aggregate's expressions.
pub fn aggregate_exprs(a: &AggregateExpr) -> impl Iterator<Item = &Expr> {
    a.args.iter().chain(&a.direct_args).chain(a.order_by.iter().map(|k| &k.expr)).chain(&a.filter)
}

/// The output columns of a logical node, in order.
pub fn output_columns(plan: &LogicalPlan) -> Vec<ColumnId> {
    match plan {
        LogicalPlan::OneRow => vec![],
        LogicalPlan::Empty { output }
        | LogicalPlan::Values { output, .. }
        | LogicalPlan::SetOp { output, .. } => output.clone(),
        LogicalPlan::Scan { columns, .. } => columns.iter().map(|(id, _)| *id).collect(),
        LogicalPlan::FunctionScan { calls, ordinality, .. } => {
            calls.iter().flat_map(|(_, ids)| ids.iter().copied()).chain(*ordinality).collect()
        }
        LogicalPlan::CteScan { columns, .. } => columns.iter().map(|(id, _)| *id).collect(),
        LogicalPlan::With { body, .. } => output_columns(body),
        LogicalPlan::SubqueryAlias { input, .. }
        | LogicalPlan::Filter { input, .. }
        | LogicalPlan::Distinct { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Limit { input, .. }
        | LogicalPlan::LockRows { input, .. } => output_columns(input),
        LogicalPlan::Project { targets, .. } => targets.iter().map(|(id, _)| *id).collect(),
        LogicalPlan::Join { kind, left, right, .. } => {
            let mut out = output_columns(left);
            if !matches!(kind, crate::JoinKind::Semi | crate::JoinKind::Anti) {
                out.extend(output_columns(right));
            }
            out
        }
        LogicalPlan::Aggregate { group, aggregates, grouping, .. } => group
            .iter()
            .map(|(id, _)| *id)
            .chain(aggregates.iter().map(|(id, _)| *id))
            .chain(grouping.iter().map(|(id, _)| *id))
            .collect(),
        LogicalPlan::Window { input, calls, .. } => {
            let mut out = output_columns(input);
            out.extend(calls.iter().map(|(id, _)| *id));
            out
        }
        LogicalPlan::ProjectSet { input, calls } => {
            let mut out = output_columns(input);
            out.extend(calls.iter().map(|(id, _)| *id));
            out
        }
        LogicalPlan::Insert { returning, .. }
        | LogicalPlan::Update { returning, .. }
        | LogicalPlan::Delete { returning, .. } => {
            returning.iter().flat_map(|r| r.targets.iter().map(|(id, _)| *id)).collect()
        }
    }
}

/// A logical node's inputs.
pub fn inputs(plan: &LogicalPlan) -> Vec<&LogicalPlan> {
    match plan {
        LogicalPlan::OneRow
        | LogicalPlan::Empty { .. }
        | LogicalPlan::Scan { .. }
        | LogicalPlan::Values { .. }
        | LogicalPlan::FunctionScan { .. }
        | LogicalPlan::CteScan { .. } => vec![],
        LogicalPlan::With { ctes, body } => ctes
            .iter()
            .flat_map(|c| std::iter::once(&c.plan).chain(c.recursive.iter().map(|(step, _, _)| step)))
            .chain(std::iter::once(&**body))
            .collect(),
        LogicalPlan::SubqueryAlias { input, .. }
        | LogicalPlan::Filter { input, .. }
        | LogicalPlan::Project { input, .. }
        | LogicalPlan::Aggregate { input, .. }
        | LogicalPlan::Window { input, .. }
        | LogicalPlan::ProjectSet { input, .. }
        | LogicalPlan::Distinct { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Limit { input, .. }
        | LogicalPlan::LockRows { input, .. } => vec![input],
        LogicalPlan::Join { left, right, .. } | LogicalPlan::SetOp { left, right, .. } => vec![left, right],
        LogicalPlan::Insert { source, .. }
        | LogicalPlan::Update { source, .. }
        | LogicalPlan::Delete { source, .. } => vec![source],
    }
}

/// A logical node's inputs, to change them.
pub fn inputs_mut(plan: &mut LogicalPlan) -> Vec<&mut LogicalPlan> {
    match plan {
        LogicalPlan::OneRow
        | LogicalPlan::Empty { .. }
        | LogicalPlan::Scan { .. }
        | LogicalPlan::Values { .. }
        | LogicalPlan::FunctionScan { .. }
        | LogicalPlan::CteScan { .. } => vec![],
        LogicalPlan::With { ctes, body } => ctes
            .iter_mut()
            .flat_map(|c| std::iter::once(&mut c.plan).chain(c.recursive.iter_mut().map(|(step, _, _)| step)))
            .chain(std::iter::once(&mut **body))
            .collect(),
        LogicalPlan::SubqueryAlias { input, .. }
        | LogicalPlan::Filter { input, .. }
        | LogicalPlan::Project { input, .. }
        | LogicalPlan::Aggregate { input, .. }
        | LogicalPlan::Window { input, .. }
        | LogicalPlan::ProjectSet { input, .. }
        | LogicalPlan::Distinct { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Limit { input, .. }
        | LogicalPlan::LockRows { input, .. } => vec![input],
        LogicalPlan::Join { left, right, .. } | LogicalPlan::SetOp { left, right, .. } => vec![left, right],
        LogicalPlan::Insert { source, .. }
        | LogicalPlan::Update { source, .. }
        | LogicalPlan::Delete { source, .. } => vec![source],
    }
}

/// The expressions a logical node holds itself (over its inputs; RETURNING and conflict actions included).
pub fn exprs(plan: &LogicalPlan) -> Vec<&Expr> {
    match plan {
        LogicalPlan::OneRow
        | LogicalPlan::Empty { .. }
        | LogicalPlan::Scan { .. }
        | LogicalPlan::CteScan { .. }
        | LogicalPlan::With { .. }
        | LogicalPlan::SubqueryAlias { .. }
        | LogicalPlan::SetOp { .. }
        | LogicalPlan::LockRows { .. } => vec![],
        LogicalPlan::Values { rows, .. } => rows.iter().flatten().collect(),
        LogicalPlan::FunctionScan { calls, .. } => calls.iter().flat_map(|(c, _)| &c.args).collect(),
        LogicalPlan::Filter { predicates, .. } => predicates.iter().collect(),
        LogicalPlan::Project { targets, .. } => targets.iter().map(|(_, e)| e).collect(),
        LogicalPlan::Join { on, .. } => on.iter().collect(),
        LogicalPlan::Aggregate { group, aggregates, .. } => group
            .iter()
            .map(|(_, e)| e)
            .chain(aggregates.iter().flat_map(|(_, a)| aggregate_exprs(a)))
            .collect(),
        LogicalPlan::Window { spec, calls, .. } => {
            let mut out: Vec<&Expr> =
                spec.partition_by.iter().chain(spec.order_by.iter().map(|k| &k.expr)).collect();
            for bound in [&spec.frame.start, &spec.frame.end] {
                if let FrameBound::Preceding(e) | FrameBound::Following(e) = bound {
                    out.push(e);
                }
            }
            out.extend(calls.iter().flat_map(|(_, c)| c.args.iter().chain(&c.filter)));
            out
        }
        LogicalPlan::ProjectSet { calls, .. } => calls.iter().flat_map(|(_, c)| &c.args).collect(),
        LogicalPlan::Distinct { on, .. } => on.iter().flatten().collect(),
        LogicalPlan::Sort { keys, .. } => keys.iter().map(|k| &k.expr).collect(),
        LogicalPlan::Limit { limit, offset, ties, .. } => {
            limit.iter().chain(offset).chain(ties.iter().flatten().map(|k| &k.expr)).collect()
        }
        LogicalPlan::Insert { on_conflict, returning, .. } => {
            let mut out: Vec<&Expr> = vec![];
            if let Some(crate::OnConflict {
                action: crate::OnConflictAction::Update { set, filter, .. },
                ..
            }) = on_conflict
            {
                out.extend(set.iter().map(|(_, e)| e).chain(filter));
            }
            out.extend(returning.iter().flat_map(|r| r.targets.iter().map(|(_, e)| e)));
            out
        }
        LogicalPlan::Update { set, returning, .. } => set
            .iter()
            .map(|(_, e)| e)
            .chain(returning.iter().flat_map(|r| r.targets.iter().map(|(_, e)| e)))
            .collect(),
        LogicalPlan::Delete { returning, .. } => {
            returning.iter().flat_map(|r| r.targets.iter().map(|(_, e)| e)).collect()
        }
    }
}

/// The expressions a logical node holds itself, to change them.
pub fn exprs_mut(plan: &mut LogicalPlan) -> Vec<&mut Expr> {
    match plan {
        LogicalPlan::OneRow
        | LogicalPlan::Empty { .. }
        | LogicalPlan::Scan { .. }
        | LogicalPlan::CteScan { .. }
        | LogicalPlan::With { .. }
        | LogicalPlan::SubqueryAlias { .. }
        | LogicalPlan::SetOp { .. }
        | LogicalPlan::LockRows { .. } => vec![],
        LogicalPlan::Values { rows, .. } => rows.iter_mut().flatten().collect(),
        LogicalPlan::FunctionScan { calls, .. } => calls.iter_mut().flat_map(|(c, _)| &mut c.args).collect(),
        LogicalPlan::Filter { predicates, .. } => predicates.iter_mut().collect(),
        LogicalPlan::Project { targets, .. } => targets.iter_mut().map(|(_, e)| e).collect(),
        LogicalPlan::Join { on, .. } => on.iter_mut().collect(),
        LogicalPlan::Aggregate { group, aggregates, .. } => group
            .iter_mut()
            .map(|(_, e)| e)
            .chain(aggregates.iter_mut().flat_map(|(_, a)| {
                a.args
                    .iter_mut()
                    .chain(&mut a.direct_args)
                    .chain(a.order_by.iter_mut().map(|k| &mut k.expr))
                    .chain(&mut a.filter)
            }))
            .collect(),
        LogicalPlan::Window { spec, calls, .. } => {
            let mut out: Vec<&mut Expr> =
                spec.partition_by.iter_mut().chain(spec.order_by.iter_mut().map(|k| &mut k.expr)).collect();
            for bound in [&mut spec.frame.start, &mut spec.frame.end] {
                if let FrameBound::Preceding(e) | FrameBound::Following(e) = bound {
                    out.push(e);
                }
            }
            out.extend(calls.iter_mut().flat_map(|(_, c)| c.args.iter_mut().chain(&mut c.filter)));
            out
        }
        LogicalPlan::ProjectSet { calls, .. } => calls.iter_mut().flat_map(|(_, c)| &mut c.args).collect(),
        LogicalPlan::Distinct { on, .. } => on.iter_mut().flatten().collect(),
        LogicalPlan::Sort { keys, .. } => keys.iter_mut().map(|k| &mut k.expr).collect(),
        LogicalPlan::Limit { limit, offset, ties, .. } => {
            limit.iter_mut().chain(offset).chain(ties.iter_mut().flatten().map(|k| &mut k.expr)).collect()
        }
        LogicalPlan::Insert { on_conflict, returning, .. } => {
            let mut out: Vec<&mut Expr> = vec![];
            if let Some(crate::OnConflict {
                action: crate::OnConflictAction::Update { set, filter, .. },
                ..
            }) = on_conflict
            {
                out.extend(set.iter_mut().map(|(_, e)| e).chain(filter));
            }
            out.extend(returning.iter_mut().flat_map(|r| r.targets.iter_mut().map(|(_, e)| e)));
            out
        }
        LogicalPlan::Update { set, returning, .. } => set
            .iter_mut()
            .map(|(_, e)| e)
            .chain(returning.iter_mut().flat_map(|r| r.targets.iter_mut().map(|(_, e)| e)))
            .collect(),
        LogicalPlan::Delete { returning, .. } => {
            returning.iter_mut().flat_map(|r| r.targets.iter_mut().map(|(_, e)| e)).collect()
        }
    }
}

/// Columns made anywhere inside a logical plan.
fn made_columns(plan: &LogicalPlan, out: &mut Vec<ColumnId>) {
    out.extend(output_columns(plan));
    match plan {
        LogicalPlan::With { ctes, .. } => out.extend(ctes.iter().flat_map(|c| c.output.iter().copied())),
        LogicalPlan::Insert { target, on_conflict, returning, .. } => {
            out.extend(target.row.iter().map(|(id, _)| *id));
            if let Some(crate::OnConflict {
                action: crate::OnConflictAction::Update { existing, .. }, ..
            }) = on_conflict
            {
                out.extend(existing.iter().map(|(id, _)| *id));
            }
            out.extend(returning.iter().flat_map(|r| r.row.iter().map(|(id, _)| *id)));
        }
        LogicalPlan::Update { target, returning, .. } | LogicalPlan::Delete { target, returning, .. } => {
            out.extend(target.row.iter().map(|(id, _)| *id));
            out.extend(returning.iter().flat_map(|r| r.row.iter().map(|(id, _)| *id)));
        }
        _ => {}
    }
    for input in inputs(plan) {
        made_columns(input, out);
    }
}

fn used_columns(plan: &LogicalPlan, out: &mut Vec<ColumnId>) {
    for e in exprs(plan) {
        columns_of(e, out);
    }
    for input in inputs(plan) {
        used_columns(input, out);
    }
}

/// The columns a logical plan reads but does not make: its correlation with enclosing rows. Sorted, without repeats.
pub fn free_columns(plan: &LogicalPlan) -> Vec<ColumnId> {
    let (mut made, mut used) = (vec![], vec![]);
    made_columns(plan, &mut made);
    used_columns(plan, &mut used);
    made.sort_unstable();
    used.sort_unstable();
    used.dedup();
    used.retain(|id| made.binary_search(id).is_err());
    used
}

/// The columns of a physical node's raw rows, before filter and targets.
pub fn raw_columns(node: &PhysicalNode) -> Vec<ColumnId> {
    use crate::JoinKind::{Anti, Semi};
    match node {
        PhysicalNode::Result { input, .. } => {
            input.iter().flat_map(|p| p.output().collect::<Vec<_>>()).collect()
        }
        PhysicalNode::SeqScan { columns, .. }
        | PhysicalNode::IndexScan { columns, .. }
        | PhysicalNode::BitmapHeapScan { columns, .. }
        | PhysicalNode::TidScan { columns, .. } => columns.iter().map(|(id, _)| *id).collect(),
        PhysicalNode::ValuesScan { columns, .. } => columns.clone(),
        PhysicalNode::FunctionScan { calls, ordinality, .. } => {
            calls.iter().flat_map(|(_, ids)| ids.iter().copied()).chain(*ordinality).collect()
        }
        PhysicalNode::CteScan { columns, .. } | PhysicalNode::WorkTableScan { columns, .. } => {
            columns.iter().map(|(id, _)| *id).collect()
        }
        PhysicalNode::NestLoop { kind, outer, inner, .. }
        | PhysicalNode::HashJoin { kind, outer, inner, .. }
        | PhysicalNode::MergeJoin { kind, outer, inner, .. } => {
            let mut out: Vec<ColumnId> = outer.output().collect();
            if !matches!(kind, Semi | Anti) {
                out.extend(inner.output());
            }
            out
        }
        PhysicalNode::SubqueryScan { input, .. }
        | PhysicalNode::Materialize { input }
        | PhysicalNode::Memoize { input, .. }
        | PhysicalNode::Sort { input, .. }
        | PhysicalNode::Unique { input, .. }
        | PhysicalNode::Limit { input, .. }
        | PhysicalNode::LockRows { input, .. } => input.output().collect(),
        PhysicalNode::Aggregate { group, aggregates, grouping, .. } => group
            .iter()
            .map(|(id, _)| *id)
            .chain(aggregates.iter().map(|(id, _)| *id))
            .chain(grouping.iter().map(|(id, _)| *id))
            .collect(),
        PhysicalNode::WindowAgg { input, calls, .. } => {
            input.output().chain(calls.iter().map(|(id, _)| *id)).collect()
        }
        PhysicalNode::ProjectSet { input, calls } => {
            input.output().chain(calls.iter().map(|(id, _)| *id)).collect()
        }
        PhysicalNode::SetOp { output, .. }
        | PhysicalNode::Append { output, .. }
        | PhysicalNode::MergeAppend { output, .. }
        | PhysicalNode::RecursiveUnion { output, .. } => output.clone(),
        PhysicalNode::Insert { returning, .. }
        | PhysicalNode::Update { returning, .. }
        | PhysicalNode::Delete { returning, .. } => {
            returning.iter().flat_map(|r| r.targets.iter().map(|(id, _)| *id)).collect()
        }
    }
}

/// A physical node's inputs, outer first.
pub fn physical_inputs(plan: &PhysicalPlan) -> Vec<&PhysicalPlan> {
    match &plan.node {
        PhysicalNode::Result { input, .. } => input.iter().map(|p| &**p).collect(),
        PhysicalNode::SeqScan { .. }
        | PhysicalNode::IndexScan { .. }
        | PhysicalNode::BitmapHeapScan { .. }
        | PhysicalNode::TidScan { .. }
        | PhysicalNode::ValuesScan { .. }
        | PhysicalNode::FunctionScan { .. }
        | PhysicalNode::CteScan { .. }
        | PhysicalNode::WorkTableScan { .. } => vec![],
        PhysicalNode::NestLoop { outer, inner, .. }
        | PhysicalNode::HashJoin { outer, inner, .. }
        | PhysicalNode::MergeJoin { outer, inner, .. } => vec![outer, inner],
        PhysicalNode::SubqueryScan { input, .. }
        | PhysicalNode::Materialize { input }
        | PhysicalNode::Memoize { input, .. }
        | PhysicalNode::Sort { input, .. }
        | PhysicalNode::Aggregate { input, .. }
        | PhysicalNode::WindowAgg { input, .. }
        | PhysicalNode::ProjectSet { input, .. }
        | PhysicalNode::Unique { input, .. }
        | PhysicalNode::Limit { input, .. }
        | PhysicalNode::LockRows { input, .. }
        | PhysicalNode::Insert { input, .. }
        | PhysicalNode::Update { input, .. }
        | PhysicalNode::Delete { input, .. } => vec![input],
        PhysicalNode::SetOp { left, right, .. } => vec![left, right],
        PhysicalNode::Append { inputs, .. } | PhysicalNode::MergeAppend { inputs, .. } => {
            inputs.iter().map(|(p, _)| p).collect()
        }
        PhysicalNode::RecursiveUnion { base, step, .. } => vec![base, step],
    }
}
