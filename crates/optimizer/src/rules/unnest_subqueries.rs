//! EXISTS, NOT EXISTS and IN as conditions of WHERE become semi and anti joins (PostgreSQL: `convert_EXISTS_sublink_to_join`,
//! `convert_ANY_sublink_to_join`). NOT IN stays a subplan: a NULL among the values changes its answer.

use crate::exprs::{columns, is_volatile};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, SubqueryKind, walk};

/// Runs over the plan (not inside remaining subqueries).
pub fn run(plan: &mut LogicalPlan) {
    for input in walk::inputs_mut(plan) {
        run(input);
    }
    let LogicalPlan::Filter { input, predicates } = plan else { return };
    if !predicates.iter().any(is_candidate) {
        return;
    }
    let available = walk::output_columns(input);
    let mut rest = vec![];
    for p in std::mem::take(predicates) {
        if !is_candidate(&p) {
            rest.push(p);
            continue;
        }
        let join = match p {
            Expr::Subquery(s) if s.kind == SubqueryKind::Exists => exists(*s, JoinKind::Semi, &available),
            Expr::Not(arg) => match *arg {
                Expr::Subquery(s) => {
                    exists(*s, JoinKind::Anti, &available).map_err(|e| Expr::Not(Box::new(e)))
                }
                other => Err(Expr::Not(Box::new(other))),
            },
            Expr::Subquery(s) => any(*s, &available),
            other => Err(other),
        };
        match join {
            Ok((kind, mut right, on)) => {
                run(&mut right);
                let left = std::mem::replace(&mut **input, LogicalPlan::OneRow);
                **input = LogicalPlan::Join { kind, left: Box::new(left), right: Box::new(right), on };
            }
            Err(p) => rest.push(p),
        }
    }
    if rest.is_empty() {
        *plan = std::mem::replace(&mut **input, LogicalPlan::OneRow);
    } else {
        *predicates = rest;
    }
}

fn is_candidate(p: &Expr) -> bool {
    match p {
        Expr::Subquery(s) => matches!(s.kind, SubqueryKind::Exists | SubqueryKind::Any { .. }),
        Expr::Not(arg) => matches!(&**arg, Expr::Subquery(s) if s.kind == SubqueryKind::Exists),
        _ => false,
    }
}

type Joined = (JoinKind, LogicalPlan, Vec<Expr>);

/// EXISTS (SELECT ... FROM ... WHERE condition with outer columns).
fn exists(mut s: quarry_plan::SubqueryExpr, kind: JoinKind, available: &[ColumnId]) -> Result<Joined, Expr> {
    let SubqueryPlan::Logical(plan) = &s.plan else { return Err(Expr::Subquery(Box::new(s))) };
    let free = walk::free_columns(plan);
    if !free.iter().any(|id| available.contains(id)) {
        return Err(Expr::Subquery(Box::new(s)));
    }
    // The target list, its order and duplicates don't matter; LIMIT of at least one neither.
    fn from_of(plan: &LogicalPlan) -> Option<&LogicalPlan> {
        match plan {
            LogicalPlan::Project { input, .. } | LogicalPlan::Sort { input, .. } => from_of(input),
            LogicalPlan::Distinct { input, .. } => from_of(input),
            LogicalPlan::Limit { input, limit, offset: None, ties: None } => match limit {
                None => from_of(input),
                Some(Expr::Const { value: quarry_types::Datum::I64(n), .. }) if *n > 0 => from_of(input),
                _ => None,
            },
            LogicalPlan::Filter { input, .. } => from_of(input).map(|_| plan),
            LogicalPlan::Scan { .. }
            | LogicalPlan::Join { .. }
            | LogicalPlan::SubqueryAlias { .. }
            | LogicalPlan::FunctionScan { .. }
            | LogicalPlan::Values { .. }
            | LogicalPlan::CteScan { .. } => Some(plan),
            _ => None,
        }
    }
    let Some(from) = from_of(plan) else { return Err(Expr::Subquery(Box::new(s))) };
    let LogicalPlan::Filter { input, predicates } = from else { return Err(Expr::Subquery(Box::new(s))) };
    // HAVING is a Filter over an Aggregate: not a FROM.
    if matches!(**input, LogicalPlan::Aggregate { .. } | LogicalPlan::Window { .. })
        || walk::free_columns(input).iter().any(|id| available.contains(id))
    {
        return Err(Expr::Subquery(Box::new(s)));
    }
    let outer = |e: &Expr| columns(e).iter().any(|id| available.contains(id));
    if predicates.iter().any(|p| is_volatile(p) || outer(p) && crate::exprs::has_subquery(p)) {
        return Err(Expr::Subquery(Box::new(s)));
    }
    // The conditions with outer columns must read the subquery too, or there is nothing to join by.
    let inner_columns = walk::output_columns(input);
    let joins = predicates.iter().any(|p| outer(p) && columns(p).iter().any(|id| inner_columns.contains(id)));
    if !joins {
        return Err(Expr::Subquery(Box::new(s)));
    }
    let (on, own): (Vec<Expr>, Vec<Expr>) = predicates.iter().cloned().partition(outer);
    let mut right = (**input).clone();
    if !own.is_empty() {
        right = LogicalPlan::Filter { input: Box::new(right), predicates: own };
    }
    s.output.clear();
    Ok((kind, right, on))
}

/// `x IN (SELECT ...)`: the subquery must not read the outer row.
fn any(s: quarry_plan::SubqueryExpr, available: &[ColumnId]) -> Result<Joined, Expr> {
    let SubqueryKind::Any { tests } = &s.kind else { return Err(Expr::Subquery(Box::new(s))) };
    let SubqueryPlan::Logical(plan) = &s.plan else { return Err(Expr::Subquery(Box::new(s))) };
    let correlated = walk::free_columns(plan).iter().any(|id| available.contains(id));
    let reads_outer = tests.iter().all(|t| columns(t).iter().any(|id| available.contains(id)));
    if correlated || !reads_outer || tests.iter().any(|t| is_volatile(t) || crate::exprs::has_subquery(t)) {
        return Err(Expr::Subquery(Box::new(s)));
    }
    let (tests, plan) = match (s.kind, s.plan) {
        (SubqueryKind::Any { tests }, SubqueryPlan::Logical(plan)) => (tests, plan),
        _ => return Err(Expr::bool_const(false)),
    };
    let right = LogicalPlan::SubqueryAlias { input: plan, alias: "ANY_subquery".into() };
    Ok((JoinKind::Semi, right, tests))
}
