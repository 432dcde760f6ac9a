//! The items of a list of most common combinations, as rows.

use super::collected::rows;
use crate::{Body, EvalContext, FunctionDef, RowSource, SetImpl};
use quarry_common::{Oid, Result};
use quarry_types::array::ArrayBuilder;
use quarry_types::multivariate::decode_common;
use quarry_types::{Datum, PhysicalType, SqlType, oids};

fn items(cx: &mut EvalContext<'_>, args: &[Datum], _: &[SqlType]) -> Result<Box<dyn RowSource>> {
    let mut out = Vec::new();
    if let Some((types, items)) = decode_common(&args[0]) {
        for (i, item) in items.iter().enumerate() {
            let mut values = ArrayBuilder::new(oids::TEXT, PhysicalType::Bytes);
            let mut nulls = ArrayBuilder::new(oids::BOOL, PhysicalType::Bool);
            for (ty, v) in types.iter().zip(&item.values) {
                nulls.push(&Datum::Bool(v.is_null()));
                if v.is_null() {
                    values.push_null();
                    continue;
                }
                let mut text = Vec::new();
                cx.io.type_ref(*ty)?.output(v, cx.io, &mut text)?;
                values.push_bytes(&text);
            }
            out.push(vec![
                Datum::I32(i as i32),
                values.finish_1d()?,
                nulls.finish_1d()?,
                Datum::F64(item.frequency),
                Datum::F64(item.base_frequency),
            ]);
        }
    }
    rows(out)
}

const ITEM: &[(&str, Oid)] = &[
    ("index", oids::INT4),
    ("values", oids::TEXT_ARRAY),
    ("nulls", oids::BOOL_ARRAY),
    ("frequency", oids::FLOAT8),
    ("base_frequency", oids::FLOAT8),
];

pub const FUNCTIONS: &[FunctionDef] = &[FunctionDef::new(
    3427,
    "pg_mcv_list_items",
    &[oids::PG_MCV_LIST],
    oids::RECORD,
    Body::Set(SetImpl { start: items, rows: 1000.0 }),
)
.names(&["mcv_list"])
.outs(ITEM)
.stable()];
