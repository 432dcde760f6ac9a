//! Which views rows can be changed through (PostgreSQL: view_query_is_auto_updatable).

use super::view::ViewDefinition;
use crate::ast::{self, QueryBody, Statement};
use quarry_catalog::{RelKind, Relation};
use quarry_common::Oid;
use quarry_plan::tree::{
    BodyTree, Computed, DistinctTree, FromTree, LeafKind, LeafTree, QueryTree, SelectTree,
};
use quarry_plan::{ColumnId, Expr};
use std::sync::Arc;

/// A view that its base's rows can be changed through.
pub(super) struct Updatable<'t> {
    pub select: &'t SelectTree,
    pub leaf: &'t LeafTree,
    pub base: &'t Arc<Relation>,
}

/// What an updatable view's column is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ViewColumn {
    /// The position among the columns of the FROM item.
    Base(usize),
    /// Not to be assigned to, with PostgreSQL's reason.
    ReadOnly(&'static str),
}

/// The view taken apart, or why it isn't updatable.
pub(super) fn updatable(tree: &QueryTree) -> Result<Updatable<'_>, &'static str> {
    let BodyTree::Select(s) = &tree.body else {
        return Err(match &tree.body {
            BodyTree::SetOp { .. } if tree.ctes.is_empty() => {
                "Views containing UNION, INTERSECT, or EXCEPT are not automatically updatable."
            }
            BodyTree::SetOp { .. } => "Views containing WITH are not automatically updatable.",
            _ => "Views that do not select from a single table or view are not automatically updatable.",
        });
    };
    let reasons: &[(bool, &'static str)] = &[
        (
            !matches!(s.distinct, DistinctTree::None),
            "Views containing DISTINCT are not automatically updatable.",
        ),
        (!s.group_by.is_empty(), "Views containing GROUP BY are not automatically updatable."),
        (s.having.is_some(), "Views containing HAVING are not automatically updatable."),
        (!tree.ctes.is_empty(), "Views containing WITH are not automatically updatable."),
        (
            tree.limit.is_some() || tree.offset.is_some(),
            "Views containing LIMIT or OFFSET are not automatically updatable.",
        ),
        (
            has(s, |c| matches!(c, Computed::Aggregate(_) | Computed::Grouping(_))),
            "Views that return aggregate functions are not automatically updatable.",
        ),
        (
            has(s, |c| matches!(c, Computed::Window(..))),
            "Views that return window functions are not automatically updatable.",
        ),
        (
            has(s, |c| matches!(c, Computed::Set(_))),
            "Views that return set-returning functions are not automatically updatable.",
        ),
    ];
    if let Some((_, why)) = reasons.iter().find(|(is_so, _)| *is_so) {
        return Err(why);
    }
    match &s.from[..] {
        [FromTree::Leaf(leaf)] => match &leaf.kind {
            LeafKind::Relation { relation, .. }
                if matches!(relation.kind, RelKind::Table | RelKind::View) =>
            {
                Ok(Updatable { select: s, leaf, base: relation })
            }
            _ => Err("Views that do not select from a single table or view are not automatically updatable."),
        },
        _ => Err("Views that do not select from a single table or view are not automatically updatable."),
    }
}

fn has(s: &SelectTree, test: impl Fn(&Computed) -> bool) -> bool {
    s.computed.iter().any(|(_, c)| test(c))
}

impl Updatable<'_> {
    /// The view's columns.
    pub fn columns(&self) -> Vec<ViewColumn> {
        let of = |id: ColumnId| {
            if let Some(i) = self.leaf.columns.iter().position(|(c, _)| *c == id) {
                return ViewColumn::Base(i);
            }
            ViewColumn::ReadOnly(match self.leaf.system.iter().find(|(c, _)| *c == id) {
                Some((_, name)) if name.is_empty() => {
                    "View columns that return whole-row references are not updatable."
                }
                Some(_) => "View columns that refer to system columns are not updatable.",
                None => "View columns that are not columns of their base relation are not updatable.",
            })
        };
        let targets = self.select.targets.iter().filter(|t| !t.junk);
        targets
            .map(|t| match &t.expr {
                Expr::Column { id, .. } => of(*id),
                _ => ViewColumn::ReadOnly(
                    "View columns that are not columns of their base relation are not updatable.",
                ),
            })
            .collect()
    }
}

impl ViewDefinition {
    /// Why nothing can be changed through the view, if so.
    pub fn not_updatable(&self) -> Option<&'static str> {
        match updatable(&self.tree) {
            Err(why) => Some(why),
            Ok(u) => (!u.columns().iter().any(|c| matches!(c, ViewColumn::Base(_))))
                .then_some("Views that have no updatable columns are not automatically updatable."),
        }
    }
    /// The relation that changes go to, and for each column of the view the attribute number of the base's column it is.
    pub fn base_columns(&self) -> Option<(Oid, Vec<Option<i16>>)> {
        let u = updatable(&self.tree).ok()?;
        let live: Vec<i16> = u.base.columns.iter().filter(|c| !c.dropped).map(|c| c.number).collect();
        let number = |c: ViewColumn| match c {
            ViewColumn::Base(i) => live.get(i).copied(),
            ViewColumn::ReadOnly(_) => None,
        };
        Some((u.base.oid, u.columns().into_iter().map(number).collect()))
    }
}

/// Whether a WITH clause of the query itself changes data.
pub fn changes_data_in_with(q: &ast::Query) -> bool {
    let own = q.with.iter().flat_map(|w| &w.ctes).any(|c| match &*c.statement {
        Statement::Select(q) => changes_data_in_with(q),
        _ => true,
    });
    own || match &q.body {
        QueryBody::SetOperation(op) => changes_data_in_with(&op.left) || changes_data_in_with(&op.right),
        _ => false,
    }
}
