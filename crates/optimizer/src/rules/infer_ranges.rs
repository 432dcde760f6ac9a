//! What is compared with a constant is compared for all columns that equal it:
//!
//! ```text
//! a.x = b.x AND a.x > 5  ->  b.x > 5
//! ```
//!
//! PostgreSQL does that for equality with a constant only. Conditions that keep nearly all rows aren't worth testing twice. Estimates of
//! the join are put right: its rows have been chosen by the same condition on both sides (`Class::range_share`).

use super::Rule;
use crate::exprs::{binary, has_columns, has_subquery, is_volatile, operator_call};
use crate::planner::Planner;
use crate::region::{Class, Clause, Region, Source};
use quarry_functions::OperatorDef;
use quarry_plan::Expr;

/// The largest share of rows that a condition may keep to be tested elsewhere, too.
const SHARE_MAX: f64 = 0.9;

/// A comparison of a member of a class with something that reads no columns.
struct Range {
    member: usize,
    op: &'static OperatorDef,
    /// The column is on the right.
    turned: bool,
    value: Expr,
    condition: Expr,
}

/// Adds conditions to a region.
pub fn run(region: &mut Region, p: &mut Planner<'_>) {
    if !p.rules.allows(Rule::InferRanges) || p.rules.rows_change() {
        return;
    }
    let mut derived: Vec<Clause> = vec![];
    let Region { classes, clauses, items, .. } = region;
    for class in classes.iter_mut().filter(|c| c.constant.is_none()) {
        let found: Vec<Range> = clauses.iter().filter_map(|c| range(class, c)).collect();
        for (at, (own, rel)) in class.members.clone().into_iter().enumerate() {
            let ty = p.meta.get(own).ty;
            let fits = |r: &&Range| r.member == at && (r.value.ty().oid == ty.oid || r.op.left != r.op.right);
            let ranges: Vec<&Range> = found.iter().filter(fits).collect();
            let conditions: Vec<Expr> = ranges.iter().map(|r| r.condition.clone()).collect();
            let share = p.selectivity(&conditions);
            if ranges.is_empty() || share > SHARE_MAX {
                continue;
            }
            let mut used = false;
            for (id, other) in class.members.iter().filter(|m| m.0 != own && m.1 != rel) {
                if !matches!(items[*other].source, Source::Table(_)) {
                    continue;
                }
                for r in &ranges {
                    let column = Expr::column(*id, p.meta.get(*id).ty);
                    let (left, right) =
                        if r.turned { (r.value.clone(), column) } else { (column, r.value.clone()) };
                    let Some(expr) = operator_call(r.op, left, right) else { continue };
                    let known = |c: &Clause| c.expr == expr;
                    if !clauses.iter().any(known) && !derived.iter().any(known) {
                        class.ranges.push(expr.clone());
                        derived.push(Clause::new(expr, 1 << other));
                        used = true;
                    }
                }
            }
            if used {
                class.range_share *= share;
            }
        }
    }
    if !derived.is_empty() {
        p.rules.fire(Rule::InferRanges);
        clauses.extend(derived);
    }
}

fn range(class: &Class, clause: &Clause) -> Option<Range> {
    if clause.required != clause.refs || clause.refs.count_ones() != 1 {
        return None;
    }
    let (op, left, right) = binary(&clause.expr)?;
    let usable = matches!(op.name, "<" | "<=" | ">" | ">=");
    if !usable || has_subquery(&clause.expr) || is_volatile(&clause.expr) {
        return None;
    }
    let member = |e: &Expr| match e {
        Expr::Column { id, .. } => class.members.iter().position(|m| m.0 == *id),
        _ => None,
    };
    let (member, turned, value) = match (member(left), member(right)) {
        (Some(at), None) if !has_columns(right) => (at, false, right.clone()),
        (None, Some(at)) if !has_columns(left) => (at, true, left.clone()),
        _ => return None,
    };
    Some(Range { member, op, turned, value, condition: clause.expr.clone() })
}
