//! Statistics: sizes of relations, facts about columns, selectivities (PostgreSQL: `plancat.c`, `selfuncs.c`).
//!
//! [`variable`] finds what is known of an expression; [`selectivity`] takes conditions apart and asks [`scalar`], [`pattern`],
//! [`elements`], [`values`] (conditions on one table), [`joining`] and [`partners`] (between tables) and [`extended`] (several
//! columns); [`listed`] has most common values in order, [`groups`] counts groups, [`aggregates`] knows what is computed of them.
//! What took many values to find out stays with the statistics ([`answers`]).

mod aggregates;
mod answers;
mod elements;
mod extended;
mod groups;
mod joining;
mod listed;
mod partners;
mod pattern;
mod scalar;
mod selectivity;
mod stretches;
mod values;
mod variable;

pub use stretches::Stretch;

use crate::planner::Planner;
use hashbrown::HashMap;
use quarry_catalog::{ColumnStats, IndexDef, Relation};
use quarry_common::Oid;
use quarry_plan::{ColumnId, Expr, walk};
use quarry_types::{Datum, PhysicalType, SqlType, oids};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

/// Pages and rows of a relation.
#[derive(Clone, Copy, Debug)]
pub struct RelationSize {
    pub pages: f64,
    pub rows: f64,
    pub all_visible: f64,
}

/// What is computed of a column's statistics once.
#[derive(Default)]
struct Facts {
    spread: OnceLock<Option<aggregates::Spread>>,
    numbers: OnceLock<Option<Arc<scalar::Numbers>>>,
    listed: OnceLock<Option<Arc<listed::Listed>>>,
    /// The share of the rows for which a condition on the column, whichever that is, holds.
    tried: answers::Answers<Expr, f64>,
    patterns: answers::Answers<pattern::Asked, pattern::Seen>,
    matches: answers::Answers<joining::Asked, joining::Matches>,
    compared: answers::Answers<scalar::Other, f64>,
}

/// What has been looked up and computed of tables alone: it holds for every plan of a statement.
#[derive(Default)]
pub struct Known {
    columns: HashMap<ColumnId, Option<Arc<ColumnStats>>>,
    /// Whether columns are unique keys of their tables by themselves.
    unique: RefCell<HashMap<ColumnId, bool>>,
    sizes: HashMap<Oid, RelationSize>,
    /// The tables' indexes in the order in which they are tried.
    pub indexes: HashMap<Oid, Rc<[Arc<IndexDef>]>>,
    /// What most common values have in common, by the address of both sides' statistics, which are kept with it.
    matches: HashMap<(usize, usize, usize), joining::Known>,
    /// Selectivities of conditions on tables, each and several together.
    single: Vec<(selectivity::Mark, Expr, f64)>,
    shares: Vec<(selectivity::Mark, Vec<Expr>, f64)>,
    /// Values that columns were compared with.
    compared: Vec<(scalar::Compared, f64)>,
    /// Conditions that were tried on values.
    by_values: Vec<(Expr, Option<f64>)>,
    tried: Vec<values::TriedOn>,
    pub scans: crate::search::KeptScans,
}

impl Known {
    /// Forgets what is about columns from this one on, which mean something else in another plan.
    pub fn forget_from(&mut self, first: ColumnId) {
        let is_new = |e: &Expr| walk::reads_any(e, &mut |id| id >= first);
        self.columns.retain(|id, stats| *id < first && stats.is_some());
        self.unique.get_mut().retain(|id, _| *id < first);
        self.single.retain(|(mark, ..)| !mark.reads_from(first));
        self.shares.retain(|(mark, ..)| !mark.reads_from(first));
        self.scans.forget_from(first);
        self.by_values.retain(|(e, share)| share.is_some() && !is_new(e));
    }
}

/// What one planning has looked up.
#[derive(Default)]
pub struct StatsCache {
    pub known: Known,
    /// Tables that are scanned, and which of them a column is of.
    scans: Vec<variable::Scanned>,
    scan_of: HashMap<ColumnId, usize>,
    /// Estimated rows of the table behind a column.
    pub column_rows: HashMap<ColumnId, f64>,
    /// Aggregates that have been planned.
    results: HashMap<ColumnId, Arc<aggregates::Results>>,
    /// Columns of scans of CTEs, and the CTEs' own columns.
    from_ctes: HashMap<ColumnId, ColumnId>,
}

/// Guessed number of elements of an array expression.
pub fn array_length(e: &Expr) -> f64 {
    match e {
        Expr::Array { elements, .. } => elements.len() as f64,
        Expr::Const { value: Datum::Bytes(bytes), ty } => {
            match quarry_types::type_info(ty.oid).is_some_and(|t| t.is_array()) {
                true => quarry_types::array::ArrayRef::new(bytes).len() as f64,
                false => 10.0,
            }
        }
        Expr::Cast { arg, .. } => array_length(arg),
        _ => 10.0,
    }
}

/// The elements of a constant array.
pub fn array_elements(e: &Expr, ty: SqlType) -> Option<Vec<Datum>> {
    let Expr::Const { value: Datum::Bytes(bytes), .. } = e else { return None };
    let info = quarry_types::type_info(ty.oid)?;
    if !info.is_array() {
        return None;
    }
    crate::stats::selectivity::elements_of(bytes)
}

/// Width of a type's values without statistics.
pub fn type_width(ty: SqlType) -> u32 {
    match quarry_types::type_info(ty.oid) {
        Some(t) if t.typlen > 0 => t.typlen as u32,
        Some(t) => {
            // The longest value that the type's length allows: in UTF-8 a character may have four bytes, a numeric has four digits in two.
            let longest = match ty.oid {
                _ if ty.typmod < 4 => None,
                oids::BPCHAR => return (ty.typmod as u32 - 4) * 4 + 4,
                oids::VARCHAR => Some((ty.typmod as u32 - 4).saturating_mul(4) + 4),
                oids::NUMERIC => Some((((ty.typmod as u32 - 4) >> 16) + 6) / 4 * 2 + 8),
                _ => None,
            };
            match longest {
                Some(n) if n <= 32 => return n,
                Some(n) => return 32 + (n.min(1000) - 32) / 2,
                None => {}
            }
            match t.physical {
                PhysicalType::Bool => 1,
                PhysicalType::B16 => 16,
                _ => 32,
            }
        }
        None => 32,
    }
}

impl Planner<'_> {
    /// Current size of a table: its pages now, at the density the last ANALYZE or VACUUM saw.
    pub fn relation_size(&mut self, r: &Relation) -> RelationSize {
        if let Some(size) = self.stats.known.sizes.get(&r.oid) {
            return *size;
        }
        let mut pages = f64::from(self.env.catalog.relation_blocks(r.storage).unwrap_or(0));
        // A table never vacuumed may grow soon.
        if pages < 10.0 && r.tuples < 0.0 {
            pages = 10.0;
        }
        let (rel_pages, rel_rows) = (f64::from(r.pages), f64::from(r.tuples));
        let density = if rel_rows >= 0.0 && rel_pages > 0.0 {
            rel_rows / rel_pages
        } else {
            let width: u32 = r.columns.iter().filter(|c| !c.dropped).map(|c| type_width(c.ty)).sum();
            ((8192.0 - 24.0) / (f64::from(width.div_ceil(8) * 8) + 24.0 + 4.0)).floor()
        };
        let all_visible =
            if rel_pages > 0.0 { (f64::from(r.all_visible_pages) / rel_pages).min(1.0) } else { 0.0 };
        let size = RelationSize { pages, rows: (density * pages).round_ties_even(), all_visible };
        self.stats.known.sizes.insert(r.oid, size);
        size
    }
    /// The size of a table that has been asked for before.
    pub fn known_size(&self, r: &Relation) -> Option<RelationSize> {
        self.stats.known.sizes.get(&r.oid).copied()
    }
    /// Pages and entries of an index.
    pub fn index_size(&mut self, index: &IndexDef, table: RelationSize) -> (f64, f64) {
        let pages = f64::from(self.env.catalog.relation_blocks(Some(index.storage)).unwrap_or(1)).max(1.0);
        let rows = if index.predicate_sql.is_none() {
            table.rows
        } else if index.tuples >= 0.0 && index.pages > 0 {
            (f64::from(index.tuples) / f64::from(index.pages) * pages).min(table.rows)
        } else {
            table.rows * 0.5
        };
        (pages, rows)
    }
    /// Statistics of a plain table column.
    pub fn column_stats(&mut self, id: ColumnId) -> Option<Arc<ColumnStats>> {
        if let Some(found) = self.stats.known.columns.get(&id) {
            return found.clone();
        }
        let source = match self.definitions.get(&id) {
            Some(Expr::Column { id: inner, .. }) if *inner != id => {
                let inner = *inner;
                self.column_stats(inner)
            }
            _ => self.meta.get(id).source.and_then(|(rel, number)| {
                let index = usize::try_from(number - 1).ok()?;
                self.env.catalog.column_stats(rel, index).ok().flatten()
            }),
        };
        self.stats.known.columns.insert(id, source.clone());
        source
    }
    pub fn column_width(&self, id: ColumnId) -> u32 {
        if let Some(Some(s)) = self.stats.known.columns.get(&id)
            && s.width > 0
        {
            return s.width as u32;
        }
        type_width(self.meta.get(id).ty)
    }
}
