//! IN, ANY and ALL over a correlated subquery that are no joins become aggregates of its rows, which are joined as those of scalar
//! subqueries are (`unnest_scalars`):
//!
//! ```text
//! o.x IN (SELECT i.v FROM i WHERE i.k = o.k)
//!   -> CASE WHEN g.any THEN true WHEN g.unknown THEN NULL ELSE false END
//!      where g is (SELECT bool_or(o.x = i.v) AS any, bool_or((o.x = i.v) IS NULL) AS unknown FROM i WHERE i.k = o.k)
//! ```
//!
//! PostgreSQL goes through the rows until one decides: a row that fails behind that one raises nothing. So where something may fail, the
//! first row of the table that fails or decides counts, of EXISTS too:
//!
//! ```text
//! EXISTS (SELECT FROM i WHERE i.k = o.k AND i.a / i.b > 1)
//!   -> CASE WHEN g.e IS NOT NULL THEN raise_or(NULL, g.e) WHEN g.any THEN true ELSE false END
//!      where g is (SELECT bool_or(true) AS any, earliest(error_of(i.a / i.b > 1), i.ctid) AS e
//!                  FROM i WHERE i.k = o.k AND (or_null(i.a / i.b > 1) OR error_of(i.a / i.b > 1) IS NOT NULL))
//! ```
//!
//! The rows of a join have no order that it could be asked for, nor have those of a grouping: these are `run_again`.

use super::compare_extremes;
use super::defer_errors::{first_of, is_not_null, keep_in_conditions, kept, raise_first};
use super::nested_subqueries::plan_with_nested_cannot_fail;
use super::unnest_by_domain::Outer;
use super::unnest_scalars::{self, Joined, aggregate, replace_subqueries};
use super::{Rule, Rules, make_scalars};
use crate::exprs::{has_subquery, is_volatile, substitute};
use quarry_functions::{kept as functions, registry};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::total::cannot_fail;
use quarry_plan::{
    AggregateExpr, BoolTest, ColumnId, Expr, LogicalPlan, QueryMeta, SubqueryExpr, SubqueryKind, walk,
};
use quarry_types::{SqlType, oids};
use std::collections::HashMap;

/// Runs over the plan (not inside remaining subqueries), after what can be joined by itself was. True if a subquery became a join.
pub fn run(plan: &mut LogicalPlan, meta: &mut QueryMeta, rules: &Rules) -> bool {
    !rules.rechecks() && replace_subqueries(plan, &mut |s, outer| joined(s, outer, meta, rules))
}

/// What a subquery's rows are asked.
struct Test {
    /// Of each row; EXISTS asks nothing more than that there be one.
    test: Option<Expr>,
    /// Whether all must pass, not one.
    all: bool,
}

/// The join that a test of a subquery's rows comes from.
pub fn joined(s: &SubqueryExpr, outer: &Outer<'_>, meta: &mut QueryMeta, rules: &Rules) -> Option<Joined> {
    let SubqueryPlan::Logical(plan) = &s.plan else { return None };
    let (tests, all) = match &s.kind {
        SubqueryKind::Exists => (&[][..], false),
        SubqueryKind::Any { tests } => (&tests[..], false),
        SubqueryKind::All { tests } if tests.len() == 1 => (&tests[..], true),
        _ => return None,
    };
    let correlated = walk::free_columns(plan).iter().any(|id| outer.available.contains(id));
    if !correlated || compare_extremes::applies(s) || tests.iter().any(|t| has_subquery(t) || is_volatile(t))
    {
        return None;
    }
    if matches!(s.kind, SubqueryKind::Exists)
        && let Some((holds, output)) = make_scalars::having_holds(plan, meta)
    {
        return unnest_scalars::value(&holds, output, SqlType::BOOL, outer, meta, rules);
    }
    let test = match tests {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(Expr::And(several.to_vec())),
    };
    let test = Test { test, all };
    let free = walk::free_columns(plan);
    let total = rules.catches()
        || plan_with_nested_cannot_fail(plan, &free) && test.test.iter().all(|t| cannot_fail(t, &[]));
    let (rows, value) = match (total, &test.test) {
        // That is a mark (`unnest_marks`).
        (true, None) => return None,
        (true, Some(_)) => aggregated((**plan).clone(), test, None, meta)?,
        (false, _) if rules.allows(Rule::DeferErrors) => deferred(plan, test, meta)?,
        (false, _) => return None,
    };
    let output = meta.computed("passes", SqlType::BOOL);
    let whole = LogicalPlan::Project { input: Box::new(rows), targets: vec![(output, value)] };
    let value = (output, SqlType::BOOL);
    let joined = unnest_scalars::joined_value(&whole, value, outer, Some(Rule::UnnestTests), meta, rules)?;
    if !total {
        rules.fire(Rule::DeferErrors);
    }
    Some(joined)
}

/// The rows aggregated, and what that says. `errors`: a row's error, and where the row lies.
fn aggregated(
    input: LogicalPlan,
    test: Test,
    errors: Option<(Expr, Expr)>,
    meta: &mut QueryMeta,
) -> Option<(LogicalPlan, Expr)> {
    let Test { test, all } = test;
    let mut aggregates: Vec<(ColumnId, AggregateExpr)> = vec![];
    let mut call = |meta: &mut QueryMeta, name: &str, call: AggregateExpr| {
        let id = meta.computed(name, call.ty);
        let column = Expr::column(id, call.ty);
        aggregates.push((id, call));
        column
    };
    let of_booleans = |name: &str, arg: Expr| {
        let function = registry::functions_named(name).iter().find(|f| f.args == [oids::BOOL])?;
        Some(aggregate(function, vec![arg], SqlType::BOOL))
    };
    let passes = test.clone().unwrap_or(Expr::bool_const(true));
    let mut whens = vec![];
    match all {
        false => {
            let any = call(meta, "any", of_booleans("bool_or", passes.clone())?);
            whens.push((any, Expr::bool_const(true)));
        }
        true => {
            let every = call(meta, "all", of_booleans("bool_and", passes.clone())?);
            whens.push((Expr::Not(Box::new(every)), Expr::bool_const(false)));
        }
    }
    if let Some(test) = test {
        let unknown = Expr::IsNull { arg: Box::new(test), negated: false };
        let unknown = call(meta, "unknown", of_booleans("bool_or", unknown)?);
        whens.push((unknown, Expr::null(SqlType::BOOL)));
    }
    let otherwise = Some(Box::new(Expr::bool_const(all)));
    let mut value = Expr::Case { operand: None, whens, otherwise, ty: SqlType::BOOL };
    if let Some((error, place)) = errors {
        let decided = if all { BoolTest::False } else { BoolTest::True };
        let decides = Expr::IsBool { arg: Box::new(passes), test: decided };
        let counts = Expr::Or(vec![is_not_null(error.clone()), decides]);
        let earliest = aggregate(registry::function(functions::EARLIEST)?, vec![error, place], SqlType::TEXT);
        let first = call(meta, "error", AggregateExpr { filter: Some(counts), ..earliest });
        raise_first(&mut value, &first)?;
    }
    let input = Box::new(input);
    let rows = LogicalPlan::Aggregate { input, group: vec![], sets: None, aggregates, grouping: vec![] };
    Some((rows, value))
}

/// The same with errors kept, of a subquery that reads one table.
fn deferred(plan: &LogicalPlan, mut test: Test, meta: &mut QueryMeta) -> Option<(LogicalPlan, Expr)> {
    let mut rows = plan.clone();
    while let LogicalPlan::Project { input, targets } = rows {
        let map: HashMap<ColumnId, Expr> = targets.into_iter().collect();
        test.test.iter_mut().for_each(|t| substitute(t, &map));
        rows = *input;
    }
    let failing = match &mut rows {
        LogicalPlan::Filter { predicates, .. } => {
            predicates.extract_if(.., |p| !cannot_fail(p, &[])).collect()
        }
        _ => vec![],
    };
    let mut errors = keep_in_conditions(&mut rows, failing)?;
    let scan = match &mut rows {
        LogicalPlan::Filter { input, .. } => &mut **input,
        other => other,
    };
    let place = make_scalars::place_of(scan, meta)?;
    if let Some(test) = &mut test.test
        && !cannot_fail(test, &[])
    {
        if is_volatile(test) {
            return None;
        }
        let (value, error) = kept(test)?;
        *test = value;
        errors.push(error);
    }
    let error = first_of(errors)?;
    aggregated(rows, test, Some((error, place)), meta)
}
