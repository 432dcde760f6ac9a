//! The distinct values that rows have in some columns (a domain), with NULL as one of them, and how a row finds its own.

use super::copy_plan::copy;
use crate::exprs::equality;
use crate::unique::rows_differ;
use quarry_plan::{ColumnId, Expr, LogicalPlan, QueryMeta};
use quarry_types::{Datum, SqlType, oids};

/// A column whose values count.
pub struct DomainColumn {
    /// The rows' column.
    pub id: ColumnId,
    pub ty: SqlType,
    /// Whether the domain has NULL, too, with a column that says so.
    pub flagged: bool,
}

/// Columns, and what gives them.
pub struct Domain {
    pub source: LogicalPlan,
    pub columns: Vec<DomainColumn>,
}

/// A column of the domain as some plan gives it.
#[derive(Clone)]
pub struct Key {
    pub value: Expr,
    /// Whether it is NULL.
    pub null: Option<Expr>,
}

impl Key {
    /// As the rows themselves have it.
    pub fn of_outer(column: &DomainColumn) -> Key {
        let value = Expr::column(column.id, column.ty);
        let null = || Expr::IsNull { arg: Box::new(value.clone()), negated: false };
        Key { null: column.flagged.then(null), value }
    }

    /// The conditions by which two are the same.
    pub fn equals(&self, other: &Key) -> Option<Vec<Expr>> {
        let (Some(a), Some(b)) = (&self.null, &other.null) else {
            return Some(vec![equality(self.value.clone(), other.value.clone())?]);
        };
        let ty = self.value.ty();
        let or_else = |value: &Expr| {
            let args = vec![value.clone(), stand_in(ty)?];
            Some(Expr::Coalesce { args, ty })
        };
        let values = equality(or_else(&self.value)?, or_else(&other.value)?)?;
        Some(vec![values, equality(a.clone(), b.clone())?])
    }
}

impl Domain {
    /// The distinct values, under ids of their own.
    pub fn plan(&self, meta: &mut QueryMeta) -> Option<(LogicalPlan, Vec<Key>)> {
        let (source, ids) = copy(&self.source, meta)?;
        let mut keys = vec![];
        let mut group = vec![];
        for column in &self.columns {
            let value = Expr::column(*ids.get(&column.id)?, column.ty);
            let own = meta.computed(meta.get(column.id).name.clone(), column.ty);
            group.push((own, value.clone()));
            let null = column.flagged.then(|| {
                let flag = meta.computed("is_null", SqlType::BOOL);
                group.push((flag, Expr::IsNull { arg: Box::new(value), negated: false }));
                Expr::column(flag, SqlType::BOOL)
            });
            keys.push(Key { value: Expr::column(own, column.ty), null });
        }
        let by: Vec<ColumnId> = self.columns.iter().filter_map(|c| ids.get(&c.id).copied()).collect();
        let input = Box::new(source);
        let plan = if rows_differ(&input, &by) {
            LogicalPlan::Project { input, targets: group }
        } else {
            LogicalPlan::Aggregate { input, group, sets: None, aggregates: vec![], grouping: vec![] }
        };
        Some((plan, keys))
    }
}

/// A column's id with the column.
pub fn as_column(e: &Expr) -> Option<(ColumnId, Expr)> {
    if let Expr::Column { id, .. } = e { Some((*id, e.clone())) } else { None }
}

/// Types whose equal values are the same in every respect.
pub fn is_exact(ty: SqlType) -> bool {
    matches!(
        ty.oid,
        oids::BOOL
            | oids::INT2
            | oids::INT4
            | oids::INT8
            | oids::OID
            | oids::TEXT
            | oids::VARCHAR
            | oids::DATE
            | oids::TIMESTAMP
            | oids::TIMESTAMPTZ
            | oids::UUID
    )
}

/// A value that stands for NULL beside a flag.
pub fn stand_in(ty: SqlType) -> Option<Expr> {
    let value = match ty.oid {
        oids::BOOL => Datum::Bool(false),
        oids::INT2 => Datum::I16(0),
        oids::INT4 | oids::DATE => Datum::I32(0),
        oids::INT8 | oids::TIMESTAMP | oids::TIMESTAMPTZ => Datum::I64(0),
        oids::OID => Datum::U32(0),
        oids::TEXT | oids::VARCHAR => Datum::text(""),
        oids::FLOAT8 => Datum::F64(0.0),
        oids::NUMERIC => {
            let zero = Expr::Const { value: Datum::I32(0), ty: SqlType::INT4 };
            return super::aggregate_early::cast(zero, SqlType::NUMERIC);
        }
        _ => return None,
    };
    Some(Expr::Const { value, ty })
}
