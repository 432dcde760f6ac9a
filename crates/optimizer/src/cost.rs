//! The cost model: PostgreSQL's formulas (`costsize.c`) over its settings, with what our executor takes ([`measured`]).

pub mod measured;

pub use measured::Pages;

use crate::PlannerSettings;
use quarry_catalog::builtin::procs;
use quarry_plan::expr::SubqueryPlan;
use quarry_plan::{Expr, PhysicalPlan, walk};

/// Cost charged for a plan type that is switched off.
pub const DISABLED: f64 = 1.0e10;

/// Row counts are whole numbers from 1.
pub fn clamp_rows(rows: f64) -> f64 {
    if rows.is_nan() || rows <= 1.0 { 1.0 } else { rows.min(1e100).round_ties_even() }
}

/// Cost of fetching `rows` rows of a plan (0: all; below 1: that share of them).
pub fn fraction_cost(plan: &PhysicalPlan, rows: f64) -> f64 {
    part_cost(plan.startup_cost, plan.total_cost, plan.rows, rows)
}

/// The same of a plan with these costs and rows.
pub fn part_cost(startup: f64, total: f64, rows: f64, fetched: f64) -> f64 {
    if fetched <= 0.0 || fetched >= 1.0 && rows <= fetched {
        return total;
    }
    let share = if fetched < 1.0 { fetched } else { fetched / rows.max(1.0) };
    startup + (total - startup) * share
}

/// Startup and per-row cost of expressions.
#[derive(Clone, Copy, Default, Debug)]
pub struct ExprCost {
    pub startup: f64,
    pub per_row: f64,
}

/// Cost of evaluating one expression per row.
pub fn expr(e: &Expr, s: &PlannerSettings) -> ExprCost {
    let mut out = ExprCost::default();
    walk::visit(e, &mut |e| match e {
        Expr::Call { function, .. } => {
            out.per_row += s.cpu_operator_cost * procs::proc_cost(function.def().oid);
        }
        Expr::NullIf { .. } | Expr::IsDistinct { .. } | Expr::MinMax { .. } | Expr::SqlValue { .. } => {
            out.per_row += s.cpu_operator_cost
        }
        Expr::ScalarArray { array, .. } => {
            out.per_row += s.cpu_operator_cost * crate::stats::array_length(array) * 0.5
        }
        Expr::Cast { kind: quarry_plan::CastKind::Io, .. } => out.per_row += 2.0 * s.cpu_operator_cost,
        Expr::Cast {
            kind: quarry_plan::CastKind::ArrayElements(_) | quarry_plan::CastKind::Domain { .. },
            ..
        } => out.per_row += s.cpu_operator_cost,
        Expr::Subscript { .. } => out.per_row += s.cpu_operator_cost,
        Expr::Subquery(sub) => {
            if let SubqueryPlan::Physical { plan, params, hashed, .. } = &sub.plan {
                if *hashed {
                    out.startup += plan.total_cost + s.cpu_operator_cost * plan.rows;
                    out.per_row += s.cpu_operator_cost;
                } else if params.is_empty()
                    && !matches!(
                        sub.kind,
                        quarry_plan::SubqueryKind::Any { .. } | quarry_plan::SubqueryKind::All { .. }
                    )
                {
                    out.startup += plan.total_cost;
                } else {
                    use quarry_plan::SubqueryKind::*;
                    out.per_row += match sub.kind {
                        Exists => {
                            plan.startup_cost + (plan.total_cost - plan.startup_cost) / plan.rows.max(1.0)
                        }
                        Any { .. } | All { .. } => {
                            plan.startup_cost
                                + 0.5 * (plan.total_cost - plan.startup_cost)
                                + 0.5 * plan.rows * s.cpu_operator_cost
                        }
                        _ => plan.total_cost,
                    };
                }
            }
        }
        _ => {}
    });
    out
}

/// Cost of evaluating several.
pub fn exprs<'e>(list: impl IntoIterator<Item = &'e Expr>, s: &PlannerSettings) -> ExprCost {
    let mut out = ExprCost::default();
    for e in list {
        let c = expr(e, s);
        out.startup += c.startup;
        out.per_row += c.per_row;
    }
    out
}

/// Bytes of a row in memory, header included.
pub fn row_bytes(width: u32) -> f64 {
    (f64::from(width) / 8.0).ceil() * 8.0 + 24.0
}

/// Sorting: (cost before the first row, total on top of the input's total).
pub fn sort(rows: f64, width: u32, limit: f64, s: &PlannerSettings) -> (f64, f64) {
    let rows = rows.max(2.0);
    let comparison = 2.0 * s.cpu_operator_cost;
    let bytes = rows * row_bytes(width);
    let (out_rows, out_bytes) =
        if limit > 0.0 && limit < rows { (limit, limit * row_bytes(width)) } else { (rows, bytes) };
    let memory = s.sort_mem();
    let startup = if out_bytes > memory {
        let pages = (bytes / 8192.0).ceil();
        let runs = bytes / memory;
        let merge_order = (memory / (8192.0 * 2.0 + 8192.0 * 32.0)).clamp(6.0, 500.0);
        let passes = if runs > merge_order { (runs.ln() / merge_order.ln()).ceil() } else { 1.0 };
        comparison * rows * rows.log2()
            + 2.0 * pages * passes * (s.seq_page_cost * 0.75 + s.random_page_cost * 0.25)
    } else if rows > 2.0 * out_rows || bytes > memory {
        comparison * rows * (2.0 * out_rows).log2()
    } else {
        comparison * rows * rows.log2()
    };
    (startup, s.cpu_operator_cost * rows)
}

/// Pages fetched by an index scan of `tuples` rows of a table of `pages` (Mackert and Lohman).
pub fn index_pages_fetched(
    tuples: f64,
    pages: f64,
    index_pages: f64,
    total_pages: f64,
    s: &PlannerSettings,
) -> f64 {
    let t = pages.max(1.0);
    let share = (s.effective_cache_size * t / (total_pages.max(1.0) + index_pages)).max(1.0).ceil();
    let fetched = if t <= share {
        let f = 2.0 * t * tuples / (2.0 * t + tuples);
        f.min(t)
    } else {
        let limit = 2.0 * t * share / (2.0 * t - share);
        if tuples <= limit {
            2.0 * t * tuples / (2.0 * t + tuples)
        } else {
            share + (tuples - limit) * (t - share) / t
        }
    };
    fetched.ceil()
}
