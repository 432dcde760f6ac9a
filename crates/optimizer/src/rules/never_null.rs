//! Which columns of a plan are never NULL: declared so, tested by a condition, or computed so; outer joins take that away.

use crate::exprs::nonnullable;
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, ScanColumn, walk};

/// The columns among a plan's output that are never NULL.
pub fn columns_of(plan: &LogicalPlan) -> Vec<ColumnId> {
    match plan {
        LogicalPlan::Scan { relation, columns, .. } => columns
            .iter()
            .filter(|(_, c)| match c {
                ScanColumn::Attribute(n) => relation.columns.get(*n).is_some_and(|c| c.not_null),
                ScanColumn::Ctid | ScanColumn::TableOid => true,
                _ => false,
            })
            .map(|(id, _)| *id)
            .collect(),
        LogicalPlan::Filter { input, predicates } => {
            let mut out = columns_of(input);
            tested(predicates, &walk::output_columns(input), &mut out);
            out
        }
        LogicalPlan::Join { kind, left, right, on } => {
            let mut out = match kind {
                JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti => columns_of(left),
                _ => vec![],
            };
            if matches!(kind, JoinKind::Inner | JoinKind::Right) {
                out.extend(columns_of(right));
            }
            let known = match kind {
                JoinKind::Inner => walk::output_columns(plan),
                JoinKind::Semi => walk::output_columns(left),
                _ => vec![],
            };
            if matches!(kind, JoinKind::Inner | JoinKind::Semi) {
                tested(on, &known, &mut out);
            }
            out
        }
        LogicalPlan::Project { input, targets } => {
            let below = columns_of(input);
            targets.iter().filter(|(_, e)| is_value(e, &below)).map(|(id, _)| *id).collect()
        }
        LogicalPlan::Aggregate { input, group, sets: None, aggregates, .. } => {
            let below = columns_of(input);
            let keys = group.iter().filter(|(_, e)| is_value(e, &below)).map(|(id, _)| *id);
            let counts =
                aggregates.iter().filter(|(_, a)| a.function.def().name == "count").map(|(id, _)| *id);
            keys.chain(counts).collect()
        }
        LogicalPlan::Values { rows, output, .. } => output
            .iter()
            .enumerate()
            .filter(|(i, _)| rows.never_null(*i, |e| is_value(e, &[])))
            .map(|(_, id)| *id)
            .collect(),
        LogicalPlan::SetOp { left, right, output, left_columns, right_columns, .. } => {
            let (l, r) = (columns_of(left), columns_of(right));
            output
                .iter()
                .zip(left_columns.iter().zip(right_columns))
                .filter(|(_, (a, b))| l.contains(a) && r.contains(b))
                .map(|(id, _)| *id)
                .collect()
        }
        LogicalPlan::SubqueryAlias { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Distinct { input, .. }
        | LogicalPlan::Limit { input, .. }
        | LogicalPlan::Window { input, .. } => columns_of(input),
        _ => vec![],
    }
}

fn tested(conditions: &[Expr], columns: &[ColumnId], out: &mut Vec<ColumnId>) {
    let mut found = vec![];
    conditions.iter().for_each(|e| nonnullable(e, true, &mut found));
    out.extend(found.into_iter().filter(|id| columns.contains(id)));
}

/// Whether an expression over columns of which these are never NULL is never NULL itself.
pub fn is_value(e: &Expr, columns: &[ColumnId]) -> bool {
    match e {
        Expr::Const { value, .. } => !value.is_null(),
        Expr::Column { id, .. } => columns.contains(id),
        Expr::Coalesce { args, .. } => args.iter().any(|a| is_value(a, columns)),
        Expr::IsNull { .. } | Expr::IsBool { .. } | Expr::IsDistinct { .. } => true,
        Expr::Cast { arg, kind: quarry_plan::CastKind::Relabel, .. } => is_value(arg, columns),
        _ => false,
    }
}
