//! Order of keys against order of values, for every type that has both.

use super::*;
use crate::compare::compare_nullable;
use crate::registry::all_types;
use crate::{IoContext, type_info};
use quarry_common::Oid;
use std::cmp::Ordering;

/// Values of each type as text; pairs of them differ in every way that could matter.
fn samples(oid: Oid) -> &'static [&'static str] {
    match oid {
        oids::BOOL => &["f", "t"],
        oids::INT2 => &["-32768", "-1", "0", "1", "255", "256", "32767"],
        oids::INT4 => &["-2147483648", "-1", "0", "1", "255", "256", "65536", "2147483647"],
        oids::INT8 | oids::XID8 => {
            &["-9223372036854775808", "-1", "0", "1", "4294967296", "9223372036854775807"]
        }
        oids::OID | oids::REGCLASS => &["0", "1", "4294967295"],
        oids::FLOAT4 | oids::FLOAT8 => &[
            "-Infinity",
            "-1e30",
            "-1.5",
            "-1e-30",
            "-0",
            "0",
            "1e-30",
            "1",
            "1.5",
            "1e30",
            "Infinity",
            "NaN",
        ],
        oids::NUMERIC => &[
            "-Infinity",
            "-1e30",
            "-1.50",
            "-1.5",
            "0",
            "0.00",
            "1e-30",
            "1",
            "1.000",
            "10000",
            "1e30",
            "Infinity",
            "NaN",
        ],
        oids::TEXT | oids::VARCHAR | oids::NAME => {
            &["", "a", "ab", "b", "B", " ", "a ", "\u{1}", "ä", "~", "日本"]
        }
        oids::BPCHAR => &["", "a", "a  ", "ab", "a\u{1}", "b"],
        oids::CHAR => &["", "a", "b", "\\377"],
        oids::BYTEA => {
            &["\\x", "\\x00", "\\x0000", "\\x0001", "\\x00ff", "\\x01", "\\xff", "\\xffff", "\\x61"]
        }
        oids::UUID => &[
            "00000000-0000-0000-0000-000000000000",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "ffffffff-0000-0000-0000-000000000000",
        ],
        oids::TID => &["(0,1)", "(0,2)", "(1,0)", "(4294967295,65535)"],
        oids::PG_LSN => &["0/0", "0/1", "FFFFFFFF/0"],
        oids::DATE => &["-infinity", "0044-03-15 BC", "1999-12-31", "2000-01-01", "2024-02-29", "infinity"],
        oids::TIME => &["00:00:00", "12:00:00.000001", "24:00:00"],
        oids::TIMETZ => &["00:00:00+00", "12:00:00+02", "10:00:00+00", "12:00:00-02", "24:00:00-15"],
        oids::TIMESTAMP => {
            &["-infinity", "0044-03-15 BC", "1999-12-31 23:59:59.999999", "2000-01-01", "infinity"]
        }
        oids::TIMESTAMPTZ => &["-infinity", "1999-12-31 23:59:59+02", "2000-01-01 00:00:00+00", "infinity"],
        oids::INTERVAL => {
            &["-1 year", "-1 day", "0", "24 hours", "1 day", "30 days", "1 mon", "1 year 1 sec"]
        }
        oids::JSONB => &[
            "null",
            "true",
            "1",
            "1.0",
            "\"a\"",
            "\"b\"",
            "[]",
            "[1]",
            "[1,2]",
            "{}",
            "{\"a\":1}",
            "{\"a\":2}",
        ],
        oids::INT4_ARRAY => {
            &["{}", "{1}", "{1,2}", "{1,NULL}", "{2}", "{NULL}", "{{1}}", "[0:0]={1}", "{-1}"]
        }
        oids::TEXT_ARRAY => &["{}", "{\"\"}", "{a}", "{a,b}", "{ab}", "{NULL,a}"],
        oids::NUMERIC_ARRAY => &["{1}", "{1.0}", "{-1}", "{NaN,1}"],
        oids::INT2VECTOR => &["", "1", "1 2", "2"],
        _ => &[],
    }
}

/// The samples that the type can read; types that are not there yet have none.
fn values(ty: &TypeInfo) -> Vec<Datum> {
    let cx = IoContext::default();
    let mut out = vec![Datum::Null];
    out.extend(samples(ty.oid).iter().filter_map(|s| match ty.input(s, -1, &cx) {
        Ok(v) => Some(v),
        Err(e) if e.sqlstate() == quarry_common::SqlState::FEATURE_NOT_SUPPORTED => None,
        Err(e) => panic!("{s} as {}: {e}", ty.name),
    }));
    out
}

#[test]
fn key_order_is_value_order() {
    let orders = [
        KeyOrder::ASC,
        KeyOrder::DESC,
        KeyOrder { desc: false, nulls_first: true },
        KeyOrder { desc: true, nulls_first: false },
    ];
    for ty in all_types().iter().filter(|t| t.functions.key.is_some()) {
        let values = values(ty);
        for order in orders {
            for a in &values {
                let mut ka = Vec::new();
                encode_datum(a, ty, order, &mut ka).unwrap();
                for b in &values {
                    let mut kb = Vec::new();
                    encode_datum(b, ty, order, &mut kb).unwrap();
                    let expected = compare_nullable(a, b, ty, order.desc, order.nulls_first);
                    assert_eq!(ka.cmp(&kb), expected, "{} {order:?}: {a:?} {b:?}", ty.name);
                    if expected == Ordering::Equal && !a.is_null() {
                        let hash = ty.functions.hash.expect("ordered types here can be hashed");
                        assert_eq!(hash(a), hash(b), "{}: {a:?} {b:?}", ty.name);
                    }
                    assert!(ka == kb || !kb.starts_with(&ka), "{}: {a:?} begins {b:?}", ty.name);
                }
                // Two columns in a row: reading the first leads to the second.
                let first = ka.len();
                ka.extend_from_slice(b"tail");
                let mut rest = ka.as_slice();
                match read_column(&mut rest, ty, order).unwrap() {
                    KeyColumn::Null => assert!(a.is_null()),
                    KeyColumn::Value(v) => assert_eq!(&v, a, "{}", ty.name),
                    KeyColumn::NotInvertible => assert!(!is_invertible(ty)),
                }
                assert_eq!(rest, b"tail", "{}: {a:?}", ty.name);
                assert!(read_column(&mut &ka[..first.saturating_sub(1)], ty, order).is_err() || first == 0);
            }
        }
    }
}

#[test]
fn vectors_and_datums_give_the_same_key() {
    for ty in all_types().iter().filter(|t| t.functions.key.is_some()) {
        let values = values(ty);
        let mut v = Vector::with_capacity(ty.physical, values.len());
        values.iter().for_each(|d| v.push_datum(d));
        for (i, d) in values.iter().enumerate() {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            encode_at(&v, i, ty, KeyOrder::DESC, &mut a).unwrap();
            encode_datum(d, ty, KeyOrder::DESC, &mut b).unwrap();
            assert_eq!(a, b, "{}", ty.name);
        }
    }
}

#[test]
fn ranges_hold_what_lies_between() {
    use std::ops::RangeBounds;
    let ty = type_info(oids::INT4).unwrap();
    let key = |v: &Datum, order| {
        let mut key = b"prefix".to_vec();
        encode_datum(v, ty, order, &mut key).unwrap();
        key
    };
    let values: Vec<Datum> = [-5, -1, 0, 1, 7].into_iter().map(Datum::I32).chain([Datum::Null]).collect();
    for order in [KeyOrder::ASC, KeyOrder::DESC] {
        for (low, low_incl, high, high_incl) in
            [(-1, true, 1, true), (-1, false, 1, false), (-1, true, 7, false), (0, false, 0, true)]
        {
            let (l, h) = (Datum::I32(low), Datum::I32(high));
            let range = column_range(
                b"prefix",
                ty,
                order,
                Some(KeyBound { value: &l, inclusive: low_incl }),
                Some(KeyBound { value: &h, inclusive: high_incl }),
            )
            .unwrap();
            for v in &values {
                let inside = match v {
                    Datum::I32(v) => {
                        (*v > low || (low_incl && *v == low)) && (*v < high || (high_incl && *v == high))
                    }
                    _ => false,
                };
                // Further columns don't matter.
                for more in [&b""[..], b"\0", b"\xff\xff"] {
                    let key = [&key(v, order)[..], more].concat();
                    assert_eq!(range.contains(&key), inside, "{v:?} {order:?} {low} {high}");
                }
            }
        }
        let not_null = column_range(b"prefix", ty, order, None, None).unwrap();
        assert!(values.iter().all(|v| not_null.contains(&key(v, order)) != v.is_null()));
    }
    let text = type_info(oids::TEXT).unwrap();
    let range = text_prefix_range(b"", "ab");
    for (v, inside) in [("ab", true), ("abc", true), ("a", false), ("ac", false), ("", false)] {
        let mut key = Vec::new();
        encode_datum(&Datum::text(v), text, KeyOrder::ASC, &mut key).unwrap();
        assert_eq!(range.contains(&key), inside, "{v}");
    }
    assert_eq!(prefix_end(&[1, 0xff, 0xff]), Some(vec![2]));
    assert_eq!(prefix_end(&[0xff]), None);
}
