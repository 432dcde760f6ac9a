use crate::context::testing;
use crate::{ScalarImpl, flagged, func, scalar, wide};
use quarry_common::{Error, err};
use quarry_types::{Datum, PhysicalType, Rows, SqlType, Vector};

fn int4(values: &[Option<i32>]) -> Vector {
    let mut v = Vector::with_capacity(PhysicalType::I32, values.len());
    for x in values {
        v.push_datum(&x.map_or(Datum::Null, Datum::I32));
    }
    v
}

fn out_of_range() -> Error {
    err!(NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range")
}

const LESS: ScalarImpl = wide!(|a: i32, b: i32| -> bool { a < b });
const ADD: ScalarImpl = flagged!(out_of_range, |a: i32, b: i32| -> i32 { a.overflowing_add(b) });
const PICK: ScalarImpl = scalar!(|a: &'a str, b: Option<&'a str>| -> &'a str { b.unwrap_or(a) });

#[test]
fn nulls_constants_and_selections_agree_with_rows() {
    let a = int4(&[Some(1), None, Some(3), Some(7)]);
    let b = int4(&[Some(2), Some(2), Some(2), None]);
    let two = Vector::constant(PhysicalType::I32, &Datum::I32(2), 4);
    let null = Vector::constant(PhysicalType::I32, &Datum::Null, 4);
    let io = testing::io();
    for (x, y) in [(&a, &b), (&a, &two), (&two, &a), (&two, &two), (&a, &null)] {
        for rows in [Rows::All(4), Rows::Selected { positions: &[0, 3], len: 4 }] {
            for code in [LESS, ADD] {
                let mut cx = testing::context(&io);
                let got = code.batch.expect("has a batch form")(&mut cx, &[x, y], rows, SqlType::BOOL)
                    .expect("no error");
                assert_eq!(got.len(), 4);
                for i in rows.iter() {
                    let args = [x.datum(i), y.datum(i)];
                    let want = if args.iter().any(Datum::is_null) {
                        Datum::Null
                    } else {
                        (code.row)(&mut cx, &args).expect("no error")
                    };
                    assert_eq!(got.datum(i), want);
                }
            }
        }
    }
}

#[test]
fn overflow_under_null_or_outside_the_selection_is_no_error() {
    let a = int4(&[Some(i32::MAX), Some(1), None]);
    let b = int4(&[Some(1), Some(1), Some(1)]);
    let io = testing::io();
    let mut cx = testing::context(&io);
    let add = ADD.batch.expect("has a batch form");
    let rows = Rows::Selected { positions: &[1, 2], len: 3 };
    assert_eq!(add(&mut cx, &[&a, &b], rows, SqlType::INT4).expect("no error").datum(1), Datum::I32(2));
    let e = add(&mut cx, &[&a, &b], Rows::All(3), SqlType::INT4).expect_err("overflow");
    assert_eq!(e.sqlstate().to_string(), "22003");
}

#[test]
fn options_see_nulls() {
    let def = func!(1, "pick", [TEXT, TEXT] => TEXT, PICK).lax();
    let io = testing::io();
    let cx = testing::context(&io);
    let types = [SqlType::TEXT; 2];
    let got = super::call_scalar_row(&def, &cx, &[Datum::text("x"), Datum::Null], &types, SqlType::TEXT);
    assert_eq!(got.expect("no error"), Datum::text("x"));
    let a = Vector::constant(PhysicalType::Bytes, &Datum::Null, 2);
    let b = Vector::constant(PhysicalType::Bytes, &Datum::text("y"), 2);
    let got = super::call_scalar_batch(&def, &cx, &[&a, &b], &types, Rows::All(2), SqlType::TEXT)
        .expect("no error");
    assert_eq!(got.datum(1), Datum::Null);
}
