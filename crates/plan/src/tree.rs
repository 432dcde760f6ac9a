//! Queries as they were written, names resolved and everything typed: what views store and deparsing prints.
//!
//! A [`QueryTree`] keeps the clauses of a query apart where a [`crate::LogicalPlan`] has already put them into operators. The binder
//! makes one only when asked (for views); nothing executes it. It corresponds to PostgreSQL's Query node.
//!
//! Invariants: every name in FROM stands for plain columns, so `Expr::Column` ids identify them (a merged column of a FULL JOIN and
//! the columns of an aliased join have ids of their own); the ids of aggregates, window calls, set-returning calls and GROUPING are
//! in [`SelectTree::computed`]; a subquery in an expression carries its tree ([`crate::SubqueryExpr::tree`]).

use crate::{
    AggregateExpr, ColumnId, Expr, JoinKind, LockStrength, LockWait, SetCall, SetOpKind, WindowCall,
    WindowSpec,
};
use quarry_catalog::Relation;
use quarry_types::SqlType;
use std::sync::Arc;

/// A query with what may stand around its body.
#[derive(Clone, Debug)]
pub struct QueryTree {
    pub recursive: bool,
    pub ctes: Vec<CteTree>,
    pub body: BodyTree,
    pub order_by: Vec<OrderTree>,
    pub limit: Option<Expr>,
    pub offset: Option<Expr>,
    pub with_ties: bool,
    pub locks: Vec<LockTree>,
}

#[derive(Clone, Debug)]
pub enum BodyTree {
    Select(Box<SelectTree>),
    /// VALUES: rows, the columns' ids and names, and the targets ORDER BY speaks of.
    Values {
        rows: Vec<Vec<Expr>>,
        columns: Vec<(ColumnId, String)>,
        targets: Vec<TargetTree>,
    },
    SetOp {
        kind: SetOpKind,
        all: bool,
        left: Box<QueryTree>,
        right: Box<QueryTree>,
    },
}

/// One SELECT.
#[derive(Clone, Debug)]
pub struct SelectTree {
    pub distinct: DistinctTree,
    pub targets: Vec<TargetTree>,
    pub from: Vec<FromTree>,
    pub filter: Option<Expr>,
    pub group_by: Vec<GroupTree>,
    pub group_distinct: bool,
    pub having: Option<Expr>,
    /// The WINDOW clause.
    pub windows: Vec<(String, WindowSpec, WindowText)>,
    /// What the columns are that this level computes.
    pub computed: Vec<(ColumnId, Computed)>,
}

#[derive(Clone, Debug)]
pub enum DistinctTree {
    None,
    All,
    /// Positions in the targets.
    On(Vec<usize>),
}

/// An output column, or (junk) an expression that only ORDER BY, GROUP BY or DISTINCT ON name.
#[derive(Clone, Debug)]
pub struct TargetTree {
    pub name: String,
    pub expr: Expr,
    pub junk: bool,
}

/// A sort key: a position in the targets.
#[derive(Clone, Debug)]
pub struct OrderTree {
    pub target: usize,
    pub descending: bool,
    pub nulls_first: bool,
}

#[derive(Clone, Debug)]
pub enum GroupTree {
    Expr(Expr),
    Empty,
    /// A parenthesised list that counts as one.
    List(Vec<Expr>),
    Rollup(Vec<GroupTree>),
    Cube(Vec<GroupTree>),
    Sets(Vec<GroupTree>),
}

/// What a column stands for that no FROM item makes.
#[derive(Clone, Debug)]
pub enum Computed {
    Aggregate(AggregateExpr),
    Window(Box<WindowSpec>, WindowCall, WindowText),
    Set(SetCall),
    Grouping(Vec<Expr>),
}

/// How a window was written, as far as its meaning doesn't show it.
#[derive(Clone, Debug, Default)]
pub struct WindowText {
    /// The window that the parentheses begin with.
    pub base: Option<String>,
    /// ORDER BY comes from that window.
    pub order_copied: bool,
    /// A frame is written; true: with BETWEEN.
    pub frame: Option<bool>,
}

#[derive(Clone, Debug)]
pub struct CteTree {
    pub name: String,
    /// Column names as given.
    pub columns: Vec<String>,
    pub materialized: Option<bool>,
    pub query: QueryTree,
    /// SEARCH and CYCLE clauses as text behind the query: as the grammar takes it, and as it is shown.
    pub suffix: String,
    pub shown_suffix: String,
}

/// FOR UPDATE and its kin.
#[derive(Clone, Debug)]
pub struct LockTree {
    pub strength: LockStrength,
    pub wait: LockWait,
    /// First column of each locked FROM item, by which it is found.
    pub items: Vec<ColumnId>,
}

/// `AS name (columns)` as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasTree {
    pub name: String,
    pub columns: Vec<String>,
}

#[derive(Clone, Debug)]
pub enum FromTree {
    Leaf(Box<LeafTree>),
    Join(Box<JoinTree>),
}

/// A FROM item that is no join.
#[derive(Clone, Debug)]
pub struct LeafTree {
    pub kind: LeafKind,
    pub alias: Option<AliasTree>,
    pub lateral: bool,
    /// Columns with their names before the alias: of a relation, its present ones.
    pub columns: Vec<(ColumnId, String)>,
    /// System columns by name, and the whole row under an empty one.
    pub system: Vec<(ColumnId, String)>,
}

#[derive(Clone, Debug)]
pub enum LeafKind {
    Relation { relation: Arc<Relation>, only: bool },
    Cte { name: String },
    Subquery(Box<QueryTree>),
    Function { items: Vec<FunctionTree>, rows_from: bool, ordinality: bool },
}

/// A function in FROM and its column definition list.
#[derive(Clone, Debug)]
pub struct FunctionTree {
    pub call: Expr,
    pub definitions: Vec<(String, SqlType)>,
    /// How many columns it gives.
    pub width: usize,
}

#[derive(Clone, Debug)]
pub struct JoinTree {
    pub kind: JoinKind,
    pub left: FromTree,
    pub right: FromTree,
    pub condition: JoinTreeCondition,
    pub alias: Option<AliasTree>,
    /// Merged columns first, then the left side's, then the right's.
    pub columns: Vec<JoinColumn>,
}

#[derive(Clone, Debug)]
pub enum JoinTreeCondition {
    Cross,
    On(Expr),
    /// The first so many of the columns; the alias they go by together.
    Using {
        count: usize,
        alias: Option<String>,
    },
}

/// A column of a join. Merged ones have both sides.
#[derive(Clone, Debug)]
pub struct JoinColumn {
    pub name: String,
    pub id: ColumnId,
    pub left: Option<ColumnId>,
    pub right: Option<ColumnId>,
}

impl FromTree {
    /// The columns that FROM items beside it, and the rest of the query, see.
    pub fn columns(&self) -> Vec<(ColumnId, String)> {
        match self {
            FromTree::Leaf(l) => {
                let given = l.alias.as_ref().map_or(&[][..], |a| &a.columns);
                let named = |(i, (id, name)): (usize, &(ColumnId, String))| {
                    (*id, given.get(i).unwrap_or(name).clone())
                };
                l.columns.iter().enumerate().map(named).collect()
            }
            FromTree::Join(j) => j.columns.iter().map(|c| (c.id, c.name.clone())).collect(),
        }
    }
}

impl QueryTree {
    /// Every relation in a FROM clause, here and in the queries inside FROM and WITH (not in expressions).
    pub fn leaves<'t>(&'t self, f: &mut dyn FnMut(&'t LeafTree)) {
        for c in &self.ctes {
            c.query.leaves(f);
        }
        match &self.body {
            BodyTree::Select(s) => s.from.iter().for_each(|i| from_leaves(i, f)),
            BodyTree::Values { .. } => {}
            BodyTree::SetOp { left, right, .. } => {
                left.leaves(f);
                right.leaves(f);
            }
        }
    }

    /// Every expression of the query and of the queries inside FROM and WITH. Subqueries in expressions are the caller's matter.
    pub fn exprs<'t>(&'t self, f: &mut dyn FnMut(&'t Expr)) {
        for c in &self.ctes {
            c.query.exprs(f);
        }
        match &self.body {
            BodyTree::Select(s) => s.exprs(f),
            BodyTree::Values { rows, targets, .. } => {
                rows.iter().flatten().for_each(&mut *f);
                targets.iter().for_each(|t| f(&t.expr));
            }
            BodyTree::SetOp { left, right, .. } => {
                left.exprs(f);
                right.exprs(f);
            }
        }
        self.limit.iter().chain(&self.offset).for_each(f);
    }

    /// Both sides of every column that USING merges, where [`QueryTree::exprs`] looks.
    pub fn using_columns(&self, f: &mut dyn FnMut(ColumnId)) {
        for c in &self.ctes {
            c.query.using_columns(f);
        }
        match &self.body {
            BodyTree::Select(s) => s.from.iter().for_each(|i| from_using(i, f)),
            BodyTree::Values { .. } => {}
            BodyTree::SetOp { left, right, .. } => {
                left.using_columns(f);
                right.using_columns(f);
            }
        }
    }

    /// The visible output columns' names.
    pub fn output_names(&self) -> Vec<&str> {
        match &self.body {
            BodyTree::Select(s) => s.targets.iter().filter(|t| !t.junk).map(|t| t.name.as_str()).collect(),
            BodyTree::Values { columns, .. } => columns.iter().map(|(_, n)| n.as_str()).collect(),
            BodyTree::SetOp { left, .. } => left.output_names(),
        }
    }
}

impl SelectTree {
    fn exprs<'t>(&'t self, f: &mut dyn FnMut(&'t Expr)) {
        self.from.iter().for_each(|i| from_exprs(i, f));
        self.targets.iter().for_each(|t| f(&t.expr));
        self.filter.iter().chain(&self.having).for_each(&mut *f);
        self.group_by.iter().for_each(|g| group_exprs(g, f));
        self.windows.iter().for_each(|(_, spec, _)| spec_exprs(spec, f));
        for (_, c) in &self.computed {
            match c {
                Computed::Aggregate(a) => crate::walk::aggregate_exprs(a).for_each(&mut *f),
                Computed::Window(spec, call, _) => {
                    spec_exprs(spec, f);
                    call.args.iter().chain(&call.filter).for_each(&mut *f);
                }
                Computed::Set(call) => call.args.iter().for_each(&mut *f),
                Computed::Grouping(args) => args.iter().for_each(&mut *f),
            }
        }
    }
}

fn spec_exprs<'t>(spec: &'t WindowSpec, f: &mut dyn FnMut(&'t Expr)) {
    use crate::expr::FrameBound::{Following, Preceding};
    spec.partition_by.iter().chain(spec.order_by.iter().map(|k| &k.expr)).for_each(&mut *f);
    for bound in [&spec.frame.start, &spec.frame.end] {
        if let Preceding(e) | Following(e) = bound {
            f(e);
        }
    }
}

fn group_exprs<'t>(g: &'t GroupTree, f: &mut dyn FnMut(&'t Expr)) {
    match g {
        GroupTree::Expr(e) => f(e),
        GroupTree::Empty => {}
        GroupTree::List(list) => list.iter().for_each(f),
        GroupTree::Rollup(list) | GroupTree::Cube(list) | GroupTree::Sets(list) => {
            list.iter().for_each(|g| group_exprs(g, f))
        }
    }
}

fn from_leaves<'t>(item: &'t FromTree, f: &mut dyn FnMut(&'t LeafTree)) {
    match item {
        FromTree::Leaf(l) => {
            f(l);
            if let LeafKind::Subquery(q) = &l.kind {
                q.leaves(f);
            }
        }
        FromTree::Join(j) => {
            from_leaves(&j.left, f);
            from_leaves(&j.right, f);
        }
    }
}

fn from_exprs<'t>(item: &'t FromTree, f: &mut dyn FnMut(&'t Expr)) {
    match item {
        FromTree::Leaf(l) => match &l.kind {
            LeafKind::Subquery(q) => q.exprs(f),
            LeafKind::Function { items, .. } => items.iter().for_each(|i| f(&i.call)),
            LeafKind::Relation { .. } | LeafKind::Cte { .. } => {}
        },
        FromTree::Join(j) => {
            from_exprs(&j.left, f);
            from_exprs(&j.right, f);
            if let JoinTreeCondition::On(e) = &j.condition {
                f(e);
            }
        }
    }
}

fn from_using(item: &FromTree, f: &mut dyn FnMut(ColumnId)) {
    match item {
        FromTree::Leaf(l) => {
            if let LeafKind::Subquery(q) = &l.kind {
                q.using_columns(f);
            }
        }
        FromTree::Join(j) => {
            from_using(&j.left, f);
            from_using(&j.right, f);
            for c in &j.columns {
                if let (Some(left), Some(right)) = (c.left, c.right) {
                    f(left);
                    f(right);
                }
            }
        }
    }
}
