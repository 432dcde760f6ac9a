//! LIMIT goes below joins that keep every row of their left side exactly once, and into the branches of UNION ALL:
//!
//! ```text
//! SELECT a.x, b.y FROM a LEFT JOIN b ON b.id = a.b ORDER BY a.x LIMIT 10
//!   -> SELECT a.x, b.y FROM (SELECT * FROM a ORDER BY a.x LIMIT 10) a LEFT JOIN b ON b.id = a.b ORDER BY a.x LIMIT 10
//! ```
//!
//! The LIMIT above stays. PostgreSQL joins all rows, unless it can read them in order.

use crate::unique::{fixed_columns, plan_is_unique};
use quarry_plan::{ColumnId, Expr, JoinKind, LogicalPlan, SetOpKind, SortKey, walk};
use quarry_types::{Datum, SqlType};

/// Runs over the plan (not inside subqueries of expressions). True if a LIMIT was pushed.
pub fn run(plan: &mut LogicalPlan) -> bool {
    let mut any = false;
    if let LogicalPlan::Limit { input, limit, offset, ties: None } = plan
        && let Some(rows) = rows_wanted(limit.as_ref(), offset.as_ref())
    {
        any |= into(input, rows, None);
    }
    for input in walk::inputs_mut(plan) {
        any |= run(input);
    }
    any
}

/// LIMIT and OFFSET together, where both are constants.
fn rows_wanted(limit: Option<&Expr>, offset: Option<&Expr>) -> Option<i64> {
    let number = |e: &Expr| match e {
        Expr::Const { value: Datum::I64(n), .. } if *n >= 0 => Some(*n),
        _ => None,
    };
    number(limit?)?.checked_add(offset.map_or(Some(0), number)?)
}

/// Cuts off what lies below `plan`, of which so many rows in this order are wanted. True if that was possible.
fn into(plan: &mut LogicalPlan, rows: i64, order: Option<&[SortKey]>) -> bool {
    match plan {
        LogicalPlan::Project { input, targets } => {
            let volatile = targets.iter().any(|(_, e)| crate::exprs::is_volatile(e));
            let renamed = match order {
                None => None,
                // The keys as they are called below.
                Some(keys) => match below(keys, targets) {
                    Some(keys) => Some(keys),
                    None => return false,
                },
            };
            !volatile && into(input, rows, renamed.as_deref())
        }
        LogicalPlan::Sort { input, keys } if order.is_none() => into(input, rows, Some(keys)),
        LogicalPlan::SubqueryAlias { input, .. } => into(input, rows, order),
        LogicalPlan::Join { kind: JoinKind::Left, left, right, on } => {
            let (outer, own) = (walk::output_columns(left), walk::output_columns(right));
            let of_left = |k: &SortKey| crate::exprs::columns(&k.expr).iter().all(|id| outer.contains(id));
            let once = plan_is_unique(right, &fixed_columns(on.iter(), &own));
            let volatile = on.iter().any(crate::exprs::is_volatile)
                || crate::exprs::plan_volatility(right) == quarry_functions::Volatility::Volatile;
            if !once || volatile || !order.unwrap_or_default().iter().all(of_left) {
                return false;
            }
            // A deeper one does as well.
            if !into(left, rows, order) && !is_cut(left) {
                cut(left, rows, order);
            }
            true
        }
        LogicalPlan::SetOp {
            kind: SetOpKind::Union,
            all: true,
            left,
            right,
            output,
            left_columns,
            right_columns,
        } => {
            let Some(keys) = order else { return false };
            for (branch, columns) in [(left, left_columns), (right, right_columns)] {
                let renames: Vec<(ColumnId, Expr)> = output
                    .iter()
                    .zip(columns)
                    .map(|(o, c)| (*o, Expr::column(*c, SqlType::UNKNOWN)))
                    .collect();
                let Some(keys) = below(keys, &renames) else { return false };
                if !into(branch, rows, Some(&keys)) && !is_cut(branch) {
                    cut(branch, rows, Some(&keys));
                }
            }
            true
        }
        _ => false,
    }
}

fn is_cut(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Limit { .. } | LogicalPlan::OneRow | LogicalPlan::Values { .. })
}

/// Sort keys that are plain columns, by their names below; none if one is computed.
fn below(keys: &[SortKey], targets: &[(ColumnId, Expr)]) -> Option<Vec<SortKey>> {
    keys.iter()
        .map(|k| {
            let Expr::Column { id, ty } = &k.expr else { return None };
            match targets.iter().find(|(t, _)| t == id).map(|(_, e)| e) {
                Some(Expr::Column { id, .. }) => Some(SortKey { expr: Expr::column(*id, *ty), ..k.clone() }),
                _ => None,
            }
        })
        .collect()
}

fn cut(plan: &mut LogicalPlan, rows: i64, order: Option<&[SortKey]>) {
    let mut input = std::mem::replace(plan, LogicalPlan::OneRow);
    if let Some(keys) = order {
        input = LogicalPlan::Sort { input: Box::new(input), keys: keys.to_vec() };
    }
    let limit = Some(Expr::Const { value: Datum::I64(rows), ty: SqlType::INT8 });
    *plan = LogicalPlan::Limit { input: Box::new(input), limit, offset: None, ties: None };
}
