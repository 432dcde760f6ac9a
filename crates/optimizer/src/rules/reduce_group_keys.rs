//! Columns that a table's key determines need not be compared to tell groups apart (PostgreSQL: `remove_useless_groupby_columns`):
//!
//! ```text
//! SELECT id, name, count(*) FROM item JOIN ... GROUP BY id, name  ->  grouped by id; name is that of any of the group's rows
//! ```

use quarry_catalog::Relation;
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, ScanColumn};

/// The places in `group` of columns that others in it determine.
pub fn determined(input: &LogicalPlan, group: &[(ColumnId, Expr)]) -> Vec<usize> {
    if group.len() < 2 {
        return vec![];
    }
    let column = |e: &Expr| if let Expr::Column { id, .. } = e { Some(*id) } else { None };
    let grouped: Vec<Option<ColumnId>> = group.iter().map(|(_, e)| column(e)).collect();
    let mut out = vec![];
    scans(input, &mut |relation, columns| {
        let has = |n: usize| {
            let of =
                |c: &(ColumnId, ScanColumn)| c.1 == ScanColumn::Attribute(n) && grouped.contains(&Some(c.0));
            columns.iter().any(of)
        };
        let Some(key) = relation.indexes.iter().find(|i| {
            i.primary
                && i.valid
                && !i.deferrable
                && !i.keys.is_empty()
                && i.keys.iter().all(|k| k.column.is_some_and(has))
        }) else {
            return;
        };
        let in_key = |c: &ScanColumn| {
            key.keys.iter().any(|k| k.column.is_some_and(|n| *c == ScanColumn::Attribute(n)))
        };
        for (place, id) in grouped.iter().enumerate() {
            let own = columns.iter().find(|(c, _)| Some(*c) == *id);
            if own.is_some_and(|(_, c)| matches!(c, ScanColumn::Attribute(_)) && !in_key(c)) {
                out.push(place);
            }
        }
    });
    out
}

type ForScan<'f> = dyn FnMut(&Relation, &[(ColumnId, ScanColumn)]) + 'f;

/// Calls `f` with the tables whose columns a FROM clause gives.
fn scans(plan: &LogicalPlan, f: &mut ForScan<'_>) {
    match plan {
        LogicalPlan::Scan { relation, columns, .. } => f(relation, columns),
        LogicalPlan::Filter { input, .. } => scans(input, f),
        LogicalPlan::Join { kind, left, right, .. } => {
            scans(left, f);
            if !matches!(kind, JoinKind::Semi | JoinKind::Anti) {
                scans(right, f);
            }
        }
        _ => {}
    }
}
