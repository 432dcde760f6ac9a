//! Physical plans: which operators run, with costs. Node names are PostgreSQL's, so that tools read our EXPLAIN.
//!
//! Every node makes raw rows (its columns: see [`PhysicalPlan::raw_columns`]), drops those that fail `filter`, and gives `targets`.

use crate::logical::{CteId, JoinKind, RowLock, ScanColumn, SetOpKind};
use crate::{
    AggregateExpr, ColumnId, Expr, OnConflict, QueryMeta, Recheck, Returning, SetCall, SortKey, TableWrite,
    ValueRows, WindowCall, WindowSpec,
};
use quarry_catalog::{IndexDef, Relation};
use quarry_types::SqlType;
use std::sync::Arc;

/// A planned statement: what the plan cache keeps and the executor runs.
#[derive(Clone, Debug)]
pub struct Statement {
    pub plan: Arc<PhysicalPlan>,
    pub meta: Arc<QueryMeta>,
    /// The result's columns: id, name, type. Empty for statements without rows.
    pub output: Vec<(ColumnId, String, SqlType)>,
    /// Types of `$1`...
    pub params: Vec<SqlType>,
    /// Subqueries without correlation, computed on first use; Expr::Subquery nodes carry them too (shared).
    pub ctes: Vec<PlannedCte>,
    /// Relations read or written, with the lock each needs: taken before execution.
    pub relations: Vec<(Arc<Relation>, RelationUse)>,
    /// Writes, locks rows or calls functions with effects on tables.
    pub read_only: bool,
    /// What hash joins tell scans below them.
    pub runtime_filters: Vec<RuntimeFilter>,
    /// The rules that have rewritten it, for EXPLAIN under `quarry.explain_rules`.
    pub rules: Vec<&'static str>,
    /// The query's identifier, where such are computed.
    pub query_id: Option<i64>,
    /// A pinned plan was followed.
    pub pinned: bool,
}

/// Once hash join `join` has read its inner side, scan `scan` (both by node number) skips rows whose `column` can't equal the join's
/// key `key`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RuntimeFilter {
    pub join: usize,
    pub key: usize,
    pub scan: usize,
    pub column: ColumnId,
}

/// How a statement uses a relation: decides the table lock and the privilege checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RelationUse {
    Read,
    LockRows,
    Insert,
    Update,
    Delete,
}

/// A CTE that is computed once and scanned.
#[derive(Clone, Debug)]
pub struct PlannedCte {
    pub id: CteId,
    pub name: String,
    pub plan: Arc<PhysicalPlan>,
    pub output: Vec<ColumnId>,
    /// As in [`crate::Cte`].
    pub caught: Option<ColumnId>,
}

/// A node with what the planner thinks of it.
#[derive(Clone, Debug)]
pub struct PhysicalPlan {
    pub node: PhysicalNode,
    /// Conditions on raw rows, cheapest first.
    pub filter: Vec<Expr>,
    /// Output columns. An entry `(id, Column{id})` passes a raw column through.
    pub targets: Vec<(ColumnId, Expr)>,
    /// Estimated output rows, average width in bytes, and costs in PostgreSQL's units.
    pub rows: f64,
    pub width: u32,
    pub startup_cost: f64,
    pub total_cost: f64,
    /// Number within the statement, from 0: the executor's statistics for EXPLAIN ANALYZE go by it.
    pub id: usize,
}

impl PhysicalPlan {
    /// Ids of the output columns.
    pub fn output(&self) -> impl Iterator<Item = ColumnId> + '_ {
        self.targets.iter().map(|(id, _)| *id)
    }

    /// One row without columns, which costs nothing: stands for a plan that is moved elsewhere.
    pub fn stand_in() -> PhysicalPlan {
        PhysicalPlan {
            node: PhysicalNode::Result { input: None, one_time_filter: vec![] },
            filter: vec![],
            targets: vec![],
            rows: 0.0,
            width: 0,
            startup_cost: 0.0,
            total_cost: 0.0,
            id: 0,
        }
    }
}

/// How many times as much as one of them so many threads do together with the statement's, which has less time the more of them pass it
/// rows (PostgreSQL: costsize.c `get_parallel_divisor`).
pub fn parallel_divisor(workers: usize) -> f64 {
    workers as f64 + (1.0 - 0.3 * workers as f64).max(0.0)
}

/// What several threads that run copies of a nested loop have parts of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LoopParts {
    /// The outer rows, because what gives them is in parts.
    #[default]
    Outer,
    /// The outer rows, which whoever needs some reads for all.
    Dealt,
    /// The inner rows, which are the same for all outer rows, and are read once; each thread reads all outer rows, which are few.
    Inner,
}

/// Comparison an index scan applies to one key.
#[derive(Clone, PartialEq, Debug)]
pub enum IndexTest {
    Eq(Expr),
    Lt(Expr),
    Le(Expr),
    Gt(Expr),
    Ge(Expr),
    /// `= ANY (array)`.
    In(Expr),
    /// `(key, next key, ...) op (value, next value, ...)`: the expression is an [`Expr::Row`] of values for keys that follow each other.
    Row(RowTest, Expr),
    /// Each value the key has is visited in turn, for the conditions on later keys (a skip scan). Nothing to EXPLAIN.
    Skip,
    IsNull,
    IsNotNull,
    /// An operator of the key's operator family that has its own idea of what it looks for.
    Operator {
        strategy: u16,
        value: Expr,
    },
}

/// How rows are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowTest {
    Lt,
    Le,
    Gt,
    Ge,
}

/// A condition handled by an index.
#[derive(Clone, Debug)]
pub struct IndexCond {
    /// Position in `IndexDef::keys`.
    pub key: usize,
    /// The compared value doesn't depend on the scanned table. Its type is the key's, or one of those that the executor carries over to
    /// it (`executor::scan::key_value`).
    pub test: IndexTest,
    /// The condition as written, for EXPLAIN's Index Cond and for rechecks.
    pub source: Expr,
}

/// How rows are grouped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AggregateStrategy {
    /// One group.
    Plain,
    /// Input sorted by the group columns.
    Sorted,
    Hashed,
}

/// What a set operation does with equal rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetOpStrategy {
    Sorted,
    Hashed,
}

/// What a node does.
#[derive(Clone, Debug)]
pub enum PhysicalNode {
    /// One row, or none if the one-time condition fails (it reads outer columns and parameters only). With an input: passes it on.
    Result {
        input: Option<Box<PhysicalPlan>>,
        one_time_filter: Vec<Expr>,
    },
    SeqScan {
        relation: Arc<Relation>,
        alias: String,
        columns: Vec<(ColumnId, ScanColumn)>,
        /// The filter says what each key of a unique index equals, without a column: no more than one row passes it, whatever its
        /// constants are.
        one_row: bool,
    },
    IndexScan {
        relation: Arc<Relation>,
        alias: String,
        index: Arc<IndexDef>,
        columns: Vec<(ColumnId, ScanColumn)>,
        conds: Vec<IndexCond>,
        backward: bool,
        /// Every column comes out of the index (heap visited only where the page isn't all-visible).
        index_only: bool,
        /// Of the rows with the same values in the keys that are skipped over, only the first one seen.
        first_only: bool,
    },
    /// Rows of the heap pages a bitmap names, in physical order.
    BitmapHeapScan {
        relation: Arc<Relation>,
        alias: String,
        columns: Vec<(ColumnId, ScanColumn)>,
        bitmap: BitmapSource,
        /// The conditions the bitmap stands for, tested again on lossy pages.
        recheck: Vec<Expr>,
    },
    /// `ctid = value` or `ctid = ANY(array)`.
    TidScan {
        relation: Arc<Relation>,
        alias: String,
        columns: Vec<(ColumnId, ScanColumn)>,
        tids: Vec<Expr>,
    },
    /// `ctid` between bounds: each a value and whether it is itself within; the narrowest count.
    TidRangeScan {
        relation: Arc<Relation>,
        alias: String,
        columns: Vec<(ColumnId, ScanColumn)>,
        lower: Vec<(Expr, bool)>,
        upper: Vec<(Expr, bool)>,
        /// The conditions as written, for EXPLAIN.
        conds: Vec<Expr>,
    },
    ValuesScan {
        rows: ValueRows,
        columns: Vec<ColumnId>,
        alias: String,
    },
    FunctionScan {
        calls: Vec<(SetCall, Vec<ColumnId>)>,
        ordinality: Option<ColumnId>,
        alias: String,
    },
    CteScan {
        cte: CteId,
        name: String,
        alias: String,
        columns: Vec<(ColumnId, ColumnId)>,
    },
    /// The rows the last round of a recursive union made.
    WorkTableScan {
        cte: CteId,
        alias: String,
        columns: Vec<(ColumnId, ColumnId)>,
    },
    SubqueryScan {
        input: Box<PhysicalPlan>,
        alias: String,
    },
    /// For each outer row: the inner side with `params` (outer columns it reads) set. Inner, Left, Semi, Anti.
    NestLoop {
        kind: JoinKind,
        outer: Box<PhysicalPlan>,
        inner: Box<PhysicalPlan>,
        on: Vec<Expr>,
        params: Vec<ColumnId>,
        /// No outer row has more than one match.
        inner_unique: bool,
        /// What each of several threads that run it has a part of.
        parts: LoopParts,
    },
    /// Builds on `inner`. `keys` are (outer, inner) pairs of equal type; `on` holds further conditions on matches.
    HashJoin {
        kind: JoinKind,
        outer: Box<PhysicalPlan>,
        inner: Box<PhysicalPlan>,
        keys: Vec<(Expr, Expr)>,
        hash_conds: Vec<Expr>,
        on: Vec<Expr>,
        inner_unique: bool,
        /// Threads that each read a part of the outer side each read a part of the inner one, too.
        in_parts: bool,
    },
    /// Both sides sorted by the keys (ascending, nulls last, unless `order` says otherwise).
    MergeJoin {
        kind: JoinKind,
        outer: Box<PhysicalPlan>,
        inner: Box<PhysicalPlan>,
        keys: Vec<(Expr, Expr)>,
        order: Vec<(bool, bool)>, /* descending, nulls first */
        merge_conds: Vec<Expr>,
        on: Vec<Expr>,
        inner_unique: bool,
    },
    /// Keeps its input's rows for cheap rescans.
    Materialize {
        input: Box<PhysicalPlan>,
    },
    /// Caches its input's rows by the values of outer columns.
    Memoize {
        input: Box<PhysicalPlan>,
        keys: Vec<ColumnId>,
    },
    /// `bound`: only so many rows are wanted (LIMIT over it). `presorted`: leading keys the input is already sorted by (Incremental Sort).
    Sort {
        input: Box<PhysicalPlan>,
        keys: Vec<SortKey>,
        bound: Option<u64>,
        presorted: usize,
    },
    /// Its input's rows, of which several threads make a part each (`executor::gather`); sorted by `keys`, if there are any, as each part is.
    Gather {
        input: Box<PhysicalPlan>,
        /// Threads beside the statement's.
        workers: usize,
        keys: Vec<SortKey>,
    },
    Aggregate {
        input: Box<PhysicalPlan>,
        strategy: AggregateStrategy,
        group: Vec<(ColumnId, Expr)>,
        /// Places in `group` of columns that the others determine: they are not compared.
        determined: Vec<usize>,
        sets: Option<Vec<Vec<usize>>>,
        aggregates: Vec<(ColumnId, AggregateExpr)>,
        grouping: Vec<(ColumnId, Vec<usize>)>,
        /// Threads that help reading the input, which is a chain over a scan of a whole table; 0: none.
        workers: usize,
    },
    /// Input sorted by partition and order keys.
    WindowAgg {
        input: Box<PhysicalPlan>,
        spec: WindowSpec,
        calls: Vec<(ColumnId, WindowCall)>,
        /// Conditions over the results: a row that fails one isn't wanted, nor is any after it in its partition.
        run: Vec<Expr>,
        /// Such rows are given nevertheless, with NULL for results: a window above counts them, and drops them then.
        passes_on: bool,
    },
    ProjectSet {
        input: Box<PhysicalPlan>,
        calls: Vec<(ColumnId, SetCall)>,
    },
    /// Drops rows equal to the one before in these columns.
    Unique {
        input: Box<PhysicalPlan>,
        columns: Vec<ColumnId>,
    },
    SetOp {
        kind: SetOpKind,
        all: bool,
        strategy: SetOpStrategy,
        left: Box<PhysicalPlan>,
        right: Box<PhysicalPlan>,
        output: Vec<ColumnId>,
        left_columns: Vec<ColumnId>,
        right_columns: Vec<ColumnId>,
    },
    /// UNION ALL: each input with its columns that line up with `output`.
    Append {
        inputs: Vec<(PhysicalPlan, Vec<ColumnId>)>,
        output: Vec<ColumnId>,
    },
    MergeAppend {
        inputs: Vec<(PhysicalPlan, Vec<ColumnId>)>,
        output: Vec<ColumnId>,
        keys: Vec<SortKey>,
    },
    /// WITH RECURSIVE: `base`, then `step` over the rows of the round before until none come.
    RecursiveUnion {
        cte: CteId,
        base: Box<PhysicalPlan>,
        step: Box<PhysicalPlan>,
        output: Vec<ColumnId>,
        base_columns: Vec<ColumnId>,
        step_columns: Vec<ColumnId>,
        distinct: bool,
    },
    Limit {
        input: Box<PhysicalPlan>,
        limit: Option<Expr>,
        offset: Option<Expr>,
        ties: Option<Vec<SortKey>>,
    },
    LockRows {
        input: Box<PhysicalPlan>,
        locks: Vec<RowLock>,
        recheck: Recheck<PhysicalPlan>,
    },
    Insert {
        target: Box<TableWrite>,
        input: Box<PhysicalPlan>,
        values: Vec<ColumnId>,
        on_conflict: Option<OnConflict>,
        returning: Option<Returning>,
    },
    Update {
        target: Box<TableWrite>,
        input: Box<PhysicalPlan>,
        ctid: ColumnId,
        old: Vec<(ColumnId, ScanColumn)>,
        set: Vec<(usize, Expr)>,
        returning: Option<Returning>,
        recheck: Recheck<PhysicalPlan>,
    },
    Delete {
        target: Box<TableWrite>,
        input: Box<PhysicalPlan>,
        ctid: ColumnId,
        old: Vec<(ColumnId, ScanColumn)>,
        returning: Option<Returning>,
        recheck: Recheck<PhysicalPlan>,
    },
}

/// Where a bitmap of heap pages and rows comes from.
#[derive(Clone, Debug)]
pub enum BitmapSource {
    Index { index: Arc<IndexDef>, conds: Vec<IndexCond>, rows: f64, total_cost: f64, id: usize },
    And(Vec<BitmapSource>),
    Or(Vec<BitmapSource>),
}

macro_rules! node_alias {
    ($(#[$doc:meta])* $name:ident $($m:tt)*) => {
        $(#[$doc])*
        pub fn $name(& $($m)* self) -> Option<& $($m)* String> {
            match self {
                PhysicalNode::SeqScan { alias, .. }
                | PhysicalNode::IndexScan { alias, .. }
                | PhysicalNode::BitmapHeapScan { alias, .. }
                | PhysicalNode::TidScan { alias, .. }
                | PhysicalNode::TidRangeScan { alias, .. }
                | PhysicalNode::ValuesScan { alias, .. }
                | PhysicalNode::FunctionScan { alias, .. }
                | PhysicalNode::CteScan { alias, .. }
                | PhysicalNode::WorkTableScan { alias, .. } => Some(alias),
                _ => None,
            }
        }
    };
}

impl PhysicalNode {
    node_alias! {
        /// The name of what a scan reads.
        alias
    }
    node_alias! {
        /// The name of what a scan reads, to change it.
        alias_mut mut
    }
}
