//! EXISTS, IN, ANY, ALL and their opposites as conditions of WHERE become semi and anti joins (PostgreSQL:
//! `convert_EXISTS_sublink_to_join`, `convert_ANY_sublink_to_join`).
//!
//! ```text
//! x IN (SELECT i.v FROM i WHERE i.k = o.k)      ->  SEMI JOIN i ON i.k = o.k AND x = i.v
//! x NOT IN (SELECT i.v FROM i WHERE i.k = o.k)  ->  ANTI JOIN i ON i.k = o.k AND (x = i.v) IS NOT FALSE
//! x > ALL (SELECT i.v FROM i WHERE i.k = o.k)   ->  ANTI JOIN i ON i.k = o.k AND (x > i.v) IS NOT TRUE
//! ```
//!
//! The last two, and subqueries that are correlated and more than a join (`lift_correlation`), PostgreSQL runs for each row. A NULL on
//! either side makes NOT IN not true, which is what IS NOT FALSE says; where neither side can be NULL the equality itself will do.
//! An uncorrelated NOT IN of values that may be NULL, of one column or several, is a subplan, whose hash table knows of NULLs, or where
//! costs say so an anti join that does.

use super::inner_joins::draw;
use super::lift_correlation::{Lifted, is_from, lift_any};
use super::never_null;
use super::unnest_by_domain::Outer;
use super::{Rule, Rules};
use crate::exprs::{binary, columns, is_equality, is_volatile, nonnullable, plan_volatility, substitute};
use quarry_functions::Volatility;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::total::{cannot_fail, plan_cannot_fail};
use quarry_plan::{
    BoolTest, ColumnId, Expr, JoinKind, LogicalPlan, QueryMeta, SubqueryExpr, SubqueryKind, walk,
};
use std::collections::HashMap;

/// Runs over the plan (not inside remaining subqueries). True if a subquery became a join.
pub fn run(plan: &mut LogicalPlan, meta: &mut QueryMeta, rules: &Rules) -> bool {
    unnest(plan, &mut Context { meta, rules, plain: rules.rechecks() })
}

struct Context<'a> {
    meta: &'a mut QueryMeta,
    rules: &'a Rules,
    /// Only what is a join as it stands. A row that is read again is not held against the anti joins of other forms.
    plain: bool,
}

impl Context<'_> {
    /// A subquery's rows for each combination of keys. A join raises nothing that was kept.
    fn lifted(&mut self, plan: &LogicalPlan, outer: &Outer<'_>) -> Option<Lifted> {
        lift_any(plan, outer, false, self.meta, self.rules).filter(|lifted| lifted.errors.is_empty())
    }
    fn note(&self, lifted: &Lifted) {
        if lifted.by_domain {
            self.rules.fire(Rule::UnnestByDomain);
        }
    }
}

fn unnest(plan: &mut LogicalPlan, cx: &mut Context<'_>) -> bool {
    let mut any = false;
    for input in walk::inputs_mut(plan) {
        any |= unnest(input, cx);
    }
    let LogicalPlan::Filter { input, predicates } = plan else { return any };
    if !predicates.iter().any(is_candidate) {
        return any;
    }
    let conditions: Vec<Expr> =
        predicates.iter().filter(|e| !crate::exprs::has_subquery(e)).cloned().collect();
    // What is never NULL where the conditions hold.
    let mut known = never_null::columns_of(input);
    predicates.iter().for_each(|p| nonnullable(p, true, &mut known));
    let mut rest = vec![];
    for p in std::mem::take(predicates) {
        if !is_candidate(&p) {
            rest.push(p);
            continue;
        }
        let outer = Outer {
            from: input,
            conditions: &conditions,
            available: walk::output_columns(input),
            always: false,
        };
        let join = match p {
            Expr::Subquery(s) => positive(*s, &outer, &known, cx),
            Expr::Not(arg) => match *arg {
                Expr::Subquery(s) => negative(*s, &outer, &known, cx).map_err(|e| Expr::Not(Box::new(e))),
                other => Err(Expr::Not(Box::new(other))),
            },
            other => Err(other),
        };
        match join {
            Ok((kind, mut right, on)) => {
                unnest(&mut right, cx);
                any = true;
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
    any
}

fn is_candidate(p: &Expr) -> bool {
    let quantified = |e: &Expr| {
        matches!(e, Expr::Subquery(s)
            if matches!(s.kind, SubqueryKind::Exists | SubqueryKind::Any { .. } | SubqueryKind::All { .. }))
    };
    match p {
        Expr::Not(arg) => quantified(arg),
        p => quantified(p),
    }
}

fn positive(
    s: SubqueryExpr,
    outer: &Outer<'_>,
    known: &[ColumnId],
    cx: &mut Context<'_>,
) -> Result<Joined, Expr> {
    match s.kind {
        SubqueryKind::Exists => exists(s, JoinKind::Semi, outer, cx),
        SubqueryKind::Any { .. } => in_values(s, &outer.available).or_else(|e| match cx.plain {
            true => Err(e),
            false => quantified(e, Quantified::Any, outer, known, cx),
        }),
        SubqueryKind::All { .. } if !cx.plain => {
            quantified(Expr::Subquery(Box::new(s)), Quantified::All, outer, known, cx)
        }
        _ => Err(Expr::Subquery(Box::new(s))),
    }
}

fn negative(
    s: SubqueryExpr,
    outer: &Outer<'_>,
    known: &[ColumnId],
    cx: &mut Context<'_>,
) -> Result<Joined, Expr> {
    match s.kind {
        SubqueryKind::Exists => exists(s, JoinKind::Anti, outer, cx),
        SubqueryKind::Any { .. } if !cx.plain => {
            quantified(Expr::Subquery(Box::new(s)), Quantified::NotAny, outer, known, cx)
        }
        _ => Err(Expr::Subquery(Box::new(s))),
    }
}

/// The equality of which a test is the opposite.
fn not_equal(test: &Expr) -> Option<Expr> {
    let (op, left, right) = binary(test)?;
    let opposite = quarry_functions::registry::operator(op.negator)?;
    if op.name != "<>" || !is_equality(opposite) {
        return None;
    }
    crate::exprs::operator_call(opposite, left.clone(), right.clone())
}

/// How a comparison with a subquery's rows is quantified.
#[derive(Clone, Copy, PartialEq)]
enum Quantified {
    Any,
    NotAny,
    All,
}

/// A quantified comparison whose subquery reads the outer row, or one whose sides can't be NULL.
fn quantified(
    e: Expr,
    how: Quantified,
    outer: &Outer<'_>,
    known: &[ColumnId],
    cx: &mut Context<'_>,
) -> Result<Joined, Expr> {
    match quantified_join(&e, how, outer, known, cx) {
        Some(joined) => Ok(joined),
        None => Err(e),
    }
}

fn quantified_join(
    e: &Expr,
    how: Quantified,
    outer: &Outer<'_>,
    known: &[ColumnId],
    cx: &mut Context<'_>,
) -> Option<Joined> {
    let available = &outer.available;
    let Expr::Subquery(s) = e else { return None };
    let (SubqueryKind::Any { tests } | SubqueryKind::All { tests }, SubqueryPlan::Logical(plan)) =
        (&s.kind, &s.plan)
    else {
        return None;
    };
    // x <> ALL is x NOT IN.
    let turned: Option<Vec<Expr>> = match how {
        Quantified::All => tests.iter().map(not_equal).collect(),
        _ => None,
    };
    let (how, tests) = match &turned {
        Some(equalities) => (Quantified::NotAny, equalities),
        None => (how, tests),
    };
    let reads_outer = tests.iter().all(|t| columns(t).iter().any(|id| available.contains(id)));
    if !reads_outer || tests.iter().any(|t| is_volatile(t) || crate::exprs::has_subquery(t)) {
        return None;
    }
    let correlated = walk::free_columns(plan).iter().any(|id| available.contains(id));
    if plan_volatility(plan) == Volatility::Volatile || how == Quantified::All && tests.len() != 1 {
        return None;
    }
    let (right, mut on, mut tests) = match correlated {
        true => uncorrelated(plan, tests, outer, cx)?,
        false => ((**plan).clone(), vec![], tests.clone()),
    };
    // Without NULLs a comparison is true or false.
    let mut known = known.to_vec();
    known.extend(never_null::columns_of(&right));
    let sure = |e: &Expr| {
        binary(e).is_some_and(|(op, l, r)| {
            is_equality(op) && never_null::is_value(l, &known) && never_null::is_value(r, &known)
        })
    };
    let kind = match how {
        Quantified::Any => JoinKind::Semi,
        Quantified::NotAny | Quantified::All => JoinKind::Anti,
    };
    if how == Quantified::Any || how == Quantified::NotAny && tests.iter().all(sure) {
        on.append(&mut tests);
    } else if correlated {
        let all = if tests.len() == 1 { tests.remove(0) } else { Expr::And(tests) };
        let test = if how == Quantified::All { BoolTest::NotTrue } else { BoolTest::NotFalse };
        on.push(Expr::IsBool { arg: Box::new(all), test });
    } else if how == Quantified::NotAny
        && tests.iter().all(|test| {
            binary(test).is_some_and(|(op, l, r)| is_equality(op) && op.hashes && l.ty().oid == r.ty().oid)
        })
        && cx.rules.allows_costly(Rule::UnnestNotIn)
    {
        cx.rules.fire(Rule::UnnestNotIn);
        // Rows are unequal if one pair of columns is; each pair that need not be is a key.
        on.extend(tests.into_iter().map(|test| match sure(&test) {
            true => test,
            false => Expr::IsBool { arg: Box::new(test), test: BoolTest::NotFalse },
        }));
    } else {
        return None;
    }
    let right = match right {
        LogicalPlan::Project { .. } => {
            LogicalPlan::SubqueryAlias { input: Box::new(right), alias: "ANY_subquery".into() }
        }
        other => other,
    };
    Some((kind, right, on))
}

/// A correlated subquery as a plan of its own, the conditions by which it is joined, and the tests over its columns.
fn uncorrelated(
    plan: &LogicalPlan,
    tests: &[Expr],
    outer: &Outer<'_>,
    cx: &mut Context<'_>,
) -> Option<(LogicalPlan, Vec<Expr>, Vec<Expr>)> {
    let available = &outer.available;
    if let Some((from, targets)) = simple(plan)
        && let Some((right, on)) = split(from, available)
    {
        let map: HashMap<ColumnId, Expr> = targets.iter().cloned().collect();
        if map.values().any(|e| is_volatile(e) || crate::exprs::has_subquery(e)) {
            return None;
        }
        let mut tests = tests.to_vec();
        tests.iter_mut().for_each(|t| substitute(t, &map));
        // PostgreSQL asks only the rows that belong to the outer one.
        let total = |e: &Expr| cannot_fail(e, available);
        if !plan_cannot_fail(&right, &[]) || !on.iter().chain(&tests).all(total) {
            return None;
        }
        return Some((right, on, tests));
    }
    let lifted = cx.lifted(plan, outer)?;
    let plain = |e: &Expr| matches!(e, Expr::Column { .. } | Expr::Const { .. });
    if !lifted.values.iter().all(|(_, e)| plain(e)) {
        return None;
    }
    cx.note(&lifted);
    let mut targets = lifted.values;
    // The identity's types are those that the tests ask for.
    for (id, e) in &mut targets {
        if let Expr::Column { ty, .. } = e {
            for t in tests {
                walk::visit(t, &mut |t| {
                    if let Expr::Column { id: used, ty: asked } = t
                        && used == id
                    {
                        *ty = *asked;
                    }
                });
            }
        }
    }
    for (id, key) in &lifted.keys {
        if !targets.iter().any(|(t, _)| t == id) {
            targets.push((*id, key.clone()));
        }
    }
    let right = LogicalPlan::Project { input: Box::new(lifted.plan), targets };
    Some((right, lifted.on, tests.to_vec()))
}

/// The FROM clause and targets of a subquery that only joins, filters and computes; order and duplicates don't matter here.
fn simple(plan: &LogicalPlan) -> Option<(&LogicalPlan, &[(ColumnId, Expr)])> {
    match plan {
        LogicalPlan::Sort { input, .. } | LogicalPlan::Distinct { input, on: None } => simple(input),
        LogicalPlan::Project { input, targets } => {
            let mut from = &**input;
            while let LogicalPlan::Sort { input, .. } = from {
                from = input;
            }
            is_from(from).then_some((from, targets))
        }
        _ => None,
    }
}

/// A FROM clause without the conditions that read the outer row, and these.
fn split(from: &LogicalPlan, available: &[ColumnId]) -> Option<(LogicalPlan, Vec<Expr>)> {
    let mut right = from.clone();
    let mut on = vec![];
    draw(&mut right, &|e| columns(e).iter().any(|id| available.contains(id)), &mut on);
    let inner = walk::output_columns(&right);
    let usable = |e: &Expr| !is_volatile(e) && !crate::exprs::has_subquery(e);
    // The conditions with outer columns must read the subquery too, or there is nothing to join by.
    let joins = on.iter().any(|e| columns(e).iter().any(|id| inner.contains(id)));
    let free = walk::free_columns(&right).iter().any(|id| available.contains(id));
    (joins && !free && on.iter().all(usable)).then_some((right, on))
}

type Joined = (JoinKind, LogicalPlan, Vec<Expr>);

/// EXISTS (SELECT ... FROM ... WHERE condition with outer columns).
fn exists(s: SubqueryExpr, kind: JoinKind, outer: &Outer<'_>, cx: &mut Context<'_>) -> Result<Joined, Expr> {
    let available = &outer.available;
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
    if plan_volatility(plan) == Volatility::Volatile {
        return Err(Expr::Subquery(Box::new(s)));
    }
    if let Some(from) = from_of(plan) {
        // HAVING is a Filter over an Aggregate: not a FROM.
        if is_from(from)
            && let Some((right, on)) = split(from, available)
        {
            return Ok((kind, right, on));
        }
    }
    // Grouped, numbered, cut off: its rows for each combination of keys.
    match cx.plain {
        // Of the first row PostgreSQL computes what the subquery selects.
        false => match cx.lifted(plan, outer).filter(Lifted::values_cannot_fail) {
            Some(lifted) => {
                cx.note(&lifted);
                Ok((kind, lifted.plan, lifted.on))
            }
            None => Err(Expr::Subquery(Box::new(s))),
        },
        true => Err(Expr::Subquery(Box::new(s))),
    }
}

/// `x IN (SELECT ...)`: the subquery must not read the outer row.
fn in_values(s: SubqueryExpr, available: &[ColumnId]) -> Result<Joined, Expr> {
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
