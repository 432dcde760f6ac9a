//! Correlated scalar subqueries that aggregate become left joins with the grouped table:
//!
//! ```text
//! SELECT ..., (SELECT sum(i.v) FROM i WHERE i.k = o.k) FROM o
//!   -> SELECT ..., g.sum FROM o LEFT JOIN (SELECT i.k, sum(i.v) FROM i GROUP BY i.k) g ON g.k = o.k
//! ```
//!
//! PostgreSQL runs such a subquery once for each row. Here the table is read once, where
//!
//! * the only correlation is `column = outer expression` in the subquery's WHERE,
//! * no index leads with such a column: with one, a lookup per row may well be cheaper than grouping everything,
//! * nothing in the subquery can fail: groups are computed that no row asks for.
//!
//! For rows without a group the aggregates have the values they have over no rows (count: 0, others: NULL).

use crate::exprs::{binary, columns, has_subquery, is_equality, is_volatile, substitute};
use quarry_functions::Volatility;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{
    AggregateExpr, CallForm, CastKind, ColumnId, Expr, JoinKind, LogicalPlan, SubqueryExpr, SubqueryKind,
    walk,
};
use quarry_types::{Datum, oids};
use std::collections::HashMap;

/// Runs over the plan (not inside remaining subqueries). Statements that lock or change rows read their sources again row by row:
/// they are left alone.
pub fn run(plan: &mut LogicalPlan) {
    if !changes_rows(plan) {
        descend(plan);
    }
}

fn changes_rows(plan: &LogicalPlan) -> bool {
    matches!(
        plan,
        LogicalPlan::Insert { .. }
            | LogicalPlan::Update { .. }
            | LogicalPlan::Delete { .. }
            | LogicalPlan::LockRows { .. }
    ) || walk::inputs(plan).into_iter().any(changes_rows)
}

fn descend(plan: &mut LogicalPlan) {
    for input in walk::inputs_mut(plan) {
        descend(input);
    }
    let (input, exprs): (&mut LogicalPlan, Vec<&mut Expr>) = match plan {
        LogicalPlan::Filter { input, predicates } => (input, predicates.iter_mut().collect()),
        LogicalPlan::Project { input, targets } => (input, targets.iter_mut().map(|(_, e)| e).collect()),
        _ => return,
    };
    if !is_from(input) {
        return;
    }
    for e in exprs {
        if !has_subquery(e) {
            continue;
        }
        walk::rewrite(e, &mut |e| {
            let Expr::Subquery(s) = e else { return };
            let available = walk::output_columns(input);
            if let Some(joined) = joined(s, &available) {
                let left = std::mem::replace(input, LogicalPlan::OneRow);
                *input = LogicalPlan::Join {
                    kind: JoinKind::Left,
                    left: Box::new(left),
                    right: Box::new(joined.right),
                    on: joined.on,
                };
                *e = joined.value;
            }
        });
    }
}

fn is_from(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Scan { .. }
        | LogicalPlan::CteScan { .. }
        | LogicalPlan::FunctionScan { .. }
        | LogicalPlan::SubqueryAlias { .. }
        | LogicalPlan::Join { .. } => true,
        LogicalPlan::Filter { input, .. } => is_from(input),
        _ => false,
    }
}

struct Joined {
    right: LogicalPlan,
    on: Vec<Expr>,
    /// What stands for the subquery.
    value: Expr,
}

fn joined(s: &SubqueryExpr, available: &[ColumnId]) -> Option<Joined> {
    let (SubqueryKind::Scalar, SubqueryPlan::Logical(plan), [output]) = (&s.kind, &s.plan, &s.output[..])
    else {
        return None;
    };
    let free = walk::free_columns(plan);
    if free.is_empty() || !free.iter().all(|id| available.contains(id)) {
        return None;
    }
    let LogicalPlan::Project { input, targets } = &**plan else { return None };
    let LogicalPlan::Aggregate { input: from, group, sets: None, aggregates, grouping } = &**input else {
        return None;
    };
    let [(target, value)] = &targets[..] else { return None };
    let plain = target == output
        && group.is_empty()
        && grouping.is_empty()
        && !aggregates.is_empty()
        && aggregates.iter().all(|(_, a)| cannot_fail_aggregate(a))
        && cannot_fail(value);
    let LogicalPlan::Filter { input: below, predicates } = &**from else { return None };
    if !plain || crate::exprs::plan_volatility(plan) == Volatility::Volatile || !simple_from(below) {
        return None;
    }
    let inner = walk::output_columns(below);
    let (mut keys, mut on, mut own) = (vec![], vec![], vec![]);
    for p in predicates {
        if !columns(p).iter().any(|id| available.contains(id)) {
            if !cannot_fail(p) {
                return None;
            }
            own.push(p.clone());
            continue;
        }
        let key = correlation(p, &inner)?;
        if leads_an_index(below, key.0) {
            return None;
        }
        if !keys.iter().any(|(id, _)| *id == key.0) {
            keys.push((key.0, key.1));
        }
        on.push(p.clone());
    }
    let (first, _) = keys.first()?.clone();
    let mut source = (**below).clone();
    if !own.is_empty() {
        source = LogicalPlan::Filter { input: Box::new(source), predicates: own };
    }
    if !walk::free_columns(&source).is_empty() {
        return None;
    }
    let mut outputs = keys.clone();
    outputs.push((*output, value.clone()));
    let right = LogicalPlan::Project {
        input: Box::new(LogicalPlan::Aggregate {
            input: Box::new(source),
            group: keys.clone(),
            sets: None,
            aggregates: aggregates.clone(),
            grouping: vec![],
        }),
        targets: outputs,
    };
    if !walk::free_columns(&right).is_empty() {
        return None;
    }
    let result = Expr::column(*output, value.ty());
    let value = match over_no_rows(value, aggregates) {
        Expr::Const { value: Datum::Null, .. } => result,
        empty => {
            // A key that was joined by equality is never NULL.
            let key = keys.iter().find(|(id, _)| *id == first)?.1.clone();
            let missing = Expr::IsNull { arg: Box::new(key), negated: false };
            let ty = result.ty();
            Expr::Case { operand: None, whens: vec![(missing, empty)], otherwise: Some(Box::new(result)), ty }
        }
    };
    Some(Joined { right, on, value })
}

/// The inner column of `column = outer expression`.
fn correlation(p: &Expr, inner: &[ColumnId]) -> Option<(ColumnId, Expr)> {
    let (op, left, right) = binary(p)?;
    if !is_equality(op) || !op.hashes || left.ty().oid != right.ty().oid || is_volatile(p) || has_subquery(p)
    {
        return None;
    }
    for (column, value) in [(left, right), (right, left)] {
        if let Expr::Column { id, .. } = column
            && inner.contains(id)
            && !columns(value).iter().any(|c| inner.contains(c))
        {
            return Some((*id, column.clone()));
        }
    }
    None
}

/// Tables joined by conditions that cannot fail.
fn simple_from(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Scan { .. } => true,
        LogicalPlan::Filter { input, predicates } => simple_from(input) && predicates.iter().all(cannot_fail),
        LogicalPlan::Join { left, right, on, .. } => {
            simple_from(left) && simple_from(right) && on.iter().all(cannot_fail)
        }
        _ => false,
    }
}

/// Whether an index begins with this column.
fn leads_an_index(plan: &LogicalPlan, column: ColumnId) -> bool {
    match plan {
        LogicalPlan::Scan { relation, columns, .. } => relation.indexes.iter().any(|index| {
            index.keys.first().and_then(|k| k.column).is_some_and(|n| {
                columns.iter().any(|(id, c)| *id == column && *c == quarry_plan::ScanColumn::Attribute(n))
            })
        }),
        other => walk::inputs(other).into_iter().any(|p| leads_an_index(p, column)),
    }
}

fn cannot_fail_aggregate(a: &AggregateExpr) -> bool {
    let name = a.function.def().name;
    let float = a.args.iter().any(|e| matches!(e.ty().oid, oids::FLOAT4 | oids::FLOAT8 | oids::MONEY));
    let known = match name {
        "count" | "min" | "max" | "bool_and" | "bool_or" | "every" => true,
        // Sums of floats can overflow.
        "sum" | "avg" => !float,
        _ => false,
    };
    known
        && a.order_by.is_empty()
        && a.direct_args.is_empty()
        && a.args.iter().all(cannot_fail)
        && a.filter.iter().all(cannot_fail)
}

/// Whether an expression has a value for every row: columns, constants, comparisons, logic, arithmetic of numeric.
fn cannot_fail(e: &Expr) -> bool {
    !walk::any(e, &|e| {
        let harmless = match e {
            Expr::Const { .. }
            | Expr::Column { .. }
            | Expr::And(_)
            | Expr::Or(_)
            | Expr::Not(_)
            | Expr::IsNull { .. }
            | Expr::IsBool { .. }
            | Expr::IsDistinct { .. }
            | Expr::Coalesce { .. }
            | Expr::Cast { kind: CastKind::Relabel, .. } => true,
            Expr::Call { form: CallForm::Operator(oid), ty, .. } => {
                quarry_functions::registry::operator(*oid).is_some_and(|op| match op.name {
                    "=" | "<>" | "<" | "<=" | ">" | ">=" => true,
                    "+" | "-" | "*" => ty.oid == oids::NUMERIC,
                    _ => false,
                })
            }
            // int to numeric and the like, which every value survives.
            Expr::Call { form: CallForm::ImplicitCast | CallForm::ExplicitCast, args, ty, .. } => {
                let from = args.first().map_or(oids::UNKNOWN, |a| a.ty().oid);
                let int = |o| matches!(o, oids::INT2 | oids::INT4 | oids::INT8);
                int(from) && ty.oid == oids::NUMERIC
                    || matches!(
                        (from, ty.oid),
                        (oids::INT2 | oids::INT4, oids::INT8) | (oids::INT2, oids::INT4)
                    )
            }
            _ => false,
        };
        !harmless
    })
}

/// The subquery's value where the aggregates saw no row: the constant NULL if that is plain.
fn over_no_rows(value: &Expr, aggregates: &[(ColumnId, AggregateExpr)]) -> Expr {
    let empty: HashMap<ColumnId, Expr> = aggregates
        .iter()
        .map(|(id, a)| {
            let value = match a.function.def().name {
                "count" => Expr::Const { value: Datum::I64(0), ty: a.ty },
                _ => Expr::null(a.ty),
            };
            (*id, value)
        })
        .collect();
    let mut out = value.clone();
    substitute(&mut out, &empty);
    out
}
