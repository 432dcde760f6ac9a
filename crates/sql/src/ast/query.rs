//! SELECT and its clauses.

use super::{Alias, DefElem, Expr, Name, OpName, Persistence, Pos, RangeVar, Statement, TypeName};

/// A query: a SELECT, a VALUES list or a set operation, with what may follow it.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub with: Option<With>,
    pub body: QueryBody,
    pub order_by: Vec<SortBy>,
    /// `None` also for LIMIT ALL.
    pub limit: Option<Expr>,
    pub offset: Option<Expr>,
    /// FETCH FIRST ... WITH TIES.
    pub with_ties: bool,
    pub locking: Vec<LockingClause>,
    /// Where the query's text begins (behind an opening parenthesis).
    pub pos: Pos,
}

/// What a query draws its rows from.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryBody {
    Select(Box<Select>),
    /// Rows of equal or unequal length: the binder complains.
    Values(Vec<Vec<Expr>>),
    SetOperation(Box<SetOperation>),
}

/// UNION, INTERSECT, EXCEPT. The sides carry their own clauses where these were in parentheses.
#[derive(Clone, Debug, PartialEq)]
pub struct SetOperation {
    pub op: SetOp,
    pub all: bool,
    pub left: Query,
    pub right: Query,
    /// Of the word UNION, INTERSECT or EXCEPT.
    pub pos: Pos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOp {
    Union,
    Intersect,
    Except,
}

/// One SELECT.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    pub distinct: Option<Distinct>,
    pub targets: Vec<Target>,
    pub into: Option<IntoClause>,
    pub from: Vec<TableRef>,
    pub where_clause: Option<Expr>,
    pub group_by: Vec<GroupItem>,
    /// GROUP BY DISTINCT.
    pub group_distinct: bool,
    pub having: Option<Expr>,
    pub windows: Vec<WindowDef>,
    pub pos: Pos,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Distinct {
    /// SELECT DISTINCT.
    All,
    /// SELECT DISTINCT ON (...).
    On(Vec<Expr>),
}

/// One item of a SELECT or RETURNING list. `*` and `t.*` are column references with `star`.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The alias.
    pub name: Option<String>,
    pub expr: Expr,
    pub pos: Pos,
}

/// SELECT INTO, and the head of CREATE TABLE AS.
#[derive(Clone, Debug, PartialEq)]
pub struct IntoClause {
    pub relation: RangeVar,
    pub columns: Vec<Name>,
    pub access_method: Option<String>,
    pub with: Vec<DefElem>,
    pub on_commit: OnCommit,
    pub tablespace: Option<String>,
    /// WITH NO DATA.
    pub no_data: bool,
}

impl IntoClause {
    pub fn persistence(&self) -> Persistence {
        self.relation.persistence
    }
}

/// What becomes of a temporary table's rows at commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnCommit {
    #[default]
    None,
    PreserveRows,
    DeleteRows,
    Drop,
}

/// WITH [RECURSIVE].
#[derive(Clone, Debug, PartialEq)]
pub struct With {
    pub recursive: bool,
    pub ctes: Vec<Cte>,
    pub pos: Pos,
}

/// One common table expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Cte {
    pub name: String,
    pub columns: Vec<Name>,
    pub materialized: Option<bool>,
    /// Select, Insert, Update or Delete.
    pub statement: Box<Statement>,
    pub search: Option<CteSearch>,
    pub cycle: Option<CteCycle>,
    pub pos: Pos,
}

/// SEARCH BREADTH|DEPTH FIRST BY columns SET column.
#[derive(Clone, Debug, PartialEq)]
pub struct CteSearch {
    pub breadth_first: bool,
    pub columns: Vec<Name>,
    pub sequence_column: String,
    pub pos: Pos,
}

/// CYCLE columns SET mark [TO value DEFAULT value] USING path.
#[derive(Clone, Debug, PartialEq)]
pub struct CteCycle {
    pub columns: Vec<Name>,
    pub mark_column: String,
    /// `None`: true and false.
    pub mark_values: Option<(Expr, Expr)>,
    pub path_column: String,
    pub pos: Pos,
}

/// An ORDER BY item.
#[derive(Clone, Debug, PartialEq)]
pub struct SortBy {
    pub expr: Expr,
    pub direction: SortDirection,
    pub nulls: Option<NullsOrder>,
    /// Of the operator behind USING, else the expression's place.
    pub pos: Pos,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortDirection {
    Default,
    Asc,
    Desc,
    Using(OpName),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullsOrder {
    First,
    Last,
}

/// FOR UPDATE and its kin.
#[derive(Clone, Debug, PartialEq)]
pub struct LockingClause {
    pub strength: LockStrength,
    /// OF ...; empty: all.
    pub relations: Vec<RangeVar>,
    pub wait: LockWait,
    pub pos: Pos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockStrength {
    KeyShare,
    Share,
    NoKeyUpdate,
    Update,
}

impl LockStrength {
    /// As messages spell it: `FOR UPDATE`.
    pub fn as_str(self) -> &'static str {
        match self {
            LockStrength::KeyShare => "FOR KEY SHARE",
            LockStrength::Share => "FOR SHARE",
            LockStrength::NoKeyUpdate => "FOR NO KEY UPDATE",
            LockStrength::Update => "FOR UPDATE",
        }
    }
}

/// In the order in which one overrules another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockWait {
    Block,
    SkipLocked,
    NoWait,
}

/// An item of FROM.
#[derive(Clone, Debug, PartialEq)]
pub enum TableRef {
    Relation(RangeVar),
    TableSample(Box<TableSample>),
    Subquery(Box<RangeSubquery>),
    Function(Box<RangeFunction>),
    Join(Box<JoinExpr>),
    /// XMLTABLE.
    XmlTable(Box<XmlTable>),
}

impl TableRef {
    /// Where the item's text begins.
    pub fn pos(&self) -> Pos {
        match self {
            TableRef::Relation(r) => r.pos,
            TableRef::TableSample(s) => s.relation.pos,
            TableRef::Subquery(s) => s.pos,
            TableRef::Function(f) => f.pos,
            TableRef::Join(j) => j.left.pos(),
            TableRef::XmlTable(x) => x.pos,
        }
    }
}

/// TABLESAMPLE method (args) REPEATABLE (seed).
#[derive(Clone, Debug, PartialEq)]
pub struct TableSample {
    pub relation: RangeVar,
    pub method: Vec<String>,
    pub args: Vec<Expr>,
    pub repeatable: Option<Expr>,
    /// Of the method's name.
    pub pos: Pos,
}

/// A subquery in FROM.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeSubquery {
    pub lateral: bool,
    pub query: Query,
    /// PostgreSQL 15 demands one; the binder says so.
    pub alias: Option<Alias>,
    /// Of the opening parenthesis.
    pub pos: Pos,
}

/// A function, or ROWS FROM (...), in FROM.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeFunction {
    pub lateral: bool,
    pub ordinality: bool,
    /// Written as ROWS FROM.
    pub rows_from: bool,
    /// One entry unless `rows_from`.
    pub functions: Vec<RangeFunctionItem>,
    pub alias: Option<Alias>,
    /// `AS t (a int, b text)`.
    pub column_definitions: Vec<ColumnDefItem>,
    pub pos: Pos,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RangeFunctionItem {
    /// A call, or one of the forms SQL writes like one.
    pub function: Expr,
    /// `AS (a int, b text)` inside ROWS FROM.
    pub column_definitions: Vec<ColumnDefItem>,
}

/// A column of a column definition list.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDefItem {
    pub name: String,
    pub type_name: TypeName,
    pub collation: Option<Vec<String>>,
    pub pos: Pos,
}

/// A join.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinExpr {
    pub kind: JoinKind,
    pub natural: bool,
    pub left: TableRef,
    pub right: TableRef,
    /// `Cross` for CROSS JOIN and for NATURAL.
    pub condition: JoinCondition,
    /// The alias of a parenthesised join.
    pub alias: Option<Alias>,
    /// Of the first word of the join's own: JOIN, LEFT, NATURAL, ...
    pub pos: Pos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Full,
    Right,
}

#[derive(Clone, Debug, PartialEq)]
pub enum JoinCondition {
    /// None given.
    Cross,
    On(Expr),
    /// USING (columns) [AS alias].
    Using {
        columns: Vec<Name>,
        alias: Option<String>,
    },
}

/// XMLTABLE in FROM.
#[derive(Clone, Debug, PartialEq)]
pub struct XmlTable {
    pub lateral: bool,
    pub namespaces: Vec<(Option<String>, Expr)>,
    pub row_expr: Expr,
    pub document: Expr,
    pub columns: Vec<XmlTableColumn>,
    pub alias: Option<Alias>,
    pub pos: Pos,
}

#[derive(Clone, Debug, PartialEq)]
pub struct XmlTableColumn {
    pub name: String,
    /// `None`: FOR ORDINALITY.
    pub type_name: Option<TypeName>,
    pub path: Option<Expr>,
    pub default: Option<Expr>,
    pub not_null: bool,
    pub pos: Pos,
}

/// An item of GROUP BY.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupItem {
    Expr(Expr),
    /// `()`
    Empty(Pos),
    Rollup(Vec<Expr>, Pos),
    Cube(Vec<Expr>, Pos),
    Sets(Vec<GroupItem>, Pos),
}

/// A window: of a WINDOW clause (`name` set), of OVER name (only `name` set), or of OVER (...).
#[derive(Clone, Debug, PartialEq)]
pub struct WindowDef {
    pub name: Option<String>,
    /// The existing window that the parentheses begin with.
    pub ref_name: Option<String>,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<SortBy>,
    pub frame: Option<WindowFrame>,
    /// `OVER name`, as opposed to `OVER (...)`.
    pub by_name: bool,
    pub pos: Pos,
}

#[derive(Clone, Debug, PartialEq)]
pub struct WindowFrame {
    pub mode: FrameMode,
    pub start: FrameBound,
    /// CURRENT ROW unless BETWEEN is written.
    pub end: FrameBound,
    /// BETWEEN is written.
    pub between: bool,
    pub exclusion: FrameExclusion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameMode {
    Range,
    Rows,
    Groups,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Box<Expr>),
    CurrentRow,
    Following(Box<Expr>),
    UnboundedFollowing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameExclusion {
    NoOthers,
    CurrentRow,
    Group,
    Ties,
}
