//! Texts and answers as PostgreSQL 15 gives them.

use super::execute::vector_matches;
use super::*;

fn vector(text: &str) -> Vec<u8> {
    tsvector_in(text).unwrap()
}
fn vector_text(stored: &[u8]) -> String {
    let mut out = Vec::new();
    tsvector_out(stored, &mut out);
    String::from_utf8(out).unwrap()
}
fn query(text: &str) -> Vec<u8> {
    tsquery_in(text, None).unwrap()
}
fn query_text(stored: &[u8]) -> String {
    let mut out = Vec::new();
    print::write_query(&Query::new(stored), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}
fn is_match(v: &str, q: &str) -> bool {
    vector_matches(VectorRef::new(&vector(v)), &Query::new(&query(q))).unwrap()
}

#[test]
fn vectors_are_sorted_and_print_with_quotes() {
    assert_eq!(vector_text(&vector("b a  'w'' x' \\\\c:3,1A,3b")), "'\\\\c':1A,3B 'a' 'b' 'w'' x'");
    assert_eq!(vector_text(&vector("")), "");
    assert_eq!(vector_text(&vector("a:20000 a:1a")), "'a':1A,16383");
    for bad in ["'", "''", "a:", "a:x", "a:1e", "\\"] {
        assert!(tsvector_in(bad).is_err(), "{bad}");
    }
    assert_eq!(tsvector_in("a:0").unwrap_err().message(), "wrong position info in tsvector: \"a:0\"");
}

#[test]
fn binary_forms_come_back() {
    for text in ["", "'a':1A,3 'b'", "'x':16383"] {
        let stored = vector(text);
        let mut wire = Vec::new();
        tsvector_send(&stored, &mut wire);
        assert_eq!(tsvector_recv(&wire).unwrap(), stored);
        let mut key = Vec::new();
        vector::encode_key(&stored, &mut key);
        let mut rest = &key[..];
        vector::skip_key(&mut rest).unwrap();
        assert!(rest.is_empty());
    }
    for text in ["", "a", "a & !b | c <3> (d:*AB <-> e)"] {
        let stored = query(text);
        let mut wire = Vec::new();
        tsquery_send(&stored, &mut wire);
        assert_eq!(tsquery_recv(&wire).unwrap(), stored);
        let mut key = Vec::new();
        query::encode_key(&stored, &mut key);
        let mut rest = &key[..];
        query::skip_key(&mut rest).unwrap();
        assert!(rest.is_empty());
    }
}

#[test]
fn queries_print_with_the_parentheses_they_need() {
    for (text, shown) in [
        ("a|b&c", "'a' | 'b' & 'c'"),
        ("(a|b)&!c", "( 'a' | 'b' ) & !'c'"),
        ("!(a|b)", "!( 'a' | 'b' )"),
        ("a<->(b<2>c)", "'a' <-> ( 'b' <2> 'c' )"),
        ("a<->b<->c", "'a' <-> 'b' <-> 'c'"),
        ("!!a:*bA", "!!'a':*AB"),
        ("'a b' & \\'", "'a b' & ''''"),
    ] {
        assert_eq!(query_text(&query(text)), shown);
    }
    for bad in ["a b", "a &", "(a", "a)", "a <- b", "a <->", "!", ":a", "a <99999> b"] {
        assert!(tsquery_in(bad, None).is_err(), "{bad}");
    }
}

#[test]
fn phrases_match_by_position() {
    assert!(is_match("a:1 b:2", "a <-> b"));
    assert!(!is_match("a:1 b:3", "a <-> b"));
    assert!(is_match("a:1 b:3", "a <2> b"));
    assert!(!is_match("a b", "a <-> b"));
    assert!(is_match("a:1 b:2 c:3", "a <-> (b <-> c)"));
    assert!(is_match("a:1 b:2 c:3", "!x <-> b"));
    assert!(!is_match("a:1 b:2", "!a <-> b"));
    assert!(is_match("wizard:1A", "w:*A & !w:B"));
    assert!(is_match("a", "a:A"));
    assert!(!is_match("a:1", "a:A"));
}
