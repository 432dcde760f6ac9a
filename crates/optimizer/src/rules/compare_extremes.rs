//! A comparison with all or any values of a subquery is one with the greatest or the least of them:
//!
//! ```text
//! o.x > ALL (SELECT i.v FROM i WHERE i.k = o.k)
//!   -> g.n = 0 OR o.x > g.max AND (g.values = g.n OR NULL)
//!      FROM o LEFT JOIN (SELECT i.k, max(i.v), count(i.v) AS values, count(*) AS n FROM i GROUP BY i.k) g ON g.k = o.k
//! o.x < ANY (SELECT i.v FROM i)
//!   -> g.n <> 0 AND (o.x < g.max OR g.values <> g.n AND NULL)      FROM o, (SELECT max(i.v), ... FROM i) g
//! ```
//!
//! Of no rows all are greater and none is. A NULL among the values leaves unknown what the others don't decide: these are the parts with
//! NULL above, which go where the values can't be NULL. `= ALL` and `<> ANY` compare with both ends.
//!
//! PostgreSQL goes through the values for each row. As a condition of WHERE the comparison could be a semi or anti join, too
//! (`unnest_subqueries`), by a nested loop if there is no equality: costs decide.

use super::lift_correlation::lift_any;
use super::never_null;
use super::unnest_by_domain::Outer;
use super::unnest_scalars::{Joined, aggregate, replace_subqueries};
use super::{Rule, Rules};
use crate::exprs::{
    binary, columns, equality, has_subquery, is_volatile, operator_call, plan_volatility, strip_relabel,
};
use quarry_functions::{OperatorDef, Volatility, registry};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::total::{cannot_fail, plan_cannot_fail};
use quarry_plan::{
    AggregateExpr, ColumnId, Expr, JoinKind, LogicalPlan, QueryMeta, SubqueryExpr, SubqueryKind, walk,
};
use quarry_types::{Datum, SqlType, oids};

/// Runs over the plan (not inside remaining subqueries), before conditions become semi and anti joins. True if a comparison was found.
pub fn run(plan: &mut LogicalPlan, meta: &mut QueryMeta, rules: &Rules) -> bool {
    !rules.rechecks() && replace_subqueries(plan, &mut |s, outer| joined(s, outer, meta, rules))
}

/// `value op v` for a subquery's values v.
struct Comparison<'e> {
    op: &'static OperatorDef,
    value: &'e Expr,
    inner: &'e Expr,
    all: bool,
}

/// An end of the values' order, and the operator that compares with it.
type End = (&'static str, &'static OperatorDef);

impl Comparison<'_> {
    /// With which ends the value is to be compared.
    fn ends(&self) -> Option<Vec<End>> {
        Some(match (self.op.name, self.all) {
            (">" | ">=", true) | ("<" | "<=", false) => vec![("max", self.op)],
            ("<" | "<=", true) | (">" | ">=", false) => vec![("min", self.op)],
            ("=", true) | ("<>", false) => vec![("min", self.op), ("max", self.op)],
            _ => return None,
        })
    }
}

/// Whether it is a comparison that an end of the values' order decides, and nothing in it may fail.
pub fn applies(s: &SubqueryExpr) -> bool {
    let total = |plan: &LogicalPlan| plan_cannot_fail(plan, &[]);
    matches!(&s.plan, SubqueryPlan::Logical(plan) if total(plan))
        && comparison(s).is_some_and(|c| c.ends().is_some())
}

fn comparison(s: &SubqueryExpr) -> Option<Comparison<'_>> {
    let (tests, all) = match &s.kind {
        SubqueryKind::Any { tests } => (tests, false),
        SubqueryKind::All { tests } => (tests, true),
        _ => return None,
    };
    let ([test], [output]) = (&tests[..], &s.output[..]) else { return None };
    let (op, left, right) = binary(test)?;
    let is_inner = |e: &Expr| matches!(strip_relabel(e), Expr::Column { id, .. } if id == output);
    let (op, value, inner) = match (is_inner(left), is_inner(right)) {
        (false, true) => (op, left, right),
        (true, false) => (registry::operator(op.commutator)?, right, left),
        _ => return None,
    };
    // The aggregates' order must be the operator's.
    let whole = |ty: SqlType| matches!(ty.oid, oids::INT2 | oids::INT4 | oids::INT8);
    let same = value.ty().oid == inner.ty().oid || whole(value.ty()) && whole(inner.ty());
    let plain = !is_volatile(value) && !has_subquery(value) && !columns(value).contains(output);
    (same && plain).then_some(Comparison { op, value, inner, all })
}

/// The join that the ends of a subquery's values come from.
pub fn joined(s: &SubqueryExpr, outer: &Outer<'_>, meta: &mut QueryMeta, rules: &Rules) -> Option<Joined> {
    let c = comparison(s)?;
    let (ends, SubqueryPlan::Logical(plan), [output]) = (c.ends()?, &s.plan, &s.output[..]) else {
        return None;
    };
    if plan_volatility(plan) == Volatility::Volatile {
        return None;
    }
    let has_nulls = !never_null::columns_of(plan).contains(output);
    // Aggregated over all rows, none included.
    let ty = c.inner.ty();
    let mut aggregates: Vec<(ColumnId, AggregateExpr)> = vec![];
    let mut add = |name: &'static str, args: Vec<Expr>, ty: SqlType, meta: &mut QueryMeta| -> Option<Expr> {
        let given: Vec<_> = args.iter().map(|a| a.ty().oid).collect();
        let fits = |f: &&&'static quarry_functions::FunctionDef| {
            f.args == given || name == "count" && f.args.len() == given.len()
        };
        let function = registry::functions_named(name).iter().find(fits)?;
        let id = meta.computed(name, ty);
        let star = args.is_empty();
        aggregates.push((id, AggregateExpr { star, ..aggregate(function, args, ty) }));
        Some(Expr::column(id, ty))
    };
    let rows = add("count", vec![], SqlType::INT8, meta)?;
    let values = match has_nulls {
        true => Some(add("count", vec![c.inner.clone()], SqlType::INT8, meta)?),
        false => None,
    };
    let mut compared = vec![];
    for (name, op) in ends {
        compared.push((op, add(name, vec![c.inner.clone()], ty, meta)?));
    }
    let mut all = vec![&rows];
    all.extend(&values);
    all.extend(compared.iter().map(|(_, e)| e));
    let targets: Vec<(ColumnId, Expr)> =
        all.into_iter().map(|e| (meta.computed("value", e.ty()), e.clone())).collect();
    let input = LogicalPlan::Aggregate {
        input: plan.clone(),
        group: vec![],
        sets: None,
        aggregates,
        grouping: vec![],
    };
    let plan = LogicalPlan::Project { input: Box::new(input), targets };
    let mut by_domain = false;
    let (kind, right, on, found) = if walk::free_columns(&plan).is_empty() {
        // Run once for all rows it is an InitPlan.
        if columns(c.value).is_empty() || !plan_cannot_fail(&plan, &[]) {
            return None;
        }
        let LogicalPlan::Project { input, targets } = plan else { return None };
        (JoinKind::Inner, *input, vec![], targets)
    } else {
        let lifted = lift_any(&plan, outer, true, meta, rules)
            .filter(|lifted| lifted.whole && lifted.errors.is_empty())?;
        by_domain = lifted.by_domain;
        (JoinKind::Left, lifted.plan, lifted.on, lifted.values)
    };
    let mut found = found.into_iter().map(|(_, e)| e);
    let rows = found.next()?;
    let values = if has_nulls { found.next() } else { None };
    let tests: Vec<Expr> = compared
        .into_iter()
        .zip(found)
        .map(|((op, _), end)| operator_call(op, c.value.clone(), end))
        .collect::<Option<_>>()?;
    let zero = Expr::Const { value: Datum::I64(0), ty: SqlType::INT8 };
    let none = equality(rows.clone(), zero)?;
    let complete = match values {
        Some(values) => Some(equality(values, rows)?),
        None => None,
    };
    let unknown = || Expr::null(SqlType::BOOL);
    let mut parts = tests;
    let compared = if c.all {
        parts.extend(complete.map(|all| Expr::Or(vec![all, unknown()])));
        joined_by(Expr::And, parts)?
    } else {
        parts.extend(complete.map(|all| Expr::And(vec![crate::exprs::negate(all), unknown()])));
        joined_by(Expr::Or, parts)?
    };
    let value = if !cannot_fail(c.value, &[]) {
        // Without rows the value isn't asked for.
        let whens = vec![(none, Expr::bool_const(c.all))];
        Expr::Case { operand: None, whens, otherwise: Some(Box::new(compared)), ty: SqlType::BOOL }
    } else if c.all {
        Expr::Or(vec![none, compared])
    } else {
        Expr::And(vec![crate::exprs::negate(none), compared])
    };
    if !rules.allows_costly(Rule::CompareExtremes) {
        return None;
    }
    if by_domain {
        rules.fire(Rule::UnnestByDomain);
    }
    Some(Joined { kind, right, on, value, also: vec![] })
}

fn joined_by(by: fn(Vec<Expr>) -> Expr, mut parts: Vec<Expr>) -> Option<Expr> {
    if parts.len() == 1 { parts.pop() } else { Some(by(parts)) }
}
