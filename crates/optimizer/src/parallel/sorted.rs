//! Aggregates of rows that are sorted for them: threads group by hash, and the groups are sorted instead.

use quarry_plan::physical::AggregateStrategy;
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan, SortKey};

/// The input of a sort that is there for an aggregate only.
pub(super) fn sorted_for<'p>(
    input: &'p PhysicalPlan,
    group: &[(ColumnId, Expr)],
) -> Option<&'p PhysicalPlan> {
    let PhysicalNode::Sort { input: rows, keys, bound: None, presorted: 0 } = &input.node else {
        return None;
    };
    let passed = |(id, e): &(ColumnId, Expr)| {
        matches!(e, Expr::Column { id: of, .. } if of == id) && rows.output().any(|o| o == *id)
    };
    let grouped = |key: &SortKey| group.iter().any(|(_, e)| *e == key.expr);
    let only = input.filter.is_empty() && input.targets.iter().all(passed) && keys.iter().all(grouped);
    only.then_some(rows)
}

/// Makes an aggregate of sorted rows one by hash that costs so much, whose groups are sorted.
pub(super) fn sort_groups(plan: &mut PhysicalPlan, cost: f64) {
    let PhysicalNode::Aggregate { input, strategy, group, .. } = &mut plan.node else { return };
    let PhysicalNode::Sort { input: rows, keys, .. } = &mut input.node else { return };
    let mut keys = std::mem::take(keys);
    for key in &mut keys {
        if let Some((id, e)) = group.iter().find(|(_, e)| *e == key.expr) {
            key.expr = Expr::column(*id, e.ty());
        }
    }
    *input = std::mem::replace(rows, Box::new(PhysicalPlan::stand_in()));
    *strategy = AggregateStrategy::Hashed;
    let targets: Vec<(ColumnId, Expr)> =
        plan.targets.iter().map(|(id, e)| (*id, Expr::column(*id, e.ty()))).collect();
    for (id, e) in group {
        if !plan.targets.iter().any(|(given, _)| given == id) {
            plan.targets.push((*id, Expr::column(*id, e.ty())));
        }
    }
    let (count, width) = (plan.rows, plan.width);
    let total = plan.total_cost;
    (plan.startup_cost, plan.total_cost) = (cost, cost);
    let aggregate = Box::new(std::mem::replace(plan, PhysicalPlan::stand_in()));
    *plan = PhysicalPlan {
        node: PhysicalNode::Sort { input: aggregate, keys, bound: None, presorted: 0 },
        filter: vec![],
        targets,
        rows: count,
        width,
        startup_cost: total,
        total_cost: total,
        id: 0,
    };
}
