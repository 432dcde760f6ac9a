//! INSERT, UPDATE, DELETE.

use crate::planner::{Candidate, Planner, Want, cheapest};
use quarry_common::Result;
use quarry_plan::{LogicalPlan, PhysicalNode, PhysicalPlan, Recheck};

impl Planner<'_> {
    pub fn plan_write(&mut self, plan: LogicalPlan) -> Result<Vec<Candidate>> {
        let plan = match plan {
            LogicalPlan::Insert { target, source, values, on_conflict, returning } => {
                let input = self.source(*source)?;
                let (rows, startup, total) = write_cost(&input, returning.is_some());
                let node =
                    PhysicalNode::Insert { target, input: Box::new(input), values, on_conflict, returning };
                self.write(node, rows, startup, total)
            }
            LogicalPlan::Update { target, source, ctid, old, set, returning, recheck } => {
                let input = self.source(*source)?;
                let recheck = self.plan_recheck(recheck)?;
                let (rows, startup, total) = write_cost(&input, returning.is_some());
                let node = PhysicalNode::Update {
                    target,
                    input: Box::new(input),
                    ctid,
                    old,
                    set,
                    returning,
                    recheck,
                };
                self.write(node, rows, startup, total)
            }
            LogicalPlan::Delete { target, source, ctid, old, returning, recheck } => {
                let input = self.source(*source)?;
                let recheck = self.plan_recheck(recheck)?;
                let (rows, startup, total) = write_cost(&input, returning.is_some());
                let node =
                    PhysicalNode::Delete { target, input: Box::new(input), ctid, old, returning, recheck };
                self.write(node, rows, startup, total)
            }
            _ => return Err(quarry_common::Error::internal("not a change of data")),
        };
        Ok(vec![Candidate { plan, order: vec![] }])
    }

    /// Plans how changed rows are tested again. EXPLAIN doesn't show that, and numbers nothing for it.
    pub fn plan_recheck(&mut self, recheck: Recheck<LogicalPlan>) -> Result<Recheck<PhysicalPlan>> {
        Ok(match recheck {
            Recheck::Conditions(conditions) => Recheck::Conditions(conditions),
            Recheck::Plan { plan, params, found } => {
                let subplans = self.subplans;
                let plan = self.source(*plan)?;
                self.subplans = subplans;
                Recheck::Plan { plan: Box::new(plan), params, found }
            }
        })
    }

    fn source(&mut self, source: LogicalPlan) -> Result<PhysicalPlan> {
        Ok(cheapest(self.plan_node(source, &Want::default())?, 0.0).plan)
    }

    /// PostgreSQL counts a change without RETURNING as no rows.
    fn write(&self, node: PhysicalNode, rows: f64, startup: f64, total: f64) -> PhysicalPlan {
        let mut plan = self.make(node, rows, startup, total);
        plan.rows = rows;
        plan
    }
}

fn write_cost(input: &PhysicalPlan, returning: bool) -> (f64, f64, f64) {
    (if returning { input.rows } else { 0.0 }, input.startup_cost, input.total_cost)
}
