//! Correlated scalar subqueries become left joins with the table grouped once, or with the one row they look up:
//!
//! ```text
//! SELECT ..., (SELECT sum(i.v) FROM i WHERE i.k = o.k) FROM o
//!   -> SELECT ..., g.sum FROM o LEFT JOIN (SELECT i.k, sum(i.v) FROM i GROUP BY i.k) g ON g.k = o.k
//! SELECT ..., (SELECT c.name FROM c WHERE c.id = o.c) FROM o
//!   -> SELECT ..., c.name FROM o LEFT JOIN c ON c.id = o.c
//! SELECT ..., (SELECT i.v FROM i WHERE i.k = o.k) FROM o
//!   -> SELECT ..., single_value(g.v, g.n) FROM o
//!      LEFT JOIN (SELECT i.k, any_value(i.v) AS v, count(*) AS n FROM i GROUP BY i.k) g ON g.k = o.k
//! SELECT ..., ARRAY(SELECT i.v FROM i WHERE i.k = o.k ORDER BY i.t) FROM o
//!   -> SELECT ..., coalesce(g.a, '{}') FROM o LEFT JOIN (SELECT i.k, array_agg(i.v ORDER BY i.t) AS a FROM i GROUP BY i.k) g ON g.k = o.k
//! ```
//!
//! The third is Neumann and Kemper's single join, taken apart: the error of a second row is raised by `single_value`, an expression where
//! the subquery stood. So it comes only for outer rows for which PostgreSQL would run the subquery: not in an arm of CASE that isn't
//! taken, not for a row that another condition or LIMIT has left out. A join that raises it by itself would raise too much.
//!
//! What else gives one value is brought into the first form (`make_scalars`). Where what it aggregates, or a condition, may fail, errors
//! are kept as values (`defer_errors`).
//!
//! PostgreSQL runs such a subquery once for each row. How the correlation is taken out is told in `lift_correlation`. Where an index
//! leads with a key, a lookup per row may well be cheaper than grouping everything, and where rows that nobody asks for are grouped as
//! well: costs decide.

use super::defer_errors::{self, first_of, raise_first};
use super::lift_correlation::{Lifted, is_from, lift_any};
use super::unnest_by_domain::Outer;
use super::{Rule, Rules, make_scalars, order_in_calls};
use crate::exprs::{columns, has_subquery, substitute};
use quarry_functions::{internal, registry};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{
    AggregateExpr, ColumnId, Expr, FunctionRef, JoinKind, LogicalPlan, QueryMeta, SubqueryExpr, SubqueryKind,
    walk,
};
use quarry_types::SqlType;
use std::collections::HashMap;

/// Runs over the plan (not inside remaining subqueries). True if a subquery became a join. Where a changed row is tested again they are
/// run for that row.
pub fn run(plan: &mut LogicalPlan, meta: &mut QueryMeta, rules: &Rules) -> bool {
    !rules.rechecks() && replace_subqueries(plan, &mut |s, outer| joined(s, outer, meta, rules))
}

/// What stands for a subquery: a join with `right`.
pub struct Joined {
    pub kind: JoinKind,
    pub right: LogicalPlan,
    pub on: Vec<Expr>,
    pub value: Expr,
    /// Left joins that the value comes from, besides.
    pub also: Vec<(LogicalPlan, Vec<Expr>)>,
}

impl Joined {
    /// Its joins, each with the outer rows to the left, and the value.
    fn parts(self) -> (Vec<(JoinKind, LogicalPlan, Vec<Expr>)>, Expr) {
        let also = self.also.into_iter().map(|(right, on)| (JoinKind::Left, right, on));
        ([(self.kind, self.right, self.on)].into_iter().chain(also).collect(), self.value)
    }
}

/// Replaces subqueries in conditions, target lists, groupings and sorts over FROM clauses and groupings by what `f` makes of them. True
/// if any was.
pub fn replace_subqueries(
    plan: &mut LogicalPlan,
    f: &mut dyn FnMut(&SubqueryExpr, &Outer<'_>) -> Option<Joined>,
) -> bool {
    let mut any = false;
    for input in walk::inputs_mut(plan) {
        any |= replace_subqueries(input, f);
    }
    if let LogicalPlan::Join { kind: JoinKind::Inner | JoinKind::Left, left, right, .. } = plan
        && matches!(**right, LogicalPlan::FunctionScan { .. })
    {
        any |= replace_in_arguments(left, right, f);
    }
    if !walk::exprs(plan).into_iter().any(has_subquery) {
        return any;
    }
    let input = match plan {
        LogicalPlan::Join { kind: JoinKind::Left | JoinKind::Right | JoinKind::Full, left, right, on } => {
            return any | replace_in_condition(left, right, on, f);
        }
        LogicalPlan::Filter { input, .. }
        | LogicalPlan::Project { input, .. }
        | LogicalPlan::Aggregate { input, .. }
        | LogicalPlan::Window { input, .. }
        | LogicalPlan::ProjectSet { input, .. }
        | LogicalPlan::Sort { input, .. }
            if is_from(input)
                || matches!(
                    **input,
                    LogicalPlan::Aggregate { .. }
                        | LogicalPlan::Window { .. }
                        | LogicalPlan::ProjectSet { .. }
                ) =>
        {
            input
        }
        _ => return any,
    };
    let mut input = std::mem::replace(&mut **input, LogicalPlan::OneRow);
    let conditions: Vec<Expr> = match plan {
        LogicalPlan::Filter { predicates, .. } => {
            predicates.iter().filter(|e| !has_subquery(e)).cloned().collect()
        }
        _ => vec![],
    };
    for e in walk::exprs_mut(plan) {
        if !has_subquery(e) {
            continue;
        }
        walk::rewrite(e, &mut |e| {
            let Expr::Subquery(s) = e else { return };
            any |= replace_nested(s, &mut input, &conditions, f);
            let outer = Outer {
                from: &input,
                conditions: &conditions,
                available: walk::output_columns(&input),
                always: false,
            };
            if let Some(joined) = f(s, &outer) {
                any = true;
                *e = join_to(&mut input, joined);
            }
        });
    }
    if let Some(slot) = walk::inputs_mut(plan).into_iter().next() {
        *slot = input;
    }
    any
}

/// The same for subqueries in a subquery that read nothing of its rows, only outer ones: they are as good as a column of these.
fn replace_nested(
    s: &mut SubqueryExpr,
    input: &mut LogicalPlan,
    conditions: &[Expr],
    f: &mut dyn FnMut(&SubqueryExpr, &Outer<'_>) -> Option<Joined>,
) -> bool {
    let SubqueryPlan::Logical(plan) = &mut s.plan else { return false };
    let mut any = false;
    each_expr(plan, &mut |e| {
        walk::rewrite(e, &mut |e| {
            let Expr::Subquery(nested) = &*e else { return };
            let read = columns(e);
            let available = walk::output_columns(input);
            if read.is_empty() || !read.iter().all(|id| available.contains(id)) {
                return;
            }
            let outer = Outer { from: input, conditions, available, always: false };
            if let Some(joined) = f(nested, &outer) {
                any = true;
                *e = join_to(input, joined);
            }
        });
    });
    any
}

/// Shows the expressions of a plan and of its inputs that have subqueries.
fn each_expr(plan: &mut LogicalPlan, show: &mut dyn FnMut(&mut Expr)) {
    walk::exprs_mut(plan).into_iter().filter(|e| has_subquery(e)).for_each(&mut *show);
    walk::inputs_mut(plan).into_iter().for_each(|input| each_expr(input, show));
}

/// The same for subqueries in arguments of a function in FROM, which is called for each row to its left.
fn replace_in_arguments(
    left: &mut LogicalPlan,
    call: &mut LogicalPlan,
    f: &mut dyn FnMut(&SubqueryExpr, &Outer<'_>) -> Option<Joined>,
) -> bool {
    let mut any = false;
    for e in walk::exprs_mut(call).into_iter().filter(|e| has_subquery(e)) {
        walk::rewrite(e, &mut |e| {
            let read = columns(e);
            let available = walk::output_columns(left);
            if let Expr::Subquery(s) = &*e
                && is_from(left)
                && read.iter().all(|id| available.contains(id))
                && let Some(joined) = f(s, &Outer { from: left, conditions: &[], available, always: false })
            {
                any = true;
                *e = join_to(left, joined);
            }
        });
    }
    any
}

/// Joins what stands for a subquery to the rows that it was asked for; its value.
fn join_to(rows: &mut LogicalPlan, joined: Joined) -> Expr {
    let (joins, value) = joined.parts();
    for (kind, right, on) in joins {
        let left = Box::new(std::mem::replace(rows, LogicalPlan::OneRow));
        *rows = LogicalPlan::Join { kind, left, right: Box::new(right), on };
    }
    value
}

/// The same for subqueries in an outer join's condition that read rows of one side: they are joined to that side, row by row, before the
/// sides are.
fn replace_in_condition(
    left: &mut LogicalPlan,
    right: &mut LogicalPlan,
    on: &mut [Expr],
    f: &mut dyn FnMut(&SubqueryExpr, &Outer<'_>) -> Option<Joined>,
) -> bool {
    let mut any = false;
    for e in on.iter_mut().filter(|e| has_subquery(e)) {
        walk::rewrite(e, &mut |e| {
            let Expr::Subquery(s) = e else { return };
            let read = columns(&Expr::Subquery(s.clone()));
            for side in [&mut *left, &mut *right] {
                let available = walk::output_columns(side);
                if !is_from(side) || !read.iter().any(|id| available.contains(id)) {
                    continue;
                }
                if !read.iter().all(|id| available.contains(id)) {
                    return;
                }
                let outer = Outer { from: side, conditions: &[], available, always: false };
                if let Some(joined) = f(s, &outer) {
                    any = true;
                    *e = join_to(side, joined);
                }
                return;
            }
        });
    }
    any
}

/// The join that an expression's subquery, which has one value, comes from.
pub fn joined(s: &SubqueryExpr, outer: &Outer<'_>, meta: &mut QueryMeta, rules: &Rules) -> Option<Joined> {
    let SubqueryPlan::Logical(plan) = &s.plan else { return None };
    if walk::free_columns(plan).is_empty() {
        return None;
    }
    let (plan, output) = match (&s.kind, &s.output[..]) {
        (SubqueryKind::Scalar, [output]) => return value(plan, *output, s.ty, outer, meta, rules),
        (SubqueryKind::Array, [output]) => make_scalars::collected(plan, *output, s.ty, meta)?,
        (SubqueryKind::Row, output) => make_scalars::as_row(plan, output, s.ty, meta),
        _ => return None,
    };
    value(&plan, output, s.ty, outer, meta, rules)
}

/// The join that a scalar subquery's value comes from.
pub fn value(
    plan: &LogicalPlan,
    output: ColumnId,
    ty: SqlType,
    outer: &Outer<'_>,
    meta: &mut QueryMeta,
    rules: &Rules,
) -> Option<Joined> {
    let ordered = order_in_calls::run(plan, meta);
    let plan = ordered.as_ref().unwrap_or(plan);
    let inside = make_scalars::having_in_value(plan, output);
    let plan = inside.as_ref().unwrap_or(plan);
    let kept = match rules.allows(Rule::DeferErrors) && !rules.catches() {
        true => defer_errors::deferred(plan, outer, meta)
            .map(|kept| (kept, output))
            .or_else(|| make_scalars::single_or_error(plan, (output, ty), outer, meta)),
        false => None,
    };
    match kept {
        Some((kept, output)) => {
            joined_value(&kept, (output, ty), outer, Some(Rule::DeferErrors), meta, rules)
        }
        None => joined_value(plan, (output, ty), outer, None, meta, rules),
    }
}

/// The same without a look at what may fail. `by`: a rule that this is for, besides, if costs say so.
pub fn joined_value(
    plan: &LogicalPlan,
    (output, ty): (ColumnId, SqlType),
    outer: &Outer<'_>,
    by: Option<Rule>,
    meta: &mut QueryMeta,
    rules: &Rules,
) -> Option<Joined> {
    let mut lifted = lift_any(plan, outer, true, meta, rules)?;
    let (_, value) = lifted.values.iter().find(|(id, _)| *id == output)?;
    let mut value = value.clone();
    if let Expr::Column { ty: own, .. } = &mut value {
        *own = ty;
    }
    let chosen = (!lifted.single || lifted.indexed).then_some(Rule::UnnestScalars);
    value = match lifted.single {
        false => single_value(&mut lifted, value, meta)?,
        true => lifted.value_or_null(&value),
    };
    if let Some(error) = first_of(std::mem::take(&mut lifted.errors)) {
        raise_first(&mut value, &error)?;
    }
    let needed: Vec<Rule> = chosen.into_iter().chain(by).collect();
    if !needed.is_empty() && !rules.allows_all_costly(&needed) {
        return None;
    }
    by.iter().for_each(|rule| rules.fire(*rule));
    if lifted.by_domain {
        rules.fire(Rule::UnnestByDomain);
    }
    let mut right = lifted.plan;
    replace_subqueries(&mut right, &mut |s, outer| self::joined(s, outer, meta, rules));
    Some(Joined { kind: JoinKind::Left, right, on: lifted.on, value, also: vec![] })
}

/// Groups the rows by the keys. What the value reads is one row's; asked for it raises an error if there were more.
fn single_value(lifted: &mut Lifted, value: Expr, meta: &mut QueryMeta) -> Option<Expr> {
    let made = walk::output_columns(&lifted.plan);
    let is_key = |id: &ColumnId| lifted.keys.iter().any(|(key, _)| key == id);
    let read: Vec<ColumnId> =
        columns(&value).into_iter().filter(|id| made.contains(id) && !is_key(id)).collect();
    let mut map = HashMap::new();
    let mut aggregates = vec![];
    for id in read {
        let ty = type_in(&value, id)?;
        let kept = meta.computed(meta.get(id).name.clone(), ty);
        let any = registry::function(internal::ANY_VALUE)?;
        aggregates.push((kept, aggregate(any, vec![Expr::column(id, ty)], ty)));
        map.insert(id, Expr::column(kept, ty));
    }
    let count = registry::functions_named("count").iter().find(|f| f.args.is_empty())?;
    let rows = meta.computed("count", SqlType::INT8);
    aggregates.push((rows, AggregateExpr { star: true, ..aggregate(count, vec![], SqlType::INT8) }));
    let input = std::mem::replace(&mut lifted.plan, LogicalPlan::OneRow);
    lifted.plan = LogicalPlan::Aggregate {
        input: Box::new(input),
        group: lifted.keys.clone(),
        sets: None,
        aggregates,
        grouping: vec![],
    };
    let plain = matches!(value, Expr::Column { .. });
    let mut value = value;
    substitute(&mut value, &map);
    let ty = value.ty();
    let single =
        defer_errors::call_of(internal::SINGLE_VALUE_OF, vec![value, Expr::column(rows, SqlType::INT8)], ty)?;
    // A column is NULL anyway where nothing is joined.
    Some(if plain { single } else { lifted.value_or_null(&single) })
}

/// The type that a column is read with.
pub fn type_in(e: &Expr, id: ColumnId) -> Option<SqlType> {
    let mut found = None;
    walk::visit(e, &mut |e| {
        if let Expr::Column { id: read, ty } = e
            && *read == id
        {
            found = Some(*ty);
        }
    });
    found
}

/// A plain call of an aggregate.
pub fn aggregate(
    function: &'static quarry_functions::FunctionDef,
    args: Vec<Expr>,
    ty: SqlType,
) -> AggregateExpr {
    AggregateExpr {
        function: FunctionRef::Builtin(function),
        args,
        direct_args: vec![],
        distinct: false,
        order_by: vec![],
        filter: None,
        ty,
        star: false,
        variadic: false,
    }
}
