//! What an expression's values are like: statistics of a column, of an index's expression or of a statistics object's, and the table
//! behind it (PostgreSQL: `examine_variable`, `get_variable_numdistinct`).

use super::aggregates::Results;
use crate::exprs::strip_relabel;
use crate::planner::Planner;
use crate::scan::TableScan;
use quarry_catalog::{ColumnStats, Relation};
use quarry_plan::{ColumnId, Expr, ScanColumn, walk};
use quarry_types::{SqlType, TypeRef};
use std::sync::Arc;

pub(super) const DEFAULT_DISTINCT: f64 = 200.0;
/// The number of the system column ctid.
const CTID: i16 = -1;

/// A table that is scanned by the statement.
pub struct Scanned {
    pub relation: Arc<Relation>,
    /// Its columns with their numbers.
    pub columns: Vec<(ColumnId, i16)>,
    /// Rows of the whole table, and of those that pass its own conditions.
    pub rows: f64,
    pub kept: f64,
    /// Expressions over it with statistics; looked up once.
    expressions: Option<Vec<(Expr, Arc<ColumnStats>)>>,
}

/// An expression as estimates see it.
#[derive(Clone, Debug)]
pub struct Variable {
    pub stats: Option<Arc<ColumnStats>>,
    /// The type of the values in `stats`.
    pub ty: SqlType,
    /// Whether no two rows of its table have the same value.
    pub unique: bool,
    /// Which scan it reads, if just one.
    pub scan: Option<usize>,
    /// Rows of its table.
    pub rows: f64,
    /// Of an aggregate's result.
    pub results: Option<Arc<Results>>,
}

impl Variable {
    pub fn nulls(&self) -> f64 {
        self.stats.as_ref().map_or(0.0, |s| f64::from(s.null_fraction))
    }
}

impl Planner<'_> {
    /// Notes a table and how many of its rows its conditions keep.
    pub fn note_scan(&mut self, scan: &TableScan, rows: f64) {
        let Some((first, _)) = scan.columns.first() else { return };
        if self.stats.scan_of.contains_key(first) {
            return;
        }
        let index = self.stats.scans.len();
        let columns: Vec<(ColumnId, i16)> = scan
            .columns
            .iter()
            .map(|(id, c)| match c {
                ScanColumn::Ctid => (*id, CTID),
                _ => (*id, self.meta.get(*id).source.map_or(0, |(_, number)| number)),
            })
            .collect();
        self.stats.scan_of.extend(columns.iter().map(|(id, _)| (*id, index)));
        let relation = scan.relation.clone();
        self.stats.scans.push(Scanned { relation, columns, rows, kept: rows, expressions: None });
    }
    /// Notes how many rows of a noted table its conditions keep.
    pub fn note_kept(&mut self, scan: &TableScan, kept: f64) {
        if let Some(i) = scan.columns.first().and_then(|(id, _)| self.stats.scan_of.get(id)) {
            self.stats.scans[*i].kept = kept;
        }
    }

    /// Notes what the columns of a CTE's scan are in the CTE.
    pub fn note_cte_columns(&mut self, columns: &[(ColumnId, ColumnId)]) {
        let renamed = columns.iter().filter(|(own, inner)| own != inner);
        self.stats.from_ctes.extend(renamed.copied());
    }

    fn is_ctid(&self, id: ColumnId) -> bool {
        let scan = self.stats.scan_of.get(&id).map(|i| &self.stats.scans[*i]);
        scan.is_some_and(|s| s.columns.contains(&(id, CTID)))
    }
    /// The column that a column passes on under another id.
    pub(super) fn plain(&self, mut id: ColumnId) -> ColumnId {
        // Definitions never lead back, but a mistake elsewhere must not hang here.
        for _ in 0..64 {
            match self.definitions.get(&id) {
                Some(Expr::Column { id: inner, .. }) if *inner != id => id = *inner,
                _ => break,
            }
        }
        id
    }

    /// The one scan that all of an expression's columns are of.
    pub(super) fn scan_of(&self, e: &Expr) -> Option<usize> {
        let mut found = None;
        let other = walk::reads_any(e, &mut |id| {
            let scan = self.stats.scan_of.get(&self.plain(id)).copied();
            scan.is_none() || *found.get_or_insert(scan) != scan
        });
        if other { None } else { found.flatten() }
    }

    /// What is known of an expression.
    pub fn variable(&mut self, e: &Expr) -> Variable {
        let e = strip_relabel(e);
        let base = |p: &Self, ty: SqlType| p.env.catalog.base_type(ty).unwrap_or(ty);
        if let Expr::Column { id, ty } = e {
            let id = self.plain(*id);
            if let Some(d) = self.definitions.get(&id).filter(|d| !matches!(d, Expr::Column { .. })) {
                let d = d.clone();
                return self.variable(&d);
            }
            let ty = self.meta.get(id).source.map_or(*ty, |_| self.meta.get(id).ty);
            if let Some(results) = self.stats.results.get(&id).cloned() {
                let (ty, rows) = (base(self, ty), results.groups);
                return Variable { stats: None, ty, unique: false, scan: None, rows, results: Some(results) };
            }
            if let Some(inner) = self.stats.from_ctes.get(&id).copied() {
                // The CTE may have a row of its tables several times.
                let inner = self.variable(&Expr::column(inner, ty));
                return Variable { unique: false, scan: None, ..inner };
            }
            return Variable {
                stats: self.column_stats(id),
                ty: base(self, ty),
                unique: self.is_unique(id) || self.is_ctid(id),
                scan: self.stats.scan_of.get(&id).copied(),
                rows: self.table_rows(id),
                results: None,
            };
        }
        let scan = self.scan_of(e);
        let stats = scan.and_then(|s| self.expression_stats(s, e));
        let rows = scan.map_or(1000.0, |s| self.stats.scans[s].rows);
        Variable { stats, ty: base(self, e.ty()), unique: false, scan, rows, results: None }
    }

    /// Statistics of an expression over a scan: an index's, or a statistics object's.
    fn expression_stats(&mut self, scan: usize, e: &Expr) -> Option<Arc<ColumnStats>> {
        if self.stats.scans[scan].expressions.is_none() {
            let found = self.known_expressions(scan);
            self.stats.scans[scan].expressions = Some(found);
        }
        let known = self.stats.scans[scan].expressions.as_ref()?;
        known.iter().find(|(k, _)| strip_relabel(k) == e).map(|(_, s)| s.clone())
    }
    fn known_expressions(&mut self, scan: usize) -> Vec<(Expr, Arc<ColumnStats>)> {
        let relation = self.stats.scans[scan].relation.clone();
        let mut out = vec![];
        for index in &relation.indexes {
            for (i, key) in index.keys.iter().enumerate() {
                let Some(sql) = &key.expr_sql else { continue };
                if let Ok(Some(stats)) = self.env.catalog.column_stats(index.oid, i)
                    && let Some(e) = self.over_scan(scan, sql)
                {
                    out.push((e, stats));
                }
            }
        }
        for s in self.env.catalog.extended_stats(relation.oid).iter().flat_map(|s| s.iter()) {
            for (sql, stats) in s.def.expressions.iter().zip(&s.expressions) {
                if let Some(stats) = stats
                    && let Some(e) = self.over_scan(scan, sql)
                {
                    out.push((e, stats.clone()));
                }
            }
        }
        out
    }
    /// A stored expression over the columns that a scan has; none if it reads others.
    pub(super) fn over_scan(&mut self, scan: usize, sql: &str) -> Option<Expr> {
        let relation = self.stats.scans[scan].relation.clone();
        let row: Vec<_> = self.stats.scans[scan]
            .columns
            .iter()
            .filter_map(|(id, number)| {
                let i = usize::try_from(number - 1).ok()?;
                Some((*id, ScanColumn::Attribute(i)))
            })
            .collect();
        self.stored_expr(sql, &relation, row, None)
    }

    /// Distinct values, and whether that is a guess without any ground.
    pub fn distinct(&mut self, v: &Variable) -> (f64, bool) {
        let rows = v.rows.max(1.0);
        let nulls = v.nulls();
        if v.unique {
            return ((rows * (1.0 - nulls)).max(1.0), false);
        }
        if let Some(distinct) = v.results.as_ref().and_then(|r| r.distinct()) {
            return (distinct, false);
        }
        match &v.stats {
            Some(s) if s.distinct > 0.0 => (f64::from(s.distinct).round_ties_even().max(1.0), false),
            Some(s) if s.distinct < 0.0 => {
                ((-f64::from(s.distinct) * rows).round_ties_even().max(1.0), false)
            }
            _ if v.ty == SqlType::BOOL => (2.0, false),
            _ if rows < DEFAULT_DISTINCT => (rows.round_ties_even().max(1.0), false),
            _ => (DEFAULT_DISTINCT, true),
        }
    }

    pub(super) fn type_of(&self, v: &Variable) -> Option<TypeRef> {
        self.env.catalog.type_ref(v.ty.oid).ok()
    }
}

/// Distinct values left when of `rows` rows with `distinct` values `kept` are kept (Yao, CACM 1977, in Cardenas' form).
pub fn distinct_after(distinct: f64, rows: f64, kept: f64) -> f64 {
    if rows <= 0.0 || distinct <= 0.0 || kept >= rows {
        return distinct;
    }
    (distinct * (1.0 - (1.0 - kept / rows).powf(rows / distinct))).clamp(1.0f64.min(distinct), distinct)
}
