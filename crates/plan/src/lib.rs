//! Plans: bound expressions, logical and physical nodes (one declaration each), deparsing, EXPLAIN.
//!
//! Columns have ids that are unique within a statement ([`ColumnId`]), in the logical plan and in the physical one, so a
//! rewrite never renumbers anything. An expression that names a column its input doesn't have is correlated: the column comes
//! from an enclosing row (a nested loop's outer side, or the query around a subquery).
//!
//! Flow: `sql::bind` makes a [`LogicalPlan`]; `optimizer` rewrites it and makes a [`PhysicalPlan`]; `executor` builds operators
//! from that. Plans are never changed once made: execution state lives in the operators.
#![forbid(unsafe_code)]

pub mod deparse;
pub mod dml;
mod equal;
pub mod explain;
pub mod expr;
pub mod folder;
pub mod inline;
pub mod logical;
pub mod meta;
pub mod physical;
pub mod rights;
pub mod total;
pub mod tree;
mod value_rows;
pub mod volatility;
pub mod walk;

pub use dml::{BoundIndex, OnConflict, OnConflictAction, Returning, TableWrite};
pub use expr::{
    AggregateExpr, ArgumentOrder, BoolTest, CallForm, CallPos, CastKind, Expr, FunctionRef, SetCall, SortKey,
    SqlValue, SubqueryExpr, SubqueryKind, SubscriptIndex, WindowCall, WindowFrame, WindowSpec,
};
pub use folder::ConstantFolder;
pub use logical::{
    Cte, CteId, JoinKind, LockStrength, LockWait, LogicalPlan, Recheck, RowLock, ScanColumn, SetOpKind,
};
pub use meta::{ColumnId, ColumnMeta, QueryMeta};
pub use physical::{PhysicalNode, PhysicalPlan, Statement};
pub use value_rows::ValueRows;
