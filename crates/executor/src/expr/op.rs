//! Operations on evaluated arguments: casts without a function, constructors, subscripts, GREATEST, session values.

use super::{Call, Input, Node, subscript};
use crate::context::Cx;
use quarry_common::{Error, Oid, Result, bail, err};
use quarry_plan::SqlValue;
use quarry_types::array::{ArrayBuilder, ArrayRef, Dimension};
use quarry_types::datetime::{clock, typmod};
use quarry_types::record::{self, RecordRef};
use quarry_types::{Datum, PhysicalType, Rows, SqlType, TypeRef, Vector, VectorData};
use std::cmp::Ordering;
use std::sync::Arc;

/// How the arguments of a subscript node lie: container, then indexes, then the assigned value.
pub(crate) enum IndexShape {
    At,
    /// Which of the bounds are given.
    Slice(bool, bool),
}

/// What the container of a subscript node is.
pub(crate) enum Subscripted {
    Array,
    Jsonb,
    Name,
}

pub(crate) enum Op {
    /// Through text.
    Io {
        from: TypeRef,
        to: TypeRef,
        typmod: i32,
    },
    ArrayElements {
        element: Box<Node>,
        oid: Oid,
        physical: PhysicalType,
    },
    Domain {
        name: String,
        not_null: bool,
        checks: Vec<(String, Node)>,
    },
    /// A record as another composite type, whose columns are these.
    RowCast {
        to: Oid,
        columns: Vec<(SqlType, TypeRef)>,
    },
    Array {
        nested: bool,
        element: Oid,
        physical: PhysicalType,
    },
    Row {
        ty: SqlType,
        fields: Vec<SqlType>,
    },
    Field(usize),
    Subscript {
        indexes: Vec<IndexShape>,
        assign: bool,
        element: Oid,
        element_physical: PhysicalType,
        container: Subscripted,
    },
    MinMax {
        greatest: bool,
        ty: TypeRef,
    },
    SqlValue {
        kind: SqlValue,
        typmod: i32,
    },
}

impl Op {
    /// Whether equal arguments may give different results.
    pub(crate) fn is_volatile(&self) -> bool {
        match self {
            Op::ArrayElements { .. } | Op::Domain { .. } => true,
            Op::Io { .. }
            | Op::RowCast { .. }
            | Op::Array { .. }
            | Op::Row { .. }
            | Op::Field(_)
            | Op::Subscript { .. }
            | Op::MinMax { .. }
            | Op::SqlValue { .. } => false,
        }
    }

    /// Whether it reads a place of its first argument, which the others say: NULL where that is.
    pub(crate) fn reads_place(&self) -> bool {
        matches!(self, Op::Subscript { assign: false, .. })
    }

    pub(crate) fn apply(&self, cx: &mut Cx<'_>, args: &[Datum]) -> Result<Datum> {
        match self {
            Op::Io { from, to, typmod } => match &args[0] {
                Datum::Null => Ok(Datum::Null),
                v => to.input(&from.output_string(v, cx.io)?, *typmod, cx.io),
            },
            Op::ArrayElements { element, oid, physical } => match &args[0] {
                Datum::Null => Ok(Datum::Null),
                v => {
                    let array = ArrayRef::of(v);
                    let mut out = ArrayBuilder::new(*oid, *physical);
                    for value in array.iter() {
                        match element.row(cx, &[], Some(&value))? {
                            Datum::Null => out.push_null(),
                            v => out.push(&v),
                        }
                    }
                    out.finish(&array.dims())
                }
            },
            Op::Domain { name, not_null, checks } => {
                let v = &args[0];
                if v.is_null() && *not_null {
                    bail!(NOT_NULL_VIOLATION, "domain {name} does not allow null values");
                }
                for (check, condition) in checks {
                    if condition.row(cx, &[], Some(v))? == Datum::Bool(false) {
                        return Err(err!(
                            CHECK_VIOLATION,
                            "value for domain {name} violates check constraint \"{check}\""
                        )
                        .constraint(check.clone()));
                    }
                }
                Ok(v.clone())
            }
            Op::RowCast { to, columns } => row_cast(*to, columns, &args[0], cx),
            Op::Array { nested, element, physical } => make_array(*nested, *element, *physical, args),
            Op::Row { ty, fields } => Ok(record::of_type(*ty, fields.iter().map(|f| f.oid).zip(args))),
            Op::Field(i) => Ok(match &args[0] {
                Datum::Null => Datum::Null,
                v => {
                    let r = RecordRef::of(v);
                    if *i < r.len() { r.datum(*i) } else { Datum::Null }
                }
            }),
            Op::Subscript { indexes, assign, element, element_physical, container } => match container {
                Subscripted::Jsonb => subscript::jsonb(indexes, *assign, args),
                Subscripted::Name => subscript::name(indexes, *assign, args),
                Subscripted::Array if *assign => {
                    subscript::assign(indexes, *element, *element_physical, args)
                }
                Subscripted::Array => subscript::read(indexes, *element, *element_physical, args),
            },
            Op::MinMax { greatest, ty } => {
                let mut best: Option<&Datum> = None;
                for v in args.iter().filter(|v| !v.is_null()) {
                    let better = match best {
                        None => true,
                        Some(b) => {
                            let order = quarry_types::compare::compare_datums(v, b, ty);
                            if *greatest { order == Ordering::Greater } else { order == Ordering::Less }
                        }
                    };
                    if better {
                        best = Some(v);
                    }
                }
                Ok(best.cloned().unwrap_or_default())
            }
            Op::SqlValue { kind, typmod } => sql_value(*kind, *typmod, cx),
        }
    }
}

fn row_cast(to: Oid, columns: &[(SqlType, TypeRef)], value: &Datum, cx: &mut Cx<'_>) -> Result<Datum> {
    if value.is_null() {
        return Ok(Datum::Null);
    }
    let r = RecordRef::of(value);
    let mut fields = Vec::with_capacity(columns.len());
    for (i, (ty, info)) in columns.iter().enumerate() {
        let v = if i < r.len() { r.datum(i) } else { Datum::Null };
        let same = v.is_null() || r.field_oid(i) == ty.oid;
        fields.push(if same {
            v
        } else {
            let from = cx.io.type_ref(r.field_oid(i))?;
            info.input(&from.output_string(&v, cx.io)?, ty.typmod, cx.io)?
        });
    }
    Ok(record::from_fields(to, columns.iter().map(|(t, _)| t.oid).zip(&fields)))
}

fn make_array(nested: bool, element: Oid, physical: PhysicalType, args: &[Datum]) -> Result<Datum> {
    let mut out = ArrayBuilder::new(element, physical);
    if !nested {
        for v in args {
            match v {
                Datum::Null => out.push_null(),
                v => out.push(v),
            }
        }
        return out.finish_1d();
    }
    let mut inner: Option<Vec<Dimension>> = None;
    let (mut empty, mut rows) = (0, 0);
    for v in args {
        if v.is_null() || ArrayRef::of(v).ndim() == 0 {
            empty += 1;
            continue;
        }
        let a = ArrayRef::of(v);
        let dims = a.dims();
        match &inner {
            None => inner = Some(dims),
            Some(first) if *first == dims => {}
            Some(_) => bail!(
                ARRAY_SUBSCRIPT_ERROR,
                "multidimensional arrays must have array expressions with matching dimensions"
            ),
        }
        rows += 1;
        (0..a.len()).for_each(|i| out.push_from(&a, i));
    }
    match inner {
        None => Ok(quarry_types::array::empty(element, physical)),
        Some(_) if empty > 0 => bail!(
            ARRAY_SUBSCRIPT_ERROR,
            "multidimensional arrays must have array expressions with matching dimensions"
        ),
        Some(dims) => {
            let mut all = vec![Dimension { len: rows, lower: 1 }];
            all.extend(dims);
            out.finish(&all)
        }
    }
}

fn sql_value(kind: SqlValue, precision: i32, cx: &Cx<'_>) -> Result<Datum> {
    let env = &cx.env.session;
    let now = env.transaction_timestamp();
    let zone = &cx.io.time_zone;
    Ok(match kind {
        SqlValue::CurrentDate => Datum::I32(clock::current_date(now, zone)),
        SqlValue::CurrentTime => {
            let mut t = clock::current_time(now, zone);
            t.micros = typmod::adjust_time(t.micros, precision);
            Datum::B16(t.to_bytes())
        }
        SqlValue::CurrentTimestamp => Datum::I64(typmod::adjust_timestamp(now, precision)?),
        SqlValue::LocalTime => Datum::I64(typmod::adjust_time(clock::local_time(now, zone), precision)),
        SqlValue::LocalTimestamp => {
            Datum::I64(typmod::adjust_timestamp(clock::local_timestamp(now, zone), precision)?)
        }
        SqlValue::CurrentUser | SqlValue::CurrentRole | SqlValue::User => Datum::text(&env.current_user().1),
        SqlValue::SessionUser => Datum::text(&env.session_user().1),
        SqlValue::CurrentCatalog => Datum::text(&env.current_database().1),
        SqlValue::CurrentSchema => match env.current_schemas(false).first() {
            Some(s) => Datum::text(s),
            None => Datum::Null,
        },
    })
}

/// The elements of a constant array, for `= ANY` by hash.
pub(crate) struct ConstSet {
    pub ty: TypeRef,
    pub values: Vector,
    pub table: hashbrown::HashTable<u32>,
    pub has_null: bool,
}

impl ConstSet {
    pub(crate) fn new(array: &Datum, ty: TypeRef) -> ConstSet {
        let a = ArrayRef::of(array);
        let mut values = Vector::with_capacity(ty.physical, a.len());
        let mut has_null = false;
        for v in a.iter() {
            match v {
                Datum::Null => has_null = true,
                v => values.push_datum(&v),
            }
        }
        let n = values.len();
        let mut hashes = vec![0; n];
        quarry_types::hash::hash_vector(&values, &ty, Rows::All(n), &mut hashes);
        let mut table = hashbrown::HashTable::with_capacity(n);
        for (i, h) in hashes.iter().enumerate() {
            table.insert_unique(*h, i as u32, |j| hashes[*j as usize]);
        }
        ConstSet { ty, values, table, has_null }
    }
    fn batch(&self, left: &Vector, rows: Rows<'_>) -> Arc<Vector> {
        let n = rows.len();
        let mut hashes = vec![0; n];
        quarry_types::hash::hash_vector(left, &self.ty, rows, &mut hashes);
        let mut out = Vector::zeroed(PhysicalType::Bool, n);
        for i in rows.iter() {
            if left.is_null(i) {
                out.set_null(i);
                continue;
            }
            let equal =
                |j: &u32| quarry_types::compare::equal_at(left, i, &self.values, *j as usize, &self.ty);
            if self.table.find(hashes[i], equal).is_some() {
                if let (VectorData::Bool(d), _) = out.parts_mut() {
                    d[i] = true;
                }
            } else if self.has_null {
                out.set_null(i);
            }
        }
        Arc::new(out)
    }
}

pub(crate) fn scalar_array_row(
    call: &Call,
    left: &Datum,
    array: &Datum,
    all: bool,
    cx: &Cx<'_>,
) -> Result<Datum> {
    if array.is_null() {
        return Ok(Datum::Null);
    }
    let mut result = Some(all);
    let mut args = [left.clone(), Datum::Null];
    for v in ArrayRef::of(array).iter() {
        args[1] = v;
        match call.apply(cx, &args)? {
            Datum::Bool(b) if b != all => return Ok(Datum::Bool(!all)),
            Datum::Bool(_) => {}
            _ => result = None,
        }
    }
    Ok(result.map_or(Datum::Null, Datum::Bool))
}

pub(crate) fn scalar_array_batch(
    call: &Call,
    left: &Node,
    array: &Node,
    all: bool,
    set: Option<&ConstSet>,
    cx: &mut Cx<'_>,
    i: Input<'_>,
) -> Result<Arc<Vector>> {
    let n = i.rows.len();
    let l = left.eval(cx, i)?;
    if let Some(set) = set {
        return Ok(set.batch(&l, i.rows));
    }
    let a = array.eval(cx, i)?;
    if a.is_constant() && !i.rows.is_empty() {
        let value = a.datum(0);
        if value.is_null() {
            return Ok(Arc::new(Vector::constant(PhysicalType::Bool, &Datum::Null, n)));
        }
        let array = ArrayRef::of(&value);
        let mut flags = vec![all; n];
        let mut valid = vec![true; n];
        let mut open: Vec<u32> = i.rows.iter().map(|p| p as u32).collect();
        for element in array.iter() {
            if open.is_empty() {
                break;
            }
            let right = Vector::constant(array.physical(), &element, n);
            let v = call.batch(cx, &[&l, &right], Rows::Selected { positions: &open, len: n })?;
            let VectorData::Bool(decided) = v.data() else {
                return Err(Error::internal("a comparison that gives no booleans"));
            };
            open.retain(|p| {
                let p = *p as usize;
                if v.is_null(p) {
                    valid[p] = false;
                    return true;
                }
                if decided[v.slot(p)] == all {
                    return true;
                }
                flags[p] = !all;
                valid[p] = true;
                false
            });
        }
        return Ok(Arc::new(Vector::from_parts(VectorData::Bool(flags), Some(valid))));
    }
    let mut out = Vector::zeroed(PhysicalType::Bool, n);
    for p in i.rows.iter() {
        match scalar_array_row(call, &l.datum(p), &a.datum(p), all, cx)? {
            Datum::Bool(b) => {
                if let (VectorData::Bool(d), _) = out.parts_mut() {
                    d[p] = b;
                }
            }
            _ => out.set_null(p),
        }
    }
    Ok(Arc::new(out))
}
