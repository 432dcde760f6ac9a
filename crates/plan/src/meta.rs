//! What is known of a statement's columns.

use crate::CteId;
use crate::rights::Right;
use quarry_common::Oid;
use quarry_types::SqlType;
use std::sync::Arc;

/// A column of some node's output, unique within one statement.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ColumnId(pub u32);

/// Facts about one column.
#[derive(Clone, Debug)]
pub struct ColumnMeta {
    pub name: String,
    pub ty: SqlType,
    /// Alias of the FROM item it comes from, for EXPLAIN's `alias.column`; none for computed columns.
    pub relation: Option<String>,
    /// Table and attribute number where the column is a plain table column (RowDescription, statistics).
    pub source: Option<(Oid, i16)>,
    /// Whether the table declares it NOT NULL.
    pub not_null: bool,
}

/// The columns of one statement, by id.
#[derive(Clone, Debug, Default)]
pub struct QueryMeta {
    /// Shared: a statement is copied for each plan that is tried.
    columns: Vec<Arc<ColumnMeta>>,
    /// The privileges that the statement takes.
    pub rights: Vec<Right>,
    /// FROM has a subquery, a view or a CTE somewhere: EXPLAIN names relations of columns even if there is but one.
    pub nested: bool,
    /// Common table expressions that the optimizer has made.
    made_ctes: u32,
}

impl QueryMeta {
    /// Adds a column and gives its id.
    pub fn add(&mut self, column: ColumnMeta) -> ColumnId {
        self.columns.push(Arc::new(column));
        ColumnId(self.columns.len() as u32 - 1)
    }
    /// Adds a computed column.
    pub fn computed(&mut self, name: impl Into<String>, ty: SqlType) -> ColumnId {
        self.add(ColumnMeta { name: name.into(), ty, relation: None, source: None, not_null: false })
    }
    pub fn get(&self, id: ColumnId) -> &ColumnMeta {
        &self.columns[id.0 as usize]
    }
    /// Gives a column another name.
    pub fn set_name(&mut self, id: ColumnId, name: String) {
        Arc::make_mut(&mut self.columns[id.0 as usize]).name = name;
    }
    /// Gives a column another relation's name.
    pub fn set_relation(&mut self, id: ColumnId, name: String) {
        Arc::make_mut(&mut self.columns[id.0 as usize]).relation = Some(name);
    }
    /// An id for a common table expression that the statement itself doesn't have.
    pub fn new_cte(&mut self) -> CteId {
        self.made_ctes += 1;
        CteId(u32::MAX - self.made_ctes)
    }
    pub fn len(&self) -> usize {
        self.columns.len()
    }
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }
}
