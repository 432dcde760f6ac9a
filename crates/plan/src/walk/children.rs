//! The children of expressions and plan nodes, each declared once: a macro makes the reading and the changing form of every list.
//!
//! In the declarations `$iter` is `iter` or `iter_mut`, and `$($m)*` is nothing or `mut`.

use crate::expr::FrameBound;
use crate::physical::IndexTest;
use crate::{
    CastKind, Expr, LogicalPlan, OnConflict, OnConflictAction, PhysicalNode, PhysicalPlan, SubqueryKind,
    SubscriptIndex,
};
use smallvec::{SmallVec, smallvec};

/// What a node has few of: in most cases without memory of its own.
type Inputs<T> = SmallVec<[T; 2]>;
type Exprs<T> = SmallVec<[T; 4]>;

macro_rules! expression_children {
    ($(#[$doc:meta])* $name:ident, $iter:ident, $($m:tt)*) => {
        $(#[$doc])*
        pub fn $name<'a>(e: &'a $($m)* Expr, f: &mut dyn FnMut(&'a $($m)* Expr)) {
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
                | Expr::Or(args) => args.$iter().for_each(f),
                Expr::Not(arg)
                | Expr::IsNull { arg, .. }
                | Expr::IsBool { arg, .. }
                | Expr::FieldSelect { arg, .. } => f(arg),
                Expr::IsDistinct { left, right, .. } | Expr::NullIf { left, right, .. } => {
                    f(left);
                    f(right);
                }
                Expr::Case { operand, whens, otherwise, .. } => {
                    operand.$iter().for_each(|e| f(e));
                    for (when, then) in whens {
                        f(when);
                        f(then);
                    }
                    otherwise.$iter().for_each(|e| f(e));
                }
                Expr::Cast { arg, kind, .. } => {
                    f(arg);
                    match kind {
                        CastKind::ArrayElements(element) => f(element),
                        CastKind::Domain { checks, .. } => checks.$iter().for_each(|(_, check)| f(check)),
                        CastKind::Relabel | CastKind::Io | CastKind::Collate(_) | CastKind::Row => {}
                    }
                }
                Expr::Array { elements, .. } => elements.$iter().for_each(f),
                Expr::Row { fields, .. } => fields.$iter().for_each(f),
                Expr::Subscript { container, indexes, assign, .. } => {
                    f(container);
                    for index in indexes {
                        match index {
                            SubscriptIndex::At(e) => f(e),
                            SubscriptIndex::Slice(lower, upper) => lower.$iter().chain(upper).for_each(&mut *f),
                        }
                    }
                    assign.$iter().for_each(|e| f(e));
                }
                Expr::ScalarArray { left, array, .. } => {
                    f(left);
                    f(array);
                }
                Expr::Subquery(s) => {
                    if let SubqueryKind::Any { tests } | SubqueryKind::All { tests } = & $($m)* s.kind {
                        tests.$iter().for_each(f)
                    }
                }
            }
        }
    };
}

expression_children! {
    /// Calls `f` on each direct child of `e`; a subquery's own plan is not a child, its tests are.
    for_each_child, iter,
}
expression_children! {
    /// Calls `f` on each direct child of `e`, to change it.
    for_each_child_mut, iter_mut, mut
}

macro_rules! logical_inputs {
    ($(#[$doc:meta])* $name:ident, $iter:ident, $($m:tt)*) => {
        $(#[$doc])*
        pub fn $name(plan: & $($m)* LogicalPlan) -> Inputs<& $($m)* LogicalPlan> {
            match plan {
                LogicalPlan::OneRow
                | LogicalPlan::Empty { .. }
                | LogicalPlan::Scan { .. }
                | LogicalPlan::Values { .. }
                | LogicalPlan::FunctionScan { .. }
                | LogicalPlan::CteScan { .. } => Inputs::new(),
                LogicalPlan::With { ctes, body } => ctes
                    .$iter()
                    .flat_map(|c| std::iter::once(& $($m)* c.plan).chain(c.recursive.$iter().map(|(step, _, _)| step)))
                    .chain(std::iter::once(& $($m)* **body))
                    .collect(),
                LogicalPlan::SubqueryAlias { input, .. }
                | LogicalPlan::Barrier { input }
                | LogicalPlan::Filter { input, .. }
                | LogicalPlan::Project { input, .. }
                | LogicalPlan::Aggregate { input, .. }
                | LogicalPlan::Window { input, .. }
                | LogicalPlan::ProjectSet { input, .. }
                | LogicalPlan::Distinct { input, .. }
                | LogicalPlan::Sort { input, .. }
                | LogicalPlan::Limit { input, .. }
                | LogicalPlan::LockRows { input, .. } => smallvec![& $($m)* **input],
                LogicalPlan::Join { left, right, .. } | LogicalPlan::SetOp { left, right, .. } => {
                    smallvec![& $($m)* **left, & $($m)* **right]
                }
                LogicalPlan::Insert { source, .. }
                | LogicalPlan::Update { source, .. }
                | LogicalPlan::Delete { source, .. } => smallvec![& $($m)* **source],
            }
        }
    };
}

logical_inputs! {
    /// A logical node's inputs.
    inputs, iter,
}
logical_inputs! {
    /// A logical node's inputs, to change them.
    inputs_mut, iter_mut, mut
}

/// An aggregate's expressions.
macro_rules! aggregate_parts {
    ($a:expr, $iter:ident, $($m:tt)*) => {
        $a.args
            .$iter()
            .chain(& $($m)* $a.direct_args)
            .chain($a.order_by.$iter().map(|k| & $($m)* k.expr))
            .chain(& $($m)* $a.filter)
    };
}

macro_rules! logical_expressions {
    ($(#[$doc:meta])* $name:ident, $iter:ident, $($m:tt)*) => {
        $(#[$doc])*
        pub fn $name(plan: & $($m)* LogicalPlan) -> Exprs<& $($m)* Expr> {
            match plan {
                LogicalPlan::OneRow
                | LogicalPlan::Empty { .. }
                | LogicalPlan::Scan { .. }
                | LogicalPlan::CteScan { .. }
                | LogicalPlan::With { .. }
                | LogicalPlan::SubqueryAlias { .. }
                | LogicalPlan::Barrier { .. }
                | LogicalPlan::SetOp { .. }
                | LogicalPlan::LockRows { .. } => Exprs::new(),
                LogicalPlan::Values { rows, .. } => rows.$iter().flatten().collect(),
                LogicalPlan::FunctionScan { calls, .. } => calls.$iter().flat_map(|(c, _)| & $($m)* c.args).collect(),
                LogicalPlan::Filter { predicates, .. } => predicates.$iter().collect(),
                LogicalPlan::Project { targets, .. } => targets.$iter().map(|(_, e)| e).collect(),
                LogicalPlan::Join { on, .. } => on.$iter().collect(),
                LogicalPlan::Aggregate { group, aggregates, .. } => group
                    .$iter()
                    .map(|(_, e)| e)
                    .chain(aggregates.$iter().flat_map(|(_, a)| aggregate_parts!(a, $iter, $($m)*)))
                    .collect(),
                LogicalPlan::Window { spec, calls, .. } => {
                    let mut out: Exprs<& $($m)* Expr> =
                        spec.partition_by.$iter().chain(spec.order_by.$iter().map(|k| & $($m)* k.expr)).collect();
                    for bound in [& $($m)* spec.frame.start, & $($m)* spec.frame.end] {
                        if let FrameBound::Preceding(e) | FrameBound::Following(e) = bound {
                            out.push(e);
                        }
                    }
                    out.extend(calls.$iter().flat_map(|(_, c)| c.args.$iter().chain(& $($m)* c.filter)));
                    out
                }
                LogicalPlan::ProjectSet { calls, .. } => calls.$iter().flat_map(|(_, c)| & $($m)* c.args).collect(),
                LogicalPlan::Distinct { on, .. } => on.$iter().flatten().collect(),
                LogicalPlan::Sort { keys, .. } => keys.$iter().map(|k| & $($m)* k.expr).collect(),
                LogicalPlan::Limit { limit, offset, ties, .. } => {
                    limit.$iter().chain(offset).chain(ties.$iter().flatten().map(|k| & $($m)* k.expr)).collect()
                }
                LogicalPlan::Insert { on_conflict, returning, .. } => {
                    let mut out: Exprs<& $($m)* Expr> = Exprs::new();
                    if let Some(OnConflict {
                        action: OnConflictAction::Update { set, filter, .. },
                        ..
                    }) = on_conflict
                    {
                        out.extend(set.$iter().map(|(_, e)| e).chain(filter));
                    }
                    out.extend(returning.$iter().flat_map(|r| r.targets.$iter().map(|(_, e)| e)));
                    out
                }
                LogicalPlan::Update { set, returning, .. } => set
                    .$iter()
                    .map(|(_, e)| e)
                    .chain(returning.$iter().flat_map(|r| r.targets.$iter().map(|(_, e)| e)))
                    .collect(),
                LogicalPlan::Delete { returning, .. } => {
                    returning.$iter().flat_map(|r| r.targets.$iter().map(|(_, e)| e)).collect()
                }
            }
        }
    };
}

logical_expressions! {
    /// The expressions a logical node holds itself (over its inputs; RETURNING and conflict actions included).
    exprs, iter,
}
logical_expressions! {
    /// The expressions a logical node holds itself, to change them.
    exprs_mut, iter_mut, mut
}

macro_rules! physical_inputs {
    ($(#[$doc:meta])* $name:ident, $iter:ident, $($m:tt)*) => {
        $(#[$doc])*
        pub fn $name(plan: & $($m)* PhysicalPlan) -> Vec<& $($m)* PhysicalPlan> {
            match & $($m)* plan.node {
                PhysicalNode::Result { input, .. } => input.$iter().map(|p| & $($m)* **p).collect(),
                PhysicalNode::SeqScan { .. }
                | PhysicalNode::IndexScan { .. }
                | PhysicalNode::BitmapHeapScan { .. }
                | PhysicalNode::TidScan { .. }
                | PhysicalNode::TidRangeScan { .. }
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
                | PhysicalNode::Gather { input, .. }
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
                    inputs.$iter().map(|(p, _)| p).collect()
                }
                PhysicalNode::RecursiveUnion { base, step, .. } => vec![base, step],
            }
        }
    };
}

physical_inputs! {
    /// A physical node's inputs, outer first.
    physical_inputs, iter,
}
physical_inputs! {
    /// A physical node's inputs, to change them.
    physical_inputs_mut, iter_mut, mut
}

/// The value an index condition compares with.
macro_rules! index_test {
    ($test:expr) => {
        match $test {
            IndexTest::Eq(e)
            | IndexTest::Lt(e)
            | IndexTest::Le(e)
            | IndexTest::Gt(e)
            | IndexTest::Ge(e)
            | IndexTest::In(e)
            | IndexTest::Row(_, e)
            | IndexTest::Operator { value: e, .. } => Some(e),
            IndexTest::Skip | IndexTest::IsNull | IndexTest::IsNotNull => None,
        }
    };
}

macro_rules! physical_expressions {
    ($(#[$doc:meta])* $name:ident, $iter:ident, $($m:tt)*) => {
        $(#[$doc])*
        pub fn $name(plan: & $($m)* PhysicalPlan) -> Vec<& $($m)* Expr> {
            let mut out: Vec<& $($m)* Expr> =
                plan.filter.$iter().chain(plan.targets.$iter().map(|(_, e)| e)).collect();
            match & $($m)* plan.node {
                PhysicalNode::Result { one_time_filter, .. } => out.extend(one_time_filter),
                PhysicalNode::IndexScan { conds, index, .. } => {
                    // Rows found by hash are tested by the conditions as written.
                    let tested = index.method == "hash";
                    for c in conds {
                        out.extend(index_test!(& $($m)* c.test));
                        if tested {
                            out.push(& $($m)* c.source);
                        }
                    }
                }
                PhysicalNode::BitmapHeapScan { recheck, .. } => out.extend(recheck),
                PhysicalNode::TidScan { tids, .. } => out.extend(tids),
                PhysicalNode::TidRangeScan { lower, upper, .. } => {
                    out.extend(lower.$iter().chain(upper).map(|(e, _)| e))
                }
                PhysicalNode::ValuesScan { rows, .. } => out.extend(rows.$iter().flatten()),
                PhysicalNode::FunctionScan { calls, .. } => {
                    out.extend(calls.$iter().flat_map(|(c, _)| & $($m)* c.args))
                }
                PhysicalNode::NestLoop { on, .. } => out.extend(on),
                PhysicalNode::HashJoin { keys, on, .. } | PhysicalNode::MergeJoin { keys, on, .. } => {
                    out.extend(keys.$iter().flat_map(|(a, b)| [a, b]));
                    out.extend(on);
                }
                PhysicalNode::Sort { keys, .. }
                | PhysicalNode::MergeAppend { keys, .. }
                | PhysicalNode::Gather { keys, .. } => {
                    out.extend(keys.$iter().map(|k| & $($m)* k.expr))
                }
                PhysicalNode::Aggregate { group, aggregates, .. } => {
                    out.extend(group.$iter().map(|(_, e)| e));
                    for (_, a) in aggregates {
                        out.extend(aggregate_parts!(a, $iter, $($m)*));
                    }
                }
                PhysicalNode::WindowAgg { calls, spec, run, .. } => {
                    out.extend(run);
                    out.extend(spec.partition_by.$iter().chain(spec.order_by.$iter().map(|k| & $($m)* k.expr)));
                    for bound in [& $($m)* spec.frame.start, & $($m)* spec.frame.end] {
                        if let FrameBound::Preceding(e) | FrameBound::Following(e) = bound {
                            out.push(e);
                        }
                    }
                    out.extend(calls.$iter().flat_map(|(_, c)| c.args.$iter().chain(& $($m)* c.filter)));
                }
                PhysicalNode::ProjectSet { calls, .. } => out.extend(calls.$iter().flat_map(|(_, c)| & $($m)* c.args)),
                PhysicalNode::Limit { limit, offset, ties, .. } => {
                    out.extend(limit.$iter().chain(offset));
                    out.extend(ties.$iter().flatten().map(|k| & $($m)* k.expr));
                }
                PhysicalNode::Insert { on_conflict, returning, .. } => {
                    if let Some(OnConflict {
                        action: OnConflictAction::Update { set, filter, .. },
                        ..
                    }) = on_conflict
                    {
                        out.extend(set.$iter().map(|(_, e)| e).chain(filter));
                    }
                    out.extend(returning.$iter().flat_map(|r| r.targets.$iter().map(|(_, e)| e)));
                }
                PhysicalNode::Update { set, returning, .. } => {
                    out.extend(set.$iter().map(|(_, e)| e));
                    out.extend(returning.$iter().flat_map(|r| r.targets.$iter().map(|(_, e)| e)));
                }
                PhysicalNode::Delete { returning, .. } => {
                    out.extend(returning.$iter().flat_map(|r| r.targets.$iter().map(|(_, e)| e)))
                }
                _ => {}
            }
            out
        }
    };
}

physical_expressions! {
    /// Every expression a physical node evaluates itself.
    physical_exprs, iter,
}
physical_expressions! {
    /// Every expression a physical node evaluates itself, to change it.
    physical_exprs_mut, iter_mut, mut
}
