//! Expressions stored as text: defaults, CHECKs, index expressions and predicates, generated columns.

use super::scope::{ExprKind as Place, NsColumn, NsItem, SYSTEM_COLUMNS, Scope};
use super::{BindContext, Binder};
use crate::{ast, parse};
use quarry_catalog::{CatalogReader, Relation};
use quarry_common::{Oid, Result, err};
use quarry_functions::CastContext;
use quarry_plan::{ColumnId, Expr, QueryMeta, ScanColumn};
use quarry_types::{Datum, SqlType};

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

/// As [`bind_stored_expression`], for the optimizer: the signature of its `BindStored`.
pub fn bind_for_planning(
    catalog: &CatalogReader,
    sql: &str,
    relation: &Relation,
    row: &[(ColumnId, ScanColumn)],
    target: Option<SqlType>,
    meta: &mut QueryMeta,
) -> Result<Expr> {
    let io = quarry_types::IoContext { names: catalog, ..Default::default() };
    let cx = BindContext { reader: catalog, io: &io, param_types: &[], params_allowed: false };
    bind_stored_expression(sql, relation, row, target, meta, &cx)
}

/// The next value of an identity column.
pub fn bind_identity_value(
    relation: &Relation,
    column: &quarry_catalog::ColumnDef,
    meta: &mut QueryMeta,
    cx: &BindContext<'_>,
) -> Result<Expr> {
    let mut b = Binder::new(cx);
    b.meta = std::mem::take(meta);
    let bound = b.identity_value(relation, column);
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
        let mut item = self.row_item(relation, row, &relation.name);
        let table = sql.contains("tableoid").then(|| self.meta.computed("tableoid", SqlType::OID));
        item.system.extend(table.map(|id| (ScanColumn::TableOid, id, SqlType::OID)));
        scope.items.push(item);
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
        let result = result.map(|mut expr| {
            if let Some(table) = table {
                put_table(&mut expr, table, relation.oid);
            }
            expr
        });
        // Positions inside stored text mean nothing to the client.
        result.map_err(|mut e| {
            e.fields_mut().position = None;
            e
        })
    }
}

/// Puts a table's OID in the place of a column.
fn put_table(expr: &mut Expr, column: ColumnId, table: Oid) {
    quarry_plan::walk::rewrite(expr, &mut |e| {
        if matches!(e, Expr::Column { id, .. } if *id == column) {
            *e = Expr::Const { value: Datum::U32(table.0), ty: SqlType::OID };
        }
    });
}

/// A value of a domain's base type put through the domain's checks, its parents' included.
pub fn bind_domain_test(domain: Oid, value: Datum, cx: &BindContext<'_>) -> Result<Expr> {
    let mut b = Binder::new(cx);
    let ty = SqlType::of(domain);
    let base = b.base_type(ty)?;
    b.coerce_to_domain(Expr::Const { value, ty: base }, ty, true)
}

/// Where an expression that a command is about to store stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoredPlace {
    Default,
    Check,
    /// VALUE is of this type.
    DomainCheck(SqlType),
    Generated,
    IndexKey,
    IndexPredicate,
    Statistics,
}

/// Binds an expression as written in a command, over the given columns of a table. `target`: a column's type and name.
pub fn bind_new_expression(
    expr: &ast::Expr,
    relation: Option<(&Relation, &[(ColumnId, ScanColumn)])>,
    target: Option<(SqlType, &str)>,
    place: StoredPlace,
    meta: &mut QueryMeta,
    cx: &BindContext<'_>,
) -> Result<Expr> {
    let mut b = Binder::new(cx);
    b.meta = std::mem::take(meta);
    let mut scope = Scope::new(match place {
        StoredPlace::Default => Place::Default,
        StoredPlace::Check => Place::Check,
        StoredPlace::DomainCheck(_) => Place::DomainCheck,
        StoredPlace::Generated => Place::Generated,
        StoredPlace::IndexKey => Place::IndexExpression,
        StoredPlace::IndexPredicate => Place::IndexPredicate,
        StoredPlace::Statistics => Place::Statistics,
    });
    b.keep_collations =
        !matches!(place, StoredPlace::IndexKey | StoredPlace::IndexPredicate | StoredPlace::Statistics);
    if let StoredPlace::DomainCheck(base) = place {
        scope.domain_value = Some(base);
    }
    if let Some((relation, row)) = relation {
        let mut item = b.row_item(relation, row, &relation.name);
        for (name, column, ty) in SYSTEM_COLUMNS {
            item.system.push((*column, b.meta.computed(*name, *ty), *ty));
        }
        scope.items.push(item);
    }
    b.scopes.push(scope);
    let bound = b.expr(expr).and_then(|value| match place {
        StoredPlace::Check | StoredPlace::DomainCheck(_) => b.coerce_to_boolean(value, "CHECK"),
        StoredPlace::IndexPredicate => b.coerce_to_boolean(value, "WHERE"),
        _ => match target {
            None => Ok(b.settle_unknown(value)?.expr),
            Some((ty, column)) => {
                let (source, pos) = (value.expr.ty().oid, value.pos);
                if !b.can_coerce(source, ty.oid, CastContext::Assignment)? {
                    let e = err!(
                        DATATYPE_MISMATCH,
                        "column \"{column}\" is of type {} but default expression is of type {}",
                        b.type_name(ty.oid),
                        b.type_name(source)
                    );
                    return Err(e.hint("You will need to rewrite or cast the expression."));
                }
                b.coerce_to(value, ty, CastContext::Assignment, pos)
            }
        },
    });
    *meta = std::mem::take(&mut b.meta);
    bound
}
