//! Common table expressions of a subquery that is computed for a domain (`unnest_by_domain`): those that read outer columns give the
//! domain's columns, too, and so does each scan of them.
//!
//! ```text
//! WITH r AS MATERIALIZED (SELECT i.v FROM i WHERE i.t < o.t) SELECT count(*) FROM r x JOIN r y ON x.v < y.v
//!   -> WITH r AS (SELECT i.v, d.t FROM d JOIN i ON i.t < d.t) SELECT x.t, count(*) FROM r x JOIN r y ON x.v < y.v AND x.t = y.t GROUP BY x.t
//! ```
//!
//! A recursion is made for all outer rows at once, and perhaps for some that nobody asks for; so it must come to an end whatever it begins
//! with. One does that drops rows that it has had (UNION) and makes no values of its own, only rows of those that there are. Others are
//! run for each outer row.

use super::domains::{Key, as_column};
use super::unnest_by_domain::{Pushed, Pushing, all_columns};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{ColumnId, Cte, CteId, Expr, LogicalPlan, walk};

/// What a common table expression gives of the domain.
#[derive(Clone)]
pub(super) struct Keyed {
    /// Over its output columns.
    pub keys: Vec<Key>,
    pub strict: Vec<bool>,
}

impl Pushing<'_> {
    /// Whether a plan scans one that gives the domain's columns.
    pub(super) fn scans_keyed(&self, plan: &LogicalPlan) -> bool {
        if self.ctes.is_empty() {
            return false;
        }
        matches!(plan, LogicalPlan::CteScan { cte, .. } if self.ctes.contains_key(cte))
            || walk::inputs(plan).into_iter().any(|input| self.scans_keyed(input))
    }

    /// A key as a scan gives it, which has a column more then.
    pub(super) fn scanned(&mut self, key: &Key, columns: &mut Vec<(ColumnId, ColumnId)>) -> Option<Key> {
        let mut own = |e: &Expr| {
            let (from, _) = as_column(e)?;
            let own = self.meta.computed(self.meta.get(from).name.clone(), e.ty());
            columns.push((own, from));
            Some(Expr::column(own, e.ty()))
        };
        key.zipped(key, &mut |e, _| own(e))
    }

    pub(super) fn with_ctes(&mut self, ctes: &[Cte], body: &LogicalPlan) -> Option<Pushed> {
        let mut ctes = ctes.to_vec();
        for cte in &mut ctes {
            let step_reads = cte.recursive.as_ref().is_some_and(|(step, _, _)| self.is_correlated(step));
            if !self.is_correlated(&cte.plan) && !step_reads {
                continue;
            }
            if let Some((step, _, distinct)) = &cte.recursive
                && !(*distinct && makes_no_values(step))
            {
                return None;
            }
            let Pushed { plan, keys, strict } = self.push(&cte.plan)?;
            let added = columns_of(&keys)?;
            // A column of its own for each key, whatever else the plan gives.
            if added.iter().any(|id| cte.output.contains(id)) {
                return None;
            }
            cte.plan = plan;
            cte.output.extend(added);
            self.ctes.insert(cte.id, Keyed { keys, strict });
            if let Some((step, columns, _)) = &mut cte.recursive {
                let pushed = self.push(step)?;
                let added = columns_of(&pushed.keys)?;
                if added.iter().any(|id| columns.contains(id)) {
                    return None;
                }
                columns.extend(added);
                *step = pushed.plan;
            }
        }
        let keyed: Vec<CteId> = ctes.iter().map(|c| c.id).filter(|id| self.ctes.contains_key(id)).collect();
        let steps = ctes.iter().filter_map(|c| Some(&c.recursive.as_ref()?.0));
        let asked = |plan: &LogicalPlan| scanned_in_exprs(plan, &keyed);
        if asked(body) || ctes.iter().any(|c| asked(&c.plan)) || steps.into_iter().any(asked) {
            return None;
        }
        let pushed = self.push(body)?;
        Some(Pushed { plan: LogicalPlan::With { ctes, body: Box::new(pushed.plan) }, ..pushed })
    }
}

fn columns_of(keys: &[Key]) -> Option<Vec<ColumnId>> {
    all_columns(keys).iter().map(|e| Some(as_column(e)?.0)).collect()
}

/// Whether subqueries of expressions scan one of these.
fn scanned_in_exprs(plan: &LogicalPlan, ids: &[CteId]) -> bool {
    let mut found = false;
    for e in walk::exprs(plan) {
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Logical(sub) = &s.plan
            {
                found |= scans(sub, ids);
            }
        });
    }
    found || walk::inputs(plan).into_iter().any(|input| scanned_in_exprs(input, ids))
}

fn scans(plan: &LogicalPlan, ids: &[CteId]) -> bool {
    matches!(plan, LogicalPlan::CteScan { cte, .. } if ids.contains(cte))
        || scanned_in_exprs(plan, ids)
        || walk::inputs(plan).into_iter().any(|input| scans(input, ids))
}

/// Whether all that a plan gives are values of tables' and of other rows' columns.
fn makes_no_values(plan: &LogicalPlan) -> bool {
    let plain = |e: &Expr| matches!(e, Expr::Column { .. } | Expr::Const { .. });
    let here = match plan {
        LogicalPlan::OneRow
        | LogicalPlan::Empty { .. }
        | LogicalPlan::Scan { .. }
        | LogicalPlan::CteScan { .. }
        | LogicalPlan::SubqueryAlias { .. }
        | LogicalPlan::Filter { .. }
        | LogicalPlan::Join { .. }
        | LogicalPlan::Sort { .. }
        | LogicalPlan::Distinct { .. } => true,
        LogicalPlan::Values { rows, .. } => rows.iter().flatten().all(plain),
        LogicalPlan::Project { targets, .. } => targets.iter().all(|(_, e)| plain(e)),
        _ => false,
    };
    here && walk::inputs(plan).into_iter().all(makes_no_values)
}
