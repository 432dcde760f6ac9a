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
//! anti join isn't tested again: it has no row to test with. A semi join must find a partner of the new version that was one of the old
//! version, too: PostgreSQL keeps to the one that it found then, which is the same if there is but one.

use super::prune_columns::{Needed, prune as prune_plan};
use crate::exprs::has_subquery;
use quarry_common::Result;
use quarry_plan::{
    ColumnId, Expr, JoinKind, LogicalPlan, QueryMeta, Recheck, ScanColumn, SubqueryKind, walk,
};

/// Fills in the rechecks of the nodes that lock or change rows (not inside subqueries of expressions).
pub fn prepare(plan: &mut LogicalPlan, meta: &mut QueryMeta) {
    match plan {
        LogicalPlan::Update { source, set, recheck, .. } => {
            let values = set.iter_mut().map(|(_, e)| e).filter(|e| asks_for_each_row(e, source));
            let values = named(values, meta);
            if !values.is_empty() {
                compute(source, values, meta);
            }
            *recheck = of_source(source, meta);
        }
        LogicalPlan::Delete { source, recheck, .. } => *recheck = of_source(source, meta),
        LogicalPlan::LockRows { input, recheck, .. } => {
            let mut below = &mut **input;
            while let LogicalPlan::Sort { input, .. } = below {
                below = input;
            }
            if let LogicalPlan::Project { input: rows, targets } = below {
                let values = targets.iter_mut().map(|(_, e)| e).filter(|e| asks_for_each_row(e, rows));
                let values = named(values, meta);
                if !values.is_empty() {
                    compute(rows, values, meta);
                }
            }
            *recheck = of_locked(input, meta);
        }
        _ => {}
    }
    for input in walk::inputs_mut(plan) {
        prepare(input, meta);
    }
}

/// Whether an expression over rows has subqueries that read them.
fn asks_for_each_row(e: &Expr, rows: &LogicalPlan) -> bool {
    let mut found = false;
    walk::visit(e, &mut |e| {
        let joinable = matches!(e, Expr::Subquery(s) if s.kind != SubqueryKind::Row);
        found |= joinable && !crate::exprs::columns(e).is_empty();
    });
    let given = walk::output_columns(rows);
    found && crate::exprs::columns(e).iter().all(|id| given.contains(id))
}

/// Gives expressions names, which stand in their places then.
fn named<'e>(exprs: impl Iterator<Item = &'e mut Expr>, meta: &mut QueryMeta) -> Vec<(ColumnId, Expr)> {
    let one = |e: &mut Expr| {
        let ty = e.ty();
        let id = meta.computed("value", ty);
        (id, std::mem::replace(e, Expr::column(id, ty)))
    };
    exprs.map(one).collect()
}

/// Computes values beside the columns of a source: they are the source's then, joins may give them, and a recheck computes them anew.
pub(super) fn compute(source: &mut LogicalPlan, values: Vec<(ColumnId, Expr)>, meta: &QueryMeta) {
    // The rows of multi-column assignments are computed there already.
    if let LogicalPlan::Project { targets, .. } = source {
        let passed = |id: &ColumnId| targets.iter().any(|(t, e)| t == id && is_column(e, *id));
        if values.iter().all(|(_, e)| crate::exprs::columns(e).iter().all(passed)) {
            targets.extend(values);
            return;
        }
    }
    let passed = walk::output_columns(source).into_iter();
    let mut targets: Vec<_> = passed.map(|id| (id, Expr::column(id, meta.get(id).ty))).collect();
    targets.extend(values);
    let input = std::mem::replace(source, LogicalPlan::OneRow);
    *source = LogicalPlan::Project { input: Box::new(input), targets };
}

fn is_column(e: &Expr, of: ColumnId) -> bool {
    matches!(e, Expr::Column { id, .. } if *id == of)
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
    Recheck::Plan { plan: Box::new(plan), params: copy.params, found: vec![] }
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
        let values = LogicalPlan::Values { rows: vec![row].into(), output, alias: String::new() };
        if !nullable || there.is_empty() {
            return values;
        }
        LogicalPlan::Filter { input: Box::new(values), predicates: vec![Expr::Or(there)] }
    }
}

/// Rewrites the plan of each recheck by `f` (not inside subqueries of expressions), and the joins in it that ask for partners.
pub fn rewrite(
    plan: &mut LogicalPlan,
    meta: &mut QueryMeta,
    f: &mut dyn FnMut(LogicalPlan, &mut QueryMeta) -> Result<LogicalPlan>,
) -> Result<()> {
    if let Some(Recheck::Plan { plan: again, params, found }) = recheck_of(plan) {
        let taken = std::mem::replace(&mut **again, LogicalPlan::OneRow);
        let rewritten = f(taken, meta)?;
        **again = Partners { params, found, meta }.kept(rewritten);
    }
    walk::inputs_mut(plan).into_iter().try_for_each(|input| rewrite(input, meta, f))
}

fn recheck_of(plan: &mut LogicalPlan) -> Option<&mut Recheck<LogicalPlan>> {
    match plan {
        LogicalPlan::Update { recheck, .. }
        | LogicalPlan::Delete { recheck, .. }
        | LogicalPlan::LockRows { recheck, .. } => Some(recheck),
        _ => None,
    }
}

/// The joins that only ask whether there is a partner.
struct Partners<'a> {
    params: &'a [(ColumnId, ColumnId)],
    found: &'a mut Vec<(ColumnId, ColumnId)>,
    meta: &'a mut QueryMeta,
}

impl Partners<'_> {
    /// Anti joins go. Semi joins hold with the row as it was found, too.
    fn kept(&mut self, plan: LogicalPlan) -> LogicalPlan {
        match plan {
            LogicalPlan::Join { kind: JoinKind::Anti, left, .. } => self.kept(*left),
            LogicalPlan::Join { kind, left, right, mut on } => {
                if kind == JoinKind::Semi {
                    on.extend(on.clone().into_iter().filter_map(|e| self.as_found(e)));
                }
                let (left, right) = (Box::new(self.kept(*left)), Box::new(self.kept(*right)));
                LogicalPlan::Join { kind, left, right, on }
            }
            LogicalPlan::Filter { input, predicates } => {
                LogicalPlan::Filter { input: Box::new(self.kept(*input)), predicates }
            }
            LogicalPlan::Project { input, targets } => {
                LogicalPlan::Project { input: Box::new(self.kept(*input)), targets }
            }
            LogicalPlan::SubqueryAlias { input, alias } => {
                LogicalPlan::SubqueryAlias { input: Box::new(self.kept(*input)), alias }
            }
            other => other,
        }
    }

    /// A condition over what the row's columns were when it was found; none if it reads none of them.
    fn as_found(&mut self, mut condition: Expr) -> Option<Expr> {
        let mut reads = false;
        walk::rewrite(&mut condition, &mut |e| {
            let Expr::Column { id, .. } = e else { return };
            let Some((_, of)) = self.params.iter().find(|(param, of)| param == id || of == id) else {
                return;
            };
            reads = true;
            *id = match self.found.iter().find(|(_, have)| have == of) {
                Some((column, _)) => *column,
                None => {
                    let (name, ty) = (self.meta.get(*of).name.clone(), self.meta.get(*of).ty);
                    let column = self.meta.computed(name, ty);
                    self.found.push((column, *of));
                    column
                }
            };
        });
        reads.then_some(condition)
    }
}

/// Prunes a node's recheck, and asks for what it reads of the node's source.
pub fn prune(plan: &mut LogicalPlan, needed: &mut Needed<'_>) {
    let given = match plan {
        LogicalPlan::LockRows { input, .. } => Some(walk::output_columns(input)),
        _ => None,
    };
    let Some(Recheck::Plan { plan: again, params, found }) = recheck_of(plan) else { return };
    // The rest is computed above the locking node.
    if let (Some(given), LogicalPlan::Project { targets, .. }) = (given, &mut **again) {
        targets.retain(|(id, _)| given.contains(id));
    }
    prune_plan(again, needed);
    prune_rows(again, needed, params);
    let read = walk::free_columns(again);
    for columns in [params, found] {
        columns.retain(|(column, _)| read.binary_search(column).is_ok());
        columns.iter().for_each(|(_, of)| needed.add(*of));
    }
}

/// Drops columns that nothing reads from the rows that stand for FROM items.
fn prune_rows(plan: &mut LogicalPlan, needed: &Needed<'_>, params: &[(ColumnId, ColumnId)]) {
    if let LogicalPlan::Values { rows, output, .. } = plan
        && let [row] = rows.computed_mut()
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
