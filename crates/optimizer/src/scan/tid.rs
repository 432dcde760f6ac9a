//! Scans by the places of rows: `ctid = ...`, and ranges of `ctid` (PostgreSQL: tidpath.c, `cost_tidscan`, `cost_tidrangescan`).

use super::{TableScan, order_quals};
use crate::cost;
use crate::exprs::{binary, columns};
use crate::planner::Planner;
use crate::stats::RelationSize;
use quarry_functions::registry;
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan, ScanColumn};
use quarry_types::identifiers;

/// The scan's ctid, if the query reads it.
fn ctid_of(scan: &TableScan) -> Option<ColumnId> {
    scan.columns.iter().find(|(_, c)| *c == ScanColumn::Ctid).map(|(id, _)| *id)
}

/// Whether an expression is known before the table is read.
fn is_outside(e: &Expr, scan: &TableScan) -> bool {
    !crate::exprs::is_volatile(e) && !columns(e).iter().any(|id| scan.columns.iter().any(|(c, _)| c == id))
}

/// What a condition says ctid equals: one place or an array of them.
fn place_of(e: &Expr, ctid: ColumnId, scan: &TableScan) -> Option<Expr> {
    let is_ctid = |e: &Expr| matches!(e, Expr::Column { id, .. } if *id == ctid);
    if let Expr::ScalarArray { left, array, all: false, operator, .. } = e {
        let equal = registry::operator(*operator).is_some_and(|o| o.name == "=");
        return (equal && is_ctid(left) && is_outside(array, scan)).then(|| (**array).clone());
    }
    match binary(e)? {
        (op, l, r) if op.name == "=" && is_ctid(l) && is_outside(r, scan) => Some(r.clone()),
        (op, l, r) if op.name == "=" && is_ctid(r) && is_outside(l, scan) => Some(l.clone()),
        _ => None,
    }
}

impl Planner<'_> {
    /// Rows by their places, if a condition names them.
    pub(super) fn tid_scan(&self, scan: &TableScan, size: RelationSize) -> Option<PhysicalPlan> {
        let s = &self.env.settings;
        let ctid = ctid_of(scan)?;
        for (i, f) in scan.filter.iter().enumerate() {
            // Each branch of an OR may name places, alone or with more conditions.
            let branches: Vec<Vec<Expr>> = match f {
                Expr::Or(parts) => parts.iter().map(|p| p.clone().into_conjuncts()).collect(),
                one => vec![vec![one.clone()]],
            };
            let place = |parts: &Vec<Expr>| parts.iter().find_map(|p| place_of(p, ctid, scan));
            let Some(tids) = branches.iter().map(place).collect::<Option<Vec<Expr>>>() else { continue };
            let count: f64 =
                tids.iter()
                    .map(|t| {
                        if t.ty() == quarry_types::SqlType::TID { 1.0 } else { crate::stats::array_length(t) }
                    })
                    .sum();
            let mut filter = scan.filter.clone();
            if branches.iter().all(|b| b.len() == 1) {
                filter.remove(i);
            }
            let c = cost::exprs(&filter, s);
            let mut startup = c.startup;
            if !self.scan_switches(scan).tid {
                startup += cost::DISABLED;
            }
            let pages = cost::Pages::of(size.pages, 0.0, s).random(count.min(size.pages.max(1.0)), count);
            let total =
                startup + pages + count * (s.cpu_tuple_cost + self.reading_cost(scan, size) + c.per_row);
            let node = PhysicalNode::TidScan {
                relation: scan.relation.clone(),
                alias: scan.alias.clone(),
                columns: scan.columns.clone(),
                tids,
            };
            let mut plan = self.make(node, count.min(size.rows.max(1.0)), startup, total);
            plan.filter = order_quals(filter, s);
            return Some(plan);
        }
        None
    }

    /// The pages between bounds on ctid.
    pub(super) fn tid_range_scan(&mut self, scan: &TableScan, size: RelationSize) -> Option<PhysicalPlan> {
        let ctid = ctid_of(scan)?;
        let is_ctid = |e: &Expr| matches!(e, Expr::Column { id, .. } if *id == ctid);
        let (mut lower, mut upper) = (vec![], vec![]);
        let (mut conds, mut filter) = (vec![], vec![]);
        for f in &scan.filter {
            let found = binary(f).and_then(|(op, l, r)| {
                let (value, flipped) = if is_ctid(l) && is_outside(r, scan) {
                    (r.clone(), false)
                } else if is_ctid(r) && is_outside(l, scan) {
                    (l.clone(), true)
                } else {
                    return None;
                };
                let inclusive = matches!(op.name, "<=" | ">=");
                match op.name {
                    "<" | "<=" => Some((flipped, value, inclusive)),
                    ">" | ">=" => Some((!flipped, value, inclusive)),
                    _ => None,
                }
            });
            let Some((is_lower, value, inclusive)) = found else {
                filter.push(f.clone());
                continue;
            };
            conds.push(f.clone());
            if is_lower {
                lower.push((value, inclusive));
            } else {
                upper.push((value, inclusive));
            }
        }
        if conds.is_empty() {
            return None;
        }
        // Shares of the table's pages, of an unknown bound as of any inequality.
        let share = |list: &[(Expr, bool)], planner: &Self, rest: fn(f64) -> f64| {
            list.iter()
                .map(|(e, _)| match planner.estimate(e) {
                    Some(v) if !v.is_null() => {
                        let block = f64::from(identifiers::tid_of(&v).block);
                        rest((block / size.pages.max(1.0)).clamp(0.0, 1.0))
                    }
                    _ => 1.0 / 3.0,
                })
                .fold(1.0, f64::min)
        };
        let above = share(&lower, self, |at| 1.0 - at);
        let below = share(&upper, self, |at| at);
        let selectivity = (above + below - 1.0).clamp(1.0 / size.rows.max(1.0), 1.0);
        let rows = cost::clamp_rows(size.rows * selectivity * self.selectivity(&filter));
        let s = &self.env.settings;
        let c = cost::exprs(&filter, s);
        let mut startup = c.startup + cost::exprs(&conds, s).per_row;
        if !self.scan_switches(scan).tid {
            startup += cost::DISABLED;
        }
        let pages = (selectivity * size.pages).ceil().max(1.0);
        let prices = cost::Pages::of(size.pages, 0.0, s);
        let of_pages = prices.random(1.0, 1.0) - prices.sequential(1.0) + prices.sequential(pages);
        let per_row = s.cpu_tuple_cost + self.reading_cost(scan, size) + c.per_row;
        let total = startup + of_pages + selectivity * size.rows * per_row;
        let node = PhysicalNode::TidRangeScan {
            relation: scan.relation.clone(),
            alias: scan.alias.clone(),
            columns: scan.columns.clone(),
            lower,
            upper,
            conds,
        };
        let mut plan = self.make(node, rows, startup, total);
        plan.filter = order_quals(filter, s);
        Some(plan)
    }
}
