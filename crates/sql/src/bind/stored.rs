//! Expressions stored as text: defaults, CHECKs, index expressions and predicates, generated columns.

use super::scope::{ExprKind as Place, NsColumn, NsItem, Scope};
use super::{BindContext, Binder};
use crate::parse;
use quarry_catalog::Relation;
use quarry_common::Result;
use quarry_functions::CastContext;
use quarry_plan::{ColumnId, Expr, QueryMeta, ScanColumn};
use quarry_types::SqlType;

/// Binds a stored expression over the given columns of a table; coerced to `target` by assignment where given.
pub fn bind_stored_expression(
    sql: &str,
    relation: &Relation,
    row: &[(ColumnId, ScanColumn)],
    target: Option<SqlType>,
    meta: &mut QueryMeta,
    cx: &BindContext<'_>,
) -> Result<Expr> {
    let mut b = Binder::new(cx);
    b.meta = std::mem::take(meta);
    let bound = b.stored_expr(sql, relation, row, target, Place::Default);
    *meta = std::mem::take(&mut b.meta);
    bound
}

impl Binder<'_> {
    /// An item with a table's columns under the given ids.
    pub(super) fn row_item(
        &self,
        relation: &Relation,
        row: &[(ColumnId, ScanColumn)],
        alias: &str,
    ) -> NsItem {
        let mut item = NsItem::new(Some(alias.to_string()), vec![]);
        for (id, c) in row {
            match c {
                ScanColumn::Attribute(i) => {
                    let column = &relation.columns[*i];
                    let expr = Expr::column(*id, column.ty);
                    item.columns.push(NsColumn { name: column.name.clone(), expr, hidden: column.dropped });
                }
                other => {
                    let ty = self.meta.get(*id).ty;
                    item.system.push((*other, *id, ty));
                }
            }
        }
        item
    }

    pub(super) fn stored_expr(
        &mut self,
        sql: &str,
        relation: &Relation,
        row: &[(ColumnId, ScanColumn)],
        target: Option<SqlType>,
        place: Place,
    ) -> Result<Expr> {
        let parsed = parse::parse_expr(sql)?;
        let mut scope = Scope::new(place);
        scope.items.push(self.row_item(relation, row, &relation.name));
        let outer = std::mem::take(&mut self.scopes);
        self.scopes.push(scope);
        let result = self.expr(&parsed).and_then(|value| {
            let value = match target {
                Some(_) => value,
                None => self.settle_unknown(value)?,
            };
            match target {
                Some(ty) => {
                    let pos = value.pos;
                    self.coerce_to(value, ty, CastContext::Assignment, pos)
                }
                None => Ok(value.expr),
            }
        });
        self.scopes = outer;
        // Positions inside stored text mean nothing to the client.
        result.map_err(|mut e| {
            e.fields_mut().position = None;
            e
        })
    }
}
