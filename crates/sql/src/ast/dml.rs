//! INSERT, UPDATE, DELETE, MERGE, COPY, TRUNCATE.

use super::{
    DefElem, DropBehavior, Expr, IndexElem, Indirection, Name, Pos, Query, RangeVar, Statement, TableRef,
    Target, With,
};

/// INSERT.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    pub with: Option<With>,
    /// With the alias, if any.
    pub relation: RangeVar,
    /// Empty: all of them, in order.
    pub columns: Vec<AssignTarget>,
    pub overriding: Option<Overriding>,
    pub source: InsertSource,
    pub on_conflict: Option<OnConflict>,
    pub returning: Vec<Target>,
    pub pos: Pos,
}

/// What INSERT's rows come from.
#[derive(Clone, Debug, PartialEq)]
pub enum InsertSource {
    DefaultValues,
    Query(Box<Query>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overriding {
    User,
    System,
}

/// A column that is assigned to, perhaps only a part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct AssignTarget {
    pub name: String,
    pub indirection: Vec<Indirection>,
    pub pos: Pos,
}

/// ON CONFLICT.
#[derive(Clone, Debug, PartialEq)]
pub struct OnConflict {
    pub target: Option<ConflictTarget>,
    pub action: ConflictAction,
    pub pos: Pos,
}

/// How ON CONFLICT names its unique index.
#[derive(Clone, Debug, PartialEq)]
pub enum ConflictTarget {
    Columns { elements: Vec<IndexElem>, where_clause: Option<Expr>, pos: Pos },
    Constraint { name: String, pos: Pos },
}

#[derive(Clone, Debug, PartialEq)]
pub enum ConflictAction {
    Nothing,
    Update { sets: Vec<SetClause>, where_clause: Option<Expr> },
}

/// One assignment of UPDATE.
#[derive(Clone, Debug, PartialEq)]
pub enum SetClause {
    Single {
        target: AssignTarget,
        value: Expr,
    },
    /// `(a, b) = source`: a row, or a subquery.
    Multi {
        targets: Vec<AssignTarget>,
        source: Expr,
    },
}

/// UPDATE.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    pub with: Option<With>,
    pub relation: RangeVar,
    pub sets: Vec<SetClause>,
    pub from: Vec<TableRef>,
    /// May be [`super::ExprKind::CurrentOf`].
    pub where_clause: Option<Expr>,
    pub returning: Vec<Target>,
    pub pos: Pos,
}

/// DELETE.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    pub with: Option<With>,
    pub relation: RangeVar,
    pub using: Vec<TableRef>,
    pub where_clause: Option<Expr>,
    pub returning: Vec<Target>,
    pub pos: Pos,
}

/// MERGE.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    pub with: Option<With>,
    pub relation: RangeVar,
    pub source: TableRef,
    pub on: Expr,
    pub clauses: Vec<MergeWhen>,
    pub pos: Pos,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MergeWhen {
    pub matched: bool,
    pub condition: Option<Expr>,
    pub action: MergeAction,
    pub pos: Pos,
}

#[derive(Clone, Debug, PartialEq)]
pub enum MergeAction {
    Nothing,
    Delete,
    Update(Vec<SetClause>),
    /// `values` is `None` for DEFAULT VALUES.
    Insert {
        columns: Vec<AssignTarget>,
        overriding: Option<Overriding>,
        values: Option<Vec<Expr>>,
    },
}

/// COPY.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    pub source: CopySource,
    /// COPY ... FROM.
    pub from: bool,
    pub target: CopyTarget,
    /// Both the old and the new syntax end up here, in PostgreSQL's option names.
    pub options: Vec<DefElem>,
    pub where_clause: Option<Expr>,
    pub pos: Pos,
}

#[derive(Clone, Debug, PartialEq)]
pub enum CopySource {
    Relation {
        relation: RangeVar,
        columns: Vec<Name>,
    },
    /// SELECT, or a data change with RETURNING.
    Query(Box<Statement>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyTarget {
    /// STDIN or STDOUT.
    Client,
    File(String),
    Program(String),
}

/// TRUNCATE.
#[derive(Clone, Debug, PartialEq)]
pub struct Truncate {
    pub relations: Vec<RangeVar>,
    pub restart_identity: bool,
    pub behavior: DropBehavior,
}
