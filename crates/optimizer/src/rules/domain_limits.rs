//! LIMIT and OFFSET of a subquery that is computed for a domain (`unnest_by_domain`): row numbers within each combination of its values.
//!
//! ```text
//! SELECT i.v FROM i WHERE i.k = o.k ORDER BY i.t LIMIT o.n
//!   -> SELECT v, k, n FROM (SELECT ..., row_number() OVER (PARTITION BY d.k, d.n ORDER BY i.t) AS r FROM d JOIN i ON i.k = d.k) s
//!      WHERE n IS NULL OR r <= n
//! ```
//!
//! Counts are looked at before any row is: that one is negative, or can't be computed, is an error of the outer row. So a count that reads
//! outer columns must stand where nothing decides whether the LIMIT is run at all.

use super::defer_errors::{call_of, is_not_null, kept};
use super::domains::Key;
use super::inner_joins::filtered;
use super::lift_correlation::constant;
use super::unnest_by_domain::{Pushed, Pushing, all_columns, first_of_each};
use crate::exprs::{columns, has_subquery, is_volatile, operator_call, substitute};
use quarry_common::{Error, SqlState};
use quarry_functions::{FunctionKind, internal, registry};
use quarry_plan::expr::{FrameBound, FrameExclude, FrameMode, SubqueryPlan, WindowFrame};
use quarry_plan::total::cannot_fail;
use quarry_plan::{ColumnId, Expr, FunctionRef, LogicalPlan, SortKey, WindowCall, WindowSpec, walk};
use quarry_types::{Datum, SqlType, oids};

/// LIMIT and OFFSET.
pub(super) struct Counts<'e> {
    pub limit: Option<&'e Expr>,
    pub offset: Option<&'e Expr>,
}

/// Whether a plan has a count that isn't known.
pub fn counts_rows(plan: &LogicalPlan) -> bool {
    let here = match plan {
        LogicalPlan::Limit { limit, offset, .. } => constant(limit).is_none() || constant(offset).is_none(),
        _ => false,
    };
    here || walk::inputs(plan).into_iter().any(counts_rows)
}

/// Makes counts that aren't known NULL where they fail; their errors. None if one of them may never be looked at.
pub fn keep_counts(plan: &mut LogicalPlan) -> Option<Vec<Expr>> {
    let mut errors = vec![];
    let mut below = plan;
    loop {
        below = match below {
            LogicalPlan::Limit { input, limit, offset, .. } => {
                // PostgreSQL's order.
                keep_count(
                    offset,
                    SqlState::INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE,
                    "OFFSET",
                    &mut errors,
                )?;
                keep_count(limit, SqlState::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "LIMIT", &mut errors)?;
                input
            }
            LogicalPlan::Project { input, .. }
            | LogicalPlan::SubqueryAlias { input, .. }
            | LogicalPlan::Sort { input, .. }
            | LogicalPlan::Distinct { input, .. }
            | LogicalPlan::Window { input, .. }
            | LogicalPlan::Aggregate { input, .. } => input,
            other => return (!counts_rows(other)).then_some(errors),
        };
    }
}

/// The errors of all counts that aren't known, wherever they stand. None if one reads more than these columns.
pub fn errors_of_counts(plan: &LogicalPlan, free: &[ColumnId], errors: &mut Vec<Expr>) -> Option<()> {
    if let LogicalPlan::Limit { limit, offset, .. } = plan {
        let clauses = [
            (offset, SqlState::INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE, "OFFSET"),
            (limit, SqlState::INVALID_ROW_COUNT_IN_LIMIT_CLAUSE, "LIMIT"),
        ];
        for (count, state, clause) in clauses {
            if count.iter().any(|e| columns(e).iter().any(|id| !free.contains(id))) {
                return None;
            }
            keep_count(&mut count.clone(), state, clause, errors)?;
        }
    }
    let nested = walk::exprs(plan).into_iter().filter(|e| has_subquery(e));
    for e in nested {
        let mut all = Some(());
        walk::visit(e, &mut |e| {
            if let Expr::Subquery(s) = e {
                all = all.and_then(|()| match &s.plan {
                    SubqueryPlan::Logical(sub) => errors_of_counts(sub, free, errors),
                    SubqueryPlan::Physical { .. } => None,
                });
            }
        });
        all?;
    }
    walk::inputs(plan).into_iter().try_for_each(|input| errors_of_counts(input, free, errors))
}

fn keep_count(count: &mut Option<Expr>, state: SqlState, clause: &str, errors: &mut Vec<Expr>) -> Option<()> {
    if constant(count).is_some() {
        return Some(());
    }
    let Some(count) = count else { return Some(()) };
    if count.ty().oid != oids::INT8 || has_subquery(count) || is_volatile(count) {
        return None;
    }
    if !cannot_fail(count, &[]) {
        let (value, error) = kept(count)?;
        *count = value;
        errors.push(error);
    }
    let message = internal::kept(Error::new(state, format!("{clause} must not be negative"))).ok()?;
    let negative =
        vec![(compared("<", count.clone(), int8(0))?, Expr::Const { value: message, ty: SqlType::TEXT })];
    errors.push(Expr::Case { operand: None, whens: negative, otherwise: None, ty: SqlType::TEXT });
    Some(())
}

/// A condition that raises an error where there is one.
pub fn raised(error: Expr) -> Option<Expr> {
    let raise = call_of(internal::RAISE_KEPT, vec![Expr::bool_const(true), error.clone()], SqlType::BOOL)?;
    let whens = vec![(is_not_null(error), raise)];
    let otherwise = Some(Box::new(Expr::bool_const(true)));
    Some(Expr::Case { operand: None, whens, otherwise, ty: SqlType::BOOL })
}

fn int8(value: i64) -> Expr {
    Expr::Const { value: Datum::I64(value), ty: SqlType::INT8 }
}

fn compared(name: &str, left: Expr, right: Expr) -> Option<Expr> {
    let ops = registry::operators_named(name);
    let op = ops.iter().find(|o| o.left == oids::INT8 && o.right == oids::INT8)?;
    operator_call(op, left, right)
}

impl Pushing<'_> {
    /// So many rows for each combination of values. `ties`: and those that are equal to the last of them.
    pub(super) fn limited(&mut self, input: &LogicalPlan, counts: &Counts<'_>, ties: bool) -> Option<Pushed> {
        if let LogicalPlan::Project { input: below, targets } = input
            && matches!(**below, LogicalPlan::Sort { .. })
        {
            let below = self.limited(below, counts, ties)?;
            return Some(self.projected(below, targets));
        }
        let (input, mut order) = match input {
            LogicalPlan::Sort { input, keys } => (&**input, keys.clone()),
            other => (other, vec![]),
        };
        let below = self.push(input)?;
        let map = self.map(&below.keys);
        order.iter_mut().for_each(|k| substitute(&mut k.expr, &map));
        let known = |e: Option<&Expr>| constant(&e.cloned());
        let (limit, offset) = (known(counts.limit), known(counts.offset));
        if limit == Some(Some(1)) && matches!(offset, Some(None | Some(0))) && !ties {
            return Some(first_of_each(below, vec![], order));
        }
        let of_outer = |e: Option<&Expr>| {
            let mut e = e?.clone();
            substitute(&mut e, &map);
            Some(e)
        };
        let number = self.meta.computed("row_number", SqlType::INT8);
        let mut calls = vec![(number, numbering("row_number")?)];
        let number = Expr::column(number, SqlType::INT8);
        let mut predicates = vec![];
        let skipped = match offset {
            Some(None | Some(0)) => None,
            Some(Some(n)) => Some(int8(n)),
            None => {
                let n = of_outer(counts.offset)?;
                let whens = vec![(compared(">", n.clone(), int8(0))?, n)];
                let otherwise = Some(Box::new(int8(0)));
                Some(Expr::Case { operand: None, whens, otherwise, ty: SqlType::INT8 })
            }
        };
        if let Some(skipped) = &skipped {
            predicates.push(compared(">", number.clone(), skipped.clone())?);
        }
        if limit != Some(None) {
            // Rows that are equal to the last one have a rank that is no greater than its number.
            let place = match ties {
                false => number,
                true => {
                    let rank = self.meta.computed("rank", SqlType::INT8);
                    calls.push((rank, numbering("rank")?));
                    Expr::column(rank, SqlType::INT8)
                }
            };
            predicates.push(match (limit, &skipped, offset) {
                (Some(Some(count)), None, _) => compared("<=", place, int8(count))?,
                (Some(Some(count)), _, Some(Some(skip))) => {
                    compared("<=", place, int8(skip.checked_add(count)?))?
                }
                (limit, skipped, _) => {
                    // Numbers are greater than what was subtracted from them: that fits.
                    let place = match skipped {
                        None => place,
                        Some(skipped) => {
                            let left = compared("-", place, skipped.clone())?;
                            call_of(internal::VALUE_OR_NULL, vec![left], SqlType::INT8)?
                        }
                    };
                    let count = match limit {
                        Some(Some(count)) => int8(count),
                        _ => of_outer(counts.limit)?,
                    };
                    let all = Expr::IsNull { arg: Box::new(count.clone()), negated: false };
                    Expr::Or(vec![all, compared("<=", place, count)?])
                }
            });
        }
        let spec = numbered_within(&below.keys, order);
        let numbered = LogicalPlan::Window { input: Box::new(below.plan), spec, calls };
        Some(Pushed { plan: filtered(numbered, predicates), ..below })
    }
}

fn numbering(name: &str) -> Option<WindowCall> {
    // Some of these are aggregates, too.
    let function = registry::functions_named(name).iter().find(|f| f.kind() == FunctionKind::Window)?;
    Some(WindowCall {
        function: FunctionRef::Builtin(function),
        args: vec![],
        filter: None,
        ty: SqlType::INT8,
        star: false,
    })
}

fn numbered_within(keys: &[Key], order_by: Vec<SortKey>) -> WindowSpec {
    WindowSpec {
        partition_by: all_columns(keys),
        order_by,
        frame: WindowFrame {
            mode: FrameMode::Range,
            start: FrameBound::UnboundedPreceding,
            end: FrameBound::CurrentRow,
            exclude: FrameExclude::NoOthers,
            range_functions: [None, None],
        },
        name: None,
    }
}
