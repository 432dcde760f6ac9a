//! What writing a table's rows needs, bound once: for INSERT, UPDATE, DELETE, COPY and referential actions.

use crate::{ColumnId, Expr, ScanColumn};
use quarry_catalog::{IndexDef, Relation};
use std::sync::Arc;

/// A table as the target of writes. `row` names the columns of the row being written; the other expressions read them.
#[derive(Clone, Debug)]
pub struct TableWrite {
    pub relation: Arc<Relation>,
    /// One entry per live column, in order.
    pub row: Vec<(ColumnId, ScanColumn)>,
    /// Generated columns: index in the relation's columns, expression over `row`; computed before checks.
    pub generated: Vec<(usize, Expr)>,
    /// CHECK constraints: name, condition over `row`.
    pub checks: Vec<(String, Expr)>,
    /// Conditions that the check options of views demand of a row once it is stored: view, condition over `row`.
    pub view_checks: Vec<(String, Expr)>,
    pub indexes: Vec<BoundIndex>,
}

/// An index with its expressions bound over [`TableWrite::row`].
#[derive(Clone, Debug)]
pub struct BoundIndex {
    pub index: Arc<IndexDef>,
    /// One expression per key (a plain column reference for most).
    pub keys: Vec<Expr>,
    pub predicate: Option<Expr>,
}

/// ON CONFLICT.
#[derive(Clone, Debug)]
pub struct OnConflict {
    /// Positions in `TableWrite::indexes` that decide; empty (DO NOTHING without a target): every unique index.
    pub arbiters: Vec<usize>,
    pub action: OnConflictAction,
}

#[derive(Clone, Debug)]
pub enum OnConflictAction {
    Nothing,
    Update {
        /// The existing row's columns as the SET and WHERE expressions name them (the proposed row, `excluded`, is `TableWrite::row`).
        existing: Vec<(ColumnId, ScanColumn)>,
        /// Index in the relation's columns, new value over `existing` and `excluded`.
        set: Vec<(usize, Expr)>,
        filter: Option<Expr>,
    },
}

/// RETURNING: `row` names the columns of the row as stored (system columns too), `targets` read them and, for UPDATE FROM and
/// DELETE USING, the source's columns.
#[derive(Clone, Debug)]
pub struct Returning {
    pub row: Vec<(ColumnId, ScanColumn)>,
    pub targets: Vec<(ColumnId, Expr)>,
}
