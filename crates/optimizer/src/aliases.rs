//! Names under which EXPLAIN shows relations: where two have one, the later gets a number (PostgreSQL: `set_rtable_names`).

use crate::exprs::has_subquery;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::physical::PlannedCte;
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan, QueryMeta, walk};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// A relation of the plan: its columns and its name, in the order they were bound.
struct Use {
    /// The query that it belongs to: 0 for the statement's own, then WITH's and the expressions', as PostgreSQL numbers their plans.
    part: usize,
    columns: Vec<ColumnId>,
    name: String,
}

/// Makes the names unique, in the nodes and in the columns' descriptions. `subqueries`: whether there are plans in expressions.
pub fn make_unique(plan: &mut PhysicalPlan, ctes: &mut [PlannedCte], meta: &mut QueryMeta, subqueries: bool) {
    let mut uses = vec![];
    collect(plan, 0, subqueries, &mut uses);
    for (i, cte) in ctes.iter().enumerate() {
        collect(&cte.plan, i + 1, subqueries, &mut uses);
    }
    let inserts = matches!(plan.node, PhysicalNode::Insert { .. });
    if uses.len() + usize::from(inserts) < 2 {
        return;
    }
    uses.sort_by_key(|u| (u.part, u.columns.iter().min().copied()));
    let mut taken: HashMap<String, usize> = HashMap::new();
    if let PhysicalNode::Insert { target, .. } = &plan.node {
        taken.insert(target.relation.name.clone(), 0);
    }
    let mut renamed: HashMap<ColumnId, String> = HashMap::new();
    for u in uses {
        if let Entry::Vacant(free) = taken.entry(u.name.clone()) {
            free.insert(0);
            continue;
        }
        let name = loop {
            let n = taken.entry(u.name.clone()).or_insert(0);
            *n += 1;
            let name = format!("{}_{n}", u.name);
            if !taken.contains_key(&name) {
                break name;
            }
        };
        taken.insert(name.clone(), 0);
        renamed.extend(u.columns.iter().map(|id| (*id, name.clone())));
    }
    if renamed.is_empty() {
        return;
    }
    for (id, name) in &renamed {
        meta.set_relation(*id, name.clone());
    }
    rename(plan, &renamed, subqueries);
    for cte in ctes {
        if let Some(p) = Arc::get_mut(&mut cte.plan) {
            rename(p, &renamed, subqueries);
        }
    }
}

fn collect(plan: &PhysicalPlan, part: usize, subqueries: bool, uses: &mut Vec<Use>) {
    if let Some(name) = plan.node.alias() {
        let columns = walk::raw_columns(&plan.node);
        let known = |u: &Use| u.columns.iter().any(|c| columns.contains(c));
        if !columns.is_empty() && !uses.iter().any(known) {
            uses.push(Use { part, columns, name: name.clone() });
        }
    }
    let mut see = |e: &Expr| {
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Physical { plan, number, .. } = &s.plan
            {
                collect(plan, *number, subqueries, uses);
            }
        })
    };
    if subqueries {
        walk::physical_exprs(plan).into_iter().filter(|e| has_subquery(e)).for_each(&mut see);
    }
    for input in walk::physical_inputs(plan) {
        collect(input, part, subqueries, uses);
    }
}

fn rename(plan: &mut PhysicalPlan, renamed: &HashMap<ColumnId, String>, subqueries: bool) {
    let columns = if plan.node.alias().is_some() { walk::raw_columns(&plan.node) } else { vec![] };
    if let Some(new) = columns.iter().find_map(|c| renamed.get(c))
        && let Some(name) = plan.node.alias_mut()
    {
        *name = new.clone();
    }
    let below = |e: &mut Expr| {
        if !has_subquery(e) {
            return;
        }
        walk::rewrite(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Physical { plan, .. } = &mut s.plan
            {
                // Plans that weren't taken may have it still.
                rename(Arc::make_mut(plan), renamed, subqueries);
            }
        });
    };
    if subqueries {
        walk::physical_exprs_mut(plan).into_iter().for_each(below);
        // An index's conditions as they are shown.
        if let PhysicalNode::IndexScan { conds, .. } = &mut plan.node {
            conds.iter_mut().for_each(|c| below(&mut c.source));
        }
    }
    for input in walk::physical_inputs_mut(plan) {
        rename(input, renamed, subqueries);
    }
}
