//! How rows that somebody else has changed meanwhile are tested again (PostgreSQL: executor README, "EvalPlanQual").
//!
//! READ COMMITTED goes on with the newest version of a row that it had to wait for, if the row would still be found. For a single
//! table that is a matter of its conditions. Otherwise the FROM clause is planned a second time, before anything is unnested, with
//! every item replaced by the one row that it gave:
//!
//! ```text
//! UPDATE a SET ... FROM b LEFT JOIN (SELECT k, sum(v) FROM c GROUP BY k) s ON s.k = b.k WHERE a.id = b.id AND a.v < (SELECT ...)
//!   -> one row of a (the new version), one row of b, one row of s or none, the same joins and conditions
//! ```
//!
//! So outer joins, computed columns and subqueries come out as PostgreSQL has them. As there, a NOT EXISTS that became an
//! anti join isn't tested again: it has no row to test with. A semi join looks for any partner; PostgreSQL keeps to the one it
//! happened to find first.

use super::prune_columns::{Needed, prune as prune_plan};
use crate::exprs::has_subquery;
use quarry_common::Result;
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, QueryMeta, Recheck, ScanColumn, walk};

/// Fills in the rechecks of the nodes that lock or change rows (not inside subqueries of expressions).
pub fn prepare(plan: &mut LogicalPlan, meta: &mut QueryMeta) {
    match plan {
        LogicalPlan::Update { source, recheck, .. } | LogicalPlan::Delete { source, recheck, .. } => {
            *recheck = of_source(source, meta);
        }
        LogicalPlan::LockRows { input, recheck, .. } => *recheck = of_locked(input, meta),
        _ => {}
    }
    for input in walk::inputs_mut(plan) {
        prepare(input, meta);
    }
}

fn of_source(source: &mut LogicalPlan, meta: &mut QueryMeta) -> Recheck<LogicalPlan> {
    match conditions(source) {
        Some(conditions) => Recheck::Conditions(conditions),
        None => of_from(source, meta),
    }
}

fn of_locked(input: &mut LogicalPlan, meta: &mut QueryMeta) -> Recheck<LogicalPlan> {
    let mut below = &mut *input;
    while let LogicalPlan::Sort { input, .. } = below {
        below = input;
    }
    // What is computed of locked rows is computed above the locking node (see `lock_rows`).
    let simple = match &*below {
        LogicalPlan::Project { input, .. } => conditions(input),
        other => conditions(other),
    };
    match simple {
        Some(conditions) => Recheck::Conditions(conditions),
        None => of_from(below, meta),
    }
}

/// The conditions of a single table without subqueries.
fn conditions(mut plan: &LogicalPlan) -> Option<Vec<Expr>> {
    let mut all = vec![];
    loop {
        match plan {
            LogicalPlan::Filter { input, predicates } if !predicates.iter().any(has_subquery) => {
                all.extend_from_slice(predicates);
                plan = input;
            }
            LogicalPlan::Scan { .. } => return Some(all),
            _ => return None,
        }
    }
}

fn of_from(source: &mut LogicalPlan, meta: &mut QueryMeta) -> Recheck<LogicalPlan> {
    let mut copy = Copy { meta, params: vec![] };
    let plan = copy.from(source, false);
    Recheck::Plan { plan: Box::new(plan), params: copy.params }
}

struct Copy<'a> {
    meta: &'a mut QueryMeta,
    /// Columns that stand for those of the source.
    params: Vec<(ColumnId, ColumnId)>,
}

impl Copy<'_> {
    /// A copy with one row for each item. Projections of the original pass on what the copy will want to know.
    fn from(&mut self, plan: &mut LogicalPlan, nullable: bool) -> LogicalPlan {
        match plan {
            LogicalPlan::Filter { input, predicates } => LogicalPlan::Filter {
                input: Box::new(self.from(input, nullable)),
                predicates: predicates.clone(),
            },
            LogicalPlan::Project { input, targets } => {
                let computed = targets.clone();
                let input_copy = self.from(input, nullable);
                for id in walk::output_columns(input) {
                    let passed = targets.iter().any(|(have, _)| *have == id);
                    if !passed && self.params.iter().any(|(_, of)| *of == id) {
                        targets.push((id, Expr::column(id, self.meta.get(id).ty)));
                    }
                }
                LogicalPlan::Project { input: Box::new(input_copy), targets: computed }
            }
            LogicalPlan::SubqueryAlias { input, alias } => LogicalPlan::SubqueryAlias {
                input: Box::new(self.from(input, nullable)),
                alias: alias.clone(),
            },
            LogicalPlan::Sort { input, .. } => self.from(input, nullable),
            LogicalPlan::Join { kind, left, right, on } => {
                let null_left = nullable || matches!(kind, JoinKind::Right | JoinKind::Full);
                let null_right = nullable || matches!(kind, JoinKind::Left | JoinKind::Full);
                LogicalPlan::Join {
                    kind: *kind,
                    left: Box::new(self.from(left, null_left)),
                    right: Box::new(self.from(right, null_right)),
                    on: on.clone(),
                }
            }
            item => self.one_row(item, nullable),
        }
    }

    /// The row that an item gave; none, if it may have given none.
    fn one_row(&mut self, item: &LogicalPlan, nullable: bool) -> LogicalPlan {
        let output = walk::output_columns(item);
        let mut row = vec![];
        for id in &output {
            let ty = self.meta.get(*id).ty;
            let name = self.meta.get(*id).name.clone();
            let param = self.meta.computed(name, ty);
            self.params.push((param, *id));
            row.push(Expr::column(param, ty));
        }
        let ctid = match item {
            LogicalPlan::Scan { columns, .. } => columns.iter().position(|(_, c)| *c == ScanColumn::Ctid),
            _ => None,
        };
        let is_there = |e: &Expr| Expr::IsNull { arg: Box::new(e.clone()), negated: true };
        let there = match ctid {
            Some(at) => vec![is_there(&row[at])],
            None => row.iter().map(is_there).collect(),
        };
        let values = LogicalPlan::Values { rows: vec![row], output, alias: String::new() };
        if !nullable || there.is_empty() {
            return values;
        }
        LogicalPlan::Filter { input: Box::new(values), predicates: vec![Expr::Or(there)] }
    }
}

/// Calls `f` on the plan of each recheck (not inside subqueries of expressions).
pub fn for_each(plan: &mut LogicalPlan, f: &mut dyn FnMut(&mut LogicalPlan) -> Result<()>) -> Result<()> {
    if let Some(Recheck::Plan { plan: again, .. }) = recheck_of(plan) {
        f(again)?;
    }
    walk::inputs_mut(plan).into_iter().try_for_each(|input| for_each(input, f))
}

fn recheck_of(plan: &mut LogicalPlan) -> Option<&mut Recheck<LogicalPlan>> {
    match plan {
        LogicalPlan::Update { recheck, .. }
        | LogicalPlan::Delete { recheck, .. }
        | LogicalPlan::LockRows { recheck, .. } => Some(recheck),
        _ => None,
    }
}

/// Without the joins that only ask for the absence of rows.
pub fn without_anti_joins(plan: LogicalPlan) -> LogicalPlan {
    match plan {
        LogicalPlan::Join { kind: JoinKind::Anti, left, .. } => without_anti_joins(*left),
        LogicalPlan::Join { kind, left, right, on } => LogicalPlan::Join {
            kind,
            left: Box::new(without_anti_joins(*left)),
            right: Box::new(without_anti_joins(*right)),
            on,
        },
        LogicalPlan::Filter { input, predicates } => {
            LogicalPlan::Filter { input: Box::new(without_anti_joins(*input)), predicates }
        }
        LogicalPlan::Project { input, targets } => {
            LogicalPlan::Project { input: Box::new(without_anti_joins(*input)), targets }
        }
        LogicalPlan::SubqueryAlias { input, alias } => {
            LogicalPlan::SubqueryAlias { input: Box::new(without_anti_joins(*input)), alias }
        }
        other => other,
    }
}

/// Prunes a node's recheck, and asks for what it reads of the node's source.
pub fn prune(plan: &mut LogicalPlan, needed: &mut Needed) {
    let given = match plan {
        LogicalPlan::LockRows { input, .. } => Some(walk::output_columns(input)),
        _ => None,
    };
    let Some(Recheck::Plan { plan: again, params }) = recheck_of(plan) else { return };
    // The rest is computed above the locking node.
    if let (Some(given), LogicalPlan::Project { targets, .. }) = (given, &mut **again) {
        targets.retain(|(id, _)| given.contains(id));
    }
    prune_plan(again, needed);
    prune_rows(again, needed, params);
    let read = walk::free_columns(again);
    params.retain(|(param, _)| read.binary_search(param).is_ok());
    params.iter().for_each(|(_, of)| needed.add(*of));
}

/// Drops columns that nothing reads from the rows that stand for FROM items.
fn prune_rows(plan: &mut LogicalPlan, needed: &Needed, params: &[(ColumnId, ColumnId)]) {
    if let LogicalPlan::Values { rows, output, .. } = plan
        && let [row] = rows.as_mut_slice()
        && row.iter().all(|e| matches!(e, Expr::Column { id, .. } if params.iter().any(|(p, _)| p == id)))
    {
        let kept: Vec<bool> = output.iter().map(|id| needed.has(*id)).collect();
        let mut at = kept.iter();
        row.retain(|_| *at.next().unwrap_or(&true));
        let mut at = kept.iter();
        output.retain(|_| *at.next().unwrap_or(&true));
    }
    for input in walk::inputs_mut(plan) {
        prune_rows(input, needed, params);
    }
}
