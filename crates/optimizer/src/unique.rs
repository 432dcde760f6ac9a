//! Whether conditions of equality pick one row of a relation at most (PostgreSQL: `relation_has_unique_index_for`,
//! `innerrel_is_unique`, `query_is_distinct_for`).

use crate::exprs::{binary, is_equality};
use quarry_catalog::Relation;
use quarry_common::Oid;
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, ScanColumn, walk};
use quarry_types::oids;

/// The sides of an equation that are columns among `own` while the other side reads none of them.
fn push_equated(left: &Expr, right: &Expr, own: &[ColumnId], out: &mut Vec<ColumnId>) {
    for (column, value) in [(left, right), (right, left)] {
        if let Expr::Column { id, .. } = unlabelled(column)
            && own.contains(id)
            && !walk::reads_any(value, &mut |c| own.contains(&c))
        {
            out.push(*id);
        }
    }
}

/// A varchar that is compared as text, as its indexes do as well.
fn unlabelled(e: &Expr) -> &Expr {
    match crate::exprs::strip_relabel(e) {
        column @ Expr::Column { ty, .. } if e.ty().oid == oids::TEXT && ty.oid == oids::VARCHAR => column,
        _ => e,
    }
}

/// Whether comparing values of these types is what an index on either does: whole numbers of all widths are one family.
fn same_equality(a: Oid, b: Oid) -> bool {
    let whole = |t: Oid| matches!(t, oids::INT2 | oids::INT4 | oids::INT8);
    a == b || whole(a) && whole(b)
}

/// The columns among `own` that conditions set equal to something that reads none of them.
pub fn fixed_columns<'e>(conditions: impl Iterator<Item = &'e Expr>, own: &[ColumnId]) -> Vec<ColumnId> {
    let mut out = vec![];
    for condition in conditions {
        let Some((op, left, right)) = binary(condition) else { continue };
        // Indexes compare as the type's own equality does.
        let same = same_equality(left.ty().oid, right.ty().oid);
        if !is_equality(op) || !same || crate::exprs::is_volatile(condition) {
            continue;
        }
        push_equated(left, right, own, &mut out);
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
            let own = walk::output_columns(input);
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
            walk::output_columns(input).iter().all(|id| fixed.contains(id))
        }
        LogicalPlan::Distinct { on: Some(on), .. } => columns_among(on, fixed),
        LogicalPlan::Aggregate { group, sets: None, .. } => group.iter().all(|(id, _)| fixed.contains(id)),
        _ => false,
    }
}

fn columns_among(list: &[Expr], ids: &[ColumnId]) -> bool {
    list.iter().all(|e| matches!(e, Expr::Column { id, .. } if ids.contains(id)))
}

/// Whether no two rows of a plan agree in these columns, NULLs taken for equal.
pub fn rows_differ(plan: &LogicalPlan, by: &[ColumnId]) -> bool {
    match plan {
        LogicalPlan::OneRow => true,
        LogicalPlan::Values { rows, .. } => rows.len() <= 1,
        LogicalPlan::Scan { relation, columns, .. } => {
            let known = |n: usize| {
                relation.columns.get(n).is_some_and(|c| c.not_null)
                    && columns.iter().any(|(id, c)| *c == ScanColumn::Attribute(n) && by.contains(id))
            };
            relation.indexes.iter().any(|index| {
                index.unique
                    && !index.deferrable
                    && index.valid
                    && index.predicate_sql.is_none()
                    && !index.keys.is_empty()
                    && index.keys.iter().all(|k| k.column.is_some_and(known))
            }) || columns.iter().any(|(id, c)| *c == ScanColumn::Ctid && by.contains(id))
        }
        LogicalPlan::Filter { input, predicates } => rows_differ(input, &determined(by, predicates, input)),
        LogicalPlan::Join { kind: kind @ (JoinKind::Inner | JoinKind::Left), left, right, on } => {
            let mut by = by.to_vec();
            if *kind == JoinKind::Inner {
                by = determined(&by, on, plan);
            }
            let at_most_one = |side: &LogicalPlan| {
                let own = walk::output_columns(side);
                let mut fixed = fixed_columns(on.iter(), &own);
                fixed.extend(by.iter().filter(|id| own.contains(id)));
                plan_is_unique(side, &fixed) && !reads_beside(side, plan)
            };
            rows_differ(left, &by) && (rows_differ(right, &by) || at_most_one(right))
                || *kind == JoinKind::Inner && rows_differ(right, &by) && at_most_one(left)
        }
        LogicalPlan::Join { kind: JoinKind::Semi | JoinKind::Anti, left, .. } => rows_differ(left, by),
        LogicalPlan::Project { input, targets } => {
            let below: Vec<ColumnId> = targets
                .iter()
                .filter(|(id, _)| by.contains(id))
                .filter_map(|(_, e)| if let Expr::Column { id, .. } = e { Some(*id) } else { None })
                .collect();
            rows_differ(input, &below)
        }
        LogicalPlan::Aggregate { group, sets: None, .. } => group.iter().all(|(id, _)| by.contains(id)),
        LogicalPlan::Distinct { input, on: None } => {
            walk::output_columns(input).iter().all(|id| by.contains(id)) || rows_differ(input, by)
        }
        LogicalPlan::SetOp { all: false, output, .. } => output.iter().all(|id| by.contains(id)),
        LogicalPlan::SubqueryAlias { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Limit { input, .. }
        | LogicalPlan::Window { input, .. } => rows_differ(input, by),
        _ => false,
    }
}

/// Whether one side of a join reads columns of the other: its rows are then others for each row of that.
fn reads_beside(side: &LogicalPlan, join: &LogicalPlan) -> bool {
    let all = walk::output_columns(join);
    walk::free_columns(side).iter().any(|id| all.contains(id))
}

/// These columns and all that conditions set equal to one of them or to something that the plan doesn't read.
fn determined(by: &[ColumnId], conditions: &[Expr], plan: &LogicalPlan) -> Vec<ColumnId> {
    let own = walk::output_columns(plan);
    let mut out = by.to_vec();
    out.extend(constant_columns(conditions, &own));
    loop {
        let before = out.len();
        for condition in conditions {
            let Some((op, Expr::Column { id: a, ty: ta }, Expr::Column { id: b, ty: tb })) =
                binary(condition)
            else {
                continue;
            };
            if is_equality(op) && op.merges && ta.oid == tb.oid {
                for (x, y) in [(a, b), (b, a)] {
                    if out.contains(x) && !out.contains(y) {
                        out.push(*y);
                    }
                }
            }
        }
        if out.len() == before {
            return out;
        }
    }
}

/// The columns among `own` that conditions set equal to something that reads none of them: a constant, a parameter, an outer column.
pub fn constant_columns(conditions: &[Expr], own: &[ColumnId]) -> Vec<ColumnId> {
    let mut out = vec![];
    for condition in conditions {
        let Some((op, left, right)) = binary(condition) else { continue };
        let equal = is_equality(op) && op.merges && left.ty().oid == right.ty().oid;
        if !equal || crate::exprs::is_volatile(condition) || crate::exprs::has_subquery(condition) {
            continue;
        }
        push_equated(left, right, own, &mut out);
    }
    out
}

/// Columns of a FROM item whose values no two of its rows share, if it makes groups or distinct rows.
pub fn key_of(plan: &LogicalPlan) -> Option<Vec<ColumnId>> {
    match plan {
        LogicalPlan::Filter { input, .. }
        | LogicalPlan::SubqueryAlias { input, .. }
        | LogicalPlan::Sort { input, .. }
        | LogicalPlan::Limit { input, .. } => key_of(input),
        LogicalPlan::Project { input, targets } => key_of(input)?
            .into_iter()
            .map(|key| {
                let same = |(_, e): &&(ColumnId, Expr)| matches!(e, Expr::Column { id, .. } if *id == key);
                targets.iter().find(same).map(|(id, _)| *id)
            })
            .collect(),
        LogicalPlan::Distinct { input, on: None } => Some(quarry_plan::walk::output_columns(input)),
        LogicalPlan::Aggregate { group, sets: None, .. } => Some(group.iter().map(|(id, _)| *id).collect()),
        _ => None,
    }
}
