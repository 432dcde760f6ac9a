//! Whether expressions and plans may give another value at each evaluation, and what may be merged therefore.

use crate::expr::SubqueryPlan;
use crate::{CastKind, Expr, LogicalPlan, PhysicalPlan, walk};
use quarry_functions::Volatility;

/// How changeable an expression's value is.
pub fn volatility(e: &Expr) -> Volatility {
    let mut worst = Volatility::Immutable;
    walk::visit(e, &mut |e| worst = worst.max(of_node(e)));
    worst
}

/// What an expression adds to its children's volatility.
fn of_node(e: &Expr) -> Volatility {
    match e {
        Expr::Call { function, .. } => function.def().volatility,
        Expr::ScalarArray { function, .. } => function.def().volatility,
        Expr::SqlValue { .. } | Expr::Param { .. } => Volatility::Stable,
        Expr::Cast { kind: CastKind::Io | CastKind::Domain { .. } | CastKind::Row, .. } => Volatility::Stable,
        Expr::Subquery(s) => match &s.plan {
            SubqueryPlan::Logical(p) => plan_volatility(p).max(Volatility::Stable),
            SubqueryPlan::Physical { plan, .. } => physical_volatility(plan).max(Volatility::Stable),
        },
        _ => Volatility::Immutable,
    }
}

/// Whether an expression may give another value at each evaluation, or has effects.
pub fn is_volatile(e: &Expr) -> bool {
    walk::any(e, &|e| of_node(e) == Volatility::Volatile)
}

/// The worst volatility of a plan's expressions; writes and row locks are volatile.
pub fn plan_volatility(plan: &LogicalPlan) -> Volatility {
    let mut worst = match plan {
        LogicalPlan::Insert { .. }
        | LogicalPlan::Update { .. }
        | LogicalPlan::Delete { .. }
        | LogicalPlan::LockRows { .. } => {
            return Volatility::Volatile;
        }
        LogicalPlan::FunctionScan { calls, .. } => {
            calls.iter().map(|(c, _)| c.function.def().volatility).max().unwrap_or(Volatility::Immutable)
        }
        LogicalPlan::ProjectSet { calls, .. } => {
            calls.iter().map(|(_, c)| c.function.def().volatility).max().unwrap_or(Volatility::Immutable)
        }
        _ => Volatility::Immutable,
    };
    for e in walk::exprs(plan) {
        worst = worst.max(volatility(e));
    }
    for input in walk::inputs(plan) {
        worst = worst.max(plan_volatility(input));
    }
    worst
}

fn physical_volatility(plan: &PhysicalPlan) -> Volatility {
    let mut worst = Volatility::Immutable;
    for e in plan.filter.iter().chain(plan.targets.iter().map(|(_, e)| e)) {
        worst = worst.max(volatility(e));
    }
    for input in walk::physical_inputs(plan) {
        worst = worst.max(physical_volatility(input));
    }
    worst
}

/// FROM and WHERE only: what the optimizer merges into the query around it, and the binder hands row locks through. A lone row without
/// tables (SELECT 1) is none: it would vanish.
pub fn plain_from(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Scan { .. }
        | LogicalPlan::FunctionScan { .. }
        | LogicalPlan::CteScan { .. }
        | LogicalPlan::SubqueryAlias { .. } => true,
        LogicalPlan::Filter { input, predicates } => plain_from(input) && !predicates.iter().any(is_volatile),
        LogicalPlan::Join { left, right, .. } => plain_from(left) && plain_from(right),
        _ => false,
    }
}
