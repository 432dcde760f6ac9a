//! A table as the target of writes: its checks, generated columns and index expressions, bound once.

use super::scope::ExprKind as Place;
use super::{BindContext, Binder};
use quarry_catalog::{ConstraintKind, Relation};
use quarry_common::Result;
use quarry_plan::{BoundIndex, ColumnId, ColumnMeta, Expr, QueryMeta, ScanColumn, TableWrite};
use quarry_types::SqlType;
use std::sync::Arc;

/// Ids for the live columns of a table.
pub fn table_columns(relation: &Relation, meta: &mut QueryMeta) -> Vec<(ColumnId, ScanColumn)> {
    let live = relation.columns.iter().enumerate().filter(|(_, c)| !c.dropped);
    live.map(|(i, c)| {
        let id = meta.add(ColumnMeta {
            name: c.name.clone(),
            ty: c.ty,
            relation: Some(relation.name.clone()),
            source: Some((relation.oid, c.number)),
            not_null: c.not_null,
        });
        (id, ScanColumn::Attribute(i))
    })
    .collect()
}

/// Everything that writing the table's rows needs, bound over ids of its own.
pub fn bind_table_write(
    relation: &Arc<Relation>,
    meta: &mut QueryMeta,
    cx: &BindContext<'_>,
) -> Result<TableWrite> {
    let mut b = Binder::new(cx);
    b.meta = std::mem::take(meta);
    let bound = b.table_write(relation);
    *meta = std::mem::take(&mut b.meta);
    bound
}

/// One CHECK condition over a table's columns, for adding or validating it.
pub fn bind_check(
    sql: &str,
    relation: &Relation,
    row: &[(ColumnId, ScanColumn)],
    meta: &mut QueryMeta,
    cx: &BindContext<'_>,
) -> Result<Expr> {
    super::bind_stored_expression(sql, relation, row, Some(SqlType::BOOL), meta, cx)
}

impl Binder<'_> {
    pub(super) fn table_write(&mut self, relation: &Arc<Relation>) -> Result<TableWrite> {
        let row = table_columns(relation, &mut self.meta);
        let mut generated = vec![];
        for (i, c) in relation.columns.iter().enumerate() {
            if let (true, false, Some(sql)) = (c.generated, c.dropped, &c.default_sql) {
                generated.push((i, self.stored_expr(sql, relation, &row, Some(c.ty), Place::Generated)?));
            }
        }
        let mut checks = vec![];
        for c in &relation.constraints {
            if let ConstraintKind::Check { expr_sql } = &c.kind {
                checks.push((
                    c.name.clone(),
                    self.stored_expr(expr_sql, relation, &row, Some(SqlType::BOOL), Place::Check)?,
                ));
            }
        }
        // PostgreSQL tests CHECKs in the order of their names.
        checks.sort_by(|a, b| a.0.cmp(&b.0));
        let indexes =
            relation.indexes.iter().map(|i| self.bound_index(relation, i, &row)).collect::<Result<_>>()?;
        Ok(TableWrite { relation: relation.clone(), row, generated, checks, view_checks: vec![], indexes })
    }

    pub(super) fn bound_index(
        &mut self,
        relation: &Arc<Relation>,
        index: &Arc<quarry_catalog::IndexDef>,
        row: &[(ColumnId, ScanColumn)],
    ) -> Result<BoundIndex> {
        let mut keys = vec![];
        for k in &index.keys {
            keys.push(match (&k.column, &k.expr_sql) {
                (Some(column), _) => row
                    .iter()
                    .find(|(_, c)| *c == ScanColumn::Attribute(*column))
                    .map(|(id, _)| Expr::column(*id, relation.columns[*column].ty))
                    .ok_or_else(|| quarry_common::Error::internal("index on a dropped column"))?,
                (None, Some(sql)) => self.stored_expr(sql, relation, row, None, Place::IndexExpression)?,
                (None, None) => {
                    return Err(quarry_common::Error::internal("index key without column or expression"));
                }
            });
        }
        let predicate = match &index.predicate_sql {
            Some(sql) => {
                Some(self.stored_expr(sql, relation, row, Some(SqlType::BOOL), Place::IndexPredicate)?)
            }
            None => None,
        };
        Ok(BoundIndex { index: index.clone(), keys, predicate })
    }
}
