//! The distinct values that rows have in some columns (a domain), with NULL as one of them, and how a row finds its own.

use super::copy_plan::copy;
use super::defer_errors::call_of;
use crate::exprs::{binary, columns, equality, operator_call};
use crate::unique::rows_differ;
use quarry_functions::{internal, registry};
use quarry_plan::{ColumnId, Expr, LogicalPlan, QueryMeta, walk};
use quarry_types::{Datum, SqlType, oids, type_info};

/// A column whose values count.
pub struct DomainColumn {
    /// The rows' column.
    pub id: ColumnId,
    pub ty: SqlType,
    /// Whether the domain has NULL, too, with a column that says so.
    pub flagged: bool,
    /// Whether equal values are told apart, as 1.0 and 1.00: the domain has images (`quarry_functions::internal`), one of NULL too.
    pub imaged: bool,
}

impl DomainColumn {
    /// One whose values are told apart where the plan does more than compare them (`compared`).
    pub fn new(id: ColumnId, ty: SqlType, compared: bool) -> DomainColumn {
        let comparable = same(Expr::column(id, ty), Expr::column(id, ty)).is_some();
        DomainColumn { id, ty, flagged: false, imaged: !comparable || !is_exact(ty) && !compared }
    }

    /// Has the domain have NULL, too, with a column that says so if it needs one. None if it can't.
    pub fn take_null(&mut self) -> Option<()> {
        if !self.imaged {
            stand_in(self.ty)?;
            self.flagged = true;
        }
        Some(())
    }
}

/// Columns, and what gives them.
pub struct Domain {
    pub source: LogicalPlan,
    pub columns: Vec<DomainColumn>,
}

/// A column of the domain as some plan gives it.
#[derive(Clone)]
pub struct Key {
    /// The column itself, or what its image stands for.
    pub value: Expr,
    /// Whether it is NULL.
    pub null: Option<Expr>,
    /// What stands for the value.
    pub image: Option<Expr>,
}

impl Key {
    /// One of values that are told apart by their images.
    fn of_image(image: Expr, ty: SqlType) -> Option<Key> {
        let value = call_of(internal::VALUE_OF_IMAGE, vec![image.clone()], ty)?;
        Some(Key { value, null: None, image: Some(image) })
    }

    /// As the rows themselves have it.
    pub fn of_outer(column: &DomainColumn) -> Option<Key> {
        let value = Expr::column(column.id, column.ty);
        if column.imaged {
            return Some(Key { image: Some(image_of(value.clone())?), null: None, value });
        }
        let null = || Expr::IsNull { arg: Box::new(value.clone()), negated: false };
        Some(Key { null: column.flagged.then(null), image: None, value })
    }

    /// The expressions that tell it from others, and from NULL.
    pub fn parts(&self) -> Vec<&Expr> {
        match &self.image {
            Some(image) => vec![image],
            None => self.null.iter().chain([&self.value]).collect(),
        }
    }

    /// What `f` makes of the parts of two.
    pub fn zipped(&self, other: &Key, f: &mut dyn FnMut(&Expr, &Expr) -> Option<Expr>) -> Option<Key> {
        if let (Some(a), Some(b)) = (&self.image, &other.image) {
            return Key::of_image(f(a, b)?, self.value.ty());
        }
        let null = match (&self.null, &other.null) {
            (Some(a), Some(b)) => Some(f(a, b)?),
            _ => None,
        };
        Some(Key { value: f(&self.value, &other.value)?, null, image: None })
    }

    /// The conditions by which two are the same.
    pub fn equals(&self, other: &Key) -> Option<Vec<Expr>> {
        self.pairs(other)?.into_iter().map(|(a, b)| same(a, b)).collect()
    }

    /// What must be equal for two to be the same; nothing of it is NULL where the values may be.
    pub fn pairs(&self, other: &Key) -> Option<Vec<(Expr, Expr)>> {
        if let (Some(a), Some(b)) = (&self.image, &other.image) {
            return Some(vec![(a.clone(), b.clone())]);
        }
        let Some(flags) = self.null.clone().zip(other.null.clone()) else {
            return Some(vec![(self.value.clone(), other.value.clone())]);
        };
        let or_else = |value: &Expr| {
            let ty = value.ty();
            Some(Expr::Coalesce { args: vec![value.clone(), stand_in(ty)?], ty })
        };
        Some(vec![(or_else(&self.value)?, or_else(&other.value)?), flags])
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
            let name = meta.get(column.id).name.clone();
            let mut give = |name: &str, e: Expr| {
                let (id, ty) = (meta.computed(name, e.ty()), e.ty());
                group.push((id, e));
                Expr::column(id, ty)
            };
            if column.imaged {
                keys.push(Key::of_image(give("image", image_of(value)?), column.ty)?);
                continue;
            }
            let is_null = Expr::IsNull { arg: Box::new(value.clone()), negated: false };
            let value = give(&name, value);
            let null = column.flagged.then(|| give("is_null", is_null));
            keys.push(Key { value, null, image: None });
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

/// What tells a value from all others.
fn image_of(value: Expr) -> Option<Expr> {
    call_of(internal::IMAGE_OF, vec![value], SqlType::of(oids::BYTEA))
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
