//! The distinct values that rows have in some columns (a domain), with NULL as one of them, and how a row finds its own.

use super::copy_plan::copy;
use crate::exprs::{binary, columns, equality, operator_call};
use crate::unique::rows_differ;
use quarry_functions::registry;
use quarry_plan::{CastKind, ColumnId, Expr, LogicalPlan, QueryMeta, walk};
use quarry_types::{Datum, SqlType, oids, type_info};

/// A column whose values count.
pub struct DomainColumn {
    /// The rows' column.
    pub id: ColumnId,
    pub ty: SqlType,
    /// Whether the domain has NULL, too, with a column that says so.
    pub flagged: bool,
    /// Whether equal values are told apart by their text: 1.0 and 1.00.
    pub written: bool,
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
    /// Its text.
    pub text: Option<Expr>,
}

impl Key {
    /// As the rows themselves have it.
    pub fn of_outer(column: &DomainColumn) -> Key {
        let value = Expr::column(column.id, column.ty);
        let null = || Expr::IsNull { arg: Box::new(value.clone()), negated: false };
        Key { null: column.flagged.then(null), text: column.written.then(|| text_of(value.clone())), value }
    }

    /// What `f` makes of the parts of two.
    pub fn zipped(&self, other: &Key, f: &mut dyn FnMut(&Expr, &Expr) -> Option<Expr>) -> Option<Key> {
        let mut both = |a: &Option<Expr>, b: &Option<Expr>| match (a, b) {
            (Some(a), Some(b)) => f(a, b).map(Some),
            _ => Some(None),
        };
        let (null, text) = (both(&self.null, &other.null)?, both(&self.text, &other.text)?);
        Some(Key { value: f(&self.value, &other.value)?, null, text })
    }

    /// The conditions by which two are the same.
    pub fn equals(&self, other: &Key) -> Option<Vec<Expr>> {
        let flags = self.null.clone().zip(other.null.clone());
        let or_else = |value: &Expr| {
            let ty = value.ty();
            match &flags {
                Some(_) => Some(Expr::Coalesce { args: vec![value.clone(), stand_in(ty)?], ty }),
                None => Some(value.clone()),
            }
        };
        let mut all = vec![same(or_else(&self.value)?, or_else(&other.value)?)?];
        if let (Some(a), Some(b)) = (&self.text, &other.text) {
            all.push(equality(or_else(a)?, or_else(b)?)?);
        }
        if let Some((a, b)) = flags {
            all.push(equality(a, b)?);
        }
        Some(all)
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
            let mut beside = |name: &str, e: Expr| {
                let (id, ty) = (meta.computed(name, e.ty()), e.ty());
                group.push((id, e));
                Expr::column(id, ty)
            };
            let text = column.written.then(|| beside("text", text_of(value.clone())));
            let null = column
                .flagged
                .then(|| beside("is_null", Expr::IsNull { arg: Box::new(value), negated: false }));
            keys.push(Key { value: Expr::column(own, column.ty), null, text });
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

/// A value's text.
fn text_of(value: Expr) -> Expr {
    Expr::Cast { arg: Box::new(value), ty: SqlType::TEXT, kind: CastKind::Io, implicit: false }
}

/// Whether equal values of a type that isn't exact are the same if their texts are.
pub fn is_told_by_text(ty: SqlType) -> bool {
    ty.oid == oids::NUMERIC
}

/// `left = right`, of arrays too.
pub fn same(left: Expr, right: Expr) -> Option<Expr> {
    let of_arrays = || {
        let both = is_array(left.ty()) && left.ty().oid == right.ty().oid;
        let any = registry::operators_named("=").iter().find(|o| o.left == oids::ANYARRAY && both)?;
        operator_call(any, left.clone(), right.clone())
    };
    equality(left.clone(), right.clone()).or_else(of_arrays)
}

/// Whether values are arrays.
pub fn is_array(ty: SqlType) -> bool {
    type_info(ty.oid).is_some_and(|info| info.is_array() && info.category == 'A')
}

/// Types whose equal values are the same in every respect.
pub fn is_exact(ty: SqlType) -> bool {
    let element = type_info(ty.oid).filter(|_| is_array(ty)).map(|info| info.element);
    matches!(
        element.unwrap_or(ty.oid),
        oids::BOOL
            | oids::INT2
            | oids::INT4
            | oids::INT8
            | oids::OID
            | oids::TEXT
            | oids::VARCHAR
            | oids::BYTEA
            | oids::DATE
            | oids::TIME
            | oids::TIMESTAMP
            | oids::TIMESTAMPTZ
            | oids::UUID
    )
}

/// A value that stands for NULL beside a flag.
pub fn stand_in(ty: SqlType) -> Option<Expr> {
    if is_array(ty) {
        return Some(Expr::Array { elements: vec![], nested: false, ty });
    }
    let value = match ty.oid {
        oids::BOOL => Datum::Bool(false),
        oids::INT2 => Datum::I16(0),
        oids::INT4 | oids::DATE => Datum::I32(0),
        oids::INT8 | oids::TIME | oids::TIMESTAMP | oids::TIMESTAMPTZ => Datum::I64(0),
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

/// Whether a plan does nothing with a column but compare it: 1.0 and 1.00 are the same then.
pub fn is_only_compared(plan: &LogicalPlan, id: ColumnId) -> bool {
    walk::exprs(plan).into_iter().all(|e| only_compares(e, id))
        && walk::inputs(plan).into_iter().all(|input| is_only_compared(input, id))
}

/// The same of an expression.
pub fn only_compares(e: &Expr, id: ColumnId) -> bool {
    if let Some((op, left, right)) = binary(e)
        && matches!(op.name, "=" | "<>" | "<" | "<=" | ">" | ">=")
    {
        return [left, right].into_iter().all(|s| matches!(s, Expr::Column { .. }) || only_compares(s, id));
    }
    match e {
        Expr::Column { id: own, .. } => *own != id,
        Expr::Subquery(_) => !columns(e).contains(&id),
        e => {
            let mut all = true;
            walk::for_each_child(e, &mut |child| all &= only_compares(child, id));
            all
        }
    }
}
