//! Target lists: expansion of stars, output names (PostgreSQL: parse_target.c).

use super::scope::ExprKind as Place;
use super::{Binder, Typed};
use crate::ast::{self, ExprKind, Indirection, Pos, SubLinkKind};
use quarry_common::Result;
use quarry_plan::{ColumnId, Expr};
use quarry_types::oids;

/// An entry of a query's target list.
#[derive(Clone, Debug)]
pub(super) struct TargetEntry {
    pub name: String,
    pub expr: Expr,
    pub pos: Pos,
    /// Made for sorting or grouping only; not part of the result.
    pub junk: bool,
}

impl Binder<'_> {
    /// Binds a SELECT or RETURNING list. Unknown literals stay unknown: the query settles them when it is complete.
    pub(super) fn target_list(&mut self, targets: &[ast::Target], place: Place) -> Result<Vec<TargetEntry>> {
        let before = std::mem::replace(&mut self.scope().kind, place);
        let result = self.target_list_inner(targets);
        self.scope().kind = before;
        result
    }

    fn target_list_inner(&mut self, targets: &[ast::Target]) -> Result<Vec<TargetEntry>> {
        let mut out = vec![];
        for t in targets {
            let expanded = match &t.expr.kind {
                ExprKind::ColumnRef { star: true, .. } => Some(self.expand_star_expr(&t.expr)?),
                ExprKind::Indirection { arg, steps } if matches!(steps.last(), Some(Indirection::Star)) => {
                    let inner = &steps[..steps.len() - 1];
                    let value = if inner.is_empty() {
                        self.expr(arg)?
                    } else {
                        self.indirection(arg, inner, t.expr.pos)?
                    };
                    Some(self.expand_record(value.expr, t.expr.pos)?)
                }
                _ => None,
            };
            match expanded {
                Some(columns) => out.extend(columns.into_iter().map(|(name, expr)| TargetEntry {
                    name,
                    expr,
                    pos: t.expr.pos,
                    junk: false,
                })),
                None => {
                    let Typed { expr, pos } = self.expr(&t.expr)?;
                    let name = match &t.name {
                        Some(n) => n.clone(),
                        None => figure_name(&t.expr),
                    };
                    out.push(TargetEntry { name, expr, pos, junk: false });
                }
            }
        }
        Ok(out)
    }

    /// Settles unknown outputs as text.
    pub(super) fn settle_targets(&mut self, targets: &mut [TargetEntry]) -> Result<()> {
        for t in targets {
            if t.expr.ty().oid == oids::UNKNOWN {
                let expr = std::mem::replace(&mut t.expr, Expr::bool_const(false));
                t.expr = self.settle_unknown(Typed { expr, pos: t.pos })?.expr;
            }
        }
        Ok(())
    }

    /// The id under which an expression is put out: a plain column of this level keeps its own. An enclosing query's column gets
    /// a new one: under its own id it would look as if the plan made it, and its correlation would be lost.
    pub(super) fn output_id(&mut self, name: &str, expr: &Expr) -> ColumnId {
        match expr {
            Expr::Column { id, .. } if !self.is_outer_column(*id) => *id,
            other => self.meta.computed(name, other.ty()),
        }
    }

    /// Whether a column belongs to a query level around the current one.
    pub(super) fn is_outer_column(&self, wanted: ColumnId) -> bool {
        let outer = self.scopes.len().saturating_sub(1);
        self.scopes[..outer].iter().any(|scope| {
            let of_item = scope.items.iter().any(|item| {
                let made = |e: &Expr| matches!(e, Expr::Column { id, .. } if *id == wanted);
                item.columns.iter().any(|c| made(&c.expr))
                    || item.system.iter().any(|(_, id, _)| *id == wanted)
            });
            of_item
                || scope.aggregates.iter().any(|(id, _)| *id == wanted)
                || scope.groupings.iter().any(|(id, _, _)| *id == wanted)
                || scope.windows.iter().any(|(id, _, _)| *id == wanted)
                || scope.set_calls.iter().any(|(id, _)| *id == wanted)
        })
    }
}

/// The name PostgreSQL gives an unnamed output column (FigureColname).
pub(super) fn figure_name(e: &ast::Expr) -> String {
    figure(e).map_or("?column?".to_string(), |(n, _)| n)
}

/// Name and strength: 2 a good name, 1 a second choice.
fn figure(e: &ast::Expr) -> Option<(String, u8)> {
    let strong = |s: &str| Some((s.to_string(), 2));
    match &e.kind {
        ExprKind::ColumnRef { names, star: false } => names.last().map(|n| (n.clone(), 2)),
        ExprKind::Indirection { arg, steps } => {
            let field = steps.iter().rev().find_map(|s| match s {
                Indirection::Field(n) => Some((n.clone(), 2)),
                _ => None,
            });
            field.or_else(|| figure(arg))
        }
        ExprKind::FuncCall(f) => f.name.last().map(|n| (n.clone(), 2)),
        ExprKind::NullIf { .. } => strong("nullif"),
        ExprKind::TypeCast { arg, type_name } => {
            let inner = figure(arg);
            match inner {
                Some((_, 2)) => inner,
                other => type_name.names.last().map(|n| (n.clone(), 1)).or(other),
            }
        }
        ExprKind::Collate { arg, .. } => figure(arg),
        ExprKind::Grouping(_) => strong("grouping"),
        ExprKind::SubLink(s) => match s.kind {
            SubLinkKind::Exists => strong("exists"),
            SubLinkKind::Array => strong("array"),
            SubLinkKind::Expr => subquery_name(&s.query),
            SubLinkKind::Any | SubLinkKind::All => None,
        },
        ExprKind::Case(c) => {
            let inner = c.default.as_ref().and_then(figure);
            match inner {
                Some((_, 2)) => inner,
                _ => Some(("case".into(), 1)),
            }
        }
        ExprKind::Array(_) => strong("array"),
        ExprKind::Row { .. } => strong("row"),
        ExprKind::Coalesce(_) => strong("coalesce"),
        ExprKind::MinMax { greatest: true, .. } => strong("greatest"),
        ExprKind::MinMax { greatest: false, .. } => strong("least"),
        ExprKind::SqlValue(v) => {
            use ast::SqlValueFunction as V;
            strong(match v {
                V::CurrentDate => "current_date",
                V::CurrentTime(_) => "current_time",
                V::CurrentTimestamp(_) => "current_timestamp",
                V::LocalTime(_) => "localtime",
                V::LocalTimestamp(_) => "localtimestamp",
                V::CurrentRole => "current_role",
                V::CurrentUser => "current_user",
                V::SessionUser => "session_user",
                V::User => "user",
                V::CurrentCatalog => "current_catalog",
                V::CurrentSchema => "current_schema",
            })
        }
        _ => None,
    }
}

/// A scalar subquery is named after its own only column.
fn subquery_name(q: &ast::Query) -> Option<(String, u8)> {
    match &q.body {
        ast::QueryBody::Select(s) => {
            let t = s.targets.first()?;
            match &t.name {
                Some(n) => Some((n.clone(), 2)),
                None => figure(&t.expr),
            }
        }
        ast::QueryBody::SetOperation(s) => subquery_name(&s.left),
        ast::QueryBody::Values(_) => Some(("column1".into(), 2)),
    }
}
