//! A table joined with itself by a unique key is one table:
//!
//! ```text
//! SELECT a.x, b.y FROM t a JOIN t b ON b.id = a.id WHERE b.z > 5  ->  SELECT a.x, a.y FROM t a WHERE a.z > 5
//! ```
//!
//! PostgreSQL 15 joins. Only inner joins of plain tables, in statements that neither lock nor change rows. A key that may be NULL
//! must be tested for it: NULL isn't equal to itself.

use super::inner_joins::{Equal, conditions, filtered, find_in_joins, items, replaced, take_out};
use crate::exprs::substitute_plan;
use quarry_plan::{ColumnId, Expr, LogicalPlan, QueryMeta, ScanColumn};
use std::collections::HashMap;

/// Runs over the plan and the subqueries in it. True if a table went.
pub fn run(plan: &mut LogicalPlan, meta: &QueryMeta) -> bool {
    let mut any = false;
    while let Some(map) = find_in_joins(plan, &mut |tree| merge_two(tree, meta)) {
        substitute_plan(plan, &map);
        any = true;
    }
    any
}

type Scan = (quarry_common::Oid, Vec<(ColumnId, ScanColumn)>);

fn merge_two(tree: &mut LogicalPlan, meta: &QueryMeta) -> Option<HashMap<ColumnId, Expr>> {
    let mut found = vec![];
    items(tree, &mut found);
    let scans: Vec<(&LogicalPlan, Scan)> = found
        .into_iter()
        .filter_map(|item| match item {
            LogicalPlan::Scan { relation, columns, .. } => Some((item, (relation.oid, columns.clone()))),
            _ => None,
        })
        .collect();
    if scans.len() < 2 {
        return None;
    }
    let mut all = vec![];
    conditions(tree, &mut all);
    let equal = Equal::of(&all);
    let mut pairs = vec![];
    for (i, (item, a)) in scans.iter().enumerate() {
        for (_, b) in &scans[i + 1..] {
            if a.0 == b.0 && same_row(item, &a.1, &b.1, &equal) {
                pairs.push((a.1.clone(), b.1.clone()));
                pairs.push((b.1.clone(), a.1.clone()));
            }
        }
    }
    pairs.into_iter().find_map(|(kept, gone)| merge(tree, &kept, &gone, meta))
}

/// Whether a unique key of the table is equal in both scans.
fn same_row(
    item: &LogicalPlan,
    a: &[(ColumnId, ScanColumn)],
    b: &[(ColumnId, ScanColumn)],
    equal: &Equal,
) -> bool {
    let LogicalPlan::Scan { relation, .. } = item else { return false };
    relation.indexes.iter().any(|index| {
        index.unique
            && !index.deferrable
            && index.valid
            && index.predicate_sql.is_none()
            && !index.keys.is_empty()
            && index.keys.iter().all(|k| {
                let Some(n) = k.column else { return false };
                let at = |scan: &[(ColumnId, ScanColumn)]| column_of(scan, ScanColumn::Attribute(n));
                matches!((at(a), at(b)), (Some(x), Some(y)) if equal.same(x, y))
            })
    })
}

fn column_of(scan: &[(ColumnId, ScanColumn)], wanted: ScanColumn) -> Option<ColumnId> {
    scan.iter().find(|(_, c)| *c == wanted).map(|(id, _)| *id)
}

fn merge(
    tree: &mut LogicalPlan,
    kept: &[(ColumnId, ScanColumn)],
    gone: &[(ColumnId, ScanColumn)],
    meta: &QueryMeta,
) -> Option<HashMap<ColumnId, Expr>> {
    let (_, moved) = take_out(tree, gone.first()?.0)?;
    // Columns that only the removed scan reads go to the other under their own ids.
    let mut map = HashMap::new();
    let mut more = vec![];
    for (id, column) in gone {
        match column_of(kept, *column) {
            Some(same) => drop(map.insert(*id, Expr::column(same, meta.get(*id).ty))),
            None => more.push((*id, *column)),
        }
    }
    extend_scan(tree, kept.first()?.0, &more);
    let taken = std::mem::replace(tree, LogicalPlan::OneRow);
    *tree = filtered(taken, replaced(moved, &map, meta));
    Some(map)
}

fn extend_scan(plan: &mut LogicalPlan, of: ColumnId, more: &[(ColumnId, ScanColumn)]) {
    if let LogicalPlan::Scan { columns, .. } = plan
        && columns.iter().any(|(id, _)| *id == of)
    {
        columns.extend_from_slice(more);
        return;
    }
    quarry_plan::walk::inputs_mut(plan).into_iter().for_each(|input| extend_scan(input, of, more));
}
