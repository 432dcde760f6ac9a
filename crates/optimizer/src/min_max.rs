//! min() and max() of a column read off the end of an index (PostgreSQL: `planagg.c`).

use crate::planner::{Candidate, Planner};
use quarry_common::Result;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{
    AggregateExpr, ColumnId, Expr, LogicalPlan, PhysicalNode, SortKey, SubqueryExpr, SubqueryKind, walk,
};
use quarry_types::{Datum, SqlType};
use std::sync::Arc;

impl Planner<'_> {
    /// One row of InitPlans, each the first row in the order of its column; none if an aggregate is something else. In a subquery they may
    /// read columns of enclosing rows, and are run for each.
    pub fn min_max(
        &mut self,
        input: &LogicalPlan,
        aggregates: &[(ColumnId, AggregateExpr)],
    ) -> Result<Option<Candidate>> {
        let scan = match input {
            LogicalPlan::Filter { input, .. } => input,
            other => other,
        };
        let LogicalPlan::Scan { relation, columns, .. } = scan else { return Ok(None) };
        if aggregates.is_empty() || relation.indexes.is_empty() {
            return Ok(None);
        }
        let params = walk::free_columns(input);
        let mut wanted = vec![];
        for (id, a) in aggregates {
            let name = a.function.def().name;
            let [arg @ Expr::Column { id: column, .. }] = &a.args[..] else { return Ok(None) };
            // Only where the column leads an index: otherwise a sort would have to do.
            let leads = columns.iter().any(|(c, s)| {
                c == column
                    && matches!(s, quarry_plan::ScanColumn::Attribute(n) if relation.indexes.iter().any(|i| i.valid && i.keys.iter().any(|k| k.column == Some(*n))))
            });
            if !matches!(name, "min" | "max")
                || a.filter.is_some()
                || !a.order_by.is_empty()
                || !leads
                || a.ty.oid != arg.ty().oid
            {
                return Ok(None);
            }
            wanted.push((*id, arg.clone(), name == "max"));
        }
        let mut targets = vec![];
        let mut total = 0.0;
        for (number, (id, arg, descending)) in wanted.into_iter().enumerate() {
            let present = Expr::IsNull { arg: Box::new(arg.clone()), negated: true };
            let mut source = input.clone();
            if number > 0 {
                rename_scan(&mut source, number);
            }
            match &mut source {
                LogicalPlan::Filter { predicates, .. } => predicates.push(present),
                other => {
                    let below = std::mem::replace(other, LogicalPlan::OneRow);
                    *other = LogicalPlan::Filter { input: Box::new(below), predicates: vec![present] };
                }
            }
            let key = SortKey { expr: arg.clone(), descending, nulls_first: descending };
            let sorted = LogicalPlan::Sort { input: Box::new(source), keys: vec![key] };
            let one = Expr::Const { value: Datum::I64(1), ty: SqlType::INT8 };
            let limited =
                LogicalPlan::Limit { input: Box::new(sorted), limit: Some(one), offset: None, ties: None };
            let Some(best) = self.plan_node(limited, &Default::default())?.into_iter().next() else {
                return Ok(None);
            };
            let Expr::Column { id: column, ty } = arg else { return Ok(None) };
            let mut plan = best.plan;
            plan.targets.retain(|(t, _)| *t == column);
            total += plan.total_cost;
            self.subplans += 1;
            let sub = SubqueryExpr {
                kind: SubqueryKind::Scalar,
                plan: SubqueryPlan::Physical {
                    plan: Arc::new(plan),
                    params: params.clone(),
                    hashed: false,
                    number: self.subplans,
                },
                output: vec![column],
                ty,
                tree: None,
            };
            targets.push((id, Expr::Subquery(Box::new(sub))));
        }
        let cost = self.env.settings.cpu_tuple_cost;
        let mut plan = self.make(
            PhysicalNode::Result { input: None, one_time_filter: vec![] },
            1.0,
            total,
            total + cost,
        );
        plan.width = self.width_of(targets.iter().map(|(id, _)| *id));
        plan.targets = targets;
        Ok(Some(Candidate { plan, order: vec![] }))
    }
}

/// Each further read of the table has a name of its own, as PostgreSQL shows it.
fn rename_scan(plan: &mut LogicalPlan, number: usize) {
    match plan {
        LogicalPlan::Filter { input, .. } => rename_scan(input, number),
        LogicalPlan::Scan { alias, .. } => *alias = format!("{alias}_{number}"),
        _ => {}
    }
}
