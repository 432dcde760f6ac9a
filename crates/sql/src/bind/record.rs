//! Trees of queries as written, made besides their plans when a view's definition is bound ([`quarry_plan::tree`]).
//!
//! Everything here does nothing unless [`Binder::record`] is set. FROM items are recorded as a stack: each item pushes itself, a join
//! takes its two sides off. While recording, every name in FROM is given a plain column id, also where a plan would need none
//! (merged columns of FULL joins, columns of aliased joins), so the plans made meanwhile are of no use.

use super::query::{BoundSelect, OrderItem};
use super::scope::{ItemKind, NsColumn, NsItem, Scope};
use super::target::TargetEntry;
use super::{Binder, Bound, Typed};
use crate::ast::{self, GroupItem};
use quarry_catalog::quote_identifier;
use quarry_common::{Oid, Result};
use quarry_plan::tree::{
    AliasTree, BodyTree, Computed, CteTree, DistinctTree, FromTree, GroupTree, JoinColumn, JoinTree,
    JoinTreeCondition, LeafKind, LeafTree, LockTree, OrderTree, QueryTree, SelectTree, TargetTree,
    WindowText,
};
use quarry_plan::{ColumnId, Expr, JoinKind, LockStrength, LockWait, ScanColumn, SetOpKind};
use quarry_types::{SqlType, oids};

/// What a query level has recorded so far.
#[derive(Default)]
pub(crate) struct Recorded {
    pub from: Vec<FromTree>,
    /// Grouping expressions as positions in the group list, in the order they are written.
    pub groups: Vec<usize>,
    pub windows: Vec<(ColumnId, WindowText)>,
}

fn query(body: BodyTree) -> QueryTree {
    QueryTree {
        recursive: false,
        ctes: vec![],
        body,
        order_by: vec![],
        limit: None,
        offset: None,
        with_ties: false,
        locks: vec![],
    }
}

fn order_tree(items: &[OrderItem]) -> Vec<OrderTree> {
    let one =
        |o: &OrderItem| OrderTree { target: o.target, descending: o.descending, nulls_first: o.nulls_first };
    items.iter().map(one).collect()
}

fn target_trees(targets: &[TargetEntry]) -> Vec<TargetTree> {
    let one = |t: &TargetEntry| TargetTree { name: t.name.clone(), expr: t.expr.clone(), junk: t.junk };
    targets.iter().map(one).collect()
}

/// `tree` with LIMIT and OFFSET.
pub(super) fn with_limits(
    q: &ast::Query,
    mut tree: QueryTree,
    limit: &Option<Expr>,
    offset: &Option<Expr>,
) -> QueryTree {
    tree.limit = limit.clone();
    tree.offset = offset.clone();
    tree.with_ties = q.with_ties;
    tree
}

/// Gives a recorded query its LIMIT and OFFSET.
pub(super) fn limits(q: &ast::Query, bound: &mut Bound, limit: &Option<Expr>, offset: &Option<Expr>) {
    bound.tree = bound.tree.take().map(|t| Box::new(with_limits(q, *t, limit, offset)));
}

pub(super) fn values(
    rows: Vec<Vec<Expr>>,
    output: &[(ColumnId, String, SqlType)],
    targets: &[TargetEntry],
    order: &[OrderItem],
) -> QueryTree {
    let columns = output.iter().map(|(id, name, _)| (*id, name.clone())).collect();
    let mut tree = query(BodyTree::Values { rows, columns, targets: target_trees(targets) });
    tree.order_by = order_tree(order);
    tree
}

pub(super) fn set_operation(
    op: ast::SetOp,
    all: bool,
    left: Option<Box<QueryTree>>,
    right: Option<Box<QueryTree>>,
) -> Option<Box<QueryTree>> {
    let kind = match op {
        ast::SetOp::Union => SetOpKind::Union,
        ast::SetOp::Intersect => SetOpKind::Intersect,
        ast::SetOp::Except => SetOpKind::Except,
    };
    let (left, right) = (left?, right?);
    Some(Box::new(query(BodyTree::SetOp { kind, all, left, right })))
}

/// An alias as written.
pub(super) fn alias_tree(alias: &ast::Alias) -> AliasTree {
    AliasTree { name: alias.name.clone(), columns: alias.columns.clone() }
}

/// The id of a recorded name.
fn id_of(e: &Expr) -> Option<ColumnId> {
    match e {
        Expr::Column { id, .. } => Some(*id),
        _ => None,
    }
}

/// A FROM item's columns, with the names they had before the alias.
fn leaf_columns(item: &NsItem, names: &[String]) -> Vec<(ColumnId, String)> {
    let ids = item.columns.iter().filter_map(|c| id_of(&c.expr));
    ids.zip(names).map(|(id, n)| (id, n.clone())).collect()
}

impl Binder<'_> {
    /// Records how a window is written. `over` is that of the call.
    pub(super) fn record_window(&mut self, id: ColumnId, over: &ast::WindowDef) {
        if self.record {
            let text = self.window_text(over);
            self.scope().recorded.windows.push((id, text));
        }
    }

    fn window_text(&self, def: &ast::WindowDef) -> WindowText {
        let defs = self.scopes.last().map_or(&[][..], |s: &Scope| &s.window_defs);
        let base = def.ref_name.clone();
        let from_base = base.as_ref().and_then(|b| defs.iter().find(|w| w.name.as_ref() == Some(b)));
        WindowText {
            order_copied: def.order_by.is_empty() && from_base.is_some(),
            base,
            frame: def.frame.as_ref().map(|f| f.between),
        }
    }

    /// An unknown literal of a set operation's side takes the type the operation settles on, where it stands.
    pub(super) fn record_side_type(
        &mut self,
        side: &mut Option<Box<QueryTree>>,
        ty: SqlType,
        column: usize,
        goal: Oid,
        name: &str,
    ) -> Result<()> {
        if ty.oid != oids::UNKNOWN {
            return Ok(());
        }
        let Some(BodyTree::Select(select)) = side.as_mut().map(|t| &mut t.body) else { return Ok(()) };
        let Some(target) = select.targets.iter_mut().filter(|t| !t.junk).nth(column) else { return Ok(()) };
        if let Expr::Const { value, .. } = &target.expr {
            let literal = Expr::Const { value: value.clone(), ty: SqlType::UNKNOWN };
            target.expr = self.coerce_to_common(Typed { expr: literal, pos: ast::NO_POS }, goal, name)?;
        }
        Ok(())
    }

    /// The tree of a SELECT, taken before its plan is put together.
    pub(super) fn record_select(
        &mut self,
        q: &ast::Query,
        s: &ast::Select,
        select: &BoundSelect,
        limit: &Option<Expr>,
        offset: &Option<Expr>,
    ) -> Result<Option<Box<QueryTree>>> {
        if !self.record {
            return Ok(None);
        }
        let mut windows = vec![];
        for def in &s.windows {
            let spec = self.window_spec(&ast::WindowDef { by_name: false, ..def.clone() })?;
            windows.push((def.name.clone().unwrap_or_default(), spec, self.window_text(def)));
        }
        let locks = self.lock_trees(q);
        let scope = self.scope();
        let recorded = std::mem::take(&mut scope.recorded);
        let mut computed = vec![];
        for (id, a) in &scope.aggregates {
            computed.push((*id, Computed::Aggregate(a.clone())));
        }
        for (id, spec, call) in &scope.windows {
            let text = recorded.windows.iter().find(|(w, _)| w == id).map(|(_, t)| t.clone());
            computed.push((
                *id,
                Computed::Window(Box::new(spec.clone()), call.clone(), text.unwrap_or_default()),
            ));
        }
        for (id, call) in &scope.set_calls {
            computed.push((*id, Computed::Set(call.clone())));
        }
        for (id, args, _) in &scope.groupings {
            let args = args.iter().map(|a| a.expr.clone()).collect();
            computed.push((*id, Computed::Grouping(args)));
        }
        let mut used = recorded.groups.iter().filter_map(|i| select.group.get(*i)).map(|g| g.expr.clone());
        let group_by = s.group_by.iter().map(|g| group_tree(g, &mut used)).collect();
        let distinct = match &select.distinct {
            None => DistinctTree::None,
            Some(ast::Distinct::All) => DistinctTree::All,
            Some(ast::Distinct::On(_)) => DistinctTree::On(select.distinct_on.clone()),
        };
        let body = SelectTree {
            distinct,
            targets: target_trees(&select.targets),
            from: recorded.from,
            filter: select.filter.clone(),
            group_by,
            group_distinct: s.group_distinct,
            having: select.having.clone(),
            windows,
            computed,
        };
        let mut tree = query(BodyTree::Select(Box::new(body)));
        tree.order_by = order_tree(&select.order);
        tree.locks = locks;
        Ok(Some(Box::new(with_limits(q, tree, limit, offset))))
    }

    fn lock_trees(&mut self, q: &ast::Query) -> Vec<LockTree> {
        let mut out = vec![];
        for clause in &q.locking {
            let strength = match clause.strength {
                ast::LockStrength::KeyShare => LockStrength::KeyShare,
                ast::LockStrength::Share => LockStrength::Share,
                ast::LockStrength::NoKeyUpdate => LockStrength::NoKeyUpdate,
                ast::LockStrength::Update => LockStrength::Update,
            };
            let wait = match clause.wait {
                ast::LockWait::Block => LockWait::Block,
                ast::LockWait::SkipLocked => LockWait::Skip,
                ast::LockWait::NoWait => LockWait::NoWait,
            };
            for item in &self.scope().items {
                let named = clause.relations.iter().any(|r| item.alias.as_ref() == Some(&r.name));
                let rows = item.kind == ItemKind::Rows;
                let lockable = rows && item.alias.is_some() && item.table_visible;
                if let (true, Some(first)) = (
                    lockable && (named || clause.relations.is_empty()),
                    item.columns.first().and_then(|c| id_of(&c.expr)),
                ) {
                    out.push(LockTree { strength, wait, items: vec![first] });
                }
            }
        }
        out
    }

    /// Records a FROM item that is no join; `names`: its columns' names before the alias.
    pub(super) fn record_leaf(
        &mut self,
        kind: LeafKind,
        item: &NsItem,
        names: &[String],
        alias: Option<AliasTree>,
        lateral: bool,
    ) {
        if !self.record {
            return;
        }
        let columns = leaf_columns(item, names);
        let system = item.system.iter().map(|(column, id, _)| {
            let name = super::scope::SYSTEM_COLUMNS.iter().find(|(_, c, _)| c == column);
            debug_assert!(name.is_some() || *column == ScanColumn::WholeRow);
            (*id, name.map_or(String::new(), |(n, _, _)| n.to_string()))
        });
        let leaf = LeafTree { kind, alias, lateral, columns, system: system.collect() };
        self.scope().recorded.from.push(FromTree::Leaf(Box::new(leaf)));
    }

    /// Records a join of the last two items. Merged columns: name and sides, then id.
    pub(super) fn record_join(
        &mut self,
        kind: JoinKind,
        merged: Option<Vec<JoinColumn>>,
        on: Option<Expr>,
    ) -> Result<()> {
        if !self.record {
            return Ok(());
        }
        let from = &mut self.scope().recorded.from;
        let (Some(right), Some(left)) = (from.pop(), from.pop()) else {
            return Err(quarry_common::Error::internal("a join of recorded items has two sides"));
        };
        let condition = match (&merged, on) {
            (Some(m), _) => JoinTreeCondition::Using { count: m.len(), alias: None },
            (None, Some(e)) => JoinTreeCondition::On(e),
            (None, None) => JoinTreeCondition::Cross,
        };
        let mut columns = merged.unwrap_or_default();
        let taken = |id: ColumnId, columns: &[JoinColumn], left: bool| {
            columns.iter().any(|c| if left { c.left == Some(id) } else { c.right == Some(id) })
        };
        let mut rest = vec![];
        for (id, name) in left.columns() {
            if !taken(id, &columns, true) {
                rest.push(JoinColumn { name, id, left: Some(id), right: None });
            }
        }
        for (id, name) in right.columns() {
            if !taken(id, &columns, false) {
                rest.push(JoinColumn { name, id, left: None, right: Some(id) });
            }
        }
        columns.extend(rest);
        let join = JoinTree { kind, left, right, condition, alias: None, columns };
        self.scope().recorded.from.push(FromTree::Join(Box::new(join)));
        Ok(())
    }

    /// Fresh ids for names that stand for columns of a join.
    pub(super) fn record_fresh(&mut self, columns: &mut [NsColumn]) -> Vec<ColumnId> {
        if !self.record {
            return vec![];
        }
        let fresh = |b: &mut Self, c: &mut NsColumn| {
            let ty = c.expr.ty();
            let id = match id_of(&c.expr) {
                Some(old) => b.meta.add(b.meta.get(old).clone()),
                None => b.meta.computed(c.name.clone(), ty),
            };
            c.expr = Expr::column(id, ty);
            id
        };
        columns.iter_mut().map(|c| fresh(self, c)).collect()
    }

    /// The join just recorded, to give it an alias.
    pub(super) fn recorded_join(&mut self) -> Option<&mut JoinTree> {
        match self.scope().recorded.from.last_mut() {
            Some(FromTree::Join(j)) => Some(j),
            _ => None,
        }
    }

    /// Records a CTE.
    pub(super) fn record_cte(&mut self, cte: &ast::Cte, tree: Option<Box<QueryTree>>) {
        if let Some(tree) = tree {
            self.recorded_ctes.push(CteTree {
                name: cte.name.clone(),
                columns: cte.columns.iter().map(|n| n.value.clone()).collect(),
                materialized: cte.materialized,
                query: *tree,
                suffix: suffix(cte, false),
                shown_suffix: suffix(cte, true),
            });
        }
    }
}

/// SEARCH and CYCLE as they were written.
fn suffix(cte: &ast::Cte, shown: bool) -> String {
    let list =
        |names: &[ast::Name]| names.iter().map(|n| quote_identifier(&n.value)).collect::<Vec<_>>().join(", ");
    let mut out = String::new();
    if let Some(s) = &cte.search {
        let how = if s.breadth_first { "BREADTH" } else { "DEPTH" };
        let sequence = quote_identifier(&s.sequence_column);
        out += &format!(" SEARCH {how} FIRST BY {} SET {sequence}", list(&s.columns));
    }
    if let Some(c) = &cte.cycle {
        out += &format!(" CYCLE {} SET {}", list(&c.columns), quote_identifier(&c.mark_column));
        if let Some((ast::ExprKind::Const(marked), ast::ExprKind::Const(other))) =
            c.mark_values.as_ref().map(|(a, b)| (&a.kind, &b.kind))
            && (marked, other) != (&ast::Literal::Boolean(true), &ast::Literal::Boolean(false))
        {
            out += &format!(" TO {} DEFAULT {}", mark(marked, shown), mark(other, shown));
        }
        out += &format!(" USING {}", quote_identifier(&c.path_column));
    }
    out
}

/// A constant as the grammar takes it here, or with the cast that PostgreSQL shows and that its own grammar doesn't take.
fn mark(value: &ast::Literal, shown: bool) -> String {
    let cast = if shown { "::text" } else { "" };
    match value {
        ast::Literal::Integer(n) => n.to_string(),
        ast::Literal::Float(n) => n.clone(),
        ast::Literal::String(s) | ast::Literal::BitString(s) => format!("'{}'{cast}", s.replace('\'', "''")),
        ast::Literal::Boolean(b) => b.to_string(),
        ast::Literal::Null => format!("NULL{cast}"),
    }
}

fn group_tree(item: &GroupItem, used: &mut dyn Iterator<Item = Expr>) -> GroupTree {
    let mut element = |e: &ast::Expr| match &e.kind {
        ast::ExprKind::Row { fields, explicit: false } => {
            GroupTree::List(fields.iter().filter_map(|_| used.next()).collect())
        }
        _ => used.next().map_or(GroupTree::Empty, GroupTree::Expr),
    };
    match item {
        GroupItem::Expr(e) => element(e),
        GroupItem::Empty(_) => GroupTree::Empty,
        GroupItem::Rollup(list, _) => GroupTree::Rollup(list.iter().map(element).collect()),
        GroupItem::Cube(list, _) => GroupTree::Cube(list.iter().map(element).collect()),
        GroupItem::Sets(items, _) => GroupTree::Sets(items.iter().map(|i| group_tree(i, used)).collect()),
    }
}
