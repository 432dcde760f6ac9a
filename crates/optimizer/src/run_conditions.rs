//! Conditions on window functions whose results only rise, or only fall, along a partition: a row for which `row_number() <= 10` fails
//! is followed by none for which it holds, so that the window can stop there (PostgreSQL: find_window_run_conditions). A window below
//! others, which count all its rows, gives the rest without results, and the topmost one drops them: the conditions are never true of NULL.

use crate::exprs::{binary, has_columns, has_subquery, is_volatile, operator_call};
use quarry_catalog::builtin::opclass;
use quarry_common::Oid;
use quarry_functions::{OperatorDef, registry};
use quarry_plan::expr::{FrameBound, FrameExclude, FrameMode};
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan, WindowCall, WindowSpec};

/// The operator family integer_ops of B-trees.
const INTEGER_OPS: Oid = Oid(1976);
const ROW_NUMBER: Oid = Oid(3100);
const RANK: Oid = Oid(3101);
const DENSE_RANK: Oid = Oid(3102);
const COUNT_ROWS: Oid = Oid(2803);
const COUNT_VALUES: Oid = Oid(2147);

/// What a condition says of where a window may stop.
pub struct RunCondition {
    /// Once this fails, it fails for the rest of the partition.
    pub condition: Expr,
    /// The condition asked for is stricter and has to be tested besides.
    pub tested: bool,
}

/// How results change from a row to a later one of its partition.
#[derive(Clone, Copy)]
struct Course {
    rises: bool,
    falls: bool,
}

/// The run condition that a condition over a window's rows gives; none if it is about something else.
pub fn of(e: &Expr, spec: &WindowSpec, calls: &[(ColumnId, WindowCall)]) -> Option<RunCondition> {
    let (op, left, right) = binary(e)?;
    let strategy = opclass::strategy(INTEGER_OPS, op.oid)?;
    let call = |e: &Expr| match e {
        Expr::Column { id, .. } => calls.iter().find(|(c, _)| c == id).map(|(_, call)| call),
        _ => None,
    };
    let (call, other, on_left) = match (call(left), call(right)) {
        (Some(call), None) => (call, right, true),
        (None, Some(call)) => (call, left, false),
        _ => return None,
    };
    if has_columns(other) || has_subquery(other) || is_volatile(other) {
        return None;
    }
    let course = course(call, spec)?;
    // Seen from the call's side.
    let (holds_if_small, holds_if_great) = match strategy {
        1 | 2 => (on_left, !on_left),
        4 | 5 => (!on_left, on_left),
        _ => (false, false),
    };
    if strategy == 3 {
        if course.rises && course.falls {
            return Some(RunCondition { condition: e.clone(), tested: false });
        }
        let name = if course.rises == on_left { "<=" } else { ">=" };
        let wider: &OperatorDef =
            registry::operators_named(name).iter().find(|o| o.left == op.left && o.right == op.right)?;
        let condition = operator_call(wider, left.clone(), right.clone())?;
        return Some(RunCondition { condition, tested: true });
    }
    let stops = holds_if_small && course.rises || holds_if_great && course.falls;
    stops.then(|| RunCondition { condition: e.clone(), tested: false })
}

/// Has a window, if the plan is one, and those below it stop by these conditions; the others come back.
pub fn stop_windows(plan: &mut PhysicalPlan, conditions: Vec<Expr>) -> Vec<Expr> {
    let PhysicalNode::WindowAgg { input, spec, calls, run, .. } = &mut plan.node else { return conditions };
    let mut rest = vec![];
    for e in conditions {
        if of(&e, spec, calls).is_some_and(|r| !r.tested) {
            run.push(e);
        } else if stop_below(input, &e) {
            plan.filter.push(e);
        } else {
            rest.push(e);
        }
    }
    rest
}

/// The same for a condition on the results of a window below another one.
fn stop_below(plan: &mut PhysicalPlan, e: &Expr) -> bool {
    match &mut plan.node {
        PhysicalNode::Sort { input, .. } => stop_below(input, e),
        PhysicalNode::WindowAgg { input, spec, calls, run, passes_on } => {
            let stops = of(e, spec, calls).is_some_and(|r| !r.tested);
            if stops {
                run.push(e.clone());
                *passes_on = true;
            }
            stops || stop_below(input, e)
        }
        _ => false,
    }
}

fn course(call: &WindowCall, spec: &WindowSpec) -> Option<Course> {
    match call.function.def().oid {
        ROW_NUMBER | RANK | DENSE_RANK => Some(Course { rises: true, falls: false }),
        COUNT_ROWS | COUNT_VALUES => {
            let parts = call.args.iter().chain(&call.filter);
            let frame = &spec.frame;
            if frame.exclude != FrameExclude::NoOthers
                || parts.into_iter().any(|e| is_volatile(e) || has_subquery(e))
            {
                return None;
            }
            // Without an order all rows are peers, and each has the whole partition for its frame.
            let by_peers = spec.order_by.is_empty()
                && frame.mode != FrameMode::Rows
                && matches!(frame.start, FrameBound::UnboundedPreceding | FrameBound::CurrentRow)
                && matches!(frame.end, FrameBound::UnboundedFollowing | FrameBound::CurrentRow);
            let rises = by_peers || matches!(frame.start, FrameBound::UnboundedPreceding);
            let falls = by_peers || matches!(frame.end, FrameBound::UnboundedFollowing);
            (rises || falls).then_some(Course { rises, falls })
        }
        _ => None,
    }
}
