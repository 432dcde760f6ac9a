//! Whether conditions of equality pick one row of a relation at most (PostgreSQL: `relation_has_unique_index_for`,
//! `innerrel_is_unique`, `query_is_distinct_for`).

use crate::exprs::{binary, columns, is_equality};
use quarry_catalog::Relation;
use quarry_plan::{ColumnId, Expr, LogicalPlan, ScanColumn};

/// The columns among `own` that conditions set equal to something that reads none of them.
pub fn fixed_columns<'e>(conditions: impl Iterator<Item = &'e Expr>, own: &[ColumnId]) -> Vec<ColumnId> {
    let mut out = vec![];
    for condition in conditions {
        let Some((op, left, right)) = binary(condition) else { continue };
        // Indexes compare as the type's own equality does.
        if !is_equality(op) || left.ty().oid != right.ty().oid || crate::exprs::is_volatile(condition) {
            continue;
        }
        for (column, value) in [(left, right), (right, left)] {
            if let Expr::Column { id, .. } = column
                && own.contains(id)
                && !columns(value).iter().any(|c| own.contains(c))
            {
                out.push(*id);
            }
        }
    }
    out
}

/// Whether the table has at most one row for values of the `fixed` columns: it has a unique index on some of them, without a
/// predicate and not deferrable.
pub fn table_is_unique(relation: &Relation, scan: &[(ColumnId, ScanColumn)], fixed: &[ColumnId]) -> bool {
    let attribute =
        |n: usize| scan.iter().any(|(id, c)| *c == ScanColumn::Attribute(n) && fixed.contains(id));
    relation.indexes.iter().any(|index| {
        index.unique
            && !index.deferrable
            && index.valid
            && index.predicate_sql.is_none()
            && !index.keys.is_empty()
            && index.keys.iter().all(|k| k.column.is_some_and(attribute))
    })
}

/// Whether a FROM item gives at most one row for values of the `fixed` columns.
pub fn plan_is_unique(plan: &LogicalPlan, fixed: &[ColumnId]) -> bool {
    match plan {
        LogicalPlan::Scan { relation, columns, .. } => table_is_unique(relation, columns, fixed),
        LogicalPlan::Filter { input, predicates } => {
            let own = quarry_plan::walk::output_columns(input);
            let mut more = fixed.to_vec();
            more.extend(fixed_columns(predicates.iter(), &own));
            plan_is_unique(input, &more)
        }
        LogicalPlan::SubqueryAlias { input, .. } | LogicalPlan::Sort { input, .. } => {
            plan_is_unique(input, fixed)
        }
        // Plain columns come from below under their own or another id.
        LogicalPlan::Project { input, targets } => {
            let below: Vec<ColumnId> = targets
                .iter()
                .filter(|(id, _)| fixed.contains(id))
                .filter_map(|(_, e)| if let Expr::Column { id, .. } = e { Some(*id) } else { None })
                .collect();
            plan_is_unique(input, &below)
        }
        LogicalPlan::Distinct { input, on: None } => {
            quarry_plan::walk::output_columns(input).iter().all(|id| fixed.contains(id))
        }
        LogicalPlan::Aggregate { group, sets: None, .. } => group.iter().all(|(id, _)| fixed.contains(id)),
        _ => false,
    }
}
