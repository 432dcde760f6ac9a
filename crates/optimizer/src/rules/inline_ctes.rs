//! Puts CTEs that are used once into their place, as PostgreSQL does unless they are MATERIALIZED, recursive, volatile or
//! change data. Drops those that nothing refers to.

use super::{Rule, Rules};
use crate::exprs::plan_volatility;
use quarry_functions::Volatility;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{Cte, CteId, Expr, LogicalPlan, walk};

/// Runs over the whole plan, subqueries of expressions included.
pub fn run(plan: &mut LogicalPlan, rules: &Rules) {
    if let LogicalPlan::With { ctes, body } = plan {
        let mut kept: Vec<Cte> = vec![];
        let mut body = std::mem::replace(&mut **body, LogicalPlan::OneRow);
        let mut rest: std::collections::VecDeque<Cte> = std::mem::take(ctes).into();
        while let Some(mut cte) = rest.pop_front() {
            let changes = changes_data(&cte.plan);
            if cte.references == 0 && !changes && cte.recursive.is_none() {
                continue;
            }
            let places = std::iter::once(&body)
                .chain(rest.iter().map(|later| &later.plan))
                .chain(rest.iter().filter_map(|later| Some(&later.recursive.as_ref()?.0)));
            // An expression that holds the only reference may have been copied (SET (a, b) = (SELECT ...)).
            let once = cte.references == 1
                && cte.materialized != Some(true)
                && places.map(|p| scans(p, cte.id)).sum::<usize>() == 1;
            if !once
                || !rules.allows(Rule::InlineCtes)
                || cte.recursive.is_some()
                || changes
                || plan_volatility(&cte.plan) == Volatility::Volatile
            {
                kept.push(cte);
                continue;
            }
            let mut source = Some(std::mem::replace(&mut cte.plan, LogicalPlan::OneRow));
            place(&mut body, cte.id, &mut source);
            for later in rest.iter_mut() {
                place(&mut later.plan, cte.id, &mut source);
                if let Some((step, _, _)) = &mut later.recursive {
                    place(step, cte.id, &mut source);
                }
            }
            rules.fire(Rule::InlineCtes);
            if let Some(source) = source {
                cte.plan = source;
                kept.push(cte);
            }
        }
        if kept.is_empty() {
            *plan = body;
        } else {
            *plan = LogicalPlan::With { ctes: kept, body: Box::new(body) };
        }
    }
    super::for_each_subquery_here(plan, &mut |sub| run(sub, rules));
    for input in walk::inputs_mut(plan) {
        run(input, rules);
    }
}

fn changes_data(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Insert { .. } | LogicalPlan::Update { .. } | LogicalPlan::Delete { .. })
        || walk::inputs(plan).into_iter().any(changes_data)
}

/// How many scans of the CTE a plan holds.
pub fn scans(plan: &LogicalPlan, id: CteId) -> usize {
    let mut n = usize::from(matches!(plan, LogicalPlan::CteScan { cte, .. } if *cte == id));
    for e in walk::exprs(plan) {
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Logical(sub) = &s.plan
            {
                n += scans(sub, id);
            }
        });
    }
    n + walk::inputs(plan).into_iter().map(|p| scans(p, id)).sum::<usize>()
}

/// Puts `source` where the CTE is scanned.
fn place(plan: &mut LogicalPlan, id: CteId, source: &mut Option<LogicalPlan>) {
    if source.is_none() {
        return;
    }
    if let LogicalPlan::CteScan { cte, alias, columns, .. } = plan {
        if *cte == id
            && let Some(input) = source.take()
        {
            let targets = columns
                .iter()
                .map(|(own, from)| (*own, Expr::Column { id: *from, ty: quarry_types::SqlType::UNKNOWN }))
                .collect();
            let alias = std::mem::take(alias);
            let input = Box::new(LogicalPlan::Project { input: Box::new(input), targets });
            *plan = LogicalPlan::SubqueryAlias { input, alias };
        }
        return;
    }
    for e in walk::exprs_mut(plan) {
        walk::rewrite(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Logical(sub) = &mut s.plan
            {
                place(sub, id, source);
            }
        });
    }
    for input in walk::inputs_mut(plan) {
        place(input, id, source);
    }
}

/// Gives the columns made by inlining their types.
pub fn fix_types(plan: &mut LogicalPlan, meta: &quarry_plan::QueryMeta) {
    for e in walk::exprs_mut(plan) {
        if let Expr::Column { id, ty } = e
            && ty.oid == quarry_types::oids::UNKNOWN
        {
            *ty = meta.get(*id).ty;
        }
    }
    super::for_each_subquery_here(plan, &mut |sub| fix_types(sub, meta));
    for input in walk::inputs_mut(plan) {
        fix_types(input, meta);
    }
}
