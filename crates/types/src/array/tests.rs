//! Arrays: text, wire form, subscripts, order, against what PostgreSQL 15 answers.

use super::*;
use crate::{IoContext, TypeInfo, oids, type_info};
use std::cmp::Ordering;

fn of(oid: Oid) -> &'static TypeInfo {
    type_info(oid).unwrap()
}

fn round_trip(oid: Oid, text: &str) -> String {
    let cx = IoContext::default();
    let v = of(oid).input(text, -1, &cx).unwrap_or_else(|e| panic!("{text}: {e}"));
    let mut wire = Vec::new();
    of(oid).send(&v, &cx, &mut wire).unwrap();
    assert_eq!(of(oid).receive(&wire, -1, &cx).unwrap(), v, "{text} by wire");
    of(oid).output_string(&v, &cx).unwrap()
}

#[test]
fn text_as_postgresql() {
    for (oid, text, printed) in [
        (oids::INT4_ARRAY, "{1,2,NULL}", "{1,2,NULL}"),
        (oids::INT4_ARRAY, "{}", "{}"),
        (oids::INT4_ARRAY, " { 1 , 2 } ", "{1,2}"),
        (oids::INT4_ARRAY, "{{1,2},{3,4}}", "{{1,2},{3,4}}"),
        (oids::INT4_ARRAY, "[0:1]={1,2}", "[0:1]={1,2}"),
        (oids::INT4_ARRAY, "[1]={1}", "{1}"),
        (oids::INT4_ARRAY, "[-1:0][2:3]={{1,2},{3,4}}", "[-1:0][2:3]={{1,2},{3,4}}"),
        (oids::INT4_ARRAY, "{{1},{{2}}}", "{{{1}},{{2}}}"),
        (
            oids::TEXT_ARRAY,
            r#"{"a b",c d, NULL ,"NULL",nUlL,"","x\\y\"",ä}"#,
            r#"{"a b","c d",NULL,"NULL",NULL,"","x\\y\"",ä}"#,
        ),
        (oids::TEXT_ARRAY, r#"{ "a" , b\ , \c }"#, r#"{a,"b ",c}"#),
        (oids::TEXT_ARRAY, "{a b  c , d}", r#"{"a b  c",d}"#),
        (oids::TEXT_ARRAY, r#"{null,"a,b","{","}"," ",a}"#, r#"{NULL,"a,b","{","}"," ",a}"#),
        (oids::INT2VECTOR_ARRAY, r#"{"1 2","3"}"#, r#"{"1 2",3}"#),
        (oids::NUMERIC_ARRAY, "{1.50,NaN}", "{1.50,NaN}"),
    ] {
        assert_eq!(round_trip(oid, text), printed);
    }
}

#[test]
fn errors_as_postgresql() {
    let cx = IoContext::default();
    let t = of(oids::INT4_ARRAY);
    for (text, detail) in [
        ("{1,2", "Unexpected end of input."),
        ("{1,2}}", "Junk after closing right brace."),
        ("{1,,2}", "Unexpected \",\" character."),
        ("{,1}", "Unexpected \",\" character."),
        ("{1,}", "Unexpected \"}\" character."),
        ("1,2", "Array value must start with \"{\" or dimension information."),
        ("", "Array value must start with \"{\" or dimension information."),
        ("{{1,2},{3}}", "Multidimensional arrays must have sub-arrays with matching dimensions."),
        ("{{1},2}", "Unexpected array element."),
        ("{1,{2}}", "Unexpected \"{\" character."),
        ("{{},{}}", "Unexpected \"}\" character."),
        ("{{}}", "Unexpected \"}\" character."),
        ("{\"a\"b}", "Unexpected array element."),
        ("{a\\", "Unexpected end of input."),
        ("[1:2]={1}", "Specified array dimensions do not match array contents."),
        ("[1:2]{1,2}", "Missing \"=\" after array dimensions."),
        ("[a]={1}", "\"[\" must introduce explicitly-specified array dimensions."),
        ("[1:=a]={1}", "Missing array dimension value."),
        ("[1:1={1}", "Missing \"]\" after array dimensions."),
        ("[1:1]=1", "Array contents must start with \"{\"."),
    ] {
        let e = t.input(text, -1, &cx).unwrap_err();
        assert_eq!(e.message(), format!("malformed array literal: \"{text}\""));
        assert_eq!(e.fields().detail.as_deref(), Some(detail), "{text}");
    }
    let message = |text: &str| t.input(text, -1, &cx).unwrap_err().message().to_string();
    assert_eq!(message("[2:1]={1}"), "upper bound cannot be less than lower bound");
    assert_eq!(message("{{{{{{{1}}}}}}}"), "number of array dimensions (7) exceeds the maximum allowed (6)");
    assert_eq!(message("{x}"), "invalid input syntax for type integer: \"x\"");
}

#[test]
fn malformed_wire_forms_are_refused() {
    let cx = IoContext::default();
    let t = of(oids::INT4_ARRAY);
    let v = t.input("{1,NULL,3}", -1, &cx).unwrap();
    let mut wire = Vec::new();
    t.send(&v, &cx, &mut wire).unwrap();
    for n in 0..wire.len() {
        assert!(t.receive(&wire[..n], -1, &cx).is_err(), "cut at {n}");
    }
    for i in 0..wire.len() {
        let mut bad = wire.clone();
        bad[i] ^= 0x80;
        let _ = t.receive(&bad, -1, &cx);
    }
}

#[test]
fn elements_subscripts_and_order() {
    let cx = IoContext::default();
    let t = of(oids::INT4_ARRAY);
    let parse = |text: &str| t.input(text, -1, &cx).unwrap();
    let v = parse("[2:3][0:1]={{1,2},{NULL,4}}");
    let a = ArrayRef::of(&v);
    assert_eq!((a.ndim(), a.len(), a.has_nulls()), (2, 4, true));
    assert_eq!(a.get(&[3, 1]), Datum::I32(4));
    assert_eq!(a.get(&[3, 0]), Datum::Null);
    assert_eq!(a.get(&[1, 0]), Datum::Null);
    assert_eq!(a.get(&[2]), Datum::Null);
    for (less, more) in [
        ("{1,2}", "{1,2,3}"),
        ("{1,5}", "{1,NULL}"),
        ("{1,2}", "{{1,2}}"),
        ("[0:1]={1,2}", "{1,2}"),
        ("{}", "{NULL}"),
        ("{-1}", "{1}"),
    ] {
        assert_eq!(compare(&parse(less), &parse(more)), Ordering::Less, "{less} {more}");
    }
    let n = of(oids::NUMERIC_ARRAY);
    let (x, y) = (n.input("{1.0,2}", -1, &cx).unwrap(), n.input("{1.00,2.0}", -1, &cx).unwrap());
    assert_eq!(compare(&x, &y), Ordering::Equal);
    assert_eq!(hash(&x), hash(&y));
    assert!(is_stored_form(v.as_bytes()) && !is_stored_form(b"\x01abc") && !is_stored_form(b""));
}

#[test]
fn vectors_print_as_numbers() {
    let cx = IoContext::default();
    let t = of(oids::INT2VECTOR);
    let v = t.input(" 1 2  3", -1, &cx).unwrap();
    assert_eq!(v, int2vector([1, 2, 3]));
    assert_eq!(t.output_string(&v, &cx).unwrap(), "1 2 3");
    assert_eq!(ArrayRef::of(&v).get(&[0]), Datum::I16(1));
    assert_eq!(of(oids::OIDVECTOR).output_string(&oidvector([]), &cx).unwrap(), "");
}
