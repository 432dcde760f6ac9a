//! Records: text, wire form, order, against what PostgreSQL 15 answers.

use super::*;
use crate::io::{IoContext, ObjectNames};
use crate::registry::user_composite;
use crate::{SqlType, TypeInfo, oids, type_info};
use quarry_common::Result;
use std::cmp::Ordering;
use std::sync::Arc;

const COMPOSITE: Oid = Oid(20_000);

/// create type ct as (a int, b text, c numeric)
struct Names;

fn composite() -> TypeInfo {
    user_composite(COMPOSITE, "ct".into(), Oid(20_001), Oid(20_002))
}

impl ObjectNames for Names {
    fn user_type(&self, _: Oid) -> Result<Arc<TypeInfo>> {
        Ok(Arc::new(composite()))
    }
    fn composite_columns(&self, _: Oid) -> Result<Arc<[SqlType]>> {
        Ok(Arc::new([SqlType::INT4, SqlType::TEXT, SqlType::NUMERIC]))
    }
}

fn cx() -> IoContext<'static> {
    IoContext { names: &Names, ..IoContext::default() }
}

#[test]
fn text_and_wire_as_postgresql() {
    let t = composite();
    for (text, printed) in [
        (r#"(1,"a b",)"#, r#"(1,"a b",)"#),
        ("(1,a b,1.50)", r#"(1,"a b",1.50)"#),
        ("(,,)", "(,,)"),
        (r#"(1,"a""b\\c",2)"#, r#"(1,"a""b\\c",2)"#),
        (r#" (1,"",) "#, r#"(1,"",)"#),
        ("(1, 2 ,3)", r#"(1," 2 ",3)"#),
        ("(1,(,2)", r#"(1,"(",2)"#),
    ] {
        let v = t.input(text, -1, &cx()).unwrap();
        assert_eq!(t.output_string(&v, &cx()).unwrap(), printed);
        let mut wire = Vec::new();
        t.send(&v, &cx(), &mut wire).unwrap();
        assert_eq!(t.receive(&wire, -1, &cx()).unwrap(), v);
        assert!(is_stored_form(v.as_bytes()));
    }
    for (text, detail) in [
        ("(1,2)", "Too few columns."),
        ("(1,2,3,4)", "Too many columns."),
        ("1,2,3", "Missing left parenthesis."),
        ("(1,2,3", "Unexpected end of input."),
        ("(1,2,3)x", "Junk after right parenthesis."),
        ("(1,\"2,3)", "Unexpected end of input."),
    ] {
        let e = t.input(text, -1, &cx()).unwrap_err();
        assert_eq!(e.message(), format!("malformed record literal: \"{text}\""));
        assert_eq!(e.fields().detail.as_deref(), Some(detail), "{text}");
    }
    let record = type_info(oids::RECORD).unwrap();
    let e = record.input("(1)", -1, &cx()).unwrap_err();
    assert_eq!(e.message(), "input of anonymous composite types is not implemented");
}

#[test]
fn fields_compare_in_order() {
    let row =
        |a: Datum, b: &str| from_fields(oids::RECORD, [(oids::INT4, &a), (oids::TEXT, &Datum::text(b))]);
    let sorted =
        [row(Datum::I32(-1), "z"), row(Datum::I32(1), ""), row(Datum::I32(1), "a"), row(Datum::Null, "a")];
    for (i, a) in sorted.iter().enumerate() {
        for (j, b) in sorted.iter().enumerate() {
            assert_eq!(compare(a, b), i.cmp(&j));
            let (mut ka, mut kb) = (Vec::new(), Vec::new());
            (KEY.encode)(a, &mut ka);
            (KEY.encode)(b, &mut kb);
            assert_eq!(ka.cmp(&kb), i.cmp(&j));
            let mut rest = ka.as_slice();
            (KEY.skip)(&mut rest).unwrap();
            assert!(rest.is_empty());
        }
    }
    assert_eq!(compare(&sorted[0], &sorted[0]), Ordering::Equal);
}
