//! What rules need that take tables out of inner joins: the items of a FROM clause, the conditions that hold for all its rows, how
//! often columns are read, and the taking out itself.
//!
//! An item is taken out together with the conditions that read it; these move to the top of the inner joins, where every other item's
//! columns are there to stand for its own.

use crate::exprs::{binary, columns, equality, is_equality, is_volatile, substitute};
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, QueryMeta, walk};
use std::collections::HashMap;

/// Calls `f` on the root of each tree of inner joins and filters, subqueries of expressions included, until it answers something.
pub fn find_in_joins<T>(
    plan: &mut LogicalPlan,
    f: &mut dyn FnMut(&mut LogicalPlan) -> Option<T>,
) -> Option<T> {
    descend(plan, false, f)
}

fn descend<T>(
    plan: &mut LogicalPlan,
    inside: bool,
    f: &mut dyn FnMut(&mut LogicalPlan) -> Option<T>,
) -> Option<T> {
    let inner = matches!(plan, LogicalPlan::Filter { .. } | LogicalPlan::Join { kind: JoinKind::Inner, .. });
    if inner
        && !inside
        && let Some(found) = f(plan)
    {
        return Some(found);
    }
    let mut found = None;
    super::for_each_subquery_here(plan, &mut |sub| {
        if found.is_none() {
            found = descend(sub, false, f);
        }
    });
    for input in walk::inputs_mut(plan) {
        if found.is_some() {
            break;
        }
        found = descend(input, inner, f);
    }
    found
}

/// The items of a tree of inner joins whose rows all its rows have, left sides of outer joins included.
pub fn items<'p>(plan: &'p LogicalPlan, out: &mut Vec<&'p LogicalPlan>) {
    match plan {
        LogicalPlan::Filter { input, .. } => items(input, out),
        LogicalPlan::Join { kind: JoinKind::Inner, left, right, .. } => {
            items(left, out);
            items(right, out);
        }
        LogicalPlan::Join { kind: JoinKind::Left | JoinKind::Semi | JoinKind::Anti, left, .. } => {
            items(left, out)
        }
        other => out.push(other),
    }
}

/// The conditions of inner joins and filters in the tree.
pub fn conditions<'p>(plan: &'p LogicalPlan, out: &mut Vec<&'p Expr>) {
    match plan {
        LogicalPlan::Filter { input, predicates } => {
            out.extend(predicates);
            conditions(input, out);
        }
        LogicalPlan::Join { kind: JoinKind::Inner, left, right, on } => {
            out.extend(on);
            conditions(left, out);
            conditions(right, out);
        }
        LogicalPlan::Join { kind: JoinKind::Left | JoinKind::Semi | JoinKind::Anti, left, .. } => {
            conditions(left, out)
        }
        _ => {}
    }
}

/// Columns that conditions make equal, by representative.
#[derive(Default)]
pub struct Equal(HashMap<ColumnId, ColumnId>);

impl Equal {
    pub fn of(conditions: &[&Expr]) -> Equal {
        let mut out = Equal::default();
        for c in conditions {
            let Some((op, Expr::Column { id: a, ty: ta }, Expr::Column { id: b, ty: tb })) = binary(c) else {
                continue;
            };
            let plain = || equality(Expr::column(*a, *ta), Expr::column(*b, *tb)).is_some();
            if is_equality(op) && op.merges && ta.oid == tb.oid && plain() {
                let (a, b) = (out.find(*a), out.find(*b));
                if a != b {
                    out.0.insert(a.max(b), a.min(b));
                }
            }
        }
        out
    }

    pub fn find(&self, mut id: ColumnId) -> ColumnId {
        while let Some(next) = self.0.get(&id) {
            id = *next;
        }
        id
    }

    pub fn same(&self, a: ColumnId, b: ColumnId) -> bool {
        a != b && self.find(a) == self.find(b)
    }
}

/// How often each column is read anywhere in a statement; `also` are read from outside.
pub fn uses(plan: &LogicalPlan, also: &[ColumnId]) -> HashMap<ColumnId, usize> {
    let mut out = HashMap::new();
    also.iter().for_each(|id| *out.entry(*id).or_default() += 1);
    count(plan, &mut out);
    out
}

fn count(plan: &LogicalPlan, out: &mut HashMap<ColumnId, usize>) {
    let mut add = |id: ColumnId| *out.entry(id).or_default() += 1;
    for e in walk::exprs(plan) {
        walk::visit(e, &mut |e| {
            if let Expr::Column { id, .. } = e {
                add(*id);
            }
        });
    }
    match plan {
        LogicalPlan::CteScan { columns, .. } => columns.iter().for_each(|(_, from)| add(*from)),
        // These read what their inputs give without naming it.
        LogicalPlan::SetOp { .. }
        | LogicalPlan::With { .. }
        | LogicalPlan::Distinct { .. }
        | LogicalPlan::LockRows { .. }
        | LogicalPlan::Insert { .. }
        | LogicalPlan::Update { .. }
        | LogicalPlan::Delete { .. } => {
            walk::inputs(plan).into_iter().flat_map(walk::output_columns).for_each(add)
        }
        _ => {}
    }
    for e in walk::exprs(plan) {
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let SubqueryPlan::Logical(sub) = &s.plan
            {
                s.output.iter().for_each(|id| *out.entry(*id).or_default() += 1);
                count(sub, out);
            }
        });
    }
    walk::inputs(plan).into_iter().for_each(|input| count(input, out));
}

/// Takes the scan that gives `column` out of a tree of inner joins, with its conditions; none if it can't be taken from its place.
/// What comes back are the conditions that read it, and the scan.
pub fn take_out(plan: &mut LogicalPlan, column: ColumnId) -> Option<(LogicalPlan, Vec<Expr>)> {
    let own = place_of(plan, column)?;
    let mut moved = vec![];
    if !gather(plan, &own, &mut moved) {
        return None;
    }
    let scan = remove(plan, column)?;
    Some((scan, moved))
}

/// The columns of the scan, if it stands directly in an inner join.
fn place_of(plan: &LogicalPlan, column: ColumnId) -> Option<Vec<ColumnId>> {
    match plan {
        LogicalPlan::Filter { input, .. } => place_of(input, column),
        LogicalPlan::Join { kind: JoinKind::Inner, left, right, .. } => {
            for side in [left, right] {
                if let Some(ids) = scan_of(side, column) {
                    return Some(ids);
                }
            }
            place_of(left, column).or_else(|| place_of(right, column))
        }
        _ => None,
    }
}

/// The columns of a scan, possibly filtered, that gives `column`.
fn scan_of(plan: &LogicalPlan, column: ColumnId) -> Option<Vec<ColumnId>> {
    match plan {
        LogicalPlan::Filter { input, .. } => scan_of(input, column),
        LogicalPlan::Scan { columns, .. } if columns.iter().any(|(id, _)| *id == column) => {
            Some(columns.iter().map(|(id, _)| *id).collect())
        }
        _ => None,
    }
}

/// Moves the conditions that read any of `own` out of the tree; false (and nothing is lost) if one must stay.
fn gather(plan: &mut LogicalPlan, own: &[ColumnId], out: &mut Vec<Expr>) -> bool {
    let mut all = vec![];
    conditions(plan, &mut all);
    let reads = |e: &Expr| columns(e).iter().any(|id| own.contains(id));
    if all.iter().any(|e| reads(e) && is_volatile(e)) {
        return false;
    }
    draw(plan, &reads, out);
    true
}

/// Moves wanted conditions out of the inner joins and filters of a tree.
pub fn draw(plan: &mut LogicalPlan, wanted: &dyn Fn(&Expr) -> bool, out: &mut Vec<Expr>) {
    match plan {
        LogicalPlan::Filter { input, predicates } => {
            draw(input, wanted, out);
            out.extend(predicates.extract_if(.., |e| wanted(e)));
            if predicates.is_empty() {
                *plan = std::mem::replace(&mut **input, LogicalPlan::OneRow);
            }
        }
        LogicalPlan::Join { kind: JoinKind::Inner, left, right, on } => {
            draw(left, wanted, out);
            draw(right, wanted, out);
            out.extend(on.extract_if(.., |e| wanted(e)));
        }
        _ => {}
    }
}

fn remove(plan: &mut LogicalPlan, column: ColumnId) -> Option<LogicalPlan> {
    match plan {
        LogicalPlan::Filter { input, .. } => remove(input, column),
        LogicalPlan::Join { kind: JoinKind::Inner, left, right, on } => {
            for first in [true, false] {
                let (side, kept) = if first { (&mut *left, &mut *right) } else { (&mut *right, &mut *left) };
                let is_it = |p: &LogicalPlan| matches!(p, LogicalPlan::Scan { columns, .. } if columns.iter().any(|(id, _)| *id == column));
                if is_it(side) {
                    let scan = std::mem::replace(&mut **side, LogicalPlan::OneRow);
                    let kept = std::mem::replace(&mut **kept, LogicalPlan::OneRow);
                    *plan = filtered(kept, std::mem::take(on));
                    return Some(scan);
                }
            }
            remove(left, column).or_else(|| remove(right, column))
        }
        _ => None,
    }
}

/// The plan with conditions on top of it.
pub fn filtered(plan: LogicalPlan, mut more: Vec<Expr>) -> LogicalPlan {
    match plan {
        plan if more.is_empty() => plan,
        LogicalPlan::Filter { input, mut predicates } => {
            predicates.append(&mut more);
            LogicalPlan::Filter { input, predicates }
        }
        other => LogicalPlan::Filter { input: Box::new(other), predicates: more },
    }
}

/// Conditions with columns replaced. A column equal to itself says only that it is not NULL.
pub fn replaced(conditions: Vec<Expr>, map: &HashMap<ColumnId, Expr>, meta: &QueryMeta) -> Vec<Expr> {
    let mut out: Vec<Expr> = vec![];
    for mut e in conditions {
        substitute(&mut e, map);
        if let Some((op, Expr::Column { id: a, ty }, Expr::Column { id: b, .. })) = binary(&e)
            && is_equality(op)
            && a == b
        {
            if meta.get(*a).not_null {
                continue;
            }
            e = Expr::IsNull { arg: Box::new(Expr::column(*a, *ty)), negated: true };
        }
        if !out.contains(&e) {
            out.push(e);
        }
    }
    out
}
