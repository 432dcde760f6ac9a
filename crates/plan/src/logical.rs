//! Logical plans: what a query means, typed and resolved, before any choice of how.

use crate::{
    AggregateExpr, ColumnId, Expr, OnConflict, Returning, SetCall, SortKey, TableWrite, ValueRows,
    WindowCall, WindowSpec,
};
use quarry_catalog::Relation;
use std::sync::Arc;

/// A CTE's number within its statement.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CteId(pub u32);

/// What a scan reads of a stored row.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ScanColumn {
    /// Index in `Relation::columns`.
    Attribute(usize),
    Ctid,
    Xmin,
    Xmax,
    Cmin,
    Cmax,
    TableOid,
    /// The whole row as a record of the table's row type.
    WholeRow,
}

/// Join kinds. Semi and Anti give the left side's columns only, RightSemi and RightAnti (of physical plans) the right side's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    /// Left rows with a match: EXISTS, IN.
    Semi,
    /// Left rows without a match: NOT EXISTS.
    Anti,
    /// Right rows with, and without a match: a semi or anti join with its sides exchanged.
    RightSemi,
    RightAnti,
}

/// Set operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetOpKind {
    Union,
    Intersect,
    Except,
}

/// A common table expression.
#[derive(Clone, Debug)]
pub struct Cte {
    pub id: CteId,
    pub name: String,
    pub plan: LogicalPlan,
    /// Its output columns as the plan makes them.
    pub output: Vec<ColumnId>,
    /// For WITH RECURSIVE that refers to itself: the recursive term (its columns line up with `output`); `plan` is the
    /// non-recursive one. UNION without ALL drops duplicates.
    pub recursive: Option<(LogicalPlan, Vec<ColumnId>, bool)>,
    /// MATERIALIZED (true), NOT MATERIALIZED (false).
    pub materialized: Option<bool>,
    /// References in the statement; data-modifying ones run even without any.
    pub references: usize,
    /// An error of its data ends it: it has a single row then, with true in this column (false else) and NULL in the others.
    pub caught: Option<ColumnId>,
}

/// FOR UPDATE and its relatives: lock strength.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LockStrength {
    KeyShare,
    Share,
    NoKeyUpdate,
    Update,
}

/// What to do about a row that is locked; of two, the later counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LockWait {
    Block,
    Skip,
    NoWait,
}

/// One table whose rows are locked as they are returned.
#[derive(Clone, Debug)]
pub struct RowLock {
    pub relation: Arc<Relation>,
    pub alias: String,
    /// The scan's ctid column.
    pub ctid: ColumnId,
    /// The scan's columns, to be read again when a newer version is locked.
    pub columns: Vec<(ColumnId, ScanColumn)>,
    pub strength: LockStrength,
    pub wait: LockWait,
}

/// How a row that somebody else has changed meanwhile is tested again with its newest version (PostgreSQL: EvalPlanQual). `P`: logical
/// or physical plan.
#[derive(Clone, Debug)]
pub enum Recheck<P> {
    /// One table: conditions over its columns.
    Conditions(Vec<Expr>),
    /// The FROM clause again, each of its items with only the row that it gave: a plan that gives one row or none. Subqueries of
    /// expressions run anew.
    Plan {
        plan: Box<P>,
        /// The columns that it reads as enclosing ones, and the columns of the source that they stand for.
        params: Vec<(ColumnId, ColumnId)>,
        /// The same for values as they were when the row was found, before anything was read again.
        found: Vec<(ColumnId, ColumnId)>,
    },
}

impl<P> Default for Recheck<P> {
    fn default() -> Recheck<P> {
        Recheck::Conditions(vec![])
    }
}

/// A logical plan node. Outputs: what `walk::output_columns` says.
#[derive(Clone, Debug)]
pub enum LogicalPlan {
    /// One row without columns.
    OneRow,
    /// No row; its columns for typing.
    Empty {
        output: Vec<ColumnId>,
    },
    Scan {
        relation: Arc<Relation>,
        alias: String,
        columns: Vec<(ColumnId, ScanColumn)>,
    },
    Values {
        rows: ValueRows,
        output: Vec<ColumnId>,
        alias: String,
    },
    /// Functions in FROM, side by side (ROWS FROM); `ordinality` adds a row number. Arguments may be correlated (LATERAL).
    /// A scalar function in FROM is a call whose kind is Scalar: one row.
    FunctionScan {
        calls: Vec<(SetCall, Vec<ColumnId>)>,
        ordinality: Option<ColumnId>,
        alias: String,
    },
    CteScan {
        cte: CteId,
        name: String,
        alias: String,
        columns: Vec<(ColumnId, ColumnId)>, /* (own, the CTE's) */
    },
    With {
        ctes: Vec<Cte>,
        body: Box<LogicalPlan>,
    },
    /// A subquery in FROM: boundary for names only (EXPLAIN's Subquery Scan); columns pass through.
    SubqueryAlias {
        input: Box<LogicalPlan>,
        alias: String,
    },
    /// A view that hides rows (`security_barrier`): only conditions that tell nothing of them may go below.
    Barrier {
        input: Box<LogicalPlan>,
    },
    Filter {
        input: Box<LogicalPlan>,
        predicates: Vec<Expr>,
    },
    /// Exactly the given columns.
    Project {
        input: Box<LogicalPlan>,
        targets: Vec<(ColumnId, Expr)>,
    },
    /// `on` may name columns of both sides; the right side may name columns of the left (LATERAL).
    Join {
        kind: JoinKind,
        left: Box<LogicalPlan>,
        right: Box<LogicalPlan>,
        on: Vec<Expr>,
    },
    /// Output: group columns, aggregates, then `grouping` columns (GROUPING() bit masks).
    Aggregate {
        input: Box<LogicalPlan>,
        group: Vec<(ColumnId, Expr)>,
        /// GROUPING SETS: each a list of positions in `group`; none: one set of all.
        sets: Option<Vec<Vec<usize>>>,
        aggregates: Vec<(ColumnId, AggregateExpr)>,
        /// GROUPING(args): output column, positions in `group`.
        grouping: Vec<(ColumnId, Vec<usize>)>,
    },
    /// Input columns and the calls' results.
    Window {
        input: Box<LogicalPlan>,
        spec: WindowSpec,
        calls: Vec<(ColumnId, WindowCall)>,
    },
    /// Input columns and the calls' results, one output row per row of the longest set.
    ProjectSet {
        input: Box<LogicalPlan>,
        calls: Vec<(ColumnId, SetCall)>,
    },
    /// DISTINCT over all columns, or DISTINCT ON these expressions (input sorted by the Sort below).
    Distinct {
        input: Box<LogicalPlan>,
        on: Option<Vec<Expr>>,
    },
    Sort {
        input: Box<LogicalPlan>,
        keys: Vec<SortKey>,
    },
    /// LIMIT/OFFSET; `ties` are the sort keys of FETCH FIRST WITH TIES.
    Limit {
        input: Box<LogicalPlan>,
        limit: Option<Expr>,
        offset: Option<Expr>,
        ties: Option<Vec<SortKey>>,
    },
    SetOp {
        kind: SetOpKind,
        all: bool,
        left: Box<LogicalPlan>,
        right: Box<LogicalPlan>,
        output: Vec<ColumnId>,
        /// The inputs' columns that line up with `output` (types already equal).
        left_columns: Vec<ColumnId>,
        right_columns: Vec<ColumnId>,
    },
    /// Locks the rows that it passes on.
    LockRows {
        input: Box<LogicalPlan>,
        locks: Vec<RowLock>,
        /// The clause stands in a query further out.
        pushed: bool,
        recheck: Recheck<LogicalPlan>,
    },
    /// `values[i]`: the source column for the i-th live column of the table (defaults already filled in).
    Insert {
        target: Box<TableWrite>,
        source: Box<LogicalPlan>,
        values: Vec<ColumnId>,
        on_conflict: Option<OnConflict>,
        returning: Option<Returning>,
    },
    /// The source gives the target row's ctid and its columns (`old`), and the new values (`set`: index in the relation's
    /// columns, expression over the source).
    Update {
        target: Box<TableWrite>,
        source: Box<LogicalPlan>,
        ctid: ColumnId,
        old: Vec<(ColumnId, ScanColumn)>,
        set: Vec<(usize, Expr)>,
        returning: Option<Returning>,
        recheck: Recheck<LogicalPlan>,
    },
    Delete {
        target: Box<TableWrite>,
        source: Box<LogicalPlan>,
        ctid: ColumnId,
        old: Vec<(ColumnId, ScanColumn)>,
        returning: Option<Returning>,
        recheck: Recheck<LogicalPlan>,
    },
}
