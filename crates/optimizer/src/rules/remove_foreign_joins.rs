//! A join with a table of which nothing but the key is read, by a foreign key to it, finds exactly one row for every row whose
//! foreign key isn't NULL:
//!
//! ```text
//! SELECT o.id FROM orders o JOIN customer c ON c.id = o.customer  ->  SELECT o.id FROM orders o [WHERE o.customer IS NOT NULL]
//! ```
//!
//! PostgreSQL joins. The constraint must be validated and not deferrable: a deferred one may not hold yet.

use super::inner_joins::{Equal, conditions, filtered, find_in_joins, items, replaced, take_out, uses};
use crate::exprs::{binary, is_equality, substitute_plan};
use quarry_catalog::{ConstraintKind, Relation};
use quarry_plan::{ColumnId, Expr, LogicalPlan, QueryMeta, ScanColumn, walk};
use std::collections::HashMap;
use std::sync::Arc;

/// Runs over the plan and the subqueries in it. True if a table went.
pub fn run(plan: &mut LogicalPlan, meta: &QueryMeta) -> bool {
    if !has_reference(plan) {
        return false;
    }
    let mut any = false;
    loop {
        let reads = uses(plan, &walk::output_columns(plan));
        let Some(map) = find_in_joins(plan, &mut |tree| drop_one(tree, &reads, meta)) else { return any };
        substitute_plan(plan, &map);
        any = true;
    }
}

/// Whether any table of the statement is referenced by foreign keys.
fn has_reference(plan: &LogicalPlan) -> bool {
    let mut found = matches!(plan, LogicalPlan::Scan { relation, .. } if !relation.referenced_by.is_empty());
    for e in walk::exprs(plan) {
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e
                && let quarry_plan::expr::SubqueryPlan::Logical(sub) = &s.plan
            {
                found |= has_reference(sub);
            }
        });
    }
    found || walk::inputs(plan).into_iter().any(has_reference)
}

type Scan<'p> = (&'p Arc<Relation>, &'p [(ColumnId, ScanColumn)]);

fn drop_one(
    tree: &mut LogicalPlan,
    reads: &HashMap<ColumnId, usize>,
    meta: &QueryMeta,
) -> Option<HashMap<ColumnId, Expr>> {
    let mut found = vec![];
    items(tree, &mut found);
    let scans: Vec<Scan<'_>> = found
        .into_iter()
        .filter_map(|item| match item {
            LogicalPlan::Scan { relation, columns, .. } => Some((relation, columns.as_slice())),
            _ => None,
        })
        .collect();
    let mut all = vec![];
    conditions(tree, &mut all);
    let equal = Equal::of(&all);
    let mut choices: Vec<Vec<(ColumnId, ColumnId)>> = vec![];
    for (target, target_columns) in scans.iter().filter(|(r, _)| !r.referenced_by.is_empty()) {
        for (source, source_columns) in &scans {
            if !std::ptr::eq(*target_columns, *source_columns)
                && let Some(keys) = reference((source, source_columns), (target, target_columns), &equal)
                && only_keys_are_read(target_columns, &keys, &all, reads)
            {
                choices.push(keys);
            }
        }
    }
    choices.into_iter().find_map(|keys| {
        let (_, moved) = take_out(tree, keys.first()?.1)?;
        let map: HashMap<ColumnId, Expr> =
            keys.iter().map(|(from, to)| (*to, Expr::column(*from, meta.get(*to).ty))).collect();
        let taken = std::mem::replace(tree, LogicalPlan::OneRow);
        *tree = filtered(taken, replaced(moved, &map, meta));
        Some(map)
    })
}

/// The pairs of equal columns (referencing, referenced) of a foreign key between two scans.
fn reference(source: Scan<'_>, target: Scan<'_>, equal: &Equal) -> Option<Vec<(ColumnId, ColumnId)>> {
    source.0.constraints.iter().find_map(|c| {
        let ConstraintKind::ForeignKey { columns, ref_table, ref_columns, .. } = &c.kind else { return None };
        if *ref_table != target.0.oid || !c.validated || c.deferrable {
            return None;
        }
        columns
            .iter()
            .zip(ref_columns)
            .map(|(from, to)| {
                let at = |scan: &[(ColumnId, ScanColumn)], n: usize| {
                    scan.iter().find(|(_, c)| *c == ScanColumn::Attribute(n)).map(|(id, _)| *id)
                };
                let pair = (at(source.1, *from)?, at(target.1, *to)?);
                equal.same(pair.0, pair.1).then_some(pair)
            })
            .collect()
    })
}

/// Whether nothing of the referenced table is read but its key. Conditions on the key hold for the referencing column as well.
fn only_keys_are_read(
    target: &[(ColumnId, ScanColumn)],
    keys: &[(ColumnId, ColumnId)],
    conditions: &[&Expr],
    reads: &HashMap<ColumnId, usize>,
) -> bool {
    let unread = target
        .iter()
        .filter(|(id, _)| !keys.iter().any(|(_, to)| to == id))
        .all(|(id, _)| !reads.contains_key(id));
    // The key itself must be compared with something: its equality may follow from others only.
    unread
        && keys.iter().all(|(_, to)| {
            conditions.iter().any(|c| {
                matches!(binary(c), Some((op, Expr::Column { id: a, .. }, Expr::Column { id: b, .. }))
                    if is_equality(op) && (a == to || b == to))
            })
        })
}
