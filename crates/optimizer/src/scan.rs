//! Access paths of one table: sequential, by index, by bitmap, by tid.

mod bitmap;
mod clauses;
mod index;
mod loose;
mod methods;
pub mod pattern;
mod predicate;
mod tid;

use crate::cost;
use crate::planner::{Candidate, Planner, Want};
use crate::stats::RelationSize;
pub use clauses::cast_to;
use quarry_catalog::Relation;
use quarry_common::Result;
use quarry_plan::{ColumnId, Expr, PhysicalNode, PhysicalPlan, ScanColumn, walk};
use std::sync::Arc;

/// A table to be scanned, with the conditions on it alone.
#[derive(Clone)]
pub struct TableScan {
    pub relation: Arc<Relation>,
    pub alias: String,
    pub columns: Vec<(ColumnId, ScanColumn)>,
    pub filter: Vec<Expr>,
}

impl Planner<'_> {
    /// Rows of a table that pass its own conditions.
    pub fn scan_rows(&mut self, scan: &TableScan) -> f64 {
        let size = self.relation_size(&scan.relation);
        for (id, _) in &scan.columns {
            self.stats.column_rows.insert(*id, size.rows.max(1.0));
            self.column_stats(*id);
        }
        self.note_scan(scan, size.rows.max(1.0));
        let s = self.selectivity(&scan.filter);
        let rows = cost::clamp_rows(size.rows * s);
        self.note_kept(scan, rows);
        rows
    }

    /// All useful paths of a table without parameters from other tables.
    pub fn scan_candidates(&mut self, scan: &TableScan, want: &Want) -> Result<Vec<Candidate>> {
        let rows = self.scan_rows(scan);
        self.scan_paths(scan, rows, want)
    }

    /// The same, knowing how many rows pass the table's conditions.
    pub fn scan_paths(&mut self, scan: &TableScan, rows: f64, want: &Want) -> Result<Vec<Candidate>> {
        let size = self.relation_size(&scan.relation);
        let mut out = vec![];
        for plan in [self.tid_scan(scan, size), self.tid_range_scan(scan, size)].into_iter().flatten() {
            out.push(Candidate { plan, order: vec![] });
        }
        let one_row = self.pins_unique_key(scan)?;
        out.push(Candidate { plan: self.seq_scan(scan, rows, size, one_row), order: vec![] });
        self.index_candidates(scan, &[], rows, 1.0, want, &mut out)?;
        Ok(out)
    }

    /// What getting a row's columns out of it takes: values of fixed width come with the row.
    fn reading_cost(&self, scan: &TableScan, size: RelationSize) -> f64 {
        varying(scan).count() as f64 * self.value_cost(size)
    }

    /// The same for a sequential scan as a whole, which reads what only its output has for the `passing` rows alone.
    fn sequential_reading_cost(&self, scan: &TableScan, size: RelationSize, passing: f64) -> f64 {
        let mut tested = vec![];
        scan.filter.iter().for_each(|e| walk::columns_of(e, &mut tested));
        let rows = |id: ColumnId| if tested.contains(&id) { size.rows } else { passing };
        varying(scan).map(rows).sum::<f64>() * self.value_cost(size)
    }

    /// What a value of varying width takes.
    fn value_cost(&self, size: RelationSize) -> f64 {
        let value = cost::measured::VARYING_VALUE * self.env.settings.cpu_tuple_cost;
        value * cost::measured::largeness(size.pages)
    }

    fn seq_scan(&self, scan: &TableScan, rows: f64, size: RelationSize, one_row: bool) -> PhysicalPlan {
        let s = &self.env.settings;
        let c = cost::exprs(&scan.filter, s);
        let mut startup = c.startup;
        if !self.scan_switches(scan).seq {
            startup += cost::DISABLED;
        }
        let pages = cost::Pages::of(size.pages, 0.0, s).sequential(size.pages);
        let total = startup
            + pages
            + (s.cpu_tuple_cost + c.per_row) * size.rows
            + self.sequential_reading_cost(scan, size, rows);
        let node = PhysicalNode::SeqScan {
            relation: scan.relation.clone(),
            alias: scan.alias.clone(),
            columns: scan.columns.clone(),
            one_row,
        };
        let mut plan = self.make(node, rows, startup, total);
        plan.filter = order_quals(scan.filter.clone(), s);
        plan
    }
}

/// The scan's columns whose values differ in their width.
fn varying(scan: &TableScan) -> impl Iterator<Item = ColumnId> + '_ {
    let varying = |c: &ScanColumn| match c {
        ScanColumn::Attribute(n) => scan.relation.columns.get(*n).is_some_and(|c| varies(c.ty)),
        _ => false,
    };
    scan.columns.iter().filter(move |(_, c)| varying(c)).map(|(id, _)| *id)
}

/// Whether a type's values differ in their width.
fn varies(ty: quarry_types::SqlType) -> bool {
    quarry_types::type_info(ty.oid).is_none_or(|t| t.typlen < 0)
}

/// Cheap conditions first, subqueries last; PostgreSQL keeps the order otherwise.
pub fn order_quals(filter: Vec<Expr>, s: &crate::PlannerSettings) -> Vec<Expr> {
    if filter.len() < 2 {
        return filter;
    }
    let mut keyed: Vec<(f64, Expr)> = filter.into_iter().map(|e| (cost::expr(&e, s).per_row, e)).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    keyed.into_iter().map(|(_, e)| e).collect()
}
