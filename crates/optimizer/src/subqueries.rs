//! Subqueries in expressions that stay there (SubPlans, InitPlans), and CTEs.

use crate::planner::{CteInfo, Planner, Want, cheapest};
use quarry_common::Result;
use quarry_functions::internal;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::physical::PlannedCte;
use quarry_plan::{CallForm, Cte, Expr, LogicalPlan, PhysicalNode, PhysicalPlan, SubqueryKind, walk};
use std::sync::Arc;

/// The part of the rows that a subquery is taken to be run for which is run where there are errors: most often there are none.
const ROWS_WITH_ERRORS: f64 = 0.001;

impl Planner<'_> {
    /// Plans the subqueries in a node's own expressions.
    pub fn plan_subqueries_of(&mut self, plan: &mut LogicalPlan) -> Result<()> {
        for e in walk::exprs_mut(plan) {
            self.plan_subqueries(e)?;
        }
        Ok(())
    }

    /// Plans the subqueries in an expression.
    pub fn plan_subqueries(&mut self, e: &mut Expr) -> Result<()> {
        if matches!(e, Expr::Column { .. } | Expr::Const { .. }) || !crate::exprs::has_subquery(e) {
            return Ok(());
        }
        let mut outcome = Ok(());
        let mut last = None;
        walk::rewrite(e, &mut |e| {
            if let Expr::Call { function, args, .. } = e
                && function.def().oid == internal::RUN_AGAIN
                && let [Expr::Subquery(s)] = &mut args[..]
                && let SubqueryPlan::Physical { plan, number, .. } = &mut s.plan
                && last == Some(*number)
            {
                let plan = Arc::make_mut(plan);
                plan.startup_cost *= ROWS_WITH_ERRORS;
                plan.total_cost *= ROWS_WITH_ERRORS;
            }
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Logical(plan) = &mut s.plan
                && outcome.is_ok()
            {
                let plan = std::mem::replace(&mut **plan, LogicalPlan::OneRow);
                let params = walk::free_columns(&plan);
                let rows = match s.kind {
                    SubqueryKind::Exists => 1.0,
                    SubqueryKind::Any { .. } | SubqueryKind::All { .. } => 0.0,
                    _ => 0.0,
                };
                let want = Want { rows, ..Want::default() };
                // It may be run for few rows, or stop early.
                match self.with_whole(false, |p| p.plan_node(plan, &want)) {
                    Ok(candidates) => {
                        let mut best = cheapest(candidates, rows).plan;
                        let hashed = params.is_empty() && self.hashable(&s.kind, &best);
                        if params.is_empty()
                            && !hashed
                            && matches!(s.kind, SubqueryKind::Any { .. } | SubqueryKind::All { .. })
                        {
                            best = self.materialized(best);
                        }
                        self.subplans += 1;
                        last = Some(self.subplans);
                        s.plan = SubqueryPlan::Physical {
                            plan: Arc::new(best),
                            params,
                            hashed,
                            number: self.subplans,
                        };
                    }
                    Err(e) => outcome = Err(e),
                }
            }
        });
        outcome
    }

    /// Whether `x IN (subquery)` can look up a hash table: equalities only, and it fits the memory.
    fn hashable(&self, kind: &SubqueryKind, plan: &PhysicalPlan) -> bool {
        let SubqueryKind::Any { tests } = kind else { return false };
        tests.iter().all(|t| {
            matches!(t, Expr::Call { form: CallForm::Operator(oid), .. }
                if quarry_functions::registry::operator(*oid).is_some_and(|o| o.name == "=" && o.hashes))
        }) && plan.rows * crate::cost::row_bytes(plan.width) < self.env.settings.hash_mem()
    }

    fn materialized(&self, input: PhysicalPlan) -> PhysicalPlan {
        let (rows, startup) = (input.rows, input.startup_cost);
        let total = input.total_cost + 2.0 * self.env.settings.cpu_operator_cost * rows;
        self.make(PhysicalNode::Materialize { input: Box::new(input) }, rows, startup, total)
    }

    /// Plans a CTE that is computed once.
    pub fn plan_cte(&mut self, cte: Cte) -> Result<()> {
        // What tests changed rows again has copies of subqueries.
        if self.ctes.iter().any(|have| have.id == cte.id) {
            return Ok(());
        }
        let base = self.with_whole(true, |p| p.plan_node(cte.plan, &Want::default()))?;
        let base = cheapest(base, 0.0).plan;
        let (plan, output) = match cte.recursive {
            None => (base, cte.output),
            Some((step, step_columns, distinct)) => {
                // PostgreSQL assumes ten rounds.
                self.cte_info.insert(cte.id, CteInfo { rows: base.rows * 10.0, recursive: true });
                let step = cheapest(self.plan_node(step, &Want::default())?, 0.0).plan;
                let rows = base.rows + 10.0 * step.rows;
                let total =
                    base.total_cost + 10.0 * step.total_cost + self.env.settings.cpu_tuple_cost * rows;
                let startup = base.startup_cost;
                let node = PhysicalNode::RecursiveUnion {
                    cte: cte.id,
                    base: Box::new(base),
                    step: Box::new(step),
                    output: cte.output.clone(),
                    base_columns: cte.output.clone(),
                    step_columns,
                    distinct,
                };
                (self.make(node, rows, startup, total), cte.output)
            }
        };
        self.cte_info.insert(cte.id, CteInfo { rows: plan.rows, recursive: false });
        let caught = cte.caught;
        self.ctes.push(PlannedCte { id: cte.id, name: cte.name, plan: Arc::new(plan), output, caught });
        Ok(())
    }
}
