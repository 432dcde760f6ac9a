//! Aggregates whose result shows the order of a subquery's rows are told this order themselves, so that it holds for each outer row that
//! the subquery is computed for at once (`unnest_scalars`):
//!
//! ```text
//! SELECT json_agg(s.v) FROM (SELECT i.v FROM i WHERE i.k = o.k ORDER BY i.t) s
//!   -> SELECT json_agg(i.v ORDER BY i.t) FROM i WHERE i.k = o.k
//! SELECT array_agg(e) FROM unnest(o.list) e
//!   -> SELECT array_agg(e ORDER BY n) FROM unnest(o.list) WITH ORDINALITY u (e, n)
//! ```
//!
//! What FROM's subquery computes is computed in the calls then.

use super::inner_joins::filtered;
use super::lift_correlation::{is_from, is_sorted};
use super::unnest_by_domain::substitute_aggregate;
use crate::exprs::{has_subquery, is_volatile, substitute};
use quarry_functions::{Body, internal};
use quarry_plan::{AggregateExpr, ColumnId, Expr, LogicalPlan, QueryMeta, SortKey, ValueRows, walk};
use quarry_types::{Datum, SqlType};
use std::collections::HashMap;

/// The subquery with its aggregates told in which order their rows come. None if there is nothing to tell.
pub fn run(plan: &LogicalPlan, meta: &mut QueryMeta) -> Option<LogicalPlan> {
    if !any_aggregate(plan) {
        return None;
    }
    let mut plan = plan.clone();
    descend(&mut plan, meta).then_some(plan)
}

/// Whether the order that rows come in can be seen in what an aggregate makes of them.
pub fn shows_order(a: &AggregateExpr) -> bool {
    let names =
        ["array_agg", "string_agg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg", "xmlagg"];
    a.order_by.is_empty() && !a.distinct && names.contains(&a.function.def().name)
}

/// The same, and of what rounds otherwise in another order.
fn minds_order(a: &AggregateExpr) -> bool {
    let def = a.function.def();
    let insensitive =
        matches!(def.body, Body::Aggregate(code) if code.order_insensitive) || def.oid == internal::ANY_VALUE;
    a.order_by.is_empty() && !a.distinct && !insensitive && a.direct_args.is_empty()
}

fn any_aggregate(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Aggregate { aggregates, .. } if aggregates.iter().any(|(_, a)| minds_order(a)))
        || walk::inputs(plan).into_iter().any(any_aggregate)
}

fn descend(plan: &mut LogicalPlan, meta: &mut QueryMeta) -> bool {
    let mut any = false;
    for input in walk::inputs_mut(plan) {
        any |= descend(input, meta);
    }
    if let LogicalPlan::Aggregate { input, group, aggregates, .. } = plan
        && aggregates.iter().any(|(_, a)| minds_order(a))
        && let Some(ordered) = Calls::over(input, group, aggregates).ordered(meta)
    {
        (**input, *group, *aggregates) = ordered;
        any = true;
    }
    any
}

type Group = Vec<(ColumnId, Expr)>;
type Aggregates = Vec<(ColumnId, AggregateExpr)>;

/// An aggregation that is brought down to where its rows get their order.
struct Calls {
    input: LogicalPlan,
    group: Group,
    aggregates: Aggregates,
    /// Conditions that have been passed on the way.
    conditions: Vec<Expr>,
    order: Vec<SortKey>,
}

impl Calls {
    fn over(input: &LogicalPlan, group: &Group, aggregates: &Aggregates) -> Calls {
        Calls {
            input: input.clone(),
            group: group.clone(),
            aggregates: aggregates.clone(),
            conditions: vec![],
            order: vec![],
        }
    }

    /// None if the rows come in no order, and the calls are where they can be already.
    fn ordered(mut self, meta: &mut QueryMeta) -> Option<(LogicalPlan, Group, Aggregates)> {
        let mut named = false;
        loop {
            let input = std::mem::replace(&mut self.input, LogicalPlan::OneRow);
            self.input = match input {
                LogicalPlan::SubqueryAlias { input, .. } => {
                    named = true;
                    *input
                }
                LogicalPlan::Filter { input, predicates }
                    if !is_from(&input) || is_listed(&input) || is_sorted(&input) =>
                {
                    self.conditions.extend(predicates);
                    *input
                }
                LogicalPlan::Project { input, targets } => {
                    if targets.iter().any(|(_, e)| is_volatile(e) || has_subquery(e)) {
                        return None;
                    }
                    self.substitute(&targets.into_iter().collect());
                    *input
                }
                // The outermost order is the one that counts.
                LogicalPlan::Sort { input, keys } => {
                    if self.order.is_empty() {
                        self.order = keys;
                    }
                    *input
                }
                // What is computed of rows is computed of those that are left.
                LogicalPlan::Limit { input, limit, offset, ties } if matches!(&*input, LogicalPlan::Project { input, .. } if matches!(**input, LogicalPlan::Sort { .. })) =>
                {
                    let LogicalPlan::Project { input, targets } = *input else { return None };
                    let input = Box::new(LogicalPlan::Limit { input, limit, offset, ties });
                    LogicalPlan::Project { input, targets }
                }
                other => {
                    self.input = other;
                    break;
                }
            };
        }
        if self.order.is_empty() {
            self.order = match &mut self.input {
                LogicalPlan::Limit { input, .. } | LogicalPlan::Distinct { input, on: Some(_) } => {
                    match &**input {
                        LogicalPlan::Sort { keys, .. } => keys.clone(),
                        _ => vec![],
                    }
                }
                listed => place_in(listed, meta).map(ascending).into_iter().collect(),
            };
        }
        // FROM's subquery that only joins and filters is none then.
        if self.order.is_empty() && !(named && is_from(&self.input)) {
            return None;
        }
        for (_, a) in self.aggregates.iter_mut().filter(|(_, a)| minds_order(a)) {
            a.order_by = self.order.clone();
        }
        Some((filtered(self.input, self.conditions), self.group, self.aggregates))
    }

    fn substitute(&mut self, map: &HashMap<ColumnId, Expr>) {
        self.group.iter_mut().for_each(|(_, e)| substitute(e, map));
        self.aggregates.iter_mut().for_each(|(_, a)| substitute_aggregate(a, map));
        self.conditions.iter_mut().for_each(|e| substitute(e, map));
        self.order.iter_mut().for_each(|k| substitute(&mut k.expr, map));
    }
}

fn ascending(expr: Expr) -> SortKey {
    SortKey { expr, descending: false, nulls_first: false }
}

/// Whether rows are those of a list or of a function that reads outer columns.
fn is_listed(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Values { .. } | LogicalPlan::FunctionScan { .. })
        && !walk::free_columns(plan).is_empty()
}

/// A row's place in a list, or among the rows of a function.
fn place_in(plan: &mut LogicalPlan, meta: &mut QueryMeta) -> Option<Expr> {
    if !is_listed(plan) {
        return None;
    }
    match plan {
        LogicalPlan::FunctionScan { ordinality, .. } => {
            let id = *ordinality.get_or_insert_with(|| meta.computed("ordinality", SqlType::INT8));
            Some(Expr::column(id, SqlType::INT8))
        }
        LogicalPlan::Values { rows: ValueRows::Computed(rows), output, .. } => {
            let id = meta.computed("place", SqlType::INT8);
            output.push(id);
            for (row, n) in rows.iter_mut().zip(1..) {
                row.push(Expr::Const { value: Datum::I64(n), ty: SqlType::INT8 });
            }
            Some(Expr::column(id, SqlType::INT8))
        }
        _ => None,
    }
}
